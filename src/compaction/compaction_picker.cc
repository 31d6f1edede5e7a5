#include "src/compaction/compaction_picker.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace paceline {

namespace {

constexpr uint64_t kNoTarget = UINT64_MAX;

// Times target_file_size_base: as large as compactions are allowed to become,
// unless max_compaction_bytes says otherwise.
constexpr uint64_t kCompactionFiles = 25;

// Times max_bytes_for_level_base: up to there, merging level 0 into the one
// level there is costs fewer writes than two levels. With about as many bytes
// in level 0 as the base level may have, which is where level 0 is merged while
// it is written to, a level in between saves nothing unless it is much larger.
constexpr double kRatioOfOneLevel = 4;

// Level 0 may wait for so many times its trigger.
constexpr int kPatienceFactor = 2;

uint64_t MaxCompactionBytes(const ColumnFamilyOptions& options) {
  return options.max_compaction_bytes != 0
             ? options.max_compaction_bytes
             : options.target_file_size_base * kCompactionFiles;
}

uint64_t Bytes(const LiveTables& files) {
  uint64_t bytes = 0;
  for (const auto& file : files) bytes += file->size();
  return bytes;
}

uint64_t Times(uint64_t bytes, double factor) {
  double product = static_cast<double>(bytes) * factor;
  return product >= 9e18 ? kNoTarget : static_cast<uint64_t>(product);
}

LevelTargets StaticTargets(const ColumnFamilyOptions& options) {
  LevelTargets targets;
  uint64_t bytes = options.max_bytes_for_level_base;
  for (size_t level = 1; level < kLevels; ++level) {
    targets.bytes[level] = bytes;
    bytes = Times(bytes, options.max_bytes_for_level_multiplier);
  }
  return targets;
}

// The deepest level has what it has. While that is not much, level 0 is merged
// straight into it; from then on into a base level of the size asked for, with
// as few levels in between as the multiplier allows. Each of them is larger
// than the one above it by the same factor: that costs the fewest writes.
LevelTargets DynamicTargets(const Version& version,
                            const ColumnFamilyOptions& options) {
  LevelTargets targets;
  targets.bytes.back() = kNoTarget;
  int first_used = 1;
  while (first_used < kLevels && version.files(first_used).empty()) {
    ++first_used;
  }
  uint64_t largest = 0;
  for (int level = first_used; level < kLevels; ++level) {
    largest = std::max(largest, version.LevelBytes(level));
  }
  auto base_bytes = static_cast<double>(options.max_bytes_for_level_base);
  double ratio = static_cast<double>(largest) / base_bytes;
  int steps = 0;
  if (ratio > kRatioOfOneLevel) {
    double exact =
        std::log(ratio) / std::log(options.max_bytes_for_level_multiplier);
    steps =
        std::clamp(static_cast<int>(std::ceil(exact - 1e-9)), 1, kLevels - 2);
  }
  int first_wanted = kLevels - 1 - steps;
  double factor = steps == 0 ? 1 : std::pow(ratio, 1.0 / steps);
  for (int level = first_wanted; level + 1 < kLevels; ++level) {
    targets.bytes[static_cast<size_t>(level)] =
        Times(options.max_bytes_for_level_base,
              std::pow(factor, static_cast<double>(level - first_wanted)));
  }
  // Nothing may sink below older data.
  targets.base_level = std::min(first_wanted, first_used);
  return targets;
}

// Builds one Compaction.
class Picker {
 public:
  Picker(const std::shared_ptr<const Version>& version,
         const ColumnFamilyOptions& options, const RunningCompactions& running)
      : version_(version), options_(options), running_(running) {}

  std::optional<Compaction> PickLevel0(int output_level);
  std::optional<Compaction> PickLevel(int level);
  // The inputs of compaction_ are chosen: adds the files below.
  std::optional<Compaction> Complete(Compaction compaction) const;

  [[nodiscard]] bool AnyTaken(const LiveTables& files) const {
    return std::any_of(files.begin(), files.end(), [this](const auto& file) {
      return running_.IsTaken(file->number());
    });
  }
  // The files from `first` to `last` of a level and those next to them that
  // share a user key with them.
  [[nodiscard]] LiveTables CleanCut(int level, size_t first, size_t last) const;
  [[nodiscard]] LiveTables CleanOverlapping(int level, const Slice& smallest,
                                            const Slice& largest) const;

 private:
  [[nodiscard]] const InternalKeyComparator& comparator() const {
    return version_->comparator();
  }
  [[nodiscard]] bool ShareUserKey(const LiveTable& left,
                                  const LiveTable& right) const;
  void SetBounds(Compaction* compaction) const;
  // More files of the level, as long as that adds none below it.
  void TryToGrow(Compaction* compaction) const;
  [[nodiscard]] bool IsTrivialMove(const Compaction& compaction) const;

