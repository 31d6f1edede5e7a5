// The options of a database, a column family, a read and a write.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "paceline/comparator.h"
#include "paceline/env.h"
#include "paceline/merge_operator.h"
#include "paceline/slice.h"

namespace paceline {

class Snapshot;

// What Open() does when it meets damage in a WAL. The numbers are RocksDB's.
enum class WALRecoveryMode : char {
  // A torn record at the end of a WAL is dropped; damage anywhere else fails
  // the open.
  kTolerateCorruptedTailRecords = 0,
  // Any damage fails the open.
  kAbsoluteConsistency = 1,
  // Replay stops in front of the first damage; the open fails only if that
  // would leave a column family with data from after that point.
  kPointInTimeRecovery = 2,
  // Damaged records are skipped and everything else is kept.
  kSkipAnyCorruptedRecords = 3,
};

struct DBOptions {
  // Open() makes the database if it is missing.
  bool create_if_missing = false;

  // Open() makes the column families it is asked for and does not find.
  bool create_missing_column_families = false;

  // Open() fails with InvalidArgument if the database exists.
  bool error_if_exists = false;

  WALRecoveryMode wal_recovery_mode = WALRecoveryMode::kPointInTimeRecovery;

  // Where files live and what time it is. Not owned; must outlive the DB.
  FileSystem* file_system = FileSystem::Default();
  Clock* clock = Clock::Default();

  // Gets the messages about what the database does. Null: a file LOG in the
  // database's directory.
  std::shared_ptr<Logger> info_log;

  // Largest write group. A group also ends early if its leader's batch is
  // small, so that a small write never waits for much larger ones. Bytes,
  // 1 KiB to 256 MiB.
  uint64_t max_write_batch_group_size_bytes = uint64_t{1} << 20;

  // Lets members of a large write group insert into the memtables beside
  // their leader.
  bool allow_concurrent_memtable_write = true;

  // Lets the WAL be appended to through a memory mapping where the file system
  // is known to be sound for it (ext4, xfs, tmpfs). System calls are used
  // elsewhere, and everywhere if this is off.
  bool allow_mmap_writes = true;

  // Makes a write visible to readers as soon as it is in the WAL and the
  // memtables, before the sync its writer asked for. Writers without sync then
  // never wait for somebody else's sync; readers may see what a power cut
  // still takes away. Off: visible means as durable as its writer asked.
  bool visible_before_durable = false;
};

struct ColumnFamilyOptions {
  // The order of the keys. Not owned; must outlive the DB, and must have the
  // same name at every open.
  const Comparator* comparator = BytewiseComparator();

  // Needed to read (and to write) Merge entries.
  std::shared_ptr<MergeOperator> merge_operator;

  // Size at which a memtable is sealed and a new WAL begins. Bytes, 64 KiB to
  // 64 GiB.
  size_t write_buffer_size = size_t{64} << 20;
};

// The options of a database that has one column family, or whose column
// families are alike.
struct Options : public DBOptions, public ColumnFamilyOptions {
  Options() = default;
  Options(const DBOptions& db_options,
          const ColumnFamilyOptions& family_options)
      : DBOptions(db_options), ColumnFamilyOptions(family_options) {}
};

struct ReadOptions {
  // The point in time to read at; null: now.
  const Snapshot* snapshot = nullptr;

  // Iterators see only keys in [lower, upper). The Slice and its bytes must
  // outlive the iterator. Null: no bound.
  const Slice* iterate_lower_bound = nullptr;
  const Slice* iterate_upper_bound = nullptr;
};

struct WriteOptions {
  // The write returns only when it survives a power cut. Without it, it
  // returns when it survives the death of the process.
  bool sync = false;

  // The write is not logged: it is lost when the process ends or dies. Not
  // together with sync.
  bool disableWAL = false;

  // If writes are stalled, fail with Incomplete instead of waiting.
  bool no_slowdown = false;
};

}  // namespace paceline
