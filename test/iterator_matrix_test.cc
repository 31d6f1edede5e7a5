// Iterators against a model: every move from every position, wherever in the
// tree the entries are, at every point in time, with every kind of bounds; and
// what iterators do when files cannot be read.
//
// PACELINE_SEED repeats the choices.

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "paceline/db.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "test/support/fault_file_system.h"
#include "test/support/model.h"
#include "test/support/model_cursor.h"
#include "test/support/no_logger.h"
#include "test/support/seed.h"
#include "test/support/test_database.h"
#include "test/support/test_directory.h"

namespace paceline {
namespace {

using Kind = ModelOperation::Kind;

constexpr size_t kPhases = 4;
constexpr uint64_t kKeys = 40;

std::string Key(uint64_t number) {
  return "key" + std::to_string(100 + number);
}

Options SmallFiles() {
  Options options;
  options.create_if_missing = true;
  options.info_log = std::make_shared<NoLogger>();
  options.merge_operator = NewStringAppendOperator();
  options.disable_auto_compactions = true;
  options.max_write_buffer_number = 8;
  options.target_file_size_base = 4096;
  options.compression = kNoCompression;
  BlockBasedTableOptions table;
  table.block_size = 256;
  table.block_restart_interval = 3;
  options.table_factory.reset(NewBlockBasedTableFactory(table));
  return options;
}

// Into files of the target size: what was only moved is rewritten.
void CompactAll(TestDatabase* database) {
  ASSERT_THAT((*database)->CompactRange({.bottommost_level_compaction =
                                             BottommostLevelCompaction::kForce},
                                        nullptr, nullptr),
              IsOk());
}

// --- The matrix. -----------------------------------------------------------

// Where the entries of a phase of the history are when they are read.
enum class Place { kMutable, kSealed, kLevel0, kDeep };

struct Layout {
  const char* name;
  std::array<Place, kPhases> places;
};

const Layout kLayouts[] = {
    {"one_memtable",
     {Place::kMutable, Place::kMutable, Place::kMutable, Place::kMutable}},
    {"sealed_memtables",
     {Place::kSealed, Place::kSealed, Place::kSealed, Place::kSealed}},
    {"level_0",
     {Place::kLevel0, Place::kLevel0, Place::kLevel0, Place::kLevel0}},
    {"deepest_level", {Place::kDeep, Place::kDeep, Place::kDeep, Place::kDeep}},
    {"both_levels",
     {Place::kDeep, Place::kLevel0, Place::kLevel0, Place::kLevel0}},
    {"everywhere",
     {Place::kDeep, Place::kLevel0, Place::kSealed, Place::kMutable}},
};

struct MatrixCase {
  const Layout* layout;
  const Comparator* comparator;
};

class IteratorMatrixTest : public testing::TestWithParam<MatrixCase> {
 protected:
  IteratorMatrixTest() : model_(GetParam().comparator) {
    options_.file_system = &files_;
    options_.comparator = GetParam().comparator;
    EXPECT_THAT(database_.Open(options_, directory_.path()), IsOk());
  }
  ~IteratorMatrixTest() override {
    for (const Point& point : points_) {
      if (point.snapshot != nullptr) {
        database_->ReleaseSnapshot(point.snapshot);
      }
    }
    files_.Release();
  }

  // The whole history, with a snapshot behind each phase but the last.
  void WriteHistory() {
    for (size_t phase = 0; phase < kPhases; ++phase) {
      for (int i = 0; i < 70; ++i) {
        const ModelOperation operation = NextOperation();
        ASSERT_THAT(DoOperation(operation, {}, nullptr, database_.get()),
                    IsOk());
        model_.Apply(operation);
      }
      const bool is_last = phase + 1 == kPhases;
      points_.push_back({is_last ? nullptr : database_->GetSnapshot(), model_});
      ASSERT_NO_FATAL_FAILURE(MoveTo(GetParam().layout->places[phase]));
    }
  }

