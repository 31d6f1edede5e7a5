#include "src/table/block.h"

#include <cstdint>
#include <iterator>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "src/table/block_builder.h"
#include "src/table/index_iterator.h"
#include "src/table/table_properties.h"
#include "test/support/effort.h"
#include "test/support/seed.h"

namespace paceline {
namespace {

using namespace std::string_literals;
using testing::ElementsAre;
using testing::HasSubstr;

std::string InternalKey(const std::string& user_key, SequenceNumber sequence,
                        ValueType type = ValueType::kValue) {
  std::string key;
  AppendInternalKey(&key, user_key, sequence, type);
  return key;
}

StatusOr<std::shared_ptr<const Block>> Parse(
    const Slice& contents, Block::Kind kind = Block::Kind::kData) {
  BlockBuffer buffer;
  EXPECT_TRUE(buffer.Assign(contents));
  return Block::Parse(std::move(buffer), kind);
}

std::shared_ptr<const Block> MustParse(const Slice& contents,
                                       Block::Kind kind = Block::Kind::kData) {
  auto block = Parse(contents, kind);
  EXPECT_TRUE(block.ok()) << block.status().ToString();
  return block.ok() ? *block : nullptr;
}

// In the order of the comparator.
struct InternalKeyLess {
  const InternalKeyComparator* comparator;
  bool operator()(const std::string& a, const std::string& b) const {
    return comparator->Compare(Slice(a), Slice(b)) < 0;
  }
};
using Model = std::map<std::string, std::string, InternalKeyLess>;

std::string Build(const Model& model, int restart_interval) {
  BlockBuilder builder(restart_interval);
  for (const auto& [key, value] : model) builder.Add(key, value);
  return builder.Finish().ToString();
}

// Entries with separated values.
std::string BuildSeparated(const Model& model, int restart_interval) {
  std::string entries;
  std::string values;
  std::vector<uint32_t> restarts;
  std::string previous;
  int count = 0;
  for (const auto& [key, value] : model) {
    size_t shared = 0;
    const bool is_restart = count++ % restart_interval == 0;
    if (is_restart) {
      restarts.push_back(static_cast<uint32_t>(entries.size()));
    } else {
      while (shared < key.size() && shared < previous.size() &&
             key[shared] == previous[shared]) {
        ++shared;
      }
    }
    PutVarint64(&entries, shared);
    PutVarint64(&entries, key.size() - shared);
    PutVarint64(&entries, value.size());
    if (is_restart) PutVarint64(&entries, values.size());
    entries += key.substr(shared);
    values += value;
    previous = key;
  }
  if (restarts.empty()) restarts.push_back(0);
  const auto values_offset = static_cast<uint32_t>(entries.size());
  std::string block = entries + values;
  for (const uint32_t restart : restarts) PutFixed32(&block, restart);
  PutFixed32(&block, values_offset);
  PutFixed32(&block,
             static_cast<uint32_t>(restarts.size()) | uint32_t{1} << 28);
  return block;
}

class BlockTest : public testing::Test {
 protected:
  Model NewModel() const { return Model(InternalKeyLess{&comparator_}); }

  // Keys that share a lot, of several versions each.
  Model RandomModel(TestRandom* random, size_t entries) const {
    Model model = NewModel();
    while (model.size() < entries) {
      std::string user_key = random->OneIn(20)
                                 ? random->Bytes(random->Below(300))
                                 : random->Letters(random->Below(4));
      model[InternalKey(user_key, random->Below(1000))] =
          random->Letters(random->Below(random->OneIn(10) ? 300 : 10));
    }
    return model;
  }

  static void ExpectAt(const Model& model, Model::const_iterator expected,
                       const BlockIterator& actual) {
    ASSERT_FALSE(actual.is_damaged());
    ASSERT_EQ(actual.Valid(), expected != model.end());
    if (!actual.Valid()) return;
    ASSERT_EQ(actual.key(), Slice(expected->first));
    ASSERT_EQ(actual.value(), Slice(expected->second));
  }

