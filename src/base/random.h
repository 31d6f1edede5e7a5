// Random: a small, fast, seeded generator for data structures and tests; not
// for secrets.

#pragma once

#include <cstdint>

namespace paceline {

// SplitMix64: every seed gives a good sequence. Thread-compatible.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}

  uint64_t Next() {
    state_ += 0x9e3779b97f4a7c15;
    uint64_t x = state_;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
    x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
    return x ^ (x >> 31);
  }
  // A number below `limit`, which must not be 0.
  uint64_t Uniform(uint64_t limit) { return Next() % limit; }

 private:
  uint64_t state_;
};

}  // namespace paceline
