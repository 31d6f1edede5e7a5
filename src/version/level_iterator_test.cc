#include "src/version/level_iterator.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "test/support/effort.h"
#include "test/support/fault_file_system.h"
#include "test/support/seed.h"
#include "test/support/table_tree.h"

namespace paceline {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr int kLevel = 2;

// "user key@sequence", or why there is no entry.
std::string Show(const InternalIterator& iterator) {
  if (!iterator.Valid()) {
    return iterator.status().ok() ? "end" : iterator.status().ToString();
  }
  EXPECT_TRUE(iterator.status().ok());
  return ExtractUserKey(iterator.key()).ToString() + "@" +
         std::to_string(TagSequence(ExtractTag(iterator.key())));
}

class LevelIteratorTest : public TableTreeTest {
 protected:
  LevelIteratorTest() { OpenWith(/*open_files_max=*/-1, nullptr, &files_); }

  // A table of values at sequence number 1.
  void AddKeys(const std::string& keys) {
    std::vector<TestTableEntry> entries;
    for (const char key : keys) {
      entries.push_back({std::string(1, key), 1, ValueType::kValue, ""});
    }
    AddTable(kLevel, std::move(entries));
  }
  void AddTombstone(const char* begin, const char* end) {
    AddTable(kLevel, {}, {{begin, end, 1}});
  }

  std::unique_ptr<InternalIterator> NewIterator() {
    version_ = Made();
    return NewLevelIterator(&version_->bounds(kLevel), &version_->files(kLevel),
                            {});
  }

  static std::string Internal(const std::string& user_key,
                              SequenceNumber sequence = 1) {
    return TestTableEntry{user_key, sequence}.internal_key();
  }

  // How many tables were opened.
  [[nodiscard]] uint64_t opens() const {
    return files_.CountOf("NewRandomAccessFile", ".sst");
  }

