// What tools show of a database's files without opening it: its column
// families as the MANIFEST has them, and the records of its WALs.

#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "paceline/env.h"
#include "paceline/status.h"

namespace paceline {

struct ColumnFamilyInfo {
  uint32_t id = 0;
  std::string name;
  std::string comparator_name;  // Empty if the MANIFEST does not say.
  uint64_t log_number = 0;      // WALs below it hold nothing of the family.
  uint64_t table_files = 0;     // How many SST files the family has.
};

// The column families of the database in `directory`, by id. Reads CURRENT and
// the MANIFEST only; takes no lock and changes nothing. PathNotFound if there
// is no database.
StatusOr<std::vector<ColumnFamilyInfo>> ReadColumnFamilyInfo(
    FileSystem* file_system, const std::string& directory);

// One record of a WAL.
struct WalRecord {
  std::string path;
  uint64_t log_number = 0;
  uint64_t offset = 0;    // Of its first header in the file.
  uint64_t sequence = 0;  // Of its first counted entry.
  uint32_t count = 0;
  std::string contents;  // As a WriteBatch; not checked yet.
};

// Damage that was met in a WAL; what follows it in that file is not read.
struct WalDamage {
  std::string path;
  uint64_t offset = 0;
  std::string reason;
};

// Calls `on_record` for every record of every WAL in `directory`, oldest
// first, and `on_damage` where one cannot be read; a torn tail is damage too.
// `on_record` ends the walk by returning an error, which is returned. Takes no
// lock and changes nothing.
Status ReadWals(FileSystem* file_system, const std::string& directory,
                const std::function<Status(const WalRecord&)>& on_record,
                const std::function<void(const WalDamage&)>& on_damage);

}  // namespace paceline
