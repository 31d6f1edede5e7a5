#include "src/db/options_check.h"

#include <string>

namespace paceline {

namespace {

Status CheckRange(const char* name, uint64_t value, uint64_t smallest,
                  uint64_t largest) {
  if (value >= smallest && value <= largest) return Status::OK();
  return Status::InvalidArgument(
      std::string("option ") + name + " is " + std::to_string(value),
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
  return CheckRange("max_write_batch_group_size_bytes",
                    options.max_write_batch_group_size_bytes, 1 << 10,
                    256 << 20);
}

Status CheckOptions(const ColumnFamilyOptions& options) {
  if (options.comparator == nullptr) return Missing("comparator");
  return CheckRange("write_buffer_size", options.write_buffer_size,
                    uint64_t{64} << 10, uint64_t{64} << 30);
}

}  // namespace paceline
