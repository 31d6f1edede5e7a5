#include "src/version/version_set.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "test/support/fault_file_system.h"
#include "test/support/sim_file_system.h"
#include "test/support/test_directory.h"

namespace paceline {
namespace {

using testing::HasSubstr;

VersionEdit AddFamily(uint32_t id, const std::string& name) {
  VersionEdit edit;
  edit.family_id = id;
  edit.added_family = name;
  edit.log_number = 3;
  return edit;
}

class VersionSetTest : public testing::Test {
 protected:
  VersionSetTest() {
    versions_.emplace(&files_, directory_.path());
    versions_->Adopt(ManifestState::Empty());
  }

  // What another process would find.
  ReadManifestResult Reread() {
    auto read = ReadManifest(FileSystem::Default(), directory_.path());
    EXPECT_TRUE(read.ok()) << read.status().ToString();
    return read.ok() ? *read : ReadManifestResult();
  }
  static std::set<std::string> Names(const ManifestState& state) {
    std::set<std::string> names;
    for (const auto& [id, family] : state.families) names.insert(family.name);
    return names;
  }

  TestDirectory directory_;
  FaultFileSystem files_;
  std::optional<VersionSet> versions_;
};

// ---- File numbers.

TEST_F(VersionSetTest, FileNumbersIncreaseFromOne) {
  EXPECT_EQ(versions_->NewFileNumber(), 1u);
  EXPECT_EQ(versions_->NewFileNumber(), 2u);
}

TEST_F(VersionSetTest, NumbersThatAreMarkedUsedAreNotGivenOut) {
  versions_->MarkFileNumberUsed(10);
  EXPECT_EQ(versions_->NewFileNumber(), 11u);
  versions_->MarkFileNumberUsed(5);
  versions_->MarkFileNumberUsed(11);
  EXPECT_EQ(versions_->NewFileNumber(), 12u);
}

TEST_F(VersionSetTest, AnAdoptedStateTellsTheNextNumber) {
  ManifestState state = ManifestState::Empty();
  state.next_file_number = 42;
  versions_->Adopt(state);
  EXPECT_EQ(versions_->NewFileNumber(), 42u);
  state.next_file_number = 7;
  versions_->Adopt(state);
  EXPECT_EQ(versions_->NewFileNumber(), 43u);
}

TEST_F(VersionSetTest, ThreadsNeverGetTheSameNumber) {
  constexpr size_t kThreads = 4;
  constexpr size_t kPerThread = 2000;
  std::vector<std::vector<uint64_t>> numbers(kThreads);
  std::vector<std::thread> threads;
  for (size_t i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] {
      for (size_t n = 0; n < kPerThread; ++n) {
        numbers[i].push_back(versions_->NewFileNumber());
        versions_->MarkFileNumberUsed(numbers[i].back());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::set<uint64_t> all;
  for (const auto& of_thread : numbers) {
    EXPECT_TRUE(std::is_sorted(of_thread.begin(), of_thread.end()));
    all.insert(of_thread.begin(), of_thread.end());
  }
  EXPECT_EQ(all.size(), kThreads * kPerThread);
}

// ---- The MANIFEST.

TEST_F(VersionSetTest, ANewManifestHoldsTheWholeState) {
  ManifestState state = ManifestState::Empty();
  state.families[0].comparator_name = "order";
  state.families[0].log_number = 12;
  state.families[4].name = "four";
  state.families[4].log_number = 9;
  state.next_file_number = 20;
  state.last_sequence = 1000;
  state.max_family_id = 6;
  state.min_log_number_to_keep = 9;
  state.database_id = "id";
  versions_->Adopt(state);
  ASSERT_TRUE(versions_->BeginManifest().ok());
  const ReadManifestResult read = Reread();
  EXPECT_EQ(read.manifest_number, 20u);
  EXPECT_EQ(versions_->manifest_number(), 20u);
  EXPECT_EQ(read.state.next_file_number, 21u) << "its own number is used";
  EXPECT_EQ(read.state.last_sequence, 1000u);
  EXPECT_EQ(read.state.max_family_id, 6u);
  EXPECT_EQ(read.state.min_log_number_to_keep, 9u);
  EXPECT_EQ(read.state.database_id, "id");
  EXPECT_EQ(Names(read.state), (std::set<std::string>{"default", "four"}));
  EXPECT_EQ(read.state.families.at(0).comparator_name, "order");
  EXPECT_EQ(read.state.families.at(0).log_number, 12u);
  EXPECT_EQ(read.state.families.at(4).log_number, 9u);
}

TEST_F(VersionSetTest, AManifestIsSyncedBeforeCurrentNamesIt) {
  ASSERT_TRUE(versions_->BeginManifest().ok());
  size_t synced = 0;
  size_t renamed = 0;
  const auto operations = files_.operations();
  for (size_t i = 0; i < operations.size(); ++i) {
    if (operations[i].name == "Sync" &&
        operations[i].path.ends_with("MANIFEST-000001")) {
      synced = i;
    }
    if (operations[i].name == "RenameFile") renamed = i;
  }
  EXPECT_GT(synced, 0u);
  EXPECT_GT(renamed, synced);
}

TEST_F(VersionSetTest, EditsAreInTheStateAndInTheManifest) {
  ASSERT_TRUE(versions_->BeginManifest().ok());
  ASSERT_TRUE(
      versions_->LogAndApply({AddFamily(1, "one"), AddFamily(2, "two")}).ok());
  VersionEdit drop;
  drop.family_id = 1;
  drop.drops_family = true;
  drop.last_sequence = 77;
  ASSERT_TRUE(versions_->LogAndApply({drop}).ok());
  for (const ManifestState& state : {versions_->state(), Reread().state}) {
    EXPECT_EQ(Names(state), (std::set<std::string>{"default", "two"}));
    EXPECT_EQ(state.families.at(2).log_number, 3u);
    EXPECT_EQ(state.max_family_id, 2u);
    EXPECT_EQ(state.last_sequence, 77u);
  }
}

TEST_F(VersionSetTest, EveryEditCarriesTheNextFileNumber) {
  ASSERT_TRUE(versions_->BeginManifest().ok());
  const uint64_t used = versions_->NewFileNumber();
  ASSERT_TRUE(versions_->LogAndApply({VersionEdit()}).ok());
  EXPECT_GT(Reread().state.next_file_number, used);
}

TEST_F(VersionSetTest, AChangeThatGivesUpWalsTellsWhatTheyEndedAt) {
  ASSERT_TRUE(versions_->BeginManifest().ok());
  versions_->WalBegins(5, 50);
  versions_->WalBegins(7, 70);
  versions_->WalBegins(9, 90);
  auto release = [&](uint64_t log_number) {
    VersionEdit edit;
    edit.log_number = log_number;
    EXPECT_TRUE(versions_->LogAndApply({edit}).ok());
    return Reread().state.last_sequence;
  };
  EXPECT_EQ(release(4), 0u);
  EXPECT_EQ(release(5), 50u);
  EXPECT_EQ(release(7), 70u);
  EXPECT_EQ(release(8), 70u);
  EXPECT_EQ(release(9), 90u);
}

// What is in front of its WAL may be lost yet, and the numbers with it.
TEST_F(VersionSetTest, ANewFamilyGivesUpNoWal) {
  ASSERT_TRUE(versions_->BeginManifest().ok());
  versions_->WalBegins(3, 30);
  ASSERT_TRUE(versions_->LogAndApply({AddFamily(1, "one")}).ok());
  EXPECT_EQ(Reread().state.last_sequence, 0u);
}

TEST_F(VersionSetTest, LogAndApplySyncsTheManifestOnce) {
  ASSERT_TRUE(versions_->BeginManifest().ok());
  files_.Disarm();
  ASSERT_TRUE(
      versions_->LogAndApply({AddFamily(1, "one"), AddFamily(2, "two")}).ok());
  EXPECT_EQ(files_.CountOf("Sync", "MANIFEST-000001"), 1u);
  EXPECT_EQ(files_.operations().back().name, "Sync");
}

TEST_F(VersionSetTest, AReopenedSetGoesOnWithWhatWasRead) {
  ASSERT_TRUE(versions_->BeginManifest().ok());
  ASSERT_TRUE(versions_->LogAndApply({AddFamily(1, "one")}).ok());
  for (uint64_t number = 2; number < 5; ++number) {
    const ReadManifestResult read = Reread();
    versions_.emplace(&files_, directory_.path());
    versions_->Adopt(read.state);
    ASSERT_TRUE(versions_->BeginManifest().ok());
    EXPECT_EQ(versions_->manifest_number(), number);
    EXPECT_EQ(Names(Reread().state), (std::set<std::string>{"default", "one"}));
  }
}

TEST_F(VersionSetTest, AFailedBeginLeavesTheOldManifestInForce) {
  ASSERT_TRUE(versions_->BeginManifest().ok());
  ASSERT_TRUE(versions_->LogAndApply({AddFamily(1, "one")}).ok());
  files_.Arm({.operation = 1, .name = "Sync", .path_end = "MANIFEST-000002"});
  const Status s = versions_->BeginManifest();
  EXPECT_THAT(s.ToString(), HasSubstr(FaultFileSystem::kFaultText));
  EXPECT_EQ(Reread().manifest_number, 1u);
  EXPECT_EQ(versions_->manifest_number(), 1u);
}

TEST_F(VersionSetTest, AfterAFailureTheNextChangeBeginsANewManifest) {
  for (const char* name : {"Append", "Sync"}) {
    for (Fault::Effect effect :
         {Fault::Effect::kNone, Fault::Effect::kHalf, Fault::Effect::kFull}) {
      TestDirectory directory;
      VersionSet versions(&files_, directory.path());
      versions.Adopt(ManifestState::Empty());
      files_.Disarm();
      ASSERT_TRUE(versions.BeginManifest().ok());
      files_.Arm({.operation = 1, .name = name, .effect = effect});
      EXPECT_FALSE(versions.LogAndApply({AddFamily(1, "failed")}).ok());
      EXPECT_EQ(Names(versions.state()), (std::set<std::string>{"default"}));

      // The same id again: the failed edit must not be in force anywhere.
      ASSERT_TRUE(versions.LogAndApply({AddFamily(1, "good")}).ok());
      EXPECT_EQ(versions.manifest_number(), 2u);
      const auto read = ReadManifest(FileSystem::Default(), directory.path());
      ASSERT_TRUE(read.ok()) << read.status().ToString();
      EXPECT_EQ(read->manifest_number, 2u);
      for (const ManifestState& state : {versions.state(), read->state}) {
        EXPECT_EQ(Names(state), (std::set<std::string>{"default", "good"}));
      }
      EXPECT_TRUE(files_.uses_after_failure().empty());
    }
  }
}

// Fails the 1st, 2nd, 3rd ... file operation. What was acknowledged is found
// again; what failed is found or not; and the next try succeeds.
TEST_F(VersionSetTest, WhateverFailsAcknowledgedChangesAreFoundAgain) {
  for (Fault::Effect effect :
       {Fault::Effect::kNone, Fault::Effect::kHalf, Fault::Effect::kFull}) {
    bool has_failed = true;
    for (uint64_t operation = 1; has_failed; ++operation) {
      ASSERT_LT(operation, 100u);
      TestDirectory directory;
      VersionSet versions(&files_, directory.path());
      versions.Adopt(ManifestState::Empty());
      files_.Disarm();
      ASSERT_TRUE(versions.BeginManifest().ok());
      files_.Arm({.operation = operation, .effect = effect});
      std::set<std::string> expected = {"default"};
      std::set<std::string> possible = expected;
      auto add = [&](uint32_t id) {
        const std::string name = "family " + std::to_string(id);
        possible.insert(name);
        if (versions.LogAndApply({AddFamily(id, name)}).ok()) {
          expected.insert(name);
        }
        EXPECT_EQ(Names(versions.state()), expected);
        const auto read = ReadManifest(FileSystem::Default(), directory.path());
        ASSERT_TRUE(read.ok()) << operation << read.status().ToString();
        const std::set<std::string> names = Names(read->state);
        EXPECT_TRUE(std::includes(names.begin(), names.end(), expected.begin(),
                                  expected.end()));
        EXPECT_TRUE(std::includes(possible.begin(), possible.end(),
                                  names.begin(), names.end()));
        possible = expected;
      };
      add(1);
      static_cast<void>(versions.BeginManifest().ok());
      add(2);
      add(3);
      has_failed = files_.has_failed();
      files_.Disarm();
      add(4);
      EXPECT_TRUE(expected.contains("family 4"));
      EXPECT_TRUE(files_.uses_after_failure().empty());
    }
  }
}

TEST_F(VersionSetTest, ChangesAreRecordedOnADiskThatIsFull) {
  SimFileSystem files;
  ASSERT_TRUE(files.CreateDirectory("/db").ok());
  VersionSet versions(&files, "/db");
  versions.Adopt(ManifestState::Empty());
  ASSERT_TRUE(versions.BeginManifest().ok());
  files.SetBudget(files.used_bytes());
  ASSERT_TRUE(files.NewWritableFile("/db/other", {}).status().IsNoSpace());
  uint32_t id = 0;
  Status status;
  while (status.ok()) {
    ++id;
    status = versions.LogAndApply({AddFamily(id, std::to_string(id))});
  }
  EXPECT_GT(id, 300u);
  EXPECT_TRUE(status.IsNoSpace()) << status.ToString();
  files.SetBudget(SimFileSystem::kNoBudget);
  ASSERT_TRUE(versions.LogAndApply({AddFamily(id, "last")}).ok());
  auto read = ReadManifest(&files, "/db");
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(read->state.families.size(), 1 + id);
}

TEST_F(VersionSetTest, AManifestThatIsTooLargeServesUntilThereIsRoom) {
  SimFileSystem files;
  ASSERT_TRUE(files.CreateDirectory("/db").ok());
  VersionSet versions(&files, "/db", /*manifest_bytes_max=*/1);
  versions.Adopt(ManifestState::Empty());
  ASSERT_TRUE(versions.BeginManifest().ok());
  const uint64_t number = versions.manifest_number();
  files.SetBudget(files.used_bytes());
  for (uint32_t id = 1; id <= 50; ++id) {
    ASSERT_TRUE(versions.LogAndApply({AddFamily(id, std::to_string(id))}).ok());
  }
  EXPECT_EQ(versions.manifest_number(), number);
  files.SetBudget(SimFileSystem::kNoBudget);
  ASSERT_TRUE(versions.LogAndApply({AddFamily(51, "last")}).ok());
  EXPECT_GT(versions.manifest_number(), number);
  auto read = ReadManifest(&files, "/db");
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(read->manifest_number, versions.manifest_number());
  EXPECT_EQ(read->state.families.size(), 52u);
}

TEST_F(VersionSetTest, TheManifestNumberIsNeverAboveTheOneInForce) {
  // Files below manifest_number() may be deleted; CURRENT's must not be.
  bool has_failed = true;
  for (uint64_t operation = 1; has_failed; ++operation) {
    TestDirectory directory;
    VersionSet versions(&files_, directory.path());
    versions.Adopt(ManifestState::Empty());
    files_.Disarm();
    ASSERT_TRUE(versions.BeginManifest().ok());
    files_.Arm({.operation = operation});
    const Status s = versions.BeginManifest();
    has_failed = files_.has_failed();
    EXPECT_NE(s.ok(), has_failed);
    const auto read = ReadManifest(FileSystem::Default(), directory.path());
    ASSERT_TRUE(read.ok()) << read.status().ToString();
    EXPECT_LE(versions.manifest_number(), read->manifest_number);
  }
}

TEST_F(VersionSetTest, ThreadsThatChangeTheStateTogetherLoseNothing) {
  constexpr uint32_t kThreads = 4;
  constexpr uint32_t kPerThread = 20;
  ASSERT_TRUE(versions_->BeginManifest().ok());
  std::vector<std::thread> threads;
  for (uint32_t thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([this, thread] {
      for (uint32_t i = 0; i < kPerThread; ++i) {
        const uint32_t id = 1 + thread * kPerThread + i;
        EXPECT_TRUE(
            versions_->LogAndApply({AddFamily(id, std::to_string(id))}).ok());
        EXPECT_TRUE(versions_->state().families.contains(id));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(Names(Reread().state).size(), 1 + kThreads * kPerThread);
}

}  // namespace
}  // namespace paceline
