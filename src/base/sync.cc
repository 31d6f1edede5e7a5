#include "src/base/sync.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>

namespace paceline {

void FutexWait(const Atomic<uint32_t>* word, uint32_t expected) {
  // EAGAIN (the value differs) and EINTR are the causeless returns that the
  // contract allows.
  syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected, nullptr, nullptr, 0);
}

void FutexWaitFor(const Atomic<uint32_t>* word, uint32_t expected,
                  uint64_t nanos) {
  timespec timeout{static_cast<time_t>(nanos / 1'000'000'000),
                   static_cast<long>(nanos % 1'000'000'000)};
  syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected, &timeout, nullptr, 0);
}

void FutexWakeOne(const Atomic<uint32_t>* word) {
  syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
}

int ProcessorCount() {
  static const int count =
      std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  return count;
}

uint32_t ThreadOrdinal() {
  static std::atomic<uint32_t> next{0};
  thread_local const uint32_t ordinal =
      next.fetch_add(1, std::memory_order_relaxed);
  return ordinal;
}

}  // namespace paceline
