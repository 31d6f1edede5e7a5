// Crashes of a whole database on a simulated disk. A seeded workload runs once;
// then the disk that a crash leaves is made for many moments of it, each in
// many ways, and opened. Whoever opens it is crashed, too.

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "paceline/db.h"

#include "gtest/gtest.h"
#include "test/support/crash_oracle.h"
#include "test/support/effort.h"
#include "test/support/model.h"
#include "test/support/no_logger.h"
#include "test/support/order_monitor.h"
#include "test/support/seed.h"
#include "test/support/sim_file_system.h"
#include "test/support/test_database.h"
#include "test/support/test_directory.h"

namespace paceline {
namespace {

constexpr const char* kDirectory = "/data/db";
constexpr const char* kCrashDirectory = "/db";

Options OptionsOn(SimFileSystem* files) {
  Options options;
  options.create_if_missing = true;
  options.file_system = files;
  options.info_log = std::make_shared<NoLogger>();
  options.allow_mmap_writes = false;
  return options;
}

TEST(PowerCutTest, ANewDatabaseKeepsItsDirectory) {
  SimFileSystem files;
  ASSERT_THAT(files.CreateDirectory("/data"), IsOk());
  ASSERT_THAT(files.SyncDirectory("/"), IsOk());
  TestDatabase database;
  ASSERT_THAT(database.Open(OptionsOn(&files), kDirectory), IsOk());
  ASSERT_THAT(database->Put({.sync = true}, "key", "value"), IsOk());
  SimFileSystem image(files.Disk().AfterCrash(CrashModel::kNothing, 0));
  TestDatabase recovered;
  ASSERT_THAT(recovered.Open(OptionsOn(&image), kDirectory), IsOk());
  EXPECT_EQ(Difference({{"default", {{"key", "value"}}}}, recovered.ReadAll()),
            "");
}

// A batch over two families, of which one is flushed: the other part must not
// be in a WAL that a power cut can take away.
TEST(PowerCutTest, AFlushOfOneFamilyKeepsTheOthersPartOfItsBatches) {
  SimFileSystem files;
  ASSERT_THAT(files.CreateDirectory("/data"), IsOk());
  ASSERT_THAT(files.SyncDirectory("/"), IsOk());
  TestDatabase database;
  ASSERT_THAT(database.Open(OptionsOn(&files), kDirectory), IsOk());
  ASSERT_THAT(database.CreateFamily("other"), IsOk());
  WriteBatch batch;
  ASSERT_THAT(batch.Put("key", "1"), IsOk());
  ASSERT_THAT(batch.Put(database.Family("other"), "key", "2"), IsOk());
  ASSERT_THAT(database->Write({}, &batch), IsOk());
  files.AddFault({.operations = {"Sync"},
                  .path_pattern = "*.log",
                  .times = UINT64_MAX,
                  .error_number = EIO});
  EXPECT_THAT(database->Flush({}), HasCode(Status::kIOError))
      << "the WAL cannot be synced";
  SimFileSystem image(files.Disk().AfterCrash(CrashModel::kNothing, 0));
  TestDatabase recovered;
  ASSERT_THAT(recovered.Open(OptionsOn(&image), kDirectory), IsOk());
  EXPECT_EQ(Difference({{"default", {}}, {"other", {}}}, recovered.ReadAll()),
            "");
  EXPECT_THAT(database.Close(), HasCode(Status::kIOError));
}

// The history in which the first WAL's syncs are still under way, but for the
// first one of them.
SimHistory WithoutLaterSyncs(const SimHistory& history) {
  std::vector<SimEvent> events = history.events();
  uint64_t inode = 0;
  uint64_t appends = 0;
  for (SimEvent& event : events) {
    if (!event.path.ends_with(".log")) continue;
    const bool is_append = event.kind == SimEvent::Kind::kAppend;
    if (inode == 0 && is_append) inode = event.inode;
    if (event.inode != inode) continue;
    appends += is_append ? 1 : 0;
    if (appends < 3 || event.kind != SimEvent::Kind::kSyncEnd) continue;
    event = SimEvent();
    event.bytes = "not yet";
  }
  return {SimDisk(), events};
}

// The end of a WAL is lost between two records, which nothing in it shows, and
// the next WAL is there.
TEST(PowerCutTest, WhatFollowsALostEndOfAWalIsNotReplayed) {
  SimFileSystem files;
  ASSERT_THAT(files.CreateDirectory("/data"), IsOk());
  ASSERT_THAT(files.SyncDirectory("/"), IsOk());
  TestDatabase database;
  ASSERT_THAT(database.Open(OptionsOn(&files), kDirectory), IsOk());
  ASSERT_THAT(database.CreateFamily("other"), IsOk());
  ASSERT_THAT(database->Put({.sync = true}, "1", ""), IsOk());
  ASSERT_THAT(database->Put({}, "2", ""), IsOk());
  ASSERT_THAT(database->Put({}, database.Family("other"), "3", ""), IsOk());
  // The next WAL begins, and this one stays.
  files.AddFault(
      {.operations = {"Sync"}, .path_pattern = "*.sst", .times = UINT64_MAX});
  EXPECT_THAT(database->Flush({}, {database.Family("other")}),
              HasCode(Status::kIOError));
  ASSERT_THAT(database->Put({}, "4", ""), IsOk());
  const SimHistory history = WithoutLaterSyncs(files.History());
  std::set<std::string> seen;
  constexpr uint64_t kSeeds = 100;
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    SimFileSystem image(
        history.Image(history.events().size(), CrashModel::kPrefix, seed));
    TestDatabase recovered;
    ASSERT_THAT(recovered.Open(OptionsOn(&image), kDirectory), IsOk());
    std::string value;
    std::string found;
    for (const char* key : {"1", "2", "4"}) {
      if (recovered->Get({}, key, &value).ok()) found += key;
    }
    seen.insert(found);
  }
  EXPECT_THAT(seen, testing::ElementsAre("1", "12", "124"));
  EXPECT_THAT(database.Close(), IsOk());
}

// --- The workload ----------------------------------------------------------

// Options that follow from a seed: small files, so that much happens soon.
Options RandomOptions(TestRandom* random) {
  Options options;
  options.create_if_missing = true;
  options.info_log = std::make_shared<NoLogger>();
  options.allow_mmap_writes = random->OneIn(5);
  options.write_buffer_size = size_t{64} << 10;
  options.target_file_size_base = uint64_t{8} << 10;
  options.max_bytes_for_level_base = uint64_t{32} << 10;
  options.level0_file_num_compaction_trigger = 3;
  options.max_manifest_file_size = random->OneIn(2) ? 1'024 : 1 << 20;
  options.max_background_jobs = 1 + static_cast<int>(random->Below(2));
  options.atomic_flush = random->OneIn(4);
  options.visible_before_durable = random->OneIn(6);
  options.allow_concurrent_memtable_write = random->OneIn(2);
  return options;
}

// Random batches; each has the next number and writes it first.
class BatchMaker {
 public:
  using Operations = std::vector<ModelOperation>;

