// That the simulator finds what it is made for, and nothing where there is
// nothing.

#include "test/support/sim/simulator.h"

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "src/base/sanitizers.h"
#include "src/base/sync.h"

#if defined(PACELINE_ASAN)
// Runs that fail, here on purpose, leave their fibers in the middle and lose
// what those hold.
extern "C" const char* __asan_default_options() { return "detect_leaks=0"; }
#endif

namespace paceline::sim {
namespace {

using ::testing::HasSubstr;

using Body = std::function<void()>;

// The first failure of `runs` random runs; empty: none.
Outcome FirstFailure(const Body& body, const Config& config = {},
                     uint64_t runs = 3'000) {
  for (uint64_t seed = 1; seed <= runs; ++seed) {
    RandomStrategy strategy(seed, seed % 3);
    Outcome outcome = Simulate(config, &strategy, body);
    if (!outcome.failure.empty()) return outcome;
  }
  return {};
}

// The same for every run of a strategy.
Outcome FirstFailureOfAll(Strategy* strategy, const Body& body,
                          const Config& config = {}) {
  do {
    Outcome outcome = Simulate(config, strategy, body);
    if (!outcome.failure.empty()) return outcome;
  } while (strategy->End());
  return {};
}

Config Plain() {
  Config config;
  config.weak_failure_odds = 0;
  config.early_wake_odds = 0;
  return config;
}

// --- What goes wrong ---------------------------------------------------------

// One fiber waits for a flag. The other one sets it, with or without the
// mutex, and notifies.
Body WaitForFlag(bool takes_mutex) {
  return [takes_mutex] {
    Atomic<bool> flag = false;
    Mutex mutex;
    CondVar changed;
    Thread waiter([&] {
      MutexLock lock(&mutex);
      while (!flag.load()) changed.Wait(&mutex);
    });
    if (takes_mutex) {
      MutexLock lock(&mutex);
      flag.store(true);
    } else {
      flag.store(true);
    }
    changed.NotifyAll();
    waiter.join();
  };
}

TEST(SimulatorTest, ALostWakeUpIsFoundAndWhoWaitsIsTold) {
  std::string failure = FirstFailure(WaitForFlag(false), Plain()).failure;
  EXPECT_THAT(failure, HasSubstr("deadlock"));
  EXPECT_THAT(failure, HasSubstr("fiber 0 joins fiber 1"));
  EXPECT_THAT(failure, HasSubstr("fiber 1 waits on"));
  EXPECT_EQ(FirstFailure(WaitForFlag(true), Plain()).failure, "");
}

void LockBoth(Mutex* first, Mutex* second) {
  MutexLock lock(first);
  MutexLock other_lock(second);
}

void LockInBothOrders() {
  Mutex a;
  Mutex b;
  Thread thread([&] { LockBoth(&a, &b); });
  LockBoth(&b, &a);
  thread.join();
}

TEST(SimulatorTest, TwoMutexesInTwoOrdersNeedOnePreemption) {
  BoundedStrategy none(0, 0);
  EXPECT_EQ(FirstFailureOfAll(&none, LockInBothOrders, Plain()).failure, "");
  BoundedStrategy one(1, 0);
  EXPECT_THAT(FirstFailureOfAll(&one, LockInBothOrders, Plain()).failure,
              HasSubstr("held by fiber"));
  FullStrategy full(0);
  EXPECT_THAT(FirstFailureOfAll(&full, LockInBothOrders, Plain()).failure,
              HasSubstr("deadlock"));
}

TEST(SimulatorTest, ALoopWithoutEndIsFound) {
  Config config;
  config.steps_max = 1'000;
  std::string failure = FirstFailure(
                            [] {
                              Atomic<bool> flag = false;
                              while (!flag.load()) {
                              }
                            },
                            config)
                            .failure;
  EXPECT_THAT(failure, HasSubstr("too many steps"));
}

TEST(SimulatorTest, AnAtomicIsNotUsedAfterItsEnd) {
  std::string failure = FirstFailure([] {
                          auto word = std::make_unique<Atomic<int>>(0);
                          alignas(Atomic<int>) char memory[sizeof(Atomic<int>)];
                          auto* other = new (memory) Atomic<int>(0);
                          other->store(1);
                          other->~Atomic<int>();
                          other->store(2);
                        }).failure;
  EXPECT_THAT(failure, HasSubstr("after its end"));
}

// --- What may happen ---------------------------------------------------------

TEST(SimulatorTest, AWeakExchangeFailsWithoutReasonAndAStrongOneDoesNot) {
  auto body = [](bool is_weak) {
    return [is_weak] {
      Atomic<int> word = 1;
      int expected = 1;
      bool is_done = is_weak ? word.compare_exchange_weak(expected, 2)
                             : word.compare_exchange_strong(expected, 2);
      if (!is_done) Fail("no exchange");
    };
  };
  EXPECT_NE(FirstFailure(body(true)).failure, "");
  EXPECT_EQ(FirstFailure(body(false)).failure, "");
}

TEST(SimulatorTest, SleepersWakeUpWithoutCause) {
  auto wait = [] {
    Mutex mutex;
    CondVar never;
    MutexLock lock(&mutex);
    never.Wait(&mutex);
    Fail("awake");
  };
  EXPECT_THAT(FirstFailure(wait).failure, HasSubstr("awake"));
  EXPECT_THAT(FirstFailure(wait, Plain()).failure, HasSubstr("deadlock"));
}

TEST(SimulatorTest, ATimedWaitEndsAndItsTimeHasPassed) {
  Outcome outcome = FirstFailure(
      [] {
        Mutex mutex;
        CondVar never;
        uint64_t start = Nanos();
        MutexLock lock(&mutex);
        never.WaitFor(&mutex, 1'000'000);
        if (Nanos() < start + 1'000'000) Fail("too early");
        Atomic<uint32_t> word = 0;
        start = Nanos();
        FutexWaitFor(&word, 0, 5'000'000);
        if (Nanos() < start + 5'000'000) Fail("too early");
      },
      Plain());
  EXPECT_EQ(outcome.failure, "");
}

TEST(SimulatorTest, AFutexSleepsOnlyOnTheValueItExpects) {
  Outcome outcome = FirstFailure([] {
    Atomic<uint32_t> word = 0;
    Thread waker([&] {
      word.store(1);
      FutexWakeOne(&word);
    });
    while (word.load() == 0) FutexWait(&word, 0);
    waker.join();
  });
  EXPECT_EQ(outcome.failure, "");
}

TEST(SimulatorTest, OneThatSpinsLetsTheOthersGoOn) {
  for (uint64_t seed = 1; seed < 500; ++seed) {
    PctStrategy strategy(seed, 3, 50);
    Outcome outcome = Simulate({}, &strategy, [] {
      Atomic<bool> flag = false;
      Thread thread([&] { flag.store(true); });
      while (!flag.load()) SpinPause();
      thread.join();
    });
    ASSERT_EQ(outcome.failure, "") << seed;
  }
}

// --- Memory ------------------------------------------------------------------

// A value is written, then a flag; who sees the flag looks at the value.
Body PassMessage(std::memory_order store, std::memory_order load) {
  return [store, load] {
    Atomic<int> value = 0;
    Atomic<bool> flag = false;
    Moment written;
    Thread writer([&] {
      {
        Unseen unseen;
        written = Now();
      }
      value.store(1, std::memory_order_relaxed);
      flag.store(true, store);
    });
    if (flag.load(load)) {
      if (value.load(std::memory_order_relaxed) != 1) Fail("old value");
      Unseen unseen;
      if (!HappenedBefore(written)) Fail("no order");
    }
    writer.join();
  };
}

constexpr auto kRelaxed = std::memory_order_relaxed;
constexpr auto kAcquire = std::memory_order_acquire;
constexpr auto kRelease = std::memory_order_release;

TEST(SimulatorTest, OldValuesAreSeenExactlyWhereOrdersPermit) {
  Config weak;
  weak.weak_memory = true;
  EXPECT_THAT(FirstFailure(PassMessage(kRelaxed, kAcquire), weak).failure,
              HasSubstr("old value"));
  EXPECT_THAT(FirstFailure(PassMessage(kRelease, kRelaxed), weak).failure,
              HasSubstr("old value"));
  BoundedStrategy all(2, 3);
  EXPECT_EQ(
      FirstFailureOfAll(&all, PassMessage(kRelease, kAcquire), weak).failure,
      "");
}

TEST(SimulatorTest, AMissingOrderIsFoundWithoutOldValues) {
  EXPECT_THAT(FirstFailure(PassMessage(kRelaxed, kAcquire)).failure,
              HasSubstr("no order"));
  EXPECT_THAT(FirstFailure(PassMessage(kRelease, kRelaxed)).failure,
              HasSubstr("no order"));
  EXPECT_EQ(FirstFailure(PassMessage(kRelease, kAcquire)).failure, "");
}

TEST(SimulatorTest, AReleaseSequenceGoesThroughRelaxedUpdatesAndNotStores) {
  auto body = [](bool is_update) {
    return [is_update] {
      Atomic<int> word = 0;
      Moment written;
      Thread first([&] {
        {
          Unseen unseen;
          written = Now();
        }
        word.store(1, kRelease);
      });
      Thread second([&] {
        if (word.load(kRelaxed) != 1) return;
        if (is_update) {
          word.fetch_add(1, kRelaxed);
        } else {
          word.store(2, kRelaxed);
        }
      });
      if (word.load(kAcquire) == 2) {
        Unseen unseen;
        if (!HappenedBefore(written)) Fail("no order");
      }
      first.join();
      second.join();
    };
  };
  EXPECT_EQ(FirstFailure(body(true)).failure, "");
  EXPECT_THAT(FirstFailure(body(false)).failure, HasSubstr("no order"));
}

// --- Strategies --------------------------------------------------------------

// Each of two fibers appends its digit twice to one word, or to its own.
std::set<int> WordsOfAllRuns(bool is_shared, uint64_t* runs) {
  std::set<int> words;
  FullStrategy strategy(0);
  *runs = 0;
  do {
    ++*runs;
    Simulate(Plain(), &strategy, [&] {
      Atomic<int> word = 0;
      Atomic<int> other = 0;
      auto append = [](Atomic<int>* to, int digit) {
        Touch(to);
        Still still;
        to->store(to->load() * 10 + digit);
      };
      Thread thread([&] {
        append(is_shared ? &word : &other, 2);
        append(is_shared ? &word : &other, 2);
      });
      append(&word, 1);
      append(&word, 1);
      thread.join();
      Still still;
      Unseen unseen;
      words.insert(word.load());
    });
  } while (strategy.End());
  *runs -= strategy.redundant();
  return words;
}

TEST(SimulatorTest, EveryOrderOfDependentStepsIsRunOnceAndNoOther) {
  uint64_t runs;
  EXPECT_EQ(WordsOfAllRuns(true, &runs),
            (std::set<int>{1122, 1212, 1221, 2112, 2121, 2211}));
  EXPECT_EQ(runs, 6U);
  EXPECT_EQ(WordsOfAllRuns(false, &runs), std::set<int>{11});
  EXPECT_EQ(runs, 1U);
}

TEST(SimulatorTest, AFailureIsHadAgainFromItsTextAndShortened) {
  Body body = WaitForFlag(false);
  Outcome outcome = FirstFailure(body, Plain());
  ASSERT_NE(outcome.failure, "");
  auto failure_of = [&body](const Schedule& schedule) {
    ReplayStrategy replay(schedule);
    return Simulate(Plain(), &replay, body).failure;
  };
  Schedule again = Schedule::Parse(outcome.schedule.Text());
  EXPECT_EQ(failure_of(again), outcome.failure);
  auto fails = [&failure_of](const Schedule& schedule) {
    return !failure_of(schedule).empty();
  };
  Schedule shorter = Shorten(outcome.schedule, 100, fails);
  EXPECT_TRUE(fails(shorter));
  EXPECT_LE(shorter.Text().size(), outcome.schedule.Text().size());
}

TEST(SimulatorTest, AScheduleIsWhatItsTextSays) {
  Schedule schedule = Schedule::Parse("2x3 0 .x2 11");
  EXPECT_EQ(schedule.choices,
            (std::vector<uint8_t>{2, 2, 2, 0, Schedule::kUsual,
                                  Schedule::kUsual, 11}));
  EXPECT_EQ(schedule.Text(), "2x3 0 .x2 11");
  EXPECT_EQ(Schedule::Parse("1 .x9").Text(), "1");
}

TEST(SimulatorTest, ARunIsDecidedByItsSeed) {
  auto choices = [](uint64_t seed) {
    RandomStrategy strategy(seed, 0);
    return Simulate({}, &strategy, WaitForFlag(true)).schedule.Text();
  };
  EXPECT_EQ(choices(7), choices(7));
  EXPECT_NE(choices(7), choices(8));
}

}  // namespace
}  // namespace paceline::sim
