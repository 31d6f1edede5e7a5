#include "cli/stats.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <optional>
#include <vector>

#include <nlohmann/json.hpp>

#include "paceline/db.h"
#include "paceline/env.h"

#include "cli/database.h"
#include "cli/text.h"
#include "cli/tree_shape.h"
#include "src/db/inspection.h"
#include "src/db/log_totals.h"

namespace paceline::cli {
namespace {

using Json = nlohmann::ordered_json;

struct FamilyStats {
  std::string name;
  uint32_t id = 0;
  std::string comparator;
  std::optional<uint64_t> entries;
  std::optional<uint64_t> memtable_bytes;
  uint64_t table_files = 0;
  TreeShape shape;
};

struct FileStats {
  std::string name;
  uint64_t bytes = 0;
};

struct DatabaseStats {
  SequenceNumber sequence = 0;
  std::vector<FamilyStats> families;
  std::vector<FileStats> wal_files;  // Oldest first.
  // Of the process that last wrote the database.
  std::optional<LogTotals> totals;
};

std::optional<uint64_t> IntProperty(DB* db, ColumnFamilyHandle* family,
                                    const char* name) {
  uint64_t value = 0;
  if (!db->GetIntProperty(family, name, &value)) return std::nullopt;
  return value;
}

StatusOr<std::vector<FileStats>> WalFiles(const std::string& directory) {
  auto wals = ListWals(FileSystem::Default(), directory);
  if (!wals.ok()) return wals.status();
  std::vector<FileStats> files;
  for (const WalFile& wal : *wals) {
    files.push_back({wal.path.substr(wal.path.rfind('/') + 1), wal.bytes});
  }
  return files;
}

StatusOr<DatabaseStats> Collect(const std::string& directory) {
  auto database = Database::OpenForReading(directory, {});
  if (!database.ok()) return database.status();
  auto wal_files = WalFiles(directory);
  if (!wal_files.ok()) return wal_files.status();
  auto totals = ReadNewestTotals(FileSystem::Default(), directory);
  if (!totals.ok()) return totals.status();

  DB* db = (*database)->db();
  DatabaseStats stats;
  stats.sequence = db->GetLatestSequenceNumber();
  stats.wal_files = std::move(*wal_files);
  stats.totals = std::move(*totals);
  for (ColumnFamilyHandle* family : (*database)->families()) {
    FamilyStats& one = stats.families.emplace_back();
    one.name = family->GetName();
    one.id = family->GetID();
    one.comparator = family->GetComparator()->Name();
    one.entries = IntProperty(db, family, "rocksdb.estimate-num-keys");
    one.memtable_bytes =
        IntProperty(db, family, "rocksdb.cur-size-all-mem-tables");
    one.shape = ShapeOf(db->GetColumnFamilyMetaData(family),
                        one.memtable_bytes.value_or(0), db->GetOptions(family));
    one.table_files = one.shape.files;
  }
  return stats;
}

// Bytes written to tables for each byte that was flushed, as it was; nothing
// if nothing was flushed.
std::optional<double> MeasuredWriteAmplification(const LogTotals& totals) {
  if (totals.flush_bytes_written == 0) return std::nullopt;
  return 1 + static_cast<double>(totals.compaction_bytes_written) /
                 static_cast<double>(totals.flush_bytes_written);
}

Json TotalsJson(const LogTotals& totals) {
  auto amplification = MeasuredWriteAmplification(totals);
  Json stalls = Json::array();
  for (const StallMetrics& stall : totals.stalls) {
    Json one = Json::object();
    one["cause"] = StallCauseName(stall.cause);
    if (stall.cause != StallCause::kLocked) {
      AddBytes("column_family", stall.family, /*hex=*/false, &one);
    }
    one["delays"] = stall.delays;
    one["delay_micros"] = stall.delay_micros;
    one["stops"] = stall.stops;
    one["stop_micros"] = stall.stop_micros;
    stalls.push_back(std::move(one));
  }
  return {{"since", totals.since},
          {"until", totals.until},
          {"flush_bytes_written", totals.flush_bytes_written},
          {"compaction_bytes_written", totals.compaction_bytes_written},
          {"write_amplification",
           amplification ? Json(*amplification) : Json(nullptr)},
          {"stalls", std::move(stalls)}};
}

// What held writers back, by cause and column family.
std::string TotalsText(const std::optional<LogTotals>& totals) {
  if (!totals) return "\ndelays and stops      not known: none in LOG\n";
  std::string text = fmt::format("\nfrom {} to {} (UTC)\n",
                                 Printable(totals->since), totals->until);
  if (auto amplification = MeasuredWriteAmplification(*totals)) {
    text += fmt::format(
        "  measured write amplification {:.1f}: {} flushed, {} by "
        "compactions\n",
        *amplification, HumanBytes(totals->flush_bytes_written),
        HumanBytes(totals->compaction_bytes_written));
  }
  if (totals->stalls.empty()) return text + "  writers never had to wait\n";
  constexpr const char* kRow = "  {:<18}  {:<20}  {:>8}  {:>9}  {:>8}  {:>9}\n";
  text += fmt::format(kRow, "cause", "column family", "delays", "time", "stops",
                      "time");
  for (const StallMetrics& stall : totals->stalls) {
    text += fmt::format(
        kRow, StallCauseName(stall.cause),
        stall.cause == StallCause::kLocked ? "-" : Escaped(stall.family),
        WithCommas(stall.delays), HumanNanos(stall.delay_micros * 1000),
        WithCommas(stall.stops), HumanNanos(stall.stop_micros * 1000));
  }
  return text;
}

std::string AsJson(const DatabaseStats& stats) {
  auto number = [](const std::optional<uint64_t>& value) {
    return value ? Json(*value) : Json(nullptr);
  };
  Json families = Json::array();
  for (const FamilyStats& family : stats.families) {
    Json one;
    AddBytes("name", family.name, /*hex=*/false, &one);
    one["id"] = family.id;
    one["comparator"] = family.comparator;
    one["estimated_entries"] = number(family.entries);
    one["memtable_bytes"] = number(family.memtable_bytes);
    one["table_files"] = family.table_files;
    one["table_bytes"] = family.shape.bytes;
    Json levels = Json::array();
    for (const LevelShape& level : family.shape.levels) {
      levels.push_back({{"level", level.level},
                        {"files", level.files},
                        {"bytes", level.bytes}});
    }
    one["levels"] = std::move(levels);
    one["read_amplification"] = family.shape.read_amplification;
    one["expected_write_amplification"] =
        family.shape.expected_write_amplification;
    families.push_back(std::move(one));
  }
  Json files = Json::array();
  for (const FileStats& file : stats.wal_files) {
    files.push_back({{"file", file.name}, {"bytes", file.bytes}});
  }
  Json object = {{"sequence", stats.sequence},
                 {"column_families", std::move(families)},
                 {"wal_files", std::move(files)},
                 {"totals", stats.totals ? TotalsJson(*stats.totals) : Json()}};
  return object.dump();
}

std::string AsText(const DatabaseStats& stats) {
  uint64_t wal_bytes = 0;
  for (const FileStats& file : stats.wal_files) wal_bytes += file.bytes;
  std::string text = fmt::format(
      "last sequence number  {}\ncolumn families       {}\n"
      "WAL files             {}  ({})\n\n",
      WithCommas(stats.sequence), stats.families.size(), stats.wal_files.size(),
      HumanBytes(wal_bytes));

  constexpr const char* kRow = "{:<20}  {:>4}  {:>14}  {:>10}  {:>11}  {}\n";
  text += fmt::format(kRow, "column family", "id", "entries (est.)",
                      "memtables", "table files", "comparator");
  for (const FamilyStats& family : stats.families) {
    std::string entries = family.entries ? WithCommas(*family.entries) : "-";
    std::string memtables =
        family.memtable_bytes ? HumanBytes(*family.memtable_bytes) : "-";
    text += fmt::format(kRow, Escaped(family.name), family.id, entries,
                        memtables, family.table_files, family.comparator);
  }
  for (const FamilyStats& family : stats.families) {
    if (family.shape.levels.empty()) continue;
    text += fmt::format("\ncolumn family {}\n{}", Escaped(family.name),
                        DrawTree(family.shape));
  }
  text += TotalsText(stats.totals);
  if (stats.wal_files.empty()) return text;
  text += fmt::format("\n{:<20}  {:>14}\n", "WAL file", "size");
  for (const FileStats& file : stats.wal_files) {
    text += fmt::format("{:<20}  {:>14}\n", file.name, HumanBytes(file.bytes));
  }
  return text;
}

}  // namespace

Status Stats(const StatsOptions& options, Output* out) {
  auto stats = Collect(options.directory);
  if (!stats.ok()) return stats.status();
  return options.json ? out->WriteLine(AsJson(*stats))
                      : out->Write(AsText(*stats));
}

}  // namespace paceline::cli
