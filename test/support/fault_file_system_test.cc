// The fault injector itself: a test tool that injects nothing would let every
// fault test pass.

#include "test/support/fault_file_system.h"

#include <memory>
#include <string>
#include <thread>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "test/support/test_database.h"
#include "test/support/test_directory.h"

namespace paceline {
namespace {

class FaultFileSystemTest : public testing::Test {
 protected:
  // Operation 1 is NewWritableFile, 2 and 3 are Append, 4 is Sync.
  void WriteAbcdef() {
    auto file = files_.NewWritableFile(path_, {});
    statuses_.push_back(file.status());
    if (!file.ok()) return;
    statuses_.push_back((*file)->Append("abcd"));
    statuses_.push_back((*file)->Append("ef"));
    statuses_.push_back((*file)->Sync());
  }

  std::vector<bool> Outcomes() const {
    std::vector<bool> outcomes;
    for (const Status& status : statuses_) outcomes.push_back(status.ok());
    return outcomes;
  }

  TestDirectory directory_;
  const std::string path_ = directory_ / "file";
  FaultFileSystem files_;
  std::vector<Status> statuses_;
};

TEST_F(FaultFileSystemTest, WithoutAFaultEverythingIsPassedOnAndCounted) {
  WriteAbcdef();
  EXPECT_THAT(Outcomes(), testing::ElementsAre(true, true, true, true));
  EXPECT_EQ(ReadFileBytes(path_), "abcdef");
  EXPECT_EQ(files_.operation_count(), 4u);
  EXPECT_EQ(files_.CountOf("Append", "file"), 2u);
  EXPECT_EQ(files_.operations()[3].name, "Sync");
  EXPECT_EQ(files_.operations()[3].path, path_);
  EXPECT_FALSE(files_.has_failed());
  EXPECT_THAT(files_.uses_after_failure(), testing::IsEmpty());
}

TEST_F(FaultFileSystemTest, OneFaultFailsOneOperation) {
  files_.Arm({.operation = 2});
  WriteAbcdef();
  EXPECT_THAT(Outcomes(), testing::ElementsAre(true, false, true, true));
  EXPECT_THAT(statuses_[1], HasCode(Status::kIOError));
  EXPECT_THAT(statuses_[1], Mentions("injected fault 2 in Append"));
  EXPECT_EQ(files_.first_failure(), "injected fault 2 in Append");
  EXPECT_EQ(ReadFileBytes(path_), "ef");
  // The other append, and the sync.
  EXPECT_EQ(files_.uses_after_failure().size(), 2u);
  EXPECT_THAT(files_.repeats_after_failure(),
              testing::ElementsAre("Append " + path_));
}

TEST_F(FaultFileSystemTest, AFaultForEverFailsAllLaterOperations) {
  files_.Arm({.operation = 3, .forever = true, .is_no_space = true});
  WriteAbcdef();
  EXPECT_THAT(Outcomes(), testing::ElementsAre(true, true, false, false));
  EXPECT_TRUE(statuses_[3].IsNoSpace());
  EXPECT_EQ(ReadFileBytes(path_), "abcd");
}

TEST_F(FaultFileSystemTest, TheEffectIsNoneHalfOrFull) {
  files_.Arm({.operation = 2, .effect = Fault::Effect::kHalf});
  WriteAbcdef();
  EXPECT_EQ(ReadFileBytes(path_), "abef");
  EXPECT_THAT(files_.RemoveFile(path_), IsOk());
  files_.Arm({.operation = 2, .effect = Fault::Effect::kFull});
  WriteAbcdef();
  EXPECT_EQ(ReadFileBytes(path_), "abcdef");
  EXPECT_TRUE(files_.has_failed());
}

TEST_F(FaultFileSystemTest, AFaultMayNameTheOperationAndTheFile) {
  files_.Arm({.operation = 1, .name = "Sync", .path_end = "other"});
  WriteAbcdef();
  EXPECT_FALSE(files_.has_failed());
  EXPECT_THAT(files_.RemoveFile(path_), IsOk());
  files_.Arm({.operation = 1, .name = "Sync", .path_end = "file"});
  statuses_.clear();
  WriteAbcdef();
  EXPECT_THAT(Outcomes(), testing::ElementsAre(true, true, true, false));
}

TEST_F(FaultFileSystemTest, AHeldOperationHasNoEffectUntilItIsReleased) {
  files_.Hold("Append", "file");
  std::thread writer([&] { WriteAbcdef(); });
  files_.WaitUntilHeld();
  EXPECT_EQ(ReadFileBytes(path_), "");
  files_.Release();
  writer.join();
  EXPECT_EQ(ReadFileBytes(path_), "abcdef");
}

}  // namespace
}  // namespace paceline
