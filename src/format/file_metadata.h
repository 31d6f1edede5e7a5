// FileMetaData: what the MANIFEST says about a table file.

#pragma once

#include <cstdint>
#include <string>

#include "paceline/slice.h"

#include "src/format/internal_key.h"

namespace paceline {

// A plain value.
struct FileMetaData {
  uint64_t number = 0;
  uint64_t size = 0;
  // Internal keys that bound every point and every range tombstone of the
  // file. A largest key that a tombstone makes is the sentinel: the
  // tombstone's end with kRangeTombstoneSentinelTag, which stands in front of
  // every entry of that user key.
  std::string smallest;
  std::string largest;
  SequenceNumber smallest_sequence = 0;
  SequenceNumber largest_sequence = 0;
  // Seconds since 1970; 0: not known.
  uint64_t oldest_ancestor_time = 0;
  uint64_t file_creation_time = 0;
  // Newer data has the larger one among overlapping level-0 files; 0: none.
  uint64_t epoch_number = 0;
  bool is_marked_for_compaction = false;

  [[nodiscard]] Slice smallest_user_key() const {
    return ExtractUserKey(smallest);
  }
  [[nodiscard]] Slice largest_user_key() const {
    return ExtractUserKey(largest);
  }
  // True if the file ends in front of largest_user_key().
  [[nodiscard]] bool largest_is_sentinel() const {
    return ExtractTag(largest) == kRangeTombstoneSentinelTag;
  }
};

}  // namespace paceline
