// Syncs that fail on real file systems. A FUSE disk under a loop device fails
// chosen writes; then ext4 and xfs report the failure once, take the pages for
// clean, and show bytes that are not on the disk. Whoever is told of the
// failure must not go on as if nothing had happened, and what can be read after
// a reopen must survive a power cut.
//
// PACELINE_SCENARIO leaves only the scenario of that number; PACELINE_SEED says
// which is the first one.

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "paceline/db.h"

#include "gtest/gtest.h"
#include "test/support/effort.h"
#include "test/support/failing_disk.h"
#include "test/support/loop_mount.h"
#include "test/support/seed.h"
#include "test/support/test_database.h"

namespace paceline {
namespace {

constexpr const char* kOther = "other";
// Its value is the number of the last batch.
constexpr const char* kLedger = "ledger";
// In what the disk does not write.
constexpr const char* kMarker = "(this is not written)";

struct Scenario {
  // Which sync fails.
  enum class Sync {
    kWrite,     // Of a write that asks for it.
    kWal,       // SyncWAL(), after writes that did not.
    kFlush,     // Of a table.
    kManifest,  // When a column family is made.
    kClose,     // Of the WAL, when the database is closed.
  };
  // What is done then.
  enum class Remedy {
    kReopen,
    kResume,
    kEvictAndReopen,  // What the page cache only claims to have is forgotten.
  };

  Sync sync = Sync::kWrite;
  Remedy remedy = Remedy::kReopen;
  bool allow_mmap = false;
  uint64_t failures = 1;  // Writes that the disk fails.
  uint64_t batches = 5;   // In front of it.

  [[nodiscard]] std::string ToString() const {
    constexpr const char* kSyncs[] = {"a write", "SyncWAL", "a flush",
                                      "the MANIFEST", "Close"};
    constexpr const char* kRemedies[] = {"reopen", "resume",
                                         "evict and reopen"};
    return std::string(kSyncs[static_cast<int>(sync)]) + ", " +
           kRemedies[static_cast<int>(remedy)] +
           (allow_mmap ? ", mapped, " : ", ") + std::to_string(failures) +
           " failures after " + std::to_string(batches) + " batches";
  }
};

std::vector<Scenario> AllScenarios() {
  std::vector<Scenario> scenarios;
  for (int sync = 0; sync < 5; ++sync) {
    for (int remedy = 0; remedy < 3; ++remedy) {
      for (const bool allow_mmap : {false, true}) {
        for (const uint64_t failures : {1, 3}) {
          scenarios.push_back({.sync = static_cast<Scenario::Sync>(sync),
                               .remedy = static_cast<Scenario::Remedy>(remedy),
                               .allow_mmap = allow_mmap,
                               .failures = failures,
                               .batches = failures == 1 ? 5U : 60U});
        }
      }
    }
  }
  return scenarios;
}

class ScenarioRun {
 public:
  ScenarioRun(const Scenario& scenario, FailingDisk* disk, LoopMount* mount,
              uint64_t number)
      : scenario_(scenario),
        disk_(disk),
        mount_(mount),
        directory_(mount->path() + "/db" + std::to_string(number)) {
    options_.create_if_missing = true;
    options_.allow_mmap_writes = scenario.allow_mmap;
    options_.compression = kNoCompression;
    options_.disable_auto_compactions = true;
  }

  // True if a write of the disk failed.
  bool Run() {
    const uint64_t failures_before = disk_->failures();
    Prepare();
    disk_->FailWrites(scenario_.failures, kMarker);
    Fail();
    const bool has_failed = disk_->failures() > failures_before;
    // From now on a second sync would be told that all is well.
    disk_->FailWrites(0, kMarker);
    if (database_.is_open()) CheckAfterFailure();
    Remedy();
    if (!testing::Test::HasFailure()) CheckPowerCut();
    return has_failed;
  }

 private:
  void Prepare() {
    ASSERT_THAT(database_.Open(options_, directory_), IsOk());
    ASSERT_THAT(database_.CreateFamily(kOther), IsOk());
    for (uint64_t i = 0; i < scenario_.batches; ++i) {
      ASSERT_THAT(Write(i % 3 == 0, ""), IsOk());
    }
    ASSERT_THAT(Write(/*is_sync=*/true, ""), IsOk());
  }

