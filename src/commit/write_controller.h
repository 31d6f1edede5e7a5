// WriteController: when writers are stopped, and what it cost them.

#pragma once

#include <cstdint>

#include "paceline/env.h"

#include "src/base/sync.h"

namespace paceline {

// Writes are stopped while anybody holds a stop. Thread-safe.
class WriteController {
 public:
  explicit WriteController(Clock* clock) : clock_(clock) {}

  [[nodiscard]] bool is_stopped() const {
    return stops_.load(std::memory_order_acquire) > 0;
  }

  void AddStop() EXCLUDES(mutex_);
  // Adds one only if there is one already.
  bool AddStopIfStopped() EXCLUDES(mutex_);
  // False if there is none.
  bool RemoveStop() EXCLUDES(mutex_);

  // Blocks while writes are stopped, or until Shutdown().
  void WaitUntilGoing() EXCLUDES(mutex_);
  // Ends all waiting for good.
  void Shutdown() EXCLUDES(mutex_);

  [[nodiscard]] uint64_t stalls() const {
    return stalls_.load(std::memory_order_relaxed);
  }
  [[nodiscard]] uint64_t stall_micros() const {
    return stall_nanos_.load(std::memory_order_relaxed) / 1000;
  }

 private:
  Clock* const clock_;
  // Changed under the mutex; read without it by leaders. Release and acquire:
  // who sees a stop sees what was done before it was added.
  Atomic<int> stops_ = 0;
  Atomic<uint64_t> stalls_ = 0;
  Atomic<uint64_t> stall_nanos_ = 0;

  Mutex mutex_;
  CondVar changed_;
  bool is_shut_down_ GUARDED_BY(mutex_) = false;
};

}  // namespace paceline
