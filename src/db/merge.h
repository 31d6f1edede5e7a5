// Applies merge operands when a key is read.

#pragma once

#include <string>
#include <vector>

#include "paceline/env.h"
#include "paceline/merge_operator.h"
#include "paceline/status.h"

namespace paceline {

// Stores in `*result` what `operands` (oldest first, at least one) make of
// `base` (null: nothing). InvalidArgument without a merge operator; Corruption
// if it refuses.
Status ApplyMerge(const MergeOperator* merge_operator, Logger* logger,
                  const Slice& user_key, const Slice* base,
                  const std::vector<Slice>& operands, std::string* result);

}  // namespace paceline
