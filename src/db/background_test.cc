// Background beside a writer that must not wait for it, over a file system in
// memory.

#include "src/db/background.h"

#include <memory>
#include <string>
#include <thread>

#include "gtest/gtest.h"
#include "test/support/memory_file_system.h"

namespace paceline {
namespace {

constexpr const char* kDirectory = "/db";

class BackgroundTest : public testing::Test {
 protected:
  BackgroundTest() {
    options_.file_system = &files_;
    versions_.Adopt(ManifestState::Empty());
    EXPECT_TRUE(versions_.BeginManifest().ok());
    store_.unused = std::make_shared<UnusedTables>();
    store_.tables = std::make_shared<TableCache>(&files_, kDirectory, -1);
    family_ = std::make_shared<ColumnFamily>(0, "default",
                                             ColumnFamilyOptions(), store_);
    families_.Add(family_);
  }

  Background::Config Config() {
    return {.options = options_,
            .directory = kDirectory,
            .versions = &versions_,
            .families = &families_,
            .snapshots = &snapshots_,
            .unused = store_.unused,
            .set_stall = [this](const Stall&) { StayIf(&holds_stall_); },
            .sync_full_wals = [] { return Status::OK(); },
            .wals_released = [this](uint64_t) { StayIf(&holds_commit_); },
            .remove_wals = [this] { StayIf(&holds_removal_); }};
  }

  // A memtable with one entry, as a writer would seal it.
  void Seal(uint64_t ordinal) {
    MemTable* memtable = family_->mutable_memtable();
    memtable->Add(ordinal, ValueType::kValue, "key", "value");
    memtable->set_seal_ordinal(ordinal);
    family_->SealMemTable(/*first_wal=*/ordinal + 1);
  }

  // Where the next call of set_stall, of wals_released, behind the commit of a
  // flush, or of remove_wals stays until Release().
  void HoldNextStall() { Hold(&holds_stall_); }
  void HoldNextCommit() { Hold(&holds_commit_); }
  void HoldNextRemoval() { Hold(&holds_removal_); }
  void WaitUntilHeld() {
    MutexLock lock(&mutex_);
    while (!is_held_) changed_.Wait(&mutex_);
  }
  void Release() {
    MutexLock lock(&mutex_);
    is_held_ = false;
    changed_.NotifyAll();
  }

 private:
  void Hold(bool* holds) {
    MutexLock lock(&mutex_);
    *holds = true;
  }
  void StayIf(bool* holds) {
    MutexLock lock(&mutex_);
    if (!*holds) return;
    *holds = false;
    is_held_ = true;
    changed_.NotifyAll();
    while (is_held_) changed_.Wait(&mutex_);
  }

  Mutex mutex_;
  CondVar changed_;
  bool holds_stall_ = false;
  bool holds_commit_ = false;
  bool holds_removal_ = false;
  bool is_held_ = false;

 protected:
  MemoryFileSystem files_;
  DBOptions options_;
  VersionSet versions_{&files_, kDirectory};
  TableStore store_;
  std::shared_ptr<ColumnFamily> family_;
  ColumnFamilySet families_;
  SnapshotList snapshots_;
};

TEST_F(BackgroundTest, ASealDoesNotWaitForWhoIsAtWorkAndIsFlushedAllTheSame) {
  Background background(Config());
  background.Start();
  HoldNextStall();
  std::thread at_work([&] { background.FamiliesChanged(); });
  WaitUntilHeld();
  Seal(1);
  // Would wait for good if it waited at all.
  EXPECT_FALSE(background.Sealed(1, /*together=*/false));
  EXPECT_FALSE(background.UpdateStallIfFree());
  Release();
  at_work.join();
  // Nobody but the job that it left behind begins the flush.
  EXPECT_TRUE(background.WaitForFlush(families_.All()).ok());
  EXPECT_TRUE(family_->PinSuperVersion()->sealed_memtables.empty());
  EXPECT_TRUE(background.UpdateStallIfFree());
}

TEST_F(BackgroundTest, ASealBesideNobodyIsFlushed) {
  Background background(Config());
  background.Start();
  Seal(1);
  EXPECT_TRUE(background.Sealed(1, /*together=*/false));
  EXPECT_TRUE(background.WaitForFlush(families_.All()).ok());
  EXPECT_EQ(family_->PinSuperVersion()->version->files(0).size(), 1U);
}

// Its memtables are gone as soon as the MANIFEST has its table.
TEST_F(BackgroundTest, WhoWaitsForAFlushFindsItCounted) {
  Background background(Config());
  background.Start();
  HoldNextCommit();
  Seal(1);
  EXPECT_TRUE(background.Sealed(1, /*together=*/false));
  WaitUntilHeld();
  EXPECT_TRUE(family_->PinSuperVersion()->sealed_memtables.empty());
  uint64_t counted = 0;
  std::thread waiter([&] {
    EXPECT_TRUE(background.WaitForFlush(families_.All()).ok());
    counted = background.StatsOf(family_->id())[0].jobs;
  });
  // Wakes it if it waits already.
  background.FamiliesChanged();
  Release();
  waiter.join();
  EXPECT_EQ(counted, 1U);
}

TEST_F(BackgroundTest, AFlushDoesNotWaitForTheRemovalsOfTheOneBefore) {
  Background background(Config());
  background.Start();
  HoldNextRemoval();
  Seal(1);
  EXPECT_TRUE(background.Sealed(1, /*together=*/false));
  EXPECT_TRUE(background.WaitForFlush(families_.All()).ok());
  WaitUntilHeld();
  Seal(2);
  background.Sealed(2, /*together=*/false);
  EXPECT_TRUE(background.WaitForFlush(families_.All()).ok());
  EXPECT_EQ(family_->PinSuperVersion()->version->files(0).size(), 2U);
  Release();
  EXPECT_TRUE(background.WaitUntilIdle().ok());
}

}  // namespace
}  // namespace paceline
