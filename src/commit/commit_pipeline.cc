#include "src/commit/commit_pipeline.h"

#include <algorithm>

#include "src/base/check.h"

namespace paceline {

namespace {

// Longer than half a sync of a fast device, shorter than anybody notices on a
// slow one.
constexpr uint64_t kGatherNanosMax = 100'000;

// Where gathering does not pay, it costs one window in so many syncs.
constexpr uint32_t kGatherPauseMax = 127;

}  // namespace

Status CommitPipeline::Enter(WriteGroup* group) {
  MutexLock lock(&mutex_);
  if (!failure_.ok()) return failure_;
  group->log_ordinal = ++last_ordinal_;
  group->is_durable = !group->needs_sync;
  group->pipeline_older = newest_;
  group->pipeline_newer = nullptr;
  (newest_ != nullptr ? newest_->pipeline_newer : oldest_) = group;
  newest_ = group;
  groups_in_flight_.fetch_add(1, std::memory_order_relaxed);
  return Status::OK();
}

CommitPipeline::Completed CommitPipeline::Applied(WriteGroup* group,
                                                  Turn* turn) {
  MutexLock lock(&mutex_);
  group->is_applied = true;
  *turn = Turn();
  if (!group->is_durable && failure_.ok()) {
    waiting_ += group->size;
    bool is_complete = waiting_ >= population_;
    if (gatherer_ != nullptr) {
      if (is_complete) *turn = StartSync();
    } else if (!is_syncing_) {
      if (BeginGathering(group)) {
        *turn = {Turn::Action::kGather, gather_nanos_};
      } else {
        *turn = StartSync();
      }
    }
  }
  return Advance(group);
}

bool CommitPipeline::BeginGathering(WriteGroup* gatherer) {
  if (waiting_ >= population_ || gather_nanos_ == 0) return false;
  if (gather_pauses_left_ > 0) {
    --gather_pauses_left_;
    return false;
  }
  gatherer_ = gatherer;
  waiting_at_start_ = waiting_;
  return true;
}

CommitPipeline::Turn CommitPipeline::StartSync() {
  // What was gained against what it cost: the window is half a sync long, so
  // it must bring half as many Writers again.
  if (gatherer_ != nullptr) {
    bool was_worth_it = waiting_ * 2 >= waiting_at_start_ * 3;
    gather_pause_ =
        was_worth_it ? 0 : std::min(gather_pause_ * 2 + 1, kGatherPauseMax);
    gather_pauses_left_ = gather_pause_;
    gatherer_ = nullptr;
  }
  is_syncing_ = true;
  return {Turn::Action::kSync, 0};
}

CommitPipeline::Turn CommitPipeline::TakeTurn(WriteGroup* group) {
  MutexLock lock(&mutex_);
  // Somebody else may have made the number complete and synced.
  if (gatherer_ == group) return {Turn::Action::kGather, gather_nanos_};
  if (turn_of_ == group) {
    turn_of_ = nullptr;
    return {Turn::Action::kSync, 0};
  }
  return Turn();
}

CommitPipeline::Turn CommitPipeline::EndGathering(WriteGroup* group) {
  MutexLock lock(&mutex_);
  return gatherer_ == group ? StartSync() : Turn();
}

uint64_t CommitPipeline::BeginSync() {
  MutexLock lock(&mutex_);
  return last_ordinal_;
}

size_t CommitPipeline::MarkDurable(uint64_t covered) {
  size_t writers = 0;
  for (WriteGroup* group = oldest_;
       group != nullptr && group->log_ordinal <= covered;
       group = group->pipeline_newer) {
    // Of groups that are not applied yet nobody waits.
    if (!group->is_durable && group->is_applied) writers += group->size;
    group->is_durable = true;
  }
  return writers;
}

CommitPipeline::Completed CommitPipeline::Synced(WriteGroup* own_group,
                                                 const SyncResult& result) {
  MutexLock lock(&mutex_);
  PL_CHECK(is_syncing_);
  is_syncing_ = false;
  if (result.status.ok()) {
    population_ = waiting_;
    waiting_ -= MarkDurable(result.covered);
    gather_nanos_ = std::min(result.nanos / 2, kGatherNanosMax);
  } else if (failure_.ok()) {
    failure_ = result.status;
    waiting_ = 0;
    population_ = 0;
  }
  Completed completed = Advance(own_group);
  if (WriteGroup* next = NextToSync()) {
    if (!BeginGathering(next)) {
      StartSync();
      turn_of_ = next;
    }
    // It waits for this state and does not touch its group before it.
    WriteThread::SetState(next->leader, Writer::STATE_SYNC_LEADER);
  }
  return completed;
}

bool CommitPipeline::IsDone(const WriteGroup& group) const {
  if (!group.is_applied) return false;
  return !failure_.ok() || (group.is_published && group.is_durable);
}

// Publishing stops at the first group that is not ready; completing does not
// where groups are published before they are durable.
CommitPipeline::Completed CommitPipeline::Advance(const WriteGroup* own_group) {
  Completed completed;
  bool may_publish = failure_.ok();
  for (WriteGroup* group = oldest_; group != nullptr;) {
    WriteGroup* newer = group->pipeline_newer;
    may_publish = may_publish && group->is_applied &&
                  (group->is_durable || config_.visible_before_durable);
    if (may_publish && !group->is_published) {
      group->is_published = true;
      // Release: readers that see the number see the entries.
      visible_sequence_->store(group->last_sequence, std::memory_order_release);
    }
    if (IsDone(*group)) {
      Remove(group);
      AppendTo(&completed, *group, own_group);
    }
    group = newer;
  }
  return completed;
}

void CommitPipeline::Remove(WriteGroup* group) {
  WriteGroup* older = group->pipeline_older;
  WriteGroup* newer = group->pipeline_newer;
  (older != nullptr ? older->pipeline_newer : oldest_) = newer;
  (newer != nullptr ? newer->pipeline_older : newest_) = older;
  if (groups_in_flight_.fetch_sub(1, std::memory_order_release) == 1) {
    emptied_.NotifyAll();
  }
}

// The links between Writers of different groups have served when their groups
// were formed, so they are free to join the lists of those groups.
void CommitPipeline::AppendTo(Completed* completed, const WriteGroup& group,
                              const WriteGroup* own_group) const {
  if (!failure_.ok()) {
    for (Writer* writer : group) {
      if (writer->status.ok()) writer->status = failure_;
    }
  }
  completed->sync_writers += group.sync_writers;
  completed->other_writers += group.size - group.sync_writers;
  Writer* first = group.leader;
  size_t count = group.size;
  if (&group == own_group) {
    completed->includes_own_group = true;
    first = first->link_newer;
    --count;
  }
  if (count == 0) return;
  if (completed->last != nullptr) {
    completed->last->link_newer = first;
  } else {
    completed->first = first;
  }
  completed->last = group.last;
  completed->count += count;
}

WriteGroup* CommitPipeline::NextToSync() const {
  if (!failure_.ok()) return nullptr;
  for (WriteGroup* group = oldest_; group != nullptr;
       group = group->pipeline_newer) {
    if (group->is_applied && !group->is_durable) return group;
  }
  return nullptr;
}

void CommitPipeline::Drain() {
  MutexLock lock(&mutex_);
  while (oldest_ != nullptr) emptied_.Wait(&mutex_);
}

void CommitPipeline::ClearFailure() {
  MutexLock lock(&mutex_);
  PL_CHECK(oldest_ == nullptr);
  failure_ = Status::OK();
}

}  // namespace paceline
