// The orders of keys, and the short keys in between.

#include "paceline/comparator.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace paceline {
namespace {

// All strings of up to three of some bytes.
std::vector<std::string> Keys() {
  const std::string bytes("\x00\x01\x61\x62\xfe\xff", 6);
  std::vector<std::string> keys = {""};
  for (size_t i = 0; i < keys.size() && keys[i].size() < 3; ++i) {
    for (char c : bytes) keys.push_back(keys[i] + c);
  }
  return keys;
}

const Comparator* const kComparators[] = {BytewiseComparator(),
                                          ReverseBytewiseComparator()};

TEST(ComparatorTest, SeparatorsLieInBetweenAndAreNotLonger) {
  const std::vector<std::string> keys = Keys();
  for (const Comparator* comparator : kComparators) {
    for (const std::string& start : keys) {
      for (const std::string& limit : keys) {
        if (comparator->Compare(start, limit) >= 0) continue;
        std::string separator = start;
        comparator->FindShortestSeparator(&separator, limit);
        ASSERT_LE(comparator->Compare(start, separator), 0);
        ASSERT_LT(comparator->Compare(separator, limit), 0);
        ASSERT_LE(separator.size(), start.size());
      }
    }
  }
}

TEST(ComparatorTest, SuccessorsAreNotBeforeAndNotLonger) {
  for (const Comparator* comparator : kComparators) {
    for (const std::string& key : Keys()) {
      std::string successor = key;
      comparator->FindShortSuccessor(&successor);
      ASSERT_LE(comparator->Compare(key, successor), 0);
      ASSERT_LE(successor.size(), key.size());
    }
  }
}

TEST(ComparatorTest, SeparatorsAreShort) {
  std::string key = "a long key";
  BytewiseComparator()->FindShortestSeparator(&key, "c");
  EXPECT_EQ(key, "b");
  key = "the one key";
  BytewiseComparator()->FindShortestSeparator(&key, "the other key");
  EXPECT_EQ(key, "the oo");
  BytewiseComparator()->FindShortSuccessor(&key);
  EXPECT_EQ(key, "u");
  key = "c long key";
  ReverseBytewiseComparator()->FindShortestSeparator(&key, "a");
  EXPECT_EQ(key, "c");
}

// As programs written for RocksDB have them.
class BackwardComparator final : public Comparator {
 public:
  int Compare(const Slice& a, const Slice& b) const override {
    return b.compare(a);
  }
  const char* Name() const override { return "Backward"; }
  void FindShortestSeparator(std::string*, const Slice&) const override {}
  void FindShortSuccessor(std::string*) const override {}
};

TEST(ComparatorTest, ComparatorsOfApplicationsMayHaveBoth) {
  std::string key = "b";
  BackwardComparator().FindShortestSeparator(&key, "a");
  EXPECT_EQ(key, "b");
}

}  // namespace
}  // namespace paceline
