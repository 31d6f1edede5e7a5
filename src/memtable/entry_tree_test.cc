#include "src/memtable/entry_tree.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <map>
#include <numeric>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "test/support/awkward_keys.h"
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

uint64_t ValueTag(SequenceNumber sequence) {
  return PackTag(sequence, ValueType::kValue);
}

// An EntryTree with what it needs.
struct Tree {
  explicit Tree(const Comparator* user_comparator = BytewiseComparator())
      : comparator(user_comparator), tree(&comparator, &arena) {}

  bool Insert(const Slice& key, SequenceNumber sequence,
              const Slice& value = "") {
    return tree.Insert(key, ValueTag(sequence), value);
  }
  bool Insert(const Entry& entry) {
    return tree.Insert(entry.user_key, entry.tag, "");
  }
  std::vector<Entry> Entries() const {
    std::vector<Entry> entries;
    EntryTree::Cursor cursor(&tree);
    for (cursor.SeekToFirst(); cursor.Valid(); cursor.Next()) {
      entries.push_back(EntryAt(cursor));
    }
    return entries;
  }
  std::vector<Entry> EntriesBackwards() const {
    std::vector<Entry> entries;
    EntryTree::Cursor cursor(&tree);
    for (cursor.SeekToLast(); cursor.Valid(); cursor.Prev()) {
      entries.push_back(EntryAt(cursor));
    }
    return entries;
  }
  static Entry EntryAt(const EntryTree::Cursor& cursor) {
    return {cursor.entry().user_key().ToString(), cursor.entry().tag()};
  }

  const InternalKeyComparator comparator;
  Arena arena;
  EntryTree tree;
};

// The rule of the format, without the code under test.
struct IsBefore {
  bool operator()(const Entry& a, const Entry& b) const {
    const int order = comparator->Compare(a.user_key, b.user_key);
    return order != 0 ? order < 0 : a.tag > b.tag;
  }
  const Comparator* comparator = BytewiseComparator();
};

// Random entries without duplicates, many to a key.
std::vector<Entry> RandomEntries(TestRandom* random, size_t count) {
  std::map<std::pair<std::string, uint64_t>, bool> seen;
  std::vector<Entry> entries;
  while (entries.size() < count) {
    std::string key = RandomKey(random);
    const uint64_t tag = ValueTag(random->Below(2 * count));
    if (!seen.emplace(std::pair(key, tag), true).second) continue;
    entries.push_back({std::move(key), tag});
  }
  return entries;
}

// The bytes that are neither keys, tags nor values nor their sizes, for each
// of `count` entries without a value.
double OverheadBytes(const Tree& tree, size_t count, size_t key_bytes) {
  const size_t entry_bytes =
      (sizeof(EntryTree::Entry) + key_bytes + kTagBytes + 7) / 8 * 8;
  return static_cast<double>(tree.arena.AllocatedBytes()) /
             static_cast<double>(count) -
         static_cast<double>(entry_bytes);
}

std::string NumberKey(uint64_t number) {
  std::string key(16, '0');
  const std::string digits = std::to_string(number);
  return key.replace(16 - digits.size(), digits.size(), digits);
}

TEST(EntryTreeTest, AnEmptyTreeHasNoEntries) {
  Tree tree;
  EntryTree::Cursor cursor(&tree.tree);
  EXPECT_FALSE(cursor.Valid());
  cursor.SeekToFirst();
  EXPECT_FALSE(cursor.Valid());
  cursor.SeekToLast();
  EXPECT_FALSE(cursor.Valid());
  cursor.Seek("", PackTag(kMaxSequenceNumber, ValueType::kSeekMax));
  EXPECT_FALSE(cursor.Valid());
  cursor.SeekForPrev("z", 0);
  EXPECT_FALSE(cursor.Valid());
}

TEST(EntryTreeTest, KeysAndValuesAreKeptByteByByte) {
  Tree tree;
  const std::string value = "\0\xff value"s;
  for (const std::string& key : AwkwardKeys()) {
    ASSERT_TRUE(tree.Insert(key, 7, value + key));
  }
  EntryTree::Cursor cursor(&tree.tree);
  for (const std::string& key : AwkwardKeys()) {
    cursor.Seek(key, ValueTag(7));
    ASSERT_TRUE(cursor.Valid());
    EXPECT_EQ(Tree::EntryAt(cursor), (Entry{key, ValueTag(7)}));
    EXPECT_EQ(cursor.entry().value().ToString(), value + key);
    EXPECT_EQ(ExtractUserKey(cursor.entry().key()).ToString(), key);
  }
}

