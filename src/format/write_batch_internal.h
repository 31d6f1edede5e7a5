// What the engine may do with a WriteBatch that users may not.

#pragma once

#include <cstdint>

#include "paceline/write_batch.h"

namespace paceline {

class WriteBatchInternal {
 public:
  WriteBatchInternal() = delete;

  // False for bytes that came from outside: ValidateBatch() must pass first.
  static bool IsWellFormed(const WriteBatch& batch) {
    return batch.is_well_formed_;
  }
  // False if every entry is for the default column family.
  static bool HasOtherFamilies(const WriteBatch& batch) {
    return batch.has_other_families_;
  }
  // True if it may hold a Merge entry.
  static bool HasMerges(const WriteBatch& batch) { return batch.has_merges_; }
};

}  // namespace paceline
