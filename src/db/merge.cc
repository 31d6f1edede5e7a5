#include "src/db/merge.h"

namespace paceline {

Status ApplyMerge(const MergeOperator* merge_operator, Logger* logger,
                  const Slice& user_key, const Slice* base,
                  const std::vector<Slice>& operands, std::string* result) {
  if (merge_operator == nullptr) {
    return Status::InvalidArgument(
        "the key has merge operands, and its column family is open without a "
        "merge operator");
  }
  // Marks that the operator did not choose one of its inputs.
  static const char kNoChoice = '\0';
  Slice choice(&kNoChoice, 0);
  result->clear();
  MergeOperator::MergeOperationInput in{user_key, base, operands, logger};
  MergeOperator::MergeOperationOutput out{*result, choice};
  if (!merge_operator->FullMergeV2(in, &out)) {
    return Status::Corruption("the merge operator refuses the operands",
                              merge_operator->Name());
  }
  if (choice.data() != &kNoChoice) {
    result->assign(choice.data(), choice.size());
  }
  return Status::OK();
}

}  // namespace paceline
