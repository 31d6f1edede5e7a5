#include "src/memtable/memtable.h"

namespace paceline {

namespace {

class MemTableIterator final : public InternalIterator {
 public:
  explicit MemTableIterator(const EntryTree* tree) : cursor_(tree) {}

  bool Valid() const override { return cursor_.Valid(); }
  void SeekToFirst() override { cursor_.SeekToFirst(); }
  void SeekToLast() override { cursor_.SeekToLast(); }
  void Seek(const Slice& target) override {
    cursor_.Seek(ExtractUserKey(target), ExtractTag(target));
  }
  void SeekForPrev(const Slice& target) override {
    cursor_.SeekForPrev(ExtractUserKey(target), ExtractTag(target));
  }
  void Next() override { cursor_.Next(); }
  void Prev() override { cursor_.Prev(); }
  Slice key() const override { return cursor_.entry().key(); }
  Slice value() const override { return cursor_.entry().value(); }
  Status status() const override { return Status::OK(); }

 private:
  EntryTree::Cursor cursor_;
};

}  // namespace

MemTable::MemTable(const Comparator* user_comparator,
                   std::shared_ptr<ArenaBlocks> blocks)
    : comparator_(user_comparator),
      arena_(std::move(blocks)),
      tree_(&comparator_, &arena_),
      range_tombstones_(user_comparator) {}

bool MemTable::Add(SequenceNumber sequence, ValueType type,
                   const Slice& user_key, const Slice& value) {
  bool is_new = type == ValueType::kRangeDeletion
                    ? range_tombstones_.Add(user_key, value, sequence)
                    : tree_.Insert(user_key, PackTag(sequence, type), value);
  if (!is_new) return false;
  entries_.fetch_add(1, std::memory_order_relaxed);
  if (type != ValueType::kValue && type != ValueType::kMerge) {
    deletions_.fetch_add(1, std::memory_order_relaxed);
  }
  return true;
}

std::unique_ptr<InternalIterator> MemTable::NewIterator() const {
  return std::make_unique<MemTableIterator>(&tree_);
}

}  // namespace paceline
