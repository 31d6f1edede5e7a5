#include "paceline/comparator.h"

namespace paceline {

namespace {

class BytewiseComparatorImpl final : public Comparator {
 public:
  int Compare(const Slice& a, const Slice& b) const override {
    return a.compare(b);
  }
  const char* Name() const override { return "leveldb.BytewiseComparator"; }
};

class ReverseBytewiseComparatorImpl final : public Comparator {
 public:
  int Compare(const Slice& a, const Slice& b) const override {
    return b.compare(a);
  }
  const char* Name() const override {
    return "rocksdb.ReverseBytewiseComparator";
  }
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
