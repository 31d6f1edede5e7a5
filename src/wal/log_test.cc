// LogWriter and LogReader: the framing byte by byte, and every event that
// docs/file_formats.md tabulates, in each of the four recovery modes.

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "src/base/crc32c.h"
#include "src/format/batch_reader.h"
#include "src/wal/log_reader.h"
#include "src/wal/log_writer.h"
#include "test/support/test_directory.h"

namespace paceline {
namespace {

using log::kBlockBytes;
using log::kHeaderBytes;
using log::kRecyclableHeaderBytes;
using testing::HasSubstr;

constexpr uint64_t kLogNumber = 5;
constexpr uint64_t kOtherLogNumber = 4;

struct NamedMode {
  const char* name;
  WALRecoveryMode mode;
};
constexpr NamedMode kModes[] = {
    {"tolerate", WALRecoveryMode::kTolerateCorruptedTailRecords},
    {"absolute", WALRecoveryMode::kAbsoluteConsistency},
    {"pit", WALRecoveryMode::kPointInTimeRecovery},
    {"skip", WALRecoveryMode::kSkipAnyCorruptedRecords},
};

// "de ad" as two bytes.
std::string FromHex(std::string_view hex) {
  std::string bytes;
  std::string digits;
  for (char c : hex) {
    if (c == ' ' || c == '\n') continue;
    digits += c;
    if (digits.size() < 2) continue;
    bytes += static_cast<char>(std::stoi(digits, nullptr, 16));
    digits.clear();
  }
  return bytes;
}

// The log with one batch: sequence 1, put foo = bar.
const std::string kClassicVector = FromHex(
    "af bf eb 5e 15 00 01 01 00 00 00 00 00 00 00 01"
    "00 00 00 01 03 66 6f 6f 03 62 61 72");
// The same as a recyclable record of log 5.
const std::string kRecyclableVector = FromHex(
    "af 9d 56 80 15 00 05 05 00 00 00 01 00 00 00 00"
    "00 00 00 01 00 00 00 01 03 66 6f 6f 03 62 61 72");

template <typename Integer>
void PutInteger(std::string* to, Integer value) {
  to->append(reinterpret_cast<const char*>(&value), sizeof(value));
}

// One physical record, as the format says.
std::string PhysicalRecord(uint8_t type, std::string_view payload,
                           const uint32_t* log_number = nullptr) {
  std::string checked(1, static_cast<char>(type));
  if (log_number != nullptr) PutInteger(&checked, *log_number);
  checked += payload;
  std::string record;
  PutInteger(&record,
             crc32c::Mask(crc32c::Value(checked.data(), checked.size())));
  PutInteger(&record, static_cast<uint16_t>(payload.size()));
  return record + checked;
}

// A log made by hand, record by record.
class Log {
 public:
  Log& Classic(uint8_t type, std::string_view payload) {
    return Raw(PhysicalRecord(type, payload));
  }
  Log& Recyclable(uint8_t type, std::string_view payload,
                  uint32_t log_number = kLogNumber) {
    return Raw(PhysicalRecord(type, payload, &log_number));
  }
  // A whole record whose stored checksum is wrong.
  Log& BadCrc(std::string record) {
    record[0] = static_cast<char>(record[0] ^ 1);
    return Raw(record);
  }
  // A header that claims `length` bytes of payload.
  Log& Header(uint8_t type, uint16_t length) {
    std::string header = "crc?";
    PutInteger(&header, length);
    header += static_cast<char>(type);
    return Raw(header);
  }
  Log& Raw(std::string_view bytes) {
    bytes_ += bytes;
    return *this;
  }
  // Up to the end of the block, or to `left` bytes before it.
  Log& FillBlock(char fill, size_t left = 0) {
    bytes_.append(BlockLeft() - left, fill);
    return *this;
  }
  // A kFull (or kRecyclableFull) record of 'x' that leaves `left` bytes.
  Log& FullUpTo(size_t left) {
    return Classic(log::kFull,
                   std::string(BlockLeft() - left - kHeaderBytes, 'x'));
  }
  Log& RecyclableFullUpTo(size_t left) {
    return Recyclable(
        log::kRecyclableFull,
        std::string(BlockLeft() - left - kRecyclableHeaderBytes, 'x'));
  }

