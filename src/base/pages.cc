#include "src/base/pages.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>

#include "src/base/sanitizers.h"

#if defined(PACELINE_ASAN)
#include <sanitizer/asan_interface.h>
#endif

namespace paceline {

namespace {

size_t PageBytes() {
  static const auto bytes = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  return bytes;
}

}  // namespace

// The system aligns to pages of its usual size: what is too much at both ends
// goes back.
char* MapPages(size_t bytes, size_t alignment) {
  if (bytes > PTRDIFF_MAX - alignment) return nullptr;
  size_t mapped = bytes + alignment;
  void* memory = mmap(nullptr, mapped, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return nullptr;
  auto begin = reinterpret_cast<uintptr_t>(memory);
  size_t before = (alignment - begin % alignment) % alignment;
  char* aligned = static_cast<char*>(memory) + before;
  if (before > 0) munmap(memory, before);
  size_t page = PageBytes();
  size_t used = (bytes + page - 1) / page * page;
  if (mapped - before > used) munmap(aligned + used, mapped - before - used);
  return aligned;
}

void UnmapPages(char* memory, size_t bytes) { munmap(memory, bytes); }

void AdviseHugePages([[maybe_unused]] char* memory,
                     [[maybe_unused]] size_t bytes) {
#if defined(MADV_HUGEPAGE)
  madvise(memory, bytes, MADV_HUGEPAGE);
#endif
}

void AdviseSmallPages([[maybe_unused]] char* memory,
                      [[maybe_unused]] size_t bytes) {
#if defined(MADV_NOHUGEPAGE)
  madvise(memory, bytes, MADV_NOHUGEPAGE);
#endif
}

void TouchPages(char* memory, size_t bytes) {
  for (size_t offset = 0; offset < bytes; offset += PageBytes()) {
    static_cast<volatile char*>(memory)[offset] = 0;
  }
}

void DropContents([[maybe_unused]] char* memory,
                  [[maybe_unused]] size_t bytes) {
#if defined(MADV_FREE)
  madvise(memory, bytes, MADV_FREE);
#endif
}

void ForbidAccess([[maybe_unused]] char* memory, [[maybe_unused]] size_t bytes,
                  [[maybe_unused]] bool is_forbidden) {
#if defined(PACELINE_ASAN)
  if (is_forbidden) {
    ASAN_POISON_MEMORY_REGION(memory, bytes);
  } else {
    ASAN_UNPOISON_MEMORY_REGION(memory, bytes);
  }
#endif
}

}  // namespace paceline
