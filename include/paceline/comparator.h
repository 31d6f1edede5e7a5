// Comparator: the order of user keys in a column family.

#pragma once

#include <string>

#include "paceline/slice.h"

namespace paceline {

// A total order on byte strings. Thread-safe: it is called by many threads at
// once, without locks, and must not change its mind while a database is open.
class Comparator {
 public:
  virtual ~Comparator() = default;

  // Negative, zero or positive as `a` is before, equal to or after `b`.
  [[nodiscard]] virtual int Compare(const Slice& a, const Slice& b) const = 0;
  [[nodiscard]] virtual bool Equal(const Slice& a, const Slice& b) const {
    return Compare(a, b) == 0;
  }

  // Stored in the MANIFEST; a database only opens with a comparator of the
  // same name. Change the name when the order changes.
  [[nodiscard]] virtual const char* Name() const = 0;

  // If `*start` is before `limit`, may make it a shorter key that is at or
  // after the old `*start` and before `limit`.
  virtual void FindShortestSeparator(std::string* /*start*/,
                                     const Slice& /*limit*/) const {}
  // May make `*key` a shorter key that is at or after the old one.
  virtual void FindShortSuccessor(std::string* /*key*/) const {}
};

// Unsigned lexicographic order ("leveldb.BytewiseComparator"); the default.
const Comparator* BytewiseComparator();

// Its exact reverse ("rocksdb.ReverseBytewiseComparator").
const Comparator* ReverseBytewiseComparator();

}  // namespace paceline
