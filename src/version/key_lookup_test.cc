#include "src/version/key_lookup.h"

#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "test/support/fault_file_system.h"
#include "test/support/table_tree.h"

namespace paceline {
namespace {

using testing::HasSubstr;

constexpr ValueType kTypesThatEndIt[] = {
    ValueType::kValue, ValueType::kDeletion, ValueType::kSingleDeletion};

class KeyLookupTest : public TableTreeTest {
 protected:
  KeyLookupTest() { OpenWith(/*open_files_max=*/-1, cache_, &files_); }

  // What is known after the sources so far: "base,operand,operand", "-" for no
  // base, and "..." behind it if older sources are needed.
  static std::string Found(KeyLookup* lookup) {
    std::string found =
        lookup->has_base() ? lookup->base().ToString() : std::string("-");
    std::vector<Slice>& operands = lookup->operands();
    for (size_t i = operands.size(); i-- > 0;) {
      found += "," + operands[i].ToString();
    }
    return found + (lookup->is_decided() ? "" : "...");
  }

  KeyLookup NewLookup(SequenceNumber snapshot = kMaxSequenceNumber) {
    return {&comparator_, "k", snapshot};
  }

  // The value of an entry of "k" in a memtable is its sequence number.
  static void Add(MemTable* memtable, SequenceNumber sequence,
                  ValueType type = ValueType::kValue) {
    ASSERT_TRUE(memtable->Add(sequence, type, "k", std::to_string(sequence)));
  }
  static void AddTombstone(MemTable* memtable, SequenceNumber sequence,
                           const char* begin = "a", const char* end = "z") {
    ASSERT_TRUE(memtable->Add(sequence, ValueType::kRangeDeletion, begin, end));
  }

  std::shared_ptr<const LiveTable> NewTable(
      const std::vector<TestTableEntry>& entries,
      const std::vector<RangeTombstone>& tombstones = {}) {
    AddTable(1, entries, tombstones);
    return std::make_shared<LiveTable>(family_.files[last_number_].metadata,
                                       context_);
  }
  void LookIn(const LiveTable& table, KeyLookup* lookup) {
    const Status s = lookup->LookIn(table, {}, nullptr);
    EXPECT_TRUE(s.ok()) << s.ToString();
  }

