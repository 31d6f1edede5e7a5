#include "src/commit/write_controller.h"

#include <chrono>
#include <thread>

#include "gtest/gtest.h"

namespace paceline {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;
// What a 64th of a MiB takes at a MiB a second.
constexpr uint64_t kNanosOfA64th = 15'625'000;
// How much of what it was late a writer may make up for.
constexpr uint64_t kCatchUpNanos = 5'000'000;

// Stands still unless a test moves it.
class ManualClock final : public Clock {
 public:
  uint64_t NowMicros() override { return nanos_ / 1000; }
  uint64_t MonotonicNanos() override { return nanos_; }
  void Advance(uint64_t nanos) { nanos_ += nanos; }

 private:
  std::atomic<uint64_t> nanos_ = 1'000'000'000;
};

// Long enough that those who are to be woken sleep by then, nearly always; else
// a test passes without showing that they are.
void LetOthersFallAsleep() {
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
}

class WriteControllerTest : public testing::Test {
 protected:
  static Stall DelayTo(uint64_t bytes_per_second) {
    Stall stall;
    stall.bytes_per_second = bytes_per_second;
    stall.cause = StallCause::kLevel0;
    stall.family = "family";
    return stall;
  }
  static Stall Stop() {
    Stall stall;
    stall.stops = true;
    stall.cause = StallCause::kMemtables;
    stall.family = "family";
    return stall;
  }

