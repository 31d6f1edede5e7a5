// The commit protocol under the simulator of threads: WriteThread,
// CommitPipeline and Committer over a target that checks every step. Every run
// is decided by its seed; one that fails prints how to have it again, in the
// variables of the environment
//
//   PACELINE_SEED=<n>              the first run has this seed
//   PACELINE_SCHEDULE=<choices>    only one run, along these choices
//   PACELINE_SIM_TRACE=1           prints every step
//
// How many random runs there are is set as in test/support/effort.h.

#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "test/support/effort.h"
#include "test/support/seed.h"
#include "test/support/sim/commit_run.h"

namespace paceline {
namespace {

using sim::BoundedStrategy;
using sim::Config;
using sim::FullStrategy;
using sim::Outcome;
using sim::PctStrategy;
using sim::RandomStrategy;
using sim::ReplayStrategy;
using sim::RunCommits;
using sim::Scenario;
using sim::Schedule;
using sim::Strategy;
using Write = sim::Scenario::Write;

const char* GivenSchedule() { return std::getenv("PACELINE_SCHEDULE"); }

// The command that gives the run again, but for the schedule.
std::string Again(uint64_t seed) {
  const auto* info = ::testing::UnitTest::GetInstance()->current_test_info();
  return "PACELINE_SEED=" + std::to_string(seed) +
         " sim_sched_test --gtest_filter=" + info->test_suite_name() + '.' +
         info->name();
}

// Tells what went wrong, how to have it again, and a shorter way to it.
std::string Report(const Outcome& outcome, const Scenario& scenario,
                   const Config& config) {
  std::string text = outcome.failure + '\n' + scenario.Text() +
                     "\nPACELINE_SCHEDULE='" + outcome.schedule.Text() + "' " +
                     config.again + '\n';
  // At once: a run of the search below may end in a crash.
  std::printf("%s", text.c_str());
  std::fflush(stdout);
  auto run = [&](const Schedule& schedule) {
    ReplayStrategy replay(schedule);
    return RunCommits(scenario, config, &replay).failure;
  };
  Schedule shorter = sim::Shorten(
      outcome.schedule, 300,
      [&run](const Schedule& schedule) { return !run(schedule).empty(); });
  return text + "shorter:\nPACELINE_SCHEDULE='" + shorter.Text() + "' " +
         config.again + "\n  which gives: " + run(shorter);
}

// --- Random runs -------------------------------------------------------------

// Runs random scenarios with seeds from TestSeed() on, each with the strategy
// that `make_strategy` gives for its seed.
template <typename MakeStrategy>
void RunMany(const RunLimit& limit, Config config, MakeStrategy make_strategy) {
  uint64_t steps = 0;
  uint64_t runs = 0;
  do {
    const uint64_t seed = TestSeed() + runs;
    Scenario scenario = sim::RandomScenario(seed);
    config.processors = 1 + static_cast<int>(seed % 3);
    config.again = Again(seed);
    std::unique_ptr<Strategy> strategy;
    if (GivenSchedule() != nullptr) {
      strategy =
          std::make_unique<ReplayStrategy>(Schedule::Parse(GivenSchedule()));
    } else {
      strategy = make_strategy(seed);
    }
    Outcome outcome = RunCommits(scenario, config, strategy.get());
    ++runs;
    steps += outcome.steps;
    if (!outcome.failure.empty()) FAIL() << Report(outcome, scenario, config);
  } while (GivenSchedule() == nullptr && !limit.IsReached(runs));
  ReportCoverage(runs, "schedules");
  ReportCoverage(steps, "steps");
}

std::unique_ptr<Strategy> AnyOrder(uint64_t seed) {
  auto stickiness = static_cast<uint32_t>(seed % 4 * (seed % 4));
  return std::make_unique<RandomStrategy>(seed, stickiness);
}

std::unique_ptr<Strategy> FewPreemptions(uint64_t seed) {
  return std::make_unique<PctStrategy>(seed, 2 + static_cast<int>(seed % 3),
                                       250);
}

TEST(SimSchedTest, NoOrderOfStepsBreaksARule) {
  RunMany(RunLimit(400'000, 10'000), {}, AnyOrder);
}

TEST(SimSchedTest, NoFewPreemptionsBreakARule) {
  RunMany(RunLimit(400'000, 10'000), {}, FewPreemptions);
}

// Loads return old values wherever the memory orders let them. Not what
// ThreadSanitizer sees, which knows the real memory only.
TEST(SimSchedTest, NoOldValueThatMemoryOrdersPermitBreaksARule) {
#if PACELINE_SIM_TSAN
  GTEST_SKIP() << "loads return what is not in memory";
#endif
  Config config;
  config.weak_memory = true;
  RunMany(RunLimit(200'000, 10'000), config, AnyOrder);
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
  SimSchedSmallTest() {
    config_.processors = 1;
    config_.again = Again(0);
  }

  // Makes runs until the strategy has no more, or `runs_max`. True: that was
  // all of them.
  bool RunAll(Strategy* strategy, uint64_t runs_max) {
    const Scenario& scenario = GetParam().scenario;
    if (GivenSchedule() != nullptr) {
      ReplayStrategy replay(Schedule::Parse(GivenSchedule()));
      Outcome outcome = RunCommits(scenario, config_, &replay);
      EXPECT_EQ(outcome.failure, "");
      return true;
    }
    uint64_t runs = 0;
    bool is_all = false;
    while (runs < runs_max && !is_all) {
      Outcome outcome = RunCommits(scenario, config_, strategy);
      ++runs;
      if (!outcome.failure.empty()) {
        ADD_FAILURE() << Report(outcome, scenario, config_);
        return false;
      }
      is_all = !strategy->End();
    }
    ReportCoverage(runs, "schedules");
    if (is_all) std::printf("which are all there are\n");
    return is_all;
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
