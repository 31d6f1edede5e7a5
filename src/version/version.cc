#include "src/version/version.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "src/version/level_iterator.h"

namespace paceline {

namespace {

// True if all files of the family have an epoch. If one of them on any level
// has none, RocksDB does not go by those of the others.
bool HasEpochs(const ManifestState::Family& family) {
  return std::none_of(
      family.files.begin(), family.files.end(),
      [](const auto& file) { return file.second.metadata->epoch_number == 0; });
}

// By epoch, or by sequence numbers.
void SortNewestFirst(bool by_epoch, LiveTables* files) {
  std::sort(files->begin(), files->end(),
            [by_epoch](const auto& left, const auto& right) {
              const FileMetaData& a = left->metadata();
              const FileMetaData& b = right->metadata();
              if (by_epoch && a.epoch_number != b.epoch_number) {
                return a.epoch_number > b.epoch_number;
              }
              if (a.largest_sequence != b.largest_sequence) {
                return a.largest_sequence > b.largest_sequence;
              }
              if (a.smallest_sequence != b.smallest_sequence) {
                return a.smallest_sequence > b.smallest_sequence;
              }
              return a.number > b.number;
            });
}

Status SortByKey(const TableContext& context, int level, LiveTables* files) {
  const InternalKeyComparator& comparator = context.comparator;
  std::sort(files->begin(), files->end(), [&](const auto& a, const auto& b) {
    return comparator.Compare(a->metadata().smallest, b->metadata().smallest) <
           0;
  });
  for (size_t i = 0; i < files->size(); ++i) {
    const FileMetaData& file = (*files)[i]->metadata();
    bool is_ordered = comparator.Compare(file.smallest, file.largest) <= 0;
    if (!is_ordered ||
        (i > 0 && comparator.Compare((*files)[i - 1]->metadata().largest,
                                     file.smallest) >= 0)) {
      return Status::Corruption(
          "the MANIFEST has overlapping tables on level " +
              std::to_string(level) + " of column family " +
              context.family_name,
          "table " + std::to_string(file.number));
    }
  }
  return Status::OK();
}

}  // namespace

StatusOr<std::shared_ptr<const Version>> Version::Make(
    const ManifestState::Family& family, const Version& previous) {
  std::unordered_map<uint64_t, std::shared_ptr<LiveTable>> known;
  for (const LiveTables& files : previous.levels_) {
    for (const auto& file : files) known[file->number()] = file;
  }
  auto version = std::make_shared<Version>(previous.context_);
  for (const auto& [number, file] : family.files) {
    std::shared_ptr<LiveTable>& shared = known[number];
    if (shared == nullptr) {
      shared = std::make_shared<LiveTable>(file.metadata, previous.context_);
    }
    version->levels_[static_cast<size_t>(file.level)].push_back(shared);
  }
  SortNewestFirst(HasEpochs(family), &version->levels_[0]);
  for (int level = 1; level < kLevels; ++level) {
    Status s = SortByKey(*previous.context_, level,
                         &version->levels_[static_cast<size_t>(level)]);
    if (!s.ok()) return s;
    version->bounds_[static_cast<size_t>(level)] =
        LevelBounds(&version->comparator(), version->files(level));
  }
  return std::shared_ptr<const Version>(std::move(version));
}

uint64_t Version::LevelBytes(int level) const {
  uint64_t bytes = 0;
  for (const auto& file : files(level)) bytes += file->size();
  return bytes;
}

uint64_t Version::TotalBytes() const {
  uint64_t bytes = 0;
  for (int level = 0; level < kLevels; ++level) bytes += LevelBytes(level);
  return bytes;
}

size_t Version::FileCount() const {
  size_t count = 0;
  for (const LiveTables& files : levels_) count += files.size();
  return count;
}

int Version::DeepestLevel() const {
  int level = kLevels - 1;
  while (level >= 0 && files(level).empty()) --level;
  return level;
}

uint64_t Version::NextEpoch() const {
  uint64_t largest = 0;
  for (const LiveTables& level : levels_) {
    for (const auto& file : level) {
      if (file->metadata().epoch_number == 0) return 0;
      largest = std::max(largest, file->metadata().epoch_number);
    }
  }
  return largest + 1;
}

size_t Version::FirstWithTombstones(int level) const {
  const LiveTables& sorted = files(level);
  Atomic<size_t>& known = first_with_tombstones_[static_cast<size_t>(level)];
  const size_t begin = known.load(std::memory_order_relaxed);
  size_t i = begin;
  while (i < sorted.size() && !sorted[i]->may_have_tombstones()) ++i;
  if (i != begin) known.store(i, std::memory_order_relaxed);
  return i;
}

bool Overlaps(const InternalKeyComparator& comparator, const FileMetaData& file,
              const Slice* begin, const Slice* end) {
  if (end != nullptr &&
      comparator.CompareUserKeys(file.smallest_user_key(), *end) > 0) {
    return false;
  }
  if (begin == nullptr) return true;
  int order = comparator.CompareUserKeys(file.largest_user_key(), *begin);
  return order > 0 || (order == 0 && !file.largest_is_sentinel());
}

Status Version::Get(const BlockReadOptions& options, KeyLookup* lookup,
                    HeldBlocks* held) const {
  for (const auto& file : levels_[0]) {
    if (lookup->is_decided()) return Status::OK();
    const Slice& key = lookup->user_key();
    if (!Overlaps(comparator(), file->metadata(), &key, &key)) continue;
    Status s = lookup->LookIn(*file, options, held);
    if (!s.ok()) return s;
  }
  for (int level = 1; level < kLevels; ++level) {
    if (lookup->is_decided()) return Status::OK();
    Status s = GetFromLevel(level, options, lookup, held);
    if (!s.ok()) return s;
  }
  return Status::OK();
}

// More than one file only if the versions of the key span files.
Status Version::GetFromLevel(int level, const BlockReadOptions& options,
                             KeyLookup* lookup, HeldBlocks* held) const {
  const LiveTables& sorted = files(level);
  if (sorted.empty()) return Status::OK();
  const Slice& key = lookup->user_key();
  const LevelBounds& sorted_bounds = bounds(level);
  size_t i = sorted_bounds.Find(key);
  for (; i < sorted.size() && !lookup->is_decided(); ++i) {
    const Slice smallest = sorted_bounds.smallest_user_key(i);
    if (comparator().CompareUserKeys(smallest, key) > 0) break;
    Status s = lookup->LookIn(*sorted[i], options, held);
    if (!s.ok()) return s;
  }
  return Status::OK();
}

Status Version::AddIterators(
    const BlockReadOptions& options,
    std::vector<std::unique_ptr<InternalIterator>>* iterators) const {
  for (const auto& file : levels_[0]) {
    auto table = file->Get();
    if (!table.ok()) return table.status();
    iterators->push_back(NewLiveTableIterator(*std::move(table), options));
  }
  for (int level = 1; level < kLevels; ++level) {
    if (files(level).empty()) continue;
    iterators->push_back(
        NewLevelIterator(&bounds(level), &files(level), options));
  }
  return Status::OK();
}

LiveTables Version::Overlapping(int level, const Slice* begin,
                                const Slice* end) const {
  LiveTables found;
  for (const auto& file : files(level)) {
    if (Overlaps(comparator(), file->metadata(), begin, end)) {
      found.push_back(file);
    }
  }
  return found;
}

bool Version::MayHaveBelow(int level, const Slice& user_key) const {
  for (int below = level + 1; below < kLevels; ++below) {
    const LevelBounds& sorted = bounds(below);
    const size_t i = sorted.Find(user_key);
    if (i < sorted.size() && comparator().CompareUserKeys(
                                 sorted.smallest_user_key(i), user_key) <= 0) {
      return true;
    }
  }
  return false;
}

VersionTombstones::VersionTombstones(const Version* version)
    : version_(version) {
  const LiveTables& newest = version->files(0);
  for (size_t i = version->FirstWithTombstones(0); i < newest.size(); ++i) {
    if (newest[i]->may_have_tombstones()) {
      files_.push_back({newest[i].get(), {}});
    }
  }
  for (int level = 1; level < kLevels; ++level) {
    const LiveTables& files = version->files(level);
    if (version->FirstWithTombstones(level) < files.size()) {
      levels_.push_back({.files = &files, .bounds = &version->bounds(level)});
    }
  }
}

Status VersionTombstones::AddCovering(const Slice& user_key,
                                      SequenceNumber snapshot,
                                      Covering* covering) {
  const InternalKeyComparator& comparator = version_->comparator();
  for (OpenFile& file : files_) {
    Status s = AddCoveringOf(user_key, snapshot, &file, covering);
    if (!s.ok()) return s;
  }
  for (Level& level : levels_) {
    Locate(user_key, &level);
    for (size_t i = level.position; i < level.files->size(); ++i) {
      const Slice smallest = level.bounds->smallest_user_key(i);
      if (comparator.CompareUserKeys(smallest, user_key) > 0) break;
      const LiveTable* file = (*level.files)[i].get();
      if (level.last.file != file) level.last = {file, {}};
      Status s = AddCoveringOf(user_key, snapshot, &level.last, covering);
      if (!s.ok()) return s;
    }
  }
  return Status::OK();
}

// Keys mostly come in order, so the file of the last one is tried first.
void VersionTombstones::Locate(const Slice& user_key, Level* level) const {
  const InternalKeyComparator& comparator = version_->comparator();
  const LevelBounds& bounds = *level->bounds;
  const size_t at = level->position;
  auto order_of = [&](size_t i) {
    return comparator.CompareUserKeys(bounds.largest_user_key(i), user_key);
  };
  bool is_here = at < bounds.size() && order_of(at) >= 0 &&
                 (at == 0 || order_of(at - 1) < 0);
  if (!is_here) level->position = bounds.Find(user_key);
}

Status VersionTombstones::AddCoveringOf(const Slice& user_key,
                                        SequenceNumber snapshot, OpenFile* file,
                                        Covering* covering) const {
  const FileMetaData& metadata = file->file->metadata();
  if (!file->file->may_have_tombstones() ||
      !Overlaps(version_->comparator(), metadata, &user_key, &user_key)) {
    return Status::OK();
  }
  if (file->table.reader == nullptr) {
    auto table = file->file->Get();
    if (!table.ok()) return table.status();
    file->table = *std::move(table);
  }
  if (const auto& tombstones = file->table->tombstones()) {
    AddCoveringOfTable(*tombstones, metadata, version_->comparator(), user_key,
                       snapshot, covering);
  }
  return Status::OK();
}

}  // namespace paceline
