// Column families: making, dropping and reopening them, and what their handles
// are good for at each time.

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "paceline/db.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "test/support/test_database.h"
#include "test/support/test_directory.h"

namespace paceline {
namespace {

using Entries = std::vector<std::pair<std::string, std::string>>;

class ColumnFamilyTest : public testing::Test {
 protected:
  ColumnFamilyTest() {
    options_.create_if_missing = true;
    EXPECT_THAT(database_.Open(options_, directory_.path()), IsOk());
  }

  void Reopen() {
    ASSERT_THAT(database_.Close(), IsOk());
    ASSERT_THAT(database_.Open(options_, directory_.path()), IsOk());
  }

  Status OpenWith(const std::vector<ColumnFamilyDescriptor>& families) {
    std::vector<ColumnFamilyHandle*> handles;
    std::unique_ptr<DB> db;
    Status status =
        DB::Open(options_, directory_.path(), families, &handles, &db);
    EXPECT_EQ(status.ok(), db != nullptr);
    EXPECT_EQ(handles.size(), status.ok() ? families.size() : 0);
    for (size_t i = 0; i < handles.size(); ++i) {
      EXPECT_EQ(handles[i]->GetName(), families[i].name);
      delete handles[i];
    }
    return status;
  }

  TestDirectory directory_;
  Options options_;
  TestDatabase database_;
};

TEST_F(ColumnFamilyTest, EachHasItsOwnKeys) {
  ASSERT_THAT(database_.CreateFamily("one"), IsOk());
  ASSERT_THAT(database_.CreateFamily("two"), IsOk());
  ASSERT_THAT(database_->Put({}, database_.Family("one"), "key", "1"), IsOk());
  ASSERT_THAT(database_->Put({}, database_.Family("two"), "key", "2"), IsOk());
  ASSERT_THAT(database_->DeleteRange({}, database_.Family("one"), "a", "zzz"),
              IsOk());
  const Contents expected = {
      {"default", {}}, {"one", {}}, {"two", {{"key", "2"}}}};
  EXPECT_EQ(Difference(expected, database_.ReadAll()), "");
  Reopen();
  EXPECT_EQ(Difference(expected, database_.ReadAll()), "");
}

TEST_F(ColumnFamilyTest, HandlesTellNameAndIdAndIdsAreNotUsedAgain) {
  ASSERT_THAT(database_.CreateFamily("one"), IsOk());
  const uint32_t first = database_.Family("one")->GetID();
  EXPECT_EQ(database_.Family("one")->GetName(), "one");
  EXPECT_EQ(database_.Family("one")->GetComparator(), BytewiseComparator());
  ASSERT_THAT(database_.DropFamily("one"), IsOk());
  ASSERT_THAT(database_.CreateFamily("one"), IsOk());
  EXPECT_GT(database_.Family("one")->GetID(), first);
  ASSERT_THAT(database_.DropFamily("one"), IsOk());
  Reopen();
  ASSERT_THAT(database_.CreateFamily("two"), IsOk());
  EXPECT_GT(database_.Family("two")->GetID(), first + 1);
}

TEST_F(ColumnFamilyTest, ANameThatExistsIsRefused) {
  ASSERT_THAT(database_.CreateFamily("one"), IsOk());
  ColumnFamilyHandle* handle = nullptr;
  EXPECT_THAT(database_->CreateColumnFamily({}, "one", &handle),
              HasCode(Status::kInvalidArgument));
  EXPECT_EQ(handle, nullptr);
  EXPECT_THAT(database_->CreateColumnFamily({}, "default", &handle),
              HasCode(Status::kInvalidArgument));
}

TEST_F(ColumnFamilyTest, TheDefaultFamilyCannotBeDropped) {
  EXPECT_THAT(database_->DropColumnFamily(database_->DefaultColumnFamily()),
              HasCode(Status::kInvalidArgument));
  EXPECT_THAT(database_->Put({}, "key", "value"), IsOk());
}

TEST_F(ColumnFamilyTest, CallsWithADroppedFamilyAreInvalid) {
  ASSERT_THAT(database_.CreateFamily("one"), IsOk());
  ColumnFamilyHandle* family = database_.Family("one");
  ASSERT_THAT(database_->Put({}, family, "key", "value"), IsOk());
  ASSERT_THAT(database_->DropColumnFamily(family), IsOk());
  EXPECT_EQ(family->GetName(), "one");
  const auto invalid = HasCode(Status::kInvalidArgument);
  std::string value;
  EXPECT_THAT(database_->Get({}, family, "key", &value), invalid);
  EXPECT_THAT(database_->Put({}, family, "key", "value"), invalid);
  EXPECT_THAT(database_->Delete({}, family, "key"), invalid);
  EXPECT_THAT(database_->SingleDelete({}, family, "key"), invalid);
  EXPECT_THAT(database_->DeleteRange({}, family, "a", "b"), invalid);
  EXPECT_THAT(database_->DropColumnFamily(family), invalid);
  std::vector<std::string> values;
  EXPECT_THAT(
      database_->MultiGet({}, {nullptr, family}, {"key", "key"}, &values),
      testing::ElementsAre(HasCode(Status::kNotFound), invalid));
  const std::unique_ptr<Iterator> iterator(database_->NewIterator({}, family));
  ASSERT_NE(iterator, nullptr);
  iterator->SeekToFirst();
  EXPECT_FALSE(iterator->Valid());
  EXPECT_THAT(iterator->status(), invalid);
}

TEST_F(ColumnFamilyTest, ABatchThatNamesADroppedFamilyWritesNothing) {
  ASSERT_THAT(database_.CreateFamily("one"), IsOk());
  ColumnFamilyHandle* family = database_.Family("one");
  WriteBatch batch;
  ASSERT_THAT(batch.Put("key", "value"), IsOk());
  ASSERT_THAT(batch.Put(family, "key", "value"), IsOk());
  ASSERT_THAT(database_->DropColumnFamily(family), IsOk());
  EXPECT_THAT(database_->Write({}, &batch), HasCode(Status::kInvalidArgument));
  std::string value;
  EXPECT_THAT(database_->Get({}, "key", &value), HasCode(Status::kNotFound));
  EXPECT_EQ(database_->GetLatestSequenceNumber(), 0u);
}

TEST_F(ColumnFamilyTest, AnIteratorGoesOnWhenItsFamilyIsDropped) {
  ASSERT_THAT(database_.CreateFamily("one"), IsOk());
  ColumnFamilyHandle* family = database_.Family("one");
  ASSERT_THAT(database_->Put({}, family, "a", "1"), IsOk());
  ASSERT_THAT(database_->Put({}, family, "b", "2"), IsOk());
  const std::unique_ptr<Iterator> iterator(database_->NewIterator({}, family));
  iterator->SeekToFirst();
  ASSERT_THAT(database_.DropFamily("one"), IsOk());
  ASSERT_TRUE(iterator->Valid());
  iterator->Next();
  ASSERT_TRUE(iterator->Valid());
  EXPECT_EQ(iterator->value().ToString(), "2");
  iterator->Next();
  EXPECT_FALSE(iterator->Valid());
  EXPECT_THAT(iterator->status(), IsOk());
}

TEST_F(ColumnFamilyTest, ADroppedFamilyIsGoneAndItsNameIsFree) {
  ASSERT_THAT(database_.CreateFamily("one"), IsOk());
  ASSERT_THAT(database_->Put({}, database_.Family("one"), "old", ""), IsOk());
  ASSERT_THAT(database_.DropFamily("one"), IsOk());
  Reopen();
  EXPECT_EQ(database_.Family("one"), nullptr);
  ASSERT_THAT(database_.CreateFamily("one"), IsOk());
  ASSERT_THAT(database_->Put({}, database_.Family("one"), "new", ""), IsOk());
  const Contents expected = {{"default", {}}, {"one", {{"new", ""}}}};
  EXPECT_EQ(Difference(expected, database_.ReadAll()), "");
  Reopen();
  EXPECT_EQ(Difference(expected, database_.ReadAll()), "");
}

TEST_F(ColumnFamilyTest, ABatchIsRecoveredWithoutItsDroppedFamily) {
  ASSERT_THAT(database_.CreateFamily("kept"), IsOk());
  ASSERT_THAT(database_.CreateFamily("dropped"), IsOk());
  WriteBatch batch;
  ASSERT_THAT(batch.Put("a", "1"), IsOk());
  ASSERT_THAT(batch.Put(database_.Family("dropped"), "b", "2"), IsOk());
  ASSERT_THAT(batch.Put(database_.Family("kept"), "c", "3"), IsOk());
  ASSERT_THAT(database_->Write({}, &batch), IsOk());
  ASSERT_THAT(database_.DropFamily("dropped"), IsOk());
  Reopen();
  EXPECT_EQ(database_->GetLatestSequenceNumber(), 3u);
  EXPECT_EQ(Difference({{"default", {{"a", "1"}}}, {"kept", {{"c", "3"}}}},
                       database_.ReadAll()),
            "");
}

TEST_F(ColumnFamilyTest, HandlesMayOutliveTheirDatabase) {
  ASSERT_THAT(database_.CreateFamily("one"), IsOk());
  ASSERT_THAT(database_.Close(), IsOk());
  std::vector<ColumnFamilyHandle*> handles;
  std::unique_ptr<DB> db;
  ASSERT_THAT(DB::Open(options_, directory_.path(),
                       {{"one", {}}, {"default", {}}}, &handles, &db),
              IsOk());
  ASSERT_EQ(handles.size(), 2u);
  db.reset();
  EXPECT_EQ(handles[0]->GetName(), "one");
  EXPECT_EQ(handles[1]->GetID(), 0u);
  for (ColumnFamilyHandle* handle : handles) delete handle;
}

TEST_F(ColumnFamilyTest, DestroyColumnFamilyHandleEndsAHandle) {
  ColumnFamilyHandle* handle = nullptr;
  ASSERT_THAT(database_->CreateColumnFamily({}, "one", &handle), IsOk());
  EXPECT_THAT(database_->DestroyColumnFamilyHandle(handle), IsOk());
  Reopen();
  EXPECT_NE(database_.Family("one"), nullptr);
}

TEST_F(ColumnFamilyTest, EveryFamilyMustBeNamedAtOpen) {
  ASSERT_THAT(database_.CreateFamily("one"), IsOk());
  ASSERT_THAT(database_.Close(), IsOk());
  const Status status = OpenWith({{"default", {}}});
  EXPECT_THAT(status, HasCode(Status::kInvalidArgument));
  EXPECT_THAT(status, Mentions("one"));
  EXPECT_THAT(OpenWith({{"one", {}}}), HasCode(Status::kInvalidArgument));
  EXPECT_THAT(OpenWith({{"one", {}}, {"default", {}}}), IsOk());
}

TEST_F(ColumnFamilyTest, MissingFamiliesAreOnlyMadeIfAskedFor) {
  ASSERT_THAT(database_.Close(), IsOk());
  const std::vector<ColumnFamilyDescriptor> families = {{"default", {}},
                                                        {"new", {}}};
  const Status status = OpenWith(families);
  EXPECT_THAT(status, HasCode(Status::kInvalidArgument));
  EXPECT_THAT(status, Mentions("new"));
  options_.create_missing_column_families = true;
  EXPECT_THAT(OpenWith(families), IsOk());
  options_.create_missing_column_families = false;
  EXPECT_THAT(OpenWith(families), IsOk());
}

TEST_F(ColumnFamilyTest, AnotherComparatorIsRefused) {
  ASSERT_THAT(database_.Close(), IsOk());
  options_.comparator = ReverseBytewiseComparator();
  const Status status = database_.Open(options_, directory_.path());
  EXPECT_THAT(status, HasCode(Status::kInvalidArgument));
  EXPECT_THAT(status, Mentions("rocksdb.ReverseBytewiseComparator"));
  EXPECT_THAT(status, Mentions("leveldb.BytewiseComparator"));
  options_.comparator = BytewiseComparator();
  EXPECT_THAT(database_.Open(options_, directory_.path()), IsOk());
}

TEST_F(ColumnFamilyTest, FamiliesMayDifferInTheirOrder) {
  ColumnFamilyOptions reversed;
  reversed.comparator = ReverseBytewiseComparator();
  ColumnFamilyHandle* handle = nullptr;
  ASSERT_THAT(database_->CreateColumnFamily(reversed, "reversed", &handle),
              IsOk());
  const std::unique_ptr<ColumnFamilyHandle> owned(handle);
  for (const char* key : {"b", "a", "c"}) {
    ASSERT_THAT(database_->Put({}, key, ""), IsOk());
    ASSERT_THAT(database_->Put({}, handle, key, ""), IsOk());
  }
  const auto keys_of = [&](ColumnFamilyHandle* family) {
    std::string keys;
    const std::unique_ptr<Iterator> iterator(
        database_->NewIterator({}, family));
    for (iterator->SeekToFirst(); iterator->Valid(); iterator->Next()) {
      keys += iterator->key().ToStringView();
    }
    return keys;
  };
  EXPECT_EQ(keys_of(nullptr), "abc");
  EXPECT_EQ(keys_of(handle), "cba");
  // A range is [begin, end) in the family's own order.
  ASSERT_THAT(database_->DeleteRange({}, handle, "c", "a"), IsOk());
  EXPECT_EQ(keys_of(handle), "a");
}

// Writers go on while families come and go; each batch is whole or refused.
TEST_F(ColumnFamilyTest, DroppingAFamilyDisturbsNoOtherWriter) {
  ASSERT_THAT(database_.CreateFamily("kept"), IsOk());
  std::atomic<bool> is_done = false;
  std::atomic<uint64_t> written = 0;
  std::vector<std::thread> writers;
  for (int thread = 0; thread < 4; ++thread) {
    writers.emplace_back([&, thread] {
      for (int number = 0; !is_done || number == 0; ++number) {
        const std::string key =
            std::to_string(thread) + "/" + std::to_string(number);
        WriteBatch batch;
        EXPECT_THAT(batch.Put(key, ""), IsOk());
        EXPECT_THAT(batch.Put(database_.Family("kept"), key, ""), IsOk());
        EXPECT_THAT(database_->Write({}, &batch), IsOk());
        ++written;
      }
    });
  }
  for (int round = 0; round < 20; ++round) {
    ColumnFamilyHandle* handle = nullptr;
    ASSERT_THAT(database_->CreateColumnFamily({}, "passing", &handle), IsOk());
    EXPECT_THAT(database_->Put({}, handle, "key", "value"), IsOk());
    EXPECT_THAT(database_->DropColumnFamily(handle), IsOk());
    EXPECT_THAT(database_->Put({}, handle, "key", "value"),
                HasCode(Status::kInvalidArgument));
    EXPECT_THAT(database_->DestroyColumnFamilyHandle(handle), IsOk());
  }
  is_done = true;
  for (std::thread& writer : writers) writer.join();
  for (const bool is_reopened : {false, true}) {
    if (is_reopened) Reopen();
    const Contents contents = database_.ReadAll();
    EXPECT_EQ(contents.at("default").size(), written);
    EXPECT_EQ(contents.at("kept"), contents.at("default"));
    EXPECT_EQ(contents.size(), 2u);
  }
}

}  // namespace
}  // namespace paceline
