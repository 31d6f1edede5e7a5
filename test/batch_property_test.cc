// Properties of WriteBatch: what goes in comes out, and bytes from outside are
// either rejected as a whole or mean what they say.
//
// RapidCheck prints how to repeat a failure (RC_PARAMS="reproduce=...").

#include <algorithm>
#include <limits>
#include <string>
#include <tuple>
#include <vector>

#include "paceline/db.h"
#include "paceline/write_batch.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rapidcheck/gtest.h"
#include "test/support/id_handle.h"
#include "test/support/test_database.h"
#include "test/support/test_directory.h"

namespace paceline {
namespace {

enum class Kind { kPut, kDelete, kSingleDelete, kDeleteRange, kMerge, kLog };

// One update, as it went into a batch or came out of it.
struct Update {
  Kind kind = Kind::kPut;
  uint32_t family = 0;
  std::string key;    // Empty for kLog.
  std::string value;  // Empty where there is none.

  friend bool operator==(const Update& a, const Update& b) {
    return std::tie(a.kind, a.family, a.key, a.value) ==
           std::tie(b.kind, b.family, b.key, b.value);
  }
  friend std::ostream& operator<<(std::ostream& out, const Update& update) {
    return out << static_cast<int>(update.kind) << " of family "
               << update.family << ": "
               << Slice(update.key).ToString(/*hex=*/true) << " "
               << Slice(update.value).ToString(/*hex=*/true);
  }
};

Status Add(const Update& update, WriteBatch* batch) {
  IdHandle family(update.family);
  switch (update.kind) {
    case Kind::kPut:
      return batch->Put(&family, update.key, update.value);
    case Kind::kDelete:
      return batch->Delete(&family, update.key);
    case Kind::kSingleDelete:
      return batch->SingleDelete(&family, update.key);
    case Kind::kDeleteRange:
      return batch->DeleteRange(&family, update.key, update.value);
    case Kind::kMerge:
      return batch->Merge(&family, update.key, update.value);
    case Kind::kLog:
      return batch->PutLogData(update.value);
  }
  return Status::NotSupported("unknown kind");
}

// Collects what Iterate() hands out.
class Collector : public WriteBatch::Handler {
 public:
  Status PutCF(uint32_t id, const Slice& key, const Slice& value) override {
    return Take(Kind::kPut, id, key, value);
  }
  Status DeleteCF(uint32_t id, const Slice& key) override {
    return Take(Kind::kDelete, id, key, "");
  }
  Status SingleDeleteCF(uint32_t id, const Slice& key) override {
    return Take(Kind::kSingleDelete, id, key, "");
  }
  Status DeleteRangeCF(uint32_t id, const Slice& begin,
                       const Slice& end) override {
    return Take(Kind::kDeleteRange, id, begin, end);
  }
  Status MergeCF(uint32_t id, const Slice& key, const Slice& value) override {
    return Take(Kind::kMerge, id, key, value);
  }
  void LogData(const Slice& blob) override {
    EXPECT_THAT(Take(Kind::kLog, 0, "", blob), IsOk());
  }

  std::vector<Update> updates;

 private:
  Status Take(Kind kind, uint32_t id, const Slice& key, const Slice& value) {
    updates.push_back({kind, id, key.ToString(), value.ToString()});
    return Status::OK();
  }
};

std::vector<Update> UpdatesOf(const WriteBatch& batch) {
  Collector collector;
  EXPECT_THAT(batch.Iterate(&collector), IsOk());
  return collector.updates;
}

uint32_t CountedOf(const std::vector<Update>& updates) {
  return static_cast<uint32_t>(std::count_if(
      updates.begin(), updates.end(),
      [](const Update& update) { return update.kind != Kind::kLog; }));
}

WriteBatch BatchOf(const std::vector<Update>& updates) {
  WriteBatch batch;
  for (const Update& update : updates) EXPECT_THAT(Add(update, &batch), IsOk());
  return batch;
}

}  // namespace
}  // namespace paceline

