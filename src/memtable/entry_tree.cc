#include "src/memtable/entry_tree.h"

#include <algorithm>
#include <cstring>
#include <new>

#include "src/base/check.h"

namespace paceline {

namespace {

constexpr size_t kCacheLineBytes = 64;

// Longer than a node is usually locked, shorter than sleeping and waking.
constexpr int kSpins = 100;

// The first eight bytes as a big-endian number; what is missing is zeros.
uint64_t PrefixOf(const Slice& bytes) {
  uint64_t prefix = 0;
  if (bytes.size() >= sizeof(prefix)) {
    std::memcpy(&prefix, bytes.data(), sizeof(prefix));
  } else {
    std::memcpy(&prefix, bytes.data(), bytes.size());
  }
  return __builtin_bswap64(prefix);
}

// What two keys have in common, if a prefix of the whole keys could not tell
// them apart; else nothing.
Slice SharedBytes(const Slice& a, const Slice& b, size_t bytes_max) {
  const size_t end = std::min({a.size(), b.size(), bytes_max});
  size_t shared = 0;
  while (shared < end && a[shared] == b[shared]) ++shared;
  return {a.data(), shared < sizeof(uint64_t) ? 0 : shared};
}

}  // namespace

EntryTree::Node::Node(size_t node_level, const Entry* node_low,
                      const Slice& node_shared)
    : low(node_low),
      level(static_cast<uint8_t>(node_level)),
      shared_bytes(static_cast<uint8_t>(node_shared.size())) {
  std::memcpy(shared.data(), node_shared.data(), node_shared.size());
}

void EntryTree::Node::Prefetch() const {
  const char* bytes = reinterpret_cast<const char*>(this);
  for (size_t i = 0; i < sizeof(*this); i += kCacheLineBytes) {
    __builtin_prefetch(bytes + i);
  }
}

void EntryTree::Node::PrefetchWalk() const {
  if (const Node* right = next()) {
    __builtin_prefetch(right);
    for (size_t i = 0; i < kSlots; i += kCacheLineBytes / sizeof(void*)) {
      __builtin_prefetch(&right->items_[i]);
    }
  }
  const size_t end = std::min(count(), kAhead + 1);
  for (size_t i = 1; i < end; ++i) __builtin_prefetch(entry(i));
}

void EntryTree::Node::Lock() {
  for (int i = 0; i < kSpins; ++i) {
    uint32_t expected = 0;
    if (lock_.compare_exchange_weak(expected, 1, std::memory_order_acquire,
                                    std::memory_order_relaxed)) {
      return;
    }
    SpinPause();
  }
  while (lock_.exchange(2, std::memory_order_acquire) != 0) {
    FutexWait(&lock_, 2);
  }
}

void EntryTree::Node::Unlock() {
  if (lock_.exchange(0, std::memory_order_release) == 2) FutexWakeOne(&lock_);
}

// The item first: see the rules for readers.
void EntryTree::Node::Store(size_t slot, uint64_t prefix, void* item) {
  items_[slot].store(item, std::memory_order_release);
  prefixes_[slot].store(prefix, std::memory_order_release);
}

void EntryTree::Node::InsertAt(size_t slot, uint64_t prefix, void* item) {
  const size_t count = count_.load(std::memory_order_relaxed);
  PL_DCHECK(slot <= count && count < kSlots);
  size_t to = count;
  if (to > slot) {
    Store(to, prefixes_[to - 1].load(std::memory_order_relaxed),
          items_[to - 1].load(std::memory_order_relaxed));
    // Readers must find the last item in its new slot before it leaves the old.
    count_.store(static_cast<uint32_t>(count + 1), std::memory_order_release);
    for (--to; to > slot; --to) {
      Store(to, prefixes_[to - 1].load(std::memory_order_relaxed),
            items_[to - 1].load(std::memory_order_relaxed));
    }
    Store(slot, prefix, item);
  } else {
    Store(slot, prefix, item);
    count_.store(static_cast<uint32_t>(count + 1), std::memory_order_release);
  }
}

EntryTree::EntryTree(const InternalKeyComparator* comparator, Arena* arena)
    : comparator_(comparator),
      arena_(arena),
      prefix_flip_(comparator->user_comparator() == ReverseBytewiseComparator()
                       ? ~uint64_t{0}
                       : 0),
      has_prefixes_(comparator->is_bytewise() || prefix_flip_ != 0),
      first_leaf_(NewNode(0, nullptr, Slice())),
      root_(first_leaf_),
      last_leaf_(first_leaf_) {}

EntryTree::Target EntryTree::MakeTarget(const Slice& user_key, uint64_t tag,
                                        bool is_behind_equal) const {
  const uint64_t prefix = has_prefixes_ ? PrefixOf(user_key) ^ prefix_flip_ : 0;
  return {user_key, tag, prefix, is_behind_equal};
}

// Never larger for a smaller key.
uint64_t EntryTree::PrefixIn(const Node& node, const Slice& user_key) const {
  if (!has_prefixes_) return 0;
  Slice rest = user_key;
  if (size_t shared = node.shared_bytes; shared != 0) {
    int order = std::memcmp(user_key.data(), node.shared.data(),
                            std::min(user_key.size(), shared));
    if (order > 0) return ~uint64_t{0} ^ prefix_flip_;
    if (order < 0 || user_key.size() < shared) return prefix_flip_;
    rest.remove_prefix(shared);
  }
  return PrefixOf(rest) ^ prefix_flip_;
}

int EntryTree::Compare(const Entry& entry, const Target& target) const {
  return comparator_->Compare(entry.user_key(), entry.tag(), target.user_key,
                              target.tag);
}

bool EntryTree::IsBefore(const Entry& entry, const Target& target) const {
  int order = Compare(entry, target);
  return order < 0 || (order == 0 && target.is_behind_equal);
}

// The slot in front of it, if any, was seen before the target; the slot itself
// need not be the first one any more.
size_t EntryTree::FirstNotBefore(const Node& node, const Target& target) const {
  const uint64_t prefix =
      node.shared_bytes == 0 ? target.prefix : PrefixIn(node, target.user_key);
  const size_t end = node.count();
  // No branch depends on a prefix here: it could not be predicted.
  size_t slot = node.level == 0 ? 0 : 1;
  size_t length = end - slot;
  if (end <= slot) return slot;
  while (length > 1) {
    const size_t half = length / 2;
    slot += half * static_cast<size_t>(node.prefix(slot + half - 1) < prefix);
    length -= half;
  }
  slot += static_cast<size_t>(node.prefix(slot) < prefix);
  if (slot == end || node.prefix(slot) > prefix ||
      !IsBefore(node.key(slot), target)) {
    return slot;
  }
  // Where prefixes are equal, keys decide.
  ++slot;
  for (length = end - slot; length > 0;) {
    const size_t half = length / 2;
    const uint64_t found = node.prefix(slot + half);
    if (found < prefix ||
        (found == prefix && IsBefore(node.key(slot + half), target))) {
      slot += half + 1;
      length -= half + 1;
    } else {
      length = half;
    }
  }
  return slot;
}

// The node of `level` that the target belongs into, or one left of it.
EntryTree::Node* EntryTree::Descend(const Target& target, size_t level,
                                    Path* path) const {
  Node* node = root_.load(std::memory_order_acquire);
  while (node->level > level) {
    const size_t slot = FirstNotBefore(*node, target);
    if (slot >= node->count()) {
      Node* next = node->next();
      if (next != nullptr && IsBefore(*next->low, target)) {
        node = next;
        continue;
      }
    }
    if (path != nullptr) (*path)[node->level] = node;
    node = node->child(slot - 1);
    node->Prefetch();
  }
  return node;
}

EntryTree::Found EntryTree::First() const {
  if (first_leaf_->count() > 0) return {first_leaf_, 0, first_leaf_->entry(0)};
  const Node* next = first_leaf_->next();
  if (next == nullptr) return {nullptr, 0, nullptr};
  return {next, 0, next->low};
}

EntryTree::Found EntryTree::Last() const {
  const Node* leaf = last_leaf_.load(std::memory_order_acquire);
  while (true) {
    while (const Node* next = leaf->next()) leaf = next;
    const size_t count = leaf->count();
    const Entry* entry = count > 0 ? leaf->entry(count - 1) : nullptr;
    // It was the last one if neither an insert nor a split came in between. A
    // split can leave a leaf empty.
    if (leaf->count() != count || leaf->next() != nullptr) continue;
    if (entry == nullptr) return {nullptr, 0, nullptr};
    return {leaf, count - 1, entry};
  }
}

EntryTree::Found EntryTree::FindFirst(const Node* leaf,
                                      const Target& target) const {
  while (true) {
    size_t slot = FirstNotBefore(*leaf, target);
    for (; slot < leaf->count(); ++slot) {
      const Entry* entry = leaf->entry(slot);
      if (!IsBefore(*entry, target)) return {leaf, slot, entry};
    }
    const Node* next = leaf->next();
    if (next == nullptr) return {nullptr, 0, nullptr};
    // Its first entry, for ever.
    if (!IsBefore(*next->low, target)) return {next, 0, next->low};
    leaf = next;
  }
}

// An entry is read before the one behind it is seen not to be before the
// target, so nothing that was there already lies between them.
EntryTree::Found EntryTree::FindLast(const Target& target) const {
  const Node* leaf = Descend(target, 0, nullptr);
  while (true) {
    const Entry* before = nullptr;
    size_t slot = FirstNotBefore(*leaf, target);
    while (true) {
      if (slot > 0) before = leaf->entry(slot - 1);
      if (slot >= leaf->count()) break;
      if (!IsBefore(*leaf->entry(slot), target)) {
        return {leaf, slot - 1, before};
      }
      ++slot;
    }
    const Node* next = leaf->next();
    if (next == nullptr || !IsBefore(*next->low, target)) {
      return {leaf, slot - 1, before};
    }
    leaf = next;
  }
}

EntryTree::Entry* EntryTree::NewEntry(const Slice& user_key, uint64_t tag,
                                      const Slice& value) {
  const size_t key_bytes = user_key.size() + kTagBytes;
  char* memory = arena_->Allocate(sizeof(Entry) + key_bytes + value.size());
  auto* entry = new (memory) Entry{static_cast<uint32_t>(key_bytes),
                                   static_cast<uint32_t>(value.size())};
  char* bytes = memory + sizeof(Entry);
  std::memcpy(bytes, user_key.data(), user_key.size());
  EncodeFixed(bytes + user_key.size(), tag);
  std::memcpy(bytes + key_bytes, value.data(), value.size());
  return entry;
}

EntryTree::Node* EntryTree::NewNode(size_t level, const Entry* low,
                                    const Slice& shared) {
  PL_CHECK(level < kLevels);
  char* memory = arena_->Allocate(sizeof(Node) + kCacheLineBytes - 8);
  const auto address = reinterpret_cast<uintptr_t>(memory);
  memory += (kCacheLineBytes - address % kCacheLineBytes) % kCacheLineBytes;
  return new (memory) Node(level, low, shared);
}

EntryTree::Node* EntryTree::LastLeafIfBehind(const Target& target) const {
  Node* leaf = last_leaf_.load(std::memory_order_acquire);
  const size_t count = leaf->count();
  if (count == 0) return nullptr;
  const uint64_t prefix = PrefixIn(*leaf, target.user_key);
  const uint64_t last = leaf->prefix(count - 1);
  if (last > prefix) return nullptr;
  const bool is_behind =
      last < prefix || IsBefore(*leaf->entry(count - 1), target);
  return is_behind ? leaf : nullptr;
}

EntryTree::Place EntryTree::LockPlace(Node* node, const Target& target) const {
  while (true) {
    node->Lock();
    const size_t slot = FirstNotBefore(*node, target);
    Node* next = node->next();
    if (slot < node->count() || next == nullptr ||
        Compare(*next->low, target) > 0) {
      return {node, slot};
    }
    node->Unlock();
    node = next;
  }
}

bool EntryTree::Insert(const Slice& user_key, uint64_t tag,
                       const Slice& value) {
  const Target target = MakeTarget(user_key, tag);
  Path path{};
  Node* leaf = LastLeafIfBehind(target);
  if (leaf == nullptr) leaf = Descend(target, 0, &path);
  // While the leaf is on its way into the cache. A duplicate wastes it, which
  // happens only when a recovery meets entries twice.
  Entry* entry = NewEntry(user_key, tag, value);
  const Place place = LockPlace(leaf, target);
  if (place.slot < place.node->count() &&
      place.node->prefix(place.slot) == PrefixIn(*place.node, user_key) &&
      Compare(*place.node->entry(place.slot), target) == 0) {
    place.node->Unlock();
    return false;
  }
  AddAt(place, target, entry, &path);
  return true;
}

void EntryTree::AddAt(Place place, Target target, void* item, Path* path) {
  while (true) {
    Node* node = place.node;
    if (node->count() < kSlots) {
      node->InsertAt(place.slot, PrefixIn(*node, target.user_key), item);
      node->Unlock();
      return;
    }
    Node* right = Split(place, target, item);
    const size_t level = node->level;
    const bool is_root = root_.load(std::memory_order_relaxed) == node;
    if (is_root) Grow(node, right);
    node->Unlock();
    if (is_root) return;
    // Until the parent has the new node, searches come to it through `next`.
    target = MakeTarget(right->low->user_key(), right->low->tag());
    item = right;
    Node* parent = (*path)[level + 1];
    if (parent == nullptr) {
      AwaitRootAbove(level);
      parent = Descend(target, level + 1, nullptr);
    }
    place = LockPlace(parent, target);
  }
}

// A node right of the root is linked before there is a root above both. Who
// splits a root holds its lock until then.
void EntryTree::AwaitRootAbove(size_t level) {
  while (true) {
    Node* root = root_.load(std::memory_order_acquire);
    if (root->level > level) return;
    root->Lock();
    root->Unlock();
  }
}

// Links a new node right of the one at `place`, which is full, moves the upper
// half there, and adds the item to one of them. At either end of the tree
// nothing or all is moved, so that ascending and descending keys leave full
// leaves.
EntryTree::Node* EntryTree::Split(const Place& place, const Target& target,
                                  void* item) {
  Node* left = place.node;
  Node* next = left->next();
  const bool is_last = place.slot == kSlots && next == nullptr;
  const bool is_first =
      place.slot == 0 && left->low == nullptr && left->level == 0;
  const size_t middle = is_last ? kSlots : is_first ? 0 : kSlots / 2;
  const Entry* low = nullptr;
  Slice shared;
  if (is_last) {
    low = left->level == 0 ? static_cast<Entry*>(item)
                           : static_cast<Node*>(item)->low;
    shared = SharedBytes(left->key(1).user_key(), target.user_key, kSharedMax);
  } else {
    low = &left->key(middle);
    shared = SharedBytes(low->user_key(), left->key(kSlots - 1).user_key(),
                         kSharedMax);
  }
  Node* right = NewNode(left->level, low, has_prefixes_ ? shared : Slice());
  const bool has_same_prefixes =
      left->shared_bytes == 0 && right->shared_bytes == 0;
  for (size_t slot = middle; slot < kSlots; ++slot) {
    const uint64_t prefix = has_same_prefixes
                                ? left->prefix(slot)
                                : PrefixIn(*right, left->key(slot).user_key());
    right->InsertAt(slot - middle, prefix, left->item(slot));
  }
  const bool goes_right = is_last || place.slot > middle;
  if (goes_right) {
    right->InsertAt(place.slot - middle, PrefixIn(*right, target.user_key),
                    item);
  }
  right->next_.store(next, std::memory_order_relaxed);
  left->next_.store(right, std::memory_order_release);
  left->count_.store(static_cast<uint32_t>(middle), std::memory_order_release);
  if (!goes_right) {
    left->InsertAt(place.slot, PrefixIn(*left, target.user_key), item);
  }
  if (next == nullptr && left->level == 0) {
    last_leaf_.store(right, std::memory_order_release);
  }
  return right;
}

void EntryTree::Grow(Node* left, Node* right) {
  Node* root = NewNode(left->level + size_t{1}, nullptr, Slice());
  root->InsertAt(0, 0, left);
  root->InsertAt(1, PrefixIn(*root, right->low->user_key()), right);
  root_.store(root, std::memory_order_release);
}

}  // namespace paceline
