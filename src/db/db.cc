// The parts of the API that need nothing but the API.

#include "paceline/db.h"

#include "src/format/file_name.h"

namespace paceline {

Status DB::Get(const ReadOptions& options, ColumnFamilyHandle* family,
               const Slice& key, std::string* value) {
  PinnableSlice pinned;
  Status s = Get(options, family, key, &pinned);
  if (s.ok()) value->assign(pinned.data(), pinned.size());
  return s;
}

std::vector<Status> DB::MultiGet(const ReadOptions& options,
                                 const std::vector<Slice>& keys,
                                 std::vector<std::string>* values) {
  std::vector<ColumnFamilyHandle*> families(keys.size(), DefaultColumnFamily());
  return MultiGet(options, families, keys, values);
}

Status DB::DestroyColumnFamilyHandle(ColumnFamilyHandle* family) {
  if (family == DefaultColumnFamily()) {
    return Status::InvalidArgument(
        "DefaultColumnFamily() belongs to the DB and must not be destroyed");
  }
  delete family;
  return Status::OK();
}

ManagedSnapshot::ManagedSnapshot(DB* db)
    : db_(db), snapshot_(db->GetSnapshot()) {}

ManagedSnapshot::ManagedSnapshot(DB* db, const Snapshot* snapshot)
    : db_(db), snapshot_(snapshot) {}

ManagedSnapshot::~ManagedSnapshot() { db_->ReleaseSnapshot(snapshot_); }

namespace {

// Every file of a database in `directory`, but not its LOCK.
Status RemoveDatabaseFiles(FileSystem* file_system,
                           const std::string& directory) {
  StatusOr<std::vector<std::string>> names =
      file_system->ListDirectory(directory);
  if (!names.ok()) return names.status();
  Status result;
  for (const std::string& name : *names) {
    std::optional<ParsedFileName> parsed = ParseFileName(name);
    if (!parsed || parsed->type == FileType::kLock) continue;
    Status s = file_system->RemoveFile(directory + "/" + name);
    if (!s.ok() && result.ok()) result = s;
  }
  return result;
}

}  // namespace

Status DestroyDB(const std::string& name, const Options& options) {
  FileSystem* file_system = options.file_system;
  StatusOr<bool> exists = file_system->FileExists(name);
  if (!exists.ok()) return exists.status();
  if (!*exists) return Status::OK();
  auto lock = file_system->LockFile(LockFileName(name));
  if (!lock.ok()) return lock.status();
  // Only what can be removed as a directory is one, and not a link to one.
  std::string archive = ArchiveDirectory(name);
  Status archived = file_system->RemoveDirectory(archive);
  if (!archived.IsPathNotFound()) {
    Status s = RemoveDatabaseFiles(file_system, archive);
    if (!s.ok() && !s.IsPathNotFound()) return s;
    // Stays if it holds files of others.
    Status ignored = file_system->RemoveDirectory(archive);
    static_cast<void>(ignored);
  }
  Status s = RemoveDatabaseFiles(file_system, name);
  if (!s.ok()) return s;
  s = file_system->RemoveFile(LockFileName(name));
  lock->reset();
  Status ignored = file_system->RemoveDirectory(name);
  static_cast<void>(ignored);
  return s;
}

}  // namespace paceline
