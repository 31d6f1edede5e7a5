#include "src/env/worker_pool.h"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace paceline {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;
using Priority = WorkerPool::Priority;

// Jobs with names that run until they are released.
class HeldJobs {
 public:
  std::function<void()> Make(const std::string& name) {
    return [this, name] {
      MutexLock lock(&mutex_);
      running_.insert(name);
      order_.push_back(name);
      changed_.NotifyAll();
      while (released_.count(name) == 0 && !all_released_) {
        changed_.Wait(&mutex_);
      }
      running_.erase(name);
      changed_.NotifyAll();
    };
  }

  void Release(const std::string& name) {
    MutexLock lock(&mutex_);
    released_.insert(name);
    changed_.NotifyAll();
  }
  void ReleaseAll() {
    MutexLock lock(&mutex_);
    all_released_ = true;
    changed_.NotifyAll();
  }

  // Blocks until so many run.
  std::set<std::string> WaitForRunning(size_t count) {
    MutexLock lock(&mutex_);
    while (running_.size() != count) changed_.Wait(&mutex_);
    return running_;
  }
  // Blocks until so many have begun, and names them in that order.
  std::vector<std::string> WaitForBegun(size_t count) {
    MutexLock lock(&mutex_);
    while (order_.size() < count) changed_.Wait(&mutex_);
    return order_;
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  std::set<std::string> running_ GUARDED_BY(mutex_);
  std::set<std::string> released_ GUARDED_BY(mutex_);
  std::vector<std::string> order_ GUARDED_BY(mutex_);
  bool all_released_ GUARDED_BY(mutex_) = false;
};

class WorkerPoolTest : public ::testing::Test {
 protected:
  ~WorkerPoolTest() override { jobs_.ReleaseAll(); }

  void MakePool(int threads) { pool_ = std::make_unique<WorkerPool>(threads); }
  void Schedule(Priority priority, const std::string& name) {
    pool_->Schedule(priority, jobs_.Make(name));
  }

