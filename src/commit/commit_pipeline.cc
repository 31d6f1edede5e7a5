#include "src/commit/commit_pipeline.h"

#include "src/base/check.h"

namespace paceline {

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
                                                  bool* must_sync) {
  MutexLock lock(&mutex_);
  group->is_applied = true;
  *must_sync = !group->is_durable && failure_.ok() && !is_syncing_;
  if (*must_sync) is_syncing_ = true;
  return Advance(group);
}

uint64_t CommitPipeline::BeginSync() {
  MutexLock lock(&mutex_);
  return last_ordinal_;
}

CommitPipeline::Completed CommitPipeline::Synced(WriteGroup* own_group,
                                                 uint64_t covered,
                                                 const Status& status) {
  MutexLock lock(&mutex_);
  PL_CHECK(is_syncing_);
  is_syncing_ = false;
  if (status.ok()) {
    for (WriteGroup* group = oldest_;
         group != nullptr && group->log_ordinal <= covered;
         group = group->pipeline_newer) {
      group->is_durable = true;
    }
  } else if (failure_.ok()) {
    failure_ = status;
  }
  Completed completed = Advance(own_group);
  if (WriteGroup* next = NextToSync()) {
    is_syncing_ = true;
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
