#include "src/table/block_memory.h"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <new>

#include "src/base/pages.h"

namespace paceline {

namespace {

constexpr size_t kSlabBytes = size_t{1} << 20;
constexpr size_t kSmallestBytes = 513;
constexpr size_t kPageBytes = 4096;

// The power of two at or above a size.
int OctaveOf(size_t size) { return std::bit_width(size - 1); }

}  // namespace

// At the start of its slab, which begins at a multiple of its size; the pieces
// follow. Guarded by the mutex of its size.
struct alignas(64) BlockMemory::Slab {
  // A piece that is free begins with the address of the next one.
  char* free_piece = nullptr;
  size_t piece_bytes = 0;
  // From here on nothing was handed out yet, so the system has not given it.
  size_t untouched = 0;
  size_t live = 0;
  // Among those with space.
  Slab* previous = nullptr;
  Slab* next = nullptr;

  [[nodiscard]] bool has_space() const {
    return free_piece != nullptr || untouched + piece_bytes <= kSlabBytes;
  }
};

BlockMemory* BlockMemory::Shared() {
  static auto* const shared = new BlockMemory();
  return shared;
}

bool BlockMemory::HasSlabs(size_t size) {
  return size <= size_t{1} << kLastOctave;
}

size_t BlockMemory::IndexOf(size_t size) {
  size = std::max(size, kSmallestBytes);
  int octave = OctaveOf(size);
  size_t below = size_t{1} << (octave - 1);
  size_t step =
      (size - 1 - below) >> (static_cast<size_t>(octave) - 1 - kStepBits);
  return (static_cast<size_t>(octave - kFirstOctave) << kStepBits) + step;
}

size_t BlockMemory::Capacity(size_t size) {
  if (size >= kMappedBytesMin) {
    return (size + kPageBytes - 1) / kPageBytes * kPageBytes;
  }
  if (!HasSlabs(size)) return size;
  size_t index = IndexOf(size);
  size_t octave = kFirstOctave + (index >> kStepBits);
  size_t below = size_t{1} << (octave - 1);
  size_t step = index % (size_t{1} << kStepBits) + 1;
  return below + (step << (octave - 1 - kStepBits));
}

char* BlockMemory::Allocate(size_t size) {
  if (size > PTRDIFF_MAX) return nullptr;
  if (size >= kMappedBytesMin) return MapPages(size, kPageBytes);
  if (!HasSlabs(size)) return new (std::nothrow) char[size];
  SizeClass* of_size = &sizes_[IndexOf(size)];
  {
    MutexLock lock(&of_size->mutex);
    if (of_size->with_space != nullptr) return Take(of_size);
  }
  Slab* slab = MapSlab(Capacity(size));
  if (slab == nullptr) return nullptr;
  MutexLock lock(&of_size->mutex);
  Link(of_size, slab);
  return Take(of_size);
}

void BlockMemory::Free(char* memory, size_t size) {
  if (memory == nullptr) return;
  if (size >= kMappedBytesMin) {
    UnmapPages(memory, size);
    return;
  }
  if (!HasSlabs(size)) {
    delete[] memory;
    return;
  }
  SizeClass* of_size = &sizes_[IndexOf(size)];
  Slab* unused = nullptr;
  {
    MutexLock lock(&of_size->mutex);
    unused = GiveBack(of_size, memory);
  }
  if (unused != nullptr) UnmapSlab(unused);
}

char* BlockMemory::Take(SizeClass* of_size) {
  Slab* slab = of_size->with_space;
  char* piece = slab->free_piece;
  if (piece != nullptr) {
    slab->free_piece = *reinterpret_cast<char**>(piece);
  } else {
    piece = reinterpret_cast<char*>(slab) + slab->untouched;
    slab->untouched += slab->piece_bytes;
  }
  ++slab->live;
  if (!slab->has_space()) Unlink(of_size, slab);
  return piece;
}

// One empty slab is kept, or a size of which there is one block would map and
// unmap all the time.
BlockMemory::Slab* BlockMemory::GiveBack(SizeClass* of_size, char* memory) {
  auto address = reinterpret_cast<uintptr_t>(memory);
  auto* slab = reinterpret_cast<Slab*>(address / kSlabBytes * kSlabBytes);
  if (!slab->has_space()) Link(of_size, slab);
  *reinterpret_cast<char**>(memory) = slab->free_piece;
  slab->free_piece = memory;
  --slab->live;
  bool is_only_one = of_size->with_space == slab && slab->next == nullptr;
  if (slab->live > 0 || is_only_one) return nullptr;
  Unlink(of_size, slab);
  return slab;
}

void BlockMemory::Link(SizeClass* of_size, Slab* slab) {
  slab->previous = nullptr;
  slab->next = of_size->with_space;
  if (slab->next != nullptr) slab->next->previous = slab;
  of_size->with_space = slab;
}

void BlockMemory::Unlink(SizeClass* of_size, Slab* slab) {
  (slab->previous != nullptr ? slab->previous->next : of_size->with_space) =
      slab->next;
  if (slab->next != nullptr) slab->next->previous = slab->previous;
}

BlockMemory::Slab* BlockMemory::MapSlab(size_t piece_bytes) {
  char* memory = MapPages(kSlabBytes, kSlabBytes);
  if (memory == nullptr) return nullptr;
  auto* slab = new (memory) Slab();
  slab->piece_bytes = piece_bytes;
  slab->untouched = sizeof(Slab);
  slab_bytes_.fetch_add(kSlabBytes, std::memory_order_relaxed);
  return slab;
}

void BlockMemory::UnmapSlab(Slab* slab) {
  UnmapPages(reinterpret_cast<char*>(slab), kSlabBytes);
  slab_bytes_.fetch_sub(kSlabBytes, std::memory_order_relaxed);
}

}  // namespace paceline
