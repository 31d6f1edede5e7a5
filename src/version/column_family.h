// ColumnFamily, ColumnFamilySet: keyspaces, and the SuperVersion each of them
// hands out to readers.

#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "paceline/options.h"

#include "src/base/sync.h"
#include "src/memtable/memtable.h"
#include "src/version/super_version.h"

namespace paceline {

// A column family of an open database. Shared by the set it is in and by its
// handles, which may outlive both. Thread-safe.
class ColumnFamily {
 public:
  ColumnFamily(uint32_t id, std::string name,
               const ColumnFamilyOptions& options);

  [[nodiscard]] uint32_t id() const { return id_; }
  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] const ColumnFamilyOptions& options() const { return options_; }

  [[nodiscard]] bool is_dropped() const {
    return is_dropped_.load(std::memory_order_acquire);
  }
  void MarkDropped() { is_dropped_.store(true, std::memory_order_release); }

  // The SuperVersion of now. Costs one uncontended lock and touches no memory
  // that other threads write, as long as there are no more threads than slots.
  [[nodiscard]] std::shared_ptr<const SuperVersion> PinSuperVersion() const;

  // Where writes go. Constant while anything is being written: changed only
  // by the holder of the leader's role with nothing in flight.
  [[nodiscard]] MemTable* mutable_memtable() const {
    return mutable_memtable_.get();
  }
  // Both only as said above.
  void SealMemTable();
  void ReplaceMutableMemTable(std::shared_ptr<MemTable> memtable);

 private:
  // Readers are spread over slots by thread, so that pinning writes to a cache
  // line of few threads. Each slot has its own reference count of the shared
  // SuperVersion.
  struct alignas(64) Slot {
    mutable Mutex mutex;
    std::shared_ptr<const SuperVersion> super_version GUARDED_BY(mutex);
  };
  static constexpr size_t kSlots = 16;

  void Install(SuperVersion super_version);

  const uint32_t id_;
  const std::string name_;
  const ColumnFamilyOptions options_;
  Atomic<bool> is_dropped_ = false;
  std::shared_ptr<MemTable> mutable_memtable_;
  std::array<Slot, kSlots> slots_;
};

// The live column families. Thread-safe.
class ColumnFamilySet {
 public:
  using Families = std::vector<std::shared_ptr<ColumnFamily>>;

  void Add(std::shared_ptr<ColumnFamily> family) EXCLUDES(mutex_);
  void Remove(uint32_t id) EXCLUDES(mutex_);
  // Null if there is none.
  [[nodiscard]] std::shared_ptr<ColumnFamily> Find(uint32_t id) const
      EXCLUDES(mutex_);
  // By id.
  [[nodiscard]] Families All() const EXCLUDES(mutex_);

 private:
  mutable Mutex mutex_;
  std::map<uint32_t, std::shared_ptr<ColumnFamily>> families_
      GUARDED_BY(mutex_);
};

}  // namespace paceline
