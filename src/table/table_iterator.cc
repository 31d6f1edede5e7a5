#include "src/table/table_iterator.h"

#include <utility>

#include "src/base/check.h"
#include "src/format/internal_key.h"
#include "src/table/block.h"

namespace paceline {

namespace {

// Two iterators as one: over the index, and over the block that it leads to.
class TableIterator final : public InternalIterator {
 public:
  TableIterator(const DataBlocks* blocks, const BlockReadOptions& options)
      : blocks_(blocks),
        index_(blocks->table().index),
        options_(options),
        readahead_(options.readahead_size),
        position_(blocks->size()) {}

  bool Valid() const override { return is_valid_; }
  Slice key() const override { return entry_.key(); }
  Slice value() const override { return entry_.value(); }
  Status status() const override { return status_; }

  void SeekToFirst() override {
    if (!MoveTo(0, &readahead_)) return;
    entry_.SeekToFirst();
    ShowOrGoForward();
  }

  void SeekToLast() override {
    if (!MoveTo(blocks_->size() - 1, nullptr)) return;
    entry_.SeekToLast();
    ShowOrGoBack();
  }

  void Seek(const Slice& target) override {
    const Slice user_key = ExtractUserKey(target);
    const uint64_t tag = ExtractTag(target);
    if (!MoveTo(index_.Seek(user_key, tag), &readahead_)) return;
    entry_.Seek(user_key, tag);
    ShowOrGoForward();
  }

  void SeekForPrev(const Slice& target) override {
    const size_t position =
        index_.Seek(ExtractUserKey(target), ExtractTag(target));
    // Behind the last separator, every entry is in front of the target.
    if (position == blocks_->size()) return SeekToLast();
    if (!MoveTo(position, nullptr)) return;
    entry_.SeekForPrev(target);
    ShowOrGoBack();
  }

  void Next() override {
    PL_DCHECK(is_valid_);
    entry_.Next();
    ShowOrGoForward();
  }

  void Prev() override {
    PL_DCHECK(is_valid_);
    entry_.Prev();
    ShowOrGoBack();
  }

 private:
  // Starts over the block at `position`. False if there is none (also for -1)
  // or it cannot be read; then Valid() is false.
  bool MoveTo(size_t position, ReadaheadBuffer* readahead) {
    is_valid_ = false;
    status_ = Status::OK();
    if (position >= blocks_->size()) return false;
    if (position != position_ || block_ == nullptr) {
      // The iterator points into the block until it is started over.
      std::shared_ptr<const Block> block;
      Status s = blocks_->Read(position, options_, readahead, &block);
      if (!s.ok()) {
        status_ = std::move(s);
        return false;
      }
      blocks_->Start(block.get(), &entry_);
      block_ = std::move(block);
      position_ = position;
    }
    return true;
  }

  void ShowOrGoForward() {
    while (!entry_.Valid()) {
      if (entry_.is_damaged()) return Fail(blocks_->DamagedEntry(position_));
      if (!MoveTo(position_ + 1, &readahead_)) return;
      entry_.SeekToFirst();
    }
    Show();
  }

  void ShowOrGoBack() {
    while (!entry_.Valid()) {
      if (entry_.is_damaged()) return Fail(blocks_->DamagedEntry(position_));
      if (!MoveTo(position_ - 1, nullptr)) return;
      entry_.SeekToLast();
    }
    Show();
  }

  void Show() {
    const uint64_t tag = ExtractTag(entry_.key());
    is_valid_ = IsPointType(tag);
    if (!is_valid_) [[unlikely]]
      Fail(blocks_->BadType(position_, tag));
  }

  void Fail(Status status) {
    is_valid_ = false;
    status_ = std::move(status);
  }

  const DataBlocks* const blocks_;
  const TableIndex& index_;
  const BlockReadOptions options_;
  ReadaheadBuffer readahead_;
  size_t position_;  // Of block_.
  std::shared_ptr<const Block> block_;
  BlockIterator entry_;
  bool is_valid_ = false;
  Status status_;
};

}  // namespace

std::unique_ptr<InternalIterator> NewTableIterator(
    const DataBlocks* blocks, const BlockReadOptions& options) {
  return std::make_unique<TableIterator>(blocks, options);
}

}  // namespace paceline
