#include "src/db/recovery.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "src/compaction/flush_job.h"
#include "src/db/batch_inserter.h"
#include "src/env/file_logger.h"
#include "src/format/batch_reader.h"
#include "src/format/file_name.h"
#include "src/format/predecessor_note.h"
#include "src/wal/log_reader.h"

namespace paceline {

namespace {

// Passes over families that do not exist or have this WAL's entries already.
class ReplaySink final : public MemTableSink {
 public:
  ReplaySink(const ManifestState* state, const FamiliesById* families)
      : state_(state), families_(families) {}

  void set_log_number(uint64_t log_number) { log_number_ = log_number; }

  MemTable* MemTableOf(uint32_t family_id) override {
    auto found = families_->find(family_id);
    if (found == families_->end()) return nullptr;
    auto known = state_->families.find(family_id);
    if (known == state_->families.end() ||
        log_number_ < known->second.log_number) {
      return nullptr;
    }
    return found->second->mutable_memtable();
  }

 private:
  const ManifestState* const state_;
  const FamiliesById* const families_;
  uint64_t log_number_ = 0;
};

// Replays one WAL after the other and keeps what point-in-time recovery needs
// to know across them.
class Replay {
 public:
  Replay(FileSystem* file_system, Logger* logger, WALRecoveryMode mode,
         const ManifestState* state, std::vector<uint64_t> logs,
         const FamiliesById* families)
      : file_system_(file_system),
        logger_(logger),
        mode_(mode),
        first_live_log_(state->FirstLiveLog()),
        logs_(std::move(logs)),
        sink_(state, families) {
    result_.last_sequence = state->last_sequence;
  }

  Status ReplayFile(const std::string& path, uint64_t log_number);
  // Corruption if a column family has tables with data from behind the point
  // that recovery stopped at.
  Status CheckPointInTime(const ManifestState& state) const;
  [[nodiscard]] const ReplayResult& result() const { return result_; }

 private:
  // Whether the records of this WAL continue what was replayed, after a stop
  // in an earlier one.
  bool MayContinue(const LogReader& reader, SequenceNumber sequence);
  Status ReplayRecord(const LogReader& reader, const Slice& record,
                      bool* goes_on);
  // Corruption if the end of the WAL before this one is missing.
  Status CheckPredecessor(const LogReader& reader, const PredecessorNote& note);
  // Corruption if these are the bytes of another WAL.
  Status CheckOwnNumber(const LogReader& reader,
                        const PredecessorNote& note) const;
  // What CheckPredecessor() found.
  Status OnMissingEnd(const Status& damage, const PredecessorNote& note);
  // `log_number` is that of the WAL which is damaged.
  Status OnDamage(const Status& damage, uint64_t log_number);
  Status OnDamage(const Status& damage) {
    return OnDamage(damage, log_number_);
  }
  void Stop(uint64_t log_number);

