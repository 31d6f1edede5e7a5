#include "src/db/stall_policy.h"

#include <algorithm>
#include <optional>

namespace paceline {

namespace {

// Writers are never slower than this before a stop: some progress keeps the
// delay of one write bounded.
constexpr uint64_t kRateMin = uint64_t{1} << 20;
// Except where a flush is stuck: that a little is left until it is over counts
// for more.
constexpr uint64_t kStuckRateMin = uint64_t{64} << 10;

// Assumed as long as nothing was measured.
constexpr uint64_t kFlushRateGuess = uint64_t{64} << 20;
constexpr uint64_t kCompactionRateGuess = uint64_t{32} << 20;

// Where the debt has just reached the first limit, writers may still be so many
// times faster than it is paid off; at the second limit, so many times.
constexpr double kFirstFactor = 2.0;
constexpr double kLastFactor = 0.25;

uint64_t Scale(uint64_t rate, double factor) {
  auto scaled = static_cast<uint64_t>(static_cast<double>(rate) * factor);
  return std::max(scaled, kRateMin);
}

// `debt` from `soft` on slows down, at `hard` it stops.
std::optional<Stall> ByDebt(StallCause cause, uint64_t debt, uint64_t soft,
                            uint64_t hard, uint64_t rate) {
  Stall stall;
  stall.cause = cause;
  if (hard > 0 && debt >= hard) {
    stall.stops = true;
    return stall;
  }
  if (soft == 0 || debt < soft) return std::nullopt;
  double span = static_cast<double>(hard > soft ? hard - soft : soft);
  double part = std::min(1.0, static_cast<double>(debt - soft) / span);
  stall.bytes_per_second =
      Scale(rate, kFirstFactor + part * (kLastFactor - kFirstFactor));
  return stall;
}

// Shares what is left of the last memtable out over the time that the flush of
// the others takes, so that it is full when the next one is free. A flush that
// is stuck is taken to be so for twice as long again as it was: writers get
// slower and slower then, but each of them goes on.
std::optional<Stall> ByMemTables(const ColumnFamilyOptions& options,
                                 const StallInput& input) {
  Stall stall;
  stall.cause = StallCause::kMemtables;
  auto buffers = static_cast<size_t>(options.max_write_buffer_number);
  if (input.sealed_memtables >= buffers) {
    stall.stops = true;
    return stall;
  }
  if (input.sealed_memtables + 1 < buffers) return std::nullopt;
  uint64_t rate = input.flush_rate != 0 ? input.flush_rate : kFlushRateGuess;
  double free = static_cast<double>(input.free_bytes);
  double owed = static_cast<double>(std::max<uint64_t>(
      input.unflushed_bytes, options.write_buffer_size / 16));
  double seconds = owed / static_cast<double>(rate);
  double stuck_seconds = static_cast<double>(input.flush_stuck_nanos) / 1e9 * 2;
  bool is_stuck = stuck_seconds > seconds;
  auto shared_out =
      static_cast<uint64_t>(free / std::max(seconds, stuck_seconds));
  stall.bytes_per_second =
      std::max(shared_out, is_stuck ? kStuckRateMin : kRateMin);
  return stall;
}

}  // namespace

const Stall& Stricter(const Stall& a, const Stall& b) {
  if (a.stops != b.stops) return a.stops ? a : b;
  if (a.bytes_per_second == 0) return b;
  if (b.bytes_per_second == 0) return a;
  return b.bytes_per_second < a.bytes_per_second ? b : a;
}

Stall ComputeStall(const ColumnFamilyOptions& options,
                   const StallInput& input) {
  Stall strictest;
  auto consider = [&](const std::optional<Stall>& stall) {
    if (stall) strictest = Stricter(strictest, *stall);
  };
  consider(ByMemTables(options, input));
  if (!options.disable_auto_compactions) {
    uint64_t rate = input.compaction_rate != 0 ? input.compaction_rate
                                               : kCompactionRateGuess;
    consider(ByDebt(
        StallCause::kLevel0, input.level0_files,
        static_cast<uint64_t>(options.level0_slowdown_writes_trigger),
        static_cast<uint64_t>(options.level0_stop_writes_trigger), rate));
    consider(ByDebt(StallCause::kPendingCompaction,
                    input.pending_compaction_bytes,
                    options.soft_pending_compaction_bytes_limit,
                    options.hard_pending_compaction_bytes_limit, rate));
  }
  strictest.family = input.family;
  if (strictest.stops) {
    strictest.failure = strictest.cause == StallCause::kMemtables
                            ? input.flush_failure
                            : input.compaction_failure;
  }
  return strictest;
}

}  // namespace paceline
