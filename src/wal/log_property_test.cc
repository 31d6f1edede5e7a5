// Properties of the log format, over random logs: what was written is read,
// and whatever becomes of the bytes, nothing else ever is.

#include <algorithm>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "src/wal/log_reader.h"
#include "src/wal/log_writer.h"
#include "test/support/seed.h"

namespace paceline {
namespace {

using Records = std::vector<std::string>;

constexpr WALRecoveryMode kModes[] = {
    WALRecoveryMode::kTolerateCorruptedTailRecords,
    WALRecoveryMode::kAbsoluteConsistency,
    WALRecoveryMode::kPointInTimeRecovery,
    WALRecoveryMode::kSkipAnyCorruptedRecords,
};

// A file for appending that is a string.
class StringFile final : public WritableFile {
 public:
  explicit StringFile(std::string* bytes) : bytes_(bytes) {}
  Status Append(std::span<const Slice> pieces) override {
    for (const Slice& piece : pieces) {
      bytes_->append(piece.data(), piece.size());
    }
    return Status::OK();
  }
  Status Sync() override { return Status::OK(); }
  Status Close() override { return Status::OK(); }

 private:
  std::string* const bytes_;
};

// A string read from front to back.
class StringReader final : public SequentialFile {
 public:
  explicit StringReader(Slice bytes) : bytes_(bytes) {}
  Status Read(size_t n, Slice* result, char* scratch) override {
    const size_t size = std::min(n, bytes_.size());
    std::memcpy(scratch, bytes_.data(), size);
    *result = Slice(scratch, size);
    bytes_.remove_prefix(size);
    return Status::OK();
  }

 private:
  Slice bytes_;
};

struct Log {
  Records records;
  std::vector<uint64_t> ends;  // Of each record, padding included.
  std::string bytes;
};

struct ReadBack {
  Records records;
  LogReader::Result result;
  Status status;
  bool was_cut_short;
};

ReadBack Read(const std::string& bytes, WALRecoveryMode mode) {
  LogReader reader({.file = std::make_unique<StringReader>(bytes),
                    .path = "log",
                    .log_number = 7},
                   mode);
  ReadBack read;
  Slice record;
  while ((read.result = reader.ReadRecord(&record)) ==
         LogReader::Result::kRecord) {
    read.records.push_back(record.ToString());
  }
  read.status = reader.status();
  read.was_cut_short = reader.was_cut_short();
  return read;
}

class LogPropertyTest : public testing::Test {
 protected:
  // Mostly small; some that end near the end of a block, some of many blocks.
  size_t RandomSize(size_t file_bytes) {
    const size_t block_left = log::kBlockBytes - file_bytes % log::kBlockBytes;
    switch (Below(8)) {
      case 0:  // Leaves 0 to 15 bytes of the block.
        return std::max<size_t>(block_left, 24) - log::kHeaderBytes - Below(16);
      case 1:
        return 1 + Below(4 * log::kBlockBytes);
      case 2:
        return 1 + Below(2000);
      default:
        return 1 + Below(100);
    }
  }

  std::string RandomBytes(size_t size) {
    std::string bytes(size, '\0');
    for (char& c : bytes) c = static_cast<char>(random_());
    return bytes;
  }

  // Cuts `bytes` into pieces, some of them empty.
  std::vector<Slice> RandomPieces(std::string_view bytes) {
    std::vector<Slice> pieces;
    while (!bytes.empty()) {
      const size_t size = std::min<size_t>(bytes.size(), Below(3000));
      pieces.emplace_back(bytes.data(), size);
      bytes.remove_prefix(size);
    }
    return pieces;
  }

  Log RandomLog(size_t records) {
    Log log;
    LogWriter writer(std::make_unique<StringFile>(&log.bytes));
    for (size_t i = 0; i < records; ++i) {
      log.records.push_back(RandomBytes(RandomSize(log.bytes.size())));
      EXPECT_TRUE(writer.AddRecord(RandomPieces(log.records.back())).ok());
      EXPECT_EQ(writer.size(), log.bytes.size());
      log.ends.push_back(writer.size());
    }
    return log;
  }

  uint64_t Below(uint64_t end) { return random_() % end; }

