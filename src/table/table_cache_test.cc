#include "src/table/table_cache.h"

#include <memory>
#include <string>
#include <thread>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "src/format/file_name.h"
#include "src/table/table_maker.h"
#include "test/support/fault_file_system.h"
#include "test/support/memory_file_system.h"

namespace paceline {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr const char* kDirectory = "/db";

// Tables of one entry in memory, behind a file system that counts and fails.
class TableCacheTest : public testing::Test {
 protected:
  // The table's only entry has the file's number as its value.
  FileMetaData AddTable(uint64_t number, const std::string& path) {
    Entries entries{InternalKeyLess{&comparator_}};
    entries[InternalKey("key", 1)] = std::to_string(number);
    const std::string bytes = TableMaker({}).Make(entries);
    memory_.Add(path, bytes);
    FileMetaData file;
    file.number = number;
    file.size = bytes.size();
    return file;
  }
  FileMetaData AddTable(uint64_t number) {
    return AddTable(number, TableFileName(kDirectory, number));
  }

  std::unique_ptr<TableCache> NewCache(int open_files_max) {
    return std::make_unique<TableCache>(&files_, kDirectory, open_files_max);
  }

  TableReaderOptions ReaderOptions() {
    return {.comparator = &comparator_,
            .block_cache = nullptr,
            .path = "",
            .family_name = "users"};
  }

  // Of its only entry.
  static std::string ValueIn(const TableReader& table) {
    const auto entry = table.NewIterator({});
    entry->SeekToFirst();
    return entry->Valid() ? entry->value().ToString()
                          : entry->status().ToString();
  }

  [[nodiscard]] uint64_t opens() const {
    return files_.CountOf("NewRandomAccessFile", ".sst");
  }