  static Operations Make(uint64_t id, const std::vector<std::string>& families,
                         TestRandom* random) {
    using Kind = ModelOperation::Kind;
    Operations operations = {
        {Kind::kPut, kDefaultColumnFamilyName, LedgerKey(id), ""}};
    for (uint64_t left = random->Below(5); left > 0; --left) {
      const std::string& family = families[random->Below(families.size())];
      const std::string key = "k" + std::to_string(random->Below(24));
      if (random->OneIn(4)) {
        operations.push_back({Kind::kDelete, family, key, ""});
      } else if (random->OneIn(12)) {
        operations.push_back({Kind::kDeleteRange, family, key, key + "~"});
      } else {
        // Now and then one that fills a good part of a memtable.
        const uint64_t size = random->OneIn(40) ? 12'000 : random->Below(120);
        operations.push_back({Kind::kPut, family, key,
                              std::to_string(id) + random->Letters(size)});
      }
    }
    return operations;
  }
};

// One run on a disk of its own. What it does is in the disk's history.
class CrashWorkload {
 public:
  CrashWorkload(uint64_t seed, SimFileSystem* files)
      : random_(seed), files_(files), options_(RandomOptions(&random_)) {
    options_.file_system = files_;
  }

  void Run() {
    const bool has_threads = random_.OneIn(3);
    Open();
    for (const char* name : {"a", "b"}) Create(name);
    RunThreads(has_threads ? 3 : 1);
    Close();
    Open();
    RunThreads(1);
    Close();
  }

