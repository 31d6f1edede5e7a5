// The iterator over the data blocks of a table.

#pragma once

#include <memory>

#include "src/format/internal_iterator.h"
#include "src/table/data_blocks.h"
#include "src/table/table_reader.h"

namespace paceline {

// See TableReader::NewIterator(). `blocks` must outlive it.
std::unique_ptr<InternalIterator> NewTableIterator(
    const DataBlocks* blocks, const BlockReadOptions& options);

}  // namespace paceline
