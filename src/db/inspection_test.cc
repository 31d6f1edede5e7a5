#include "src/db/inspection.h"

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "paceline/db.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "src/base/coding.h"
#include "src/format/file_name.h"
#include "test/support/fault_file_system.h"
#include "test/support/forwarding_file_system.h"
#include "test/support/memory_file_system.h"
#include "test/support/no_logger.h"
#include "test/support/test_database.h"

namespace paceline {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr const char* kDirectory = "/db";

TEST(ComparatorByNameTest, OursAreKnownAndNoNameMeansTheDefault) {
  EXPECT_EQ(ComparatorByName(""), BytewiseComparator());
  EXPECT_EQ(ComparatorByName("leveldb.BytewiseComparator"),
            BytewiseComparator());
  EXPECT_EQ(ComparatorByName("rocksdb.ReverseBytewiseComparator"),
            ReverseBytewiseComparator());
  EXPECT_EQ(ComparatorByName("leveldb.BytewiseComparator2"), nullptr);
  EXPECT_EQ(ComparatorByName("mine"), nullptr);
}

// A database in memory, whose files are looked at and damaged while it is
// closed.
class InspectionTest : public testing::Test {
 protected:
  InspectionTest() {
    options_.create_if_missing = true;
    options_.create_missing_column_families = true;
    options_.file_system = &memory_;
    options_.info_log = std::make_shared<NoLogger>();
    options_.allow_mmap_writes = false;
    options_.disable_auto_compactions = true;
    options_.compression = kNoCompression;
  }

  void Open(const std::vector<std::string>& families = {}) {
    ASSERT_THAT(database_.Open(options_, kDirectory, families), IsOk());
  }
  void Close() { ASSERT_THAT(database_.Close(), IsOk()); }
  void Put(const std::string& key, const std::string& value,
           const std::string& family = "default") {
    ASSERT_THAT(database_->Put({}, database_.Family(family), key, value),
                IsOk());
  }
  void Flush(const std::string& family = "default") {
    ASSERT_THAT(database_->Flush({}, database_.Family(family)), IsOk());
  }

  [[nodiscard]] std::string BytesOf(const std::string& path) const {
    return *memory_.Files().at(path);
  }
  // Flips a bit of the byte at `offset`, counted from the end if negative.
  void Damage(const std::string& path, std::ptrdiff_t offset) {
    std::string bytes = BytesOf(path);
    const auto size = static_cast<std::ptrdiff_t>(bytes.size());
    bytes[static_cast<size_t>(offset < 0 ? size + offset : offset)] ^= 1;
    memory_.Add(path, bytes);
  }

  // The batches in all WALs, as "sequence+count", and "!" for damage. (What a
  // WAL says about the one before it is a record without entries.)
  std::vector<std::string> Wals() {
    std::vector<std::string> found;
    records_.clear();
    damage_.clear();
    const Status s = ReadWals(
        &memory_, kDirectory,
        [&](const WalRecord& record) {
          if (record.count == 0) return Status::OK();
          found.push_back(std::to_string(record.sequence) + "+" +
                          std::to_string(record.count));
          records_.push_back(record);
          return Status::OK();
        },
        [&](const LogDamage& damage) {
          found.push_back("!");
          damage_.push_back(damage);
        });
    EXPECT_THAT(s, IsOk());
    return found;
  }

