#include "src/env/worker_pool.h"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

namespace paceline {

namespace {

// Where all processors are wanted, those who read and write come first, then
// flushes, then compactions: a tenth of the share of a thread with the usual
// niceness, and a third of that. They are not starved; when they fall behind,
// writers are slowed down, and processors become free.
constexpr int kHighCrewNiceness = 10;
constexpr int kLowCrewNiceness = 15;

// Of the calling thread only. Nothing is lost where it is not allowed.
void SetNiceness(int least) {
  auto thread = static_cast<id_t>(syscall(SYS_gettid));
  int niceness = getpriority(PRIO_PROCESS, thread);
  setpriority(PRIO_PROCESS, thread, std::max(niceness, least));
}

}  // namespace

WorkerPool::WorkerPool(int threads)
    : high_crew_(1), low_crew_(std::max(threads, 1) - 1) {}

WorkerPool::~WorkerPool() {
  std::deque<Job> dropped_high;
  std::deque<Job> dropped_low;
  std::vector<Thread> high_threads;
  std::vector<Thread> low_threads;
  {
    MutexLock lock(&mutex_);
    is_stopping_ = true;
    dropped_high.swap(high_);
    dropped_low.swap(low_);
    high_threads.swap(high_crew_.threads);
    low_threads.swap(low_crew_.threads);
    high_crew_.work_or_stop.NotifyAll();
    low_crew_.work_or_stop.NotifyAll();
  }
  dropped_high.clear();
  dropped_low.clear();
  for (Thread& thread : high_threads) thread.join();
  for (Thread& thread : low_threads) thread.join();
}

void WorkerPool::Schedule(Priority priority, Job job) noexcept {
  MutexLock lock(&mutex_);
  if (is_stopping_) return;
  std::deque<Job>* queue = priority == Priority::kHigh ? &high_ : &low_;
  queue->push_back(std::move(job));
  Crew& crew = CrewOf(priority);
  size_t wanted = std::min(crew.limit, crew.running + queue->size());
  while (crew.threads.size() < wanted) {
    crew.threads.emplace_back([this, &crew] { Work(&crew); });
  }
  crew.work_or_stop.NotifyOne();
}

size_t WorkerPool::queued(Priority priority) const {
  MutexLock lock(&mutex_);
  return (priority == Priority::kHigh ? high_ : low_).size();
}

void WorkerPool::WaitUntilIdle() {
  MutexLock lock(&mutex_);
  while (!IsIdle()) idle_.Wait(&mutex_);
}

bool WorkerPool::IsIdle() const {
  return high_crew_.running == 0 && low_crew_.running == 0 && high_.empty() &&
         low_.empty();
}

void WorkerPool::Work(Crew* crew) {
  SetNiceness(crew == &high_crew_ ? kHighCrewNiceness : kLowCrewNiceness);
  while (Job job = TakeJob(crew)) {
    job();
    // Before the pool may be taken for idle.
    job = nullptr;
    EndJob(crew);
  }
}

std::deque<WorkerPool::Job>* WorkerPool::QueueOf(const Crew& crew) {
  bool takes_high = &crew == &high_crew_;
  bool takes_low = &crew == &low_crew_ || low_crew_.limit == 0;
  if (takes_high && !high_.empty()) return &high_;
  return takes_low && !low_.empty() ? &low_ : nullptr;
}

WorkerPool::Job WorkerPool::TakeJob(Crew* crew) {
  MutexLock lock(&mutex_);
  std::deque<Job>* queue = nullptr;
  while (!is_stopping_ && (queue = QueueOf(*crew)) == nullptr) {
    crew->work_or_stop.Wait(&mutex_);
  }
  if (is_stopping_) return nullptr;
  ++crew->running;
  Job job = std::move(queue->front());
  queue->pop_front();
  return job;
}

void WorkerPool::EndJob(Crew* crew) {
  MutexLock lock(&mutex_);
  --crew->running;
  if (IsIdle()) idle_.NotifyAll();
}

}  // namespace paceline
