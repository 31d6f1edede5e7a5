// RateLimiter: bounds the rate of writes in the background.

#pragma once

#include <cstdint>

namespace paceline {

// Thread-safe.
class RateLimiter {
 public:
  enum class Priority { kLow, kHigh };

  virtual ~RateLimiter() = default;

  // Blocks until `bytes` more may be written. Waiting calls of kHigh (flushes)
  // go before those of kLow (compactions).
  virtual void Request(int64_t bytes, Priority priority) = 0;

  // Bytes a second; may be changed at any time.
  virtual void SetBytesPerSecond(int64_t bytes_per_second) = 0;
  [[nodiscard]] virtual int64_t GetBytesPerSecond() const = 0;
  // Let through since it was made.
  [[nodiscard]] virtual int64_t GetTotalBytesThrough() const = 0;
};

// Lets `rate_bytes_per_sec` through each second, in portions of
// `refill_period_us` microseconds. Both positive. The caller owns the result.
RateLimiter* NewGenericRateLimiter(int64_t rate_bytes_per_sec,
                                   int64_t refill_period_us = 100 * 1000);

}  // namespace paceline
