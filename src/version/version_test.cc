#include "src/version/version.h"

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "test/support/effort.h"
#include "test/support/seed.h"
#include "test/support/table_tree.h"

namespace paceline {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

using Entry = TestTableEntry;

class VersionTest : public TableTreeTest {
 protected:
  // "base,operand,operand", "-" for no base.
  std::string Get(const Version& version, const std::string& key,
                  SequenceNumber snapshot) {
    KeyLookup lookup(&comparator_, key, snapshot);
    const Status s = version.Get({}, &lookup, nullptr);
    EXPECT_TRUE(s.ok()) << s.ToString();
    std::string found = lookup.has_base() ? lookup.base().ToString() : "-";
    for (size_t i = lookup.operands().size(); i-- > 0;) {
      found += "," + lookup.operands()[i].ToString();
    }
    return found;
  }
};

TEST_F(VersionTest, AnEmptyVersionHasNothing) {
  const auto version = Made();
  EXPECT_EQ(version->DeepestLevel(), -1);
  EXPECT_EQ(version->FileCount(), 0u);
  EXPECT_EQ(version->NextEpoch(), 1u);
  EXPECT_EQ(Get(*version, "a", kMaxSequenceNumber), "-");
  EXPECT_TRUE(VersionTombstones(version.get()).empty());
}

TEST_F(VersionTest, LevelZeroIsNewestFirst) {
  AddTable(0, {{"a", 1, ValueType::kValue, "old"}}, {});
  AddTable(0, {{"a", 2, ValueType::kValue, "new"}}, {});
  const auto version = Made();
  EXPECT_EQ(version->files(0)[0]->number(), 2u);
  EXPECT_EQ(Get(*version, "a", 9), "new");
  EXPECT_EQ(Get(*version, "a", 1), "old");
  EXPECT_EQ(version->NextEpoch(), 3u);
}

// RocksDB derives all epochs of a family anew if any of its files has none.
TEST_F(VersionTest, AFileWithoutAnEpochOnAnyLevelMakesSequencesCount) {
  AddTable(0, {{"a", 2, ValueType::kValue, "new"}}, {});
  AddTable(0, {{"a", 1, ValueType::kValue, "old"}}, {});
  AddTable(3, {{"a", 0, ValueType::kValue, "oldest"}}, {});
  const auto set = [this](uint64_t number, uint64_t epoch,
                          SequenceNumber sequence) {
    auto& metadata = family_.files[number].metadata;
    FileMetaData changed = *metadata;
    changed.epoch_number = epoch;
    changed.largest_sequence = sequence;
    metadata = std::make_shared<const FileMetaData>(changed);
  };
  set(1, 1, 2);
  set(2, 2, 1);
  set(3, 0, 0);
  EXPECT_EQ(Made()->files(0)[0]->number(), 1u);
  EXPECT_EQ(Get(*Made(), "a", 9), "new");
  set(3, 1, 0);
  EXPECT_EQ(Made()->files(0)[0]->number(), 2u);
}

TEST_F(VersionTest, OverlappingFilesOfALevelAreCorruption) {
  AddTable(1,
           {{"a", 1, ValueType::kValue, ""}, {"c", 1, ValueType::kValue, ""}},
           {});
  AddTable(1, {{"b", 2, ValueType::kValue, ""}}, {});
  const auto version = Version::Make(family_, Version(context_));
  EXPECT_TRUE(version.status().IsCorruption());
  EXPECT_THAT(version.status().ToString(),
              testing::HasSubstr("level 1 of column family family"));
}

TEST_F(VersionTest, TheVersionsOfAKeyMaySpanFilesOfALevel) {
  AddTable(1, {{"a", 9, ValueType::kMerge, "3"}}, {});
  AddTable(1, {{"a", 8, ValueType::kMerge, "2"}}, {});
  AddTable(1,
           {{"a", 7, ValueType::kValue, "1"}, {"b", 1, ValueType::kValue, "b"}},
           {});
  const auto version = Made();
  EXPECT_EQ(Get(*version, "a", 9), "1,2,3");
  EXPECT_EQ(Get(*version, "a", 8), "1,2");
  EXPECT_EQ(Get(*version, "b", 9), "b");
}

TEST_F(VersionTest, ATombstoneHidesWhatIsInDeeperLevels) {
  AddTable(0, {}, {{"b", "d", 9}});
  AddTable(1,
           {{"b", 5, ValueType::kValue, "b"}, {"d", 6, ValueType::kValue, "d"}},
           {});
  const auto version = Made();
  EXPECT_EQ(Get(*version, "b", 9), "-");
  EXPECT_EQ(Get(*version, "b", 8), "b");
  EXPECT_EQ(Get(*version, "d", 9), "d");
}

TEST_F(VersionTest, AFileThatIsKeptIsSharedAndOneThatGoesIsReportedOnce) {
  AddTable(1, {{"a", 1, ValueType::kValue, ""}}, {});
  AddTable(2, {{"a", 0, ValueType::kValue, ""}}, {});
  auto first = Made();
  family_.files.erase(2);
  auto second = Version::Make(family_, *first);
  ASSERT_TRUE(second.ok());
  EXPECT_EQ((*second)->files(1)[0], first->files(1)[0]);
  first->files(2)[0]->MarkObsolete();
  EXPECT_THAT(unused_->Take(), IsEmpty());
  first.reset();
  EXPECT_THAT(unused_->Take(), ElementsAre(2));
}

TEST_F(VersionTest, ATableMayHaveTombstonesUntilItIsKnownToHaveNone) {
  AddTable(1, {{"a", 1, ValueType::kValue, ""}}, {});
  AddTable(1, {{"b", 1, ValueType::kValue, ""}}, {});
  AddTable(1, {}, {{"c", "d", 1}});
  AddTable(2, {{"a", 0, ValueType::kValue, ""}}, {});
  const auto version = Made();
  EXPECT_EQ(version->FirstWithTombstones(0), 0u);
  EXPECT_EQ(version->FirstWithTombstones(1), 0u);
  EXPECT_EQ(Get(*version, "b", 9), "");
  EXPECT_EQ(version->FirstWithTombstones(1), 0u);
  EXPECT_EQ(Get(*version, "a", 9), "");
  EXPECT_EQ(version->FirstWithTombstones(1), 2u);
  EXPECT_EQ(Get(*version, "c", 9), "-");
  EXPECT_EQ(version->FirstWithTombstones(1), 2u);
  EXPECT_EQ(Get(*version, "a", 0), "");
  EXPECT_EQ(version->FirstWithTombstones(2), 1u);
  EXPECT_FALSE(VersionTombstones(version.get()).empty());
  // Another Version asks the tables, which know it.
  family_.files.erase(3);
  const auto next = Version::Make(family_, *version);
  ASSERT_TRUE(next.ok());
  EXPECT_TRUE(VersionTombstones(next->get()).empty());
}

TEST_F(VersionTest, OverlappingCountsBothEndsButNotASentinel) {
  AddTable(1,
           {{"b", 2, ValueType::kValue, ""}, {"d", 2, ValueType::kValue, ""}},
           {});
  AddTable(1, {}, {{"f", "h", 3}});
  const auto version = Made();
  auto overlap = [&](const char* begin, const char* end) {
    const Slice begin_slice = begin;
    const Slice end_slice = end;
    std::vector<uint64_t> numbers;
    for (const auto& file : version->Overlapping(1, &begin_slice, &end_slice)) {
      numbers.push_back(file->number());
    }
    return numbers;
  };
  EXPECT_THAT(overlap("a", "a"), IsEmpty());
  EXPECT_THAT(overlap("a", "b"), ElementsAre(1));
  EXPECT_THAT(overlap("d", "e"), ElementsAre(1));
  EXPECT_THAT(overlap("c", "f"), ElementsAre(1, 2));
  EXPECT_THAT(overlap("g", "z"), ElementsAre(2));
  EXPECT_THAT(overlap("h", "z"), IsEmpty());
  EXPECT_EQ(version->Overlapping(1, nullptr, nullptr).size(), 2u);
  EXPECT_TRUE(version->MayHaveBelow(0, "c"));
  EXPECT_FALSE(version->MayHaveBelow(0, "e"));
  EXPECT_FALSE(version->MayHaveBelow(1, "c"));
}

// With one open table at a time, and a cache.
class BoundedVersionTest : public VersionTest {
 protected:
  BoundedVersionTest() { OpenWith(/*open_files_max=*/1, cache_); }

