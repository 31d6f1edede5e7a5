#include "src/db/recovery.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "src/compaction/flush_job.h"
#include "src/db/batch_inserter.h"
#include "src/env/file_logger.h"
#include "src/format/batch_reader.h"
#include "src/format/file_name.h"
#include "src/format/wal_predecessor.h"
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
         const ManifestState* state, const FamiliesById* families)
      : file_system_(file_system),
        logger_(logger),
        mode_(mode),
        first_live_log_(state->FirstLiveLog()),
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
  // Whether the WAL before this one has all that the first record says.
  Status CheckPredecessor(const LogReader& reader, const Slice& record);
  Status ReplayRecord(const LogReader& reader, const Slice& record,
                      bool* goes_on);
  Status OnDamage(const Status& damage);
  void Stop();

  FileSystem* const file_system_;
  Logger* const logger_;
  const WALRecoveryMode mode_;
  const uint64_t first_live_log_;
  std::set<uint64_t> replayed_logs_;
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
  bool is_first = true;
  Slice record;
  LogReader::Result read = LogReader::Result::kEnd;
  while (goes_on &&
         (read = reader.ReadRecord(&record)) == LogReader::Result::kRecord) {
    Status s;
    if (std::exchange(is_first, false)) s = CheckPredecessor(reader, record);
    if (s.ok()) s = ReplayRecord(reader, record, &goes_on);
    if (!s.ok()) return s;
  }
  replayed_logs_.insert(log_number);
  if (goes_on && read == LogReader::Result::kError) {
    Status s = reader.status();
    if (s.IsCorruption()) s = OnDamage(s);
    if (!s.ok()) return s;
  }
  if (reader.was_cut_short()) result_.is_clean = false;
  // Whether records were lost at the end of a recycled file cannot be told.
  if (mode_ == WALRecoveryMode::kPointInTimeRecovery &&
      reader.ended_at_other_log()) {
    Stop();
  }
  Log(logger_, "recovered WAL %llu: %llu records, up to sequence %llu%s",
      static_cast<unsigned long long>(log_number),
      static_cast<unsigned long long>(result_.records - records_before),
      static_cast<unsigned long long>(result_.last_sequence),
      reader.was_cut_short() ? ", incomplete" : "");
  return Status::OK();
}

// A power cut may take the end of a WAL that was not synced and leave the next
// one.
Status Replay::CheckPredecessor(const LogReader& reader, const Slice& record) {
  std::optional<WalPredecessor> before = WalPredecessor::Decode(record);
  if (!before || is_stopped_) return Status::OK();
  SequenceNumber found = expected_sequence_ == 0 ? 0 : expected_sequence_ - 1;
  if (before->log_number < first_live_log_ || before->last_sequence <= found) {
    return Status::OK();
  }
  Status damage = Status::Corruption(
      "WAL " + std::to_string(before->log_number) + " ends at sequence " +
          std::to_string(found) + " instead of " +
          std::to_string(before->last_sequence),
      "as the next one says: " + reader.path());
  // Its name was synced before anything was written to it, so a power cut
  // cannot have taken all of it.
  bool is_missing = !replayed_logs_.contains(before->log_number);
  if (is_missing && mode_ != WALRecoveryMode::kSkipAnyCorruptedRecords) {
    return damage;
  }
  Status s = OnDamage(damage);
  stopped_log_ = before->log_number;
  return s;
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
  *goes_on = MayContinue(reader, batch.sequence());
  if (!*goes_on) return Status::OK();
  InsertBatch(record, batch.sequence(), &sink_);
  ++result_.records;
  expected_sequence_ = batch.sequence() + batch.count();
  result_.last_sequence =
      std::max(result_.last_sequence, expected_sequence_ - 1);
  return Status::OK();
}

// OK if the mode goes on without what is damaged.
Status Replay::OnDamage(const Status& damage) {
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
  Stop();
  return Status::OK();
}

void Replay::Stop() {
  if (!is_stopped_) stopped_log_ = log_number_;
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
  Replay replay(file_system, logger, mode, &state, &families);
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
    auto flushed =
        FlushMemTables(output, options.clock, {},
                       {family->PinSuperVersion()->mutable_memtable});
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
    auto empty = std::make_shared<MemTable>(family->options().comparator);
    empty->set_first_wal(first_wal);
    family->Install(std::move(made[i++]), {});
    family->ReplaceMutableMemTable(std::move(empty));
  }
  return Status::OK();
}

}  // namespace paceline
