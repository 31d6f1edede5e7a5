// How much work a repeated test does: less in a sanitizer build, which is
// several times slower, and any amount by environment variables. What is run
// by tools/suite asks a RunLimit, which these set for all of its tests:
//
//   PACELINE_RUNS=<n>      so many of what the tests count
//   PACELINE_SECONDS=<n>   as many as fit into so many seconds
//
// The tests of a program that are run share them. ReportCoverage() prints what
// tools/suite sums up.

#pragma once

#include <algorithm>
#include <chrono>
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <optional>

#include "gtest/gtest.h"

namespace paceline {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kIsSanitized = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
inline constexpr bool kIsSanitized = true;
#else
inline constexpr bool kIsSanitized = false;
#endif
#else
inline constexpr bool kIsSanitized = false;
#endif

// The number in the environment variable `variable`; without it `normal`, or
// `sanitized` in a sanitizer build.
inline uint64_t Effort(const char* variable, uint64_t normal,
                       uint64_t sanitized) {
  if (const char* text = std::getenv(variable); text != nullptr) {
    return std::strtoull(text, nullptr, 10);
  }
  return kIsSanitized ? sanitized : normal;
}

// When a test that repeats itself has done enough, counted from when this is
// made. Thread-safe.
class RunLimit {
 public:
  // So many runs, unless the environment says something else.
  RunLimit(uint64_t normal, uint64_t sanitized)
      : runs_(kIsSanitized ? sanitized : normal) {
    const uint64_t tests = std::max<uint64_t>(
        1, ::testing::UnitTest::GetInstance()->test_to_run_count());
    if (const auto runs = Given("PACELINE_RUNS"); runs.has_value()) {
      runs_ = std::max<uint64_t>(1, *runs / tests);
    } else if (const auto seconds = Given("PACELINE_SECONDS");
               seconds.has_value()) {
      end_ = std::chrono::steady_clock::now() +
             std::chrono::milliseconds(1000 * *seconds / tests);
    }
  }

  // True if `done` runs are enough. Never before the first one.
  [[nodiscard]] bool IsReached(uint64_t done) const {
    if (!end_.has_value()) return done >= runs_;
    return done > 0 && std::chrono::steady_clock::now() >= *end_;
  }

 private:
  static std::optional<uint64_t> Given(const char* variable) {
    const char* text = std::getenv(variable);
    if (text == nullptr) return std::nullopt;
    return std::strtoull(text, nullptr, 10);
  }

  uint64_t runs_;
  std::optional<std::chrono::steady_clock::time_point> end_;
};

// Prints that a test has done `count` of what is called `unit`, in the plural.
inline void ReportCoverage(uint64_t count, const char* unit) {
  std::printf("covered: %" PRIu64 " %s\n", count, unit);
  std::fflush(stdout);
}

}  // namespace paceline