  [[nodiscard]] const Options& options() const { return options_; }

 private:
  void Open() {
    Note(files_, SimNote::kOpening, 0);
    ASSERT_THAT(database_.Open(options_, kCrashDirectory), IsOk());
    Note(files_, SimNote::kOpened, 0);
  }

  // Makes everything durable, as SyncWAL() does.
  template <typename Call>
  void Sync(Call call) {
    const uint64_t token = tokens_.fetch_add(1);
    Note(files_, SimNote::kSyncing, token);
    const Status status = call();
    ASSERT_THAT(status, IsOk());
    Note(files_, SimNote::kSynced, token);
  }

  void Close() {
    Sync([this] { return database_.Close(); });
  }

  void Create(const std::string& name) {
    Note(files_, SimNote::kCreating, 0, name);
    ASSERT_THAT(database_.CreateFamily(name), IsOk());
    Note(files_, SimNote::kCreated, 0, name);
  }

  void Drop(const std::string& name) {
    Note(files_, SimNote::kDropping, 0, name);
    ASSERT_THAT(database_.DropFamily(name), IsOk());
    Note(files_, SimNote::kDropped, 0, name);
  }

  void RunThreads(uint64_t count) {
    std::vector<std::thread> threads;
    for (uint64_t i = 0; i < count; ++i) {
      const uint64_t seed = random_.Next();
      const uint64_t operations = (30 + random_.Below(120)) / count;
      if (count == 1) {
        RunOne(seed, operations, /*makes_families=*/true);
      } else {
        threads.emplace_back([this, seed, operations] {
          RunOne(seed, operations, /*makes_families=*/false);
        });
      }
    }
    for (std::thread& thread : threads) thread.join();
  }

  void RunOne(uint64_t seed, uint64_t operations, bool makes_families) {
    TestRandom random(seed);
    std::vector<std::string> families = {kDefaultColumnFamilyName, "a", "b"};
    for (; operations > 0; --operations) {
      const uint64_t choice = random.Below(100);
      if (choice < 4) {
        Sync([this] { return database_->SyncWAL(); });
      } else if (choice < 10) {
        Flush(&random);
      } else if (choice < 12) {
        ASSERT_THAT(database_->CompactRange({}, nullptr, nullptr), IsOk());
      } else if (choice < 15 && makes_families) {
        families.push_back("t" + std::to_string(families_made_++));
        Create(families.back());
      } else if (choice < 17 && families.size() > 3) {
        Drop(families.back());
        families.pop_back();
      } else {
        Write(families, &random);
      }
    }
    while (families.size() > 3) {
      Drop(families.back());
      families.pop_back();
    }
  }

  void Flush(TestRandom* random) {
    ColumnFamilyHandle* family =
        database_.Family(random->OneIn(2) ? "default" : "a");
    if (family->GetName() != "default") {
      ASSERT_THAT(database_->Flush({}, {family}), IsOk());
      return;
    }
    // Every batch has a part in it, and no part is kept without the others.
    Sync([&] { return database_->Flush({}, {family}); });
  }

  void Write(const std::vector<std::string>& families, TestRandom* random) {
    const uint64_t id = next_id_.fetch_add(1);
    const auto operations = BatchMaker::Make(id, families, random);
    WriteBatch batch;
    for (const ModelOperation& operation : operations) {
      ASSERT_THAT(
          AddToBatch(operation, database_.Family(operation.family), &batch),
          IsOk());
    }
    const bool is_sync = random->OneIn(4);
    Note(files_, SimNote::kWriting, id, EncodeOperations(operations));
    ASSERT_THAT(database_->Write({.sync = is_sync}, &batch), IsOk());
    Note(files_, is_sync ? SimNote::kWrittenSync : SimNote::kWritten, id);
  }

