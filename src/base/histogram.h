// Histogram: a distribution of durations in bounded memory.

#pragma once

#include <array>
#include <cstdint>

namespace paceline {

// Counts values in buckets of at most 3 % relative width, so that quantiles
// are right to 3 % whatever the range. Exact minimum, maximum and mean.
// Thread-compatible; give each thread its own and Merge() them.
class Histogram {
 public:
  void Add(uint64_t value);
  void Merge(const Histogram& other);
  void Clear();

  [[nodiscard]] uint64_t count() const { return count_; }
  [[nodiscard]] uint64_t min() const { return count_ == 0 ? 0 : min_; }
  [[nodiscard]] uint64_t max() const { return max_; }
  [[nodiscard]] double mean() const;
  // The value that a share `q` (0 to 1) of all values does not exceed: the
  // upper end of its bucket, at most max(). 0 if there are no values.
  [[nodiscard]] uint64_t Quantile(double q) const;

 private:
  // Values below 64 have a bucket each; above, every power of two is divided
  // into 32 buckets.
  static constexpr int kSubBucketBits = 5;
  static constexpr int kBuckets = 64 + (64 - 6) * 32;

  static int BucketOf(uint64_t value);
  static uint64_t UpperEnd(int bucket);

  std::array<uint64_t, kBuckets> buckets_{};
  uint64_t count_ = 0;
  uint64_t min_ = UINT64_MAX;
  uint64_t max_ = 0;
  double sum_ = 0;
};

}  // namespace paceline
