// Makes the checksums of a changed log the right ones, without which a changed
// record is only damage.

#pragma once

#include <algorithm>
#include <cstdint>
#include <string>

#include "src/base/coding.h"
#include "src/base/crc32c.h"
#include "src/wal/log_format.h"

namespace paceline {

inline void FixLogChecksums(std::string* log) {
  constexpr size_t kTypeOffset = 6;
  for (size_t block = 0; block < log->size(); block += log::kBlockBytes) {
    const size_t end = std::min(block + log::kBlockBytes, log->size());
    size_t at = block;
    while (at + log::kHeaderBytes <= end) {
      char* header = log->data() + at;
      const size_t length = DecodeFixed<uint16_t>(header + sizeof(uint32_t));
      const auto type = static_cast<uint8_t>(header[kTypeOffset]);
      const bool is_recyclable =
          (type >= log::kRecyclableFull && type <= log::kRecyclableLast) ||
          type == log::kRecyclableTimestampSizes ||
          type == log::kRecyclablePredecessor;
      const size_t header_bytes =
          is_recyclable ? log::kRecyclableHeaderBytes : log::kHeaderBytes;
      if (type == log::kZero || at + header_bytes + length > end) break;
      const Slice covered(header + kTypeOffset,
                          header_bytes - kTypeOffset + length);
      EncodeFixed(header,
                  crc32c::Mask(crc32c::Value(covered.data(), covered.size())));
      at += header_bytes + length;
    }
  }
}

}  // namespace paceline
