// MemTableRun: groups of batches that threads insert into a MemTable, as the
// commit path does, beside threads that read what is visible; and ArenaRun,
// the same for the memory below it. In a simulation.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "paceline/comparator.h"
#include "paceline/snapshot.h"

#include "src/format/internal_key.h"
#include "test/support/sim/simulator.h"

namespace paceline::sim {

// Entries have consecutive sequence numbers, from 1: first those that are
// there when the threads start, then group by group, batch by batch.
struct MemTableScenario {
  struct Entry {
    ValueType type = ValueType::kValue;
    std::string key;
    std::string end;  // Of a range deletion.
  };
  struct Read {
    enum class Kind : uint8_t { kVersions, kWalk, kWalkBack, kCovering };
    Kind kind = Kind::kVersions;
    std::string key;  // Of kVersions and kCovering.
  };

  const Comparator* comparator = BytewiseComparator();
  std::vector<Entry> before;
  // Of each group, what each of its writers inserts. A group becomes visible
  // when all have done so; only then the next one begins.
  std::vector<std::vector<std::vector<Entry>>> groups;
  // One thread each.
  std::vector<std::vector<Read>> readers;

  [[nodiscard]] std::string Text() const;
};

MemTableScenario RandomMemTableScenario(uint64_t seed);

// Runs it once. A read at the visible sequence number must find what was
// inserted up to it, exactly.
Outcome RunMemTable(const MemTableScenario& scenario, Config config,
                    Strategy* strategy);

// What each thread takes from an Arena, in bytes.
struct ArenaScenario {
  std::vector<std::vector<size_t>> threads;

  [[nodiscard]] std::string Text() const;
};

ArenaScenario RandomArenaScenario(uint64_t seed);

// Runs it once, beside a thread that asks how much is in use. No two pieces
// may overlap.
Outcome RunArena(const ArenaScenario& scenario, Config config,
                 Strategy* strategy);

}  // namespace paceline::sim
