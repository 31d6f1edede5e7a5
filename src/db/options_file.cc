#include "src/db/options_file.h"

#include <charconv>
#include <map>
#include <optional>
#include <sstream>
#include <utility>

#include "paceline/utilities/options_util.h"

#include "src/format/file_name.h"
#include "src/version/manifest_state.h"

namespace paceline {

namespace {

constexpr size_t kFileBytesMax = size_t{16} << 20;

// RocksDB's names of its WALRecoveryMode values, by number.
constexpr const char* kRecoveryModes[] = {
    "kTolerateCorruptedTailRecords", "kAbsoluteConsistency",
    "kPointInTimeRecovery", "kSkipAnyCorruptedRecords"};

void AddLine(std::string* text, const char* name, const std::string& value) {
  *text += "  ";
  *text += name;
  *text += '=';
  *text += value;
  *text += '\n';
}

void AddLine(std::string* text, const char* name, bool value) {
  AddLine(text, name, std::string(value ? "true" : "false"));
}

// A backslash stands in front of what would end a name, a value or a line.
std::string Escape(const std::string& text) {
  constexpr std::string_view kSpecial = "\\\"#;:{}";
  std::string escaped;
  for (char c : text) {
    if (c == '\n') {
      escaped += "\\n";
    } else if (c == '\r') {
      escaped += "\\r";
    } else {
      if (kSpecial.find(c) != std::string_view::npos) escaped += '\\';
      escaped += c;
    }
  }
  return escaped;
}

std::string Unescape(std::string_view escaped) {
  std::string text;
  for (size_t i = 0; i < escaped.size(); ++i) {
    if (escaped[i] != '\\' || i + 1 == escaped.size()) {
      text += escaped[i];
      continue;
    }
    ++i;
    text += escaped[i] == 'n' ? '\n' : escaped[i] == 'r' ? '\r' : escaped[i];
  }
  return text;
}

// Where the first `c` without a backslash in front of it stands; npos if there
// is none.
size_t FindUnescaped(std::string_view text, char c) {
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (text[i] == c) {
      return i;
    }
  }
  return std::string_view::npos;
}

std::string_view Trim(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r";
  size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

bool ParseBool(std::string_view value, bool* result) {
  if (value == "true" || value == "1") {
    *result = true;
  } else if (value == "false" || value == "0") {
    *result = false;
  } else {
    return false;
  }
  return true;
}

bool ParseNumber(std::string_view value, uint64_t* result) {
  auto [end, error] =
      std::from_chars(value.data(), value.data() + value.size(), *result);
  return error == std::errc() && end == value.data() + value.size();
}

// A statement's value is a name, or "{id=NAME;key=value;...}".
std::map<std::string, std::string> ParseObject(std::string_view value) {
  std::map<std::string, std::string> fields;
  if (!value.starts_with('{') || !value.ends_with('}')) {
    fields["id"] = value;
    return fields;
  }
  value = value.substr(1, value.size() - 2);
  while (!value.empty()) {
    size_t end = FindUnescaped(value, ';');
    std::string_view field = value.substr(0, end);
    size_t equals = field.find('=');
    if (equals != std::string_view::npos) {
      fields[std::string(Trim(field.substr(0, equals)))] =
          Unescape(field.substr(equals + 1));
    }
    value.remove_prefix(end == std::string_view::npos ? value.size() : end + 1);
  }
  return fields;
}

std::string MergeOperatorText(const MergeOperator* merge_operator) {
  if (merge_operator == nullptr) return "nullptr";
  std::string id = merge_operator->Name();
  if (id != "StringAppendOperator") return "{id=" + id + ";}";
  // What it puts between two operands tells its delimiter.
  std::string joined;
  merge_operator->PartialMerge("", "", "", &joined, nullptr);
  return "{id=" + id + ";delimiter=" + Escape(joined) + ";}";
}

void SetMergeOperator(std::string_view value, ColumnFamilyOptions* options) {
  std::map<std::string, std::string> fields = ParseObject(value);
  auto known = MergeOperatorByName(fields["id"]);
  if (!known.ok()) return;
  options->merge_operator = *std::move(known);
  auto delimiter = fields.find("delimiter");
  if (delimiter != fields.end() &&
      std::string_view(options->merge_operator->Name()) ==
          "StringAppendOperator") {
    options->merge_operator = NewStringAppendOperator(delimiter->second);
  }
}

// Both return false if the value does not fit the option.
bool SetDbOption(const std::string& name, std::string_view value,
                 DBOptions* options) {
  if (name == "max_write_batch_group_size_bytes") {
    return ParseNumber(value, &options->max_write_batch_group_size_bytes);
  }
  if (name == "allow_concurrent_memtable_write") {
    return ParseBool(value, &options->allow_concurrent_memtable_write);
  }
  if (name == "wal_recovery_mode") {
    for (size_t i = 0; i < std::size(kRecoveryModes); ++i) {
      if (value != kRecoveryModes[i]) continue;
      options->wal_recovery_mode = static_cast<WALRecoveryMode>(i);
      return true;
    }
    return false;
  }
  return true;
}

bool SetFamilyOption(const std::string& name, std::string_view value,
                     ColumnFamilyOptions* options) {
  if (name == "write_buffer_size") {
    uint64_t bytes = 0;
    if (!ParseNumber(value, &bytes)) return false;
    options->write_buffer_size = bytes;
  } else if (name == "merge_operator") {
    SetMergeOperator(value, options);
  } else if (name == "comparator") {
    std::string id = ParseObject(value)["id"];
    if (id == BytewiseComparator()->Name()) {
      options->comparator = BytewiseComparator();
    } else if (id == ReverseBytewiseComparator()->Name()) {
      options->comparator = ReverseBytewiseComparator();
    }
  }
  return true;
}

struct Section {
  enum class Kind { kNone, kDb, kFamily, kOther };
  Kind kind = Kind::kNone;
  std::string name;  // Of a family.
};

// Nothing if `line` is not "[Title]" or "[Title "name"]".
std::optional<Section> ParseSection(std::string_view line) {
  if (!line.starts_with('[') || !line.ends_with(']')) return std::nullopt;
  line = line.substr(1, line.size() - 2);
  if (line == "DBOptions") return Section{Section::Kind::kDb, {}};
  constexpr std::string_view kFamily = "CFOptions \"";
  if (!line.starts_with(kFamily)) return Section{Section::Kind::kOther, {}};
  line.remove_prefix(kFamily.size());
  if (!line.ends_with('"')) return std::nullopt;
  line.remove_suffix(1);
  return Section{Section::Kind::kFamily, Unescape(line)};
}

// A '#' that is not escaped begins a comment.
std::string_view WithoutComment(std::string_view line) {
  return line.substr(0, FindUnescaped(line, '#'));
}

}  // namespace

std::string OptionsToText(const DBOptions& db_options,
                          const std::vector<ColumnFamilyDescriptor>& families) {
  std::string text =
      "# The options of the last open, in RocksDB's format. Informative: "
      "nothing\n# here is read when the database is opened through the API.\n\n"
      "[Version]\n  rocksdb_version=7.8.3\n  options_file_version=1.1\n\n"
      "[DBOptions]\n";
  AddLine(&text, "max_write_batch_group_size_bytes",
          std::to_string(db_options.max_write_batch_group_size_bytes));
  AddLine(&text, "allow_concurrent_memtable_write",
          db_options.allow_concurrent_memtable_write);
  AddLine(
      &text, "wal_recovery_mode",
      std::string(
          kRecoveryModes[static_cast<size_t>(db_options.wal_recovery_mode)]));
  for (const ColumnFamilyDescriptor& family : families) {
    std::string name = Escape(family.name);
    text += "\n[CFOptions \"" + name + "\"]\n";
    AddLine(&text, "comparator",
            std::string(family.options.comparator->Name()));
    AddLine(&text, "merge_operator",
            MergeOperatorText(family.options.merge_operator.get()));
    AddLine(&text, "write_buffer_size",
            std::to_string(family.options.write_buffer_size));
    text += "\n[TableOptions/BlockBasedTable \"" + name + "\"]\n";
  }
  return text;
}

Status ParseOptionsText(const std::string& text, const std::string& path,
                        DBOptions* db_options,
                        std::vector<ColumnFamilyDescriptor>* families) {
  auto error = [&path](int line, const std::string& what) {
    return Status::Corruption(path + " line " + std::to_string(line), what);
  };
  Section section;
  std::istringstream lines(text);
  std::string raw;
  for (int number = 1; std::getline(lines, raw); ++number) {
    std::string_view line = Trim(WithoutComment(raw));
    if (line.empty()) continue;
    if (line.starts_with('[')) {
      std::optional<Section> parsed = ParseSection(line);
      if (!parsed) return error(number, "malformed section");
      section = *std::move(parsed);
      if (section.kind == Section::Kind::kFamily) {
        families->emplace_back(section.name, ColumnFamilyOptions());
      }
      continue;
    }
    size_t equals = line.find('=');
    if (equals == std::string_view::npos ||
        section.kind == Section::Kind::kNone) {
      return error(number, "neither a section nor a statement in one");
    }
    std::string name(Trim(line.substr(0, equals)));
    std::string_view value = Trim(line.substr(equals + 1));
    bool fits = true;
    if (section.kind == Section::Kind::kDb) {
      fits = SetDbOption(name, value, db_options);
    } else if (section.kind == Section::Kind::kFamily) {
      fits = SetFamilyOption(name, value, &families->back().options);
    }
    if (!fits) return error(number, "bad value of " + name);
  }
  return Status::OK();
}

Status LoadLatestOptions(const std::string& directory, FileSystem* file_system,
                         DBOptions* db_options,
                         std::vector<ColumnFamilyDescriptor>* families) {
  StatusOr<std::vector<std::string>> names =
      file_system->ListDirectory(directory);
  if (!names.ok()) return names.status();
  std::optional<uint64_t> newest;
  for (const std::string& name : *names) {
    std::optional<ParsedFileName> parsed = ParseFileName(name);
    if (parsed && parsed->type == FileType::kOptions &&
        (!newest || parsed->number > *newest)) {
      newest = parsed->number;
    }
  }
  if (!newest) return Status::PathNotFound("no OPTIONS file in", directory);
  std::string path = OptionsFileName(directory, *newest);
  StatusOr<std::string> text =
      ReadFileToString(file_system, path, kFileBytesMax);
  if (!text.ok()) return text.status();
  families->clear();
  return ParseOptionsText(*text, path, db_options, families);
}

}  // namespace paceline
