#include "src/format/batch_reader.h"

#include <sys/mman.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "paceline/write_batch.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "src/base/coding.h"
#include "test/support/seed.h"

namespace paceline {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// The encoding of a batch, piece by piece.
class Bytes {
 public:
  Bytes(SequenceNumber sequence, uint32_t count) {
    PutFixed64(&bytes_, sequence);
    PutFixed32(&bytes_, count);
  }
  Bytes& Tag(BatchTag tag) {
    bytes_.push_back(static_cast<char>(tag));
    return *this;
  }
  Bytes& Tag(BatchTag tag, uint32_t family_id) {
    Tag(tag);
    PutVarint32(&bytes_, family_id);
    return *this;
  }
  Bytes& String(std::string_view value) {
    PutLengthPrefixed(&bytes_, Slice(value));
    return *this;
  }
  Bytes& Raw(std::string_view value) {
    bytes_ += value;
    return *this;
  }
  operator Slice() const { return bytes_; }  // NOLINT: implicit.
  [[nodiscard]] const std::string& str() const { return bytes_; }

 private:
  std::string bytes_;
};

// "sequence:family:type:key:value" of updates, "log:..." and "noop"; stops
// at an error.
std::vector<std::string> Entries(BatchReader* reader) {
  std::vector<std::string> entries;
  BatchEntry entry;
  while (reader->Next(&entry)) {
    switch (entry.kind) {
      case BatchEntry::Kind::kNoop:
        entries.emplace_back("noop");
        break;
      case BatchEntry::Kind::kLogData:
        entries.push_back("log:" + entry.value.ToString());
        break;
      case BatchEntry::Kind::kUpdate:
        entries.push_back(std::to_string(reader->entry_sequence()) + ":" +
                          std::to_string(entry.family_id) + ":" +
                          std::to_string(static_cast<int>(entry.type)) + ":" +
                          entry.key.ToString() + ":" + entry.value.ToString());
    }
  }
  return entries;
}

void ExpectCorruption(const Slice& batch, const std::string& text) {
  const Status status = ValidateBatch(batch);
  EXPECT_TRUE(status.IsCorruption()) << status.ToString();
  EXPECT_THAT(status.ToString(), HasSubstr(text));
}

TEST(BatchReaderTest, TheBatchOfTheFormatIsRead) {
  const Bytes batch = Bytes(1, 1).Tag(BatchTag::kValue).Raw("\3foo\3bar");
  EXPECT_EQ(Slice(batch).ToString(true),
            "0100000000000000010000000103666f6f03626172");
  BatchReader reader(batch);
  EXPECT_EQ(reader.sequence(), 1u);
  EXPECT_EQ(reader.count(), 1u);
  EXPECT_THAT(Entries(&reader), ElementsAre("1:0:1:foo:bar"));
  EXPECT_TRUE(reader.status().ok());
  EXPECT_TRUE(ValidateBatch(batch).ok());
}

TEST(BatchReaderTest, EveryKindOfEntryIsReadAndTakesItsSequence) {
  Bytes batch(100, 10);
  batch.Tag(BatchTag::kDeletion).String("a");
  batch.Tag(BatchTag::kValue).String("b").String("1");
  batch.Tag(BatchTag::kNoop);
  batch.Tag(BatchTag::kMerge).String("c").String("2");
  batch.Tag(BatchTag::kLogData).String("blob");
  batch.Tag(BatchTag::kSingleDeletion).String("d");
  batch.Tag(BatchTag::kRangeDeletion).String("e").String("f");
  batch.Tag(BatchTag::kFamilyDeletion, 1).String("a");
  batch.Tag(BatchTag::kFamilyValue, 127).String("b").String("1");
  batch.Tag(BatchTag::kFamilyMerge, 128).String("c").String("2");
  batch.Tag(BatchTag::kFamilySingleDeletion, UINT32_MAX).String("d");
  batch.Tag(BatchTag::kFamilyRangeDeletion, 0).String("e").String("f");
  BatchReader reader(batch);
  EXPECT_THAT(Entries(&reader),
              ElementsAre("100:0:0:a:", "101:0:1:b:1", "noop", "102:0:2:c:2",
                          "log:blob", "103:0:7:d:", "104:0:15:e:f",
                          "105:1:0:a:", "106:127:1:b:1", "107:128:2:c:2",
                          "108:4294967295:7:d:", "109:0:15:e:f"));
  EXPECT_TRUE(reader.status().ok());
  EXPECT_EQ(reader.updates_seen(), 10u);
  EXPECT_TRUE(ValidateBatch(batch).ok());
}

TEST(BatchReaderTest, TheTagsAreTheNumbersOfTheFormat) {
  const std::string family("\1", 1);
  for (const auto& [tag, entry] :
       std::vector<std::pair<int, std::string>>{{0, "\1k"},
                                                {1, "\1k\1v"},
                                                {2, "\1k\1v"},
                                                {4, family + "\1k"},
                                                {5, family + "\1k\1v"},
                                                {6, family + "\1k\1v"},
                                                {7, "\1k"},
                                                {8, family + "\1k"},
                                                {14, family + "\1k\1v"},
                                                {15, "\1k\1v"}}) {
    EXPECT_TRUE(
        ValidateBatch(Bytes(1, 1).Tag(static_cast<BatchTag>(tag)).Raw(entry))
            .ok())
        << tag;
  }
}

TEST(BatchReaderTest, ABatchWithoutCountedEntriesIsLegal) {
  EXPECT_TRUE(ValidateBatch(Bytes(9, 0)).ok());
  Bytes batch(9, 0);
  batch.Tag(BatchTag::kLogData).String("only").Tag(BatchTag::kNoop);
  EXPECT_TRUE(ValidateBatch(batch).ok());
  BatchReader reader(batch);
  EXPECT_THAT(Entries(&reader), ElementsAre("log:only", "noop"));
  EXPECT_EQ(reader.updates_seen(), 0u);
}

TEST(BatchReaderTest, KeysAndValuesMayBeEmptyAndHoldAnyBytes) {
  const std::string bytes("\0\xff\0", 3);
  Bytes batch(1, 2);
  batch.Tag(BatchTag::kValue).String("").String("");
  batch.Tag(BatchTag::kValue).String(bytes).String(bytes);
  BatchReader reader(batch);
  EXPECT_THAT(Entries(&reader),
              ElementsAre("1:0:1::", "2:0:1:" + bytes + ":" + bytes));
}

TEST(BatchReaderTest, LogDataDoesNotKeepTheFieldsOfTheEntryBefore) {
  Bytes batch(1, 1);
  batch.Tag(BatchTag::kFamilyValue, 7).String("key").String("value");
  batch.Tag(BatchTag::kLogData).String("blob");
  BatchReader reader(batch);
  BatchEntry entry;
  ASSERT_TRUE(reader.Next(&entry));
  ASSERT_TRUE(reader.Next(&entry));
  EXPECT_EQ(entry.key, "");
  EXPECT_EQ(entry.family_id, 0u);
}

TEST(BatchReaderTest, AnEmptyRangeIsCountedLikeAnyOther) {
  Bytes batch(1, 1);
  batch.Tag(BatchTag::kRangeDeletion).String("z").String("a");
  EXPECT_TRUE(ValidateBatch(batch).ok());
}

TEST(BatchReaderTest, ABatchShorterThanItsHeaderIsCorruption) {
  const std::string header = Bytes(1, 1).str();
  for (size_t size = 0; size < kBatchHeaderBytes; ++size) {
    const Slice batch(header.data(), size);
    BatchReader reader(batch);
    EXPECT_TRUE(reader.status().IsCorruption());
    EXPECT_THAT(Entries(&reader), IsEmpty());
    ExpectCorruption(batch, std::to_string(size) + " bytes");
  }
}

TEST(BatchReaderTest, ABatchCutWithinAnEntryIsCorruption) {
  for (const Bytes& batch :
       {Bytes(1, 1).Tag(BatchTag::kDeletion).String("key"),
        Bytes(1, 1).Tag(BatchTag::kValue).String("key").String("value"),
        Bytes(1, 1).Tag(BatchTag::kFamilyMerge, 1000).String("k").String("v"),
        Bytes(1, 1).Tag(BatchTag::kFamilySingleDeletion, 1000).String("key"),
        Bytes(1, 1)
            .Tag(BatchTag::kFamilyRangeDeletion, 1000)
            .String("k")
            .String("v"),
        Bytes(1, 0).Tag(BatchTag::kLogData).String("blob")}) {
    EXPECT_TRUE(ValidateBatch(batch).ok());
    const std::string& bytes = batch.str();
    for (size_t size = kBatchHeaderBytes + 1; size < bytes.size(); ++size) {
      ExpectCorruption(Slice(bytes.data(), size), "at offset ");
    }
  }
}

TEST(BatchReaderTest, WhatFollowsAnErrorIsNotRead) {
  Bytes batch(1, 2);
  batch.Tag(BatchTag::kDeletion).String("a");
  batch.Tag(static_cast<BatchTag>(200));
  batch.Tag(BatchTag::kDeletion).String("b");
  BatchReader reader(batch);
  EXPECT_THAT(Entries(&reader), ElementsAre("1:0:0:a:"));
  BatchEntry entry;
  EXPECT_FALSE(reader.Next(&entry));
  EXPECT_TRUE(reader.status().IsCorruption());
  EXPECT_THAT(reader.status().ToString(), HasSubstr("unknown tag"));
}

TEST(BatchReaderTest, UnknownTagsAreCorruption) {
  for (int tag : {20, 26, 64, 127, 128, 255}) {
    ExpectCorruption(
        Bytes(1, 1).Tag(static_cast<BatchTag>(tag)).String("k").String("v"),
        "unknown tag");
  }
}

TEST(BatchReaderTest, WhatPacelineDoesNotHaveIsNotSupported) {
  for (int tag : {9, 10, 11, 12, 16, 17, 18, 19, 21, 22, 23, 24, 25}) {
    const Status status = ValidateBatch(
        Bytes(1, 1).Tag(static_cast<BatchTag>(tag)).String("k").String("v"));
    EXPECT_TRUE(status.IsNotSupported()) << tag << status.ToString();
  }
}

TEST(BatchReaderTest, AWrongCountIsCorruption) {
  for (uint32_t count : {0u, 1u, 3u, UINT32_MAX}) {
    Bytes batch(1, count);
    batch.Tag(BatchTag::kDeletion).String("a");
    batch.Tag(BatchTag::kLogData).String("not counted");
    batch.Tag(BatchTag::kDeletion).String("b");
    ExpectCorruption(
        batch, "holds 2 entries, its header counts " + std::to_string(count));
  }
}

TEST(BatchReaderTest, LengthsBeyondTheBatchAreCorruption) {
  for (const std::string& length :
       {std::string("\5"), std::string("\xff\xff\xff\xff\x0f"),
        std::string("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
        std::string("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")}) {
    ExpectCorruption(Bytes(1, 1).Tag(BatchTag::kDeletion).Raw(length + "four"),
                     "key at offset ");
  }
}

TEST(BatchReaderTest, FamilyIdsOfMoreThan32BitsAreCorruption) {
  Bytes batch(1, 1);
  batch.Tag(BatchTag::kFamilyDeletion).Raw("\xff\xff\xff\xff\x10\1k");
  ExpectCorruption(batch, "column family id");
}

TEST(BatchReaderTest, GarbageIsABatchOrAnErrorAndNothingElse) {
  TestRandom random(TestSeed());
  std::string good;
  {
    Bytes batch(1, 3);
    batch.Tag(BatchTag::kFamilyValue, 300).String("key").String("value");
    batch.Tag(BatchTag::kRangeDeletion).String("key").String("kez");
    batch.Tag(BatchTag::kLogData).String("blob");
    batch.Tag(BatchTag::kDeletion).String("key");
    good = batch.str();
  }
  for (int round = 0; round < 20'000; ++round) {
    std::string garbage = random.Bytes(random.Below(40));
    if (random.OneIn(2)) {
      garbage = good;
      garbage[random.Below(garbage.size())] = static_cast<char>(random.Next());
    }
    const Status status = ValidateBatch(garbage);
    EXPECT_TRUE(status.ok() || status.IsCorruption() ||
                status.IsNotSupported());
  }
}

// --- Size. -----------------------------------------------------------------

// Zeros that take no memory while nobody touches them.
class Zeros {
 public:
  explicit Zeros(size_t size)
      : size_(size),
        data_(static_cast<char*>(
            ::mmap(nullptr, size, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0))) {
    EXPECT_NE(static_cast<void*>(data_), MAP_FAILED);
  }
  ~Zeros() { ::munmap(data_, size_); }
  Zeros(const Zeros&) = delete;
  Zeros& operator=(const Zeros&) = delete;

  [[nodiscard]] char* data() const { return data_; }

 private:
  const size_t size_;
  char* const data_;
};

TEST(BatchReaderTest, AnEntryThatNoTableCanHoldIsRefusedBeforeItIsWritten) {
  const Zeros zeros(kEntryBytesMax);
  const Slice value(zeros.data(), kEntryBytesMax);
  WriteBatch batch;
  EXPECT_TRUE(batch.Put("k", value).IsInvalidArgument());
  EXPECT_TRUE(batch.Merge("k", value).IsInvalidArgument());
  EXPECT_TRUE(batch.DeleteRange("k", value).IsInvalidArgument());
  EXPECT_EQ(batch.Count(), 0u);
}

TEST(BatchReaderTest, AnEntryThatNoTableCanHoldIsNotTakenForDamage) {
  std::string head(kBatchHeaderBytes, '\0');
  head[8] = 1;  // The count.
  head += static_cast<char>(BatchTag::kValue);
  PutLengthPrefixed(&head, "k");
  for (const uint64_t bytes : {kEntryBytesMax - 1, kEntryBytesMax}) {
    std::string start = head;
    PutVarint32(&start, static_cast<uint32_t>(bytes));
    const Zeros zeros(start.size() + bytes);
    start.copy(zeros.data(), start.size());
    const Status status =
        ValidateBatch(Slice(zeros.data(), start.size() + bytes));
    EXPECT_EQ(status.ok(), bytes < kEntryBytesMax) << status.ToString();
    EXPECT_EQ(status.IsNotSupported(), bytes == kEntryBytesMax);
  }
}

}  // namespace
}  // namespace paceline
