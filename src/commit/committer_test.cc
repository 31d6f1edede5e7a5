// The commit protocol, with threads and a fake target: no disk, no memtables.

#include "src/commit/committer.h"

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "src/commit/fake_target.h"

namespace paceline {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// What a test says of one write.
struct Request {
  uint32_t name = 0;
  uint32_t entries = 1;
  size_t value_bytes = 10;
  bool sync = false;
  bool disable_wal = false;
  bool no_slowdown = false;
};

class CommitterTest : public ::testing::Test {
 protected:
  // One write in a thread of its own.
  struct Call {
    WriteBatch batch;
    uint32_t name = 0;
    Writer writer;
    Status result;
    Thread thread;
  };

  CommitterTest() { Build({}); }
  ~CommitterTest() override { JoinWriters(); }

  void Build(const Committer::Config& config) {
    committer_ =
        std::make_unique<Committer>(config, &target_, &latch_, &controller_);
  }
  Committer& committer() { return *committer_; }

  static std::unique_ptr<Call> MakeCall(const Request& request) {
    auto call = std::make_unique<Call>();
    std::string value(request.value_bytes, 'v');
    for (uint32_t i = 0; i < request.entries; ++i) {
      EXPECT_TRUE(call->batch.Put("key", value).ok());
    }
    call->name = request.name;
    call->writer.batch = &call->batch;
    call->writer.family_ids = {&call->name, 1};
    call->writer.sync = request.sync;
    call->writer.disable_wal = request.disable_wal;
    call->writer.no_slowdown = request.no_slowdown;
    return call;
  }

  Status Commit(const Request& request) {
    std::unique_ptr<Call> call = MakeCall(request);
    return committer().Commit(&call->writer);
  }

  // Starts a write; it has joined the queue when this returns.
  Call* Start(const Request& request) {
    size_t queued = committer().write_thread().QueueLengthForTest();
    calls_.push_back(MakeCall(request));
    Call* call = calls_.back().get();
    call->thread = Thread(
        [this, call] { call->result = committer().Commit(&call->writer); });
    WaitForQueueLength(queued + 1);
    return call;
  }
  // Starts a write that does not stay in the queue.
  Call* StartUnqueued(const Request& request) {
    calls_.push_back(MakeCall(request));
    Call* call = calls_.back().get();
    call->thread = Thread(
        [this, call] { call->result = committer().Commit(&call->writer); });
    return call;
  }
  void WaitForQueueLength(size_t length) {
    while (committer().write_thread().QueueLengthForTest() < length) {
      std::this_thread::yield();
    }
  }
  void JoinWriters() {
    for (auto& call : calls_) {
      if (call->thread.joinable()) call->thread.join();
    }
  }

  // Holds a leader in its append, so that what is started meanwhile queues up.
  Call* HoldLeader(Request request = {}) {
    target_.HoldAppends();
    Call* leader = StartUnqueued(request);
    target_.WaitForHeldAppend();
    return leader;
  }
  void Go() {
    target_.ReleaseAppends();
    JoinWriters();
  }

  std::vector<size_t> GroupSizes() const {
    std::vector<size_t> sizes;
    for (const auto& group : target_.groups()) {
      sizes.push_back(group.writers.size());
    }
    return sizes;
  }
  std::vector<uint32_t> WritersInOrder() const {
    std::vector<uint32_t> names;
    for (const auto& group : target_.groups()) {
      names.insert(names.end(), group.writers.begin(), group.writers.end());
    }
    return names;
  }

