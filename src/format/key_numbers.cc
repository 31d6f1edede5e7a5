#include "src/format/key_numbers.h"

#include <algorithm>

#include "src/base/coding.h"

namespace paceline {

namespace {

// The first eight bytes, the first one the most significant; zeros for those
// that are missing. Of two numbers that differ the keys do in the same way.
uint64_t NumberOf(const Slice& key) {
  const char* const first = key.data();
  const size_t size = key.size();
  if (size >= 8) return __builtin_bswap64(DecodeFixed64(first));
  // Two loads that overlap, each in its place: cheaper than a loop, and than a
  // copy of so few bytes.
  const auto unused_bits = static_cast<int>(8 * (8 - size));
  if (size >= 4) {
    const uint64_t front = __builtin_bswap32(DecodeFixed32(first));
    const uint64_t back = __builtin_bswap32(DecodeFixed32(first + size - 4));
    return front << 32 | back << unused_bits;
  }
  if (size == 0) return 0;
  uint64_t number = 0;
  for (size_t i = 0; i < size; ++i) {
    number = number << 8 | static_cast<unsigned char>(first[i]);
  }
  return number << unused_bits;
}

}  // namespace

// The keys are in order: what the first and the last one share, all do.
void KeyNumbers::SetCommonPrefix(const Slice& first, const Slice& last) {
  const size_t size_max = std::min(first.size(), last.size());
  size_t shared = 0;
  while (shared < size_max && first[shared] == last[shared]) ++shared;
  common_prefix_.assign(first.data(), shared);
}

void KeyNumbers::AddNumber(const Slice& key) {
  const size_t shared = common_prefix_.size();
  numbers_.push_back(NumberOf(Slice(key.data() + shared, key.size() - shared)));
}

bool KeyNumbers::Narrow(const Slice& key, size_t* first, size_t* last) const {
  const size_t prefix_size = common_prefix_.size();
  const Slice head(key.data(), std::min(key.size(), prefix_size));
  const int order = head.compare(common_prefix_);
  if (order != 0) {
    if (order > 0) *first = *last;
    return false;
  }
  const uint64_t number =
      NumberOf(Slice(key.data() + prefix_size, key.size() - prefix_size));
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

}  // namespace paceline
