#include "src/db/options_check.h"

#include <cmath>
#include <string>
#include <type_traits>

#include "src/table/block_cache.h"
#include "src/table/compression.h"

namespace paceline {

namespace {

// Negative values are out of every range.
template <typename T>
Status CheckRange(const char* name, T value, uint64_t smallest,
                  uint64_t largest) {
  bool is_negative = value < static_cast<T>(0);
  if (!is_negative && static_cast<uint64_t>(value) >= smallest &&
      static_cast<uint64_t>(value) <= largest) {
    return Status::OK();
  }
  return Status::InvalidArgument(
      std::string("option ") + name + " is " +
          std::to_string(
              static_cast<std::conditional_t<std::is_enum_v<T>, int, T>>(
                  value)),
      "it must be from " + std::to_string(smallest) + " to " +
          std::to_string(largest));
}

Status Missing(const char* name) {
  return Status::InvalidArgument(std::string("option ") + name + " is null");
}

}  // namespace

Status CheckOptions(const DBOptions& options) {
  if (options.file_system == nullptr) return Missing("file_system");
  if (options.clock == nullptr) return Missing("clock");
  auto mode = static_cast<int>(options.wal_recovery_mode);
  if (mode < 0 || mode > 3) {
    return Status::InvalidArgument("option wal_recovery_mode is unknown",
                                   std::to_string(mode));
  }
  if (options.max_open_files != -1 && options.max_open_files < 10) {
    return Status::InvalidArgument(
        "option max_open_files is " + std::to_string(options.max_open_files),
        "it must be -1 or at least 10");
  }
  Status s =
      CheckRange("max_background_jobs", options.max_background_jobs, 1, 64);
  if (s.ok()) {
    s = CheckRange("max_manifest_file_size", options.max_manifest_file_size,
                   1 << 10, UINT64_MAX);
  }
  if (!s.ok()) return s;
  return CheckRange("max_write_batch_group_size_bytes",
                    options.max_write_batch_group_size_bytes, 1 << 10,
                    256 << 20);
}

namespace {

Status CheckCompression(const char* name, CompressionType type) {
  if (CanCompress(type)) return Status::OK();
  return Status::InvalidArgument(
      std::string("option ") + name + " is " + CompressionName(type),
      "this build cannot write it");
}

Status CheckTable(const BlockBasedTableOptions& table) {
  Status s = CheckRange("block_size", table.block_size, 256, 64 << 20);
  if (s.ok()) {
    s = CheckRange("block_restart_interval", table.block_restart_interval, 1,
                   1 << 16);
  }
  if (s.ok() && table.block_cache != nullptr &&
      AsBlockCache(table.block_cache) == nullptr) {
    s = Status::InvalidArgument("option block_cache",
                                "it must come from NewLRUCache()");
  }
  if (s.ok()) s = CheckRange("checksum", table.checksum, kNoChecksum, kXXH3);
  return s;
}

Status CheckLevels(const ColumnFamilyOptions& options) {
  Status s = CheckRange("level0_file_num_compaction_trigger",
                        options.level0_file_num_compaction_trigger, 1, 1 << 20);
  if (s.ok()) {
    s = CheckRange("level0_slowdown_writes_trigger",
                   options.level0_slowdown_writes_trigger,
                   options.level0_file_num_compaction_trigger, 1 << 20);
  }
  if (s.ok()) {
    s = CheckRange("level0_stop_writes_trigger",
                   options.level0_stop_writes_trigger,
                   options.level0_slowdown_writes_trigger, 1 << 20);
  }
  if (s.ok()) {
    s = CheckRange("target_file_size_base", options.target_file_size_base,
                   4 << 10, uint64_t{1} << 40);
  }
  if (s.ok()) {
    s = CheckRange("target_file_size_multiplier",
                   options.target_file_size_multiplier, 1, 1 << 10);
  }
  if (s.ok()) {
    s = CheckRange("max_bytes_for_level_base", options.max_bytes_for_level_base,
                   4 << 10, uint64_t{1} << 50);
  }
  if (s.ok() && !(options.max_bytes_for_level_multiplier > 1 &&
                  std::isfinite(options.max_bytes_for_level_multiplier))) {
    s = Status::InvalidArgument("option max_bytes_for_level_multiplier",
                                "it must be more than 1, and finite");
  }
  return s;
}

Status CheckCompactions(const ColumnFamilyOptions& options) {
  if (options.max_compaction_bytes != 0) {
    Status s = CheckRange("max_compaction_bytes", options.max_compaction_bytes,
                          4 << 10, UINT64_MAX);
    if (!s.ok()) return s;
  }
  uint64_t soft = options.soft_pending_compaction_bytes_limit;
  uint64_t hard = options.hard_pending_compaction_bytes_limit;
  if (hard != 0 && soft > hard) {
    return Status::InvalidArgument(
        "option soft_pending_compaction_bytes_limit is " + std::to_string(soft),
        "it must not be above hard_pending_compaction_bytes_limit, which is " +
            std::to_string(hard));
  }
  return Status::OK();
}

Status CheckCompressionLevel(const ColumnFamilyOptions& options) {
  const int level = options.compression_opts.level;
  if (level == CompressionOptions::kDefaultCompressionLevel) {
    return Status::OK();
  }
  Status s;
  for (CompressionType type :
       {options.compression, options.bottommost_compression}) {
    int max = CompressionLevelMax(type);
    if (s.ok() && max != 0) {
      s = CheckRange("compression_opts.level", level, 1,
                     static_cast<uint64_t>(max));
    }
  }
  return s;
}

}  // namespace

Status CheckOptions(const ColumnFamilyOptions& options) {
  if (options.comparator == nullptr) return Missing("comparator");
  if (options.table_factory == nullptr) return Missing("table_factory");
  Status s = CheckRange("write_buffer_size", options.write_buffer_size,
                        uint64_t{64} << 10, uint64_t{64} << 30);
  if (s.ok()) {
    s = CheckRange("max_write_buffer_number", options.max_write_buffer_number,
                   2, 64);
  }
  if (s.ok()) s = CheckCompression("compression", options.compression);
  if (s.ok() && options.bottommost_compression != kDisableCompressionOption) {
    s = CheckCompression("bottommost_compression",
                         options.bottommost_compression);
  }
  if (s.ok()) s = CheckTable(options.table_factory->options());
  if (s.ok()) s = CheckCompressionLevel(options);
  if (s.ok()) s = CheckLevels(options);
  if (s.ok()) s = CheckCompactions(options);
  return s;
}

}  // namespace paceline
