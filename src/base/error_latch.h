// ErrorLatch: the first failure after which nothing may be written any more.

#pragma once

#include <string>

#include "paceline/status.h"

#include "src/base/sync.h"

namespace paceline {

// Set by whoever meets a failure that only Resume() or a reopen can mend;
// asked by everybody who wants to write. Thread-safe.
class ErrorLatch {
 public:
  // One relaxed load while nothing failed.
  [[nodiscard]] bool is_set() const {
    return is_set_.load(std::memory_order_acquire);
  }

  // OK, or the first failure.
  [[nodiscard]] Status Get() const EXCLUDES(mutex_) {
    if (!is_set()) return Status::OK();
    MutexLock lock(&mutex_);
    return first_;
  }

  // Remembers `failure` if it is the first. Returns `failure`. Without memory
  // for it the process ends: it must not go on as if nothing had failed.
  Status Set(const Status& failure) noexcept EXCLUDES(mutex_) {
    MutexLock lock(&mutex_);
    if (first_.ok()) first_ = failure;
    is_set_.store(true, std::memory_order_release);
    return failure;
  }

  void Clear() EXCLUDES(mutex_) {
    MutexLock lock(&mutex_);
    first_ = Status::OK();
    is_set_.store(false, std::memory_order_release);
  }

 private:
  mutable Mutex mutex_;
  Status first_ GUARDED_BY(mutex_);
  // Release in Set(), acquire in is_set(): who sees true finds first_ set.
  Atomic<bool> is_set_ = false;
};

}  // namespace paceline
