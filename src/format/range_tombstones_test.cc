#include "src/format/range_tombstones.h"

#include <algorithm>
#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "test/support/seed.h"

namespace paceline {
namespace {

using namespace std::string_literals;
using Tombstones = std::vector<RangeTombstone>;

// The definition, without cutting anything.
SequenceNumber CoveringByModel(const Tombstones& tombstones,
                               const Comparator& comparator,
                               const std::string& key,
                               SequenceNumber snapshot) {
  SequenceNumber newest = 0;
  for (const RangeTombstone& tombstone : tombstones) {
    if (comparator.Compare(tombstone.begin, key) <= 0 &&
        comparator.Compare(key, tombstone.end) < 0 &&
        tombstone.sequence <= snapshot) {
      newest = std::max(newest, tombstone.sequence);
    }
  }
  return newest;
}

FragmentedRangeTombstones Fragmented(Tombstones tombstones) {
  return {std::move(tombstones), BytewiseComparator()};
}

TEST(FragmentedRangeTombstonesTest, NoTombstonesCoverNothing) {
  EXPECT_EQ(Fragmented({}).CoveringSequence("", kMaxSequenceNumber), 0u);
  EXPECT_EQ(Fragmented({}).CoveringSequence("a", kMaxSequenceNumber), 0u);
}

TEST(FragmentedRangeTombstonesTest, TheBeginIsCoveredAndTheEndIsNot) {
  const auto set = Fragmented({{"b", "d", 5}});
  EXPECT_EQ(set.CoveringSequence("a\xff", 9), 0u);
  EXPECT_EQ(set.CoveringSequence("b", 9), 5u);
  EXPECT_EQ(set.CoveringSequence("c", 9), 5u);
  EXPECT_EQ(set.CoveringSequence("c\xff", 9), 5u);
  EXPECT_EQ(set.CoveringSequence("d", 9), 0u);
  EXPECT_EQ(set.CoveringSequence("e", 9), 0u);
}

TEST(FragmentedRangeTombstonesTest, ATombstoneAfterTheSnapshotIsNotSeen) {
  const auto set = Fragmented({{"a", "z", 5}, {"a", "z", 8}});
  EXPECT_EQ(set.CoveringSequence("k", 4), 0u);
  EXPECT_EQ(set.CoveringSequence("k", 5), 5u);
  EXPECT_EQ(set.CoveringSequence("k", 7), 5u);
  EXPECT_EQ(set.CoveringSequence("k", 8), 8u);
}

TEST(FragmentedRangeTombstonesTest, TheNewestOfOverlappingTombstonesCounts) {
  const auto set = Fragmented({{"a", "m", 3}, {"f", "z", 2}, {"g", "h", 9}});
  EXPECT_EQ(set.CoveringSequence("b", 10), 3u);
  EXPECT_EQ(set.CoveringSequence("f", 10), 3u);
  EXPECT_EQ(set.CoveringSequence("g", 10), 9u);
  EXPECT_EQ(set.CoveringSequence("g", 8), 3u);
  EXPECT_EQ(set.CoveringSequence("h", 10), 3u);
  EXPECT_EQ(set.CoveringSequence("m", 10), 2u);
}

TEST(FragmentedRangeTombstonesTest, AGapBetweenTombstonesIsNotCovered) {
  const auto set = Fragmented({{"a", "b", 1}, {"c", "d", 2}, {"d", "e", 3}});
  EXPECT_EQ(set.CoveringSequence("a", 9), 1u);
  EXPECT_EQ(set.CoveringSequence("b", 9), 0u);
  EXPECT_EQ(set.CoveringSequence("c", 9), 2u);
  EXPECT_EQ(set.CoveringSequence("d", 9), 3u);
  EXPECT_EQ(set.CoveringSequence("e", 9), 0u);
}

TEST(FragmentedRangeTombstonesTest, TheEmptyKeyCanBeABegin) {
  const auto set = Fragmented({{"", "\0"s, 4}, {"\0"s, "\0\0"s, 6}});
  EXPECT_EQ(set.CoveringSequence("", 9), 4u);
  EXPECT_EQ(set.CoveringSequence("\0"s, 9), 6u);
  EXPECT_EQ(set.CoveringSequence("\0\0"s, 9), 0u);
}

struct ModelCase {
  const char* name;
  const Comparator* (*comparator)();
  // Keys up to 15 bytes live inside a std::string and move with it.
  size_t prefix_bytes;
};

class RangeTombstoneModelTest : public testing::TestWithParam<ModelCase> {
 protected:
  std::string RandomKey() {
    return prefix_ + (random_.OneIn(8) ? ""s : random_.Letters(1)) +
           std::string(random_.Below(2), '\0') +
           random_.Letters(random_.Below(2));
  }
  RangeTombstone RandomTombstone(SequenceNumber sequence) {
    RangeTombstone tombstone{RandomKey(), RandomKey(), sequence};
    while (tombstone.begin == tombstone.end) tombstone.end = RandomKey();
    if (comparator_->Compare(tombstone.begin, tombstone.end) > 0) {
      std::swap(tombstone.begin, tombstone.end);
    }
    return tombstone;
  }
  // At every cut point and at random keys, for several snapshots.
  template <typename Fragments>
  void Check(const Fragments& fragments, const Tombstones& tombstones) {
    std::vector<std::string> keys = {"", "\xff"};
    for (const RangeTombstone& tombstone : tombstones) {
      keys.push_back(tombstone.begin);
      keys.push_back(tombstone.end);
      keys.push_back(tombstone.begin + '\0');
    }
    for (int i = 0; i < 50; ++i) keys.push_back(RandomKey());
    for (const std::string& key : keys) {
      for (SequenceNumber snapshot : {SequenceNumber{0}, random_.Below(60),
                                      random_.Below(60), kMaxSequenceNumber}) {
        ASSERT_EQ(fragments.CoveringSequence(key, snapshot),
                  CoveringByModel(tombstones, *comparator_, key, snapshot))
            << Slice(key).ToString(true) << " at " << snapshot;
      }
    }
  }

