// The properties that tell how the tree of tables is doing.

#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "paceline/cache.h"
#include "paceline/db.h"
#include "paceline/filter_policy.h"
#include "paceline/table.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "test/support/fault_file_system.h"
#include "test/support/test_database.h"
#include "test/support/test_directory.h"

namespace paceline {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

constexpr size_t kCacheBytes = size_t{8} << 20;

class PropertiesTest : public testing::Test {
 protected:
  PropertiesTest() {
    options_.create_if_missing = true;
    options_.disable_auto_compactions = true;
    BlockBasedTableOptions table;
    table.block_cache = NewLRUCache(kCacheBytes);
    options_.table_factory.reset(NewBlockBasedTableFactory(table));
  }

  void Open() {
    ASSERT_THAT(database_.Open(options_, directory_.path()), IsOk());
  }

  // Puts keys from `first` on, with values that do not compress.
  void Put(int first, int count) {
    for (int i = first; i < first + count; ++i) {
      ASSERT_THAT(database_->Put({}, Key(i), std::string(100, 'v') + Key(i)),
                  IsOk());
    }
  }
  static std::string Key(int i) { return "key" + std::to_string(100000 + i); }

  std::optional<uint64_t> Number(const std::string& name,
                                 const std::string& family = "default") {
    ColumnFamilyHandle* const handle = database_.Family(family);
    uint64_t value = 0;
    if (!database_->GetIntProperty(handle, "rocksdb." + name, &value)) {
      return {};
    }
    std::string text;
    EXPECT_TRUE(database_->GetProperty(handle, "rocksdb." + name, &text))
        << name;
    return value;
  }
  std::optional<std::string> Text(const std::string& name,
                                  const std::string& family = "default") {
    std::string value;
    if (!database_->GetProperty(database_.Family(family), "rocksdb." + name,
                                &value)) {
      return {};
    }
    return value;
  }

