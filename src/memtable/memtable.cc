#include "src/memtable/memtable.h"

namespace paceline {

namespace {

class MemTableIterator final : public InternalIterator {
 public:
  explicit MemTableIterator(const SkipList* list) : list_(list) {}

  bool Valid() const override { return node_ != nullptr; }
  void SeekToFirst() override { node_ = list_->First(); }
  void SeekToLast() override { node_ = list_->Last(); }
  void Seek(const Slice& target) override {
    node_ =
        list_->FindGreaterOrEqual(ExtractUserKey(target), ExtractTag(target));
  }
  void SeekForPrev(const Slice& target) override {
    Seek(target);
    if (node_ == nullptr) {
      SeekToLast();
    } else if (node_->key() != target) {
      Prev();
    }
  }
  void Next() override { node_ = SkipList::Next(node_); }
  void Prev() override {
    node_ = list_->FindLessThan(ExtractUserKey(node_->key()), node_->tag());
  }
  Slice key() const override { return node_->key(); }
  Slice value() const override { return node_->value(); }
  Status status() const override { return Status::OK(); }

 private:
  const SkipList* const list_;
  SkipList::Node* node_ = nullptr;
};

}  // namespace

MemTable::MemTable(const Comparator* user_comparator)
    : comparator_(user_comparator),
      list_(&comparator_, &arena_),
      range_tombstones_(user_comparator) {}

bool MemTable::Add(SequenceNumber sequence, ValueType type,
                   const Slice& user_key, const Slice& value) {
  bool is_new = type == ValueType::kRangeDeletion
                    ? range_tombstones_.Add(user_key, value, sequence)
                    : list_.Insert(user_key, PackTag(sequence, type), value);
  if (!is_new) return false;
  entries_.fetch_add(1, std::memory_order_relaxed);
  if (type != ValueType::kValue && type != ValueType::kMerge) {
    deletions_.fetch_add(1, std::memory_order_relaxed);
  }
  return true;
}

std::unique_ptr<InternalIterator> MemTable::NewIterator() const {
  return std::make_unique<MemTableIterator>(&list_);
}

}  // namespace paceline
