// Background: flushes and compactions, when they run, and what becomes of
// them.

#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "paceline/metrics.h"
#include "paceline/options.h"

#include "src/base/sync.h"
#include "src/compaction/compaction_job.h"
#include "src/compaction/flush_job.h"
#include "src/db/smoothed.h"
#include "src/db/snapshot_list.h"
#include "src/db/stall_policy.h"
#include "src/env/worker_pool.h"
#include "src/version/column_family.h"
#include "src/version/version_set.h"

namespace paceline {

// What flushes (into level 0) and compactions (into the others) did to a level.
struct LevelStats {
  uint64_t jobs = 0;
  uint64_t bytes_read = 0;
  uint64_t bytes_written = 0;
  uint64_t micros = 0;
};
using FamilyStats = std::array<LevelStats, kLevels>;

// A failed job is tried again as long as the machine fails (a full disk may
// have space again); damage in a file ends the compactions of its column
// family. Writers are only concerned once they would have to wait.
//
// What others wait for ends, or the process does: no exception (which would be
// std::bad_alloc) leaves a job, nor what runs or counts one in the caller's
// thread.
//
// Thread-safe. Takes no lock but its own and those of the parts it calls; its
// jobs never wait for the leader's role.
class Background {
 public:
  struct Config {
    DBOptions options;
    std::string directory;
    VersionSet* versions = nullptr;
    ColumnFamilySet* families = nullptr;
    SnapshotList* snapshots = nullptr;
    std::shared_ptr<UnusedTables> unused;
    // Gets what writers are to be told.
    std::function<void(const Stall&)> set_stall;
    // Makes all WALs but the newest one survive a power cut. Blocks.
    std::function<Status()> sync_full_wals;
    // WALs below this number are not needed any more.
    std::function<void(uint64_t)> wals_released;
    // Removes the files of those. Blocks.
    std::function<void()> remove_wals;
  };

  explicit Background(Config config);
  ~Background();
  Background(const Background&) = delete;
  Background& operator=(const Background&) = delete;

  // Lets jobs begin.
  void Start() EXCLUDES(mutex_);
  // Ends compactions early, waits for running jobs and for removals, and begins
  // no more. What is sealed stays in memory.
  void Stop() EXCLUDES(mutex_);

  // Something was sealed; `ordinal` is that of the last seal, which is
  // complete. With `together`, all column families are flushed in one step.
  // Does not wait for threads that are at work here, which are less urgent than
  // the caller and may have no processor now. False if one was: the flush will
  // begin, but the stall is what it was before; UpdateStallIfFree() may be
  // called until it succeeds. For one thread at a time.
  bool Sealed(uint64_t ordinal, bool together) noexcept EXCLUDES(mutex_);
  // Column families have come or gone.
  void FamiliesChanged() noexcept EXCLUDES(mutex_);
  // The mutable memtables have grown: looks at the stall anew. Does nothing,
  // and returns false, while another thread is at work here.
  bool UpdateStallIfFree() noexcept EXCLUDES(mutex_);

  // Blocks until nothing that `families` had sealed before the call is
  // unflushed, and the flushes are over and counted. The failure that keeps it
  // so, if a flush fails meanwhile.
  Status WaitForFlush(const ColumnFamilySet::Families& families)
      EXCLUDES(mutex_);
  // Blocks until no job runs or is due; why none can run, if so.
  Status WaitUntilIdle() noexcept EXCLUDES(mutex_);
  // See DB::CompactRange(), without the memtables.
  Status CompactRange(const CompactRangeOptions& options,
                      const std::shared_ptr<ColumnFamily>& family,
                      const Slice* begin, const Slice* end) noexcept
      EXCLUDES(mutex_);

  // Forgets failures and tries again. For Resume(). Whether a flush had failed.
  bool ClearFailure() EXCLUDES(mutex_);
  // Why flushes or compactions fail at present, or OK.
  [[nodiscard]] Status failure() const EXCLUDES(mutex_);

  [[nodiscard]] FamilyStats StatsOf(uint32_t family_id) const EXCLUDES(mutex_);
  void AddMetrics(Metrics* metrics) const EXCLUDES(mutex_);
  // What runs in the whole database, and what is due in one family.
  struct Activity {
    int flushes = 0;
    int compactions = 0;
    uint64_t failures = 0;  // Since the open.
    bool flush_due = false;
    bool compaction_due = false;
  };
  [[nodiscard]] Activity activity(const ColumnFamily& family) const
      EXCLUDES(mutex_);
  [[nodiscard]] bool IsBeingCompacted(uint32_t family_id,
                                      uint64_t file_number) const
      EXCLUDES(mutex_);

