#include "src/compaction/compaction_picker.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "test/support/seed.h"

namespace paceline {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

constexpr uint64_t kMiB = uint64_t{1} << 20;

std::vector<uint64_t> Numbers(const LiveTables& files) {
  std::vector<uint64_t> numbers;
  for (const auto& file : files) numbers.push_back(file->number());
  return numbers;
}

// A Version of files that nobody opens.
class CompactionPickerTest : public testing::Test {
 protected:
  CompactionPickerTest() {
    options_.level0_file_num_compaction_trigger = 2;
    options_.max_bytes_for_level_base = 10 * kMiB;
    options_.max_bytes_for_level_multiplier = 10;
    options_.target_file_size_base = kMiB;
    options_.level_compaction_dynamic_level_bytes = false;
    options_.compression = kNoCompression;
  }

  // A file with user keys from `smallest` to `largest`.
  FileMetaData& Add(int level, uint64_t number, const std::string& smallest,
                    const std::string& largest, uint64_t size = kMiB) {
    auto file = std::make_shared<FileMetaData>();
    file->number = number;
    file->size = size;
    // Files that share a user key come in the order of their numbers.
    const SequenceNumber newest = 1'000'000 - 10 * number;
    AppendInternalKey(&file->smallest, smallest, newest, ValueType::kValue);
    AppendInternalKey(&file->largest, largest, newest - 1, ValueType::kValue);
    file->smallest_sequence = file->largest_sequence = number;
    family_.files[number] = {level, file};
    return *file;
  }
  // The same, but a range tombstone ends it in front of `end`.
  void AddWithSentinel(int level, uint64_t number, const std::string& smallest,
                       const std::string& end) {
    FileMetaData& file = Add(level, number, smallest, end);
    file.largest = end;
    PutFixed64(&file.largest, kRangeTombstoneSentinelTag);
  }

  std::shared_ptr<const Version> Made() {
    auto context = std::make_shared<const TableContext>(
        TableContext{InternalKeyComparator(BytewiseComparator()), "family",
                     nullptr, nullptr, nullptr});
    auto version = Version::Make(family_, Version(context));
    EXPECT_TRUE(version.ok()) << version.status().ToString();
    return *version;
  }
  LevelTargets Targets() { return ComputeLevelTargets(*Made(), options_); }
  std::optional<Compaction> Pick(bool is_patient = false) {
    return PickCompaction(Made(), options_, running_, is_patient);
  }
  std::optional<Compaction> PickIn(int level, int output_level,
                                   const char* begin, const char* end) {
    const Slice begin_slice = begin == nullptr ? Slice() : Slice(begin);
    const Slice end_slice = end == nullptr ? Slice() : Slice(end);
    return PickRange(Made(), options_, running_, level, output_level,
                     begin == nullptr ? nullptr : &begin_slice,
                     end == nullptr ? nullptr : &end_slice, &has_conflict_);
  }