  MemoryFileSystem memory_;
  Options options_;
  TestDatabase database_;
  std::vector<WalRecord> records_;
  std::vector<LogDamage> damage_;
};

TEST_F(InspectionTest, WhereThereIsNoDatabaseThatIsSaid) {
  EXPECT_TRUE(
      ReadColumnFamilyInfo(&memory_, kDirectory).status().IsPathNotFound());
  EXPECT_TRUE(ReadTableInfo(&memory_, kDirectory).status().IsPathNotFound());
  EXPECT_TRUE(
      ReadManifestRecords(&memory_, kDirectory, {}, {}).IsPathNotFound());
  auto wals = ListWals(&memory_, kDirectory);
  ASSERT_TRUE(wals.ok());
  EXPECT_THAT(*wals, IsEmpty());
  EXPECT_THAT(Wals(), IsEmpty());
}

TEST_F(InspectionTest, FamiliesAreThoseOfTheManifest) {
  database_.SetComparator("reversed", ReverseBytewiseComparator());
  Open({"reversed", "dropped", "plain"});
  Put("k", "in the first WAL");
  Put("k", "v", "plain");
  Flush("plain");
  Put("l", "v", "plain");
  Flush("plain");
  ASSERT_THAT(database_.DropFamily("dropped"), IsOk());
  const uint32_t reversed_id = database_.Family("reversed")->GetID();
  auto infos = ReadColumnFamilyInfo(&memory_, kDirectory);
  ASSERT_TRUE(infos.ok()) << infos.status().ToString();
  ASSERT_THAT(*infos, SizeIs(3));
  EXPECT_EQ((*infos)[0].name, "default");
  EXPECT_EQ((*infos)[0].id, 0u);
  EXPECT_EQ((*infos)[0].table_files, 0u);
  EXPECT_EQ((*infos)[1].name, "reversed");
  EXPECT_EQ((*infos)[1].id, reversed_id);
  EXPECT_EQ((*infos)[1].comparator_name, "rocksdb.ReverseBytewiseComparator");
  EXPECT_EQ((*infos)[2].name, "plain");
  EXPECT_EQ((*infos)[2].comparator_name, "leveldb.BytewiseComparator");
  EXPECT_EQ((*infos)[2].table_files, 2u);
  EXPECT_GT((*infos)[2].log_number, (*infos)[0].log_number)
      << "what was flushed needs no older WAL";
}

TEST_F(InspectionTest, TablesAreThoseOfTheManifest) {
  Open({"one"});
  Put("b", "1");
  Put("d", "2");
  Flush();
  Put("x", "3", "one");
  Flush("one");
  ASSERT_THAT(database_->CompactRange({}, nullptr, nullptr), IsOk());
  auto tables = ReadTableInfo(&memory_, kDirectory);
  ASSERT_TRUE(tables.ok());
  ASSERT_THAT(*tables, SizeIs(2));
  const TableInfo& first = (*tables)[0];
  EXPECT_EQ(first.family_name, "default");
  EXPECT_EQ(first.comparator_name, "leveldb.BytewiseComparator");
  EXPECT_EQ(first.level, 6);
  EXPECT_EQ(first.file.smallest_user_key(), Slice("b"));
  EXPECT_EQ(first.file.largest_user_key(), Slice("d"));
  EXPECT_EQ(first.file.size,
            BytesOf(TableFileName(kDirectory, first.file.number)).size());
  const TableInfo& second = (*tables)[1];
  EXPECT_EQ(second.family_name, "one");
  EXPECT_EQ(second.family_id, database_.Family("one")->GetID());
  EXPECT_EQ(second.level, 0);
}

// --- WALs. -----------------------------------------------------------------

TEST_F(InspectionTest, WalsAreListedByNumberAndOtherFilesAreNot) {
  const std::string twelve = WalFileName(kDirectory, 12);
  const std::string nine = WalFileName(kDirectory, 9);
  memory_.Add(twelve, "12 bytes ...");
  memory_.Add(nine, "");
  memory_.Add(TableFileName(kDirectory, 10), "table");
  memory_.Add(std::string(kDirectory) + "/LOG", "text");
  memory_.Add(std::string(kDirectory) + "/notes.log", "text");
  // A directory may come in any order.
  class Backwards final : public ForwardingFileSystem {
   public:
    using ForwardingFileSystem::ForwardingFileSystem;
    StatusOr<std::vector<std::string>> ListDirectory(
        const std::string& directory) override {
      auto names = ForwardingFileSystem::ListDirectory(directory);
      if (names.ok()) std::sort(names->rbegin(), names->rend());
      return names;
    }
  };
  Backwards backwards(&memory_);
  auto wals = ListWals(&backwards, kDirectory);
  ASSERT_TRUE(wals.ok());
  ASSERT_THAT(*wals, SizeIs(2));
  EXPECT_EQ((*wals)[0].path, nine);
  EXPECT_EQ((*wals)[0].log_number, 9u);
  EXPECT_EQ((*wals)[0].bytes, 0u);
  EXPECT_EQ((*wals)[1].path, twelve);
  EXPECT_EQ((*wals)[1].bytes, 12u);
}

// The process that writes may remove one between the two looks.
TEST_F(InspectionTest, AWalThatVanishesIsPassedOver) {
  FaultFileSystem files(&memory_);
  class Vanishing final : public ForwardingFileSystem {
   public:
    using ForwardingFileSystem::ForwardingFileSystem;
    StatusOr<uint64_t> FileSize(const std::string& path) override {
      if (path.ends_with("000009.log")) {
        return Status::PathNotFound("it is gone", path);
      }
      return ForwardingFileSystem::FileSize(path);
    }
  };
  Vanishing vanishing(&memory_);
  memory_.Add(WalFileName(kDirectory, 9), "");
  memory_.Add(WalFileName(kDirectory, 12), "");
  auto wals = ListWals(&vanishing, kDirectory);
  ASSERT_TRUE(wals.ok());
  ASSERT_THAT(*wals, SizeIs(1));
  EXPECT_EQ((*wals)[0].log_number, 12u);
  // Other failures are not taken for that.
  files.Arm({.operation = 1, .name = "FileSize"});
  EXPECT_TRUE(ListWals(&files, kDirectory).status().IsIOError());
  files.Arm({.operation = 1, .name = "ListDirectory"});
  EXPECT_TRUE(ListWals(&files, kDirectory).status().IsIOError());
}

TEST_F(InspectionTest, EveryBatchIsARecordWithItsSequenceAndCount) {
  Open();
  Put("a", "1");
  WriteBatch batch;
  ASSERT_THAT(batch.Put("b", "2"), IsOk());
  ASSERT_THAT(batch.Delete("a"), IsOk());
  ASSERT_THAT(batch.DeleteRange("x", "z"), IsOk());
  ASSERT_THAT(database_->Write({}, &batch), IsOk());
  Put("c", "3");
  Close();
  EXPECT_THAT(Wals(), ElementsAre("1+1", "2+3", "5+1"));
  ASSERT_THAT(records_, SizeIs(3));
  EXPECT_LT(records_[0].offset, records_[1].offset);
  EXPECT_LT(records_[1].offset, records_[2].offset);
  EXPECT_EQ(records_[1].path, WalFileName(kDirectory, records_[1].log_number));
  // As a batch: its header and what the caller put into it.
  EXPECT_EQ(records_[1].contents.substr(12), batch.Data().substr(12));
}

TEST_F(InspectionTest, WalsAreReadOldestFirst) {
  Open();
  Put("a", "1");
  // The other family keeps the first WAL.
  ASSERT_THAT(database_.CreateFamily("other"), IsOk());
  Put("b", "2", "other");
  Flush();
  Put("c", "3");
  Close();
  EXPECT_THAT(Wals(), ElementsAre("1+1", "2+1", "3+1"));
  EXPECT_LT(records_[1].log_number, records_[2].log_number);
}

TEST_F(InspectionTest, TheCallerEndsTheWalkAndGetsHisOwnError) {
  Open();
  for (int i = 0; i < 5; ++i) Put("k", "v");
  Close();
  int calls = 0;
  const Status s = ReadWals(
      &memory_, kDirectory,
      [&](const WalRecord&) {
        return ++calls < 3 ? Status::OK() : Status::Aborted("enough");
      },
      [](const LogDamage&) { FAIL(); });
  EXPECT_THAT(s, HasCode(Status::kAborted));
  EXPECT_THAT(s, Mentions("enough"));
  EXPECT_EQ(calls, 3);
}

TEST_F(InspectionTest, DamageEndsItsWalButNotTheNext) {
  Open();
  Put("a", "1");
  ASSERT_THAT(database_.CreateFamily("other"), IsOk());
  Put("b", "2", "other");
  Flush();
  Put("c", "3");
  Close();
  ASSERT_THAT(Wals(), SizeIs(3));
  const WalRecord second = records_[1];
  Damage(second.path, static_cast<std::ptrdiff_t>(second.offset) + 20);
  EXPECT_THAT(Wals(), ElementsAre("1+1", "!", "3+1"));
  ASSERT_THAT(damage_, SizeIs(1));
  EXPECT_EQ(damage_[0].path, second.path);
  EXPECT_EQ(damage_[0].offset, second.offset);
  EXPECT_THAT(damage_[0].reason, HasSubstr("checksum"));
}

TEST_F(InspectionTest, ATornTailIsDamage) {
  Open();
  Put("a", "1");
  Put("b", std::string(100, 'x'));
  Close();
  ASSERT_THAT(Wals(), ElementsAre("1+1", "2+1"));
  const WalRecord last = records_.back();
  const std::string bytes = BytesOf(last.path);
  for (const size_t kept : {size_t{3}, size_t{30}, size_t{100}}) {
    memory_.Add(last.path, bytes.substr(0, last.offset + kept));
    EXPECT_THAT(Wals(), ElementsAre("1+1", "!")) << kept;
    ASSERT_THAT(damage_, SizeIs(1));
    EXPECT_EQ(damage_[0].offset, last.offset);
  }
  memory_.Add(last.path, bytes.substr(0, last.offset));
  EXPECT_THAT(Wals(), ElementsAre("1+1")) << "it ends between two records";
}

TEST_F(InspectionTest, AWalThatCannotBeReadIsAnErrorNotDamage) {
  Open();
  Put("a", "1");
  Close();
  FaultFileSystem files(&memory_);
  for (const char* name : {"NewSequentialFile", "Read"}) {
    files.Arm({.operation = 1, .name = name, .path_end = ".log"});
    const Status s = ReadWals(
        &files, kDirectory, [](const WalRecord&) { return Status::OK(); },
        [](const LogDamage&) { FAIL(); });
    EXPECT_TRUE(s.IsIOError()) << name;
    EXPECT_THAT(s, Mentions(files.first_failure()));
  }
}

// --- The MANIFEST. ---------------------------------------------------------

class ManifestInspectionTest : public InspectionTest {
 protected:
  struct Found {
    std::vector<ManifestRecord> records;
    std::vector<LogDamage> damage;
  };
  Found ReadAll() {
    Found found;
    const Status s = ReadManifestRecords(
        &memory_, kDirectory,
        [&](const ManifestRecord& record) {
          found.records.push_back(record);
          return Status::OK();
        },
        [&](const LogDamage& damage) { found.damage.push_back(damage); });
    EXPECT_THAT(s, IsOk());
    return found;
  }
};

TEST_F(ManifestInspectionTest, EditsTellTheHistoryOfTheFiles) {
  Open({"one"});
  Put("a", "1");
  Flush();
  ASSERT_THAT(database_.DropFamily("one"), IsOk());
  const Found found = ReadAll();
  EXPECT_THAT(found.damage, IsEmpty());
  std::vector<std::string> history;
  uint64_t offset = 0;
  for (const ManifestRecord& record : found.records) {
    EXPECT_TRUE(record.offset > offset || history.empty());
    offset = record.offset;
    const VersionEdit& edit = record.edit;
    if (edit.added_family) history.push_back("+" + *edit.added_family);
    if (edit.drops_family) history.push_back("-");
    for (const auto& file : edit.added_files) {
      history.push_back("level " + std::to_string(file.level) + " " +
                        file.file.smallest_user_key().ToString());
    }
  }
  EXPECT_THAT(history, ElementsAre("+one", "level 0 a", "-"));
}

TEST_F(ManifestInspectionTest, DamageEndsTheWalkAndIsNamed) {
  Open({"one"});
  Put("a", "1");
  Flush();
  Close();
  const Found good = ReadAll();
  ASSERT_THAT(good.damage, IsEmpty());
  ASSERT_GT(good.records.size(), 2u);
  const ManifestRecord& last = good.records.back();
  Damage(last.path, static_cast<std::ptrdiff_t>(last.offset) + 8);
  const Found bad = ReadAll();
  EXPECT_EQ(bad.records.size(), good.records.size() - 1);
  ASSERT_THAT(bad.damage, SizeIs(1));
  EXPECT_EQ(bad.damage[0].path, last.path);
  EXPECT_EQ(bad.damage[0].offset, last.offset);
}

TEST_F(ManifestInspectionTest, TheCallerEndsTheWalk) {
  Open({"one", "two"});
  Close();
  int calls = 0;
  const Status s = ReadManifestRecords(&memory_, kDirectory,
                                       [&](const ManifestRecord&) {
                                         ++calls;
                                         return Status::Aborted("enough");
                                       },
                                       {});
  EXPECT_THAT(s, HasCode(Status::kAborted));
  EXPECT_EQ(calls, 1);
}

TEST_F(ManifestInspectionTest, ACurrentThatNamesNothingIsCorruption) {
  Open();
  Close();
  memory_.Add(CurrentFileName(kDirectory), "nonsense\n");
  EXPECT_TRUE(ReadManifestRecords(&memory_, kDirectory, {}, {}).IsCorruption());
  memory_.Add(CurrentFileName(kDirectory), "MANIFEST-999999\n");
  EXPECT_TRUE(
      ReadManifestRecords(&memory_, kDirectory, {}, {}).IsPathNotFound());
}

// --- Tables. ---------------------------------------------------------------

class TableInspectionTest : public InspectionTest {
 protected:
  // A table of two blocks in each of two families.
  void Fill() {
    database_.SetComparator("reversed", ReverseBytewiseComparator());
    Open({"reversed"});
    for (const char* family : {"default", "reversed"}) {
      Put("a", std::string(5000, 'x'), family);
      Put("b", std::string(5000, 'y'), family);
      Flush(family);
    }
    Close();
    auto tables = ReadTableInfo(&memory_, kDirectory);
    ASSERT_TRUE(tables.ok());
    ASSERT_THAT(*tables, SizeIs(2));
    tables_ = *tables;
  }
  [[nodiscard]] std::string PathOf(size_t i) const {
    return TableFileName(kDirectory, tables_[i].file.number);
  }

