// The records of a log, in every recovery mode: as they are, and with the
// checksums made right, without which a changed record is only damage.

#include <memory>

#include "fuzz/fuzz_target.h"
#include "fuzz/log_checksums.h"
#include "src/base/check.h"
#include "src/base/coding.h"
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

// What the first record says if it is recyclable.
uint64_t LogNumber(const std::string& log) {
  if (log.size() < log::kRecyclableHeaderBytes) return 0;
  return DecodeFixed32(log.data() + log::kHeaderBytes);
}

void ReadLog(const std::string& bytes, WALRecoveryMode mode, bool is_manifest) {
  LogReader reader({.file = std::make_unique<MemorySequentialFile>(bytes),
                    .path = "log",
                    .log_number = LogNumber(bytes),
                    .refuses_records_behind_damage = is_manifest},
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

}  // namespace
}  // namespace paceline

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string bytes = paceline::CopyOfInput(data, size);
  for (paceline::WALRecoveryMode mode : paceline::kModes) {
    paceline::ReadLog(bytes, mode, /*is_manifest=*/false);
    paceline::ReadLog(bytes, mode, /*is_manifest=*/true);
  }
  paceline::FixLogChecksums(&bytes);
  for (paceline::WALRecoveryMode mode : paceline::kModes) {
    paceline::ReadLog(bytes, mode, /*is_manifest=*/false);
    paceline::ReadLog(bytes, mode, /*is_manifest=*/true);
  }
  return 0;
}
