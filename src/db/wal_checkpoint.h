// Replaces the WALs by one that holds exactly what the memtables hold: after
// damage, so that it is not met again, and after a failure, so that what failed
// does not come back.

#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "paceline/env.h"
#include "src/version/column_family.h"
#include "src/version/version_set.h"

namespace paceline {

// The entries of `memtable` up to `sequence`.
std::shared_ptr<MemTable> CopyMemTable(const MemTable& memtable,
                                       SequenceNumber sequence,
                                       const Comparator* comparator);

// Writes every entry of `families` into a new WAL, makes it durable, records
// in the MANIFEST that older WALs are not needed, and moves those into the
// archive directory. Until the MANIFEST says so the old WALs count; replaying
// both gives the same entries. Nothing may be written meanwhile.
Status CheckpointWals(FileSystem* file_system, const std::string& directory,
                      VersionSet* versions,
                      const ColumnFamilySet::Families& families);

}  // namespace paceline