TEST(EntryTreeTest, NewerEntriesOfAKeyComeFirst) {
  Tree tree;
  for (SequenceNumber sequence : {3, 1, 5, 2, 4}) {
    ASSERT_TRUE(tree.Insert("key", sequence));
  }
  ASSERT_TRUE(tree.tree.Insert("key", PackTag(3, ValueType::kDeletion), ""));
  const std::vector<Entry> expected = {
      {"key", ValueTag(5)}, {"key", ValueTag(4)},
      {"key", ValueTag(3)}, {"key", PackTag(3, ValueType::kDeletion)},
      {"key", ValueTag(2)}, {"key", ValueTag(1)}};
  EXPECT_EQ(tree.Entries(), expected);
}

TEST(EntryTreeTest, ADuplicateIsRefusedAndChangesNothing) {
  Tree tree;
  TestRandom random(TestSeed());
  const std::vector<Entry> entries = RandomEntries(&random, 1000);
  for (const Entry& entry : entries) {
    ASSERT_TRUE(tree.tree.Insert(entry.user_key, entry.tag, "first"));
  }
  const std::vector<Entry> before = tree.Entries();
  for (const Entry& entry : entries) {
    EXPECT_FALSE(tree.tree.Insert(entry.user_key, entry.tag, "second"));
  }
  EXPECT_EQ(tree.Entries(), before);
  EntryTree::Cursor cursor(&tree.tree);
  for (cursor.SeekToFirst(); cursor.Valid(); cursor.Next()) {
    ASSERT_EQ(cursor.entry().value().ToString(), "first");
  }
}

TEST(EntryTreeTest, AnotherSequenceOrTypeIsNoDuplicate) {
  Tree tree;
  EXPECT_TRUE(tree.tree.Insert("k", PackTag(1, ValueType::kValue), ""));
  EXPECT_TRUE(tree.tree.Insert("k", PackTag(2, ValueType::kValue), ""));
  EXPECT_TRUE(tree.tree.Insert("k", PackTag(1, ValueType::kDeletion), ""));
  EXPECT_EQ(tree.Entries().size(), 3u);
}

TEST(EntryTreeTest, TheExtremeTagsAreOrderedToo) {
  Tree tree;
  const uint64_t newest = PackTag(kMaxSequenceNumber, ValueType::kSeekMax);
  ASSERT_TRUE(tree.tree.Insert("k", 0, ""));
  ASSERT_TRUE(tree.tree.Insert("k", newest, ""));
  const std::vector<Entry> expected = {{"k", newest}, {"k", 0}};
  EXPECT_EQ(tree.Entries(), expected);
  EntryTree::Cursor cursor(&tree.tree);
  cursor.SeekForPrev("k", newest);
  ASSERT_TRUE(cursor.Valid());
  EXPECT_EQ(cursor.entry().tag(), newest);
}

TEST(EntryTreeTest, AwkwardKeysAreOrderedAsBytes) {
  Tree tree;
  std::vector<std::string> shuffled = AwkwardKeys();
  std::reverse(shuffled.begin(), shuffled.end());
  std::rotate(shuffled.begin(), shuffled.begin() + 5, shuffled.end());
  for (const std::string& key : shuffled) ASSERT_TRUE(tree.Insert(key, 1));
  std::vector<std::string> sorted = AwkwardKeys();
  std::sort(sorted.begin(), sorted.end());  // As unsigned bytes.
  std::vector<std::string> found;
  for (const Entry& entry : tree.Entries()) found.push_back(entry.user_key);
  EXPECT_EQ(found, sorted);
}

