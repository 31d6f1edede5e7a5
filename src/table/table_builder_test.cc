#include "src/table/table_builder.h"

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "src/table/block.h"
#include "src/table/bloom_filter.h"
#include "src/table/compression.h"
#include "src/table/index_iterator.h"
#include "src/table/table_format.h"
#include "src/table/table_properties.h"
#include "test/support/fault_file_system.h"
#include "test/support/seed.h"
#include "test/support/test_directory.h"
#include "test/support/test_table.h"

namespace paceline {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Le;

// A written table taken apart by its bytes, with checks of what every table
// must have.
class ParsedTable {
 public:
  explicit ParsedTable(std::string bytes) : bytes_(std::move(bytes)) {
    const Slice tail(bytes_.data() + bytes_.size() - kFooterBytes,
                     kFooterBytes);
    Check(DecodeFooter(tail, bytes_.size(), "table", &footer_));
    auto metaindex = Parse(footer_.metaindex);
    BlockIterator entry(metaindex.get());
    for (entry.SeekToFirst(); entry.Valid(); entry.Next()) {
      Slice value = entry.value();
      EXPECT_TRUE(GetBlockHandle(&value, &meta_[entry.key().ToString()]));
    }
    auto properties = Parse(meta_.at(metaindex::kProperties));
    Check(ParseProperties(*properties, &properties_));

    auto index = Parse(footer_.index);
    IndexIterator block(index.get(), {});
    while (block.Next()) {
      separators_.push_back(block.separator().ToString());
      data_.push_back(block.handle());
    }
    EXPECT_FALSE(block.is_damaged());
  }

  [[nodiscard]] const Footer& footer() const { return footer_; }
  [[nodiscard]] const TableProperties& properties() const {
    return properties_;
  }
  [[nodiscard]] const std::vector<std::string>& separators() const {
    return separators_;
  }
  [[nodiscard]] const std::vector<BlockHandle>& data() const { return data_; }
  [[nodiscard]] bool has_meta(const std::string& name) const {
    return meta_.count(name) != 0;
  }
  [[nodiscard]] BlockHandle meta(const std::string& name) const {
    return meta_.at(name);
  }

  // As stored.
  [[nodiscard]] Slice Contents(const BlockHandle& handle) const {
    return {bytes_.data() + handle.offset, handle.size};
  }
  [[nodiscard]] uint8_t Compression(const BlockHandle& handle) const {
    return static_cast<uint8_t>(bytes_[handle.offset + handle.size]);
  }
  [[nodiscard]] std::shared_ptr<const Block> Parse(
      const BlockHandle& handle) const {
    const uint8_t type = Compression(handle);
    EXPECT_EQ(DecodeFixed32(bytes_.data() + handle.offset + handle.size + 1),
              BlockChecksum(footer_.checksum,
                            Slice(Contents(handle).data(), handle.size + 1)));
    BlockBuffer buffer;
    if (type == kNoCompression) {
      EXPECT_TRUE(buffer.Assign(Contents(handle)));
    } else {
      Check(
          Uncompress(type, nullptr, Contents(handle), kMaxBlockBytes, &buffer));
    }
    auto block = Block::Parse(std::move(buffer), Block::Kind::kData);
    Check(block.status());
    return *block;
  }

 private:
  static void Check(const Status& s) { EXPECT_TRUE(s.ok()) << s.ToString(); }

  const std::string bytes_;
  Footer footer_;
  std::map<std::string, BlockHandle> meta_;
  TableProperties properties_;
  std::vector<std::string> separators_;
  std::vector<BlockHandle> data_;
};

class TableBuilderTest : public ::testing::Test {
 protected:
  TableBuilderTest() : random_(TestSeed()) {
    options_.comparator = &bytewise_;
    path_ = directory_ / "000010.sst";
  }

