#include "src/commit/sync_pacer.h"

#include <cstdint>

#include "gtest/gtest.h"
#include "src/base/sync.h"

namespace paceline {
namespace {

constexpr uint64_t kSyncNanos = 20'000'000;
constexpr uint64_t kHourNanos = uint64_t{3'600'000'000'000};

// Time stands still unless a test moves it: who waits for it waits for ever.
class StoppedClock : public Clock {
 public:
  uint64_t NowMicros() override { return nanos_.load() / 1000; }
  uint64_t MonotonicNanos() override { return nanos_.load(); }
  void Advance(uint64_t nanos) { nanos_.fetch_add(nanos); }

 private:
  Atomic<uint64_t> nanos_ = 1'000'000;
};

class SyncPacerTest : public ::testing::Test {
 protected:
  StoppedClock clock_;
  SyncPacer pacer_{&clock_};
};

TEST_F(SyncPacerTest, NobodyWaitsBeforeTheFirstSync) { pacer_.Await(); }

TEST_F(SyncPacerTest, NobodyWaitsAfterASyncThatHeldUpNobody) {
  pacer_.SyncEnded(kSyncNanos, 3, 0);
  pacer_.Await();
}

TEST_F(SyncPacerTest, NobodyWaitsForTheFew) {
  pacer_.SyncEnded(kSyncNanos, 3, 2);
  pacer_.Await();
}

TEST_F(SyncPacerTest, WhoHeldUpOthersWaitsForAThirdOfASync) {
  SyncPacer pacer(Clock::Default());
  const uint64_t before = Clock::Default()->MonotonicNanos();
  pacer.SyncEnded(kSyncNanos, 1, 7);
  pacer.Await();
  EXPECT_GE(Clock::Default()->MonotonicNanos(), before + kSyncNanos / 3);
}

TEST_F(SyncPacerTest, NobodyWaitsLongForADeviceThatWasStuck) {
  pacer_.SyncEnded(kHourNanos, 1, 7);
  clock_.Advance(10'000'000);
  pacer_.Await();
}

TEST_F(SyncPacerTest, ItIsTheLastSyncThatCounts) {
  pacer_.SyncEnded(kSyncNanos, 1, 7);
  pacer_.SyncEnded(kSyncNanos, 1, 0);
  pacer_.Await();
}

TEST_F(SyncPacerTest, ShutdownEndsTheWaiting) {
  pacer_.SyncEnded(kSyncNanos, 1, 1);
  Thread waiter([this] { pacer_.Await(); });
  pacer_.Shutdown();
  waiter.join();
  pacer_.Await();
}

}  // namespace
}  // namespace paceline
