// TableReader: reads an SST file.

#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "paceline/env.h"

#include "src/format/file_metadata.h"
#include "src/format/internal_iterator.h"
#include "src/format/range_tombstones.h"
#include "src/table/block_cache.h"
#include "src/table/bloom_filter.h"
#include "src/table/table_format.h"
#include "src/table/table_properties.h"

namespace paceline {

struct TableReaderOptions {
  // Must outlive the reader, as must all that it makes.
  const InternalKeyComparator* comparator = nullptr;
  // Null: blocks are not kept.
  std::shared_ptr<BlockCache> block_cache;
  // What the file is called in the cache, by somebody who erases it there when
  // nobody opens it again. 0: the reader takes a name of its own, and the
  // blocks go with it.
  uint64_t cache_file_id = 0;
  // For messages.
  std::string path;
  std::string family_name;
};

// How a block is read when it is not in the cache.
struct BlockReadOptions {
  bool verify_checksums = true;
  bool fill_cache = true;
  // Iterators read this much ahead. 0: by themselves, more and more once
  // blocks are read one after the other.
  size_t readahead_size = 0;
};

// Gets the versions of a key, newest first.
class EntryVisitor {
 public:
  virtual ~EntryVisitor() = default;
  // `pin` keeps the bytes of `value`. True if older versions are wanted.
  virtual bool Visit(SequenceNumber sequence, ValueType type,
                     const Slice& value,
                     const std::shared_ptr<const void>& pin) = 0;
};

// The data blocks that the last look-ups have used, kept for the next ones:
// keys that are near each other are often in the same blocks. For look-ups in
// any number of tables of one database. Thread-compatible.
class HeldBlocks {
 public:
  // Null if it is not there.
  [[nodiscard]] std::shared_ptr<const Block> Find(uint64_t file_number,
                                                  uint64_t offset) const {
    const Slot& slot = slots_[file_number % kSlots];
    bool is_it = slot.file_number == file_number && slot.offset == offset;
    return is_it ? slot.block : nullptr;
  }
  void Hold(uint64_t file_number, uint64_t offset,
            std::shared_ptr<const Block> block) {
    slots_[file_number % kSlots] = {file_number, offset, std::move(block)};
  }

 private:
  // About as many tables as one look-up goes through.
  static constexpr size_t kSlots = 8;
  struct Slot {
    uint64_t file_number = 0;
    uint64_t offset = 0;
    std::shared_ptr<const Block> block;
  };
  std::array<Slot, kSlots> slots_;
};

// Errors: Corruption for damage, with the path, the offset of the block and the
// column family; NotSupported for what Paceline cannot read; IOError from the
// file. What a damaged block holds is never shown, and no key is reported
// absent because of it.
//
// The index, the filter and the range tombstones are in memory while the
// reader lives. Immutable; thread-safe.
class TableReader {
 public:
  virtual ~TableReader() = default;

  // `file` holds the table that `metadata` is about; a file of another size is
  // Corruption.
  static StatusOr<std::shared_ptr<const TableReader>> Open(
      const TableReaderOptions& options, std::unique_ptr<RandomAccessFile> file,
      const FileMetaData& metadata);

  // Shows `visitor` the point entries of `*key` with a sequence number up
  // to `snapshot`, newest first, while it returns true. `held` may be null.
  virtual Status Get(const BlockReadOptions& options, HashedKey* key,
                     SequenceNumber snapshot, HeldBlocks* held,
                     EntryVisitor* visitor) const = 0;
  // The same for a key that is looked for in this table only.
  Status Get(const BlockReadOptions& options, const Slice& user_key,
             SequenceNumber snapshot, HeldBlocks* held,
             EntryVisitor* visitor) const {
    HashedKey key(user_key);
    return Get(options, &key, snapshot, held, visitor);
  }

  // Over the point entries. Must not outlive the reader. When status() is not
  // OK, Valid() is false: damage ends an iteration.
  [[nodiscard]] virtual std::unique_ptr<InternalIterator> NewIterator(
      const BlockReadOptions& options) const = 0;

  // As stored: not cut to the file's bounds. Null if there are none.
  [[nodiscard]] virtual const std::shared_ptr<const FragmentedRangeTombstones>&
  tombstones() const = 0;

  [[nodiscard]] virtual const Footer& footer() const = 0;
  [[nodiscard]] virtual const TableProperties& properties() const = 0;
  // Of the reader itself, without cached blocks. Bytes.
  [[nodiscard]] virtual size_t MemoryUsage() const = 0;
  // About where in the file the entries from `internal_key` on begin.
  [[nodiscard]] virtual uint64_t ApproximateOffsetOf(
      const Slice& internal_key) const = 0;

  // Reads every block of the file and checks it, and the order of the keys.
  // Calls `on_damage` for each damaged block and goes on behind it. Returns the
  // first damage. `on_progress` gets the bytes checked so far; both may be
  // empty.
  virtual Status Verify(
      const std::function<void(const Status&)>& on_damage,
      const std::function<void(uint64_t)>& on_progress) const = 0;
};

}  // namespace paceline
