#include "src/base/arena_blocks.h"

#include <algorithm>

#include "src/base/pages.h"

namespace paceline {

ArenaBlocks::~ArenaBlocks() {
  for (char* block : unused_) {
    ForbidAccess(block, kBlockBytes, false);
    UnmapPages(block, kBlockBytes);
  }
  if (fresh_blocks_ > 0) UnmapPages(fresh_, fresh_blocks_ * kBlockBytes);
}

char* ArenaBlocks::Take() {
  MutexLock lock(&mutex_);
  if (!unused_.empty()) {
    char* block = unused_.back();
    unused_.pop_back();
    CountTaken();
    ForbidAccess(block, kBlockBytes, false);
    return block;
  }
  if (fresh_blocks_ == 0) {
    fresh_ = MapPages(kMappedBlocks * kBlockBytes, kBlockBytes);
    if (fresh_ == nullptr) return nullptr;
    fresh_blocks_ = kMappedBlocks;
    AdviseHugePages(fresh_, kMappedBlocks * kBlockBytes);
  }
  unused_.reserve(in_use_ + 1);
  char* block = fresh_;
  fresh_ += kBlockBytes;
  --fresh_blocks_;
  CountTaken();
  return block;
}

void ArenaBlocks::CountTaken() {
  ++in_use_;
  if (++taken_ > kPeakTurns * std::max(peak_, in_use_)) {
    peak_before_ = peak_;
    peak_ = 0;
    taken_ = 0;
  }
  peak_ = std::max(peak_, in_use_);
}

bool ArenaBlocks::IsEnough() const {
  return in_use_ + unused_.size() >= std::max(peak_, peak_before_);
}

void ArenaBlocks::GiveBack(char* block) {
  // Before anybody else can take it.
  DropContents(block, kBlockBytes);
  ForbidAccess(block, kBlockBytes, true);
  {
    MutexLock lock(&mutex_);
    --in_use_;
    if (!IsEnough()) {
      unused_.push_back(block);
      return;
    }
  }
  ForbidAccess(block, kBlockBytes, false);
  UnmapPages(block, kBlockBytes);
}

size_t ArenaBlocks::UnusedBytes() const {
  MutexLock lock(&mutex_);
  return unused_.size() * kBlockBytes;
}

}  // namespace paceline
