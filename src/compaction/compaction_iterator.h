// CompactionIterator: what is left of a sorted run of entries when everything
// that nobody can see is dropped.

#pragma once

#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "paceline/env.h"
#include "paceline/merge_operator.h"

#include "src/format/internal_iterator.h"
#include "src/format/internal_key.h"
#include "src/format/range_tombstones.h"

namespace paceline {

// Snapshots divide history into stripes: entries of a key in one stripe are
// seen by the same snapshots, so that all but the newest of them can go. The
// oldest stripe ends at the oldest snapshot, the newest has no end.
//
// In the oldest stripe, and where no older version of a key can be anywhere
// else, deletions go too, merge operands become values, and values lose their
// sequence number, unless they are in the range of a tombstone: one that is
// older than a value and is kept, for what it covers elsewhere, must not cover
// the value. A SingleDelete goes together with the value below it, and
// stays until it has met it or the deepest level.
//
// Thread-compatible.
class CompactionIterator {
 public:
  struct Config {
    const InternalKeyComparator* comparator = nullptr;
    const MergeOperator* merge_operator = nullptr;
    Logger* logger = nullptr;
    std::vector<SequenceNumber> snapshots;  // Ascending.
    // Of all inputs, cut to the bounds of their files. Null: none.
    const FragmentedRangeTombstones* tombstones = nullptr;
    // True if nothing older of the user key is outside the input. Called with
    // ascending keys. Null: never.
    std::function<bool(const Slice& user_key)> is_bottommost;
    // Asked now and then; true ends the walk with ShutdownInProgress. Null:
    // never.
    std::function<bool()> is_stopping;
  };

  // `input` must outlive it; nothing else may move it.
  CompactionIterator(Config config, InternalIterator* input);

  void SeekToFirst();
  void Next();
  [[nodiscard]] bool Valid() const { return is_valid_; }
  [[nodiscard]] Slice key() const { return key_; }
  [[nodiscard]] Slice value() const { return value_; }
  [[nodiscard]] Status status() const {
    return stopped_.ok() ? input_->status() : stopped_;
  }

  // Entries read so far.
  [[nodiscard]] uint64_t entries_read() const { return entries_read_; }

 private:
  struct Entry {
    std::string key;
    std::string value;
  };

  void FindNext();
  // Looks at the entry that input_ stands on; true if there is one to show.
  // Moves input_ unless it is that entry.
  bool TakeEntry();
  void BeginKey(const Slice& user_key);
  void TakeMerge(uint64_t tag);
  void TakeSingleDelete(uint64_t tag);
  void KeepOperands(const std::vector<Entry>& operands);
  void ShowQueued();

  void NextInput();
  // Whether input_ stands on another version of the current key.
  [[nodiscard]] bool IsSameKey() const;
  [[nodiscard]] size_t StripeOf(SequenceNumber sequence) const;
  [[nodiscard]] bool IsCovered(const Slice& user_key,
                               SequenceNumber sequence) const;
  // Whether there is a tombstone, of any age, over the key.
  [[nodiscard]] bool HasTombstone(const Slice& user_key) const;
  [[nodiscard]] bool IsBottommost();
  void Queue(uint64_t tag, const Slice& value);

  const Config config_;
  InternalIterator* const input_;
  uint64_t entries_read_ = 0;
  Status stopped_;

  bool is_valid_ = false;
  bool shows_input_ = false;  // Otherwise what is in shown_.
  Slice key_;
  Slice value_;
  Entry shown_;
  std::string zeroed_key_;
  std::deque<Entry> queue_;

  // The key whose versions are being looked at.
  bool has_current_ = false;
  std::string current_;
  // The stripe whose newest entry was seen, or kNoStripe.
  size_t decided_stripe_ = 0;
  enum class Known { kNo, kFalse, kTrue };
  Known is_bottommost_ = Known::kNo;
};

}  // namespace paceline