TEST(EntryTreeTest, AReverseComparatorReversesUserKeysButNotVersions) {
  Tree tree(ReverseBytewiseComparator());
  for (const std::string& key : AwkwardKeys()) {
    ASSERT_TRUE(tree.Insert(key, 1));
    ASSERT_TRUE(tree.Insert(key, 2));
    EXPECT_FALSE(tree.Insert(key, 2));
  }
  std::vector<std::string> sorted = AwkwardKeys();
  std::sort(sorted.rbegin(), sorted.rend());
  std::vector<Entry> expected;
  for (const std::string& key : sorted) {
    expected.push_back({key, ValueTag(2)});
    expected.push_back({key, ValueTag(1)});
  }
  EXPECT_EQ(tree.Entries(), expected);
}

TEST(EntryTreeTest, AscendingAndDescendingFillsLeaveFullLeaves) {
  constexpr size_t kCount = 20'000;
  // A slot of a leaf has 16 bytes; a half-full leaf would need 32 an entry.
  constexpr double kBytesMax = 20;
  for (const Comparator* comparator :
       {BytewiseComparator(), ReverseBytewiseComparator()}) {
    Tree up(comparator);
    Tree down(comparator);
    std::vector<Entry> expected;
    for (size_t i = 0; i < kCount; ++i) {
      ASSERT_TRUE(up.Insert(NumberKey(i), i));
      ASSERT_TRUE(down.Insert(NumberKey(kCount - 1 - i), kCount - 1 - i));
      expected.push_back({NumberKey(i), ValueTag(i)});
    }
    std::sort(expected.begin(), expected.end(), IsBefore{comparator});
    EXPECT_EQ(up.Entries(), expected);
    EXPECT_EQ(down.Entries(), expected);
    EXPECT_LT(OverheadBytes(up, kCount, 16), kBytesMax);
    EXPECT_LT(OverheadBytes(down, kCount, 16), kBytesMax);
  }
}

TEST(EntryTreeTest, RandomFillsLeaveLeavesMoreThanHalfFull) {
  constexpr size_t kCount = 20'000;
  Tree tree;
  TestRandom random(TestSeed());
  for (size_t i = 0; i < kCount; ++i) {
    ASSERT_TRUE(tree.Insert(random.Bytes(16), i));
  }
  EXPECT_LT(OverheadBytes(tree, kCount, 16), 27.5);
}

TEST(EntryTreeTest, ACursorStaysOnItsEntryWhileItsLeafIsSplit) {
  Tree tree;
  for (size_t i = 0; i < 1000; i += 100) {
    ASSERT_TRUE(tree.Insert(NumberKey(i), 1));
  }
  std::vector<EntryTree::Cursor> cursors;
  for (size_t i = 0; i < 1000; i += 100) {
    cursors.emplace_back(&tree.tree).Seek(NumberKey(i), ValueTag(1));
  }
  for (size_t i = 0; i < 1000; ++i) {
    if (i % 100 != 0) {
      ASSERT_TRUE(tree.Insert(NumberKey(i), 1));
    }
  }
  for (size_t i = 0; i < 1000; i += 100) {
    EntryTree::Cursor cursor = cursors[i / 100];
    EXPECT_EQ(Tree::EntryAt(cursor).user_key, NumberKey(i));
    for (size_t expected = i + 1; expected < 1000; ++expected) {
      cursor.Next();
      ASSERT_TRUE(cursor.Valid());
      ASSERT_EQ(Tree::EntryAt(cursor).user_key, NumberKey(expected));
    }
    cursor = cursors[i / 100];
    for (size_t expected = i; expected-- > 0;) {
      cursor.Prev();
      ASSERT_TRUE(cursor.Valid());
      ASSERT_EQ(Tree::EntryAt(cursor).user_key, NumberKey(expected));
    }
  }
}

class EntryTreeRandomTest
    : public testing::TestWithParam<const Comparator* (*)()> {
 protected:
  const Comparator* comparator_ = GetParam()();
  TestRandom random_{TestSeed()};
};

TEST_P(EntryTreeRandomTest, EntriesAreSortedWhateverTheOrderOfInsertion) {
  for (int round = 0; round < 20; ++round) {
    Tree tree(comparator_);
    std::vector<Entry> entries =
        RandomEntries(&random_, 1 + random_.Below(3000));
    for (const Entry& entry : entries) ASSERT_TRUE(tree.Insert(entry));
    std::sort(entries.begin(), entries.end(), IsBefore{comparator_});
    EXPECT_EQ(tree.Entries(), entries);
    std::reverse(entries.begin(), entries.end());
    EXPECT_EQ(tree.EntriesBackwards(), entries);
  }
}

