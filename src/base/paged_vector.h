// PagedVector: a vector that takes large memory straight from the system.

#pragma once

#include <cstddef>
#include <limits>
#include <memory>
#include <new>
#include <vector>

#include "src/base/pages.h"

namespace paceline {

// What is large comes from MapPages() and returns to the system when it is
// freed; the heap would keep it, with what was allocated behind it.
template <typename T>
class PageAllocator {
 public:
  // Names as the standard library wants them.
  using value_type = T;

  PageAllocator() = default;
  template <typename U>
  PageAllocator(const PageAllocator<U>& /*other*/) {}  // NOLINT: implicit.

  [[nodiscard]] T* allocate(size_t size) {
    if (size > std::numeric_limits<size_t>::max() / sizeof(T)) {
      throw std::bad_alloc();
    }
    const size_t bytes = size * sizeof(T);
    if (bytes < kMappedBytesMin) return std::allocator<T>().allocate(size);
    char* memory = MapPages(bytes, kAlignment);
    if (memory == nullptr) throw std::bad_alloc();
    return reinterpret_cast<T*>(memory);
  }
  void deallocate(T* memory, size_t size) {
    if (size * sizeof(T) < kMappedBytesMin) {
      std::allocator<T>().deallocate(memory, size);
    } else {
      UnmapPages(reinterpret_cast<char*>(memory), size * sizeof(T));
    }
  }

  friend bool operator==(const PageAllocator& /*a*/,
                         const PageAllocator& /*b*/) {
    return true;
  }

 private:
  static constexpr size_t kMappedBytesMin = size_t{64} << 10;
  static constexpr size_t kAlignment = 4096;
};

template <typename T>
using PagedVector = std::vector<T, PageAllocator<T>>;

}  // namespace paceline
