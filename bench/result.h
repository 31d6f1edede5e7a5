// RunResult: what one run of one benchmark measured, as plain values.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "src/base/histogram.h"

namespace paceline::bench {

// Times in nanoseconds, from one call's end to the next one's.
struct Latencies {
  uint64_t calls = 0;
  double mean = 0;
  uint64_t min = 0;
  uint64_t p50 = 0;
  uint64_t p75 = 0;
  uint64_t p99 = 0;
  uint64_t p999 = 0;
  uint64_t p9999 = 0;
  uint64_t max = 0;

  static Latencies Of(const Histogram& histogram);
};

struct RunResult {
  std::string benchmark;
  std::string engine;
  int threads = 0;
  bool sync = false;
  // Counted from 0.
  int run = 0;

  uint64_t operations = 0;
  // From the first thread's start to the last one's end.
  double seconds = 0;
  // The sum of all threads' times.
  double thread_seconds = 0;
  uint64_t bytes = 0;
  // Keys found, where the benchmark looks for keys.
  std::optional<uint64_t> found = std::nullopt;
  // A call may be several operations: a batch.
  Latencies latencies;
  // Absent where the engine does not count them.
  std::optional<uint64_t> commits = std::nullopt;
  std::optional<uint64_t> groups = std::nullopt;
  std::optional<uint64_t> syncs = std::nullopt;
  std::optional<uint64_t> table_bytes = std::nullopt;
  // What the database takes on disk afterwards.
  std::optional<uint64_t> directory_bytes = std::nullopt;
  // The most memory that the process had of its own meanwhile.
  std::optional<uint64_t> memory_bytes = std::nullopt;
  // Of the background writer, if there was one: a write is a call.
  std::optional<Latencies> background_latencies = std::nullopt;

  [[nodiscard]] double OperationsPerSecond() const {
    return seconds > 0 ? static_cast<double>(operations) / seconds : 0;
  }
  // Absent if groups or syncs are not counted or there were none.
  [[nodiscard]] std::optional<double> CommitsPerGroup() const;
  [[nodiscard]] std::optional<double> CommitsPerSync() const;
};

void to_json(nlohmann::ordered_json& json, const RunResult& result);
void from_json(const nlohmann::ordered_json& json, RunResult& result);

}  // namespace paceline::bench
