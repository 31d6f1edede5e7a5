// Get and MultiGet in every form, the values that they pin, and snapshots over
// several column families; in databases that are open for writing and for
// reading only.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "paceline/db.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "test/support/fault_file_system.h"
#include "test/support/no_logger.h"
#include "test/support/seed.h"
#include "test/support/test_database.h"
#include "test/support/test_directory.h"

namespace paceline {
namespace {

using testing::AllOf;
using testing::Each;
using testing::ElementsAre;
using testing::Eq;
using testing::HasSubstr;
using testing::SizeIs;

// Families "default", "one", and "reversed", whose keys descend.
class PointReadTest : public testing::Test {
 protected:
  PointReadTest() {
    options_.create_if_missing = true;
    options_.create_missing_column_families = true;
    options_.file_system = &files_;
    options_.info_log = std::make_shared<NoLogger>();
    options_.merge_operator = NewStringAppendOperator();
    options_.disable_auto_compactions = true;
    options_.write_buffer_size = size_t{1} << 20;  // Small WALs.
    database_.SetComparator("reversed", ReverseBytewiseComparator());
  }

  void Open() {
    ASSERT_THAT(
        database_.Open(options_, directory_.path(), {"one", "reversed"}),
        IsOk());
  }
  void UseTable(const BlockBasedTableOptions& table) {
    options_.table_factory.reset(NewBlockBasedTableFactory(table));
  }

  ColumnFamilyHandle* Family(const std::string& name) {
    return database_.Family(name);
  }
  void Put(const std::string& family, const std::string& key,
           const std::string& value) {
    ASSERT_THAT(database_->Put({}, Family(family), key, value), IsOk());
  }
  void FlushAll() {
    ASSERT_THAT(database_->Flush(
                    {}, {Family("default"), Family("one"), Family("reversed")}),
                IsOk());
  }
  void CompactAll() {
    for (const std::string& name : database_.FamilyNames()) {
      ASSERT_THAT(
          database_->CompactRange({.bottommost_level_compaction =
                                       BottommostLevelCompaction::kForce},
                                  Family(name), nullptr, nullptr),
          IsOk());
    }
    ASSERT_THAT(database_->WaitForCompact({}), IsOk());
  }

  // The value, or the beginning of the status.
  std::string Get(const std::string& family, const std::string& key,
                  const Snapshot* snapshot = nullptr) {
    std::string value;
    const Status s =
        database_->Get({.snapshot = snapshot}, Family(family), key, &value);
    return s.ok() ? value : s.ToString().substr(0, 8);
  }

  uint64_t Number(const std::string& name) {
    uint64_t value = 0;
    EXPECT_TRUE(database_->GetIntProperty("rocksdb." + name, &value)) << name;
    return value;
  }
  [[nodiscard]] uint64_t reads() const {
    return files_.CountOf("Read", ".sst");
  }

