#include "src/table/table_verifier.h"

#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "src/table/bloom_filter.h"
#include "src/table/table_maker.h"
#include "src/table/table_reader.h"

namespace paceline {
namespace {

using testing::AllOf;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

// Reads what `*bytes` are at the time.
class ChangingFile final : public RandomAccessFile {
 public:
  explicit ChangingFile(const std::string* bytes) : bytes_(bytes) {}
  Status Read(uint64_t offset, size_t n, Slice* result,
              char* scratch) const override {
    return StringFile(*bytes_, nullptr).Read(offset, n, result, scratch);
  }

 private:
  const std::string* const bytes_;
};

// Tables that open, with something wrong in them that only a look at every
// entry finds. (Where checksums would find it first, they have none.)
class TableVerifierTest : public testing::Test {
 protected:
  void Add(const std::string& user_key, SequenceNumber sequence = 1,
           const std::string& value = "value") {
    entries_[InternalKey(user_key, sequence)] = value;
  }

  void Make(const TableForm& form) {
    TableMaker maker(form);
    maker.AddTombstone("a", "b", 1);
    bytes_ = maker.Make(entries_);
    blocks_.clear();
    for (size_t i = 0; i < maker.blocks(); ++i) {
      blocks_.push_back(maker.block(i));
    }
  }

  void Open() {
    metadata_.size = bytes_.size();
    auto table =
        TableReader::Open({.comparator = &comparator_,
                           .block_cache = nullptr,
                           .path = "/db/000004.sst",
                           .family_name = "users"},
                          std::make_unique<ChangingFile>(&bytes_), metadata_);
    ASSERT_TRUE(table.ok()) << table.status().ToString();
    table_ = *table;
  }

  // Every message, of which the first must be what is returned.
  std::vector<std::string> Damage() {
    std::vector<std::string> damage;
    const Status first = table_->Verify(
        [&](const Status& s) {
          EXPECT_TRUE(s.IsCorruption()) << s.ToString();
          damage.push_back(s.ToString());
        },
        {});
    EXPECT_EQ(first.ok(), damage.empty());
    if (!damage.empty()) {
      EXPECT_EQ(first.ToString(), damage.front());
    }
    EXPECT_EQ(table_->Verify({}, {}).ToString(), first.ToString());
    return damage;
  }

  // The message of damage in the block of this number.
  auto InBlock(size_t block, const char* what) {
    return AllOf(HasSubstr(what), HasSubstr("/db/000004.sst"),
                 HasSubstr("users"),
                 HasSubstr("offset " + std::to_string(blocks_[block].offset)));
  }

  // Replaces the last occurrence, which is the one in the index.
  void ChangeInIndex(const std::string& from, const std::string& to) {
    ASSERT_EQ(from.size(), to.size());
    const size_t at = bytes_.rfind(from);
    ASSERT_NE(at, std::string::npos);
    bytes_.replace(at, from.size(), to);
  }

