// VersionSet: the state of the database that outlives the process, the MANIFEST
// that records it, and the file numbers.

#pragma once

#include <cstdint>
#include <functional>
#include <map>
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
  // A MANIFEST that grows beyond `manifest_bytes_max` is replaced.
  VersionSet(FileSystem* file_system, std::string directory,
             uint64_t manifest_bytes_max = uint64_t{1} << 30);

  // Takes over what ReadManifest() found, or ManifestState::Empty().
  void Adopt(ManifestState state) EXCLUDES(mutex_);

  // Begins a new MANIFEST that holds the present state, and points CURRENT at
  // it. The first call needed before LogAndApply().
  Status BeginManifest() EXCLUDES(mutex_);

  // What is to be done about a change beside recording it.
  struct Change {
    // Applied together or, after a crash, not at all.
    std::vector<VersionEdit> edits;
    // Called with what the state is about to become; an error ends the change
    // before anything was written. May be empty.
    std::function<Status(const ManifestState&)> prepare;
    // Called once the change is durable, before any later change. May be empty.
    std::function<void()> install;
  };

  // Records the change durably and applies it to the state. Aborted, before
  // anything was written, if it is about a column family that was dropped. On
  // another error nothing is applied, and only a new MANIFEST may follow: the
  // next call begins one. Until then a crash may find the edits in the old one,
  // so that files that they name must stay.
  // No exception leaves it: what is in the file and what is installed must not
  // differ.
  Status LogAndApply(Change change) noexcept EXCLUDES(mutex_);
  Status LogAndApply(std::vector<VersionEdit> edits) {
    return LogAndApply(Change{std::move(edits), nullptr, nullptr});
  }

  [[nodiscard]] uint64_t NewFileNumber() {
    return next_file_number_.fetch_add(1, std::memory_order_relaxed);
  }
  // Numbers up to `number` are taken.
  void MarkFileNumberUsed(uint64_t number);

  // A WAL begins behind the entry of this sequence number. A change that gives
  // up the WALs before it will say so: not every entry of these may be in a
  // table that tells its number.
  void WalBegins(uint64_t number, SequenceNumber last_sequence)
      EXCLUDES(wal_begins_mutex_);

  // WALs below it hold nothing that is still needed.
  [[nodiscard]] uint64_t FirstLiveLog() const EXCLUDES(mutex_);
  [[nodiscard]] SequenceNumber last_sequence() const EXCLUDES(mutex_);
  // A copy.
  [[nodiscard]] ManifestState state() const EXCLUDES(mutex_);
  [[nodiscard]] uint64_t manifest_number() const EXCLUDES(mutex_);

 private:
  // On an error the old one is still in use, unless CURRENT may name the new
  // one: then there is none.
  Status BeginManifestLocked() REQUIRES(mutex_);
  Status AppendEdits(LogWriter* manifest,
                     const std::vector<VersionEdit>& edits) const;
  void CompleteEdits(std::vector<VersionEdit>* edits) const REQUIRES(mutex_)
      EXCLUDES(wal_begins_mutex_);
  // The last sequence number in the WALs below `log_number`, or less if none of
  // them began in this process.
  [[nodiscard]] SequenceNumber SequenceBefore(uint64_t log_number) const
      EXCLUDES(wal_begins_mutex_);
  void ForgetWalsBelow(uint64_t log_number) EXCLUDES(wal_begins_mutex_);

  FileSystem* const file_system_;
  const std::string directory_;
  const uint64_t manifest_bytes_max_;
  Atomic<uint64_t> next_file_number_ = 1;

  // Held during the I/O of a change: changes are rare and must not overtake
  // each other.
  mutable Mutex mutex_;
  ManifestState state_ GUARDED_BY(mutex_);
  std::unique_ptr<LogWriter> manifest_ GUARDED_BY(mutex_);
  uint64_t manifest_number_ GUARDED_BY(mutex_) = 0;
  uint64_t manifest_first_bytes_ GUARDED_BY(mutex_) = 0;

  // Of its own: who writes must not wait for the I/O of a change.
  mutable Mutex wal_begins_mutex_;
  std::map<uint64_t, SequenceNumber> wal_begins_ GUARDED_BY(wal_begins_mutex_);
};

}  // namespace paceline
