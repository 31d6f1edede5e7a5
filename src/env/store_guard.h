// Stores into mapped files that survive a file system which cannot take them.
//
// Where a page of a mapping is stored to for the first time, or again after it
// was written back, the file system is asked. If its disk has died it refuses,
// and the process would get SIGBUS. The first call of GuardStores() in a
// process installs a handler of that signal: a page that is refused in guarded
// memory becomes private memory, which goes nowhere, and a flag says so. What
// happens elsewhere goes to the handler that was there before, or ends the
// process as before. A program that installs a handler later must pass on what
// it does not know.

#pragma once

#include <cstddef>

#include "src/base/sync.h"

namespace paceline {

// Guards the mapping `memory` of `bytes` until UnguardStores(memory), which
// must come before it is unmapped. `has_failed` becomes true before a store
// that the file does not get, and must live as long. Thread-safe.
void GuardStores(const char* memory, size_t bytes, Atomic<bool>* has_failed);
void UnguardStores(const char* memory);

}  // namespace paceline