// A tree beside a std::map, and cursors that are kept while both grow.
class Model {
 public:
  Model(const Comparator* comparator, TestRandom* random)
      : tree_(comparator),
        entries_(IsBefore{comparator}),
        random_(random),
        held_(4, {EntryTree::Cursor(&tree_.tree), entries_.end()}) {}

  void Step(size_t entries_max) {
    if (random_->OneIn(2)) return Insert(entries_max);
    Held& held = held_[random_->Below(held_.size())];
    switch (random_->Below(6)) {
      case 0:
        Seek(&held, RandomEntry(entries_max));
        break;
      case 1:
        SeekForPrev(&held, RandomEntry(entries_max));
        break;
      case 2:
        held.cursor.SeekToFirst();
        held.at = entries_.begin();
        break;
      case 3:
        held.cursor.SeekToLast();
        held.at = entries_.empty() ? entries_.end() : --entries_.end();
        break;
      default:
        Walk(&held);
    }
    Check(held);
  }
  void CheckAll() {
    auto expected = entries_.begin();
    for (const Entry& entry : tree_.Entries()) {
      ASSERT_NE(expected, entries_.end());
      ASSERT_EQ(entry, expected->first);
      ++expected;
    }
    EXPECT_EQ(expected, entries_.end());
  }

 private:
  using Map = std::map<Entry, std::string, IsBefore>;
  struct Held {
    EntryTree::Cursor cursor;
    Map::iterator at;
  };

  Entry RandomEntry(size_t entries_max) {
    return {RandomKey(random_), ValueTag(random_->Below(entries_max))};
  }
  void Insert(size_t entries_max) {
    Entry entry = RandomEntry(entries_max);
    // A run of keys at one place fills the leaf that cursors are on.
    if (random_->OneIn(2) && held_[0].cursor.Valid()) {
      entry.user_key = Tree::EntryAt(held_[0].cursor).user_key;
    }
    const std::string value = random_->Letters(random_->Below(5));
    const bool is_new = entries_.emplace(entry, value).second;
    EXPECT_EQ(tree_.tree.Insert(entry.user_key, entry.tag, value), is_new);
  }
  void Seek(Held* held, const Entry& target) {
    held->cursor.Seek(target.user_key, target.tag);
    held->at = entries_.lower_bound(target);
  }
  void SeekForPrev(Held* held, const Entry& target) {
    held->cursor.SeekForPrev(target.user_key, target.tag);
    held->at = Before(entries_.upper_bound(target));
  }
  Map::iterator Before(Map::iterator at) {
    return at == entries_.begin() ? entries_.end() : --at;
  }
  void Walk(Held* held) {
    const bool goes_up = random_->OneIn(2);
    for (uint64_t steps = random_->Below(200);
         steps > 0 && held->at != entries_.end(); --steps) {
      Check(*held);
      goes_up ? held->cursor.Next() : held->cursor.Prev();
      held->at = goes_up ? std::next(held->at) : Before(held->at);
    }
  }
  void Check(const Held& held) {
    ASSERT_EQ(held.cursor.Valid(), held.at != entries_.end());
    if (!held.cursor.Valid()) return;
    ASSERT_EQ(Tree::EntryAt(held.cursor), held.at->first);
    ASSERT_EQ(held.cursor.entry().value().ToString(), held.at->second);
  }

  Tree tree_;
  Map entries_;
  TestRandom* const random_;
  std::vector<Held> held_;
};

