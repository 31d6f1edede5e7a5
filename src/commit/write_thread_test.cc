// The queue alone: who leads, who shares a group, who is passed over while
// writes are stalled, and how the waiting are woken. Leaders here do nothing
// but form their group and complete it.

#include "src/commit/write_thread.h"

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
using ::testing::ElementsAreArray;
using ::testing::IsEmpty;

// What a test says of one write.
struct Request {
  bool sync = false;
  bool disable_wal = false;
  bool no_slowdown = false;
  bool is_exclusive = false;
  size_t bytes = 100;  // Of its batch.
};

// A batch of exactly so many bytes.
std::unique_ptr<WriteBatch> BatchOf(size_t bytes) {
  auto batch = std::make_unique<WriteBatch>();
  // The length of a longer value takes more bytes itself. At that border one
  // size needs a longer key.
  for (const std::string key : {"k", "kk"}) {
    batch->Clear();
    EXPECT_TRUE(batch->Put(key, "").ok());
    const size_t overhead = batch->GetDataSize();
    for (size_t extra = 0; extra < 4 && overhead + extra <= bytes; ++extra) {
      batch->Clear();
      std::string value(bytes - overhead - extra, 'v');
      EXPECT_TRUE(batch->Put(key, value).ok());
      if (batch->GetDataSize() == bytes) return batch;
    }
  }
  ADD_FAILURE() << "no batch has " << bytes << " bytes";
  return batch;
}

TEST(WriteThreadTest, TheBatchesOfTheseTestsHaveTheSizesThatAreAskedFor) {
  for (size_t bytes = 20; bytes < 20'000; ++bytes) {
    EXPECT_EQ(BatchOf(bytes)->GetDataSize(), bytes);
  }
}

// Threads that write through one WriteThread. The test leads first, and goes
// when all have joined, so that the groups depend on what they are only.
class Crew {
 public:
  explicit Crew(const WriteThread::Config& config = {}) : thread_(config) {
    Lead();
  }
  ~Crew() { Finish(); }

  // Joins a Writer, as the next one in the queue.
  Writer* Add(const Request& request) {
    const size_t queued = thread_.QueueLengthForTest();
    Writer* writer = Start(request);
    while (thread_.QueueLengthForTest() == queued) std::this_thread::yield();
    return writer;
  }
  // Starts a Writer that does not get into the queue, or not at once.
  Writer* Start(const Request& request) {
    Member& member = *members_.emplace_back(std::make_unique<Member>());
    member.batch = BatchOf(request.bytes);
    member.writer.batch = member.batch.get();
    member.writer.sync = request.sync;
    member.writer.disable_wal = request.disable_wal;
    member.writer.no_slowdown = request.no_slowdown;
    member.writer.is_exclusive = request.is_exclusive;
    member.number = members_.size() - 1;
    member.thread = Thread([this, &member] { Write(&member); });
    return &member.writer;
  }

  // Lets go of the role that the test has had until now.
  void Go() NO_THREAD_SAFETY_ANALYSIS {
    if (std::exchange(has_gone_, true)) return;
    WriteGroup group;
    WriteThread::FormGroupOfOne(&gate_, &group);
    thread_.ExitAsBatchGroupLeader(group);
  }
  void Finish() {
    Go();
    for (auto& member : members_) {
      if (member->thread.joinable()) member->thread.join();
    }
  }

  // The groups that were formed, each the numbers of its Writers.
  [[nodiscard]] std::vector<std::vector<size_t>> groups() {
    Finish();
    MutexLock lock(&mutex_);
    return groups_;
  }
  [[nodiscard]] Status status(size_t number) {
    Finish();
    return members_[number]->writer.FinalStatus();
  }

  void Stall() NO_THREAD_SAFETY_ANALYSIS { thread_.BeginWriteStall(&gate_); }
  void EndStall() NO_THREAD_SAFETY_ANALYSIS { thread_.EndWriteStall(); }
  // A leader that finds no room for more looks at the whole queue.
  void LookAtTheQueue() NO_THREAD_SAFETY_ANALYSIS {
    WriteGroup group;
    thread_.EnterAsBatchGroupLeader(&gate_, &group);
  }

