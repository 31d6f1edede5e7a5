#include "src/db/obsolete_files.h"

#include <algorithm>
#include <functional>
#include <vector>

#include "src/env/file_logger.h"
#include "src/format/file_name.h"

namespace paceline {

namespace {

constexpr size_t kOptionsFilesKept = 2;
constexpr size_t kOldInfoLogsKept = 10;

// True if fewer than `kept` of `numbers` (newest first) are above `number`.
bool IsAmongNewest(const std::vector<uint64_t>& numbers, uint64_t number,
                   size_t kept) {
  return numbers.size() <= kept || number > numbers[kept];
}

}  // namespace

void RemoveObsoleteFiles(FileSystem* file_system, Logger* logger,
                         const std::string& directory,
                         const NeededFiles& needed) {
  StatusOr<std::vector<std::string>> names =
      file_system->ListDirectory(directory);
  if (!names.ok()) return;
  std::vector<uint64_t> options;
  std::vector<uint64_t> info_logs;
  for (const std::string& name : *names) {
    std::optional<ParsedFileName> parsed = ParseFileName(name);
    if (!parsed) continue;
    if (parsed->type == FileType::kOptions) options.push_back(parsed->number);
    if (parsed->type == FileType::kInfoLog && parsed->number != 0) {
      info_logs.push_back(parsed->number);
    }
  }
  std::sort(options.begin(), options.end(), std::greater<>());
  std::sort(info_logs.begin(), info_logs.end(), std::greater<>());

  auto is_needed = [&](const ParsedFileName& file) {
    switch (file.type) {
      case FileType::kWal:
        return file.number >= needed.first_live_log;
      case FileType::kManifest:
        return file.number >= needed.manifest_number;
      case FileType::kOptions:
        return IsAmongNewest(options, file.number, kOptionsFilesKept);
      case FileType::kInfoLog:
        return file.number == 0 ||
               IsAmongNewest(info_logs, file.number, kOldInfoLogsKept);
      case FileType::kTemporary:
        // Another thread may be about to rename it.
        return needed.tables == nullptr;
      case FileType::kTable:
        return needed.tables == nullptr || needed.tables->contains(file.number);
      case FileType::kBlob:
      case FileType::kCurrent:
      case FileType::kIdentity:
      case FileType::kLock:
        return true;
    }
    return true;
  };
  auto is_kept_aside = [&](FileType type) {
    if (type == FileType::kWal) return needed.keeps_old_wals;
    return needed.keeps_tables &&
           (type == FileType::kTable || type == FileType::kManifest);
  };
  for (const std::string& name : *names) {
    std::optional<ParsedFileName> parsed = ParseFileName(name);
    if (!parsed || is_needed(*parsed)) continue;
    std::string path = directory + "/" + name;
    Status s;
    if (is_kept_aside(parsed->type)) {
      std::string archive = ArchiveDirectory(directory);
      s = file_system->CreateDirectory(archive);
      if (s.ok()) s = file_system->RenameFile(path, archive + "/" + name);
    } else {
      s = file_system->RemoveFile(path);
    }
    if (s.IsPathNotFound()) continue;  // Another thread did it.
    Log(logger, "removed obsolete file %s: %s", name.c_str(),
        s.ToString().c_str());
  }
}

}  // namespace paceline
