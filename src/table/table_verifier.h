// Verification of a whole table.

#pragma once

#include <cstdint>
#include <functional>

#include "paceline/status.h"

#include "src/format/file_metadata.h"
#include "src/table/data_blocks.h"

namespace paceline {

// See TableReader::Verify(). The keys must lie within the bounds of `metadata`
// as well, if it has any.
Status VerifyTable(const DataBlocks& blocks, const FileMetaData& metadata,
                   const std::function<void(const Status&)>& on_damage,
                   const std::function<void(uint64_t)>& on_progress);

}  // namespace paceline
