// Crashes of a whole database on a simulated disk.

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

}  // namespace
}  // namespace paceline
