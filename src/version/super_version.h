// SuperVersion: all that a read of one column family needs, pinned as one.

#pragma once

#include <memory>
#include <vector>

#include "src/memtable/memtable.h"
#include "src/version/version.h"

namespace paceline {

// Immutable. A read that holds it keeps the memtables and the files alive.
struct SuperVersion {
  std::shared_ptr<MemTable> mutable_memtable;
  // Newest first.
  std::vector<std::shared_ptr<MemTable>> sealed_memtables;
  std::shared_ptr<const Version> version;
};

}  // namespace paceline
