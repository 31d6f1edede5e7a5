// Keys that are hard to keep in order, and orders of keys that know nothing of
// the bytes: what a structure that sorts by prefixes must be tried with.

#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "paceline/comparator.h"

#include "test/support/seed.h"

namespace paceline {

// Keys that share their first eight bytes, are shorter than eight, hold NULs,
// and differ in a byte with the highest bit only.
inline const std::vector<std::string>& AwkwardKeys() {
  using namespace std::string_literals;
  static const std::vector<std::string> keys = {
      ""s,
      "\0"s,
      "\0\0"s,
      "\0\0\0\0\0\0\0\0"s,
      "\0\1"s,
      "a"s,
      "a\0"s,
      "a\0\0"s,
      "a\0b"s,
      "ab"s,
      "abcdefg"s,
      "abcdefg\0"s,
      "abcdefgh"s,
      "abcdefgh\0"s,
      "abcdefgha"s,
      "abcdefghb"s,
      "abcdefgi"s,
      "b"s,
      "\x7f"s,
      "\x80"s,
      "\xff"s,
      "\xff\xff\xff\xff\xff\xff\xff\xff"s,
      "\xff\xff\xff\xff\xff\xff\xff\xff\xff"s};
  return keys;
}

// Keys of many kinds: short ones, random ones, and such that share more or
// less of a long beginning.
inline std::string RandomKey(TestRandom* random) {
  static const std::string kBeginning =
      "a beginning that is shared by very many of the keys of this test";
  switch (random->Below(4)) {
    case 0:
      return AwkwardKeys()[random->Below(AwkwardKeys().size())];
    case 1:
      return random->Letters(random->Below(4)) +
             random->Bytes(random->Below(8));
    case 2:
      return kBeginning.substr(0, random->Below(kBeginning.size())) +
             random->Bytes(random->Below(3));
    default:
      return kBeginning.substr(0, 20) + random->Letters(random->Below(12));
  }
}

// Lexicographic, with the values of bytes in a random order.
class ShuffledComparator final : public Comparator {
 public:
  explicit ShuffledComparator(uint64_t seed) {
    TestRandom random(seed);
    std::iota(ranks_.begin(), ranks_.end(), uint8_t{0});
    for (size_t i = ranks_.size(); i > 1; --i) {
      std::swap(ranks_[i - 1], ranks_[random.Below(i)]);
    }
  }
  int Compare(const Slice& a, const Slice& b) const override {
    const size_t end = std::min(a.size(), b.size());
    for (size_t i = 0; i < end; ++i) {
      const int order = Rank(a[i]) - Rank(b[i]);
      if (order != 0) return order;
    }
    return a.size() < b.size() ? -1 : a.size() > b.size() ? 1 : 0;
  }
  const char* Name() const override { return "test.Shuffled"; }

 private:
  int Rank(char byte) const { return ranks_[static_cast<uint8_t>(byte)]; }

  std::array<uint8_t, 256> ranks_{};
};

// Longer keys behind all shorter ones.
class LengthComparator final : public Comparator {
 public:
  int Compare(const Slice& a, const Slice& b) const override {
    if (a.size() != b.size()) return a.size() < b.size() ? -1 : 1;
    return b.compare(a);
  }
  const char* Name() const override { return "test.Length"; }
};

inline const Comparator* TheShuffledComparator() {
  static const ShuffledComparator comparator(TestSeed());
  return &comparator;
}

inline const Comparator* TheLengthComparator() {
  static const LengthComparator comparator;
  return &comparator;
}

}  // namespace paceline
