// Keys, values, batches and names at the ends of what they may be: what is
// within a limit comes back byte by byte, wherever it is kept, and what is
// beyond it is refused and changes nothing.

#include <algorithm>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "paceline/comparator.h"
#include "paceline/db.h"
#include "paceline/utilities/options_util.h"
#include "paceline/write_batch.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "src/format/internal_key.h"
#include "test/support/model.h"
#include "test/support/seed.h"
#include "test/support/test_database.h"
#include "test/support/test_directory.h"

namespace paceline {
namespace {

constexpr size_t kHeaderBytes = 12;  // Of a batch.

// A Slice of any size. Nobody may look at its bytes: there is but one.
Slice Claimed(uint64_t size) {
  static constexpr char kByte = 'x';
  return {&kByte, static_cast<size_t>(size)};
}

// The kinds of updates, each as a function of a key and a value.
struct Update {
  const char* name;
  bool has_value;
  std::function<Status(WriteBatch*, const Slice&, const Slice&)> add;
};

const std::vector<Update>& Updates() {
  static const std::vector<Update> updates = {
      {"Put", true,
       [](WriteBatch* batch, const Slice& key, const Slice& value) {
         return batch->Put(key, value);
       }},
      {"Merge", true,
       [](WriteBatch* batch, const Slice& key, const Slice& value) {
         return batch->Merge(key, value);
       }},
      {"DeleteRange", true,
       [](WriteBatch* batch, const Slice& key, const Slice& value) {
         return batch->DeleteRange(key, value);
       }},
      {"Delete", false,
       [](WriteBatch* batch, const Slice& key, const Slice& /*value*/) {
         return batch->Delete(key);
       }},
      {"SingleDelete", false,
       [](WriteBatch* batch, const Slice& key, const Slice& /*value*/) {
         return batch->SingleDelete(key);
       }}};
  return updates;
}

// ---- Sizes of entries, without the bytes.

// A batch of little room refuses a large entry for want of room, unless the
// entry is refused by itself: so both sides of the limit can be told apart
// without 4 GB of memory.
TEST(EntryLimitTest, KeyAndValueTogetherHaveALimit) {
  constexpr uint64_t kMax = kEntryBytesMax;
  struct Case {
    uint64_t key;
    uint64_t value;
  };
  const Case within[] = {
      {1, kMax - 1}, {kMax - 1, 1}, {kMax, 0}, {0, kMax}, {kMax / 2, kMax / 2}};
  // Sums that do not fit into 64 bits are not small ones.
  constexpr uint64_t kHuge = std::numeric_limits<uint64_t>::max();
  const Case beyond[] = {{1, kMax},
                         {kMax, 1},
                         {kMax + 1, 0},
                         {0, kMax + 1},
                         {kMax, kMax},
                         {uint64_t{1} << 32, 0},
                         {0, uint64_t{1} << 32},
                         {uint64_t{1} << 63, uint64_t{1} << 63},
                         {kHuge, 1},
                         {1, kHuge},
                         {kHuge, kHuge},
                         {kHuge - 7, 100}};
  for (const Update& update : Updates()) {
    for (const Case& c : within) {
      if (!update.has_value && c.value != 0) continue;
      WriteBatch batch(0, /*max_bytes=*/1'000);
      const Status status =
          update.add(&batch, Claimed(c.key), Claimed(c.value));
      EXPECT_THAT(status, HasCode(Status::kInvalidArgument));
      EXPECT_THAT(status, Mentions("max_bytes"))
          << update.name << " " << c.key << " " << c.value;
    }
    for (const Case& c : beyond) {
      const uint64_t value = update.has_value ? c.value : 0;
      if (c.key <= kMax && value == 0) continue;
      WriteBatch batch(0, /*max_bytes=*/1'000);
      const Status status = update.add(&batch, Claimed(c.key), Claimed(value));
      EXPECT_THAT(status, HasCode(Status::kInvalidArgument));
      EXPECT_THAT(status, Mentions("entry is too large"))
          << update.name << " " << c.key << " " << value;
      EXPECT_EQ(batch.GetDataSize(), kHeaderBytes);
      EXPECT_EQ(batch.Count(), 0u);
    }
  }
}

TEST(EntryLimitTest, LogDataHasALimit) {
  constexpr uint64_t kMax = std::numeric_limits<uint32_t>::max();
  for (const uint64_t within : {kMax - 1, kMax / 2}) {
    WriteBatch batch(0, /*max_bytes=*/1'000);
    EXPECT_THAT(batch.PutLogData(Claimed(within)), Mentions("max_bytes"));
  }
  for (const uint64_t beyond :
       {kMax, kMax + 1, std::numeric_limits<uint64_t>::max()}) {
    WriteBatch batch(0, /*max_bytes=*/1'000);
    const Status status = batch.PutLogData(Claimed(beyond));
    EXPECT_THAT(status, HasCode(Status::kInvalidArgument));
    EXPECT_THAT(status, Mentions("log data is too large"));
    EXPECT_EQ(batch.GetDataSize(), kHeaderBytes);
  }
}

// The last byte of room may be used, and not one more.
TEST(EntryLimitTest, ABatchIsFilledToItsLastByte) {
  // Lengths take one byte more from 128 on.
  for (const size_t size : {0, 1, 127, 128, 5'000}) {
    const std::string text(size, 't');
    for (const Update& update : Updates()) {
      WriteBatch unlimited;
      ASSERT_THAT(update.add(&unlimited, text, text), IsOk());
      const size_t exact = unlimited.GetDataSize();
      WriteBatch fits(0, exact);
      EXPECT_THAT(update.add(&fits, text, text), IsOk())
          << update.name << " of " << size;
      EXPECT_EQ(fits.Data(), unlimited.Data());
      EXPECT_THAT(update.add(&fits, "", ""), Mentions("max_bytes"));
      EXPECT_EQ(fits.Data(), unlimited.Data()) << "a refused update is not in";
      WriteBatch too_small(0, exact - 1);
      EXPECT_THAT(update.add(&too_small, text, text), Mentions("max_bytes"))
          << update.name << " of " << size;
      EXPECT_EQ(too_small.GetDataSize(), kHeaderBytes);
    }
  }
}

TEST(EntryLimitTest, WhatIsAppendedAndLoggedTakesRoomToo) {
  WriteBatch one;
  ASSERT_THAT(one.Put("key", "value"), IsOk());
  const size_t entry_bytes = one.GetDataSize() - kHeaderBytes;
  WriteBatch two(0, kHeaderBytes + 2 * entry_bytes);
  EXPECT_THAT(two.Append(one), IsOk());
  EXPECT_THAT(two.Append(one), IsOk());
  EXPECT_THAT(two.Append(one), Mentions("max_bytes"));
  EXPECT_THAT(two.PutLogData(""), Mentions("max_bytes"));
  EXPECT_EQ(two.Count(), 2u);
  // Room that a rollback gives back can be used again.
  two.Clear();
  two.SetSavePoint();
  ASSERT_THAT(two.Append(one), IsOk());
  ASSERT_THAT(two.Append(one), IsOk());
  ASSERT_THAT(two.RollbackToSavePoint(), IsOk());
  EXPECT_THAT(two.Append(one), IsOk());
}

// ---- In a database.

class LimitsTest : public testing::Test {
 protected:
  LimitsTest() {
    options_.create_if_missing = true;
    options_.write_buffer_size = size_t{64} << 10;
    options_.target_file_size_base = uint64_t{64} << 10;
  }

  void Open() {
    ASSERT_THAT(database_.Open(options_, directory_.path()), IsOk());
  }
  void Reopen() {
    ASSERT_THAT(database_.Close(), IsOk());
    Open();
  }

  // Calls `check` while the data is in memtables, when it was recovered, in
  // tables of level 0, merged, and when the tables were opened anew.
  void InEachPlace(const std::function<void()>& check) {
    const std::pair<const char*, std::function<void()>> places[] = {
        {"memtable", [] {}},
        {"recovered", [this] { Reopen(); }},
        {"flushed", [this] { EXPECT_THAT(database_->Flush({}), IsOk()); }},
        {"compacted",
         [this] {
           EXPECT_THAT(database_->CompactRange({}, nullptr, nullptr), IsOk());
         }},
        {"reopened", [this] { Reopen(); }}};
    for (const auto& [name, get_there] : places) {
      SCOPED_TRACE(name);
      get_there();
      check();
      ASSERT_FALSE(HasFailure());
    }
  }

  // Every way to read finds exactly the entries of the model.
  void CheckReads(const Model& model) {
    const ModelEntries& entries = model.Entries(kDefaultColumnFamilyName);
    EXPECT_EQ(Difference(ContentsOf(model), database_.ReadAll()), "");
    const std::unique_ptr<Iterator> iterator(database_->NewIterator({}));
    auto expected = entries.rbegin();
    for (iterator->SeekToLast(); iterator->Valid(); iterator->Prev()) {
      ASSERT_NE(expected, entries.rend());
      ASSERT_TRUE(iterator->key() == expected->first);
      ++expected;
    }
    ASSERT_EQ(expected, entries.rend());
    for (const std::string& key : probes_) {
      std::string value;
      const Status status = database_->Get({}, key, &value);
      const auto found = entries.find(key);
      ASSERT_EQ(status.ok(), found != entries.end())
          << Slice(key).ToString(/*hex=*/true);
      if (status.ok()) {
        ASSERT_TRUE(value == found->second);
      }
      CheckSeeks(iterator.get(), entries, key);
    }
  }

  static void CheckSeeks(Iterator* iterator, const ModelEntries& entries,
                         const std::string& key) {
    iterator->Seek(key);
    const auto at_or_after = entries.lower_bound(key);
    ASSERT_EQ(iterator->Valid(), at_or_after != entries.end());
    if (iterator->Valid()) {
      ASSERT_TRUE(iterator->key() == at_or_after->first);
    }
    iterator->SeekForPrev(key);
    const auto after = entries.upper_bound(key);
    ASSERT_EQ(iterator->Valid(), after != entries.begin());
    if (iterator->Valid()) {
      ASSERT_TRUE(iterator->key() == std::prev(after)->first);
    }
  }

  TestDirectory directory_{TestStorage::kMemory};
  Options options_;
  TestDatabase database_;
  std::vector<std::string> probes_;
};

// Keys that an engine may take for something else: prefixes of each other,
// its own internal keys, the ends of the order, and the sizes at which the
// ways to keep them change.
std::vector<std::string> StrangeKeys() {
  const std::string zero(1, '\0');
  std::vector<std::string> keys = {"", zero, zero + zero, std::string(8, '\0')};
  for (const size_t size : {1, 2, 7, 8, 9, 255, 256}) {
    keys.emplace_back(size, '\xff');
  }
  keys.push_back(std::string(8, '\xff') + zero);
  for (const std::string& user_key : {std::string("key"), std::string()}) {
    keys.push_back(user_key);
    for (const ValueType type :
         {ValueType::kDeletion, ValueType::kValue, ValueType::kSeekMax}) {
      for (const SequenceNumber sequence :
           {SequenceNumber{0}, SequenceNumber{1}, kMaxSequenceNumber}) {
        std::string internal = user_key;
        PutFixed64(&internal, PackTag(sequence, type));
        keys.push_back(internal);
      }
    }
  }
  // The first eight bytes decide nothing.
  for (const char* end : {"", "a", "b", "\xff"}) {
    keys.push_back(std::string("12345678") + end);
  }
  for (const size_t size : {127, 128, 16'383, 16'384, 65'535, 65'536}) {
    keys.emplace_back(size, 'k');
  }
  keys.push_back("with\nnewline\tand\"quotes\\");
  std::sort(keys.begin(), keys.end());
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  return keys;
}

TEST_F(LimitsTest, StrangeKeysAreKeysWhereverTheyAreKept) {
  for (const Comparator* comparator :
       {BytewiseComparator(), ReverseBytewiseComparator()}) {
    SCOPED_TRACE(comparator->Name());
    options_.comparator = comparator;
    TestRandom random(TestSeed());
    Model model(comparator);
    probes_ = StrangeKeys();
    Open();
    // Half of them are there, and half of those were something else before.
    for (const std::string& key : probes_) {
      if (random.OneIn(2)) continue;
      const ModelOperation put = {ModelOperation::Kind::kPut,
                                  kDefaultColumnFamilyName, key,
                                  "value of " + std::to_string(key.size())};
      for (int times = random.OneIn(2) ? 2 : 1; times > 0; --times) {
        ASSERT_THAT(DoOperation(put, {}, nullptr, database_.get()), IsOk());
        model.Apply(put);
      }
      if (!random.OneIn(4)) continue;
      ASSERT_THAT(database_->Delete({}, key), IsOk());
      model.Apply(
          {ModelOperation::Kind::kDelete, kDefaultColumnFamilyName, key, ""});
    }
    InEachPlace([&] { CheckReads(model); });
    ASSERT_THAT(database_.Close(), IsOk());
    ASSERT_THAT(DestroyDB(directory_.path(), options_), IsOk());
  }
}

// Between any two strange keys: exactly the keys of the range go.
TEST_F(LimitsTest, RangesBetweenStrangeKeysAreDeletedExactly) {
  probes_ = StrangeKeys();
  TestRandom random(TestSeed());
  Open();
  Model model;
  for (int round = 0; round < 4; ++round) {
    for (const std::string& key : probes_) {
      if (key.size() > 1'000) continue;
      ASSERT_THAT(database_->Put({}, key, "v"), IsOk());
      model.Apply(
          {ModelOperation::Kind::kPut, kDefaultColumnFamilyName, key, "v"});
    }
    for (int i = 0; i < 4; ++i) {
      const std::string& begin = probes_[random.Below(probes_.size())];
      const std::string& end = probes_[random.Below(probes_.size())];
      const ModelOperation range = {ModelOperation::Kind::kDeleteRange,
                                    kDefaultColumnFamilyName, begin, end};
      ASSERT_THAT(DoOperation(range, {}, nullptr, database_.get()), IsOk());
      model.Apply(range);
    }
  }
  InEachPlace([&] { CheckReads(model); });
}

// Around the sizes of a block of the log, a block of a table, a window of a
// mapped log, a memtable and a file.
TEST_F(LimitsTest, ValuesOfEverySizeComeBackAsTheyWere) {
  std::vector<size_t> sizes = {0, 1, 2, 127, 128};
  for (const size_t edge : {size_t{4} << 10, size_t{32} << 10, size_t{64} << 10,
                            size_t{256} << 10, size_t{1} << 20}) {
    for (const size_t below : {30, 19, 7, 1, 0}) sizes.push_back(edge - below);
    sizes.push_back(edge + 1);
  }
  for (const CompressionType compression :
       {kNoCompression, DefaultCompression()}) {
    options_.compression = compression;
    Open();
    TestRandom random(TestSeed());
    Model model;
    for (const size_t size : sizes) {
      const std::string key = "value of " + std::to_string(size);
      // Random bytes cannot be compressed, others can.
      std::string value =
          size % 2 == 0 ? random.Bytes(size) : std::string(size, 'v');
      ASSERT_THAT(database_->Put({}, key, value), IsOk());
      model.Apply({ModelOperation::Kind::kPut, kDefaultColumnFamilyName, key,
                   std::move(value)});
    }
    InEachPlace([&] { CheckReads(model); });
    ASSERT_THAT(database_.Close(), IsOk());
    ASSERT_THAT(DestroyDB(directory_.path(), options_), IsOk());
  }
}

// A group is bounded, but not a batch: one that is larger goes alone.
TEST_F(LimitsTest, BatchesAroundTheSizeOfAGroupAreWritten) {
  constexpr size_t kGroup = 4'096;
  options_.max_write_batch_group_size_bytes = kGroup;
  Open();
  Model model;
  for (const size_t size : {kGroup / 8, kGroup / 8 + 1, kGroup - 1, kGroup,
                            kGroup + 1, 10 * kGroup}) {
    WriteBatch batch;
    int number = 0;
    while (batch.GetDataSize() < size) {
      const std::string key =
          std::to_string(size) + "/" + std::to_string(number++);
      const size_t left = size - batch.GetDataSize();
      const std::string value(std::min<size_t>(left, 100), 'v');
      ASSERT_THAT(batch.Put(key, value), IsOk());
      model.Apply(
          {ModelOperation::Kind::kPut, kDefaultColumnFamilyName, key, value});
    }
    ASSERT_THAT(database_->Write({}, &batch), IsOk()) << size;
  }
  EXPECT_EQ(Difference(ContentsOf(model), database_.ReadAll()), "");
  Reopen();
  EXPECT_EQ(Difference(ContentsOf(model), database_.ReadAll()), "");
}

TEST_F(LimitsTest, AnEntryThatIsTooLargeLeavesTheDatabaseAsItWas) {
  Open();
  ASSERT_THAT(database_->Put({}, "before", "1"), IsOk());
  const SequenceNumber sequence = database_->GetLatestSequenceNumber();
  const Slice large = Claimed(uint64_t{1} << 32);
  for (const Status& status :
       {database_->Put({}, "key", large), database_->Put({}, large, "value"),
        database_->Merge({}, "key", large), database_->Delete({}, large),
        database_->SingleDelete({}, large),
        database_->DeleteRange({}, nullptr, "begin", large)}) {
    EXPECT_THAT(status, HasCode(Status::kInvalidArgument));
    EXPECT_THAT(status, Mentions("too large"));
  }
  EXPECT_EQ(database_->GetLatestSequenceNumber(), sequence);
  ASSERT_THAT(database_->Put({}, "after", "2"), IsOk());
  const Contents expected = {{"default", {{"after", "2"}, {"before", "1"}}}};
  EXPECT_EQ(Difference(expected, database_.ReadAll()), "");
}

// ---- Column families.

// Names are bytes, not words, and never the names of files.
std::vector<std::string> StrangeNames() {
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all += static_cast<char>(byte);
  return {"",
          "a",
          std::string(1, '\0'),
          "..",
          "../escape",
          "/absolute",
          "CURRENT",
          "000001.log",
          "Default",
          "default ",
          "with\nnewline",
          "[section]",
          "name=value; # comment \\",
          all,
          std::string(1, '\xff'),
          std::string(70'000, 'n')};
}

TEST_F(LimitsTest, ColumnFamiliesMayHaveAnyNameAndKeepIt) {
  Open();
  Contents expected = {{"default", {}}};
  for (const std::string& name : StrangeNames()) {
    ASSERT_THAT(database_.CreateFamily(name), IsOk())
        << Slice(name).ToString(/*hex=*/true);
    EXPECT_EQ(database_.Family(name)->GetName(), name);
    ASSERT_THAT(database_->Put({}, database_.Family(name), "key", name),
                IsOk());
    expected[name] = {{"key", name}};
    ColumnFamilyHandle* again = nullptr;
    EXPECT_THAT(database_->CreateColumnFamily(options_, name, &again),
                HasCode(Status::kInvalidArgument));
    EXPECT_EQ(again, nullptr);
  }
  for (const char* place : {"memtable", "recovered", "recovered again"}) {
    EXPECT_EQ(Difference(expected, database_.ReadAll()), "") << place;
    Reopen();
  }
  ASSERT_THAT(database_.Close(), IsOk());
  std::vector<std::string> names;
  ASSERT_THAT(DB::ListColumnFamilies(options_, directory_.path(), &names),
              IsOk());
  EXPECT_EQ(names.size(), expected.size());
  for (const std::string& name : names) EXPECT_TRUE(expected.contains(name));
  DBOptions loaded;
  std::vector<ColumnFamilyDescriptor> families;
  ASSERT_THAT(LoadLatestOptions(directory_.path(), FileSystem::Default(),
                                &loaded, &families),
              IsOk());
  EXPECT_EQ(families.size(), expected.size());
  for (const ColumnFamilyDescriptor& family : families) {
    EXPECT_TRUE(expected.contains(family.name))
        << Slice(family.name).ToString(/*hex=*/true);
  }
}

TEST_F(LimitsTest, ADroppedNameMayBeUsedAgainAndAgain) {
  Open();
  uint32_t last_id = 0;
  for (int i = 0; i < 50; ++i) {
    ASSERT_THAT(database_.CreateFamily("name"), IsOk());
    ColumnFamilyHandle* family = database_.Family("name");
    EXPECT_GT(family->GetID(), last_id) << "an id is not used again";
    last_id = family->GetID();
    std::string value;
    EXPECT_THAT(database_->Get({}, family, "key", &value),
                HasCode(Status::kNotFound))
        << "what its namesake had is not there";
    ASSERT_THAT(database_->Put({}, family, "key", "value"), IsOk());
    if (i % 10 == 9) Reopen();
    ASSERT_THAT(database_.DropFamily("name"), IsOk());
  }
  Reopen();
  EXPECT_THAT(database_.FamilyNames(), testing::ElementsAre("default"));
}

// Ids from 128 on take more than one byte wherever they are written.
TEST_F(LimitsTest, ManyColumnFamiliesShareABatchAndALog) {
  constexpr int kFamilies = 140;
  options_.max_background_jobs = 1;
  Open();
  WriteBatch batch;
  Contents expected;
  ASSERT_THAT(batch.Put("key", "default"), IsOk());
  expected["default"] = {{"key", "default"}};
  for (int i = 1; i <= kFamilies; ++i) {
    const std::string name = "family" + std::to_string(i);
    ASSERT_THAT(database_.CreateFamily(name), IsOk());
    ASSERT_THAT(batch.Put(database_.Family(name), "key", name), IsOk());
    expected[name] = {{"key", name}};
  }
  ASSERT_THAT(database_->Write({.sync = true}, &batch), IsOk());
  EXPECT_EQ(Difference(expected, database_.ReadAll()), "");
  Reopen();
  EXPECT_EQ(Difference(expected, database_.ReadAll()), "");
}

}  // namespace
}  // namespace paceline
