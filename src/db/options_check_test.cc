// Every number among the options, at, below and above both ends of its range.

#include "src/db/options_check.h"

#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "paceline/cache.h"
#include "paceline/options.h"
#include "paceline/table.h"

#include "gtest/gtest.h"

namespace paceline {
namespace {

Status Check(const Options& options) {
  Status s = CheckOptions(static_cast<const DBOptions&>(options));
  return s.ok() ? CheckOptions(static_cast<const ColumnFamilyOptions&>(options))
                : s;
}

// The table options that `options` is given come with `change`.
void SetTable(const std::function<void(BlockBasedTableOptions*)>& change,
              Options* options) {
  BlockBasedTableOptions table = options->table_factory->options();
  change(&table);
  options->table_factory.reset(NewBlockBasedTableFactory(table));
}

// An option that must be from `smallest` to `largest`.
struct Range {
  const char* name;
  uint64_t smallest;
  uint64_t largest;
  std::function<void(uint64_t, Options*)> set;
  // False if a negative value cannot be told from a large one.
  bool is_signed = false;
};

const std::vector<Range>& Ranges() {
  constexpr uint64_t kMax = std::numeric_limits<uint64_t>::max();
  constexpr uint64_t kLevel0Max = uint64_t{1} << 20;
  static const std::vector<Range> ranges = {
      {"max_background_jobs", 1, 64,
       [](uint64_t n, Options* o) {
         o->max_background_jobs = static_cast<int>(n);
       },
       true},
      {"max_manifest_file_size", 1 << 10, kMax,
       [](uint64_t n, Options* o) { o->max_manifest_file_size = n; }},
      {"max_write_batch_group_size_bytes", 1 << 10, 256 << 20,
       [](uint64_t n, Options* o) { o->max_write_batch_group_size_bytes = n; }},
      {"write_buffer_size", 64 << 10, uint64_t{64} << 30,
       [](uint64_t n, Options* o) { o->write_buffer_size = n; }},
      {"max_write_buffer_number", 2, 64,
       [](uint64_t n, Options* o) {
         o->max_write_buffer_number = static_cast<int>(n);
       },
       true},
      {"block_size", 256, 64 << 20,
       [](uint64_t n, Options* o) {
         SetTable([n](auto* table) { table->block_size = n; }, o);
       }},
      {"block_restart_interval", 1, 1 << 16,
       [](uint64_t n, Options* o) {
         SetTable(
             [n](auto* table) {
               table->block_restart_interval = static_cast<int>(n);
             },
             o);
       },
       true},
      {"level0_file_num_compaction_trigger", 1, kLevel0Max,
       [](uint64_t n, Options* o) {
         o->level0_file_num_compaction_trigger = static_cast<int>(n);
         // They must not be below it.
         o->level0_slowdown_writes_trigger = static_cast<int>(kLevel0Max);
         o->level0_stop_writes_trigger = static_cast<int>(kLevel0Max);
       },
       true},
      {"level0_slowdown_writes_trigger", 4, kLevel0Max,
       [](uint64_t n, Options* o) {
         o->level0_file_num_compaction_trigger = 4;
         o->level0_slowdown_writes_trigger = static_cast<int>(n);
         o->level0_stop_writes_trigger = static_cast<int>(kLevel0Max);
       },
       true},
      {"level0_stop_writes_trigger", 20, kLevel0Max,
       [](uint64_t n, Options* o) {
         o->level0_slowdown_writes_trigger = 20;
         o->level0_stop_writes_trigger = static_cast<int>(n);
       },
       true},
      {"target_file_size_base", 4 << 10, uint64_t{1} << 40,
       [](uint64_t n, Options* o) { o->target_file_size_base = n; }},
      {"target_file_size_multiplier", 1, 1 << 10,
       [](uint64_t n, Options* o) {
         o->target_file_size_multiplier = static_cast<int>(n);
       },
       true},
      {"max_bytes_for_level_base", 4 << 10, uint64_t{1} << 50,
       [](uint64_t n, Options* o) { o->max_bytes_for_level_base = n; }},
      {"checksum", kNoChecksum, kXXH3, [](uint64_t n, Options* o) {
         SetTable(
             [n](auto* table) {
               table->checksum = static_cast<ChecksumType>(n);
             },
             o);
       }}};
  return ranges;
}

void ExpectAccepted(const Range& range, uint64_t value) {
  Options options;
  range.set(value, &options);
  const Status status = Check(options);
  EXPECT_TRUE(status.ok()) << range.name << " = " << value << ": "
                           << status.ToString();
}

// The message names the option, what it is, and what it may be.
void ExpectRefused(const Range& range, uint64_t value,
                   const std::string& shown) {
  Options options;
  range.set(value, &options);
  const Status status = Check(options);
  EXPECT_TRUE(status.IsInvalidArgument())
      << range.name << " = " << shown << ": " << status.ToString();
  const std::string text = status.ToString();
  EXPECT_NE(text.find(std::string("option ") + range.name + " is " + shown),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("from " + std::to_string(range.smallest) + " to " +
                      std::to_string(range.largest)),
            std::string::npos)
      << text;
}

TEST(OptionsCheckTest, TheDefaultsAreValid) {
  const Status status = Check(Options());
  EXPECT_TRUE(status.ok()) << status.ToString();
}

TEST(OptionsCheckTest, NumbersAreAcceptedWithinTheirRange) {
  for (const Range& range : Ranges()) {
    ExpectAccepted(range, range.smallest);
    if (range.largest > range.smallest) {
      ExpectAccepted(range, range.smallest + 1);
      ExpectAccepted(range, range.largest - 1);
    }
    ExpectAccepted(range, range.largest);
  }
}

TEST(OptionsCheckTest, NumbersAreRefusedOutsideTheirRange) {
  for (const Range& range : Ranges()) {
    if (range.smallest > 0) {
      const uint64_t below = range.smallest - 1;
      ExpectRefused(range, below, std::to_string(below));
      ExpectRefused(range, 0, "0");
    }
    if (range.largest < std::numeric_limits<uint64_t>::max()) {
      const uint64_t above = range.largest + 1;
      ExpectRefused(range, above, std::to_string(above));
    }
  }
}

TEST(OptionsCheckTest, NegativeNumbersAreNotTakenForLargeOnes) {
  for (const Range& range : Ranges()) {
    if (!range.is_signed) continue;
    for (const int value : {-1, std::numeric_limits<int>::min()}) {
      ExpectRefused(range, static_cast<uint64_t>(static_cast<int64_t>(value)),
                    std::to_string(value));
    }
  }
}

TEST(OptionsCheckTest, MaxOpenFilesIsUnlimitedOrAtLeastTen) {
  Options options;
  for (const int good : {-1, 10, 11, std::numeric_limits<int>::max()}) {
    options.max_open_files = good;
    EXPECT_TRUE(Check(options).ok()) << good;
  }
  for (const int bad : {std::numeric_limits<int>::min(), -2, 0, 1, 9}) {
    options.max_open_files = bad;
    const Status status = Check(options);
    EXPECT_TRUE(status.IsInvalidArgument()) << bad;
    EXPECT_NE(status.ToString().find("max_open_files"), std::string::npos);
  }
}

TEST(OptionsCheckTest, TheRecoveryModeIsOneOfFour) {
  Options options;
  for (int mode = -1; mode <= 4; ++mode) {
    options.wal_recovery_mode = static_cast<WALRecoveryMode>(mode);
    EXPECT_EQ(Check(options).ok(), mode >= 0 && mode <= 3) << mode;
  }
}

TEST(OptionsCheckTest, WhatMustBeThereIsNamedWhenItIsNot) {
  struct Case {
    const char* name;
    void (*remove)(Options*);
  };
  const Case cases[] = {
      {"file_system", [](Options* o) { o->file_system = nullptr; }},
      {"clock", [](Options* o) { o->clock = nullptr; }},
      {"comparator", [](Options* o) { o->comparator = nullptr; }},
      {"table_factory", [](Options* o) { o->table_factory = nullptr; }}};
  for (const Case& c : cases) {
    Options options;
    c.remove(&options);
    const Status status = Check(options);
    EXPECT_TRUE(status.IsInvalidArgument()) << c.name;
    EXPECT_NE(
        status.ToString().find(std::string("option ") + c.name + " is null"),
        std::string::npos)
        << status.ToString();
  }
}

// The triggers of level 0 come in an order, and may be equal.
TEST(OptionsCheckTest, TheTriggersOfLevel0DoNotOvertakeEachOther) {
  for (int trigger = 1; trigger <= 4; ++trigger) {
    for (int slowdown = 1; slowdown <= 4; ++slowdown) {
      for (int stop = 1; stop <= 4; ++stop) {
        Options options;
        options.level0_file_num_compaction_trigger = trigger;
        options.level0_slowdown_writes_trigger = slowdown;
        options.level0_stop_writes_trigger = stop;
        EXPECT_EQ(Check(options).ok(), trigger <= slowdown && slowdown <= stop)
            << trigger << " " << slowdown << " " << stop;
      }
    }
  }
}

TEST(OptionsCheckTest, TheMultiplierOfLevelsIsMoreThanOneAndFinite) {
  Options options;
  for (const double good : {std::nextafter(1.0, 2.0), 1.5, 10.0, 1e300}) {
    options.max_bytes_for_level_multiplier = good;
    EXPECT_TRUE(Check(options).ok()) << good;
  }
  for (const double bad : {-HUGE_VAL, -10.0, 0.0, std::nextafter(1.0, 0.0), 1.0,
                           HUGE_VAL, std::nan("")}) {
    options.max_bytes_for_level_multiplier = bad;
    EXPECT_TRUE(Check(options).IsInvalidArgument()) << bad;
  }
}

// 0 stands for a default or for no limit.
TEST(OptionsCheckTest, LimitsThatMayBeLeftOutAreCheckedWhenTheyAreGiven) {
  Options options;
  for (const uint64_t good :
       {uint64_t{0}, uint64_t{4} << 10, std::numeric_limits<uint64_t>::max()}) {
    options.max_compaction_bytes = good;
    EXPECT_TRUE(Check(options).ok()) << good;
  }
  for (const uint64_t bad : {uint64_t{1}, (uint64_t{4} << 10) - 1}) {
    options.max_compaction_bytes = bad;
    EXPECT_TRUE(Check(options).IsInvalidArgument()) << bad;
  }
  options.max_compaction_bytes = 0;
  struct Case {
    uint64_t soft;
    uint64_t hard;
    bool is_ok;
  };
  for (const Case& c :
       {Case{0, 0, true}, Case{5, 0, true}, Case{0, 5, true}, Case{5, 5, true},
        Case{4, 5, true}, Case{6, 5, false}}) {
    options.soft_pending_compaction_bytes_limit = c.soft;
    options.hard_pending_compaction_bytes_limit = c.hard;
    EXPECT_EQ(Check(options).ok(), c.is_ok) << c.soft << " " << c.hard;
  }
}

TEST(OptionsCheckTest, ACompressionThatIsNotBuiltInOrUnknownIsRefused) {
  for (const auto set : {+[](CompressionType type, Options*options) {
                           options->compression = type;
                         },
                         +[](CompressionType type, Options*options) {
                           options->bottommost_compression = type;
                         }}) {
    Options options;
    set(kNoCompression, &options);
    EXPECT_TRUE(Check(options).ok());
    // zlib is read only; 0x42 is nothing.
    for (const CompressionType bad :
         {kZlibCompression, static_cast<CompressionType>(0x42)}) {
      set(bad, &options);
      const Status status = Check(options);
      EXPECT_TRUE(status.IsInvalidArgument()) << static_cast<int>(bad);
      EXPECT_NE(status.ToString().find("compression"), std::string::npos);
    }
  }
  // Only for the bottommost level is there a value that means "as above".
  Options options;
  options.bottommost_compression = kDisableCompressionOption;
  EXPECT_TRUE(Check(options).ok());
  options.compression = kDisableCompressionOption;
  EXPECT_TRUE(Check(options).IsInvalidArgument());
}

// A cache of somebody else's making has none of what tables ask of theirs.
TEST(OptionsCheckTest, ABlockCacheComesFromNewLRUCacheOrIsNone) {
  class OtherCache final : public Cache {
   public:
    [[nodiscard]] const char* Name() const override { return "other"; }
    [[nodiscard]] size_t GetCapacity() const override { return 0; }
    void SetCapacity(size_t /*capacity*/) override {}
    [[nodiscard]] size_t GetUsage() const override { return 0; }
    [[nodiscard]] size_t GetPinnedUsage() const override { return 0; }
  };
  Options options;
  auto set = [&options](std::shared_ptr<Cache> cache) {
    SetTable([&](auto* table) { table->block_cache = std::move(cache); },
             &options);
    return Check(options);
  };
  EXPECT_TRUE(set(nullptr).ok());
  EXPECT_TRUE(set(NewLRUCache(size_t{1} << 20)).ok());
  const Status status = set(std::make_shared<OtherCache>());
  EXPECT_TRUE(status.IsInvalidArgument());
  EXPECT_NE(status.ToString().find("block_cache"), std::string::npos);
}

}  // namespace
}  // namespace paceline
