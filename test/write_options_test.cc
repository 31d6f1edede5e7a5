// Every kind of WriteOptions under every kind of DBOptions, against a model:
// what is read, what a killed process leaves, and what a close leaves.

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "paceline/db.h"

#include "gtest/gtest.h"
#include "test/support/effort.h"
#include "test/support/model.h"
#include "test/support/no_logger.h"
#include "test/support/seed.h"
#include "test/support/test_database.h"
#include "test/support/test_directory.h"

namespace paceline {
namespace {

using Kind = ModelOperation::Kind;

const std::vector<std::string> kFamilies = {"default", "one", "two"};

struct OptionsCase {
  const char* name = "";
  void (*change)(Options* options) = [](Options*) {};
  // False where tables are written without being asked for: what of the
  // unlogged writes is in them, nobody can tell.
  bool has_unlogged = true;
};

// What was written, and what of it was flushed.
class History {
 public:
  void Add(const std::vector<ModelOperation>& operations, bool is_logged) {
    for (const ModelOperation& operation : operations) {
      writes_.push_back({operation, is_logged, false});
    }
  }
  void Flushed(const std::string& family) {
    for (Write& write : writes_) {
      if (write.operation.family == family) write.is_flushed = true;
    }
  }
  // What was lost is forgotten.
  void Lose() {
    std::erase_if(writes_, [](const Write& write) {
      return !write.is_logged && !write.is_flushed;
    });
  }
  // Everything is in tables or logs that the next open has.
  [[nodiscard]] Contents All() const { return ContentsIf(true); }
  [[nodiscard]] Contents Durable() const { return ContentsIf(false); }

 private:
  struct Write {
    ModelOperation operation;
    bool is_logged;
    bool is_flushed;
  };
  [[nodiscard]] Contents ContentsIf(bool with_unlogged) const {
    Model model;
    for (const std::string& family : kFamilies) model.CreateFamily(family);
    for (const Write& write : writes_) {
      if (with_unlogged || write.is_logged || write.is_flushed) {
        model.Apply(write.operation);
      }
    }
    return ContentsOf(model);
  }

  std::vector<Write> writes_;
};

class WriteOptionsTest : public testing::TestWithParam<OptionsCase> {
 protected:
  WriteOptionsTest() {
    options_.create_if_missing = true;
    options_.create_missing_column_families = true;
    options_.merge_operator = NewStringAppendOperator(",");
    options_.info_log = std::make_shared<NoLogger>();
    GetParam().change(&options_);
    Open();
  }

  void Open() {
    ASSERT_THAT(database_.Open(options_, directory_.path(), kFamilies), IsOk());
  }

  WriteOptions RandomWriteOptions() {
    WriteOptions options;
    options.sync = random_.OneIn(8);
    options.disableWAL =
        GetParam().has_unlogged && !options.sync && random_.OneIn(3);
    options.no_slowdown = random_.OneIn(4);
    return options;
  }
  ModelOperation RandomOperation() {
    static constexpr Kind kKinds[] = {Kind::kPut, Kind::kPut, Kind::kDelete,
                                      Kind::kMerge, Kind::kDeleteRange};
    ModelOperation operation;
    operation.kind = kKinds[random_.Below(std::size(kKinds))];
    operation.family = kFamilies[random_.Below(kFamilies.size())];
    operation.key = random_.Letters(1) + std::to_string(random_.Below(3));
    operation.value = operation.kind == Kind::kDeleteRange
                          ? operation.key + "~"
                          : random_.Letters(random_.Below(300));
    return operation;
  }

