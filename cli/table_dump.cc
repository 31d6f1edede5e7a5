#include "cli/table_dump.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string_view>

#include <nlohmann/json.hpp>

#include "paceline/env.h"

#include "cli/progress.h"
#include "cli/text.h"
#include "src/base/coding.h"
#include "src/base/sync.h"
#include "src/db/inspection.h"

namespace paceline::cli {
namespace {

using Json = nlohmann::ordered_json;

// In text, longer keys and values are cut here: room for a UUID or a path.
constexpr size_t kShortBytes = 72;

constexpr const char* kChecksumNames[] = {"none", "CRC32c", "xxHash",
                                          "xxHash64", "XXH3"};

// Properties whose value is text; all others are numbers.
bool IsText(std::string_view name) {
  constexpr std::string_view kTexts[] = {
      property::kComparator,           property::kCompression,
      property::kFamilyName,           property::kFilterPolicy,
      property::kMergeOperator,        property::kWholeKeyFiltering,
      property::kPrefixFiltering,      "rocksdb.compression_options",
      "rocksdb.prefix.extractor.name", "rocksdb.property.collectors",
      "rocksdb.creating.db.identity",  "rocksdb.creating.session.identity",
      "rocksdb.creating.host.identity"};
  return std::ranges::find(kTexts, name) != std::end(kTexts);
}

// A property as its number, or else as its bytes.
void AddProperty(const std::string& name, const std::string& stored,
                 Json* object) {
  Slice rest(stored);
  uint64_t number = 0;
  if (IsText(name)) {
    AddBytes(name, stored, /*hex=*/false, object);
  } else if (name == property::kIndexType ||
             name == property::kExternalVersion) {
    if (stored.size() == 4) (*object)[name] = DecodeFixed32(stored.data());
  } else if (name == property::kGlobalSequence) {
    if (stored.size() == 8) (*object)[name] = DecodeFixed64(stored.data());
  } else if (name.starts_with("rocksdb.") && GetVarint64(&rest, &number) &&
             rest.empty()) {
    (*object)[name] = number;
  } else {
    AddBytes(name, stored, /*hex=*/false, object);
  }
}

Json FooterJson(const Footer& footer) {
  auto handle = [](const BlockHandle& at) {
    return Json{{"offset", at.offset}, {"bytes", at.size}};
  };
  auto checksum = static_cast<size_t>(footer.checksum);
  Json object = {{"format_version", footer.format_version},
                 {"checksum", checksum < std::size(kChecksumNames)
                                  ? Json(kChecksumNames[checksum])
                                  : Json(checksum)},
                 {"metaindex", handle(footer.metaindex)}};
  // Later versions have it in the metaindex.
  if (footer.format_version < kContextFormatVersion) {
    object["index"] = handle(footer.index);
  }
  return object;
}

std::string TypeName(ValueType type) {
  switch (type) {
    case ValueType::kDeletion:
      return "delete";
    case ValueType::kValue:
      return "put";
    case ValueType::kMerge:
      return "merge";
    case ValueType::kSingleDeletion:
      return "single-delete";
    case ValueType::kRangeDeletion:
      return "delete-range";
    case ValueType::kSeekMax:
      break;
  }
  return fmt::format("type {}", static_cast<int>(type));
}

// Prints one file.
class TablePrinter {
 public:
  TablePrinter(const DumpTableOptions& options, std::string path, Output* out)
      : options_(options), path_(std::move(path)), out_(out) {}

  Status Print() {
    auto table = OpenLooseTable(FileSystem::Default(), path_);
    if (!table.ok()) return table.status();
    Status s = options_.json ? PrintJson(*table) : PrintText(*table);
    if (s.ok() && options_.entries) s = PrintEntries(*table->reader);
    return s;
  }

 private:
  static Json PropertiesJson(const TableReader& reader) {
    Json properties = Json::object();
    for (const auto& [name, stored] : reader.properties().raw) {
      AddProperty(name, stored, &properties);
    }
    return properties;
  }

