// Progress: a line on standard error that shows how far a long command is.

#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

namespace paceline::cli {

// How far the work is.
struct ProgressSample {
  uint64_t records = 0;
  uint64_t record_bytes = 0;
  uint64_t commits = 0;
  uint64_t groups = 0;
  uint64_t input_bytes_read = 0;
  std::optional<uint64_t> input_bytes_total;  // None: nobody knows.
};

// One line of at most `width` characters. `commits_per_second` is for now, not
// since the start.
std::string ProgressLine(const ProgressSample& sample,
                         double commits_per_second, size_t width);

// Redraws the line until it is destroyed, which removes the line. Does nothing
// but PrintMessage() where standard error is not a terminal. Thread-safe: what
// it writes, it writes with one system call.
class Progress {
 public:
  // `sample` is called from a thread of its own.
  explicit Progress(std::function<ProgressSample()> sample);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // Prints an error message above the line.
  void PrintMessage(std::string_view text);

 private:
  void Run(const std::stop_token& stop);

  const std::function<ProgressSample()> sample_;
  const bool is_shown_;
  std::jthread thread_;
};

}  // namespace paceline::cli
