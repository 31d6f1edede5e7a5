#include "src/table/compression.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <new>
#include <utility>

#if defined(PACELINE_HAVE_SNAPPY)
#include <snappy.h>
#endif
#if defined(PACELINE_HAVE_LZ4)
#include <lz4.h>
#include <lz4hc.h>
#endif
#if defined(PACELINE_HAVE_ZSTD)
#include <zstd.h>
#endif
#if defined(PACELINE_HAVE_ZLIB)
#include <zlib.h>
#endif

#include "src/base/coding.h"
#include "src/base/sanitizers.h"
#include "src/table/block_memory.h"

namespace paceline {

namespace {

constexpr uint8_t kBZip2 = 3;
constexpr uint8_t kXpress = 6;

// The most that one stored byte can stand for, rounded up: a copy of snappy
// makes 64 bytes out of 3, LZ4 adds 255 to a length with each byte, deflate
// makes 258 bytes out of two bits, and zstd 128 KiB out of a block of 4.
constexpr uint64_t kSnappyExpansion = 32;
constexpr uint64_t kLz4Expansion = 256;
constexpr uint64_t kZlibExpansion = 1040;
constexpr uint64_t kZstdExpansion = uint64_t{32} << 10;
// Added to it, for what a few bytes hold.
constexpr uint64_t kExpansionSlack = 256;

[[maybe_unused]] Status Malformed(uint8_t type) {
  return Status::Corruption(std::string("malformed ") + CompressionName(type) +
                            " contents");
}

[[maybe_unused]] Status WrongSize(uint8_t type) {
  return Status::Corruption(std::string(CompressionName(type)) +
                            " contents claim a wrong size");
}

Status Missing(uint8_t type) {
  return Status::NotSupported(std::string("compression type ") +
                              std::to_string(type) + " (" +
                              CompressionName(type) + ")");
}

Status NoMemory(uint64_t size) {
  return Status::IOError("no memory for a block of " + std::to_string(size) +
                         " bytes");
}

// Allocates the `claimed` bytes if `stored_size` bytes can expand to them.
Status AllocateClaimed(uint8_t type, uint64_t claimed, uint64_t stored_size,
                       uint64_t expansion, uint64_t size_max,
                       BlockBuffer* output) {
  // The quotient, because the product might not fit.
  const uint64_t excess =
      claimed > kExpansionSlack ? claimed - kExpansionSlack : 0;
  if (claimed > size_max || excess / expansion > stored_size) {
    return WrongSize(type);
  }
  if (!output->Allocate(claimed)) return NoMemory(claimed);
  return Status::OK();
}

#if defined(PACELINE_HAVE_SNAPPY)
Status UncompressSnappy(const Slice& stored, uint64_t size_max,
                        BlockBuffer* output) {
  size_t size = 0;
  if (!snappy::GetUncompressedLength(stored.data(), stored.size(), &size)) {
    return Malformed(kSnappyCompression);
  }
  Status s = AllocateClaimed(kSnappyCompression, size, stored.size(),
                             kSnappyExpansion, size_max, output);
  if (!s.ok()) return s;
  if (!snappy::RawUncompress(stored.data(), stored.size(), output->data())) {
    return Malformed(kSnappyCompression);
  }
  return Status::OK();
}
#endif

#if defined(PACELINE_HAVE_LZ4)
constexpr int kDefaultLz4HcLevel = 9;

Status UncompressLz4(uint8_t type, const CompressionDictionary* dictionary,
                     const Slice& stored, BlockBuffer* output) {
  constexpr size_t kMaxInt = std::numeric_limits<int>::max();
  const Slice prefix = dictionary != nullptr ? dictionary->bytes() : Slice();
  if (stored.size() > kMaxInt || output->size() > kMaxInt ||
      prefix.size() > kMaxInt) {
    return Malformed(type);
  }
  const int size = LZ4_decompress_safe_usingDict(
      stored.data(), output->data(), static_cast<int>(stored.size()),
      static_cast<int>(output->size()), prefix.data(),
      static_cast<int>(prefix.size()));
  if (size < 0) return Malformed(type);
  if (static_cast<size_t>(size) != output->size()) return WrongSize(type);
  return Status::OK();
}

Status CompressLz4(CompressionType type, const CompressionOptions& options,
                   const Slice& input, std::string* output) {
  if (input.size() > LZ4_MAX_INPUT_SIZE) {
    return Status::Aborted("too large for LZ4");
  }
  const int input_size = static_cast<int>(input.size());
  const int bound = LZ4_compressBound(input_size);
  const size_t start = output->size();
  output->resize(start + static_cast<size_t>(bound));
  int size = 0;
  if (type == kLZ4Compression) {
    size = LZ4_compress_default(input.data(), output->data() + start,
                                input_size, bound);
  } else {
    thread_local const auto state =
        std::make_unique<char[]>(static_cast<size_t>(LZ4_sizeofStateHC()));
    const int level =
        options.level == CompressionOptions::kDefaultCompressionLevel
            ? kDefaultLz4HcLevel
            : options.level;
    size = LZ4_compress_HC_extStateHC(state.get(), input.data(),
                                      output->data() + start, input_size, bound,
                                      level);
  }
  if (size <= 0) return Status::Aborted("LZ4 failed");
  output->resize(start + static_cast<size_t>(size));
  return Status::OK();
}
#endif

#if defined(PACELINE_HAVE_ZSTD)
constexpr int kDefaultZstdLevel = 3;

struct FreeZstdContext {
  void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
  void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
};

// One for each thread, because making one costs more than using it.
ZSTD_DCtx* ZstdDecompressor() {
  thread_local const std::unique_ptr<ZSTD_DCtx, FreeZstdContext> context(
      ZSTD_createDCtx());
  return context.get();
}
ZSTD_CCtx* ZstdCompressor() {
  thread_local const std::unique_ptr<ZSTD_CCtx, FreeZstdContext> context(
      ZSTD_createCCtx());
  return context.get();
}

Status UncompressZstd(const CompressionDictionary* dictionary,
                      const Slice& stored, BlockBuffer* output) {
  ZSTD_DCtx* const context = ZstdDecompressor();
  if (context == nullptr) return NoMemory(0);
  const size_t size =
      dictionary != nullptr && dictionary->zstd() != nullptr
          ? ZSTD_decompress_usingDDict(
                context, output->data(), output->size(), stored.data(),
                stored.size(),
                static_cast<const ZSTD_DDict*>(dictionary->zstd()))
          : ZSTD_decompressDCtx(context, output->data(), output->size(),
                                stored.data(), stored.size());
  if (ZSTD_isError(size)) return Malformed(kZSTD);
  if (size != output->size()) return WrongSize(kZSTD);
  return Status::OK();
}

Status CompressZstd(const CompressionOptions& options, const Slice& input,
                    std::string* output) {
  ZSTD_CCtx* const context = ZstdCompressor();
  if (context == nullptr) return Status::Aborted("no memory for ZSTD");
  const int level =
      options.level == CompressionOptions::kDefaultCompressionLevel
          ? kDefaultZstdLevel
          : options.level;
  const size_t start = output->size();
  output->resize(start + ZSTD_compressBound(input.size()));
  const size_t size =
      ZSTD_compressCCtx(context, output->data() + start, output->size() - start,
                        input.data(), input.size(), level);
  if (ZSTD_isError(size)) {
    return Status::Aborted("ZSTD", ZSTD_getErrorName(size));
  }
  output->resize(start + size);
  return Status::OK();
}
#endif

#if defined(PACELINE_HAVE_ZLIB)
// Raw deflate; the writer's window is not larger than this one.
constexpr int kZlibWindowBits = -15;

Status UncompressZlib(const CompressionDictionary* dictionary,
                      const Slice& stored, BlockBuffer* output) {
  constexpr size_t kMaxUnsigned = std::numeric_limits<uInt>::max();
  if (stored.size() > kMaxUnsigned || output->size() > kMaxUnsigned) {
    return Malformed(kZlibCompression);
  }
  z_stream stream = {};
  if (inflateInit2(&stream, kZlibWindowBits) != Z_OK) return NoMemory(0);
  int result = Z_OK;
  if (dictionary != nullptr && !dictionary->bytes().empty()) {
    const Slice bytes = dictionary->bytes();
    result = inflateSetDictionary(&stream,
                                  reinterpret_cast<const Bytef*>(bytes.data()),
                                  static_cast<uInt>(bytes.size()));
  }
  // zlib takes no null pointer, not even for nothing.
  char nothing = 0;
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(stored.data()));
  stream.avail_in = static_cast<uInt>(stored.size());
  stream.next_out =
      reinterpret_cast<Bytef*>(output->size() > 0 ? output->data() : &nothing);
  stream.avail_out = static_cast<uInt>(output->size());
  if (result == Z_OK) result = inflate(&stream, Z_FINISH);
  inflateEnd(&stream);
  if (result != Z_STREAM_END) return Malformed(kZlibCompression);
  if (stream.avail_out != 0) return WrongSize(kZlibCompression);
  return Status::OK();
}
#endif

// The expansion of the codecs that are framed by their uncompressed size.
uint64_t ExpansionOf(uint8_t type) {
  switch (type) {
    case kZlibCompression:
      return kZlibExpansion;
    case kZSTD:
      return kZstdExpansion;
    default:
      return kLz4Expansion;
  }
}

Status UncompressFramed(
    uint8_t type, [[maybe_unused]] const CompressionDictionary* dictionary,
    [[maybe_unused]] const Slice& stored,
    [[maybe_unused]] BlockBuffer* output) {
  switch (type) {
#if defined(PACELINE_HAVE_LZ4)
    case kLZ4Compression:
    case kLZ4HCCompression:
      return UncompressLz4(type, dictionary, stored, output);
#endif
#if defined(PACELINE_HAVE_ZSTD)
    case kZSTD:
      return UncompressZstd(dictionary, stored, output);
#endif
#if defined(PACELINE_HAVE_ZLIB)
    case kZlibCompression:
      return UncompressZlib(dictionary, stored, output);
#endif
    default:
      return Missing(type);
  }
}

}  // namespace

