// Threads that write, read, and take snapshots of a real database while it
// flushes and compacts. Every call is recorded, and one order of all of them,
// that of the WALs, must explain what every one of them saw. The same with WALs
// that fail: what was not acknowledged is seen by nobody.
//
// PACELINE_SEED repeats the choices, though not the order of the threads.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <iterator>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "paceline/db.h"

#include "gtest/gtest.h"
#include "src/db/inspection.h"
#include "src/format/batch_reader.h"
#include "src/format/predecessor_note.h"
#include "test/support/effort.h"
#include "test/support/fault_file_system.h"
#include "test/support/forwarding_file_system.h"
#include "test/support/history.h"
#include "test/support/no_logger.h"
#include "test/support/seed.h"
#include "test/support/test_database.h"
#include "test/support/test_directory.h"

namespace paceline {
namespace {

constexpr const char* kFamilies[] = {"default", "other"};
constexpr size_t kFamilyCount = std::size(kFamilies);

// Keeps the WALs that a database removes: they have the order of its writes.
class WalKeeper final : public ForwardingFileSystem {
 public:
  // `directory` must exist.
  explicit WalKeeper(std::string directory)
      : directory_(std::move(directory)) {}

  Status RemoveFile(const std::string& path) override {
    return path.ends_with(".log") ? Keep(path) : base()->RemoveFile(path);
  }
  // Failed WALs are set aside.
  Status RenameFile(const std::string& from, const std::string& to) override {
    return from.ends_with(".log") ? Keep(from) : base()->RenameFile(from, to);
  }

  // What the kept WALs and those in `database` have. Those that failed may end
  // with a part of a record.
  std::vector<LoggedBatch> Log(const std::string& database, bool may_fail) {
    std::vector<std::pair<uint64_t, LoggedBatch>> batches;
    for (const std::string& directory : {directory_, database}) {
      const Status status = ReadWals(
          base(), directory,
          [&](const WalRecord& record) {
            Split(record, &batches);
            return Status::OK();
          },
          [may_fail](const LogDamage& damage) {
            EXPECT_TRUE(may_fail) << damage.path << ": " << damage.reason;
          });
      EXPECT_THAT(status, IsOk());
    }
    // By WAL; within one they are in order.
    std::stable_sort(
        batches.begin(), batches.end(),
        [](const auto& a, const auto& b) { return a.first < b.first; });
    std::vector<LoggedBatch> log;
    log.reserve(batches.size());
    for (const auto& [number, batch] : batches) log.push_back(batch);
    return log;
  }

 private:
  Status Keep(const std::string& path) {
    return base()->RenameFile(path, directory_ + path.substr(path.rfind('/')));
  }

  // Batches of several writers share a record; each begins with its id.
  static void Split(const WalRecord& record,
                    std::vector<std::pair<uint64_t, LoggedBatch>>* batches) {
    BatchReader reader{Slice(record.contents)};
    BatchEntry entry;
    while (reader.Next(&entry)) {
      if (entry.kind == BatchEntry::Kind::kUpdate) {
        ASSERT_FALSE(batches->empty());
        LoggedBatch& batch = batches->back().second;
        if (batch.entries == 0) batch.first_sequence = reader.entry_sequence();
        ++batch.entries;
      } else if (!PredecessorNote::FromBlob(entry.value).has_value()) {
        uint64_t id = 0;
        ASSERT_EQ(entry.value.size(), sizeof(id));
        std::memcpy(&id, entry.value.data(), sizeof(id));
        batches->push_back({record.log_number, {.id = id}});
      }
    }
    ASSERT_THAT(reader.status(), IsOk());
  }