  TestRandom random_;
  SimFileSystem* const files_;
  Options options_;
  TestDatabase database_;
  std::atomic<uint64_t> next_id_ = 1;
  std::atomic<uint64_t> tokens_ = 1;
  uint64_t families_made_ = 0;
};

// --- The crashes -----------------------------------------------------------

// One crash; a failure is repeated by these.
struct Crash {
  size_t events = 0;
  CrashModel model = CrashModel::kNothing;
  uint64_t seed = 0;
};

// Opens what crashes of one history leave.
class CrashChecker {
 public:
  static constexpr int kDepthMax = 3;
  // Writes after each recovery, to see that life goes on.
  static constexpr uint64_t kMoreWrites = 5;

  CrashChecker(Options options, const SimHistory* history,
               const CrashOracle* oracle, int depth)
      : options_(std::move(options)),
        history_(history),
        oracle_(oracle),
        depth_(depth) {}

  // A crash where one is likely to find something, or anywhere.
  Crash Choose(TestRandom* random) const {
    Crash crash;
    const uint64_t choice = random->Below(10);
    const auto& hot = oracle_->hot_events();
    const auto& opening = oracle_->open_events();
    if (choice < 5 && !hot.empty()) {
      crash.events = hot[random->Below(hot.size())];
    } else if (choice < 7 && !opening.empty()) {
      crash.events = opening[random->Below(opening.size())];
    } else {
      crash.events = random->Below(history_->events().size() + 1);
    }
    crash.model = static_cast<CrashModel>(random->Below(kCrashModels));
    crash.seed = random->Next() % 1'000'000;
    return crash;
  }

  // What is wrong after `crash`; empty: nothing.
  std::string Check(const Crash& crash) {
    ++images_;
    SimFileSystem files(history_->Image(crash.events, crash.model, crash.seed));
    options_.file_system = &files;
    TestRandom random(crash.seed);
    Model model;
    SequenceNumber sequence = 0;
    const StatusOr<bool> exists =
        files.FileExists(std::string(kCrashDirectory) + "/CURRENT");
    if (!*exists && !oracle_->MayBeMissing(crash.events)) {
      return "the database is gone";
    }
    std::string wrong = Live(crash, &files, &model, &sequence, &random);
    if (!wrong.empty() || depth_ >= kDepthMax || !random.OneIn(4)) return wrong;
    const SimHistory history = files.History();
    const CrashOracle oracle(&history, model, sequence, /*is_new=*/!*exists);
    if (!oracle.flaw().empty()) return "nested: " + oracle.flaw();
    return CheckNested(history, oracle, &random);
  }

  [[nodiscard]] uint64_t images() const { return images_; }

 private:
  // Opens, compares, writes some more, and opens again.
  std::string Live(const Crash& crash, SimFileSystem* files, Model* found,
                   SequenceNumber* sequence, TestRandom* random) {
    TestDatabase database;
    Note(files, SimNote::kOpening, 0);
    Status s = database.Open(options_, kCrashDirectory);
    if (!s.ok()) return "cannot open: " + s.ToString();
    Note(files, SimNote::kOpened, 0);
    std::string wrong = oracle_->Check(crash.events, database, found, sequence);
    if (!wrong.empty()) return wrong;
    Model model = *found;
    SequenceNumber last = *sequence;
    for (uint64_t i = 0; i < kMoreWrites; ++i) {
      wrong = Write(files, database, i, &model, &last, random);
      if (!wrong.empty()) return wrong;
    }
    s = database.Close();
    if (!s.ok()) return "cannot close: " + s.ToString();
    s = database.Open(options_, kCrashDirectory);
    if (!s.ok()) return "cannot open again: " + s.ToString();
    wrong = Difference(ContentsOf(model), database.ReadAll());
    if (wrong.empty() && database->GetLatestSequenceNumber() != last) {
      wrong = "sequence " +
              std::to_string(database->GetLatestSequenceNumber()) +
              " instead of " + std::to_string(last);
    }
    if (!files->misuses().empty()) wrong = "misuse: " + files->misuses()[0];
    s = database.Close();
    if (!s.ok()) return "cannot close again: " + s.ToString();
    return wrong.empty() ? "" : "opened again: " + wrong;
  }

