// Fiber: a stack of its own on the same OS thread, and how to change to it.
// AddressSanitizer and ThreadSanitizer are told of every change.

#pragma once

#include <cstddef>
#include <functional>

#include "src/base/sanitizers.h"

namespace paceline::sim {

class Fiber;

// A place where execution can be left and taken up again: the OS thread's own
// stack, or a Fiber's. Thread-compatible.
class Context {
 public:
  // Of the code that calls it.
  Context();
  ~Context();
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  // Leaves off here and goes on at `to`; returns when somebody changes back.
  // No order is implied between the two: to ThreadSanitizer they stay threads
  // without a common lock.
  void SwitchTo(Context* to);

 private:
  friend class Fiber;
  explicit Context(Fiber* fiber) : fiber_(fiber) {}
  // Tells AddressSanitizer that the change to this stack is complete.
  static void Arrived(void* fake_stack);

  void* stack_pointer_ = nullptr;
  void* stack_bottom_ = nullptr;
  size_t stack_size_ = 0;
  [[maybe_unused]] void* sanitizer_fiber_ = nullptr;
  Fiber* const fiber_ = nullptr;  // Null: the OS thread's own stack.
};

// Runs one function after the other. Its stack is 256 KiB with a guard page.
class Fiber {
 public:
  // `body` runs when the fiber is first changed to, and again each time it has
  // come to its end and is changed to; at its end it must change elsewhere.
  explicit Fiber(std::function<void()> body);
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  Context* context() { return &context_; }

 private:
  static void Enter();
  [[noreturn]] void Loop();

  std::function<void()> body_;
  void* memory_ = nullptr;
  Context context_{this};
};

// While one lives, ThreadSanitizer does not see what the code does: the
// simulator itself and what tests write down are shared by all fibers.
class Unseen {
 public:
  Unseen();
  ~Unseen();
  Unseen(const Unseen&) = delete;
  Unseen& operator=(const Unseen&) = delete;
};

// For ThreadSanitizer: what happened before PublishTo(address) on one fiber
// happens before what follows ObserveFrom(address) on another.
void PublishTo(const void* address);
void ObserveFrom(const void* address);

}  // namespace paceline::sim
