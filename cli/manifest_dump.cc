#include "cli/manifest_dump.h"

#include <fmt/format.h>

#include <cstdint>
#include <utility>

#include <nlohmann/json.hpp>

#include "paceline/env.h"

#include "cli/database.h"
#include "cli/text.h"
#include "src/db/inspection.h"

namespace paceline::cli {
namespace {

using Json = nlohmann::ordered_json;

// A bound of a file: the user key; a range tombstone's end is not part of it.
void AddBound(const std::string& name, const FileMetaData& file, bool is_end,
              Json* object) {
  AddBytes(name, is_end ? file.largest_user_key() : file.smallest_user_key(),
           /*hex=*/false, object);
  if (is_end && file.largest_is_sentinel()) {
    (*object)["largest_is_excluded"] = true;
  }
}

Json AddedFileJson(const VersionEdit::AddedFile& added) {
  const FileMetaData& file = added.file;
  Json object = {
      {"level", added.level}, {"number", file.number}, {"bytes", file.size}};
  AddBound("smallest", file, /*is_end=*/false, &object);
  AddBound("largest", file, /*is_end=*/true, &object);
  object["smallest_sequence"] = file.smallest_sequence;
  object["largest_sequence"] = file.largest_sequence;
  if (file.epoch_number != 0) object["epoch"] = file.epoch_number;
  if (file.oldest_ancestor_time != 0) {
    object["oldest_ancestor_time"] = file.oldest_ancestor_time;
  }
  if (file.file_creation_time != 0) {
    object["file_creation_time"] = file.file_creation_time;
  }
  if (file.is_marked_for_compaction) object["marked_for_compaction"] = true;
  return object;
}

// All fields that the edit has, in the order in which they are read best.
Json FieldsOf(const VersionEdit& edit) {
  Json object = Json::object();
  auto add = [&object](const char* name, const auto& value) {
    if (value) object[name] = *value;
  };
  object["column_family_id"] = edit.family_id;
  if (edit.added_family) {
    AddBytes("adds_column_family", *edit.added_family, /*hex=*/false, &object);
  }
  if (edit.drops_family) object["drops_column_family"] = true;
  if (edit.comparator_name) {
    AddBytes("comparator", *edit.comparator_name, /*hex=*/false, &object);
  }
  add("log_number", edit.log_number);
  add("next_file_number", edit.next_file_number);
  add("last_sequence", edit.last_sequence);
  add("max_column_family_id", edit.max_family_id);
  add("min_log_number_to_keep", edit.min_log_number_to_keep);
  if (edit.database_id) {
    AddBytes("database_id", *edit.database_id, /*hex=*/false, &object);
  }
  if (edit.is_closed_cleanly) object["closed_cleanly"] = true;
  add("remaining_in_group", edit.remaining_in_group);
  if (!edit.deleted_files.empty()) {
    Json files = Json::array();
    for (const auto& file : edit.deleted_files) {
      files.push_back({{"level", file.level}, {"number", file.number}});
    }
    object["deleted_files"] = std::move(files);
  }
  if (!edit.added_files.empty()) {
    Json files = Json::array();
    for (const auto& file : edit.added_files) {
      files.push_back(AddedFileJson(file));
    }
    object["added_files"] = std::move(files);
  }
  return object;
}

std::string FileName(const std::string& path) {
  return path.substr(path.rfind('/') + 1);
}

std::string Text(const Json& value) {
  return value.is_string() ? Escaped(value.get<std::string>()) : value.dump();
}

// "  name value" for each plain field, and a line for each file.
std::string AsText(const Json& fields) {
  std::string text;
  for (const auto& [name, value] : fields.items()) {
    if (!value.is_array()) {
      text += fmt::format("  {} {}\n", name, Text(value));
      continue;
    }
    const char* verb = name == "added_files" ? "add" : "delete";
    for (const Json& file : value) {
      text += fmt::format("  {} file", verb);
      for (const auto& [part, content] : file.items()) {
        text += fmt::format(" {}={}", part, Text(content));
      }
      text += '\n';
    }
  }
  return text;
}

}  // namespace

Status DumpManifest(const DumpManifestOptions& options, Output* out) {
  if (Status s = CheckDatabaseExists(options.directory); !s.ok()) return s;
  auto print = [&](const ManifestRecord& record) {
    Json fields = FieldsOf(record.edit);
    if (!options.json) {
      return out->Write(fmt::format("{}\toffset {}\n{}", FileName(record.path),
                                    record.offset, AsText(fields)));
    }
    Json object = {{"file", FileName(record.path)}, {"offset", record.offset}};
    object.update(fields);
    return out->WriteLine(object.dump());
  };
  uint64_t damages = 0;
  auto print_damage = [&](const LogDamage& damage) {
    ++damages;
    std::string line =
        fmt::format("{}\toffset {}\tdamage: {}", FileName(damage.path),
                    damage.offset, Printable(damage.reason));
    if (options.json) {
      Json object = {{"file", FileName(damage.path)},
                     {"offset", damage.offset}};
      AddBytes("damage", damage.reason, /*hex=*/false, &object);
      line = object.dump();
    }
    // A failure to print is kept by the Output.
    (void)out->WriteLine(line);
  };
  Status s = ReadManifestRecords(FileSystem::Default(), options.directory,
                                 print, print_damage);
  return s.ok() ? DamageFound(damages, options.directory) : s;
}

}  // namespace paceline::cli
