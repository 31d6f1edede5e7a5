// The properties of a DB, by RocksDB's names. docs/architecture.md lists them.

#include <charconv>
#include <cinttypes>
#include <cstdio>
#include <iterator>
#include <string>
#include <utility>

#include "src/compaction/compaction_picker.h"
#include "src/db/db_impl.h"
#include "src/db/level_text.h"

namespace paceline {

namespace {

// What a property is about.
struct Subject {
  const ColumnFamily& family;
  const SuperVersion& super_version;
  const Background* background;  // Null if the DB is read-only.

  [[nodiscard]] const Version& version() const {
    return *super_version.version;
  }
  [[nodiscard]] Background::Activity activity() const {
    return background == nullptr ? Background::Activity()
                                 : background->activity(family);
  }
};

// Nothing: it cannot be told at present.
using Number = std::optional<uint64_t>;

// --- Memtables -------------------------------------------------------------

uint64_t Entries(const MemTable& memtable) { return memtable.entries(); }
uint64_t Deletions(const MemTable& memtable) { return memtable.deletions(); }
uint64_t Memory(const MemTable& memtable) { return memtable.MemoryUsage(); }

using OfMemTable = uint64_t(const MemTable&);

template <OfMemTable value>
Number OfMutable(const Subject& subject) {
  return value(*subject.super_version.mutable_memtable);
}

template <OfMemTable value>
Number OfSealed(const Subject& subject) {
  uint64_t sum = 0;
  for (const auto& sealed : subject.super_version.sealed_memtables) {
    sum += value(*sealed);
  }
  return sum;
}

template <OfMemTable value>
Number OfAll(const Subject& subject) {
  return *OfMutable<value>(subject) + *OfSealed<value>(subject);
}

// --- Tables ----------------------------------------------------------------

// What tables say about themselves, in sum.
struct TableCounts {
  uint64_t bytes = 0;
  uint64_t entries = 0;
  uint64_t deletions = 0;

