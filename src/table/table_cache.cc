#include "src/table/table_cache.h"

#include <utility>

#include "src/format/file_name.h"
#include "src/table/table_file.h"

namespace paceline {

TableCache::TableCache(FileSystem* file_system, std::string directory,
                       int open_files_max)
    : file_system_(file_system),
      directory_(std::move(directory)),
      open_files_max_(open_files_max) {}

StatusOr<std::shared_ptr<const TableReader>> TableCache::Open(
    const FileMetaData& file, TableReaderOptions options) const {
  options.path = TableFileName(directory_, file.number);
  auto opened = file_system_->NewRandomAccessFile(options.path);
  if (!opened.ok() && opened.status().IsPathNotFound()) {
    // What LevelDB called them.
    std::string old_path = OldTableFileName(directory_, file.number);
    auto old = file_system_->NewRandomAccessFile(old_path);
    if (old.ok()) {
      options.path = std::move(old_path);
      opened = std::move(old);
    }
  }
  if (!opened.ok()) {
    return AtTable(TableName(options.path, options.family_name),
                   opened.status(), "");
  }
  return TableReader::Open(options, *std::move(opened), file);
}

std::shared_ptr<const TableReader> TableCache::Use(uint64_t file_number) {
  MutexLock lock(&mutex_);
  auto found = by_number_.find(file_number);
  if (found == by_number_.end()) return nullptr;
  entries_.splice(entries_.begin(), entries_, found->second);
  return found->second->reader;
}

StatusOr<std::shared_ptr<const TableReader>> TableCache::Find(
    const FileMetaData& file, const TableReaderOptions& options) {
  if (auto kept = Use(file.number)) return kept;
  auto opened = Open(file, options);
  if (!opened.ok()) return opened.status();
  Entries pushed_out;
  MutexLock lock(&mutex_);
  auto found = by_number_.find(file.number);
  if (found != by_number_.end()) return found->second->reader;
  entries_.push_front({file.number, *opened});
  by_number_[file.number] = entries_.begin();
  while (is_bounded() &&
         entries_.size() > static_cast<size_t>(open_files_max_) &&
         entries_.size() > 1) {
    by_number_.erase(entries_.back().number);
    // Closed when the lock is released.
    pushed_out.splice(pushed_out.begin(), entries_, --entries_.end());
  }
  return *std::move(opened);
}

std::shared_ptr<const TableReader> TableCache::FindOpen(
    uint64_t file_number) const {
  MutexLock lock(&mutex_);
  auto found = by_number_.find(file_number);
  return found == by_number_.end() ? nullptr : found->second->reader;
}

void TableCache::Evict(uint64_t file_number) {
  Entries evicted;
  MutexLock lock(&mutex_);
  auto found = by_number_.find(file_number);
  if (found == by_number_.end()) return;
  evicted.splice(evicted.begin(), entries_, found->second);
  by_number_.erase(found);
}

}  // namespace paceline
