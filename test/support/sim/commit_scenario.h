// Scenario: what the threads of a simulated run of commits do.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace paceline::sim {

// What the threads of a run do. Every field counts from what is usual.
struct Scenario {
  struct Write {
    uint32_t entries = 1;  // 0: wants a sync and nothing else.
    uint32_t value_bytes = 10;
    bool sync = false;
    bool disable_wal = false;
    bool no_slowdown = false;
    bool is_refused = false;  // By CommitTarget::Validate().
  };

  std::vector<std::vector<Write>> writers;  // One thread each.
  int readers = 0;
  int reads = 4;  // Of each reader.

  bool visible_before_durable = false;
  size_t group_bytes_max = size_t{1} << 20;

  // Which append, sync or request for room fails, from 1; 0: none.
  int failing_append = 0;
  int failing_sync = 0;
  int failing_room = 0;
  // Which requests need room: each n-th; 0: none.
  int needs_room_every = 0;

  // A thread that is alone on the write path for a while, so many times.
  int exclusives = 0;
  // It mends failures.
  bool resumes = false;
  // Writes are stopped until every thread has returned whose writes all have
  // no_slowdown.
  bool stops = false;
  // The rate of writes is limited for a while.
  bool delays = false;
  // The writes are ended like those of a DB that is closed.
  bool closes = false;

  // Time stands still but for what each thread adds itself, so that the order
  // of independent steps makes no difference.
  bool has_own_time = false;

  [[nodiscard]] std::string Text() const;
};

// Threads, options, faults and events chosen by a seed.
Scenario RandomScenario(uint64_t seed);

}  // namespace paceline::sim
