#include "src/db/write_path.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "src/base/check.h"
#include "src/db/batch_inserter.h"
#include "src/env/file_logger.h"
#include "src/format/batch_reader.h"
#include "src/format/write_batch_internal.h"

namespace paceline {

namespace {

// The space of a WAL is allocated in pieces of this part of a memtable: large
// enough that allocating is rare, small enough that a database of a few entries
// does not hold much of the disk.
constexpr uint64_t kWalWindowsPerMemTable = 8;
constexpr uint64_t kWalWindowBytesMin = uint64_t{64} << 10;
constexpr uint64_t kWalWindowBytesMax = uint64_t{8} << 20;

// By default the WALs together may be so many times larger than what the
// memtables can hold.
constexpr uint64_t kWalsPerBuffers = 4;

// How much is written, where writers are delayed, until that is reconsidered,
// unless it takes longer than a hundredth of a second.
constexpr uint64_t kGrownBytes = uint64_t{256} << 10;
constexpr uint64_t kGrownPerSecond = 100;

Committer::Config CommitterConfig(const DBOptions& options) {
  return {
      .queue = {.group_bytes_max = options.max_write_batch_group_size_bytes,
                .separates_sync_writers = options.visible_before_durable},
      .pipeline = {.visible_before_durable = options.visible_before_durable},
      .clock = options.clock,
      .allows_parallel_inserts = options.allow_concurrent_memtable_write};
}

uint64_t WalWindowBytes(const ColumnFamilySet& families) {
  uint64_t bytes = 0;
  for (const auto& family : families.All()) {
    bytes = std::max<uint64_t>(bytes, family->options().write_buffer_size);
  }
  return std::bit_ceil(std::clamp(bytes / kWalWindowsPerMemTable,
                                  kWalWindowBytesMin, kWalWindowBytesMax));
}

// Memory for memtables, ahead of those who fill them, as far as the options let
// it grow. As much as one of the blocks comes from elsewhere: the small ones
// with which an arena begins.
void PrepareMemory(ArenaBlocks* blocks, const ColumnFamilySet& families) {
  if (blocks->UnusedBytes() > 0) return;
  uint64_t bytes = 0;
  for (const auto& family : families.All()) {
    const ColumnFamilyOptions& options = family->options();
    uint64_t of_blocks =
        options.write_buffer_size -
        std::min(options.write_buffer_size, ArenaBlocks::kBlockBytes);
    bytes += of_blocks * static_cast<uint64_t>(options.max_write_buffer_number);
  }
  blocks->PrepareAhead(bytes);
}

bool IsFull(const ColumnFamily& family) {
  return family.mutable_memtable()->IsFull(family.options().write_buffer_size);
}

// The entries of the mutable memtable up to `sequence`.
std::shared_ptr<MemTable> CopyMemTable(const ColumnFamily& family,
                                       SequenceNumber sequence) {
  const MemTable& memtable = *family.mutable_memtable();
  std::shared_ptr<MemTable> copy = family.NewMemTable();
  copy->set_first_wal(memtable.first_wal());
  std::unique_ptr<InternalIterator> entry = memtable.NewIterator();
  for (entry->SeekToFirst(); entry->Valid(); entry->Next()) {
    uint64_t tag = ExtractTag(entry->key());
    if (TagSequence(tag) > sequence) continue;
    copy->Add(TagSequence(tag), TagType(tag), ExtractUserKey(entry->key()),
              entry->value());
  }
  for (const RangeTombstone& tombstone : memtable.range_tombstones().All()) {
    if (tombstone.sequence > sequence) continue;
    copy->Add(tombstone.sequence, ValueType::kRangeDeletion, tombstone.begin,
              tombstone.end);
  }
  return copy;
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
    if (family_ != nullptr && IsFull(*family_)) {
      path_->seal_requested_.store(true, std::memory_order_relaxed);
    }
  }

