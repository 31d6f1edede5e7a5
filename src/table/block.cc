#include "src/table/block.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "src/base/check.h"
#include "src/base/coding.h"

namespace paceline {

namespace {

// The footer word.
constexpr uint32_t kRestartsMask = (uint32_t{1} << 28) - 1;
constexpr uint32_t kSeparatedValuesFlag = uint32_t{1} << 28;
// Bit 29 is a hint for searching.
constexpr uint32_t kReservedFlag = uint32_t{1} << 30;
constexpr uint32_t kHashIndexFlag = uint32_t{1} << 31;

// The lengths that an entry starts with.
struct EntryLengths {
  uint32_t shared;
  uint32_t unshared;
  uint32_t value;
};

// Off the front of what lies between `position` and `limit`; null if they are
// malformed. Nearly all of them are of one byte each.
const char* DecodeLengths(const char* position, const char* limit,
                          EntryLengths* lengths) {
  if (limit - position >= 3) {
    const auto shared = static_cast<unsigned char>(position[0]);
    const auto unshared = static_cast<unsigned char>(position[1]);
    const auto value = static_cast<unsigned char>(position[2]);
    if ((shared | unshared | value) < 128) {
      *lengths = {shared, unshared, value};
      return position + 3;
    }
  }
  Slice input(position, static_cast<size_t>(limit - position));
  if (!GetVarint32(&input, &lengths->shared) ||
      !GetVarint32(&input, &lengths->unshared) ||
      !GetVarint32(&input, &lengths->value)) {
    return nullptr;
  }
  return input.data();
}

}  // namespace

StatusOr<std::shared_ptr<const Block>> Block::Parse(BlockBuffer contents,
                                                    Kind kind) {
  if (contents.size() > kMaxBlockBytes) {
    return Status::Corruption("block too large");
  }
  auto block = std::make_shared<Block>(std::move(contents));
  if (Status s = block->ParseFooter(kind); !s.ok()) return s;
  if (Status s = block->CheckRestarts(); !s.ok()) return s;
  return std::shared_ptr<const Block>(std::move(block));
}

std::shared_ptr<const Block> Block::Copy() const {
  BlockBuffer contents;
  if (!contents.Assign(contents_.slice())) return nullptr;
  auto copy = std::make_shared<Block>(std::move(contents));
  copy->entries_end_ = entries_end_;
  copy->restarts_begin_ = restarts_begin_;
  copy->restarts_ = restarts_;
  copy->has_separated_values_ = has_separated_values_;
  return copy;
}

// Takes the parts behind the entries off the end, the last one first.
Status Block::ParseFooter(Kind kind) {
  const auto malformed = [] {
    return Status::Corruption("malformed end of a block");
  };
  uint64_t end = contents_.size();
  if (end < sizeof(uint32_t)) return malformed();
  end -= sizeof(uint32_t);
  const uint32_t footer = DecodeFixed32(data_ + end);
  if ((footer & kReservedFlag) != 0) {
    return Status::NotSupported("block with an unknown flag");
  }
  has_separated_values_ = (footer & kSeparatedValuesFlag) != 0;
  const bool has_hash_index = (footer & kHashIndexFlag) != 0;
  if (kind != Kind::kData && (has_separated_values_ || has_hash_index)) {
    return malformed();
  }

  uint32_t values_offset = 0;
  if (has_separated_values_) {
    if (end < sizeof(uint32_t)) return malformed();
    end -= sizeof(uint32_t);
    values_offset = DecodeFixed32(data_ + end);
  }
  if (has_hash_index) {
    if (end < sizeof(uint16_t)) return malformed();
    end -= sizeof(uint16_t);
    const auto buckets = DecodeFixed<uint16_t>(data_ + end);
    if (end < buckets) return malformed();
    end -= buckets;
  }
  restarts_ = footer & kRestartsMask;
  const uint64_t restarts_bytes = restarts_ * uint64_t{sizeof(uint32_t)};
  if (restarts_ == 0 || end < restarts_bytes) return malformed();
  restarts_begin_ = static_cast<uint32_t>(end - restarts_bytes);
  entries_end_ = has_separated_values_ ? values_offset : restarts_begin_;
  return entries_end_ <= restarts_begin_ ? Status::OK() : malformed();
}

Status Block::CheckRestarts() const {
  bool is_good = RestartOffset(0) == 0;
  if (entries_end_ == 0) {
    is_good = is_good && restarts_ == 1;
  } else {
    is_good = is_good && RestartOffset(restarts_ - 1) < entries_end_;
  }
  for (uint32_t i = 1; is_good && i < restarts_; ++i) {
    is_good = RestartOffset(i - 1) < RestartOffset(i);
  }
  return is_good ? Status::OK()
                 : Status::Corruption("malformed restarts of a block");
}

void EntryKey::Extend(size_t shared, const char* tail, size_t tail_size) {
  const size_t size = shared + tail_size;
  if (size > capacity_) {
    const size_t capacity = std::max(size, 2 * capacity_);
    auto heap = std::make_unique_for_overwrite<char[]>(capacity);
    std::memcpy(heap.get(), data_, shared);
    heap_ = std::move(heap);
    buffer_ = heap_.get();
    capacity_ = capacity;
  } else if (!is_own()) {
    std::memcpy(buffer_, data_, shared);
  }
  std::memcpy(buffer_ + shared, tail, tail_size);
  data_ = buffer_;
  size_ = size;
}

char* EntryKey::Own() {
  if (!is_own()) Extend(size_, "", 0);
  return buffer_;
}

void BlockIterator::Reset(const Block* block,
                          const InternalKeyComparator* comparator) {
  block_ = block;
  comparator_ = comparator;
  data_ = block->data();
  entries_end_ = block->entries_end();
  has_separated_values_ = block->has_separated_values();
  key_size_min_ = comparator != nullptr ? kTagBytes : 0;
  is_valid_ = false;
  is_damaged_ = false;
  past_.clear();
}

void BlockIterator::Init(const Block* block,
                         const InternalKeyComparator* comparator) {
  Reset(block, comparator);
  overrides_sequence_ = false;
}

void BlockIterator::Init(const Block* block,
                         const InternalKeyComparator* comparator,
                         SequenceNumber sequence) {
  Reset(block, comparator);
  overrides_sequence_ = true;
  sequence_ = sequence;
}

bool BlockIterator::Damage() {
  is_damaged_ = true;
  is_valid_ = false;
  return false;
}

bool BlockIterator::ParseNext() {
  offset_ = next_offset_;
  if (offset_ >= entries_end_) {
    is_valid_ = false;
    return false;
  }
  if (overrides_sequence_ && key_.size() >= kTagBytes) {
    // The next key may share bytes with the tag as it is stored.
    EncodeFixed(key_.Own() + key_.size() - kTagBytes, stored_tag_);
  }
  const char* const limit = data_ + entries_end_;
  EntryLengths lengths;
  const char* position = DecodeLengths(data_ + offset_, limit, &lengths);
  if (position == nullptr || lengths.shared > key_.size()) return Damage();
  if (has_separated_values_ && !TakeSeparatedValue(&position, lengths.value)) {
    return Damage();
  }
  const uint64_t value_here = has_separated_values_ ? 0 : lengths.value;
  if (lengths.unshared + value_here > static_cast<uint64_t>(limit - position) ||
      uint64_t{lengths.shared} + lengths.unshared < key_size_min_) {
    return Damage();
  }
  key_.Append(lengths.shared, position, lengths.unshared);
  position += lengths.unshared;
  if (!has_separated_values_) {
    value_ = Slice(position, lengths.value);
    position += lengths.value;
  }
  next_offset_ = static_cast<uint32_t>(position - data_);
  if (overrides_sequence_) {
    stored_tag_ = ExtractTag(key_.slice());
    EncodeFixed(key_.Own() + key_.size() - kTagBytes,
                PackTag(sequence_, TagType(stored_tag_)));
  }
  is_valid_ = true;
  return true;
}

bool BlockIterator::TakeSeparatedValue(const char** position,
                                       uint32_t value_size) {
  if (next_restart_ < block_->restarts() &&
      offset_ == block_->RestartOffset(next_restart_)) {
    ++next_restart_;
    Slice input(*position,
                static_cast<size_t>(data_ + entries_end_ - *position));
    uint64_t offset_in_values = 0;
    if (!GetVarint64(&input, &offset_in_values)) return false;
    if (offset_in_values > block_->values_end()) return false;
    *position = input.data();
    value_offset_ = entries_end_ + offset_in_values;
  }
  if (value_offset_ + value_size > block_->values_end()) return false;
  value_ = Slice(data_ + value_offset_, value_size);
  value_offset_ += value_size;
  return true;
}

void BlockIterator::StartAtRestart(uint32_t restart) {
  is_damaged_ = false;
  key_.Clear();
  past_.clear();
  next_offset_ = block_->RestartOffset(restart);
  next_restart_ = restart;
}

void BlockIterator::SeekToFirst() {
  StartAtRestart(0);
  ParseNext();
}

void BlockIterator::SeekToLast() {
  if (entries_end_ == 0) {
    is_valid_ = false;
    return;
  }
  MoveBefore(entries_end_);
}

bool BlockIterator::RestartKey(uint32_t restart, Slice* key) const {
  const char* const limit = data_ + entries_end_;
  EntryLengths lengths;
  const char* position =
      DecodeLengths(data_ + block_->RestartOffset(restart), limit, &lengths);
  if (position == nullptr || lengths.shared != 0) return false;
  if (has_separated_values_) {
    Slice input(position, static_cast<size_t>(limit - position));
    uint64_t ignored = 0;
    if (!GetVarint64(&input, &ignored)) return false;
    position = input.data();
  }
  if (lengths.unshared > static_cast<uint64_t>(limit - position) ||
      lengths.unshared < kTagBytes) {
    return false;
  }
  *key = Slice(position, lengths.unshared);
  return true;
}

bool BlockIterator::RestartsLeadToEntries() {
  uint32_t restart = 0;
  for (SeekToFirst(); is_valid_; Next()) {
    if (restart == block_->restarts() ||
        offset_ != block_->RestartOffset(restart)) {
      continue;
    }
    Slice ignored;
    if (!RestartKey(restart, &ignored)) break;
    ++restart;
  }
  const bool is_good = !is_valid_ && !is_damaged_ &&
                       (restart == block_->restarts() || entries_end_ == 0);
  is_valid_ = false;
  return is_good;
}

int BlockIterator::CompareStored(const Slice& key, const Slice& user_key,
                                 uint64_t tag) const {
  uint64_t shown_tag = ExtractTag(key);
  if (overrides_sequence_) shown_tag = PackTag(sequence_, TagType(shown_tag));
  return comparator_->Compare(ExtractUserKey(key), shown_tag, user_key, tag);
}

void BlockIterator::Seek(const Slice& user_key, uint64_t tag) {
  PL_DCHECK(comparator_ != nullptr);
  if (entries_end_ == 0) {
    is_valid_ = false;
    return;
  }
  // The last restart in front of the target, or the first.
  uint32_t left = 0;
  uint32_t right = block_->restarts() - 1;
  while (left < right) {
    const uint32_t middle = left + (right - left + 1) / 2;
    Slice key;
    if (!RestartKey(middle, &key)) {
      Damage();
      return;
    }
    if (CompareStored(key, user_key, tag) < 0) {
      left = middle;
    } else {
      right = middle - 1;
    }
  }
  StartAtRestart(left);
  while (ParseNext() &&
         comparator_->Compare(ExtractUserKey(key_.slice()),
                              ExtractTag(key_.slice()), user_key, tag) < 0) {
  }
}

void BlockIterator::SeekForPrev(const Slice& target) {
  Seek(target);
  if (is_damaged_) return;
  if (!is_valid_) {
    SeekToLast();
  } else if (comparator_->Compare(key_.slice(), target) > 0) {
    Prev();
  }
}

uint32_t BlockIterator::RestartBefore(uint32_t offset) const {
  uint32_t left = 0;
  uint32_t right = block_->restarts() - 1;
  while (left < right) {
    const uint32_t middle = left + (right - left + 1) / 2;
    if (block_->RestartOffset(middle) < offset) {
      left = middle;
    } else {
      right = middle - 1;
    }
  }
  return left;
}

void BlockIterator::Prev() {
  PL_DCHECK(is_valid_);
  if (past_.size() > 1 && past_.back().offset == offset_) {
    past_.pop_back();
    ShowPast();
    return;
  }
  if (offset_ == 0) {
    is_valid_ = false;
    return;
  }
  MoveBefore(offset_);
}

void BlockIterator::MoveBefore(uint32_t offset) {
  StartAtRestart(RestartBefore(offset));
  past_keys_.clear();
  while (ParseNext()) {
    Remember();
    if (next_offset_ >= offset) return;
  }
  // There is an entry in front of `offset`.
  Damage();
}

// Without it Prev() would read half an interval again for each entry.
void BlockIterator::Remember() {
  // These do without: the place of a value depends on the entry before.
  if (has_separated_values_) return;
  const Slice key = key_.slice();
  if (past_.size() >= kPastEntriesMax ||
      past_keys_.size() + key.size() > kPastKeyBytesMax) {
    past_.clear();
    past_keys_.clear();
  }
  past_.push_back({.offset = offset_,
                   .next_offset = next_offset_,
                   .key = key_.is_own() ? nullptr : key.data(),
                   .key_offset = past_keys_.size(),
                   .key_size = key.size(),
                   .stored_tag = stored_tag_,
                   .value = value_});
  if (key_.is_own()) {
    past_keys_.insert(past_keys_.end(), key.begin(), key.end());
  }
}

void BlockIterator::ShowPast() {
  const PastEntry& entry = past_.back();
  offset_ = entry.offset;
  next_offset_ = entry.next_offset;
  stored_tag_ = entry.stored_tag;
  value_ = entry.value;
  key_.Refer(
      entry.key != nullptr ? entry.key : past_keys_.data() + entry.key_offset,
      entry.key_size);
}

}  // namespace paceline
