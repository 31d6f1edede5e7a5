// Explores the runs of a simulation: random ones, and all within bounds. A run
// that fails is told with how to have it again, in the variables of the
// environment
//
//   PACELINE_SEED=<n>              the first run has this seed
//   PACELINE_SCHEDULE=<choices>    only one run, along these choices
//   PACELINE_SIM_TRACE=1           prints every step
//
// How many random runs there are is set as in test/support/effort.h.

#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "test/support/effort.h"
#include "test/support/sim/simulator.h"

namespace paceline::sim {

// What is simulated. Each call of `run` is a run of its own.
struct Subject {
  std::function<std::string()> text;  // Says what it is, in messages.
  std::function<Outcome(const Config&, Strategy*)> run;
};

using MakeSubject = std::function<Subject(uint64_t seed)>;
using MakeStrategy = std::function<std::unique_ptr<Strategy>(uint64_t seed)>;

// Runs subjects with seeds from TestSeed() on, each with the strategy of its
// seed, until the limit. The running test fails at the first one that does.
void ExploreRandom(const RunLimit& limit, Config config,
                   const MakeSubject& make_subject,
                   const MakeStrategy& make_strategy);

// Makes runs until the strategy has no more, or `runs_max`. True: that was all
// of them. The running test fails at the first run that does.
bool ExploreAll(const Subject& subject, Config config, Strategy* strategy,
                uint64_t runs_max);

// Every order of steps, with threads that are more or less persevering.
std::unique_ptr<Strategy> AnyOrder(uint64_t seed);

// One to three changes of who runs, at any of the first `steps` steps.
MakeStrategy FewPreemptions(uint32_t steps);

}  // namespace paceline::sim