  std::unique_ptr<TableBuilder> NewBuilder() {
    auto file = FileSystem::Default()->NewWritableFile(path_, {});
    EXPECT_TRUE(file.ok()) << file.status().ToString();
    return std::make_unique<TableBuilder>(options_, std::move(*file), path_);
  }
  ParsedTable Write(const TestTable& table) {
    Status s = WriteTable(options_, table, path_);
    EXPECT_TRUE(s.ok()) << s.ToString();
    std::string bytes = ReadFileBytes(path_);
    EXPECT_TRUE(FileSystem::Default()->RemoveFile(path_).ok());
    return ParsedTable(std::move(bytes));
  }
  // A value of each key, so large that each has a block of its own.
  std::vector<std::string> SeparatorsOf(
      const std::vector<std::pair<std::string, SequenceNumber>>& keys) {
    TestTable table;
    for (const auto& [key, sequence] : keys) {
      table.entries.push_back(
          {.user_key = key, .sequence = sequence, .value = large_value_});
    }
    ParsedTable parsed = Write(table);
    EXPECT_EQ(parsed.separators().size(), keys.size());
    uint64_t has_user_keys = 0;
    EXPECT_TRUE(GetVarintProperty(parsed.properties(),
                                  property::kIndexKeyIsUserKey, &has_user_keys)
                    .ok());
    separators_are_user_keys_ = has_user_keys == 1;
    return parsed.separators();
  }

