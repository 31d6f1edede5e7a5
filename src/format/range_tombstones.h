// Range tombstones: which entries a DeleteRange covers.

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
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

// Tombstones for look-ups only: what a key is covered by is found in as many
// steps as a binary search has, and the memory they take grows a little faster
// than their number, however they are nested. Immutable.
//
// A tree over the pieces that all begins and ends cut the keys into. Each
// tombstone is kept at the few nodes that together make up its range, so those
// that cover a piece are the ones between its leaf and the root.
class RangeTombstoneTree {
 public:
  // The tombstones must outlive it.
  RangeTombstoneTree(std::vector<const RangeTombstone*> tombstones,
                     const Comparator* comparator);

  [[nodiscard]] size_t size() const { return tombstones_.size(); }
  // Newest first.
  [[nodiscard]] const std::vector<const RangeTombstone*>& tombstones() const {
    return tombstones_;
  }
  // As of FragmentedRangeTombstones.
  [[nodiscard]] SequenceNumber CoveringSequence(const Slice& user_key,
                                                SequenceNumber snapshot) const;
  // Bytes, without the tombstones.
  [[nodiscard]] size_t MemoryUsage() const;

 private:
  // Calls `visit(node)` for the nodes that make up the range.
  template <typename Visit>
  void VisitNodes(const RangeTombstone& tombstone, Visit visit) const;
  // The first cut point at or behind the key.
  [[nodiscard]] size_t PointAt(const Slice& user_key) const;
  [[nodiscard]] size_t piece_count() const { return points_.size() - 1; }

  const Comparator* const comparator_;
  std::vector<const RangeTombstone*> tombstones_;
  std::vector<Slice> points_;  // Piece i is from point i to the next one.
  // Node 1 is the root, the children of node i are 2i and 2i + 1, and the leaf
  // of piece i is node piece_count() + i. Those at a node are in sequences_
  // from begins_[node] to begins_[node + 1], newest first.
  std::vector<uint32_t> begins_;
  std::vector<SequenceNumber> sequences_;
};

// The tombstones of one memtable. Look-ups take no lock: they go through the
// few that were added last one by one, and ask trees for the others. When the
// last ones are too many, they become a tree, together with the trees that are
// not larger; so there are few trees, and a tombstone is seldom moved.
//
// Nothing that look-ups may be in is freed before the set is.
//
// Thread-safe: additions run beside look-ups, and a look-up at a sequence
// number sees every tombstone that was added before that number became visible.
class RangeTombstoneSet {
 public:
  explicit RangeTombstoneSet(const Comparator* comparator)
      : comparator_(comparator) {}

  // Ignored if it covers nothing. False if there is one of that sequence
  // number already; then nothing changes.
  bool Add(const Slice& begin, const Slice& end, SequenceNumber sequence)
      EXCLUDES(mutex_);

  [[nodiscard]] bool empty() const {
    return view_.load(std::memory_order_acquire) == nullptr;
  }
  // The newest sequence number up to `snapshot` at which `user_key` was
  // deleted; 0 if it was not.
  [[nodiscard]] SequenceNumber CoveringSequence(const Slice& user_key,
                                                SequenceNumber snapshot) const {
    const View* view = view_.load(std::memory_order_acquire);
    return view == nullptr ? 0 : CoveringIn(*view, user_key, snapshot);
  }
  [[nodiscard]] std::vector<RangeTombstone> All() const EXCLUDES(mutex_);
  // Bytes taken from the machine, without what Fragments() made.
  [[nodiscard]] size_t MemoryUsage() const {
    return memory_usage_.load(std::memory_order_relaxed);
  }
  // As of now, for those who look up many keys; cut anew only if something was
  // added since the last call. Null if there are none.
  [[nodiscard]] std::shared_ptr<const FragmentedRangeTombstones> Fragments()
      const EXCLUDES(mutex_);

 private:
  // About as many as cost no more than the trees do.
  static constexpr size_t kChunkSize = 32;

  // Tombstones in the order in which they were added.
  struct Chunk {
    // Release and acquire: who sees the number sees the tombstones.
    Atomic<size_t> count = 0;
    std::array<RangeTombstone, kChunkSize> tombstones;
  };
  // All there are: those in the trees, and the last ones.
  struct View {
    std::vector<std::shared_ptr<const RangeTombstoneTree>> trees;
    const Chunk* last = nullptr;
  };

  [[nodiscard]] SequenceNumber CoveringIn(const View& view,
                                          const Slice& user_key,
                                          SequenceNumber snapshot) const;
  [[nodiscard]] bool Has(SequenceNumber sequence) const REQUIRES(mutex_);
  // Puts the full last chunk into a tree, and begins another one.
  void BeginChunk() REQUIRES(mutex_);
  void CountMemory(size_t bytes) {
    memory_usage_.fetch_add(bytes, std::memory_order_relaxed);
  }

  const Comparator* const comparator_;
  // Release in Add(), acquire in look-ups: a set that is seen empty was so when
  // everything visible had been added. Null: there is nothing.
  Atomic<const View*> view_ = nullptr;
  // Relaxed: nothing is concluded from it.
  Atomic<size_t> memory_usage_ = 0;
  mutable Mutex mutex_;
  std::vector<std::unique_ptr<Chunk>> chunks_ GUARDED_BY(mutex_);
  // The last one is that of now.
  std::vector<std::unique_ptr<const View>> views_ GUARDED_BY(mutex_);
  size_t count_ GUARDED_BY(mutex_) = 0;
  SequenceNumber newest_sequence_ GUARDED_BY(mutex_) = 0;
  mutable std::shared_ptr<const FragmentedRangeTombstones> fragments_
      GUARDED_BY(mutex_);
  mutable size_t fragmented_count_ GUARDED_BY(mutex_) = 0;
};

}  // namespace paceline
