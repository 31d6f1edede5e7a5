#include "cli/families.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "paceline/db.h"
#include "paceline/env.h"

#include "cli/database.h"
#include "cli/text.h"
#include "src/db/inspection.h"

namespace paceline::cli {

Status ListFamilies(const ListFamiliesOptions& options, Output* out) {
  if (Status s = CheckDatabaseExists(options.directory); !s.ok()) return s;
  auto families =
      ReadColumnFamilyInfo(FileSystem::Default(), options.directory);
  if (!families.ok()) return families.status();
  std::ranges::sort(*families, {}, &ColumnFamilyInfo::name);
  for (const ColumnFamilyInfo& family : *families) {
    std::string line = Escaped(family.name);
    if (options.json) {
      nlohmann::ordered_json object;
      AddBytes("name", family.name, /*hex=*/false, &object);
      object["id"] = family.id;
      AddBytes("comparator", family.comparator_name, /*hex=*/false, &object);
      object["table_files"] = family.table_files;
      line = object.dump();
    }
    if (Status s = out->WriteLine(line); !s.ok()) return s;
  }
  return Status::OK();
}

Status CreateFamily(const CreateFamilyOptions& options) {
  auto database =
      Database::OpenForWriting(options.directory, /*create_if_missing=*/false);
  if (!database.ok()) return database.status();
  ColumnFamilyOptions family_options;
  family_options.comparator = options.comparator;
  family_options.merge_operator = options.merge_operator;
  Status s = (*database)->CreateFamily(options.name, family_options);
  if (!s.ok()) return s;
  return (*database)->Close();
}

Status DropFamily(const DropFamilyOptions& options) {
  auto database =
      Database::OpenForWriting(options.directory, /*create_if_missing=*/false);
  if (!database.ok()) return database.status();
  auto family = (*database)->Family(options.name);
  if (!family.ok()) return family.status();
  Status s = (*database)->db()->DropColumnFamily(*family);
  if (!s.ok()) return s;
  return (*database)->Close();
}

}  // namespace paceline::cli
