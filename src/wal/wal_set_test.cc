// WalSet over real files in a FaultFileSystem, which holds its thread at known
// points and fails what it is told to.

#include "src/wal/wal_set.h"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "src/format/file_name.h"
#include "src/wal/log_reader.h"
#include "test/support/fault_file_system.h"
#include "test/support/test_directory.h"

namespace paceline {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class WalSetTest : public testing::Test {
 protected:
  // The first WAL.
  static constexpr uint64_t kFirst = 10;

  WalSetTest() { Make(); }

  void Make(uint64_t preallocate_bytes = uint64_t{64} << 10,
            bool allow_mmap = true) {
    wals_.emplace(WalSet::Config{
        .file_system = &files_,
        .directory = directory_.path(),
        .preallocate_bytes = preallocate_bytes,
        .allow_mmap = allow_mmap,
        .new_file_number = [this] { return next_number_.fetch_add(1); }});
  }

  // Starts, and holds the set's own thread where it creates the WAL after the
  // first, so that everything else happens on the test's thread. Release the
  // file system before stopping the set.
  void StartWithTheThreadHeld() {
    files_.Hold("NewWritableFile", Name(kFirst + 1));
    ASSERT_TRUE(wals_->Start().ok());
    files_.WaitUntilHeld();
  }

  Status AppendBeforeSync(const std::string& record) {
    const Slice piece = record;
    return wals_->Append({&piece, 1}, /*is_synced_next=*/true);
  }
  Status Append(const std::string& record) {
    const Slice piece = record;
    return wals_->Append({&piece, 1});
  }

  static std::string Name(uint64_t number) {
    return WalFileName("", number).substr(1);
  }
  // What the WAL holds; it must not be damaged.
  std::vector<std::string> RecordsOf(uint64_t number) {
    std::vector<std::string> records;
    auto file =
        FileSystem::Default()->NewSequentialFile(directory_ / Name(number));
    EXPECT_TRUE(file.ok()) << file.status().ToString();
    if (!file.ok()) return records;
    LogReader reader(
        {.file = *std::move(file), .path = Name(number), .log_number = number},
        WALRecoveryMode::kAbsoluteConsistency);
    Slice record;
    while (reader.ReadRecord(&record) == LogReader::Result::kRecord) {
      records.push_back(record.ToString());
    }
    EXPECT_TRUE(reader.status().ok()) << reader.status().ToString();
    return records;
  }
  // "Sync 000010.log" and so on, of all operations on WALs since Arm().
  std::vector<std::string> Operations(const std::string& name) {
    std::vector<std::string> found;
    for (const FileOperation& operation : files_.operations()) {
      if (!operation.path.ends_with(".log") || operation.name != name) continue;
      found.push_back(operation.path.substr(operation.path.rfind('/') + 1));
    }
    return found;
  }

