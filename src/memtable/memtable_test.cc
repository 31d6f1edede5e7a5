#include "src/memtable/memtable.h"

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace paceline {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// "sequence:type:value" of the versions of `key`, up to `count` of them.
std::vector<std::string> Versions(const MemTable& memtable, const Slice& key,
                                  SequenceNumber snapshot,
                                  size_t count = 1000) {
  std::vector<std::string> versions;
  memtable.VisitVersions(
      key, snapshot,
      [&](SequenceNumber sequence, ValueType type, const Slice& value) {
        versions.push_back(std::to_string(sequence) + ":" +
                           std::to_string(static_cast<int>(type)) + ":" +
                           value.ToString());
        return versions.size() < count;
      });
  return versions;
}

std::string InternalKey(const Slice& key, SequenceNumber sequence,
                        ValueType type = ValueType::kValue) {
  std::string bytes;
  AppendInternalKey(&bytes, key, sequence, type);
  return bytes;
}

class MemTableTest : public testing::Test {
 protected:
  void Put(SequenceNumber sequence, const Slice& key, const Slice& value) {
    ASSERT_TRUE(memtable_.Add(sequence, ValueType::kValue, key, value));
  }

  MemTable memtable_{BytewiseComparator()};
};

TEST_F(MemTableTest, ANewOneIsEmpty) {
  EXPECT_EQ(memtable_.entries(), 0u);
  EXPECT_EQ(memtable_.deletions(), 0u);
  EXPECT_TRUE(memtable_.range_tombstones().empty());
  EXPECT_THAT(Versions(memtable_, "key", kMaxSequenceNumber), IsEmpty());
  auto iterator = memtable_.NewIterator();
  EXPECT_FALSE(iterator->Valid());
  iterator->SeekToFirst();
  EXPECT_FALSE(iterator->Valid());
  iterator->SeekToLast();
  EXPECT_FALSE(iterator->Valid());
  iterator->SeekForPrev(InternalKey("z", 1));
  EXPECT_FALSE(iterator->Valid());
}

TEST_F(MemTableTest, VersionsAreVisitedNewestFirstUpToTheSnapshot) {
  Put(1, "key", "one");
  ASSERT_TRUE(memtable_.Add(2, ValueType::kMerge, "key", "two"));
  ASSERT_TRUE(memtable_.Add(3, ValueType::kDeletion, "key", ""));
  Put(5, "key", "five");
  EXPECT_THAT(Versions(memtable_, "key", kMaxSequenceNumber),
              ElementsAre("5:1:five", "3:0:", "2:2:two", "1:1:one"));
  EXPECT_THAT(Versions(memtable_, "key", 4),
              ElementsAre("3:0:", "2:2:two", "1:1:one"));
  EXPECT_THAT(Versions(memtable_, "key", 2), ElementsAre("2:2:two", "1:1:one"));
  EXPECT_THAT(Versions(memtable_, "key", 0), IsEmpty());
}

TEST_F(MemTableTest, AVisitEndsWhenTheVisitorSaysSo) {
  for (SequenceNumber sequence = 1; sequence <= 5; ++sequence) {
    Put(sequence, "key", "v");
  }
  EXPECT_THAT(Versions(memtable_, "key", 9, 2), ElementsAre("5:1:v", "4:1:v"));
}

TEST_F(MemTableTest, OnlyVersionsOfTheKeyItselfAreVisited) {
  Put(1, "ke", "shorter");
  Put(2, "key", "this");
  Put(3, std::string("key\0", 4), "longer");
  Put(4, "kez", "next");
  EXPECT_THAT(Versions(memtable_, "key", 9), ElementsAre("2:1:this"));
  EXPECT_THAT(Versions(memtable_, "kex", 9), IsEmpty());
}

TEST_F(MemTableTest, SeekForPrevFindsTheEntryAtOrBefore) {
  Put(5, "b", "");
  Put(3, "b", "");
  Put(7, "d", "");
  auto iterator = memtable_.NewIterator();
  iterator->SeekForPrev(InternalKey("b", 5));
  ASSERT_TRUE(iterator->Valid());
  EXPECT_EQ(iterator->key().ToString(), InternalKey("b", 5));
  iterator->SeekForPrev(InternalKey("b", 4));
  EXPECT_EQ(iterator->key().ToString(), InternalKey("b", 5));
  iterator->SeekForPrev(InternalKey("c", 1));
  EXPECT_EQ(iterator->key().ToString(), InternalKey("b", 3));
  iterator->SeekForPrev(InternalKey("z", 1));
  EXPECT_EQ(iterator->key().ToString(), InternalKey("d", 7));
  iterator->SeekForPrev(InternalKey("a", 1));
  EXPECT_FALSE(iterator->Valid());
  EXPECT_TRUE(iterator->status().ok());
}

TEST_F(MemTableTest, AnIteratorWalksBothWaysAndOffBothEnds) {
  Put(1, "a", "1");
  Put(2, "b", "2");
  Put(3, "c", "3");
  auto iterator = memtable_.NewIterator();
  std::string walked;
  for (iterator->SeekToFirst(); iterator->Valid(); iterator->Next()) {
    walked += iterator->value().ToString();
  }
  for (iterator->SeekToLast(); iterator->Valid(); iterator->Prev()) {
    walked += iterator->value().ToString();
  }
  EXPECT_EQ(walked, "123321");
}

TEST_F(MemTableTest, AnIteratorSeesEntriesThatAreAddedAheadOfIt) {
  Put(1, "a", "");
  auto iterator = memtable_.NewIterator();
  iterator->SeekToFirst();
  Put(2, "b", "");
  iterator->Next();
  ASSERT_TRUE(iterator->Valid());
  EXPECT_EQ(iterator->key().ToString(), InternalKey("b", 2));
}

TEST_F(MemTableTest, RangeDeletionsAreNoPointEntries) {
  Put(1, "b", "v");
  ASSERT_TRUE(memtable_.Add(2, ValueType::kRangeDeletion, "a", "c"));
  EXPECT_THAT(Versions(memtable_, "a", 9), IsEmpty());
  EXPECT_THAT(Versions(memtable_, "b", 9), ElementsAre("1:1:v"));
  const auto fragments = memtable_.range_tombstones().Fragments();
  ASSERT_NE(fragments, nullptr);
  EXPECT_EQ(fragments->CoveringSequence("b", 9), 2u);
  EXPECT_EQ(fragments->CoveringSequence("b", 1), 0u);
  EXPECT_EQ(fragments->CoveringSequence("c", 9), 0u);
}

TEST_F(MemTableTest, EntriesAndDeletionsAreCounted) {
  Put(1, "a", "");
  ASSERT_TRUE(memtable_.Add(2, ValueType::kMerge, "a", ""));
  EXPECT_EQ(memtable_.entries(), 2u);
  EXPECT_EQ(memtable_.deletions(), 0u);
  ASSERT_TRUE(memtable_.Add(3, ValueType::kDeletion, "a", ""));
  ASSERT_TRUE(memtable_.Add(4, ValueType::kSingleDeletion, "a", ""));
  ASSERT_TRUE(memtable_.Add(5, ValueType::kRangeDeletion, "a", "b"));
  EXPECT_EQ(memtable_.entries(), 5u);
  EXPECT_EQ(memtable_.deletions(), 3u);
}

TEST_F(MemTableTest, AnEntryThatIsThereAlreadyIsRefusedAndChangesNothing) {
  Put(1, "key", "value");
  EXPECT_FALSE(memtable_.Add(1, ValueType::kValue, "key", "other"));
  EXPECT_EQ(memtable_.entries(), 1u);
  EXPECT_THAT(Versions(memtable_, "key", 9), ElementsAre("1:1:value"));
}

TEST_F(MemTableTest, ARangeDeletionThatIsThereAlreadyIsRefused) {
  ASSERT_TRUE(memtable_.Add(1, ValueType::kRangeDeletion, "a", "c"));
  EXPECT_FALSE(memtable_.Add(1, ValueType::kRangeDeletion, "a", "c"));
  EXPECT_EQ(memtable_.entries(), 1u);
  EXPECT_EQ(memtable_.range_tombstones().All().size(), 1u);
}

TEST_F(MemTableTest, MemoryGrowsWithTheEntries) {
  const size_t used = memtable_.UsedBytes();
  Put(1, "key", std::string(100'000, 'v'));
  EXPECT_GE(memtable_.UsedBytes(), used + 100'000);
  EXPECT_GE(memtable_.MemoryUsage(), memtable_.UsedBytes());
}

TEST_F(MemTableTest, AFullOneTookNoMoreMemoryThanItsBuffer) {
  constexpr size_t kBufferBytes = size_t{4} << 20;
  const std::string value(100, 'v');
  for (SequenceNumber n = 1; !memtable_.IsFull(kBufferBytes); ++n) {
    Put(n, std::to_string(n), value);
  }
  EXPECT_EQ(memtable_.MemoryUsage(), kBufferBytes);
  EXPECT_GE(memtable_.UsedBytes(), kBufferBytes - kBufferBytes / 100);
}

TEST_F(MemTableTest, MemoryGrowsWithTheRangeDeletions) {
  const size_t used = memtable_.UsedBytes();
  const std::string begin(1000, 'a');
  const std::string end(1000, 'b');
  for (SequenceNumber sequence = 1; sequence <= 100; ++sequence) {
    ASSERT_TRUE(memtable_.Add(sequence, ValueType::kRangeDeletion, begin, end));
  }
  EXPECT_GE(memtable_.UsedBytes(), used + 200'000);
  EXPECT_LE(memtable_.UsedBytes(), used + 300'000);
  EXPECT_GE(memtable_.MemoryUsage(), memtable_.UsedBytes());
}

TEST(MemTableComparatorTest, TheOrderIsTheComparators) {
  MemTable memtable(ReverseBytewiseComparator());
  for (const char* key : {"a", "c", "b"}) {
    ASSERT_TRUE(memtable.Add(1, ValueType::kValue, key, key));
  }
  auto iterator = memtable.NewIterator();
  std::string walked;
  for (iterator->SeekToFirst(); iterator->Valid(); iterator->Next()) {
    walked += iterator->value().ToString();
  }
  EXPECT_EQ(walked, "cba");
  ASSERT_TRUE(memtable.Add(2, ValueType::kRangeDeletion, "c", "a"));
  EXPECT_EQ(memtable.range_tombstones().Fragments()->CoveringSequence("b", 9),
            2u);
}

TEST(MemTableConcurrencyTest, ThreadsThatAddTogetherLoseNothing) {
  constexpr SequenceNumber kThreads = 4;
  constexpr SequenceNumber kPerThread = 1000;
  MemTable memtable(BytewiseComparator());
  std::vector<std::thread> threads;
  for (SequenceNumber thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&memtable, thread] {
      for (SequenceNumber i = 0; i < kPerThread; ++i) {
        const SequenceNumber sequence = 1 + i * kThreads + thread;
        const std::string key = "key" + std::to_string(sequence % 100);
        const ValueType type =
            i % 10 == 0 ? ValueType::kRangeDeletion : ValueType::kValue;
        EXPECT_TRUE(memtable.Add(sequence, type, key, "l"));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(memtable.entries(), kThreads * kPerThread);
  EXPECT_EQ(memtable.deletions(), kThreads * kPerThread / 10);
  size_t points = 0;
  auto iterator = memtable.NewIterator();
  for (iterator->SeekToFirst(); iterator->Valid(); iterator->Next()) ++points;
  EXPECT_EQ(points, kThreads * kPerThread * 9 / 10);
  EXPECT_EQ(memtable.range_tombstones().All().size(),
            kThreads * kPerThread / 10);
}

}  // namespace
}  // namespace paceline
