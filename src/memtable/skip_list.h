// SkipList: entries in the order of their internal keys. Readers run beside
// writers without locks; writers run beside each other.

#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>

#include "paceline/slice.h"

#include "src/base/arena.h"
#include "src/base/check.h"
#include "src/base/random.h"
#include "src/base/sync.h"
#include "src/format/internal_key.h"

namespace paceline {

// Nothing is ever removed: nodes live in the Arena and die with it.
//
// A node is one piece of memory, so that a step of a search costs one cache
// miss:
//
//   next pointers, highest level first | Node | user key, tag | value
//
// Node::prefix is the first eight bytes of the user key as a big-endian
// number. Under the bytewise order it decides nearly every comparison.
//
// Invariants: every level is sorted; a node that is linked at a level is
// linked at all lower ones; a node is immutable once linked, apart from its
// next pointers. Thread-safe.
class SkipList {
 public:
  struct Node {
    uint64_t prefix;
    uint32_t key_bytes;  // Of the internal key.
    uint32_t value_bytes;

    [[nodiscard]] const char* bytes() const {
      return reinterpret_cast<const char*>(this + 1);
    }
    [[nodiscard]] Slice key() const { return {bytes(), key_bytes}; }
    [[nodiscard]] Slice value() const {
      return {bytes() + key_bytes, value_bytes};
    }
    [[nodiscard]] uint64_t tag() const {
      return DecodeFixed64(bytes() + key_bytes - kTagBytes);
    }

   private:
    friend class SkipList;
    // The pointers lie in front of the node, level 0 nearest.
    Atomic<Node*>& link(int level) {
      return *(reinterpret_cast<Atomic<Node*>*>(this) - 1 - level);
    }
    // Acquire: what the node points to is complete.
    Node* next(int level) {
      return link(level).load(std::memory_order_acquire);
    }
  };

  // Both must outlive the SkipList.
  SkipList(const InternalKeyComparator* comparator, Arena* arena)
      : comparator_(comparator),
        arena_(arena),
        head_(NewNode(kMaxHeight, 0, 0)) {}
  SkipList(const SkipList&) = delete;
  SkipList& operator=(const SkipList&) = delete;

  // False if an entry of the same key, sequence number and type is there
  // already; the list is then as before.
  bool Insert(const Slice& user_key, uint64_t tag, const Slice& value);

  // The first node at or after (user_key, tag); null if there is none.
  [[nodiscard]] Node* FindGreaterOrEqual(const Slice& user_key,
                                         uint64_t tag) const {
    return Search(Target(user_key, tag)).at_or_after;
  }
  // The last node before (user_key, tag); null if there is none.
  [[nodiscard]] Node* FindLessThan(const Slice& user_key, uint64_t tag) const {
    Node* before = Search(Target(user_key, tag)).before;
    return before == head_ ? nullptr : before;
  }
  [[nodiscard]] Node* First() const { return head_->next(0); }
  [[nodiscard]] Node* Last() const;
  [[nodiscard]] static Node* Next(Node* node) { return node->next(0); }

 private:
  // One level in 4 nodes goes up; 12 levels hold 4^12 = 16 M entries before
  // the top one gets long.
  static constexpr int kMaxHeight = 12;
  static constexpr uint64_t kBranching = 4;

  struct SearchTarget {
    Slice user_key;
    uint64_t tag;
    uint64_t prefix;
  };
  struct Found {
    Node* before;
    Node* at_or_after;
  };
  struct Splice {
    std::array<Node*, kMaxHeight> before;
    std::array<Node*, kMaxHeight> after;
  };

  static uint64_t PrefixOf(const Slice& user_key) {
    uint64_t prefix = 0;
    std::memcpy(
        &prefix, user_key.data(),
        user_key.size() < sizeof(prefix) ? user_key.size() : sizeof(prefix));
    return __builtin_bswap64(prefix);
  }
  static SearchTarget Target(const Slice& user_key, uint64_t tag) {
    return {user_key, tag, PrefixOf(user_key)};
  }
  static int RandomHeight();

  Node* NewNode(int height, size_t key_bytes, size_t value_bytes) const;
  [[nodiscard]] bool IsBefore(const Node* node,
                              const SearchTarget& target) const;
  // From `before` along `level`: the last node before the target and the one
  // behind it.
  Found SearchLevel(const SearchTarget& target, int level, Node* before) const;
  [[nodiscard]] Found Search(const SearchTarget& target) const;
  void FindSplice(const SearchTarget& target, Splice* splice) const;
  void LinkLevel(const SearchTarget& target, Node* node, int level,
                 Splice* splice);

