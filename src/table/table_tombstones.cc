#include "src/table/table_tombstones.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "paceline/comparator.h"

namespace paceline {

namespace {

using Tombstones = std::vector<RangeTombstone>;

// Each tombstone is kept once for each end within it. What a table says in
// few bytes must not take all the memory.
constexpr uint64_t kFragmentsMax = uint64_t{16} << 20;

// Keys share their beginnings in the block, but not in memory.
constexpr uint64_t kExpansionMax = 64;

Status ReadAll(const Block& block, std::optional<SequenceNumber> sequence,
               const Comparator* comparator, Tombstones* tombstones) {
  const uint64_t bytes_max = block.entries_end() * kExpansionMax;
  uint64_t bytes = 0;
  BlockIterator entry(&block);
  for (entry.SeekToFirst(); entry.Valid(); entry.Next()) {
    const Slice key = entry.key();
    if (key.size() < kTagBytes ||
        TagType(ExtractTag(key)) != ValueType::kRangeDeletion) {
      return Status::Corruption("malformed range tombstone");
    }
    bytes += key.size() + entry.value().size();
    if (bytes > bytes_max) {
      return Status::NotSupported("range tombstones that are too large");
    }
    const Slice begin = ExtractUserKey(key);
    if (comparator->Compare(begin, entry.value()) >= 0) continue;
    tombstones->push_back(
        {.begin = begin.ToString(),
         .end = entry.value().ToString(),
         .sequence = sequence.value_or(TagSequence(ExtractTag(key)))});
  }
  if (entry.is_damaged()) {
    return Status::Corruption("malformed range tombstone");
  }
  return Status::OK();
}

// Joins those of one sequence number that overlap or touch: in an ingested
// table all of them have the same one.
void Join(const Comparator* comparator, Tombstones* tombstones) {
  auto is_before = [comparator](const RangeTombstone& a,
                                const RangeTombstone& b) {
    if (a.sequence != b.sequence) return a.sequence < b.sequence;
    return comparator->Compare(a.begin, b.begin) < 0;
  };
  std::sort(tombstones->begin(), tombstones->end(), is_before);
  Tombstones joined;
  for (RangeTombstone& next : *tombstones) {
    if (joined.empty() || joined.back().sequence != next.sequence ||
        comparator->Compare(joined.back().end, next.begin) < 0) {
      joined.push_back(std::move(next));
    } else if (comparator->Compare(joined.back().end, next.end) < 0) {
      joined.back().end = std::move(next.end);
    }
  }
  *tombstones = std::move(joined);
}

// How many pieces they are cut into at each other's ends, or a little more.
uint64_t CountFragments(const Tombstones& tombstones,
                        const Comparator* comparator) {
  std::vector<Slice> begins;
  std::vector<Slice> ends;
  for (const RangeTombstone& tombstone : tombstones) {
    begins.emplace_back(tombstone.begin);
    ends.emplace_back(tombstone.end);
  }
  auto is_before = [comparator](const Slice& a, const Slice& b) {
    return comparator->Compare(a, b) < 0;
  };
  std::sort(begins.begin(), begins.end(), is_before);
  std::sort(ends.begin(), ends.end(), is_before);
  // Behind each begin and each end, those that are open make a piece each.
  uint64_t fragments = 0;
  size_t begun = 0;
  for (size_t ended = 0; ended < ends.size(); ++ended) {
    for (; begun < begins.size() && is_before(begins[begun], ends[ended]);
         ++begun) {
      fragments += begun + 1 - ended;
    }
    fragments += begun - (ended + 1);
  }
  return fragments;
}

}  // namespace

StatusOr<std::shared_ptr<const FragmentedRangeTombstones>> ReadTombstones(
    const Block& block, std::optional<SequenceNumber> sequence,
    const Comparator* comparator) {
  Tombstones tombstones;
  Status s = ReadAll(block, sequence, comparator, &tombstones);
  if (!s.ok()) return s;
  std::shared_ptr<const FragmentedRangeTombstones> fragmented;
  if (tombstones.empty()) return fragmented;
  Join(comparator, &tombstones);
  if (CountFragments(tombstones, comparator) > kFragmentsMax) {
    return Status::NotSupported("too many range tombstones that overlap");
  }
  fragmented = std::make_shared<FragmentedRangeTombstones>(
      std::move(tombstones), comparator);
  return fragmented;
}

}  // namespace paceline