  const std::shared_ptr<BlockCache> cache_ =
      AsBlockCache(NewLRUCache(1 << 20, 0));
};

TEST_F(BoundedVersionTest, BlocksStayInTheCacheWhenTheirTableIsClosed) {
  AddTable(1, {{"a", 1, ValueType::kValue, "1"}}, {});
  AddTable(1, {{"b", 1, ValueType::kValue, "2"}}, {});
  const auto version = Made();
  EXPECT_EQ(Get(*version, "a", 9), "1");
  EXPECT_EQ(Get(*version, "b", 9), "2");
  EXPECT_EQ(context_->tables->FindOpen(1), nullptr);
  EXPECT_EQ(cache_->misses(), 2u);
  EXPECT_EQ(Get(*version, "a", 9), "1");
  EXPECT_EQ(Get(*version, "b", 9), "2");
  EXPECT_EQ(cache_->misses(), 2u);
  EXPECT_EQ(cache_->hits(), 2u);
}

TEST_F(BoundedVersionTest, AScanOpensEachTableWithTombstonesOnce) {
  AddTable(0, {}, {{"a", "z", 5}});
  AddTable(1, {}, {{"a", "m", 9}});
  AddTable(1, {}, {{"m", "z", 8}});
  const auto version = Made();
  VersionTombstones tombstones(version.get());
  auto covers = [&](const char* key, SequenceNumber entry) {
    Covering covering;
    EXPECT_TRUE(
        tombstones.AddCovering(key, kMaxSequenceNumber, &covering).ok());
    return covering.Covers(entry);
  };
  EXPECT_TRUE(covers("b", 8));
  // What is open for the scan is asked, not the cache of tables, which has
  // room for only one of them.
  context_->tables->Evict(1);
  context_->tables->Evict(2);
  EXPECT_TRUE(covers("c", 8));
  EXPECT_FALSE(covers("c", 9));
  EXPECT_EQ(context_->tables->FindOpen(1), nullptr);
  EXPECT_EQ(context_->tables->FindOpen(2), nullptr);
  EXPECT_TRUE(covers("n", 7));
  EXPECT_FALSE(covers("n", 8));
  EXPECT_EQ(context_->tables->FindOpen(1), nullptr);
  EXPECT_NE(context_->tables->FindOpen(3), nullptr);
  // And back again.
  EXPECT_TRUE(covers("b", 8));
}

TEST_F(BoundedVersionTest, BlocksGoWithTheLastVersionThatHasTheirTable) {
  AddTable(1, {{"a", 1, ValueType::kValue, "1"}}, {});
  AddTable(2, {{"a", 0, ValueType::kValue, "0"}}, {});
  auto first = Made();
  EXPECT_EQ(Get(*first, "a", 9), "1");
  EXPECT_EQ(Get(*first, "a", 0), "0");
  const size_t both = cache_->GetUsage();
  family_.files.erase(2);
  auto second = Version::Make(family_, *first);
  ASSERT_TRUE(second.ok());
  first->files(2)[0]->MarkObsolete();
  EXPECT_EQ(cache_->GetUsage(), both);
  first.reset();
  EXPECT_LT(cache_->GetUsage(), both);
  EXPECT_GT(cache_->GetUsage(), 0u);
  *second = nullptr;
  EXPECT_EQ(cache_->GetUsage(), 0u);
}

// --- Against a model. ------------------------------------------------------

constexpr char kLastKey = 'p';

class VersionModelTest : public VersionTest {
 protected:
  // Writes a history from the oldest entries on: the deepest level first, the
  // files of level 0 last.
  void MakeTree(TestRandom* random) {
    for (int level = kLevels - 1; level >= 0; --level) {
      if (level > 0 && random->OneIn(2)) continue;
      for (uint64_t runs = level > 0 ? 1 : random->Below(4); runs > 0; --runs) {
        MakeRun(random, level);
      }
    }
  }

