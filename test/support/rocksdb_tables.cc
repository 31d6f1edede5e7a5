#include "test/support/rocksdb_tables.h"

#include <algorithm>
#include <memory>

#include "rocksdb/comparator.h"
#include "rocksdb/convenience.h"
#include "rocksdb/db.h"
#include "rocksdb/filter_policy.h"
#include "rocksdb/merge_operator.h"
#include "rocksdb/statistics.h"
#include "rocksdb/table.h"

namespace paceline {

namespace {

using Entries = std::vector<std::pair<std::string, std::string>>;

Status Converted(const rocksdb::Status& status) {
  if (status.ok()) return Status::OK();
  if (status.IsCorruption()) return Status::Corruption(status.ToString());
  return Status::Aborted(status.ToString());
}

StatusOr<rocksdb::Options> MakeOptions(const PeerTableOptions& peer_options) {
  rocksdb::Options options;
  options.statistics = rocksdb::CreateDBStatistics();
  options.paranoid_checks = true;
  options.disable_auto_compactions = true;
  if (peer_options.is_reversed) {
    options.comparator = rocksdb::ReverseBytewiseComparator();
  }
  rocksdb::BlockBasedTableOptions table;
  if (peer_options.has_filter) {
    table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  }
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  rocksdb::Status status = rocksdb::MergeOperator::CreateFromString(
      rocksdb::ConfigOptions(), "stringappend", &options.merge_operator);
  if (!status.ok()) return Converted(status);
  return options;
}

// Forwards, backwards, and key by key.
StatusOr<Entries> ReadEntries(rocksdb::DB* db) {
  rocksdb::ReadOptions read_options;
  read_options.verify_checksums = true;
  std::unique_ptr<rocksdb::Iterator> it(db->NewIterator(read_options));
  Entries forwards;
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    forwards.emplace_back(it->key().ToString(), it->value().ToString());
  }
  if (!it->status().ok()) return Converted(it->status());

  Entries backwards;
  for (it->SeekToLast(); it->Valid(); it->Prev()) {
    backwards.emplace_back(it->key().ToString(), it->value().ToString());
  }
  if (!it->status().ok()) return Converted(it->status());
  std::reverse(backwards.begin(), backwards.end());
  if (forwards != backwards) {
    return Status::Corruption("backwards RocksDB finds something else");
  }

  std::string value;
  for (const auto& [key, expected] : forwards) {
    rocksdb::Status status = db->Get(read_options, key, &value);
    if (!status.ok()) return Converted(status);
    if (value != expected) {
      return Status::Corruption("RocksDB gets another value of " + key);
    }
    it->Seek(key);
    if (!it->Valid() || it->key() != rocksdb::Slice(key)) {
      return Status::Corruption("RocksDB does not seek to " + key);
    }
  }
  return forwards;
}

Status LookUpAbsent(const std::vector<std::string>& keys, rocksdb::DB* db) {
  std::string value;
  for (const std::string& key : keys) {
    rocksdb::Status status = db->Get(rocksdb::ReadOptions(), key, &value);
    if (status.ok()) return Status::Corruption("RocksDB finds " + key);
    if (!status.IsNotFound()) return Converted(status);
  }
  return Status::OK();
}

}  // namespace

StatusOr<PeerTables> ReadTablesWithRocksDB(const PeerTableOptions& options,
                                           const std::string& directory) {
  StatusOr<rocksdb::Options> made = MakeOptions(options);
  if (!made.ok()) return made.status();
  rocksdb::Status status = rocksdb::RepairDB(directory, *made);
  if (!status.ok()) return Converted(status);
  rocksdb::DB* opened = nullptr;
  status = rocksdb::DB::Open(*made, directory, &opened);
  if (!status.ok()) return Converted(status);
  std::unique_ptr<rocksdb::DB> db(opened);

  status = db->VerifyChecksum();
  if (!status.ok()) return Converted(status);
  StatusOr<Entries> entries = ReadEntries(db.get());
  if (!entries.ok()) return entries.status();
  if (Status s = LookUpAbsent(options.absent_keys, db.get()); !s.ok()) return s;
  PeerTables tables{.entries = *entries,
                    .filtered = made->statistics->getTickerCount(
                        rocksdb::BLOOM_FILTER_USEFUL)};

  rocksdb::CompactRangeOptions all;
  all.bottommost_level_compaction =
      rocksdb::BottommostLevelCompaction::kForceOptimized;
  status = db->CompactRange(all, nullptr, nullptr);
  if (!status.ok()) return Converted(status);
  entries = ReadEntries(db.get());
  if (!entries.ok()) return entries.status();
  if (*entries != tables.entries) {
    return Status::Corruption("RocksDB compacts to something else");
  }
  return tables;
}

}  // namespace paceline
