// What a compaction makes of its inputs: what it drops and keeps, where it ends
// a table, and what it leaves behind when it ends early.

#include "src/compaction/compaction_job.h"

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

class CompactionJobTest : public testing::Test {
 protected:
  // Carries it out; what is in the outputs, together.
  TestTable Compacted(const Compaction& compaction,
                      const std::vector<SequenceNumber>& snapshots = {}) {
    auto result = jobs_.Compact(compaction, snapshots);
    EXPECT_TRUE(result.ok()) << result.status().ToString();
    if (!result.ok()) return {};
    result_ = *std::move(result);
    return jobs_.ReadAll(result_.files);
  }
  // "smallest-largest" of each output.
  std::vector<std::string> Bounds() const {
    std::vector<std::string> bounds;
    for (const FileMetaData& file : result_.files) {
      bounds.push_back(file.smallest_user_key().ToString() + '-' +
                       file.largest_user_key().ToString());
    }
    return bounds;
  }
  // One value for each letter from `first` to `last`.
  static TestTable Letters(char first, char last, SequenceNumber sequence,
                           size_t value_bytes = 1) {
    TestTable table;
    for (char c = first; c <= last; ++c) {
      table.entries.push_back(
          {std::string(1, c), sequence++, kValue, std::string(value_bytes, c)});
    }
    return table;
  }

  TableJobs jobs_;
  CompactionResult result_;
};

// --- What is dropped and kept ------------------------------------------------

TEST_F(CompactionJobTest, TheNewestOfAllInputsIsLeft) {
  jobs_.AddTable(1, {.entries = {{"a", 1, kValue, "1"}, {"b", 2, kValue, "2"}},
                     .tombstones = {}});
  jobs_.AddTable(0, {.entries = {{"b", 3, kValue, "3"}}, .tombstones = {}});
  jobs_.AddTable(0, {.entries = {{"b", 4, kValue, "4"}, {"c", 5, kValue, "5"}},
                     .tombstones = {}});
  const TestTable found = Compacted(jobs_.MakeCompaction(0, 1));
  // Nothing is below: nobody can tell when they were written.
  EXPECT_THAT(TableJobs::EntryTexts(found),
              ElementsAre("a@0:1=1", "b@0:1=4", "c@0:1=5"));
}

TEST_F(CompactionJobTest, ADeletionStaysWhereALevelBelowMayHaveItsKey) {
  jobs_.AddTable(2, Letters('c', 'e', 1));
  jobs_.AddTable(5, Letters('m', 'm', 5));
  jobs_.AddTable(0, {.entries = {{"a", 10, kDeletion},
                                 {"c", 11, kDeletion},
                                 {"d", 12, kDeletion},
                                 {"e", 13, kDeletion},
                                 {"f", 14, kDeletion},
                                 {"m", 15, kDeletion},
                                 {"n", 16, kDeletion}},
                     .tombstones = {}});
  EXPECT_THAT(TableJobs::EntryTexts(Compacted(jobs_.MakeCompaction(0, 1))),
              ElementsAre("c@11:0=", "d@12:0=", "e@13:0=", "m@15:0="));
  // The level that it writes to is among the inputs, and not below.
  EXPECT_THAT(TableJobs::EntryTexts(Compacted(jobs_.MakeCompaction(0, 2))),
              ElementsAre("m@15:0="));
}

TEST_F(CompactionJobTest, ATombstoneGoesWhereNothingIsBelowIt) {
  jobs_.AddTable(2, Letters('p', 'q', 1));
  jobs_.AddTable(0, {.entries = {{"a", 3, kValue, "3"}, {"b", 9, kValue, "9"}},
                     .tombstones = {{"a", "c", 5}, {"o", "r", 6}}});
  const TestTable found = Compacted(jobs_.MakeCompaction(0, 1));
  EXPECT_THAT(found.entries, SizeIs(1));
  EXPECT_EQ(found.entries[0].user_key, "b");
  EXPECT_THAT(TableJobs::TombstoneTexts(found.tombstones),
              ElementsAre("[o, r)@6"));
}

TEST_F(CompactionJobTest, ASnapshotKeepsWhatItSeesAndTheTombstoneAboveIt) {
  jobs_.AddTable(
      0, {.entries = {{"a", 3, kValue, "3"}}, .tombstones = {{"a", "c", 5}}});
  const TestTable found = Compacted(jobs_.MakeCompaction(0, 1), {4});
  EXPECT_THAT(found.entries, SizeIs(1));
  EXPECT_THAT(TableJobs::TombstoneTexts(found.tombstones),
              ElementsAre("[a, c)@5"));
}

