// TestDatabase: a DB together with all its column families, by name; and its
// contents as plain values that tests compare.

#pragma once

#include <map>
#include <memory>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "paceline/db.h"

#include "gmock/gmock.h"
#include "test/support/model.h"

namespace paceline {

// The live entries of each column family, in the family's order.
using Contents =
    std::map<std::string, std::vector<std::pair<std::string, std::string>>>;

// Lets test failures show a Status as text.
inline void PrintTo(const Status& status, std::ostream* out) {
  *out << status.ToString();
}

Contents ContentsOf(const Model& model);

// The canonical dump of the golden databases: a line
// `family<TAB>hexkey<TAB>hexvalue` for each entry.
std::string CanonicalDump(const Contents& contents);

// The first difference of two Contents in a few words; empty if there is none.
// (A printout of both would be too long to read.)
std::string Difference(const Contents& expected, const Contents& actual);

MATCHER(IsOk, "") { return arg.ok(); }
MATCHER_P(HasCode, code,
          "has the code " + std::to_string(static_cast<int>(code))) {
  return arg.code() == code;
}
MATCHER_P(Mentions, text, "") {
  return arg.ToString().find(text) != std::string::npos;
}

// Every column family is opened with the options of the default one, but for
// what SetComparator() says.
// Thread-compatible; the DB inside is as thread-safe as ever.
class TestDatabase {
 public:
  TestDatabase() = default;
  // Closes; failing to is a test failure.
  ~TestDatabase();
  TestDatabase(const TestDatabase&) = delete;
  TestDatabase& operator=(const TestDatabase&) = delete;

  // The family of this name has an order of its own from the next open on.
  void SetComparator(const std::string& family, const Comparator* comparator) {
    comparators_[family] = comparator;
  }

  // Opens the database with the column families that it has and those in
  // `more_families` (see create_missing_column_families). It must be closed.
  Status Open(const Options& options, const std::string& directory,
              const std::vector<std::string>& more_families = {});
  Status OpenForReadOnly(const Options& options, const std::string& directory);

  // Deletes the handles, closes and deletes the DB. Returns what DB::Close()
  // returned; OK if it is not open.
  Status Close();

  [[nodiscard]] bool is_open() const { return db_ != nullptr; }
  [[nodiscard]] DB* operator->() const { return db_.get(); }
  [[nodiscard]] DB* get() const { return db_.get(); }
  // Null if there is none of that name.
  [[nodiscard]] ColumnFamilyHandle* Family(const std::string& name) const;
  [[nodiscard]] std::vector<std::string> FamilyNames() const;

  Status CreateFamily(const std::string& name);
  Status DropFamily(const std::string& name);

  // Everything a forward scan of each family finds; scans that end with an
  // error are test failures.
  [[nodiscard]] Contents ReadAll(const Snapshot* snapshot = nullptr) const;

 private:
  Status OpenEither(bool read_only, const Options& options,
                    const std::string& directory,
                    const std::vector<std::string>& more_families);

  // The options that a family is opened with.
  [[nodiscard]] ColumnFamilyOptions OptionsOf(const std::string& family) const;

  ColumnFamilyOptions family_options_;
  std::map<std::string, const Comparator*> comparators_;
  std::unique_ptr<DB> db_;
  std::map<std::string, std::unique_ptr<ColumnFamilyHandle>> families_;
};

}  // namespace paceline
