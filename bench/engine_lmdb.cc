// LMDB as an Engine: a B+tree in a memory map, with one writer at a time.
// Every Put is a write transaction of its own. Without sync the environment
// has MDB_NOSYNC, so that a commit survives the death of the process, like a
// write without sync elsewhere.

#include <lmdb.h>

#include <filesystem>

#include "bench/engine.h"

namespace paceline::bench {

namespace {

// An upper limit of the database. It reserves address space, not memory or
// disk; larger than any disk this is likely to be run on.
constexpr size_t kMapBytes = size_t{1} << 40;

// Read transactions of a session at one time: that of Get() and a cursor's.
constexpr int kReadersPerSession = 2;

Status ToStatus(int error) {
  if (error == 0) return Status::OK();
  if (error == MDB_NOTFOUND) return Status::NotFound();
  return Status::IOError("lmdb", mdb_strerror(error));
}

MDB_val ToLMDB(const Slice& slice) {
  // LMDB does not change what it is given to read.
  return {slice.size(), const_cast<char*>(slice.data())};
}

Slice FromLMDB(const MDB_val& value) {
  return {static_cast<const char*>(value.mv_data), value.mv_size};
}

struct Environment {
  MDB_env* env = nullptr;
  MDB_dbi table = 0;
};

class LMDBCursor : public Cursor {
 public:
  // Takes over `transaction` and `cursor`.
  LMDBCursor(MDB_txn* transaction, MDB_cursor* cursor)
      : transaction_(transaction), cursor_(cursor) {}
  ~LMDBCursor() override {
    mdb_cursor_close(cursor_);
    mdb_txn_abort(transaction_);
  }

  bool SeekToFirst() override { return Move(MDB_FIRST); }
  bool SeekToLast() override { return Move(MDB_LAST); }
  bool Seek(const Slice& target) override {
    key_ = ToLMDB(target);
    return Move(MDB_SET_RANGE);
  }
  bool Next() override { return Move(MDB_NEXT); }
  bool Prev() override { return Move(MDB_PREV); }
  Slice key() const override { return FromLMDB(key_); }
  Slice value() const override { return FromLMDB(value_); }
  Status status() const override {
    return error_ == MDB_NOTFOUND ? Status::OK() : ToStatus(error_);
  }

 private:
  bool Move(MDB_cursor_op move) {
    error_ = mdb_cursor_get(cursor_, &key_, &value_, move);
    return error_ == 0;
  }

  MDB_txn* const transaction_;
  MDB_cursor* const cursor_;
  MDB_val key_{};
  MDB_val value_{};
  int error_ = 0;
};

class LMDBSession : public Session {
 public:
  explicit LMDBSession(const Environment& environment)
      : environment_(environment) {}
  ~LMDBSession() override {
    if (reader_ != nullptr) mdb_txn_abort(reader_);
  }

  Status Put(const Slice& key, const Slice& value) override {
    Entry entry{.key = key, .value = value};
    return PutBatch({&entry, 1});
  }

  Status PutBatch(std::span<const Entry> entries) override {
    MDB_txn* writer = nullptr;
    int error = mdb_txn_begin(environment_.env, nullptr, 0, &writer);
    if (error != 0) return ToStatus(error);
    for (const Entry& entry : entries) {
      MDB_val key = ToLMDB(entry.key);
      MDB_val value = ToLMDB(entry.value);
      error = mdb_put(writer, environment_.table, &key, &value, 0);
      if (error != 0) return Abort(writer, error);
    }
    return ToStatus(mdb_txn_commit(writer));
  }

  Status Delete(const Slice& key) override {
    MDB_txn* writer = nullptr;
    int error = mdb_txn_begin(environment_.env, nullptr, 0, &writer);
    if (error != 0) return ToStatus(error);
    MDB_val removed = ToLMDB(key);
    error = mdb_del(writer, environment_.table, &removed, nullptr);
    if (error != 0 && error != MDB_NOTFOUND) return Abort(writer, error);
    return ToStatus(mdb_txn_commit(writer));
  }

  Status Get(const Slice& key, size_t* value_size) override {
    uint64_t found = 0;
    uint64_t value_bytes = 0;
    Status s = MultiGet({&key, 1}, &found, &value_bytes);
    *value_size = value_bytes;
    return s.ok() && found == 0 ? Status::NotFound() : s;
  }

