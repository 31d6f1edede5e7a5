// The Bloom filters of RocksDB's tables, bit for bit ("fast local Bloom").
//
//   lines of 64 bytes; a key has all its bits in one of them
//   u8 0xff, u8 0, u8 probes, u16 0
//
// The hash is an early form of XXH3, of which no library has the same bits.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "paceline/slice.h"

#include "src/base/paged_vector.h"
#include "src/table/compression.h"

namespace paceline {

// The hash of a key that its place in the filter is taken from.
[[nodiscard]] uint64_t FilterHash(const Slice& key);

// A user key that is looked for in one table after the other. The hash that
// their filters are asked with is made once, and only if one of them has a
// filter. Thread-compatible.
class HashedKey {
 public:
  // The bytes must outlive it.
  explicit HashedKey(const Slice& user_key) : user_key_(user_key) {}

  [[nodiscard]] const Slice& user_key() const { return user_key_; }
  [[nodiscard]] uint64_t hash() {
    if (!has_hash_) {
      hash_ = FilterHash(user_key_);
      has_hash_ = true;
    }
    return hash_;
  }

 private:
  const Slice user_key_;
  bool has_hash_ = false;
  uint64_t hash_ = 0;
};

// As many as RocksDB takes; 1 to 24.
[[nodiscard]] int BloomProbes(double bits_per_key);

// Thread-compatible.
class BloomFilterBuilder {
 public:
  // 1 to 100; values outside are taken for the nearest one.
  explicit BloomFilterBuilder(double bits_per_key);

  // May be called for a key again; at once behind the first time, that costs
  // no bits.
  void AddKey(const Slice& user_key);
  // Different ones, nearly: those that make the filter larger.
  [[nodiscard]] size_t keys() const { return keys_; }
  // The contents of the filter block of the keys added so far. Throws
  // std::bad_alloc if there is no memory.
  [[nodiscard]] BlockBuffer Finish() const;

  // Bytes, until Finish().
  [[nodiscard]] size_t MemoryUsage() const { return keys_ * sizeof(uint64_t); }

 private:
  static constexpr size_t kHashesOfPiece = size_t{1} << 15;

  const double bits_per_key_;
  size_t keys_ = 0;
  // In pieces of that many, so that none is ever copied.
  std::vector<PagedVector<uint64_t>> hashes_;
};

// Answers from the contents of a filter block, whoever wrote it: what is not
// a filter of this kind holds every key. Immutable; thread-safe.
class BloomFilterReader {
 public:
  // Holds every key.
  BloomFilterReader() = default;
  // `contents` must outlive the reader.
  explicit BloomFilterReader(const Slice& contents);

  // False if the key was not added.
  [[nodiscard]] bool MayContain(const Slice& user_key) const {
    return MayContainHash(FilterHash(user_key));
  }
  [[nodiscard]] bool MayContainHash(uint64_t hash) const;

 private:
  enum class Kind { kEverything, kNothing, kBloom };

  Kind kind_ = Kind::kEverything;
  const char* lines_ = nullptr;
  uint32_t line_count_ = 0;
  int probes_ = 0;
};

}  // namespace paceline
