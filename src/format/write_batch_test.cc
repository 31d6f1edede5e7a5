// WriteBatch by single cases: limits to the byte, save points, what the engine
// asks of a batch, and handlers. Its properties are in batch_property_test.

#include "paceline/write_batch.h"

#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "src/format/write_batch_internal.h"
#include "test/support/id_handle.h"

namespace paceline {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// Writes down what a handler is called with.
class Recorder : public WriteBatch::Handler {
 public:
  Status PutCF(uint32_t id, const Slice& key, const Slice& value) override {
    return Take("put " + std::to_string(id) + ' ' + key.ToString() + '=' +
                value.ToString());
  }
  Status DeleteCF(uint32_t id, const Slice& key) override {
    return Take("delete " + std::to_string(id) + ' ' + key.ToString());
  }
  Status SingleDeleteCF(uint32_t id, const Slice& key) override {
    return Take("single " + std::to_string(id) + ' ' + key.ToString());
  }
  Status DeleteRangeCF(uint32_t id, const Slice& begin,
                       const Slice& end) override {
    return Take("range " + std::to_string(id) + ' ' + begin.ToString() + '-' +
                end.ToString());
  }
  Status MergeCF(uint32_t id, const Slice& key, const Slice& operand) override {
    return Take("merge " + std::to_string(id) + ' ' + key.ToString() + '+' +
                operand.ToString());
  }
  void LogData(const Slice& blob) override {
    calls.push_back("log " + blob.ToString());
  }
  bool Continue() override { return calls.size() < calls_max; }

  std::vector<std::string> calls;
  size_t calls_max = 1000;
  std::string fails_at;

