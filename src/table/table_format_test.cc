#include "src/table/table_format.h"

#include <array>
#include <cstdint>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace paceline {
namespace {

using testing::HasSubstr;

constexpr ChecksumType kAllChecksums[] = {kNoChecksum, kCRC32c, kxxHash,
                                          kxxHash64, kXXH3};

std::string Pattern(size_t size) {
  std::string bytes(size, '\0');
  for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(7 * i + 3);
  return bytes;
}

TEST(BlockChecksumTest, ChecksumsAreRocksDBs) {
  struct Vector {
    std::string contents;
    uint8_t compression;
    std::array<uint32_t, 4> expected;  // CRC-32C, xxHash, xxHash64, XXH3.
  };
  const Vector vectors[] = {
      {"", 0, {0x49258fd2, 0xcf65b03e, 0xdb052768, 0x38d394c2}},
      {"hello", 0, {0x838fa897, 0x76c3f8e8, 0x2fec4e26, 0x5c62dcfd}},
      {"hello", 1, {0x898e4440, 0xa1fdd613, 0x6d66dbe3, 0x37f25f24}},
      {Pattern(300), 7, {0x87d544a5, 0x44c95408, 0x8669e3b0, 0x26dd98c8}},
  };
  for (const Vector& vector : vectors) {
    const auto checksum = [&](ChecksumType type) {
      return BlockChecksum(
          type, vector.contents + static_cast<char>(vector.compression));
    };
    EXPECT_EQ(checksum(kNoChecksum), 0u);
    EXPECT_EQ(checksum(kCRC32c), vector.expected[0]);
    EXPECT_EQ(checksum(kxxHash), vector.expected[1]);
    EXPECT_EQ(checksum(kxxHash64), vector.expected[2]);
    EXPECT_EQ(checksum(kXXH3), vector.expected[3]);
  }
}

TEST(BlockChecksumTest, TheContextDependsOnBothHalvesOfTheOffset) {
  EXPECT_EQ(ChecksumContext(0x28136397, 0), 0x28136397u);
  EXPECT_EQ(ChecksumContext(0x28136397, 0x1000), 0x28137397u);
  EXPECT_EQ(ChecksumContext(0x28136397, 0x100000005), 0x28136391u);
  EXPECT_EQ(ChecksumContext(0, 0x1000), 0u);
}

TEST(BlockHandleTest, AHandleIsFoundAgainAndPartsOfItAreRefused) {
  const BlockHandle handle{uint64_t{1} << 40, 300};
  std::string bytes;
  PutBlockHandle(&bytes, handle);
  Slice input = bytes;
  BlockHandle found;
  ASSERT_TRUE(GetBlockHandle(&input, &found));
  EXPECT_EQ(found, handle);
  EXPECT_TRUE(input.empty());
  for (size_t size = 0; size < bytes.size(); ++size) {
    Slice part(bytes.data(), size);
    EXPECT_FALSE(GetBlockHandle(&part, &found));
  }
}

TEST(BlockHandleTest, ABlockIsWithinOnlyWithItsTrailer) {
  EXPECT_TRUE(IsWithin({0, 0}, 5));
  EXPECT_FALSE(IsWithin({0, 0}, 4));
  EXPECT_TRUE(IsWithin({90, 5}, 100));
  EXPECT_FALSE(IsWithin({90, 6}, 100));
  EXPECT_FALSE(IsWithin({101, 0}, 100));
  EXPECT_FALSE(IsWithin({1, UINT64_MAX}, 100));
  EXPECT_FALSE(IsWithin({UINT64_MAX, 1}, 100));
}

class FooterTest : public testing::Test {
 protected:
  static constexpr uint64_t kFileSize = 205;

  Status Decode(const std::string& bytes, uint64_t file_size = kFileSize) {
    return DecodeFooter(bytes, file_size, "/db/000007.sst", &footer_);
  }

  static std::string Encoded() {
    std::string bytes;
    PutFooter(&bytes,
              {.checksum = kCRC32c, .metaindex = {115, 31}, .index = {30, 24}});
    return bytes;
  }

  // A footer of format_version 6.
  static std::string EncodedWithContext(ChecksumType type,
                                        uint32_t format_version = 6,
                                        uint32_t base = 0x28136397,
                                        uint64_t zeros = 0) {
    std::string bytes(1, type);
    bytes.append("\x3e\x00\x7a\x00", 4);
    PutFixed32(&bytes, 0);
    PutFixed32(&bytes, base);
    PutFixed32(&bytes, 31);
    bytes.resize(33, 'r');
    PutFixed64(&bytes, zeros);
    PutFixed32(&bytes, format_version);
    PutFixed64(&bytes, kTableMagic);
    const uint32_t checksum = BlockChecksum(type, bytes) +
                              ChecksumContext(base, kFileSize - kFooterBytes);
    EncodeFixed(bytes.data() + 5, checksum);
    return bytes;
  }

