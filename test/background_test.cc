// What runs in the background of a database, and when: jobs are held at a file
// operation, and looked at from outside.

#include <algorithm>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "paceline/db.h"

#include "gtest/gtest.h"
#include "test/support/fault_file_system.h"
#include "test/support/memory_file_system.h"
#include "test/support/no_logger.h"
#include "test/support/seed.h"
#include "test/support/test_database.h"

namespace paceline {
namespace {

constexpr const char* kDirectory = "/db";
constexpr const char* kDefault = "default";

class BackgroundTest : public testing::Test {
 protected:
  BackgroundTest() {
    options_.create_if_missing = true;
    options_.create_missing_column_families = true;
    options_.file_system = &faults_;
    options_.info_log = std::make_shared<NoLogger>();
    options_.compression = kNoCompression;
    options_.max_write_buffer_number = 6;
    // Unless a test wants them.
    options_.disable_auto_compactions = true;
  }

  // What is held would keep the database from its end.
  ~BackgroundTest() override { faults_.Release(); }

  void Open(const std::vector<std::string>& families = {}) {
    ASSERT_THAT(database_.Open(options_, kDirectory, families), IsOk());
  }
  void Reopen() {
    ASSERT_THAT(database_.Close(), IsOk());
    Open();
  }

  void Put(const std::string& key, const std::string& family = kDefault) {
    ASSERT_THAT(database_->Put({}, database_.Family(family), key, "v" + key),
                IsOk());
  }
  // Puts the keys, and begins (or does) a flush of them.
  void Flush(const std::vector<std::string>& keys,
             const std::string& family = kDefault, bool waits = true) {
    for (const std::string& key : keys) Put(key, family);
    ASSERT_THAT(database_->Flush({.wait = waits}, database_.Family(family)),
                IsOk());
  }
  Status CompactAll(const std::string& family = kDefault) {
    return database_->CompactRange({}, database_.Family(family), nullptr,
                                   nullptr);
  }

  uint64_t Property(const std::string& name,
                    const std::string& family = kDefault) {
    uint64_t value = 0;
    EXPECT_TRUE(database_->GetIntProperty(database_.Family(family),
                                          "rocksdb." + name, &value))
        << name;
    return value;
  }
  // The numbers of the family's tables, level by level.
  std::vector<std::vector<uint64_t>> Tables(
      const std::string& family = kDefault) {
    std::vector<std::vector<uint64_t>> levels;
    const ColumnFamilyMetaData metadata =
        database_->GetColumnFamilyMetaData(database_.Family(family));
    for (const LevelMetaData& level : metadata.levels) {
      levels.emplace_back();
      for (const auto& file : level.files) {
        levels.back().push_back(file.file_number);
      }
    }
    return levels;
  }
  std::set<uint64_t> AllTables() {
    std::set<uint64_t> all;
    for (const auto& level : Tables()) all.insert(level.begin(), level.end());
    return all;
  }
  std::vector<std::string> TableFiles() const {
    std::vector<std::string> paths;
    for (const auto& [path, bytes] : files_.Files()) {
      if (path.ends_with(".sst")) paths.push_back(path);
    }
    return paths;
  }
  // How many operations of this name there were on MANIFESTs.
  size_t ManifestOperations(const std::string& name) const {
    const auto operations = faults_.operations();
    return static_cast<size_t>(std::count_if(
        operations.begin(), operations.end(), [&](const auto& operation) {
          return operation.name == name &&
                 operation.path.find("MANIFEST") != std::string::npos;
        }));
  }
  std::vector<std::string> Keys(const std::string& family = kDefault) {
    std::vector<std::string> keys;
    const std::unique_ptr<Iterator> iterator(
        database_->NewIterator({}, database_.Family(family)));
    for (iterator->SeekToFirst(); iterator->Valid(); iterator->Next()) {
      keys.push_back(iterator->key().ToString());
      EXPECT_EQ(iterator->value(), "v" + keys.back());
    }
    EXPECT_THAT(iterator->status(), IsOk());
    return keys;
  }

  // The next table that is made waits.
  void HoldTable() { faults_.Hold("NewWritableFile", ".sst"); }
  void FailTables() {
    faults_.Arm({.operation = 1,
                 .name = "NewWritableFile",
                 .path_end = ".sst",
                 .forever = true,
                 .is_no_space = true});
  }

