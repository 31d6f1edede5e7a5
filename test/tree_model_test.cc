// The tree of tables against a Model: tiny memtables and tables, so that
// flushes and compactions run all the time, under random operations; the same
// operations with many sets of options; and kills in between.
//
// The program starts itself as the process to be killed: see RunChild().
// PACELINE_SEED repeats the choices.

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "paceline/db.h"

#include "gtest/gtest.h"
#include "test/support/effort.h"
#include "test/support/model.h"
#include "test/support/model_cursor.h"
#include "test/support/operation_stream.h"
#include "test/support/seed.h"
#include "test/support/subprocess.h"
#include "test/support/test_database.h"
#include "test/support/test_directory.h"

namespace paceline {
namespace {

constexpr size_t kSnapshotsMax = 4;
constexpr size_t kHeldIteratorsMax = 3;
const std::vector<std::string> kMoreFamilies = {"one", "two"};

// --- Options. --------------------------------------------------------------

void SetTable(const BlockBasedTableOptions& table, Options* options) {
  options->table_factory.reset(NewBlockBasedTableFactory(table));
}

Options SmallTree() {
  Options options;
  options.create_if_missing = true;
  options.create_missing_column_families = true;
  options.merge_operator = NewStringAppendOperator();
  options.write_buffer_size = size_t{64} << 10;
  options.max_write_buffer_number = 4;
  options.target_file_size_base = uint64_t{8} << 10;
  options.max_bytes_for_level_base = uint64_t{32} << 10;
  options.max_bytes_for_level_multiplier = 4;
  return options;
}

struct OptionSet {
  const char* name;
  void (*change)(Options* options);
};

const OptionSet kOptionSets[] = {
    {"small_tree", [](Options* /*options*/) {}},
    {"no_compression",
     [](Options* options) { options->compression = kNoCompression; }},
    {"snappy",
     [](Options* options) { options->compression = kSnappyCompression; }},
    {"lz4_and_zstd_below",
     [](Options* options) {
       options->compression = kLZ4Compression;
       options->bottommost_compression = kZSTD;
     }},
    {"zstd",
     [](Options* options) {
       options->compression = kZSTD;
       options->compression_opts.level = 1;
     }},
    {"filter",
     [](Options* options) {
       BlockBasedTableOptions table;
       table.filter_policy.reset(NewBloomFilterPolicy(10));
       SetTable(table, options);
     }},
    {"tiny_filter_no_cache",
     [](Options* options) {
       BlockBasedTableOptions table;
       table.filter_policy.reset(NewBloomFilterPolicy(2));
       table.no_block_cache = true;
       SetTable(table, options);
     }},
    {"tiny_blocks",
     [](Options* options) {
       BlockBasedTableOptions table;
       table.block_size = 256;
       table.block_restart_interval = 1;
       SetTable(table, options);
     }},
    {"large_blocks",
     [](Options* options) {
       BlockBasedTableOptions table;
       table.block_size = uint64_t{64} << 10;
       table.block_restart_interval = 64;
       SetTable(table, options);
     }},
    {"tiny_cache",
     [](Options* options) {
       BlockBasedTableOptions table;
       table.block_cache = NewLRUCache(size_t{16} << 10);
       SetTable(table, options);
     }},
    {"checksum_crc32c",
     [](Options* options) {
       BlockBasedTableOptions table;
       table.checksum = kCRC32c;
       SetTable(table, options);
     }},
    {"checksum_xxhash64",
     [](Options* options) {
       BlockBasedTableOptions table;
       table.checksum = kxxHash64;
       SetTable(table, options);
     }},
    {"no_checksum",
     [](Options* options) {
       BlockBasedTableOptions table;
       table.checksum = kNoChecksum;
       SetTable(table, options);
     }},
    {"few_open_files", [](Options* options) { options->max_open_files = 10; }},
    {"static_levels",
     [](Options* options) {
       options->level_compaction_dynamic_level_bytes = false;
     }},
    {"static_levels_tiny_files",
     [](Options* options) {
       options->level_compaction_dynamic_level_bytes = false;
       options->target_file_size_base = uint64_t{4} << 10;
       options->target_file_size_multiplier = 2;
       options->max_bytes_for_level_base = uint64_t{16} << 10;
       options->max_bytes_for_level_multiplier = 2;
     }},
    {"two_buffers",
     [](Options* options) { options->max_write_buffer_number = 2; }},
    {"pwrite", [](Options* options) { options->allow_mmap_writes = false; }},
    {"atomic_flush", [](Options* options) { options->atomic_flush = true; }},
    {"no_automatic_compactions",
     [](Options* options) { options->disable_auto_compactions = true; }},
    {"many_jobs",
     [](Options* options) {
       options->max_background_jobs = 8;
       options->level0_file_num_compaction_trigger = 2;
     }},
    {"one_job_one_file",
     [](Options* options) {
       options->max_background_jobs = 1;
       options->level0_file_num_compaction_trigger = 1;
     }},
    {"tiny_compactions",
     [](Options* options) {
       options->max_compaction_bytes = uint64_t{16} << 10;
     }},
    {"small_wals_and_manifests",
     [](Options* options) {
       options->max_total_wal_size = uint64_t{128} << 10;
       options->max_manifest_file_size = 4096;
     }},
};

// --- One database. ---------------------------------------------------------

class TreeRun {
 public:
  TreeRun(const Options& options, uint64_t seed)
      : options_(options),
        random_(seed),
        stream_(random_.Next(), 50 + random_.Below(4000),
                1 + random_.Below(200)) {
    for (const std::string& name : kMoreFamilies) model_.CreateFamily(name);
    EXPECT_THAT(database_.Open(options_, directory_.path(), kMoreFamilies),
                IsOk());
  }
  ~TreeRun() { ReleaseAll(); }