  [[nodiscard]] const std::string& bytes() const { return bytes_; }
  [[nodiscard]] size_t size() const { return bytes_.size(); }

 private:
  [[nodiscard]] size_t BlockLeft() const {
    return kBlockBytes - bytes_.size() % kBlockBytes;
  }

  std::string bytes_;
};

// The framing of whole logical records, as the format says.
std::string Framed(const std::vector<std::string>& records) {
  std::string bytes;
  for (const std::string& record : records) {
    size_t done = 0;
    bool is_first = true;
    bool is_last = false;
    while (!is_last) {
      size_t left = kBlockBytes - bytes.size() % kBlockBytes;
      if (left < kHeaderBytes) {
        bytes.append(left, '\0');
        left = kBlockBytes;
      }
      const size_t length = std::min(left - kHeaderBytes, record.size() - done);
      is_last = done + length == record.size();
      const uint8_t type = is_first ? (is_last ? log::kFull : log::kFirst)
                                    : (is_last ? log::kLast : log::kMiddle);
      bytes += PhysicalRecord(type, record.substr(done, length));
      done += length;
      is_first = false;
    }
  }
  return bytes;
}

class StringReader final : public SequentialFile {
 public:
  explicit StringReader(std::string bytes) : bytes_(std::move(bytes)) {}
  Status Read(size_t n, Slice* result, char* scratch) override {
    const size_t size = std::min(n, bytes_.size() - position_);
    std::memcpy(scratch, bytes_.data() + position_, size);
    *result = Slice(scratch, size);
    position_ += size;
    return Status::OK();
  }

 private:
  const std::string bytes_;
  size_t position_ = 0;
};

LogReader ReaderOf(const std::string& bytes, WALRecoveryMode mode,
                   uint64_t log_number = kLogNumber) {
  return {{.file = std::make_unique<StringReader>(bytes),
           .path = "the.log",
           .log_number = log_number},
          mode};
}

// What a reader makes of a log, as text: the records (long ones shortened to
// their first byte and length), how it ends, and the flags.
std::string Outcome(const std::string& bytes, WALRecoveryMode mode) {
  LogReader reader = ReaderOf(bytes, mode);
  std::string outcome;
  Slice record;
  LogReader::Result result;
  while ((result = reader.ReadRecord(&record)) == LogReader::Result::kRecord) {
    outcome += record.size() < 20 ? record.ToString()
                                  : record.ToString().substr(0, 1) + "*" +
                                        std::to_string(record.size());
    outcome += ' ';
  }
  if (result == LogReader::Result::kEnd) {
    EXPECT_TRUE(reader.status().ok());
    outcome += "end";
  } else {
    EXPECT_THAT(std::string(reader.status().message()), HasSubstr("the.log"));
    outcome += reader.status().IsCorruption()     ? "damage"
               : reader.status().IsNotSupported() ? "not supported"
                                                  : "other error";
    EXPECT_THAT(std::string(reader.status().message()),
                HasSubstr("at offset " + std::to_string(reader.offset())));
    outcome += '@' + std::to_string(reader.offset());
  }
  if (reader.was_cut_short()) outcome += " cut";
  if (reader.ended_at_other_log()) outcome += " other";
  // It stays over.
  EXPECT_EQ(reader.ReadRecord(&record), result);
  return outcome;
}

struct Expected {
  std::string tolerate;
  std::string absolute_and_pit;
  std::string skip;
};

void ExpectOutcomes(const Log& log, const Expected& expected) {
  EXPECT_EQ(Outcome(log.bytes(), kModes[0].mode), expected.tolerate);
  EXPECT_EQ(Outcome(log.bytes(), kModes[1].mode), expected.absolute_and_pit);
  EXPECT_EQ(Outcome(log.bytes(), kModes[2].mode), expected.absolute_and_pit);
  EXPECT_EQ(Outcome(log.bytes(), kModes[3].mode), expected.skip);
}
void ExpectOutcomes(const Log& log, const std::string& in_every_mode) {
  ExpectOutcomes(log, {in_every_mode, in_every_mode, in_every_mode});
}
std::string DamageAt(const std::string& records, size_t offset) {
  return records + "damage@" + std::to_string(offset) + " cut";
}

// ---- The writer.

class StringFile final : public WritableFile {
 public:
  using WritableFile::Append;
  Status Append(std::span<const Slice> pieces) override {
    for (const Slice& piece : pieces) bytes_ += piece.ToStringView();
    return result_;
  }
  Status Sync() override { return result_; }
  Status Close() override { return result_; }

