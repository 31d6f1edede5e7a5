// Pages: memory straight from the system, to which it returns when it is freed.
// The heap would keep it, and leave holes in it.

#pragma once

#include <cstddef>

namespace paceline {

// `bytes` zeros that begin at a multiple of `alignment`, a power of two that is
// at least a page. Null if there is no memory. Thread-safe.
[[nodiscard]] char* MapPages(size_t bytes, size_t alignment);
// `memory` and `bytes` are those of a call of MapPages().
void UnmapPages(char* memory, size_t bytes);
// Asks for huge pages. Advice only: nothing depends on it.
void AdviseHugePages(char* memory, size_t bytes);

}  // namespace paceline
