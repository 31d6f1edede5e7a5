// BlockBuilder: writes the entries of a block; see block.h for the layout.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "paceline/slice.h"

namespace paceline {

// Used for every kind of block. The keys must not decrease in the order of
// whoever reads the block; the builder does not check it. Thread-compatible.
class BlockBuilder {
 public:
  // Every `restart_interval`-th key is stored whole, the first one always; the
  // others without the bytes that they share with the one before. At least 1.
  explicit BlockBuilder(int restart_interval);

  // Starts an empty block; the memory stays.
  void Reset();

  // Takes memory for a block of so many bytes at once.
  void Reserve(size_t bytes) { buffer_.reserve(bytes); }

  void Add(const Slice& key, const Slice& value);

  // The contents of the block, without the trailer. Nothing may be added
  // afterwards; they stay until Reset().
  [[nodiscard]] Slice Finish();

  [[nodiscard]] bool empty() const { return buffer_.empty(); }
  // What Finish() would give now. Bytes.
  [[nodiscard]] size_t EstimatedSize() const {
    return buffer_.size() + (restarts_.size() + 1) * sizeof(uint32_t);
  }
  // The last key that was added.
  [[nodiscard]] Slice last_key() const { return last_key_; }

 private:
  const int restart_interval_;
  std::string buffer_;
  std::vector<uint32_t> restarts_;
  int entries_since_restart_ = 0;
  std::string last_key_;
  bool is_finished_ = false;
};

}  // namespace paceline
