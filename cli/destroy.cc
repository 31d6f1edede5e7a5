#include "cli/destroy.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <iostream>

#include "paceline/db.h"
#include "paceline/env.h"

#include "cli/output.h"
#include "cli/text.h"
#include "src/format/file_name.h"

namespace paceline::cli {
namespace {

// A directory is only touched if it holds a database, or what is left of one
// by an earlier destroy that did not finish.
StatusOr<bool> HoldsDatabase(const std::string& directory) {
  auto names = FileSystem::Default()->ListDirectory(directory);
  if (!names.ok()) {
    if (names.status().IsPathNotFound()) return false;
    return names.status();
  }
  for (const std::string& name : *names) {
    auto file = ParseFileName(name);
    if (file && (file->type == FileType::kCurrent ||
                 file->type == FileType::kManifest)) {
      return true;
    }
  }
  return false;
}

bool IsConfirmed(const std::string& directory) {
  fmt::print(stderr,
             "This removes the database in {} with all its data.\n"
             "Type yes to go on: ",
             Printable(directory));
  std::string answer;
  std::getline(std::cin, answer);
  return answer == "yes";
}

}  // namespace

bool CanAsk() { return IsTerminal(STDIN_FILENO) && IsTerminal(STDERR_FILENO); }

Status Destroy(const DestroyOptions& options) {
  auto holds_database = HoldsDatabase(options.directory);
  if (!holds_database.ok()) return holds_database.status();
  if (!*holds_database) {
    return Status::NotFound("there is no database in " + options.directory);
  }
  if (!options.yes && !IsConfirmed(options.directory)) {
    return Status::Aborted("nothing was removed");
  }
  return DestroyDB(options.directory, {});
}

}  // namespace paceline::cli
