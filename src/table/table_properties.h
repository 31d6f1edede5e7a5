// TableProperties: what a table says about itself.

#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace paceline {

// Of a table that was opened. Numbers that it does not have are 0.
struct TableProperties {
  uint64_t num_entries = 0;  // Points and range tombstones.
  uint64_t num_deletions = 0;
  uint64_t num_merge_operands = 0;
  uint64_t num_range_deletions = 0;
  uint64_t num_data_blocks = 0;
  uint64_t raw_key_size = 0;
  uint64_t raw_value_size = 0;
  uint64_t data_size = 0;
  uint64_t index_size = 0;
  uint64_t filter_size = 0;
  uint32_t format_version = 0;  // Of the footer.
  std::string comparator_name;
  std::string compression_name;
  std::string filter_policy_name;
  // All of them as stored.
  std::map<std::string, std::string> raw;
};

}  // namespace paceline
