// CommitPipeline: the groups that are logged and not completed yet, and the
// order in which they become visible.

#pragma once

#include <cstdint>

#include "paceline/snapshot.h"
#include "paceline/status.h"

#include "src/base/sync.h"
#include "src/commit/write_thread.h"

namespace paceline {

// A group enters when it is in the log and leaves when its Writers may be told.
// Between the two it is applied to the memtables and, if it asked for it,
// synced, in parallel with other groups.
//
// Invariants: groups enter and become visible in sequence order; a sync covers
// every group that entered before the sync began; at most one sync runs; once
// one has failed, nothing becomes visible any more and every group in the
// pipeline fails. Thread-safe.
class CommitPipeline {
 public:
  struct Config {
    // A group becomes visible when it is applied, before its sync.
    bool visible_before_durable = false;
  };

  // Groups to be completed: `count` Writers from `first` along link_newer.
  struct Completed {
    Writer* first = nullptr;
    Writer* last = nullptr;
    size_t count = 0;
    bool includes_own_group = false;
  };

  // `visible_sequence` is advanced under the pipeline's mutex.
  CommitPipeline(const Config& config, Atomic<SequenceNumber>* visible_sequence)
      : config_(config), visible_sequence_(visible_sequence) {}

  // True if no group is in it. Exact for the holder of the leader's role:
  // nobody else can make a group enter.
  [[nodiscard]] bool is_empty() const {
    return groups_in_flight_.load(std::memory_order_acquire) == 0;
  }

  // The group is in the log. OK, or the failure of an earlier sync; then it
  // has not entered.
  Status Enter(WriteGroup* group) REQUIRES(WriteThread::write_leader)
      EXCLUDES(mutex_);

  // The group is in the memtables. `*must_sync` is set if the caller must sync
  // the log now and then call Synced().
  Completed Applied(WriteGroup* group, bool* must_sync) EXCLUDES(mutex_);

  // To be called right before a sync: what it will cover.
  uint64_t BeginSync() EXCLUDES(mutex_);
  // The sync that began at `covered` has ended. Chooses who runs the next one,
  // if anybody waits for it.
  Completed Synced(WriteGroup* own_group, uint64_t covered,
                   const Status& status) EXCLUDES(mutex_);

  // Blocks until the pipeline is empty. For the holder of the leader's role.
  void Drain() REQUIRES(WriteThread::write_leader) EXCLUDES(mutex_);

  // After a failure that has been mended.
  void ClearFailure() REQUIRES(WriteThread::write_leader) EXCLUDES(mutex_);

 private:
  // Publishes and takes out what can be. Groups of `own_group`'s Writers other
  // than its leader are in the result; the leader is the caller.
  Completed Advance(const WriteGroup* own_group) REQUIRES(mutex_);
  [[nodiscard]] bool IsDone(const WriteGroup& group) const REQUIRES(mutex_);
  void Remove(WriteGroup* group) REQUIRES(mutex_);
  void AppendTo(Completed* completed, const WriteGroup& group,
                const WriteGroup* own_group) const REQUIRES(mutex_);
  // The oldest group that waits for a sync, or null.
  [[nodiscard]] WriteGroup* NextToSync() const REQUIRES(mutex_);

  const Config config_;
  Atomic<SequenceNumber>* const visible_sequence_;
  // Changed under the mutex. Release and acquire: who sees 0 sees the last
  // published sequence number.
  Atomic<size_t> groups_in_flight_ = 0;

  Mutex mutex_;
  CondVar emptied_;
  WriteGroup* oldest_ GUARDED_BY(mutex_) = nullptr;
  WriteGroup* newest_ GUARDED_BY(mutex_) = nullptr;
  uint64_t last_ordinal_ GUARDED_BY(mutex_) = 0;
  bool is_syncing_ GUARDED_BY(mutex_) = false;
  Status failure_ GUARDED_BY(mutex_);
};

}  // namespace paceline
