// Merge entries: how operands meet the values, deletions and snapshots below
// them, and what happens when they cannot be applied.

#include <memory>
#include <string>
#include <vector>

#include "paceline/db.h"

#include "gtest/gtest.h"
#include "test/support/test_database.h"
#include "test/support/test_directory.h"

namespace paceline {
namespace {

// Fails for the operand "fail"; else the newest operand is the result.
class NewestWins : public MergeOperator {
 public:
  bool FullMergeV2(const MergeOperationInput& in,
                   MergeOperationOutput* out) const override {
    for (const Slice& operand : in.operand_list) {
      if (operand == "fail") return false;
    }
    out->existing_operand = in.operand_list.back();
    return true;
  }
  [[nodiscard]] const char* Name() const override { return "NewestWins"; }
};

// Shows its input: "key:base|operand|operand". A base that is a result itself
// goes on: a flush may have merged the older operands.
class ShowInput : public MergeOperator {
 public:
  bool FullMergeV2(const MergeOperationInput& in,
                   MergeOperationOutput* out) const override {
    const std::string begin = in.key.ToString() + ":";
    const std::string base =
        in.existing_value == nullptr ? "(none)" : in.existing_value->ToString();
    out->new_value = base.starts_with(begin) ? base : begin + base;
    for (const Slice& operand : in.operand_list) {
      out->new_value += "|" + operand.ToString();
    }
    return true;
  }
  [[nodiscard]] const char* Name() const override { return "ShowInput"; }
};

// The parameter says whether a memtable is sealed after each write.
class MergeTest : public testing::TestWithParam<bool> {
 protected:
  void Open(std::shared_ptr<MergeOperator> merge_operator) {
    options_.create_if_missing = true;
    options_.write_buffer_size = size_t{64} << 10;
    options_.merge_operator = std::move(merge_operator);
    ASSERT_THAT(database_.Open(options_, directory_.path()), IsOk());
  }
  void Reopen() {
    ASSERT_THAT(database_.Close(), IsOk());
    ASSERT_THAT(database_.Open(options_, directory_.path()), IsOk());
  }

