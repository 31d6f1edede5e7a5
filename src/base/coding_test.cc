#include "src/base/coding.h"

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "test/support/seed.h"

namespace paceline {
namespace {

// Every power of two, with its neighbours.
std::vector<uint64_t> InterestingNumbers() {
  std::vector<uint64_t> numbers = {0, UINT64_MAX};
  for (int bit = 0; bit < 64; ++bit) {
    const uint64_t power = uint64_t{1} << bit;
    numbers.insert(numbers.end(), {power - 1, power, power + 1});
  }
  return numbers;
}

TEST(CodingTest, FixedIntegersAreLittleEndian) {
  std::string bytes;
  PutFixed32(&bytes, 0x01020304);
  PutFixed64(&bytes, 0x05060708090a0b0c);
  EXPECT_EQ(Slice(bytes).ToString(true), "040302010c0b0a0908070605");
}

TEST(CodingTest, FixedIntegersAreReadAsWritten) {
  std::string bytes;
  for (uint64_t number : InterestingNumbers()) {
    PutFixed32(&bytes, static_cast<uint32_t>(number));
    PutFixed64(&bytes, number);
  }
  Slice input(bytes);
  for (uint64_t number : InterestingNumbers()) {
    uint32_t narrow = 0;
    uint64_t wide = 0;
    ASSERT_TRUE(GetFixed32(&input, &narrow));
    ASSERT_TRUE(GetFixed64(&input, &wide));
    EXPECT_EQ(narrow, static_cast<uint32_t>(number));
    EXPECT_EQ(wide, number);
  }
  EXPECT_TRUE(input.empty());
}

TEST(CodingTest, VarintsHaveTheBytesOfTheFormat) {
  const std::vector<std::pair<uint64_t, std::string>> cases = {
      {0, "00"},
      {127, "7f"},
      {128, "8001"},
      {300, "ac02"},
      {UINT32_MAX, "ffffffff0f"},
      {UINT64_MAX, "ffffffffffffffffff01"},
  };
  for (const auto& [number, expected] : cases) {
    std::string bytes;
    PutVarint64(&bytes, number);
    EXPECT_EQ(Slice(bytes).ToString(true), expected);
  }
}

TEST(CodingTest, VarintsAreReadAsWritten) {
  for (uint64_t number : InterestingNumbers()) {
    // With so many bytes behind it that eight can be read at once, and without.
    for (const std::string rest : {"", "next", "and the rest"}) {
      std::string bytes;
      PutVarint64(&bytes, number);
      EXPECT_EQ(bytes.size(), VarintLength(number));
      bytes += rest;
      Slice input(bytes);
      uint64_t read = 0;
      ASSERT_TRUE(GetVarint64(&input, &read));
      EXPECT_EQ(read, number);
      EXPECT_EQ(input, Slice(rest));
    }
  }
}

TEST(CodingTest, VarintsOfMoreThan32BitsAreNoVarint32) {
  for (uint64_t number : InterestingNumbers()) {
    std::string bytes;
    PutVarint64(&bytes, number);
    Slice input(bytes);
    uint32_t read = 0;
    const bool fits = number <= UINT32_MAX;
    EXPECT_EQ(GetVarint32(&input, &read), fits) << number;
    if (fits) {
      EXPECT_EQ(read, number);
    }
  }
}

// RocksDB looks at five bytes, whatever they say.
TEST(CodingTest, VarintsOf32BitsHaveFiveBytesAtMost) {
  for (size_t zeros = 0; zeros < 8; ++zeros) {
    const std::string bytes =
        "\x83" + std::string(zeros, '\x80') + std::string(1, '\0');
    const std::string text = bytes + "abc";
    Slice number(text);
    Slice prefixed(text);
    uint32_t read = 0;
    Slice value;
    const bool fits = bytes.size() <= 5;
    EXPECT_EQ(GetVarint32(&number, &read), fits) << zeros;
    EXPECT_EQ(GetLengthPrefixed(&prefixed, &value), fits) << zeros;
    if (fits) {
      EXPECT_EQ(value, "abc");
    }
  }
}

TEST(CodingTest, VarintsWithoutAnEndAreRefused) {
  std::string bytes;
  PutVarint64(&bytes, UINT64_MAX);
  for (size_t size = 0; size < bytes.size(); ++size) {
    Slice input(bytes.data(), size);
    uint64_t read = 0;
    EXPECT_FALSE(GetVarint64(&input, &read)) << size;
  }
}

TEST(CodingTest, VarintsOfMoreThan64BitsAreRefused) {
  const std::string nine(9, '\xff');
  const std::vector<std::string> too_large = {
      nine + '\x02', nine + '\x7f', nine + "\xff\x01",
      std::string(10, '\x80') + std::string(1, '\0')};
  for (const std::string& bytes : too_large) {
    Slice input(bytes);
    uint64_t read = 0;
    EXPECT_FALSE(GetVarint64(&input, &read)) << input.ToString(true);
  }
}

TEST(CodingTest, LengthPrefixedBytesAreReadAsWritten) {
  std::mt19937_64 random(TestSeed());
  std::vector<std::string> all;
  std::string bytes;
  for (size_t size : {0, 1, 127, 128, 129, 20'000}) {
    std::string contents(size, '\0');
    for (char& c : contents) c = static_cast<char>(random());
    PutLengthPrefixed(&bytes, contents);
    all.push_back(contents);
  }
  Slice input(bytes);
  for (const std::string& contents : all) {
    Slice read;
    ASSERT_TRUE(GetLengthPrefixed(&input, &read));
    EXPECT_EQ(read, Slice(contents));
  }
  EXPECT_TRUE(input.empty());
}

TEST(CodingTest, LengthsThatPassTheEndAreRefused) {
  std::string bytes;
  PutLengthPrefixed(&bytes, "abc");
  for (size_t size = 0; size < bytes.size(); ++size) {
    Slice input(bytes.data(), size);
    Slice read;
    EXPECT_FALSE(GetLengthPrefixed(&input, &read)) << size;
  }
  // A length that would wrap around when added to an address.
  std::string huge;
  PutVarint64(&huge, UINT64_MAX);
  huge += "abc";
  Slice input(huge);
  Slice read;
  EXPECT_FALSE(GetLengthPrefixed(&input, &read));
}

TEST(CodingTest, FixedIntegersThatAreCutOffAreRefused) {
  const std::string bytes(8, 'x');
  for (size_t size = 0; size < 8; ++size) {
    uint32_t narrow = 0;
    uint64_t wide = 0;
    Slice input(bytes.data(), size);
    EXPECT_FALSE(GetFixed64(&input, &wide)) << size;
    input = Slice(bytes.data(), size);
    EXPECT_EQ(GetFixed32(&input, &narrow), size >= 4) << size;
  }
}

}  // namespace
}  // namespace paceline