namespace rc {

template <>
struct Arbitrary<paceline::Update> {
  static Gen<paceline::Update> arbitrary() {
    using paceline::Kind;
    return gen::map(
        gen::tuple(
            gen::inRange(0, 6),
            gen::weightedOneOf<uint32_t>({{3, gen::just(uint32_t{0})},
                                          {3, gen::inRange<uint32_t>(1, 300)},
                                          {1, gen::arbitrary<uint32_t>()}}),
            gen::arbitrary<std::string>(), gen::arbitrary<std::string>()),
        [](const std::tuple<int, uint32_t, std::string, std::string>& parts) {
          paceline::Update update = {static_cast<Kind>(std::get<0>(parts)),
                                     std::get<1>(parts), std::get<2>(parts),
                                     std::get<3>(parts)};
          if (update.kind == Kind::kLog) {
            update.family = 0;
            update.key.clear();
          }
          if (update.kind == Kind::kDelete ||
              update.kind == Kind::kSingleDelete) {
            update.value.clear();
          }
          return update;
        });
  }
};

}  // namespace rc

namespace paceline {
namespace {

using Updates = std::vector<Update>;

RC_GTEST_PROP(WriteBatchTest, IterateHandsOutWhatWasAdded,
              (const Updates& updates)) {
  const WriteBatch batch = BatchOf(updates);
  RC_ASSERT(UpdatesOf(batch) == updates);
  RC_ASSERT(batch.Count() == CountedOf(updates));
  RC_ASSERT(batch.GetDataSize() == batch.Data().size());
}

RC_GTEST_PROP(WriteBatchTest, TheSerializedFormIsTheWholeBatch,
              (const Updates& updates)) {
  const WriteBatch batch = BatchOf(updates);
  const WriteBatch again(batch.Data());
  RC_ASSERT(again.Data() == batch.Data());
  RC_ASSERT(again.Count() == batch.Count());
  RC_ASSERT(UpdatesOf(again) == updates);
}

RC_GTEST_PROP(WriteBatchTest, ABatchFromBytesCanBeAddedTo,
              (const Updates& first, const Updates& second)) {
  WriteBatch batch(BatchOf(first).Data());
  Updates all = first;
  for (const Update& update : second) {
    RC_ASSERT(Add(update, &batch).ok());
    all.push_back(update);
  }
  RC_ASSERT(batch.Data() == BatchOf(all).Data());
}

RC_GTEST_PROP(WriteBatchTest, AppendIsTheSameAsAddingTheOthersUpdates,
              (const Updates& first, const Updates& second)) {
  WriteBatch batch = BatchOf(first);
  const WriteBatch other = BatchOf(second);
  RC_ASSERT(batch.Append(other).ok());
  Updates all = first;
  all.insert(all.end(), second.begin(), second.end());
  RC_ASSERT(batch.Data() == BatchOf(all).Data());
  RC_ASSERT(UpdatesOf(batch) == all);
}

RC_GTEST_PROP(WriteBatchTest, AppendOfItselfDoublesABatch,
              (const Updates& updates)) {
  WriteBatch batch = BatchOf(updates);
  RC_ASSERT(batch.Append(batch).ok());
  Updates twice = updates;
  twice.insert(twice.end(), updates.begin(), updates.end());
  RC_ASSERT(UpdatesOf(batch) == twice);
}

RC_GTEST_PROP(WriteBatchTest, RollbackRestoresTheBytesAtTheSavePoint,
              (const std::vector<Updates>& parts)) {
  WriteBatch batch;
  std::vector<std::string> bytes;
  for (const Updates& part : parts) {
    bytes.push_back(batch.Data());
    batch.SetSavePoint();
    for (const Update& update : part) RC_ASSERT(Add(update, &batch).ok());
  }
  for (; !bytes.empty(); bytes.pop_back()) {
    if (bytes.size() % 3 == 0) {
      const std::string before = batch.Data();
      RC_ASSERT(batch.PopSavePoint().ok());
      RC_ASSERT(batch.Data() == before);
      continue;
    }
    RC_ASSERT(batch.RollbackToSavePoint().ok());
    RC_ASSERT(batch.Data() == bytes.back());
  }
  RC_ASSERT(batch.RollbackToSavePoint().IsNotFound());
  RC_ASSERT(batch.PopSavePoint().IsNotFound());
}

RC_GTEST_PROP(WriteBatchTest, AnUpdateOverTheSizeLimitChangesNothing,
              (const Updates& updates)) {
  const size_t bytes_max = *rc::gen::inRange<size_t>(12, 200);
  WriteBatch batch(0, bytes_max);
  for (const Update& update : updates) {
    const std::string before = batch.Data();
    const uint32_t count = batch.Count();
    WriteBatch unlimited(before);
    RC_ASSERT(Add(update, &unlimited).ok());
    const Status status = Add(update, &batch);
    RC_ASSERT(status.ok() == (unlimited.GetDataSize() <= bytes_max));
    if (status.ok()) continue;
    RC_ASSERT(status.IsInvalidArgument());
    RC_ASSERT(batch.Data() == before);
    RC_ASSERT(batch.Count() == count);
  }
}

// Iterate() either refuses the bytes before it hands out anything, or hands
// out as many updates as Count() says.
bool IsHandledWell(const std::string& bytes) {
  const WriteBatch batch(bytes);
  Collector collector;
  const Status status = batch.Iterate(&collector);
  if (!status.ok()) {
    return (status.IsCorruption() || status.IsNotSupported()) &&
           collector.updates.empty();
  }
  return CountedOf(collector.updates) == batch.Count();
}

RC_GTEST_PROP(WriteBatchTest, AnyBytesAreRefusedOrConsistent,
              (const std::string& bytes)) {
  RC_ASSERT(IsHandledWell(bytes));
  RC_ASSERT(IsHandledWell(std::string(12, '\0') + bytes));
  std::string with_count(12, '\0');
  with_count[8] = static_cast<char>(*rc::gen::inRange(0, 4));
  RC_ASSERT(IsHandledWell(with_count + bytes));
}

RC_GTEST_PROP(WriteBatchTest, ChangedBytesAreRefusedOrConsistent,
              (const Updates& updates)) {
  std::string bytes = BatchOf(updates).Data();
  const size_t changes = *rc::gen::inRange<size_t>(1, 4);
  for (size_t i = 0; i < changes; ++i) {
    const size_t offset = *rc::gen::inRange<size_t>(0, bytes.size());
    bytes[offset] = *rc::gen::arbitrary<char>();
    RC_ASSERT(IsHandledWell(bytes));
  }
}

RC_GTEST_PROP(WriteBatchTest, EveryTruncationIsRefusedOrConsistent,
              (const Updates& updates)) {
  const WriteBatch batch = BatchOf(updates);
  for (size_t size = 0; size < batch.GetDataSize(); ++size) {
    const std::string bytes = batch.Data().substr(0, size);
    RC_ASSERT(IsHandledWell(bytes));
    Collector collector;
    const bool is_whole = WriteBatch(bytes).Iterate(&collector).ok();
    // Only trailing log data is not counted, so its loss is not noticed.
    RC_ASSERT(!is_whole || CountedOf(collector.updates) == batch.Count());
  }
}

RC_GTEST_PROP(WriteBatchTest, ABatchTheDatabaseRefusesLeavesNoTrace,
              (const std::string& garbage)) {
  static const TestDirectory directory;
  static TestDatabase database;
  Options options;
  options.create_if_missing = true;
  if (!database.is_open()) {
    RC_ASSERT(database.Open(options, directory.path()).ok());
  }
  WriteBatch good;
  RC_ASSERT(good.Put("key", "value").ok());
  std::string bytes = good.Data() + garbage;
  bytes[8] = static_cast<char>(2);
  const SequenceNumber before = database->GetLatestSequenceNumber();
  WriteBatch batch(bytes);
  Collector collector;
  const Status expected = batch.Iterate(&collector);
  const Status status = database->Write({}, &batch);
  if (!expected.ok()) {
    RC_ASSERT(status == expected);
    RC_ASSERT(database->GetLatestSequenceNumber() == before);
  } else if (!status.ok()) {
    RC_ASSERT(status.IsInvalidArgument());  // An unknown family, or a Merge.
    RC_ASSERT(database->GetLatestSequenceNumber() == before);
  }
}

TEST(WriteBatchTest, TheEncodingIsRocksDBs) {
  IdHandle family(300);
  WriteBatch batch;
  EXPECT_THAT(batch.Put("k", "v1"), IsOk());
  EXPECT_THAT(batch.Delete(&family, "d"), IsOk());
  EXPECT_THAT(batch.DeleteRange("a", "b"), IsOk());
  EXPECT_THAT(batch.PutLogData("x"), IsOk());
  EXPECT_EQ(Slice(batch.Data()).ToString(/*hex=*/true),
            "0000000000000000"
            "03000000"
            "01016b027631"
            "04ac020164"
            "0f01610162"
            "030178");
}

TEST(WriteBatchTest, KeysAndValuesOf4GiBAreRefused) {
  // Only the sizes are looked at: there are no such bytes.
  const char byte = 'x';
  const Slice large(&byte, size_t{1} << 32);
  WriteBatch batch;
  EXPECT_THAT(batch.Put(large, "v"), HasCode(Status::kInvalidArgument));
  EXPECT_THAT(batch.Put("k", large), HasCode(Status::kInvalidArgument));
  EXPECT_THAT(batch.Delete(large), HasCode(Status::kInvalidArgument));
  EXPECT_THAT(batch.SingleDelete(large), HasCode(Status::kInvalidArgument));
  EXPECT_THAT(batch.DeleteRange(large, "e"), HasCode(Status::kInvalidArgument));
  EXPECT_THAT(batch.DeleteRange("b", large), HasCode(Status::kInvalidArgument));
  EXPECT_THAT(batch.Merge(large, "o"), HasCode(Status::kInvalidArgument));
  EXPECT_THAT(batch.Merge("k", large), HasCode(Status::kInvalidArgument));
  EXPECT_THAT(batch.PutLogData(large), HasCode(Status::kInvalidArgument));
  EXPECT_EQ(batch.Count(), 0u);
  EXPECT_EQ(batch.GetDataSize(), 12u);
}

TEST(WriteBatchTest, ClearRemovesUpdatesAndSavePoints) {
  WriteBatch batch;
  ASSERT_THAT(batch.Put("k", "v"), IsOk());
  batch.SetSavePoint();
  batch.Clear();
  EXPECT_EQ(batch.Count(), 0u);
  EXPECT_EQ(batch.Data(), WriteBatch().Data());
  EXPECT_THAT(batch.RollbackToSavePoint(), HasCode(Status::kNotFound));
}

TEST(WriteBatchTest, AHandlerCanEndTheWalk) {
  class First : public Collector {
   public:
    bool Continue() override { return updates.empty(); }
  };
  class Refusing : public Collector {
   public:
    Status DeleteCF(uint32_t, const Slice&) override {
      return Status::Aborted("enough");
    }
  };
  WriteBatch batch;
  ASSERT_THAT(batch.Put("a", ""), IsOk());
  ASSERT_THAT(batch.Delete("b"), IsOk());
  ASSERT_THAT(batch.Put("c", ""), IsOk());
  First first;
  EXPECT_THAT(batch.Iterate(&first), IsOk());
  EXPECT_EQ(first.updates.size(), 1u);
  Refusing refusing;
  EXPECT_THAT(batch.Iterate(&refusing), HasCode(Status::kAborted));
  EXPECT_EQ(refusing.updates.size(), 1u);
}

}  // namespace
}  // namespace paceline