  MemoryFileSystem files_;
  FaultFileSystem faults_{&files_};
  Options options_;
  TestDatabase database_;
};

using Strings = std::vector<std::string>;

// --- Flushes -----------------------------------------------------------------

// A stop would end only with the sync, however long that takes.
TEST_F(BackgroundTest, WritersGoOnMoreSlowlyWhileASyncOfAFlushIsStuck) {
  options_.write_buffer_size = size_t{8} << 20;
  options_.max_write_buffer_number = 2;
  Open();
  faults_.Hold("Sync", ".sst");
  Flush({"a"}, kDefault, /*waits=*/false);
  faults_.WaitUntilHeld();
  const std::string value(1000, 'v');
  uint64_t rate = UINT64_MAX;
  for (int i = 0; i < 7700 && rate >= uint64_t{1} << 20; ++i) {
    ASSERT_THAT(database_->Put({}, "k" + std::to_string(i), value), IsOk());
    rate = Property("actual-delayed-write-rate");
  }
  EXPECT_LT(rate, uint64_t{1} << 20);
  EXPECT_GT(rate, 0u);
  EXPECT_EQ(Property("is-write-stopped"), 0u);
  faults_.Release();
  ASSERT_THAT(database_->WaitForCompact({}), IsOk());
  EXPECT_EQ(Property("actual-delayed-write-rate"), 0u);
}

TEST_F(BackgroundTest, AFlushThatRunsIsShownAndItsEntriesAreReadMeanwhile) {
  Open();
  HoldTable();
  Flush({"a"}, kDefault, /*waits=*/false);
  faults_.WaitUntilHeld();
  EXPECT_EQ(Property("num-running-flushes"), 1U);
  EXPECT_EQ(Property("num-immutable-mem-table"), 1U);
  // Of one family one flush runs at a time: what is sealed now is not due.
  Flush({"b"}, kDefault, /*waits=*/false);
  EXPECT_EQ(Property("num-running-flushes"), 1U);
  EXPECT_EQ(Property("num-immutable-mem-table"), 2U);
  EXPECT_EQ(Property("mem-table-flush-pending"), 0U);
  EXPECT_EQ(Keys(), (Strings{"a", "b"}));
  faults_.Release();
  ASSERT_THAT(database_->WaitForCompact({}), IsOk());
  EXPECT_EQ(Property("num-running-flushes"), 0U);
  EXPECT_EQ(Property("num-immutable-mem-table"), 0U);
  EXPECT_EQ(Tables()[0].size(), 2U);
  EXPECT_EQ(Keys(), (Strings{"a", "b"}));
}

TEST_F(BackgroundTest, WhatWasSealedBeforeAFlushBeginsIsOneTable) {
  Open({"other"});
  HoldTable();
  Flush({"a"}, "other", /*waits=*/false);
  faults_.WaitUntilHeld();
  for (const char* key : {"a", "b", "c"}) {
    Flush({key}, kDefault, /*waits=*/false);
  }
  EXPECT_EQ(Property("mem-table-flush-pending"), 1U);
  faults_.Release();
  ASSERT_THAT(database_->WaitForCompact({}), IsOk());
  EXPECT_EQ(Tables()[0].size(), 1U);
  EXPECT_EQ(Keys(), (Strings{"a", "b", "c"}));
}

// One that is written to all the time does not keep the others waiting, nor
// the WALs that they need.
TEST_F(BackgroundTest, FamiliesAreFlushedInTheOrderInWhichTheyWereSealed) {
  Open({"one", "two", "three"});
  HoldTable();
  Flush({"a"}, kDefault, /*waits=*/false);
  faults_.WaitUntilHeld();
  const Strings order = {"three", "one", "two"};
  for (const std::string& family : order) {
    Flush({"a"}, family, /*waits=*/false);
    Flush({"b"}, kDefault, /*waits=*/false);
  }
  faults_.Release();
  ASSERT_THAT(database_->WaitForCompact({}), IsOk());
  uint64_t last = 0;
  for (const std::string& family : order) {
    ASSERT_EQ(Tables(family)[0].size(), 1U);
    EXPECT_GT(Tables(family)[0][0], last) << family;
    last = Tables(family)[0][0];
  }
  // The default family was there first, and again between them.
  EXPECT_LT(Tables()[0].back(), Tables("three")[0][0]);
  EXPECT_LT(Tables()[0].front(), Tables("one")[0][0]);
}

TEST_F(BackgroundTest, AnAtomicFlushIsOneChangeOfTheManifest) {
  for (bool is_atomic : {false, true}) {
    SCOPED_TRACE(is_atomic);
    options_.atomic_flush = is_atomic;
    Open({"one", "two"});
    for (const char* family : {kDefault, "one", "two"}) Put("a", family);
    faults_.Disarm();
    std::vector<ColumnFamilyHandle*> all;
    for (const auto& family : database_.FamilyNames()) {
      all.push_back(database_.Family(family));
    }
    ASSERT_THAT(database_->Flush({}, all), IsOk());
    EXPECT_EQ(ManifestOperations("Sync"), is_atomic ? 1U : 3U);
    ASSERT_THAT(database_.Close(), IsOk());
  }
}

TEST_F(BackgroundTest, AnAtomicFlushThatFailsFlushesNoFamily) {
  options_.atomic_flush = true;
  Open({"one"});
  Put("a");
  Put("a", "one");
  // The table of the second family.
  faults_.Arm({.operation = 2,
               .name = "NewWritableFile",
               .path_end = ".sst",
               .forever = true});
  EXPECT_THAT(database_->Flush({}), HasCode(Status::kIOError));
  EXPECT_TRUE(Tables()[0].empty());
  EXPECT_TRUE(Tables("one")[0].empty());
  faults_.Disarm();
  ASSERT_THAT(database_->Resume(), IsOk());
  EXPECT_EQ(Tables()[0].size(), 1U);
  EXPECT_EQ(Tables("one")[0].size(), 1U);
}

TEST_F(BackgroundTest, AFailedFlushKeepsWhatItHadAndIsToldToWhoWaits) {
  Open();
  Put("a");
  FailTables();
  EXPECT_THAT(database_->Flush({}), HasCode(Status::kIOError));
  EXPECT_GE(Property("background-errors"), 1U);
  EXPECT_THAT(database_->WaitForCompact({}), HasCode(Status::kIOError));
  // Writers are not concerned as long as there is room.
  Put("b");
  EXPECT_EQ(Keys(), (Strings{"a", "b"}));
  faults_.Disarm();
  ASSERT_THAT(database_->Resume(), IsOk());
  ASSERT_THAT(database_->WaitForCompact({}), IsOk());
  EXPECT_EQ(Property("num-immutable-mem-table"), 0U);
  EXPECT_EQ(TableFiles().size(), Tables()[0].size());
  Reopen();
  EXPECT_EQ(Keys(), (Strings{"a", "b"}));
}

TEST_F(BackgroundTest, WaitingMayFlushFirst) {
  Open({"one"});
  Put("a");
  Put("a", "one");
  ASSERT_THAT(database_->WaitForCompact({}), IsOk());
  EXPECT_EQ(Property("num-entries-active-mem-table"), 1U);
  ASSERT_THAT(database_->WaitForCompact({.flush = true}), IsOk());
  EXPECT_EQ(Property("num-entries-active-mem-table"), 0U);
  EXPECT_EQ(Property("num-entries-active-mem-table", "one"), 0U);
  EXPECT_EQ(Tables("one")[0].size(), 1U);
}

TEST_F(BackgroundTest, AFlushOfNothingMakesNoTable) {
  Open();
  ASSERT_THAT(database_->Flush({}), IsOk());
  EXPECT_TRUE(TableFiles().empty());
}

// --- Compactions -------------------------------------------------------------

TEST_F(BackgroundTest,
       WithoutAutomaticCompactionsNoneIsDueButOneCanBeAskedFor) {
  options_.level0_file_num_compaction_trigger = 2;
  Open();
  for (int i = 0; i < 4; ++i) Flush({"a", "b"});
  ASSERT_THAT(database_->WaitForCompact({}), IsOk());
  EXPECT_EQ(Property("compaction-pending"), 0U);
  EXPECT_EQ(Tables()[0].size(), 4U);
  ASSERT_THAT(CompactAll(), IsOk());
  EXPECT_TRUE(Tables()[0].empty());
  EXPECT_EQ(AllTables().size(), 1U);
  EXPECT_EQ(Keys(), (Strings{"a", "b"}));
}

TEST_F(BackgroundTest, LevelZeroIsCompactedAtItsTrigger) {
  options_.disable_auto_compactions = false;
  options_.level0_file_num_compaction_trigger = 3;
  Open();
  for (int i = 0; i < 2; ++i) Flush({"a", "b"});
  ASSERT_THAT(database_->WaitForCompact({}), IsOk());
  EXPECT_EQ(Tables()[0].size(), 2U);
  Flush({"a", "b"});
  ASSERT_THAT(database_->WaitForCompact({}), IsOk());
  EXPECT_TRUE(Tables()[0].empty());
  EXPECT_EQ(database_->GetMetrics().compactions, 1U);
}

TEST_F(BackgroundTest, AFlushPassesACompactionThatRuns) {
  Open();
  Flush({"a", "c"});
  Flush({"b", "d"});
  const std::set<uint64_t> inputs = AllTables();
  HoldTable();
  std::thread compacts([&] { EXPECT_THAT(CompactAll(), IsOk()); });
  faults_.WaitUntilHeld();
  EXPECT_EQ(Property("num-running-compactions"), 1U);
  const ColumnFamilyMetaData metadata =
      database_->GetColumnFamilyMetaData(database_.Family(kDefault));
  for (const auto& file : metadata.levels[0].files) {
    EXPECT_TRUE(file.being_compacted);
  }
  // It is new to the compaction, which leaves it where it is.
  Flush({"e"});
  EXPECT_EQ(Tables()[0].size(), 3U);
  EXPECT_EQ(Keys(), (Strings{"a", "b", "c", "d", "e"}));
  faults_.Release();
  compacts.join();
  EXPECT_EQ(Property("num-running-compactions"), 0U);
  for (uint64_t input : inputs) EXPECT_FALSE(AllTables().contains(input));
  EXPECT_EQ(Keys(), (Strings{"a", "b", "c", "d", "e"}));
}

TEST_F(BackgroundTest, FilesThatOverlapNothingAreMovedAsTheyAre) {
  Open();
  Flush({"a", "b"});
  Flush({"c", "d"});
  const std::set<uint64_t> before = AllTables();
  faults_.Disarm();
  ASSERT_THAT(CompactAll(), IsOk());
  EXPECT_EQ(AllTables(), before);
  EXPECT_TRUE(Tables()[0].empty());
  EXPECT_EQ(faults_.CountOf("NewWritableFile", ".sst"), 0U);
  const Metrics metrics = database_->GetMetrics();
  EXPECT_GE(metrics.trivial_moves, 1U);
  EXPECT_EQ(metrics.compaction_bytes_written, 0U);
  Reopen();
  EXPECT_EQ(AllTables(), before);
  EXPECT_EQ(Keys(), (Strings{"a", "b", "c", "d"}));
}

TEST_F(BackgroundTest, AFailedCompactionChangesNothingAndCanBeDoneAgain) {
  Open();
  Flush({"a", "c"});
  Flush({"b", "d"});
  const std::set<uint64_t> inputs = AllTables();
  FailTables();
  EXPECT_THAT(CompactAll(), HasCode(Status::kIOError));
  EXPECT_EQ(AllTables(), inputs);
  EXPECT_EQ(TableFiles().size(), inputs.size());
  faults_.Disarm();
  // Writes go on: a compaction that fails loses nothing.
  Put("e");
  ASSERT_THAT(CompactAll(), IsOk());
  EXPECT_EQ(Keys(), (Strings{"a", "b", "c", "d", "e"}));
  ASSERT_THAT(database_->WaitForCompact({}), IsOk());
  EXPECT_EQ(TableFiles().size(), AllTables().size());
}

TEST_F(BackgroundTest, ACompactionThatIsNotRecordedKeepsItsInputs) {
  Open();
  Flush({"a", "c"});
  Flush({"b", "d"});
  const std::set<uint64_t> inputs = AllTables();
  // The directory, that the MANIFEST may name the table.
  faults_.Arm({.operation = 1, .name = "SyncDirectory", .forever = true});
  EXPECT_THAT(CompactAll(), HasCode(Status::kIOError));
  EXPECT_EQ(AllTables(), inputs);
  faults_.Disarm();
  ASSERT_THAT(CompactAll(), IsOk());
  ASSERT_THAT(database_->WaitForCompact({}), IsOk());
  EXPECT_EQ(TableFiles().size(), AllTables().size());
  Reopen();
  EXPECT_EQ(Keys(), (Strings{"a", "b", "c", "d"}));
}

// Damage is met again at every try; the machine may be mended.
TEST_F(BackgroundTest, DamageEndsTheCompactionsOfItsFamilyAndOfNoOther) {
  Open({"other"});
  for (const char* family : {kDefault, "other"}) {
    Flush({"a", "c"}, family);
    Flush({"b", "d"}, family);
  }
  const uint64_t damaged = Tables()[0][0];
  ASSERT_THAT(database_.Close(), IsOk());
  for (const std::string& path : TableFiles()) {
    if (path.find(std::to_string(damaged) + ".sst") == std::string::npos) {
      continue;
    }
    std::string bytes = *files_.Files()[path];
    bytes[3] = static_cast<char>(bytes[3] ^ 0x55);  // In the first block.
    files_.Add(path, bytes);
  }
  options_.disable_auto_compactions = false;
  options_.level0_file_num_compaction_trigger = 2;
  Open();
  EXPECT_THAT(database_->WaitForCompact({}), HasCode(Status::kCorruption));
  EXPECT_EQ(Tables()[0].size(), 2U);
  EXPECT_EQ(Property("compaction-pending"), 0U);
  // It does not try again and again, and the others go on.
  const uint64_t errors = Property("background-errors");
  Flush({"e"}, "other");
  Flush({"f"}, "other");
  EXPECT_THAT(database_->WaitForCompact({}), HasCode(Status::kCorruption));
  EXPECT_EQ(Property("background-errors"), errors);
  EXPECT_TRUE(Tables("other")[0].empty());
  EXPECT_EQ(Keys("other"), (Strings{"a", "b", "c", "d", "e", "f"}));
}

// --- What is removed when ----------------------------------------------------

TEST_F(BackgroundTest, TablesAreRemovedWhenTheirLastReaderIsGone) {
  Open();
  Flush({"a", "c"});
  Flush({"b", "d"});
  const Strings before = TableFiles();
  std::unique_ptr<Iterator> reader(
      database_->NewIterator({}, database_.Family(kDefault)));
  reader->SeekToFirst();
  ASSERT_THAT(CompactAll(), IsOk());
  ASSERT_THAT(database_->WaitForCompact({}), IsOk());
  EXPECT_EQ(TableFiles().size(), before.size() + 1);
  EXPECT_GT(Property("total-sst-files-size"), Property("live-sst-files-size"));
  int seen = 0;
  for (; reader->Valid(); reader->Next()) ++seen;
  EXPECT_EQ(seen, 4);
  EXPECT_THAT(reader->status(), IsOk());
  reader.reset();
  ASSERT_THAT(database_->WaitForCompact({}), IsOk());
  EXPECT_EQ(TableFiles().size(), 1U);
  EXPECT_EQ(Property("total-sst-files-size"), Property("live-sst-files-size"));
}

TEST_F(BackgroundTest, TablesOfADroppedFamilyLiveAsLongAsItsHandles) {
  Open({"other"});
  Flush({"a"}, "other");
  ASSERT_EQ(TableFiles().size(), 1U);
  std::unique_ptr<Iterator> reader(
      database_->NewIterator({}, database_.Family("other")));
  ASSERT_THAT(database_.DropFamily("other"), IsOk());
  reader->SeekToFirst();
  ASSERT_TRUE(reader->Valid());
  EXPECT_EQ(reader->key(), "a");
  EXPECT_EQ(TableFiles().size(), 1U);
  reader.reset();
  ASSERT_THAT(database_->WaitForCompact({}), IsOk());
  EXPECT_TRUE(TableFiles().empty());
}

TEST_F(BackgroundTest, ATableThatCannotBeRemovedIsLeftToTheNextOpen) {
  Open();
  Flush({"a", "c"});
  Flush({"b", "d"});
  faults_.Arm({.operation = 1,
               .name = "RemoveFile",
               .path_end = ".sst",
               .forever = true});
  ASSERT_THAT(CompactAll(), IsOk());
  ASSERT_THAT(database_->WaitForCompact({}), IsOk());
  EXPECT_EQ(TableFiles().size(), 3U);
  faults_.Disarm();
  Reopen();
  EXPECT_EQ(TableFiles().size(), 1U);
  EXPECT_EQ(Keys(), (Strings{"a", "b", "c", "d"}));
}

// Several threads open them.
TEST_F(BackgroundTest, OfManyTablesTheFirstThatIsMissingIsNamedAtTheOpen) {
  Open();
  for (int i = 0; i < 80; ++i) Flush({"k" + std::to_string(i)});
  ASSERT_THAT(database_.Close(), IsOk());
  const Strings paths = TableFiles();
  ASSERT_EQ(paths.size(), 80U);
  // The newest ones are the first.
  for (size_t i : {size_t{70}, size_t{69}, size_t{3}}) {
    ASSERT_THAT(files_.RemoveFile(paths[i]), IsOk());
  }
  const Status s = database_.Open(options_, kDirectory);
  EXPECT_FALSE(s.ok());
  EXPECT_THAT(s.ToString(), testing::HasSubstr(paths[70]));
}

// --- The end -----------------------------------------------------------------

TEST_F(BackgroundTest, CloseWaitsForAFlushThatRuns) {
  Open();
  HoldTable();
  Flush({"a"}, kDefault, /*waits=*/false);
  faults_.WaitUntilHeld();
  std::thread closes([&] { EXPECT_THAT(database_->Close(), IsOk()); });
  while (!database_->Flush({}).IsShutdownInProgress()) {
    std::this_thread::yield();
  }
  faults_.Release();
  closes.join();
  ASSERT_THAT(database_.Close(), IsOk());
  Open();
  EXPECT_EQ(Keys(), Strings{"a"});
  EXPECT_EQ(TableFiles().size(), AllTables().size());
}

TEST_F(BackgroundTest, CloseEndsACompactionAndLeavesNoTableOfIt) {
  Open();
  Flush({"a", "c"});
  Flush({"b", "d"});
  HoldTable();
  std::thread compacts([&] {
    const Status status = CompactAll();
    EXPECT_TRUE(status.ok() || status.IsShutdownInProgress())
        << status.ToString();
  });
  faults_.WaitUntilHeld();
  std::thread closes([&] { EXPECT_THAT(database_->Close(), IsOk()); });
  while (!database_->Flush({}).IsShutdownInProgress()) {
    std::this_thread::yield();
  }
  EXPECT_THAT(CompactAll(), HasCode(Status::kShutdownInProgress));
  EXPECT_THAT(database_->WaitForCompact({}),
              HasCode(Status::kShutdownInProgress));
  faults_.Release();
  compacts.join();
  closes.join();
  ASSERT_THAT(database_.Close(), IsOk());
  Open();
  EXPECT_EQ(Keys(), (Strings{"a", "b", "c", "d"}));
  EXPECT_EQ(TableFiles().size(), AllTables().size());
}

TEST_F(BackgroundTest, OneThreadDoesAllThereIsToDo) {
  options_.disable_auto_compactions = false;
  options_.max_background_jobs = 1;
  options_.level0_file_num_compaction_trigger = 2;
  options_.write_buffer_size = size_t{64} << 10;
  options_.target_file_size_base = uint64_t{64} << 10;
  options_.max_bytes_for_level_base = uint64_t{256} << 10;
  Open();
  TestRandom random(TestSeed());
  std::set<std::string> expected;
  for (int i = 0; i < 400; ++i) {
    const std::string key = random.Letters(1) + random.Bytes(2'000);
    Put(key);
    expected.insert(key);
  }
  ASSERT_THAT(database_->WaitForCompact({.flush = true}), IsOk());
  EXPECT_GE(database_->GetMetrics().flushes, 5U);
  EXPECT_GE(database_->GetMetrics().compactions +
                database_->GetMetrics().trivial_moves,
            1U);
  EXPECT_LT(Tables()[0].size(), 2U);
  EXPECT_EQ(Keys(), Strings(expected.begin(), expected.end()));
}

}  // namespace
}  // namespace paceline
