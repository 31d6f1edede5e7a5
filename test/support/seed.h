// Random numbers that can be had again: a random test prints its seed, and
// runs with the one in the environment variable PACELINE_SEED if it is set.

#pragma once

#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>

namespace paceline {

// The seed of this run of the program; the same at every call.
inline uint64_t TestSeed() {
  static const uint64_t seed = [] {
    const char* text = std::getenv("PACELINE_SEED");
    const uint64_t value = text != nullptr
                               ? std::strtoull(text, nullptr, 10)
                               : std::random_device()() % 1'000'000'000;
    std::printf("PACELINE_SEED=%" PRIu64 "\n", value);
    std::fflush(stdout);
    return value;
  }();
  return seed;
}

// Thread-compatible.
class TestRandom {
 public:
  explicit TestRandom(uint64_t seed) : generator_(seed) {}

  uint64_t Next() { return generator_(); }
  // A number in [0, end); `end` must not be 0.
  uint64_t Below(uint64_t end) { return generator_() % end; }
  // True once in `n` times.
  bool OneIn(uint64_t n) { return Below(n) == 0; }
  // `size` bytes of any value.
  std::string Bytes(size_t size) {
    std::string bytes(size, '\0');
    for (char& byte : bytes) byte = static_cast<char>(generator_());
    return bytes;
  }
  // `size` lower-case letters.
  std::string Letters(size_t size) {
    std::string letters(size, 'a');
    for (char& c : letters) c = static_cast<char>('a' + generator_() % 26);
    return letters;
  }

 private:
  std::mt19937_64 generator_;
};

}  // namespace paceline
