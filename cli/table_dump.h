// The command dump-sst: what is in table files.

#pragma once

#include <string>
#include <vector>

#include "paceline/status.h"

#include "cli/output.h"

namespace paceline::cli {

struct DumpTableOptions {
  std::vector<std::string> files;
  bool entries = false;  // Prints the entries as well.
  bool hex = false;
  bool full = false;  // Does not shorten long keys and values.
  bool json = false;  // One object a file, and one an entry.
};

// Prints the footer and the properties of each file, and the entries if asked
// to. Changes nothing. Ends with the first file that cannot be read.
Status DumpTables(const DumpTableOptions& options, Output* out);

}  // namespace paceline::cli
