#include "src/table/table_properties.h"

#include <limits>

#include "src/base/coding.h"
#include "src/table/block.h"
#include "src/table/block_builder.h"

namespace paceline {

namespace {

// Names share their beginnings in the block, but not in memory. They are short,
// so a block that holds more than this is not one of properties.
constexpr size_t kPropertiesExpansionMax = 64;

Status Malformed(const char* name) {
  return Status::Corruption(std::string("malformed property ") + name);
}

const std::string* Find(const TableProperties& properties, const char* name) {
  const auto found = properties.raw.find(name);
  return found == properties.raw.end() ? nullptr : &found->second;
}

Status ReadAll(const Block& block, std::map<std::string, std::string>* raw) {
  const size_t bytes_max = block.entries_end() * kPropertiesExpansionMax;
  size_t bytes = 0;
  BlockIterator entry(&block);
  for (entry.SeekToFirst(); entry.Valid(); entry.Next()) {
    bytes += entry.key().size() + entry.value().size();
    if (bytes > bytes_max) return Status::Corruption("properties too large");
    raw->emplace(entry.key().ToString(), entry.value().ToString());
  }
  if (entry.is_damaged()) return Status::Corruption("malformed properties");
  return Status::OK();
}

}  // namespace

Status GetVarintProperty(const TableProperties& properties, const char* name,
                         uint64_t* value) {
  const std::string* const stored = Find(properties, name);
  if (stored == nullptr) return Status::OK();
  Slice input = *stored;
  return GetVarint64(&input, value) && input.empty() ? Status::OK()
                                                     : Malformed(name);
}

Status GetFixed32Property(const TableProperties& properties, const char* name,
                          uint32_t* value) {
  const std::string* const stored = Find(properties, name);
  if (stored == nullptr) return Status::OK();
  if (stored->size() != sizeof(*value)) return Malformed(name);
  *value = DecodeFixed32(stored->data());
  return Status::OK();
}

Status GetFixed64Property(const TableProperties& properties, const char* name,
                          uint64_t* value) {
  const std::string* const stored = Find(properties, name);
  if (stored == nullptr) return Status::OK();
  if (stored->size() != sizeof(*value)) return Malformed(name);
  *value = DecodeFixed64(stored->data());
  return Status::OK();
}

Slice GetTextProperty(const TableProperties& properties, const char* name) {
  const std::string* const stored = Find(properties, name);
  return stored != nullptr ? Slice(*stored) : Slice();
}

Status ParseProperties(const Block& block, TableProperties* properties) {
  if (Status s = ReadAll(block, &properties->raw); !s.ok()) return s;
  struct Number {
    const char* name;
    uint64_t* value;
  };
  const Number numbers[] = {
      {property::kNumEntries, &properties->num_entries},
      {property::kNumDeletions, &properties->num_deletions},
      {property::kNumMergeOperands, &properties->num_merge_operands},
      {property::kNumRangeDeletions, &properties->num_range_deletions},
      {property::kNumDataBlocks, &properties->num_data_blocks},
      {property::kRawKeySize, &properties->raw_key_size},
      {property::kRawValueSize, &properties->raw_value_size},
      {property::kDataSize, &properties->data_size},
      {property::kIndexSize, &properties->index_size},
      {property::kFilterSize, &properties->filter_size},
  };
  for (const Number& number : numbers) {
    Status s = GetVarintProperty(*properties, number.name, number.value);
    if (!s.ok()) return s;
  }
  const auto text = [properties](const char* name) {
    return GetTextProperty(*properties, name).ToString();
  };
  properties->comparator_name = text(property::kComparator);
  properties->compression_name = text(property::kCompression);
  properties->filter_policy_name = text(property::kFilterPolicy);
  return Status::OK();
}

std::string VarintProperty(uint64_t value) {
  std::string encoded;
  PutVarint64(&encoded, value);
  return encoded;
}

std::string Fixed32Property(uint32_t value) {
  std::string encoded;
  PutFixed32(&encoded, value);
  return encoded;
}

std::string EncodeProperties(
    const std::map<std::string, std::string>& properties) {
  // One restart: readers expect no other.
  BlockBuilder block(std::numeric_limits<int>::max());
  for (const auto& [name, value] : properties) block.Add(name, value);
  return block.Finish().ToString();
}

}  // namespace paceline