  std::mt19937_64 random_{TestSeed()};
};

// How many records of `log` end at or before `offset`.
size_t CountUpTo(const Log& log, uint64_t offset) {
  return static_cast<size_t>(
      std::upper_bound(log.ends.begin(), log.ends.end(), offset) -
      log.ends.begin());
}

void ExpectPrefix(const ReadBack& read, const Log& log) {
  ASSERT_LE(read.records.size(), log.records.size());
  EXPECT_TRUE(std::equal(read.records.begin(), read.records.end(),
                         log.records.begin()));
}

void ExpectSubsequence(const ReadBack& read, const Log& log) {
  size_t at = 0;
  for (const std::string& record : read.records) {
    while (at < log.records.size() && log.records[at] != record) ++at;
    ASSERT_LT(at++, log.records.size()) << "a record that was never written";
  }
}

TEST_F(LogPropertyTest, WhatWasWrittenIsReadInEveryMode) {
  for (int round = 0; round < 40; ++round) {
    const Log log = RandomLog(1 + Below(40));
    for (WALRecoveryMode mode : kModes) {
      const ReadBack read = Read(log.bytes, mode);
      EXPECT_EQ(read.result, LogReader::Result::kEnd) << read.status.ToString();
      EXPECT_FALSE(read.was_cut_short);
      EXPECT_TRUE(read.records == log.records);
    }
  }
}

TEST_F(LogPropertyTest, EmptyRecordsAreRecords) {
  std::string bytes;
  LogWriter writer(std::make_unique<StringFile>(&bytes));
  ASSERT_TRUE(writer.AddRecord("").ok());
  ASSERT_TRUE(writer.AddRecord("a").ok());
  ASSERT_TRUE(writer.AddRecord(std::span<const Slice>()).ok());
  for (WALRecoveryMode mode : kModes) {
    EXPECT_EQ(Read(bytes, mode).records, Records({"", "a", ""}));
  }
}

TEST_F(LogPropertyTest, ARecordOfEverySizeAtTheEndOfABlockIsRead) {
  // The second record starts at every distance from the end of the block,
  // too short for a header among them.
  for (size_t left = 0; left < 40; ++left) {
    std::string bytes;
    LogWriter writer(std::make_unique<StringFile>(&bytes));
    const Records records = {
        std::string(log::kBlockBytes - log::kHeaderBytes - left, 'a'),
        std::string(20, 'b'), std::string(log::kBlockBytes, 'c')};
    for (const std::string& record : records) {
      ASSERT_TRUE(writer.AddRecord(record).ok());
    }
    const ReadBack read = Read(bytes, WALRecoveryMode::kAbsoluteConsistency);
    EXPECT_TRUE(read.status.ok()) << left << ": " << read.status.ToString();
    EXPECT_TRUE(read.records == records) << left;
  }
}

TEST_F(LogPropertyTest, ALogCutAnywhereLosesOnlyWhatIsBehindTheCut) {
  for (int round = 0; round < 300; ++round) {
    const Log log = RandomLog(1 + Below(12));
    // Half of the cuts near the end of a record.
    uint64_t cut = Below(log.bytes.size() + 1);
    if (Below(2) == 0) {
      const uint64_t end = log.ends[Below(log.ends.size())];
      cut = std::min<uint64_t>(
          end - std::min<uint64_t>(end, Below(12)) + Below(12),
          log.bytes.size());
    }
    const size_t whole = CountUpTo(log, cut);
    const uint64_t boundary = whole == 0 ? 0 : log.ends[whole - 1];
    for (WALRecoveryMode mode : kModes) {
      const ReadBack read = Read(log.bytes.substr(0, cut), mode);
      ExpectPrefix(read, log);
      // One more if only the padding behind it is cut off.
      EXPECT_GE(read.records.size(), whole);
      EXPECT_LE(read.records.size(), whole + 1);
      if (cut == boundary) {
        EXPECT_EQ(read.result, LogReader::Result::kEnd);
        EXPECT_FALSE(read.was_cut_short);
      } else if (mode == WALRecoveryMode::kTolerateCorruptedTailRecords ||
                 mode == WALRecoveryMode::kSkipAnyCorruptedRecords) {
        EXPECT_EQ(read.result, LogReader::Result::kEnd);
      } else if (read.result == LogReader::Result::kError) {
        EXPECT_TRUE(read.status.IsCorruption());
      } else {
        // Only padding is missing, all of it.
        EXPECT_EQ(read.records.size(), whole + 1);
      }
    }
  }
}

TEST_F(LogPropertyTest, AllocatedSpaceBehindTheLastRecordIsNoDamage) {
  for (int round = 0; round < 100; ++round) {
    Log log = RandomLog(1 + Below(12));
    constexpr size_t kPageBytes = 4096;
    const size_t pages = log.bytes.size() / kPageBytes + 1 + Below(40);
    log.bytes.resize(pages * kPageBytes, '\0');
    for (WALRecoveryMode mode : kModes) {
      const ReadBack read = Read(log.bytes, mode);
      EXPECT_EQ(read.result, LogReader::Result::kEnd) << read.status.ToString();
      EXPECT_FALSE(read.was_cut_short);
      EXPECT_TRUE(read.records == log.records);
    }
  }
}

// What a killed process leaves: the last append is partly done, its header's
// length and type are not stored yet, and zeros follow.
TEST_F(LogPropertyTest, AnAppendThatWasKilledIsNotSeen) {
  for (int round = 0; round < 200; ++round) {
    Log log = RandomLog(2 + Below(10));
    const uint64_t start = log.ends[log.ends.size() - 2];
    const uint64_t stored = std::max(
        start + log::kHeaderBytes, start + Below(log.bytes.size() - start + 1));
    std::fill(log.bytes.begin() + static_cast<ptrdiff_t>(stored),
              log.bytes.end(), '\0');
    std::fill_n(log.bytes.begin() + static_cast<ptrdiff_t>(start) + 3, 4, '\0');
    log.bytes.resize((log.bytes.size() / 4096 + 2) * 4096, '\0');
    for (WALRecoveryMode mode : kModes) {
      const ReadBack read = Read(log.bytes, mode);
      ExpectPrefix(read, log);
      EXPECT_EQ(read.records.size(), log.records.size() - 1);
      // All of it in one block: the log simply ends in front of it.
      if (start / log::kBlockBytes ==
          (log.ends.back() - 1) / log::kBlockBytes) {
        EXPECT_EQ(read.result, LogReader::Result::kEnd);
      }
    }
  }
}

TEST_F(LogPropertyTest, DamageNeverYieldsARecordThatWasNotWritten) {
  for (int round = 0; round < 400; ++round) {
    Log log = RandomLog(1 + Below(12));
    const std::string undamaged = log.bytes;
    const size_t at = Below(log.bytes.size());
    switch (Below(4)) {
      case 0:  // One bit.
        log.bytes[at] = static_cast<char>(log.bytes[at] ^ (1 << Below(8)));
        break;
      case 1:  // One byte.
        log.bytes[at] = static_cast<char>(random_());
        break;
      case 2: {  // A sector of zeros.
        const size_t size = std::min<size_t>(512, log.bytes.size() - at);
        std::fill_n(log.bytes.begin() + static_cast<ptrdiff_t>(at), size, '\0');
        break;
      }
      default: {  // Any bytes.
        const size_t size =
            std::min<size_t>(Below(5000), log.bytes.size() - at);
        log.bytes.replace(at, size, RandomBytes(size));
      }
    }
    for (WALRecoveryMode mode : kModes) {
      const ReadBack read = Read(log.bytes, mode);
      ExpectSubsequence(read, log);
      // What lies wholly in front of the damage is always read.
      EXPECT_GE(read.records.size(), CountUpTo(log, at));
      if (mode == WALRecoveryMode::kSkipAnyCorruptedRecords) {
        EXPECT_TRUE(read.status.ok()) << read.status.ToString();
      }
    }
  }
}

TEST_F(LogPropertyTest, GarbageIsReadWithoutFindingRecords) {
  for (int round = 0; round < 200; ++round) {
    const std::string garbage = RandomBytes(Below(3 * log::kBlockBytes));
    for (WALRecoveryMode mode : kModes) {
      EXPECT_TRUE(Read(garbage, mode).records.empty());
    }
  }
}

}  // namespace
}  // namespace paceline
