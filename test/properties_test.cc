// The properties that tell how the tree of tables is doing.

#include <memory>
#include <optional>
#include <string>

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

  std::optional<uint64_t> Number(const std::string& name) {
    uint64_t value = 0;
    if (!database_->GetIntProperty("rocksdb." + name, &value)) return {};
    std::string text;
    EXPECT_TRUE(database_->GetProperty("rocksdb." + name, &text)) << name;
    return value;
  }
  std::optional<std::string> Text(const std::string& name) {
    std::string value;
    if (!database_->GetProperty("rocksdb." + name, &value)) return {};
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

}  // namespace
}  // namespace paceline
