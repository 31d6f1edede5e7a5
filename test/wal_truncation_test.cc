// Cuts a WAL at every length and flips its bytes, and checks for each recovery
// mode that a reader finds an exact number of whole batches, or Corruption,
// as the log format has it.

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "paceline/db.h"

#include "gtest/gtest.h"
#include "src/db/inspection.h"
#include "test/support/effort.h"
#include "test/support/golden.h"
#include "test/support/model.h"
#include "test/support/test_database.h"
#include "test/support/test_directory.h"

namespace paceline {
namespace {

constexpr uint64_t kBlockBytes = 32768;
constexpr uint64_t kHeaderBytes = 7;
constexpr const char* kOther = "other";

// A database in one directory whose batches are all in one WAL, and what it
// contains after each batch.
class WrittenDatabase {
 public:
  // Batch `i` has entries of about `value_bytes[i]`.
  explicit WrittenDatabase(const std::vector<size_t>& value_bytes) {
    options_.create_if_missing = true;
    options_.create_missing_column_families = true;
    options_.merge_operator = NewStringAppendOperator();
    TestDatabase database;
    EXPECT_THAT(database.Open(options_, directory_.path(), {kOther}), IsOk());
    model_.CreateFamily(kOther);
    states_.push_back(ContentsOf(model_));
    for (size_t i = 0; i < value_bytes.size(); ++i) {
      Write(i, value_bytes[i], &database);
    }
    EXPECT_THAT(database.Close(), IsOk());
    FindRecords();
    EXPECT_EQ(ends_.size(), value_bytes.size());
    EXPECT_EQ(bytes_.size(), ends_.back()) << "Close() leaves nothing behind";
  }

  // What the database contains after `count` batches.
  [[nodiscard]] const Contents& StateAfter(size_t count) const {
    return states_[count];
  }
  // Where each batch's record begins and ends in the WAL.
  [[nodiscard]] const std::vector<uint64_t>& begins() const { return begins_; }
  [[nodiscard]] const std::vector<uint64_t>& ends() const { return ends_; }
  // The bytes of the WAL.
  [[nodiscard]] const std::string& bytes() const { return bytes_; }

  // Gives the WAL these bytes and opens the database for reading. What is
  // found must be `expected`; null: Corruption.
  void ExpectRead(const std::string& wal, WALRecoveryMode mode,
                  const Contents* expected) {
    WriteFileBytes(path_, wal);
    Options options = options_;
    options.wal_recovery_mode = mode;
    TestDatabase database;
    const Status status = database.OpenForReadOnly(options, directory_.path());
    if (expected == nullptr) {
      EXPECT_THAT(status, HasCode(Status::kCorruption));
      return;
    }
    ASSERT_THAT(status, IsOk());
    EXPECT_EQ(Difference(*expected, database.ReadAll()), "");
  }

  // Cuts the WAL and opens the database read-write in `mode`. If it opens,
  // what it contains and what is written then must stay for all modes.
  void CutAndWrite(uint64_t length, WALRecoveryMode mode) {
    WriteFileBytes(path_, bytes_.substr(0, length));
    Options options = options_;
    options.wal_recovery_mode = mode;
    Contents contents;
    {
      TestDatabase database;
      if (!database.Open(options, directory_.path()).ok()) return;
      ASSERT_THAT(database->Put({}, "new", "entry"), IsOk());
      contents = database.ReadAll();
    }
    for (const NamedRecoveryMode& later : kRecoveryModes) {
      options.wal_recovery_mode = later.mode;
      TestDatabase database;
      ASSERT_THAT(database.OpenForReadOnly(options, directory_.path()), IsOk())
          << later.name;
      EXPECT_EQ(Difference(contents, database.ReadAll()), "") << later.name;
    }
  }

  // The state in which only the batches in `kept` were written.
  [[nodiscard]] Contents StateWith(const std::vector<bool>& kept) const {
    Model model;
    model.CreateFamily(kOther);
    for (size_t i = 0; i < kept.size(); ++i) {
      if (kept[i]) model.Apply(batches_[i]);
    }
    return ContentsOf(model);
  }

