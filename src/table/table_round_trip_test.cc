// TableReader finds in a table what TableBuilder was given.

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "src/table/compression.h"
#include "src/table/table_builder.h"
#include "src/table/table_reader.h"
#include "test/support/effort.h"
#include "test/support/seed.h"
#include "test/support/test_directory.h"
#include "test/support/test_table.h"

namespace paceline {
namespace {

// An entry as text: what failures show.
std::string Text(const Slice& internal_key, const Slice& value) {
  const uint64_t tag = ExtractTag(internal_key);
  return ExtractUserKey(internal_key).ToString() + "@" +
         std::to_string(TagSequence(tag)) + "/" +
         std::to_string(static_cast<int>(TagType(tag))) + "=" +
         value.ToString();
}
std::string Text(const TestTableEntry& entry) {
  return Text(entry.internal_key(), entry.value);
}

class TableRoundTripTest : public ::testing::Test {
 protected:
  TableRoundTripTest() : random_(TestSeed()) { Order(&bytewise_); }

  void Order(const InternalKeyComparator* comparator) {
    comparator_ = comparator;
    options_.comparator = comparator;
  }

  // Writes a random table and opens it.
  void MakeTable(const TestTableOptions& table_options) {
    reader_.reset();
    table_ = RandomTestTable(table_options, *comparator_, &random_);
    const std::string path = directory_ / (std::to_string(++tables_) + ".sst");
    Status s = WriteTable(options_, table_, path);
    ASSERT_TRUE(s.ok()) << s.ToString();
    auto file = FileSystem::Default()->NewRandomAccessFile(path);
    ASSERT_TRUE(file.ok()) << file.status().ToString();
    FileMetaData metadata;
    metadata.size = *FileSystem::Default()->FileSize(path);
    auto reader = TableReader::Open({.comparator = comparator_,
                                     .block_cache = cache_,
                                     .path = path,
                                     .family_name = "default"},
                                    std::move(*file), metadata);
    ASSERT_TRUE(reader.ok()) << reader.status().ToString();
    reader_ = *std::move(reader);
  }

  // All of them, as texts.
  std::vector<std::string> Expected() const {
    std::vector<std::string> texts;
    for (const TestTableEntry& entry : table_.entries) {
      texts.push_back(Text(entry));
    }
    return texts;
  }

  void CheckEverything() {
    CheckScans();
    CheckSeeks();
    CheckGets();
    CheckTombstones();
    Status s = reader_->Verify(nullptr, nullptr);
    EXPECT_TRUE(s.ok()) << s.ToString();
  }

  void CheckScans() {
    auto it = reader_->NewIterator({});
    std::vector<std::string> found;
    for (it->SeekToFirst(); it->Valid(); it->Next()) {
      found.push_back(Text(it->key(), it->value()));
    }
    EXPECT_TRUE(it->status().ok()) << it->status().ToString();
    EXPECT_EQ(found, Expected());
    found.clear();
    for (it->SeekToLast(); it->Valid(); it->Prev()) {
      found.push_back(Text(it->key(), it->value()));
    }
    std::reverse(found.begin(), found.end());
    EXPECT_TRUE(it->status().ok()) << it->status().ToString();
    EXPECT_EQ(found, Expected());
  }

  // To keys that are there and such that are near them.
  void CheckSeeks() {
    auto it = reader_->NewIterator({});
    uint64_t last_offset = 0;
    for (size_t i = 0; i < table_.entries.size(); ++i) {
      TestTableEntry target = table_.entries[i];
      const uint64_t offset =
          reader_->ApproximateOffsetOf(target.internal_key());
      EXPECT_GE(offset, last_offset);
      last_offset = offset;

      if (random_.OneIn(4)) target.user_key.push_back('!');
      if (random_.OneIn(4)) target.sequence = random_.Below(3000);
      const std::string key = target.internal_key();
      const auto first_not_before = std::lower_bound(
          table_.entries.begin(), table_.entries.end(), key,
          [this](const TestTableEntry& entry, const std::string& k) {
            return comparator_->Compare(entry.internal_key(), k) < 0;
          });
      it->Seek(key);
      if (first_not_before == table_.entries.end()) {
        EXPECT_FALSE(it->Valid());
      } else {
        ASSERT_TRUE(it->Valid());
        EXPECT_EQ(Text(it->key(), it->value()), Text(*first_not_before));
      }
      auto last_not_behind = first_not_before;
      const bool is_there = first_not_before != table_.entries.end() &&
                            first_not_before->internal_key() == key;
      it->SeekForPrev(key);
      if (!is_there && last_not_behind == table_.entries.begin()) {
        EXPECT_FALSE(it->Valid());
      } else {
        if (!is_there) --last_not_behind;
        ASSERT_TRUE(it->Valid());
        EXPECT_EQ(Text(it->key(), it->value()), Text(*last_not_behind));
      }
    }
  }

