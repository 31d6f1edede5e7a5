#include "src/version/key_lookup.h"

namespace paceline {

void KeyLookup::LookIn(const MemTable& memtable) {
  covering_.Add(
      memtable.range_tombstones().CoveringSequence(user_key(), snapshot_));
  const std::shared_ptr<const void> no_pin;
  memtable.VisitVersions(
      user_key(), snapshot_,
      [&](SequenceNumber sequence, ValueType type, const Slice& value) {
        return Visit(sequence, type, value, no_pin);
      });
}

Status KeyLookup::LookIn(const LiveTable& file, const BlockReadOptions& options,
                         HeldBlocks* held) {
  auto table = file.Get();
  if (!table.ok()) return table.status();
  if (const auto& tombstones = (*table)->tombstones()) {
    AddCoveringOfTable(*tombstones, file.metadata(), *comparator_, user_key(),
                       snapshot_, &covering_);
  }
  return (*table)->Get(options, &key_, snapshot_, held, this);
}

bool KeyLookup::Visit(SequenceNumber sequence, ValueType type,
                      const Slice& value,
                      const std::shared_ptr<const void>& pin) {
  bool is_covered = covering_.Covers(sequence);
  if (!is_covered && type == ValueType::kMerge) {
    operands_.push_back(value);
    if (pin != nullptr) operand_pins_.push_back(pin);
    return true;
  }
  if (!is_covered && type == ValueType::kValue) {
    base_ = value;
    base_pin_ = pin;
    has_base_ = true;
  }
  is_decided_ = true;
  return false;
}

}  // namespace paceline