  std::string bytes_;
  Status result_;
};

std::string Written(const std::vector<std::string>& records) {
  auto file = std::make_unique<StringFile>();
  const StringFile& written = *file;
  LogWriter writer(std::move(file));
  for (const std::string& record : records) {
    EXPECT_TRUE(writer.AddRecord(record).ok());
  }
  EXPECT_EQ(writer.size(), written.bytes_.size());
  return written.bytes_;
}

TEST(LogWriterTest, ALogWithOneBatchHasTheBytesOfTheFormat) {
  EXPECT_EQ(Written({kClassicVector.substr(kHeaderBytes)}), kClassicVector);
}

TEST(LogWriterTest, AnEmptyRecordIsOneFullRecordOfLengthZero) {
  EXPECT_EQ(Written({""}), PhysicalRecord(log::kFull, ""));
}

// Around the end of a block every count of bytes that can be left, and records
// that end around the end of the next blocks.
std::vector<std::string> RecordsAroundBlockEnds(size_t left, size_t more) {
  return {std::string(kBlockBytes - kHeaderBytes - left, 'a'),
          std::string(more, 'b'), std::string(3, 'c'), ""};
}
const std::vector<size_t> kSizes = {0,
                                    1,
                                    6,
                                    7,
                                    8,
                                    13,
                                    14,
                                    15,
                                    kBlockBytes - 2 * kHeaderBytes - 1,
                                    kBlockBytes - 2 * kHeaderBytes,
                                    kBlockBytes - 2 * kHeaderBytes + 1,
                                    kBlockBytes - kHeaderBytes - 1,
                                    kBlockBytes - kHeaderBytes,
                                    kBlockBytes - kHeaderBytes + 1,
                                    kBlockBytes - 1,
                                    kBlockBytes,
                                    kBlockBytes + 1,
                                    2 * (kBlockBytes - kHeaderBytes),
                                    2 * (kBlockBytes - kHeaderBytes) + 1,
                                    3 * kBlockBytes};

// The padding of a block may come with the record before it, or with the one
// behind: readers cannot tell.
std::string WithoutPaddingAtEnd(std::string bytes, size_t framed_size) {
  EXPECT_LT(bytes.size() - framed_size, kHeaderBytes);
  bytes.resize(framed_size);
  return bytes;
}

TEST(LogWriterTest, RecordsOfEverySizeAroundBlockEndsAreFramedByTheFormat) {
  for (size_t left = 0; left <= 16; ++left) {
    for (size_t size : kSizes) {
      const auto records = RecordsAroundBlockEnds(left, size);
      const std::string framed = Framed(records);
      ASSERT_EQ(WithoutPaddingAtEnd(Written(records), framed.size()), framed)
          << left << " bytes left, then " << size;
    }
  }
}

TEST(LogWriterTest, PiecesAreOneRecord) {
  auto file = std::make_unique<StringFile>();
  const StringFile& written = *file;
  LogWriter writer(std::move(file));
  const std::string large(kBlockBytes, 'x');
  const Slice pieces[] = {"", "one", "", large, "two", ""};
  ASSERT_TRUE(writer.AddRecord(pieces).ok());
  EXPECT_EQ(written.bytes_, Framed({"one" + large + "two"}));
}

TEST(LogWriterTest, TheFilesErrorsAreReturned) {
  auto file = std::make_unique<StringFile>();
  file->result_ = Status::NoSpace("the disk is full");
  LogWriter writer(std::move(file));
  EXPECT_TRUE(writer.AddRecord("record").IsNoSpace());
  EXPECT_TRUE(writer.Sync().IsNoSpace());
  EXPECT_TRUE(writer.Close().IsNoSpace());
}

TEST(LogRoundTripTest, RecordsOfEverySizeAroundBlockEndsAreReadFromFiles) {
  TestDirectory directory;
  FileSystem* files = FileSystem::Default();
  int number = 0;
  for (bool is_mapped : {false, true}) {
    for (size_t left = 0; left <= 16; ++left) {
      const std::string path = directory / std::to_string(++number);
      auto file = files->NewWritableFile(
          path, {.preallocate_bytes = is_mapped ? uint64_t{1} << 16 : 0,
                 .allow_mmap = is_mapped});
      ASSERT_TRUE(file.ok()) << file.status().ToString();
      LogWriter writer(*std::move(file));
      std::vector<std::string> records;
      for (size_t size : kSizes) {
        for (std::string& record : RecordsAroundBlockEnds(left, size)) {
          ASSERT_TRUE(writer.AddRecord(record).ok());
          records.push_back(std::move(record));
        }
      }
      ASSERT_TRUE(writer.Close().ok());
      for (const NamedMode& mode : kModes) {
        auto source = files->NewSequentialFile(path);
        ASSERT_TRUE(source.ok());
        LogReader reader(
            {.file = *std::move(source), .path = path, .log_number = 1},
            mode.mode);
        Slice record;
        for (const std::string& expected : records) {
          ASSERT_EQ(reader.ReadRecord(&record), LogReader::Result::kRecord);
          ASSERT_TRUE(record == Slice(expected));
        }
        EXPECT_EQ(reader.ReadRecord(&record), LogReader::Result::kEnd);
        EXPECT_FALSE(reader.was_cut_short());
      }
    }
  }
}

// ---- The reader: what is well-formed.

TEST(LogReaderTest, TheLogsWithOneBatchAreRead) {
  for (const std::string& bytes : {kClassicVector, kRecyclableVector}) {
    for (const NamedMode& mode : kModes) {
      LogReader reader = ReaderOf(bytes, mode.mode);
      Slice record;
      ASSERT_EQ(reader.ReadRecord(&record), LogReader::Result::kRecord);
      BatchReader batch(record);
      BatchEntry entry;
      ASSERT_TRUE(batch.Next(&entry));
      EXPECT_EQ(batch.sequence(), 1u);
      EXPECT_EQ(entry.key, "foo");
      EXPECT_EQ(entry.value, "bar");
      EXPECT_FALSE(batch.Next(&entry));
      EXPECT_EQ(reader.ReadRecord(&record), LogReader::Result::kEnd);
      EXPECT_FALSE(reader.was_cut_short());
    }
  }
}

TEST(LogReaderTest, AnEmptyFileHasNoRecords) { ExpectOutcomes(Log(), "end"); }

TEST(LogReaderTest, TheOffsetIsWhereARecordBegins) {
  Log log;
  log.FullUpTo(20);
  const size_t second = log.size();
  log.Classic(log::kFirst, "abcdefghijklm").Classic(log::kLast, "n");
  const size_t third = log.size();
  log.Classic(log::kFull, "third");
  LogReader reader = ReaderOf(log.bytes(), kModes[0].mode);
  Slice record;
  for (size_t offset : {size_t{0}, second, third}) {
    ASSERT_EQ(reader.ReadRecord(&record), LogReader::Result::kRecord);
    EXPECT_EQ(reader.offset(), offset);
  }
}

TEST(LogReaderTest, RecyclableFragmentsAreOneRecord) {
  Log log;
  log.Recyclable(log::kRecyclableFirst, "one ")
      .Recyclable(log::kRecyclableMiddle, "two ")
      .Recyclable(log::kRecyclableMiddle, "")
      .Recyclable(log::kRecyclableLast, "three")
      .Recyclable(log::kRecyclableFull, "four");
  ExpectOutcomes(log, "one two three four end");
}

TEST(LogReaderTest, OnlyTheLowHalfOfALogNumberIsStored) {
  Log log;
  log.Recyclable(log::kRecyclableFull, "record", 7);
  LogReader reader =
      ReaderOf(log.bytes(), kModes[1].mode, (uint64_t{1} << 32) + 7);
  Slice record;
  EXPECT_EQ(reader.ReadRecord(&record), LogReader::Result::kRecord);
}

TEST(LogReaderTest, UpToTenZerosEndABlockOfARecycledLog) {
  for (size_t left = 0; left <= 10; ++left) {
    Log log;
    log.RecyclableFullUpTo(left).FillBlock('\0', left == 0 ? kBlockBytes : 0);
    log.Recyclable(log::kRecyclableFull, "two");
    ExpectOutcomes(
        log, "x*" +
                 std::to_string(kBlockBytes - kRecyclableHeaderBytes - left) +
                 " two end");
  }
}

TEST(LogReaderTest, FewerThanSevenBytesAtTheEndOfAFullBlockMayHoldAnything) {
  for (size_t left = 1; left < kHeaderBytes; ++left) {
    Log log;
    log.FullUpTo(left).FillBlock('\xee').Classic(log::kFull, "two");
    ExpectOutcomes(
        log,
        "x*" + std::to_string(kBlockBytes - kHeaderBytes - left) + " two end");
  }
}

TEST(LogReaderTest, KnownMetadataIsPassedOver) {
  Log log;
  log.Classic(log::kPredecessor, std::string(24, 'p'))
      .Classic(log::kTimestampSizes, std::string(12, '\0'))
      .Classic(log::kFirst, "one ")
      .Classic(log::kLast, "two")
      .Classic(255, "from the future");
  ExpectOutcomes(log, "one two end");
  Log recyclable;
  recyclable.Recyclable(log::kRecyclablePredecessor, std::string(24, 'p'))
      .Recyclable(log::kRecyclableTimestampSizes, std::string(6, '\0'))
      .Recyclable(log::kRecyclableFull, "one");
  ExpectOutcomes(recyclable, "one end");
}

TEST(LogReaderTest, CompressedLogsAreNotSupportedInAnyMode) {
  Log log;
  log.Classic(log::kCompressionType, std::string("\7\0\0\0", 4))
      .Classic(log::kFull, "chunk");
  ExpectOutcomes(log, "not supported@0");
}

TEST(LogReaderTest, LogsWithUserTimestampsAreNotSupportedInAnyMode) {
  const std::string sizes("\0\0\0\0\0\0\1\0\0\0\10\0", 12);
  Log log;
  log.Classic(log::kTimestampSizes, sizes).Classic(log::kFull, "record");
  ExpectOutcomes(log, "not supported@0");
  Log recyclable;
  recyclable.Recyclable(log::kRecyclableTimestampSizes, sizes);
  ExpectOutcomes(recyclable, "not supported@0");
}

TEST(LogReaderTest, AFailedReadIsAnErrorInEveryMode) {
  class FailingFile final : public SequentialFile {
   public:
    Status Read(size_t n, Slice* result, char* scratch) override {
      if (++reads_ > 1) return Status::IOError("cannot read", "the.log");
      const std::string block = Log().FullUpTo(0).bytes();
      std::memcpy(scratch, block.data(), n);
      *result = Slice(scratch, n);
      return Status::OK();
    }

   private:
    int reads_ = 0;
  };
  for (const NamedMode& mode : kModes) {
    LogReader reader({.file = std::make_unique<FailingFile>(),
                      .path = "the.log",
                      .log_number = 1},
                     mode.mode);
    Slice record;
    EXPECT_EQ(reader.ReadRecord(&record), LogReader::Result::kRecord);
    EXPECT_EQ(reader.ReadRecord(&record), LogReader::Result::kError);
    EXPECT_TRUE(reader.status().IsIOError());
    EXPECT_EQ(reader.offset(), kBlockBytes);
    EXPECT_EQ(reader.ReadRecord(&record), LogReader::Result::kError);
  }
}

// ---- The table of events; each test is a row.

TEST(LogEventTest, RowATheEndAtARecordBoundaryIsTheEnd) {
  Log log;
  log.Classic(log::kFull, "one").Classic(log::kFull, "two");
  ExpectOutcomes(log, "one two end");
  Log full_block;
  full_block.FullUpTo(0);
  ASSERT_EQ(full_block.size(), kBlockBytes);
  ExpectOutcomes(full_block, "x*32761 end");
}

TEST(LogEventTest, RowBTooFewBytesForAHeaderAreATornTail) {
  for (size_t left = 1; left < kHeaderBytes; ++left) {
    for (char fill : {'\0', 'x'}) {
      Log log;
      log.Classic(log::kFull, "one");
      const size_t offset = log.size();
      log.Raw(std::string(left, fill));
      ExpectOutcomes(log,
                     {"one end cut", DamageAt("one ", offset), "one end cut"});
    }
  }
}

TEST(LogEventTest, RowBTooFewBytesForARecyclableHeaderAreATornTail) {
  for (size_t left = kHeaderBytes; left < kRecyclableHeaderBytes; ++left) {
    Log log;
    log.Recyclable(log::kRecyclableFull, "one");
    const size_t offset = log.size();
    log.Header(log::kRecyclableFull, 0)
        .Raw(std::string(left - kHeaderBytes, 0));
    ExpectOutcomes(log,
                   {"one end cut", DamageAt("one ", offset), "one end cut"});
  }
}

TEST(LogEventTest, RowCALengthPastTheEndOfTheLastBlockIsATornTail) {
  for (size_t missing : {1, 2, 3}) {
    Log log;
    log.Classic(log::kFull, "one");
    const size_t offset = log.size();
    const std::string record = PhysicalRecord(log::kFull, "two");
    log.Raw(record.substr(0, record.size() - missing));
    ExpectOutcomes(log,
                   {"one end cut", DamageAt("one ", offset), "one end cut"});
  }
  Log garbage;
  garbage.Header(log::kFull, 0xffff).Raw("more than a block follows?");
  ExpectOutcomes(garbage, {"end cut", DamageAt("", 0), "end cut"});
}

TEST(LogEventTest, RowDAFragmentWithoutItsLastIsDroppedAtTheEnd) {
  Log boundary;
  boundary.Classic(log::kFull, "one").Classic(log::kFirst, "two");
  const size_t end = boundary.size();
  ExpectOutcomes(boundary,
                 {"one end cut", DamageAt("one ", end), "one end cut"});

  Log short_header = boundary;
  short_header.Raw("abc");
  ExpectOutcomes(short_header,
                 {"one end cut", DamageAt("one ", end), "one end cut"});

  Log torn = boundary;
  torn.Header(log::kLast, 100).Raw("abc");
  ExpectOutcomes(torn, {"one end cut", DamageAt("one ", end), "one end cut"});

  Log block_end;
  block_end.Classic(log::kFirst, std::string(kBlockBytes - kHeaderBytes, 'x'));
  ExpectOutcomes(block_end, {"end cut", DamageAt("", kBlockBytes), "end cut"});
}

TEST(LogEventTest, RowDAnEmptyFirstIsAFragmentToo) {
  Log log;
  log.Classic(log::kFirst, "");
  ExpectOutcomes(log, {"end cut", DamageAt("", log.size()), "end cut"});
}

// A record in the same block is lost with it; the next block is read.
TEST(LogEventTest, RowEALengthPastTheEndOfAFullBlockIsDamage) {
  Log log;
  log.Classic(log::kFull, "one");
  const size_t offset = log.size();
  log.Header(log::kFull, 0xffff)
      .Classic(log::kFull, "lost")
      .FillBlock('\0')
      .Classic(log::kFull, "two");
  const std::string damage = DamageAt("one ", offset);
  ExpectOutcomes(log, {damage, damage, "one two end cut"});
}

TEST(LogEventTest, RowEInARecycledLogTheTolerantModeTakesItForTheEnd) {
  Log log;
  log.Recyclable(log::kRecyclableFull, "one");
  const size_t offset = log.size();
  log.Header(log::kRecyclableFull, 0xffff)
      .FillBlock('\0')
      .Recyclable(log::kRecyclableFull, "two");
  ExpectOutcomes(log,
                 {"one end cut", DamageAt("one ", offset), "one two end cut"});
}

TEST(LogEventTest, RowFAWrongChecksumIsDamageWhateverTheBlock) {
  Log last_block;
  last_block.Classic(log::kFull, "one");
  const size_t offset = last_block.size();
  last_block.BadCrc(PhysicalRecord(log::kFull, "bad"));
  const std::string damage = DamageAt("one ", offset);
  ExpectOutcomes(last_block, {damage, damage, "one end cut"});

  Log full_block = last_block;
  full_block.Classic(log::kFull, "lost")
      .FillBlock('\0')
      .Classic(log::kFull, "two");
  ExpectOutcomes(full_block, {damage, damage, "one two end cut"});
}

TEST(LogEventTest, RowFInARecycledLogTheTolerantModeTakesItForTheEnd) {
  const uint32_t number = kLogNumber;
  const std::string bad = PhysicalRecord(log::kRecyclableFull, "bad", &number);
  Log log;
  log.Recyclable(log::kRecyclableFull, "one");
  const size_t offset = log.size();
  log.BadCrc(bad);
  ExpectOutcomes(log, {"one end cut", DamageAt("one ", offset), "one end cut"});
  // Not if nothing before it was recyclable.
  Log first;
  first.BadCrc(bad);
  ExpectOutcomes(first, {DamageAt("", 0), DamageAt("", 0), "end cut"});
}

TEST(LogEventTest, RowFTheChecksumCoversTypeNumberAndPayloadNotTheLength) {
  const uint32_t number = kLogNumber;
  for (const std::string& record :
       {PhysicalRecord(log::kFull, "payload"),
        PhysicalRecord(log::kRecyclableFull, "payload", &number)}) {
    for (size_t at = 0; at < record.size(); ++at) {
      Log log;
      std::string damaged = record;
      damaged[at] = static_cast<char>(damaged[at] ^ 2);
      log.Raw(damaged).Raw(std::string(kHeaderBytes, '\0'));
      EXPECT_EQ(Outcome(log.bytes(), kModes[1].mode).find("payload"),
                std::string::npos)
          << "byte " << at;
    }
  }
}

TEST(LogEventTest, RowFInSkipModeTheFragmentIsDroppedWithTheBadRecord) {
  Log log;
  log.Classic(log::kFirst, "begin")
      .BadCrc(PhysicalRecord(log::kMiddle, "bad"))
      .FillBlock('\0')
      .Classic(log::kLast, "end")
      .Classic(log::kFull, "two");
  EXPECT_EQ(Outcome(log.bytes(), kModes[3].mode), "two end cut");
}

TEST(LogEventTest, RowGZerosSkipTheRestOfTheBlock) {
  Log log;
  log.Classic(log::kFull, "one").FillBlock('\0').Classic(log::kFull, "two");
  ExpectOutcomes(log, "one two end");
  // Only type and length count.
  Log garbage;
  garbage.Classic(log::kFull, "one")
      .Header(log::kZero, 0)
      .FillBlock('g')
      .Classic(log::kFull, "two");
  ExpectOutcomes(garbage, "one two end");
}

TEST(LogEventTest, RowGALongTailOfZerosIsTheEnd) {
  for (size_t zeros : {size_t{7}, size_t{4096}, size_t{70000}}) {
    Log log;
    log.Classic(log::kFull, "one").Raw(std::string(zeros, '\0'));
    ExpectOutcomes(log, "one end");
  }
}

TEST(LogEventTest, RowGZerosThatEndAFewBytesIntoABlockAreATornTail) {
  Log log;
  log.Classic(log::kFull, "one").FillBlock('\0').Raw(std::string(3, '\0'));
  ExpectOutcomes(log,
                 {"one end cut", DamageAt("one ", kBlockBytes), "one end cut"});
}

TEST(LogEventTest, RowGZerosWithinAFragmentAreDamage) {
  Log log;
  log.Classic(log::kFull, "one").Classic(log::kFirst, "begin");
  const size_t offset = log.size();
  log.FillBlock('\0').Classic(log::kLast, "end").Classic(log::kFull, "two");
  const std::string damage = DamageAt("one ", offset);
  ExpectOutcomes(log, {damage, damage, "one two end cut"});
}

TEST(LogEventTest, RowHARecordOfAnotherLogIsTheEnd) {
  Log log;
  log.Recyclable(log::kRecyclableFull, "one")
      .Recyclable(log::kRecyclableFull, "old", kOtherLogNumber)
      .Recyclable(log::kRecyclableFull, "two");
  ExpectOutcomes(log, {"one end other", "one end other", "one two end"});
}

TEST(LogEventTest, RowHWithinAFragmentARecordOfAnotherLogIsDamage) {
  Log log;
  log.Recyclable(log::kRecyclableFull, "one")
      .Recyclable(log::kRecyclableFirst, "begin");
  const size_t offset = log.size();
  log.Recyclable(log::kRecyclableFull, "old", kOtherLogNumber)
      .Recyclable(log::kRecyclableFull, "two");
  ExpectOutcomes(log, {"one end cut other", DamageAt("one ", offset) + " other",
                       "one two end cut"});
}

TEST(LogEventTest, RowHAFileThatHoldsOnlyAnotherLogIsEmpty) {
  Log log;
  log.Recyclable(log::kRecyclableFull, "old", kOtherLogNumber);
  ExpectOutcomes(log, {"end other", "end other", "end"});
}

TEST(LogEventTest, RowIAContinuationWithoutABeginningIsDamage) {
  for (uint8_t type : {log::kMiddle, log::kLast}) {
    Log log;
    log.Classic(log::kFull, "one");
    const size_t offset = log.size();
    log.Classic(type, "stray").Classic(log::kFull, "two");
    const std::string damage = DamageAt("one ", offset);
    ExpectOutcomes(log, {damage, damage, "one two end cut"});
  }
}

TEST(LogEventTest, RowJABeginningWithinAFragmentIsDamage) {
  Log full;
  full.Classic(log::kFirst, "begin");
  const size_t offset = full.size();
  Log first = full;
  full.Classic(log::kFull, "two");
  first.Classic(log::kFirst, "tw").Classic(log::kLast, "o");
  for (const Log& log : {full, first}) {
    const std::string damage = DamageAt("", offset);
    ExpectOutcomes(log, {damage, damage, "two end cut"});
  }
}

TEST(LogEventTest, RowJAnEmptyFirstMayBeFollowedByABeginning) {
  Log log;
  log.Classic(log::kFirst, "")
      .Classic(log::kFull, "one")
      .Classic(log::kFirst, "")
      .Classic(log::kFirst, "tw")
      .Classic(log::kLast, "o");
  ExpectOutcomes(log, "one two end");
}

TEST(LogEventTest, RowKAnUnknownTypeIsDamage) {
  for (uint8_t type : {uint8_t{12}, uint8_t{64}, uint8_t{127}}) {
    Log log;
    log.Classic(log::kFull, "one");
    const size_t offset = log.size();
    log.Classic(type, "what").Classic(log::kFull, "two");
    const std::string damage = DamageAt("one ", offset);
    ExpectOutcomes(log, {damage, damage, "one two end cut"});
  }
}

TEST(LogEventTest, RowKFromType128OnAnUnknownTypeIsIgnored) {
  for (uint8_t type : {uint8_t{128}, uint8_t{129}, uint8_t{200}}) {
    Log log;
    log.Classic(log::kFull, "one")
        .Classic(type, "what")
        .Classic(log::kFull, "two");
    ExpectOutcomes(log, "one two end");
  }
}

TEST(LogEventTest, RowKZeroTypeWithALengthIsCheckedLikeAnyRecord) {
  Log log;
  log.Header(log::kZero, 4).Raw("what");
  ExpectOutcomes(log, {DamageAt("", 0), DamageAt("", 0), "end cut"});
  Log with_crc;
  with_crc.Classic(log::kZero, "what").Classic(log::kFull, "two");
  ExpectOutcomes(with_crc, {DamageAt("", 0), DamageAt("", 0), "two end cut"});
}

TEST(LogEventTest, RowLARecyclableRecordAfterAClassicOneIsDamage) {
  Log log;
  log.Classic(log::kFull, "one");
  const size_t offset = log.size();
  log.Recyclable(log::kRecyclableFull, "what")
      .FillBlock('\0')
      .Classic(log::kFull, "two");
  const std::string damage = DamageAt("one ", offset);
  ExpectOutcomes(log, {damage, damage, "one two end cut"});
}

// ---- Which check comes first decides what a bad header is taken for.

TEST(LogCheckOrderTest, TheLogNumberIsCheckedBeforeTheChecksum) {
  const uint32_t number = kOtherLogNumber;
  Log log;
  log.Recyclable(log::kRecyclableFull, "one")
      .BadCrc(PhysicalRecord(log::kRecyclableFull, "old", &number));
  ExpectOutcomes(log, {"one end other", "one end other", "one end"});
}

TEST(LogCheckOrderTest, TheLengthIsCheckedBeforeTheLogNumber) {
  Log log;
  log.Recyclable(log::kRecyclableFull, "one");
  const size_t offset = log.size();
  log.Header(log::kRecyclableFull, 100).Raw("\4").Raw(std::string(30, '\0'));
  ExpectOutcomes(log, {"one end cut", DamageAt("one ", offset), "one end cut"});
}

TEST(LogCheckOrderTest, RecyclableAfterClassicIsCheckedBeforeTheLength) {
  Log log;
  log.Classic(log::kFull, "one");
  const size_t offset = log.size();
  log.Header(log::kRecyclableFull, 100);
  const std::string damage = DamageAt("one ", offset);
  ExpectOutcomes(log, {damage, damage, "one end cut"});
}

}  // namespace
}  // namespace paceline
