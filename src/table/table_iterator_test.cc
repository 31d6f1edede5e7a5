#include "src/table/table_iterator.h"

#include <algorithm>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "src/table/table_maker.h"
#include "test/support/seed.h"

namespace paceline {
namespace {

using testing::HasSubstr;
using testing::SizeIs;

// A file that tells what was read, and fails where it is told to.
struct FileState {
  std::string bytes;
  std::vector<BlockHandle> reads;
  uint64_t bad_offset = UINT64_MAX;  // Reads that touch it fail.
};

class WatchedFile final : public RandomAccessFile {
 public:
  explicit WatchedFile(FileState* state) : state_(state) {}
  Status Read(uint64_t offset, size_t n, Slice* result,
              char* scratch) const override {
    state_->reads.push_back({offset, n});
    if (offset <= state_->bad_offset && state_->bad_offset < offset + n) {
      return Status::IOError("the disk is bad there");
    }
    return StringFile(state_->bytes, nullptr).Read(offset, n, result, scratch);
  }

 private:
  FileState* const state_;
};

class TableIteratorTest : public testing::Test {
 protected:
  // Keys "a", "b", ... of one entry each.
  void MakeLetters(int count, const TableForm& form) {
    for (int i = 0; i < count; ++i) {
      entries_[InternalKey(std::string(1, static_cast<char>('a' + i)), 5)] =
          "value " + std::to_string(i);
    }
    Open(form);
  }

  void Open(const TableForm& form) {
    TableMaker maker(form);
    file_.bytes = maker.Make(entries_);
    blocks_.clear();
    for (size_t i = 0; i < maker.blocks(); ++i) {
      blocks_.push_back(maker.block(i));
    }
    Reopen();
  }
  // After a change of the bytes.
  void Reopen() {
    FileMetaData metadata;
    metadata.size = file_.bytes.size();
    auto table =
        TableReader::Open({.comparator = &comparator_,
                           .block_cache = nullptr,
                           .path = "/db/000009.sst",
                           .family_name = "users"},
                          std::make_unique<WatchedFile>(&file_), metadata);
    ASSERT_TRUE(table.ok()) << table.status().ToString();
    table_ = *table;
    file_.reads.clear();
  }

  [[nodiscard]] std::unique_ptr<InternalIterator> NewIterator(
      const BlockReadOptions& options = {}) const {
    return table_->NewIterator(options);
  }

  // The user key, or why there is none.
  static std::string Show(const InternalIterator& iterator) {
    if (iterator.Valid()) {
      EXPECT_TRUE(iterator.status().ok());
      return ExtractUserKey(iterator.key()).ToString();
    }
    return iterator.status().ok() ? "end" : iterator.status().ToString();
  }

  // Entries count from 0; one on either side of them is the end.
  void ExpectAt(const InternalIterator& iterator, std::ptrdiff_t position) {
    ASSERT_TRUE(iterator.status().ok()) << iterator.status().ToString();
    const auto count = static_cast<std::ptrdiff_t>(entries_.size());
    const bool is_there = 0 <= position && position < count;
    ASSERT_EQ(iterator.Valid(), is_there) << "position " << position;
    if (!is_there) return;
    const auto expected = std::next(entries_.begin(), position);
    ASSERT_EQ(iterator.key(), Slice(expected->first));
    ASSERT_EQ(iterator.value(), Slice(expected->second));
  }