  TestDirectory directory_;
  FaultFileSystem files_;
  std::atomic<uint64_t> next_number_ = kFirst;
  std::optional<WalSet> wals_;
};

TEST_F(WalSetTest, RecordsAreThereAfterClose) {
  ASSERT_TRUE(wals_->Start().ok());
  EXPECT_EQ(wals_->tail_number(), kFirst);
  EXPECT_TRUE(Append("one").ok());
  EXPECT_TRUE(Append("two").ok());
  EXPECT_TRUE(wals_->Close().ok());
  EXPECT_THAT(RecordsOf(kFirst), ElementsAre("one", "two"));
}

TEST_F(WalSetTest, ARecordCanBeMadeOfPieces) {
  ASSERT_TRUE(wals_->Start().ok());
  const Slice pieces[] = {"one ", "", "record"};
  EXPECT_TRUE(wals_->Append(pieces).ok());
  EXPECT_TRUE(wals_->Close().ok());
  EXPECT_THAT(RecordsOf(kFirst), ElementsAre("one record"));
}

TEST_F(WalSetTest, ARecordIsInTheFileWhenAppendReturns) {
  ASSERT_TRUE(wals_->Start().ok());
  ASSERT_TRUE(Append("one").ok());
  EXPECT_THAT(RecordsOf(kFirst), ElementsAre("one")) << "as after a kill";
}

TEST_F(WalSetTest, CloseLeavesOnlyFilesWithRecordsAndNoAllocatedSpace) {
  for (bool allow_mmap : {true, false}) {
    Make(uint64_t{64} << 10, allow_mmap);
    ASSERT_TRUE(wals_->Start().ok());
    const uint64_t first = wals_->tail_number();
    ASSERT_TRUE(Append("one").ok());
    ASSERT_TRUE(wals_->Switch().ok());
    const uint64_t second = wals_->tail_number();
    ASSERT_TRUE(Append("two").ok());
    ASSERT_TRUE(wals_->Switch().ok());
    ASSERT_TRUE(wals_->Close().ok());
    const auto left = ReadDirectory(directory_.path());
    ASSERT_EQ(left.size(), 2u);
    EXPECT_EQ(left.at(Name(first)).size(), log::kHeaderBytes + 3);
    EXPECT_EQ(left.at(Name(second)).size(), log::kHeaderBytes + 3);
    std::filesystem::remove(directory_ / Name(first));
    std::filesystem::remove(directory_ / Name(second));
  }
}

TEST_F(WalSetTest, CloseSyncsWhatWasNot) {
  StartWithTheThreadHeld();
  ASSERT_TRUE(Append("one").ok());
  ASSERT_TRUE(wals_->Switch().ok());
  ASSERT_TRUE(Append("two").ok());
  files_.Disarm();  // Clears the list of operations.
  files_.Release();
  ASSERT_TRUE(wals_->Close().ok());
  EXPECT_THAT(Operations("Sync"), ElementsAre(Name(10), Name(12)));
}

TEST_F(WalSetTest, CloseWithoutStartDoesNothing) {
  EXPECT_TRUE(wals_->Close().ok());
  EXPECT_TRUE(ReadDirectory(directory_.path()).empty());
}

TEST_F(WalSetTest, ASyncWithoutATailIsAnErrorThatNamesTheDirectory) {
  const Status status = wals_->Sync();
  EXPECT_TRUE(status.IsIOError());
  EXPECT_THAT(status.ToString(), HasSubstr(directory_.path()));
}

TEST_F(WalSetTest, AnErrorOfStartIsReturnedAndStartMayBeTriedAgain) {
  for (const char* operation : {"NewWritableFile", "SyncDirectory"}) {
    files_.Arm({.operation = 1, .name = operation});
    const Status status = wals_->Start();
    EXPECT_TRUE(status.IsIOError());
    EXPECT_THAT(status.ToString(), HasSubstr(FaultFileSystem::kFaultText));
    EXPECT_TRUE(ReadDirectory(directory_.path()).empty());
  }
  files_.Disarm();
  EXPECT_TRUE(wals_->Start().ok());
  EXPECT_EQ(wals_->tail_number(), kFirst + 2);
}

TEST_F(WalSetTest, ANewWalIsInItsDirectoryBeforeItIsUsed) {
  ASSERT_TRUE(wals_->Start().ok());
  const auto operations = files_.operations();
  ASSERT_GE(operations.size(), 2u);
  EXPECT_EQ(operations[0].name, "NewWritableFile");
  EXPECT_EQ(operations[1].name, "SyncDirectory");
  EXPECT_EQ(operations[1].path, directory_.path());
}

// ---- Switching.

TEST_F(WalSetTest, AfterASwitchRecordsGoToTheNextWal) {
  ASSERT_TRUE(wals_->Start().ok());
  ASSERT_TRUE(Append("one").ok());
  ASSERT_TRUE(wals_->Switch().ok());
  const uint64_t second = wals_->tail_number();
  EXPECT_GT(second, kFirst);
  ASSERT_TRUE(Append("two").ok());
  ASSERT_TRUE(wals_->Close().ok());
  EXPECT_THAT(RecordsOf(kFirst), ElementsAre("one"));
  EXPECT_THAT(RecordsOf(second), ElementsAre("two"));
  EXPECT_EQ(wals_->switches(), 2u);
}

// When exactly the thread is done cannot be seen from outside, so it is given
// as many chances as it needs.
TEST_F(WalSetTest, ASwitchTakesAPreparedWalWithoutWaiting) {
  ASSERT_TRUE(wals_->Start().ok());
  // Until the thread was faster than a sync once: sooner or later it is.
  uint64_t waits = 0;
  do {
    ASSERT_TRUE(Append("before").ok());
    ASSERT_TRUE(wals_->Sync().ok());
    waits = wals_->switch_waits();
    ASSERT_TRUE(wals_->Switch().ok());
  } while (wals_->switch_waits() > waits);
  ASSERT_TRUE(Append("record").ok());
  const uint64_t number = wals_->tail_number();
  ASSERT_TRUE(wals_->Close().ok());
  EXPECT_THAT(RecordsOf(number), ElementsAre("record"));
}

TEST_F(WalSetTest, AWalGetsAsMuchSpaceAsTheOneBeforeItNeeded) {
  constexpr uint64_t kBytes = 1'000'000;
  ASSERT_TRUE(wals_->Start().ok());
  ASSERT_TRUE(Append(std::string(kBytes, 'x')).ok());
  // The next one is there before the size of the first is known.
  wals_->WaitUntilIdle();
  ASSERT_TRUE(wals_->Switch().ok());
  wals_->WaitUntilIdle();
  ASSERT_TRUE(wals_->Switch().ok());
  ASSERT_TRUE(Append("small").ok());
  EXPECT_LT(*files_.FileSize(directory_ / Name(kFirst + 1)), kBytes);
  EXPECT_GE(*files_.FileSize(directory_ / Name(wals_->tail_number())), kBytes);
}

// Recovery reads WALs by number, so a prepared one that was overtaken must not
// be written any more.
TEST_F(WalSetTest, NumbersGrowFromWalToWalAlsoPastAnOvertakenOne) {
  StartWithTheThreadHeld();  // In making the eleventh.
  ASSERT_TRUE(wals_->Switch().ok());
  uint64_t last = wals_->tail_number();
  EXPECT_EQ(last, kFirst + 2);
  files_.Release();
  while (files_.CountOf("RemoveFile", Name(kFirst + 1)) == 0) {
    std::this_thread::yield();
  }
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(wals_->Switch().ok());
    EXPECT_GT(wals_->tail_number(), last);
    last = wals_->tail_number();
  }
}

