// A database on a disk that is too small, for every size of the disk: what its
// callers are told while the disk is full, and what they find when it has space
// again. And a database on a disk whose syncs fail, in all the ways that file
// systems have.

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "paceline/db.h"

#include "gtest/gtest.h"
#include "test/support/effort.h"
#include "test/support/model.h"
#include "test/support/no_logger.h"
#include "test/support/order_monitor.h"
#include "test/support/seed.h"
#include "test/support/sim_file_system.h"
#include "test/support/test_database.h"

namespace paceline {
namespace {

constexpr const char* kDirectory = "/db";
constexpr const char* kOther = "other";
// In every batch; its value is the number of the batch.
constexpr const char* kLedger = "ledger";
constexpr uint64_t kKiB = 1024;

// --- A disk that is full ---------------------------------------------------

// What the disk does, and what is done about it.
struct DiskFullCase {
  enum class Remedy { kNone, kResume, kReopen, kPowerCut };

  uint64_t budget = 0;
  bool allow_mmap = false;
  bool is_late = false;  // The disk is found to be full by a sync.
  Remedy remedy = Remedy::kNone;
};

// Writes until the disk is full, gives it space, and checks everything.
class DiskFullRun {
 public:
  DiskFullRun(const DiskFullCase& disk_full, uint64_t seed)
      : case_(disk_full), random_(seed) {
    options_.create_if_missing = true;
    options_.file_system = &files_;
    options_.info_log = std::make_shared<NoLogger>();
    options_.allow_mmap_writes = case_.allow_mmap;
    options_.write_buffer_size = 64 * kKiB;
    options_.target_file_size_base = 64 * kKiB;
    options_.max_bytes_for_level_base = 256 * kKiB;
    options_.max_manifest_file_size = 4 * kKiB;
    files_.SetBudget(case_.budget);
    files_.SetLateAllocation(case_.is_late);
  }

  // True if the disk was full once the database was open.
  bool Run() {
    if (OpenOnSmallDisk()) {
      FillDisk();
      is_full_ = files_.no_space_count() > 0;
      if (!testing::Test::HasFailure()) GetWellAgain();
    }
    if (!testing::Test::HasFailure()) CheckLife();
    EXPECT_THAT(files_.misuses(), testing::IsEmpty());
    EXPECT_THAT(OrderMonitor(files_.History()).violations(),
                testing::IsEmpty());
    return is_full_;
  }

 private:
  using Operations = std::vector<ModelOperation>;
  using Remedy = DiskFullCase::Remedy;

  bool OpenOnSmallDisk() {
    const Status status = database_.Open(options_, kDirectory);
    if (status.ok()) return true;
    EXPECT_TRUE(status.IsNoSpace()) << status.ToString();
    files_.SetBudget(SimFileSystem::kNoBudget);
    EXPECT_THAT(database_.Open(options_, kDirectory), IsOk());
    return false;
  }

  void FillDisk() {
    const uint64_t bytes_max = case_.budget * 3 / 2 + 256 * kKiB;
    for (uint64_t number = 1; bytes_written_ < bytes_max; ++number) {
      bool is_ok = true;
      if (number == 5) is_ok = Tell(database_.CreateFamily(kOther));
      if (number % 41 == 0) is_ok = Tell(database_->Flush({}));
      if (number % 101 == 0) {
        is_ok &= Tell(database_->CompactRange({}, nullptr, nullptr));
      }
      is_ok &= Write();
      if (!is_ok) break;
      ASSERT_FALSE(testing::Test::HasFailure());
    }
    // Whatever was refused, what comes next is told the same, or works.
    for (int i = 0; i < 3; ++i) Write();
    Tell(database_->Flush({}));
    CheckOpen();
  }

  // OK or, in so many words, that the disk is full.
  static bool Tell(const Status& status) {
    EXPECT_TRUE(status.ok() || status.IsNoSpace()) << status.ToString();
    return status.ok();
  }

  bool Write() {
    const Operations operations = NextBatch();
    WriteBatch batch;
    for (const ModelOperation& operation : operations) {
      EXPECT_THAT(
          AddToBatch(operation, database_.Family(operation.family), &batch),
          IsOk());
      bytes_written_ += operation.key.size() + operation.value.size();
    }
    const bool is_sync = random_.OneIn(5);
    const Status status = database_->Write({.sync = is_sync}, &batch);
    if (!Tell(status)) {
      failed_.push_back(operations);
      return false;
    }
    Accept(operations);
    if (is_sync) synced_ = acknowledged_.size();
    return true;
  }

