#include "src/commit/write_controller.h"

namespace paceline {

void WriteController::AddStop() {
  MutexLock lock(&mutex_);
  stops_.fetch_add(1, std::memory_order_release);
}

bool WriteController::AddStopIfStopped() {
  MutexLock lock(&mutex_);
  if (stops_.load(std::memory_order_relaxed) == 0) return false;
  stops_.fetch_add(1, std::memory_order_release);
  return true;
}

bool WriteController::RemoveStop() {
  MutexLock lock(&mutex_);
  if (stops_.load(std::memory_order_relaxed) == 0) return false;
  stops_.fetch_sub(1, std::memory_order_release);
  changed_.NotifyAll();
  return true;
}

void WriteController::WaitUntilGoing() {
  uint64_t start = clock_->MonotonicNanos();
  {
    MutexLock lock(&mutex_);
    while (is_stopped() && !is_shut_down_) changed_.Wait(&mutex_);
  }
  stalls_.fetch_add(1, std::memory_order_relaxed);
  stall_nanos_.fetch_add(clock_->MonotonicNanos() - start,
                         std::memory_order_relaxed);
}

void WriteController::Shutdown() {
  MutexLock lock(&mutex_);
  is_shut_down_ = true;
  changed_.NotifyAll();
}

}  // namespace paceline
