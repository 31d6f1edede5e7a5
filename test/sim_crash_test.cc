// Crashes of a whole database on a simulated disk.

#include <cerrno>
#include <memory>
#include <string>

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

}  // namespace
}  // namespace paceline
