#include "src/base/crc32c.h"

#include <array>

#if defined(PACELINE_HAVE_ISAL)
#include <isa-l/crc.h>
#endif

namespace paceline::crc32c {

namespace {

// kTables[0][b] advances the CRC by the byte b; kTables[k][b] by b followed by
// k zero bytes, so that eight bytes are done with eight independent look-ups.
using Tables = std::array<std::array<uint32_t, 256>, 8>;

constexpr Tables MakeTables() {
  Tables tables{};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) {
      crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82f63b78U : 0U);
    }
    tables[0][byte] = crc;
  }
  for (size_t k = 1; k < tables.size(); ++k) {
    for (size_t byte = 0; byte < 256; ++byte) {
      uint32_t previous = tables[k - 1][byte];
      tables[k][byte] = (previous >> 8) ^ tables[0][previous & 255];
    }
  }
  return tables;
}

constexpr Tables kTables = MakeTables();

}  // namespace

uint32_t ExtendPortable(uint32_t crc, const char* data, size_t size) {
  const auto* p = reinterpret_cast<const unsigned char*>(data);
  crc = ~crc;
  for (; size >= 8; size -= 8, p += 8) {
    uint32_t low =
        crc ^
        (static_cast<uint32_t>(p[0]) | static_cast<uint32_t>(p[1]) << 8 |
         static_cast<uint32_t>(p[2]) << 16 | static_cast<uint32_t>(p[3]) << 24);
    crc = kTables[7][low & 255] ^ kTables[6][(low >> 8) & 255] ^
          kTables[5][(low >> 16) & 255] ^ kTables[4][low >> 24] ^
          kTables[3][p[4]] ^ kTables[2][p[5]] ^ kTables[1][p[6]] ^
          kTables[0][p[7]];
  }
  for (; size > 0; --size, ++p) {
    crc = (crc >> 8) ^ kTables[0][(crc ^ *p) & 255];
  }
  return ~crc;
}

uint32_t Extend(uint32_t crc, const char* data, size_t size) {
#if defined(PACELINE_HAVE_ISAL)
  // ISA-L takes int lengths and neither inverts before nor after.
  constexpr size_t kPieceMax = size_t{1} << 30;
  auto* p = reinterpret_cast<unsigned char*>(const_cast<char*>(data));
  crc = ~crc;
  while (size > 0) {
    size_t piece = size < kPieceMax ? size : kPieceMax;
    crc = crc32_iscsi(p, static_cast<int>(piece), crc);
    p += piece;
    size -= piece;
  }
  return ~crc;
#else
  return ExtendPortable(crc, data, size);
#endif
}

}  // namespace paceline::crc32c