  // Moves the iterator about as the model says.
  void ExpectSame(const Model& model, const Block* block, TestRandom* random) {
    BlockIterator iterator;
    iterator.Init(block, &comparator_);
    auto expected = model.end();
    const auto random_key = [&] {
      if (model.empty() || random->OneIn(2)) {
        return InternalKey(random->Letters(random->Below(4)),
                           random->Below(1000));
      }
      auto found = model.begin();
      std::advance(found, random->Below(model.size()));
      return found->first;
    };
    for (int step = 0; step < 300; ++step) {
      switch (random->Below(8)) {
        case 0:
          iterator.SeekToFirst();
          expected = model.begin();
          break;
        case 1:
          iterator.SeekToLast();
          expected = model.empty() ? model.end() : std::prev(model.end());
          break;
        case 2: {
          const std::string target = random_key();
          iterator.Seek(target);
          expected = model.lower_bound(target);
          break;
        }
        case 3: {
          const std::string target = random_key();
          iterator.SeekForPrev(target);
          expected = model.upper_bound(target);
          expected =
              expected == model.begin() ? model.end() : std::prev(expected);
          break;
        }
        case 4:
        case 5:
          if (expected == model.end()) continue;
          iterator.Next();
          ++expected;
          break;
        default:
          if (expected == model.end()) continue;
          iterator.Prev();
          expected =
              expected == model.begin() ? model.end() : std::prev(expected);
          break;
      }
      ASSERT_NO_FATAL_FAILURE(ExpectAt(model, expected, iterator));
    }
  }

  void ExpectSameBothWays(const Model& model, const Block* block) {
    BlockIterator iterator;
    iterator.Init(block, &comparator_);
    iterator.SeekToFirst();
    for (auto expected = model.begin(); expected != model.end(); ++expected) {
      ASSERT_NO_FATAL_FAILURE(ExpectAt(model, expected, iterator));
      iterator.Next();
    }
    ASSERT_FALSE(iterator.Valid());
    iterator.SeekToLast();
    for (auto expected = model.rbegin(); expected != model.rend(); ++expected) {
      ASSERT_TRUE(iterator.Valid());
      ASSERT_EQ(iterator.key(), Slice(expected->first));
      ASSERT_EQ(iterator.value(), Slice(expected->second));
      iterator.Prev();
    }
    ASSERT_FALSE(iterator.Valid());
    ASSERT_FALSE(iterator.is_damaged());
  }

