// The ranges of the options, and the OPTIONS file that keeps them.

#include <algorithm>
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
