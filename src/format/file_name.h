// The names of a database's files.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace paceline {

enum class FileType {
  kWal,
  kTable,
  kBlob,
  kManifest,
  kCurrent,
  kIdentity,
  kLock,
  kOptions,
  kInfoLog,
  kTemporary,
};

// No file has a larger number. Counting on from it cannot come to the end of
// 64 bits, and so not back to numbers that are in use.
inline constexpr uint64_t kFileNumberMax = (uint64_t{1} << 62) - 1;

struct ParsedFileName {
  FileType type;
  uint64_t number = 0;  // 0 for names without one.
};

// `directory` is the database's; numbers have at least six digits.
std::string WalFileName(const std::string& directory, uint64_t number);
std::string TableFileName(const std::string& directory, uint64_t number);
// The same in LevelDB's and early RocksDB's databases.
std::string OldTableFileName(const std::string& directory, uint64_t number);
std::string ManifestFileName(const std::string& directory, uint64_t number);
std::string CurrentFileName(const std::string& directory);
std::string IdentityFileName(const std::string& directory);
std::string LockFileName(const std::string& directory);
std::string InfoLogFileName(const std::string& directory);
std::string OldInfoLogFileName(const std::string& directory, uint64_t micros);
std::string OptionsFileName(const std::string& directory, uint64_t number);
// What is renamed into place when it is complete.
std::string TemporaryFileName(const std::string& directory, uint64_t number);
std::string TemporaryOptionsFileName(const std::string& directory,
                                     uint64_t number);
// Where WALs that are not part of the database any more are kept.
std::string ArchiveDirectory(const std::string& directory);

// Nothing if `name` (without a directory) is not a database's file.
std::optional<ParsedFileName> ParseFileName(std::string_view name);

// "MANIFEST-NNNNNN" without a directory, as CURRENT has it.
std::string ManifestBaseName(uint64_t number);

}  // namespace paceline
