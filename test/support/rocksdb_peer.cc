#include "test/support/rocksdb_peer.h"

#include <iterator>
#include <map>
#include <utility>

#include "gtest/gtest.h"
#include "rocksdb/comparator.h"
#include "rocksdb/convenience.h"
#include "rocksdb/db.h"
#include "rocksdb/filter_policy.h"
#include "rocksdb/merge_operator.h"
#include "rocksdb/table.h"
#include "rocksdb/utilities/options_util.h"
#include "test/support/seed.h"

namespace paceline {

namespace {

Status Converted(const rocksdb::Status& status) {
  if (status.ok()) return Status::OK();
  if (status.IsCorruption()) return Status::Corruption(status.ToString());
  return Status::Aborted(status.ToString());
}

rocksdb::Slice Bytes(const std::string& bytes) {
  return {bytes.data(), bytes.size()};
}

rocksdb::Status AddToPeerBatch(const ModelOperation& operation,
                               rocksdb::ColumnFamilyHandle* family,
                               rocksdb::WriteBatch* batch) {
  const rocksdb::Slice key = Bytes(operation.key);
  const rocksdb::Slice value = Bytes(operation.value);
  switch (operation.kind) {
    case ModelOperation::Kind::kPut:
      return batch->Put(family, key, value);
    case ModelOperation::Kind::kDelete:
      return batch->Delete(family, key);
    case ModelOperation::Kind::kSingleDelete:
      return batch->SingleDelete(family, key);
    case ModelOperation::Kind::kDeleteRange:
      return batch->DeleteRange(family, key, value);
    case ModelOperation::Kind::kMerge:
      return batch->Merge(family, key, value);
  }
  return rocksdb::Status::NotSupported("unknown operation");
}

rocksdb::BlockBasedTableOptions RandomTableOptions(TestRandom* random) {
  rocksdb::BlockBasedTableOptions table;
  constexpr rocksdb::ChecksumType kChecksums[] = {
      rocksdb::kNoChecksum, rocksdb::kCRC32c, rocksdb::kxxHash,
      rocksdb::kxxHash64, rocksdb::kXXH3};
  table.checksum = kChecksums[random->Below(std::size(kChecksums))];
  table.format_version = static_cast<uint32_t>(2 + random->Below(4));
  table.block_size = size_t{128} << random->Below(7);
  table.block_restart_interval = static_cast<int>(1 + random->Below(20));
  table.index_block_restart_interval = static_cast<int>(1 + random->Below(8));
  table.metadata_block_size = 256;
  table.use_delta_encoding = random->OneIn(2);
  if (random->OneIn(3)) {
    table.data_block_index_type =
        rocksdb::BlockBasedTableOptions::kDataBlockBinaryAndHash;
  }
  if (random->OneIn(2)) {
    table.filter_policy.reset(random->OneIn(2)
                                  ? rocksdb::NewBloomFilterPolicy(10)
                                  : rocksdb::NewRibbonFilterPolicy(10));
  }
  if (random->OneIn(3)) {
    table.index_type = rocksdb::BlockBasedTableOptions::kTwoLevelIndexSearch;
    table.partition_filters = table.filter_policy != nullptr;
  } else if (random->OneIn(3)) {
    table.index_type =
        rocksdb::BlockBasedTableOptions::kBinarySearchWithFirstKey;
  }
  return table;
}

void MakeSmallTree(TestRandom* random, rocksdb::Options* options) {
  options->avoid_flush_during_recovery = random->OneIn(2);
  options->write_buffer_size = size_t{64} << 10;
  options->target_file_size_base = uint64_t{8} << 10;
  options->max_bytes_for_level_base = uint64_t{32} << 10;
  options->max_bytes_for_level_multiplier = 4;
  options->level_compaction_dynamic_level_bytes = random->OneIn(2);
  constexpr rocksdb::CompressionType kCompressions[] = {
      rocksdb::kNoCompression,    rocksdb::kSnappyCompression,
      rocksdb::kZlibCompression,  rocksdb::kLZ4Compression,
      rocksdb::kLZ4HCCompression, rocksdb::kZSTD};
  options->compression = kCompressions[random->Below(std::size(kCompressions))];
  options->table_factory.reset(
      rocksdb::NewBlockBasedTableFactory(RandomTableOptions(random)));
  options->max_manifest_file_size = random->OneIn(3) ? 4096 : 1 << 30;
}

}  // namespace

struct RocksDBPeer::State {
  rocksdb::Options options;
  std::unique_ptr<rocksdb::DB> db;
  std::vector<const rocksdb::Snapshot*> snapshots;
  std::map<std::string, rocksdb::ColumnFamilyHandle*> families;
};

RocksDBPeer::RocksDBPeer() = default;
RocksDBPeer::~RocksDBPeer() { Close(); }

Status RocksDBPeer::Open(const PeerOptions& peer_options,
                         const std::string& directory) {
  state_ = std::make_unique<State>();
  rocksdb::Options& options = state_->options;
  options.create_if_missing = true;
  options.avoid_flush_during_recovery = true;
  options.avoid_flush_during_shutdown = true;
  options.write_buffer_size = size_t{256} << 20;
  options.paranoid_checks = true;
  if (peer_options.tree_seed) {
    TestRandom random(*peer_options.tree_seed);
    MakeSmallTree(&random, &options);
  }
  options.wal_recovery_mode =
      static_cast<rocksdb::WALRecoveryMode>(peer_options.wal_recovery_mode);
  if (peer_options.is_reversed) {
    options.comparator = rocksdb::ReverseBytewiseComparator();
  }
  rocksdb::Status status = rocksdb::MergeOperator::CreateFromString(
      rocksdb::ConfigOptions(), "stringappend", &options.merge_operator);
  if (!status.ok()) return Converted(status);

  std::vector<std::string> names;
  if (!rocksdb::DB::ListColumnFamilies(options, directory, &names).ok()) {
    names = {rocksdb::kDefaultColumnFamilyName};
  }
  std::vector<rocksdb::ColumnFamilyDescriptor> descriptors;
  for (const std::string& name : names) descriptors.emplace_back(name, options);
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* db = nullptr;
  status =
      peer_options.read_only
          ? rocksdb::DB::OpenForReadOnly(options, directory, descriptors,
                                         &handles, &db)
          : rocksdb::DB::Open(options, directory, descriptors, &handles, &db);
  if (!status.ok()) return Converted(status);
  state_->db.reset(db);
  for (size_t i = 0; i < names.size(); ++i) {
    state_->families[names[i]] = handles[i];
  }
  return Status::OK();
}

void RocksDBPeer::Close() {
  if (state_ == nullptr) return;
  for (const rocksdb::Snapshot* snapshot : state_->snapshots) {
    state_->db->ReleaseSnapshot(snapshot);
  }
  for (const auto& [name, handle] : state_->families) delete handle;
  state_.reset();
}

Status RocksDBPeer::CreateFamily(const std::string& name) {
  return Converted(state_->db->CreateColumnFamily(state_->options, name,
                                                  &state_->families[name]));
}

Status RocksDBPeer::DropFamily(const std::string& name) {
  rocksdb::ColumnFamilyHandle* family = state_->families.at(name);
  state_->families.erase(name);
  const rocksdb::Status status = state_->db->DropColumnFamily(family);
  delete family;
  return Converted(status);
}

Status RocksDBPeer::Write(const std::vector<ModelOperation>& operations) {
  rocksdb::WriteBatch batch;
  rocksdb::Status status = batch.PutLogData("log data");
  for (const ModelOperation& operation : operations) {
    if (!status.ok()) break;
    status = AddToPeerBatch(operation, state_->families.at(operation.family),
                            &batch);
  }
  if (status.ok()) status = state_->db->Write({}, &batch);
  return Converted(status);
}

Contents RocksDBPeer::ReadAll() const {
  Contents contents;
  for (const auto& [name, handle] : state_->families) {
    const std::unique_ptr<rocksdb::Iterator> iterator(
        state_->db->NewIterator({}, handle));
    auto& entries = contents[name];
    for (iterator->SeekToFirst(); iterator->Valid(); iterator->Next()) {
      entries.emplace_back(iterator->key().ToString(),
                           iterator->value().ToString());
    }
    EXPECT_TRUE(iterator->status().ok()) << iterator->status().ToString();
  }
  return contents;
}

Status RocksDBPeer::Flush() {
  for (const auto& [name, handle] : state_->families) {
    const rocksdb::Status status = state_->db->Flush({}, handle);
    if (!status.ok()) return Converted(status);
  }
  return Status::OK();
}

Status RocksDBPeer::CompactAll() {
  for (const auto& [name, handle] : state_->families) {
    const rocksdb::Status status =
        state_->db->CompactRange({}, handle, nullptr, nullptr);
    if (!status.ok()) return Converted(status);
  }
  return Status::OK();
}

Status RocksDBPeer::VerifyChecksums() {
  return Converted(state_->db->VerifyChecksum());
}

void RocksDBPeer::HoldSnapshot() {
  state_->snapshots.push_back(state_->db->GetSnapshot());
}

namespace {

// Keeps what a walk over a batch hands out.
class EntryKeeper : public rocksdb::WriteBatch::Handler {
 public:
  explicit EntryKeeper(std::vector<ReferenceEntry>* entries)
      : entries_(entries) {}

