#include "src/env/rate_limiter.h"

#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace paceline {
namespace {

using ::testing::ElementsAre;
using Priority = RateLimiter::Priority;

// Stands still until it is moved on.
class ManualClock final : public Clock {
 public:
  uint64_t NowMicros() override { return MonotonicNanos() / 1000; }
  uint64_t MonotonicNanos() override {
    return nanos_.load(std::memory_order_acquire);
  }
  void AdvanceMicros(uint64_t micros) {
    nanos_.fetch_add(micros * 1000, std::memory_order_acq_rel);
  }

 private:
  Atomic<uint64_t> nanos_ = 5'000'000;
};

// So long that no waiting of the machine's time ends during a test.
constexpr int64_t kPeriodMicros = int64_t{3600} * 1'000'000;
// At one byte a second.
constexpr int64_t kPeriodBytes = 3600;

class RateLimiterTest : public ::testing::Test {
 protected:
  RateLimiterTest()
      : limiter_(
            std::make_unique<GenericRateLimiter>(1, kPeriodMicros, &clock_)) {
    UsePortion();
  }
  ~RateLimiterTest() override {
    for (std::thread& thread : threads_) thread.join();
  }

  void UsePortion() { limiter_->Request(kPeriodBytes, Priority::kHigh); }

  // Starts a call and waits until it waits. Its name is in served() afterwards.
  void StartWaiting(const std::string& name, int64_t bytes, Priority priority) {
    const size_t before = limiter_->waiting();
    threads_.emplace_back([=, this] {
      limiter_->Request(bytes, priority);
      MutexLock lock(&mutex_);
      served_.push_back(name);
    });
    while (limiter_->waiting() == before) std::this_thread::yield();
  }

  void NextPeriod() {
    clock_.AdvanceMicros(kPeriodMicros);
    limiter_->Poll();
  }

  // Once there are so many.
  std::vector<std::string> Served(size_t count) {
    for (;;) {
      {
        MutexLock lock(&mutex_);
        if (served_.size() >= count) return served_;
      }
      std::this_thread::yield();
    }
  }