  const InternalKeyComparator comparator_{BytewiseComparator()};
  Entries entries_{InternalKeyLess{&comparator_}};
  FileState file_;
  std::vector<BlockHandle> blocks_;
  std::shared_ptr<const TableReader> table_;
};

TEST_F(TableIteratorTest, ATableWithoutEntriesHasNone) {
  Open({});
  const auto iterator = NewIterator();
  EXPECT_EQ(Show(*iterator), "end");
  iterator->SeekToFirst();
  EXPECT_EQ(Show(*iterator), "end");
  iterator->SeekToLast();
  EXPECT_EQ(Show(*iterator), "end");
  iterator->Seek(InternalKey("a", 1));
  EXPECT_EQ(Show(*iterator), "end");
  iterator->SeekForPrev(InternalKey("a", 1));
  EXPECT_EQ(Show(*iterator), "end");
}

// Wherever blocks and restarts end, and however it came there.
TEST_F(TableIteratorTest, ItTurnsAroundAtEveryPosition) {
  for (const int entries_in_block : {1, 2, 3, 5, 100}) {
    for (const bool has_user_keys : {false, true}) {
      SCOPED_TRACE(std::to_string(entries_in_block));
      MakeLetters(11, {.entries_in_block = entries_in_block,
                       .restart_interval = 2,
                       .has_user_keys = has_user_keys});
      const auto iterator = NewIterator();
      for (int at = 0; at < 11; ++at) {
        const std::string& key = std::next(entries_.begin(), at)->first;
        for (const bool is_forward : {false, true}) {
          is_forward ? iterator->Seek(key) : iterator->SeekForPrev(key);
          ASSERT_NO_FATAL_FAILURE(ExpectAt(*iterator, at));
          // Two steps there and back, in either direction.
          int position = at;
          for (const int step : {1, 1, -1, -1, -1, -1, 1, 1}) {
            position += step;
            step > 0 ? iterator->Next() : iterator->Prev();
            ASSERT_NO_FATAL_FAILURE(ExpectAt(*iterator, position));
            if (!iterator->Valid()) break;
          }
        }
      }
    }
  }
}

TEST_F(TableIteratorTest, SeeksMeetTheVersionsOfAKeyInTheirBlocks) {
  for (SequenceNumber sequence = 1; sequence <= 9; ++sequence) {
    entries_[InternalKey("k", 10 * sequence)] = std::to_string(sequence);
  }
  entries_[InternalKey("l", 7)] = "next";
  for (const int entries_in_block : {1, 2, 4, 100}) {
    Open({.entries_in_block = entries_in_block});
    const auto iterator = NewIterator();
    // Newest first, so 90 is at position 0.
    for (SequenceNumber sequence = 0; sequence <= 100; sequence += 5) {
      const std::string target = InternalKey("k", sequence);
      const auto newer =
          static_cast<std::ptrdiff_t>(sequence >= 90 ? 0 : 9 - sequence / 10);
      iterator->Seek(target);
      ASSERT_NO_FATAL_FAILURE(ExpectAt(*iterator, newer)) << sequence;
      const bool is_there =
          sequence % 10 == 0 && 10 <= sequence && sequence <= 90;
      iterator->SeekForPrev(target);
      ASSERT_NO_FATAL_FAILURE(ExpectAt(*iterator, is_there ? newer : newer - 1))
          << sequence;
    }
  }
}

TEST_F(TableIteratorTest, BehindAnEndTheOtherOneIsFound) {
  MakeLetters(6, {.entries_in_block = 2});
  const auto iterator = NewIterator();
  iterator->Seek(InternalKey("x", 1));
  EXPECT_EQ(Show(*iterator), "end");
  iterator->SeekToLast();
  EXPECT_EQ(Show(*iterator), "f");
  iterator->Next();
  EXPECT_EQ(Show(*iterator), "end");
  iterator->SeekToFirst();
  EXPECT_EQ(Show(*iterator), "a");
  iterator->Prev();
  EXPECT_EQ(Show(*iterator), "end");
  iterator->SeekForPrev(InternalKey("x", 1));
  EXPECT_EQ(Show(*iterator), "f");
}

// --- What is read. ---------------------------------------------------------

TEST_F(TableIteratorTest, ABlockIsReadWhenTheIteratorComesThere) {
  MakeLetters(6, {.entries_in_block = 2});
  const auto iterator = NewIterator();
  EXPECT_THAT(file_.reads, SizeIs(0));
  iterator->Seek(InternalKey("c", 9));
  ASSERT_THAT(file_.reads, SizeIs(1));
  EXPECT_EQ(file_.reads[0].offset, blocks_[1].offset);
  // Its neighbours, and other places of the same block, cost nothing.
  iterator->Next();
  iterator->Prev();
  iterator->Seek(InternalKey("d", 5));
  iterator->SeekForPrev(InternalKey("c", 5));
  EXPECT_EQ(Show(*iterator), "c");
  EXPECT_THAT(file_.reads, SizeIs(1));
  iterator->Prev();
  EXPECT_EQ(Show(*iterator), "b");
  ASSERT_THAT(file_.reads, SizeIs(2));
  EXPECT_EQ(file_.reads[1].offset, blocks_[0].offset);
}

TEST_F(TableIteratorTest, AKeyBetweenTwoBlocksCostsOneRead) {
  entries_[InternalKey("b", 1)] = "";
  entries_[InternalKey("f", 1)] = "";
  Open({.entries_in_block = 1});
  const auto iterator = NewIterator();
  // The separator is just behind "b", so "d" can only be in the second block.
  iterator->Seek(InternalKey("d", 1));
  EXPECT_EQ(Show(*iterator), "f");
  EXPECT_THAT(file_.reads, SizeIs(1));
}

TEST_F(TableIteratorTest, ReadaheadIsForScansThatGoForward) {
  MakeLetters(20, {.entries_in_block = 1});
  const size_t all_blocks = blocks_.size();
  const auto forward = NewIterator({.readahead_size = 1 << 20});
  forward->SeekToFirst();
  ASSERT_THAT(file_.reads, SizeIs(1));
  EXPECT_GT(file_.reads[0].size, blocks_.back().offset);
  while (forward->Valid()) forward->Next();
  EXPECT_THAT(file_.reads, SizeIs(1));

  file_.reads.clear();
  const auto backward = NewIterator({.readahead_size = 1 << 20});
  for (backward->SeekToLast(); backward->Valid(); backward->Prev()) {
  }
  ASSERT_THAT(file_.reads, SizeIs(all_blocks));
  for (size_t i = 0; i < all_blocks; ++i) {
    const BlockHandle& block = blocks_[all_blocks - 1 - i];
    EXPECT_EQ(file_.reads[i].offset, block.offset);
    EXPECT_EQ(file_.reads[i].size, block.size + kBlockTrailerBytes);
  }
}

TEST_F(TableIteratorTest, TwoIteratorsDoNotDisturbEachOther) {
  MakeLetters(6, {.entries_in_block = 2});
  const auto one = NewIterator();
  const auto other = NewIterator();
  one->Seek(InternalKey("c", 9));
  const Slice key = one->key();
  const Slice value = one->value();
  for (other->SeekToFirst(); other->Valid(); other->Next()) {
  }
  EXPECT_EQ(ExtractUserKey(key), Slice("c"));
  EXPECT_EQ(value, Slice("value 2"));
  one->Next();
  EXPECT_EQ(Show(*one), "d");
}

// --- What cannot be read. --------------------------------------------------

class BadBlockTest : public TableIteratorTest {
 protected:
  // Six entries in three blocks; something is wrong with "d", in the second.
  void ExpectEndsAtTheSecondBlock(const std::string& before,
                                  const std::string& behind,
                                  const std::string& message) {
    const auto iterator = NewIterator();
    std::string shown;
    for (iterator->SeekToFirst(); iterator->Valid(); iterator->Next()) {
      shown += Show(*iterator);
    }
    EXPECT_EQ(shown, before);
    ExpectFailed(*iterator, message);
    shown.clear();
    for (iterator->SeekToLast(); iterator->Valid(); iterator->Prev()) {
      shown += Show(*iterator);
    }
    EXPECT_EQ(shown, behind);
    ExpectFailed(*iterator, message);
    iterator->Seek(InternalKey("d", 9));
    ExpectFailed(*iterator, message);
    iterator->SeekForPrev(InternalKey("d", 1));
    ExpectFailed(*iterator, message);
    // The other blocks are as good as ever.
    iterator->Seek(InternalKey("a", 9));
    EXPECT_EQ(Show(*iterator), "a");
    iterator->SeekForPrev(InternalKey("f", 1));
    EXPECT_EQ(Show(*iterator), "f");
  }

