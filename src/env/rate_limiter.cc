#include "src/env/rate_limiter.h"

#include <algorithm>
#include <limits>

#include "src/base/check.h"

namespace paceline {

namespace {

constexpr int64_t kMicrosPerSecond = 1'000'000;
constexpr uint64_t kNanosPerMicro = 1'000;

}  // namespace

GenericRateLimiter::GenericRateLimiter(int64_t bytes_per_second,
                                       int64_t refill_period_micros,
                                       Clock* clock)
    : clock_(clock),
      period_micros_(std::max<int64_t>(refill_period_micros, 1)),
      bytes_per_second_(std::max<int64_t>(bytes_per_second, 1)),
      available_bytes_(portion_bytes()),
      period_began_nanos_(clock->MonotonicNanos()) {}

GenericRateLimiter::~GenericRateLimiter() {
  MutexLock lock(&mutex_);
  PL_CHECK(Next() == nullptr);
}

void GenericRateLimiter::Request(int64_t bytes, Priority priority) {
  MutexLock lock(&mutex_);
  while (bytes > 0) {
    const int64_t portion = std::min(bytes, portion_bytes());
    Take(portion, priority);
    bytes -= portion;
  }
}

void GenericRateLimiter::SetBytesPerSecond(int64_t bytes_per_second) {
  MutexLock lock(&mutex_);
  bytes_per_second_ = std::max<int64_t>(bytes_per_second, 1);
}

int64_t GenericRateLimiter::GetBytesPerSecond() const {
  MutexLock lock(&mutex_);
  return bytes_per_second_;
}

int64_t GenericRateLimiter::GetTotalBytesThrough() const {
  MutexLock lock(&mutex_);
  return total_bytes_;
}

void GenericRateLimiter::Poll() {
  MutexLock lock(&mutex_);
  GiveOut();
}

size_t GenericRateLimiter::waiting() const {
  MutexLock lock(&mutex_);
  return high_.size() + low_.size();
}

void GenericRateLimiter::Take(int64_t bytes, Priority priority) {
  Waiter self{.bytes_left = bytes, .served = {}};
  (priority == Priority::kHigh ? high_ : low_).push_back(&self);
  GiveOut();
  while (self.bytes_left > 0) {
    if (has_timekeeper_) {
      self.served.Wait(&mutex_);
      continue;
    }
    has_timekeeper_ = true;
    const uint64_t next_period_nanos =
        period_began_nanos_ +
        static_cast<uint64_t>(period_micros_) * kNanosPerMicro;
    const uint64_t now = clock_->MonotonicNanos();
    if (now < next_period_nanos) {
      self.served.WaitFor(&mutex_, next_period_nanos - now);
    }
    has_timekeeper_ = false;
    GiveOut();
  }
  // This thread may have been the one that kept the time.
  if (Waiter* next = Next(); next != nullptr && !has_timekeeper_) {
    next->served.NotifyOne();
  }
}

void GenericRateLimiter::GiveOut() {
  const uint64_t period_nanos =
      static_cast<uint64_t>(period_micros_) * kNanosPerMicro;
  const uint64_t elapsed = clock_->MonotonicNanos() - period_began_nanos_;
  if (elapsed >= period_nanos) {
    period_began_nanos_ += elapsed - elapsed % period_nanos;
    available_bytes_ = portion_bytes();
  }
  for (Waiter* next = Next(); next != nullptr && available_bytes_ > 0;
       next = Next()) {
    // A part of it, too: the rate may have become so low meanwhile that no
    // portion is as large as what this one waits for.
    const int64_t bytes = std::min(available_bytes_, next->bytes_left);
    available_bytes_ -= bytes;
    total_bytes_ += bytes;
    next->bytes_left -= bytes;
    if (next->bytes_left == 0) {
      (high_.empty() ? low_ : high_).pop_front();
      next->served.NotifyOne();
    }
  }
}

GenericRateLimiter::Waiter* GenericRateLimiter::Next() {
  if (!high_.empty()) return high_.front();
  return low_.empty() ? nullptr : low_.front();
}

int64_t GenericRateLimiter::portion_bytes() const {
  const auto product =
      static_cast<__int128>(bytes_per_second_) * period_micros_;
  constexpr __int128 kMax = std::numeric_limits<int64_t>::max();
  return static_cast<int64_t>(
      std::clamp<__int128>(product / kMicrosPerSecond, 1, kMax));
}

RateLimiter* NewGenericRateLimiter(int64_t rate_bytes_per_sec,
                                   int64_t refill_period_us) {
  return new GenericRateLimiter(rate_bytes_per_sec, refill_period_us,
                                Clock::Default());
}

}  // namespace paceline
