// The pipeline alone: which groups become visible and are completed when, who
// syncs and for whom, and what a failed sync leaves behind. No threads but
// where one must wait.

#include "src/commit/commit_pipeline.h"

#include <algorithm>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "test/support/seed.h"

namespace paceline {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Action = CommitPipeline::Turn::Action;

constexpr uint64_t kMicro = 1'000;

// A group with its Writers; each Writer has one entry.
struct Group {
  Group(SequenceNumber first, size_t size, bool sync) {
    for (size_t i = 0; i < size; ++i) {
      Writer& writer = writers.emplace_back();
      writer.sync = sync;
      if (i > 0) writers[i - 1].link_newer = &writer;
    }
    group.leader = &writers.front();
    group.last = &writers.back();
    group.size = size;
    group.needs_sync = sync;
    group.first_sequence = first;
    group.last_sequence = first + size - 1;
  }
  [[nodiscard]] uint32_t state() const { return group.leader->state.load(); }

  std::deque<Writer> writers;
  WriteGroup group;
};

class CommitPipelineTest : public ::testing::Test {
 protected:
  void Build(const CommitPipeline::Config& config) {
    pipeline_ = std::make_unique<CommitPipeline>(config, &visible_);
  }
  CommitPipelineTest() { Build({}); }

  // Makes a group of the next sequence numbers, and logs it.
  Group* Enter(size_t size, bool sync) NO_THREAD_SAFETY_ANALYSIS {
    Group* group = &groups_.emplace_back(next_, size, sync);
    next_ += size;
    EXPECT_TRUE(pipeline_->Enter(&group->group).ok());
    return group;
  }
  Status TryEnter(Group* group) NO_THREAD_SAFETY_ANALYSIS {
    return pipeline_->Enter(&group->group);
  }
  void Drain() NO_THREAD_SAFETY_ANALYSIS { pipeline_->Drain(); }
  void ClearFailure() NO_THREAD_SAFETY_ANALYSIS { pipeline_->ClearFailure(); }

  // Returns what the group's leader does next. The completed are counted.
  CommitPipeline::Turn Apply(Group* group) {
    CommitPipeline::Turn turn;
    Count(pipeline_->Applied(&group->group, &turn), group);
    return turn;
  }
  void Sync(Group* own, const Status& status = Status::OK(),
            uint64_t nanos = 0) {
    EndSync(own, pipeline_->BeginSync(), status, nanos);
  }
  void EndSync(Group* own, uint64_t covered,
               const Status& status = Status::OK(), uint64_t nanos = 0) {
    Count(pipeline_->Synced(
              &own->group,
              {.covered = covered, .nanos = nanos, .status = status}),
          own);
  }
  // The Writers that the last call completed, the caller's own included, as
  // the first sequence numbers of their groups and their places there.
  void Count(const CommitPipeline::Completed& completed, Group* own) {
    completed_.clear();
    if (completed.includes_own_group) completed_.push_back(own->group.leader);
    Writer* writer = completed.first;
    for (size_t i = 0; i < completed.count; ++i) {
      completed_.push_back(writer);
      if (i + 1 == completed.count) {
        EXPECT_EQ(writer, completed.last);
      }
      writer = writer->link_newer;
    }
    all_completed_.insert(all_completed_.end(), completed_.begin(),
                          completed_.end());
  }
  [[nodiscard]] size_t CompletedOf(const Group& group) const {
    return static_cast<size_t>(std::count_if(
        all_completed_.begin(), all_completed_.end(), [&](Writer* writer) {
          return std::any_of(group.writers.begin(), group.writers.end(),
                             [&](const Writer& w) { return &w == writer; });
        }));
  }
  SequenceNumber visible() const { return visible_.load(); }

