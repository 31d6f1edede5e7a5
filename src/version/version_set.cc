#include "src/version/version_set.h"

#include <utility>

#include "src/base/check.h"
#include "src/format/file_name.h"

namespace paceline {

VersionSet::VersionSet(FileSystem* file_system, std::string directory)
    : file_system_(file_system), directory_(std::move(directory)) {}

void VersionSet::Adopt(ManifestState state) {
  if (state.next_file_number > 0) {
    MarkFileNumberUsed(state.next_file_number - 1);
  }
  MutexLock lock(&mutex_);
  state_ = std::move(state);
}

void VersionSet::MarkFileNumberUsed(uint64_t number) {
  uint64_t next = next_file_number_.load(std::memory_order_relaxed);
  while (next <= number && !next_file_number_.compare_exchange_weak(
                               next, number + 1, std::memory_order_relaxed)) {
  }
}

Status VersionSet::BeginManifest() {
  MutexLock lock(&mutex_);
  return BeginManifestLocked();
}

Status VersionSet::BeginManifestLocked() {
  manifest_.reset();
  uint64_t number = NewFileNumber();
  std::string path = ManifestFileName(directory_, number);
  auto file = file_system_->NewWritableFile(path, {});
  if (!file.ok()) return file.status();
  auto manifest = std::make_unique<LogWriter>(*std::move(file));
  ManifestState snapshot = state_;
  snapshot.next_file_number = next_file_number_.load(std::memory_order_relaxed);
  Status s = AppendEdits(manifest.get(), snapshot.ToEdits());
  // CURRENT must not name a file that a power cut can still take away.
  if (s.ok()) s = file_system_->SyncDirectory(directory_);
  if (s.ok()) s = SetCurrent(file_system_, directory_, number);
  if (!s.ok()) return s;
  manifest_ = std::move(manifest);
  manifest_number_ = number;
  return Status::OK();
}

Status VersionSet::AppendEdits(LogWriter* manifest,
                               const std::vector<VersionEdit>& edits) const {
  for (const VersionEdit& edit : edits) {
    std::string record;
    edit.EncodeTo(&record);
    Status s = manifest->AddRecord(record);
    if (!s.ok()) return s;
  }
  return manifest->Sync();
}

Status VersionSet::LogAndApply(const std::vector<VersionEdit>& edits) {
  MutexLock lock(&mutex_);
  if (manifest_ == nullptr) {
    Status s = BeginManifestLocked();
    if (!s.ok()) return s;
  }
  std::vector<VersionEdit> complete = edits;
  ManifestState changed = state_;
  for (VersionEdit& edit : complete) {
    edit.next_file_number = next_file_number_.load(std::memory_order_relaxed);
    if (!edit.last_sequence) edit.last_sequence = changed.last_sequence;
    Status s = changed.Apply(edit);
    PL_CHECK(s.ok());
  }
  Status s = AppendEdits(manifest_.get(), complete);
  if (!s.ok()) {
    // The edits may be in the file. A new MANIFEST without them supersedes it.
    manifest_.reset();
    return s;
  }
  state_ = std::move(changed);
  return Status::OK();
}

ManifestState VersionSet::state() const {
  MutexLock lock(&mutex_);
  return state_;
}

uint64_t VersionSet::manifest_number() const {
  MutexLock lock(&mutex_);
  return manifest_number_;
}

}  // namespace paceline
