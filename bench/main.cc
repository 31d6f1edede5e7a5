// paceline_bench: measures Paceline, and other engines beside it, with
// db_bench's workloads. See `paceline_bench --help`.
//
// A run is one engine with one number of threads and one sync mode; it does
// all benchmarks in order. For every number of threads and sync mode, the
// engines take turns, and each round begins with another one, so that neither
// a disturbance of the machine nor the order favours one of them.

#include <fmt/core.h>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "bench/flags.h"
#include "bench/isolated_run.h"
#include "bench/machine.h"
#include "bench/report.h"
#include "bench/runner.h"
#include "bench/scratch_directory.h"
#include "bench/summary.h"
#include "bench/tick_clock.h"

namespace paceline::bench {

namespace {

constexpr int kExitFailed = 1;
// What a shell expects of a program that was interrupted.
constexpr int kExitInterrupted = 128 + SIGINT;

// Set by the first SIGINT or SIGTERM, so that databases are closed and
// temporary directories removed; the second one ends the program at once.
std::atomic<bool> interrupted = false;
static_assert(std::atomic<bool>::is_always_lock_free);

void InterruptOnce(int signal) {
  interrupted.store(true);
  std::signal(signal, SIG_DFL);
}

int Fail(const Status& status) {
  if (status.IsAborted()) {
    fmt::print(stderr, "paceline_bench: interrupted\n");
    return kExitInterrupted;
  }
  fmt::print(stderr, "paceline_bench: {}\n", status.message());
  return kExitFailed;
}

// The runs in their order.
std::vector<RunPlan> MakePlans(const Flags& flags) {
  std::vector<RunPlan> plans;
  for (int threads : flags.threads) {
    for (bool sync : flags.sync) {
      for (int run = 0; run < flags.runs; ++run) {
        for (size_t i = 0; i < flags.engines.size(); ++i) {
          size_t turn = (i + static_cast<size_t>(run)) % flags.engines.size();
          plans.push_back({.engine = &flags.engines[turn],
                           .threads = threads,
                           .sync = sync,
                           .run = run,
                           .directory = ""});
        }
      }
    }
  }
  return plans;
}

// Each engine has its own directory if there are several.
std::string DirectoryOf(const Flags& flags, const EngineChoice& engine,
                        const std::string& parent) {
  if (!flags.db.empty() && flags.engines.size() == 1) return parent;
  std::string name = engine.name;
  for (char& c : name) c = c == ':' ? '-' : c;
  return parent + "/" + name;
}

StatusOr<std::vector<RunResult>> RunOne(const Flags& flags, const RunPlan& plan,
                                        const TickClock& clock,
                                        bool names_run) {
  Runner runner(&flags, plan, &clock, &interrupted);
  return runner.Run([&](const RunResult& result) {
    std::string text = ResultLine(result, names_run);
    if (flags.histogram) text += HistogramText(result);
    fmt::print("{}", text);
    std::fflush(stdout);
  });
}

StatusOr<std::vector<RunResult>> RunAll(const Flags& flags,
                                        const std::string& parent,
                                        const TickClock& clock) {
  std::vector<RunPlan> plans = MakePlans(flags);
  bool is_only_run = plans.size() == 1;
  std::vector<RunResult> all_results;
  for (RunPlan& plan : plans) {
    plan.directory = DirectoryOf(flags, *plan.engine, parent);
    auto run = [&] { return RunOne(flags, plan, clock, !is_only_run); };
    StatusOr<std::vector<RunResult>> results =
        is_only_run ? run() : RunIsolated(run);
    if (!results.ok()) return results.status();
    all_results.insert(all_results.end(), results->begin(), results->end());
    if (!flags.db.empty()) continue;
    // The next run must not share the disk with the deletion of this one.
    std::error_code ignored;
    std::filesystem::remove_all(plan.directory, ignored);
  }
  return all_results;
}

// Prints the summary and writes the files that were asked for.
Status Report(const Flags& flags, const Machine& machine,
              const std::vector<RunResult>& results) {
  std::vector<SummaryRow> rows = Summarize(flags.engines, results);
  std::string summary =
      SummaryTable(rows) + "\n" + SummaryCaption(flags, machine);
  // The lines of a single run need no table.
  if (results.size() > flags.benchmarks.size()) fmt::print("\n{}", summary);
  if (!flags.markdown.empty()) {
    Status s = WriteFile(flags.markdown, summary);
    if (!s.ok()) return s;
  }
  if (flags.json.empty()) return Status::OK();
  return WriteFile(flags.json, JsonText(flags, machine, results, rows));
}

int Main(int argc, char** argv) {
  std::vector<EngineType> engine_types = EngineTypes();
  Flags flags;
  if (auto exit_code = ParseFlags(argc, argv, engine_types, &flags)) {
    return *exit_code;
  }
  std::signal(SIGINT, InterruptOnce);
  std::signal(SIGTERM, InterruptOnce);

  std::string parent = flags.db;
  std::unique_ptr<ScratchDirectory> scratch;
  if (parent.empty()) {
    auto made = ScratchDirectory::Make();
    if (!made.ok()) return Fail(made.status());
    scratch = *std::move(made);
    parent = scratch->path();
  } else if (Status s = MakeDirectory(parent); !s.ok()) {
    return Fail(s);
  }

  Machine machine = DescribeMachine(parent);
  fmt::print("{}", HeaderText(flags, machine, parent));
  TickClock clock;
  auto results = RunAll(flags, parent, clock);
  if (!results.ok()) return Fail(results.status());
  Status s = Report(flags, machine, *results);
  return s.ok() ? 0 : Fail(s);
}

}  // namespace

}  // namespace paceline::bench

int main(int argc, char** argv) { return paceline::bench::Main(argc, argv); }
