#include "src/db/db_impl.h"

#include <algorithm>
#include <utility>

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

// An iterator over nothing, with the reason.
class ErrorIterator final : public Iterator {
 public:
  explicit ErrorIterator(Status status) : status_(std::move(status)) {}
  bool Valid() const override { return false; }
  void SeekToFirst() override {}
  void SeekToLast() override {}
  void Seek(const Slice& /*target*/) override {}
  void SeekForPrev(const Slice& /*target*/) override {}
  void Next() override {}
  void Prev() override {}
  Slice key() const override { return {}; }
  Slice value() const override { return {}; }
  Status status() const override { return status_; }

 private:
  const Status status_;
};

// A batch that keeps its memory between calls is kept by its thread up to this
// size.
constexpr size_t kKeptBatchBytes = size_t{64} << 10;

}  // namespace

DBImpl::DBImpl(Opened opened)
    : options_(std::move(opened.options)),
      directory_(std::move(opened.directory)),
      lock_(std::move(opened.lock)),
      versions_(std::move(opened.versions)),
      opened_at_sequence_(opened.last_sequence) {
  for (auto& family : opened.families) {
    if (family->id() == 0) {
      default_family_ = family;
      default_handle_.reset(NewHandle(family));
    }
    families_.Add(std::move(family));
  }
  if (!opened.is_read_only) {
    write_path_ =
        std::make_unique<WritePath>(options_, directory_, versions_.get(),
                                    &families_, options_.info_log.get());
  }
}

DBImpl::~DBImpl() {
  // Snapshots that were not released keep Close() from closing; what they
  // point to is freed with the list all the same.
  if (write_path_ == nullptr) return;
  Status closed = Close();
  if (closed.IsAborted()) closed = write_path_->Close();
  if (!closed.ok()) {
    Log(options_.info_log.get(), "close: %s", closed.ToString().c_str());
  }
}

Status DBImpl::StartWriting() {
  return write_path_ == nullptr ? Status::OK()
                                : write_path_->Open(opened_at_sequence_);
}

void DBImpl::Housekeep() {
  if (write_path_ == nullptr) return;
  WriteOptionsFile();
  ManifestState state = versions_->state();
  RemoveObsoleteFiles(options_.file_system, options_.info_log.get(), directory_,
                      {.manifest_number = versions_->manifest_number(),
                       .first_live_log = state.FirstLiveLog()});
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
  if (write_path_ != nullptr) s = write_path_->Close();
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

// A sequence number that is visible when it is read here, before the
// SuperVersion is pinned: the memtables of that SuperVersion have everything
// up to it, so that reads over several families agree.
SequenceNumber DBImpl::ReadSequence(const ReadOptions& options) const {
  return options.snapshot != nullptr ? options.snapshot->GetSequenceNumber()
                                     : GetLatestSequenceNumber();
}

Status DBImpl::Get(const ReadOptions& options, ColumnFamilyHandle* family,
                   const Slice& key, PinnableSlice* value) {
  value->Reset();
  auto resolved = Resolve(family);
  if (!resolved.ok()) return resolved.status();
  SequenceNumber sequence = ReadSequence(options);
  return ReadView(*std::move(resolved), sequence, options_.info_log)
      .Get(key, value);
}

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
  SequenceNumber sequence = ReadSequence(options);
  std::vector<Status> statuses;
  std::map<const ColumnFamilyHandle*, std::unique_ptr<ReadView>> views;
  for (size_t i = 0; i < keys.size(); ++i) {
    std::unique_ptr<ReadView>& view = views[families[i]];
    if (view == nullptr) {
      auto resolved = Resolve(families[i]);
      if (!resolved.ok()) {
        statuses.push_back(resolved.status());
        continue;
      }
      view = std::make_unique<ReadView>(*std::move(resolved), sequence,
                                        options_.info_log);
    }
    PinnableSlice value;
    statuses.push_back(view->Get(keys[i], &value));
    if (statuses.back().ok()) (*values)[i] = value.ToString();
  }
  return statuses;
}

Iterator* DBImpl::NewIterator(const ReadOptions& options,
                              ColumnFamilyHandle* family) {
  auto resolved = Resolve(family);
  if (!resolved.ok()) return new ErrorIterator(resolved.status());
  SequenceNumber sequence = ReadSequence(options);
  return ReadView(*std::move(resolved), sequence, options_.info_log)
      .NewIterator(options)
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
  auto family =
      std::make_shared<ColumnFamily>(state.max_family_id + 1, name, options);
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
  return write_path_->Resume();
}

SequenceNumber DBImpl::GetLatestSequenceNumber() const {
  return write_path_ == nullptr ? opened_at_sequence_
                                : write_path_->visible_sequence();
}

Metrics DBImpl::GetMetrics() const {
  return write_path_ == nullptr ? Metrics() : write_path_->GetMetrics();
}

Options DBImpl::GetOptions(ColumnFamilyHandle* family) const {
  const auto* handle = static_cast<const HandleImpl*>(
      family == nullptr ? default_handle_.get() : family);
  return Options(options_, handle->family()->options());
}

}  // namespace paceline
