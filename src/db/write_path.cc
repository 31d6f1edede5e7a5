#include "src/db/write_path.h"

#include <algorithm>
#include <utility>

#include "src/base/check.h"
#include "src/db/batch_inserter.h"
#include "src/db/wal_checkpoint.h"
#include "src/env/file_logger.h"
#include "src/format/batch_reader.h"
#include "src/format/write_batch_internal.h"

namespace paceline {

namespace {

// Large enough that allocating space is rare, small enough that a database of
// a few entries does not hold much of the disk.
constexpr uint64_t kWalWindowBytes = uint64_t{4} << 20;

Committer::Config CommitterConfig(const DBOptions& options) {
  return {
      .queue = {.group_bytes_max = options.max_write_batch_group_size_bytes,
                .separates_sync_writers = options.visible_before_durable},
      .pipeline = {.visible_before_durable = options.visible_before_durable},
      .clock = options.clock,
      .allows_parallel_inserts = options.allow_concurrent_memtable_write};
}

}  // namespace

// Finds the memtables of live families and notices when one is full.
class WritePath::LiveSink final : public MemTableSink {
 public:
  explicit LiveSink(WritePath* path) : path_(path) {}

  MemTable* MemTableOf(uint32_t family_id) override {
    RequestSealIfFull();
    family_ = path_->FindLive(family_id);
    PL_CHECK(family_ != nullptr);
    return family_->mutable_memtable();
  }

  void RequestSealIfFull() {
    if (family_ != nullptr && family_->mutable_memtable()->UsedBytes() >=
                                  family_->options().write_buffer_size) {
      path_->seal_requested_.store(true, std::memory_order_relaxed);
    }
  }

