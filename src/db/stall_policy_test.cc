#include "src/db/stall_policy.h"

#include "gtest/gtest.h"

namespace paceline {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;

class StallPolicyTest : public testing::Test {
 protected:
  StallPolicyTest() {
    options_.write_buffer_size = 64 * kMiB;
    options_.max_write_buffer_number = 4;
    options_.level0_slowdown_writes_trigger = 20;
    options_.level0_stop_writes_trigger = 36;
    options_.soft_pending_compaction_bytes_limit = 100 * kMiB;
    options_.hard_pending_compaction_bytes_limit = 200 * kMiB;
    input_.family = "family";
    input_.free_bytes = options_.write_buffer_size;
    input_.flush_rate = 100 * kMiB;
    input_.compaction_rate = 80 * kMiB;
  }
  Stall Computed() { return ComputeStall(options_, input_); }
  void ExpectFree() {
    EXPECT_FALSE(Computed().stops);
    EXPECT_EQ(Computed().bytes_per_second, 0u);
  }
  // What remains when memtables, level 0 and the debt are as they are.
  void ExpectDelayedBy(StallCause cause) {
    EXPECT_FALSE(Computed().stops);
    EXPECT_GT(Computed().bytes_per_second, 0u);
    EXPECT_EQ(Computed().cause, cause);
    EXPECT_EQ(Computed().family, "family");
  }
  void ExpectStoppedBy(StallCause cause) {
    EXPECT_TRUE(Computed().stops);
    EXPECT_EQ(Computed().cause, cause);
    EXPECT_EQ(Computed().family, "family");
  }

