#include "src/format/range_tombstones.h"

#include <algorithm>
#include <set>
#include <utility>

namespace paceline {

namespace {

// The ends of all tombstones, sorted, without duplicates.
std::vector<Slice> CutPoints(const std::vector<RangeTombstone>& tombstones,
                             const Comparator* comparator) {
  std::vector<Slice> points;
  points.reserve(tombstones.size() * 2);
  for (const RangeTombstone& tombstone : tombstones) {
    points.emplace_back(tombstone.begin);
    points.emplace_back(tombstone.end);
  }
  auto is_before = [comparator](const Slice& a, const Slice& b) {
    return comparator->Compare(a, b) < 0;
  };
  std::sort(points.begin(), points.end(), is_before);
  auto is_same = [comparator](const Slice& a, const Slice& b) {
    return comparator->Compare(a, b) == 0;
  };
  points.erase(std::unique(points.begin(), points.end(), is_same),
               points.end());
  return points;
}

}  // namespace

// Walks the cut points with the set of tombstones that are open there.
FragmentedRangeTombstones::FragmentedRangeTombstones(
    std::vector<RangeTombstone> tombstones, const Comparator* comparator)
    : comparator_(comparator) {
  auto begins_before = [comparator](const RangeTombstone& a,
                                    const RangeTombstone& b) {
    return comparator->Compare(a.begin, b.begin) < 0;
  };
  std::sort(tombstones.begin(), tombstones.end(), begins_before);
  // They point into the strings, which move no more.
  std::vector<Slice> points = CutPoints(tombstones, comparator);
  auto ends_before = [comparator](const RangeTombstone* a,
                                  const RangeTombstone* b) {
    return comparator->Compare(a->end, b->end) < 0;
  };
  std::multiset<const RangeTombstone*, decltype(ends_before)> open(ends_before);
  size_t next = 0;
  for (size_t i = 0; i + 1 < points.size(); ++i) {
    while (!open.empty() &&
           comparator->Compare((*open.begin())->end, points[i]) <= 0) {
      open.erase(open.begin());
    }
    while (next < tombstones.size() &&
           comparator->Compare(tombstones[next].begin, points[i]) <= 0) {
      open.insert(&tombstones[next++]);
    }
    if (open.empty()) continue;
    Fragment fragment{points[i].ToString(), points[i + 1].ToString(), {}};
    for (const RangeTombstone* tombstone : open) {
      fragment.sequences.push_back(tombstone->sequence);
    }
    std::sort(fragment.sequences.begin(), fragment.sequences.end(),
              std::greater<>());
    fragments_.push_back(std::move(fragment));
  }
}

SequenceNumber FragmentedRangeTombstones::CoveringSequence(
    const Slice& user_key, SequenceNumber snapshot) const {
  auto ends_after = [this](const Slice& key, const Fragment& fragment) {
    return comparator_->Compare(key, fragment.end) < 0;
  };
  auto fragment = std::upper_bound(fragments_.begin(), fragments_.end(),
                                   user_key, ends_after);
  if (fragment == fragments_.end() ||
      comparator_->Compare(user_key, fragment->begin) < 0) {
    return 0;
  }
  auto newest =
      std::lower_bound(fragment->sequences.begin(), fragment->sequences.end(),
                       snapshot, std::greater<>());
  return newest == fragment->sequences.end() ? 0 : *newest;
}

bool Covering::CoversWithin(SequenceNumber entry) const {
  auto covers = [entry](const Within& within) {
    return entry < within.sequence && entry >= within.first &&
           entry <= within.last;
  };
  return std::any_of(within_.begin(), within_.end(), covers);
}

// Only at the bounds themselves does it matter which version of the key is
// asked for. Newer versions come first in the order of internal keys.
void AddCoveringOfTable(const FragmentedRangeTombstones& tombstones,
                        const FileMetaData& file,
                        const InternalKeyComparator& comparator,
                        const Slice& user_key, SequenceNumber snapshot,
                        Covering* covering) {
  int from_smallest =
      comparator.CompareUserKeys(user_key, file.smallest_user_key());
  int from_largest =
      comparator.CompareUserKeys(user_key, file.largest_user_key());
  if (from_smallest < 0 || from_largest > 0) return;
  if (from_largest == 0 && file.largest_is_sentinel()) return;
  SequenceNumber sequence = tombstones.CoveringSequence(user_key, snapshot);
  if (sequence == 0) return;
  SequenceNumber first =
      from_largest == 0 ? TagSequence(ExtractTag(file.largest)) : 0;
  SequenceNumber last = from_smallest == 0
                            ? TagSequence(ExtractTag(file.smallest))
                            : kMaxSequenceNumber;
  if (first == 0 && last >= sequence) {
    covering->Add(sequence);
  } else {
    covering->AddWithin(sequence, first, last);
  }
}

bool RangeTombstoneSet::Add(const Slice& begin, const Slice& end,
                            SequenceNumber sequence) {
  if (comparator_->Compare(begin, end) >= 0) return true;
  MutexLock lock(&mutex_);
  // Numbers nearly always grow, so the search is rare.
  auto is_same = [sequence](const RangeTombstone& tombstone) {
    return tombstone.sequence == sequence;
  };
  if (sequence <= newest_sequence_ &&
      std::any_of(tombstones_.begin(), tombstones_.end(), is_same)) {
    return false;
  }
  newest_sequence_ = std::max(newest_sequence_, sequence);
  tombstones_.push_back({begin.ToString(), end.ToString(), sequence});
  count_.store(tombstones_.size(), std::memory_order_release);
  return true;
}

std::vector<RangeTombstone> RangeTombstoneSet::All() const {
  MutexLock lock(&mutex_);
  return tombstones_;
}

std::shared_ptr<const FragmentedRangeTombstones> RangeTombstoneSet::Fragments()
    const {
  if (empty()) return nullptr;
  MutexLock lock(&mutex_);
  if (fragmented_count_ != tombstones_.size()) {
    fragments_ =
        std::make_shared<FragmentedRangeTombstones>(tombstones_, comparator_);
    fragmented_count_ = tombstones_.size();
  }
  return fragments_;
}

}  // namespace paceline
