#include "src/table/block_builder.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "src/base/coding.h"
#include "test/support/seed.h"

namespace paceline {
namespace {

using namespace std::string_literals;
using testing::Each;
using testing::ElementsAre;

using KeyValues = std::vector<std::pair<std::string, std::string>>;

// What a block is made of, read without the product's own reader.
struct TakenApart {
  KeyValues entries;
  std::vector<uint32_t> offsets;  // Of the entries.
  std::vector<uint64_t> shared;   // Bytes of each key with the one before.
  std::vector<uint32_t> restarts;
};

TakenApart TakeApart(const std::string& block) {
  TakenApart parts;
  const uint32_t count = DecodeFixed32(block.data() + block.size() - 4);
  const size_t entries_end = block.size() - 4 * (count + size_t{1});
  for (uint32_t i = 0; i < count; ++i) {
    parts.restarts.push_back(DecodeFixed32(block.data() + entries_end + 4 * i));
  }
  Slice rest(block.data(), entries_end);
  std::string key;
  while (!rest.empty()) {
    parts.offsets.push_back(static_cast<uint32_t>(rest.data() - block.data()));
    uint64_t shared = 0;
    uint64_t unshared = 0;
    uint64_t value_size = 0;
    const bool is_good = GetVarint64(&rest, &shared) &&
                         GetVarint64(&rest, &unshared) &&
                         GetVarint64(&rest, &value_size);
    EXPECT_TRUE(is_good && shared <= key.size());
    EXPECT_LE(unshared + value_size, rest.size());
    if (testing::Test::HasFailure()) return parts;
    key = key.substr(0, shared) + std::string(rest.data(), unshared);
    rest.remove_prefix(unshared);
    parts.entries.emplace_back(key, std::string(rest.data(), value_size));
    rest.remove_prefix(value_size);
    parts.shared.push_back(shared);
  }
  return parts;
}

std::string Build(const KeyValues& entries, int restart_interval) {
  BlockBuilder builder(restart_interval);
  for (const auto& [key, value] : entries) builder.Add(key, value);
  return builder.Finish().ToString();
}

// Ascending keys with long and short parts in common.
KeyValues RandomEntries(TestRandom* random, size_t count) {
  KeyValues entries;
  for (size_t i = 0; i < count; ++i) {
    entries.emplace_back(random->Letters(random->Below(3)) +
                             std::string(random->Below(5), 'm') +
                             random->Bytes(random->Below(4)),
                         random->Bytes(random->Below(300)));
  }
  std::sort(entries.begin(), entries.end());
  return entries;
}

TEST(BlockBuilderTest, TheBytesAreThoseOfTheFormat) {
  EXPECT_EQ(Build({{"app", "1"}, {"apple", "22"}, {"apply", ""}, {"b", "3"}},
                  /*restart_interval=*/3),
            "\x00\x03\x01"
            "app1"
            "\x03\x02\x02"
            "le22"
            "\x04\x01\x00"
            "y"
            "\x00\x01\x01"
            "b3"
            // The first entry and the fourth.
            "\x00\x00\x00\x00"
            "\x12\x00\x00\x00"
            "\x02\x00\x00\x00"s);
}

TEST(BlockBuilderTest, ABlockWithoutEntriesHasOneRestart) {
  BlockBuilder builder(16);
  EXPECT_TRUE(builder.empty());
  EXPECT_EQ(builder.Finish().ToString(), "\x00\x00\x00\x00\x01\x00\x00\x00"s);
}

TEST(BlockBuilderTest, LengthsTakeAsManyBytesAsTheyNeed) {
  for (const size_t size : {0, 1, 127, 128, 16383, 16384, 100'000}) {
    const std::string text(size, 'x');
    const size_t length_bytes = size < 128 ? 1 : size < 16384 ? 2 : 3;
    constexpr size_t kRestarts = 8;
    EXPECT_EQ(Build({{"", text}}, 1).size(),
              1 + 1 + length_bytes + size + kRestarts);
    EXPECT_EQ(Build({{text, ""}}, 1).size(),
              1 + length_bytes + 1 + size + kRestarts);
  }
}

TEST(BlockBuilderTest, EntriesAreFoundAsTheyWereAdded) {
  TestRandom random(TestSeed());
  for (const int interval : {1, 2, 3, 16, 1000}) {
    for (int round = 0; round < 20; ++round) {
      const KeyValues entries = RandomEntries(&random, random.Below(100));
      ASSERT_EQ(TakeApart(Build(entries, interval)).entries, entries);
    }
  }
}

TEST(BlockBuilderTest, EveryNthKeyIsStoredWholeAndARestart) {
  TestRandom random(TestSeed());
  for (const size_t interval : {1, 2, 3, 16, 1000}) {
    const KeyValues entries = RandomEntries(&random, 100);
    const TakenApart parts =
        TakeApart(Build(entries, static_cast<int>(interval)));
    std::vector<uint32_t> expected;
    for (size_t i = 0; i < entries.size(); i += interval) {
      EXPECT_EQ(parts.shared[i], 0u) << i;
      expected.push_back(parts.offsets[i]);
    }
    EXPECT_EQ(parts.restarts, expected);
  }
}

TEST(BlockBuilderTest, WhatTwoKeysShareIsStoredOnce) {
  const TakenApart parts = TakeApart(Build({{"", ""},
                                            {"a", ""},
                                            {"a", ""},
                                            {"ab", ""},
                                            {"abc", ""},
                                            {"abd", ""},
                                            {"b", ""}},
                                           /*restart_interval=*/100));
  EXPECT_THAT(parts.shared, ElementsAre(0, 0, 1, 1, 2, 2, 0));
}

// A key behind a restart shares with that one, not with what is before it.
TEST(BlockBuilderTest, AKeySharesWithTheOneBeforeIt) {
  const TakenApart parts = TakeApart(
      Build({{"aaaa", ""}, {"ab", ""}, {"aba", ""}, {"abab", ""}}, 2));
  EXPECT_THAT(parts.shared, ElementsAre(0, 1, 0, 3));
}

TEST(BlockBuilderTest, AnIntervalOfOneSharesNothing) {
  TestRandom random(TestSeed());
  const TakenApart parts = TakeApart(Build(RandomEntries(&random, 50), 1));
  EXPECT_THAT(parts.shared, Each(0));
  EXPECT_EQ(parts.restarts, parts.offsets);
}

TEST(BlockBuilderTest, TheEstimatedSizeIsExactAtEveryEntry) {
  TestRandom random(TestSeed());
  const KeyValues entries = RandomEntries(&random, 40);
  BlockBuilder builder(4);
  for (size_t i = 0; i <= entries.size(); ++i) {
    const KeyValues first(entries.begin(),
                          entries.begin() + static_cast<std::ptrdiff_t>(i));
    ASSERT_EQ(builder.EstimatedSize(), Build(first, 4).size()) << i;
    if (i < entries.size()) builder.Add(entries[i].first, entries[i].second);
  }
}

TEST(BlockBuilderTest, TheLastKeyIsKnownAlsoWhenItWasShared) {
  BlockBuilder builder(16);
  EXPECT_EQ(builder.last_key(), Slice());
  for (const std::string& key : {"a"s, "a\0"s, "a\0b"s, "a\0b"s, "ab"s, "b"s}) {
    builder.Add(key, "value");
    EXPECT_EQ(builder.last_key(), Slice(key));
    EXPECT_FALSE(builder.empty());
  }
}

TEST(BlockBuilderTest, TheKeyNeedNotStayWhereItWas) {
  BlockBuilder builder(16);
  std::string buffer = "key1";
  builder.Add(buffer, "1");
  buffer = "nothing like it";
  builder.Add("key2", "2");
  const TakenApart parts = TakeApart(builder.Finish().ToString());
  EXPECT_EQ(parts.entries, (KeyValues{{"key1", "1"}, {"key2", "2"}}));
  EXPECT_THAT(parts.shared, ElementsAre(0, 3));
}

TEST(BlockBuilderTest, ABlockDoesNotDependOnTheOneBefore) {
  TestRandom random(TestSeed());
  BlockBuilder builder(3);
  for (int round = 0; round < 10; ++round) {
    const KeyValues entries = RandomEntries(&random, random.Below(20));
    // Also when the one before was given up.
    const bool is_given_up = random.OneIn(3);
    for (const auto& [key, value] : entries) builder.Add(key, value);
    if (!is_given_up) {
      ASSERT_EQ(builder.Finish().ToString(), Build(entries, 3));
    }
    builder.Reset();
    EXPECT_TRUE(builder.empty());
    EXPECT_EQ(builder.last_key(), Slice());
    EXPECT_EQ(builder.EstimatedSize(), Build({}, 3).size());
  }
}

}  // namespace
}  // namespace paceline
