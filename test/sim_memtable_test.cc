// What readers of a memtable see beside its writers, under the simulator of
// threads: EntryTree, MemTable with its range tombstones, and Arena. Every run
// is decided by its seed; one that fails prints how to have it again (see
// test/support/sim/explore.h).

#include <cstdint>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "src/base/sanitizers.h"
#include "test/support/awkward_keys.h"
#include "test/support/sim/explore.h"
#include "test/support/sim/memtable_run.h"
#include "test/support/sim/tree_run.h"

namespace paceline {
namespace {

using sim::BoundedStrategy;
using sim::Config;
using sim::Strategy;
using sim::Subject;
using sim::TreeScenario;
using Move = TreeScenario::Move;

Config WeakMemory() {
  Config config;
  config.weak_memory = true;
  return config;
}

Subject SubjectOf(const TreeScenario& scenario) {
  return {[scenario] { return scenario.Text(); },
          [scenario](const Config& config, Strategy* strategy) {
            return RunTree(scenario, config, strategy);
          }};
}

// --- Random runs -------------------------------------------------------------

Subject RandomTree(uint64_t seed) {
  return SubjectOf(sim::RandomTreeScenario(seed));
}

Subject RandomMemTable(uint64_t seed) {
  auto scenario = sim::RandomMemTableScenario(seed);
  return {[scenario] { return scenario.Text(); },
          [scenario](const Config& config, Strategy* strategy) {
            return RunMemTable(scenario, config, strategy);
          }};
}

Subject RandomArena(uint64_t seed) {
  auto scenario = sim::RandomArenaScenario(seed);
  return {[scenario] { return scenario.Text(); },
          [scenario](const Config& config, Strategy* strategy) {
            return RunArena(scenario, config, strategy);
          }};
}

TEST(SimMemTableTest, NoOrderOfStepsLeadsAWalkPastAnEntry) {
  ExploreRandom(RunLimit(30'000, 2'000), {}, RandomTree, sim::AnyOrder);
}

TEST(SimMemTableTest, NoFewPreemptionsLeadAWalkPastAnEntry) {
  ExploreRandom(RunLimit(30'000, 2'000), {}, RandomTree,
                sim::FewPreemptions(300));
}

TEST(SimMemTableTest, NoOrderOfStepsHidesWhatIsVisible) {
  ExploreRandom(RunLimit(10'000, 1'000), {}, RandomMemTable, sim::AnyOrder);
}

TEST(SimMemTableTest, NoFewPreemptionsHideWhatIsVisible) {
  ExploreRandom(RunLimit(10'000, 1'000), {}, RandomMemTable,
                sim::FewPreemptions(600));
}

TEST(SimMemTableTest, NoOrderOfStepsGivesOnePieceOfAnArenaTwice) {
  ExploreRandom(RunLimit(8'000, 1'000), {}, RandomArena, sim::AnyOrder);
}

#if !defined(PACELINE_TSAN)
// Loads return old values wherever the memory orders let them. Not what
// ThreadSanitizer sees, which knows the real memory only.

TEST(SimMemTableTest, NoOldValueLeadsAWalkPastAnEntry) {
  ExploreRandom(RunLimit(20'000, 1'000), WeakMemory(), RandomTree,
                sim::AnyOrder);
}

TEST(SimMemTableTest, NoOldValueHidesWhatIsVisible) {
  ExploreRandom(RunLimit(5'000, 500), WeakMemory(), RandomMemTable,
                sim::AnyOrder);
}

TEST(SimMemTableTest, NoOldValueGivesOnePieceOfAnArenaTwice) {
  ExploreRandom(RunLimit(10'000, 500), WeakMemory(), RandomArena,
                sim::AnyOrder);
}
#endif

// --- Every run of small configurations ---------------------------------------

struct Small {
  const char* name;
  std::vector<size_t> before;
  std::vector<std::vector<size_t>> writers;
  std::vector<Move> moves;
};

constexpr Move kFirst{Move::Kind::kFirst, 0};
constexpr Move kLast{Move::Kind::kLast, 0};
constexpr Move kNext{Move::Kind::kNext, 0};
constexpr Move kPrev{Move::Kind::kPrev, 0};

constexpr Move Seek(size_t rank) { return {Move::Kind::kSeek, rank}; }
constexpr Move SeekForPrev(size_t rank) {
  return {Move::Kind::kSeekForPrev, rank};
}

// A leaf has four slots here, and so has a node above.
std::vector<Small> SmallScenarios() {
  return {
      {"WalkUpBesideInserts", {0, 3}, {{1, 2}}, {kFirst, kNext, kNext, kNext}},
      {"WalkDownBesideInserts", {0, 3}, {{1, 2}}, {kLast, kPrev, kPrev, kPrev}},
      {"WalkUpBesideASplit",
       {0, 1, 3, 4},
       {{2}},
       {kFirst, kNext, kNext, kNext, kNext}},
      {"WalkDownBesideASplit",
       {0, 1, 3, 4},
       {{2}},
       {kLast, kPrev, kPrev, kPrev, kPrev}},
      // The right neighbour that the split links begins in front of the cursor.
      {"NextAtTheEndOfALeafThatIsSplit", {0, 1, 2, 4}, {{3}}, {kLast, kNext}},
      {"NextIntoANeighbourBesideASplit",
       {0, 1, 2, 4, 5, 6},
       {{3}},
       {Seek(4), kNext, kNext}},
      // Slots that were given up are used again while one of them is read.
      {"PrevWhereSlotsAreUsedAgain",
       {0, 2, 4, 5},
       {{1, 3}},
       {kLast, kPrev, kPrev, kPrev}},
      {"AscendingInsertsBesideItsEnd",
       {0, 1, 2},
       {{3, 4, 5}},
       {kLast, kPrev, kNext, kNext, kNext}},
      {"DescendingInsertsBesideItsBegin",
       {3, 4, 5},
       {{2, 1, 0}},
       {kFirst, kNext, kPrev, kPrev, kPrev}},
      {"SearchesBesideASplit",
       {0, 2, 4, 6},
       {{3, 5}},
       {Seek(3), SeekForPrev(3), Seek(6), SeekForPrev(5)}},
      // Three leaves below a root that has room for one more.
      {"SplitBelowARoot",
       {0, 1, 2, 3, 4, 5, 7, 8, 9, 10},
       {{6}},
       {Seek(8), kPrev, kPrev, SeekForPrev(9), kNext}},
      // Four full leaves: the root is split as well, and the tree grows.
      {"TheTreeGrows",
       {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 15, 16},
       {{13}},
       {Seek(14), kPrev, SeekForPrev(16), kPrev, Seek(9)}},
      {"FirstEntries", {}, {{1}, {0}}, {kFirst, kLast, kPrev}},
      {"TwoWritersInALeaf", {1, 4}, {{0, 2}, {3}}, {}},
      {"TwoWritersSplitALeaf", {1, 3, 5}, {{2}, {4}}, {}},
      {"TwoWritersAtTheEnd", {0, 1, 2}, {{3, 5}, {4}}, {}},
      // The new last leaf is full before there is a node above it.
      {"TwoWritersWhileTheTreeGrows", {0, 1, 2, 3}, {{4}, {5, 6, 7, 8}}, {}},
      {"TwoWritersOfOneEntry", {0, 1, 4}, {{2, 3}, {3, 2}}, {}},
  };
}

class SimMemTableSmallTest : public ::testing::TestWithParam<Small> {
 protected:
  // Without a choice but who runs.
  SimMemTableSmallTest() {
    config_.processors = 1;
    config_.weak_failure_odds = 0;
    config_.early_wake_odds = 0;
  }

  void ExploreEveryOrder(uint32_t preemptions_max, uint32_t oddities_max) {
    for (const Comparator* comparator :
         {BytewiseComparator(), TheLengthComparator()}) {
      BoundedStrategy strategy(preemptions_max, oddities_max);
      EXPECT_TRUE(ExploreAll(SubjectOf(Scenario(comparator)), config_,
                             &strategy, 1'000'000));
    }
  }

  Config config_;

 private:
  static TreeScenario Scenario(const Comparator* comparator) {
    const Small& small = GetParam();
    TreeScenario scenario;
    scenario.comparator = comparator;
    for (char c = 'a'; c < 'a' + 20; ++c) {
      scenario.entries.push_back(
          {std::string(1, c), PackTag(1, ValueType::kValue)});
    }
    SortEntries(&scenario);
    scenario.before = small.before;
    scenario.writers = small.writers;
    if (!small.moves.empty()) scenario.readers = {small.moves};
    return scenario;
  }
};

TEST_P(SimMemTableSmallTest, NoTwoPreemptionsLeadAWalkPastAnEntry) {
  ExploreEveryOrder(kIsSanitized ? 1 : 2, 0);
}

#if !defined(PACELINE_TSAN)
TEST_P(SimMemTableSmallTest, NoOldValueWithAPreemptionLeadsAWalkPastAnEntry) {
  config_.weak_memory = true;
  ExploreEveryOrder(1, 1);
}
#endif

INSTANTIATE_TEST_SUITE_P(Scenarios, SimMemTableSmallTest,
                         ::testing::ValuesIn(SmallScenarios()),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace paceline