  TestDirectory directory_{TestStorage::kMemory};
  FaultFileSystem files_;
  Options options_;
  TestDatabase database_;
};

// --- MultiGet. -------------------------------------------------------------

TEST_F(PointReadTest, AnswersComeInTheOrderOfTheQuestions) {
  Open();
  Put("default", "b", "default b");
  Put("one", "b", "one b");
  Put("reversed", "a", "reversed a");
  Put("reversed", "b", "reversed b");
  ColumnFamilyHandle* const none = nullptr;
  std::vector<std::string> values;
  for (const bool is_flushed : {false, true}) {
    if (is_flushed) FlushAll();
    EXPECT_THAT(database_->MultiGet({},
                                    {Family("one"), Family("reversed"), none,
                                     Family("reversed"), Family("one"), none},
                                    {"b", "b", "b", "a", "a", "b"}, &values),
                ElementsAre(IsOk(), IsOk(), IsOk(), IsOk(),
                            HasCode(Status::kNotFound), IsOk()));
    EXPECT_THAT(values, ElementsAre("one b", "reversed b", "default b",
                                    "reversed a", "", "default b"));
  }
}

TEST_F(PointReadTest, EveryAnswerIsThatOfGet) {
  TestRandom random(TestSeed());
  BlockBasedTableOptions table;
  table.block_size = 256;
  table.filter_policy.reset(NewBloomFilterPolicy(10));
  UseTable(table);
  Open();
  const std::vector<std::string> names = database_.FamilyNames();
  std::vector<const Snapshot*> snapshots = {nullptr};
  const auto random_key = [&] {
    return "k" + std::to_string(random.Below(80));
  };
  for (int round = 0; round < 4; ++round) {
    for (int i = 0; i < 150; ++i) {
      ColumnFamilyHandle* family = Family(names[random.Below(names.size())]);
      const std::string key = random_key();
      const std::string value = random.Letters(random.Below(60));
      const Status s = random.OneIn(4) ? database_->Delete({}, family, key)
                       : random.OneIn(3)
                           ? database_->Merge({}, family, key, value)
                           : database_->Put({}, family, key, value);
      ASSERT_THAT(s, IsOk());
    }
    snapshots.push_back(database_->GetSnapshot());
    if (round == 1) CompactAll();
    if (round == 2) FlushAll();
  }
  for (int round = 0; round < 60; ++round) {
    const Snapshot* snapshot = snapshots[random.Below(snapshots.size())];
    std::vector<ColumnFamilyHandle*> families;
    std::vector<std::string> keys;
    for (uint64_t i = random.Below(40); i > 0; --i) {
      families.push_back(Family(names[random.Below(names.size())]));
      keys.push_back(random_key());
    }
    std::vector<std::string> values;
    const std::vector<Status> statuses = database_->MultiGet(
        {.snapshot = snapshot}, families,
        std::vector<Slice>(keys.begin(), keys.end()), &values);
    ASSERT_THAT(statuses, SizeIs(keys.size()));
    ASSERT_THAT(values, SizeIs(keys.size()));
    for (size_t i = 0; i < keys.size(); ++i) {
      std::string value;
      const Status s =
          database_->Get({.snapshot = snapshot}, families[i], keys[i], &value);
      ASSERT_EQ(statuses[i].code(), s.code()) << keys[i];
      ASSERT_EQ(values[i], value) << keys[i];
    }
  }
  for (const Snapshot* snapshot : snapshots) {
    database_->ReleaseSnapshot(snapshot);
  }
}

TEST_F(PointReadTest, WhatValuesHeldBeforeIsForgotten) {
  Open();
  Put("default", "a", "1");
  std::vector<std::string> values = {"old", "old", "old"};
  EXPECT_THAT(database_->MultiGet({}, {"missing", "a"}, &values),
              ElementsAre(HasCode(Status::kNotFound), IsOk()));
  EXPECT_THAT(values, ElementsAre("", "1"));
  EXPECT_THAT(database_->MultiGet({}, {}, &values), SizeIs(0));
  EXPECT_THAT(values, SizeIs(0));
}

TEST_F(PointReadTest, FamiliesAndKeysMustBeAsMany) {
  Open();
  Put("default", "a", "1");
  std::vector<std::string> values;
  for (const size_t families : {0, 1, 3}) {
    EXPECT_THAT(database_->MultiGet(
                    {}, std::vector<ColumnFamilyHandle*>(families, nullptr),
                    {"a", "a"}, &values),
                AllOf(SizeIs(2), Each(HasCode(Status::kInvalidArgument))));
    EXPECT_THAT(values, ElementsAre("", ""));
  }
}

TEST_F(PointReadTest, AFamilyThatIsGoneSpoilsOnlyItsOwnKeys) {
  Open();
  TestDirectory other_directory(TestStorage::kMemory);
  TestDatabase other;
  ASSERT_THAT(other.Open(options_, other_directory.path()), IsOk());
  Put("default", "a", "1");
  Put("one", "a", "2");
  ColumnFamilyHandle* const one = Family("one");
  ASSERT_THAT(database_->DropColumnFamily(one), IsOk());
  std::vector<std::string> values;
  const auto statuses = database_->MultiGet(
      {}, {one, nullptr, other->DefaultColumnFamily(), Family("reversed")},
      {"a", "a", "a", "a"}, &values);
  EXPECT_THAT(statuses, ElementsAre(HasCode(Status::kInvalidArgument), IsOk(),
                                    HasCode(Status::kInvalidArgument),
                                    HasCode(Status::kNotFound)));
  EXPECT_THAT(statuses[0], Mentions("one"));
  EXPECT_THAT(values, ElementsAre("", "1", "", ""));
}

// In the order of the keys, whatever the order of the questions.
TEST_F(PointReadTest, KeysOfOneBlockAreReadTogether) {
  BlockBasedTableOptions table;
  table.no_block_cache = true;
  table.block_size = 1024;
  UseTable(table);
  options_.compression = kNoCompression;
  Open();
  std::vector<std::string> keys;
  for (int i = 0; i < 100; ++i) {
    keys.push_back("key" + std::to_string(1000 + i));
    Put("default", keys.back(), std::string(100, 'v'));
  }
  FlushAll();
  // No two of one block are neighbours.
  std::vector<std::string> shuffled;
  for (size_t i = 0; i < 100; ++i) shuffled.push_back(keys[i * 37 % 100]);
  keys = shuffled;
  files_.Disarm();
  std::vector<std::string> values;
  EXPECT_THAT(database_->MultiGet(
                  {}, std::vector<Slice>(keys.begin(), keys.end()), &values),
              Each(IsOk()));
  const uint64_t together = reads();
  files_.Disarm();
  for (const std::string& key : keys) Get("default", key);
  EXPECT_EQ(reads(), 100u);
  EXPECT_LE(together, 15u) << "about as many as there are blocks";
}

TEST_F(PointReadTest, AReadThatFailsIsToldForItsKeysAlone) {
  BlockBasedTableOptions table;
  table.no_block_cache = true;
  UseTable(table);
  Open();
  Put("default", "b", "in a table");
  FlushAll();
  Put("default", "a", "in memory");
  Put("default", "c", "in memory");
  files_.Arm(
      {.operation = 1, .name = "Read", .path_end = ".sst", .forever = true});
  std::vector<std::string> values;
  const auto statuses = database_->MultiGet({}, {"c", "b", "a"}, &values);
  EXPECT_THAT(statuses, ElementsAre(IsOk(), HasCode(Status::kIOError), IsOk()));
  EXPECT_THAT(statuses[1], Mentions(files_.first_failure()));
  EXPECT_THAT(values, ElementsAre("in memory", "", "in memory"));
  files_.Disarm();
  EXPECT_THAT(database_->MultiGet({}, {"b"}, &values), ElementsAre(IsOk()));
}

// --- Get. ------------------------------------------------------------------

TEST_F(PointReadTest, AStringIsLeftAloneByAGetThatFindsNothing) {
  Open();
  std::string value = "kept";
  EXPECT_THAT(database_->Get({}, "missing", &value),
              HasCode(Status::kNotFound));
  EXPECT_EQ(value, "kept");
}

TEST_F(PointReadTest, KeysAndValuesMayBeEmptyOrLarge) {
  TestRandom random(TestSeed());
  Open();
  const std::string large_key = random.Bytes(100'000);
  const std::string large_value = random.Bytes(3 << 20);
  Put("default", "", "of the empty key");
  Put("default", "empty", "");
  Put("default", large_key, "of the large key");
  Put("default", "large", large_value);
  for (const bool is_flushed : {false, true}) {
    if (is_flushed) FlushAll();
    EXPECT_EQ(Get("default", ""), "of the empty key");
    EXPECT_EQ(Get("default", "empty"), "");
    EXPECT_EQ(Get("default", large_key), "of the large key");
    EXPECT_TRUE(Get("default", "large") == large_value);
    EXPECT_EQ(Get("default", large_key + "x"), "NotFound");
  }
}

TEST_F(PointReadTest, AFilterSavesTheReadOfAnAbsentKey) {
  BlockBasedTableOptions table;
  table.no_block_cache = true;
  table.filter_policy.reset(NewBloomFilterPolicy(20));
  UseTable(table);
  Open();
  for (int i = 0; i < 200; i += 2) {
    Put("default", "key" + std::to_string(1000 + i), "value");
  }
  FlushAll();
  files_.Disarm();
  for (int i = 1; i < 200; i += 2) {
    EXPECT_EQ(Get("default", "key" + std::to_string(1000 + i)), "NotFound");
  }
  EXPECT_LE(reads(), 2u) << "a false positive is rare";
  files_.Disarm();
  EXPECT_EQ(Get("default", "key1000"), "value");
  EXPECT_EQ(reads(), 1u);
}

// --- Values that are pinned. -----------------------------------------------

TEST_F(PointReadTest, AValueOfAMemtableStaysWhateverBecomesOfItsKey) {
  Open();
  Put("default", "k", "value");
  PinnableSlice value;
  ASSERT_THAT(database_->Get({}, nullptr, "k", &value), IsOk());
  EXPECT_TRUE(value.IsPinned());
  ASSERT_THAT(database_->Delete({}, "k"), IsOk());
  FlushAll();
  CompactAll();
  EXPECT_EQ(Get("default", "k"), "NotFound");
  EXPECT_EQ(value.ToString(), "value");
  // The memtable is kept for it, and goes with it.
  EXPECT_GT(Number("size-all-mem-tables"), Number("cur-size-all-mem-tables"));
  value.Reset();
  EXPECT_EQ(Number("size-all-mem-tables"), Number("cur-size-all-mem-tables"));
}

TEST_F(PointReadTest, AValueOfATableStaysWhenItsFileAndItsBlockGo) {
  const auto cache = NewLRUCache(1 << 20);
  BlockBasedTableOptions table;
  table.block_cache = cache;
  UseTable(table);
  Open();
  Put("default", "k", std::string(2000, 'v'));
  FlushAll();
  PinnableSlice value;
  ASSERT_THAT(database_->Get({}, nullptr, "k", &value), IsOk());
  EXPECT_TRUE(value.IsPinned());
  EXPECT_GT(Number("block-cache-pinned-usage"), 2000u);
  cache->SetCapacity(0);
  ASSERT_THAT(database_->Delete({}, "k"), IsOk());
  CompactAll();
  EXPECT_EQ(Number("live-sst-files-size"), 0u);
  EXPECT_EQ(value.ToString(), std::string(2000, 'v'));
  ASSERT_THAT(database_.Close(), IsOk());
  EXPECT_EQ(value.ToString(), std::string(2000, 'v'));
  value.Reset();
  EXPECT_EQ(cache->GetPinnedUsage(), 0u);
}

TEST_F(PointReadTest, AMergedValueIsACopy) {
  Open();
  ASSERT_THAT(database_->Merge({}, "k", "a"), IsOk());
  ASSERT_THAT(database_->Merge({}, "k", "b"), IsOk());
  PinnableSlice value;
  ASSERT_THAT(database_->Get({}, nullptr, "k", &value), IsOk());
  EXPECT_FALSE(value.IsPinned());
  EXPECT_EQ(value.ToString(), "a,b");
  EXPECT_EQ(*value.GetSelf(), "a,b");
}

TEST_F(PointReadTest, TheNextGetLetsGoOfWhatTheLastOnePinned) {
  const auto cache = NewLRUCache(1 << 20);
  BlockBasedTableOptions table;
  table.block_cache = cache;
  UseTable(table);
  Open();
  Put("default", "k", "value");
  FlushAll();
  PinnableSlice value;
  ASSERT_THAT(database_->Get({}, nullptr, "k", &value), IsOk());
  EXPECT_GT(cache->GetPinnedUsage(), 0u);
  EXPECT_THAT(database_->Get({}, nullptr, "missing", &value),
              HasCode(Status::kNotFound));
  EXPECT_FALSE(value.IsPinned());
  EXPECT_TRUE(value.empty());
  EXPECT_EQ(cache->GetPinnedUsage(), 0u);
}

// --- Snapshots. ------------------------------------------------------------

TEST_F(PointReadTest, ASnapshotHoldsForAllFamilies) {
  Open();
  for (const std::string& name : database_.FamilyNames()) {
    Put(name, "changed", "old");
    Put(name, "deleted", "old");
  }
  const Snapshot* snapshot = database_->GetSnapshot();
  for (const std::string& name : database_.FamilyNames()) {
    Put(name, "changed", "new");
    ASSERT_THAT(database_->Delete({}, Family(name), "deleted"), IsOk());
    Put(name, "added", "new");
  }
  for (const auto& change : std::vector<std::function<void()>>{
           [] {}, [this] { FlushAll(); }, [this] { CompactAll(); }}) {
    change();
    for (const std::string& name : database_.FamilyNames()) {
      EXPECT_EQ(Get(name, "changed", snapshot), "old");
      EXPECT_EQ(Get(name, "deleted", snapshot), "old");
      EXPECT_EQ(Get(name, "added", snapshot), "NotFound");
      EXPECT_EQ(Get(name, "changed"), "new");
      EXPECT_EQ(Get(name, "deleted"), "NotFound");
    }
  }
  database_->ReleaseSnapshot(snapshot);
}

TEST_F(PointReadTest, AFamilyThatIsMadeLaterIsEmptyAtAnOlderSnapshot) {
  Open();
  Put("default", "k", "v");
  const ManagedSnapshot snapshot(database_.get());
  ASSERT_THAT(database_.CreateFamily("late"), IsOk());
  Put("late", "k", "v");
  EXPECT_EQ(Get("late", "k"), "v");
  EXPECT_EQ(Get("late", "k", snapshot.snapshot()), "NotFound");
}

// Two of the same moment are two: what one needs stays when the other goes.
TEST_F(PointReadTest, SnapshotsOfOneMomentAreReleasedOneByOne) {
  Open();
  Put("default", "k", "old");
  const Snapshot* first = database_->GetSnapshot();
  const Snapshot* second = database_->GetSnapshot();
  EXPECT_NE(first, second);
  EXPECT_EQ(first->GetSequenceNumber(), second->GetSequenceNumber());
  EXPECT_EQ(Number("num-snapshots"), 2u);
  Put("default", "k", "new");
  database_->ReleaseSnapshot(first);
  EXPECT_EQ(Number("num-snapshots"), 1u);
  CompactAll();
  EXPECT_EQ(Get("default", "k", second), "old");
  database_->ReleaseSnapshot(second);
  EXPECT_EQ(Number("num-snapshots"), 0u);
  database_->ReleaseSnapshot(nullptr);
  EXPECT_EQ(Get("default", "k"), "new");
}

TEST_F(PointReadTest, TheOldestSnapshotIsKnown) {
  Open();
  EXPECT_EQ(Number("oldest-snapshot-sequence"), 0u);
  Put("default", "a", "1");
  const Snapshot* first = database_->GetSnapshot();
  Put("default", "b", "2");
  const Snapshot* second = database_->GetSnapshot();
  EXPECT_EQ(Number("oldest-snapshot-sequence"), first->GetSequenceNumber());
  database_->ReleaseSnapshot(first);
  EXPECT_EQ(Number("oldest-snapshot-sequence"), second->GetSequenceNumber());
  database_->ReleaseSnapshot(second);
  EXPECT_EQ(Number("oldest-snapshot-sequence"), 0u);
}

// --- Reading only. ---------------------------------------------------------

class ReadOnlyTest : public PointReadTest {
 protected:
  // What is in a table and in a WAL.
  void Fill() {
    Open();
    for (const std::string& name : database_.FamilyNames()) {
      Put(name, "flushed", name);
    }
    FlushAll();
    for (const std::string& name : database_.FamilyNames()) {
      Put(name, "logged", name);
    }
  }
};

TEST_F(ReadOnlyTest, SeveralReadersSeeTheTimesTheyWereOpenedAt) {
  Fill();
  TestDatabase before;
  before.SetComparator("reversed", ReverseBytewiseComparator());
  ASSERT_THAT(before.OpenForReadOnly(options_, directory_.path()), IsOk());
  Put("one", "logged", "changed");
  TestDatabase behind;
  behind.SetComparator("reversed", ReverseBytewiseComparator());
  ASSERT_THAT(behind.OpenForReadOnly(options_, directory_.path()), IsOk());
  // The writer replaces the files that they read.
  CompactAll();
  for (const std::string& name : database_.FamilyNames()) {
    ASSERT_THAT(database_->Delete({}, Family(name), "flushed"), IsOk());
  }
  CompactAll();
  ASSERT_THAT(database_.Close(), IsOk());
  const auto value = [](const TestDatabase& reader, const std::string& family,
                        const std::string& key) {
    std::string found;
    const Status s = reader->Get({}, reader.Family(family), key, &found);
    return s.ok() ? found : s.ToString();
  };
  for (const TestDatabase* reader : {&before, &behind}) {
    for (const std::string& name : reader->FamilyNames()) {
      EXPECT_EQ(value(*reader, name, "flushed"), name);
    }
    EXPECT_EQ(value(*reader, "default", "logged"), "default");
  }
  EXPECT_EQ(value(before, "one", "logged"), "one");
  EXPECT_EQ(value(behind, "one", "logged"), "changed");
}

TEST_F(ReadOnlyTest, EveryCallThatWouldChangeSomethingIsRefused) {
  Fill();
  ASSERT_THAT(database_.Close(), IsOk());
  const auto files = ReadDirectory(directory_.path());
  ASSERT_THAT(database_.OpenForReadOnly(options_, directory_.path()), IsOk());
  DB* db = database_.get();
  WriteBatch batch;
  ASSERT_THAT(batch.Put("k", "v"), IsOk());
  ColumnFamilyHandle* handle = nullptr;
  const std::vector<Status> statuses = {
      db->Put({}, "k", "v"),
      db->Delete({}, "k"),
      db->SingleDelete({}, "k"),
      db->DeleteRange({}, nullptr, "a", "z"),
      db->Merge({}, "k", "v"),
      db->Write({}, &batch),
      db->Flush({}),
      db->CompactRange({}, nullptr, nullptr),
      db->WaitForCompact({}),
      db->CreateColumnFamily({}, "new", &handle),
      db->DropColumnFamily(Family("one")),
      db->SyncWAL(),
      db->FlushWAL(true),
      db->FlushWAL(false),
      db->LockWAL(),
      db->UnlockWAL(),
      db->Resume(),
  };
  for (size_t i = 0; i < statuses.size(); ++i) {
    EXPECT_THAT(statuses[i], HasCode(Status::kNotSupported)) << "call " << i;
    EXPECT_THAT(statuses[i], Mentions("reading only")) << "call " << i;
  }
  EXPECT_EQ(handle, nullptr);
  ASSERT_THAT(database_.Close(), IsOk());
  EXPECT_THAT(ReadDirectory(directory_.path()), Eq(files));
}

TEST_F(ReadOnlyTest, EveryCallThatOnlyLooksIsAnswered) {
  Fill();
  const SequenceNumber last = database_->GetLatestSequenceNumber();
  ASSERT_THAT(database_.Close(), IsOk());
  ASSERT_THAT(database_.OpenForReadOnly(options_, directory_.path()), IsOk());
  EXPECT_EQ(database_->GetLatestSequenceNumber(), last);
  {
    const ManagedSnapshot snapshot(database_.get());
    EXPECT_EQ(snapshot.snapshot()->GetSequenceNumber(), last);
    EXPECT_EQ(Get("one", "logged", snapshot.snapshot()), "one");
    EXPECT_THAT(database_->Close(), HasCode(Status::kAborted));
  }
  std::vector<std::string> values;
  EXPECT_THAT(database_->MultiGet({}, {nullptr, Family("one")},
                                  {"flushed", "logged"}, &values),
              Each(IsOk()));
  EXPECT_THAT(values, ElementsAre("default", "one"));
  EXPECT_THAT(database_->VerifyChecksum(), IsOk());
  EXPECT_EQ(database_->GetColumnFamilyMetaData(Family("one")).file_count, 1u);
  EXPECT_EQ(Family("reversed")->GetComparator(), ReverseBytewiseComparator());
  EXPECT_EQ(database_->GetOptions(Family("reversed")).comparator,
            ReverseBytewiseComparator());
  EXPECT_EQ(database_->GetMetrics().commits, 0u);
  EXPECT_THAT(database_->Close(), IsOk());
  EXPECT_THAT(database_->Close(), IsOk());
}

// The WAL that is replayed is not written to tables, whatever its size.
TEST_F(ReadOnlyTest, ManyWalsAreReplayedInMemory) {
  options_.write_buffer_size = size_t{64} << 10;
  options_.max_write_buffer_number = 20;
  Open();
  // Nothing is flushed, so that all of it is in WALs.
  files_.Hold("NewWritableFile", ".sst");
  for (int i = 0; i < 10; ++i) {
    Put("default", "key" + std::to_string(i), std::string(70'000, 'v'));
  }
  TestDatabase reader;
  reader.SetComparator("reversed", ReverseBytewiseComparator());
  ASSERT_THAT(reader.OpenForReadOnly(options_, directory_.path()), IsOk());
  EXPECT_THAT(reader.ReadAll().at("default"), SizeIs(10));
  EXPECT_EQ(reader->GetColumnFamilyMetaData().file_count, 0u);
  files_.Release();
}

}  // namespace
}  // namespace paceline