 private:
  Status Take(std::string call) {
    calls.push_back(std::move(call));
    return calls.back() == fails_at ? Status::Busy("stop") : Status::OK();
  }
};

std::vector<std::string> CallsOf(const WriteBatch& batch) {
  Recorder recorder;
  EXPECT_TRUE(batch.Iterate(&recorder).ok());
  return recorder.calls;
}

class WriteBatchUnitTest : public testing::Test {
 protected:
  // One of each kind.
  static WriteBatch Mixed() {
    IdHandle other(300);
    WriteBatch batch;
    EXPECT_TRUE(batch.Put("a", "1").ok());
    EXPECT_TRUE(batch.PutLogData("blob").ok());
    EXPECT_TRUE(batch.Delete(&other, "b").ok());
    EXPECT_TRUE(batch.SingleDelete("c").ok());
    EXPECT_TRUE(batch.DeleteRange(&other, "d", "e").ok());
    EXPECT_TRUE(batch.Merge("f", "2").ok());
    return batch;
  }
};

TEST_F(WriteBatchUnitTest, UpdatesComeOutInTheOrderInWhichTheyWentIn) {
  const WriteBatch batch = Mixed();
  EXPECT_THAT(CallsOf(batch),
              ElementsAre("put 0 a=1", "log blob", "delete 300 b", "single 0 c",
                          "range 300 d-e", "merge 0 f+2"));
  EXPECT_EQ(batch.Count(), 5U);
}

// --- Limits ------------------------------------------------------------------

TEST_F(WriteBatchUnitTest, ALimitIsReachedToTheByteByEveryKindOfUpdate) {
  IdHandle other(300);
  const std::vector<Status (*)(WriteBatch*, ColumnFamilyHandle*)> updates = {
      [](WriteBatch* b, ColumnFamilyHandle* f) { return b->Put(f, "k", "v"); },
      [](WriteBatch* b, ColumnFamilyHandle* f) { return b->Delete(f, "k"); },
      [](WriteBatch* b, ColumnFamilyHandle* f) {
        return b->SingleDelete(f, "k");
      },
      [](WriteBatch* b, ColumnFamilyHandle* f) {
        return b->DeleteRange(f, "k", "l");
      },
      [](WriteBatch* b, ColumnFamilyHandle* f) {
        return b->Merge(f, "k", "v");
      },
      [](WriteBatch* b, ColumnFamilyHandle*) { return b->PutLogData("blob"); },
  };
  for (size_t i = 0; i < updates.size(); ++i) {
    for (ColumnFamilyHandle* family :
         std::initializer_list<ColumnFamilyHandle*>{nullptr, &other}) {
      SCOPED_TRACE(i);
      WriteBatch free;
      ASSERT_TRUE(updates[i](&free, family).ok());
      WriteBatch exact(0, free.GetDataSize());
      EXPECT_TRUE(updates[i](&exact, family).ok());
      EXPECT_EQ(exact.Data(), free.Data());
      WriteBatch tight(0, free.GetDataSize() - 1);
      EXPECT_TRUE(updates[i](&tight, family).IsInvalidArgument());
      EXPECT_EQ(tight.Data(), WriteBatch().Data());
      EXPECT_FALSE(WriteBatchInternal::HasOtherFamilies(tight));
      EXPECT_FALSE(WriteBatchInternal::HasMerges(tight));
    }
  }
}

TEST_F(WriteBatchUnitTest, AppendKeepsToTheLimitAndToItsOwn) {
  WriteBatch other;
  ASSERT_TRUE(other.Put("k", "v").ok());
  WriteBatch batch(0, other.GetDataSize());
  EXPECT_TRUE(batch.Append(other).ok());
  EXPECT_TRUE(batch.Append(other).IsInvalidArgument());
  EXPECT_EQ(batch.Data(), other.Data());
  // What the other may hold is no matter.
  WriteBatch limited(0, other.GetDataSize());
  ASSERT_TRUE(limited.Append(other).ok());
  EXPECT_TRUE(other.Append(limited).ok());
  EXPECT_EQ(other.Count(), 2U);
}

TEST_F(WriteBatchUnitTest, TheLimitOutlivesClearAndRollback) {
  WriteBatch batch(0, 20);
  const std::string large(20, 'v');
  batch.Clear();
  EXPECT_TRUE(batch.Put("k", large).IsInvalidArgument());
  batch.SetSavePoint();
  ASSERT_TRUE(batch.Put("k", "v").ok());
  ASSERT_TRUE(batch.RollbackToSavePoint().ok());
  EXPECT_TRUE(batch.Put("k", large).IsInvalidArgument());
  EXPECT_TRUE(batch.Put("k", "v").ok());
}

// --- Save points -------------------------------------------------------------

TEST_F(WriteBatchUnitTest, SavePointsNestAndPoppedOnesKeepTheirUpdates) {
  WriteBatch batch;
  batch.SetSavePoint();
  ASSERT_TRUE(batch.Put("a", "1").ok());
  batch.SetSavePoint();
  ASSERT_TRUE(batch.Put("b", "2").ok());
  batch.SetSavePoint();
  ASSERT_TRUE(batch.Put("c", "3").ok());
  ASSERT_TRUE(batch.PopSavePoint().ok());
  EXPECT_EQ(batch.Count(), 3U);
  ASSERT_TRUE(batch.RollbackToSavePoint().ok());
  EXPECT_THAT(CallsOf(batch), ElementsAre("put 0 a=1"));
  ASSERT_TRUE(batch.RollbackToSavePoint().ok());
  EXPECT_THAT(CallsOf(batch), IsEmpty());
  EXPECT_TRUE(batch.RollbackToSavePoint().IsNotFound());
  EXPECT_TRUE(batch.PopSavePoint().IsNotFound());
}

TEST_F(WriteBatchUnitTest, WhatIsRolledBackIsForgottenInEveryRespect) {
  IdHandle other(7);
  WriteBatch batch;
  ASSERT_TRUE(batch.Put("a", "1").ok());
  const std::string before = batch.Data();
  batch.SetSavePoint();
  ASSERT_TRUE(batch.Merge(&other, "a", "2").ok());
  ASSERT_TRUE(batch.PutLogData("blob").ok());
  ASSERT_TRUE(batch.Append(Mixed()).ok());
  EXPECT_TRUE(WriteBatchInternal::HasMerges(batch));
  EXPECT_TRUE(WriteBatchInternal::HasOtherFamilies(batch));
  ASSERT_TRUE(batch.RollbackToSavePoint().ok());
  EXPECT_EQ(batch.Data(), before);
  EXPECT_FALSE(WriteBatchInternal::HasMerges(batch));
  EXPECT_FALSE(WriteBatchInternal::HasOtherFamilies(batch));
}

TEST_F(WriteBatchUnitTest, ClearForgetsSavePointsAndMistrust) {
  WriteBatch batch(std::string("short"));
  EXPECT_FALSE(WriteBatchInternal::IsWellFormed(batch));
  batch.SetSavePoint();
  batch.Clear();
  EXPECT_TRUE(batch.PopSavePoint().IsNotFound());
  EXPECT_TRUE(WriteBatchInternal::IsWellFormed(batch));
  EXPECT_FALSE(WriteBatchInternal::HasMerges(batch));
  EXPECT_FALSE(WriteBatchInternal::HasOtherFamilies(batch));
  EXPECT_TRUE(batch.Put("a", "1").ok());
  EXPECT_THAT(CallsOf(batch), ElementsAre("put 0 a=1"));
}

// --- Bytes from outside, copies ----------------------------------------------

TEST_F(WriteBatchUnitTest, BytesFromOutsideAreTakenToHoldAnything) {
  const WriteBatch from_bytes(Mixed().Data());
  EXPECT_FALSE(WriteBatchInternal::IsWellFormed(from_bytes));
  EXPECT_TRUE(WriteBatchInternal::HasMerges(from_bytes));
  EXPECT_TRUE(WriteBatchInternal::HasOtherFamilies(from_bytes));
  EXPECT_EQ(CallsOf(from_bytes), CallsOf(Mixed()));
  EXPECT_EQ(from_bytes.Count(), 5U);
}

TEST_F(WriteBatchUnitTest, NothingIsAddedToOrTakenFromDamagedBytes) {
  std::string cut = Mixed().Data();
  cut.pop_back();
  WriteBatch damaged(cut);
  EXPECT_TRUE(damaged.Put("k", "v").IsCorruption());
  EXPECT_TRUE(damaged.PutLogData("k").IsCorruption());
  EXPECT_EQ(damaged.Data(), cut);
  WriteBatch batch;
  EXPECT_TRUE(batch.Append(damaged).IsCorruption());
  EXPECT_EQ(batch.Data(), WriteBatch().Data());
  Recorder recorder;
  EXPECT_TRUE(damaged.Iterate(&recorder).IsCorruption());
  EXPECT_THAT(recorder.calls, IsEmpty());
}

TEST_F(WriteBatchUnitTest, ACopyLivesByItself) {
  WriteBatch original = Mixed();
  original.SetSavePoint();
  WriteBatch copy = original;
  ASSERT_TRUE(original.Put("x", "9").ok());
  EXPECT_EQ(copy.Data(), Mixed().Data());
  EXPECT_TRUE(WriteBatchInternal::HasMerges(copy));
  // It has the save point, too.
  ASSERT_TRUE(copy.Put("y", "8").ok());
  ASSERT_TRUE(copy.RollbackToSavePoint().ok());
  EXPECT_EQ(copy.Data(), Mixed().Data());
  EXPECT_EQ(original.Count(), 6U);
  const WriteBatch moved = std::move(original);
  EXPECT_EQ(moved.Count(), 6U);
  EXPECT_TRUE(WriteBatchInternal::HasOtherFamilies(moved));
}

// --- Handlers ----------------------------------------------------------------

TEST_F(WriteBatchUnitTest, AHandlerEndsTheWalkWhereItWantsTo) {
  const auto all = CallsOf(Mixed());
  for (size_t calls = 0; calls <= all.size(); ++calls) {
    Recorder recorder;
    recorder.calls_max = calls;
    EXPECT_TRUE(Mixed().Iterate(&recorder).ok());
    EXPECT_EQ(recorder.calls,
              std::vector<std::string>(
                  all.begin(), all.begin() + static_cast<ptrdiff_t>(calls)));
  }
}

TEST_F(WriteBatchUnitTest, TheErrorOfAHandlerEndsTheWalkAndIsReturned) {
  const auto all = CallsOf(Mixed());
  for (size_t i = 0; i < all.size(); ++i) {
    if (all[i].starts_with("log")) continue;  // It has no error.
    Recorder recorder;
    recorder.fails_at = all[i];
    EXPECT_TRUE(Mixed().Iterate(&recorder).IsBusy()) << all[i];
    EXPECT_EQ(recorder.calls.size(), i + 1);
  }
}

// One that was written for the default family only must not be given the
// entries of others as if they were its own.
class DefaultOnly final : public WriteBatch::Handler {
 public:
  void Put(const Slice& key, const Slice&) override { Note(key); }
  void Delete(const Slice& key) override { Note(key); }
  void SingleDelete(const Slice& key) override { Note(key); }
  void Merge(const Slice& key, const Slice&) override { Note(key); }

