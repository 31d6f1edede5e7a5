#include "bench/generators.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace paceline::bench {

namespace {

std::string Key(uint64_t number, size_t size) {
  std::string key(size, 'x');
  EncodeKey(number, &key);
  return key;
}

TEST(EncodeKeyTest, WritesTheNumberAsDbBenchDoes) {
  EXPECT_EQ(Key(0x0102, 16), std::string("\0\0\0\0\0\0\1\2"
                                         "00000000",
                                         16));
}

TEST(EncodeKeyTest, ShortKeysHoldTheLowBytes) {
  EXPECT_EQ(Key(0x010203, 2), "\2\3");
}

TEST(EncodeKeyTest, OrderOfKeysIsOrderOfNumbers) {
  for (size_t size : {2, 8, 16}) {
    EXPECT_LT(Key(255, size), Key(256, size));
    EXPECT_LT(Key(256, size), Key(257, size));
  }
}

TEST(KeysOfSizeTest, CountsWhatTheBytesCanTell) {
  EXPECT_EQ(KeysOfSize(1), 256U);
  EXPECT_EQ(KeysOfSize(7), uint64_t{1} << 56);
  EXPECT_EQ(KeysOfSize(8), UINT64_MAX);
  EXPECT_EQ(KeysOfSize(100), UINT64_MAX);
}

TEST(ValueSeriesTest, ValuesHaveTheirSizeAndStayInTheSource) {
  for (uint64_t size : {0, 1, 100, 3 << 20}) {
    ValueBytes source(size, 0.5, 7);
    const std::string& bytes = source.bytes();
    ValueSeries values(&source, 11);
    for (int i = 0; i < 30'000; ++i) {
      Slice value = values.Next();
      ASSERT_EQ(value.size(), size);
      ASSERT_GE(value.data(), bytes.data());
      ASSERT_LE(value.data() + size, bytes.data() + bytes.size());
    }
  }
}

TEST(ValueBytesTest, RepeatsWhatIsNotRandom) {
  ValueBytes source(100, 0.25, 7);
  EXPECT_EQ(source.bytes().substr(0, 75), source.bytes().substr(25, 75));
  EXPECT_NE(source.bytes().substr(0, 25), source.bytes().substr(100, 25));
}

}  // namespace

}  // namespace paceline::bench
