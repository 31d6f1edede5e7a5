#include "cli/load_summary.h"

#include <fmt/format.h>

#include <algorithm>

#include <nlohmann/json.hpp>

#include "cli/text.h"

namespace paceline::cli {
namespace {

double Ratio(uint64_t part, uint64_t whole) {
  return whole == 0 ? 0
                    : static_cast<double>(part) / static_cast<double>(whole);
}

uint64_t PerSecond(uint64_t count, double seconds) {
  // A load that took no measurable time gets no rate.
  return seconds <= 0
             ? 0
             : static_cast<uint64_t>(static_cast<double>(count) / seconds);
}

}  // namespace

std::string SummaryAsText(const LoadSummary& summary) {
  std::string text =
      fmt::format("records      {}  ({})\n", WithCommas(summary.records),
                  HumanBytes(summary.record_bytes));
  if (summary.bad_lines > 0) {
    text += fmt::format("bad lines    {}  (not loaded)\n",
                        WithCommas(summary.bad_lines));
  }
  const Histogram& nanos = summary.commit_nanos;
  text += fmt::format("commits      {}\n", WithCommas(summary.commits));
  text += fmt::format("groups       {}  ({:.2f} commits a group)\n",
                      WithCommas(summary.groups),
                      Ratio(summary.commits, summary.groups));
  text += fmt::format("WAL syncs    {}", WithCommas(summary.wal_syncs));
  if (summary.wal_syncs > 0) {
    text += fmt::format("  ({:.2f} commits a sync)",
                        Ratio(summary.commits, summary.wal_syncs));
  }
  text += fmt::format(
      "\ncommit time  p50 {}  p99 {}  p99.9 {}  max {}\n",
      HumanNanos(nanos.Quantile(0.5)), HumanNanos(nanos.Quantile(0.99)),
      HumanNanos(nanos.Quantile(0.999)), HumanNanos(nanos.max()));
  text += fmt::format("seconds      {:.3f}  ({} records/s, {} commits/s)",
                      summary.seconds,
                      WithCommas(PerSecond(summary.records, summary.seconds)),
                      WithCommas(PerSecond(summary.commits, summary.seconds)));
  return text;
}

std::string SummaryAsJson(const LoadSummary& summary) {
  const Histogram& nanos = summary.commit_nanos;
  auto micros = [](uint64_t n) { return static_cast<double>(n) / 1e3; };
  nlohmann::ordered_json object = {
      {"records", summary.records},
      {"record_bytes", summary.record_bytes},
      {"bad_lines", summary.bad_lines},
      {"commits", summary.commits},
      {"groups", summary.groups},
      {"commits_per_group", Ratio(summary.commits, summary.groups)},
      {"wal_syncs", summary.wal_syncs},
      {"commits_per_sync", Ratio(summary.commits, summary.wal_syncs)},
      {"commit_micros",
       {{"p50", micros(nanos.Quantile(0.5))},
        {"p99", micros(nanos.Quantile(0.99))},
        {"p99.9", micros(nanos.Quantile(0.999))},
        {"max", micros(nanos.max())}}},
      {"seconds", summary.seconds}};
  return object.dump();
}

}  // namespace paceline::cli
