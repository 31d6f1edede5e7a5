// Snapshot: a point in time that reads can be asked for.

#pragma once

#include <cstdint>

namespace paceline {

class DB;

using SequenceNumber = uint64_t;

// Made by DB::GetSnapshot(), ended by DB::ReleaseSnapshot(). Immutable.
class Snapshot {
 public:
  // Everything up to this sequence number is part of the snapshot.
  [[nodiscard]] virtual SequenceNumber GetSequenceNumber() const = 0;

 protected:
  virtual ~Snapshot() = default;
};

// Holds a snapshot of `db` for as long as it lives; `db` must outlive it.
class ManagedSnapshot {
 public:
  explicit ManagedSnapshot(DB* db);
  // Takes over `snapshot`, which `db` made.
  ManagedSnapshot(DB* db, const Snapshot* snapshot);
  ~ManagedSnapshot();
  ManagedSnapshot(const ManagedSnapshot&) = delete;
  ManagedSnapshot& operator=(const ManagedSnapshot&) = delete;

  [[nodiscard]] const Snapshot* snapshot() const { return snapshot_; }

 private:
  DB* const db_;
  const Snapshot* const snapshot_;
};

}  // namespace paceline
