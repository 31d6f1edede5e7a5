// The command load: commits records from files with many threads at once.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "paceline/status.h"

#include "cli/output.h"
#include "cli/record_reader.h"

namespace paceline::cli {

struct LoadOptions {
  std::string directory;
  std::vector<std::string> files;  // "-" is standard input.
  std::string column_family = "default";
  RecordFormat format = RecordFormat::kTsv;
  int threads = 8;        // At least 1.
  uint64_t batch = 100;   // Records a commit; at least 1.
  bool sync = false;      // Every commit survives a power cut.
  bool skip_bad = false;  // Go on after a bad line.
  bool print_acks = false;
  bool json = false;  // The summary as JSON; not with print_acks.
};

// Makes the database and the column family if they are missing. One thread
// reads, the others write. Prints the summary to `out` (with print_acks: to
// standard error), also when the load ends early:
//   InvalidArgument  a bad line, unless skip_bad
//   IOError          a file cannot be read, or the database not written
//   otherwise        what DB::Write() returns
// Everything in front of a bad line or an unreadable file is committed.
//
// With print_acks, every commit is followed, once it is acknowledged, by a
// line "first-last" on standard output, written with one system call: the
// numbers of its records. Records are counted from 1 over all files; bad
// lines are not counted.
Status Load(const LoadOptions& options, Output* out);

}  // namespace paceline::cli
