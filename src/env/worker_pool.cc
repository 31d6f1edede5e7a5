#include "src/env/worker_pool.h"

#include <algorithm>
#include <utility>

namespace paceline {

WorkerPool::WorkerPool(int threads) : limit_(std::max(threads, 1)) {}

WorkerPool::~WorkerPool() {
  std::deque<Job> dropped_high;
  std::deque<Job> dropped_low;
  std::vector<Thread> threads;
  {
    MutexLock lock(&mutex_);
    is_stopping_ = true;
    dropped_high.swap(high_);
    dropped_low.swap(low_);
    threads.swap(threads_);
    work_or_stop_.NotifyAll();
  }
  dropped_high.clear();
  dropped_low.clear();
  for (Thread& thread : threads) thread.join();
}

void WorkerPool::Schedule(Priority priority, Job job) {
  MutexLock lock(&mutex_);
  if (is_stopping_) return;
  (priority == Priority::kHigh ? high_ : low_).push_back(std::move(job));
  StartThreads();
  work_or_stop_.NotifyOne();
}

void WorkerPool::SetThreads(int threads) {
  MutexLock lock(&mutex_);
  limit_ = std::max(threads, 1);
  StartThreads();
  work_or_stop_.NotifyAll();
}

size_t WorkerPool::queued(Priority priority) const {
  MutexLock lock(&mutex_);
  return (priority == Priority::kHigh ? high_ : low_).size();
}

void WorkerPool::WaitUntilIdle() {
  MutexLock lock(&mutex_);
  while (running_ > 0 || !high_.empty() || !low_.empty()) idle_.Wait(&mutex_);
}

void WorkerPool::Work() {
  Priority priority = Priority::kHigh;
  while (Job job = TakeJob(&priority)) {
    job();
    // Before the pool may be taken for idle.
    job = nullptr;
    EndJob(priority);
  }
}

WorkerPool::Job WorkerPool::TakeJob(Priority* priority) {
  MutexLock lock(&mutex_);
  while (!is_stopping_ && !CanRun(Priority::kHigh) && !CanRun(Priority::kLow)) {
    work_or_stop_.Wait(&mutex_);
  }
  if (is_stopping_) return nullptr;
  const bool is_high = CanRun(Priority::kHigh);
  *priority = is_high ? Priority::kHigh : Priority::kLow;
  ++running_;
  if (!is_high) ++running_low_;
  std::deque<Job>* queue = is_high ? &high_ : &low_;
  Job job = std::move(queue->front());
  queue->pop_front();
  return job;
}

void WorkerPool::EndJob(Priority priority) {
  MutexLock lock(&mutex_);
  --running_;
  if (priority == Priority::kLow) --running_low_;
  // No other thread need wake: at most one more job may run now, and this one
  // looks for it next.
  if (running_ == 0 && high_.empty() && low_.empty()) idle_.NotifyAll();
}

bool WorkerPool::CanRun(Priority priority) const {
  if (running_ >= limit_) return false;
  if (priority == Priority::kHigh) return !high_.empty();
  return !low_.empty() && running_low_ < std::max(limit_ - 1, 1);
}

void WorkerPool::StartThreads() {
  if (is_stopping_) return;
  const size_t jobs =
      static_cast<size_t>(running_) + high_.size() + low_.size();
  const size_t wanted = std::min(static_cast<size_t>(limit_), jobs);
  while (threads_.size() < wanted) threads_.emplace_back([this] { Work(); });
}

}  // namespace paceline
