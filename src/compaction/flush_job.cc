#include "src/compaction/flush_job.h"

#include <algorithm>
#include <utility>

#include "src/compaction/compaction_iterator.h"
#include "src/version/merging_iterator.h"

namespace paceline {

std::vector<RangeTombstone> VisibleTombstones(
    const FragmentedRangeTombstones& tombstones,
    const std::vector<SequenceNumber>& snapshots,
    const std::function<bool(const Slice& begin, const Slice& end)>&
        drops_oldest) {
  std::vector<RangeTombstone> visible;
  for (const auto& fragment : tombstones.fragments()) {
    size_t last_stripe = SIZE_MAX;
    for (SequenceNumber sequence : fragment.sequences) {
      auto end = std::lower_bound(snapshots.begin(), snapshots.end(), sequence);
      auto stripe = static_cast<size_t>(end - snapshots.begin());
      if (stripe == last_stripe) continue;
      last_stripe = stripe;
      if (stripe == 0 && drops_oldest &&
          drops_oldest(fragment.begin, fragment.end)) {
        continue;
      }
      visible.push_back({fragment.begin, fragment.end, sequence});
    }
  }
  return visible;
}

StatusOr<FlushResult> FlushMemTables(
    const TableOutput::Config& config, Clock* clock,
    std::vector<SequenceNumber> snapshots,
    const std::vector<std::shared_ptr<MemTable>>& memtables,
    Atomic<uint64_t>* entries_read) {
  uint64_t start = clock->MonotonicNanos();
  const ColumnFamily& family = *config.family;
  std::vector<std::unique_ptr<InternalIterator>> sources;
  std::vector<RangeTombstone> deletions;
  for (const auto& memtable : memtables) {
    sources.push_back(memtable->NewIterator());
    std::vector<RangeTombstone> own = memtable->range_tombstones().All();
    std::move(own.begin(), own.end(), std::back_inserter(deletions));
  }
  std::unique_ptr<InternalIterator> input =
      NewMergingIterator(&family.comparator(), std::move(sources));
  FragmentedRangeTombstones tombstones(std::move(deletions),
                                       family.options().comparator);
  TableOutput output(config);
  output.SetTombstones(VisibleTombstones(tombstones, snapshots, nullptr));
  CompactionIterator entries(
      {.comparator = &family.comparator(),
       .merge_operator = family.options().merge_operator.get(),
       .logger = nullptr,
       .snapshots = std::move(snapshots),
       .tombstones = tombstones.fragments().empty() ? nullptr : &tombstones,
       .is_bottommost = nullptr,
       .is_stopping = nullptr},
      input.get());
  Status s;
  for (entries.SeekToFirst(); s.ok() && entries.Valid(); entries.Next()) {
    s = output.Add(entries.key(), entries.value());
    entries_read->store(entries.entries_read(), std::memory_order_relaxed);
  }
  if (s.ok()) s = entries.status();
  if (s.ok()) s = output.Finish();
  if (!s.ok()) return s;
  FlushResult result;
  if (!output.files().empty()) result.file = output.files().front();
  output.Keep();
  result.micros = (clock->MonotonicNanos() - start) / 1000;
  return result;
}

}  // namespace paceline
