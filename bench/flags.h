// Flags: what paceline_bench was asked to do. The names are db_bench's where
// db_bench has the same thing.

#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "bench/engine.h"

namespace paceline::bench {

// An engine to measure.
struct EngineChoice {
  // As in --engine: "rocksdb:pipelined".
  std::string name;
  EngineType type;
  std::string mode;
  // Choices of the same rival are compared as one: whichever is fastest in a
  // row. "rocksdb:best", or the name.
  std::string rival;
};

struct Flags {
  std::vector<std::string> benchmarks;
  // The first one is compared with the others.
  std::vector<EngineChoice> engines;
  std::vector<int> threads;
  std::vector<bool> sync;
  int runs = 1;

  uint64_t num = 1'000'000;
  std::optional<uint64_t> reads = std::nullopt;
  std::optional<uint64_t> writes = std::nullopt;
  // Seconds; 0: until the operations are done.
  double duration = 0;
  int key_size = 16;
  uint64_t value_size = 100;
  double compression_ratio = 0.5;
  // 0: the workload's default.
  uint64_t batch_size = 0;
  uint64_t seek_nexts = 0;
  uint64_t seed = 1;
  bool disable_wal = false;

  uint64_t write_buffer_size = uint64_t{64} << 20;
  uint64_t target_file_size_base = uint64_t{64} << 20;
  uint64_t cache_size = 0;
  double bloom_bits = 0;
  std::string compression = "default";
  // Empty: a temporary directory.
  std::string db;
  bool use_existing_db = false;

  bool histogram = false;
  bool stats = false;
  // Files to write; empty: none.
  std::string json;
  std::string markdown;
};

// Fills `*flags`. If the program has nothing to do but to end, for --help or
// because a flag is wrong, says so to the user and returns the exit code.
std::optional<int> ParseFlags(int argc, const char* const* argv,
                              std::span<const EngineType> engine_types,
                              Flags* flags);

}  // namespace paceline::bench
