#include "src/db/options_file.h"

#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace paceline {
namespace {

using testing::HasSubstr;

constexpr const char* kPath = "db/OPTIONS-000007";

struct Parsed {
  Status status;
  DBOptions db_options;
  std::vector<ColumnFamilyDescriptor> families;
};

Parsed Parse(const std::string& text) {
  Parsed parsed;
  parsed.status =
      ParseOptionsText(text, kPath, &parsed.db_options, &parsed.families);
  return parsed;
}
Parsed ParseGood(const std::string& text) {
  Parsed parsed = Parse(text);
  EXPECT_TRUE(parsed.status.ok()) << parsed.status.ToString();
  return parsed;
}
// The options of the one family in "[CFOptions "default"]" + `statements`.
ColumnFamilyOptions ParseFamily(const std::string& statements) {
  Parsed parsed = ParseGood("[CFOptions \"default\"]\n" + statements);
  EXPECT_EQ(parsed.families.size(), 1u);
  return parsed.families.empty() ? ColumnFamilyOptions()
                                 : parsed.families[0].options;
}
void ExpectErrorAtLine(const std::string& text, int line) {
  const Status status = Parse(text).status;
  EXPECT_TRUE(status.IsCorruption()) << status.ToString();
  EXPECT_THAT(status.ToString(), HasSubstr(std::string(kPath) + " line " +
                                           std::to_string(line) + ":"))
      << text;
}

// What the operator puts between "a" and "b".
std::string Joined(const MergeOperator* merge_operator) {
  std::string joined;
  if (merge_operator != nullptr) {
    merge_operator->PartialMerge("", "a", "b", &joined, nullptr);
  }
  return joined;
}

// ---- Round trips.

TEST(OptionsTextTest, DefaultsAreReadAsWritten) {
  const DBOptions defaults;
  const Parsed parsed = ParseGood(OptionsToText(
      defaults, {{kDefaultColumnFamilyName, ColumnFamilyOptions()}}));
  EXPECT_EQ(parsed.db_options.max_write_batch_group_size_bytes,
            defaults.max_write_batch_group_size_bytes);
  EXPECT_EQ(parsed.db_options.allow_concurrent_memtable_write,
            defaults.allow_concurrent_memtable_write);
  EXPECT_EQ(parsed.db_options.wal_recovery_mode, defaults.wal_recovery_mode);
  ASSERT_EQ(parsed.families.size(), 1u);
  EXPECT_EQ(parsed.families[0].name, "default");
  EXPECT_EQ(parsed.families[0].options.comparator, BytewiseComparator());
  EXPECT_EQ(parsed.families[0].options.merge_operator, nullptr);
}

TEST(OptionsTextTest, EveryOptionIsReadAsWritten) {
  for (int mode = 0; mode < 4; ++mode) {
    DBOptions db_options;
    db_options.max_write_batch_group_size_bytes = 12'345;
    db_options.allow_concurrent_memtable_write = mode % 2 == 0;
    db_options.wal_recovery_mode = static_cast<WALRecoveryMode>(mode);
    ColumnFamilyOptions first;
    first.write_buffer_size = 77'777;
    first.comparator = ReverseBytewiseComparator();
    first.merge_operator = NewStringAppendOperator("; ");
    ColumnFamilyOptions second;
    second.merge_operator = NewUInt64AddOperator();
    const Parsed parsed = ParseGood(
        OptionsToText(db_options, {{"default", first}, {"second", second}}));
    EXPECT_EQ(parsed.db_options.max_write_batch_group_size_bytes, 12'345u);
    EXPECT_EQ(parsed.db_options.allow_concurrent_memtable_write,
              db_options.allow_concurrent_memtable_write);
    EXPECT_EQ(parsed.db_options.wal_recovery_mode,
              db_options.wal_recovery_mode);
    ASSERT_EQ(parsed.families.size(), 2u);
    EXPECT_EQ(parsed.families[0].options.write_buffer_size, 77'777u);
    EXPECT_EQ(parsed.families[0].options.comparator,
              ReverseBytewiseComparator());
    EXPECT_EQ(parsed.families[1].name, "second");
    ASSERT_NE(parsed.families[1].options.merge_operator, nullptr);
    EXPECT_STREQ(parsed.families[1].options.merge_operator->Name(),
                 "UInt64AddOperator");
  }
}

TEST(OptionsTextTest, AnyFamilyNameIsReadAsWritten) {
  for (const std::string& name :
       {std::string(""), std::string("a b"), std::string(" "),
        std::string("\""), std::string("a\"]"), std::string("\\"),
        std::string("\\n"), std::string("\n"), std::string("a\nb"),
        std::string("\\\n"), std::string("#"), std::string("a#b"),
        std::string("\\#"), std::string("a\\"), std::string("[CFOptions]"),
        std::string("name=value"), std::string("\t"), std::string("a\r"),
        std::string("\0\xff", 2)}) {
    const Parsed parsed = ParseGood(OptionsToText(
        DBOptions(),
        {{"default", ColumnFamilyOptions()}, {name, ColumnFamilyOptions()}}));
    ASSERT_EQ(parsed.families.size(), 2u) << name;
    EXPECT_EQ(parsed.families[1].name, name);
  }
}

TEST(OptionsTextTest, PlainDelimitersAreReadAsWritten) {
  for (const std::string& delimiter :
       {std::string(","), std::string(""), std::string(", "), std::string("="),
        std::string("}"), std::string(":"), std::string("ab")}) {
    ColumnFamilyOptions options;
    options.merge_operator = NewStringAppendOperator(delimiter);
    const Parsed parsed =
        ParseGood(OptionsToText(DBOptions(), {{"default", options}}));
    EXPECT_EQ(Joined(parsed.families.at(0).options.merge_operator.get()),
              "a" + delimiter + "b");
  }
}

TEST(OptionsTextTest, DelimitersWithAMeaningInTheFileAreReadAsWritten) {
  for (const std::string& delimiter :
       {std::string("\n"), std::string("#"), std::string(";"),
        std::string(";delimiter=x"), std::string("\\"), std::string("\r\n")}) {
    ColumnFamilyOptions options;
    options.merge_operator = NewStringAppendOperator(delimiter);
    const Parsed parsed =
        ParseGood(OptionsToText(DBOptions(), {{"default", options}}));
    ASSERT_EQ(parsed.families.size(), 1u);
    EXPECT_EQ(Joined(parsed.families[0].options.merge_operator.get()),
              "a" + delimiter + "b");
  }
}

TEST(OptionsTextTest, TheTextHasTheSectionsThatRocksDBDemands) {
  const std::string text = OptionsToText(
      DBOptions(),
      {{"default", ColumnFamilyOptions()}, {"other", ColumnFamilyOptions()}});
  size_t last = 0;
  for (const char* part :
       {"[Version]\n  rocksdb_version=7.8.3\n  options_file_version=1.1\n",
        "\n[DBOptions]\n", "\n[CFOptions \"default\"]\n",
        "\n[TableOptions/BlockBasedTable \"default\"]\n",
        "\n[CFOptions \"other\"]\n",
        "\n[TableOptions/BlockBasedTable \"other\"]\n"}) {
    const size_t at = text.find(part);
    ASSERT_NE(at, std::string::npos) << part;
    EXPECT_GE(at, last);
    last = at;
  }
}

// ---- RocksDB's own text.

TEST(OptionsTextTest, AFileOfRocksDBIsRead) {
  const Parsed parsed = ParseGood(R"(# This is a RocksDB option file.
#
# For detailed file format spec, please refer to the example file
# in examples/rocksdb_option_file_example.ini
#

[Version]
  rocksdb_version=7.8.3
  options_file_version=1.1

[DBOptions]
  compaction_readahead_size=0
  max_background_flushes=-1
  wal_recovery_mode=kAbsoluteConsistency
  allow_concurrent_memtable_write=false
  db_write_buffer_size=0
  max_write_batch_group_size_bytes=1048576
  wal_dir=/tmp/golden/wal_only/
  db_log_dir=

[CFOptions "default"]
  memtable_protection_bytes_per_key=0
  compression_opts={use_zstd_dict_trainer=true;level=32767;}
  compression_per_level=kNoCompression:kSnappyCompression
  merge_operator={id=StringAppendOperator;delimiter=,;}
  prefix_extractor=nullptr
  write_buffer_size=67108864
  comparator=leveldb.BytewiseComparator
  memtable_factory={id=SkipListFactory;lookahead=0;}

[TableOptions/BlockBasedTable "default"]
  flush_block_policy_factory={id=FlushBlockBySizePolicyFactory;}
  block_size=4096


[CFOptions "cf1"]
  merge_operator=nullptr
  write_buffer_size=1048576
  comparator=rocksdb.ReverseBytewiseComparator

[TableOptions/BlockBasedTable "cf1"]
  block_size=4096
)");
  EXPECT_EQ(parsed.db_options.wal_recovery_mode,
            WALRecoveryMode::kAbsoluteConsistency);
  EXPECT_FALSE(parsed.db_options.allow_concurrent_memtable_write);
  EXPECT_EQ(parsed.db_options.max_write_batch_group_size_bytes, 1048576u);
  ASSERT_EQ(parsed.families.size(), 2u);
  EXPECT_EQ(parsed.families[0].name, "default");
  EXPECT_EQ(Joined(parsed.families[0].options.merge_operator.get()), "a,b");
  EXPECT_EQ(parsed.families[0].options.write_buffer_size, 67108864u);
  EXPECT_EQ(parsed.families[1].name, "cf1");
  EXPECT_EQ(parsed.families[1].options.merge_operator, nullptr);
  EXPECT_EQ(parsed.families[1].options.write_buffer_size, 1048576u);
  EXPECT_EQ(parsed.families[1].options.comparator, ReverseBytewiseComparator());
}

TEST(OptionsTextTest, ObjectsMayBeGivenByNameAlone) {
  EXPECT_EQ(
      Joined(ParseFamily("merge_operator=stringappend\n").merge_operator.get()),
      "a,b");
  EXPECT_STREQ(
      ParseFamily("merge_operator={id=uint64add;}\n").merge_operator->Name(),
      "UInt64AddOperator");
  EXPECT_EQ(ParseFamily("comparator={id=rocksdb.ReverseBytewiseComparator;}\n")
                .comparator,
            ReverseBytewiseComparator());
}

TEST(OptionsTextTest, OperatorsAndComparatorsThatAreNotBuiltInAreLeftOut) {
  const ColumnFamilyOptions options =
      ParseFamily("merge_operator={id=Custom;x={y=z;};}\ncomparator=custom\n");
  EXPECT_EQ(options.merge_operator, nullptr);
  EXPECT_EQ(options.comparator, BytewiseComparator());
}

// ---- The form.

TEST(OptionsTextTest, CommentsBlankLinesAndSpaceDoNotMatter) {
  const Parsed parsed = ParseGood(
      "# a comment\n"
      "\n"
      "   # another\n"
      "  [DBOptions]   # behind a section\r\n"
      "\t wal_recovery_mode \t=  kAbsoluteConsistency  # behind a value\r\n"
      "\r\n"
      "  [CFOptions \"default\"]\t\n"
      "write_buffer_size=123456#close by");
  EXPECT_EQ(parsed.db_options.wal_recovery_mode,
            WALRecoveryMode::kAbsoluteConsistency);
  ASSERT_EQ(parsed.families.size(), 1u);
  EXPECT_EQ(parsed.families[0].options.write_buffer_size, 123456u);
}

TEST(OptionsTextTest, AnEmptyTextChangesNothing) {
  const Parsed parsed = ParseGood("");
  EXPECT_TRUE(parsed.families.empty());
}

TEST(OptionsTextTest, UnknownNamesAndSectionsArePassedOver) {
  const Parsed parsed = ParseGood(
      "[DBOptions]\n  of_the_future={a=b;}\n  write_buffer_size=not a number\n"
      "[OfTheFuture]\n  wal_recovery_mode=nonsense\n"
      "[CFOptions \"default\"]\n  of_the_future=1\n");
  EXPECT_EQ(parsed.families.size(), 1u);
}

TEST(OptionsTextTest, TheLastOfSeveralValuesCounts) {
  EXPECT_EQ(ParseFamily("write_buffer_size=1\nwrite_buffer_size=2\n")
                .write_buffer_size,
            2u);
}

TEST(OptionsTextTest, WhatTheTextDoesNotNameKeepsItsValue) {
  DBOptions db_options;
  db_options.max_write_batch_group_size_bytes = 4321;
  std::vector<ColumnFamilyDescriptor> families;
  ASSERT_TRUE(
      ParseOptionsText("[DBOptions]\n", kPath, &db_options, &families).ok());
  EXPECT_EQ(db_options.max_write_batch_group_size_bytes, 4321u);
}

TEST(OptionsTextTest, BooleansAreWordsOrDigits) {
  for (const auto& [text, value] : std::vector<std::pair<std::string, bool>>{
           {"true", true}, {"1", true}, {"false", false}, {"0", false}}) {
    EXPECT_EQ(ParseGood("[DBOptions]\nallow_concurrent_memtable_write=" + text)
                  .db_options.allow_concurrent_memtable_write,
              value);
  }
}

// ---- Errors.

TEST(OptionsTextTest, WhatIsNeitherSectionNorStatementIsAnErrorAtItsLine) {
  ExpectErrorAtLine("nonsense", 1);
  ExpectErrorAtLine("# comment\n\n[DBOptions]\n  nonsense\n", 4);
  ExpectErrorAtLine("[CFOptions \"a\"]\n x=1\n y\n", 3);
}

TEST(OptionsTextTest, AStatementOutsideASectionIsAnError) {
  ExpectErrorAtLine("\nwrite_buffer_size=1\n", 2);
}

TEST(OptionsTextTest, MalformedSectionsAreErrors) {
  for (const char* section :
       {"[", "[DBOptions", "[CFOptions \"default]", "[CFOptions \"default\"",
        "[CFOptions \"", "[CFOptions \"]", "[DBOptions] x"}) {
    ExpectErrorAtLine("[Version]\n" + std::string(section) + "\n", 2);
  }
}

TEST(OptionsTextTest, ValuesThatDoNotFitAreErrorsThatNameTheOption) {
  for (const char* value : {"", "x", "-1", "1.5", "1 2", "64M", "0x10", "+1",
                            "99999999999999999999"}) {
    const std::string text =
        "[CFOptions \"default\"]\n\nwrite_buffer_size=" + std::string(value);
    ExpectErrorAtLine(text, 3);
    EXPECT_THAT(Parse(text).status.ToString(), HasSubstr("write_buffer_size"));
    ExpectErrorAtLine(
        "[DBOptions]\nmax_write_batch_group_size_bytes=" + std::string(value),
        2);
  }
  for (const char* value : {"", "2", "True", "yes", "truefalse"}) {
    ExpectErrorAtLine(
        "[DBOptions]\nallow_concurrent_memtable_write=" + std::string(value),
        2);
  }
  for (const char* value : {"", "2", "kPointInTime", "pit"}) {
    ExpectErrorAtLine("[DBOptions]\nwal_recovery_mode=" + std::string(value),
                      2);
  }
}

}  // namespace
}  // namespace paceline
