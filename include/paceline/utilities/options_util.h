// Reads the OPTIONS file that a database keeps of its last open.

#pragma once

#include <string>
#include <vector>

#include "paceline/db.h"
#include "paceline/options.h"
#include "paceline/status.h"

namespace paceline {

// Fills `*db_options` and `*families` (one for each section of the newest
// OPTIONS file in `directory`) on top of the values they have. Names that
// Paceline does not have are passed over, so files written by RocksDB are
// read too. A merge operator or comparator that is not built in is left as it
// was. The file has only options that RocksDB has too: allow_mmap_writes and
// visible_before_durable stay as they were. PathNotFound if there is no OPTIONS
// file; Corruption (with file and line) if it does not parse.
Status LoadLatestOptions(const std::string& directory, FileSystem* file_system,
                         DBOptions* db_options,
                         std::vector<ColumnFamilyDescriptor>* families);

}  // namespace paceline
