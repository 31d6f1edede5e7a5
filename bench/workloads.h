// Workloads: what each name in --benchmarks does, as in db_bench.

#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string_view>

#include "paceline/status.h"

#include "bench/engine.h"
#include "bench/generators.h"
#include "src/base/histogram.h"

namespace paceline::bench {

// What all threads of a benchmark have in common.
struct WorkloadParameters {
  // Keys are drawn from [0, key_count).
  uint64_t key_count = 0;
  int key_size = 0;
  // Entries a call; at least 1.
  uint64_t batch_size = 1;
  // Entries that seekrandom reads behind the one it looked for.
  uint64_t seek_nexts = 0;
  // Scans start again at the end, for runs that are bounded by time.
  bool repeats_scans = false;
};

// What one thread's Operation works with.
struct OperationContext {
  Session* session = nullptr;
  Engine* engine = nullptr;
  const WorkloadParameters* parameters = nullptr;
  const ValueBytes* values = nullptr;
  uint64_t seed = 0;
  // For workloads that open the database, which is closed: does so.
  std::function<Status()> open = {};
};

// What a thread has done so far.
struct Tally {
  uint64_t operations = 0;
  // Of keys and values, written or read.
  uint64_t bytes = 0;
  // Keys that a read found.
  uint64_t found = 0;
};

// One thread's part of a workload. Thread-compatible.
class Operation {
 public:
  virtual ~Operation() = default;
  // Makes one call of the engine and adds what it did to `*tally`; adds no
  // operation if there is nothing left to do.
  virtual Status Run(Tally* tally) = 0;
};

struct Workload {
  std::string_view name;
  std::unique_ptr<Operation> (*make)(const OperationContext& context) = nullptr;
  // Starts with an empty database.
  bool starts_fresh = false;
  bool writes = false;
  // Every write is synced, whatever --sync says.
  bool always_syncs = false;
  // A thread does this share of --num; db_bench's answer to slow syncs.
  uint64_t num_divisor = 1;
  // If --batch_size is not given.
  uint64_t default_batch_size = 1;
  // Uses batch_size.
  bool is_batched = false;
  // Counts how many keys it found.
  bool counts_found = false;
  // Starts with the database closed, in one thread.
  bool opens = false;
  // One more thread overwrites random keys meanwhile; counted by itself.
  bool has_background_writer = false;
  // That thread syncs each of its writes.
  bool background_syncs = false;
};

std::span<const Workload> Workloads();
// Null if there is none of that name.
const Workload* FindWorkload(std::string_view name);
// What the background writer runs.
std::unique_ptr<Operation> MakeBackgroundWriter(
    const OperationContext& context);

}  // namespace paceline::bench
