// Cache: memory for tables, shared by all that are given it.

#pragma once

#include <cstddef>
#include <memory>

namespace paceline {

// Holds the blocks that were used lately, up to a capacity in bytes. What is
// read once, as by a scan, does not push out what is used again and again. The
// indexes and filters of open tables count too: for them blocks give way, up to
// half of the capacity. Thread-safe.
class Cache {
 public:
  virtual ~Cache() = default;

  [[nodiscard]] virtual const char* Name() const = 0;
  [[nodiscard]] virtual size_t GetCapacity() const = 0;
  // Takes effect at once: a smaller capacity pushes blocks out.
  virtual void SetCapacity(size_t capacity) = 0;
  // Bytes held: the blocks, what it takes to find them, and what they gave way
  // to. At most the capacity.
  [[nodiscard]] virtual size_t GetUsage() const = 0;
  // Of them, bytes of blocks that somebody is reading now.
  [[nodiscard]] virtual size_t GetPinnedUsage() const = 0;
};

// A cache of `capacity` bytes in 2^num_shard_bits parts with a lock each;
// negative: chosen by the capacity. Null if num_shard_bits is 20 or more.
std::shared_ptr<Cache> NewLRUCache(size_t capacity, int num_shard_bits = -1);

}  // namespace paceline