  void Merge(const std::string& key, const std::string& operand) {
    ASSERT_THAT(database_->Merge({}, key, operand), IsOk());
    MaybeSeal();
  }
  void Put(const std::string& key, const std::string& value) {
    ASSERT_THAT(database_->Put({}, key, value), IsOk());
    MaybeSeal();
  }
  void MaybeSeal() {
    if (!GetParam()) return;
    ASSERT_THAT(database_->Put({}, "~", std::string(70'000, 'f')), IsOk());
  }

  // By Get() and by an iterator, which must agree.
  std::string Get(const std::string& key, const Snapshot* snapshot = nullptr) {
    std::string value;
    const Status status = database_->Get({.snapshot = snapshot}, key, &value);
    const std::unique_ptr<Iterator> iterator(
        database_->NewIterator({.snapshot = snapshot}));
    iterator->Seek(key);
    const bool is_there = iterator->Valid() && iterator->key() == Slice(key);
    EXPECT_EQ(is_there, status.ok());
    if (is_there) {
      EXPECT_EQ(iterator->value().ToString(), value);
      iterator->SeekForPrev(key);
      EXPECT_EQ(iterator->value().ToString(), value);
    }
    return status.ok() ? value : status.ToString();
  }

  TestDirectory directory_;
  Options options_;
  TestDatabase database_;
};

TEST_P(MergeTest, OperandsAreAppliedOldestFirstOnTheValueBelow) {
  Open(std::make_shared<ShowInput>());
  Put("key", "base");
  Merge("key", "1");
  Merge("key", "2");
  Merge("key", "3");
  EXPECT_EQ(Get("key"), "key:base|1|2|3");
  Reopen();
  EXPECT_EQ(Get("key"), "key:base|1|2|3");
}

TEST_P(MergeTest, WithoutAValueBelowTheOperatorGetsNone) {
  Open(std::make_shared<ShowInput>());
  Merge("new", "1");
  EXPECT_EQ(Get("new"), "new:(none)|1");
  Put("deleted", "base");
  Merge("deleted", "lost");
  ASSERT_THAT(database_->Delete({}, "deleted"), IsOk());
  Merge("deleted", "1");
  EXPECT_EQ(Get("deleted"), "deleted:(none)|1");
  Put("in range", "base");
  Merge("in range", "lost");
  ASSERT_THAT(database_->DeleteRange({}, nullptr, "in", "io"), IsOk());
  Merge("in range", "1");
  Merge("in range", "2");
  EXPECT_EQ(Get("in range"), "in range:(none)|1|2");
}

TEST_P(MergeTest, AnEmptyValueBelowIsAValue) {
  Open(std::make_shared<ShowInput>());
  Put("key", "");
  Merge("key", "");
  EXPECT_EQ(Get("key"), "key:|");
}

TEST_P(MergeTest, APutAboveOperandsHidesThem) {
  Open(std::make_shared<ShowInput>());
  Merge("key", "1");
  Put("key", "new");
  EXPECT_EQ(Get("key"), "new");
  Merge("key", "2");
  EXPECT_EQ(Get("key"), "key:new|2");
}

TEST_P(MergeTest, ASnapshotSeesTheOperandsOfItsTime) {
  Open(std::make_shared<ShowInput>());
  Put("key", "base");
  Merge("key", "1");
  const ManagedSnapshot old(database_.get());
  Merge("key", "2");
  ASSERT_THAT(database_->Delete({}, "key"), IsOk());
  EXPECT_EQ(Get("key", old.snapshot()), "key:base|1");
  EXPECT_THAT(Get("key"), testing::StartsWith("NotFound"));
}

TEST_P(MergeTest, OneBatchMayHoldAWholeHistory) {
  Open(std::make_shared<ShowInput>());
  WriteBatch batch;
  ASSERT_THAT(batch.Merge("key", "lost"), IsOk());
  ASSERT_THAT(batch.Put("key", "base"), IsOk());
  ASSERT_THAT(batch.Merge("key", "1"), IsOk());
  ASSERT_THAT(batch.Merge("key", "2"), IsOk());
  ASSERT_THAT(database_->Write({}, &batch), IsOk());
  EXPECT_EQ(Get("key"), "key:base|1|2");
}

TEST_P(MergeTest, ManyOperandsOfOneKeyAreAllApplied) {
  Open(NewStringAppendOperator());
  std::string expected;
  for (int i = 0; i < 300; ++i) {
    Merge("key", std::to_string(i));
    expected += (i == 0 ? "" : ",") + std::to_string(i);
  }
  EXPECT_EQ(Get("key"), expected);
  Reopen();
  EXPECT_EQ(Get("key"), expected);
}

TEST_P(MergeTest, AnInputCanBeTheResult) {
  Open(std::make_shared<NewestWins>());
  Put("key", "base");
  Merge("key", "1");
  Merge("key", "2");
  EXPECT_EQ(Get("key"), "2");
}

TEST_P(MergeTest, OperandsThatCannotBeAppliedAreCorruption) {
  Open(std::make_shared<NewestWins>());
  Put("a", "1");
  Merge("b", "fail");
  Put("c", "3");
  std::string value;
  EXPECT_THAT(database_->Get({}, "b", &value), HasCode(Status::kCorruption));
  std::vector<std::string> values;
  EXPECT_THAT(
      database_->MultiGet({}, {"a", "b", "c"}, &values),
      testing::ElementsAre(IsOk(), HasCode(Status::kCorruption), IsOk()));
  const std::unique_ptr<Iterator> iterator(database_->NewIterator({}));
  iterator->SeekToFirst();
  ASSERT_TRUE(iterator->Valid());
  EXPECT_EQ(iterator->key().ToString(), "a");
  iterator->Next();
  EXPECT_FALSE(iterator->Valid());
  EXPECT_THAT(iterator->status(), HasCode(Status::kCorruption));
  // Another seek starts afresh.
  iterator->Seek("c");
  EXPECT_TRUE(iterator->Valid());
  EXPECT_THAT(iterator->status(), IsOk());
  Put("b", "mended");
  EXPECT_EQ(Get("b"), "mended");
}

TEST_P(MergeTest, WithoutAnOperatorMergeIsRefused) {
  Open(nullptr);
  EXPECT_THAT(database_->Merge({}, "key", "1"),
              HasCode(Status::kInvalidArgument));
  WriteBatch batch;
  ASSERT_THAT(batch.Put("other", "1"), IsOk());
  ASSERT_THAT(batch.Merge("key", "1"), IsOk());
  EXPECT_THAT(database_->Write({}, &batch), HasCode(Status::kInvalidArgument));
  EXPECT_EQ(database_->GetLatestSequenceNumber(), 0u);
  EXPECT_THAT(Get("other"), testing::StartsWith("NotFound"));
}

TEST_P(MergeTest, OperandsThatLostTheirOperatorAreErrorsNotMissingKeys) {
  Open(NewStringAppendOperator());
  Merge("key", "1");
  ASSERT_THAT(database_.Close(), IsOk());
  Open(nullptr);
  std::string value;
  const Status status = database_->Get({}, "key", &value);
  EXPECT_FALSE(status.ok());
  EXPECT_FALSE(status.IsNotFound()) << status.ToString();
  ASSERT_THAT(database_.Close(), IsOk());
  Open(NewStringAppendOperator());
  EXPECT_EQ(Get("key"), "1");
}

TEST_P(MergeTest, UInt64AddAddsNumbersOfEightBytes) {
  Open(NewUInt64AddOperator());
  const std::string one("\x01\0\0\0\0\0\0\0", 8);
  const std::string large("\xff\0\0\0\0\0\0\0", 8);
  Put("key", large);
  Merge("key", one);
  EXPECT_EQ(Get("key"), std::string("\0\x01\0\0\0\0\0\0", 8));
  Put("odd", "not a number");
  Merge("odd", one);
  EXPECT_EQ(Get("odd"), one);
}

TEST_P(MergeTest, StringAppendJoinsWithItsDelimiter) {
  Open(NewStringAppendOperator("; "));
  Merge("key", "a");
  EXPECT_EQ(Get("key"), "a");
  Merge("key", "b");
  Merge("key", "c");
  EXPECT_EQ(Get("key"), "a; b; c");
}

INSTANTIATE_TEST_SUITE_P(Memtables, MergeTest, testing::Bool(),
                         [](const auto& parameter) {
                           return parameter.param ? "many" : "one";
                         });

}  // namespace
}  // namespace paceline