namespace {

#if defined(PACELINE_ASAN)
// AddressSanitizer's heap watches over the ends of what it gives out.
char* AllocateBytes(size_t size) { return new (std::nothrow) char[size]; }
void FreeBytes(const char* bytes, size_t /*size*/) { delete[] bytes; }
#else
char* AllocateBytes(size_t size) {
  return BlockMemory::Shared()->Allocate(size);
}
void FreeBytes(char* bytes, size_t size) {
  BlockMemory::Shared()->Free(bytes, size);
}
#endif

}  // namespace

bool BlockBuffer::Allocate(size_t size) {
  Reset();
  data_ = AllocateBytes(size);
  if (data_ == nullptr) return false;
  size_ = size;
  allocated_ = size;
  return true;
}

bool BlockBuffer::Assign(const Slice& bytes) {
  if (!Allocate(bytes.size())) return false;
  std::memcpy(data_, bytes.data(), bytes.size());
  return true;
}

size_t BlockBuffer::MemoryUsage() const {
  return data_ == nullptr ? 0 : BlockMemory::Capacity(allocated_);
}

bool BlockBuffer::is_to_move() const {
  return BlockMemory::Move::Concerns(data_, allocated_);
}

void BlockBuffer::Reset() {
  FreeBytes(std::exchange(data_, nullptr), std::exchange(allocated_, 0));
  size_ = 0;
}