  ManualClock clock_;
  WriteController controller_{&clock_};
};

TEST_F(WriteControllerTest, WithoutAStallNobodyIsHeld) {
  EXPECT_FALSE(controller_.is_stopped());
  EXPECT_FALSE(controller_.needs_hold());
  controller_.Spend(UINT64_MAX / 2);
  EXPECT_EQ(controller_.DelayNanos(), 0u);
  EXPECT_TRUE(controller_.WaitUntilGoing().ok());
}

TEST_F(WriteControllerTest, EveryStopMustBeRemoved) {
  EXPECT_FALSE(controller_.RemoveStop());
  EXPECT_FALSE(controller_.AddStopIfStopped());
  controller_.AddStop();
  EXPECT_TRUE(controller_.AddStopIfStopped());
  EXPECT_TRUE(controller_.RemoveStop());
  EXPECT_TRUE(controller_.is_stopped());
  EXPECT_TRUE(controller_.RemoveStop());
  EXPECT_FALSE(controller_.is_stopped());
  EXPECT_FALSE(controller_.RemoveStop());
}

// It ends by itself, and says nothing of leaders that are at work.
TEST_F(WriteControllerTest, AStallIsNoStopToJoin) {
  controller_.SetStall(Stop());
  EXPECT_TRUE(controller_.is_stopped());
  EXPECT_FALSE(controller_.AddStopIfStopped());
}

TEST_F(WriteControllerTest, TheEndOfAStallLeavesStopsInPlace) {
  controller_.AddStop();
  controller_.SetStall(Stop());
  controller_.SetStall(Stall());
  EXPECT_TRUE(controller_.is_stopped());
  EXPECT_TRUE(controller_.RemoveStop());
  EXPECT_FALSE(controller_.needs_hold());
}

TEST_F(WriteControllerTest, AWaitingWriterGoesOnWhenTheStallEnds) {
  controller_.SetStall(Stop());
  std::thread writer([&] { EXPECT_TRUE(controller_.WaitUntilGoing().ok()); });
  LetOthersFallAsleep();
  controller_.SetStall(Stall());
  writer.join();
}

TEST_F(WriteControllerTest, AWaitingWriterGoesOnWhenTheLastStopIsRemoved) {
  controller_.AddStop();
  std::thread writer([&] { EXPECT_TRUE(controller_.WaitUntilGoing().ok()); });
  LetOthersFallAsleep();
  EXPECT_TRUE(controller_.RemoveStop());
  writer.join();
}

TEST_F(WriteControllerTest, ADelayedWriterGoesOnWhenTheStallEnds) {
  controller_.SetStall(DelayTo(1));
  std::thread writer([&] { controller_.Delay(uint64_t{1} << 60); });
  LetOthersFallAsleep();
  controller_.SetStall(Stall());
  writer.join();
}

TEST_F(WriteControllerTest, AWaitingWriterIsToldOfAFailure) {
  controller_.SetStall(Stop());
  std::thread writer(
      [&] { EXPECT_TRUE(controller_.WaitUntilGoing().IsIOError()); });
  Stall failed = Stop();
  failed.failure = Status::IOError("the disk is gone");
  LetOthersFallAsleep();
  controller_.SetStall(failed);
  writer.join();
}

TEST_F(WriteControllerTest, ShutdownEndsAllWaiting) {
  controller_.AddStop();
  controller_.SetStall(DelayTo(1));
  std::thread stopped([&] { EXPECT_TRUE(controller_.WaitUntilGoing().ok()); });
  std::thread delayed([&] { controller_.Delay(uint64_t{1} << 60); });
  controller_.Shutdown();
  stopped.join();
  delayed.join();
  controller_.Spend(kMiB);
  EXPECT_EQ(controller_.DelayNanos(), 0u);
}

TEST_F(WriteControllerTest, ADelayLastsUntilWhatWasWrittenIsPaidFor) {
  controller_.SetStall(DelayTo(kMiB));
  EXPECT_TRUE(controller_.needs_hold());
  EXPECT_FALSE(controller_.is_stopped());
  EXPECT_EQ(controller_.DelayNanos(), 0u);
  controller_.Spend(kMiB / 64);
  EXPECT_EQ(controller_.DelayNanos(), kNanosOfA64th - kCatchUpNanos);
  clock_.Advance(10'000'000);
  EXPECT_EQ(controller_.DelayNanos(), 625'000u);
  clock_.Advance(10'000'000);
  EXPECT_EQ(controller_.DelayNanos(), 0u);
}

// A sleep is never exact, and a lower rate must not bind for ever.
TEST_F(WriteControllerTest, SmallDebtsWaitAndLargeOnesArePaidInParts) {
  controller_.SetStall(DelayTo(kMiB));
  controller_.Spend(kMiB / 200);  // 5 ms.
  controller_.Spend(100);
  EXPECT_EQ(controller_.DelayNanos(), 0u);
  for (int i = 0; i < 10; ++i) controller_.Spend(100);
  EXPECT_GT(controller_.DelayNanos(), 0u);
  controller_.Spend(100 * kMiB);
  EXPECT_EQ(controller_.DelayNanos(), 20'000'000u);
}

TEST_F(WriteControllerTest, ADebtIsPaidAtTheRateOfNow) {
  controller_.SetStall(DelayTo(kMiB));
  controller_.Spend(kMiB / 64);
  controller_.SetStall(DelayTo(4 * kMiB));
  const uint64_t owed = (kNanosOfA64th - kCatchUpNanos) / 4;
  EXPECT_EQ(controller_.DelayNanos(), owed);
  controller_.Spend(kMiB / 64);
  EXPECT_EQ(controller_.DelayNanos(), owed + kNanosOfA64th / 4);
}

TEST_F(WriteControllerTest, ADebtTakesNoLongerWhenTheRateFalls) {
  controller_.SetStall(DelayTo(kMiB));
  controller_.Spend(kMiB / 64);
  controller_.SetStall(DelayTo(kMiB / 16));
  EXPECT_EQ(controller_.DelayNanos(), kNanosOfA64th - kCatchUpNanos);
}

TEST_F(WriteControllerTest, AWriterThatCameLateCatchesUp) {
  controller_.SetStall(DelayTo(kMiB));
  controller_.Spend(kMiB / 64);
  clock_.Advance(controller_.DelayNanos() + 2'000'000);
  controller_.Spend(kMiB / 64);
  EXPECT_EQ(controller_.DelayNanos(), kNanosOfA64th - 2'000'000);
}

TEST_F(WriteControllerTest, ALongTimeWithoutWritesIsNotSavedUp) {
  controller_.SetStall(DelayTo(kMiB));
  controller_.Spend(kMiB / 64);
  clock_.Advance(uint64_t{3600} * 1'000'000'000);
  controller_.Spend(kMiB / 64);
  EXPECT_EQ(controller_.DelayNanos(), kNanosOfA64th - kCatchUpNanos);
}

TEST_F(WriteControllerTest, TheDebtIsForgottenWhenTheDelayEnds) {
  controller_.SetStall(DelayTo(kMiB));
  controller_.Spend(100 * kMiB);
  controller_.SetStall(Stall());
  controller_.SetStall(DelayTo(kMiB));
  EXPECT_EQ(controller_.DelayNanos(), 0u);
}

TEST_F(WriteControllerTest, StopsAreCountedByFamilyAndCause) {
  Stall failed = Stop();
  failed.failure = Status::IOError("so that nobody waits");
  controller_.SetStall(failed);
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(controller_.WaitUntilGoing().IsIOError());
  }
  const auto stalls = controller_.StallsByCause();
  ASSERT_EQ(stalls.size(), 1u);
  EXPECT_EQ(stalls[0].family, "family");
  EXPECT_EQ(stalls[0].cause, StallCause::kMemtables);
  EXPECT_EQ(stalls[0].stops, 3u);
  Metrics metrics;
  controller_.AddMetrics(&metrics);
  EXPECT_EQ(metrics.stalls, 3u);
}

}  // namespace
}  // namespace paceline
