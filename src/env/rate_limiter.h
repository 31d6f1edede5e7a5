// GenericRateLimiter: the RateLimiter that NewGenericRateLimiter() makes.

#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>

#include "paceline/env.h"
#include "paceline/rate_limiter.h"

#include "src/base/sync.h"

namespace paceline {

// Gives out a portion of bytes each period; what is not asked for in its period
// is lost. Calls of one priority are served in the order they came, but one
// that needs more than a portion queues up again for each further one.
//
// One of those who wait keeps the time, and gives out the portion when it is
// due. Thread-safe. Nobody may wait when it is destroyed.
class GenericRateLimiter final : public RateLimiter {
 public:
  // Rates and periods that are not positive are taken for 1.
  GenericRateLimiter(int64_t bytes_per_second, int64_t refill_period_micros,
                     Clock* clock);
  ~GenericRateLimiter() override;

  void Request(int64_t bytes, Priority priority) override EXCLUDES(mutex_);
  void SetBytesPerSecond(int64_t bytes_per_second) override EXCLUDES(mutex_);
  int64_t GetBytesPerSecond() const override EXCLUDES(mutex_);
  int64_t GetTotalBytesThrough() const override EXCLUDES(mutex_);

  // Gives out what is due now. For clocks of tests, which run without those
  // who wait by the machine's time noticing.
  void Poll() EXCLUDES(mutex_);
  // How many calls wait.
  [[nodiscard]] size_t waiting() const EXCLUDES(mutex_);

 private:
  struct Waiter {
    int64_t bytes_left = 0;
    CondVar served;
  };

  // Blocks until `bytes` were given out to this call.
  void Take(int64_t bytes, Priority priority) REQUIRES(mutex_);
  void GiveOut() REQUIRES(mutex_);
  // The one to be served next; null if nobody waits.
  Waiter* Next() REQUIRES(mutex_);
  [[nodiscard]] int64_t portion_bytes() const REQUIRES(mutex_);

  Clock* const clock_;
  const int64_t period_micros_;

  mutable Mutex mutex_;
  int64_t bytes_per_second_ GUARDED_BY(mutex_);
  int64_t total_bytes_ GUARDED_BY(mutex_) = 0;
  // Left of the portion of this period.
  int64_t available_bytes_ GUARDED_BY(mutex_);
  uint64_t period_began_nanos_ GUARDED_BY(mutex_);
  bool has_timekeeper_ GUARDED_BY(mutex_) = false;
  // Waiters are on the stacks of their threads.
  std::deque<Waiter*> high_ GUARDED_BY(mutex_);
  std::deque<Waiter*> low_ GUARDED_BY(mutex_);
};

}  // namespace paceline
