// CompactionJob: carries out a Compaction.

#pragma once

#include <functional>
#include <vector>

#include "src/compaction/compaction_picker.h"
#include "src/compaction/table_output.h"

namespace paceline {

struct CompactionResult {
  std::vector<FileMetaData> files;  // What the inputs became.
  uint64_t bytes_read = 0;
  uint64_t bytes_written = 0;
  uint64_t entries_read = 0;
  uint64_t entries_written = 0;
  uint64_t micros = 0;
};

struct CompactionContext {
  TableOutput::Config output;
  Clock* clock = nullptr;
  Logger* logger = nullptr;
  std::vector<SequenceNumber> snapshots;  // Ascending.
  // Asked now and then; true ends the job with ShutdownInProgress.
  std::function<bool()> is_stopping;
};

// Merges the inputs, drops what nobody can see, and writes the rest. Not for a
// trivial move. On an error no file is left behind.
StatusOr<CompactionResult> RunCompaction(const Compaction& compaction,
                                         const CompactionContext& context);

}  // namespace paceline