  FaultFileSystem files_;
  std::shared_ptr<const Version> version_;
};

TEST_F(LevelIteratorTest, BothDirectionsGoFromFileToFile) {
  AddKeys("ab");
  AddKeys("c");
  AddKeys("de");
  const auto iterator = NewIterator();
  EXPECT_FALSE(iterator->Valid());
  std::string forward;
  for (iterator->SeekToFirst(); iterator->Valid(); iterator->Next()) {
    forward += ExtractUserKey(iterator->key()).ToString();
  }
  EXPECT_EQ(forward, "abcde");
  std::string backward;
  for (iterator->SeekToLast(); iterator->Valid(); iterator->Prev()) {
    backward += ExtractUserKey(iterator->key()).ToString();
  }
  EXPECT_EQ(backward, "edcba");
  EXPECT_TRUE(iterator->status().ok());
}

TEST_F(LevelIteratorTest, BetweenTwoFilesTheNearestEntryIsFound) {
  AddKeys("bc");
  AddKeys("fg");
  const auto iterator = NewIterator();
  const auto seek = [&](const char* key) {
    iterator->Seek(Internal(key));
    return Show(*iterator);
  };
  const auto seek_for_prev = [&](const char* key) {
    iterator->SeekForPrev(Internal(key));
    return Show(*iterator);
  };
  EXPECT_EQ(seek("a"), "b@1");
  EXPECT_EQ(seek("c"), "c@1");
  EXPECT_EQ(seek("d"), "f@1");
  EXPECT_EQ(seek("g"), "g@1");
  EXPECT_EQ(seek("h"), "end");
  EXPECT_EQ(seek_for_prev("a"), "end");
  EXPECT_EQ(seek_for_prev("b"), "b@1");
  EXPECT_EQ(seek_for_prev("e"), "c@1");
  EXPECT_EQ(seek_for_prev("f"), "f@1");
  EXPECT_EQ(seek_for_prev("z"), "g@1");
}

TEST_F(LevelIteratorTest, FilesThatHaveNoEntriesArePassedOver) {
  AddTombstone("a", "b");
  AddTombstone("b", "c");
  AddKeys("d");
  AddTombstone("e", "f");
  AddTombstone("f", "g");
  AddKeys("h");
  AddTombstone("i", "j");
  const auto iterator = NewIterator();
  iterator->SeekToFirst();
  EXPECT_EQ(Show(*iterator), "d@1");
  iterator->Next();
  EXPECT_EQ(Show(*iterator), "h@1");
  iterator->Next();
  EXPECT_EQ(Show(*iterator), "end");
  iterator->SeekToLast();
  EXPECT_EQ(Show(*iterator), "h@1");
  iterator->Prev();
  EXPECT_EQ(Show(*iterator), "d@1");
  iterator->Prev();
  EXPECT_EQ(Show(*iterator), "end");
  iterator->Seek(Internal("e"));
  EXPECT_EQ(Show(*iterator), "h@1");
  iterator->SeekForPrev(Internal("g"));
  EXPECT_EQ(Show(*iterator), "d@1");
  iterator->Seek(Internal("i"));
  EXPECT_EQ(Show(*iterator), "end");
  iterator->SeekForPrev(Internal("b"));
  EXPECT_EQ(Show(*iterator), "end");
}

TEST_F(LevelIteratorTest, ALevelOfTombstonesHasNoEntries) {
  AddTombstone("a", "c");
  AddTombstone("c", "e");
  const auto iterator = NewIterator();
  iterator->SeekToFirst();
  EXPECT_EQ(Show(*iterator), "end");
  iterator->SeekToLast();
  EXPECT_EQ(Show(*iterator), "end");
}

TEST_F(LevelIteratorTest, NoFilesHaveNoEntries) {
  const LiveTables none;
  const auto iterator = NewLevelIterator(&comparator_, &none, {});
  iterator->SeekToFirst();
  EXPECT_EQ(Show(*iterator), "end");
  iterator->SeekToLast();
  EXPECT_EQ(Show(*iterator), "end");
  iterator->Seek(Internal("a"));
  EXPECT_EQ(Show(*iterator), "end");
  iterator->SeekForPrev(Internal("a"));
  EXPECT_EQ(Show(*iterator), "end");
}

TEST_F(LevelIteratorTest, TheVersionsOfAKeyMaySpanFiles) {
  AddTable(kLevel, {{"k", 9}, {"k", 8}});
  AddTable(kLevel, {{"k", 7}});
  AddTable(kLevel, {{"k", 6}, {"l", 9}});
  const auto iterator = NewIterator();
  iterator->Seek(Internal("k", 8));
  EXPECT_EQ(Show(*iterator), "k@8");
  iterator->Next();
  EXPECT_EQ(Show(*iterator), "k@7");
  iterator->Next();
  EXPECT_EQ(Show(*iterator), "k@6");
  iterator->Prev();
  iterator->Prev();
  EXPECT_EQ(Show(*iterator), "k@8");
  iterator->Seek(Internal("k", 5));
  EXPECT_EQ(Show(*iterator), "l@9");
  iterator->SeekForPrev(Internal("l", 10));
  EXPECT_EQ(Show(*iterator), "k@6");
}

// A level may have thousands of files, and a look at one key needs one of them.
TEST_F(LevelIteratorTest, ATableIsOpenedWhenTheIteratorComesThere) {
  for (const char* keys : {"ab", "cd", "ef", "gh"}) AddKeys(keys);
  const auto iterator = NewIterator();
  EXPECT_EQ(opens(), 0u);
  iterator->Seek(Internal("e"));
  EXPECT_EQ(Show(*iterator), "e@1");
  EXPECT_EQ(opens(), 1u);
  iterator->Next();
  EXPECT_EQ(opens(), 1u);
  iterator->Next();
  EXPECT_EQ(Show(*iterator), "g@1");
  EXPECT_EQ(opens(), 2u);
  iterator->SeekToLast();
  EXPECT_EQ(opens(), 2u);
  iterator->SeekForPrev(Internal("b"));
  EXPECT_EQ(opens(), 3u);
}

TEST_F(LevelIteratorTest, WithFewOpenTablesEachIsOpenedOnceInAPass) {
  OpenWith(/*open_files_max=*/1, nullptr, &files_);
  for (const char* keys : {"abc", "def", "ghi"}) AddKeys(keys);
  const auto iterator = NewIterator();
  for (iterator->SeekToFirst(); iterator->Valid(); iterator->Next()) {
    // What others open meanwhile does not close the iterator's table.
    context_->tables->Evict(1);
    context_->tables->Evict(2);
    context_->tables->Evict(3);
  }
  EXPECT_EQ(opens(), 3u);
  EXPECT_TRUE(iterator->status().ok());
  iterator->Seek(Internal("g"));
  EXPECT_EQ(opens(), 4u);
  context_->tables->Evict(3);
  iterator->Seek(Internal("h"));
  iterator->SeekToLast();
  EXPECT_EQ(Show(*iterator), "i@1");
  EXPECT_EQ(opens(), 4u) << "it is in that table already";
}

TEST_F(LevelIteratorTest, AMissingTableEndsTheIterationWithItsName) {
  for (const char* keys : {"ab", "cd", "ef"}) AddKeys(keys);
  const auto iterator = NewIterator();
  ASSERT_TRUE(FileSystem::Default()->RemoveFile(PathOf(2)).ok());
  iterator->SeekToFirst();
  iterator->Next();
  EXPECT_EQ(Show(*iterator), "b@1");
  iterator->Next();
  EXPECT_THAT(Show(*iterator), HasSubstr(PathOf(2)));
  iterator->SeekToLast();
  EXPECT_EQ(Show(*iterator), "f@1");
  iterator->Prev();
  EXPECT_EQ(Show(*iterator), "e@1");
  iterator->Prev();
  EXPECT_THAT(Show(*iterator), HasSubstr(PathOf(2)));
  iterator->Seek(Internal("c"));
  EXPECT_THAT(Show(*iterator), HasSubstr(PathOf(2)));
  iterator->SeekForPrev(Internal("d"));
  EXPECT_THAT(Show(*iterator), HasSubstr(PathOf(2)));
}

TEST_F(LevelIteratorTest, AfterAFailureOtherPlacesAreFound) {
  for (const char* keys : {"ab", "cd"}) AddKeys(keys);
  const auto iterator = NewIterator();
  files_.Arm({.operation = 1, .name = "NewRandomAccessFile"});
  iterator->Seek(Internal("c"));
  EXPECT_THAT(Show(*iterator), HasSubstr(files_.first_failure()));
  iterator->Seek(Internal("a"));
  EXPECT_EQ(Show(*iterator), "a@1");
  // What failed once is tried again.
  iterator->Seek(Internal("c"));
  EXPECT_EQ(Show(*iterator), "c@1");
}

// To go on with the next file would hide the entries of the damaged one.
TEST_F(LevelIteratorTest, ABlockThatCannotBeReadIsNotPassedOver) {
  for (const char* keys : {"ab", "cd", "ef"}) AddKeys(keys);
  for (const bool is_forward : {true, false}) {
    const auto iterator = NewIterator();
    iterator->Seek(Internal("c"));  // All tables are open now.
    iterator->Seek(Internal(is_forward ? "b" : "e"));
    files_.Arm({.operation = 1, .name = "Read", .path_end = "000002.sst"});
    is_forward ? iterator->Next() : iterator->Prev();
    ASSERT_TRUE(files_.has_failed());
    EXPECT_THAT(Show(*iterator), HasSubstr(files_.first_failure()));
    iterator->Seek(Internal("e"));
    EXPECT_EQ(Show(*iterator), "e@1");
  }
}

TEST_F(LevelIteratorTest, ATableIteratorKeepsItsTableOpen) {
  OpenWith(/*open_files_max=*/10, nullptr, &files_);
  AddKeys("ab");
  version_ = Made();
  auto table = version_->files(kLevel)[0]->Get();
  ASSERT_TRUE(table.ok());
  const auto iterator = NewLiveTableIterator(*std::move(table), {});
  context_->tables->Evict(1);
  ASSERT_TRUE(FileSystem::Default()->RemoveFile(PathOf(1)).ok());
  iterator->SeekToFirst();
  EXPECT_EQ(Show(*iterator), "a@1");
  iterator->Next();
  EXPECT_EQ(Show(*iterator), "b@1");
  iterator->SeekForPrev(Internal("a"));
  EXPECT_EQ(Show(*iterator), "a@1");
  iterator->Prev();
  EXPECT_EQ(Show(*iterator), "end");
  iterator->SeekToLast();
  EXPECT_EQ(Show(*iterator), "b@1");
  iterator->Seek(Internal("c"));
  EXPECT_EQ(Show(*iterator), "end");
}

// --- Against a sorted list. ------------------------------------------------

class LevelIteratorModelTest : public LevelIteratorTest {
 protected:
  using Keys = std::vector<std::string>;

