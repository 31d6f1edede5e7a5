// The write path alone, over a file system in memory: when memtables are
// sealed, what the WALs hold, what is refused, and what the end of it leaves.

#include "src/db/write_path.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "src/db/inspection.h"
#include "test/support/fault_file_system.h"
#include "test/support/id_handle.h"
#include "test/support/memory_file_system.h"
#include "test/support/no_logger.h"

namespace paceline {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;
using testing::SizeIs;

constexpr const char* kDirectory = "/db";

class WritePathTest : public testing::Test {
 protected:
  WritePathTest() {
    options_.file_system = &faults_;
    options_.allow_mmap_writes = false;
    family_options_.write_buffer_size = size_t{64} << 10;
    versions_.Adopt(ManifestState::Empty());
    EXPECT_TRUE(versions_.BeginManifest().ok());
  }

  // With the default family and `more` others, 1, 2 ...
  void Open(uint32_t more = 0) {
    for (uint32_t id = 0; id <= more; ++id) {
      families_.Add(std::make_shared<ColumnFamily>(
          id, "family" + std::to_string(id), family_options_));
    }
    for (uint32_t id = 1; id <= more; ++id) {
      VersionEdit edit;
      edit.family_id = id;
      edit.added_family = "family" + std::to_string(id);
      ASSERT_TRUE(versions_.LogAndApply({edit}).ok());
    }
    path_.emplace(options_, kDirectory, &versions_, &families_, &arena_blocks_,
                  &logger_);
    ASSERT_TRUE(path_
                    ->Open(0, {},
                           {.sealed =
                                [this](uint64_t ordinal, bool together) {
                                  seals_.emplace_back(ordinal, together);
                                  return is_stall_known_;
                                },
                            .grown =
                                [this] {
                                  ++grown_;
                                  return is_stall_known_;
                                }})
                    .ok());
    for (const auto& family : families_.All()) {
      family->mutable_memtable()->set_first_wal(path_->wal_number());
    }
  }

  // Puts a value of so many bytes into each of the families, as one batch.
  Status Put(const std::vector<uint32_t>& families, size_t bytes = 1,
             const WriteOptions& options = {}) {
    WriteBatch batch;
    for (uint32_t id : families) {
      IdHandle handle(id);
      EXPECT_TRUE(batch.Put(&handle, "k", std::string(bytes, 'v')).ok());
    }
    return path_->Write(options, &batch);
  }
  Status Seal(const std::vector<uint32_t>& ids) {
    ColumnFamilySet::Families chosen;
    for (uint32_t id : ids) chosen.push_back(families_.Find(id));
    return path_->Seal(chosen);
  }
  void RemoveFamily(uint32_t id) {
    WritePath::Exclusive alone(&*path_);
    path_->RemoveFamily(id);
  }

  // How many memtables of the family are sealed.
  size_t Sealed(uint32_t id) const {
    return families_.Find(id)->PinSuperVersion()->sealed_memtables.size();
  }
  uint64_t Entries(uint32_t id) const {
    return families_.Find(id)->mutable_memtable()->entries();
  }
  // What the WALs hold, as "number:sequence+count".
  std::vector<std::string> Records() {
    std::vector<std::string> records;
    EXPECT_TRUE(ReadWals(
                    &files_, kDirectory,
                    [&](const WalRecord& record) {
                      if (record.count == 0) return Status::OK();  // A note.
                      records.push_back(std::to_string(record.sequence) + '+' +
                                        std::to_string(record.count));
                      return Status::OK();
                    },
                    [](const LogDamage& damage) {
                      ADD_FAILURE() << damage.path << ' ' << damage.reason;
                    })
                    .ok());
    return records;
  }
  size_t WalCount() {
    auto wals = ListWals(&files_, kDirectory);
    return wals.ok() ? wals->size() : 0;
  }

