// ModelCursor: an iterator over a ModelEntries that obeys the same rules as an
// Iterator of the DB, bounds included; the two are moved together.

#pragma once

#include <optional>
#include <string>

#include "paceline/iterator.h"

#include "gtest/gtest.h"
#include "test/support/model.h"

namespace paceline {

// `entries` must outlive it. Thread-compatible.
class ModelCursor {
 public:
  explicit ModelCursor(const ModelEntries& entries,
                       const std::optional<std::string>& lower = {},
                       const std::optional<std::string>& upper = {})
      : entries_(entries),
        begin_(lower ? entries.lower_bound(*lower) : entries.begin()),
        end_(upper ? entries.lower_bound(*upper) : entries.end()),
        position_(end_) {
    if (lower && upper && !entries.key_comp()(*lower, *upper)) begin_ = end_;
    position_ = end_;
  }

  [[nodiscard]] bool Valid() const { return position_ != end_; }
  void SeekToFirst() { position_ = begin_; }
  void SeekToLast() { StepBackFrom(end_); }
  void Seek(const std::string& target) {
    position_ = Clamped(entries_.lower_bound(target));
  }
  void SeekForPrev(const std::string& target) {
    StepBackFrom(Clamped(entries_.upper_bound(target)));
  }
  void Next() { ++position_; }
  void Prev() { StepBackFrom(position_); }

  // A test failure unless `iterator` stands on the same entry.
  void ExpectSame(const Iterator& iterator) const {
    EXPECT_TRUE(iterator.status().ok()) << iterator.status().ToString();
    ASSERT_EQ(iterator.Valid(), Valid())
        << (Valid() ? "expected " + position_->first
                    : "found " + iterator.key().ToString());
    if (!Valid()) return;
    ASSERT_EQ(iterator.key().ToString(), position_->first);
    ASSERT_EQ(iterator.value().ToString(), position_->second);
  }

 private:
  using Position = ModelEntries::const_iterator;

  void StepBackFrom(Position position) {
    position_ = position == begin_ ? end_ : std::prev(position);
  }

  // The nearest position in [begin_, end_].
  Position Clamped(Position position) const {
    if (begin_ == end_) return end_;
    const auto less = entries_.key_comp();
    if (position == entries_.end() ||
        (end_ != entries_.end() && !less(position->first, end_->first))) {
      return end_;
    }
    return less(position->first, begin_->first) ? begin_ : position;
  }

  const ModelEntries& entries_;
  Position begin_;
  Position end_;
  Position position_;  // end_: not valid.
};

}  // namespace paceline
