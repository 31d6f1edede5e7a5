#include "src/table/table_reader.h"

#include <cstdint>
#include <cstdio>
#include <iterator>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "src/format/internal_key.h"
#include "src/table/block.h"
#include "src/table/table_maker.h"
#include "test/support/effort.h"
#include "test/support/seed.h"

namespace paceline {
namespace {

using namespace std::string_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// A cache without bounds.
class MapCache final : public BlockCache {
 public:
  const char* Name() const override { return "MapCache"; }
  size_t GetCapacity() const override { return 0; }
  void SetCapacity(size_t) override {}
  size_t GetUsage() const override { return usage_; }
  size_t GetPinnedUsage() const override { return 0; }
  uint64_t NewFileId() override { return ++last_file_id_; }
  std::shared_ptr<const Block> Lookup(uint64_t file_id,
                                      uint64_t offset) override {
    const auto found = blocks_.find({file_id, offset});
    ++(found != blocks_.end() ? hits_ : misses_);
    return found != blocks_.end() ? found->second : nullptr;
  }
  void Insert(uint64_t file_id, uint64_t offset,
              std::shared_ptr<const Block> block, size_t charge) override {
    if (blocks_.emplace(std::pair{file_id, offset}, std::move(block)).second) {
      usage_ += charge;
    }
  }
  void Reserve(size_t /*bytes*/) override {}
  void Release(size_t /*bytes*/) override {}
  void EraseFile(uint64_t file_id) override {
    blocks_.erase(blocks_.lower_bound({file_id, 0}),
                  blocks_.lower_bound({file_id + 1, 0}));
  }
  uint64_t hits() const override { return hits_; }
  uint64_t misses() const override { return misses_; }
  size_t size() const { return blocks_.size(); }

 private:
  std::map<std::pair<uint64_t, uint64_t>, std::shared_ptr<const Block>> blocks_;
  uint64_t last_file_id_ = 0;
  uint64_t hits_ = 0;
  uint64_t misses_ = 0;
  size_t usage_ = 0;
};

// Keeps what it is shown, as "sequence type value".
class Collector final : public EntryVisitor {
 public:
  explicit Collector(size_t wanted = SIZE_MAX) : wanted_(wanted) {}
  bool Visit(SequenceNumber sequence, ValueType type, const Slice& value,
             const std::shared_ptr<const void>& pin) override {
    EXPECT_NE(pin, nullptr);
    found.push_back(std::to_string(sequence) + " " +
                    std::to_string(static_cast<int>(type)) + " " +
                    value.ToString());
    return found.size() < wanted_;
  }
  std::vector<std::string> found;

 private:
  const size_t wanted_;
};

class TableReaderTest : public testing::Test {
 protected:
  static constexpr const char* kPath = "/db/000012.sst";

  Entries NewEntries() const { return Entries(InternalKeyLess{&comparator_}); }

  // A few versions of keys that share their beginnings.
  Entries RandomEntries(TestRandom* random, size_t count) const {
    Entries entries = NewEntries();
    constexpr ValueType kTypes[] = {ValueType::kValue, ValueType::kDeletion,
                                    ValueType::kMerge,
                                    ValueType::kSingleDeletion};
    while (entries.size() < count) {
      const std::string user_key = "key" + random->Letters(random->Below(4));
      const uint64_t sequence = 1 + random->Below(500);
      bool is_there = false;
      for (const ValueType type : kTypes) {
        is_there |= entries.contains(InternalKey(user_key, sequence, type));
      }
      if (is_there) continue;
      entries[InternalKey(user_key, sequence, kTypes[random->Below(4)])] =
          random->Letters(random->Below(20));
    }
    return entries;
  }

  StatusOr<std::shared_ptr<const TableReader>> Open(const std::string& bytes) {
    metadata_.size = bytes.size();
    return OpenAs(bytes);
  }
  StatusOr<std::shared_ptr<const TableReader>> OpenAs(
      const std::string& bytes) {
    return TableReader::Open({.comparator = &comparator_,
                              .block_cache = cache_,
                              .path = kPath,
                              .family_name = "users"},
                             std::make_unique<StringFile>(bytes, &reads_),
                             metadata_);
  }
  std::shared_ptr<const TableReader> MustOpen(const std::string& bytes) {
    auto table = Open(bytes);
    EXPECT_TRUE(table.ok()) << table.status().ToString();
    return table.ok() ? *table : nullptr;
  }

  static std::vector<std::string> VersionsOf(const Entries& entries,
                                             const std::string& user_key,
                                             SequenceNumber snapshot) {
    std::vector<std::string> versions;
    for (auto entry = entries.lower_bound(
             InternalKey(user_key, snapshot, ValueType::kSeekMax));
         entry != entries.end() &&
         ExtractUserKey(entry->first) == Slice(user_key);
         ++entry) {
      const uint64_t tag = ExtractTag(entry->first);
      versions.push_back(std::to_string(TagSequence(tag)) + " " +
                         std::to_string(tag & 0xff) + " " + entry->second);
    }
    return versions;
  }

  static std::vector<std::string> Get(const TableReader& table,
                                      const std::string& user_key,
                                      SequenceNumber snapshot,
                                      HeldBlocks* held = nullptr) {
    Collector collector;
    const Status s = table.Get({}, user_key, snapshot, held, &collector);
    EXPECT_TRUE(s.ok()) << s.ToString();
    return collector.found;
  }

  static void ExpectAt(const Entries& entries, Entries::const_iterator expected,
                       const InternalIterator& actual) {
    ASSERT_TRUE(actual.status().ok()) << actual.status().ToString();
    ASSERT_EQ(actual.Valid(), expected != entries.end());
    if (!actual.Valid()) return;
    ASSERT_EQ(actual.key(), Slice(expected->first));
    ASSERT_EQ(actual.value(), Slice(expected->second));
  }

