#include "src/db/inspection.h"

#include <algorithm>
#include <utility>

#include "src/base/coding.h"
#include "src/format/batch_reader.h"
#include "src/format/file_name.h"
#include "src/table/table_cache.h"
#include "src/version/manifest_state.h"
#include "src/wal/log_reader.h"

namespace paceline {

const Comparator* ComparatorByName(std::string_view name) {
  if (name.empty()) return BytewiseComparator();
  for (const Comparator* comparator :
       {BytewiseComparator(), ReverseBytewiseComparator()}) {
    if (name == comparator->Name()) return comparator;
  }
  return nullptr;
}

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

StatusOr<std::vector<WalFile>> ListWals(FileSystem* file_system,
                                        const std::string& directory) {
  StatusOr<std::vector<std::string>> names =
      file_system->ListDirectory(directory);
  if (!names.ok()) return names.status();
  std::vector<WalFile> files;
  for (const std::string& name : *names) {
    std::optional<ParsedFileName> parsed = ParseFileName(name);
    if (!parsed || parsed->type != FileType::kWal) continue;
    const std::string path = directory + "/" + name;
    auto bytes = file_system->FileSize(path);
    // The process that writes has removed it meanwhile.
    if (!bytes.ok() && bytes.status().IsPathNotFound()) continue;
    if (!bytes.ok()) return bytes.status();
    files.push_back({path, parsed->number, *bytes});
  }
  std::ranges::sort(files, {}, &WalFile::log_number);
  return files;
}

namespace {

Status ReadWal(FileSystem* file_system, const std::string& path,
               uint64_t log_number,
               const std::function<Status(const WalRecord&)>& on_record,
               const std::function<void(const LogDamage&)>& on_damage) {
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
                const std::function<void(const LogDamage&)>& on_damage) {
  auto files = ListWals(file_system, directory);
  if (!files.ok()) return files.status();
  for (const WalFile& file : *files) {
    Status s =
        ReadWal(file_system, file.path, file.log_number, on_record, on_damage);
    // The process that writes has removed it meanwhile.
    if (s.IsPathNotFound()) continue;
    if (!s.ok()) return s;
  }
  return Status::OK();
}

Status ReadManifestRecords(
    FileSystem* file_system, const std::string& directory,
    const std::function<Status(const ManifestRecord&)>& on_record,
    const std::function<void(const LogDamage&)>& on_damage) {
  auto number = ReadCurrent(file_system, directory);
  if (!number.ok()) return number.status();
  const std::string path = ManifestFileName(directory, *number);
  auto file = file_system->NewSequentialFile(path);
  if (!file.ok()) return file.status();
  LogReader reader({.file = *std::move(file), .path = path, .log_number = 0},
                   WALRecoveryMode::kAbsoluteConsistency);
  Slice bytes;
  LogReader::Result read;
  while ((read = reader.ReadRecord(&bytes)) == LogReader::Result::kRecord) {
    auto edit = VersionEdit::Decode(bytes);
    if (!edit.ok()) {
      on_damage({path, reader.offset(), std::string(edit.status().message())});
      continue;
    }
    Status s = on_record({path, reader.offset(), *std::move(edit)});
    if (!s.ok()) return s;
  }
  if (read == LogReader::Result::kError) {
    if (!reader.status().IsCorruption()) return reader.status();
    on_damage({path, reader.offset(), std::string(reader.status().message())});
  }
  return Status::OK();
}

StatusOr<std::vector<TableInfo>> ReadTableInfo(FileSystem* file_system,
                                               const std::string& directory) {
  auto manifest = ReadManifest(file_system, directory);
  if (!manifest.ok()) return manifest.status();
  std::vector<TableInfo> tables;
  for (const auto& [id, family] : manifest->state.families) {
    for (const auto& [number, file] : family.files) {
      tables.push_back({.family_id = id,
                        .family_name = family.name,
                        .comparator_name = family.comparator_name,
                        .level = file.level,
                        .file = *file.metadata});
    }
  }
  return tables;
}

Status VerifyTableFile(FileSystem* file_system, const std::string& directory,
                       const TableInfo& table,
                       const std::function<void(const Status&)>& on_damage,
                       const std::function<void(uint64_t)>& on_progress) {
  const Comparator* order = ComparatorByName(table.comparator_name);
  if (order == nullptr) {
    Status s = Status::NotSupported(
        TableFileName(directory, table.file.number),
        "is ordered by the unknown comparator " + table.comparator_name);
    on_damage(s);
    return s;
  }
  const InternalKeyComparator comparator(order);
  const TableCache tables(file_system, directory, /*open_files_max=*/0);
  auto reader = tables.Open(table.file, {.comparator = &comparator,
                                         .block_cache = nullptr,
                                         .path = "",
                                         .family_name = table.family_name});
  if (!reader.ok()) {
    if (!reader.status().IsPathNotFound()) on_damage(reader.status());
    return reader.status();
  }
  return (*reader)->Verify(on_damage, on_progress);
}

StatusOr<LooseTable> OpenLooseTable(FileSystem* file_system,
                                    const std::string& path) {
  auto size = file_system->FileSize(path);
  if (!size.ok()) return size.status();
  FileMetaData metadata;
  metadata.size = *size;
  Status first_failure;
  // The table says which order it has once it is opened with one.
  for (const Comparator* order :
       {BytewiseComparator(), ReverseBytewiseComparator()}) {
    LooseTable table;
    table.bytes = *size;
    table.comparator = std::make_shared<const InternalKeyComparator>(order);
    auto file = file_system->NewRandomAccessFile(path);
    if (!file.ok()) return file.status();
    auto reader = TableReader::Open({.comparator = table.comparator.get(),
                                     .block_cache = nullptr,
                                     .path = path,
                                     .family_name = ""},
                                    *std::move(file), metadata);
    if (reader.ok()) {
      table.footer = (*reader)->footer();
      table.reader = *std::move(reader);
      return table;
    }
    if (first_failure.ok() || first_failure.IsInvalidArgument()) {
      first_failure = reader.status();
    }
  }
  return first_failure;
}

}  // namespace paceline
