#include "src/format/batch_reader.h"

#include <string>

#include "src/base/coding.h"

namespace paceline {

namespace {

// What ReadUpdate() needs to know of a tag; nothing if it is not an update.
struct UpdateForm {
  ValueType type;
  bool has_family;
};

std::optional<UpdateForm> FormOf(BatchTag tag) {
  switch (tag) {
    case BatchTag::kDeletion:
      return UpdateForm{ValueType::kDeletion, false};
    case BatchTag::kFamilyDeletion:
      return UpdateForm{ValueType::kDeletion, true};
    case BatchTag::kValue:
      return UpdateForm{ValueType::kValue, false};
    case BatchTag::kFamilyValue:
      return UpdateForm{ValueType::kValue, true};
    case BatchTag::kMerge:
      return UpdateForm{ValueType::kMerge, false};
    case BatchTag::kFamilyMerge:
      return UpdateForm{ValueType::kMerge, true};
    case BatchTag::kSingleDeletion:
      return UpdateForm{ValueType::kSingleDeletion, false};
    case BatchTag::kFamilySingleDeletion:
      return UpdateForm{ValueType::kSingleDeletion, true};
    case BatchTag::kRangeDeletion:
      return UpdateForm{ValueType::kRangeDeletion, false};
    case BatchTag::kFamilyRangeDeletion:
      return UpdateForm{ValueType::kRangeDeletion, true};
    default:
      return std::nullopt;
  }
}

const char* UnsupportedName(BatchTag tag) {
  switch (tag) {
    case BatchTag::kBeginPrepare:
    case BatchTag::kEndPrepare:
    case BatchTag::kCommit:
    case BatchTag::kRollback:
    case BatchTag::kBeginPersistedPrepare:
    case BatchTag::kBeginUnprepared:
    case BatchTag::kCommitWithTimestamp:
      return "two-phase commit";
    case BatchTag::kFamilyBlobIndex:
    case BatchTag::kBlobIndex:
      return "blob files";
    case BatchTag::kEntity:
    case BatchTag::kFamilyEntity:
      return "wide-column entities";
    case BatchTag::kTimedPut:
    case BatchTag::kFamilyTimedPut:
      return "timed puts";
    default:
      return nullptr;
  }
}

bool HasValue(ValueType type) {
  return type == ValueType::kValue || type == ValueType::kMerge ||
         type == ValueType::kRangeDeletion;
}

}  // namespace

BatchReader::BatchReader(const Slice& batch) : batch_(batch), rest_(batch) {
  if (!GetFixed64(&rest_, &sequence_) || !GetFixed32(&rest_, &count_)) {
    rest_.clear();
    status_ =
        Status::Corruption("write batch of " + std::to_string(batch.size()) +
                           " bytes is shorter than its header");
  }
}

bool BatchReader::Next(BatchEntry* entry) {
  if (rest_.empty() || !status_.ok()) return false;
  auto tag = static_cast<BatchTag>(static_cast<uint8_t>(rest_[0]));
  rest_.remove_prefix(1);
  if (std::optional<UpdateForm> form = FormOf(tag)) {
    return ReadUpdate(form->type, form->has_family, entry);
  }
  if (tag == BatchTag::kLogData) {
    *entry = {.kind = BatchEntry::Kind::kLogData};
    return GetLengthPrefixed(&rest_, &entry->value) || Malformed("log data");
  }
  if (tag == BatchTag::kNoop) {
    *entry = {.kind = BatchEntry::Kind::kNoop};
    return true;
  }
  if (const char* feature = UnsupportedName(tag)) {
    status_ =
        Status::NotSupported("write batch uses a feature of RocksDB", feature);
    return false;
  }
  return Malformed("unknown tag");
}

bool BatchReader::ReadUpdate(ValueType type, bool has_family,
                             BatchEntry* entry) {
  *entry = {.kind = BatchEntry::Kind::kUpdate, .type = type};
  if (has_family && !GetVarint32(&rest_, &entry->family_id)) {
    return Malformed("column family id");
  }
  if (!GetLengthPrefixed(&rest_, &entry->key)) return Malformed("key");
  if (HasValue(type) && !GetLengthPrefixed(&rest_, &entry->value)) {
    return Malformed("value");
  }
  if (entry->key.size() + entry->value.size() > kEntryBytesMax) {
    // Not damage, which recovery may pass over.
    status_ = Status::NotSupported(
        "write batch has an entry that is too large for a table",
        std::to_string(entry->key.size() + entry->value.size()) + " bytes");
    return false;
  }
  ++updates_seen_;
  return true;
}

bool BatchReader::Malformed(const char* what) {
  size_t offset = batch_.size() - rest_.size();
  status_ = Status::Corruption("malformed write batch",
                               std::string(what) + " at offset " +
                                   std::to_string(offset) + " of " +
                                   std::to_string(batch_.size()));
  return false;
}

Status ValidateBatch(const Slice& batch) {
  BatchReader reader(batch);
  BatchEntry entry;
  while (reader.Next(&entry)) {
  }
  if (!reader.status().ok()) return reader.status();
  if (reader.updates_seen() != reader.count()) {
    return Status::Corruption("malformed write batch",
                              "holds " + std::to_string(reader.updates_seen()) +
                                  " entries, its header counts " +
                                  std::to_string(reader.count()));
  }
  if (reader.sequence() > kMaxSequenceNumber - reader.count()) {
    return Status::Corruption("malformed write batch",
                              "sequence number " +
                                  std::to_string(reader.sequence()) +
                                  " is too large");
  }
  return Status::OK();
}

}  // namespace paceline
