// Range tombstones: which entries a DeleteRange covers.

#pragma once

#include <memory>
#include <string>
#include <vector>

#include "paceline/slice.h"

#include "src/base/sync.h"
#include "src/format/file_metadata.h"
#include "src/format/internal_key.h"

namespace paceline {

// [begin, end) was deleted at `sequence`.
struct RangeTombstone {
  std::string begin;
  std::string end;
  SequenceNumber sequence = 0;
};

// Which entries of one user key range tombstones cover.
class Covering {
 public:
  // A tombstone covers all older entries of the key.
  void Add(SequenceNumber sequence) {
    sequence_ = sequence > sequence_ ? sequence : sequence_;
  }
  // A tombstone of a file whose bounds cut through the versions of the key
  // covers older entries with sequence numbers from `first` to `last`.
  void AddWithin(SequenceNumber sequence, SequenceNumber first,
                 SequenceNumber last) {
    within_.push_back({sequence, first, last});
  }

  [[nodiscard]] bool Covers(SequenceNumber entry) const {
    return entry < sequence_ || (!within_.empty() && CoversWithin(entry));
  }

 private:
  struct Within {
    SequenceNumber sequence;
    SequenceNumber first;
    SequenceNumber last;
  };
  [[nodiscard]] bool CoversWithin(SequenceNumber entry) const;

  SequenceNumber sequence_ = 0;
  std::vector<Within> within_;
};

// A set of tombstones cut at each other's ends into disjoint fragments, so that
// a key is looked up by binary search. Immutable.
class FragmentedRangeTombstones {
 public:
  struct Fragment {
    std::string begin;
    std::string end;
    std::vector<SequenceNumber> sequences;  // Newest first.
  };

  FragmentedRangeTombstones(std::vector<RangeTombstone> tombstones,
                            const Comparator* comparator);

  // The newest sequence number up to `snapshot` at which `user_key` was
  // deleted; 0 if it was not.
  [[nodiscard]] SequenceNumber CoveringSequence(const Slice& user_key,
                                                SequenceNumber snapshot) const;

  // Sorted, disjoint.
  [[nodiscard]] const std::vector<Fragment>& fragments() const {
    return fragments_;
  }

 private:
  const Comparator* const comparator_;
  std::vector<Fragment> fragments_;
};

// Adds to `*covering` what the tombstones of a table do to `user_key` at
// `snapshot`: they act only between the bounds of the table.
void AddCoveringOfTable(const FragmentedRangeTombstones& tombstones,
                        const FileMetaData& file,
                        const InternalKeyComparator& comparator,
                        const Slice& user_key, SequenceNumber snapshot,
                        Covering* covering);

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
