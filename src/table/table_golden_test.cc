// Reads the tables of databases that RocksDB wrote, and compares what is in
// them with testdata/golden/tables.txt.

#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "src/format/internal_key.h"
#include "src/table/compression.h"
#include "src/table/table_reader.h"
#include "test/support/golden.h"
#include "test/support/subprocess.h"
#include "test/support/test_directory.h"

namespace paceline {
namespace {

constexpr const char* kGoldenDirectory = PACELINE_GOLDEN_DIRECTORY;

// A line of tables.txt.
struct GoldenTable {
  std::string file;
  SequenceNumber largest_sequence = 0;
  uint64_t entries = 0;
  std::string sha256;
};

// By database.
std::map<std::string, std::vector<GoldenTable>> ReadGoldenTables() {
  std::map<std::string, std::vector<GoldenTable>> tables;
  std::ifstream file(std::string(kGoldenDirectory) + "/tables.txt");
  std::string line;
  while (std::getline(file, line)) {
    if (line.empty() || line[0] == '#') continue;
    std::istringstream words(line);
    std::string database;
    GoldenTable table;
    words >> database >> table.file >> table.largest_sequence >>
        table.entries >> table.sha256;
    tables[database].push_back(table);
  }
  return tables;
}

std::vector<std::string> Databases() {
  std::vector<std::string> names;
  for (const auto& [name, tables] : ReadGoldenTables()) names.push_back(name);
  return names;
}

// Stops at the version that is wanted.
class Finder final : public EntryVisitor {
 public:
  Finder(uint64_t tag, const Slice& value) : tag_(tag), value_(value) {}
  bool Visit(SequenceNumber sequence, ValueType type, const Slice& value,
             const std::shared_ptr<const void>&) override {
    is_found = PackTag(sequence, type) == tag_ && value == value_;
    return !is_found;
  }
  bool is_found = false;

 private:
  const uint64_t tag_;
  const Slice value_;
};

class TableGoldenTest : public testing::TestWithParam<std::string> {
 protected:
  using KeysAndValues = std::vector<std::pair<std::string, std::string>>;

  // With the comparator that it has.
  std::shared_ptr<const TableReader> Open(const GoldenTable& golden) {
    const std::string path = directory_ + "/" + golden.file;
    FileMetaData metadata;
    metadata.size = std::filesystem::file_size(path);
    metadata.largest_sequence = golden.largest_sequence;
    Status status;
    for (const InternalKeyComparator* comparator : {&forward_, &reverse_}) {
      auto file = FileSystem::Default()->NewRandomAccessFile(path);
      EXPECT_TRUE(file.ok());
      auto table = TableReader::Open({.comparator = comparator,
                                      .block_cache = nullptr,
                                      .path = path,
                                      .family_name = GetParam()},
                                     *std::move(file), metadata);
      if (table.ok()) return *table;
      status = table.status();
      if (!status.IsInvalidArgument()) break;
    }
    ADD_FAILURE() << status.ToString();
    return nullptr;
  }

  static std::string Dump(const TableReader& table, KeysAndValues* entries) {
    std::string dump;
    const auto iterator = table.NewIterator({});
    for (iterator->SeekToFirst(); iterator->Valid(); iterator->Next()) {
      const Slice user_key = ExtractUserKey(iterator->key());
      const uint64_t tag = ExtractTag(iterator->key());
      const SequenceNumber covering =
          table.tombstones() == nullptr ? 0
                                        : table.tombstones()->CoveringSequence(
                                              user_key, kMaxSequenceNumber);
      dump += user_key.ToString(/*hex=*/true) + "\t" +
              std::to_string(TagSequence(tag)) + "\t" +
              std::to_string(tag & 0xff) + "\t" +
              iterator->value().ToString(/*hex=*/true) + "\t" +
              std::to_string(covering) + "\n";
      entries->emplace_back(iterator->key().ToString(),
                            iterator->value().ToString());
    }
    EXPECT_TRUE(iterator->status().ok()) << iterator->status().ToString();
    return dump;
  }

  TestDirectory root_;
  const std::string directory_ =
      UnpackGolden(kGoldenDirectory, GetParam(), root_.path());
  const InternalKeyComparator forward_{BytewiseComparator()};
  const InternalKeyComparator reverse_{ReverseBytewiseComparator()};
};

TEST_P(TableGoldenTest, EveryEntryIsFoundInEveryWay) {
  if (GetParam() == "compression_zlib" && !CanUncompress(kZlibCompression)) {
    GTEST_SKIP() << "not in this build";
  }
  const auto tables = ReadGoldenTables();
  for (const GoldenTable& golden : tables.at(GetParam())) {
    SCOPED_TRACE(golden.file);
    const auto table = Open(golden);
    ASSERT_NE(table, nullptr);
    KeysAndValues entries;
    const std::string dump = Dump(*table, &entries);
    EXPECT_EQ(entries.size(), golden.entries);
    EXPECT_EQ(Sha256(dump), golden.sha256);
    const Status status = table->Verify({}, {});
    EXPECT_TRUE(status.ok()) << status.ToString();

    const auto iterator = table->NewIterator({});
    iterator->SeekToLast();
    for (auto expected = entries.rbegin(); expected != entries.rend();
         ++expected) {
      ASSERT_TRUE(iterator->Valid());
      ASSERT_EQ(iterator->key(), Slice(expected->first));
      ASSERT_EQ(iterator->value(), Slice(expected->second));
      iterator->Prev();
    }
    EXPECT_FALSE(iterator->Valid());
    for (const auto& [key, value] : entries) {
      iterator->Seek(key);
      ASSERT_TRUE(iterator->Valid());
      ASSERT_EQ(iterator->key(), Slice(key));
      iterator->SeekForPrev(key);
      ASSERT_TRUE(iterator->Valid());
      ASSERT_EQ(iterator->key(), Slice(key));
      const uint64_t tag = ExtractTag(key);
      Finder finder(tag, value);
      ASSERT_TRUE(
          table
              ->Get({}, ExtractUserKey(key), TagSequence(tag), nullptr, &finder)
              .ok());
      ASSERT_TRUE(finder.is_found);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(RocksDB, TableGoldenTest,
                         testing::ValuesIn(Databases()),
                         [](const auto& parameter) { return parameter.param; });

}  // namespace
}  // namespace paceline
