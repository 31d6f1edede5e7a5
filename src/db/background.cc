#include "src/db/background.h"

#include <algorithm>
#include <cinttypes>
#include <utility>

#include "src/env/file_logger.h"
#include "src/format/file_name.h"

namespace paceline {

namespace {

// After a failure of the machine; doubled from failure to failure.
constexpr uint64_t kRetryNanosMin = 100'000'000;
constexpr uint64_t kRetryNanosMax = 5'000'000'000;

// Without a flush for so long, no more files of level 0 are to be expected.
constexpr uint64_t kPatienceNanos = 1'000'000'000;

// As an output level: the one that level 0 is merged into.
constexpr int kBaseLevel = -1;

bool IsDamage(const Status& s) {
  return s.IsCorruption() || s.IsNotSupported();
}

uint64_t PerSecond(uint64_t bytes, uint64_t micros) {
  return bytes * 1'000'000 / std::max<uint64_t>(micros, 1);
}

// Half of what it was, half of what it is.
void Smooth(uint64_t* rate, uint64_t newest) {
  *rate = *rate == 0 ? newest : (*rate + newest) / 2;
}

// Of sealed memtables: what is left when `flushed` are gone, or the mutable
// one.
uint64_t NeededWalWithout(
    const SuperVersion& version,
    const std::vector<std::shared_ptr<MemTable>>& flushed) {
  const auto& sealed = version.sealed_memtables;
  for (auto memtable = sealed.rbegin(); memtable != sealed.rend(); ++memtable) {
    if (std::find(flushed.begin(), flushed.end(), *memtable) == flushed.end()) {
      return (*memtable)->first_wal();
    }
  }
  return version.mutable_memtable->first_wal();
}

}  // namespace

Background::Background(Config config)
    : config_(std::move(config)),
      logger_(config_.options.info_log.get()),
      pool_(std::make_unique<WorkerPool>(config_.options.max_background_jobs)) {
  config_.unused->SetListener([this] {
    pool_->Schedule(WorkerPool::Priority::kHigh,
                    [this] { RemoveUnusedTables(); });
  });
}

Background::~Background() {
  Stop();
  config_.unused->SetListener(nullptr);
  pool_.reset();
  // What was let go of too late for a job.
  RemoveUnusedTables();
}

void Background::Start() {
  MutexLock lock(&mutex_);
  is_started_ = true;
  Schedule();
  UpdateStallLocked();
}

void Background::Stop() {
  MutexLock lock(&mutex_);
  is_stopping_.store(true, std::memory_order_release);
  changed_.NotifyAll();
  while (flush_jobs_ > 0 || compaction_jobs_ > 0 || manual_compactions_ > 0) {
    changed_.Wait(&mutex_);
  }
}

void Background::Sealed(uint64_t ordinal, bool together) {
  MutexLock lock(&mutex_);
  sealed_ordinal_ = std::max(sealed_ordinal_, ordinal);
  if (together) together_ordinal_ = ordinal;
  Schedule();
  UpdateStallLocked();
}

void Background::FamiliesChanged() {
  MutexLock lock(&mutex_);
  for (auto work = work_.begin(); work != work_.end();) {
    bool is_gone = config_.families->Find(work->first) == nullptr &&
                   !work->second.is_flushing &&
                   work->second.running.size() == 0;
    work = is_gone ? work_.erase(work) : std::next(work);
  }
  UpdateStallLocked();
  changed_.NotifyAll();
}

void Background::UpdateStall() {
  MutexLock lock(&mutex_);
  UpdateStallLocked();
}

// --- What is due -----------------------------------------------------------

bool Background::IsFlushDue(const ColumnFamily& family) const {
  auto work = work_.find(family.id());
  if (work != work_.end() && work->second.is_flushing) return false;
  auto version = family.PinSuperVersion();
  return !version->sealed_memtables.empty() &&
         version->sealed_memtables.back()->seal_ordinal() <= sealed_ordinal_;
}

bool Background::IsCompactionDue(const ColumnFamily& family) const {
  if (family.options().disable_auto_compactions) return false;
  auto work = work_.find(family.id());
  static const RunningCompactions kNone;
  const RunningCompactions& running =
      work == work_.end() ? kNone : work->second.running;
  if (work != work_.end() && !work->second.compaction_failure.ok()) {
    return false;
  }
  return PickCompaction(family.PinSuperVersion()->version, family.options(),
                        running, /*is_patient=*/false)
      .has_value();
}

void Background::Schedule() {
  if (!is_started_ || is_stopping_.load(std::memory_order_relaxed)) return;
  int flushes_due = 0;
  int compactions_due = 0;
  for (const auto& family : config_.families->All()) {
    if (IsFlushDue(*family)) ++flushes_due;
    if (IsCompactionDue(*family)) ++compactions_due;
  }
  // One flush at a time is enough: the device is what they wait for.
  if (flushes_due > 0 && flush_jobs_ == 0) {
    ++flush_jobs_;
    pool_->Schedule(WorkerPool::Priority::kHigh, [this] { RunFlushJob(); });
  }
  int compactions_max = std::max(1, config_.options.max_background_jobs - 1);
  if (compactions_due > 0 && compaction_jobs_ < compactions_max) {
    ++compaction_jobs_;
    pool_->Schedule(WorkerPool::Priority::kLow, [this] { RunCompactionJob(); });
  }
}

StallInput Background::StallInputOf(const ColumnFamily& family,
                                    Work* work) const {
  auto version = family.PinSuperVersion();
  if (work->pending_of != version->version) {
    work->pending_of = version->version;
    work->pending_bytes =
        PendingCompactionBytes(*version->version, family.options());
  }
  StallInput input;
  input.family = family.name();
  input.sealed_memtables = version->sealed_memtables.size();
  for (const auto& sealed : version->sealed_memtables) {
    input.unflushed_bytes += sealed->UsedBytes();
  }
  if (work->is_flushing) {
    uint64_t micros =
        (config_.options.clock->MonotonicNanos() - work->flush_started_nanos) /
        1000;
    uint64_t done =
        std::min(work->flushing_bytes, work->flush_rate * micros / 1'000'000);
    input.unflushed_bytes -= std::min(input.unflushed_bytes, done);
  }
  uint64_t used = version->mutable_memtable->UsedBytes();
  uint64_t size = family.options().write_buffer_size;
  input.free_bytes = size > used ? size - used : 0;
  input.level0_files = version->version->files(0).size();
  input.pending_compaction_bytes = work->pending_bytes;
  input.flush_rate = work->flush_rate;
  input.compaction_rate = work->compaction_rate;
  input.failure =
      work->compaction_failure.ok() ? failure_ : work->compaction_failure;
  return input;
}

void Background::UpdateStallLocked() {
  Stall strictest;
  for (const auto& family : config_.families->All()) {
    Stall stall = ComputeStall(family->options(),
                               StallInputOf(*family, &WorkOf(*family)));
    strictest = Stricter(strictest, stall);
  }
  config_.set_stall(strictest);
}

// --- Flushes ---------------------------------------------------------------

std::vector<Background::FamilyFlush> Background::TakeFlush() {
  std::vector<FamilyFlush> flushes;
  bool is_together = config_.options.atomic_flush;
  for (const auto& family : config_.families->All()) {
    auto version = family->PinSuperVersion();
    is_together |=
        !version->sealed_memtables.empty() &&
        version->sealed_memtables.back()->seal_ordinal() <= together_ordinal_;
  }
  for (const auto& family : config_.families->All()) {
    if (!IsFlushDue(*family)) continue;
    FamilyFlush flush;
    flush.family = family;
    auto version = family->PinSuperVersion();
    for (const auto& memtable : version->sealed_memtables) {
      if (memtable->seal_ordinal() > sealed_ordinal_) continue;
      flush.memtables.push_back(memtable);
      flush.memtable_bytes += memtable->UsedBytes();
    }
    Work& work = WorkOf(*family);
    work.is_flushing = true;
    work.flush_started_nanos = config_.options.clock->MonotonicNanos();
    work.flushing_bytes = flush.memtable_bytes;
    flushes.push_back(std::move(flush));
    if (!is_together) break;
  }
  return flushes;
}

void Background::RunFlushJob() {
  MutexLock lock(&mutex_);
  while (!is_stopping_.load(std::memory_order_relaxed)) {
    std::vector<FamilyFlush> flushes = TakeFlush();
    if (flushes.empty()) break;
    ++flushes_begun_;
    mutex_.Unlock();
    Status s = Flush(&flushes);
    mutex_.Lock();
    EndFlush(flushes, s);
    if (!s.ok() && !s.IsAborted()) WaitToRetry();
  }
  --flush_jobs_;
  Schedule();
  changed_.NotifyAll();
}

Status Background::Flush(std::vector<FamilyFlush>* flushes) {
  // After the memtables were chosen: a later snapshot sees the newest entries
  // of them.
  std::vector<SequenceNumber> snapshots = config_.snapshots->All();
  Status s = SettleManifest();
  for (FamilyFlush& flush : *flushes) {
    if (!s.ok()) break;
    const ColumnFamily& family = *flush.family;
    TableOutput::Config output = OutputConfig(family);
    output.priority = RateLimiter::Priority::kHigh;
    output.epoch_number = family.PinSuperVersion()->version->NextEpoch();
    auto result = FlushMemTables(output, config_.options.clock, snapshots,
                                 flush.memtables);
    if (result.ok()) {
      flush.result = *std::move(result);
    } else {
      s = result.status();
    }
  }
  std::vector<VersionEdit> edits;
  if (s.ok()) {
    edits = FlushEdits(*flushes);
    s = SyncSharedWals(edits);
  }
  if (s.ok()) {
    s = CommitFlush(*flushes, std::move(edits));
  } else {
    // Of the families before the one that failed. Nothing names them.
    for (const FamilyFlush& flush : *flushes) {
      if (flush.result.file) config_.unused->Add(flush.result.file->number);
    }
  }
  for (const FamilyFlush& flush : *flushes) {
    Log(logger_, "[%s] flushed %zu memtables, %" PRIu64 " bytes, to %s: %s",
        flush.family->name().c_str(), flush.memtables.size(),
        flush.memtable_bytes,
        flush.result.file
            ? ("table " + std::to_string(flush.result.file->number)).c_str()
            : "nothing",
        s.ToString().c_str());
    if (s.ok() && flush.result.file) {
      OpenTables(*flush.family, {*flush.result.file});
    }
  }
  if (s.ok()) config_.wals_released(config_.versions->FirstLiveLog());
  return s;
}

std::vector<VersionEdit> Background::FlushEdits(
    const std::vector<FamilyFlush>& flushes) const {
  std::vector<VersionEdit> edits;
  for (const auto& family : config_.families->All()) {
    auto is_flushed = [&family](const FamilyFlush& flush) {
      return flush.family == family;
    };
    auto flush = std::find_if(flushes.begin(), flushes.end(), is_flushed);
    VersionEdit edit;
    edit.family_id = family->id();
    if (flush == flushes.end()) {
      // Others need fewer WALs too if they have not been written to.
      edit.log_number = family->OldestNeededWal();
    } else {
      edit.log_number =
          NeededWalWithout(*family->PinSuperVersion(), flush->memtables);
      if (flush->result.file) {
        edit.added_files.push_back({0, *flush->result.file});
      }
    }
    edits.push_back(std::move(edit));
  }
  return edits;
}

// Tables hold their families' parts of the batches in the WALs that are left
// behind. Where another family still needs these WALs for its own part, a power
// cut must not take that away.
Status Background::SyncSharedWals(const std::vector<VersionEdit>& edits) const {
  uint64_t oldest_needed = UINT64_MAX;
  uint64_t newest_needed = 0;
  for (const VersionEdit& edit : edits) {
    oldest_needed = std::min(oldest_needed, *edit.log_number);
    newest_needed = std::max(newest_needed, *edit.log_number);
  }
  if (oldest_needed >= newest_needed) return Status::OK();
  return config_.sync_wals(newest_needed);
}

Status Background::CommitFlush(const std::vector<FamilyFlush>& flushes,
                               std::vector<VersionEdit> edits) {
  VersionSet::Change change;
  change.edits = std::move(edits);
  std::vector<FileMetaData> files;
  for (const FamilyFlush& flush : flushes) {
    if (flush.result.file) files.push_back(*flush.result.file);
  }
  std::vector<std::shared_ptr<const Version>> versions;
  change.prepare = [&](const ManifestState& state) -> Status {
    for (const FamilyFlush& flush : flushes) {
      if (!state.families.contains(flush.family->id())) {
        return Status::Aborted("the column family was dropped",
                               flush.family->name());
      }
      auto version =
          flush.family->MakeVersion(state.families.at(flush.family->id()));
      if (!version.ok()) return version.status();
      versions.push_back(*std::move(version));
    }
    return Status::OK();
  };
  change.install = [&] {
    for (size_t i = 0; i < flushes.size(); ++i) {
      flushes[i].family->Install(std::move(versions[i]), flushes[i].memtables);
    }
  };
  return Record(std::move(change), files);
}

Status Background::Record(VersionSet::Change change,
                          const std::vector<FileMetaData>& files) {
  // The MANIFEST must not name what a power cut can still take away.
  Status s;
  if (!files.empty()) {
    s = config_.options.file_system->SyncDirectory(config_.directory);
  }
  if (s.ok()) s = config_.versions->LogAndApply(std::move(change));
  std::vector<uint64_t> removable;
  {
    MutexLock lock(&mutex_);
    if (s.ok()) {
      removable.swap(unrecorded_);
    } else {
      for (const FileMetaData& file : files) unrecorded_.push_back(file.number);
    }
  }
  for (uint64_t number : removable) config_.unused->Add(number);
  return s;
}

// Without this each new try would leave another table behind.
Status Background::SettleManifest() {
  {
    MutexLock lock(&mutex_);
    if (unrecorded_.empty()) return Status::OK();
  }
  return Record({.edits = {VersionEdit()}, .prepare = {}, .install = {}}, {});
}

void Background::EndFlush(const std::vector<FamilyFlush>& flushes,
                          const Status& status) {
  for (const FamilyFlush& flush : flushes) {
    Work& work = WorkOf(*flush.family);
    work.is_flushing = false;
    if (!status.ok()) continue;
    LevelStats& level = work.stats[0];
    ++level.jobs;
    level.micros += flush.result.micros;
    if (flush.result.file) level.bytes_written += flush.result.file->size;
    Smooth(&work.flush_rate,
           PerSecond(flush.memtable_bytes, flush.result.micros));
  }
  last_flush_nanos_ = config_.options.clock->MonotonicNanos();
  // Aborted: a column family was dropped meanwhile; the others are due again.
  if (!status.IsAborted()) failure_ = status;
  if (status.ok() || status.IsAborted()) {
    retry_nanos_ = 0;
  } else {
    ++failures_;
    failed_flush_ = flushes_begun_;
  }
  Schedule();
  UpdateStallLocked();
  changed_.NotifyAll();
}

// --- Compactions -----------------------------------------------------------

std::optional<Compaction> Background::Pick(
    bool is_patient, std::shared_ptr<ColumnFamily>* chosen) {
  std::optional<Compaction> best;
  for (const auto& family : config_.families->All()) {
    if (!IsCompactionDue(*family)) continue;
    auto picked =
        PickCompaction(family->PinSuperVersion()->version, family->options(),
                       WorkOf(*family).running, is_patient);
    if (picked && (!best || picked->score > best->score)) {
      best = std::move(picked);
      *chosen = family;
    }
  }
  return best;
}

// While more is being flushed, level 0 can wait for it.
std::optional<Compaction> Background::AwaitCompaction(
    std::shared_ptr<ColumnFamily>* chosen) {
  while (!is_stopping_.load(std::memory_order_relaxed)) {
    uint64_t idle = config_.options.clock->MonotonicNanos() - last_flush_nanos_;
    // A single thread must not wait: the flushes need it.
    bool is_patient = waiting_for_idle_ == 0 && idle < kPatienceNanos &&
                      config_.options.max_background_jobs > 1;
    auto picked = Pick(is_patient, chosen);
    if (picked || !is_patient || !Pick(/*is_patient=*/false, chosen)) {
      return picked;
    }
    changed_.WaitFor(&mutex_, kPatienceNanos - idle);
  }
  return std::nullopt;
}

void Background::RunCompactionJob() {
  MutexLock lock(&mutex_);
  std::shared_ptr<ColumnFamily> chosen;
  std::optional<Compaction> compaction = AwaitCompaction(&chosen);
  if (compaction) {
    WorkOf(*chosen).running.Add(*compaction);
    mutex_.Unlock();
    Status s = RunOne(chosen, *compaction);
    mutex_.Lock();
    if (!s.ok() && !IsDamage(s)) WaitToRetry();
  }
  --compaction_jobs_;
  Schedule();
  changed_.NotifyAll();
}

Status Background::RunOne(const std::shared_ptr<ColumnFamily>& family,
                          const Compaction& compaction) {
  CompactionResult result;
  Status s = compaction.is_trivial_move
                 ? MoveFiles(family, compaction)
                 : MergeFiles(family, compaction, &result);
  bool was_dropped = family->is_dropped() || s.IsAborted();
  MutexLock lock(&mutex_);
  Work& work = WorkOf(*family);
  work.running.Remove(compaction);
  if (s.ok()) {
    NoteCompaction(&work, compaction, result);
    if (failures_ > 0) failure_ = Status::OK();
    retry_nanos_ = 0;
  } else if (!was_dropped && !s.IsShutdownInProgress()) {
    Log(logger_, "[%s] compaction of level %d failed: %s",
        family->name().c_str(), compaction.level, s.ToString().c_str());
    ++failures_;
    (IsDamage(s) ? work.compaction_failure : failure_) = s;
  }
  Schedule();
  UpdateStallLocked();
  changed_.NotifyAll();
  return was_dropped ? Status::OK() : s;
}

void Background::NoteCompaction(Work* work, const Compaction& compaction,
                                const CompactionResult& result) {
  if (compaction.is_trivial_move) {
    ++work->trivial_moves;
    return;
  }
  LevelStats& level = work->stats[static_cast<size_t>(compaction.output_level)];
  ++level.jobs;
  level.bytes_read += result.bytes_read;
  level.bytes_written += result.bytes_written;
  level.micros += result.micros;
  if (compaction.level != 0) return;
  // How fast level 0 is emptied, with what happens in between.
  uint64_t bytes = 0;
  for (const auto& file : compaction.inputs) bytes += file->size();
  uint64_t now = config_.options.clock->MonotonicNanos();
  uint64_t since = (now - work->level0_merged_at_nanos) / 1000;
  work->level0_merged_at_nanos = now;
  Smooth(&work->compaction_rate,
         PerSecond(bytes, std::clamp(since, result.micros, 4 * result.micros)));
}

Status Background::MoveFiles(const std::shared_ptr<ColumnFamily>& family,
                             const Compaction& compaction) {
  std::vector<FileMetaData> files;
  for (const auto& file : compaction.inputs) files.push_back(file->metadata());
  Status s = CommitCompaction(family, compaction, files);
  Log(logger_, "[%s] moved %zu files from level %d to %d: %s",
      family->name().c_str(), files.size(), compaction.level,
      compaction.output_level, s.ToString().c_str());
  return s;
}

Status Background::MergeFiles(const std::shared_ptr<ColumnFamily>& family,
                              const Compaction& compaction,
                              CompactionResult* result) {
  CompactionContext context;
  context.output = OutputConfig(*family);
  context.output.compression = compaction.compression;
  context.clock = config_.options.clock;
  context.logger = logger_;
  context.snapshots = config_.snapshots->All();
  context.is_stopping = [this, &family] {
    return is_stopping_.load(std::memory_order_relaxed) || family->is_dropped();
  };
  uint64_t epoch = UINT64_MAX;
  for (const auto& file : compaction.AllInputs()) {
    const FileMetaData& metadata = file->metadata();
    epoch = std::min(epoch, metadata.epoch_number);
    uint64_t& oldest = context.output.oldest_ancestor_time;
    uint64_t time = metadata.oldest_ancestor_time;
    if (time != 0 && (oldest == 0 || time < oldest)) oldest = time;
  }
  context.output.epoch_number = epoch;
  if (Status s = SettleManifest(); !s.ok()) return s;
  auto done = RunCompaction(compaction, context);
  if (!done.ok()) return done.status();
  *result = *std::move(done);
  Status s = CommitCompaction(family, compaction, result->files);
  if (s.ok()) OpenTables(*family, result->files);
  Log(logger_,
      "[%s] compacted %zu files of level %d and %zu of level %d into %zu: "
      "%" PRIu64 " -> %" PRIu64 " bytes, %" PRIu64 " -> %" PRIu64
      " entries, %" PRIu64 " ms: %s",
      family->name().c_str(), compaction.inputs.size(), compaction.level,
      compaction.output_inputs.size(), compaction.output_level,
      result->files.size(), result->bytes_read, result->bytes_written,
      result->entries_read, result->entries_written, result->micros / 1000,
      s.ToString().c_str());
  return s;
}

Status Background::CommitCompaction(const std::shared_ptr<ColumnFamily>& family,
                                    const Compaction& compaction,
                                    const std::vector<FileMetaData>& files) {
  VersionEdit edit;
  edit.family_id = family->id();
  for (const auto& file : compaction.inputs) {
    edit.deleted_files.push_back({compaction.level, file->number()});
  }
  for (const auto& file : compaction.output_inputs) {
    edit.deleted_files.push_back({compaction.output_level, file->number()});
  }
  for (const FileMetaData& file : files) {
    edit.added_files.push_back({compaction.output_level, file});
  }
  VersionSet::Change change;
  change.edits.push_back(std::move(edit));
  std::shared_ptr<const Version> version;
  change.prepare = [&](const ManifestState& state) {
    auto made = family->MakeVersion(state.families.at(family->id()));
    if (made.ok()) version = *std::move(made);
    return made.ok() ? Status::OK() : made.status();
  };
  change.install = [&] { family->Install(std::move(version), {}); };
  bool is_move = compaction.is_trivial_move;
  return Record(std::move(change),
                is_move ? std::vector<FileMetaData>() : files);
}

Status Background::CompactRange(const CompactRangeOptions& options,
                                const std::shared_ptr<ColumnFamily>& family,
                                const Slice* begin, const Slice* end) {
  auto current = [&family] { return family->PinSuperVersion()->version; };
  auto did = CompactStep(family, 0, kBaseLevel, begin, end);
  for (int level = 1; did.ok() && level + 1 < kLevels; ++level) {
    while (did.ok() && level < current()->DeepestLevel()) {
      did = CompactStep(family, level, level + 1, begin, end);
      if (did.ok() && !*did) break;
    }
  }
  if (!did.ok()) return did.status();
  int deepest = current()->DeepestLevel();
  bool forces =
      options.bottommost_level_compaction == BottommostLevelCompaction::kForce;
  if (!forces || deepest <= 0) return Status::OK();
  // File by file, as long as it is there: one step may take several.
  for (const auto& file : current()->Overlapping(deepest, begin, end)) {
    auto version = current();
    const LiveTables& files = version->files(deepest);
    if (std::find(files.begin(), files.end(), file) == files.end()) continue;
    Slice key = file->metadata().smallest_user_key();
    did = CompactStep(family, deepest, deepest, &key, &key);
    if (!did.ok()) return did.status();
  }
  return Status::OK();
}

// Waits while what is wanted is being compacted by others. False if the level
// has nothing of the range.
StatusOr<bool> Background::CompactStep(
    const std::shared_ptr<ColumnFamily>& family, int level, int output_level,
    const Slice* begin, const Slice* end) {
  std::optional<Compaction> compaction;
  {
    MutexLock lock(&mutex_);
    bool has_conflict = true;
    while (has_conflict && !family->is_dropped() &&
           !is_stopping_.load(std::memory_order_relaxed)) {
      // Anew each time: other compactions change where level 0 may go.
      auto version = family->PinSuperVersion()->version;
      int to =
          output_level != kBaseLevel
              ? output_level
              : ComputeLevelTargets(*version, family->options()).base_level;
      compaction =
          PickRange(version, family->options(), WorkOf(*family).running, level,
                    to, begin, end, &has_conflict);
      if (has_conflict) changed_.Wait(&mutex_);
    }
    if (is_stopping_.load(std::memory_order_relaxed)) {
      return Status::ShutdownInProgress("the DB is being closed");
    }
    if (!compaction) return false;
    WorkOf(*family).running.Add(*compaction);
    ++manual_compactions_;
  }
  Status s = RunOne(family, *compaction);
  MutexLock lock(&mutex_);
  --manual_compactions_;
  changed_.NotifyAll();
  if (!s.ok()) return s;
  return true;
}

// --- Waiting ---------------------------------------------------------------

Status Background::WaitForFlush(const ColumnFamilySet::Families& families) {
  std::vector<std::pair<std::shared_ptr<ColumnFamily>, uint64_t>> awaited;
  for (const auto& family : families) {
    auto version = family->PinSuperVersion();
    if (version->sealed_memtables.empty()) continue;
    awaited.emplace_back(family,
                         version->sealed_memtables.front()->seal_ordinal());
  }
  MutexLock lock(&mutex_);
  // One that is running may fail because of what has been mended meanwhile.
  uint64_t begun_before = flushes_begun_;
  auto is_pending = [](const auto& wait) {
    if (wait.first->is_dropped()) return false;
    auto version = wait.first->PinSuperVersion();
    return !version->sealed_memtables.empty() &&
           version->sealed_memtables.back()->seal_ordinal() <= wait.second;
  };
  while (std::any_of(awaited.begin(), awaited.end(), is_pending)) {
    if (is_stopping_.load(std::memory_order_relaxed)) {
      return Status::ShutdownInProgress("the DB is being closed");
    }
    if (failed_flush_ > begun_before && !failure_.ok()) return failure_;
    changed_.Wait(&mutex_);
  }
  return Status::OK();
}

Status Background::WaitUntilIdle() {
  MutexLock lock(&mutex_);
  ++waiting_for_idle_;
  changed_.NotifyAll();
  Status s = WaitUntilIdleLocked();
  --waiting_for_idle_;
  return s;
}

Status Background::WaitUntilIdleLocked() {
  while (true) {
    if (is_stopping_.load(std::memory_order_relaxed)) {
      return Status::ShutdownInProgress("the DB is being closed");
    }
    if (!failure_.ok()) return failure_;
    Schedule();
    if (flush_jobs_ == 0 && compaction_jobs_ == 0 && manual_compactions_ == 0) {
      for (const auto& [id, work] : work_) {
        if (!work.compaction_failure.ok()) return work.compaction_failure;
      }
      return Status::OK();
    }
    changed_.Wait(&mutex_);
  }
}

void Background::WaitToRetry() {
  retry_nanos_ = std::clamp(retry_nanos_ * 2, kRetryNanosMin, kRetryNanosMax);
  uint64_t end = config_.options.clock->MonotonicNanos() + retry_nanos_;
  while (!is_stopping_.load(std::memory_order_relaxed) && !failure_.ok()) {
    uint64_t now = config_.options.clock->MonotonicNanos();
    if (now >= end) return;
    changed_.WaitFor(&mutex_, end - now);
  }
}

void Background::ClearFailure() {
  MutexLock lock(&mutex_);
  failure_ = Status::OK();
  retry_nanos_ = 0;
  for (auto& [id, work] : work_) work.compaction_failure = Status::OK();
  Schedule();
  UpdateStallLocked();
  changed_.NotifyAll();
}

// --- Files -----------------------------------------------------------------

TableOutput::Config Background::OutputConfig(const ColumnFamily& family) const {
  TableOutput::Config output;
  output.file_system = config_.options.file_system;
  output.directory = config_.directory;
  output.family = &family;
  output.compression = family.options().compression;
  output.rate_limiter = config_.options.rate_limiter.get();
  output.new_file_number = [this] { return config_.versions->NewFileNumber(); };
  output.now_seconds = config_.options.clock->NowMicros() / 1'000'000;
  return output;
}

void Background::OpenTables(const ColumnFamily& family,
                            const std::vector<FileMetaData>& files) {
  auto version = family.PinSuperVersion()->version;
  for (int level = 0; level < kLevels; ++level) {
    for (const auto& file : version->files(level)) {
      bool is_new = std::any_of(files.begin(), files.end(), [&](const auto& f) {
        return f.number == file->number();
      });
      // Whoever reads it is told.
      if (is_new) static_cast<void>(file->Get());
    }
  }
}

void Background::RemoveUnusedTables() {
  for (uint64_t number : config_.unused->Take()) {
    Status s = config_.options.file_system->RemoveFile(
        TableFileName(config_.directory, number));
    if (s.IsPathNotFound()) {
      s = config_.options.file_system->RemoveFile(
          OldTableFileName(config_.directory, number));
    }
    if (!s.ok()) {
      Log(logger_, "cannot remove table %" PRIu64 ": %s", number,
          s.ToString().c_str());
    }
  }
}

// --- What is known ---------------------------------------------------------

Status Background::failure() const {
  MutexLock lock(&mutex_);
  if (!failure_.ok()) return failure_;
  for (const auto& [id, work] : work_) {
    if (!work.compaction_failure.ok()) return work.compaction_failure;
  }
  return Status::OK();
}

FamilyStats Background::StatsOf(uint32_t family_id) const {
  MutexLock lock(&mutex_);
  auto work = work_.find(family_id);
  return work == work_.end() ? FamilyStats{} : work->second.stats;
}

void Background::AddMetrics(Metrics* metrics) const {
  MutexLock lock(&mutex_);
  for (const auto& [id, work] : work_) {
    metrics->trivial_moves += work.trivial_moves;
    metrics->flushes += work.stats[0].jobs;
    metrics->flush_bytes_written += work.stats[0].bytes_written;
    for (size_t level = 1; level < kLevels; ++level) {
      metrics->compactions += work.stats[level].jobs;
      metrics->compaction_bytes_read += work.stats[level].bytes_read;
      metrics->compaction_bytes_written += work.stats[level].bytes_written;
    }
  }
}

Background::Activity Background::activity(const ColumnFamily& family) const {
  MutexLock lock(&mutex_);
  Activity activity;
  for (const auto& [id, work] : work_) {
    if (work.is_flushing) ++activity.flushes;
    activity.compactions += static_cast<int>(work.running.size());
  }
  activity.failures = failures_;
  activity.flush_due = IsFlushDue(family);
  activity.compaction_due = IsCompactionDue(family);
  return activity;
}

bool Background::IsBeingCompacted(uint32_t family_id,
                                  uint64_t file_number) const {
  MutexLock lock(&mutex_);
  auto work = work_.find(family_id);
  return work != work_.end() && work->second.running.IsTaken(file_number);
}

}  // namespace paceline
