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
// For large pieces the first block is as large as its piece; one that would
// waste much of a block has a block to itself.
constexpr size_t kSinglePieceBytesMin = size_t{256} << 10;
constexpr size_t kPageBytes = 4096;
constexpr size_t kCacheLineBytes = 64;

size_t RoundUp(size_t bytes, size_t unit) {
  return (bytes + unit - 1) / unit * unit;
}

}  // namespace

Arena::Arena(std::shared_ptr<ArenaBlocks> blocks)
    : large_blocks_(std::move(blocks)) {}

Arena::~Arena() {
  for (Block* block : blocks_) {
    // Null if the machine had no memory for it.
    if (block->memory != nullptr) GiveBackMemory(*block);
    delete block;
  }
}

char* Arena::Allocate(size_t bytes) {
  bytes = (bytes + 7) & ~size_t{7};
  Block* block = CurrentFor(bytes)->load(std::memory_order_acquire);
  if (block != nullptr && bytes <= block->size) {
    size_t offset = block->used.fetch_add(bytes, std::memory_order_relaxed);
    if (offset + bytes <= block->size) return block->memory + offset;
  }
  return AllocateSlow(bytes);
}

char* Arena::AllocateSlow(size_t bytes) {
  MutexLock lock(&mutex_);
  if (bytes > kSinglePieceBytesMin) {
    Block* own = NewBlock(bytes, 0, /*is_for_large_pieces=*/true);
    single_bytes_.fetch_add(bytes, std::memory_order_relaxed);
    return own->memory;
  }
  Current* current = CurrentFor(bytes);
  Block* block = current->load(std::memory_order_relaxed);
  size_t used_before = 0;
  if (block != nullptr) {
    // Another thread may have installed a block meanwhile.
    size_t offset = block->used.fetch_add(bytes, std::memory_order_relaxed);
    if (offset + bytes <= block->size) return block->memory + offset;
    used_before = block->used_before + block->size;
  }
  const bool is_large = current == &current_of_large_;
  size_t size = std::clamp(used_before, is_large ? bytes : kFirstBlockBytes,
                           kLastBlockBytes);
  block = NewBlock(size, used_before, is_large);
  block->used.store(bytes, std::memory_order_relaxed);
  current->store(block, std::memory_order_release);
  return block->memory;
}

Arena::Block* Arena::NewBlock(size_t size, size_t used_before,
                              bool is_for_large_pieces) {
  size = RoundUp(size, is_for_large_pieces ? kPageBytes : kCacheLineBytes);
  // At every moment it has one owner: each step may find no memory.
  std::unique_ptr<Block> made(
      new Block{nullptr, size, 0, used_before, is_for_large_pieces});
  blocks_.push_back(made.get());
  Block* block = made.release();
  block->memory = TakeMemory(*block);
  PL_CHECK(block->memory != nullptr);
  memory_usage_.fetch_add(size, std::memory_order_relaxed);
  return block;
}

char* Arena::TakeMemory(const Block& block) {
  const bool is_small_pages = block.is_for_large_pieces;
  if (block.size == kLastBlockBytes) {
    return large_blocks_->Take(is_small_pages ? ArenaBlocks::Pages::kSmall
                                              : ArenaBlocks::Pages::kHuge);
  }
  if (is_small_pages) {
    char* memory = MapPages(block.size, kPageBytes);
    if (memory != nullptr) AdviseSmallPages(memory, block.size);
    return memory;
  }
  return static_cast<char*>(std::aligned_alloc(kCacheLineBytes, block.size));
}

void Arena::GiveBackMemory(const Block& block) {
  if (block.size == kLastBlockBytes) {
    large_blocks_->GiveBack(block.memory);
  } else if (block.is_for_large_pieces) {
    UnmapPages(block.memory, block.size);
  } else {
    std::free(block.memory);
  }
}

size_t Arena::AllocatedBytes() const {
  return AllocatedBytes(current_) + AllocatedBytes(current_of_large_) +
         single_bytes_.load(std::memory_order_relaxed);
}

size_t Arena::AllocatedBytes(const Current& current) {
  const Block* block = current.load(std::memory_order_acquire);
  if (block == nullptr) return 0;
  size_t used = block->used.load(std::memory_order_relaxed);
  return block->used_before + std::min(used, block->size);
}

}  // namespace paceline
