// KeyLookup: one key followed from its newest visible version to the one that
// decides.

#pragma once

#include <memory>
#include <vector>

#include "src/format/range_tombstones.h"
#include "src/memtable/memtable.h"
#include "src/table/table_reader.h"
#include "src/version/live_table.h"

namespace paceline {

// Sources are looked at newest first. What it has found is valid as long as
// the sources, or their pins, are. Thread-compatible.
class KeyLookup final : public EntryVisitor {
 public:
  KeyLookup(const InternalKeyComparator* comparator, const Slice& user_key,
            SequenceNumber snapshot)
      : comparator_(comparator), key_(user_key), snapshot_(snapshot) {}

  [[nodiscard]] const Slice& user_key() const { return key_.user_key(); }
  // False: older sources are needed.
  [[nodiscard]] bool is_decided() const { return is_decided_; }

  void LookIn(const MemTable& memtable);
  Status LookIn(const LiveTable& file, const BlockReadOptions& options,
                HeldBlocks* held);

  [[nodiscard]] bool has_base() const { return has_base_; }
  [[nodiscard]] const Slice& base() const { return base_; }
  // Keeps base() where that is in a table; null if it is in a memtable.
  [[nodiscard]] const std::shared_ptr<const void>& base_pin() const {
    return base_pin_;
  }
  // Newest first.
  std::vector<Slice>& operands() { return operands_; }

  bool Visit(SequenceNumber sequence, ValueType type, const Slice& value,
             const std::shared_ptr<const void>& pin) override;

 private:
  const InternalKeyComparator* const comparator_;
  HashedKey key_;
  const SequenceNumber snapshot_;
  Covering covering_;  // By the tombstones of the sources so far.
  bool is_decided_ = false;
  bool has_base_ = false;
  Slice base_;
  std::shared_ptr<const void> base_pin_;
  std::vector<Slice> operands_;
  std::vector<std::shared_ptr<const void>> operand_pins_;
};

}  // namespace paceline
