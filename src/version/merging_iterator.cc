#include "src/version/merging_iterator.h"

#include <algorithm>
#include <utility>

#include "src/base/check.h"

namespace paceline {

namespace {

// Keeps the valid children in a heap whose top is the current one: the
// smallest going forward, the largest going backward.
class MergingIterator final : public InternalIterator {
 public:
  MergingIterator(const InternalKeyComparator* comparator,
                  std::vector<std::unique_ptr<InternalIterator>> children)
      : comparator_(comparator), children_(std::move(children)) {}

  bool Valid() const override { return !heap_.empty(); }

  void SeekToFirst() override {
    for (auto& child : children_) child->SeekToFirst();
    BuildHeap(Direction::kForward);
  }
  void SeekToLast() override {
    for (auto& child : children_) child->SeekToLast();
    BuildHeap(Direction::kBackward);
  }
  void Seek(const Slice& target) override {
    for (auto& child : children_) child->Seek(target);
    BuildHeap(Direction::kForward);
  }
  void SeekForPrev(const Slice& target) override {
    for (auto& child : children_) child->SeekForPrev(target);
    BuildHeap(Direction::kBackward);
  }

  void Next() override {
    if (direction_ == Direction::kBackward) TurnForward();
    heap_.front()->Next();
    RestoreTop();
  }
  void Prev() override {
    if (direction_ == Direction::kForward) TurnBackward();
    heap_.front()->Prev();
    RestoreTop();
  }

  Slice key() const override { return heap_.front()->key(); }
  Slice value() const override { return heap_.front()->value(); }

  Status status() const override {
    for (const auto& child : children_) {
      if (Status s = child->status(); !s.ok()) return s;
    }
    return Status::OK();
  }

 private:
  enum class Direction { kForward, kBackward };

  // For the standard heap functions, whose top is the greatest.
  auto HeapOrder() const {
    return [this](const InternalIterator* a, const InternalIterator* b) {
      int order = comparator_->Compare(a->key(), b->key());
      return direction_ == Direction::kForward ? order > 0 : order < 0;
    };
  }

  void BuildHeap(Direction direction) {
    direction_ = direction;
    heap_.clear();
    for (auto& child : children_) {
      if (child->Valid()) heap_.push_back(child.get());
    }
    std::make_heap(heap_.begin(), heap_.end(), HeapOrder());
  }

  // After the top has moved.
  void RestoreTop() {
    if (heap_.size() == 1) {
      if (!heap_.front()->Valid()) heap_.clear();
      return;
    }
    std::pop_heap(heap_.begin(), heap_.end(), HeapOrder());
    if (heap_.back()->Valid()) {
      std::push_heap(heap_.begin(), heap_.end(), HeapOrder());
    } else {
      heap_.pop_back();
    }
  }

  // Puts every other child behind the current entry, on the side that the new
  // direction moves to.
  void TurnForward() {
    InternalIterator* current = heap_.front();
    std::string here = current->key().ToString();
    for (auto& child : children_) {
      if (child.get() == current) continue;
      child->Seek(here);
    }
    BuildHeap(Direction::kForward);
    PL_DCHECK(heap_.front() == current);
  }
  void TurnBackward() {
    InternalIterator* current = heap_.front();
    std::string here = current->key().ToString();
    for (auto& child : children_) {
      if (child.get() == current) continue;
      child->SeekForPrev(here);
    }
    BuildHeap(Direction::kBackward);
    PL_DCHECK(heap_.front() == current);
  }

  const InternalKeyComparator* const comparator_;
  const std::vector<std::unique_ptr<InternalIterator>> children_;
  std::vector<InternalIterator*> heap_;
  Direction direction_ = Direction::kForward;
};

}  // namespace

std::unique_ptr<InternalIterator> NewMergingIterator(
    const InternalKeyComparator* comparator,
    std::vector<std::unique_ptr<InternalIterator>> children) {
  if (children.size() == 1) return std::move(children.front());
  return std::make_unique<MergingIterator>(comparator, std::move(children));
}

}  // namespace paceline
