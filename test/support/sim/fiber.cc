#include "test/support/sim/fiber.h"

#include <sys/mman.h>
#include <unistd.h>
#if !defined(__x86_64__) || defined(PACELINE_SIM_UCONTEXT)
#include <ucontext.h>
#endif

#include <cstdint>
#include <utility>

#include "src/base/check.h"
#include "src/base/sanitizers.h"

#if defined(PACELINE_TSAN)
extern "C" {
void* __tsan_get_current_fiber();
void* __tsan_create_fiber(unsigned flags);
void __tsan_switch_to_fiber(void* fiber, unsigned flags);
void __tsan_acquire(void* address);
void __tsan_release(void* address);
void AnnotateIgnoreReadsBegin(const char* file, int line);
void AnnotateIgnoreReadsEnd(const char* file, int line);
void AnnotateIgnoreWritesBegin(const char* file, int line);
void AnnotateIgnoreWritesEnd(const char* file, int line);
}
#endif
#if defined(PACELINE_ASAN)
extern "C" {
void __sanitizer_start_switch_fiber(void** fake_stack, const void* bottom,
                                    size_t size);
void __sanitizer_finish_switch_fiber(void* fake_stack, const void** bottom,
                                     size_t* size);
}
#endif

#define PACELINE_NO_TSAN __attribute__((no_sanitize("thread"), noinline))

namespace paceline::sim {

namespace {

constexpr size_t kStackBytes = size_t{256} << 10;

// The last change, for the code that goes on after it.
Context* leaving = nullptr;
Context* entering = nullptr;

}  // namespace

#if defined(__x86_64__) && !defined(PACELINE_SIM_UCONTEXT)

// Keeps the registers that a called function must keep on the stack that is
// left, and takes them from the one that is entered. Twenty times as fast as
// swapcontext(), which makes two system calls.
extern "C" void paceline_sim_switch(void** leave, void* enter);
asm(R"(
.text
.globl paceline_sim_switch
.type paceline_sim_switch,@function
paceline_sim_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size paceline_sim_switch,.-paceline_sim_switch
)");

namespace {

void* FirstStackPointer(char* top, void (*enter)()) {
  auto** slot = reinterpret_cast<void**>(top);
  *--slot = nullptr;  // Where the outermost function would return to.
  *--slot = reinterpret_cast<void*>(enter);
  for (int i = 0; i < 6; ++i) *--slot = nullptr;
  return slot;
}

PACELINE_NO_TSAN void Switch(void** leave, void* enter) {
  paceline_sim_switch(leave, enter);
}

void FreeContext(void* /*stack_pointer*/) {}

}  // namespace

#else

namespace {

void* FirstStackPointer(char* top, void (*enter)()) {
  auto* context = new ucontext_t;
  PL_CHECK(getcontext(context) == 0);
  context->uc_stack.ss_sp = top - kStackBytes;
  context->uc_stack.ss_size = kStackBytes;
  context->uc_link = nullptr;
  makecontext(context, enter, 0);
  return context;
}

PACELINE_NO_TSAN void Switch(void** leave, void* enter) {
  if (*leave == nullptr) *leave = new ucontext_t;
  swapcontext(static_cast<ucontext_t*>(*leave),
              static_cast<ucontext_t*>(enter));
}

void FreeContext(void* stack_pointer) {
  delete static_cast<ucontext_t*>(stack_pointer);
}

}  // namespace

#endif

Context::Context() {
#if defined(PACELINE_TSAN)
  sanitizer_fiber_ = __tsan_get_current_fiber();
#endif
}

// What ThreadSanitizer knows of a fiber is never given back: it would complain
// that a fiber ends in the middle of something, as all do.
Context::~Context() { FreeContext(stack_pointer_); }

PACELINE_NO_TSAN void Context::SwitchTo(Context* to) {
  leaving = this;
  entering = to;
  void* fake_stack = nullptr;
#if defined(PACELINE_ASAN)
  __sanitizer_start_switch_fiber(&fake_stack, to->stack_bottom_,
                                 to->stack_size_);
#endif
#if defined(PACELINE_TSAN)
  __tsan_switch_to_fiber(to->sanitizer_fiber_, /*without synchronizing*/ 1);
#endif
  Switch(&stack_pointer_, to->stack_pointer_);
  Arrived(fake_stack);
}

PACELINE_NO_TSAN void Context::Arrived([[maybe_unused]] void* fake_stack) {
#if defined(PACELINE_ASAN)
  const void* bottom;
  size_t size;
  __sanitizer_finish_switch_fiber(fake_stack, &bottom, &size);
  // Nothing else tells where the OS thread's own stack is.
  leaving->stack_bottom_ = const_cast<void*>(bottom);
  leaving->stack_size_ = size;
#endif
}

Fiber::Fiber(std::function<void()> body) : body_(std::move(body)) {
  auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  memory_ = mmap(nullptr, page + kStackBytes, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  PL_CHECK(memory_ != MAP_FAILED);
  PL_CHECK(mprotect(memory_, page, PROT_NONE) == 0);
  char* bottom = static_cast<char*>(memory_) + page;
  context_.stack_bottom_ = bottom;
  context_.stack_size_ = kStackBytes;
  context_.stack_pointer_ = FirstStackPointer(bottom + kStackBytes, &Enter);
#if defined(PACELINE_TSAN)
  context_.sanitizer_fiber_ = __tsan_create_fiber(0);
#endif
}

Fiber::~Fiber() {
  munmap(memory_, static_cast<size_t>(sysconf(_SC_PAGESIZE)) + kStackBytes);
}

PACELINE_NO_TSAN void Fiber::Enter() {
  Context::Arrived(nullptr);
  entering->fiber_->Loop();
}

PACELINE_NO_TSAN void Fiber::Loop() {
  while (true) body_();
}

Unseen::Unseen() {
#if defined(PACELINE_TSAN)
  AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
  AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
#endif
}

Unseen::~Unseen() {
#if defined(PACELINE_TSAN)
  AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
  AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
#endif
}

void PublishTo([[maybe_unused]] const void* address) {
#if defined(PACELINE_TSAN)
  __tsan_release(const_cast<void*>(address));
#endif
}

void ObserveFrom([[maybe_unused]] const void* address) {
#if defined(PACELINE_TSAN)
  __tsan_acquire(const_cast<void*>(address));
#endif
}

}  // namespace paceline::sim
