// What a flush writes of sealed memtables.

#include "src/compaction/flush_job.h"

#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "test/support/seed.h"
#include "test/support/table_jobs.h"

namespace paceline {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

constexpr ValueType kValue = ValueType::kValue;
constexpr ValueType kDeletion = ValueType::kDeletion;
constexpr ValueType kMerge = ValueType::kMerge;

class FlushJobTest : public testing::Test {
 protected:
  // The table that the memtables become.
  TestTable Flushed(const std::vector<TestTable>& memtables,
                    const std::vector<SequenceNumber>& snapshots = {}) {
    auto result = Flush(memtables, snapshots);
    EXPECT_TRUE(result.ok()) << result.status().ToString();
    if (!result.ok() || !result->file.has_value()) return {};
    file_ = *result->file;
    return jobs_->Read(file_);
  }
  StatusOr<FlushResult> Flush(const std::vector<TestTable>& memtables,
                              const std::vector<SequenceNumber>& snapshots) {
    std::vector<std::shared_ptr<MemTable>> made;
    for (const TestTable& table : memtables) {
      made.push_back(jobs_->MakeMemTable(table));
    }
    return jobs_->Flush(made, snapshots);
  }
  void Build(const ColumnFamilyOptions& options) {
    jobs_ = std::make_unique<TableJobs>(options);
  }

