// The options of a database, a column family, a read and a write.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "paceline/comparator.h"
#include "paceline/compression_type.h"
#include "paceline/env.h"
#include "paceline/merge_operator.h"
#include "paceline/rate_limiter.h"
#include "paceline/slice.h"
#include "paceline/table.h"

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

  // Tables that are kept open. Each takes memory for its index and its filter.
  // -1: all of them; otherwise at least 10.
  int max_open_files = -1;

  // Flushes and compactions that run at once. 1 to 64. With 2 or more, one is
  // always left for flushes. One thread more removes files.
  int max_background_jobs = 2;

  // When the WALs together are larger than this, the column families whose
  // unflushed entries keep the oldest ones are flushed, so that a family that
  // is rarely written cannot keep WALs for ever. Bytes; 0: four times the write
  // buffers of all column families.
  uint64_t max_total_wal_size = 0;

  // Flushes all column families together, in one step: also what was written
  // with disableWAL is then found for all of them or for none.
  bool atomic_flush = false;

  // Bounds the rate at which flushes and compactions write. Null: no bound.
  std::shared_ptr<RateLimiter> rate_limiter;

  // A MANIFEST that grows beyond this is replaced by a new one. Bytes, 1 KiB
  // or more.
  uint64_t max_manifest_file_size = uint64_t{1} << 30;

  // Close() flushes what was written with disableWAL, unless this is on.
  bool avoid_flush_during_shutdown = false;

  // Lets members of a large write group insert into the memtables beside
  // their leader.
  bool allow_concurrent_memtable_write = true;

  // Lets the WAL be appended to through a memory mapping where the file system
  // is known to be sound for it (ext4, xfs, tmpfs). System calls are used
  // elsewhere, and everywhere if this is off. With it, the process gets a
  // handler of SIGBUS, for mapped WALs on a disk that has died; all else goes
  // to the handler that was there before.
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

  // Memtables in memory, the one that is written to included. Writes are
  // delayed so that flushes keep up, and stopped when all of them are full. 2
  // to 64.
  int max_write_buffer_number = 2;

  // How new tables are written, and which cache and filters they use. Not
  // null.
  std::shared_ptr<TableFactory> table_factory =
      std::shared_ptr<TableFactory>(NewBlockBasedTableFactory());

  // Of the blocks of new tables; InvalidArgument at open if Paceline was built
  // without it.
  CompressionType compression = DefaultCompression();
  // Of the deepest level that has files; kDisableCompressionOption: as above.
  CompressionType bottommost_compression = kDisableCompressionOption;
  CompressionOptions compression_opts;

  // So many files of level 0 are merged into the next level. 1 or more.
  int level0_file_num_compaction_trigger = 4;
  // From so many files of level 0 on, writes are delayed more and more ...
  int level0_slowdown_writes_trigger = 20;
  // ... and stopped at so many. Each at least as large as the one before.
  int level0_stop_writes_trigger = 36;

  // Size of the files of level 1; those of each deeper level are larger by the
  // multiplier. Bytes, 4 KiB or more; 1 or more.
  uint64_t target_file_size_base = uint64_t{64} << 20;
  int target_file_size_multiplier = 1;

  // Size of level 1; each deeper level is larger by the multiplier. With
  // dynamic levels, what is given is the largest size of the first level that
  // is used, and the deepest level decides. Bytes, 4 KiB or more; more than 1.
  uint64_t max_bytes_for_level_base = uint64_t{256} << 20;
  double max_bytes_for_level_multiplier = 10;
  bool level_compaction_dynamic_level_bytes = true;

  // A compaction is kept to about so many bytes, and an output file ends where
  // moving it further would mean reading more. Bytes, 4 KiB or more; 0: 25
  // times target_file_size_base.
  uint64_t max_compaction_bytes = 0;

  // Bytes that compactions have yet to write: from the first limit on, writes
  // are delayed more and more, and stopped at the second, which is not below
  // the first. 0: no limit.
  uint64_t soft_pending_compaction_bytes_limit = uint64_t{64} << 30;
  uint64_t hard_pending_compaction_bytes_limit = uint64_t{256} << 30;

  // Compacts only when CompactRange() asks for it. Writes are then not delayed
  // for level 0 or for pending compactions.
  bool disable_auto_compactions = false;
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

  // Checks the checksum of every block that is read from a file.
  bool verify_checksums = true;

  // Keeps the blocks that are read in the block cache. Off for scans that will
  // not be repeated.
  bool fill_cache = true;

  // What iterators read ahead of the entries that are asked for. Bytes; 0: more
  // and more, from the third block in a row on.
  size_t readahead_size = 0;
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

struct FlushOptions {
  // Returns when the tables are written, rather than at once.
  bool wait = true;
};

// Which files of the deepest level CompactRange() rewrites.
enum class BottommostLevelCompaction {
  // None: files are merged into it only.
  kSkip,
  // All in the range.
  kForce,
};

struct CompactRangeOptions {
  BottommostLevelCompaction bottommost_level_compaction =
      BottommostLevelCompaction::kSkip;
};

struct WaitForCompactOptions {
  // Flushes all column families first.
  bool flush = false;
};

}  // namespace paceline
