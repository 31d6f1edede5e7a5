// CompactionPicker: which files to merge next. Pure functions of a Version.

#pragma once

#include <array>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "paceline/options.h"

#include "src/version/version.h"

namespace paceline {

// What every level should hold at most, in bytes. With dynamic levels, the
// upper ones are not used: what they have, of the time when they were, is
// merged into the next one.
struct LevelTargets {
  // The level that level 0 is merged into. Those above it have no files.
  int base_level = 1;
  std::array<uint64_t, kLevels> bytes{};
};

[[nodiscard]] LevelTargets ComputeLevelTargets(
    const Version& version, const ColumnFamilyOptions& options);

// How much fuller than it should be a level is; from 1 on it is compacted.
[[nodiscard]] double CompactionScore(const Version& version,
                                     const ColumnFamilyOptions& options,
                                     const LevelTargets& targets, int level);

// About how many bytes must be written until no level is too full.
[[nodiscard]] uint64_t PendingCompactionBytes(
    const Version& version, const ColumnFamilyOptions& options);

// Files of two neighbouring levels (level 0 and the base level among them) that
// are merged into the lower one; or files of one level that are rewritten.
struct Compaction {
  std::shared_ptr<const Version> version;
  int level = 0;
  int output_level = 0;
  LiveTables inputs;         // Of `level`, in its order.
  LiveTables output_inputs;  // Of `output_level`; empty if it is `level`.
  // Bounds of all inputs, user keys, both included.
  std::string smallest;
  std::string largest;
  uint64_t target_file_bytes = 0;
  // An output file that would overlap more than this one level below its own
  // is ended earlier.
  uint64_t max_grandparent_bytes = 0;
  CompressionType compression = kNoCompression;
  // The files need only be moved.
  bool is_trivial_move = false;
  double score = 0;

  [[nodiscard]] uint64_t InputBytes() const;
  [[nodiscard]] LiveTables AllInputs() const;
};

// What running compactions of the family have taken.
class RunningCompactions {
 public:
  void Add(const Compaction& compaction);
  void Remove(const Compaction& compaction);

  [[nodiscard]] bool IsTaken(uint64_t file_number) const {
    return files_.contains(file_number);
  }
  [[nodiscard]] size_t size() const { return outputs_.size(); }
  // Whether one of them writes to that level in the range of user keys.
  [[nodiscard]] bool WritesTo(const InternalKeyComparator& comparator,
                              int level, const Slice& smallest,
                              const Slice& largest) const;

 private:
  struct Output {
    int level;
    std::string smallest;
    std::string largest;
  };
  std::set<uint64_t> files_;
  std::vector<Output> outputs_;
};

// The most urgent compaction that does not touch what is taken; none if no
// level is too full. With `is_patient`, level 0 is left alone while it has less
// than twice as many files as its trigger and less than the base level, all of
// which has to be written again with it: more files share that cost.
[[nodiscard]] std::optional<Compaction> PickCompaction(
    const std::shared_ptr<const Version>& version,
    const ColumnFamilyOptions& options, const RunningCompactions& running,
    bool is_patient);

// The next step of merging the user keys from `begin` to `end` (both included;
// null: no bound) of `level` into `output_level`: at most about
// max_compaction_bytes of them. `has_conflict` is set if files of the range
// are taken, none of which is in the result.
[[nodiscard]] std::optional<Compaction> PickRange(
    const std::shared_ptr<const Version>& version,
    const ColumnFamilyOptions& options, const RunningCompactions& running,
    int level, int output_level, const Slice* begin, const Slice* end,
    bool* has_conflict);

}  // namespace paceline