  void CheckGets() {
    class Collector final : public EntryVisitor {
     public:
      explicit Collector(std::string user_key)
          : user_key_(std::move(user_key)) {}
      bool Visit(SequenceNumber sequence, ValueType type, const Slice& value,
                 const std::shared_ptr<const void>&) override {
        texts.push_back(Text({.user_key = user_key_,
                              .sequence = sequence,
                              .type = type,
                              .value = value.ToString()}));
        return true;
      }
      std::vector<std::string> texts;

     private:
      const std::string user_key_;
    };

    HeldBlocks held;
    for (size_t i = 0; i < table_.entries.size(); ++i) {
      const std::string& user_key = table_.entries[i].user_key;
      const SequenceNumber snapshot =
          random_.OneIn(2) ? kMaxSequenceNumber : random_.Below(3000);
      std::vector<std::string> expected;
      for (const TestTableEntry& entry : EntriesOf(user_key)) {
        if (entry.sequence <= snapshot) expected.push_back(Text(entry));
      }
      Collector found(user_key);
      Status s = reader_->Get({}, user_key, snapshot,
                              random_.OneIn(2) ? &held : nullptr, &found);
      EXPECT_TRUE(s.ok()) << s.ToString();
      EXPECT_EQ(found.texts, expected);

      Collector absent(user_key + "!");
      s = reader_->Get({}, user_key + "!", snapshot, &held, &absent);
      EXPECT_TRUE(s.ok()) << s.ToString();
      EXPECT_EQ(absent.texts.size(), 0u);
    }
  }

  std::vector<TestTableEntry> EntriesOf(const std::string& user_key) const {
    const TestTableEntry newest{.user_key = user_key,
                                .sequence = kMaxSequenceNumber,
                                .type = ValueType::kSeekMax};
    const auto first = std::lower_bound(
        table_.entries.begin(), table_.entries.end(), newest,
        [this](const TestTableEntry& a, const TestTableEntry& b) {
          return comparator_->Compare(a.internal_key(), b.internal_key()) < 0;
        });
    const auto end = std::find_if(first, table_.entries.end(),
                                  [&](const TestTableEntry& entry) {
                                    return entry.user_key != user_key;
                                  });
    return {first, end};
  }

  void CheckTombstones() {
    EXPECT_EQ(reader_->tombstones() == nullptr, table_.tombstones.empty());
    if (reader_->tombstones() == nullptr) return;
    for (const TestTableEntry& entry : table_.entries) {
      SequenceNumber expected = 0;
      for (const RangeTombstone& tombstone : table_.tombstones) {
        if (comparator_->CompareUserKeys(tombstone.begin, entry.user_key) <=
                0 &&
            comparator_->CompareUserKeys(entry.user_key, tombstone.end) < 0) {
          expected = std::max(expected, tombstone.sequence);
        }
      }
      EXPECT_EQ(reader_->tombstones()->CoveringSequence(entry.user_key,
                                                        kMaxSequenceNumber),
                expected);
    }
  }