  [[nodiscard]] size_t queued() const { return thread_.QueueLengthForTest(); }

 private:
  struct Member {
    std::unique_ptr<WriteBatch> batch;
    Writer writer;
    size_t number = 0;
    Thread thread;
  };

  void Lead() NO_THREAD_SAFETY_ANALYSIS {
    EXPECT_TRUE(thread_.JoinBatchGroup(&gate_));
  }
  void Write(Member* member) NO_THREAD_SAFETY_ANALYSIS {
    if (!thread_.JoinBatchGroup(&member->writer)) {
      EXPECT_EQ(member->writer.state.load(), Writer::STATE_COMPLETED);
      WriteThread::CompleteOthers(&member->writer);
      return;
    }
    WriteGroup group;
    thread_.EnterAsBatchGroupLeader(&member->writer, &group);
    Record(group);
    thread_.ExitAsBatchGroupLeader(group);
    if (group.size > 1) {
      WriteThread::Complete(member->writer.link_newer, group.size - 1);
    }
  }
  void Record(const WriteGroup& group) {
    std::vector<size_t> numbers;
    size_t bytes = 0;
    for (const Writer* writer : group) {
      EXPECT_EQ(writer->group, &group);
      bytes += writer->batch_bytes();
      for (const auto& member : members_) {
        if (&member->writer == writer) numbers.push_back(member->number);
      }
    }
    EXPECT_EQ(group.size, numbers.size());
    EXPECT_EQ(group.batch_bytes, bytes);
    EXPECT_EQ(group.needs_sync, group.leader->sync);
    MutexLock lock(&mutex_);
    groups_.push_back(std::move(numbers));
  }

  WriteThread thread_;
  Writer gate_;
  bool has_gone_ = false;
  // Not changed after the test has let go.
  std::deque<std::unique_ptr<Member>> members_;
  Mutex mutex_;
  std::vector<std::vector<size_t>> groups_ GUARDED_BY(mutex_);
};

std::vector<size_t> GroupSizes(Crew* crew) {
  std::vector<size_t> sizes;
  for (const auto& group : crew->groups()) sizes.push_back(group.size());
  return sizes;
}

// --- Who shares a group ------------------------------------------------------

// A row for each leader, a column for each Writer behind it: x where they
// share.
struct Kind {
  const char* name;
  Request request;
};
const std::vector<Kind> kKinds = {
    {"plain", {}},
    {"sync", {.sync = true}},
    {"unlogged", {.disable_wal = true}},
    {"unlogged sync", {.sync = true, .disable_wal = true}},
    {"impatient", {.no_slowdown = true}},
    {"exclusive", {.is_exclusive = true}},
};

void CheckPairs(const WriteThread::Config& config,
                const std::vector<std::string>& expected) {
  for (size_t leader = 0; leader < kKinds.size(); ++leader) {
    std::string row;
    for (const Kind& other : kKinds) {
      Crew crew(config);
      crew.Add(kKinds[leader].request);
      crew.Add(other.request);
      row += crew.groups().size() == 1 ? 'x' : '.';
    }
    EXPECT_EQ(row, expected[leader]) << "behind " << kKinds[leader].name;
  }
}

TEST(WriteThreadTest, WritersShareAGroupUnlessOneOfThemWouldBeChanged) {
  CheckPairs({}, {
                     "x...x.",  // plain
                     "xx..x.",  // sync: others may be synced with it
                     "..x...",  // unlogged
                     "..xx..",  // unlogged sync
                     "x...x.",  // impatient
                     "......",  // exclusive
                 });
}

TEST(WriteThreadTest, SeparatedSyncWritersShareWithTheirKindOnly) {
  CheckPairs({.separates_sync_writers = true}, {
                                                   "x...x.",
                                                   ".x....",
                                                   "..x...",
                                                   "...x..",
                                                   "x...x.",
                                                   "......",
                                               });
}