  const std::string directory_;
};

// A value is this, several times, so that no part of it can be of another.
struct Mark {
  uint64_t batch = 0;
  uint32_t entry = 0;
  uint32_t key = 0;
};

std::string ValueOf(const Mark& mark, size_t times) {
  std::string value;
  value.reserve(times * sizeof(mark));
  for (; times > 0; --times) {
    value.append(reinterpret_cast<const char*>(&mark), sizeof(mark));
  }
  return value;
}

// What `value`, found under `key`, says of itself.
Sighting SightingOf(HistoryKey key, const Slice& value) {
  Mark mark;
  const bool is_whole = !value.empty() && value.size() % sizeof(mark) == 0 &&
                        std::memcmp(value.data(), value.data() + sizeof(mark),
                                    value.size() - sizeof(mark)) == 0;
  EXPECT_TRUE(is_whole) << "a value in pieces: " << value.ToString(true);
  if (!is_whole) return {.key = key};
  std::memcpy(&mark, value.data(), sizeof(mark));
  EXPECT_EQ(mark.key, key) << "the value of another key";
  return {.key = key, .batch = mark.batch, .entry = mark.entry};
}

// What differs from one database to the next.
struct HistCase {
  explicit HistCase(uint64_t seed) {
    TestRandom random(seed);
    options.create_if_missing = true;
    options.create_missing_column_families = true;
    options.info_log = std::make_shared<NoLogger>();
    options.allow_mmap_writes = random.OneIn(2);
    options.allow_concurrent_memtable_write = !random.OneIn(3);
    options.visible_before_durable = random.OneIn(3);
    options.write_buffer_size = size_t{64} << (10 + random.Below(5));
    options.max_write_buffer_number = 2 + static_cast<int>(random.Below(3));
    options.target_file_size_base = uint64_t{64} << 10;
    options.max_bytes_for_level_base = uint64_t{256} << 10;
    options.max_background_jobs = 1 + static_cast<int>(random.Below(3));
    options.atomic_flush = random.OneIn(3);
    if (random.OneIn(3)) options.max_write_batch_group_size_bytes = 4'096;
    // More than there are processors, as a rule.
    threads = 2 + random.Below(11);
    keys_per_family = HistoryKey{8} << random.Below(8);
    one_sync_in = random.OneIn(4) ? 20 : 2'000;
    storage = random.OneIn(3) ? TestStorage::kDisk : TestStorage::kMemory;
  }

  Options options;
  uint64_t threads = 0;
  HistoryKey keys_per_family = 0;
  uint64_t one_sync_in = 0;
  TestStorage storage = TestStorage::kMemory;
};

// One thread of the many. The database must not be closed before Finish().
class HistThread {
 public:
  // `number` tells it from all others of its history. With `faults`, it lets
  // WALs fail now and then.
  HistThread(const HistCase& hist_case, const TestDatabase& database,
             FaultFileSystem* faults, uint64_t number, uint64_t seed)
      : case_(hist_case),
        faults_(faults),
        number_(number),
        random_(seed),
        db_(database.get()) {
    for (const char* name : kFamilies) {
      families_.push_back(database.Family(name));
    }
  }

  void Step() {
    if (faults_ != nullptr && random_.OneIn(200)) ArmFault();
    const uint64_t choice = random_.Below(100);
    if (choice < 35) {
      Write();
    } else if (choice < 36) {
      WriteWhatIsRefused();
    } else if (choice < 68) {
      Get(RandomSnapshot());
    } else if (choice < 80) {
      MultiGet(RandomSnapshot());
    } else if (choice < 90) {
      Scan(RandomSnapshot());
    } else if (choice < 94) {
      TakeSnapshot();
    } else if (choice < 98) {
      ReadSequence();
    } else if (random_.OneIn(300)) {
      Maintain();
    } else {
      ReleaseSnapshot();
    }
  }

  HistoryPart Finish() {
    while (!snapshots_.empty()) ReleaseSnapshot();
    return std::move(part_);
  }

 private:
  HistoryKey RandomKey() {
    return static_cast<HistoryKey>(
        random_.Below(case_.keys_per_family * kFamilyCount));
  }
  ColumnFamilyHandle* FamilyOf(HistoryKey key) const {
    return families_[key / case_.keys_per_family];
  }
  // The keys of a family are in the order of their numbers.
  std::string NameOf(HistoryKey key) const {
    char name[16];
    std::snprintf(name, sizeof(name), "key%05u", key % case_.keys_per_family);
    return name;
  }
  HistoryKey KeyOf(size_t family, const Slice& name) const {
    const std::string digits = name.ToString().substr(3);
    return static_cast<HistoryKey>(family) * case_.keys_per_family +
           static_cast<HistoryKey>(std::strtoul(digits.c_str(), nullptr, 10));
  }

  // --- Writes ---

  HistoryBatch NewBatch() {
    return {.id = (number_ << 40) | ++batches_, .entries = {}};
  }

