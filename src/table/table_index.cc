#include "src/table/table_index.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "src/base/coding.h"

namespace paceline {

namespace {

// The first eight bytes, the first one the most significant; zeros for those
// that are missing. Of two numbers that differ the keys do in the same way.
uint64_t NumberOf(const Slice& key) {
  uint64_t number = 0;
  std::memcpy(&number, key.data(), std::min(key.size(), sizeof(number)));
  return __builtin_bswap64(number);
}

size_t SharedBytes(const Slice& a, const Slice& b) {
  const size_t size_max = std::min(a.size(), b.size());
  size_t shared = 0;
  while (shared < size_max && a[shared] == b[shared]) ++shared;
  return shared;
}

}  // namespace

TableIndex::TableIndex(const InternalKeyComparator* comparator,
                       bool has_user_keys, uint64_t bytes_max,
                       uint64_t file_size)
    : comparator_(comparator),
      has_user_keys_(has_user_keys),
      bytes_max_(
          std::min<uint64_t>(bytes_max, std::numeric_limits<uint32_t>::max())),
      block_bytes_left_(file_size) {}

Status TableIndex::Add(const Block& block, const IndexFormat& format) {
  IndexIterator entry(&block, format);
  while (entry.Next()) {
    Status s = AddEntry(entry.separator(), entry.handle());
    if (!s.ok()) return s;
  }
  if (entry.is_damaged()) {
    return Status::Corruption("malformed entry of the index");
  }
  return Status::OK();
}

Status TableIndex::AddEntry(const Slice& separator, const BlockHandle& handle) {
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
  const Slice user_key = has_user_keys_ ? separator : ExtractUserKey(separator);
  if (!entries_.empty() &&
      CompareSeparator(entries_.size() - 1, user_key,
                       has_user_keys_ ? 0 : ExtractTag(separator)) > 0) {
    return Status::Corruption("the index is not in order");
  }
  separators_.append(separator.data(), separator.size());
  entries_.push_back(
      {.offset = handle.offset,
       .size = static_cast<uint32_t>(handle.size),
       .separator_end = static_cast<uint32_t>(separators_.size())});
  return Status::OK();
}

void TableIndex::Finish() {
  separators_.shrink_to_fit();
  entries_.shrink_to_fit();
  if (!comparator_->is_bytewise() || entries_.empty()) return;
  // They are in order: what the first and the last one share, all do.
  const Slice first = UserKeyOf(0);
  const size_t shared = SharedBytes(first, UserKeyOf(entries_.size() - 1));
  common_prefix_.assign(first.data(), shared);
  numbers_.reserve(entries_.size());
  for (size_t i = 0; i < entries_.size(); ++i) {
    Slice key = UserKeyOf(i);
    key.remove_prefix(shared);
    numbers_.push_back(NumberOf(key));
  }
}

int TableIndex::CompareSeparator(size_t position, const Slice& user_key,
                                 uint64_t tag) const {
  const Slice key = separator(position);
  if (has_user_keys_) return comparator_->CompareUserKeys(key, user_key);
  return comparator_->Compare(ExtractUserKey(key), ExtractTag(key), user_key,
                              tag);
}

bool TableIndex::SeekNumber(const Slice& user_key, size_t* first,
                            size_t* last) const {
  const size_t prefix_size = common_prefix_.size();
  const Slice head(user_key.data(), std::min(user_key.size(), prefix_size));
  const int order = head.compare(common_prefix_);
  if (order != 0) {
    if (order > 0) *first = *last;
    return false;
  }
  const uint64_t number = NumberOf(
      Slice(user_key.data() + prefix_size, user_key.size() - prefix_size));
  const auto begin = numbers_.begin();
  const auto found = std::lower_bound(begin, numbers_.end(), number);
  auto behind = found;
  // Mostly there is one of them at most.
  while (behind != numbers_.end() && *behind == number) {
    if (++behind - found == 8) {
      behind = std::upper_bound(behind, numbers_.end(), number);
    }
  }
  *first = static_cast<size_t>(found - begin);
  *last = static_cast<size_t>(behind - begin);
  return true;
}

size_t TableIndex::Seek(const Slice& user_key, uint64_t tag) const {
  size_t first = 0;
  size_t last = entries_.size();
  if (!numbers_.empty() && !SeekNumber(user_key, &first, &last)) return first;
  while (first < last) {
    const size_t middle = first + (last - first) / 2;
    if (CompareSeparator(middle, user_key, tag) < 0) {
      first = middle + 1;
    } else {
      last = middle;
    }
  }
  return first;
}

bool TableIndex::HasLastVersion(size_t position, const Slice& user_key) const {
  return has_user_keys_ ||
         comparator_->CompareUserKeys(UserKeyOf(position), user_key) > 0;
}

size_t TableIndex::MemoryUsage() const {
  return entries_.capacity() * sizeof(Entry) + separators_.capacity() +
         common_prefix_.capacity() + numbers_.capacity() * sizeof(uint64_t);
}

}  // namespace paceline
