// The check of histories: it accepts every history that a database could have
// had, and notices each kind of wrong one.

#include "test/support/history.h"

#include <algorithm>
#include <cstddef>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "test/support/effort.h"
#include "test/support/seed.h"

namespace paceline {
namespace {

using Entry = HistoryEntry;
using Kind = HistoryEntry::Kind;
using Outcome = HistoryBatch::Outcome;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// --- By hand -----------------------------------------------------------------

class HistoryTest : public testing::Test {
 protected:
  // A batch of puts that is logged next.
  void Commit(uint64_t id, uint64_t invoked, uint64_t returned,
              const std::vector<HistoryKey>& keys) {
    HistoryBatch batch = {.id = id, .invoked = invoked, .returned = returned};
    for (const HistoryKey key : keys) {
      batch.entries.push_back({.kind = Kind::kPut, .key = key});
    }
    Commit(batch);
  }
  void Commit(const HistoryBatch& batch) {
    part_.batches.push_back(batch);
    Log(batch.id, batch.entries.size());
  }
  void Log(uint64_t id, uint64_t entries) {
    log_.push_back({id, next_sequence_, entries});
    next_sequence_ += entries;
  }

  void Read(uint64_t invoked, uint64_t returned,
            const std::vector<Sighting>& sightings) {
    part_.reads.push_back({.call = "read",
                           .invoked = invoked,
                           .returned = returned,
                           .sightings = sightings});
  }

  std::string Check() {
    History history({part_}, log_, /*first_sequence=*/1);
    return history.Check();
  }

