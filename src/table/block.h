// Blocks of a table, as they are in memory, and how their entries are read.
//
//   entries
//   [values]              only with separated values
//   u32 x restarts        offsets of the entries whose keys are stored whole
//   [buckets, u16 count]  only with a hash index, which is not used
//   [u32 values offset]   only with separated values
//   u32 footer            restarts, and flags for the parts in brackets
//
// An entry is
//
//   varint shared, varint unshared, [varint value length]
//   the `unshared` bytes of the key that follow the first `shared` bytes of
//   the key before, and the value
//
// Index blocks may leave the value length out. With separated values an entry
// has no value; if its key is stored whole, the lengths are followed by the
// varint offset of its value among the values, and the values of the entries
// behind it follow that one.

#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "paceline/slice.h"
#include "paceline/status.h"

#include "src/format/internal_key.h"
#include "src/table/compression.h"
#include "src/table/table_format.h"

namespace paceline {

// The contents of a block, uncompressed, whose restarts have been checked.
// Immutable; thread-safe.
class Block {
 public:
  // Only data blocks have the optional parts.
  enum class Kind { kData, kOther };

  // Corruption (NotSupported), without a place, if the contents cannot be
  // (use unknown features of) a block.
  static StatusOr<std::shared_ptr<const Block>> Parse(BlockBuffer contents,
                                                      Kind kind);

  [[nodiscard]] const char* data() const { return data_; }
  // Where the entries end. Bytes.
  [[nodiscard]] uint32_t entries_end() const { return entries_end_; }
  // At least 1. Their offsets ascend from 0 and lie in front of entries_end(),
  // except the only one of a block without entries.
  [[nodiscard]] uint32_t restarts() const { return restarts_; }
  [[nodiscard]] uint32_t RestartOffset(uint32_t restart) const {
    return DecodeFixed32(data_ + restarts_begin_ + restart * sizeof(uint32_t));
  }
  [[nodiscard]] bool has_separated_values() const {
    return has_separated_values_;
  }
  // The values section is [entries_end(), values_end()).
  [[nodiscard]] uint32_t values_end() const { return restarts_begin_; }

  // Bytes.
  [[nodiscard]] size_t MemoryUsage() const {
    return sizeof(*this) + contents_.MemoryUsage();
  }
  // True if a copy in its place would help the BlockMemory::Move of the caller.
  [[nodiscard]] bool is_to_move() const { return contents_.is_to_move(); }
  // The same in other memory. Null if there is none.
  [[nodiscard]] std::shared_ptr<const Block> Copy() const;

  // For Parse().
  explicit Block(BlockBuffer contents)
      : contents_(std::move(contents)), data_(contents_.slice().data()) {}

 private:
  Status ParseFooter(Kind kind);
  Status CheckRestarts() const;

  const BlockBuffer contents_;
  const char* const data_;
  uint32_t entries_end_ = 0;
  uint32_t restarts_begin_ = 0;
  uint32_t restarts_ = 0;
  bool has_separated_values_ = false;
};

// The key of an entry: in its block where it is stored whole, else put
// together here. Thread-compatible.
class EntryKey {
 public:
  EntryKey() = default;
  EntryKey(const EntryKey&) = delete;
  EntryKey& operator=(const EntryKey&) = delete;

  [[nodiscard]] Slice slice() const { return {data_, size_}; }
  [[nodiscard]] size_t size() const { return size_; }
  // False if the bytes are somebody else's.
  [[nodiscard]] bool is_own() const { return data_ == buffer_; }

  void Clear() { Refer("", 0); }
  // Points at bytes that must stay until the next call.
  void Refer(const char* data, size_t size) {
    data_ = data;
    size_ = size;
  }
  // Keeps the first `shared` bytes, of which there must be that many, and
  // appends those at `tail`, which must stay until the next call.
  void Append(size_t shared, const char* tail, size_t tail_size) {
    if (shared == 0) {
      Refer(tail, tail_size);
    } else {
      Extend(shared, tail, tail_size);
    }
  }
  // The same; the bytes are then its own.
  void Extend(size_t shared, const char* tail, size_t tail_size);
  // Makes the bytes its own, and returns them.
  char* Own();

 private:
  // Room for most keys without another allocation.
  static constexpr size_t kInlineBytes = 128;

