// Open: from a directory to a DBImpl. The order of its steps makes sure that a
// crash in any of them loses nothing: what counts is what CURRENT names and
// the WALs that this says are live, and both change in one rename or one
// synced record.

#include <algorithm>
#include <random>
#include <set>
#include <system_error>
#include <utility>

#include "src/db/db_impl.h"
#include "src/db/log_totals.h"
#include "src/db/obsolete_files.h"
#include "src/db/options_check.h"
#include "src/db/recovery.h"
#include "src/env/file_logger.h"
#include "src/format/file_name.h"

namespace paceline {

namespace {

// Every open adds a WAL. From this many on their entries are written to tables,
// so that a database that is opened often does not collect files.
constexpr size_t kWalsMax = 16;

// How often an open for reading looks at what another process changes
// meanwhile. That one would have to be faster each time.
constexpr int kReadingTriesMax = 10;

// Threads that open tables beside the one that opens the database: as many as
// there are processors, since a new thread is often put on the processor of the
// one that made it and stays there for longer than an open takes. Worth it for
// so many tables each.
constexpr size_t kOpeningHelpersMax = 15;
constexpr size_t kTablesEach = 16;

// That many threads that do `work`; fewer if the system gives no more.
template <typename Work>
std::vector<Thread> StartThreads(size_t size, Work work) {
  std::vector<Thread> threads;
  threads.reserve(size);
  try {
    while (threads.size() < size) threads.emplace_back(work);
  } catch (const std::system_error&) {
    // Those there are do the work of the others.
  }
  return threads;
}

using Descriptors = std::vector<ColumnFamilyDescriptor>;

// A random UUID (version 4) in its usual form.
std::string NewDatabaseId() {
  std::random_device device;
  std::string id;
  for (int i = 0; i < 16; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) id += '-';
    auto byte = static_cast<unsigned>(device()) & 0xff;
    if (i == 6) byte = (byte & 0x0f) | 0x40;
    if (i == 8) byte = (byte & 0x3f) | 0x80;
    auto c = static_cast<char>(byte);
    id += Slice(&c, 1).ToString(/*hex=*/true);
  }
  return id;
}

// The directory that holds `path`.
std::string ParentOf(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

// One Open() call.
class Opener {
 public:
  Opener(const DBOptions& options, std::string directory,
         const Descriptors& families, bool is_read_only)
      : file_system_(options.file_system), families_(families) {
    opened_.options = options;
    opened_.directory = std::move(directory);
    opened_.is_read_only = is_read_only;
    opened_.tables = {
        std::make_shared<TableCache>(file_system_, opened_.directory,
                                     options.max_open_files),
        std::make_shared<UnusedTables>()};
  }

  Status Run(std::vector<ColumnFamilyHandle*>* handles,
             std::unique_ptr<DB>* db);

 private:
  Status CheckArguments() const;
  Status TakeDirectory();
  Status OpenInfoLog();
  // What the MANIFEST and the WALs say, in memory. Changes no database.
  Status Recover();
  Status RecoverBesideWriter();
  // Whether what Recover() found, ending with `recovered`, is what `manifest`
  // stands for.
  [[nodiscard]] bool IsOf(const ManifestState& manifest,
                          const Status& recovered) const;
  Status ReadOrCreateManifest();
  Status PrepareNewDatabase();
  Status MatchFamilies();
  Status CheckListed() const;
  Status Replay();
  Status MarkNumbersUsed();
  // Makes what was recovered durable, in files of this process's own making.
  // After a crash the WALs cannot be trusted to be on the device, whatever
  // reading them gives; the next sync of a new one would not cover them.
  Status InstallState();
  void RemoveLeftovers();
  Status CreateMissingFamilies();
  Status OpenTables();

  [[nodiscard]] const ColumnFamilyOptions* OptionsOf(
      const std::string& family) const;
  Logger* logger() const { return opened_.options.info_log.get(); }

  FileSystem* const file_system_;
  const Descriptors& families_;
  DBImpl::Opened opened_;
  ManifestState state_;
  bool is_new_ = false;
  bool is_manifest_cut_short_ = false;
  bool made_directory_ = false;
  FamiliesById by_id_;
  ReplayResult replayed_;
  bool was_closed_ = false;
};

Status Opener::Run(std::vector<ColumnFamilyHandle*>* handles,
                   std::unique_ptr<DB>* db) {
  db->reset();
  Status s = CheckArguments();
  if (s.ok() && !opened_.is_read_only) s = TakeDirectory();
  if (s.ok()) s = opened_.is_read_only ? RecoverBesideWriter() : Recover();
  if (!s.ok()) return s;

  opened_.versions = std::make_unique<VersionSet>(
      file_system_, opened_.directory, opened_.options.max_manifest_file_size);
  opened_.versions->Adopt(state_);
  if (!opened_.is_read_only) {
    s = InstallState();
    if (!s.ok()) return s;
  }
  std::map<std::string, std::shared_ptr<ColumnFamily>> by_name;
  for (auto& [id, family] : by_id_) {
    by_name[family->name()] = family;
    opened_.families.push_back(family);
  }
  auto impl = std::make_unique<DBImpl>(std::move(opened_));
  s = impl->StartWriting();
  if (!s.ok()) return s;
  impl->Housekeep();
  if (handles != nullptr) {
    std::vector<std::unique_ptr<ColumnFamilyHandle>> owned;
    // So that a handle that was made has an owner at once.
    owned.reserve(families_.size());
    for (const ColumnFamilyDescriptor& descriptor : families_) {
      owned.emplace_back(impl->NewHandle(by_name[descriptor.name]));
    }
    handles->reserve(owned.size());
    for (auto& handle : owned) handles->push_back(handle.release());
  }
  *db = std::move(impl);
  return Status::OK();
}

Status Opener::Recover() {
  by_id_.clear();
  Status s = ReadOrCreateManifest();
  if (s.ok()) s = MatchFamilies();
  if (s.ok()) s = OpenTables();
  if (s.ok()) s = Replay();
  return s;
}

// Another process may write. What it flushes while the files are looked at is
// in neither place: not in the tables of the MANIFEST that was read, and not
// in the WALs that are still there.
Status Opener::RecoverBesideWriter() {
  std::string missing;
  for (int tries = 0; tries < kReadingTriesMax; ++tries) {
    Status s = Recover();
    if (!s.ok() && by_id_.empty()) return s;
    auto manifest = ReadManifest(file_system_, opened_.directory);
    if (!manifest.ok()) return manifest.status();
    bool is_settled = IsOf(manifest->state, s);
    // A WAL that was never written to goes without a word in the MANIFEST.
    if (s.IsPathNotFound() && s.ToString() != missing) {
      missing = s.ToString();
      is_settled = false;
    }
    if (is_settled) return s;
  }
  return Status::Busy("another process replaces the files while they are read",
                      opened_.directory);
}

bool Opener::IsOf(const ManifestState& manifest,
                  const Status& recovered) const {
  // A WAL is removed only after the MANIFEST says that it is not needed; new
  // tables hold nothing else than the WALs and tables that were read.
  if (manifest.FirstLiveLog() != state_.FirstLiveLog()) return false;
  if (recovered.ok()) return true;
  return std::ranges::equal(
      manifest.families, state_.families, [](const auto& a, const auto& b) {
        return a.first == b.first &&
               std::ranges::equal(
                   a.second.files, b.second.files, {},
                   [](const auto& file) { return file.first; },
                   [](const auto& file) { return file.first; });
      });
}

Status Opener::CheckArguments() const {
  Status s = CheckOptions(opened_.options);
  std::set<std::string> names;
  for (const ColumnFamilyDescriptor& family : families_) {
    if (!s.ok()) return s;
    s = CheckOptions(family.options);
    if (!names.insert(family.name).second) {
      return Status::InvalidArgument("column family is listed twice",
                                     family.name);
    }
  }
  if (!s.ok()) return s;
  if (!names.contains(kDefaultColumnFamilyName)) {
    return Status::InvalidArgument("column family is not listed",
                                   kDefaultColumnFamilyName);
  }
  return Status::OK();
}

Status Opener::TakeDirectory() {
  const std::string& directory = opened_.directory;
  if (opened_.options.create_if_missing) {
    StatusOr<bool> exists = file_system_->FileExists(directory);
    if (!exists.ok()) return exists.status();
    made_directory_ = !*exists;
    if (made_directory_) {
      Status s = file_system_->CreateDirectory(directory);
      if (!s.ok()) return s;
    }
  } else {
    // Without this, locking would make a LOCK file in any directory.
    StatusOr<bool> exists =
        file_system_->FileExists(CurrentFileName(directory));
    if (!exists.ok()) return exists.status();
    if (!*exists) {
      return Status::InvalidArgument(
          "there is no database, and create_if_missing is off", directory);
    }
  }
  auto lock = file_system_->LockFile(LockFileName(directory));
  if (!lock.ok()) return lock.status();
  opened_.lock = *std::move(lock);
  return OpenInfoLog();
}

Status Opener::OpenInfoLog() {
  DBOptions& options = opened_.options;
  if (options.info_log != nullptr) return Status::OK();
  std::string path = InfoLogFileName(opened_.directory);
  StatusOr<bool> exists = file_system_->FileExists(path);
  if (!exists.ok()) return exists.status();
  if (*exists) {
    Status s = file_system_->RenameFile(
        path,
        OldInfoLogFileName(opened_.directory, options.clock->NowMicros()));
    if (!s.ok()) return s;
  }
  auto file = file_system_->NewWritableFile(path, {});
  if (!file.ok()) return file.status();
  options.info_log =
      std::make_shared<FileLogger>(*std::move(file), options.clock);
  LogOpening(logger(), opened_.directory);
  return Status::OK();
}

Status Opener::ReadOrCreateManifest() {
  const DBOptions& options = opened_.options;
  StatusOr<bool> exists =
      file_system_->FileExists(CurrentFileName(opened_.directory));
  if (!exists.ok()) return exists.status();
  if (!*exists) {
    if (opened_.is_read_only || !options.create_if_missing) {
      return Status::InvalidArgument("there is no database", opened_.directory);
    }
    return PrepareNewDatabase();
  }
  if (options.error_if_exists && !opened_.is_read_only) {
    return Status::InvalidArgument(
        "the database exists, and error_if_exists is on", opened_.directory);
  }
  auto manifest = ReadManifest(file_system_, opened_.directory);
  if (!manifest.ok()) return manifest.status();
  state_ = std::move(manifest->state);
  is_manifest_cut_short_ = manifest->is_cut_short;
  return Status::OK();
}

// The database comes into being with its first MANIFEST; until then the
// directory holds nothing that counts.
Status Opener::PrepareNewDatabase() {
  is_new_ = true;
  state_ = ManifestState::Empty();
  state_.next_file_number = 1;
  state_.database_id = NewDatabaseId();
  state_.families[0].comparator_name =
      OptionsOf(kDefaultColumnFamilyName)->comparator->Name();
  StatusOr<std::vector<std::string>> names =
      file_system_->ListDirectory(opened_.directory);
  if (!names.ok()) return names.status();
  for (const std::string& name : *names) {
    std::optional<ParsedFileName> parsed = ParseFileName(name);
    if (parsed &&
        (parsed->type == FileType::kWal || parsed->type == FileType::kTable)) {
      return Status::Corruption(
          "CURRENT is missing, but the directory holds a database's files",
          opened_.directory + "/" + name);
    }
  }
  // The directory itself must not be lost to a power cut. One that somebody
  // else made may stand where this process must not look.
  Status s = file_system_->SyncDirectory(ParentOf(opened_.directory));
  if (!s.ok() && made_directory_) return s;
  return WriteAndRename(file_system_, TemporaryFileName(opened_.directory, 0),
                        IdentityFileName(opened_.directory),
                        state_.database_id);
}

const ColumnFamilyOptions* Opener::OptionsOf(const std::string& name) const {
  for (const ColumnFamilyDescriptor& family : families_) {
    if (family.name == name) return &family.options;
  }
  return nullptr;
}

Status Opener::MatchFamilies() {
  Status s = CheckListed();
  if (!s.ok()) return s;
  for (auto& [id, known] : state_.families) {
    const ColumnFamilyOptions* options = OptionsOf(known.name);
    if (options == nullptr) continue;
    if (known.comparator_name.empty()) {
      known.comparator_name = options->comparator->Name();
    } else if (known.comparator_name != options->comparator->Name()) {
      return Status::InvalidArgument(
          "column family " + known.name + " was made with comparator " +
              known.comparator_name + " and is opened with",
          options->comparator->Name());
    }
    auto family = std::make_shared<ColumnFamily>(id, known.name, *options,
                                                 opened_.tables);
    family->mutable_memtable()->set_first_wal(known.log_number);
    auto version = family->MakeVersion(known);
    if (!version.ok()) return version.status();
    family->Install(*std::move(version), {});
    by_id_[id] = std::move(family);
  }
  return Status::OK();
}

// Finds at once what is missing, damaged or not supported, and spares the first
// reads the time. Tables are taken in order by several threads, so that the
// first one that fails is among those that were taken.
Status Opener::OpenTables() {
  std::vector<std::shared_ptr<const LiveTable>> tables;
  for (const auto& [id, family] : by_id_) {
    auto version = family->PinSuperVersion()->version;
    for (int level = 0; level < kLevels; ++level) {
      const auto& files = version->files(level);
      tables.insert(tables.end(), files.begin(), files.end());
    }
  }
  std::vector<Status> results(tables.size());
  Atomic<size_t> next = 0;
  Atomic<bool> has_failed = false;
  auto open_some = [&] {
    while (!has_failed.load(std::memory_order_relaxed)) {
      size_t i = next.fetch_add(1, std::memory_order_relaxed);
      if (i >= tables.size()) return;
      results[i] = tables[i]->Get().status();
      if (!results[i].ok()) has_failed.store(true, std::memory_order_relaxed);
    }
  };
  std::vector<Thread> helpers =
      StartThreads(std::min({static_cast<size_t>(ProcessorCount()),
                             kOpeningHelpersMax, tables.size() / kTablesEach}),
                   open_some);
  open_some();
  for (Thread& helper : helpers) helper.join();
  auto failed = std::find_if(results.begin(), results.end(),
                             [](const Status& s) { return !s.ok(); });
  return failed == results.end() ? Status::OK() : *failed;
}

Status Opener::CheckListed() const {
  for (const auto& [id, known] : state_.families) {
    if (OptionsOf(known.name) == nullptr && !opened_.is_read_only) {
      return Status::InvalidArgument("column family exists and is not listed",
                                     known.name);
    }
  }
  bool creates =
      opened_.options.create_missing_column_families && !opened_.is_read_only;
  for (const ColumnFamilyDescriptor& family : families_) {
    if (!state_.FamilyIdByName(family.name) && !creates) {
      return Status::InvalidArgument("column family does not exist",
                                     family.name);
    }
  }
  return Status::OK();
}

Status Opener::Replay() {
  auto replayed = ReplayWals(file_system_, logger(), opened_.directory,
                             opened_.options.wal_recovery_mode, state_, by_id_);
  if (!replayed.ok()) return replayed.status();
  replayed_ = *replayed;
  was_closed_ = replayed_.is_clean && state_.is_closed_cleanly;
  opened_.last_sequence = replayed_.last_sequence;
  opened_.predecessor = replayed_.end;
  return Status::OK();
}

// WALs and MANIFESTs may be younger than what the MANIFEST knows.
Status Opener::MarkNumbersUsed() {
  StatusOr<std::vector<std::string>> names =
      file_system_->ListDirectory(opened_.directory);
  if (!names.ok()) return names.status();
  for (const std::string& name : *names) {
    std::optional<ParsedFileName> parsed = ParseFileName(name);
    if (parsed && parsed->type != FileType::kInfoLog) {
      opened_.versions->MarkFileNumberUsed(parsed->number);
    }
  }
  return Status::OK();
}

Status Opener::InstallState() {
  Status s = MarkNumbersUsed();
  if (s.ok()) s = opened_.versions->BeginManifest();
  if (!s.ok()) return s;
  // Before more is written: opens that failed since a disk is full would
  // otherwise fill it with what each of them has left.
  RemoveLeftovers();
  if (!was_closed_ || replayed_.wals > kWalsMax) {
    s = FlushRecovered(opened_.options, opened_.directory,
                       opened_.versions.get(), by_id_, replayed_.last_sequence);
    Log(logger(), "wrote the entries of %zu WALs to tables: %s", replayed_.wals,
        s.ToString().c_str());
    if (!s.ok()) return s;
  }
  RemoveLeftovers();
  return CreateMissingFamilies();
}

// Tables that no MANIFEST names, and WALs that are not needed. Old WALs that
// were not replayed whole are kept aside; all of them are if the MANIFEST lost
// its end, which may have said more.
void Opener::RemoveLeftovers() {
  ManifestState state = opened_.versions->state();
  std::set<uint64_t> tables;
  for (const auto& [id, family] : state.families) {
    for (const auto& [number, file] : family.files) tables.insert(number);
  }
  RemoveObsoleteFiles(
      file_system_, logger(), opened_.directory,
      {.manifest_number = opened_.versions->manifest_number(),
       .first_live_log = state.FirstLiveLog(),
       .keeps_old_wals = !replayed_.is_clean || is_manifest_cut_short_,
       .keeps_tables = is_manifest_cut_short_,
       .tables = &tables});
}

Status Opener::CreateMissingFamilies() {
  for (const ColumnFamilyDescriptor& descriptor : families_) {
    ManifestState state = opened_.versions->state();
    if (state.FamilyIdByName(descriptor.name)) continue;
    VersionEdit edit;
    edit.family_id = state.max_family_id + 1;
    edit.added_family = descriptor.name;
    edit.comparator_name = descriptor.options.comparator->Name();
    // No WAL that exists holds anything of it; the first one to come does.
    edit.log_number = opened_.versions->NewFileNumber();
    edit.max_family_id = edit.family_id;
    Status s = opened_.versions->LogAndApply({edit});
    if (!s.ok()) return s;
    auto family = std::make_shared<ColumnFamily>(
        edit.family_id, descriptor.name, descriptor.options, opened_.tables);
    family->mutable_memtable()->set_first_wal(*edit.log_number);
    by_id_[edit.family_id] = std::move(family);
  }
  return Status::OK();
}

Status OpenDatabase(const DBOptions& options, const std::string& name,
                    const Descriptors& families, bool is_read_only,
                    std::vector<ColumnFamilyHandle*>* handles,
                    std::unique_ptr<DB>* db) {
  if (handles != nullptr) handles->clear();
  Opener opener(options, name, families, is_read_only);
  return opener.Run(handles, db);
}

}  // namespace

Status DB::Open(const Options& options, const std::string& name,
                std::unique_ptr<DB>* db) {
  return OpenDatabase(options, name, {{kDefaultColumnFamilyName, options}},
                      /*is_read_only=*/false, nullptr, db);
}

Status DB::Open(const Options& options, const std::string& name, DB** db) {
  std::unique_ptr<DB> owned;
  Status s = Open(options, name, &owned);
  *db = owned.release();
  return s;
}

Status DB::Open(const DBOptions& options, const std::string& name,
                const Descriptors& families,
                std::vector<ColumnFamilyHandle*>* handles,
                std::unique_ptr<DB>* db) {
  return OpenDatabase(options, name, families, /*is_read_only=*/false, handles,
                      db);
}

Status DB::Open(const DBOptions& options, const std::string& name,
                const Descriptors& families,
                std::vector<ColumnFamilyHandle*>* handles, DB** db) {
  std::unique_ptr<DB> owned;
  Status s = Open(options, name, families, handles, &owned);
  *db = owned.release();
  return s;
}

Status DB::OpenForReadOnly(const Options& options, const std::string& name,
                           std::unique_ptr<DB>* db) {
  return OpenDatabase(options, name, {{kDefaultColumnFamilyName, options}},
                      /*is_read_only=*/true, nullptr, db);
}

Status DB::OpenForReadOnly(const DBOptions& options, const std::string& name,
                           const Descriptors& families,
                           std::vector<ColumnFamilyHandle*>* handles,
                           std::unique_ptr<DB>* db) {
  return OpenDatabase(options, name, families, /*is_read_only=*/true, handles,
                      db);
}

Status DB::ListColumnFamilies(const DBOptions& options, const std::string& name,
                              std::vector<std::string>* families) {
  families->clear();
  auto manifest = ReadManifest(options.file_system, name);
  if (!manifest.ok()) return manifest.status();
  for (const auto& [id, family] : manifest->state.families) {
    families->push_back(family.name);
  }
  return Status::OK();
}

}  // namespace paceline
