#include "src/commit/write_thread.h"

#include <algorithm>

#include "src/base/check.h"

namespace paceline {

namespace {

// A leader whose batch is at most an eighth of the limit takes at most this
// much more into its group: what the log absorbs in a few tens of
// microseconds.
constexpr size_t kSmallGroupSlackBytes = size_t{128} << 10;

// Looks at the state before sleeping. Meant to last about as long as putting a
// thread to sleep and waking it, so that spinning in vain at most doubles
// that. An estimate, not measured.
constexpr int kSpins = 200;

// Threads that spin right now, over all WriteThreads: processors are what they
// compete for. Relaxed: it only decides who spins.
Atomic<int> spinners = 0;

bool IsWaiting(uint32_t state) {
  return state == Writer::STATE_INIT || state == Writer::STATE_PARKED;
}

// Returns the state after spinning for it; STATE_INIT if that did not help or
// no processor is left over to spin on. One that wants a sync does not spin: a
// sync takes many times longer than sleeping does, and the time is better left
// to those who have something to do.
uint32_t Spin(const Writer& writer) {
  uint32_t state = writer.state.load(std::memory_order_acquire);
  if (!IsWaiting(state) || writer.sync) return state;
  if (spinners.fetch_add(1, std::memory_order_relaxed) < ProcessorCount() - 1) {
    for (int i = 0; i < kSpins && IsWaiting(state); ++i) {
      SpinPause();
      state = writer.state.load(std::memory_order_acquire);
    }
  }
  spinners.fetch_sub(1, std::memory_order_relaxed);
  return state;
}

}  // namespace

WriteLeaderRole WriteThread::write_leader;

// Acquire pairs with the release of SetState(): what the setter wrote into the
// Writer (its status, its sequence) is seen.
uint32_t WriteThread::Await(Writer* writer) {
  uint32_t state = Spin(*writer);
  while (IsWaiting(state)) {
    uint32_t expected = Writer::STATE_INIT;
    if (state == Writer::STATE_PARKED ||
        writer->state.compare_exchange_strong(expected, Writer::STATE_PARKED,
                                              std::memory_order_acquire)) {
      FutexWait(&writer->state, Writer::STATE_PARKED);
    }
    state = writer->state.load(std::memory_order_acquire);
  }
  return state;
}

uint32_t WriteThread::AwaitFor(Writer* writer, uint64_t nanos) {
  uint32_t state = Writer::STATE_INIT;
  if (writer->state.compare_exchange_strong(state, Writer::STATE_PARKED,
                                            std::memory_order_acquire)) {
    FutexWaitFor(&writer->state, Writer::STATE_PARKED, nanos);
    state = Writer::STATE_PARKED;
    if (writer->state.compare_exchange_strong(state, Writer::STATE_INIT,
                                              std::memory_order_acquire)) {
      return Writer::STATE_INIT;
    }
  }
  return state;
}

// The exchange tells whether the thread sleeps (or is about to, which the
// futex detects). It is the last access to the Writer's memory: after it the
// thread may return and its stack be gone; waking uses the address only.
void WriteThread::SetState(Writer* writer, Writer::State state) {
  uint32_t old = writer->state.exchange(state, std::memory_order_acq_rel);
  if (old == Writer::STATE_PARKED) FutexWakeOne(&writer->state);
}

bool WriteThread::LinkOne(Writer* writer) {
  PL_DCHECK(writer->state.load(std::memory_order_relaxed) ==
            Writer::STATE_INIT);
  Writer* newest = newest_writer_.load(std::memory_order_relaxed);
  while (true) {
    if (newest == &stall_marker_) {
      if (writer->no_slowdown) {
        writer->status = Status::Incomplete("writes are stalled");
        writer->state.store(Writer::STATE_COMPLETED, std::memory_order_relaxed);
        return false;
      }
      WaitForStallEnd();
      newest = newest_writer_.load(std::memory_order_relaxed);
      continue;
    }
    writer->link_older = newest;
    // Acquire for the Writer that leads at once: it sees everything that the
    // last leader did before it left the queue empty.
    if (newest_writer_.compare_exchange_weak(newest, writer,
                                             std::memory_order_acq_rel,
                                             std::memory_order_relaxed)) {
      return newest == nullptr;
    }
  }
}

void WriteThread::CreateMissingNewerLinks(Writer* newest) {
  Writer* newer = newest;
  while (Writer* older = newer->link_older) {
    if (older->link_newer != nullptr) break;
    older->link_newer = newer;
    newer = older;
  }
}

bool WriteThread::CanShare(const Writer& leader, const Writer& other) const {
  if (other.is_exclusive) return false;
  // Writes that are logged never share with writes that are not: the group has
  // one record or none.
  if (other.disable_wal != leader.disable_wal) return false;
  // A leader that does not wait for a sync must not be made to.
  if (other.sync && !leader.sync) return false;
  if (config_.separates_sync_writers && other.sync != leader.sync) {
    return false;
  }
  return true;
}

void WriteThread::FormGroupOfOne(Writer* leader, WriteGroup* group) {
  leader->group = group;
  group->leader = leader;
  group->last = leader;
  group->size = 1;
  group->sync_writers = leader->sync ? 1 : 0;
  group->batch_bytes = leader->batch_bytes();
  group->needs_sync = leader->sync;
}

void WriteThread::EnterAsBatchGroupLeader(Writer* leader, WriteGroup* group) {
  PL_DCHECK(leader->link_older == nullptr);
  FormGroupOfOne(leader, group);
  if (leader->is_exclusive) return;

  size_t bytes_max = config_.group_bytes_max;
  if (group->batch_bytes <= bytes_max / 8) {
    bytes_max = std::min(bytes_max, group->batch_bytes + kSmallGroupSlackBytes);
  }
  // Acquire: the fields of every Writer that is linked are seen.
  Writer* newest = newest_writer_.load(std::memory_order_acquire);
  CreateMissingNewerLinks(newest);
  Writer* writer = leader;
  while (writer != newest) {
    writer = writer->link_newer;
    size_t bytes = group->batch_bytes + writer->batch_bytes();
    if (!CanShare(*leader, *writer) || bytes > bytes_max) break;
    writer->group = group;
    group->last = writer;
    group->batch_bytes = bytes;
    ++group->size;
    if (writer->sync) ++group->sync_writers;
  }
}

void WriteThread::ExitAsBatchGroupLeader(const WriteGroup& group)
    NO_THREAD_SAFETY_ANALYSIS {
  Writer* last = group.last;
  Writer* newest = last;
  // Release: a Writer that finds the queue empty, and so leads, sees what this
  // leader did.
  if (newest_writer_.compare_exchange_strong(newest, nullptr,
                                             std::memory_order_acq_rel,
                                             std::memory_order_acquire)) {
    return;
  }
  CreateMissingNewerLinks(newest);
  Writer* next = last->link_newer;
  next->link_older = nullptr;
  SetState(next, Writer::STATE_GROUP_LEADER);
}

void WriteThread::Complete(Writer* first, size_t count) {
  if (count == 0) return;
  // With fewer chains processors would idle. More make threads runnable that
  // find none, and every one of them may push a leader off its own, with all
  // the others behind it. Those that a sync has kept waiting have idle
  // processors to fill again. docs/performance.md has the measurement.
  auto chains = static_cast<size_t>(ProcessorCount()) * (first->sync ? 2 : 1);
  for (; count > 0; --chains) {
    size_t length = (count + chains - 1) / chains;
    Writer* next = first;
    for (size_t i = 0; i < length && i + 1 < count; ++i) {
      next = next->link_newer;
    }
    CompleteChain(first, length);
    first = next;
    count -= length;
  }
}

// Nobody behind `first` is completed before it, so its links stay readable.
void WriteThread::CompleteChain(Writer* first, size_t count) {
  if (count > 1) {
    first->wake_first = first->link_newer;
    first->wake_count = count - 1;
  }
  SetState(first, Writer::STATE_COMPLETED);
}

void WriteThread::BeginWriteStall(Writer* leader) {
  Writer* newest = newest_writer_.load(std::memory_order_relaxed);
  do {
    stall_marker_.link_older = newest;
  } while (!newest_writer_.compare_exchange_weak(newest, &stall_marker_,
                                                 std::memory_order_acq_rel,
                                                 std::memory_order_relaxed));
  Writer* newer = &stall_marker_;
  for (Writer* writer = newest; writer != leader;) {
    Writer* older = writer->link_older;
    if (writer->no_slowdown) {
      newer->link_older = older;
      // Links to newer Writers exist for the oldest ones only; keep it so.
      if (older->link_newer != nullptr) {
        older->link_newer = newer == &stall_marker_ ? nullptr : newer;
      }
      writer->status = Status::Incomplete("writes are stalled");
      SetState(writer, Writer::STATE_COMPLETED);
    } else {
      newer = writer;
    }
    writer = older;
  }
}

void WriteThread::EndWriteStall() {
  // Nobody pushes while the marker is the newest.
  MutexLock lock(&stall_mutex_);
  newest_writer_.store(stall_marker_.link_older, std::memory_order_release);
  stall_ended_.NotifyAll();
}

void WriteThread::WaitForStallEnd() {
  MutexLock lock(&stall_mutex_);
  while (newest_writer_.load(std::memory_order_relaxed) == &stall_marker_) {
    stall_ended_.Wait(&stall_mutex_);
  }
}

size_t WriteThread::QueueLengthForTest() const {
  size_t length = 0;
  const Writer* writer = newest_writer_.load(std::memory_order_acquire);
  for (; writer != nullptr; writer = writer->link_older) {
    if (writer != &stall_marker_) ++length;
  }
  return length;
}

}  // namespace paceline
