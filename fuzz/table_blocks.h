// The blocks of a table as a file of bytes, which need not be a good one.

#pragma once

#include <functional>
#include <string>

#include "src/table/table_format.h"

namespace paceline {

enum class TableBlockKind {
  kMetaindex,
  kProperties,
  kIndex,  // Of data blocks, partitions, or partitions of the filter.
  kFilter,
  kTombstones,
  kData,
  kOther,
};

// Calls `visit` for each block that can be found from the footer of `*file`,
// before it is parsed to find more; it may change the bytes of the block.
void VisitTableBlocks(
    const std::string* file,
    const std::function<void(TableBlockKind, const BlockHandle&)>& visit);

// Makes every checksum that a reader of the table looks at the right one. A
// fuzzer that changes a few bytes would never get past them.
void FixTableChecksums(std::string* file);

}  // namespace paceline