  void Write() {
    HistoryBatch batch = NewBatch();
    WriteBatch writes = Begin(batch);
    for (uint64_t left = 1 + random_.Below(5); left > 0; --left) {
      Add(RandomEntry(), &batch, &writes);
    }
    Commit(&batch, &writes);
    const bool is_unknown = batch.outcome == HistoryBatch::Outcome::kUnknown;
    EXPECT_NE(batch.outcome, HistoryBatch::Outcome::kRefused);
    part_.batches.push_back(std::move(batch));
    // Fails if the next fault is met meanwhile; somebody tries again.
    if (is_unknown) ExpectOkOrFault(db_->Resume());
  }

  // There is no merge operator.
  void WriteWhatIsRefused() {
    HistoryBatch batch = NewBatch();
    WriteBatch writes = Begin(batch);
    Add({.key = RandomKey()}, &batch, &writes);
    EXPECT_THAT(writes.Merge("key", "operand"), IsOk());
    Commit(&batch, &writes);
    EXPECT_NE(batch.outcome, HistoryBatch::Outcome::kOk);
    part_.batches.push_back(std::move(batch));
  }

  static WriteBatch Begin(const HistoryBatch& batch) {
    WriteBatch writes;
    EXPECT_THAT(
        writes.PutLogData(
            Slice(reinterpret_cast<const char*>(&batch.id), sizeof(batch.id))),
        IsOk());
    return writes;
  }

  HistoryEntry RandomEntry() {
    HistoryEntry entry = {.key = RandomKey()};
    const uint64_t choice = random_.Below(40);
    if (choice == 0) {
      const HistoryKey family = entry.key / case_.keys_per_family;
      const HistoryKey family_end = (family + 1) * case_.keys_per_family;
      entry.kind = HistoryEntry::Kind::kDeleteRange;
      entry.end = std::min(
          family_end, entry.key + static_cast<HistoryKey>(random_.Below(10)));
    } else if (choice < 10) {
      entry.kind = HistoryEntry::Kind::kDelete;
    }
    return entry;
  }

  void Add(const HistoryEntry& entry, HistoryBatch* batch, WriteBatch* writes) {
    ColumnFamilyHandle* family = FamilyOf(entry.key);
    const std::string name = NameOf(entry.key);
    Status status;
    if (entry.kind == HistoryEntry::Kind::kPut) {
      const Mark mark = {
          batch->id, static_cast<uint32_t>(batch->entries.size()), entry.key};
      const size_t times = random_.OneIn(200) ? 300 : 1 + random_.Below(5);
      status = writes->Put(family, name, ValueOf(mark, times));
    } else if (entry.kind == HistoryEntry::Kind::kDelete) {
      status = writes->Delete(family, name);
    } else {
      // The end may be the first key of the next family, which has no name.
      const std::string end =
          entry.end % case_.keys_per_family == 0 ? "key~" : NameOf(entry.end);
      status = writes->DeleteRange(family, name,
                                   entry.end == entry.key ? name : end);
    }
    EXPECT_THAT(status, IsOk());
    batch->entries.push_back(entry);
  }

  void Commit(HistoryBatch* batch, WriteBatch* writes) {
    const bool is_sync = random_.OneIn(case_.one_sync_in);
    batch->invoked = HistoryPart::Now();
    const Status status = db_->Write({.sync = is_sync}, writes);
    batch->returned = HistoryPart::Now();
    if (status.ok()) return;
    if (!status.IsInvalidArgument()) ExpectOkOrFault(status);
    batch->outcome = status.IsInvalidArgument()
                         ? HistoryBatch::Outcome::kRefused
                         : HistoryBatch::Outcome::kUnknown;
  }

  // --- Reads ---

  struct Held {
    const Snapshot* snapshot = nullptr;
    SequenceNumber sequence = 0;
  };

  // Mostly none, which is the present.
  Held RandomSnapshot() {
    if (snapshots_.empty() || !random_.OneIn(3)) return {};
    return snapshots_[random_.Below(snapshots_.size())];
  }

