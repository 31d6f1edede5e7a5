// RocksDB as a second opinion on what a database directory contains. Nothing
// here shows RocksDB's own types, so that tests need not mix the two.

#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "paceline/options.h"
#include "paceline/status.h"

#include "test/support/batch_bytes.h"
#include "test/support/model.h"
#include "test/support/test_database.h"

namespace paceline {

struct PeerOptions {
  bool is_reversed = false;  // Ordered by ReverseBytewiseComparator().
  bool read_only = false;
  WALRecoveryMode wal_recovery_mode = WALRecoveryMode::kAbsoluteConsistency;
  // Has a tree of small tables, in forms that this seed chooses among those
  // that Paceline reads. None: never makes SST files, neither when it recovers
  // nor when it closes.
  std::optional<uint64_t> tree_seed = std::nullopt;
};

// A database opened by RocksDB, with all its column families.
// Thread-compatible.
class RocksDBPeer {
 public:
  RocksDBPeer();
  ~RocksDBPeer();  // Closes.
  RocksDBPeer(const RocksDBPeer&) = delete;
  RocksDBPeer& operator=(const RocksDBPeer&) = delete;

  // Opens, or makes, the database. Errors have RocksDB's text.
  Status Open(const PeerOptions& options, const std::string& directory);
  void Close();

  Status CreateFamily(const std::string& name);
  Status DropFamily(const std::string& name);
  // As one batch, with a piece of log data in front.
  Status Write(const std::vector<ModelOperation>& operations);
  [[nodiscard]] Contents ReadAll() const;

  // Of all column families.
  Status Flush();
  Status CompactAll();
  // Reads every file.
  Status VerifyChecksums();
  // A snapshot that stays until Close(), so that compactions keep what it sees.
  void HoldSnapshot();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// What RocksDB finds in the bytes of a batch, or why it does not accept them.
Status RocksDBIterates(const std::string& batch,
                       std::vector<ReferenceEntry>* entries);

// Whether RocksDB can read the OPTIONS file in `directory`.
Status RocksDBLoadsOptions(const std::string& directory);

}  // namespace paceline
