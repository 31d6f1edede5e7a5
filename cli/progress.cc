#include "cli/progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <utility>

#include "paceline/env.h"

#include "cli/output.h"
#include "cli/text.h"

namespace paceline::cli {
namespace {

// Often enough to look alive, rarely enough to be read.
constexpr auto kRedrawInterval = std::chrono::milliseconds(200);
// Share of the newest interval in the rate that is shown.
constexpr double kRateSmoothing = 0.25;

constexpr size_t kBarWidthMax = 30;
constexpr size_t kBarWidthMin = 10;

// Back to the first column, and erase the line.
constexpr std::string_view kClearLine = "\r\x1b[K";

bool CanDraw() {
  const char* terminal = std::getenv("TERM");
  return IsTerminal(STDERR_FILENO) && terminal != nullptr &&
         std::string_view(terminal) != "dumb";
}

size_t TerminalWidth() {
  constexpr size_t kUsualWidth = 80;
  winsize size{};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) {
    return kUsualWidth;
  }
  return size.ws_col;
}

}  // namespace

std::string ProgressBar(double share, size_t width) {
  share = std::clamp(share, 0.0, 1.0);
  auto filled = static_cast<size_t>(share * static_cast<double>(width));
  return fmt::format("[{:#<{}}{:-<{}}] {:3.0f}%  ", "", filled, "",
                     width - filled, share * 100);
}

std::string ShareLine(uint64_t done, uint64_t total, std::string_view text,
                      size_t width) {
  double share =
      total == 0 ? 0 : static_cast<double>(done) / static_cast<double>(total);
  return (ProgressBar(share, kBarWidthMax) + std::string(text))
      .substr(0, width);
}

std::string BytesLine(uint64_t done, uint64_t total, std::string_view text,
                      size_t width) {
  done = std::min(done, total);
  return ShareLine(
      done, total,
      fmt::format("{} of {} {}", HumanBytes(done), HumanBytes(total), text),
      width);
}

std::string ProgressLine(const ProgressSample& sample,
                         double commits_per_second, size_t width) {
  double group = sample.groups == 0 ? 0
                                    : static_cast<double>(sample.commits) /
                                          static_cast<double>(sample.groups);
  std::string counts =
      fmt::format("{} records  {}  {} commits/s  {:.1f} commits/group",
                  WithCommas(sample.records), HumanBytes(sample.record_bytes),
                  WithCommas(static_cast<uint64_t>(commits_per_second)), group);
  std::string line;
  constexpr size_t kBarExtras = sizeof("[] 100%  ") - 1;
  if (sample.input_bytes_total.value_or(0) > 0 &&
      counts.size() + kBarExtras + kBarWidthMin <= width) {
    double share = static_cast<double>(sample.input_bytes_read) /
                   static_cast<double>(*sample.input_bytes_total);
    size_t room = width - counts.size() - kBarExtras;
    line = ProgressBar(share, std::min(room, kBarWidthMax));
  }
  return (line + counts).substr(0, width);
}

Progress::Progress(std::function<std::string(size_t)> line)
    : line_(std::move(line)), is_shown_(CanDraw()) {
  if (!is_shown_) return;
  thread_ = std::jthread([this](const std::stop_token& stop) { Run(stop); });
}

Progress::~Progress() {
  if (!is_shown_) return;
  thread_.request_stop();
  thread_.join();
  (void)WriteFully(STDERR_FILENO, kClearLine);
}

void Progress::PrintMessage(std::string_view text) {
  std::string message(is_shown_ ? kClearLine : "");
  (void)WriteFully(STDERR_FILENO, message + ErrorLine(text));
}

void Progress::Run(const std::stop_token& stop) {
  // The standard library's own, because sync.h has no wait with a time limit.
  std::mutex mutex;
  std::condition_variable_any stop_requested;
  // At least once, however short the work was.
  do {
    std::unique_lock lock(mutex);
    stop_requested.wait_for(lock, stop, kRedrawInterval, [] { return false; });
    // The last column stays free: some terminals would wrap.
    std::string line = line_(TerminalWidth() - 1);
    (void)WriteFully(STDERR_FILENO, std::string(kClearLine) + line);
  } while (!stop.stop_requested());
}

std::function<std::string(size_t)> LoadLine(
    std::function<ProgressSample()> sample) {
  uint64_t last_nanos = Clock::Default()->MonotonicNanos();
  uint64_t last_commits = 0;
  double rate = 0;
  return [=, sample = std::move(sample)](size_t width) mutable {
    ProgressSample now = sample();
    uint64_t now_nanos = Clock::Default()->MonotonicNanos();
    double current = static_cast<double>(now.commits - last_commits) * 1e9 /
                     static_cast<double>(now_nanos - last_nanos + 1);
    rate = rate == 0 ? current : rate + kRateSmoothing * (current - rate);
    last_nanos = now_nanos;
    last_commits = now.commits;
    return ProgressLine(now, rate, width);
  };
}

}  // namespace paceline::cli