  const InternalKeyComparator* const comparator_;
  Arena* const arena_;
  Node* const head_;
  // A hint: searches may start above or below the true height.
  Atomic<int> height_ = 1;
};

inline SkipList::Node* SkipList::NewNode(int height, size_t key_bytes,
                                         size_t value_bytes) const {
  size_t links = static_cast<size_t>(height) * sizeof(Atomic<Node*>);
  char* memory =
      arena_->Allocate(links + sizeof(Node) + key_bytes + value_bytes);
  auto* node = reinterpret_cast<Node*>(memory + links);
  node->prefix = 0;
  node->key_bytes = static_cast<uint32_t>(key_bytes);
  node->value_bytes = static_cast<uint32_t>(value_bytes);
  for (int level = 0; level < height; ++level) {
    new (&node->link(level)) Atomic<Node*>(nullptr);
  }
  return node;
}

inline int SkipList::RandomHeight() {
  // Not by ThreadOrdinal(): if short-lived threads began alike, one after the
  // other, nodes would be of one height, and searches linear.
  static Atomic<uint32_t> threads = 0;
  thread_local Random random(threads.fetch_add(1, std::memory_order_relaxed) +
                             1);
  uint64_t bits = random.Next();
  int height = 1;
  while (height < kMaxHeight && bits % kBranching == 0) {
    ++height;
    bits /= kBranching;
  }
  return height;
}

inline bool SkipList::IsBefore(const Node* node,
                               const SearchTarget& target) const {
  if (comparator_->is_bytewise() && node->prefix != target.prefix) {
    return node->prefix < target.prefix;
  }
  Slice key = node->key();
  return comparator_->Compare(ExtractUserKey(key), ExtractTag(key),
                              target.user_key, target.tag) < 0;
}

inline SkipList::Found SkipList::SearchLevel(const SearchTarget& target,
                                             int level, Node* before) const {
  Node* after = before->next(level);
  while (after != nullptr) {
    // The next step is a cache miss whichever way this comparison goes.
    Node* beyond = after->next(level);
    if (beyond != nullptr) __builtin_prefetch(beyond);
    if (!IsBefore(after, target)) break;
    before = after;
    after = beyond;
  }
  return {before, after};
}

inline SkipList::Found SkipList::Search(const SearchTarget& target) const {
  Found found{head_, nullptr};
  int level = height_.load(std::memory_order_relaxed) - 1;
  Node* not_before = nullptr;
  for (; level >= 0; --level) {
    // A node that stopped the level above stops this one too.
    Node* before = found.before;
    Node* after = before->next(level);
    while (after != nullptr && after != not_before && IsBefore(after, target)) {
      before = after;
      after = before->next(level);
    }
    not_before = after;
    found = {before, after};
  }
  return found;
}

inline void SkipList::FindSplice(const SearchTarget& target,
                                 Splice* splice) const {
  Node* before = head_;
  Node* not_before = nullptr;
  for (int level = kMaxHeight - 1; level >= 0; --level) {
    Node* after = before->next(level);
    while (after != nullptr && after != not_before && IsBefore(after, target)) {
      before = after;
      after = before->next(level);
    }
    not_before = after;
    splice->before[static_cast<size_t>(level)] = before;
    splice->after[static_cast<size_t>(level)] = after;
  }
}

// The compare-and-swap fails when another writer has linked a node at the same
// place meanwhile; the search then goes on from where it was, because nothing
// is ever unlinked. Release: readers that see the pointer see the node.
inline void SkipList::LinkLevel(const SearchTarget& target, Node* node,
                                int level, Splice* splice) {
  auto i = static_cast<size_t>(level);
  while (true) {
    node->link(level).store(splice->after[i], std::memory_order_relaxed);
    Node* expected = splice->after[i];
    if (splice->before[i]->link(level).compare_exchange_strong(
            expected, node, std::memory_order_release,
            std::memory_order_relaxed)) {
      return;
    }
    Found found = SearchLevel(target, level, splice->before[i]);
    splice->before[i] = found.before;
    splice->after[i] = found.at_or_after;
  }
}

inline bool SkipList::Insert(const Slice& user_key, uint64_t tag,
                             const Slice& value) {
  SearchTarget target = Target(user_key, tag);
  Splice splice;
  FindSplice(target, &splice);
  if (Node* after = splice.after[0];
      after != nullptr && after->tag() == tag &&
      comparator_->CompareUserKeys(ExtractUserKey(after->key()), user_key) ==
          0) {
    return false;
  }
  int height = RandomHeight();
  Node* node = NewNode(height, user_key.size() + kTagBytes, value.size());
  node->prefix = target.prefix;
  char* bytes = reinterpret_cast<char*>(node + 1);
  std::memcpy(bytes, user_key.data(), user_key.size());
  EncodeFixed(bytes + user_key.size(), tag);
  std::memcpy(bytes + user_key.size() + kTagBytes, value.data(), value.size());
  for (int level = 0; level < height; ++level) {
    LinkLevel(target, node, level, &splice);
  }
  int known = height_.load(std::memory_order_relaxed);
  while (height > known && !height_.compare_exchange_weak(
                               known, height, std::memory_order_relaxed)) {
  }
  return true;
}

inline SkipList::Node* SkipList::Last() const {
  Node* node = head_;
  for (int level = kMaxHeight - 1; level >= 0; --level) {
    while (Node* next = node->next(level)) node = next;
  }
  return node == head_ ? nullptr : node;
}

}  // namespace paceline