  const std::shared_ptr<const Version>& version_;
  const ColumnFamilyOptions& options_;
  const RunningCompactions& running_;
};

bool Picker::ShareUserKey(const LiveTable& left, const LiveTable& right) const {
  return !left.metadata().largest_is_sentinel() &&
         comparator().CompareUserKeys(left.metadata().largest_user_key(),
                                      right.metadata().smallest_user_key()) ==
             0;
}

LiveTables Picker::CleanCut(int level, size_t first, size_t last) const {
  const LiveTables& files = version_->files(level);
  while (first > 0 && ShareUserKey(*files[first - 1], *files[first])) --first;
  while (last + 1 < files.size() &&
         ShareUserKey(*files[last], *files[last + 1])) {
    ++last;
  }
  auto begin = files.begin() + static_cast<std::ptrdiff_t>(first);
  auto end = files.begin() + static_cast<std::ptrdiff_t>(last) + 1;
  return {begin, end};
}

LiveTables Picker::CleanOverlapping(int level, const Slice& smallest,
                                    const Slice& largest) const {
  const LiveTables& files = version_->files(level);
  size_t first = version_->bounds(level).Find(smallest);
  while (
      first < files.size() &&
      !Overlaps(comparator(), files[first]->metadata(), &smallest, &largest)) {
    // It ends in front of the range, or begins behind it.
    if (comparator().CompareUserKeys(
            files[first]->metadata().smallest_user_key(), largest) > 0) {
      return {};
    }
    ++first;
  }
  if (first == files.size()) return {};
  size_t last = first;
  while (last + 1 < files.size() &&
         Overlaps(comparator(), files[last + 1]->metadata(), &smallest,
                  &largest)) {
    ++last;
  }
  return CleanCut(level, first, last);
}

void Picker::SetBounds(Compaction* compaction) const {
  bool is_first = true;
  for (const auto& file : compaction->AllInputs()) {
    Slice smallest = file->metadata().smallest_user_key();
    Slice largest = file->metadata().largest_user_key();
    if (is_first ||
        comparator().CompareUserKeys(smallest, compaction->smallest) < 0) {
      compaction->smallest = smallest.ToString();
    }
    if (is_first ||
        comparator().CompareUserKeys(largest, compaction->largest) > 0) {
      compaction->largest = largest.ToString();
    }
    is_first = false;
  }
}

std::optional<Compaction> Picker::Complete(Compaction compaction) const {
  if (compaction.inputs.empty() || AnyTaken(compaction.inputs)) {
    return std::nullopt;
  }
  SetBounds(&compaction);
  if (compaction.output_level != compaction.level) {
    compaction.output_inputs = CleanOverlapping(
        compaction.output_level, compaction.smallest, compaction.largest);
    if (AnyTaken(compaction.output_inputs)) return std::nullopt;
    if (compaction.level > 0) TryToGrow(&compaction);
    SetBounds(&compaction);
  }
  if (running_.WritesTo(comparator(), compaction.output_level,
                        compaction.smallest, compaction.largest)) {
    return std::nullopt;
  }
  compaction.version = version_;
  compaction.max_grandparent_bytes = MaxCompactionBytes(options_);
  compaction.target_file_bytes = options_.target_file_size_base;
  int base_level = ComputeLevelTargets(*version_, options_).base_level;
  for (int level = base_level; level < compaction.output_level; ++level) {
    compaction.target_file_bytes = Times(compaction.target_file_bytes,
                                         options_.target_file_size_multiplier);
  }
  bool is_bottommost = compaction.output_level >= version_->DeepestLevel();
  bool has_own = options_.bottommost_compression != kDisableCompressionOption;
  compaction.compression = is_bottommost && has_own
                               ? options_.bottommost_compression
                               : options_.compression;
  compaction.is_trivial_move = IsTrivialMove(compaction);
  return compaction;
}

void Picker::TryToGrow(Compaction* compaction) const {
  if (compaction->output_inputs.empty()) return;
  Compaction larger = *compaction;
  larger.inputs = CleanOverlapping(compaction->level, compaction->smallest,
                                   compaction->largest);
  if (larger.inputs.size() <= compaction->inputs.size()) {
    // The files below may reach further than those above.
    SetBounds(&larger);
    larger.inputs =
        CleanOverlapping(compaction->level, larger.smallest, larger.largest);
  }
  if (larger.inputs.size() <= compaction->inputs.size() ||
      AnyTaken(larger.inputs) ||
      Bytes(larger.inputs) + Bytes(compaction->output_inputs) >
          MaxCompactionBytes(options_)) {
    return;
  }
  larger.output_inputs.clear();
  SetBounds(&larger);
  LiveTables below =
      CleanOverlapping(larger.output_level, larger.smallest, larger.largest);
  if (below.size() == compaction->output_inputs.size()) {
    compaction->inputs = std::move(larger.inputs);
  }
}

bool Picker::IsTrivialMove(const Compaction& compaction) const {
  if (compaction.level == compaction.output_level ||
      !compaction.output_inputs.empty() ||
      compaction.compression != options_.compression) {
    return false;
  }
  if (compaction.level == 0) {
    // They must be sorted and disjoint where they go.
    LiveTables sorted = compaction.inputs;
    std::sort(sorted.begin(), sorted.end(),
              [this](const auto& a, const auto& b) {
                return comparator().Compare(a->metadata().smallest,
                                            b->metadata().smallest) < 0;
              });
    for (size_t i = 0; i + 1 < sorted.size(); ++i) {
      Slice begin = sorted[i + 1]->metadata().smallest_user_key();
      if (Overlaps(comparator(), sorted[i]->metadata(), &begin, nullptr)) {
        return false;
      }
    }
  }
  if (compaction.output_level + 1 >= kLevels) return true;
  Slice smallest = compaction.smallest;
  Slice largest = compaction.largest;
  return Bytes(version_->Overlapping(compaction.output_level + 1, &smallest,
                                     &largest)) <=
         compaction.max_grandparent_bytes;
}

std::optional<Compaction> Picker::PickLevel0(int output_level) {
  Compaction compaction;
  compaction.level = 0;
  compaction.output_level = output_level;
  compaction.inputs = version_->files(0);
  return Complete(std::move(compaction));
}

// The file that makes the least of the next level be written again for each of
// its own bytes.
std::optional<Compaction> Picker::PickLevel(int level) {
  const LiveTables& files = version_->files(level);
  const LiveTables& below = version_->files(level + 1);
  std::vector<std::pair<double, size_t>> order;
  size_t next = 0;
  for (size_t i = 0; i < files.size(); ++i) {
    const FileMetaData& file = files[i]->metadata();
    while (
        next < below.size() &&
        comparator().CompareUserKeys(below[next]->metadata().largest_user_key(),
                                     file.smallest_user_key()) < 0) {
      ++next;
    }
    uint64_t overlap = 0;
    for (size_t j = next; j < below.size(); ++j) {
      if (comparator().CompareUserKeys(below[j]->metadata().smallest_user_key(),
                                       file.largest_user_key()) > 0) {
        break;
      }
      overlap += below[j]->size();
    }
    order.emplace_back(
        static_cast<double>(overlap) /
            static_cast<double>(std::max<uint64_t>(file.size, 1)),
        i);
  }
  std::sort(order.begin(), order.end());
  for (const auto& [ratio, i] : order) {
    Compaction compaction;
    compaction.level = level;
    compaction.output_level = level + 1;
    compaction.inputs = CleanCut(level, i, i);
    auto complete = Complete(std::move(compaction));
    if (complete) return complete;
  }
  return std::nullopt;
}

}  // namespace