  // A level that is cut anywhere, also between the versions of a key, with
  // files of nothing but tombstones.
  void MakeLevel(TestRandom* random) {
    family_.files.clear();
    keys_.clear();
    std::vector<TestTableEntry> entries;
    const char last = static_cast<char>('b' + random->Below(10));
    for (char key = 'b'; key <= last; ++key) {
      for (SequenceNumber sequence = 1 + random->Below(4); sequence > 0;
           --sequence) {
        entries.push_back({std::string(1, key), 10 * sequence});
        keys_.push_back(entries.back().internal_key());
      }
    }
    size_t begin = 0;
    while (begin < entries.size()) {
      const size_t end = std::min(entries.size(), begin + 1 + random->Below(5));
      const auto at = [&](size_t i) {
        return entries.begin() + static_cast<std::ptrdiff_t>(i);
      };
      AddTable(kLevel, std::vector<TestTableEntry>(at(begin), at(end)));
      // Where there is room in front of the next user key.
      const std::string& user_key = entries[end - 1].user_key;
      const bool has_room =
          end == entries.size() || entries[end].user_key != user_key;
      if (has_room && random->OneIn(2)) {
        AddTable(kLevel, {}, {{user_key + "1", user_key + "2", 1}});
      }
      begin = end;
    }
  }