  HeldJobs jobs_;
  std::unique_ptr<WorkerPool> pool_;
};

TEST_F(WorkerPoolTest, APoolWithoutJobsIsIdle) {
  MakePool(2);
  pool_->WaitUntilIdle();
  EXPECT_EQ(pool_->queued(Priority::kHigh), 0u);
}

TEST_F(WorkerPoolTest, HighPriorityGoesFirstAndEachInOrder) {
  MakePool(1);
  Schedule(Priority::kLow, "first");
  jobs_.WaitForRunning(1);
  Schedule(Priority::kLow, "low 1");
  Schedule(Priority::kLow, "low 2");
  Schedule(Priority::kHigh, "high 1");
  Schedule(Priority::kHigh, "high 2");
  EXPECT_EQ(pool_->queued(Priority::kLow), 2u);
  EXPECT_EQ(pool_->queued(Priority::kHigh), 2u);
  jobs_.ReleaseAll();
  pool_->WaitUntilIdle();
  EXPECT_THAT(jobs_.WaitForBegun(5),
              ElementsAre("first", "high 1", "high 2", "low 1", "low 2"));
}

TEST_F(WorkerPoolTest, LowPriorityLeavesAThreadForHigh) {
  MakePool(3);
  for (const char* name : {"a", "b", "c"}) Schedule(Priority::kLow, name);
  EXPECT_THAT(jobs_.WaitForRunning(2), UnorderedElementsAre("a", "b"));
  Schedule(Priority::kHigh, "flush");
  EXPECT_THAT(jobs_.WaitForRunning(3), UnorderedElementsAre("a", "b", "flush"));
  EXPECT_EQ(pool_->queued(Priority::kLow), 1u);
  // Not "c" although a thread is free, but one of its own kind ending lets it.
  jobs_.Release("flush");
  EXPECT_THAT(jobs_.WaitForRunning(2), UnorderedElementsAre("a", "b"));
  EXPECT_EQ(pool_->queued(Priority::kLow), 1u);
  jobs_.Release("a");
  jobs_.WaitForBegun(4);
  EXPECT_THAT(jobs_.WaitForRunning(2), UnorderedElementsAre("b", "c"));
}

TEST_F(WorkerPoolTest, OneJobOfHighPriorityRunsAtATime) {
  MakePool(3);
  Schedule(Priority::kHigh, "a");
  Schedule(Priority::kHigh, "b");
  EXPECT_THAT(jobs_.WaitForRunning(1), UnorderedElementsAre("a"));
  EXPECT_EQ(pool_->queued(Priority::kHigh), 1u);
  jobs_.Release("a");
  jobs_.WaitForBegun(2);
  EXPECT_THAT(jobs_.WaitForRunning(1), UnorderedElementsAre("b"));
}

TEST_F(WorkerPoolTest, ARemovalHasAThreadOfItsOwnBesideTheOnlyOne) {
  MakePool(1);
  Schedule(Priority::kRemoval, "removal");
  Schedule(Priority::kRemoval, "another");
  EXPECT_THAT(jobs_.WaitForRunning(1), ElementsAre("removal"));
  Schedule(Priority::kLow, "compaction");
  EXPECT_THAT(jobs_.WaitForRunning(2),
              UnorderedElementsAre("removal", "compaction"));
  Schedule(Priority::kHigh, "flush");
  jobs_.Release("compaction");
  jobs_.WaitForBegun(3);
  EXPECT_THAT(jobs_.WaitForRunning(2),
              UnorderedElementsAre("removal", "flush"));
  EXPECT_EQ(pool_->queued(Priority::kRemoval), 1u);
  jobs_.Release("removal");
  jobs_.WaitForBegun(4);
  EXPECT_THAT(jobs_.WaitForRunning(2),
              UnorderedElementsAre("another", "flush"));
}

// Niceness of the thread that runs a job of that priority.
int NicenessOf(WorkerPool* pool, Priority priority) {
  Atomic<int> niceness = 0;
  pool->Schedule(priority, [&] {
    niceness.store(
        getpriority(PRIO_PROCESS, static_cast<id_t>(syscall(SYS_gettid))));
  });
  pool->WaitUntilIdle();
  return niceness.load();
}

TEST_F(WorkerPoolTest, BothGiveWayToOthersAndLowPriorityToHigh) {
  MakePool(2);
  const int high = NicenessOf(pool_.get(), Priority::kHigh);
  EXPECT_GE(high, 10);
  EXPECT_GE(NicenessOf(pool_.get(), Priority::kLow), std::min(high + 5, 19));
}

TEST_F(WorkerPoolTest, ASingleThreadHasThePriorityThatFlushesNeed) {
  MakePool(1);
  const int high = NicenessOf(pool_.get(), Priority::kHigh);
  EXPECT_EQ(NicenessOf(pool_.get(), Priority::kLow), high);
}

TEST_F(WorkerPoolTest, ASingleThreadRunsLowPriorityToo) {
  MakePool(0);
  Schedule(Priority::kLow, "a");
  Schedule(Priority::kLow, "b");
  EXPECT_THAT(jobs_.WaitForRunning(1), ElementsAre("a"));
  EXPECT_EQ(pool_->queued(Priority::kLow), 1u);
}

TEST_F(WorkerPoolTest, TheDestructorWaitsForRunningJobsAndDropsTheOthers) {
  MakePool(1);
  auto held_by_job = std::make_shared<int>(0);
  Schedule(Priority::kHigh, "running");
  jobs_.WaitForRunning(1);
  pool_->Schedule(Priority::kLow, [held_by_job] { FAIL(); });
  pool_->Schedule(Priority::kHigh, [held_by_job] { FAIL(); });
  EXPECT_EQ(held_by_job.use_count(), 3);
  std::thread destroyer([this] { pool_.reset(); });
  while (held_by_job.use_count() > 1) std::this_thread::yield();
  EXPECT_THAT(jobs_.WaitForRunning(1), ElementsAre("running"));
  jobs_.Release("running");
  destroyer.join();
  EXPECT_THAT(jobs_.WaitForRunning(0), IsEmpty());
}

TEST_F(WorkerPoolTest, AJobMaySchedule) {
  MakePool(1);
  int runs = 0;
  std::function<void()> again = [&] {
    if (++runs < 10) pool_->Schedule(Priority::kLow, again);
  };
  pool_->Schedule(Priority::kHigh, again);
  pool_->WaitUntilIdle();
  EXPECT_EQ(runs, 10);
}

TEST_F(WorkerPoolTest, AnIdlePoolHoldsNothingOfItsJobs) {
  MakePool(2);
  auto held_by_job = std::make_shared<int>(0);
  for (int i = 0; i < 20; ++i) {
    pool_->Schedule(Priority::kLow, [held_by_job] {});
  }
  pool_->WaitUntilIdle();
  EXPECT_EQ(held_by_job.use_count(), 1);
}

TEST_F(WorkerPoolTest, ManyThreadsMaySchedule) {
  MakePool(4);
  Atomic<int> runs = 0;
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&] {
      for (int i = 0; i < 500; ++i) {
        pool_->Schedule(i % 3 == 0 ? Priority::kHigh : Priority::kLow,
                        [&runs] { runs.fetch_add(1); });
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  pool_->WaitUntilIdle();
  EXPECT_EQ(runs.load(), 2000);
}

}  // namespace
}  // namespace paceline
