#include "bench/team.h"

#include <algorithm>
#include <barrier>
#include <chrono>
#include <functional>
#include <thread>
#include <utility>

#include "bench/progress_line.h"

namespace paceline::bench {

namespace {

// Often enough for a smooth line, seldom enough not to disturb.
constexpr std::chrono::milliseconds kWatchInterval(200);

// The most calls a thread takes from the team's total at once: few enough for
// all threads to end together, enough to keep them from meeting there.
constexpr uint64_t kCallsTakenMax = 256;
constexpr uint64_t kTakesPerThread = 16;

}  // namespace

struct Team::Member {
  std::unique_ptr<Operation> operation;
  // The rest is written by the member's thread; read when it has ended.
  Status status;
  Tally tally;
  Histogram latencies;
  uint64_t first_tick = 0;
  uint64_t last_tick = 0;
  // tally.operations for the line of progress. Relaxed: only a count.
  alignas(64) std::atomic<uint64_t> operations_so_far = 0;
};

// What one thread may still do: a share of its own, refilled from the team's
// total if there is one.
class Team::Allowance {
 public:
  explicit Allowance(uint64_t operations) : left_(operations) {}
  Allowance(uint64_t total, uint64_t taken_at_once,
            std::atomic<uint64_t>* handed_out)
      : total_(total), taken_at_once_(taken_at_once), handed_out_(handed_out) {}

  // False if there is nothing left.
  bool Take(uint64_t operations) {
    if (left_ == 0 && !Refill()) return false;
    left_ -= std::min(left_, operations);
    return true;
  }

 private:
  bool Refill() {
    if (handed_out_ == nullptr) return false;
    uint64_t before =
        handed_out_->fetch_add(taken_at_once_, std::memory_order_relaxed);
    if (before >= total_) return false;
    left_ = std::min(taken_at_once_, total_ - before);
    return true;
  }

  uint64_t left_ = 0;
  uint64_t total_ = 0;
  uint64_t taken_at_once_ = 0;
  std::atomic<uint64_t>* handed_out_ = nullptr;
};

// Where the threads wait for one another; the last one starts the clock.
class Team::StartLine {
 public:
  StartLine(size_t threads, std::function<void()> start)
      : barrier_(static_cast<ptrdiff_t>(threads), Starter{std::move(start)}) {}
  void Wait() { barrier_.arrive_and_wait(); }

 private:
  struct Starter {
    std::function<void()> start;
    void operator()() noexcept { start(); }
  };
  std::barrier<Starter> barrier_;
};

Team::Team(const TeamLimits& limits, std::string label, const TickClock* clock,
           const std::atomic<bool>* interrupted)
    : limits_(limits),
      label_(std::move(label)),
      clock_(clock),
      interrupted_(interrupted) {}

Team::~Team() = default;

void Team::AddThread(std::unique_ptr<Operation> operation) {
  members_.push_back(std::make_unique<Member>());
  members_.back()->operation = std::move(operation);
}

void Team::SetBackground(std::unique_ptr<Operation> operation) {
  background_ = std::make_unique<Member>();
  background_->operation = std::move(operation);
}

StatusOr<TeamResult> Team::Run() {
  size_t threads = members_.size() + (background_ != nullptr ? 1 : 0);
  StartLine start_line(threads, [this] { start_tick_ = clock_->Now(); });
  {
    std::vector<std::jthread> running;
    std::jthread background;
    if (background_ != nullptr) {
      background = std::jthread([&] { RunBackground(&start_line); });
    }
    for (std::unique_ptr<Member>& member : members_) {
      running.emplace_back([this, &start_line, &member] {
        RunMember(&start_line, member.get());
      });
    }
    WatchMembers();
    running.clear();
    stop_background_.store(true, std::memory_order_relaxed);
  }
  if (interrupted_->load()) return Status::Aborted("interrupted");
  return Collect();
}

Team::Allowance Team::AllowanceOfOne() {
  if (!limits_.operations_total) {
    return Allowance(limits_.operations_each.value_or(UINT64_MAX));
  }
  uint64_t total = *limits_.operations_total;
  uint64_t calls =
      total / limits_.operations_per_call / (members_.size() * kTakesPerThread);
  calls = std::clamp<uint64_t>(calls, 1, kCallsTakenMax);
  return Allowance(total, calls * limits_.operations_per_call, &handed_out_);
}

void Team::RunMember(StartLine* start_line, Member* member) {
  Allowance allowance = AllowanceOfOne();
  Operation* operation = member->operation.get();
  start_line->Wait();

  uint64_t now = clock_->Now();
  uint64_t deadline = limits_.seconds > 0
                          ? start_tick_ + clock_->TicksOf(limits_.seconds)
                          : UINT64_MAX;
  member->first_tick = now;
  while (now < deadline && allowance.Take(limits_.operations_per_call) &&
         !stop_.load(std::memory_order_relaxed)) {
    uint64_t operations_before = member->tally.operations;
    member->status = operation->Run(&member->tally);
    uint64_t before = std::exchange(now, clock_->Now());
    if (!member->status.ok()) {
      stop_.store(true, std::memory_order_relaxed);
      break;
    }
    if (member->tally.operations == operations_before) break;
    member->latencies.Add(clock_->Nanos(before, now));
    member->operations_so_far.store(member->tally.operations,
                                    std::memory_order_relaxed);
  }
  member->last_tick = now;
  done_.release();
}

void Team::RunBackground(StartLine* start_line) {
  start_line->Wait();
  uint64_t now = clock_->Now();
  while (!stop_background_.load(std::memory_order_relaxed)) {
    background_->status = background_->operation->Run(&background_->tally);
    uint64_t before = std::exchange(now, clock_->Now());
    if (!background_->status.ok()) {
      stop_.store(true, std::memory_order_relaxed);
      return;
    }
    background_->latencies.Add(clock_->Nanos(before, now));
  }
}

void Team::WatchMembers() {
  ProgressLine progress(label_);
  uint64_t first_tick = clock_->Now();
  size_t done = 0;
  while (done < members_.size()) {
    if (done_.try_acquire_for(kWatchInterval)) {
      ++done;
      continue;
    }
    if (interrupted_->load()) stop_.store(true, std::memory_order_relaxed);
    uint64_t operations = 0;
    for (const std::unique_ptr<Member>& member : members_) {
      operations += member->operations_so_far.load(std::memory_order_relaxed);
    }
    progress.Show(operations, clock_->Seconds(first_tick, clock_->Now()));
  }
}

StatusOr<TeamResult> Team::Collect() const {
  TeamResult result;
  uint64_t last_tick = start_tick_;
  for (const std::unique_ptr<Member>& member : members_) {
    if (!member->status.ok()) return member->status;
    result.tally.operations += member->tally.operations;
    result.tally.bytes += member->tally.bytes;
    result.tally.found += member->tally.found;
    result.latencies.Merge(member->latencies);
    result.thread_seconds +=
        clock_->Seconds(member->first_tick, member->last_tick);
    last_tick = std::max(last_tick, member->last_tick);
  }
  result.seconds = clock_->Seconds(start_tick_, last_tick);
  if (background_ != nullptr) {
    if (!background_->status.ok()) return background_->status;
    result.background_latencies = background_->latencies;
  }
  return result;
}

}  // namespace paceline::bench
