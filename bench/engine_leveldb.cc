// LevelDB as an Engine.

#include <leveldb/db.h>
#include <leveldb/write_batch.h>

#include "bench/engine.h"

namespace paceline::bench {

namespace {

Status ToStatus(const leveldb::Status& status) {
  if (status.ok()) return Status::OK();
  if (status.IsNotFound()) return Status::NotFound();
  return Status::IOError("leveldb", status.ToString());
}

leveldb::Slice ToLevelDB(const Slice& slice) {
  return {slice.data(), slice.size()};
}

Slice FromLevelDB(const leveldb::Slice& slice) {
  return {slice.data(), slice.size()};
}

class LevelDBCursor : public Cursor {
 public:
  explicit LevelDBCursor(leveldb::Iterator* iterator) : iterator_(iterator) {}

  bool SeekToFirst() override {
    iterator_->SeekToFirst();
    return iterator_->Valid();
  }
  bool SeekToLast() override {
    iterator_->SeekToLast();
    return iterator_->Valid();
  }
  bool Seek(const Slice& target) override {
    iterator_->Seek(ToLevelDB(target));
    return iterator_->Valid();
  }
  bool Next() override {
    iterator_->Next();
    return iterator_->Valid();
  }
  bool Prev() override {
    iterator_->Prev();
    return iterator_->Valid();
  }
  Slice key() const override { return FromLevelDB(iterator_->key()); }
  Slice value() const override { return FromLevelDB(iterator_->value()); }
  Status status() const override { return ToStatus(iterator_->status()); }

 private:
  const std::unique_ptr<leveldb::Iterator> iterator_;
};

class LevelDBSession : public Session {
 public:
  LevelDBSession(leveldb::DB* db, bool sync) : db_(db) {
    write_options_.sync = sync;
  }

  Status Put(const Slice& key, const Slice& value) override {
    return ToStatus(db_->Put(write_options_, ToLevelDB(key), ToLevelDB(value)));
  }

  Status PutBatch(std::span<const Entry> entries) override {
    batch_.Clear();
    for (const Entry& entry : entries) {
      batch_.Put(ToLevelDB(entry.key), ToLevelDB(entry.value));
    }
    return ToStatus(db_->Write(write_options_, &batch_));
  }

  Status Delete(const Slice& key) override {
    return ToStatus(db_->Delete(write_options_, ToLevelDB(key)));
  }

  Status Get(const Slice& key, size_t* value_size) override {
    Status s = ToStatus(db_->Get(read_options_, ToLevelDB(key), &value_));
    *value_size = value_.size();
    return s;
  }

  // LevelDB has no call for it.
  Status MultiGet(std::span<const Slice> keys, uint64_t* found,
                  uint64_t* value_bytes) override {
    for (const Slice& key : keys) {
      size_t value_size = 0;
      Status s = Get(key, &value_size);
      if (s.IsNotFound()) continue;
      if (!s.ok()) return s;
      ++*found;
      *value_bytes += value_size;
    }
    return Status::OK();
  }

  StatusOr<std::unique_ptr<Cursor>> NewCursor() override {
    return std::unique_ptr<Cursor>(
        std::make_unique<LevelDBCursor>(db_->NewIterator(read_options_)));
  }

 private:
  leveldb::DB* const db_;
  leveldb::WriteOptions write_options_;
  const leveldb::ReadOptions read_options_;
  leveldb::WriteBatch batch_;
  std::string value_;
};

class LevelDBDatabase : public Engine {
 public:
  explicit LevelDBDatabase(std::unique_ptr<leveldb::DB> db)
      : db_(std::move(db)) {}

  StatusOr<std::unique_ptr<Session>> NewSession(WriteMode mode) override {
    if (mode.disable_wal) {
      return Status::NotSupported("leveldb: always writes its log");
    }
    return std::unique_ptr<Session>(
        std::make_unique<LevelDBSession>(db_.get(), mode.sync));
  }

  EngineCounters Counters() const override { return {}; }

 private:
  const std::unique_ptr<leveldb::DB> db_;
};

StatusOr<std::unique_ptr<Engine>> Open(const EngineOptions& options) {
  leveldb::Options db_options;
  db_options.create_if_missing = true;
  db_options.write_buffer_size = options.write_buffer_size;
  db_options.max_file_size = options.target_file_size;
  leveldb::DB* db = nullptr;
  leveldb::Status s = leveldb::DB::Open(db_options, options.directory, &db);
  if (!s.ok()) return ToStatus(s);
  return std::unique_ptr<Engine>(
      std::make_unique<LevelDBDatabase>(std::unique_ptr<leveldb::DB>(db)));
}

Status Destroy(const std::string& directory) {
  return ToStatus(leveldb::DestroyDB(directory, leveldb::Options()));
}

}  // namespace

EngineType LevelDBEngine() {
  return {.name = "leveldb",
          .version = std::to_string(leveldb::kMajorVersion) + "." +
                     std::to_string(leveldb::kMinorVersion),
          .modes = {},
          .open = Open,
          .destroy = Destroy};
}

}  // namespace paceline::bench
