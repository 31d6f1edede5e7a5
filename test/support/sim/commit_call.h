// Call: one write of a simulated run, with all that is known of it; and the
// memory that its Writer lives in.

#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <new>
#include <string>

#include "paceline/write_batch.h"

#include "src/base/sanitizers.h"
#include "src/commit/write_thread.h"
#include "test/support/sim/commit_scenario.h"
#include "test/support/sim/simulator.h"

#if defined(PACELINE_ASAN)
#include <sanitizer/asan_interface.h>
#endif

namespace paceline::sim {

// Memory for one Writer that is never used for another in the same run, so
// that whoever touches the Writer after its end touches poison.
class WriterSlot {
 public:
  WriterSlot() = default;
  ~WriterSlot() { Unlock(); }
  WriterSlot(const WriterSlot&) = delete;
  WriterSlot& operator=(const WriterSlot&) = delete;

  Writer* Make() { return new (memory_) Writer; }
  void End() {
    writer()->~Writer();
    Unseen unseen;
    std::memset(memory_, kPoison, sizeof(memory_));
    has_ended_ = true;
#if defined(PACELINE_ASAN)
    __asan_poison_memory_region(memory_, sizeof(memory_));
#endif
  }
  [[nodiscard]] bool IsUntouched() {
    Unlock();
    return !has_ended_ ||
           std::all_of(std::begin(memory_), std::end(memory_),
                       [](unsigned char byte) { return byte == kPoison; });
  }
  Writer* writer() { return std::launder(reinterpret_cast<Writer*>(memory_)); }
  [[nodiscard]] bool Holds(const void* address) const {
    return address >= memory_ && address < memory_ + sizeof(memory_);
  }

 private:
  static constexpr unsigned char kPoison = 0xDD;

  void Unlock() {
#if defined(PACELINE_ASAN)
    __asan_unpoison_memory_region(memory_, sizeof(memory_));
#endif
  }

  alignas(Writer) unsigned char memory_[sizeof(Writer)];
  bool has_ended_ = false;
};

// The same batch for all runs: making them would take most of the time.
const WriteBatch* BatchOf(uint32_t entries, uint32_t value_bytes);

// One write and what is known of it.
struct Call {
  uint32_t number = 0;  // In `family_ids` of its Writer: its name.
  Scenario::Write write;
  WriterSlot slot;
  bool is_begun = false;
  bool has_returned = false;
  uint32_t begun_at_step = 0;
  uint32_t returned_at_step = 0;
  Moment begun_at;
  // The newest record that had been acknowledged when it began.
  size_t acknowledged_before = 0;

  bool is_validated = false;
  Moment validated_at;
  size_t record = 0;  // In the log; from 1.
  Moment append_failed_at;
  bool is_being_applied = false;
  Moment applied_at;
  bool met_failing_room = false;
  // Its sequence numbers were given up when a failure was mended.
  bool is_given_up = false;

  SequenceNumber sequence_at_end = 0;
  Status status;

  [[nodiscard]] SequenceNumber sequence() {
    if (has_returned) return sequence_at_end;
    return is_begun ? slot.writer()->sequence : 0;
  }
  [[nodiscard]] std::string Name() const {
    return "write " + std::to_string(number);
  }
};

}  // namespace paceline::sim