TEST_F(WalSetTest, ASwitchDoesNotWaitForAWalThatIsBeingPrepared) {
  StartWithTheThreadHeld();
  ASSERT_TRUE(wals_->Switch().ok());
  EXPECT_EQ(wals_->switch_waits(), 1u);
  EXPECT_EQ(wals_->tail_number(), kFirst + 2);
  files_.Release();
}

TEST_F(WalSetTest, ASwitchDoesNotWaitForTheSyncOfAFullWal) {
  files_.Hold("Sync", Name(kFirst));
  ASSERT_TRUE(wals_->Start().ok());
  ASSERT_TRUE(Append("one").ok());
  ASSERT_TRUE(wals_->Switch().ok());
  std::thread syncer([&] { EXPECT_TRUE(wals_->SyncFull().ok()); });
  files_.WaitUntilHeld();
  EXPECT_TRUE(Append("two").ok());
  EXPECT_TRUE(wals_->Switch().ok());
  EXPECT_TRUE(Append("three").ok());
  files_.Release();
  syncer.join();
  EXPECT_TRUE(wals_->Close().ok());
}

TEST_F(WalSetTest, AFailedSwitchLeavesTheTailAndMayBeTriedAgain) {
  StartWithTheThreadHeld();
  ASSERT_TRUE(Append("one").ok());
  for (const char* operation : {"NewWritableFile", "SyncDirectory"}) {
    files_.Arm({.operation = 1, .name = operation, .is_no_space = true});
    EXPECT_TRUE(wals_->Switch().IsNoSpace());
    EXPECT_EQ(wals_->tail_number(), kFirst);
  }
  EXPECT_TRUE(Append("two").ok());
  EXPECT_TRUE(wals_->Switch().ok());
  EXPECT_EQ(wals_->tail_number(), kFirst + 4);
  EXPECT_TRUE(Append("three").ok());
  files_.Release();
  ASSERT_TRUE(wals_->Close().ok());
  EXPECT_THAT(RecordsOf(kFirst), ElementsAre("one", "two"));
  EXPECT_THAT(RecordsOf(kFirst + 4), ElementsAre("three"));
  EXPECT_EQ(ReadDirectory(directory_.path()).size(), 2u)
      << "the file that could not be used is removed";
}

