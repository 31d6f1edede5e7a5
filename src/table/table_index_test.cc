#include "src/table/table_index.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "src/table/block_builder.h"
#include "test/support/seed.h"

namespace paceline {
namespace {

using testing::HasSubstr;

constexpr uint64_t kFileSize = 1 << 20;
constexpr uint64_t kNoLimit = UINT64_MAX;

struct IndexEntry {
  std::string separator;
  BlockHandle handle;
};

std::string InternalKey(const std::string& user_key, SequenceNumber sequence,
                        ValueType type = ValueType::kValue) {
  std::string key;
  AppendInternalKey(&key, user_key, sequence, type);
  return key;
}

std::shared_ptr<const Block> Parse(const Slice& contents) {
  BlockBuffer buffer;
  EXPECT_TRUE(buffer.Assign(contents));
  auto block = Block::Parse(std::move(buffer), Block::Kind::kOther);
  EXPECT_TRUE(block.ok()) << block.status().ToString();
  return *block;
}

std::shared_ptr<const Block> IndexBlock(
    const std::vector<IndexEntry>& entries) {
  BlockBuilder builder(1);
  for (const IndexEntry& entry : entries) {
    std::string value;
    PutBlockHandle(&value, entry.handle);
    builder.Add(entry.separator, value);
  }
  return Parse(builder.Finish());
}

// Separators for blocks that follow each other, 100 bytes each.
std::vector<IndexEntry> Numbered(const std::vector<std::string>& separators) {
  std::vector<IndexEntry> entries;
  for (const std::string& separator : separators) {
    const uint64_t offset = entries.size() * (100 + kBlockTrailerBytes);
    entries.push_back({separator, {offset, 100}});
  }
  return entries;
}

class TableIndexTest : public testing::Test {
 protected:
  static Status Fill(const std::vector<IndexEntry>& entries,
                     TableIndex* index) {
    Status s = index->Add(*IndexBlock(entries), {});
    index->Finish();
    return s;
  }

  [[nodiscard]] TableIndex Made(bool has_user_keys,
                                const std::vector<std::string>& separators,
                                bool is_reversed = false) const {
    TableIndex index(is_reversed ? &reverse_ : &comparator_, has_user_keys,
                     kNoLimit, kFileSize);
    const Status s = Fill(Numbered(separators), &index);
    EXPECT_TRUE(s.ok()) << s.ToString();
    EXPECT_EQ(index.size(), separators.size());
    return index;
  }

  // What Add() says about one more entry.
  Status AddTwo(const IndexEntry& first, const IndexEntry& second,
                bool has_user_keys = true) const {
    TableIndex index(&comparator_, has_user_keys, kNoLimit, kFileSize);
    return Fill({first, second}, &index);
  }

