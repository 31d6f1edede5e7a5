#include "src/compaction/compaction_iterator.h"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "src/compaction/flush_job.h"
#include "test/support/effort.h"
#include "test/support/seed.h"

namespace paceline {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

struct Entry {
  std::string user_key;
  SequenceNumber sequence = 0;
  ValueType type = ValueType::kValue;
  std::string value;

  [[nodiscard]] std::string InternalKey() const {
    std::string key;
    AppendInternalKey(&key, user_key, sequence, type);
    return key;
  }
};

const InternalKeyComparator& Order() {
  static const InternalKeyComparator order(BytewiseComparator());
  return order;
}

void Sort(std::vector<Entry>* entries) {
  std::sort(entries->begin(), entries->end(),
            [](const Entry& a, const Entry& b) {
              return Order().Compare(a.InternalKey(), b.InternalKey()) < 0;
            });
}

// Sorted entries, walked forward, as a compaction does.
class EntryIterator final : public InternalIterator {
 public:
  explicit EntryIterator(std::vector<Entry> entries) {
    Sort(&entries);
    for (const Entry& entry : entries) {
      entries_.emplace_back(entry.InternalKey(), entry.value);
    }
  }
  bool Valid() const override { return at_ < entries_.size(); }
  void SeekToFirst() override { at_ = 0; }
  void Next() override { ++at_; }
  void SeekToLast() override { std::abort(); }
  void Seek(const Slice& /*target*/) override { std::abort(); }
  void SeekForPrev(const Slice& /*target*/) override { std::abort(); }
  void Prev() override { std::abort(); }
  Slice key() const override { return entries_[at_].first; }
  Slice value() const override { return entries_[at_].second; }
  Status status() const override { return Status::OK(); }

 private:
  std::vector<std::pair<std::string, std::string>> entries_;
  size_t at_ = 0;
};

// Entries and tombstones that lie over each other.
struct Sources {
  std::vector<Entry> entries;
  std::vector<RangeTombstone> tombstones;

  void Add(const Sources& more) {
    entries.insert(entries.end(), more.entries.begin(), more.entries.end());
    tombstones.insert(tombstones.end(), more.tombstones.begin(),
                      more.tombstones.end());
  }
};

// What a reader at `snapshot` finds; operands are joined with commas.
std::optional<std::string> Read(const Sources& sources, const std::string& key,
                                SequenceNumber snapshot) {
  SequenceNumber deleted_at = 0;
  for (const RangeTombstone& tombstone : sources.tombstones) {
    if (tombstone.begin <= key && key < tombstone.end &&
        tombstone.sequence <= snapshot) {
      deleted_at = std::max(deleted_at, tombstone.sequence);
    }
  }
  std::vector<Entry> versions;
  for (const Entry& entry : sources.entries) {
    if (entry.user_key == key && entry.sequence <= snapshot) {
      versions.push_back(entry);
    }
  }
  Sort(&versions);
  std::optional<std::string> value;
  for (const Entry& version : versions) {
    if (version.sequence < deleted_at) break;
    bool is_operand = version.type == ValueType::kMerge;
    if (!is_operand && version.type != ValueType::kValue) break;
    value = value ? version.value + "," + *value : version.value;
    if (!is_operand) break;
  }
  return value;
}

// --- Single claims. --------------------------------------------------------

class CompactionIteratorTest : public testing::Test {
 protected:
  void Put(const std::string& key, SequenceNumber sequence,
           const std::string& value = "v") {
    input_.entries.push_back({key, sequence, ValueType::kValue, value});
  }
  void Delete(const std::string& key, SequenceNumber sequence) {
    input_.entries.push_back({key, sequence, ValueType::kDeletion, ""});
  }
  void SingleDelete(const std::string& key, SequenceNumber sequence) {
    input_.entries.push_back({key, sequence, ValueType::kSingleDeletion, ""});
  }
  void Merge(const std::string& key, SequenceNumber sequence,
             const std::string& operand) {
    input_.entries.push_back({key, sequence, ValueType::kMerge, operand});
  }
  void DeleteRange(const std::string& begin, const std::string& end,
                   SequenceNumber sequence) {
    input_.tombstones.push_back({begin, end, sequence});
  }

  // "key@sequence:type=value" of what is left.
  std::vector<std::string> Left() {
    std::vector<std::string> left;
    for (const Entry& entry : Run()) {
      left.push_back(entry.user_key + "@" + std::to_string(entry.sequence) +
                     ":" + std::to_string(static_cast<int>(entry.type)) + "=" +
                     entry.value);
    }
    return left;
  }

