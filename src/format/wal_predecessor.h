// WalPredecessor: what the first record of a WAL says about the WAL before it.
//
// A power cut may take the end of a WAL that is not synced yet and leave the
// next one. Where the end was at the border of a record, only this shows it:
//
//   entry = tag of log data (3), length-prefixed blob
//   blob  = "paceline.wal.after", u64 log number, u64 last sequence number
//
// Every reader of batches passes over log data, RocksDB too.

#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "paceline/slice.h"
#include "paceline/snapshot.h"

namespace paceline {

struct WalPredecessor {
  uint64_t log_number = 0;
  SequenceNumber last_sequence = 0;

  // The entry, for a batch.
  [[nodiscard]] std::string Encode() const;
  // What `batch`, with its header, begins with; nothing if that is something
  // else.
  static std::optional<WalPredecessor> Decode(const Slice& batch);
};

}  // namespace paceline
