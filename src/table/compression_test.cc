#include "src/table/compression.h"

#include <cstdint>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "src/base/coding.h"
#include "test/support/seed.h"

namespace paceline {
namespace {

using namespace std::string_literals;
using testing::HasSubstr;

constexpr CompressionType kCodecs[] = {kSnappyCompression, kLZ4Compression,
                                       kLZ4HCCompression, kZSTD};
constexpr uint64_t kNoLimit = kMaxBlockBytes;

std::string Compressed(
    CompressionType type, const std::string& input,
    int level = CompressionOptions::kDefaultCompressionLevel) {
  std::string output = "what was there";
  const Status s = Compress(type, {.level = level}, input, &output);
  EXPECT_TRUE(s.ok()) << s.ToString();
  return output;
}

class CompressionTest : public testing::TestWithParam<CompressionType> {
 protected:
  void SetUp() override {
    if (!CanCompress(GetParam())) GTEST_SKIP() << "not in this build";
  }
};

TEST_P(CompressionTest, WhatWasCompressedIsFoundAgain) {
  TestRandom random(TestSeed());
  for (const size_t size : {0u, 1u, 2u, 100u, 4096u, 100'000u}) {
    for (const std::string& input :
         {std::string(size, 'x'), random.Bytes(size)}) {
      const std::string stored = Compressed(GetParam(), input);
      if (size >= 4096 && input[1] == 'x' && input[2] == 'x') {
        EXPECT_LT(stored.size(), size / 10);
      }
      BlockBuffer output;
      const Status s =
          Uncompress(GetParam(), nullptr, stored, input.size(), &output);
      ASSERT_TRUE(s.ok()) << s.ToString();
      EXPECT_EQ(output.slice(), Slice(input));
    }
  }
}

TEST_P(CompressionTest, MoreThanTheLimitIsRefused) {
  const std::string stored = Compressed(GetParam(), std::string(1000, 'x'));
  BlockBuffer output;
  EXPECT_TRUE(
      Uncompress(GetParam(), nullptr, stored, 999, &output).IsCorruption());
  EXPECT_TRUE(Uncompress(GetParam(), nullptr, stored, 1000, &output).ok());
}

TEST_P(CompressionTest, AClaimThatCannotBeTrueAllocatesNothing) {
  std::string stored;
  PutVarint64(&stored, kMaxBlockBytes);
  stored += "abc";
  BlockBuffer output;
  EXPECT_TRUE(Uncompress(GetParam(), nullptr, stored, kNoLimit, &output)
                  .IsCorruption());
  EXPECT_EQ(output.size(), 0u);
}

TEST_P(CompressionTest, DamageGivesAnErrorOrAnyBytesOfTheClaimedSize) {
  TestRandom random(TestSeed());
  const std::string input = random.Letters(500) + std::string(500, 'x');
  const std::string stored = Compressed(GetParam(), input);
  for (size_t i = 0; i < stored.size(); ++i) {
    BlockBuffer output;
    Status s = Uncompress(GetParam(), nullptr, Slice(stored.data(), i),
                          kNoLimit, &output);
    EXPECT_TRUE(s.IsCorruption()) << i;
    for (int bit = 0; bit < 8; ++bit) {
      std::string damaged = stored;
      damaged[i] = static_cast<char>(damaged[i] ^ (1 << bit));
      s = Uncompress(GetParam(), nullptr, damaged, kNoLimit, &output);
      EXPECT_TRUE(s.ok() || s.IsCorruption()) << s.ToString();
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Codecs, CompressionTest, testing::ValuesIn(kCodecs),
                         [](const auto& parameter) {
                           return CompressionName(parameter.param);
                         });

TEST(CompressionTest, LevelsAreHeeded) {
  TestRandom random(TestSeed());
  std::string input;
  while (input.size() < 20'000) {
    input += random.Letters(3) + "the same " + std::to_string(input.size() / 7);
  }
  for (const CompressionType type : {kLZ4HCCompression, kZSTD}) {
    if (!CanCompress(type)) continue;
    EXPECT_LE(Compressed(type, input, 12).size(),
              Compressed(type, input, 1).size());
  }
}

TEST(CompressionTest, ZlibIsReadAndNotWritten) {
  if (!CanUncompress(kZlibCompression)) GTEST_SKIP() << "not in this build";
  EXPECT_FALSE(CanCompress(kZlibCompression));
  std::string output;
  EXPECT_TRUE(
      Compress(kZlibCompression, {}, "hello", &output).IsNotSupported());
  // The size, and one stored deflate block.
  const std::string stored = "\x05\x01\x05\x00\xfa\xffhello"s;
  BlockBuffer buffer;
  const Status s =
      Uncompress(kZlibCompression, nullptr, stored, kNoLimit, &buffer);
  ASSERT_TRUE(s.ok()) << s.ToString();
  EXPECT_EQ(buffer.slice(), Slice("hello"));
  for (size_t size = 0; size < stored.size(); ++size) {
    EXPECT_TRUE(Uncompress(kZlibCompression, nullptr,
                           Slice(stored.data(), size), kNoLimit, &buffer)
                    .IsCorruption());
  }
}

TEST(CompressionTest, WhatIsNotSupportedIsNamed) {
  BlockBuffer output;
  for (const auto& [type, name] :
       {std::pair{3, "BZip2"}, {6, "Xpress"}, {0x80, "128"}}) {
    const Status s = Uncompress(static_cast<uint8_t>(type), nullptr, "hello",
                                kNoLimit, &output);
    EXPECT_TRUE(s.IsNotSupported());
    EXPECT_THAT(s.ToString(), HasSubstr(name));
  }
}

TEST(CompressionTest, RawContentsAreCopied) {
  BlockBuffer output;
  ASSERT_TRUE(
      Uncompress(kNoCompression, nullptr, "hello", kNoLimit, &output).ok());
  EXPECT_EQ(output.slice(), Slice("hello"));
}

TEST(CompressionTest, ADictionaryStandsInFrontOfTheContents) {
  if (!CanUncompress(kLZ4Compression)) GTEST_SKIP() << "not in this build";
  const CompressionDictionary dictionary(Slice("0123456789abcdef"));
  // A copy of 12 bytes, 16 back, and five literals, which must be the last.
  const std::string stored = "\x11\x08\x10\x00\x50hello"s;
  BlockBuffer output;
  const Status s =
      Uncompress(kLZ4Compression, &dictionary, stored, kNoLimit, &output);
  ASSERT_TRUE(s.ok()) << s.ToString();
  EXPECT_EQ(output.slice(), Slice("0123456789abhello"));
  EXPECT_TRUE(Uncompress(kLZ4Compression, nullptr, stored, kNoLimit, &output)
                  .IsCorruption());
}

}  // namespace
}  // namespace paceline
