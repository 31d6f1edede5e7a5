#include "test/support/rot_base.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "src/base/coding.h"
#include "src/wal/log_format.h"
#include "test/support/no_logger.h"

namespace paceline {

namespace {

using Operations = std::vector<ModelOperation>;

constexpr uint64_t kKeys = 110;  // Of each family.
// What a process that was killed leaves behind the last record of its WAL.
constexpr size_t kWindowBytes = 8192;

// Always the same time: it is in the tables and in the MANIFEST.
class StoppedClock final : public Clock {
 public:
  uint64_t NowMicros() override { return uint64_t{1'000'000'000'000'000}; }
  uint64_t MonotonicNanos() override { return 1; }
};

class BaseMaker {
 public:
  BaseMaker(uint64_t seed, RotHistory* history)
      : random_(seed), history_(history) {
    for (const char* family : kRotFamilies) model_.CreateFamily(family);
    history_->states.push_back(ContentsOf(model_));
  }

  std::vector<RotBase> Make() {
    MemoryFileSystem first;
    TestDatabase database;
    Open(&first, &database);
    Fill(&first, database);
    Take("killed", first, database);
    EXPECT_THAT(database.Close(), IsOk());

    // Its WALs go to tables.
    MemoryFileSystem second;
    for (const auto& [path, bytes] : bases_.back().files) {
      second.Add(path, bytes);
    }
    Open(&second, &database);
    Write(database, 30);
    Take("recovered", second, database);
    EXPECT_THAT(database.Close(), IsOk());
    Take("closed", second, database);

    // Its WALs stay, and another one begins.
    Open(&second, &database);
    Write(database, 20);
    Flush(&second, database, {"b"});
    Write(database, 20);
    Take("opened", second, database);
    EXPECT_THAT(database.Close(), IsOk());
    return std::move(bases_);
  }

 private:
  static void Open(MemoryFileSystem* files, TestDatabase* database) {
    ASSERT_THAT(database->Open(RotOptions(files), kRotDirectory, {"a", "b"}),
                IsOk());
  }

  // Tables on several levels, two WALs that are needed, range tombstones in
  // all of them.
  void Fill(MemoryFileSystem* files, const TestDatabase& database) {
    Write(database, 90);
    Flush(files, database, {"default", "a", "b"});
    Write(database, 60);
    Flush(files, database, {"default", "a", "b"});
    for (const char* family : {"default", "a"}) {
      EXPECT_THAT(
          database->CompactRange({}, database.Family(family), nullptr, nullptr),
          IsOk());
      Remember(*files);
    }
    Write(database, 50);
    Flush(files, database, {"default", "a", "b"});
    Write(database, 40);
    Flush(files, database, {"a"});
    Write(database, 40);
    EXPECT_THAT(database->SyncWAL(), IsOk());
    Write(database, 20);
  }

  void Flush(MemoryFileSystem* files, const TestDatabase& database,
             const std::vector<std::string>& families) {
    std::vector<ColumnFamilyHandle*> handles;
    for (const std::string& family : families) {
      handles.push_back(database.Family(family));
    }
    EXPECT_THAT(database->Flush({}, handles), IsOk());
    Settle(database);
    Remember(*files);
  }

  // The next WAL is made beside the writers: its number depends on when.
  static void Settle(const TestDatabase& database) {
    EXPECT_THAT(database->LockWAL(), IsOk());
    EXPECT_THAT(database->UnlockWAL(), IsOk());
  }

  void Write(const TestDatabase& database, size_t commits) {
    for (; commits > 0; --commits) {
      const Operations operations = NextCommit();
      WriteBatch batch;
      for (const ModelOperation& operation : operations) {
        EXPECT_THAT(
            AddToBatch(operation, database.Family(operation.family), &batch),
            IsOk());
      }
      const SequenceNumber last = database->GetLatestSequenceNumber();
      EXPECT_THAT(database->Write({.sync = random_.OneIn(3)}, &batch), IsOk());
      model_.Apply(operations);
      history_->by_sequence[last + 1] = history_->states.size();
      history_->states.push_back(ContentsOf(model_));
    }
  }

  Operations NextCommit() {
    using Kind = ModelOperation::Kind;
    const std::string number = std::to_string(history_->states.size());
    Operations operations = {
        {Kind::kPut, kDefaultColumnFamilyName, kRotLedger, number}};
    for (uint64_t left = 1 + random_.Below(4); left > 0; --left) {
      const std::string family = kRotFamilies[random_.Below(3)];
      const std::string key = "key" + std::to_string(random_.Below(kKeys));
      if (random_.OneIn(6)) {
        operations.push_back({Kind::kDelete, family, key, ""});
      } else if (random_.OneIn(20)) {
        operations.push_back({Kind::kDeleteRange, family, key, key + "~"});
      } else {
        // Half of it can be compressed.
        std::string value = number + "," + random_.Letters(random_.Below(160));
        value += value;
        operations.push_back({Kind::kPut, family, key, value});
      }
    }
    for (const ModelOperation& operation : operations) {
      history_->keys[operation.family].insert(operation.key);
      if (operation.kind == Kind::kPut) {
        history_->values[operation.family][operation.key].insert(
            operation.value);
      }
    }
    return operations;
  }

  // Keeps what files hold now, for damages that bring it back.
  void Remember(const MemoryFileSystem& files) {
    for (auto& [path, bytes] : files.Files()) {
      auto& known = older_[path];
      if (known.empty() || *known.back() != *bytes) known.push_back(bytes);
    }
  }

  void Take(const std::string& name, const MemoryFileSystem& files,
            const TestDatabase& database) {
    if (database.is_open()) Settle(database);
    Remember(files);
    RotBase base;
    base.name = name;
    base.commits = history_->states.size() - 1;
    base.files = files.Files();
    if (database.is_open()) AddWindow(&base);
    for (const auto& [path, versions] : older_) {
      for (const RotBase::Bytes& bytes : versions) {
        const auto now = base.files.find(path);
        if (now != base.files.end() && *now->second == *bytes) continue;
        if (now != base.files.end()) base.older[path].push_back(bytes);
        base.others[TypeOf(path)].push_back(bytes);
      }
    }
    bases_.push_back(std::move(base));
  }

  // The newest WAL with records is longer than what was written.
  static void AddWindow(RotBase* base) {
    RotBase::Bytes* newest = nullptr;
    for (auto& [path, bytes] : base->files) {
      if (TypeOf(path) == FileType::kWal && !bytes->empty()) newest = &bytes;
    }
    ASSERT_NE(newest, nullptr);
    *newest = std::make_shared<const std::string>(
        **newest + std::string(kWindowBytes, '\0'));
  }

  TestRandom random_;
  RotHistory* const history_;
  Model model_;
  std::vector<RotBase> bases_;
  std::map<std::string, std::vector<RotBase::Bytes>> older_;
};

}  // namespace

Options RotOptions(FileSystem* files) {
  static StoppedClock clock;
  Options options;
  options.create_if_missing = true;
  options.create_missing_column_families = true;
  options.file_system = files;
  options.clock = &clock;
  options.info_log = std::make_shared<NoLogger>();
  options.allow_mmap_writes = false;
  options.disable_auto_compactions = true;
  options.max_background_jobs = 1;
  BlockBasedTableOptions table;
  table.block_size = 1024;
  table.filter_policy.reset(NewBloomFilterPolicy(10));
  table.block_cache = NewLRUCache(size_t{1} << 20, 0);
  options.table_factory.reset(NewBlockBasedTableFactory(table));
  return options;
}

std::vector<RotRecord> RecordsOf(const std::string& bytes) {
  std::vector<RotRecord> records;
  RotRecord record;
  uint64_t at = 0;
  while (at + log::kHeaderBytes <= bytes.size()) {
    const uint64_t left = log::kBlockBytes - at % log::kBlockBytes;
    if (left < log::kHeaderBytes) {
      at += left;
      continue;
    }
    const char* header = bytes.data() + at;
    const size_t length = DecodeFixed<uint16_t>(header + sizeof(uint32_t));
    const uint64_t end = at + log::kHeaderBytes + length;
    const auto type = static_cast<uint8_t>(header[log::kHeaderBytes - 1]);
    if (type < log::kFull || type > log::kLast || end > bytes.size()) break;
    if (type == log::kFull || type == log::kFirst)
      record = {.begin = at, .end = 0, .payload = ""};
    record.payload.append(header + log::kHeaderBytes, length);
    record.end = end;
    if (type == log::kFull || type == log::kLast) records.push_back(record);
    at = end;
  }
  return records;
}

size_t RotBase::TotalBytes() const {
  size_t total = 0;
  for (const auto& [path, bytes] : files) total += bytes->size();
  return total;
}

FileType TypeOf(const std::string& path) {
  const auto parsed = ParseFileName(path.substr(path.rfind('/') + 1));
  return parsed ? parsed->type : FileType::kTemporary;
}

std::vector<RotBase> MakeRotBases(uint64_t seed, RotHistory* history) {
  return BaseMaker(seed, history).Make();
}

}  // namespace paceline