  FakeTarget target_;
  ErrorLatch latch_;
  WriteController controller_{Clock::Default()};
  std::unique_ptr<Committer> committer_;
  std::deque<std::unique_ptr<Call>> calls_;
};

TEST_F(CommitterTest, AWriterAloneLeadsAGroupOfOne) {
  EXPECT_TRUE(Commit({.name = 1}).ok());
  EXPECT_THAT(GroupSizes(), ElementsAre(1));
  EXPECT_EQ(committer().visible_sequence(), 1U);
}

TEST_F(CommitterTest, WritersQueuedBehindAnAppendShareTheNextGroup) {
  HoldLeader({.name = 1});
  for (uint32_t name : {2, 3, 4}) Start({.name = name});
  Go();
  EXPECT_THAT(GroupSizes(), ElementsAre(1, 3));
}

TEST_F(CommitterTest, GroupsAndSequenceNumbersFollowTheOrderOfArrival) {
  HoldLeader({.name = 1});
  for (uint32_t name : {2, 3, 4, 5}) {
    Start({.name = name, .entries = name});
  }
  Go();
  EXPECT_THAT(WritersInOrder(), ElementsAre(1, 2, 3, 4, 5));
  EXPECT_EQ(calls_[0]->writer.sequence, 1U);
  EXPECT_EQ(calls_[1]->writer.sequence, 2U);
  EXPECT_EQ(calls_[2]->writer.sequence, 4U);
  EXPECT_EQ(calls_[3]->writer.sequence, 7U);
  EXPECT_EQ(calls_[4]->writer.sequence, 11U);
  EXPECT_EQ(committer().visible_sequence(), 15U);
}

TEST_F(CommitterTest, AGroupEndsInFrontOfTheWriterThatWouldOverfillIt) {
  Build({.queue = {.group_bytes_max = 1000}});
  HoldLeader({.name = 1});
  Start({.name = 2, .value_bytes = 400});
  Start({.name = 3, .value_bytes = 400});
  Start({.name = 4, .value_bytes = 400});
  Go();
  EXPECT_THAT(GroupSizes(), ElementsAre(1, 2, 1));
}

TEST_F(CommitterTest, ABatchLargerThanTheLimitIsCommittedAlone) {
  Build({.queue = {.group_bytes_max = 1000}});
  HoldLeader({.name = 1});
  Start({.name = 2, .value_bytes = 5000});
  Start({.name = 3});
  Go();
  EXPECT_THAT(GroupSizes(), ElementsAre(1, 1, 1));
}

TEST_F(CommitterTest, ASmallLeaderDoesNotWaitForLargeFollowers) {
  HoldLeader({.name = 1});
  Start({.name = 2});
  Start({.name = 3, .value_bytes = size_t{200} << 10});
  Go();
  EXPECT_THAT(GroupSizes(), ElementsAre(1, 1, 1));
}

TEST_F(CommitterTest, ASyncWriterNeverJoinsALeaderThatDoesNotSync) {
  HoldLeader({.name = 1});
  Start({.name = 2});
  Start({.name = 3, .sync = true});
  Start({.name = 4});
  Go();
  auto groups = target_.groups();
  ASSERT_THAT(groups, SizeIs(3));
  EXPECT_THAT(groups[1].writers, ElementsAre(2));
  EXPECT_FALSE(groups[1].needs_sync);
  EXPECT_THAT(groups[2].writers, ElementsAre(3, 4));
  EXPECT_TRUE(groups[2].needs_sync);
  EXPECT_EQ(target_.syncs(), 1);
}

TEST_F(CommitterTest, LoggedAndUnloggedWritersNeverShareAGroup) {
  HoldLeader({.name = 1});
  Start({.name = 2});
  Start({.name = 3, .disable_wal = true});
  Start({.name = 4});
  Go();
  EXPECT_THAT(WritersInOrder(), ElementsAre(1, 2, 4));
  EXPECT_THAT(target_.inserted(), ElementsAre(1, 2, 3, 4));
}

TEST_F(CommitterTest, ARefusedWriterFailsAloneAndLeavesNoTrace) {
  for (uint32_t refused : {2U, 3U, 4U}) {  // Leader, middle, last.
    SCOPED_TRACE(refused);
    FakeTarget target;
    target.Refuse(refused);
    Committer committer({}, &target, &latch_, &controller_);
    target.HoldAppends();
    std::vector<std::unique_ptr<Call>> calls;
    for (uint32_t name : {1, 2, 3, 4}) {
      calls.push_back(MakeCall({.name = name}));
      Call* call = calls.back().get();
      size_t queued = committer.write_thread().QueueLengthForTest();
      call->thread = Thread([&committer, call] {
        call->result = committer.Commit(&call->writer);
      });
      if (name == 1) target.WaitForHeldAppend();
      while (name != 1 &&
             committer.write_thread().QueueLengthForTest() < queued + 1) {
        std::this_thread::yield();
      }
    }
    target.ReleaseAppends();
    for (auto& call : calls) call->thread.join();
    for (auto& call : calls) {
      EXPECT_EQ(call->result.IsInvalidArgument(), call->name == refused);
      EXPECT_EQ(call->result.ok(), call->name != refused);
    }
    ASSERT_THAT(target.groups(), SizeIs(2));
    EXPECT_EQ(target.groups()[1].entry_count, 2U);
    EXPECT_THAT(target.inserted(), ElementsAre(1, 2, 3));
  }
}

TEST_F(CommitterTest, AFailedAppendFailsItsWholeGroupAndShowsNothing) {
  HoldLeader({.name = 1});
  for (uint32_t name : {2, 3, 4}) Start({.name = name});
  target_.FailNextAppend(Status::IOError("disk on fire"));
  Go();
  // The held leader met the failure; the others find the latch.
  for (const auto& call : calls_) {
    EXPECT_TRUE(call->result.IsIOError()) << call->result.ToString();
    EXPECT_THAT(call->result.ToString(), HasSubstr("disk on fire"));
  }
  EXPECT_EQ(committer().visible_sequence(), 0U);
  EXPECT_THAT(target_.inserted(), IsEmpty());
}

TEST_F(CommitterTest, SequenceNumbersOfAFailedGroupAreNeverGivenAgain) {
  target_.FailNextAppend(Status::IOError("disk on fire"));
  EXPECT_TRUE(Commit({.name = 1, .entries = 5}).IsIOError());
  {
    Writer alone;
    committer().BeginExclusive(&alone);
    committer().ClearFailure();
    committer().EndExclusive(&alone);
  }
  EXPECT_TRUE(Commit({.name = 2}).ok());
  EXPECT_THAT(target_.inserted(), ElementsAre(6));
}

TEST_F(CommitterTest, AFailedSyncFailsEveryGroupThatWaitsAndNeverShowsThem) {
  target_.HoldSyncs();
  StartUnqueued({.name = 1, .sync = true});
  target_.WaitForHeldSync();
  // They are logged and applied while the sync runs, and wait behind it.
  for (uint32_t name : {2, 3}) {
    StartUnqueued({.name = name, .sync = name == 2});
    while (target_.groups().size() < name) std::this_thread::yield();
  }
  target_.FailNextSync(Status::IOError("disk on fire"));
  target_.ReleaseSyncs();
  JoinWriters();
  for (const auto& call : calls_) {
    EXPECT_TRUE(call->result.IsIOError()) << call->result.ToString();
  }
  EXPECT_EQ(committer().visible_sequence(), 0U);
  EXPECT_EQ(target_.syncs(), 1);
  Status later = Commit({.name = 4});
  EXPECT_TRUE(later.IsIOError());
  EXPECT_THAT(later.ToString(), HasSubstr("disk on fire"));
  EXPECT_EQ(target_.groups().size(), 3U);
}

TEST_F(CommitterTest, TheNextGroupIsLoggedWhileManyEntriesAreInserted) {
  target_.HoldInserts();
  StartUnqueued({.name = 1, .entries = 16});
  target_.WaitForHeldInsert();
  StartUnqueued({.name = 2});
  while (target_.groups().size() < 2) std::this_thread::yield();
  EXPECT_EQ(committer().visible_sequence(), 0U);
  target_.ReleaseInserts();
  JoinWriters();
  EXPECT_EQ(committer().visible_sequence(), 17U);
}

TEST_F(CommitterTest, GroupsFormAndLogWhileASyncRuns) {
  target_.HoldSyncs();
  StartUnqueued({.name = 1, .sync = true});
  target_.WaitForHeldSync();
  for (uint32_t name : {2, 3, 4}) {
    StartUnqueued({.name = name, .sync = true});
    // Inserted, and so in the pipeline: the next sync covers it.
    while (target_.inserted().size() < name) std::this_thread::yield();
  }
  EXPECT_EQ(committer().visible_sequence(), 0U);
  target_.ReleaseSyncs();
  JoinWriters();
  // One sync for the first, one for all that came meanwhile.
  EXPECT_THAT(target_.covered_by_syncs(), ElementsAre(1, 4));
  EXPECT_EQ(committer().visible_sequence(), 4U);
}

TEST_F(CommitterTest, AWriteIsNotVisibleBeforeTheSyncOfAnEarlierOne) {
  target_.HoldSyncs();
  StartUnqueued({.name = 1, .sync = true});
  target_.WaitForHeldSync();
  StartUnqueued({.name = 2});
  while (target_.inserted().size() < 2) std::this_thread::yield();
  EXPECT_EQ(committer().visible_sequence(), 0U);
  target_.ReleaseSyncs();
  JoinWriters();
  EXPECT_EQ(committer().visible_sequence(), 2U);
}

TEST_F(CommitterTest, VisibleBeforeDurableLetsOthersFinishDuringASync) {
  Build({.queue = {.separates_sync_writers = true},
         .pipeline = {.visible_before_durable = true}});
  target_.HoldSyncs();
  Call* synced = StartUnqueued({.name = 1, .sync = true});
  target_.WaitForHeldSync();
  EXPECT_TRUE(Commit({.name = 2}).ok());
  EXPECT_EQ(committer().visible_sequence(), 2U);
  target_.ReleaseSyncs();
  JoinWriters();
  EXPECT_TRUE(synced->result.ok());
}

TEST_F(CommitterTest, MembersOfALargeGroupAreInsertedExactlyOnce) {
  HoldLeader({.name = 1});
  for (uint32_t name = 2; name <= 9; ++name) {
    Start({.name = name, .entries = 50});
  }
  Go();
  EXPECT_THAT(target_.inserted(), SizeIs(9));
  EXPECT_EQ(committer().visible_sequence(), 401U);
  Metrics metrics;
  committer().AddMetrics(&metrics);
  EXPECT_EQ(metrics.parallel_groups, ProcessorCount() > 1 ? 1U : 0U);
}

TEST_F(CommitterTest, AStalledWriterThatMustNotWaitFailsAtOnce) {
  controller_.AddStop();
  Status s = Commit({.name = 1, .no_slowdown = true});
  EXPECT_TRUE(s.IsIncomplete()) << s.ToString();
  controller_.RemoveStop();
  EXPECT_TRUE(Commit({.name = 1, .no_slowdown = true}).ok());
}

TEST_F(CommitterTest, AStallFailsOnlyTheQueuedWritersThatMustNotWait) {
  HoldLeader({.name = 1});
  Start({.name = 2});
  Start({.name = 3, .no_slowdown = true});
  Start({.name = 4});
  Start({.name = 5, .no_slowdown = true});
  controller_.AddStop();
  target_.ReleaseAppends();
  calls_[2]->thread.join();
  calls_[4]->thread.join();
  EXPECT_TRUE(calls_[2]->result.IsIncomplete());
  EXPECT_TRUE(calls_[4]->result.IsIncomplete());
  EXPECT_TRUE(Commit({.name = 6, .no_slowdown = true}).IsIncomplete());
  controller_.RemoveStop();
  JoinWriters();
  EXPECT_THAT(WritersInOrder(), ElementsAre(1, 2, 4));
  Metrics metrics;
  controller_.AddMetrics(&metrics);
  EXPECT_EQ(metrics.stalls, 1U);
}

TEST_F(CommitterTest, ShutdownFailsEveryWaitingWriter) {
  HoldLeader({.name = 1});
  for (uint32_t name : {2, 3, 4}) Start({.name = name});
  committer().Shutdown();
  Go();
  EXPECT_TRUE(calls_[0]->result.ok());  // It was in the log already.
  for (size_t i = 1; i < calls_.size(); ++i) {
    EXPECT_TRUE(calls_[i]->result.IsShutdownInProgress());
  }
  EXPECT_TRUE(Commit({.name = 5}).IsShutdownInProgress());
}

TEST_F(CommitterTest, ShutdownEndsAStall) {
  controller_.AddStop();
  Call* waiting = Start({.name = 1});
  committer().Shutdown();
  waiting->thread.join();
  EXPECT_TRUE(waiting->result.IsShutdownInProgress());
}

TEST_F(CommitterTest, AnExclusiveLeaderWaitsForSyncsAndLetsNobodyPass) {
  target_.HoldSyncs();
  StartUnqueued({.name = 1, .sync = true});
  target_.WaitForHeldSync();
  Atomic<bool> is_alone = false;
  Thread exclusive([this, &is_alone]() NO_THREAD_SAFETY_ANALYSIS {
    Writer writer;
    committer().BeginExclusive(&writer);
    is_alone = true;
    EXPECT_EQ(committer().visible_sequence(), 1U);
    committer().EndExclusive(&writer);
  });
  WaitForQueueLength(1);
  Start({.name = 2});
  EXPECT_FALSE(is_alone);
  EXPECT_THAT(target_.groups(), SizeIs(1));
  target_.ReleaseSyncs();
  exclusive.join();
  JoinWriters();
  EXPECT_THAT(WritersInOrder(), ElementsAre(1, 2));
}

// The next leader has looked for failures before the sync fails, and finds
// nothing in flight after it: it must look again.
TEST_F(CommitterTest, AGroupLoggedBesideAFailingSyncIsNotPublished) {
  target_.HoldSyncs();
  StartUnqueued({.name = 1, .sync = true});
  target_.WaitForHeldSync();
  target_.HoldAppends();
  StartUnqueued({.name = 2});
  target_.WaitForHeldAppend();
  target_.FailNextSync(Status::IOError("disk on fire"));
  target_.ReleaseSyncs();
  calls_[0]->thread.join();
  target_.ReleaseAppends();
  JoinWriters();
  EXPECT_TRUE(calls_[1]->result.IsIOError()) << calls_[1]->result.ToString();
  EXPECT_EQ(committer().visible_sequence(), 0U);
}

TEST_F(CommitterTest, AFailureDuringTheDrainStopsTheLeaderThatNeedsRoom) {
  target_.HoldSyncs();
  StartUnqueued({.name = 1, .sync = true});
  target_.WaitForHeldSync();
  target_.SetNeedsRoom(true);
  Start({.name = 2});
  target_.FailNextSync(Status::IOError("disk on fire"));
  target_.ReleaseSyncs();
  JoinWriters();
  EXPECT_TRUE(calls_[1]->result.IsIOError()) << calls_[1]->result.ToString();
  EXPECT_EQ(target_.rooms_made(), 0);
  EXPECT_EQ(committer().visible_sequence(), 0U);
}

TEST_F(CommitterTest, RoomIsMadeWithNothingInFlight) {
  target_.HoldSyncs();
  StartUnqueued({.name = 1, .sync = true});
  target_.WaitForHeldSync();
  target_.SetNeedsRoom(true);
  Start({.name = 2});
  EXPECT_EQ(target_.rooms_made(), 0);
  target_.ReleaseSyncs();
  JoinWriters();
  EXPECT_EQ(target_.rooms_made(), 1);
  EXPECT_TRUE(calls_[1]->result.ok());
}

// Many threads, all kinds of writes: every one is told the truth, every
// sequence number is used once, and the log has them in order.
TEST_F(CommitterTest, ManyThreadsOfAllKindsAreCommittedOnceAndInOrder) {
  constexpr int kThreads = 8;
  constexpr uint32_t kWrites = 400;
  std::vector<Thread> threads;
  Atomic<uint64_t> entries = 0;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([this, t, &entries] {
      for (uint32_t i = 0; i < kWrites; ++i) {
        Request request{.name = 1,
                        .entries = 1 + (i * 7 + static_cast<uint32_t>(t)) % 90,
                        .sync = i % 5 == 0,
                        .disable_wal = i % 7 == 3};
        request.sync = request.sync && !request.disable_wal;
        EXPECT_TRUE(Commit(request).ok());
        entries += request.entries;
      }
    });
  }
  for (Thread& thread : threads) thread.join();
  EXPECT_EQ(committer().visible_sequence(), entries);
  EXPECT_THAT(target_.inserted(), SizeIs(kThreads * kWrites));
  SequenceNumber last = 0;
  for (const auto& group : target_.groups()) {
    EXPECT_GT(group.first_sequence, last);
    last = group.first_sequence + group.entry_count - 1;
  }
}

}  // namespace
}  // namespace paceline
