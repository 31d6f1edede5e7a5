// The cache that NewLRUCache() makes: a BlockCache in shards, each with a lock,
// a hash table and two queues of its own.

#include <algorithm>
#include <bit>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <utility>
#include <vector>

#include "src/base/check.h"
#include "src/base/sync.h"
#include "src/table/block.h"
#include "src/table/block_cache.h"
#include "src/table/block_memory.h"

namespace paceline {
namespace {

// A smaller shard would hold too few blocks to tell which are used.
constexpr size_t kShardBytesMin = 512 << 10;
// So that threads rarely meet at one lock, however many there are.
constexpr size_t kShardsPerProcessor = 4;
constexpr int kShardBitsMax = 19;
// Different from the usual 64 so that neighbours are not fetched in pairs.
constexpr size_t kShardAlignment = 128;

// A block and its place. Guarded by the mutex of its shard once it is there.
struct Entry {
  uint64_t file_id = 0;
  uint64_t offset = 0;
  std::shared_ptr<const Block> block;
  size_t charge = 0;  // Of the block and the entry. Bytes.
  uint32_t hash = 0;
  bool is_protected = false;
  // The shard's count of protections when it was last put at the newest end.
  uint64_t protected_at = 0;

  Entry* next_in_bucket = nullptr;
  // In its queue.
  Entry* older = nullptr;
  Entry* newer = nullptr;
  // Among the entries of its file.
  Entry* previous_of_file = nullptr;
  Entry* next_of_file = nullptr;
};

// The buckets grow when there are as many entries, so that an entry has at most
// two of them to itself.
constexpr size_t kEntryOverhead = sizeof(Entry) + 2 * sizeof(Entry*);
// Tables come and go while a database is written. Blocks would fill the room of
// a table that went before the next one comes, and their memory would not be
// there at once when that one needs it: of pieces of a slab, some stay. So of
// room that is free blocks get one of so many parts, and a little more, each
// time that all of them have been replaced.
constexpr size_t kRoomParts = 64;
constexpr size_t kRoomStepMin = 4096;

// A node and a bucket of the map of files, as the allocator rounds them.
constexpr size_t kFileOverhead = 64;

uint64_t HashOf(uint64_t file_id, uint64_t offset) {
  uint64_t x = file_id * 0x9e3779b97f4a7c15 + offset;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

// Entries by age. Thread-compatible.
class Queue {
 public:
  [[nodiscard]] Entry* oldest() const { return oldest_; }
  [[nodiscard]] Entry* newest() const { return newest_; }
  [[nodiscard]] size_t bytes() const { return bytes_; }
  [[nodiscard]] size_t count() const { return count_; }

  void AddNewest(Entry* entry) {
    entry->newer = nullptr;
    entry->older = newest_;
    (newest_ != nullptr ? newest_->newer : oldest_) = entry;
    newest_ = entry;
    bytes_ += entry->charge;
    ++count_;
  }

  void Remove(Entry* entry) {
    (entry->older != nullptr ? entry->older->newer : oldest_) = entry->newer;
    (entry->newer != nullptr ? entry->newer->older : newest_) = entry->older;
    bytes_ -= entry->charge;
    --count_;
  }

 private:
  Entry* oldest_ = nullptr;
  Entry* newest_ = nullptr;
  size_t bytes_ = 0;
  size_t count_ = 0;
};

// Entries that have left a shard, freed by the destructor: after the lock, for
// freeing a block takes time. Thread-compatible.
class Discarded {
 public:
  Discarded() = default;
  ~Discarded() {
    while (first_ != nullptr) delete std::exchange(first_, first_->newer);
  }
  Discarded(const Discarded&) = delete;
  Discarded& operator=(const Discarded&) = delete;

  void Add(Entry* entry) { entry->newer = std::exchange(first_, entry); }

 private:
  Entry* first_ = nullptr;
};

// A part of the cache. New blocks are on probation; those that are used again
// become protected, and when the protected ones take more than their part, the
// oldest of them are on probation once more. The oldest on probation goes
// first. So blocks that are read once push out only each other and what has
// not been used for long.
//
// Invariants: usage() <= capacity_; an entry is in one bucket, in one queue and
// in the list of its file. Thread-safe. Owns its entries.
class alignas(kShardAlignment) Shard {
 public:
  Shard() = default;
  ~Shard() { SetCapacity(0); }
  Shard(const Shard&) = delete;
  Shard& operator=(const Shard&) = delete;

  std::shared_ptr<const Block> Lookup(uint32_t hash, uint64_t file_id,
                                      uint64_t offset) EXCLUDES(mutex_) {
    MutexLock lock(&mutex_);
    Entry* entry = *Find(hash, file_id, offset);
    if (entry == nullptr) {
      ++misses_;
      return nullptr;
    }
    ++hits_;
    Use(entry);
    return entry->block;
  }

  // True once for each time that as much was inserted as there is room for.
  bool Insert(std::unique_ptr<Entry> entry) EXCLUDES(mutex_) {
    Discarded discarded;
    MutexLock lock(&mutex_);
    const size_t needed = entry->charge + kFileOverhead;
    if (needed > capacity_) return false;
    if (*Find(entry->hash, entry->file_id, entry->offset) != nullptr) {
      return false;
    }
    EvictUntil(capacity_ - needed, &discarded);
    inserted_ += entry->charge;
    Link(std::move(entry));
    PL_DCHECK(usage() <= capacity_);
    if (inserted_ < capacity_) return false;
    inserted_ = 0;
    return true;
  }

  void EraseFile(uint64_t file_id) EXCLUDES(mutex_) {
    Discarded discarded;
    MutexLock lock(&mutex_);
    auto file = files_.find(file_id);
    if (file == files_.end()) return;
    for (Entry* entry = file->second; entry != nullptr;) {
      Entry* next = entry->next_of_file;
      UnlinkFromTable(entry);
      discarded.Add(entry);
      entry = next;
    }
    files_.erase(file);
  }

  void SetCapacity(size_t capacity) EXCLUDES(mutex_) {
    Discarded discarded;
    MutexLock lock(&mutex_);
    capacity_ = capacity;
    EvictUntil(capacity_, &discarded);
  }

  // Puts copies in the place of the blocks that a move concerns, which the
  // thread has begun, but for those in use.
  void MoveBlocks() EXCLUDES(mutex_) {
    for (size_t bucket = 0; MoveBlocksFrom(bucket); bucket += kBucketsOfStep) {
    }
  }

  size_t Usage() EXCLUDES(mutex_) {
    MutexLock lock(&mutex_);
    return usage();
  }

  // Takes time for every entry. The answer is of the moment: others take and
  // drop references without the lock.
  size_t PinnedUsage() EXCLUDES(mutex_) {
    MutexLock lock(&mutex_);
    size_t bytes = 0;
    for (const Queue* queue : {&probation_, &protected_}) {
      for (Entry* e = queue->oldest(); e != nullptr; e = e->newer) {
        if (e->block.use_count() > 1) bytes += e->charge;
      }
    }
    return bytes;
  }

  uint64_t Hits() EXCLUDES(mutex_) {
    MutexLock lock(&mutex_);
    return hits_;
  }
  uint64_t Misses() EXCLUDES(mutex_) {
    MutexLock lock(&mutex_);
    return misses_;
  }

 private:
  static constexpr size_t kBucketsMin = 16;
  // Others want the lock as well.
  static constexpr size_t kBucketsOfStep = 16;

  [[nodiscard]] size_t usage() const REQUIRES(mutex_) {
    return probation_.bytes() + protected_.bytes() +
           files_.size() * kFileOverhead;
  }
  // What stays for new blocks is enough to see them used a second time.
  [[nodiscard]] size_t protected_bytes_max() const REQUIRES(mutex_) {
    return capacity_ / 5 * 4;
  }

  Entry** BucketOf(uint32_t hash) REQUIRES(mutex_) {
    return &buckets_[hash & (buckets_.size() - 1)];
  }

  // The pointer to the entry; to null, at the end of its bucket, if there is
  // none.
  Entry** Find(uint32_t hash, uint64_t file_id, uint64_t offset)
      REQUIRES(mutex_) {
    Entry** at = BucketOf(hash);
    while (*at != nullptr &&
           ((*at)->offset != offset || (*at)->file_id != file_id)) {
      at = &(*at)->next_in_bucket;
    }
    return at;
  }

  void Use(Entry* entry) REQUIRES(mutex_) {
    // In the newest quarter it stays where it is: a more exact order is not
    // worth writing to its neighbours.
    if (entry->is_protected &&
        protections_ - entry->protected_at < protected_.count() / 4) {
      return;
    }
    (entry->is_protected ? protected_ : probation_).Remove(entry);
    entry->is_protected = true;
    entry->protected_at = ++protections_;
    protected_.AddNewest(entry);
    while (protected_.bytes() > protected_bytes_max()) {
      Entry* oldest = protected_.oldest();
      protected_.Remove(oldest);
      oldest->is_protected = false;
      probation_.AddNewest(oldest);
    }
  }

  void Link(std::unique_ptr<Entry> owned) REQUIRES(mutex_) {
    // What takes memory comes first: without it nothing is linked.
    if (probation_.count() + protected_.count() >= buckets_.size()) Grow();
    Entry** first = &files_[owned->file_id];
    Entry* entry = owned.release();
    Entry** bucket = BucketOf(entry->hash);
    entry->next_in_bucket = std::exchange(*bucket, entry);

    entry->next_of_file = std::exchange(*first, entry);
    if (entry->next_of_file != nullptr) {
      entry->next_of_file->previous_of_file = entry;
    }
    probation_.AddNewest(entry);
  }

  void Grow() REQUIRES(mutex_) {
    std::vector<Entry*> old(buckets_.size() * 2);
    old.swap(buckets_);
    for (Entry* entry : old) {
      while (entry != nullptr) {
        Entry* next = entry->next_in_bucket;
        Entry** bucket = BucketOf(entry->hash);
        entry->next_in_bucket = std::exchange(*bucket, entry);
        entry = next;
      }
    }
  }

  void EvictUntil(size_t bytes, Discarded* discarded) REQUIRES(mutex_) {
    while (usage() > bytes) {
      Entry* oldest = probation_.oldest();
      if (oldest == nullptr) oldest = protected_.oldest();
      UnlinkFromFile(oldest);
      UnlinkFromTable(oldest);
      discarded->Add(oldest);
    }
  }

  void UnlinkFromTable(Entry* entry) REQUIRES(mutex_) {
    Entry** at = Find(entry->hash, entry->file_id, entry->offset);
    PL_CHECK(*at == entry);
    *at = entry->next_in_bucket;
    (entry->is_protected ? protected_ : probation_).Remove(entry);
  }

  void UnlinkFromFile(Entry* entry) REQUIRES(mutex_) {
    Entry* next = entry->next_of_file;
    if (next != nullptr) next->previous_of_file = entry->previous_of_file;
    if (entry->previous_of_file != nullptr) {
      entry->previous_of_file->next_of_file = next;
    } else if (next != nullptr) {
      files_[entry->file_id] = next;
    } else {
      files_.erase(entry->file_id);
    }
  }

  // Of kBucketsOfStep buckets. False if there are none, or no memory.
  bool MoveBlocksFrom(size_t bucket) EXCLUDES(mutex_) {
    std::vector<std::shared_ptr<const Block>> moved;  // Freed behind the lock.
    MutexLock lock(&mutex_);
    const size_t end = std::min(bucket + kBucketsOfStep, buckets_.size());
    for (size_t i = bucket; i < end; ++i) {
      for (Entry* entry = buckets_[i]; entry; entry = entry->next_in_bucket) {
        // Nobody gets hold of it meanwhile.
        if (entry->block.use_count() > 1 || !entry->block->is_to_move()) {
          continue;
        }
        std::shared_ptr<const Block> copy = entry->block->Copy();
        if (copy == nullptr) return false;
        moved.push_back(std::exchange(entry->block, std::move(copy)));
      }
    }
    return end < buckets_.size();
  }

  Mutex mutex_;
  size_t capacity_ GUARDED_BY(mutex_) = 0;
  // Always a power of two.
  std::vector<Entry*> buckets_ GUARDED_BY(mutex_) =
      std::vector<Entry*>(kBucketsMin);
  Queue probation_ GUARDED_BY(mutex_);
  Queue protected_ GUARDED_BY(mutex_);
  // How often an entry was put at the newest end of protected_.
  uint64_t protections_ GUARDED_BY(mutex_) = 0;
  // The first entry of each file that has any.
  std::unordered_map<uint64_t, Entry*> files_ GUARDED_BY(mutex_);
  // Bytes, since Insert() last returned true.
  size_t inserted_ GUARDED_BY(mutex_) = 0;
  uint64_t hits_ GUARDED_BY(mutex_) = 0;
  uint64_t misses_ GUARDED_BY(mutex_) = 0;
};

// Deals the blocks out to the shards by hash. Thread-safe.
class LruCache final : public BlockCache {
 public:
  LruCache(size_t capacity, int shard_bits)
      : shard_count_(size_t{1} << shard_bits),
        shards_(std::make_unique<Shard[]>(shard_count_)) {
    MutexLock lock(&capacity_mutex_);
    capacity_ = capacity;
    DivideCapacity();
  }

  const char* Name() const override { return "LRUCache"; }

  size_t GetCapacity() const override EXCLUDES(capacity_mutex_) {
    MutexLock lock(&capacity_mutex_);
    return capacity_;
  }
  void SetCapacity(size_t capacity) override EXCLUDES(capacity_mutex_) {
    {
      MutexLock lock(&capacity_mutex_);
      capacity_ = capacity;
      DivideCapacity();
    }
    MoveBlocks();
  }
  size_t GetUsage() const override EXCLUDES(capacity_mutex_) {
    MutexLock lock(&capacity_mutex_);
    return Sum(&Shard::Usage) + std::min(reserved_, given_away());
  }
  size_t GetPinnedUsage() const override { return Sum(&Shard::PinnedUsage); }

  uint64_t NewFileId() override {
    return next_file_id_.fetch_add(1, std::memory_order_relaxed);
  }

  std::shared_ptr<const Block> Lookup(uint64_t file_id,
                                      uint64_t offset) override {
    const uint64_t hash = HashOf(file_id, offset);
    return ShardOf(hash)->Lookup(static_cast<uint32_t>(hash), file_id, offset);
  }

  void Insert(uint64_t file_id, uint64_t offset,
              std::shared_ptr<const Block> block, size_t charge) override {
    const uint64_t hash = HashOf(file_id, offset);
    auto entry = std::make_unique<Entry>();
    entry->file_id = file_id;
    entry->offset = offset;
    entry->block = std::move(block);
    entry->charge = charge + kEntryOverhead;
    entry->hash = static_cast<uint32_t>(hash);
    if (ShardOf(hash)->Insert(std::move(entry))) GiveBackSome();
  }

  void EraseFile(uint64_t file_id) override {
    for (size_t i = 0; i < shard_count_; ++i) shards_[i].EraseFile(file_id);
  }

  void Reserve(size_t bytes) override EXCLUDES(capacity_mutex_) {
    {
      MutexLock lock(&capacity_mutex_);
      reserved_ += bytes;
      if (reserved_ <= room_) return;
      room_ = reserved_;
      DivideCapacity();
    }
    MoveBlocks();
  }
  void Release(size_t bytes) override EXCLUDES(capacity_mutex_) {
    MutexLock lock(&capacity_mutex_);
    PL_CHECK(bytes <= reserved_);
    reserved_ -= bytes;
  }

  uint64_t hits() const override { return Sum(&Shard::Hits); }
  uint64_t misses() const override { return Sum(&Shard::Misses); }

 private:
  // By other bits than the bucket.
  Shard* ShardOf(uint64_t hash) const {
    return &shards_[(hash >> 32) & (shard_count_ - 1)];
  }

  // What blocks give way to: they keep half, however much is reserved.
  [[nodiscard]] size_t given_away() const REQUIRES(capacity_mutex_) {
    return std::min(room_, capacity_ / 2);
  }

  // Room that is not reserved any more goes back to the blocks slowly, when
  // they have shown that they can fill it.
  void GiveBackSome() EXCLUDES(capacity_mutex_) {
    MutexLock lock(&capacity_mutex_);
    if (room_ == reserved_) return;
    const size_t unused = room_ - reserved_;
    room_ -=
        std::min(unused, unused / kRoomParts / shard_count_ + kRoomStepMin);
    DivideCapacity();
  }

  void DivideCapacity() REQUIRES(capacity_mutex_) {
    const size_t for_blocks = capacity_ - given_away();
    for (size_t i = 0; i < shard_count_; ++i) {
      shards_[i].SetCapacity(for_blocks / shard_count_);
    }
  }

  // Blocks that went leave holes: those that stay move together, so that their
  // memory returns to the system.
  void MoveBlocks() {
    const BlockMemory::Move move(BlockMemory::Shared(), &left_by_move_);
    if (!move.has_begun()) return;
    for (size_t i = 0; i < shard_count_; ++i) shards_[i].MoveBlocks();
  }

  template <typename Number>
  Number Sum(Number (Shard::*of_shard)()) const {
    Number sum = 0;
    for (size_t i = 0; i < shard_count_; ++i) sum += (shards_[i].*of_shard)();
    return sum;
  }

  const size_t shard_count_;  // A power of two.
  const std::unique_ptr<Shard[]> shards_;
  // A number of its own for each file is all that is asked for: relaxed.
  Atomic<uint64_t> next_file_id_ = 1;
  // Of the moves, of which there is one at a time.
  size_t left_by_move_ = 0;

  mutable Mutex capacity_mutex_;
  size_t capacity_ GUARDED_BY(capacity_mutex_) = 0;
  size_t reserved_ GUARDED_BY(capacity_mutex_) = 0;
  // At least as much; what was reserved until a short while ago.
  size_t room_ GUARDED_BY(capacity_mutex_) = 0;
};

int DefaultShardBits(size_t capacity) {
  const size_t wanted =
      kShardsPerProcessor * static_cast<size_t>(ProcessorCount());
  const size_t shards =
      std::clamp<size_t>(capacity / kShardBytesMin, 1, wanted);
  return std::min(static_cast<int>(std::bit_width(shards)) - 1, kShardBitsMax);
}

}  // namespace

std::shared_ptr<Cache> NewLRUCache(size_t capacity, int num_shard_bits) {
  if (num_shard_bits > kShardBitsMax) return nullptr;
  if (num_shard_bits < 0) num_shard_bits = DefaultShardBits(capacity);
  return std::make_shared<LruCache>(capacity, num_shard_bits);
}

std::shared_ptr<BlockCache> AsBlockCache(const std::shared_ptr<Cache>& cache) {
  return std::dynamic_pointer_cast<BlockCache>(cache);
}

}  // namespace paceline
