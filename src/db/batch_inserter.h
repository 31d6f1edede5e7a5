// Inserts the entries of an encoded batch into memtables: of a live write, or
// of a WAL record that is replayed.

#pragma once

#include <cstdint>

#include "paceline/slice.h"

#include "src/format/internal_key.h"
#include "src/memtable/memtable.h"

namespace paceline {

// Says where the entries of a column family go.
class MemTableSink {
 public:
  virtual ~MemTableSink() = default;

  // Null if entries of the family are to be passed over. The answer holds
  // until the next call.
  virtual MemTable* MemTableOf(uint32_t family_id) = 0;
};

// `batch` is well-formed. Its entries take consecutive sequence numbers from
// `first_sequence`, also those that are passed over.
void InsertBatch(const Slice& batch, SequenceNumber first_sequence,
                 MemTableSink* sink);

}  // namespace paceline