  void WriteSomething() {
    const WriteOptions options = RandomWriteOptions();
    std::vector<ModelOperation> operations(1 + random_.Below(5));
    for (ModelOperation& operation : operations) operation = RandomOperation();
    Status status = Write(operations, options);
    if (status.IsIncomplete() && options.no_slowdown) {
      // Nothing of it may be there; then it is written all the same.
      ExpectContents();
      status = Write(operations,
                     {.sync = options.sync, .disableWAL = options.disableWAL});
    }
    ASSERT_THAT(status, IsOk());
    history_.Add(operations, !options.disableWAL);
  }
  Status Write(const std::vector<ModelOperation>& operations,
               const WriteOptions& options) {
    if (operations.size() == 1) {
      return DoOperation(operations[0], options,
                         database_.Family(operations[0].family),
                         database_.get());
    }
    WriteBatch batch;
    for (const ModelOperation& operation : operations) {
      Status status =
          AddToBatch(operation, database_.Family(operation.family), &batch);
      if (!status.ok()) return status;
    }
    return database_->Write(options, &batch);
  }

  void FlushSomething() {
    const std::string family = kFamilies[random_.Below(kFamilies.size())];
    ASSERT_THAT(database_->Flush({}, database_.Family(family)), IsOk());
    for (const std::string& each : kFamilies) {
      if (options_.atomic_flush || each == family) history_.Flushed(each);
    }
  }

  // What another process would find if this one died now.
  void ExpectWhatAKillLeaves() {
    // A copy is not made in a moment, so nothing may be going on.
    ASSERT_THAT(database_->WaitForCompact({}), IsOk());
    TestDirectory copy(TestStorage::kMemory);
    CopyDirectory(directory_.path(), copy.path());
    TestDatabase killed;
    ASSERT_THAT(killed.Open(options_, copy.path(), kFamilies), IsOk());
    EXPECT_EQ(Difference(history_.Durable(), killed.ReadAll()), "");
  }
  void CloseAndOpen() {
    ASSERT_THAT(database_.Close(), IsOk());
    if (options_.avoid_flush_during_shutdown) {
      history_.Lose();
    } else {
      for (const std::string& family : kFamilies) history_.Flushed(family);
    }
    Open();
    ExpectContents();
  }
  void ExpectContents() {
    EXPECT_EQ(Difference(history_.All(), database_.ReadAll()), "");
  }

