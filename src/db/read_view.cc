#include "src/db/read_view.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "src/db/db_iterator.h"
#include "src/db/merge.h"
#include "src/version/merging_iterator.h"

namespace paceline {

namespace {

// Follows one key from its newest visible version to the one that decides.
class KeyLookup {
 public:
  KeyLookup(const Slice& user_key, SequenceNumber snapshot)
      : user_key_(user_key), snapshot_(snapshot) {}

  // Sources must come newest first. True if older ones are needed.
  bool LookIn(const MemTable& memtable) {
    if (auto fragments = memtable.range_tombstones().Fragments()) {
      covering_ = std::max(covering_,
                           fragments->CoveringSequence(user_key_, snapshot_));
    }
    memtable.VisitVersions(
        user_key_, snapshot_,
        [this](SequenceNumber sequence, ValueType type, const Slice& value) {
          return Visit(sequence, type, value);
        });
    return !is_decided_;
  }

  [[nodiscard]] bool has_base() const { return has_base_; }
  [[nodiscard]] const Slice& base() const { return base_; }
  // Newest first.
  std::vector<Slice>& operands() { return operands_; }

 private:
  // True if older versions are needed.
  bool Visit(SequenceNumber sequence, ValueType type, const Slice& value) {
    if (sequence >= covering_ && type == ValueType::kMerge) {
      operands_.push_back(value);
      return true;
    }
    if (sequence >= covering_ && type == ValueType::kValue) {
      base_ = value;
      has_base_ = true;
    }
    is_decided_ = true;
    return false;
  }

  const Slice user_key_;
  const SequenceNumber snapshot_;
  SequenceNumber covering_ = 0;  // Of the newest range tombstone seen.
  bool is_decided_ = false;
  bool has_base_ = false;
  Slice base_;
  std::vector<Slice> operands_;
};

}  // namespace

ReadView::ReadView(std::shared_ptr<ColumnFamily> family,
                   SequenceNumber sequence, std::shared_ptr<Logger> logger)
    : family_(std::move(family)),
      super_version_(family_->PinSuperVersion()),
      sequence_(sequence),
      logger_(std::move(logger)) {}

Status ReadView::Get(const Slice& user_key, PinnableSlice* value) const {
  KeyLookup lookup(user_key, sequence_);
  bool goes_on = lookup.LookIn(*super_version_->mutable_memtable);
  for (const auto& memtable : super_version_->sealed_memtables) {
    if (!goes_on) break;
    goes_on = lookup.LookIn(*memtable);
  }
  if (!lookup.operands().empty()) {
    std::reverse(lookup.operands().begin(), lookup.operands().end());
    Status s =
        ApplyMerge(family_->options().merge_operator.get(), logger_.get(),
                   user_key, lookup.has_base() ? &lookup.base() : nullptr,
                   lookup.operands(), value->GetSelf());
    if (s.ok()) value->PinSelf();
    return s;
  }
  if (!lookup.has_base()) return Status::NotFound();
  value->PinSlice(lookup.base(), super_version_);
  return Status::OK();
}

std::unique_ptr<Iterator> ReadView::NewIterator(
    const ReadOptions& options) const {
  std::vector<std::unique_ptr<InternalIterator>> children;
  std::vector<std::shared_ptr<const FragmentedRangeTombstones>> tombstones;
  auto add = [&](const MemTable& memtable) {
    children.push_back(memtable.NewIterator());
    if (auto fragments = memtable.range_tombstones().Fragments()) {
      tombstones.push_back(std::move(fragments));
    }
  };
  add(*super_version_->mutable_memtable);
  for (const auto& memtable : super_version_->sealed_memtables) add(*memtable);

  const InternalKeyComparator& comparator =
      super_version_->mutable_memtable->comparator();
  return std::make_unique<DBIterator>(DBIterator::Source{
      .family = family_,
      .super_version = super_version_,
      .entries = NewMergingIterator(&comparator, std::move(children)),
      .tombstones = std::move(tombstones),
      .sequence = sequence_,
      .lower_bound = options.iterate_lower_bound,
      .upper_bound = options.iterate_upper_bound,
      .logger = logger_});
}

}  // namespace paceline
