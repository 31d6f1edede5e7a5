// KeyNumbers: sorted keys as numbers, so that a search hardly touches the keys.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "paceline/slice.h"

#include "src/base/paged_vector.h"

namespace paceline {

// Of each key, the first bytes that are not the same in all of them, as a
// number. Holds no keys: these are their owner's, who finds them by position.
// Constant after construction; then thread-safe.
class KeyNumbers {
 public:
  // Of keys in any order: a search looks at the keys themselves.
  KeyNumbers() = default;
  // Of `size` keys in bytewise order; `key_at(i)` is key i. They may repeat.
  template <typename KeyAt>
  KeyNumbers(size_t size, KeyAt key_at) {
    if (size == 0) return;
    SetCommonPrefix(key_at(0), key_at(size - 1));
    numbers_.reserve(size);
    for (size_t i = 0; i < size; ++i) AddNumber(key_at(i));
  }

  // The first of `size` keys for which `is_before(i)` is false; `size` if there
  // is none. It must be true for every key before `key`, and false for every
  // one after it.
  template <typename IsBefore>
  [[nodiscard]] size_t Find(size_t size, const Slice& key,
                            IsBefore is_before) const {
    size_t first = 0;
    size_t last = size;
    if (!numbers_.empty() && !Narrow(key, &first, &last)) return first;
    while (first < last) {
      const size_t middle = first + (last - first) / 2;
      if (is_before(middle)) {
        first = middle + 1;
      } else {
        last = middle;
      }
    }
    return first;
  }

  // Bytes.
  [[nodiscard]] size_t MemoryUsage() const {
    return common_prefix_.capacity() + numbers_.capacity() * sizeof(uint64_t);
  }

 private:
  void SetCommonPrefix(const Slice& first, const Slice& last);
  void AddNumber(const Slice& key);
  // Narrows [*first, *last) to the keys whose numbers leave open where `key`
  // is. False if it is at *first.
  bool Narrow(const Slice& key, size_t* first, size_t* last) const;

  std::string common_prefix_;
  PagedVector<uint64_t> numbers_;
};

}  // namespace paceline
