// WritePath: the CommitTarget over the WAL and the memtables.

#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "paceline/metrics.h"
#include "paceline/options.h"
#include "paceline/write_batch.h"

#include "src/base/arena_blocks.h"
#include "src/base/error_latch.h"
#include "src/commit/committer.h"
#include "src/format/predecessor_note.h"
#include "src/version/column_family.h"
#include "src/version/version_set.h"
#include "src/wal/wal_set.h"

namespace paceline {

// Everything between DB::Write() and the disk. Thread-safe, except for Open()
// and Close().
class WritePath final : private CommitTarget {
 public:
  // All but the options must outlive it.
  WritePath(const DBOptions& options, std::string directory,
            VersionSet* versions, ColumnFamilySet* families,
            ArenaBlocks* arena_blocks, Logger* logger);
  ~WritePath() override;

  // What the write path tells others, in the leader's thread.
  struct Listener {
    // Memtables were sealed; the seal of this number is complete. False: it
    // was not found out whether writers must wait.
    std::function<bool(uint64_t seal_ordinal, bool together)> sealed;
    // Writers are delayed, and have written so much that the delay may have
    // to change; or that was not found out the last time. False as above.
    std::function<bool()> grown;
  };

  // Begins the first WAL, which will follow those that end as `predecessor`
  // says. Nothing may have been written before.
  Status Open(SequenceNumber last_sequence, const PredecessorNote& predecessor,
              Listener listener);
  // Fails waiting and later writes, and waits for running ones.
  void EndWrites();
  // After EndWrites(): closes the WALs and records that everything is durable.
  Status Close();

  // Seals the memtables of `families` that are not empty (of all, with
  // atomic_flush), so that a flush takes everything written so far. The
  // failure after which writes are refused, if there was one.
  // No exception leaves it, nor what else changes WALs and memtables below:
  // what is done of it cannot be taken back.
  Status Seal(const ColumnFamilySet::Families& families) noexcept;
  // WALs below `number` are not needed any more.
  void ReleaseWals(uint64_t number) {
    wals_.Release(number);
    first_needed_wal_.store(number, std::memory_order_relaxed);
  }
  void SetStall(const Stall& stall) { controller_.SetStall(stall); }
  [[nodiscard]] uint64_t delayed_write_rate() const {
    return controller_.bytes_per_second();
  }
  // True if something was written with disableWAL since the open.
  [[nodiscard]] bool has_unlogged_writes() const {
    return has_unlogged_writes_.load(std::memory_order_relaxed);
  }

  // See DB::Write().
  Status Write(const WriteOptions& options, const WriteBatch* batch);
  // See DB::SyncWAL().
  Status SyncWAL();
  // Makes all WALs but the one that is written to survive a power cut.
  Status SyncFullWals();
  Status LockWAL() noexcept;
  Status UnlockWAL();

  // The caller is alone on the write path while it lives: it leads, and
  // nothing is in flight.
  class SCOPED_CAPABILITY Exclusive {
   public:
    explicit Exclusive(WritePath* path) ACQUIRE(WriteThread::write_leader)
        : committer_(&path->committer_) {
      committer_->BeginExclusive(&writer_);
    }
    ~Exclusive() RELEASE() { committer_->EndExclusive(&writer_); }
    Exclusive(const Exclusive&) = delete;
    Exclusive& operator=(const Exclusive&) = delete;

   private:
    Committer* const committer_;
    Writer writer_;
  };

  // Where the entries of new families go from now on.
  void AddFamily(std::shared_ptr<ColumnFamily> family) noexcept
      REQUIRES(WriteThread::write_leader);
  void RemoveFamily(uint32_t id) REQUIRES(WriteThread::write_leader);
  // The WAL that the next write goes to.
  [[nodiscard]] uint64_t wal_number() const { return wals_.tail_number(); }

  // Refuses writes from now on: what a failed change of the MANIFEST left in
  // the file is not known, and recovery may find it. Returns `failure`.
  Status RefuseWrites(const Status& failure)
      REQUIRES(WriteThread::write_leader) {
    return latch_.Set(failure);
  }

  // See DB::Resume(). OK at once if nothing has failed. `flush` writes all that
  // is sealed to tables in one step, and returns when it is durable.
  Status Resume(const std::function<Status()>& flush);

  [[nodiscard]] SequenceNumber visible_sequence() const {
    return committer_.visible_sequence();
  }
  [[nodiscard]] bool is_stopped() const { return controller_.is_stopped(); }
  // The failure after which writes are refused, or OK.
  [[nodiscard]] Status failure() const { return latch_.Get(); }
  [[nodiscard]] Metrics GetMetrics() const;

