// The encodings that every file format is made of: little-endian fixed-width
// integers, varints, and length-prefixed byte strings.

#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>

#include "paceline/slice.h"

namespace paceline {

static_assert(std::endian::native == std::endian::little,
              "fixed-width integers are stored in the machine's own order");

inline constexpr size_t kMaxVarint32Bytes = 5;
inline constexpr size_t kMaxVarint64Bytes = 10;

template <typename Integer>
inline void EncodeFixed(char* to, Integer value) {
  std::memcpy(to, &value, sizeof(value));
}
template <typename Integer>
[[nodiscard]] inline Integer DecodeFixed(const char* from) {
  Integer value;
  std::memcpy(&value, from, sizeof(value));
  return value;
}
[[nodiscard]] inline uint32_t DecodeFixed32(const char* from) {
  return DecodeFixed<uint32_t>(from);
}
[[nodiscard]] inline uint64_t DecodeFixed64(const char* from) {
  return DecodeFixed<uint64_t>(from);
}

inline void PutFixed32(std::string* to, uint32_t value) {
  to->append(reinterpret_cast<const char*>(&value), sizeof(value));
}
inline void PutFixed64(std::string* to, uint64_t value) {
  to->append(reinterpret_cast<const char*>(&value), sizeof(value));
}

// Writes at most kMaxVarint64Bytes and returns the end.
inline char* EncodeVarint64(char* to, uint64_t value) {
  while (value >= 128) {
    *to++ = static_cast<char>(value | 128);
    value >>= 7;
  }
  *to++ = static_cast<char>(value);
  return to;
}
[[nodiscard]] constexpr size_t VarintLength(uint64_t value) {
  size_t length = 1;
  for (; value >= 128; value >>= 7) ++length;
  return length;
}

void PutVarint64(std::string* to, uint64_t value);
inline void PutVarint32(std::string* to, uint32_t value) {
  PutVarint64(to, value);
}
void PutLengthPrefixed(std::string* to, const Slice& bytes);

// Each takes its value off the front of `*input`. False if the input is too
// short or malformed (a varint that is too long or too large); `*input` and
// `*value` are then unspecified.
[[nodiscard]] bool GetFixed32(Slice* input, uint32_t* value);
[[nodiscard]] bool GetFixed64(Slice* input, uint64_t* value);
[[nodiscard]] bool GetLengthPrefixed(Slice* input, Slice* value);

// Varints of any length; those below are for the usual case, one byte.
[[nodiscard]] bool GetLongVarint32(Slice* input, uint32_t* value);
[[nodiscard]] bool GetLongVarint64(Slice* input, uint64_t* value);

[[nodiscard]] inline bool GetVarint32(Slice* input, uint32_t* value) {
  if (input->empty() || static_cast<unsigned char>((*input)[0]) >= 128) {
    return GetLongVarint32(input, value);
  }
  *value = static_cast<unsigned char>((*input)[0]);
  input->remove_prefix(1);
  return true;
}
[[nodiscard]] inline bool GetVarint64(Slice* input, uint64_t* value) {
  if (input->empty() || static_cast<unsigned char>((*input)[0]) >= 128) {
    return GetLongVarint64(input, value);
  }
  *value = static_cast<unsigned char>((*input)[0]);
  input->remove_prefix(1);
  return true;
}

// Signed integers that are stored as varints: 0, -1, 1, -2, 2 and so on.
[[nodiscard]] constexpr int64_t ZigzagDecode(uint64_t value) {
  return static_cast<int64_t>(value >> 1) ^ -static_cast<int64_t>(value & 1);
}

}  // namespace paceline
