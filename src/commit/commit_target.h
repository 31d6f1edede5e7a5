// CommitTarget: the steps of a commit that touch the log and the memtables, as
// an interface. The protocol is tested against fakes of it.

#pragma once

#include "paceline/status.h"

#include "src/commit/write_thread.h"

namespace paceline {

class CommitTarget {
 public:
  virtual ~CommitTarget() = default;

  // True if something must be done before the next group that needs the
  // leader to be alone: MakeRoom() is then called with nothing in flight.
  [[nodiscard]] virtual bool NeedsRoom() const
      REQUIRES(WriteThread::write_leader) = 0;
  // Seals full memtables and switches the log. An error fails the leader
  // alone: nothing was written, so its caller may try again.
  virtual Status MakeRoom() REQUIRES(WriteThread::write_leader) = 0;

  // OK, or why this Writer's batch must not be committed. The batch is
  // well-formed.
  [[nodiscard]] virtual Status Validate(const Writer& writer)
      REQUIRES(WriteThread::write_leader) = 0;

  // Appends one record with the entries of every Writer for which
  // has_entries() is true. On an error any part of it may be in the log.
  virtual Status AppendToWal(const WriteGroup& group)
      REQUIRES(WriteThread::write_leader) = 0;

  // Inserts the Writer's entries, with its sequence numbers, into the
  // memtables. Called by several threads at once, for different Writers.
  virtual void ApplyToMemTables(const Writer& writer) = 0;

  // Makes everything that was appended before the call survive a power cut.
  // Called by one thread at a time, also while a leader appends.
  virtual Status SyncWal() = 0;
};

}  // namespace paceline
