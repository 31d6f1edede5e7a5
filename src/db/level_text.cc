#include "src/db/level_text.h"

#include <cinttypes>
#include <cstdarg>
#include <cstdio>

#include "src/compaction/compaction_picker.h"

namespace paceline {

namespace {

constexpr double kMiB = 1 << 20;

[[gnu::format(printf, 2, 3)]] void AppendLine(std::string* text,
                                              const char* format, ...) {
  char line[256];
  va_list arguments;
  va_start(arguments, format);
  int length = std::vsnprintf(line, sizeof(line), format, arguments);
  va_end(arguments);
  if (length > 0) *text += line;
  *text += '\n';
}

double MiB(uint64_t bytes) { return static_cast<double>(bytes) / kMiB; }

double Ratio(uint64_t a, uint64_t b) {
  return b == 0 ? 0 : static_cast<double>(a) / static_cast<double>(b);
}

// The sum of the numbers of some tables' properties.
struct TableSums {
  TableProperties sums;
  uint64_t file_bytes = 0;
};

std::optional<TableSums> SumTables(const Version& version, int first,
                                   int last) {
  TableSums result;
  TableProperties& sums = result.sums;
  for (int level = first; level <= last; ++level) {
    for (const auto& file : version.files(level)) {
      auto table = file->Get();
      if (!table.ok()) return std::nullopt;
      const TableProperties& one = (*table)->properties();
      sums.num_entries += one.num_entries;
      sums.num_deletions += one.num_deletions;
      sums.num_merge_operands += one.num_merge_operands;
      sums.num_range_deletions += one.num_range_deletions;
      sums.num_data_blocks += one.num_data_blocks;
      sums.raw_key_size += one.raw_key_size;
      sums.raw_value_size += one.raw_value_size;
      sums.data_size += one.data_size;
      sums.index_size += one.index_size;
      sums.filter_size += one.filter_size;
      result.file_bytes += file->size();
    }
  }
  return result;
}

}  // namespace

std::string LevelSizesText(const Version& version) {
  std::string text = "Level Files Size(MB)\n--------------------\n";
  for (int level = 0; level < kLevels; ++level) {
    AppendLine(&text, "%3d %8zu %8.0f", level, version.files(level).size(),
               MiB(version.LevelBytes(level)));
  }
  return text;
}

std::string FilesText(const Version& version) {
  std::string text;
  for (int level = 0; level < kLevels; ++level) {
    AppendLine(&text, "--- level %d ---", level);
    for (const auto& file : version.files(level)) {
      const FileMetaData& metadata = file->metadata();
      // Keys may be long: not by way of AppendLine().
      text += " " + std::to_string(metadata.number) + ": " +
              std::to_string(metadata.size) + " bytes, sequence " +
              std::to_string(metadata.smallest_sequence) + " to " +
              std::to_string(metadata.largest_sequence) + ", keys " +
              metadata.smallest_user_key().ToString(/*hex=*/true) + " to " +
              metadata.largest_user_key().ToString(/*hex=*/true) + "\n";
    }
  }
  return text;
}

std::string LevelTableText(std::string_view family_name, const Version& version,
                           const ColumnFamilyOptions& options,
                           const std::optional<FamilyStats>& stats) {
  std::string text =
      "** Levels of column family [" + std::string(family_name) + "] **\n";
  AppendLine(&text, "%-5s %6s %10s %6s %6s %10s %10s %6s %8s", "Level", "Files",
             "MiB", "Score", "Jobs", "Read MiB", "Write MiB", "W-Amp",
             "Seconds");
  const LevelTargets targets = ComputeLevelTargets(version, options);
  const uint64_t flushed = stats ? (*stats)[0].bytes_written : 0;
  LevelStats sum;
  for (int level = 0; level < kLevels; ++level) {
    const LevelStats one =
        stats ? (*stats)[static_cast<size_t>(level)] : LevelStats();
    sum.jobs += one.jobs;
    sum.bytes_read += one.bytes_read;
    sum.bytes_written += one.bytes_written;
    sum.micros += one.micros;
    if (version.files(level).empty() && one.jobs == 0) continue;
    AppendLine(
        &text, "%-5d %6zu %10.1f %6.2f %6" PRIu64 " %10.1f %10.1f %6.2f %8.1f",
        level, version.files(level).size(), MiB(version.LevelBytes(level)),
        CompactionScore(version, options, targets, level), one.jobs,
        MiB(one.bytes_read), MiB(one.bytes_written),
        Ratio(one.bytes_written, flushed),
        static_cast<double>(one.micros) / 1e6);
  }
  AppendLine(
      &text, "%-5s %6zu %10.1f %6s %6" PRIu64 " %10.1f %10.1f %6.2f %8.1f",
      "Sum", version.FileCount(), MiB(version.TotalBytes()), "", sum.jobs,
      MiB(sum.bytes_read), MiB(sum.bytes_written),
      Ratio(sum.bytes_written, flushed), static_cast<double>(sum.micros) / 1e6);
  return text;
}

std::optional<std::string> TablePropertiesText(const Version& version,
                                               int first, int last) {
  auto tables = SumTables(version, first, last);
  if (!tables) return std::nullopt;
  const TableProperties& sums = tables->sums;
  const uint64_t points = sums.num_entries - sums.num_range_deletions;
  std::string text;
  auto add = [&text](const char* name, const std::string& value) {
    text += std::string(name) + "=" + value + "; ";
  };
  add("# data blocks", std::to_string(sums.num_data_blocks));
  add("# entries", std::to_string(sums.num_entries));
  add("# deletions", std::to_string(sums.num_deletions));
  add("# merge operands", std::to_string(sums.num_merge_operands));
  add("# range deletions", std::to_string(sums.num_range_deletions));
  add("raw key size", std::to_string(sums.raw_key_size));
  add("raw average key size", std::to_string(Ratio(sums.raw_key_size, points)));
  add("raw value size", std::to_string(sums.raw_value_size));
  add("raw average value size",
      std::to_string(Ratio(sums.raw_value_size, points)));
  add("data block size", std::to_string(sums.data_size));
  add("index block size", std::to_string(sums.index_size));
  add("filter block size", std::to_string(sums.filter_size));
  add("table size", std::to_string(tables->file_bytes));
  return text;
}

std::optional<std::string> CompressionRatioText(const Version& version,
                                                int level) {
  auto tables = SumTables(version, level, level);
  if (!tables) return std::nullopt;
  if (tables->file_bytes == 0) return std::to_string(-1.0);
  return std::to_string(
      Ratio(tables->sums.raw_key_size + tables->sums.raw_value_size,
            tables->file_bytes));
}

}  // namespace paceline