 private:
  void Write(size_t number, size_t value_bytes, TestDatabase* database) {
    using Kind = ModelOperation::Kind;
    const std::string id = std::to_string(100 + number);
    const std::string value(value_bytes, static_cast<char>('a' + number % 26));
    batches_.push_back({
        {Kind::kPut, "default", "key" + id, value},
        {Kind::kPut, kOther, "key" + id, id},
        {Kind::kMerge, "default", "log", id},
        {Kind::kDelete, kOther, "key" + std::to_string(98 + number), ""},
        {Kind::kDeleteRange, "default", "key" + std::to_string(90 + number),
         "key" + std::to_string(95 + number)},
    });
    WriteBatch batch;
    for (const ModelOperation& operation : batches_.back()) {
      ASSERT_THAT(
          AddToBatch(operation, database->Family(operation.family), &batch),
          IsOk());
    }
    ASSERT_THAT((*database)->Write({}, &batch), IsOk());
    model_.Apply(batches_.back());
    states_.push_back(ContentsOf(model_));
  }

  void FindRecords() {
    const Status status = ReadWals(
        FileSystem::Default(), directory_.path(),
        [&](const WalRecord& record) {
          EXPECT_TRUE(path_.empty() || path_ == record.path);
          path_ = record.path;
          // The WAL begins with a note.
          if (record.count == 0) return Status::OK();
          begins_.push_back(record.offset);
          ends_.push_back(EndOf(record.offset, record.contents.size()));
          return Status::OK();
        },
        [](const LogDamage& damage) { FAIL() << damage.reason; });
    EXPECT_THAT(status, IsOk());
    bytes_ = ReadFileBytes(path_);
  }

  // Where a record of `size` bytes ends if its first header is at `begin`.
  static uint64_t EndOf(uint64_t begin, uint64_t size) {
    uint64_t end = begin;
    while (true) {
      const uint64_t block_left = kBlockBytes - end % kBlockBytes;
      if (block_left < kHeaderBytes) {
        end += block_left;
        continue;
      }
      const uint64_t fragment = std::min(size, block_left - kHeaderBytes);
      end += kHeaderBytes + fragment;
      size -= fragment;
      if (size == 0) return end;
    }
  }