  ModelOperation NextOperation() {
    const std::string key = Key(random_.Below(kKeys));
    const std::string value = random_.Letters(random_.Below(300));
    switch (random_.Below(14)) {
      case 0:
      case 1:
        return {Kind::kDelete, "default", key, ""};
      case 2:
      case 3:
      case 4:
        return {Kind::kMerge, "default", key, value};
      case 5:
        return RangeFrom(random_.Below(kKeys));
      case 6: {
        // A key that is put once and once deleted.
        if (once_.empty() || random_.OneIn(2)) {
          once_.push_back(key + "once" + std::to_string(++last_once_));
          return {Kind::kPut, "default", once_.back(), value};
        }
        const std::string put_once = once_.back();
        once_.pop_back();
        return {Kind::kSingleDelete, "default", put_once, ""};
      }
      default:
        return {Kind::kPut, "default", key, value};
    }
  }

  // A few keys, in the order of the database. (Those that are put once must
  // not be in it, as SingleDelete has it.)
  ModelOperation RangeFrom(uint64_t first) {
    std::string begin = Key(first);
    std::string end = Key(std::min(kKeys, first + 1 + random_.Below(5)));
    const auto is_inside = [&](const std::string& key) {
      return begin <= key && key < end;
    };
    std::erase_if(once_, is_inside);
    if (GetParam().comparator != BytewiseComparator()) std::swap(begin, end);
    return {Kind::kDeleteRange, "default", begin, end};
  }

  void MoveTo(Place place) {
    switch (place) {
      case Place::kMutable:
        break;
      case Place::kSealed:
        // The flush waits for Release().
        if (sealed_++ == 0) files_.Hold("NewWritableFile", ".sst");
        ASSERT_THAT(database_->Flush({.wait = false}), IsOk());
        break;
      case Place::kLevel0:
        ++level0_;
        ASSERT_THAT(database_->Flush({}), IsOk());
        break;
      case Place::kDeep:
        ASSERT_NO_FATAL_FAILURE(CompactAll(&database_));
        break;
    }
  }

  uint64_t Property(const std::string& name) {
    std::string text;
    EXPECT_TRUE(database_->GetProperty("rocksdb." + name, &text)) << name;
    return std::stoull(text);
  }

  // The entries are really where the layout has them.
  void CheckLayout() {
    EXPECT_EQ(Property("num-immutable-mem-table"), sealed_);
    EXPECT_EQ(Property("num-files-at-level0"), level0_);
    const bool has_deep = GetParam().layout->places[0] == Place::kDeep;
    EXPECT_EQ(Property("num-files-at-level6") > 0, has_deep);
  }

  struct Point {
    const Snapshot* snapshot;  // Null: now.
    Model model;
  };
  struct Bounds {
    std::optional<std::string> lower;
    std::optional<std::string> upper;
  };

  // On keys, between keys, outside, and the wrong way round.
  std::vector<Bounds> SomeBounds() {
    const auto any = [this] {
      return Key(random_.Below(kKeys + 1)) + (random_.OneIn(2) ? "5" : "");
    };
    return {
        {},         {any(), {}}, {{}, any()}, {any(), any()}, {any(), any()},
        {"a", "z"}, {"z", "a"}};
  }

  // Every way to read must give the same.
  ReadOptions NextReadOptions() {
    const uint64_t choice = ++last_choice_;
    return {.verify_checksums = choice % 2 == 0,
            .fill_cache = choice % 3 == 0,
            .readahead_size = choice % 5 == 0 ? size_t{64} << 10 : 0};
  }

  void CheckAt(const Point& point, const Bounds& bounds) {
    ReadOptions options = NextReadOptions();
    options.snapshot = point.snapshot;
    Slice lower;
    Slice upper;
    if (bounds.lower) {
      lower = *bounds.lower;
      options.iterate_lower_bound = &lower;
    }
    if (bounds.upper) {
      upper = *bounds.upper;
      options.iterate_upper_bound = &upper;
    }
    const std::unique_ptr<Iterator> iterator(database_->NewIterator(options));
    ModelCursor cursor(point.model.Entries("default"), bounds.lower,
                       bounds.upper);
    ASSERT_NO_FATAL_FAILURE(WalkThrough(iterator.get(), &cursor));
    for (uint64_t number = 0; number <= kKeys; ++number) {
      ASSERT_NO_FATAL_FAILURE(
          TurnAroundAt(Key(number), iterator.get(), &cursor));
      if (!random_.OneIn(3)) continue;
      ASSERT_NO_FATAL_FAILURE(
          TurnAroundAt(Key(number) + "5", iterator.get(), &cursor));
    }
    ASSERT_NO_FATAL_FAILURE(WalkAtRandom(iterator.get(), &cursor));
  }

