// LevelBounds: where the files of a sorted level begin and end.

#pragma once

#include <cstddef>
#include <vector>

#include "paceline/slice.h"

#include "src/format/internal_key.h"
#include "src/format/key_numbers.h"
#include "src/version/live_table.h"

namespace paceline {

// Side by side, so that a search does not go from file to file. Constant after
// construction; then thread-safe.
class LevelBounds {
 public:
  LevelBounds() = default;  // Of no files.
  // `files` are sorted and disjoint. They and `*comparator` must outlive it.
  LevelBounds(const InternalKeyComparator* comparator, const LiveTables& files);

  [[nodiscard]] size_t size() const { return bounds_.size(); }
  [[nodiscard]] Slice smallest_user_key(size_t i) const {
    return ExtractUserKey(bounds_[i].smallest);
  }
  [[nodiscard]] Slice largest_user_key(size_t i) const {
    return ExtractUserKey(bounds_[i].largest);
  }

  // The first file that ends at or behind the user key; size() if there is
  // none.
  [[nodiscard]] size_t Find(const Slice& user_key) const;
  // The same for an internal key.
  [[nodiscard]] size_t FindInternal(const Slice& internal_key) const;

 private:
  struct Bounds {  // Internal keys.
    Slice smallest;
    Slice largest;
  };

  const InternalKeyComparator* comparator_ = nullptr;
  std::vector<Bounds> bounds_;
  KeyNumbers numbers_;  // For the default order: of the largest user keys.
};

}  // namespace paceline
