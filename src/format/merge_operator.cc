#include "paceline/merge_operator.h"

#include <utility>

#include "src/base/coding.h"

namespace paceline {

bool MergeOperator::PartialMerge(const Slice& /*key*/, const Slice& /*left*/,
                                 const Slice& /*right*/,
                                 std::string* /*new_value*/,
                                 Logger* /*logger*/) const {
  return false;
}

bool AssociativeMergeOperator::FullMergeV2(const MergeOperationInput& in,
                                           MergeOperationOutput* out) const {
  Slice merged;
  std::string previous;
  const Slice* existing = in.existing_value;
  for (const Slice& operand : in.operand_list) {
    out->new_value.clear();
    if (!Merge(in.key, existing, operand, &out->new_value, in.logger)) {
      return false;
    }
    previous = std::move(out->new_value);
    merged = Slice(previous);
    existing = &merged;
  }
  out->new_value = std::move(previous);
  return true;
}

bool AssociativeMergeOperator::PartialMerge(const Slice& key, const Slice& left,
                                            const Slice& right,
                                            std::string* new_value,
                                            Logger* logger) const {
  return Merge(key, &left, right, new_value, logger);
}

namespace {

class StringAppendOperator final : public MergeOperator {
 public:
  explicit StringAppendOperator(std::string delimiter)
      : delimiter_(std::move(delimiter)) {}

  bool FullMergeV2(const MergeOperationInput& in,
                   MergeOperationOutput* out) const override {
    std::string& result = out->new_value;
    result.clear();
    bool is_first = in.existing_value == nullptr;
    if (!is_first) {
      result.assign(in.existing_value->data(), in.existing_value->size());
    }
    for (const Slice& operand : in.operand_list) {
      if (!is_first) result += delimiter_;
      is_first = false;
      result.append(operand.data(), operand.size());
    }
    return true;
  }

  bool PartialMerge(const Slice& /*key*/, const Slice& left, const Slice& right,
                    std::string* new_value, Logger* /*logger*/) const override {
    new_value->assign(left.data(), left.size());
    *new_value += delimiter_;
    new_value->append(right.data(), right.size());
    return true;
  }

  const char* Name() const override { return "StringAppendOperator"; }

 private:
  const std::string delimiter_;
};

class UInt64AddOperator final : public AssociativeMergeOperator {
 public:
  bool Merge(const Slice& /*key*/, const Slice* existing_value,
             const Slice& value, std::string* new_value,
             Logger* /*logger*/) const override {
    uint64_t sum = NumberOf(value);
    if (existing_value != nullptr) sum += NumberOf(*existing_value);
    PutFixed64(new_value, sum);
    return true;
  }

  const char* Name() const override { return "UInt64AddOperator"; }

 private:
  static uint64_t NumberOf(const Slice& value) {
    return value.size() == sizeof(uint64_t) ? DecodeFixed64(value.data()) : 0;
  }
};

}  // namespace

std::shared_ptr<MergeOperator> NewStringAppendOperator(std::string delimiter) {
  return std::make_shared<StringAppendOperator>(std::move(delimiter));
}

std::shared_ptr<MergeOperator> NewUInt64AddOperator() {
  return std::make_shared<UInt64AddOperator>();
}

StatusOr<std::shared_ptr<MergeOperator>> MergeOperatorByName(
    std::string_view name) {
  if (name == "StringAppendOperator" || name == "stringappend") {
    return NewStringAppendOperator();
  }
  if (name == "UInt64AddOperator" || name == "uint64add") {
    return NewUInt64AddOperator();
  }
  return Status::InvalidArgument("no built-in merge operator has this name",
                                 name);
}

}  // namespace paceline
