// Mutexes, waits, threads and the atomics that decide who goes first: the seam
// behind which a seeded scheduler stands in for the operating system's.
// Everything here is the standard library's own, at no cost, unless
// PACELINE_SIM is defined: then it is what sim_sync.h has.

#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>

#include "src/base/thread_annotations.h"

#ifdef PACELINE_SIM
#include "src/base/sim_sync.h"
#endif

namespace paceline {

#ifndef PACELINE_SIM

template <typename T>
using Atomic = std::atomic<T>;

using Thread = std::thread;

class CAPABILITY("mutex") Mutex {
 public:
  Mutex() = default;
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;

  void Lock() ACQUIRE() { mutex_.lock(); }
  // False at once if another thread has it.
  [[nodiscard]] bool TryLock() TRY_ACQUIRE(true) { return mutex_.try_lock(); }
  void Unlock() RELEASE() { mutex_.unlock(); }

 private:
  friend class CondVar;
  std::mutex mutex_;
};

class CondVar {
 public:
  // Releases `mutex`, waits, and takes it again. May return without a
  // notification: wait in a loop.
  void Wait(Mutex* mutex) REQUIRES(mutex) {
    std::unique_lock<std::mutex> lock(mutex->mutex_, std::adopt_lock);
    condition_.wait(lock);
    lock.release();
  }
  // The same for at most `nanos`.
  void WaitFor(Mutex* mutex, uint64_t nanos) REQUIRES(mutex) {
    std::unique_lock<std::mutex> lock(mutex->mutex_, std::adopt_lock);
    condition_.wait_for(lock, std::chrono::nanoseconds(nanos));
    lock.release();
  }
  void NotifyOne() { condition_.notify_one(); }
  void NotifyAll() { condition_.notify_all(); }

 private:
  std::condition_variable condition_;
};

// Tells the processor that this thread spins.
inline void SpinPause() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield" ::: "memory");
#endif
}

// Lets those run who wait for the processor of this thread. For long work in
// the background: they would get it at the scheduler's next tick only, some
// milliseconds later.
inline void YieldProcessor() { std::this_thread::yield(); }

#endif  // PACELINE_SIM

// Holds a Mutex for as long as it lives.
class SCOPED_CAPABILITY MutexLock {
 public:
  explicit MutexLock(Mutex* mutex) ACQUIRE(mutex) : mutex_(mutex) {
    mutex_->Lock();
  }
  ~MutexLock() RELEASE() { mutex_->Unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex* const mutex_;
};

// Sleeps until another thread wakes `word`, unless `*word != expected` already
// (checked atomically with going to sleep). May return without cause: wait in
// a loop.
void FutexWait(const Atomic<uint32_t>* word, uint32_t expected);

// The same for at most `nanos`.
void FutexWaitFor(const Atomic<uint32_t>* word, uint32_t expected,
                  uint64_t nanos);

// Wakes one thread that sleeps on `word`. Only the address is used: the memory
// may be gone by now, in which case another sleeper at that address may wake
// without cause.
void FutexWakeOne(const Atomic<uint32_t>* word);

// Keeps the compiler from moving stores across it. Not a fence: other threads
// may see any order. For memory that is read after this process died.
inline void CompilerBarrier() { asm volatile("" ::: "memory"); }

// How many threads can run at once on this machine; at least 1.
int ProcessorCount();

// A small number that is this thread's own while it lives, for picking one of
// several shards: the smallest that no thread has when it is first asked for,
// so that as many threads as there are shards do not meet. Threads get the
// numbers of those that have ended. A thread that is ending may share its own.
uint32_t ThreadOrdinal();

}  // namespace paceline
