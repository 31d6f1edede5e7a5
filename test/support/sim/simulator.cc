#include "test/support/sim/simulator.h"

#include <algorithm>
#include <bit>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "src/base/check.h"
#include "src/base/sanitizers.h"
#include "test/support/sim/simulator_core.h"

namespace paceline::sim {

namespace {

using Kind = Operation::Kind;

// How often one that gives up looks before it lets the others go on all the
// same. More than any loop that spins for a while before it sleeps.
constexpr int kLooksInVain = 1'000;

constexpr uint64_t kNanosPerStep = 100;

const char* NameOf(Kind kind) {
  switch (kind) {
    case Kind::kStart:
      return "starts";
    case Kind::kLoad:
      return "loads";
    case Kind::kStore:
      return "stores to";
    case Kind::kUpdate:
      return "updates";
    case Kind::kLock:
      return "locks";
    case Kind::kWait:
      return "waits on";
    case Kind::kNotify:
      return "notifies";
    case Kind::kSleep:
      return "sleeps on";
    case Kind::kWake:
      return "wakes";
    case Kind::kPause:
      return "spins";
    case Kind::kJoin:
      return "joins";
    case Kind::kTouch:
      return "touches";
    case Kind::kGoOn:
      return "goes on after";
  }
  return "?";
}

// A crash ends the process; the choices that led to it are told first.
void ReportCrash(int signal) {
  if (simulator.is_running()) {
    std::string text = simulator.schedule().Text();
    std::fprintf(stderr,
                 "signal %d in a simulation: %s PACELINE_SCHEDULE='%s'\n",
                 signal, simulator.config().again.c_str(), text.c_str());
  }
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

void CatchCrashes() {
  static bool is_done = false;
  if (std::exchange(is_done, true)) return;
  std::signal(SIGABRT, ReportCrash);
#if !defined(PACELINE_ASAN) && !defined(PACELINE_TSAN)
  static char stack[64 << 10];
  stack_t alternate = {};
  alternate.ss_sp = stack;
  alternate.ss_size = sizeof(stack);
  sigaltstack(&alternate, nullptr);
  struct sigaction action = {};
  action.sa_handler = ReportCrash;
  action.sa_flags = SA_ONSTACK;
  sigaction(SIGSEGV, &action, nullptr);
  sigaction(SIGBUS, &action, nullptr);
#endif
}

}  // namespace

Simulator simulator;

Outcome Simulator::Run(const Config& config, Strategy* strategy,
                       const std::function<void()>& body) {
  PL_CHECK(!is_running_);
  Unseen unseen;
  CatchCrashes();
  Context host;
  host_ = &host;
  config_ = &config;
  strategy_ = strategy;
  ++run_;
  steps_ = 0;
  nanos_ = 1'000'000;
  fiber_count_ = 0;
  pausing_ = 0;
  still_ = 0;
  current_ = 0;
  cell_count_ = 0;
  schedule_.choices.clear();
  failure_.clear();
  strategy->Begin();

  is_running_ = true;
  Start(body);
  host.SwitchTo(stacks_[0]->context());
  is_running_ = false;
  ObserveFrom(&host_);
  if (!failure_.empty()) {
    // They are in the middle of something, and can not be used again.
    for (auto& stack : stacks_) stack.reset();
    for (FiberState& fiber : fibers_) fiber.body = nullptr;
  }
  return {failure_, schedule_, steps_};
}

void Simulator::Body(int number) {
  FiberState& fiber = fibers_[number];
  // It stays in `fiber`, so that it is given back after a failure, too.
  ObserveFrom(&fiber);
  fiber.body();
  Unseen unseen;
  fiber.body = nullptr;
  if (config_->observer) config_->observer();
  PublishTo(&fiber);
  fiber.status = FiberState::Status::kDone;
  GoOn();
}

int Simulator::Start(std::function<void()> body) {
  int number = fiber_count_++;
  PL_CHECK(number < kFibersMax);
  FiberState& fiber = fibers_[number];
  fiber.status = FiberState::Status::kReady;
  fiber.next = {Kind::kStart, nullptr};
  fiber.deadline = kNever;
  fiber.may_wake_early = false;
  fiber.is_pausing_in_vain = false;
  fiber.loaded_cell = ~uint32_t{0};
  fiber.knowledge.Clear();
  if (number != 0) {
    fiber.knowledge.Join(me().knowledge);
    ++me().knowledge.clock[static_cast<size_t>(current_)];
  }
  fiber.knowledge.clock[static_cast<size_t>(number)] = 1;
  fiber.body = std::move(body);
  PublishTo(&fiber);
  auto& stack = stacks_[static_cast<size_t>(number)];
  if (stack == nullptr) {
    stack = std::make_unique<Fiber>([this, number] { Body(number); });
  }
  return number;
}

void Simulator::Join(int target) {
  me().join_target = target;
  Step(Kind::kJoin, nullptr);
  me().knowledge.Join(fibers_[target].knowledge);
  ObserveFrom(&fibers_[target]);
}

bool Simulator::CanRun(const FiberState& fiber) const {
  if (fiber.status != FiberState::Status::kReady) return false;
  if (fiber.next.kind == Kind::kLock) {
    return cells_[fiber.lock_cell].owner < 0;
  }
  if (fiber.next.kind == Kind::kJoin) {
    return fibers_[fiber.join_target].status == FiberState::Status::kDone;
  }
  return true;
}

void Simulator::FillCrossroads(Crossroads* at) {
  uint32_t timed = 0;
  uint32_t pausing = 0;
  for (int i = 0; i < fiber_count_; ++i) {
    const FiberState& fiber = fibers_[i];
    uint32_t bit = uint32_t{1} << i;
    next_[i] = fiber.next;
    if (CanRun(fiber)) {
      at->can_run |= bit;
    } else if (fiber.status == FiberState::Status::kAsleep) {
      if (fiber.may_wake_early) at->asleep |= bit;
      if (fiber.deadline != kNever) timed |= bit;
    } else if (fiber.status == FiberState::Status::kPausing) {
      pausing |= bit;
    }
  }
  at->can_run |= at->asleep;
  if (at->can_run == 0) at->can_run = pausing;
  if (at->can_run == 0) at->can_run = at->asleep = timed;
  at->current = current_;
  at->next = next_;
}

void Simulator::GoOn() {
  // For the code that goes on when the run is over, in whatever way.
  PublishTo(&host_);
  Crossroads at;
  FillCrossroads(&at);
  if (at.can_run == 0) {
    bool is_over = std::all_of(
        fibers_, fibers_ + fiber_count_, [](const FiberState& fiber) {
          return fiber.status == FiberState::Status::kDone;
        });
    if (!is_over) Fail("deadlock:" + WhoWaits());
    stacks_[static_cast<size_t>(current_)]->context()->SwitchTo(host_);
    return;
  }
  int next = strategy_->PickFiber(at);
  PL_CHECK(at.CanRun(next));
  if (std::popcount(at.can_run) > 1) {
    schedule_.choices.push_back(static_cast<uint8_t>(next));
  }
  FiberState& fiber = fibers_[next];
  if (fiber.status == FiberState::Status::kAsleep) {
    if (fiber.deadline != kNever) nanos_ = std::max(nanos_, fiber.deadline);
    WakeUp(&fiber);
  } else if (fiber.status == FiberState::Status::kPausing) {
    // Nobody else can do anything: it need not look at every pause.
    fiber.is_pausing_in_vain = true;
    WakeUp(&fiber);
  }
  if (next == current_) return;
  Context* here = stacks_[static_cast<size_t>(current_)]->context();
  current_ = next;
  here->SwitchTo(stacks_[static_cast<size_t>(next)]->context());
}

void Simulator::WakeUp(FiberState* fiber) {
  if (fiber->status == FiberState::Status::kPausing) --pausing_;
  fiber->status = FiberState::Status::kReady;
  fiber->deadline = kNever;
  fiber->may_wake_early = false;
}

void Simulator::CountStep() {
  if (config_->observer) config_->observer();
  if (++steps_ > config_->steps_max) Fail("too many steps:" + WhoWaits());
  nanos_ += kNanosPerStep;
}

void Simulator::Step(Kind kind, const void* address) {
  CountStep();
  me().next = {kind, address};
  ++me().knowledge.clock[static_cast<size_t>(current_)];
  GoOn();
  if (traces_) Trace();
}

void Simulator::Trace() const {
  const FiberState& fiber = fibers_[current_];
  std::fprintf(stderr, "%5u fiber %d %s %s\n", steps_, current_,
               NameOf(fiber.next.kind), Describe(fiber.next.address).c_str());
}

void Simulator::Lock(uint32_t cell, const void* address) {
  me().lock_cell = cell;
  Step(Kind::kLock, address);
  cells_[cell].owner = current_;
  me().knowledge.Join(cells_[cell].newest().knowledge);
  ObserveFrom(address);
}

void Simulator::Unlock(uint32_t cell, const void* address) {
  if (cells_[cell].owner != current_) Fail("unlocks a mutex of somebody else");
  PublishTo(address);
  Message& message = cells_[cell].newest();
  message.knowledge.Clear();
  message.knowledge.Join(me().knowledge);
  ++me().knowledge.clock[static_cast<size_t>(current_)];
  cells_[cell].owner = -1;
}

// The step that led here was made already; the fiber sleeps from now on.
void Simulator::Sleep(Kind kind, const void* address, uint64_t nanos) {
  FiberState& fiber = me();
  fiber.next = {kind, address};
  fiber.deadline = nanos == kNever ? kNever : nanos_ + nanos;
  fiber.may_wake_early = config_->early_wake_odds > 0 &&
                         PickNumber(2, config_->early_wake_odds) != 0;
  fiber.status = FiberState::Status::kAsleep;
  GoOn();
}

void Simulator::Wake(const void* address, bool all) {
  uint32_t sleepers = 0;
  for (int i = 0; i < fiber_count_; ++i) {
    if (fibers_[i].status == FiberState::Status::kAsleep &&
        fibers_[i].next.address == address) {
      sleepers |= uint32_t{1} << i;
    }
  }
  if (sleepers == 0) return;
  auto count = static_cast<uint32_t>(std::popcount(sleepers));
  uint32_t chosen = all || count == 1 ? 0 : PickNumber(count, 0);
  for (uint32_t n = 0; sleepers != 0; ++n, sleepers &= sleepers - 1) {
    if (all || n == chosen) WakeUp(&fibers_[std::countr_zero(sleepers)]);
  }
}

// One that spins waits until what it looked at last has changed, or nobody
// else can run; then, or by choice, it is the one that gives up: it spins to
// the end of its patience without a step.
void Simulator::Pause() {
  FiberState& fiber = me();
  if (fiber.is_pausing_in_vain && ++fiber.looks_in_vain < kLooksInVain) return;
  bool has_lost_patience = fiber.is_pausing_in_vain;
  fiber.looks_in_vain = 0;
  fiber.is_pausing_in_vain = !has_lost_patience && PickNumber(2, 4) != 0;
  if (fiber.is_pausing_in_vain) return;
  CountStep();
  fiber.next = {Kind::kPause, nullptr};
  fiber.status = FiberState::Status::kPausing;
  ++pausing_;
  GoOn();
}

void Simulator::Fail(const std::string& failure) {
  failure_ = "fiber " + std::to_string(current_) + ", step " +
             std::to_string(steps_) + ": " + failure;
  if (traces_) std::fprintf(stderr, "%s\n", failure_.c_str());
  PublishTo(&host_);
  stacks_[static_cast<size_t>(current_)]->context()->SwitchTo(host_);
  PL_CHECK(false);
  std::abort();
}

uint32_t Simulator::PickNumber(uint32_t n, uint32_t odds) {
  uint32_t number = strategy_->PickNumber(n, odds);
  schedule_.choices.push_back(static_cast<uint8_t>(number));
  return number;
}

std::string Simulator::Describe(const void* address) const {
  if (address == nullptr) return "";
  std::string name = config_->describe ? config_->describe(address) : "";
  if (!name.empty()) return name;
  char text[32];
  std::snprintf(text, sizeof(text), "%p", address);
  return text;
}

std::string Simulator::WhoWaits() const {
  std::string text;
  for (int i = 0; i < fiber_count_; ++i) {
    const FiberState& fiber = fibers_[i];
    if (fiber.status == FiberState::Status::kDone) continue;
    text +=
        "\n  fiber " + std::to_string(i) + ' ' + NameOf(fiber.next.kind) + ' ';
    if (fiber.next.kind == Kind::kJoin) {
      text += "fiber " + std::to_string(fiber.join_target);
    } else {
      text += Describe(fiber.next.address);
    }
    if (fiber.next.kind == Kind::kLock) {
      text +=
          ", held by fiber " + std::to_string(cells_[fiber.lock_cell].owner);
    }
  }
  return text;
}

// --- simulator.h -----------------------------------------------------------

Outcome Simulate(const Config& config, Strategy* strategy,
                 const std::function<void()>& body) {
  return simulator.Run(config, strategy, body);
}

Schedule Shorten(const Schedule& schedule, int tries,
                 const std::function<bool(const Schedule&)>& fails) {
  Schedule best = schedule;
  for (size_t part = std::max<size_t>(best.choices.size() / 2, 1);; part /= 2) {
    for (size_t begin = 0; begin < best.choices.size(); begin += part) {
      size_t end = std::min(begin + part, best.choices.size());
      bool is_usual = std::all_of(
          best.choices.begin() + static_cast<ptrdiff_t>(begin),
          best.choices.begin() + static_cast<ptrdiff_t>(end),
          [](uint8_t choice) { return choice == Schedule::kUsual; });
      if (is_usual) continue;
      if (tries-- <= 0) return best;
      Schedule candidate = best;
      std::fill(candidate.choices.begin() + static_cast<ptrdiff_t>(begin),
                candidate.choices.begin() + static_cast<ptrdiff_t>(end),
                Schedule::kUsual);
      if (fails(candidate)) best = std::move(candidate);
    }
    if (part == 1) return best;
  }
}

void Fail(const std::string& failure) {
  Unseen unseen;
  simulator.Fail(failure);
}

void Touch(const void* address) {
  Unseen unseen;
  simulator.Step(Kind::kTouch, address);
}

int FiberNumber() { return simulator.current(); }
uint32_t StepNumber() { return simulator.steps(); }
uint64_t Nanos() { return simulator.nanos(); }

Moment Now() {
  Unseen unseen;
  auto fiber = static_cast<size_t>(simulator.current());
  return {simulator.current(), simulator.me().knowledge.clock[fiber]};
}

bool HappenedBefore(const Moment& moment) {
  Unseen unseen;
  if (moment.fiber < 0) return false;
  return simulator.me().knowledge.clock[static_cast<size_t>(moment.fiber)] >=
         moment.time;
}

Still::Still() { simulator.AddStill(1); }
Still::~Still() { simulator.AddStill(-1); }

}  // namespace paceline::sim
