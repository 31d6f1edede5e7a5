// What the fuzzers have in common: the function that libFuzzer calls, and a
// file in memory.

#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>

#include "paceline/env.h"
#include "paceline/slice.h"

// Must return 0. A crash, a report of a sanitizer or a failed PL_CHECK is a
// finding.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace paceline {

// As a copy on the heap, so that reading outside it is noticed.
inline std::string CopyOfInput(const uint8_t* data, size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

// Reads every byte, so that a sanitizer notices those that are not there.
inline void Touch(const Slice& bytes) {
  unsigned char mixed = 0;
  for (char c : bytes) mixed ^= static_cast<unsigned char>(c);
  asm volatile("" : : "r"(mixed));
}

// Thread-compatible.
class MemorySequentialFile final : public SequentialFile {
 public:
  explicit MemorySequentialFile(std::string bytes) : bytes_(std::move(bytes)) {}

  Status Read(size_t n, Slice* result, char* scratch) override {
    n = std::min(n, bytes_.size() - offset_);
    std::memcpy(scratch, bytes_.data() + offset_, n);
    offset_ += n;
    *result = Slice(scratch, n);
    return Status::OK();
  }

 private:
  const std::string bytes_;
  size_t offset_ = 0;
};

// Thread-safe.
class MemoryRandomAccessFile final : public RandomAccessFile {
 public:
  explicit MemoryRandomAccessFile(std::string bytes)
      : bytes_(std::move(bytes)) {}

  Status Read(uint64_t offset, size_t n, Slice* result,
              char* scratch) const override {
    const size_t begin = std::min<uint64_t>(offset, bytes_.size());
    n = std::min(n, bytes_.size() - begin);
    std::memcpy(scratch, bytes_.data() + begin, n);
    *result = Slice(scratch, n);
    return Status::OK();
  }

 private:
  const std::string bytes_;
};

}  // namespace paceline
