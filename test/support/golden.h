// Golden databases: directories that RocksDB wrote, and what must be found in
// them. They are in test/testdata/golden/.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "paceline/options.h"

namespace paceline {

// A recovery mode with the name that it has in tests.
struct NamedRecoveryMode {
  const char* name;
  WALRecoveryMode mode;
};

inline constexpr NamedRecoveryMode kRecoveryModes[] = {
    {"tolerate", WALRecoveryMode::kTolerateCorruptedTailRecords},
    {"absolute", WALRecoveryMode::kAbsoluteConsistency},
    {"pit", WALRecoveryMode::kPointInTimeRecovery},
    {"skip", WALRecoveryMode::kSkipAnyCorruptedRecords},
};

// A line of expected.txt.
struct GoldenCase {
  std::string database;
  std::string mode_name;
  WALRecoveryMode mode = WALRecoveryMode::kPointInTimeRecovery;
  bool is_optional = false;  // NotSupported is a good answer, too.
  bool is_error = false;     // Must fail with Corruption.
  uint64_t entries = 0;
  std::string sha256;
};

// The lines of `directory`/expected.txt.
std::vector<GoldenCase> ReadGoldenCases(const std::string& directory);

// Unpacks the archive of a golden database into `target`, which becomes (for
// one named NAME) the parent of NAME/. Returns the path of that.
std::string UnpackGolden(const std::string& directory, const std::string& name,
                         const std::string& target);

}  // namespace paceline
