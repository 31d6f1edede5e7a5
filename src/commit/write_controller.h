// WriteController: when writers are delayed or stopped, and what it cost them.

#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "paceline/env.h"
#include "paceline/metrics.h"
#include "paceline/status.h"

#include "src/base/sync.h"

namespace paceline {

// What flushes and compactions ask of writers, decided anew whenever their debt
// changes.
struct Stall {
  bool stops = false;
  // With `stops`: why writers should fail rather than wait. OK: they wait.
  Status failure;
  // 0: no bound.
  uint64_t bytes_per_second = 0;
  StallCause cause = StallCause::kMemtables;
  std::string family;
};

// Writes are stopped while anybody holds a stop or the stall says so, and
// delayed to the rate of the stall. Thread-safe.
class WriteController {
 public:
  explicit WriteController(Clock* clock) : clock_(clock) {}

  [[nodiscard]] bool is_stopped() const {
    return (state_.load(std::memory_order_acquire) & ~kDelayed) != 0;
  }
  // True if a leader must call Hold() before it forms a group. One load.
  [[nodiscard]] bool needs_hold() const {
    return state_.load(std::memory_order_acquire) != 0;
  }
  [[nodiscard]] uint64_t bytes_per_second() const {
    return rate_.load(std::memory_order_relaxed);
  }

  void AddStop() EXCLUDES(mutex_);
  // Adds one only if somebody else holds one. A mere stall does not count: it
  // ends by itself, and leaders that began before it may still be at work.
  bool AddStopIfStopped() EXCLUDES(mutex_);
  // False if there is none.
  bool RemoveStop() EXCLUDES(mutex_);
  void SetStall(const Stall& stall) EXCLUDES(mutex_);

  // Blocks while writes are stopped, or until Shutdown(). The stall's failure
  // if it has one.
  Status WaitUntilGoing() EXCLUDES(mutex_);
  // How long the leader must wait so that the rate is kept; 0 most of the
  // time.
  [[nodiscard]] uint64_t DelayNanos() EXCLUDES(mutex_);
  // Sleeps for that long, or until Shutdown().
  void Delay(uint64_t nanos) EXCLUDES(mutex_);
  // A group of so many bytes was formed.
  void Spend(uint64_t bytes) {
    if (needs_hold()) SpendSlowly(bytes);
  }
  // Ends all waiting for good.
  void Shutdown() EXCLUDES(mutex_);

  void AddMetrics(Metrics* metrics) const EXCLUDES(mutex_);
  // By column family and cause.
  [[nodiscard]] std::vector<StallMetrics> StallsByCause() const
      EXCLUDES(mutex_);

 private:
  // state_: the number of stops in units of kStop, and two flags.
  static constexpr uint32_t kDelayed = 1;
  static constexpr uint32_t kStalled = 2;
  static constexpr uint32_t kStop = 4;

  void SpendSlowly(uint64_t bytes) EXCLUDES(mutex_);
  void OweAtNewRate(uint64_t old_rate, uint64_t new_rate) REQUIRES(mutex_);
  StallMetrics* MetricsOf(const Stall& stall) REQUIRES(mutex_);

  Clock* const clock_;
  // Changed under the mutex; read without it by leaders. Release and acquire:
  // who sees a stop sees what was done before it was added.
  Atomic<uint32_t> state_ = 0;
  Atomic<uint64_t> rate_ = 0;  // Relaxed: a statistic.

  mutable Mutex mutex_;
  CondVar changed_;
  bool is_shut_down_ GUARDED_BY(mutex_) = false;
  Stall stall_ GUARDED_BY(mutex_);
  // When what was written so far is paid for at the rate asked for.
  uint64_t paid_at_nanos_ GUARDED_BY(mutex_) = 0;
  std::map<std::pair<std::string, StallCause>, StallMetrics> metrics_
      GUARDED_BY(mutex_);
};

}  // namespace paceline
