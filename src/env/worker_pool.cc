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
    : high_crew_(1, kHighCrewNiceness),
      low_crew_(std::max(threads, 1) - 1, kLowCrewNiceness),
      removal_crew_(1, kLowCrewNiceness) {}

WorkerPool::~WorkerPool() {
  std::vector<std::deque<Job>> dropped;
  std::vector<std::vector<Thread>> crews;
  {
    MutexLock lock(&mutex_);
    is_stopping_ = true;
    for (Crew* crew : {&high_crew_, &low_crew_, &removal_crew_}) {
      dropped.push_back(std::exchange(crew->jobs, {}));
      crews.push_back(std::exchange(crew->threads, {}));
      crew->work_or_stop.NotifyAll();
    }
  }
  dropped.clear();
  for (std::vector<Thread>& threads : crews) {
    for (Thread& thread : threads) thread.join();
  }
}

WorkerPool::Crew* WorkerPool::CrewOf(Priority priority) {
  switch (priority) {
    case Priority::kHigh:
      return &high_crew_;
    case Priority::kLow:
      return &low_crew_;
    case Priority::kRemoval:
      break;
  }
  return &removal_crew_;
}

void WorkerPool::Schedule(Priority priority, Job job) noexcept {
  MutexLock lock(&mutex_);
  if (is_stopping_) return;
  Crew& whose = *CrewOf(priority);
  whose.jobs.push_back(std::move(job));
  Crew& crew = whose.limit == 0 ? high_crew_ : whose;
  size_t wanted = std::min(crew.limit, crew.running + whose.jobs.size());
  while (crew.threads.size() < wanted) {
    crew.threads.emplace_back([this, &crew] { Work(&crew); });
  }
  crew.work_or_stop.NotifyOne();
}

size_t WorkerPool::queued(Priority priority) {
  MutexLock lock(&mutex_);
  return CrewOf(priority)->jobs.size();
}

void WorkerPool::WaitUntilIdle() {
  MutexLock lock(&mutex_);
  while (!IsIdle()) idle_.Wait(&mutex_);
}

bool WorkerPool::IsIdle() const {
  auto is_idle = [](const Crew& crew) {
    return crew.running == 0 && crew.jobs.empty();
  };
  return is_idle(high_crew_) && is_idle(low_crew_) && is_idle(removal_crew_);
}

void WorkerPool::Work(Crew* crew) {
  SetNiceness(crew->niceness);
  while (Job job = TakeJob(crew)) {
    job();
    // Before the pool may be taken for idle.
    job = nullptr;
    EndJob(crew);
  }
}

std::deque<WorkerPool::Job>* WorkerPool::FindJobs(Crew* crew) {
  if (!crew->jobs.empty()) return &crew->jobs;
  bool takes_low = crew == &high_crew_ && low_crew_.limit == 0;
  return takes_low && !low_crew_.jobs.empty() ? &low_crew_.jobs : nullptr;
}

WorkerPool::Job WorkerPool::TakeJob(Crew* crew) {
  MutexLock lock(&mutex_);
  std::deque<Job>* jobs = nullptr;
  while (!is_stopping_ && (jobs = FindJobs(crew)) == nullptr) {
    crew->work_or_stop.Wait(&mutex_);
  }
  if (is_stopping_) return nullptr;
  ++crew->running;
  Job job = std::move(jobs->front());
  jobs->pop_front();
  return job;
}

void WorkerPool::EndJob(Crew* crew) {
  MutexLock lock(&mutex_);
  --crew->running;
  if (IsIdle()) idle_.NotifyAll();
}

}  // namespace paceline
