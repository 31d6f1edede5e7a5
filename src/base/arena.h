// Arena: memory that is handed out in small pieces and freed all at once.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "src/base/arena_blocks.h"
#include "src/base/sync.h"

namespace paceline {

// Pieces are aligned to 8 bytes and live until the Arena dies. Thread-safe:
// allocation from the current block is one atomic addition.
//
// Large pieces have blocks of their own, which ask for small pages: they are
// filled from end to end, at once, and a small page is still in the cache when
// the system has filled it with zeros. Other pieces are searched, which is
// faster in huge pages.
class Arena {
 public:
  // Its large blocks come from `blocks`.
  explicit Arena(
      std::shared_ptr<ArenaBlocks> blocks = std::make_shared<ArenaBlocks>());
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  // Never null: ends the program if the machine has no memory, before
  // anything of the write that needs it is visible.
  [[nodiscard]] char* Allocate(size_t bytes);

  // What was taken from the machine, used or not.
  [[nodiscard]] size_t MemoryUsage() const {
    return memory_usage_.load(std::memory_order_relaxed);
  }
  // What was handed out.
  [[nodiscard]] size_t AllocatedBytes() const;

 private:
  struct Block {
    char* memory;
    size_t size;
    // Offset of the first free byte; passes `size` when the block is full.
    Atomic<size_t> used;
    // Bytes handed out of the blocks before this one.
    size_t used_before;
    bool is_for_large_pieces;
  };
  // The block that pieces are taken from. Release when a new one is installed,
  // acquire when it is used.
  using Current = Atomic<Block*>;

  Current* CurrentFor(size_t bytes) {
    return bytes < kLargePieceBytesMin ? &current_ : &current_of_large_;
  }
  static size_t AllocatedBytes(const Current& current);
  char* AllocateSlow(size_t bytes) EXCLUDES(mutex_);
  Block* NewBlock(size_t size, size_t used_before, bool is_for_large_pieces)
      REQUIRES(mutex_);
  char* TakeMemory(const Block& block);
  void GiveBackMemory(const Block& block);

  // A page: a search finds little else in it.
  static constexpr size_t kLargePieceBytesMin = 4096;

  const std::shared_ptr<ArenaBlocks> large_blocks_;

  Current current_ = nullptr;
  Current current_of_large_ = nullptr;
  Atomic<size_t> memory_usage_ = 0;
  // Handed out in blocks of one piece.
  Atomic<size_t> single_bytes_ = 0;

  Mutex mutex_;
  std::vector<Block*> blocks_ GUARDED_BY(mutex_);
};

}  // namespace paceline
