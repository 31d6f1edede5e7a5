#include "test/support/sim/strategy.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <numeric>

#include "src/base/check.h"

namespace paceline::sim {

namespace {

// The n-th fiber of a mask.
int FiberAt(uint32_t mask, uint32_t n) {
  for (; n > 0; --n) mask &= mask - 1;
  return std::countr_zero(mask);
}

uint32_t RandomBelow(std::minstd_rand* generator, uint32_t n) {
  return static_cast<uint32_t>((*generator)() >> 4) % n;
}

uint32_t RandomNumber(std::minstd_rand* generator, uint32_t n, uint32_t odds) {
  if (odds > 1 && RandomBelow(generator, odds) != 0) return 0;
  return odds <= 1 ? RandomBelow(generator, n)
                   : 1 + RandomBelow(generator, n - 1);
}

}  // namespace

int Crossroads::Usual() const {
  if (CanRun(current) && (asleep >> current & 1) == 0) return current;
  uint32_t awake = can_run & ~asleep;
  return std::countr_zero(awake != 0 ? awake : can_run);
}

Schedule Schedule::Parse(std::string_view text) {
  Schedule schedule;
  while (!text.empty()) {
    size_t end = std::min(text.find(' '), text.size());
    std::string_view part = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (part.empty()) continue;
    size_t x = std::min(part.find('x'), part.size());
    uint32_t choice = kUsual;
    uint32_t times = 1;
    if (part[0] != '.') {
      std::from_chars(part.data(), part.data() + x, choice);
    }
    if (x < part.size()) {
      std::from_chars(part.data() + x + 1, part.data() + part.size(), times);
    }
    schedule.choices.insert(schedule.choices.end(), times,
                            static_cast<uint8_t>(choice));
  }
  return schedule;
}

std::string Schedule::Text() const {
  std::string text;
  size_t size = choices.size();
  while (size > 0 && choices[size - 1] == kUsual) --size;
  for (size_t i = 0; i < size;) {
    size_t end = i;
    while (end < size && choices[end] == choices[i]) ++end;
    if (!text.empty()) text += ' ';
    text += choices[i] == kUsual ? "." : std::to_string(choices[i]);
    if (end - i > 1) text += 'x' + std::to_string(end - i);
    i = end;
  }
  return text;
}

int RandomStrategy::PickFiber(const Crossroads& at) {
  // A sleeper that may wake early does so now and then, not at every chance.
  uint32_t mask = at.can_run & ~at.asleep;
  if (mask == 0 || RandomBelow(&generator_, 8) == 0) mask = at.can_run;
  auto count = static_cast<uint32_t>(std::popcount(mask));
  if (count == 1) return std::countr_zero(mask);
  bool may_stay = (mask >> at.current & 1) != 0;
  if (may_stay && stickiness_ > 0 &&
      RandomBelow(&generator_, stickiness_ + 1) != 0) {
    return at.current;
  }
  return FiberAt(mask, RandomBelow(&generator_, count));
}

uint32_t RandomStrategy::PickNumber(uint32_t n, uint32_t odds) {
  return RandomNumber(&generator_, n, odds);
}

PctStrategy::PctStrategy(uint64_t seed, int depth, uint32_t steps)
    : generator_(seed) {
  for (int i = 1; i < depth; ++i) {
    changes_.push_back(RandomBelow(&generator_, steps));
  }
  std::iota(std::begin(priorities_), std::end(priorities_), 1);
  std::shuffle(std::begin(priorities_), std::end(priorities_), generator_);
}

int PctStrategy::PickFiber(const Crossroads& at) {
  ++step_;
  if (std::find(changes_.begin(), changes_.end(), step_) != changes_.end()) {
    priorities_[at.current] = --lowest_;
  }
  int best = -1;
  for (uint32_t mask = at.can_run; mask != 0; mask &= mask - 1) {
    int fiber = std::countr_zero(mask);
    if (best < 0 || priorities_[fiber] > priorities_[best]) best = fiber;
  }
  // Whoever has slept goes behind the others, or it would wake up for ever.
  if ((at.asleep >> best & 1) != 0) priorities_[best] = --lowest_;
  return best;
}

uint32_t PctStrategy::PickNumber(uint32_t n, uint32_t odds) {
  return RandomNumber(&generator_, n, odds);
}

uint8_t ReplayStrategy::Next() {
  return next_ < schedule_.choices.size() ? schedule_.choices[next_++]
                                          : Schedule::kUsual;
}

int ReplayStrategy::PickFiber(const Crossroads& at) {
  if (std::popcount(at.can_run) == 1) return at.Usual();
  int fiber = Next();
  return fiber < kFibersMax && at.CanRun(fiber) ? fiber : at.Usual();
}

uint32_t ReplayStrategy::PickNumber(uint32_t n, uint32_t /*odds*/) {
  uint32_t number = Next();
  return number < n ? number : 0;
}

void BoundedStrategy::Begin() {
  depth_ = 0;
  preemptions_ = 0;
  oddities_ = 0;
}

bool BoundedStrategy::End() {
  while (!path_.empty() &&
         path_.back().index + 1 == path_.back().options.size()) {
    path_.pop_back();
  }
  if (path_.empty()) return false;
  ++path_.back().index;
  return true;
}

uint8_t BoundedStrategy::Take(std::vector<uint8_t>* options) {
  if (options->size() == 1) return options->front();
  if (depth_ == path_.size()) path_.push_back({*options, 0});
  Node& node = path_[depth_++];
  return node.options[node.index];
}

int BoundedStrategy::PickFiber(const Crossroads& at) {
  int usual = at.Usual();
  bool interrupts = usual == at.current;
  options_.assign(1, static_cast<uint8_t>(usual));
  if (!interrupts || preemptions_ < preemptions_max_) {
    for (uint32_t mask = at.can_run; mask != 0; mask &= mask - 1) {
      int fiber = std::countr_zero(mask);
      if (fiber != usual) options_.push_back(static_cast<uint8_t>(fiber));
    }
  }
  int fiber = Take(&options_);
  if (interrupts && fiber != usual) ++preemptions_;
  return fiber;
}

uint32_t BoundedStrategy::PickNumber(uint32_t n, uint32_t odds) {
  bool is_odd = odds > 1;
  options_.assign(1, 0);
  if (!is_odd || oddities_ < oddities_max_) {
    for (uint32_t i = 1; i < n; ++i) {
      options_.push_back(static_cast<uint8_t>(i));
    }
  }
  uint8_t number = Take(&options_);
  if (is_odd && number != 0) ++oddities_;
  return number;
}

void FullStrategy::Begin() {
  depth_ = 0;
  sleeping_ = 0;
  oddities_ = 0;
  is_redundant_ = false;
}

bool FullStrategy::End() {
  if (is_redundant_) ++redundant_;
  while (!path_.empty() &&
         path_.back().index + 1 == path_.back().options.size()) {
    path_.pop_back();
  }
  if (path_.empty()) return false;
  ++path_.back().index;
  return true;
}

int FullStrategy::PickFiber(const Crossroads& at) {
  if (is_redundant_) return at.Usual();
  uint32_t candidates = at.can_run & ~sleeping_;
  if (candidates == 0) {
    is_redundant_ = true;
    return at.Usual();
  }
  int fiber;
  if (std::popcount(candidates) == 1) {
    fiber = std::countr_zero(candidates);
  } else {
    if (depth_ == path_.size()) {
      Node node;
      for (uint32_t mask = candidates; mask != 0; mask &= mask - 1) {
        node.options.push_back(static_cast<uint8_t>(std::countr_zero(mask)));
      }
      path_.push_back(std::move(node));
    }
    const Node& node = path_[depth_++];
    fiber = node.options[node.index];
    for (size_t i = 0; i < node.index; ++i) {
      sleeping_ |= uint32_t{1} << node.options[i];
    }
  }
  for (uint32_t mask = sleeping_; mask != 0; mask &= mask - 1) {
    int other = std::countr_zero(mask);
    if (at.next[other].DependsOn(at.next[fiber])) {
      sleeping_ &= ~(uint32_t{1} << other);
    }
  }
  sleeping_ &= ~(uint32_t{1} << fiber);
  return fiber;
}

uint32_t FullStrategy::PickNumber(uint32_t n, uint32_t odds) {
  bool is_odd = odds > 1;
  if (is_redundant_ || (is_odd && oddities_ == oddities_max_)) return 0;
  if (depth_ == path_.size()) {
    Node node;
    for (uint32_t i = 0; i < n; ++i) {
      node.options.push_back(static_cast<uint8_t>(i));
    }
    path_.push_back(std::move(node));
  }
  const Node& node = path_[depth_++];
  uint8_t number = node.options[node.index];
  if (is_odd && number != 0) ++oddities_;
  return number;
}

}  // namespace paceline::sim