TEST_F(WalSetTest, AWalThatCannotBePreparedIsNoFailureYet) {
  files_.Arm({.operation = 1,
              .name = "NewWritableFile",
              .path_end = Name(kFirst + 1)});
  StartWithTheThreadHeld();
  files_.Release();
  EXPECT_TRUE(Append("one").ok());
  EXPECT_TRUE(wals_->Switch().ok()) << "makes one itself";
  EXPECT_TRUE(Append("two").ok());
  EXPECT_TRUE(wals_->Close().ok());
  EXPECT_TRUE(files_.has_failed());
}

// ---- Syncing.

TEST_F(WalSetTest, ASyncCoversOlderWalsFirstAndEachOfThemOnce) {
  StartWithTheThreadHeld();
  ASSERT_TRUE(Append("one").ok());
  ASSERT_TRUE(wals_->Switch().ok());
  ASSERT_TRUE(Append("two").ok());
  ASSERT_TRUE(wals_->Switch().ok());
  ASSERT_TRUE(Append("three").ok());
  files_.Disarm();
  ASSERT_TRUE(wals_->Sync().ok());
  EXPECT_THAT(Operations("Sync"), ElementsAre(Name(10), Name(12), Name(13)));
  EXPECT_THAT(Operations("Close"), ElementsAre(Name(10), Name(12)));
  EXPECT_EQ(wals_->syncs(), 3u);
  files_.Disarm();
  ASSERT_TRUE(wals_->Sync().ok());
  EXPECT_THAT(Operations("Sync"), ElementsAre(Name(13)));
  EXPECT_THAT(Operations("Close"), IsEmpty());
  files_.Release();
}

// What comes in the next one may be told of before that sync.
TEST_F(WalSetTest, ASwitchLeavesNothingInTheProcess) {
  ASSERT_TRUE(wals_->Start().ok());
  ASSERT_TRUE(AppendBeforeSync("one").ok());
  EXPECT_EQ(ReadFileBytes(directory_ / Name(kFirst)).find("one"),
            std::string::npos);
  ASSERT_TRUE(wals_->Switch().ok());
  EXPECT_NE(ReadFileBytes(directory_ / Name(kFirst)).find("one"),
            std::string::npos);
}

TEST_F(WalSetTest, ASyncOfTheTailDoesNotCloseIt) {
  ASSERT_TRUE(wals_->Start().ok());
  ASSERT_TRUE(Append("one").ok());
  ASSERT_TRUE(wals_->Sync().ok());
  EXPECT_TRUE(Append("two").ok());
  EXPECT_TRUE(wals_->Sync().ok());
  EXPECT_TRUE(wals_->Close().ok());
  EXPECT_THAT(RecordsOf(kFirst), ElementsAre("one", "two"));
}

