#include "src/base/arena.h"

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <utility>

#include "src/base/check.h"
#include "src/base/pages.h"

namespace paceline {

namespace {

// Each block is as large as all before it, from the first size to the last: an
// idle column family costs little, a busy one gets memory in huge pages (with
// small pages, nearly every step of a search in a memtable misses the TLB as
// well), and those before the first of the last size fill up one of that size.
constexpr size_t kFirstBlockBytes = size_t{16} << 10;
constexpr size_t kLastBlockBytes = ArenaBlocks::kBlockBytes;
constexpr size_t kOwnBlockBytesMin = size_t{256} << 10;
constexpr size_t kHugePageBytes = size_t{2} << 20;
constexpr size_t kCacheLineBytes = 64;

size_t RoundUp(size_t bytes, size_t unit) {
  return (bytes + unit - 1) / unit * unit;
}

bool HasHugePages(size_t block_size) { return block_size >= kHugePageBytes; }

}  // namespace

Arena::Arena(std::shared_ptr<ArenaBlocks> blocks)
    : large_blocks_(std::move(blocks)) {}

Arena::~Arena() {
  for (Block* block : blocks_) {
    // Null if the machine had no memory for it.
    if (block->memory != nullptr) GiveBackMemory(block->memory, block->size);
    delete block;
  }
}

char* Arena::Allocate(size_t bytes) {
  bytes = (bytes + 7) & ~size_t{7};
  Block* block = current_.load(std::memory_order_acquire);
  if (block != nullptr && bytes <= block->size) {
    size_t offset = block->used.fetch_add(bytes, std::memory_order_relaxed);
    if (offset + bytes <= block->size) return block->memory + offset;
  }
  return AllocateSlow(bytes);
}

char* Arena::AllocateSlow(size_t bytes) {
  MutexLock lock(&mutex_);
  // A piece that would waste much of a block gets memory of its own.
  if (bytes > kOwnBlockBytesMin) {
    Block* own = NewBlock(bytes, 0);
    large_bytes_.fetch_add(bytes, std::memory_order_relaxed);
    return own->memory;
  }
  Block* block = current_.load(std::memory_order_relaxed);
  size_t used_before = 0;
  if (block != nullptr) {
    // Another thread may have installed a block meanwhile.
    size_t offset = block->used.fetch_add(bytes, std::memory_order_relaxed);
    if (offset + bytes <= block->size) return block->memory + offset;
    used_before = block->used_before + block->size;
  }
  size_t size = std::clamp(used_before, kFirstBlockBytes, kLastBlockBytes);
  block = NewBlock(std::max(size, bytes), used_before);
  block->used.store(bytes, std::memory_order_relaxed);
  current_.store(block, std::memory_order_release);
  return block->memory;
}

Arena::Block* Arena::NewBlock(size_t size, size_t used_before) {
  size = RoundUp(size, HasHugePages(size) ? kHugePageBytes : kCacheLineBytes);
  // At every moment it has one owner: each step may find no memory.
  std::unique_ptr<Block> made(new Block{nullptr, size, 0, used_before});
  blocks_.push_back(made.get());
  Block* block = made.release();
  block->memory = TakeMemory(size);
  PL_CHECK(block->memory != nullptr);
  memory_usage_.fetch_add(size, std::memory_order_relaxed);
  return block;
}

char* Arena::TakeMemory(size_t size) {
  if (size == kLastBlockBytes) return large_blocks_->Take();
  if (!HasHugePages(size)) {
    return static_cast<char*>(std::aligned_alloc(kCacheLineBytes, size));
  }
  char* memory = MapPages(size, kHugePageBytes);
  if (memory != nullptr) AdviseHugePages(memory, size);
  return memory;
}

void Arena::GiveBackMemory(char* memory, size_t size) {
  if (size == kLastBlockBytes) {
    large_blocks_->GiveBack(memory);
  } else if (HasHugePages(size)) {
    UnmapPages(memory, size);
  } else {
    std::free(memory);
  }
}

size_t Arena::AllocatedBytes() const {
  const Block* block = current_.load(std::memory_order_acquire);
  size_t large = large_bytes_.load(std::memory_order_relaxed);
  if (block == nullptr) return large;
  size_t used = block->used.load(std::memory_order_relaxed);
  return block->used_before + std::min(used, block->size) + large;
}

}  // namespace paceline
