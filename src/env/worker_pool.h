// WorkerPool: the threads of flushes and compactions.

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
//
// Threads start when they are first needed. Thread-safe; jobs may call
// everything but WaitUntilIdle().
class WorkerPool {
 public:
  enum class Priority { kHigh, kLow };

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
  [[nodiscard]] size_t queued(Priority priority) const EXCLUDES(mutex_);

  // Blocks until no job runs or waits.
  void WaitUntilIdle() EXCLUDES(mutex_);

 private:
  using Job = std::function<void()>;

  // The threads that run the jobs of one queue, or of both.
  struct Crew {
    explicit Crew(int size) : limit(static_cast<size_t>(size)) {}
    const size_t limit;
    CondVar work_or_stop;
    size_t running = 0;
    std::vector<Thread> threads;
  };

  // Whose jobs these are.
  Crew& CrewOf(Priority priority) REQUIRES(mutex_) {
    return priority == Priority::kHigh || low_crew_.limit == 0 ? high_crew_
                                                               : low_crew_;
  }
  // Runs jobs until the pool is stopped.
  void Work(Crew* crew) EXCLUDES(mutex_);
  // Blocks until there is one; empty once the pool is stopped.
  Job TakeJob(Crew* crew) EXCLUDES(mutex_);
  void EndJob(Crew* crew) EXCLUDES(mutex_);
  // Null if there is none.
  std::deque<Job>* QueueOf(const Crew& crew) REQUIRES(mutex_);
  [[nodiscard]] bool IsIdle() const REQUIRES(mutex_);

  mutable Mutex mutex_;
  CondVar idle_;
  // Its threads run jobs of low priority too if the other has none.
  Crew high_crew_ GUARDED_BY(mutex_);
  Crew low_crew_ GUARDED_BY(mutex_);
  bool is_stopping_ GUARDED_BY(mutex_) = false;
  std::deque<Job> high_ GUARDED_BY(mutex_);
  std::deque<Job> low_ GUARDED_BY(mutex_);
};

}  // namespace paceline