  TestRandom random_;
  TestDirectory directory_{TestStorage::kMemory};
  std::string path_;
  const InternalKeyComparator bytewise_{BytewiseComparator()};
  const InternalKeyComparator reverse_{ReverseBytewiseComparator()};
  const std::string large_value_ = std::string(5000, 'v');
  TableBuilderOptions options_;
  bool separators_are_user_keys_ = false;
};

std::string Unhex(const std::string& digits) {
  std::string bytes;
  for (size_t i = 0; i + 1 < digits.size(); i += 2) {
    bytes.push_back(
        static_cast<char>(std::stoi(digits.substr(i, 2), nullptr, 16)));
  }
  return bytes;
}

TEST_F(TableBuilderTest, TheSmallestTableHasTheBytesOfRocksDBs) {
  const TestTable table{
      .entries = {{.user_key = "foo", .sequence = 7, .value = "bar"}},
      .tombstones = {}};
  const std::string block =
      Unhex("000b03666f6f01070000000000006261720000000001000000");
  options_.table.checksum = kCRC32c;
  ParsedTable with_crc = Write(table);
  EXPECT_THAT(with_crc.data(), ElementsAre(BlockHandle{0, 25}));
  EXPECT_EQ(with_crc.Contents({0, 30}).ToString(), block + Unhex("0086e0cc0b"));
  options_.table.checksum = kXXH3;
  EXPECT_EQ(Write(table).Contents({0, 30}).ToString(),
            block + Unhex("00a9d59725"));
}

TEST_F(TableBuilderTest, TheFooterSaysHowTheTableWasWritten) {
  options_.table.checksum = kxxHash64;
  ParsedTable parsed = Write(RandomTestTable({}, bytewise_, &random_));
  EXPECT_EQ(parsed.footer().format_version, 5u);
  EXPECT_EQ(parsed.footer().checksum, kxxHash64);
}

TEST_F(TableBuilderTest, PropertiesAreExact) {
  options_.file_number = 77;
  options_.family_id = 3;
  options_.family_name = "family";
  options_.merge_operator_name = "an operator";
  options_.creation_time = 1'700'000'000;
  options_.file_creation_time = 1'700'000'001;
  options_.compression = kNoCompression;
  options_.table.filter_policy.reset(NewBloomFilterPolicy(10));
  const TestTable table =
      RandomTestTable({.has_tombstones = true}, bytewise_, &random_);
  uint64_t deletions = table.tombstones.size();
  uint64_t merges = 0;
  uint64_t key_bytes = 0;
  uint64_t value_bytes = 0;
  std::map<std::string, int> user_keys;
  for (const TestTableEntry& entry : table.entries) {
    ++user_keys[entry.user_key];
    key_bytes += entry.user_key.size() + kTagBytes;
    value_bytes += entry.value.size();
    deletions += entry.type == ValueType::kDeletion ||
                 entry.type == ValueType::kSingleDeletion;
    merges += entry.type == ValueType::kMerge;
  }
  for (const RangeTombstone& tombstone : table.tombstones) {
    key_bytes += tombstone.begin.size() + kTagBytes;
    value_bytes += tombstone.end.size();
  }

  ParsedTable parsed = Write(table);
  const TableProperties& p = parsed.properties();
  EXPECT_EQ(p.num_entries, table.entries.size() + table.tombstones.size());
  EXPECT_EQ(p.num_deletions, deletions);
  EXPECT_EQ(p.num_merge_operands, merges);
  EXPECT_EQ(p.num_range_deletions, table.tombstones.size());
  EXPECT_EQ(p.num_data_blocks, parsed.data().size());
  EXPECT_EQ(p.raw_key_size, key_bytes);
  EXPECT_EQ(p.raw_value_size, value_bytes);
  EXPECT_EQ(p.data_size, parsed.meta(metaindex::kFullFilter).offset);
  EXPECT_EQ(p.filter_size, parsed.meta(metaindex::kFullFilter).size);
  EXPECT_EQ(p.index_size, parsed.footer().index.size + kBlockTrailerBytes);
  EXPECT_EQ(p.comparator_name, "leveldb.BytewiseComparator");
  EXPECT_EQ(p.compression_name, "NoCompression");
  EXPECT_EQ(p.filter_policy_name, "bloomfilter");

  const auto raw = [&p](const char* name) { return p.raw.at(name); };
  EXPECT_EQ(raw(property::kIndexType), std::string(4, '\0'));
  EXPECT_EQ(raw(property::kWholeKeyFiltering), "1");
  EXPECT_EQ(raw(property::kPrefixFiltering), "0");
  EXPECT_EQ(raw(property::kNumFilterEntries), VarintProperty(user_keys.size()));
  EXPECT_EQ(raw(property::kFormatVersion), VarintProperty(5));
  EXPECT_EQ(raw(property::kFamilyId), VarintProperty(3));
  EXPECT_EQ(raw(property::kFamilyName), "family");
  EXPECT_EQ(raw(property::kMergeOperator), "an operator");
  EXPECT_EQ(raw(property::kOriginalFileNumber), VarintProperty(77));
  EXPECT_EQ(raw(property::kCreationTime), VarintProperty(1'700'000'000));
  EXPECT_EQ(raw(property::kFileCreationTime), VarintProperty(1'700'000'001));
}

TEST_F(TableBuilderTest, TimesThatAreNotKnownAreLeftOut) {
  const TableProperties p = Write({}).properties();
  EXPECT_EQ(p.raw.count(property::kCreationTime), 0u);
  EXPECT_EQ(p.raw.count(property::kFileCreationTime), 0u);
}

TEST_F(TableBuilderTest, WhatReadersDivideByIsNeverZero) {
  const TableProperties p = Write({}).properties();
  EXPECT_EQ(p.raw.count(property::kNumEntries), 0u);
  EXPECT_EQ(p.raw.count(property::kRawKeySize), 0u);
  EXPECT_EQ(p.raw.count(property::kRawValueSize), 0u);
}

TEST_F(TableBuilderTest, SeparatorsAreAsShortAsTheComparatorMakesThem) {
  EXPECT_THAT(
      SeparatorsOf({{"apple pie", 9},
                    {"banana split", 8},
                    {"c", 7},
                    {"cat", 6},
                    {"x long key 1", 5},
                    {"x long key 1 and on", 4}}),
      ElementsAre("b", "bb", "c", "d", "x long key 1", "x long key 1 and on"));
  EXPECT_TRUE(separators_are_user_keys_);
}

// Finds what is not between the keys, or what is the same key to it.
class MisleadingComparator final : public Comparator {
 public:
  explicit MisleadingComparator(const char* answer) : answer_(answer) {}
  int Compare(const Slice& a, const Slice& b) const override {
    return a.compare(b);
  }
  const char* Name() const override { return "misleading"; }
  void FindShortestSeparator(std::string* start, const Slice&) const override {
    *start = answer_;
  }

 private:
  const std::string answer_;
};

TEST_F(TableBuilderTest, SeparatorsThatDoNotSeparateAreNotTaken) {
  for (const char* answer : {"", "a", "apple", "banana", "z"}) {
    const MisleadingComparator misleading(answer);
    const InternalKeyComparator comparator(&misleading);
    options_.comparator = &comparator;
    EXPECT_THAT(SeparatorsOf({{"apple", 9}, {"banana", 8}}),
                ElementsAre("apple", "banana"))
        << answer;
  }
}

TEST_F(TableBuilderTest, SeparatorsAreInternalKeysIfBlocksMeetInsideAUserKey) {
  const auto internal = [](const std::string& key, SequenceNumber sequence) {
    return TestTableEntry{.user_key = key, .sequence = sequence}.internal_key();
  };
  EXPECT_THAT(SeparatorsOf({{"apple", 9}, {"banana", 8}, {"banana", 5}}),
              ElementsAre(internal("b", kMaxSequenceNumber),
                          internal("banana", 8), internal("banana", 5)));
  EXPECT_FALSE(separators_are_user_keys_);
}

TEST_F(TableBuilderTest, OtherOrdersHaveSeparatorsOfTheirOwn) {
  options_.comparator = &reverse_;
  EXPECT_THAT(SeparatorsOf({{"cherry", 9}, {"banana", 8}, {"apple", 5}}),
              ElementsAre("c", "b", "apple"));
  EXPECT_TRUE(separators_are_user_keys_);
}

TEST_F(TableBuilderTest, SeparatorsLieBetweenTheirBlocks) {
  options_.table.block_size = 256;
  for (int round = 0; round < 20; ++round) {
    TestTable table;
    std::map<std::string, int> keys;
    // Few different bytes, among them the smallest and the largest.
    for (int i = 0; i < 500; ++i) {
      std::string key(random_.Below(5), '\0');
      for (char& byte : key) byte = "\x00\x01\x7f\xfe\xff"[random_.Below(5)];
      keys[key] = i;
    }
    for (const auto& [key, number] : keys) {
      table.entries.push_back({.user_key = key, .value = key + key});
    }
    ParsedTable parsed = Write(table);
    for (size_t i = 0; i < parsed.data().size(); ++i) {
      auto block = parsed.Parse(parsed.data()[i]);
      BlockIterator entry;
      entry.Init(block.get(), &bytewise_);
      entry.SeekToLast();
      EXPECT_LE(ExtractUserKey(entry.key()).ToString(), parsed.separators()[i]);
      if (i == 0) continue;
      entry.SeekToFirst();
      EXPECT_LT(parsed.separators()[i - 1],
                ExtractUserKey(entry.key()).ToString());
    }
  }
}

TEST_F(TableBuilderTest, ABlockIsCompressedOnlyIfItBecomesAnEighthSmaller) {
  options_.compression = kLZ4Compression;
  TestTable table;
  for (int i = 0; i < 20; ++i) {
    table.entries.push_back(
        {.user_key = "key" + std::to_string(10 + i),
         .value = i < 10 ? large_value_ : random_.Bytes(5000)});
  }
  ParsedTable parsed = Write(table);
  ASSERT_EQ(parsed.data().size(), 20u);
  for (size_t i = 0; i < 20; ++i) {
    EXPECT_EQ(parsed.Compression(parsed.data()[i]),
              i < 10 ? kLZ4Compression : kNoCompression);
  }
  EXPECT_EQ(parsed.properties().compression_name, "LZ4");
}

TEST_F(TableBuilderTest, ACodecThatIsOnlyReadIsRefused) {
  options_.compression = kZlibCompression;
  std::unique_ptr<TableBuilder> builder = NewBuilder();
  const TestTableEntry entry{.user_key = "a"};
  EXPECT_TRUE(builder->Add(entry.internal_key(), "").IsNotSupported());
  Status s = builder->Finish();
  EXPECT_TRUE(s.IsNotSupported());
  EXPECT_THAT(s.ToString(), HasSubstr(path_));
}

TEST_F(TableBuilderTest, TheFilterHoldsEveryUserKey) {
  options_.table.filter_policy.reset(NewBloomFilterPolicy(20));
  const TestTable table =
      RandomTestTable({.has_tombstones = true}, bytewise_, &random_);
  ParsedTable parsed = Write(table);
  BloomFilterReader filter(
      parsed.Contents(parsed.meta(metaindex::kFullFilter)));
  for (const TestTableEntry& entry : table.entries) {
    EXPECT_TRUE(filter.MayContain(entry.user_key));
  }
  int found = 0;
  for (int i = 0; i < 1000; ++i) {
    found += filter.MayContain("absent" + std::to_string(i)) ? 1 : 0;
  }
  EXPECT_LE(found, 20);
}

// Without regard to the case of letters.
class CaselessComparator final : public Comparator {
 public:
  int Compare(const Slice& a, const Slice& b) const override {
    return Lower(a).compare(Lower(b));
  }
  const char* Name() const override { return "caseless"; }

 private:
  static std::string Lower(const Slice& key) {
    std::string lower = key.ToString();
    for (char& c : lower) c = static_cast<char>(std::tolower(c));
    return lower;
  }
};

TEST_F(TableBuilderTest, TheFilterHoldsEveryFormOfOneUserKey) {
  const CaselessComparator caseless;
  const InternalKeyComparator comparator(&caseless);
  options_.comparator = &comparator;
  options_.table.filter_policy.reset(NewBloomFilterPolicy(20));
  ParsedTable parsed = Write({.entries = {{.user_key = "KEY", .sequence = 3},
                                          {.user_key = "key", .sequence = 2},
                                          {.user_key = "Key", .sequence = 1}},
                              .tombstones = {}});
  BloomFilterReader filter(
      parsed.Contents(parsed.meta(metaindex::kFullFilter)));
  for (const char* key : {"KEY", "key", "Key"}) {
    EXPECT_TRUE(filter.MayContain(key)) << key;
  }
}

TEST_F(TableBuilderTest, TombstonesAloneNeedNeitherFilterNorDataBlocks) {
  options_.table.filter_policy.reset(NewBloomFilterPolicy(10));
  ParsedTable parsed =
      Write({.entries = {}, .tombstones = {{"a", "c", 9}, {"a", "c", 5}}});
  EXPECT_FALSE(parsed.has_meta(metaindex::kFullFilter));
  EXPECT_THAT(parsed.data(), IsEmpty());
  EXPECT_EQ(parsed.properties().num_entries, 2u);
  auto tombstones = parsed.Parse(parsed.meta(metaindex::kRangeTombstones));
  BlockIterator entry;
  entry.Init(tombstones.get(), &bytewise_);
  entry.SeekToFirst();
  ASSERT_TRUE(entry.Valid());
  EXPECT_EQ(ExtractUserKey(entry.key()), Slice("a"));
  EXPECT_EQ(ExtractTag(entry.key()), PackTag(9, ValueType::kRangeDeletion));
  EXPECT_EQ(entry.value(), Slice("c"));
}

TEST_F(TableBuilderTest, KeysOutOfOrderAreRefusedForGood) {
  const auto key = [](const char* user_key, SequenceNumber sequence) {
    return TestTableEntry{.user_key = user_key, .sequence = sequence}
        .internal_key();
  };
  for (const std::string& wrong : {key("a", 9), key("b", 5), key("b", 6)}) {
    std::unique_ptr<TableBuilder> builder = NewBuilder();
    EXPECT_TRUE(builder->Add(key("b", 5), "").ok());
    Status s = builder->Add(wrong, "");
    EXPECT_TRUE(s.IsCorruption());
    EXPECT_THAT(s.ToString(), HasSubstr(path_));
    EXPECT_EQ(builder->Add(key("c", 5), "").ToString(), s.ToString());
    EXPECT_EQ(builder->Finish().ToString(), s.ToString());
    EXPECT_EQ(builder->status().ToString(), s.ToString());
    EXPECT_TRUE(FileSystem::Default()->RemoveFile(path_).ok());
  }
}

TEST_F(TableBuilderTest, TheEstimatedSizeIsNearAndInTheEndExact) {
  options_.table.filter_policy.reset(NewBloomFilterPolicy(10));
  const TestTable table = RandomTestTable(
      {.entries = 50'000, .keys = 1'000'000}, bytewise_, &random_);
  std::unique_ptr<TableBuilder> builder = NewBuilder();
  for (const TestTableEntry& entry : table.entries) {
    ASSERT_TRUE(builder->Add(entry.internal_key(), entry.value).ok());
  }
  EXPECT_EQ(builder->entries(), table.entries.size());
  const auto estimate = static_cast<double>(builder->EstimatedFileSize());
  ASSERT_TRUE(builder->Finish().ok());
  const uint64_t size = ReadFileBytes(path_).size();
  EXPECT_EQ(builder->EstimatedFileSize(), size);
  EXPECT_NEAR(estimate, static_cast<double>(size),
              static_cast<double>(size) / 100);
}

TEST_F(TableBuilderTest, TheRateLimiterIsAskedForEveryByte) {
  class Asked final : public RateLimiter {
   public:
    void Request(int64_t bytes, Priority priority) override {
      EXPECT_EQ(priority, Priority::kHigh);
      requests.push_back(bytes);
    }
    void SetBytesPerSecond(int64_t) override {}
    int64_t GetBytesPerSecond() const override { return 0; }
    int64_t GetTotalBytesThrough() const override { return 0; }

    std::vector<int64_t> requests;
  };
  Asked limiter;
  options_.rate_limiter = &limiter;
  options_.rate_limiter_priority = RateLimiter::Priority::kHigh;
  TestTable table = RandomTestTable({.entries = 50'000, .keys = 1'000'000},
                                    bytewise_, &random_);
  ASSERT_TRUE(WriteTable(options_, table, path_).ok());
  int64_t bytes = 0;
  for (int64_t request : limiter.requests) bytes += request;
  EXPECT_EQ(bytes, static_cast<int64_t>(ReadFileBytes(path_).size()));
  EXPECT_GE(limiter.requests.size(), 4u);
  EXPECT_THAT(limiter.requests, Each(Le((1 << 20) + 10'000)));
}

TEST_F(TableBuilderTest, EveryFailureOfTheFileIsReturnedAndFinal) {
  const TestTable table = RandomTestTable(
      {.entries = 30'000, .keys = 1'000'000}, bytewise_, &random_);
  FaultFileSystem file_system;
  uint64_t operation = 1;
  for (bool has_failed = true; has_failed; ++operation) {
    auto file = file_system.NewWritableFile(path_, {});
    ASSERT_TRUE(file.ok());
    file_system.Arm({.operation = operation});
    Status s;
    {
      TableBuilder builder(options_, std::move(*file), path_);
      for (const TestTableEntry& entry : table.entries) {
        s = builder.Add(entry.internal_key(), entry.value);
        if (!s.ok()) break;
      }
      EXPECT_EQ(builder.status().ToString(), s.ToString());
      Status finish = builder.Finish();
      if (!s.ok()) {
        EXPECT_EQ(finish.ToString(), s.ToString());
      }
      s = finish;
    }
    has_failed = file_system.has_failed();
    EXPECT_EQ(s.ok(), !has_failed);
    if (has_failed) {
      EXPECT_THAT(s.ToString(), HasSubstr(FaultFileSystem::kFaultText));
    }
    EXPECT_THAT(file_system.uses_after_failure(), IsEmpty());
    file_system.Disarm();
    ASSERT_TRUE(file_system.RemoveFile(path_).ok());
  }
  // Some appends, a sync and a close.
  EXPECT_GE(operation, 5u);
}

TEST_F(TableBuilderTest, ATableIsSyncedBeforeItIsClosed) {
  FaultFileSystem file_system;
  auto file = file_system.NewWritableFile(path_, {});
  ASSERT_TRUE(file.ok());
  file_system.Arm({});
  TableBuilder builder(options_, std::move(*file), path_);
  ASSERT_TRUE(builder.Finish().ok());
  std::vector<std::string> names;
  for (const FileOperation& operation : file_system.operations()) {
    names.push_back(operation.name);
  }
  EXPECT_THAT(names, ElementsAre("Append", "Sync", "Close"));
}

}  // namespace
}  // namespace paceline
