// What a single Write() promises: which batches and options are refused, and
// when a write is visible and when it is durable.

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "paceline/db.h"

#include "gtest/gtest.h"
#include "src/db/inspection.h"
#include "test/support/fault_file_system.h"
#include "test/support/test_database.h"
#include "test/support/test_directory.h"

namespace paceline {
namespace {

class DBWritingTest : public testing::Test {
 protected:
  DBWritingTest() {
    options_.create_if_missing = true;
    options_.file_system = &files_;
  }

  void Open() {
    ASSERT_THAT(database_.Open(options_, directory_.path()), IsOk());
  }
  void Reopen() {
    ASSERT_THAT(database_.Close(), IsOk());
    Open();
  }

  [[nodiscard]] bool Has(const std::string& key) const {
    std::string value;
    return database_->Get({}, key, &value).ok();
  }

  // How many entries the WALs hold.
  [[nodiscard]] uint64_t EntriesInWals() const {
    uint64_t count = 0;
    EXPECT_THAT(ReadWals(
                    FileSystem::Default(), directory_.path(),
                    [&](const WalRecord& record) {
                      count += record.count;
                      return Status::OK();
                    },
                    [](const LogDamage&) {}),
                IsOk());
    return count;
  }

  TestDirectory directory_;
  FaultFileSystem files_;
  Options options_;
  TestDatabase database_;
};

TEST_F(DBWritingTest, SyncWithoutWalIsRefused) {
  Open();
  EXPECT_THAT(database_->Put({.sync = true, .disableWAL = true}, "k", "v"),
              HasCode(Status::kInvalidArgument));
  EXPECT_FALSE(Has("k"));
  EXPECT_EQ(database_->GetLatestSequenceNumber(), 0u);
}

TEST_F(DBWritingTest, MalformedBatchesLeaveNoTrace) {
  Open();
  ASSERT_THAT(database_->Put({}, "good", "1"), IsOk());
  const SequenceNumber sequence = database_->GetLatestSequenceNumber();
  WriteBatch good;
  ASSERT_THAT(good.Put("bad", "2"), IsOk());
  std::string wrong_count = good.Data();
  wrong_count[8] = 2;
  for (const std::string& bytes :
       {std::string(), std::string(11, '\0'), wrong_count,
        good.Data().substr(0, good.GetDataSize() - 1),
        good.Data() + std::string(1, '\x7e')}) {
    WriteBatch batch(bytes);
    EXPECT_THAT(database_->Write({}, &batch), HasCode(Status::kCorruption))
        << Slice(bytes).ToString(/*hex=*/true);
  }
  EXPECT_EQ(database_->GetLatestSequenceNumber(), sequence);
  EXPECT_FALSE(Has("bad"));
  EXPECT_EQ(EntriesInWals(), 1u);
  EXPECT_THAT(database_->Put({}, "after", "3"), IsOk());
}

TEST_F(DBWritingTest, TransactionMarkersAreNotSupported) {
  Open();
  for (const char tag : {9, 18, 19}) {
    WriteBatch batch(std::string(12, '\0') + tag);
    EXPECT_THAT(database_->Write({}, &batch), HasCode(Status::kNotSupported))
        << static_cast<int>(tag);
  }
  EXPECT_EQ(EntriesInWals(), 0u);
}

TEST_F(DBWritingTest, AnEmptyBatchIsWrittenAndTakesNoSequenceNumber) {
  Open();
  WriteBatch batch;
  EXPECT_THAT(database_->Write({.sync = true}, &batch), IsOk());
  ASSERT_THAT(batch.PutLogData("only log data"), IsOk());
  EXPECT_THAT(database_->Write({}, &batch), IsOk());
  EXPECT_EQ(database_->GetLatestSequenceNumber(), 0u);
  EXPECT_THAT(database_->Put({}, "key", "value"), IsOk());
  Reopen();
  EXPECT_TRUE(Has("key"));
}

TEST_F(DBWritingTest, ABatchCanBeWrittenAgain) {
  Open();
  WriteBatch batch;
  ASSERT_THAT(batch.Put("key", "value"), IsOk());
  const std::string bytes = batch.Data();
  for (int i = 0; i < 3; ++i) {
    ASSERT_THAT(database_->Write({}, &batch), IsOk());
  }
  EXPECT_EQ(database_->GetLatestSequenceNumber(), 3u);
  EXPECT_EQ(WriteBatch(batch.Data()).Count(), 1u);
}

// Bad batches between good ones of other threads, so that they meet in groups.
TEST_F(DBWritingTest, InvalidBatchesAreRefusedAloneAmongConcurrentWriters) {
  Open();
  ASSERT_THAT(database_.CreateFamily("dropped"), IsOk());
  ColumnFamilyHandle* dropped = database_.Family("dropped");
  ASSERT_THAT(database_->DropColumnFamily(dropped), IsOk());
  constexpr int kThreads = 6;
  constexpr int kWrites = 300;
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] {
      for (int number = 0; number < kWrites; ++number) {
        const std::string key =
            std::to_string(thread) + "/" + std::to_string(number);
        WriteBatch batch;
        EXPECT_THAT(batch.Put("good" + key, "v"), IsOk());
        EXPECT_THAT(database_->Write({.sync = number % 50 == 0}, &batch),
                    IsOk());
        WriteBatch bad;
        EXPECT_THAT(bad.Put("bad" + key, "v"), IsOk());
        if (number % 2 == 0) {
          EXPECT_THAT(bad.Put(dropped, "bad" + key, "v"), IsOk());
          EXPECT_THAT(database_->Write({}, &bad),
                      HasCode(Status::kInvalidArgument));
        } else {
          WriteBatch malformed(bad.Data() + "garbage");
          EXPECT_THAT(database_->Write({}, &malformed),
                      HasCode(Status::kCorruption));
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const uint64_t expected = kThreads * kWrites;
  EXPECT_EQ(database_->GetLatestSequenceNumber(), expected);
  EXPECT_EQ(EntriesInWals(), expected);
  Reopen();
  EXPECT_EQ(database_.ReadAll().at("default").size(), expected);
  EXPECT_FALSE(Has("bad0/0"));
}

TEST_F(DBWritingTest, ASyncWriteIsInvisibleUntilItIsDurable) {
  Open();
  files_.Hold("Sync", ".log");
  std::thread writer([&] {
    EXPECT_THAT(database_->Put({.sync = true}, "key", "value"), IsOk());
  });
  files_.WaitUntilHeld();
  EXPECT_FALSE(Has("key"));
  const Snapshot* snapshot = database_->GetSnapshot();
  files_.Release();
  writer.join();
  EXPECT_TRUE(Has("key"));
  std::string value;
  EXPECT_THAT(database_->Get({.snapshot = snapshot}, "key", &value),
              HasCode(Status::kNotFound));
  database_->ReleaseSnapshot(snapshot);
}

TEST_F(DBWritingTest, VisibleBeforeDurableShowsAWriteThatIsBeingSynced) {
  options_.visible_before_durable = true;
  Open();
  files_.Hold("Sync", ".log");
  std::atomic<bool> is_visible = false;
  std::thread writer([&] {
    EXPECT_THAT(database_->Put({.sync = true}, "key", "value"), IsOk());
  });
  files_.WaitUntilHeld();
  // It is applied beside the sync, so it may take a moment.
  while (!is_visible) is_visible = Has("key");
  files_.Release();
  writer.join();
}

TEST_F(DBWritingTest, VisibleBeforeDurableLetsOthersWriteDuringASync) {
  options_.visible_before_durable = true;
  Open();
  files_.Hold("Sync", ".log");
  std::thread writer([&] {
    EXPECT_THAT(database_->Put({.sync = true}, "synced", ""), IsOk());
  });
  files_.WaitUntilHeld();
  EXPECT_THAT(database_->Put({}, "other", ""), IsOk());
  EXPECT_TRUE(Has("other"));
  files_.Release();
  writer.join();
}

TEST_F(DBWritingTest, ASyncWriteSyncsAndOthersDoNot) {
  Open();
  files_.Disarm();
  ASSERT_THAT(database_->Put({}, "a", ""), IsOk());
  EXPECT_EQ(files_.CountOf("Sync", ".log"), 0u);
  ASSERT_THAT(database_->Put({.sync = true}, "b", ""), IsOk());
  EXPECT_EQ(files_.CountOf("Sync", ".log"), 1u);
  ASSERT_THAT(database_->FlushWAL(/*sync=*/false), IsOk());
  EXPECT_EQ(files_.CountOf("Sync", ".log"), 1u);
  ASSERT_THAT(database_->Put({}, "c", ""), IsOk());
  ASSERT_THAT(database_->SyncWAL(), IsOk());
  EXPECT_EQ(files_.CountOf("Sync", ".log"), 2u);
}

// Records of the old WAL must not be lost behind those of the new one.
TEST_F(DBWritingTest, ASyncBehindAWalSwitchSyncsTheOlderWalFirst) {
  options_.write_buffer_size = size_t{64} << 10;
  options_.max_write_buffer_number = 4;
  Open();
  const uint64_t switches = database_->GetMetrics().wal_switches;
  files_.Disarm();
  // What is in a table needs no WAL any more.
  files_.Hold("NewWritableFile", ".sst");
  std::vector<std::string> appended;
  while (database_->GetMetrics().wal_switches < switches + 2) {
    ASSERT_THAT(database_->Put({}, "key", std::string(4000, 'v')), IsOk());
  }
  ASSERT_THAT(database_->Put({.sync = true}, "synced", "v"), IsOk());
  std::vector<std::string> unsynced;
  for (const FileOperation& operation : files_.operations()) {
    if (!operation.path.ends_with(".log")) continue;
    if (operation.name == "Append" &&
        std::count(unsynced.begin(), unsynced.end(), operation.path) == 0) {
      unsynced.push_back(operation.path);
    }
    if (operation.name == "Sync") std::erase(unsynced, operation.path);
  }
  EXPECT_THAT(unsynced, testing::IsEmpty());
  files_.Release();
}

TEST_F(DBWritingTest, CloseFlushesWhatWasWrittenWithoutWal) {
  Open();
  ASSERT_THAT(database_->Put({.disableWAL = true}, "unlogged", ""), IsOk());
  Reopen();
  EXPECT_TRUE(Has("unlogged"));
}

TEST_F(DBWritingTest, WritesWithoutWalAreLostAtTheNextOpenIfNotFlushed) {
  options_.avoid_flush_during_shutdown = true;
  Open();
  ASSERT_THAT(database_->Put({}, "logged", ""), IsOk());
  ASSERT_THAT(database_->Put({.disableWAL = true}, "unlogged", ""), IsOk());
  EXPECT_TRUE(Has("unlogged"));
  EXPECT_EQ(EntriesInWals(), 1u);
  ASSERT_THAT(database_->Put({}, "later", ""), IsOk());
  Reopen();
  EXPECT_TRUE(Has("logged"));
  EXPECT_TRUE(Has("later"));
  EXPECT_FALSE(Has("unlogged"));
  EXPECT_EQ(database_->GetLatestSequenceNumber(), 3u)
      << "a number that was given away is not given again";
}

TEST_F(DBWritingTest, LockWalStopsWritesUntilItIsUnlockedAsOften) {
  Open();
  EXPECT_THAT(database_->UnlockWAL(), HasCode(Status::kInvalidArgument));
  ASSERT_THAT(database_->Put({}, "before", ""), IsOk());
  ASSERT_THAT(database_->LockWAL(), IsOk());
  ASSERT_THAT(database_->LockWAL(), IsOk());
  EXPECT_THAT(database_->Put({.no_slowdown = true}, "k", ""),
              HasCode(Status::kIncomplete));
  ASSERT_THAT(database_->UnlockWAL(), IsOk());
  EXPECT_THAT(database_->Put({.no_slowdown = true}, "k", ""),
              HasCode(Status::kIncomplete));
  EXPECT_FALSE(Has("k"));
  EXPECT_TRUE(Has("before"));
  ASSERT_THAT(database_->UnlockWAL(), IsOk());
  EXPECT_THAT(database_->Put({.no_slowdown = true}, "k", ""), IsOk());
  EXPECT_THAT(database_->UnlockWAL(), HasCode(Status::kInvalidArgument));
}

TEST_F(DBWritingTest, UnderLockWalTheFilesStayAsTheyAre) {
  Open();
  ASSERT_THAT(database_->Put({}, "before", ""), IsOk());
  files_.Disarm();
  ASSERT_THAT(database_->LockWAL(), IsOk());
  EXPECT_EQ(files_.CountOf("Sync", ".log"), 1u);
  const std::string copies[] = {directory_.path() + "1",
                                directory_.path() + "2"};
  CopyDirectory(directory_.path(), copies[0]);
  std::vector<std::thread> writers;
  for (int i = 0; i < 4; ++i) {
    writers.emplace_back([&, i] {
      EXPECT_THAT(database_->Put({}, "waiting" + std::to_string(i), ""),
                  IsOk());
    });
  }
  EXPECT_THAT(database_->Put({.no_slowdown = true}, "k", ""),
              HasCode(Status::kIncomplete));
  EXPECT_FALSE(Has("waiting0"));
  CopyDirectory(directory_.path(), copies[1]);
  ASSERT_THAT(database_->UnlockWAL(), IsOk());
  for (std::thread& writer : writers) writer.join();
  EXPECT_TRUE(Has("waiting0"));

  const auto is_log = [](const auto& file) { return file.first == "LOG"; };
  auto before = ReadDirectory(copies[0]);
  auto after = ReadDirectory(copies[1]);
  std::erase_if(before, is_log);
  std::erase_if(after, is_log);
  EXPECT_EQ(before, after);
  for (const std::string& copy : copies) std::filesystem::remove_all(copy);
}

TEST_F(DBWritingTest, MemtablesAreSealedAtTheWriteBufferSize) {
  options_.write_buffer_size = size_t{64} << 10;
  Open();
  const Metrics before = database_->GetMetrics();
  constexpr int kWrites = 100;
  for (int i = 0; i < kWrites; ++i) {
    ASSERT_THAT(
        database_->Put({}, "key" + std::to_string(i), std::string(6000, 'v')),
        IsOk());
  }
  const Metrics after = database_->GetMetrics();
  EXPECT_GE(after.wal_switches, before.wal_switches + 4);
  EXPECT_EQ(after.commits, before.commits + kWrites);
  EXPECT_EQ(after.entries, before.entries + kWrites);
  for (int i = 0; i < kWrites; ++i) {
    ASSERT_TRUE(Has("key" + std::to_string(i)));
  }
  Reopen();
  EXPECT_EQ(database_.ReadAll().at("default").size(), size_t{kWrites});
}

// Larger than any block, buffer, mapping or group.
TEST_F(DBWritingTest, BatchesLargerThanTheWriteBufferAreWrittenWhole) {
  options_.write_buffer_size = size_t{64} << 10;
  options_.max_write_batch_group_size_bytes = 1024;
  for (const bool allow_mmap : {true, false}) {
    options_.allow_mmap_writes = allow_mmap;
    Open();
    WriteBatch batch;
    for (int i = 0; i < 40; ++i) {
      ASSERT_THAT(
          batch.Put("key" + std::to_string(i), std::string(300'000, 'x')),
          IsOk());
    }
    ASSERT_THAT(database_->Write({.sync = allow_mmap}, &batch), IsOk());
    Reopen();
    const Contents contents = database_.ReadAll();
    ASSERT_EQ(contents.at("default").size(), 40u);
    for (const auto& [key, value] : contents.at("default")) {
      ASSERT_EQ(value, std::string(300'000, 'x'));
    }
    ASSERT_THAT(database_.Close(), IsOk());
  }
}

TEST_F(DBWritingTest, DeleteRangeWithoutARangeDeletesNothing) {
  Open();
  ASSERT_THAT(database_->Put({}, "b", ""), IsOk());
  EXPECT_THAT(database_->DeleteRange({}, nullptr, "c", "a"), IsOk());
  EXPECT_THAT(database_->DeleteRange({}, nullptr, "b", "b"), IsOk());
  EXPECT_TRUE(Has("b"));
  EXPECT_THAT(database_->DeleteRange({}, nullptr, "a", "c"), IsOk());
  EXPECT_FALSE(Has("b"));
  Reopen();
  EXPECT_FALSE(Has("b"));
}

}  // namespace
}  // namespace paceline
