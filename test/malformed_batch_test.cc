// Batches that were made from bytes of somebody else: whatever the bytes are,
// the library does with them what the format says, or refuses them whole and
// before anything of them is in a file.

#include <algorithm>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "paceline/db.h"
#include "paceline/merge_operator.h"
#include "paceline/write_batch.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "test/support/batch_bytes.h"
#include "test/support/effort.h"
#include "test/support/model.h"
#include "test/support/seed.h"
#include "test/support/test_database.h"
#include "test/support/test_directory.h"

namespace paceline {
namespace {

constexpr uint32_t kFamilies = 3;

// Keeps what a walk hands out.
class EntryCollector : public WriteBatch::Handler {
 public:
  Status PutCF(uint32_t family, const Slice& key, const Slice& value) override {
    return Add(1, family, key, value);
  }
  Status DeleteCF(uint32_t family, const Slice& key) override {
    return Add(0, family, key, "");
  }
  Status SingleDeleteCF(uint32_t family, const Slice& key) override {
    return Add(7, family, key, "");
  }
  Status DeleteRangeCF(uint32_t family, const Slice& begin,
                       const Slice& end) override {
    return Add(15, family, begin, end);
  }
  Status MergeCF(uint32_t family, const Slice& key,
                 const Slice& operand) override {
    return Add(2, family, key, operand);
  }
  [[nodiscard]] const std::vector<ReferenceEntry>& entries() const {
    return entries_;
  }

