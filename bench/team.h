// Team: the threads of one benchmark, which start together and are timed call
// by call. All engines are timed here, so the cost of it is the same for all.

#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <semaphore>
#include <string>
#include <vector>

#include "paceline/status.h"

#include "bench/tick_clock.h"
#include "bench/workloads.h"
#include "src/base/histogram.h"

namespace paceline::bench {

// When a Team is done: at the first of these.
struct TeamLimits {
  // Operations of each thread; absent: no limit.
  std::optional<uint64_t> operations_each = std::nullopt;
  // Operations of all threads together; absent: no limit.
  std::optional<uint64_t> operations_total = std::nullopt;
  // 0: no limit.
  double seconds = 0;
  // How many operations a call is.
  uint64_t operations_per_call = 1;
};

struct TeamResult {
  Tally tally;
  Histogram latencies;  // Nanoseconds.
  double seconds = 0;
  double thread_seconds = 0;
  Histogram background_latencies;
};

// Used by one thread, once.
class Team {
 public:
  // `label` says in the line of progress what is being measured. The pointers
  // must outlive the Team; it stops early when `*interrupted` becomes true.
  Team(const TeamLimits& limits, std::string label, const TickClock* clock,
       const std::atomic<bool>* interrupted);
  ~Team();
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;

  void AddThread(std::unique_ptr<Operation> operation);
  // Runs beside the others until they are done; timed by itself.
  void SetBackground(std::unique_ptr<Operation> operation);

  // Returns when all threads are done: Aborted if interrupted, or the first
  // error of an operation, which stops the others.
  StatusOr<TeamResult> Run();

 private:
  struct Member;
  class Allowance;
  class StartLine;

  void RunMember(StartLine* start_line, Member* member);
  void RunBackground(StartLine* start_line);
  // Shows the progress until all threads are done.
  void WatchMembers();
  [[nodiscard]] Allowance AllowanceOfOne();
  [[nodiscard]] StatusOr<TeamResult> Collect() const;

  const TeamLimits limits_;
  const std::string label_;
  const TickClock* const clock_;
  const std::atomic<bool>* const interrupted_;

  std::vector<std::unique_ptr<Member>> members_;
  std::unique_ptr<Member> background_;
  uint64_t start_tick_ = 0;  // Written before the threads leave StartLine.

  // The flags are read for every call and hardly written: not on one cache
  // line with the counters. Relaxed: they carry no data.
  alignas(64) std::atomic<bool> stop_ = false;
  std::atomic<bool> stop_background_ = false;
  // Operations handed out of operations_total. Relaxed: only a count.
  alignas(64) std::atomic<uint64_t> handed_out_ = 0;
  // Released by every member that is done.
  std::counting_semaphore<> done_{0};
};

}  // namespace paceline::bench
