// The command dump-manifest: the version edits of the MANIFEST, one by one.

#pragma once

#include <string>

#include "paceline/status.h"

#include "cli/output.h"

namespace paceline::cli {

struct DumpManifestOptions {
  std::string directory;
  bool json = false;  // One object an edit.
};

// Prints every edit with its offset and all its fields, and damage where it
// is. Opens nothing and changes nothing. Damage is a result, not an error.
Status DumpManifest(const DumpManifestOptions& options, Output* out);

}  // namespace paceline::cli
