#include "src/db/log_totals.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <functional>
#include <memory>

#include "src/env/file_logger.h"
#include "src/format/file_name.h"

namespace paceline {

namespace {

constexpr StallCause kCauses[] = {StallCause::kMemtables, StallCause::kLevel0,
                                  StallCause::kPendingCompaction,
                                  StallCause::kLocked};

constexpr std::string_view kOpening = "opening ";
constexpr std::string_view kTotals = "totals since the open: ";
constexpr std::string_view kStalls = "stalls since the open: ";
constexpr std::string_view kFamily = " family=";

constexpr size_t kReadBytes = size_t{256} << 10;

std::optional<StallMetrics> ParseStall(const std::string& text) {
  StallMetrics stall;
  char cause[32];
  int parsed = std::sscanf(text.c_str(),
                           "cause=%31s delays=%" SCNu64 " delay_micros=%" SCNu64
                           " stops=%" SCNu64 " stop_micros=%" SCNu64,
                           cause, &stall.delays, &stall.delay_micros,
                           &stall.stops, &stall.stop_micros);
  size_t family = text.find(kFamily);
  if (parsed != 5 || family == std::string::npos) return std::nullopt;
  stall.family = text.substr(family + kFamily.size());
  for (StallCause known : kCauses) {
    if (std::string_view(cause) != StallCauseName(known)) continue;
    stall.cause = known;
    return stall;
  }
  return std::nullopt;
}

// Takes the lines of one LOG, in their order.
class TotalsFinder {
 public:
  void Take(std::string_view line) {
    const size_t space = line.find(' ');
    if (space == std::string_view::npos) return;
    const std::string_view stamp = line.substr(0, space);
    std::string_view message = line.substr(space + 1);
    if (message.starts_with(kOpening)) {
      since_ = stamp;
    } else if (message.starts_with(kTotals)) {
      message.remove_prefix(kTotals.size());
      LogTotals totals;
      int parsed = std::sscanf(std::string(message).c_str(),
                               "flushed=%" SCNu64 " compacted=%" SCNu64,
                               &totals.flush_bytes_written,
                               &totals.compaction_bytes_written);
      if (parsed != 2) return;
      totals.since = since_;
      totals.until = stamp;
      found_ = std::move(totals);
    } else if (message.starts_with(kStalls) && found_) {
      message.remove_prefix(kStalls.size());
      auto stall = ParseStall(std::string(message));
      if (stall) found_->stalls.push_back(*std::move(stall));
    }
  }

  [[nodiscard]] const std::optional<LogTotals>& found() const { return found_; }

 private:
  std::string since_;
  std::optional<LogTotals> found_;
};

StatusOr<std::optional<LogTotals>> FindTotals(FileSystem* file_system,
                                              const std::string& path) {
  auto file = file_system->NewSequentialFile(path);
  if (!file.ok()) return file.status();
  TotalsFinder finder;
  std::string buffer(kReadBytes, '\0');
  std::string rest;  // The line that the last read ended in.
  while (true) {
    Slice read;
    Status s = (*file)->Read(buffer.size(), &read, buffer.data());
    if (!s.ok()) return s;
    rest.append(read.data(), read.size());
    std::string_view lines = rest;
    for (size_t end = lines.find('\n'); end != std::string_view::npos;
         end = lines.find('\n')) {
      finder.Take(lines.substr(0, end));
      lines.remove_prefix(end + 1);
    }
    rest.erase(0, rest.size() - lines.size());
    if (read.size() < buffer.size()) return finder.found();
  }
}

// Newest first.
StatusOr<std::vector<std::string>> InfoLogs(FileSystem* file_system,
                                            const std::string& directory) {
  auto names = file_system->ListDirectory(directory);
  if (!names.ok()) return names.status();
  std::vector<std::pair<uint64_t, std::string>> numbered;
  for (const std::string& name : *names) {
    auto file = ParseFileName(name);
    if (!file || file->type != FileType::kInfoLog) continue;
    numbered.emplace_back(file->number == 0 ? UINT64_MAX : file->number,
                          directory + "/" + name);
  }
  std::sort(numbered.begin(), numbered.end(), std::greater<>());
  std::vector<std::string> paths;
  for (auto& [number, path] : numbered) paths.push_back(std::move(path));
  return paths;
}

}  // namespace

const char* StallCauseName(StallCause cause) {
  switch (cause) {
    case StallCause::kMemtables:
      return "memtables";
    case StallCause::kLevel0:
      return "level0";
    case StallCause::kPendingCompaction:
      return "pending_compaction";
    case StallCause::kLocked:
      return "locked";
  }
  return "unknown";
}

void LogOpening(Logger* logger, const std::string& directory) {
  Log(logger, "%s%s", kOpening.data(), directory.c_str());
}

void WriteTotals(Logger* logger, const Metrics& metrics) {
  Log(logger, "%sflushed=%" PRIu64 " compacted=%" PRIu64, kTotals.data(),
      metrics.flush_bytes_written, metrics.compaction_bytes_written);
  for (const StallMetrics& stall : metrics.stalls_by_cause) {
    Log(logger,
        "%scause=%s delays=%" PRIu64 " delay_micros=%" PRIu64 " stops=%" PRIu64
        " stop_micros=%" PRIu64 "%s%s",
        kStalls.data(), StallCauseName(stall.cause), stall.delays,
        stall.delay_micros, stall.stops, stall.stop_micros, kFamily.data(),
        stall.family.c_str());
  }
}

StatusOr<std::optional<LogTotals>> ReadNewestTotals(
    FileSystem* file_system, const std::string& directory) {
  auto paths = InfoLogs(file_system, directory);
  if (!paths.ok()) return paths.status();
  for (const std::string& path : *paths) {
    auto found = FindTotals(file_system, path);
    // A process that opens the database renames or removes them.
    if (!found.ok() && found.status().IsPathNotFound()) continue;
    if (!found.ok() || *found) return found;
  }
  return std::optional<LogTotals>();
}

}  // namespace paceline
