// The range tombstones of a table.
//
// Their block has internal keys (begin, sequence, type 15) and the ends as
// values. Tables made for ingestion have them in any order, and they may
// overlap.

#pragma once

#include <memory>
#include <optional>

#include "paceline/status.h"

#include "src/format/internal_key.h"
#include "src/format/range_tombstones.h"
#include "src/table/block.h"

namespace paceline {

// Null if they cover nothing. Every tombstone gets `sequence` if there is one.
// Corruption (NotSupported), without a place, for a malformed entry (for more
// fragments than are reasonable).
StatusOr<std::shared_ptr<const FragmentedRangeTombstones>> ReadTombstones(
    const Block& block, std::optional<SequenceNumber> sequence,
    const Comparator* comparator);

}  // namespace paceline
