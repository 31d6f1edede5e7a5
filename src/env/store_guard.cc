#include "src/env/store_guard.h"

#include <signal.h>
#include <sys/mman.h>

#include <cerrno>
#include <cstdint>

#include "src/base/check.h"

namespace paceline {

namespace {

struct Slot {
  Atomic<uintptr_t> begin = 0;  // 0: the slot is free.
  Atomic<uintptr_t> end = 0;
  Atomic<Atomic<bool>*> has_failed = nullptr;
  Slot* next = nullptr;  // Does not change once the slot is in the list.
};

// All slots. The handler reads them at any moment, in any thread, so that none
// is ever freed; they are used again.
class Registry {
 public:
  static Registry& Get() {
    static auto* registry = new Registry();  // Outlives all threads.
    return *registry;
  }

  void Add(uintptr_t begin, uintptr_t end, Atomic<bool>* has_failed) {
    MutexLock lock(&mutex_);
    Slot* slot = Find(0);
    const bool is_new = slot == nullptr;
    if (is_new) slot = new Slot();
    slot->end.store(end);
    slot->has_failed.store(has_failed);
    slot->begin.store(begin);
    if (is_new) {
      slot->next = first_.load();
      first_.store(slot);
    }
  }

  void Remove(uintptr_t begin) {
    MutexLock lock(&mutex_);
    Slot* slot = Find(begin);
    PL_CHECK(slot != nullptr);
    slot->begin.store(0);
  }

 private:
  Registry() {
    struct sigaction action = {};
    action.sa_sigaction = &OnBusError;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigemptyset(&action.sa_mask);
    PL_CHECK(sigaction(SIGBUS, &action, &previous_) == 0);
  }

  [[nodiscard]] Slot* Find(uintptr_t begin) const REQUIRES(mutex_) {
    Slot* slot = first_.load();
    while (slot != nullptr && slot->begin.load() != begin) slot = slot->next;
    return slot;
  }

  static void OnBusError(int number, siginfo_t* info, void* context) {
    const Registry& registry = Get();
    if (info->si_code == BUS_ADRERR &&
        registry.Replace(reinterpret_cast<uintptr_t>(info->si_addr))) {
      return;  // The store is done again.
    }
    registry.PassOn(number, info, context);
  }

  // False if the address is not guarded.
  [[nodiscard]] bool Replace(uintptr_t address) const {
    constexpr uintptr_t kPageBytes = 4096;
    for (const Slot* slot = first_.load(); slot != nullptr; slot = slot->next) {
      const uintptr_t begin = slot->begin.load();
      const bool is_inside =
          begin != 0 && begin <= address && address < slot->end.load();
      Atomic<bool>* has_failed = slot->has_failed.load();
      // Else it was another mapping's when its end was read.
      if (!is_inside || slot->begin.load() != begin) continue;
      const int error = errno;
      has_failed->store(true);
      void* page = reinterpret_cast<void*>(address / kPageBytes * kPageBytes);
      const bool is_replaced =
          mmap(page, kPageBytes, PROT_READ | PROT_WRITE,
               MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED;
      errno = error;
      return is_replaced;
    }
    return false;
  }

  void PassOn(int number, siginfo_t* info, void* context) const {
    if ((previous_.sa_flags & SA_SIGINFO) != 0) {
      previous_.sa_sigaction(number, info, context);
    } else if (previous_.sa_handler == SIG_DFL ||
               previous_.sa_handler == SIG_IGN) {
      // The store, or whoever sent the signal, ends the process.
      signal(number, SIG_DFL);
      if (info->si_code <= 0) raise(number);
    } else {
      previous_.sa_handler(number);
    }
  }

  struct sigaction previous_ = {};
  Atomic<Slot*> first_ = nullptr;
  Mutex mutex_;
};

}  // namespace

void GuardStores(const char* memory, size_t bytes, Atomic<bool>* has_failed) {
  const auto begin = reinterpret_cast<uintptr_t>(memory);
  Registry::Get().Add(begin, begin + bytes, has_failed);
}

void UnguardStores(const char* memory) {
  Registry::Get().Remove(reinterpret_cast<uintptr_t>(memory));
}

}  // namespace paceline
