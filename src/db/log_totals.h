// Totals: the lines of the LOG that say what was written to tables, and what
// held writers back, since the database was opened; and how tools find the
// newest of them.
//
//   totals since the open: flushed=<bytes> compacted=<bytes>
//   stalls since the open: cause=<name> delays=<number> delay_micros=<number>
//       stops=<number> stop_micros=<number> family=<name, to the end>
//
// The second is one line for each cause and column family, and follows the
// first.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "paceline/env.h"
#include "paceline/metrics.h"
#include "paceline/status.h"

namespace paceline {

struct LogTotals {
  // When the database was opened and when the totals were written, as the LOG
  // has it: "2026/01/31-12:00:00.000000", UTC.
  std::string since;
  std::string until;
  uint64_t flush_bytes_written = 0;
  uint64_t compaction_bytes_written = 0;
  std::vector<StallMetrics> stalls;
};

// In one word: "memtables", "level0", "pending_compaction", "locked".
[[nodiscard]] const char* StallCauseName(StallCause cause);

// The message of the LOG that the times of totals begin with.
void LogOpening(Logger* logger, const std::string& directory);

void WriteTotals(Logger* logger, const Metrics& metrics);

// The newest totals in the LOG of the database in `directory` or, if there are
// none, in the newest of the older LOG files that has some; nothing if none
// has.
StatusOr<std::optional<LogTotals>> ReadNewestTotals(
    FileSystem* file_system, const std::string& directory);

}  // namespace paceline