  Status Verify(const TableInfo& table) {
    messages_.clear();
    checked_ = 0;
    return VerifyTableFile(
        &memory_, kDirectory, table,
        [this](const Status& s) { messages_.push_back(s.ToString()); },
        [this](uint64_t bytes) { checked_ = bytes; });
  }

  std::vector<TableInfo> tables_;
  std::vector<std::string> messages_;
  uint64_t checked_ = 0;
};

TEST_F(TableInspectionTest, GoodTablesAreVerifiedInTheirOrder) {
  Fill();
  for (const TableInfo& table : tables_) {
    EXPECT_THAT(Verify(table), IsOk()) << table.family_name;
    EXPECT_THAT(messages_, IsEmpty());
    EXPECT_EQ(checked_, table.file.size);
  }
}

TEST_F(TableInspectionTest, EachDamagedBlockIsTold) {
  Fill();
  std::string bytes = BytesOf(PathOf(0));
  Damage(PathOf(0), static_cast<std::ptrdiff_t>(bytes.find("xxx")));
  Damage(PathOf(0), static_cast<std::ptrdiff_t>(bytes.find("yyy")));
  const Status s = Verify(tables_[0]);
  EXPECT_TRUE(s.IsCorruption());
  ASSERT_THAT(messages_, SizeIs(2));
  EXPECT_EQ(messages_[0], s.ToString());
  EXPECT_THAT(messages_[1], AllOf(HasSubstr(PathOf(0)), HasSubstr("default")));
}

TEST_F(TableInspectionTest, ATableThatDoesNotOpenIsToldAsDamage) {
  Fill();
  Damage(PathOf(1), -1);
  const Status s = Verify(tables_[1]);
  EXPECT_FALSE(s.ok());
  EXPECT_THAT(messages_, ElementsAre(s.ToString()));
  EXPECT_THAT(s, Mentions(PathOf(1)));
}

TEST_F(TableInspectionTest, AMissingTableIsForTheCallerToJudge) {
  Fill();
  ASSERT_THAT(memory_.RemoveFile(PathOf(0)), IsOk());
  EXPECT_TRUE(Verify(tables_[0]).IsPathNotFound());
  EXPECT_THAT(messages_, IsEmpty()) << "a compaction may have removed it";
}

TEST_F(TableInspectionTest, AnUnknownOrderIsNamed) {
  Fill();
  tables_[0].comparator_name = "mine";
  const Status s = Verify(tables_[0]);
  EXPECT_THAT(s, HasCode(Status::kNotSupported));
  EXPECT_THAT(s, Mentions("mine"));
  EXPECT_THAT(messages_, SizeIs(1));
}

TEST_F(TableInspectionTest, ATableTellsItsOwnOrder) {
  Fill();
  const Comparator* const expected[] = {BytewiseComparator(),
                                        ReverseBytewiseComparator()};
  for (size_t i = 0; i < 2; ++i) {
    auto table = OpenLooseTable(&memory_, PathOf(i));
    ASSERT_TRUE(table.ok()) << table.status().ToString();
    EXPECT_EQ(table->comparator->user_comparator(), expected[i]);
    EXPECT_EQ(table->bytes, tables_[i].file.size);
    EXPECT_EQ(table->footer.format_version, kWrittenFormatVersion);
    EXPECT_EQ(table->reader->properties().num_entries, 2u);
    const auto entry = table->reader->NewIterator({});
    entry->SeekToFirst();
    ASSERT_TRUE(entry->Valid());
    EXPECT_EQ(ExtractUserKey(entry->key()), Slice(i == 0 ? "a" : "b"));
  }
}

TEST_F(TableInspectionTest, WhatIsNoTableIsNotOpened) {
  Fill();
  EXPECT_TRUE(
      OpenLooseTable(&memory_, "/db/none.sst").status().IsPathNotFound());
  memory_.Add("/db/short", "short");
  EXPECT_TRUE(OpenLooseTable(&memory_, "/db/short").status().IsCorruption());
  memory_.Add("/db/long", std::string(1000, 'x'));
  const Status s = OpenLooseTable(&memory_, "/db/long").status();
  EXPECT_TRUE(s.IsCorruption() || s.IsNotSupported());
  EXPECT_THAT(s, Mentions("/db/long"));
}

// The damage of a table in another order must not be hidden behind the
// complaint that the first order is not its own.
TEST_F(TableInspectionTest, DamageOfAReversedTableIsTold) {
  Fill();
  auto table = OpenLooseTable(&memory_, PathOf(1));
  ASSERT_TRUE(table.ok());
  const uint64_t index = table->footer.index.offset;
  Damage(PathOf(1), static_cast<std::ptrdiff_t>(index));
  EXPECT_TRUE(OpenLooseTable(&memory_, PathOf(1)).status().IsCorruption());
}

}  // namespace
}  // namespace paceline
