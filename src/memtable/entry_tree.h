// EntryTree: entries in the order of their internal keys, as a B+-tree whose
// readers take no locks, never wait and never start over. Writers run beside
// each other.
//
// Layout. Entries and nodes live in an Arena; none is moved or removed.
//
//   Entry  sizes | user key, tag | value                      one piece
//   Node   header | kSlots prefixes | kSlots items            16 cache lines
//
// The items of a leaf (level 0) are entries, those of another node its
// children. The key of a child is its `low`: no entry below it is smaller. The
// nodes of a level are linked from left to right, so that a node ends where
// its right neighbour's `low` begins. The leftmost node of a level has no
// `low`, and the key of a first child is never looked at. A prefix is eight
// bytes of the key as a number: it decides nearly every comparison without a
// look at the key, which would be a cache miss.
//
// Why readers are safe. What they may follow (items, `next`) is complete when
// it is stored (release) and stays, so the worst that can happen is to look at
// the wrong place. Three rules prevent that:
//
//  1. Keys of a slot only get smaller. An insert moves items to the right, the
//     last one first, each complete in its new slot before the old slot
//     changes. A split leaves the upper half of the slots as they are, out of
//     use; what comes to lie there later belongs to the lower half.
//  2. So an entry only moves to the right: to a later slot, or to the right
//     neighbour, which is linked before the slots are given up.
//  3. In a slot, the item changes before the prefix: who sees the prefix of a
//     small key gets its item or that of an even smaller one.
//
// A search goes to the right only past slots that it saw in front of its
// target. By rule 1 they stay in front, and by rule 2 no entry that is there
// when the search begins gets behind the search. It goes to the left on a
// mere guess; so it looks at the key that it stops at, and goes on to the
// right while that is in front of the target. A child that was reached through
// an outdated slot lies too far left, by rule 3 and 1, and `next` leads on.
//
// Cursors stay on their entry and remember its slot. While that slot holds the
// entry, nothing was inserted in front of it, and the slots beside it are its
// neighbours. Else they search. Two moments of a split need care:
//
//  - The right neighbour is linked before the upper half of the slots is given
//    up, and may begin in front of an entry that is still seen there.
//  - Of the slots that were given up, the front ones are used again first. One
//    that still holds its entry counts only if it was in use after the slot in
//    front of it was read.
//
// ThreadSanitizer follows all of it: atomics with release and acquire, which
// cost nothing on x86.

#pragma once

#include <array>
#include <cstdint>

#include "paceline/slice.h"

#include "src/base/arena.h"
#include "src/base/sync.h"
#include "src/format/internal_key.h"

namespace paceline {

// Thread-safe; a Cursor is thread-compatible.
class EntryTree {
 public:
  // Immutable.
  struct Entry {
    uint32_t key_bytes;  // Of the internal key.
    uint32_t value_bytes;

    [[nodiscard]] const char* bytes() const {
      return reinterpret_cast<const char*>(this + 1);
    }
    [[nodiscard]] Slice key() const { return {bytes(), key_bytes}; }
    [[nodiscard]] Slice user_key() const {
      return {bytes(), key_bytes - kTagBytes};
    }
    [[nodiscard]] uint64_t tag() const {
      return DecodeFixed64(bytes() + key_bytes - kTagBytes);
    }
    [[nodiscard]] Slice value() const {
      return {bytes() + key_bytes, value_bytes};
    }
  };

  class Cursor;

  // Both must outlive the tree.
  EntryTree(const InternalKeyComparator* comparator, Arena* arena);
  EntryTree(const EntryTree&) = delete;
  EntryTree& operator=(const EntryTree&) = delete;

  // False if an entry of the same key, sequence number and type is there
  // already; the entries are then as before.
  bool Insert(const Slice& user_key, uint64_t tag, const Slice& value);

