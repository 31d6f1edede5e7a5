// WorkerPool: the threads of flushes, of compactions and of the removal of
// files.

#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <vector>

#include "src/base/sync.h"

namespace paceline {

// Runs jobs in the background, those of one priority in the order they came.
// Where there are several threads, one is for jobs of high priority and the
// others for those of low priority: a flush never waits for the end of a long
// compaction, and the system lets whoever reads and writes go before what only
// keeps the levels in shape. A single thread runs both, high priority first.
// Removals have a thread of their own in any case: a device that is told what
// is free (discard) may take 40 ms for a file, for which nobody should wait.
//
// Threads start when they are first needed. Thread-safe; jobs may call
// everything but WaitUntilIdle().
class WorkerPool {
 public:
  enum class Priority { kHigh, kLow, kRemoval };

  // At least one thread.
  explicit WorkerPool(int threads);
  // Waits for running jobs; those that wait are dropped.
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  // Does not block. A running job's call during the destructor does nothing.
  // No exception leaves it: a job that was announced would never end.
  void Schedule(Priority priority, std::function<void()> job) noexcept
      EXCLUDES(mutex_);

  // Jobs that wait.
  [[nodiscard]] size_t queued(Priority priority) EXCLUDES(mutex_);

  // Blocks until no job runs or waits.
  void WaitUntilIdle() EXCLUDES(mutex_);

 private:
  using Job = std::function<void()>;

  // The jobs of one priority, and the threads that run them.
  struct Crew {
    Crew(int thread_limit, int thread_niceness)
        : limit(static_cast<size_t>(thread_limit)), niceness(thread_niceness) {}
    const size_t limit;
    const int niceness;
    CondVar work_or_stop;
    std::deque<Job> jobs;
    size_t running = 0;
    std::vector<Thread> threads;
  };

  Crew* CrewOf(Priority priority) REQUIRES(mutex_);
  // Runs jobs until the pool is stopped.
  void Work(Crew* crew) EXCLUDES(mutex_);
  // Blocks until there is one; empty once the pool is stopped.
  Job TakeJob(Crew* crew) EXCLUDES(mutex_);
  void EndJob(Crew* crew) EXCLUDES(mutex_);
  // Where the next job of this crew's threads is; null if there is none.
  std::deque<Job>* FindJobs(Crew* crew) REQUIRES(mutex_);
  [[nodiscard]] bool IsIdle() const REQUIRES(mutex_);

  Mutex mutex_;
  CondVar idle_;
  // Its thread runs jobs of low priority too if the other has none.
  Crew high_crew_ GUARDED_BY(mutex_);
  Crew low_crew_ GUARDED_BY(mutex_);
  Crew removal_crew_ GUARDED_BY(mutex_);
  bool is_stopping_ GUARDED_BY(mutex_) = false;
};

}  // namespace paceline
