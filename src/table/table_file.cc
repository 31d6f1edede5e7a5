#include "src/table/table_file.h"

#include <algorithm>
#include <utility>

#include "src/base/coding.h"
#include "src/table/table_properties.h"

namespace paceline {

namespace {

// Read at once when a table is opened; it holds all the meta blocks of most
// tables.
constexpr size_t kTailBytes = size_t{64} << 10;

// Where the value of the global sequence number is in a properties block; 0 if
// it has none.
size_t GlobalSequenceOffset(const Slice& contents) {
  BlockBuffer copy;
  if (!copy.Assign(contents)) return 0;
  auto block = Block::Parse(std::move(copy), Block::Kind::kOther);
  if (!block.ok()) return 0;
  BlockIterator entry(block->get());
  for (entry.SeekToFirst(); entry.Valid(); entry.Next()) {
    if (entry.key() == Slice(property::kGlobalSequence) &&
        entry.value().size() == sizeof(uint64_t)) {
      return static_cast<size_t>(entry.value().data() - (*block)->data());
    }
  }
  return 0;
}

}  // namespace

Status ReadaheadBuffer::Fill(const RandomAccessFile& file, uint64_t offset,
                             size_t size) {
  bytes_.clear();
  if (buffer_.size() < size && !buffer_.Allocate(size)) {
    return Status::IOError("no memory to read " + std::to_string(size) +
                           " bytes ahead");
  }
  offset_ = offset;
  return file.Read(offset, size, &bytes_, buffer_.data());
}

size_t ReadaheadBuffer::BytesAhead(uint64_t offset) {
  if (bytes_ahead_ != 0) return bytes_ahead_;
  if (offset != next_offset_) {
    reads_in_sequence_ = 0;
    next_bytes_ = kFirstBytes;
    return 0;
  }
  if (++reads_in_sequence_ <= kReadsBefore) return 0;
  const size_t bytes = next_bytes_;
  next_bytes_ = std::min(2 * next_bytes_, kMaxBytes);
  return bytes;
}

Status ReadaheadBuffer::Read(const RandomAccessFile& file, uint64_t file_size,
                             uint64_t offset, size_t size, Slice* bytes) {
  bytes->clear();
  bool is_there = offset >= offset_ && offset - offset_ <= bytes_.size() &&
                  size <= bytes_.size() - (offset - offset_);
  if (!is_there) {
    const size_t ahead = BytesAhead(offset);
    if (ahead > 0) {
      const uint64_t wanted =
          std::min<uint64_t>(file_size - offset, uint64_t{size} + ahead);
      if (Status s = Fill(file, offset, wanted); !s.ok()) return s;
      // A file that became shorter is the caller's to notice.
      is_there = bytes_.size() >= size;
    }
  }
  next_offset_ = offset + size;
  if (is_there) *bytes = Slice(bytes_.data() + (offset - offset_), size);
  return Status::OK();
}

std::string TableName(const std::string& path, const std::string& family_name) {
  if (family_name.empty()) return path;
  return path + " (column family " + family_name + ")";
}

Status AtTable(const std::string& table, const Status& status,
               const std::string& detail) {
  const std::string text = std::string(status.message()) + detail;
  if (status.IsNoSpace()) return Status::NoSpace(table, text);
  if (status.IsPathNotFound()) return Status::PathNotFound(table, text);
  return Status::IOError(table, text);
}

TableFile::TableFile(std::unique_ptr<RandomAccessFile> file, uint64_t size,
                     const std::string& path, const std::string& family_name)
    : file_(std::move(file)),
      size_(size),
      name_(TableName(path, family_name)) {}

Status TableFile::ReadFooter(ReadaheadBuffer* tail, Footer* footer) const {
  if (size_ < kFooterBytes) {
    return Corruption(0, "the file is too short for a table");
  }
  const size_t wanted = std::min<uint64_t>(size_, kTailBytes);
  const uint64_t offset = size_ - wanted;
  // One more byte, which must not be there.
  Status s = tail->Fill(*file_, offset, wanted + 1);
  if (!s.ok()) return At(offset, s);
  const size_t found = tail->bytes().size();
  if (found != wanted) {
    return Corruption(offset + std::min(found, wanted),
                      "the file has not the size of " + std::to_string(size_) +
                          " bytes that the MANIFEST says, but ends behind or"
                          " in front of it");
  }
  return DecodeFooter(Slice(tail->bytes().end() - kFooterBytes, kFooterBytes),
                      size_, name_, footer);
}

Status TableFile::CheckFooter() const {
  ReadaheadBuffer tail(0);
  Footer footer;
  Status s = ReadFooter(&tail, &footer);
  if (s.ok() && footer != footer_) {
    s = Corruption(footer_offset(), "the footer has changed");
  }
  return s;
}

Status TableFile::ReadStored(const BlockHandle& handle,
                             ReadaheadBuffer* readahead, BlockBuffer* buffer,
                             Slice* stored) const {
  if (!IsWithin(handle, footer_offset()) || handle.size > kMaxBlockBytes) {
    return Corruption(handle.offset, "a block is not within the file");
  }
  const size_t size = handle.size + kBlockTrailerBytes;
  if (readahead != nullptr) {
    Status s = readahead->Read(*file_, size_, handle.offset, size, stored);
    if (!s.ok()) return At(handle.offset, s);
    if (!stored->empty()) return s;
  }
  if (!buffer->Allocate(size)) {
    return At(handle.offset, Status::IOError("no memory for a block of " +
                                             std::to_string(size) + " bytes"));
  }
  Status s = file_->Read(handle.offset, size, stored, buffer->data());
  if (!s.ok()) return At(handle.offset, s);
  if (stored->size() != size) {
    return Corruption(handle.offset, "the file ends in a block");
  }
  return Status::OK();
}

Status TableFile::CheckStored(const BlockHandle& handle,
                              const Slice& stored) const {
  const uint32_t actual =
      BlockChecksum(footer_.checksum, Slice(stored.data(), handle.size + 1)) +
      ChecksumContext(footer_.context_base, handle.offset);
  const uint32_t expected = DecodeFixed32(stored.data() + handle.size + 1);
  if (actual == expected) return Status::OK();
  return Corruption(handle.offset, "checksum mismatch of the block");
}

Status TableFile::Uncompressed(const BlockHandle& handle,
                               const ReadOptions& options, const Slice& stored,
                               BlockBuffer* buffer,
                               BlockBuffer* contents) const {
  const auto compression = static_cast<uint8_t>(stored[handle.size]);
  if (compression != kNoCompression && options.refuses_compressed) {
    return Corruption(handle.offset,
                      "a block is compressed that cannot be, by type " +
                          std::to_string(compression));
  }
  if (compression == kNoCompression && stored.data() == buffer->data()) {
    *contents = std::move(*buffer);
    contents->Truncate(handle.size);
    return Status::OK();
  }
  Status s = Uncompress(compression, options.dictionary,
                        Slice(stored.data(), handle.size),
                        options.uncompressed_bytes_max, contents);
  return s.ok() ? s : At(handle.offset, s);
}

Status TableFile::ReadContents(const BlockHandle& handle,
                               const ReadOptions& options,
                               BlockBuffer* contents) const {
  BlockBuffer buffer;
  Slice stored;
  Status s = ReadStored(handle, options.readahead, &buffer, &stored);
  if (s.ok() && options.verify_checksums) s = CheckStored(handle, stored);
  if (!s.ok()) return s;
  return Uncompressed(handle, options, stored, &buffer, contents);
}

StatusOr<std::shared_ptr<const Block>> TableFile::ReadBlock(
    const BlockHandle& handle, Block::Kind kind,
    const ReadOptions& options) const {
  BlockBuffer contents;
  Status s = ReadContents(handle, options, &contents);
  if (!s.ok()) return s;
  auto block = Block::Parse(std::move(contents), kind);
  if (!block.ok()) return At(handle.offset, block.status());
  return block;
}

StatusOr<std::shared_ptr<const Block>> TableFile::ReadProperties(
    const BlockHandle& handle, ReadaheadBuffer* readahead) const {
  BlockBuffer buffer;
  Slice stored;
  Status s = ReadStored(handle, readahead, &buffer, &stored);
  if (!s.ok()) return s;
  s = CheckStored(handle, stored);
  if (s.IsCorruption()) {
    const size_t at = GlobalSequenceOffset(Slice(stored.data(), handle.size));
    if (at != 0) {
      std::string zeroed = stored.ToString();
      EncodeFixed(zeroed.data() + at, uint64_t{0});
      if (CheckStored(handle, zeroed).ok()) s = Status::OK();
    }
  }
  BlockBuffer contents;
  if (s.ok()) {
    s = Uncompressed(handle, {.refuses_compressed = true}, stored, &buffer,
                     &contents);
  }
  if (!s.ok()) return s;
  auto block = Block::Parse(std::move(contents), Block::Kind::kOther);
  if (!block.ok()) return At(handle.offset, block.status());
  return block;
}

Status TableFile::Corruption(uint64_t offset, std::string_view what) const {
  return TableCorruption(name_, offset, what);
}

Status TableFile::NotSupported(uint64_t offset, std::string_view what) const {
  return TableNotSupported(name_, offset, what);
}

Status TableFile::At(uint64_t offset, const Status& status) const {
  switch (status.code()) {
    case Status::kCorruption:
      return Corruption(offset, status.message());
    case Status::kNotSupported:
      return NotSupported(offset, status.message());
    case Status::kInvalidArgument:
      return Status::InvalidArgument(name_, status.message());
    default:
      return AtTable(name_, status, " at offset " + std::to_string(offset));
  }
}

}  // namespace paceline
