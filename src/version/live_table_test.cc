#include "src/version/live_table.h"

#include <algorithm>
#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "src/table/block_cache.h"
#include "test/support/fault_file_system.h"
#include "test/support/table_tree.h"

namespace paceline {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(UnusedTablesTest, WhatIsTakenIsHandedOverOnce) {
  UnusedTables unused;
  EXPECT_THAT(unused.Take(), IsEmpty());
  unused.Add(3, 100);
  unused.Add(1, 20);
  unused.Add(2);
  EXPECT_EQ(unused.bytes(), 120u);
  EXPECT_THAT(unused.Take(), ElementsAre(3, 1, 2));
  EXPECT_EQ(unused.bytes(), 0u);
  EXPECT_THAT(unused.Take(), IsEmpty());
}

TEST(UnusedTablesTest, TheListenerIsToldOfEachUntilItIsTakenAway) {
  UnusedTables unused;
  unused.Add(1);
  int calls = 0;
  unused.SetListener([&calls] { ++calls; });
  EXPECT_EQ(calls, 0);
  unused.Add(2);
  unused.Add(3);
  EXPECT_EQ(calls, 2);
  unused.SetListener(nullptr);
  unused.Add(4);
  EXPECT_EQ(calls, 2);
  EXPECT_THAT(unused.Take(), ElementsAre(1, 2, 3, 4));
}

TEST(UnusedTablesTest, ThreadsMayAddAtOnce) {
  UnusedTables unused;
  std::atomic<int> calls = 0;
  unused.SetListener([&calls] { ++calls; });
  std::vector<std::thread> threads;
  for (uint64_t thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&unused, thread] {
      for (uint64_t i = 0; i < 100; ++i) unused.Add(thread * 100 + i, 1);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(unused.bytes(), 400u);
  EXPECT_EQ(calls, 400);
  std::vector<uint64_t> numbers = unused.Take();
  std::sort(numbers.begin(), numbers.end());
  ASSERT_EQ(numbers.size(), 400u);
  EXPECT_EQ(std::unique(numbers.begin(), numbers.end()), numbers.end());
}

class LiveTableTest : public TableTreeTest {
 protected:
  LiveTableTest() { OpenWith(/*open_files_max=*/-1, cache_, &files_); }

  // The table of the last AddTable(), as the next Version would make it.
  std::shared_ptr<LiveTable> NewTable() {
    return std::make_shared<LiveTable>(family_.files[last_number_].metadata,
                                       context_);
  }
  std::shared_ptr<LiveTable> TableOf(
      std::vector<TestTableEntry> entries,
      const std::vector<RangeTombstone>& tombstones = {}) {
    AddTable(1, std::move(entries), tombstones);
    return NewTable();
  }

  static std::string FirstKey(const LiveTable::Open& table) {
    const auto entry = table->NewIterator({});
    entry->SeekToFirst();
    return entry->Valid() ? ExtractUserKey(entry->key()).ToString()
                          : entry->status().ToString();
  }

  [[nodiscard]] uint64_t opens() const {
    return files_.CountOf("NewRandomAccessFile", ".sst");
  }

  FaultFileSystem files_;
  const std::shared_ptr<BlockCache> cache_ =
      AsBlockCache(NewLRUCache(1 << 20, 0));
};

TEST_F(LiveTableTest, WithoutALimitATableStaysOpen) {
  const auto table = TableOf({{"a", 1}});
  EXPECT_EQ(opens(), 0u) << "not before it is needed";
  EXPECT_EQ(table->FindOpen().reader, nullptr);
  EXPECT_EQ(table->ReaderMemory(), 0u);
  auto first = table->Get();
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(FirstKey(*first), "a");
  auto second = table->Get();
  ASSERT_TRUE(second.ok());
  EXPECT_EQ(first->reader, second->reader);
  EXPECT_EQ(table->FindOpen().reader, first->reader);
  EXPECT_EQ(table->ReaderMemory(), first->reader->MemoryUsage());
  EXPECT_GT(table->ReaderMemory(), 0u);
  EXPECT_EQ(opens(), 1u);
  // A cache with a limit keeps such tables; this one must not need it.
  EXPECT_EQ(context_->tables->FindOpen(1), nullptr);
}

TEST_F(LiveTableTest, WithALimitATableIsPinnedWhileItIsUsed) {
  OpenWith(/*open_files_max=*/1, cache_, &files_);
  const auto first = TableOf({{"a", 1}});
  const auto second = TableOf({{"b", 1}});
  auto used = first->Get();
  ASSERT_TRUE(used.ok());
  ASSERT_TRUE(second->Get().ok());
  EXPECT_EQ(first->FindOpen().reader, nullptr) << "it was pushed out";
  EXPECT_EQ(first->ReaderMemory(), 0u);
  EXPECT_GT(second->ReaderMemory(), 0u);
  EXPECT_EQ(FirstKey(*used), "a") << "and is still there for who uses it";
  ASSERT_TRUE(first->Get().ok());
  EXPECT_EQ(opens(), 3u);
  ASSERT_TRUE(first->Get().ok());
  EXPECT_EQ(opens(), 3u);
}

TEST_F(LiveTableTest, WithALimitUseKeepsATableOpen) {
  OpenWith(/*open_files_max=*/2, cache_, &files_);
  const auto first = TableOf({{"a", 1}});
  const auto second = TableOf({{"b", 1}});
  const auto third = TableOf({{"c", 1}});
  ASSERT_TRUE(first->Get().ok());
  ASSERT_TRUE(second->Get().ok());
  ASSERT_TRUE(first->Get().ok());
  ASSERT_TRUE(third->Get().ok());
  EXPECT_NE(first->FindOpen().reader, nullptr);
  EXPECT_EQ(second->FindOpen().reader, nullptr);
}

TEST_F(LiveTableTest, AFailedOpenIsTriedAgain) {
  for (const int open_files_max : {-1, 10}) {
    OpenWith(open_files_max, cache_, &files_);
    const auto table = TableOf({{"a", 1}});
    files_.Arm({.operation = 1, .name = "NewRandomAccessFile"});
    const Status s = table->Get().status();
    EXPECT_TRUE(s.IsIOError());
    EXPECT_THAT(s.ToString(), HasSubstr(PathOf(last_number_)));
    EXPECT_TRUE(table->may_have_tombstones()) << "nothing is known";
    EXPECT_TRUE(table->Get().ok());
  }
}

TEST_F(LiveTableTest, TombstonesArePossibleUntilTheTableWasOpened) {
  for (const int open_files_max : {-1, 10}) {
    OpenWith(open_files_max, cache_, &files_);
    const auto without = TableOf({{"a", 1}});
    const auto with = TableOf({{"a", 1}}, {{"a", "b", 2}});
    EXPECT_TRUE(without->may_have_tombstones());
    ASSERT_TRUE(without->Get().ok());
    ASSERT_TRUE(with->Get().ok());
    EXPECT_FALSE(without->may_have_tombstones());
    EXPECT_TRUE(with->may_have_tombstones());
  }
}

TEST_F(LiveTableTest, AnObsoleteTableIsReportedByItsLastOwner) {
  auto table = TableOf({{"a", 1}});
  const uint64_t size = table->size();
  auto other = table;
  table->MarkObsolete();
  table.reset();
  EXPECT_THAT(unused_->Take(), IsEmpty());
  other.reset();
  EXPECT_EQ(unused_->bytes(), size);
  EXPECT_THAT(unused_->Take(), ElementsAre(1));
}

TEST_F(LiveTableTest, ATableThatTheManifestNamesIsNotReported) {
  auto table = TableOf({{"a", 1}});
  ASSERT_TRUE(table->Get().ok());
  table.reset();
  EXPECT_THAT(unused_->Take(), IsEmpty());
}

TEST_F(LiveTableTest, AnObsoleteTableIsClosedWhenItIsReported) {
  OpenWith(/*open_files_max=*/10, cache_, &files_);
  for (const bool is_obsolete : {true, false}) {
    auto table = TableOf({{"a", 1}});
    ASSERT_TRUE(table->Get().ok());
    if (is_obsolete) table->MarkObsolete();
    table.reset();
    // Whoever opens the database in another way may need it.
    EXPECT_EQ(context_->tables->FindOpen(last_number_) == nullptr, is_obsolete);
  }
}

TEST_F(LiveTableTest, ItsBlocksGoWithIt) {
  OpenWith(/*open_files_max=*/1, cache_, &files_);
  auto first = TableOf({{"a", 1}});
  auto second = TableOf({{"b", 1}});
  for (const auto& table : {first, second}) {
    auto open = table->Get();
    ASSERT_TRUE(open.ok());
    FirstKey(*open);
  }
  const size_t of_two = cache_->GetUsage();
  EXPECT_GT(of_two, 0u);
  first.reset();
  const size_t of_one = cache_->GetUsage();
  EXPECT_LT(of_one, of_two) << "although nobody had it open";
  const size_t of_reader = second->ReaderMemory();
  EXPECT_GT(of_one, of_reader);
  second.reset();
  EXPECT_EQ(cache_->GetUsage(), of_reader) << "which is open as before";
}

// A file of the same number, as after Resume(), must not get the old blocks.
TEST_F(LiveTableTest, TwoTablesOfOneNumberShareNoBlocks) {
  const auto first = TableOf({{"a", 1}});
  auto open = first->Get();
  ASSERT_TRUE(open.ok());
  EXPECT_EQ(FirstKey(*open), "a");
  ASSERT_TRUE(FileSystem::Default()->RemoveFile(PathOf(1)).ok());
  --last_number_;
  const auto second = TableOf({{"z", 1}});
  ASSERT_EQ(second->number(), first->number());
  auto other = second->Get();
  ASSERT_TRUE(other.ok());
  EXPECT_EQ(FirstKey(*other), "z");
}

TEST_F(LiveTableTest, WithoutACacheBlocksAreReadEachTime) {
  OpenWith(/*open_files_max=*/-1, nullptr, &files_);
  const auto table = TableOf({{"a", 1}});
  auto open = table->Get();
  ASSERT_TRUE(open.ok());
  EXPECT_EQ(FirstKey(*open), "a");
  files_.Disarm();
  EXPECT_EQ(FirstKey(*open), "a");
  EXPECT_EQ(files_.CountOf("Read", ".sst"), 1u);
}

TEST_F(LiveTableTest, LiveBytesAreThoseOfAllThatAreAlive) {
  const auto bytes = [this] { return context_->live_bytes->load(); };
  EXPECT_EQ(bytes(), 0u);
  auto first = TableOf({{"a", 1}});
  auto second = TableOf({{"b", 1, ValueType::kValue, std::string(99, 'x')}});
  const uint64_t size = second->size();
  EXPECT_EQ(bytes(), first->size() + size);
  first->MarkObsolete();
  EXPECT_EQ(bytes(), first->size() + size) << "somebody reads it";
  first.reset();
  EXPECT_EQ(bytes(), size);
  second.reset();
  EXPECT_EQ(bytes(), 0u);
}

// Both get the reader that was kept: the other one is closed again.
TEST_F(LiveTableTest, OfTwoThreadsThatOpenItOneKeepsTheReader) {
  const auto table = TableOf({{"a", 1}});
  files_.Hold("NewRandomAccessFile", "000001.sst");
  const TableReader* of_slow = nullptr;
  std::thread slow([&] {
    auto open = table->Get();
    ASSERT_TRUE(open.ok());
    of_slow = open->reader;
  });
  files_.WaitUntilHeld();
  auto open = table->Get();
  files_.Release();
  slow.join();
  ASSERT_TRUE(open.ok());
  EXPECT_EQ(opens(), 2u);
  EXPECT_EQ(of_slow, open->reader);
  EXPECT_EQ(table->FindOpen().reader, open->reader);
}

}  // namespace
}  // namespace paceline
