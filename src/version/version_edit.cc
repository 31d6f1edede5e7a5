#include "src/version/version_edit.h"

#include <algorithm>

#include "src/base/coding.h"
#include "src/format/file_name.h"
#include "src/format/internal_key.h"

namespace paceline {

namespace {

enum Tag : uint32_t {
  kComparator = 1,
  kLogNumber = 2,
  kNextFileNumber = 3,
  kLastSequence = 4,
  kCompactionCursor = 5,
  kDeletedFile = 6,
  kNewFile = 7,
  kPreviousLogNumber = 9,
  kMinLogNumberToKeep = 10,
  kNewFile2 = 100,
  kNewFile3 = 102,
  kNewFile4 = 103,
  kColumnFamily = 200,
  kColumnFamilyAdd = 201,
  kColumnFamilyDrop = 202,
  kMaxColumnFamily = 203,
  kInAtomicGroup = 300,
  kBlobFileAddition = 400,
  kBlobFileGarbage = 401,
  // Tags with this bit may be skipped: their payload has a length.
  kIgnorableMask = 1 << 13,
  kDatabaseId = kIgnorableMask + 1,
  kOldBlobFileAddition = kIgnorableMask + 2,
  kOldBlobFileGarbage = kIgnorableMask + 3,
  kOldWalAddition = kIgnorableMask + 4,
  kOldWalDeletion = kIgnorableMask + 5,
  // Paceline's own, without a payload.
  kClosedCleanly = kIgnorableMask + 4096,
};

// Fields that follow a kNewFile4.
enum NewFileField : uint32_t {
  kEndOfFields = 1,
  kFieldMarkedForCompaction = 2,
  kFieldMinLogNumberToKeep = 3,
  kFieldOldestBlobFile = 4,
  kFieldOldestAncestorTime = 5,
  kFieldFileCreationTime = 6,
  kFieldEpochNumber = 13,
  kFieldPathId = 65,
  // Unknown fields with this bit must not be ignored.
  kFatalMask = 1 << 6,
};

// What a kOldWalAddition ends with, after optional fields.
constexpr uint32_t kWalTerminate = 1;
constexpr uint32_t kWalSyncedSize = 2;

void PutVarintField(std::string* to, Tag tag, uint64_t value) {
  PutVarint32(to, tag);
  PutVarint64(to, value);
}

void PutStringField(std::string* to, Tag tag, const Slice& value) {
  PutVarint32(to, tag);
  PutLengthPrefixed(to, value);
}

// Takes one record apart. Every function leaves a status behind if it returns
// false.
class Decoder {
 public:
  explicit Decoder(const Slice& record) : input_(record) {}

  StatusOr<VersionEdit> Decode() {
    while (!input_.empty()) {
      uint32_t tag = 0;
      if (!GetVarint32(&input_, &tag)) {
        Malformed("tag");
        return status_;
      }
      if (!ReadField(tag)) return status_;
    }
    return edit_;
  }

 private:
  bool ReadField(uint32_t tag);
  bool ReadNewFile(uint32_t tag);
  bool ReadNewFileFields(FileMetaData* file);
  bool ReadNewFileField(uint32_t field, Slice payload, FileMetaData* file);
  bool ReadOldWalAddition();
  bool ReadIgnorable(uint32_t tag);

  bool Malformed(const std::string& what) {
    status_ = Status::Corruption("malformed version edit", what);
    return false;
  }
  bool NotSupported(const char* feature) {
    status_ =
        Status::NotSupported("the MANIFEST uses a feature of RocksDB", feature);
    return false;
  }
  bool ReadNumber(uint64_t* value, const char* what) {
    return GetVarint64(&input_, value) || Malformed(what);
  }
  bool ReadFileNumber(uint64_t* value, const char* what) {
    return ReadNumber(value, what) &&
           (*value <= kFileNumberMax || Malformed(what));
  }
  bool ReadFileNumber(std::optional<uint64_t>* value, const char* what) {
    return ReadFileNumber(&value->emplace(), what);
  }
  bool ReadSequence(SequenceNumber* value, const char* what) {
    return ReadNumber(value, what) &&
           (*value <= kMaxSequenceNumber || Malformed(what));
  }
  bool ReadString(Slice* value, const char* what) {
    return GetLengthPrefixed(&input_, value) || Malformed(what);
  }
  bool ReadString(std::optional<std::string>* value, const char* what) {
    Slice bytes;
    if (!ReadString(&bytes, what)) return false;
    *value = bytes.ToString();
    return true;
  }
  // `payload` is one number and nothing else.
  bool ReadWhole(Slice payload, uint64_t* value, const char* what) {
    return (GetVarint64(&payload, value) && payload.empty()) || Malformed(what);
  }
  // Of several in one edit the largest counts. True.
  bool TakeMinLogNumber(uint64_t number) {
    edit_.min_log_number_to_keep =
        std::max(edit_.min_log_number_to_keep.value_or(0), number);
    return true;
  }
  bool ReadFamilyId(uint32_t* id, const char* what) {
    return GetVarint32(&input_, id) || Malformed(what);
  }
  bool ReadLevel(int* level) {
    uint32_t value = 0;
    if (!GetVarint32(&input_, &value)) return Malformed("level");
    if (value >= kLevels) return NotSupported("more than 7 levels");
    *level = static_cast<int>(value);
    return true;
  }
  bool ReadInternalKey(std::string* to) {
    Slice key;
    if (!ReadString(&key, "file boundary")) return false;
    to->assign(key.data(), key.size());
    return key.size() >= kTagBytes || Malformed("file boundary");
  }

