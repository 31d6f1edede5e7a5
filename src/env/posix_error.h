// Turns errno into a Status that says what failed, where and why.

#pragma once

#include <string>
#include <string_view>

#include "paceline/status.h"

namespace paceline {

// IOError "cannot <action> <path>: <reason>", with a subcode for a full disk
// or quota and for a missing path.
Status PosixError(std::string_view action, const std::string& path,
                  int error_number);

}  // namespace paceline
