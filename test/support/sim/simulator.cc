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
#include "src/base/sync.h"

namespace paceline::sim {

namespace {

using Kind = Operation::Kind;

// Lives in every Cell until its end.
constexpr uint32_t kAlive = 0x5EA11FE5;
constexpr uint32_t kDead = 0xDEADCE11;

// Old stores that a load can still return, at most.
constexpr size_t kStaleMax = 4;

// How often one that gives up looks before it lets the others go on all the
// same. More than any loop that spins for a while before it sleeps.
constexpr int kLooksInVain = 1'000;

constexpr uint64_t kNever = ~uint64_t{0};
constexpr uint64_t kNanosPerStep = 100;

// What a fiber knows: how far the histories of the others have happened
// before, and of each cell the oldest store that it may still read.
struct Knowledge {
  std::array<uint32_t, kFibersMax> clock = {};
  std::vector<uint32_t> oldest;

  void Clear() {
    clock.fill(0);
    oldest.clear();
  }
  void Join(const Knowledge& other) {
    for (size_t i = 0; i < clock.size(); ++i) {
      clock[i] = std::max(clock[i], other.clock[i]);
    }
    if (oldest.size() < other.oldest.size()) {
      oldest.resize(other.oldest.size());
    }
    for (size_t i = 0; i < other.oldest.size(); ++i) {
      oldest[i] = std::max(oldest[i], other.oldest[i]);
    }
  }
  [[nodiscard]] uint32_t OldestOf(uint32_t cell) const {
    return cell < oldest.size() ? oldest[cell] : 0;
  }
  void Raise(uint32_t cell, uint32_t store) {
    if (cell >= oldest.size()) oldest.resize(cell + 1);
    oldest[cell] = std::max(oldest[cell], store);
  }
};

// One store, and what an acquiring load of it learns.
struct Message {
  uint64_t bits = 0;
  Knowledge knowledge;
};

struct CellState {
  // The stores, oldest first; only the newest one without weak memory.
  std::vector<Message> messages;
  size_t count = 0;
  int owner = -1;  // Of a mutex.

  Message* Append(uint64_t bits) {
    if (count == messages.size()) messages.emplace_back();
    Message* message = &messages[count++];
    message->bits = bits;
    message->knowledge.Clear();
    return message;
  }
  Message& newest() { return messages[count - 1]; }
};

struct FiberState {
  enum class Status : uint8_t { kReady, kAsleep, kPausing, kDone };

  Status status = Status::kDone;
  Operation next;
  // Of one that sleeps: when its time is up, and whether it may wake before,
  // or without a notification.
  uint64_t deadline = kNever;
  bool may_wake_early = false;
  // Which fiber a kJoin waits for; which cell a kLock wants.
  int join_target = -1;
  uint32_t lock_cell = 0;
  // The variable that was loaded last, for loops that wait for it to change.
  uint32_t loaded_cell = 0;
  bool is_pausing_in_vain = false;
  int looks_in_vain = 0;
  Knowledge knowledge;
  std::function<void()> body;
};

bool Acquires(std::memory_order order) {
  return order == std::memory_order_acquire ||
         order == std::memory_order_acq_rel ||
         order == std::memory_order_consume ||
         order == std::memory_order_seq_cst;
}

bool Releases(std::memory_order order) {
  return order == std::memory_order_release ||
         order == std::memory_order_acq_rel ||
         order == std::memory_order_seq_cst;
}

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

class Simulator {
 public:
  Outcome Run(const Config& config, Strategy* strategy,
              const std::function<void()>& body);

  [[nodiscard]] bool is_running() const { return is_running_; }
  // False also while a Still lives.
  [[nodiscard]] bool takes_steps() const { return is_running_ && still_ == 0; }
  [[nodiscard]] uint32_t run() const { return run_; }
  void AddStill(int n) { still_ += n; }

  // --- What fibers do ---

  int Start(std::function<void()> body);
  void Join(int fiber);
  void Step(Kind kind, const void* address);
  void Lock(uint32_t cell, const void* address);
  void Unlock(uint32_t cell, const void* address);
  void Sleep(Kind kind, const void* address, uint64_t nanos);
  void Wake(const void* address, bool all);
  void Pause();
  [[noreturn]] void Fail(const std::string& failure);
  uint32_t PickNumber(uint32_t n, uint32_t odds);

  // --- Memory ---

  uint32_t AddCell(uint64_t bits);
  bool SkipsStep(uint32_t cell) const;
  bool Load(uint32_t cell, std::memory_order order, uint64_t* bits);
  void Store(uint32_t cell, std::memory_order order, uint64_t bits);
  void Update(uint32_t cell, std::memory_order order, uint64_t bits);
  void ReadNewest(uint32_t cell, std::memory_order order);

  [[nodiscard]] const Config& config() const { return *config_; }
  FiberState& me() { return fibers_[current_]; }
  [[nodiscard]] int current() const { return current_; }
  [[nodiscard]] uint32_t steps() const { return steps_; }
  [[nodiscard]] uint64_t nanos() const { return nanos_; }
  const Schedule& schedule() const { return schedule_; }

