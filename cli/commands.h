// The command line: which commands there are, what they accept, and what their
// --help says.

#pragma once

#include <functional>

#include "paceline/status.h"

#include "cli/output.h"

namespace CLI {
class App;
}

namespace paceline::cli {

// A command whose arguments are known to be right.
using Action = std::function<Status(Output*)>;

// Adds every command to `app`. Parsing then sets `*action`, or throws a
// CLI::ParseError that says what is wrong with the arguments.
void AddCommands(CLI::App* app, Action* action);

}  // namespace paceline::cli