  std::string Write(SimFileSystem* files, const TestDatabase& database,
                    uint64_t number, Model* model, SequenceNumber* last,
                    TestRandom* random) {
    // Beyond all numbers that histories above this one have.
    const uint64_t id = 1'000'000 * static_cast<uint64_t>(depth_ + 1) + number;
    const auto operations =
        BatchMaker::Make(id, database.FamilyNames(), random);
    WriteBatch batch;
    for (const ModelOperation& operation : operations) {
      Status s =
          AddToBatch(operation, database.Family(operation.family), &batch);
      if (!s.ok()) return s.ToString();
    }
    const bool is_sync = random->OneIn(2);
    Note(files, SimNote::kWriting, id, EncodeOperations(operations));
    Status s = database->Write({.sync = is_sync}, &batch);
    if (!s.ok()) return "cannot write: " + s.ToString();
    Note(files, is_sync ? SimNote::kWrittenSync : SimNote::kWritten, id);
    model->Apply(operations);
    *last += operations.size();
    return *last == database->GetLatestSequenceNumber()
               ? ""
               : "a write took the sequence number " +
                     std::to_string(database->GetLatestSequenceNumber()) +
                     " instead of " + std::to_string(*last);
  }

  // The machine that recovered crashes as well.
  std::string CheckNested(const SimHistory& history, const CrashOracle& oracle,
                          TestRandom* random) {
    CrashChecker checker(options_, &history, &oracle, depth_ + 1);
    const Crash crash = checker.Choose(random);
    const std::string wrong = checker.Check(crash);
    images_ += checker.images();
    if (wrong.empty()) return "";
    return "crash " + std::to_string(depth_ + 1) + " after event " +
           std::to_string(crash.events) + ", model " +
           std::to_string(static_cast<int>(crash.model)) + ", seed " +
           std::to_string(crash.seed) + ": " + wrong;
  }

