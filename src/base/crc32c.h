// CRC-32C (Castagnoli), as logs and tables store it.

#pragma once

#include <cstddef>
#include <cstdint>

namespace paceline::crc32c {

// The CRC of the bytes that `crc` is of (0: none) followed by these.
[[nodiscard]] uint32_t Extend(uint32_t crc, const char* data, size_t size);

[[nodiscard]] inline uint32_t Value(const char* data, size_t size) {
  return Extend(0, data, size);
}

// A CRC is stored masked, because the CRC of bytes that hold their own CRC is
// degenerate.
inline constexpr uint32_t kMaskDelta = 0xa282ead8;
[[nodiscard]] constexpr uint32_t Mask(uint32_t crc) {
  return ((crc >> 15) | (crc << 17)) + kMaskDelta;
}
[[nodiscard]] constexpr uint32_t Unmask(uint32_t masked) {
  uint32_t rotated = masked - kMaskDelta;
  return (rotated >> 17) | (rotated << 15);
}

// The table-driven implementation, used where no faster one is; public so that
// tests can compare the two.
[[nodiscard]] uint32_t ExtendPortable(uint32_t crc, const char* data,
                                      size_t size);

}  // namespace paceline::crc32c
