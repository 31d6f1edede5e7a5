// Paceline and RocksDB 7.8 read, go on with and compact each other's trees of
// tables: many small random databases, written by one, read and compacted by
// the other, and one that both write in turns.
//
// The program starts itself as a process to be killed: see RunChild().
// PACELINE_SEED repeats a run.

#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cstdio>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "paceline/db.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "test/support/effort.h"
#include "test/support/model.h"
#include "test/support/operation_stream.h"
#include "test/support/rocksdb_peer.h"
#include "test/support/seed.h"
#include "test/support/subprocess.h"
#include "test/support/test_database.h"
#include "test/support/test_directory.h"

namespace paceline {
namespace {

constexpr uint64_t kDatabasesPerToolRun = 10;
constexpr const char* kBatchKey = "~batch";  // Behind all keys of the stream.
const std::vector<std::string> kMoreFamilies = {"one", "two"};

// A small tree of a form that the seed chooses.
Options RandomTree(uint64_t seed) {
  TestRandom random(seed);
  Options options;
  options.create_if_missing = true;
  options.create_missing_column_families = true;
  options.merge_operator = NewStringAppendOperator();
  options.write_buffer_size = size_t{64} << 10;
  options.max_write_buffer_number = 6;
  options.target_file_size_base = uint64_t{4} << (10 + random.Below(3));
  options.max_bytes_for_level_base = uint64_t{16} << 10;
  options.max_bytes_for_level_multiplier = 2 + random.Below(4);
  options.level_compaction_dynamic_level_bytes = random.OneIn(2);
  options.max_manifest_file_size = random.OneIn(3) ? 4096 : 1 << 30;
  options.atomic_flush = random.OneIn(4);
  options.allow_mmap_writes = random.OneIn(2);
  options.max_open_files = random.OneIn(3) ? 10 : -1;
  constexpr CompressionType kCompressions[] = {
      kNoCompression, kSnappyCompression, kLZ4Compression, kLZ4HCCompression,
      kZSTD};
  options.compression = kCompressions[random.Below(std::size(kCompressions))];
  BlockBasedTableOptions table;
  constexpr ChecksumType kChecksums[] = {kNoChecksum, kCRC32c, kxxHash,
                                         kxxHash64, kXXH3};
  table.checksum = kChecksums[random.Below(std::size(kChecksums))];
  table.block_size = size_t{256} << random.Below(7);
  table.block_restart_interval = static_cast<int>(1 + random.Below(20));
  if (random.OneIn(2)) {
    table.filter_policy.reset(
        NewBloomFilterPolicy(static_cast<double>(1 + random.Below(20))));
  }
  options.table_factory.reset(NewBlockBasedTableFactory(table));
  return options;
}

// The batches of one database, whoever writes them, and what they make of it.
// Each says its number.
class Story {
 public:
  explicit Story(uint64_t seed) : stream_(seed, 1500, 150) {
    for (const std::string& name : kMoreFamilies) model_.CreateFamily(name);
  }

  std::vector<ModelOperation> Next() {
    std::vector<ModelOperation> operations = stream_.Next(++number_, &model_);
    operations.push_back({ModelOperation::Kind::kPut, kDefaultColumnFamilyName,
                          kBatchKey, std::to_string(number_)});
    model_.Apply(operations.back());
    return operations;
  }
  void AdvanceTo(uint64_t number) {
    while (number_ < number) static_cast<void>(Next());
  }
  [[nodiscard]] Contents contents() const { return ContentsOf(model_); }

