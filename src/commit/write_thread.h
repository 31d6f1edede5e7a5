// Writer, WriteGroup, WriteThread: who leads, who waits, who is woken. The
// protocol and why it is correct are in docs/group_commit.md.

#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "paceline/snapshot.h"
#include "paceline/status.h"
#include "paceline/write_batch.h"

#include "src/base/sync.h"

namespace paceline {

struct WriteGroup;

// The right to form groups, number them and append them to the log. Held by at
// most one Writer at a time; clang checks it like a lock.
class CAPABILITY("role") WriteLeaderRole {};

// One waiting write. Lives on its thread's stack; after its state was set to
// STATE_COMPLETED nobody but that thread touches it.
struct Writer {
  enum State : uint32_t {
    // Waits; its thread looks at the state again by itself.
    STATE_INIT = 0,
    // Waits; its thread sleeps and must be woken.
    STATE_PARKED = 1,
    // Leads the next group.
    STATE_GROUP_LEADER = 2,
    // May help to insert its group into the memtables, until its leader takes
    // that back.
    STATE_PARALLEL_MEMTABLE_WRITER = 3,
    // Helps; the leader waits for it.
    STATE_INSERTING = 4,
    // A leader whose helpers are done.
    STATE_MEMTABLE_WRITERS_DONE = 5,
    // A leader that must sync the log for itself and others.
    STATE_SYNC_LEADER = 6,
    // Done; `status` is final.
    STATE_COMPLETED = 7,
  };

  // What is to be written; null for a Writer that only wants a sync, or to be
  // alone.
  const WriteBatch* batch = nullptr;
  // The column families other than the default one that the batch names.
  std::span<const uint32_t> family_ids;
  bool sync = false;
  bool disable_wal = false;
  bool no_slowdown = false;
  // Leads a group of one, and nothing is in flight while it leads.
  bool is_exclusive = false;

  // Set by the leader before the Writer is completed.
  Status status;
  // Of the batch's first entry. Set by the leader.
  SequenceNumber sequence = 0;

  // Set by WriteThread.
  Atomic<uint32_t> state = STATE_INIT;
  Writer* link_older = nullptr;  // Written before the Writer is linked.
  Writer* link_newer = nullptr;  // Written by a leader, lazily.
  WriteGroup* group = nullptr;
  // The Writers that this one completes when it is completed itself.
  Writer* wake_first = nullptr;
  size_t wake_count = 0;

  [[nodiscard]] const Status& FinalStatus() const { return status; }
  // False for Writers without a batch or with one that was refused.
  [[nodiscard]] bool has_entries() const {
    return batch != nullptr && status.ok();
  }
  [[nodiscard]] size_t batch_bytes() const {
    return batch == nullptr ? 0 : batch->GetDataSize();
  }
};

// The Writers committed together: `size` of them from `leader` to `last` along
// link_newer. Lives on the leader's stack.
struct WriteGroup {
  Writer* leader = nullptr;
  Writer* last = nullptr;
  size_t size = 0;
  size_t sync_writers = 0;  // So many of its Writers asked for a sync.
  size_t batch_bytes = 0;
  bool needs_sync = false;

  SequenceNumber first_sequence = 0;
  // The last one it uses; first_sequence - 1 if it has no entries.
  SequenceNumber last_sequence = 0;
  uint32_t entry_count = 0;

  // Walks the Writers, the leader first. Not while they are being completed.
  class Iterator {
   public:
    Iterator(Writer* writer, Writer* last) : writer_(writer), last_(last) {}
    Writer* operator*() const { return writer_; }
    Iterator& operator++() {
      writer_ = writer_ == last_ ? nullptr : writer_->link_newer;
      return *this;
    }
    bool operator==(const Iterator& other) const {
      return writer_ == other.writer_;
    }

   private:
    Writer* writer_;
    Writer* last_;
  };
  [[nodiscard]] Iterator begin() const { return {leader, last}; }
  [[nodiscard]] Iterator end() const { return {nullptr, last}; }

  // The next Writer whose batch nobody has taken to insert it. Members claim
  // Writers from here when they insert in parallel.
  Atomic<Writer*> next_to_insert = nullptr;
  // The leader and the helpers that may still touch the group.
  Atomic<uint32_t> inserting = 0;

