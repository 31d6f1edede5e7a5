// TableFile: the bytes of a table, checked and uncompressed block by block.

#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "paceline/env.h"
#include "paceline/slice.h"
#include "paceline/status.h"

#include "src/table/block.h"
#include "src/table/compression.h"
#include "src/table/table_format.h"

namespace paceline {

// A part of a file that was read at once, for blocks that are wanted one after
// the other. Thread-compatible.
class ReadaheadBuffer {
 public:
  // Reads `bytes_ahead` bytes behind what is asked for. 0: none until blocks
  // have been read in sequence, then more and more.
  explicit ReadaheadBuffer(size_t bytes_ahead) : bytes_ahead_(bytes_ahead) {}

  // Reads up to `size` bytes at `offset`; bytes() is what there is.
  Status Fill(const RandomAccessFile& file, uint64_t offset, size_t size);
  [[nodiscard]] Slice bytes() const { return bytes_; }

  // Points `*bytes` at the `size` bytes at `offset` of a file of `file_size`
  // bytes, until the next call. Empty: the caller is to read them by itself.
  Status Read(const RandomAccessFile& file, uint64_t file_size, uint64_t offset,
              size_t size, Slice* bytes);

 private:
  // Reads in sequence before the buffer is used, and what it grows from and
  // to, as RocksDB has them: a short scan costs nothing, and a long one hardly
  // any system calls.
  static constexpr int kReadsBefore = 2;
  static constexpr size_t kFirstBytes = size_t{8} << 10;
  static constexpr size_t kMaxBytes = size_t{256} << 10;

  // How much to read behind the read at `offset`.
  size_t BytesAhead(uint64_t offset);

  const size_t bytes_ahead_;
  uint64_t next_offset_ = 0;  // Where a read in sequence begins.
  int reads_in_sequence_ = 0;
  size_t next_bytes_ = kFirstBytes;

  BlockBuffer buffer_;
  uint64_t offset_ = 0;
  Slice bytes_;  // At offset_ of the file; in buffer_ or kept by the file.
};

// How messages name a table: the path, and the column family if there is one.
[[nodiscard]] std::string TableName(const std::string& path,
                                    const std::string& family_name);
// `status`, with `table` named in front and `detail` behind. IOErrors keep
// their subcode.
[[nodiscard]] Status AtTable(const std::string& table, const Status& status,
                             const std::string& detail);

// Errors are those of TableReader. Constant after ReadFooter(); thread-safe.
class TableFile {
 public:
  // `size` is what it must have; `path` and `family_name` are for messages.
  TableFile(std::unique_ptr<RandomAccessFile> file, uint64_t size,
            const std::string& path, const std::string& family_name);

  // Checks the size of the file as well. Leaves the end of the file, where
  // the meta blocks are, in `*tail`.
  Status ReadFooter(ReadaheadBuffer* tail) {
    return ReadFooter(tail, &footer_);
  }
  // Reads it anew: it must be the same still.
  Status CheckFooter() const;

  [[nodiscard]] const Footer& footer() const { return footer_; }
  [[nodiscard]] uint64_t size() const { return size_; }
  // No block reaches beyond it.
  [[nodiscard]] uint64_t footer_offset() const { return size_ - kFooterBytes; }

  // How a block is read.
  struct ReadOptions {
    bool verify_checksums = true;
    const CompressionDictionary* dictionary = nullptr;
    ReadaheadBuffer* readahead = nullptr;
    // Blocks that are compressed are Corruption.
    bool refuses_compressed = false;
    // What it may become if it is compressed.
    uint64_t uncompressed_bytes_max = kMaxBlockBytes;
  };

  // The contents of the block at `handle`, uncompressed.
  Status ReadContents(const BlockHandle& handle, const ReadOptions& options,
                      BlockBuffer* contents) const;
  StatusOr<std::shared_ptr<const Block>> ReadBlock(
      const BlockHandle& handle, Block::Kind kind,
      const ReadOptions& options) const;

  // The properties block. A sequence number that was written into it after
  // its checksum was made is no damage.
  StatusOr<std::shared_ptr<const Block>> ReadProperties(
      const BlockHandle& handle, ReadaheadBuffer* readahead) const;

  [[nodiscard]] Status Corruption(uint64_t offset, std::string_view what) const;
  [[nodiscard]] Status NotSupported(uint64_t offset,
                                    std::string_view what) const;
  // `status`, which does not name a place, with this one.
  [[nodiscard]] Status At(uint64_t offset, const Status& status) const;

 private:
  Status ReadFooter(ReadaheadBuffer* tail, Footer* footer) const;
  // Points `*stored` at the contents and the trailer, in `*buffer` or in the
  // readahead buffer.
  Status ReadStored(const BlockHandle& handle, ReadaheadBuffer* readahead,
                    BlockBuffer* buffer, Slice* stored) const;
  Status CheckStored(const BlockHandle& handle, const Slice& stored) const;
  // Of `stored`, which is in `*buffer` or elsewhere.
  Status Uncompressed(const BlockHandle& handle, const ReadOptions& options,
                      const Slice& stored, BlockBuffer* buffer,
                      BlockBuffer* contents) const;

  const std::unique_ptr<RandomAccessFile> file_;
  const uint64_t size_;
  const std::string name_;  // The path, and the family.
  Footer footer_;
};

}  // namespace paceline