TEST(WriteThreadTest, AGroupEndsAtTheFirstWriterThatCannotShare) {
  Crew crew;
  crew.Add({});
  crew.Add({});
  crew.Add({.disable_wal = true});
  crew.Add({});  // Nobody is passed over, whoever would fit.
  crew.Add({});
  EXPECT_THAT(crew.groups(), ElementsAre(ElementsAre(0, 1), ElementsAre(2),
                                         ElementsAre(3, 4)));
}

TEST(WriteThreadTest, AnExclusiveWriterIsAloneWhoeverIsAround) {
  Crew crew;
  crew.Add({});
  crew.Add({.is_exclusive = true});
  crew.Add({.is_exclusive = true});
  crew.Add({});
  EXPECT_THAT(crew.groups(), ElementsAre(ElementsAre(0), ElementsAre(1),
                                         ElementsAre(2), ElementsAre(3)));
}

TEST(WriteThreadTest, AGroupFillsItsLimitToTheByte) {
  struct Case {
    size_t limit;
    std::vector<size_t> bytes;
    std::vector<size_t> sizes;  // Of the groups.
  };
  constexpr size_t kSlack = size_t{128} << 10;
  const Case cases[] = {
      {1000, {500, 500}, {2}},
      {1000, {500, 501}, {1, 1}},
      {1000, {500, 400, 100}, {3}},
      {1000, {500, 400, 101}, {2, 1}},
      // A batch above the limit is alone, in front and behind.
      {1000, {2000, 100}, {1, 1}},
      {1000, {900, 2000, 100}, {1, 1, 1}},
      // A leader of at most an eighth of the limit takes so much more.
      {8 << 20, {1000, kSlack}, {2}},
      {8 << 20, {1000, kSlack + 1}, {1, 1}},
      {8 << 20, {1 << 20, kSlack}, {2}},
      {8 << 20, {1 << 20, kSlack + 1}, {1, 1}},
      // A larger one fills the limit.
      {8 << 20, {(1 << 20) + 1, kSlack + 1}, {2}},
      {8 << 20, {(1 << 20) + 1, (7 << 20) - 1}, {2}},
      {8 << 20, {(1 << 20) + 1, 7 << 20}, {1, 1}},
      // The slack never exceeds the limit.
      {1000, {100, 900}, {2}},
      {1000, {100, 901}, {1, 1}},
  };
  for (const Case& test : cases) {
    Crew crew({.group_bytes_max = test.limit});
    for (size_t bytes : test.bytes) crew.Add({.bytes = bytes});
    EXPECT_EQ(GroupSizes(&crew), test.sizes)
        << "limit " << test.limit << ", bytes "
        << testing::PrintToString(test.bytes);
  }
}

// The rules in the order of the text, over the whole queue.
std::vector<std::vector<size_t>> ExpectedGroups(
    const std::vector<Request>& requests, const WriteThread::Config& config) {
  std::vector<std::vector<size_t>> groups;
  size_t bytes = 0;
  size_t bytes_max = 0;
  for (size_t i = 0; i < requests.size(); ++i) {
    const Request& other = requests[i];
    if (!groups.empty()) {
      const Request& leader = requests[groups.back().front()];
      const bool is_refused =
          leader.is_exclusive || other.is_exclusive ||
          leader.disable_wal != other.disable_wal ||
          (config.separates_sync_writers ? leader.sync != other.sync
                                         : other.sync && !leader.sync);
      if (!is_refused && bytes + other.bytes <= bytes_max) {
        groups.back().push_back(i);
        bytes += other.bytes;
        continue;
      }
    }
    groups.push_back({i});
    bytes = other.bytes;
    bytes_max = config.group_bytes_max;
    if (bytes <= bytes_max / 8) {
      bytes_max = std::min(bytes_max, bytes + (size_t{128} << 10));
    }
  }
  return groups;
}

