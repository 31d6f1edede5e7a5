// MemoryMeter: how much memory of its own the process takes at most.

#pragma once

#include <atomic>
#include <cstdint>
#include <thread>

namespace paceline::bench {

// Looks every few milliseconds while it lives. Counts anonymous memory: what
// the system keeps of files, mapped ones too, is not the process's own.
class MemoryMeter {
 public:
  MemoryMeter();
  ~MemoryMeter();
  MemoryMeter(const MemoryMeter&) = delete;
  MemoryMeter& operator=(const MemoryMeter&) = delete;

  // Bytes; 0 where the system does not tell.
  [[nodiscard]] uint64_t Peak();

 private:
  void Look();

  std::atomic<bool> is_stopping_ = false;
  std::atomic<uint64_t> peak_ = 0;
  std::thread thread_;
};

}  // namespace paceline::bench