  TestDirectory directory_;
  FaultFileSystem files_;
  Options options_;
  TestDatabase database_;
};

TEST_F(PropertiesTest, EmptyDatabaseHasAnswers) {
  Open();
  for (const char* zero :
       {"estimate-num-keys", "estimate-live-data-size", "live-sst-files-size",
        "total-sst-files-size", "estimate-table-readers-mem",
        "estimate-pending-compaction-bytes", "compaction-pending",
        "mem-table-flush-pending", "num-running-flushes",
        "num-running-compactions", "background-errors", "is-write-stopped",
        "actual-delayed-write-rate", "block-cache-usage",
        "block-cache-pinned-usage", "num-immutable-mem-table",
        "num-snapshots"}) {
    EXPECT_EQ(Number(zero), 0u) << zero;
  }
  EXPECT_EQ(Number("block-cache-capacity"), kCacheBytes);
  EXPECT_EQ(Text("num-files-at-level0"), "0");
  EXPECT_EQ(Text("compression-ratio-at-level6"), "-1.000000");
  EXPECT_THAT(*Text("aggregated-table-properties"), HasSubstr("# entries=0;"));
}

TEST_F(PropertiesTest, UnknownNamesAreNotAnswered) {
  Open();
  for (const char* unknown :
       {"", "num-files-at-level", "num-files-at-level7", "num-files-at-level-1",
        "num-files-at-level0x", "num-files-at-level00x", "no-such-property"}) {
    EXPECT_EQ(Number(unknown), std::nullopt) << unknown;
    EXPECT_EQ(Text(unknown), std::nullopt) << unknown;
  }
  EXPECT_EQ(Number("stats"), std::nullopt) << "it is text";
}

TEST_F(PropertiesTest, FlushedFilesAreCounted) {
  Open();
  Put(0, 1000);
  ASSERT_THAT(database_->Flush({}), IsOk());
  Put(500, 1000);
  ASSERT_THAT(database_->Flush({}), IsOk());
  EXPECT_EQ(Text("num-files-at-level0"), "2");
  EXPECT_THAT(*Text("levelstats"), HasSubstr("  0        2        0\n"));
  const ColumnFamilyMetaData metadata = database_->GetColumnFamilyMetaData();
  EXPECT_EQ(Number("live-sst-files-size"), metadata.size);
  EXPECT_EQ(Number("total-sst-files-size"), metadata.size);
  EXPECT_EQ(Number("estimate-num-keys"), 2000u) << "overlaps are not known";
  EXPECT_GT(Number("estimate-table-readers-mem"), 0u);
  // The newer file overlaps the older one.
  EXPECT_EQ(Number("estimate-live-data-size"),
            metadata.levels[0].files[1].size);
  EXPECT_THAT(*Text("aggregated-table-properties"),
              HasSubstr("# entries=2000;"));
  EXPECT_THAT(*Text("aggregated-table-properties-at-level1"),
              HasSubstr("# entries=0;"));
  EXPECT_GT(std::stod(*Text("compression-ratio-at-level0")), 0.1);
  EXPECT_THAT(*Text("sstables"),
              HasSubstr(Slice(Key(0)).ToString(/*hex=*/true)));
}

TEST_F(PropertiesTest, DeletionsInTablesTakeKeysAway) {
  Open();
  Put(0, 100);
  ASSERT_THAT(database_->Flush({}), IsOk());
  for (int i = 0; i < 40; ++i) {
    ASSERT_THAT(database_->Delete({}, Key(i)), IsOk());
  }
  EXPECT_EQ(Number("estimate-num-keys"), 60u) << "in memory";
  ASSERT_THAT(database_->Flush({}), IsOk());
  EXPECT_EQ(Number("estimate-num-keys"), 60u) << "in tables";
  ASSERT_THAT(database_->CompactRange({}, nullptr, nullptr), IsOk());
  EXPECT_EQ(Number("estimate-num-keys"), 60u) << "carried out";
}

TEST_F(PropertiesTest, CompactionMovesTheCounts) {
  Open();
  Put(0, 1000);
  ASSERT_THAT(database_->Flush({}), IsOk());
  Put(0, 1000);
  ASSERT_THAT(database_->Flush({}), IsOk());
  ASSERT_THAT(database_->CompactRange({}, nullptr, nullptr), IsOk());
  EXPECT_EQ(Text("num-files-at-level0"), "0");
  EXPECT_EQ(Number("base-level"), 6u);
  EXPECT_EQ(Text("num-files-at-level6"), "1");
  EXPECT_EQ(Number("estimate-num-keys"), 1000u);
  EXPECT_EQ(Number("estimate-live-data-size"),
            database_->GetColumnFamilyMetaData().size);
  const std::string stats = *Text("stats");
  EXPECT_THAT(stats, HasSubstr("Levels of column family [default]"));
  EXPECT_THAT(stats, HasSubstr("W-Amp"));
  EXPECT_THAT(stats, testing::ContainsRegex("flushes +2\n"));
  EXPECT_THAT(stats, testing::ContainsRegex("compactions +1\n"));
  EXPECT_THAT(stats, testing::StartsWith(*Text("dbstats")));
  EXPECT_THAT(*Text("dbstats"), testing::ContainsRegex("flushes +2\n"));
  EXPECT_THAT(*Text("cfstats"), testing::ContainsRegex("\n6 +1 "));
  EXPECT_EQ(*Text("cfstats"), *Text("cfstats-no-file-histogram"));
}

TEST_F(PropertiesTest, FilesThatOnlyAnIteratorNeedsAreInTheTotal) {
  Open();
  Put(0, 1000);
  ASSERT_THAT(database_->Flush({}), IsOk());
  const uint64_t first = *Number("live-sst-files-size");
  std::unique_ptr<Iterator> iterator(database_->NewIterator({}));
  iterator->SeekToFirst();
  Put(0, 1000);
  ASSERT_THAT(database_->Flush({}), IsOk());
  ASSERT_THAT(database_->CompactRange({}, nullptr, nullptr), IsOk());
  const uint64_t live = *Number("live-sst-files-size");
  EXPECT_EQ(Number("total-sst-files-size"), live + first);
  EXPECT_GT(Number("block-cache-usage"), 0u);
  iterator.reset();
  EXPECT_EQ(Number("total-sst-files-size"), live);
  EXPECT_EQ(Number("block-cache-pinned-usage"), 0u);
}

TEST_F(PropertiesTest, FlushedMemTablesThatAreReadAreInTheTotal) {
  Open();
  Put(0, 1000);
  std::unique_ptr<Iterator> iterator(database_->NewIterator({}));
  ASSERT_THAT(database_->Flush({}), IsOk());
  EXPECT_GT(*Number("size-all-mem-tables"),
            *Number("cur-size-all-mem-tables") + 100'000);
  iterator.reset();
  // The flush itself holds them until a moment after it is done.
  ASSERT_THAT(database_->WaitForCompact({}), IsOk());
  EXPECT_EQ(Number("size-all-mem-tables"), Number("cur-size-all-mem-tables"));
}

TEST_F(PropertiesTest, DebtOfCompactionsIsShown) {
  options_.level0_file_num_compaction_trigger = 2;
  Open();
  for (int i = 0; i < 3; ++i) {
    Put(0, 1000);
    ASSERT_THAT(database_->Flush({}), IsOk());
  }
  EXPECT_GT(Number("estimate-pending-compaction-bytes"), 0u);
  EXPECT_EQ(Number("compaction-pending"), 0u) << "none will run by itself";
}

TEST_F(PropertiesTest, WithoutABlockCacheThereIsNoAnswer) {
  BlockBasedTableOptions table;
  table.no_block_cache = true;
  options_.table_factory.reset(NewBlockBasedTableFactory(table));
  Open();
  EXPECT_EQ(Number("block-cache-capacity"), std::nullopt);
  EXPECT_EQ(Number("block-cache-usage"), std::nullopt);
}

TEST_F(PropertiesTest, OpenTablesOfABoundedCacheAreCounted) {
  options_.max_open_files = 10;
  Open();
  Put(0, 100);
  ASSERT_THAT(database_->Flush({}), IsOk());
  std::string value;
  ASSERT_THAT(database_->Get({}, Key(1), &value), IsOk());
  EXPECT_GT(Number("estimate-table-readers-mem"), 0u);
}

TEST_F(PropertiesTest, KeysAreEstimatedWithoutOpeningTables) {
  options_.max_open_files = 10;
  options_.file_system = &files_;
  Open();
  for (int i = 0; i < 30; ++i) {
    Put(i * 100, 100);
    ASSERT_THAT(database_->Flush({}), IsOk());
  }
  files_.Arm({});
  const auto keys = Number("estimate-num-keys");
  EXPECT_EQ(files_.CountOf("NewRandomAccessFile", ".sst"), 0u);
  ASSERT_TRUE(keys);
  EXPECT_NEAR(static_cast<double>(*keys), 3000.0, 300.0);
}

TEST_F(PropertiesTest, VersionsAndSuperVersionsAreCounted) {
  Open();
  EXPECT_EQ(Number("is-file-deletions-enabled"), 1u);
  EXPECT_EQ(Number("obsolete-sst-files-size"), 0u);
  EXPECT_EQ(Number("num-live-versions"), 1u);
  const auto before = Number("current-super-version-number");
  Put(0, 10);
  const std::unique_ptr<Iterator> reader(database_->NewIterator({}));
  ASSERT_THAT(database_->Flush({}), IsOk());
  EXPECT_EQ(Number("num-live-versions"), 2u);
  EXPECT_GT(Number("current-super-version-number"), before);
}

TEST_F(PropertiesTest, WriteStallsAreCountedByCause) {
  Open();
  EXPECT_EQ(*Text("cf-write-stall-stats"),
            "Write Stall (count): l0-file-count-limit-delays: 0, "
            "l0-file-count-limit-stops: 0, memtable-limit-delays: 0, "
            "memtable-limit-stops: 0, pending-compaction-bytes-delays: 0, "
            "pending-compaction-bytes-stops: 0, total-delays: 0, "
            "total-stops: 0\n");
}

TEST_F(PropertiesTest, ReadOnlyDatabaseAnswersWhatItKnows) {
  Open();
  Put(0, 1000);
  ASSERT_THAT(database_->Flush({}), IsOk());
  ASSERT_THAT(database_.Close(), IsOk());
  ASSERT_THAT(database_.OpenForReadOnly(options_, directory_.path()), IsOk());
  EXPECT_EQ(Number("estimate-num-keys"), 1000u);
  EXPECT_EQ(Text("num-files-at-level0"), "1");
  EXPECT_EQ(Number("num-running-compactions"), 0u);
  EXPECT_EQ(Number("background-errors"), 0u);
  EXPECT_THAT(*Text("stats"), HasSubstr("[default]"));
}

TEST_F(PropertiesTest, EachFamilyHasItsOwn) {
  Open();
  ASSERT_THAT(database_.CreateFamily("other"), IsOk());
  ColumnFamilyHandle* other = database_.Family("other");
  Put(0, 10);
  ASSERT_THAT(database_->Put({}, other, "k", "v"), IsOk());
  ASSERT_THAT(database_->Flush({}, other), IsOk());
  std::string files;
  ASSERT_TRUE(
      database_->GetProperty(other, "rocksdb.num-files-at-level0", &files));
  EXPECT_EQ(files, "1");
  EXPECT_EQ(Text("num-files-at-level0"), "0");
  EXPECT_THAT(*Text("stats"), HasSubstr("[other]"));
  EXPECT_THAT(*Text("cfstats"), Not(HasSubstr("[other]")));
}

// --- Every number against what was done. -----------------------------------

TEST_F(PropertiesTest, EntriesOfMemtablesAreCountedByKindAndState) {
  options_.file_system = &files_;
  options_.max_write_buffer_number = 8;
  Open();
  const auto counts = [this] {
    return std::vector<uint64_t>{*Number("num-entries-active-mem-table"),
                                 *Number("num-deletes-active-mem-table"),
                                 *Number("num-immutable-mem-table"),
                                 *Number("num-entries-imm-mem-tables"),
                                 *Number("num-deletes-imm-mem-tables")};
  };
  Put(0, 5);
  ASSERT_THAT(database_->Delete({}, Key(0)), IsOk());
  ASSERT_THAT(database_->SingleDelete({}, Key(1)), IsOk());
  ASSERT_THAT(database_->DeleteRange({}, nullptr, Key(2), Key(3)), IsOk());
  EXPECT_THAT(counts(), ElementsAre(8, 3, 0, 0, 0));
  files_.Hold("NewWritableFile", ".sst");
  ASSERT_THAT(database_->Flush({.wait = false}), IsOk());
  EXPECT_THAT(counts(), ElementsAre(0, 0, 1, 8, 3));
  Put(7, 1);
  ASSERT_THAT(database_->Flush({.wait = false}), IsOk());
  ASSERT_THAT(database_->Delete({}, Key(7)), IsOk());
  EXPECT_THAT(counts(), ElementsAre(1, 1, 2, 9, 3));
  EXPECT_GT(*Number("cur-size-all-mem-tables"),
            *Number("cur-size-active-mem-table"));
  files_.Release();
  ASSERT_THAT(database_->WaitForCompact({}), IsOk());
  EXPECT_THAT(counts(), ElementsAre(1, 1, 0, 0, 0));
  EXPECT_EQ(Number("cur-size-all-mem-tables"),
            Number("cur-size-active-mem-table"));
}

// There is one flush at a time, so that of another family is due.
TEST_F(PropertiesTest, AFlushIsDueThenRunsThenIsDone) {
  options_.file_system = &files_;
  Open();
  ASSERT_THAT(database_.CreateFamily("other"), IsOk());
  Put(0, 1);
  ASSERT_THAT(database_->Put({}, database_.Family("other"), "k", "v"), IsOk());
  files_.Hold("NewWritableFile", ".sst");
  ASSERT_THAT(database_->Flush({.wait = false}), IsOk());
  files_.WaitUntilHeld();
  ASSERT_THAT(database_->Flush({.wait = false}, database_.Family("other")),
              IsOk());
  EXPECT_EQ(Number("num-running-flushes"), 1u);
  EXPECT_EQ(Number("num-running-flushes", "other"), 1u) << "of all families";
  EXPECT_EQ(Number("mem-table-flush-pending"), 0u) << "it runs";
  EXPECT_EQ(Number("mem-table-flush-pending", "other"), 1u);
  files_.Release();
  ASSERT_THAT(database_->WaitForCompact({}), IsOk());
  EXPECT_EQ(Number("num-running-flushes"), 0u);
  EXPECT_EQ(Number("mem-table-flush-pending", "other"), 0u);
}

TEST_F(PropertiesTest, ACompactionThatRunsIsCounted) {
  options_.file_system = &files_;
  options_.disable_auto_compactions = false;
  options_.level0_file_num_compaction_trigger = 2;
  Open();
  Put(0, 10);
  ASSERT_THAT(database_->Flush({}), IsOk());
  EXPECT_EQ(Number("compaction-pending"), 0u);
  Put(0, 10);
  ASSERT_THAT(database_->Flush({.wait = false}), IsOk());
  ASSERT_THAT(database_->WaitForCompact({}), IsOk());
  EXPECT_EQ(Number("num-running-compactions"), 0u);
  EXPECT_EQ(Text("num-files-at-level6"), "1");
  files_.Hold("NewWritableFile", ".sst");
  std::thread compaction([this] {
    EXPECT_THAT(database_->CompactRange({.bottommost_level_compaction =
                                             BottommostLevelCompaction::kForce},
                                        nullptr, nullptr),
                IsOk());
  });
  files_.WaitUntilHeld();
  EXPECT_EQ(Number("num-running-compactions"), 1u);
  files_.Release();
  compaction.join();
  EXPECT_EQ(Number("num-running-compactions"), 0u);
}

TEST_F(PropertiesTest, WritesThatAreStoppedAreShownAsStopped) {
  options_.file_system = &files_;
  options_.write_buffer_size = size_t{64} << 10;
  options_.max_write_buffer_number = 2;
  Open();
  EXPECT_EQ(Number("is-write-stopped"), 0u);
  files_.Hold("NewWritableFile", ".sst");
  for (int i = 0; i < 2; ++i) {
    Put(i, 1);
    ASSERT_THAT(database_->Flush({.wait = false}), IsOk());
  }
  EXPECT_EQ(Number("is-write-stopped"), 1u);
  EXPECT_THAT(database_->Put({.no_slowdown = true}, "k", "v"),
              HasCode(Status::kIncomplete));
  files_.Release();
  ASSERT_THAT(database_->WaitForCompact({}), IsOk());
  EXPECT_EQ(Number("is-write-stopped"), 0u);
  EXPECT_EQ(Number("actual-delayed-write-rate"), 0u);
  EXPECT_THAT(database_->Put({.no_slowdown = true}, "k", "v"), IsOk());
}

TEST_F(PropertiesTest, LockedWritesAreNoStallOfAFamily) {
  Open();
  ASSERT_THAT(database_->LockWAL(), IsOk());
  EXPECT_EQ(Number("is-write-stopped"), 1u);
  ASSERT_THAT(database_->UnlockWAL(), IsOk());
  EXPECT_EQ(Number("is-write-stopped"), 0u);
  EXPECT_THAT(*Text("cf-write-stall-stats"), HasSubstr("total-stops: 0\n"));
}

TEST_F(PropertiesTest, FailuresAreCountedAndSoIsTheRefusalOfWrites) {
  options_.file_system = &files_;
  options_.allow_mmap_writes = false;
  Open();
  Put(0, 1);
  files_.Arm(
      {.operation = 1, .name = "Append", .path_end = ".sst", .forever = true});
  EXPECT_FALSE(database_->Flush({}).ok());
  files_.Disarm();
  ASSERT_THAT(database_->Resume(), IsOk());
  const uint64_t failed = *Number("background-errors");
  EXPECT_GE(failed, 1u) << "what happened has happened";
  files_.Arm({.operation = 1, .name = "Append", .path_end = ".log"});
  EXPECT_FALSE(database_->Put({}, "k", "v").ok());
  EXPECT_EQ(Number("background-errors"), failed + 1);
  ASSERT_THAT(database_->Resume(), IsOk());
  EXPECT_EQ(Number("background-errors"), failed) << "writes are accepted again";
}

TEST_F(PropertiesTest, ObsoleteFilesCountUntilTheyAreRemoved) {
  options_.file_system = &files_;
  Open();
  const auto rewrite = [this] {
    EXPECT_THAT(database_->CompactRange({.bottommost_level_compaction =
                                             BottommostLevelCompaction::kForce},
                                        nullptr, nullptr),
                IsOk());
  };
  Put(0, 100);
  rewrite();
  ASSERT_THAT(database_->WaitForCompact({}), IsOk());
  EXPECT_EQ(Number("obsolete-sst-files-size"), 0u);
  // Whoever removes files is busy with this one, so the next has to wait.
  files_.Hold("RemoveFile", ".sst");
  rewrite();
  files_.WaitUntilHeld();
  const uint64_t next = *Number("live-sst-files-size");
  rewrite();
  EXPECT_EQ(Number("obsolete-sst-files-size"), next);
  files_.Release();
  ASSERT_THAT(database_->WaitForCompact({}), IsOk());
  EXPECT_EQ(Number("obsolete-sst-files-size"), 0u);
}

TEST_F(PropertiesTest, LiveDataIsWhatNoDeeperFileOverlaps) {
  Open();
  const auto live = [this] { return *Number("estimate-live-data-size"); };
  Put(0, 10);
  ASSERT_THAT(database_->CompactRange({}, nullptr, nullptr), IsOk());
  const uint64_t deep = live();
  EXPECT_EQ(deep, database_->GetColumnFamilyMetaData().size);
  Put(100, 10);
  ASSERT_THAT(database_->Flush({}), IsOk());
  const uint64_t apart = live();
  EXPECT_EQ(apart, database_->GetColumnFamilyMetaData().size)
      << "it is behind the others";
  Put(5, 1);
  ASSERT_THAT(database_->Flush({}), IsOk());
  EXPECT_EQ(live(), apart) << "a newer version of what was counted";
  Put(105, 1);
  ASSERT_THAT(database_->Flush({}), IsOk());
  EXPECT_EQ(live(), apart) << "in the same level, too";
}

TEST_F(PropertiesTest, FamiliesThatShareACacheSeeItsNumbers) {
  Open();
  ASSERT_THAT(database_.CreateFamily("other"), IsOk());
  Put(0, 100);
  ASSERT_THAT(database_->Flush({}), IsOk());
  std::string value;
  ASSERT_THAT(database_->Get({}, Key(1), &value), IsOk());
  EXPECT_EQ(Number("block-cache-capacity", "other"), kCacheBytes);
  EXPECT_GT(Number("block-cache-usage", "other"), 0u);
  EXPECT_EQ(Number("block-cache-usage", "other"), Number("block-cache-usage"));
}

TEST_F(PropertiesTest, NumbersOfAFamilyAreItsOwn) {
  Open();
  ASSERT_THAT(database_.CreateFamily("other"), IsOk());
  Put(0, 100);
  ASSERT_THAT(database_->Flush({}), IsOk());
  for (const char* zero :
       {"estimate-num-keys", "estimate-live-data-size", "live-sst-files-size",
        "total-sst-files-size", "estimate-table-readers-mem",
        "num-entries-active-mem-table"}) {
    EXPECT_EQ(Number(zero, "other"), 0u) << zero;
  }
  EXPECT_EQ(Number("num-live-versions", "other"), 1u);
  EXPECT_THAT(*Text("aggregated-table-properties", "other"),
              HasSubstr("# entries=0;"));
  EXPECT_THAT(*Text("levelstats", "other"), HasSubstr("  0        0        0"));
  EXPECT_THAT(*Text("cfstats", "other"), HasSubstr("[other]"));
  EXPECT_THAT(*Text("sstables", "other"), Not(HasSubstr("bytes")));
  // Those of the whole database are the same.
  EXPECT_EQ(Number("min-log-number-to-keep", "other"),
            Number("min-log-number-to-keep"));
  EXPECT_EQ(*Text("dbstats", "other"), *Text("dbstats"));
}

TEST_F(PropertiesTest, AFamilyThatWasDroppedHasNoAnswers) {
  Open();
  ASSERT_THAT(database_.CreateFamily("other"), IsOk());
  ColumnFamilyHandle* const other = database_.Family("other");
  ASSERT_THAT(database_->DropColumnFamily(other), IsOk());
  EXPECT_EQ(Number("estimate-num-keys", "other"), std::nullopt);
  EXPECT_EQ(Text("cfstats", "other"), std::nullopt);
  EXPECT_EQ(Text("num-files-at-level0", "other"), std::nullopt);
}

TEST_F(PropertiesTest, WithoutAnAnswerTheValueIsLeftAlone) {
  Open();
  uint64_t number = 77;
  EXPECT_FALSE(database_->GetIntProperty("rocksdb.stats", &number));
  EXPECT_EQ(number, 77u);
  std::string text = "kept";
  EXPECT_FALSE(database_->GetProperty("rocksdb.no-such-property", &text));
  EXPECT_FALSE(database_->GetProperty("num-snapshots", &text));
  EXPECT_EQ(text, "kept");
}

TEST_F(PropertiesTest, EachLevelHasItsName) {
  Open();
  Put(0, 100);
  ASSERT_THAT(database_->CompactRange({}, nullptr, nullptr), IsOk());
  for (int level = 0; level < 7; ++level) {
    const std::string number = std::to_string(level);
    const bool is_deepest = level == 6;
    EXPECT_EQ(Text("num-files-at-level" + number), is_deepest ? "1" : "0");
    EXPECT_EQ(std::stod(*Text("compression-ratio-at-level" + number)) > 0,
              is_deepest);
    EXPECT_THAT(*Text("aggregated-table-properties-at-level" + number),
                HasSubstr(is_deepest ? "# entries=100;" : "# entries=0;"));
  }
  for (const char* name :
       {"compression-ratio-at-level", "aggregated-table-properties-at-level"}) {
    for (const char* level : {"", "7", "-1", "06x", " 6"}) {
      EXPECT_EQ(Text(std::string(name) + level), std::nullopt) << level;
    }
  }
}

TEST_F(PropertiesTest, StatsCountCommitsAndTheirEntries) {
  Open();
  WriteBatch batch;
  ASSERT_THAT(batch.Put("a", "1"), IsOk());
  ASSERT_THAT(batch.Put("b", "2"), IsOk());
  ASSERT_THAT(database_->Write({.sync = true}, &batch), IsOk());
  Put(0, 3);
  const std::string stats = *Text("dbstats");
  EXPECT_THAT(stats, testing::ContainsRegex("\ncommits +4\n"));
  EXPECT_THAT(stats, testing::ContainsRegex("\nentries +5\n"));
  EXPECT_THAT(stats, testing::ContainsRegex("\ncommits with sync +1\n"));
  EXPECT_THAT(stats, testing::ContainsRegex("\nWAL records +4\n"));
  EXPECT_THAT(stats, HasSubstr("** Delays and stops **\nnone\n"));
}

}  // namespace
}  // namespace paceline