  std::vector<Entry> Run() {
    EntryIterator input(input_.entries);
    FragmentedRangeTombstones tombstones(input_.tombstones,
                                         BytewiseComparator());
    CompactionIterator output(
        {.comparator = &Order(),
         .merge_operator = merge_operator_.get(),
         .logger = nullptr,
         .snapshots = snapshots_,
         .tombstones = input_.tombstones.empty() ? nullptr : &tombstones,
         .is_bottommost =
             [this](const Slice& key) {
               return is_bottommost_ && !below_.contains(key.ToString());
             },
         .is_stopping = nullptr},
        &input);
    std::vector<Entry> left;
    for (output.SeekToFirst(); output.Valid(); output.Next()) {
      uint64_t tag = ExtractTag(output.key());
      left.push_back({ExtractUserKey(output.key()).ToString(), TagSequence(tag),
                      TagType(tag), output.value().ToString()});
    }
    EXPECT_TRUE(output.status().ok());
    EXPECT_EQ(output.entries_read(), input_.entries.size());
    return left;
  }

  Sources input_;
  std::vector<SequenceNumber> snapshots_;
  std::shared_ptr<MergeOperator> merge_operator_ = NewStringAppendOperator();
  bool is_bottommost_ = false;
  std::set<std::string> below_;  // Keys that may be further down.
};

TEST_F(CompactionIteratorTest, OnlyTheNewestVersionStaysWithoutSnapshots) {
  Put("a", 3, "new");
  Put("a", 2, "old");
  Delete("b", 5);
  Put("b", 4);
  EXPECT_THAT(Left(), ElementsAre("a@3:1=new", "b@5:0="));
}

TEST_F(CompactionIteratorTest, EachSnapshotKeepsTheVersionItSees) {
  for (SequenceNumber sequence = 1; sequence <= 6; ++sequence) {
    Put("a", sequence, std::to_string(sequence));
  }
  snapshots_ = {2, 4};
  EXPECT_THAT(Left(), ElementsAre("a@6:1=6", "a@4:1=4", "a@2:1=2"));
}

TEST_F(CompactionIteratorTest, ADeletionGoesWhereNothingIsBelow) {
  Delete("a", 5);
  Put("a", 4);
  Delete("b", 6);
  is_bottommost_ = true;
  below_ = {"b"};
  EXPECT_THAT(Left(), ElementsAre("b@6:0="));
}

TEST_F(CompactionIteratorTest, ADeletionStaysForWhatASnapshotStillSees) {
  Delete("a", 5);
  Put("a", 4);
  is_bottommost_ = true;
  snapshots_ = {4};
  EXPECT_THAT(Left(), ElementsAre("a@5:0=", "a@0:1=v"));
}

TEST_F(CompactionIteratorTest, AValueLosesItsSequenceWhereNothingIsBelow) {
  Put("a", 5);
  Put("b", 6);
  is_bottommost_ = true;
  below_ = {"b"};
  EXPECT_THAT(Left(), ElementsAre("a@0:1=v", "b@6:1=v"));
  snapshots_ = {4};
  EXPECT_THAT(Left(), ElementsAre("a@5:1=v", "b@6:1=v"));
}

// The tombstone may be kept for another key of its range.
TEST_F(CompactionIteratorTest, AValueAboveATombstoneKeepsItsSequence) {
  DeleteRange("a", "z", 4);
  Put("b", 5);
  Put("c", 3);
  Merge("d", 6, "m");
  is_bottommost_ = true;
  EXPECT_THAT(Left(), ElementsAre("b@5:1=v", "d@6:1=m"));
}

TEST_F(CompactionIteratorTest, WhatATombstoneOfItsStripeCoversGoes) {
  DeleteRange("a", "c", 5);
  Put("a", 4);
  Put("b", 6);
  Put("c", 3);
  EXPECT_THAT(Left(), ElementsAre("b@6:1=v", "c@3:1=v"));
  snapshots_ = {4};
  EXPECT_THAT(Left(), ElementsAre("a@4:1=v", "b@6:1=v", "c@3:1=v"));
}

TEST_F(CompactionIteratorTest, ASingleDeleteGoesTogetherWithItsPut) {
  SingleDelete("a", 5);
  Put("a", 4);
  EXPECT_THAT(Left(), IsEmpty());
  snapshots_ = {4};
  EXPECT_THAT(Left(), ElementsAre("a@5:7=", "a@4:1=v"));
}

TEST_F(CompactionIteratorTest, ASingleDeleteWaitsForItsPut) {
  SingleDelete("a", 5);
  SingleDelete("b", 6);
  EXPECT_THAT(Left(), ElementsAre("a@5:7=", "b@6:7="));
  is_bottommost_ = true;
  below_ = {"b"};
  EXPECT_THAT(Left(), ElementsAre("b@6:7="));
}

// Its put is further down and would come back when the newer put goes.
TEST_F(CompactionIteratorTest, ASingleDeleteUnderANewerPutStays) {
  Put("a", 6, "new");
  SingleDelete("a", 5);
  EXPECT_THAT(Left(), ElementsAre("a@6:1=new", "a@5:7="));
}

// It stands for all that the Delete hides, also further down.
TEST_F(CompactionIteratorTest, ASingleDeleteOverADeleteLeavesTheDelete) {
  SingleDelete("a", 10);
  Delete("a", 8);
  Put("a", 5);
  EXPECT_THAT(Left(), ElementsAre("a@8:0="));
  is_bottommost_ = true;
  EXPECT_THAT(Left(), IsEmpty());
  is_bottommost_ = false;
  snapshots_ = {9};
  EXPECT_THAT(Left(), ElementsAre("a@10:7=", "a@8:0="));
}

TEST_F(CompactionIteratorTest, OperandsAndTheirBaseBecomeAValue) {
  Merge("a", 6, "3");
  Merge("a", 5, "2");
  Put("a", 4, "1");
  Put("a", 3, "0");
  EXPECT_THAT(Left(), ElementsAre("a@6:1=1,2,3"));
}

TEST_F(CompactionIteratorTest, OperandsOnADeletionBecomeAValue) {
  Merge("a", 6, "2");
  Delete("a", 5);
  DeleteRange("b", "c", 7);
  Merge("b", 8, "3");
  Put("b", 4, "gone");
  EXPECT_THAT(Left(), ElementsAre("a@6:1=2", "b@8:1=3"));
}

TEST_F(CompactionIteratorTest, OperandsWithoutAKnownBaseStayOperands) {
  Merge("a", 6, "2");
  Merge("a", 5, "1");
  EXPECT_THAT(Left(), ElementsAre("a@6:2=1,2"));
  is_bottommost_ = true;
  EXPECT_THAT(Left(), ElementsAre("a@0:1=1,2"));
  below_ = {"a"};
  EXPECT_THAT(Left(), ElementsAre("a@6:2=1,2"));
}

TEST_F(CompactionIteratorTest, OperandsAreNotCombinedAcrossASnapshot) {
  Merge("a", 6, "3");
  Merge("a", 5, "2");
  Put("a", 4, "1");
  snapshots_ = {5};
  EXPECT_THAT(Left(), ElementsAre("a@6:2=3", "a@5:1=1,2"));
}

TEST_F(CompactionIteratorTest, WithoutAnOperatorOperandsAndTheirBaseStay) {
  merge_operator_ = nullptr;
  Merge("a", 6, "2");
  Merge("a", 5, "1");
  Put("a", 4, "0");
  Put("a", 3, "old");
  EXPECT_THAT(Left(), ElementsAre("a@6:2=2", "a@5:2=1", "a@4:1=0"));
}

TEST_F(CompactionIteratorTest, ItStopsAlsoWhereNothingIsLeft) {
  for (SequenceNumber sequence = 10'000; sequence > 0; --sequence) {
    Put("a", sequence);
  }
  EntryIterator input(input_.entries);
  bool is_stopping = false;
  CompactionIterator::Config config;
  config.comparator = &Order();
  config.is_stopping = [&] { return is_stopping; };
  CompactionIterator output(config, &input);
  output.SeekToFirst();
  ASSERT_TRUE(output.Valid());
  is_stopping = true;
  output.Next();
  EXPECT_FALSE(output.Valid());
  EXPECT_TRUE(output.status().IsShutdownInProgress());
  EXPECT_LT(output.entries_read(), 5'000u);
}

// --- Against a model. ------------------------------------------------------

class CompactionIteratorModelTest : public CompactionIteratorTest {
 protected:
  // `count` operations from `first` on; those below `divide` were written to
  // tables further down.
  void MakeHistory(TestRandom* random, SequenceNumber count,
                   SequenceNumber divide) {
    Sources all;
    for (SequenceNumber sequence = 1; sequence <= count; ++sequence) {
      Sources* to = sequence < divide ? &below_sources_ : &input_;
      Sources one = RandomOperation(random, all, sequence);
      to->Add(one);
      all.Add(one);
    }
  }

  Sources RandomOperation(TestRandom* random, const Sources& before,
                          SequenceNumber sequence) {
    std::string key(1, static_cast<char>('a' + random->Below(kKeys)));
    std::string value = std::to_string(sequence);
    if (random->OneIn(12)) {
      std::string end(1, static_cast<char>(key[0] + 1 + random->Below(4)));
      return {{}, {{key, end, sequence}}};
    }
    // Keys for single deletes: put once, then deleted once.
    if (key[0] % 3 == 0) {
      bool exists = Read(before, key, kMaxSequenceNumber).has_value();
      return {{{key, sequence,
                exists ? ValueType::kSingleDeletion : ValueType::kValue,
                exists ? "" : value}},
              {}};
    }
    switch (random->Below(5)) {
      case 0:
        return {{{key, sequence, ValueType::kDeletion, ""}}, {}};
      case 1:
      case 2:
        return {{{key, sequence, ValueType::kMerge, value}}, {}};
      default:
        return {{{key, sequence, ValueType::kValue, value}}, {}};
    }
  }

  // What the tables further down reach over.
  void FindWhatIsBelow() {
    for (const Entry& entry : below_sources_.entries) {
      below_.insert(entry.user_key);
    }
    for (const RangeTombstone& tombstone : below_sources_.tombstones) {
      for (char key = tombstone.begin[0]; key < tombstone.end[0]; ++key) {
        below_.insert(std::string(1, key));
      }
    }
  }

  std::vector<RangeTombstone> LeftTombstones() {
    FragmentedRangeTombstones fragments(input_.tombstones,
                                        BytewiseComparator());
    return VisibleTombstones(
        fragments, snapshots_, [this](const Slice& begin, const Slice& end) {
          auto first = below_.lower_bound(begin.ToString());
          return is_bottommost_ &&
                 (first == below_.end() || Slice(*first).compare(end) >= 0);
        });
  }

  static constexpr uint64_t kKeys = 8;
  Sources below_sources_;
};

TEST_F(CompactionIteratorModelTest, EverySnapshotReadsTheSameAsBefore) {
  const uint64_t rounds = Effort("PACELINE_COMPACTION_ROUNDS", 20'000, 2'000);
  TestRandom seeds(TestSeed());
  for (uint64_t round = 0; round < rounds; ++round) {
    const uint64_t seed = seeds.Next();
    SCOPED_TRACE("round " + std::to_string(round));
    TestRandom random(seed);
    input_ = below_sources_ = {};
    snapshots_.clear();
    below_.clear();
    const SequenceNumber count = 1 + random.Below(60);
    MakeHistory(&random, count, random.OneIn(2) ? 0 : random.Below(count));
    for (SequenceNumber sequence = 1; sequence <= count; ++sequence) {
      if (random.OneIn(10)) snapshots_.push_back(sequence);
    }
    is_bottommost_ = random.OneIn(2);
    FindWhatIsBelow();
    merge_operator_ = random.OneIn(8) ? nullptr : NewStringAppendOperator();

    Sources before = input_;
    before.Add(below_sources_);
    Sources after{Run(), LeftTombstones()};
    after.Add(below_sources_);
    std::vector<SequenceNumber> views = snapshots_;
    views.push_back(count);
    for (SequenceNumber view : views) {
      for (char key = 'a'; key < 'a' + static_cast<char>(kKeys); ++key) {
        ASSERT_EQ(Read(after, std::string(1, key), view),
                  Read(before, std::string(1, key), view))
            << key << " at " << view << " of " << count;
      }
    }
  }
}

// As compactions repeat, what they leave is the input of the next one, with
// fewer snapshots.
TEST_F(CompactionIteratorModelTest, TheOutputOfOneIsAGoodInputOfTheNext) {
  const uint64_t rounds = Effort("PACELINE_COMPACTION_ROUNDS", 5'000, 1'000);
  TestRandom random(TestSeed());
  for (uint64_t round = 0; round < rounds; ++round) {
    SCOPED_TRACE("round " + std::to_string(round));
    input_ = below_sources_ = {};
    below_.clear();
    is_bottommost_ = false;
    const SequenceNumber count = 1 + random.Below(60);
    MakeHistory(&random, count, 0);
    const Sources before = input_;
    snapshots_ = {};
    for (SequenceNumber sequence = 1; sequence <= count; ++sequence) {
      if (random.OneIn(6)) snapshots_.push_back(sequence);
    }
    while (true) {
      is_bottommost_ = snapshots_.empty();
      Sources after{Run(), LeftTombstones()};
      std::vector<SequenceNumber> views = snapshots_;
      views.push_back(count);
      for (SequenceNumber view : views) {
        for (char key = 'a'; key < 'a' + static_cast<char>(kKeys); ++key) {
          ASSERT_EQ(Read(after, std::string(1, key), view),
                    Read(before, std::string(1, key), view))
              << key << " at " << view;
        }
      }
      input_ = after;
      if (snapshots_.empty()) break;
      snapshots_.erase(snapshots_.begin() +
                       static_cast<ptrdiff_t>(random.Below(snapshots_.size())));
    }
    EXPECT_THAT(input_.tombstones, IsEmpty());
  }
}

}  // namespace
}  // namespace paceline
