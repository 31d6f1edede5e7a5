// LiveTable: one SST file of a column family, shared by all Versions that have
// it.

#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "paceline/cache.h"

#include "src/base/sync.h"
#include "src/format/file_metadata.h"
#include "src/table/table_cache.h"
#include "src/table/table_reader.h"

namespace paceline {

// The numbers of table files that no Version has any more. Whoever reads a file
// last finds out, which may be an iterator in any thread at any time; the file
// is removed by somebody else. Thread-safe.
class UnusedTables {
 public:
  // `on_added` is called when there is something to take, under the lock and
  // perhaps those of others: it must only hand the work on. Null ends that.
  void SetListener(std::function<void()> on_added) EXCLUDES(mutex_);
  void Add(uint64_t number, uint64_t bytes = 0) EXCLUDES(mutex_);
  // Hands over all numbers.
  [[nodiscard]] std::vector<uint64_t> Take() EXCLUDES(mutex_);
  // What the tables that nobody has taken yet have, as far as Add() was told.
  [[nodiscard]] uint64_t bytes() const EXCLUDES(mutex_);

 private:
  mutable Mutex mutex_;
  std::function<void()> on_added_ GUARDED_BY(mutex_);
  std::vector<uint64_t> numbers_ GUARDED_BY(mutex_);
  uint64_t bytes_ GUARDED_BY(mutex_) = 0;
};

// How the tables of one column family are opened. Constant after construction,
// but for what the pointers lead to.
struct TableContext {
  InternalKeyComparator comparator;
  std::string family_name;
  std::shared_ptr<TableCache> tables;
  std::shared_ptr<BlockCache> block_cache;  // Null: blocks are not kept.
  std::shared_ptr<UnusedTables> unused;
  // Of all LiveTables there are. Relaxed: a statistic.
  std::shared_ptr<Atomic<uint64_t>> live_bytes =
      std::make_shared<Atomic<uint64_t>>(0);
  // The Versions there are. Relaxed: a statistic.
  std::shared_ptr<Atomic<uint64_t>> live_versions =
      std::make_shared<Atomic<uint64_t>>(0);

  // `cache_file_id` as in TableReaderOptions.
  [[nodiscard]] TableReaderOptions reader_options(
      uint64_t cache_file_id = 0) const {
    return {.comparator = &comparator,
            .block_cache = block_cache,
            .cache_file_id = cache_file_id,
            .path = "",
            .family_name = family_name};
  }
};

// Thread-safe.
class LiveTable {
 public:
  // An open table. The reader lives as long as the LiveTable or `pin`.
  struct Open {
    const TableReader* reader = nullptr;
    std::shared_ptr<const TableReader> pin;
    const TableReader* operator->() const { return reader; }
  };

  LiveTable(std::shared_ptr<const FileMetaData> metadata,
            std::shared_ptr<const TableContext> context);
  // Takes its blocks out of the cache, and reports the file as unused if it is
  // obsolete.
  ~LiveTable();
  LiveTable(const LiveTable&) = delete;
  LiveTable& operator=(const LiveTable&) = delete;

  [[nodiscard]] const FileMetaData& metadata() const { return *metadata_; }
  [[nodiscard]] uint64_t number() const { return metadata_->number; }
  [[nodiscard]] uint64_t size() const { return metadata_->size; }
  [[nodiscard]] const std::shared_ptr<const FileMetaData>& shared_metadata()
      const {
    return metadata_;
  }

  // Opens the table if it is not open. Without a limit on open tables it stays
  // open, and this costs one load.
  [[nodiscard]] StatusOr<Open> Get() const {
    const TableReader* reader = kept_.load(std::memory_order_acquire);
    if (reader != nullptr) return Open{reader, nullptr};
    return OpenTable();
  }

  // The table if it is open; with a null reader if it is not.
  [[nodiscard]] Open FindOpen() const;

  // What the table takes in memory besides cached blocks; 0 if it is not open.
  // Bytes.
  [[nodiscard]] size_t ReaderMemory() const;

  // False only if it is known that the table has no range tombstones, which it
  // is once the table was opened.
  [[nodiscard]] bool may_have_tombstones() const {
    return !lacks_tombstones_.load(std::memory_order_relaxed);
  }

  // The MANIFEST does not name the file any more.
  void MarkObsolete() { is_obsolete_.store(true, std::memory_order_relaxed); }

 private:
  StatusOr<Open> OpenTable() const EXCLUDES(mutex_);

  const std::shared_ptr<const FileMetaData> metadata_;
  const std::shared_ptr<const TableContext> context_;
  // In the block cache; 0 without one. Blocks stay there while no reader is
  // open.
  const uint64_t cache_file_id_;
  // Set once, to what keeper_ holds. Release and acquire: who sees the pointer
  // sees the reader.
  mutable Atomic<const TableReader*> kept_ = nullptr;
  // Relaxed: it only saves work.
  mutable Atomic<bool> lacks_tombstones_ = false;
  // Relaxed: read by the thread that drops the last reference, which orders it
  // behind every other.
  Atomic<bool> is_obsolete_ = false;
  mutable Mutex mutex_;
  mutable std::shared_ptr<const TableReader> keeper_ GUARDED_BY(mutex_);
};

using LiveTables = std::vector<std::shared_ptr<LiveTable>>;

}  // namespace paceline
