// The flushes of Background.

#include <algorithm>
#include <cinttypes>
#include <utility>

#include "src/db/background.h"
#include "src/env/file_logger.h"

namespace paceline {

namespace {

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

// What was sealed first, so that a family that is written to all the time does
// not keep others, and the WALs that these need, waiting.
std::vector<Background::FamilyFlush> Background::TakeFlush() {
  // In this order: what is taken of a seal is taken together if it must be.
  const uint64_t sealed = sealed_ordinal_.load(std::memory_order_acquire);
  const uint64_t together = together_ordinal_.load(std::memory_order_acquire);
  std::vector<FamilyFlush> flushes;
  bool is_together = config_.options.atomic_flush;
  std::shared_ptr<ColumnFamily> first;
  uint64_t first_ordinal = UINT64_MAX;
  for (const auto& family : config_.families->All()) {
    auto version = family->PinSuperVersion();
    if (version->sealed_memtables.empty()) continue;
    uint64_t ordinal = version->sealed_memtables.back()->seal_ordinal();
    is_together |= ordinal <= together;
    if (ordinal < first_ordinal && IsFlushDue(*family, sealed)) {
      first = family;
      first_ordinal = ordinal;
    }
  }
  for (const auto& family : config_.families->All()) {
    bool is_chosen =
        is_together ? IsFlushDue(*family, sealed) : family == first;
    if (is_chosen) flushes.push_back(TakeFlushOf(family, sealed));
  }
  return flushes;
}

Background::FamilyFlush Background::TakeFlushOf(
    const std::shared_ptr<ColumnFamily>& family, uint64_t sealed_ordinal) {
  FamilyFlush flush;
  flush.family = family;
  auto version = family->PinSuperVersion();
  for (const auto& memtable : version->sealed_memtables) {
    if (memtable->seal_ordinal() > sealed_ordinal) continue;
    flush.memtables.push_back(memtable);
    flush.memtable_bytes += memtable->UsedBytes();
    flush.memtable_entries += memtable->entries();
  }
  Work& work = WorkOf(*family);
  work.is_flushing = true;
  work.flushing_bytes = flush.memtable_bytes;
  work.flushing_entries = flush.memtable_entries;
  work.flushing_ordinal = flush.memtables.back()->seal_ordinal();
  work.flushed_entries.store(0, std::memory_order_relaxed);
  work.flushed_entries_seen = 0;
  work.flush_got_on_nanos = config_.options.clock->MonotonicNanos();
  flush.entries_read = &work.flushed_entries;
  return flush;
}

void Background::RunFlushJob() {
  MutexLock lock(&mutex_);
  while (!is_stopping_.load(std::memory_order_relaxed)) {
    std::vector<FamilyFlush> flushes = TakeFlush();
    if (flushes.empty()) break;
    mutex_.Unlock();
    Status s = Flush(&flushes);
    mutex_.Lock();
    EndFlush(flushes, s);
    if (!s.ok() && !s.IsAborted()) WaitToRetry(&flush_trouble_);
    // A family that was dropped meanwhile may end here, with its memtables.
    mutex_.Unlock();
    flushes.clear();
    mutex_.Lock();
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
    Log(logger_,
        "[%s] flush of %zu sealed memtables begins: %" PRIu64
        " entries, %" PRIu64 " bytes, from WAL %" PRIu64 " on",
        family.name().c_str(), flush.memtables.size(), flush.memtable_entries,
        flush.memtable_bytes, flush.memtables.back()->first_wal());
    TableOutput::Config output = OutputConfig(family);
    output.priority = RateLimiter::Priority::kHigh;
    output.epoch_number = family.PinSuperVersion()->version->NextEpoch();
    auto result = FlushMemTables(output, config_.options.clock, snapshots,
                                 flush.memtables, flush.entries_read);
    if (result.ok()) {
      flush.result = *std::move(result);
    } else {
      s = result.status();
    }
  }
  if (s.ok()) {
    s = CommitFlush(*flushes);
  } else {
    // Of the families before the one that failed. Nothing names them.
    for (const FamilyFlush& flush : *flushes) {
      if (flush.result.file) config_.unused->Add(flush.result.file->number);
    }
  }
  for (FamilyFlush& flush : *flushes) {
    Log(logger_, "[%s] flushed %zu memtables, %" PRIu64 " bytes, to %s: %s",
        flush.family->name().c_str(), flush.memtables.size(),
        flush.memtable_bytes,
        flush.result.file
            ? ("table " + std::to_string(flush.result.file->number)).c_str()
            : "nothing",
        s.ToString().c_str());
    if (!s.ok()) continue;
    // The next ones are being filled: those that nobody reads any more end now.
    flush.memtables.clear();
    if (flush.result.file) OpenTables(*flush.family, {*flush.result.file});
  }
  if (s.ok()) {
    config_.wals_released(config_.versions->FirstLiveLog());
    has_unused_wals_.store(true);
    ScheduleRemoval();
  }
  return s;
}

Status Background::CommitFlush(const std::vector<FamilyFlush>& flushes) {
  VersionSet::Change change;
  std::vector<FileMetaData> files;
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
    change.edits.push_back(std::move(edit));
  }
  if (Status s = SyncWalsOfOthers(change.edits); !s.ok()) return s;
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

Status Background::SyncWalsOfOthers(const std::vector<VersionEdit>& edits) {
  auto [least, greatest] = std::minmax_element(
      edits.begin(), edits.end(), [](const auto& a, const auto& b) {
        return *a.log_number < *b.log_number;
      });
  bool agree =
      least == edits.end() || *least->log_number == *greatest->log_number;
  return agree ? Status::OK() : config_.sync_full_wals();
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
    work.flush_rate.Add(PerSecond(flush.memtable_bytes, flush.result.micros));
  }
  uint64_t now = config_.options.clock->MonotonicNanos();
  if (last_flush_nanos_ != 0) {
    flush_interval_.Add(now - last_flush_nanos_);
  }
  last_flush_nanos_ = now;
  // Aborted: a column family was dropped meanwhile; the others are due again.
  if (status.ok()) {
    flush_trouble_.End();
  } else if (!status.IsAborted()) {
    flush_trouble_.failure = status;
    ++flush_trouble_.failures;
  }
  Schedule();
  UpdateStallLocked();
  changed_.NotifyAll();
}

bool Background::IsAnyPending(const AwaitedFlushes& awaited) const {
  for (const auto& [family, ordinal] : awaited) {
    if (family->is_dropped()) continue;
    // The memtables are gone before the flush is over, and counted.
    auto work = work_.find(family->id());
    if (work != work_.end() && work->second.is_flushing &&
        work->second.flushing_ordinal <= ordinal) {
      return true;
    }
    auto version = family->PinSuperVersion();
    if (!version->sealed_memtables.empty() &&
        version->sealed_memtables.back()->seal_ordinal() <= ordinal) {
      return true;
    }
  }
  return false;
}

Status Background::WaitForFlush(const ColumnFamilySet::Families& families) {
  AwaitedFlushes awaited;
  MutexLock lock(&mutex_);
  for (const auto& family : families) {
    uint64_t ordinal = 0;
    auto version = family->PinSuperVersion();
    if (!version->sealed_memtables.empty()) {
      ordinal = version->sealed_memtables.front()->seal_ordinal();
    }
    auto work = work_.find(family->id());
    if (work != work_.end() && work->second.is_flushing) {
      ordinal = std::max(ordinal, work->second.flushing_ordinal);
    }
    awaited.emplace_back(family, ordinal);
  }
  // One that runs already may fail for what has been mended since it began.
  uint64_t failures_passed_over = flush_trouble_.failures;
  for (const auto& [id, work] : work_) {
    if (!work.is_flushing) continue;
    ++failures_passed_over;
    break;
  }
  while (IsAnyPending(awaited)) {
    if (is_stopping_.load(std::memory_order_relaxed)) {
      return Status::ShutdownInProgress("the DB is being closed");
    }
    if (flush_trouble_.failures > failures_passed_over &&
        !flush_trouble_.failure.ok()) {
      return flush_trouble_.failure;
    }
    changed_.Wait(&mutex_);
  }
  return Status::OK();
}

}  // namespace paceline
