// Runner: the benchmarks of one engine, one number of threads and one sync
// mode, in order, on one database.

#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "paceline/status.h"

#include "bench/flags.h"
#include "bench/result.h"
#include "bench/team.h"
#include "bench/tick_clock.h"
#include "bench/workloads.h"

namespace paceline::bench {

struct RunPlan {
  const EngineChoice* engine = nullptr;
  int threads = 1;
  bool sync = false;
  // Counted from 0. Runs of the same number use the same keys and values,
  // whatever the engine.
  int run = 0;
  // Where the database is or will be.
  std::string directory;
};

// "rocksdb, 8 threads, sync, run 2": what tells this run from others.
std::string Describe(const RunPlan& plan);

// Used by one thread, once.
class Runner {
 public:
  // The pointers must outlive the Runner, which stops early when
  // `*interrupted` becomes true.
  Runner(const Flags* flags, const RunPlan& plan, const TickClock* clock,
         const std::atomic<bool>* interrupted);

  // Calls `on_result` as each benchmark ends. Blocks until all are done.
  // Returns Aborted if interrupted, or the first error of the engine, with
  // the names of engine and benchmark.
  StatusOr<std::vector<RunResult>> Run(
      const std::function<void(const RunResult&)>& on_result);

 private:
  // `position` is its place in --benchmarks.
  StatusOr<RunResult> RunBenchmark(const std::string& name, size_t position);
  // Opens the engine if it is not open; with an empty database if `fresh`.
  Status OpenEngine(bool fresh);
  Status MakeSessions(const Workload& workload,
                      std::vector<std::unique_ptr<Session>>* sessions);
  [[nodiscard]] TeamLimits LimitsOf(const Workload& workload) const;
  [[nodiscard]] uint64_t BatchSizeOf(const Workload& workload) const;
  [[nodiscard]] RunResult MakeResult(const Workload& workload,
                                     const TeamResult& measured,
                                     const EngineCounters& before,
                                     const EngineCounters& after) const;

  const Flags& flags_;
  const RunPlan plan_;
  const TickClock* const clock_;
  const std::atomic<bool>* const interrupted_;
  const ValueBytes values_;
  std::unique_ptr<Engine> engine_;
};

}  // namespace paceline::bench