  // The batch of the next number; with `text` in its values.
  Status Write(bool is_sync, const std::string& text) {
    const uint64_t number = acknowledged_ + 1;
    const std::string value = std::to_string(number);
    WriteBatch batch;
    EXPECT_THAT(batch.Put(kLedger, value), IsOk());
    for (ColumnFamilyHandle* family :
         {database_.Family("default"), database_.Family(kOther)}) {
      EXPECT_THAT(batch.Put(family, Key(number), value + text), IsOk());
    }
    Status s = database_->Write({.sync = is_sync}, &batch);
    if (!s.ok()) return s;
    acknowledged_ = number;
    if (is_sync) synced_ = number;
    return s;
  }

  static std::string Key(uint64_t number) {
    return "key" + std::to_string(number);
  }

  // Part of it lies in one block of the device at least.
  static std::string Marked() {
    std::string text;
    for (int i = 0; i < 4; ++i) text += kMarker;
    return text;
  }

  void Fail() {
    using Sync = Scenario::Sync;
    switch (scenario_.sync) {
      case Sync::kWrite:
        EXPECT_THAT(Write(/*is_sync=*/true, Marked()),
                    HasCode(Status::kIOError));
        break;
      case Sync::kWal:
        EXPECT_THAT(Write(/*is_sync=*/false, Marked()), IsOk());
        EXPECT_THAT(Write(/*is_sync=*/false, ""), IsOk());
        EXPECT_THAT(database_->SyncWAL(), HasCode(Status::kIOError));
        break;
      case Sync::kFlush:
        FailFlush();
        break;
      case Sync::kManifest:
        EXPECT_THAT(database_.CreateFamily(kMarker), HasCode(Status::kIOError));
        break;
      case Sync::kClose:
        EXPECT_THAT(Write(/*is_sync=*/false, Marked()), IsOk());
        EXPECT_THAT(database_.Close(), HasCode(Status::kIOError));
        break;
    }
  }

  // The log has the marker as well, and its last block may be written once more
  // when the log is full; that write may be the one that fails.
  void FailFlush() {
    constexpr int kTries = 10;
    Status status;
    for (int i = 0; i < kTries && status.ok(); ++i) {
      disk_->FailWrites(0, kMarker);
      ASSERT_THAT(Write(/*is_sync=*/true, Marked()), IsOk());
      disk_->FailWrites(scenario_.failures, kMarker);
      status = database_->Flush({});
    }
    EXPECT_THAT(status, HasCode(Status::kIOError));
  }

  void CheckAfterFailure() {
    // A flush is tried again: the log has everything. A log or a MANIFEST that
    // failed can do no more.
    const bool goes_on = scenario_.sync == Scenario::Sync::kFlush;
    for (const bool is_sync : {true, false}) {
      EXPECT_EQ(Write(is_sync, "").ok(), goes_on);
    }
    EXPECT_EQ(database_->SyncWAL().ok(), goes_on);
    // What failed is not seen, what was seen before is.
    EXPECT_EQ(Found(database_), acknowledged_);
  }

  void Remedy() {
    if (scenario_.remedy == Scenario::Remedy::kResume && database_.is_open()) {
      EXPECT_THAT(database_->Resume(), IsOk());
      EXPECT_EQ(Found(database_), acknowledged_);
      ASSERT_THAT(Write(/*is_sync=*/true, ""), IsOk());
      return;
    }
    if (database_.is_open()) {
      EXPECT_THAT(database_.Close(),
                  testing::AnyOf(IsOk(), HasCode(Status::kIOError)));
    }
    if (scenario_.remedy == Scenario::Remedy::kEvictAndReopen) Evict();
    ASSERT_THAT(database_.Open(options_, directory_), IsOk());
    const uint64_t found = Found(database_);
    EXPECT_GE(found, scenario_.remedy == Scenario::Remedy::kEvictAndReopen
                         ? synced_
                         : acknowledged_);
    // A batch that failed may be there after all.
    EXPECT_LE(found, acknowledged_ + 1);
  }

