// What src/base/sim_sync.h and src/base/sync.h declare, in a simulation.

#include <functional>
#include <utility>

#include "src/base/check.h"
#include "src/base/sync.h"
#include "test/support/sim/simulator_core.h"

namespace paceline::sim {

namespace {

using Kind = Operation::Kind;

// Lives in every Cell until its end.
constexpr uint32_t kAlive = 0x5EA11FE5;
constexpr uint32_t kDead = 0xDEADCE11;

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