  static void ExpectSameForward(const Entries& entries,
                                const TableReader& table,
                                const BlockReadOptions& options = {}) {
    const auto iterator = table.NewIterator(options);
    iterator->SeekToFirst();
    for (auto expected = entries.begin(); expected != entries.end();
         ++expected) {
      ASSERT_NO_FATAL_FAILURE(ExpectAt(entries, expected, *iterator));
      iterator->Next();
    }
    ASSERT_NO_FATAL_FAILURE(ExpectAt(entries, entries.end(), *iterator));
  }

  static void ExpectSame(const Entries& entries, const TableReader& table,
                         TestRandom* random) {
    ASSERT_NO_FATAL_FAILURE(ExpectSameForward(entries, table));
    const auto iterator = table.NewIterator({});
    iterator->SeekToLast();
    for (auto expected = entries.rbegin(); expected != entries.rend();
         ++expected) {
      ASSERT_TRUE(iterator->Valid()) << iterator->status().ToString();
      ASSERT_EQ(iterator->key(), Slice(expected->first));
      ASSERT_EQ(iterator->value(), Slice(expected->second));
      iterator->Prev();
    }
    ASSERT_FALSE(iterator->Valid());
    HeldBlocks held;
    for (int i = 0; i < 100; ++i) {
      const std::string user_key =
          random->OneIn(10) ? "zzz" : "key" + random->Letters(random->Below(4));
      const uint64_t sequence = random->Below(520);
      const std::string target = InternalKey(user_key, sequence);
      auto expected = entries.lower_bound(target);
      iterator->Seek(target);
      ASSERT_NO_FATAL_FAILURE(ExpectAt(entries, expected, *iterator));
      expected = entries.upper_bound(target);
      iterator->SeekForPrev(target);
      ASSERT_NO_FATAL_FAILURE(ExpectAt(
          entries,
          expected == entries.begin() ? entries.end() : std::prev(expected),
          *iterator));
      ASSERT_EQ(
          Get(table, user_key, sequence, random->OneIn(2) ? &held : nullptr),
          VersionsOf(entries, user_key, sequence));
    }
  }

  const InternalKeyComparator comparator_{BytewiseComparator()};
  std::shared_ptr<MapCache> cache_;
  FileMetaData metadata_;
  int reads_ = 0;
};

// The table of the description of the format: `foo` = `bar` at sequence 7.
std::string SmallestTable() {
  const auto hex =
      "000b03666f6f010700000000000062617200000000010000000086e0cc0b000b"
      "02666f6f0107000000000000001900000000010000000064e63056002404726f"
      "636b7364622e626c6f636b2e62617365642e7461626c652e696e6465782e7479"
      "70650000000000000000010000000001327026001202726f636b7364622e7072"
      "6f706572746965733b33000000000100000000dd7dcfa901731f1e1800000000"
      "0000000000000000000000000000000000000000000000000000000000000000"
      "05000000f7cff485b741e288"s;
  std::string bytes;
  for (size_t i = 0; i < hex.size(); i += 2) {
    bytes.push_back(
        static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16)));
  }
  return bytes;
}

// The same with XXH3 checksums.
std::string SmallestTableWithXxh3() {
  const std::pair<size_t, int> differences[] = {
      {0x1a, 0xa9}, {0x1b, 0xd5}, {0x1c, 0x97}, {0x1d, 0x25}, {0x37, 0xa4},
      {0x38, 0x17}, {0x39, 0xf1}, {0x3a, 0x40}, {0x6f, 0x77}, {0x70, 0xef},
      {0x71, 0x16}, {0x72, 0xf7}, {0x93, 0xc4}, {0x94, 0x64}, {0x95, 0x0e},
      {0x96, 0x04}, {0x97, 0x04}};
  std::string bytes = SmallestTable();
  for (const auto& [offset, byte] : differences) {
    bytes[offset] = static_cast<char>(byte);
  }
  return bytes;
}

TEST_F(TableReaderTest, TheSmallestTableIsRead) {
  Entries entries = NewEntries();
  entries[InternalKey("foo", 7)] = "bar";
  for (const std::string& bytes : {SmallestTable(), SmallestTableWithXxh3()}) {
    ASSERT_EQ(bytes.size(), 204u);
    const auto table = MustOpen(bytes);
    ASSERT_NE(table, nullptr);
    ExpectSameForward(entries, *table);
    EXPECT_THAT(Get(*table, "foo", 7), ElementsAre("7 1 bar"));
    EXPECT_THAT(Get(*table, "foo", 6), IsEmpty());
    EXPECT_THAT(Get(*table, "fo", 9), IsEmpty());
    EXPECT_THAT(Get(*table, "goo", 9), IsEmpty());
    EXPECT_EQ(table->properties().format_version, 5u);
    EXPECT_EQ(table->tombstones(), nullptr);
    EXPECT_TRUE(table->Verify({}, {}).ok());
  }
}

