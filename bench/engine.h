// Engine: what the benchmark asks of a key-value store. Paceline and each of
// its peers implement it in a file of their own, as thin as they can, so that
// every one of them is driven by exactly the same code.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "paceline/slice.h"
#include "paceline/status.h"

namespace paceline::bench {

struct EngineOptions {
  // One of EngineType::modes; empty for the engine's defaults.
  std::string mode;
  // Exists already; may be empty or hold a database of this engine.
  std::string directory;
  // Bytes of writes kept in memory, for engines that have such a limit.
  uint64_t write_buffer_size = uint64_t{64} << 20;
  uint64_t target_file_size = uint64_t{64} << 20;
  // Bytes of the block cache, for engines that have one; 0: their default.
  uint64_t cache_size = 0;
  // Of a Bloom filter, per key; 0: none.
  double bloom_bits = 0;
  // "none", "snappy", "lz4" or "zstd"; "default": the engine's.
  std::string compression = "default";
  // The most threads that use the engine at once.
  int threads_max = 1;
  // Count groups and syncs even where counting slows the engine down.
  bool count_events = false;
};

struct WriteMode {
  // A write returns only when it survives a power cut.
  bool sync = false;
  // Writes are not logged.
  bool disable_wal = false;
};

// Counted since the engine was opened; absent where the engine cannot tell.
struct EngineCounters {
  std::optional<uint64_t> commits = std::nullopt;
  std::optional<uint64_t> groups = std::nullopt;
  std::optional<uint64_t> syncs = std::nullopt;
  // Bytes of tables written by flushes and compactions.
  std::optional<uint64_t> table_bytes = std::nullopt;
};

struct Entry {
  Slice key;
  Slice value;
};

// The entries in key order, at one point in time. The moves return whether
// the cursor then stands on an entry. Thread-compatible.
class Cursor {
 public:
  virtual ~Cursor() = default;
  virtual bool SeekToFirst() = 0;
  virtual bool SeekToLast() = 0;
  // To the first entry at or after `target`.
  virtual bool Seek(const Slice& target) = 0;
  virtual bool Next() = 0;
  virtual bool Prev() = 0;
  [[nodiscard]] virtual Slice key() const = 0;
  [[nodiscard]] virtual Slice value() const = 0;
  [[nodiscard]] virtual Status status() const = 0;
};

// One thread's way into an Engine; holds what an application would keep and
// reuse. Made by any thread, then used by one. The Engine must outlive it.
class Session {
 public:
  virtual ~Session() = default;

  virtual Status Put(const Slice& key, const Slice& value) = 0;
  // All entries, atomically.
  virtual Status PutBatch(std::span<const Entry> entries) = 0;
  // OK whether or not the key exists.
  virtual Status Delete(const Slice& key) = 0;
  // NotFound if there is no such key.
  virtual Status Get(const Slice& key, size_t* value_size) = 0;
  // Adds the number of keys found, and the bytes of their values.
  virtual Status MultiGet(std::span<const Slice> keys, uint64_t* found,
                          uint64_t* value_bytes) = 0;
  virtual StatusOr<std::unique_ptr<Cursor>> NewCursor() = 0;
};

// An open database. Thread-safe; closes when destroyed, after its sessions.
class Engine {
 public:
  virtual ~Engine() = default;
  // NotSupported if the engine cannot write in this mode. Sessions that exist
  // at the same time must have the same mode.
  virtual StatusOr<std::unique_ptr<Session>> NewSession(WriteMode mode) = 0;
  [[nodiscard]] virtual EngineCounters Counters() const = 0;
  // Rewrites the whole database in its final form.
  virtual Status Compact() {
    return Status::NotSupported("this engine has no compaction");
  }
  // Returns when nothing is being done in the background.
  virtual Status Settle() { return Status::OK(); }
};

// A kind of engine that this program was built with.
struct EngineType {
  std::string name;
  std::string version;
  // Sets of options that `--engine=name:mode` chooses.
  std::vector<std::string> modes;
  StatusOr<std::unique_ptr<Engine>> (*open)(const EngineOptions& options) =
      nullptr;
  // Removes the database in the directory, if there is one; nothing else.
  Status (*destroy)(const std::string& directory) = nullptr;
};

// Paceline first, then its peers. Built only where CMake finds the library.
EngineType PacelineEngine();
EngineType RocksDBEngine();
EngineType LevelDBEngine();
EngineType LMDBEngine();

// Those that were built.
std::vector<EngineType> EngineTypes();

}  // namespace paceline::bench