  Slice input_;
  VersionEdit edit_;
  Status status_;
};

bool Decoder::ReadField(uint32_t tag) {
  uint64_t number = 0;
  switch (tag) {
    case kComparator:
      return ReadString(&edit_.comparator_name, "comparator name");
    case kLogNumber:
      return ReadFileNumber(&edit_.log_number, "log number");
    case kNextFileNumber:
      return ReadFileNumber(&edit_.next_file_number, "next file number");
    case kLastSequence:
      return ReadSequence(&edit_.last_sequence.emplace(), "last sequence");
    case kPreviousLogNumber:
      return ReadNumber(&number, "previous log number");
    case kMinLogNumberToKeep:
      return ReadFileNumber(&number, "min log number") &&
             TakeMinLogNumber(number);
    case kCompactionCursor: {
      std::string cursor;
      return ReadNumber(&number, "level") && ReadInternalKey(&cursor);
    }
    case kDeletedFile: {
      VersionEdit::DeletedFile file;
      if (!ReadLevel(&file.level)) return false;
      edit_.deleted_files.push_back(file);
      return ReadFileNumber(&edit_.deleted_files.back().number, "file number");
    }
    case kNewFile:
    case kNewFile2:
    case kNewFile3:
    case kNewFile4:
      return ReadNewFile(tag);
    case kColumnFamily:
      return ReadFamilyId(&edit_.family_id, "column family id");
    case kColumnFamilyAdd:
      return ReadString(&edit_.added_family, "column family name");
    case kColumnFamilyDrop:
      edit_.drops_family = true;
      return true;
    case kMaxColumnFamily:
      return ReadFamilyId(&edit_.max_family_id.emplace(),
                          "largest column family id");
    case kInAtomicGroup:
      return ReadFamilyId(&edit_.remaining_in_group.emplace(), "atomic group");
    case kBlobFileAddition:
    case kBlobFileGarbage:
    case kOldBlobFileAddition:
    case kOldBlobFileGarbage:
      return NotSupported("blob files");
    default:
      return ReadIgnorable(tag);
  }
}

bool Decoder::ReadIgnorable(uint32_t tag) {
  // Two tags break the rule that the bit implies a length.
  uint64_t ignored = 0;
  if (tag == kOldWalAddition) return ReadOldWalAddition();
  if (tag == kOldWalDeletion) return ReadNumber(&ignored, "WAL deletion");
  if ((tag & kIgnorableMask) == 0) {
    return Malformed("unknown tag " + std::to_string(tag));
  }
  Slice payload;
  if (!ReadString(&payload, "ignorable field")) return false;
  if (tag == kDatabaseId) edit_.database_id = payload.ToString();
  if (tag == kClosedCleanly) edit_.is_closed_cleanly = true;
  return true;
}

bool Decoder::ReadOldWalAddition() {
  uint64_t ignored = 0;
  if (!ReadNumber(&ignored, "WAL addition")) return false;
  uint32_t field = 0;
  while (GetVarint32(&input_, &field)) {
    if (field == kWalTerminate) return true;
    if (field != kWalSyncedSize) break;
    if (!ReadNumber(&ignored, "WAL size")) return false;
  }
  return Malformed("WAL addition");
}

// The forms differ in what stands between the file number and the boundaries,
// and in what follows them.
bool Decoder::ReadNewFile(uint32_t tag) {
  VersionEdit::AddedFile added;
  FileMetaData& file = added.file;
  if (!ReadLevel(&added.level) ||
      !ReadFileNumber(&file.number, "file number")) {
    return false;
  }
  if (tag == kNewFile3) {
    uint64_t path_id = 0;
    if (!ReadNumber(&path_id, "path id")) return false;
    if (path_id != 0) return NotSupported("tables in other directories");
  }
  if (!ReadNumber(&file.size, "file size") ||
      !ReadInternalKey(&file.smallest) || !ReadInternalKey(&file.largest)) {
    return false;
  }
  // The oldest form does not say; see ManifestState::BoundSequences().
  file.largest_sequence = kMaxSequenceNumber;
  if (tag != kNewFile &&
      (!ReadSequence(&file.smallest_sequence, "smallest sequence") ||
       !ReadSequence(&file.largest_sequence, "largest sequence"))) {
    return false;
  }
  if (file.smallest_sequence > file.largest_sequence) {
    return Malformed("sequence numbers of a file");
  }
  if (tag == kNewFile4 && !ReadNewFileFields(&file)) return false;
  edit_.added_files.push_back(std::move(added));
  return true;
}

bool Decoder::ReadNewFileFields(FileMetaData* file) {
  while (true) {
    uint32_t field = 0;
    if (!GetVarint32(&input_, &field)) return Malformed("file field");
    if (field == kEndOfFields) return true;
    Slice payload;
    if (!ReadString(&payload, "file field")) return false;
    if (!ReadNewFileField(field, payload, file)) return false;
  }
}

bool Decoder::ReadNewFileField(uint32_t field, Slice payload,
                               FileMetaData* file) {
  switch (field) {
    case kFieldMarkedForCompaction:
      if (payload.size() != 1) return Malformed("mark of a file");
      file->is_marked_for_compaction = payload[0] == 1;
      return true;
    case kFieldMinLogNumberToKeep: {
      uint64_t number = 0;
      return (GetFixed64(&payload, &number) && payload.empty() &&
              number <= kFileNumberMax && TakeMinLogNumber(number)) ||
             Malformed("min log number of a file");
    }
    case kFieldOldestBlobFile:
      return NotSupported("blob files");
    case kFieldOldestAncestorTime:
      return ReadWhole(payload, &file->oldest_ancestor_time,
                       "oldest ancestor time of a file");
    case kFieldFileCreationTime:
      return ReadWhole(payload, &file->file_creation_time,
                       "creation time of a file");
    case kFieldEpochNumber:
      return ReadWhole(payload, &file->epoch_number, "epoch number of a file");
    case kFieldPathId:
      if (payload.size() != 1) return Malformed("path id");
      return payload[0] == 0 || NotSupported("tables in other directories");
    default:
      return (field & kFatalMask) == 0 ||
             Malformed("unknown file field " + std::to_string(field));
  }
}

void PutFileField(std::string* to, NewFileField field, uint64_t value) {
  std::string payload;
  PutVarint64(&payload, value);
  PutVarint32(to, field);
  PutLengthPrefixed(to, payload);
}

void PutNewFile(std::string* to, const VersionEdit::AddedFile& added) {
  const FileMetaData& file = added.file;
  PutVarintField(to, kNewFile4, static_cast<uint64_t>(added.level));
  PutVarint64(to, file.number);
  PutVarint64(to, file.size);
  PutLengthPrefixed(to, file.smallest);
  PutLengthPrefixed(to, file.largest);
  PutVarint64(to, file.smallest_sequence);
  PutVarint64(to, file.largest_sequence);
  PutFileField(to, kFieldOldestAncestorTime, file.oldest_ancestor_time);
  PutFileField(to, kFieldFileCreationTime, file.file_creation_time);
  // All files of a family have one, or none has.
  if (file.epoch_number != 0) {
    PutFileField(to, kFieldEpochNumber, file.epoch_number);
  }
  if (file.is_marked_for_compaction) {
    PutVarint32(to, kFieldMarkedForCompaction);
    PutLengthPrefixed(to, Slice("\1", 1));
  }
  PutVarint32(to, kEndOfFields);
}

}  // namespace

void VersionEdit::EncodeTo(std::string* to) const {
  if (database_id) PutStringField(to, kDatabaseId, *database_id);
  if (comparator_name) PutStringField(to, kComparator, *comparator_name);
  if (log_number) PutVarintField(to, kLogNumber, *log_number);
  if (min_log_number_to_keep) {
    PutVarintField(to, kMinLogNumberToKeep, *min_log_number_to_keep);
  }
  if (next_file_number) {
    PutVarintField(to, kPreviousLogNumber, 0);
    PutVarintField(to, kNextFileNumber, *next_file_number);
  }
  if (last_sequence) PutVarintField(to, kLastSequence, *last_sequence);
  for (const DeletedFile& deleted : deleted_files) {
    PutVarintField(to, kDeletedFile, static_cast<uint64_t>(deleted.level));
    PutVarint64(to, deleted.number);
  }
  for (const AddedFile& added : added_files) PutNewFile(to, added);
  if (family_id != 0) PutVarintField(to, kColumnFamily, family_id);
  if (added_family) PutStringField(to, kColumnFamilyAdd, *added_family);
  if (drops_family) PutVarint32(to, kColumnFamilyDrop);
  if (max_family_id) PutVarintField(to, kMaxColumnFamily, *max_family_id);
  if (is_closed_cleanly) PutStringField(to, kClosedCleanly, Slice());
  if (remaining_in_group) {
    PutVarintField(to, kInAtomicGroup, *remaining_in_group);
  }
}

StatusOr<VersionEdit> VersionEdit::Decode(const Slice& record) {
  return Decoder(record).Decode();
}

}  // namespace paceline
