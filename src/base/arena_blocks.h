// ArenaBlocks: the large blocks that arenas consist of, for use by turns.

#pragma once

#include <cstddef>
#include <vector>

#include "src/base/sync.h"

namespace paceline {

// Memory that is touched for the first time is dear: the system fills it with
// zeros, a huge page at a time, and a host may have to give it to a virtual
// machine first (6 ms for a huge page have been seen). So what one memtable of
// a database gives back the next one takes.
//
// As many are kept as were lately in use at once: the next memtables need as
// many, and until then the process is smaller than it was at its peak. "Lately"
// is the time in which all of them are taken some 8 to 16 times. What is kept
// and not used the system may take when it is short of memory. Thread-safe; a
// lock is held for a few instructions, or while addresses are mapped.
class ArenaBlocks {
 public:
  // A huge page, aligned as one.
  static constexpr size_t kBlockBytes = size_t{2} << 20;

  // What a block is made of that was never used.
  enum class Pages { kHuge, kSmall };

  ArenaBlocks() = default;
  // All blocks have been given back.
  ~ArenaBlocks();
  ArenaBlocks(const ArenaBlocks&) = delete;
  ArenaBlocks& operator=(const ArenaBlocks&) = delete;

  // Holds anything. Null if there is no memory.
  [[nodiscard]] char* Take(Pages pages = Pages::kHuge) EXCLUDES(mutex_);
  void GiveBack(char* block) EXCLUDES(mutex_);

  // If all blocks are in use, touches another one, so that who takes it does
  // not wait for the system. Not if nobody uses any, or small pages were asked
  // for last, and not beyond `max_bytes` for all of them together.
  void PrepareAhead(size_t max_bytes) EXCLUDES(mutex_);

  // Taken from the system by blocks that nobody uses. Bytes.
  [[nodiscard]] size_t UnusedBytes() const EXCLUDES(mutex_);

 private:
  // Mapping waits for whoever maps, unmaps or touches memory, so it is done for
  // several blocks at once; the system gives the memory as it is used.
  static constexpr size_t kMappedBlocks = 8;
  static constexpr size_t kPeakTurns = 8;

  // One that was never used; null if there is no memory.
  char* MakeBlock(Pages pages) REQUIRES(mutex_);
  void CountTaken() REQUIRES(mutex_);
  [[nodiscard]] size_t InUse() const REQUIRES(mutex_) {
    return blocks_ - unused_.size();
  }

  mutable Mutex mutex_;
  // The one given back last is taken first. Has room for all blocks there are.
  std::vector<char*> unused_ GUARDED_BY(mutex_);
  size_t blocks_ GUARDED_BY(mutex_) = 0;  // All there are.
  Pages taken_last_ GUARDED_BY(mutex_) = Pages::kHuge;
  // Addresses for blocks that were never used, so the system has not given
  // their memory.
  char* fresh_ GUARDED_BY(mutex_) = nullptr;
  size_t fresh_blocks_ GUARDED_BY(mutex_) = 0;
  // The most in use at once: since `taken_` was 0, and in the period before.
  size_t peak_ GUARDED_BY(mutex_) = 0;
  size_t peak_before_ GUARDED_BY(mutex_) = 0;
  size_t taken_ GUARDED_BY(mutex_) = 0;
};

}  // namespace paceline
