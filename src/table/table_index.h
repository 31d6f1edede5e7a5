// TableIndex: which block of a table a key is in.

#pragma once

#include <cstdint>
#include <memory>

#include "paceline/slice.h"
#include "paceline/status.h"

#include "src/base/paged_vector.h"
#include "src/format/internal_key.h"
#include "src/format/key_numbers.h"
#include "src/table/block.h"
#include "src/table/index_iterator.h"
#include "src/table/table_format.h"

namespace paceline {

// All the separators of a table, whatever kind of index it has, in one array:
// those of block i are at or after every key of it, and before every key of
// block i + 1.
//
// Constant after Finish(); then thread-safe.
class TableIndex {
 public:
  // Separators are user keys, or internal keys whose types mean nothing.
  // Those that take more than `bytes_max` together are refused, as are blocks
  // that take more than the `file_size` bytes of their file.
  TableIndex(const InternalKeyComparator* comparator, bool has_user_keys,
             uint64_t bytes_max, uint64_t file_size);

  // Adds the entries of an index block. Corruption (NotSupported), without a
  // place: a malformed entry, separators out of order, blocks that overlap
  // (separators that are too large).
  Status Add(const Block& block, const IndexFormat& format);
  // Must be called once, behind the last Add().
  void Finish();

  [[nodiscard]] size_t size() const { return entries_.size(); }
  [[nodiscard]] BlockHandle handle(size_t position) const {
    return {entries_[position].offset, entries_[position].size};
  }
  [[nodiscard]] Slice separator(size_t position) const {
    const uint32_t begin =
        position == 0 ? 0 : entries_[position - 1].separator_end;
    return {separators_.data() + begin,
            entries_[position].separator_end - begin};
  }
  [[nodiscard]] bool has_user_keys() const { return has_user_keys_; }

  // The first block whose separator is at or after the internal key; size() if
  // there is none.
  [[nodiscard]] size_t Seek(const Slice& user_key, uint64_t tag) const;
  // True if no block behind the one at `position`, which Seek() gave for a
  // version of `user_key`, has versions of it.
  [[nodiscard]] bool HasLastVersion(size_t position,
                                    const Slice& user_key) const;
  // Negative, zero or positive: the separator is before, at or after the key.
  [[nodiscard]] int CompareSeparator(size_t position, const Slice& user_key,
                                     uint64_t tag) const {
    const Slice key = separator(position);
    if (has_user_keys_) return comparator_->CompareUserKeys(key, user_key);
    return comparator_->Compare(ExtractUserKey(key), ExtractTag(key), user_key,
                                tag);
  }

  // Bytes.
  [[nodiscard]] size_t MemoryUsage() const;

 private:
  struct Entry {
    uint64_t offset;
    uint32_t size;
    uint32_t separator_end;  // In separators_.
  };

  [[nodiscard]] Slice UserKeyOf(size_t position) const {
    const Slice key = separator(position);
    return has_user_keys_ ? key : ExtractUserKey(key);
  }
  // By value, in registers: to be read right after they were written they
  // would have to be waited for.
  Status AddEntry(Slice separator, BlockHandle handle);
  // Corruption if an entry from `first` on is before the one in front of it.
  [[nodiscard]] Status CheckOrder(size_t first) const;

  const InternalKeyComparator* comparator_;
  bool has_user_keys_;
  uint64_t bytes_max_;
  uint64_t block_bytes_left_;
  PagedVector<Entry> entries_;
  PagedVector<char> separators_;
  KeyNumbers numbers_;  // For the default order: of the user keys.
};

}  // namespace paceline
