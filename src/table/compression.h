// Compression of blocks: the codecs, each of which may be missing in a build,
// and how their output is framed.
//
//   snappy            a raw snappy stream, which knows its size
//   zlib              varint uncompressed size, raw deflate
//   lz4, lz4hc        varint uncompressed size, one raw LZ4 block
//   zstd              varint uncompressed size, a zstd frame

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "paceline/compression_type.h"
#include "paceline/slice.h"
#include "paceline/status.h"

namespace paceline {

// Bytes that are owned, not initialized when they are made. Movable; empty
// after a move. Thread-compatible.
class BlockBuffer {
 public:
  BlockBuffer() = default;
  ~BlockBuffer() { Reset(); }
  BlockBuffer(BlockBuffer&& other) noexcept { *this = std::move(other); }
  BlockBuffer& operator=(BlockBuffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(allocated_, other.allocated_);
    other.Reset();
    return *this;
  }

  // False if there is no memory for `size` bytes; then the buffer is empty.
  [[nodiscard]] bool Allocate(size_t size);
  // False if there is no memory.
  [[nodiscard]] bool Assign(const Slice& bytes);
  // Drops all but the first `size` bytes, of which there must be that many.
  void Truncate(size_t size) { size_ = size; }

  [[nodiscard]] char* data() { return data_; }
  [[nodiscard]] size_t size() const { return size_; }
  [[nodiscard]] Slice slice() const { return {data_, size_}; }
  // Bytes.
  [[nodiscard]] size_t MemoryUsage() const;
  // See BlockMemory::Move.
  [[nodiscard]] bool is_to_move() const;

 private:
  void Reset();

  char* data_ = nullptr;
  size_t size_ = 0;
  size_t allocated_ = 0;  // Asked for; `size_` may be less.
};

// What the blocks of a table were compressed with besides their own bytes.
// Immutable; thread-safe.
class CompressionDictionary {
 public:
  // Copies `bytes`.
  explicit CompressionDictionary(const Slice& bytes);
  ~CompressionDictionary();
  CompressionDictionary(const CompressionDictionary&) = delete;
  CompressionDictionary& operator=(const CompressionDictionary&) = delete;

  [[nodiscard]] Slice bytes() const { return bytes_; }
  // The ZSTD_DDict of the bytes; null if zstd is missing in this build or
  // refuses them.
  [[nodiscard]] const void* zstd() const { return zstd_; }

 private:
  const std::string bytes_;
  void* zstd_ = nullptr;
};

// "ZSTD" and so on, as in the property rocksdb.compression; "unknown" for what
// is not a CompressionType.
[[nodiscard]] const char* CompressionName(uint8_t type);
// True if this build can write (read) blocks of that type. kNoCompression is
// always there.
[[nodiscard]] bool CanCompress(CompressionType type);
[[nodiscard]] bool CanUncompress(uint8_t type);

// Replaces `*output` by `input` compressed. NotSupported, with the name of the
// codec: CanCompress() is false, or the type is kNoCompression. Aborted: the
// codec cannot compress this input, which is to be stored as it is.
Status Compress(CompressionType type, const CompressionOptions& options,
                const Slice& input, std::string* output);

// Makes `*output` what the contents `stored` of a block of compression `type`
// stand for. `dictionary` may be null. The memory taken is at most `size_max`
// bytes, and in proportion to what `stored` can expand to. The texts of errors
// do not name the file:
//   Corruption    `stored` is not the codec's output, or claims a wrong size
//   NotSupported  a type that is not known, or missing in this build
//   IOError       no memory
Status Uncompress(uint8_t type, const CompressionDictionary* dictionary,
                  const Slice& stored, uint64_t size_max, BlockBuffer* output);

// No block is larger once uncompressed.
// The largest level of a codec that has levels, which begin at 1; 0 for others.
constexpr int CompressionLevelMax(CompressionType type) {
  if (type == kZSTD) return 22;
  return type == kLZ4HCCompression ? 12 : 0;
}

inline constexpr uint64_t kMaxBlockBytes = (uint64_t{1} << 32) - 1;

}  // namespace paceline
