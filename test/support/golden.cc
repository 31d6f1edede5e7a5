#include "test/support/golden.h"

#include <fstream>
#include <sstream>

#include "gtest/gtest.h"
#include "test/support/subprocess.h"

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
  const ProgramResult result =
      RunProgram({"tar", "-xzf", directory + "/" + name + ".tar.gz",
                  "--no-same-owner", "-C", target});
  EXPECT_EQ(result.exit_code, 0) << "cannot unpack " << name;
  return target + "/" + name;
}

}  // namespace paceline
