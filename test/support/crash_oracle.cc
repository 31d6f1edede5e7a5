#include "test/support/crash_oracle.h"

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <utility>

#include "src/base/check.h"
#include "src/base/coding.h"
#include "src/format/batch_reader.h"
#include "src/wal/log_reader.h"

namespace paceline {

namespace {

constexpr size_t kCommitsPerState = 32;

// A file that is a string.
class StringFile final : public SequentialFile {
 public:
  explicit StringFile(std::string bytes) : bytes_(std::move(bytes)) {}

  Status Read(size_t n, Slice* result, char* scratch) override {
    n = std::min(n, bytes_.size() - offset_);
    std::copy_n(bytes_.data() + offset_, n, scratch);
    offset_ += n;
    *result = Slice(scratch, n);
    return Status::OK();
  }

 private:
  const std::string bytes_;
  size_t offset_ = 0;
};

// Batches of several writers share a record; each begins with its ledger key.
void SplitRecord(const Slice& record,
                 std::vector<std::pair<uint64_t, SequenceNumber>>* batches) {
  BatchReader reader(record);
  BatchEntry entry;
  while (reader.Next(&entry)) {
    if (entry.kind != BatchEntry::Kind::kUpdate) continue;
    if (entry.family_id == 0 && entry.key.starts_with("L")) {
      batches->emplace_back(
          std::strtoull(entry.key.ToString().c_str() + 1, nullptr, 10), 0);
    }
    PL_CHECK(!batches->empty());
    batches->back().second = reader.entry_sequence();
  }
}

}  // namespace

uint64_t Note(SimFileSystem* files, SimNote note, uint64_t value,
              const std::string& bytes) {
  return files->Note(value, static_cast<char>(note) + bytes);
}

std::string LedgerKey(uint64_t id) {
  std::string digits = std::to_string(id);
  return "L" + std::string(8 - digits.size(), '0') + digits;
}

std::string EncodeOperations(const std::vector<ModelOperation>& operations) {
  std::string bytes;
  for (const ModelOperation& operation : operations) {
    bytes.push_back(static_cast<char>(operation.kind));
    PutLengthPrefixed(&bytes, operation.family);
    PutLengthPrefixed(&bytes, operation.key);
    PutLengthPrefixed(&bytes, operation.value);
  }
  return bytes;
}

namespace {

std::vector<ModelOperation> DecodeOperations(Slice bytes) {
  std::vector<ModelOperation> operations;
  while (!bytes.empty()) {
    ModelOperation operation;
    operation.kind = static_cast<ModelOperation::Kind>(bytes[0]);
    bytes.remove_prefix(1);
    Slice family;
    Slice key;
    Slice value;
    bool is_whole = GetLengthPrefixed(&bytes, &family) &&
                    GetLengthPrefixed(&bytes, &key) &&
                    GetLengthPrefixed(&bytes, &value);
    PL_CHECK(is_whole);
    operation.family = family.ToString();
    operation.key = key.ToString();
    operation.value = value.ToString();
    operations.push_back(std::move(operation));
  }
  return operations;
}

}  // namespace

CrashOracle::CrashOracle(const SimHistory* history, Model initial,
                         SequenceNumber sequence, bool is_new)
    : history_(history),
      initial_(std::move(initial)),
      initial_sequence_(sequence),
      is_new_(is_new) {
  ReadNotes();
  ReadWals();
}

void CrashOracle::ReadNotes() {
  using Kind = SimEvent::Kind;
  bool is_opening = false;
  for (size_t i = 0; i < history_->events().size(); ++i) {
    const SimEvent& event = history_->events()[i];
    bool is_hot = event.kind == Kind::kSyncEnd || event.kind == Kind::kRename ||
                  event.kind == Kind::kRemove ||
                  event.kind == Kind::kSyncDirectory ||
                  event.kind == Kind::kNote;
    if (is_hot) hot_events_.push_back(i + 1);
    if (is_opening) open_events_.push_back(i + 1);
    if (event.kind != Kind::kNote) continue;
    auto note = static_cast<SimNote>(event.bytes[0]);
    if (note == SimNote::kOpening) is_opening = true;
    if (note == SimNote::kOpened) is_opening = false;
    if (note != SimNote::kWriting) continue;
    Slice operations(event.bytes);
    operations.remove_prefix(1);
    batches_[event.value] = DecodeOperations(operations);
  }
}

void CrashOracle::ReadWals() {
  std::map<uint64_t, std::pair<std::string, std::string>> logs;
  for (const SimEvent& event : history_->events()) {
    if (event.kind != SimEvent::Kind::kAppend) continue;
    if (!event.path.ends_with(".log")) continue;
    auto& [path, bytes] = logs[event.inode];
    path = event.path;
    PL_CHECK(bytes.size() == event.offset);
    bytes += event.bytes;
  }
  std::vector<std::pair<uint64_t, SequenceNumber>> batches;
  for (auto& [inode, log] : logs) {
    LogReader reader(
        {.file = std::make_unique<StringFile>(std::move(log.second)),
         .path = log.first},
        WALRecoveryMode::kAbsoluteConsistency);
    Slice record;
    while (reader.ReadRecord(&record) == LogReader::Result::kRecord) {
      SplitRecord(record, &batches);
    }
    if (!reader.status().ok()) flaw_ = reader.status().ToString();
  }
  std::sort(batches.begin(), batches.end(),
            [](const auto& a, const auto& b) { return a.second < b.second; });
  SequenceNumber last = initial_sequence_;
  for (const auto& [id, last_sequence] : batches) {
    if (!batches_.contains(id)) {
      flaw_ = "batch " + std::to_string(id) + " was logged and never written";
      return;
    }
    Commit commit = {id, batches_.at(id), last_sequence};
    last += commit.operations.size();
    if (last != last_sequence) {
      flaw_ = "batch " + std::to_string(id) + " ends at sequence " +
              std::to_string(last_sequence) + " instead of " +
              std::to_string(last);
      return;
    }
    order_[id] = commits_.size();
    commits_.push_back(std::move(commit));
  }
  for (const SimEvent& event : history_->events()) {
    if (event.kind != SimEvent::Kind::kNote) continue;
    auto note = static_cast<SimNote>(event.bytes[0]);
    bool is_acknowledged =
        note == SimNote::kWritten || note == SimNote::kWrittenSync;
    if (is_acknowledged && !order_.contains(event.value)) {
      flaw_ = "batch " + std::to_string(event.value) +
              " was acknowledged and is in no WAL";
    }
  }
}

bool CrashOracle::MayBeMissing(size_t events) const {
  if (!is_new_) return false;
  for (size_t i = 0; i < events; ++i) {
    const SimEvent& event = history_->events()[i];
    if (event.kind == SimEvent::Kind::kNote &&
        event.bytes[0] == static_cast<char>(SimNote::kOpened)) {
      return false;
    }
  }
  return true;
}

CrashOracle::Bounds CrashOracle::BoundsAt(size_t events) const {
  Bounds bounds;
  for (const auto& [name, entries] : initial_.families()) {
    bounds.families.insert(name);
  }
  size_t acknowledged = 0;
  std::map<uint64_t, size_t> syncing;
  for (size_t i = 0; i < events; ++i) {
    const SimEvent& event = history_->events()[i];
    if (event.kind != SimEvent::Kind::kNote) continue;
    switch (static_cast<SimNote>(event.bytes[0])) {
      case SimNote::kWritten:
        acknowledged = std::max(acknowledged, order_.at(event.value) + 1);
        break;
      case SimNote::kWrittenSync:
        acknowledged = std::max(acknowledged, order_.at(event.value) + 1);
        bounds.commits_min =
            std::max(bounds.commits_min, order_.at(event.value) + 1);
        break;
      case SimNote::kSyncing:
        syncing[event.value] = acknowledged;
        break;
      case SimNote::kSynced:
        bounds.commits_min =
            std::max(bounds.commits_min, syncing.at(event.value));
        break;
      case SimNote::kCreating:
        bounds.open_families.insert(event.bytes.substr(1));
        break;
      case SimNote::kCreated:
        bounds.open_families.erase(event.bytes.substr(1));
        bounds.families.insert(event.bytes.substr(1));
        break;
      case SimNote::kDropping:
        bounds.families.erase(event.bytes.substr(1));
        bounds.open_families.insert(event.bytes.substr(1));
        break;
      case SimNote::kDropped:
        bounds.open_families.erase(event.bytes.substr(1));
        break;
      case SimNote::kOpening:
      case SimNote::kOpened:
      case SimNote::kWriting:
        break;
    }
  }
  return bounds;
}

Model CrashOracle::StateAfter(size_t commits) const {
  auto apply = [](const Commit& commit, Model* model) {
    for (const ModelOperation& operation : commit.operations) {
      model->CreateFamily(operation.family);
      model->Apply(operation);
    }
  };
  if (states_.empty()) states_.push_back(initial_);
  while (commits / kCommitsPerState >= states_.size()) {
    Model next = states_.back();
    size_t begin = (states_.size() - 1) * kCommitsPerState;
    for (size_t i = 0; i < kCommitsPerState; ++i) {
      apply(commits_[begin + i], &next);
    }
    states_.push_back(std::move(next));
  }
  Model model = states_[commits / kCommitsPerState];
  for (size_t i = commits / kCommitsPerState * kCommitsPerState; i < commits;
       ++i) {
    apply(commits_[i], &model);
  }
  return model;
}

std::string CrashOracle::Check(size_t events, const TestDatabase& database,
                               Model* found, SequenceNumber* sequence) const {
  const Contents contents = database.ReadAll();
  size_t count = 0;
  std::string value;
  while (count < commits_.size()) {
    const Status status =
        database->Get({}, LedgerKey(commits_[count].id), &value);
    if (status.IsNotFound()) break;
    if (!status.ok()) return status.ToString();
    ++count;
  }
  const Bounds bounds = BoundsAt(events);
  if (count < bounds.commits_min) {
    return "found " + std::to_string(count) + " commits, but " +
           std::to_string(bounds.commits_min) + " must survive";
  }
  // Anything beyond the first commit that is missing shows as a difference.
  *found = StateAfter(count);
  for (const std::string& name : database.FamilyNames()) {
    if (!bounds.families.contains(name) &&
        !bounds.open_families.contains(name)) {
      return "family " + name + " is back, or was never made";
    }
    found->CreateFamily(name);
  }
  for (const std::string& name : bounds.families) {
    if (database.Family(name) == nullptr) return "family " + name + " is lost";
  }
  std::vector<std::string> gone;
  for (const auto& [name, entries] : found->families()) {
    if (database.Family(name) == nullptr) gone.push_back(name);
  }
  for (const std::string& name : gone) found->DropFamily(name);
  std::string difference = Difference(ContentsOf(*found), contents);
  if (!difference.empty()) {
    return "after " + std::to_string(count) + " of " +
           std::to_string(commits_.size()) + " commits (" +
           std::to_string(bounds.commits_min) + " must survive): " + difference;
  }
  *sequence = database->GetLatestSequenceNumber();
  const SequenceNumber expected =
      count == 0 ? initial_sequence_ : commits_[count - 1].last_sequence;
  if (*sequence != expected) {
    return "the last sequence number is " + std::to_string(*sequence) +
           " instead of " + std::to_string(expected);
  }
  return "";
}

}  // namespace paceline
