// TableProperties: what a table says about itself, and the block that says it:
// names in the order of their bytes, each with a value in one of three forms
// (varint, little-endian fixed width, text).

#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "paceline/slice.h"
#include "paceline/status.h"

namespace paceline {

class Block;

// Of a table that was opened. Numbers that it does not have are 0.
struct TableProperties {
  uint64_t num_entries = 0;  // Points and range tombstones.
  uint64_t num_deletions = 0;
  uint64_t num_merge_operands = 0;
  uint64_t num_range_deletions = 0;
  uint64_t num_data_blocks = 0;
  uint64_t raw_key_size = 0;
  uint64_t raw_value_size = 0;
  uint64_t data_size = 0;
  uint64_t index_size = 0;
  uint64_t filter_size = 0;
  uint32_t format_version = 0;  // Of the footer.
  std::string comparator_name;
  std::string compression_name;
  std::string filter_policy_name;
  // All of them as stored.
  std::map<std::string, std::string> raw;
};

// The names, in the groups of their forms.
namespace property {

// u32
inline constexpr char kIndexType[] = "rocksdb.block.based.table.index.type";
inline constexpr char kExternalVersion[] = "rocksdb.external_sst_file.version";
// u64
inline constexpr char kGlobalSequence[] =
    "rocksdb.external_sst_file.global_seqno";
// varint
inline constexpr char kIndexKeyIsUserKey[] = "rocksdb.index.key.is.user.key";
inline constexpr char kIndexValueIsDeltaEncoded[] =
    "rocksdb.index.value.is.delta.encoded";
inline constexpr char kNumEntries[] = "rocksdb.num.entries";
inline constexpr char kNumDeletions[] = "rocksdb.deleted.keys";
inline constexpr char kNumMergeOperands[] = "rocksdb.merge.operands";
inline constexpr char kNumRangeDeletions[] = "rocksdb.num.range-deletions";
inline constexpr char kNumDataBlocks[] = "rocksdb.num.data.blocks";
inline constexpr char kNumFilterEntries[] = "rocksdb.num.filter_entries";
inline constexpr char kRawKeySize[] = "rocksdb.raw.key.size";
inline constexpr char kRawValueSize[] = "rocksdb.raw.value.size";
inline constexpr char kDataSize[] = "rocksdb.data.size";
inline constexpr char kIndexSize[] = "rocksdb.index.size";
inline constexpr char kFilterSize[] = "rocksdb.filter.size";
inline constexpr char kFormatVersion[] = "rocksdb.format.version";
inline constexpr char kCreationTime[] = "rocksdb.creation.time";
inline constexpr char kFileCreationTime[] = "rocksdb.file.creation.time";
inline constexpr char kFamilyId[] = "rocksdb.column.family.id";
inline constexpr char kOriginalFileNumber[] = "rocksdb.original.file.number";
inline constexpr char kTimestampsPersisted[] =
    "rocksdb.user.defined.timestamps.persisted";
// Text; a truth value is "1" or "0".
inline constexpr char kComparator[] = "rocksdb.comparator";
inline constexpr char kCompression[] = "rocksdb.compression";
inline constexpr char kFamilyName[] = "rocksdb.column.family.name";
inline constexpr char kSessionIdentity[] = "rocksdb.creating.session.identity";
inline constexpr char kFilterPolicy[] = "rocksdb.filter.policy";
inline constexpr char kMergeOperator[] = "rocksdb.merge.operator";
inline constexpr char kWholeKeyFiltering[] =
    "rocksdb.block.based.table.whole.key.filtering";
inline constexpr char kPrefixFiltering[] =
    "rocksdb.block.based.table.prefix.filtering";

}  // namespace property

// The values of kIndexType.
enum class IndexType : uint32_t {
  kBinarySearch = 0,
  kHash = 1,  // Searched like the first one.
  kTwoLevel = 2,
  kFirstKeys = 3,
};

// Each leaves `*value` alone if there is no property of that name. Corruption,
// without a place, names one that is malformed.
Status GetVarintProperty(const TableProperties& properties, const char* name,
                         uint64_t* value);
Status GetFixed32Property(const TableProperties& properties, const char* name,
                          uint32_t* value);
Status GetFixed64Property(const TableProperties& properties, const char* name,
                          uint64_t* value);
// The text of the property; empty if there is none.
[[nodiscard]] Slice GetTextProperty(const TableProperties& properties,
                                    const char* name);

// Fills `*properties` from a properties block, except for format_version.
// Corruption, without a place, if the block or a number in it is malformed.
Status ParseProperties(const Block& block, TableProperties* properties);

// A number as the value of a property.
[[nodiscard]] std::string VarintProperty(uint64_t value);
[[nodiscard]] std::string Fixed32Property(uint32_t value);

// The contents of a properties block.
[[nodiscard]] std::string EncodeProperties(
    const std::map<std::string, std::string>& properties);

}  // namespace paceline
