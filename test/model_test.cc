// Random operations on a DB and on a Model of it, which must agree: every kind
// of write and read, over several column families, snapshots and reopens.
//
// PACELINE_SEED repeats a run.

#include "test/support/model.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "paceline/db.h"
#include "paceline/utilities/options_util.h"

#include "gtest/gtest.h"
#include "test/support/effort.h"
#include "test/support/model_cursor.h"
#include "test/support/seed.h"
#include "test/support/test_database.h"
#include "test/support/test_directory.h"

namespace paceline {
namespace {

constexpr size_t kFamiliesMax = 5;
constexpr size_t kSnapshotsMax = 6;
constexpr size_t kHeldIteratorsMax = 3;

// One database, from its creation on, and its Model.
class ModelRun {
 public:
  ModelRun(const Options& options, uint64_t seed)
      : options_(options),
        random_(seed),
        key_count_(20 + random_.Below(600)),
        value_bytes_max_(1 + random_.Below(random_.OneIn(4) ? 3000 : 100)),
        model_(options.comparator) {
    EXPECT_THAT(database_.Open(options_, directory_.path()), IsOk());
  }
  ~ModelRun() { ReleaseAll(); }

  // Does one random operation.
  void Step() {
    const uint64_t choice = random_.Below(10'000);
    if (choice < 3'500) return WriteOne();
    if (choice < 5'000) return WriteOneBatch();
    if (choice < 8'000) return ReadOne();
    if (choice < 8'600) return ReadSeveral();
    if (choice < 9'300) return WalkIterator();
    if (choice < 9'600) return MakeOrReleaseSnapshot();
    if (choice < 9'850) return HoldOrCheckIterator();
    if (choice < 9'930) return SyncOrLock();
    if (choice < 9'970) return CreateOrDropFamily();
    if (choice < 9'998) return CheckAll();
    return Reopen();
  }

  void CheckAll() {
    EXPECT_EQ(Difference(ContentsOf(model_), database_.ReadAll()), "");
    for (const auto& [snapshot, state] : snapshots_) {
      EXPECT_EQ(Difference(ContentsOf(state), database_.ReadAll(snapshot)), "");
    }
  }

  void Reopen() {
    ReleaseAll();
    const SequenceNumber sequence = database_->GetLatestSequenceNumber();
    ASSERT_THAT(database_.Close(), IsOk());
    CheckOptionsFile();
    if (random_.OneIn(3)) CheckReadOnly();
    options_.allow_concurrent_memtable_write = random_.OneIn(2);
    ASSERT_THAT(database_.Open(options_, directory_.path()), IsOk());
    EXPECT_GE(database_->GetLatestSequenceNumber(), sequence);
    CheckAll();
  }

 private:
  struct HeldIterator {
    std::unique_ptr<Iterator> iterator;
    std::unique_ptr<ModelEntries> entries;  // What it must find.
  };

  std::string RandomFamily() {
    const auto& families = model_.families();
    return std::next(families.begin(), random_.Below(families.size()))->first;
  }

  // Keys that begin with 's' are only ever put when they do not exist, and
  // removed by SingleDelete or DeleteRange.
  std::string RandomKey() {
    const uint64_t number = random_.Below(key_count_);
    if (number == 0) return "";
    std::string key = (number % 5 == 0 ? "s" : "k") + std::to_string(number);
    if (number % 7 == 0) key += std::string("\0\xff", 2);
    return key;
  }

  std::string RandomValue() {
    return random_.Letters(random_.Below(value_bytes_max_));
  }

  WriteOptions RandomWriteOptions() {
    return {.sync = random_.OneIn(200), .no_slowdown = false};
  }

  ModelOperation RandomRange(const std::string& family) {
    std::string begin = RandomKey();
    std::string end = random_.OneIn(10) ? RandomKey() : begin + "5";
    const bool is_reversed = model_.comparator() != BytewiseComparator();
    if (is_reversed && !random_.OneIn(10)) std::swap(begin, end);
    return {ModelOperation::Kind::kDeleteRange, family, begin, end};
  }

  ModelOperation RandomOperation() {
    using Kind = ModelOperation::Kind;
    const std::string family = RandomFamily();
    if (random_.OneIn(30)) return RandomRange(family);
    const std::string key = RandomKey();
    if (key.starts_with("s")) {
      const bool exists = model_.Entries(family).contains(key);
      return exists ? ModelOperation{Kind::kSingleDelete, family, key, ""}
                    : ModelOperation{Kind::kPut, family, key, RandomValue()};
    }
    const uint64_t choice = random_.Below(10);
    if (choice < 2) return {Kind::kDelete, family, key, ""};
    if (choice < 4) return {Kind::kMerge, family, key, random_.Letters(3)};
    return {Kind::kPut, family, key, RandomValue()};
  }

  void WriteOne() {
    const ModelOperation operation = RandomOperation();
    const SequenceNumber before = database_->GetLatestSequenceNumber();
    ASSERT_THAT(
        DoOperation(operation, RandomWriteOptions(),
                    database_.Family(operation.family), database_.get()),
        IsOk());
    model_.Apply(operation);
    ASSERT_EQ(database_->GetLatestSequenceNumber(), before + 1);
  }

  // A batch with nested save points, some of which are rolled back.
  void WriteOneBatch() {
    WriteBatch batch;
    std::vector<ModelOperation> operations;
    std::vector<size_t> save_points;
    std::set<std::string> single_keys;
    for (uint64_t left = random_.Below(12); left > 0; --left) {
      if (random_.OneIn(8)) {
        ChangeSavePoints(&batch, &operations, &save_points);
        continue;
      }
      ModelOperation operation = RandomOperation();
      // What a batch finds of these keys is only known at their first use.
      if (operation.key.starts_with("s") &&
          !single_keys.insert(operation.family + " " + operation.key).second) {
        continue;
      }
      if (operation.kind == ModelOperation::Kind::kDeleteRange) left = 1;
      ASSERT_THAT(
          AddToBatch(operation, database_.Family(operation.family), &batch),
          IsOk());
      operations.push_back(std::move(operation));
    }
    ASSERT_EQ(batch.Count(), operations.size());
    const SequenceNumber before = database_->GetLatestSequenceNumber();
    ASSERT_THAT(database_->Write(RandomWriteOptions(), &batch), IsOk());
    model_.Apply(operations);
    ASSERT_EQ(database_->GetLatestSequenceNumber(), before + operations.size());
  }

  void ChangeSavePoints(WriteBatch* batch,
                        std::vector<ModelOperation>* operations,
                        std::vector<size_t>* save_points) {
    const uint64_t choice = random_.Below(4);
    if (choice == 0) {
      ASSERT_THAT(batch->PutLogData(RandomValue()), IsOk());
    } else if (choice == 1 || save_points->empty()) {
      batch->SetSavePoint();
      save_points->push_back(operations->size());
    } else if (choice == 2) {
      ASSERT_THAT(batch->RollbackToSavePoint(), IsOk());
      operations->resize(save_points->back());
      save_points->pop_back();
    } else {
      ASSERT_THAT(batch->PopSavePoint(), IsOk());
      save_points->pop_back();
    }
  }

  // The present (null), or one of the snapshots.
  std::pair<const Snapshot*, const Model*> RandomView() {
    if (snapshots_.empty() || random_.OneIn(2)) return {nullptr, &model_};
    const auto& view = snapshots_[random_.Below(snapshots_.size())];
    return {view.first, &view.second};
  }

  static void ExpectSameValue(const ModelEntries& entries,
                              const std::string& key, const Status& status,
                              const std::string& value) {
    const auto entry = entries.find(key);
    if (entry == entries.end()) {
      ASSERT_THAT(status, HasCode(Status::kNotFound)) << key;
    } else {
      ASSERT_THAT(status, IsOk()) << key;
      ASSERT_EQ(value, entry->second) << key;
    }
  }

  void ReadOne() {
    const auto [snapshot, state] = RandomView();
    const std::string family = RandomFamily();
    const std::string key = RandomKey();
    PinnableSlice value;
    const Status status = database_->Get({.snapshot = snapshot},
                                         database_.Family(family), key, &value);
    ExpectSameValue(state->Entries(family), key, status, value.ToString());
  }

  void ReadSeveral() {
    const auto [snapshot, state] = RandomView();
    std::vector<std::string> families(random_.Below(10));
    std::vector<std::string> keys;
    std::vector<ColumnFamilyHandle*> handles;
    for (std::string& family : families) {
      family = RandomFamily();
      handles.push_back(database_.Family(family));
      keys.push_back(RandomKey());
    }
    std::vector<std::string> values;
    const std::vector<Status> statuses = database_->MultiGet(
        {.snapshot = snapshot}, handles,
        std::vector<Slice>(keys.begin(), keys.end()), &values);
    ASSERT_EQ(statuses.size(), keys.size());
    ASSERT_EQ(values.size(), keys.size());
    for (size_t i = 0; i < keys.size(); ++i) {
      ExpectSameValue(state->Entries(families[i]), keys[i], statuses[i],
                      values[i]);
    }
  }

  void WalkIterator() {
    const auto [snapshot, state] = RandomView();
    const std::string family = RandomFamily();
    std::optional<std::string> lower;
    std::optional<std::string> upper;
    if (random_.OneIn(3)) lower = RandomKey();
    if (random_.OneIn(3)) upper = RandomKey();
    const Slice lower_slice = lower ? Slice(*lower) : Slice();
    const Slice upper_slice = upper ? Slice(*upper) : Slice();
    const std::unique_ptr<Iterator> iterator(database_->NewIterator(
        {.snapshot = snapshot,
         .iterate_lower_bound = lower ? &lower_slice : nullptr,
         .iterate_upper_bound = upper ? &upper_slice : nullptr},
        database_.Family(family)));
    ModelCursor cursor(state->Entries(family), lower, upper);
    for (uint64_t left = random_.Below(15); left > 0; --left) {
      MoveBoth(iterator.get(), &cursor);
      cursor.ExpectSame(*iterator);
      if (testing::Test::HasFatalFailure()) return;
    }
  }

  void MoveBoth(Iterator* iterator, ModelCursor* cursor) {
    const std::string target = RandomKey();
    const uint64_t choice = random_.Below(cursor->Valid() ? 12 : 4);
    if (choice == 0) {
      iterator->SeekToFirst();
      cursor->SeekToFirst();
    } else if (choice == 1) {
      iterator->SeekToLast();
      cursor->SeekToLast();
    } else if (choice == 2) {
      iterator->Seek(target);
      cursor->Seek(target);
    } else if (choice == 3) {
      iterator->SeekForPrev(target);
      cursor->SeekForPrev(target);
    } else if (choice < 8) {
      iterator->Next();
      cursor->Next();
    } else {
      iterator->Prev();
      cursor->Prev();
    }
  }

  void MakeOrReleaseSnapshot() {
    if (snapshots_.size() < kSnapshotsMax && random_.OneIn(2)) {
      snapshots_.emplace_back(database_->GetSnapshot(), model_);
    } else if (!snapshots_.empty()) {
      const auto chosen = snapshots_.begin() + random_.Below(snapshots_.size());
      database_->ReleaseSnapshot(chosen->first);
      snapshots_.erase(chosen);
    }
  }

  // Iterators must not notice what is written after they were made, nor that
  // their column family was dropped.
  void HoldOrCheckIterator() {
    if (held_iterators_.size() < kHeldIteratorsMax) {
      const std::string family = RandomFamily();
      held_iterators_.push_back(
          {std::unique_ptr<Iterator>(
               database_->NewIterator({}, database_.Family(family))),
           std::make_unique<ModelEntries>(model_.Entries(family))});
      return;
    }
    const HeldIterator& held = held_iterators_.front();
    ModelCursor cursor(*held.entries);
    held.iterator->SeekToLast();
    cursor.SeekToLast();
    while (cursor.Valid() && !testing::Test::HasFatalFailure()) {
      cursor.ExpectSame(*held.iterator);
      held.iterator->Prev();
      cursor.Prev();
    }
    cursor.ExpectSame(*held.iterator);
    held_iterators_.erase(held_iterators_.begin());
  }

  void SyncOrLock() {
    const uint64_t choice = random_.Below(4);
    if (choice == 0) {
      ASSERT_THAT(database_->SyncWAL(), IsOk());
    } else if (choice == 1) {
      ASSERT_THAT(database_->LockWAL(), IsOk());
      ASSERT_THAT(database_->UnlockWAL(), IsOk());
    } else {
      ASSERT_THAT(database_->FlushWAL(choice == 2), IsOk());
    }
  }

  // Names are used again, which must not bring back old entries.
  void CreateOrDropFamily() {
    const std::string name =
        "family" + std::to_string(random_.Below(kFamiliesMax));
    if (model_.HasFamily(name)) {
      ASSERT_THAT(database_.DropFamily(name), IsOk());
      model_.DropFamily(name);
      for (auto& [snapshot, state] : snapshots_) state.DropFamily(name);
    } else {
      ASSERT_THAT(database_.CreateFamily(name), IsOk());
      model_.CreateFamily(name);
      // To older snapshots it is an empty one.
      for (auto& [snapshot, state] : snapshots_) state.CreateFamily(name);
    }
  }

  void CheckOptionsFile() {
    DBOptions db_options;
    std::vector<ColumnFamilyDescriptor> families;
    ASSERT_THAT(LoadLatestOptions(directory_.path(), FileSystem::Default(),
                                  &db_options, &families),
                IsOk());
    EXPECT_EQ(db_options.allow_concurrent_memtable_write,
              options_.allow_concurrent_memtable_write);
    std::vector<std::string> names;
    for (const ColumnFamilyDescriptor& family : families) {
      names.push_back(family.name);
      EXPECT_EQ(family.options.write_buffer_size, options_.write_buffer_size);
      EXPECT_EQ(family.options.comparator, options_.comparator);
      EXPECT_NE(family.options.merge_operator, nullptr);
    }
    std::sort(names.begin(), names.end());
    std::vector<std::string> expected;
    for (const auto& [name, entries] : model_.families()) {
      expected.push_back(name);
    }
    EXPECT_EQ(names, expected);
  }

  void CheckReadOnly() {
    TestDatabase reader;
    ASSERT_THAT(reader.OpenForReadOnly(options_, directory_.path()), IsOk());
    EXPECT_EQ(Difference(ContentsOf(model_), reader.ReadAll()), "");
  }

  void ReleaseAll() {
    held_iterators_.clear();
    for (const auto& [snapshot, state] : snapshots_) {
      database_->ReleaseSnapshot(snapshot);
    }
    snapshots_.clear();
  }

  Options options_;
  TestRandom random_;
  const uint64_t key_count_;
  const uint64_t value_bytes_max_;
  TestDirectory directory_{TestStorage::kMemory};
  TestDatabase database_;
  Model model_;
  std::vector<std::pair<const Snapshot*, Model>> snapshots_;
  std::vector<HeldIterator> held_iterators_;  // Oldest first.
};

// Parameters: allow_mmap_writes, and whether the order is reversed.
class ModelTest : public testing::TestWithParam<std::tuple<bool, bool>> {};

TEST_P(ModelTest, RandomOperationsAgreeWithTheModel) {
  const auto [allow_mmap, is_reversed] = GetParam();
  Options options;
  options.create_if_missing = true;
  options.allow_mmap_writes = allow_mmap;
  options.comparator =
      is_reversed ? ReverseBytewiseComparator() : BytewiseComparator();
  options.merge_operator = NewStringAppendOperator();
  options.write_buffer_size = size_t{64} << 10;

  const RunLimit limit(250'000, 15'000);
  uint64_t done = 0;
  TestRandom random(TestSeed() + (allow_mmap ? 1 : 0) + (is_reversed ? 2 : 0));
  while (!limit.IsReached(done)) {
    const uint64_t seed = random.Next();
    const uint64_t steps = 1'000 + random.Below(20'000);
    SCOPED_TRACE("PACELINE_SEED=" + std::to_string(TestSeed()) +
                 ", seed of this database: " + std::to_string(seed));
    ModelRun run(options, seed);
    for (uint64_t step = 0; step < steps; ++step) {
      run.Step();
      ASSERT_FALSE(HasFailure()) << "in operation " << step;
    }
    run.Reopen();
    ASSERT_FALSE(HasFailure()) << "in the last reopen";
    done += steps;
  }
  ReportCoverage(done, "operations");
}

INSTANTIATE_TEST_SUITE_P(
    AllowMmapAndOrder, ModelTest,
    testing::Combine(testing::Bool(), testing::Bool()),
    [](const auto& parameters) {
      return std::string(std::get<0>(parameters.param) ? "mmap" : "pwrite") +
             (std::get<1>(parameters.param) ? "_reverse" : "_bytewise");
    });

}  // namespace
}  // namespace paceline