 private:
  WritePath* const path_;
  ColumnFamily* family_ = nullptr;
};

WritePath::WritePath(const DBOptions& options, std::string directory,
                     VersionSet* versions, ColumnFamilySet* families,
                     Logger* logger)
    : options_(options),
      directory_(std::move(directory)),
      versions_(versions),
      families_(families),
      logger_(logger),
      controller_(options.clock),
      wals_(
          {.file_system = options.file_system,
           .directory = directory_,
           .preallocate_bytes = kWalWindowBytes,
           .allow_mmap = options.allow_mmap_writes,
           .new_file_number = [versions] { return versions->NewFileNumber(); },
           .latch = &latch_}),
      committer_(CommitterConfig(options), this, &latch_, &controller_) {}

WritePath::~WritePath() = default;

Status WritePath::Open(SequenceNumber last_sequence) {
  Status s = wals_.Start();
  if (!s.ok()) return s;
  Exclusive alone(this);
  committer_.SetLastSequence(last_sequence);
  for (auto& family : families_->All()) {
    // Recovery may have filled it beyond its size.
    if (family->mutable_memtable()->UsedBytes() >=
        family->options().write_buffer_size) {
      seal_requested_.store(true, std::memory_order_relaxed);
    }
    AddFamily(std::move(family));
  }
  is_open_ = true;
  return Status::OK();
}

Status WritePath::Close() {
  if (!is_open_) return Status::OK();
  committer_.Shutdown();
  Exclusive alone(this);
  Status s = wals_.Close();
  if (!s.ok() || latch_.is_set()) return s;
  // Tells the next open that everything up to here is on the device.
  VersionEdit edit;
  edit.last_sequence = committer_.last_sequence();
  return versions_->LogAndApply({edit});
}

void WritePath::AddFamily(std::shared_ptr<ColumnFamily> family) {
  uint32_t id = family->id();
  if (id == 0) default_family_ = family.get();
  live_families_[id] = std::move(family);
}

void WritePath::RemoveFamily(uint32_t id) { live_families_.erase(id); }

ColumnFamily* WritePath::FindLive(uint32_t family_id) const {
  if (family_id == 0) return default_family_;
  auto found = live_families_.find(family_id);
  return found == live_families_.end() ? nullptr : found->second.get();
}

Status WritePath::Write(const WriteOptions& options, const WriteBatch* batch) {
  if (batch == nullptr) return Status::InvalidArgument("the batch is null");
  if (options.sync && options.disableWAL) {
    return Status::InvalidArgument(
        "WriteOptions::sync needs the WAL that disableWAL leaves out");
  }
  std::vector<uint32_t> family_ids;
  Status s = Precheck(*batch, &family_ids);
  if (!s.ok()) return s;
  Writer writer;
  writer.batch = batch;
  writer.family_ids = family_ids;
  writer.sync = options.sync;
  writer.disable_wal = options.disableWAL;
  writer.no_slowdown = options.no_slowdown;
  return committer_.Commit(&writer);
}

// Runs in the writer's own thread, before it joins the queue.
Status WritePath::Precheck(const WriteBatch& batch,
                           std::vector<uint32_t>* family_ids) const {
  if (!WriteBatchInternal::IsWellFormed(batch)) {
    Status s = ValidateBatch(batch.Data());
    if (!s.ok()) return s;
  }
  if (!WriteBatchInternal::HasOtherFamilies(batch) &&
      !WriteBatchInternal::HasMerges(batch)) {
    return Status::OK();
  }
  BatchReader reader(batch.Data());
  BatchEntry entry;
  while (reader.Next(&entry)) {
    if (entry.kind != BatchEntry::Kind::kUpdate) continue;
    uint32_t id = entry.family_id;
    if (id != 0 && (family_ids->empty() || family_ids->back() != id)) {
      family_ids->push_back(id);
    }
    if (entry.type != ValueType::kMerge) continue;
    std::shared_ptr<ColumnFamily> family = families_->Find(id);
    if (family != nullptr && family->options().merge_operator == nullptr) {
      return Status::InvalidArgument(
          "Merge into a column family without a merge operator",
          family->name());
    }
  }
  std::sort(family_ids->begin(), family_ids->end());
  family_ids->erase(std::unique(family_ids->begin(), family_ids->end()),
                    family_ids->end());
  return reader.status();
}

Status WritePath::Validate(const Writer& writer) {
  for (uint32_t id : writer.family_ids) {
    if (FindLive(id) == nullptr) {
      return Status::InvalidArgument(
          "the batch names a column family that was dropped or never existed",
          "id " + std::to_string(id));
    }
  }
  return Status::OK();
}

bool WritePath::NeedsRoom() const {
  return seal_requested_.load(std::memory_order_relaxed);
}

Status WritePath::MakeRoom() {
  uint64_t full_wal = wals_.tail_number();
  Status s = wals_.Switch();
  if (!s.ok()) {
    return s.IsNoSpace()
               ? Status::NoSpace("cannot begin a new WAL", s.message())
               : Status::IOError("cannot begin a new WAL", s.message());
  }
  seal_requested_.store(false, std::memory_order_relaxed);
  for (auto& [id, family] : live_families_) {
    size_t used = family->mutable_memtable()->UsedBytes();
    if (used < family->options().write_buffer_size) continue;
    Log(logger_, "[%s] memtable sealed: %llu entries, %zu bytes; WAL %llu",
        family->name().c_str(),
        static_cast<unsigned long long>(family->mutable_memtable()->entries()),
        used, static_cast<unsigned long long>(full_wal));
    family->SealMemTable();
  }
  return Status::OK();
}

// The record is the concatenation of the members' entries behind one header.
// Nothing is copied: the log takes the pieces from where the members have them.
Status WritePath::AppendToWal(const WriteGroup& group) {
  char header[kBatchHeaderBytes];
  EncodeFixed<uint64_t>(header, group.first_sequence);
  EncodeFixed<uint32_t>(header + 8, group.entry_count);
  record_pieces_.clear();
  record_pieces_.emplace_back(header, sizeof(header));
  for (const Writer* writer : group) {
    if (!writer->has_entries()) continue;
    Slice entries(writer->batch->Data());
    entries.remove_prefix(kBatchHeaderBytes);
    if (!entries.empty()) record_pieces_.push_back(entries);
  }
  return wals_.Append(record_pieces_);
}

void WritePath::ApplyToMemTables(const Writer& writer) {
  LiveSink sink(this);
  InsertBatch(writer.batch->Data(), writer.sequence, &sink);
  sink.RequestSealIfFull();
}

Status WritePath::SyncWAL() {
  Writer writer;
  writer.sync = true;
  return committer_.Commit(&writer);
}

Status WritePath::LockWAL() {
  // Where writes are stopped already, waiting in line for the leader's role
  // could mean waiting for a writer that waits for UnlockWAL().
  if (!controller_.AddStopIfStopped()) {
    Exclusive alone(this);
    controller_.AddStop();
  }
  // Nothing is appended while writes are stopped, so this sync covers all, and
  // no file changes once the thread has done what it was asked for before.
  wals_.WaitUntilIdle();
  Status s = wals_.Sync();
  if (!s.ok()) {
    s = latch_.Set(s);
    controller_.RemoveStop();
  }
  return s;
}

Status WritePath::UnlockWAL() {
  if (!controller_.RemoveStop()) {
    return Status::InvalidArgument("UnlockWAL() without LockWAL()");
  }
  return Status::OK();
}

Status WritePath::Resume() {
  Exclusive alone(this);
  if (!latch_.is_set()) return Status::OK();
  Log(logger_, "resuming after: %s", latch_.Get().ToString().c_str());
  Status s = Mend();
  Log(logger_, "resume: %s", s.ToString().c_str());
  return s;
}

// What failed is in the mutable memtables, above the visible sequence number,
// and may be in the WALs. Both are replaced by copies without it.
Status WritePath::Mend() {
  SequenceNumber visible = committer_.visible_sequence();
  ColumnFamilySet::Families families = families_->All();
  for (const auto& family : families) {
    family->ReplaceMutableMemTable(CopyMemTable(
        *family->mutable_memtable(), visible, family->options().comparator));
  }
  wals_.Abandon();
  Status s = CheckpointWals(
      options_.file_system, directory_, versions_, families,
      {.last_sequence = committer_.last_sequence(), .keeps_old_wals = true});
  if (s.ok()) s = wals_.Start();
  if (s.ok()) committer_.ClearFailure();
  return s;
}

Metrics WritePath::GetMetrics() const {
  Metrics metrics;
  committer_.AddMetrics(&metrics);
  metrics.wal_syncs = wals_.syncs();
  metrics.wal_switches = wals_.switches();
  metrics.wal_switch_waits = wals_.switch_waits();
  return metrics;
}

}  // namespace paceline