  // Clean pages are read from the disk again.
  void Evict() const {
    for (const auto& entry : std::filesystem::directory_iterator(directory_)) {
      const int fd = ::open(entry.path().c_str(), O_RDONLY | O_CLOEXEC);
      ASSERT_GE(fd, 0);
      EXPECT_EQ(::posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
      ::close(fd);
    }
  }

  // What was read is there again.
  void CheckPowerCut() {
    const uint64_t found = Found(database_);
    ASSERT_TRUE(mount_->CutPower());
    const Status closed = database_.Close();
    EXPECT_THAT(closed, testing::AnyOf(IsOk(), HasCode(Status::kIOError)));
    ASSERT_TRUE(mount_->RestorePower());
    ASSERT_THAT(database_.Open(options_, directory_), IsOk());
    EXPECT_EQ(Found(database_), found) << "was read and is gone";
    EXPECT_THAT(database_.Close(), IsOk());
  }

  // How many batches there are, all of them in full.
  static uint64_t Found(const TestDatabase& database) {
    std::string value;
    const Status s = database->Get({}, kLedger, &value);
    EXPECT_THAT(s, testing::AnyOf(IsOk(), HasCode(Status::kNotFound)));
    const uint64_t count = std::strtoull(value.c_str(), nullptr, 10);
    for (const auto& [family, entries] : database.ReadAll()) {
      if (family == kMarker) {
        EXPECT_TRUE(entries.empty());
        continue;
      }
      uint64_t batches = 0;
      for (const auto& [key, bytes] : entries) {
        if (key == kLedger) continue;
        ++batches;
        const std::string number = key.substr(3);
        EXPECT_TRUE(bytes.starts_with(number)) << key;
        EXPECT_LE(std::strtoull(number.c_str(), nullptr, 10), count);
      }
      EXPECT_EQ(batches, count) << "in " << family;
    }
    return count;
  }

  const Scenario scenario_;
  FailingDisk* const disk_;
  LoopMount* const mount_;
  const std::string directory_;
  Options options_;
  TestDatabase database_;
  uint64_t acknowledged_ = 0;
  uint64_t synced_ = 0;  // So many of them survive a power cut.
};

class FsyncgateTest : public testing::TestWithParam<const char*> {};

TEST_P(FsyncgateTest, WhatAReopenShowsAfterAFailedSyncSurvivesAPowerCut) {
  FailingDisk disk(PACELINE_FUSE_DISK);
  LoopMount mount(GetParam(), TestStorage::kMemory);
  std::string obstacle = mount.Format();
  if (obstacle.empty()) obstacle = disk.Start(mount.image());
  if (obstacle.empty()) obstacle = mount.Attach(disk.file());
  if (!obstacle.empty()) {
    std::printf("NOT TESTED with %s: %s\n", GetParam(), obstacle.c_str());
    GTEST_SKIP() << obstacle;
  }
  const char* only = std::getenv("PACELINE_SCENARIO");
  const std::vector<Scenario> scenarios = AllScenarios();
  // Where there is no time for all of them, others come next time.
  const RunLimit limit(scenarios.size(), scenarios.size());
  const size_t first = TestSeed() % scenarios.size();
  uint64_t runs = 0;
  for (size_t n = 0; n < scenarios.size() && !limit.IsReached(runs); ++n) {
    const size_t i = (first + n) % scenarios.size();
    if (only != nullptr && i != std::strtoull(only, nullptr, 10)) continue;
    SCOPED_TRACE("PACELINE_SCENARIO=" + std::to_string(i) + ": " +
                 scenarios[i].ToString());
    ScenarioRun run(scenarios[i], &disk, &mount, i);
    EXPECT_TRUE(run.Run()) << "no write of the disk has failed";
    ASSERT_FALSE(HasFailure());
    ++runs;
  }
  ReportCoverage(runs, "scenarios");
  ReportCoverage(disk.failures(), "failed writes of a disk");
}

INSTANTIATE_TEST_SUITE_P(FileSystems, FsyncgateTest,
                         testing::Values("ext4", "xfs"),
                         [](const auto& parameter) {
                           return std::string(parameter.param);
                         });

}  // namespace
}  // namespace paceline
