#include "bench/summary.h"

#include <algorithm>

namespace paceline::bench {

namespace {

bool BelongsTo(const RunResult& result, const SummaryRow& row) {
  return result.benchmark == row.benchmark && result.threads == row.threads &&
         result.sync == row.sync;
}

template <typename Value>
double MedianOf(const std::vector<const RunResult*>& runs, Value value) {
  std::vector<double> values;
  for (const RunResult* run : runs) {
    values.push_back(static_cast<double>(value(*run)));
  }
  return Median(std::move(values));
}

// Of the runs that have a value.
template <typename Value>
std::optional<double> MedianOfSome(const std::vector<const RunResult*>& runs,
                                   Value value) {
  std::vector<double> values;
  for (const RunResult* run : runs) {
    if (std::optional<double> of_run = value(*run)) values.push_back(*of_run);
  }
  if (values.empty()) return std::nullopt;
  return Median(std::move(values));
}

SummaryCell MakeCell(const EngineChoice& engine,
                     std::vector<const RunResult*> runs) {
  std::sort(runs.begin(), runs.end(),
            [](const auto* a, const auto* b) { return a->run < b->run; });
  SummaryCell cell{.engine = engine.name,
                   .rival = engine.rival,
                   .operations_per_second = {}};
  for (const RunResult* run : runs) {
    cell.operations_per_second.push_back(run->OperationsPerSecond());
  }
  cell.median_operations_per_second = Median(cell.operations_per_second);
  cell.p50_nanos = MedianOf(runs, [](auto& run) { return run.latencies.p50; });
  cell.p99_nanos = MedianOf(runs, [](auto& run) { return run.latencies.p99; });
  cell.p999_nanos =
      MedianOf(runs, [](auto& run) { return run.latencies.p999; });
  cell.max_nanos = MedianOf(runs, [](auto& run) { return run.latencies.max; });
  cell.commits_per_group =
      MedianOfSome(runs, [](auto& run) { return run.CommitsPerGroup(); });
  cell.commits_per_sync =
      MedianOfSome(runs, [](auto& run) { return run.CommitsPerSync(); });
  return cell;
}

SummaryRatio Compare(const SummaryCell& first, const SummaryCell& other) {
  std::vector<double> ratios;
  size_t pairs = std::min(first.operations_per_second.size(),
                          other.operations_per_second.size());
  for (size_t i = 0; i < pairs; ++i) {
    if (other.operations_per_second[i] <= 0) continue;
    ratios.push_back(first.operations_per_second[i] /
                     other.operations_per_second[i]);
  }
  double p99 = other.p99_nanos > 0 ? first.p99_nanos / other.p99_nanos : 0;
  return {.rival = other.rival,
          .engine = other.engine,
          .throughput = Median(std::move(ratios)),
          .p99 = p99};
}

std::vector<SummaryRatio> CompareWithFirst(
    const std::vector<SummaryCell>& cells) {
  std::vector<const SummaryCell*> fastest;  // Of each rival.
  for (size_t i = 1; i < cells.size(); ++i) {
    if (cells[i].rival == cells[0].rival) continue;
    auto same = std::find_if(
        fastest.begin(), fastest.end(),
        [&](const SummaryCell* f) { return f->rival == cells[i].rival; });
    if (same == fastest.end()) {
      fastest.push_back(&cells[i]);
    } else if (cells[i].median_operations_per_second >
               (*same)->median_operations_per_second) {
      *same = &cells[i];
    }
  }
  std::vector<SummaryRatio> ratios;
  for (const SummaryCell* other : fastest) {
    ratios.push_back(Compare(cells[0], *other));
  }
  return ratios;
}

}  // namespace

double Median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  size_t middle = values.size() / 2;
  if (values.size() % 2 == 1) return values[middle];
  return (values[middle - 1] + values[middle]) / 2;
}

std::vector<SummaryRow> Summarize(std::span<const EngineChoice> engines,
                                  std::span<const RunResult> results) {
  std::vector<SummaryRow> rows;
  for (const RunResult& result : results) {
    bool is_known = std::any_of(
        rows.begin(), rows.end(),
        [&](const SummaryRow& row) { return BelongsTo(result, row); });
    if (is_known) continue;
    rows.push_back({.benchmark = result.benchmark,
                    .threads = result.threads,
                    .sync = result.sync,
                    .cells = {},
                    .ratios = {}});
  }
  for (SummaryRow& row : rows) {
    for (const EngineChoice& engine : engines) {
      std::vector<const RunResult*> runs;
      for (const RunResult& result : results) {
        if (BelongsTo(result, row) && result.engine == engine.name) {
          runs.push_back(&result);
        }
      }
      row.cells.push_back(MakeCell(engine, std::move(runs)));
    }
    row.ratios = CompareWithFirst(row.cells);
  }
  return rows;
}

}  // namespace paceline::bench