  HistoryPart part_;
  std::vector<LoggedBatch> log_;
  SequenceNumber next_sequence_ = 1;
};

TEST_F(HistoryTest, ReadsDuringAWriteMaySeeItOrNot) {
  Commit(1, 10, 20, {0});
  Commit(2, 30, 40, {0});
  Read(31, 39, {{.key = 0, .batch = 1}});
  Read(31, 39, {{.key = 0, .batch = 2}});
  EXPECT_EQ(Check(), "");
}

TEST_F(HistoryTest, AStaleReadIsNoticed) {
  Commit(1, 10, 20, {0});
  Commit(2, 30, 40, {0});
  Read(41, 50, {{.key = 0, .batch = 1}});
  EXPECT_THAT(Check(), HasSubstr("was never so"));
}

TEST_F(HistoryTest, AnAbsenceAfterAWriteIsNoticed) {
  Commit(1, 10, 20, {0});
  Read(21, 30, {{.key = 0}});
  EXPECT_THAT(Check(), HasSubstr("was never so"));
}

TEST_F(HistoryTest, AValueFromTheFutureIsNoticed) {
  Commit(1, 10, 20, {0});
  Read(1, 9, {{.key = 0, .batch = 1}});
  EXPECT_THAT(Check(), HasSubstr("was never so"));
}

TEST_F(HistoryTest, AReaderThatGoesBackInTimeIsNoticed) {
  Commit(1, 10, 20, {0});
  Commit(2, 30, 60, {0});
  Read(31, 40, {{.key = 0, .batch = 2}});
  Read(41, 50, {{.key = 0, .batch = 1}});
  EXPECT_THAT(Check(), HasSubstr("sees what was not yet"));
}

TEST_F(HistoryTest, ReadersThatDisagreeOnTheOrderAreNoticed) {
  Commit(1, 10, 90, {0});
  Commit(2, 10, 90, {1});
  Read(20, 30, {{.key = 1, .batch = 2}});
  Read(40, 50, {{.key = 0}});
  EXPECT_THAT(Check(), HasSubstr("sees what was not yet"));
}

TEST_F(HistoryTest, AWriteInFrontOfOneThatWasBeforeItIsNoticed) {
  Commit(2, 30, 40, {1});
  Commit(1, 10, 20, {0});
  EXPECT_THAT(Check(), HasSubstr("was not there when it was acknowledged"));
}

TEST_F(HistoryTest, AWriteThatWasAcknowledgedBeforeItWasVisibleIsNoticed) {
  Commit(1, 10, 20, {0});
  Commit(2, 12, 18, {1});
  Read(15, 30, {{.key = 0, .batch = 1}});
  Read(19, 30, {{.key = 0}});
  EXPECT_NE(Check(), "");
}

TEST_F(HistoryTest, ATornBatchIsNoticed) {
  Commit(1, 10, 20, {0, 1});
  Commit(2, 30, 90, {0, 1});
  Read(40, 50, {{.key = 0, .batch = 2}, {.key = 1, .batch = 1, .entry = 1}});
  EXPECT_THAT(Check(), HasSubstr("was never so when the others were"));
}

TEST_F(HistoryTest, OnlyTheLastEntryOfAKeyInABatchIsSeen) {
  Commit(1, 10, 20, {0, 0});
  Read(21, 30, {{.key = 0, .batch = 1, .entry = 1}});
  EXPECT_EQ(Check(), "");
  Read(21, 30, {{.key = 0, .batch = 1, .entry = 0}});
  EXPECT_THAT(Check(), HasSubstr("was never so"));
}

TEST_F(HistoryTest, ARangeDeletionDeletesItsKeysOnly) {
  Commit(1, 10, 20, {0, 1, 2});
  Commit({.id = 2,
          .invoked = 30,
          .returned = 40,
          .entries = {{.kind = Kind::kDeleteRange, .key = 0, .end = 2}}});
  Read(41, 50, {{.key = 0}, {.key = 1}, {.key = 2, .batch = 1, .entry = 2}});
  EXPECT_EQ(Check(), "");
  Read(41, 50, {{.key = 1, .batch = 1, .entry = 1}});
  EXPECT_THAT(Check(), HasSubstr("was never so"));
}

// The key is absent at two times; a reader saw it so at either.
TEST_F(HistoryTest, AnAbsenceMayBeOfAnyTimeThatTheReadPermits) {
  Commit(1, 10, 90, {0});
  Commit({.id = 2,
          .invoked = 10,
          .returned = 90,
          .entries = {{.kind = Kind::kDelete, .key = 0}}});
  Read(20, 80, {{.key = 0}});
  EXPECT_EQ(Check(), "");
  // After this the first one is what remains of them ...
  Read(50, 85, {{.key = 0, .batch = 1}});
  EXPECT_EQ(Check(), "");
  // ... and is too late for somebody who knows the value.
  Read(15, 19, {{.key = 0, .batch = 1}});
  EXPECT_EQ(Check(), "");
  Read(20, 49, {{.key = 0}});
  EXPECT_THAT(Check(), HasSubstr("sees what was not yet"));
}

TEST_F(HistoryTest, AReadAtASnapshotIsOfItsSequence) {
  Commit(1, 10, 20, {0, 1});
  Commit(2, 30, 40, {1});
  part_.reads.push_back(
      {.call = "snapshot", .invoked = 21, .returned = 29, .sequence = 2});
  HistoryRead read = {.call = "read", .sequence = 2};
  read.sightings = {{.key = 0, .batch = 1}, {.key = 1, .batch = 1, .entry = 1}};
  part_.reads.push_back(read);
  EXPECT_EQ(Check(), "");
  part_.reads.back().sightings[1] = {.key = 1, .batch = 2};
  EXPECT_THAT(Check(), HasSubstr("was never so"));
  part_.reads.back().sightings[1] = {.key = 1};
  EXPECT_THAT(Check(), HasSubstr("was never so"));
}

TEST_F(HistoryTest, ASnapshotInTheMiddleOfABatchIsNoticed) {
  Commit(1, 10, 20, {0, 1});
  part_.reads.push_back(
      {.call = "snapshot", .invoked = 11, .returned = 19, .sequence = 1});
  EXPECT_THAT(Check(), HasSubstr("no batch ends there"));
}

TEST_F(HistoryTest, ASnapshotThatLacksAnAcknowledgedWriteIsNoticed) {
  Commit(1, 10, 20, {0});
  Commit(2, 30, 40, {0});
  part_.reads.push_back(
      {.call = "snapshot", .invoked = 41, .returned = 50, .sequence = 1});
  EXPECT_THAT(Check(), HasSubstr("lacks what was acknowledged"));
}

TEST_F(HistoryTest, ASnapshotThatKnowsALaterWriteIsNoticed) {
  Commit(1, 10, 20, {0});
  part_.reads.push_back(
      {.call = "snapshot", .invoked = 1, .returned = 5, .sequence = 1});
  EXPECT_THAT(Check(), HasSubstr("knows what comes later"));
}

TEST_F(HistoryTest, AWriteThatIsInNoLogIsNoticed) {
  Commit(1, 10, 20, {0});
  part_.batches.push_back({.id = 2,
                           .invoked = 30,
                           .returned = 40,
                           .entries = {{.kind = Kind::kPut, .key = 1}}});
  EXPECT_THAT(Check(), HasSubstr("2 batches were acknowledged"));
}

TEST_F(HistoryTest, ALogThatHasMoreThanWasWrittenIsNoticed) {
  Commit(1, 10, 20, {0});
  Log(7, 1);
  EXPECT_THAT(Check(), HasSubstr("batch 7 was logged, but not written"));
  log_.back().id = 1;
  EXPECT_THAT(Check(), HasSubstr("batch 1 was logged twice"));
}

TEST_F(HistoryTest, AGapBetweenSequencesIsNoticed) {
  Commit(1, 10, 20, {0});
  ++next_sequence_;
  Commit(2, 30, 40, {0});
  EXPECT_THAT(Check(), HasSubstr("with sequence 3 instead of 2"));
}

TEST_F(HistoryTest, ABatchThatIsLoggedInPartIsNoticed) {
  Commit(1, 10, 20, {0, 1});
  log_.back().entries = 1;
  EXPECT_THAT(Check(), HasSubstr("logged with 1 entries"));
}

TEST_F(HistoryTest, ARefusedWriteLeavesNoTrace) {
  const HistoryBatch refused = {.id = 5,
                                .outcome = Outcome::kRefused,
                                .invoked = 10,
                                .returned = 20,
                                .entries = {{.kind = Kind::kPut, .key = 0}}};
  part_.batches.push_back(refused);
  EXPECT_EQ(Check(), "");
  Read(11, 30, {{.key = 0, .batch = 5}});
  EXPECT_THAT(Check(), HasSubstr("sees what was not acknowledged"));
  part_.reads.clear();
  Log(5, 1);
  EXPECT_THAT(Check(), HasSubstr("was refused, but logged"));
}

TEST_F(HistoryTest, AFailedWriteMayBeLoggedButNotSeen) {
  Commit({.id = 5,
          .outcome = Outcome::kUnknown,
          .invoked = 10,
          .returned = 20,
          .entries = {{.kind = Kind::kPut, .key = 0}}});
  ++next_sequence_;  // Burnt.
  Commit(6, 30, 40, {1});
  Read(41, 50, {{.key = 0}, {.key = 1, .batch = 6}});
  // Before the batch that was acknowledged, after that which was not.
  part_.reads.push_back(
      {.call = "snapshot", .invoked = 21, .returned = 29, .sequence = 2});
  EXPECT_EQ(Check(), "");
  Read(41, 50, {{.key = 0, .batch = 5}});
  EXPECT_THAT(Check(), HasSubstr("sees what was not acknowledged"));
}

TEST_F(HistoryTest, AValueThatNobodyWroteIsNoticed) {
  Read(10, 20, {{.key = 0, .batch = 99}});
  EXPECT_THAT(Check(), HasSubstr("sees what nobody wrote"));
}

// --- Random histories --------------------------------------------------------

// A history as a database without faults has it: calls of some threads, each
// of which takes effect at a moment between its invocation and its return.
class SoundHistory {
 public:
  static constexpr size_t kThreads = 4;
  static constexpr HistoryKey kKeys = 6;

