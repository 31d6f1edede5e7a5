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

// So small a part of a flush is taken to be left as long as it runs.
constexpr uint64_t kLatePart = 4;

}  // namespace

Background::Background(Config config)
    : config_(std::move(config)),
      logger_(config_.options.info_log.get()),
      pool_(std::make_unique<WorkerPool>(config_.options.max_background_jobs)) {
  config_.unused->SetListener([this] { ScheduleRemoval(); });
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
  while (flush_jobs_ > 0 || compaction_jobs_ > 0 || manual_compactions_ > 0 ||
         removal_jobs_.load(std::memory_order_relaxed) > 0) {
    changed_.Wait(&mutex_);
  }
}

// Whoever has the mutex may have looked at the ordinals already: a job looks at
// them again behind it.
bool Background::Sealed(uint64_t ordinal, bool together) noexcept {
  if (together) together_ordinal_.store(ordinal, std::memory_order_release);
  sealed_ordinal_.store(ordinal, std::memory_order_release);
  if (!mutex_.TryLock()) {
    pool_->Schedule(WorkerPool::Priority::kHigh, [this] {
      MutexLock lock(&mutex_);
      Schedule();
      UpdateStallLocked();
    });
    return false;
  }
  Schedule();
  UpdateStallLocked();
  mutex_.Unlock();
  return true;
}

void Background::FamiliesChanged() noexcept {
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

bool Background::UpdateStallIfFree() noexcept {
  if (!mutex_.TryLock()) return false;
  UpdateStallLocked();
  mutex_.Unlock();
  return true;
}

// --- What is due -----------------------------------------------------------

bool Background::IsFlushDue(const ColumnFamily& family,
                            uint64_t sealed_ordinal) const {
  auto work = work_.find(family.id());
  if (work != work_.end() && work->second.is_flushing) return false;
  auto version = family.PinSuperVersion();
  return !version->sealed_memtables.empty() &&
         version->sealed_memtables.back()->seal_ordinal() <= sealed_ordinal;
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
  const uint64_t sealed = sealed_ordinal_.load(std::memory_order_acquire);
  int flushes_due = 0;
  int compactions_due = 0;
  for (const auto& family : config_.families->All()) {
    if (IsFlushDue(*family, sealed)) ++flushes_due;
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

// How long the syncs at the end take is not known: until they are over the last
// part is owed, or a late flush would meet a full memtable.
uint64_t Background::FlushedBytes(const Work& work) {
  if (!work.is_flushing) return 0;
  auto entries =
      static_cast<double>(std::max<uint64_t>(work.flushing_entries, 1));
  auto done =
      static_cast<double>(work.flushed_entries.load(std::memory_order_relaxed));
  uint64_t in_time = work.flushing_bytes - work.flushing_bytes / kLatePart;
  return static_cast<uint64_t>(static_cast<double>(in_time) *
                               std::min(1.0, done / entries));
}

uint64_t Background::FlushStuckNanos(Work* work) const {
  if (!work->is_flushing) return 0;
  uint64_t now = config_.options.clock->MonotonicNanos();
  uint64_t done = work->flushed_entries.load(std::memory_order_relaxed);
  if (done != work->flushed_entries_seen) {
    work->flushed_entries_seen = done;
    work->flush_got_on_nanos = now;
  }
  return now - work->flush_got_on_nanos;
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
  input.unflushed_bytes -= std::min(input.unflushed_bytes, FlushedBytes(*work));
  input.free_bytes = version->mutable_memtable->BytesUntilFull(
      family.options().write_buffer_size);
  input.flush_stuck_nanos = FlushStuckNanos(work);
  input.level0_files = version->version->files(0).size();
  input.pending_compaction_bytes = work->pending_bytes;
  input.flush_rate = work->flush_rate.value();
  input.compaction_rate = work->compaction_rate.value();
  input.flush_failure = flush_trouble_.failure;
  input.compaction_failure = work->compaction_failure.ok()
                                 ? compaction_trouble_.failure
                                 : work->compaction_failure;
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

// --- Changes of the MANIFEST -----------------------------------------------

Status Background::Record(VersionSet::Change change,
                          const std::vector<FileMetaData>& files) {
  // Only what failed before this change began is settled by it: a change that
  // failed meanwhile may have gone into the same MANIFEST behind it.
  std::vector<uint64_t> settled;
  {
    MutexLock lock(&mutex_);
    settled = unrecorded_;
  }
  // The MANIFEST must not name what a power cut can still take away.
  Status s;
  if (!files.empty()) {
    s = config_.options.file_system->SyncDirectory(config_.directory);
  }
  if (s.ok()) s = config_.versions->LogAndApply(std::move(change));
  std::vector<uint64_t> removable;
  {
    MutexLock lock(&mutex_);
    for (uint64_t number : settled) {
      if (s.ok() && std::erase(unrecorded_, number) > 0) {
        removable.push_back(number);
      }
    }
    if (!s.ok()) {
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

// --- Waiting ---------------------------------------------------------------

Status Background::WaitUntilIdle() noexcept {
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
    if (!flush_trouble_.failure.ok()) return flush_trouble_.failure;
    if (!compaction_trouble_.failure.ok()) return compaction_trouble_.failure;
    Schedule();
    if (flush_jobs_ == 0 && compaction_jobs_ == 0 && manual_compactions_ == 0 &&
        removal_jobs_.load(std::memory_order_relaxed) == 0) {
      for (const auto& [id, work] : work_) {
        if (!work.compaction_failure.ok()) return work.compaction_failure;
      }
      return Status::OK();
    }
    changed_.Wait(&mutex_);
  }
}

void Background::WaitToRetry(Trouble* trouble) {
  changed_.NotifyAll();
  mutex_.Unlock();
  RemoveUnusedTables();
  mutex_.Lock();
  trouble->retry_nanos =
      std::clamp(trouble->retry_nanos * 2, kRetryNanosMin, kRetryNanosMax);
  uint64_t end = config_.options.clock->MonotonicNanos() + trouble->retry_nanos;
  while (!is_stopping_.load(std::memory_order_relaxed) &&
         !trouble->failure.ok()) {
    uint64_t now = config_.options.clock->MonotonicNanos();
    if (now >= end) return;
    changed_.WaitFor(&mutex_, end - now);
  }
}

bool Background::ClearFailure() {
  MutexLock lock(&mutex_);
  const bool had_failed_flush = !flush_trouble_.failure.ok();
  flush_trouble_.End();
  compaction_trouble_.End();
  for (auto& [id, work] : work_) work.compaction_failure = Status::OK();
  Schedule();
  UpdateStallLocked();
  changed_.NotifyAll();
  return had_failed_flush;
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

void Background::ScheduleRemoval() noexcept {
  removal_jobs_.fetch_add(1, std::memory_order_relaxed);
  pool_->Schedule(WorkerPool::Priority::kRemoval, [this] {
    if (has_unused_wals_.exchange(false)) config_.remove_wals();
    RemoveUnusedTables();
    removal_jobs_.fetch_sub(1, std::memory_order_relaxed);
    MutexLock lock(&mutex_);
    changed_.NotifyAll();
  });
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
  if (!flush_trouble_.failure.ok()) return flush_trouble_.failure;
  if (!compaction_trouble_.failure.ok()) return compaction_trouble_.failure;
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
  activity.failures = flush_trouble_.failures + compaction_trouble_.failures;
  activity.flush_due =
      IsFlushDue(family, sealed_ordinal_.load(std::memory_order_acquire));
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