  Options options_;
  const SimHistory* const history_;
  const CrashOracle* const oracle_;
  const int depth_;
  uint64_t images_ = 0;
};

uint64_t NumberFrom(const char* variable, uint64_t fallback) {
  const char* text = std::getenv(variable);
  return text == nullptr ? fallback : std::strtoull(text, nullptr, 10);
}

// The history that a failure left, or a new one.
SimHistory HistoryOf(uint64_t seed, Options* options) {
  SimFileSystem files;
  TestRandom random(seed);
  *options = RandomOptions(&random);
  if (const char* path = std::getenv("PACELINE_SIM_LOG"); path != nullptr) {
    return SimHistory::Decode(ReadFileBytes(path));
  }
  CrashWorkload workload(seed, &files);
  workload.Run();
  EXPECT_THAT(files.misuses(), testing::IsEmpty());
  return files.History();
}

// Threads make each run of a workload a little different, so its history is
// kept. (What a nested crash finds depends on threads even so.)
void Report(const SimHistory& history, uint64_t seed, const Crash& crash,
            const std::string& wrong) {
  const char* directory = std::getenv("TMPDIR");
  const std::string path = std::string(directory ? directory : "/tmp") +
                           "/paceline_sim_" + std::to_string(seed) + ".log";
  WriteFileBytes(path, history.Encode());
  ADD_FAILURE() << wrong << "\nTo repeat it:\nPACELINE_SIM_RUN=" << seed
                << " PACELINE_SIM_EVENT=" << crash.events
                << " PACELINE_SIM_MODEL=" << static_cast<int>(crash.model)
                << " PACELINE_SIM_IMAGE=" << crash.seed
                << " PACELINE_SIM_LOG=" << path
                << " sim_crash_test --gtest_filter='*LosesNothing'";
}

// Checks many crashes of one run; returns how many images were opened.
uint64_t CrashOneRun(uint64_t seed, uint64_t crashes) {
  Options options;
  const SimHistory history = HistoryOf(seed, &options);
  if (testing::Test::HasFailure()) return 0;
  const CrashOracle oracle(&history, Model(), 0, /*is_new=*/true);
  EXPECT_EQ(oracle.flaw(), "") << "seed " << seed;
  EXPECT_THAT(OrderMonitor(history).violations(), testing::IsEmpty())
      << "seed " << seed;
  CrashChecker checker(options, &history, &oracle, /*depth=*/0);
  std::vector<Crash> chosen;
  TestRandom random(seed);
  constexpr uint64_t kImagesPerEvent = 5;
  while (chosen.size() < crashes) {
    Crash crash = checker.Choose(&random);
    for (uint64_t i = 0; i < kImagesPerEvent; ++i) {
      chosen.push_back(crash);
      crash.model = static_cast<CrashModel>(random.Below(kCrashModels));
      crash.seed = random.Next() % 1'000'000;
    }
  }
  if (std::getenv("PACELINE_SIM_EVENT") != nullptr) {
    chosen = {{NumberFrom("PACELINE_SIM_EVENT", 0),
               static_cast<CrashModel>(NumberFrom("PACELINE_SIM_MODEL", 0)),
               NumberFrom("PACELINE_SIM_IMAGE", 0)}};
  }
  // So the history is gone through once.
  std::sort(chosen.begin(), chosen.end(),
            [](const Crash& a, const Crash& b) { return a.events < b.events; });
  for (const Crash& crash : chosen) {
    const std::string wrong = checker.Check(crash);
    if (wrong.empty() && !testing::Test::HasFailure()) continue;
    Report(history, seed, crash, wrong);
    break;
  }
  return checker.images();
}

TEST(SimCrashTest, ACrashAtAnyMomentLosesNothing) {
  constexpr uint64_t kCrashesPerRun = 250;
  const RunLimit limit(20'000, 500);
  uint64_t images = 0;
  uint64_t run = NumberFrom("PACELINE_SIM_RUN", TestSeed());
  uint64_t runs = 0;
  do {
    images += CrashOneRun(run++, kCrashesPerRun);
    ++runs;
    ASSERT_FALSE(HasFailure());
  } while (!limit.IsReached(images) &&
           std::getenv("PACELINE_SIM_RUN") == nullptr);
  ReportCoverage(images, "images");
  ReportCoverage(runs, "workloads");
}

// The last sequence number after a crash that keeps nothing but what is
// durable.
SequenceNumber SequenceAfterCrash(const SimFileSystem& files) {
  SimFileSystem after(files.Disk().AfterCrash(CrashModel::kNothing, 0));
  Options options;
  options.file_system = &after;
  TestDatabase database;
  EXPECT_THAT(database.Open(options, kCrashDirectory), IsOk());
  return database->GetLatestSequenceNumber();
}

class LastSequenceTest : public testing::Test {
 protected:
  LastSequenceTest() {
    Options options;
    options.create_if_missing = true;
    options.file_system = &files_;
    EXPECT_THAT(database_.Open(options, kCrashDirectory), IsOk());
    EXPECT_THAT(database_->Put({}, "stays", "x"), IsOk());
  }

  SimFileSystem files_;
  TestDatabase database_;
};

TEST_F(LastSequenceTest, EntriesThatAFlushLeavesOutKeepTheirNumbers) {
  ASSERT_THAT(database_->Put({}, "key", "x"), IsOk());
  ASSERT_THAT(database_->SingleDelete({}, "key"), IsOk());
  ASSERT_THAT(database_->Flush({}), IsOk());
  EXPECT_EQ(SequenceAfterCrash(files_), 3u);
}

TEST_F(LastSequenceTest, EntriesOfADroppedFamilyKeepTheirNumbers) {
  ASSERT_THAT(database_.CreateFamily("other"), IsOk());
  ASSERT_THAT(database_->Put({}, database_.Family("other"), "key", "x"),
              IsOk());
  ASSERT_THAT(database_.DropFamily("other"), IsOk());
  ASSERT_THAT(database_->Flush({}), IsOk());
  EXPECT_EQ(SequenceAfterCrash(files_), 2u);
}

}  // namespace
}  // namespace paceline
