// Summary: the runs of a comparison in a few numbers: medians, and the ratios
// of runs that were measured one after the other.

#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "bench/flags.h"
#include "bench/result.h"

namespace paceline::bench {

// One engine in one row. Medians over its runs.
struct SummaryCell {
  std::string engine;
  std::string rival;
  std::vector<double> operations_per_second;  // Of each run, in order.
  double median_operations_per_second = 0;
  double p50_nanos = 0;
  double p99_nanos = 0;
  double p999_nanos = 0;
  double max_nanos = 0;
  std::optional<double> commits_per_group = std::nullopt;
  std::optional<double> commits_per_sync = std::nullopt;
};

// The first engine of the row compared with another one.
struct SummaryRatio {
  std::string rival;
  // The fastest engine of the rival in this row.
  std::string engine;
  // More than 1: the first engine does more operations a second. The median
  // of the ratios of run 1 to run 1, run 2 to run 2, ..., so that what slows
  // the machine down for a while slows both.
  double throughput = 0;
  // Less than 1: the first engine's p99 is shorter. Of the medians.
  double p99 = 0;
};

struct SummaryRow {
  std::string benchmark;
  int threads = 0;
  bool sync = false;
  std::vector<SummaryCell> cells;  // In the order of the engines.
  std::vector<SummaryRatio> ratios;
};

// The middle value, or the mean of the two middle ones; 0 if there are none.
double Median(std::vector<double> values);

// Rows in the order in which the results first mention them.
std::vector<SummaryRow> Summarize(std::span<const EngineChoice> engines,
                                  std::span<const RunResult> results);

}  // namespace paceline::bench
