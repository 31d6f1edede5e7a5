// RocksDB as an Engine: default options but for the size of the write buffer,
// with the two modes that make its commits faster.

#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/options.h>
#include <rocksdb/statistics.h>
#include <rocksdb/table.h>
#include <rocksdb/version.h>
#include <rocksdb/write_batch.h>

#include <chrono>
#include <map>
#include <thread>

#include "bench/engine.h"

namespace paceline::bench {

namespace {

Status ToStatus(const rocksdb::Status& status) {
  if (status.ok()) return Status::OK();
  if (status.IsNotFound()) return Status::NotFound();
  return Status::IOError("rocksdb", status.ToString());
}

rocksdb::Slice ToRocksDB(const Slice& slice) {
  return {slice.data(), slice.size()};
}

Slice FromRocksDB(const rocksdb::Slice& slice) {
  return {slice.data(), slice.size()};
}

class RocksDBCursor : public Cursor {
 public:
  explicit RocksDBCursor(rocksdb::Iterator* iterator) : iterator_(iterator) {}

  bool SeekToFirst() override {
    iterator_->SeekToFirst();
    return iterator_->Valid();
  }
  bool SeekToLast() override {
    iterator_->SeekToLast();
    return iterator_->Valid();
  }
  bool Seek(const Slice& target) override {
    iterator_->Seek(ToRocksDB(target));
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
  Slice key() const override { return FromRocksDB(iterator_->key()); }
  Slice value() const override { return FromRocksDB(iterator_->value()); }
  Status status() const override { return ToStatus(iterator_->status()); }

 private:
  const std::unique_ptr<rocksdb::Iterator> iterator_;
};

class RocksDBSession : public Session {
 public:
  RocksDBSession(rocksdb::DB* db, WriteMode mode) : db_(db) {
    write_options_.sync = mode.sync;
    write_options_.disableWAL = mode.disable_wal;
  }

  Status Put(const Slice& key, const Slice& value) override {
    return ToStatus(db_->Put(write_options_, ToRocksDB(key), ToRocksDB(value)));
  }

  Status PutBatch(std::span<const Entry> entries) override {
    batch_.Clear();
    for (const Entry& entry : entries) {
      Status s =
          ToStatus(batch_.Put(ToRocksDB(entry.key), ToRocksDB(entry.value)));
      if (!s.ok()) return s;
    }
    return ToStatus(db_->Write(write_options_, &batch_));
  }

  Status Delete(const Slice& key) override {
    return ToStatus(db_->Delete(write_options_, ToRocksDB(key)));
  }

  Status Get(const Slice& key, size_t* value_size) override {
    value_.Reset();
    Status s = ToStatus(db_->Get(read_options_, db_->DefaultColumnFamily(),
                                 ToRocksDB(key), &value_));
    *value_size = value_.size();
    return s;
  }

  // The call that takes arrays: RocksDB's fastest.
  Status MultiGet(std::span<const Slice> keys, uint64_t* found,
                  uint64_t* value_bytes) override {
    keys_.clear();
    for (const Slice& key : keys) keys_.push_back(ToRocksDB(key));
    if (values_.size() < keys.size()) {
      values_ = std::vector<rocksdb::PinnableSlice>(keys.size());
    }
    for (rocksdb::PinnableSlice& value : values_) value.Reset();
    statuses_.resize(keys.size());
    db_->MultiGet(read_options_, db_->DefaultColumnFamily(), keys_.size(),
                  keys_.data(), values_.data(), statuses_.data());
    for (size_t i = 0; i < keys.size(); ++i) {
      if (statuses_[i].IsNotFound()) continue;
      if (!statuses_[i].ok()) return ToStatus(statuses_[i]);
      ++*found;
      *value_bytes += values_[i].size();
    }
    return Status::OK();
  }

  StatusOr<std::unique_ptr<Cursor>> NewCursor() override {
    return std::unique_ptr<Cursor>(
        std::make_unique<RocksDBCursor>(db_->NewIterator(read_options_)));
  }

 private:
  rocksdb::DB* const db_;
  rocksdb::WriteOptions write_options_;
  const rocksdb::ReadOptions read_options_;
  rocksdb::WriteBatch batch_;
  rocksdb::PinnableSlice value_;
  std::vector<rocksdb::Slice> keys_;
  std::vector<rocksdb::PinnableSlice> values_;
  std::vector<rocksdb::Status> statuses_;
};

class RocksDBDatabase : public Engine {
 public:
  RocksDBDatabase(std::unique_ptr<rocksdb::DB> db,
                  std::shared_ptr<rocksdb::Statistics> statistics)
      : db_(std::move(db)), statistics_(std::move(statistics)) {}

  StatusOr<std::unique_ptr<Session>> NewSession(WriteMode mode) override {
    return std::unique_ptr<Session>(
        std::make_unique<RocksDBSession>(db_.get(), mode));
  }

