#include "src/version/merging_iterator.h"

#include <utility>

#include "src/base/check.h"

namespace paceline {

namespace {

// Keeps the valid children in a heap whose top is the current one: the
// smallest going forward, the largest going backward. A child that fails ends
// the iteration: behind it, entries of others could wrongly seem current.
class MergingIterator final : public InternalIterator {
 public:
  MergingIterator(const InternalKeyComparator* comparator,
                  std::vector<std::unique_ptr<InternalIterator>> children)
      : comparator_(comparator) {
    children_.reserve(children.size());
    for (auto& child : children) children_.push_back({std::move(child), {}});
    heap_.reserve(children_.size());
  }

  bool Valid() const override { return !heap_.empty(); }

  void SeekToFirst() override {
    BuildHeap(Direction::kForward,
              [](InternalIterator* child) { child->SeekToFirst(); });
  }
  void SeekToLast() override {
    BuildHeap(Direction::kBackward,
              [](InternalIterator* child) { child->SeekToLast(); });
  }
  void Seek(const Slice& target) override {
    BuildHeap(Direction::kForward,
              [&](InternalIterator* child) { child->Seek(target); });
  }
  void SeekForPrev(const Slice& target) override {
    BuildHeap(Direction::kBackward,
              [&](InternalIterator* child) { child->SeekForPrev(target); });
  }

  void Next() override {
    if (direction_ == Direction::kBackward) Turn(Direction::kForward);
    if (heap_.empty()) return;
    heap_.front()->entries->Next();
    RestoreTop();
  }
  void Prev() override {
    if (direction_ == Direction::kForward) Turn(Direction::kBackward);
    if (heap_.empty()) return;
    heap_.front()->entries->Prev();
    RestoreTop();
  }

  Slice key() const override { return heap_.front()->key; }
  Slice value() const override { return heap_.front()->entries->value(); }
  Status status() const override { return status_; }

 private:
  enum class Direction { kForward, kBackward };

  struct Child {
    std::unique_ptr<InternalIterator> entries;
    Slice key;  // Where it stands, to compare without asking it.
  };

  bool IsBefore(const Child* a, const Child* b) const {
    int order = comparator_->Compare(a->key, b->key);
    return direction_ == Direction::kForward ? order < 0 : order > 0;
  }

  // True if the child stands on an entry.
  bool Update(Child* child) {
    if (child->entries->Valid()) {
      child->key = child->entries->key();
      return true;
    }
    if (status_.ok()) status_ = child->entries->status();
    return false;
  }

  template <typename Move>
  void BuildHeap(Direction direction, Move move) {
    direction_ = direction;
    status_ = Status::OK();
    heap_.clear();
    for (Child& child : children_) {
      move(child.entries.get());
      if (Update(&child)) heap_.push_back(&child);
    }
    for (size_t i = heap_.size() / 2; i-- > 0;) SiftDown(i);
    if (!status_.ok()) heap_.clear();
  }

  void SiftDown(size_t at) {
    Child* const moved = heap_[at];
    while (true) {
      size_t next = 2 * at + 1;
      if (next >= heap_.size()) break;
      if (next + 1 < heap_.size() && IsBefore(heap_[next + 1], heap_[next])) {
        ++next;
      }
      if (!IsBefore(heap_[next], moved)) break;
      heap_[at] = heap_[next];
      at = next;
    }
    heap_[at] = moved;
  }

  // After the top has moved.
  void RestoreTop() {
    if (!Update(heap_.front())) {
      heap_.front() = heap_.back();
      heap_.pop_back();
      if (!status_.ok()) heap_.clear();
      if (heap_.empty()) return;
    }
    SiftDown(0);
  }

  // Puts every other child behind the current entry, on the side that the new
  // direction moves to.
  void Turn(Direction direction) {
    const Child* current = heap_.front();
    std::string here = current->key.ToString();
    BuildHeap(direction, [&](InternalIterator* child) {
      if (child == current->entries.get()) return;
      if (direction == Direction::kForward) {
        child->Seek(here);
      } else {
        child->SeekForPrev(here);
      }
    });
    PL_DCHECK(!status_.ok() || heap_.front() == current);
  }

  const InternalKeyComparator* const comparator_;
  std::vector<Child> children_;
  std::vector<Child*> heap_;
  Direction direction_ = Direction::kForward;
  Status status_;
};

}  // namespace

std::unique_ptr<InternalIterator> NewMergingIterator(
    const InternalKeyComparator* comparator,
    std::vector<std::unique_ptr<InternalIterator>> children) {
  if (children.size() == 1) return std::move(children.front());
  return std::make_unique<MergingIterator>(comparator, std::move(children));
}

}  // namespace paceline
