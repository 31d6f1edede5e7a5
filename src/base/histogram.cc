#include "src/base/histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace paceline {

int Histogram::BucketOf(uint64_t value) {
  if (value < 64) return static_cast<int>(value);
  // A value of 2^n has n - 6 whole powers of two between 64 and it.
  int power = std::bit_width(value) - 1;
  auto sub = static_cast<int>((value >> (power - kSubBucketBits)) & 31);
  return 64 + (power - 6) * 32 + sub;
}

uint64_t Histogram::UpperEnd(int bucket) {
  if (bucket < 64) return static_cast<uint64_t>(bucket);
  int power = 6 + (bucket - 64) / 32;
  auto sub = static_cast<uint64_t>((bucket - 64) % 32);
  uint64_t width = uint64_t{1} << (power - kSubBucketBits);
  return (uint64_t{1} << power) + sub * width + (width - 1);
}

void Histogram::Add(uint64_t value) {
  ++buckets_[static_cast<size_t>(BucketOf(value))];
  ++count_;
  min_ = std::min(min_, value);
  max_ = std::max(max_, value);
  sum_ += static_cast<double>(value);
}

void Histogram::Merge(const Histogram& other) {
  for (size_t i = 0; i < buckets_.size(); ++i) buckets_[i] += other.buckets_[i];
  count_ += other.count_;
  min_ = std::min(min_, other.min_);
  max_ = std::max(max_, other.max_);
  sum_ += other.sum_;
}

void Histogram::Clear() { *this = Histogram(); }

double Histogram::mean() const {
  return count_ == 0 ? 0 : sum_ / static_cast<double>(count_);
}

uint64_t Histogram::Quantile(double q) const {
  if (count_ == 0) return 0;
  auto rank = static_cast<uint64_t>(
      std::ceil(std::clamp(q, 0.0, 1.0) * static_cast<double>(count_)));
  rank = std::max<uint64_t>(rank, 1);
  uint64_t seen = 0;
  for (int i = 0; i < kBuckets; ++i) {
    seen += buckets_[static_cast<size_t>(i)];
    if (seen >= rank) return std::min(UpperEnd(i), max_);
  }
  return max_;
}

}  // namespace paceline
