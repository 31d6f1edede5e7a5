#include "src/version/level_bounds.h"

namespace paceline {

LevelBounds::LevelBounds(const InternalKeyComparator* comparator,
                         const LiveTables& files)
    : comparator_(comparator) {
  bounds_.reserve(files.size());
  for (const auto& file : files) {
    bounds_.push_back({file->metadata().smallest, file->metadata().largest});
  }
  if (!comparator->is_bytewise()) return;
  numbers_ =
      KeyNumbers(size(), [this](size_t i) { return largest_user_key(i); });
}

size_t LevelBounds::Find(const Slice& user_key) const {
  return numbers_.Find(size(), user_key, [&](size_t i) {
    return comparator_->CompareUserKeys(largest_user_key(i), user_key) < 0;
  });
}

size_t LevelBounds::FindInternal(const Slice& internal_key) const {
  return numbers_.Find(size(), ExtractUserKey(internal_key), [&](size_t i) {
    return comparator_->Compare(bounds_[i].largest, internal_key) < 0;
  });
}

}  // namespace paceline