  Footer footer_;
};

TEST_F(FooterTest, AFooterIsFoundAgain) {
  const std::string bytes = Encoded();
  ASSERT_EQ(bytes.size(), kFooterBytes);
  const Status s = Decode(bytes);
  ASSERT_TRUE(s.ok()) << s.ToString();
  EXPECT_EQ(footer_.format_version, 5u);
  EXPECT_EQ(footer_.checksum, kCRC32c);
  EXPECT_EQ(footer_.metaindex, (BlockHandle{115, 31}));
  EXPECT_EQ(footer_.index, (BlockHandle{30, 24}));
  EXPECT_EQ(footer_.context_base, 0u);
}

TEST_F(FooterTest, TheSecondFormIsReadWithEveryChecksum) {
  for (const ChecksumType type : kAllChecksums) {
    for (const uint32_t version : {6u, 7u}) {
      const Status s = Decode(EncodedWithContext(type, version));
      ASSERT_TRUE(s.ok()) << s.ToString();
      EXPECT_EQ(footer_.format_version, version);
      EXPECT_EQ(footer_.checksum, type);
      EXPECT_EQ(footer_.metaindex, (BlockHandle{kFileSize - 53 - 5 - 31, 31}));
      EXPECT_EQ(footer_.context_base, 0x28136397u);
    }
  }
}

TEST_F(FooterTest, AnyFlippedByteOfTheSecondFormIsNoticed) {
  const std::string bytes = EncodedWithContext(kXXH3);
  for (size_t i = 0; i < bytes.size(); ++i) {
    std::string damaged = bytes;
    damaged[i] = static_cast<char>(damaged[i] ^ 1);
    EXPECT_FALSE(Decode(damaged).ok()) << i;
  }
}

TEST_F(FooterTest, AFooterAtAnotherPlaceIsNoticed) {
  EXPECT_TRUE(Decode(EncodedWithContext(kNoChecksum)).ok());
  EXPECT_TRUE(
      Decode(EncodedWithContext(kNoChecksum), kFileSize + 8).IsCorruption());
}

TEST_F(FooterTest, OtherTablesAndVersionsAreRefused) {
  for (const uint64_t magic : {0xdb4775248b80fb57U, 0x8242229663bf9564U,
                               0x4f3418eb7a8f13b8U, 0x926789d0c5f17873U}) {
    std::string bytes = Encoded();
    EncodeFixed(bytes.data() + 45, magic);
    EXPECT_TRUE(Decode(bytes).IsNotSupported());
  }
  for (const uint32_t version : {0u, 1u, 8u, UINT32_MAX}) {
    std::string bytes = Encoded();
    EncodeFixed(bytes.data() + 41, version);
    EXPECT_TRUE(Decode(bytes).IsNotSupported());
  }
  for (const char type : {char{5}, char{-1}}) {
    std::string bytes = Encoded();
    bytes[0] = type;
    EXPECT_TRUE(Decode(bytes).IsNotSupported());
  }
  EXPECT_TRUE(
      Decode(EncodedWithContext(kXXH3, 6, 0x28136397, 1)).IsNotSupported());
}

TEST_F(FooterTest, DamageIsNamedWithItsPlace) {
  std::string bytes = Encoded();
  bytes[45] = 'x';
  const Status s = Decode(bytes);
  EXPECT_TRUE(s.IsCorruption());
  EXPECT_THAT(s.ToString(), HasSubstr("/db/000007.sst"));
  EXPECT_THAT(s.ToString(), HasSubstr("offset 152"));
}

TEST_F(FooterTest, HandlesOutsideTheFileAreRefused) {
  EXPECT_TRUE(Decode(Encoded(), 100).IsCorruption());
  EXPECT_TRUE(Decode(EncodedWithContext(kXXH3), 60).IsCorruption());
  EXPECT_TRUE(Decode(Encoded().substr(1), kFileSize).IsCorruption());
  EXPECT_TRUE(Decode("", 0).IsCorruption());
  EXPECT_TRUE(Decode(EncodedWithContext(kXXH3, 6, 0)).IsCorruption());
}

}  // namespace
}  // namespace paceline