  [[nodiscard]] uint64_t operations() const { return operations_; }

  // Some operations of one kind.
  void Step() {
    const uint64_t choice = random_.Below(40'000);
    if (choice < 24'000) return WriteBatchOfStream();
    if (choice < 33'000) return ReadSeveral();
    if (choice < 39'000) return WalkIterator();
    if (choice < 39'500) return MakeOrReleaseSnapshot();
    if (choice < 39'950) return HoldOrCheckIterator();
    if (choice < 39'975) return Flush();
    if (choice < 39'990) return CompactRange();
    if (choice < 39'997) return CheckAll();
    return Reopen();
  }

  void CheckAll() {
    EXPECT_EQ(Difference(ContentsOf(model_), database_.ReadAll()), "");
    for (const auto& [snapshot, state] : snapshots_) {
      EXPECT_EQ(Difference(ContentsOf(state), database_.ReadAll(snapshot)), "");
    }
    operations_ += 100;
  }

  void Reopen() {
    ReleaseAll();
    ASSERT_THAT(database_.Close(), IsOk());
    ASSERT_THAT(database_.Open(options_, directory_.path()), IsOk());
    CheckAll();
  }

  // After the last step: everything into the deepest level, and once more.
  void Finish() {
    CheckAll();
    ReleaseAll();
    for (const std::string& name : database_.FamilyNames()) {
      ASSERT_THAT(
          database_->CompactRange({.bottommost_level_compaction =
                                       BottommostLevelCompaction::kForce},
                                  database_.Family(name), nullptr, nullptr),
          IsOk());
    }
    CheckAll();
    EXPECT_THAT(database_->VerifyChecksum(), IsOk());
    Reopen();
  }

 private:
  struct HeldIterator {
    std::unique_ptr<Iterator> iterator;
    std::unique_ptr<ModelEntries> entries;  // What it must find.
  };

  std::string RandomFamily() {
    const auto& families = model_.families();
    return std::next(families.begin(),
                     static_cast<ptrdiff_t>(random_.Below(families.size())))
        ->first;
  }

  void WriteBatchOfStream() {
    const auto operations = stream_.Next(++batches_, &model_);
    WriteBatch batch;
    for (const ModelOperation& operation : operations) {
      ASSERT_THAT(
          AddToBatch(operation, database_.Family(operation.family), &batch),
          IsOk());
    }
    ASSERT_THAT(database_->Write({}, &batch), IsOk());
    operations_ += operations.size();
  }

  // The present (null), or one of the snapshots.
  std::pair<const Snapshot*, const Model*> RandomView() {
    if (snapshots_.empty() || random_.OneIn(2)) return {nullptr, &model_};
    const auto& view = snapshots_[random_.Below(snapshots_.size())];
    return {view.first, &view.second};
  }

  // What a reader may ask for without being answered otherwise.
  ReadOptions RandomReadOptions(const Snapshot* snapshot) {
    return {.snapshot = snapshot,
            .verify_checksums = random_.OneIn(2),
            .fill_cache = random_.OneIn(2),
            .readahead_size = random_.OneIn(4) ? size_t{16} << 10 : 0};
  }

  void ReadSeveral() {
    const auto [snapshot, state] = RandomView();
    std::vector<std::string> families(1 + random_.Below(12));
    std::vector<std::string> keys;
    std::vector<ColumnFamilyHandle*> handles;
    for (std::string& family : families) {
      family = RandomFamily();
      handles.push_back(database_.Family(family));
      keys.push_back(stream_.RandomKey(&random_));
    }
    std::vector<std::string> values(keys.size());
    std::vector<Status> statuses;
    if (random_.OneIn(2)) {
      statuses = database_->MultiGet(
          RandomReadOptions(snapshot), handles,
          std::vector<Slice>(keys.begin(), keys.end()), &values);
    } else {
      for (size_t i = 0; i < keys.size(); ++i) {
        statuses.push_back(database_->Get(RandomReadOptions(snapshot),
                                          handles[i], keys[i], &values[i]));
      }
    }
    for (size_t i = 0; i < keys.size(); ++i) {
      const ModelEntries& entries = state->Entries(families[i]);
      const auto entry = entries.find(keys[i]);
      if (entry == entries.end()) {
        ASSERT_THAT(statuses[i], HasCode(Status::kNotFound)) << keys[i];
      } else {
        ASSERT_THAT(statuses[i], IsOk()) << keys[i];
        ASSERT_EQ(values[i], entry->second) << keys[i];
      }
    }
    operations_ += keys.size();
  }

  void WalkIterator() {
    const auto [snapshot, state] = RandomView();
    const std::string family = RandomFamily();
    std::optional<std::string> lower;
    std::optional<std::string> upper;
    if (random_.OneIn(3)) lower = stream_.RandomKey(&random_);
    if (random_.OneIn(3)) upper = stream_.RandomKey(&random_);
    const Slice lower_slice = lower ? Slice(*lower) : Slice();
    const Slice upper_slice = upper ? Slice(*upper) : Slice();
    ReadOptions read = RandomReadOptions(snapshot);
    if (lower) read.iterate_lower_bound = &lower_slice;
    if (upper) read.iterate_upper_bound = &upper_slice;
    const std::unique_ptr<Iterator> iterator(
        database_->NewIterator(read, database_.Family(family)));
    ModelCursor cursor(state->Entries(family), lower, upper);
    Walk(iterator.get(), &cursor);
  }

  // Steps in one direction are longer than those to and fro.
  void Walk(Iterator* iterator, ModelCursor* cursor) {
    uint64_t direction = 0;
    for (uint64_t left = random_.Below(24); left > 0; --left) {
      const uint64_t choice = cursor->Valid() ? random_.Below(16) : 0;
      if (choice == 0) {
        SeekBoth(iterator, cursor);
        direction = random_.Below(2);
      } else if ((direction + (choice == 1 ? 1 : 0)) % 2 == 0) {
        iterator->Next();
        cursor->Next();
      } else {
        iterator->Prev();
        cursor->Prev();
      }
      cursor->ExpectSame(*iterator);
      if (testing::Test::HasFatalFailure()) return;
      ++operations_;
    }
  }

  void SeekBoth(Iterator* iterator, ModelCursor* cursor) {
    const std::string target = stream_.RandomKey(&random_);
    switch (random_.Below(6)) {
      case 0:
        iterator->SeekToFirst();
        return cursor->SeekToFirst();
      case 1:
        iterator->SeekToLast();
        return cursor->SeekToLast();
      case 2:
      case 3:
        iterator->Seek(target);
        return cursor->Seek(target);
      default:
        iterator->SeekForPrev(target);
        return cursor->SeekForPrev(target);
    }
  }

  void MakeOrReleaseSnapshot() {
    if (snapshots_.size() < kSnapshotsMax && random_.OneIn(2)) {
      snapshots_.emplace_back(database_->GetSnapshot(), model_);
    } else if (!snapshots_.empty()) {
      const auto chosen =
          snapshots_.begin() +
          static_cast<ptrdiff_t>(random_.Below(snapshots_.size()));
      database_->ReleaseSnapshot(chosen->first);
      snapshots_.erase(chosen);
    }
    ++operations_;
  }

  // Iterators must not notice what is written, flushed and compacted after they
  // were made.
  void HoldOrCheckIterator() {
    if (held_iterators_.size() < kHeldIteratorsMax) {
      const std::string family = RandomFamily();
      held_iterators_.push_back(
          {std::unique_ptr<Iterator>(database_->NewIterator(
               RandomReadOptions(nullptr), database_.Family(family))),
           std::make_unique<ModelEntries>(model_.Entries(family))});
      return;
    }
    const HeldIterator& held = held_iterators_.front();
    ModelCursor cursor(*held.entries);
    Walk(held.iterator.get(), &cursor);
    if (random_.OneIn(2)) held_iterators_.erase(held_iterators_.begin());
  }

  void Flush() {
    ASSERT_THAT(database_->Flush({.wait = random_.OneIn(2)},
                                 database_.Family(RandomFamily())),
                IsOk());
    ++operations_;
  }

  void CompactRange() {
    const std::string begin = stream_.RandomKey(&random_);
    const std::string end = stream_.RandomKey(&random_);
    const Slice begin_slice = begin;
    const Slice end_slice = end;
    ASSERT_THAT(database_->CompactRange(
                    {.bottommost_level_compaction =
                         random_.OneIn(2) ? BottommostLevelCompaction::kForce
                                          : BottommostLevelCompaction::kSkip},
                    database_.Family(RandomFamily()),
                    random_.OneIn(2) ? &begin_slice : nullptr,
                    random_.OneIn(2) ? &end_slice : nullptr),
                IsOk());
    ++operations_;
  }

  void ReleaseAll() {
    held_iterators_.clear();
    for (const auto& [snapshot, state] : snapshots_) {
      database_->ReleaseSnapshot(snapshot);
    }
    snapshots_.clear();
  }

  const Options options_;
  TestRandom random_;
  const OperationStream stream_;
  uint64_t batches_ = 0;
  uint64_t operations_ = 0;
  TestDirectory directory_{TestStorage::kMemory};
  TestDatabase database_;
  Model model_;
  std::vector<std::pair<const Snapshot*, Model>> snapshots_;
  std::vector<HeldIterator> held_iterators_;  // Oldest first.
};

class TreeModelTest : public testing::TestWithParam<OptionSet> {};

// The operations are the same for all sets of options, and so is the model:
// they all agree with each other.
TEST_P(TreeModelTest, RandomOperationsAgreeWithTheModel) {
  Options options = SmallTree();
  GetParam().change(&options);
  const RunLimit limit(5'500'000 / std::size(kOptionSets),
                       200'000 / std::size(kOptionSets));
  TestRandom seeds(TestSeed());
  uint64_t done = 0;
  while (!limit.IsReached(done)) {
    const uint64_t seed = seeds.Next();
    SCOPED_TRACE("PACELINE_SEED=" + std::to_string(TestSeed()) +
                 ", seed of this database: " + std::to_string(seed));
    TreeRun run(options, seed);
    constexpr uint64_t kOperationsPerDatabase = 120'000;
    while (run.operations() < kOperationsPerDatabase &&
           !limit.IsReached(done + run.operations())) {
      run.Step();
      ASSERT_FALSE(HasFailure()) << "in operation " << run.operations();
    }
    run.Finish();
    ASSERT_FALSE(HasFailure()) << "at the end";
    done += run.operations();
  }
  ReportCoverage(done, "operations");
}

INSTANTIATE_TEST_SUITE_P(Options, TreeModelTest, testing::ValuesIn(kOptionSets),
                         [](const auto& parameters) {
                           return std::string(parameters.param.name);
                         });

// --- The process that is killed. -------------------------------------------

// Where the child finds its end of the pipe.
constexpr int kPipeInChild = 100;
constexpr const char* kBatchKey = "~batch";  // Behind all keys of the stream.
constexpr uint64_t kKeysOfKilled = 1500;
constexpr uint64_t kValueBytesOfKilled = 150;

// Ends the process; only a kill is a good end.
[[noreturn]] void FailChild(const std::string& what) {
  std::fprintf(stderr, "child: %s\n", what.c_str());
  ::_exit(1);
}

void CheckInChild(const Status& status) {
  if (!status.ok()) FailChild(status.ToString());
}

Options OptionsOfKilled(uint64_t set) {
  Options options = SmallTree();
  kOptionSets[set % std::size(kOptionSets)].change(&options);
  return options;
}

// What the stream has made of the families after so many batches.
class KilledModel {
 public:
  explicit KilledModel(uint64_t seed)
      : stream_(seed, kKeysOfKilled, kValueBytesOfKilled) {
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
  [[nodiscard]] uint64_t number() const { return number_; }
  [[nodiscard]] const Model& model() const { return model_; }

 private:
  const OperationStream stream_;
  uint64_t number_ = 0;
  Model model_;
};

// The number of the last batch that is there; 0 before the first one.
uint64_t LastBatch(const TestDatabase& database) {
  std::string value;
  const Status status = database->Get({}, kBatchKey, &value);
  if (status.IsNotFound()) return 0;
  CheckInChild(status);
  return std::stoull(value);
}

void WriteNextBatch(const TestDatabase& database, KilledModel* model) {
  WriteBatch batch;
  for (const ModelOperation& operation : model->Next()) {
    CheckInChild(
        AddToBatch(operation, database.Family(operation.family), &batch));
  }
  CheckInChild(database->Write({}, &batch));
}

// Arguments: directory, seed of the stream, set of options, seed of this run.
int RunChild(const std::vector<std::string>& arguments) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (arguments.size() != 4) FailChild("wrong arguments");
  TestRandom random(std::stoull(arguments[3]));
  KilledModel model(std::stoull(arguments[1]));
  TestDatabase database;
  CheckInChild(database.Open(OptionsOfKilled(std::stoull(arguments[2])),
                             arguments[0], kMoreFamilies));
  model.AdvanceTo(LastBatch(database));
  const Snapshot* snapshot = nullptr;
  while (true) {
    WriteNextBatch(database, &model);
    const uint64_t done = model.number();
    if (::write(kPipeInChild, &done, sizeof(done)) != sizeof(done)) {
      FailChild("the pipe is closed");
    }
    if (random.OneIn(100)) {
      if (snapshot != nullptr) database->ReleaseSnapshot(snapshot);
      snapshot = random.OneIn(2) ? database->GetSnapshot() : nullptr;
    }
    ColumnFamilyHandle* family =
        database.Family(kMoreFamilies[random.Below(kMoreFamilies.size())]);
    if (random.OneIn(60)) {
      CheckInChild(database->Flush({.wait = random.OneIn(2)}, family));
    }
    if (random.OneIn(200)) {
      CheckInChild(database->CompactRange({}, family, nullptr, nullptr));
    }
  }
}

// --- The process that kills. -----------------------------------------------

class TreeKillTest : public testing::Test {
 protected:
  // Runs a child until it has acknowledged so many batches, and returns the
  // last one it has acknowledged.
  uint64_t RunAndKill(const std::string& directory, uint64_t seed, uint64_t set,
                      uint64_t batches) {
    int ends[2];
    EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    const pid_t child =
        Start({"tree_model_test", "--child", directory, std::to_string(seed),
               std::to_string(set), std::to_string(random_.Next())},
              ends[1]);
    ::close(ends[1]);
    EXPECT_GT(child, 0);
    uint64_t last = 0;
    ReadAcknowledgements(ends[0], batches, &last);
    ::kill(child, SIGKILL);
    int state = 0;
    EXPECT_EQ(::waitpid(child, &state, 0), child);
    EXPECT_TRUE(WIFSIGNALED(state) && WTERMSIG(state) == SIGKILL)
        << "the child ended by itself: " << state;
    ReadAcknowledgements(ends[0], UINT64_MAX, &last);
    ::close(ends[0]);
    return last;
  }

  TestRandom random_{TestSeed()};

 private:
  static pid_t Start(std::vector<std::string> arguments, int pipe) {
    return StartWithPipe("/proc/self/exe", arguments, pipe, kPipeInChild);
  }

  static void ReadAcknowledgements(int pipe, uint64_t count, uint64_t* last) {
    for (; count > 0; --count) {
      uint64_t done = 0;
      if (::read(pipe, &done, sizeof(done)) != sizeof(done)) return;
      *last = done;
    }
  }
};

TEST_F(TreeKillTest, AKilledDatabaseHasExactlyThePrefixOfItsBatches) {
  constexpr uint64_t kKillsPerDirectory = 6;
  const RunLimit limit(60, 10);
  std::unique_ptr<TestDirectory> directory;
  std::unique_ptr<KilledModel> expected;
  uint64_t seed = 0;
  uint64_t number = 0;
  for (; !limit.IsReached(number); ++number) {
    SCOPED_TRACE("PACELINE_SEED=" + std::to_string(TestSeed()) + ", kill " +
                 std::to_string(number));
    if (number % kKillsPerDirectory == 0) {
      directory = std::make_unique<TestDirectory>(TestStorage::kMemory);
      seed = random_.Next();
      expected = std::make_unique<KilledModel>(seed);
    }
    const uint64_t set = random_.Next();
    const uint64_t acknowledged = std::max(
        expected->number(),
        RunAndKill(directory->path(), seed, set, 1 + random_.Below(1500)));
    ASSERT_FALSE(HasFailure());
    TestDatabase database;
    ASSERT_THAT(database.Open(OptionsOfKilled(random_.Next()),
                              directory->path(), kMoreFamilies),
                IsOk());
    const uint64_t found = LastBatch(database);
    ASSERT_GE(found, acknowledged) << "acknowledged batches are lost";
    ASSERT_LE(found, acknowledged + 1);
    expected->AdvanceTo(found);
    EXPECT_EQ(Difference(ContentsOf(expected->model()), database.ReadAll()),
              "");
    EXPECT_THAT(database->VerifyChecksum(), IsOk());
    ASSERT_FALSE(HasFailure());
  }
  ReportCoverage(number, "kills");
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
