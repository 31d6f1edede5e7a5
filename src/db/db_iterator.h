// DBIterator: internal keys in, visible user keys out.

#pragma once

#include <memory>
#include <string>
#include <vector>

#include "paceline/env.h"
#include "paceline/iterator.h"

#include "src/format/internal_iterator.h"
#include "src/format/range_tombstones.h"
#include "src/version/column_family.h"

namespace paceline {

// Going forward, entries_ stands on the entry that is shown or, after a merge,
// behind those it was made of. Going backward, it stands in front of all
// versions of the key that is shown.
class DBIterator final : public Iterator {
 public:
  struct Source {
    std::shared_ptr<ColumnFamily> family;
    std::shared_ptr<const SuperVersion> super_version;
    std::unique_ptr<InternalIterator> entries;
    // Of the memtables.
    std::vector<std::shared_ptr<const FragmentedRangeTombstones>> tombstones;
    SequenceNumber sequence = 0;
    // Null: no bound.
    const Slice* lower_bound = nullptr;
    const Slice* upper_bound = nullptr;
    std::shared_ptr<Logger> logger;
  };

  explicit DBIterator(Source source);

  bool Valid() const override { return is_valid_; }
  void SeekToFirst() override;
  void SeekToLast() override;
  void Seek(const Slice& target) override;
  void SeekForPrev(const Slice& target) override;
  void Next() override;
  void Prev() override;
  Slice key() const override { return key_; }
  Slice value() const override;
  Status status() const override;

 private:
  enum class Direction { kForward, kBackward };

  void SeekInternal(const Slice& user_key, SequenceNumber sequence,
                    ValueType type);
  void SeekForPrevInternal(const Slice& user_key, SequenceNumber sequence,
                           ValueType type);
  // From the entry entries_ stands on: shows the next key that has a value.
  // Versions of key_ are passed over if `skips_key`.
  void FindNextKey(bool skips_key);
  // Passes over what is left of key_ without walking all of it.
  void PassOverKey();
  void ShowMerged(const Covering& covering);
  // The same backward.
  void FindPrevKey();
  // Reads all versions of the key entries_ stands on. True if it has a value.
  bool ResolveBackward();

  // What range tombstones do to the key. False, with status_ set, if that
  // cannot be told.
  bool FindCovering(const Slice& user_key, Covering* covering);
  [[nodiscard]] bool IsSameKey(const Slice& user_key) const;
  [[nodiscard]] int CompareKeys(const Slice& a, const Slice& b) const;
  void Invalidate();

  const Source source_;
  const InternalKeyComparator comparator_;
  InternalIterator* const entries_;
  VersionTombstones table_tombstones_;

  Direction direction_ = Direction::kForward;
  bool is_valid_ = false;
  Status status_;
  std::string key_;
  // True if the value is in value_, not in the entry entries_ stands on.
  bool has_own_value_ = false;
  std::string value_;
  std::string target_;  // Kept between calls to save allocations.
};

}  // namespace paceline