TEST(WriteThreadTest, AnyQueueIsDividedInOrderAndByTheRules) {
  TestRandom random(TestSeed());
  for (int round = 0; round < 60; ++round) {
    const WriteThread::Config config{
        .group_bytes_max = random.OneIn(2) ? 1000 : size_t{1} << 20,
        .separates_sync_writers = random.OneIn(3)};
    Crew crew(config);
    std::vector<Request> requests(1 + random.Below(10));
    for (Request& request : requests) {
      request = {.sync = random.OneIn(3),
                 .disable_wal = random.OneIn(5),
                 .no_slowdown = random.OneIn(3),
                 .is_exclusive = random.OneIn(10),
                 .bytes = 20 + random.Below(100) * (1 + random.Below(10))};
      crew.Add(request);
    }
    ASSERT_EQ(crew.groups(), ExpectedGroups(requests, config));
    ASSERT_EQ(crew.queued(), 0U);
  }
}

// --- Stalls ------------------------------------------------------------------

// Every pattern of patient and impatient Writers; their links to newer ones
// are there (a leader has looked) or not.
TEST(WriteThreadTest, AStallTakesExactlyTheImpatientOutOfTheQueue) {
  constexpr size_t kWriters = 5;
  for (uint32_t pattern = 0; pattern < 1U << kWriters; ++pattern) {
    for (size_t linked : {size_t{0}, size_t{2}, kWriters}) {
      SCOPED_TRACE(testing::Message() << pattern << ", linked " << linked);
      Crew crew;
      std::vector<size_t> patient;
      for (size_t i = 0; i < kWriters; ++i) {
        const bool is_impatient = (pattern >> i & 1) != 0;
        crew.Add({.no_slowdown = is_impatient});
        if (!is_impatient) patient.push_back(i);
        if (i + 1 == linked) crew.LookAtTheQueue();
      }
      crew.Stall();
      EXPECT_EQ(crew.queued(), 1 + patient.size());
      crew.EndStall();
      const auto groups = crew.groups();
      std::vector<size_t> written;
      for (const auto& group : groups) {
        written.insert(written.end(), group.begin(), group.end());
      }
      EXPECT_EQ(written, patient);
      for (size_t i = 0; i < kWriters; ++i) {
        const bool is_impatient = (pattern >> i & 1) != 0;
        EXPECT_EQ(crew.status(i).IsIncomplete(), is_impatient);
        EXPECT_EQ(crew.status(i).ok(), !is_impatient);
      }
    }
  }
}

TEST(WriteThreadTest, WhileStalledNobodyJoinsAndTheImpatientAreToldAtOnce) {
  Crew crew;
  crew.Stall();
  crew.Start({});
  Writer* impatient = crew.Start({.no_slowdown = true});
  while (impatient->state.load() != Writer::STATE_COMPLETED) {
    std::this_thread::yield();
  }
  EXPECT_EQ(crew.queued(), 1U);  // The one that stalls.
  crew.EndStall();
  // The patient one comes in without being asked again.
  while (crew.queued() < 2) std::this_thread::yield();
  EXPECT_THAT(crew.groups(), ElementsAre(ElementsAre(0)));
  EXPECT_TRUE(crew.status(0).ok());
  EXPECT_TRUE(crew.status(1).IsIncomplete());
}

TEST(WriteThreadTest, StallsMayFollowEachOther) {
  Crew crew;
  for (int i = 0; i < 3; ++i) {
    crew.Add({});
    crew.Stall();
    crew.EndStall();
  }
  crew.Add({});
  EXPECT_THAT(crew.groups(), ElementsAre(ElementsAre(0, 1, 2, 3)));
}

// --- Completion --------------------------------------------------------------

// Writers without threads, linked as those of a group.
class Chain {
 public:
  Chain(size_t count, bool sync) {
    for (size_t i = 0; i < count; ++i) {
      Writer& writer = writers_.emplace_back();
      writer.sync = sync;
      if (i > 0) writers_[i - 1].link_newer = &writer;
    }
  }
  Writer* first() { return &writers_.front(); }
  // Those that are completed and have not been counted by an earlier call.
  std::vector<Writer*> TakeCompleted() {
    std::vector<Writer*> taken;
    for (Writer& writer : writers_) {
      if (writer.state.load() != Writer::STATE_COMPLETED) continue;
      writer.state.store(Writer::STATE_INIT);
      taken.push_back(&writer);
    }
    return taken;
  }

 private:
  std::deque<Writer> writers_;
};

