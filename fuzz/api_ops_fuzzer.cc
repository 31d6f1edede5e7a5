// Calls of the API, made of any bytes, on a small database in memory; a model
// tells what each read must find.

#include <iterator>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "paceline/db.h"

#include "fuzz/fuzz_target.h"
#include "src/base/check.h"
#include "test/support/memory_file_system.h"
#include "test/support/model.h"
#include "test/support/no_logger.h"

namespace paceline {
namespace {

using Operations = std::vector<ModelOperation>;

constexpr const char* kDirectory = "db";
constexpr const char* kFamilyNames[] = {"default", "other"};
// Longer inputs only repeat what shorter ones do.
constexpr size_t kCallsMax = 400;
constexpr size_t kSnapshotsMax = 4;

// Hands out the input byte by byte; zeros behind its end.
class Bytes {
 public:
  explicit Bytes(const std::string& input) : input_(input) {}
  [[nodiscard]] bool empty() const { return at_ >= input_.size(); }
  uint8_t Next() { return empty() ? 0 : static_cast<uint8_t>(input_[at_++]); }

 private:
  const std::string& input_;
  size_t at_ = 0;
};

class ApiRun {
 public:
  explicit ApiRun(const std::string& input) : bytes_(input) {
    model_.CreateFamily(kFamilyNames[1]);
    const uint8_t choices = bytes_.Next();
    options_.create_if_missing = true;
    options_.create_missing_column_families = true;
    options_.file_system = &files_;
    options_.info_log = std::make_shared<NoLogger>();
    options_.merge_operator = NewStringAppendOperator();
    options_.write_buffer_size = size_t{64} << 10;
    options_.target_file_size_base = uint64_t{4} << 10;
    options_.max_bytes_for_level_base = uint64_t{8} << 10;
    options_.level0_file_num_compaction_trigger = 2;
    options_.disable_auto_compactions = (choices & 1) != 0;
    options_.atomic_flush = (choices & 2) != 0;
    BlockBasedTableOptions table;
    table.block_size = 256;
    table.block_restart_interval = 1 + (choices >> 4);
    if ((choices & 4) != 0) table.filter_policy.reset(NewBloomFilterPolicy(10));
    options_.table_factory.reset(NewBlockBasedTableFactory(table));
  }

  void Run() {
    Open();
    for (size_t calls = 0; calls < kCallsMax && !bytes_.empty(); ++calls) {
      Call();
    }
    CheckAll(nullptr, model_);
    while (!snapshots_.empty()) CheckAndReleaseSnapshot();
    Close();
    Open();
    CheckAll(nullptr, model_);
    Close();
  }

 private:
  void Open() {
    const std::vector<ColumnFamilyDescriptor> families = {
        {kFamilyNames[0], options_}, {kFamilyNames[1], options_}};
    PL_CHECK(DB::Open(options_, kDirectory, families, &handles_, &db_).ok());
  }

  void Close() {
    while (!snapshots_.empty()) CheckAndReleaseSnapshot();
    for (ColumnFamilyHandle* handle : handles_) delete handle;
    handles_.clear();
    PL_CHECK(db_->Close().ok());
    db_.reset();
  }

  void Call() {
    const uint8_t choice = bytes_.Next() % 32;
    ColumnFamilyHandle* family = handles_[bytes_.Next() % 2];
    switch (choice) {
      case 0:
        return PL_CHECK(db_->Flush({}, family).ok());
      case 1:
        return PL_CHECK(db_->CompactRange({}, family, nullptr, nullptr).ok());
      case 2:
        Close();
        return Open();
      case 3:
        if (snapshots_.size() >= kSnapshotsMax) CheckAndReleaseSnapshot();
        snapshots_.emplace_back(db_->GetSnapshot(), model_);
        return;
      case 4:
        if (!snapshots_.empty()) CheckAndReleaseSnapshot();
        return;
      case 5:
        return CheckSeek(family, Key());
      default:
        return Write(choice % 4 == 3 ? 2 + bytes_.Next() % 6 : 1);
    }
  }