CompressionDictionary::CompressionDictionary(const Slice& bytes)
    : bytes_(bytes.ToStringView()) {
#if defined(PACELINE_HAVE_ZSTD)
  if (!bytes_.empty()) zstd_ = ZSTD_createDDict(bytes_.data(), bytes_.size());
#endif
}

CompressionDictionary::~CompressionDictionary() {
#if defined(PACELINE_HAVE_ZSTD)
  ZSTD_freeDDict(static_cast<ZSTD_DDict*>(zstd_));
#endif
}

const char* CompressionName(uint8_t type) {
  switch (type) {
    case kNoCompression:
      return "NoCompression";
    case kSnappyCompression:
      return "Snappy";
    case kZlibCompression:
      return "Zlib";
    case kBZip2:
      return "BZip2";
    case kLZ4Compression:
      return "LZ4";
    case kLZ4HCCompression:
      return "LZ4HC";
    case kXpress:
      return "Xpress";
    case kZSTD:
      return "ZSTD";
    default:
      return "unknown";
  }
}

bool CanCompress(CompressionType type) {
  return type != kZlibCompression && CanUncompress(type);
}

CompressionType DefaultCompression() {
  for (CompressionType type : {kLZ4Compression, kSnappyCompression}) {
    if (CanCompress(type)) return type;
  }
  return kNoCompression;
}

