#include "src/commit/sync_pacer.h"

#include <algorithm>

namespace paceline {

namespace {

// A device that was stuck for a while must not hold up the next writes as well.
constexpr uint64_t kPauseNanosMax = 10'000'000;

// A sync is so many times as long as the pause behind it.
constexpr uint64_t kSyncsPerPause = 3;

}  // namespace

void SyncPacer::Await() {
  if (not_before_.load(std::memory_order_relaxed) == 0) return;
  MutexLock lock(&mutex_);
  while (!is_shut_down_) {
    uint64_t now = clock_->MonotonicNanos();
    uint64_t until = not_before_.load(std::memory_order_relaxed);
    if (now >= until) return;
    is_over_.WaitFor(&mutex_, until - now);
  }
}

void SyncPacer::SyncEnded(uint64_t nanos, size_t served, size_t held_up) {
  uint64_t until = 0;
  if (held_up > 0 && held_up >= served) {
    until = clock_->MonotonicNanos() +
            std::min(nanos / kSyncsPerPause, kPauseNanosMax);
  }
  not_before_.store(until, std::memory_order_relaxed);
}

void SyncPacer::Shutdown() {
  MutexLock lock(&mutex_);
  is_shut_down_ = true;
  is_over_.NotifyAll();
}

}  // namespace paceline
