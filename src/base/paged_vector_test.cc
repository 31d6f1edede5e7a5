#include "src/base/paged_vector.h"

#include <cstdint>
#include <limits>
#include <new>
#include <utility>

#include "gtest/gtest.h"

namespace paceline {
namespace {

TEST(PagedVectorTest, AVectorKeepsWhatItHoldsWhileItGrows) {
  PagedVector<uint64_t> numbers;
  for (uint64_t i = 0; i < 300'000; ++i) numbers.push_back(i * i);
  const PagedVector<uint64_t> copy = numbers;
  numbers.resize(10);
  numbers.shrink_to_fit();
  EXPECT_EQ(numbers.capacity(), 10u);
  for (uint64_t i = 0; i < 10; ++i) ASSERT_EQ(numbers[i], i * i);
  for (uint64_t i = 0; i < 300'000; ++i) ASSERT_EQ(copy[i], i * i);
}

TEST(PagedVectorTest, LargeMemoryIsAlignedToPages) {
  PagedVector<char> bytes;
  bytes.reserve(100'001);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(bytes.data()) % 4096, 0u);
  const char* before = bytes.data();
  const PagedVector<char> moved = std::move(bytes);
  EXPECT_EQ(moved.data(), before);
}

TEST(PagedVectorTest, WithoutMemoryItThrows) {
  PageAllocator<uint64_t> allocator;
  constexpr size_t kMost = std::numeric_limits<size_t>::max();
  EXPECT_THROW(static_cast<void>(allocator.allocate(kMost)), std::bad_alloc);
  EXPECT_THROW(static_cast<void>(allocator.allocate(kMost / 16)),
               std::bad_alloc);
}

}  // namespace
}  // namespace paceline
