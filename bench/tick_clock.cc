#include "bench/tick_clock.h"

#include <fstream>
#include <string>
#include <thread>

namespace paceline::bench {

namespace {

// Two readings of both clocks are some 100 ns off: 5 in a million of this.
constexpr std::chrono::milliseconds kCalibrationTime(20);

// The kernel has checked that the time stamps of all cores agree, do not stop
// and do not change their speed.
bool KernelTrustsTimeStamp() {
  std::ifstream file(
      "/sys/devices/system/clocksource/clocksource0/current_clocksource");
  std::string name;
  return file >> name && name == "tsc";
}

}  // namespace

TickClock::TickClock() {
#ifdef __x86_64__
  uses_time_stamp_ = KernelTrustsTimeStamp();
#endif
  if (uses_time_stamp_) Calibrate();
}

void TickClock::Calibrate() {
  uint64_t first_nanos = SteadyNanos();
  uint64_t first_tick = Now();
  std::this_thread::sleep_for(kCalibrationTime);
  uint64_t nanos = SteadyNanos() - first_nanos;
  uint64_t ticks = Now() - first_tick;
  nanos_per_tick_ = static_cast<double>(nanos) / static_cast<double>(ticks);
}

}  // namespace paceline::bench
