// TableFilter: which keys a table does not have.

#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "paceline/slice.h"

#include "src/table/bloom_filter.h"
#include "src/table/compression.h"
#include "src/table/table_index.h"

namespace paceline {

// The filter of a table, in one or more parts; without any it holds every key.
// Constant once the parts are there; then thread-safe.
class TableFilter {
 public:
  TableFilter() = default;

  // One filter for all keys.
  void SetFull(BlockBuffer contents);
  // Part i is for the keys that `index` leads to block i with. `parts` has one
  // for each block.
  void SetPartitioned(std::unique_ptr<const TableIndex> index,
                      std::vector<BlockBuffer> parts);

  // False if no version of the key is in the table.
  [[nodiscard]] bool MayContain(HashedKey* key) const {
    return readers_.empty() || MayContainHash(key->user_key(), key->hash());
  }

  // Bytes.
  [[nodiscard]] size_t MemoryUsage() const;

 private:
  [[nodiscard]] bool MayContainHash(const Slice& user_key, uint64_t hash) const;

  std::vector<BlockBuffer> contents_;
  std::vector<BloomFilterReader> readers_;
  std::unique_ptr<const TableIndex> index_;  // Null if there is one part.
};

}  // namespace paceline
