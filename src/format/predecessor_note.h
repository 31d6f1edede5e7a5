// PredecessorNote: what a WAL says of the one before it that has entries, so
// that recovery knows when the end of that one is missing.
//
// It is the only entry of the WAL's first record, a log data entry of a batch
// that counts nothing: other readers of the format pass over it.
//
//   blob = "paceline.predecessor", u64 WAL number, u64 last sequence number,
//          [u64 number of the WAL that it is in]

#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "paceline/slice.h"
#include "paceline/snapshot.h"

namespace paceline {

struct PredecessorNote {
  uint64_t wal_number = 0;
  // Of the last entry in it; 0: nothing was logged since the WALs were begun.
  // Entries that were written without the log take numbers too, and are not
  // meant.
  SequenceNumber last_sequence = 0;
  // The WAL that it is in: the bytes of another one are noticed. 0: not said.
  uint64_t own_number = 0;

  // The whole record. `next_sequence` is that of the next entry.
  [[nodiscard]] std::string ToRecord(SequenceNumber next_sequence) const;
  // Nothing if `record`, which need not be well-formed, is no note.
  static std::optional<PredecessorNote> FromRecord(const Slice& record);
  // The same for the blob of a log data entry.
  static std::optional<PredecessorNote> FromBlob(Slice blob);
};

}  // namespace paceline