 private:
  WritePath* const path_;
  ColumnFamily* family_ = nullptr;
};

WritePath::WritePath(const DBOptions& options, std::string directory,
                     VersionSet* versions, ColumnFamilySet* families,
                     ArenaBlocks* arena_blocks, Logger* logger)
    : options_(options),
      directory_(std::move(directory)),
      versions_(versions),
      families_(families),
      logger_(logger),
      controller_(options.clock),
      wals_(
          {.file_system = options.file_system,
           .directory = directory_,
           .preallocate_bytes = WalWindowBytes(*families),
           .allow_mmap = options.allow_mmap_writes,
           .new_file_number = [versions] { return versions->NewFileNumber(); },
           .prepare_more =
               [arena_blocks, families] {
                 PrepareMemory(arena_blocks, *families);
               }}),
      committer_(CommitterConfig(options), this, &latch_, &controller_) {}

WritePath::~WritePath() = default;

Status WritePath::Open(SequenceNumber last_sequence,
                       const PredecessorNote& predecessor, Listener listener) {
  Status s = wals_.Start();
  if (!s.ok()) return s;
  Exclusive alone(this);
  listener_ = std::move(listener);
  committer_.SetLastSequence(last_sequence);
  last_logged_ = predecessor;
  is_note_due_ = true;
  for (auto& family : families_->All()) {
    // Recovery may have filled it beyond its size.
    if (IsFull(*family)) {
      seal_requested_.store(true, std::memory_order_relaxed);
    }
    AddFamily(std::move(family));
  }
  is_open_ = true;
  return Status::OK();
}

void WritePath::EndWrites() {
  if (!is_open_) return;
  committer_.Shutdown();
  Exclusive alone(this);
}

Status WritePath::Close() {
  if (!is_open_) return Status::OK();
  Exclusive alone(this);
  is_closed_ = true;
  Status s = wals_.Close();
  if (!s.ok() || latch_.is_set()) return s;
  // Tells the next open that everything up to here is on the device.
  VersionEdit edit;
  edit.last_sequence = committer_.last_sequence();
  edit.is_closed_cleanly = true;
  return versions_->LogAndApply({edit});
}

void WritePath::AddFamily(std::shared_ptr<ColumnFamily> family) noexcept {
  uint32_t id = family->id();
  if (id == 0) default_family_ = family.get();
  live_families_[id] = std::move(family);
  UpdateWalLimit();
}

void WritePath::RemoveFamily(uint32_t id) {
  live_families_.erase(id);
  UpdateWalLimit();
}

void WritePath::UpdateWalLimit() {
  wal_bytes_max_ = options_.max_total_wal_size;
  if (wal_bytes_max_ != 0) return;
  for (const auto& [id, family] : live_families_) {
    const ColumnFamilyOptions& options = family->options();
    wal_bytes_max_ += kWalsPerBuffers * options.write_buffer_size *
                      static_cast<uint64_t>(options.max_write_buffer_number);
  }
}

// What was sealed for the oldest WAL must be flushed before more is sealed.
bool WritePath::IsOverWalLimit() const {
  return full_wal_bytes_ + tail_wal_bytes_ > wal_bytes_max_ &&
         first_needed_wal_.load(std::memory_order_relaxed) > relieved_wal_;
}

void WritePath::CountWalBytes(uint64_t bytes) {
  tail_wal_bytes_ += bytes;
  if (IsOverWalLimit()) seal_requested_.store(true, std::memory_order_relaxed);
  uint64_t rate = controller_.bytes_per_second();
  if (rate == 0 && is_stall_known_) return;
  bytes_since_grown_ += bytes;
  uint64_t due_at =
      rate == 0 ? kGrownBytes : std::min(kGrownBytes, rate / kGrownPerSecond);
  if (bytes_since_grown_ < due_at) return;
  bytes_since_grown_ = 0;
  if (listener_.grown) is_stall_known_ = listener_.grown();
}

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

Status WritePath::SwitchWal() {
  uint64_t full_wal = wals_.tail_number();
  Status s = wals_.Switch();
  if (!s.ok()) {
    return s.IsNoSpace()
               ? Status::NoSpace("cannot begin a new WAL", s.message())
               : Status::IOError("cannot begin a new WAL", s.message());
  }
  versions_->WalBegins(wals_.tail_number(), committer_.last_sequence());
  full_wals_.emplace_back(full_wal, tail_wal_bytes_);
  full_wal_bytes_ += tail_wal_bytes_;
  tail_wal_bytes_ = 0;
  s = AppendNote(committer_.last_sequence() + 1);
  return s.ok() ? s : latch_.Set(s);
}

Status WritePath::AppendNote(SequenceNumber next_sequence) {
  is_note_due_ = false;
  PredecessorNote note = last_logged_;
  note.own_number = wals_.tail_number();
  std::string record = note.ToRecord(next_sequence);
  Slice piece(record);
  return wals_.Append({&piece, 1});
}

template <typename Choose>
void WritePath::SealIf(Choose is_chosen, bool together) {
  seal_requested_.store(false, std::memory_order_relaxed);
  ++seal_ordinal_;
  for (auto& [id, family] : live_families_) {
    MemTable* memtable = family->mutable_memtable();
    if (memtable->entries() == 0) {
      // It does not need the WALs that others fill.
      memtable->set_first_wal(wals_.tail_number());
      continue;
    }
    if (!is_chosen(*family)) continue;
    memtable->set_seal_ordinal(seal_ordinal_);
    family->SealMemTable(wals_.tail_number());
  }
  if (listener_.sealed) {
    is_stall_known_ = listener_.sealed(seal_ordinal_, together);
  }
}

Status WritePath::MakeRoom() {
  uint64_t first_needed = first_needed_wal_.load(std::memory_order_relaxed);
  while (!full_wals_.empty() && full_wals_.front().first < first_needed) {
    full_wal_bytes_ -= full_wals_.front().second;
    full_wals_.pop_front();
  }
  bool is_over_limit = IsOverWalLimit();
  if (is_over_limit) relieved_wal_ = first_needed;
  auto is_due = [&](const ColumnFamily& family) {
    return IsFull(family) ||
           (is_over_limit && family.OldestNeededWal() <= first_needed);
  };
  bool is_any_due = false;
  for (const auto& [id, family] : live_families_) {
    is_any_due |= family->mutable_memtable()->entries() > 0 && is_due(*family);
  }
  if (!is_any_due) {
    seal_requested_.store(false, std::memory_order_relaxed);
    return Status::OK();
  }
  if (Status s = SwitchWal(); !s.ok()) return s;
  bool seals_all = options_.atomic_flush;
  SealIf(
      [&](const ColumnFamily& family) { return seals_all || is_due(family); },
      seals_all);
  return Status::OK();
}

Status WritePath::Seal(const ColumnFamilySet::Families& families) noexcept {
  Exclusive alone(this);
  if (is_closed_) return Status::ShutdownInProgress("the DB is closed");
  if (latch_.is_set()) return latch_.Get();
  auto is_asked_for = [&](const ColumnFamily& family) {
    if (options_.atomic_flush) return true;
    return std::any_of(families.begin(), families.end(),
                       [&](const auto& f) { return f.get() == &family; });
  };
  bool is_any_asked_for = false;
  for (const auto& [id, family] : live_families_) {
    is_any_asked_for |=
        family->mutable_memtable()->entries() > 0 && is_asked_for(*family);
  }
  if (!is_any_asked_for) return Status::OK();
  if (Status s = SwitchWal(); !s.ok()) return s;
  SealIf(is_asked_for, options_.atomic_flush);
  return Status::OK();
}

// The record is the concatenation of the members' entries behind one header.
// Nothing is copied: the log takes the pieces from where the members have them.
Status WritePath::AppendToWal(const WriteGroup& group) {
  if (is_note_due_) {
    Status s = AppendNote(group.first_sequence);
    if (!s.ok()) return s;
  }
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
  CountWalBytes(group.batch_bytes);
  last_logged_ = {.wal_number = wals_.tail_number(),
                  .last_sequence = group.last_sequence};
  return wals_.Append(record_pieces_, /*is_synced_next=*/group.needs_sync);
}

void WritePath::ApplyToMemTables(const Writer& writer) {
  if (writer.disable_wal) {
    has_unlogged_writes_.store(true, std::memory_order_relaxed);
  }
  LiveSink sink(this);
  InsertBatch(writer.batch->Data(), writer.sequence, &sink);
  sink.RequestSealIfFull();
}

Status WritePath::SyncWAL() {
  Writer writer;
  writer.sync = true;
  return committer_.Commit(&writer);
}

Status WritePath::SyncFullWals() {
  Status s = wals_.SyncFull();
  return s.ok() ? s : latch_.Set(s);
}

Status WritePath::LockWAL() noexcept {
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

Status WritePath::Resume(const std::function<Status()>& flush) {
  Exclusive alone(this);
  if (!latch_.is_set()) return Status::OK();
  Log(logger_, "resuming after: %s", latch_.Get().ToString().c_str());
  Status s = Mend(flush);
  Log(logger_, "resume: %s", s.ToString().c_str());
  return s;
}

// What failed is in the mutable memtables, above the visible sequence number,
// and may be in the WALs. The memtables are replaced by copies without it, and
// written to tables before anything of the WALs is given up.
Status WritePath::Mend(const std::function<Status()>& flush) noexcept {
  SequenceNumber visible = committer_.visible_sequence();
  for (const auto& [id, family] : live_families_) {
    family->ReplaceMutableMemTable(CopyMemTable(*family, visible));
  }
  wals_.Abandon();
  last_logged_ = {};
  is_note_due_ = true;
  Status s = wals_.Start();
  if (!s.ok()) return s;
  SealIf([](const ColumnFamily&) { return true; }, /*together=*/true);
  s = flush();
  if (!s.ok()) return s;
  std::vector<VersionEdit> edits;
  for (const auto& [id, family] : live_families_) {
    VersionEdit edit;
    edit.family_id = id;
    edit.log_number = family->OldestNeededWal();
    // Numbers of what failed are not given again.
    edit.last_sequence = committer_.last_sequence();
    edits.push_back(std::move(edit));
  }
  s = versions_->LogAndApply(std::move(edits));
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
