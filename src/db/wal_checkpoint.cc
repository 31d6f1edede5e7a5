#include "src/db/wal_checkpoint.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "src/base/coding.h"
#include "src/format/batch_reader.h"
#include "src/format/file_name.h"
#include "src/wal/log_writer.h"

namespace paceline {

namespace {

// A record is begun anew when it has grown to this, so that recovery needs
// little memory for it.
constexpr size_t kRecordBytes = size_t{256} << 10;

struct Entry {
  SequenceNumber sequence = 0;
  uint32_t family_id = 0;
  ValueType type = ValueType::kValue;
  Slice key;
  Slice value;
};

// All entries of all memtables in the order in which they were written. Those
// of range deletions point into `tombstones`.
std::vector<Entry> CollectEntries(
    const ColumnFamilySet::Families& families,
    std::vector<std::vector<RangeTombstone>>* tombstones) {
  std::vector<Entry> entries;
  auto collect = [&](uint32_t family_id, const MemTable& memtable) {
    std::unique_ptr<InternalIterator> point = memtable.NewIterator();
    for (point->SeekToFirst(); point->Valid(); point->Next()) {
      uint64_t tag = ExtractTag(point->key());
      entries.push_back({TagSequence(tag), family_id, TagType(tag),
                         ExtractUserKey(point->key()), point->value()});
    }
    tombstones->push_back(memtable.range_tombstones().All());
    for (const RangeTombstone& tombstone : tombstones->back()) {
      entries.push_back({tombstone.sequence, family_id,
                         ValueType::kRangeDeletion, tombstone.begin,
                         tombstone.end});
    }
  };
  for (const auto& family : families) {
    auto version = family->PinSuperVersion();
    collect(family->id(), *version->mutable_memtable);
    for (const auto& sealed : version->sealed_memtables) {
      collect(family->id(), *sealed);
    }
  }
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return a.sequence < b.sequence;
  });
  return entries;
}

// Entries of consecutive sequence numbers share a record.
class RecordBuilder {
 public:
  explicit RecordBuilder(LogWriter* log) : log_(log) { Begin(0); }

  Status Add(const Entry& entry) {
    bool fits = count_ > 0 && entry.sequence == first_ + count_ &&
                record_.size() < kRecordBytes;
    if (!fits) {
      Status s = Finish();
      if (!s.ok()) return s;
      Begin(entry.sequence);
    }
    AppendEntry(entry);
    ++count_;
    return Status::OK();
  }

  Status Finish() {
    if (count_ == 0) return Status::OK();
    EncodeFixed<uint64_t>(record_.data(), first_);
    EncodeFixed<uint32_t>(record_.data() + 8, count_);
    return log_->AddRecord(record_);
  }

 private:
  void Begin(SequenceNumber first) {
    first_ = first;
    count_ = 0;
    record_.assign(kBatchHeaderBytes, '\0');
  }

  void AppendEntry(const Entry& entry) {
    bool is_default = entry.family_id == 0;
    BatchTag tag = TagOf(entry.type, is_default);
    record_.push_back(static_cast<char>(tag));
    if (!is_default) PutVarint32(&record_, entry.family_id);
    PutLengthPrefixed(&record_, entry.key);
    if (entry.type != ValueType::kDeletion &&
        entry.type != ValueType::kSingleDeletion) {
      PutLengthPrefixed(&record_, entry.value);
    }
  }

  static BatchTag TagOf(ValueType type, bool is_default) {
    switch (type) {
      case ValueType::kDeletion:
        return is_default ? BatchTag::kDeletion : BatchTag::kFamilyDeletion;
      case ValueType::kValue:
        return is_default ? BatchTag::kValue : BatchTag::kFamilyValue;
      case ValueType::kMerge:
        return is_default ? BatchTag::kMerge : BatchTag::kFamilyMerge;
      case ValueType::kSingleDeletion:
        return is_default ? BatchTag::kSingleDeletion
                          : BatchTag::kFamilySingleDeletion;
      case ValueType::kRangeDeletion:
      case ValueType::kSeekMax:
        break;
    }
    return is_default ? BatchTag::kRangeDeletion
                      : BatchTag::kFamilyRangeDeletion;
  }

