// The encoding of a WriteBatch; the layout is in batch_reader.h.

#include "paceline/write_batch.h"

#include <algorithm>
#include <limits>
#include <string>
#include <utility>

#include "paceline/db.h"

#include "src/base/coding.h"
#include "src/format/batch_reader.h"

namespace paceline {

namespace {

// Strings have 32-bit lengths in RocksDB.
constexpr uint64_t kLogDataBytesMax = std::numeric_limits<uint32_t>::max();
constexpr uint32_t kCountMax = std::numeric_limits<uint32_t>::max();

uint32_t FamilyId(const ColumnFamilyHandle* family) {
  return family == nullptr ? 0 : family->GetID();
}

// Bytes of a tag, and of the family id that follows it unless it is 0.
uint64_t TagLength(uint32_t family_id) {
  return family_id == 0 ? 1 : 1 + VarintLength(family_id);
}

void PutTag(std::string* to, uint32_t family_id, BatchTag default_tag,
            BatchTag family_tag) {
  to->push_back(static_cast<char>(family_id == 0 ? default_tag : family_tag));
  if (family_id != 0) PutVarint32(to, family_id);
}

uint64_t PrefixedLength(const Slice& bytes) {
  return VarintLength(bytes.size()) + bytes.size();
}

}  // namespace

WriteBatch::WriteBatch(size_t reserved_bytes, size_t max_bytes)
    : max_bytes_(max_bytes) {
  rep_.reserve(std::max(reserved_bytes, kBatchHeaderBytes));
  rep_.resize(kBatchHeaderBytes);
}

WriteBatch::WriteBatch(std::string serialized)
    : rep_(std::move(serialized)),
      is_well_formed_(false),
      has_other_families_(true),
      has_merges_(true) {}

template <typename AppendPieces>
Status WriteBatch::AddEntry(uint64_t bytes, bool counted, AppendPieces append) {
  if (!is_well_formed_) {
    Status s = ValidateBatch(rep_);
    if (!s.ok()) return s;
    is_well_formed_ = true;
  }
  if (max_bytes_ != 0 && rep_.size() + bytes > max_bytes_) {
    return Status::InvalidArgument(
        "write batch would be larger than its max_bytes",
        std::to_string(max_bytes_));
  }
  uint32_t count = Count();
  if (counted && count == kCountMax) {
    return Status::InvalidArgument("write batch is full",
                                   "it has 2^32 - 1 entries");
  }
  append(&rep_);
  if (counted) EncodeFixed<uint32_t>(rep_.data() + 8, count + 1);
  return Status::OK();
}

// Adds an update of one or two strings. Kept in one place so that every kind
// has the same checks.
Status WriteBatch::AddUpdate(const UpdateTags& tags,
                             const ColumnFamilyHandle* family, const Slice& key,
                             const Slice* value) {
  uint32_t family_id = FamilyId(family);
  uint64_t value_bytes = value == nullptr ? 0 : value->size();
  // Not their sum, which may be more than 64 bits hold.
  if (key.size() > kEntryBytesMax ||
      value_bytes > kEntryBytesMax - key.size()) {
    return Status::InvalidArgument(
        "entry is too large", "a key of " + std::to_string(key.size()) +
                                  " and a value of " +
                                  std::to_string(value_bytes) +
                                  " bytes, the limit for both together is " +
                                  std::to_string(kEntryBytesMax));
  }
  uint64_t bytes = TagLength(family_id) + PrefixedLength(key) +
                   (value == nullptr ? 0 : PrefixedLength(*value));
  Status s = AddEntry(bytes, /*counted=*/true, [&](std::string* rep) {
    PutTag(rep, family_id, static_cast<BatchTag>(tags.default_tag),
           static_cast<BatchTag>(tags.family_tag));
    PutLengthPrefixed(rep, key);
    if (value != nullptr) PutLengthPrefixed(rep, *value);
  });
  if (s.ok() && family_id != 0) has_other_families_ = true;
  return s;
}

Status WriteBatch::Put(ColumnFamilyHandle* family, const Slice& key,
                       const Slice& value) {
  return AddUpdate({static_cast<uint8_t>(BatchTag::kValue),
                    static_cast<uint8_t>(BatchTag::kFamilyValue)},
                   family, key, &value);
}

Status WriteBatch::Delete(ColumnFamilyHandle* family, const Slice& key) {
  return AddUpdate({static_cast<uint8_t>(BatchTag::kDeletion),
                    static_cast<uint8_t>(BatchTag::kFamilyDeletion)},
                   family, key, nullptr);
}

Status WriteBatch::SingleDelete(ColumnFamilyHandle* family, const Slice& key) {
  return AddUpdate({static_cast<uint8_t>(BatchTag::kSingleDeletion),
                    static_cast<uint8_t>(BatchTag::kFamilySingleDeletion)},
                   family, key, nullptr);
}

Status WriteBatch::DeleteRange(ColumnFamilyHandle* family, const Slice& begin,
                               const Slice& end) {
  return AddUpdate({static_cast<uint8_t>(BatchTag::kRangeDeletion),
                    static_cast<uint8_t>(BatchTag::kFamilyRangeDeletion)},
                   family, begin, &end);
}

Status WriteBatch::Merge(ColumnFamilyHandle* family, const Slice& key,
                         const Slice& operand) {
  Status s = AddUpdate({static_cast<uint8_t>(BatchTag::kMerge),
                        static_cast<uint8_t>(BatchTag::kFamilyMerge)},
                       family, key, &operand);
  if (s.ok()) has_merges_ = true;
  return s;
}

Status WriteBatch::PutLogData(const Slice& blob) {
  if (blob.size() >= kLogDataBytesMax) {
    return Status::InvalidArgument(
        "log data is too large",
        std::to_string(blob.size()) + " bytes, the limit is 4 GiB");
  }
  return AddEntry(1 + PrefixedLength(blob), /*counted=*/false,
                  [&](std::string* rep) {
                    rep->push_back(static_cast<char>(BatchTag::kLogData));
                    PutLengthPrefixed(rep, blob);
                  });
}

Status WriteBatch::Append(const WriteBatch& other) {
  if (!other.is_well_formed_) {
    Status s = ValidateBatch(other.rep_);
    if (!s.ok()) return s;
  }
  uint32_t count = Count();
  uint32_t other_count = other.Count();
  if (other_count > kCountMax - count) {
    return Status::InvalidArgument("write batch is full",
                                   "it would have 2^32 entries or more");
  }
  Slice entries(other.rep_);
  entries.remove_prefix(kBatchHeaderBytes);
  Status s = AddEntry(entries.size(), /*counted=*/false, [&](std::string* rep) {
    // `other` may be this batch.
    rep->append(other.rep_, kBatchHeaderBytes, entries.size());
  });
  if (!s.ok()) return s;
  EncodeFixed<uint32_t>(rep_.data() + 8, count + other_count);
  has_other_families_ = has_other_families_ || other.has_other_families_;
  has_merges_ = has_merges_ || other.has_merges_;
  return Status::OK();
}

void WriteBatch::Clear() {
  rep_.assign(kBatchHeaderBytes, '\0');
  save_points_.clear();
  is_well_formed_ = true;
  has_other_families_ = false;
  has_merges_ = false;
}

void WriteBatch::SetSavePoint() {
  save_points_.push_back(
      {rep_.size(), Count(), has_other_families_, has_merges_});
}

Status WriteBatch::RollbackToSavePoint() {
  if (save_points_.empty()) return Status::NotFound("no save point is set");
  const SavePoint& point = save_points_.back();
  rep_.resize(point.size);
  if (rep_.size() >= kBatchHeaderBytes) {
    EncodeFixed<uint32_t>(rep_.data() + 8, point.count);
  }
  has_other_families_ = point.has_other_families;
  has_merges_ = point.has_merges;
  save_points_.pop_back();
  return Status::OK();
}

Status WriteBatch::PopSavePoint() {
  if (save_points_.empty()) return Status::NotFound("no save point is set");
  save_points_.pop_back();
  return Status::OK();
}

uint32_t WriteBatch::Count() const {
  return rep_.size() < kBatchHeaderBytes ? 0 : DecodeFixed32(rep_.data() + 8);
}

namespace {

Status Dispatch(const BatchEntry& entry, WriteBatch::Handler* handler) {
  if (entry.kind == BatchEntry::Kind::kLogData) {
    handler->LogData(entry.value);
    return Status::OK();
  }
  if (entry.kind == BatchEntry::Kind::kNoop) return Status::OK();
  switch (entry.type) {
    case ValueType::kValue:
      return handler->PutCF(entry.family_id, entry.key, entry.value);
    case ValueType::kDeletion:
      return handler->DeleteCF(entry.family_id, entry.key);
    case ValueType::kSingleDeletion:
      return handler->SingleDeleteCF(entry.family_id, entry.key);
    case ValueType::kRangeDeletion:
      return handler->DeleteRangeCF(entry.family_id, entry.key, entry.value);
    case ValueType::kMerge:
      return handler->MergeCF(entry.family_id, entry.key, entry.value);
    case ValueType::kSeekMax:
      break;
  }
  return Status::Corruption("write batch entry of unknown type");
}

Status NoFamilies(const char* update) {
  return Status::InvalidArgument(
      "this WriteBatch::Handler takes no column family other than the default",
      update);
}

}  // namespace

Status WriteBatch::Iterate(Handler* handler) const {
  if (!is_well_formed_) {
    Status s = ValidateBatch(rep_);
    if (!s.ok()) return s;
  }
  BatchReader reader(rep_);
  BatchEntry entry;
  while (handler->Continue() && reader.Next(&entry)) {
    Status s = Dispatch(entry, handler);
    if (!s.ok()) return s;
  }
  return reader.status();
}

Status WriteBatch::Handler::PutCF(uint32_t family_id, const Slice& key,
                                  const Slice& value) {
  if (family_id != 0) return NoFamilies("Put");
  Put(key, value);
  return Status::OK();
}

Status WriteBatch::Handler::DeleteCF(uint32_t family_id, const Slice& key) {
  if (family_id != 0) return NoFamilies("Delete");
  Delete(key);
  return Status::OK();
}

Status WriteBatch::Handler::SingleDeleteCF(uint32_t family_id,
                                           const Slice& key) {
  if (family_id != 0) return NoFamilies("SingleDelete");
  SingleDelete(key);
  return Status::OK();
}

Status WriteBatch::Handler::DeleteRangeCF(uint32_t /*family_id*/,
                                          const Slice& /*begin*/,
                                          const Slice& /*end*/) {
  return Status::InvalidArgument(
      "this WriteBatch::Handler takes no DeleteRange");
}

Status WriteBatch::Handler::MergeCF(uint32_t family_id, const Slice& key,
                                    const Slice& operand) {
  if (family_id != 0) return NoFamilies("Merge");
  Merge(key, operand);
  return Status::OK();
}

}  // namespace paceline
