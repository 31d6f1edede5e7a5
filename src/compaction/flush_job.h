// Flush: sealed memtables to one level-0 table.

#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "src/base/sync.h"
#include "src/compaction/table_output.h"

namespace paceline {

struct FlushResult {
  // None if nothing was left to write.
  std::optional<FileMetaData> file;
  uint64_t micros = 0;
};

// Writes what is visible now or at one of `snapshots` (ascending) of the
// memtables, which get no more entries, oldest or newest first, into a table
// of `config.family`. On an error no file is left behind. `entries_read` tells
// others how far it is.
StatusOr<FlushResult> FlushMemTables(
    const TableOutput::Config& config, Clock* clock,
    std::vector<SequenceNumber> snapshots,
    const std::vector<std::shared_ptr<MemTable>>& memtables,
    Atomic<uint64_t>* entries_read);

// The fragments with, of each stripe, the newest sequence number: older ones
// cover nothing that it does not. Those of the oldest stripe are left out where
// `drops_oldest` says that nothing they could cover is left.
std::vector<RangeTombstone> VisibleTombstones(
    const FragmentedRangeTombstones& tombstones,
    const std::vector<SequenceNumber>& snapshots,
    const std::function<bool(const Slice& begin, const Slice& end)>&
        drops_oldest);

}  // namespace paceline