  Atomic<SequenceNumber> visible_{0};
  std::unique_ptr<CommitPipeline> pipeline_;
  std::deque<Group> groups_;
  SequenceNumber next_ = 1;
  std::vector<Writer*> completed_;
  std::vector<Writer*> all_completed_;
};

// --- The order of publishing -------------------------------------------------

TEST_F(CommitPipelineTest, AGroupWithoutASyncIsDoneWhenItIsApplied) {
  Group* group = Enter(3, false);
  EXPECT_EQ(visible(), 0U);
  EXPECT_FALSE(pipeline_->is_empty());
  EXPECT_EQ(Apply(group).action, Action::kWait);
  EXPECT_EQ(visible(), 3U);
  EXPECT_TRUE(pipeline_->is_empty());
  EXPECT_THAT(completed_, ElementsAre(&group->writers[0], &group->writers[1],
                                      &group->writers[2]));
}

TEST_F(CommitPipelineTest, AGroupThatIsAppliedEarlyWaitsForTheOlderOnes) {
  Group* first = Enter(1, false);
  Group* second = Enter(2, false);
  Group* third = Enter(1, false);
  Apply(third);
  Apply(second);
  EXPECT_EQ(visible(), 0U);
  EXPECT_THAT(completed_, IsEmpty());
  Apply(first);
  EXPECT_EQ(visible(), 4U);
  // Its own first, then the others in their order, as one list.
  EXPECT_THAT(completed_, ElementsAre(&first->writers[0], &second->writers[0],
                                      &second->writers[1], &third->writers[0]));
}

TEST_F(CommitPipelineTest, ASyncedGroupIsVisibleAfterItsSyncOnly) {
  Group* group = Enter(2, true);
  EXPECT_EQ(Apply(group).action, Action::kSync);
  EXPECT_EQ(visible(), 0U);
  Sync(group);
  EXPECT_EQ(visible(), 2U);
  EXPECT_EQ(CompletedOf(*group), 2U);
}

TEST_F(CommitPipelineTest, AWriteIsNotVisibleBeforeTheSyncOfAnOlderOne) {
  Group* synced = Enter(1, true);
  Group* plain = Enter(1, false);
  EXPECT_EQ(Apply(synced).action, Action::kSync);
  EXPECT_EQ(Apply(plain).action, Action::kWait);
  EXPECT_EQ(CompletedOf(*plain), 0U);
  Sync(synced);
  EXPECT_EQ(visible(), 2U);
  EXPECT_EQ(CompletedOf(*plain), 1U);
}

TEST_F(CommitPipelineTest, VisibleEarlyIsSeenBeforeTheSyncAndToldAfterIt) {
  Build({.visible_before_durable = true});
  Group* synced = Enter(1, true);
  Group* plain = Enter(1, false);
  EXPECT_EQ(Apply(synced).action, Action::kSync);
  EXPECT_EQ(visible(), 1U);
  EXPECT_EQ(CompletedOf(*synced), 0U);
  // One that wants no sync does not wait for that of another.
  Apply(plain);
  EXPECT_EQ(visible(), 2U);
  EXPECT_EQ(CompletedOf(*plain), 1U);
  Sync(synced);
  EXPECT_EQ(CompletedOf(*synced), 1U);
}

// --- Who syncs ---------------------------------------------------------------

TEST_F(CommitPipelineTest, OneSyncRunsAtATimeAndTheNextServesAllThatWait) {
  Group* first = Enter(1, true);
  EXPECT_EQ(Apply(first).action, Action::kSync);
  const uint64_t covered = pipeline_->BeginSync();
  Group* second = Enter(1, true);
  Group* third = Enter(1, true);
  EXPECT_EQ(Apply(third).action, Action::kWait);
  EXPECT_EQ(Apply(second).action, Action::kWait);
  EndSync(first, covered);
  EXPECT_EQ(visible(), 1U);
  // The oldest of them is told to, and only it.
  EXPECT_EQ(second->state(), Writer::STATE_SYNC_LEADER);
  EXPECT_EQ(third->state(), Writer::STATE_INIT);
  EXPECT_EQ(pipeline_->TakeTurn(&third->group).action, Action::kWait);
  EXPECT_EQ(pipeline_->TakeTurn(&second->group).action, Action::kSync);
  // A turn is taken once.
  EXPECT_EQ(pipeline_->TakeTurn(&second->group).action, Action::kWait);
  Sync(second);
  EXPECT_EQ(visible(), 3U);
  EXPECT_TRUE(pipeline_->is_empty());
}

TEST_F(CommitPipelineTest, ASyncDoesNotCoverWhatEnteredAfterItBegan) {
  Group* first = Enter(1, true);
  Apply(first);
  const uint64_t covered = pipeline_->BeginSync();
  Group* late = Enter(1, true);
  Apply(late);
  EndSync(first, covered);
  EXPECT_EQ(visible(), 1U);
  EXPECT_EQ(CompletedOf(*late), 0U);
}

TEST_F(CommitPipelineTest, AGroupThatASyncCoveredNeedsNoneWhenItIsApplied) {
  Group* first = Enter(1, true);
  Group* slow = Enter(1, true);
  Apply(first);
  Sync(first);
  // Logged before the sync, inserted after it.
  EXPECT_EQ(Apply(slow).action, Action::kWait);
  EXPECT_EQ(visible(), 2U);
  EXPECT_EQ(CompletedOf(*slow), 1U);
}

TEST_F(CommitPipelineTest, AGroupThatIsNotAppliedDoesNotHoldUpTheSync) {
  Group* slow = Enter(1, true);
  Group* fast = Enter(1, true);
  EXPECT_EQ(Apply(fast).action, Action::kSync);
  Sync(fast);
  EXPECT_EQ(visible(), 0U);  // Behind the slow one, in order.
  Apply(slow);
  EXPECT_EQ(visible(), 2U);
  EXPECT_TRUE(pipeline_->is_empty());
}

// --- Gathering ---------------------------------------------------------------

class CommitPipelineGatheringTest : public CommitPipelineTest {
 protected:
  // A sync after which `writers` Writers are about to come back.
  void Serve(size_t writers, uint64_t nanos) {
    Group* group = Enter(writers, true);
    CommitPipeline::Turn turn = Apply(group);
    if (turn.action == Action::kGather) {
      turn = pipeline_->EndGathering(&group->group);
    }
    ASSERT_EQ(turn.action, Action::kSync);
    Sync(group, Status::OK(), nanos);
  }
};

TEST_F(CommitPipelineGatheringTest, TheFirstOfManyWaitsForHalfASync) {
  Serve(4, 60 * kMicro);
  Group* first = Enter(1, true);
  const CommitPipeline::Turn turn = Apply(first);
  EXPECT_EQ(turn.action, Action::kGather);
  EXPECT_EQ(turn.gather_nanos, 30 * kMicro);
  EXPECT_EQ(pipeline_->EndGathering(&first->group).action, Action::kSync);
}

TEST_F(CommitPipelineGatheringTest, NobodyWaitsLongOnASlowDevice) {
  Serve(4, 1'000'000 * kMicro);
  Group* first = Enter(1, true);
  EXPECT_EQ(Apply(first).gather_nanos, 100 * kMicro);
}

TEST_F(CommitPipelineGatheringTest, OneThatWritesAloneDoesNotWait) {
  Serve(1, 60 * kMicro);
  Group* next = Enter(1, true);
  EXPECT_EQ(Apply(next).action, Action::kSync);
}

TEST_F(CommitPipelineGatheringTest, WhoMakesTheNumberCompleteSyncsForAll) {
  Serve(4, 60 * kMicro);
  Group* first = Enter(1, true);
  EXPECT_EQ(Apply(first).action, Action::kGather);
  Group* second = Enter(2, true);
  EXPECT_EQ(Apply(second).action, Action::kWait);
  Group* last = Enter(1, true);
  EXPECT_EQ(Apply(last).action, Action::kSync);
  // The one that gathered is not to sync as well when its time is up.
  EXPECT_EQ(pipeline_->EndGathering(&first->group).action, Action::kWait);
  Sync(last);
  EXPECT_EQ(CompletedOf(*first) + CompletedOf(*second) + CompletedOf(*last),
            4U);
}

TEST_F(CommitPipelineGatheringTest, WhereItIsInVainItIsDoneMoreAndMoreRarely) {
  Serve(4, 60 * kMicro);
  std::vector<int> pauses;
  int pause = 0;
  for (int i = 0; i < 40; ++i) {
    // One comes at once, the others when its time is up and the sync begins.
    Group* first = Enter(1, true);
    CommitPipeline::Turn turn = Apply(first);
    if (turn.action == Action::kGather) {
      pauses.push_back(std::exchange(pause, 0));
      turn = pipeline_->EndGathering(&first->group);
    } else {
      ++pause;
    }
    ASSERT_EQ(turn.action, Action::kSync);
    Group* others = Enter(3, true);
    const uint64_t covered = pipeline_->BeginSync();
    Apply(others);
    EndSync(first, covered, Status::OK(), 60 * kMicro);
    ASSERT_EQ(CompletedOf(*others), 3U);
  }
  EXPECT_THAT(pauses, ElementsAre(0, 1, 3, 7, 15));
}

TEST_F(CommitPipelineGatheringTest, WhereItPaysItIsDoneEveryTime) {
  Serve(4, 60 * kMicro);
  for (int i = 0; i < 20; ++i) {
    Group* first = Enter(2, true);
    ASSERT_EQ(Apply(first).action, Action::kGather);
    Group* others = Enter(1, true);  // Half as many again.
    Apply(others);
    ASSERT_EQ(pipeline_->EndGathering(&first->group).action, Action::kSync);
    Group* late = Enter(1, true);
    const uint64_t covered = pipeline_->BeginSync();
    Apply(late);
    EndSync(first, covered, Status::OK(), 60 * kMicro);
  }
}

TEST_F(CommitPipelineGatheringTest, OneThatWaitedForASyncMayBeToldToGather) {
  Serve(4, 60 * kMicro);
  Group* first = Enter(4, true);
  ASSERT_EQ(Apply(first).action, Action::kSync);
  const uint64_t covered = pipeline_->BeginSync();
  Group* late = Enter(1, true);
  Apply(late);
  EndSync(first, covered, Status::OK(), 60 * kMicro);
  EXPECT_EQ(late->state(), Writer::STATE_SYNC_LEADER);
  EXPECT_EQ(pipeline_->TakeTurn(&late->group).action, Action::kGather);
  EXPECT_EQ(pipeline_->EndGathering(&late->group).action, Action::kSync);
}

// --- Failures ----------------------------------------------------------------

TEST_F(CommitPipelineTest, AFailedSyncFailsEverythingThatIsInFlight) {
  Group* older = Enter(1, false);
  Group* synced = Enter(2, true);
  Group* newer = Enter(1, false);
  Apply(newer);
  EXPECT_EQ(Apply(synced).action, Action::kSync);
  Sync(synced, Status::IOError("disk on fire"));
  EXPECT_EQ(visible(), 0U);
  for (const Group* group : {synced, newer}) {
    EXPECT_EQ(CompletedOf(*group), group->writers.size());
    for (const Writer& writer : group->writers) {
      EXPECT_TRUE(writer.status.IsIOError());
    }
  }
  // One that is being inserted is told when it is done.
  EXPECT_EQ(CompletedOf(*older), 0U);
  EXPECT_FALSE(pipeline_->is_empty());
  EXPECT_EQ(Apply(older).action, Action::kWait);
  EXPECT_TRUE(older->writers[0].status.IsIOError());
  EXPECT_EQ(visible(), 0U);
  EXPECT_TRUE(pipeline_->is_empty());
}

TEST_F(CommitPipelineTest, AWriterThatWasRefusedKeepsItsOwnStatus) {
  Group* group = Enter(2, true);
  group->writers[1].status = Status::InvalidArgument("refused");
  Apply(group);
  Sync(group, Status::IOError("disk on fire"));
  EXPECT_TRUE(group->writers[0].status.IsIOError());
  EXPECT_TRUE(group->writers[1].status.IsInvalidArgument());
}

TEST_F(CommitPipelineTest, AfterAFailureNothingEntersUntilItIsMended) {
  Group* group = Enter(1, true);
  Apply(group);
  Sync(group, Status::IOError("disk on fire"));
  Group late(next_, 1, false);
  EXPECT_TRUE(TryEnter(&late).IsIOError());
  EXPECT_TRUE(pipeline_->is_empty());
  ClearFailure();
  EXPECT_TRUE(TryEnter(&late).ok());
  Apply(&late);
  EXPECT_EQ(visible(), 2U);
  EXPECT_TRUE(late.writers[0].status.ok());
}

TEST_F(CommitPipelineTest, TheFirstFailureIsTheOneThatIsTold) {
  Group* first = Enter(1, true);
  Group* slow = Enter(1, true);
  Apply(first);
  Sync(first, Status::IOError("first"));
  EXPECT_TRUE(first->writers[0].status.IsIOError());
  // It asks for no sync of its own any more.
  EXPECT_EQ(Apply(slow).action, Action::kWait);
  EXPECT_THAT(slow->writers[0].status.ToString(), testing::HasSubstr("first"));
}

// --- All of it ---------------------------------------------------------------

TEST_F(CommitPipelineTest, DrainWaitsUntilTheLastGroupHasLeft) {
  Group* first = Enter(1, false);
  Group* second = Enter(1, false);
  Atomic<bool> is_drained{false};
  Thread drains([&] {
    Drain();
    is_drained = true;
  });
  Apply(second);
  EXPECT_FALSE(is_drained.load());  // The first one is in it.
  Apply(first);
  drains.join();
  EXPECT_TRUE(is_drained.load());
}

// Groups of all kinds in any order of steps, against the rules.
TEST_F(CommitPipelineTest, AnyOrderOfStepsPublishesAPrefixAndTellsEachOnce) {
  TestRandom random(TestSeed());
  for (int round = 0; round < 300; ++round) {
    const bool is_early = random.OneIn(3);
    Build({.visible_before_durable = is_early});
    groups_.clear();
    all_completed_.clear();
    next_ = 1;
    visible_ = 0;
    std::vector<Group*> to_apply;
    std::vector<bool> is_applied;
    Group* syncing = nullptr;
    uint64_t covered = 0;
    size_t durable = 0;  // So many groups were covered by syncs.
    size_t covers = 0;
    size_t to_enter = 1 + random.Below(8);
    while (to_enter > 0 || !to_apply.empty() || syncing != nullptr) {
      const uint64_t step = random.Below(3);
      if (step == 0 && to_enter > 0) {
        --to_enter;
        to_apply.push_back(Enter(1 + random.Below(3), random.OneIn(2)));
        is_applied.resize(groups_.size());
      } else if (step == 1 && !to_apply.empty()) {
        const auto at = static_cast<ptrdiff_t>(random.Below(to_apply.size()));
        Group* group = to_apply[static_cast<size_t>(at)];
        to_apply.erase(to_apply.begin() + at);
        for (size_t i = 0; i < groups_.size(); ++i) {
          if (&groups_[i] == group) is_applied[i] = true;
        }
        if (Apply(group).action == Action::kSync) {
          ASSERT_EQ(syncing, nullptr);
          syncing = group;
          covered = pipeline_->BeginSync();
          covers = groups_.size();
        }
      } else if (step == 2 && syncing != nullptr) {
        durable = std::max(durable, covers);
        EndSync(std::exchange(syncing, nullptr), covered);
        for (Group& group : groups_) {
          if (group.state() != Writer::STATE_SYNC_LEADER) continue;
          group.group.leader->state = Writer::STATE_INIT;
          ASSERT_EQ(pipeline_->TakeTurn(&group.group).action, Action::kSync);
          syncing = &group;
          covered = pipeline_->BeginSync();
          covers = groups_.size();
        }
      }
      SequenceNumber expected = 0;
      for (size_t i = 0; i < groups_.size(); ++i) {
        const Group& group = groups_[i];
        const bool is_durable = !group.group.needs_sync || i < durable;
        if (!is_applied[i] || !(is_durable || is_early)) break;
        expected = group.group.last_sequence;
      }
      ASSERT_EQ(visible(), expected);
    }
    for (const Group& group : groups_) {
      ASSERT_EQ(CompletedOf(group), group.writers.size());
    }
    ASSERT_TRUE(pipeline_->is_empty());
    is_applied.clear();
  }
}

}  // namespace
}  // namespace paceline
