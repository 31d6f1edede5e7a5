// The simulator behind src/base/sim_sync.h: runs threads as fibers, one step at
// a time, in an order that a Strategy chooses.
//
// Before every access to an Atomic, every lock, wait and notification, any
// other fiber may go first. Besides, weak exchanges fail, sleepers wake up
// without cause and timed waits end early; and with `weak_memory` a load that
// is not seq_cst may return any store that is not ordered before it. Weak
// memory is that of release and acquire views (Kang and others, 2017) without
// promises; stores become visible in one order for each variable, the order in
// which they ran.
//
// A run fails if every fiber waits (what each waits for is told), if it takes
// too many steps, if an Atomic or Mutex is used after its end, or if the code
// under test calls Fail().

#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>

#include "test/support/sim/fiber.h"
#include "test/support/sim/strategy.h"

namespace paceline::sim {

struct Config {
  // What ProcessorCount() says.
  int processors = 2;
  bool weak_memory = false;
  uint32_t steps_max = 40'000;
  // One in so many; 0: never.
  uint32_t weak_failure_odds = 10;
  uint32_t early_wake_odds = 12;
  // Between steps, in the fiber that made the last one.
  std::function<void()> observer = nullptr;
  // Told if the run ends in a crash: how to have it again.
  std::string again = {};
  // Says what is at an address, for messages.
  std::function<std::string(const void*)> describe = nullptr;
};

struct Outcome {
  std::string failure;  // Empty: none.
  Schedule schedule;    // What was chosen.
  uint32_t steps = 0;
};

// Runs `body` as the first fiber until it and all that it started have ended,
// or until a failure: then the fibers are left as they are, and what they hold
// is not given back.
Outcome Simulate(const Config& config, Strategy* strategy,
                 const std::function<void()>& body);

// A shorter schedule that fails as well, if there is one: fewer choices that
// are not the usual ones. Tries `tries` of them.
Schedule Shorten(const Schedule& schedule, int tries,
                 const std::function<bool(const Schedule&)>& fails);

// --- For the code in a run -------------------------------------------------

// Ends the run.
[[noreturn]] void Fail(const std::string& failure);

// Others may run first. What follows concerns what `address` stands for.
void Touch(const void* address);

// Numbers of fibers and of steps in this run, from 0.
int FiberNumber();
uint32_t StepNumber();

// Time goes on with the steps, and is pushed by timed waits that end.
uint64_t Nanos();

// A point of one fiber's history.
struct Moment {
  int fiber = -1;
  uint32_t time = 0;
};
// The current one.
Moment Now();
// Whether the current fiber must know of it, by locks and by the orders of
// atomic accesses. That no run has gone wrong is luck if it need not.
bool HappenedBefore(const Moment& moment);

// While one lives, accesses are no steps and nobody else runs. For looking at
// things between steps, and for making what a run begins with. Loads see the
// newest value.
class Still {
 public:
  Still();
  ~Still();
  Still(const Still&) = delete;
  Still& operator=(const Still&) = delete;

 private:
  Unseen unseen_;
};

}  // namespace paceline::sim
