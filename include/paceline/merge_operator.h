// MergeOperator: what a Merge entry means when its key is read.

#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "paceline/slice.h"
#include "paceline/status.h"

namespace paceline {

class Logger;

// Combines the operands of one key with the value below them. Thread-safe:
// called by many readers at once, without locks.
class MergeOperator {
 public:
  struct MergeOperationInput {
    const Slice& key;
    // The value below the operands, or null if the key has none.
    const Slice* existing_value;
    // Oldest first; at least one.
    const std::vector<Slice>& operand_list;
    Logger* logger;
  };
  struct MergeOperationOutput {
    std::string& new_value;
    // Set it to one of the inputs (instead of filling new_value) if that
    // input is the result as it stands.
    Slice& existing_operand;
  };

  virtual ~MergeOperator() = default;

  // Fills `*out`. False means that the operands cannot be applied: the read
  // then fails with Corruption.
  virtual bool FullMergeV2(const MergeOperationInput& in,
                           MergeOperationOutput* out) const = 0;

  // Combines `left` (older) and `right` into one operand, or returns false if
  // that needs the value below them.
  virtual bool PartialMerge(const Slice& key, const Slice& left,
                            const Slice& right, std::string* new_value,
                            Logger* logger) const;

  // Written to the OPTIONS file.
  [[nodiscard]] virtual const char* Name() const = 0;
};

// A merge whose operands have the form of values, so that one function
// combines any two of them.
class AssociativeMergeOperator : public MergeOperator {
 public:
  // Combines `existing_value` (null: none) with the newer `value`. False as
  // in FullMergeV2.
  virtual bool Merge(const Slice& key, const Slice* existing_value,
                     const Slice& value, std::string* new_value,
                     Logger* logger) const = 0;

  bool FullMergeV2(const MergeOperationInput& in,
                   MergeOperationOutput* out) const final;
  bool PartialMerge(const Slice& key, const Slice& left, const Slice& right,
                    std::string* new_value, Logger* logger) const final;
};

// "StringAppendOperator": value and operands joined by `delimiter`.
std::shared_ptr<MergeOperator> NewStringAppendOperator(
    std::string delimiter = ",");

// "UInt64AddOperator": 8-byte little-endian numbers, added modulo 2^64. A
// value of another length counts as 0.
std::shared_ptr<MergeOperator> NewUInt64AddOperator();

// One of the above by its Name() (or RocksDB's short ids "stringappend" and
// "uint64add"); InvalidArgument for any other name.
StatusOr<std::shared_ptr<MergeOperator>> MergeOperatorByName(
    std::string_view name);

}  // namespace paceline
