// SuperVersion: all that a read of one column family needs, pinned as one.

#pragma once

#include <memory>
#include <vector>

#include "src/memtable/memtable.h"

namespace paceline {

// Immutable. A read that holds it keeps the memtables alive.
struct SuperVersion {
  std::shared_ptr<MemTable> mutable_memtable;
  // Newest first.
  std::vector<std::shared_ptr<MemTable>> sealed_memtables;
};

}  // namespace paceline
