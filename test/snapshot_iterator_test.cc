// Reads at a point in time: snapshots, iterators with bounds in both
// directions, MultiGet and pinned values.

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "paceline/db.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "test/support/test_database.h"
#include "test/support/test_directory.h"

namespace paceline {
namespace {

using testing::ElementsAre;

// Every test runs on one memtable and on many: see MaybeSeal().
class SnapshotIteratorTest : public testing::TestWithParam<bool> {
 protected:
  SnapshotIteratorTest() {
    options_.create_if_missing = true;
    options_.write_buffer_size = size_t{64} << 10;
    EXPECT_THAT(database_.Open(options_, directory_.path()), IsOk());
  }

  void Put(const std::string& key, const std::string& value) {
    ASSERT_THAT(database_->Put({}, key, value), IsOk());
    MaybeSeal();
  }
  void Delete(const std::string& key) {
    ASSERT_THAT(database_->Delete({}, key), IsOk());
    MaybeSeal();
  }

  // Fills the memtable with a key behind all others, so that the next write
  // meets a new one.
  void MaybeSeal() {
    if (!GetParam()) return;
    ASSERT_THAT(database_->Put({}, "~", std::string(70'000, 'f')), IsOk());
  }

  // Never comes to the key "~".
  std::unique_ptr<Iterator> NewIterator(const ReadOptions& options = {}) {
    static const Slice kEnd("~");
    ReadOptions bounded = options;
    if (bounded.iterate_upper_bound == nullptr) {
      bounded.iterate_upper_bound = &kEnd;
    }
    return std::unique_ptr<Iterator>(database_->NewIterator(bounded));
  }

  std::vector<std::string> Forward(const ReadOptions& options = {}) {
    std::vector<std::string> keys;
    const auto iterator = NewIterator(options);
    for (iterator->SeekToFirst(); iterator->Valid(); iterator->Next()) {
      keys.push_back(iterator->key().ToString());
    }
    EXPECT_THAT(iterator->status(), IsOk());
    return keys;
  }
  std::vector<std::string> Backward(const ReadOptions& options = {}) {
    std::vector<std::string> keys;
    const auto iterator = NewIterator(options);
    for (iterator->SeekToLast(); iterator->Valid(); iterator->Prev()) {
      keys.push_back(iterator->key().ToString());
    }
    EXPECT_THAT(iterator->status(), IsOk());
    return keys;
  }

  std::string Get(const std::string& key, const Snapshot* snapshot = nullptr) {
    std::string value;
    const Status status = database_->Get({.snapshot = snapshot}, key, &value);
    return status.ok() ? value : status.ToString();
  }

  TestDirectory directory_;
  Options options_;
  TestDatabase database_;
};

TEST_P(SnapshotIteratorTest, ASnapshotKeepsEveryKindOfOldState) {
  Put("changed", "old");
  Put("deleted", "old");
  Put("in range", "old");
  const ManagedSnapshot old(database_.get());
  Put("changed", "new");
  Delete("deleted");
  ASSERT_THAT(database_->DeleteRange({}, nullptr, "in", "io"), IsOk());
  Put("added", "new");
  EXPECT_EQ(Get("changed", old.snapshot()), "old");
  EXPECT_EQ(Get("deleted", old.snapshot()), "old");
  EXPECT_EQ(Get("in range", old.snapshot()), "old");
  EXPECT_THAT(Get("added", old.snapshot()), testing::StartsWith("NotFound"));
  EXPECT_THAT(Forward({.snapshot = old.snapshot()}),
              ElementsAre("changed", "deleted", "in range"));
  EXPECT_THAT(Backward({.snapshot = old.snapshot()}),
              ElementsAre("in range", "deleted", "changed"));
  EXPECT_THAT(Forward(), ElementsAre("added", "changed"));
  EXPECT_THAT(Backward(), ElementsAre("changed", "added"));
}

TEST_P(SnapshotIteratorTest, SnapshotsTellTheirSequenceNumber) {
  const Snapshot* before = database_->GetSnapshot();
  Put("key", "value");
  const Snapshot* after = database_->GetSnapshot();
  EXPECT_EQ(before->GetSequenceNumber(), 0u);
  EXPECT_EQ(after->GetSequenceNumber(), database_->GetLatestSequenceNumber());
  database_->ReleaseSnapshot(before);
  EXPECT_EQ(Get("key", after), "value");
  database_->ReleaseSnapshot(after);
}

TEST_P(SnapshotIteratorTest, AnIteratorSeesTheTimeItWasMade) {
  Put("a", "1");
  Put("c", "1");
  const auto iterator = NewIterator();
  Put("b", "2");
  Put("c", "2");
  Delete("a");
  iterator->SeekToFirst();
  EXPECT_EQ(iterator->key().ToString(), "a");
  iterator->Next();
  EXPECT_EQ(iterator->key().ToString(), "c");
  EXPECT_EQ(iterator->value().ToString(), "1");
  iterator->Next();
  EXPECT_FALSE(iterator->Valid());
  EXPECT_THAT(Forward(), ElementsAre("b", "c"));
}

TEST_P(SnapshotIteratorTest, AnIteratorMayOutliveItsSnapshot) {
  Put("key", "old");
  const Snapshot* snapshot = database_->GetSnapshot();
  const auto iterator = NewIterator({.snapshot = snapshot});
  database_->ReleaseSnapshot(snapshot);
  Put("key", "new");
  iterator->SeekToFirst();
  ASSERT_TRUE(iterator->Valid());
  EXPECT_EQ(iterator->value().ToString(), "old");
}

TEST_P(SnapshotIteratorTest, SeekAndSeekForPrevMeetTheNearestKey) {
  for (const char* key : {"b", "d", "f"}) Put(key, key);
  Delete("d");
  Put("d", "again");
  Delete("f");
  Put("h", "h");
  const auto iterator = NewIterator();
  const auto seek = [&](const char* target) {
    iterator->Seek(target);
    return iterator->Valid() ? iterator->key().ToString() : "end";
  };
  const auto seek_for_prev = [&](const char* target) {
    iterator->SeekForPrev(target);
    return iterator->Valid() ? iterator->key().ToString() : "end";
  };
  EXPECT_EQ(seek(""), "b");
  EXPECT_EQ(seek("b"), "b");
  EXPECT_EQ(seek("b0"), "d");
  EXPECT_EQ(seek("e"), "h");
  EXPECT_EQ(seek("h0"), "end");
  EXPECT_EQ(seek_for_prev(""), "end");
  EXPECT_EQ(seek_for_prev("a"), "end");
  EXPECT_EQ(seek_for_prev("b"), "b");
  EXPECT_EQ(seek_for_prev("g"), "d");
  EXPECT_EQ(seek_for_prev("zz"), "h");
}

TEST_P(SnapshotIteratorTest, TheDirectionCanChangeAnywhere) {
  for (const char* key : {"a", "b", "c", "d"}) Put(key, key);
  Delete("c");
  Put("b", "newer");
  const auto iterator = NewIterator();
  std::string visited;
  iterator->SeekToFirst();
  for (const char move : std::string("nnppnpnnp")) {
    ASSERT_TRUE(iterator->Valid()) << visited;
    visited += iterator->key().ToStringView();
    move == 'n' ? iterator->Next() : iterator->Prev();
  }
  EXPECT_EQ(visited, "abdbababd");
  ASSERT_TRUE(iterator->Valid());
  EXPECT_EQ(iterator->key().ToString(), "b");
  EXPECT_EQ(iterator->value().ToString(), "newer");
}

TEST_P(SnapshotIteratorTest, BoundsHoldInBothDirections) {
  for (const char* key : {"a", "b", "c", "d", "e"}) Put(key, key);
  const Slice lower("b");
  const Slice upper("d");
  const ReadOptions bounded = {.iterate_lower_bound = &lower,
                               .iterate_upper_bound = &upper};
  EXPECT_THAT(Forward(bounded), ElementsAre("b", "c"));
  EXPECT_THAT(Backward(bounded), ElementsAre("c", "b"));
  const auto iterator = NewIterator(bounded);
  iterator->Seek("a");
  ASSERT_TRUE(iterator->Valid());
  EXPECT_EQ(iterator->key().ToString(), "b");
  iterator->SeekForPrev("e");
  ASSERT_TRUE(iterator->Valid());
  EXPECT_EQ(iterator->key().ToString(), "c");
  iterator->Seek("d");
  EXPECT_FALSE(iterator->Valid());
  iterator->SeekForPrev("a");
  EXPECT_FALSE(iterator->Valid());
  EXPECT_THAT(iterator->status(), IsOk());
}

TEST_P(SnapshotIteratorTest, BoundsWithNothingBetweenThemGiveNothing) {
  for (const char* key : {"a", "b", "c"}) Put(key, key);
  for (const auto& [low, high] :
       std::vector<std::pair<const char*, const char*>>{
           {"b", "b"}, {"c", "a"}, {"b0", "b1"}, {"x", "y"}}) {
    const Slice lower(low);
    const Slice upper(high);
    const ReadOptions bounded = {.iterate_lower_bound = &lower,
                                 .iterate_upper_bound = &upper};
    EXPECT_THAT(Forward(bounded), testing::IsEmpty()) << low << " " << high;
    EXPECT_THAT(Backward(bounded), testing::IsEmpty()) << low << " " << high;
  }
}

TEST_P(SnapshotIteratorTest, AnEmptyDatabaseHasNoEntryInAnyDirection) {
  const auto iterator = NewIterator();
  EXPECT_FALSE(iterator->Valid());
  iterator->SeekToFirst();
  EXPECT_FALSE(iterator->Valid());
  iterator->SeekToLast();
  EXPECT_FALSE(iterator->Valid());
  iterator->Seek("a");
  EXPECT_FALSE(iterator->Valid());
  iterator->SeekForPrev("a");
  EXPECT_FALSE(iterator->Valid());
  EXPECT_THAT(iterator->status(), IsOk());
}

TEST_P(SnapshotIteratorTest, KeysOfAnyBytesKeepTheirOrder) {
  const std::vector<std::string> keys = {
      "",
      std::string(1, '\0'),
      std::string(2, '\0'),
      std::string("\0\x01", 2),
      std::string(8, '\x01'),
      "a",
      std::string("a\0", 2),
      "aa",
      // Looks like an internal key.
      std::string("a\x01\x02\x03\x04\x05\x06\x07\x08"),
  };
  for (auto key = keys.rbegin(); key != keys.rend(); ++key) Put(*key, *key);
  std::vector<std::string> sorted = keys;
  std::sort(sorted.begin(), sorted.end());
  EXPECT_EQ(Forward(), sorted);
  for (const std::string& key : keys) EXPECT_EQ(Get(key), key);
  std::reverse(sorted.begin(), sorted.end());
  EXPECT_EQ(Backward(), sorted);
}

TEST_P(SnapshotIteratorTest, MultiGetReadsAllKeysAtOnePointInTime) {
  Put("a", "1");
  const ManagedSnapshot old(database_.get());
  Put("a", "2");
  Put("b", "3");
  std::vector<std::string> values;
  EXPECT_THAT(database_->MultiGet({}, {"a", "missing", "b", "a"}, &values),
              ElementsAre(IsOk(), HasCode(Status::kNotFound), IsOk(), IsOk()));
  EXPECT_THAT(values, ElementsAre("2", "", "3", "2"));
  EXPECT_THAT(
      database_->MultiGet({.snapshot = old.snapshot()}, {"a", "b"}, &values),
      ElementsAre(IsOk(), HasCode(Status::kNotFound)));
  EXPECT_EQ(values[0], "1");
  EXPECT_THAT(database_->MultiGet({}, {}, &values), testing::IsEmpty());
}

TEST_P(SnapshotIteratorTest, APinnedValueOutlivesTheDatabase) {
  Put("key", "value");
  PinnableSlice value;
  ASSERT_THAT(database_->Get({}, nullptr, "key", &value), IsOk());
  Put("key", "other");
  EXPECT_EQ(value.ToString(), "value");
  ASSERT_THAT(database_.Close(), IsOk());
  EXPECT_EQ(value.ToString(), "value");
}

TEST_P(SnapshotIteratorTest, AFailedGetLeavesNoValue) {
  Put("key", "value");
  PinnableSlice value;
  ASSERT_THAT(database_->Get({}, nullptr, "key", &value), IsOk());
  EXPECT_THAT(database_->Get({}, nullptr, "missing", &value),
              HasCode(Status::kNotFound));
  EXPECT_TRUE(value.empty());
}

TEST_P(SnapshotIteratorTest, ARangeDeletionHidesOlderEntriesOnly) {
  for (const char* key : {"a", "b", "c", "d"}) Put(key, "old");
  ASSERT_THAT(database_->DeleteRange({}, nullptr, "b", "d"), IsOk());
  MaybeSeal();
  EXPECT_THAT(Forward(), ElementsAre("a", "d"));
  EXPECT_THAT(Backward(), ElementsAre("d", "a"));
  Put("c", "new");
  EXPECT_THAT(Forward(), ElementsAre("a", "c", "d"));
  EXPECT_EQ(Get("c"), "new");
  EXPECT_THAT(Get("b"), testing::StartsWith("NotFound"));
}

// Within a batch, too, the order of the entries decides.
TEST_P(SnapshotIteratorTest, ARangeDeletionInABatchHidesWhatIsBeforeIt) {
  WriteBatch batch;
  ASSERT_THAT(batch.Put("a", "before"), IsOk());
  ASSERT_THAT(batch.Put("b", "before"), IsOk());
  ASSERT_THAT(batch.DeleteRange("a", "z"), IsOk());
  ASSERT_THAT(batch.Put("b", "behind"), IsOk());
  ASSERT_THAT(database_->Write({}, &batch), IsOk());
  MaybeSeal();
  EXPECT_THAT(Forward(), ElementsAre("b"));
  EXPECT_EQ(Get("b"), "behind");
}

TEST_P(SnapshotIteratorTest, OverlappingRangeDeletionsHideAllTheyCover) {
  for (const char* key : {"a", "b", "c", "d", "e", "f"}) Put(key, "1");
  ASSERT_THAT(database_->DeleteRange({}, nullptr, "b", "e"), IsOk());
  MaybeSeal();
  Put("c", "2");
  ASSERT_THAT(database_->DeleteRange({}, nullptr, "a", "b0"), IsOk());
  MaybeSeal();
  const ManagedSnapshot middle(database_.get());
  ASSERT_THAT(database_->DeleteRange({}, nullptr, "c", "z"), IsOk());
  EXPECT_THAT(Forward(), testing::IsEmpty());
  EXPECT_THAT(Forward({.snapshot = middle.snapshot()}),
              ElementsAre("c", "e", "f"));
  EXPECT_THAT(Backward({.snapshot = middle.snapshot()}),
              ElementsAre("f", "e", "c"));
}

TEST_P(SnapshotIteratorTest, SingleDeleteRemovesAKeyThatWasPutOnce) {
  Put("key", "1");
  const ManagedSnapshot old(database_.get());
  ASSERT_THAT(database_->SingleDelete({}, "key"), IsOk());
  MaybeSeal();
  EXPECT_THAT(Get("key"), testing::StartsWith("NotFound"));
  EXPECT_EQ(Get("key", old.snapshot()), "1");
  EXPECT_THAT(Forward(), testing::IsEmpty());
  Put("key", "2");
  EXPECT_EQ(Get("key"), "2");
}

INSTANTIATE_TEST_SUITE_P(Memtables, SnapshotIteratorTest, testing::Bool(),
                         [](const auto& parameter) {
                           return parameter.param ? "many" : "one";
                         });

}  // namespace
}  // namespace paceline
