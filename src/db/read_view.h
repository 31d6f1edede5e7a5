// ReadView: one SuperVersion at one SequenceNumber. Every read starts here.

#pragma once

#include <memory>
#include <vector>

#include "paceline/env.h"
#include "paceline/iterator.h"
#include "paceline/options.h"

#include "src/version/column_family.h"

namespace paceline {

// For the time of one call: `family` must outlive it. Immutable.
class ReadView {
 public:
  // What has been written by now, as far as it is visible; `sequence` follows
  // by SetSequence(). In this order compactions cannot have dropped what is
  // visible at that number.
  ReadView(const ColumnFamily* family, Logger* logger)
      : family_(family), logger_(logger), super_version_(family) {}

  void SetSequence(SequenceNumber sequence) { sequence_ = sequence; }

  // NotFound if the key has no value; otherwise as DB::Get(). `held` may be
  // null.
  Status Get(const ReadOptions& options, const Slice& user_key,
             HeldBlocks* held, PinnableSlice* value) const;

 private:
  const ColumnFamily* const family_;
  Logger* const logger_;
  const ColumnFamily::ShortPin super_version_;
  SequenceNumber sequence_ = 0;
};

// An iterator over the family at `sequence`, which holds what it reads from, so
// that it may outlive the DB. `super_version` was pinned before `sequence` was
// read.
std::unique_ptr<Iterator> NewDBIterator(
    const ReadOptions& options, std::shared_ptr<ColumnFamily> family,
    std::shared_ptr<const SuperVersion> super_version, SequenceNumber sequence,
    std::shared_ptr<Logger> logger);

}  // namespace paceline
