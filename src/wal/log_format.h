// The layout of log files: WALs and MANIFESTs.
//
// A log is a series of 32 KiB blocks; the last may be shorter. A block holds
// physical records, which never cross its end:
//
//   u32 masked CRC-32C of type and payload
//   u16 payload length
//   u8  type
//   [u32 low half of the log's number]   recyclable types only
//   payload
//
// A logical record is one kFull record, or kFirst, any number of kMiddle and
// kLast. What is left of a block and too short for a header is zeros.

#pragma once

#include <cstddef>
#include <cstdint>

namespace paceline::log {

inline constexpr size_t kBlockBytes = 32768;
inline constexpr size_t kHeaderBytes = 7;
inline constexpr size_t kRecyclableHeaderBytes = 11;

enum RecordType : uint8_t {
  kZero = 0,  // Space that was allocated and not written.
  kFull = 1,
  kFirst = 2,
  kMiddle = 3,
  kLast = 4,
  kRecyclableFull = 5,
  kRecyclableFirst = 6,
  kRecyclableMiddle = 7,
  kRecyclableLast = 8,
  kCompressionType = 9,
  kTimestampSizes = 10,
  kRecyclableTimestampSizes = 11,
  kPredecessor = 130,
  kRecyclablePredecessor = 131,
};

// Types from here on may be skipped by readers that do not know them.
inline constexpr uint8_t kFirstIgnorableType = 128;

}  // namespace paceline::log
