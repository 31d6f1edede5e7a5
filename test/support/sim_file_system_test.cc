// The simulated disk itself: that it loses what ext4 and xfs were measured to
// lose, keeps what was synced, and fails what it is told to.

#include "test/support/sim_file_system.h"

#include <cerrno>
#include <functional>
#include <memory>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "test/support/test_database.h"

namespace paceline {
namespace {

using Files = std::map<std::string, std::string>;

constexpr uint64_t kPage = SimDisk::kPageBytes;

class SimFileSystemTest : public testing::Test {
 protected:
  std::unique_ptr<WritableFile> Create(
      const std::string& path, const WritableFileOptions& options = {}) {
    auto file = files_.NewWritableFile(path, options);
    EXPECT_TRUE(file.ok()) << file.status().ToString();
    return file.ok() ? *std::move(file) : nullptr;
  }

  // A file that survives everything.
  void CreateDurable(const std::string& path, const std::string& bytes) {
    auto file = Create(path);
    ASSERT_THAT(file->Append(bytes), IsOk());
    ASSERT_THAT(file->Sync(), IsOk());
    ASSERT_THAT(file->Close(), IsOk());
    ASSERT_THAT(files_.SyncDirectory("/"), IsOk());
  }

  std::string Read(const std::string& path) {
    auto file = files_.NewSequentialFile(path);
    if (!file.ok()) return file.status().ToString();
    std::string bytes(1 << 20, '\0');
    Slice read;
    EXPECT_THAT((*file)->Read(bytes.size(), &read, bytes.data()), IsOk());
    return read.ToString();
  }

  Files After(CrashModel model, uint64_t seed = 0) const {
    return files_.Disk().AfterCrash(model, seed).Files();
  }

  // True if a crash now may leave what `is_left` says.
  bool CanLeave(CrashModel model,
                const std::function<bool(const Files&)>& is_left) const {
    constexpr uint64_t kSeeds = 500;
    for (uint64_t seed = 0; seed < kSeeds; ++seed) {
      if (is_left(After(model, seed))) return true;
    }
    return false;
  }
  // True if every crash now leaves what `is_left` says.
  bool AlwaysLeaves(const std::function<bool(const Files&)>& is_left) const {
    for (int model = 0; model < kCrashModels; ++model) {
      if (CanLeave(static_cast<CrashModel>(model),
                   [&](const Files& files) { return !is_left(files); })) {
        return false;
      }
    }
    return true;
  }

