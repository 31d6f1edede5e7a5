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
    // Those that asked for a sync and those that did not, of all groups.
    size_t sync_writers = 0;
    size_t other_writers = 0;
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

  // What the leader of a group that is not completed does next.
  struct Turn {
    enum class Action {
      // Wait for its state to change. STATE_SYNC_LEADER means: TakeTurn().
      kWait,
      // The same for `gather_nanos`; if nothing has happened then,
      // EndGathering().
      kGather,
      // Sync the log, then call Synced().
      kSync,
    };
    Action action = Action::kWait;
    uint64_t gather_nanos = 0;
  };

  // The group is in the memtables.
  Completed Applied(WriteGroup* group, Turn* turn) EXCLUDES(mutex_);
  Turn TakeTurn(WriteGroup* group) EXCLUDES(mutex_);
  Turn EndGathering(WriteGroup* group) EXCLUDES(mutex_);

  // To be called right before a sync: what it will cover.
  uint64_t BeginSync() EXCLUDES(mutex_);

  struct SyncResult {
    uint64_t covered = 0;  // From BeginSync().
    uint64_t nanos = 0;    // How long it took.
    Status status;
  };
  // The sync has ended. Chooses who runs the next one, if anybody waits for
  // it.
  Completed Synced(WriteGroup* own_group, const SyncResult& result)
      EXCLUDES(mutex_);

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
  // Marks what a sync covered; returns how many Writers that were.
  size_t MarkDurable(uint64_t covered) REQUIRES(mutex_);

  // Whether to wait for more Writers before the next sync; if so, `gatherer`
  // is the one that waits.
  bool BeginGathering(WriteGroup* gatherer) REQUIRES(mutex_);
  Turn StartSync() REQUIRES(mutex_);

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

  // Gathering: right after a sync, the Writers it completed are about to come
  // back. A sync that waits for them a little serves them all at once; one
  // that does not serves half of them, and the other half waits for the next.
  //
  // The group whose leader waits, or null. It syncs when its time is up; the
  // group that makes the number complete syncs at once.
  WriteGroup* gatherer_ GUARDED_BY(mutex_) = nullptr;
  // The group whose leader was told to sync and has not begun, or null.
  WriteGroup* turn_of_ GUARDED_BY(mutex_) = nullptr;
  // Writers that wait for a sync, and how many there were when gathering
  // began.
  size_t waiting_ GUARDED_BY(mutex_) = 0;
  size_t waiting_at_start_ GUARDED_BY(mutex_) = 0;
  // Writers that were there when the last sync ended: those it completed and
  // those that waited already.
  size_t population_ GUARDED_BY(mutex_) = 0;
  uint64_t gather_nanos_ GUARDED_BY(mutex_) = 0;
  // After gathering in vain, as many syncs go without; doubles each time.
  uint32_t gather_pause_ GUARDED_BY(mutex_) = 0;
  uint32_t gather_pauses_left_ GUARDED_BY(mutex_) = 0;
  Status failure_ GUARDED_BY(mutex_);
};

}  // namespace paceline
