#include "src/format/range_tombstones.h"

#include <algorithm>
#include <functional>
#include <numeric>
#include <set>
#include <utility>

#include "src/base/check.h"

namespace paceline {

namespace {

// Sorts them, and leaves one of those that are equal.
void SortPoints(std::vector<Slice>* points, const Comparator* comparator) {
  auto is_before = [comparator](const Slice& a, const Slice& b) {
    return comparator->Compare(a, b) < 0;
  };
  std::sort(points->begin(), points->end(), is_before);
  auto is_same = [comparator](const Slice& a, const Slice& b) {
    return comparator->Compare(a, b) == 0;
  };
  points->erase(std::unique(points->begin(), points->end(), is_same),
                points->end());
}

// The ends of all tombstones, sorted, without duplicates.
std::vector<Slice> CutPoints(const std::vector<RangeTombstone>& tombstones,
                             const Comparator* comparator) {
  std::vector<Slice> points;
  points.reserve(tombstones.size() * 2);
  for (const RangeTombstone& tombstone : tombstones) {
    points.emplace_back(tombstone.begin);
    points.emplace_back(tombstone.end);
  }
  SortPoints(&points, comparator);
  return points;
}

// What a string takes besides itself. Short ones take nothing.
size_t HeapBytes(const std::string& text) {
  return text.capacity() > std::string().capacity() ? text.capacity() + 1 : 0;
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

RangeTombstoneTree::RangeTombstoneTree(
    std::vector<const RangeTombstone*> tombstones, const Comparator* comparator)
    : comparator_(comparator), tombstones_(std::move(tombstones)) {
  PL_CHECK(!tombstones_.empty());
  std::sort(tombstones_.begin(), tombstones_.end(),
            [](const RangeTombstone* a, const RangeTombstone* b) {
              return a->sequence > b->sequence;
            });
  points_.reserve(tombstones_.size() * 2);
  for (const RangeTombstone* tombstone : tombstones_) {
    points_.emplace_back(tombstone->begin);
    points_.emplace_back(tombstone->end);
  }
  SortPoints(&points_, comparator_);
  // First how many there are at each node, then where they begin, then they
  // themselves.
  begins_.resize(2 * piece_count() + 1);
  for (const RangeTombstone* tombstone : tombstones_) {
    VisitNodes(*tombstone, [this](size_t node) { ++begins_[node + 1]; });
  }
  std::partial_sum(begins_.begin(), begins_.end(), begins_.begin());
  sequences_.resize(begins_.back());
  std::vector<uint32_t> next(begins_);
  for (const RangeTombstone* tombstone : tombstones_) {
    VisitNodes(*tombstone, [&](size_t node) {
      sequences_[next[node]++] = tombstone->sequence;
    });
  }
}

template <typename Visit>
void RangeTombstoneTree::VisitNodes(const RangeTombstone& tombstone,
                                    Visit visit) const {
  size_t first = piece_count() + PointAt(tombstone.begin);
  size_t last = piece_count() + PointAt(tombstone.end);
  // Up from both ends. A node that is not its parent's first (last) child is
  // taken by itself; the others are taken by their parents.
  for (; first < last; first /= 2, last /= 2) {
    if (first % 2 == 1) visit(first++);
    if (last % 2 == 1) visit(--last);
  }
}

size_t RangeTombstoneTree::PointAt(const Slice& user_key) const {
  auto is_before = [this](const Slice& point, const Slice& key) {
    return comparator_->Compare(point, key) < 0;
  };
  auto found =
      std::lower_bound(points_.begin(), points_.end(), user_key, is_before);
  return static_cast<size_t>(found - points_.begin());
}

SequenceNumber RangeTombstoneTree::CoveringSequence(
    const Slice& user_key, SequenceNumber snapshot) const {
  size_t point = PointAt(user_key);
  if (point == points_.size()) return 0;
  if (comparator_->Compare(user_key, points_[point]) != 0) {
    if (point == 0) return 0;
    --point;
  }
  if (point == piece_count()) return 0;
  SequenceNumber newest = 0;
  for (size_t node = piece_count() + point; node > 0; node /= 2) {
    const auto begin = sequences_.begin() + begins_[node];
    const auto end = sequences_.begin() + begins_[node + 1];
    const auto visible =
        std::lower_bound(begin, end, snapshot, std::greater<>());
    if (visible != end) newest = std::max(newest, *visible);
  }
  return newest;
}

size_t RangeTombstoneTree::MemoryUsage() const {
  return sizeof(*this) + tombstones_.capacity() * sizeof(tombstones_[0]) +
         points_.capacity() * sizeof(points_[0]) +
         begins_.capacity() * sizeof(begins_[0]) +
         sequences_.capacity() * sizeof(sequences_[0]);
}

bool RangeTombstoneSet::Has(SequenceNumber sequence) const {
  // Numbers nearly always grow, so the search is rare.
  if (sequence > newest_sequence_) return false;
  for (const auto& chunk : chunks_) {
    const size_t count = chunk->count.load(std::memory_order_relaxed);
    for (size_t i = 0; i < count; ++i) {
      if (chunk->tombstones[i].sequence == sequence) return true;
    }
  }
  return false;
}

bool RangeTombstoneSet::Add(const Slice& begin, const Slice& end,
                            SequenceNumber sequence) {
  if (comparator_->Compare(begin, end) >= 0) return true;
  MutexLock lock(&mutex_);
  if (Has(sequence)) return false;
  newest_sequence_ = std::max(newest_sequence_, sequence);
  if (count_ % kChunkSize == 0) BeginChunk();
  Chunk* chunk = chunks_.back().get();
  const size_t at = count_++ % kChunkSize;
  RangeTombstone& added = chunk->tombstones[at];
  added = {begin.ToString(), end.ToString(), sequence};
  CountMemory(HeapBytes(added.begin) + HeapBytes(added.end));
  chunk->count.store(at + 1, std::memory_order_release);
  view_.store(views_.back().get(), std::memory_order_release);
  return true;
}

void RangeTombstoneSet::BeginChunk() {
  auto view = std::make_unique<View>();
  if (!chunks_.empty()) {
    view->trees = views_.back()->trees;
    std::vector<const RangeTombstone*> tombstones;
    for (const RangeTombstone& tombstone : chunks_.back()->tombstones) {
      tombstones.push_back(&tombstone);
    }
    while (!view->trees.empty() &&
           view->trees.back()->size() <= tombstones.size()) {
      const auto& added = view->trees.back()->tombstones();
      tombstones.insert(tombstones.end(), added.begin(), added.end());
      view->trees.pop_back();
    }
    view->trees.push_back(std::make_shared<const RangeTombstoneTree>(
        std::move(tombstones), comparator_));
    CountMemory(view->trees.back()->MemoryUsage());
  }
  CountMemory(sizeof(Chunk) + sizeof(View));
  chunks_.push_back(std::make_unique<Chunk>());
  view->last = chunks_.back().get();
  views_.push_back(std::move(view));
}

SequenceNumber RangeTombstoneSet::CoveringIn(const View& view,
                                             const Slice& user_key,
                                             SequenceNumber snapshot) const {
  SequenceNumber newest = 0;
  const size_t count = view.last->count.load(std::memory_order_acquire);
  for (size_t i = 0; i < count; ++i) {
    const RangeTombstone& tombstone = view.last->tombstones[i];
    if (tombstone.sequence > newest && tombstone.sequence <= snapshot &&
        comparator_->Compare(tombstone.begin, user_key) <= 0 &&
        comparator_->Compare(user_key, tombstone.end) < 0) {
      newest = tombstone.sequence;
    }
  }
  for (const auto& tree : view.trees) {
    newest = std::max(newest, tree->CoveringSequence(user_key, snapshot));
  }
  return newest;
}

std::vector<RangeTombstone> RangeTombstoneSet::All() const {
  std::vector<RangeTombstone> all;
  MutexLock lock(&mutex_);
  all.reserve(count_);
  for (const auto& chunk : chunks_) {
    const auto begin = chunk->tombstones.begin();
    const size_t count = chunk->count.load(std::memory_order_relaxed);
    all.insert(all.end(), begin, begin + static_cast<ptrdiff_t>(count));
  }
  return all;
}

std::shared_ptr<const FragmentedRangeTombstones> RangeTombstoneSet::Fragments()
    const {
  if (empty()) return nullptr;
  {
    MutexLock lock(&mutex_);
    if (fragmented_count_ == count_) return fragments_;
  }
  // Without the lock, which additions need.
  std::vector<RangeTombstone> all = All();
  const size_t count = all.size();
  auto fresh = std::make_shared<const FragmentedRangeTombstones>(std::move(all),
                                                                 comparator_);
  MutexLock lock(&mutex_);
  if (count > fragmented_count_) {
    fragments_ = fresh;
    fragmented_count_ = count;
  }
  return fresh;
}

}  // namespace paceline
