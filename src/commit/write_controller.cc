#include "src/commit/write_controller.h"

#include <algorithm>

namespace paceline {

namespace {

// Sleeping is not exact: what is owed is collected until it is worth it.
constexpr uint64_t kDelayNanosMin = 500'000;

// A group that is much larger than the rate allows is paid for in parts, so
// that a rate that rises again helps soon.
constexpr uint64_t kDelayNanosMax = 20'000'000;

// A writer that had no processor for a while, or slept for longer than it was
// asked to, may make up for so much of it: what counts is the rate over a time
// in which a memtable hardly grows.
constexpr uint64_t kCatchUpNanosMax = 5'000'000;

// The name of stops that no column family asked for.
constexpr const char* kNoFamily = "";

}  // namespace

void WriteController::AddStop() {
  MutexLock lock(&mutex_);
  state_.fetch_add(kStop, std::memory_order_release);
}

bool WriteController::AddStopIfStopped() {
  MutexLock lock(&mutex_);
  if (state_.load(std::memory_order_relaxed) < kStop) return false;
  state_.fetch_add(kStop, std::memory_order_release);
  return true;
}

bool WriteController::RemoveStop() {
  {
    MutexLock lock(&mutex_);
    if (state_.load(std::memory_order_relaxed) < kStop) return false;
    state_.fetch_sub(kStop, std::memory_order_release);
  }
  changed_.NotifyAll();
  return true;
}

// A writer is woken behind the mutex, and only if it need not wait on: it would
// take the processor from the less urgent thread that woke it, and then wait
// for the mutex until that one gets a processor again.
void WriteController::SetStall(const Stall& stall) {
  bool lets_go = false;
  {
    MutexLock lock(&mutex_);
    lets_go = (stall_.stops && !stall.stops) || !stall.failure.ok() ||
              (stall_.bytes_per_second > 0 && stall.bytes_per_second == 0);
    if (stall.bytes_per_second == 0) {
      paid_at_nanos_ = 0;
    } else if (stall_.bytes_per_second != 0) {
      OweAtNewRate(stall_.bytes_per_second, stall.bytes_per_second);
    }
    stall_ = stall;
    rate_.store(stall.bytes_per_second, std::memory_order_relaxed);
    uint32_t stops = state_.load(std::memory_order_relaxed) / kStop * kStop;
    uint32_t flags = (stall.stops ? kStalled : 0) |
                     (stall.bytes_per_second > 0 ? kDelayed : 0);
    state_.store(stops | flags, std::memory_order_release);
  }
  if (lets_go) changed_.NotifyAll();
}

// What is not paid for takes less time at a higher rate, and no more at a lower
// one: a writer that was just let go on must not wait long for a few bytes.
void WriteController::OweAtNewRate(uint64_t old_rate, uint64_t new_rate) {
  uint64_t now = clock_->MonotonicNanos();
  if (paid_at_nanos_ <= now || new_rate <= old_rate) return;
  double factor = static_cast<double>(old_rate) / static_cast<double>(new_rate);
  double owed = static_cast<double>(paid_at_nanos_ - now) * factor;
  paid_at_nanos_ = now + static_cast<uint64_t>(owed);
}

Status WriteController::WaitUntilGoing() {
  uint64_t start = clock_->MonotonicNanos();
  MutexLock lock(&mutex_);
  bool is_stall = stall_.stops;
  Stall cause = is_stall ? stall_ : Stall{};
  if (!is_stall) {
    cause.cause = StallCause::kLocked;
    cause.family = kNoFamily;
  }
  while (is_stopped() && !is_shut_down_ && stall_.failure.ok()) {
    changed_.Wait(&mutex_);
  }
  StallMetrics* metrics = MetricsOf(cause);
  ++metrics->stops;
  metrics->stop_micros += (clock_->MonotonicNanos() - start) / 1000;
  return is_shut_down_ ? Status::OK() : stall_.failure;
}

uint64_t WriteController::DelayNanos() {
  MutexLock lock(&mutex_);
  if (stall_.bytes_per_second == 0 || is_shut_down_) return 0;
  uint64_t now = clock_->MonotonicNanos();
  if (paid_at_nanos_ < now + kDelayNanosMin) return 0;
  return std::min(paid_at_nanos_ - now, kDelayNanosMax);
}

void WriteController::Delay(uint64_t nanos) {
  uint64_t start = clock_->MonotonicNanos();
  MutexLock lock(&mutex_);
  Stall cause = stall_;
  uint64_t now = start;
  while (!is_shut_down_ && now < start + nanos && stall_.bytes_per_second > 0) {
    changed_.WaitFor(&mutex_, start + nanos - now);
    now = clock_->MonotonicNanos();
  }
  StallMetrics* metrics = MetricsOf(cause);
  ++metrics->delays;
  metrics->delay_micros += (now - start) / 1000;
}

void WriteController::SpendSlowly(uint64_t bytes) {
  MutexLock lock(&mutex_);
  if (stall_.bytes_per_second == 0) return;
  uint64_t now = clock_->MonotonicNanos();
  double seconds =
      static_cast<double>(bytes) / static_cast<double>(stall_.bytes_per_second);
  paid_at_nanos_ = std::max(paid_at_nanos_ + kCatchUpNanosMax, now) -
                   kCatchUpNanosMax + static_cast<uint64_t>(seconds * 1e9);
}

void WriteController::Shutdown() {
  MutexLock lock(&mutex_);
  is_shut_down_ = true;
  changed_.NotifyAll();
}

StallMetrics* WriteController::MetricsOf(const Stall& stall) {
  StallMetrics* metrics = &metrics_[{stall.family, stall.cause}];
  metrics->family = stall.family;
  metrics->cause = stall.cause;
  return metrics;
}

void WriteController::AddMetrics(Metrics* metrics) const {
  for (const StallMetrics& stall : StallsByCause()) {
    metrics->stalls += stall.stops;
    metrics->stall_micros += stall.stop_micros;
    metrics->delays += stall.delays;
    metrics->delay_micros += stall.delay_micros;
  }
}

std::vector<StallMetrics> WriteController::StallsByCause() const {
  MutexLock lock(&mutex_);
  std::vector<StallMetrics> all;
  for (const auto& [name, metrics] : metrics_) all.push_back(metrics);
  return all;
}

}  // namespace paceline