  rocksdb::Status PutCF(uint32_t family, const rocksdb::Slice& key,
                        const rocksdb::Slice& value) override {
    return Keep(1, family, key, value);
  }
  rocksdb::Status DeleteCF(uint32_t family,
                           const rocksdb::Slice& key) override {
    return Keep(0, family, key, {});
  }
  rocksdb::Status SingleDeleteCF(uint32_t family,
                                 const rocksdb::Slice& key) override {
    return Keep(7, family, key, {});
  }
  rocksdb::Status DeleteRangeCF(uint32_t family, const rocksdb::Slice& begin,
                                const rocksdb::Slice& end) override {
    return Keep(15, family, begin, end);
  }
  rocksdb::Status MergeCF(uint32_t family, const rocksdb::Slice& key,
                          const rocksdb::Slice& operand) override {
    return Keep(2, family, key, operand);
  }
  rocksdb::Status MarkNoop(bool /*empty_batch*/) override { return {}; }
  void LogData(const rocksdb::Slice& /*blob*/) override {}

 private:
  rocksdb::Status Keep(int type, uint32_t family, const rocksdb::Slice& key,
                       const rocksdb::Slice& value) {
    entries_->push_back({type, family, key.ToString(), value.ToString()});
    return rocksdb::Status::OK();
  }

  std::vector<ReferenceEntry>* const entries_;
};

}  // namespace

Status RocksDBIterates(const std::string& batch,
                       std::vector<ReferenceEntry>* entries) {
  EntryKeeper keeper(entries);
  return Converted(rocksdb::WriteBatch(batch).Iterate(&keeper));
}

Status RocksDBLoadsOptions(const std::string& directory) {
  rocksdb::DBOptions db_options;
  std::vector<rocksdb::ColumnFamilyDescriptor> families;
  rocksdb::ConfigOptions config;
  config.ignore_unknown_options = true;
  return Converted(
      rocksdb::LoadLatestOptions(config, directory, &db_options, &families));
}

}  // namespace paceline
