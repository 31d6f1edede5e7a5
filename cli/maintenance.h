// The commands flush and compact: work on the tree that a database otherwise
// does by itself.

#pragma once

#include <optional>
#include <string>

#include "paceline/status.h"

#include "cli/output.h"

namespace paceline::cli {

struct FlushCommandOptions {
  std::string directory;
  std::optional<std::string> column_family;  // None: all.
  bool json = false;
};
// Writes what is in memory and WALs to tables, and prints what became of the
// files.
Status FlushDatabase(const FlushCommandOptions& options, Output* out);

struct CompactOptions {
  std::string directory;
  std::optional<std::string> column_family;  // None: all.
  // User keys, both included.
  std::optional<std::string> from;
  std::optional<std::string> to;
  bool force = false;  // Rewrites the deepest level, too.
  bool json = false;
};
// Merges the range into the deepest level, and prints the same.
Status CompactDatabase(const CompactOptions& options, Output* out);

}  // namespace paceline::cli