  ColumnFamilyOptions options_;
  StallInput input_;
};

TEST_F(StallPolicyTest, WithoutDebtWritersAreFree) { ExpectFree(); }

TEST_F(StallPolicyTest, WritersAreDelayedInTheLastMemtableAndThenStopped) {
  input_.sealed_memtables = 2;
  input_.unflushed_bytes = 128 * kMiB;
  ExpectFree();
  input_.sealed_memtables = 3;
  ExpectDelayedBy(StallCause::kMemtables);
  input_.sealed_memtables = 4;
  ExpectStoppedBy(StallCause::kMemtables);
}

// What is free lasts as long as the flush of the rest takes.
TEST_F(StallPolicyTest, TheLastMemtableIsFullWhenTheFlushIsDone) {
  input_.sealed_memtables = 3;
  input_.unflushed_bytes = 200 * kMiB;
  input_.free_bytes = 50 * kMiB;
  EXPECT_EQ(Computed().bytes_per_second, 25 * kMiB);
  input_.unflushed_bytes = 50 * kMiB;
  EXPECT_EQ(Computed().bytes_per_second, 100 * kMiB);
}

// A device that pauses for 30 seconds stops nobody who writes a little.
TEST_F(StallPolicyTest, AFlushThatIsStuckSlowsDownMoreAndMoreAndNeverStops) {
  constexpr uint64_t kStepNanos = 50'000'000;
  input_.sealed_memtables = 3;
  input_.unflushed_bytes = 16 * kMiB;
  double free = 60.0 * kMiB;
  uint64_t rate = UINT64_MAX;
  for (uint64_t nanos = 0; nanos < 30'000'000'000; nanos += kStepNanos) {
    input_.flush_stuck_nanos = nanos;
    input_.free_bytes = static_cast<uint64_t>(free);
    ExpectDelayedBy(StallCause::kMemtables);
    ASSERT_LE(Computed().bytes_per_second, rate);
    rate = Computed().bytes_per_second;
    free -= static_cast<double>(rate) * 1e-9 * kStepNanos;
    ASSERT_GT(free, 0.0) << "full after " << nanos << " ns";
  }
}

TEST_F(StallPolicyTest, LevelZeroDelaysMoreAndMoreAndThenStops) {
  input_.level0_files = 19;
  ExpectFree();
  uint64_t rate = UINT64_MAX;
  for (input_.level0_files = 20; input_.level0_files < 36;
       ++input_.level0_files) {
    ExpectDelayedBy(StallCause::kLevel0);
    EXPECT_LT(Computed().bytes_per_second, rate);
    rate = Computed().bytes_per_second;
  }
  ExpectStoppedBy(StallCause::kLevel0);
}

TEST_F(StallPolicyTest, PendingCompactionsDelayMoreAndMoreAndThenStop) {
  input_.pending_compaction_bytes = 100 * kMiB - 1;
  ExpectFree();
  uint64_t rate = UINT64_MAX;
  for (uint64_t debt = 100; debt < 200; debt += 10) {
    input_.pending_compaction_bytes = debt * kMiB;
    ExpectDelayedBy(StallCause::kPendingCompaction);
    EXPECT_LT(Computed().bytes_per_second, rate);
    rate = Computed().bytes_per_second;
  }
  input_.pending_compaction_bytes = 200 * kMiB;
  ExpectStoppedBy(StallCause::kPendingCompaction);
}

TEST_F(StallPolicyTest, ALimitOfZeroIsNoLimit) {
  options_.soft_pending_compaction_bytes_limit = 0;
  options_.hard_pending_compaction_bytes_limit = 0;
  input_.pending_compaction_bytes = UINT64_MAX;
  ExpectFree();
}

TEST_F(StallPolicyTest, WithoutCompactionsTheirDebtDelaysNobody) {
  options_.disable_auto_compactions = true;
  input_.level0_files = 1000;
  input_.pending_compaction_bytes = UINT64_MAX;
  ExpectFree();
}

TEST_F(StallPolicyTest, AWriterIsNeverSlowerThanOneMiBASecond) {
  input_.flush_rate = 1;
  input_.compaction_rate = 1;
  input_.level0_files = 35;
  input_.sealed_memtables = 3;
  input_.free_bytes = 0;
  EXPECT_EQ(Computed().bytes_per_second, kMiB);
}

TEST_F(StallPolicyTest, TheSlowestOfSeveralCausesCounts) {
  input_.level0_files = 20;
  input_.pending_compaction_bytes = 199 * kMiB;
  ExpectDelayedBy(StallCause::kPendingCompaction);
  input_.sealed_memtables = 4;
  ExpectStoppedBy(StallCause::kMemtables);
}

TEST_F(StallPolicyTest, AFailureIsToldOnlyToWritersThatWouldHaveToWait) {
  input_.compaction_failure = Status::IOError("the disk is gone");
  input_.level0_files = 30;
  EXPECT_TRUE(Computed().failure.ok());
  input_.level0_files = 36;
  EXPECT_TRUE(Computed().failure.IsIOError());
}

TEST_F(StallPolicyTest, OnlyTheFailureOfWhatWouldEndTheStopIsTold) {
  input_.sealed_memtables = 4;
  input_.compaction_failure = Status::Corruption("a table is damaged");
  ExpectStoppedBy(StallCause::kMemtables);
  EXPECT_TRUE(Computed().failure.ok()) << "a flush ends it";
  input_.flush_failure = Status::IOError("the disk is gone");
  EXPECT_TRUE(Computed().failure.IsIOError());
}

TEST_F(StallPolicyTest, AStopIsStricterThanAnyDelayAndADelayThanNone) {
  Stall none;
  Stall slow;
  slow.bytes_per_second = 1;
  Stall fast;
  fast.bytes_per_second = 2;
  Stall stop;
  stop.stops = true;
  EXPECT_EQ(&Stricter(none, slow), &slow);
  EXPECT_EQ(&Stricter(slow, none), &slow);
  EXPECT_EQ(&Stricter(fast, slow), &slow);
  EXPECT_EQ(&Stricter(slow, stop), &stop);
  EXPECT_EQ(&Stricter(stop, none), &stop);
}

}  // namespace
}  // namespace paceline
