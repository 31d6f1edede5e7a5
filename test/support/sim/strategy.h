// Strategies: who runs next in a simulation, and what happens where more than
// one thing can.

#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace paceline::sim {

inline constexpr int kFibersMax = 16;

// What a fiber is about to do.
struct Operation {
  enum class Kind : uint8_t {
    kStart,
    kLoad,
    kStore,
    kUpdate,
    kLock,
    kWait,
    kNotify,
    kSleep,
    kWake,
    kPause,
    kJoin,
    kTouch,
    kGoOn,  // After it was woken.
  };
  Kind kind = Kind::kStart;
  const void* address = nullptr;

  // Whether the order of the two can make a difference.
  [[nodiscard]] bool DependsOn(const Operation& other) const {
    return address == other.address && address != nullptr &&
           (kind != Kind::kLoad || other.kind != Kind::kLoad);
  }
};

// Where one fiber out of several is chosen. Masks have a bit for each fiber.
struct Crossroads {
  uint32_t can_run = 0;
  // Those among them that would wake up early, or because their time is up.
  uint32_t asleep = 0;
  // The one that ran last; it may be unable to go on.
  int current = 0;
  const Operation* next = nullptr;  // What each would do.

  [[nodiscard]] bool CanRun(int fiber) const {
    return (can_run >> fiber & 1) != 0;
  }
  // Which fiber goes on if nothing speaks against it: the current one, or the
  // first.
  [[nodiscard]] int Usual() const;
};

// The choices of one run, in order: numbers of fibers, and numbers below the
// `n` of PickNumber(). Where only one thing could happen there is none.
//
// As text: "2x31 0 . 1x4": each choice, how often in a row; "." stands for
// what is usual, and so does everything after the end.
class Schedule {
 public:
  static constexpr uint8_t kUsual = 0xFF;

  static Schedule Parse(std::string_view text);
  [[nodiscard]] std::string Text() const;

  std::vector<uint8_t> choices;
};

// Thread-compatible.
class Strategy {
 public:
  virtual ~Strategy() = default;

  // A run begins.
  virtual void Begin() {}
  // The run has ended. False if there is nothing more to try.
  virtual bool End() { return true; }

  // Called for every step, also if only one fiber can run.
  virtual int PickFiber(const Crossroads& at) = 0;
  // A number below `n`. 0 is what happens usually; something else about once
  // in `odds` times.
  virtual uint32_t PickNumber(uint32_t n, uint32_t odds) = 0;
};

// Any fiber that can run, with the same probability, but mostly the current
// one if `stickiness` is high: it goes on so many times on average.
class RandomStrategy final : public Strategy {
 public:
  RandomStrategy(uint64_t seed, uint32_t stickiness)
      : generator_(seed), stickiness_(stickiness) {}

  int PickFiber(const Crossroads& at) override;
  uint32_t PickNumber(uint32_t n, uint32_t odds) override;

 private:
  std::minstd_rand generator_;
  const uint32_t stickiness_;
};

// Probabilistic concurrency testing (Burckhardt and others, 2010): fibers have
// random priorities, and the highest that can run does; at `depth` - 1 random
// steps the one that runs falls to the lowest. Finds a bug that needs `depth`
// orderings, among n fibers and k steps, with a probability of at least
// 1 / (n k^(depth - 1)).
class PctStrategy final : public Strategy {
 public:
  PctStrategy(uint64_t seed, int depth, uint32_t steps);

  int PickFiber(const Crossroads& at) override;
  uint32_t PickNumber(uint32_t n, uint32_t odds) override;

 private:
  std::minstd_rand generator_;
  std::vector<uint32_t> changes_;  // At which steps.
  uint32_t step_ = 0;
  int lowest_ = 0;
  int priorities_[kFibersMax];
};

// Follows a Schedule.
class ReplayStrategy final : public Strategy {
 public:
  explicit ReplayStrategy(Schedule schedule) : schedule_(std::move(schedule)) {}

  void Begin() override { next_ = 0; }
  int PickFiber(const Crossroads& at) override;
  uint32_t PickNumber(uint32_t n, uint32_t odds) override;

 private:
  uint8_t Next();

  const Schedule schedule_;
  size_t next_ = 0;
};

// Every run in turn, depth first. A fiber that could go on is interrupted at
// most `preemptions_max` times in a run, and at most `oddities_max` numbers
// are not 0.
class BoundedStrategy final : public Strategy {
 public:
  BoundedStrategy(uint32_t preemptions_max, uint32_t oddities_max)
      : preemptions_max_(preemptions_max), oddities_max_(oddities_max) {}

  void Begin() override;
  bool End() override;
  int PickFiber(const Crossroads& at) override;
  uint32_t PickNumber(uint32_t n, uint32_t odds) override;

 private:
  struct Node {
    std::vector<uint8_t> options;
    size_t index = 0;
  };
  // The option of the node at this depth, which is made of `options` if it is
  // new.
  uint8_t Take(std::vector<uint8_t>* options);

  const uint32_t preemptions_max_;
  const uint32_t oddities_max_;
  std::vector<Node> path_;
  std::vector<uint8_t> options_;
  size_t depth_ = 0;
  uint32_t preemptions_ = 0;
  uint32_t oddities_ = 0;
};

// Every run that differs from the others by more than the order of independent
// steps, depth first. Sleep sets (Godefroid, 1996): what was tried from a
// crossroads is not tried again behind steps that do not depend on it. Numbers
// are 0, but for `oddities_max` of them in a run.
class FullStrategy final : public Strategy {
 public:
  explicit FullStrategy(uint32_t oddities_max) : oddities_max_(oddities_max) {}

  void Begin() override;
  bool End() override;
  int PickFiber(const Crossroads& at) override;
  uint32_t PickNumber(uint32_t n, uint32_t odds) override;

  // Runs that turned out to be like an earlier one half-way.
  [[nodiscard]] uint64_t redundant() const { return redundant_; }

 private:
  struct Node {
    std::vector<uint8_t> options;
    size_t index = 0;
  };

  const uint32_t oddities_max_;
  std::vector<Node> path_;
  size_t depth_ = 0;
  uint32_t sleeping_ = 0;
  uint32_t oddities_ = 0;
  bool is_redundant_ = false;
  uint64_t redundant_ = 0;
};

}  // namespace paceline::sim