  TestDirectory directory_{TestStorage::kMemory};
  Options options_;
  Model model_;
  std::vector<std::vector<ModelOperation>> batches_;
  std::vector<Contents> states_;
  std::string path_;
  std::string bytes_;
  std::vector<uint64_t> begins_;
  std::vector<uint64_t> ends_;
};

// Batches in one block of the WAL.
std::vector<size_t> SmallBatches() {
  return {1, 40, 0, 130, 7, 20, 300, 3, 55, 10};
}

// Records that span blocks, one that begins in a block with only a header
// left, and one that ends near a block's end.
std::vector<size_t> LargeBatches() {
  return {10, 32'500, 20, 70'000, 100, 28'000, 50, 60, 1'000, 40'000, 5};
}

class WalTruncationTest : public testing::TestWithParam<NamedRecoveryMode> {
 protected:
  // Reads the WAL cut to `length` bytes.
  static void Cut(WrittenDatabase* database, uint64_t length) {
    SCOPED_TRACE("cut to " + std::to_string(length) + " bytes");
    const auto& begins = database->begins();
    const auto& ends = database->ends();
    const size_t whole = static_cast<size_t>(
        std::upper_bound(ends.begin(), ends.end(), length) - ends.begin());
    const bool is_at_boundary =
        length == 0 || std::count(ends.begin(), ends.end(), length) > 0 ||
        std::count(begins.begin(), begins.end(), length) > 0;
    const bool is_refused =
        GetParam().mode == WALRecoveryMode::kAbsoluteConsistency &&
        !is_at_boundary;
    database->ExpectRead(database->bytes().substr(0, length), GetParam().mode,
                         is_refused ? nullptr : &database->StateAfter(whole));
  }
};

TEST_P(WalTruncationTest, EveryCutLeavesAnExactPrefixOfTheBatches) {
  WrittenDatabase database(SmallBatches());
  const uint64_t stride = kIsSanitized ? 7 : 1;
  for (uint64_t length = 0; length <= database.bytes().size();
       length += stride) {
    Cut(&database, length);
    ASSERT_FALSE(HasFailure());
  }
}

TEST_P(WalTruncationTest, CutsAroundBlocksAndRecordsLeaveAnExactPrefix) {
  WrittenDatabase database(LargeBatches());
  const uint64_t size = database.bytes().size();
  std::vector<uint64_t> centres = database.begins();
  centres.insert(centres.end(), database.ends().begin(), database.ends().end());
  for (uint64_t block = 0; block <= size; block += kBlockBytes) {
    centres.push_back(block);
  }
  const int radius = kIsSanitized ? 8 : 16;
  for (const uint64_t centre : centres) {
    for (int offset = -radius; offset <= radius; ++offset) {
      const uint64_t length = centre + static_cast<uint64_t>(offset);
      if (length > size) continue;
      Cut(&database, length);
      ASSERT_FALSE(HasFailure());
    }
  }
}

// How a reader sees a WAL with one changed byte.
enum class DamageKind {
  kTail,      // A record that is longer than what is left of the file.
  kChecksum,  // A record whose bytes are wrong.
};

// `offset` is of the damaged byte, in the record that begins at `begin`; the
// WAL is `wal` with the change and ends in its first block.
DamageKind KindOf(const std::string& wal, uint64_t begin) {
  const auto byte = [&](uint64_t at) {
    return static_cast<uint64_t>(static_cast<unsigned char>(wal[begin + at]));
  };
  const uint64_t length = byte(4) | byte(5) << 8;
  return begin + kHeaderBytes + length > wal.size() ? DamageKind::kTail
                                                    : DamageKind::kChecksum;
}

TEST_P(WalTruncationTest, EveryChangedByteIsNoticed) {
  WrittenDatabase database(SmallBatches());
  const std::string& bytes = database.bytes();
  const WALRecoveryMode mode = GetParam().mode;
  size_t record = 0;
  const uint64_t stride = kIsSanitized ? 11 : 1;
  for (uint64_t offset = 0; offset < bytes.size(); offset += stride) {
    while (offset >= database.ends()[record]) ++record;
    const bool is_in_note = offset < database.begins().front();
    const uint64_t begin = is_in_note ? 0 : database.begins()[record];
    for (const char mask : {'\x01', '\x80', '\xff'}) {
      SCOPED_TRACE("byte " + std::to_string(offset) + " of record " +
                   std::to_string(record) + ", mask " +
                   Slice(&mask, 1).ToString(true));
      std::string wal = bytes;
      wal[offset] = static_cast<char>(wal[offset] ^ mask);
      const bool is_refused =
          mode == WALRecoveryMode::kAbsoluteConsistency ||
          (mode == WALRecoveryMode::kTolerateCorruptedTailRecords &&
           KindOf(wal, begin) == DamageKind::kChecksum);
      database.ExpectRead(wal, mode,
                          is_refused ? nullptr : &database.StateAfter(record));
      ASSERT_FALSE(HasFailure());
    }
  }
}

// One wrong byte in the payload of a fragment.
TEST_P(WalTruncationTest, OnlyTheSkippingModeReadsBehindDamage) {
  WrittenDatabase database(LargeBatches());
  const auto& begins = database.begins();
  const auto& ends = database.ends();
  for (uint64_t offset = 100; offset < database.bytes().size();
       offset += kIsSanitized ? 9'973 : 1'009) {
    const uint64_t block_end = (offset / kBlockBytes + 1) * kBlockBytes;
    size_t damaged = 0;
    while (ends[damaged] <= offset) ++damaged;
    // Offsets in a header or in the padding are other kinds of damage.
    if (offset < begins[damaged] + kHeaderBytes ||
        offset % kBlockBytes < kHeaderBytes) {
      continue;
    }
    std::string wal = database.bytes();
    wal[offset] = static_cast<char>(wal[offset] ^ 0x10);
    std::vector<bool> kept(ends.size());
    for (size_t i = 0; i < ends.size(); ++i) {
      kept[i] = i < damaged || begins[i] >= block_end;
    }
    SCOPED_TRACE("byte " + std::to_string(offset));
    const Contents skipped = database.StateWith(kept);
    if (GetParam().mode == WALRecoveryMode::kSkipAnyCorruptedRecords) {
      database.ExpectRead(wal, GetParam().mode, &skipped);
    } else if (GetParam().mode == WALRecoveryMode::kPointInTimeRecovery) {
      database.ExpectRead(wal, GetParam().mode, &database.StateAfter(damaged));
    } else {
      database.ExpectRead(wal, GetParam().mode, nullptr);
    }
    ASSERT_FALSE(HasFailure());
  }
}

TEST_P(WalTruncationTest, ZerosBehindTheLastRecordAreNotDamage) {
  WrittenDatabase database(SmallBatches());
  const Contents& all = database.StateAfter(SmallBatches().size());
  for (const size_t zeros : {7, 8, 100, 4096, 70'000, 1 << 20}) {
    SCOPED_TRACE(std::to_string(zeros) + " zeros");
    // Up to 6 zeros at the end would be a torn header; see the format.
    std::string wal = database.bytes() + std::string(zeros, '\0');
    if (wal.size() % kBlockBytes < kHeaderBytes) wal.resize(wal.size() + 7);
    database.ExpectRead(wal, GetParam().mode, &all);
  }
}

// After a recovery that dropped something, nothing may be lost any more.
TEST_P(WalTruncationTest, AWriteAfterACutStays) {
  const uint64_t size = WrittenDatabase(SmallBatches()).bytes().size();
  for (uint64_t length = 0; length < size; length += kIsSanitized ? 331 : 61) {
    SCOPED_TRACE("cut to " + std::to_string(length) + " bytes");
    WrittenDatabase(SmallBatches()).CutAndWrite(length, GetParam().mode);
    ASSERT_FALSE(HasFailure());
  }
}

// The end of the older one is missing between two records, which nothing in it
// shows.
TEST_P(WalTruncationTest, TheFirstWalOfAnOpenNeedsTheOnesBeforeItWhole) {
  const TestDirectory directory(TestStorage::kMemory);
  Options options;
  options.create_if_missing = true;
  for (const std::vector<std::string>& keys :
       std::vector<std::vector<std::string>>{{"1", "2"}, {"3"}}) {
    TestDatabase database;
    ASSERT_THAT(database.Open(options, directory.path()), IsOk());
    for (const std::string& key : keys) {
      ASSERT_THAT(database->Put({}, key, ""), IsOk());
    }
  }
  std::vector<WalRecord> records;
  ASSERT_THAT(ReadWals(
                  FileSystem::Default(), directory.path(),
                  [&](const WalRecord& record) {
                    records.push_back(record);
                    return Status::OK();
                  },
                  [](const LogDamage& damage) { FAIL() << damage.reason; }),
              IsOk());
  ASSERT_EQ(records.size(), 5U) << "two and one, and a note before each";
  const WalRecord& lost = records[2];
  ASSERT_NE(lost.path, records[3].path);
  WriteFileBytes(lost.path, ReadFileBytes(lost.path).substr(0, lost.offset));

  options.wal_recovery_mode = GetParam().mode;
  TestDatabase database;
  const Status status = database.OpenForReadOnly(options, directory.path());
  Contents contents;
  switch (GetParam().mode) {
    case WALRecoveryMode::kTolerateCorruptedTailRecords:
    case WALRecoveryMode::kAbsoluteConsistency:
      EXPECT_THAT(status, HasCode(Status::kCorruption));
      return;
    case WALRecoveryMode::kPointInTimeRecovery:
      contents = {{"default", {{"1", ""}}}};
      break;
    case WALRecoveryMode::kSkipAnyCorruptedRecords:
      contents = {{"default", {{"1", ""}, {"3", ""}}}};
      break;
  }
  ASSERT_THAT(status, IsOk());
  EXPECT_EQ(Difference(contents, database.ReadAll()), "");
}

INSTANTIATE_TEST_SUITE_P(Mode, WalTruncationTest,
                         testing::ValuesIn(kRecoveryModes),
                         [](const auto& parameter) {
                           return parameter.param.name;
                         });

}  // namespace
}  // namespace paceline
