// TreeShape: what the levels of a column family look like, and what that means
// for reads and writes.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "paceline/metadata.h"
#include "paceline/options.h"

namespace paceline::cli {

struct LevelShape {
  int level = 0;
  uint64_t files = 0;
  uint64_t bytes = 0;
};

// A plain value.
struct TreeShape {
  uint64_t memtable_bytes = 0;
  uint64_t files = 0;
  uint64_t bytes = 0;
  std::vector<LevelShape> levels;  // Those that have files.
  // Tables that a look-up asks at most: all of level 0, and one of each other
  // level.
  uint64_t read_amplification = 0;
  // About how often a byte that is written now will have been written to
  // tables when it is on the deepest level, if the sizes stay as they are.
  double expected_write_amplification = 0;
};

[[nodiscard]] TreeShape ShapeOf(const ColumnFamilyMetaData& files,
                                uint64_t memtable_bytes,
                                const ColumnFamilyOptions& options);

// A line for each level with a bar for its bytes, and one for what it means.
[[nodiscard]] std::string DrawTree(const TreeShape& shape);

}  // namespace paceline::cli