  static void ExpectFailed(const InternalIterator& iterator,
                           const std::string& message) {
    EXPECT_FALSE(iterator.Valid());
    const std::string text = iterator.status().ToString();
    EXPECT_THAT(text, HasSubstr(message));
    EXPECT_THAT(text, HasSubstr("/db/000009.sst"));
    EXPECT_THAT(text, HasSubstr("users"));
  }

  static constexpr TableForm kForm = {.checksum = kNoChecksum,
                                      .entries_in_block = 2};
};

TEST_F(BadBlockTest, AReadThatFailsEndsTheIteration) {
  MakeLetters(6, kForm);
  file_.bad_offset = blocks_[1].offset;
  ExpectEndsAtTheSecondBlock("ab", "fe", "the disk is bad there");
}

TEST_F(BadBlockTest, WhatFailedIsTriedAgain) {
  MakeLetters(6, kForm);
  file_.bad_offset = blocks_[1].offset;
  const auto iterator = NewIterator();
  iterator->Seek(InternalKey("d", 9));
  ExpectFailed(*iterator, "the disk is bad there");
  file_.bad_offset = UINT64_MAX;
  iterator->Seek(InternalKey("d", 9));
  EXPECT_EQ(Show(*iterator), "d");
  EXPECT_TRUE(iterator->status().ok());
}

TEST_F(BadBlockTest, AFailedChecksumEndsTheIteration) {
  MakeLetters(6, {.entries_in_block = 2});
  file_.bytes[blocks_[1].offset] ^= 1;
  Reopen();
  ExpectEndsAtTheSecondBlock("ab", "fe",
                             "offset " + std::to_string(blocks_[1].offset));
}

// What stands in front of the entry in the direction of the scan is shown.
TEST_F(BadBlockTest, AnEntryOfAnUnknownTypeIsNotPassedOver) {
  entries_[InternalKey("d", 5, ValueType{60})] = "strange";
  for (const char* key : {"a", "b", "c", "e", "f"}) {
    entries_[InternalKey(key, 5)] = "";
  }
  Open(kForm);
  ExpectEndsAtTheSecondBlock("abc", "fe", "unknown type 60");
}

TEST_F(BadBlockTest, AMalformedEntryIsNotPassedOver) {
  MakeLetters(6, kForm);
  // It claims a value that is longer than its block.
  const size_t value = file_.bytes.find("value 3");
  const size_t key_bytes = 1 + kTagBytes;
  file_.bytes[value - key_bytes - 1] = '\x7f';
  Reopen();
  const auto iterator = NewIterator();
  std::string shown;
  for (iterator->SeekToFirst(); iterator->Valid(); iterator->Next()) {
    shown += Show(*iterator);
  }
  EXPECT_EQ(shown, "abc");
  ExpectFailed(*iterator, "malformed entry");
  for (iterator->SeekToLast(); iterator->Valid(); iterator->Prev()) {
  }
  ExpectFailed(*iterator, "malformed entry");
}

}  // namespace
}  // namespace paceline
