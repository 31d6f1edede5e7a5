#include "src/version/live_table.h"

#include <utility>

namespace paceline {

void UnusedTables::SetListener(std::function<void()> on_added) {
  MutexLock lock(&mutex_);
  on_added_ = std::move(on_added);
}

void UnusedTables::Add(uint64_t number) {
  MutexLock lock(&mutex_);
  numbers_.push_back(number);
  if (on_added_) on_added_();
}

std::vector<uint64_t> UnusedTables::Take() {
  MutexLock lock(&mutex_);
  return std::exchange(numbers_, {});
}

LiveTable::~LiveTable() {
  if (!is_obsolete_.load(std::memory_order_relaxed)) return;
  context_->tables->Evict(number());
  context_->unused->Add(number());
}

StatusOr<LiveTable::Open> LiveTable::OpenTable() const {
  auto opened =
      context_->tables->is_bounded()
          ? context_->tables->Find(*metadata_, context_->reader_options())
          : context_->tables->Open(*metadata_, context_->reader_options());
  if (!opened.ok()) return opened.status();
  if ((*opened)->tombstones() == nullptr) {
    lacks_tombstones_.store(true, std::memory_order_relaxed);
  }
  if (context_->tables->is_bounded()) {
    return Open{opened->get(), *std::move(opened)};
  }
  MutexLock lock(&mutex_);
  if (keeper_ == nullptr) {
    keeper_ = *std::move(opened);
    kept_.store(keeper_.get(), std::memory_order_release);
  }
  return Open{keeper_.get(), nullptr};
}

}  // namespace paceline
