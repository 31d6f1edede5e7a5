#include "src/format/wal_predecessor.h"

#include "src/base/coding.h"
#include "src/format/batch_reader.h"

namespace paceline {

namespace {

constexpr const char* kMark = "paceline.wal.after";

}  // namespace

std::string WalPredecessor::Encode() const {
  std::string blob = kMark;
  PutFixed64(&blob, log_number);
  PutFixed64(&blob, last_sequence);
  std::string entry(1, static_cast<char>(BatchTag::kLogData));
  PutLengthPrefixed(&entry, blob);
  return entry;
}

std::optional<WalPredecessor> WalPredecessor::Decode(const Slice& batch) {
  BatchReader reader(batch);
  BatchEntry entry;
  if (!reader.Next(&entry)) return std::nullopt;
  if (entry.kind != BatchEntry::Kind::kLogData) return std::nullopt;
  Slice blob = entry.value;
  if (!blob.starts_with(kMark)) return std::nullopt;
  blob.remove_prefix(Slice(kMark).size());
  WalPredecessor predecessor;
  bool is_whole = GetFixed64(&blob, &predecessor.log_number) &&
                  GetFixed64(&blob, &predecessor.last_sequence) && blob.empty();
  if (!is_whole) return std::nullopt;
  return predecessor;
}

}  // namespace paceline
