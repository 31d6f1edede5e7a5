#include "test/support/golden.h"

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "gtest/gtest.h"
#include "test/support/subprocess.h"
#include "test/support/test_directory.h"

namespace paceline {

std::vector<GoldenCase> ReadGoldenCases(const std::string& directory) {
  std::vector<GoldenCase> cases;
  std::ifstream file(directory + "/expected.txt");
  std::string line;
  while (std::getline(file, line)) {
    if (line.empty() || line[0] == '#') continue;
    GoldenCase parsed;
    std::string outcome;
    std::istringstream words(line);
    words >> parsed.database >> parsed.mode_name >> outcome;
    for (const NamedRecoveryMode& mode : kRecoveryModes) {
      if (mode.name == parsed.mode_name) parsed.mode = mode.mode;
    }
    parsed.is_optional = parsed.database.starts_with("optional_");
    parsed.is_error = outcome == "error";
    if (!parsed.is_error) words >> parsed.entries >> parsed.sha256;
    cases.push_back(parsed);
  }
  return cases;
}

std::string UnpackGolden(const std::string& directory, const std::string& name,
                         const std::string& target) {
  // Unpacked once for all tests of the program; a copy costs less.
  static TestDirectory unpacked;
  static std::set<std::string> done;
  const std::string archive = directory + "/" + name + ".tar.gz";
  if (done.insert(archive).second) {
    const ProgramResult result = RunProgram(
        {"tar", "-xzf", archive, "--no-same-owner", "-C", unpacked.path()});
    EXPECT_EQ(result.exit_code, 0) << "cannot unpack " << name;
  }
  std::filesystem::copy(unpacked / name, target + "/" + name,
                        std::filesystem::copy_options::recursive);
  return target + "/" + name;
}

}  // namespace paceline
