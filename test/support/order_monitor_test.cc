// The order monitor itself: each rule, kept and broken.

#include "test/support/order_monitor.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "src/base/coding.h"
#include "src/format/file_name.h"
#include "src/version/version_edit.h"
#include "src/wal/log_format.h"
#include "test/support/crash_oracle.h"

namespace paceline {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using testing::StartsWith;

constexpr const char* kManifest = "/db/MANIFEST-000001";

// Tells what a database does, in a few words.
class OrderMonitorTest : public testing::Test {
 protected:
  using Kind = SimEvent::Kind;

  void Create(const std::string& path) {
    const uint64_t inode = inodes_.size() + 2;
    inodes_[path] = inode;
    Add({.kind = Kind::kCreate, .inode = inode, .path = path});
  }
  void Append(const std::string& path, const std::string& bytes = "bytes") {
    Add({.kind = Kind::kAppend,
         .inode = inodes_.at(path),
         .offset = sizes_[path],
         .path = path,
         .bytes = bytes});
    sizes_[path] += bytes.size();
  }
  void Sync(const std::string& path) {
    Add({.kind = Kind::kSyncBegin, .inode = inodes_.at(path), .path = path});
    Add({.kind = Kind::kSyncEnd,
         .inode = inodes_.at(path),
         .value = events_.size(),
         .path = path});
  }
  void FailSync(const std::string& path) {
    Add({.kind = Kind::kSyncFailed, .inode = inodes_.at(path), .path = path});
  }
  void SyncDirectory() { Add({.kind = Kind::kSyncDirectory, .path = "/db"}); }
  void Remove(const std::string& path) {
    Add({.kind = Kind::kRemove, .inode = inodes_.at(path), .path = path});
  }
  void Note(SimNote note, uint64_t value) {
    Add({.kind = Kind::kNote,
         .value = value,
         .bytes = std::string(1, static_cast<char>(note))});
  }
  // A record of a MANIFEST, in one piece or cut by the end of a block.
  void Edit(const std::string& manifest, const VersionEdit& edit) {
    std::string payload;
    edit.EncodeTo(&payload);
    std::string record;
    while (!payload.empty()) {
      const size_t block_left =
          log::kBlockBytes -
          (sizes_[manifest] + record.size()) % log::kBlockBytes;
      ASSERT_GT(block_left, log::kHeaderBytes);
      const std::string piece =
          payload.substr(0, block_left - log::kHeaderBytes);
      record.append(4, 'h');
      record.append(sizeof(uint16_t), '\0');
      EncodeFixed(record.data() + record.size() - sizeof(uint16_t),
                  static_cast<uint16_t>(piece.size()));
      record += 'h' + piece;
      payload.erase(0, piece.size());
    }
    Append(manifest, record);
  }
  static VersionEdit AddsTable(uint64_t number) {
    VersionEdit edit;
    edit.added_files.push_back({0,
                                {.number = number,
                                 .size = 1,
                                 .smallest = std::string(8, '\1'),
                                 .largest = std::string(8, '\1')}});
    return edit;
  }
  static VersionEdit DeletesTable(uint64_t number) {
    VersionEdit edit;
    edit.deleted_files.push_back({0, number});
    return edit;
  }
  // CURRENT names `manifest` from now on.
  void SetCurrent() {
    Create("/db/000000.dbtmp");
    Append("/db/000000.dbtmp");
    Sync("/db/000000.dbtmp");
    Add({.kind = Kind::kRename,
         .inode = inodes_.at("/db/000000.dbtmp"),
         .path = "/db/000000.dbtmp",
         .to_path = "/db/CURRENT"});
    SyncDirectory();
  }
  // A database with a MANIFEST and a table.
  void Begin() {
    Create("/db/000005.sst");
    Append("/db/000005.sst");
    Sync("/db/000005.sst");
    Create(kManifest);
    SyncDirectory();
    Edit(kManifest, AddsTable(5));
    Sync(kManifest);
    SetCurrent();
  }

  std::vector<std::string> Violations() const {
    return OrderMonitor(SimHistory(SimDisk(), events_)).violations();
  }

 private:
  void Add(SimEvent event) { events_.push_back(std::move(event)); }

