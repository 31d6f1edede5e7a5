// Iterators over table files and over levels of them.

#pragma once

#include <memory>

#include "src/format/internal_iterator.h"
#include "src/version/level_bounds.h"
#include "src/version/live_table.h"

namespace paceline {

// Over the point entries of one open table, which it keeps open.
std::unique_ptr<InternalIterator> NewLiveTableIterator(
    LiveTable::Open table, const BlockReadOptions& options);

// Over the point entries of `files`, which are sorted and disjoint. A table is
// opened when the iterator gets there. `files` and their `bounds` must outlive
// it.
std::unique_ptr<InternalIterator> NewLevelIterator(
    const LevelBounds* bounds, const LiveTables* files,
    const BlockReadOptions& options);
// The same for files that are not a whole level. `comparator` and `files` must
// outlive it.
std::unique_ptr<InternalIterator> NewLevelIterator(
    const InternalKeyComparator* comparator, const LiveTables* files,
    const BlockReadOptions& options);

}  // namespace paceline
