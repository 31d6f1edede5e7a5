#include "test/support/rocksdb_peer.h"

#include <map>
#include <utility>

#include "gtest/gtest.h"
#include "rocksdb/comparator.h"
#include "rocksdb/convenience.h"
#include "rocksdb/db.h"
#include "rocksdb/merge_operator.h"
#include "rocksdb/utilities/options_util.h"

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

}  // namespace

struct RocksDBPeer::State {
  rocksdb::Options options;
  std::unique_ptr<rocksdb::DB> db;
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

Status RocksDBLoadsOptions(const std::string& directory) {
  rocksdb::DBOptions db_options;
  std::vector<rocksdb::ColumnFamilyDescriptor> families;
  rocksdb::ConfigOptions config;
  config.ignore_unknown_options = true;
  return Converted(
      rocksdb::LoadLatestOptions(config, directory, &db_options, &families));
}

}  // namespace paceline
