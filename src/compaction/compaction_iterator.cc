#include "src/compaction/compaction_iterator.h"

#include <algorithm>
#include <utility>

#include "src/base/check.h"

namespace paceline {

namespace {

constexpr size_t kNoStripe = SIZE_MAX;

// Of those that are read: a long row may have nothing that is written.
constexpr uint64_t kEntriesBetweenChecks = 1024;

// True if the operator could apply them.
bool MergeFully(const CompactionIterator::Config& config, const Slice& user_key,
                const Slice* base, const std::vector<Slice>& operands,
                std::string* result) {
  if (config.merge_operator == nullptr) return false;
  static const char kNoChoice = '\0';
  Slice choice(&kNoChoice, 0);
  MergeOperator::MergeOperationInput in{user_key, base, operands,
                                        config.logger};
  MergeOperator::MergeOperationOutput out{*result, choice};
  if (!config.merge_operator->FullMergeV2(in, &out)) return false;
  if (choice.data() != &kNoChoice) {
    result->assign(choice.data(), choice.size());
  }
  return true;
}

}  // namespace

CompactionIterator::CompactionIterator(Config config, InternalIterator* input)
    : config_(std::move(config)), input_(input) {}

void CompactionIterator::SeekToFirst() {
  input_->SeekToFirst();
  has_current_ = false;
  FindNext();
}

void CompactionIterator::Next() {
  PL_DCHECK(is_valid_);
  if (shows_input_) NextInput();
  FindNext();
}

void CompactionIterator::NextInput() {
  input_->Next();
  if (++entries_read_ % kEntriesBetweenChecks == 0 && config_.is_stopping &&
      config_.is_stopping()) {
    stopped_ = Status::ShutdownInProgress("the compaction was stopped");
  }
}

void CompactionIterator::FindNext() {
  is_valid_ = false;
  shows_input_ = false;
  while (stopped_.ok()) {
    if (!queue_.empty()) {
      ShowQueued();
      return;
    }
    if (!input_->Valid()) return;
    if (TakeEntry()) {
      is_valid_ = true;
      shows_input_ = true;
      return;
    }
  }
}

void CompactionIterator::ShowQueued() {
  shown_ = std::move(queue_.front());
  queue_.pop_front();
  key_ = shown_.key;
  value_ = shown_.value;
  is_valid_ = true;
}

void CompactionIterator::BeginKey(const Slice& user_key) {
  has_current_ = true;
  current_.assign(user_key.data(), user_key.size());
  decided_stripe_ = kNoStripe;
  is_bottommost_ = Known::kNo;
}

bool CompactionIterator::TakeEntry() {
  Slice internal_key = input_->key();
  Slice user_key = ExtractUserKey(internal_key);
  uint64_t tag = ExtractTag(internal_key);
  SequenceNumber sequence = TagSequence(tag);
  if (!IsSameKey()) BeginKey(user_key);
  if (IsCovered(user_key, sequence)) {
    NextInput();
    return false;
  }
  size_t stripe = StripeOf(sequence);
  if (TagType(tag) == ValueType::kSingleDeletion) {
    TakeSingleDelete(tag);
    return false;
  }
  if (stripe == decided_stripe_) {
    NextInput();
    return false;
  }
  decided_stripe_ = stripe;
  if (TagType(tag) == ValueType::kMerge) {
    TakeMerge(tag);
    return false;
  }
  bool is_last_word = stripe == 0 && IsBottommost();
  if (is_last_word && TagType(tag) == ValueType::kDeletion) {
    NextInput();
    return false;
  }
  key_ = internal_key;
  value_ = input_->value();
  if (is_last_word && TagType(tag) == ValueType::kValue && sequence != 0 &&
      !HasTombstone(user_key)) {
    zeroed_key_.clear();
    AppendInternalKey(&zeroed_key_, user_key, 0, ValueType::kValue);
    key_ = zeroed_key_;
  }
  return true;
}

// Collects the operands of one stripe and the entry below them.
void CompactionIterator::TakeMerge(uint64_t newest_tag) {
  size_t stripe = StripeOf(TagSequence(newest_tag));
  std::vector<Entry> operands;  // Newest first.
  std::vector<std::string> values;
  bool has_end = false;  // What is below the operands is known.
  bool has_base = false;
  std::string base;
  while (input_->Valid() && IsSameKey()) {
    uint64_t tag = ExtractTag(input_->key());
    SequenceNumber sequence = TagSequence(tag);
    if (StripeOf(sequence) != stripe) break;
    if (IsCovered(current_, sequence)) {
      has_end = true;
      break;
    }
    if (TagType(tag) != ValueType::kMerge) {
      has_end = true;
      has_base = TagType(tag) == ValueType::kValue;
      if (has_base) base = input_->value().ToString();
      break;
    }
    operands.push_back({input_->key().ToString(), input_->value().ToString()});
    values.push_back(operands.back().value);
    NextInput();
  }
  if (!input_->status().ok()) return;
  bool is_end_of_key = !input_->Valid() || !IsSameKey();
  if (is_end_of_key && stripe == 0 && IsBottommost()) has_end = true;

  if (has_end && config_.merge_operator != nullptr) {
    std::vector<Slice> slices(values.rbegin(), values.rend());
    Slice base_slice(base);
    std::string merged;
    if (MergeFully(config_, current_, has_base ? &base_slice : nullptr, slices,
                   &merged)) {
      bool is_last_word = stripe == 0 && IsBottommost();
      SequenceNumber sequence =
          is_last_word && !HasTombstone(current_) ? 0 : TagSequence(newest_tag);
      Queue(PackTag(sequence, ValueType::kValue), merged);
      return;
    }
  }
  KeepOperands(operands);
  // What they stand on must stay.
  if (has_end) decided_stripe_ = kNoStripe;
}

// As one operand if the operator can combine them, otherwise as they are.
void CompactionIterator::KeepOperands(const std::vector<Entry>& operands) {
  std::string combined;
  bool is_combined = config_.merge_operator != nullptr && operands.size() > 1;
  for (size_t i = operands.size(); is_combined && i-- > 0;) {
    if (i + 1 == operands.size()) {
      combined = operands[i].value;
      continue;
    }
    std::string next;
    is_combined = config_.merge_operator->PartialMerge(
        current_, combined, operands[i].value, &next, config_.logger);
    combined = std::move(next);
  }
  if (is_combined) {
    queue_.push_back({operands.front().key, std::move(combined)});
    return;
  }
  for (const Entry& operand : operands) queue_.push_back(operand);
}

// Looks at the version below it.
void CompactionIterator::TakeSingleDelete(uint64_t tag) {
  size_t stripe = StripeOf(TagSequence(tag));
  NextInput();
  bool is_end_of_key = !input_->Valid() || !IsSameKey();
  if (!input_->status().ok()) return;
  if (!is_end_of_key) {
    uint64_t below = ExtractTag(input_->key());
    SequenceNumber sequence = TagSequence(below);
    bool is_partner =
        StripeOf(sequence) == stripe && !IsCovered(current_, sequence);
    if (is_partner && TagType(below) == ValueType::kValue) {
      NextInput();  // Both go.
      return;
    }
    // Of two in a row the older one does, and a Delete hides more: what is
    // below may be there more than once.
    if (is_partner && (TagType(below) == ValueType::kSingleDeletion ||
                       TagType(below) == ValueType::kDeletion)) {
      return;
    }
    // Below anything else it has no meaning; nor does anybody see it here.
    if (is_partner && decided_stripe_ == stripe) return;
  } else if (stripe == 0 && IsBottommost()) {
    return;
  }
  decided_stripe_ = stripe;
  Queue(tag, Slice());
}

void CompactionIterator::Queue(uint64_t tag, const Slice& value) {
  Entry entry;
  AppendInternalKey(&entry.key, current_, TagSequence(tag), TagType(tag));
  entry.value.assign(value.data(), value.size());
  queue_.push_back(std::move(entry));
}

bool CompactionIterator::IsSameKey() const {
  return has_current_ && config_.comparator->CompareUserKeys(
                             ExtractUserKey(input_->key()), current_) == 0;
}

size_t CompactionIterator::StripeOf(SequenceNumber sequence) const {
  if (config_.snapshots.empty()) return 0;
  auto end = std::lower_bound(config_.snapshots.begin(),
                              config_.snapshots.end(), sequence);
  return static_cast<size_t>(end - config_.snapshots.begin());
}

// By a tombstone of its own stripe: every snapshot that sees the entry sees the
// tombstone.
bool CompactionIterator::IsCovered(const Slice& user_key,
                                   SequenceNumber sequence) const {
  if (config_.tombstones == nullptr) return false;
  size_t stripe = StripeOf(sequence);
  SequenceNumber end = stripe < config_.snapshots.size()
                           ? config_.snapshots[stripe]
                           : kMaxSequenceNumber;
  return sequence < config_.tombstones->CoveringSequence(user_key, end);
}

bool CompactionIterator::HasTombstone(const Slice& user_key) const {
  return config_.tombstones != nullptr &&
         config_.tombstones->CoveringSequence(user_key, kMaxSequenceNumber) !=
             0;
}

bool CompactionIterator::IsBottommost() {
  if (is_bottommost_ == Known::kNo) {
    bool is_bottommost =
        config_.is_bottommost != nullptr && config_.is_bottommost(current_);
    is_bottommost_ = is_bottommost ? Known::kTrue : Known::kFalse;
  }
  return is_bottommost_ == Known::kTrue;
}

}  // namespace paceline
