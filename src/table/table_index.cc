#include "src/table/table_index.h"

#include <algorithm>
#include <limits>

#include "src/base/coding.h"

namespace paceline {

TableIndex::TableIndex(const InternalKeyComparator* comparator,
                       bool has_user_keys, uint64_t bytes_max,
                       uint64_t file_size)
    : comparator_(comparator),
      has_user_keys_(has_user_keys),
      bytes_max_(
          std::min<uint64_t>(bytes_max, std::numeric_limits<uint32_t>::max())),
      block_bytes_left_(file_size) {}

inline Status TableIndex::AddEntry(Slice separator, BlockHandle handle) {
  if (!has_user_keys_ && separator.size() < kTagBytes) {
    return Status::Corruption("malformed key in the index");
  }
  if (handle.size > kMaxBlockBytes) {
    return Status::Corruption("the index has a block that is too large");
  }
  // One block must not stand for many.
  if (handle.size + kBlockTrailerBytes > block_bytes_left_) {
    return Status::Corruption("the index has blocks that overlap");
  }
  block_bytes_left_ -= handle.size + kBlockTrailerBytes;
  if (separators_.size() + separator.size() > bytes_max_) {
    return Status::NotSupported("the index is too large");
  }
  separators_.insert(separators_.end(), separator.data(),
                     separator.data() + separator.size());
  entries_.push_back(
      {.offset = handle.offset,
       .size = static_cast<uint32_t>(handle.size),
       .separator_end = static_cast<uint32_t>(separators_.size())});
  return Status::OK();
}

Status TableIndex::Add(const Block& block, const IndexFormat& format) {
  // In an index of one block, nearly always, all keys are stored whole.
  if (entries_.empty()) {
    entries_.reserve(block.restarts());
    separators_.reserve(std::min<uint64_t>(block.entries_end(), bytes_max_));
  }
  const size_t old_size = entries_.size();
  IndexIterator entry(&block, format);
  while (entry.Next()) {
    Status s = AddEntry(entry.separator(), entry.handle());
    if (!s.ok()) return s;
  }
  if (entry.is_damaged()) {
    return Status::Corruption("malformed entry of the index");
  }
  return CheckOrder(old_size);
}

// Not entry by entry while they are added: bytes that are compared right after
// they were copied are waited for.
Status TableIndex::CheckOrder(size_t first) const {
  for (size_t i = std::max<size_t>(first, 1); i < entries_.size(); ++i) {
    const uint64_t tag = has_user_keys_ ? 0 : ExtractTag(separator(i));
    if (CompareSeparator(i - 1, UserKeyOf(i), tag) > 0) {
      return Status::Corruption("the index is not in order");
    }
  }
  return Status::OK();
}

void TableIndex::Finish() {
  separators_.shrink_to_fit();
  entries_.shrink_to_fit();
  if (!comparator_->is_bytewise()) return;
  numbers_ =
      KeyNumbers(entries_.size(), [this](size_t i) { return UserKeyOf(i); });
}

size_t TableIndex::Seek(const Slice& user_key, uint64_t tag) const {
  return numbers_.Find(entries_.size(), user_key, [&](size_t i) {
    return CompareSeparator(i, user_key, tag) < 0;
  });
}

bool TableIndex::HasLastVersion(size_t position, const Slice& user_key) const {
  return has_user_keys_ ||
         comparator_->CompareUserKeys(UserKeyOf(position), user_key) > 0;
}

size_t TableIndex::MemoryUsage() const {
  return entries_.capacity() * sizeof(Entry) + separators_.capacity() +
         numbers_.MemoryUsage();
}

}  // namespace paceline
