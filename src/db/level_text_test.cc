#include "src/db/level_text.h"

#include <map>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "test/support/table_tree.h"

namespace paceline {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

constexpr uint64_t kMiB = uint64_t{1} << 20;

std::vector<std::string> Lines(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

std::vector<std::string> Words(const std::string& line) {
  std::istringstream stream(line);
  return {std::istream_iterator<std::string>(stream), {}};
}

// Versions of files that nobody opens: only their metadata is looked at.
class LevelTextTest : public TableTreeTest {
 protected:
  LevelTextTest() {
    options_.level0_file_num_compaction_trigger = 4;
    options_.level_compaction_dynamic_level_bytes = false;
    options_.max_bytes_for_level_base = 10 * kMiB;
    options_.max_bytes_for_level_multiplier = 10;
  }

  void AddFile(int level, uint64_t bytes, const std::string& smallest,
               const std::string& largest) {
    auto file = std::make_shared<FileMetaData>();
    file->number = ++last_number_;
    file->epoch_number = last_number_;
    file->size = bytes;
    file->smallest_sequence = 10 * last_number_;
    file->largest_sequence = 10 * last_number_ + 5;
    AppendInternalKey(&file->smallest, smallest, 1, ValueType::kValue);
    AppendInternalKey(&file->largest, largest, 1, ValueType::kValue);
    family_.files[file->number] = {level, file};
  }

  // The words behind the first one of each line but the headings, by the first.
  std::map<std::string, std::vector<std::string>> Table(
      const std::optional<FamilyStats>& stats) {
    std::map<std::string, std::vector<std::string>> table;
    const auto lines = Lines(LevelTableText("users", *Made(), options_, stats));
    EXPECT_EQ(lines[0], "** Levels of column family [users] **");
    EXPECT_THAT(Words(lines[1]),
                ElementsAre("Level", "Files", "MiB", "Score", "Jobs", "Read",
                            "MiB", "Write", "MiB", "W-Amp", "Seconds"));
    for (size_t i = 2; i < lines.size(); ++i) {
      std::vector<std::string> words = Words(lines[i]);
      const std::string level = words.front();
      words.erase(words.begin());
      EXPECT_TRUE(table.emplace(level, words).second) << lines[i];
    }
    return table;
  }

  ColumnFamilyOptions options_;
};

TEST_F(LevelTextTest, EveryLevelHasALineWithItsFilesAndMiB) {
  AddFile(0, 3 * kMiB, "a", "b");
  AddFile(0, kMiB, "a", "b");
  AddFile(6, 1234 * kMiB, "a", "b");
  EXPECT_EQ(LevelSizesText(*Made()),
            "Level Files Size(MB)\n"
            "--------------------\n"
            "  0        2        4\n"
            "  1        0        0\n"
            "  2        0        0\n"
            "  3        0        0\n"
            "  4        0        0\n"
            "  5        0        0\n"
            "  6        1     1234\n");
}

TEST_F(LevelTextTest, FilesAreListedByLevelWithBoundsInHex) {
  AddFile(0, 7, "k1", "k9");
  AddFile(0, 8, "k1", "k5");
  AddFile(2, 9, std::string("\0\xff", 2), "z");
  const auto lines = Lines(FilesText(*Made()));
  ASSERT_THAT(lines, SizeIs(7 + 3));
  EXPECT_EQ(lines[0], "--- level 0 ---");
  EXPECT_EQ(lines[1], " 2: 8 bytes, sequence 20 to 25, keys 6b31 to 6b35");
  EXPECT_EQ(lines[2], " 1: 7 bytes, sequence 10 to 15, keys 6b31 to 6b39");
  EXPECT_EQ(lines[4], "--- level 2 ---");
  EXPECT_EQ(lines[5], " 3: 9 bytes, sequence 30 to 35, keys 00ff to 7a");
  EXPECT_EQ(lines[9], "--- level 6 ---");
}

// A line of text has a bound inside; keys have none.
TEST_F(LevelTextTest, LongKeysAreShownWhole) {
  const std::string key(5000, 'k');
  AddFile(1, 1, key, key + "z");
  EXPECT_THAT(FilesText(*Made()),
              HasSubstr(Slice(key + "z").ToString(/*hex=*/true) + "\n"));
}

TEST_F(LevelTextTest, ALongFamilyNameIsShownWhole) {
  const std::string name(5000, 'n');
  EXPECT_THAT(LevelTableText(name, *Made(), options_, {}),
              HasSubstr("[" + name + "]"));
}

TEST_F(LevelTextTest, LevelsWithoutFilesAndJobsAreLeftOut) {
  AddFile(1, kMiB, "a", "b");
  FamilyStats stats{};
  stats[3].jobs = 1;
  const auto table = Table(stats);
  EXPECT_THAT(table, SizeIs(3));
  EXPECT_TRUE(table.contains("1"));
  EXPECT_TRUE(table.contains("3")) << "it had something once";
  EXPECT_TRUE(table.contains("Sum"));
}

TEST_F(LevelTextTest, TheScoreTellsHowFullALevelIs) {
  AddFile(0, kMiB, "a", "b");
  AddFile(0, kMiB, "a", "b");
  AddFile(0, kMiB, "a", "b");
  AddFile(1, 25 * kMiB, "a", "b");
  AddFile(2, 50 * kMiB, "a", "b");
  const auto table = Table(FamilyStats{});
  // Three of four files; 25 of 10 MiB; 50 of 100.
  EXPECT_EQ(table.at("0")[2], "0.75");
  EXPECT_EQ(table.at("1")[2], "2.50");
  EXPECT_EQ(table.at("2")[2], "0.50");
  EXPECT_EQ(table.at("1")[0], "1");
  EXPECT_EQ(table.at("1")[1], "25.0");
}

TEST_F(LevelTextTest, WriteAmplificationIsWhatEachFlushedByteCosts) {
  AddFile(0, kMiB, "a", "b");
  AddFile(1, kMiB, "a", "b");
  FamilyStats stats{};
  stats[0] = {.jobs = 4,
              .bytes_read = 0,
              .bytes_written = 8 * kMiB,
              .micros = 1'500'000};
  stats[1] = {.jobs = 2,
              .bytes_read = 10 * kMiB,
              .bytes_written = 12 * kMiB,
              .micros = 500'000};
  const auto table = Table(stats);
  // Files, MiB, score, jobs, read, written, amplification, seconds.
  EXPECT_THAT(table.at("0"), ElementsAre("1", "1.0", "0.25", "4", "0.0", "8.0",
                                         "1.00", "1.5"));
  EXPECT_THAT(table.at("1"), ElementsAre("1", "1.0", "0.10", "2", "10.0",
                                         "12.0", "1.50", "0.5"));
  EXPECT_THAT(table.at("Sum"),
              ElementsAre("2", "2.0", "6", "10.0", "20.0", "2.50", "2.0"));
}

TEST_F(LevelTextTest, WithoutStatisticsOnlyTheFilesAreShown) {
  AddFile(1, 2 * kMiB, "a", "b");
  const auto table = Table(std::nullopt);
  EXPECT_THAT(table.at("1"), ElementsAre("1", "2.0", "0.20", "0", "0.0", "0.0",
                                         "0.00", "0.0"));
  EXPECT_THAT(table, SizeIs(2));
}

// Compactions of what an earlier process flushed.
TEST_F(LevelTextTest, NothingFlushedIsNotDividedBy) {
  AddFile(1, kMiB, "a", "b");
  FamilyStats stats{};
  stats[1].jobs = 1;
  stats[1].bytes_written = kMiB;
  EXPECT_EQ(Table(stats).at("1")[6], "0.00");
}

// --- What the tables say about themselves. ---------------------------------

class TablePropertiesTextTest : public LevelTextTest {
 protected:
  // The number behind `name=` in `text`.
  static double NumberIn(const std::string& text, const std::string& name) {
    const size_t at = ("; " + text).find("; " + name + "=");
    EXPECT_NE(at, std::string::npos) << name << " in " << text;
    if (at == std::string::npos) return -1;
    return std::stod(text.substr(at + name.size() + 1));
  }
};

TEST_F(TablePropertiesTextTest, WhatIsInTheTablesIsSummedUp) {
  AddTable(0, {{"a", 9, ValueType::kDeletion},
               {"bbb", 8, ValueType::kMerge, "12345"},
               {"c", 7, ValueType::kSingleDeletion}});
  AddTable(3, {{"a", 1, ValueType::kValue, "1234567"}}, {{"x", "z", 2}});
  const std::string text = *TablePropertiesText(*Made(), 0, kLevels - 1);
  EXPECT_EQ(NumberIn(text, "# data blocks"), 2);
  EXPECT_EQ(NumberIn(text, "# entries"), 5);
  EXPECT_EQ(NumberIn(text, "# deletions"), 3) << "of all three kinds";
  EXPECT_EQ(NumberIn(text, "# merge operands"), 1);
  EXPECT_EQ(NumberIn(text, "# range deletions"), 1);
  // User keys of 1, 3, 1 and 1 bytes, with their tags.
  const double point_bytes = 6 + 4 * kTagBytes;
  EXPECT_GE(NumberIn(text, "raw key size"), point_bytes);
  EXPECT_GE(NumberIn(text, "raw value size"), 12);
  EXPECT_EQ(NumberIn(text, "filter block size"), 0);
  EXPECT_EQ(NumberIn(text, "table size"),
            static_cast<double>(Made()->TotalBytes()));
}

TEST_F(TablePropertiesTextTest, LevelsAreSummedUpByThemselves) {
  AddTable(1, {{"a", 9}, {"b", 9}});
  AddTable(1, {{"c", 9}});
  AddTable(2, {{"a", 1}});
  const auto version = Made();
  const auto entries = [&](int first, int last) {
    return NumberIn(*TablePropertiesText(*version, first, last), "# entries");
  };
  EXPECT_EQ(entries(0, 0), 0);
  EXPECT_EQ(entries(1, 1), 3);
  EXPECT_EQ(entries(2, 2), 1);
  EXPECT_EQ(entries(1, 2), 4);
  EXPECT_EQ(entries(0, kLevels - 1), 4);
}

TEST_F(TablePropertiesTextTest, AveragesAreOfTheEntriesThatHaveAKey) {
  AddTable(1, {{"aa", 2, ValueType::kValue, "1234"},
               {"bbbb", 1, ValueType::kValue, "12345678"}});
  std::string text = *TablePropertiesText(*Made(), 1, 1);
  EXPECT_EQ(NumberIn(text, "raw average key size"), 3 + kTagBytes);
  EXPECT_EQ(NumberIn(text, "raw average value size"), 6);
  AddTable(2, {}, {{"x", "z", 2}});
  text = *TablePropertiesText(*Made(), 2, 2);
  EXPECT_EQ(NumberIn(text, "raw average key size"), 0);
}

TEST_F(TablePropertiesTextTest, ATableThatDoesNotOpenLeavesNoAnswer) {
  AddTable(1, {{"a", 1}});
  AddTable(2, {{"a", 0}});
  const auto version = Made();
  ASSERT_TRUE(FileSystem::Default()->RemoveFile(PathOf(2)).ok());
  EXPECT_EQ(TablePropertiesText(*version, 0, kLevels - 1), std::nullopt);
  EXPECT_EQ(TablePropertiesText(*version, 2, 2), std::nullopt);
  EXPECT_EQ(CompressionRatioText(*version, 2), std::nullopt);
  EXPECT_NE(TablePropertiesText(*version, 1, 1), std::nullopt);
  EXPECT_NE(CompressionRatioText(*version, 1), std::nullopt);
}

TEST_F(TablePropertiesTextTest, TheRatioIsRawBytesForEachByteOfTheFiles) {
  AddTable(1, {{"a", 1, ValueType::kValue, std::string(100'000, 'x')}});
  const auto version = Made();
  const double file_bytes = static_cast<double>(version->LevelBytes(1));
  EXPECT_NEAR(std::stod(*CompressionRatioText(*version, 1)),
              (100'000 + 1 + kTagBytes) / file_bytes, 1e-5);
  EXPECT_EQ(CompressionRatioText(*version, 2), "-1.000000");
}

}  // namespace
}  // namespace paceline
