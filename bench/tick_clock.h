// TickClock: the cheapest clock there is, for timing every single call.

#pragma once

#ifdef __x86_64__
#include <x86intrin.h>
#endif

#include <chrono>
#include <cstdint>

namespace paceline::bench {

// Counts the processor's time stamp where the kernel trusts it as a clock (12
// ns a reading, where steady_clock takes 31), else steady_clock's nanoseconds.
// Immutable after construction, which takes 20 ms; thread-safe.
class TickClock {
 public:
  TickClock();

  [[nodiscard]] uint64_t Now() const {
#ifdef __x86_64__
    if (uses_time_stamp_) return __rdtsc();
#endif
    return SteadyNanos();
  }

  // Between two readings; 0 if a switch of cores made time run backwards.
  [[nodiscard]] uint64_t Nanos(uint64_t from, uint64_t to) const {
    if (to <= from) return 0;
    return static_cast<uint64_t>(static_cast<double>(to - from) *
                                 nanos_per_tick_);
  }

  [[nodiscard]] double Seconds(uint64_t from, uint64_t to) const {
    return static_cast<double>(Nanos(from, to)) / 1e9;
  }

  [[nodiscard]] uint64_t TicksOf(double seconds) const {
    return static_cast<uint64_t>(seconds * 1e9 / nanos_per_tick_);
  }

 private:
  static uint64_t SteadyNanos() {
    return static_cast<uint64_t>(
        std::chrono::duration_cast<std::chrono::nanoseconds>(
            std::chrono::steady_clock::now().time_since_epoch())
            .count());
  }
  // Compares the time stamp with steady_clock.
  void Calibrate();

  bool uses_time_stamp_ = false;
  double nanos_per_tick_ = 1;
};

}  // namespace paceline::bench
