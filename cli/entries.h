// The commands get, put and delete: one entry at a time.

#pragma once

#include <string>

#include "paceline/status.h"

#include "cli/output.h"

namespace paceline::cli {

// Keys and values are bytes here, whatever form they had in the arguments.

struct GetOptions {
  std::string directory;
  std::string column_family = "default";
  std::string key;
  bool hex = false;  // Print hexadecimal digits.
  bool raw = false;  // Print the value's bytes and nothing else.
  bool json = false;
};
// NotFound if the key has no value.
Status Get(const GetOptions& options, Output* out);

struct PutOptions {
  std::string directory;
  std::string column_family = "default";
  std::string key;
  std::string value;
  bool sync = false;
  bool create = false;  // Make the database and the column family if missing.
};
Status Put(const PutOptions& options);

struct DeleteOptions {
  std::string directory;
  std::string column_family = "default";
  std::string key;
  bool sync = false;
};
// OK if there is no such key.
Status Delete(const DeleteOptions& options);

}  // namespace paceline::cli
