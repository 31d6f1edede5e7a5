// Version: the table files of one column family at one point in time.

#pragma once

#include <array>
#include <memory>
#include <optional>
#include <vector>

#include "src/base/sync.h"
#include "src/format/internal_iterator.h"
#include "src/version/key_lookup.h"
#include "src/version/level_bounds.h"
#include "src/version/live_table.h"
#include "src/version/manifest_state.h"

namespace paceline {

// Immutable. A read that holds it keeps the files.
//
// Level 0 is sorted newest first, and its files may overlap. The files of every
// other level are sorted and disjoint by internal key; the same user key may
// end one file and begin the next.
class Version {
 public:
  explicit Version(std::shared_ptr<const TableContext> context)
      : context_(std::move(context)) {
    context_->live_versions->fetch_add(1, std::memory_order_relaxed);
  }
  ~Version() {
    context_->live_versions->fetch_sub(1, std::memory_order_relaxed);
  }
  Version(const Version&) = delete;
  Version& operator=(const Version&) = delete;

  // What the MANIFEST says about the family. Files that `previous` has too are
  // shared with it. Corruption if the files of a level overlap.
  static StatusOr<std::shared_ptr<const Version>> Make(
      const ManifestState::Family& family, const Version& previous);

  [[nodiscard]] const InternalKeyComparator& comparator() const {
    return context_->comparator;
  }
  [[nodiscard]] const LiveTables& files(int level) const {
    return levels_[static_cast<size_t>(level)];
  }
  // Of the files of a level other than 0.
  [[nodiscard]] const LevelBounds& bounds(int level) const {
    return bounds_[static_cast<size_t>(level)];
  }
  [[nodiscard]] uint64_t LevelBytes(int level) const;
  [[nodiscard]] uint64_t TotalBytes() const;
  [[nodiscard]] size_t FileCount() const;
  // The deepest level that has files; -1 if none has.
  [[nodiscard]] int DeepestLevel() const;

  // Larger than the epoch of every file; 0 if files have none.
  [[nodiscard]] uint64_t NextEpoch() const;

  // The index of the first file of `level` that may have range tombstones; the
  // number of files if none may. What was found out once is not asked again, so
  // that the answer mostly costs one load.
  [[nodiscard]] size_t FirstWithTombstones(int level) const;

  // Looks for the key in the files, newest first, until it is decided.
  Status Get(const BlockReadOptions& options, KeyLookup* lookup,
             HeldBlocks* held) const;

  // One iterator for each level-0 file and each other level that has files.
  // They must not outlive the Version.
  Status AddIterators(
      const BlockReadOptions& options,
      std::vector<std::unique_ptr<InternalIterator>>* iterators) const;

  // The files of `level` that may hold user keys from `begin` to `end`, both
  // included; null: no bound.
  [[nodiscard]] LiveTables Overlapping(int level, const Slice* begin,
                                       const Slice* end) const;
  // True if a level below `level` may hold the user key.
  [[nodiscard]] bool MayHaveBelow(int level, const Slice& user_key) const;

 private:
  Status GetFromLevel(int level, const BlockReadOptions& options,
                      KeyLookup* lookup, HeldBlocks* held) const;

  const std::shared_ptr<const TableContext> context_;
  std::array<LiveTables, kLevels> levels_;
  std::array<LevelBounds, kLevels> bounds_;
  // Files in front of these have none: a table that has none never will.
  // Relaxed: they only save work.
  mutable std::array<Atomic<size_t>, kLevels> first_with_tombstones_ = {};
};

// Whether the user keys that the file may hold reach from `begin` to `end`,
// both included, anywhere; null: no bound.
[[nodiscard]] bool Overlaps(const InternalKeyComparator& comparator,
                            const FileMetaData& file, const Slice* begin,
                            const Slice* end);

// What the range tombstones of a Version do to keys. For one reader: it
// remembers where it was, and keeps the tables open that it asked last: one for
// each level, and those of level 0. Thread-compatible.
class VersionTombstones {
 public:
  // Must not outlive `version`.
  explicit VersionTombstones(const Version* version);

  [[nodiscard]] bool empty() const { return files_.empty() && levels_.empty(); }
  Status AddCovering(const Slice& user_key, SequenceNumber snapshot,
                     Covering* covering);

 private:
  struct OpenFile {
    const LiveTable* file = nullptr;
    LiveTable::Open table;  // Null: not asked yet.
  };
  struct Level {
    const LiveTables* files = nullptr;
    const LevelBounds* bounds = nullptr;
    size_t position = 0;  // Where the last key was.
    OpenFile last = {};   // The last one that was asked.
  };

  Status AddCoveringOf(const Slice& user_key, SequenceNumber snapshot,
                       OpenFile* file, Covering* covering) const;
  void Locate(const Slice& user_key, Level* level) const;

  const Version* const version_;
  std::vector<OpenFile> files_;  // Of level 0.
  std::vector<Level> levels_;    // The others.
};

}  // namespace paceline