TEST_F(WalSetTest, AFullWalIsNotSyncedBeforeAnybodyAsks) {
  ASSERT_TRUE(wals_->Start().ok());
  ASSERT_TRUE(Append("one").ok());
  ASSERT_TRUE(wals_->Switch().ok());
  wals_->WaitUntilIdle();
  EXPECT_EQ(files_.CountOf("Sync", Name(kFirst)), 0u);
  ASSERT_TRUE(wals_->Close().ok());
  EXPECT_EQ(files_.CountOf("Sync", Name(kFirst)), 1u);
}

TEST_F(WalSetTest, FullWalsCanBeSyncedWithoutTheTail) {
  StartWithTheThreadHeld();
  ASSERT_TRUE(Append("one").ok());
  ASSERT_TRUE(wals_->Switch().ok());
  ASSERT_TRUE(Append("two").ok());
  files_.Disarm();
  ASSERT_TRUE(wals_->SyncFull().ok());
  ASSERT_TRUE(wals_->SyncFull().ok()) << "nothing is left to do";
  EXPECT_THAT(Operations("Sync"), ElementsAre(Name(kFirst)));
  EXPECT_THAT(Operations("Close"), ElementsAre(Name(kFirst)));
  files_.Release();
}

TEST_F(WalSetTest, WhatIsNotNeededIsNotSyncedAnyMore) {
  StartWithTheThreadHeld();
  ASSERT_TRUE(Append("one").ok());
  ASSERT_TRUE(wals_->Switch().ok());  // To 12: the thread is at 11.
  ASSERT_TRUE(Append("two").ok());
  ASSERT_TRUE(wals_->Switch().ok());
  wals_->Release(kFirst + 2);
  files_.Disarm();
  ASSERT_TRUE(wals_->Sync().ok());
  EXPECT_THAT(Operations("Sync"), ElementsAre(Name(12), Name(13)));
  files_.Release();
}

TEST_F(WalSetTest, AnUnclosableFullWalIsNoFailure) {
  StartWithTheThreadHeld();
  ASSERT_TRUE(Append("one").ok());
  ASSERT_TRUE(wals_->Switch().ok());
  files_.Arm({.operation = 1, .name = "Close"});
  EXPECT_TRUE(wals_->Sync().ok());
  EXPECT_TRUE(files_.has_failed());
  files_.Release();
  EXPECT_TRUE(wals_->Close().ok());
}

// ---- Failures.

TEST_F(WalSetTest, AfterAFailedAppendNothingIsDoneWithTheFileAnyMore) {
  for (Fault::Effect effect :
       {Fault::Effect::kNone, Fault::Effect::kHalf, Fault::Effect::kFull}) {
    Make();
    next_number_ = kFirst;
    StartWithTheThreadHeld();
    ASSERT_TRUE(Append("one").ok());
    files_.Arm({.operation = 1, .name = "Append", .effect = effect});
    EXPECT_THAT(Append("two").ToString(),
                HasSubstr(FaultFileSystem::kFaultText));
    for (const Status& refused : {Append("three"), wals_->Sync()}) {
      EXPECT_TRUE(refused.IsIOError());
      EXPECT_THAT(refused.ToString(), HasSubstr(Name(kFirst)));
    }
    files_.Release();
    EXPECT_FALSE(wals_->Close().ok());
    EXPECT_THAT(Operations("Append"), ElementsAre(Name(kFirst)));
    EXPECT_THAT(Operations("Sync"), IsEmpty());
    EXPECT_THAT(Operations("Close"), IsEmpty());
    EXPECT_THAT(files_.uses_after_failure(), IsEmpty());
    std::filesystem::remove(directory_ / Name(kFirst));
  }
}