  static void WalkThrough(Iterator* iterator, ModelCursor* cursor) {
    iterator->SeekToFirst();
    cursor->SeekToFirst();
    for (; cursor->Valid(); iterator->Next(), cursor->Next()) {
      ASSERT_NO_FATAL_FAILURE(cursor->ExpectSame(*iterator));
    }
    ASSERT_NO_FATAL_FAILURE(cursor->ExpectSame(*iterator));
    iterator->SeekToLast();
    cursor->SeekToLast();
    for (; cursor->Valid(); iterator->Prev(), cursor->Prev()) {
      ASSERT_NO_FATAL_FAILURE(cursor->ExpectSame(*iterator));
    }
    ASSERT_NO_FATAL_FAILURE(cursor->ExpectSame(*iterator));
  }

  // One step there and back, then two, as far as there are entries.
  static void TurnAroundAt(const std::string& target, Iterator* iterator,
                           ModelCursor* cursor) {
    for (const bool seeks_forward : {true, false}) {
      for (const char* moves : {"npnnpp", "pnppnn"}) {
        if (seeks_forward) {
          iterator->Seek(target);
          cursor->Seek(target);
        } else {
          iterator->SeekForPrev(target);
          cursor->SeekForPrev(target);
        }
        ASSERT_NO_FATAL_FAILURE(cursor->ExpectSame(*iterator)) << target;
        for (const char* move = moves; *move != '\0' && cursor->Valid();
             ++move) {
          if (*move == 'n') {
            iterator->Next();
            cursor->Next();
          } else {
            iterator->Prev();
            cursor->Prev();
          }
          ASSERT_NO_FATAL_FAILURE(cursor->ExpectSame(*iterator))
              << target << " " << moves;
        }
      }
    }
  }

  void WalkAtRandom(Iterator* iterator, ModelCursor* cursor) {
    iterator->SeekToFirst();
    cursor->SeekToFirst();
    for (int i = 0; i < 100; ++i) {
      if (!cursor->Valid() || random_.OneIn(8)) {
        const std::string target = Key(random_.Below(kKeys));
        iterator->Seek(target);
        cursor->Seek(target);
      } else if (random_.OneIn(2)) {
        iterator->Next();
        cursor->Next();
      } else {
        iterator->Prev();
        cursor->Prev();
      }
      ASSERT_NO_FATAL_FAILURE(cursor->ExpectSame(*iterator)) << "move " << i;
    }
  }

  // Get() and MultiGet() find what iterators find.
  void CheckKeysAt(const Point& point) {
    const ModelEntries& entries = point.model.Entries("default");
    std::vector<std::string> keys;
    for (uint64_t number = 0; number < kKeys; ++number) {
      keys.push_back(Key(number));
      keys.push_back(Key(number) + "5");
    }
    ReadOptions options = NextReadOptions();
    options.snapshot = point.snapshot;
    std::vector<std::string> values;
    const std::vector<Status> statuses = database_->MultiGet(
        options, std::vector<Slice>(keys.begin(), keys.end()), &values);
    for (size_t i = 0; i < keys.size(); ++i) {
      std::string value;
      const Status status = database_->Get(options, keys[i], &value);
      const auto expected = entries.find(keys[i]);
      ASSERT_EQ(status.ok(), expected != entries.end()) << keys[i];
      ASSERT_EQ(statuses[i].code(), status.code()) << keys[i];
      if (!status.ok()) continue;
      ASSERT_EQ(value, expected->second) << keys[i];
      ASSERT_EQ(values[i], expected->second) << keys[i];
    }
  }