  const InternalKeyComparator comparator_{BytewiseComparator()};
  MemoryFileSystem memory_;
  FaultFileSystem files_{&memory_};
};

TEST_F(TableCacheTest, OpenKeepsNothing) {
  const auto cache = NewCache(10);
  const FileMetaData file = AddTable(7);
  auto table = cache->Open(file, ReaderOptions());
  ASSERT_TRUE(table.ok()) << table.status().ToString();
  EXPECT_EQ(ValueIn(**table), "7");
  EXPECT_EQ(cache->FindOpen(7), nullptr);
  EXPECT_EQ(cache->Use(7), nullptr);
}

TEST_F(TableCacheTest, FindOpensATableOnce) {
  const auto cache = NewCache(10);
  const FileMetaData file = AddTable(7);
  auto first = cache->Find(file, ReaderOptions());
  ASSERT_TRUE(first.ok());
  auto second = cache->Find(file, ReaderOptions());
  ASSERT_TRUE(second.ok());
  EXPECT_EQ(*first, *second);
  EXPECT_EQ(cache->Use(7), *first);
  EXPECT_EQ(cache->FindOpen(7), *first);
  EXPECT_EQ(opens(), 1u);
}

TEST_F(TableCacheTest, TheTableUsedLeastLatelyIsClosed) {
  const auto cache = NewCache(2);
  for (uint64_t number = 1; number <= 3; ++number) {
    ASSERT_TRUE(cache->Find(AddTable(number), ReaderOptions()).ok());
  }
  EXPECT_EQ(cache->FindOpen(1), nullptr);
  EXPECT_NE(cache->FindOpen(2), nullptr);
  EXPECT_NE(cache->FindOpen(3), nullptr);
}

TEST_F(TableCacheTest, UseAndFindCountAsUse) {
  for (const bool by_find : {false, true}) {
    const auto cache = NewCache(2);
    const FileMetaData first = AddTable(1);
    ASSERT_TRUE(cache->Find(first, ReaderOptions()).ok());
    ASSERT_TRUE(cache->Find(AddTable(2), ReaderOptions()).ok());
    if (by_find) {
      ASSERT_TRUE(cache->Find(first, ReaderOptions()).ok());
    } else {
      ASSERT_NE(cache->Use(1), nullptr);
    }
    ASSERT_TRUE(cache->Find(AddTable(3), ReaderOptions()).ok());
    EXPECT_NE(cache->FindOpen(1), nullptr);
    EXPECT_EQ(cache->FindOpen(2), nullptr);
  }
}

// It is asked for statistics of all tables, which must not change which of
// them stay.
TEST_F(TableCacheTest, FindOpenDoesNotCountAsUse) {
  const auto cache = NewCache(2);
  ASSERT_TRUE(cache->Find(AddTable(1), ReaderOptions()).ok());
  ASSERT_TRUE(cache->Find(AddTable(2), ReaderOptions()).ok());
  EXPECT_NE(cache->FindOpen(1), nullptr);
  ASSERT_TRUE(cache->Find(AddTable(3), ReaderOptions()).ok());
  EXPECT_EQ(cache->FindOpen(1), nullptr);
  EXPECT_NE(cache->FindOpen(2), nullptr);
}

TEST_F(TableCacheTest, WithoutABoundAllStayOpen) {
  const auto cache = NewCache(-1);
  EXPECT_FALSE(cache->is_bounded());
  for (uint64_t number = 1; number <= 100; ++number) {
    ASSERT_TRUE(cache->Find(AddTable(number), ReaderOptions()).ok());
  }
  for (uint64_t number = 1; number <= 100; ++number) {
    EXPECT_NE(cache->FindOpen(number), nullptr) << number;
  }
}

TEST_F(TableCacheTest, ATableThatIsPushedOutLivesOnWithItsReaders) {
  const auto cache = NewCache(1);
  auto table = cache->Find(AddTable(1), ReaderOptions());
  ASSERT_TRUE(table.ok());
  ASSERT_TRUE(cache->Find(AddTable(2), ReaderOptions()).ok());
  EXPECT_EQ(cache->FindOpen(1), nullptr);
  EXPECT_EQ(table->use_count(), 1) << "nobody else keeps it";
  EXPECT_EQ(ValueIn(**table), "1");
}

TEST_F(TableCacheTest, AnEvictedTableIsOpenedAnew) {
  const auto cache = NewCache(10);
  const FileMetaData file = AddTable(1);
  auto table = cache->Find(file, ReaderOptions());
  ASSERT_TRUE(table.ok());
  ASSERT_TRUE(cache->Find(AddTable(2), ReaderOptions()).ok());
  cache->Evict(1);
  EXPECT_EQ(table->use_count(), 1);
  EXPECT_EQ(cache->FindOpen(1), nullptr);
  EXPECT_NE(cache->FindOpen(2), nullptr);
  cache->Evict(1);  // Nothing to do.
  cache->Evict(99);
  auto again = cache->Find(file, ReaderOptions());
  ASSERT_TRUE(again.ok());
  EXPECT_NE(*again, *table);
  EXPECT_EQ(opens(), 3u);
}

// An evicted number must not leave anything behind that is pushed out later.
TEST_F(TableCacheTest, EvictedTablesMakeRoom) {
  const auto cache = NewCache(2);
  ASSERT_TRUE(cache->Find(AddTable(1), ReaderOptions()).ok());
  ASSERT_TRUE(cache->Find(AddTable(2), ReaderOptions()).ok());
  cache->Evict(2);
  ASSERT_TRUE(cache->Find(AddTable(3), ReaderOptions()).ok());
  EXPECT_NE(cache->FindOpen(1), nullptr);
  EXPECT_NE(cache->FindOpen(3), nullptr);
}

TEST_F(TableCacheTest, AMissingFileIsNamedWithItsFamily) {
  const auto cache = NewCache(10);
  FileMetaData file;
  file.number = 12;
  file.size = 1000;
  const Status s = cache->Find(file, ReaderOptions()).status();
  EXPECT_TRUE(s.IsPathNotFound()) << s.ToString();
  EXPECT_THAT(s.ToString(),
              AllOf(HasSubstr("/db/000012.sst"), HasSubstr("users")));
}

TEST_F(TableCacheTest, AFailureIsNotRemembered) {
  const auto cache = NewCache(10);
  const FileMetaData file = AddTable(1);
  files_.Arm({.operation = 1, .name = "NewRandomAccessFile"});
  const Status s = cache->Find(file, ReaderOptions()).status();
  EXPECT_TRUE(s.IsIOError());
  EXPECT_THAT(s.ToString(), AllOf(HasSubstr(files_.first_failure()),
                                  HasSubstr("/db/000001.sst")));
  EXPECT_EQ(cache->FindOpen(1), nullptr);
  EXPECT_TRUE(cache->Find(file, ReaderOptions()).ok());
}

TEST_F(TableCacheTest, DamageIsFoundWhenATableIsOpened) {
  const auto cache = NewCache(10);
  FileMetaData file = AddTable(1);
  file.size += 1;
  const Status s = cache->Find(file, ReaderOptions()).status();
  EXPECT_TRUE(s.IsCorruption());
  EXPECT_THAT(s.ToString(), HasSubstr("/db/000001.sst"));
  EXPECT_EQ(cache->FindOpen(1), nullptr);
}

TEST_F(TableCacheTest, ATableWithTheNameThatLevelDBGaveItIsFound) {
  const auto cache = NewCache(10);
  const FileMetaData file = AddTable(5, OldTableFileName(kDirectory, 5));
  auto table = cache->Find(file, ReaderOptions());
  ASSERT_TRUE(table.ok()) << table.status().ToString();
  EXPECT_EQ(ValueIn(**table), "5");
}

TEST_F(TableCacheTest, TheNewNameGoesFirst) {
  const auto cache = NewCache(10);
  AddTable(55, OldTableFileName(kDirectory, 5));
  const FileMetaData file = AddTable(5);
  auto table = cache->Find(file, ReaderOptions());
  ASSERT_TRUE(table.ok());
  EXPECT_EQ(ValueIn(**table), "5");
}

// A file that cannot be opened may be there all the same: another one must not
// be taken for it.
TEST_F(TableCacheTest, TheOldNameIsOnlyTriedIfTheNewOneIsMissing) {
  const auto cache = NewCache(10);
  AddTable(5, OldTableFileName(kDirectory, 5));
  const FileMetaData file = AddTable(5);
  files_.Arm({.operation = 1, .name = "NewRandomAccessFile"});
  EXPECT_TRUE(cache->Find(file, ReaderOptions()).status().IsIOError());
  EXPECT_EQ(files_.CountOf("NewRandomAccessFile", ".ldb"), 0u);
}

TEST_F(TableCacheTest, OfTwoThreadsThatOpenATableOneIsKept) {
  const auto cache = NewCache(10);
  const FileMetaData file = AddTable(1);
  files_.Hold("NewRandomAccessFile", "000001.sst");
  std::shared_ptr<const TableReader> of_slow;
  std::thread slow([&] {
    auto table = cache->Find(file, ReaderOptions());
    ASSERT_TRUE(table.ok());
    of_slow = *table;
  });
  files_.WaitUntilHeld();
  // The lock is not held during the open, so this one overtakes.
  auto table = cache->Find(file, ReaderOptions());
  files_.Release();
  slow.join();
  ASSERT_TRUE(table.ok());
  EXPECT_EQ(of_slow, *table);
  EXPECT_EQ(opens(), 2u);
  EXPECT_EQ(cache->FindOpen(1), *table);
}

}  // namespace
}  // namespace paceline
