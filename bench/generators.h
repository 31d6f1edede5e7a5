// Keys and values as db_bench makes them.

#pragma once

#include <cstdint>
#include <string>

#include "paceline/slice.h"

#include "src/base/random.h"

namespace paceline::bench {

// Writes `number` to the front of `*key`, big-endian in at most 8 bytes, and
// fills the rest of the key, whose size does not change, with '0'.
void EncodeKey(uint64_t number, std::string* key);

// How many different keys of `key_size` bytes EncodeKey() can make.
uint64_t KeysOfSize(int key_size);

// The bytes that values are cut from. A share of `compression_ratio` of them
// is random, so that a compressor brings values to about that share of their
// size. Immutable after construction, shared by all threads.
class ValueBytes {
 public:
  ValueBytes(uint64_t value_size, double compression_ratio, uint64_t seed);

  [[nodiscard]] const std::string& bytes() const { return bytes_; }
  [[nodiscard]] uint64_t value_size() const { return value_size_; }

 private:
  const uint64_t value_size_;
  std::string bytes_;
};

// One thread's series of values: consecutive pieces of `*source`, from a
// place of its own. Thread-compatible; `*source` must outlive it.
class ValueSeries {
 public:
  ValueSeries(const ValueBytes* source, uint64_t seed)
      : source_(source),
        position_(Random(seed).Uniform(source->bytes().size())) {}

  // Stays valid as long as the source.
  Slice Next() {
    uint64_t size = source_->value_size();
    if (position_ + size > source_->bytes().size()) position_ = 0;
    Slice value(source_->bytes().data() + position_, size);
    position_ += size;
    return value;
  }

 private:
  const ValueBytes* const source_;
  uint64_t position_;
};

}  // namespace paceline::bench
