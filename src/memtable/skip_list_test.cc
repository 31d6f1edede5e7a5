#include "src/memtable/skip_list.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "test/support/effort.h"
#include "test/support/seed.h"

namespace paceline {
namespace {

using namespace std::string_literals;

struct Entry {
  std::string user_key;
  uint64_t tag = 0;
  friend bool operator==(const Entry&, const Entry&) = default;
};

// Keys that share their first eight bytes, are shorter than eight, hold NULs,
// and differ in a byte with the highest bit only.
const std::vector<std::string> kAwkwardKeys = {
    ""s,
    "\0"s,
    "\0\0"s,
    "\0\0\0\0\0\0\0\0"s,
    "\0\1"s,
    "a"s,
    "a\0"s,
    "a\0\0"s,
    "a\0b"s,
    "ab"s,
    "abcdefg"s,
    "abcdefg\0"s,
    "abcdefgh"s,
    "abcdefgh\0"s,
    "abcdefgha"s,
    "abcdefghb"s,
    "abcdefgi"s,
    "b"s,
    "\x7f"s,
    "\x80"s,
    "\xff"s,
    "\xff\xff\xff\xff\xff\xff\xff\xff"s,
    "\xff\xff\xff\xff\xff\xff\xff\xff\xff"s};

uint64_t ValueTag(SequenceNumber sequence) {
  return PackTag(sequence, ValueType::kValue);
}

// A SkipList with what it needs.
struct List {
  explicit List(const Comparator* user_comparator = BytewiseComparator())
      : comparator(user_comparator), list(&comparator, &arena) {}

  bool Insert(const Slice& key, SequenceNumber sequence,
              const Slice& value = "") {
    return list.Insert(key, ValueTag(sequence), value);
  }
  std::vector<Entry> Entries() const {
    std::vector<Entry> entries;
    for (auto* node = list.First(); node; node = SkipList::Next(node)) {
      entries.push_back(EntryAt(node));
    }
    return entries;
  }
  static Entry EntryAt(const SkipList::Node* node) {
    return {ExtractUserKey(node->key()).ToString(), node->tag()};
  }

