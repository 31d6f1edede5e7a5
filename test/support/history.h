// History: what threads did to a database and saw of it. Its check finds
// whether one order of all of it explains what they saw.
//
// The order of the batches is that of their sequence numbers, which a test
// reads from the WALs. So nothing has to be searched for: each batch took
// effect at the earliest moment that the calls before it and the reads that did
// not see it yet permit, and every call must have been under way at its moment.

#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "paceline/snapshot.h"

namespace paceline {

// A key of any column family, as a number that the test gives it. Numbers in
// a row are a range.
using HistoryKey = uint32_t;

// One change of a batch.
struct HistoryEntry {
  enum class Kind { kPut, kDelete, kDeleteRange };
  Kind kind = Kind::kPut;
  HistoryKey key = 0;  // The first one, of a kDeleteRange.
  HistoryKey end = 0;  // Of a kDeleteRange: the first key behind it.
};

// A call of Write().
struct HistoryBatch {
  // What its caller was told.
  enum class Outcome {
    kOk,
    kRefused,  // Nothing happened.
    kUnknown,  // It failed; readers must not see it before the next open.
  };
  uint64_t id = 0;  // Its own; not 0.
  Outcome outcome = Outcome::kOk;
  uint64_t invoked = 0;
  uint64_t returned = 0;
  std::vector<HistoryEntry> entries = {};
};

// What a read found under one key.
struct Sighting {
  HistoryKey key = 0;
  uint64_t batch = 0;  // Whose value it is; 0: there is none.
  uint32_t entry = 0;  // And by which of its entries.
};

// A read of any number of keys at one point in time.
struct HistoryRead {
  // A read at a snapshot: when it was made says nothing.
  static constexpr uint64_t kAnyTime = UINT64_MAX;

  const char* call = "";  // For messages.
  uint64_t invoked = 0;
  uint64_t returned = kAnyTime;
  // If the point in time is known.
  std::optional<SequenceNumber> sequence = std::nullopt;
  std::vector<Sighting> sightings = {};
};

// A batch in the WAL.
struct LoggedBatch {
  uint64_t id = 0;
  SequenceNumber first_sequence = 0;
  uint64_t entries = 0;
};

// What one thread did. Used by that thread only.
struct HistoryPart {
  // Nanoseconds from an arbitrary start, the same for all threads.
  static uint64_t Now() {
    return static_cast<uint64_t>(
        std::chrono::steady_clock::now().time_since_epoch().count());
  }

  std::vector<HistoryBatch> batches;
  std::vector<HistoryRead> reads;
};

// Begins with an empty database. Thread-compatible.
class History {
 public:
  // `first_sequence` is the number that the first batch takes, and `log` has
  // the batches in the order of the WALs.
  History(std::vector<HistoryPart> parts, std::vector<LoggedBatch> log,
          SequenceNumber first_sequence);

  // What contradicts what; empty: nothing.
  std::string Check();

 private:
  // Positions are numbers of batches: at position p the first p of them have
  // taken effect.
  using Position = uint32_t;

  // [begin, end); empty if they are equal.
  struct Interval {
    Position begin = 0;
    Position end = 0;
  };

  // What a key is set to by a batch.
  struct Change {
    Position position = 0;  // From which on it holds.
    uint64_t batch = 0;     // 0: the key has no value.
    uint32_t entry = 0;
  };

  // A batch that committed.
  struct Commit {
    const HistoryBatch* batch = nullptr;
    SequenceNumber first_sequence = 0;
    SequenceNumber last_sequence = 0;
  };

  // Where a read may have taken place.
  struct Placement {
    const HistoryRead* read = nullptr;
    std::vector<Interval> candidates;  // Ascending.
  };

  std::string OrderBatches();
  std::string CheckAllLogged() const;
  void CollectChanges();
  void CollectTimes();
  std::string FindCandidates();
  std::string Narrow(const HistoryRead& read, Interval window,
                     std::vector<Interval>* candidates) const;
  std::string NarrowByValue(const HistoryRead& read, const Sighting& sighting,
                            std::vector<Interval>* candidates) const;
  void NarrowByAbsence(const Sighting& sighting, Interval window,
                       std::vector<Interval>* candidates) const;
  std::string WindowOf(const HistoryRead& read, Interval* window) const;
  [[nodiscard]] Position FirstAfter(uint64_t invoked) const;
  [[nodiscard]] Position LastBefore(uint64_t returned) const;
  [[nodiscard]] const std::vector<Change>& ChangesOf(HistoryKey key) const;
  std::string Sweep();
  std::string PlaceReads(bool* has_changed);

  const std::vector<HistoryPart> parts_;
  const std::vector<LoggedBatch> log_;
  const SequenceNumber first_sequence_;

  std::unordered_map<uint64_t, const HistoryBatch*> batches_;  // By id.
  bool has_failures_ = false;  // Some batch's outcome is unknown.
  std::vector<Commit> commits_;
  std::vector<std::vector<Change>> changes_;  // By key; in order.
  // Sorted by time; with the last position that a batch returned by then has
  // reached, and the first that a batch invoked from then on may reach.
  std::vector<std::pair<uint64_t, Position>> returns_;
  std::vector<std::pair<uint64_t, Position>> invocations_;
  std::vector<Placement> placements_;
  // When each position is reached at the earliest, and what reads alone say
  // about that.
  std::vector<uint64_t> earliest_;
  std::vector<uint64_t> not_before_;
};

}  // namespace paceline
