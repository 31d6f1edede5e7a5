#include "cli/database.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "paceline/comparator.h"
#include "paceline/env.h"
#include "paceline/utilities/options_util.h"

#include "src/db/inspection.h"
#include "src/table/compression.h"

namespace paceline::cli {
namespace {

Status NoDatabase(const std::string& directory) {
  return Status::NotFound("there is no database in " + directory);
}

// A column family for each in the MANIFEST, with its comparator.
StatusOr<std::vector<ColumnFamilyDescriptor>> FamiliesInManifest(
    const std::string& directory) {
  auto infos = ReadColumnFamilyInfo(FileSystem::Default(), directory);
  if (!infos.ok()) {
    return infos.status().IsPathNotFound() ? NoDatabase(directory)
                                           : infos.status();
  }
  std::vector<ColumnFamilyDescriptor> families;
  for (const ColumnFamilyInfo& info : *infos) {
    ColumnFamilyOptions options;
    options.comparator = ComparatorByName(info.comparator_name);
    if (options.comparator == nullptr) {
      return Status::NotSupported("column family " + info.name +
                                  " is ordered by " + info.comparator_name +
                                  ", a comparator this program does not have");
    }
    families.emplace_back(info.name, options);
  }
  return families;
}

// Puts what RocksDB allows and Paceline does not (see paceline/options.h) to
// the nearest value that both allow.
void LimitSizes(DBOptions* options) {
  uint64_t& bytes = options->max_write_batch_group_size_bytes;
  bytes = std::clamp(bytes, uint64_t{1} << 10, uint64_t{256} << 20);
  if (options->max_open_files != -1) {
    options->max_open_files = std::max(options->max_open_files, 10);
  }
  options->max_background_jobs =
      std::clamp(options->max_background_jobs, 1, 64);
  options->max_manifest_file_size =
      std::max(options->max_manifest_file_size, uint64_t{1} << 10);
}

void LimitCompactions(ColumnFamilyOptions* options) {
  uint64_t& bytes = options->max_compaction_bytes;
  if (bytes != 0) bytes = std::max(bytes, uint64_t{4} << 10);
  const uint64_t hard = options->hard_pending_compaction_bytes_limit;
  uint64_t& soft = options->soft_pending_compaction_bytes_limit;
  if (hard != 0) soft = std::min(soft, hard);
  int& level = options->compression_opts.level;
  for (CompressionType type :
       {options->compression, options->bottommost_compression}) {
    const int max = CompressionLevelMax(type);
    if (max != 0 && (level < 1 || level > max)) {
      level = CompressionOptions::kDefaultCompressionLevel;
    }
  }
}

void LimitSizes(ColumnFamilyOptions* options) {
  size_t& bytes = options->write_buffer_size;
  bytes = std::clamp(bytes, size_t{64} << 10, size_t{64} << 30);
  options->max_write_buffer_number =
      std::clamp(options->max_write_buffer_number, 2, 64);
  // Each at least as large as the one before.
  constexpr int kFilesMax = 1 << 20;
  int files_min = 1;
  for (int* files : {&options->level0_file_num_compaction_trigger,
                     &options->level0_slowdown_writes_trigger,
                     &options->level0_stop_writes_trigger}) {
    *files = std::clamp(*files, files_min, kFilesMax);
    files_min = *files;
  }
  options->target_file_size_base = std::clamp(
      options->target_file_size_base, uint64_t{4} << 10, uint64_t{1} << 40);
  options->target_file_size_multiplier =
      std::clamp(options->target_file_size_multiplier, 1, 1 << 10);
  options->max_bytes_for_level_base = std::clamp(
      options->max_bytes_for_level_base, uint64_t{4} << 10, uint64_t{1} << 50);
  LimitCompactions(options);
  if (!(options->max_bytes_for_level_multiplier > 1 &&
        std::isfinite(options->max_bytes_for_level_multiplier))) {
    options->max_bytes_for_level_multiplier =
        ColumnFamilyOptions().max_bytes_for_level_multiplier;
  }
  BlockBasedTableOptions table = options->table_factory->options();
  table.block_size =
      std::clamp(table.block_size, uint64_t{256}, uint64_t{64} << 20);
  table.block_restart_interval =
      std::clamp(table.block_restart_interval, 1, 1 << 16);
  options->table_factory.reset(NewBlockBasedTableFactory(table));
}

// What the OPTIONS file says; empty if there is none.
struct StoredOptions {
  DBOptions db;
  std::map<std::string, ColumnFamilyOptions> families;
};

StatusOr<StoredOptions> ReadStoredOptions(const std::string& directory) {
  StoredOptions stored;
  std::vector<ColumnFamilyDescriptor> families;
  Status s = LoadLatestOptions(directory, FileSystem::Default(), &stored.db,
                               &families);
  if (!s.ok() && !s.IsPathNotFound()) return s;
  LimitSizes(&stored.db);
  for (ColumnFamilyDescriptor& family : families) {
    LimitSizes(&family.options);
    stored.families[family.name] = std::move(family.options);
  }
  return stored;
}

// The MANIFEST knows better which comparator it is.
void TakeStored(const StoredOptions& stored, ColumnFamilyDescriptor* family) {
  auto found = stored.families.find(family->name);
  if (found == stored.families.end()) return;
  const Comparator* comparator = family->options.comparator;
  family->options = found->second;
  family->options.comparator = comparator;
}

}  // namespace

StatusOr<std::unique_ptr<Database>> Database::OpenForReading(
    const std::string& directory, const ReadingOptions& options) {
  auto families = FamiliesInManifest(directory);
  if (!families.ok()) return families.status();
  StoredOptions stored;
  if (options.merge_operator == nullptr) {
    auto read = ReadStoredOptions(directory);
    if (!read.ok()) return read.status();
    stored = std::move(*read);
  }
  for (ColumnFamilyDescriptor& family : *families) {
    TakeStored(stored, &family);
    if (options.merge_operator != nullptr) {
      family.options.merge_operator = options.merge_operator;
    } else if (family.options.merge_operator == nullptr) {
      family.options.merge_operator = options.fallback_merge_operator;
    }
  }
  DBOptions db_options;
  db_options.wal_recovery_mode =
      options.recovery_mode.value_or(stored.db.wal_recovery_mode);

  std::unique_ptr<Database> database(new Database);
  Status s = DB::OpenForReadOnly(db_options, directory, *families,
                                 &database->families_, &database->db_);
  if (!s.ok()) return s;
  database->SortFamilies();
  return database;
}

StatusOr<std::unique_ptr<Database>> Database::OpenForWriting(
    const std::string& directory, bool create_if_missing) {
  auto families = FamiliesInManifest(directory);
  if (!families.ok()) {
    if (!families.status().IsNotFound() || !create_if_missing) {
      return families.status();
    }
    families = std::vector<ColumnFamilyDescriptor>(1);
  }
  auto stored = ReadStoredOptions(directory);
  if (!stored.ok()) return stored.status();
  for (ColumnFamilyDescriptor& family : *families) {
    TakeStored(*stored, &family);
  }
  DBOptions db_options = stored->db;
  db_options.create_if_missing = create_if_missing;
  db_options.create_missing_column_families = false;
  db_options.error_if_exists = false;

  std::unique_ptr<Database> database(new Database);
  Status s = DB::Open(db_options, directory, *families, &database->families_,
                      &database->db_);
  if (!s.ok()) return s;
  database->SortFamilies();
  return database;
}

Database::~Database() { (void)Close(); }

void Database::SortFamilies() {
  std::ranges::sort(families_, {}, &ColumnFamilyHandle::GetName);
}

StatusOr<ColumnFamilyHandle*> Database::Family(const std::string& name) const {
  for (ColumnFamilyHandle* family : families_) {
    if (family->GetName() == name) return family;
  }
  return Status::NotFound("there is no column family " + name);
}

Status Database::CreateFamily(const std::string& name,
                              const ColumnFamilyOptions& options) {
  ColumnFamilyHandle* handle = nullptr;
  if (Status s = db_->CreateColumnFamily(options, name, &handle); !s.ok()) {
    return s;
  }
  families_.push_back(handle);
  SortFamilies();
  return Status::OK();
}

Status Database::Close() {
  if (db_ == nullptr) return Status::OK();
  for (ColumnFamilyHandle* family : families_) {
    (void)db_->DestroyColumnFamilyHandle(family);
  }
  families_.clear();
  Status s = db_->Close();
  db_.reset();
  return s;
}

Status CheckDatabaseExists(const std::string& directory) {
  auto exists = FileSystem::Default()->FileExists(directory + "/CURRENT");
  if (!exists.ok()) return exists.status();
  return *exists ? Status::OK() : NoDatabase(directory);
}

}  // namespace paceline::cli