  void Accept(const Operations& operations) {
    acknowledged_.push_back(operations);
    if (database_.Family(kOther) != nullptr) model_.CreateFamily(kOther);
    model_.Apply(operations);
  }

  Operations NextBatch() {
    using Kind = ModelOperation::Kind;
    Operations operations = {{Kind::kPut, kDefaultColumnFamilyName, kLedger,
                              std::to_string(++batches_)}};
    const std::string key = "key" + std::to_string(random_.Below(100'000));
    operations.push_back({Kind::kPut, kDefaultColumnFamilyName, key,
                          random_.Bytes(500 + random_.Below(3'000))});
    if (database_.Family(kOther) != nullptr) {
      operations.push_back(
          {Kind::kPut, kOther, key, random_.Bytes(random_.Below(1'500))});
      operations.push_back({Kind::kDelete, kOther,
                            "key" + std::to_string(random_.Below(100'000)),
                            ""});
    }
    return operations;
  }

  void GetWellAgain() {
    if (case_.remedy == Remedy::kPowerCut) CheckPowerCut();
    files_.SetBudget(SimFileSystem::kNoBudget);
    switch (case_.remedy) {
      case Remedy::kNone:
        // A failed log needs a Resume(), the rest does not.
        if (!Write()) Resume();
        AwaitRetries();
        break;
      case Remedy::kResume:
        Resume();
        break;
      case Remedy::kReopen:
      case Remedy::kPowerCut:
        Reopen();
        break;
    }
    CheckOpen();
  }

  // Until a flush or a compaction that failed is tried again, writers that
  // would have to wait for it are told why they cannot.
  void AwaitRetries() {
    EXPECT_THAT(database_->Flush({}), IsOk());
    while (database_->WaitForCompact({}).IsNoSpace()) {
      std::this_thread::yield();
    }
  }

  void Resume() {
    ASSERT_THAT(database_->Resume(), IsOk());
    failed_.clear();
  }

  // What an open DB shows is what it acknowledged, and nothing else.
  void CheckOpen() const {
    EXPECT_EQ(Difference(Expected(model_), database_.ReadAll()), "");
  }

  // A family whose creation failed may be there.
  [[nodiscard]] Contents Expected(const Model& model) const {
    Contents contents = ContentsOf(model);
    if (database_.Family(kOther) != nullptr) contents[kOther];
    return contents;
  }

  // At most one write that failed may be found.
  void Reopen() {
    const Status closed = database_.Close();
    EXPECT_TRUE(closed.ok() || closed.IsNoSpace() || !failed_.empty())
        << closed.ToString();
    ASSERT_THAT(database_.Open(options_, kDirectory), IsOk());
    const uint64_t found = LedgerOf(database_);
    for (const Operations& operations : failed_) {
      if (operations.front().value == std::to_string(found)) Accept(operations);
    }
    failed_.clear();
    CheckOpen();
  }

  static uint64_t LedgerOf(const TestDatabase& database) {
    std::string value;
    const Status status = database->Get({}, kLedger, &value);
    EXPECT_THAT(status, testing::AnyOf(IsOk(), HasCode(Status::kNotFound)));
    return std::strtoull(value.c_str(), nullptr, 10);
  }

  // The power goes while the disk is full; then there is space.
  void CheckPowerCut() {
    const auto model = static_cast<CrashModel>(random_.Below(kCrashModels));
    SimFileSystem image(files_.Disk().AfterCrash(model, random_.Next()));
    Options options = options_;
    options.file_system = &image;
    TestDatabase database;
    ASSERT_THAT(database.Open(options, kDirectory), IsOk());
    // A prefix of what was acknowledged, or all and what failed last.
    const uint64_t found = LedgerOf(database);
    Model expected;
    size_t count = 0;
    for (const Operations& operations : acknowledged_) {
      if (Number(operations) > found) break;
      ApplyTo(&expected, operations);
      ++count;
    }
    EXPECT_GE(count, synced_)
        << "a synced write is lost, model " << static_cast<int>(model);
    for (const Operations& operations : failed_) {
      if (Number(operations) != found) continue;
      EXPECT_EQ(count, acknowledged_.size());
      ApplyTo(&expected, operations);
    }
    Contents contents = ContentsOf(expected);
    if (database.Family(kOther) != nullptr) contents[kOther];
    EXPECT_EQ(Difference(contents, database.ReadAll()), "")
        << "model " << static_cast<int>(model);
  }

  static uint64_t Number(const Operations& operations) {
    return std::strtoull(operations.front().value.c_str(), nullptr, 10);
  }

  static void ApplyTo(Model* model, const Operations& operations) {
    for (const ModelOperation& operation : operations) {
      model->CreateFamily(operation.family);
    }
    model->Apply(operations);
  }

  // All that a database can do works, and is found again.
  void CheckLife() {
    if (database_.Family(kOther) == nullptr) {
      EXPECT_THAT(database_.CreateFamily(kOther), IsOk());
    }
    for (int i = 0; i < 30; ++i) EXPECT_TRUE(Write());
    EXPECT_THAT(database_->CompactRange({}, nullptr, nullptr), IsOk());
    EXPECT_THAT(database_->SyncWAL(), IsOk());
    CheckOpen();
    EXPECT_THAT(database_.Close(), IsOk());
    ASSERT_THAT(database_.Open(options_, kDirectory), IsOk());
    CheckOpen();
    EXPECT_THAT(database_.Close(), IsOk());
  }

  const DiskFullCase case_;
  TestRandom random_;
  SimFileSystem files_;
  Options options_;
  TestDatabase database_;
  uint64_t batches_ = 0;
  uint64_t bytes_written_ = 0;
  bool is_full_ = false;
  Model model_;  // What was acknowledged.
  std::vector<Operations> acknowledged_;
  size_t synced_ = 0;  // So many of them survive a power cut.
  std::vector<Operations> failed_;
};

// The budgets from `begin` on, in an order that a part of them is spread over
// all. The environment variable PACELINE_BUDGET leaves only that one.
std::vector<uint64_t> BudgetsToTry(uint64_t begin, uint64_t end,
                                   uint64_t step) {
  if (const char* only = std::getenv("PACELINE_BUDGET"); only != nullptr) {
    return {std::strtoull(only, nullptr, 10)};
  }
  std::vector<uint64_t> budgets;
  for (uint64_t budget = begin; budget < end; budget += step) {
    budgets.push_back(budget);
  }
  std::shuffle(budgets.begin(), budgets.end(), std::mt19937_64(TestSeed()));
  return budgets;
}

// Every budget once, with the next seed once more, and so on.
void Sweep(DiskFullCase disk_full, uint64_t begin, uint64_t end,
           uint64_t step) {
  const std::vector<uint64_t> budgets = BudgetsToTry(begin, end, step);
  const RunLimit limit(budgets.size(), budgets.size());
  constexpr uint64_t kRunsThatTell = 50;
  uint64_t runs = 0;
  uint64_t full = 0;
  for (; !limit.IsReached(runs); ++runs) {
    const uint64_t seed = TestSeed() + runs / budgets.size();
    const uint64_t budget = budgets[runs % budgets.size()];
    disk_full.budget = budget;
    // Waiting for the next try of a flush takes a while, so it is rarer.
    constexpr uint64_t kNoRemedyEvery = 16;
    const uint64_t remedy = (seed + (budget - begin) / step) % kNoRemedyEvery;
    disk_full.remedy = remedy == 0
                           ? DiskFullCase::Remedy::kNone
                           : static_cast<DiskFullCase::Remedy>(1 + remedy % 3);
    SCOPED_TRACE("PACELINE_SEED=" + std::to_string(seed) +
                 " PACELINE_BUDGET=" + std::to_string(budget));
    DiskFullRun run(disk_full, seed + budget);
    full += run.Run() ? 1 : 0;
    ASSERT_FALSE(testing::Test::HasFailure());
  }
  ReportCoverage(runs, "runs on a small disk");
  std::printf("the disk was full in %" PRIu64 " of them\n", full);
  EXPECT_TRUE(runs < kRunsThatTell || full > runs / 2);
}

TEST(DiskFullTest, NothingIsLostWhateverTheSizeOfTheDisk) {
  Sweep({}, 64 * kKiB, 4096 * kKiB, 4 * kKiB);
}

TEST(DiskFullTest, NothingIsLostWhereTheLogTakesItsSpaceAhead) {
  Sweep({.allow_mmap = true}, 256 * kKiB, 4096 * kKiB, 64 * kKiB);
}

TEST(DiskFullTest, NothingIsLostWhereOnlyASyncFindsTheDiskFull) {
  Sweep({.is_late = true}, 64 * kKiB, 4096 * kKiB, 32 * kKiB);
}

// The change that makes room is recorded in space that the MANIFEST has set
// aside.
TEST(DiskFullTest, AFamilyCanBeDroppedWhenNothingElseFits) {
  SimFileSystem files;
  Options options;
  options.create_if_missing = true;
  options.file_system = &files;
  options.info_log = std::make_shared<NoLogger>();
  options.write_buffer_size = 1024 * kKiB;
  TestDatabase database;
  ASSERT_THAT(database.Open(options, kDirectory), IsOk());
  ASSERT_THAT(database.CreateFamily(kOther), IsOk());
  const std::string value = TestRandom(TestSeed()).Bytes(800 * kKiB);
  ASSERT_THAT(database->Put({}, database.Family(kOther), "key", value), IsOk());
  ASSERT_THAT(database->Flush({}, database.Family(kOther)), IsOk());
  ASSERT_THAT(database->WaitForCompact({}), IsOk());  // Its WAL is removed.
  ASSERT_THAT(database->Put({}, "key", value), IsOk());
  files.SetBudget(files.used_bytes());
  ASSERT_TRUE(database->Flush({}).IsNoSpace());
  EXPECT_TRUE(database.CreateFamily("third").ok()) << "a change alone fits";
  ASSERT_THAT(database.DropFamily(kOther), IsOk());
  // The flush is tried again by itself.
  while (database->Flush({}).IsNoSpace()) std::this_thread::yield();
  ASSERT_THAT(database.Close(), IsOk());
  ASSERT_THAT(database.Open(options, kDirectory), IsOk());
  std::string found;
  ASSERT_THAT(database->Get({}, "key", &found), IsOk());
  EXPECT_TRUE(found == value);
  EXPECT_EQ(database.Family(kOther), nullptr);
  EXPECT_THAT(OrderMonitor(files.History()).violations(), testing::IsEmpty());
}

// --- A sync that fails -----------------------------------------------------

// Writes until the k-th sync fails, opens the database again, and cuts the
// power: what was read after the reopen must still be there, although the page
// cache may have shown what never reached the device.
class FailedSyncRun {
 public:
  FailedSyncRun(FailedSync mode, uint64_t number, bool evicts, uint64_t seed)
      : mode_(mode), evicts_(evicts), random_(seed) {
    options_.create_if_missing = true;
    options_.info_log = std::make_shared<NoLogger>();
    options_.allow_mmap_writes = random_.OneIn(4);
    options_.max_manifest_file_size = 1 * kKiB;
    options_.file_system = &files_;
    files_.SetFailedSync(mode);
    files_.AddFault({.operations = {"Sync"}, .number = number});
  }

  // True if a sync failed.
  bool Run() {
    Work();
    const bool has_failed = files_.failures() > 0;
    // What Close() returns depends on what has failed; and so does everything
    // on a disk that is stuck.
    const Status closed = database_.Close();
    EXPECT_THAT(closed, testing::AnyOf(IsOk(), HasCode(Status::kIOError)));
    EXPECT_THAT(files_.misuses(), testing::IsEmpty());
    files_.ClearFaults();
    if (evicts_) files_.DropCaches();
    if (mode_ == FailedSync::kSticky) {
      rebooted_ = std::make_unique<SimFileSystem>(Crashed(files_));
      CheckReopen(rebooted_.get());
    } else {
      CheckReopen(&files_);
    }
    return has_failed;
  }

 private:
  static constexpr uint64_t kWrites = 30;

  void Work() {
    Status s = database_.Open(options_, kDirectory);
    if (s.ok()) s = database_.CreateFamily(kOther);
    while (s.ok() && acknowledged_ < kWrites) s = WriteOne();
    EXPECT_THAT(s, testing::AnyOf(IsOk(), HasCode(Status::kIOError)));
  }

  Status WriteOne() {
    const std::string number = std::to_string(acknowledged_ + 1);
    WriteBatch batch;
    EXPECT_THAT(batch.Put(kLedger, number), IsOk());
    EXPECT_THAT(batch.Put("key" + number, number), IsOk());
    EXPECT_THAT(batch.Put(database_.Family(kOther), "key" + number, number),
                IsOk());
    const bool is_sync = random_.OneIn(3);
    Status s = database_->Write({.sync = is_sync}, &batch);
    if (!s.ok()) return s;
    ++acknowledged_;
    if (is_sync) synced_ = acknowledged_;
    if (random_.OneIn(8)) s = database_->Flush({});
    if (s.ok() && random_.OneIn(20)) {
      s = database_->CompactRange({}, nullptr, nullptr);
    }
    return s;
  }

  SimDisk Crashed(const SimFileSystem& files) {
    const auto model = static_cast<CrashModel>(random_.Below(kCrashModels));
    return files.Disk().AfterCrash(model, random_.Next());
  }

  void CheckReopen(SimFileSystem* files) {
    options_.file_system = files;
    ASSERT_THAT(database_.Open(options_, kDirectory), IsOk());
    const uint64_t found = Found(database_);
    const bool is_in_cache = mode_ == FailedSync::kForget && !evicts_;
    EXPECT_GE(found, is_in_cache ? acknowledged_ : synced_);
    EXPECT_LE(found, acknowledged_ + 1);
    for (int i = 0; i < 4; ++i) {
      SimFileSystem image(Crashed(*files));
      Options options = options_;
      options.file_system = &image;
      TestDatabase recovered;
      ASSERT_THAT(recovered.Open(options, kDirectory), IsOk());
      EXPECT_EQ(Found(recovered), found) << "was read and is gone";
    }
    EXPECT_THAT(database_.Close(), IsOk());
  }

  // How many writes there are, all of them in full.
  static uint64_t Found(const TestDatabase& database) {
    std::string value;
    const Status status = database->Get({}, kLedger, &value);
    EXPECT_THAT(status, testing::AnyOf(IsOk(), HasCode(Status::kNotFound)));
    const uint64_t count = std::strtoull(value.c_str(), nullptr, 10);
    Model expected;
    if (database.Family(kOther) != nullptr) expected.CreateFamily(kOther);
    if (count > 0) {
      expected.Apply({ModelOperation::Kind::kPut, kDefaultColumnFamilyName,
                      kLedger, value});
    }
    for (uint64_t i = 1; i <= count; ++i) {
      const std::string number = std::to_string(i);
      for (const char* family : {"default", kOther}) {
        expected.Apply(
            {ModelOperation::Kind::kPut, family, "key" + number, number});
      }
    }
    EXPECT_EQ(Difference(ContentsOf(expected), database.ReadAll()), "");
    return count;
  }

  const FailedSync mode_;
  const bool evicts_;
  TestRandom random_;
  SimFileSystem files_;
  std::unique_ptr<SimFileSystem> rebooted_;  // What a sticky failure leaves.
  Options options_;
  TestDatabase database_;
  uint64_t acknowledged_ = 0;
  uint64_t synced_ = 0;  // So many of them survive a power cut.
};

class FailedSyncTest : public testing::TestWithParam<FailedSync> {};

TEST_P(FailedSyncTest, WhatAReopenShowsSurvivesAPowerCut) {
  const uint64_t seed = TestSeed();
  const RunLimit limit(20, 2);
  uint64_t runs = 0;
  for (uint64_t i = 0; !limit.IsReached(i); ++i) {
    const bool evicts = i % 2 == 1;
    for (uint64_t number = 1;; ++number) {
      SCOPED_TRACE("PACELINE_SEED=" + std::to_string(seed) + ", series " +
                   std::to_string(i) + ", sync " + std::to_string(number));
      FailedSyncRun run(GetParam(), number, evicts, seed + i);
      const bool has_failed = run.Run();
      ASSERT_FALSE(HasFailure());
      ++runs;
      if (!has_failed) break;
    }
  }
  ReportCoverage(runs, "runs with failing syncs");
}

std::string ModeName(const testing::TestParamInfo<FailedSync>& parameter) {
  constexpr const char* kNames[] = {"Forget", "Revert", "Partial", "Sticky"};
  return kNames[static_cast<int>(parameter.param)];
}

INSTANTIATE_TEST_SUITE_P(Modes, FailedSyncTest,
                         testing::Values(FailedSync::kForget,
                                         FailedSync::kRevert,
                                         FailedSync::kPartial,
                                         FailedSync::kSticky),
                         ModeName);

}  // namespace
}  // namespace paceline
