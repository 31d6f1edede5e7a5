// SyncPacer: lets writes that do not sync go on between syncs.

#pragma once

#include <cstddef>
#include <cstdint>

#include "paceline/env.h"

#include "src/base/sync.h"

namespace paceline {

// A write behind one that syncs cannot become visible before it, so it waits
// for the device as well. Where a thread syncs one write after the other, all
// others would be held up nearly all the time. So after a sync that held up at
// least as many Writers as it served, the next Writers that want one wait for
// a third as long as it took, 10 ms at most, before they join the queue.
// Thread-safe.
class SyncPacer {
 public:
  explicit SyncPacer(Clock* clock) : clock_(clock) {}

  // For a Writer that wants a sync. One load where nobody is held up.
  void Await() EXCLUDES(mutex_);
  // A sync has ended, after so many nanoseconds.
  void SyncEnded(uint64_t nanos, size_t served, size_t held_up);
  // Ends all waiting for good.
  void Shutdown() EXCLUDES(mutex_);

 private:
  Clock* const clock_;
  // By the clock; 0: at once. Relaxed: nothing else hangs on it.
  Atomic<uint64_t> not_before_ = 0;

  Mutex mutex_;
  CondVar is_over_;
  bool is_shut_down_ GUARDED_BY(mutex_) = false;
};

}  // namespace paceline
