// What tools show of a database's files without opening it: its column
// families and tables as the MANIFEST has them, the records of its logs, and
// what is in a table. None of this takes a lock or changes anything.

#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "paceline/comparator.h"
#include "paceline/env.h"
#include "paceline/status.h"

#include "src/format/file_metadata.h"
#include "src/table/table_format.h"
#include "src/table/table_reader.h"
#include "src/version/version_edit.h"

namespace paceline {

struct ColumnFamilyInfo {
  uint32_t id = 0;
  std::string name;
  std::string comparator_name;  // Empty if the MANIFEST does not say.
  uint64_t log_number = 0;      // WALs below it hold nothing of the family.
  uint64_t table_files = 0;     // How many SST files the family has.
};

// The comparator of that name, which is the default one if it is empty; null
// if it is none of Paceline's.
[[nodiscard]] const Comparator* ComparatorByName(std::string_view name);

// The column families of the database in `directory`, by id. Reads CURRENT and
// the MANIFEST only. PathNotFound if there is no database.
StatusOr<std::vector<ColumnFamilyInfo>> ReadColumnFamilyInfo(
    FileSystem* file_system, const std::string& directory);

// A WAL of a database.
struct WalFile {
  std::string path;
  uint64_t log_number = 0;
  uint64_t bytes = 0;  // With what is allocated ahead.
};

// The WALs in `directory`, oldest first.
StatusOr<std::vector<WalFile>> ListWals(FileSystem* file_system,
                                        const std::string& directory);

// One record of a WAL.
struct WalRecord {
  std::string path;
  uint64_t log_number = 0;
  uint64_t offset = 0;    // Of its first header in the file.
  uint64_t sequence = 0;  // Of its first counted entry.
  uint32_t count = 0;
  std::string contents;  // As a WriteBatch; not checked yet.
};

// Damage that was met in a log; what follows it in that file is not read.
struct LogDamage {
  std::string path;
  uint64_t offset = 0;
  std::string reason;
};

// Calls `on_record` for every record of every WAL in `directory`, oldest
// first, and `on_damage` where one cannot be read; a torn tail is damage too.
// `on_record` ends the walk by returning an error, which is returned.
Status ReadWals(FileSystem* file_system, const std::string& directory,
                const std::function<Status(const WalRecord&)>& on_record,
                const std::function<void(const LogDamage&)>& on_damage);

// One record of a MANIFEST.
struct ManifestRecord {
  std::string path;
  uint64_t offset = 0;
  VersionEdit edit;
};

// The same for the MANIFEST that CURRENT names. The edits are not checked
// against each other.
Status ReadManifestRecords(
    FileSystem* file_system, const std::string& directory,
    const std::function<Status(const ManifestRecord&)>& on_record,
    const std::function<void(const LogDamage&)>& on_damage);

// A table of a database.
struct TableInfo {
  uint32_t family_id = 0;
  std::string family_name;
  std::string comparator_name;  // Empty if the MANIFEST does not say.
  int level = 0;
  FileMetaData file;
};

// The tables of the database in `directory`, by family and number. Errors as
// for ReadColumnFamilyInfo().
StatusOr<std::vector<TableInfo>> ReadTableInfo(FileSystem* file_system,
                                               const std::string& directory);

// Reads a table of the database in `directory` and checks all of it. See
// TableReader::Verify(), with the errors of TableReader::Open() as well;
// `on_damage` gets these, too. PathNotFound, and no call of `on_damage`, if
// there is no such file. NotSupported if ComparatorByName() knows no order.
Status VerifyTableFile(FileSystem* file_system, const std::string& directory,
                       const TableInfo& table,
                       const std::function<void(const Status&)>& on_damage,
                       const std::function<void(uint64_t)>& on_progress);

// A table by itself, without what the MANIFEST says about it.
struct LooseTable {
  uint64_t bytes = 0;
  Footer footer;
  std::shared_ptr<const InternalKeyComparator> comparator;
  std::shared_ptr<const TableReader> reader;  // Uses the comparator.
};

// Errors as for TableReader::Open().
StatusOr<LooseTable> OpenLooseTable(FileSystem* file_system,
                                    const std::string& path);

}  // namespace paceline