 private:
  // With the header 16 cache lines. Larger nodes shift more in an insert,
  // smaller ones make the tree higher. The simulator tries the orders of their
  // steps, and meets more splits with few slots.
#ifdef PACELINE_SIM
  static constexpr size_t kSlots = 4;
#else
  static constexpr size_t kSlots = 60;
#endif
  static constexpr size_t kSharedMax = 32;
  // Entries are fetched so far ahead of a walk, to hide the miss.
  static constexpr size_t kAhead = 8;
  // Splits leave at least 30 children: 30^7 leaves are more than memory holds.
  static constexpr size_t kLevels = 8;

  struct Node;

  // Divides entries into those before the target and the others: before are
  // smaller keys, and the equal one too if `is_behind_equal`.
  struct Target {
    Slice user_key;
    uint64_t tag;
    uint64_t prefix;
    bool is_behind_equal;
  };
  struct Place {
    Node* node;
    size_t slot;
  };
  struct Found {
    const Node* leaf;
    size_t slot;
    const Entry* entry;  // Null: none.
  };
  // The nodes that a search came through, by level; null where it did not.
  using Path = std::array<Node*, kLevels>;

  [[nodiscard]] Target MakeTarget(const Slice& user_key, uint64_t tag,
                                  bool is_behind_equal = false) const;
  [[nodiscard]] uint64_t PrefixIn(const Node& node,
                                  const Slice& user_key) const;
  [[nodiscard]] int Compare(const Entry& entry, const Target& target) const;
  [[nodiscard]] bool IsBefore(const Entry& entry, const Target& target) const;
  [[nodiscard]] bool IsBehind(const Entry& entry, const Entry& other) const {
    return comparator_->Compare(entry.user_key(), entry.tag(), other.user_key(),
                                other.tag()) > 0;
  }
  [[nodiscard]] size_t FirstNotBefore(const Node& node,
                                      const Target& target) const;
  Node* Descend(const Target& target, size_t level, Path* path) const;

  [[nodiscard]] Found First() const;
  [[nodiscard]] Found Last() const;
  // From `leaf` on, which must not be behind the target: the first entry that
  // is not before it.
  [[nodiscard]] Found FindFirst(const Node* leaf, const Target& target) const;
  // The last entry before the target.
  [[nodiscard]] Found FindLast(const Target& target) const;

  Entry* NewEntry(const Slice& user_key, uint64_t tag, const Slice& value);
  Node* NewNode(size_t level, const Entry* low, const Slice& shared);
  // The last leaf if the target belongs behind all its entries; else null.
  [[nodiscard]] Node* LastLeafIfBehind(const Target& target) const;
  // Locks the node that the target belongs into: `node` or one right of it.
  Place LockPlace(Node* node, const Target& target) const;
  // Adds to a locked node, which is unlocked, and to those above as needed.
  void AddAt(Place place, Target target, void* item, Path* path);
  void AwaitRootAbove(size_t level);
  Node* Split(const Place& place, const Target& target, void* item);
  void Grow(Node* left, Node* right);

  const InternalKeyComparator* const comparator_;
  Arena* const arena_;
  // Prefixes are exclusive-ored with it: all ones for the reverse order.
  const uint64_t prefix_flip_;
  const bool has_prefixes_;

  Node* const first_leaf_;
  // Changed by who holds the lock of the old root.
  Atomic<Node*> root_;
  // A hint: may be left of the last one.
  Atomic<Node*> last_leaf_;
};

struct EntryTree::Node {
  Node(size_t node_level, const Entry* node_low, const Slice& node_shared);

  [[nodiscard]] size_t count() const {
    return count_.load(std::memory_order_acquire);
  }
  [[nodiscard]] Node* next() const {
    return next_.load(std::memory_order_acquire);
  }
  [[nodiscard]] uint64_t prefix(size_t slot) const {
    return prefixes_[slot].load(std::memory_order_acquire);
  }
  [[nodiscard]] void* item(size_t slot) const {
    return items_[slot].load(std::memory_order_acquire);
  }
  [[nodiscard]] const Entry* entry(size_t slot) const {
    return static_cast<const Entry*>(item(slot));
  }
  [[nodiscard]] Node* child(size_t slot) const {
    return static_cast<Node*>(item(slot));
  }
  [[nodiscard]] const Entry& key(size_t slot) const {
    return level == 0 ? *entry(slot) : *child(slot)->low;
  }
  void Prefetch() const;
  // What a walk needs next: the first entries and the next leaf.
  void PrefetchWalk() const;