 private:
  Status Add(int type, uint32_t family, const Slice& key, const Slice& value) {
    entries_.push_back({type, family, key.ToString(), value.ToString()});
    return Status::OK();
  }
  std::vector<ReferenceEntry> entries_;
};

Status::Code CodeOf(BatchVerdict verdict) {
  switch (verdict) {
    case BatchVerdict::kGood:
      return Status::kOk;
    case BatchVerdict::kMalformed:
      return Status::kCorruption;
    case BatchVerdict::kUnsupported:
      return Status::kNotSupported;
  }
  return Status::kOk;
}

std::string Hex(const std::string& bytes) {
  return Slice(bytes).ToString(/*hex=*/true);
}

// ---- Without a database.

TEST(MalformedBatchTest, AWalkSeesWhatTheFormatSaysOrNothing) {
  BatchBytesSource source(TestSeed(), kFamilies);
  std::vector<int> verdicts(3, 0);
  for (int i = 0; i < 20'000; ++i) {
    const std::string bytes = i % 4 == 0 ? source.Sound() : source.Malformed();
    const ReferenceBatch expected = ReferenceParser::Parse(bytes);
    EntryCollector collector;
    const Status status = WriteBatch(bytes).Iterate(&collector);
    ASSERT_THAT(status, HasCode(CodeOf(expected.verdict))) << Hex(bytes);
    ASSERT_TRUE(collector.entries() == expected.entries) << Hex(bytes);
    ++verdicts[static_cast<size_t>(expected.verdict)];
  }
  // All three are met, and none of them is rare.
  for (const int count : verdicts) EXPECT_GT(count, 200);
}

// Cut at every byte, a batch is a shorter one with the wrong count, or damaged.
TEST(MalformedBatchTest, NoCutOfABatchIsABatch) {
  BatchBytesSource source(TestSeed(), kFamilies);
  for (int i = 0; i < 100; ++i) {
    const std::string bytes = source.Sound();
    for (size_t size = 0; size < bytes.size(); ++size) {
      const std::string cut = bytes.substr(0, size);
      const ReferenceBatch expected = ReferenceParser::Parse(cut);
      EntryCollector collector;
      const Status status = WriteBatch(cut).Iterate(&collector);
      ASSERT_THAT(status, HasCode(CodeOf(expected.verdict)))
          << size << " bytes of " << Hex(bytes);
    }
  }
}

TEST(MalformedBatchTest, EveryTagIsKnownOrRefused) {
  for (int tag = 0; tag < 256; ++tag) {
    for (const char* rest : {"", "\1k", "\1k\1v", "\1\1k", "\1\1k\1v"}) {
      for (const char count : {0, 1}) {
        const std::string bytes = std::string(8, '\0') + count +
                                  std::string(3, '\0') +
                                  static_cast<char>(tag) + rest;
        const ReferenceBatch expected = ReferenceParser::Parse(bytes);
        EntryCollector collector;
        ASSERT_THAT(WriteBatch(bytes).Iterate(&collector),
                    HasCode(CodeOf(expected.verdict)))
            << Hex(bytes);
        ASSERT_TRUE(collector.entries() == expected.entries) << Hex(bytes);
      }
    }
  }
}

// What is added to a damaged batch is not added, and does not hide the damage.
TEST(MalformedBatchTest, ADamagedBatchCannotBeAddedToNorAppended) {
  BatchBytesSource source(TestSeed(), kFamilies);
  int damaged = 0;
  for (int i = 0; i < 2'000; ++i) {
    const std::string bytes = source.Malformed();
    const ReferenceBatch parsed = ReferenceParser::Parse(bytes);
    if (parsed.verdict == BatchVerdict::kGood) continue;
    ++damaged;
    const Status::Code code = CodeOf(parsed.verdict);
    WriteBatch batch(bytes);
    ASSERT_THAT(batch.Put("key", "value"), HasCode(code)) << Hex(bytes);
    ASSERT_THAT(batch.Delete("key"), HasCode(code));
    ASSERT_THAT(batch.PutLogData("blob"), HasCode(code));
    WriteBatch good;
    ASSERT_THAT(good.Put("key", "value"), IsOk());
    // A count that is too large for both is told first.
    ASSERT_FALSE(batch.Append(good).ok()) << Hex(bytes);
    ASSERT_EQ(batch.Data(), bytes) << "a refused update has changed the batch";
    const std::string before = good.Data();
    ASSERT_THAT(good.Append(batch), HasCode(code)) << Hex(bytes);
    ASSERT_EQ(good.Data(), before);
    // Whatever it was: an empty batch is one again.
    batch.Clear();
    ASSERT_THAT(batch.Put("key", "value"), IsOk());
    ASSERT_EQ(batch.Data(), before);
  }
  EXPECT_GT(damaged, 500);
}

TEST(MalformedBatchTest, TheMessageTellsWhereTheDamageIs) {
  WriteBatch good;
  ASSERT_THAT(good.Put("key", "value"), IsOk());
  const std::string& bytes = good.Data();  // 12 + 1 + 4 + 6 bytes.
  std::string wrong_count = bytes;
  wrong_count[8] = 7;
  std::string wrong_sequence = bytes;
  wrong_sequence[7] = '\x7f';
  struct Case {
    std::string bytes;
    std::vector<std::string> texts;
  };
  const Case cases[] = {
      {bytes.substr(0, 11), {"11 bytes", "shorter than its header"}},
      {bytes + "\x63", {"unknown tag", "offset 24 of 24"}},
      {bytes.substr(0, 15), {"key", "of 15"}},
      {bytes.substr(0, 20), {"value", "of 20"}},
      {bytes + "\5\x80", {"column family id", "of 25"}},
      {bytes + "\3\x40", {"log data", "of 25"}},
      {wrong_count, {"holds 1 entries", "header counts 7"}},
      {wrong_sequence, {"sequence number", "too large"}},
      {bytes + "\x09", {"two-phase commit"}},
      {bytes + "\x11", {"blob files"}},
      {bytes + "\x16", {"wide-column entities"}},
      {bytes + "\x18", {"timed puts"}},
  };
  for (const Case& c : cases) {
    EntryCollector collector;
    const Status status = WriteBatch(c.bytes).Iterate(&collector);
    EXPECT_FALSE(status.ok()) << Hex(c.bytes);
    for (const std::string& text : c.texts) {
      EXPECT_THAT(status, Mentions(text)) << Hex(c.bytes);
    }
  }
}

// ---- Written to a database.

class MalformedBatchWriteTest : public testing::Test {
 protected:
  MalformedBatchWriteTest() {
    options_.create_if_missing = true;
    options_.merge_operator = NewStringAppendOperator();
    EXPECT_THAT(database_.Open(options_, directory_.path()), IsOk());
    for (uint32_t family = 1; family < kFamilies; ++family) {
      EXPECT_THAT(database_.CreateFamily(Name(family)), IsOk());
      EXPECT_EQ(database_.Family(Name(family))->GetID(), family);
      model_.CreateFamily(Name(family));
    }
  }

  static std::string Name(uint64_t family) {
    return family == 0 ? kDefaultColumnFamilyName
                       : "family" + std::to_string(family);
  }