  // A read that has begun.
  static HistoryRead NewRead(const char* call, const Held& held) {
    HistoryRead read = {.call = call, .sightings = {}};
    if (held.snapshot != nullptr) {
      read.sequence = held.sequence;
    } else {
      read.invoked = HistoryPart::Now();
    }
    return read;
  }
  static void Return(HistoryRead* read) {
    if (!read->sequence.has_value()) read->returned = HistoryPart::Now();
  }

  static void See(HistoryKey key, const Status& status, const Slice& value,
                  HistoryRead* read) {
    if (status.ok()) {
      read->sightings.push_back(SightingOf(key, value));
    } else {
      EXPECT_TRUE(status.IsNotFound()) << status.ToString();
      read->sightings.push_back({.key = key});
    }
  }

  void Get(const Held& held) {
    const HistoryKey key = RandomKey();
    const std::string name = NameOf(key);
    PinnableSlice value;
    HistoryRead read = NewRead("Get", held);
    const Status status =
        db_->Get({.snapshot = held.snapshot}, FamilyOf(key), name, &value);
    Return(&read);
    See(key, status, value, &read);
    part_.reads.push_back(std::move(read));
  }

  void MultiGet(const Held& held) {
    std::vector<HistoryKey> keys;
    std::vector<std::string> names;
    std::vector<ColumnFamilyHandle*> families;
    for (uint64_t left = 2 + random_.Below(6); left > 0; --left) {
      keys.push_back(RandomKey());
      names.push_back(NameOf(keys.back()));
      families.push_back(FamilyOf(keys.back()));
    }
    std::vector<std::string> values;
    HistoryRead read = NewRead("MultiGet", held);
    const auto statuses =
        db_->MultiGet({.snapshot = held.snapshot}, families,
                      std::vector<Slice>(names.begin(), names.end()), &values);
    Return(&read);
    for (size_t i = 0; i < keys.size(); ++i) {
      See(keys[i], statuses[i], values[i], &read);
    }
    part_.reads.push_back(std::move(read));
  }

  // Some entries of a family from some key on, in either direction.
  void Scan(const Held& held) {
    const size_t family = random_.Below(kFamilyCount);
    const auto start = static_cast<HistoryKey>(
        family * case_.keys_per_family + random_.Below(case_.keys_per_family));
    const bool is_forward = random_.OneIn(2);
    HistoryRead read = NewRead(is_forward ? "scan" : "backward scan", held);
    const std::unique_ptr<Iterator> iterator(
        db_->NewIterator({.snapshot = held.snapshot}, families_[family]));
    Return(&read);
    is_forward ? iterator->Seek(NameOf(start))
               : iterator->SeekForPrev(NameOf(start));
    Walk(iterator.get(), family, start, is_forward, &read);
    EXPECT_THAT(iterator->status(), IsOk());
    part_.reads.push_back(std::move(read));
  }

  // Adds some entries, and all keys that are passed over, to `*read`.
  void Walk(Iterator* iterator, size_t family, HistoryKey start,
            bool is_forward, HistoryRead* read) {
    const int64_t step = is_forward ? 1 : -1;
    const int64_t size = case_.keys_per_family;
    const int64_t begin = static_cast<int64_t>(family) * size;
    const int64_t bound = is_forward ? begin + size : begin - 1;
    int64_t next = start;
    for (uint64_t left = 1 + random_.Below(12); left > 0; --left) {
      const int64_t found =
          iterator->Valid() ? KeyOf(family, iterator->key()) : bound;
      ASSERT_GE((found - next) * step, 0) << "a scan goes back";
      for (; next != found; next += step) {
        read->sightings.push_back({.key = static_cast<HistoryKey>(next)});
      }
      if (found == bound) return;
      read->sightings.push_back(
          SightingOf(static_cast<HistoryKey>(found), iterator->value()));
      next += step;
      is_forward ? iterator->Next() : iterator->Prev();
    }
  }

  // --- Snapshots, and the rest ---

  void TakeSnapshot() {
    constexpr size_t kSnapshotsMax = 3;
    if (snapshots_.size() == kSnapshotsMax) ReleaseSnapshot();
    HistoryRead read = {.call = "GetSnapshot", .sightings = {}};
    read.invoked = HistoryPart::Now();
    const Snapshot* snapshot = db_->GetSnapshot();
    read.returned = HistoryPart::Now();
    read.sequence = snapshot->GetSequenceNumber();
    snapshots_.push_back({snapshot, *read.sequence});
    part_.reads.push_back(std::move(read));
  }

