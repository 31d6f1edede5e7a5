// Replaces the WALs by one that holds exactly what the memtables hold: after a
// crash, because what was read back may be in the page cache only; after
// damage, so that it is not met again; and after a failure, so that what
// failed does not come back.

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

struct CheckpointOptions {
  // Recorded in the MANIFEST: no sequence number up to it is given again.
  SequenceNumber last_sequence = 0;
  // Moves the old WALs into the archive directory instead of removing them,
  // for whoever wants to look into a loss.
  bool keeps_old_wals = false;
};

// Writes every entry of `families` into a new WAL, makes it durable, and
// records in the MANIFEST that older WALs are not needed. This is one record,
// so a crash leaves either all the old WALs or the new one in force; replaying
// both gives the same entries. Nothing may be written meanwhile.
Status CheckpointWals(FileSystem* file_system, const std::string& directory,
                      VersionSet* versions,
                      const ColumnFamilySet::Families& families,
                      const CheckpointOptions& options);

}  // namespace paceline