  static bool NamesUnknownFamily(const ReferenceBatch& batch) {
    return std::any_of(
        batch.entries.begin(), batch.entries.end(),
        [](const ReferenceEntry& entry) { return entry.family >= kFamilies; });
  }

  void ApplyToModel(const ReferenceBatch& batch) {
    using Kind = ModelOperation::Kind;
    for (const ReferenceEntry& entry : batch.entries) {
      Kind kind = Kind::kPut;
      if (entry.type == 0) kind = Kind::kDelete;
      if (entry.type == 2) kind = Kind::kMerge;
      // As there is no flush, all older versions of the key are hidden.
      if (entry.type == 7) kind = Kind::kDelete;
      if (entry.type == 15) kind = Kind::kDeleteRange;
      model_.Apply({kind, Name(entry.family), entry.key, entry.value});
    }
  }

  TestDirectory directory_{TestStorage::kMemory};
  Options options_;
  TestDatabase database_;
  Model model_;
};

TEST_F(MalformedBatchWriteTest, AWriteDoesAllOrLeavesNoByteInTheLog) {
  BatchBytesSource source(TestSeed(), kFamilies);
  uint64_t accepted = 0;
  uint64_t sequence = 0;
  for (int i = 0; i < 3'000; ++i) {
    const std::string bytes = i % 4 == 0 ? source.Sound() : source.Malformed();
    const ReferenceBatch expected = ReferenceParser::Parse(bytes);
    const uint64_t bytes_before = database_->GetMetrics().wal_bytes;
    WriteBatch batch(bytes);
    const Status status = database_->Write({}, &batch);
    ASSERT_EQ(batch.Data(), bytes) << "a write has changed the batch";
    if (expected.verdict == BatchVerdict::kGood &&
        !NamesUnknownFamily(expected)) {
      ASSERT_THAT(status, IsOk()) << Hex(bytes);
      ApplyToModel(expected);
      sequence += expected.entries.size();
      ++accepted;
    } else {
      const Status::Code code = expected.verdict == BatchVerdict::kGood
                                    ? Status::kInvalidArgument
                                    : CodeOf(expected.verdict);
      ASSERT_THAT(status, HasCode(code)) << Hex(bytes);
      ASSERT_EQ(database_->GetMetrics().wal_bytes, bytes_before);
    }
    ASSERT_EQ(database_->GetLatestSequenceNumber(), sequence) << Hex(bytes);
  }
  EXPECT_GT(accepted, 500u);
  EXPECT_EQ(Difference(ContentsOf(model_), database_.ReadAll()), "");
  ASSERT_THAT(database_.Close(), IsOk());
  ASSERT_THAT(database_.Open(options_, directory_.path()), IsOk());
  EXPECT_EQ(Difference(ContentsOf(model_), database_.ReadAll()), "");
  EXPECT_EQ(database_->GetLatestSequenceNumber(), sequence);
}

// A group has one record for all of its members: what is wrong with one of
// them must not be in it.
TEST_F(MalformedBatchWriteTest, NeighboursInAGroupAreNotTouched) {
  constexpr int kThreads = 4;
  constexpr int kWrites = 400;
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([this, thread] {
      BatchBytesSource source(TestSeed() + static_cast<uint64_t>(thread),
                              kFamilies);
      for (int i = 0; i < kWrites; ++i) {
        std::string bytes = source.Malformed();
        while (ReferenceParser::Parse(bytes).verdict == BatchVerdict::kGood) {
          bytes = source.Malformed();
        }
        WriteBatch bad(bytes);
        EXPECT_FALSE(database_->Write({.sync = i % 64 == 0}, &bad).ok());
        WriteBatch good;
        const std::string key =
            std::to_string(thread) + "/" + std::to_string(i);
        EXPECT_THAT(good.Put(key, "value"), IsOk());
        WriteBatch copy(good.Data());
        EXPECT_THAT(database_->Write({.sync = i % 64 == 32}, &copy), IsOk());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  ASSERT_THAT(database_.Close(), IsOk());
  options_.wal_recovery_mode = WALRecoveryMode::kAbsoluteConsistency;
  ASSERT_THAT(database_.Open(options_, directory_.path()), IsOk());
  const Contents found = database_.ReadAll();
  EXPECT_EQ(found.at(kDefaultColumnFamilyName).size(),
            size_t{kThreads} * kWrites);
  EXPECT_EQ(database_->GetLatestSequenceNumber(), uint64_t{kThreads} * kWrites);
}

TEST_F(MalformedBatchWriteTest, AHugeCountTakesNoMemoryAndNoSequenceNumbers) {
  for (const uint32_t count : {uint32_t{1}, uint32_t{1} << 31, UINT32_MAX}) {
    std::string bytes(12, '\0');
    for (size_t i = 0; i < 4; ++i) {
      bytes[8 + i] = static_cast<char>(count >> (8 * i));
    }
    WriteBatch batch(bytes);
    EXPECT_EQ(batch.Count(), count) << "what the header says";
    EXPECT_THAT(database_->Write({}, &batch), HasCode(Status::kCorruption));
  }
  EXPECT_EQ(database_->GetLatestSequenceNumber(), 0u);
}

// The sequence number of a batch is the database's to choose.
TEST_F(MalformedBatchWriteTest, TheSequenceInTheHeaderIsNotBelieved) {
  WriteBatch good;
  ASSERT_THAT(good.Put("key", "value"), IsOk());
  std::string bytes = good.Data();
  bytes[6] = '\x7f';  // Large, and not too large.
  WriteBatch batch(bytes);
  ASSERT_THAT(database_->Write({}, &batch), IsOk());
  EXPECT_EQ(database_->GetLatestSequenceNumber(), 1u);
  ASSERT_THAT(database_.Close(), IsOk());
  ASSERT_THAT(database_.Open(options_, directory_.path()), IsOk());
  EXPECT_EQ(database_->GetLatestSequenceNumber(), 1u);
}

// ---- One batch, several writers.

// Write() only reads a batch, so that threads may share one.
TEST_F(MalformedBatchWriteTest, ABatchMayBeWrittenByManyThreadsAtOnce) {
  constexpr int kThreads = 4;
  constexpr int kWrites = 300;
  WriteBatch shared;
  ASSERT_THAT(shared.Merge("key", "x"), IsOk());
  ASSERT_THAT(shared.Put(database_.Family(Name(1)), "other", "value"), IsOk());
  const std::string before = shared.Data();
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&] {
      for (int i = 0; i < kWrites; ++i) {
        EXPECT_THAT(database_->Write({.sync = i % 100 == 0}, &shared), IsOk());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(shared.Data(), before);
  constexpr size_t kTotal = size_t{kThreads} * kWrites;
  EXPECT_EQ(database_->GetLatestSequenceNumber(), 2 * kTotal);
  ASSERT_THAT(database_.Close(), IsOk());
  ASSERT_THAT(database_.Open(options_, directory_.path()), IsOk());
  std::string value;
  ASSERT_THAT(database_->Get({}, "key", &value), IsOk());
  EXPECT_EQ(value.size(), 2 * kTotal - 1) << "one x a write, and commas";
}

// What a caller does with its memory after a call changes nothing that was
// written: neither the log nor the memtable refers to it.
TEST_F(MalformedBatchWriteTest, ABatchMayChangeAsSoonAsItsWriteReturned) {
  WriteBatch batch;
  std::string key(20, 'k');
  std::string value(3'000, 'v');
  for (int i = 0; i < 200; ++i) {
    const auto letter = static_cast<char>('a' + i % 26);
    key.assign(20, letter);
    key += std::to_string(i);
    value.assign(3'000, letter);
    ASSERT_THAT(batch.Put(key, value), IsOk());
    ASSERT_THAT(database_->Write({}, &batch), IsOk());
    std::fill(key.begin(), key.end(), '!');
    std::fill(value.begin(), value.end(), '!');
    batch.Clear();
  }
  for (const bool is_recovered : {false, true}) {
    if (is_recovered) {
      ASSERT_THAT(database_.Close(), IsOk());
      ASSERT_THAT(database_.Open(options_, directory_.path()), IsOk());
    }
    const Contents found = database_.ReadAll();
    ASSERT_EQ(found.at(kDefaultColumnFamilyName).size(), 200u);
    for (const auto& [found_key, found_value] :
         found.at(kDefaultColumnFamilyName)) {
      ASSERT_EQ(found_value, std::string(3'000, found_key[0]));
    }
  }
}

}  // namespace
}  // namespace paceline
