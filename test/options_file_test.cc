// The ranges of the options, and the OPTIONS file that keeps them.

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "paceline/db.h"
#include "paceline/utilities/options_util.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "test/support/golden.h"
#include "test/support/test_database.h"
#include "test/support/test_directory.h"

namespace paceline {
namespace {

constexpr const char* kGoldenDirectory = PACELINE_GOLDEN_DIRECTORY;

class OptionsFileTest : public testing::Test {
 protected:
  OptionsFileTest() { options_.create_if_missing = true; }

  // Opens and closes a database with `options`.
  Status TryOpen(const Options& options) {
    TestDirectory directory;
    TestDatabase database;
    return database.Open(options, directory.path());
  }

  TestDirectory directory_;
  Options options_;
  TestDatabase database_;
};

TEST_F(OptionsFileTest, WriteBufferSizeHasARange) {
  for (const uint64_t good :
       {uint64_t{64} << 10, uint64_t{1} << 20, uint64_t{64} << 30}) {
    options_.write_buffer_size = good;
    EXPECT_THAT(TryOpen(options_), IsOk()) << good;
  }
  for (const uint64_t bad : {uint64_t{0}, (uint64_t{64} << 10) - 1,
                             (uint64_t{64} << 30) + 1, UINT64_MAX}) {
    options_.write_buffer_size = bad;
    const Status status = TryOpen(options_);
    EXPECT_THAT(status, HasCode(Status::kInvalidArgument)) << bad;
    EXPECT_THAT(status, Mentions("write_buffer_size"));
  }
}

TEST_F(OptionsFileTest, MaxWriteBatchGroupSizeHasARange) {
  for (const uint64_t good : {uint64_t{1} << 10, uint64_t{256} << 20}) {
    options_.max_write_batch_group_size_bytes = good;
    EXPECT_THAT(TryOpen(options_), IsOk()) << good;
  }
  for (const uint64_t bad : {uint64_t{0}, (uint64_t{1} << 10) - 1,
                             (uint64_t{256} << 20) + 1, UINT64_MAX}) {
    options_.max_write_batch_group_size_bytes = bad;
    const Status status = TryOpen(options_);
    EXPECT_THAT(status, HasCode(Status::kInvalidArgument)) << bad;
    EXPECT_THAT(status, Mentions("max_write_batch_group_size_bytes"));
  }
}

TEST_F(OptionsFileTest, LimitsOfCompactionsMakeSense) {
  options_.soft_pending_compaction_bytes_limit = 2;
  options_.hard_pending_compaction_bytes_limit = 1;
  EXPECT_THAT(TryOpen(options_), Mentions("soft_pending_compaction_bytes"));
  options_.hard_pending_compaction_bytes_limit = 0;  // No limit.
  EXPECT_THAT(TryOpen(options_), IsOk());
  options_.max_compaction_bytes = 1;
  EXPECT_THAT(TryOpen(options_), Mentions("max_compaction_bytes"));
  options_.max_compaction_bytes = 4 << 10;
  EXPECT_THAT(TryOpen(options_), IsOk());
  for (const double bad : {1.0, std::nan(""), HUGE_VAL}) {
    options_.max_bytes_for_level_multiplier = bad;
    EXPECT_THAT(TryOpen(options_), Mentions("level_multiplier")) << bad;
  }
}

TEST_F(OptionsFileTest, CompressionLevelsAreThoseOfTheCodec) {
  struct Case {
    CompressionType type;
    int level_max;
  };
  for (const Case& codec : {Case{kZSTD, 22}, Case{kLZ4HCCompression, 12}}) {
    options_.compression = codec.type;
    options_.compression_opts = {};
    if (!TryOpen(options_).ok()) continue;  // Built without it.
    for (const int good : {1, codec.level_max}) {
      options_.compression_opts.level = good;
      EXPECT_THAT(TryOpen(options_), IsOk()) << good;
    }
    for (const int bad : {-1, 0, codec.level_max + 1}) {
      options_.compression_opts.level = bad;
      EXPECT_THAT(TryOpen(options_), Mentions("compression_opts.level")) << bad;
    }
  }
  options_.compression = kNoCompression;
  EXPECT_THAT(TryOpen(options_), IsOk());
}

TEST_F(OptionsFileTest, AnOptionOutOfRangeMakesNoDatabase) {
  options_.write_buffer_size = 1;
  EXPECT_THAT(database_.Open(options_, directory_ / "db"),
              HasCode(Status::kInvalidArgument));
  EXPECT_FALSE(std::filesystem::exists(directory_ / "db/CURRENT"));
}

TEST_F(OptionsFileTest, CreateColumnFamilyChecksItsOptions) {
  ASSERT_THAT(database_.Open(options_, directory_.path()), IsOk());
  ColumnFamilyOptions family_options;
  family_options.write_buffer_size = 1;
  ColumnFamilyHandle* handle = nullptr;
  const Status status =
      database_->CreateColumnFamily(family_options, "bad", &handle);
  EXPECT_THAT(status, HasCode(Status::kInvalidArgument));
  EXPECT_THAT(status, Mentions("write_buffer_size"));
  EXPECT_EQ(handle, nullptr);
  EXPECT_THAT(database_.CreateFamily("bad"), IsOk()) << "the name is free";
}

// Those that RocksDB has, too: it must be able to read the file.
TEST_F(OptionsFileTest, TheFileKeepsTheOptionsOfTheLastOpen) {
  for (const bool flag : {true, false}) {
    options_.allow_concurrent_memtable_write = flag;
    options_.max_write_batch_group_size_bytes = flag ? 4096 : 8192;
    options_.write_buffer_size = flag ? 100'000 : 200'000;
    options_.wal_recovery_mode =
        flag ? WALRecoveryMode::kAbsoluteConsistency
             : WALRecoveryMode::kTolerateCorruptedTailRecords;
    ASSERT_THAT(database_.Open(options_, directory_.path()), IsOk());
    ASSERT_THAT(database_.Close(), IsOk());
    DBOptions loaded;
    std::vector<ColumnFamilyDescriptor> families;
    ASSERT_THAT(LoadLatestOptions(directory_.path(), FileSystem::Default(),
                                  &loaded, &families),
                IsOk());
    EXPECT_EQ(loaded.allow_concurrent_memtable_write, flag);
    EXPECT_EQ(loaded.max_write_batch_group_size_bytes,
              options_.max_write_batch_group_size_bytes);
    EXPECT_EQ(loaded.wal_recovery_mode, options_.wal_recovery_mode);
    ASSERT_EQ(families.size(), 1u);
    EXPECT_EQ(families[0].name, "default");
    EXPECT_EQ(families[0].options.write_buffer_size,
              options_.write_buffer_size);
  }
}

TEST_F(OptionsFileTest, TheFileKeepsTheOptionsOfTheTree) {
  for (const bool flag : {true, false}) {
    BlockBasedTableOptions table;
    table.checksum = flag ? kCRC32c : kxxHash64;
    table.no_block_cache = flag;
    table.block_size = flag ? 8192 : 16384;
    table.block_restart_interval = flag ? 8 : 4;
    if (flag) table.filter_policy.reset(NewBloomFilterPolicy(9.5));
    options_.table_factory.reset(NewBlockBasedTableFactory(table));
    options_.max_open_files = flag ? -1 : 100;
    options_.max_background_jobs = flag ? 3 : 5;
    options_.max_total_wal_size = flag ? 1 << 20 : 0;
    options_.atomic_flush = flag;
    options_.max_manifest_file_size = flag ? 1 << 20 : 1 << 21;
    options_.avoid_flush_during_shutdown = flag;
    options_.max_write_buffer_number = flag ? 4 : 3;
    options_.compression = kNoCompression;
    options_.bottommost_compression =
        flag ? kDisableCompressionOption : kNoCompression;
    options_.compression_opts.level = flag ? 7 : 2;
    options_.level0_file_num_compaction_trigger = flag ? 3 : 5;
    options_.level0_slowdown_writes_trigger = flag ? 11 : 12;
    options_.level0_stop_writes_trigger = flag ? 21 : 22;
    options_.target_file_size_base = flag ? 1 << 20 : 1 << 21;
    options_.target_file_size_multiplier = flag ? 2 : 1;
    options_.max_bytes_for_level_base = flag ? 1 << 22 : 1 << 23;
    options_.max_bytes_for_level_multiplier = flag ? 8.5 : 10;
    options_.level_compaction_dynamic_level_bytes = flag;
    options_.max_compaction_bytes = flag ? 1 << 24 : 0;
    options_.soft_pending_compaction_bytes_limit = flag ? 1 << 30 : 0;
    options_.hard_pending_compaction_bytes_limit = flag ? 1 << 30 : 0;
    options_.disable_auto_compactions = flag;
    ASSERT_THAT(database_.Open(options_, directory_.path()), IsOk());
    ASSERT_THAT(database_.Close(), IsOk());

    DBOptions db;
    std::vector<ColumnFamilyDescriptor> families;
    ASSERT_THAT(LoadLatestOptions(directory_.path(), FileSystem::Default(), &db,
                                  &families),
                IsOk());
    ASSERT_EQ(families.size(), 1u);
    // The same options make the same text.
    ASSERT_THAT(
        database_.Open(Options(db, families[0].options), directory_.path()),
        IsOk());
    const Options loaded = database_->GetOptions();
    ASSERT_THAT(database_.Close(), IsOk());
    EXPECT_EQ(loaded.max_open_files, options_.max_open_files);
    EXPECT_EQ(loaded.max_background_jobs, options_.max_background_jobs);
    EXPECT_EQ(loaded.max_total_wal_size, options_.max_total_wal_size);
    EXPECT_EQ(loaded.atomic_flush, flag);
    EXPECT_EQ(loaded.max_manifest_file_size, options_.max_manifest_file_size);
    EXPECT_EQ(loaded.avoid_flush_during_shutdown, flag);
    EXPECT_EQ(loaded.max_write_buffer_number, options_.max_write_buffer_number);
    EXPECT_EQ(loaded.compression, kNoCompression);
    EXPECT_EQ(loaded.bottommost_compression, options_.bottommost_compression);
    EXPECT_EQ(loaded.compression_opts.level, options_.compression_opts.level);
    EXPECT_EQ(loaded.level0_file_num_compaction_trigger,
              options_.level0_file_num_compaction_trigger);
    EXPECT_EQ(loaded.level0_slowdown_writes_trigger,
              options_.level0_slowdown_writes_trigger);
    EXPECT_EQ(loaded.level0_stop_writes_trigger,
              options_.level0_stop_writes_trigger);
    EXPECT_EQ(loaded.target_file_size_base, options_.target_file_size_base);
    EXPECT_EQ(loaded.target_file_size_multiplier,
              options_.target_file_size_multiplier);
    EXPECT_EQ(loaded.max_bytes_for_level_base,
              options_.max_bytes_for_level_base);
    EXPECT_EQ(loaded.max_bytes_for_level_multiplier,
              options_.max_bytes_for_level_multiplier);
    EXPECT_EQ(loaded.level_compaction_dynamic_level_bytes, flag);
    EXPECT_EQ(loaded.max_compaction_bytes, options_.max_compaction_bytes);
    EXPECT_EQ(loaded.soft_pending_compaction_bytes_limit,
              options_.soft_pending_compaction_bytes_limit);
    EXPECT_EQ(loaded.hard_pending_compaction_bytes_limit,
              options_.hard_pending_compaction_bytes_limit);
    EXPECT_EQ(loaded.disable_auto_compactions, flag);
    const BlockBasedTableOptions& loaded_table =
        loaded.table_factory->options();
    EXPECT_EQ(loaded_table.checksum, table.checksum);
    EXPECT_EQ(loaded_table.no_block_cache, flag);
    EXPECT_EQ(loaded_table.block_size, table.block_size);
    EXPECT_EQ(loaded_table.block_restart_interval,
              table.block_restart_interval);
    ASSERT_EQ(loaded_table.filter_policy != nullptr, flag);
    if (flag) {
      EXPECT_EQ(loaded_table.filter_policy->bits_per_key(), 9.5);
    }
  }
}

// In the forms of several versions of RocksDB, and with what Paceline has not.
TEST_F(OptionsFileTest, OtherFormsAreReadAndWhatIsNotKnownIsPassedOver) {
  WriteFileBytes(
      directory_ / "OPTIONS-000007",
      "[Version]\n  rocksdb_version=8.0.0\n"
      "[DBOptions]\n  max_open_files=-1\n  from_the_future={a=1;b=2}\n"
      "[CFOptions \"default\"]\n"
      "  compression=kBZip2Compression\n"
      "  bottommost_compression=kNoCompression\n"
      "  compression_opts=-14:5:0:0:0:false\n"
      "  max_bytes_for_level_multiplier=10.000000\n"
      "  from_the_future=x\n"
      "[TableOptions/BlockBasedTable \"default\"]\n"
      "  checksum=kSomethingNew\n  block_size=1234\n"
      "  filter_policy={id=bloomfilter:12:false;bits_per_key=12;}\n"
      "[CFOptions \"b\"]\n"
      "  compression_opts={enabled=false;level=4;strategy=0;}\n"
      "[TableOptions/BlockBasedTable \"b\"]\n"
      "  filter_policy=ribbonfilter:10:-1\n"
      "[TableOptions/PlainTable \"b\"]\n  block_size=nonsense\n");
  DBOptions db;
  std::vector<ColumnFamilyDescriptor> families;
  ASSERT_THAT(LoadLatestOptions(directory_.path(), FileSystem::Default(), &db,
                                &families),
              IsOk());
  ASSERT_EQ(families.size(), 2u);
  const ColumnFamilyOptions& first = families[0].options;
  EXPECT_EQ(first.compression, DefaultCompression());
  EXPECT_EQ(first.bottommost_compression, kNoCompression);
  EXPECT_EQ(first.compression_opts.level, 5);
  const BlockBasedTableOptions& table = first.table_factory->options();
  EXPECT_EQ(table.checksum, kXXH3);
  EXPECT_EQ(table.block_size, 1234u);
  ASSERT_NE(table.filter_policy, nullptr);
  EXPECT_EQ(table.filter_policy->bits_per_key(), 12);
  EXPECT_EQ(families[1].options.compression_opts.level, 4);
  EXPECT_EQ(families[1].options.table_factory->options().filter_policy,
            nullptr);
}

TEST_F(OptionsFileTest, AValueThatDoesNotFitIsCorruption) {
  for (const char* statement :
       {"level0_stop_writes_trigger=many", "target_file_size_base=-1",
        "disable_auto_compactions=perhaps", "compression_opts={level=high;}",
        "max_bytes_for_level_multiplier=1.5x"}) {
    WriteFileBytes(
        directory_ / "OPTIONS-000007",
        std::string("[CFOptions \"default\"]\n  ") + statement + "\n");
    DBOptions db;
    std::vector<ColumnFamilyDescriptor> families;
    const Status status = LoadLatestOptions(
        directory_.path(), FileSystem::Default(), &db, &families);
    EXPECT_THAT(status, HasCode(Status::kCorruption)) << statement;
    EXPECT_THAT(status, Mentions("line 2")) << statement;
  }
}

TEST_F(OptionsFileTest, EachFamilyHasItsSection) {
  ASSERT_THAT(database_.Open(options_, directory_.path()), IsOk());
  ColumnFamilyOptions family_options;
  family_options.comparator = ReverseBytewiseComparator();
  family_options.merge_operator = NewUInt64AddOperator();
  family_options.write_buffer_size = 123'456;
  ColumnFamilyHandle* handle = nullptr;
  ASSERT_THAT(database_->CreateColumnFamily(family_options,
                                            "strange [name]\n=", &handle),
              IsOk());
  ASSERT_THAT(database_->DestroyColumnFamilyHandle(handle), IsOk());
  ASSERT_THAT(database_.CreateFamily("dropped"), IsOk());
  ASSERT_THAT(database_.DropFamily("dropped"), IsOk());
  ASSERT_THAT(database_.Close(), IsOk());

  DBOptions loaded;
  std::vector<ColumnFamilyDescriptor> families;
  ASSERT_THAT(LoadLatestOptions(directory_.path(), FileSystem::Default(),
                                &loaded, &families),
              IsOk());
  ASSERT_EQ(families.size(), 2u);
  EXPECT_EQ(families[0].name, "default");
  EXPECT_EQ(families[0].options.comparator, BytewiseComparator());
  EXPECT_EQ(families[0].options.merge_operator, nullptr);
  EXPECT_EQ(families[1].name, "strange [name]\n=");
  EXPECT_EQ(families[1].options.comparator, ReverseBytewiseComparator());
  ASSERT_NE(families[1].options.merge_operator, nullptr);
  EXPECT_EQ(std::string(families[1].options.merge_operator->Name()),
            "UInt64AddOperator");
  EXPECT_EQ(families[1].options.write_buffer_size, 123'456u);

  // What was loaded opens the database.
  std::vector<ColumnFamilyHandle*> handles;
  std::unique_ptr<DB> db;
  ASSERT_THAT(DB::Open(loaded, directory_.path(), families, &handles, &db),
              IsOk());
  for (ColumnFamilyHandle* open : handles) delete open;
}

TEST_F(OptionsFileTest, ADirectoryWithoutAFileIsPathNotFound) {
  DBOptions loaded;
  std::vector<ColumnFamilyDescriptor> families;
  for (const std::string& path : {directory_.path(), directory_ / "none"}) {
    const Status status =
        LoadLatestOptions(path, FileSystem::Default(), &loaded, &families);
    EXPECT_TRUE(status.IsPathNotFound()) << status.ToString();
  }
}

TEST_F(OptionsFileTest, AFileThatDoesNotParseIsCorruption) {
  ASSERT_THAT(database_.Open(options_, directory_.path()), IsOk());
  ASSERT_THAT(database_.Close(), IsOk());
  WriteFileBytes(directory_ / "OPTIONS-999999", "[Version]\n  nonsense\n");
  DBOptions loaded;
  std::vector<ColumnFamilyDescriptor> families;
  const Status status = LoadLatestOptions(
      directory_.path(), FileSystem::Default(), &loaded, &families);
  EXPECT_THAT(status, HasCode(Status::kCorruption));
  EXPECT_THAT(status, Mentions("OPTIONS-999999"));
  EXPECT_THAT(database_.Open(options_, directory_.path()), IsOk())
      << "the database itself does not need the file";
}

TEST_F(OptionsFileTest, FilesThatRocksDBWroteAreRead) {
  const std::string path =
      UnpackGolden(kGoldenDirectory, "wal_only", directory_.path());
  DBOptions loaded;
  std::vector<ColumnFamilyDescriptor> families;
  ASSERT_THAT(
      LoadLatestOptions(path, FileSystem::Default(), &loaded, &families),
      IsOk());
  std::vector<std::string> names;
  for (const ColumnFamilyDescriptor& family : families) {
    names.push_back(family.name);
    EXPECT_EQ(family.options.comparator, BytewiseComparator());
  }
  std::vector<std::string> expected;
  ASSERT_THAT(DB::ListColumnFamilies(loaded, path, &expected), IsOk());
  EXPECT_THAT(names, testing::UnorderedElementsAreArray(expected));
}

TEST_F(OptionsFileTest, OldFilesAreRemoved) {
  for (int i = 0; i < 10; ++i) {
    ASSERT_THAT(database_.Open(options_, directory_.path()), IsOk());
    ASSERT_THAT(database_.Close(), IsOk());
  }
  const auto files = ReadDirectory(directory_.path());
  const auto count = std::count_if(
      files.begin(), files.end(),
      [](const auto& file) { return file.first.starts_with("OPTIONS-"); });
  EXPECT_GE(count, 1);
  EXPECT_LE(count, 2);
}

TEST_F(OptionsFileTest, GetOptionsTellsWhatTheDatabaseWasOpenedWith) {
  options_.write_buffer_size = 77'777;
  options_.max_write_batch_group_size_bytes = 5'000;
  ASSERT_THAT(database_.Open(options_, directory_.path()), IsOk());
  EXPECT_EQ(database_->GetOptions().write_buffer_size, 77'777u);
  EXPECT_EQ(database_->GetDBOptions().max_write_batch_group_size_bytes, 5'000u);
}

}  // namespace
}  // namespace paceline
