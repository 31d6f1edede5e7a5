// Isolated runs: each in a process of its own, so that no engine inherits the
// memory that another one has touched, freed or fragmented, nor its threads.

#pragma once

#include <functional>
#include <vector>

#include "paceline/status.h"

#include "bench/result.h"

namespace paceline::bench {

// Calls `run` in a child process and returns what it returned; IOError if the
// process died. The calling process must have no other threads.
StatusOr<std::vector<RunResult>> RunIsolated(
    const std::function<StatusOr<std::vector<RunResult>>()>& run);

}  // namespace paceline::bench
