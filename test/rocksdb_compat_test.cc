// Paceline and RocksDB 7.8 open each other's databases and find the same.

#include <filesystem>
#include <string>
#include <tuple>
#include <vector>

#include "paceline/db.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "test/support/batch_bytes.h"
#include "test/support/effort.h"
#include "test/support/rocksdb_peer.h"
#include "test/support/seed.h"
#include "test/support/subprocess.h"
#include "test/support/test_database.h"
#include "test/support/test_directory.h"

namespace paceline {
namespace {

constexpr size_t kBatches = 300;

// Random batches of every kind of entry over some column families.
class BatchSource {
 public:
  BatchSource(uint64_t seed, Model* model) : random_(seed), model_(model) {}

  // The next batch, which is applied to the model, too.
  std::vector<ModelOperation> Next() {
    std::vector<ModelOperation> operations;
    for (uint64_t left = random_.Below(8); left > 0; --left) {
      operations.push_back(NextOperation());
      model_->Apply(operations.back());
    }
    return operations;
  }

 private:
  ModelOperation NextOperation() {
    using Kind = ModelOperation::Kind;
    const auto& families = model_->families();
    const std::string family =
        std::next(families.begin(),
                  static_cast<ptrdiff_t>(random_.Below(families.size())))
            ->first;
    const std::string number = std::to_string(random_.Below(400));
    switch (random_.Below(12)) {
      case 0:
        return {Kind::kDelete, family, "key" + number, ""};
      case 1:
      case 2:
        return {Kind::kMerge, family, "key" + number, random_.Letters(5)};
      case 3:
        return Single(family, "single" + number);
      case 4:
        return Range(family, "key" + number);
      case 5:
        // Several blocks of the WAL.
        return {Kind::kPut, family, "key" + number,
                random_.Bytes(random_.Below(100'000))};
      case 6:
        return {Kind::kPut, family, random_.Bytes(random_.Below(3)), number};
      default:
        return {Kind::kPut, family, "key" + number,
                random_.Bytes(random_.Below(200))};
    }
  }

  ModelOperation Single(const std::string& family, const std::string& key) {
    using Kind = ModelOperation::Kind;
    const bool exists = model_->Entries(family).contains(key);
    return exists ? ModelOperation{Kind::kSingleDelete, family, key, ""}
                  : ModelOperation{Kind::kPut, family, key, "once"};
  }

  ModelOperation Range(const std::string& family, const std::string& key) {
    std::string begin = key;
    std::string end = key + "5";
    if (model_->comparator() != BytewiseComparator()) std::swap(begin, end);
    return {ModelOperation::Kind::kDeleteRange, family, begin, end};
  }

  TestRandom random_;
  Model* const model_;
};

// Parameters: allow_mmap_writes, and whether the order is reversed.
class RocksDBCompatTest
    : public testing::TestWithParam<std::tuple<bool, bool>> {
 protected:
  RocksDBCompatTest()
      : allow_mmap_(std::get<0>(GetParam())),
        is_reversed_(std::get<1>(GetParam())),
        model_(is_reversed_ ? ReverseBytewiseComparator()
                            : BytewiseComparator()) {
    options_.create_if_missing = true;
    options_.allow_mmap_writes = allow_mmap_;
    options_.comparator = model_.comparator();
    options_.merge_operator = NewStringAppendOperator();
    options_.write_buffer_size = size_t{1} << 20;
  }
  ~RocksDBCompatTest() override { ReportCoverage(1, "databases"); }

  // Writes batches, and makes and drops column families between them.
  void WriteWithPaceline(TestDatabase* database) {
    BatchSource source(TestSeed(), &model_);
    for (size_t number = 0; number < kBatches; ++number) {
      if (number % 60 == 0) CreateFamily(number, database);
      if (number == 200) DropFamily(database);
      WriteBatch batch;
      ASSERT_THAT(batch.PutLogData("log data"), IsOk());
      for (const ModelOperation& operation : source.Next()) {
        ASSERT_THAT(
            AddToBatch(operation, database->Family(operation.family), &batch),
            IsOk());
      }
      ASSERT_THAT((*database)->Write({.sync = number % 50 == 0}, &batch),
                  IsOk());
    }
  }

  template <typename Database>
  void CreateFamily(size_t number, Database* database) {
    const std::string name = "family" + std::to_string(number);
    ASSERT_THAT(database->CreateFamily(name), IsOk());
    model_.CreateFamily(name);
  }
  template <typename Database>
  void DropFamily(Database* database) {
    ASSERT_THAT(database->DropFamily("family60"), IsOk());
    model_.DropFamily("family60");
  }

  void WriteWithRocksDB(RocksDBPeer* peer) {
    BatchSource source(TestSeed(), &model_);
    for (size_t number = 0; number < kBatches; ++number) {
      if (number % 60 == 0) CreateFamily(number, peer);
      if (number == 200) DropFamily(peer);
      ASSERT_THAT(peer->Write(source.Next()), IsOk());
    }
  }

  // Read-only first, then read-write.
  void ExpectRocksDBFindsTheModel(const std::string& directory,
                                  WALRecoveryMode mode) {
    for (const bool read_only : {true, false}) {
      RocksDBPeer peer;
      ASSERT_THAT(peer.Open({.is_reversed = is_reversed_,
                             .read_only = read_only,
                             .wal_recovery_mode = mode},
                            directory),
                  IsOk());
      EXPECT_EQ(Difference(ContentsOf(model_), peer.ReadAll()), "");
    }
  }

  const bool allow_mmap_;
  const bool is_reversed_;
  TestDirectory root_;
  const std::string directory_ = root_ / "db";
  Options options_;
  Model model_;
};

TEST_P(RocksDBCompatTest, RocksDBFindsWhatPacelineWroteAndClosed) {
  {
    TestDatabase database;
    ASSERT_THAT(database.Open(options_, directory_), IsOk());
    WriteWithPaceline(&database);
  }
  EXPECT_THAT(RocksDBLoadsOptions(directory_), IsOk());
  ExpectRocksDBFindsTheModel(directory_, WALRecoveryMode::kAbsoluteConsistency);
}

TEST_P(RocksDBCompatTest, RocksDBFindsWhatAKilledPacelineLeaves) {
  TestDatabase database;
  ASSERT_THAT(database.Open(options_, directory_), IsOk());
  WriteWithPaceline(&database);
  for (const WALRecoveryMode mode :
       {WALRecoveryMode::kPointInTimeRecovery,
        WALRecoveryMode::kTolerateCorruptedTailRecords}) {
    CopyDirectory(directory_, root_ / "killed");
    ExpectRocksDBFindsTheModel(root_ / "killed", mode);
  }
}

TEST_P(RocksDBCompatTest, PacelineFindsWhatRocksDBWrote) {
  {
    RocksDBPeer peer;
    ASSERT_THAT(peer.Open({.is_reversed = is_reversed_}, directory_), IsOk());
    WriteWithRocksDB(&peer);
    CopyDirectory(directory_, root_ / "killed");
  }
  options_.create_if_missing = false;
  for (const std::string& directory : {directory_, root_ / "killed"}) {
    TestDatabase database;
    ASSERT_THAT(database.OpenForReadOnly(options_, directory), IsOk());
    EXPECT_EQ(Difference(ContentsOf(model_), database.ReadAll()), "");
    ASSERT_THAT(database.Close(), IsOk());
    ASSERT_THAT(database.Open(options_, directory), IsOk());
    EXPECT_EQ(Difference(ContentsOf(model_), database.ReadAll()), "");
  }
}

TEST_P(RocksDBCompatTest, ADatabaseCanGoToAndFroBetweenThem) {
  BatchSource source(TestSeed(), &model_);
  for (int round = 0; round < 4; ++round) {
    {
      TestDatabase database;
      ASSERT_THAT(database.Open(options_, directory_), IsOk());
      EXPECT_EQ(Difference(ContentsOf(model_), database.ReadAll()), "");
      WriteBatch batch;
      for (const ModelOperation& operation : source.Next()) {
        ASSERT_THAT(
            AddToBatch(operation, database.Family(operation.family), &batch),
            IsOk());
      }
      ASSERT_THAT(database->Write({}, &batch), IsOk());
      CreateFamily(static_cast<size_t>(round), &database);
    }
    RocksDBPeer peer;
    ASSERT_THAT(peer.Open({.is_reversed = is_reversed_}, directory_), IsOk());
    EXPECT_EQ(Difference(ContentsOf(model_), peer.ReadAll()), "");
    ASSERT_THAT(peer.Write(source.Next()), IsOk());
    CreateFamily(static_cast<size_t>(100 + round), &peer);
  }
}

TEST_P(RocksDBCompatTest, RocksDBFindsWhatPacelineSavedFromADamagedWal) {
  {
    RocksDBPeer peer;
    ASSERT_THAT(peer.Open({.is_reversed = is_reversed_}, directory_), IsOk());
    WriteWithRocksDB(&peer);
  }
  for (const auto& [name, bytes] : ReadDirectory(directory_)) {
    if (!name.ends_with(".log")) continue;
    std::filesystem::resize_file(directory_ + "/" + name, bytes.size() / 2);
  }
  Contents contents;
  {
    TestDatabase database;
    ASSERT_THAT(database.Open(options_, directory_), IsOk());
    ASSERT_THAT(database->Put({}, "a new key", "a new value"), IsOk());
    contents = database.ReadAll();
  }
  for (const bool read_only : {true, false}) {
    RocksDBPeer peer;
    ASSERT_THAT(peer.Open({.is_reversed = is_reversed_, .read_only = read_only},
                          directory_),
                IsOk());
    EXPECT_EQ(Difference(contents, peer.ReadAll()), "");
  }
}

TEST_P(RocksDBCompatTest, LdbReadsWhatPacelineWrote) {
  if (RunProgram({"sh", "-c", "command -v ldb"}).exit_code != 0) {
    GTEST_SKIP() << "ldb is not installed";
  }
  if (is_reversed_) GTEST_SKIP() << "ldb only knows the usual order";
  {
    TestDatabase database;
    ASSERT_THAT(database.Open(options_, directory_), IsOk());
    ASSERT_THAT(database.CreateFamily("other"), IsOk());
    ASSERT_THAT(database->Put({}, "key", "value"), IsOk());
    ASSERT_THAT(database->Put({}, database.Family("other"), "other key",
                              std::string(50'000, 'x')),
                IsOk());
  }
  ProgramResult result =
      RunProgram({"ldb", "--db=" + directory_, "list_column_families"});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_THAT(result.output, testing::HasSubstr("{default, other}"));

  const auto files = ReadDirectory(directory_);
  uint64_t records = 0;
  for (const auto& [name, bytes] : files) {
    if (!name.ends_with(".log")) continue;
    result =
        RunProgram({"ldb", "dump_wal", "--walfile=" + directory_ + "/" + name});
    EXPECT_EQ(result.exit_code, 0);
    EXPECT_THAT(result.output, testing::Not(testing::HasSubstr("orruption")));
    for (const char c : result.output) records += c == '\n';
  }
  EXPECT_EQ(records, 3u) << "two, and the note that the WAL begins with";

  // It opens the database read-write and makes SST files, so it comes last.
  result = RunProgram({"ldb", "--db=" + directory_, "scan"});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_THAT(result.output, testing::HasSubstr("key : value"));
}

INSTANTIATE_TEST_SUITE_P(
    AllowMmapAndOrder, RocksDBCompatTest,
    testing::Combine(testing::Bool(), testing::Bool()),
    [](const auto& parameter) {
      return std::string(std::get<0>(parameter.param) ? "mmap" : "pwrite") +
             (std::get<1>(parameter.param) ? "_reverse" : "_bytewise");
    });

// What the database accepts goes into its WAL byte by byte, and RocksDB must be
// able to read that.
TEST(RocksDBBatchTest, ABatchThatIsAcceptedIsTheSameToRocksDB) {
  class Any : public WriteBatch::Handler {
   public:
    Status PutCF(uint32_t, const Slice&, const Slice&) override { return {}; }
    Status DeleteCF(uint32_t, const Slice&) override { return {}; }
    Status SingleDeleteCF(uint32_t, const Slice&) override { return {}; }
    Status DeleteRangeCF(uint32_t, const Slice&, const Slice&) override {
      return {};
    }
    Status MergeCF(uint32_t, const Slice&, const Slice&) override { return {}; }
  };
  BatchBytesSource source(TestSeed(), /*families=*/200);
  uint64_t accepted = 0;
  for (int i = 0; i < 30'000; ++i) {
    const std::string bytes = i % 8 == 0 ? source.Sound() : source.Malformed();
    Any any;
    if (!WriteBatch(bytes).Iterate(&any).ok()) continue;
    ++accepted;
    std::vector<ReferenceEntry> entries;
    ASSERT_THAT(RocksDBIterates(bytes, &entries), IsOk())
        << Slice(bytes).ToString(/*hex=*/true);
    ASSERT_TRUE(entries == ReferenceParser::Parse(bytes).entries)
        << Slice(bytes).ToString(/*hex=*/true);
  }
  EXPECT_GT(accepted, 4'000u);
}

}  // namespace
}  // namespace paceline
