// Opening, closing and destroying databases: who may, what it changes, and
// what is told to whom.

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "paceline/db.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "test/support/fault_file_system.h"
#include "test/support/subprocess.h"
#include "test/support/test_database.h"
#include "test/support/test_directory.h"

namespace paceline {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::UnorderedElementsAre;

constexpr const char* kOpenProbe = PACELINE_OPEN_PROBE;

class DBBasicTest : public testing::Test {
 protected:
  DBBasicTest() { options_.create_if_missing = true; }

  // The status code another process gets that opens the database.
  int CodeInOtherProcess() const {
    return RunProgram({kOpenProbe, path_}).exit_code;
  }

  TestDirectory directory_;
  const std::string path_ = directory_ / "db";
  FaultFileSystem files_;
  Options options_;
  TestDatabase database_;
};

TEST_F(DBBasicTest, AMissingDatabaseIsOnlyMadeIfAskedFor) {
  options_.create_if_missing = false;
  EXPECT_THAT(database_.Open(options_, path_),
              HasCode(Status::kInvalidArgument));
  EXPECT_FALSE(std::filesystem::exists(path_ + "/CURRENT"));
  options_.create_if_missing = true;
  EXPECT_THAT(database_.Open(options_, path_), IsOk());
}

TEST_F(DBBasicTest, ErrorIfExistsRefusesAnExistingDatabaseAndKeepsIt) {
  options_.error_if_exists = true;
  ASSERT_THAT(database_.Open(options_, path_), IsOk());
  ASSERT_THAT(database_->Put({}, "key", "value"), IsOk());
  ASSERT_THAT(database_.Close(), IsOk());
  EXPECT_THAT(database_.Open(options_, path_),
              HasCode(Status::kInvalidArgument));
  options_.error_if_exists = false;
  ASSERT_THAT(database_.Open(options_, path_), IsOk());
  std::string value;
  EXPECT_THAT(database_->Get({}, "key", &value), IsOk());
}

TEST_F(DBBasicTest, AFailedOpenSetsTheDatabaseToNull) {
  options_.create_if_missing = false;
  DB* db = reinterpret_cast<DB*>(this);
  EXPECT_THAT(DB::Open(options_, path_, &db),
              HasCode(Status::kInvalidArgument));
  EXPECT_EQ(db, nullptr);
}

TEST_F(DBBasicTest, ASecondOpenInTheSameProcessIsBusy) {
  ASSERT_THAT(database_.Open(options_, path_), IsOk());
  std::unique_ptr<DB> second;
  const Status status = DB::Open(options_, path_, &second);
  EXPECT_THAT(status, HasCode(Status::kBusy));
  EXPECT_THAT(status, Mentions(path_));
  ASSERT_THAT(database_->Put({}, "key", "value"), IsOk());
  ASSERT_THAT(database_.Close(), IsOk());
  EXPECT_THAT(DB::Open(options_, path_, &second), IsOk());
}

TEST_F(DBBasicTest, ASecondOpenByAnotherNameOfTheDirectoryIsBusy) {
  ASSERT_THAT(database_.Open(options_, path_), IsOk());
  std::filesystem::create_directory_symlink(path_, directory_ / "link");
  std::unique_ptr<DB> second;
  EXPECT_THAT(DB::Open(options_, directory_ / "link", &second),
              HasCode(Status::kBusy));
  EXPECT_THAT(DB::Open(options_, path_ + "/", &second), HasCode(Status::kBusy));
}

TEST_F(DBBasicTest, ASecondOpenInAnotherProcessIsBusy) {
  ASSERT_THAT(database_.Open(options_, path_), IsOk());
  EXPECT_EQ(CodeInOtherProcess(), Status::kBusy);
  ASSERT_THAT(database_.Close(), IsOk());
  EXPECT_EQ(CodeInOtherProcess(), Status::kOk);
}

TEST_F(DBBasicTest, ADatabaseThatAnotherProcessHasOpenIsBusy) {
  Subprocess other({kOpenProbe, path_, "hold"});
  ASSERT_EQ(other.ReadLine(), "open");
  EXPECT_THAT(database_.Open(options_, path_), HasCode(Status::kBusy));
  EXPECT_THAT(DestroyDB(path_, options_), HasCode(Status::kBusy));
  EXPECT_EQ(other.Finish().exit_code, Status::kOk);
  EXPECT_THAT(database_.Open(options_, path_), IsOk());
}

// A POSIX record lock is lost when the process closes any descriptor of the
// file, so nothing else in the process may do that.
TEST_F(DBBasicTest, NothingElseInTheProcessTakesTheLockAway) {
  ASSERT_THAT(database_.Open(options_, path_), IsOk());
  std::unique_ptr<DB> second;
  EXPECT_THAT(DB::Open(options_, path_, &second), HasCode(Status::kBusy));
  EXPECT_EQ(CodeInOtherProcess(), Status::kBusy);
  EXPECT_THAT(DestroyDB(path_, options_), HasCode(Status::kBusy));
  EXPECT_EQ(CodeInOtherProcess(), Status::kBusy);
  EXPECT_THAT(DB::OpenForReadOnly(options_, path_, &second), IsOk());
  second.reset();
  EXPECT_EQ(CodeInOtherProcess(), Status::kBusy);
  std::vector<std::string> families;
  EXPECT_THAT(DB::ListColumnFamilies(options_, path_, &families), IsOk());
  EXPECT_EQ(CodeInOtherProcess(), Status::kBusy);
}

TEST_F(DBBasicTest, ReopeningFindsWhatWasWritten) {
  ASSERT_THAT(database_.Open(options_, path_), IsOk());
  ASSERT_THAT(database_->Put({}, "a", "1"), IsOk());
  ASSERT_THAT(database_->Put({.sync = true}, "", "empty key"), IsOk());
  ASSERT_THAT(database_->Put({}, "b", ""), IsOk());
  ASSERT_THAT(database_->Put({}, "c", std::string(200'000, 'c')), IsOk());
  ASSERT_THAT(database_->Delete({}, "a"), IsOk());
  const Contents contents = database_.ReadAll();
  EXPECT_EQ(contents.at("default").size(), 3u);
  for (int i = 0; i < 3; ++i) {
    ASSERT_THAT(database_.Close(), IsOk());
    ASSERT_THAT(database_.Open(options_, path_), IsOk());
    EXPECT_EQ(Difference(contents, database_.ReadAll()), "");
  }
}

TEST_F(DBBasicTest, ADatabaseThatIsOnlyDeletedLosesNothing) {
  std::unique_ptr<DB> db;
  ASSERT_THAT(DB::Open(options_, path_, &db), IsOk());
  ASSERT_THAT(db->Put({}, "key", "value"), IsOk());
  db.reset();
  ASSERT_THAT(DB::Open(options_, path_, &db), IsOk());
  std::string value;
  EXPECT_THAT(db->Get({}, "key", &value), IsOk());
}

TEST_F(DBBasicTest, CloseWithALiveSnapshotIsAbortedAndChangesNothing) {
  ASSERT_THAT(database_.Open(options_, path_), IsOk());
  const Snapshot* snapshot = database_->GetSnapshot();
  EXPECT_THAT(database_->Close(), HasCode(Status::kAborted));
  EXPECT_THAT(database_->Put({}, "key", "value"), IsOk());
  database_->ReleaseSnapshot(snapshot);
  EXPECT_THAT(database_->Close(), IsOk());
  EXPECT_THAT(database_->Close(), IsOk());
}

TEST_F(DBBasicTest, AnIteratorMayOutliveItsDatabase) {
  ASSERT_THAT(database_.Open(options_, path_), IsOk());
  ASSERT_THAT(database_->Put({}, "a", "1"), IsOk());
  ASSERT_THAT(database_->Put({}, "b", "2"), IsOk());
  const std::unique_ptr<Iterator> iterator(database_->NewIterator({}));
  iterator->SeekToFirst();
  ASSERT_THAT(database_.Close(), IsOk());
  ASSERT_TRUE(iterator->Valid());
  EXPECT_EQ(iterator->value().ToString(), "1");
  iterator->Next();
  ASSERT_TRUE(iterator->Valid());
  EXPECT_EQ(iterator->value().ToString(), "2");
  iterator->Next();
  EXPECT_FALSE(iterator->Valid());
  EXPECT_THAT(iterator->status(), IsOk());
}

TEST_F(DBBasicTest, WritersThatWaitWhenTheDatabaseClosesAreTold) {
  ASSERT_THAT(database_.Open(options_, path_), IsOk());
  ASSERT_THAT(database_->LockWAL(), IsOk());
  constexpr int kWriters = 4;
  std::atomic<int> told = 0;
  std::vector<std::thread> writers;
  for (int i = 0; i < kWriters; ++i) {
    writers.emplace_back([&] {
      // Whether it waits already or comes too late, the answer is the same.
      const Status status = database_->Put({}, "key", "value");
      EXPECT_THAT(status, HasCode(Status::kShutdownInProgress));
      told += status.IsShutdownInProgress();
    });
  }
  EXPECT_THAT(database_->Close(), IsOk());
  for (std::thread& writer : writers) writer.join();
  EXPECT_EQ(told, kWriters);
  ASSERT_THAT(database_.Close(), IsOk());
  ASSERT_THAT(database_.Open(options_, path_), IsOk());
  EXPECT_EQ(Difference({{"default", {}}}, database_.ReadAll()), "");
}

// Tells when a thread looks at it, as a leader does before it waits.
class WatchedClock final : public Clock {
 public:
  uint64_t NowMicros() override { return Clock::Default()->NowMicros(); }
  uint64_t MonotonicNanos() override {
    if (std::this_thread::get_id() == watched.load()) is_seen = true;
    return Clock::Default()->MonotonicNanos();
  }

  std::atomic<std::thread::id> watched;
  std::atomic<bool> is_seen = false;
};

TEST_F(DBBasicTest, CloseFlushesUnloggedWritesBehindAWaitingLeader) {
  WatchedClock clock;
  options_.clock = &clock;
  ASSERT_THAT(database_.Open(options_, path_), IsOk());
  ASSERT_THAT(database_->Put({.disableWAL = true}, "unlogged", ""), IsOk());
  ASSERT_THAT(database_->LockWAL(), IsOk());
  std::thread writer([&] {
    clock.watched = std::this_thread::get_id();
    EXPECT_THAT(database_->Put({}, "key", ""),
                HasCode(Status::kShutdownInProgress));
  });
  while (!clock.is_seen) std::this_thread::yield();
  EXPECT_THAT(database_->Close(), IsOk());
  writer.join();
  ASSERT_THAT(database_.Close(), IsOk());
  ASSERT_THAT(database_.Open(options_, path_), IsOk());
  EXPECT_EQ(Difference({{"default", {{"unlogged", ""}}}}, database_.ReadAll()),
            "");
  ASSERT_THAT(database_.Close(), IsOk());
}

TEST_F(DBBasicTest, WhatNeedsTheBackgroundFailsAfterClose) {
  ASSERT_THAT(database_.Open(options_, path_), IsOk());
  ASSERT_THAT(database_->Put({}, "key", ""), IsOk());
  ASSERT_THAT(database_->Close(), IsOk());
  const auto files = ReadDirectory(path_);
  EXPECT_THAT(database_->Flush({}), HasCode(Status::kShutdownInProgress));
  EXPECT_THAT(database_->CompactRange({}, nullptr, nullptr),
              HasCode(Status::kShutdownInProgress));
  EXPECT_THAT(database_->WaitForCompact({.flush = true}),
              HasCode(Status::kShutdownInProgress));
  EXPECT_EQ(ReadDirectory(path_), files);
}

TEST_F(DBBasicTest, WritersThatRaceWithCloseAreCommittedOrTold) {
  options_.file_system = &files_;
  ASSERT_THAT(database_.Open(options_, path_), IsOk());
  files_.Hold("Sync", ".log");
  constexpr int kWriters = 4;
  std::vector<Status> statuses(kWriters + 1);
  std::vector<std::thread> threads;
  threads.emplace_back(
      [&] { statuses[0] = database_->Put({.sync = true}, "key0", ""); });
  files_.WaitUntilHeld();
  for (int i = 1; i <= kWriters; ++i) {
    threads.emplace_back([&, i] {
      statuses[i] = database_->Put({}, "key" + std::to_string(i), "");
    });
  }
  std::thread closer([&] { EXPECT_THAT(database_->Close(), IsOk()); });
  files_.Release();
  for (std::thread& thread : threads) thread.join();
  closer.join();
  EXPECT_THAT(statuses[0], IsOk()) << "it ran before Close()";
  ASSERT_THAT(database_.Close(), IsOk());
  ASSERT_THAT(database_.Open(options_, path_), IsOk());
  for (int i = 0; i <= kWriters; ++i) {
    std::string value;
    const Status found = database_->Get({}, "key" + std::to_string(i), &value);
    EXPECT_EQ(found.ok(), statuses[i].ok()) << i;
    EXPECT_TRUE(statuses[i].ok() || statuses[i].IsShutdownInProgress());
  }
}

TEST_F(DBBasicTest, ReadOnlyOpenChangesNothingInTheDirectory) {
  ASSERT_THAT(database_.Open(options_, path_, {}), IsOk());
  ASSERT_THAT(database_.CreateFamily("other"), IsOk());
  ASSERT_THAT(database_->Put({}, "key", "value"), IsOk());
  const Contents contents = database_.ReadAll();
  ASSERT_THAT(database_.Close(), IsOk());
  const auto files = ReadDirectory(path_);
  TestDatabase reader;
  ASSERT_THAT(reader.OpenForReadOnly(options_, path_), IsOk());
  EXPECT_EQ(Difference(contents, reader.ReadAll()), "");
  EXPECT_THAT(reader->Put({}, "k", "v"), HasCode(Status::kNotSupported));
  WriteBatch batch;
  EXPECT_THAT(reader->Write({}, &batch), HasCode(Status::kNotSupported));
  EXPECT_THAT(reader.CreateFamily("third"), HasCode(Status::kNotSupported));
  ASSERT_THAT(reader.Close(), IsOk());
  EXPECT_EQ(ReadDirectory(path_), files);
}

TEST_F(DBBasicTest, ReadOnlyOpenOfAnOpenDatabaseSeesWhatWasCommitted) {
  ASSERT_THAT(database_.Open(options_, path_), IsOk());
  ASSERT_THAT(database_->Put({}, "before", ""), IsOk());
  TestDatabase reader;
  ASSERT_THAT(reader.OpenForReadOnly(options_, path_), IsOk());
  ASSERT_THAT(database_->Put({}, "after", ""), IsOk());
  EXPECT_EQ(Difference({{"default", {{"before", ""}}}}, reader.ReadAll()), "");
}

TEST_F(DBBasicTest, OpensThatFailDoNotFillTheDisk) {
  ASSERT_THAT(database_.Open(options_, path_), IsOk());
  ASSERT_THAT(database_->Put({}, "key", "value"), IsOk());
  const std::string copy = directory_ / "copy";
  CopyDirectory(path_, copy);  // As a kill would leave it.
  options_.file_system = &files_;
  const auto failing_open = [&](const Fault& fault) {
    files_.Arm(fault);
    std::unique_ptr<DB> db;
    EXPECT_FALSE(DB::Open(options_, copy, &db).ok());
    files_.Disarm();
    std::set<std::string> names = FileNames(copy);
    std::erase_if(names,
                  [](const auto& name) { return name.starts_with("LOG"); });
    return names;
  };
  const Fault no_manifest = {
      .operation = 1, .name = "SyncDirectory", .is_no_space = true};
  // Once the edits that name the table may be in the MANIFEST, it stays.
  const Fault no_edit = {
      .operation = 3, .name = "SyncDirectory", .is_no_space = true};
  for (const Fault& fault : {no_manifest, no_edit}) {
    const size_t files = failing_open(fault).size();
    for (int i = 0; i < 3; ++i) EXPECT_EQ(failing_open(fault).size(), files);
  }
  TestDatabase reopened;
  ASSERT_THAT(reopened.Open(options_, copy), IsOk());
  EXPECT_EQ(Difference({{"default", {{"key", "value"}}}}, reopened.ReadAll()),
            "");
}

// Calls a function in front of some operations, as if another process were
// faster than this one.
class HookFileSystem final : public FaultFileSystem {
 public:
  std::function<void()> before_list;
  std::function<void()> before_table;
  std::function<void()> before_manifest;

  StatusOr<std::vector<std::string>> ListDirectory(
      const std::string& directory) override {
    if (before_list) before_list();
    return FaultFileSystem::ListDirectory(directory);
  }
  StatusOr<std::unique_ptr<RandomAccessFile>> NewRandomAccessFile(
      const std::string& path) override {
    if (before_table) before_table();
    return FaultFileSystem::NewRandomAccessFile(path);
  }
  StatusOr<std::unique_ptr<SequentialFile>> NewSequentialFile(
      const std::string& path) override {
    bool is_manifest = path.find("/MANIFEST-") != std::string::npos;
    if (is_manifest && before_manifest) before_manifest();
    return FaultFileSystem::NewSequentialFile(path);
  }
};

class ReadOnlyOpenTest : public DBBasicTest {
 protected:
  ReadOnlyOpenTest() { reading_options_.file_system = &hooks_; }

  // Lets the writer close, so that what is obsolete is gone.
  void Reopen() {
    ASSERT_THAT(database_.Close(), IsOk());
    ASSERT_THAT(database_.Open(options_, path_), IsOk());
  }
  void PutAndFlush(const std::string& key) {
    ASSERT_THAT(database_->Put({}, key, ""), IsOk());
    ASSERT_THAT(database_->Flush({}), IsOk());
  }
  std::set<std::string> FilesThatEndIn(const std::string& ending) const {
    return FileNames(path_, ending);
  }

  HookFileSystem hooks_;
  Options reading_options_;
};

TEST_F(ReadOnlyOpenTest, WhatIsFlushedMeanwhileIsNotLost) {
  ASSERT_THAT(database_.Open(options_, path_), IsOk());
  ASSERT_THAT(database_->Put({}, "key", ""), IsOk());
  const std::string wal = *FilesThatEndIn(".log").begin();
  bool is_flushed = false;
  hooks_.before_list = [&] {
    if (std::exchange(is_flushed, true)) return;
    ASSERT_THAT(database_->Flush({}), IsOk());
    // The flush is over when its WALs are removed, too.
    ASSERT_THAT(database_->WaitForCompact({}), IsOk());
    ASSERT_FALSE(FilesThatEndIn(".log").contains(wal));
  };
  TestDatabase reader;
  ASSERT_THAT(reader.OpenForReadOnly(reading_options_, path_), IsOk());
  EXPECT_TRUE(is_flushed);
  EXPECT_EQ(Difference({{"default", {{"key", ""}}}}, reader.ReadAll()), "");
}

TEST_F(ReadOnlyOpenTest, WhatIsCompactedMeanwhileIsFoundWhereItIsNow) {
  ASSERT_THAT(database_.Open(options_, path_), IsOk());
  PutAndFlush("a");
  PutAndFlush("a");
  const auto tables = FilesThatEndIn(".sst");
  bool is_compacted = false;
  hooks_.before_table = [&] {
    if (std::exchange(is_compacted, true)) return;
    ASSERT_THAT(database_->CompactRange({}, nullptr, nullptr), IsOk());
    Reopen();
    for (const std::string& table : FilesThatEndIn(".sst")) {
      ASSERT_FALSE(tables.contains(table)) << table;
    }
  };
  TestDatabase reader;
  ASSERT_THAT(reader.OpenForReadOnly(reading_options_, path_), IsOk());
  EXPECT_TRUE(is_compacted);
  EXPECT_EQ(Difference({{"default", {{"a", ""}}}}, reader.ReadAll()), "");
}

TEST_F(ReadOnlyOpenTest, AManifestThatIsReplacedMeanwhileIsFollowed) {
  ASSERT_THAT(database_.Open(options_, path_), IsOk());
  ASSERT_THAT(database_->Put({}, "key", ""), IsOk());
  bool is_replaced = false;
  hooks_.before_manifest = [&] {
    if (!std::exchange(is_replaced, true)) Reopen();
  };
  std::unique_ptr<DB> db;
  ASSERT_THAT(DB::OpenForReadOnly(reading_options_, path_, &db), IsOk());
  EXPECT_TRUE(is_replaced);
  std::string value;
  EXPECT_THAT(db->Get({}, "key", &value), IsOk());
}

TEST_F(ReadOnlyOpenTest, AWriterThatIsFasterEachTimeMakesItBusy) {
  ASSERT_THAT(database_.Open(options_, path_), IsOk());
  ASSERT_THAT(database_->Put({}, "key", ""), IsOk());
  int tries = 0;
  hooks_.before_list = [&] { PutAndFlush("key" + std::to_string(++tries)); };
  std::unique_ptr<DB> db;
  EXPECT_THAT(DB::OpenForReadOnly(reading_options_, path_, &db),
              HasCode(Status::kBusy));
  EXPECT_EQ(db, nullptr);
  EXPECT_GT(tries, 1);
}

TEST_F(ReadOnlyOpenTest, ATableThatIsReallyMissingIsNamed) {
  ASSERT_THAT(database_.Open(options_, path_), IsOk());
  PutAndFlush("a");
  ASSERT_THAT(database_.Close(), IsOk());
  const std::string table = *FilesThatEndIn(".sst").begin();
  std::filesystem::remove(path_ + "/" + table);
  std::unique_ptr<DB> db;
  const Status status = DB::OpenForReadOnly(options_, path_, &db);
  EXPECT_TRUE(status.IsPathNotFound());
  EXPECT_THAT(status, Mentions(table));
}

TEST_F(DBBasicTest, ReadOnlyOpenOfNothingFailsAndMakesNothing) {
  std::unique_ptr<DB> db;
  EXPECT_FALSE(DB::OpenForReadOnly(options_, path_, &db).ok());
  EXPECT_EQ(db, nullptr);
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(DBBasicTest, ReadOnlyOpenMayLeaveColumnFamiliesOut) {
  ASSERT_THAT(database_.Open(options_, path_), IsOk());
  ASSERT_THAT(database_.CreateFamily("other"), IsOk());
  ASSERT_THAT(database_->Put({}, "key", "value"), IsOk());
  ASSERT_THAT(database_.Close(), IsOk());
  std::unique_ptr<DB> db;
  ASSERT_THAT(DB::OpenForReadOnly(options_, path_, &db), IsOk());
  std::string value;
  EXPECT_THAT(db->Get({}, "key", &value), IsOk());
}

TEST_F(DBBasicTest, ListColumnFamiliesNamesThoseThatExist) {
  std::vector<std::string> names;
  EXPECT_FALSE(DB::ListColumnFamilies(options_, path_, &names).ok());
  ASSERT_THAT(database_.Open(options_, path_), IsOk());
  ASSERT_THAT(database_.CreateFamily("one"), IsOk());
  ASSERT_THAT(database_.CreateFamily("two"), IsOk());
  ASSERT_THAT(database_.CreateFamily("three"), IsOk());
  ASSERT_THAT(database_.DropFamily("two"), IsOk());
  ASSERT_THAT(DB::ListColumnFamilies(options_, path_, &names), IsOk());
  EXPECT_THAT(names, UnorderedElementsAre("default", "one", "three"));
  ASSERT_THAT(database_.Close(), IsOk());
  ASSERT_THAT(DB::ListColumnFamilies(options_, path_, &names), IsOk());
  EXPECT_THAT(names, UnorderedElementsAre("default", "one", "three"));
}

TEST_F(DBBasicTest, DestroyRemovesTheDatabaseAndItsDirectory) {
  ASSERT_THAT(database_.Open(options_, path_), IsOk());
  ASSERT_THAT(database_->Put({}, "key", "value"), IsOk());
  EXPECT_THAT(DestroyDB(path_, options_), HasCode(Status::kBusy));
  ASSERT_THAT(database_.Close(), IsOk());
  EXPECT_THAT(DestroyDB(path_, options_), IsOk());
  EXPECT_FALSE(std::filesystem::exists(path_));
  EXPECT_THAT(DestroyDB(path_, options_), IsOk());
}

TEST_F(DBBasicTest, DestroyLeavesForeignFiles) {
  ASSERT_THAT(database_.Open(options_, path_), IsOk());
  ASSERT_THAT(database_.Close(), IsOk());
  std::filesystem::create_directory(path_ + "/folder");
  WriteFileBytes(path_ + "/notes.txt", "mine");
  WriteFileBytes(path_ + "/folder/000001.log", "mine, too");
  EXPECT_THAT(DestroyDB(path_, options_), IsOk());
  EXPECT_THAT(FileNames(path_), ElementsAre("folder", "notes.txt"));
  EXPECT_TRUE(std::filesystem::exists(path_ + "/folder/000001.log"));
}

TEST_F(DBBasicTest, ForeignFilesInTheDirectoryAreLeftAlone) {
  std::filesystem::create_directory(path_);
  WriteFileBytes(path_ + "/notes.txt", "mine");
  ASSERT_THAT(database_.Open(options_, path_), IsOk());
  ASSERT_THAT(database_.Close(), IsOk());
  ASSERT_THAT(database_.Open(options_, path_), IsOk());
  EXPECT_EQ(ReadDirectory(path_).at("notes.txt"), "mine");
}

TEST_F(DBBasicTest, TheParentOfANewDatabaseMustExist) {
  EXPECT_THAT(database_.Open(options_, directory_ / "no/such/parent/db"),
              HasCode(Status::kIOError));
}

TEST_F(DBBasicTest, TheNameIsTheDirectoryItWasOpenedWith) {
  ASSERT_THAT(database_.Open(options_, path_), IsOk());
  EXPECT_EQ(database_->GetName(), path_);
  EXPECT_EQ(database_->DefaultColumnFamily()->GetName(), "default");
  EXPECT_EQ(database_->DefaultColumnFamily()->GetID(), 0u);
}

// Nothing may reach outside the directory through what CURRENT says.
TEST_F(DBBasicTest, ACurrentFileThatNamesNoManifestIsCorruption) {
  ASSERT_THAT(database_.Open(options_, path_), IsOk());
  ASSERT_THAT(database_.Close(), IsOk());
  const std::string current = ReadFileBytes(path_ + "/CURRENT");
  for (const std::string& text :
       {std::string(), std::string("\n"), std::string("../MANIFEST-000001\n"),
        std::string("/etc/passwd\n"), std::string("MANIFEST-\n"),
        std::string("MANIFEST-000001x\n"),
        current.substr(0, current.size() - 1), std::string("garbage\n")}) {
    WriteFileBytes(path_ + "/CURRENT", text);
    EXPECT_THAT(database_.Open(options_, path_), HasCode(Status::kCorruption))
        << text;
  }
  WriteFileBytes(path_ + "/CURRENT", current);
  EXPECT_THAT(database_.Open(options_, path_), IsOk());
}

// Not even where tables and WALs are flushed, merged, damaged and refused.
TEST_F(DBBasicTest, NeitherTheLogNorMessagesTellWhatIsInTheDatabase) {
  const std::string secret = "swordfish";
  options_.compression = kNoCompression;
  ASSERT_THAT(database_.Open(options_, path_), IsOk());
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 100; ++i) {
      const std::string key = secret + std::to_string(i);
      ASSERT_THAT(database_->Put({}, key, "of " + secret), IsOk());
    }
    ASSERT_THAT(database_->DeleteRange({}, database_->DefaultColumnFamily(),
                                       secret + "3", secret + "4"),
                IsOk());
    if (round == 2) break;
    ASSERT_THAT(database_->Flush({}), IsOk());
  }
  ASSERT_THAT(database_->CompactRange({}, nullptr, nullptr), IsOk());
  std::string told;
  told += database_->Put({}, nullptr, secret, secret).ToString();
  told += database_->Merge({}, secret, secret).ToString();
  ASSERT_THAT(database_->Put({}, secret, secret), IsOk());
  ASSERT_THAT(database_.Close(), IsOk());
  for (const auto& [name, bytes] : ReadDirectory(path_)) {
    const bool is_damaged = name.ends_with(".sst") || name.ends_with(".log");
    const size_t at = bytes.find(secret);
    if (!is_damaged || at == std::string::npos) continue;
    std::string damaged = bytes;
    damaged[at + 3] ^= '\x20';
    WriteFileBytes(path_ + "/" + name, damaged);
  }
  if (database_.Open(options_, path_).ok()) {
    std::string value;
    told += database_->Get({}, secret + "1", &value).ToString();
    told += database_->VerifyChecksum({}).ToString();
    EXPECT_THAT(told, testing::HasSubstr("Corruption"));
    EXPECT_THAT(database_.Close(), testing::_);
  }
  for (const auto& [name, bytes] : ReadDirectory(path_)) {
    if (name.starts_with("LOG")) told += bytes;
  }
  EXPECT_THAT(told, testing::HasSubstr("compact"));
  EXPECT_THAT(told, testing::Not(testing::HasSubstr(secret)));
  EXPECT_THAT(
      told,
      testing::Not(testing::HasSubstr(Slice(secret).ToString(/*hex=*/true))));
}

// The edit that named the table may be the one that is lost. The WAL that it
// made needless is gone, so that the present state cannot be recovered.
TEST_F(DBBasicTest, AManifestThatWasCutShortMakesNoTableObsolete) {
  ASSERT_THAT(database_.Open(options_, path_), IsOk());
  ASSERT_THAT(database_->Put({}, "key", "value"), IsOk());
  ASSERT_THAT(database_->Flush({}), IsOk());
  ASSERT_THAT(database_->WaitForCompact({}), IsOk());  // Files are removed.
  const auto before = ReadDirectory(path_);
  ASSERT_THAT(database_.Close(), IsOk());
  std::string current = before.at("CURRENT");
  current.pop_back();
  // Without the end of the last edit, which is that of the flush.
  std::string manifest = before.at(current);
  manifest.pop_back();
  std::filesystem::remove_all(path_);
  std::filesystem::create_directory(path_);
  std::string table;
  for (const auto& [name, bytes] : before) {
    if (name.ends_with(".sst")) table = name;
    if (name == "LOCK") continue;
    WriteFileBytes(path_ + "/" + name, name == current ? manifest : bytes);
  }
  ASSERT_FALSE(table.empty());
  ASSERT_THAT(database_.Open(options_, path_), HasCode(Status::kCorruption));
  EXPECT_EQ(ReadFileBytes(path_ + "/" + table), before.at(table));
  options_.wal_recovery_mode = WALRecoveryMode::kSkipAnyCorruptedRecords;
  ASSERT_THAT(database_.Open(options_, path_), IsOk());
  EXPECT_FALSE(std::filesystem::exists(path_ + "/" + table));
  EXPECT_EQ(ReadFileBytes(path_ + "/archive/" + table), before.at(table));
  EXPECT_EQ(ReadFileBytes(path_ + "/archive/" + current), manifest);
}

}  // namespace
}  // namespace paceline
