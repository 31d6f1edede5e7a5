// ProgressLine: how far a benchmark is, in a line of the terminal that is
// rewritten as it goes on and gone when it is over.

#pragma once

#include <fmt/core.h>
#include <unistd.h>

#include <cstdint>
#include <string>

namespace paceline::bench {

// Writes to stderr, only if that is a terminal. Thread-compatible.
class ProgressLine {
 public:
  explicit ProgressLine(std::string label)
      : label_(std::move(label)), is_visible_(isatty(STDERR_FILENO) != 0) {}
  ~ProgressLine() {
    if (is_visible_) fmt::print(stderr, "\r\033[K");
  }
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  void Show(uint64_t operations, double seconds) {
    if (!is_visible_ || seconds <= 0) return;
    double kilo_per_second = static_cast<double>(operations) / seconds / 1000;
    fmt::print(stderr, "\r{}: {} operations, {:.1f} k/s, {:.1f} s\033[K",
               label_, operations, kilo_per_second, seconds);
  }

 private:
  const std::string label_;
  const bool is_visible_;
};

}  // namespace paceline::bench