TEST_P(EntryTreeRandomTest, ATreeAndItsCursorsBehaveAsAMap) {
  const uint64_t steps = Effort("PACELINE_ENTRY_TREE_STEPS", 20'000, 4'000);
  for (size_t entries_max : {30, 300, 30'000}) {
    Model model(comparator_, &random_);
    for (uint64_t i = 0; i < steps && !HasFatalFailure(); ++i) {
      model.Step(entries_max);
    }
    model.CheckAll();
  }
}

// Entries in their order, each with a flag that is set once it is inserted.
// Values are the entries' ranks in that order.
class Census {
 public:
  Census(const Comparator* comparator, std::vector<Entry> entries)
      : tree_(comparator),
        entries_(std::move(entries)),
        is_inserted_(entries_.size()) {
    std::sort(entries_.begin(), entries_.end(), IsBefore{comparator});
  }

  const EntryTree& tree() const { return tree_.tree; }
  const std::vector<Entry>& entries() const { return entries_; }
  std::vector<Entry> EntriesInTree() const { return tree_.Entries(); }

  void Insert(size_t rank) {
    char value[sizeof(uint64_t)];
    EncodeFixed<uint64_t>(value, rank);
    EXPECT_TRUE(tree_.tree.Insert(entries_[rank].user_key, entries_[rank].tag,
                                  {value, sizeof(value)}));
    is_inserted_[rank].store(true, std::memory_order_release);
  }
  // The first inserted entry from `rank` on; the number of entries if none.
  size_t AtOrAfter(size_t rank) const {
    while (rank < entries_.size() && !IsInserted(rank)) ++rank;
    return rank;
  }
  // One more than the last inserted entry below `end`; 0 if there is none.
  size_t EndBefore(size_t end) const {
    while (end > 0 && !IsInserted(end - 1)) --end;
    return end;
  }
  // The cursor's rank; the number of entries if it is not valid. An entry that
  // can be seen is complete.
  size_t RankOf(const EntryTree::Cursor& cursor) const {
    if (!cursor.Valid()) return entries_.size();
    const size_t rank =
        DecodeFixed64(cursor.entry().value().data()) % entries_.size();
    EXPECT_EQ(Tree::EntryAt(cursor), entries_[rank]);
    return rank;
  }

 private:
  bool IsInserted(size_t rank) const {
    return is_inserted_[rank].load(std::memory_order_acquire);
  }

  Tree tree_;
  std::vector<Entry> entries_;
  std::vector<std::atomic<bool>> is_inserted_;
};

// Each move must find an entry in its direction, and pass none that was there
// before the move began.
void CheckMoves(const Census& census, TestRandom* random) {
  const size_t count = census.entries().size();
  EntryTree::Cursor cursor(&census.tree());
  size_t target = random->Below(count);
  const Entry& entry = census.entries()[target];
  size_t limit = census.AtOrAfter(target);
  cursor.Seek(entry.user_key, entry.tag);
  size_t rank = census.RankOf(cursor);
  ASSERT_TRUE(target <= rank && rank <= limit);
  for (int i = 0; i < 100 && cursor.Valid(); ++i) {
    limit = census.AtOrAfter(rank + 1);
    cursor.Next();
    const size_t next = census.RankOf(cursor);
    ASSERT_TRUE(rank < next && next <= limit);
    rank = next;
  }
  limit = census.EndBefore(target + 1);
  cursor.SeekForPrev(entry.user_key, entry.tag);
  for (size_t end = target + 1; cursor.Valid(); cursor.Prev()) {
    rank = census.RankOf(cursor);
    ASSERT_TRUE(limit <= rank + 1 && rank < end);
    if (random->OneIn(100)) return;
    end = rank;
    limit = census.EndBefore(end);
  }
  ASSERT_EQ(limit, 0u);
}

// Walks over everything; returns how many entries there are.
size_t CheckWalk(const Census& census) {
  size_t seen = 0;
  size_t last = 0;
  EntryTree::Cursor cursor(&census.tree());
  for (cursor.SeekToFirst(); cursor.Valid(); cursor.Next()) {
    const size_t rank = census.RankOf(cursor);
    EXPECT_TRUE(seen == 0 || last < rank);
    last = rank;
    ++seen;
  }
  return seen;
}

// Inserts all entries, each writer those at its own positions of `order`,
// while readers check what they see.
void RunWritersAndReaders(Census* census, const std::vector<size_t>& order) {
  constexpr size_t kWriters = 4;
  std::atomic<size_t> writers_left = kWriters;
  std::vector<std::thread> threads;
  for (size_t writer = 0; writer < kWriters; ++writer) {
    threads.emplace_back([&, writer] {
      EntryTree::Cursor cursor(&census->tree());
      for (size_t i = writer; i < order.size(); i += kWriters) {
        census->Insert(order[i]);
        // Whatever a writer has inserted it finds again.
        const Entry& entry = census->entries()[order[i]];
        cursor.Seek(entry.user_key, entry.tag);
        EXPECT_EQ(census->RankOf(cursor), order[i]);
      }
      writers_left.fetch_sub(1);
    });
  }
  for (uint64_t reader = 0; reader < 2; ++reader) {
    threads.emplace_back([&, reader] {
      TestRandom random(TestSeed() + reader);
      size_t seen = 0;
      while (writers_left.load() > 0 && !testing::Test::HasFatalFailure()) {
        CheckMoves(*census, &random);
        const size_t now = CheckWalk(*census);
        EXPECT_GE(now, seen);
        seen = now;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(census->EntriesInTree(), census->entries());
}

size_t ConcurrentEntries() {
  return static_cast<size_t>(
      Effort("PACELINE_ENTRY_TREE_ENTRIES", 20'000, 4'000));
}

TEST_P(EntryTreeRandomTest, ReadersBesideFourWritersMissNothing) {
  Census census(comparator_, RandomEntries(&random_, ConcurrentEntries()));
  std::vector<size_t> order(census.entries().size());
  std::iota(order.begin(), order.end(), size_t{0});
  for (size_t i = order.size(); i > 1; --i) {
    std::swap(order[i - 1], order[random_.Below(i)]);
  }
  RunWritersAndReaders(&census, order);
}

TEST_P(EntryTreeRandomTest, ReadersBesideAscendingWritersMissNothing) {
  Census census(comparator_, RandomEntries(&random_, ConcurrentEntries()));
  std::vector<size_t> order(census.entries().size());
  std::iota(order.begin(), order.end(), size_t{0});
  RunWritersAndReaders(&census, order);
}

TEST_P(EntryTreeRandomTest, ReadersBesideDescendingWritersMissNothing) {
  Census census(comparator_, RandomEntries(&random_, ConcurrentEntries()));
  std::vector<size_t> order(census.entries().size());
  std::iota(order.rbegin(), order.rend(), size_t{0});
  RunWritersAndReaders(&census, order);
}

std::string OrderName(
    const testing::TestParamInfo<const Comparator* (*)()>& instance) {
  constexpr const char* kNames[] = {"Bytewise", "Reverse", "Shuffled",
                                    "Length"};
  return kNames[instance.index];
}

INSTANTIATE_TEST_SUITE_P(Orders, EntryTreeRandomTest,
                         testing::Values(&BytewiseComparator,
                                         &ReverseBytewiseComparator,
                                         &TheShuffledComparator,
                                         &TheLengthComparator),
                         OrderName);

TEST(EntryTreeConcurrencyTest, WritersOfOneKeyLeaveEveryVersionInOrder) {
  constexpr SequenceNumber kWriters = 4;
  constexpr SequenceNumber kPerWriter = 1000;
  Tree tree;
  std::vector<std::thread> threads;
  for (SequenceNumber writer = 0; writer < kWriters; ++writer) {
    threads.emplace_back([&tree, writer] {
      for (SequenceNumber i = 0; i < kPerWriter; ++i) {
        EXPECT_TRUE(tree.Insert("key", i * kWriters + writer, "key"));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::vector<Entry> expected;
  for (SequenceNumber i = kWriters * kPerWriter; i-- > 0;) {
    expected.push_back({"key", ValueTag(i)});
  }
  EXPECT_EQ(tree.Entries(), expected);
}

TEST(EntryTreeConcurrencyTest, OfWritersOfOneEntryExactlyOneInsertsIt) {
  constexpr size_t kWriters = 4;
  constexpr size_t kEntries = 1000;
  Tree tree;
  std::atomic<size_t> inserted = 0;
  std::vector<std::thread> threads;
  for (size_t writer = 0; writer < kWriters; ++writer) {
    threads.emplace_back([&] {
      for (size_t i = 0; i < kEntries; ++i) {
        if (tree.Insert(NumberKey(i * 7919 % kEntries), 1)) {
          inserted.fetch_add(1);
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(inserted.load(), kEntries);
  EXPECT_EQ(tree.Entries().size(), kEntries);
}

}  // namespace
}  // namespace paceline
