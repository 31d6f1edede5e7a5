#include "src/version/manifest_state.h"

#include <algorithm>
#include <optional>
#include <set>
#include <unordered_set>
#include <utility>

#include "src/base/coding.h"
#include "src/base/crc32c.h"
#include "src/format/file_name.h"
#include "src/wal/log_format.h"
#include "src/wal/log_reader.h"

namespace paceline {

namespace {

constexpr size_t kCurrentBytesMax = 4096;

Status Contradiction(const std::string& what) {
  return Status::Corruption("contradictory version edit", what);
}

// Collects the edits of an atomic group and applies them when the last one is
// there: a group that was cut off counts as never written.
class EditApplier {
 public:
  explicit EditApplier(ManifestState* state) : state_(state) {}

  Status Add(VersionEdit edit) {
    if (!edit.remaining_in_group) {
      if (!group_.empty()) return Contradiction("atomic group is interrupted");
      return Apply(edit);
    }
    uint32_t remaining = *edit.remaining_in_group;
    if (!group_.empty() && *group_.back().remaining_in_group != remaining + 1) {
      return Contradiction("atomic group does not count down");
    }
    group_.push_back(std::move(edit));
    if (remaining > 0) return Status::OK();
    for (const VersionEdit& member : std::exchange(group_, {})) {
      Status s = Apply(member);
      if (!s.ok()) return s;
    }
    return Status::OK();
  }

  // Edits of a group wait for others.
  [[nodiscard]] bool is_in_group() const { return !group_.empty(); }

  Status Finish() const {
    if (!has_next_file_number_) return Missing("next file number");
    if (!has_last_sequence_) return Missing("last sequence");
    if (!has_log_number_) return Missing("log number");
    return Status::OK();
  }

 private:
  Status Apply(const VersionEdit& edit) {
    has_next_file_number_ |= edit.next_file_number.has_value();
    has_last_sequence_ |= edit.last_sequence.has_value();
    has_log_number_ |= edit.log_number.has_value();
    return state_->Apply(edit);
  }

  static Status Missing(const char* what) {
    return Status::Corruption("the MANIFEST never gives a value", what);
  }

