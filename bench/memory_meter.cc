#include "bench/memory_meter.h"

#include <algorithm>
#include <chrono>
#include <fstream>
#include <string>

namespace paceline::bench {

namespace {

constexpr std::chrono::milliseconds kInterval(20);

uint64_t AnonymousBytes() {
  std::ifstream status("/proc/self/status");
  std::string word;
  uint64_t kibibytes = 0;
  while (status >> word) {
    if (word == "RssAnon:" && status >> kibibytes) return kibibytes << 10;
  }
  return 0;
}

}  // namespace

MemoryMeter::MemoryMeter()
    : thread_([this] {
        while (!is_stopping_.load(std::memory_order_relaxed)) {
          Look();
          std::this_thread::sleep_for(kInterval);
        }
      }) {}

MemoryMeter::~MemoryMeter() {
  is_stopping_.store(true, std::memory_order_relaxed);
  thread_.join();
}

uint64_t MemoryMeter::Peak() {
  Look();
  return peak_.load(std::memory_order_relaxed);
}

void MemoryMeter::Look() {
  uint64_t now = AnonymousBytes();
  uint64_t peak = peak_.load(std::memory_order_relaxed);
  while (peak < now &&
         !peak_.compare_exchange_weak(peak, now, std::memory_order_relaxed)) {
  }
}

}  // namespace paceline::bench
