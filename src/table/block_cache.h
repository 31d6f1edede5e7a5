// BlockCache: the Cache that tables keep their data blocks in.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "paceline/cache.h"

namespace paceline {

class Block;

// Blocks by file and offset. Thread-safe.
class BlockCache : public Cache {
 public:
  // Names a file for as long as the cache lives; never given twice, and never
  // 0.
  virtual uint64_t NewFileId() = 0;

  // Null if it is not there.
  virtual std::shared_ptr<const Block> Lookup(uint64_t file_id,
                                              uint64_t offset) = 0;
  // Of two blocks inserted for one place the first stays. `charge` is what the
  // block takes in memory, in bytes.
  virtual void Insert(uint64_t file_id, uint64_t offset,
                      std::shared_ptr<const Block> block, size_t charge) = 0;
  // Drops the blocks of a file that is gone. Those in use live on.
  virtual void EraseFile(uint64_t file_id) = 0;

  // Makes room for, and takes back the room of, so many bytes that are held
  // elsewhere. See CacheReservation.
  virtual void Reserve(size_t bytes) = 0;
  virtual void Release(size_t bytes) = 0;

  [[nodiscard]] virtual uint64_t hits() const = 0;
  [[nodiscard]] virtual uint64_t misses() const = 0;
};

// Room in a cache for memory that is not in it, as long as this lives.
class CacheReservation {
 public:
  // `cache` may be null.
  CacheReservation(std::shared_ptr<BlockCache> cache, size_t bytes)
      : cache_(std::move(cache)), bytes_(bytes) {
    if (cache_ != nullptr) cache_->Reserve(bytes_);
  }
  ~CacheReservation() {
    if (cache_ != nullptr) cache_->Release(bytes_);
  }
  CacheReservation(const CacheReservation&) = delete;
  CacheReservation& operator=(const CacheReservation&) = delete;

  // For memory that is `bytes` in all now. Nothing if that is no more.
  void GrowTo(size_t bytes) {
    if (bytes <= bytes_) return;
    if (cache_ != nullptr) cache_->Reserve(bytes - bytes_);
    bytes_ = bytes;
  }

 private:
  const std::shared_ptr<BlockCache> cache_;
  size_t bytes_;
};

// The BlockCache that a Cache of NewLRUCache() is; null for another kind of
// Cache, and for null.
std::shared_ptr<BlockCache> AsBlockCache(const std::shared_ptr<Cache>& cache);

}  // namespace paceline
