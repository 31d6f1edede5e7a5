#include "bench/report.h"

#include <fmt/core.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>

#include <nlohmann/json.hpp>

namespace paceline::bench {

namespace {

using Json = nlohmann::ordered_json;

constexpr double kMebibyte = 1 << 20;

template <typename T>
Json OrNull(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

std::string CountOrDash(const std::optional<uint64_t>& count) {
  return count ? std::to_string(*count) : "-";
}

// Three significant digits, without an exponent.
std::string ThreeDigits(double value) {
  if (value >= 99.95) return fmt::format("{:.0f}", value);
  return fmt::format("{:.{}f}", value, value >= 9.995 ? 1 : 2);
}

std::string RatioOrDash(const std::optional<double>& ratio) {
  return ratio ? ThreeDigits(*ratio) : "-";
}

std::string Micros(double nanos) { return ThreeDigits(nanos / 1000); }

std::string Bytes(uint64_t bytes) {
  constexpr uint64_t kMiB = uint64_t{1} << 20;
  if (bytes >= kMiB && bytes % kMiB == 0) {
    return fmt::format("{} MiB", bytes / kMiB);
  }
  return fmt::format("{} bytes", bytes);
}

// Of what is bounded by what.
std::string Bounds(const Flags& flags) {
  std::string text = fmt::format("{} keys", flags.num);
  if (flags.duration > 0) text += fmt::format(", {:g} s a run", flags.duration);
  if (flags.writes) text += fmt::format(", at most {} writes", *flags.writes);
  if (flags.reads) text += fmt::format(", {} reads a thread", *flags.reads);
  return text;
}

// "paceline 0.1.0, rocksdb 7.8.3"
std::string Versions(const Flags& flags) {
  std::vector<std::string> versions;
  for (const EngineChoice& engine : flags.engines) {
    std::string version = engine.type.name + " " + engine.type.version;
    if (std::count(versions.begin(), versions.end(), version) == 0) {
      versions.push_back(version);
    }
  }
  std::string text;
  for (const std::string& version : versions) {
    text += (text.empty() ? "" : ", ") + version;
  }
  return text;
}

std::string Describe(const Machine& machine) {
  return fmt::format("{}, {} cores, {}, {}", machine.processor, machine.cores,
                     machine.kernel, machine.file_system);
}

using TableRow = std::vector<std::string>;

// Of a text in UTF-8, in characters.
size_t WidthOf(const std::string& text) {
  return static_cast<size_t>(std::count_if(
      text.begin(), text.end(),
      [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

// The first row is the head. Every column is as wide as its widest cell.
std::string AlignTable(const std::vector<TableRow>& table) {
  std::vector<size_t> widths(table.front().size(), 0);
  for (const TableRow& row : table) {
    for (size_t i = 0; i < row.size(); ++i) {
      widths[i] = std::max(widths[i], WidthOf(row[i]));
    }
  }
  std::string text;
  for (size_t line = 0; line < table.size(); ++line) {
    for (size_t i = 0; i < widths.size(); ++i) {
      const std::string& cell = table[line][i];
      text += "| " + cell + std::string(widths[i] - WidthOf(cell) + 1, ' ');
    }
    text += "|\n";
    if (line > 0) continue;
    for (size_t width : widths) text += "| " + std::string(width, '-') + " ";
    text += "|\n";
  }
  return text;
}

bool CountsGroups(std::span<const SummaryRow> rows, size_t engine) {
  return std::any_of(rows.begin(), rows.end(), [&](const SummaryRow& row) {
    return row.cells[engine].commits_per_group.has_value();
  });
}

TableRow TableHead(std::span<const SummaryRow> rows) {
  TableRow head = {"benchmark", "threads", "sync"};
  const SummaryRow& row = rows.front();
  for (size_t i = 0; i < row.cells.size(); ++i) {
    head.push_back(row.cells[i].engine + " kops/s");
    head.push_back("p50 / p99 µs");
    if (CountsGroups(rows, i)) head.push_back("commits per group / sync");
  }
  for (const SummaryRatio& ratio : row.ratios) {
    head.push_back(row.cells.front().engine + " / " + ratio.rival);
  }
  return head;
}

TableRow TableLine(std::span<const SummaryRow> rows, const SummaryRow& row) {
  TableRow line = {row.benchmark, std::to_string(row.threads),
                   row.sync ? "yes" : "no"};
  for (size_t i = 0; i < row.cells.size(); ++i) {
    const SummaryCell& cell = row.cells[i];
    line.push_back(ThreeDigits(cell.median_operations_per_second / 1000));
    line.push_back(Micros(cell.p50_nanos) + " / " + Micros(cell.p99_nanos));
    if (CountsGroups(rows, i)) {
      line.push_back(cell.commits_per_group
                         ? RatioOrDash(cell.commits_per_group) + " / " +
                               RatioOrDash(cell.commits_per_sync)
                         : "-");
    }
  }
  for (const SummaryRatio& ratio : row.ratios) {
    std::string cell = fmt::format("{:.2f}x", ratio.throughput);
    // Of several modes, the one that was fastest.
    if (ratio.engine != ratio.rival) cell += " (" + ratio.engine + ")";
    line.push_back(cell);
  }
  return line;
}

Json ToJson(const Machine& machine) {
  return {{"processor", machine.processor},
          {"cores", machine.cores},
          {"kernel", machine.kernel},
          {"file_system", machine.file_system}};
}

Json ToJson(const Flags& flags) {
  Json engines = Json::array();
  for (const EngineChoice& engine : flags.engines) {
    engines.push_back(
        {{"name", engine.name}, {"version", engine.type.version}});
  }
  return {{"benchmarks", flags.benchmarks},
          {"engines", engines},
          {"threads", flags.threads},
          {"sync", flags.sync},
          {"runs", flags.runs},
          {"num", flags.num},
          {"reads", OrNull(flags.reads)},
          {"writes", OrNull(flags.writes)},
          {"duration", flags.duration},
          {"key_size", flags.key_size},
          {"value_size", flags.value_size},
          {"compression_ratio", flags.compression_ratio},
          {"batch_size", flags.batch_size},
          {"seek_nexts", flags.seek_nexts},
          {"seed", flags.seed},
          {"disable_wal", flags.disable_wal},
          {"write_buffer_size", flags.write_buffer_size},
          {"target_file_size_base", flags.target_file_size_base},
          {"db", flags.db},
          {"use_existing_db", flags.use_existing_db},
          {"stats", flags.stats}};
}

Json ToJson(const SummaryCell& cell) {
  return {{"engine", cell.engine},
          {"operations_per_second", cell.median_operations_per_second},
          {"operations_per_second_of_runs", cell.operations_per_second},
          {"p50_nanos", cell.p50_nanos},
          {"p99_nanos", cell.p99_nanos},
          {"p99.9_nanos", cell.p999_nanos},
          {"max_nanos", cell.max_nanos},
          {"commits_per_group", OrNull(cell.commits_per_group)},
          {"commits_per_sync", OrNull(cell.commits_per_sync)}};
}

Json ToJson(const SummaryRow& row) {
  Json cells = Json::array();
  for (const SummaryCell& cell : row.cells) cells.push_back(ToJson(cell));
  Json ratios = Json::array();
  for (const SummaryRatio& ratio : row.ratios) {
    ratios.push_back({{"rival", ratio.rival},
                      {"engine", ratio.engine},
                      {"throughput", ratio.throughput},
                      {"p99", ratio.p99}});
  }
  return {{"benchmark", row.benchmark},
          {"threads", row.threads},
          {"sync", row.sync},
          {"engines", cells},
          {"ratios", ratios}};
}

}  // namespace

std::string HeaderText(const Flags& flags, const Machine& machine,
                       const std::string& directory) {
  std::string text = fmt::format("Engines:    {}\n", Versions(flags));
  text += fmt::format("Keys:       {} bytes each\n", flags.key_size);
  text += fmt::format("Values:     {} bytes each, compressible to {:.0f} %\n",
                      flags.value_size, 100 * flags.compression_ratio);
  text += fmt::format("Entries:    {}; seed {}\n", Bounds(flags), flags.seed);
  text += fmt::format("Memtable:   {} each\n", Bytes(flags.write_buffer_size));
  text += fmt::format("Machine:    {}\n", Describe(machine));
  text += fmt::format("Directory:  {}\n", directory);
  if (machine.is_in_memory) {
    text +=
        "WARNING: this directory is in memory: a sync costs nothing. Set "
        "--db or TMPDIR.\n";
  }
  return text + std::string(48, '-') + "\n";
}

std::string ResultLine(const RunResult& result, bool names_run) {
  double operations = std::max(static_cast<double>(result.operations), 1.0);
  double bytes = static_cast<double>(result.bytes);
  std::string line = fmt::format(
      "{:<12} : {:11.3f} micros/op {:.0f} ops/sec {:.3f} seconds {} "
      "operations; {:6.1f} MB/s",
      result.benchmark, result.thread_seconds * 1e6 / operations,
      result.OperationsPerSecond(), result.seconds, result.operations,
      result.seconds > 0 ? bytes / kMebibyte / result.seconds : 0);
  if (result.found) {
    line += fmt::format(" ({} of {} found)", *result.found, result.operations);
  }
  if (result.background_latencies) {
    const Latencies& background = *result.background_latencies;
    line += fmt::format(" ({} written meanwhile, p50 {} p99 {} micros)",
                        background.calls,
                        Micros(static_cast<double>(background.p50)),
                        Micros(static_cast<double>(background.p99)));
  }
  const Latencies& latencies = result.latencies;
  line += fmt::format(
      "; p50 {} p99 {} p99.9 {} max {} micros; groups {}, {} commits/group, "
      "syncs {}",
      Micros(static_cast<double>(latencies.p50)),
      Micros(static_cast<double>(latencies.p99)),
      Micros(static_cast<double>(latencies.p999)),
      Micros(static_cast<double>(latencies.max)), CountOrDash(result.groups),
      RatioOrDash(result.CommitsPerGroup()), CountOrDash(result.syncs));
  if (result.table_bytes && result.directory_bytes) {
    line +=
        fmt::format("; tables {:.1f} MB written, {:.1f} MB on disk",
                    static_cast<double>(*result.table_bytes) / kMebibyte,
                    static_cast<double>(*result.directory_bytes) / kMebibyte);
  }
  if (result.memory_bytes) {
    line += fmt::format("; memory {:.1f} MB",
                        static_cast<double>(*result.memory_bytes) / kMebibyte);
  }
  if (names_run) {
    line +=
        fmt::format("  [{}, {} {}, {}, run {}]", result.engine, result.threads,
                    result.threads == 1 ? "thread" : "threads",
                    result.sync ? "sync" : "no sync", result.run + 1);
  }
  return line + "\n";
}

std::string HistogramText(const RunResult& result) {
  auto micros = [](uint64_t nanos) {
    return static_cast<double>(nanos) / 1000;
  };
  const Latencies& latencies = result.latencies;
  return fmt::format(
      "Microseconds per call:\nCount: {} Average: {:.4f}\n"
      "Min: {:.4f}  Median: {:.4f}  Max: {:.4f}\n"
      "Percentiles: P50: {:.2f} P75: {:.2f} P99: {:.2f} P99.9: {:.2f} "
      "P99.99: {:.2f}\n{}\n",
      latencies.calls, latencies.mean / 1000, micros(latencies.min),
      micros(latencies.p50), micros(latencies.max), micros(latencies.p50),
      micros(latencies.p75), micros(latencies.p99), micros(latencies.p999),
      micros(latencies.p9999), std::string(54, '-'));
}

std::string SummaryTable(std::span<const SummaryRow> rows) {
  if (rows.empty()) return "";
  std::vector<TableRow> table = {TableHead(rows)};
  for (const SummaryRow& row : rows) table.push_back(TableLine(rows, row));
  return AlignTable(table);
}

std::string SummaryCaption(const Flags& flags, const Machine& machine) {
  std::string text;
  if (flags.engines.size() > 1) {
    text += flags.runs == 1
                ? "One run each. A ratio is that of the two runs"
                : fmt::format(
                      "Medians of {} runs, the engines taking turns. "
                      "A ratio is the median of the ratios of the "
                      "first runs, the second runs, and so on",
                      flags.runs);
    bool has_best = std::any_of(
        flags.engines.begin(), flags.engines.end(),
        [](const EngineChoice& engine) { return engine.name != engine.rival; });
    text += has_best ? ", to the fastest mode in that row.\n" : ".\n";
  } else if (flags.runs > 1) {
    text += fmt::format("Medians of {} runs.\n", flags.runs);
  }
  text += fmt::format("{}-byte keys, {}-byte values, {}, write buffer {}.\n",
                      flags.key_size, flags.value_size, Bounds(flags),
                      Bytes(flags.write_buffer_size));
  text += fmt::format("{}; {}.\n", Versions(flags), Describe(machine));
  return text;
}

std::string JsonText(const Flags& flags, const Machine& machine,
                     std::span<const RunResult> results,
                     std::span<const SummaryRow> rows) {
  Json runs = Json::array();
  for (const RunResult& result : results) runs.push_back(result);
  Json summary = Json::array();
  for (const SummaryRow& row : rows) summary.push_back(ToJson(row));
  Json json = {{"parameters", ToJson(flags)},
               {"machine", ToJson(machine)},
               {"results", runs},
               {"summary", summary}};
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

Status WriteFile(const std::string& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary);
  file << text;
  file.close();
  if (file.fail()) {
    return Status::IOError("cannot write " + path, std::strerror(errno));
  }
  return Status::OK();
}

}  // namespace paceline::bench
