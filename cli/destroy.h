// The command destroy: removes a database.

#pragma once

#include <string>

#include "paceline/status.h"

namespace paceline::cli {

struct DestroyOptions {
  std::string directory;
  bool yes = false;  // Do not ask.
};

// True if somebody is there to be asked.
[[nodiscard]] bool CanAsk();

// Asks first, unless `yes`; Aborted if the answer is not "yes". NotFound if
// there is no database; Busy if it is open.
Status Destroy(const DestroyOptions& options);

}  // namespace paceline::cli