  void MakeRun(TestRandom* random, int level) {
    std::vector<Entry> entries;
    std::vector<RangeTombstone> tombstones;
    for (uint64_t left = 1 + random->Below(40); left > 0; --left) {
      ++last_sequence_;
      const std::string key = RandomKey(random);
      if (random->OneIn(8)) {
        std::string end = RandomKey(random);
        if (end <= key) end = std::string(1, static_cast<char>(key[0] + 1));
        tombstones.push_back({key, end, last_sequence_});
        continue;
      }
      constexpr ValueType kTypes[] = {ValueType::kValue, ValueType::kMerge,
                                      ValueType::kDeletion,
                                      ValueType::kSingleDeletion};
      entries.push_back({key, last_sequence_, kTypes[random->Below(4)],
                         std::to_string(last_sequence_)});
    }
    entries_.insert(entries_.end(), entries.begin(), entries.end());
    tombstones_.insert(tombstones_.end(), tombstones.begin(), tombstones.end());
    if (level == 0) return AddTable(0, entries, tombstones);
    // Cut between user keys, tombstones with them.
    char begin = 'a';
    while (begin <= kLastKey) {
      const char end = static_cast<char>(begin + 1 + random->Below(6));
      AddPart(level, std::string(1, begin), std::string(1, end), entries,
              tombstones);
      begin = end;
    }
  }