 private:
  const OperationStream stream_;
  uint64_t number_ = 0;
  Model model_;
};

Status WriteNext(const TestDatabase& database, Story* story) {
  WriteBatch batch;
  for (const ModelOperation& operation : story->Next()) {
    Status s = AddToBatch(operation, database.Family(operation.family), &batch);
    if (!s.ok()) return s;
  }
  return database->Write({}, &batch);
}

// The number of the last batch of a database with these contents.
uint64_t LastBatchOf(const Contents& contents) {
  const auto& entries = contents.at(kDefaultColumnFamilyName);
  return entries.empty() || entries.back().first != kBatchKey
             ? 0
             : std::stoull(entries.back().second);
}

// --- The process that is killed. -------------------------------------------

[[noreturn]] void FailChild(const std::string& what) {
  std::fprintf(stderr, "child: %s\n", what.c_str());
  ::_exit(1);
}

// Arguments: directory, seed of the tree, seed of the story. Writes a line for
// each batch.
int RunChild(const std::vector<std::string>& arguments) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (arguments.size() != 3) FailChild("wrong arguments");
  TestDatabase database;
  Status s = database.Open(RandomTree(std::stoull(arguments[1])), arguments[0],
                           kMoreFamilies);
  if (!s.ok()) FailChild(s.ToString());
  Story story(std::stoull(arguments[2]));
  while (true) {
    s = WriteNext(database, &story);
    if (!s.ok()) FailChild(s.ToString());
    if (::write(STDOUT_FILENO, "\n", 1) != 1) FailChild("nobody reads");
  }
}

// --- The tests. ------------------------------------------------------------

class RocksDBTreeTest : public testing::Test {
 protected:
  // Begins a database; the seeds below are its own.
  void Begin() {
    seed_ = seeds_.Next();
    random_ = std::make_unique<TestRandom>(seed_);
    story_ = std::make_unique<Story>(random_->Next());
    root_ = std::make_unique<TestDirectory>(TestStorage::kMemory);
    directory_ = *root_ / "db";
  }
  [[nodiscard]] std::string Description() const {
    return "PACELINE_SEED=" + std::to_string(TestSeed()) +
           ", seed of this database: " + std::to_string(seed_);
  }

  // With snapshots, flushes and compactions in between.
  void WriteWithPaceline(TestDatabase* database, uint64_t batches) {
    std::vector<std::unique_ptr<ManagedSnapshot>> snapshots;
    for (; batches > 0; --batches) {
      ASSERT_THAT(WriteNext(*database, story_.get()), IsOk());
      ColumnFamilyHandle* family =
          database->Family(kMoreFamilies[random_->Below(kMoreFamilies.size())]);
      if (random_->OneIn(40)) {
        snapshots.push_back(std::make_unique<ManagedSnapshot>(database->get()));
      }
      if (random_->OneIn(60)) {
        ASSERT_THAT((*database)->Flush({.wait = random_->OneIn(2)}, {family}),
                    IsOk());
      }
      if (random_->OneIn(100)) {
        ASSERT_THAT((*database)->CompactRange({}, family, nullptr, nullptr),
                    IsOk());
      }
    }
  }

  void WriteWithRocksDB(RocksDBPeer* peer, uint64_t batches) {
    for (; batches > 0; --batches) {
      ASSERT_THAT(peer->Write(story_->Next()), IsOk());
      if (random_->OneIn(40)) peer->HoldSnapshot();
      if (random_->OneIn(60)) {
        ASSERT_THAT(peer->Flush(), IsOk());
      }
      if (random_->OneIn(100)) {
        ASSERT_THAT(peer->CompactAll(), IsOk());
      }
    }
  }

  PeerOptions Peer(WALRecoveryMode mode = WALRecoveryMode::kPointInTimeRecovery,
                   bool read_only = false) {
    return {.read_only = read_only,
            .wal_recovery_mode = mode,
            .tree_seed = random_->Next()};
  }

  // Read-only first; then it compacts everything. Returns what it found.
  Contents ReadWithRocksDB(WALRecoveryMode mode) {
    Contents found;
    {
      RocksDBPeer peer;
      const Status s = peer.Open(Peer(mode, /*read_only=*/true), directory_);
      EXPECT_THAT(s, IsOk());
      if (!s.ok()) return found;
      EXPECT_THAT(peer.VerifyChecksums(), IsOk());
      found = peer.ReadAll();
    }
    RocksDBPeer peer;
    const Status s = peer.Open(Peer(mode), directory_);
    EXPECT_THAT(s, IsOk());
    if (!s.ok()) return found;
    EXPECT_EQ(Difference(found, peer.ReadAll()), "");
    EXPECT_THAT(peer.CompactAll(), IsOk());
    EXPECT_EQ(Difference(found, peer.ReadAll()), "");
    return found;
  }

