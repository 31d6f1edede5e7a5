// Database: a DB opened the way its own files say, with all column families.

#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "paceline/db.h"
#include "paceline/merge_operator.h"
#include "paceline/options.h"
#include "paceline/status.h"

namespace paceline::cli {

// What a reader asks for beyond what the database's files say.
struct ReadingOptions {
  // Instead of the one in the OPTIONS file.
  std::optional<WALRecoveryMode> recovery_mode;
  // For every column family, instead of the one in the OPTIONS file; that
  // file is then not read at all.
  std::shared_ptr<MergeOperator> merge_operator;
  // For column families to which the OPTIONS file gives none.
  std::shared_ptr<MergeOperator> fallback_merge_operator;
};

// An open DB with a handle to each of its column families. Comparators are
// those that the MANIFEST names, merge operators those of the OPTIONS file.
// Thread-compatible; the DB itself is thread-safe.
class Database {
 public:
  // Changes nothing in `directory` and works while another process has it
  // open. NotFound if there is no database, NotSupported if a comparator is
  // not one of Paceline's, otherwise what DB::OpenForReadOnly() returns.
  static StatusOr<std::unique_ptr<Database>> OpenForReading(
      const std::string& directory, const ReadingOptions& options);

  // The same for writing. Makes the database if `create_if_missing`.
  static StatusOr<std::unique_ptr<Database>> OpenForWriting(
      const std::string& directory, bool create_if_missing);

  // Closes if Close() was not called.
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  [[nodiscard]] DB* db() { return db_.get(); }

  // In byte order of their names.
  [[nodiscard]] const std::vector<ColumnFamilyHandle*>& families() const {
    return families_;
  }
  // NotFound if there is no column family of that name.
  [[nodiscard]] StatusOr<ColumnFamilyHandle*> Family(
      const std::string& name) const;
  // Makes the column family.
  Status CreateFamily(const std::string& name,
                      const ColumnFamilyOptions& options);

  Status Close();

 private:
  Database() = default;
  void SortFamilies();

  std::unique_ptr<DB> db_;
  std::vector<ColumnFamilyHandle*> families_;  // Owned.
};

// NotFound, in words for people, if `directory` has no database.
Status CheckDatabaseExists(const std::string& directory);

}  // namespace paceline::cli