  TestRandom random_{TestSeed()};
  TestDirectory directory_{TestStorage::kMemory};
  FaultFileSystem files_;
  Options options_ = SmallFiles();
  TestDatabase database_;
  Model model_;
  std::vector<Point> points_;
  std::vector<std::string> once_;
  uint64_t last_once_ = 0;
  uint64_t last_choice_ = 0;
  uint64_t sealed_ = 0;
  uint64_t level0_ = 0;
};

TEST_P(IteratorMatrixTest, EveryMoveIsThatOfTheModel) {
  ASSERT_NO_FATAL_FAILURE(WriteHistory());
  CheckLayout();
  for (size_t i = 0; i < points_.size(); ++i) {
    for (const Bounds& bounds : SomeBounds()) {
      SCOPED_TRACE("point " + std::to_string(i) + ", bounds " +
                   bounds.lower.value_or("-") + " " +
                   bounds.upper.value_or("-"));
      ASSERT_NO_FATAL_FAILURE(CheckAt(points_[i], bounds));
    }
    ASSERT_NO_FATAL_FAILURE(CheckKeysAt(points_[i])) << "point " << i;
  }
}

// Half-way through, everything that an iterator reads is replaced.
TEST_P(IteratorMatrixTest, AnIteratorDoesNotSeeTheTreeChange) {
  ASSERT_NO_FATAL_FAILURE(WriteHistory());
  const Model before = model_;
  const std::unique_ptr<Iterator> iterator(
      database_->NewIterator(NextReadOptions()));
  ModelCursor cursor(before.Entries("default"));
  iterator->Seek(Key(kKeys / 2));
  cursor.Seek(Key(kKeys / 2));
  cursor.ExpectSame(*iterator);
  files_.Release();
  for (uint64_t number = 0; number < kKeys; ++number) {
    ASSERT_THAT(database_->Put({}, Key(number), "new"), IsOk());
  }
  ASSERT_THAT(database_->CompactRange({.bottommost_level_compaction =
                                           BottommostLevelCompaction::kForce},
                                      nullptr, nullptr),
              IsOk());
  ASSERT_THAT(database_->WaitForCompact({}), IsOk());
  for (; cursor.Valid(); iterator->Next(), cursor.Next()) {
    ASSERT_NO_FATAL_FAILURE(cursor.ExpectSame(*iterator));
  }
  ASSERT_NO_FATAL_FAILURE(WalkThrough(iterator.get(), &cursor));
}

std::vector<MatrixCase> AllCases() {
  std::vector<MatrixCase> cases;
  for (const Layout& layout : kLayouts) {
    cases.push_back({&layout, BytewiseComparator()});
    cases.push_back({&layout, ReverseBytewiseComparator()});
  }
  return cases;
}

INSTANTIATE_TEST_SUITE_P(Layouts, IteratorMatrixTest,
                         testing::ValuesIn(AllCases()),
                         [](const auto& parameter) {
                           const bool is_reversed =
                               parameter.param.comparator !=
                               BytewiseComparator();
                           return parameter.param.layout->name +
                                  std::string(is_reversed ? "_reversed" : "");
                         });

// --- Files that cannot be read, and what reading costs. --------------------

class IteratorFileTest : public testing::Test {
 protected:
  // Entries in three files of the deepest level and two of level 0, without a
  // cache, so that every block is read.
  void Fill() {
    options_.file_system = &files_;
    BlockBasedTableOptions table;
    table.block_size = 256;
    table.no_block_cache = true;
    options_.table_factory.reset(NewBlockBasedTableFactory(table));
    FillAs();
  }
  void FillAs() {
    ASSERT_THAT(database_.Open(options_, directory_.path()), IsOk());
    Put(0, 1, std::string(500, 'a'));
    ASSERT_NO_FATAL_FAILURE(CompactAll(&database_));
    Put(0, 3, std::string(150, 'b'));
    ASSERT_THAT(database_->Flush({}), IsOk());
    for (uint64_t number = 0; number < kKeys; number += 4) {
      const ModelOperation merge = {Kind::kMerge, "default", Key(number), "c"};
      ASSERT_THAT(DoOperation(merge, {}, nullptr, database_.get()), IsOk());
      model_.Apply(merge);
    }
    ASSERT_THAT(database_->Flush({}), IsOk());
  }
  // Every step-th key.
  void Put(uint64_t first, uint64_t step, const std::string& value) {
    for (uint64_t number = first; number < kKeys; number += step) {
      ASSERT_THAT(database_->Put({}, Key(number), value), IsOk());
      model_.Apply({Kind::kPut, "default", Key(number), value});
    }
  }

