#include "src/version/level_iterator.h"

#include <algorithm>
#include <utility>

namespace paceline {

namespace {

class LiveTableIterator final : public InternalIterator {
 public:
  LiveTableIterator(LiveTable::Open table, const BlockReadOptions& options)
      : table_(std::move(table)), entries_(table_->NewIterator(options)) {}

  bool Valid() const override { return entries_->Valid(); }
  void SeekToFirst() override { entries_->SeekToFirst(); }
  void SeekToLast() override { entries_->SeekToLast(); }
  void Seek(const Slice& target) override { entries_->Seek(target); }
  void SeekForPrev(const Slice& target) override {
    entries_->SeekForPrev(target);
  }
  void Next() override { entries_->Next(); }
  void Prev() override { entries_->Prev(); }
  Slice key() const override { return entries_->key(); }
  Slice value() const override { return entries_->value(); }
  Status status() const override { return entries_->status(); }

 private:
  const LiveTable::Open table_;
  const std::unique_ptr<InternalIterator> entries_;
};

class LevelIterator final : public InternalIterator {
 public:
  LevelIterator(const LevelBounds* bounds, const LiveTables* files,
                const BlockReadOptions& options)
      : bounds_(bounds), files_(files), options_(options) {}
  LevelIterator(const InternalKeyComparator* comparator,
                const LiveTables* files, const BlockReadOptions& options)
      : own_bounds_(comparator, *files),
        bounds_(&own_bounds_),
        files_(files),
        options_(options) {}

  bool Valid() const override {
    return entries_ != nullptr && entries_->Valid();
  }
  void SeekToFirst() override {
    if (OpenFile(0)) entries_->SeekToFirst();
    PassOverEmptyFilesForward();
  }
  void SeekToLast() override {
    if (OpenFile(files_->size() - 1)) entries_->SeekToLast();
    PassOverEmptyFilesBackward();
  }
  void Seek(const Slice& target) override {
    if (OpenFile(bounds_->FindInternal(target))) entries_->Seek(target);
    PassOverEmptyFilesForward();
  }
  void SeekForPrev(const Slice& target) override {
    size_t at = std::min(bounds_->FindInternal(target), files_->size() - 1);
    if (OpenFile(at)) entries_->SeekForPrev(target);
    PassOverEmptyFilesBackward();
  }
  void Next() override {
    entries_->Next();
    if (!entries_->Valid()) PassOverEmptyFilesForward();
  }
  void Prev() override {
    entries_->Prev();
    if (!entries_->Valid()) PassOverEmptyFilesBackward();
  }
  Slice key() const override { return entries_->key(); }
  Slice value() const override { return entries_->value(); }
  Status status() const override {
    if (!status_.ok() || entries_ == nullptr) return status_;
    return entries_->status();
  }

 private:
  // False, with entries_ null, if there is no such file or it does not open.
  bool OpenFile(size_t at) {
    if (at == position_ && entries_ != nullptr) return true;
    entries_.reset();
    position_ = at;
    status_ = Status::OK();
    if (at >= files_->size()) return false;
    auto table = (*files_)[at]->Get();
    if (!table.ok()) {
      status_ = table.status();
      return false;
    }
    table_ = *std::move(table);
    entries_ = table_->NewIterator(options_);
    return true;
  }

  // A file may hold nothing but tombstones. Damage is not passed over.
  void PassOverEmptyFilesForward() {
    while (entries_ != nullptr && !entries_->Valid() &&
           entries_->status().ok()) {
      if (OpenFile(position_ + 1)) entries_->SeekToFirst();
    }
  }
  void PassOverEmptyFilesBackward() {
    while (entries_ != nullptr && !entries_->Valid() &&
           entries_->status().ok()) {
      if (position_ == 0) {
        entries_.reset();
      } else if (OpenFile(position_ - 1)) {
        entries_->SeekToLast();
      }
    }
  }

  const LevelBounds own_bounds_;  // Of no files if they are given.
  const LevelBounds* const bounds_;
  const LiveTables* const files_;
  const BlockReadOptions options_;
  size_t position_ = 0;
  LiveTable::Open table_;
  // Declared behind the table it reads. Null if there is no entry.
  std::unique_ptr<InternalIterator> entries_;
  Status status_;
};

}  // namespace

std::unique_ptr<InternalIterator> NewLiveTableIterator(
    LiveTable::Open table, const BlockReadOptions& options) {
  return std::make_unique<LiveTableIterator>(std::move(table), options);
}

std::unique_ptr<InternalIterator> NewLevelIterator(
    const LevelBounds* bounds, const LiveTables* files,
    const BlockReadOptions& options) {
  return std::make_unique<LevelIterator>(bounds, files, options);
}

std::unique_ptr<InternalIterator> NewLevelIterator(
    const InternalKeyComparator* comparator, const LiveTables* files,
    const BlockReadOptions& options) {
  return std::make_unique<LevelIterator>(comparator, files, options);
}

}  // namespace paceline
