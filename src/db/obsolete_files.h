// Which files of a database directory nothing needs any more.

#pragma once

#include <cstdint>
#include <set>
#include <string>

#include "paceline/env.h"

namespace paceline {

struct NeededFiles {
  uint64_t manifest_number = 0;
  // WALs below it are not needed.
  uint64_t first_live_log = 0;
  // WALs that are not needed are moved into the archive directory, for whoever
  // wants to look into a loss.
  bool keeps_old_wals = false;
  // Tables and MANIFESTs as well: what names the tables may be lost.
  bool keeps_tables = false;
  // The tables that the MANIFEST names; null: tables and temporary files are
  // not touched. Not while any is being written.
  const std::set<uint64_t>* tables = nullptr;
};

// Removes tables and old MANIFESTs, WALs, OPTIONS files (all but the two
// newest), LOG files (all but the ten newest) and what was never renamed into
// place. Files that are not a database's stay. A file that cannot be removed
// stays too; it is tried again at the next open.
void RemoveObsoleteFiles(FileSystem* file_system, Logger* logger,
                         const std::string& directory,
                         const NeededFiles& needed);

}  // namespace paceline
