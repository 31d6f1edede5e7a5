#include "src/base/crc32c.h"

#include <cstdint>
#include <random>
#include <string>

#include "gtest/gtest.h"
#include "test/support/seed.h"

namespace paceline::crc32c {
namespace {

uint32_t ValueOf(const std::string& bytes) {
  return Value(bytes.data(), bytes.size());
}

std::string RandomBytes(size_t size, std::mt19937_64* random) {
  std::string bytes(size, '\0');
  for (char& c : bytes) c = static_cast<char>((*random)());
  return bytes;
}

// `size` bytes of which byte i is 7 * i + 3.
std::string Pattern(size_t size) {
  std::string bytes;
  for (size_t i = 0; i < size; ++i) {
    bytes.push_back(static_cast<char>(7 * i + 3));
  }
  return bytes;
}

TEST(Crc32cTest, HasTheStandardValues) {
  EXPECT_EQ(ValueOf(""), 0U);
  EXPECT_EQ(ValueOf("123456789"), 0xe3069283U);
  EXPECT_EQ(ValueOf("\x01"), 0xa016d052U);
  EXPECT_EQ(ValueOf(Pattern(300)), 0x35130228U);
  // From RFC 3720, B.4.
  EXPECT_EQ(ValueOf(std::string(32, '\0')), 0x8a9136aaU);
  EXPECT_EQ(ValueOf(std::string(32, '\xff')), 0x62a8ab43U);
}

TEST(Crc32cTest, MasksAsTheFormatsDo) {
  EXPECT_EQ(Mask(0), 0xa282ead8U);
  EXPECT_EQ(Mask(0xe3069283U), 0xc78ab0e5U);
  EXPECT_EQ(Mask(0xa016d052U), 0x43282b05U);
}

TEST(Crc32cTest, UnmaskingUndoesMasking) {
  std::mt19937_64 random(TestSeed());
  for (int i = 0; i < 10'000; ++i) {
    const auto crc = static_cast<uint32_t>(random());
    ASSERT_EQ(Unmask(Mask(crc)), crc);
    ASSERT_NE(Mask(crc), crc);
  }
}

TEST(Crc32cTest, ExtendingContinuesAtAnyPoint) {
  std::mt19937_64 random(TestSeed());
  const std::string bytes = RandomBytes(300, &random);
  for (size_t split = 0; split <= bytes.size(); ++split) {
    const uint32_t front = Value(bytes.data(), split);
    ASSERT_EQ(Extend(front, bytes.data() + split, bytes.size() - split),
              ValueOf(bytes));
  }
}

TEST(Crc32cTest, BothImplementationsAgreeAtEveryLengthAndAlignment) {
  std::mt19937_64 random(TestSeed());
  const std::string bytes = RandomBytes(9000, &random);
  for (size_t size = 0; size < 600; ++size) {
    const size_t offset = random() % 64;
    const auto crc = static_cast<uint32_t>(random());
    ASSERT_EQ(Extend(crc, bytes.data() + offset, size),
              ExtendPortable(crc, bytes.data() + offset, size))
        << "size " << size << ", offset " << offset;
  }
  EXPECT_EQ(ValueOf(bytes), ExtendPortable(0, bytes.data(), bytes.size()));
}

TEST(Crc32cTest, EveryBitCounts) {
  std::string bytes = Pattern(64);
  const uint32_t before = ValueOf(bytes);
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    const auto mask = static_cast<char>(1U << (bit % 8));
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ mask);
    EXPECT_NE(ValueOf(bytes), before) << bit;
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ mask);
  }
}

}  // namespace
}  // namespace paceline::crc32c
