// ColumnFamily, ColumnFamilySet: keyspaces, and the SuperVersion each of them
// hands out to readers.

#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "paceline/options.h"

#include "src/base/arena_blocks.h"
#include "src/base/sync.h"
#include "src/memtable/memtable.h"
#include "src/version/super_version.h"

namespace paceline {

// What the column families of a database have in common. For databases without
// tables the first two may be null.
struct TableStore {
  std::shared_ptr<TableCache> tables;
  std::shared_ptr<UnusedTables> unused;
  // Of their memtables.
  std::shared_ptr<ArenaBlocks> arena_blocks = std::make_shared<ArenaBlocks>();
};

// A column family of an open database. Shared by the set it is in and by its
// handles, which may outlive both. Thread-safe.
class ColumnFamily {
 public:
  ColumnFamily(uint32_t id, std::string name,
               const ColumnFamilyOptions& options,
               const TableStore& store = TableStore());
  ~ColumnFamily();
  ColumnFamily(const ColumnFamily&) = delete;
  ColumnFamily& operator=(const ColumnFamily&) = delete;

  [[nodiscard]] uint32_t id() const { return id_; }
  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] const ColumnFamilyOptions& options() const { return options_; }
  [[nodiscard]] const TableContext& tables() const { return *tables_; }
  [[nodiscard]] const InternalKeyComparator& comparator() const {
    return tables_->comparator;
  }

  // Grows with each Install().
  [[nodiscard]] uint64_t super_version_number() const {
    return super_version_number_.load(std::memory_order_relaxed);
  }

  [[nodiscard]] bool is_dropped() const {
    return is_dropped_.load(std::memory_order_acquire);
  }
  // Its files are not needed any more once nobody reads them.
  void MarkDropped() EXCLUDES(install_mutex_);

  // The SuperVersion of now.
  [[nodiscard]] std::shared_ptr<const SuperVersion> PinSuperVersion() const
      EXCLUDES(install_mutex_);

 private:
  struct Pinned {
    uint64_t number;
    std::shared_ptr<const SuperVersion> super_version;
  };

 public:
  // The SuperVersion of now for a short read. Takes no mutex and writes to no
  // memory that other threads write, as long as there are no more threads than
  // slots.
  class ShortPin {
   public:
    explicit ShortPin(const ColumnFamily* family)
        : family_(family), pinned_(family->Take()) {}
    ~ShortPin() { family_->PutBack(std::move(pinned_)); }
    ShortPin(const ShortPin&) = delete;
    ShortPin& operator=(const ShortPin&) = delete;

    const SuperVersion* operator->() const {
      return pinned_->super_version.get();
    }
    [[nodiscard]] const std::shared_ptr<const SuperVersion>& shared() const {
      return pinned_->super_version;
    }

   private:
    const ColumnFamily* const family_;
    std::unique_ptr<Pinned> pinned_;
  };

  // An empty one.
  [[nodiscard]] std::shared_ptr<MemTable> NewMemTable() const;

  // Where writes go. Constant while anything is being written: changed only
  // by the holder of the leader's role with nothing in flight.
  [[nodiscard]] MemTable* mutable_memtable() const {
    return mutable_memtable_.get();
  }
  // Both only as said above. `first_wal` is the WAL that the first entry of the
  // new memtable goes to.
  void SealMemTable(uint64_t first_wal) EXCLUDES(install_mutex_);
  void ReplaceMutableMemTable(std::shared_ptr<MemTable> memtable)
      EXCLUDES(install_mutex_);

  // A Version of what the MANIFEST is about to say.
  [[nodiscard]] StatusOr<std::shared_ptr<const Version>> MakeVersion(
      const ManifestState::Family& state) const EXCLUDES(install_mutex_);
  // Makes it the current one, and takes out the sealed memtables in `flushed`,
  // whose entries are in it. Files that it has not are obsolete. To be called
  // in the order in which the MANIFEST changes.
  void Install(std::shared_ptr<const Version> version,
               const std::vector<std::shared_ptr<MemTable>>& flushed)
      EXCLUDES(install_mutex_);

  // The oldest WAL that holds entries of it that are in no table.
  [[nodiscard]] uint64_t OldestNeededWal() const EXCLUDES(install_mutex_);
  // Memory of flushed memtables that somebody still reads.
  [[nodiscard]] uint64_t FlushedMemTableBytes() const EXCLUDES(install_mutex_);

 private:
  // Readers are spread over slots by thread. A slot holds a pin that its
  // thread takes out for the time of a read.
  struct alignas(64) Slot {
    Atomic<Pinned*> pinned = nullptr;
  };
  static constexpr size_t kSlots = 32;

  // What an Install() takes out of use. To be let go of behind the lock: it may
  // be the last to hold memtables and files.
  struct Replaced {
    std::shared_ptr<const SuperVersion> super_version;
    std::array<std::unique_ptr<Pinned>, kSlots> pinned;
  };

  std::unique_ptr<Pinned> Take() const EXCLUDES(install_mutex_);
  void PutBack(std::unique_ptr<Pinned> pinned) const;
  void InstallLocked(SuperVersion super_version, Replaced* replaced)
      REQUIRES(install_mutex_);

  const uint32_t id_;
  const std::string name_;
  const ColumnFamilyOptions options_;
  const std::shared_ptr<ArenaBlocks> arena_blocks_;
  const std::shared_ptr<const TableContext> tables_;
  Atomic<bool> is_dropped_ = false;
  std::shared_ptr<MemTable> mutable_memtable_;

  mutable Mutex install_mutex_;
  std::shared_ptr<const SuperVersion> super_version_ GUARDED_BY(install_mutex_);
  std::vector<std::weak_ptr<const MemTable>> flushed_
      GUARDED_BY(install_mutex_);
  // Changed under the mutex. Release and acquire: who sees the number of a
  // SuperVersion sees everything that was published before it. Sequentially
  // consistent with the slots: of an InstallLocked(), which counts and then
  // clears them, and a PutBack(), which fills one and then looks at the number,
  // one sees what the other did.
  Atomic<uint64_t> super_version_number_ = 0;
  mutable std::array<Slot, kSlots> slots_;
};

// The live column families. Thread-safe.
class ColumnFamilySet {
 public:
  using Families = std::vector<std::shared_ptr<ColumnFamily>>;

  // No exception leaves them: the MANIFEST has the family already, or has it
  // no more.
  void Add(std::shared_ptr<ColumnFamily> family) noexcept EXCLUDES(mutex_);
  void Remove(uint32_t id) noexcept EXCLUDES(mutex_);
  // Null if there is none.
  [[nodiscard]] std::shared_ptr<ColumnFamily> Find(uint32_t id) const
      EXCLUDES(mutex_);
  // By id.
  [[nodiscard]] Families All() const EXCLUDES(mutex_);

 private:
  [[nodiscard]] std::shared_ptr<const Families> Current() const
      EXCLUDES(mutex_);

  mutable Mutex mutex_;
  // By id. Replaced, not changed: who asks for them has the mutex for a moment
  // only. Writers do, beside less urgent threads.
  std::shared_ptr<const Families> families_ GUARDED_BY(mutex_) =
      std::make_shared<const Families>();
};

}  // namespace paceline
