#include "src/base/histogram.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

#include "gtest/gtest.h"
#include "test/support/seed.h"

namespace paceline {
namespace {

// Numbers of every magnitude.
std::vector<uint64_t> RandomNumbers(size_t count, std::mt19937_64* random) {
  std::vector<uint64_t> numbers(count);
  for (uint64_t& number : numbers) number = (*random)() >> ((*random)() % 64);
  return numbers;
}

Histogram HistogramOf(const std::vector<uint64_t>& numbers) {
  Histogram histogram;
  for (uint64_t number : numbers) histogram.Add(number);
  return histogram;
}

TEST(HistogramTest, IsZeroWhenEmpty) {
  Histogram histogram;
  EXPECT_EQ(histogram.count(), 0U);
  EXPECT_EQ(histogram.min(), 0U);
  EXPECT_EQ(histogram.max(), 0U);
  EXPECT_EQ(histogram.mean(), 0.0);
  EXPECT_EQ(histogram.Quantile(0.5), 0U);
}

TEST(HistogramTest, ValuesBelow64AreExact) {
  Histogram histogram;
  for (uint64_t value = 0; value < 64; ++value) histogram.Add(value);
  for (uint64_t value = 0; value < 64; ++value) {
    const double share = static_cast<double>(value + 1) / 64;
    EXPECT_EQ(histogram.Quantile(share), value);
  }
}

TEST(HistogramTest, OneValueIsEveryQuantile) {
  std::vector<uint64_t> values = {0, 63, 64, 65, 1000, UINT64_MAX};
  for (int bit = 0; bit < 64; ++bit) values.push_back(uint64_t{1} << bit);
  for (uint64_t value : values) {
    const Histogram histogram = HistogramOf({value});
    EXPECT_EQ(histogram.min(), value);
    EXPECT_EQ(histogram.max(), value);
    for (double share : {0.0, 0.5, 0.999, 1.0}) {
      EXPECT_EQ(histogram.Quantile(share), value);
    }
  }
}

TEST(HistogramTest, QuantilesAreRightToThreePercent) {
  std::mt19937_64 random(TestSeed());
  std::vector<uint64_t> numbers = RandomNumbers(20'000, &random);
  const Histogram histogram = HistogramOf(numbers);
  std::sort(numbers.begin(), numbers.end());
  for (double share : {0.01, 0.1, 0.5, 0.9, 0.99, 0.999, 1.0}) {
    const double rank = std::ceil(share * static_cast<double>(numbers.size()));
    const uint64_t exact = numbers[static_cast<size_t>(rank) - 1];
    const uint64_t found = histogram.Quantile(share);
    // Never below, and at most one bucket above: 1/32 of its lower end.
    EXPECT_GE(found, exact) << share;
    EXPECT_LE(found - exact, exact / 32) << share;
  }
}

TEST(HistogramTest, CountsExtremesAndMeanAreExact) {
  const Histogram histogram = HistogramOf({1000, 10, 1'000'000});
  EXPECT_EQ(histogram.count(), 3U);
  EXPECT_EQ(histogram.min(), 10U);
  EXPECT_EQ(histogram.max(), 1'000'000U);
  EXPECT_DOUBLE_EQ(histogram.mean(), 1'001'010.0 / 3);
  EXPECT_EQ(histogram.Quantile(1.0), 1'000'000U);
}

TEST(HistogramTest, SharesOutOfRangeAreTheExtremes) {
  const Histogram histogram = HistogramOf({1, 2, 3});
  EXPECT_EQ(histogram.Quantile(-1), 1U);
  EXPECT_EQ(histogram.Quantile(2), 3U);
}

TEST(HistogramTest, MergingEqualsAddingAll) {
  std::mt19937_64 random(TestSeed());
  const std::vector<uint64_t> some = RandomNumbers(1000, &random);
  const std::vector<uint64_t> more = RandomNumbers(500, &random);
  std::vector<uint64_t> all = some;
  all.insert(all.end(), more.begin(), more.end());

  Histogram merged = HistogramOf(some);
  merged.Merge(Histogram());
  merged.Merge(HistogramOf(more));
  const Histogram expected = HistogramOf(all);
  EXPECT_EQ(merged.count(), expected.count());
  EXPECT_EQ(merged.min(), expected.min());
  EXPECT_EQ(merged.max(), expected.max());
  for (double share : {0.0, 0.1, 0.5, 0.99, 1.0}) {
    EXPECT_EQ(merged.Quantile(share), expected.Quantile(share));
  }
}

TEST(HistogramTest, ClearingForgetsEverything) {
  Histogram histogram = HistogramOf({5, 500});
  histogram.Clear();
  EXPECT_EQ(histogram.count(), 0U);
  EXPECT_EQ(histogram.min(), 0U);
  histogram.Add(7);
  EXPECT_EQ(histogram.min(), 7U);
  EXPECT_EQ(histogram.max(), 7U);
}

}  // namespace
}  // namespace paceline