  Status MultiGet(std::span<const Slice> keys, uint64_t* found,
                  uint64_t* value_bytes) override {
    // A transaction that is reset and renewed costs no allocation.
    int error = reader_ != nullptr ? mdb_txn_renew(reader_)
                                   : mdb_txn_begin(environment_.env, nullptr,
                                                   MDB_RDONLY, &reader_);
    if (error != 0) return ToStatus(error);
    for (const Slice& slice : keys) {
      MDB_val key = ToLMDB(slice);
      MDB_val value{};
      error = mdb_get(reader_, environment_.table, &key, &value);
      if (error == MDB_NOTFOUND) continue;
      if (error != 0) break;
      ++*found;
      *value_bytes += value.mv_size;
    }
    mdb_txn_reset(reader_);
    return error == MDB_NOTFOUND ? Status::OK() : ToStatus(error);
  }

  StatusOr<std::unique_ptr<Cursor>> NewCursor() override {
    MDB_txn* transaction = nullptr;
    int error =
        mdb_txn_begin(environment_.env, nullptr, MDB_RDONLY, &transaction);
    if (error != 0) return ToStatus(error);
    MDB_cursor* cursor = nullptr;
    error = mdb_cursor_open(transaction, environment_.table, &cursor);
    if (error != 0) return Abort(transaction, error);
    return std::unique_ptr<Cursor>(
        std::make_unique<LMDBCursor>(transaction, cursor));
  }

 private:
  static Status Abort(MDB_txn* transaction, int error) {
    mdb_txn_abort(transaction);
    return ToStatus(error);
  }

  const Environment environment_;
  MDB_txn* reader_ = nullptr;
};

class LMDBDatabase : public Engine {
 public:
  explicit LMDBDatabase(const Environment& environment)
      : environment_(environment) {}
  ~LMDBDatabase() override { mdb_env_close(environment_.env); }

  StatusOr<std::unique_ptr<Session>> NewSession(WriteMode mode) override {
    if (mode.disable_wal) {
      return Status::NotSupported("lmdb: has no log to write without");
    }
    int error =
        mdb_env_set_flags(environment_.env, MDB_NOSYNC, mode.sync ? 0 : 1);
    if (error != 0) return ToStatus(error);
    return std::unique_ptr<Session>(
        std::make_unique<LMDBSession>(environment_));
  }

  EngineCounters Counters() const override { return {}; }

 private:
  const Environment environment_;
};

// Creates the table if it is missing.
int OpenTable(Environment* environment) {
  MDB_txn* transaction = nullptr;
  int error = mdb_txn_begin(environment->env, nullptr, 0, &transaction);
  if (error != 0) return error;
  error = mdb_dbi_open(transaction, nullptr, 0, &environment->table);
  if (error == 0) return mdb_txn_commit(transaction);
  mdb_txn_abort(transaction);
  return error;
}

int OpenEnvironment(const EngineOptions& options, Environment* environment) {
  int error = mdb_env_set_mapsize(environment->env, kMapBytes);
  if (error != 0) return error;
  error = mdb_env_set_maxreaders(
      environment->env,
      static_cast<unsigned>(kReadersPerSession * options.threads_max));
  if (error != 0) return error;
  // MDB_NOTLS: a read transaction belongs to its session, not to its thread.
  error = mdb_env_open(environment->env, options.directory.c_str(), MDB_NOTLS,
                       0644);
  return error != 0 ? error : OpenTable(environment);
}

StatusOr<std::unique_ptr<Engine>> Open(const EngineOptions& options) {
  Environment environment;
  int error = mdb_env_create(&environment.env);
  if (error != 0) return ToStatus(error);
  error = OpenEnvironment(options, &environment);
  // Closes the environment, also after an error.
  std::unique_ptr<Engine> engine = std::make_unique<LMDBDatabase>(environment);
  if (error != 0) return ToStatus(error);
  return engine;
}

Status Destroy(const std::string& directory) {
  for (const char* name : {"data.mdb", "lock.mdb"}) {
    std::error_code error;
    std::filesystem::remove(std::filesystem::path(directory) / name, error);
    if (error) return Status::IOError("lmdb: " + directory, error.message());
  }
  return Status::OK();
}

}  // namespace

EngineType LMDBEngine() {
  return {.name = "lmdb",
          .version = std::to_string(MDB_VERSION_MAJOR) + "." +
                     std::to_string(MDB_VERSION_MINOR) + "." +
                     std::to_string(MDB_VERSION_PATCH),
          .modes = {},
          .open = Open,
          .destroy = Destroy};
}

}  // namespace paceline::bench
