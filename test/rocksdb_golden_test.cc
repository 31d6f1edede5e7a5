// What RocksDB wrote, Paceline goes on with and compacts, and RocksDB reads
// the result: each golden database once through both.

#include <cstdlib>
#include <memory>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "test/support/golden.h"
#include "test/support/rocksdb_peer.h"
#include "test/support/test_database.h"
#include "test/support/test_directory.h"

namespace paceline {
namespace {

std::string GoldenDirectory() {
  const char* directory = std::getenv("PACELINE_GOLDEN");
  return directory != nullptr ? directory : PACELINE_GOLDEN_DIRECTORY;
}

std::vector<GoldenCase> CasesInDefaultMode() {
  std::vector<GoldenCase> cases;
  for (const GoldenCase& golden : ReadGoldenCases(GoldenDirectory())) {
    // The peer opens all families of a database with one order.
    if (golden.database == "reverse_comparator") continue;
    if (golden.mode_name == "pit" && !golden.is_error) cases.push_back(golden);
  }
  return cases;
}

class RocksDBGoldenTest : public testing::TestWithParam<GoldenCase> {};

TEST_P(RocksDBGoldenTest, RocksDBReadsWhatPacelineMadeOfIt) {
  TestDirectory root;
  const std::string directory =
      UnpackGolden(GoldenDirectory(), GetParam().database, root.path());
  Options options;
  options.merge_operator = NewStringAppendOperator();
  Contents contents;
  {
    TestDatabase database;
    const Status status = database.Open(options, directory);
    if (GetParam().is_optional && status.IsNotSupported()) return;
    ASSERT_THAT(status, IsOk());
    for (const std::string& name : database.FamilyNames()) {
      ColumnFamilyHandle* family = database.Family(name);
      ASSERT_THAT(database->Put({}, family, "a new key", name), IsOk());
      ASSERT_THAT(database->Flush({}, family), IsOk());
      ASSERT_THAT(database->Put({}, family, "another", name), IsOk());
      ASSERT_THAT(
          database->CompactRange({.bottommost_level_compaction =
                                      BottommostLevelCompaction::kForce},
                                 family, nullptr, nullptr),
          IsOk());
      ASSERT_THAT(database->Put({}, family, "in the WAL", name), IsOk());
    }
    contents = database.ReadAll();
  }
  RocksDBPeer peer;
  ASSERT_THAT(peer.Open({}, directory), IsOk());
  EXPECT_EQ(Difference(contents, peer.ReadAll()), "");
  EXPECT_THAT(peer.VerifyChecksums(), IsOk());
}

INSTANTIATE_TEST_SUITE_P(All, RocksDBGoldenTest,
                         testing::ValuesIn(CasesInDefaultMode()),
                         [](const auto& parameter) {
                           return parameter.param.database;
                         });

}  // namespace
}  // namespace paceline
