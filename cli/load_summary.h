// LoadSummary: what a load did, in figures.

#pragma once

#include <cstdint>
#include <string>

#include "src/base/histogram.h"

namespace paceline::cli {

// A plain value.
struct LoadSummary {
  uint64_t records = 0;       // Committed.
  uint64_t record_bytes = 0;  // Keys and values of these.
  uint64_t bad_lines = 0;     // Not loaded.
  uint64_t commits = 0;
  uint64_t groups = 0;
  uint64_t wal_syncs = 0;
  Histogram commit_nanos;  // How long each commit took.
  double seconds = 0;      // From the first read to the last commit.
};

// Several lines for people, or one JSON object; without the last newline.
std::string SummaryAsText(const LoadSummary& summary);
std::string SummaryAsJson(const LoadSummary& summary);

}  // namespace paceline::cli
