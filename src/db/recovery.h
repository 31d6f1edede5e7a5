// Recovery: replays the WALs over what the MANIFEST says.

#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "paceline/env.h"
#include "paceline/options.h"

#include "src/format/predecessor_note.h"
#include "src/version/column_family.h"
#include "src/version/manifest_state.h"
#include "src/version/version_set.h"

namespace paceline {

struct ReplayResult {
  SequenceNumber last_sequence = 0;
  // How many WALs were read.
  size_t wals = 0;
  uint64_t records = 0;
  // What a WAL that follows these has to note.
  PredecessorNote end;
  // False if anything was left out: a torn tail, damage, or WALs behind it.
  // Read again in another mode, or with another WAL behind them, such WALs may
  // give other entries.
  bool is_clean = true;
};

// The families that are replayed into, by id. Entries of others are passed
// over.
using FamiliesById = std::map<uint32_t, std::shared_ptr<ColumnFamily>>;

// Replays the WALs in `directory` that `state` does not say are obsolete into
// the mutable memtables. What damage means depends on `mode`
// (docs/file_formats.md). Changes no file. Errors are as for DB::Open().
StatusOr<ReplayResult> ReplayWals(FileSystem* file_system, Logger* logger,
                                  const std::string& directory,
                                  WALRecoveryMode mode,
                                  const ManifestState& state,
                                  const FamiliesById& families);

// Writes what the memtables of `families` hold into tables, in one step with
// leaving all WALs there are behind: they are not needed any more when this
// returns OK. Nothing may be written meanwhile. On an error nothing has
// changed that counts.
Status FlushRecovered(const DBOptions& options, const std::string& directory,
                      VersionSet* versions, const FamiliesById& families,
                      SequenceNumber last_sequence);

}  // namespace paceline