  MemoryFileSystem files_;
  FaultFileSystem faults_{&files_};
  NoLogger logger_;
  ArenaBlocks arena_blocks_;
  DBOptions options_;
  ColumnFamilyOptions family_options_;
  VersionSet versions_{&faults_, kDirectory};
  ColumnFamilySet families_;
  std::vector<std::pair<uint64_t, bool>> seals_;
  int grown_ = 0;
  bool is_stall_known_ = true;
  std::optional<WritePath> path_;
};

// --- Where entries go --------------------------------------------------------

TEST_F(WritePathTest, EachEntryGoesToItsFamilyAndAllToOneRecord) {
  Open(2);
  ASSERT_TRUE(Put({0, 2, 2, 0}).ok());
  EXPECT_EQ(Entries(0), 2U);
  EXPECT_EQ(Entries(1), 0U);
  EXPECT_EQ(Entries(2), 2U);
  EXPECT_EQ(path_->visible_sequence(), 4U);
  EXPECT_THAT(Records(), ElementsAre("1+4"));
}

TEST_F(WritePathTest, ABatchOfAFamilyThatIsGoneWritesNothingAnywhere) {
  Open(2);
  ASSERT_TRUE(Put({0, 1}).ok());
  RemoveFamily(1);
  EXPECT_TRUE(Put({0, 1}).IsInvalidArgument());
  EXPECT_TRUE(Put({0, 7}).IsInvalidArgument());
  EXPECT_EQ(Entries(0), 1U);
  EXPECT_EQ(path_->visible_sequence(), 2U);
  EXPECT_THAT(Records(), ElementsAre("1+2"));
  EXPECT_TRUE(Put({0, 2}).ok());
}

TEST_F(WritePathTest, UnloggedWritesTakeNumbersAndLeaveNoRecord) {
  Open();
  ASSERT_TRUE(Put({0}).ok());
  EXPECT_FALSE(path_->has_unlogged_writes());
  ASSERT_TRUE(Put({0}, 1, {.disableWAL = true}).ok());
  EXPECT_TRUE(path_->has_unlogged_writes());
  ASSERT_TRUE(Put({0}).ok());
  EXPECT_THAT(Records(), ElementsAre("1+1", "3+1"));
}

TEST_F(WritePathTest, NumbersGoOnBehindThoseOfTheRecovery) {
  families_.Add(std::make_shared<ColumnFamily>(0, "default", family_options_));
  path_.emplace(options_, kDirectory, &versions_, &families_, &arena_blocks_,
                &logger_);
  ASSERT_TRUE(path_->Open(41, {}, {}).ok());
  EXPECT_EQ(path_->visible_sequence(), 41U);
  ASSERT_TRUE(Put({0, 0}).ok());
  EXPECT_THAT(Records(), ElementsAre("42+2"));
}

TEST_F(WritePathTest, WhatCannotBeIsRefusedBeforeItIsLogged) {
  Open();
  EXPECT_TRUE(path_->Write({}, nullptr).IsInvalidArgument());
  WriteBatch batch;
  EXPECT_TRUE(batch.Merge("k", "operand").ok());
  // The family has no operator.
  EXPECT_FALSE(path_->Write({}, &batch).ok());
  WriteBatch damaged(std::string(11, '\0'));
  EXPECT_TRUE(path_->Write({}, &damaged).IsCorruption());
  EXPECT_TRUE(
      Put({0}, 1, {.sync = true, .disableWAL = true}).IsInvalidArgument());
  EXPECT_THAT(Records(), IsEmpty());
  EXPECT_EQ(path_->visible_sequence(), 0U);
}

// --- Sealing -----------------------------------------------------------------

TEST_F(WritePathTest, SealingTakesTheChosenFamiliesThatHoldSomething) {
  Open(2);
  ASSERT_TRUE(Put({0, 1}).ok());
  const uint64_t wal = path_->wal_number();
  ASSERT_TRUE(Seal({1, 2}).ok());
  EXPECT_EQ(Sealed(0), 0U);
  EXPECT_EQ(Sealed(1), 1U);
  EXPECT_EQ(Sealed(2), 0U);
  EXPECT_THAT(seals_, ElementsAre(Pair(1, false)));
  EXPECT_GT(path_->wal_number(), wal);
  // The others may need the old WAL, these need none of it.
  EXPECT_EQ(families_.Find(0)->OldestNeededWal(), wal);
  EXPECT_EQ(families_.Find(2)->OldestNeededWal(), path_->wal_number());
}

TEST_F(WritePathTest, SealingNothingMakesNoWal) {
  Open(1);
  ASSERT_TRUE(Put({0}).ok());
  const uint64_t wal = path_->wal_number();
  ASSERT_TRUE(Seal({1}).ok());
  EXPECT_THAT(seals_, IsEmpty());
  EXPECT_EQ(path_->wal_number(), wal);
}

TEST_F(WritePathTest, AtomicFlushSealsAllTogether) {
  options_.atomic_flush = true;
  Open(2);
  ASSERT_TRUE(Put({0, 2}).ok());
  ASSERT_TRUE(Seal({1}).ok());
  EXPECT_EQ(Sealed(0), 1U);
  EXPECT_EQ(Sealed(1), 0U);
  EXPECT_EQ(Sealed(2), 1U);
  EXPECT_THAT(seals_, ElementsAre(Pair(1, true)));
}

TEST_F(WritePathTest, AFullMemTableIsSealedByTheNextWrite) {
  Open(1);
  ASSERT_TRUE(Put({1}).ok());
  ASSERT_TRUE(Put({0}, size_t{70} << 10).ok());
  EXPECT_EQ(Sealed(0), 0U);
  ASSERT_TRUE(Put({1}).ok());
  EXPECT_EQ(Sealed(0), 1U);
  EXPECT_EQ(Sealed(1), 0U);
  EXPECT_EQ(Entries(0), 0U);
}

TEST_F(WritePathTest, MemTablesThatARecoveryFilledAreSealedByTheFirstWrite) {
  auto family = std::make_shared<ColumnFamily>(0, "default", family_options_);
  const std::string value(size_t{70} << 10, 'v');
  family->mutable_memtable()->Add(1, ValueType::kValue, "k", value);
  families_.Add(family);
  path_.emplace(options_, kDirectory, &versions_, &families_, &arena_blocks_,
                &logger_);
  ASSERT_TRUE(path_->Open(1, {}, {}).ok());
  ASSERT_TRUE(Put({0}).ok());
  EXPECT_EQ(Sealed(0), 1U);
  EXPECT_EQ(Entries(0), 1U);
}

// One that is hardly written to must not keep all the WALs of the others.
TEST_F(WritePathTest, WhatKeepsTheOldestWalIsSealedWhenTheyAreTooLarge) {
  options_.max_total_wal_size = uint64_t{100} << 10;
  family_options_.write_buffer_size = size_t{1} << 20;
  Open(2);
  path_->ReleaseWals(path_->wal_number());
  ASSERT_TRUE(Put({1}).ok());
  ASSERT_TRUE(Put({0}, size_t{60} << 10).ok());
  EXPECT_EQ(Sealed(0) + Sealed(1) + Sealed(2), 0U);
  ASSERT_TRUE(Seal({0}).ok());
  ASSERT_TRUE(Put({2}, size_t{60} << 10).ok());
  ASSERT_TRUE(Put({2}).ok());
  // One needs the first WAL; another one only the second.
  EXPECT_EQ(Sealed(1), 1U);
  EXPECT_EQ(Sealed(0), 1U);
  EXPECT_EQ(Sealed(2), 0U);
  // Until that is flushed, to seal more of it would help nobody.
  ASSERT_TRUE(Put({1}).ok());
  ASSERT_TRUE(Put({2}, size_t{60} << 10).ok());
  ASSERT_TRUE(Put({2}).ok());
  EXPECT_EQ(Sealed(0) + Sealed(1) + Sealed(2), 2U);
}

TEST_F(WritePathTest, AWalThatCannotBeBegunFailsTheWriteAndChangesNothing) {
  Open();
  ASSERT_TRUE(Put({0}, size_t{70} << 10).ok());
  faults_.Arm({.operation = 1,
               .name = "NewWritableFile",
               .path_end = ".log",
               .forever = true,
               .is_no_space = true});
  // The next WAL may be there already: then the one after it fails.
  Status s;
  for (int i = 0; i < 4 && s.ok(); ++i) s = Put({0}, size_t{70} << 10);
  EXPECT_TRUE(s.IsNoSpace()) << s.ToString();
  const SequenceNumber visible = path_->visible_sequence();
  faults_.Disarm();
  // Nothing was lost, so nothing needs to be mended.
  EXPECT_TRUE(path_->failure().ok());
  EXPECT_TRUE(Put({0}).ok());
  EXPECT_EQ(path_->visible_sequence(), visible + 1);
}

// --- Failures ----------------------------------------------------------------

TEST_F(WritePathTest, AfterAFailedAppendNothingIsAcceptedUntilResume) {
  Open(1);
  ASSERT_TRUE(Put({0, 1}).ok());
  faults_.Arm({.operation = 1, .name = "Append", .path_end = ".log"});
  EXPECT_TRUE(Put({0}).IsIOError());
  faults_.Disarm();
  EXPECT_TRUE(Put({1}).IsIOError());
  EXPECT_TRUE(Seal({0}).IsIOError());
  EXPECT_FALSE(path_->failure().ok());
  EXPECT_EQ(path_->visible_sequence(), 2U);

  int flushes = 0;
  EXPECT_TRUE(path_
                  ->Resume([&] {
                    ++flushes;
                    // What was visible is sealed, together and without more.
                    EXPECT_EQ(Sealed(0), 1U);
                    EXPECT_EQ(Sealed(1), 1U);
                    return Status::OK();
                  })
                  .ok());
  EXPECT_EQ(flushes, 1);
  EXPECT_TRUE(path_->failure().ok());
  EXPECT_EQ(
      families_.Find(0)->PinSuperVersion()->sealed_memtables[0]->entries(), 1U);
  ASSERT_TRUE(Put({0}).ok());
  // The number of the failed entry is not given again.
  EXPECT_EQ(path_->visible_sequence(), 4U);
}

TEST_F(WritePathTest, AResumeWhoseFlushFailsLeavesWritesRefused) {
  Open();
  ASSERT_TRUE(Put({0}).ok());
  faults_.Arm({.operation = 1, .name = "Append", .path_end = ".log"});
  EXPECT_TRUE(Put({0}).IsIOError());
  faults_.Disarm();
  EXPECT_TRUE(
      path_->Resume([] { return Status::NoSpace("no flush"); }).IsNoSpace());
  EXPECT_TRUE(Put({0}).IsIOError());
  EXPECT_TRUE(path_->Resume([] { return Status::OK(); }).ok());
  EXPECT_TRUE(Put({0}).ok());
}

TEST_F(WritePathTest, ResumeWithoutAFailureFlushesNothing) {
  Open();
  ASSERT_TRUE(Put({0}).ok());
  EXPECT_TRUE(path_
                  ->Resume([] {
                    ADD_FAILURE() << "flushes";
                    return Status::OK();
                  })
                  .ok());
  EXPECT_EQ(Sealed(0), 0U);
}

TEST_F(WritePathTest, AFailureElsewhereMayRefuseWrites) {
  Open();
  {
    WritePath::Exclusive alone(&*path_);
    EXPECT_TRUE(
        path_->RefuseWrites(Status::IOError("the MANIFEST")).IsIOError());
  }
  EXPECT_TRUE(Put({0}).IsIOError());
  EXPECT_THAT(Records(), IsEmpty());
}

// --- Locks and the end -------------------------------------------------------

TEST_F(WritePathTest, LocksOfTheWalAreCounted) {
  Open();
  EXPECT_TRUE(path_->UnlockWAL().IsInvalidArgument());
  ASSERT_TRUE(path_->LockWAL().ok());
  ASSERT_TRUE(path_->LockWAL().ok());
  EXPECT_TRUE(path_->is_stopped());
  EXPECT_TRUE(Put({0}, 1, {.no_slowdown = true}).IsIncomplete());
  ASSERT_TRUE(path_->UnlockWAL().ok());
  EXPECT_TRUE(Put({0}, 1, {.no_slowdown = true}).IsIncomplete());
  ASSERT_TRUE(path_->UnlockWAL().ok());
  EXPECT_TRUE(Put({0}, 1, {.no_slowdown = true}).ok());
  EXPECT_TRUE(path_->UnlockWAL().IsInvalidArgument());
}

TEST_F(WritePathTest, ALockOfTheWalThatCannotSyncIsNotHeld) {
  Open();
  ASSERT_TRUE(Put({0}).ok());
  faults_.Arm({.operation = 1, .name = "Sync", .path_end = ".log"});
  EXPECT_TRUE(path_->LockWAL().IsIOError());
  EXPECT_FALSE(path_->is_stopped());
  EXPECT_TRUE(path_->UnlockWAL().IsInvalidArgument());
  // What the sync left on the device is not known.
  EXPECT_TRUE(Put({0}).IsIOError());
}

TEST_F(WritePathTest, AfterItsEndWritesAndSealsAreRefused) {
  Open();
  ASSERT_TRUE(Put({0}).ok());
  path_->EndWrites();
  EXPECT_TRUE(Put({0}).IsShutdownInProgress());
  // A flush may come as long as the WALs are not closed, and not later: it
  // would begin one that nobody closes.
  ASSERT_TRUE(Seal({0}).ok());
  EXPECT_EQ(Sealed(0), 1U);
  families_.Find(0)->mutable_memtable()->Add(9, ValueType::kValue, "k", "v");
  ASSERT_TRUE(path_->Close().ok());
  const size_t wals = WalCount();
  EXPECT_TRUE(Seal({0}).IsShutdownInProgress());
  EXPECT_EQ(Sealed(0), 1U);
  EXPECT_EQ(WalCount(), wals);
}

TEST_F(WritePathTest, ACleanEndIsRecordedAndOneAfterAFailureIsNot) {
  for (bool fails : {false, true}) {
    SCOPED_TRACE(fails);
    MemoryFileSystem files;
    FaultFileSystem faults(&files);
    VersionSet versions(&faults, kDirectory);
    versions.Adopt(ManifestState::Empty());
    ASSERT_TRUE(versions.BeginManifest().ok());
    options_.file_system = &faults;
    ColumnFamilySet families;
    families.Add(std::make_shared<ColumnFamily>(0, "default", family_options_));
    WritePath path(options_, kDirectory, &versions, &families, &arena_blocks_,
                   &logger_);
    ASSERT_TRUE(path.Open(0, {}, {}).ok());
    WriteBatch batch;
    ASSERT_TRUE(batch.Put("k", "v").ok());
    ASSERT_TRUE(path.Write({}, &batch).ok());
    if (fails) faults.Arm({.operation = 1, .name = "Append"});
    EXPECT_EQ(path.Write({}, &batch).ok(), !fails);
    faults.Disarm();
    path.EndWrites();
    static_cast<void>(path.Close());
    auto manifest = ReadManifest(&files, kDirectory);
    ASSERT_TRUE(manifest.ok());
    EXPECT_EQ(manifest->state.is_closed_cleanly, !fails);
    EXPECT_EQ(manifest->state.last_sequence, fails ? 0U : 2U);
  }
}

TEST_F(WritePathTest, WithoutAWriteNoWalIsLeftBehind) {
  Open();
  path_->EndWrites();
  ASSERT_TRUE(path_->Close().ok());
  EXPECT_THAT(Records(), IsEmpty());
}

TEST_F(WritePathTest, WhileWritersAreDelayedTheDelayIsLookedAtAgain) {
  family_options_.write_buffer_size = size_t{64} << 20;
  Open();
  for (int i = 0; i < 8; ++i) ASSERT_TRUE(Put({0}, size_t{100} << 10).ok());
  EXPECT_EQ(grown_, 0);
  path_->SetStall({.failure = {},
                   .bytes_per_second = uint64_t{1} << 40,
                   .family = "default"});
  for (int i = 0; i < 8; ++i) ASSERT_TRUE(Put({0}, size_t{100} << 10).ok());
  EXPECT_EQ(grown_, 2);  // Once in 256 KiB.
}

TEST_F(WritePathTest, AStallThatWasNotFoundOutIsAskedForUntilItIs) {
  family_options_.write_buffer_size = size_t{64} << 20;
  Open();
  ASSERT_TRUE(Put({0}).ok());
  is_stall_known_ = false;
  ASSERT_TRUE(Seal({0}).ok());
  for (int i = 0; i < 8; ++i) ASSERT_TRUE(Put({0}, size_t{100} << 10).ok());
  EXPECT_EQ(grown_, 2);  // Once in 256 KiB.
  is_stall_known_ = true;
  for (int i = 0; i < 8; ++i) ASSERT_TRUE(Put({0}, size_t{100} << 10).ok());
  EXPECT_EQ(grown_, 3);
}

}  // namespace
}  // namespace paceline