TEST_F(WalSetTest, AfterAFailedSyncNothingIsDoneWithTheFileAnyMore) {
  for (Fault::Effect effect : {Fault::Effect::kNone, Fault::Effect::kFull}) {
    Make();
    next_number_ = kFirst;
    StartWithTheThreadHeld();
    ASSERT_TRUE(Append("one").ok());
    files_.Arm({.operation = 1, .name = "Sync", .effect = effect});
    EXPECT_THAT(wals_->Sync().ToString(),
                HasSubstr(FaultFileSystem::kFaultText));
    for (const Status& refused : {wals_->Sync(), Append("two")}) {
      EXPECT_TRUE(refused.IsIOError());
      EXPECT_THAT(refused.ToString(), HasSubstr(Name(kFirst)));
    }
    files_.Release();
    EXPECT_FALSE(wals_->Close().ok());
    EXPECT_THAT(Operations("Append"), IsEmpty());
    EXPECT_THAT(Operations("Sync"), ElementsAre(Name(kFirst)));
    EXPECT_THAT(Operations("Close"), IsEmpty());
    EXPECT_THAT(files_.uses_after_failure(), IsEmpty());
    std::filesystem::remove(directory_ / Name(kFirst));
  }
}

TEST_F(WalSetTest, AFailedSyncOfAnOlderWalKeepsTheTailUnsynced) {
  StartWithTheThreadHeld();
  ASSERT_TRUE(Append("one").ok());
  ASSERT_TRUE(wals_->Switch().ok());
  ASSERT_TRUE(Append("two").ok());
  files_.Arm({.operation = 1, .name = "Sync", .path_end = Name(kFirst)});
  EXPECT_FALSE(wals_->Sync().ok());
  EXPECT_FALSE(wals_->Sync().ok()) << "the bytes may be lost for good";
  EXPECT_THAT(Operations("Sync"), ElementsAre(Name(kFirst)));
  files_.Release();
  EXPECT_FALSE(wals_->Close().ok());
  EXPECT_THAT(files_.uses_after_failure(), IsEmpty());
}

TEST_F(WalSetTest, ATailThatFailedFailsSyncsAlsoWhenItIsFull) {
  StartWithTheThreadHeld();
  ASSERT_TRUE(Append("one").ok());
  files_.Arm({.operation = 1, .name = "Append"});
  ASSERT_FALSE(Append("two").ok());
  ASSERT_TRUE(wals_->Switch().ok());
  EXPECT_TRUE(wals_->SyncFull().IsIOError());
  EXPECT_TRUE(wals_->Sync().IsIOError());
  files_.Release();
  EXPECT_FALSE(wals_->Close().ok());
  EXPECT_THAT(Operations("Sync"), IsEmpty());
  EXPECT_THAT(files_.uses_after_failure(), IsEmpty());
}

// Of two syncs at once only one would be told of the failure by the system.
TEST_F(WalSetTest, ASyncBesideAFailingOneFailsToo) {
  StartWithTheThreadHeld();
  ASSERT_TRUE(Append("one").ok());
  ASSERT_TRUE(wals_->Switch().ok());
  files_.Release();
  wals_->WaitUntilIdle();
  files_.Arm({.operation = 1, .name = "Sync", .path_end = Name(kFirst)});
  files_.Hold("Sync", Name(kFirst));
  Status first;
  std::thread syncer([&] { first = wals_->SyncFull(); });
  files_.WaitUntilHeld();
  Status beside;
  std::thread other([&] { beside = wals_->Sync(); });
  files_.Release();
  syncer.join();
  other.join();
  EXPECT_TRUE(first.IsIOError());
  EXPECT_TRUE(beside.IsIOError());
  EXPECT_EQ(files_.CountOf("Sync", Name(kFirst)), 1u);
}

