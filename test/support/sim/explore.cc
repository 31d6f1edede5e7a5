#include "test/support/sim/explore.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "gtest/gtest.h"
#include "test/support/seed.h"

namespace paceline::sim {

namespace {

const char* GivenSchedule() { return std::getenv("PACELINE_SCHEDULE"); }

// The command that gives the run again, but for the schedule.
std::string Again(uint64_t seed) {
  const auto* info = ::testing::UnitTest::GetInstance()->current_test_info();
  return "PACELINE_SEED=" + std::to_string(seed) + ' ' +
         program_invocation_short_name +
         " --gtest_filter=" + info->test_suite_name() + '.' + info->name();
}

// Tells what went wrong, how to have it again, and a shorter way to it.
std::string Report(const Outcome& outcome, const Subject& subject,
                   const Config& config) {
  std::string text = outcome.failure + '\n' + subject.text() +
                     "\nPACELINE_SCHEDULE='" + outcome.schedule.Text() + "' " +
                     config.again + '\n';
  // At once: a run of the search below may end in a crash.
  std::printf("%s", text.c_str());
  std::fflush(stdout);
  auto run = [&](const Schedule& schedule) {
    ReplayStrategy replay(schedule);
    return subject.run(config, &replay).failure;
  };
  Schedule shorter = Shorten(
      outcome.schedule, 300,
      [&run](const Schedule& schedule) { return !run(schedule).empty(); });
  return text + "shorter:\nPACELINE_SCHEDULE='" + shorter.Text() + "' " +
         config.again + "\n  which gives: " + run(shorter);
}

}  // namespace

void ExploreRandom(const RunLimit& limit, Config config,
                   const MakeSubject& make_subject,
                   const MakeStrategy& make_strategy) {
  uint64_t steps = 0;
  uint64_t runs = 0;
  do {
    const uint64_t seed = TestSeed() + runs;
    const Subject subject = make_subject(seed);
    config.processors = 1 + static_cast<int>(seed % 3);
    config.again = Again(seed);
    std::unique_ptr<Strategy> strategy;
    if (GivenSchedule() != nullptr) {
      strategy =
          std::make_unique<ReplayStrategy>(Schedule::Parse(GivenSchedule()));
    } else {
      strategy = make_strategy(seed);
    }
    Outcome outcome = subject.run(config, strategy.get());
    ++runs;
    steps += outcome.steps;
    if (!outcome.failure.empty()) FAIL() << Report(outcome, subject, config);
  } while (GivenSchedule() == nullptr && !limit.IsReached(runs));
  ReportCoverage(runs, "schedules");
  ReportCoverage(steps, "steps");
}

bool ExploreAll(const Subject& subject, Config config, Strategy* strategy,
                uint64_t runs_max) {
  config.again = Again(0);
  if (GivenSchedule() != nullptr) {
    ReplayStrategy replay(Schedule::Parse(GivenSchedule()));
    EXPECT_EQ(subject.run(config, &replay).failure, "");
    return true;
  }
  uint64_t runs = 0;
  bool is_all = false;
  while (runs < runs_max && !is_all) {
    Outcome outcome = subject.run(config, strategy);
    ++runs;
    if (!outcome.failure.empty()) {
      ADD_FAILURE() << Report(outcome, subject, config);
      return false;
    }
    is_all = !strategy->End();
  }
  ReportCoverage(runs, "schedules");
  if (is_all) std::printf("which are all there are\n");
  return is_all;
}

std::unique_ptr<Strategy> AnyOrder(uint64_t seed) {
  auto stickiness = static_cast<uint32_t>(seed % 4 * (seed % 4));
  return std::make_unique<RandomStrategy>(seed, stickiness);
}

MakeStrategy FewPreemptions(uint32_t steps) {
  return [steps](uint64_t seed) {
    const int depth = 2 + static_cast<int>(seed % 3);
    return std::make_unique<PctStrategy>(seed, depth, steps);
  };
}

}  // namespace paceline::sim