using Filter = TableForm::Filter;
const TableForm kForms[] = {
    {.name = "plain"},
    {.name = "version_2", .format_version = 2, .checksum = kCRC32c},
    {.name = "version_3_with_user_keys",
     .format_version = 3,
     .checksum = kxxHash,
     .has_user_keys = true},
    {.name = "version_4_with_delta_handles",
     .format_version = 4,
     .checksum = kxxHash64,
     .has_user_keys = true,
     .has_delta_handles = true,
     .index_restart_interval = 4},
    {.name = "full_filter", .filter = Filter::kFull},
    {.name = "first_keys", .index_type = IndexType::kFirstKeys},
    {.name = "first_keys_with_delta_handles",
     .index_type = IndexType::kFirstKeys,
     .has_delta_handles = true,
     .index_restart_interval = 3},
    {.name = "two_levels", .index_type = IndexType::kTwoLevel},
    {.name = "two_levels_and_filter_partitions",
     .format_version = 6,
     .entries_in_block = 2,
     .index_type = IndexType::kTwoLevel,
     .has_delta_handles = true,
     .index_restart_interval = 2,
     .filter = Filter::kPartitioned},
    {.name = "context", .format_version = 7, .filter = Filter::kFull},
    {.name = "context_without_checksums",
     .format_version = 6,
     .checksum = kNoChecksum},
    {.name = "one_entry_in_each_block",
     .entries_in_block = 1,
     .index_type = IndexType::kHash},
    {.name = "one_block", .entries_in_block = 1000, .restart_interval = 100},
    {.name = "snappy", .compression = kSnappyCompression},
    {.name = "lz4", .compression = kLZ4Compression},
    {.name = "zstd", .compression = kZSTD, .index_type = IndexType::kTwoLevel},
};

class TableFormTest : public TableReaderTest,
                      public testing::WithParamInterface<TableForm> {
 protected:
  void SetUp() override {
    if (!CanCompress(GetParam().compression)) {
      GTEST_SKIP() << "not in this build";
    }
  }
};

TEST_P(TableFormTest, EntriesAreFoundAsInAMap) {
  TestRandom random(TestSeed());
  for (const size_t count : {0u, 1u, 2u, 7u, 50u, 200u}) {
    const Entries entries = RandomEntries(&random, count);
    const auto table = MustOpen(TableMaker(GetParam()).Make(entries));
    ASSERT_NE(table, nullptr);
    ASSERT_NO_FATAL_FAILURE(ExpectSame(entries, *table, &random));
    const Status s = table->Verify({}, {});
    ASSERT_TRUE(s.ok()) << s.ToString();
  }
}

TEST_P(TableFormTest, WithACacheEachBlockIsReadOnce) {
  TestRandom random(TestSeed());
  cache_ = std::make_shared<MapCache>();
  const Entries entries = RandomEntries(&random, 100);
  TableMaker maker(GetParam());
  auto table = MustOpen(maker.Make(entries));
  ASSERT_NE(table, nullptr);
  ExpectSameForward(entries, *table, {.fill_cache = false});
  EXPECT_EQ(cache_->size(), 0u);
  ASSERT_NO_FATAL_FAILURE(ExpectSame(entries, *table, &random));
  EXPECT_EQ(cache_->size(), maker.blocks());
  reads_ = 0;
  ASSERT_NO_FATAL_FAILURE(ExpectSame(entries, *table, &random));
  EXPECT_EQ(reads_, 0);
  table.reset();
  EXPECT_EQ(cache_->size(), 0u);
}

// Damage may not change what is found, unless a Status says so.
class DamageTest : public TableFormTest {
 protected:
  // Looks at everything. True if some call failed.
  bool ReadsWithError(const Entries& entries, const std::string& bytes) {
    auto opened = Open(bytes);
    if (!opened.ok()) {
      EXPECT_TRUE(IsExpected(opened.status())) << opened.status().ToString();
      return true;
    }
    const TableReader& table = **opened;
    bool has_failed = false;
    const auto forward = table.NewIterator({});
    auto expected = entries.begin();
    for (forward->SeekToFirst(); forward->Valid(); forward->Next()) {
      EXPECT_NE(expected, entries.end());
      if (expected == entries.end()) break;
      EXPECT_EQ(forward->key(), Slice(expected->first));
      EXPECT_EQ(forward->value(), Slice(expected->second));
      ++expected;
    }
    has_failed |= !forward->status().ok();
    EXPECT_TRUE(IsExpected(forward->status()));
    EXPECT_EQ(expected == entries.end(), forward->status().ok());

    const auto backward = table.NewIterator({});
    auto last = entries.rbegin();
    for (backward->SeekToLast(); backward->Valid(); backward->Prev()) {
      EXPECT_NE(last, entries.rend());
      if (last == entries.rend()) break;
      EXPECT_EQ(backward->key(), Slice(last->first));
      ++last;
    }
    EXPECT_EQ(last == entries.rend(), backward->status().ok());

    for (const auto& [key, value] : entries) {
      const std::string user_key = ExtractUserKey(key).ToString();
      Collector collector;
      const Status s =
          table.Get({}, user_key, kMaxSequenceNumber, nullptr, &collector);
      has_failed |= !s.ok();
      EXPECT_TRUE(IsExpected(s)) << s.ToString();
      if (s.ok()) {
        EXPECT_EQ(collector.found,
                  VersionsOf(entries, user_key, kMaxSequenceNumber));
      }
    }
    const Status s = table.Verify({}, {});
    EXPECT_TRUE(IsExpected(s)) << s.ToString();
    EXPECT_TRUE(!has_failed || !s.ok()) << "Verify() has missed damage";
    return has_failed || !s.ok();
  }

  static bool IsExpected(const Status& status) {
    return status.ok() || status.IsCorruption() || status.IsNotSupported();
  }

  Entries SomeEntries() {
    TestRandom random(TestSeed());
    return RandomEntries(&random, 12);
  }
};

