#include "src/format/predecessor_note.h"

#include "src/base/coding.h"
#include "src/format/batch_reader.h"

namespace paceline {

namespace {

constexpr char kMark[] = "paceline.predecessor";
constexpr size_t kMarkBytes = sizeof(kMark) - 1;

}  // namespace

std::string PredecessorNote::ToRecord(SequenceNumber next_sequence) const {
  std::string blob(kMark, kMarkBytes);
  PutFixed64(&blob, wal_number);
  PutFixed64(&blob, last_sequence);
  if (own_number != 0) PutFixed64(&blob, own_number);
  std::string record;
  PutFixed64(&record, next_sequence);
  PutFixed32(&record, 0);
  record.push_back(static_cast<char>(BatchTag::kLogData));
  PutLengthPrefixed(&record, blob);
  return record;
}

std::optional<PredecessorNote> PredecessorNote::FromRecord(
    const Slice& record) {
  BatchReader batch(record);
  BatchEntry entry;
  bool is_log_data =
      batch.Next(&entry) && entry.kind == BatchEntry::Kind::kLogData;
  if (!is_log_data) return std::nullopt;
  return FromBlob(entry.value);
}

std::optional<PredecessorNote> PredecessorNote::FromBlob(Slice blob) {
  if (!blob.starts_with(Slice(kMark, kMarkBytes))) return std::nullopt;
  blob.remove_prefix(kMarkBytes);
  const bool has_own_number = blob.size() == 3 * sizeof(uint64_t);
  if (blob.size() != 2 * sizeof(uint64_t) && !has_own_number) {
    return std::nullopt;
  }
  PredecessorNote note{.wal_number = DecodeFixed64(blob.data()),
                       .last_sequence = DecodeFixed64(blob.data() + 8)};
  if (has_own_number) note.own_number = DecodeFixed64(blob.data() + 16);
  return note;
}

}  // namespace paceline
