#include "src/table/table_format.h"

#include <cstring>

// The dispatching header uses the widest vectors that the machine has; it
// needs a libxxhash that was built with them.
#if defined(PACELINE_HAVE_XXHASH_DISPATCH)
#define XXH_STATIC_LINKING_ONLY
#include <xxh_x86dispatch.h>
#else
#define XXH_INLINE_ALL
#include <xxhash.h>
#endif

#include "src/base/check.h"
#include "src/base/crc32c.h"

namespace paceline {

namespace {

// Offsets in the footer.
constexpr size_t kHandlesOffset = 1;
constexpr size_t kFooterChecksumOffset = 5;
constexpr size_t kContextBaseOffset = 9;
constexpr size_t kMetaindexSizeOffset = 13;
constexpr size_t kZerosOffset = 33;
constexpr size_t kFormatVersionOffset = 41;
constexpr size_t kMagicOffset = 45;

// In front of the checksum of a footer of the second form.
constexpr std::string_view kExtendedMagic("\x3e\x00\x7a\x00", 4);

// The magic numbers of the tables that are none of ours.
constexpr uint64_t kFirstTableMagic = 0xdb4775248b80fb57;
constexpr uint64_t kPlainTableMagic = 0x8242229663bf9564;
constexpr uint64_t kOldPlainTableMagic = 0x4f3418eb7a8f13b8;
constexpr uint64_t kCuckooTableMagic = 0x926789d0c5f17873;

// XXH3 covers the contents alone; the last byte is mixed in with this factor.
constexpr uint32_t kLastByteFactor = 0x6b9083d9;

uint32_t Xxh3Checksum(const Slice& checked) {
  const size_t size = checked.size() - 1;
  const auto last = static_cast<uint8_t>(checked[size]);
  const uint64_t hash = XXH3_64bits(checked.data(), size);
  return static_cast<uint32_t>(hash) ^ (last * kLastByteFactor);
}

Status CheckMagic(uint64_t magic, const std::string& path, uint64_t offset) {
  switch (magic) {
    case kTableMagic:
      return Status::OK();
    case kFirstTableMagic:
      return TableNotSupported(path, offset, "table of format_version 0");
    case kPlainTableMagic:
    case kOldPlainTableMagic:
      return TableNotSupported(path, offset, "plain table");
    case kCuckooTableMagic:
      return TableNotSupported(path, offset, "cuckoo table");
    default:
      return TableCorruption(path, offset, "bad magic number of the table");
  }
}

// The handles of the first form.
Status DecodeHandles(const Slice& bytes, const std::string& path,
                     uint64_t footer_offset, Footer* footer) {
  Slice input(bytes.data() + kHandlesOffset,
              kFormatVersionOffset - kHandlesOffset);
  if (!GetBlockHandle(&input, &footer->metaindex) ||
      !GetBlockHandle(&input, &footer->index)) {
    return TableCorruption(path, footer_offset, "bad handle in the footer");
  }
  // Exactly what a writer makes of them: no byte may be of no account.
  std::string expected;
  PutBlockHandle(&expected, footer->metaindex);
  PutBlockHandle(&expected, footer->index);
  expected.resize(kFormatVersionOffset - kHandlesOffset, '\0');
  if (Slice(bytes.data() + kHandlesOffset, expected.size()) !=
      Slice(expected)) {
    return TableCorruption(path, footer_offset, "bad padding of the footer");
  }
  if (!IsWithin(footer->index, footer_offset)) {
    return TableCorruption(path, footer_offset,
                           "the index is not within the file");
  }
  return Status::OK();
}

// The second form.
Status DecodeExtended(const Slice& bytes, const std::string& path,
                      uint64_t footer_offset, Footer* footer) {
  const Slice extended(bytes.data() + kHandlesOffset, kExtendedMagic.size());
  if (extended != Slice(kExtendedMagic)) {
    return TableCorruption(path, footer_offset, "bad magic of the footer");
  }
  footer->context_base = DecodeFixed32(bytes.data() + kContextBaseOffset);
  std::string zeroed = bytes.ToString();
  EncodeFixed(zeroed.data() + kFooterChecksumOffset, uint32_t{0});
  const uint32_t actual = BlockChecksum(footer->checksum, zeroed) +
                          ChecksumContext(footer->context_base, footer_offset);
  if (actual != DecodeFixed32(bytes.data() + kFooterChecksumOffset)) {
    return TableCorruption(path, footer_offset,
                           "checksum mismatch of the footer");
  }
  if (footer->context_base == 0) {
    return TableCorruption(path, footer_offset, "no context of the checksums");
  }
  if (DecodeFixed64(bytes.data() + kZerosOffset) != 0) {
    return TableNotSupported(path, footer_offset,
                             "the footer asks for a feature that is not known");
  }
  footer->metaindex.size = DecodeFixed32(bytes.data() + kMetaindexSizeOffset);
  if (footer->metaindex.size + kBlockTrailerBytes > footer_offset) {
    return TableCorruption(path, footer_offset,
                           "the metaindex is not within the file");
  }
  footer->metaindex.offset =
      footer_offset - kBlockTrailerBytes - footer->metaindex.size;
  return Status::OK();
}

}  // namespace

void PutBlockHandle(std::string* to, const BlockHandle& handle) {
  PutVarint64(to, handle.offset);
  PutVarint64(to, handle.size);
}

uint32_t BlockChecksum(ChecksumType type, const Slice& checked) {
  PL_CHECK(!checked.empty());
  switch (type) {
    case kNoChecksum:
      return 0;
    case kCRC32c:
      return crc32c::Mask(crc32c::Value(checked.data(), checked.size()));
    case kxxHash:
      return XXH32(checked.data(), checked.size(), 0);
    case kxxHash64:
      return static_cast<uint32_t>(XXH64(checked.data(), checked.size(), 0));
    case kXXH3:
      return Xxh3Checksum(checked);
  }
  PL_CHECK(false);
}

void PutBlockTrailer(std::string* to, ChecksumType type, size_t size,
                     uint8_t compression) {
  to->push_back(static_cast<char>(compression));
  const size_t checked = size + 1;
  PutFixed32(to, BlockChecksum(
                     type, Slice(to->data() + to->size() - checked, checked)));
}

void PutFooter(std::string* to, const Footer& footer) {
  PL_CHECK(footer.format_version == kWrittenFormatVersion);
  const size_t start = to->size();
  to->push_back(footer.checksum);
  PutBlockHandle(to, footer.metaindex);
  PutBlockHandle(to, footer.index);
  to->resize(start + kFormatVersionOffset, '\0');
  PutFixed32(to, footer.format_version);
  PutFixed64(to, kTableMagic);
}

Status DecodeFooter(const Slice& bytes, uint64_t file_size,
                    const std::string& path, Footer* footer) {
  if (file_size < kFooterBytes || bytes.size() != kFooterBytes) {
    return TableCorruption(path, 0, "the file is too short for a table");
  }
  const uint64_t offset = file_size - kFooterBytes;
  const uint64_t magic = DecodeFixed64(bytes.data() + kMagicOffset);
  if (Status s = CheckMagic(magic, path, offset); !s.ok()) return s;

  footer->format_version = DecodeFixed32(bytes.data() + kFormatVersionOffset);
  if (footer->format_version < kMinFormatVersion ||
      footer->format_version > kMaxFormatVersion) {
    return TableNotSupported(
        path, offset,
        "format_version " + std::to_string(footer->format_version));
  }
  footer->checksum = static_cast<ChecksumType>(bytes[0]);
  if (bytes[0] < kNoChecksum || bytes[0] > kXXH3) {
    return TableNotSupported(
        path, offset,
        "checksum type " + std::to_string(static_cast<uint8_t>(bytes[0])));
  }
  Status s = footer->format_version < kContextFormatVersion
                 ? DecodeHandles(bytes, path, offset, footer)
                 : DecodeExtended(bytes, path, offset, footer);
  if (s.ok() && !IsWithin(footer->metaindex, offset)) {
    s = TableCorruption(path, offset, "the metaindex is not within the file");
  }
  return s;
}

Status TableCorruption(const std::string& path, uint64_t offset,
                       std::string_view what) {
  return Status::Corruption(
      path, std::string(what) + " at offset " + std::to_string(offset));
}

Status TableNotSupported(const std::string& path, uint64_t offset,
                         std::string_view what) {
  return Status::NotSupported(
      path, std::string(what) + " at offset " + std::to_string(offset));
}

}  // namespace paceline
