// WorkerPool: the threads of flushes and compactions.

#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <vector>

#include "src/base/sync.h"

namespace paceline {

// Runs jobs in the background: those of high priority first, those of one
// priority in the order they came. Where there are several threads, jobs of low
// priority leave one of them free, so that one of high priority need not wait
// for the end of a long one of low priority.
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
  void Schedule(Priority priority, std::function<void()> job) EXCLUDES(mutex_);

  // How many jobs may run at once; a smaller number holds as soon as enough of
  // those running have ended. At least one.
  void SetThreads(int threads) EXCLUDES(mutex_);

  // Jobs that wait.
  [[nodiscard]] size_t queued(Priority priority) const EXCLUDES(mutex_);

  // Blocks until no job runs or waits.
  void WaitUntilIdle() EXCLUDES(mutex_);

 private:
  using Job = std::function<void()>;

  // Runs jobs until the pool is stopped.
  void Work() EXCLUDES(mutex_);
  // Blocks until there is one that may run; empty once the pool is stopped.
  Job TakeJob(Priority* priority) EXCLUDES(mutex_);
  void EndJob(Priority priority) EXCLUDES(mutex_);
  [[nodiscard]] bool CanRun(Priority priority) const REQUIRES(mutex_);
  // As many as there are jobs, up to the limit.
  void StartThreads() REQUIRES(mutex_);

  mutable Mutex mutex_;
  CondVar work_or_stop_;
  CondVar idle_;
  int limit_ GUARDED_BY(mutex_);
  int running_ GUARDED_BY(mutex_) = 0;
  int running_low_ GUARDED_BY(mutex_) = 0;
  bool is_stopping_ GUARDED_BY(mutex_) = false;
  std::deque<Job> high_ GUARDED_BY(mutex_);
  std::deque<Job> low_ GUARDED_BY(mutex_);
  // They stay when the limit becomes lower.
  std::vector<Thread> threads_ GUARDED_BY(mutex_);
};

}  // namespace paceline
