// What src/base/sync.h is in a simulation: the same names, but every access
// asks a simulator first, which decides whose turn it is. All "threads" are
// fibers on one OS thread.
//
// Only the types are here, because product code must see them. Who decides is
// declared here and implemented in test/support/sim/, where src/ must not look:
// no program that is shipped can contain it.

#pragma once

#include <atomic>
#include <cstdint>
#include <cstring>
#include <functional>
#include <type_traits>
#include <utility>

#include "src/base/thread_annotations.h"

namespace paceline {
namespace sim {

// What the simulator knows an atomic variable or a mutex by. A variable that
// is used after its end is found: its mark is gone.
class Cell {
 public:
  explicit Cell(uint64_t bits);
  ~Cell();
  Cell(const Cell&) = delete;
  Cell& operator=(const Cell&) = delete;

  // True once for each run if the variable is older than the run: it starts
  // again with its first value, so that runs are alike.
  bool MustReset() const;

  // Each lets other fibers run first. True: the load returns `*bits`, a store
  // that is not the newest.
  bool BeforeLoad(std::memory_order order, uint64_t* bits) const;
  void BeforeStore(std::memory_order order, uint64_t bits);
  // An operation that reads and writes. Before it, and after it has written.
  void BeforeUpdate();
  void AfterUpdate(std::memory_order order, uint64_t bits);
  // A comparison that failed: a load of the newest value.
  void AfterFailedUpdate(std::memory_order order) const;
  // Whether a weak exchange fails without a reason.
  bool FailsWithoutReason() const;

  // The number it has in this run.
  [[nodiscard]] uint32_t index() const;

 private:
  // Volatile: the compiler must not leave out what the destructor writes.
  volatile uint32_t mark_;
  mutable uint32_t run_ = 0;
  mutable uint32_t index_ = 0;
  uint64_t first_bits_;
};

int StartFiber(std::function<void()> body);
void JoinFiber(int fiber);

}  // namespace sim

template <typename T>
class Atomic {
  static_assert(std::is_trivially_copyable_v<T> && sizeof(T) <= 8);

 public:
  Atomic() : Atomic(T()) {}
  // Implicit, as std::atomic's.
  Atomic(T value) : value_(value), first_(value), cell_(Bits(value)) {}
  Atomic(const Atomic&) = delete;
  Atomic& operator=(const Atomic&) = delete;

  T load(std::memory_order order = std::memory_order_seq_cst) const {
    Begin();
    uint64_t bits;
    if (cell_.BeforeLoad(order, &bits)) return FromBits(bits);
    return value_.load(order);
  }
  void store(T value, std::memory_order order = std::memory_order_seq_cst) {
    Begin();
    cell_.BeforeStore(order, Bits(value));
    value_.store(value, order);
  }
  T exchange(T value, std::memory_order order = std::memory_order_seq_cst) {
    return Update(order, [value](T) { return value; });
  }
  bool compare_exchange_strong(
      T& expected, T desired,
      std::memory_order order = std::memory_order_seq_cst) {
    return CompareExchange(expected, desired, order, FailureOrder(order),
                           /*is_weak=*/false);
  }
  bool compare_exchange_strong(T& expected, T desired,
                               std::memory_order success,
                               std::memory_order failure) {
    return CompareExchange(expected, desired, success, failure,
                           /*is_weak=*/false);
  }
  bool compare_exchange_weak(
      T& expected, T desired,
      std::memory_order order = std::memory_order_seq_cst) {
    return CompareExchange(expected, desired, order, FailureOrder(order),
                           /*is_weak=*/true);
  }
  bool compare_exchange_weak(T& expected, T desired, std::memory_order success,
                             std::memory_order failure) {
    return CompareExchange(expected, desired, success, failure,
                           /*is_weak=*/true);
  }
  T fetch_add(T n, std::memory_order order = std::memory_order_seq_cst) {
    return Update(order, [n](T old) { return static_cast<T>(old + n); });
  }
  T fetch_sub(T n, std::memory_order order = std::memory_order_seq_cst) {
    return Update(order, [n](T old) { return static_cast<T>(old - n); });
  }

  operator T() const { return load(); }
  T operator=(T value) {
    store(value);
    return value;
  }
  T operator++() { return static_cast<T>(fetch_add(1) + 1); }
  T operator+=(T n) { return static_cast<T>(fetch_add(n) + n); }

 private:
  static uint64_t Bits(T value) {
    uint64_t bits = 0;
    std::memcpy(&bits, &value, sizeof(T));
    return bits;
  }
  static T FromBits(uint64_t bits) {
    T value;
    std::memcpy(&value, &bits, sizeof(T));
    return value;
  }
  static std::memory_order FailureOrder(std::memory_order order) {
    if (order == std::memory_order_acq_rel) return std::memory_order_acquire;
    if (order == std::memory_order_release) return std::memory_order_relaxed;
    return order;
  }

  void Begin() const {
    if (cell_.MustReset()) value_.store(first_, std::memory_order_relaxed);
  }

  template <typename Function>
  T Update(std::memory_order order, Function function) {
    Begin();
    cell_.BeforeUpdate();
    // Nobody else runs until the next access. The real operation, with its
    // order, is for ThreadSanitizer.
    T desired = function(value_.load(std::memory_order_relaxed));
    T old = value_.exchange(desired, order);
    cell_.AfterUpdate(order, Bits(desired));
    return old;
  }

  bool CompareExchange(T& expected, T desired, std::memory_order success,
                       std::memory_order failure, bool is_weak) {
    Begin();
    cell_.BeforeUpdate();
    bool fails = value_.load(std::memory_order_relaxed) != expected ||
                 (is_weak && cell_.FailsWithoutReason());
    if (fails) {
      expected = value_.load(failure);
      cell_.AfterFailedUpdate(failure);
      return false;
    }
    value_.exchange(desired, success);
    cell_.AfterUpdate(success, Bits(desired));
    return true;
  }

  mutable std::atomic<T> value_;
  const T first_;
  sim::Cell cell_;
};

class CAPABILITY("mutex") Mutex {
 public:
  Mutex() : cell_(0) {}
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;

  void Lock() ACQUIRE();
  void Unlock() RELEASE();

 private:
  friend class CondVar;
  sim::Cell cell_;
};

class CondVar {
 public:
  // Releases `mutex`, waits, and takes it again. May return without a
  // notification: wait in a loop.
  void Wait(Mutex* mutex) REQUIRES(mutex);
  // The same for at most `nanos`.
  void WaitFor(Mutex* mutex, uint64_t nanos) REQUIRES(mutex);
  void NotifyOne();
  void NotifyAll();

 private:
  void WaitUntil(Mutex* mutex, uint64_t nanos);

  char address_ = 0;
};

// As much of std::thread as is used.
class Thread {
 public:
  Thread() = default;
  template <typename Function, typename... Arguments>
  explicit Thread(Function&& function, Arguments&&... arguments)
      : fiber_(
            sim::StartFiber(std::bind(std::forward<Function>(function),
                                      std::forward<Arguments>(arguments)...))) {
  }
  Thread(Thread&& other) noexcept : fiber_(std::exchange(other.fiber_, -1)) {}
  Thread& operator=(Thread&& other) noexcept {
    std::swap(fiber_, other.fiber_);
    return *this;
  }

  [[nodiscard]] bool joinable() const { return fiber_ >= 0; }
  void join() { sim::JoinFiber(std::exchange(fiber_, -1)); }

 private:
  int fiber_ = -1;
};

// Lets the others go first.
void SpinPause();
inline void YieldProcessor() { SpinPause(); }

}  // namespace paceline
