#include "src/base/sync.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <functional>
#include <queue>
#include <vector>

namespace paceline {

namespace {

// Hands out the smallest numbers that no thread has. Thread-safe.
class Ordinals {
 public:
  uint32_t Take() EXCLUDES(mutex_) {
    MutexLock lock(&mutex_);
    if (returned_.empty()) return next_++;
    const uint32_t smallest = returned_.top();
    returned_.pop();
    return smallest;
  }
  void GiveBack(uint32_t ordinal) EXCLUDES(mutex_) {
    MutexLock lock(&mutex_);
    returned_.push(ordinal);
  }

 private:
  Mutex mutex_;
  uint32_t next_ GUARDED_BY(mutex_) = 0;
  std::priority_queue<uint32_t, std::vector<uint32_t>, std::greater<>> returned_
      GUARDED_BY(mutex_);
};

// Never destroyed: threads may end after static variables do.
Ordinals* AllOrdinals() {
  static auto* const ordinals = new Ordinals;
  return ordinals;
}

// A thread's own number, from its first use until the thread ends.
class OrdinalHolder {
 public:
  OrdinalHolder() : ordinal_(AllOrdinals()->Take()) {}
  ~OrdinalHolder() { AllOrdinals()->GiveBack(ordinal_); }
  OrdinalHolder(const OrdinalHolder&) = delete;
  OrdinalHolder& operator=(const OrdinalHolder&) = delete;

  [[nodiscard]] uint32_t ordinal() const { return ordinal_; }

 private:
  const uint32_t ordinal_;
};

}  // namespace

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
  // 0: not taken yet. Of a type without a destructor, so that it can be asked
  // for by other destructors of the thread as well.
  constinit thread_local uint32_t ordinal_plus_one = 0;
  if (ordinal_plus_one == 0) [[unlikely]] {
    thread_local const OrdinalHolder holder;
    ordinal_plus_one = holder.ordinal() + 1;
  }
  return ordinal_plus_one - 1;
}

}  // namespace paceline