  TestDirectory directory_{TestStorage::kMemory};
  Options options_;
  TestDatabase database_;
  TestRandom random_{TestSeed()};
  History history_;
};

TEST_P(WriteOptionsTest, WritesOfAllKindsAreFoundAsTheirOptionsPromise) {
  const uint64_t steps = kIsSanitized ? 50 : 100;
  for (uint64_t step = 0; step < steps && !HasFailure(); ++step) {
    WriteSomething();
    if (random_.OneIn(20)) FlushSomething();
    if (random_.OneIn(20)) ExpectContents();
    if (random_.OneIn(25)) ExpectWhatAKillLeaves();
    if (random_.OneIn(40)) CloseAndOpen();
  }
  ExpectContents();
  ExpectWhatAKillLeaves();
  CloseAndOpen();
}

// What each kind of write costs; what it costs must not depend on what was
// written before.
TEST_P(WriteOptionsTest, OnlyLoggedWritesMakeRecordsAndOnlySyncedOnesSyncs) {
  struct Cost {
    WriteOptions options;
    uint64_t records;
    uint64_t syncs;
  };
  const Cost costs[] = {
      {{}, 1, 0},
      {{.sync = true}, 1, 1},
      {{.disableWAL = true}, 0, 0},
      {{.no_slowdown = true}, 1, 0},
      {{.sync = true, .no_slowdown = true}, 1, 1},
      {{.disableWAL = true, .no_slowdown = true}, 0, 0},
      {{}, 1, 0},
  };
  for (const Cost& cost : costs) {
    const Metrics before = database_->GetMetrics();
    const SequenceNumber last = database_->GetLatestSequenceNumber();
    ASSERT_THAT(database_->Put(cost.options, "k", "v"), IsOk());
    const Metrics after = database_->GetMetrics();
    EXPECT_EQ(after.wal_records - before.wal_records, cost.records);
    EXPECT_EQ(after.wal_syncs - before.wal_syncs, cost.syncs);
    EXPECT_EQ(after.sync_commits - before.sync_commits,
              cost.options.sync ? 1U : 0U);
    EXPECT_EQ(after.commits - before.commits, 1U);
    EXPECT_EQ(database_->GetLatestSequenceNumber(), last + 1);
  }
}

TEST_P(WriteOptionsTest, SyncAndNoLogContradictEachOther) {
  const WriteOptions both{.sync = true, .disableWAL = true};
  for (const std::string& family : kFamilies) {
    ColumnFamilyHandle* handle = database_.Family(family);
    for (Kind kind : {Kind::kPut, Kind::kDelete, Kind::kSingleDelete,
                      Kind::kMerge, Kind::kDeleteRange}) {
      const ModelOperation operation{kind, family, "a", "b"};
      EXPECT_THAT(DoOperation(operation, both, handle, database_.get()),
                  HasCode(Status::kInvalidArgument));
    }
  }
  EXPECT_EQ(database_->GetLatestSequenceNumber(), 0U);
  ExpectContents();
}

// Every write while another thread holds the log.
TEST_P(WriteOptionsTest, ImpatientWritesFailWhileTheLogIsLockedAndOnlyThen) {
  ASSERT_THAT(database_->LockWAL(), IsOk());
  for (bool disable_wal : {false, true}) {
    EXPECT_THAT(database_->Put({.disableWAL = disable_wal, .no_slowdown = true},
                               "k", "v"),
                HasCode(Status::kIncomplete));
  }
  EXPECT_EQ(database_->GetLatestSequenceNumber(), 0U);
  ASSERT_THAT(database_->UnlockWAL(), IsOk());
  EXPECT_THAT(database_->Put({.no_slowdown = true}, "k", "v"), IsOk());
}

const OptionsCase kCases[] = {
    {.name = "Defaults"},
    {.name = "WithoutMapping",
     .change = [](Options* o) { o->allow_mmap_writes = false; }},
    {.name = "AtomicFlush",
     .change = [](Options* o) { o->atomic_flush = true; }},
    {.name = "VisibleBeforeDurable",
     .change = [](Options* o) { o->visible_before_durable = true; }},
    {.name = "LeaderInsertsAlone",
     .change = [](Options* o) { o->allow_concurrent_memtable_write = false; }},
    {.name = "SmallGroups",
     .change = [](Options* o) { o->max_write_batch_group_size_bytes = 1024; }},
    {.name = "NoFlushAtTheEnd",
     .change = [](Options* o) { o->avoid_flush_during_shutdown = true; }},
    {.name = "NoFlushAtTheEndAtomic",
     .change =
         [](Options* o) {
           o->avoid_flush_during_shutdown = true;
           o->atomic_flush = true;
           o->allow_mmap_writes = false;
         }},
    {.name = "AbsoluteConsistency",
     .change =
         [](Options* o) {
           o->wal_recovery_mode = WALRecoveryMode::kAbsoluteConsistency;
         }},
    {.name = "SkipCorruptedRecords",
     .change =
         [](Options* o) {
           o->wal_recovery_mode = WALRecoveryMode::kSkipAnyCorruptedRecords;
         }},
    {.name = "SmallWals",
     .change = [](Options* o) { o->max_total_wal_size = 8 << 10; },
     .has_unlogged = false},
    {.name = "SmallMemTables",
     .change =
         [](Options* o) {
           o->write_buffer_size = 64 << 10;
           o->level0_file_num_compaction_trigger = 2;
         },
     .has_unlogged = false},
};

INSTANTIATE_TEST_SUITE_P(Options, WriteOptionsTest, testing::ValuesIn(kCases),
                         [](const auto& test) {
                           return std::string(test.param.name);
                         });

}  // namespace
}  // namespace paceline
