#include "src/base/coding.h"

#include <bit>
#include <limits>

namespace paceline {

namespace {

// Puts the low seven bits of each byte next to each other.
uint64_t PackGroups(uint64_t bytes) {
  bytes = (bytes & 0x007f007f007f007f) | (bytes & 0x7f007f007f007f00) >> 1;
  bytes = (bytes & 0x00003fff00003fff) | (bytes & 0x3fff00003fff0000) >> 2;
  return (bytes & 0x000000000fffffff) | (bytes & 0x0fffffff00000000) >> 4;
}

}  // namespace

void PutVarint64(std::string* to, uint64_t value) {
  char buffer[kMaxVarint64Bytes];
  char* end = EncodeVarint64(buffer, value);
  to->append(buffer, static_cast<size_t>(end - buffer));
}

void PutLengthPrefixed(std::string* to, const Slice& bytes) {
  PutVarint64(to, bytes.size());
  to->append(bytes.data(), bytes.size());
}

bool GetFixed32(Slice* input, uint32_t* value) {
  if (input->size() < sizeof(*value)) return false;
  *value = DecodeFixed32(input->data());
  input->remove_prefix(sizeof(*value));
  return true;
}

bool GetFixed64(Slice* input, uint64_t* value) {
  if (input->size() < sizeof(*value)) return false;
  *value = DecodeFixed64(input->data());
  input->remove_prefix(sizeof(*value));
  return true;
}

bool GetLongVarint64(Slice* input, uint64_t* value) {
  // Nearly always there are eight bytes, and the varint is among them.
  if (input->size() >= sizeof(uint64_t)) {
    const uint64_t bytes = DecodeFixed64(input->data());
    const uint64_t ends = ~bytes & 0x8080808080808080;
    if (ends != 0) {
      *value = PackGroups(bytes & (ends ^ (ends - 1)));
      input->remove_prefix(static_cast<size_t>(std::countr_zero(ends)) / 8 + 1);
      return true;
    }
  }
  uint64_t result = 0;
  for (size_t i = 0; i < input->size() && i < kMaxVarint64Bytes; ++i) {
    auto byte = static_cast<unsigned char>((*input)[i]);
    auto group = static_cast<uint64_t>(byte & 127);
    // The tenth group has room for one bit only.
    if (i == kMaxVarint64Bytes - 1 && byte > 1) return false;
    result |= group << (7 * i);
    if (byte < 128) {
      *value = result;
      input->remove_prefix(i + 1);
      return true;
    }
  }
  return false;
}

bool GetLongVarint32(Slice* input, uint32_t* value) {
  const size_t size_before = input->size();
  uint64_t wide = 0;
  if (!GetLongVarint64(input, &wide) ||
      wide > std::numeric_limits<uint32_t>::max()) {
    return false;
  }
  // RocksDB looks at no more bytes, though those behind may be zeros.
  if (size_before - input->size() > kMaxVarint32Bytes) return false;
  *value = static_cast<uint32_t>(wide);
  return true;
}

bool GetLengthPrefixed(Slice* input, Slice* value) {
  uint32_t length = 0;
  if (!GetVarint32(input, &length) || length > input->size()) return false;
  *value = Slice(input->data(), length);
  input->remove_prefix(length);
  return true;
}

}  // namespace paceline
