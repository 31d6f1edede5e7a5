// When flushes and compactions ask writers to wait, and how long.

#pragma once

#include <cstdint>
#include <string>

#include "paceline/options.h"
#include "paceline/status.h"

#include "src/commit/write_controller.h"

namespace paceline {

// What one column family owes, and how fast that is paid off.
struct StallInput {
  std::string family;
  // Memtables: sealed ones and their bytes, and what is left of the mutable
  // one.
  size_t sealed_memtables = 0;
  uint64_t unflushed_bytes = 0;
  uint64_t free_bytes = 0;
  // For how long the flush that runs has not got on: it may wait for a device
  // that pauses.
  uint64_t flush_stuck_nanos = 0;
  size_t level0_files = 0;
  uint64_t pending_compaction_bytes = 0;
  // Bytes a second, of memtables that are flushed and of what compactions
  // write. 0: not known yet.
  uint64_t flush_rate = 0;
  uint64_t compaction_rate = 0;
  // Why flushes, or compactions of this family, cannot run, if they cannot.
  Status flush_failure;
  Status compaction_failure;
};

// The rate at which writers neither run into a stop nor wait for longer than
// they must. A pure function.
[[nodiscard]] Stall ComputeStall(const ColumnFamilyOptions& options,
                                 const StallInput& input);

// The one that slows writers down more.
[[nodiscard]] const Stall& Stricter(const Stall& a, const Stall& b);

}  // namespace paceline
