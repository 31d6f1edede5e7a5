// TableContents: all of a table that is kept in memory while it is open, which
// is everything but its data blocks.

#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "paceline/env.h"
#include "paceline/status.h"

#include "src/format/file_metadata.h"
#include "src/format/range_tombstones.h"
#include "src/table/compression.h"
#include "src/table/table_file.h"
#include "src/table/table_filter.h"
#include "src/table/table_index.h"
#include "src/table/table_properties.h"
#include "src/table/table_reader.h"

namespace paceline {

// Constant once it is loaded; then thread-safe.
struct TableContents {
  // A block that is not a data block.
  struct MetaBlock {
    std::string name;  // In the metaindex; of a partition, that of its index.
    BlockHandle handle;
  };

  TableContents(const TableReaderOptions& options,
                std::unique_ptr<RandomAccessFile> table_file,
                const FileMetaData& metadata)
      : comparator(options.comparator),
        file(std::move(table_file), metadata.size, options.path,
             options.family_name),
        index(options.comparator, /*has_user_keys=*/false, /*bytes_max=*/0,
              /*file_size=*/0) {}

  const InternalKeyComparator* const comparator;
  TableFile file;
  // Those that the metaindex names, the metaindex itself, and all partitions.
  std::vector<MetaBlock> meta_blocks;
  TableProperties properties;
  TableIndex index;
  TableFilter filter;
  // Of the data blocks; null if there is none.
  std::unique_ptr<const CompressionDictionary> dictionary;
  // The one of every entry, whichever is stored.
  std::optional<SequenceNumber> global_sequence;
  std::shared_ptr<const FragmentedRangeTombstones> tombstones;
  uint64_t tombstones_bytes = 0;  // Of their block.
};

// Errors are those of TableReader::Open().
StatusOr<std::unique_ptr<const TableContents>> LoadTable(
    const TableReaderOptions& options, std::unique_ptr<RandomAccessFile> file,
    const FileMetaData& metadata);

}  // namespace paceline