 private:
  void Body(int number);
  [[nodiscard]] bool CanRun(const FiberState& fiber) const;
  void FillCrossroads(Crossroads* at);
  void CountStep();
  // Chooses who goes on, and changes to it.
  void GoOn();
  void WakeUp(FiberState* fiber);
  void Changed(uint32_t cell);
  void Learned(std::memory_order order, const Message& message);
  [[nodiscard]] std::string Describe(const void* address) const;
  [[nodiscard]] std::string WhoWaits() const;
  void Trace() const;

  const Config* config_ = nullptr;
  Strategy* strategy_ = nullptr;
  bool is_running_ = false;
  int still_ = 0;
  uint32_t run_ = 0;
  uint32_t steps_ = 0;
  uint64_t nanos_ = 0;
  int current_ = 0;
  int fiber_count_ = 0;
  int pausing_ = 0;
  FiberState fibers_[kFibersMax];
  Operation next_[kFibersMax];
  std::vector<CellState> cells_;
  uint32_t cell_count_ = 0;
  Schedule schedule_;
  std::string failure_;
  const bool traces_ = std::getenv("PACELINE_SIM_TRACE") != nullptr;

  // Kept from run to run.
  std::array<std::unique_ptr<Fiber>, kFibersMax> stacks_;
  Context* host_ = nullptr;
};

Simulator simulator;

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
#if !PACELINE_SIM_ASAN && !PACELINE_SIM_TSAN
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

bool Simulator::SkipsStep(uint32_t cell) const {
  const FiberState& fiber = fibers_[current_];
  return fiber.is_pausing_in_vain && fiber.loaded_cell == cell;
}

void Simulator::Changed(uint32_t cell) {
  if (pausing_ == 0) return;
  for (int i = 0; i < fiber_count_; ++i) {
    FiberState& fiber = fibers_[i];
    if (fiber.status == FiberState::Status::kPausing &&
        fiber.loaded_cell == cell) {
      WakeUp(&fiber);
    }
  }
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

uint32_t Simulator::AddCell(uint64_t bits) {
  if (cell_count_ == cells_.size()) cells_.emplace_back();
  CellState& cell = cells_[cell_count_];
  cell.count = 0;
  cell.owner = -1;
  cell.Append(bits);
  return cell_count_++;
}

void Simulator::Learned(std::memory_order order, const Message& message) {
  if (Acquires(order)) me().knowledge.Join(message.knowledge);
}

bool Simulator::Load(uint32_t cell, std::memory_order order, uint64_t* bits) {
  CellState& state = cells_[cell];
  size_t store = state.count - 1;
  if (config_->weak_memory && order != std::memory_order_seq_cst &&
      !SkipsStep(cell)) {
    size_t oldest = std::max<size_t>(me().knowledge.OldestOf(cell),
                                     store - std::min(store, kStaleMax - 1));
    if (oldest < store) {
      store -= PickNumber(static_cast<uint32_t>(store - oldest + 1), 3);
    }
  }
  if (config_->weak_memory) {
    me().knowledge.Raise(cell, static_cast<uint32_t>(store));
  }
  me().loaded_cell = cell;
  Learned(order, state.messages[store]);
  if (store == state.count - 1) return false;
  *bits = state.messages[store].bits;
  return true;
}

void Simulator::ReadNewest(uint32_t cell, std::memory_order order) {
  CellState& state = cells_[cell];
  if (config_->weak_memory) {
    me().knowledge.Raise(cell, static_cast<uint32_t>(state.count - 1));
  }
  Learned(order, state.newest());
}

void Simulator::Store(uint32_t cell, std::memory_order order, uint64_t bits) {
  CellState& state = cells_[cell];
  if (!config_->weak_memory) state.count = 0;
  Message* message = state.Append(bits);
  if (config_->weak_memory) {
    me().knowledge.Raise(cell, static_cast<uint32_t>(state.count - 1));
  }
  if (Releases(order)) {
    message->knowledge.Join(me().knowledge);
    ++me().knowledge.clock[static_cast<size_t>(current_)];
  }
  Changed(cell);
}

// Reads the newest store and continues its release sequence.
void Simulator::Update(uint32_t cell, std::memory_order order, uint64_t bits) {
  ReadNewest(cell, order);
  CellState& state = cells_[cell];
  if (config_->weak_memory) {
    Message* message = state.Append(bits);
    message->knowledge.Join(state.messages[state.count - 2].knowledge);
    me().knowledge.Raise(cell, static_cast<uint32_t>(state.count - 1));
  } else {
    state.newest().bits = bits;
  }
  if (Releases(order)) {
    state.newest().knowledge.Join(me().knowledge);
    ++me().knowledge.clock[static_cast<size_t>(current_)];
  }
  Changed(cell);
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

}  // namespace

// --- sim_sync.h ------------------------------------------------------------

Cell::Cell(uint64_t bits) : mark_(kAlive), first_bits_(bits) {
  if (!simulator.is_running()) return;
  Unseen unseen;
  run_ = simulator.run();
  index_ = simulator.AddCell(bits);
}

Cell::~Cell() { mark_ = kDead; }

uint32_t Cell::index() const { return index_; }

bool Cell::MustReset() const {
  if (!simulator.is_running()) return false;
  Unseen unseen;
  if (mark_ != kAlive) {
    simulator.Fail(mark_ == kDead ? "uses an object after its end"
                                  : "uses memory that holds no object");
  }
  if (run_ == simulator.run()) return false;
  run_ = simulator.run();
  index_ = simulator.AddCell(first_bits_);
  return true;
}

bool Cell::BeforeLoad(std::memory_order order, uint64_t* bits) const {
  if (!simulator.takes_steps()) return false;
  Unseen unseen;
  if (!simulator.SkipsStep(index_)) {
    simulator.me().is_pausing_in_vain = false;
    simulator.Step(Kind::kLoad, this);
    MustReset();
  }
  return simulator.Load(index_, order, bits);
}

void Cell::BeforeStore(std::memory_order order, uint64_t bits) {
  if (!simulator.is_running()) return;
  Unseen unseen;
  if (simulator.takes_steps()) {
    simulator.me().is_pausing_in_vain = false;
    simulator.Step(Kind::kStore, this);
    MustReset();
  }
  simulator.Store(index_, order, bits);
}

void Cell::BeforeUpdate() {
  if (!simulator.takes_steps()) return;
  Unseen unseen;
  simulator.me().is_pausing_in_vain = false;
  simulator.Step(Kind::kUpdate, this);
  MustReset();
}

void Cell::AfterUpdate(std::memory_order order, uint64_t bits) {
  if (!simulator.is_running()) return;
  Unseen unseen;
  simulator.Update(index_, order, bits);
}

void Cell::AfterFailedUpdate(std::memory_order order) const {
  if (!simulator.takes_steps()) return;
  Unseen unseen;
  simulator.ReadNewest(index_, order);
}

bool Cell::FailsWithoutReason() const {
  if (!simulator.takes_steps()) return false;
  Unseen unseen;
  uint32_t odds = simulator.config().weak_failure_odds;
  return odds > 0 && simulator.PickNumber(2, odds) != 0;
}

int StartFiber(std::function<void()> body) {
  Unseen unseen;
  return simulator.Start(std::move(body));
}

void JoinFiber(int fiber) {
  Unseen unseen;
  simulator.Join(fiber);
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

// --- sync.h ----------------------------------------------------------------

namespace paceline {

using sim::simulator;
using sim::Unseen;
using Kind = sim::Operation::Kind;

void Mutex::Lock() {
  cell_.MustReset();
  if (!simulator.takes_steps()) return;
  Unseen unseen;
  simulator.Lock(cell_.index(), this);
}

void Mutex::Unlock() {
  cell_.MustReset();
  if (!simulator.takes_steps()) return;
  Unseen unseen;
  simulator.Unlock(cell_.index(), this);
}

void CondVar::Wait(Mutex* mutex) { WaitUntil(mutex, sim::kNever); }

void CondVar::WaitFor(Mutex* mutex, uint64_t nanos) { WaitUntil(mutex, nanos); }

void CondVar::WaitUntil(Mutex* mutex, uint64_t nanos) {
  PL_CHECK(simulator.takes_steps());
  Unseen unseen;
  simulator.Step(Kind::kWait, &address_);
  simulator.Unlock(mutex->cell_.index(), mutex);
  simulator.Sleep(Kind::kWait, &address_, nanos);
  simulator.Lock(mutex->cell_.index(), mutex);
}

void CondVar::NotifyOne() {
  if (!simulator.takes_steps()) return;
  Unseen unseen;
  simulator.Step(Kind::kNotify, &address_);
  simulator.Wake(&address_, /*all=*/false);
}

void CondVar::NotifyAll() {
  if (!simulator.takes_steps()) return;
  Unseen unseen;
  simulator.Step(Kind::kNotify, &address_);
  simulator.Wake(&address_, /*all=*/true);
}

void FutexWait(const Atomic<uint32_t>* word, uint32_t expected) {
  FutexWaitFor(word, expected, sim::kNever);
}

// The system compares with the newest value, whatever this fiber has seen.
void FutexWaitFor(const Atomic<uint32_t>* word, uint32_t expected,
                  uint64_t nanos) {
  PL_CHECK(simulator.takes_steps());
  Unseen unseen;
  simulator.Step(Kind::kSleep, word);
  bool is_expected;
  {
    sim::Still still;
    is_expected = word->load(std::memory_order_relaxed) == expected;
  }
  if (is_expected) simulator.Sleep(Kind::kSleep, word, nanos);
}

void FutexWakeOne(const Atomic<uint32_t>* word) {
  if (!simulator.takes_steps()) return;
  Unseen unseen;
  simulator.Step(Kind::kWake, word);
  simulator.Wake(word, /*all=*/false);
}

void SpinPause() {
  if (!simulator.takes_steps()) return;
  Unseen unseen;
  simulator.Pause();
}

int ProcessorCount() {
  return simulator.is_running() ? simulator.config().processors : 1;
}

uint32_t ThreadOrdinal() { return static_cast<uint32_t>(simulator.current()); }

}  // namespace paceline