  ManualClock clock_;
  std::unique_ptr<GenericRateLimiter> limiter_;
  std::vector<std::thread> threads_;
  Mutex mutex_;
  std::vector<std::string> served_ GUARDED_BY(mutex_);
};

TEST_F(RateLimiterTest, APortionIsGivenOutAtOnce) {
  GenericRateLimiter limiter(1000, kPeriodMicros, &clock_);
  limiter.Request(3'000'000, Priority::kLow);
  limiter.Request(600'000, Priority::kLow);
  EXPECT_EQ(limiter.GetTotalBytesThrough(), 3'600'000);
  EXPECT_EQ(limiter.waiting(), 0u);
}

TEST_F(RateLimiterTest, NothingIsAskedForByNoBytes) {
  limiter_->Request(0, Priority::kLow);
  limiter_->Request(-5, Priority::kHigh);
  EXPECT_EQ(limiter_->GetTotalBytesThrough(), kPeriodBytes);
}

TEST_F(RateLimiterTest, WhatExceedsAPortionWaitsForTheNextOne) {
  StartWaiting("a", 1, Priority::kLow);
  clock_.AdvanceMicros(kPeriodMicros - 1);
  limiter_->Poll();
  EXPECT_EQ(limiter_->waiting(), 1u);
  clock_.AdvanceMicros(1);
  limiter_->Poll();
  EXPECT_THAT(Served(1), ElementsAre("a"));
}

TEST_F(RateLimiterTest, APortionThatNobodyAskedForIsLost) {
  NextPeriod();
  NextPeriod();
  NextPeriod();
  limiter_->Request(kPeriodBytes, Priority::kLow);
  StartWaiting("a", 1, Priority::kLow);
  NextPeriod();
  EXPECT_THAT(Served(1), ElementsAre("a"));
}

TEST_F(RateLimiterTest, CallsOfOnePriorityAreServedInOrder) {
  StartWaiting("a", kPeriodBytes, Priority::kLow);
  StartWaiting("b", kPeriodBytes, Priority::kLow);
  StartWaiting("c", kPeriodBytes, Priority::kLow);
  NextPeriod();
  Served(1);
  NextPeriod();
  Served(2);
  NextPeriod();
  EXPECT_THAT(Served(3), ElementsAre("a", "b", "c"));
}

TEST_F(RateLimiterTest, HighPriorityGoesFirst) {
  StartWaiting("low", kPeriodBytes, Priority::kLow);
  StartWaiting("high 1", kPeriodBytes, Priority::kHigh);
  StartWaiting("high 2", kPeriodBytes, Priority::kHigh);
  NextPeriod();
  Served(1);
  NextPeriod();
  Served(2);
  NextPeriod();
  EXPECT_THAT(Served(3), ElementsAre("high 1", "high 2", "low"));
}

TEST_F(RateLimiterTest, ALargeCallLetsOthersThroughBetweenItsPortions) {
  StartWaiting("large", 3 * kPeriodBytes, Priority::kLow);
  StartWaiting("small", kPeriodBytes, Priority::kLow);
  NextPeriod();
  // The large one queues up again, behind the small one.
  while (limiter_->waiting() < 2) std::this_thread::yield();
  NextPeriod();
  EXPECT_THAT(Served(1), ElementsAre("small"));
  NextPeriod();
  while (limiter_->waiting() < 1) std::this_thread::yield();
  NextPeriod();
  EXPECT_THAT(Served(2), ElementsAre("small", "large"));
  EXPECT_EQ(limiter_->GetTotalBytesThrough(), 5 * kPeriodBytes);
}

TEST_F(RateLimiterTest, SmallCallsShareAPortion) {
  StartWaiting("a", kPeriodBytes / 2, Priority::kLow);
  StartWaiting("b", kPeriodBytes / 2, Priority::kLow);
  StartWaiting("c", 1, Priority::kLow);
  NextPeriod();
  Served(2);
  EXPECT_EQ(limiter_->waiting(), 1u);
  NextPeriod();
  Served(3);
}

TEST_F(RateLimiterTest, ALowerRateStillServesThoseWhoWait) {
  limiter_->SetBytesPerSecond(3);
  StartWaiting("a", 3 * kPeriodBytes, Priority::kLow);
  limiter_->SetBytesPerSecond(1);
  EXPECT_EQ(limiter_->GetBytesPerSecond(), 1);
  NextPeriod();
  NextPeriod();
  EXPECT_EQ(limiter_->waiting(), 1u);
  NextPeriod();
  EXPECT_THAT(Served(1), ElementsAre("a"));
}

TEST_F(RateLimiterTest, AHigherRateHoldsFromTheNextPortionOn) {
  limiter_->SetBytesPerSecond(10);
  StartWaiting("a", 10 * kPeriodBytes, Priority::kLow);
  NextPeriod();
  EXPECT_THAT(Served(1), ElementsAre("a"));
}

TEST_F(RateLimiterTest, ExtremeRatesDoNotOverflow) {
  constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
  GenericRateLimiter fast(kMax, 100'000, &clock_);
  fast.Request(int64_t{1} << 40, Priority::kLow);
  EXPECT_EQ(fast.GetTotalBytesThrough(), int64_t{1} << 40);
  GenericRateLimiter slow(-1, 0, &clock_);
  EXPECT_EQ(slow.GetBytesPerSecond(), 1);
  slow.Request(1, Priority::kLow);
}

TEST_F(RateLimiterTest, ThreadsWaitByTheMachinesTime) {
  // Twenty portions of a millisecond, less the one that is there.
  const uint64_t begin = Clock::Default()->MonotonicNanos();
  std::unique_ptr<RateLimiter> limiter(NewGenericRateLimiter(1'000'000, 1'000));
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&limiter, i] {
      for (int request = 0; request < 5; ++request) {
        limiter->Request(1'000, i % 2 == 0 ? Priority::kHigh : Priority::kLow);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(limiter->GetTotalBytesThrough(), 20'000);
  EXPECT_GE(Clock::Default()->MonotonicNanos() - begin, 19'000'000u);
}

}  // namespace
}  // namespace paceline