  std::string keys;

 private:
  void Note(const Slice& key) { keys += key.ToString(); }
};

TEST_F(WriteBatchUnitTest,
       ASimpleHandlerTakesTheDefaultFamilyAndRefusesOthers) {
  IdHandle other(1);
  for (ColumnFamilyHandle* family :
       std::initializer_list<ColumnFamilyHandle*>{nullptr, &other}) {
    WriteBatch batches[4];
    EXPECT_TRUE(batches[0].Put(family, "a", "v").ok());
    EXPECT_TRUE(batches[1].Delete(family, "b").ok());
    EXPECT_TRUE(batches[2].SingleDelete(family, "c").ok());
    EXPECT_TRUE(batches[3].Merge(family, "d", "v").ok());
    DefaultOnly handler;
    for (const WriteBatch& batch : batches) {
      EXPECT_EQ(batch.Iterate(&handler).IsInvalidArgument(), family != nullptr);
    }
    EXPECT_EQ(handler.keys, family == nullptr ? "abcd" : "");
  }
  WriteBatch range;
  ASSERT_TRUE(range.DeleteRange("a", "b").ok());
  DefaultOnly handler;
  EXPECT_TRUE(range.Iterate(&handler).IsInvalidArgument());
}

}  // namespace
}  // namespace paceline
