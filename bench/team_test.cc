#include "bench/team.h"

#include <gtest/gtest.h>

namespace paceline::bench {

namespace {

// Does `per_call` operations a call until it has done `available` of them.
class CountingOperation : public Operation {
 public:
  explicit CountingOperation(uint64_t per_call = 1,
                             uint64_t available = UINT64_MAX)
      : per_call_(per_call), available_(available) {}

  Status Run(Tally* tally) override {
    if (done_ + per_call_ > available_) return Status::OK();
    done_ += per_call_;
    tally->operations += per_call_;
    tally->bytes += 3 * per_call_;
    return Status::OK();
  }

 private:
  const uint64_t per_call_;
  const uint64_t available_;
  uint64_t done_ = 0;
};

class FailingOperation : public Operation {
 public:
  Status Run(Tally*) override { return Status::Corruption("as intended"); }
};

class TeamTest : public testing::Test {
 protected:
  std::unique_ptr<Team> MakeTeam(const TeamLimits& limits) {
    return std::make_unique<Team>(limits, "test", &clock_, &interrupted_);
  }

  const TickClock clock_;
  std::atomic<bool> interrupted_ = false;
};

TEST_F(TeamTest, EveryThreadDoesItsOwnOperations) {
  auto team = MakeTeam({.operations_each = 1000});
  for (int i = 0; i < 4; ++i) {
    team->AddThread(std::make_unique<CountingOperation>());
  }
  auto result = team->Run();
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->tally.operations, 4000U);
  EXPECT_EQ(result->tally.bytes, 12'000U);
  EXPECT_EQ(result->latencies.count(), 4000U);
}

TEST_F(TeamTest, ThreadsShareTheTotal) {
  for (uint64_t total : {1, 5, 1000, 123'457}) {
    auto team = MakeTeam({.operations_total = total});
    for (int i = 0; i < 3; ++i) {
      team->AddThread(std::make_unique<CountingOperation>());
    }
    auto result = team->Run();
    ASSERT_TRUE(result.ok());
    EXPECT_EQ(result->tally.operations, total);
  }
}

TEST_F(TeamTest, BatchesPassTheTotalByLessThanOneEach) {
  auto team = MakeTeam({.operations_total = 10'010, .operations_per_call = 50});
  for (int i = 0; i < 3; ++i) {
    team->AddThread(std::make_unique<CountingOperation>(50));
  }
  auto result = team->Run();
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->tally.operations, 10'050U);
  EXPECT_EQ(result->latencies.count(), 201U);
}

TEST_F(TeamTest, AThreadWithNothingLeftEnds) {
  auto team = MakeTeam({});
  team->AddThread(std::make_unique<CountingOperation>(1, 17));
  auto result = team->Run();
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->tally.operations, 17U);
}

TEST_F(TeamTest, AnErrorStopsTheOthersAndIsReturned) {
  auto team = MakeTeam({});
  team->AddThread(std::make_unique<CountingOperation>());
  team->AddThread(std::make_unique<FailingOperation>());
  team->SetBackground(std::make_unique<CountingOperation>());
  EXPECT_TRUE(team->Run().status().IsCorruption());
}

TEST_F(TeamTest, AnErrorOfTheBackgroundStopsTheOthersAndIsReturned) {
  auto team = MakeTeam({});
  team->AddThread(std::make_unique<CountingOperation>());
  team->SetBackground(std::make_unique<FailingOperation>());
  EXPECT_TRUE(team->Run().status().IsCorruption());
}

TEST_F(TeamTest, TheBackgroundEndsWithTheOthersAndIsCountedApart) {
  auto team = MakeTeam({.operations_each = 10});
  team->AddThread(std::make_unique<CountingOperation>());
  team->SetBackground(std::make_unique<CountingOperation>());
  auto result = team->Run();
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->tally.operations, 10U);
  EXPECT_EQ(result->latencies.count(), 10U);
}

TEST_F(TeamTest, AnInterruptionEndsWhatHasNoOtherEnd) {
  interrupted_ = true;
  auto team = MakeTeam({});
  team->AddThread(std::make_unique<CountingOperation>());
  EXPECT_TRUE(team->Run().status().IsAborted());
}

}  // namespace

}  // namespace paceline::bench
