#include "src/compaction/compaction_job.h"

#include <algorithm>
#include <utility>

#include "src/compaction/compaction_iterator.h"
#include "src/compaction/flush_job.h"
#include "src/version/level_iterator.h"
#include "src/version/merging_iterator.h"

namespace paceline {

namespace {

// Enough that system calls do not count; the kernel reads further ahead by
// itself. For each of the files that are read at a time, which may be some
// twenty: 256 KiB were no faster.
constexpr size_t kReadaheadBytes = size_t{64} << 10;

// Answers, for ascending user keys, whether a level below may hold them.
class BelowCursor {
 public:
  BelowCursor(const Version* version, int output_level)
      : version_(version), output_level_(output_level) {}

  bool MayHold(const Slice& user_key) {
    const InternalKeyComparator& comparator = version_->comparator();
    for (int level = output_level_ + 1; level < kLevels; ++level) {
      const LiveTables& files = version_->files(level);
      size_t& at = positions_[static_cast<size_t>(level)];
      while (at < files.size() &&
             comparator.CompareUserKeys(
                 files[at]->metadata().largest_user_key(), user_key) < 0) {
        ++at;
      }
      if (at < files.size() &&
          comparator.CompareUserKeys(files[at]->metadata().smallest_user_key(),
                                     user_key) <= 0) {
        return true;
      }
    }
    return false;
  }

 private:
  const Version* const version_;
  const int output_level_;
  std::array<size_t, kLevels> positions_{};
};

// Counts what output files overlap one level below theirs.
class GrandparentCursor {
 public:
  GrandparentCursor(const Compaction& compaction) {
    int level = compaction.output_level + 1;
    if (level < kLevels) files_ = &compaction.version->files(level);
    comparator_ = &compaction.version->comparator();
  }

  // Bytes of the files that `user_key`, which is not less than the one before,
  // has passed since Reset().
  uint64_t Advance(const Slice& user_key) {
    while (files_ != nullptr && at_ < files_->size() &&
           comparator_->CompareUserKeys(
               (*files_)[at_]->metadata().largest_user_key(), user_key) < 0) {
      if (has_begun_) passed_ += (*files_)[at_]->size();
      ++at_;
    }
    has_begun_ = true;
    return passed_;
  }
  void Reset() { passed_ = 0; }

 private:
  const LiveTables* files_ = nullptr;
  const InternalKeyComparator* comparator_ = nullptr;
  size_t at_ = 0;
  bool has_begun_ = false;
  uint64_t passed_ = 0;
};

class Job {
 public:
  Job(const Compaction& compaction, const CompactionContext& context)
      : compaction_(compaction),
        context_(context),
        family_(*context.output.family),
        output_(context.output),
        grandparents_(compaction) {}

  StatusOr<CompactionResult> Run();

 private:
  Status CollectTombstones();
  Status OpenInputs(std::vector<std::unique_ptr<InternalIterator>>* inputs);
  Status Write(CompactionIterator* entries);
  // Ends the table in front of `user_key` if it is large enough.
  Status MaybeEndTable(const Slice& user_key);