  SoundHistory(uint64_t seed, size_t calls) : random_(seed) {
    std::vector<uint64_t> free_at(kThreads, 0);
    for (size_t i = 0; i < calls; ++i) {
      moment_ += 10;
      // Whoever is not busy at this moment makes a call around it.
      const size_t thread = random_.Below(kThreads);
      if (free_at[thread] >= moment_) continue;
      const uint64_t invoked =
          std::max(free_at[thread] + 1, moment_ - random_.Below(60) % moment_);
      const uint64_t returned = moment_ + random_.Below(60);
      free_at[thread] = returned;
      if (random_.OneIn(2)) {
        Write(thread, invoked, returned);
      } else {
        Read(thread, invoked, returned);
      }
    }
  }

  [[nodiscard]] std::string Check() const {
    History history(parts_, log_, 1);
    return history.Check();
  }

  // Each of these makes the history wrong, or returns false if there is no
  // opportunity.
  bool MakeAReadStale() { return ChangeARead(/*to_older=*/true); }
  bool ShowTheFuture() { return ChangeARead(/*to_older=*/false); }
  bool SwapSequences();
  bool LoseAWrite();
  bool TearABatch();

 private:
  struct State {
    uint64_t moment = 0;
    std::map<HistoryKey, Sighting> keys;  // Those with values.
  };

