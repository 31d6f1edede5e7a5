// The commit protocol under the simulator of threads: WriteThread,
// CommitPipeline and Committer over a target that checks every step. Every run
// is decided by its seed; one that fails prints how to have it again (see
// test/support/sim/explore.h).

#include <cstdint>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "src/base/sanitizers.h"
#include "test/support/sim/commit_run.h"
#include "test/support/sim/explore.h"

namespace paceline {
namespace {

using sim::BoundedStrategy;
using sim::Config;
using sim::FullStrategy;
using sim::RunCommits;
using sim::Scenario;
using sim::Strategy;
using sim::Subject;
using Write = sim::Scenario::Write;

Subject SubjectOf(const Scenario& scenario) {
  return {[scenario] { return scenario.Text(); },
          [scenario](const Config& config, Strategy* strategy) {
            return RunCommits(scenario, config, strategy);
          }};
}

// --- Random runs -------------------------------------------------------------

void RunMany(const RunLimit& limit, const Config& config,
             const sim::MakeStrategy& make_strategy) {
  auto make_subject = [](uint64_t seed) {
    return SubjectOf(sim::RandomScenario(seed));
  };
  ExploreRandom(limit, config, make_subject, make_strategy);
}

TEST(SimSchedTest, NoOrderOfStepsBreaksARule) {
  RunMany(RunLimit(400'000, 10'000), {}, sim::AnyOrder);
}

TEST(SimSchedTest, NoFewPreemptionsBreakARule) {
  RunMany(RunLimit(400'000, 10'000), {}, sim::FewPreemptions(250));
}

// Loads return old values wherever the memory orders let them. Not what
// ThreadSanitizer sees, which knows the real memory only.
TEST(SimSchedTest, NoOldValueThatMemoryOrdersPermitBreaksARule) {
#if defined(PACELINE_TSAN)
  GTEST_SKIP() << "loads return what is not in memory";
#endif
  Config config;
  config.weak_memory = true;
  RunMany(RunLimit(200'000, 10'000), config, sim::AnyOrder);
}

// --- Every run of small configurations ---------------------------------------

struct Small {
  const char* name;
  Scenario scenario;
  // Few enough runs to make all of them, in seconds.
  bool is_complete = false;
};

Scenario TwoByTwo(const std::vector<Write>& first,
                  const std::vector<Write>& second) {
  Scenario scenario;
  scenario.writers = {first, second};
  return scenario;
}

Scenario ThreeByOne(const Write& first, const Write& second,
                    const Write& third) {
  Scenario scenario;
  scenario.writers = {{first}, {second}, {third}};
  return scenario;
}

std::vector<Small> SmallScenarios() {
  const Write plain;
  const Write synced{.sync = true};
  const Write unlogged{.disable_wal = true};
  const Write refused{.is_refused = true};
  const Write impatient{.no_slowdown = true};
  const Write large{.value_bytes = 70 << 10};
  std::vector<Small> all = {
      {"TwoByTwoPlain", TwoByTwo({plain, plain}, {plain, plain})},
      {"TwoByTwoSynced", TwoByTwo({synced, synced}, {synced, synced})},
      {"TwoByTwoMixed", TwoByTwo({synced, plain}, {plain, synced})},
      {"TwoByTwoUnlogged", TwoByTwo({unlogged, plain}, {plain, unlogged})},
      {"TwoByTwoLarge", TwoByTwo({large, plain}, {large, plain})},
      {"TwoByTwoFailingAppend", TwoByTwo({plain, plain}, {plain, plain})},
      {"TwoByTwoFailingSync", TwoByTwo({synced, plain}, {plain, synced})},
      {"TwoByTwoVisibleEarly", TwoByTwo({synced, plain}, {plain, synced})},
      {"ThreeByOnePlain", ThreeByOne(plain, plain, plain)},
      {"ThreeByOneSynced", ThreeByOne(synced, synced, synced)},
      {"ThreeByOneMixed", ThreeByOne(plain, synced, plain)},
      {"ThreeByOneRefused", ThreeByOne(plain, refused, synced)},
      {"ThreeByOneFailingSync", ThreeByOne(synced, plain, synced)},
      {"ThreeByOneStopped", ThreeByOne(plain, impatient, plain)},
      {"TwoByOneClosing", TwoByTwo({plain}, {synced})},
      {"TwoByOneExclusive", TwoByTwo({large}, {synced})},
  };
  for (Small& small : all) {
    std::string name = small.name;
    Scenario& scenario = small.scenario;
    scenario.has_own_time = true;
    if (name.ends_with("FailingAppend")) scenario.failing_append = 2;
    if (name.ends_with("FailingSync")) scenario.failing_sync = 1;
    scenario.visible_before_durable = name.ends_with("VisibleEarly");
    scenario.stops = name.ends_with("Stopped");
    scenario.closes = name.ends_with("Closing");
    if (name.ends_with("Exclusive")) scenario.exclusives = 1;
    small.is_complete = name == "TwoByTwoPlain" ||
                        name == "TwoByTwoFailingAppend" ||
                        name == "TwoByTwoFailingSync";
  }
  return all;
}

class SimSchedSmallTest : public ::testing::TestWithParam<Small> {
 protected:
  SimSchedSmallTest() { config_.processors = 1; }

  bool RunAll(Strategy* strategy, uint64_t runs_max) {
    return ExploreAll(SubjectOf(GetParam().scenario), config_, strategy,
                      runs_max);
  }

  Config config_;
};

// Two of three threads, three of two.
TEST_P(SimSchedSmallTest, NoTwoOrThreePreemptionsBreakARule) {
  config_.weak_failure_odds = 0;
  config_.early_wake_odds = 0;
  bool is_small = std::string(GetParam().name).starts_with("TwoByTwo");
  uint32_t preemptions_max = (is_small ? 3 : 2) - (kIsSanitized ? 1 : 0);
  BoundedStrategy strategy(preemptions_max, /*oddities_max=*/0);
  EXPECT_TRUE(RunAll(&strategy, 1'000'000));
}

TEST_P(SimSchedSmallTest, NoOddityWithOnePreemptionBreaksARule) {
  config_.processors = 2;  // Writers spin.
  BoundedStrategy strategy(/*preemptions_max=*/1, /*oddities_max=*/1);
  EXPECT_TRUE(RunAll(&strategy, 1'000'000));
}

// All there are of the smallest, and as many of the others as time permits.
TEST_P(SimSchedSmallTest, NoRunAtAllBreaksARule) {
  config_.weak_failure_odds = 0;
  config_.early_wake_odds = 0;
  FullStrategy strategy(/*oddities_max=*/0);
  bool must_be_all = GetParam().is_complete && !kIsSanitized;
  const uint64_t some = kIsSanitized ? 2'000 : 50'000;
  const uint64_t runs_max = must_be_all ? 5'000'000 : some;
  EXPECT_TRUE(RunAll(&strategy, runs_max) || !must_be_all);
}

INSTANTIATE_TEST_SUITE_P(Scenarios, SimSchedSmallTest,
                         ::testing::ValuesIn(SmallScenarios()),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace paceline
