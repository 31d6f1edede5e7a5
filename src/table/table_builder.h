// TableBuilder: writes an SST file.

#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "paceline/compression_type.h"
#include "paceline/env.h"
#include "paceline/rate_limiter.h"
#include "paceline/table.h"

#include "src/format/internal_key.h"

namespace paceline {

class BlockCache;

struct TableBuilderOptions {
  const InternalKeyComparator* comparator = nullptr;
  BlockBasedTableOptions table;
  // What the builder holds counts in it. May be null.
  std::shared_ptr<BlockCache> block_cache;
  CompressionType compression = kNoCompression;
  CompressionOptions compression_options;
  // Asked before every write of the file. Null: no limit.
  RateLimiter* rate_limiter = nullptr;
  RateLimiter::Priority rate_limiter_priority = RateLimiter::Priority::kLow;

  // For the table's properties.
  uint64_t file_number = 0;
  uint32_t family_id = 0;
  std::string family_name;
  std::string merge_operator_name = "nullptr";
  uint64_t creation_time = 0;       // Seconds since 1970; 0: not known.
  uint64_t file_creation_time = 0;  // The same.
};

// Gets the point entries in the order of internal keys, and the range
// tombstones, as fragments in their order, at any time before Finish(). What
// it writes is in docs/file_formats.md. Thread-compatible.
class TableBuilder {
 public:
  // `file` is empty; `path` is for messages.
  TableBuilder(const TableBuilderOptions& options,
               std::unique_ptr<WritableFile> file, std::string path);
  // Without Finish(), leaves a part of a file behind for the caller to remove.
  ~TableBuilder();
  TableBuilder(const TableBuilder&) = delete;
  TableBuilder& operator=(const TableBuilder&) = delete;

  // `internal_key` must be greater than the one before. The first error is
  // returned by every later call.
  Status Add(const Slice& internal_key, const Slice& value);
  // Deletes [begin, end) at `sequence`; ordered by begin, then newest first.
  void AddTombstone(const Slice& begin, const Slice& end,
                    SequenceNumber sequence);

  // Writes the rest, syncs and closes the file.
  Status Finish();

  // Point entries and tombstones so far.
  [[nodiscard]] uint64_t entries() const;
  // Bytes written, and an estimate of those that Finish() would add. After
  // Finish(): the size of the file.
  [[nodiscard]] uint64_t EstimatedFileSize() const;
  [[nodiscard]] Status status() const;

 private:
  class Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace paceline