  ManifestState::Family family_;
  ColumnFamilyOptions options_;
  RunningCompactions running_;
  bool has_conflict_ = false;
};

// --- Targets. --------------------------------------------------------------

TEST_F(CompactionPickerTest, StaticTargetsGrowByTheMultiplierFromLevelOne) {
  const LevelTargets targets = Targets();
  EXPECT_EQ(targets.base_level, 1);
  EXPECT_EQ(targets.bytes[1], 10 * kMiB);
  EXPECT_EQ(targets.bytes[2], 100 * kMiB);
  EXPECT_EQ(targets.bytes[6], 1'000'000 * kMiB);
}

TEST_F(CompactionPickerTest, StaticTargetsDoNotOverflow) {
  options_.max_bytes_for_level_base = UINT64_MAX / 2;
  const LevelTargets targets = Targets();
  for (int level = 1; level + 1 < kLevels; ++level) {
    EXPECT_LE(targets.bytes[static_cast<size_t>(level)],
              targets.bytes[static_cast<size_t>(level) + 1]);
  }
}

TEST_F(CompactionPickerTest, DynamicLevelsBeginAtTheDeepestOne) {
  options_.level_compaction_dynamic_level_bytes = true;
  EXPECT_EQ(Targets().base_level, kLevels - 1);
  Add(6, 1, "a", "b", 20 * kMiB);
  EXPECT_EQ(Targets().base_level, kLevels - 1);
}

TEST_F(CompactionPickerTest, FilesGrowByTheMultiplierFromTheBaseLevel) {
  options_.target_file_size_multiplier = 2;
  Add(0, 1, "a", "z");
  Add(0, 2, "a", "z");
  Add(5, 3, "a", "m");
  ASSERT_NE(PickIn(5, 6, nullptr, nullptr), std::nullopt);
  EXPECT_EQ(PickIn(5, 6, nullptr, nullptr)->target_file_bytes, 32 * kMiB);
  options_.level_compaction_dynamic_level_bytes = true;
  ASSERT_EQ(Targets().base_level, 5);
  EXPECT_EQ(PickIn(0, 5, nullptr, nullptr)->target_file_bytes, kMiB);
  EXPECT_EQ(PickIn(5, 6, nullptr, nullptr)->target_file_bytes, 2 * kMiB);
}

TEST_F(CompactionPickerTest, DynamicLevelsAreAddedUpwardsAsTheDeepestGrows) {
  options_.level_compaction_dynamic_level_bytes = true;
  int base_level = kLevels - 1;
  for (uint64_t bytes = kMiB; bytes < 100'000'000 * kMiB; bytes *= 3) {
    family_.files.clear();
    Add(6, 1, "a", "b", bytes);
    const LevelTargets targets = Targets();
    EXPECT_LE(targets.base_level, base_level);
    EXPECT_GE(targets.base_level, 1);
    base_level = targets.base_level;
    for (int level = base_level; level + 1 < kLevels; ++level) {
      EXPECT_GE(targets.bytes[static_cast<size_t>(level)], 10 * kMiB);
      EXPECT_LE(targets.bytes[static_cast<size_t>(level)], bytes);
    }
  }
  EXPECT_EQ(base_level, 1);
}

// Whatever the sizes: its keys would sink below older versions of them.
TEST_F(CompactionPickerTest, LevelZeroIsNeverMergedBelowALevelWithFiles) {
  TestRandom random(TestSeed());
  for (int round = 0; round < 2000; ++round) {
    family_.files.clear();
    options_.level_compaction_dynamic_level_bytes = random.OneIn(2);
    options_.max_bytes_for_level_multiplier =
        static_cast<double>(2 + random.Below(10));
    int first = kLevels;
    for (int level = kLevels - 1; level > 0; --level) {
      if (random.OneIn(2)) continue;
      Add(level, static_cast<uint64_t>(level), "a", "b",
          random.Next() >> (20 + random.Below(44)));
      first = level;
    }
    EXPECT_LE(Targets().base_level, first);
    EXPECT_GE(Targets().base_level, 1);
  }
}

TEST_F(CompactionPickerTest, LevelsThatAreNotWantedAnyMoreAreEmptied) {
  options_.level_compaction_dynamic_level_bytes = true;
  Add(2, 1, "a", "b");
  Add(6, 2, "a", "z");
  auto picked = Pick();
  ASSERT_TRUE(picked);
  EXPECT_EQ(picked->level, 2);
  EXPECT_EQ(picked->output_level, 3);
  EXPECT_TRUE(picked->is_trivial_move);
}

// --- What is picked. -------------------------------------------------------

TEST_F(CompactionPickerTest, NothingIsPickedWhileNoLevelIsTooFull) {
  EXPECT_FALSE(Pick());
  Add(0, 1, "a", "z");
  Add(1, 2, "a", "z", 9 * kMiB);
  EXPECT_FALSE(Pick());
}

TEST_F(CompactionPickerTest, LevelZeroIsMergedWithAllItOverlaps) {
  Add(0, 1, "d", "f");
  Add(0, 2, "k", "m");
  Add(1, 3, "a", "c");
  Add(1, 4, "e", "e");
  Add(1, 5, "f1", "l");  // Between them: the bounds are those of all.
  Add(1, 6, "n", "z");
  auto picked = Pick();
  ASSERT_TRUE(picked);
  EXPECT_EQ(picked->level, 0);
  EXPECT_EQ(picked->output_level, 1);
  EXPECT_THAT(Numbers(picked->inputs), UnorderedElementsAre(1, 2));
  EXPECT_THAT(Numbers(picked->output_inputs), ElementsAre(4, 5));
  EXPECT_EQ(picked->smallest, "d");
  EXPECT_EQ(picked->largest, "m");
  EXPECT_FALSE(picked->is_trivial_move);
}

TEST_F(CompactionPickerTest, PatienceLeavesLevelZeroAloneForAWhile) {
  Add(0, 1, "a", "z");
  Add(0, 2, "a", "z");
  Add(1, 3, "a", "z", 5 * kMiB);
  EXPECT_FALSE(Pick(/*is_patient=*/true));
  EXPECT_TRUE(Pick(/*is_patient=*/false));
  Add(0, 4, "a", "z");
  EXPECT_FALSE(Pick(/*is_patient=*/true));
  Add(0, 5, "a", "z");
  EXPECT_TRUE(Pick(/*is_patient=*/true));
}

TEST_F(CompactionPickerTest, TheFileThatOverlapsLeastIsMovedDownFirst) {
  Add(1, 1, "a", "c", 6 * kMiB);
  Add(1, 2, "d", "f", 6 * kMiB);
  Add(2, 3, "a", "b", 50 * kMiB);
  Add(2, 4, "e", "e", kMiB);
  auto picked = Pick();
  ASSERT_TRUE(picked);
  EXPECT_EQ(picked->level, 1);
  EXPECT_THAT(Numbers(picked->inputs), ElementsAre(2));
  EXPECT_THAT(Numbers(picked->output_inputs), ElementsAre(4));
}

TEST_F(CompactionPickerTest, AFileThatOverlapsNothingBelowIsOnlyMoved) {
  Add(1, 1, "a", "c", 11 * kMiB);
  Add(2, 2, "d", "f");
  auto picked = Pick();
  ASSERT_TRUE(picked);
  EXPECT_TRUE(picked->is_trivial_move);
  EXPECT_THAT(picked->output_inputs, IsEmpty());
}

TEST_F(CompactionPickerTest, AFileThatIsToBeCompressedAnewIsNotOnlyMoved) {
  options_.bottommost_compression = kZSTD;
  Add(1, 1, "a", "c", 11 * kMiB);
  auto picked = Pick();
  ASSERT_TRUE(picked);
  EXPECT_EQ(picked->compression, kZSTD);
  EXPECT_FALSE(picked->is_trivial_move);
}

TEST_F(CompactionPickerTest, DisjointFilesOfLevelZeroAreOnlyMoved) {
  Add(0, 1, "a", "c");
  Add(0, 2, "d", "f");
  ASSERT_TRUE(Pick());
  EXPECT_TRUE(Pick()->is_trivial_move);
  Add(0, 3, "f", "g");
  EXPECT_FALSE(Pick()->is_trivial_move);
}

// A tombstone's end is not in the file.
TEST_F(CompactionPickerTest, ASentinelDoesNotOverlapTheFileThatBeginsThere) {
  AddWithSentinel(0, 1, "a", "d");
  Add(0, 2, "d", "f");
  ASSERT_TRUE(Pick());
  EXPECT_TRUE(Pick()->is_trivial_move);
}

// --- Clean cuts. -----------------------------------------------------------

TEST_F(CompactionPickerTest, FilesThatShareAUserKeyAreMovedTogether) {
  Add(1, 1, "a", "c", 4 * kMiB);
  Add(1, 2, "c", "e", 4 * kMiB);
  Add(1, 3, "e", "g", 4 * kMiB);
  Add(1, 4, "h", "i", kMiB);
  Add(2, 5, "h", "i", 50 * kMiB);
  auto picked = Pick();
  ASSERT_TRUE(picked);
  EXPECT_THAT(Numbers(picked->inputs), ElementsAre(1, 2, 3));
}

TEST_F(CompactionPickerTest, ASentinelIsACleanCut) {
  AddWithSentinel(1, 1, "a", "c");
  Add(1, 2, "c", "e", 20 * kMiB);
  Add(2, 3, "a", "b1", 2 * kMiB);
  auto picked = Pick();
  ASSERT_TRUE(picked);
  EXPECT_THAT(Numbers(picked->inputs), ElementsAre(2));
}

TEST_F(CompactionPickerTest, FilesBelowThatShareAUserKeyAreTakenTogether) {
  Add(1, 1, "d", "e", 11 * kMiB);
  Add(2, 2, "a", "c");
  Add(2, 3, "c", "d");
  Add(2, 4, "e", "f");
  Add(2, 5, "f", "g");
  Add(2, 6, "h", "i");
  auto picked = Pick();
  ASSERT_TRUE(picked);
  EXPECT_THAT(Numbers(picked->output_inputs), ElementsAre(2, 3, 4, 5));
}

TEST_F(CompactionPickerTest, InputsGrowWhereThatAddsNothingBelow) {
  Add(1, 1, "a", "b", 6 * kMiB);
  Add(1, 2, "c", "d", 6 * kMiB);
  Add(1, 3, "x", "z", 6 * kMiB);
  Add(2, 4, "a", "e", kMiB);
  auto picked = PickIn(1, 2, "a", "b");
  ASSERT_TRUE(picked);
  EXPECT_THAT(Numbers(picked->inputs), ElementsAre(1, 2));
  EXPECT_THAT(Numbers(picked->output_inputs), ElementsAre(4));
}

// --- Beside running compactions. -------------------------------------------

TEST_F(CompactionPickerTest, TakenFilesAreNotPickedAgain) {
  Add(1, 1, "a", "c", 6 * kMiB);
  Add(1, 2, "d", "f", 6 * kMiB);
  Add(1, 3, "g", "i", 6 * kMiB);
  std::vector<uint64_t> picked_first;
  for (int i = 0; i < 3; ++i) {
    auto picked = Pick();
    ASSERT_TRUE(picked);
    ASSERT_EQ(picked->inputs.size(), 1u);
    picked_first.push_back(picked->inputs[0]->number());
    running_.Add(*picked);
  }
  EXPECT_THAT(picked_first, UnorderedElementsAre(1, 2, 3));
  EXPECT_FALSE(Pick());
  EXPECT_EQ(running_.size(), 3u);
}

TEST_F(CompactionPickerTest, LevelZeroWaitsForACompactionThatHasSomeOfIt) {
  Add(0, 1, "a", "c");
  Add(0, 2, "a", "c");
  auto running = Pick();
  ASSERT_TRUE(running);
  running_.Add(*running);
  Add(0, 3, "x", "z");
  Add(0, 4, "x", "z");
  EXPECT_FALSE(Pick());
  running_.Remove(*running);
  EXPECT_TRUE(Pick());
}

// Two outputs of one level must not overlap, though the inputs are others.
TEST_F(CompactionPickerTest, NothingIsWrittenWhereACompactionWrites) {
  Add(1, 1, "a", "k", 11 * kMiB);
  Compaction other;
  other.level = 1;
  other.output_level = 2;
  other.smallest = "h";
  other.largest = "z";
  running_.Add(other);
  EXPECT_FALSE(Pick());
  running_.Remove(other);
  EXPECT_TRUE(Pick());
}

// --- Manual ranges. --------------------------------------------------------

TEST_F(CompactionPickerTest, AManualRangeTakesTheFilesThatReachIntoIt) {
  Add(1, 1, "a", "c");
  Add(1, 2, "d", "f");
  Add(1, 3, "g", "i");
  auto picked = PickIn(1, 2, "e", "g");
  ASSERT_TRUE(picked);
  EXPECT_THAT(Numbers(picked->inputs), ElementsAre(2, 3));
  EXPECT_FALSE(PickIn(1, 2, "j", nullptr));
  EXPECT_FALSE(has_conflict_);
  picked = PickIn(1, 2, nullptr, "a");
  ASSERT_TRUE(picked);
  EXPECT_THAT(Numbers(picked->inputs), ElementsAre(1));
}

TEST_F(CompactionPickerTest, AManualRangeOfLevelZeroTakesAllOfIt) {
  Add(0, 1, "a", "c");
  Add(0, 2, "x", "z");
  auto picked = PickIn(0, 1, "a", "a");
  ASSERT_TRUE(picked);
  EXPECT_THAT(Numbers(picked->inputs), UnorderedElementsAre(1, 2));
}

TEST_F(CompactionPickerTest, AManualRangeIsDoneInSteps) {
  options_.max_compaction_bytes = 5 * kMiB;
  for (uint64_t number = 1; number <= 6; ++number) {
    const std::string key(1, static_cast<char>('a' + number));
    Add(1, number, key + "0", key + "9", 2 * kMiB);
  }
  auto picked = PickIn(1, 2, nullptr, nullptr);
  ASSERT_TRUE(picked);
  EXPECT_THAT(Numbers(picked->inputs), ElementsAre(1, 2));
}

TEST_F(CompactionPickerTest, AManualRangeThatIsTakenIsAConflict) {
  Add(1, 1, "a", "c");
  auto running = PickIn(1, 2, nullptr, nullptr);
  ASSERT_TRUE(running);
  running_.Add(*running);
  EXPECT_FALSE(PickIn(1, 2, nullptr, nullptr));
  EXPECT_TRUE(has_conflict_);
}

TEST_F(CompactionPickerTest, ALevelIsRewrittenWhereItIs) {
  Add(6, 1, "a", "c");
  auto picked = PickIn(6, 6, nullptr, nullptr);
  ASSERT_TRUE(picked);
  EXPECT_EQ(picked->output_level, 6);
  EXPECT_THAT(picked->output_inputs, IsEmpty());
  EXPECT_FALSE(picked->is_trivial_move);
}

// --- Debt. -----------------------------------------------------------------

TEST_F(CompactionPickerTest, TheDebtIsNothingWhileNoLevelIsTooFull) {
  Add(0, 1, "a", "b");
  Add(1, 2, "a", "b", 10 * kMiB);
  EXPECT_EQ(PendingCompactionBytes(*Made(), options_), 0u);
}

TEST_F(CompactionPickerTest, TheDebtOfALevelCountsWhatIsMergedWithItsExcess) {
  Add(1, 1, "a", "b", 20 * kMiB);
  // 10 MiB too much, each of which meets half a byte of the next level.
  Add(2, 2, "a", "b", 10 * kMiB);
  EXPECT_EQ(PendingCompactionBytes(*Made(), options_), 15 * kMiB);
}

}  // namespace
}  // namespace paceline