  TestRandom random_;
  TestDirectory directory_{TestStorage::kMemory};
  const InternalKeyComparator bytewise_{BytewiseComparator()};
  const InternalKeyComparator reverse_{ReverseBytewiseComparator()};
  const InternalKeyComparator* comparator_ = nullptr;
  std::shared_ptr<BlockCache> cache_ = AsBlockCache(NewLRUCache(200'000));
  TableBuilderOptions options_;
  TestTable table_;
  std::shared_ptr<const TableReader> reader_;
  int tables_ = 0;
};

TEST_F(TableRoundTripTest, EveryCodecAndChecksum) {
  for (const CompressionType compression :
       {kNoCompression, kSnappyCompression, kLZ4Compression, kLZ4HCCompression,
        kZSTD}) {
    if (!CanCompress(compression)) continue;
    options_.compression = compression;
    for (const ChecksumType checksum :
         {kNoChecksum, kCRC32c, kxxHash, kxxHash64, kXXH3}) {
      options_.table.checksum = checksum;
      ASSERT_NO_FATAL_FAILURE(MakeTable({.has_tombstones = true}));
      CheckEverything();
    }
  }
}

TEST_F(TableRoundTripTest, FiltersOfEveryDensity) {
  for (const double bits_per_key : {1.0, 5.5, 10.0, 33.0, 100.0}) {
    options_.table.filter_policy.reset(NewBloomFilterPolicy(bits_per_key));
    ASSERT_NO_FATAL_FAILURE(MakeTable({}));
    CheckEverything();
  }
}

TEST_F(TableRoundTripTest, BlocksOfEverySizeAndRestartInterval) {
  for (const uint64_t block_size : {256, 1000, 100'000}) {
    options_.table.block_size = block_size;
    for (const int interval : {1, 3, 16, 1000}) {
      options_.table.block_restart_interval = interval;
      ASSERT_NO_FATAL_FAILURE(MakeTable({.entries = 500 + random_.Below(500)}));
      CheckEverything();
    }
  }
}

TEST_F(TableRoundTripTest, ReverseOrder) {
  Order(&reverse_);
  options_.table.filter_policy.reset(NewBloomFilterPolicy(10));
  ASSERT_NO_FATAL_FAILURE(MakeTable({.has_tombstones = true}));
  CheckEverything();
}

TEST_F(TableRoundTripTest, VersionsOfAKeyOverSeveralBlocks) {
  options_.table.block_size = 256;
  options_.table.filter_policy.reset(NewBloomFilterPolicy(10));
  ASSERT_NO_FATAL_FAILURE(MakeTable({.keys = 5, .has_tombstones = true}));
  CheckEverything();
}

TEST_F(TableRoundTripTest, FewEntriesOrNone) {
  for (size_t entries = 0; entries < 5; ++entries) {
    ASSERT_NO_FATAL_FAILURE(MakeTable({.entries = entries}));
    CheckEverything();
  }
}

TEST_F(TableRoundTripTest, WithoutACache) {
  cache_ = nullptr;
  ASSERT_NO_FATAL_FAILURE(MakeTable({}));
  CheckEverything();
}

TEST_F(TableRoundTripTest, ATableThatIsOpenCountsInTheCache) {
  cache_ = AsBlockCache(NewLRUCache(8 << 20, 0));
  options_.table.filter_policy.reset(NewBloomFilterPolicy(10));
  ASSERT_NO_FATAL_FAILURE(MakeTable({.entries = 20'000, .keys = 1'000'000}));
  EXPECT_GT(reader_->MemoryUsage(), 20'000u) << "a filter of ten bits a key";
  EXPECT_EQ(cache_->GetUsage(), reader_->MemoryUsage());
  reader_ = nullptr;
  EXPECT_EQ(cache_->GetUsage(), 0u);
}

TEST_F(TableRoundTripTest, AScanOfAColdTableLeavesTheHotBlocksOfAnother) {
  cache_ = AsBlockCache(NewLRUCache(1 << 20, 0));
  ASSERT_NO_FATAL_FAILURE(MakeTable({.entries = 3000}));
  const std::shared_ptr<const TableReader> hot = reader_;
  for (int i = 0; i < 2; ++i) CheckScans();
  const uint64_t misses_before = cache_->misses();
  ASSERT_NO_FATAL_FAILURE(MakeTable({.entries = 40'000, .keys = 1'000'000}));
  auto it = reader_->NewIterator({});
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
  }
  EXPECT_GT(cache_->misses(), misses_before);

  const uint64_t misses = cache_->misses();
  auto hot_it = hot->NewIterator({});
  for (hot_it->SeekToFirst(); hot_it->Valid(); hot_it->Next()) {
  }
  EXPECT_EQ(cache_->misses(), misses);
}

TEST_F(TableRoundTripTest, ManyThreadsReadOneTable) {
  ASSERT_NO_FATAL_FAILURE(MakeTable({.entries = 5000, .keys = 3000}));
  const std::vector<std::string> expected = Expected();
  const uint64_t rounds = Effort("PACELINE_TABLE_ROUNDS", 20, 3);
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&, thread] {
      for (uint64_t round = 0; round < rounds; ++round) {
        auto it = reader_->NewIterator({});
        size_t i = 0;
        for (it->SeekToFirst(); it->Valid(); it->Next(), ++i) {
          if (i % 7 != static_cast<size_t>(thread)) continue;
          ASSERT_EQ(Text(it->key(), it->value()), expected[i]);
        }
        ASSERT_EQ(i, expected.size());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace paceline
