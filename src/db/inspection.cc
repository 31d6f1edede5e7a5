#include "src/db/inspection.h"

#include <algorithm>
#include <utility>

#include "src/base/coding.h"
#include "src/format/batch_reader.h"
#include "src/format/file_name.h"
#include "src/version/manifest_state.h"
#include "src/wal/log_reader.h"

namespace paceline {

StatusOr<std::vector<ColumnFamilyInfo>> ReadColumnFamilyInfo(
    FileSystem* file_system, const std::string& directory) {
  StatusOr<ReadManifestResult> manifest = ReadManifest(file_system, directory);
  if (!manifest.ok()) return manifest.status();
  std::vector<ColumnFamilyInfo> infos;
  for (const auto& [id, family] : manifest->state.families) {
    infos.push_back({.id = id,
                     .name = family.name,
                     .comparator_name = family.comparator_name,
                     .log_number = family.log_number,
                     .table_files = family.files.size()});
  }
  return infos;
}

namespace {

Status ReadWal(FileSystem* file_system, const std::string& path,
               uint64_t log_number,
               const std::function<Status(const WalRecord&)>& on_record,
               const std::function<void(const WalDamage&)>& on_damage) {
  auto file = file_system->NewSequentialFile(path);
  if (!file.ok()) return file.status();
  LogReader reader(
      {.file = *std::move(file), .path = path, .log_number = log_number},
      WALRecoveryMode::kPointInTimeRecovery);
  Slice bytes;
  LogReader::Result read;
  while ((read = reader.ReadRecord(&bytes)) == LogReader::Result::kRecord) {
    WalRecord record{.path = path,
                     .log_number = log_number,
                     .offset = reader.offset(),
                     .sequence = 0,
                     .count = 0,
                     .contents = bytes.ToString()};
    if (bytes.size() < kBatchHeaderBytes) {
      on_damage({path, reader.offset(), "record is shorter than a batch"});
      return Status::OK();
    }
    record.sequence = DecodeFixed64(bytes.data());
    record.count = DecodeFixed32(bytes.data() + 8);
    Status s = on_record(record);
    if (!s.ok()) return s;
  }
  if (read == LogReader::Result::kError) {
    if (!reader.status().IsCorruption()) return reader.status();
    on_damage({path, reader.offset(), std::string(reader.status().message())});
  }
  return Status::OK();
}

}  // namespace

Status ReadWals(FileSystem* file_system, const std::string& directory,
                const std::function<Status(const WalRecord&)>& on_record,
                const std::function<void(const WalDamage&)>& on_damage) {
  StatusOr<std::vector<std::string>> names =
      file_system->ListDirectory(directory);
  if (!names.ok()) return names.status();
  std::vector<uint64_t> logs;
  for (const std::string& name : *names) {
    std::optional<ParsedFileName> parsed = ParseFileName(name);
    if (parsed && parsed->type == FileType::kWal) {
      logs.push_back(parsed->number);
    }
  }
  std::sort(logs.begin(), logs.end());
  for (uint64_t log : logs) {
    Status s = ReadWal(file_system, WalFileName(directory, log), log, on_record,
                       on_damage);
    if (!s.ok()) return s;
  }
  return Status::OK();
}

}  // namespace paceline
