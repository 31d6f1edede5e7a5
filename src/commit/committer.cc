#include "src/commit/committer.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "src/base/check.h"

namespace paceline {

namespace {

// A group this large takes longer to insert than a hand-over costs, so the
// next leader starts before it is inserted.
constexpr size_t kHandOnEarlyBytes = size_t{64} << 10;
constexpr uint32_t kHandOnEarlyEntries = 16;

// Below this, waking a member to help costs more than it saves; see
// docs/performance.md for the measurement.
constexpr uint32_t kParallelEntriesMin = 256;

// For counters with one writer at a time.
void Count(Atomic<uint64_t>* counter, uint64_t n) {
  counter->store(counter->load(std::memory_order_relaxed) + n,
                 std::memory_order_relaxed);
}

}  // namespace

Committer::Committer(const Config& config, CommitTarget* target,
                     ErrorLatch* latch, WriteController* controller)
    : config_(config),
      target_(target),
      latch_(latch),
      controller_(controller),
      pacer_(config.clock),
      write_thread_(config.queue),
      pipeline_(config.pipeline, &visible_sequence_) {}

Status Committer::Commit(Writer* writer) NO_THREAD_SAFETY_ANALYSIS {
  if (writer->sync && !writer->no_slowdown) pacer_.Await();
  bool leads = write_thread_.JoinBatchGroup(writer);
  // Anything but completion is a call for help; it may have been taken back by
  // the time it is looked at. Acquire: if it was, and the Writer completed
  // since, its status is seen.
  while (!leads && writer->state.load(std::memory_order_acquire) !=
                       Writer::STATE_COMPLETED) {
    HelpLeader(writer);
    leads = write_thread_.AwaitTurn(writer);
  }
  if (leads) {
    CommitAsLeader(writer);
  } else {
    WriteThread::CompleteOthers(writer);
  }
  return writer->FinalStatus();
}

void Committer::CommitAsLeader(Writer* leader) noexcept {
  WriteGroup group;
  if (Status s = PrepareToLead(leader); !s.ok()) {
    // The Writers behind it try for themselves: what stops this one need not
    // stop them.
    WriteThread::FormGroupOfOne(leader, &group);
    FailGroup(&group, s);
    return;
  }
  write_thread_.EnterAsBatchGroupLeader(leader, &group);
  controller_->Spend(group.batch_bytes);
  ValidateAndNumber(&group);
  if (Status s = LogGroup(&group); !s.ok()) {
    FailGroup(&group, s);
    return;
  }
  CountGroup(group);
  bool is_alone = !group.needs_sync && pipeline_.is_empty() &&
                  group.batch_bytes < kHandOnEarlyBytes &&
                  group.entry_count < kHandOnEarlyEntries;
  if (!is_alone) {
    FinishInPipeline(&group);
    return;
  }
  // The pipeline may be empty because its groups have just failed; publishing
  // this one would show them. The latch was set before they left.
  if (Status s = CheckLatch(); !s.ok()) {
    FailGroup(&group, s);
    return;
  }
  FinishAlone(&group);
}

Status Committer::PrepareToLead(Writer* leader) {
  while (controller_->needs_hold() &&
         !is_shut_down_.load(std::memory_order_acquire)) {
    bool is_stopped = controller_->is_stopped();
    uint64_t delay = is_stopped ? 0 : controller_->DelayNanos();
    if (!is_stopped && delay == 0) break;
    if (Status s = HoldWrites(leader, delay); !s.ok()) return s;
  }
  if (is_shut_down_.load(std::memory_order_acquire)) {
    return Status::ShutdownInProgress("the DB is being closed");
  }
  if (Status s = CheckLatch(); !s.ok()) return s;
  if (target_->NeedsRoom()) {
    pipeline_.Drain();
    // A sync that was in flight may have failed.
    if (Status s = CheckLatch(); !s.ok()) return s;
    return target_->MakeRoom();
  }
  return Status::OK();
}

Status Committer::CheckLatch() const {
  if (!latch_->is_set()) return Status::OK();
  Status cause = latch_->Get();
  constexpr std::string_view kText =
      "writes are refused after a failure, until Resume()";
  return cause.IsNoSpace() ? Status::NoSpace(kText, cause.ToString())
                           : Status::IOError(kText, cause.ToString());
}

// Stops, or with `delay` waits for that many nanoseconds.
Status Committer::HoldWrites(Writer* leader, uint64_t delay) {
  if (leader->no_slowdown) return Status::Incomplete("writes are stalled");
  write_thread_.BeginWriteStall(leader);
  Status s;
  if (delay > 0) {
    controller_->Delay(delay);
  } else {
    s = controller_->WaitUntilGoing();
  }
  write_thread_.EndWriteStall();
  return s;
}

void Committer::ValidateAndNumber(WriteGroup* group) {
  group->first_sequence = last_sequence_ + 1;
  SequenceNumber next = group->first_sequence;
  for (Writer* writer : *group) {
    writer->status = target_->Validate(*writer);
    if (!writer->has_entries()) continue;
    writer->sequence = next;
    next += writer->batch->Count();
  }
  group->entry_count = static_cast<uint32_t>(next - group->first_sequence);
  group->last_sequence = next - 1;
}

Status Committer::LogGroup(WriteGroup* group) {
  // Burnt even if the append fails: they may be in the log.
  last_sequence_ = group->last_sequence;
  bool has_record = false;
  for (Writer* writer : *group) has_record |= writer->has_entries();
  if (group->leader->disable_wal || !has_record) return Status::OK();
  Status s = target_->AppendToWal(*group);
  if (!s.ok()) return latch_->Set(s);
  Count(&wal_records_, 1);
  Count(&wal_bytes_, group->batch_bytes);
  return Status::OK();
}

void Committer::CountGroup(const WriteGroup& group) {
  uint64_t commits = 0;
  uint64_t sync_commits = 0;
  for (const Writer* writer : group) {
    if (!writer->has_entries()) continue;
    ++commits;
    if (writer->sync) ++sync_commits;
  }
  if (commits == 0) return;
  Count(&groups_, 1);
  Count(&commits_, commits);
  Count(&entries_, group.entry_count);
  if (sync_commits > 0) Count(&sync_commits_, sync_commits);
}

void Committer::FailGroup(WriteGroup* group, const Status& failure) {
  for (Writer* writer : *group) {
    if (writer->status.ok()) writer->status = failure;
  }
  write_thread_.ExitAsBatchGroupLeader(*group);
  if (group->size > 1) {
    WriteThread::Complete(group->leader->link_newer, group->size - 1);
  }
}

// The whole commit within the leader's turn: nothing to wait for, and nobody
// else in flight whose turn to become visible comes first. After the exit only
// the Writers of the group are touched, never this object.
void Committer::FinishAlone(WriteGroup* group) {
  ApplyGroup(group);
  visible_sequence_.store(group->last_sequence, std::memory_order_release);
  write_thread_.ExitAsBatchGroupLeader(*group);
  if (group->size > 1) {
    WriteThread::Complete(group->leader->link_newer, group->size - 1);
  }
}

void Committer::FinishInPipeline(WriteGroup* group) {
  Writer* leader = group->leader;
  if (Status s = pipeline_.Enter(group); !s.ok()) {
    FailGroup(group, s);
    return;
  }
  write_thread_.ExitAsBatchGroupLeader(*group);
  ApplyGroup(group);

  // Before Applied(): from then on other threads set it.
  leader->state.store(Writer::STATE_INIT, std::memory_order_relaxed);
  CommitPipeline::Turn turn;
  CommitPipeline::Completed completed = pipeline_.Applied(group, &turn);
  while (true) {
    WriteThread::Complete(completed.first, completed.count);
    if (completed.includes_own_group) return;
    if (turn.action == CommitPipeline::Turn::Action::kSync) {
      turn = CommitPipeline::Turn();
      completed = SyncForPipeline(group);
      continue;
    }
    completed = CommitPipeline::Completed();
    bool gathers = turn.action == CommitPipeline::Turn::Action::kGather;
    uint32_t state = gathers ? WriteThread::AwaitFor(leader, turn.gather_nanos)
                             : WriteThread::Await(leader);
    // Somebody else's sync may complete this group at any moment, also when it
    // was told to gather: only the exchange tells which came first.
    if (state == Writer::STATE_INIT) {
      turn = pipeline_.EndGathering(group);
    } else if (state == Writer::STATE_SYNC_LEADER &&
               leader->state.compare_exchange_strong(
                   state, Writer::STATE_INIT, std::memory_order_acquire)) {
      turn = pipeline_.TakeTurn(group);
    } else {
      PL_CHECK(state == Writer::STATE_COMPLETED);
      WriteThread::CompleteOthers(leader);
      return;
    }
  }
}

CommitPipeline::Completed Committer::SyncForPipeline(WriteGroup* own_group) {
  CommitPipeline::SyncResult result;
  result.covered = pipeline_.BeginSync();
  uint64_t start = config_.clock->MonotonicNanos();
  result.status = target_->SyncWal();
  result.nanos = config_.clock->MonotonicNanos() - start;
  if (!result.status.ok()) result.status = latch_->Set(result.status);
  CommitPipeline::Completed completed = pipeline_.Synced(own_group, result);
  pacer_.SyncEnded(result.nanos, completed.sync_writers,
                   completed.other_writers);
  return completed;
}

bool Committer::IsWorthParallelInserts(const WriteGroup& group) const {
  return config_.allows_parallel_inserts && group.size > 1 &&
         group.entry_count >= kParallelEntriesMin && ProcessorCount() > 1;
}

void Committer::ApplyGroup(WriteGroup* group) {
  if (IsWorthParallelInserts(*group)) {
    ApplyInParallel(group);
    return;
  }
  for (const Writer* writer : *group) {
    if (writer->has_entries()) target_->ApplyToMemTables(*writer);
  }
}

// The leader asks as many members as there are other processors for help and
// starts at once; batches are claimed one by one, so a member that wakes up
// late costs nothing. What it has not begun by then is taken back.
void Committer::ApplyInParallel(WriteGroup* group) {
  auto helpers_max = static_cast<size_t>(ProcessorCount() - 1);
  size_t helpers = std::min(helpers_max, group->size - 1);
  Writer* leader = group->leader;
  leader->state.store(Writer::STATE_INIT, std::memory_order_relaxed);
  group->next_to_insert.store(leader, std::memory_order_relaxed);
  group->inserting.store(static_cast<uint32_t>(helpers) + 1,
                         std::memory_order_relaxed);
  Writer* helper = leader;
  for (size_t i = 0; i < helpers; ++i) {
    helper = helper->link_newer;
    // Release: the helper sees the group's fields.
    WriteThread::SetState(helper, Writer::STATE_PARALLEL_MEMTABLE_WRITER);
  }
  parallel_groups_.fetch_add(1, std::memory_order_relaxed);
  InsertClaimed(group);

  helper = leader;
  uint32_t finished = 1;
  for (size_t i = 0; i < helpers; ++i) {
    helper = helper->link_newer;
    uint32_t expected = Writer::STATE_PARALLEL_MEMTABLE_WRITER;
    if (helper->state.compare_exchange_strong(expected, Writer::STATE_INIT,
                                              std::memory_order_acq_rel)) {
      ++finished;
    }
  }
  // Acquire: what the helpers inserted is there.
  if (group->inserting.fetch_sub(finished, std::memory_order_acq_rel) !=
      finished) {
    uint32_t state = WriteThread::Await(leader);
    PL_CHECK(state == Writer::STATE_MEMTABLE_WRITERS_DONE);
  }
}

void Committer::InsertClaimed(WriteGroup* group) {
  Writer* writer = group->next_to_insert.load(std::memory_order_acquire);
  while (writer != nullptr) {
    Writer* newer = writer == group->last ? nullptr : writer->link_newer;
    if (group->next_to_insert.compare_exchange_weak(
            writer, newer, std::memory_order_acq_rel)) {
      if (writer->has_entries()) target_->ApplyToMemTables(*writer);
      writer = group->next_to_insert.load(std::memory_order_acquire);
    }
  }
}

void Committer::HelpLeader(Writer* helper) noexcept {
  uint32_t expected = Writer::STATE_PARALLEL_MEMTABLE_WRITER;
  if (!helper->state.compare_exchange_strong(expected, Writer::STATE_INSERTING,
                                             std::memory_order_acq_rel)) {
    return;  // The leader has taken it back, and may have completed us.
  }
  WriteGroup* group = helper->group;
  Writer* leader = group->leader;
  InsertClaimed(group);
  // Before the leader can know that we are done and complete us.
  helper->state.store(Writer::STATE_INIT, std::memory_order_release);
  // Release: what was inserted here is seen by the leader.
  if (group->inserting.fetch_sub(1, std::memory_order_acq_rel) == 1) {
    WriteThread::SetState(leader, Writer::STATE_MEMTABLE_WRITERS_DONE);
  }
}

void Committer::BeginExclusive(Writer* writer) NO_THREAD_SAFETY_ANALYSIS {
  writer->is_exclusive = true;
  bool leads = write_thread_.JoinBatchGroup(writer);
  // Groups end in front of it, so nobody else can complete it.
  PL_CHECK(leads);
  pipeline_.Drain();
}

void Committer::EndExclusive(Writer* writer) {
  WriteGroup group;
  WriteThread::FormGroupOfOne(writer, &group);
  write_thread_.ExitAsBatchGroupLeader(group);
}

void Committer::Shutdown() {
  is_shut_down_.store(true, std::memory_order_release);
  pacer_.Shutdown();
  controller_->Shutdown();
}

void Committer::SetLastSequence(SequenceNumber sequence) {
  last_sequence_ = sequence;
  visible_sequence_.store(sequence, std::memory_order_release);
}

void Committer::ClearFailure() {
  pipeline_.ClearFailure();
  latch_->Clear();
}

void Committer::AddMetrics(Metrics* metrics) const {
  auto value = [](const Atomic<uint64_t>& counter) {
    return counter.load(std::memory_order_relaxed);
  };
  metrics->commits += value(commits_);
  metrics->entries += value(entries_);
  metrics->groups += value(groups_);
  metrics->parallel_groups += value(parallel_groups_);
  metrics->sync_commits += value(sync_commits_);
  metrics->wal_records += value(wal_records_);
  metrics->wal_bytes += value(wal_bytes_);
  controller_->AddMetrics(metrics);
  metrics->stalls_by_cause = controller_->StallsByCause();
}

}  // namespace paceline
