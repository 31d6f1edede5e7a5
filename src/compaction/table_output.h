// TableOutput: what a flush or a compaction writes, as one table or several.

#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "paceline/env.h"
#include "paceline/options.h"

#include "src/format/file_metadata.h"
#include "src/format/range_tombstones.h"
#include "src/table/table_builder.h"
#include "src/version/column_family.h"

namespace paceline {

// Gets entries in their order and the places where a table ends. Range
// tombstones are given once, before the first entry; each table gets the part
// of them between its first user key (the first table: from the beginning) and
// that of the next. Thread-compatible.
class TableOutput {
 public:
  struct Config {
    FileSystem* file_system = nullptr;
    std::string directory;
    const ColumnFamily* family = nullptr;
    CompressionType compression = kNoCompression;
    RateLimiter* rate_limiter = nullptr;
    RateLimiter::Priority priority = RateLimiter::Priority::kLow;
    std::function<uint64_t()> new_file_number;
    uint64_t now_seconds = 0;
    // Of the oldest data in it; 0: now.
    uint64_t oldest_ancestor_time = 0;
    uint64_t epoch_number = 0;
  };

  explicit TableOutput(Config config);
  // Removes the tables, unless Keep() was called.
  ~TableOutput();
  TableOutput(const TableOutput&) = delete;
  TableOutput& operator=(const TableOutput&) = delete;

  // Sorted, disjoint or equal, newest first.
  void SetTombstones(std::vector<RangeTombstone> tombstones) {
    tombstones_ = std::move(tombstones);
  }

  // Begins a table if none is open.
  Status Add(const Slice& internal_key, const Slice& value);
  [[nodiscard]] bool has_open_table() const { return builder_ != nullptr; }
  [[nodiscard]] uint64_t OpenTableBytes() const {
    return builder_->EstimatedFileSize();
  }
  // Ends the open table. What follows has user keys from `next` on.
  Status EndTable(const Slice& next) { return End(&next); }
  // Ends the last one, which is made for tombstones alone if need be.
  Status Finish() { return End(nullptr); }

  // The finished tables, in order.
  [[nodiscard]] const std::vector<FileMetaData>& files() const {
    return files_;
  }
  [[nodiscard]] uint64_t bytes_written() const { return bytes_written_; }
  // The tables belong to somebody now.
  void Keep() { keeps_files_ = true; }

 private:
  Status Begin();
  Status End(const Slice* next);
  void LetOthersRun();
  void AddTombstones(const Slice* next);
  [[nodiscard]] bool HasTombstonesBefore(const Slice* next) const;
  void Extend(const Slice& begin, const Slice& end, SequenceNumber sequence);

  const Config config_;
  std::vector<RangeTombstone> tombstones_;
  size_t next_tombstone_ = 0;  // Those before it end before the open table.
  bool has_begin_ = false;     // Of the open table: where the last one ended.
  std::string begin_;
  std::unique_ptr<TableBuilder> builder_;
  FileMetaData open_;
  std::string last_key_;
  std::vector<FileMetaData> files_;
  std::vector<std::string> paths_;
  uint64_t bytes_written_ = 0;
  uint32_t entries_in_a_row_ = 0;
  bool keeps_files_ = false;
};

}  // namespace paceline