  const Compaction& compaction_;
  const CompactionContext& context_;
  const ColumnFamily& family_;
  TableOutput output_;
  GrandparentCursor grandparents_;
  std::unique_ptr<FragmentedRangeTombstones> tombstones_;
  std::string last_user_key_;
  CompactionResult result_;
};

// Cuts each tombstone to the bounds of its file. Where a point entry is the
// largest key, its user key is included, which an exclusive end can say in
// bytewise order only; in others the next file, which begins with that user
// key, has the same tombstone.
Status Job::CollectTombstones() {
  const InternalKeyComparator& comparator = family_.comparator();
  std::vector<RangeTombstone> cut;
  for (const auto& file : compaction_.AllInputs()) {
    if (!file->may_have_tombstones()) continue;
    auto table = file->Get();
    if (!table.ok()) return table.status();
    const auto& stored = (*table)->tombstones();
    if (stored == nullptr) continue;
    std::string smallest = file->metadata().smallest_user_key().ToString();
    std::string largest = file->metadata().largest_user_key().ToString();
    if (!file->metadata().largest_is_sentinel() && comparator.is_bytewise()) {
      largest.push_back('\0');
    }
    for (const auto& fragment : stored->fragments()) {
      Slice begin = fragment.begin;
      Slice end = fragment.end;
      if (comparator.CompareUserKeys(begin, smallest) < 0) begin = smallest;
      if (comparator.CompareUserKeys(end, largest) > 0) end = largest;
      if (comparator.CompareUserKeys(begin, end) >= 0) continue;
      for (SequenceNumber sequence : fragment.sequences) {
        cut.push_back({begin.ToString(), end.ToString(), sequence});
      }
    }
  }
  if (cut.empty()) return Status::OK();
  tombstones_ = std::make_unique<FragmentedRangeTombstones>(
      std::move(cut), comparator.user_comparator());
  const Version& version = *compaction_.version;
  auto is_last_word = [&](const Slice& begin, const Slice& end) {
    for (int level = compaction_.output_level + 1; level < kLevels; ++level) {
      if (!version.Overlapping(level, &begin, &end).empty()) return false;
    }
    return true;
  };
  output_.SetTombstones(
      VisibleTombstones(*tombstones_, context_.snapshots, is_last_word));
  return Status::OK();
}

Status Job::OpenInputs(std::vector<std::unique_ptr<InternalIterator>>* inputs) {
  BlockReadOptions options{.verify_checksums = true,
                           .fill_cache = false,
                           .readahead_size = kReadaheadBytes};
  if (compaction_.level > 0) {
    inputs->push_back(
        NewLevelIterator(&family_.comparator(), &compaction_.inputs, options));
  } else {
    for (const auto& file : compaction_.inputs) {
      auto table = file->Get();
      if (!table.ok()) return table.status();
      inputs->push_back(NewLiveTableIterator(*std::move(table), options));
    }
  }
  if (!compaction_.output_inputs.empty()) {
    inputs->push_back(NewLevelIterator(&family_.comparator(),
                                       &compaction_.output_inputs, options));
  }
  return Status::OK();
}

StatusOr<CompactionResult> Job::Run() {
  uint64_t start = context_.clock->MonotonicNanos();
  Status s = CollectTombstones();
  std::vector<std::unique_ptr<InternalIterator>> inputs;
  if (s.ok()) s = OpenInputs(&inputs);
  if (!s.ok()) return s;
  std::unique_ptr<InternalIterator> input =
      NewMergingIterator(&family_.comparator(), std::move(inputs));
  BelowCursor below(compaction_.version.get(), compaction_.output_level);
  CompactionIterator entries(
      {.comparator = &family_.comparator(),
       .merge_operator = family_.options().merge_operator.get(),
       .logger = context_.logger,
       .snapshots = context_.snapshots,
       .tombstones = tombstones_.get(),
       .is_bottommost =
           [&below](const Slice& user_key) { return !below.MayHold(user_key); },
       .is_stopping = context_.is_stopping},
      input.get());
  s = Write(&entries);
  if (s.ok()) s = output_.Finish();
  if (!s.ok()) return s;
  output_.Keep();
  result_.files = output_.files();
  result_.bytes_read = compaction_.InputBytes();
  result_.bytes_written = output_.bytes_written();
  result_.entries_read = entries.entries_read();
  result_.micros = (context_.clock->MonotonicNanos() - start) / 1000;
  return std::move(result_);
}

Status Job::Write(CompactionIterator* entries) {
  for (entries->SeekToFirst(); entries->Valid(); entries->Next()) {
    Slice user_key = ExtractUserKey(entries->key());
    Status s;
    if (output_.has_open_table()) s = MaybeEndTable(user_key);
    if (s.ok()) s = output_.Add(entries->key(), entries->value());
    if (!s.ok()) return s;
    last_user_key_.assign(user_key.data(), user_key.size());
    ++result_.entries_written;
  }
  return entries->status();
}

// Never between two versions of a user key.
Status Job::MaybeEndTable(const Slice& user_key) {
  uint64_t passed = grandparents_.Advance(user_key);
  bool is_full = output_.OpenTableBytes() >= compaction_.target_file_bytes;
  if (!is_full && passed <= compaction_.max_grandparent_bytes) {
    return Status::OK();
  }
  if (family_.comparator().CompareUserKeys(user_key, last_user_key_) == 0) {
    return Status::OK();
  }
  grandparents_.Reset();
  return output_.EndTable(user_key);
}

}  // namespace

StatusOr<CompactionResult> RunCompaction(const Compaction& compaction,
                                         const CompactionContext& context) {
  return Job(compaction, context).Run();
}

}  // namespace paceline
