// Copies of the test's own process: for what cannot be undone (limits, a
// failed allocation, an end by a signal), and for what two processes do to
// each other.

#pragma once

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <new>

#include "gtest/gtest.h"

namespace paceline {

// How a child process ended.
struct ChildEnd {
  int exit_code = -1;  // -1: by a signal.
  int signal = 0;
};

// Runs `action` in a copy of this process, which ends with what it returns,
// without destructors. One that takes longer than `seconds_max` is ended by
// SIGALRM, as it hangs. To be called while this process has one thread.
template <typename Action>
ChildEnd RunInChild(Action action, unsigned seconds_max = 60) {
  const pid_t child = fork();
  if (child == 0) {
    alarm(seconds_max);
    _exit(action());
  }
  int state = 0;
  EXPECT_EQ(waitpid(child, &state, 0), child);
  if (WIFEXITED(state)) return {.exit_code = WEXITSTATUS(state)};
  return {.exit_code = -1, .signal = WTERMSIG(state)};
}

// True if `claim` holds in a copy of this process.
template <typename Claim>
bool HoldsInChild(Claim claim) {
  return RunInChild([&] { return claim() ? 0 : 1; }).exit_code == 0;
}

// A T that this process and its children have in common. T must be made of
// atomics. Thread-safe as they are.
template <typename T>
class Shared {
 public:
  Shared()
      : memory_(mmap(nullptr, sizeof(T), PROT_READ | PROT_WRITE,
                     MAP_SHARED | MAP_ANONYMOUS, -1, 0)) {
    if (memory_ == MAP_FAILED) std::abort();
    Reset();
  }
  ~Shared() { munmap(memory_, sizeof(T)); }
  Shared(const Shared&) = delete;
  Shared& operator=(const Shared&) = delete;

  // As new.
  void Reset() { value_ = new (memory_) T; }

  T* get() const { return value_; }
  T* operator->() const { return value_; }

 private:
  void* const memory_;
  T* value_ = nullptr;
};

}  // namespace paceline
