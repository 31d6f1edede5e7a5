#include "paceline/merge_operator.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "src/base/coding.h"

namespace paceline {
namespace {

// What FullMergeV2() makes of the operands, oldest first, over `existing`;
// nothing if it fails.
std::optional<std::string> FullMerge(const MergeOperator& merge_operator,
                                     std::optional<std::string> existing,
                                     const std::vector<std::string>& operands) {
  const Slice key = "key";
  const Slice existing_slice = existing ? Slice(*existing) : Slice();
  const std::vector<Slice> slices(operands.begin(), operands.end());
  std::string new_value = "what was there before";
  Slice existing_operand;
  MergeOperator::MergeOperationOutput out{new_value, existing_operand};
  if (!merge_operator.FullMergeV2(
          {key, existing ? &existing_slice : nullptr, slices, nullptr}, &out)) {
    return std::nullopt;
  }
  return existing_operand.empty() ? new_value : existing_operand.ToString();
}

std::string PartialMerge(const MergeOperator& merge_operator, const Slice& left,
                         const Slice& right) {
  std::string result;
  EXPECT_TRUE(
      merge_operator.PartialMerge("key", left, right, &result, nullptr));
  return result;
}

std::string Number(uint64_t number) {
  std::string bytes;
  PutFixed64(&bytes, number);
  return bytes;
}

TEST(StringAppendOperatorTest, ValueAndOperandsAreJoinedOldestFirst) {
  const auto append = NewStringAppendOperator();
  EXPECT_EQ(FullMerge(*append, "base", {"a", "b"}), "base,a,b");
  EXPECT_EQ(FullMerge(*append, std::nullopt, {"a", "b"}), "a,b");
  EXPECT_EQ(FullMerge(*append, std::nullopt, {"a"}), "a");
}

TEST(StringAppendOperatorTest, EmptyStringsAreJoinedToo) {
  const auto append = NewStringAppendOperator();
  EXPECT_EQ(FullMerge(*append, "", {"a"}), ",a");
  EXPECT_EQ(FullMerge(*append, std::nullopt, {"", ""}), ",");
  EXPECT_EQ(FullMerge(*append, std::nullopt, {""}), "");
}

TEST(StringAppendOperatorTest, TheDelimiterMayBeAnyString) {
  EXPECT_EQ(FullMerge(*NewStringAppendOperator(""), "a", {"b", "c"}), "abc");
  EXPECT_EQ(FullMerge(*NewStringAppendOperator("; "), "a", {"b", "c"}),
            "a; b; c");
  const std::string nul("\0", 1);
  EXPECT_EQ(FullMerge(*NewStringAppendOperator(nul), "a", {"b"}),
            "a" + nul + "b");
}

TEST(UInt64AddOperatorTest, NumbersAreAdded) {
  const auto add = NewUInt64AddOperator();
  EXPECT_EQ(FullMerge(*add, Number(1), {Number(20), Number(300)}), Number(321));
  EXPECT_EQ(FullMerge(*add, std::nullopt, {Number(20), Number(300)}),
            Number(320));
  EXPECT_EQ(FullMerge(*add, std::nullopt, {Number(20)}), Number(20));
}

TEST(UInt64AddOperatorTest, TheSumIsModulo2To64) {
  const auto add = NewUInt64AddOperator();
  EXPECT_EQ(FullMerge(*add, Number(UINT64_MAX), {Number(3)}), Number(2));
}

TEST(UInt64AddOperatorTest, AStringOfAnotherLengthCountsAsZero) {
  const auto add = NewUInt64AddOperator();
  EXPECT_EQ(FullMerge(*add, "", {Number(3)}), Number(3));
  EXPECT_EQ(FullMerge(*add, "seven..", {Number(3)}), Number(3));
  EXPECT_EQ(FullMerge(*add, Number(3), {"nine.....", Number(4)}), Number(7));
  EXPECT_EQ(FullMerge(*add, std::nullopt, {"x"}), Number(0));
}

// Whoever merges in steps must get what one step gives.
TEST(BuiltInOperatorsTest, PartialMergesGiveTheSameInTheEnd) {
  const std::vector<std::string> operands = {Number(5), "", Number(7), "abc",
                                             Number(UINT64_MAX)};
  for (const auto& merge_operator :
       {NewStringAppendOperator(), NewStringAppendOperator(""),
        NewUInt64AddOperator()}) {
    for (const std::optional<std::string>& existing :
         {std::optional<std::string>(), std::optional<std::string>("base"),
          std::optional<std::string>(Number(9))}) {
      const auto expected = FullMerge(*merge_operator, existing, operands);
      for (size_t i = 0; i + 1 < operands.size(); ++i) {
        std::vector<std::string> fewer = operands;
        fewer[i] = PartialMerge(*merge_operator, operands[i], operands[i + 1]);
        fewer.erase(fewer.begin() + static_cast<ptrdiff_t>(i) + 1);
        EXPECT_EQ(FullMerge(*merge_operator, existing, fewer), expected)
            << merge_operator->Name() << " at " << i;
      }
    }
  }
}

// Keeps the larger string; fails on "bad".
class MaxOperator final : public AssociativeMergeOperator {
 public:
  bool Merge(const Slice& key, const Slice* existing_value, const Slice& value,
             std::string* new_value, Logger* /*logger*/) const override {
    EXPECT_EQ(key, "key");
    EXPECT_TRUE(new_value->empty());
    if (value == Slice("bad")) return false;
    const bool keeps =
        existing_value != nullptr && existing_value->compare(value) > 0;
    *new_value = keeps ? existing_value->ToString() : value.ToString();
    return true;
  }
  const char* Name() const override { return "MaxOperator"; }
};

TEST(AssociativeMergeOperatorTest, OperandsAreMergedOneByOneOldestFirst) {
  EXPECT_EQ(FullMerge(MaxOperator(), std::nullopt, {"b"}), "b");
  EXPECT_EQ(FullMerge(MaxOperator(), "a", {"b", "d", "c"}), "d");
  EXPECT_EQ(FullMerge(MaxOperator(), "z", {"b", "d", "c"}), "z");
  EXPECT_EQ(PartialMerge(MaxOperator(), "x", "y"), "y");
}

TEST(AssociativeMergeOperatorTest, AFailureAtAnyOperandIsAFailure) {
  for (size_t i = 0; i < 3; ++i) {
    std::vector<std::string> operands = {"a", "b", "c"};
    operands[i] = "bad";
    EXPECT_EQ(FullMerge(MaxOperator(), "z", operands), std::nullopt);
  }
}

class NoPartialOperator final : public MergeOperator {
 public:
  bool FullMergeV2(const MergeOperationInput& /*in*/,
                   MergeOperationOutput* /*out*/) const override {
    return true;
  }
  const char* Name() const override { return "NoPartialOperator"; }
};

TEST(MergeOperatorTest, PartialMergesAreRefusedUnlessOverridden) {
  std::string result;
  EXPECT_FALSE(
      NoPartialOperator().PartialMerge("key", "a", "b", &result, nullptr));
}

TEST(MergeOperatorTest, BuiltInOperatorsAreFoundByTheirNames) {
  for (const auto& [name, expected] :
       std::vector<std::pair<std::string, std::string>>{
           {"StringAppendOperator", "StringAppendOperator"},
           {"stringappend", "StringAppendOperator"},
           {"UInt64AddOperator", "UInt64AddOperator"},
           {"uint64add", "UInt64AddOperator"}}) {
    const auto found = MergeOperatorByName(name);
    ASSERT_TRUE(found.ok()) << name;
    EXPECT_EQ((*found)->Name(), expected);
  }
  for (const char* name : {"", "stringAppend", "MaxOperator", "uint64add "}) {
    const auto found = MergeOperatorByName(name);
    EXPECT_TRUE(found.status().IsInvalidArgument());
    EXPECT_NE(found.status().ToString().find(name), std::string::npos);
  }
}

}  // namespace
}  // namespace paceline