  const Comparator* const comparator_ = GetParam().comparator();
  const std::string prefix_ = std::string(GetParam().prefix_bytes, 'p');
  TestRandom random_{TestSeed()};
};

TEST_P(RangeTombstoneModelTest, FragmentsCoverWhatTheTombstonesCover) {
  for (int round = 0; round < 100; ++round) {
    Tombstones tombstones;
    const size_t count = random_.Below(30);
    for (size_t i = 0; i < count; ++i) {
      tombstones.push_back(RandomTombstone(1 + random_.Below(50)));
    }
    Check(FragmentedRangeTombstones(tombstones, comparator_), tombstones);
  }
}

TEST_P(RangeTombstoneModelTest, ASetCoversWhatWasAddedSoFar) {
  for (int round = 0; round < 10; ++round) {
    RangeTombstoneSet set(comparator_);
    Tombstones tombstones;
    for (SequenceNumber sequence = 1; sequence < 20; ++sequence) {
      tombstones.push_back(RandomTombstone(sequence));
      const RangeTombstone& last = tombstones.back();
      set.Add(last.begin, last.end, last.sequence);
      Check(*set.Fragments(), tombstones);
      Check(set, tombstones);
    }
  }
}

TEST_P(RangeTombstoneModelTest, ASetOfManyCoversWhatWasAddedSoFar) {
  for (int round = 0; round < 3; ++round) {
    RangeTombstoneSet set(comparator_);
    Tombstones tombstones;
    for (SequenceNumber sequence = 1; sequence < 200; ++sequence) {
      tombstones.push_back(RandomTombstone(sequence));
      const RangeTombstone& last = tombstones.back();
      ASSERT_TRUE(set.Add(last.begin, last.end, last.sequence));
      ASSERT_FALSE(set.Add(last.begin, last.end, last.sequence));
      if (random_.OneIn(20)) Check(set, tombstones);
    }
    Check(set, tombstones);
    ASSERT_EQ(set.All().size(), tombstones.size());
  }
}

TEST_P(RangeTombstoneModelTest, ATreeCoversWhatTheTombstonesCover) {
  for (int round = 0; round < 100; ++round) {
    Tombstones tombstones;
    for (size_t left = 1 + random_.Below(30); left > 0; --left) {
      tombstones.push_back(RandomTombstone(1 + random_.Below(50)));
    }
    std::vector<const RangeTombstone*> pointers;
    for (const RangeTombstone& one : tombstones) pointers.push_back(&one);
    Check(RangeTombstoneTree(pointers, comparator_), tombstones);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Keys, RangeTombstoneModelTest,
    testing::Values(ModelCase{"Short", &BytewiseComparator, 0},
                    ModelCase{"AroundSixteenBytes", &BytewiseComparator, 13},
                    ModelCase{"Long", &BytewiseComparator, 100},
                    ModelCase{"ShortReverse", &ReverseBytewiseComparator, 0},
                    ModelCase{"LongReverse", &ReverseBytewiseComparator, 100}),
    [](const auto& instance) { return instance.param.name; });

TEST(RangeTombstoneSetTest, AnEmptySetHasNoFragments) {
  RangeTombstoneSet set(BytewiseComparator());
  EXPECT_TRUE(set.empty());
  EXPECT_EQ(set.Fragments(), nullptr);
  EXPECT_TRUE(set.All().empty());
}

TEST(RangeTombstoneSetTest, ARangeThatCoversNothingIsIgnored) {
  RangeTombstoneSet set(BytewiseComparator());
  set.Add("b", "b", 1);
  set.Add("b", "a", 2);
  EXPECT_TRUE(set.empty());
  RangeTombstoneSet reverse(ReverseBytewiseComparator());
  reverse.Add("a", "b", 3);
  EXPECT_TRUE(reverse.empty());
  reverse.Add("b", "a", 4);
  EXPECT_EQ(reverse.Fragments()->CoveringSequence("b", 9), 4u);
}

TEST(RangeTombstoneSetTest, FragmentsAreCutAnewOnlyAfterAnAddition) {
  RangeTombstoneSet set(BytewiseComparator());
  set.Add("a", "c", 1);
  const auto first = set.Fragments();
  EXPECT_EQ(set.Fragments(), first);
  set.Add("b", "d", 2);
  const auto second = set.Fragments();
  EXPECT_NE(second, first);
  EXPECT_EQ(first->CoveringSequence("b", 9), 1u) << "what was given stays";
  EXPECT_EQ(second->CoveringSequence("b", 9), 2u);
}

// As fragments they would hold half the square of their number.
TEST(RangeTombstoneSetTest, ManyNestedTombstonesAreLookedUp) {
  constexpr SequenceNumber kCount = 20'000;
  RangeTombstoneSet set(BytewiseComparator());
  auto key = [](SequenceNumber i) { return std::to_string(1'000'000 + i); };
  for (SequenceNumber i = 1; i <= kCount; ++i) set.Add("", key(i), i);
  EXPECT_EQ(set.CoveringSequence("", kMaxSequenceNumber), kCount);
  for (SequenceNumber i = 1; i < kCount; i += 97) {
    EXPECT_EQ(set.CoveringSequence(key(i), kMaxSequenceNumber), kCount);
    EXPECT_EQ(set.CoveringSequence(key(i), i), 0u);
    EXPECT_EQ(set.CoveringSequence(key(i), i + 1), i + 1);
  }
  EXPECT_EQ(set.CoveringSequence(key(kCount), kMaxSequenceNumber), 0u);
}

TEST(RangeTombstoneSetTest, AllGivesWhatWasAdded) {
  RangeTombstoneSet set(BytewiseComparator());
  set.Add("b", "d", 2);
  set.Add("a", "c", 1);
  const Tombstones all = set.All();
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].begin, "b");
  EXPECT_EQ(all[1].end, "c");
}

TEST(RangeTombstoneSetTest, ALookUpBesideAdditionsSeesEveryVisibleTombstone) {
  constexpr SequenceNumber kLast = 300;
  RangeTombstoneSet set(BytewiseComparator());
  std::atomic<SequenceNumber> visible = 0;
  std::thread writer([&] {
    for (SequenceNumber sequence = 1; sequence <= kLast; ++sequence) {
      const std::string begin(1, static_cast<char>('a' + sequence % 20));
      set.Add(begin, "z", sequence);
      visible.store(sequence, std::memory_order_release);
    }
  });
  SequenceNumber seen = 0;
  while (seen < kLast) {
    seen = visible.load(std::memory_order_acquire);
    EXPECT_EQ(set.CoveringSequence("y", seen), seen);
    const auto fragments = set.Fragments();
    // Every tombstone ends behind "y" and begins before it.
    EXPECT_EQ(fragments == nullptr ? 0 : fragments->CoveringSequence("y", seen),
              seen);
  }
  writer.join();
}

}  // namespace
}  // namespace paceline
