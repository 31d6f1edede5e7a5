// Pages: memory straight from the system, to which it returns when it is freed.
// The heap would keep it, and leave holes in it.

#pragma once

#include <cstddef>

namespace paceline {

// `bytes` zeros that begin at a multiple of `alignment`, a power of two that is
// at least a page. Null if there is no memory. Thread-safe.
[[nodiscard]] char* MapPages(size_t bytes, size_t alignment);
// What MapPages() returned, or whole pages of it.
void UnmapPages(char* memory, size_t bytes);
// Asks for huge pages. Advice only: nothing depends on it.
void AdviseHugePages(char* memory, size_t bytes);
// Asks for none.
void AdviseSmallPages(char* memory, size_t bytes);
// Makes the system give the memory now. It holds zeros, and nobody else may use
// it yet.
void TouchPages(char* memory, size_t bytes);
// The system may take the memory, but not the addresses, until it is written
// to again. It then holds anything.
void DropContents(char* memory, size_t bytes);
// AddressSanitizer reports who uses the memory, until it is allowed again.
// Nothing without it.
void ForbidAccess(char* memory, size_t bytes, bool is_forbidden);

}  // namespace paceline
