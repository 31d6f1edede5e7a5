// BlockMemory: where the bytes of blocks are kept.

#pragma once

#include <array>
#include <cstddef>

#include "src/base/sync.h"

namespace paceline {

// Blocks are made by one thread and dropped by another, in any order. A heap
// that has an arena for each thread keeps most of what was dropped where only
// one of them looks, so that a full cache takes up to twice its capacity. Here
// all threads share slabs of pieces of one size: what one drops the next one
// takes, and a slab without blocks returns to the system. So does what is
// large, filters and what is read ahead, at once.
//
// Thread-safe. A lock is held for a few instructions, and for each size there
// is another one.
class BlockMemory {
 public:
  BlockMemory() = default;
  BlockMemory(const BlockMemory&) = delete;
  BlockMemory& operator=(const BlockMemory&) = delete;

  // The one of the process. Never destroyed: blocks may outlive everything.
  static BlockMemory* Shared();

  // What a block of `size` bytes takes: at most a 32nd more, if it is not tiny.
  [[nodiscard]] static size_t Capacity(size_t size);

  // Not initialized. Null if there is no memory.
  [[nodiscard]] char* Allocate(size_t size);
  // `size` is that of the allocation.
  void Free(char* memory, size_t size);

  // Slabs that are to be emptied, since their blocks have room in others, so
  // that what went leaves no holes. Until it is destroyed nothing is allocated
  // in them; the slabs that are not empty then stay.
  class Move {
   public:
    // `left` is the caller's for good, 0 at first: how many such slabs its last
    // move left, since their blocks are those of others or in use. They make no
    // move worth it. Used by one move at a time.
    Move(BlockMemory* memory, size_t* left);
    ~Move();
    Move(const Move&) = delete;
    Move& operator=(const Move&) = delete;

    // False if it is not worth it, or another thread is at it.
    [[nodiscard]] bool has_begun() const { return has_begun_; }
    // True if that allocation of `size` bytes is in one of them.
    [[nodiscard]] static bool Concerns(const char* memory, size_t size);

   private:
    BlockMemory* const memory_;
    size_t* const left_;
    bool has_begun_ = false;
  };

  // Taken from the system for slabs, in use or not. Bytes.
  [[nodiscard]] size_t SlabBytes() const {
    return slab_bytes_.load(std::memory_order_relaxed);
  }

 private:
  // From 512 bytes to 32 KiB, each power of two in 32 steps. What is larger
  // comes from the heap or, from kMappedBytesMin on, from the system.
  static constexpr int kFirstOctave = 10;
  static constexpr int kLastOctave = 15;
  static constexpr size_t kStepBits = 5;
  static constexpr size_t kSizes =
      static_cast<size_t>(kLastOctave - kFirstOctave + 1) << kStepBits;

  struct Slab;
  struct SizeClass {
    Mutex mutex;
    Slab* with_space GUARDED_BY(mutex) = nullptr;
    Slab* to_be_emptied GUARDED_BY(mutex) = nullptr;
  };

  static constexpr size_t kMappedBytesMin = size_t{128} << 10;

  static bool HasSlabs(size_t size);
  static size_t IndexOf(size_t size);
  static char* Take(SizeClass* of_size) REQUIRES(of_size->mutex);
  // The slab if it has become empty and is to be unmapped.
  static Slab* GiveBack(SizeClass* of_size, char* memory)
      REQUIRES(of_size->mutex);
  static void Link(Slab** list, Slab* slab);
  static void Unlink(Slab** list, Slab* slab);
  static Slab* SlabOf(const char* piece);
  // How many slabs of that size could be emptied.
  static size_t CountSpare(SizeClass* of_size) EXCLUDES(of_size->mutex);
  static void ChooseSpare(SizeClass* of_size) EXCLUDES(of_size->mutex);
  // How many slabs it left.
  static size_t EndMove(SizeClass* of_size) EXCLUDES(of_size->mutex);
  Slab* MapSlab(size_t piece_bytes);
  void UnmapSlab(Slab* slab);

  std::array<SizeClass, kSizes> sizes_;
  Atomic<bool> is_moving_ = false;
  // Relaxed: a figure.
  Atomic<size_t> slab_bytes_ = 0;
};

}  // namespace paceline
