// The outer form of an SST file: where its blocks are, and how their bytes are
// checked. All of it is RocksDB's block-based table, format_version 2 to 7.
//
//   data blocks
//   filter, index, dictionary, range tombstones, properties: meta blocks
//   metaindex block: the names of the meta blocks, and where they are
//   footer: 53 bytes
//
// A block is its contents, as stored, and a trailer:
//
//   u8   CompressionType of the contents
//   u32  checksum of the contents and that byte, plus the context
//
// The footer, for format_version 2 to 5 and for 6 and 7:
//
//   0  u8   ChecksumType                  0  u8   ChecksumType
//   1       handle of the metaindex       1       bytes 3e 00 7a 00
//           handle of the index           5  u32  checksum of the footer
//           zeros                         9  u32  base of the context
//                                        13  u32  size of the metaindex
//                                        17       ignored
//                                        33  u64  zero
//   41 u32  format_version               41 u32  format_version
//   45 u64  magic number                 45 u64  magic number
//
// The context is 0 before format_version 6; then it depends on where the block
// lies, so that a block that was moved is noticed.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "paceline/slice.h"
#include "paceline/status.h"
#include "paceline/table.h"

#include "src/base/coding.h"

namespace paceline {

// Where the contents of a block are; the trailer follows them. A plain value.
struct BlockHandle {
  uint64_t offset = 0;
  uint64_t size = 0;

  friend bool operator==(const BlockHandle&, const BlockHandle&) = default;
};

inline constexpr size_t kMaxBlockHandleBytes = 2 * kMaxVarint64Bytes;

void PutBlockHandle(std::string* to, const BlockHandle& handle);
// As the functions of coding.h.
[[nodiscard]] inline bool GetBlockHandle(Slice* input, BlockHandle* handle) {
  return GetVarint64(input, &handle->offset) &&
         GetVarint64(input, &handle->size);
}

inline constexpr size_t kBlockTrailerBytes = 5;
inline constexpr size_t kFooterBytes = 53;
inline constexpr uint64_t kTableMagic = 0x88e241b785f4cff7;

// What new tables have; RocksDB 7.8 reads nothing newer.
inline constexpr uint32_t kWrittenFormatVersion = 5;
inline constexpr uint32_t kMinFormatVersion = 2;
inline constexpr uint32_t kMaxFormatVersion = 7;
// From here on checksums have a context, and the footer its second form.
inline constexpr uint32_t kContextFormatVersion = 6;

// A plain value.
struct Footer {
  uint32_t format_version = kWrittenFormatVersion;
  ChecksumType checksum = kXXH3;
  BlockHandle metaindex;
  // Before kContextFormatVersion; then it is in the metaindex.
  BlockHandle index;
  uint32_t context_base = 0;  // From kContextFormatVersion on.

  friend bool operator==(const Footer&, const Footer&) = default;
};

// The checksum of a block, without its context. `checked` are the contents and
// the byte after them, so never empty. `type` must be one of ChecksumType.
[[nodiscard]] uint32_t BlockChecksum(ChecksumType type, const Slice& checked);
// What is added to the checksum of the block (or footer) at `offset`.
[[nodiscard]] constexpr uint32_t ChecksumContext(uint32_t context_base,
                                                 uint64_t offset) {
  if (context_base == 0) return 0;
  return context_base ^
         (static_cast<uint32_t>(offset) + static_cast<uint32_t>(offset >> 32));
}

// Appends the trailer of a block of format_version 5, whose contents are the
// last `size` bytes of `*to`.
void PutBlockTrailer(std::string* to, ChecksumType type, size_t size,
                     uint8_t compression);
// Appends the footer of a table of format_version 5.
void PutFooter(std::string* to, const Footer& footer);

// Reads the footer in the last kFooterBytes of the file `path` of `file_size`
// bytes. Afterwards the handles lie within the file, with their trailers.
// Corruption: no footer of a table, or a damaged one. NotSupported: another
// kind of table, another format_version, or a feature that is not known.
Status DecodeFooter(const Slice& bytes, uint64_t file_size,
                    const std::string& path, Footer* footer);

// True if the block and its trailer lie in front of `end`.
[[nodiscard]] constexpr bool IsWithin(const BlockHandle& handle, uint64_t end) {
  return handle.offset <= end && handle.size <= end - handle.offset &&
         kBlockTrailerBytes <= end - handle.offset - handle.size;
}

// A Corruption (NotSupported) that names the place.
[[nodiscard]] Status TableCorruption(const std::string& path, uint64_t offset,
                                     std::string_view what);
[[nodiscard]] Status TableNotSupported(const std::string& path, uint64_t offset,
                                       std::string_view what);

// Names in the metaindex.
namespace metaindex {

inline constexpr char kProperties[] = "rocksdb.properties";
inline constexpr char kOldProperties[] = "rocksdb.stats";
inline constexpr char kIndex[] = "rocksdb.index";
inline constexpr char kCompressionDictionary[] = "rocksdb.compression_dict";
inline constexpr char kRangeTombstones[] = "rocksdb.range_del";
inline constexpr char kFullFilter[] = "fullfilter.rocksdb.BuiltinBloomFilter";
inline constexpr char kPartitionedFilter[] =
    "partitionedfilter.rocksdb.BuiltinBloomFilter";
// What such a name begins with.
inline constexpr char kUserDefinedIndex[] = "rocksdb.user_defined_index";

}  // namespace metaindex

}  // namespace paceline