  void AddPart(int level, const std::string& begin, const std::string& end,
               const std::vector<Entry>& entries,
               const std::vector<RangeTombstone>& tombstones) {
    std::vector<Entry> some;
    for (const Entry& entry : entries) {
      if (begin <= entry.user_key && entry.user_key < end) {
        some.push_back(entry);
      }
    }
    std::vector<RangeTombstone> cut;
    for (RangeTombstone tombstone : tombstones) {
      tombstone.begin = std::max(tombstone.begin, begin);
      tombstone.end = std::min(tombstone.end, end);
      if (tombstone.begin < tombstone.end) cut.push_back(tombstone);
    }
    if (!some.empty() || !cut.empty()) AddTable(level, some, cut);
  }

  static std::string RandomKey(TestRandom* random) {
    return std::string(
        1, static_cast<char>('a' + random->Below(kLastKey - 'a' + 1)));
  }

  [[nodiscard]] bool IsCovered(const std::string& key, SequenceNumber sequence,
                               SequenceNumber snapshot) const {
    return std::any_of(tombstones_.begin(), tombstones_.end(),
                       [&](const RangeTombstone& tombstone) {
                         return tombstone.begin <= key && key < tombstone.end &&
                                sequence < tombstone.sequence &&
                                tombstone.sequence <= snapshot;
                       });
  }

  // In the form of Get().
  [[nodiscard]] std::string Expected(const std::string& key,
                                     SequenceNumber snapshot) const {
    std::string operands;
    for (size_t i = entries_.size(); i-- > 0;) {
      const Entry& entry = entries_[i];
      if (entry.user_key != key || entry.sequence > snapshot) continue;
      if (IsCovered(key, entry.sequence, snapshot)) break;
      if (entry.type == ValueType::kValue) return entry.value + operands;
      if (entry.type != ValueType::kMerge) break;
      operands = "," + entry.value + operands;
    }
    return "-" + operands;
  }

  SequenceNumber last_sequence_ = 0;
  std::vector<Entry> entries_;  // Oldest first.
  std::vector<RangeTombstone> tombstones_;
};

TEST_F(VersionModelTest, EveryKeyIsFoundAtEverySequenceNumber) {
  TestRandom random(TestSeed());
  const uint64_t rounds = Effort("PACELINE_VERSION_ROUNDS", 150, 20);
  for (uint64_t round = 0; round < rounds; ++round) {
    SCOPED_TRACE("round " + std::to_string(round));
    family_.files.clear();
    entries_.clear();
    tombstones_.clear();
    last_sequence_ = 0;
    MakeTree(&random);
    const auto version = Made();
    VersionTombstones tombstones(version.get());
    for (char c = 'a'; c <= kLastKey; ++c) {
      for (int i = 0; i < 20; ++i) {
        // Mostly keys in order, as an iterator asks for them.
        const std::string key =
            random.OneIn(5) ? RandomKey(&random) : std::string(1, c);
        const SequenceNumber snapshot = random.Below(last_sequence_ + 2);
        ASSERT_EQ(Get(*version, key, snapshot), Expected(key, snapshot))
            << key << " at " << snapshot;
        Covering covering;
        ASSERT_TRUE(tombstones.AddCovering(key, snapshot, &covering).ok());
        const SequenceNumber entry = random.Below(last_sequence_ + 2);
        ASSERT_EQ(covering.Covers(entry), IsCovered(key, entry, snapshot))
            << key << "@" << entry << " at " << snapshot;
      }
    }
  }
}

}  // namespace
}  // namespace paceline
