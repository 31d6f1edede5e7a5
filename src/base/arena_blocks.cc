#include "src/base/arena_blocks.h"

#include <algorithm>
#include <utility>

#include "src/base/pages.h"

namespace paceline {

ArenaBlocks::~ArenaBlocks() {
  for (char* block : unused_) {
    ForbidAccess(block, kBlockBytes, false);
    UnmapPages(block, kBlockBytes);
  }
  if (fresh_blocks_ > 0) UnmapPages(fresh_, fresh_blocks_ * kBlockBytes);
}

char* ArenaBlocks::Take(Pages pages) {
  MutexLock lock(&mutex_);
  taken_last_ = pages;
  char* block = nullptr;
  if (unused_.empty()) {
    block = MakeBlock(pages);
    if (block == nullptr) return nullptr;
  } else {
    block = unused_.back();
    unused_.pop_back();
    ForbidAccess(block, kBlockBytes, false);
  }
  CountTaken();
  return block;
}

char* ArenaBlocks::MakeBlock(Pages pages) {
  unused_.reserve(blocks_ + 1);
  if (fresh_blocks_ == 0) {
    fresh_ = MapPages(kMappedBlocks * kBlockBytes, kBlockBytes);
    if (fresh_ == nullptr) return nullptr;
    fresh_blocks_ = kMappedBlocks;
    AdviseHugePages(fresh_, kMappedBlocks * kBlockBytes);
  }
  if (pages == Pages::kSmall) AdviseSmallPages(fresh_, kBlockBytes);
  ++blocks_;
  --fresh_blocks_;
  return std::exchange(fresh_, fresh_ + kBlockBytes);
}

void ArenaBlocks::CountTaken() {
  if (++taken_ > kPeakTurns * std::max(peak_, InUse())) {
    peak_before_ = peak_;
    peak_ = 0;
    taken_ = 0;
  }
  peak_ = std::max(peak_, InUse());
}

void ArenaBlocks::GiveBack(char* block) {
  bool is_kept = false;
  {
    MutexLock lock(&mutex_);
    is_kept = blocks_ <= std::max(peak_, peak_before_);
    if (!is_kept) --blocks_;
  }
  if (!is_kept) {
    UnmapPages(block, kBlockBytes);
    return;
  }
  // Before anybody else can take it.
  DropContents(block, kBlockBytes);
  ForbidAccess(block, kBlockBytes, true);
  MutexLock lock(&mutex_);
  unused_.push_back(block);
}

void ArenaBlocks::PrepareAhead(size_t max_bytes) {
  char* block = nullptr;
  {
    MutexLock lock(&mutex_);
    bool is_idle = blocks_ == 0;
    bool is_enough = (blocks_ + 1) * kBlockBytes > max_bytes;
    bool is_for_small = taken_last_ == Pages::kSmall;
    if (is_idle || is_enough || is_for_small || !unused_.empty()) return;
    block = MakeBlock(Pages::kHuge);
    if (block == nullptr) return;
  }
  // Behind the lock: it takes some milliseconds.
  TouchPages(block, kBlockBytes);
  ForbidAccess(block, kBlockBytes, true);
  MutexLock lock(&mutex_);
  unused_.push_back(block);
}

size_t ArenaBlocks::UnusedBytes() const {
  MutexLock lock(&mutex_);
  return unused_.size() * kBlockBytes;
}

}  // namespace paceline
