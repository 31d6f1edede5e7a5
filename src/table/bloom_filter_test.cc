#include "src/table/bloom_filter.h"

#include <cstdint>
#include <memory>
#include <string>

#include "paceline/filter_policy.h"

#include "gtest/gtest.h"
#include "test/support/seed.h"

namespace paceline {
namespace {

using namespace std::string_literals;

std::string Pattern(size_t size) {
  std::string bytes(size, '\0');
  for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(7 * i + 3);
  return bytes;
}

TEST(FilterHashTest, HashesAreRocksDBs) {
  struct Vector {
    size_t size;
    uint64_t expected;
  };
  const Vector vectors[] = {
      {0, 0x5342c3010fe1dd04},  {129, 0x3992d120c8c4677a},
      {1, 0x81b78b21c2ce4f18},  {143, 0x04a5637d8093edf9},
      {2, 0x6d7eec54f8754ce6},  {144, 0x980aa146e1023bfc},
      {3, 0x6731a716813ee5f1},  {239, 0xa02034772d5df7b0},
      {4, 0x3a5afd967acaf5c3},  {240, 0xdf41bc5fea3a61e8},
      {7, 0xf4182f381b7440c2},  {241, 0x91d10f0682af4ac3},
      {8, 0xbcb56b6f8d4b12da},  {255, 0x6b25b327a7d0a406},
      {9, 0x03787b4eec57bf4b},  {256, 0x4d37daabdb543458},
      {15, 0xae7259cd71c5716a}, {512, 0xf3bb51479ec530a2},
      {16, 0x81720cc0702edd73}, {1023, 0xc59f495a19c2ef06},
      {17, 0x0b515520f462e96f}, {1024, 0x7d54b94e043675ba},
      {31, 0xd77f32880738ea13}, {1025, 0x90acdaaaaca675b0},
      {32, 0x48f0396187b56dd5}, {1088, 0x419a510eca48a830},
      {33, 0xd020587a3c72b988}, {2048, 0xe4223e0c6dc3503c},
      {64, 0xc71b2c5a712e7f61}, {3000, 0x7c52298161bec0d4},
      {65, 0xd40143de1beadd46}, {96, 0x0d71e54f419745c3},
      {97, 0x19e9c1871ecd39dc}, {128, 0x8ea76d838ce7563f},
  };
  for (const Vector& vector : vectors) {
    EXPECT_EQ(FilterHash(Pattern(vector.size)), vector.expected) << vector.size;
  }
  EXPECT_EQ(FilterHash("a"), 0x88d868bf607681c7);
  EXPECT_EQ(FilterHash("foo"), 0x2540784d970dde34);
  EXPECT_EQ(FilterHash("bar"), 0x4de0c8b76e2db8c7);
  EXPECT_EQ(FilterHash("key00001"), 0xd01b7c7e779097a0);
}

TEST(HashedKeyTest, TheHashIsTheOneOfTheKeyHoweverOftenItIsAskedFor) {
  HashedKey key("hello");
  EXPECT_EQ(key.user_key(), Slice("hello"));
  EXPECT_EQ(key.hash(), FilterHash("hello"));
  EXPECT_EQ(key.hash(), FilterHash("hello"));
}

TEST(BloomFilterTest, AFilterIsRocksDBsBitForBit) {
  BloomFilterBuilder builder(10);
  builder.AddKey("foo");
  builder.AddKey("bar");
  EXPECT_EQ(builder.Finish().slice().ToString(/*hex=*/true),
            "0000000000000000000400000000000004000008000000000000002100000000"
            "8008040000800000000000000000000020000000000000000010000000000000"
            "ff00060000");
}

TEST(BloomFilterTest, EveryKeyIsFoundAndFewOthers) {
  const uint64_t seed = TestSeed();
  for (const double bits : {1.5, 3.5, 10.0, 16.0, 100.0}) {
    TestRandom random(seed);
    BloomFilterBuilder builder(bits);
    constexpr int kKeys = 5000;
    for (int i = 0; i < kKeys; ++i) builder.AddKey(random.Bytes(12));
    const std::string filter = builder.Finish().slice().ToString();
    EXPECT_EQ(builder.keys(), static_cast<size_t>(kKeys));
    const BloomFilterReader reader(filter);
    random = TestRandom(seed);
    for (int i = 0; i < kKeys; ++i) {
      ASSERT_TRUE(reader.MayContain(random.Bytes(12)));
    }
    int found = 0;
    for (int i = 0; i < kKeys; ++i) {
      if (reader.MayContain(random.Bytes(12))) ++found;
    }
    EXPECT_LT(found, bits < 10 ? kKeys : kKeys / 50) << bits;
  }
}

TEST(BloomFilterTest, AKeyThatFollowsItselfTakesNoBits) {
  BloomFilterBuilder builder(10);
  for (int i = 0; i < 1000; ++i) builder.AddKey("same");
  EXPECT_EQ(builder.keys(), 1u);
  EXPECT_EQ(builder.Finish().size(), 69u);
}

TEST(BloomFilterTest, WithoutKeysNothingIsFound) {
  EXPECT_FALSE(BloomFilterReader(BloomFilterBuilder(10).Finish().slice())
                   .MayContain("foo"));
}

TEST(BloomFilterTest, ProbesAreAsManyAsRocksDBTakes) {
  EXPECT_EQ(BloomProbes(1), 1);
  EXPECT_EQ(BloomProbes(3), 2);
  EXPECT_EQ(BloomProbes(6), 4);
  EXPECT_EQ(BloomProbes(10), 6);
  EXPECT_EQ(BloomProbes(10.08), 7);
  EXPECT_EQ(BloomProbes(14), 8);
  EXPECT_EQ(BloomProbes(25), 12);
  EXPECT_EQ(BloomProbes(26), 11);
  EXPECT_EQ(BloomProbes(28), 12);
  EXPECT_EQ(BloomProbes(50), 23);
  EXPECT_EQ(BloomProbes(51), 24);
}

// What the last bytes say, over one line without any bit set.
bool FindsInEmptyLine(const std::string& trailer) {
  return BloomFilterReader(std::string(64, '\0') + trailer).MayContain("foo");
}

TEST(BloomFilterTest, OtherKindsOfFiltersHoldEveryKey) {
  EXPECT_FALSE(FindsInEmptyLine("\xff\x00\x06\x00\x00"s));
  EXPECT_FALSE(FindsInEmptyLine("\xff\x00\x1e\x00\x00"s));
  EXPECT_TRUE(FindsInEmptyLine("\x00\x00\x06\x00\x00"s));  // Always maybe.
  EXPECT_TRUE(FindsInEmptyLine("\xfe\x00\x06\x00\x00"s));  // Ribbon.
  EXPECT_TRUE(FindsInEmptyLine("\x06\x01\x00\x00\x00"s));  // Before version 5.
  EXPECT_TRUE(FindsInEmptyLine("\x80\x00\x06\x00\x00"s));
  EXPECT_TRUE(FindsInEmptyLine("\xff\x01\x06\x00\x00"s));
  EXPECT_TRUE(FindsInEmptyLine("\xff\x00\x26\x00\x00"s));
  EXPECT_TRUE(FindsInEmptyLine("\xff\x00\x00\x00\x00"s));
  EXPECT_TRUE(FindsInEmptyLine("\xff\x00\x1f\x00\x00"s));
  EXPECT_TRUE(FindsInEmptyLine("\xff\x00\x06\x01\x00"s));
  EXPECT_TRUE(FindsInEmptyLine("\xff\x00\x06\x00\x01"s));
  EXPECT_TRUE(FindsInEmptyLine("0\xff\x00\x06\x00\x00"s));  // Not a line.
  EXPECT_TRUE(BloomFilterReader().MayContain("foo"));
}

TEST(BloomFilterTest, AFilterWithoutLinesHoldsNothing) {
  EXPECT_FALSE(BloomFilterReader("").MayContain("foo"));
  EXPECT_FALSE(BloomFilterReader("\xff\x00\x06\x00\x00"s).MayContain("foo"));
}

TEST(FilterPolicyTest, BitsOutsideTheRangeAreTakenForTheNearest) {
  const auto bits = [](double wanted) {
    return std::unique_ptr<const FilterPolicy>(NewBloomFilterPolicy(wanted))
        ->bits_per_key();
  };
  EXPECT_EQ(bits(-1), 1);
  EXPECT_EQ(bits(9.9), 9.9);
  EXPECT_EQ(bits(1000), 100);
}

}  // namespace
}  // namespace paceline
