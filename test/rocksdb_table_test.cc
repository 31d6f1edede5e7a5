// RocksDB 7.8 finds in the tables that Paceline writes what was put into them.

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "src/table/compression.h"
#include "test/support/rocksdb_tables.h"
#include "test/support/seed.h"
#include "test/support/test_directory.h"
#include "test/support/test_table.h"

namespace paceline {
namespace {

using ::testing::IsEmpty;

constexpr CompressionType kCompressions[] = {kNoCompression, kSnappyCompression,
                                             kLZ4Compression, kLZ4HCCompression,
                                             kZSTD};
constexpr ChecksumType kChecksums[] = {kNoChecksum, kCRC32c, kxxHash, kxxHash64,
                                       kXXH3};

class RocksDBTableTest : public ::testing::Test {
 protected:
  RocksDBTableTest() : random_(TestSeed()) {
    options_.comparator = &bytewise_;
    options_.file_number = 10;
    options_.family_name = "default";
    options_.merge_operator_name = "StringAppendOperator";
    options_.creation_time = 1'700'000'000;
    options_.file_creation_time = 1'700'000'001;
  }

  void UseFilter() {
    options_.table.filter_policy.reset(NewBloomFilterPolicy(10));
    peer_options_.has_filter = true;
    for (int i = 0; i < 100; ++i) {
      peer_options_.absent_keys.push_back("keyx absent " + std::to_string(i));
    }
  }

  // Writes `table` and compares what RocksDB finds.
  PeerTables Check(const TestTable& table) {
    TestDirectory directory(TestStorage::kMemory);
    Status s = WriteTable(options_, table, directory / "000010.sst");
    EXPECT_TRUE(s.ok()) << s.ToString();
    StatusOr<PeerTables> found =
        ReadTablesWithRocksDB(peer_options_, directory.path());
    EXPECT_TRUE(found.ok()) << found.status().ToString();
    if (!found.ok()) return {};
    EXPECT_EQ(found->entries, VisibleEntries(table, *options_.comparator));
    return *std::move(found);
  }

  TestRandom random_;
  const InternalKeyComparator bytewise_{BytewiseComparator()};
  const InternalKeyComparator reverse_{ReverseBytewiseComparator()};
  TableBuilderOptions options_;
  PeerTableOptions peer_options_;
};

TEST_F(RocksDBTableTest, EveryCombinationOfOptionsIsRead) {
  for (const bool has_filter : {false, true}) {
    if (has_filter) UseFilter();
    for (const CompressionType compression : kCompressions) {
      if (!CanCompress(compression)) continue;
      options_.compression = compression;
      for (const ChecksumType checksum : kChecksums) {
        options_.table.checksum = checksum;
        for (const bool has_tombstones : {false, true}) {
          SCOPED_TRACE(std::string(CompressionName(compression)) +
                       ", checksum " + std::to_string(checksum) +
                       (has_filter ? ", filter" : "") +
                       (has_tombstones ? ", tombstones" : ""));
          PeerTables tables = Check(RandomTestTable(
              {.has_tombstones = has_tombstones}, bytewise_, &random_));
          EXPECT_GE(tables.filtered, has_filter ? 90u : 0u);
        }
      }
    }
  }
}

TEST_F(RocksDBTableTest, ReverseOrderIsRead) {
  options_.comparator = &reverse_;
  peer_options_.is_reversed = true;
  UseFilter();
  Check(RandomTestTable({.has_tombstones = true}, reverse_, &random_));
}

// Versions of one key over several blocks: separators are internal keys.
TEST_F(RocksDBTableTest, KeysOverSeveralBlocksAreRead) {
  options_.table.block_size = 256;
  UseFilter();
  Check(RandomTestTable({.entries = 3000, .keys = 20, .has_tombstones = true},
                        bytewise_, &random_));
}

TEST_F(RocksDBTableTest, EveryRestartIntervalIsRead) {
  for (const int interval : {1, 2, 7, 100}) {
    options_.table.block_restart_interval = interval;
    Check(RandomTestTable({}, bytewise_, &random_));
  }
}

TEST_F(RocksDBTableTest, ManyBlocksAndLargeValuesAreRead) {
  options_.compression = kZSTD;
  options_.compression_options.level = 1;
  UseFilter();
  Check(RandomTestTable(
      {.entries = 30'000, .keys = 1'000'000, .has_tombstones = true}, bytewise_,
      &random_));
  Check(RandomTestTable({.entries = 30, .value_size_max = 1'000'000}, bytewise_,
                        &random_));
}

TEST_F(RocksDBTableTest, KeysOfAnyBytesAreRead) {
  TestTable table;
  SequenceNumber sequence = 100'000;
  table.entries.push_back({.user_key = "", .sequence = 7, .value = "empty"});
  for (int first = 0; first < 256; ++first) {
    for (int second : {0, 1, 0x7f, 0xfe, 0xff}) {
      const std::string key = {static_cast<char>(first),
                               static_cast<char>(second)};
      table.entries.push_back(
          {.user_key = key, .sequence = --sequence, .value = key});
      table.entries.push_back(
          {.user_key = key + key, .sequence = 0, .value = ""});
    }
  }
  options_.table.block_size = 256;
  UseFilter();
  peer_options_.absent_keys.clear();
  // The order of the keys above is not quite that of the bytes.
  std::sort(table.entries.begin(), table.entries.end(),
            [&](const TestTableEntry& a, const TestTableEntry& b) {
              return bytewise_.Compare(a.internal_key(), b.internal_key()) < 0;
            });
  Check(table);
}

TEST_F(RocksDBTableTest, ATableOfTombstonesAloneIsRead) {
  UseFilter();
  peer_options_.absent_keys = {"a", "b"};
  TestTable table;
  table.tombstones = {{"a", "c", 9}, {"a", "c", 5}, {"d", "e", 7}};
  EXPECT_THAT(Check(table).entries, IsEmpty());
}

}  // namespace
}  // namespace paceline