  ManifestState* const state_;
  std::vector<VersionEdit> group_;
  bool has_next_file_number_ = false;
  bool has_last_sequence_ = false;
  bool has_log_number_ = false;
};

}  // namespace

StatusOr<std::string> ReadFileToString(FileSystem* file_system,
                                       const std::string& path,
                                       size_t bytes_max) {
  auto file = file_system->NewSequentialFile(path);
  if (!file.ok()) return file.status();
  std::string contents(bytes_max + 1, '\0');
  Slice read;
  Status s = (*file)->Read(contents.size(), &read, contents.data());
  if (!s.ok()) return s;
  if (read.size() > bytes_max) {
    return Status::Corruption(path, "is too large");
  }
  return read.ToString();
}

ManifestState ManifestState::Empty() {
  ManifestState state;
  state.families[0].name = "default";
  return state;
}

Status ManifestState::Apply(const VersionEdit& edit) {
  if (edit.next_file_number) next_file_number = *edit.next_file_number;
  if (edit.last_sequence) last_sequence = *edit.last_sequence;
  if (edit.max_family_id) {
    max_family_id = std::max(max_family_id, *edit.max_family_id);
  }
  if (edit.min_log_number_to_keep) {
    min_log_number_to_keep =
        std::max(min_log_number_to_keep, *edit.min_log_number_to_keep);
  }
  if (edit.database_id) database_id = *edit.database_id;
  is_closed_cleanly = edit.is_closed_cleanly;

  std::string subject = "column family " + std::to_string(edit.family_id);
  if (edit.added_family) {
    if (families.contains(edit.family_id)) {
      return Contradiction(subject + " is added again");
    }
    families[edit.family_id].name = *edit.added_family;
    max_family_id = std::max(max_family_id, edit.family_id);
  }
  auto found = families.find(edit.family_id);
  if (found == families.end()) {
    return Contradiction(subject + " does not exist");
  }
  if (edit.drops_family) {
    if (edit.family_id == 0) return Contradiction(subject + " is dropped");
    families.erase(found);
    return Status::OK();
  }
  Family& family = found->second;
  if (edit.comparator_name) family.comparator_name = *edit.comparator_name;
  if (edit.log_number) {
    family.log_number = std::max(family.log_number, *edit.log_number);
  }
  for (const auto& deleted : edit.deleted_files) {
    auto live = family.files.find(deleted.number);
    if (live == family.files.end() || live->second.level != deleted.level) {
      return Contradiction("file " + std::to_string(deleted.number) +
                           " is deleted but not there");
    }
    family.files.erase(live);
  }
  for (const auto& added : edit.added_files) {
    Family::File file{added.level,
                      std::make_shared<const FileMetaData>(added.file)};
    if (!family.files.emplace(added.file.number, std::move(file)).second) {
      return Contradiction("file " + std::to_string(added.file.number) +
                           " is added again");
    }
  }
  return Status::OK();
}

Status ManifestState::CheckDistinct() const {
  std::set<std::string> names;
  std::unordered_set<uint64_t> numbers;
  for (const auto& [id, family] : families) {
    if (!names.insert(family.name).second) {
      return Contradiction("two column families have the name " + family.name);
    }
    for (const auto& [number, file] : family.files) {
      if (numbers.insert(number).second) continue;
      return Contradiction("file " + std::to_string(number) +
                           " is in two column families");
    }
  }
  return Status::OK();
}

void ManifestState::BoundSequences() {
  for (auto& [id, family] : families) {
    for (auto& [number, file] : family.files) {
      // No entry has it.
      if (file.metadata->largest_sequence != kMaxSequenceNumber) continue;
      FileMetaData bounded = *file.metadata;
      bounded.largest_sequence = last_sequence;
      bounded.smallest_sequence =
          std::min(bounded.smallest_sequence, last_sequence);
      file.metadata = std::make_shared<const FileMetaData>(std::move(bounded));
    }
  }
}

uint64_t ManifestState::FirstLiveLog() const {
  uint64_t smallest = UINT64_MAX;
  for (const auto& [id, family] : families) {
    smallest = std::min(smallest, family.log_number);
  }
  return std::max(min_log_number_to_keep, smallest);
}

std::optional<uint32_t> ManifestState::FamilyIdByName(
    const std::string& name) const {
  for (const auto& [id, family] : families) {
    if (family.name == name) return id;
  }
  return std::nullopt;
}

std::vector<VersionEdit> ManifestState::ToEdits() const {
  std::vector<VersionEdit> edits;
  VersionEdit whole;
  if (!database_id.empty()) whole.database_id = database_id;
  whole.next_file_number = next_file_number;
  whole.last_sequence = last_sequence;
  whole.max_family_id = max_family_id;
  if (min_log_number_to_keep > 0) {
    whole.min_log_number_to_keep = min_log_number_to_keep;
  }
  edits.push_back(std::move(whole));
  for (const auto& [id, family] : families) {
    VersionEdit added;
    added.family_id = id;
    if (id != 0) added.added_family = family.name;
    if (!family.comparator_name.empty()) {
      added.comparator_name = family.comparator_name;
    }
    edits.push_back(std::move(added));
    // RocksDB passes over the tables in an edit that adds a family.
    VersionEdit edit;
    edit.family_id = id;
    edit.log_number = family.log_number;
    for (const auto& [number, file] : family.files) {
      edit.added_files.push_back({file.level, *file.metadata});
    }
    edits.push_back(std::move(edit));
  }
  return edits;
}

StatusOr<uint64_t> ReadCurrent(FileSystem* file_system,
                               const std::string& directory) {
  std::string path = CurrentFileName(directory);
  StatusOr<std::string> contents =
      ReadFileToString(file_system, path, kCurrentBytesMax);
  if (!contents.ok()) return contents.status();
  std::string_view name = *contents;
  if (!name.ends_with('\n')) {
    return Status::Corruption(path, "does not end in a newline");
  }
  name.remove_suffix(1);
  // Only a name of the one form: the file cannot lead out of the directory.
  std::optional<ParsedFileName> parsed = ParseFileName(name);
  if (!parsed || parsed->type != FileType::kManifest) {
    return Status::Corruption(path, "does not name a MANIFEST");
  }
  return parsed->number;
}

namespace {

struct OpenManifest {
  uint64_t number = 0;
  std::unique_ptr<SequentialFile> file;
};

// A process that writes may begin another MANIFEST, and remove the one that
// CURRENT named, before that is opened.
StatusOr<OpenManifest> OpenCurrentManifest(FileSystem* file_system,
                                           const std::string& directory) {
  StatusOr<uint64_t> number = ReadCurrent(file_system, directory);
  while (true) {
    if (!number.ok()) return number.status();
    std::string path = ManifestFileName(directory, *number);
    auto file = file_system->NewSequentialFile(path);
    if (file.ok()) return OpenManifest{*number, *std::move(file)};
    if (!file.status().IsPathNotFound()) return file.status();
    const uint64_t missing = *number;
    number = ReadCurrent(file_system, directory);
    if (number.ok() && *number == missing) {
      return Status::Corruption(
          CurrentFileName(directory) + " names a MANIFEST that is missing",
          path);
    }
  }
}

// The intact record at the front of `bytes`, which lie in one block of a log;
// nothing if there is none.
std::optional<Slice> IntactRecord(const Slice& bytes) {
  if (bytes.size() < log::kHeaderBytes) return std::nullopt;
  auto type = static_cast<uint8_t>(bytes[6]);
  size_t length = DecodeFixed<uint16_t>(bytes.data() + 4);
  bool is_data = type >= log::kFull && type <= log::kLast;
  if (!is_data || length > bytes.size() - log::kHeaderBytes) {
    return std::nullopt;
  }
  uint32_t expected = crc32c::Unmask(DecodeFixed32(bytes.data()));
  if (crc32c::Value(bytes.data() + 6, 1 + length) != expected) {
    return std::nullopt;
  }
  return Slice(bytes.data() + log::kHeaderBytes, length);
}

// True if the damage at `offset` can come from a power cut during the last
// change, which nobody was told of then: nothing intact follows it but other
// edits of one atomic group. The parts of a change that is not synced reach the
// device in any order.
StatusOr<bool> IsTornTail(FileSystem* file_system, const std::string& path,
                          uint64_t offset) {
  StatusOr<uint64_t> size = file_system->FileSize(path);
  if (!size.ok()) return size.status();
  StatusOr<std::string> contents = ReadFileToString(file_system, path, *size);
  if (!contents.ok()) return contents.status();
  bool has_group_ended = false;
  uint64_t at = offset + 1;
  while (at < contents->size()) {
    uint64_t block_end =
        at / log::kBlockBytes * log::kBlockBytes + log::kBlockBytes;
    Slice rest(contents->data() + at,
               std::min<uint64_t>(block_end, contents->size()) - at);
    std::optional<Slice> record = IntactRecord(rest);
    if (!record) {
      ++at;
      continue;
    }
    StatusOr<VersionEdit> edit = VersionEdit::Decode(*record);
    bool is_of_group = edit.ok() && edit->remaining_in_group.has_value();
    if (!is_of_group || has_group_ended) return false;
    has_group_ended = *edit->remaining_in_group == 0;
    at += log::kHeaderBytes + record->size();
  }
  return true;
}

}  // namespace

StatusOr<ReadManifestResult> ReadManifest(FileSystem* file_system,
                                          const std::string& directory) {
  auto manifest = OpenCurrentManifest(file_system, directory);
  if (!manifest.ok()) return manifest.status();
  std::string path = ManifestFileName(directory, manifest->number);
  LogReader reader({.file = std::move(manifest->file),
                    .path = path,
                    .log_number = 0,
                    .refuses_records_behind_damage = true},
                   WALRecoveryMode::kTolerateCorruptedTailRecords);
  ReadManifestResult result{ManifestState::Empty(), manifest->number};
  EditApplier applier(&result.state);
  Slice record;
  LogReader::Result read;
  while ((read = reader.ReadRecord(&record)) == LogReader::Result::kRecord) {
    StatusOr<VersionEdit> edit = VersionEdit::Decode(record);
    Status s = edit.ok() ? applier.Add(*std::move(edit)) : edit.status();
    // Every edit is synced before the next one is written.
    if (reader.follows_zero_fill()) {
      s = Status::Corruption("records follow unwritten space");
    }
    const std::string place =
        path + " at offset " + std::to_string(reader.offset());
    if (s.IsNotSupported()) return Status::NotSupported(place, s.message());
    if (!s.ok()) return Status::Corruption(place, s.message());
  }
  bool is_torn_tail = false;
  if (read == LogReader::Result::kError) {
    Status damage = reader.status();
    if (!damage.IsCorruption()) return damage;
    auto is_torn = IsTornTail(file_system, path, reader.offset());
    if (!is_torn.ok()) return is_torn.status();
    if (!*is_torn) return damage;
    is_torn_tail = true;
  }
  Status s = applier.Finish();
  if (s.ok()) s = result.state.CheckDistinct();
  if (!s.ok()) return Status::Corruption(path, s.message());
  result.state.BoundSequences();
  result.is_cut_short = is_torn_tail || reader.was_cut_short() ||
                        reader.follows_zero_fill() || applier.is_in_group();
  return result;
}

Status WriteAndRename(FileSystem* file_system, const std::string& temporary,
                      const std::string& path, const Slice& contents) {
  // One may be left over from a process that died.
  StatusOr<bool> exists = file_system->FileExists(temporary);
  if (!exists.ok()) return exists.status();
  if (*exists) {
    Status s = file_system->RemoveFile(temporary);
    if (!s.ok()) return s;
  }
  auto file = file_system->NewWritableFile(temporary, {});
  if (!file.ok()) return file.status();
  Status s = (*file)->Append(contents);
  if (s.ok()) s = (*file)->Sync();
  if (s.ok()) s = (*file)->Close();
  if (s.ok()) s = file_system->RenameFile(temporary, path);
  if (!s.ok()) {
    Status ignored = file_system->RemoveFile(temporary);
    static_cast<void>(ignored);
  }
  return s;
}

Status SetCurrent(FileSystem* file_system, const std::string& directory,
                  uint64_t manifest_number) {
  Status s = WriteAndRename(
      file_system, TemporaryFileName(directory, manifest_number),
      CurrentFileName(directory), ManifestBaseName(manifest_number) + "\n");
  if (s.ok()) s = file_system->SyncDirectory(directory);
  return s;
}

}  // namespace paceline
