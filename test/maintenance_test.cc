// What a user does to the files of a database, and asks about them: flushes,
// compactions of a range, waiting, metadata, verification, removal.

#include <algorithm>
#include <filesystem>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "paceline/db.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "test/support/fault_file_system.h"
#include "test/support/no_logger.h"
#include "test/support/test_database.h"
#include "test/support/test_directory.h"

namespace paceline {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class MaintenanceTest : public testing::Test {
 protected:
  MaintenanceTest() {
    options_.create_if_missing = true;
    options_.create_missing_column_families = true;
    options_.file_system = &files_;
    options_.info_log = std::make_shared<NoLogger>();
    options_.disable_auto_compactions = true;
    options_.compression = kNoCompression;
  }
  ~MaintenanceTest() override { files_.Release(); }

  void Open(const std::vector<std::string>& families = {}) {
    ASSERT_THAT(database_.Open(options_, path(), families), IsOk());
  }
  [[nodiscard]] std::string path() const { return directory_ / "db"; }

  void Put(const std::string& key, const std::string& value = "value",
           const std::string& family = "default") {
    ASSERT_THAT(database_->Put({}, database_.Family(family), key, value),
                IsOk());
  }
  // A table of level 0 with the two keys.
  void AddTable(const std::string& first, const std::string& last,
                const std::string& family = "default") {
    Put(first, "value", family);
    Put(last, "value", family);
    ASSERT_THAT(database_->Flush({}, database_.Family(family)), IsOk());
  }

  ColumnFamilyMetaData MetaData(const std::string& family = "default") {
    return database_->GetColumnFamilyMetaData(database_.Family(family));
  }
  // "level:first..last" of each file, in the order of the metadata.
  std::vector<std::string> Files(const std::string& family = "default") {
    std::vector<std::string> files;
    for (const LevelMetaData& level : MetaData(family).levels) {
      for (const SstFileMetaData& file : level.files) {
        files.push_back(std::to_string(level.level) + ":" + file.smallestkey +
                        ".." + file.largestkey);
      }
    }
    return files;
  }
  std::set<uint64_t> FileNumbers() {
    std::set<uint64_t> numbers;
    for (const LevelMetaData& level : MetaData().levels) {
      for (const SstFileMetaData& file : level.files) {
        numbers.insert(file.file_number);
      }
    }
    return numbers;
  }
  // Those of the directory that end so.
  [[nodiscard]] std::set<std::string> NamesOnDisk(
      const std::string& end) const {
    return FileNames(path(), end);
  }

  uint64_t Number(const std::string& name,
                  const std::string& family = "default") {
    uint64_t value = 0;
    EXPECT_TRUE(database_->GetIntProperty(database_.Family(family),
                                          "rocksdb." + name, &value))
        << name;
    return value;
  }

  Status Compact(
      const char* begin, const char* end,
      BottommostLevelCompaction bottommost = BottommostLevelCompaction::kSkip) {
    const Slice begin_slice = begin == nullptr ? Slice() : Slice(begin);
    const Slice end_slice = end == nullptr ? Slice() : Slice(end);
    return database_->CompactRange({.bottommost_level_compaction = bottommost},
                                   begin == nullptr ? nullptr : &begin_slice,
                                   end == nullptr ? nullptr : &end_slice);
  }

