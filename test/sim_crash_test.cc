// Crashes of a whole database on a simulated disk.

#include <cerrno>
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "paceline/db.h"

#include "gtest/gtest.h"
#include "test/support/no_logger.h"
#include "test/support/sim_file_system.h"
#include "test/support/test_database.h"

namespace paceline {
namespace {

constexpr const char* kDirectory = "/data/db";

Options OptionsOn(SimFileSystem* files) {
  Options options;
  options.create_if_missing = true;
  options.file_system = files;
  options.info_log = std::make_shared<NoLogger>();
  options.allow_mmap_writes = false;
  return options;
}

TEST(PowerCutTest, ANewDatabaseKeepsItsDirectory) {
  SimFileSystem files;
  ASSERT_THAT(files.CreateDirectory("/data"), IsOk());
  ASSERT_THAT(files.SyncDirectory("/"), IsOk());
  TestDatabase database;
  ASSERT_THAT(database.Open(OptionsOn(&files), kDirectory), IsOk());
  ASSERT_THAT(database->Put({.sync = true}, "key", "value"), IsOk());
  SimFileSystem image(files.Disk().AfterCrash(CrashModel::kNothing, 0));
  TestDatabase recovered;
  ASSERT_THAT(recovered.Open(OptionsOn(&image), kDirectory), IsOk());
  EXPECT_EQ(Difference({{"default", {{"key", "value"}}}}, recovered.ReadAll()),
            "");
}

// A batch over two families, of which one is flushed: the other part must not
// be in a WAL that a power cut can take away.
TEST(PowerCutTest, AFlushOfOneFamilyKeepsTheOthersPartOfItsBatches) {
  SimFileSystem files;
  ASSERT_THAT(files.CreateDirectory("/data"), IsOk());
  ASSERT_THAT(files.SyncDirectory("/"), IsOk());
  TestDatabase database;
  ASSERT_THAT(database.Open(OptionsOn(&files), kDirectory), IsOk());
  ASSERT_THAT(database.CreateFamily("other"), IsOk());
  WriteBatch batch;
  ASSERT_THAT(batch.Put("key", "1"), IsOk());
  ASSERT_THAT(batch.Put(database.Family("other"), "key", "2"), IsOk());
  ASSERT_THAT(database->Write({}, &batch), IsOk());
  files.AddFault({.operations = {"Sync"},
                  .path_pattern = "*.log",
                  .times = UINT64_MAX,
                  .error_number = EIO});
  EXPECT_THAT(database->Flush({}), HasCode(Status::kIOError))
      << "the WAL cannot be synced";
  SimFileSystem image(files.Disk().AfterCrash(CrashModel::kNothing, 0));
  TestDatabase recovered;
  ASSERT_THAT(recovered.Open(OptionsOn(&image), kDirectory), IsOk());
  EXPECT_EQ(Difference({{"default", {}}, {"other", {}}}, recovered.ReadAll()),
            "");
  EXPECT_THAT(database.Close(), HasCode(Status::kIOError));
}

// The history in which the first WAL's syncs are still under way, but for the
// first one of them.
SimHistory WithoutLaterSyncs(const SimHistory& history) {
  std::vector<SimEvent> events = history.events();
  uint64_t inode = 0;
  uint64_t appends = 0;
  for (SimEvent& event : events) {
    if (!event.path.ends_with(".log")) continue;
    const bool is_append = event.kind == SimEvent::Kind::kAppend;
    if (inode == 0 && is_append) inode = event.inode;
    if (event.inode != inode) continue;
    appends += is_append ? 1 : 0;
    if (appends < 2 || event.kind != SimEvent::Kind::kSyncEnd) continue;
    event = SimEvent();
    event.bytes = "not yet";
  }
  return {SimDisk(), events};
}

// The end of a WAL is lost between two records, which nothing in it shows, and
// the next WAL is there.
TEST(PowerCutTest, WhatFollowsALostEndOfAWalIsNotReplayed) {
  SimFileSystem files;
  ASSERT_THAT(files.CreateDirectory("/data"), IsOk());
  ASSERT_THAT(files.SyncDirectory("/"), IsOk());
  TestDatabase database;
  ASSERT_THAT(database.Open(OptionsOn(&files), kDirectory), IsOk());
  ASSERT_THAT(database.CreateFamily("other"), IsOk());
  ASSERT_THAT(database->Put({.sync = true}, "1", ""), IsOk());
  ASSERT_THAT(database->Put({}, "2", ""), IsOk());
  ASSERT_THAT(database->Put({}, database.Family("other"), "3", ""), IsOk());
  // The next WAL begins, and this one stays.
  files.AddFault(
      {.operations = {"Sync"}, .path_pattern = "*.sst", .times = UINT64_MAX});
  EXPECT_THAT(database->Flush({}, {database.Family("other")}),
              HasCode(Status::kIOError));
  ASSERT_THAT(database->Put({}, "4", ""), IsOk());
  const SimHistory history = WithoutLaterSyncs(files.History());
  std::set<std::string> seen;
  constexpr uint64_t kSeeds = 100;
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    SimFileSystem image(
        history.Image(history.events().size(), CrashModel::kPrefix, seed));
    TestDatabase recovered;
    ASSERT_THAT(recovered.Open(OptionsOn(&image), kDirectory), IsOk());
    std::string value;
    std::string found;
    for (const char* key : {"1", "2", "4"}) {
      if (recovered->Get({}, key, &value).ok()) found += key;
    }
    seen.insert(found);
  }
  EXPECT_THAT(seen, testing::ElementsAre("1", "12", "124"));
  EXPECT_THAT(database.Close(), IsOk());
}

}  // namespace
}  // namespace paceline
