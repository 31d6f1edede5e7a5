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

// "[####----]  50%  ", with `width` characters in the brackets.
std::string ProgressBar(double share, size_t width);

// The bar of `done` of `total`, followed by `text`, in at most `width`
// characters.
std::string ShareLine(uint64_t done, uint64_t total, std::string_view text,
                      size_t width);
// The same for bytes: "[##--]  50%  1.0 MB of 2.0 MB <text>".
std::string BytesLine(uint64_t done, uint64_t total, std::string_view text,
                      size_t width);

// How far a load is.
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
  // `line` is called from a thread of its own, with the most characters that
  // the line may have.
  explicit Progress(std::function<std::string(size_t width)> line);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // Prints an error message above the line.
  void PrintMessage(std::string_view text);

 private:
  void Run(const std::stop_token& stop);

  const std::function<std::string(size_t)> line_;
  const bool is_shown_;
  std::jthread thread_;
};

// The line of a load, with the rate of its commits.
std::function<std::string(size_t width)> LoadLine(
    std::function<ProgressSample()> sample);

}  // namespace paceline::cli