  // The same for Paceline.
  Contents ReadWithPaceline() {
    const Options options = RandomTree(random_->Next());
    Contents found;
    {
      TestDatabase database;
      const Status s = database.OpenForReadOnly(options, directory_);
      EXPECT_THAT(s, IsOk());
      if (!s.ok()) return found;
      EXPECT_THAT(database->VerifyChecksum(), IsOk());
      found = database.ReadAll();
    }
    TestDatabase database;
    const Status s = database.Open(options, directory_);
    EXPECT_THAT(s, IsOk());
    if (!s.ok()) return found;
    EXPECT_EQ(Difference(found, database.ReadAll()), "");
    for (const std::string& name : database.FamilyNames()) {
      EXPECT_THAT(
          database->CompactRange({.bottommost_level_compaction =
                                      BottommostLevelCompaction::kForce},
                                 database.Family(name), nullptr, nullptr),
          IsOk());
    }
    EXPECT_EQ(Difference(found, database.ReadAll()), "");
    EXPECT_THAT(database->VerifyChecksum(), IsOk());
    return found;
  }

  // RocksDB's own tools have nothing to complain about.
  void CheckWithTools() {
    if (!HasTools()) return;
    std::string manifest = ReadFileBytes(directory_ + "/CURRENT");
    manifest.pop_back();  // The newline.
    std::vector<std::string> lines = {
        "ldb --db=" + directory_ + " checkconsistency",
        "ldb manifest_dump --path=" + directory_ + "/" + manifest};
    for (const auto& [name, bytes] : ReadDirectory(directory_)) {
      if (!name.ends_with(".sst")) continue;
      lines.push_back("sst_dump --command=verify --verify_checksum --file=" +
                      directory_);
      break;
    }
    for (const std::string& line : lines) {
      const ProgramResult result = RunProgram({"sh", "-c", line + " 2>&1"});
      EXPECT_EQ(result.exit_code, 0) << line << "\n" << result.output;
      EXPECT_THAT(result.output, testing::Not(testing::HasSubstr("orruption")))
          << line;
    }
  }
  static bool HasTools() {
    static const bool has_tools =
        RunProgram({"sh", "-c", "command -v ldb && command -v sst_dump"})
            .exit_code == 0;
    return has_tools;
  }

