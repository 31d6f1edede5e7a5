// The command scan: the entries of one column family in order.

#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "paceline/status.h"

#include "cli/output.h"

namespace paceline::cli {

struct ScanOptions {
  std::string directory;
  std::string column_family = "default";
  // Keys in [from, to) that begin with `prefix`, in the column family's order.
  std::optional<std::string> from;
  std::optional<std::string> to;
  std::string prefix;
  uint64_t limit = UINT64_MAX;
  bool reverse = false;  // Last key first.
  bool hex = false;
  bool json = false;
};
// Prints one entry a line, in a form that `load` reads (unless `hex`).
Status Scan(const ScanOptions& options, Output* out);

}  // namespace paceline::cli