  TestDirectory directory_{TestStorage::kMemory};
  FaultFileSystem files_;
  Options options_;
  TestDatabase database_;
};

// --- Flush. ----------------------------------------------------------------

TEST_F(MaintenanceTest, AFlushWithoutWaitingOnlySeals) {
  Open();
  Put("k");
  files_.Hold("NewWritableFile", ".sst");
  EXPECT_THAT(database_->Flush({.wait = false}), IsOk());
  files_.WaitUntilHeld();
  EXPECT_EQ(Number("num-immutable-mem-table"), 1u);
  EXPECT_EQ(Number("num-entries-active-mem-table"), 0u);
  EXPECT_THAT(Files(), IsEmpty());
  std::string value;
  EXPECT_THAT(database_->Get({}, "k", &value), IsOk());
  files_.Release();
  EXPECT_THAT(database_->WaitForCompact({}), IsOk());
  EXPECT_EQ(Number("num-immutable-mem-table"), 0u);
  EXPECT_THAT(Files(), ElementsAre("0:k..k"));
}

TEST_F(MaintenanceTest, NothingIsFlushedToNoFile) {
  Open();
  EXPECT_THAT(database_->Flush({}), IsOk());
  EXPECT_THAT(Files(), IsEmpty());
  AddTable("a", "b");
  EXPECT_THAT(database_->Flush({}), IsOk());
  EXPECT_THAT(Files(), ElementsAre("0:a..b"));
}

TEST_F(MaintenanceTest, OnlyTheFamiliesThatAreNamedAreFlushed) {
  Open({"one", "two"});
  for (const char* family : {"default", "one", "two"}) {
    Put("k", "value", family);
  }
  EXPECT_THAT(
      database_->Flush({}, {database_.Family("two"), database_.Family("one")}),
      IsOk());
  EXPECT_THAT(Files("default"), IsEmpty());
  EXPECT_THAT(Files("one"), ElementsAre("0:k..k"));
  EXPECT_THAT(Files("two"), ElementsAre("0:k..k"));
}

TEST_F(MaintenanceTest, AnAtomicFlushTakesAllFamilies) {
  options_.atomic_flush = true;
  Open({"one"});
  Put("k", "value", "default");
  Put("k", "value", "one");
  EXPECT_THAT(database_->Flush({}, database_.Family("one")), IsOk());
  EXPECT_THAT(Files("default"), ElementsAre("0:k..k"));
  EXPECT_THAT(Files("one"), ElementsAre("0:k..k"));
}

TEST_F(MaintenanceTest, AFamilyThatWasDroppedKeepsTheOthersFromTheFlush) {
  Open({"one"});
  Put("k");
  ColumnFamilyHandle* const one = database_.Family("one");
  ASSERT_THAT(database_->DropColumnFamily(one), IsOk());
  EXPECT_THAT(database_->Flush({}, {nullptr, one}),
              HasCode(Status::kInvalidArgument));
  EXPECT_THAT(Files(), IsEmpty());
  EXPECT_THAT(database_->CompactRange({}, one, nullptr, nullptr),
              HasCode(Status::kInvalidArgument));
}

TEST_F(MaintenanceTest, WhatIsFlushedNeedsNoWal) {
  Open({"one"});
  Put("k");
  const auto wals = NamesOnDisk(".log");
  const uint64_t needed = Number("min-log-number-to-keep");
  ASSERT_THAT(wals, testing::Not(IsEmpty()));
  ASSERT_THAT(database_->Flush({}), IsOk());
  ASSERT_THAT(database_->WaitForCompact({}), IsOk());
  EXPECT_GT(Number("min-log-number-to-keep"), needed);
  EXPECT_FALSE(NamesOnDisk(".log").contains(*wals.begin()));
}

TEST_F(MaintenanceTest, AFlushThatFailsIsToldAndLosesNothing) {
  Open();
  Put("k");
  // One that fails once is tried again.
  files_.Arm(
      {.operation = 1, .name = "Sync", .path_end = ".sst", .forever = true});
  const Status s = database_->Flush({});
  EXPECT_TRUE(s.IsIOError());
  EXPECT_THAT(s, Mentions("in Sync"));
  EXPECT_GE(Number("background-errors"), 1u);
  files_.Disarm();
  std::string value;
  EXPECT_THAT(database_->Get({}, "k", &value), IsOk());
  EXPECT_THAT(database_->Resume(), IsOk());
  EXPECT_THAT(Files(), ElementsAre("0:k..k"));
}

// --- CompactRange. ---------------------------------------------------------

// Both ends of a range are part of it.
TEST_F(MaintenanceTest, OnlyFilesOfTheRangeAreRewritten) {
  struct Case {
    const char* begin;
    const char* end;
    std::vector<std::string> rewritten;  // By their first keys.
  };
  const Case cases[] = {
      {"b", "b", {"a"}},      {"c", "d", {"a"}},
      {"0", "a", {"a"}},      {"d", "m", {"m"}},
      {"d", "l", {}},         {"q", "z", {}},
      {nullptr, "a", {"a"}},  {"p", nullptr, {"m"}},
      {"q", nullptr, {}},     {nullptr, "0", {}},
      {"c", "m", {"a", "m"}}, {"n", "b", {}},
      {nullptr, "l", {"a"}},  {nullptr, nullptr, {"a", "m"}},
  };
  Open();
  AddTable("a", "c");
  AddTable("m", "p");
  ASSERT_THAT(Compact(nullptr, nullptr), IsOk());
  ASSERT_THAT(Files(), ElementsAre("6:a..c", "6:m..p"));
  for (const Case& c : cases) {
    const auto before = FileNumbers();
    EXPECT_THAT(Compact(c.begin, c.end, BottommostLevelCompaction::kForce),
                IsOk());
    std::vector<std::string> rewritten;
    const ColumnFamilyMetaData metadata = MetaData();
    for (const SstFileMetaData& file : metadata.levels[6].files) {
      if (!before.contains(file.file_number)) {
        rewritten.push_back(file.smallestkey);
      }
    }
    EXPECT_EQ(rewritten, c.rewritten)
        << (c.begin == nullptr ? "-" : c.begin) << ".."
        << (c.end == nullptr ? "-" : c.end);
  }
}

TEST_F(MaintenanceTest, WhatIsInMemoryIsCompactedToo) {
  Open({"one"});
  Put("k");
  Put("k", "value", "one");
  EXPECT_THAT(Compact(nullptr, nullptr), IsOk());
  EXPECT_THAT(Files(), ElementsAre("6:k..k"));
  EXPECT_EQ(Number("num-entries-active-mem-table", "one"), 1u)
      << "another family is left alone";
}

TEST_F(MaintenanceTest, ACompactionDropsWhatNobodySees) {
  Open();
  for (int version = 0; version < 3; ++version) {
    AddTable("a", "b");
    ASSERT_THAT(database_->Delete({}, "b"), IsOk());
  }
  EXPECT_THAT(Compact(nullptr, nullptr), IsOk());
  EXPECT_THAT(Files(), ElementsAre("6:a..a"));
  EXPECT_EQ(MetaData().levels[6].files[0].smallest_seqno, 0u);
  std::string text;
  ASSERT_TRUE(
      database_->GetProperty("rocksdb.aggregated-table-properties", &text));
  EXPECT_THAT(text,
              AllOf(HasSubstr("# entries=1;"), HasSubstr("# deletions=0;")));
}

TEST_F(MaintenanceTest, ACompactionOfEverythingDeletedLeavesNoFile) {
  Open();
  AddTable("a", "b");
  ASSERT_THAT(database_->DeleteRange({}, nullptr, "a", "c"), IsOk());
  EXPECT_THAT(Compact(nullptr, nullptr), IsOk());
  EXPECT_THAT(Files(), IsEmpty());
  ASSERT_THAT(database_->WaitForCompact({}), IsOk());
  EXPECT_THAT(NamesOnDisk(".sst"), IsEmpty());
}

TEST_F(MaintenanceTest, WhatASnapshotSeesIsKeptUntilItIsForced) {
  Open();
  Put("k", "old");
  const Snapshot* snapshot = database_->GetSnapshot();
  Put("k", "new");
  const auto entries = [this] {
    std::string text;
    EXPECT_TRUE(
        database_->GetProperty("rocksdb.aggregated-table-properties", &text));
    const std::string name = "# entries=";
    return std::stoi(text.substr(text.find(name) + name.size()));
  };
  EXPECT_THAT(Compact(nullptr, nullptr), IsOk());
  EXPECT_EQ(entries(), 2);
  database_->ReleaseSnapshot(snapshot);
  EXPECT_THAT(Compact(nullptr, nullptr), IsOk());
  EXPECT_EQ(entries(), 2) << "the deepest level is left alone";
  EXPECT_THAT(Compact(nullptr, nullptr, BottommostLevelCompaction::kForce),
              IsOk());
  EXPECT_EQ(entries(), 1);
}

TEST_F(MaintenanceTest, TheDeepestLevelIsRewrittenOnlyIfForced) {
  Open();
  AddTable("a", "b");
  ASSERT_THAT(Compact(nullptr, nullptr), IsOk());
  const auto before = FileNumbers();
  ASSERT_THAT(Compact(nullptr, nullptr, BottommostLevelCompaction::kSkip),
              IsOk());
  EXPECT_EQ(FileNumbers(), before);
  ASSERT_THAT(Compact("c", "d", BottommostLevelCompaction::kForce), IsOk());
  EXPECT_EQ(FileNumbers(), before) << "it is not in the range";
  ASSERT_THAT(Compact("b", "d", BottommostLevelCompaction::kForce), IsOk());
  EXPECT_NE(FileNumbers(), before);
  EXPECT_THAT(Files(), ElementsAre("6:a..b"));
  // What was replaced is gone.
  ASSERT_THAT(database_->WaitForCompact({}), IsOk());
  EXPECT_THAT(NamesOnDisk(".sst"), SizeIs(1));
}

TEST_F(MaintenanceTest, AForcedCompactionTakesUpNewOptions) {
  Open();
  for (int i = 0; i < 100; ++i) {
    Put("key" + std::to_string(i), std::string(1000, 'v'));
  }
  ASSERT_THAT(Compact(nullptr, nullptr), IsOk());
  const uint64_t before = MetaData().size;
  ASSERT_THAT(database_.Close(), IsOk());
  options_.compression = DefaultCompression();
  Open();
  EXPECT_EQ(MetaData().size, before);
  ASSERT_THAT(Compact(nullptr, nullptr, BottommostLevelCompaction::kForce),
              IsOk());
  if (options_.compression != kNoCompression) {
    EXPECT_LT(MetaData().size, before / 2);
  }
}

TEST_F(MaintenanceTest, ACompactionThatFailsIsToldAndLosesNothing) {
  Open();
  AddTable("a", "b");
  AddTable("a", "b");
  const auto before = Files();
  files_.Arm({.operation = 1, .name = "Append", .path_end = ".sst"});
  const Status s = Compact(nullptr, nullptr);
  EXPECT_TRUE(s.IsIOError());
  EXPECT_THAT(s, Mentions(files_.first_failure()));
  EXPECT_EQ(Files(), before);
  EXPECT_THAT(Compact(nullptr, nullptr), IsOk());
  EXPECT_THAT(Files(), ElementsAre("6:a..b"));
}

// --- WaitForCompact. -------------------------------------------------------

TEST_F(MaintenanceTest, WaitingEndsWhenNothingIsDue) {
  options_.disable_auto_compactions = false;
  options_.level0_file_num_compaction_trigger = 3;
  Open();
  for (int i = 0; i < 10; ++i) AddTable("a", "z");
  EXPECT_THAT(database_->WaitForCompact({}), IsOk());
  EXPECT_LT(MetaData().levels[0].files.size(), 3u);
  EXPECT_EQ(Number("compaction-pending"), 0u);
  EXPECT_EQ(Number("num-running-compactions"), 0u);
  // Also with the removal of what was compacted.
  EXPECT_THAT(NamesOnDisk(".sst"), SizeIs(MetaData().file_count));
}

TEST_F(MaintenanceTest, WaitingFlushesAllFamiliesIfAskedTo) {
  Open({"one"});
  Put("k", "value", "default");
  Put("k", "value", "one");
  EXPECT_THAT(database_->WaitForCompact({}), IsOk());
  EXPECT_THAT(Files("one"), IsEmpty());
  EXPECT_THAT(database_->WaitForCompact({.flush = true}), IsOk());
  EXPECT_THAT(Files("default"), ElementsAre("0:k..k"));
  EXPECT_THAT(Files("one"), ElementsAre("0:k..k"));
}

// An iterator keeps the files that it reads; nobody waits for it.
TEST_F(MaintenanceTest, WaitingDoesNotWaitForReaders) {
  Open();
  AddTable("a", "b");
  std::unique_ptr<Iterator> iterator(database_->NewIterator({}));
  AddTable("a", "b");
  ASSERT_THAT(Compact(nullptr, nullptr), IsOk());
  EXPECT_THAT(database_->WaitForCompact({}), IsOk());
  EXPECT_THAT(NamesOnDisk(".sst"), SizeIs(2));
  iterator.reset();
  EXPECT_THAT(database_->WaitForCompact({}), IsOk());
  EXPECT_THAT(NamesOnDisk(".sst"), SizeIs(1));
}

// --- Metadata and verification. --------------------------------------------

TEST_F(MaintenanceTest, MetaDataIsThatOfTheFiles) {
  Open({"one"});
  AddTable("a", "c", "one");
  ASSERT_THAT(
      database_->CompactRange({}, database_.Family("one"), nullptr, nullptr),
      IsOk());
  AddTable("b", "d", "one");
  AddTable("b", "e", "one");
  const ColumnFamilyMetaData metadata = MetaData("one");
  EXPECT_EQ(metadata.name, "one");
  EXPECT_EQ(metadata.file_count, 3u);
  ASSERT_THAT(metadata.levels, SizeIs(7));
  EXPECT_THAT(Files("one"), ElementsAre("0:b..e", "0:b..d", "6:a..c"));
  uint64_t total = 0;
  for (size_t i = 0; i < metadata.levels.size(); ++i) {
    const LevelMetaData& level = metadata.levels[i];
    EXPECT_EQ(level.level, static_cast<int>(i));
    uint64_t bytes = 0;
    for (const SstFileMetaData& file : level.files) {
      EXPECT_EQ(file.size, std::filesystem::file_size(path() + file.name));
      EXPECT_THAT(file.name, HasSubstr(std::to_string(file.file_number)));
      EXPECT_FALSE(file.being_compacted);
      bytes += file.size;
    }
    EXPECT_EQ(level.size, bytes);
    total += bytes;
  }
  EXPECT_EQ(metadata.size, total);
  // The last two of six entries.
  EXPECT_EQ(metadata.levels[0].files[0].smallest_seqno, 5u);
  EXPECT_EQ(metadata.levels[0].files[0].largest_seqno, 6u);
  EXPECT_THAT(Files("default"), IsEmpty());
}

TEST_F(MaintenanceTest, AFamilyThatWasDroppedHasNoMetaData) {
  Open({"one"});
  AddTable("a", "b", "one");
  ColumnFamilyHandle* const one = database_.Family("one");
  ASSERT_THAT(database_->DropColumnFamily(one), IsOk());
  const ColumnFamilyMetaData metadata = database_->GetColumnFamilyMetaData(one);
  EXPECT_EQ(metadata.name, "");
  EXPECT_EQ(metadata.file_count, 0u);
  EXPECT_THAT(metadata.levels, IsEmpty());
}

TEST_F(MaintenanceTest, FilesThatAreBeingCompactedAreMarked) {
  Open();
  AddTable("a", "b");
  AddTable("a", "b");
  files_.Hold("NewWritableFile", ".sst");
  std::thread compaction(
      [this] { EXPECT_THAT(Compact(nullptr, nullptr), IsOk()); });
  files_.WaitUntilHeld();
  const ColumnFamilyMetaData metadata = MetaData();
  for (const SstFileMetaData& file : metadata.levels[0].files) {
    EXPECT_TRUE(file.being_compacted) << file.name;
  }
  files_.Release();
  compaction.join();
  ASSERT_THAT(MetaData().levels[6].files, SizeIs(1));
  EXPECT_FALSE(MetaData().levels[6].files[0].being_compacted);
}

TEST_F(MaintenanceTest, DamageOfAnyFamilyIsFoundByVerification) {
  Open({"one"});
  AddTable("a", "b");
  AddTable("a", "precious", "one");
  EXPECT_THAT(database_->VerifyChecksum(), IsOk());
  const std::string file = path() + MetaData("one").levels[0].files[0].name;
  ASSERT_THAT(database_.Close(), IsOk());
  std::string bytes = ReadFileBytes(file);
  bytes[bytes.find("precious")] = 'P';
  WriteFileBytes(file, bytes);
  Open();
  const Status s = database_->VerifyChecksum();
  EXPECT_TRUE(s.IsCorruption());
  EXPECT_THAT(s, Mentions(file));
  EXPECT_THAT(s, Mentions("one"));
}

TEST_F(MaintenanceTest, ReadErrorsEndAVerification) {
  Open();
  AddTable("a", "b");
  files_.Arm(
      {.operation = 1, .name = "Read", .path_end = ".sst", .forever = true});
  const Status s = database_->VerifyChecksum();
  EXPECT_TRUE(s.IsIOError());
  EXPECT_THAT(s, Mentions(files_.first_failure()));
}

TEST_F(MaintenanceTest, JobsAreCountedWithTheirBytes) {
  Open();
  AddTable("a", "b");
  const uint64_t first = MetaData().size;
  AddTable("a", "b");
  const uint64_t both = MetaData().size;
  EXPECT_EQ(database_->GetMetrics().flushes, 2u);
  EXPECT_EQ(database_->GetMetrics().flush_bytes_written, both);
  ASSERT_THAT(Compact(nullptr, nullptr), IsOk());
  Metrics metrics = database_->GetMetrics();
  EXPECT_EQ(metrics.compactions, 1u);
  EXPECT_EQ(metrics.trivial_moves, 0u);
  EXPECT_EQ(metrics.compaction_bytes_read, both);
  EXPECT_EQ(metrics.compaction_bytes_written, MetaData().size);
  EXPECT_LT(MetaData().size, 2 * first);
  // Behind all others: it need only be moved.
  AddTable("x", "z");
  ASSERT_THAT(Compact("x", nullptr), IsOk());
  metrics = database_->GetMetrics();
  EXPECT_EQ(metrics.compactions, 1u);
  EXPECT_EQ(metrics.trivial_moves, 1u);
  EXPECT_THAT(Files(), ElementsAre("6:a..b", "6:x..z"));
}

TEST_F(MaintenanceTest, EachFamilyTellsItsOwnOptions) {
  options_.write_buffer_size = 1 << 20;
  options_.max_open_files = 77;
  Open();
  ColumnFamilyOptions family_options = options_;
  family_options.write_buffer_size = 2 << 20;
  ColumnFamilyHandle* handle = nullptr;
  ASSERT_THAT(database_->CreateColumnFamily(family_options, "one", &handle),
              IsOk());
  const std::unique_ptr<ColumnFamilyHandle> owned(handle);
  EXPECT_EQ(database_->GetOptions().write_buffer_size, size_t{1} << 20);
  EXPECT_EQ(database_->GetOptions(handle).write_buffer_size, size_t{2} << 20);
  EXPECT_EQ(database_->GetOptions(handle).max_open_files, 77);
  EXPECT_EQ(database_->GetDBOptions().max_open_files, 77);
  EXPECT_EQ(database_->GetDBOptions().file_system, &files_);
}

// --- DestroyDB. ------------------------------------------------------------

TEST_F(MaintenanceTest, WhatCannotBeRemovedIsToldAndRemovedNextTime) {
  Open({"one"});
  AddTable("a", "b", "one");
  Put("k");
  ASSERT_THAT(database_.Close(), IsOk());
  files_.Arm({.operation = 2, .name = "RemoveFile"});
  const Status s = DestroyDB(path(), options_);
  EXPECT_TRUE(s.IsIOError());
  EXPECT_THAT(s, Mentions(files_.first_failure()));
  EXPECT_TRUE(std::filesystem::exists(path()));
  files_.Disarm();
  EXPECT_THAT(DestroyDB(path(), options_), IsOk());
  EXPECT_FALSE(std::filesystem::exists(path()));
}

TEST_F(MaintenanceTest, AnArchiveGoesWithTheDatabaseButNotWhatIsNotItsOwn) {
  Open();
  ASSERT_THAT(database_.Close(), IsOk());
  const std::string archive = path() + "/archive";
  for (const bool has_foreign : {true, false}) {
    std::filesystem::create_directories(archive);
    WriteFileBytes(archive + "/000007.log", "old WAL");
    if (has_foreign) WriteFileBytes(archive + "/mine.txt", "precious");
    EXPECT_THAT(DestroyDB(path(), options_), IsOk());
    EXPECT_FALSE(std::filesystem::exists(archive + "/000007.log"));
    EXPECT_EQ(std::filesystem::exists(archive + "/mine.txt"), has_foreign);
    std::filesystem::remove(archive + "/mine.txt");
  }
  EXPECT_FALSE(std::filesystem::exists(path()));
}

TEST_F(MaintenanceTest, WhatIsNotThereIsDestroyedWithoutATrace) {
  EXPECT_THAT(DestroyDB(path(), options_), IsOk());
  EXPECT_FALSE(std::filesystem::exists(path()));
}

TEST_F(MaintenanceTest, ADestroyedDatabaseCanBeMadeAnew) {
  Open({"one"});
  AddTable("a", "b", "one");
  ASSERT_THAT(database_.Close(), IsOk());
  ASSERT_THAT(DestroyDB(path(), options_), IsOk());
  Open();
  EXPECT_THAT(database_.FamilyNames(), ElementsAre("default"));
  EXPECT_EQ(database_->GetLatestSequenceNumber(), 0u);
}

}  // namespace
}  // namespace paceline