  void ReleaseSnapshot() {
    if (snapshots_.empty()) return;
    const size_t index = random_.Below(snapshots_.size());
    db_->ReleaseSnapshot(snapshots_[index].snapshot);
    snapshots_.erase(snapshots_.begin() + static_cast<ptrdiff_t>(index));
  }

  void ReadSequence() {
    HistoryRead read = {.call = "GetLatestSequenceNumber", .sightings = {}};
    read.invoked = HistoryPart::Now();
    read.sequence = db_->GetLatestSequenceNumber();
    read.returned = HistoryPart::Now();
    part_.reads.push_back(std::move(read));
  }

  void Maintain() {
    ColumnFamilyHandle* family = families_[random_.Below(kFamilyCount)];
    if (random_.OneIn(3)) {
      ExpectOkOrFault(db_->CompactRange({}, family, nullptr, nullptr));
    } else {
      ExpectOkOrFault(db_->Flush({}, family));
    }
  }

  // --- Faults ---

  void ExpectOkOrFault(const Status& status) const {
    EXPECT_TRUE(status.ok() || (faults_ != nullptr && status.IsIOError()))
        << status.ToString();
  }

  // Lets one of the next appends to a WAL, or syncs of it, fail.
  void ArmFault() {
    constexpr uint64_t kSoon = 10;
    faults_->Arm({.operation = 1 + random_.Below(kSoon),
                  .name = random_.OneIn(2) ? "Append" : "Sync",
                  .path_end = ".log",
                  .effect = static_cast<Fault::Effect>(random_.Below(3))});
  }

  const HistCase& case_;
  FaultFileSystem* const faults_;  // Null: nothing fails.
  const uint64_t number_;
  TestRandom random_;
  DB* const db_;
  std::vector<ColumnFamilyHandle*> families_;
  uint64_t batches_ = 0;
  std::vector<Held> snapshots_;
  HistoryPart part_;
};

// One database: it is opened twice, and the history goes on.
class HistRun {
 public:
  HistRun(uint64_t seed, bool has_faults)
      : case_(seed),
        has_faults_(has_faults),
        random_(seed),
        root_(case_.storage) {
    std::filesystem::create_directory(root_ / "kept");
    case_.options.file_system = &keeper_;
    if (has_faults_) {
      case_.options.file_system = &faults_;
      case_.one_sync_in = 20;
      // It shows a write before anybody knows whether its sync fails.
      case_.options.visible_before_durable = false;
    }
  }

  // Makes about `operations` calls. What is wrong with them; empty: nothing.
  std::string Run(uint64_t operations) {
    std::vector<HistoryPart> parts;
    // The next open may find what failed.
    const uint64_t opens = has_faults_ ? 1 : 2;
    for (uint64_t open = 0; open < opens; ++open) {
      TestDatabase database;
      EXPECT_THAT(database.Open(case_.options, directory_, {kFamilies[1]}),
                  IsOk());
      if (testing::Test::HasFailure()) return "see above";
      if (open == 0) first_ = database->GetLatestSequenceNumber() + 1;
      RunThreads(database, operations / opens, &parts);
      Close(&database);
    }
    for (const HistoryPart& part : parts) {
      for (const HistoryBatch& batch : part.batches) {
        failures_ += batch.outcome == HistoryBatch::Outcome::kUnknown ? 1 : 0;
      }
    }
    ExpectNoRepeats();
    History history(std::move(parts), keeper_.Log(directory_, has_faults_),
                    first_);
    return history.Check();
  }

  [[nodiscard]] uint64_t operations() const { return operations_; }
  [[nodiscard]] uint64_t flushes() const { return flushes_; }
  [[nodiscard]] uint64_t compactions() const { return compactions_; }
  // Commits that another writer's group took along.
  [[nodiscard]] uint64_t followers() const { return followers_; }
  // Writes that failed.
  [[nodiscard]] uint64_t failures() const { return failures_; }

