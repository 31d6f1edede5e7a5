// WriteBatch: entries that are applied together or not at all.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "paceline/slice.h"
#include "paceline/status.h"

namespace paceline {

class ColumnFamilyHandle;

// An ordered list of updates in RocksDB's serialized form (docs/
// file_formats.md). Later entries win over earlier ones of the same key. Keys
// and values are copied in and must be smaller than 4 GiB.
//
// A null ColumnFamilyHandle means the default column family.
//
// Thread-compatible; must not change while a DB::Write() of it runs.
class WriteBatch {
 public:
  // Memory for `reserved_bytes` is allocated at once. Updates that would make
  // the batch larger than `max_bytes` (0: no limit) fail with
  // InvalidArgument and leave it unchanged.
  explicit WriteBatch(size_t reserved_bytes = 0, size_t max_bytes = 0);

  // From the bytes of another batch's Data(). The bytes are not trusted:
  // Iterate() and DB::Write() check all of them before any use, and fail with
  // Corruption.
  explicit WriteBatch(std::string serialized);

  WriteBatch(const WriteBatch&) = default;
  WriteBatch(WriteBatch&&) noexcept = default;
  WriteBatch& operator=(const WriteBatch&) = default;
  WriteBatch& operator=(WriteBatch&&) noexcept = default;
  ~WriteBatch() = default;

  // Every update returns OK, or InvalidArgument if a key or value is too
  // large or max_bytes would be passed; then the batch is as before.

  Status Put(ColumnFamilyHandle* family, const Slice& key, const Slice& value);
  Status Put(const Slice& key, const Slice& value) {
    return Put(nullptr, key, value);
  }

  // Removes the key, however often it was put.
  Status Delete(ColumnFamilyHandle* family, const Slice& key);
  Status Delete(const Slice& key) { return Delete(nullptr, key); }

  // Removes a key that was put exactly once since it was last removed.
  // Anything else (a key overwritten, merged, or also removed by Delete) has
  // no defined result.
  Status SingleDelete(ColumnFamilyHandle* family, const Slice& key);
  Status SingleDelete(const Slice& key) { return SingleDelete(nullptr, key); }

  // Removes every key in [begin, end). Removes nothing if begin >= end.
  Status DeleteRange(ColumnFamilyHandle* family, const Slice& begin,
                     const Slice& end);
  Status DeleteRange(const Slice& begin, const Slice& end) {
    return DeleteRange(nullptr, begin, end);
  }

  // Adds an operand for the column family's MergeOperator.
  Status Merge(ColumnFamilyHandle* family, const Slice& key,
               const Slice& operand);
  Status Merge(const Slice& key, const Slice& operand) {
    return Merge(nullptr, key, operand);
  }

  // Bytes that go to the WAL only. They take no sequence number and are not
  // counted by Count().
  Status PutLogData(const Slice& blob);

  // Adds the updates of `other` behind those of this batch. Corruption if
  // `other` is malformed.
  Status Append(const WriteBatch& other);

  // Removes all updates and save points.
  void Clear();

  // Save points nest. RollbackToSavePoint() undoes what came after the last
  // one and removes it; PopSavePoint() removes it and keeps the updates. Both
  // return NotFound if there is none.
  void SetSavePoint();
  Status RollbackToSavePoint();
  Status PopSavePoint();

  // Receives the updates in order. The CF methods get the id of the column
  // family, 0 for the default one; each may end the walk by returning an
  // error.
  class Handler {
   public:
    virtual ~Handler() = default;
    virtual Status PutCF(uint32_t family_id, const Slice& key,
                         const Slice& value);
    virtual Status DeleteCF(uint32_t family_id, const Slice& key);
    virtual Status SingleDeleteCF(uint32_t family_id, const Slice& key);
    virtual Status DeleteRangeCF(uint32_t family_id, const Slice& begin,
                                 const Slice& end);
    virtual Status MergeCF(uint32_t family_id, const Slice& key,
                           const Slice& operand);
    // Called by the default implementations above for family 0.
    virtual void Put(const Slice& /*key*/, const Slice& /*value*/) {}
    virtual void Delete(const Slice& /*key*/) {}
    virtual void SingleDelete(const Slice& /*key*/) {}
    virtual void Merge(const Slice& /*key*/, const Slice& /*operand*/) {}
    virtual void LogData(const Slice& /*blob*/) {}
    // Asked before each update; false ends the walk without an error.
    virtual bool Continue() { return true; }
  };
  // Checks the whole batch first: Corruption (with the offset of the damage)
  // if it is malformed, and the handler has then seen nothing.
  Status Iterate(Handler* handler) const;

  // How many updates it has, PutLogData aside. For a serialized batch: what
  // its header says.
  [[nodiscard]] uint32_t Count() const;
  [[nodiscard]] const std::string& Data() const { return rep_; }
  [[nodiscard]] size_t GetDataSize() const { return rep_.size(); }

 private:
  friend class WriteBatchInternal;

  struct SavePoint {
    size_t size;
    uint32_t count;
    bool has_other_families;
    bool has_merges;
  };
  struct UpdateTags {
    uint8_t default_tag;
    uint8_t family_tag;
  };

  Status AddUpdate(const UpdateTags& tags, const ColumnFamilyHandle* family,
                   const Slice& key, const Slice* value);
  template <typename AppendPieces>
  Status AddEntry(uint64_t bytes, bool counted, AppendPieces append);

  std::string rep_;
  std::vector<SavePoint> save_points_;
  size_t max_bytes_ = 0;
  // False for bytes that came from outside and were not checked yet.
  bool is_well_formed_ = true;
  // True if an entry may name a family other than the default one.
  bool has_other_families_ = false;
  // True if an entry may be a Merge.
  bool has_merges_ = false;
};

}  // namespace paceline