  std::vector<SimEvent> events_;
  std::map<std::string, uint64_t> inodes_;
  std::map<std::string, uint64_t> sizes_;
};

TEST_F(OrderMonitorTest, ADatabaseThatKeepsTheOrderIsNotBlamed) {
  Begin();
  Create("/db/000007.log");
  SyncDirectory();
  Append("/db/000007.log", LedgerKey(1));
  Sync("/db/000007.log");
  Note(SimNote::kWrittenSync, 1);
  Edit(kManifest, DeletesTable(5));
  Sync(kManifest);
  Remove("/db/000005.sst");
  EXPECT_THAT(Violations(), IsEmpty());
}

TEST_F(OrderMonitorTest, AnAcknowledgementComesAfterTheSync) {
  Create("/db/000007.log");
  Append("/db/000007.log", LedgerKey(1));
  Note(SimNote::kWrittenSync, 1);
  EXPECT_THAT(Violations(), ElementsAre(StartsWith("R1")));
}

TEST_F(OrderMonitorTest, ASyncThatBeganBeforeTheAppendDoesNotCount) {
  Create("/db/000007.log");
  Sync("/db/000007.log");
  Append("/db/000007.log", LedgerKey(1));
  Note(SimNote::kWrittenSync, 1);
  EXPECT_THAT(Violations(), ElementsAre(StartsWith("R1")));
}

TEST_F(OrderMonitorTest, AnAcknowledgementComesAfterTheSyncOfOlderWals) {
  Create("/db/000007.log");
  Append("/db/000007.log", LedgerKey(1));
  Create("/db/000008.log");
  Append("/db/000008.log", LedgerKey(2));
  Sync("/db/000008.log");
  Note(SimNote::kWrittenSync, 2);
  EXPECT_THAT(Violations(), ElementsAre(StartsWith("R1")));
}

TEST_F(OrderMonitorTest, OnlyWalsThatTheManifestMayNeedMustBeSynced) {
  Begin();
  Create("/db/000006.log");
  Append("/db/000006.log", LedgerKey(1));
  VersionEdit edit;
  edit.log_number = 7;
  Edit(kManifest, edit);
  // Not synced yet: a power cut may bring the WAL back.
  Note(SimNote::kWrittenSync, 1);
  EXPECT_THAT(Violations(), ElementsAre(StartsWith("R1")));
  Sync(kManifest);
  Note(SimNote::kWrittenSync, 1);
  EXPECT_THAT(Violations(), SizeIs(1));
  Create("/db/000007.log");
  Append("/db/000007.log", LedgerKey(2));
  Note(SimNote::kWrittenSync, 2);
  EXPECT_THAT(Violations(), SizeIs(2));
}

TEST_F(OrderMonitorTest, ATableIsSyncedBeforeItIsNamed) {
  Begin();
  Create("/db/000006.sst");
  SyncDirectory();
  Append("/db/000006.sst");
  Edit(kManifest, AddsTable(6));
  EXPECT_THAT(Violations(), ElementsAre(StartsWith("R2")));
}

TEST_F(OrderMonitorTest, TheNameOfATableIsSyncedBeforeItIsNamed) {
  Begin();
  Create("/db/000006.sst");
  Append("/db/000006.sst");
  Sync("/db/000006.sst");
  Edit(kManifest, AddsTable(6));
  EXPECT_THAT(Violations(), ElementsAre(StartsWith("R2")));
}

TEST_F(OrderMonitorTest, AManifestIsSyncedBeforeCurrentNamesIt) {
  Create(kManifest);
  SyncDirectory();
  Edit(kManifest, VersionEdit());
  SetCurrent();
  EXPECT_THAT(Violations(), ElementsAre(StartsWith("R3")));
}

TEST_F(OrderMonitorTest, TheManifestThatCurrentNamesStays) {
  Begin();
  Remove(kManifest);
  EXPECT_THAT(Violations(), ElementsAre(StartsWith("R3")));
}

TEST_F(OrderMonitorTest, ATableIsRemovedWhenTheManifestHasLetGoOfIt) {
  Begin();
  Edit(kManifest, DeletesTable(5));
  Remove("/db/000005.sst");
  EXPECT_THAT(Violations(), ElementsAre(StartsWith("R4"))) << "not synced";
}

TEST_F(OrderMonitorTest, ARecordMayBeCutByTheEndOfABlock) {
  Begin();
  VersionEdit edit = DeletesTable(5);
  // Tables that nobody has, before and behind the one that counts.
  for (uint64_t number = 100; number < 20'000; ++number) {
    edit.deleted_files.push_back({0, number});
  }
  Edit(kManifest, edit);
  Edit(kManifest, DeletesTable(6));
  Sync(kManifest);
  Remove("/db/000005.sst");
  EXPECT_THAT(Violations(), IsEmpty());
}

TEST_F(OrderMonitorTest, AWalIsRemovedWhenTheManifestHasLetGoOfIt) {
  Begin();
  VersionEdit edit;
  edit.log_number = 7;
  Edit(kManifest, edit);
  Sync(kManifest);
  Create("/db/000006.log");
  Append("/db/000006.log");
  Remove("/db/000006.log");
  EXPECT_THAT(Violations(), IsEmpty());
  Create("/db/000007.log");
  Append("/db/000007.log");
  Remove("/db/000007.log");
  EXPECT_THAT(Violations(), ElementsAre(StartsWith("R4")));
}

TEST_F(OrderMonitorTest, AFileWhoseSyncFailedIsLeftAlone) {
  Create("/db/000007.log");
  FailSync("/db/000007.log");
  Append("/db/000007.log");
  Sync("/db/000007.log");
  EXPECT_THAT(Violations(), ElementsAre(StartsWith("R5"), StartsWith("R5")));
}

TEST_F(OrderMonitorTest, ANamedTableDoesNotChange) {
  Begin();
  Append("/db/000005.sst");
  EXPECT_THAT(Violations(), ElementsAre(StartsWith("R7")));
}

TEST_F(OrderMonitorTest, AReplacedManifestDoesNotChange) {
  Begin();
  Create("/db/MANIFEST-000009");
  SyncDirectory();
  Edit("/db/MANIFEST-000009", AddsTable(5));
  Sync("/db/MANIFEST-000009");
  SetCurrent();
  Edit(kManifest, VersionEdit());
  EXPECT_THAT(Violations(), ElementsAre(StartsWith("R7")));
}

TEST_F(OrderMonitorTest, NobodySyncsAWalWithoutNeed) {
  Note(SimNote::kOpened, 0);
  Create("/db/000007.log");
  Append("/db/000007.log");
  Sync("/db/000007.log");
  EXPECT_THAT(Violations(), IsEmpty());
  Sync("/db/000007.log");
  EXPECT_THAT(Violations(), ElementsAre(StartsWith("R8")));
}

}  // namespace
}  // namespace paceline
