// Iterator: the user keys of one column family in order, at one point in time.

#pragma once

#include "paceline/slice.h"
#include "paceline/status.h"

namespace paceline {

// Sees the column family as it was when the Iterator was made (or as the
// snapshot in its ReadOptions has it), whatever is written meanwhile. It holds
// that point in time in memory until it is deleted, also beyond the DB's life.
// Thread-compatible.
class Iterator {
 public:
  virtual ~Iterator() = default;

  // True if it stands on an entry. False at either end and after an error;
  // status() tells which.
  [[nodiscard]] virtual bool Valid() const = 0;

  virtual void SeekToFirst() = 0;
  virtual void SeekToLast() = 0;
  // To the first entry at or after `target`.
  virtual void Seek(const Slice& target) = 0;
  // To the last entry at or before `target`.
  virtual void SeekForPrev(const Slice& target) = 0;
  // Valid() must be true.
  virtual void Next() = 0;
  virtual void Prev() = 0;

  // The entry it stands on; the bytes stay until the next move. Valid() must
  // be true.
  [[nodiscard]] virtual Slice key() const = 0;
  [[nodiscard]] virtual Slice value() const = 0;

  // OK, or why iteration stopped.
  [[nodiscard]] virtual Status status() const = 0;
};

}  // namespace paceline
