#include "src/db/db_iterator.h"

#include <algorithm>
#include <utility>

#include "src/base/check.h"
#include "src/db/merge.h"

namespace paceline {

namespace {

// After as many versions of one key, seeking is cheaper than stepping.
constexpr int kStepsBeforeSeek = 8;

}  // namespace

DBIterator::DBIterator(Source source)
    : source_(std::move(source)),
      comparator_(source_.family->options().comparator),
      entries_(source_.entries.get()),
      table_tombstones_(source_.super_version->version.get()) {}

void DBIterator::SeekInternal(const Slice& user_key, SequenceNumber sequence,
                              ValueType type) {
  target_.clear();
  AppendInternalKey(&target_, user_key, sequence, type);
  entries_->Seek(target_);
}

void DBIterator::SeekForPrevInternal(const Slice& user_key,
                                     SequenceNumber sequence, ValueType type) {
  target_.clear();
  AppendInternalKey(&target_, user_key, sequence, type);
  entries_->SeekForPrev(target_);
}

void DBIterator::SeekToFirst() {
  if (source_.lower_bound != nullptr) {
    Seek(*source_.lower_bound);
    return;
  }
  direction_ = Direction::kForward;
  status_ = Status::OK();
  entries_->SeekToFirst();
  FindNextKey(/*skips_key=*/false);
}

void DBIterator::Seek(const Slice& target) {
  direction_ = Direction::kForward;
  status_ = Status::OK();
  Slice from = target;
  if (source_.lower_bound != nullptr &&
      CompareKeys(target, *source_.lower_bound) < 0) {
    from = *source_.lower_bound;
  }
  SeekInternal(from, source_.sequence, ValueType::kSeekMax);
  FindNextKey(/*skips_key=*/false);
}

void DBIterator::SeekToLast() {
  direction_ = Direction::kBackward;
  status_ = Status::OK();
  if (source_.upper_bound != nullptr) {
    SeekForPrevInternal(*source_.upper_bound, kMaxSequenceNumber,
                        ValueType::kSeekMax);
  } else {
    entries_->SeekToLast();
  }
  FindPrevKey();
}

void DBIterator::SeekForPrev(const Slice& target) {
  if (source_.upper_bound != nullptr &&
      CompareKeys(target, *source_.upper_bound) >= 0) {
    SeekToLast();
    return;
  }
  direction_ = Direction::kBackward;
  status_ = Status::OK();
  SeekForPrevInternal(target, 0, ValueType::kDeletion);
  FindPrevKey();
}

void DBIterator::Next() {
  PL_DCHECK(is_valid_);
  if (direction_ == Direction::kBackward) {
    direction_ = Direction::kForward;
    SeekInternal(key_, 0, ValueType::kDeletion);
  } else if (!has_own_value_) {
    entries_->Next();
  }
  FindNextKey(/*skips_key=*/true);
}

void DBIterator::Prev() {
  PL_DCHECK(is_valid_);
  if (direction_ == Direction::kForward) {
    direction_ = Direction::kBackward;
    SeekForPrevInternal(key_, kMaxSequenceNumber, ValueType::kSeekMax);
  }
  FindPrevKey();
}

Slice DBIterator::value() const {
  return has_own_value_ ? Slice(value_) : entries_->value();
}

Status DBIterator::status() const {
  return status_.ok() ? entries_->status() : status_;
}

void DBIterator::FindNextKey(bool skips_key) {
  int steps = 0;
  for (; entries_->Valid(); entries_->Next()) {
    Slice user_key = ExtractUserKey(entries_->key());
    uint64_t tag = ExtractTag(entries_->key());
    if (TagSequence(tag) > source_.sequence) continue;
    if (skips_key && IsSameKey(user_key)) {
      if (++steps < kStepsBeforeSeek) continue;
      PassOverKey();
      if (!entries_->Valid()) break;
      user_key = ExtractUserKey(entries_->key());
      tag = ExtractTag(entries_->key());
      if (TagSequence(tag) > source_.sequence || IsSameKey(user_key)) continue;
    }
    if (source_.upper_bound != nullptr &&
        CompareKeys(user_key, *source_.upper_bound) >= 0) {
      break;
    }
    key_.assign(user_key.data(), user_key.size());
    ValueType type = TagType(tag);
    Covering covering;
    if (!FindCovering(user_key, &covering)) break;
    bool is_covered = covering.Covers(TagSequence(tag));
    if (!is_covered && type == ValueType::kValue) {
      has_own_value_ = false;
      is_valid_ = true;
      return;
    }
    if (!is_covered && type == ValueType::kMerge) {
      ShowMerged(covering);
      return;
    }
    // Deleted: so are all older versions.
    skips_key = true;
    steps = 0;
  }
  Invalidate();
}

void DBIterator::PassOverKey() { SeekInternal(key_, 0, ValueType::kDeletion); }

// Collects the operands and the value below them, and leaves entries_ behind
// what it has used.
void DBIterator::ShowMerged(const Covering& covering) {
  std::vector<std::string> operands;
  std::string base;
  bool has_base = false;
  for (; entries_->Valid(); entries_->Next()) {
    if (!IsSameKey(ExtractUserKey(entries_->key()))) break;
    uint64_t tag = ExtractTag(entries_->key());
    if (covering.Covers(TagSequence(tag))) break;
    if (TagType(tag) == ValueType::kMerge) {
      operands.push_back(entries_->value().ToString());
      continue;
    }
    if (TagType(tag) == ValueType::kValue) {
      base = entries_->value().ToString();
      has_base = true;
    }
    break;
  }
  if (status_ = entries_->status(); !status_.ok()) {
    Invalidate();
    return;
  }
  std::reverse(operands.begin(), operands.end());
  std::vector<Slice> slices(operands.begin(), operands.end());
  Slice base_slice(base);
  status_ = ApplyMerge(source_.family->options().merge_operator.get(),
                       source_.logger.get(), key_,
                       has_base ? &base_slice : nullptr, slices, &value_);
  has_own_value_ = true;
  is_valid_ = status_.ok();
}

void DBIterator::FindPrevKey() {
  while (entries_->Valid()) {
    Slice user_key = ExtractUserKey(entries_->key());
    if (source_.lower_bound != nullptr &&
        CompareKeys(user_key, *source_.lower_bound) < 0) {
      break;
    }
    key_.assign(user_key.data(), user_key.size());
    is_valid_ = ResolveBackward();
    if (is_valid_ || !status_.ok()) return;
  }
  Invalidate();
}

// Versions come oldest first, so each one that is not a merge operand undoes
// all before it.
bool DBIterator::ResolveBackward() {
  Covering covering;
  if (!FindCovering(key_, &covering)) return false;
  std::vector<std::string> operands;
  bool has_base = false;
  for (; entries_->Valid(); entries_->Prev()) {
    if (!IsSameKey(ExtractUserKey(entries_->key()))) break;
    uint64_t tag = ExtractTag(entries_->key());
    if (TagSequence(tag) > source_.sequence) continue;
    bool is_covered = covering.Covers(TagSequence(tag));
    if (!is_covered && TagType(tag) == ValueType::kMerge) {
      operands.push_back(entries_->value().ToString());
      continue;
    }
    operands.clear();
    has_base = !is_covered && TagType(tag) == ValueType::kValue;
    if (has_base) {
      value_.assign(entries_->value().data(), entries_->value().size());
    }
  }
  // Newer versions may be in what could not be read.
  if (status_ = entries_->status(); !status_.ok()) return false;
  has_own_value_ = true;
  if (operands.empty()) return has_base;
  std::vector<Slice> slices(operands.begin(), operands.end());
  std::string base = std::exchange(value_, std::string());
  Slice base_slice(base);
  status_ = ApplyMerge(source_.family->options().merge_operator.get(),
                       source_.logger.get(), key_,
                       has_base ? &base_slice : nullptr, slices, &value_);
  return status_.ok();
}

bool DBIterator::FindCovering(const Slice& user_key, Covering* covering) {
  for (const auto& fragments : source_.tombstones) {
    covering->Add(fragments->CoveringSequence(user_key, source_.sequence));
  }
  if (table_tombstones_.empty()) return true;
  status_ = table_tombstones_.AddCovering(user_key, source_.sequence, covering);
  return status_.ok();
}

bool DBIterator::IsSameKey(const Slice& user_key) const {
  return CompareKeys(user_key, key_) == 0;
}

int DBIterator::CompareKeys(const Slice& a, const Slice& b) const {
  return comparator_.CompareUserKeys(a, b);
}

void DBIterator::Invalidate() {
  is_valid_ = false;
  has_own_value_ = false;
}

}  // namespace paceline
