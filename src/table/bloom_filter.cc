#include "src/table/bloom_filter.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <new>

#include "paceline/filter_policy.h"

#include "src/base/check.h"
#include "src/base/coding.h"
#include "src/base/sync.h"

namespace paceline {

namespace {

constexpr size_t kLineBytes = 64;
constexpr size_t kLineBits = kLineBytes * 8;
constexpr size_t kTrailerBytes = 5;
constexpr auto kBloomMarker = static_cast<char>(0xff);
constexpr int kMaxReadProbes = 30;

// The primes of the hash.
constexpr uint64_t kPrime32A = 2654435761;
constexpr uint64_t kPrime32B = 2246822519;
constexpr uint64_t kPrime32C = 3266489917;
constexpr uint64_t kPrime64A = 11400714785074694791U;
constexpr uint64_t kPrime64B = 14029467366897019727U;
constexpr uint64_t kPrime64C = 1609587929392839161;
constexpr uint64_t kPrime64D = 9650029242287828579U;
constexpr uint64_t kPrime64E = 2870177450012600261;

// From one probe of a line to the next.
constexpr uint32_t kProbeFactor = 0x9e3779b9;

constexpr unsigned char kSecret[192] = {
    0xb8, 0xfe, 0x6c, 0x39, 0x23, 0xa4, 0x4b, 0xbe, 0x7c, 0x01, 0x81, 0x2c,
    0xf7, 0x21, 0xad, 0x1c, 0xde, 0xd4, 0x6d, 0xe9, 0x83, 0x90, 0x97, 0xdb,
    0x72, 0x40, 0xa4, 0xa4, 0xb7, 0xb3, 0x67, 0x1f, 0xcb, 0x79, 0xe6, 0x4e,
    0xcc, 0xc0, 0xe5, 0x78, 0x82, 0x5a, 0xd0, 0x7d, 0xcc, 0xff, 0x72, 0x21,
    0xb8, 0x08, 0x46, 0x74, 0xf7, 0x43, 0x24, 0x8e, 0xe0, 0x35, 0x90, 0xe6,
    0x81, 0x3a, 0x26, 0x4c, 0x3c, 0x28, 0x52, 0xbb, 0x91, 0xc3, 0x00, 0xcb,
    0x88, 0xd0, 0x65, 0x8b, 0x1b, 0x53, 0x2e, 0xa3, 0x71, 0x64, 0x48, 0x97,
    0xa2, 0x0d, 0xf9, 0x4e, 0x38, 0x19, 0xef, 0x46, 0xa9, 0xde, 0xac, 0xd8,
    0xa8, 0xfa, 0x76, 0x3f, 0xe3, 0x9c, 0x34, 0x3f, 0xf9, 0xdc, 0xbb, 0xc7,
    0xc7, 0x0b, 0x4f, 0x1d, 0x8a, 0x51, 0xe0, 0x4b, 0xcd, 0xb4, 0x59, 0x31,
    0xc8, 0x9f, 0x7e, 0xc9, 0xd9, 0x78, 0x73, 0x64, 0xea, 0xc5, 0xac, 0x83,
    0x34, 0xd3, 0xeb, 0xc3, 0xc5, 0x81, 0xa0, 0xff, 0xfa, 0x13, 0x63, 0xeb,
    0x17, 0x0d, 0xdd, 0x51, 0xb7, 0xf0, 0xda, 0x49, 0xd3, 0x16, 0x55, 0x26,
    0x29, 0xd4, 0x68, 0x9e, 0x2b, 0x16, 0xbe, 0x58, 0x7d, 0x47, 0xa1, 0xfc,
    0x8f, 0xf8, 0xb8, 0xd1, 0x7a, 0xd0, 0x31, 0xce, 0x45, 0xcb, 0x3a, 0x8f,
    0x95, 0x16, 0x04, 0x28, 0xaf, 0xd7, 0xfb, 0xca, 0xbb, 0x4b, 0x40, 0x7e,
};

uint64_t Secret64(size_t at) {
  return DecodeFixed64(reinterpret_cast<const char*>(kSecret) + at);
}
uint32_t Secret32(size_t at) {
  return DecodeFixed32(reinterpret_cast<const char*>(kSecret) + at);
}

// The halves of the 128-bit product, mixed.
uint64_t Fold(uint64_t a, uint64_t b) {
  const auto product = static_cast<unsigned __int128>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

uint64_t Finalize(uint64_t hash) {
  hash ^= hash >> 37;
  hash *= kPrime64C;
  return hash ^ (hash >> 32);
}

uint64_t Mix(const char* data, size_t secret) {
  return Fold(DecodeFixed64(data) ^ Secret64(secret),
              DecodeFixed64(data + 8) ^ Secret64(secret + 8));
}

uint64_t Hash1To3(const char* key, size_t size) {
  const auto first = static_cast<unsigned char>(key[0]);
  const auto middle = static_cast<unsigned char>(key[size / 2]);
  const auto last = static_cast<unsigned char>(key[size - 1]);
  const uint32_t combined = first + (uint32_t{middle} << 8) +
                            (uint32_t{last} << 16) +
                            (static_cast<uint32_t>(size) << 24);
  return Finalize((combined ^ Secret32(0)) * kPrime64A);
}

uint64_t Hash4To8(const char* key, size_t size) {
  const uint64_t low = DecodeFixed32(key);
  const uint64_t high = DecodeFixed32(key + size - 4);
  const uint64_t keyed = (low + (high << 32)) ^ Secret64(0);
  const uint64_t mixed = size + (keyed ^ (keyed >> 51)) * kPrime32A;
  return Finalize((mixed ^ (mixed >> 47)) * kPrime64B);
}

uint64_t Hash9To16(const char* key, size_t size) {
  const uint64_t low = DecodeFixed64(key) ^ Secret64(0);
  const uint64_t high = DecodeFixed64(key + size - 8) ^ Secret64(8);
  return Finalize(size + low + high + Fold(low, high));
}

// From both ends towards the middle.
uint64_t Hash17To128(const char* key, size_t size) {
  uint64_t sum = size * kPrime64A;
  for (size_t round = 0; round <= (size - 1) / 32; ++round) {
    sum += Mix(key + 16 * round, 32 * round);
    sum += Mix(key + size - 16 * (round + 1), 32 * round + 16);
  }
  return Finalize(sum);
}

uint64_t Hash129To240(const char* key, size_t size) {
  constexpr size_t kFirstPart = 8;
  uint64_t sum = size * kPrime64A;
  for (size_t i = 0; i < kFirstPart; ++i) sum += Mix(key + 16 * i, 16 * i);
  sum = Finalize(sum);
  for (size_t i = kFirstPart; i < size / 16; ++i) {
    sum += Mix(key + 16 * i, 16 * (i - kFirstPart) + 3);
  }
  sum += Mix(key + size - 16, 119);
  return Finalize(sum);
}

// Eight sums that take 64 bytes of the key at a time.
class LongHash {
 public:
  void AddStripe(const char* data, size_t secret) {
    for (size_t i = 0; i < sums_.size(); ++i) {
      const uint64_t word = DecodeFixed64(data + 8 * i);
      const uint64_t keyed = word ^ Secret64(secret + 8 * i);
      sums_[i] += word + (keyed & 0xffffffff) * (keyed >> 32);
    }
  }
  void Scramble() {
    for (size_t i = 0; i < sums_.size(); ++i) {
      const uint64_t sum = sums_[i] ^ (sums_[i] >> 47);
      sums_[i] = (sum ^ Secret64(128 + 8 * i)) * kPrime32A;
    }
  }
  [[nodiscard]] uint64_t Merge(uint64_t start) const {
    for (size_t i = 0; i < sums_.size() / 2; ++i) {
      start += Fold(sums_[2 * i] ^ Secret64(11 + 16 * i),
                    sums_[2 * i + 1] ^ Secret64(19 + 16 * i));
    }
    return Finalize(start);
  }

 private:
  std::array<uint64_t, 8> sums_ = {kPrime32C, kPrime64A, kPrime64B, kPrime64C,
                                   kPrime64D, kPrime32B, kPrime64E, kPrime32A};
};

uint64_t HashOver240(const char* key, size_t size) {
  constexpr size_t kStripe = 64;
  constexpr size_t kBlock = 1024;
  LongHash hash;
  const char* position = key;
  const char* const end = key + size;
  for (; end - position >= static_cast<ptrdiff_t>(kBlock); position += kBlock) {
    for (size_t i = 0; i < kBlock / kStripe; ++i) {
      hash.AddStripe(position + kStripe * i, 8 * i);
    }
    hash.Scramble();
  }
  for (size_t i = 0; end - position >= static_cast<ptrdiff_t>(kStripe);
       ++i, position += kStripe) {
    hash.AddStripe(position, 8 * i);
  }
  if (size % kStripe != 0) hash.AddStripe(end - kStripe, 121);
  return hash.Merge(size * kPrime64A);
}

uint32_t LineOf(uint64_t hash, uint32_t line_count) {
  return static_cast<uint32_t>(
      (static_cast<uint64_t>(static_cast<uint32_t>(hash)) * line_count) >> 32);
}

class BloomFilterPolicy final : public FilterPolicy {
 public:
  explicit BloomFilterPolicy(double bits_per_key)
      : bits_per_key_(bits_per_key) {}
  const char* Name() const override { return "bloomfilter"; }
  double bits_per_key() const override { return bits_per_key_; }

 private:
  const double bits_per_key_;
};

constexpr double kMinBitsPerKey = 1;
constexpr double kMaxBitsPerKey = 100;

double ClampBitsPerKey(double bits_per_key) {
  // What is not a number is not between them, either.
  return bits_per_key >= kMinBitsPerKey ? std::min(bits_per_key, kMaxBitsPerKey)
                                        : kMinBitsPerKey;
}

}  // namespace

uint64_t FilterHash(const Slice& key) {
  const char* const data = key.data();
  const size_t size = key.size();
  if (size <= 8) {
    if (size == 0) return Fold(Secret64(0), kPrime64B);
    return size <= 3 ? Hash1To3(data, size) : Hash4To8(data, size);
  }
  if (size <= 16) return Hash9To16(data, size);
  if (size <= 128) return Hash17To128(data, size);
  return size <= 240 ? Hash129To240(data, size) : HashOver240(data, size);
}

int BloomProbes(double bits_per_key) {
  struct Step {
    double bits_max;
    int probes;
  };
  constexpr Step kSteps[] = {{2.08, 1},  {3.58, 2},    {5.1, 3},
                             {6.64, 4},  {8.3, 5},     {10.07, 6},
                             {11.72, 7}, {14.001, 8},  {16.05, 9},
                             {18.3, 10}, {22.001, 11}, {25.501, 12}};
  for (const Step& step : kSteps) {
    if (bits_per_key <= step.bits_max) return step.probes;
  }
  constexpr double kManyBits = 50;
  constexpr int kManyProbes = 24;
  if (bits_per_key > kManyBits) return kManyProbes;
  const auto millibits = static_cast<int>(std::lround(bits_per_key * 1000));
  return (millibits - 1) / 2000 - 1;
}

BloomFilterBuilder::BloomFilterBuilder(double bits_per_key)
    : bits_per_key_(ClampBitsPerKey(bits_per_key)) {}

void BloomFilterBuilder::AddKey(const Slice& user_key) {
  const uint64_t hash = FilterHash(user_key);
  if (keys_ > 0 && hashes_.back().back() == hash) return;
  if (keys_ % kHashesOfPiece == 0) {
    hashes_.emplace_back().reserve(kHashesOfPiece);
  }
  hashes_.back().push_back(hash);
  ++keys_;
}

BlockBuffer BloomFilterBuilder::Finish() const {
  const double bits = static_cast<double>(keys_) * bits_per_key_;
  const double lines = std::clamp(
      std::ceil(bits / static_cast<double>(kLineBits)), 1.0,
      static_cast<double>(std::numeric_limits<uint32_t>::max() / kLineBytes));
  const auto line_count = static_cast<uint32_t>(lines);
  const int probes = BloomProbes(bits_per_key_);
  BlockBuffer filter;
  if (!filter.Allocate(line_count * kLineBytes + kTrailerBytes)) {
    throw std::bad_alloc();
  }
  std::memset(filter.data(), 0, filter.size());
  for (const PagedVector<uint64_t>& piece : hashes_) {
    for (const uint64_t hash : piece) {
      char* const line = filter.data() + LineOf(hash, line_count) * kLineBytes;
      auto g = static_cast<uint32_t>(hash >> 32);
      for (int i = 0; i < probes; ++i, g *= kProbeFactor) {
        const uint32_t bit = g >> 23;
        line[bit / 8] = static_cast<char>(line[bit / 8] | (1 << (bit % 8)));
      }
    }
    YieldProcessor();
  }
  char* const trailer = filter.data() + line_count * kLineBytes;
  trailer[0] = kBloomMarker;
  trailer[2] = static_cast<char>(probes);
  return filter;
}

BloomFilterReader::BloomFilterReader(const Slice& contents) {
  if (contents.size() <= kTrailerBytes) {
    kind_ = Kind::kNothing;
    return;
  }
  const size_t lines_bytes = contents.size() - kTrailerBytes;
  const char* const trailer = contents.data() + lines_bytes;
  const int probes = static_cast<unsigned char>(trailer[2]) & 31;
  // Everything else is a filter of another kind.
  if (trailer[0] != kBloomMarker || trailer[1] != 0 ||
      static_cast<unsigned char>(trailer[2]) > kMaxReadProbes || probes == 0 ||
      trailer[3] != 0 || trailer[4] != 0 || lines_bytes % kLineBytes != 0 ||
      lines_bytes / kLineBytes > std::numeric_limits<uint32_t>::max()) {
    return;
  }
  kind_ = Kind::kBloom;
  lines_ = contents.data();
  line_count_ = static_cast<uint32_t>(lines_bytes / kLineBytes);
  probes_ = probes;
}

bool BloomFilterReader::MayContainHash(uint64_t hash) const {
  if (kind_ != Kind::kBloom) return kind_ == Kind::kEverything;
  const char* const line =
      lines_ + size_t{LineOf(hash, line_count_)} * kLineBytes;
  auto g = static_cast<uint32_t>(hash >> 32);
  for (int i = 0; i < probes_; ++i, g *= kProbeFactor) {
    const uint32_t bit = g >> 23;
    if ((line[bit / 8] & (1 << (bit % 8))) == 0) return false;
  }
  return true;
}

const FilterPolicy* NewBloomFilterPolicy(double bits_per_key) {
  return new BloomFilterPolicy(ClampBitsPerKey(bits_per_key));
}

}  // namespace paceline
