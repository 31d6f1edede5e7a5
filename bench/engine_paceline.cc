// Paceline as an Engine.

#include "paceline/db.h"

#include "bench/engine.h"

namespace paceline::bench {

namespace {

class PacelineCursor : public Cursor {
 public:
  explicit PacelineCursor(Iterator* iterator) : iterator_(iterator) {}

  bool SeekToFirst() override {
    iterator_->SeekToFirst();
    return iterator_->Valid();
  }
  bool SeekToLast() override {
    iterator_->SeekToLast();
    return iterator_->Valid();
  }
  bool Seek(const Slice& target) override {
    iterator_->Seek(target);
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
  Slice key() const override { return iterator_->key(); }
  Slice value() const override { return iterator_->value(); }
  Status status() const override { return iterator_->status(); }

 private:
  const std::unique_ptr<Iterator> iterator_;
};

class PacelineSession : public Session {
 public:
  PacelineSession(DB* db, WriteMode mode) : db_(db) {
    write_options_.sync = mode.sync;
    write_options_.disableWAL = mode.disable_wal;
  }

  Status Put(const Slice& key, const Slice& value) override {
    return db_->Put(write_options_, key, value);
  }

  Status PutBatch(std::span<const Entry> entries) override {
    batch_.Clear();
    for (const Entry& entry : entries) {
      Status s = batch_.Put(entry.key, entry.value);
      if (!s.ok()) return s;
    }
    return db_->Write(write_options_, &batch_);
  }

  Status Delete(const Slice& key) override {
    return db_->Delete(write_options_, key);
  }

  Status Get(const Slice& key, size_t* value_size) override {
    value_.Reset();
    Status s = db_->Get(read_options_, nullptr, key, &value_);
    *value_size = value_.size();
    return s;
  }

  Status MultiGet(std::span<const Slice> keys, uint64_t* found,
                  uint64_t* value_bytes) override {
    keys_.assign(keys.begin(), keys.end());
    std::vector<Status> statuses =
        db_->MultiGet(read_options_, keys_, &values_);
    for (size_t i = 0; i < statuses.size(); ++i) {
      if (statuses[i].IsNotFound()) continue;
      if (!statuses[i].ok()) return statuses[i];
      ++*found;
      *value_bytes += values_[i].size();
    }
    return Status::OK();
  }

  StatusOr<std::unique_ptr<Cursor>> NewCursor() override {
    return std::unique_ptr<Cursor>(
        std::make_unique<PacelineCursor>(db_->NewIterator(read_options_)));
  }

 private:
  DB* const db_;
  WriteOptions write_options_;
  const ReadOptions read_options_;
  WriteBatch batch_;
  PinnableSlice value_;
  std::vector<Slice> keys_;
  std::vector<std::string> values_;
};

class PacelineDatabase : public Engine {
 public:
  explicit PacelineDatabase(std::unique_ptr<DB> db) : db_(std::move(db)) {}

  StatusOr<std::unique_ptr<Session>> NewSession(WriteMode mode) override {
    return std::unique_ptr<Session>(
        std::make_unique<PacelineSession>(db_.get(), mode));
  }

  EngineCounters Counters() const override {
    Metrics metrics = db_->GetMetrics();
    return {.commits = metrics.commits,
            .groups = metrics.groups,
            .syncs = metrics.wal_syncs,
            .table_bytes =
                metrics.flush_bytes_written + metrics.compaction_bytes_written};
  }
  Status Compact() override {
    return db_->CompactRange(CompactRangeOptions(), nullptr, nullptr);
  }
  Status Settle() override { return db_->WaitForCompact({.flush = true}); }

 private:
  const std::unique_ptr<DB> db_;
};

StatusOr<std::unique_ptr<Engine>> Open(const EngineOptions& options) {
  Options db_options;
  db_options.create_if_missing = true;
  db_options.write_buffer_size = options.write_buffer_size;
  db_options.target_file_size_base = options.target_file_size;
  BlockBasedTableOptions table;
  if (options.cache_size > 0)
    table.block_cache = NewLRUCache(options.cache_size);
  if (options.bloom_bits > 0) {
    table.filter_policy.reset(NewBloomFilterPolicy(options.bloom_bits));
  }
  db_options.table_factory.reset(NewBlockBasedTableFactory(table));
  if (options.compression == "none") db_options.compression = kNoCompression;
  if (options.compression == "snappy") {
    db_options.compression = kSnappyCompression;
  }
  if (options.compression == "lz4") db_options.compression = kLZ4Compression;
  if (options.compression == "zstd") db_options.compression = kZSTD;
  std::unique_ptr<DB> db;
  Status s = DB::Open(db_options, options.directory, &db);
  if (!s.ok()) return s;
  return std::unique_ptr<Engine>(
      std::make_unique<PacelineDatabase>(std::move(db)));
}

Status Destroy(const std::string& directory) {
  return DestroyDB(directory, Options());
}

}  // namespace

EngineType PacelineEngine() {
  return {.name = "paceline",
          .version = PACELINE_BENCH_VERSION,
          .modes = {},
          .open = Open,
          .destroy = Destroy};
}

}  // namespace paceline::bench
