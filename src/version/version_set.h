// VersionSet: the state of the database that outlives the process, the MANIFEST
// that records it, and the file numbers.

#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "paceline/env.h"

#include "src/base/sync.h"
#include "src/version/manifest_state.h"
#include "src/wal/log_writer.h"

namespace paceline {

// Thread-safe. Changes are durable when they return OK.
class VersionSet {
 public:
  VersionSet(FileSystem* file_system, std::string directory);

  // Takes over what ReadManifest() found, or ManifestState::Empty().
  void Adopt(ManifestState state) EXCLUDES(mutex_);

  // Begins a new MANIFEST that holds the present state, and points CURRENT at
  // it. The first call needed before LogAndApply().
  Status BeginManifest() EXCLUDES(mutex_);

  // Appends the edits, in order, syncs them and applies them to the state. On
  // an error nothing is applied, and only a new MANIFEST may follow: the next
  // call begins one.
  Status LogAndApply(const std::vector<VersionEdit>& edits) EXCLUDES(mutex_);

  [[nodiscard]] uint64_t NewFileNumber() {
    return next_file_number_.fetch_add(1, std::memory_order_relaxed);
  }
  // Numbers up to `number` are taken.
  void MarkFileNumberUsed(uint64_t number);

  // A copy.
  [[nodiscard]] ManifestState state() const EXCLUDES(mutex_);
  [[nodiscard]] uint64_t manifest_number() const EXCLUDES(mutex_);

 private:
  Status BeginManifestLocked() REQUIRES(mutex_);
  Status AppendEdits(LogWriter* manifest,
                     const std::vector<VersionEdit>& edits) const;

  FileSystem* const file_system_;
  const std::string directory_;
  Atomic<uint64_t> next_file_number_ = 1;

  // Held during the I/O of a change: changes are rare and must not overtake
  // each other.
  mutable Mutex mutex_;
  ManifestState state_ GUARDED_BY(mutex_);
  std::unique_ptr<LogWriter> manifest_ GUARDED_BY(mutex_);
  uint64_t manifest_number_ GUARDED_BY(mutex_) = 0;
};

}  // namespace paceline
