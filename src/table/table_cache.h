// TableCache: the tables that are open.

#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <unordered_map>

#include "paceline/env.h"

#include "src/base/sync.h"
#include "src/table/table_reader.h"

namespace paceline {

// Opens tables and keeps those open that were used last. Thread-safe.
class TableCache {
 public:
  // At most `open_files_max` are kept open; negative: all.
  TableCache(FileSystem* file_system, std::string directory,
             int open_files_max);

  [[nodiscard]] bool is_bounded() const { return open_files_max_ >= 0; }
  [[nodiscard]] const std::string& directory() const { return directory_; }

  // Opens the table without keeping it. `options.path` is filled in.
  [[nodiscard]] StatusOr<std::shared_ptr<const TableReader>> Open(
      const FileMetaData& file, TableReaderOptions options) const;

  // The table if it is kept, else null. It is now the one that was used last.
  [[nodiscard]] std::shared_ptr<const TableReader> Use(uint64_t file_number)
      EXCLUDES(mutex_);
  // The table if it is kept, or else opens and keeps it. I/O is done without
  // the lock; two threads may open the same table at once.
  StatusOr<std::shared_ptr<const TableReader>> Find(
      const FileMetaData& file, const TableReaderOptions& options)
      EXCLUDES(mutex_);
  // The table if it is kept, else null. Does not count as its use.
  [[nodiscard]] std::shared_ptr<const TableReader> FindOpen(
      uint64_t file_number) const EXCLUDES(mutex_);
  // The table is gone.
  void Evict(uint64_t file_number) EXCLUDES(mutex_);

 private:
  struct Entry {
    uint64_t number = 0;
    std::shared_ptr<const TableReader> reader;
  };
  using Entries = std::list<Entry>;

  FileSystem* const file_system_;
  const std::string directory_;
  const int open_files_max_;

  mutable Mutex mutex_;
  Entries entries_ GUARDED_BY(mutex_);  // Used last first.
  std::unordered_map<uint64_t, Entries::iterator> by_number_ GUARDED_BY(mutex_);
};

}  // namespace paceline