 private:
  // The work of one column family.
  struct Work {
    bool is_flushing = false;
    uint64_t flushing_bytes = 0;
    uint64_t flushing_entries = 0;
    uint64_t flushing_ordinal = 0;  // Of the first of the memtables.
    // Of them. Relaxed, and changed without the mutex: a figure.
    Atomic<uint64_t> flushed_entries = 0;
    // What it was when it was last looked at, and since when.
    uint64_t flushed_entries_seen = 0;
    uint64_t flush_got_on_nanos = 0;
    RunningCompactions running;
    Status compaction_failure;  // Damage: no compaction until Resume().
    FamilyStats stats{};
    uint64_t trivial_moves = 0;
    // Bytes a second.
    Smoothed flush_rate;
    Smoothed compaction_rate;
    uint64_t level0_merged_at_nanos = 0;
    // What compactions still have to write at this Version.
    std::shared_ptr<const Version> pending_of;
    uint64_t pending_bytes = 0;
  };

  // Jobs of one kind fail, and not because of damage in a file.
  struct Trouble {
    Status failure;  // Of the last job; OK: there is no trouble.
    uint64_t retry_nanos = 0;
    uint64_t failures = 0;  // Since the open.

    void End() {
      failure = Status::OK();
      retry_nanos = 0;
    }
  };

  // What one flush takes from one family.
  struct FamilyFlush {
    std::shared_ptr<ColumnFamily> family;
    std::vector<std::shared_ptr<MemTable>> memtables;  // Newest first.
    FlushResult result;
    uint64_t memtable_bytes = 0;
    uint64_t memtable_entries = 0;
    Atomic<uint64_t>* entries_read = nullptr;  // Of the family's Work.
  };

  void Schedule() REQUIRES(mutex_);
  // What a running flush need not be waited for any more. Bytes.
  static uint64_t FlushedBytes(const Work& work);
  // For how long it has not got on.
  uint64_t FlushStuckNanos(Work* work) const REQUIRES(mutex_);
  void UpdateStallLocked() REQUIRES(mutex_);
  [[nodiscard]] StallInput StallInputOf(const ColumnFamily& family,
                                        Work* work) const REQUIRES(mutex_);
  Work& WorkOf(const ColumnFamily& family) REQUIRES(mutex_) {
    return work_[family.id()];
  }
  // With the ordinal of the last seal that matters of each.
  using AwaitedFlushes =
      std::vector<std::pair<std::shared_ptr<ColumnFamily>, uint64_t>>;
  [[nodiscard]] bool IsAnyPending(const AwaitedFlushes& awaited) const
      REQUIRES(mutex_);
  // Of what was sealed up to `sealed_ordinal`.
  [[nodiscard]] bool IsFlushDue(const ColumnFamily& family,
                                uint64_t sealed_ordinal) const REQUIRES(mutex_);
  [[nodiscard]] bool IsCompactionDue(const ColumnFamily& family) const
      REQUIRES(mutex_);

  void RunFlushJob() EXCLUDES(mutex_);
  std::vector<FamilyFlush> TakeFlush() REQUIRES(mutex_);
  FamilyFlush TakeFlushOf(const std::shared_ptr<ColumnFamily>& family,
                          uint64_t sealed_ordinal) REQUIRES(mutex_);
  Status Flush(std::vector<FamilyFlush>* flushes) EXCLUDES(mutex_);
  Status CommitFlush(const std::vector<FamilyFlush>& flushes) EXCLUDES(mutex_);
  // Where a family leaves WALs behind that others need: they must be durable
  // before its table is. A power cut would else take from the others what was
  // written before, or with, what the table holds.
  Status SyncWalsOfOthers(const std::vector<VersionEdit>& edits)
      EXCLUDES(mutex_);
  // Records `change`; if that fails, remembers `files`, which a MANIFEST may
  // name or not.
  Status Record(VersionSet::Change change,
                const std::vector<FileMetaData>& files) EXCLUDES(mutex_);
  // OK once there is a MANIFEST that does not name what failed to be recorded.
  Status SettleManifest() EXCLUDES(mutex_);
  void EndFlush(const std::vector<FamilyFlush>& flushes, const Status& status)
      REQUIRES(mutex_);