  SimFileSystem files_;
};

// --- What the kernel was seen to do ---

TEST_F(SimFileSystemTest, ASyncAfterAFailedOneSucceedsAndSavesNothing) {
  auto file = Create("/f");
  ASSERT_THAT(file->Append("old"), IsOk());
  ASSERT_THAT(file->Sync(), IsOk());
  ASSERT_THAT(files_.SyncDirectory("/"), IsOk());
  ASSERT_THAT(file->Append("new"), IsOk());
  files_.AddFault({.operations = {"Sync"}});
  EXPECT_THAT(file->Sync(), HasCode(Status::kIOError));
  EXPECT_THAT(file->Sync(), IsOk());
  EXPECT_EQ(Read("/f"), "oldnew") << "from the page cache";
  EXPECT_EQ(After(CrashModel::kNothing)["/f"].substr(0, 3), "old");
  EXPECT_TRUE(AlwaysLeaves([](const Files& files) {
    return files.at("/f").find("new") == std::string::npos ||
           files == Files{{"/f", "oldnew"}};
  }));
  files_.DropCaches();
  EXPECT_EQ(Read("/f"), std::string("old\0\0\0", 6)) << "from the device";
}

TEST_F(SimFileSystemTest, AFailedSyncMayRevertWhatIsRead) {
  auto file = Create("/f");
  ASSERT_THAT(file->Append("new"), IsOk());
  files_.SetFailedSync(FailedSync::kRevert);
  files_.AddFault({.operations = {"Sync"}});
  EXPECT_THAT(file->Sync(), HasCode(Status::kIOError));
  EXPECT_EQ(Read("/f"), std::string(3, '\0'));
}

TEST_F(SimFileSystemTest, AFailedSyncMaySaveSomeSectors) {
  auto file = Create("/f");
  ASSERT_THAT(file->Append(std::string(16 * kPage, 'x')), IsOk());
  files_.SetFailedSync(FailedSync::kPartial);
  files_.AddFault({.operations = {"Sync"}});
  EXPECT_THAT(file->Sync(), HasCode(Status::kIOError));
  EXPECT_EQ(Read("/f"), std::string(16 * kPage, 'x'));
  files_.DropCaches();
  const std::string bytes = Read("/f");
  EXPECT_NE(bytes.find('x'), std::string::npos);
  EXPECT_NE(bytes.find('\0'), std::string::npos);
}

TEST_F(SimFileSystemTest, AFailedJournalFailsEverythingAfterIt) {
  auto file = Create("/f");
  files_.SetFailedSync(FailedSync::kSticky);
  files_.AddFault({.operations = {"Sync"}});
  EXPECT_THAT(file->Sync(), HasCode(Status::kIOError));
  EXPECT_THAT(file->Sync(), HasCode(Status::kIOError));
  EXPECT_THAT(file->Append("x"), HasCode(Status::kIOError));
  EXPECT_THAT(files_.SyncDirectory("/"), HasCode(Status::kIOError));
}

TEST_F(SimFileSystemTest, AnUnsyncedFileIsLostBesideASyncedYoungerOne) {
  auto old_log = Create("/1.log");
  ASSERT_THAT(files_.SyncDirectory("/"), IsOk());
  ASSERT_THAT(old_log->Append(std::string(100, 'a')), IsOk());
  auto new_log = Create("/2.log");
  ASSERT_THAT(files_.SyncDirectory("/"), IsOk());
  ASSERT_THAT(new_log->Append(std::string(100, 'b')), IsOk());
  ASSERT_THAT(new_log->Sync(), IsOk());
  EXPECT_EQ(After(CrashModel::kNothing),
            (Files{{"/1.log", ""}, {"/2.log", std::string(100, 'b')}}));
}

TEST_F(SimFileSystemTest, APageIsFoundWithoutThoseBeforeIt) {
  auto log =
      Create("/log", {.preallocate_bytes = 8 * kPage, .allow_mmap = true});
  ASSERT_THAT(log->Sync(), IsOk());
  ASSERT_THAT(files_.SyncDirectory("/"), IsOk());
  std::string expected(8 * kPage, '\0');
  for (char c = 'A'; c < 'A' + 8; ++c) {
    ASSERT_THAT(log->Append(std::string(kPage, c)), IsOk());
  }
  expected.replace(5 * kPage, kPage, kPage, 'F');
  EXPECT_TRUE(CanLeave(CrashModel::kPages, [&](const Files& files) {
    return files.at("/log") == expected;
  }));
}

TEST_F(SimFileSystemTest, ARenameIsLostWithoutASyncOfItsDirectory) {
  CreateDurable("/CURRENT", "old");
  auto temporary = Create("/tmp");
  ASSERT_THAT(temporary->Append("new"), IsOk());
  ASSERT_THAT(temporary->Sync(), IsOk());
  ASSERT_THAT(files_.RenameFile("/tmp", "/CURRENT"), IsOk());
  EXPECT_EQ(After(CrashModel::kNothing), (Files{{"/CURRENT", "old"}}));
  EXPECT_EQ(After(CrashModel::kAll), (Files{{"/CURRENT", "new"}}));
  EXPECT_TRUE(AlwaysLeaves([](const Files& files) {
    return files.at("/CURRENT") == "old" || files.at("/CURRENT") == "new";
  }));
}

TEST_F(SimFileSystemTest, ASyncedRenameStays) {
  CreateDurable("/CURRENT", "old");
  CreateDurable("/tmp", "new");
  ASSERT_THAT(files_.RenameFile("/tmp", "/CURRENT"), IsOk());
  ASSERT_THAT(files_.SyncDirectory("/"), IsOk());
  EXPECT_TRUE(AlwaysLeaves([](const Files& files) {
    return files == Files{{"/CURRENT", "new"}};
  }));
}

TEST_F(SimFileSystemTest, ARemovedFileIsBackWithoutASyncOfItsDirectory) {
  CreateDurable("/f", "bytes");
  ASSERT_THAT(files_.RemoveFile("/f"), IsOk());
  EXPECT_EQ(After(CrashModel::kNothing), (Files{{"/f", "bytes"}}));
  ASSERT_THAT(files_.SyncDirectory("/"), IsOk());
  EXPECT_TRUE(AlwaysLeaves([](const Files& files) { return files.empty(); }));
}

TEST_F(SimFileSystemTest, ASyncedFileMayBeLostWithItsName) {
  auto file = Create("/f");
  ASSERT_THAT(file->Append("bytes"), IsOk());
  ASSERT_THAT(file->Sync(), IsOk());
  EXPECT_EQ(After(CrashModel::kNothing), Files());
  EXPECT_TRUE(CanLeave(CrashModel::kPages, [](const Files& files) {
    return files == Files{{"/f", "bytes"}};
  }));
}

TEST_F(SimFileSystemTest, AFileIsLostWithTheDirectoryThatHoldsIt) {
  ASSERT_THAT(files_.CreateDirectory("/d"), IsOk());
  auto file = Create("/d/f");
  ASSERT_THAT(files_.SyncDirectory("/d"), IsOk());
  EXPECT_EQ(After(CrashModel::kNothing), Files());
  ASSERT_THAT(files_.SyncDirectory("/"), IsOk());
  EXPECT_EQ(After(CrashModel::kNothing), (Files{{"/d/f", ""}}));
}

TEST_F(SimFileSystemTest, AllocatedSpaceReadsAsZerosWhereNothingWasSynced) {
  auto log =
      Create("/log", {.preallocate_bytes = 4 * kPage, .allow_mmap = true});
  ASSERT_THAT(log->Append(std::string(kPage, 'a')), IsOk());
  ASSERT_THAT(log->Sync(), IsOk());
  ASSERT_THAT(files_.SyncDirectory("/"), IsOk());
  ASSERT_THAT(log->Append(std::string(kPage, 'b')), IsOk());
  EXPECT_EQ(
      After(CrashModel::kNothing),
      (Files{{"/log", std::string(kPage, 'a') + std::string(3 * kPage, 0)}}));
}

TEST_F(SimFileSystemTest, PagesOfOneFolioAreWrittenTogether) {
  constexpr uint64_t kPages = 64;
  auto file = Create("/f");
  ASSERT_THAT(files_.SyncDirectory("/"), IsOk());
  ASSERT_THAT(file->Append(std::string(kPages * kPage, 'x')), IsOk());
  EXPECT_FALSE(CanLeave(CrashModel::kFolios, [](const Files& files) {
    const std::string& bytes = files.at("/f");
    const bool has_first = !bytes.empty() && bytes[0] == 'x';
    const bool has_second = bytes.size() > kPage && bytes[kPage] == 'x';
    return has_first != has_second && bytes.size() > kPage;
  }));
}

// --- What is durable, and when ---

TEST_F(SimFileSystemTest, WhatIsSyncedSurvivesEveryCrash) {
  auto file = Create("/f");
  ASSERT_THAT(files_.SyncDirectory("/"), IsOk());
  const std::string bytes(3 * kPage + 17, 's');
  ASSERT_THAT(file->Append(bytes), IsOk());
  ASSERT_THAT(file->Sync(), IsOk());
  ASSERT_THAT(file->Append(std::string(2 * kPage, 'u')), IsOk());
  EXPECT_TRUE(AlwaysLeaves(
      [&](const Files& files) { return files.at("/f").starts_with(bytes); }));
}

TEST_F(SimFileSystemTest, ASyncCoversWhatWasThereWhenItBegan) {
  using Kind = SimEvent::Kind;
  SimDisk disk;
  disk.Apply(1, {.kind = Kind::kCreate, .inode = 2, .path = "/f"});
  disk.Apply(2, {.kind = Kind::kSyncDirectory, .path = "/"});
  disk.Apply(3, {.kind = Kind::kAppend, .inode = 2, .bytes = "before"});
  disk.Apply(4, {.kind = Kind::kSyncBegin, .inode = 2});
  disk.Apply(
      5, {.kind = Kind::kAppend, .inode = 2, .offset = 6, .bytes = "after"});
  disk.Apply(6, {.kind = Kind::kSyncEnd, .inode = 2, .value = 4});
  EXPECT_EQ(disk.AfterCrash(CrashModel::kNothing, 0).Files(),
            (Files{{"/f", "before"}}));
  EXPECT_EQ(disk.AfterCrash(CrashModel::kAll, 0).Files().at("/f").substr(0, 6),
            "before");
}

TEST_F(SimFileSystemTest, AnImageIsAFunctionOfEventModelAndSeed) {
  CreateDurable("/a", "a");
  auto file = Create("/b");
  for (int i = 0; i < 20; ++i) {
    ASSERT_THAT(file->Append(std::string(1'000, 'b')), IsOk());
  }
  ASSERT_THAT(files_.RemoveFile("/a"), IsOk());
  const SimHistory history = files_.History();
  const SimHistory copy = SimHistory::Decode(history.Encode());
  ASSERT_EQ(copy.events().size(), history.events().size());
  std::set<Files> images;
  for (size_t event = 0; event <= history.events().size(); ++event) {
    for (int model = 0; model < kCrashModels; ++model) {
      const auto crash = static_cast<CrashModel>(model);
      const Files image = history.Image(event, crash, 7).Files();
      EXPECT_EQ(image, copy.Image(event, crash, 7).Files());
      EXPECT_EQ(image, history.Image(event, crash, 7).Files());
      images.insert(image);
    }
  }
  EXPECT_GT(images.size(), 20u) << "crashes at different places differ";
}

TEST_F(SimFileSystemTest, AKilledProcessLeavesAPrefixOfAnAppend) {
  auto file = Create("/f");
  ASSERT_THAT(file->Append("0123456789"), IsOk());
  for (uint64_t seed = 0; seed < 100; ++seed) {
    const std::string found = After(CrashModel::kAll, seed)["/f"];
    EXPECT_TRUE(std::string("0123456789").starts_with(found)) << found;
  }
  EXPECT_TRUE(CanLeave(CrashModel::kAll, [](const Files& files) {
    return files.at("/f") == "01234";
  }));
}

TEST_F(SimFileSystemTest, AKilledProcessLeavesTheHeaderOfAStoreLast) {
  auto log = Create("/log", {.preallocate_bytes = kPage, .allow_mmap = true});
  const Slice pieces[] = {"headEND!", "aaaaaaaabbbbbbbbcccccccc"};
  ASSERT_THAT(log->Append(pieces), IsOk());
  bool has_torn = false;
  for (uint64_t seed = 0; seed < 100; ++seed) {
    const std::string found = After(CrashModel::kAll, seed)["/log"];
    const bool is_whole = found.starts_with("headEND!aaaaaaaabbbbbbbbcccccccc");
    EXPECT_TRUE(is_whole || found.substr(4, 4) == std::string(4, '\0'));
    has_torn |= !is_whole;
  }
  EXPECT_TRUE(has_torn);
}

TEST_F(SimFileSystemTest, APowerCutTearsTheLastStoreAtWords) {
  auto file = Create("/f", {.preallocate_bytes = kPage, .allow_mmap = true});
  ASSERT_THAT(file->Sync(), IsOk());
  ASSERT_THAT(files_.SyncDirectory("/"), IsOk());
  ASSERT_THAT(file->Append("aaaaaaaabbbbbbbb"), IsOk());
  EXPECT_TRUE(CanLeave(CrashModel::kSectors, [](const Files& files) {
    return files.at("/f").starts_with(std::string(8, '\0') + "bbbbbbbb");
  }));
}

TEST_F(SimFileSystemTest, ASizeMayBeThereWithoutItsBytes) {
  auto file = Create("/f");
  ASSERT_THAT(files_.SyncDirectory("/"), IsOk());
  ASSERT_THAT(file->Append(std::string(kPage, 'x')), IsOk());
  EXPECT_TRUE(CanLeave(CrashModel::kSizes, [](const Files& files) {
    return files.at("/f") == std::string(kPage, '\0');
  })) << "zeros";
  EXPECT_TRUE(CanLeave(CrashModel::kSizes, [](const Files& files) {
    return files.at("/f").size() == kPage && files.at("/f")[0] != 'x' &&
           files.at("/f")[0] != '\0';
  })) << "garbage";
}

// --- What fails ---

TEST_F(SimFileSystemTest, RulesFailTheOperationsTheyName) {
  files_.AddFault({.operations = {"Append"},
                   .path_pattern = "*.log",
                   .number = 2,
                   .times = 2,
                   .error_number = EIO});
  auto log = Create("/1.log");
  auto table = Create("/1.sst");
  EXPECT_THAT(log->Append("1"), IsOk());
  EXPECT_THAT(table->Append("1"), IsOk());
  EXPECT_THAT(log->Append("2"), HasCode(Status::kIOError));
  EXPECT_THAT(log->Append("3"), HasCode(Status::kIOError));
  EXPECT_THAT(log->Append("4"), IsOk());
  EXPECT_EQ(files_.failures(), 2u);
  EXPECT_EQ(Read("/1.log"), "14");
  EXPECT_THAT(files_.misuses(),
              testing::ElementsAre("Append /1.log", "Append /1.log"));
}

TEST_F(SimFileSystemTest, AnOperationCanFailHalfwayOrAfterItsEffect) {
  files_.AddFault({.operations = {"Append"},
                   .path_pattern = "/half",
                   .effect = SimFault::Effect::kHalf});
  files_.AddFault({.operations = {"Append"},
                   .path_pattern = "/full",
                   .effect = SimFault::Effect::kFull});
  EXPECT_FALSE(Create("/half")->Append("abcd").ok());
  EXPECT_FALSE(Create("/full")->Append("abcd").ok());
  EXPECT_EQ(Read("/half"), "ab");
  EXPECT_EQ(Read("/full"), "abcd");
}

TEST_F(SimFileSystemTest, EveryErrorHasItsStatus) {
  files_.AddFault({.operations = {"FileSize"}, .error_number = ENOSPC});
  EXPECT_TRUE(files_.FileSize("/f").status().IsNoSpace());
  EXPECT_TRUE(files_.FileSize("/f").status().IsPathNotFound());
}

TEST_F(SimFileSystemTest, AFullDiskTakesWhatFits) {
  files_.SetBudget(3 * kPage);
  auto file = Create("/f");
  EXPECT_THAT(file->Append(std::string(kPage, 'x')), IsOk());
  EXPECT_TRUE(file->Append(std::string(5 * kPage, 'y')).IsNoSpace());
  EXPECT_EQ(Read("/f").size(), 3 * kPage);
  EXPECT_TRUE(files_.NewWritableFile("/g", {}).status().IsNoSpace());
  EXPECT_EQ(files_.used_bytes(), 3 * kPage);
  EXPECT_EQ(files_.no_space_count(), 2u);
}

TEST_F(SimFileSystemTest, ARemovedFileGivesItsSpaceBackWhenItIsClosed) {
  files_.SetBudget(2 * kPage);
  auto file = Create("/f");
  ASSERT_THAT(file->Append(std::string(2 * kPage, 'x')), IsOk());
  ASSERT_THAT(files_.RemoveFile("/f"), IsOk());
  EXPECT_TRUE(files_.NewWritableFile("/g", {}).status().IsNoSpace());
  file.reset();
  EXPECT_EQ(files_.used_bytes(), 0u);
  EXPECT_NE(Create("/g"), nullptr);
}

TEST_F(SimFileSystemTest, AllocatedSpaceCountsAndIsCutOff) {
  files_.SetBudget(9 * kPage);
  const WritableFileOptions options = {.preallocate_bytes = 4 * kPage,
                                       .allow_mmap = true};
  auto log = Create("/log", options);
  EXPECT_EQ(files_.used_bytes(), 4 * kPage);
  EXPECT_TRUE(log->Append(std::string(9 * kPage, 'x')).IsNoSpace());
  EXPECT_EQ(files_.used_bytes(), 8 * kPage) << "the third window is too much";
  EXPECT_TRUE(files_.NewWritableFile("/next", options).status().IsNoSpace());
  EXPECT_EQ(files_.used_bytes(), 8 * kPage) << "what failed leaves no file";
  ASSERT_THAT(files_.RemoveFile("/log"), IsOk());
  log.reset();
  log = Create("/log", options);
  ASSERT_THAT(log->Append("x"), IsOk());
  ASSERT_THAT(log->Close(), IsOk());
  EXPECT_EQ(files_.used_bytes(), kPage);
  EXPECT_EQ(Read("/log"), "x");
}

TEST_F(SimFileSystemTest, AFullDiskHasWhatWasSetAside) {
  const WritableFileOptions options = {.preallocate_bytes = 4 * kPage};
  for (const bool is_late : {false, true}) {
    files_.SetLateAllocation(is_late);
    files_.SetBudget(SimFileSystem::kNoBudget);
    const std::string path = is_late ? "/late" : "/log";
    auto log = Create(path, options);
    const uint64_t used = files_.used_bytes();
    files_.SetBudget(used);
    ASSERT_THAT(log->Append(std::string(4 * kPage, 'x')), IsOk());
    ASSERT_THAT(log->Sync(), IsOk());
    EXPECT_EQ(files_.used_bytes(), used);
    Status status = log->Append("y");
    if (status.ok()) status = log->Sync();
    EXPECT_TRUE(status.IsNoSpace());
    EXPECT_EQ(Read(path).substr(0, 4 * kPage), std::string(4 * kPage, 'x'));
  }
}

TEST_F(SimFileSystemTest, WhatWasSetAsideIsGivenBackAndTakenAgain) {
  const WritableFileOptions options = {.preallocate_bytes = 4 * kPage};
  auto log = Create("/log", options);
  EXPECT_EQ(files_.used_bytes(), 4 * kPage);
  ASSERT_THAT(log->Append(std::string(2 * kPage + 1, 'x')), IsOk());
  EXPECT_EQ(files_.used_bytes(), 7 * kPage) << "more than half was used";
  files_.SetBudget(8 * kPage);
  auto other = Create("/other", options);
  EXPECT_EQ(files_.used_bytes(), 8 * kPage) << "made without";
  ASSERT_THAT(log->Close(), IsOk());
  EXPECT_EQ(files_.used_bytes(), 4 * kPage);
  ASSERT_THAT(other->Append("x"), IsOk());
  EXPECT_EQ(files_.used_bytes(), 8 * kPage) << "as soon as there is room";
}

TEST_F(SimFileSystemTest, ADiskMayBeFoundFullByASync) {
  files_.SetLateAllocation(true);
  files_.SetBudget(kPage);
  auto file = Create("/f");
  EXPECT_THAT(file->Append(std::string(2 * kPage, 'x')), IsOk());
  EXPECT_TRUE(file->Sync().IsNoSpace());
  EXPECT_EQ(Read("/f").size(), 2 * kPage);
}

TEST_F(SimFileSystemTest, ACallersBufferMayChangeAfterAnAppend) {
  auto file = Create("/f");
  std::string buffer = "bytes";
  ASSERT_THAT(file->Append(buffer), IsOk());
  buffer.assign(5, '!');
  EXPECT_EQ(Read("/f"), "bytes");
}

TEST_F(SimFileSystemTest, ALockIsHeldOnce) {
  auto lock = files_.LockFile("/LOCK");
  ASSERT_TRUE(lock.ok());
  EXPECT_TRUE(files_.LockFile("/LOCK").status().IsBusy());
  (*lock).reset();
  EXPECT_TRUE(files_.LockFile("/LOCK").ok());
}

}  // namespace
}  // namespace paceline
