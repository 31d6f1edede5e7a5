// What the fibers of a simulation see of each other's stores.

#include <algorithm>
#include <cstddef>

#include "test/support/sim/simulator_core.h"

namespace paceline::sim {

namespace {

// Old stores that a load can still return, at most.
constexpr size_t kStaleMax = 4;

bool Acquires(std::memory_order order) {
  return order == std::memory_order_acquire ||
         order == std::memory_order_acq_rel ||
         order == std::memory_order_consume ||
         order == std::memory_order_seq_cst;
}

bool Releases(std::memory_order order) {
  return order == std::memory_order_release ||
         order == std::memory_order_acq_rel ||
         order == std::memory_order_seq_cst;
}

}  // namespace

uint32_t Simulator::AddCell(uint64_t bits) {
  if (cell_count_ == cells_.size()) cells_.emplace_back();
  CellState& cell = cells_[cell_count_];
  cell.count = 0;
  cell.owner = -1;
  cell.Append(bits);
  return cell_count_++;
}

void Simulator::Learned(std::memory_order order, const Message& message) {
  if (Acquires(order)) me().knowledge.Join(message.knowledge);
}

bool Simulator::Load(uint32_t cell, std::memory_order order, uint64_t* bits) {
  CellState& state = cells_[cell];
  size_t store = state.count - 1;
  if (config_->weak_memory && order != std::memory_order_seq_cst &&
      !SkipsStep(cell)) {
    size_t oldest = std::max<size_t>(me().knowledge.OldestOf(cell),
                                     store - std::min(store, kStaleMax - 1));
    if (oldest < store) {
      store -= PickNumber(static_cast<uint32_t>(store - oldest + 1), 3);
    }
  }
  if (config_->weak_memory) {
    me().knowledge.Raise(cell, static_cast<uint32_t>(store));
  }
  me().loaded_cell = cell;
  Learned(order, state.messages[store]);
  if (store == state.count - 1) return false;
  *bits = state.messages[store].bits;
  return true;
}

void Simulator::ReadNewest(uint32_t cell, std::memory_order order) {
  CellState& state = cells_[cell];
  if (config_->weak_memory) {
    me().knowledge.Raise(cell, static_cast<uint32_t>(state.count - 1));
  }
  Learned(order, state.newest());
}

void Simulator::Store(uint32_t cell, std::memory_order order, uint64_t bits) {
  CellState& state = cells_[cell];
  if (!config_->weak_memory) state.count = 0;
  Message* message = state.Append(bits);
  if (config_->weak_memory) {
    me().knowledge.Raise(cell, static_cast<uint32_t>(state.count - 1));
  }
  if (Releases(order)) {
    message->knowledge.Join(me().knowledge);
    ++me().knowledge.clock[static_cast<size_t>(current_)];
  }
  Changed(cell);
}

// Reads the newest store and continues its release sequence.
void Simulator::Update(uint32_t cell, std::memory_order order, uint64_t bits) {
  ReadNewest(cell, order);
  CellState& state = cells_[cell];
  if (config_->weak_memory) {
    Message* message = state.Append(bits);
    message->knowledge.Join(state.messages[state.count - 2].knowledge);
    me().knowledge.Raise(cell, static_cast<uint32_t>(state.count - 1));
  } else {
    state.newest().bits = bits;
  }
  if (Releases(order)) {
    state.newest().knowledge.Join(me().knowledge);
    ++me().knowledge.clock[static_cast<size_t>(current_)];
  }
  Changed(cell);
}

bool Simulator::SkipsStep(uint32_t cell) const {
  const FiberState& fiber = fibers_[current_];
  return fiber.is_pausing_in_vain && fiber.loaded_cell == cell;
}

void Simulator::Changed(uint32_t cell) {
  if (pausing_ == 0) return;
  for (int i = 0; i < fiber_count_; ++i) {
    FiberState& fiber = fibers_[i];
    if (fiber.status == FiberState::Status::kPausing &&
        fiber.loaded_cell == cell) {
      WakeUp(&fiber);
    }
  }
}

}  // namespace paceline::sim