  void RunCompactionJob() EXCLUDES(mutex_);
  // The most urgent compaction of all families, and whose it is.
  std::optional<Compaction> Pick(bool is_patient,
                                 std::shared_ptr<ColumnFamily>* chosen)
      REQUIRES(mutex_);
  std::optional<Compaction> AwaitCompaction(
      std::shared_ptr<ColumnFamily>* chosen) REQUIRES(mutex_);
  Status WaitUntilIdleLocked() REQUIRES(mutex_);
  Status RunOne(const std::shared_ptr<ColumnFamily>& family,
                Compaction compaction) EXCLUDES(mutex_);
  // `result` is null if there is none.
  void EndCompaction(const std::shared_ptr<ColumnFamily>& family,
                     const Compaction& compaction,
                     const CompactionResult* result, const Status& failure)
      EXCLUDES(mutex_);
  Status MoveFiles(const std::shared_ptr<ColumnFamily>& family,
                   const Compaction& compaction);
  Status MergeFiles(const std::shared_ptr<ColumnFamily>& family,
                    const Compaction& compaction, CompactionResult* result);
  Status CommitCompaction(const std::shared_ptr<ColumnFamily>& family,
                          const Compaction& compaction,
                          const std::vector<FileMetaData>& files);
  Status RewriteLevel(const std::shared_ptr<ColumnFamily>& family, int level,
                      const Slice* begin, const Slice* end) EXCLUDES(mutex_);
  // The numbers of the files of a level that have keys in the range.
  static std::vector<uint64_t> FilesIn(const ColumnFamily& family, int level,
                                       const Slice* begin, const Slice* end);
  StatusOr<bool> CompactStep(const std::shared_ptr<ColumnFamily>& family,
                             int level, int output_level, const Slice* begin,
                             const Slice* end) EXCLUDES(mutex_);

  TableOutput::Config OutputConfig(const ColumnFamily& family) const;
  // Opens new tables, so that the first read of them need not.
  static void OpenTables(const ColumnFamily& family,
                         const std::vector<FileMetaData>& files);
  void NoteCompaction(Work* work, const Compaction& compaction,
                      const CompactionResult& result) REQUIRES(mutex_);
  // No exception leaves it: who lets go of a file could tell nobody.
  void ScheduleRemoval() noexcept;
  void RemoveUnusedTables();
  // Waits a little before the next try. What can be removed is removed first:
  // the disk may be full.
  void WaitToRetry(Trouble* trouble) REQUIRES(mutex_);

  const Config config_;
  Logger* const logger_;

  mutable Mutex mutex_;
  CondVar changed_;
  bool is_started_ GUARDED_BY(mutex_) = false;
  Atomic<bool> is_stopping_ = false;  // Changed under the mutex.
  std::map<uint32_t, Work> work_ GUARDED_BY(mutex_);
  // Stored before the other one, with release; what is sealed up to here is
  // flushed in one step.
  Atomic<uint64_t> together_ordinal_ = 0;
  // Stored with release: who sees it sees what was sealed.
  Atomic<uint64_t> sealed_ordinal_ = 0;
  // Tables of changes that could not be recorded. They may be removed once a
  // later change was.
  std::vector<uint64_t> unrecorded_ GUARDED_BY(mutex_);
  int flush_jobs_ GUARDED_BY(mutex_) = 0;  // Scheduled or running.
  int compaction_jobs_ GUARDED_BY(mutex_) = 0;
  int manual_compactions_ GUARDED_BY(mutex_) = 0;
  int waiting_for_idle_ GUARDED_BY(mutex_) = 0;
  // Scheduled or running. Counted without the mutex, by whoever reads a table
  // last as well; relaxed, since the mutex is taken after the last of them.
  Atomic<int> removal_jobs_ = 0;
  Atomic<bool> has_unused_wals_ = false;  // Behind the last flush.
  uint64_t last_flush_nanos_ GUARDED_BY(mutex_) = 0;
  Smoothed flush_interval_ GUARDED_BY(mutex_);  // Nanoseconds.
  // One kind of job working says nothing of the other.
  Trouble flush_trouble_ GUARDED_BY(mutex_);
  Trouble compaction_trouble_ GUARDED_BY(mutex_);

  // Destroyed first: its jobs use all of the above.
  std::unique_ptr<WorkerPool> pool_;
};

}  // namespace paceline