  FileSystem* const file_system_;
  Logger* const logger_;
  const WALRecoveryMode mode_;
  const uint64_t first_live_log_;
  const std::vector<uint64_t> logs_;  // That there are, sorted.
  ReplaySink sink_;
  ReplayResult result_;
  // One past the last entry that was replayed; 0 before the first record.
  SequenceNumber expected_sequence_ = 0;
  // Point in time: an earlier WAL, of this number, ended too soon.
  bool is_stopped_ = false;
  uint64_t stopped_log_ = 0;
  uint64_t log_number_ = 0;
};

Status Replay::ReplayFile(const std::string& path, uint64_t log_number) {
  auto file = file_system_->NewSequentialFile(path);
  if (!file.ok()) return file.status();
  LogReader reader(
      {.file = *std::move(file), .path = path, .log_number = log_number},
      mode_);
  sink_.set_log_number(log_number);
  log_number_ = log_number;
  ++result_.wals;
  uint64_t records_before = result_.records;
  bool goes_on = true;
  Slice record;
  LogReader::Result read = LogReader::Result::kEnd;
  while (goes_on &&
         (read = reader.ReadRecord(&record)) == LogReader::Result::kRecord) {
    Status s = ReplayRecord(reader, record, &goes_on);
    if (!s.ok()) return s;
  }
  if (goes_on && read == LogReader::Result::kError) {
    Status s = reader.status();
    if (s.IsCorruption()) s = OnDamage(s);
    if (!s.ok()) return s;
  }
  if (reader.was_cut_short()) result_.is_clean = false;
  // Whether records were lost at the end of a recycled file cannot be told.
  if (mode_ == WALRecoveryMode::kPointInTimeRecovery &&
      reader.ended_at_other_log()) {
    Stop(log_number_);
  }
  Log(logger_, "recovered WAL %llu: %llu records, up to sequence %llu%s",
      static_cast<unsigned long long>(log_number),
      static_cast<unsigned long long>(result_.records - records_before),
      static_cast<unsigned long long>(result_.last_sequence),
      reader.was_cut_short() ? ", incomplete" : "");
  return Status::OK();
}

bool Replay::MayContinue(const LogReader& reader, SequenceNumber sequence) {
  if (!is_stopped_) return true;
  if (sequence == expected_sequence_) {
    is_stopped_ = false;
    return true;
  }
  result_.is_clean = false;
  Log(logger_,
      "left out %s: it begins at sequence %llu, recovery stopped in front of "
      "%llu",
      reader.path().c_str(), static_cast<unsigned long long>(sequence),
      static_cast<unsigned long long>(expected_sequence_));
  return false;
}

Status Replay::ReplayRecord(const LogReader& reader, const Slice& record,
                            bool* goes_on) {
  Status s = ValidateBatch(record);
  if (s.IsNotSupported()) {
    return Status::NotSupported(
        reader.path() + " at offset " + std::to_string(reader.offset()),
        s.message());
  }
  if (!s.ok()) {
    *goes_on = mode_ == WALRecoveryMode::kSkipAnyCorruptedRecords;
    return OnDamage(Status::Corruption(
        reader.path() + " at offset " + std::to_string(reader.offset()),
        s.message()));
  }
  BatchReader batch(record);
  bool is_hole = reader.follows_zero_fill() &&
                 batch.sequence() != expected_sequence_ &&
                 mode_ != WALRecoveryMode::kSkipAnyCorruptedRecords;
  if (is_hole) {
    *goes_on = false;
    return OnDamage(Status::Corruption(
        reader.path() + " at offset " + std::to_string(reader.offset()),
        "records are missing in front of sequence " +
            std::to_string(batch.sequence())));
  }
  // Elsewhere it is a caller's log data that looks like one.
  std::optional<PredecessorNote> note;
  if (reader.offset() == 0) note = PredecessorNote::FromRecord(record);
  if (note) {
    s = CheckOwnNumber(reader, *note);
    *goes_on = s.ok();
    if (!s.ok()) return OnDamage(s);
  }
  *goes_on = MayContinue(reader, batch.sequence());
  if (!*goes_on) return Status::OK();
  bool is_checked = mode_ != WALRecoveryMode::kSkipAnyCorruptedRecords;
  if (note && is_checked) {
    s = CheckPredecessor(reader, *note);
    *goes_on = s.ok();
    if (!s.ok()) return OnMissingEnd(s, *note);
  }
  InsertBatch(record, batch.sequence(), &sink_);
  ++result_.records;
  expected_sequence_ = batch.sequence() + batch.count();
  if (batch.count() > 0) {
    result_.last_sequence =
        std::max(result_.last_sequence, expected_sequence_ - 1);
    result_.end = {.wal_number = log_number_,
                   .last_sequence = expected_sequence_ - 1};
  }
  return Status::OK();
}

Status Replay::CheckPredecessor(const LogReader& reader,
                                const PredecessorNote& note) {
  // Where nothing was logged, nothing is missing.
  if (note.last_sequence == 0 || note.wal_number < first_live_log_ ||
      note.last_sequence < expected_sequence_) {
    return Status::OK();
  }
  std::string found = expected_sequence_ == 0
                          ? "nothing of it was found"
                          : "entries were found up to " +
                                std::to_string(expected_sequence_ - 1);
  return Status::Corruption(
      reader.path() + " follows WAL " + std::to_string(note.wal_number) +
          ", which is missing or cut short",
      "it ended at sequence " + std::to_string(note.last_sequence) + ", " +
          found);
}

Status Replay::CheckOwnNumber(const LogReader& reader,
                              const PredecessorNote& note) const {
  if (note.own_number == 0 || note.own_number == log_number_) {
    return Status::OK();
  }
  return Status::Corruption(reader.path(), "holds what was written to WAL " +
                                               std::to_string(note.own_number));
}

Status Replay::OnMissingEnd(const Status& damage, const PredecessorNote& note) {
  // The name of a WAL is durable before the next one is begun: no power cut
  // takes away a whole one. It was removed, or the MANIFEST that says so has
  // lost its end, and with it tables.
  if (!std::binary_search(logs_.begin(), logs_.end(), note.wal_number)) {
    result_.is_clean = false;
    Log(logger_, "missing WAL: %s", damage.ToString().c_str());
    return damage;
  }
  // Where a power cut took the end of an earlier WAL as well, no table is newer
  // than that: tables come after a sync of the WALs that are finished.
  return OnDamage(damage, note.wal_number);
}

// OK if the mode goes on without what is damaged.
Status Replay::OnDamage(const Status& damage, uint64_t log_number) {
  result_.is_clean = false;
  Log(logger_, "damaged WAL: %s", damage.ToString().c_str());
  switch (mode_) {
    case WALRecoveryMode::kTolerateCorruptedTailRecords:
    case WALRecoveryMode::kAbsoluteConsistency:
      return damage;
    case WALRecoveryMode::kSkipAnyCorruptedRecords:
      return Status::OK();
    case WALRecoveryMode::kPointInTimeRecovery:
      break;
  }
  Stop(log_number);
  return Status::OK();
}

void Replay::Stop(uint64_t log_number) {
  if (!is_stopped_) stopped_log_ = log_number;
  is_stopped_ = true;
}

Status Replay::CheckPointInTime(const ManifestState& state) const {
  if (!is_stopped_) return Status::OK();
  for (const auto& [id, family] : state.families) {
    if (family.log_number > stopped_log_ && !family.files.empty()) {
      return Status::Corruption(
          "WAL " + std::to_string(stopped_log_) +
              " is damaged, and tables hold newer data of column family " +
              family.name,
          "no point in time can be recovered");
    }
  }
  return Status::OK();
}

}  // namespace

StatusOr<ReplayResult> ReplayWals(FileSystem* file_system, Logger* logger,
                                  const std::string& directory,
                                  WALRecoveryMode mode,
                                  const ManifestState& state,
                                  const FamiliesById& families) {
  StatusOr<std::vector<std::string>> names =
      file_system->ListDirectory(directory);
  if (!names.ok()) return names.status();
  std::vector<uint64_t> logs;
  for (const std::string& name : *names) {
    std::optional<ParsedFileName> parsed = ParseFileName(name);
    if (parsed && parsed->type == FileType::kWal &&
        parsed->number >= state.FirstLiveLog()) {
      logs.push_back(parsed->number);
    }
  }
  std::sort(logs.begin(), logs.end());
  Replay replay(file_system, logger, mode, &state, logs, &families);
  for (uint64_t log : logs) {
    Status s = replay.ReplayFile(WalFileName(directory, log), log);
    if (!s.ok()) return s;
  }
  Status s = replay.CheckPointInTime(state);
  if (!s.ok()) return s;
  return replay.result();
}

Status FlushRecovered(const DBOptions& options, const std::string& directory,
                      VersionSet* versions, const FamiliesById& families,
                      SequenceNumber last_sequence) {
  // Taken before the tables' numbers, so that the next WAL is not below it.
  uint64_t first_wal = versions->NewFileNumber();
  VersionSet::Change change;
  for (const auto& [id, family] : families) {
    TableOutput::Config output;
    output.file_system = options.file_system;
    output.directory = directory;
    output.family = family.get();
    output.compression = family->options().compression;
    output.new_file_number = [versions] { return versions->NewFileNumber(); };
    output.now_seconds = options.clock->NowMicros() / 1'000'000;
    output.epoch_number = family->PinSuperVersion()->version->NextEpoch();
    Atomic<uint64_t> nobody_asks = 0;
    auto flushed = FlushMemTables(output, options.clock, {},
                                  {family->PinSuperVersion()->mutable_memtable},
                                  &nobody_asks);
    if (!flushed.ok()) return flushed.status();
    VersionEdit edit;
    edit.family_id = id;
    edit.log_number = first_wal;
    edit.last_sequence = last_sequence;
    if (flushed->file) edit.added_files.push_back({0, *flushed->file});
    change.edits.push_back(std::move(edit));
  }
  std::vector<std::shared_ptr<const Version>> made;
  change.prepare = [&](const ManifestState& state) {
    for (const auto& [id, family] : families) {
      auto version = family->MakeVersion(state.families.at(id));
      if (!version.ok()) return version.status();
      made.push_back(*std::move(version));
    }
    return Status::OK();
  };
  Status s = options.file_system->SyncDirectory(directory);
  if (s.ok()) s = versions->LogAndApply(std::move(change));
  if (!s.ok()) return s;
  size_t i = 0;
  for (const auto& [id, family] : families) {
    std::shared_ptr<MemTable> empty = family->NewMemTable();
    empty->set_first_wal(first_wal);
    family->Install(std::move(made[i++]), {});
    family->ReplaceMutableMemTable(std::move(empty));
  }
  return Status::OK();
}

}  // namespace paceline