  const InternalKeyComparator comparator_{BytewiseComparator()};
  Entries entries_{InternalKeyLess{&comparator_}};
  std::string bytes_;
  std::vector<BlockHandle> blocks_;
  FileMetaData metadata_;
  std::shared_ptr<const TableReader> table_;
};

using Filter = TableForm::Filter;

TEST_F(TableVerifierTest, AGoodTableHasNoDamage) {
  for (const Filter filter : {Filter::kNone, Filter::kFull}) {
    for (const uint32_t format_version : {2, 5, 7}) {
      entries_.clear();
      for (const int count : {0, 1, 30}) {
        for (int i = 0; i < count; ++i) Add("key" + std::to_string(i));
        Make({.format_version = format_version, .filter = filter});
        Open();
        EXPECT_THAT(Damage(), IsEmpty()) << count;
      }
    }
  }
}

// The table is open, so what is in memory is good: the file is not any more.
TEST_F(TableVerifierTest, EveryByteThatChangesBehindTheOpenIsNoticed) {
  for (int i = 0; i < 20; ++i) Add("key" + std::to_string(i));
  for (const IndexType type :
       {IndexType::kBinarySearch, IndexType::kTwoLevel}) {
    Make({.index_type = type, .filter = Filter::kFull});
    Open();
    ASSERT_THAT(Damage(), IsEmpty());
    for (size_t i = 0; i < bytes_.size(); ++i) {
      bytes_[i] ^= 0x10;
      EXPECT_FALSE(table_->Verify({}, {}).ok())
          << "byte " << i << " of " << bytes_.size();
      bytes_[i] ^= 0x10;
    }
  }
}

TEST_F(TableVerifierTest, AFileThatWasReplacedByAnotherTableIsNoticed) {
  Add("key");
  Make({});
  Open();
  bytes_.pop_back();
  EXPECT_THAT(Damage(), testing::Contains(HasSubstr("size")));
}

TEST_F(TableVerifierTest, EachDamagedBlockIsNamedAndTheOthersAreChecked) {
  for (char key = 'a'; key <= 'h'; ++key) Add(std::string(1, key));
  Make({.entries_in_block = 2});
  Open();
  bytes_[blocks_[0].offset + 2] ^= 1;
  bytes_[blocks_[3].offset + 2] ^= 1;
  EXPECT_THAT(Damage(),
              ElementsAre(InBlock(0, "checksum"), InBlock(3, "checksum")));
}

TEST_F(TableVerifierTest, AFilterWithoutAKeyWouldHideIt) {
  BloomFilterBuilder good(10);
  BloomFilterBuilder bad(10);
  for (int i = 0; i < 10; ++i) {
    Add("key" + std::to_string(i));
    good.AddKey("key" + std::to_string(i));
    bad.AddKey("other" + std::to_string(i));
  }
  Make({.checksum = kNoChecksum, .filter = Filter::kFull});
  ChangeInIndex(good.Finish().slice().ToString(),
                bad.Finish().slice().ToString());
  Open();
  EXPECT_THAT(Damage(),
              ElementsAre(InBlock(0, "the filter does not hold a key"),
                          InBlock(1, "the filter does not hold a key")));
}

TEST_F(TableVerifierTest, ASeparatorInFrontOfAKeyWouldHideIt) {
  for (const char* key : {"key_aa", "key_cc", "key_ee"}) Add(key);
  Make({.checksum = kNoChecksum, .entries_in_block = 1, .has_user_keys = true});
  ChangeInIndex("key_cc", "key_bb");
  Open();
  EXPECT_THAT(Damage(), ElementsAre(InBlock(1, "the index does not lead")));
}

TEST_F(TableVerifierTest, ASeparatorBehindTheNextBlockWouldHideThat) {
  for (const char* key : {"key_aa", "key_cc", "key_ee"}) Add(key);
  Make({.checksum = kNoChecksum, .entries_in_block = 1, .has_user_keys = true});
  ChangeInIndex("key_cc", "key_ee");
  Open();
  EXPECT_THAT(Damage(), ElementsAre(InBlock(2, "the index does not lead")));
}

TEST_F(TableVerifierTest, KeysOutOfOrderInABlockAreNoticed) {
  for (const char* key : {"key_aa", "key_bb", "key_cc"}) Add(key);
  Make({.checksum = kNoChecksum, .restart_interval = 1});
  const size_t at = bytes_.find("key_bb");
  bytes_[at + 5] = 'a';
  bytes_[at + 4] = 'a';  // Twice the same key.
  Open();
  EXPECT_THAT(Damage(), ElementsAre(InBlock(0, "not in order")));
}

TEST_F(TableVerifierTest, OrderIsKeptFromBlockToBlock) {
  for (const char* key : {"key_aa", "key_bb", "key_cc"}) Add(key);
  Make({.checksum = kNoChecksum, .entries_in_block = 1});
  // Its separator is still right for a smaller key.
  const size_t at = bytes_.find("key_bb");
  bytes_.replace(at, 6, "key_aa");
  Open();
  EXPECT_THAT(Damage(), ElementsAre(InBlock(1, "not in order")));
}

TEST_F(TableVerifierTest, RestartsMustLeadToEntries) {
  for (const char* key : {"aa", "ab", "ac", "ad"}) Add(key);
  Make({.checksum = kNoChecksum, .restart_interval = 2});
  // The second restart, in front of their number.
  char* restart = bytes_.data() + blocks_[0].offset + blocks_[0].size - 8;
  EncodeFixed(restart, DecodeFixed32(restart) - 1);
  Open();
  EXPECT_THAT(Damage(), ElementsAre(InBlock(0, "restarts")));
}

TEST_F(TableVerifierTest, KeysMustLieWithinTheBoundsOfTheManifest) {
  for (const char* key : {"b", "c", "d"}) Add(key);
  Make({.entries_in_block = 3});
  struct Case {
    const char* smallest;
    const char* largest;
    bool is_good;
  };
  for (const Case& c : {Case{"b", "d", true}, Case{"a", "d", true},
                        Case{"bb", "d", false}, Case{"b", "cc", false}}) {
    metadata_.smallest = InternalKey(c.smallest, 1);
    metadata_.largest = InternalKey(c.largest, 1);
    Open();
    if (c.is_good) {
      EXPECT_THAT(Damage(), IsEmpty());
    } else {
      EXPECT_THAT(Damage(), ElementsAre(InBlock(0, "bounds")));
    }
  }
  metadata_.smallest.clear();
  metadata_.largest.clear();
  Open();
  EXPECT_THAT(Damage(), IsEmpty()) << "the bounds are not known";
}

TEST_F(TableVerifierTest, AnUnknownTypeEndsItsBlockAlone) {
  entries_[InternalKey("a", 1, ValueType{60})] = "";
  Add("b");
  Add("c");
  entries_[InternalKey("d", 1, ValueType{61})] = "";
  Make({.entries_in_block = 2});
  Open();
  EXPECT_THAT(Damage(), ElementsAre(InBlock(0, "unknown type 60"),
                                    InBlock(1, "unknown type 61")));
}

TEST_F(TableVerifierTest, ProgressIsToldAboutEveryMiBAndAtTheEnd) {
  constexpr uint64_t kStep = uint64_t{1} << 20;
  for (int i = 0; i < 35; ++i) {
    Add("key" + std::to_string(100 + i), 1, std::string(100'000, 'x'));
  }
  Make({.entries_in_block = 1, .filter = Filter::kFull});
  Open();
  std::vector<uint64_t> steps;
  uint64_t last = 0;
  ASSERT_TRUE(table_
                  ->Verify({},
                           [&](uint64_t bytes) {
                             steps.push_back(bytes - last);
                             last = bytes;
                           })
                  .ok());
  EXPECT_EQ(last, bytes_.size()) << "every byte counts once";
  ASSERT_THAT(steps, SizeIs(4));
  steps.pop_back();
  EXPECT_THAT(steps, Each(testing::Ge(kStep)));
  EXPECT_THAT(steps, Each(testing::Lt(kStep + 200'000)));
}

TEST_F(TableVerifierTest, ATableIsFoundDamagedHoweverMuchOfItIs) {
  for (char key = 'a'; key <= 'h'; ++key) Add(std::string(1, key));
  Make({.entries_in_block = 1});
  Open();
  for (const BlockHandle& block : blocks_) bytes_[block.offset + 2] ^= 1;
  uint64_t checked = 0;
  int damaged = 0;
  EXPECT_FALSE(table_
                   ->Verify([&](const Status&) { ++damaged; },
                            [&](uint64_t bytes) { checked = bytes; })
                   .ok());
  EXPECT_EQ(damaged, 8);
  EXPECT_EQ(checked, bytes_.size());
}

}  // namespace
}  // namespace paceline