  FaultFileSystem files_;
  const std::shared_ptr<BlockCache> cache_ =
      AsBlockCache(NewLRUCache(1 << 20, 0));
  MemTable newer_{BytewiseComparator()};
  MemTable older_{BytewiseComparator()};
};

TEST_F(KeyLookupTest, WithoutAnEntryNothingIsDecided) {
  ASSERT_TRUE(newer_.Add(5, ValueType::kValue, "j", "other"));
  ASSERT_TRUE(newer_.Add(6, ValueType::kValue, "k0", "other"));
  KeyLookup lookup = NewLookup();
  lookup.LookIn(newer_);
  EXPECT_EQ(Found(&lookup), "-...");
}

TEST_F(KeyLookupTest, TheNewestEntryThatIsNoOperandDecides) {
  for (const ValueType type : kTypesThatEndIt) {
    MemTable memtable(BytewiseComparator());
    Add(&memtable, 5);
    Add(&memtable, 6, type);
    KeyLookup lookup = NewLookup();
    lookup.LookIn(memtable);
    EXPECT_EQ(Found(&lookup), type == ValueType::kValue ? "6" : "-");
  }
}

TEST_F(KeyLookupTest, EntriesBehindTheSnapshotDoNotCount) {
  Add(&newer_, 5);
  Add(&newer_, 6, ValueType::kMerge);
  Add(&newer_, 7, ValueType::kDeletion);
  for (const auto& [snapshot, expected] :
       std::vector<std::pair<SequenceNumber, std::string>>{
           {4, "-..."}, {5, "5"}, {6, "5,6"}, {7, "-"}}) {
    KeyLookup lookup = NewLookup(snapshot);
    lookup.LookIn(newer_);
    EXPECT_EQ(Found(&lookup), expected) << snapshot;
  }
}

TEST_F(KeyLookupTest, OperandsAreCollectedOverAllSources) {
  Add(&newer_, 9, ValueType::kMerge);
  Add(&newer_, 8, ValueType::kMerge);
  Add(&older_, 7, ValueType::kMerge);
  const auto upper = NewTable(
      {{"k", 6, ValueType::kMerge, "6"}, {"k", 5, ValueType::kMerge, "5"}});
  const auto lower = NewTable(
      {{"k", 4, ValueType::kValue, "4"}, {"k", 3, ValueType::kMerge, "3"}});
  KeyLookup lookup = NewLookup();
  lookup.LookIn(newer_);
  EXPECT_EQ(Found(&lookup), "-,8,9...");
  lookup.LookIn(older_);
  EXPECT_EQ(Found(&lookup), "-,7,8,9...");
  LookIn(*upper, &lookup);
  EXPECT_EQ(Found(&lookup), "-,5,6,7,8,9...");
  LookIn(*lower, &lookup);
  EXPECT_EQ(Found(&lookup), "4,5,6,7,8,9");
}

TEST_F(KeyLookupTest, ADeletionBelowOperandsIsNoBase) {
  for (const ValueType type :
       {ValueType::kDeletion, ValueType::kSingleDeletion}) {
    MemTable memtable(BytewiseComparator());
    Add(&memtable, 5);
    Add(&memtable, 6, type);
    Add(&memtable, 7, ValueType::kMerge);
    KeyLookup lookup = NewLookup();
    lookup.LookIn(memtable);
    EXPECT_EQ(Found(&lookup), "-,7");
  }
}

TEST_F(KeyLookupTest, ATombstoneCoversWhatIsOlderInItsOwnSource) {
  Add(&newer_, 4);
  AddTombstone(&newer_, 5);
  Add(&newer_, 6, ValueType::kMerge);
  KeyLookup lookup = NewLookup();
  lookup.LookIn(newer_);
  EXPECT_EQ(Found(&lookup), "-,6");
}

TEST_F(KeyLookupTest, ATombstoneCoversWhatIsOlderInLaterSources) {
  AddTombstone(&newer_, 7);
  Add(&older_, 6, ValueType::kMerge);
  const auto table = NewTable({{"k", 5, ValueType::kValue, "5"}});
  KeyLookup lookup = NewLookup();
  lookup.LookIn(newer_);
  EXPECT_EQ(Found(&lookup), "-...") << "only an entry can decide";
  lookup.LookIn(older_);
  EXPECT_EQ(Found(&lookup), "-");

  KeyLookup of_table = NewLookup();
  of_table.LookIn(newer_);
  LookIn(*table, &of_table);
  EXPECT_EQ(Found(&of_table), "-");
}

// Level 0 may have a file whose tombstone is older than entries of a source
// that is looked at later.
TEST_F(KeyLookupTest, ATombstoneDoesNotCoverWhatIsNewer) {
  AddTombstone(&newer_, 5);
  Add(&older_, 6);
  KeyLookup lookup = NewLookup();
  lookup.LookIn(newer_);
  lookup.LookIn(older_);
  EXPECT_EQ(Found(&lookup), "6");
}

TEST_F(KeyLookupTest, TombstonesElsewhereOrBehindTheSnapshotDoNotCount) {
  Add(&newer_, 4);
  AddTombstone(&newer_, 9, "a", "k");
  AddTombstone(&newer_, 8, "k0", "z");
  AddTombstone(&newer_, 7);
  KeyLookup at_6 = NewLookup(6);
  at_6.LookIn(newer_);
  EXPECT_EQ(Found(&at_6), "4");
  KeyLookup at_7 = NewLookup(7);
  at_7.LookIn(newer_);
  EXPECT_EQ(Found(&at_7), "-");
}

TEST_F(KeyLookupTest, TheTombstonesOfATableCoverTheTablesBelow) {
  const auto upper =
      NewTable({{"k", 9, ValueType::kMerge, "9"}}, {{"j", "l", 6}});
  const auto lower = NewTable(
      {{"k", 7, ValueType::kMerge, "7"}, {"k", 5, ValueType::kValue, "5"}});
  KeyLookup lookup = NewLookup();
  LookIn(*upper, &lookup);
  EXPECT_EQ(Found(&lookup), "-,9...");
  LookIn(*lower, &lookup);
  EXPECT_EQ(Found(&lookup), "-,7,9");
  KeyLookup before = NewLookup(5);
  LookIn(*upper, &before);
  LookIn(*lower, &before);
  EXPECT_EQ(Found(&before), "5");
}

// A compaction may have cut a tombstone at the end of a file, and the bounds
// in the MANIFEST say where.
TEST_F(KeyLookupTest, ATombstoneActsOnlyWithinTheBoundsOfItsTable) {
  AddTable(1, {}, {{"a", "z", 6}});
  FileMetaData cut = *family_.files[last_number_].metadata;
  cut.largest = "k";
  PutFixed64(&cut.largest, kRangeTombstoneSentinelTag);
  const LiveTable upper(std::make_shared<const FileMetaData>(cut), context_);
  const auto lower = NewTable(
      {{"j", 5, ValueType::kValue, "5"}, {"k", 5, ValueType::kValue, "5"}});
  for (const auto& [key, expected] :
       std::vector<std::pair<std::string, std::string>>{{"j", "-"},
                                                        {"k", "5"}}) {
    KeyLookup lookup(&comparator_, key, kMaxSequenceNumber);
    LookIn(upper, &lookup);
    LookIn(*lower, &lookup);
    EXPECT_EQ(Found(&lookup), expected) << key;
  }
}

TEST_F(KeyLookupTest, AValueOfAMemtableHasNoPin) {
  Add(&newer_, 5);
  KeyLookup lookup = NewLookup();
  lookup.LookIn(newer_);
  EXPECT_EQ(Found(&lookup), "5");
  EXPECT_EQ(lookup.base_pin(), nullptr);
}

TEST_F(KeyLookupTest, WhatWasFoundInATableOutlivesIt) {
  auto table = NewTable({{"k", 7, ValueType::kMerge, std::string(99, '7')},
                         {"k", 6, ValueType::kMerge, std::string(99, '6')},
                         {"k", 5, ValueType::kValue, std::string(99, '5')}});
  KeyLookup lookup = NewLookup();
  LookIn(*table, &lookup);
  EXPECT_NE(lookup.base_pin(), nullptr);
  table.reset();
  EXPECT_EQ(cache_->GetUsage(), 0u) << "the blocks are the pins' alone";
  EXPECT_EQ(Found(&lookup), std::string(99, '5') + "," + std::string(99, '6') +
                                "," + std::string(99, '7'));
}

// Each by a pin of its own: they may be in blocks of different tables.
TEST_F(KeyLookupTest, OperandsAndValuesArePinnedAsLongAsTheLookupIsThere) {
  for (const ValueType type : {ValueType::kMerge, ValueType::kValue}) {
    const auto table = NewTable({{"k", 5, type, std::string(99, '5')}});
    {
      KeyLookup lookup = NewLookup();
      LookIn(*table, &lookup);
      EXPECT_GT(cache_->GetPinnedUsage(), 0u);
    }
    EXPECT_EQ(cache_->GetPinnedUsage(), 0u);
  }
}

TEST_F(KeyLookupTest, ATableThatDoesNotOpenIsAnErrorAndDecidesNothing) {
  const auto table = NewTable({{"k", 5, ValueType::kValue, "5"}});
  files_.Arm({.operation = 1, .name = "NewRandomAccessFile"});
  KeyLookup lookup = NewLookup();
  const Status s = lookup.LookIn(*table, {}, nullptr);
  EXPECT_TRUE(s.IsIOError());
  EXPECT_THAT(s.ToString(), HasSubstr(PathOf(last_number_)));
  EXPECT_EQ(Found(&lookup), "-...");
}

TEST_F(KeyLookupTest, ABlockThatCannotBeReadIsAnError) {
  const auto table = NewTable({{"k", 5, ValueType::kValue, "5"}});
  ASSERT_TRUE(table->Get().ok());
  files_.Arm({.operation = 1, .name = "Read"});
  KeyLookup lookup = NewLookup();
  EXPECT_THAT(lookup.LookIn(*table, {}, nullptr).ToString(),
              HasSubstr(files_.first_failure()));
  EXPECT_EQ(Found(&lookup), "-...");
}

}  // namespace
}  // namespace paceline