  // The leader of a group counts itself under "self" and the rest of its
  // group under "other".
  EngineCounters Counters() const override {
    if (statistics_ == nullptr) {
      EngineCounters counters;
      counters.table_bytes = TableBytes();
      return counters;
    }
    uint64_t groups = statistics_->getTickerCount(rocksdb::WRITE_DONE_BY_SELF);
    uint64_t followers =
        statistics_->getTickerCount(rocksdb::WRITE_DONE_BY_OTHER);
    return {.commits = groups + followers,
            .groups = groups,
            .syncs = statistics_->getTickerCount(rocksdb::WAL_FILE_SYNCED),
            .table_bytes = TableBytes()};
  }

  Status Compact() override {
    return ToStatus(
        db_->CompactRange(rocksdb::CompactRangeOptions(), nullptr, nullptr));
  }
  // RocksDB 7 has no call that waits.
  Status Settle() override {
    Status s = ToStatus(db_->Flush(rocksdb::FlushOptions()));
    while (s.ok()) {
      uint64_t running = 0;
      uint64_t flushing = 0;
      uint64_t pending = 0;
      db_->GetIntProperty("rocksdb.num-running-compactions", &running);
      db_->GetIntProperty("rocksdb.num-running-flushes", &flushing);
      db_->GetIntProperty("rocksdb.compaction-pending", &pending);
      if (running + flushing + pending == 0) break;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return s;
  }

 private:
  std::optional<uint64_t> TableBytes() const {
    std::map<std::string, std::string> stats;
    if (!db_->GetMapProperty(rocksdb::DB::Properties::kCFStats, &stats)) {
      return std::nullopt;
    }
    auto written = stats.find("compaction.Sum.WriteGB");
    if (written == stats.end()) return std::nullopt;
    return static_cast<uint64_t>(std::stod(written->second) * (1 << 30));
  }

  const std::unique_ptr<rocksdb::DB> db_;
  const std::shared_ptr<rocksdb::Statistics> statistics_;
};

// RocksDB 11 takes a unique_ptr, older releases a plain pointer.
template <typename Database>
rocksdb::Status OpenDatabase(const rocksdb::Options& options,
                             const std::string& directory,
                             std::unique_ptr<Database>* db) {
  if constexpr (requires { Database::Open(options, directory, db); }) {
    return Database::Open(options, directory, db);
  } else {
    Database* opened = nullptr;
    rocksdb::Status s = Database::Open(options, directory, &opened);
    db->reset(opened);
    return s;
  }
}

StatusOr<std::unique_ptr<Engine>> Open(const EngineOptions& options) {
  rocksdb::Options db_options;
  db_options.create_if_missing = true;
  db_options.write_buffer_size = options.write_buffer_size;
  db_options.target_file_size_base = options.target_file_size;
  rocksdb::BlockBasedTableOptions table;
  if (options.cache_size > 0) {
    table.block_cache = rocksdb::NewLRUCache(options.cache_size);
  }
  if (options.bloom_bits > 0) {
    table.filter_policy.reset(
        rocksdb::NewBloomFilterPolicy(options.bloom_bits));
  }
  db_options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  if (options.compression == "none") {
    db_options.compression = rocksdb::kNoCompression;
  } else if (options.compression == "snappy") {
    db_options.compression = rocksdb::kSnappyCompression;
  } else if (options.compression == "lz4") {
    db_options.compression = rocksdb::kLZ4Compression;
  } else if (options.compression == "zstd") {
    db_options.compression = rocksdb::kZSTD;
  }
  db_options.info_log_level = rocksdb::InfoLogLevel::ERROR_LEVEL;
  db_options.enable_pipelined_write = options.mode == "pipelined";
  db_options.unordered_write = options.mode == "unordered";
  if (options.count_events) {
    db_options.statistics = rocksdb::CreateDBStatistics();
    db_options.statistics->set_stats_level(
        rocksdb::StatsLevel::kExceptHistogramOrTimers);
  }
  std::unique_ptr<rocksdb::DB> db;
  rocksdb::Status s = OpenDatabase(db_options, options.directory, &db);
  if (!s.ok()) return ToStatus(s);
  return std::unique_ptr<Engine>(
      std::make_unique<RocksDBDatabase>(std::move(db), db_options.statistics));
}

Status Destroy(const std::string& directory) {
  return ToStatus(rocksdb::DestroyDB(directory, rocksdb::Options()));
}

}  // namespace

EngineType RocksDBEngine() {
  return {.name = "rocksdb",
          .version = rocksdb::GetRocksVersionAsString(),
          .modes = {"pipelined", "unordered"},
          .open = Open,
          .destroy = Destroy};
}

}  // namespace paceline::bench