  // Few, of which some begin with others.
  std::string Key() {
    const uint8_t byte = bytes_.Next();
    return std::string(byte % 4, 'k') + static_cast<char>(byte / 4);
  }

  ModelOperation Operation() {
    using Kind = ModelOperation::Kind;
    const uint8_t choice = bytes_.Next();
    const std::string family = kFamilyNames[choice / 16 % 2];
    switch (choice % 8) {
      case 0:
        return {Kind::kDelete, family, Key(), ""};
      case 1: {
        std::string begin = Key();
        std::string end = Key();
        if (end < begin) std::swap(begin, end);
        return {Kind::kDeleteRange, family, begin, end};
      }
      case 2:
        return {Kind::kMerge, family, Key(), std::to_string(++values_)};
      default:
        return {Kind::kPut, family, Key(),
                std::to_string(++values_) + std::string(choice, 'v')};
    }
  }

  void Write(size_t count) {
    WriteBatch batch;
    Operations operations;
    for (; count > 0; --count) {
      operations.push_back(Operation());
      const size_t family = operations.back().family == kFamilyNames[1] ? 1 : 0;
      PL_CHECK(AddToBatch(operations.back(), handles_[family], &batch).ok());
    }
    PL_CHECK(db_->Write({.sync = operations.size() > 1}, &batch).ok());
    model_.Apply(operations);
  }

  void CheckAndReleaseSnapshot() {
    const auto [snapshot, model] = std::move(snapshots_.back());
    snapshots_.pop_back();
    CheckAll(snapshot, model);
    db_->ReleaseSnapshot(snapshot);
  }

  // Both scans, and a Get of each key.
  void CheckAll(const Snapshot* snapshot, const Model& model) {
    const ReadOptions options = {.snapshot = snapshot};
    for (ColumnFamilyHandle* family : handles_) {
      const ModelEntries& entries = model.Entries(family->GetName());
      const std::unique_ptr<Iterator> it(db_->NewIterator(options, family));
      it->SeekToFirst();
      for (const auto& [key, value] : entries) {
        PL_CHECK(it->Valid() && it->key() == key && it->value() == value);
        it->Next();
      }
      PL_CHECK(!it->Valid() && it->status().ok());
      it->SeekToLast();
      for (auto entry = entries.rbegin(); entry != entries.rend(); ++entry) {
        PL_CHECK(it->Valid() && it->key() == entry->first);
        it->Prev();
      }
      PL_CHECK(!it->Valid() && it->status().ok());
      for (const auto& [key, value] : entries) {
        std::string found;
        PL_CHECK(db_->Get(options, family, key, &found).ok());
        PL_CHECK(found == value);
      }
    }
  }

  void CheckSeek(ColumnFamilyHandle* family, const std::string& key) {
    const ModelEntries& entries = model_.Entries(family->GetName());
    const auto behind = entries.lower_bound(key);
    const bool is_there = behind != entries.end() && behind->first == key;
    std::string value;
    const Status s = db_->Get({}, family, key, &value);
    PL_CHECK(is_there ? s.ok() && value == behind->second : s.IsNotFound());
    const std::unique_ptr<Iterator> it(db_->NewIterator({}, family));
    it->Seek(key);
    PL_CHECK(it->Valid() == (behind != entries.end()));
    PL_CHECK(!it->Valid() || it->key() == behind->first);
    it->SeekForPrev(key);
    const bool has_before = is_there || behind != entries.begin();
    PL_CHECK(it->Valid() == has_before);
    if (!has_before) return;
    const auto before = is_there ? behind : std::prev(behind);
    PL_CHECK(it->key() == before->first && it->value() == before->second);
  }

  Bytes bytes_;
  MemoryFileSystem files_;
  Options options_;
  Model model_;
  std::unique_ptr<DB> db_;
  std::vector<ColumnFamilyHandle*> handles_;
  std::vector<std::pair<const Snapshot*, Model>> snapshots_;
  uint64_t values_ = 0;  // So many were written: each is another one.
};

}  // namespace
}  // namespace paceline

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string input = paceline::CopyOfInput(data, size);
  paceline::ApiRun(input).Run();
  return 0;
}