  const InternalKeyComparator comparator_{BytewiseComparator()};
};

TEST_F(BlockTest, AnIteratorMovesAsAMapDoes) {
  TestRandom random(TestSeed());
  const uint64_t rounds = Effort("PACELINE_BLOCK_ROUNDS", 60, 20);
  for (uint64_t round = 0; round < rounds; ++round) {
    const Model model = RandomModel(&random, random.Below(200));
    const int interval = static_cast<int>(1 + random.Below(40));
    const auto block = MustParse(Build(model, interval));
    ASSERT_NO_FATAL_FAILURE(ExpectSame(model, block.get(), &random));
    ASSERT_NO_FATAL_FAILURE(ExpectSameBothWays(model, block.get()));
  }
}

TEST_F(BlockTest, SeparatedValuesAreFound) {
  TestRandom random(TestSeed());
  for (int round = 0; round < 20; ++round) {
    const Model model = RandomModel(&random, random.Below(100));
    const int interval = static_cast<int>(1 + random.Below(20));
    const auto block = MustParse(BuildSeparated(model, interval));
    ASSERT_NO_FATAL_FAILURE(ExpectSame(model, block.get(), &random));
    ASSERT_NO_FATAL_FAILURE(ExpectSameBothWays(model, block.get()));
  }
}

TEST_F(BlockTest, LongIntervalsAreReadBackwardsWithBoundedMemory) {
  TestRandom random(TestSeed());
  Model model = NewModel();
  const std::string prefix = random.Letters(3000);
  for (int i = 0; i < 300; ++i) {
    model[InternalKey(prefix + std::to_string(i), 1)] = std::to_string(i);
  }
  const auto block = MustParse(Build(model, 1000));
  ExpectSameBothWays(model, block.get());
}

TEST_F(BlockTest, AHashIndexIsIgnored) {
  TestRandom random(TestSeed());
  const Model model = RandomModel(&random, 50);
  std::string bytes = Build(model, 16);
  const uint32_t restarts = DecodeFixed32(bytes.data() + bytes.size() - 4);
  bytes.resize(bytes.size() - 4);
  bytes += std::string(77, '\xff') + std::string("\x4d\x00", 2);
  PutFixed32(&bytes, restarts | uint32_t{1} << 31);
  const auto block = MustParse(bytes);
  ExpectSame(model, block.get(), &random);
  EXPECT_TRUE(Parse(bytes, Block::Kind::kOther).status().IsCorruption());
}

TEST_F(BlockTest, TheHintOfUniformKeysIsIgnoredAndTheReservedBitRefused) {
  TestRandom random(TestSeed());
  const Model model = RandomModel(&random, 50);
  std::string bytes = Build(model, 16);
  char* const footer = &bytes[bytes.size() - 1];
  *footer = 0x20;
  const auto block = MustParse(bytes, Block::Kind::kOther);
  ExpectSame(model, block.get(), &random);
  *footer = 0x40;
  EXPECT_TRUE(Parse(bytes).status().IsNotSupported());
}

TEST_F(BlockTest, ASequenceNumberForTheBlockReplacesTheStoredOnes) {
  TestRandom random(TestSeed());
  // Keys whose bytes look like the tags of others, so that they share them.
  std::map<std::string, ValueType> types;
  while (types.size() < 100) {
    const std::string user_key = random.Letters(random.Below(3)) +
                                 std::string(random.Below(12), '\1') +
                                 std::string(random.Below(12), '\0');
    types[user_key] = random.OneIn(2) ? ValueType::kValue : ValueType::kMerge;
  }
  Model stored = NewModel();
  Model shown = NewModel();
  for (const auto& [user_key, type] : types) {
    stored[InternalKey(user_key, 0, type)] = user_key + " value";
    shown[InternalKey(user_key, 77, type)] = user_key + " value";
  }
  for (const int interval : {1, 4, 16, 1000}) {
    const auto block = MustParse(Build(stored, interval));
    BlockIterator iterator;
    iterator.Init(block.get(), &comparator_, 77);
    iterator.SeekToFirst();
    for (auto expected = shown.begin(); expected != shown.end(); ++expected) {
      ASSERT_NO_FATAL_FAILURE(ExpectAt(shown, expected, iterator));
      iterator.Next();
    }
    ASSERT_FALSE(iterator.Valid());
    iterator.SeekToLast();
    for (auto expected = shown.rbegin(); expected != shown.rend(); ++expected) {
      ASSERT_TRUE(iterator.Valid());
      ASSERT_EQ(iterator.key(), Slice(expected->first));
      iterator.Prev();
    }
    for (auto expected = shown.begin(); expected != shown.end(); ++expected) {
      iterator.Seek(expected->first);
      ASSERT_NO_FATAL_FAILURE(ExpectAt(shown, expected, iterator));
      iterator.SeekForPrev(expected->first);
      ASSERT_NO_FATAL_FAILURE(ExpectAt(shown, expected, iterator));
      // Not yet there at an older sequence number.
      const Slice user_key = ExtractUserKey(expected->first);
      iterator.Seek(InternalKey(user_key.ToString(), 76));
      ASSERT_NO_FATAL_FAILURE(ExpectAt(shown, std::next(expected), iterator));
    }
  }
}

TEST_F(BlockTest, AnEmptyBlockHasNoEntries) {
  const auto block = MustParse(Build(NewModel(), 16));
  EXPECT_EQ(block->entries_end(), 0u);
  BlockIterator iterator;
  iterator.Init(block.get(), &comparator_);
  iterator.SeekToFirst();
  EXPECT_FALSE(iterator.Valid());
  iterator.SeekToLast();
  EXPECT_FALSE(iterator.Valid());
  iterator.Seek(InternalKey("a", 1));
  EXPECT_FALSE(iterator.Valid());
  iterator.SeekForPrev(InternalKey("a", 1));
  EXPECT_FALSE(iterator.Valid());
  EXPECT_FALSE(iterator.is_damaged());
}

// A block with the entries and restarts that are given.
std::string Raw(const std::string& entries,
                const std::vector<uint32_t>& restarts) {
  std::string bytes = entries;
  for (const uint32_t restart : restarts) PutFixed32(&bytes, restart);
  PutFixed32(&bytes, static_cast<uint32_t>(restarts.size()));
  return bytes;
}

TEST_F(BlockTest, RestartsThatCannotBeAreRefused) {
  EXPECT_TRUE(Parse("").status().IsCorruption());
  EXPECT_TRUE(Parse("abc").status().IsCorruption());
  EXPECT_TRUE(Parse(Raw("", {})).status().IsCorruption());
  EXPECT_TRUE(Parse(Raw("", {0, 0})).status().IsCorruption());
  EXPECT_TRUE(Parse(Raw("", {1})).status().IsCorruption());
  EXPECT_TRUE(Parse(Raw("entries", {1})).status().IsCorruption());
  EXPECT_TRUE(Parse(Raw("entries", {0, 0})).status().IsCorruption());
  EXPECT_TRUE(Parse(Raw("entries", {0, 5, 3})).status().IsCorruption());
  EXPECT_TRUE(Parse(Raw("entries", {0, 7})).status().IsCorruption());
  EXPECT_TRUE(Parse("\xff\xff\xff\x0f").status().IsCorruption());
}

TEST_F(BlockTest, RestartsThatLeadElsewhereAreNoticed) {
  // Of twelve bytes each; the second shares the first byte of its key.
  const std::string entries = "\0\x09\0"s + InternalKey("a", 1) +
                              "\x01\x09\0"s + InternalKey("b", 1) +
                              "\0\x09\0"s + InternalKey("c", 1);
  const auto are_good = [&](const std::string& contents) {
    const auto block = MustParse(contents);
    BlockIterator it;
    it.Init(block.get(), &comparator_);
    return it.RestartsLeadToEntries();
  };
  EXPECT_TRUE(are_good(Raw(entries, {0})));
  EXPECT_TRUE(are_good(Raw(entries, {0, 24})));
  EXPECT_FALSE(are_good(Raw(entries, {0, 12})));
  EXPECT_FALSE(are_good(Raw(entries, {0, 23})));
  EXPECT_FALSE(are_good(Raw(entries, {0, 24, 30})));
  EXPECT_TRUE(are_good(Build(NewModel(), 4)));
  TestRandom random(TestSeed());
  const Model model = RandomModel(&random, 20);
  EXPECT_TRUE(are_good(Build(model, 4)));
  EXPECT_TRUE(are_good(BuildSeparated(model, 4)));
}

TEST_F(BlockTest, MalformedEntriesEndAnIteration) {
  const std::string good = "\x00\x09\x01"s + InternalKey("a", 1) + "v";
  const std::string bad[] = {
      "\x00\x08"s,                                  // No third length.
      "\x00\x09\x02"s + InternalKey("b", 1) + "v",  // Past the end.
      "\x00\x07\x00"s + "bcdefgh",                  // No room for a tag.
      "\xff\xff\xff\xff\x7f\x00\x00"s,              // Too large a length.
      "\x00\xff\xff\xff\xff\x0f\x00"s,
      "\x00\x00\xff\xff\xff\xff\x0f"s,
  };
  for (const std::string& entry : bad) {
    const auto block = MustParse(Raw(good + entry, {0}));
    BlockIterator iterator;
    iterator.Init(block.get(), &comparator_);
    iterator.SeekToFirst();
    ASSERT_TRUE(iterator.Valid());
    EXPECT_EQ(iterator.value(), Slice("v"));
    iterator.Next();
    EXPECT_FALSE(iterator.Valid());
    EXPECT_TRUE(iterator.is_damaged());
    iterator.SeekToLast();
    EXPECT_FALSE(iterator.Valid());
    EXPECT_TRUE(iterator.is_damaged());
    iterator.Seek(InternalKey("b", 1));
    EXPECT_FALSE(iterator.Valid());
    EXPECT_TRUE(iterator.is_damaged());
    iterator.Seek(InternalKey("a", 1));
    EXPECT_TRUE(iterator.Valid());
    EXPECT_FALSE(iterator.is_damaged());
  }
  // It shares with nothing.
  const auto block =
      MustParse(Raw("\x01\x09\x01"s + InternalKey("b", 1) + "v", {0}));
  BlockIterator iterator;
  iterator.Init(block.get(), &comparator_);
  iterator.SeekToFirst();
  EXPECT_TRUE(iterator.is_damaged());
}

// Nothing is expected but to stay within the block and to come to an end.
TEST_F(BlockTest, AnyBytesAreReadWithoutHarm) {
  TestRandom random(TestSeed());
  const uint64_t rounds = Effort("PACELINE_BLOCK_ROUNDS", 3000, 1000);
  for (uint64_t round = 0; round < rounds; ++round) {
    const Model model = RandomModel(&random, 1 + random.Below(30));
    std::string bytes =
        random.OneIn(2) ? Build(model, 4) : BuildSeparated(model, 4);
    for (uint64_t n = 1 + random.Below(4); n > 0; --n) {
      bytes[random.Below(bytes.size())] = static_cast<char>(random.Next());
    }
    auto parsed = Parse(bytes);
    if (!parsed.ok()) continue;
    BlockIterator iterator;
    if (random.OneIn(2)) {
      iterator.Init(parsed->get(), &comparator_);
    } else {
      iterator.Init(parsed->get(), &comparator_, 5);
    }
    size_t checksum = 0;
    const auto touch = [&] {
      for (const char byte : iterator.key()) checksum += byte == 'x';
      for (const char byte : iterator.value()) checksum += byte == 'x';
    };
    size_t steps = 0;
    for (iterator.SeekToFirst(); iterator.Valid(); iterator.Next()) {
      touch();
      ASSERT_LE(++steps, bytes.size());
    }
    steps = 0;
    for (iterator.SeekToLast(); iterator.Valid(); iterator.Prev()) {
      touch();
      ASSERT_LE(++steps, bytes.size());
    }
    for (const auto& [key, value] : model) {
      iterator.Seek(key);
      if (iterator.Valid()) touch();
      iterator.SeekForPrev(key);
      if (iterator.Valid()) touch();
    }
    IndexIterator index(parsed->get(), {.has_delta_handles = random.OneIn(2),
                                        .has_first_keys = random.OneIn(2)});
    while (index.Next()) checksum += index.handle().size;
    EXPECT_GE(checksum, 0u);
  }
}

TEST(TablePropertiesTest, PropertiesAreFoundAgain) {
  const std::map<std::string, std::string> properties = {
      {property::kIndexType, Fixed32Property(0)},
      {property::kNumEntries, VarintProperty(300)},
      {property::kComparator, "leveldb.BytewiseComparator"},
      {"a.property.of.somebody", "with \0 bytes"s}};
  const std::string bytes = EncodeProperties(properties);
  TableProperties found;
  const Status s =
      ParseProperties(*MustParse(bytes, Block::Kind::kOther), &found);
  ASSERT_TRUE(s.ok()) << s.ToString();
  EXPECT_EQ(found.raw, properties);
  EXPECT_EQ(found.num_entries, 300u);
  EXPECT_EQ(found.comparator_name, "leveldb.BytewiseComparator");
  uint32_t index_type = 9;
  ASSERT_TRUE(
      GetFixed32Property(found, property::kIndexType, &index_type).ok());
  EXPECT_EQ(index_type, 0u);
  EXPECT_EQ(GetTextProperty(found, property::kMergeOperator), Slice(""));
}

TEST(TablePropertiesTest, AMalformedNumberIsNamed) {
  for (const std::string& value : {"\x80"s, "\x01\x01"s, ""s}) {
    TableProperties found;
    const Status s = ParseProperties(
        *MustParse(EncodeProperties({{property::kNumEntries, value}}),
                   Block::Kind::kOther),
        &found);
    EXPECT_TRUE(s.IsCorruption());
    EXPECT_THAT(s.ToString(), HasSubstr(property::kNumEntries));
  }
}

// One restart, so that the names share their beginnings.
TEST(TablePropertiesTest, TheBlockOfTheSmallestTableIsTheSame) {
  const std::string bytes =
      EncodeProperties({{property::kIndexType, Fixed32Property(0)}});
  EXPECT_EQ(bytes.size(), 51u);
  EXPECT_EQ(bytes.substr(0, 4), "\x00\x24\x04r"s);
}

}  // namespace
}  // namespace paceline