  void Write(size_t thread, uint64_t invoked, uint64_t returned) {
    HistoryBatch batch = {
        .id = ++last_id_, .invoked = invoked, .returned = returned};
    State state = {moment_,
                   states_.empty() ? State().keys : states_.back().keys};
    for (uint64_t left = 1 + random_.Below(3); left > 0; --left) {
      const auto key = static_cast<HistoryKey>(random_.Below(kKeys));
      const bool is_put = !random_.OneIn(3);
      const auto entry = static_cast<uint32_t>(batch.entries.size());
      batch.entries.push_back(
          {.kind = is_put ? Kind::kPut : Kind::kDelete, .key = key});
      if (is_put) {
        state.keys[key] = {key, batch.id, entry};
      } else {
        state.keys.erase(key);
      }
    }
    log_.push_back({batch.id, sequence_ + 1, batch.entries.size()});
    sequence_ += batch.entries.size();
    parts_[thread].batches.push_back(std::move(batch));
    states_.push_back(std::move(state));
  }

  static Sighting Look(const State& state, HistoryKey key) {
    const auto found = state.keys.find(key);
    return found == state.keys.end() ? Sighting{.key = key} : found->second;
  }

  void Read(size_t thread, uint64_t invoked, uint64_t returned) {
    HistoryRead read = {
        .call = "read", .invoked = invoked, .returned = returned};
    const State state = states_.empty() ? State() : states_.back();
    for (uint64_t left = 1 + random_.Below(4); left > 0; --left) {
      read.sightings.push_back(
          Look(state, static_cast<HistoryKey>(random_.Below(kKeys))));
    }
    if (random_.OneIn(3)) read.sequence = sequence_;
    parts_[thread].reads.push_back(std::move(read));
  }

  bool ChangeARead(bool to_older);
  [[nodiscard]] const HistoryBatch& BatchOf(uint64_t id) const;

