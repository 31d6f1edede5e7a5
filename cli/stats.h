// The command stats: what a database holds and which files it has.

#pragma once

#include <string>

#include "paceline/status.h"

#include "cli/output.h"

namespace paceline::cli {

struct StatsOptions {
  std::string directory;
  bool json = false;
};

// Opens for reading, so it works on a database that is in use.
Status Stats(const StatsOptions& options, Output* out);

}  // namespace paceline::cli