TEST(WriteThreadTest, EveryWriterIsCompletedOnceByAFewChains) {
  const auto processors = static_cast<size_t>(ProcessorCount());
  for (bool sync : {false, true}) {
    const size_t chains_max = processors * (sync ? 2 : 1);
    for (size_t count = 1; count <= 3 * chains_max + 1; ++count) {
      SCOPED_TRACE(testing::Message() << count << (sync ? " synced" : ""));
      Chain chain(count, sync);
      WriteThread::Complete(chain.first(), count);
      std::vector<Writer*> woken = chain.TakeCompleted();
      EXPECT_EQ(woken.size(), std::min(count, chains_max));
      // Each wakes the next of its chain; all chains are about as long.
      size_t steps = 0;
      size_t completed = 0;
      for (; !woken.empty(); ++steps) {
        completed += woken.size();
        for (Writer* writer : woken) WriteThread::CompleteOthers(writer);
        woken = chain.TakeCompleted();
      }
      EXPECT_EQ(completed, count);
      EXPECT_LE(steps, (count + chains_max - 1) / chains_max + 1);
    }
  }
}

TEST(WriteThreadTest, CompletingNobodyTouchesNobody) {
  WriteThread::Complete(nullptr, 0);
  Writer alone;
  WriteThread::CompleteOthers(&alone);
  EXPECT_EQ(alone.state.load(), Writer::STATE_INIT);
}

TEST(WriteThreadTest, AParkedWriterIsWokenWithTheStateThatWasSet) {
  for (Writer::State state :
       {Writer::STATE_GROUP_LEADER, Writer::STATE_PARALLEL_MEMTABLE_WRITER,
        Writer::STATE_SYNC_LEADER, Writer::STATE_MEMTABLE_WRITERS_DONE,
        Writer::STATE_COMPLETED}) {
    Writer writer;
    uint32_t seen = Writer::STATE_INIT;
    Thread waiting([&] { seen = WriteThread::Await(&writer); });
    while (writer.state.load() != Writer::STATE_PARKED) {
      std::this_thread::yield();
    }
    WriteThread::SetState(&writer, state);
    waiting.join();
    EXPECT_EQ(seen, state);
  }
}

TEST(WriteThreadTest, AStateThatIsThereAlreadyIsNotWaitedFor) {
  Writer writer;
  WriteThread::SetState(&writer, Writer::STATE_COMPLETED);
  EXPECT_EQ(WriteThread::Await(&writer), Writer::STATE_COMPLETED);
  EXPECT_EQ(WriteThread::AwaitFor(&writer, ~uint64_t{0}),
            Writer::STATE_COMPLETED);
}

TEST(WriteThreadTest, AWaitThatWasLongEnoughLeavesTheWriterAsItWas) {
  Writer writer;
  EXPECT_EQ(WriteThread::AwaitFor(&writer, 1'000), Writer::STATE_INIT);
  // Not parked: whoever sets the state need not wake it.
  EXPECT_EQ(writer.state.load(), Writer::STATE_INIT);
}

TEST(WriteThreadTest, ATimedWaitEndsWithTheStateThatWasSet) {
  Writer writer;
  uint32_t seen = Writer::STATE_INIT;
  Thread waiting([&] {
    // A wait may end early without cause.
    while (seen == Writer::STATE_INIT) {
      seen = WriteThread::AwaitFor(&writer, uint64_t{3'600} * 1'000'000'000);
    }
  });
  while (writer.state.load() != Writer::STATE_PARKED) {
    std::this_thread::yield();
  }
  WriteThread::SetState(&writer, Writer::STATE_SYNC_LEADER);
  waiting.join();
  EXPECT_EQ(seen, Writer::STATE_SYNC_LEADER);
}

TEST(WriteThreadTest, TheQueueCanBeLeftEmptyAndBegunAgain) {
  Crew first;
  first.Add({});
  first.Finish();
  EXPECT_EQ(first.queued(), 0U);
  const Writer* late = first.Start({});
  first.Finish();
  EXPECT_EQ(late->link_older, nullptr);
  EXPECT_THAT(first.groups(), ElementsAre(ElementsAre(0), ElementsAre(1)));
}

}  // namespace
}  // namespace paceline
