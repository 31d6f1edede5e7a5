#include "src/compaction/table_output.h"

#include <algorithm>
#include <utility>

#include "src/base/check.h"
#include "src/base/sync.h"
#include "src/format/file_name.h"

namespace paceline {

namespace {

// Some hundred microseconds of work.
constexpr uint32_t kEntriesInARow = 512;

}  // namespace

TableOutput::TableOutput(Config config) : config_(std::move(config)) {}

TableOutput::~TableOutput() {
  builder_.reset();
  if (keeps_files_) return;
  for (const std::string& path : paths_) {
    // One that stays is removed by the next open.
    Status ignored = config_.file_system->RemoveFile(path);
    static_cast<void>(ignored);
  }
}

Status TableOutput::Begin() {
  open_ = FileMetaData();
  open_.number = config_.new_file_number();
  open_.smallest_sequence = kMaxSequenceNumber;
  open_.file_creation_time = config_.now_seconds;
  open_.oldest_ancestor_time = config_.oldest_ancestor_time != 0
                                   ? config_.oldest_ancestor_time
                                   : config_.now_seconds;
  open_.epoch_number = config_.epoch_number;
  std::string path = TableFileName(config_.directory, open_.number);
  auto file = config_.file_system->NewWritableFile(path, {});
  if (!file.ok()) return file.status();
  paths_.push_back(path);

  const ColumnFamily& family = *config_.family;
  TableBuilderOptions options;
  options.comparator = &family.comparator();
  options.table = family.options().table_factory->options();
  options.block_cache = family.tables().block_cache;
  options.compression = config_.compression;
  options.compression_options = family.options().compression_opts;
  options.rate_limiter = config_.rate_limiter;
  options.rate_limiter_priority = config_.priority;
  options.file_number = open_.number;
  options.family_id = family.id();
  options.family_name = family.name();
  if (family.options().merge_operator != nullptr) {
    options.merge_operator_name = family.options().merge_operator->Name();
  }
  options.creation_time = open_.oldest_ancestor_time;
  options.file_creation_time = open_.file_creation_time;
  builder_ = std::make_unique<TableBuilder>(options, *std::move(file), path);
  return Status::OK();
}

Status TableOutput::Add(const Slice& internal_key, const Slice& value) {
  if (builder_ == nullptr) {
    Status s = Begin();
    if (!s.ok()) return s;
    open_.smallest = internal_key.ToString();
  }
  SequenceNumber sequence = TagSequence(ExtractTag(internal_key));
  open_.smallest_sequence = std::min(open_.smallest_sequence, sequence);
  open_.largest_sequence = std::max(open_.largest_sequence, sequence);
  last_key_.assign(internal_key.data(), internal_key.size());
  LetOthersRun();
  return builder_->Add(internal_key, value);
}

void TableOutput::LetOthersRun() {
  if (++entries_in_a_row_ < kEntriesInARow) return;
  entries_in_a_row_ = 0;
  YieldProcessor();
}

bool TableOutput::HasTombstonesBefore(const Slice* next) const {
  return next_tombstone_ < tombstones_.size() &&
         (next == nullptr ||
          config_.family->comparator().CompareUserKeys(
              tombstones_[next_tombstone_].begin, *next) < 0);
}

Status TableOutput::End(const Slice* next) {
  if (builder_ == nullptr) {
    if (!HasTombstonesBefore(next)) return Status::OK();
    Status s = Begin();
    if (!s.ok()) return s;
  }
  open_.largest = last_key_;
  last_key_.clear();
  AddTombstones(next);
  Status s = builder_->Finish();
  open_.size = builder_->EstimatedFileSize();
  bytes_written_ += open_.size;
  builder_.reset();
  if (!s.ok()) return s;
  files_.push_back(std::move(open_));
  if (next != nullptr) {
    has_begin_ = true;
    begin_ = next->ToString();
  }
  return Status::OK();
}

// What a tombstone has in this table is between `begin_` and `next`.
void TableOutput::AddTombstones(const Slice* next) {
  const InternalKeyComparator& comparator = config_.family->comparator();
  for (size_t i = next_tombstone_; i < tombstones_.size(); ++i) {
    const RangeTombstone& tombstone = tombstones_[i];
    Slice begin = tombstone.begin;
    Slice end = tombstone.end;
    if (next != nullptr && comparator.CompareUserKeys(begin, *next) >= 0) break;
    if (has_begin_ && comparator.CompareUserKeys(begin, begin_) < 0) {
      begin = begin_;
    }
    if (next != nullptr && comparator.CompareUserKeys(end, *next) > 0) {
      end = *next;
    }
    if (comparator.CompareUserKeys(begin, end) < 0) {
      builder_->AddTombstone(begin, end, tombstone.sequence);
      Extend(begin, end, tombstone.sequence);
    }
  }
  // Disjoint and sorted, so those that reach into the next table come last.
  while (next_tombstone_ < tombstones_.size() && next != nullptr &&
         comparator.CompareUserKeys(tombstones_[next_tombstone_].end, *next) <=
             0) {
    ++next_tombstone_;
  }
  if (next == nullptr) next_tombstone_ = tombstones_.size();
}

void TableOutput::Extend(const Slice& begin, const Slice& end,
                         SequenceNumber sequence) {
  const InternalKeyComparator& comparator = config_.family->comparator();
  std::string smallest;
  AppendInternalKey(&smallest, begin, sequence, ValueType::kRangeDeletion);
  std::string largest(end.data(), end.size());
  PutFixed64(&largest, kRangeTombstoneSentinelTag);
  if (open_.smallest.empty() ||
      comparator.Compare(smallest, open_.smallest) < 0) {
    open_.smallest = std::move(smallest);
  }
  if (open_.largest.empty() || comparator.Compare(largest, open_.largest) > 0) {
    open_.largest = std::move(largest);
  }
  open_.smallest_sequence = std::min(open_.smallest_sequence, sequence);
  open_.largest_sequence = std::max(open_.largest_sequence, sequence);
}

}  // namespace paceline
