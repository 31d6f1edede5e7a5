// What the levels of a column family look like and what was done to them, as
// text for people.

#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "paceline/options.h"

#include "src/db/background.h"
#include "src/version/version.h"

namespace paceline {

// A line for each level: files and MiB.
[[nodiscard]] std::string LevelSizesText(const Version& version);

// Where in the tree each file is, and which keys it has.
[[nodiscard]] std::string FilesText(const Version& version);

// A line for each level that has files or was written to: files, size, score,
// what was read and written since the open, and how often each byte that was
// flushed was written there. Without `stats`, the last ones are missing.
[[nodiscard]] std::string LevelTableText(
    std::string_view family_name, const Version& version,
    const ColumnFamilyOptions& options,
    const std::optional<FamilyStats>& stats);

// What the tables of the levels from `first` to `last` say about themselves,
// summed up. Nothing if one of them cannot be opened.
[[nodiscard]] std::optional<std::string> TablePropertiesText(
    const Version& version, int first, int last);

// Bytes of keys and values for each byte of the level's files, as text;
// negative if it has none. Nothing if one of them cannot be opened.
[[nodiscard]] std::optional<std::string> CompressionRatioText(
    const Version& version, int level);

}  // namespace paceline
