// The compactions of Background, by themselves and asked for.

#include <algorithm>
#include <cinttypes>
#include <utility>

#include "src/db/background.h"
#include "src/env/file_logger.h"

namespace paceline {

namespace {

// Without a flush for so many times what has been usual between two of them, no
// more files of level 0 are to be expected soon; within bounds.
constexpr uint64_t kPatientIntervals = 3;
constexpr uint64_t kPatienceNanosMin = 1'000'000'000;
constexpr uint64_t kPatienceNanosMax = 10'000'000'000;

// As an output level: the one that level 0 is merged into.
constexpr int kBaseLevel = -1;

bool HasAny(const std::vector<uint64_t>& numbers,
            const std::vector<uint64_t>& wanted) {
  return std::find_first_of(numbers.begin(), numbers.end(), wanted.begin(),
                            wanted.end()) != numbers.end();
}

// Nothing if the file has left the level.
std::optional<std::string> SmallestKeyOf(const Version& version, int level,
                                         uint64_t number) {
  for (const auto& file : version.files(level)) {
    if (file->number() == number) {
      return file->metadata().smallest_user_key().ToString();
    }
  }
  return std::nullopt;
}

bool IsDamage(const Status& s) {
  return s.IsCorruption() || s.IsNotSupported();
}

}  // namespace

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
    uint64_t patience = std::clamp(kPatientIntervals * flush_interval_.value(),
                                   kPatienceNanosMin, kPatienceNanosMax);
    // A single thread must not wait: the flushes need it.
    bool is_patient = waiting_for_idle_ == 0 && idle < patience &&
                      config_.options.max_background_jobs > 1;
    auto picked = Pick(is_patient, chosen);
    if (picked || !is_patient || !Pick(/*is_patient=*/false, chosen)) {
      return picked;
    }
    changed_.WaitFor(&mutex_, patience - idle);
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
    Status s = RunOne(chosen, *std::move(compaction));
    mutex_.Lock();
    if (s.ok()) {
      compaction_trouble_.End();
    } else if (!IsDamage(s) && !s.IsShutdownInProgress()) {
      compaction_trouble_.failure = s;
      UpdateStallLocked();
      WaitToRetry(&compaction_trouble_);
    }
  }
  --compaction_jobs_;
  Schedule();
  changed_.NotifyAll();
}

// The indexes and filters of what was merged are let go of before those of the
// new tables are loaded: both together would be a peak of the memory.
Status Background::RunOne(const std::shared_ptr<ColumnFamily>& family,
                          Compaction compaction) {
  CompactionResult result;
  Status s = compaction.is_trivial_move
                 ? MoveFiles(family, compaction)
                 : MergeFiles(family, compaction, &result);
  const bool has_failed = !s.ok() && !s.IsAborted() && !family->is_dropped();
  EndCompaction(family, compaction, s.ok() ? &result : nullptr,
                has_failed ? s : Status::OK());
  compaction = {};
  if (s.ok()) OpenTables(*family, result.files);
  return has_failed ? s : Status::OK();
}

void Background::EndCompaction(const std::shared_ptr<ColumnFamily>& family,
                               const Compaction& compaction,
                               const CompactionResult* result,
                               const Status& failure) {
  MutexLock lock(&mutex_);
  Work& work = WorkOf(*family);
  work.running.Remove(compaction);
  if (result != nullptr) NoteCompaction(&work, compaction, *result);
  if (!failure.ok() && !failure.IsShutdownInProgress()) {
    Log(logger_, "[%s] compaction of level %d failed: %s",
        family->name().c_str(), compaction.level, failure.ToString().c_str());
    ++compaction_trouble_.failures;
    if (IsDamage(failure)) work.compaction_failure = failure;
  }
  Schedule();
  UpdateStallLocked();
  changed_.NotifyAll();
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
  work->compaction_rate.Add(
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

// What comes into a level after its turn began is not waited for: writers may
// add to level 0 for ever.
Status Background::CompactRange(const CompactRangeOptions& options,
                                const std::shared_ptr<ColumnFamily>& family,
                                const Slice* begin, const Slice* end) noexcept {
  auto deepest = [&family] {
    return family->PinSuperVersion()->version->DeepestLevel();
  };
  auto did = CompactStep(family, 0, kBaseLevel, begin, end);
  for (int level = 1; did.ok() && level + 1 < kLevels; ++level) {
    auto wanted = FilesIn(*family, level, begin, end);
    while (did.ok() && level < deepest() &&
           HasAny(FilesIn(*family, level, begin, end), wanted)) {
      did = CompactStep(family, level, level + 1, begin, end);
      if (did.ok() && !*did) break;
    }
  }
  if (!did.ok()) return did.status();
  bool forces =
      options.bottommost_level_compaction == BottommostLevelCompaction::kForce;
  return forces && deepest() > 0 ? RewriteLevel(family, deepest(), begin, end)
                                 : Status::OK();
}

// File by file, as long as it is there: one step may take several. The files
// are known by their numbers, so that what a step replaces leaves the disk.
Status Background::RewriteLevel(const std::shared_ptr<ColumnFamily>& family,
                                int level, const Slice* begin,
                                const Slice* end) {
  for (uint64_t number : FilesIn(*family, level, begin, end)) {
    auto key =
        SmallestKeyOf(*family->PinSuperVersion()->version, level, number);
    if (!key) continue;
    Slice at(*key);
    auto did = CompactStep(family, level, level, &at, &at);
    if (!did.ok()) return did.status();
  }
  return Status::OK();
}

std::vector<uint64_t> Background::FilesIn(const ColumnFamily& family, int level,
                                          const Slice* begin,
                                          const Slice* end) {
  auto version = family.PinSuperVersion()->version;
  std::vector<uint64_t> numbers;
  for (const auto& file : version->Overlapping(level, begin, end)) {
    numbers.push_back(file->number());
  }
  return numbers;
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
  Status s = RunOne(family, *std::move(compaction));
  MutexLock lock(&mutex_);
  --manual_compactions_;
  changed_.NotifyAll();
  if (!s.ok()) return s;
  return true;
}

}  // namespace paceline
