// RocksDB as a second opinion on table files. Nothing here shows RocksDB's own
// types.

#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "paceline/status.h"

namespace paceline {

struct PeerTableOptions {
  bool is_reversed = false;  // Ordered by ReverseBytewiseComparator().
  bool has_filter = false;   // A Bloom filter is looked for.
  // Looked up besides the keys that are there.
  std::vector<std::string> absent_keys;
};

struct PeerTables {
  // User keys and values in order.
  std::vector<std::pair<std::string, std::string>> entries;
  // How many look-ups a filter has saved.
  uint64_t filtered = 0;
};

// Makes the table files that are alone in `directory` a database by RocksDB's
// repair, and reads it: with every checksum verified, forwards, backwards, and
// key by key; then compacts all of it and reads again. An error if any of that
// fails, or if it does not find the same each time.
StatusOr<PeerTables> ReadTablesWithRocksDB(const PeerTableOptions& options,
                                           const std::string& directory);

}  // namespace paceline