TEST_F(WalSetTest, StartAfterAbandonBeginsAnewWithANewFile) {
  StartWithTheThreadHeld();
  ASSERT_TRUE(Append("one").ok());
  files_.Arm({.operation = 1, .name = "Append"});
  ASSERT_FALSE(Append("two").ok());
  files_.Release();
  wals_->Abandon();
  files_.Disarm();
  ASSERT_TRUE(wals_->Start().ok());
  const uint64_t second = wals_->tail_number();
  EXPECT_GT(second, kFirst);
  EXPECT_TRUE(Append("three").ok());
  EXPECT_TRUE(wals_->Sync().ok());
  EXPECT_TRUE(wals_->Close().ok());
  EXPECT_THAT(RecordsOf(kFirst), ElementsAre("one"));
  EXPECT_THAT(RecordsOf(second), ElementsAre("three"));
}

TEST_F(WalSetTest, AbandonSyncsNothingAndRemovesThePreparedWal) {
  StartWithTheThreadHeld();
  ASSERT_TRUE(Append("one").ok());
  files_.Release();
  wals_->Abandon();
  EXPECT_THAT(Operations("Sync"), IsEmpty());
  EXPECT_EQ(ReadDirectory(directory_.path()).size(), 1u);
  EXPECT_THAT(RecordsOf(kFirst), ElementsAre("one"));
}

// Fails the 1st, 2nd, 3rd ... file operation. What Append() acknowledged is in
// the files in order; only the last append may be there without an answer.
TEST_F(WalSetTest, WhateverFailsAcknowledgedRecordsAreThere) {
  bool has_failed = true;
  for (uint64_t operation = 1; has_failed; ++operation) {
    ASSERT_LT(operation, 200u);
    std::filesystem::remove_all(directory_.path());
    std::filesystem::create_directory(directory_.path());
    next_number_ = kFirst;
    Make();
    files_.Arm({.operation = operation});
    std::vector<std::pair<uint64_t, std::string>> acknowledged;
    Status s = wals_->Start();
    if (s.ok()) {
      for (int i = 0; i < 6 && s.ok(); ++i) {
        const std::string record = "record " + std::to_string(i);
        s = Append(record);
        if (!s.ok()) break;
        acknowledged.emplace_back(wals_->tail_number(), record);
        if (i % 2 == 1) s = wals_->Switch();
        if (s.ok() && i == 2) s = wals_->Sync();
      }
      const Status closed = wals_->Close();
      if (!s.ok() && !files_.has_failed()) ADD_FAILURE() << s.ToString();
      if (closed.ok()) {
      }
    }
    has_failed = files_.has_failed();
    EXPECT_THAT(files_.uses_after_failure(), IsEmpty()) << operation;
    files_.Disarm();
    std::map<uint64_t, std::vector<std::string>> expected;
    for (const auto& [number, record] : acknowledged) {
      expected[number].push_back(record);
    }
    for (const auto& [number, records] : expected) {
      EXPECT_EQ(RecordsOf(number), records) << "operation " << operation;
    }
  }
}

TEST_F(WalSetTest, SyncsRunBesideAppendsAndSwitches) {
  constexpr int kRecords = 2000;
  ASSERT_TRUE(wals_->Start().ok());
  std::atomic<bool> is_done = false;
  std::thread syncer([&] {
    while (!is_done.load()) EXPECT_TRUE(wals_->Sync().ok());
  });
  std::vector<uint64_t> numbers = {wals_->tail_number()};
  for (int i = 0; i < kRecords; ++i) {
    ASSERT_TRUE(Append(std::to_string(i)).ok());
    if (i % 100 == 99) {
      ASSERT_TRUE(wals_->Switch().ok());
      numbers.push_back(wals_->tail_number());
    }
  }
  is_done.store(true);
  syncer.join();
  ASSERT_TRUE(wals_->Close().ok());
  EXPECT_TRUE(std::is_sorted(numbers.begin(), numbers.end()));
  numbers.pop_back();  // Closed without a record.
  int next = 0;
  for (uint64_t number : numbers) {
    for (const std::string& record : RecordsOf(number)) {
      EXPECT_EQ(record, std::to_string(next++));
    }
  }
  EXPECT_EQ(next, kRecords);
}

}  // namespace
}  // namespace paceline
