// The command dump-wal: the records of the write-ahead logs, as they lie in
// the files.

#pragma once

#include <string>

#include "paceline/status.h"

#include "cli/output.h"

namespace paceline::cli {

struct DumpWalOptions {
  std::string directory;
  bool hex = false;
  bool full = false;  // Do not shorten long keys and values.
  bool json = false;  // One object a record; nothing is shortened.
};

// Prints every record with its file, offset, sequence number, count and
// operations, and every damage with its file and offset. Opens nothing and
// changes nothing. Damage is a result, not an error.
Status DumpWal(const DumpWalOptions& options, Output* out);

}  // namespace paceline::cli