  // The others are called with the lock held, or before the node is linked.
  void Lock();
  void Unlock();
  void Store(size_t slot, uint64_t prefix, void* item);
  void InsertAt(size_t slot, uint64_t prefix, void* item);

  const Entry* const low;  // Null: the node is the leftmost of its level.
  Atomic<Node*> next_ = nullptr;
  Atomic<uint32_t> lock_ = 0;  // 1: locked; 2: and somebody may wait.
  Atomic<uint32_t> count_ = 0;
  const uint8_t level;
  // Prefixes are of what follows these bytes in the key. Most keys of the node
  // begin with them; of the others, it counts only that they are smaller or
  // larger.
  const uint8_t shared_bytes;
  std::array<char, kSharedMax> shared;
  alignas(64) std::array<Atomic<uint64_t>, kSlots> prefixes_;
  std::array<Atomic<void*>, kSlots> items_;
};

// A place among the entries; sees entries that are inserted around it.
class EntryTree::Cursor {
 public:
  // `*tree` must outlive it. Not valid before it is moved.
  explicit Cursor(const EntryTree* tree) : tree_(tree) {}

  [[nodiscard]] bool Valid() const { return at_.entry != nullptr; }
  [[nodiscard]] const Entry& entry() const { return *at_.entry; }

  void SeekToFirst() { at_ = tree_->First(); }
  void SeekToLast() { at_ = tree_->Last(); }
  // To the first entry at or after (user_key, tag).
  void Seek(const Slice& user_key, uint64_t tag) {
    const Target target = tree_->MakeTarget(user_key, tag);
    at_ = tree_->FindFirst(tree_->Descend(target, 0, nullptr), target);
  }
  // To the last entry at or before it.
  void SeekForPrev(const Slice& user_key, uint64_t tag) {
    at_ = tree_->FindLast(tree_->MakeTarget(user_key, tag, true));
  }
  void Next();
  void Prev();

 private:
  const EntryTree* tree_;
  Found at_{nullptr, 0, nullptr};
};

inline void EntryTree::Cursor::Next() {
  const Node* leaf = at_.leaf;
  const size_t count = leaf->count();
  const size_t slot = at_.slot + 1;
  if (slot < count) {
    if (slot + kAhead < count) __builtin_prefetch(leaf->entry(slot + kAhead));
    const Entry* next = leaf->entry(slot);
    if (leaf->entry(at_.slot) == at_.entry && next != at_.entry) {
      at_.slot = slot;
      at_.entry = next;
      return;
    }
  } else if (const Node* right = leaf->next();
             right != nullptr && slot == count && leaf->count() == count &&
             leaf->entry(at_.slot) == at_.entry &&
             tree_->IsBehind(*right->low, *at_.entry)) {
    at_ = {right, 0, right->low};
    right->PrefetchWalk();
    return;
  }
  at_ = tree_->FindFirst(
      leaf, tree_->MakeTarget(at_.entry->user_key(), at_.entry->tag(), true));
}

inline void EntryTree::Cursor::Prev() {
  if (at_.slot > 0) {
    const size_t slot = at_.slot - 1;
    if (slot >= kAhead) __builtin_prefetch(at_.leaf->entry(slot - kAhead));
    // In this order: see above.
    const Entry* before = at_.leaf->entry(slot);
    if (at_.slot < at_.leaf->count() &&
        at_.leaf->entry(at_.slot) == at_.entry && before != at_.entry) {
      at_.slot = slot;
      at_.entry = before;
      return;
    }
  }
  at_ = tree_->FindLast(
      tree_->MakeTarget(at_.entry->user_key(), at_.entry->tag()));
}

}  // namespace paceline
