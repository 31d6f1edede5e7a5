#include "src/table/table_filter.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "src/table/block_builder.h"
#include "test/support/seed.h"

namespace paceline {
namespace {

constexpr double kBitsPerKey = 12;

BlockBuffer Buffer(const Slice& bytes) {
  BlockBuffer buffer;
  EXPECT_TRUE(buffer.Assign(bytes));
  return buffer;
}

BlockBuffer FilterOf(const std::vector<std::string>& keys) {
  BloomFilterBuilder builder(kBitsPerKey);
  for (const std::string& key : keys) builder.AddKey(key);
  return builder.Finish();
}

bool Holds(const TableFilter& filter, const std::string& key) {
  HashedKey hashed{Slice(key)};
  return filter.MayContain(&hashed);
}

std::vector<std::string> Keys(const std::string& prefix, int count) {
  std::vector<std::string> keys;
  for (int i = 0; i < count; ++i) keys.push_back(prefix + std::to_string(i));
  return keys;
}

int Held(const TableFilter& filter, const std::vector<std::string>& keys) {
  int held = 0;
  for (const std::string& key : keys) held += Holds(filter, key) ? 1 : 0;
  return held;
}

// A filter in parts, in front of these separators.
class PartitionedFilterTest : public testing::Test {
 protected:
  static std::string InternalKey(const std::string& user_key,
                                 SequenceNumber sequence) {
    std::string key;
    AppendInternalKey(&key, user_key, sequence, ValueType::kValue);
    return key;
  }

  TableFilter Made(bool has_user_keys,
                   const std::vector<std::string>& separators,
                   const std::vector<std::vector<std::string>>& parts) const {
    BlockBuilder block(1);
    std::vector<BlockBuffer> filters;
    for (size_t i = 0; i < separators.size(); ++i) {
      std::string handle;
      PutBlockHandle(&handle, {i * 100, 50});
      block.Add(separators[i], handle);
      filters.push_back(FilterOf(parts[i]));
    }
    auto index = std::make_unique<TableIndex>(&comparator_, has_user_keys,
                                              UINT64_MAX, 1 << 20);
    auto parsed = Block::Parse(Buffer(block.Finish()), Block::Kind::kOther);
    EXPECT_TRUE(parsed.ok() && index->Add(**parsed, {}).ok());
    index->Finish();
    TableFilter filter;
    filter.SetPartitioned(std::move(index), std::move(filters));
    return filter;
  }

  const InternalKeyComparator comparator_{BytewiseComparator()};
};

TEST(TableFilterTest, WithoutAFilterEveryKeyMayBeThere) {
  const TableFilter filter;
  EXPECT_TRUE(Holds(filter, ""));
  EXPECT_TRUE(Holds(filter, "any"));
  EXPECT_EQ(filter.MemoryUsage(), 0u);
}

TEST(TableFilterTest, AFullFilterHoldsItsKeysAndFewOthers) {
  const std::vector<std::string> keys = Keys("key", 1000);
  TableFilter filter;
  filter.SetFull(FilterOf(keys));
  EXPECT_EQ(Held(filter, keys), 1000);
  EXPECT_LT(Held(filter, Keys("other", 1000)), 50);
}

TEST(TableFilterTest, AFilterOfNoKeysHoldsNone) {
  TableFilter filter;
  filter.SetFull(FilterOf({}));
  EXPECT_EQ(Held(filter, Keys("key", 100)), 0);
}

// A damaged filter may cost reads, never keys.
TEST(TableFilterTest, WhatIsNotAFilterOfOursHoldsEveryKey) {
  TestRandom random(TestSeed());
  for (const std::string& bytes :
       {std::string(), std::string(3, 'x'), std::string(69, '\x7f'),
        std::string(64, '\0') + std::string("\xff\x05\x06\0\0", 5)}) {
    TableFilter filter;
    filter.SetFull(Buffer(bytes));
    const std::vector<std::string> keys = Keys(random.Letters(5), 50);
    // RocksDB takes what has no room for a line for a filter of no keys.
    EXPECT_EQ(Held(filter, keys), bytes.size() <= 5 ? 0 : 50) << bytes.size();
  }
}

TEST_F(PartitionedFilterTest, AKeyIsLookedForInItsOwnPartAlone) {
  const std::vector<std::string> a = Keys("a", 200);
  const std::vector<std::string> b = Keys("b", 200);
  const std::vector<std::string> c = Keys("c", 200);
  const TableFilter filter = Made(true, {"az", "bz", "cz"}, {a, b, c});
  for (const auto& part : {a, b, c}) EXPECT_EQ(Held(filter, part), 200);
  // The keys of other parts are not looked for there.
  const TableFilter exchanged = Made(true, {"az", "bz", "cz"}, {b, c, a});
  for (const auto& part : {a, b, c}) EXPECT_LT(Held(exchanged, part), 20);
}

TEST_F(PartitionedFilterTest, ASeparatorIsAKeyOfThePartInFrontOfIt) {
  const TableFilter filter = Made(true, {"b", "d"}, {{"a", "b"}, {"c", "d"}});
  EXPECT_TRUE(Holds(filter, "b"));
  EXPECT_TRUE(Holds(filter, "d"));
  EXPECT_FALSE(Holds(Made(true, {"b", "d"}, {{"a"}, {"b", "c", "d"}}), "b"));
}

TEST_F(PartitionedFilterTest, KeysBehindTheLastSeparatorAreOfTheLastPart) {
  const std::vector<std::string> last = Keys("z", 100);
  const TableFilter filter = Made(true, {"b", "d"}, {{"a"}, last});
  EXPECT_EQ(Held(filter, last), 100);
  const TableFilter internal =
      Made(false, {InternalKey("b", 1), InternalKey("d", 1)}, {{"a"}, last});
  EXPECT_EQ(Held(internal, last), 100);
}

// An internal key as separator cuts through the versions of a user key: the
// filter of either side may have it.
TEST_F(PartitionedFilterTest, AKeyThatIsCutIsLookedForOnBothSides) {
  const std::vector<std::string> separators = {
      InternalKey("k", 50), InternalKey("k", 20), InternalKey("z", 1)};
  for (size_t holder = 0; holder < 3; ++holder) {
    std::vector<std::vector<std::string>> parts(3, {"other"});
    parts[holder].emplace_back("k");
    EXPECT_TRUE(Holds(Made(false, separators, parts), "k")) << holder;
  }
  EXPECT_FALSE(Holds(Made(false, separators, {{"o"}, {"o"}, {"o"}}), "k"));
}

TEST_F(PartitionedFilterTest, AKeyThatIsNotCutIsLookedForOnOneSide) {
  const std::vector<std::string> separators = {InternalKey("k", 50),
                                               InternalKey("z", 1)};
  EXPECT_FALSE(Holds(Made(false, separators, {{"o"}, {"j"}}), "j"));
  EXPECT_FALSE(Holds(Made(false, separators, {{"l"}, {"o"}}), "l"));
}

TEST_F(PartitionedFilterTest, MemoryIsThatOfThePartsAndTheirIndex) {
  const TableFilter small = Made(true, {"m", "z"}, {{"a"}, {"n"}});
  const TableFilter large =
      Made(true, {"m", "z"}, {Keys("a", 5000), Keys("n", 5000)});
  // 10,000 keys of 12 bits.
  EXPECT_GT(large.MemoryUsage(), small.MemoryUsage() + 14'000);
}

}  // namespace
}  // namespace paceline