  TestRandom random_;
  std::vector<HistoryPart> parts_{kThreads};
  std::vector<LoggedBatch> log_;
  std::vector<State> states_;  // After each batch.
  uint64_t moment_ = 1;
  uint64_t last_id_ = 0;
  SequenceNumber sequence_ = 0;
};

const HistoryBatch& SoundHistory::BatchOf(uint64_t id) const {
  static const HistoryBatch none;
  for (const HistoryPart& part : parts_) {
    for (const HistoryBatch& batch : part.batches) {
      if (batch.id == id) return batch;
    }
  }
  return none;
}

// Lets a read see one key as it was some time before it was invoked, when it
// has been overwritten by then; or as it is made later.
bool SoundHistory::ChangeARead(bool to_older) {
  for (int tries = 0; tries < 200; ++tries) {
    HistoryPart& part = parts_[random_.Below(kThreads)];
    if (part.reads.empty()) continue;
    HistoryRead& read = part.reads[random_.Below(part.reads.size())];
    Sighting& sighting = read.sightings[random_.Below(read.sightings.size())];
    const State& other = states_[random_.Below(states_.size())];
    const Sighting seen = Look(other, sighting.key);
    if (seen.batch == 0 || seen.batch == sighting.batch) continue;
    if (to_older) {
      // Only a value that is gone for sure: some batch that returned before
      // the read replaced it.
      const bool is_gone = std::any_of(
          part.batches.begin(), part.batches.end(),
          [&](const HistoryBatch& batch) {
            return batch.returned < read.invoked && batch.id > seen.batch &&
                   std::any_of(batch.entries.begin(), batch.entries.end(),
                               [&](const Entry& entry) {
                                 return entry.key == sighting.key;
                               });
          });
      if (!is_gone) continue;
    } else if (BatchOf(seen.batch).invoked <= read.returned) {
      continue;
    }
    sighting = seen;
    return true;
  }
  return false;
}

// Two batches, of which one returned before the other was invoked, change
// places in the log.
bool SoundHistory::SwapSequences() {
  for (int tries = 0; tries < 200; ++tries) {
    if (log_.size() < 2) return false;
    const size_t i = random_.Below(log_.size() - 1);
    const HistoryBatch& first = BatchOf(log_[i].id);
    const HistoryBatch& second = BatchOf(log_[i + 1].id);
    if (first.returned >= second.invoked) continue;
    std::swap(log_[i], log_[i + 1]);
    log_[i].first_sequence = log_[i + 1].first_sequence;
    log_[i + 1].first_sequence = log_[i].first_sequence + log_[i].entries;
    return true;
  }
  return false;
}

// A read finds the value that a batch replaced, after it was acknowledged.
bool SoundHistory::LoseAWrite() {
  for (int tries = 0; tries < 200; ++tries) {
    HistoryPart& part = parts_[random_.Below(kThreads)];
    if (part.reads.empty()) continue;
    HistoryRead& read = part.reads[random_.Below(part.reads.size())];
    Sighting& sighting = read.sightings[random_.Below(read.sightings.size())];
    if (sighting.batch == 0) continue;
    if (BatchOf(sighting.batch).returned >= read.invoked) continue;
    size_t index = 0;
    while (log_[index].id != sighting.batch) ++index;
    if (index == 0) continue;
    // An absence might be true again because of a later batch.
    const Sighting before = Look(states_[index - 1], sighting.key);
    if (before.batch == 0) continue;
    sighting = before;
    return true;
  }
  return false;
}

// A read finds one key as it was before a batch and one as after it.
bool SoundHistory::TearABatch() {
  for (int tries = 0; tries < 200; ++tries) {
    const size_t index = 1 + random_.Below(states_.size() - 1);
    const HistoryBatch& batch = BatchOf(log_[index].id);
    if (batch.entries.size() < 2) continue;
    const HistoryKey one = batch.entries[0].key;
    const HistoryKey two = batch.entries[1].key;
    const Sighting before = Look(states_[index - 1], one);
    const Sighting after = Look(states_[index], two);
    const bool is_torn = one != two && before.batch != 0 &&
                         after.batch == batch.id &&
                         Look(states_[index], one).batch != before.batch;
    if (!is_torn) continue;
    parts_[0].reads.push_back({.call = "read",
                               .invoked = batch.invoked,
                               .returned = HistoryRead::kAnyTime,
                               .sightings = {before, after}});
    return true;
  }
  return false;
}

constexpr size_t kCalls = 120;

uint64_t Rounds() { return Effort("PACELINE_HISTORY_ROUNDS", 2'000, 200); }

TEST(RandomHistoryTest, SoundHistoriesAreAccepted) {
  for (uint64_t i = 0; i < Rounds(); ++i) {
    const uint64_t seed = TestSeed() + i;
    ASSERT_EQ(SoundHistory(seed, kCalls).Check(), "")
        << "PACELINE_SEED=" << seed;
  }
}

// Makes many sound histories wrong, each in one place.
void ExpectNoticed(bool (SoundHistory::*make_wrong)()) {
  uint64_t wrong = 0;
  for (uint64_t i = 0; i < Rounds(); ++i) {
    const uint64_t seed = TestSeed() + i;
    SoundHistory history(seed, kCalls);
    if (!(history.*make_wrong)()) continue;
    ++wrong;
    ASSERT_NE(history.Check(), "") << "PACELINE_SEED=" << seed;
  }
  EXPECT_GT(wrong, Rounds() / 2);
}

TEST(RandomHistoryTest, EveryStaleReadIsNoticed) {
  ExpectNoticed(&SoundHistory::MakeAReadStale);
}

TEST(RandomHistoryTest, EveryValueFromTheFutureIsNoticed) {
  ExpectNoticed(&SoundHistory::ShowTheFuture);
}

TEST(RandomHistoryTest, EverySwapOfSequencesIsNoticed) {
  ExpectNoticed(&SoundHistory::SwapSequences);
}

TEST(RandomHistoryTest, EveryLostWriteIsNoticed) {
  ExpectNoticed(&SoundHistory::LoseAWrite);
}

TEST(RandomHistoryTest, EveryTornBatchIsNoticed) {
  ExpectNoticed(&SoundHistory::TearABatch);
}

}  // namespace
}  // namespace paceline
