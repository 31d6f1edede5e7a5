// The command verify: reads every file that counts and checks all of it.

#pragma once

#include <string>

#include "paceline/status.h"

#include "cli/output.h"

namespace paceline::cli {

struct VerifyOptions {
  std::string directory;
  bool json = false;
};

// Checks CURRENT, the MANIFEST, all tables and all WALs; prints each damaged
// place, and a summary. Shows how far it is at a terminal. Corruption if
// anything is damaged, else NotSupported if anything is of a kind that Paceline
// does not know. Opens nothing and changes nothing.
Status Verify(const VerifyOptions& options, Output* out);

}  // namespace paceline::cli
