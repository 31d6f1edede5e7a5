// The command dump: every live entry of every column family, in a form that
// is the same for the same data.

#pragma once

#include <memory>
#include <optional>
#include <string>

#include "paceline/merge_operator.h"
#include "paceline/options.h"
#include "paceline/status.h"

#include "cli/output.h"

namespace paceline::cli {

struct DumpOptions {
  std::string directory;
  WALRecoveryMode recovery_mode = WALRecoveryMode::kPointInTimeRecovery;
  // Null: what the OPTIONS file says, else StringAppendOperator with ",".
  std::shared_ptr<MergeOperator> merge_operator;
};

// Prints `family<TAB>hexkey<TAB>hexvalue` lines: column families in byte order
// of their names, keys in the order of the family's comparator. Changes
// nothing in the directory.
Status Dump(const DumpOptions& options, Output* out);

}  // namespace paceline::cli