  LogWriter* const log_;
  SequenceNumber first_ = 0;
  uint32_t count_ = 0;
  std::string record_;
};

Status WriteEntries(FileSystem* file_system, const std::string& path,
                    const ColumnFamilySet::Families& families) {
  auto file = file_system->NewWritableFile(path, {});
  if (!file.ok()) return file.status();
  LogWriter log(*std::move(file));
  RecordBuilder builder(&log);
  std::vector<std::vector<RangeTombstone>> tombstones;
  Status s;
  for (const Entry& entry : CollectEntries(families, &tombstones)) {
    s = builder.Add(entry);
    if (!s.ok()) return s;
  }
  s = builder.Finish();
  if (s.ok()) s = log.Sync();
  if (s.ok()) s = log.Close();
  return s;
}

Status RetireOldWals(FileSystem* file_system, const std::string& directory,
                     uint64_t first_live, bool keeps_them) {
  StatusOr<std::vector<std::string>> names =
      file_system->ListDirectory(directory);
  if (!names.ok()) return names.status();
  std::string archive = ArchiveDirectory(directory);
  bool has_archive = false;
  for (const std::string& name : *names) {
    std::optional<ParsedFileName> parsed = ParseFileName(name);
    if (!parsed || parsed->type != FileType::kWal ||
        parsed->number >= first_live) {
      continue;
    }
    Status s;
    if (!keeps_them) {
      s = file_system->RemoveFile(directory + "/" + name);
    } else {
      if (!has_archive) s = file_system->CreateDirectory(archive);
      has_archive = true;
      if (s.ok()) {
        s = file_system->RenameFile(directory + "/" + name,
                                    archive + "/" + name);
      }
    }
    if (!s.ok()) return s;
  }
  return Status::OK();
}

}  // namespace

std::shared_ptr<MemTable> CopyMemTable(const MemTable& memtable,
                                       SequenceNumber sequence,
                                       const Comparator* comparator) {
  auto copy = std::make_shared<MemTable>(comparator);
  std::unique_ptr<InternalIterator> entry = memtable.NewIterator();
  for (entry->SeekToFirst(); entry->Valid(); entry->Next()) {
    uint64_t tag = ExtractTag(entry->key());
    if (TagSequence(tag) > sequence) continue;
    copy->Add(TagSequence(tag), TagType(tag), ExtractUserKey(entry->key()),
              entry->value());
  }
  for (const RangeTombstone& tombstone : memtable.range_tombstones().All()) {
    if (tombstone.sequence > sequence) continue;
    copy->Add(tombstone.sequence, ValueType::kRangeDeletion, tombstone.begin,
              tombstone.end);
  }
  return copy;
}

Status CheckpointWals(FileSystem* file_system, const std::string& directory,
                      VersionSet* versions,
                      const ColumnFamilySet::Families& families,
                      const CheckpointOptions& options) {
  uint64_t number = versions->NewFileNumber();
  std::string temporary = TemporaryFileName(directory, number);
  Status s = WriteEntries(file_system, temporary, families);
  // Renamed when it is complete: a WAL that ends early would be taken for a
  // torn one.
  if (s.ok()) {
    s = file_system->RenameFile(temporary, WalFileName(directory, number));
  }
  if (!s.ok()) {
    Status ignored = file_system->RemoveFile(temporary);
    static_cast<void>(ignored);
    return s;
  }
  s = file_system->SyncDirectory(directory);
  if (!s.ok()) return s;

  VersionEdit edit;
  edit.log_number = number;
  edit.min_log_number_to_keep = number;
  edit.last_sequence = options.last_sequence;
  s = versions->LogAndApply({edit});
  if (!s.ok()) return s;
  return RetireOldWals(file_system, directory, number, options.keeps_old_wals);
}

}  // namespace paceline