bool CanUncompress(uint8_t type) {
  switch (type) {
    case kNoCompression:
#if defined(PACELINE_HAVE_SNAPPY)
    case kSnappyCompression:
#endif
#if defined(PACELINE_HAVE_ZLIB)
    case kZlibCompression:
#endif
#if defined(PACELINE_HAVE_LZ4)
    case kLZ4Compression:
    case kLZ4HCCompression:
#endif
#if defined(PACELINE_HAVE_ZSTD)
    case kZSTD:
#endif
      return true;
    default:
      return false;
  }
}

Status Compress(CompressionType type,
                [[maybe_unused]] const CompressionOptions& options,
                const Slice& input, std::string* output) {
  output->clear();
  if (input.size() > kMaxBlockBytes) return Status::Aborted("too large");
#if defined(PACELINE_HAVE_SNAPPY)
  if (type == kSnappyCompression) {
    size_t size = 0;
    output->resize(snappy::MaxCompressedLength(input.size()));
    snappy::RawCompress(input.data(), input.size(), output->data(), &size);
    output->resize(size);
    return Status::OK();
  }
#endif
  PutVarint64(output, input.size());
  switch (type) {
#if defined(PACELINE_HAVE_LZ4)
    case kLZ4Compression:
    case kLZ4HCCompression:
      return CompressLz4(type, options, input, output);
#endif
#if defined(PACELINE_HAVE_ZSTD)
    case kZSTD:
      return CompressZstd(options, input, output);
#endif
    default:
      return Missing(type);
  }
}

Status Uncompress(uint8_t type, const CompressionDictionary* dictionary,
                  const Slice& stored, uint64_t size_max, BlockBuffer* output) {
  if (!CanUncompress(type)) return Missing(type);
  size_max = std::min(size_max, kMaxBlockBytes);
  if (type == kNoCompression) {
    if (stored.size() > size_max) return WrongSize(type);
    return output->Assign(stored) ? Status::OK() : NoMemory(stored.size());
  }
#if defined(PACELINE_HAVE_SNAPPY)
  if (type == kSnappyCompression) {
    return UncompressSnappy(stored, size_max, output);
  }
#endif
  Slice framed = stored;
  uint64_t size = 0;
  if (!GetVarint64(&framed, &size)) return Malformed(type);
  Status s = AllocateClaimed(type, size, framed.size(), ExpansionOf(type),
                             size_max, output);
  if (!s.ok()) return s;
  return UncompressFramed(type, dictionary, framed, output);
}

}  // namespace paceline
