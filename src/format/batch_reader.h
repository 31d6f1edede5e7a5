// BatchReader: walks the entries of an encoded WriteBatch, from a user or from
// a WAL.
//
//   batch = u64 sequence of the first counted entry, u32 count, entries
//   entry = u8 tag, [varint family id], length-prefixed strings (see Tag)

#pragma once

#include <cstdint>
#include <optional>

#include "paceline/slice.h"
#include "paceline/snapshot.h"
#include "paceline/status.h"

#include "src/format/internal_key.h"

namespace paceline {

inline constexpr size_t kBatchHeaderBytes = 12;

// The first byte of an entry. The names say what follows it; tags with a
// family id have it right behind.
enum class BatchTag : uint8_t {
  kDeletion = 0,
  kValue = 1,
  kMerge = 2,
  kLogData = 3,
  kFamilyDeletion = 4,
  kFamilyValue = 5,
  kFamilyMerge = 6,
  kSingleDeletion = 7,
  kFamilySingleDeletion = 8,
  kBeginPrepare = 9,
  kEndPrepare = 10,
  kCommit = 11,
  kRollback = 12,
  kNoop = 13,
  kFamilyRangeDeletion = 14,
  kRangeDeletion = 15,
  kFamilyBlobIndex = 16,
  kBlobIndex = 17,
  kBeginPersistedPrepare = 18,
  kBeginUnprepared = 19,
  kCommitWithTimestamp = 21,
  kEntity = 22,
  kFamilyEntity = 23,
  kTimedPut = 24,
  kFamilyTimedPut = 25,
};

// One entry; the slices point into the batch.
struct BatchEntry {
  enum class Kind { kUpdate, kLogData, kNoop };
  Kind kind = Kind::kUpdate;
  ValueType type = ValueType::kValue;  // Of an update.
  uint32_t family_id = 0;
  Slice key = {};    // Of a range deletion: its begin. Of log data: empty.
  Slice value = {};  // Of a range deletion: its end. Of log data: the blob.
};

// Thread-compatible. The batch must outlive it.
class BatchReader {
 public:
  // `batch` with its header; a shorter one makes status() Corruption.
  explicit BatchReader(const Slice& batch);

  [[nodiscard]] SequenceNumber sequence() const { return sequence_; }
  // What the header says; Next() does not check it, ValidateBatch() does.
  [[nodiscard]] uint32_t count() const { return count_; }

  // False at the end of the batch and on an error; status() tells which.
  // Corruption: malformed, with the offset in the batch. NotSupported: an
  // entry of a kind that Paceline does not have (transactions, blob indexes,
  // entities, timed puts), or one beyond kEntryBytesMax.
  [[nodiscard]] bool Next(BatchEntry* entry);

  // The sequence number that the entry last returned takes, if it is an
  // update.
  [[nodiscard]] SequenceNumber entry_sequence() const {
    return sequence_ + updates_seen_ - 1;
  }
  [[nodiscard]] uint32_t updates_seen() const { return updates_seen_; }
  [[nodiscard]] const Status& status() const { return status_; }

 private:
  bool ReadUpdate(ValueType type, bool has_family, BatchEntry* entry);
  bool Malformed(const char* what);

  const Slice batch_;
  Slice rest_;
  SequenceNumber sequence_ = 0;
  uint32_t count_ = 0;
  uint32_t updates_seen_ = 0;
  Status status_;
};

// Walks all of `batch`. OK only if it is well-formed, holds what its header
// counts, and nothing that is not supported.
Status ValidateBatch(const Slice& batch);

}  // namespace paceline
