#include "test/support/sim/commit_scenario.h"

#include <utility>

#include "src/base/random.h"

namespace paceline::sim {

std::string Scenario::Text() const {
  std::string text;
  for (const auto& writes : writers) {
    text += "writer:";
    for (const Write& write : writes) {
      text += ' ' + std::to_string(write.entries) + 'x' +
              std::to_string(write.value_bytes);
      if (write.sync) text += "+sync";
      if (write.disable_wal) text += "+disable_wal";
      if (write.no_slowdown) text += "+no_slowdown";
      if (write.is_refused) text += "+refused";
    }
    text += '\n';
  }
  auto add = [&text](const char* name, size_t value) {
    if (value != 0)
      text += std::string(name) + '=' + std::to_string(value) + ' ';
  };
  add("readers", static_cast<size_t>(readers));
  add("visible_before_durable", visible_before_durable);
  add("group_bytes_max", group_bytes_max);
  add("failing_append", static_cast<size_t>(failing_append));
  add("failing_sync", static_cast<size_t>(failing_sync));
  add("failing_room", static_cast<size_t>(failing_room));
  add("needs_room_every", static_cast<size_t>(needs_room_every));
  add("exclusives", static_cast<size_t>(exclusives));
  add("resumes", resumes);
  add("stops", stops);
  add("delays", delays);
  add("closes", closes);
  return text;
}

Scenario RandomScenario(uint64_t seed) {
  Random random(seed);
  auto one_in = [&random](uint64_t n) { return random.Uniform(n) == 0; };
  Scenario scenario;
  bool has_syncs = !one_in(4);
  bool is_large = one_in(6);  // Batches that are handed on early.
  bool has_many = one_in(6);  // Batches that are inserted together.
  bool has_refused = one_in(3);
  bool has_unlogged = one_in(3);
  uint64_t threads = 2 + random.Uniform(4);
  for (uint64_t t = 0; t < threads; ++t) {
    std::vector<Scenario::Write> writes(1 +
                                        random.Uniform(threads > 3 ? 2 : 3));
    bool is_impatient = one_in(4);
    for (auto& write : writes) {
      write.no_slowdown = is_impatient;
      write.disable_wal = has_unlogged && one_in(3);
      write.sync = has_syncs && !write.disable_wal && !one_in(3);
      write.is_refused = has_refused && one_in(4);
      write.entries = has_many
                          ? 60 + static_cast<uint32_t>(random.Uniform(3)) * 50
                          : 1 + static_cast<uint32_t>(random.Uniform(2));
      if (is_large && one_in(3)) write.value_bytes = 70 << 10;
      if (write.sync && one_in(8)) write.entries = 0;
    }
    scenario.writers.push_back(std::move(writes));
  }
  scenario.readers = one_in(3) ? 1 : 0;
  scenario.visible_before_durable = one_in(4);
  if (one_in(4)) scenario.group_bytes_max = 100;
  if (one_in(4))
    scenario.failing_append = 1 + static_cast<int>(random.Uniform(4));
  if (has_syncs && one_in(3)) {
    scenario.failing_sync = 1 + static_cast<int>(random.Uniform(3));
  }
  if (one_in(4))
    scenario.needs_room_every = 1 + static_cast<int>(random.Uniform(3));
  if (scenario.needs_room_every > 0 && one_in(2)) {
    scenario.failing_room = 1 + static_cast<int>(random.Uniform(3));
  }
  if (one_in(4)) scenario.exclusives = 1 + static_cast<int>(random.Uniform(2));
  scenario.resumes = one_in(2);
  scenario.stops = one_in(4);
  scenario.delays = one_in(8);
  scenario.closes = one_in(6);
  return scenario;
}

}  // namespace paceline::sim
