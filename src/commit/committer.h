// Committer: the order of a commit's steps.

#pragma once

#include <cstdint>

#include "paceline/env.h"
#include "paceline/metrics.h"

#include "src/base/error_latch.h"
#include "src/commit/commit_pipeline.h"
#include "src/commit/commit_target.h"
#include "src/commit/sync_pacer.h"
#include "src/commit/write_controller.h"
#include "src/commit/write_thread.h"

namespace paceline {

// Takes Writers from many threads, forms groups, and carries each through the
// steps of docs/group_commit.md: make room, form, validate, number, log, hand
// the lead on, apply, sync, publish, wake.
//
// Thread-safe. The target, the latch and the controller must outlive it.
class Committer {
 public:
  struct Config {
    WriteThread::Config queue = {};
    CommitPipeline::Config pipeline = {};
    Clock* clock = Clock::Default();
    // Lets members of large groups insert beside their leader.
    bool allows_parallel_inserts = true;
  };

  Committer(const Config& config, CommitTarget* target, ErrorLatch* latch,
            WriteController* controller);

  // Commits `writer`, whose batch is well-formed. Blocks until its outcome is
  // known; see DB::Write() for what is returned.
  Status Commit(Writer* writer);

  // Makes the caller the leader of nothing: no group is formed, and none is in
  // flight, until EndExclusive() with the same Writer. Waits its turn in the
  // queue.
  void BeginExclusive(Writer* writer) ACQUIRE(WriteThread::write_leader);
  void EndExclusive(Writer* writer) RELEASE(WriteThread::write_leader);

  // From now on every commit fails with ShutdownInProgress, those that wait
  // included.
  void Shutdown();

  // After recovery, before the first commit.
  void SetLastSequence(SequenceNumber sequence)
      REQUIRES(WriteThread::write_leader);
  // Accepts writes again after a failure that has been mended.
  void ClearFailure() REQUIRES(WriteThread::write_leader);

  [[nodiscard]] SequenceNumber last_sequence() const
      REQUIRES(WriteThread::write_leader) {
    return last_sequence_;
  }
  // What readers may see. Acquire: the entries up to it are in the memtables.
  [[nodiscard]] SequenceNumber visible_sequence() const {
    return visible_sequence_.load(std::memory_order_acquire);
  }

  // Adds what it counted.
  void AddMetrics(Metrics* metrics) const;

  [[nodiscard]] const WriteThread& write_thread() const {
    return write_thread_;
  }

 private:
  // Nothing may leave it by an exception (std::bad_alloc is the one there is):
  // others wait for the leader, and part of the group may be in the log. The
  // process ends then as if it had been killed, which recovery is made for.
  void CommitAsLeader(Writer* leader) noexcept
      RELEASE(WriteThread::write_leader);
  Status PrepareToLead(Writer* leader) REQUIRES(WriteThread::write_leader);
  // OK, or what writers are told after a failure.
  [[nodiscard]] Status CheckLatch() const;
  Status HoldWrites(Writer* leader, uint64_t delay)
      REQUIRES(WriteThread::write_leader);
  Status LogGroup(WriteGroup* group) REQUIRES(WriteThread::write_leader);
  void ValidateAndNumber(WriteGroup* group) REQUIRES(WriteThread::write_leader);
  void CountGroup(const WriteGroup& group) REQUIRES(WriteThread::write_leader);
  void FailGroup(WriteGroup* group, const Status& failure)
      RELEASE(WriteThread::write_leader);
  void FinishAlone(WriteGroup* group) RELEASE(WriteThread::write_leader);
  void FinishInPipeline(WriteGroup* group) RELEASE(WriteThread::write_leader);
  CommitPipeline::Completed SyncForPipeline(WriteGroup* own_group);

  void ApplyGroup(WriteGroup* group);
  void ApplyInParallel(WriteGroup* group);
  // Inserts batches that no other member has taken, until none is left.
  void InsertClaimed(WriteGroup* group);
  // The leader waits for it: noexcept for the same reason.
  void HelpLeader(Writer* helper) noexcept;
  [[nodiscard]] bool IsWorthParallelInserts(const WriteGroup& group) const;

  const Config config_;
  CommitTarget* const target_;
  ErrorLatch* const latch_;
  WriteController* const controller_;

  SyncPacer pacer_;
  WriteThread write_thread_;
  // Written by the leader's role (nothing in flight) or under the pipeline's
  // mutex, with release; read by everybody.
  Atomic<SequenceNumber> visible_sequence_ = 0;
  CommitPipeline pipeline_;

  // The last one given to an entry, whatever became of it. Never given again.
  SequenceNumber last_sequence_ GUARDED_BY(WriteThread::write_leader) = 0;

  Atomic<bool> is_shut_down_ = false;

  // Written by the holder of the role only, so that no addition needs to be
  // atomic; relaxed, because nothing is concluded from them.
  Atomic<uint64_t> commits_ = 0;
  Atomic<uint64_t> entries_ = 0;
  Atomic<uint64_t> groups_ = 0;
  Atomic<uint64_t> sync_commits_ = 0;
  Atomic<uint64_t> wal_records_ = 0;
  Atomic<uint64_t> wal_bytes_ = 0;
  Atomic<uint64_t> parallel_groups_ = 0;
};

}  // namespace paceline
