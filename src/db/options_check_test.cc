#include "src/db/options_check.h"

#include <climits>
#include <cmath>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "paceline/filter_policy.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "src/table/compression.h"

namespace paceline {
namespace {

using testing::HasSubstr;

// As Open() does it.
Status Check(const Options& options) {
  Status s = CheckOptions(static_cast<const DBOptions&>(options));
  if (!s.ok()) return s;
  return CheckOptions(static_cast<const ColumnFamilyOptions&>(options));
}

void ExpectGood(const Options& options, const std::string& what) {
  const Status s = Check(options);
  EXPECT_TRUE(s.ok()) << what << ": " << s.ToString();
}

// The message begins with the option, and has all the other `parts`.
void ExpectBad(const Options& options, const std::string& name,
               const std::vector<std::string>& parts = {}) {
  const Status s = Check(options);
  EXPECT_TRUE(s.IsInvalidArgument()) << name << ": " << s.ToString();
  EXPECT_THAT(s.ToString(), HasSubstr("option " + name));
  for (const std::string& part : parts) {
    EXPECT_THAT(s.ToString(), HasSubstr(part));
  }
}

void SetTable(const BlockBasedTableOptions& table, Options* options) {
  options->table_factory.reset(NewBlockBasedTableFactory(table));
}

// --- Options that have a smallest and a largest value. ---------------------

struct Range {
  const char* name;
  void (*set)(uint64_t value, Options* options);
  uint64_t smallest;
  uint64_t largest;  // UINT64_MAX: the type ends there.
  bool is_signed = false;
};

// What a setter of the table gets; -1 and the like come through as well.
int AsInt(uint64_t value) { return static_cast<int>(value); }

const Range kRanges[] = {
    {"max_write_batch_group_size_bytes",
     [](uint64_t value, Options* options) {
       options->max_write_batch_group_size_bytes = value;
     },
     1 << 10, 256 << 20},
    {"max_background_jobs",
     [](uint64_t value, Options* options) {
       options->max_background_jobs = AsInt(value);
     },
     1, 64, true},
    {"max_manifest_file_size",
     [](uint64_t value, Options* options) {
       options->max_manifest_file_size = value;
     },
     1 << 10, UINT64_MAX},
    {"write_buffer_size",
     [](uint64_t value, Options* options) {
       options->write_buffer_size = value;
     },
     64 << 10, uint64_t{64} << 30},
    {"max_write_buffer_number",
     [](uint64_t value, Options* options) {
       options->max_write_buffer_number = AsInt(value);
     },
     2, 64, true},
    {"block_size",
     [](uint64_t value, Options* options) {
       BlockBasedTableOptions table;
       table.block_size = value;
       SetTable(table, options);
     },
     256, 64 << 20},
    {"block_restart_interval",
     [](uint64_t value, Options* options) {
       BlockBasedTableOptions table;
       table.block_restart_interval = AsInt(value);
       SetTable(table, options);
     },
     1, 1 << 16, true},
    {"level0_file_num_compaction_trigger",
     [](uint64_t value, Options* options) {
       options->level0_file_num_compaction_trigger = AsInt(value);
       options->level0_slowdown_writes_trigger = 1 << 20;
       options->level0_stop_writes_trigger = 1 << 20;
     },
     1, 1 << 20, true},
    // Each of the next two is bounded by the one before it.
    {"level0_slowdown_writes_trigger",
     [](uint64_t value, Options* options) {
       options->level0_file_num_compaction_trigger = 7;
       options->level0_slowdown_writes_trigger = AsInt(value);
       options->level0_stop_writes_trigger = 1 << 20;
     },
     7, 1 << 20, true},
    {"level0_stop_writes_trigger",
     [](uint64_t value, Options* options) {
       options->level0_slowdown_writes_trigger = 9;
       options->level0_stop_writes_trigger = AsInt(value);
     },
     9, 1 << 20, true},
    {"target_file_size_base",
     [](uint64_t value, Options* options) {
       options->target_file_size_base = value;
     },
     4 << 10, uint64_t{1} << 40},
    {"target_file_size_multiplier",
     [](uint64_t value, Options* options) {
       options->target_file_size_multiplier = AsInt(value);
     },
     1, 1 << 10, true},
    {"max_bytes_for_level_base",
     [](uint64_t value, Options* options) {
       options->max_bytes_for_level_base = value;
     },
     4 << 10, uint64_t{1} << 50},
};

class OptionRangeTest : public testing::TestWithParam<Range> {
 protected:
  static Options With(uint64_t value) {
    Options options;
    GetParam().set(value, &options);
    return options;
  }
};

TEST_P(OptionRangeTest, BothEndsAreAllowed) {
  ExpectGood(With(GetParam().smallest), "the smallest");
  ExpectGood(With(GetParam().largest), "the largest");
  ExpectGood(With(GetParam().smallest + 1), "behind the smallest");
}

TEST_P(OptionRangeTest, WhatIsOutsideIsRefusedWithItsValueAndTheRange) {
  const Range& range = GetParam();
  const std::string bounds = "it must be from " +
                             std::to_string(range.smallest) + " to " +
                             std::to_string(range.largest);
  std::vector<uint64_t> outside = {range.smallest - 1};
  if (range.largest != UINT64_MAX) outside.push_back(range.largest + 1);
  for (const uint64_t value : outside) {
    ExpectBad(With(value), range.name,
              {" is " + std::to_string(value) + ": ", bounds});
  }
  // What is negative must not be taken for something large.
  if (!range.is_signed) return;
  for (const int value : {-1, INT_MIN}) {
    ExpectBad(With(static_cast<uint64_t>(value)), range.name,
              {" is " + std::to_string(value) + ": ", bounds});
  }
}

INSTANTIATE_TEST_SUITE_P(Options, OptionRangeTest, testing::ValuesIn(kRanges),
                         [](const auto& parameter) {
                           return std::string(parameter.param.name);
                         });

// --- The others. -----------------------------------------------------------

class OptionsCheckTest : public testing::Test {
 protected:
  Options options_;
};

TEST_F(OptionsCheckTest, TheDefaultsAreGood) { ExpectGood(options_, ""); }

TEST_F(OptionsCheckTest, WhatMustBeThereIsMissed) {
  const std::pair<const char*, void (*)(Options*)> kMissing[] = {
      {"file_system", [](Options* options) { options->file_system = nullptr; }},
      {"clock", [](Options* options) { options->clock = nullptr; }},
      {"comparator", [](Options* options) { options->comparator = nullptr; }},
      {"table_factory",
       [](Options* options) { options->table_factory = nullptr; }},
  };
  for (const auto& [name, remove] : kMissing) {
    Options options;
    remove(&options);
    ExpectBad(options, name, {"is null"});
  }
}

TEST_F(OptionsCheckTest, WhatMayBeMissingIsNotMissed) {
  options_.info_log = nullptr;
  options_.rate_limiter = nullptr;
  options_.merge_operator = nullptr;
  BlockBasedTableOptions table;
  table.block_cache = nullptr;
  table.filter_policy = nullptr;
  SetTable(table, &options_);
  ExpectGood(options_, "nulls");
}

TEST_F(OptionsCheckTest, OpenFilesAreUnboundedOrAtLeastTen) {
  for (const int good : {-1, 10, 11, INT_MAX}) {
    options_.max_open_files = good;
    ExpectGood(options_, std::to_string(good));
  }
  for (const int bad : {INT_MIN, -2, 0, 9}) {
    options_.max_open_files = bad;
    ExpectBad(options_, "max_open_files",
              {" is " + std::to_string(bad) + ": ", "-1 or at least 10"});
  }
}

TEST_F(OptionsCheckTest, OnlyTheFourRecoveryModesAreKnown) {
  for (int mode = 0; mode < 4; ++mode) {
    options_.wal_recovery_mode = static_cast<WALRecoveryMode>(mode);
    ExpectGood(options_, std::to_string(mode));
  }
  for (const int mode : {-1, 4, 100}) {
    options_.wal_recovery_mode = static_cast<WALRecoveryMode>(mode);
    ExpectBad(options_, "wal_recovery_mode", {std::to_string(mode)});
  }
}

TEST_F(OptionsCheckTest, OnlyTheFiveChecksumsAreKnown) {
  BlockBasedTableOptions table;
  for (int type = -1; type <= 5; ++type) {
    table.checksum = static_cast<ChecksumType>(type);
    SetTable(table, &options_);
    if (type >= 0 && type < 5) {
      ExpectGood(options_, std::to_string(type));
    } else {
      ExpectBad(options_, "checksum", {" is " + std::to_string(type)});
    }
  }
}

// The blocks are kept by the cache itself: another one could not hold them.
TEST_F(OptionsCheckTest, ACacheThatIsNotOurOwnIsRefused) {
  class ForeignCache final : public Cache {
   public:
    const char* Name() const override { return "foreign"; }
    size_t GetCapacity() const override { return 0; }
    void SetCapacity(size_t) override {}
    size_t GetUsage() const override { return 0; }
    size_t GetPinnedUsage() const override { return 0; }
  };
  BlockBasedTableOptions table;
  table.block_cache = std::make_shared<ForeignCache>();
  SetTable(table, &options_);
  ExpectBad(options_, "block_cache", {"NewLRUCache"});
  table.block_cache = NewLRUCache(1 << 20);
  SetTable(table, &options_);
  ExpectGood(options_, "our own");
}

TEST_F(OptionsCheckTest, LevelsMustGrow) {
  for (const double good : {1.001, 2.0, 1e300}) {
    options_.max_bytes_for_level_multiplier = good;
    ExpectGood(options_, std::to_string(good));
  }
  for (const double bad : {1.0, 0.999, 0.0, -10.0, std::nan(""), HUGE_VAL}) {
    options_.max_bytes_for_level_multiplier = bad;
    ExpectBad(options_, "max_bytes_for_level_multiplier", {"more than 1"});
  }
}

TEST_F(OptionsCheckTest, CompactionsMayBeAsLargeAsTheyLikeOrHaveABound) {
  for (const uint64_t good : {uint64_t{0}, uint64_t{4096}, UINT64_MAX}) {
    options_.max_compaction_bytes = good;
    ExpectGood(options_, std::to_string(good));
  }
  for (const uint64_t bad : {1, 4095}) {
    options_.max_compaction_bytes = bad;
    ExpectBad(options_, "max_compaction_bytes",
              {" is " + std::to_string(bad) + ": "});
  }
}

TEST_F(OptionsCheckTest, WritesAreDelayedBeforeTheyAreStopped) {
  struct Limits {
    uint64_t soft;
    uint64_t hard;
    bool is_good;
  };
  for (const Limits& limits :
       {Limits{0, 0, true}, Limits{5, 5, true}, Limits{4, 5, true},
        Limits{0, 1, true}, Limits{UINT64_MAX, 0, true}, Limits{6, 5, false},
        Limits{UINT64_MAX, 1, false}}) {
    options_.soft_pending_compaction_bytes_limit = limits.soft;
    options_.hard_pending_compaction_bytes_limit = limits.hard;
    if (limits.is_good) {
      ExpectGood(options_, std::to_string(limits.soft));
    } else {
      ExpectBad(options_, "soft_pending_compaction_bytes_limit",
                {" is " + std::to_string(limits.soft),
                 "hard_pending_compaction_bytes_limit, which is " +
                     std::to_string(limits.hard)});
    }
  }
}

// --- Compression. ----------------------------------------------------------

constexpr CompressionType kCodecs[] = {kNoCompression,    kSnappyCompression,
                                       kZlibCompression,  kLZ4Compression,
                                       kLZ4HCCompression, kZSTD};

TEST_F(OptionsCheckTest, OnlyCodecsThatThisBuildWritesAreAllowed) {
  for (const CompressionType type : kCodecs) {
    const std::string name = CompressionName(type);
    for (const bool is_bottommost : {false, true}) {
      Options options;
      options.compression = kNoCompression;
      (is_bottommost ? options.bottommost_compression : options.compression) =
          type;
      if (CanCompress(type)) {
        ExpectGood(options, name);
      } else {
        ExpectBad(options,
                  is_bottommost ? "bottommost_compression" : "compression",
                  {" is " + name + ": "});
      }
    }
  }
}

TEST_F(OptionsCheckTest, ZlibIsOnlyRead) {
  options_.compression = kZlibCompression;
  ExpectBad(options_, "compression", {"cannot write"});
}

TEST_F(OptionsCheckTest, TheDeepestLevelMayBeAsTheOthersButNotTheOthersSo) {
  options_.bottommost_compression = kDisableCompressionOption;
  ExpectGood(options_, "as the others");
  options_.compression = kDisableCompressionOption;
  ExpectBad(options_, "compression");
}

TEST_F(OptionsCheckTest, ALevelIsCheckedForEachCodecThatHasLevels) {
  for (const CompressionType type : kCodecs) {
    if (!CanCompress(type)) continue;
    SCOPED_TRACE(CompressionName(type));
    const int largest = CompressionLevelMax(type);
    for (const bool is_bottommost : {false, true}) {
      Options options;
      options.compression = kNoCompression;
      (is_bottommost ? options.bottommost_compression : options.compression) =
          type;
      options.compression_opts.level =
          CompressionOptions::kDefaultCompressionLevel;
      ExpectGood(options, "default");
      for (const int level : {1, largest}) {
        options.compression_opts.level = level;
        ExpectGood(options, std::to_string(level));
      }
      for (const int level : {-1, 0, largest + 1}) {
        options.compression_opts.level = level;
        if (largest == 0) {
          ExpectGood(options, "ignored");
        } else {
          ExpectBad(options, "compression_opts.level",
                    {" is " + std::to_string(level) + ": "});
        }
      }
    }
  }
}

TEST_F(OptionsCheckTest, ALevelMustSuitBothCodecs) {
  if (!CanCompress(kZSTD) || !CanCompress(kLZ4HCCompression)) {
    GTEST_SKIP() << "not in this build";
  }
  options_.compression = kLZ4HCCompression;
  options_.bottommost_compression = kZSTD;
  options_.compression_opts.level = CompressionLevelMax(kLZ4HCCompression);
  ExpectGood(options_, "both have it");
  ++options_.compression_opts.level;
  ExpectBad(options_, "compression_opts.level");
}

}  // namespace
}  // namespace paceline
