// What files a column family consists of.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "paceline/snapshot.h"

namespace paceline {

struct SstFileMetaData {
  std::string name;  // "/NNNNNN.sst"
  uint64_t file_number = 0;
  uint64_t size = 0;  // Bytes.
  // User keys that bound what the file holds, both included.
  std::string smallestkey;
  std::string largestkey;
  SequenceNumber smallest_seqno = 0;
  SequenceNumber largest_seqno = 0;
  bool being_compacted = false;
};

struct LevelMetaData {
  int level = 0;
  uint64_t size = 0;  // Bytes.
  // Level 0: newest first; otherwise by key.
  std::vector<SstFileMetaData> files;
};

struct ColumnFamilyMetaData {
  std::string name;
  uint64_t size = 0;  // Bytes.
  size_t file_count = 0;
  std::vector<LevelMetaData> levels;
};

}  // namespace paceline
