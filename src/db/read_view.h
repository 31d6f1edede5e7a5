// ReadView: one SuperVersion at one SequenceNumber. Every read starts here.

#pragma once

#include <memory>

#include "paceline/env.h"
#include "paceline/iterator.h"
#include "paceline/options.h"

#include "src/version/column_family.h"

namespace paceline {

// Immutable. Holds what it reads from, so it may outlive the DB.
class ReadView {
 public:
  // `sequence` was visible before this call, so that the SuperVersion of now
  // has everything up to it.
  ReadView(std::shared_ptr<ColumnFamily> family, SequenceNumber sequence,
           std::shared_ptr<Logger> logger);

  // NotFound if the key has no value; otherwise as DB::Get().
  Status Get(const Slice& user_key, PinnableSlice* value) const;

  // Bounds are taken from `options`.
  [[nodiscard]] std::unique_ptr<Iterator> NewIterator(
      const ReadOptions& options) const;

 private:
  const std::shared_ptr<ColumnFamily> family_;
  const std::shared_ptr<const SuperVersion> super_version_;
  const SequenceNumber sequence_;
  const std::shared_ptr<Logger> logger_;
};

}  // namespace paceline