 private:
  class LiveSink;

  // CommitTarget.
  bool NeedsRoom() const override REQUIRES(WriteThread::write_leader);
  Status MakeRoom() override REQUIRES(WriteThread::write_leader);
  Status Validate(const Writer& writer) override
      REQUIRES(WriteThread::write_leader);
  Status AppendToWal(const WriteGroup& group) override
      REQUIRES(WriteThread::write_leader);
  void ApplyToMemTables(const Writer& writer) override;
  Status SyncWal() override { return wals_.Sync(); }

  // Checks what the leader need not, and collects the families it must check.
  Status Precheck(const WriteBatch& batch,
                  std::vector<uint32_t>* family_ids) const;
  [[nodiscard]] ColumnFamily* FindLive(uint32_t family_id) const;
  Status Mend(const std::function<Status()>& flush) noexcept
      REQUIRES(WriteThread::write_leader);

  // Goes on in the next WAL. An error leaves everything as it was.
  Status SwitchWal() REQUIRES(WriteThread::write_leader);
  // Seals the memtables that `is_chosen` picks among those that are not empty.
  // Nothing has been appended to the tail.
  template <typename Choose>
  void SealIf(Choose is_chosen, bool together)
      REQUIRES(WriteThread::write_leader);
  // The bytes of all WALs that are needed, as far as is known.
  [[nodiscard]] bool IsOverWalLimit() const REQUIRES(WriteThread::write_leader);
  void CountWalBytes(uint64_t bytes) REQUIRES(WriteThread::write_leader);
  // Notes in the tail how the WALs before it end.
  Status AppendNote(SequenceNumber next_sequence)
      REQUIRES(WriteThread::write_leader);
  void UpdateWalLimit() REQUIRES(WriteThread::write_leader);

  const DBOptions options_;
  const std::string directory_;
  VersionSet* const versions_;
  ColumnFamilySet* const families_;
  Logger* const logger_;

  bool is_open_ = false;
  bool is_closed_ GUARDED_BY(WriteThread::write_leader) = false;
  ErrorLatch latch_;
  WriteController controller_;
  WalSet wals_;

  // The families that accept writes. Changed only by the holder of the
  // leader's role with nothing in flight; read by everybody who commits.
  std::unordered_map<uint32_t, std::shared_ptr<ColumnFamily>> live_families_;
  ColumnFamily* default_family_ = nullptr;

  // A memtable is full. Relaxed: a leader that misses it seals it one group
  // later.
  Atomic<bool> seal_requested_ = false;

  Listener listener_;
  Atomic<bool> has_unlogged_writes_ = false;  // Relaxed: read at the end.
  uint64_t seal_ordinal_ GUARDED_BY(WriteThread::write_leader) = 0;

  // WALs that are full and may still be needed, oldest first, with their sizes.
  std::deque<std::pair<uint64_t, uint64_t>> full_wals_
      GUARDED_BY(WriteThread::write_leader);
  uint64_t full_wal_bytes_ GUARDED_BY(WriteThread::write_leader) = 0;
  uint64_t tail_wal_bytes_ GUARDED_BY(WriteThread::write_leader) = 0;
  uint64_t wal_bytes_max_ GUARDED_BY(WriteThread::write_leader) = 0;
  // What keeps the WALs up to this one was sealed already.
  uint64_t relieved_wal_ GUARDED_BY(WriteThread::write_leader) = 0;
  uint64_t bytes_since_grown_ GUARDED_BY(WriteThread::write_leader) = 0;
  bool is_stall_known_ GUARDED_BY(WriteThread::write_leader) = true;
  // Relaxed: a leader that sees it late seals something too early.
  Atomic<uint64_t> first_needed_wal_ = 0;

  // The newest entry that was logged, and the WAL that has it: not always the
  // one before the next, as a WAL may end up without entries.
  PredecessorNote last_logged_ GUARDED_BY(WriteThread::write_leader);
  // The tail is the first WAL of this process and has no record yet. One that
  // is never written to gets no note, and goes when it is closed.
  bool is_note_due_ GUARDED_BY(WriteThread::write_leader) = false;

  // Of the record that is being logged; kept to save allocations.
  std::vector<Slice> record_pieces_ GUARDED_BY(WriteThread::write_leader);

  Committer committer_;
};

}  // namespace paceline
