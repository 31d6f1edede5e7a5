// ManifestState: what a MANIFEST says, edit by edit.

#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "paceline/env.h"
#include "paceline/status.h"

#include "src/version/version_edit.h"

namespace paceline {

// A plain value. Thread-compatible.
struct ManifestState {
  struct Family {
    std::string name;
    std::string comparator_name;  // Empty if never given.
    uint64_t log_number = 0;
    struct File {
      int level = 0;
      std::shared_ptr<const FileMetaData> metadata;
    };
    std::map<uint64_t, File> files;  // SST files, by number.
  };

  std::map<uint32_t, Family> families;  // By id.
  uint64_t next_file_number = 0;
  SequenceNumber last_sequence = 0;
  uint32_t max_family_id = 0;
  uint64_t min_log_number_to_keep = 0;
  std::string database_id;
  // Nothing follows the mark of a clean end.
  bool is_closed_cleanly = false;

  // With the default family only.
  static ManifestState Empty();

  // Corruption if the edit contradicts the state; the state is then
  // unspecified.
  Status Apply(const VersionEdit& edit);

  // To be called behind the last edit. Corruption if two families have the same
  // name or a file in common.
  [[nodiscard]] Status CheckDistinct() const;
  // To be called behind the last edit. Gives files that do not say how new
  // their entries are (the oldest form in a MANIFEST) the last sequence number.
  void BoundSequences();

  // WALs below it hold nothing that is still needed.
  [[nodiscard]] uint64_t FirstLiveLog() const;
  [[nodiscard]] std::optional<uint32_t> FamilyIdByName(
      const std::string& name) const;

  // The edits that make this state out of Empty().
  [[nodiscard]] std::vector<VersionEdit> ToEdits() const;
};

// What CURRENT and the MANIFEST it names say about the database in
// `directory`.
struct ReadManifestResult {
  ManifestState state;
  uint64_t manifest_number = 0;
  // Something at its end was left out, or never reached the device: an edit
  // that was torn, a group without its last one, unwritten space.
  bool is_cut_short = false;
};

// PathNotFound if there is no CURRENT; Corruption, with file and offset, for
// damage anywhere but in a torn last record, behind which there is no whole
// one; NotSupported as for
// VersionEdit::Decode().
StatusOr<ReadManifestResult> ReadManifest(FileSystem* file_system,
                                          const std::string& directory);

// The number of the MANIFEST that CURRENT names. PathNotFound if there is no
// CURRENT, Corruption if it is malformed.
StatusOr<uint64_t> ReadCurrent(FileSystem* file_system,
                               const std::string& directory);

// Points CURRENT at the MANIFEST of this number, durably.
Status SetCurrent(FileSystem* file_system, const std::string& directory,
                  uint64_t manifest_number);

// Writes `contents` to `temporary`, syncs it and renames it to `path`. The
// directory is not synced.
Status WriteAndRename(FileSystem* file_system, const std::string& temporary,
                      const std::string& path, const Slice& contents);

// The whole of a file of at most `bytes_max`; Corruption if it is larger.
StatusOr<std::string> ReadFileToString(FileSystem* file_system,
                                       const std::string& path,
                                       size_t bytes_max);

}  // namespace paceline
