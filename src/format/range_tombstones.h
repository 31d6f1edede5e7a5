// Range tombstones: which entries a DeleteRange covers.

#pragma once

#include <memory>
#include <string>
#include <vector>

#include "paceline/slice.h"

#include "src/base/sync.h"
#include "src/format/internal_key.h"

namespace paceline {

// [begin, end) was deleted at `sequence`.
struct RangeTombstone {
  std::string begin;
  std::string end;
  SequenceNumber sequence = 0;
};

// A set of tombstones cut at each other's ends into disjoint fragments, so that
// a key is looked up by binary search. Immutable.
class FragmentedRangeTombstones {
 public:
  FragmentedRangeTombstones(std::vector<RangeTombstone> tombstones,
                            const Comparator* comparator);

  // The newest sequence number up to `snapshot` at which `user_key` was
  // deleted; 0 if it was not.
  [[nodiscard]] SequenceNumber CoveringSequence(const Slice& user_key,
                                                SequenceNumber snapshot) const;

 private:
  struct Fragment {
    std::string begin;
    std::string end;
    std::vector<SequenceNumber> sequences;  // Newest first.
  };

  const Comparator* const comparator_;
  std::vector<Fragment> fragments_;  // Sorted, disjoint.
};

// The tombstones of one memtable. Thread-safe: additions run beside look-ups,
// and a look-up at a sequence number sees every tombstone that was added
// before that number became visible.
class RangeTombstoneSet {
 public:
  explicit RangeTombstoneSet(const Comparator* comparator)
      : comparator_(comparator) {}

  // Ignored if it covers nothing. False if there is one of that sequence
  // number already; then nothing changes.
  bool Add(const Slice& begin, const Slice& end, SequenceNumber sequence)
      EXCLUDES(mutex_);

  [[nodiscard]] bool empty() const {
    return count_.load(std::memory_order_acquire) == 0;
  }
  [[nodiscard]] std::vector<RangeTombstone> All() const EXCLUDES(mutex_);
  // As of now; cut anew only if something was added since the last call. Null
  // if there are none.
  [[nodiscard]] std::shared_ptr<const FragmentedRangeTombstones> Fragments()
      const EXCLUDES(mutex_);

 private:
  const Comparator* const comparator_;
  // Release in Add(), acquire in empty(): a set that is seen empty was so when
  // everything visible had been added.
  Atomic<size_t> count_ = 0;
  mutable Mutex mutex_;
  std::vector<RangeTombstone> tombstones_ GUARDED_BY(mutex_);
  SequenceNumber newest_sequence_ GUARDED_BY(mutex_) = 0;
  mutable std::shared_ptr<const FragmentedRangeTombstones> fragments_
      GUARDED_BY(mutex_);
  mutable size_t fragmented_count_ GUARDED_BY(mutex_) = 0;
};

}  // namespace paceline