  std::unique_ptr<TableJobs> jobs_ = std::make_unique<TableJobs>();
  FileMetaData file_;  // Of the last flush.
};

TEST_F(FlushJobTest, NothingBecomesNoTable) {
  auto result = Flush({{}, {}}, {});
  ASSERT_TRUE(result.ok());
  EXPECT_FALSE(result->file.has_value());
  EXPECT_THAT(jobs_->FileNames(), IsEmpty());
}

TEST_F(FlushJobTest, SeveralMemTablesAreOneSortedTableInWhateverOrder) {
  const TestTable older{.entries = {{"a", 1, kValue, "1"},
                                    {"c", 2, kValue, "2"},
                                    {"e", 3, kValue, "3"}},
                        .tombstones = {}};
  const TestTable newer{
      .entries = {{"b", 4, kValue, "4"}, {"c", 5, kValue, "5"}},
      .tombstones = {}};
  for (const auto& memtables : {std::vector<TestTable>{older, newer},
                                std::vector<TestTable>{newer, older}}) {
    EXPECT_THAT(TableJobs::EntryTexts(Flushed(memtables)),
                ElementsAre("a@1:1=1", "b@4:1=4", "c@5:1=5", "e@3:1=3"));
    // As of when the last one was written.
    EXPECT_EQ(jobs_->entries_read(), 4U);
  }
}

TEST_F(FlushJobTest, TheFileIsDescribedByWhatIsInIt) {
  Flushed({{.entries = {{"b", 7, kValue, "1"}, {"d", 4, kDeletion}},
            .tombstones = {{"c", "f", 5}}}});
  EXPECT_EQ(file_.smallest_user_key(), "b");
  EXPECT_EQ(file_.largest_user_key(), "f");
  EXPECT_TRUE(file_.largest_is_sentinel());
  EXPECT_EQ(file_.smallest_sequence, 5U);  // What "d" had is covered.
  EXPECT_EQ(file_.largest_sequence, 7U);
  EXPECT_GT(file_.size, 0U);
  EXPECT_EQ(file_.oldest_ancestor_time, 1000U);
  EXPECT_THAT(jobs_->FileNames(), SizeIs(1));
}

TEST_F(FlushJobTest, OnlyWhatNowOrASnapshotSeesIsWritten) {
  TestTable table;
  for (SequenceNumber sequence = 9; sequence >= 1; --sequence) {
    table.entries.push_back({"k", sequence, kValue, std::to_string(sequence)});
  }
  EXPECT_THAT(TableJobs::EntryTexts(Flushed({table})), ElementsAre("k@9:1=9"));
  EXPECT_THAT(TableJobs::EntryTexts(Flushed({table}, {3, 6})),
              ElementsAre("k@9:1=9", "k@6:1=6", "k@3:1=3"));
  // Snapshots that see the same need it once.
  EXPECT_THAT(TableJobs::EntryTexts(Flushed({table}, {0, 9, 12})),
              ElementsAre("k@9:1=9"));
}

TEST_F(FlushJobTest, DeletionsStayForWhatOlderTablesMayHave) {
  const TestTable table{.entries = {{"a", 2, kDeletion},
                                    {"a", 1, kValue, "1"},
                                    {"b", 3, ValueType::kSingleDeletion},
                                    {"c", 5, kDeletion}},
                        .tombstones = {}};
  EXPECT_THAT(TableJobs::EntryTexts(Flushed({table})),
              ElementsAre("a@2:0=", "b@3:7=", "c@5:0="));
}

TEST_F(FlushJobTest, OperandsMeetTheirBaseAndWaitWithoutOne) {
  ColumnFamilyOptions options;
  options.merge_operator = NewStringAppendOperator(",");
  Build(options);
  const TestTable older{
      .entries = {{"a", 1, kValue, "base"}, {"b", 2, kMerge, "x"}},
      .tombstones = {}};
  const TestTable newer{.entries = {{"a", 3, kMerge, "y"},
                                    {"b", 4, kMerge, "z"},
                                    {"c", 6, kMerge, "w"},
                                    {"c", 5, kDeletion}},
                        .tombstones = {}};
  const TestTable found = Flushed({newer, older});
  EXPECT_EQ(VisibleAt(found, 10, jobs_->family().comparator()),
            (std::vector<std::pair<std::string, std::string>>{
                {"a", "base,y"}, {"b", "x,z"}, {"c", "w"}}));
  for (const TestTableEntry& entry : found.entries) {
    EXPECT_EQ(entry.type == kMerge, entry.user_key == "b") << entry.user_key;
  }
}

TEST_F(FlushJobTest, ATombstoneTakesWhatItCoversAndStays) {
  const TestTable table{.entries = {{"a", 1, kValue, "1"},
                                    {"b", 2, kValue, "2"},
                                    {"b", 9, kValue, "9"},
                                    {"c", 3, kValue, "3"}},
                        .tombstones = {{"b", "c", 5}}};
  const TestTable found = Flushed({table});
  EXPECT_THAT(TableJobs::EntryTexts(found),
              ElementsAre("a@1:1=1", "b@9:1=9", "c@3:1=3"));
  EXPECT_THAT(TableJobs::TombstoneTexts(found.tombstones),
              ElementsAre("[b, c)@5"));
  // A snapshot from before it still sees what it covers.
  EXPECT_THAT(TableJobs::EntryTexts(Flushed({table}, {2})),
              ElementsAre("a@1:1=1", "b@9:1=9", "b@2:1=2", "c@3:1=3"));
}

TEST_F(FlushJobTest, ATombstoneOfOneMemTableCoversTheEntriesOfAnother) {
  const TestTable older{.entries = {{"b", 1, kValue, "1"}}, .tombstones = {}};
  const TestTable newer{.entries = {}, .tombstones = {{"a", "c", 2}}};
  const TestTable found = Flushed({newer, older});
  EXPECT_THAT(found.entries, IsEmpty());
  EXPECT_THAT(TableJobs::TombstoneTexts(found.tombstones),
              ElementsAre("[a, c)@2"));
}

// Fails every file operation of a flush in turn.
TEST_F(FlushJobTest, AFailureOfAnyFileOperationLeavesNoTable) {
  const TestTable table{.entries = {{"a", 1, kValue, "1"}},
                        .tombstones = {{"b", "c", 2}}};
  uint64_t failed = 0;
  for (uint64_t operation = 1;; ++operation) {
    jobs_->faults()->Arm({.operation = operation});
    auto result = Flush({table}, {});
    const bool has_failed = jobs_->faults()->has_failed();
    jobs_->faults()->Disarm();
    if (!has_failed) {
      EXPECT_TRUE(result.ok());
      break;
    }
    ++failed;
    EXPECT_TRUE(result.status().IsIOError()) << operation;
    EXPECT_THAT(jobs_->FileNames(), IsEmpty()) << operation;
  }
  EXPECT_GE(failed, 3U);  // To make, to write and to sync it.
}

TEST_F(FlushJobTest, WithoutTheOperatorForOperandsTheyAreKept) {
  const TestTable table{
      .entries = {{"a", 2, kMerge, "x"}, {"a", 1, kValue, "base"}},
      .tombstones = {}};
  EXPECT_THAT(TableJobs::EntryTexts(Flushed({table})),
              ElementsAre("a@2:2=x", "a@1:1=base"));
}

// --- Which tombstones are written --------------------------------------------

std::vector<std::string> Visible(
    const std::vector<RangeTombstone>& tombstones,
    const std::vector<SequenceNumber>& snapshots,
    const std::function<bool(const Slice&, const Slice&)>& drops = nullptr) {
  return TableJobs::TombstoneTexts(VisibleTombstones(
      FragmentedRangeTombstones(tombstones, BytewiseComparator()), snapshots,
      drops));
}

TEST(VisibleTombstonesTest, OfEachStripeTheNewestIsEnough) {
  const std::vector<RangeTombstone> all = {
      {"a", "b", 1}, {"a", "b", 2}, {"a", "b", 3}, {"a", "b", 4}};
  EXPECT_THAT(Visible(all, {}), ElementsAre("[a, b)@4"));
  EXPECT_THAT(Visible(all, {2}), ElementsAre("[a, b)@4", "[a, b)@2"));
  EXPECT_THAT(Visible(all, {1, 3}),
              ElementsAre("[a, b)@4", "[a, b)@3", "[a, b)@1"));
}

TEST(VisibleTombstonesTest, OnlyThoseOfTheOldestStripeCanBeTheLastWord) {
  const std::vector<RangeTombstone> all = {
      {"a", "c", 2}, {"b", "d", 5}, {"x", "y", 1}};
  auto drops = [](const Slice& begin, const Slice&) {
    return begin.compare("c") < 0;
  };
  EXPECT_THAT(Visible(all, {}, drops), ElementsAre("[c, d)@5", "[x, y)@1"));
  // The snapshot at 3 sees what those with 5 have deleted.
  EXPECT_THAT(Visible(all, {3}, drops),
              ElementsAre("[b, c)@5", "[c, d)@5", "[x, y)@1"));
}

// --- Against what readers saw before -----------------------------------------

TEST_F(FlushJobTest, AnySnapshotReadsTheSameFromTheTableAsFromTheMemTables) {
  ColumnFamilyOptions options;
  options.merge_operator = NewStringAppendOperator(",");
  TestRandom random(TestSeed());
  for (int round = 0; round < 60; ++round) {
    Build(options);
    const InternalKeyComparator& comparator = jobs_->family().comparator();
    const TestTable all = RandomTestTable({.entries = 1 + random.Below(200),
                                           .keys = 1 + random.Below(40),
                                           .value_size_max = 10,
                                           .has_tombstones = random.OneIn(2)},
                                          comparator, &random);
    // Every memtable has a part of the history.
    std::vector<TestTable> memtables(1 + random.Below(3));
    const SequenceNumber last = 2 * all.entries.size() + 2;
    auto part_of = [&](SequenceNumber sequence) -> TestTable& {
      return memtables[sequence * memtables.size() / (last + 1)];
    };
    for (const auto& entry : all.entries) {
      part_of(entry.sequence).entries.push_back(entry);
    }
    std::vector<SequenceNumber> taken;
    TestTable kept = all;
    kept.tombstones.clear();
    for (const auto& range : all.tombstones) {
      // No two of one number, as in a database; of an entry's is no matter.
      if (std::count(taken.begin(), taken.end(), range.sequence) > 0) continue;
      taken.push_back(range.sequence);
      kept.tombstones.push_back(range);
      part_of(range.sequence).tombstones.push_back(range);
    }
    std::vector<SequenceNumber> snapshots;
    for (SequenceNumber at = random.Below(20); at < last;
         at += 1 + random.Below(100)) {
      snapshots.push_back(at);
    }
    const TestTable found = Flushed(memtables, snapshots);
    snapshots.push_back(last);
    SCOPED_TRACE(testing::Message() << "round " << round);
    ExpectSameViews(found, kept, snapshots, comparator);
    ASSERT_FALSE(HasFailure());
  }
}

}  // namespace
}  // namespace paceline
