// Model: what a database must contain after a series of operations, told with
// nothing but std::map.

#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "paceline/comparator.h"
#include "paceline/db.h"
#include "paceline/write_batch.h"

namespace paceline {

// Orders keys as a Comparator does.
struct KeyLess {
  const Comparator* comparator = BytewiseComparator();
  bool operator()(const std::string& a, const std::string& b) const {
    return comparator->Compare(a, b) < 0;
  }
};

// The entries of one column family.
using ModelEntries = std::map<std::string, std::string, KeyLess>;

// One update of one key (or range) of one column family.
struct ModelOperation {
  enum class Kind { kPut, kDelete, kSingleDelete, kDeleteRange, kMerge };
  Kind kind = Kind::kPut;
  std::string family;
  std::string key;    // The beginning, for kDeleteRange.
  std::string value;  // The operand or, for kDeleteRange, the end.
};

// Merges append the operand behind a comma, as NewStringAppendOperator() does.
// A copy is a snapshot. Thread-compatible.
class Model {
 public:
  explicit Model(const Comparator* comparator = BytewiseComparator())
      : comparator_(comparator) {
    CreateFamily(kDefaultColumnFamilyName);
  }

  void CreateFamily(const std::string& name) {
    families_.emplace(name, ModelEntries(KeyLess{comparator_}));
  }
  void DropFamily(const std::string& name) { families_.erase(name); }

  void Apply(const ModelOperation& operation) {
    ModelEntries& entries = families_.at(operation.family);
    switch (operation.kind) {
      case ModelOperation::Kind::kPut:
        entries[operation.key] = operation.value;
        break;
      case ModelOperation::Kind::kDelete:
      case ModelOperation::Kind::kSingleDelete:
        entries.erase(operation.key);
        break;
      case ModelOperation::Kind::kDeleteRange:
        if (comparator_->Compare(operation.key, operation.value) < 0) {
          entries.erase(entries.lower_bound(operation.key),
                        entries.lower_bound(operation.value));
        }
        break;
      case ModelOperation::Kind::kMerge: {
        const auto [entry, is_new] =
            entries.try_emplace(operation.key, operation.value);
        if (!is_new) entry->second += "," + operation.value;
        break;
      }
    }
  }
  void Apply(const std::vector<ModelOperation>& operations) {
    for (const ModelOperation& operation : operations) Apply(operation);
  }

  [[nodiscard]] bool HasFamily(const std::string& name) const {
    return families_.contains(name);
  }
  [[nodiscard]] const ModelEntries& Entries(const std::string& family) const {
    return families_.at(family);
  }
  [[nodiscard]] const std::map<std::string, ModelEntries>& families() const {
    return families_;
  }
  [[nodiscard]] const Comparator* comparator() const { return comparator_; }

 private:
  const Comparator* comparator_;
  std::map<std::string, ModelEntries> families_;
};

// Adds `operation` to `*batch`; `family` is the one it names.
inline Status AddToBatch(const ModelOperation& operation,
                         ColumnFamilyHandle* family, WriteBatch* batch) {
  switch (operation.kind) {
    case ModelOperation::Kind::kPut:
      return batch->Put(family, operation.key, operation.value);
    case ModelOperation::Kind::kDelete:
      return batch->Delete(family, operation.key);
    case ModelOperation::Kind::kSingleDelete:
      return batch->SingleDelete(family, operation.key);
    case ModelOperation::Kind::kDeleteRange:
      return batch->DeleteRange(family, operation.key, operation.value);
    case ModelOperation::Kind::kMerge:
      return batch->Merge(family, operation.key, operation.value);
  }
  return Status::NotSupported("unknown operation");
}

// Does `operation` with the DB's call of that name.
inline Status DoOperation(const ModelOperation& operation,
                          const WriteOptions& options,
                          ColumnFamilyHandle* family, DB* db) {
  switch (operation.kind) {
    case ModelOperation::Kind::kPut:
      return db->Put(options, family, operation.key, operation.value);
    case ModelOperation::Kind::kDelete:
      return db->Delete(options, family, operation.key);
    case ModelOperation::Kind::kSingleDelete:
      return db->SingleDelete(options, family, operation.key);
    case ModelOperation::Kind::kDeleteRange:
      return db->DeleteRange(options, family, operation.key, operation.value);
    case ModelOperation::Kind::kMerge:
      return db->Merge(options, family, operation.key, operation.value);
  }
  return Status::NotSupported("unknown operation");
}

}  // namespace paceline
