// MemTable: the entries of one column family that are not in a table yet.

#pragma once

#include <cstdint>
#include <memory>

#include "src/base/arena.h"
#include "src/base/arena_blocks.h"
#include "src/format/internal_iterator.h"
#include "src/format/internal_key.h"
#include "src/format/range_tombstones.h"
#include "src/memtable/entry_tree.h"

namespace paceline {

// Entries are added by one thread or by several at once, and read without
// locks the whole time; none is ever removed. A MemTable is mutable until the
// write path stops adding to it; then it is sealed.
//
// Thread-safe. Shared by everybody who reads it; iterators and slices must
// not outlive it.
class MemTable {
 public:
  // Its memory comes from `blocks`.
  explicit MemTable(
      const Comparator* user_comparator,
      std::shared_ptr<ArenaBlocks> blocks = std::make_shared<ArenaBlocks>());
  MemTable(const MemTable&) = delete;
  MemTable& operator=(const MemTable&) = delete;

  // Adds an entry. A range deletion has its begin as `user_key` and its end as
  // `value`. False if it is there already (after a recovery that meets it in
  // two WALs); then nothing changes.
  bool Add(SequenceNumber sequence, ValueType type, const Slice& user_key,
           const Slice& value);

  // Walks the point entries of `user_key` with a sequence number up to
  // `snapshot`, newest first, while `visit(sequence, type, value)` returns
  // true.
  template <typename Visit>
  void VisitVersions(const Slice& user_key, SequenceNumber snapshot,
                     Visit visit) const;

  // Over the point entries, in the order of internal keys.
  [[nodiscard]] std::unique_ptr<InternalIterator> NewIterator() const;

  [[nodiscard]] const RangeTombstoneSet& range_tombstones() const {
    return range_tombstones_;
  }
  [[nodiscard]] const InternalKeyComparator& comparator() const {
    return comparator_;
  }

  // The WAL that its first entry is in, or one before it; WALs below hold
  // nothing of it. Set by the holder of the leader's role; only forward, and
  // only while the memtable is empty.
  [[nodiscard]] uint64_t first_wal() const {
    return first_wal_.load(std::memory_order_relaxed);
  }
  void set_first_wal(uint64_t number) {
    first_wal_.store(number, std::memory_order_relaxed);
  }

  // Which seal of the database ended it; memtables of several column families
  // that were sealed together have the same. Set before it is sealed.
  [[nodiscard]] uint64_t seal_ordinal() const {
    return seal_ordinal_.load(std::memory_order_relaxed);
  }
  void set_seal_ordinal(uint64_t ordinal) {
    seal_ordinal_.store(ordinal, std::memory_order_relaxed);
  }

  // Memory taken from the machine, and the part of it in use. Bytes.
  [[nodiscard]] size_t MemoryUsage() const {
    return arena_.MemoryUsage() + range_tombstones_.MemoryUsage();
  }
  [[nodiscard]] size_t UsedBytes() const {
    return arena_.AllocatedBytes() + range_tombstones_.MemoryUsage();
  }
  // Until it is full, for a write buffer of `size` bytes. It is a little before
  // all are used, so that its last entries do not take another block of memory.
  [[nodiscard]] size_t BytesUntilFull(size_t size) const {
    const size_t used = UsedBytes() + size / 512;
    return used < size ? size - used : 0;
  }
  [[nodiscard]] bool IsFull(size_t size) const {
    return BytesUntilFull(size) == 0;
  }

  [[nodiscard]] uint64_t entries() const {
    return entries_.load(std::memory_order_relaxed);
  }
  // Of them: deletions of every kind.
  [[nodiscard]] uint64_t deletions() const {
    return deletions_.load(std::memory_order_relaxed);
  }

 private:
  const InternalKeyComparator comparator_;
  Arena arena_;
  EntryTree tree_;
  RangeTombstoneSet range_tombstones_;
  // Statistics: relaxed, nothing is concluded from them.
  Atomic<uint64_t> entries_ = 0;
  Atomic<uint64_t> deletions_ = 0;
  // Relaxed: a smaller number than the newest one is safe.
  Atomic<uint64_t> first_wal_ = 0;
  // Relaxed: published with the SuperVersion that has it among the sealed.
  Atomic<uint64_t> seal_ordinal_ = 0;
};

template <typename Visit>
void MemTable::VisitVersions(const Slice& user_key, SequenceNumber snapshot,
                             Visit visit) const {
  uint64_t newest = PackTag(snapshot, ValueType::kSeekMax);
  EntryTree::Cursor cursor(&tree_);
  for (cursor.Seek(user_key, newest); cursor.Valid(); cursor.Next()) {
    const EntryTree::Entry& entry = cursor.entry();
    if (comparator_.CompareUserKeys(entry.user_key(), user_key) != 0) return;
    uint64_t tag = entry.tag();
    if (!visit(TagSequence(tag), TagType(tag), entry.value())) return;
  }
}

}  // namespace paceline
