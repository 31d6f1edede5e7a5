#include "src/db/options_file.h"

#include <algorithm>
#include <charconv>
#include <concepts>
#include <cstdio>
#include <map>
#include <optional>
#include <sstream>
#include <utility>

#include "paceline/utilities/options_util.h"

#include "src/format/file_name.h"
#include "src/table/compression.h"
#include "src/version/manifest_state.h"

namespace paceline {

namespace {

constexpr size_t kFileBytesMax = size_t{16} << 20;

void AddLine(std::string* text, const char* name, const std::string& value) {
  *text += "  ";
  *text += name;
  *text += '=';
  *text += value;
  *text += '\n';
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

// --- Values, in RocksDB's forms --------------------------------------------
//
// FromText() returns false if the text does not fit the type, and leaves the
// value alone if it is one that Paceline does not have.

template <typename Enum>
struct EnumName {
  const char* name;
  Enum value;
};

constexpr EnumName<WALRecoveryMode> kRecoveryModes[] = {
    {"kTolerateCorruptedTailRecords",
     WALRecoveryMode::kTolerateCorruptedTailRecords},
    {"kAbsoluteConsistency", WALRecoveryMode::kAbsoluteConsistency},
    {"kPointInTimeRecovery", WALRecoveryMode::kPointInTimeRecovery},
    {"kSkipAnyCorruptedRecords", WALRecoveryMode::kSkipAnyCorruptedRecords},
};
constexpr EnumName<CompressionType> kCompressionTypes[] = {
    {"kNoCompression", kNoCompression},
    {"kSnappyCompression", kSnappyCompression},
    {"kLZ4Compression", kLZ4Compression},
    {"kLZ4HCCompression", kLZ4HCCompression},
    {"kZSTD", kZSTD},
    {"kDisableCompressionOption", kDisableCompressionOption},
};
constexpr EnumName<ChecksumType> kChecksumTypes[] = {
    {"kNoChecksum", kNoChecksum}, {"kCRC32c", kCRC32c}, {"kxxHash", kxxHash},
    {"kxxHash64", kxxHash64},     {"kXXH3", kXXH3},
};

template <typename Enum, size_t kCount>
std::string NameOf(const EnumName<Enum> (&names)[kCount], Enum value) {
  for (const EnumName<Enum>& known : names) {
    if (known.value == value) return known.name;
  }
  return names[0].name;
}

template <typename Enum, size_t kCount>
std::optional<Enum> ValueOf(const EnumName<Enum> (&names)[kCount],
                            std::string_view name) {
  for (const EnumName<Enum>& known : names) {
    if (known.name == name) return known.value;
  }
  return std::nullopt;
}

std::string ToText(bool value) { return value ? "true" : "false"; }
bool FromText(std::string_view text, bool* value) {
  if (text == "true" || text == "1") {
    *value = true;
  } else if (text == "false" || text == "0") {
    *value = false;
  } else {
    return false;
  }
  return true;
}

template <typename T>
concept IsNumber = (std::integral<T> ||
                    std::floating_point<T>)&&!std::same_as<T, bool>;

template <IsNumber T>
std::string ToText(T value) {
  return std::to_string(value);
}
template <IsNumber T>
bool FromText(std::string_view text, T* value) {
  T number{};
  auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return false;
  *value = number;
  return true;
}

std::string ToText(WALRecoveryMode mode) {
  return NameOf(kRecoveryModes, mode);
}
bool FromText(std::string_view text, WALRecoveryMode* mode) {
  auto known = ValueOf(kRecoveryModes, text);
  if (known) *mode = *known;
  return known.has_value();
}

std::string ToText(CompressionType type) {
  return NameOf(kCompressionTypes, type);
}
bool FromText(std::string_view text, CompressionType* type) {
  auto known = ValueOf(kCompressionTypes, text);
  if (known && (*known == kDisableCompressionOption || CanCompress(*known))) {
    *type = *known;
  }
  return true;
}

std::string ToText(ChecksumType type) { return NameOf(kChecksumTypes, type); }
bool FromText(std::string_view text, ChecksumType* type) {
  auto known = ValueOf(kChecksumTypes, text);
  if (known) *type = *known;
  return true;
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

std::string ToText(const CompressionOptions& options) {
  return "{level=" + std::to_string(options.level) + ";}";
}
bool FromText(std::string_view text, CompressionOptions* options) {
  if (text.starts_with('{')) {
    auto fields = ParseObject(text);
    auto level = fields.find("level");
    return level == fields.end() || FromText(level->second, &options->level);
  }
  // What RocksDB wrote before: the level is the second of several numbers.
  size_t begin = text.find(':');
  if (begin == std::string_view::npos) return true;
  text.remove_prefix(begin + 1);
  return FromText(text.substr(0, text.find(':')), &options->level);
}

std::string ToText(const std::shared_ptr<const FilterPolicy>& policy) {
  if (policy == nullptr) return "nullptr";
  char text[64];
  std::snprintf(text, sizeof(text), "bloomfilter:%g:false",
                policy->bits_per_key());
  return text;
}
bool FromText(std::string_view text,
              std::shared_ptr<const FilterPolicy>* policy) {
  const std::string id = ParseObject(text)["id"];
  constexpr std::string_view kBloom = "bloomfilter:";
  if (id == "nullptr") policy->reset();
  if (!id.starts_with(kBloom)) return true;
  std::string_view bits = std::string_view(id).substr(kBloom.size());
  double bits_per_key = 0;
  if (!FromText(bits.substr(0, bits.find(':')), &bits_per_key)) return false;
  policy->reset(bits_per_key > 0 ? NewBloomFilterPolicy(bits_per_key)
                                 : nullptr);
  return true;
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

// --- Which options there are -----------------------------------------------
//
// Each calls `visit(name, field)` for every option that RocksDB has, too, and
// whose value is text: what is written is what is read. Only names that every
// RocksDB from 7 on knows: its tools refuse a file with any other.

template <typename Options, typename Visit>
void VisitDbOptions(Options& options, Visit&& visit) {
  visit("max_write_batch_group_size_bytes",
        options.max_write_batch_group_size_bytes);
  visit("allow_concurrent_memtable_write",
        options.allow_concurrent_memtable_write);
  visit("wal_recovery_mode", options.wal_recovery_mode);
  visit("max_open_files", options.max_open_files);
  visit("max_background_jobs", options.max_background_jobs);
  visit("max_total_wal_size", options.max_total_wal_size);
  visit("atomic_flush", options.atomic_flush);
  visit("max_manifest_file_size", options.max_manifest_file_size);
  visit("avoid_flush_during_shutdown", options.avoid_flush_during_shutdown);
}

template <typename Options, typename Visit>
void VisitFamilyOptions(Options& options, Visit&& visit) {
  visit("write_buffer_size", options.write_buffer_size);
  visit("max_write_buffer_number", options.max_write_buffer_number);
  visit("compression", options.compression);
  visit("bottommost_compression", options.bottommost_compression);
  visit("compression_opts", options.compression_opts);
  visit("level0_file_num_compaction_trigger",
        options.level0_file_num_compaction_trigger);
  visit("level0_slowdown_writes_trigger",
        options.level0_slowdown_writes_trigger);
  visit("level0_stop_writes_trigger", options.level0_stop_writes_trigger);
  visit("target_file_size_base", options.target_file_size_base);
  visit("target_file_size_multiplier", options.target_file_size_multiplier);
  visit("max_bytes_for_level_base", options.max_bytes_for_level_base);
  visit("max_bytes_for_level_multiplier",
        options.max_bytes_for_level_multiplier);
  visit("level_compaction_dynamic_level_bytes",
        options.level_compaction_dynamic_level_bytes);
  visit("max_compaction_bytes", options.max_compaction_bytes);
  visit("soft_pending_compaction_bytes_limit",
        options.soft_pending_compaction_bytes_limit);
  visit("hard_pending_compaction_bytes_limit",
        options.hard_pending_compaction_bytes_limit);
  visit("disable_auto_compactions", options.disable_auto_compactions);
}

template <typename Options, typename Visit>
void VisitTableOptions(Options& options, Visit&& visit) {
  visit("checksum", options.checksum);
  visit("no_block_cache", options.no_block_cache);
  visit("block_size", options.block_size);
  visit("block_restart_interval", options.block_restart_interval);
  visit("filter_policy", options.filter_policy);
}

// Writes what it visits.
class StatementWriter {
 public:
  explicit StatementWriter(std::string* text) : text_(text) {}
  template <typename T>
  void operator()(const char* name, const T& value) {
    AddLine(text_, name, ToText(value));
  }

 private:
  std::string* const text_;
};

// Sets what one statement names.
class StatementReader {
 public:
  StatementReader(std::string_view name, std::string_view value)
      : name_(name), value_(value) {}
  template <typename T>
  void operator()(const char* name, T& value) {
    if (name_ == name) fits_ = FromText(value_, &value);
  }
  // False if the value does not fit the option.
  [[nodiscard]] bool fits() const { return fits_; }

 private:
  const std::string_view name_;
  const std::string_view value_;
  bool fits_ = true;
};

// All return false if the value does not fit the option.
bool SetDbOption(std::string_view name, std::string_view value,
                 DBOptions* options) {
  StatementReader reader(name, value);
  VisitDbOptions(*options, reader);
  return reader.fits();
}

bool SetFamilyOption(std::string_view name, std::string_view value,
                     ColumnFamilyOptions* options) {
  if (name == "merge_operator") {
    SetMergeOperator(value, options);
  } else if (name == "comparator") {
    std::string id = ParseObject(value)["id"];
    if (id == BytewiseComparator()->Name()) {
      options->comparator = BytewiseComparator();
    } else if (id == ReverseBytewiseComparator()->Name()) {
      options->comparator = ReverseBytewiseComparator();
    }
  }
  StatementReader reader(name, value);
  VisitFamilyOptions(*options, reader);
  return reader.fits();
}

bool SetTableOption(std::string_view name, std::string_view value,
                    ColumnFamilyOptions* options) {
  StatementReader reader(name, value);
  BlockBasedTableOptions table = options->table_factory->options();
  VisitTableOptions(table, reader);
  options->table_factory.reset(NewBlockBasedTableFactory(table));
  return reader.fits();
}

struct Section {
  enum class Kind { kNone, kDb, kFamily, kTable, kOther };
  Kind kind = Kind::kNone;
  std::string name;  // Of a family, for kFamily and kTable.
};

// Nothing if `line` is not "[Title]" or "[Title "name"]".
std::optional<Section> ParseSection(std::string_view line) {
  if (!line.starts_with('[') || !line.ends_with(']')) return std::nullopt;
  line = line.substr(1, line.size() - 2);
  if (line == "DBOptions") return Section{Section::Kind::kDb, {}};
  constexpr std::string_view kFamily = "CFOptions \"";
  constexpr std::string_view kTable = "TableOptions/BlockBasedTable \"";
  Section section{Section::Kind::kOther, {}};
  if (line.starts_with(kFamily)) {
    section.kind = Section::Kind::kFamily;
    line.remove_prefix(kFamily.size());
  } else if (line.starts_with(kTable)) {
    section.kind = Section::Kind::kTable;
    line.remove_prefix(kTable.size());
  } else {
    return section;
  }
  if (!line.ends_with('"')) return std::nullopt;
  line.remove_suffix(1);
  section.name = Unescape(line);
  return section;
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
  StatementWriter writer(&text);
  VisitDbOptions(db_options, writer);
  for (const ColumnFamilyDescriptor& family : families) {
    std::string name = Escape(family.name);
    text += "\n[CFOptions \"" + name + "\"]\n";
    AddLine(&text, "comparator", family.options.comparator->Name());
    AddLine(&text, "merge_operator",
            MergeOperatorText(family.options.merge_operator.get()));
    VisitFamilyOptions(family.options, writer);
    text += "\n[TableOptions/BlockBasedTable \"" + name + "\"]\n";
    VisitTableOptions(family.options.table_factory->options(), writer);
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
        bool is_second = std::any_of(
            families->begin(), families->end(),
            [&](const auto& family) { return family.name == section.name; });
        if (is_second) return error(number, "a second section of a family");
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
    } else if (section.kind == Section::Kind::kTable) {
      auto family =
          std::find_if(families->begin(), families->end(),
                       [&](const auto& f) { return f.name == section.name; });
      if (family == families->end()) {
        return error(number, "tables of a column family that is not there");
      }
      fits = SetTableOption(name, value, &family->options);
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