  Status PrintJson(const LooseTable& table) {
    Json object = Json::object();
    AddBytes("file", path_, /*hex=*/false, &object);
    object["bytes"] = table.bytes;
    object["footer"] = FooterJson(table.footer);
    object["properties"] = PropertiesJson(*table.reader);
    return out_->WriteLine(object.dump());
  }

  Status PrintText(const LooseTable& table) {
    std::string text =
        fmt::format("{}\t{} bytes\n", Printable(path_), table.bytes);
    const Json footer = FooterJson(table.footer);
    for (const auto& [name, value] : footer.items()) {
      std::string shown =
          value.is_object()
              ? fmt::format("offset {} bytes {}", value["offset"].dump(),
                            value["bytes"].dump())
          : value.is_string() ? value.get<std::string>()
                              : value.dump();
      text += fmt::format("  {} {}\n", name, shown);
    }
    const Json properties = PropertiesJson(*table.reader);
    for (const auto& [name, value] : properties.items()) {
      text += fmt::format(
          "  {} {}\n", Escaped(name),
          value.is_string() ? Escaped(value.get<std::string>()) : value.dump());
    }
    return out_->Write(text);
  }

  Status PrintEntries(const TableReader& reader) {
    const uint64_t total = reader.properties().num_entries;
    Atomic<uint64_t> done = 0;  // Relaxed: also read by the thread that draws.
    std::optional<Progress> progress;
    // The entries themselves show it if they go to a terminal, too.
    if (!out_->is_terminal()) {
      progress.emplace([&done, total](size_t width) {
        return ShareLine(done, total,
                         fmt::format("{} of {} entries", WithCommas(done),
                                     WithCommas(total)),
                         width);
      });
    }
    auto entry = reader.NewIterator({.fill_cache = false});
    for (entry->SeekToFirst(); entry->Valid(); entry->Next(), ++done) {
      const uint64_t tag = ExtractTag(entry->key());
      Status s =
          PrintEntry(TagType(tag), TagSequence(tag), "key",
                     ExtractUserKey(entry->key()), "value", entry->value());
      if (!s.ok()) return s;
    }
    if (!entry->status().ok() || reader.tombstones() == nullptr) {
      return entry->status();
    }
    for (const auto& fragment : reader.tombstones()->fragments()) {
      for (SequenceNumber sequence : fragment.sequences) {
        Status s = PrintEntry(ValueType::kRangeDeletion, sequence, "begin",
                              fragment.begin, "end", fragment.end);
        if (!s.ok()) return s;
      }
    }
    return Status::OK();
  }

  Status PrintEntry(ValueType type, SequenceNumber sequence,
                    const char* first_name, const Slice& first,
                    const char* second_name, const Slice& second) {
    const bool has_second =
        type != ValueType::kDeletion && type != ValueType::kSingleDeletion;
    if (!options_.json) {
      return out_->WriteLine(fmt::format(
          "  {}\t{}\t{}{}{}", TypeName(type), sequence, Field(first),
          has_second ? "\t" : "", has_second ? Field(second) : ""));
    }
    Json object = {{"operation", TypeName(type)}, {"sequence", sequence}};
    AddBytes(first_name, first, options_.hex, &object);
    if (has_second) AddBytes(second_name, second, options_.hex, &object);
    return out_->WriteLine(object.dump());
  }

  [[nodiscard]] std::string Field(const Slice& bytes) const {
    std::string_view shown = bytes;
    if (!options_.full) shown = shown.substr(0, kShortBytes);
    std::string text;
    (options_.hex ? AppendHex : AppendEscaped)(shown, &text);
    if (shown.size() < bytes.size()) {
      text += fmt::format("... ({} bytes)", bytes.size());
    }
    return text;
  }

  const DumpTableOptions& options_;
  const std::string path_;
  Output* const out_;
};

}  // namespace

Status DumpTables(const DumpTableOptions& options, Output* out) {
  for (const std::string& file : options.files) {
    Status s = TablePrinter(options, file, out).Print();
    if (!s.ok()) return s;
  }
  return Status::OK();
}

}  // namespace paceline::cli
