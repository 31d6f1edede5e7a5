#include "src/version/version_set.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "src/format/file_name.h"

namespace paceline {

namespace {

// Space of its own for a MANIFEST: some hundreds of changes can be recorded on
// a disk that is full, among them those that make room.
constexpr uint64_t kManifestAheadBytes = uint64_t{64} << 10;

}  // namespace

VersionSet::VersionSet(FileSystem* file_system, std::string directory,
                       uint64_t manifest_bytes_max)
    : file_system_(file_system),
      directory_(std::move(directory)),
      manifest_bytes_max_(manifest_bytes_max) {}

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
  uint64_t number = NewFileNumber();
  std::string path = ManifestFileName(directory_, number);
  auto file = file_system_->NewWritableFile(
      path, {.preallocate_bytes = kManifestAheadBytes});
  if (!file.ok()) return file.status();
  auto manifest = std::make_unique<LogWriter>(*std::move(file));
  ManifestState snapshot = state_;
  snapshot.next_file_number = next_file_number_.load(std::memory_order_relaxed);
  Status s = AppendEdits(manifest.get(), snapshot.ToEdits());
  // CURRENT must not name a file that a power cut can still take away.
  if (s.ok()) s = file_system_->SyncDirectory(directory_);
  if (!s.ok()) {
    manifest.reset();
    // One that stays is removed by the next open.
    Status ignored = file_system_->RemoveFile(path);
    static_cast<void>(ignored);
    return s;
  }
  // From here on CURRENT may name it, whatever the answer is.
  manifest_.reset();
  s = SetCurrent(file_system_, directory_, number);
  if (!s.ok()) return s;
  manifest_ = std::move(manifest);
  manifest_first_bytes_ = manifest_->size();
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

void VersionSet::WalBegins(uint64_t number, SequenceNumber last_sequence) {
  MutexLock lock(&wal_begins_mutex_);
  wal_begins_[number] = last_sequence;
}

SequenceNumber VersionSet::SequenceBefore(uint64_t log_number) const {
  MutexLock lock(&wal_begins_mutex_);
  auto behind = wal_begins_.upper_bound(log_number);
  return behind == wal_begins_.begin() ? 0 : std::prev(behind)->second;
}

// All but the newest of them: it tells what came before the one in force.
void VersionSet::ForgetWalsBelow(uint64_t log_number) {
  MutexLock lock(&wal_begins_mutex_);
  auto behind = wal_begins_.upper_bound(log_number);
  if (behind == wal_begins_.begin()) return;
  wal_begins_.erase(wal_begins_.begin(), std::prev(behind));
}

// The last sequence number is never smaller than that of an entry in a table,
// which RocksDB would not show, nor than that of one in a WAL that is given up,
// whose number would be given again. A new family gives up none: what is before
// its WAL may not be durable yet. Several edits are an atomic group.
void VersionSet::CompleteEdits(std::vector<VersionEdit>* edits) const {
  SequenceNumber last_sequence = state_.last_sequence;
  auto remaining = static_cast<uint32_t>(edits->size());
  for (VersionEdit& edit : *edits) {
    for (const auto& added : edit.added_files) {
      last_sequence = std::max(last_sequence, added.file.largest_sequence);
    }
    if (edit.log_number && !edit.added_family) {
      last_sequence = std::max(last_sequence, SequenceBefore(*edit.log_number));
    }
    if (edit.last_sequence) {
      last_sequence = std::max(last_sequence, *edit.last_sequence);
    }
    edit.last_sequence = last_sequence;
    edit.next_file_number = next_file_number_.load(std::memory_order_relaxed);
    --remaining;
    if (edits->size() > 1) edit.remaining_in_group = remaining;
  }
}

Status VersionSet::LogAndApply(Change change) noexcept {
  MutexLock lock(&mutex_);
  // Twice: a state that is itself so large must not be written at each change.
  bool is_too_large = manifest_ != nullptr &&
                      manifest_->size() >= manifest_bytes_max_ &&
                      manifest_->size() >= 2 * manifest_first_bytes_;
  if (manifest_ == nullptr || is_too_large) {
    Status s = BeginManifestLocked();
    // One that is too large serves until there can be another one.
    if (manifest_ == nullptr) return s;
  }
  CompleteEdits(&change.edits);
  ManifestState changed = state_;
  for (const VersionEdit& edit : change.edits) {
    if (!edit.added_family && !changed.families.contains(edit.family_id)) {
      return Status::Aborted("the column family was dropped",
                             "id " + std::to_string(edit.family_id));
    }
    Status s = changed.Apply(edit);
    if (!s.ok()) return s;
  }
  if (change.prepare) {
    Status s = change.prepare(changed);
    if (!s.ok()) return s;
  }
  Status s = AppendEdits(manifest_.get(), change.edits);
  if (!s.ok()) {
    // The edits may be in the file. A new MANIFEST without them supersedes it.
    manifest_.reset();
    return s;
  }
  state_ = std::move(changed);
  ForgetWalsBelow(state_.FirstLiveLog());
  if (change.install) change.install();
  return Status::OK();
}

uint64_t VersionSet::FirstLiveLog() const {
  MutexLock lock(&mutex_);
  return state_.FirstLiveLog();
}

SequenceNumber VersionSet::last_sequence() const {
  MutexLock lock(&mutex_);
  return state_.last_sequence;
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
