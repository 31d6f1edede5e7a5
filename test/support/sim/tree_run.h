// TreeRun: threads that insert into an EntryTree and walk over it, in a
// simulation, and what each step of a walk must find.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "paceline/comparator.h"

#include "test/support/sim/simulator.h"

namespace paceline::sim {

// What the threads of a run do. Entries are named by their rank in the order
// of the tree.
struct TreeScenario {
  struct Entry {
    std::string user_key;
    uint64_t tag = 0;
  };
  struct Move {
    enum class Kind : uint8_t {
      kFirst,
      kLast,
      kSeek,
      kSeekForPrev,
      kNext,
      kPrev
    };
    Kind kind = Kind::kNext;
    size_t rank = 0;  // Of the target of a search.
  };

  const Comparator* comparator = BytewiseComparator();
  std::vector<Entry> entries;  // In order.
  // Which are there when the threads start, as they were inserted.
  std::vector<size_t> before;
  // One thread each: the ranks that it inserts, the moves that it makes.
  std::vector<std::vector<size_t>> writers;
  std::vector<std::vector<Move>> readers;

  [[nodiscard]] std::string Text() const;
};

// Sorts the entries by the comparator of the scenario.
void SortEntries(TreeScenario* scenario);

// Entries, their order, threads and moves chosen by a seed.
TreeScenario RandomTreeScenario(uint64_t seed);

// Runs it once. Each move of a reader must find an entry in its direction, or
// the end, and pass none whose insert had returned before the move began. With
// weak memory, the reader must know of that by the orders of atomic accesses.
Outcome RunTree(const TreeScenario& scenario, Config config,
                Strategy* strategy);

}  // namespace paceline::sim
