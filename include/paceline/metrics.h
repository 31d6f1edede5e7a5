// Metrics: counters of one open database, as plain values.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace paceline {

// Why writers are delayed or stopped.
enum class StallCause {
  // Memtables are full and not flushed yet.
  kMemtables,
  // Level 0 has too many files.
  kLevel0,
  // Compactions have too much yet to write.
  kPendingCompaction,
  // LockWAL().
  kLocked,
};

// What one cause did to writers on behalf of one column family.
struct StallMetrics {
  std::string family;  // Empty for kLocked.
  StallCause cause = StallCause::kMemtables;
  uint64_t delays = 0;
  uint64_t delay_micros = 0;
  uint64_t stops = 0;
  uint64_t stop_micros = 0;
};

// Counted since the DB was opened. A copy is taken counter by counter, so the
// counters of one copy may be a few writes apart.
struct Metrics {
  // Writes that were committed, each one Write(), Put(), ... call.
  uint64_t commits = 0;
  // Entries in them.
  uint64_t entries = 0;
  // Groups they were committed in; commits / groups is the average group.
  uint64_t groups = 0;
  // Groups whose memtable inserts were shared out among their members.
  uint64_t parallel_groups = 0;
  // Commits that asked for a sync.
  uint64_t sync_commits = 0;
  // WAL records and the bytes of their batches.
  uint64_t wal_records = 0;
  uint64_t wal_bytes = 0;
  // Times the device was asked to flush a WAL.
  uint64_t wal_syncs = 0;
  // WALs begun since the open, the first one included.
  uint64_t wal_switches = 0;
  // Times a new WAL was not ready and a leader had to make it.
  uint64_t wal_switch_waits = 0;
  // Times writes were stopped, and how long writers waited for that.
  uint64_t stalls = 0;
  uint64_t stall_micros = 0;
  // The same for delays; `stalls_by_cause` has both in detail.
  uint64_t delays = 0;
  uint64_t delay_micros = 0;
  std::vector<StallMetrics> stalls_by_cause;

  // Flushes, compactions that merged, and those that only moved files.
  uint64_t flushes = 0;
  uint64_t compactions = 0;
  uint64_t trivial_moves = 0;
  // Bytes of tables.
  uint64_t flush_bytes_written = 0;
  uint64_t compaction_bytes_read = 0;
  uint64_t compaction_bytes_written = 0;
};

}  // namespace paceline
