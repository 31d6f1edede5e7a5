// CompressionType: how the blocks of a table are compressed.

#pragma once

namespace paceline {

// The numbers are RocksDB's, and those stored in the files.
enum CompressionType : unsigned char {
  kNoCompression = 0x0,
  kSnappyCompression = 0x1,
  // Only read: tables are not written with it.
  kZlibCompression = 0x2,
  kLZ4Compression = 0x4,
  kLZ4HCCompression = 0x5,
  kZSTD = 0x7,
  // Not a way to compress: where one may be given, takes that of elsewhere.
  kDisableCompressionOption = 0xff,
};

// LZ4, or Snappy, or none, whichever Paceline was built with first.
CompressionType DefaultCompression();

struct CompressionOptions {
  // What kDefaultCompressionLevel stands for is 3 for ZSTD and 9 for LZ4HC.
  static constexpr int kDefaultCompressionLevel = 32767;
  // The codec's own level; ignored by Snappy and LZ4. ZSTD 1 to 22, LZ4HC 1 to
  // 12.
  int level = kDefaultCompressionLevel;
};

}  // namespace paceline