  // Used by CommitPipeline, under its mutex.
  WriteGroup* pipeline_older = nullptr;
  WriteGroup* pipeline_newer = nullptr;
  uint64_t log_ordinal = 0;
  bool is_applied = false;
  bool is_durable = false;
  bool is_published = false;
};

// WriteThread turns concurrent Writers into an ordered series of WriteGroups.
// A Writer that finds the queue empty leads; the others wait until a leader has
// finished their write or hands the lead on.
//
// Invariants: at most one Writer holds the role; groups are formed in the order
// in which their Writers joined; a Writer is not touched once it is completed.
// Thread-safe.
class WriteThread {
 public:
  struct Config {
    // Largest group, in bytes of its batches.
    size_t group_bytes_max = size_t{1} << 20;
    // Writers that want a sync and Writers that do not never share a group.
    // Otherwise those that do not may join a group that is synced.
    bool separates_sync_writers = false;
  };

  explicit WriteThread(const Config& config) : config_(config) {}
  WriteThread(const WriteThread&) = delete;
  WriteThread& operator=(const WriteThread&) = delete;

  // Joins the queue. Blocks. True: this thread leads. False: look at
  // writer->state, which is one of
  //   STATE_PARALLEL_MEMTABLE_WRITER  help, then call AwaitTurn()
  //   STATE_COMPLETED                 done, see writer->status
  // A Writer with no_slowdown is completed with Incomplete if writes are
  // stalled.
  [[nodiscard]] bool JoinBatchGroup(Writer* writer)
      TRY_ACQUIRE(true, write_leader) {
    return LinkOne(writer) || AwaitTurn(writer);
  }
  [[nodiscard]] bool AwaitTurn(Writer* writer) TRY_ACQUIRE(true, write_leader) {
    return Await(writer) == Writer::STATE_GROUP_LEADER;
  }

  // Forms the group that `leader` commits: itself and every Writer behind it
  // that can share its log record, up to the size limit. A small leader's
  // group stays small, so that its write is not delayed by large ones.
  void EnterAsBatchGroupLeader(Writer* leader, WriteGroup* group)
      REQUIRES(write_leader);
  // A group of the leader alone.
  static void FormGroupOfOne(Writer* leader, WriteGroup* group);

  // Takes the group out of the queue and makes the oldest Writer behind it the
  // next leader. The group's Writers still wait.
  void ExitAsBatchGroupLeader(const WriteGroup& group) RELEASE(write_leader);

  // Completes `count` Writers from `first` along link_newer, with the status
  // that each of them has. Wakes a few; each of them wakes the next of its
  // chain, so that the caller's system calls do not grow with `count`.
  static void Complete(Writer* first, size_t count);
  // To be called by a Writer that was completed, before its call returns.
  static void CompleteOthers(Writer* writer) {
    if (writer->wake_count > 0) {
      CompleteChain(writer->wake_first, writer->wake_count);
    }
  }

  // Blocks until the state is neither STATE_INIT nor STATE_PARKED; returns it.
  static uint32_t Await(Writer* writer);
  // The same for about `nanos`; STATE_INIT if that was not enough.
  static uint32_t AwaitFor(Writer* writer, uint64_t nanos);
  // Sets the state and wakes the Writer's thread if it sleeps. After a final
  // state the Writer must not be touched any more.
  static void SetState(Writer* writer, Writer::State state);

  // While writes are stalled, new Writers wait outside the queue or, with
  // no_slowdown, fail; those already in it that must not wait are completed
  // with Incomplete.
  void BeginWriteStall(Writer* leader) REQUIRES(write_leader);
  void EndWriteStall() REQUIRES(write_leader) EXCLUDES(stall_mutex_);

  // The role, named by the annotations above.
  static WriteLeaderRole write_leader;

  // How many Writers are in the queue, leader and group included. For tests.
  [[nodiscard]] size_t QueueLengthForTest() const;

 private:
  // Pushes `writer`; true if the queue was empty.
  bool LinkOne(Writer* writer);
  // Fills in link_newer from `newest` back to where it is known.
  static void CreateMissingNewerLinks(Writer* newest);
  [[nodiscard]] bool CanShare(const Writer& leader, const Writer& other) const;
  static void CompleteChain(Writer* first, size_t count);
  void WaitForStallEnd() EXCLUDES(stall_mutex_);

  const Config config_;

  // Head of the link_older chain; null if nobody writes; &stall_marker_ while
  // writes are stalled. Release on push: publishes the Writer's fields to the
  // leader that walks the chain after an acquire load.
  Atomic<Writer*> newest_writer_ = nullptr;

  Writer stall_marker_;
  Mutex stall_mutex_;
  CondVar stall_ended_;
};

}  // namespace paceline
