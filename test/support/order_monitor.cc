#include "test/support/order_monitor.h"

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <optional>
#include <utility>

#include "src/base/coding.h"
#include "src/format/file_name.h"
#include "src/version/version_edit.h"
#include "src/wal/log_format.h"
#include "test/support/crash_oracle.h"

namespace paceline {

namespace {

std::string NameOf(const std::string& path) {
  return path.substr(path.rfind('/') + 1);
}

std::string DirectoryOf(const std::string& path) {
  return path.substr(0, path.rfind('/'));
}

bool IsType(const std::string& path, FileType type) {
  std::optional<ParsedFileName> parsed = ParseFileName(NameOf(path));
  return parsed && parsed->type == type;
}

uint64_t NumberOf(const std::string& path) {
  std::optional<ParsedFileName> parsed = ParseFileName(NameOf(path));
  return parsed ? parsed->number : 0;
}

// Batches begin with their ledger keys. One that is cut by the end of a block
// of the log is not found.
std::vector<uint64_t> BatchesIn(const std::string& bytes) {
  std::vector<uint64_t> ids;
  const size_t digits = LedgerKey(1).size() - 1;
  for (size_t at = bytes.find('L'); at != std::string::npos;
       at = bytes.find('L', at + 1)) {
    const std::string number = bytes.substr(at + 1, digits);
    const bool is_number =
        number.size() == digits &&
        number.find_first_not_of("0123456789") == std::string::npos;
    if (is_number) ids.push_back(std::strtoull(number.c_str(), nullptr, 10));
  }
  return ids;
}

// What an append to a log holds, put together from the pieces in its blocks.
std::string RecordIn(const SimEvent& append) {
  constexpr uint64_t kLengthOffset = 4;
  std::string record;
  uint64_t at = 0;
  while (true) {
    const uint64_t block_left =
        log::kBlockBytes - (append.offset + at) % log::kBlockBytes;
    if (block_left < log::kHeaderBytes) {
      at += block_left;
      continue;
    }
    if (at + log::kHeaderBytes > append.bytes.size()) return record;
    const auto length =
        DecodeFixed<uint16_t>(append.bytes.data() + at + kLengthOffset);
    at += log::kHeaderBytes;
    record.append(append.bytes, at, length);
    at += length;
  }
}

}  // namespace

OrderMonitor::OrderMonitor(const SimHistory& history) {
  for (const SimEvent& event : history.events()) {
    ++event_;
    See(event);
  }
  CheckSyncCount();
}

void OrderMonitor::Violate(const char* rule, const std::string& text) {
  violations_.push_back(std::string(rule) + " at event " +
                        std::to_string(event_) + ": " + text);
}

void OrderMonitor::See(const SimEvent& event) {
  using Kind = SimEvent::Kind;
  switch (event.kind) {
    case Kind::kCreate:
      files_[event.inode].path = event.path;
      inodes_[event.path] = event.inode;
      // A full WAL is synced once by itself.
      if (IsType(event.path, FileType::kWal)) ++wal_syncs_wanted_;
      break;
    case Kind::kAppend:
      SeeAppend(event);
      break;
    case Kind::kSyncBegin:
      if (files_[event.inode].has_failed) Violate("R5", "sync " + event.path);
      break;
    case Kind::kSyncEnd:
      SeeSync(event);
      break;
    case Kind::kSyncFailed:
      files_[event.inode].has_failed = true;
      break;
    case Kind::kSyncDirectory:
      SeeSyncDirectory(event.path);
      break;
    case Kind::kRename:
      SeeRename(event);
      break;
    case Kind::kRemove:
      SeeRemove(event);
      break;
    case Kind::kNote:
      SeeNote(event);
      break;
    case Kind::kAllocate:
    case Kind::kTruncate:
    case Kind::kClose:
    case Kind::kMakeDirectory:
    case Kind::kRemoveDirectory:
    case Kind::kDropCaches:
      break;
  }
}

void OrderMonitor::SeeNote(const SimEvent& event) {
  has_notes_ = true;
  auto note = static_cast<SimNote>(event.bytes[0]);
  if (note == SimNote::kWrittenSync) {
    CheckAcknowledged(event.value);
    ++wal_syncs_wanted_;
  }
  if (note == SimNote::kSyncing) ++wal_syncs_wanted_;
}

void OrderMonitor::CheckAcknowledged(uint64_t id) {
  auto append = batch_appends_.find(id);
  if (append == batch_appends_.end()) return;
  for (const auto& [inode, file] : files_) {
    if (!IsType(file.path, FileType::kWal) || file.unsynced.empty()) continue;
    if (!MayBeNeeded(NumberOf(file.path))) continue;
    if (file.unsynced.front() <= append->second) {
      Violate("R1", "batch " + std::to_string(id) +
                        " is acknowledged; not synced is " + file.path);
    }
  }
}

void OrderMonitor::SeeAppend(const SimEvent& event) {
  File& file = files_[event.inode];
  if (file.has_failed) Violate("R5", "append to " + event.path);
  file.unsynced.push_back(event_);
  file.has_bytes = true;
  if (IsType(event.path, FileType::kWal)) {
    for (uint64_t id : BatchesIn(event.bytes)) batch_appends_[id] = event_;
  }
  if (IsType(event.path, FileType::kTable) &&
      tables_named_.contains(NumberOf(event.path))) {
    Violate("R7", "append to the named table " + event.path);
  }
  if (IsType(event.path, FileType::kManifest)) SeeManifestRecord(event);
}

void OrderMonitor::SeeManifestRecord(const SimEvent& event) {
  const uint64_t number = NumberOf(event.path);
  if (current_ != 0 && number < current_) {
    Violate("R7", "append to the replaced " + event.path);
  }
  StatusOr<VersionEdit> edit = VersionEdit::Decode(RecordIn(event));
  if (!edit.ok()) return;
  Manifest& manifest = manifests_[number];
  for (const auto& added : edit->added_files) {
    CheckDurable(TableFileName(DirectoryOf(event.path), added.file.number),
                 "R2");
    manifest.named[added.file.number] = edit->family_id;
    manifest.deleted.erase(added.file.number);
    manifest.deleted_unsynced.erase(added.file.number);
    tables_named_.insert(added.file.number);
  }
  for (const auto& deleted : edit->deleted_files) {
    const bool is_moved =
        std::any_of(edit->added_files.begin(), edit->added_files.end(),
                    [&](const VersionEdit::AddedFile& added) {
                      return added.file.number == deleted.number;
                    });
    if (!is_moved) manifest.deleted_unsynced.insert(deleted.number);
  }
  if (edit->log_number) {
    manifest.log_numbers_unsynced[edit->family_id] = *edit->log_number;
  }
  if (edit->drops_family) {
    manifest.log_numbers_unsynced[edit->family_id] = UINT64_MAX;
    for (const auto& [table, family] : manifest.named) {
      if (family == edit->family_id) manifest.deleted_unsynced.insert(table);
    }
  }
}

void OrderMonitor::CheckDurable(const std::string& path, const char* rule) {
  auto inode = inodes_.find(path);
  if (inode == inodes_.end()) return;
  const File& file = files_[inode->second];
  if (!file.unsynced.empty()) Violate(rule, path + " is not synced");
  if (!file.is_name_durable) Violate(rule, "the name " + path + " is not");
}

void OrderMonitor::SeeSync(const SimEvent& event) {
  File& file = files_[event.inode];
  std::erase_if(file.unsynced,
                [&event](uint64_t append) { return append <= event.value; });
  if (IsType(file.path, FileType::kWal)) ++wal_syncs_;
  if (!IsType(file.path, FileType::kManifest)) return;
  Manifest& manifest = manifests_[NumberOf(file.path)];
  manifest.deleted.merge(manifest.deleted_unsynced);
  manifest.deleted_unsynced.clear();
  for (const auto& [family, number] : manifest.log_numbers_unsynced) {
    manifest.log_numbers[family] = number;
  }
  manifest.log_numbers_unsynced.clear();
}

void OrderMonitor::SeeSyncDirectory(const std::string& directory) {
  for (auto& [inode, file] : files_) {
    if (DirectoryOf(file.path) == directory) file.is_name_durable = true;
  }
  durable_current_ = current_;
}

void OrderMonitor::SeeRename(const SimEvent& event) {
  File& file = files_[event.inode];
  file.path = event.to_path;
  file.is_name_durable = false;
  inodes_.erase(event.path);
  inodes_[event.to_path] = event.inode;
  if (!IsType(event.to_path, FileType::kCurrent)) {
    // One that is kept aside counts no more.
    if (IsType(event.path, FileType::kWal)) SeeRemove(event);
    return;
  }
  if (!file.unsynced.empty()) Violate("R3", "CURRENT is not synced");
  // The newest MANIFEST: numbers grow.
  uint64_t newest = 0;
  std::string path;
  for (const auto& [manifest_path, inode] : inodes_) {
    if (!IsType(manifest_path, FileType::kManifest)) continue;
    if (NumberOf(manifest_path) < newest) continue;
    newest = NumberOf(manifest_path);
    path = manifest_path;
  }
  if (newest != 0) CheckDurable(path, "R3");
  current_ = newest;
}

std::set<uint64_t> OrderMonitor::PossibleManifests() const {
  std::set<uint64_t> possible = {current_, durable_current_};
  possible.erase(0);
  return possible;
}

std::optional<uint32_t> OrderMonitor::FamilyThatNeeds(
    uint64_t wal, const Manifest& manifest) {
  for (const auto& [family, log_number] : manifest.log_numbers) {
    if (log_number <= wal) return family;
  }
  return std::nullopt;
}

bool OrderMonitor::MayBeNeeded(uint64_t wal) const {
  const std::set<uint64_t> possible = PossibleManifests();
  return possible.empty() ||
         std::any_of(possible.begin(), possible.end(), [&](uint64_t number) {
           auto manifest = manifests_.find(number);
           return manifest == manifests_.end() ||
                  manifest->second.log_numbers.empty() ||
                  FamilyThatNeeds(wal, manifest->second).has_value();
         });
}

void OrderMonitor::SeeRemove(const SimEvent& event) {
  const uint64_t number = NumberOf(event.path);
  const std::set<uint64_t> possible = PossibleManifests();
  inodes_.erase(event.path);
  if (IsType(event.path, FileType::kManifest) && possible.contains(number)) {
    Violate("R3", event.path + " is removed and may be the current one");
  }
  for (uint64_t manifest_number : possible) {
    const Manifest& manifest = manifests_[manifest_number];
    if (IsType(event.path, FileType::kTable) &&
        manifest.named.contains(number) && !manifest.deleted.contains(number)) {
      Violate("R4", event.path + " is removed and needed");
    }
    if (!IsType(event.path, FileType::kWal)) continue;
    if (!files_[event.inode].has_bytes) continue;
    if (auto family = FamilyThatNeeds(number, manifest)) {
      Violate("R4", event.path + " is removed and needed by family " +
                        std::to_string(*family));
    }
  }
  files_.erase(event.inode);
}

void OrderMonitor::CheckSyncCount() {
  if (has_notes_ && wal_syncs_ > wal_syncs_wanted_) {
    Violate("R8", std::to_string(wal_syncs_) + " syncs of WALs for " +
                      std::to_string(wal_syncs_wanted_) + " that were wanted");
  }
}

}  // namespace paceline
