// The Simulator itself, for the files that it is made of: simulator.cc runs the
// fibers, memory.cc is what they see of each other, and seam.cc is behind the
// names of src/base/sync.h.

#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "test/support/sim/simulator.h"

namespace paceline::sim {

inline constexpr uint64_t kNever = ~uint64_t{0};

// What a fiber knows: how far the histories of the others have happened
// before, and of each cell the oldest store that it may still read.
struct Knowledge {
  std::array<uint32_t, kFibersMax> clock = {};
  std::vector<uint32_t> oldest;

  void Clear() {
    clock.fill(0);
    oldest.clear();
  }
  void Join(const Knowledge& other) {
    for (size_t i = 0; i < clock.size(); ++i) {
      clock[i] = std::max(clock[i], other.clock[i]);
    }
    if (oldest.size() < other.oldest.size()) {
      oldest.resize(other.oldest.size());
    }
    for (size_t i = 0; i < other.oldest.size(); ++i) {
      oldest[i] = std::max(oldest[i], other.oldest[i]);
    }
  }
  [[nodiscard]] uint32_t OldestOf(uint32_t cell) const {
    return cell < oldest.size() ? oldest[cell] : 0;
  }
  void Raise(uint32_t cell, uint32_t store) {
    if (cell >= oldest.size()) oldest.resize(cell + 1);
    oldest[cell] = std::max(oldest[cell], store);
  }
};

// One store, and what an acquiring load of it learns.
struct Message {
  uint64_t bits = 0;
  Knowledge knowledge;
};

struct CellState {
  // The stores, oldest first; only the newest one without weak memory.
  std::vector<Message> messages;
  size_t count = 0;
  int owner = -1;  // Of a mutex.

  Message* Append(uint64_t bits) {
    if (count == messages.size()) messages.emplace_back();
    Message* message = &messages[count++];
    message->bits = bits;
    message->knowledge.Clear();
    return message;
  }
  Message& newest() { return messages[count - 1]; }
};

struct FiberState {
  enum class Status : uint8_t { kReady, kAsleep, kPausing, kDone };

  Status status = Status::kDone;
  Operation next;
  // Of one that sleeps: when its time is up, and whether it may wake before,
  // or without a notification.
  uint64_t deadline = kNever;
  bool may_wake_early = false;
  // Which fiber a kJoin waits for; which cell a kLock wants.
  int join_target = -1;
  uint32_t lock_cell = 0;
  // The variable that was loaded last, for loops that wait for it to change.
  uint32_t loaded_cell = 0;
  bool is_pausing_in_vain = false;
  int looks_in_vain = 0;
  Knowledge knowledge;
  std::function<void()> body;
};

// There is one. Thread-hostile.
class Simulator {
 public:
  using Kind = Operation::Kind;

  Outcome Run(const Config& config, Strategy* strategy,
              const std::function<void()>& body);

  [[nodiscard]] bool is_running() const { return is_running_; }
  // False also while a Still lives.
  [[nodiscard]] bool takes_steps() const { return is_running_ && still_ == 0; }
  [[nodiscard]] uint32_t run() const { return run_; }
  void AddStill(int n) { still_ += n; }

  // --- What fibers do ---

  int Start(std::function<void()> body);
  void Join(int fiber);
  void Step(Kind kind, const void* address);
  void Lock(uint32_t cell, const void* address);
  void Unlock(uint32_t cell, const void* address);
  void Sleep(Kind kind, const void* address, uint64_t nanos);
  void Wake(const void* address, bool all);
  void Pause();
  [[noreturn]] void Fail(const std::string& failure);
  uint32_t PickNumber(uint32_t n, uint32_t odds);

  // --- Memory ---

  uint32_t AddCell(uint64_t bits);
  bool SkipsStep(uint32_t cell) const;
  bool Load(uint32_t cell, std::memory_order order, uint64_t* bits);
  void Store(uint32_t cell, std::memory_order order, uint64_t bits);
  void Update(uint32_t cell, std::memory_order order, uint64_t bits);
  void ReadNewest(uint32_t cell, std::memory_order order);

  [[nodiscard]] const Config& config() const { return *config_; }
  FiberState& me() { return fibers_[current_]; }
  [[nodiscard]] int current() const { return current_; }
  [[nodiscard]] uint32_t steps() const { return steps_; }
  [[nodiscard]] uint64_t nanos() const { return nanos_; }
  const Schedule& schedule() const { return schedule_; }

 private:
  void Body(int number);
  [[nodiscard]] bool CanRun(const FiberState& fiber) const;
  void FillCrossroads(Crossroads* at);
  void CountStep();
  // Chooses who goes on, and changes to it.
  void GoOn();
  void WakeUp(FiberState* fiber);
  void Changed(uint32_t cell);
  void Learned(std::memory_order order, const Message& message);
  [[nodiscard]] std::string Describe(const void* address) const;
  [[nodiscard]] std::string WhoWaits() const;
  void Trace() const;

  const Config* config_ = nullptr;
  Strategy* strategy_ = nullptr;
  bool is_running_ = false;
  int still_ = 0;
  uint32_t run_ = 0;
  uint32_t steps_ = 0;
  uint64_t nanos_ = 0;
  int current_ = 0;
  int fiber_count_ = 0;
  int pausing_ = 0;
  FiberState fibers_[kFibersMax];
  Operation next_[kFibersMax];
  std::vector<CellState> cells_;
  uint32_t cell_count_ = 0;
  Schedule schedule_;
  std::string failure_;
  const bool traces_ = std::getenv("PACELINE_SIM_TRACE") != nullptr;

  // Kept from run to run.
  std::array<std::unique_ptr<Fiber>, kFibersMax> stacks_;
  Context* host_ = nullptr;
};

extern Simulator simulator;

}  // namespace paceline::sim