TEST_P(DamageTest, EveryFlippedByteIsNoticed) {
  // There is nothing to notice it by.
  if (GetParam().checksum == kNoChecksum) return;
  const Entries entries = SomeEntries();
  TableMaker maker(GetParam());
  maker.AddTombstone("a", "b", 1);
  const std::string good = maker.Make(entries);
  ASSERT_FALSE(ReadsWithError(entries, good));
  const size_t version_at = good.size() - 12;
  for (size_t i = 0; i < good.size(); ++i) {
    for (const int mask : {0x01, 0x80, 0xff}) {
      std::string bad = good;
      bad[i] = static_cast<char>(bad[i] ^ mask);
      const bool has_failed = ReadsWithError(entries, bad);
      // Some versions differ in nothing but their number.
      EXPECT_TRUE(has_failed || i == version_at)
          << "byte " << i << " of " << good.size();
      if (HasFailure()) return;
    }
  }
}

TEST_P(DamageTest, AFileOfAnotherSizeIsCorrupt) {
  const Entries entries = SomeEntries();
  const std::string good = TableMaker(GetParam()).Make(entries);
  metadata_.size = good.size();
  for (size_t size = 0; size < good.size(); ++size) {
    const auto table = OpenAs(good.substr(0, size));
    EXPECT_TRUE(table.status().IsCorruption()) << size;
    EXPECT_THAT(table.status().ToString(), HasSubstr(kPath));
  }
  EXPECT_TRUE(OpenAs(good + "x").status().IsCorruption());
  // Nor does a part of it pass if its size is right.
  for (size_t size = 0; size < good.size(); ++size) {
    EXPECT_TRUE(Open(good.substr(0, size)).status().IsCorruption()) << size;
  }
}