  const InternalKeyComparator comparator;
  Arena arena;
  SkipList list;
};

// The rule of the format, without the code under test.
bool IsBefore(const Comparator& comparator, const Entry& a, const Entry& b) {
  const int order = comparator.Compare(a.user_key, b.user_key);
  return order != 0 ? order < 0 : a.tag > b.tag;
}

// Random entries without duplicates, many to a key.
std::vector<Entry> RandomEntries(TestRandom* random, size_t count) {
  std::map<std::pair<std::string, uint64_t>, bool> seen;
  std::vector<Entry> entries;
  while (entries.size() < count) {
    std::string key = random->OneIn(2)
                          ? kAwkwardKeys[random->Below(kAwkwardKeys.size())]
                          : random->Letters(random->Below(4)) +
                                random->Bytes(random->Below(8));
    const uint64_t tag = ValueTag(random->Below(2 * count));
    if (!seen.emplace(std::pair(key, tag), true).second) continue;
    entries.push_back({std::move(key), tag});
  }
  return entries;
}

TEST(SkipListTest, AnEmptyListHasNoNodes) {
  List list;
  EXPECT_EQ(list.list.First(), nullptr);
  EXPECT_EQ(list.list.Last(), nullptr);
  EXPECT_EQ(list.list.FindGreaterOrEqual("", UINT64_MAX), nullptr);
  EXPECT_EQ(list.list.FindLessThan("z", 0), nullptr);
}

TEST(SkipListTest, KeysAndValuesAreKeptByteByByte) {
  List list;
  const std::string value = "\0\xff value"s;
  for (const std::string& key : kAwkwardKeys) {
    ASSERT_TRUE(list.Insert(key, 7, value + key));
  }
  for (const std::string& key : kAwkwardKeys) {
    auto* node = list.list.FindGreaterOrEqual(key, ValueTag(7));
    ASSERT_NE(node, nullptr);
    EXPECT_EQ(ExtractUserKey(node->key()).ToString(), key);
    EXPECT_EQ(node->tag(), ValueTag(7));
    EXPECT_EQ(node->value().ToString(), value + key);
  }
}

TEST(SkipListTest, NewerEntriesOfAKeyComeFirst) {
  List list;
  for (SequenceNumber sequence : {3, 1, 5, 2, 4}) {
    ASSERT_TRUE(list.Insert("key", sequence));
  }
  ASSERT_TRUE(list.list.Insert("key", PackTag(3, ValueType::kDeletion), ""));
  const std::vector<Entry> expected = {
      {"key", ValueTag(5)}, {"key", ValueTag(4)},
      {"key", ValueTag(3)}, {"key", PackTag(3, ValueType::kDeletion)},
      {"key", ValueTag(2)}, {"key", ValueTag(1)}};
  EXPECT_EQ(list.Entries(), expected);
}

TEST(SkipListTest, ADuplicateIsRefusedAndChangesNothing) {
  List list;
  for (const std::string& key : kAwkwardKeys) {
    ASSERT_TRUE(list.Insert(key, 9, "first"));
  }
  const std::vector<Entry> before = list.Entries();
  const size_t used = list.arena.AllocatedBytes();
  for (const std::string& key : kAwkwardKeys) {
    EXPECT_FALSE(list.Insert(key, 9, "second"));
  }
  EXPECT_EQ(list.Entries(), before);
  EXPECT_EQ(list.arena.AllocatedBytes(), used);
  EXPECT_EQ(list.list.First()->value().ToString(), "first");
}

TEST(SkipListTest, AnotherSequenceOrTypeIsNoDuplicate) {
  List list;
  EXPECT_TRUE(list.list.Insert("k", PackTag(1, ValueType::kValue), ""));
  EXPECT_TRUE(list.list.Insert("k", PackTag(2, ValueType::kValue), ""));
  EXPECT_TRUE(list.list.Insert("k", PackTag(1, ValueType::kDeletion), ""));
  EXPECT_EQ(list.Entries().size(), 3u);
}

TEST(SkipListTest, AwkwardKeysAreOrderedAsBytes) {
  List list;
  std::vector<std::string> shuffled = kAwkwardKeys;
  std::reverse(shuffled.begin(), shuffled.end());
  std::rotate(shuffled.begin(), shuffled.begin() + 5, shuffled.end());
  for (const std::string& key : shuffled) ASSERT_TRUE(list.Insert(key, 1));
  std::vector<std::string> sorted = kAwkwardKeys;
  std::sort(sorted.begin(), sorted.end());  // As unsigned bytes.
  std::vector<std::string> found;
  for (const Entry& entry : list.Entries()) found.push_back(entry.user_key);
  EXPECT_EQ(found, sorted);
}

// The cached prefix must not decide in an order that is not the bytewise one.
TEST(SkipListTest, AReverseComparatorReversesUserKeysButNotVersions) {
  List list(ReverseBytewiseComparator());
  for (const std::string& key : kAwkwardKeys) {
    ASSERT_TRUE(list.Insert(key, 1));
    ASSERT_TRUE(list.Insert(key, 2));
    EXPECT_FALSE(list.Insert(key, 2));
  }
  std::vector<std::string> sorted = kAwkwardKeys;
  std::sort(sorted.rbegin(), sorted.rend());
  std::vector<Entry> expected;
  for (const std::string& key : sorted) {
    expected.push_back({key, ValueTag(2)});
    expected.push_back({key, ValueTag(1)});
  }
  EXPECT_EQ(list.Entries(), expected);
}

class SkipListRandomTest
    : public testing::TestWithParam<const Comparator* (*)()> {
 protected:
  const Comparator* comparator_ = GetParam()();
  TestRandom random_{TestSeed()};
};

TEST_P(SkipListRandomTest, EntriesAreSortedWhateverTheOrderOfInsertion) {
  for (int round = 0; round < 20; ++round) {
    List list(comparator_);
    std::vector<Entry> entries =
        RandomEntries(&random_, 1 + random_.Below(500));
    for (const Entry& entry : entries) {
      ASSERT_TRUE(list.list.Insert(entry.user_key, entry.tag, ""));
    }
    std::sort(entries.begin(), entries.end(),
              [&](const Entry& a, const Entry& b) {
                return IsBefore(*comparator_, a, b);
              });
    EXPECT_EQ(list.Entries(), entries);
    EXPECT_EQ(List::EntryAt(list.list.Last()), entries.back());
  }
}

TEST_P(SkipListRandomTest, SearchesFindWhatASortedVectorFinds) {
  List list(comparator_);
  std::vector<Entry> entries = RandomEntries(&random_, 300);
  for (const Entry& entry : entries) {
    ASSERT_TRUE(list.list.Insert(entry.user_key, entry.tag, ""));
  }
  auto is_before = [&](const Entry& a, const Entry& b) {
    return IsBefore(*comparator_, a, b);
  };
  std::sort(entries.begin(), entries.end(), is_before);
  std::vector<Entry> targets = RandomEntries(&random_, 300);
  targets.insert(targets.end(), entries.begin(), entries.end());
  for (const Entry& target : targets) {
    auto expected =
        std::lower_bound(entries.begin(), entries.end(), target, is_before);
    auto* at = list.list.FindGreaterOrEqual(target.user_key, target.tag);
    auto* before = list.list.FindLessThan(target.user_key, target.tag);
    ASSERT_EQ(at == nullptr, expected == entries.end());
    if (at != nullptr) {
      EXPECT_EQ(List::EntryAt(at), *expected);
    }
    ASSERT_EQ(before == nullptr, expected == entries.begin());
    if (before != nullptr) {
      EXPECT_EQ(List::EntryAt(before), *(expected - 1));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Orders, SkipListRandomTest,
                         testing::Values(&BytewiseComparator,
                                         &ReverseBytewiseComparator),
                         [](const auto& instance) {
                           return instance.index == 0 ? "Bytewise" : "Reverse";
                         });

// Walks the list; returns how many entries it has. They must be sorted.
size_t CheckSorted(const List& list) {
  size_t count = 0;
  Entry last;
  for (auto* node = list.list.First(); node; node = SkipList::Next(node)) {
    Entry entry = List::EntryAt(node);
    // The value repeats the key: a node is complete when it can be seen.
    EXPECT_EQ(node->value(), Slice(entry.user_key));
    EXPECT_TRUE(count == 0 ||
                IsBefore(*list.comparator.user_comparator(), last, entry));
    last = std::move(entry);
    ++count;
  }
  return count;
}

TEST(SkipListConcurrencyTest, ReadersBesideFourWritersSeeASortedGrowingList) {
  constexpr int kWriters = 4;
  const auto per_writer =
      static_cast<size_t>(Effort("PACELINE_SKIP_LIST_ENTRIES", 5000, 1000));
  List list;
  TestRandom random(TestSeed());
  // Distinct entries, dealt out so that writers meet at the same places.
  const std::vector<Entry> entries =
      RandomEntries(&random, kWriters * per_writer);
  std::atomic<int> writers_left = kWriters;

  std::vector<std::thread> threads;
  for (size_t writer = 0; writer < kWriters; ++writer) {
    threads.emplace_back([&, writer] {
      for (size_t i = writer; i < entries.size(); i += kWriters) {
        const Entry& entry = entries[i];
        EXPECT_TRUE(
            list.list.Insert(entry.user_key, entry.tag, entry.user_key));
        // Whatever a writer has inserted it finds again.
        auto* node = list.list.FindGreaterOrEqual(entry.user_key, entry.tag);
        ASSERT_NE(node, nullptr);
        EXPECT_EQ(List::EntryAt(node), entry);
      }
      writers_left.fetch_sub(1);
    });
  }
  for (int reader = 0; reader < 2; ++reader) {
    threads.emplace_back([&] {
      size_t seen = 0;
      bool is_last = false;
      while (!is_last) {
        is_last = writers_left.load() == 0;
        const size_t now = CheckSorted(list);
        EXPECT_GE(now, seen);
        seen = now;
      }
      EXPECT_EQ(seen, entries.size());
    });
  }
  for (std::thread& thread : threads) thread.join();

  std::vector<Entry> sorted = entries;
  std::sort(sorted.begin(), sorted.end(), [](const Entry& a, const Entry& b) {
    return IsBefore(*BytewiseComparator(), a, b);
  });
  EXPECT_EQ(list.Entries(), sorted);
}

TEST(SkipListConcurrencyTest, WritersOfOneKeyLeaveEveryVersionInOrder) {
  constexpr SequenceNumber kWriters = 4;
  constexpr SequenceNumber kPerWriter = 1000;
  List list;
  std::vector<std::thread> threads;
  for (SequenceNumber writer = 0; writer < kWriters; ++writer) {
    threads.emplace_back([&list, writer] {
      for (SequenceNumber i = 0; i < kPerWriter; ++i) {
        EXPECT_TRUE(list.Insert("key", i * kWriters + writer, "key"));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(CheckSorted(list), kWriters * kPerWriter);
}

}  // namespace
}  // namespace paceline
