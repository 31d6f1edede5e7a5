// CommitRun: threads that commit to a Committer over a target without log or
// memtables, in a simulation, and the rules that every such run must keep.

#pragma once

#include "test/support/sim/commit_scenario.h"
#include "test/support/sim/simulator.h"

namespace paceline::sim {

// Runs it once.
Outcome RunCommits(const Scenario& scenario, Config config, Strategy* strategy);

}  // namespace paceline::sim
