#include "src/db/read_view.h"

#include <algorithm>
#include <utility>

#include "src/db/db_iterator.h"
#include "src/db/error_iterator.h"
#include "src/db/merge.h"
#include "src/version/merging_iterator.h"

namespace paceline {

namespace {

BlockReadOptions ToBlockReadOptions(const ReadOptions& options) {
  return {.verify_checksums = options.verify_checksums,
          .fill_cache = options.fill_cache,
          .readahead_size = options.readahead_size};
}

}  // namespace

Status ReadView::Get(const ReadOptions& options, const Slice& user_key,
                     HeldBlocks* held, PinnableSlice* value) const {
  KeyLookup lookup(&family_->comparator(), user_key, sequence_);
  lookup.LookIn(*super_version_->mutable_memtable);
  for (const auto& memtable : super_version_->sealed_memtables) {
    if (lookup.is_decided()) break;
    lookup.LookIn(*memtable);
  }
  if (!lookup.is_decided()) {
    Status s = super_version_->version->Get(ToBlockReadOptions(options),
                                            &lookup, held);
    if (!s.ok()) return s;
  }
  if (!lookup.operands().empty()) {
    std::reverse(lookup.operands().begin(), lookup.operands().end());
    Status s =
        ApplyMerge(family_->options().merge_operator.get(), logger_, user_key,
                   lookup.has_base() ? &lookup.base() : nullptr,
                   lookup.operands(), value->GetSelf());
    if (s.ok()) value->PinSelf();
    return s;
  }
  if (!lookup.has_base()) return Status::NotFound();
  value->PinSlice(lookup.base(), lookup.base_pin() != nullptr
                                     ? lookup.base_pin()
                                     : super_version_.shared());
  return Status::OK();
}

std::unique_ptr<Iterator> NewDBIterator(
    const ReadOptions& options, std::shared_ptr<ColumnFamily> family,
    std::shared_ptr<const SuperVersion> super_version, SequenceNumber sequence,
    std::shared_ptr<Logger> logger) {
  std::vector<std::unique_ptr<InternalIterator>> children;
  std::vector<std::shared_ptr<const FragmentedRangeTombstones>> tombstones;
  auto add = [&](const MemTable& memtable) {
    children.push_back(memtable.NewIterator());
    if (auto fragments = memtable.range_tombstones().Fragments()) {
      tombstones.push_back(std::move(fragments));
    }
  };
  add(*super_version->mutable_memtable);
  for (const auto& memtable : super_version->sealed_memtables) add(*memtable);
  Status s = super_version->version->AddIterators(ToBlockReadOptions(options),
                                                  &children);
  if (!s.ok()) return NewErrorIterator(s);
  const InternalKeyComparator& comparator = family->comparator();
  return std::make_unique<DBIterator>(DBIterator::Source{
      .family = std::move(family),
      .super_version = std::move(super_version),
      .entries = NewMergingIterator(&comparator, std::move(children)),
      .tombstones = std::move(tombstones),
      .sequence = sequence,
      .lower_bound = options.iterate_lower_bound,
      .upper_bound = options.iterate_upper_bound,
      .logger = std::move(logger)});
}

}  // namespace paceline
