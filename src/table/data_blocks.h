// DataBlocks: the data blocks of a table, from the cache or from the file.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "paceline/status.h"

#include "src/format/internal_key.h"
#include "src/table/block.h"
#include "src/table/block_cache.h"
#include "src/table/table_contents.h"
#include "src/table/table_reader.h"

namespace paceline {

// True for the types of entries that a data block may have and that Paceline
// reads.
[[nodiscard]] constexpr bool IsPointType(uint64_t tag) {
  constexpr uint64_t kPointTypes =
      uint64_t{1} << static_cast<int>(ValueType::kDeletion) |
      uint64_t{1} << static_cast<int>(ValueType::kValue) |
      uint64_t{1} << static_cast<int>(ValueType::kMerge) |
      uint64_t{1} << static_cast<int>(ValueType::kSingleDeletion);
  const auto type = static_cast<uint8_t>(tag);
  return type < 64 && (kPointTypes >> type & 1) != 0;
}

// By their positions in the index of the table. Thread-safe.
class DataBlocks {
 public:
  // `table` must stay; `cache` may be null. For `file_id` see
  // TableReaderOptions::cache_file_id.
  DataBlocks(const TableContents* table, std::shared_ptr<BlockCache> cache,
             uint64_t file_id);
  // Drops the blocks from the cache if no file_id was given.
  ~DataBlocks();
  DataBlocks(const DataBlocks&) = delete;
  DataBlocks& operator=(const DataBlocks&) = delete;

  [[nodiscard]] const TableContents& table() const { return *table_; }
  [[nodiscard]] size_t size() const { return table_->index.size(); }

  // `readahead` may be null.
  Status Read(size_t position, const BlockReadOptions& options,
              ReadaheadBuffer* readahead,
              std::shared_ptr<const Block>* block) const;

  // Starts `entry` over a block of this table.
  void Start(const Block* block, BlockIterator* entry) const {
    if (table_->global_sequence) [[unlikely]] {
      entry->Init(block, table_->comparator, *table_->global_sequence);
    } else {
      entry->Init(block, table_->comparator);
    }
  }

  // What is wrong with a block whose BlockIterator is damaged.
  [[nodiscard]] Status DamagedEntry(size_t position) const;
  // What is wrong with an entry if IsPointType() is false: Corruption, or
  // NotSupported if RocksDB knows the type.
  [[nodiscard]] Status BadType(size_t position, uint64_t tag) const;

 private:
  const TableContents* const table_;
  const std::shared_ptr<BlockCache> cache_;
  const bool owns_file_id_;
  const uint64_t file_id_;  // In the cache.
};

}  // namespace paceline
