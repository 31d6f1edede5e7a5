#include "bench/runner.h"

#include <algorithm>
#include <utility>

#include "bench/memory_meter.h"
#include "bench/scratch_directory.h"

namespace paceline::bench {

namespace {

// Different for every run, benchmark and thread, so that a benchmark does not
// read keys in the order in which another one wrote them; the same for every
// engine.
uint64_t SeedOf(uint64_t seed, int run, size_t benchmark, size_t thread) {
  for (uint64_t part :
       {static_cast<uint64_t>(run), uint64_t{benchmark}, uint64_t{thread}}) {
    seed = Random(seed).Next() + part;
  }
  return Random(seed).Next();
}

Status At(const std::string& where, const Status& status) {
  return Status::IOError(where, status.ToString());
}

std::optional<uint64_t> Difference(const std::optional<uint64_t>& before,
                                   const std::optional<uint64_t>& after) {
  if (!before || !after) return std::nullopt;
  return *after - *before;
}

}  // namespace

std::string Describe(const RunPlan& plan) {
  return plan.engine->name + ", " + std::to_string(plan.threads) +
         (plan.threads == 1 ? " thread" : " threads") +
         (plan.sync ? ", sync" : ", no sync") + ", run " +
         std::to_string(plan.run + 1);
}

Runner::Runner(const Flags* flags, const RunPlan& plan, const TickClock* clock,
               const std::atomic<bool>* interrupted)
    : flags_(*flags),
      plan_(plan),
      clock_(clock),
      interrupted_(interrupted),
      values_(flags->value_size, flags->compression_ratio, flags->seed) {}

StatusOr<std::vector<RunResult>> Runner::Run(
    const std::function<void(const RunResult&)>& on_result) {
  if (!flags_.use_existing_db) {
    Status s = OpenEngine(/*fresh=*/true);
    if (!s.ok()) return At(Describe(plan_) + ": open", s);
  }
  std::vector<RunResult> results;
  for (size_t i = 0; i < flags_.benchmarks.size(); ++i) {
    const std::string& name = flags_.benchmarks[i];
    // With both modes, it runs in that with sync.
    bool is_twice = FindWorkload(name)->always_syncs && flags_.sync.size() > 1;
    if (is_twice && !plan_.sync) continue;
    StatusOr<RunResult> result = RunBenchmark(name, i);
    if (!result.ok()) {
      if (result.status().IsAborted()) return result.status();
      return At(Describe(plan_) + ": " + name, result.status());
    }
    on_result(*result);
    results.push_back(*std::move(result));
  }
  return results;
}

StatusOr<RunResult> Runner::RunBenchmark(const std::string& name,
                                         size_t position) {
  const Workload& workload = *FindWorkload(name);
  Status s = OpenEngine(workload.starts_fresh && !flags_.use_existing_db);
  if (!s.ok()) return s;
  std::vector<std::unique_ptr<Session>> sessions;
  if (workload.opens) {
    engine_.reset();
    sessions.emplace_back();
  } else {
    s = MakeSessions(workload, &sessions);
    if (!s.ok()) return s;
  }
  s = SettleFileSystem(plan_.directory);
  if (!s.ok()) return s;

  WorkloadParameters parameters{.key_count = flags_.num,
                                .key_size = flags_.key_size,
                                .batch_size = BatchSizeOf(workload),
                                .seek_nexts = flags_.seek_nexts,
                                .repeats_scans = flags_.duration > 0};
  Team team(LimitsOf(workload), name + " (" + Describe(plan_) + ")", clock_,
            interrupted_);
  for (size_t i = 0; i < sessions.size(); ++i) {
    OperationContext context{
        .session = sessions[i].get(),
        .engine = engine_.get(),
        .parameters = &parameters,
        .values = &values_,
        .seed = SeedOf(flags_.seed, plan_.run, position, i),
        .open = [this] { return OpenEngine(/*fresh=*/false); }};
    if (i < static_cast<size_t>(plan_.threads)) {
      team.AddThread(workload.make(context));
    } else {
      team.SetBackground(MakeBackgroundWriter(context));
    }
  }

  EngineCounters before;
  if (engine_ != nullptr) before = engine_->Counters();
  MemoryMeter memory;
  StatusOr<TeamResult> measured = team.Run();
  if (!measured.ok()) return measured.status();
  RunResult result =
      MakeResult(workload, *measured, before, engine_->Counters());
  result.memory_bytes = memory.Peak();
  return result;
}

Status Runner::OpenEngine(bool fresh) {
  if (fresh) {
    engine_.reset();
    Status s = plan_.engine->type.destroy(plan_.directory);
    if (!s.ok()) return s;
  }
  if (engine_ != nullptr) return Status::OK();
  Status s = MakeDirectory(plan_.directory);
  if (!s.ok()) return s;
  StatusOr<std::unique_ptr<Engine>> engine = plan_.engine->type.open(
      {.mode = plan_.engine->mode,
       .directory = plan_.directory,
       .write_buffer_size = flags_.write_buffer_size,
       .target_file_size = flags_.target_file_size_base,
       .cache_size = flags_.cache_size,
       .bloom_bits = flags_.bloom_bits,
       .compression = flags_.compression,
       .threads_max = plan_.threads + 1,  // A background writer.
       .count_events = flags_.stats});
  if (!engine.ok()) return engine.status();
  engine_ = *std::move(engine);
  return Status::OK();
}

Status Runner::MakeSessions(const Workload& workload,
                            std::vector<std::unique_ptr<Session>>* sessions) {
  int count = plan_.threads + (workload.has_background_writer ? 1 : 0);
  for (int i = 0; i < count; ++i) {
    bool is_background = i >= plan_.threads;
    WriteMode mode{.sync = plan_.sync || workload.always_syncs ||
                           (is_background && workload.background_syncs),
                   .disable_wal = flags_.disable_wal};
    StatusOr<std::unique_ptr<Session>> session = engine_->NewSession(mode);
    if (!session.ok()) return session.status();
    sessions->push_back(*std::move(session));
  }
  return Status::OK();
}

TeamLimits Runner::LimitsOf(const Workload& workload) const {
  TeamLimits limits{.seconds = flags_.duration,
                    .operations_per_call = BatchSizeOf(workload)};
  if (workload.writes && flags_.writes) {
    limits.operations_total = flags_.writes;
  } else if (flags_.duration == 0) {
    uint64_t wanted =
        workload.writes ? flags_.num : flags_.reads.value_or(flags_.num);
    limits.operations_each =
        std::max<uint64_t>(wanted / workload.num_divisor, 1);
  }
  return limits;
}

uint64_t Runner::BatchSizeOf(const Workload& workload) const {
  if (!workload.is_batched) return 1;
  return flags_.batch_size > 0 ? flags_.batch_size
                               : workload.default_batch_size;
}

RunResult Runner::MakeResult(const Workload& workload,
                             const TeamResult& measured,
                             const EngineCounters& before,
                             const EngineCounters& after) const {
  RunResult result{
      .benchmark = std::string(workload.name),
      .engine = plan_.engine->name,
      .threads = plan_.threads,
      .sync = plan_.sync || workload.always_syncs,
      .run = plan_.run,
      .operations = measured.tally.operations,
      .seconds = measured.seconds,
      .thread_seconds = measured.thread_seconds,
      .bytes = measured.tally.bytes,
      .latencies = Latencies::Of(measured.latencies),
      .commits = Difference(before.commits, after.commits),
      .groups = Difference(before.groups, after.groups),
      .syncs = Difference(before.syncs, after.syncs),
      .table_bytes = Difference(before.table_bytes, after.table_bytes)};
  StatusOr<uint64_t> size = DirectorySize(plan_.directory);
  if (size.ok()) result.directory_bytes = *size;
  if (workload.counts_found) result.found = measured.tally.found;
  if (workload.has_background_writer) {
    result.background_latencies = Latencies::Of(measured.background_latencies);
  }
  return result;
}

}  // namespace paceline::bench
