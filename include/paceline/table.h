// The options of SST files.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "paceline/cache.h"
#include "paceline/filter_policy.h"

namespace paceline {

// The checksum of each block. The numbers are RocksDB's, and those stored in
// the files.
enum ChecksumType : char {
  kNoChecksum = 0x0,
  kCRC32c = 0x1,
  kxxHash = 0x2,
  kxxHash64 = 0x3,
  kXXH3 = 0x4,
};

// Options of new tables and of reading all tables. They may differ from open to
// open: a table says itself how it was written.
struct BlockBasedTableOptions {
  // Of the blocks that are written. All kinds are read.
  ChecksumType checksum = kXXH3;

  // Keeps no blocks in memory; each read reads the file.
  bool no_block_cache = false;

  // Keeps blocks; may be shared by column families and databases. Null: one of
  // 32 MiB for each column family.
  std::shared_ptr<Cache> block_cache;

  // Size of a data block before compression. Smaller blocks make reads of one
  // key cheaper and the index larger. Bytes, 256 to 64 MiB.
  uint64_t block_size = 4 * 1024;

  // Keys between two that are stored whole. Fewer make seeking cheaper and
  // blocks larger. 1 to 65536.
  int block_restart_interval = 16;

  // Saves most reads for keys that a table does not have. Null: none.
  std::shared_ptr<const FilterPolicy> filter_policy;
};

// A kind of table. There is one: RocksDB's block-based tables.
class TableFactory {
 public:
  virtual ~TableFactory() = default;
  [[nodiscard]] virtual const char* Name() const = 0;
  [[nodiscard]] virtual const BlockBasedTableOptions& options() const = 0;
};

// The caller owns the result, usually through
// ColumnFamilyOptions::table_factory.
TableFactory* NewBlockBasedTableFactory(
    const BlockBasedTableOptions& options = BlockBasedTableOptions());

}  // namespace paceline