TEST_P(DamageTest, AnyBytesAreReadWithoutHarm) {
  TestRandom random(TestSeed());
  const Entries entries = RandomEntries(&random, 20);
  // Without checksums nothing keeps damage from what it can do.
  TableForm form = GetParam();
  form.checksum = kNoChecksum;
  const std::string good = TableMaker(form).Make(entries);
  const uint64_t rounds = Effort("PACELINE_DAMAGE_ROUNDS", 1000, 300);
  for (uint64_t round = 0; round < rounds; ++round) {
    std::string bad = good;
    for (uint64_t n = 1 + random.Below(3); n > 0; --n) {
      bad[random.Below(bad.size())] = static_cast<char>(random.Next());
    }
    auto table = Open(bad);
    if (!table.ok()) continue;
    const auto iterator = (*table)->NewIterator({});
    size_t steps = 0;
    for (iterator->SeekToFirst(); iterator->Valid(); iterator->Next()) {
      ASSERT_LT(++steps, 100'000u);
    }
    for (iterator->SeekToLast(); iterator->Valid(); iterator->Prev()) {
      ASSERT_LT(++steps, 200'000u);
    }
    for (const auto& [key, value] : entries) {
      Collector collector;
      (void)(*table)->Get({}, ExtractUserKey(key), 1000, nullptr, &collector);
      iterator->SeekForPrev(key);
      iterator->Seek(key);
    }
    (void)(*table)->Verify({}, {});
  }
}

const auto kNameOfForm = [](const auto& parameter) {
  return std::string(parameter.param.name);
};
INSTANTIATE_TEST_SUITE_P(Forms, TableFormTest, testing::ValuesIn(kForms),
                         kNameOfForm);
INSTANTIATE_TEST_SUITE_P(Forms, DamageTest, testing::ValuesIn(kForms),
                         kNameOfForm);

TEST_F(TableReaderTest, DamageIsNamedWithFileOffsetAndFamily) {
  TestRandom random(TestSeed());
  TableMaker maker({.name = "plain"});
  std::string bytes = maker.Make(RandomEntries(&random, 30));
  const BlockHandle damaged = maker.block(2);
  bytes[damaged.offset] ^= 1;
  const auto table = MustOpen(bytes);
  ASSERT_NE(table, nullptr);
  const auto iterator = table->NewIterator({});
  size_t shown = 0;
  for (iterator->SeekToFirst(); iterator->Valid(); iterator->Next()) ++shown;
  EXPECT_EQ(shown, 10u);
  EXPECT_TRUE(iterator->status().IsCorruption());
  const std::string text = iterator->status().ToString();
  EXPECT_THAT(text, HasSubstr(kPath));
  EXPECT_THAT(text, HasSubstr("offset " + std::to_string(damaged.offset)));
  EXPECT_THAT(text, HasSubstr("users"));
  // The other blocks are as good as ever.
  iterator->SeekToLast();
  EXPECT_TRUE(iterator->Valid());
  EXPECT_TRUE(iterator->status().ok());
}

TEST_F(TableReaderTest, ADamagedBlockIsForThoseAloneWhoDoNotVerify) {
  cache_ = std::make_shared<MapCache>();
  Entries entries = NewEntries();
  entries[InternalKey("k", 1, ValueType::kValue)] = "precious";
  std::string bytes = TableMaker({.name = "plain"}).Make(entries);
  const size_t value = bytes.find("precious");
  ASSERT_NE(value, std::string::npos);
  bytes[value] = 'P';
  const auto table = MustOpen(bytes);
  ASSERT_NE(table, nullptr);
  Collector careless;
  ASSERT_TRUE(
      table->Get({.verify_checksums = false}, "k", 9, nullptr, &careless).ok());
  EXPECT_THAT(careless.found, ElementsAre("1 1 Precious"));
  EXPECT_EQ(cache_->size(), 0u);
  Collector careful;
  EXPECT_TRUE(table->Get({}, "k", 9, nullptr, &careful).IsCorruption());
  EXPECT_THAT(careful.found, IsEmpty());
}

TEST_F(TableReaderTest, AGoodBlockIsCachedByThoseWhoDoNotVerify) {
  cache_ = std::make_shared<MapCache>();
  Entries entries = NewEntries();
  entries[InternalKey("k", 1, ValueType::kValue)] = "v";
  const auto table = MustOpen(TableMaker({.name = "plain"}).Make(entries));
  ASSERT_NE(table, nullptr);
  Collector careless;
  ASSERT_TRUE(
      table->Get({.verify_checksums = false}, "k", 9, nullptr, &careless).ok());
  EXPECT_EQ(cache_->size(), 1u);
}

// Fails every read from the one after `good_reads` on.
class FailingFile final : public RandomAccessFile {
 public:
  FailingFile(const std::string& bytes, int good_reads, Status failure)
      : file_(bytes, &reads_),
        good_reads_(good_reads),
        failure_(std::move(failure)) {}
  Status Read(uint64_t offset, size_t n, Slice* result,
              char* scratch) const override {
    Status s = file_.Read(offset, n, result, scratch);
    return reads_ > good_reads_ ? failure_ : s;
  }

 private:
  mutable int reads_ = 0;
  const StringFile file_;
  const int good_reads_;
  const Status failure_;
};

TEST_F(TableReaderTest, FailedReadsAreNamedWithFileOffsetAndFamily) {
  TestRandom random(TestSeed());
  const std::string bytes = TableMaker({}).Make(RandomEntries(&random, 30));
  metadata_.size = bytes.size();
  const auto check = [](const Status& s) {
    EXPECT_TRUE(s.IsNoSpace()) << "the subcode is kept";
    EXPECT_THAT(s.ToString(), HasSubstr(kPath));
    EXPECT_THAT(s.ToString(), HasSubstr("users"));
    EXPECT_THAT(s.ToString(), HasSubstr("at offset 0"));
    EXPECT_THAT(s.ToString(), HasSubstr("a quota"));
  };
  for (const int good_reads : {0, 1}) {
    const auto table =
        TableReader::Open({.comparator = &comparator_,
                           .block_cache = cache_,
                           .path = kPath,
                           .family_name = "users"},
                          std::make_unique<FailingFile>(
                              bytes, good_reads, Status::NoSpace("a quota")),
                          metadata_);
    ASSERT_EQ(table.ok(), good_reads > 0);
    if (!table.ok()) {
      check(table.status());
      continue;
    }
    const auto iterator = (*table)->NewIterator({});
    iterator->SeekToFirst();
    check(iterator->status());
  }
}

TEST_F(TableReaderTest, VerifyGoesOnBehindDamage) {
  TestRandom random(TestSeed());
  TableMaker maker({.name = "plain", .filter = Filter::kFull});
  std::string bytes = maker.Make(RandomEntries(&random, 50));
  bytes[maker.block(1).offset + 3] ^= 1;
  bytes[maker.block(7).offset + 3] ^= 1;
  const auto table = MustOpen(bytes);
  ASSERT_NE(table, nullptr);
  std::vector<std::string> damage;
  uint64_t checked = 0;
  const Status first = table->Verify(
      [&](const Status& status) { damage.push_back(status.ToString()); },
      [&](uint64_t so_far) {
        EXPECT_GE(so_far, checked);
        checked = so_far;
      });
  ASSERT_EQ(damage.size(), 2u);
  EXPECT_EQ(first.ToString(), damage[0]);
  EXPECT_THAT(damage[1],
              HasSubstr("offset " + std::to_string(maker.block(7).offset)));
  EXPECT_EQ(checked, bytes.size());
}

TEST_F(TableReaderTest, VerifyMissesNeitherOrderNorBounds) {
  Entries entries = NewEntries();
  entries[InternalKey("b", 1)] = "";
  entries[InternalKey("c", 1)] = "";
  const std::string bytes = TableMaker({.entries_in_block = 1}).Make(entries);
  metadata_.smallest = InternalKey("b", 1);
  metadata_.largest = InternalKey("c", 1);
  EXPECT_TRUE(MustOpen(bytes)->Verify({}, {}).ok());
  metadata_.largest = InternalKey("bb", 1);
  EXPECT_THAT(MustOpen(bytes)->Verify({}, {}).ToString(), HasSubstr("bounds"));

  const InternalKeyComparator reverse(ReverseBytewiseComparator());
  Entries reversed(InternalKeyLess{&reverse});
  reversed.insert(entries.begin(), entries.end());
  metadata_ = {};
  EXPECT_TRUE(MustOpen(TableMaker({.entries_in_block = 2}).Make(reversed))
                  ->Verify({}, {})
                  .IsCorruption());
  // An index out of order is noticed at once.
  EXPECT_TRUE(Open(TableMaker({.entries_in_block = 1}).Make(reversed))
                  .status()
                  .IsCorruption());
}

TEST_F(TableReaderTest, ATableOfOtherBoundsIsNotTheOneThatIsMeant) {
  Entries entries = NewEntries();
  for (const char* key : {"f", "g", "h", "i"}) {
    entries[InternalKey(key, 5)] = "";
  }
  const std::string sentinel = [] {
    std::string key = "c";
    PutFixed64(&key, kRangeTombstoneSentinelTag);
    return key;
  }();
  struct Case {
    std::string smallest;
    std::string largest;
    bool is_good;
  };
  const Case cases[] = {
      {InternalKey("f", 5), InternalKey("i", 5), true},
      // Sequence numbers of entries that were ingested.
      {InternalKey("f", 9), InternalKey("i", 9), true},
      {InternalKey("f", 1), InternalKey("i", 1), true},
      {InternalKey("f", 5), InternalKey("x", 5), false},
      {InternalKey("f", 5), InternalKey("g", 5), false},
      {InternalKey("h", 5), InternalKey("i", 5), false},
      {InternalKey("x", 5), InternalKey("y", 5), false},
      {InternalKey("a", 5), InternalKey("b", 5), false},
      // What tombstones made is not in the index.
      {InternalKey("a", 5, ValueType::kRangeDeletion), sentinel, true},
      {InternalKey("z", 5, ValueType::kRangeDeletion), InternalKey("i", 5),
       true},
      {InternalKey("h", 5), sentinel, false},
  };
  for (const bool has_user_keys : {false, true}) {
    const std::string bytes =
        TableMaker({.entries_in_block = 1, .has_user_keys = has_user_keys})
            .Make(entries);
    for (const Case& c : cases) {
      metadata_.smallest = c.smallest;
      metadata_.largest = c.largest;
      const Status s = Open(bytes).status();
      EXPECT_EQ(s.ok(), c.is_good)
          << c.smallest << " " << c.largest << ": " << s.ToString();
      if (c.is_good) continue;
      EXPECT_TRUE(s.IsCorruption());
      EXPECT_THAT(s.ToString(), HasSubstr("bounds"));
      EXPECT_THAT(s.ToString(), HasSubstr(kPath));
      EXPECT_THAT(s.ToString(), HasSubstr("users"));
    }
  }
}

TEST_F(TableReaderTest, ATableOfAnotherNumberIsNotTheOneThatIsMeant) {
  Entries entries = NewEntries();
  entries[InternalKey("f", 5)] = "";
  metadata_.number = 12;
  const auto open = [&](const std::string& more = "") {
    TableMaker maker({});
    maker.SetProperty(property::kOriginalFileNumber, VarintProperty(13));
    if (more == property::kExternalVersion) {
      maker.SetProperty(more, Fixed32Property(1));
    } else if (!more.empty()) {
      maker.SetProperty(more, "identity");
    }
    return Open(maker.Make(entries)).status();
  };
  EXPECT_TRUE(open().IsCorruption());
  EXPECT_THAT(open().ToString(), HasSubstr("written as table 13, not as 12"));
  // It may have come from elsewhere.
  EXPECT_TRUE(open(property::kExternalVersion).ok());
  EXPECT_TRUE(open(property::kSessionIdentity).ok());
  metadata_.number = 13;
  EXPECT_TRUE(open().ok());
}

TEST_F(TableReaderTest, VersionsInSeveralBlocksAreAllFound) {
  Entries entries = NewEntries();
  for (int i = 1; i <= 40; ++i)
    entries[InternalKey("k", i)] = std::to_string(i);
  entries[InternalKey("l", 3)] = "next";
  for (const int entries_in_block : {1, 3, 100}) {
    const auto table = MustOpen(
        TableMaker({.entries_in_block = entries_in_block}).Make(entries));
    HeldBlocks held;
    for (const SequenceNumber snapshot : {0u, 1u, 17u, 40u, 99u}) {
      EXPECT_EQ(Get(*table, "k", snapshot, &held),
                VersionsOf(entries, "k", snapshot));
    }
    Collector two(2);
    ASSERT_TRUE(table->Get({}, "k", 30, nullptr, &two).ok());
    EXPECT_THAT(two.found, ElementsAre("30 1 30", "29 1 29"));
  }
}

TEST_F(TableReaderTest, AHeldBlockIsNotReadAgain) {
  TestRandom random(TestSeed());
  const Entries entries = RandomEntries(&random, 20);
  const auto table =
      MustOpen(TableMaker({.entries_in_block = 100}).Make(entries));
  HeldBlocks held;
  reads_ = 0;
  for (const auto& [key, value] : entries) {
    Get(*table, ExtractUserKey(key).ToString(), 1000, &held);
  }
  EXPECT_EQ(reads_, 1);
}

TEST_F(TableReaderTest, AFilterSavesReadsOfAbsentKeys) {
  Entries entries = NewEntries();
  for (int i = 0; i < 500; ++i) {
    entries[InternalKey("key" + std::to_string(i), 1)] = "";
  }
  for (const Filter filter : {Filter::kFull, Filter::kPartitioned}) {
    const auto table = MustOpen(TableMaker({.filter = filter}).Make(entries));
    reads_ = 0;
    for (int i = 0; i < 1000; ++i) {
      EXPECT_THAT(Get(*table, "key" + std::to_string(i) + "x", 9), IsEmpty());
    }
    EXPECT_LT(reads_, 50);
    for (const auto& [key, value] : entries) {
      EXPECT_EQ(Get(*table, ExtractUserKey(key).ToString(), 9).size(), 1u);
    }
  }
}

TEST_F(TableReaderTest, AFilterOfPrefixesAloneIsNotAsked) {
  Entries entries = NewEntries();
  entries[InternalKey("key", 1)] = "value";
  TableMaker maker({.filter = Filter::kFull});
  maker.SetProperty(property::kWholeKeyFiltering, "0");
  const auto table = MustOpen(maker.Make(entries));
  reads_ = 0;
  EXPECT_THAT(Get(*table, "kex", 9), IsEmpty());
  EXPECT_EQ(reads_, 1);
}

TEST_F(TableReaderTest, EntriesOfForeignTypesAreRefusedAndNeverShown) {
  for (const int type : {17, 20, 22, 24}) {
    Entries entries = NewEntries();
    entries[InternalKey("a", 1)] = "value";
    entries[InternalKey("b", 1, static_cast<ValueType>(type))] = "value";
    const auto table = MustOpen(TableMaker({}).Make(entries));
    Collector collector;
    EXPECT_TRUE(table->Get({}, "b", 9, nullptr, &collector).IsNotSupported());
    EXPECT_THAT(collector.found, IsEmpty());
    const auto iterator = table->NewIterator({});
    iterator->SeekToFirst();
    EXPECT_TRUE(iterator->Valid());
    iterator->Next();
    EXPECT_FALSE(iterator->Valid());
    EXPECT_TRUE(iterator->status().IsNotSupported());
  }
  Entries entries = NewEntries();
  entries[InternalKey("b", 1, ValueType{100})] = "value";
  Collector collector;
  EXPECT_TRUE(MustOpen(TableMaker({}).Make(entries))
                  ->Get({}, "b", 9, nullptr, &collector)
                  .IsCorruption());
}

TEST_F(TableReaderTest, AnotherComparatorIsNamed) {
  TableMaker maker({});
  maker.SetProperty(property::kComparator, "somebody's");
  const Status s = Open(maker.Make(NewEntries())).status();
  EXPECT_TRUE(s.IsInvalidArgument());
  EXPECT_THAT(s.ToString(), HasSubstr("somebody's"));
  EXPECT_THAT(s.ToString(), HasSubstr("leveldb.BytewiseComparator"));
}

TEST_F(TableReaderTest, FeaturesThatAreNotKnownAreRefused) {
  const std::pair<const char*, std::string> properties[] = {
      {property::kIndexType, Fixed32Property(4)},
      {property::kTimestampsPersisted, VarintProperty(0)},
      {property::kExternalVersion, Fixed32Property(3)},
      {property::kCompression, "SomebodysManager;80;"},
  };
  for (const auto& [name, value] : properties) {
    TableMaker maker({.format_version = 7});
    maker.SetProperty(name, value);
    EXPECT_TRUE(Open(maker.Make(NewEntries())).status().IsNotSupported())
        << name;
  }
  TableMaker maker({.format_version = 7});
  maker.SetProperty(property::kCompression, "BuiltinV2;0107;");
  EXPECT_TRUE(Open(maker.Make(NewEntries())).ok());
}

class GlobalSequenceTest : public TableReaderTest {
 protected:
  // An ingested table with that property; `patched` is written into it later.
  std::string Ingested(uint64_t stored, uint64_t patched) {
    Entries entries = NewEntries();
    for (int i = 0; i < 30; ++i) {
      entries[InternalKey("key" + std::to_string(i), 0)] = std::to_string(i);
    }
    TableMaker maker({.name = "ingested"});
    maker.SetProperty(property::kExternalVersion, Fixed32Property(2));
    std::string sequence;
    PutFixed64(&sequence, stored);
    maker.SetProperty(property::kGlobalSequence, sequence);
    maker.AddTombstone("x", "z", 0);
    maker.AddTombstone("a", "c", 0);
    maker.AddTombstone("b", "d", 0);
    std::string bytes = maker.Make(entries);
    if (patched != 0) {
      const std::string name = "external_sst_file.global_seqno";
      const size_t at = bytes.find(name, maker.properties_at().offset);
      EXPECT_NE(at, std::string::npos);
      EncodeFixed(bytes.data() + at + name.size(), patched);
    }
    return bytes;
  }

  void ExpectSequence(const std::string& bytes, SequenceNumber sequence) {
    const auto table = MustOpen(bytes);
    ASSERT_NE(table, nullptr);
    size_t count = 0;
    const auto iterator = table->NewIterator({});
    for (iterator->SeekToFirst(); iterator->Valid(); iterator->Next()) {
      EXPECT_EQ(TagSequence(ExtractTag(iterator->key())), sequence);
      ++count;
    }
    EXPECT_EQ(count, 30u);
    for (iterator->SeekToLast(); iterator->Valid(); iterator->Prev()) --count;
    EXPECT_EQ(count, 0u);
    for (int i = 0; i < 30; ++i) {
      const std::string key = "key" + std::to_string(i);
      EXPECT_THAT(
          Get(*table, key, sequence),
          ElementsAre(std::to_string(sequence) + " 1 " + std::to_string(i)));
      if (sequence > 0) {
        EXPECT_THAT(Get(*table, key, sequence - 1), IsEmpty());
      }
    }
    ASSERT_NE(table->tombstones(), nullptr);
    const auto covering = [&](const char* key) {
      return table->tombstones()->CoveringSequence(key, kMaxSequenceNumber);
    };
    EXPECT_EQ(covering("bb"), sequence);
    EXPECT_EQ(covering("cc"), sequence);
    EXPECT_EQ(covering("d"), 0u);
    EXPECT_EQ(covering("y"), sequence);
    const Status s = table->Verify({}, {});
    EXPECT_TRUE(s.ok()) << s.ToString();
  }
};

TEST_F(GlobalSequenceTest, ItIsTakenFromWhereverItIs) {
  ExpectSequence(Ingested(0, 0), 0);
  ExpectSequence(Ingested(77, 0), 77);
  ExpectSequence(Ingested(0, 77), 77);
  metadata_.largest_sequence = 77;
  ExpectSequence(Ingested(0, 0), 77);
  ExpectSequence(Ingested(77, 0), 77);
  ExpectSequence(Ingested(0, 77), 77);
}

TEST_F(GlobalSequenceTest, TwoThatDifferAreCorrupt) {
  metadata_.largest_sequence = 78;
  EXPECT_TRUE(Open(Ingested(77, 0)).status().IsCorruption());
}

TEST_F(GlobalSequenceTest, OtherDamageOfThePropertiesIsStillNoticed) {
  std::string bytes = Ingested(0, 77);
  const size_t at = bytes.find(BytewiseComparator()->Name());
  ASSERT_NE(at, std::string::npos);
  bytes[at + 5] ^= 1;
  EXPECT_TRUE(Open(bytes).status().IsCorruption());
}

TEST_F(GlobalSequenceTest, ATableThatCannotHaveOneMustNot) {
  TableMaker maker({});
  maker.SetProperty(property::kGlobalSequence, std::string(8, '\0'));
  EXPECT_TRUE(Open(maker.Make(NewEntries())).status().IsCorruption());
}

TEST_F(TableReaderTest, TombstonesMayOverlapAndBeEmpty) {
  TableMaker maker({});
  maker.AddTombstone("m", "m", 9);
  maker.AddTombstone("c", "k", 5);
  maker.AddTombstone("a", "e", 7);
  const auto table = MustOpen(maker.Make(NewEntries()));
  ASSERT_NE(table, nullptr);
  ASSERT_NE(table->tombstones(), nullptr);
  const auto covering = [&](const char* key, SequenceNumber snapshot) {
    return table->tombstones()->CoveringSequence(key, snapshot);
  };
  EXPECT_EQ(covering("a", 9), 7u);
  EXPECT_EQ(covering("d", 9), 7u);
  EXPECT_EQ(covering("d", 6), 5u);
  EXPECT_EQ(covering("e", 9), 5u);
  EXPECT_EQ(covering("m", 9), 0u);
}

// Each lies within the one before, so that there are as many pieces as their
// number squared.
TEST_F(TableReaderTest, TombstonesThatWouldTakeAllMemoryAreRefused) {
  TableMaker maker({});
  char begin[16];
  char end[16];
  for (unsigned i = 0; i < 10'000; ++i) {
    std::snprintf(begin, sizeof(begin), "a%06u", i);
    std::snprintf(end, sizeof(end), "b%06u", 100'000 - i);
    maker.AddTombstone(begin, end, i + 1);
  }
  EXPECT_TRUE(Open(maker.Make(NewEntries())).status().IsNotSupported());
}

TEST_F(TableReaderTest, AnIndexThatRepeatsABlockIsCorrupt) {
  TestRandom random(TestSeed());
  const Entries entries = RandomEntries(&random, 30);
  for (const IndexType type :
       {IndexType::kBinarySearch, IndexType::kTwoLevel}) {
    TableForm form{.index_type = type};
    EXPECT_TRUE(Open(TableMaker(form).Make(entries)).ok());
    form.last_block_repeated = 100;
    const Status s = Open(TableMaker(form).Make(entries)).status();
    EXPECT_TRUE(s.IsCorruption());
    EXPECT_THAT(s.ToString(), HasSubstr("overlap"));
  }
}

// A few bytes could stand for gigabytes.
TEST_F(TableReaderTest, MetaBlocksThatAreCompressedAreCorrupt) {
  if (!CanCompress(kSnappyCompression)) GTEST_SKIP() << "not in this build";
  TestRandom random(TestSeed());
  const Status s = Open(TableMaker({.meta_compression = kSnappyCompression})
                            .Make(RandomEntries(&random, 30)))
                       .status();
  EXPECT_TRUE(s.IsCorruption());
  EXPECT_THAT(s.ToString(), HasSubstr("is compressed"));
}

TEST_F(TableReaderTest, AnIndexThatExpandsTooFarIsNotEvenRead) {
  if (!CanCompress(kZSTD)) GTEST_SKIP() << "not in this build";
  Entries entries = NewEntries();
  entries[InternalKey(std::string(16 << 20, 'k'), 1)] = "";
  const std::string bytes = TableMaker({.compression = kZSTD}).Make(entries);
  ASSERT_LT(bytes.size(), 64u << 10);
  const Status s = Open(bytes).status();
  EXPECT_TRUE(s.IsCorruption()) << s.ToString();
  EXPECT_THAT(s.ToString(), HasSubstr("wrong size"));
}

TEST_F(TableReaderTest, AScanReadsAhead) {
  TestRandom random(TestSeed());
  Entries entries = NewEntries();
  for (int i = 0; i < 2000; ++i) {
    entries[InternalKey("key" + std::to_string(i), 1)] = random.Letters(200);
  }
  TableMaker maker({.entries_in_block = 20});
  const auto table = MustOpen(maker.Make(entries));
  ASSERT_EQ(maker.blocks(), 100u);
  reads_ = 0;
  ExpectSameForward(entries, *table);
  EXPECT_LT(reads_, 12);
  reads_ = 0;
  ExpectSameForward(entries, *table, {.readahead_size = 1 << 20});
  EXPECT_EQ(reads_, 1);
  // A look-up of one key reads one block.
  const auto iterator = table->NewIterator({});
  reads_ = 0;
  iterator->Seek(InternalKey("key1500", 9));
  EXPECT_TRUE(iterator->Valid());
  EXPECT_EQ(reads_, 1);
}

TEST_F(TableReaderTest, OffsetsGrowWithTheKeys) {
  TestRandom random(TestSeed());
  const Entries entries = RandomEntries(&random, 100);
  TableMaker maker({});
  const auto table = MustOpen(maker.Make(entries));
  uint64_t last = 0;
  for (const auto& [key, value] : entries) {
    const uint64_t offset = table->ApproximateOffsetOf(key);
    EXPECT_GE(offset, last);
    last = offset;
  }
  EXPECT_EQ(last, maker.block(maker.blocks() - 1).offset);
  EXPECT_GT(table->ApproximateOffsetOf(InternalKey("z", 1)), last);
  EXPECT_GT(table->MemoryUsage(), 0u);
}

}  // namespace
}  // namespace paceline
