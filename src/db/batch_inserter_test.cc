// Where the entries of a batch go, and with which sequence numbers.

#include "src/db/batch_inserter.h"

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "paceline/write_batch.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "test/support/id_handle.h"

namespace paceline {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// A memtable for each family but those that are passed over.
class Sink final : public MemTableSink {
 public:
  MemTable* MemTableOf(uint32_t family_id) override {
    asked.push_back(family_id);
    if (family_id >= 100) return nullptr;
    auto& memtable = memtables_[family_id];
    if (memtable == nullptr) {
      memtable = std::make_unique<MemTable>(BytewiseComparator());
    }
    return memtable.get();
  }

  // "key@sequence:type=value" of the family's point entries.
  std::vector<std::string> EntriesOf(uint32_t family_id) {
    std::vector<std::string> entries;
    auto iterator = memtables_[family_id]->NewIterator();
    for (iterator->SeekToFirst(); iterator->Valid(); iterator->Next()) {
      const uint64_t tag = ExtractTag(iterator->key());
      entries.push_back(ExtractUserKey(iterator->key()).ToString() + '@' +
                        std::to_string(TagSequence(tag)) + ':' +
                        std::to_string(static_cast<int>(TagType(tag))) + '=' +
                        iterator->value().ToString());
    }
    return entries;
  }
  std::vector<std::string> TombstonesOf(uint32_t family_id) {
    std::vector<std::string> ranges;
    for (const auto& range : memtables_[family_id]->range_tombstones().All()) {
      ranges.push_back(range.begin + '-' + range.end + '@' +
                       std::to_string(range.sequence));
    }
    return ranges;
  }

  std::vector<uint32_t> asked;

 private:
  std::map<uint32_t, std::unique_ptr<MemTable>> memtables_;
};

TEST(BatchInserterTest, EveryKindOfUpdateTakesTheNextNumber) {
  WriteBatch batch;
  ASSERT_TRUE(batch.Put("a", "1").ok());
  ASSERT_TRUE(batch.Delete("b").ok());
  ASSERT_TRUE(batch.SingleDelete("c").ok());
  ASSERT_TRUE(batch.DeleteRange("d", "f").ok());
  ASSERT_TRUE(batch.Merge("e", "2").ok());
  Sink sink;
  InsertBatch(batch.Data(), 10, &sink);
  EXPECT_THAT(sink.EntriesOf(0),
              ElementsAre("a@10:1=1", "b@11:0=", "c@12:7=", "e@14:2=2"));
  EXPECT_THAT(sink.TombstonesOf(0), ElementsAre("d-f@13"));
}

TEST(BatchInserterTest, LogDataTakesNoNumber) {
  WriteBatch batch;
  ASSERT_TRUE(batch.PutLogData("blob").ok());
  ASSERT_TRUE(batch.Put("a", "1").ok());
  ASSERT_TRUE(batch.PutLogData("blob").ok());
  ASSERT_TRUE(batch.Put("b", "2").ok());
  Sink sink;
  InsertBatch(batch.Data(), 5, &sink);
  EXPECT_THAT(sink.EntriesOf(0), ElementsAre("a@5:1=1", "b@6:1=2"));
}

TEST(BatchInserterTest, EntriesThatArePassedOverTakeTheirNumbersAllTheSame) {
  IdHandle gone(100);
  IdHandle other(3);
  WriteBatch batch;
  ASSERT_TRUE(batch.Put("a", "1").ok());
  ASSERT_TRUE(batch.Put(&gone, "x", "2").ok());
  ASSERT_TRUE(batch.DeleteRange(&gone, "x", "z").ok());
  ASSERT_TRUE(batch.Put(&other, "a", "3").ok());
  Sink sink;
  InsertBatch(batch.Data(), 1, &sink);
  EXPECT_THAT(sink.EntriesOf(0), ElementsAre("a@1:1=1"));
  EXPECT_THAT(sink.EntriesOf(3), ElementsAre("a@4:1=3"));
}

// Looking up a family costs more than inserting an entry.
TEST(BatchInserterTest, TheSinkIsAskedWhereTheFamilyChanges) {
  IdHandle one(1);
  IdHandle gone(100);
  WriteBatch batch;
  for (ColumnFamilyHandle* family : std::initializer_list<ColumnFamilyHandle*>{
           nullptr, nullptr, &one, &one, nullptr, &gone, &gone, &one}) {
    ASSERT_TRUE(batch.Put(family, "k", "v").ok());
  }
  Sink sink;
  InsertBatch(batch.Data(), 1, &sink);
  EXPECT_THAT(sink.asked, ElementsAre(0, 1, 0, 100, 1));
}

TEST(BatchInserterTest, ABatchThatIsMetTwiceIsInsertedOnce) {
  WriteBatch batch;
  ASSERT_TRUE(batch.Put("a", "1").ok());
  ASSERT_TRUE(batch.DeleteRange("b", "c").ok());
  Sink sink;
  InsertBatch(batch.Data(), 7, &sink);
  InsertBatch(batch.Data(), 7, &sink);
  EXPECT_THAT(sink.EntriesOf(0), ElementsAre("a@7:1=1"));
  EXPECT_THAT(sink.TombstonesOf(0), ElementsAre("b-c@8"));
}

TEST(BatchInserterTest, AnEmptyBatchAsksForNothing) {
  Sink sink;
  InsertBatch(WriteBatch().Data(), 1, &sink);
  EXPECT_THAT(sink.asked, IsEmpty());
}

TEST(BatchInserterDeathTest, ABatchThatIsNotWellFormedEndsTheProgram) {
  WriteBatch batch;
  ASSERT_TRUE(batch.Put("a", "1").ok());
  std::string cut = batch.Data();
  cut.pop_back();
  Sink sink;
  EXPECT_DEATH(InsertBatch(cut, 1, &sink), "");
}

}  // namespace
}  // namespace paceline
