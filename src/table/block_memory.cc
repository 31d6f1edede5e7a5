#include "src/table/block_memory.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <new>

#include "src/base/pages.h"

namespace paceline {

namespace {

constexpr size_t kSlabBytes = size_t{1} << 20;
constexpr size_t kSmallestBytes = 513;
// Of a slab, a little more than there can be.
constexpr size_t kPiecesMax = kSlabBytes / kSmallestBytes;
constexpr size_t kPageBytes = 4096;
// A move goes over all that is cached: it gives back one of so many slabs.
constexpr size_t kMoveParts = 32;

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
  // Read without the mutex by the thread of the move, which is who sets it.
  bool is_to_be_emptied = false;
  // Among those with space, or to be emptied.
  Slab* previous = nullptr;
  Slab* next = nullptr;

  [[nodiscard]] bool has_space() const {
    return free_piece != nullptr || untouched + piece_bytes <= kSlabBytes;
  }
  [[nodiscard]] size_t free() const {
    return (kSlabBytes - sizeof(Slab)) / piece_bytes - live;
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
  Link(&of_size->with_space, slab);
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
  if (!slab->has_space()) Unlink(&of_size->with_space, slab);
  return piece;
}

// One empty slab is kept, or a size of which there is one block would map and
// unmap all the time.
BlockMemory::Slab* BlockMemory::GiveBack(SizeClass* of_size, char* memory) {
  Slab* slab = SlabOf(memory);
  if (!slab->has_space()) Link(&of_size->with_space, slab);
  *reinterpret_cast<char**>(memory) = slab->free_piece;
  slab->free_piece = memory;
  --slab->live;
  bool is_only_one = of_size->with_space == slab && slab->next == nullptr;
  if (slab->live > 0 || is_only_one) return nullptr;
  Unlink(
      slab->is_to_be_emptied ? &of_size->to_be_emptied : &of_size->with_space,
      slab);
  return slab;
}

void BlockMemory::Link(Slab** list, Slab* slab) {
  slab->previous = nullptr;
  slab->next = *list;
  if (slab->next != nullptr) slab->next->previous = slab;
  *list = slab;
}

void BlockMemory::Unlink(Slab** list, Slab* slab) {
  (slab->previous != nullptr ? slab->previous->next : *list) = slab->next;
  if (slab->next != nullptr) slab->next->previous = slab->previous;
}

BlockMemory::Slab* BlockMemory::SlabOf(const char* piece) {
  auto address = reinterpret_cast<uintptr_t>(piece);
  return reinterpret_cast<Slab*>(address / kSlabBytes * kSlabBytes);
}

BlockMemory::Move::Move(BlockMemory* memory, size_t* left)
    : memory_(memory), left_(left) {
  if (memory_->is_moving_.exchange(true, std::memory_order_acquire)) return;
  size_t spare = 0;
  for (SizeClass& of_size : memory_->sizes_) spare += CountSpare(&of_size);
  *left_ = std::min(*left_, spare);
  size_t wanted = memory_->SlabBytes() / kSlabBytes / kMoveParts;
  has_begun_ = spare - *left_ >= std::max<size_t>(wanted, 1);
  if (!has_begun_) {
    memory_->is_moving_.store(false, std::memory_order_release);
    return;
  }
  for (SizeClass& of_size : memory_->sizes_) ChooseSpare(&of_size);
}

BlockMemory::Move::~Move() {
  if (!has_begun_) return;
  *left_ = 0;
  for (SizeClass& of_size : memory_->sizes_) *left_ += EndMove(&of_size);
  memory_->is_moving_.store(false, std::memory_order_release);
}

bool BlockMemory::Move::Concerns(const char* memory, size_t size) {
  return memory != nullptr && HasSlabs(size) &&
         SlabOf(memory)->is_to_be_emptied;
}

size_t BlockMemory::CountSpare(SizeClass* of_size) {
  MutexLock lock(&of_size->mutex);
  size_t slabs = 0;
  size_t free = 0;
  size_t pieces = 0;
  for (Slab* slab = of_size->with_space; slab != nullptr; slab = slab->next) {
    ++slabs;
    free += slab->free();
    pieces = slab->free() + slab->live;
  }
  return slabs == 0 ? 0 : std::min(free / pieces, slabs - 1);
}

// Those with the fewest blocks, as many as could be emptied.
void BlockMemory::ChooseSpare(SizeClass* of_size) {
  size_t spare = CountSpare(of_size);
  if (spare == 0) return;
  MutexLock lock(&of_size->mutex);
  std::array<uint32_t, kPiecesMax + 1> slabs_with = {};
  for (Slab* slab = of_size->with_space; slab != nullptr; slab = slab->next) {
    ++slabs_with[slab->live];
  }
  size_t live_max = 0;
  for (size_t slabs = slabs_with[0]; slabs < spare && live_max < kPiecesMax;) {
    slabs += slabs_with[++live_max];
  }
  for (Slab* slab = of_size->with_space; slab != nullptr && spare > 0;) {
    Slab* next = slab->next;
    if (slab->live <= live_max) {
      slab->is_to_be_emptied = true;
      Unlink(&of_size->with_space, slab);
      Link(&of_size->to_be_emptied, slab);
      --spare;
    }
    slab = next;
  }
}

size_t BlockMemory::EndMove(SizeClass* of_size) {
  MutexLock lock(&of_size->mutex);
  size_t left = 0;
  while (of_size->to_be_emptied != nullptr) {
    Slab* slab = of_size->to_be_emptied;
    slab->is_to_be_emptied = false;
    Unlink(&of_size->to_be_emptied, slab);
    Link(&of_size->with_space, slab);
    ++left;
  }
  return left;
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