uint64_t Compaction::InputBytes() const {
  return Bytes(inputs) + Bytes(output_inputs);
}

LiveTables Compaction::AllInputs() const {
  LiveTables all = inputs;
  all.insert(all.end(), output_inputs.begin(), output_inputs.end());
  return all;
}

void RunningCompactions::Add(const Compaction& compaction) {
  for (const auto& file : compaction.AllInputs()) {
    files_.insert(file->number());
  }
  outputs_.push_back(
      {compaction.output_level, compaction.smallest, compaction.largest});
}

void RunningCompactions::Remove(const Compaction& compaction) {
  for (const auto& file : compaction.AllInputs()) files_.erase(file->number());
  auto found =
      std::find_if(outputs_.begin(), outputs_.end(), [&](const Output& output) {
        return output.level == compaction.output_level &&
               output.smallest == compaction.smallest &&
               output.largest == compaction.largest;
      });
  if (found != outputs_.end()) outputs_.erase(found);
}

bool RunningCompactions::WritesTo(const InternalKeyComparator& comparator,
                                  int level, const Slice& smallest,
                                  const Slice& largest) const {
  return std::any_of(
      outputs_.begin(), outputs_.end(), [&](const Output& output) {
        return output.level == level &&
               comparator.CompareUserKeys(output.smallest, largest) <= 0 &&
               comparator.CompareUserKeys(smallest, output.largest) <= 0;
      });
}

