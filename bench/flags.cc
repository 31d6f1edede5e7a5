#include "bench/flags.h"

#include <algorithm>
#include <charconv>

#include <CLI/CLI.hpp>

#include "bench/generators.h"
#include "bench/workloads.h"

namespace paceline::bench {

namespace {

constexpr int kExitUsage = 2;
constexpr int kRunsOfComparison = 5;
constexpr int kThreadsMax = 4096;
// Far above what anybody waits for; they keep sums from overflowing.
constexpr uint64_t kCountMax = uint64_t{1} << 48;
constexpr double kSecondsMax = 1e6;
// --engine=<type>:best stands for the engine with and without its modes.
constexpr std::string_view kBest = "best";

// Flags that say more than their text: interpreted when all are known.
struct FlagTexts {
  std::string benchmarks =
      "fillseq,fillrandom,overwrite,readrandom,readmissing,readseq,"
      "readreverse,seekrandom";
  std::string engines = "paceline";
  std::string threads = "1";
  std::string sync = "false";
  int runs = 0;
};

std::vector<std::string> SplitAtCommas(const std::string& text) {
  std::vector<std::string> parts;
  size_t start = 0;
  while (start <= text.size()) {
    size_t end = std::min(text.find(',', start), text.size());
    parts.push_back(text.substr(start, end - start));
    start = end + 1;
  }
  return parts;
}

void AddWorkloadFlags(CLI::App* app, FlagTexts* texts, Flags* flags) {
  app->add_option("--benchmarks", texts->benchmarks,
                  "Comma-separated, run in this order on one database. Those "
                  "that fill start with an empty one");
  app->add_option("--num", flags->num,
                  "Number of keys, and operations of each thread")
      ->check(CLI::Range(uint64_t{1}, kCountMax));
  app->add_option("--reads", flags->reads,
                  "Reads of each thread, instead of --num")
      ->check(CLI::Range(uint64_t{1}, kCountMax));
  app->add_option("--writes", flags->writes,
                  "Writes of all threads together, instead of --num; also "
                  "ends a run with --duration")
      ->check(CLI::Range(uint64_t{1}, kCountMax));
  app->add_option("--duration", flags->duration,
                  "Seconds that each benchmark takes, instead of a number of "
                  "operations; 0: as many operations as --num")
      ->check(CLI::Range(0.0, kSecondsMax));
  app->add_option("--threads", texts->threads,
                  "Threads; a list gives a row for each number");
  app->add_option("--sync", texts->sync,
                  "Sync every write: false, true or both (a row for each)")
      ->expected(0, 1);
  app->add_flag("--disable_wal", flags->disable_wal, "Do not log writes");
  app->add_option("--key_size", flags->key_size, "Bytes of a key")
      ->check(CLI::Range(1, 65536));
  app->add_option("--value_size", flags->value_size, "Bytes of a value")
      ->check(CLI::Range(uint64_t{0}, uint64_t{1} << 30));
  app->add_option("--compression_ratio", flags->compression_ratio,
                  "Values compress to about this share of their size")
      ->check(CLI::Range(0.0, 1.0));
  app->add_option("--batch_size", flags->batch_size,
                  "Entries a write; keys a call of multireadrandom. Default: "
                  "1; fillbatch 1000; multireadrandom 32")
      ->check(CLI::Range(uint64_t{1}, uint64_t{1} << 24));
  app->add_option("--seek_nexts", flags->seek_nexts,
                  "Entries that seekrandom reads after each seek");
  app->add_option("--seed", flags->seed, "Of keys and values");
}

void AddEngineFlags(CLI::App* app, FlagTexts* texts, Flags* flags) {
  app->add_option("--engine", texts->engines,
                  "Engines, comma-separated: they take turns, and the first "
                  "is compared with the others");
  app->add_option("--runs", texts->runs,
                  "Runs of every engine; medians are compared. Default: 1, "
                  "or 5 if there are several engines")
      ->check(CLI::Range(1, 1000));
  app->add_option("--write_buffer_size", flags->write_buffer_size,
                  "Bytes (or 64m, 1g) of a memtable")
      ->transform(CLI::AsSizeValue(false));
  app->add_option("--target_file_size_base", flags->target_file_size_base,
                  "Bytes (or 64m, 1g) of a table, as compactions write it")
      ->transform(CLI::AsSizeValue(false));
  app->add_option("--cache_size", flags->cache_size,
                  "Bytes (or 64m, 1g) of the block cache. 0: the engine's "
                  "default")
      ->transform(CLI::AsSizeValue(false));
  app->add_option("--bloom_bits", flags->bloom_bits,
                  "Bits per key of Bloom filters; 0: none")
      ->check(CLI::Range(0.0, 100.0));
  app->add_option("--compression_type", flags->compression,
                  "Of tables: default, none, snappy, lz4 or zstd")
      ->check(CLI::IsMember({"default", "none", "snappy", "lz4", "zstd"}));
  app->add_option("--db", flags->db,
                  "Directory of the database, which is kept. Default: a "
                  "temporary one, removed afterwards");
  app->add_flag("--use_existing_db", flags->use_existing_db,
                "Use the database that is in --db, even where a benchmark "
                "would start with an empty one");
  app->add_flag("--stats,--statistics", flags->stats,
                "Count groups and syncs also where that makes the engine "
                "slower (RocksDB)");
}

void AddReportFlags(CLI::App* app, Flags* flags) {
  app->add_flag("--histogram", flags->histogram,
                "Print the distribution of the latencies");
  app->add_option("--json", flags->json,
                  "Write every run and the summary to this file");
  app->add_option("--markdown", flags->markdown,
                  "Write the summary as a table to this file");
}

[[noreturn]] void Reject(const std::string& flag, const std::string& why) {
  throw CLI::ValidationError(flag, why);
}

std::vector<int> ParseThreads(const std::string& text) {
  std::vector<int> threads;
  for (const std::string& part : SplitAtCommas(text)) {
    int number = 0;
    const char* end = part.data() + part.size();
    auto [stop, error] = std::from_chars(part.data(), end, number);
    if (error != std::errc() || stop != end || number < 1 ||
        number > kThreadsMax) {
      Reject("--threads", "'" + part + "' is not a number from 1 to " +
                              std::to_string(kThreadsMax));
    }
    threads.push_back(number);
  }
  return threads;
}

std::vector<bool> ParseSync(const std::string& text) {
  if (text == "false" || text == "0") return {false};
  // Empty: "--sync" alone.
  if (text == "true" || text == "1" || text.empty()) return {true};
  if (text == "both") return {false, true};
  Reject("--sync", "'" + text + "' is not false, true or both");
}

std::vector<std::string> ParseBenchmarks(const std::string& text) {
  std::vector<std::string> names = SplitAtCommas(text);
  for (const std::string& name : names) {
    if (FindWorkload(name) != nullptr) continue;
    std::string known;
    for (const Workload& workload : Workloads()) {
      known += " " + std::string(workload.name);
    }
    Reject("--benchmarks", "'" + name + "' is not one of" + known);
  }
  return names;
}

const EngineType& FindEngineType(const std::string& name,
                                 std::span<const EngineType> types) {
  std::string known;
  for (const EngineType& type : types) {
    if (type.name == name) return type;
    known += " " + type.name;
  }
  Reject(
      "--engine",
      "'" + name + "' is not among those this program was built with:" + known);
}

// One engine of the list; several for "best".
void AddEngine(const std::string& text, std::span<const EngineType> types,
               std::vector<EngineChoice>* engines) {
  size_t colon = std::min(text.find(':'), text.size());
  const EngineType& type = FindEngineType(text.substr(0, colon), types);
  std::string mode = colon < text.size() ? text.substr(colon + 1) : "";
  if (mode == kBest && !type.modes.empty()) {
    engines->push_back(
        {.name = type.name, .type = type, .mode = "", .rival = text});
    for (const std::string& each : type.modes) {
      engines->push_back({.name = type.name + ":" + each,
                          .type = type,
                          .mode = each,
                          .rival = text});
    }
    return;
  }
  if (!mode.empty() &&
      std::count(type.modes.begin(), type.modes.end(), mode) == 0) {
    Reject("--engine", "'" + type.name + "' has no mode '" + mode + "'");
  }
  engines->push_back({.name = text, .type = type, .mode = mode, .rival = text});
}

std::vector<EngineChoice> ParseEngines(const std::string& text,
                                       std::span<const EngineType> types) {
  std::vector<EngineChoice> engines;
  for (const std::string& part : SplitAtCommas(text)) {
    AddEngine(part, types, &engines);
  }
  for (size_t i = 0; i < engines.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      if (engines[i].name == engines[j].name) {
        Reject("--engine", "'" + engines[i].name + "' is there twice");
      }
    }
  }
  return engines;
}

// What no flag shows by itself.
void CheckTogether(const Flags& flags) {
  if (flags.use_existing_db && flags.db.empty()) {
    Reject("--use_existing_db", "needs --db");
  }
  if (flags.num > KeysOfSize(flags.key_size)) {
    Reject("--num", "there are not so many keys of " +
                        std::to_string(flags.key_size) + " bytes");
  }
  if (!flags.disable_wal) return;
  bool syncs = std::count(flags.sync.begin(), flags.sync.end(), true) > 0;
  for (const std::string& name : flags.benchmarks) {
    const Workload& workload = *FindWorkload(name);
    syncs = syncs || workload.always_syncs || workload.background_syncs;
  }
  if (syncs) Reject("--disable_wal", "a write that is not logged cannot sync");
}

void Interpret(const FlagTexts& texts, std::span<const EngineType> types,
               Flags* flags) {
  flags->benchmarks = ParseBenchmarks(texts.benchmarks);
  flags->engines = ParseEngines(texts.engines, types);
  flags->threads = ParseThreads(texts.threads);
  flags->sync = ParseSync(texts.sync);
  int runs_default = flags->engines.size() > 1 ? kRunsOfComparison : 1;
  flags->runs = texts.runs > 0 ? texts.runs : runs_default;
  CheckTogether(*flags);
}

std::string Footer(std::span<const EngineType> types) {
  std::string text = "Benchmarks:";
  for (const Workload& workload : Workloads()) {
    text += " " + std::string(workload.name);
  }
  text += "\nEngines:";
  for (const EngineType& type : types) {
    text += " " + type.name;
    for (const std::string& mode : type.modes) {
      text += " " + type.name + ":" + mode;
    }
    if (!type.modes.empty()) text += " " + type.name + ":best";
  }
  return text +
         "\nAs in db_bench, --num is the number of keys and the operations of "
         "each thread\n(fillsync: a thousandth of it). Exit codes: 0 done, 1 "
         "an engine failed, 2 wrong flags.";
}

}  // namespace

std::optional<int> ParseFlags(int argc, const char* const* argv,
                              std::span<const EngineType> engine_types,
                              Flags* flags) {
  CLI::App app("Measures Paceline and its peers with the same workloads.",
               "paceline_bench");
  FlagTexts texts;
  // A script's flags can be overridden by adding others.
  app.option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  app.get_formatter()->column_width(30);
  AddWorkloadFlags(&app, &texts, flags);
  AddEngineFlags(&app, &texts, flags);
  AddReportFlags(&app, flags);
  app.footer(Footer(engine_types));
  try {
    app.parse(argc, argv);
    Interpret(texts, engine_types, flags);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kExitUsage;
  }
  return std::nullopt;
}

}  // namespace paceline::bench
