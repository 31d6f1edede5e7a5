// The `paceline` program: looks into and writes databases from a terminal or a
// script. Exit status: 0 done, 1 failed or not found, 2 wrong usage.

#include <unistd.h>

#include <algorithm>
#include <exception>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "cli/commands.h"
#include "cli/output.h"

namespace paceline::cli {
namespace {

// "paceline column-families list", as far as the arguments were understood.
std::string CommandName(const CLI::App& app) {
  std::string name = app.get_name();
  for (const CLI::App* command : app.get_subcommands()) {
    name += " " + CommandName(*command);
  }
  return name;
}

// The arguments in the order that CLI11 wants: last one first. An empty value
// becomes an argument of its own: in "--prefix= --reverse", CLI11 would take
// --reverse for the prefix.
std::vector<std::string> Arguments(int argc, char** argv) {
  std::vector<std::string> arguments;
  bool are_options = true;
  for (int i = 1; i < argc; ++i) {
    std::string argument = argv[i];
    are_options = are_options && argument != "--";
    bool is_empty_value = are_options && argument.starts_with("--") &&
                          argument.find('=') == argument.size() - 1;
    if (is_empty_value) argument.pop_back();
    arguments.push_back(argument);
    if (is_empty_value) arguments.emplace_back();
  }
  std::ranges::reverse(arguments);
  return arguments;
}

int Usage(const CLI::App& app, const CLI::ParseError& error) {
  PrintError(error.what());
  std::string hint = "Try: " + CommandName(app) + " --help\n";
  (void)WriteFully(STDERR_FILENO, hint);
  return kWrongUsage;
}

int Run(int argc, char** argv) {
  CLI::App app("Looks into and writes Paceline databases.", "paceline");
  app.set_version_flag("--version", "paceline " PACELINE_VERSION);
  app.footer(
      "\nExit status: 0 done, 1 failed or not found, 2 wrong usage.\n"
      "Every command has --help with an example. Commands that only read work "
      "while\nanother process has the database open.");
  Action action;
  AddCommands(&app, &action);
  if (argc == 1) {
    (void)WriteFully(STDERR_FILENO, app.help());
    return kWrongUsage;
  }
  try {
    app.parse(Arguments(argc, argv));
  } catch (const CLI::Success& help) {
    return app.exit(help);
  } catch (const CLI::ParseError& error) {
    return Usage(app, error);
  }

  Output out(STDOUT_FILENO);
  Status s = action(&out);
  // What was found before a failure is printed in any case.
  Status flushed = out.Flush();
  if (s.ok()) s = flushed;
  if (s.ok()) return kDone;
  PrintError(s.ToString());
  return kFailed;
}

}  // namespace
}  // namespace paceline::cli

int main(int argc, char** argv) {
  try {
    return paceline::cli::Run(argc, argv);
  } catch (const std::exception& error) {  // Memory ran out, most likely.
    paceline::cli::PrintError(error.what());
    return paceline::cli::kFailed;
  }
}
