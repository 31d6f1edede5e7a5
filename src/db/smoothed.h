// Smoothed: a figure of late, of what happens from time to time.

#pragma once

#include <algorithm>
#include <cstdint>

namespace paceline {

// The newest value counts as much as all before it.
class Smoothed {
 public:
  void Add(uint64_t newest) {
    value_ = value_ == 0 ? newest : (value_ + newest) / 2;
  }
  // 0: not known.
  [[nodiscard]] uint64_t value() const { return value_; }

 private:
  uint64_t value_ = 0;
};

inline uint64_t PerSecond(uint64_t bytes, uint64_t micros) {
  return bytes * 1'000'000 / std::max<uint64_t>(micros, 1);
}

}  // namespace paceline
