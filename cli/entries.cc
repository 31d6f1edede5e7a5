#include "cli/entries.h"

#include <memory>

#include <nlohmann/json.hpp>

#include "paceline/db.h"

#include "cli/database.h"
#include "cli/text.h"

namespace paceline::cli {

Status Get(const GetOptions& options, Output* out) {
  auto database = Database::OpenForReading(options.directory, {});
  if (!database.ok()) return database.status();
  auto family = (*database)->Family(options.column_family);
  if (!family.ok()) return family.status();

  std::string value;
  Status s = (*database)->db()->Get({}, *family, options.key, &value);
  if (s.IsNotFound()) {
    return Status::NotFound("there is no key " + Escaped(options.key));
  }
  if (!s.ok()) return s;

  if (options.raw) return out->Write(value);
  if (options.json) {
    nlohmann::ordered_json object;
    AddBytes("key", options.key, options.hex, &object);
    AddBytes("value", value, options.hex, &object);
    return out->WriteLine(object.dump());
  }
  if (options.hex) return out->WriteLine(Slice(value).ToString(/*hex=*/true));
  // A program gets the value as it is; a terminal could be upset by it.
  return out->WriteLine(out->is_terminal() ? Escaped(value) : value);
}

Status Put(const PutOptions& options) {
  auto database = Database::OpenForWriting(options.directory, options.create);
  if (!database.ok()) return database.status();
  auto family = (*database)->Family(options.column_family);
  if (!family.ok() && options.create) {
    Status s = (*database)->CreateFamily(options.column_family, {});
    if (!s.ok()) return s;
    family = (*database)->Family(options.column_family);
  }
  if (!family.ok()) return family.status();
  Status s = (*database)->db()->Put({.sync = options.sync}, *family,
                                    options.key, options.value);
  if (!s.ok()) return s;
  return (*database)->Close();
}

Status Delete(const DeleteOptions& options) {
  auto database =
      Database::OpenForWriting(options.directory, /*create_if_missing=*/false);
  if (!database.ok()) return database.status();
  auto family = (*database)->Family(options.column_family);
  if (!family.ok()) return family.status();
  Status s =
      (*database)->db()->Delete({.sync = options.sync}, *family, options.key);
  if (!s.ok()) return s;
  return (*database)->Close();
}

}  // namespace paceline::cli