LevelTargets ComputeLevelTargets(const Version& version,
                                 const ColumnFamilyOptions& options) {
  return options.level_compaction_dynamic_level_bytes
             ? DynamicTargets(version, options)
             : StaticTargets(options);
}

double CompactionScore(const Version& version,
                       const ColumnFamilyOptions& options,
                       const LevelTargets& targets, int level) {
  auto bytes = static_cast<double>(version.LevelBytes(level));
  if (level == 0) {
    double by_files =
        static_cast<double>(version.files(0).size()) /
        static_cast<double>(options.level0_file_num_compaction_trigger);
    double by_bytes =
        bytes / static_cast<double>(options.max_bytes_for_level_base);
    // Few large files are no reason by themselves.
    return by_files < 1 ? by_files : std::max(by_files, by_bytes);
  }
  uint64_t target = targets.bytes[static_cast<size_t>(level)];
  if (target == 0) return bytes > 0 ? 2 : 0;
  return bytes / static_cast<double>(target);
}

uint64_t PendingCompactionBytes(const Version& version,
                                const ColumnFamilyOptions& options) {
  LevelTargets targets = ComputeLevelTargets(version, options);
  uint64_t pending = 0;
  uint64_t from_above = 0;
  auto trigger =
      static_cast<size_t>(options.level0_file_num_compaction_trigger);
  if (version.files(0).size() >= trigger) {
    from_above = version.LevelBytes(0);
    pending = from_above + version.LevelBytes(targets.base_level);
  }
  for (int level = 1; level + 1 < kLevels; ++level) {
    uint64_t target = targets.bytes[static_cast<size_t>(level)];
    uint64_t bytes = version.LevelBytes(level);
    if (level >= targets.base_level) bytes += from_above;
    if (bytes <= target) {
      if (level >= targets.base_level) from_above = 0;
      continue;
    }
    uint64_t excess = bytes - target;
    double ratio = static_cast<double>(version.LevelBytes(level + 1)) /
                   static_cast<double>(bytes);
    pending += Times(excess, ratio + 1);
    from_above = excess;
  }
  return pending;
}

// The level below is written again for each merge of level 0, whatever that
// has.
bool IsWorthWaiting(const Version& version,
                    const ColumnFamilyOptions& options) {
  auto limit = static_cast<size_t>(
      std::min(options.level0_slowdown_writes_trigger,
               kPatienceFactor * options.level0_file_num_compaction_trigger));
  return version.files(0).size() < limit;
}

std::optional<Compaction> PickCompaction(
    const std::shared_ptr<const Version>& version,
    const ColumnFamilyOptions& options, const RunningCompactions& running,
    bool is_patient) {
  LevelTargets targets = ComputeLevelTargets(*version, options);
  std::vector<std::pair<double, int>> scores;
  for (int level = 0; level + 1 < kLevels; ++level) {
    double score = CompactionScore(*version, options, targets, level);
    bool waits = level == 0 && is_patient && IsWorthWaiting(*version, options);
    if (score >= 1 && !waits) scores.emplace_back(score, level);
  }
  std::sort(scores.begin(), scores.end(), std::greater<>());
  Picker picker(version, options, running);
  for (const auto& [score, level] : scores) {
    auto picked = level == 0 ? picker.PickLevel0(targets.base_level)
                             : picker.PickLevel(level);
    if (!picked) continue;
    picked->score = score;
    return picked;
  }
  return std::nullopt;
}

std::optional<Compaction> PickRange(
    const std::shared_ptr<const Version>& version,
    const ColumnFamilyOptions& options, const RunningCompactions& running,
    int level, int output_level, const Slice* begin, const Slice* end,
    bool* has_conflict) {
  *has_conflict = false;
  Picker picker(version, options, running);
  LiveTables overlapping = version->Overlapping(level, begin, end);
  if (overlapping.empty()) return std::nullopt;
  Compaction compaction;
  compaction.level = level;
  compaction.output_level = output_level;
  if (level == 0) {
    // A file of level 0 must not sink below an older one that it overlaps.
    compaction.inputs = version->files(0);
  } else {
    uint64_t bytes = 0;
    for (const auto& file : overlapping) {
      if (!compaction.inputs.empty() &&
          bytes + file->size() > MaxCompactionBytes(options)) {
        break;
      }
      bytes += file->size();
      compaction.inputs.push_back(file);
    }
    Slice smallest = compaction.inputs.front()->metadata().smallest_user_key();
    Slice largest = compaction.inputs.back()->metadata().largest_user_key();
    compaction.inputs = picker.CleanOverlapping(level, smallest, largest);
  }
  auto complete = picker.Complete(std::move(compaction));
  *has_conflict = !complete;
  return complete;
}

}  // namespace paceline