  [[nodiscard]] const ModelEntries& entries() const {
    return model_.Entries("default");
  }

  // Walks until the end or an error, and checks what is shown on the way.
  // Returns how many entries that were.
  size_t Walk(Iterator* iterator, bool is_forward) {
    ModelCursor cursor(entries());
    size_t shown = 0;
    if (is_forward) {
      iterator->SeekToFirst();
      cursor.SeekToFirst();
    } else {
      iterator->SeekToLast();
      cursor.SeekToLast();
    }
    while (iterator->Valid()) {
      cursor.ExpectSame(*iterator);
      if (HasFatalFailure()) break;
      ++shown;
      if (is_forward) {
        iterator->Next();
        cursor.Next();
      } else {
        iterator->Prev();
        cursor.Prev();
      }
    }
    return shown;
  }

  TestDirectory directory_{TestStorage::kMemory};
  FaultFileSystem files_;
  Options options_ = SmallFiles();
  TestDatabase database_;
  Model model_;
};

// What is shown before a failure is right, nothing is left out without one, and
// the iterator is as good as new when the disk is.
TEST_F(IteratorFileTest, EveryFailedReadEndsAWalkWithAnError) {
  ASSERT_NO_FATAL_FAILURE(Fill());
  for (const bool is_forward : {true, false}) {
    const std::unique_ptr<Iterator> iterator(database_->NewIterator({}));
    uint64_t failed = 0;
    for (uint64_t read = 1;; ++read) {
      files_.Arm({.operation = read, .name = "Read", .path_end = ".sst"});
      const size_t shown = Walk(iterator.get(), is_forward);
      if (!files_.has_failed()) {
        EXPECT_THAT(iterator->status(), IsOk());
        EXPECT_EQ(shown, entries().size());
        break;
      }
      ++failed;
      ASSERT_LT(shown, entries().size()) << "read " << read;
      ASSERT_TRUE(iterator->status().IsIOError()) << "read " << read;
      ASSERT_THAT(iterator->status(), Mentions(files_.first_failure()));
      files_.Disarm();
      iterator->Seek(Key(5));
      ASSERT_TRUE(iterator->Valid()) << iterator->status().ToString();
      ASSERT_THAT(iterator->status(), IsOk());
    }
    EXPECT_GT(failed, 5u);
  }
}

TEST_F(IteratorFileTest, AFailedSeekIsAnErrorInBothDirections) {
  ASSERT_NO_FATAL_FAILURE(Fill());
  const std::unique_ptr<Iterator> iterator(database_->NewIterator({}));
  for (const bool is_forward : {true, false}) {
    files_.Arm(
        {.operation = 1, .name = "Read", .path_end = ".sst", .forever = true});
    const std::string key = Key(is_forward ? 7 : 30);
    is_forward ? iterator->Seek(key) : iterator->SeekForPrev(key);
    EXPECT_FALSE(iterator->Valid());
    EXPECT_TRUE(iterator->status().IsIOError());
    files_.Disarm();
    is_forward ? iterator->Seek(key) : iterator->SeekForPrev(key);
    ASSERT_TRUE(iterator->Valid());
    EXPECT_EQ(iterator->key().ToString(), key);
    EXPECT_THAT(iterator->status(), IsOk());
  }
}

// With few open tables they are opened when they are needed.
TEST_F(IteratorFileTest, ATableThatIsMissingIsAnErrorNotAHole) {
  options_.max_open_files = 10;
  ASSERT_NO_FATAL_FAILURE(Fill());
  const auto deep = database_->GetColumnFamilyMetaData().levels[6].files;
  ASSERT_GT(deep.size(), 1u);
  ASSERT_THAT(database_.Close(), IsOk());
  ASSERT_THAT(database_.Open(options_, directory_.path()), IsOk());
  // Others push it out of the open ones.
  for (int i = 0; i < 12; ++i) {
    ASSERT_THAT(database_->Put({}, "zz" + std::to_string(i), "v"), IsOk());
    ASSERT_THAT(database_->Flush({}), IsOk());
    std::string value;
    ASSERT_THAT(database_->Get({}, "zz" + std::to_string(i), &value), IsOk());
  }
  ASSERT_THAT(
      FileSystem::Default()->RemoveFile(directory_.path() + deep.back().name),
      IsOk());
  const std::unique_ptr<Iterator> iterator(database_->NewIterator({}));
  iterator->SeekToFirst();
  while (iterator->Valid()) iterator->Next();
  EXPECT_TRUE(iterator->status().IsPathNotFound());
  EXPECT_THAT(iterator->status(), Mentions(deep.back().name.substr(1)));
}

TEST_F(IteratorFileTest, DamageIsShownOnlyToThoseWhoDoNotVerify) {
  options_.file_system = &files_;
  ASSERT_THAT(database_.Open(options_, directory_.path()), IsOk());
  ASSERT_THAT(database_->Put({}, "k", "precious"), IsOk());
  ASSERT_THAT(database_->Flush({}), IsOk());
  const std::string path =
      directory_.path() +
      database_->GetColumnFamilyMetaData().levels[0].files[0].name;
  ASSERT_THAT(database_.Close(), IsOk());
  std::string bytes = ReadFileBytes(path);
  bytes[bytes.find("precious")] = 'P';
  WriteFileBytes(path, bytes);
  ASSERT_THAT(database_.Open(options_, directory_.path()), IsOk());
  const std::unique_ptr<Iterator> careless(
      database_->NewIterator({.verify_checksums = false}));
  careless->SeekToFirst();
  ASSERT_TRUE(careless->Valid());
  EXPECT_EQ(careless->value().ToString(), "Precious");
  const std::unique_ptr<Iterator> careful(database_->NewIterator({}));
  careful->SeekToFirst();
  EXPECT_FALSE(careful->Valid());
  EXPECT_TRUE(careful->status().IsCorruption());
  EXPECT_THAT(careful->status(), Mentions(path));
}

TEST_F(IteratorFileTest, AScanFillsTheCacheOnlyIfItMay) {
  ASSERT_NO_FATAL_FAILURE(FillAs());
  const auto usage = [this] {
    uint64_t bytes = 0;
    EXPECT_TRUE(database_->GetIntProperty("rocksdb.block-cache-usage", &bytes));
    return bytes;
  };
  const uint64_t before = usage();
  const auto scan = [this](bool fill_cache) {
    const std::unique_ptr<Iterator> iterator(
        database_->NewIterator({.fill_cache = fill_cache}));
    EXPECT_EQ(Walk(iterator.get(), true), entries().size());
  };
  scan(false);
  EXPECT_EQ(usage(), before);
  scan(true);
  const uint64_t filled = usage();
  EXPECT_GT(filled, before + 5000) << "about as much as there is";
  scan(true);
  EXPECT_EQ(usage(), filled);
}

TEST_F(IteratorFileTest, ReadaheadSavesReads) {
  ASSERT_NO_FATAL_FAILURE(Fill());
  const auto reads = [this](size_t readahead_size) {
    files_.Disarm();
    const std::unique_ptr<Iterator> iterator(
        database_->NewIterator({.readahead_size = readahead_size}));
    EXPECT_EQ(Walk(iterator.get(), true), entries().size());
    return files_.CountOf("Read", ".sst");
  };
  const uint64_t tables = database_->GetColumnFamilyMetaData().file_count;
  EXPECT_LE(reads(1 << 20), tables) << "one each is enough";
  // By itself it begins to read ahead after a few blocks.
  EXPECT_GT(reads(0), tables);
  EXPECT_GT(reads(300), reads(4000));
}

}  // namespace
}  // namespace paceline
