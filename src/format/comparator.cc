#include "paceline/comparator.h"

#include <algorithm>
#include <cstdint>

namespace paceline {

namespace {

size_t CommonPrefix(const Slice& a, const Slice& b) {
  size_t length = std::min(a.size(), b.size());
  size_t i = 0;
  while (i < length && a[i] == b[i]) ++i;
  return i;
}

uint8_t ByteAt(const Slice& bytes, size_t i) {
  return static_cast<uint8_t>(bytes[i]);
}

class BytewiseComparatorImpl final : public Comparator {
 public:
  int Compare(const Slice& a, const Slice& b) const override {
    return a.compare(b);
  }
  const char* Name() const override { return "leveldb.BytewiseComparator"; }

  // Up to where the keys differ, and the next byte there; or, if that would be
  // `limit`, the first byte behind that can be made larger.
  void FindShortestSeparator(std::string* start,
                             const Slice& limit) const override {
    const size_t shared = CommonPrefix(*start, limit);
    if (shared == start->size() || shared == limit.size()) return;
    const uint8_t byte = ByteAt(*start, shared);
    if (byte >= ByteAt(limit, shared)) return;
    const bool fits =
        byte + 1 < ByteAt(limit, shared) || shared + 1 < limit.size();
    for (size_t i = fits ? shared : shared + 1; i < start->size(); ++i) {
      if (ByteAt(*start, i) == 0xff) continue;
      start->resize(i + 1);
      ++start->back();
      return;
    }
  }

  void FindShortSuccessor(std::string* key) const override {
    for (size_t i = 0; i < key->size(); ++i) {
      if (ByteAt(*key, i) == 0xff) continue;
      key->resize(i + 1);
      ++key->back();
      return;
    }
  }
};

class ReverseBytewiseComparatorImpl final : public Comparator {
 public:
  int Compare(const Slice& a, const Slice& b) const override {
    return b.compare(a);
  }
  const char* Name() const override {
    return "rocksdb.ReverseBytewiseComparator";
  }

  // Every beginning of a key is behind it.
  void FindShortestSeparator(std::string* start,
                             const Slice& limit) const override {
    const size_t shared = CommonPrefix(*start, limit);
    if (shared == start->size()) return;
    // With the first byte that differs it is still in front of `limit`.
    if (shared == limit.size() ||
        ByteAt(*start, shared) > ByteAt(limit, shared)) {
      start->resize(shared + 1);
    }
  }
  void FindShortSuccessor(std::string* key) const override { key->clear(); }
};

}  // namespace

// Never destroyed: databases may outlive static destruction.
const Comparator* BytewiseComparator() {
  static const auto* const comparator = new BytewiseComparatorImpl();
  return comparator;
}

const Comparator* ReverseBytewiseComparator() {
  static const auto* const comparator = new ReverseBytewiseComparatorImpl();
  return comparator;
}

}  // namespace paceline