  void Add(const LiveTable& file, const LiveTable::Open& table) {
    bytes += file.size();
    entries += table->properties().num_entries;
    deletions += table->properties().num_deletions;
  }
};

// Of the tables that are open, or of one if none is: with a limit on open
// tables, opening all of them for a number that is watched would cost reads
// and push those out that are in use.
StatusOr<TableCounts> CountOpenTables(const Version& version) {
  TableCounts counts;
  const LiveTable* any = nullptr;
  for (int level = 0; level < kLevels; ++level) {
    for (const auto& file : version.files(level)) {
      LiveTable::Open table = file->FindOpen();
      if (table.reader != nullptr) counts.Add(*file, table);
      any = file.get();
    }
  }
  if (any == nullptr || counts.bytes > 0) return counts;
  auto table = any->Get();
  if (!table.ok()) return table.status();
  counts.Add(*any, *table);
  return counts;
}

// A deletion is an entry and takes another one away. Tables that are not open
// are taken to be like the others.
Number EstimatedKeys(const Subject& subject) {
  auto counts = CountOpenTables(subject.version());
  if (!counts.ok()) return std::nullopt;
  const uint64_t bytes = subject.version().TotalBytes();
  auto in_all = [&](uint64_t counted) {
    if (counts->bytes == bytes || counts->bytes == 0) return counted;
    return static_cast<uint64_t>(static_cast<double>(counted) *
                                 static_cast<double>(bytes) /
                                 static_cast<double>(counts->bytes));
  };
  uint64_t entries = *OfAll<Entries>(subject) + in_all(counts->entries);
  uint64_t deletions = *OfAll<Deletions>(subject) + in_all(counts->deletions);
  return entries > 2 * deletions ? entries - 2 * deletions : 0;
}

// The deepest level, and what lies above without overlapping any of it that
// was counted: what is overlapped may be a newer version of the same keys.
Number EstimatedLiveBytes(const Subject& subject) {
  const Version& version = subject.version();
  LiveTables counted;
  uint64_t bytes = 0;
  for (int level = kLevels - 1; level >= 0; --level) {
    const size_t counted_below = counted.size();
    const LiveTables& files = version.files(level);
    // Level 0: the oldest first.
    for (auto file = files.rbegin(); file != files.rend(); ++file) {
      const Slice begin = (*file)->metadata().smallest_user_key();
      const Slice end = (*file)->metadata().largest_user_key();
      const size_t candidates = level == 0 ? counted.size() : counted_below;
      bool overlaps = false;
      for (size_t i = 0; i < candidates && !overlaps; ++i) {
        overlaps = Overlaps(version.comparator(), counted[i]->metadata(),
                            &begin, &end);
      }
      if (overlaps) continue;
      bytes += (*file)->size();
      counted.push_back(*file);
    }
  }
  return bytes;
}

Number ReaderMemory(const Subject& subject) {
  uint64_t bytes = 0;
  for (int level = 0; level < kLevels; ++level) {
    for (const auto& file : subject.version().files(level)) {
      bytes += file->ReaderMemory();
    }
  }
  return bytes;
}

template <size_t (Cache::*value)() const>
Number OfBlockCache(const Subject& subject) {
  const auto& cache = subject.family.tables().block_cache;
  if (cache == nullptr) return std::nullopt;
  return ((*cache).*value)();
}

struct NumberProperty {
  std::string_view name;
  Number (*value)(const Subject&);
};

constexpr NumberProperty kNumbers[] = {
    {"rocksdb.num-immutable-mem-table",
     [](const Subject& subject) {
       return Number(subject.super_version.sealed_memtables.size());
     }},
    {"rocksdb.cur-size-active-mem-table", OfMutable<Memory>},
    {"rocksdb.cur-size-all-mem-tables", OfAll<Memory>},
    {"rocksdb.size-all-mem-tables",
     [](const Subject& subject) {
       return Number(*OfAll<Memory>(subject) +
                     subject.family.FlushedMemTableBytes());
     }},
    {"rocksdb.num-entries-active-mem-table", OfMutable<Entries>},
    {"rocksdb.num-entries-imm-mem-tables", OfSealed<Entries>},
    {"rocksdb.num-deletes-active-mem-table", OfMutable<Deletions>},
    {"rocksdb.num-deletes-imm-mem-tables", OfSealed<Deletions>},
    {"rocksdb.estimate-num-keys", EstimatedKeys},
    {"rocksdb.estimate-live-data-size", EstimatedLiveBytes},
    {"rocksdb.estimate-table-readers-mem", ReaderMemory},
    {"rocksdb.live-sst-files-size",
     [](const Subject& subject) {
       return Number(subject.version().TotalBytes());
     }},
    {"rocksdb.total-sst-files-size",
     [](const Subject& subject) {
       return Number(
           subject.family.tables().live_bytes->load(std::memory_order_relaxed));
     }},
    {"rocksdb.num-live-versions",
     [](const Subject& subject) {
       return Number(subject.family.tables().live_versions->load(
           std::memory_order_relaxed));
     }},
    {"rocksdb.current-super-version-number",
     [](const Subject& subject) {
       return Number(subject.family.super_version_number());
     }},
    {"rocksdb.block-cache-capacity", OfBlockCache<&Cache::GetCapacity>},
    {"rocksdb.block-cache-usage", OfBlockCache<&Cache::GetUsage>},
    {"rocksdb.block-cache-pinned-usage", OfBlockCache<&Cache::GetPinnedUsage>},
    {"rocksdb.base-level",
     [](const Subject& subject) {
       return Number(
           ComputeLevelTargets(subject.version(), subject.family.options())
               .base_level);
     }},
    {"rocksdb.estimate-pending-compaction-bytes",
     [](const Subject& subject) {
       return Number(
           PendingCompactionBytes(subject.version(), subject.family.options()));
     }},
    {"rocksdb.mem-table-flush-pending",
     [](const Subject& subject) {
       return Number(subject.activity().flush_due ? 1 : 0);
     }},
    {"rocksdb.compaction-pending",
     [](const Subject& subject) {
       return Number(subject.activity().compaction_due ? 1 : 0);
     }},
    {"rocksdb.num-running-flushes",
     [](const Subject& subject) { return Number(subject.activity().flushes); }},
    {"rocksdb.num-running-compactions",
     [](const Subject& subject) {
       return Number(subject.activity().compactions);
     }},
};

Number NumberOf(const Subject& subject, std::string_view name) {
  for (const NumberProperty& property : kNumbers) {
    if (name == property.name) return property.value(subject);
  }
  return std::nullopt;
}

// The level at the end of a name that begins with `prefix`.
std::optional<int> LevelOf(std::string_view name, std::string_view prefix) {
  if (!name.starts_with(prefix)) return std::nullopt;
  name.remove_prefix(prefix.size());
  int level = -1;
  auto [end, error] =
      std::from_chars(name.data(), name.data() + name.size(), level);
  bool is_level = error == std::errc() && end == name.data() + name.size() &&
                  level >= 0 && level < kLevels;
  return is_level ? std::optional(level) : std::nullopt;
}

std::string Line(const char* name, uint64_t value) {
  char line[128];
  std::snprintf(line, sizeof(line), "%-28s %" PRIu64 "\n", name, value);
  return line;
}

const char* CauseName(StallCause cause) {
  switch (cause) {
    case StallCause::kMemtables:
      return "memtables";
    case StallCause::kLevel0:
      return "level 0";
    case StallCause::kPendingCompaction:
      return "pending compaction";
    case StallCause::kLocked:
      return "locked";
  }
  return "unknown";
}

std::string StallText(const Metrics& metrics) {
  std::string text = "** Delays and stops **\n";
  for (const StallMetrics& stall : metrics.stalls_by_cause) {
    char numbers[192];
    std::snprintf(numbers, sizeof(numbers),
                  ": %" PRIu64 " delays of %" PRIu64 " micros, %" PRIu64
                  " stops of %" PRIu64 " micros\n",
                  stall.delays, stall.delay_micros, stall.stops,
                  stall.stop_micros);
    text += CauseName(stall.cause);
    if (!stall.family.empty()) text += " [" + stall.family + "]";
    text += numbers;
  }
  if (metrics.stalls_by_cause.empty()) text += "none\n";
  return text;
}

// Where RocksDB has "with ongoing compaction" and an interval as well, which
// are not counted here.
std::string WriteStallText(const Metrics& metrics, const std::string& family) {
  struct Counts {
    uint64_t delays = 0;
    uint64_t stops = 0;
  };
  Counts memtables;
  Counts level0;
  Counts pending;
  Counts total;
  for (const StallMetrics& stall : metrics.stalls_by_cause) {
    if (stall.cause == StallCause::kLocked || stall.family != family) continue;
    Counts* of_cause = stall.cause == StallCause::kMemtables ? &memtables
                       : stall.cause == StallCause::kLevel0  ? &level0
                                                             : &pending;
    for (Counts* counts : {of_cause, &total}) {
      counts->delays += stall.delays;
      counts->stops += stall.stops;
    }
  }
  auto part = [](const std::string& name, const Counts& counts) {
    return name + "-delays: " + std::to_string(counts.delays) + ", " + name +
           "-stops: " + std::to_string(counts.stops);
  };
  return "Write Stall (count): " + part("l0-file-count-limit", level0) + ", " +
         part("memtable-limit", memtables) + ", " +
         part("pending-compaction-bytes", pending) + ", " +
         part("total", total) + "\n";
}

}  // namespace

// Those that are the same for every column family.
std::optional<uint64_t> DBImpl::IntPropertyOfDb(std::string_view name) const {
  if (name == "rocksdb.num-snapshots") return snapshots_.size();
  if (name == "rocksdb.oldest-snapshot-sequence") return snapshots_.oldest();
  if (name == "rocksdb.min-log-number-to-keep") {
    return versions_->FirstLiveLog();
  }
  if (name == "rocksdb.obsolete-sst-files-size") {
    return tables_.unused->bytes();
  }
  // Nothing turns them off.
  if (name == "rocksdb.is-file-deletions-enabled") return 1;
  if (name == "rocksdb.is-write-stopped") {
    return write_path_ != nullptr && write_path_->is_stopped() ? 1 : 0;
  }
  if (name == "rocksdb.actual-delayed-write-rate") {
    return write_path_ == nullptr ? 0 : write_path_->delayed_write_rate();
  }
  if (name == "rocksdb.background-errors") {
    if (write_path_ == nullptr) return 0;
    return background_->activity(*default_family_).failures +
           (write_path_->failure().ok() ? 0 : 1);
  }
  return std::nullopt;
}

bool DBImpl::GetIntProperty(ColumnFamilyHandle* family, const Slice& property,
                            uint64_t* value) {
  Number number = IntPropertyOfDb(property);
  if (!number) {
    auto resolved = Resolve(family);
    if (!resolved.ok()) return false;
    auto super_version = (*resolved)->PinSuperVersion();
    number =
        NumberOf({**resolved, *super_version, background_.get()}, property);
  }
  if (number) *value = *number;
  return number.has_value();
}

std::optional<std::string> DBImpl::TextProperty(const ColumnFamily& family,
                                                std::string_view name) const {
  auto version = family.PinSuperVersion()->version;
  if (name == "rocksdb.stats") return StatsText();
  if (name == "rocksdb.dbstats") return CountersText();
  if (name == "rocksdb.cf-write-stall-stats") {
    return WriteStallText(GetMetrics(), family.name());
  }
  if (name == "rocksdb.levelstats") return LevelSizesText(*version);
  if (name == "rocksdb.sstables") return FilesText(*version);
  if (name == "rocksdb.cfstats" ||
      name == "rocksdb.cfstats-no-file-histogram") {
    std::optional<FamilyStats> stats;
    if (background_ != nullptr) stats = background_->StatsOf(family.id());
    return LevelTableText(family.name(), *version, family.options(), stats);
  }
  if (name == "rocksdb.aggregated-table-properties") {
    return TablePropertiesText(*version, 0, kLevels - 1);
  }
  if (auto level =
          LevelOf(name, "rocksdb.aggregated-table-properties-at-level")) {
    return TablePropertiesText(*version, *level, *level);
  }
  if (auto level = LevelOf(name, "rocksdb.num-files-at-level")) {
    return std::to_string(version->files(*level).size());
  }
  if (auto level = LevelOf(name, "rocksdb.compression-ratio-at-level")) {
    return CompressionRatioText(*version, *level);
  }
  return std::nullopt;
}

bool DBImpl::GetProperty(ColumnFamilyHandle* family, const Slice& property,
                         std::string* value) {
  uint64_t number = 0;
  if (GetIntProperty(family, property, &number)) {
    *value = std::to_string(number);
    return true;
  }
  auto resolved = Resolve(family);
  if (!resolved.ok()) return false;
  auto text = TextProperty(**resolved, property);
  if (text) *value = *std::move(text);
  return text.has_value();
}

std::string DBImpl::CountersText() const {
  const Metrics metrics = GetMetrics();
  std::string text = "** Since the DB was opened **\n";
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
  text += Line("delays", metrics.delays);
  text += Line("delay micros", metrics.delay_micros);
  text += Line("flushes", metrics.flushes);
  text += Line("flush bytes written", metrics.flush_bytes_written);
  text += Line("compactions", metrics.compactions);
  text += Line("compactions that only moved", metrics.trivial_moves);
  text += Line("compaction bytes read", metrics.compaction_bytes_read);
  text += Line("compaction bytes written", metrics.compaction_bytes_written);
  text += "\n" + StallText(metrics);
  return text;
}

std::string DBImpl::StatsText() const {
  std::string text = CountersText();
  for (const auto& family : families_.All()) {
    text += "\n" + *TextProperty(*family, "rocksdb.cfstats");
  }
  return text;
}

}  // namespace paceline