  [[nodiscard]] Keys::iterator LowerBound(const std::string& target) {
    return std::lower_bound(keys_.begin(), keys_.end(), target,
                            [this](const auto& a, const auto& b) {
                              return comparator_.Compare(Slice(a), Slice(b)) <
                                     0;
                            });
  }
  // One in front of the first entry is the end, too.
  void StepBack(Keys::iterator* position) {
    *position = *position == keys_.begin() ? keys_.end() : std::prev(*position);
  }

  void Walk(TestRandom* random, InternalIterator* iterator) {
    auto position = keys_.end();
    for (int move = 0; move < 200; ++move) {
      const uint64_t kind = random->Below(position == keys_.end() ? 4 : 12);
      const std::string target =
          Internal(std::string(1, static_cast<char>('a' + random->Below(13))) +
                       (random->OneIn(4) ? "1" : ""),
                   random->Below(50));
      if (kind == 0) {
        iterator->SeekToFirst();
        position = keys_.begin();
      } else if (kind == 1) {
        iterator->SeekToLast();
        position = std::prev(keys_.end());
      } else if (kind == 2) {
        iterator->Seek(target);
        position = LowerBound(target);
      } else if (kind == 3) {
        iterator->SeekForPrev(target);
        position = LowerBound(target);
        const bool is_there = position != keys_.end() && *position == target;
        if (!is_there) StepBack(&position);
      } else if (kind < 8) {
        iterator->Next();
        ++position;
      } else {
        iterator->Prev();
        StepBack(&position);
      }
      ASSERT_EQ(iterator->Valid(), position != keys_.end()) << "kind " << kind;
      ASSERT_TRUE(iterator->status().ok());
      if (iterator->Valid()) {
        ASSERT_EQ(iterator->key(), Slice(*position)) << "kind " << kind;
      }
    }
  }

  Keys keys_;
};

TEST_F(LevelIteratorModelTest, EveryMoveIsThatInASortedList) {
  TestRandom random(TestSeed());
  const uint64_t rounds = Effort("PACELINE_LEVEL_ROUNDS", 40, 10);
  for (uint64_t round = 0; round < rounds; ++round) {
    SCOPED_TRACE("round " + std::to_string(round));
    MakeLevel(&random);
    const auto iterator = NewIterator();
    Walk(&random, iterator.get());
    // With bounds of its own.
    const auto other =
        NewLevelIterator(&comparator_, &version_->files(kLevel), {});
    Walk(&random, other.get());
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace paceline
