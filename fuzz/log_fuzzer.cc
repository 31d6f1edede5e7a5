// The records of a log, in every recovery mode: as they are, and with the
// checksums made right, without which a changed record is only damage.

#include <memory>

#include "fuzz/fuzz_target.h"
#include "src/base/check.h"
#include "src/base/coding.h"
#include "src/base/crc32c.h"
#include "src/wal/log_format.h"
#include "src/wal/log_reader.h"

namespace paceline {
namespace {

constexpr WALRecoveryMode kModes[] = {
    WALRecoveryMode::kTolerateCorruptedTailRecords,
    WALRecoveryMode::kAbsoluteConsistency,
    WALRecoveryMode::kPointInTimeRecovery,
    WALRecoveryMode::kSkipAnyCorruptedRecords,
};
constexpr size_t kTypeOffset = 6;

// What the first record says if it is recyclable.
uint64_t LogNumber(const std::string& log) {
  if (log.size() < log::kRecyclableHeaderBytes) return 0;
  return DecodeFixed32(log.data() + log::kHeaderBytes);
}

void ReadLog(const std::string& bytes, WALRecoveryMode mode) {
  LogReader reader({.file = std::make_unique<MemorySequentialFile>(bytes),
                    .path = "log",
                    .log_number = LogNumber(bytes)},
                   mode);
  Slice record;
  uint64_t record_bytes = 0;
  uint64_t offset = 0;
  LogReader::Result result = reader.ReadRecord(&record);
  for (; result == LogReader::Result::kRecord;
       result = reader.ReadRecord(&record)) {
    record_bytes += record.size();
    Touch(record);
    PL_CHECK(record_bytes <= bytes.size());
    PL_CHECK(reader.offset() >= offset && reader.offset() < bytes.size());
    offset = reader.offset();
  }
  PL_CHECK(reader.status().ok() == (result == LogReader::Result::kEnd));
  PL_CHECK(reader.ReadRecord(&record) == result);
}

void FixChecksums(std::string* log) {
  for (size_t block = 0; block < log->size(); block += log::kBlockBytes) {
    const size_t end = std::min(block + log::kBlockBytes, log->size());
    size_t at = block;
    while (at + log::kHeaderBytes <= end) {
      char* header = log->data() + at;
      const size_t length = DecodeFixed<uint16_t>(header + sizeof(uint32_t));
      const auto type = static_cast<uint8_t>(header[kTypeOffset]);
      const bool is_recyclable =
          (type >= log::kRecyclableFull && type <= log::kRecyclableLast) ||
          type == log::kRecyclableTimestampSizes ||
          type == log::kRecyclablePredecessor;
      const size_t header_bytes =
          is_recyclable ? log::kRecyclableHeaderBytes : log::kHeaderBytes;
      if (type == log::kZero || at + header_bytes + length > end) break;
      const Slice covered(header + kTypeOffset,
                          header_bytes - kTypeOffset + length);
      EncodeFixed(header,
                  crc32c::Mask(crc32c::Value(covered.data(), covered.size())));
      at += header_bytes + length;
    }
  }
}

}  // namespace
}  // namespace paceline

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string bytes = paceline::CopyOfInput(data, size);
  for (paceline::WALRecoveryMode mode : paceline::kModes) {
    paceline::ReadLog(bytes, mode);
  }
  paceline::FixChecksums(&bytes);
  for (paceline::WALRecoveryMode mode : paceline::kModes) {
    paceline::ReadLog(bytes, mode);
  }
  return 0;
}
