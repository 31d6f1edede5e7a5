// Validation of every option.

#pragma once

#include "paceline/options.h"
#include "paceline/status.h"

namespace paceline {

// OK, or InvalidArgument that names the option and its range.
Status CheckOptions(const DBOptions& options);
Status CheckOptions(const ColumnFamilyOptions& options);

}  // namespace paceline
