#include "bench/generators.h"

#include <algorithm>

namespace paceline::bench {

namespace {

constexpr size_t kNumberBytesMax = sizeof(uint64_t);

// db_bench's sizes: values repeat after 1 MiB, more than a compressor's window
// and little enough to stay in the cache; every 100 bytes of it compress on
// their own.
constexpr uint64_t kSourceBytesMin = uint64_t{1} << 20;
constexpr uint64_t kPieceBytes = 100;

// Appends kPieceBytes that consist of `random_bytes` printable ones, repeated.
void AppendPiece(uint64_t random_bytes, Random* random, std::string* bytes) {
  size_t start = bytes->size();
  for (uint64_t i = 0; i < kPieceBytes; ++i) {
    if (i < random_bytes) {
      bytes->push_back(static_cast<char>(' ' + random->Uniform(95)));
    } else {
      bytes->push_back((*bytes)[start + i - random_bytes]);
    }
  }
}

}  // namespace

void EncodeKey(uint64_t number, std::string* key) {
  size_t number_bytes = std::min(key->size(), kNumberBytesMax);
  for (size_t i = 0; i < number_bytes; ++i) {
    size_t shift = 8 * (number_bytes - 1 - i);
    (*key)[i] = static_cast<char>(number >> shift);
  }
  std::fill(key->begin() + static_cast<ptrdiff_t>(number_bytes), key->end(),
            '0');
}

uint64_t KeysOfSize(int key_size) {
  if (key_size >= static_cast<int>(kNumberBytesMax)) return UINT64_MAX;
  return uint64_t{1} << (8 * key_size);
}

ValueBytes::ValueBytes(uint64_t value_size, double compression_ratio,
                       uint64_t seed)
    : value_size_(value_size) {
  uint64_t bytes_min = std::max(kSourceBytesMin, value_size);
  auto random_bytes = static_cast<uint64_t>(compression_ratio *
                                            static_cast<double>(kPieceBytes));
  random_bytes = std::clamp<uint64_t>(random_bytes, 1, kPieceBytes);
  Random random(seed);
  bytes_.reserve(bytes_min + kPieceBytes);
  while (bytes_.size() < bytes_min) {
    AppendPiece(random_bytes, &random, &bytes_);
  }
}

}  // namespace paceline::bench
