#include "cli/tree_shape.h"

#include <fmt/format.h>

#include <algorithm>

#include "cli/text.h"

namespace paceline::cli {
namespace {

constexpr uint64_t kBarWidth = 30;

// At least one character for anything.
std::string Bar(uint64_t bytes, uint64_t largest) {
  if (bytes == 0 || largest == 0) return "";
  auto share = static_cast<double>(bytes) / static_cast<double>(largest);
  auto length = static_cast<size_t>(share * kBarWidth);
  return std::string(std::max<size_t>(length, 1), '#');
}

// Each byte is written by a flush. Then, from level to level, each byte that
// is merged into one takes its part of that one with it. Where a level is
// larger than the one above by more than the multiplier, there will be levels
// in between.
double WriteAmplification(const std::vector<LevelShape>& levels,
                          const ColumnFamilyOptions& options) {
  const double multiplier = options.max_bytes_for_level_multiplier;
  double written = 1;
  double above = static_cast<double>(options.write_buffer_size) *
                 options.level0_file_num_compaction_trigger;
  for (const LevelShape& level : levels) {
    if (level.level == 0) continue;
    double ratio = static_cast<double>(level.bytes) / above;
    for (; ratio > multiplier; ratio /= multiplier) written += 1 + multiplier;
    written += 1 + ratio;
    above = std::max(above, static_cast<double>(level.bytes));
  }
  return written;
}

}  // namespace

TreeShape ShapeOf(const ColumnFamilyMetaData& files, uint64_t memtable_bytes,
                  const ColumnFamilyOptions& options) {
  TreeShape shape;
  shape.memtable_bytes = memtable_bytes;
  shape.files = files.file_count;
  shape.bytes = files.size;
  for (const LevelMetaData& level : files.levels) {
    if (level.files.empty()) continue;
    shape.levels.push_back({level.level, level.files.size(), level.size});
    shape.read_amplification += level.level == 0 ? level.files.size() : 1;
  }
  shape.expected_write_amplification =
      WriteAmplification(shape.levels, options);
  return shape;
}

std::string DrawTree(const TreeShape& shape) {
  uint64_t largest = shape.memtable_bytes;
  for (const LevelShape& level : shape.levels) {
    largest = std::max(largest, level.bytes);
  }
  constexpr const char* kRow = "  {:<8}{:>6} {:<5}  {:<30}  {:>9}\n";
  std::string text =
      fmt::format(kRow, "memory", "", "", Bar(shape.memtable_bytes, largest),
                  HumanBytes(shape.memtable_bytes));
  for (const LevelShape& level : shape.levels) {
    text += fmt::format(kRow, fmt::format("level {}", level.level),
                        WithCommas(level.files),
                        level.files == 1 ? "file" : "files",
                        Bar(level.bytes, largest), HumanBytes(level.bytes));
  }
  text += fmt::format(
      "  read amplification {}: tables that a look-up asks at most\n"
      "  expected write amplification about {:.1f}: what the sizes of the "
      "levels lead to\n",
      shape.read_amplification, shape.expected_write_amplification);
  return text;
}

}  // namespace paceline::cli
