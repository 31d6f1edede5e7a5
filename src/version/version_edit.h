// VersionEdit: one record of a MANIFEST, and its encoding.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "paceline/slice.h"
#include "paceline/snapshot.h"
#include "paceline/status.h"

#include "src/format/file_metadata.h"

namespace paceline {

// Levels of the tree; RocksDB refuses databases with more.
inline constexpr int kLevels = 7;

// A change to one column family, to the database as a whole, or both. The
// layout is in docs/file_formats.md.
struct VersionEdit {
  // The column family it is about; 0 is the default one.
  uint32_t family_id = 0;
  // Adds the family, with this name.
  std::optional<std::string> added_family;
  bool drops_family = false;
  std::optional<std::string> comparator_name;
  // WALs below it hold nothing of the family that is still needed.
  std::optional<uint64_t> log_number;

  std::optional<uint64_t> next_file_number;
  std::optional<SequenceNumber> last_sequence;
  std::optional<uint32_t> max_family_id;
  // WALs below it hold nothing that is still needed.
  std::optional<uint64_t> min_log_number_to_keep;
  std::optional<std::string> database_id;

  // True if everything in the database is durable and nobody writes: the mark
  // of a clean end. RocksDB passes over it.
  bool is_closed_cleanly = false;

  struct AddedFile {
    int level = 0;
    FileMetaData file;
  };
  struct DeletedFile {
    int level = 0;
    uint64_t number = 0;
    friend bool operator==(const DeletedFile&, const DeletedFile&) = default;
  };
  // Deletions are applied first, so that a file may move between levels.
  std::vector<DeletedFile> deleted_files;
  std::vector<AddedFile> added_files;

  // Of an atomic group: how many edits of it still follow.
  std::optional<uint32_t> remaining_in_group;

  void EncodeTo(std::string* to) const;

  // Corruption if `record` is malformed or holds an unknown field that must
  // not be ignored; NotSupported for blob files and other directories.
  static StatusOr<VersionEdit> Decode(const Slice& record);
};

}  // namespace paceline
