// CrashOracle: tells from the history of a simulated disk what a database on
// it must hold after a crash, and compares.

#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "paceline/db.h"

#include "test/support/model.h"
#include "test/support/sim_file_system.h"
#include "test/support/test_database.h"

namespace paceline {

// What a test notes in the history of a disk. What was called may have
// happened; what has returned OK has.
enum class SimNote : char {
  kOpening = 'o',
  kOpened = 'O',
  kWriting = 'w',      // value: the batch's id; bytes: its operations.
  kWritten = 'W',      // value: the batch's id
  kWrittenSync = 'S',  // value: the batch's id
  // Of a call that makes all that was acknowledged before it survive a power
  // cut (SyncWAL, Flush, Close).
  kSyncing = 'y',   // value: a number of the call's own
  kSynced = 'Y',    // value: that number
  kCreating = 'c',  // bytes: the name of a column family
  kCreated = 'C',
  kDropping = 'd',
  kDropped = 'D',
};
uint64_t Note(SimFileSystem* files, SimNote note, uint64_t value,
              const std::string& bytes = {});

// What is noted with kWriting.
std::string EncodeOperations(const std::vector<ModelOperation>& operations);

// Every batch begins with a Put of this key into the default column family; it
// is never deleted.
std::string LedgerKey(uint64_t id);

// Thread-compatible.
class CrashOracle {
 public:
  // A batch, as it was committed.
  struct Commit {
    uint64_t id = 0;
    std::vector<ModelOperation> operations;
    SequenceNumber last_sequence = 0;
  };

  // The history begins with a database that holds `initial` at the sequence
  // number `sequence`; or with none, if `is_new`. The order of the commits is
  // read from the WALs.
  CrashOracle(const SimHistory* history, Model initial, SequenceNumber sequence,
              bool is_new);

  // What is wrong with `database`, which was opened on an image of the first
  // `events` events; empty: nothing. On success `*found` and `*sequence` are
  // what it holds.
  std::string Check(size_t events, const TestDatabase& database, Model* found,
                    SequenceNumber* sequence) const;
  // True if there may be no database after the first `events` events.
  [[nodiscard]] bool MayBeMissing(size_t events) const;
  // Faults of the history itself, such as a gap between sequence numbers.
  [[nodiscard]] const std::string& flaw() const { return flaw_; }
  [[nodiscard]] size_t commits() const { return commits_.size(); }

  // Numbers of events right after which a crash is likely to find something,
  // and those inside of Open().
  [[nodiscard]] const std::vector<size_t>& hot_events() const {
    return hot_events_;
  }
  [[nodiscard]] const std::vector<size_t>& open_events() const {
    return open_events_;
  }

 private:
  // What must and may be found after some events.
  struct Bounds {
    size_t commits_min = 0;
    std::set<std::string> families;       // Exist.
    std::set<std::string> open_families;  // May exist.
  };

  void ReadNotes();
  void ReadWals();
  [[nodiscard]] Bounds BoundsAt(size_t events) const;
  [[nodiscard]] Model StateAfter(size_t commits) const;

  const SimHistory* const history_;
  const Model initial_;
  const SequenceNumber initial_sequence_;
  const bool is_new_;
  std::map<uint64_t, std::vector<ModelOperation>> batches_;  // By id.
  std::vector<Commit> commits_;
  std::map<uint64_t, size_t> order_;  // From an id to an index of commits_.
  std::vector<size_t> hot_events_;
  std::vector<size_t> open_events_;
  std::string flaw_;
  // States after every so many commits.
  mutable std::vector<Model> states_;
};

}  // namespace paceline
