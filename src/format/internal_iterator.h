// InternalIterator: the interface of every sorted source of entries.

#pragma once

#include "paceline/slice.h"
#include "paceline/status.h"

namespace paceline {

// Moves over internal keys in their order. Thread-compatible.
class InternalIterator {
 public:
  virtual ~InternalIterator() = default;

  [[nodiscard]] virtual bool Valid() const = 0;
  virtual void SeekToFirst() = 0;
  virtual void SeekToLast() = 0;
  // To the first entry at or after the internal key `target`.
  virtual void Seek(const Slice& target) = 0;
  // To the last entry at or before the internal key `target`.
  virtual void SeekForPrev(const Slice& target) = 0;
  virtual void Next() = 0;
  virtual void Prev() = 0;

  // An internal key. The bytes of both stay until the next move.
  [[nodiscard]] virtual Slice key() const = 0;
  [[nodiscard]] virtual Slice value() const = 0;
  [[nodiscard]] virtual Status status() const = 0;
};

}  // namespace paceline
