#include "src/db/db_impl.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "src/db/error_iterator.h"
#include "src/db/log_totals.h"
#include "src/db/obsolete_files.h"
#include "src/db/options_check.h"
#include "src/db/options_file.h"
#include "src/db/read_view.h"
#include "src/env/file_logger.h"
#include "src/format/file_name.h"

namespace paceline {

namespace {

class HandleImpl final : public ColumnFamilyHandle {
 public:
  HandleImpl(std::shared_ptr<ColumnFamily> family, const DBImpl* db)
      : family_(std::move(family)), db_(db) {}

  const std::string& GetName() const override { return family_->name(); }
  uint32_t GetID() const override { return family_->id(); }
  const Comparator* GetComparator() const override {
    return family_->options().comparator;
  }

  [[nodiscard]] const std::shared_ptr<ColumnFamily>& family() const {
    return family_;
  }
  // Compared only: the DB may be gone.
  [[nodiscard]] const DBImpl* db() const { return db_; }

 private:
  const std::shared_ptr<ColumnFamily> family_;
  const DBImpl* const db_;
};

// A batch that keeps its memory between calls is kept by its thread up to this
// size.
constexpr size_t kKeptBatchBytes = size_t{64} << 10;

// Between two totals in the LOG of a database that is busy: ten minutes.
constexpr uint64_t kTotalsIntervalNanos = uint64_t{600} * 1'000'000'000;

}  // namespace

DBImpl::DBImpl(Opened opened)
    : options_(std::move(opened.options)),
      directory_(std::move(opened.directory)),
      lock_(std::move(opened.lock)),
      versions_(std::move(opened.versions)),
      tables_(std::move(opened.tables)),
      opened_at_sequence_(opened.last_sequence),
      predecessor_(opened.predecessor),
      totals_logged_at_nanos_(options_.clock->MonotonicNanos()) {
  for (auto& family : opened.families) {
    if (family->id() == 0) {
      default_family_ = family;
      default_handle_.reset(NewHandle(family));
    }
    families_.Add(std::move(family));
  }
  if (opened.is_read_only) return;
  write_path_ = std::make_unique<WritePath>(
      options_, directory_, versions_.get(), &families_,
      tables_.arena_blocks.get(), options_.info_log.get());
  background_ = std::make_unique<Background>(Background::Config{
      .options = options_,
      .directory = directory_,
      .versions = versions_.get(),
      .families = &families_,
      .snapshots = &snapshots_,
      .unused = tables_.unused,
      .set_stall = [this](const Stall& stall) { write_path_->SetStall(stall); },
      .sync_full_wals = [this] { return write_path_->SyncFullWals(); },
      .wals_released =
          [this](uint64_t first_needed) {
            write_path_->ReleaseWals(first_needed);
            LogTotalsNowAndThen();
          },
      .remove_wals = [this] { RemoveObsoleteWals(); }});
}

DBImpl::~DBImpl() {
  // Snapshots that were not released keep Close() from closing; what they
  // point to is freed with the list all the same.
  if (write_path_ == nullptr) return;
  snapshots_.Clear();
  Status closed = Close();
  if (!closed.ok()) {
    Log(options_.info_log.get(), "close: %s", closed.ToString().c_str());
  }
}

Status DBImpl::StartWriting() {
  if (write_path_ == nullptr) return Status::OK();
  Status s = write_path_->Open(
      opened_at_sequence_, predecessor_,
      {.sealed =
           [this](uint64_t ordinal, bool together) {
             return background_->Sealed(ordinal, together);
           },
       .grown = [this] { return background_->UpdateStallIfFree(); }});
  if (!s.ok()) return s;
  write_path_->ReleaseWals(versions_->FirstLiveLog());
  background_->Start();
  return s;
}

void DBImpl::Housekeep() {
  if (write_path_ == nullptr) return;
  WriteOptionsFile();
  RemoveObsoleteWals();
}

void DBImpl::RemoveObsoleteWals() {
  RemoveObsoleteFiles(
      options_.file_system, options_.info_log.get(), directory_,
      {.manifest_number = versions_->manifest_number(),
       .first_live_log = versions_->FirstLiveLog(),
       .keeps_old_wals = keeps_old_wals_.load(std::memory_order_relaxed)});
}

void DBImpl::WriteOptionsFile() {
  std::vector<ColumnFamilyDescriptor> descriptors;
  for (const auto& family : families_.All()) {
    descriptors.emplace_back(family->name(), family->options());
  }
  uint64_t number = versions_->NewFileNumber();
  Status s = WriteAndRename(options_.file_system,
                            TemporaryOptionsFileName(directory_, number),
                            OptionsFileName(directory_, number),
                            OptionsToText(options_, descriptors));
  if (!s.ok()) {
    Log(options_.info_log.get(), "cannot write the OPTIONS file: %s",
        s.ToString().c_str());
  }
}

void DBImpl::LogTotalsNowAndThen() {
  uint64_t now = options_.clock->MonotonicNanos();
  uint64_t last = totals_logged_at_nanos_.load(std::memory_order_relaxed);
  if (now - last < kTotalsIntervalNanos) return;
  totals_logged_at_nanos_.store(now, std::memory_order_relaxed);
  WriteTotals(options_.info_log.get(), GetMetrics());
}

ColumnFamilyHandle* DBImpl::NewHandle(
    std::shared_ptr<ColumnFamily> family) const {
  return new HandleImpl(std::move(family), this);
}

Status DBImpl::Close() {
  MutexLock lock(&ddl_mutex_);
  if (is_closed_) return Status::OK();
  if (size_t count = snapshots_.size(); count > 0) {
    return Status::Aborted("snapshots were not released",
                           std::to_string(count));
  }
  Status s;
  if (write_path_ != nullptr) {
    // First of all: a leader that waits while writes are stopped would keep
    // the flush from its turn.
    write_path_->EndWrites();
    is_closing_.store(true, std::memory_order_release);
    if (write_path_->has_unlogged_writes() && write_path_->failure().ok() &&
        !options_.avoid_flush_during_shutdown) {
      s = FlushFamilies(families_.All(), /*waits=*/true);
    }
    background_->Stop();
    Status closed = write_path_->Close();
    if (s.ok()) s = closed;
    WriteTotals(options_.info_log.get(), GetMetrics());
  }
  Log(options_.info_log.get(), "closed: %s", s.ToString().c_str());
  lock_.reset();
  is_closed_ = true;
  return s;
}

Status DBImpl::ReadOnlyError() const {
  return Status::NotSupported("the DB is open for reading only", directory_);
}

StatusOr<std::shared_ptr<ColumnFamily>> DBImpl::Resolve(
    const ColumnFamilyHandle* family) const {
  if (family == nullptr) return default_family_;
  const auto* handle = static_cast<const HandleImpl*>(family);
  if (handle->db() != this) {
    return Status::InvalidArgument("the handle is another DB's",
                                   family->GetName());
  }
  if (handle->family()->is_dropped()) {
    return Status::InvalidArgument("the column family was dropped",
                                   family->GetName());
  }
  return handle->family();
}

template <typename AddEntry>
Status DBImpl::WriteOne(const WriteOptions& options, AddEntry add) {
  thread_local WriteBatch batch;
  batch.Clear();
  Status s = add(&batch);
  if (s.ok()) s = Write(options, &batch);
  if (batch.GetDataSize() > kKeptBatchBytes) batch = WriteBatch();
  return s;
}

Status DBImpl::Put(const WriteOptions& options, ColumnFamilyHandle* family,
                   const Slice& key, const Slice& value) {
  return WriteOne(options, [&](WriteBatch* batch) {
    return batch->Put(family, key, value);
  });
}

Status DBImpl::Delete(const WriteOptions& options, ColumnFamilyHandle* family,
                      const Slice& key) {
  return WriteOne(
      options, [&](WriteBatch* batch) { return batch->Delete(family, key); });
}

Status DBImpl::SingleDelete(const WriteOptions& options,
                            ColumnFamilyHandle* family, const Slice& key) {
  return WriteOne(options, [&](WriteBatch* batch) {
    return batch->SingleDelete(family, key);
  });
}

Status DBImpl::DeleteRange(const WriteOptions& options,
                           ColumnFamilyHandle* family, const Slice& begin,
                           const Slice& end) {
  return WriteOne(options, [&](WriteBatch* batch) {
    return batch->DeleteRange(family, begin, end);
  });
}

Status DBImpl::Merge(const WriteOptions& options, ColumnFamilyHandle* family,
                     const Slice& key, const Slice& operand) {
  return WriteOne(options, [&](WriteBatch* batch) {
    return batch->Merge(family, key, operand);
  });
}

Status DBImpl::Write(const WriteOptions& options, WriteBatch* batch) {
  if (write_path_ == nullptr) return ReadOnlyError();
  return write_path_->Write(options, batch);
}

StatusOr<ColumnFamily*> DBImpl::ResolveShortly(
    const ColumnFamilyHandle* family) const {
  if (family == nullptr) return default_family_.get();
  const auto* handle = static_cast<const HandleImpl*>(family);
  if (handle->db() == this && !handle->family()->is_dropped()) {
    return handle->family().get();
  }
  return Resolve(family).status();
}

// What is visible when it is read here was in memtables that the pinned
// SuperVersion has, or was written after the pin. Read in the other order, a
// flush in between could drop what is visible at the number.
SequenceNumber DBImpl::ReadSequence(const ReadOptions& options) const {
  return options.snapshot != nullptr ? options.snapshot->GetSequenceNumber()
                                     : GetLatestSequenceNumber();
}

Status DBImpl::Get(const ReadOptions& options, ColumnFamilyHandle* family,
                   const Slice& key, PinnableSlice* value) {
  value->Reset();
  auto resolved = ResolveShortly(family);
  if (!resolved.ok()) return resolved.status();
  ReadView view(*resolved, options_.info_log.get());
  view.SetSequence(ReadSequence(options));
  return view.Get(options, key, nullptr, value);
}

// Keys of a family are looked up in their order, so that neighbours share
// blocks. Several families need a snapshot to agree: without one, a write in
// between two pins could be seen in the one and not in the other.
std::vector<Status> DBImpl::MultiGet(
    const ReadOptions& options,
    const std::vector<ColumnFamilyHandle*>& families,
    const std::vector<Slice>& keys, std::vector<std::string>* values) {
  values->assign(keys.size(), std::string());
  if (families.size() != keys.size()) {
    return std::vector<Status>(
        keys.size(),
        Status::InvalidArgument("MultiGet needs as many families as keys"));
  }
  std::map<const ColumnFamilyHandle*, std::vector<size_t>> by_family;
  for (size_t i = 0; i < keys.size(); ++i) {
    by_family[families[i]].push_back(i);
  }
  std::optional<ManagedSnapshot> snapshot;
  ReadOptions at = options;
  if (at.snapshot == nullptr && by_family.size() > 1) {
    snapshot.emplace(this);
    at.snapshot = snapshot->snapshot();
  }
  std::vector<Status> statuses(keys.size());
  for (auto& [handle, indexes] : by_family) {
    auto resolved = ResolveShortly(handle);
    if (!resolved.ok()) {
      for (size_t i : indexes) statuses[i] = resolved.status();
      continue;
    }
    const Comparator* comparator = (*resolved)->options().comparator;
    std::sort(indexes.begin(), indexes.end(), [&](size_t a, size_t b) {
      return comparator->Compare(keys[a], keys[b]) < 0;
    });
    ReadView view(*resolved, options_.info_log.get());
    view.SetSequence(ReadSequence(at));
    HeldBlocks held;
    for (size_t i : indexes) {
      PinnableSlice value;
      statuses[i] = view.Get(at, keys[i], &held, &value);
      if (statuses[i].ok()) (*values)[i] = value.ToString();
    }
  }
  return statuses;
}

Iterator* DBImpl::NewIterator(const ReadOptions& options,
                              ColumnFamilyHandle* family) {
  auto resolved = Resolve(family);
  if (!resolved.ok()) return NewErrorIterator(resolved.status()).release();
  auto super_version = (*resolved)->PinSuperVersion();
  SequenceNumber sequence = ReadSequence(options);
  return NewDBIterator(options, *std::move(resolved), std::move(super_version),
                       sequence, options_.info_log)
      .release();
}

const Snapshot* DBImpl::GetSnapshot() {
  return snapshots_.New([this] { return GetLatestSequenceNumber(); });
}

void DBImpl::ReleaseSnapshot(const Snapshot* snapshot) {
  snapshots_.Release(snapshot);
}

Status DBImpl::CreateColumnFamily(const ColumnFamilyOptions& options,
                                  const std::string& name,
                                  ColumnFamilyHandle** handle) {
  *handle = nullptr;
  if (write_path_ == nullptr) return ReadOnlyError();
  Status s = CheckOptions(options);
  if (!s.ok()) return s;
  MutexLock lock(&ddl_mutex_);
  if (is_closed_) return Status::ShutdownInProgress("the DB is closed");
  ManifestState state = versions_->state();
  if (state.FamilyIdByName(name)) {
    return Status::InvalidArgument("the column family exists", name);
  }
  auto family = std::make_shared<ColumnFamily>(state.max_family_id + 1, name,
                                               options, tables_);
  {
    WritePath::Exclusive alone(write_path_.get());
    VersionEdit edit;
    edit.family_id = family->id();
    edit.added_family = name;
    edit.comparator_name = options.comparator->Name();
    // Older WALs hold nothing of it.
    edit.log_number = write_path_->wal_number();
    edit.max_family_id = family->id();
    s = versions_->LogAndApply({edit});
    if (!s.ok()) return write_path_->RefuseWrites(s);
    family->mutable_memtable()->set_first_wal(write_path_->wal_number());
    families_.Add(family);
    write_path_->AddFamily(family);
  }
  Log(options_.info_log.get(), "created column family [%s], id %u",
      name.c_str(), family->id());
  Housekeep();
  *handle = NewHandle(std::move(family));
  return Status::OK();
}

Status DBImpl::DropColumnFamily(ColumnFamilyHandle* handle) {
  if (write_path_ == nullptr) return ReadOnlyError();
  MutexLock lock(&ddl_mutex_);
  if (is_closed_) return Status::ShutdownInProgress("the DB is closed");
  auto family = Resolve(handle);
  if (!family.ok()) return family.status();
  uint32_t id = (*family)->id();
  if (id == 0) {
    return Status::InvalidArgument(
        "the default column family cannot be dropped");
  }
  {
    WritePath::Exclusive alone(write_path_.get());
    VersionEdit edit;
    edit.family_id = id;
    edit.drops_family = true;
    Status s = versions_->LogAndApply({edit});
    if (!s.ok()) return write_path_->RefuseWrites(s);
    (*family)->MarkDropped();
    write_path_->RemoveFamily(id);
    families_.Remove(id);
  }
  background_->FamiliesChanged();
  Log(options_.info_log.get(), "dropped column family [%s], id %u",
      (*family)->name().c_str(), id);
  Housekeep();
  return Status::OK();
}

ColumnFamilyHandle* DBImpl::DefaultColumnFamily() const {
  return default_handle_.get();
}

Status DBImpl::SyncWAL() {
  return write_path_ == nullptr ? ReadOnlyError() : write_path_->SyncWAL();
}

Status DBImpl::FlushWAL(bool sync) {
  if (sync) return SyncWAL();
  return write_path_ == nullptr ? ReadOnlyError() : write_path_->failure();
}

Status DBImpl::LockWAL() {
  return write_path_ == nullptr ? ReadOnlyError() : write_path_->LockWAL();
}

Status DBImpl::UnlockWAL() {
  return write_path_ == nullptr ? ReadOnlyError() : write_path_->UnlockWAL();
}

Status DBImpl::Resume() {
  if (write_path_ == nullptr) return ReadOnlyError();
  MutexLock lock(&ddl_mutex_);
  if (is_closed_) return Status::ShutdownInProgress("the DB is closed");
  const bool had_failed_flush = background_->ClearFailure();
  keeps_old_wals_.store(true, std::memory_order_relaxed);
  auto flush = [this] { return background_->WaitForFlush(families_.All()); };
  Status s = write_path_->Resume(flush);
  if (s.ok() && had_failed_flush) s = flush();
  // Whatever failed: what the flush made obsolete is kept aside as well.
  RemoveObsoleteWals();
  keeps_old_wals_.store(false, std::memory_order_relaxed);
  return s;
}

Status DBImpl::FlushFamilies(const ColumnFamilySet::Families& families,
                             bool waits) {
  Status s = write_path_->Seal(families);
  if (!s.ok() || !waits) return s;
  return background_->WaitForFlush(options_.atomic_flush ? families_.All()
                                                         : families);
}

// For what needs the background, which ends with Close().
Status DBImpl::CheckOpen() const {
  if (write_path_ == nullptr) return ReadOnlyError();
  if (is_closing_.load(std::memory_order_acquire)) {
    return Status::ShutdownInProgress("the DB is closed");
  }
  return Status::OK();
}

Status DBImpl::Flush(const FlushOptions& options,
                     const std::vector<ColumnFamilyHandle*>& families) {
  if (Status s = CheckOpen(); !s.ok()) return s;
  ColumnFamilySet::Families resolved;
  for (const ColumnFamilyHandle* handle : families) {
    auto family = Resolve(handle);
    if (!family.ok()) return family.status();
    resolved.push_back(*std::move(family));
  }
  return FlushFamilies(resolved, options.wait);
}

Status DBImpl::CompactRange(const CompactRangeOptions& options,
                            ColumnFamilyHandle* family, const Slice* begin,
                            const Slice* end) {
  Status s = CheckOpen();
  if (!s.ok()) return s;
  auto resolved = Resolve(family);
  if (!resolved.ok()) return resolved.status();
  s = FlushFamilies({*resolved}, /*waits=*/true);
  if (!s.ok()) return s;
  return background_->CompactRange(options, *resolved, begin, end);
}

Status DBImpl::WaitForCompact(const WaitForCompactOptions& options) {
  if (Status s = CheckOpen(); !s.ok()) return s;
  if (options.flush) {
    Status s = FlushFamilies(families_.All(), /*waits=*/true);
    if (!s.ok()) return s;
  }
  return background_->WaitUntilIdle();
}

ColumnFamilyMetaData DBImpl::GetColumnFamilyMetaData(
    ColumnFamilyHandle* handle) {
  ColumnFamilyMetaData all;
  auto family = Resolve(handle);
  if (!family.ok()) return all;
  all.name = (*family)->name();
  auto version = (*family)->PinSuperVersion()->version;
  all.size = version->TotalBytes();
  all.file_count = version->FileCount();
  for (int number = 0; number < kLevels; ++number) {
    LevelMetaData level;
    level.level = number;
    level.size = version->LevelBytes(number);
    for (const auto& file : version->files(number)) {
      const FileMetaData& metadata = file->metadata();
      level.files.push_back(
          {.name = TableFileName("", metadata.number),
           .file_number = metadata.number,
           .size = metadata.size,
           .smallestkey = metadata.smallest_user_key().ToString(),
           .largestkey = metadata.largest_user_key().ToString(),
           .smallest_seqno = metadata.smallest_sequence,
           .largest_seqno = metadata.largest_sequence,
           .being_compacted = background_ != nullptr &&
                              background_->IsBeingCompacted((*family)->id(),
                                                            metadata.number)});
    }
    all.levels.push_back(std::move(level));
  }
  return all;
}

Status DBImpl::VerifyChecksum(const ReadOptions& /*options*/) {
  for (const auto& family : families_.All()) {
    auto version = family->PinSuperVersion()->version;
    for (int level = 0; level < kLevels; ++level) {
      for (const auto& file : version->files(level)) {
        auto table = file->Get();
        if (!table.ok()) return table.status();
        Status s = (*table)->Verify(nullptr, nullptr);
        if (!s.ok()) return s;
      }
    }
  }
  return Status::OK();
}

SequenceNumber DBImpl::GetLatestSequenceNumber() const {
  return write_path_ == nullptr ? opened_at_sequence_
                                : write_path_->visible_sequence();
}

Metrics DBImpl::GetMetrics() const {
  if (write_path_ == nullptr) return Metrics();
  Metrics metrics = write_path_->GetMetrics();
  background_->AddMetrics(&metrics);
  return metrics;
}

Options DBImpl::GetOptions(ColumnFamilyHandle* family) const {
  const auto* handle = static_cast<const HandleImpl*>(
      family == nullptr ? default_handle_.get() : family);
  return Options(options_, handle->family()->options());
}

}  // namespace paceline