  static RunLimit DatabaseLimit() { return {250, 10}; }
  TestRandom seeds_{TestSeed()};
  uint64_t seed_ = 0;
  std::unique_ptr<TestRandom> random_;
  std::unique_ptr<Story> story_;
  std::unique_ptr<TestDirectory> root_;
  std::string directory_;
};

TEST_F(RocksDBTreeTest, RocksDBReadsAndCompactsWhatPacelineWrote) {
  const RunLimit limit = DatabaseLimit();
  uint64_t number = 0;
  for (; !limit.IsReached(number); ++number) {
    Begin();
    SCOPED_TRACE(Description());
    {
      TestDatabase database;
      ASSERT_THAT(
          database.Open(RandomTree(random_->Next()), directory_, kMoreFamilies),
          IsOk());
      WriteWithPaceline(&database, 1 + random_->Below(300));
    }
    ASSERT_FALSE(HasFailure());
    if (number % kDatabasesPerToolRun == 0) CheckWithTools();
    const Contents found =
        ReadWithRocksDB(WALRecoveryMode::kAbsoluteConsistency);
    ASSERT_EQ(Difference(story_->contents(), found), "");
    ASSERT_EQ(Difference(story_->contents(), ReadWithPaceline()), "");
    ASSERT_FALSE(HasFailure());
  }
  ReportCoverage(number, "databases");
}

TEST_F(RocksDBTreeTest, RocksDBFindsAPrefixOfWhatAKilledPacelineWrote) {
  const RunLimit limit = DatabaseLimit();
  uint64_t number = 0;
  for (; !limit.IsReached(number); ++number) {
    Begin();
    SCOPED_TRACE(Description());
    const uint64_t story_seed = random_->Next();
    Story story(story_seed);
    uint64_t acknowledged = 1 + random_->Below(300);
    {
      Subprocess child({"/proc/self/exe", "--child", directory_,
                        std::to_string(random_->Next()),
                        std::to_string(story_seed)});
      for (uint64_t left = acknowledged; left > 0; --left) child.ReadLine();
      child.Kill();
      const ProgramResult result = child.Finish();
      ASSERT_LT(result.exit_code, 0) << "the child ended by itself";
      acknowledged += result.output.size();  // One newline for each.
    }
    const Contents found =
        ReadWithRocksDB(WALRecoveryMode::kPointInTimeRecovery);
    ASSERT_FALSE(HasFailure());
    const uint64_t last = LastBatchOf(found);
    ASSERT_GE(last, acknowledged);
    ASSERT_LE(last, acknowledged + 1);
    story.AdvanceTo(last);
    ASSERT_EQ(Difference(story.contents(), found), "");
    ASSERT_EQ(Difference(story.contents(), ReadWithPaceline()), "");
    ASSERT_FALSE(HasFailure());
  }
  ReportCoverage(number, "databases");
}

TEST_F(RocksDBTreeTest, PacelineReadsAndCompactsWhatRocksDBWrote) {
  const RunLimit limit = DatabaseLimit();
  uint64_t number = 0;
  for (; !limit.IsReached(number); ++number) {
    Begin();
    SCOPED_TRACE(Description());
    {
      RocksDBPeer peer;
      ASSERT_THAT(peer.Open(Peer(), directory_), IsOk());
      for (const std::string& name : kMoreFamilies) {
        ASSERT_THAT(peer.CreateFamily(name), IsOk());
      }
      WriteWithRocksDB(&peer, 1 + random_->Below(300));
    }
    ASSERT_FALSE(HasFailure());
    ASSERT_EQ(Difference(story_->contents(), ReadWithPaceline()), "");
    if (number % kDatabasesPerToolRun == 0) CheckWithTools();
    const Contents found =
        ReadWithRocksDB(WALRecoveryMode::kAbsoluteConsistency);
    ASSERT_EQ(Difference(story_->contents(), found), "");
    ASSERT_FALSE(HasFailure());
  }
  ReportCoverage(number, "databases");
}

TEST_F(RocksDBTreeTest, ADatabaseThatBothWriteInTurnsLosesNothing) {
  Begin();
  SCOPED_TRACE(Description());
  const RunLimit limit(50, 10);
  uint64_t turn = 0;
  for (; !limit.IsReached(turn); ++turn) {
    SCOPED_TRACE("turn " + std::to_string(turn));
    if (turn % 2 == 0) {
      TestDatabase database;
      ASSERT_THAT(
          database.Open(RandomTree(random_->Next()), directory_, kMoreFamilies),
          IsOk());
      ASSERT_EQ(Difference(story_->contents(), database.ReadAll()), "");
      WriteWithPaceline(&database, 1 + random_->Below(200));
      ASSERT_EQ(Difference(story_->contents(), database.ReadAll()), "");
    } else {
      RocksDBPeer peer;
      ASSERT_THAT(peer.Open(Peer(), directory_), IsOk());
      ASSERT_EQ(Difference(story_->contents(), peer.ReadAll()), "");
      WriteWithRocksDB(&peer, 1 + random_->Below(200));
      ASSERT_EQ(Difference(story_->contents(), peer.ReadAll()), "");
      ASSERT_THAT(peer.VerifyChecksums(), IsOk());
    }
    ASSERT_FALSE(HasFailure());
  }
  CheckWithTools();
  ReportCoverage(turn, "turns");
}

}  // namespace
}  // namespace paceline

int main(int argc, char** argv) {
  if (argc > 1 && std::string(argv[1]) == "--child") {
    return paceline::RunChild({argv + 2, argv + argc});
  }
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
