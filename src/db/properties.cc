// The properties of a DB, by RocksDB's names.

#include <cinttypes>
#include <cstdio>
#include <functional>
#include <map>
#include <string>
#include <utility>

#include "src/db/db_impl.h"

namespace paceline {

namespace {

uint64_t SumOverMemTables(const SuperVersion& version, bool with_mutable,
                          bool with_sealed,
                          uint64_t (*value)(const MemTable&)) {
  uint64_t sum = 0;
  if (with_mutable) sum += value(*version.mutable_memtable);
  if (with_sealed) {
    for (const auto& sealed : version.sealed_memtables) sum += value(*sealed);
  }
  return sum;
}

uint64_t Entries(const MemTable& memtable) { return memtable.entries(); }
uint64_t Deletions(const MemTable& memtable) { return memtable.deletions(); }
uint64_t Memory(const MemTable& memtable) { return memtable.MemoryUsage(); }

// Properties of one column family, from its SuperVersion.
using FamilyProperty = std::function<uint64_t(const SuperVersion&)>;

const std::map<std::string, FamilyProperty, std::less<>>& FamilyProperties() {
  auto sum = [](bool with_mutable, bool with_sealed,
                uint64_t (*value)(const MemTable&)) {
    return [=](const SuperVersion& version) {
      return SumOverMemTables(version, with_mutable, with_sealed, value);
    };
  };
  static const auto* const properties =
      new std::map<std::string, FamilyProperty, std::less<>>{
          {"rocksdb.num-immutable-mem-table",
           [](const SuperVersion& version) {
             return uint64_t{version.sealed_memtables.size()};
           }},
          {"rocksdb.cur-size-active-mem-table", sum(true, false, Memory)},
          {"rocksdb.cur-size-all-mem-tables", sum(true, true, Memory)},
          {"rocksdb.size-all-mem-tables", sum(true, true, Memory)},
          {"rocksdb.num-entries-active-mem-table", sum(true, false, Entries)},
          {"rocksdb.num-entries-imm-mem-tables", sum(false, true, Entries)},
          {"rocksdb.num-deletes-active-mem-table", sum(true, false, Deletions)},
          {"rocksdb.num-deletes-imm-mem-tables", sum(false, true, Deletions)},
          {"rocksdb.estimate-num-keys", [](const SuperVersion& version) {
             // A deletion is an entry and takes another one away.
             uint64_t entries = SumOverMemTables(version, true, true, Entries);
             uint64_t deletions =
                 SumOverMemTables(version, true, true, Deletions);
             return entries > 2 * deletions ? entries - 2 * deletions : 0;
           }}};
  return *properties;
}

std::string Line(const char* name, uint64_t value) {
  char line[128];
  std::snprintf(line, sizeof(line), "%-28s %" PRIu64 "\n", name, value);
  return line;
}

}  // namespace

bool DBImpl::GetIntProperty(ColumnFamilyHandle* family, const Slice& property,
                            uint64_t* value) {
  std::string_view name = property;
  if (name == "rocksdb.num-snapshots") {
    *value = snapshots_.size();
    return true;
  }
  if (name == "rocksdb.oldest-snapshot-sequence") {
    *value = snapshots_.oldest();
    return true;
  }
  if (name == "rocksdb.is-write-stopped") {
    *value = write_path_ != nullptr && write_path_->is_stopped() ? 1 : 0;
    return true;
  }
  if (name == "rocksdb.background-errors") {
    *value = write_path_ != nullptr && !write_path_->failure().ok() ? 1 : 0;
    return true;
  }
  if (name == "rocksdb.min-log-number-to-keep") {
    *value = versions_->state().FirstLiveLog();
    return true;
  }
  auto found = FamilyProperties().find(name);
  if (found == FamilyProperties().end()) return false;
  auto resolved = Resolve(family);
  if (!resolved.ok()) return false;
  *value = found->second(*(*resolved)->PinSuperVersion());
  return true;
}

bool DBImpl::GetProperty(ColumnFamilyHandle* family, const Slice& property,
                         std::string* value) {
  if (property == Slice("rocksdb.stats")) {
    *value = StatsText();
    return true;
  }
  uint64_t number = 0;
  if (!GetIntProperty(family, property, &number)) return false;
  *value = std::to_string(number);
  return true;
}

std::string DBImpl::StatsText() const {
  Metrics metrics = GetMetrics();
  std::string text;
  text += Line("commits", metrics.commits);
  text += Line("entries", metrics.entries);
  text += Line("groups", metrics.groups);
  text += Line("groups inserted in parallel", metrics.parallel_groups);
  text += Line("commits with sync", metrics.sync_commits);
  text += Line("WAL records", metrics.wal_records);
  text += Line("WAL bytes", metrics.wal_bytes);
  text += Line("WAL syncs", metrics.wal_syncs);
  text += Line("WALs", metrics.wal_switches);
  text += Line("WALs that were waited for", metrics.wal_switch_waits);
  text += Line("stalls", metrics.stalls);
  text += Line("stall micros", metrics.stall_micros);
  return text;
}

}  // namespace paceline