  const InternalKeyComparator comparator_{BytewiseComparator()};
  const InternalKeyComparator reverse_{ReverseBytewiseComparator()};
};

TEST_F(TableIndexTest, AnIndexWithoutBlocksLeadsNowhere) {
  const TableIndex index = Made(true, {});
  EXPECT_EQ(index.Seek("any", 0), 0u);
}

TEST_F(TableIndexTest, HandlesAndSeparatorsAreThoseOfTheBlock) {
  const std::vector<IndexEntry> entries = {
      {"", {0, 10}}, {"middle", {15, 0}}, {std::string("z\0\xff", 3), {20, 5}}};
  TableIndex index(&comparator_, true, kNoLimit, kFileSize);
  ASSERT_TRUE(Fill(entries, &index).ok());
  ASSERT_EQ(index.size(), entries.size());
  for (size_t i = 0; i < entries.size(); ++i) {
    EXPECT_EQ(index.separator(i), Slice(entries[i].separator));
    EXPECT_EQ(index.handle(i), entries[i].handle);
  }
}

// As those of an index in two levels.
TEST_F(TableIndexTest, SeveralBlocksBecomeOneIndex) {
  TableIndex index(&comparator_, true, kNoLimit, kFileSize);
  ASSERT_TRUE(index.Add(*IndexBlock({{"b", {0, 1}}, {"d", {6, 2}}}), {}).ok());
  ASSERT_TRUE(index.Add(*IndexBlock({}), {}).ok());
  ASSERT_TRUE(index.Add(*IndexBlock({{"f", {13, 3}}}), {}).ok());
  index.Finish();
  EXPECT_EQ(index.size(), 3u);
  EXPECT_EQ(index.Seek("a", 0), 0u);
  EXPECT_EQ(index.Seek("c", 0), 1u);
  EXPECT_EQ(index.Seek("e", 0), 2u);
  EXPECT_EQ(index.Seek("g", 0), 3u);
  EXPECT_EQ(index.handle(2), (BlockHandle{13, 3}));
}

TEST_F(TableIndexTest, ABlockEndsWithItsSeparator) {
  const TableIndex index = Made(false, {InternalKey("b", 5)});
  const auto seek = [&](const char* key, SequenceNumber sequence) {
    return index.Seek(key, PackTag(sequence, ValueType::kValue));
  };
  EXPECT_EQ(seek("a", 1), 0u);
  EXPECT_EQ(seek("b", 9), 0u) << "newer, so in front of it";
  EXPECT_EQ(seek("b", 5), 0u);
  EXPECT_EQ(seek("b", 4), 1u);
  EXPECT_EQ(seek("c", 9), 1u);
}

TEST_F(TableIndexTest, ASeparatorThatIsAUserKeyIsBehindAllItsVersions) {
  const TableIndex index = Made(true, {"b", "d"});
  EXPECT_EQ(index.Seek("b", 0), 0u);
  EXPECT_EQ(index.Seek("b", PackTag(9, ValueType::kValue)), 0u);
  EXPECT_EQ(index.Seek("b1", 0), 1u);
}

// With both kinds of separators, in both orders.
TEST_F(TableIndexTest, SeekFindsTheFirstSeparatorThatIsNotBefore) {
  TestRandom random(TestSeed());
  for (int round = 0; round < 60; ++round) {
    const bool has_user_keys = random.OneIn(2);
    const bool is_reversed = random.OneIn(2);
    const InternalKeyComparator& order = is_reversed ? reverse_ : comparator_;
    // Many share their first eight bytes, which is all that a number holds.
    const auto random_key = [&] {
      return std::string(random.Below(2) * 8, 'p') +
             random.Letters(random.Below(3)) + random.Bytes(random.Below(2));
    };
    std::vector<std::string> separators;
    for (uint64_t i = random.Below(40); i > 0; --i) {
      separators.push_back(has_user_keys
                               ? random_key()
                               : InternalKey(random_key(), random.Below(4)));
    }
    const auto compare = [&](const std::string& a, const std::string& b) {
      return has_user_keys ? order.CompareUserKeys(a, b)
                           : order.Compare(Slice(a), Slice(b));
    };
    std::sort(separators.begin(), separators.end(),
              [&](const std::string& a, const std::string& b) {
                return compare(a, b) < 0;
              });
    const TableIndex index = Made(has_user_keys, separators, is_reversed);
    for (int probe = 0; probe < 60; ++probe) {
      const std::string user_key =
          !separators.empty() && random.OneIn(2)
              ? separators[random.Below(separators.size())]
              : random_key();
      const std::string key = InternalKey(user_key, random.Below(4));
      size_t expected = 0;
      while (expected < separators.size() &&
             compare(separators[expected], has_user_keys ? user_key : key) <
                 0) {
        ++expected;
      }
      ASSERT_EQ(index.Seek(user_key, ExtractTag(key)), expected)
          << "round " << round;
      // The same, one by one.
      for (size_t i = 0; i < separators.size(); ++i) {
        ASSERT_EQ(index.CompareSeparator(i, user_key, ExtractTag(key)) < 0,
                  i < expected);
      }
    }
  }
}

TEST_F(TableIndexTest, AKeyMayGoOnInTheNextBlockWhereASeparatorCutsIt) {
  const TableIndex index =
      Made(false, {InternalKey("b", 5), InternalKey("c", kMaxSequenceNumber)});
  EXPECT_FALSE(index.HasLastVersion(0, "b"));
  EXPECT_TRUE(index.HasLastVersion(0, "a"));
  // The separator in front of all of "c" ends a block without any of it.
  EXPECT_TRUE(index.HasLastVersion(1, "b"));
  EXPECT_FALSE(index.HasLastVersion(1, "c"));
  const TableIndex with_user_keys = Made(true, {"b", "c"});
  EXPECT_TRUE(with_user_keys.HasLastVersion(0, "b"));
}

TEST_F(TableIndexTest, SeparatorsMustNotDescendButMayBeEqual) {
  const BlockHandle first = {0, 10};
  const BlockHandle second = {15, 10};
  EXPECT_TRUE(AddTwo({"b", first}, {"b", second}).ok());
  const Status s = AddTwo({"b", first}, {"a", second});
  EXPECT_TRUE(s.IsCorruption());
  EXPECT_THAT(s.ToString(), HasSubstr("not in order"));
  // Internal keys descend in their sequence numbers.
  EXPECT_TRUE(
      AddTwo({InternalKey("b", 5), first}, {InternalKey("b", 4), second}, false)
          .ok());
  EXPECT_TRUE(
      AddTwo({InternalKey("b", 4), first}, {InternalKey("b", 5), second}, false)
          .IsCorruption());
}

TEST_F(TableIndexTest, OrderIsKeptFromBlockToBlock) {
  TableIndex index(&comparator_, true, kNoLimit, kFileSize);
  ASSERT_TRUE(index.Add(*IndexBlock({{"m", {0, 1}}}), {}).ok());
  EXPECT_TRUE(index.Add(*IndexBlock({{"l", {6, 1}}}), {}).IsCorruption());
}

TEST_F(TableIndexTest, BlocksTakeNoMoreThanTheFileHas) {
  const auto fill = [this](uint64_t second_size) {
    TableIndex index(&comparator_, true, kNoLimit, /*file_size=*/200);
    return Fill({{"a", {0, 100}}, {"b", {0, second_size}}}, &index);
  };
  EXPECT_TRUE(fill(200 - 100 - 2 * kBlockTrailerBytes).ok());
  const Status s = fill(200 - 100 - 2 * kBlockTrailerBytes + 1);
  EXPECT_TRUE(s.IsCorruption());
  EXPECT_THAT(s.ToString(), HasSubstr("overlap"));
}

TEST_F(TableIndexTest, ABlockBeyondTheLargestIsRefused) {
  TableIndex index(&comparator_, true, kNoLimit, UINT64_MAX);
  EXPECT_TRUE(Fill({{"a", {0, kMaxBlockBytes}}}, &index).ok());
  EXPECT_EQ(index.handle(0), (BlockHandle{0, kMaxBlockBytes}));
  TableIndex other(&comparator_, true, kNoLimit, UINT64_MAX);
  const Status s = Fill({{"a", {0, kMaxBlockBytes + 1}}}, &other);
  EXPECT_TRUE(s.IsCorruption());
  EXPECT_THAT(s.ToString(), HasSubstr("too large"));
}

TEST_F(TableIndexTest, SeparatorsTakeNoMoreThanTheyMay) {
  for (const uint64_t bytes_max : {7, 6}) {
    TableIndex index(&comparator_, true, bytes_max, kFileSize);
    const Status s = Fill(Numbered({"abc", "abcd"}), &index);
    EXPECT_EQ(s.ok(), bytes_max == 7);
    EXPECT_EQ(s.IsNotSupported(), bytes_max == 6) << s.ToString();
  }
}

TEST_F(TableIndexTest, AnInternalKeyHasATag) {
  TableIndex index(&comparator_, false, kNoLimit, kFileSize);
  const Status s = Fill(Numbered({"1234567"}), &index);
  EXPECT_TRUE(s.IsCorruption());
  EXPECT_THAT(s.ToString(), HasSubstr("malformed key"));
  TableIndex user_keys(&comparator_, true, kNoLimit, kFileSize);
  EXPECT_TRUE(Fill(Numbered({"1234567"}), &user_keys).ok());
}

TEST_F(TableIndexTest, AHandleThatIsCutShortIsMalformed) {
  BlockBuilder builder(1);
  std::string value;
  PutBlockHandle(&value, {1 << 20, 1 << 20});
  builder.Add("a", Slice(value.data(), value.size() - 1));
  TableIndex index(&comparator_, true, kNoLimit, kFileSize);
  const Status s = index.Add(*Parse(builder.Finish()), {});
  EXPECT_TRUE(s.IsCorruption());
  EXPECT_THAT(s.ToString(), HasSubstr("malformed entry"));
}

TEST_F(TableIndexTest, ItsMemoryGrowsWithWhatItHolds) {
  const TableIndex small = Made(true, {"a"});
  const TableIndex large = Made(true, {"a", std::string(10'000, 'b')});
  EXPECT_GE(large.MemoryUsage(), small.MemoryUsage() + 10'000);
}

}  // namespace
}  // namespace paceline
