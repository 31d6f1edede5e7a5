#include "src/format/file_name.h"

#include <charconv>
#include <cstdio>

namespace paceline {

namespace {

std::string Digits(uint64_t number) {
  char digits[24];
  std::snprintf(digits, sizeof(digits), "%06llu",
                static_cast<unsigned long long>(number));
  return digits;
}

// The whole of `text` as a decimal number of a file.
std::optional<uint64_t> ParseNumber(std::string_view text) {
  uint64_t number = 0;
  auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || error != std::errc() ||
      end != text.data() + text.size() || number > kFileNumberMax) {
    return std::nullopt;
  }
  return number;
}

std::optional<ParsedFileName> WithNumber(FileType type,
                                         std::string_view digits) {
  std::optional<uint64_t> number = ParseNumber(digits);
  if (!number) return std::nullopt;
  return ParsedFileName{type, *number};
}

}  // namespace

std::string WalFileName(const std::string& directory, uint64_t number) {
  return directory + "/" + Digits(number) + ".log";
}
std::string TableFileName(const std::string& directory, uint64_t number) {
  return directory + "/" + Digits(number) + ".sst";
}
std::string OldTableFileName(const std::string& directory, uint64_t number) {
  return directory + "/" + Digits(number) + ".ldb";
}
std::string ManifestBaseName(uint64_t number) {
  return "MANIFEST-" + Digits(number);
}
std::string ManifestFileName(const std::string& directory, uint64_t number) {
  return directory + "/" + ManifestBaseName(number);
}
std::string CurrentFileName(const std::string& directory) {
  return directory + "/CURRENT";
}
std::string IdentityFileName(const std::string& directory) {
  return directory + "/IDENTITY";
}
std::string LockFileName(const std::string& directory) {
  return directory + "/LOCK";
}
std::string InfoLogFileName(const std::string& directory) {
  return directory + "/LOG";
}
std::string OldInfoLogFileName(const std::string& directory, uint64_t micros) {
  return directory + "/LOG.old." + std::to_string(micros);
}
std::string OptionsFileName(const std::string& directory, uint64_t number) {
  return directory + "/OPTIONS-" + Digits(number);
}
std::string TemporaryFileName(const std::string& directory, uint64_t number) {
  return directory + "/" + Digits(number) + ".dbtmp";
}
std::string TemporaryOptionsFileName(const std::string& directory,
                                     uint64_t number) {
  return OptionsFileName(directory, number) + ".dbtmp";
}
std::string ArchiveDirectory(const std::string& directory) {
  return directory + "/archive";
}

std::optional<ParsedFileName> ParseFileName(std::string_view name) {
  if (name == "CURRENT") return ParsedFileName{FileType::kCurrent};
  if (name == "IDENTITY") return ParsedFileName{FileType::kIdentity};
  if (name == "LOCK") return ParsedFileName{FileType::kLock};
  if (name == "LOG") return ParsedFileName{FileType::kInfoLog};
  constexpr std::string_view kOldLog = "LOG.old.";
  if (name.starts_with(kOldLog)) {
    return WithNumber(FileType::kInfoLog, name.substr(kOldLog.size()));
  }
  constexpr std::string_view kManifest = "MANIFEST-";
  if (name.starts_with(kManifest)) {
    return WithNumber(FileType::kManifest, name.substr(kManifest.size()));
  }
  constexpr std::string_view kOptions = "OPTIONS-";
  constexpr std::string_view kTemporary = ".dbtmp";
  if (name.starts_with(kOptions)) {
    std::string_view digits = name.substr(kOptions.size());
    if (digits.ends_with(kTemporary)) {
      digits.remove_suffix(kTemporary.size());
      return WithNumber(FileType::kTemporary, digits);
    }
    return WithNumber(FileType::kOptions, digits);
  }
  size_t dot = name.find('.');
  if (dot == std::string_view::npos) return std::nullopt;
  std::string_view digits = name.substr(0, dot);
  std::string_view ending = name.substr(dot);
  if (ending == ".log") return WithNumber(FileType::kWal, digits);
  if (ending == ".sst" || ending == ".ldb") {
    return WithNumber(FileType::kTable, digits);
  }
  if (ending == ".blob") return WithNumber(FileType::kBlob, digits);
  if (ending == kTemporary) return WithNumber(FileType::kTemporary, digits);
  return std::nullopt;
}

}  // namespace paceline
