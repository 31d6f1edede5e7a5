// Opens databases that RocksDB wrote, whole and damaged ones, in each recovery
// mode, and compares what is found with testdata/golden/expected.txt.
//
// PACELINE_GOLDEN names another directory of such databases.

#include "test/support/golden.h"

#include <cstdlib>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "paceline/db.h"

#include "gtest/gtest.h"
#include "test/support/subprocess.h"
#include "test/support/test_database.h"
#include "test/support/test_directory.h"

namespace paceline {
namespace {

std::string GoldenDirectory() {
  const char* directory = std::getenv("PACELINE_GOLDEN");
  return directory != nullptr ? directory : PACELINE_GOLDEN_DIRECTORY;
}

Options GoldenOptions(WALRecoveryMode mode) {
  Options options;
  options.merge_operator = NewStringAppendOperator();
  options.wal_recovery_mode = mode;
  return options;
}

size_t EntriesOf(const Contents& contents) {
  size_t count = 0;
  for (const auto& [family, entries] : contents) count += entries.size();
  return count;
}

class GoldenTest : public testing::TestWithParam<GoldenCase> {
 protected:
  GoldenTest()
      : directory_(UnpackGolden(GoldenDirectory(), GetParam().database,
                                root_.path())) {}

  // The one database that has families of different orders.
  static void SetOrders(TestDatabase* database) {
    if (GetParam().database != "reverse_comparator") return;
    database->SetComparator(kDefaultColumnFamilyName,
                            ReverseBytewiseComparator());
  }

  // True if the open failed, as it had to or may.
  static bool IsExpectedFailure(const Status& status) {
    if (GetParam().is_optional && status.IsNotSupported()) return true;
    if (!GetParam().is_error) return false;
    EXPECT_THAT(status, HasCode(Status::kCorruption));
    return true;
  }

  TestDirectory root_;
  const std::string directory_;
  const Options options_ = GoldenOptions(GetParam().mode);
};

TEST_P(GoldenTest, ReadingFindsWhatRocksDBFindsAndChangesNothing) {
  const auto files = ReadDirectory(directory_);
  TestDatabase database;
  SetOrders(&database);
  const Status status = database.OpenForReadOnly(options_, directory_);
  if (!IsExpectedFailure(status)) {
    ASSERT_THAT(status, IsOk());
    const Contents contents = database.ReadAll();
    EXPECT_EQ(EntriesOf(contents), GetParam().entries);
    EXPECT_EQ(Sha256(CanonicalDump(contents)), GetParam().sha256);
    ASSERT_THAT(database.Close(), IsOk());
  }
  EXPECT_EQ(ReadDirectory(directory_), files);
}

TEST_P(GoldenTest, ReadingEachKeyFindsWhatTheScanFinds) {
  TestDatabase database;
  SetOrders(&database);
  const Status status = database.OpenForReadOnly(options_, directory_);
  if (IsExpectedFailure(status)) return;
  ASSERT_THAT(status, IsOk());
  for (const auto& [family, entries] : database.ReadAll()) {
    for (const auto& [key, expected] : entries) {
      std::string value;
      ASSERT_THAT(database->Get({}, database.Family(family), key, &value),
                  IsOk());
      ASSERT_EQ(value, expected);
    }
  }
}

TEST_P(GoldenTest, AFailedOpenLeavesTheDatabaseAsItWas) {
  if (!GetParam().is_error) return;
  const auto before = ReadDirectory(directory_);
  TestDatabase database;
  SetOrders(&database);
  EXPECT_THAT(database.Open(options_, directory_),
              HasCode(Status::kCorruption));
  const auto after = ReadDirectory(directory_);
  for (const auto& [name, bytes] : before) {
    ASSERT_TRUE(after.contains(name)) << name << " was removed";
    EXPECT_EQ(after.at(name), bytes) << name << " was changed";
  }
}

// Whatever damage a recovery met, what it found and what is written after it
// must be there for every later open, in the strictest mode, too.
TEST_P(GoldenTest, WhatARecoveryFoundAndLaterWritesStayInEveryMode) {
  Contents contents;
  {
    // The directory is copied: no file may come or go meanwhile.
    Options options = options_;
    options.disable_auto_compactions = true;
    TestDatabase database;
    SetOrders(&database);
    const Status status = database.Open(options, directory_);
    if (IsExpectedFailure(status)) return;
    ASSERT_THAT(status, IsOk());
    EXPECT_EQ(Sha256(CanonicalDump(database.ReadAll())), GetParam().sha256);
    ASSERT_THAT(database->Put({}, "a new key", "a new value"), IsOk());
    contents = database.ReadAll();
    EXPECT_EQ(EntriesOf(contents), GetParam().entries + 1);
    // Copying takes a while, in which no file may come or go.
    ASSERT_THAT(database->WaitForCompact({}), IsOk());
    CopyDirectory(directory_, root_ / "killed");
  }
  for (const NamedRecoveryMode& mode : kRecoveryModes) {
    for (const std::string& directory : {directory_, root_ / "killed"}) {
      SCOPED_TRACE(directory + " in mode " + mode.name);
      TestDatabase database;
      SetOrders(&database);
      // A killed process leaves zeros behind its last record, never damage.
      ASSERT_THAT(database.OpenForReadOnly(GoldenOptions(mode.mode), directory),
                  IsOk());
      EXPECT_EQ(Difference(contents, database.ReadAll()), "");
    }
  }
}

TEST_P(GoldenTest, CompactingAndReopeningChangesNoEntry) {
  Options options = options_;
  // Many output files.
  options.target_file_size_base = uint64_t{8} << 10;
  options.compression = kLZ4Compression;
  for (const auto bottommost :
       {BottommostLevelCompaction::kSkip, BottommostLevelCompaction::kForce}) {
    TestDatabase database;
    SetOrders(&database);
    const Status status = database.Open(options, directory_);
    if (IsExpectedFailure(status)) return;
    ASSERT_THAT(status, IsOk());
    EXPECT_EQ(Sha256(CanonicalDump(database.ReadAll())), GetParam().sha256);
    for (const std::string& name : database.FamilyNames()) {
      ASSERT_THAT(
          database->CompactRange({.bottommost_level_compaction = bottommost},
                                 database.Family(name), nullptr, nullptr),
          IsOk());
    }
    EXPECT_EQ(Sha256(CanonicalDump(database.ReadAll())), GetParam().sha256);
  }
  TestDatabase database;
  SetOrders(&database);
  ASSERT_THAT(database.OpenForReadOnly(options_, directory_), IsOk());
  EXPECT_EQ(Sha256(CanonicalDump(database.ReadAll())), GetParam().sha256);
  EXPECT_THAT(database->VerifyChecksum({}), IsOk());
}

// What was set aside because of the damage belongs to the database.
TEST_P(GoldenTest, DestroyRemovesTheDatabaseAndWhatARecoverySetAside) {
  {
    TestDatabase database;
    SetOrders(&database);
    const Status status = database.Open(options_, directory_);
    if (IsExpectedFailure(status)) return;
    ASSERT_THAT(status, IsOk());
  }
  EXPECT_THAT(DestroyDB(directory_, options_), IsOk());
  EXPECT_FALSE(std::filesystem::exists(directory_));
}

INSTANTIATE_TEST_SUITE_P(RocksDB, GoldenTest,
                         testing::ValuesIn(ReadGoldenCases(GoldenDirectory())),
                         [](const auto& parameter) {
                           return parameter.param.database + "_in_mode_" +
                                  parameter.param.mode_name;
                         });

}  // namespace
}  // namespace paceline