// A file that was split has a tombstone that reaches beyond its bounds; there
// it says nothing.
TEST_F(CompactionJobTest, ATombstoneActsBetweenTheBoundsOfItsFileOnly) {
  const uint64_t number = jobs_.AddTable(
      1, {.entries = {{"c", 9, kValue, "9"}}, .tombstones = {{"a", "z", 5}}});
  auto files = jobs_.MakeVersion()->files(1);
  FileMetaData cut = files[0]->metadata();
  ASSERT_EQ(cut.number, number);
  cut.smallest.clear();
  AppendInternalKey(&cut.smallest, "b", 5, ValueType::kRangeDeletion);
  cut.largest = "d";
  PutFixed64(&cut.largest, kRangeTombstoneSentinelTag);
  // Opened anew: the Version has the old bounds by that number.
  jobs_.Remove(number);
  jobs_.MakeVersion();
  jobs_.Place(1, cut);
  jobs_.AddTable(2, Letters('a', 'f', 1));
  // What is above a tombstone keeps its number.
  EXPECT_THAT(
      TableJobs::EntryTexts(Compacted(jobs_.MakeCompaction(1, 2))),
      ElementsAre("a@0:1=a", "c@9:1=9", "d@0:1=d", "e@0:1=e", "f@0:1=f"));
}

TEST_F(CompactionJobTest, ALevelCanBeRewrittenWhereItIs) {
  jobs_.AddTable(6, {.entries = {{"a", 3, kDeletion}, {"b", 4, kValue, "4"}},
                     .tombstones = {}});
  EXPECT_THAT(TableJobs::EntryTexts(Compacted(jobs_.MakeCompaction(6, 6))),
              ElementsAre("b@0:1=4"));
}

TEST_F(CompactionJobTest, NothingThatIsLeftIsNoTable) {
  jobs_.AddTable(0, {.entries = {{"a", 3, kDeletion}}, .tombstones = {}});
  Compacted(jobs_.MakeCompaction(0, 6));
  EXPECT_THAT(result_.files, IsEmpty());
  EXPECT_THAT(jobs_.FileNames(), SizeIs(1));  // The input.
}

// --- Where tables end --------------------------------------------------------