  const char* data_ = "";
  size_t size_ = 0;
  char inline_[kInlineBytes];
  char* buffer_ = inline_;
  size_t capacity_ = kInlineBytes;
  std::unique_ptr<char[]> heap_;
};

// Moves over the entries of a block: of internal keys, or of any other keys in
// one direction. Never reads outside the block, whatever is in it. Makes no
// allocation a step. Thread-compatible.
class BlockIterator {
 public:
  BlockIterator() = default;
  // As by Init().
  explicit BlockIterator(const Block* block) { Init(block, nullptr); }
  BlockIterator(const BlockIterator&) = delete;
  BlockIterator& operator=(const BlockIterator&) = delete;

  // Starts anew over `block`, which must stay; not Valid() until a move. With
  // a null `comparator` the keys may be any bytes, and only SeekToFirst() and
  // Next() may be called.
  void Init(const Block* block, const InternalKeyComparator* comparator);
  // The same; shows and seeks every entry at `sequence`, whichever it has.
  void Init(const Block* block, const InternalKeyComparator* comparator,
            SequenceNumber sequence);

  [[nodiscard]] bool Valid() const { return is_valid_; }
  // An entry is malformed: the iteration has ended in front of it.
  [[nodiscard]] bool is_damaged() const { return is_damaged_; }

  void SeekToFirst();
  void SeekToLast();
  // As those of InternalIterator. `target` must not be this iterator's key().
  void Seek(const Slice& target) {
    Seek(ExtractUserKey(target), ExtractTag(target));
  }
  void Seek(const Slice& user_key, uint64_t tag);
  void SeekForPrev(const Slice& target);
  // Valid() must be true.
  void Next() { ParseNext(); }
  void Prev();

  // True if every restart leads to an entry whose key is stored whole: only
  // then do all moves find the same entries. Goes through all of them; not
  // Valid() afterwards.
  [[nodiscard]] bool RestartsLeadToEntries();

  // Valid() must be true; until the next move. A value stays with its block.
  [[nodiscard]] Slice key() const { return key_.slice(); }
  [[nodiscard]] Slice value() const { return value_; }

 private:
  // An entry in front of the current one, for Prev().
  struct PastEntry {
    uint32_t offset;
    uint32_t next_offset;
    const char* key;  // In the block; null: at key_offset of past_keys_.
    size_t key_offset;
    size_t key_size;
    uint64_t stored_tag;
    Slice value;
  };
  // Bounds of what is kept of them; a restart interval is mostly shorter.
  static constexpr size_t kPastEntriesMax = 1024;
  static constexpr size_t kPastKeyBytesMax = size_t{64} << 10;

  void Reset(const Block* block, const InternalKeyComparator* comparator);
  // Takes the entry at next_offset_; false, with is_valid_, at the end or if
  // it is malformed.
  bool ParseNext();
  // What follows the lengths, for separated values.
  bool TakeSeparatedValue(const char** position, uint32_t value_size);
  bool Damage();
  void StartAtRestart(uint32_t restart);
  // The key of the entry at `restart`, as stored. False if it is malformed.
  bool RestartKey(uint32_t restart, Slice* key) const;
  // Negative, zero or positive: the stored key, as it is to be shown, is
  // before, at or after the other one.
  [[nodiscard]] int CompareStored(const Slice& key, const Slice& user_key,
                                  uint64_t tag) const;
  // The last restart in front of the entry at `offset`, which is not 0.
  [[nodiscard]] uint32_t RestartBefore(uint32_t offset) const;
  // Moves to the last entry in front of `offset`, which is not 0, and keeps
  // those between the restart and that one.
  void MoveBefore(uint32_t offset);
  void Remember();
  void ShowPast();

  const Block* block_ = nullptr;
  const InternalKeyComparator* comparator_ = nullptr;
  const char* data_ = nullptr;
  uint32_t entries_end_ = 0;
  uint32_t offset_ = 0;       // Of the current entry.
  uint32_t next_offset_ = 0;  // Of the one behind it.
  bool is_valid_ = false;
  bool is_damaged_ = false;
  bool has_separated_values_ = false;
  bool overrides_sequence_ = false;
  size_t key_size_min_ = 0;
  SequenceNumber sequence_ = 0;
  uint64_t stored_tag_ = 0;  // Of the current key, if its sequence is not.
  EntryKey key_;
  Slice value_;

  // With separated values: where the next value is, and the next restart.
  uint64_t value_offset_ = 0;
  uint32_t next_restart_ = 0;

  std::vector<PastEntry> past_;  // Ascending; the current entry is the last.
  std::vector<char> past_keys_;
};

}  // namespace paceline
