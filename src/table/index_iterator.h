// IndexIterator: how the entries of an index block are read. An open reads all
// of them, of every table.

#pragma once

#include <cstdint>

#include "paceline/slice.h"

#include "src/base/coding.h"
#include "src/table/block.h"
#include "src/table/table_format.h"

namespace paceline {

// How the entries of an index block are written.
struct IndexFormat {
  bool has_delta_handles = false;
  bool has_first_keys = false;
};

// Reads the entries of an index block from front to back. Never reads outside
// the block, whatever is in it. Thread-compatible.
class IndexIterator {
 public:
  // `block` must stay.
  IndexIterator(const Block* block, const IndexFormat& format)
      : input_(block->data(), block->entries_end()), format_(format) {}

  // To the first, then to the next entry. False at the end, and in front of a
  // malformed entry.
  [[nodiscard]] bool Next() {
    if (is_damaged_ || input_.empty()) return false;
    is_damaged_ = !Parse();
    return !is_damaged_;
  }
  [[nodiscard]] bool is_damaged() const { return is_damaged_; }

  // Until the next call of Next().
  [[nodiscard]] Slice separator() const { return key_.slice(); }
  [[nodiscard]] const BlockHandle& handle() const { return handle_; }
  // The internal key at which the block begins; empty if it is not stored.
  [[nodiscard]] Slice first_key() const { return first_key_; }

 private:
  bool Parse();
  bool TakeValue(bool is_delta, Slice* input);

  Slice input_;  // The entries that are left.
  const IndexFormat format_;
  bool is_damaged_ = false;
  EntryKey key_;
  BlockHandle handle_;
  Slice first_key_;
};

inline bool IndexIterator::Parse() {
  uint32_t shared = 0;
  uint32_t unshared = 0;
  uint32_t value_size = 0;
  if (!GetVarint32(&input_, &shared) || !GetVarint32(&input_, &unshared)) {
    return false;
  }
  if (!format_.has_delta_handles && !GetVarint32(&input_, &value_size)) {
    return false;
  }
  if (shared > key_.size() || unshared > input_.size()) return false;
  key_.Append(shared, input_.data(), unshared);
  input_.remove_prefix(unshared);
  if (format_.has_delta_handles) return TakeValue(shared > 0, &input_);

  if (value_size > input_.size()) return false;
  Slice value(input_.data(), value_size);
  input_.remove_prefix(value_size);
  return TakeValue(/*is_delta=*/false, &value) && value.empty();
}

inline bool IndexIterator::TakeValue(bool is_delta, Slice* input) {
  if (is_delta) {
    uint64_t difference = 0;
    if (!GetVarint64(input, &difference)) return false;
    handle_.offset += handle_.size + kBlockTrailerBytes;
    handle_.size += static_cast<uint64_t>(ZigzagDecode(difference));
  } else if (!GetBlockHandle(input, &handle_)) {
    return false;
  }
  return !format_.has_first_keys || GetLengthPrefixed(input, &first_key_);
}

}  // namespace paceline