TEST_F(CompactionJobTest, ATableEndsOnceItIsLargeEnough) {
  jobs_.AddTable(0, Letters('a', 'h', 1, 5'000));
  Compaction compaction = jobs_.MakeCompaction(0, 1);
  compaction.target_file_bytes = 9'000;
  EXPECT_EQ(Compacted(compaction).entries.size(), 8U);
  EXPECT_THAT(Bounds(), ElementsAre("a-b", "c-d", "e-f", "g-h"));
  compaction.target_file_bytes = 1;
  Compacted(compaction);
  EXPECT_THAT(result_.files, SizeIs(8));
}

TEST_F(CompactionJobTest, VersionsOfAKeyAreNeverInTwoTables) {
  TestTable table;
  std::vector<SequenceNumber> snapshots;
  for (SequenceNumber sequence = 9; sequence > 0; --sequence) {
    table.entries.push_back({"k", sequence, kValue, std::string(5'000, 'v')});
    snapshots.insert(snapshots.begin(), sequence);
  }
  table.entries.push_back({"l", 10, kValue, "1"});
  jobs_.AddTable(0, table);
  Compaction compaction = jobs_.MakeCompaction(0, 1);
  compaction.target_file_bytes = 1;
  EXPECT_EQ(Compacted(compaction, snapshots).entries.size(), 10U);
  EXPECT_THAT(Bounds(), ElementsAre("k-k", "l-l"));
}

// Or merging it later would have to write all of that anew.
TEST_F(CompactionJobTest, ATableEndsBeforeItOverlapsTooMuchBelow) {
  for (char c = 'a'; c <= 'h'; c += 2) {
    jobs_.AddTable(2, Letters(c, static_cast<char>(c + 1), 1));
  }
  const uint64_t size = jobs_.MakeVersion()->files(2)[0]->size();
  jobs_.AddTable(0, Letters('a', 'i', 100));
  Compaction compaction = jobs_.MakeCompaction(0, 1);
  Compacted(compaction);
  EXPECT_THAT(Bounds(), ElementsAre("a-i"));
  compaction.max_grandparent_bytes = size * 3 / 2;
  Compacted(compaction);
  EXPECT_THAT(Bounds(), ElementsAre("a-d", "e-h", "i-i"));
  compaction.max_grandparent_bytes = 0;
  Compacted(compaction);
  EXPECT_THAT(Bounds(), ElementsAre("a-b", "c-d", "e-f", "g-h", "i-i"));
}

TEST_F(CompactionJobTest, ATombstoneIsInEveryTableThatItReachesInto) {
  jobs_.AddTable(2, Letters('a', 'h', 1));
  TestTable table = Letters('a', 'h', 100, 5'000);
  table.tombstones = {{"b", "g", 50}};
  jobs_.AddTable(0, table);
  Compaction compaction = jobs_.MakeCompaction(0, 1);
  compaction.target_file_bytes = 9'000;
  const TestTable found = Compacted(compaction);
  EXPECT_THAT(TableJobs::TombstoneTexts(found.tombstones),
              ElementsAre("[b, c)@50", "[c, e)@50", "[e, g)@50"));
}

// --- How it ends -------------------------------------------------------------

TEST_F(CompactionJobTest, ItTellsHowMuchItReadAndWrote) {
  jobs_.AddTable(0, Letters('a', 'c', 1));
  jobs_.AddTable(0, Letters('b', 'd', 10));
  const Compaction compaction = jobs_.MakeCompaction(0, 1);
  Compacted(compaction);
  EXPECT_EQ(result_.entries_read, 6U);
  EXPECT_EQ(result_.entries_written, 4U);
  EXPECT_EQ(result_.bytes_read, compaction.InputBytes());
  EXPECT_EQ(result_.bytes_read,
            compaction.inputs[0]->size() + compaction.inputs[1]->size());
  ASSERT_THAT(result_.files, SizeIs(1));
  EXPECT_EQ(result_.bytes_written, result_.files[0].size);
}

TEST_F(CompactionJobTest, OneThatIsStoppedLeavesItsInputsAndNothingElse) {
  // Enough that it asks.
  TestTable large;
  for (SequenceNumber i = 1; i <= 3'000; ++i) {
    large.entries.push_back({std::to_string(100'000 + i), i, kValue, "v"});
  }
  jobs_.AddTable(0, large);
  const auto before = jobs_.FileNames();
  auto result =
      jobs_.Compact(jobs_.MakeCompaction(0, 1), {}, [] { return true; });
  EXPECT_TRUE(result.status().IsShutdownInProgress());
  EXPECT_EQ(jobs_.FileNames(), before);
}

TEST_F(CompactionJobTest, AFailureOfAnyFileOperationLeavesItsInputsOnly) {
  jobs_.AddTable(1, Letters('a', 'f', 1, 3'000));
  TestTable newer = Letters('c', 'h', 100, 3'000);
  newer.tombstones = {{"a", "d", 50}};
  jobs_.AddTable(0, newer);
  const auto before = jobs_.FileNames();
  uint64_t failed = 0;
  for (uint64_t operation = 1;; ++operation) {
    // The inputs are opened anew, so that this can fail, too.
    Compaction compaction = jobs_.MakeCompaction(0, 1);
    compaction.target_file_bytes = 5'000;
    jobs_.faults()->Arm({.operation = operation});
    auto result = jobs_.Compact(compaction);
    const bool has_failed = jobs_.faults()->has_failed();
    jobs_.faults()->Disarm();
    if (!has_failed) {
      EXPECT_TRUE(result.ok());
      break;
    }
    ++failed;
    EXPECT_TRUE(result.status().IsIOError()) << operation;
    EXPECT_EQ(jobs_.FileNames(), before) << operation;
  }
  EXPECT_GE(failed, 8U);
}

// --- Against what readers saw before -----------------------------------------

TEST_F(CompactionJobTest, AnySnapshotReadsTheSameAsBefore) {
  ColumnFamilyOptions options;
  options.merge_operator = NewStringAppendOperator(",");
  TestRandom random(TestSeed());
  for (int round = 0; round < 60; ++round) {
    TableJobs jobs(options);
    const InternalKeyComparator& comparator = jobs.family().comparator();
    const TestTable all = RandomTestTable({.entries = 10 + random.Below(300),
                                           .keys = 1 + random.Below(60),
                                           .value_size_max = 40,
                                           .has_tombstones = false},
                                          comparator, &random);
    // The older half of the history at level 2, the rest at level 0.
    const SequenceNumber last = 2 * all.entries.size() + 2;
    std::vector<TestTable> parts(3);
    for (const auto& entry : all.entries) {
      parts[entry.sequence * 3 / (last + 1)].entries.push_back(entry);
    }
    TestTable kept = all;
    for (const TestTable& part : parts) {
      if (part.entries.empty() || random.OneIn(2)) continue;
      // Each range has a number that no entry of its part comes behind.
      SequenceNumber newest = 0;
      for (const auto& entry : part.entries) {
        newest = std::max(newest, entry.sequence);
      }
      RangeTombstone range{part.entries.front().user_key,
                           part.entries.back().user_key, newest};
      if (range.begin == range.end) continue;
      const_cast<TestTable&>(part).tombstones.push_back(range);
      kept.tombstones.push_back(range);
    }
    for (size_t part = 0; part < parts.size(); ++part) {
      if (parts[part].entries.empty()) continue;
      jobs.AddTable(part == 0 ? 2 : 0, parts[part]);
    }
    std::vector<SequenceNumber> snapshots;
    for (SequenceNumber at = random.Below(50); at < last;
         at += 1 + random.Below(200)) {
      snapshots.push_back(at);
    }
    Compaction compaction = jobs.MakeCompaction(0, 2);
    compaction.target_file_bytes = 1 + random.Below(10'000);
    auto result = jobs.Compact(compaction, snapshots);
    ASSERT_TRUE(result.ok()) << result.status().ToString();
    for (size_t i = 1; i < result->files.size(); ++i) {
      ASSERT_LT(comparator.Compare(result->files[i - 1].largest,
                                   result->files[i].smallest),
                0);
    }
    const TestTable found = jobs.ReadAll(result->files);
    snapshots.push_back(last);
    SCOPED_TRACE(testing::Message() << "round " << round);
    ExpectSameViews(found, kept, snapshots, comparator);
    ASSERT_FALSE(HasFailure());
  }
}

}  // namespace
}  // namespace paceline