 private:
  void RunThreads(const TestDatabase& database, uint64_t operations,
                  std::vector<HistoryPart>* parts) {
    const uint64_t steps = operations / case_.threads + 1;
    const size_t first = parts->size();
    parts->resize(first + case_.threads);
    std::vector<std::thread> threads;
    for (uint64_t i = 0; i < case_.threads; ++i) {
      const uint64_t seed = random_.Next();
      threads.emplace_back([&, i, seed] {
        HistThread thread(case_, database, has_faults_ ? &faults_ : nullptr,
                          first + i + 1, seed);
        for (uint64_t step = 0; step < steps; ++step) thread.Step();
        (*parts)[first + i] = thread.Finish();
      });
    }
    for (std::thread& thread : threads) thread.join();
    operations_ += steps * case_.threads;
  }

  // A WAL is done with once an append or a sync of it has failed; what another
  // thread had begun by then may still come. An append beside a sync that fails
  // succeeds, but its group does not: it stands in the pipeline behind the one
  // that waits for the sync, or finds the pipeline empty and the latch set (see
  // Committer::CommitAsLeader). A sync beside an append that fails covers what
  // was appended before. So who asks for a sync and is told OK never has its
  // record in a WAL whose sync failed. Who does not ask may have: its record
  // came before, and nobody has promised that it survives a power cut.
  void ExpectNoRepeats() const {
    EXPECT_THAT(faults_.repeats_after_failure(), testing::IsEmpty());
  }

  void Close(TestDatabase* database) {
    if (has_faults_) {
      faults_.Disarm();
      EXPECT_THAT((*database)->Resume(), IsOk());
    }
    const Metrics metrics = (*database)->GetMetrics();
    flushes_ += metrics.flushes;
    compactions_ += metrics.compactions;
    followers_ += metrics.commits - metrics.groups;
    EXPECT_THAT(database->Close(), IsOk());
  }

  HistCase case_;
  const bool has_faults_;
  TestRandom random_;
  TestDirectory root_;
  const std::string directory_ = root_ / "db";
  WalKeeper keeper_{root_ / "kept"};
  FaultFileSystem faults_{&keeper_};
  SequenceNumber first_ = 0;
  uint64_t operations_ = 0;
  uint64_t flushes_ = 0;
  uint64_t compactions_ = 0;
  uint64_t followers_ = 0;
  uint64_t failures_ = 0;
};

// The command that makes the same choices again.
std::string Again(uint64_t seed) {
  const auto* info = testing::UnitTest::GetInstance()->current_test_info();
  return "PACELINE_SEED=" + std::to_string(seed) +
         " PACELINE_RUNS=1 hist_test --gtest_filter=HistTest." + info->name();
}

TEST(HistTest, OneOrderOfTheWritesExplainsWhatEverybodySaw) {
  constexpr uint64_t kOperationsPerRun = kIsSanitized ? 15'000 : 250'000;
  const RunLimit limit(5'000'000, 120'000);
  uint64_t operations = 0;
  uint64_t flushes = 0;
  uint64_t compactions = 0;
  uint64_t followers = 0;
  for (uint64_t seed = TestSeed(); !limit.IsReached(operations); ++seed) {
    HistRun run(seed, /*has_faults=*/false);
    ASSERT_EQ(run.Run(kOperationsPerRun), "") << Again(seed);
    ASSERT_FALSE(HasFailure()) << Again(seed);
    operations += run.operations();
    flushes += run.flushes();
    compactions += run.compactions();
    followers += run.followers();
  }
  EXPECT_GT(flushes, 0u);
  EXPECT_GT(followers, 0u);
  ReportCoverage(operations, "operations");
  ReportCoverage(flushes, "flushes");
  ReportCoverage(compactions, "compactions");
}

TEST(HistTest, NobodySeesAWriteThatFailed) {
  constexpr uint64_t kOperationsPerRun = kIsSanitized ? 5'000 : 20'000;
  const RunLimit limit(200'000, 20'000);
  uint64_t operations = 0;
  uint64_t failures = 0;
  for (uint64_t seed = TestSeed(); !limit.IsReached(operations); ++seed) {
    HistRun run(seed, /*has_faults=*/true);
    ASSERT_EQ(run.Run(kOperationsPerRun), "") << Again(seed);
    ASSERT_FALSE(HasFailure()) << Again(seed);
    operations += run.operations();
    failures += run.failures();
  }
  EXPECT_GT(failures, 0u);
  ReportCoverage(operations, "operations");
  ReportCoverage(failures, "failed writes");
}

}  // namespace
}  // namespace paceline
