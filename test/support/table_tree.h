// TableTreeTest: a fixture with real table files, each on a level, as a Version
// has them.

#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "paceline/env.h"

#include "gtest/gtest.h"
#include "src/format/file_name.h"
#include "src/table/table_cache.h"
#include "src/version/version.h"
#include "test/support/test_directory.h"
#include "test/support/test_table.h"

namespace paceline {

class TableTreeTest : public testing::Test {
 protected:
  TableTreeTest() { OpenWith(/*open_files_max=*/-1, nullptr); }

  // How tables are opened from now on.
  void OpenWith(int open_files_max, std::shared_ptr<BlockCache> block_cache,
                FileSystem* file_system = FileSystem::Default()) {
    context_ = std::make_shared<const TableContext>(
        TableContext{comparator_, "family",
                     std::make_shared<TableCache>(
                         file_system, directory_.path(), open_files_max),
                     std::move(block_cache), unused_});
  }

  // Writes a table of entries, which need not be sorted, and of tombstones. The
  // numbers are 1, 2, 3, ...
  void AddTable(int level, std::vector<TestTableEntry> entries,
                const std::vector<RangeTombstone>& tombstones = {}) {
    std::sort(entries.begin(), entries.end(),
              [this](const TestTableEntry& a, const TestTableEntry& b) {
                return comparator_.Compare(a.internal_key(), b.internal_key()) <
                       0;
              });
    auto file = std::make_shared<FileMetaData>();
    file->number = ++last_number_;
    file->epoch_number = last_number_;
    for (const TestTableEntry& entry : entries) {
      Extend(entry.internal_key(), entry.internal_key(), file.get());
    }
    for (const RangeTombstone& tombstone : tombstones) {
      std::string begin;
      AppendInternalKey(&begin, tombstone.begin, tombstone.sequence,
                        ValueType::kRangeDeletion);
      std::string end = tombstone.end;
      PutFixed64(&end, kRangeTombstoneSentinelTag);
      Extend(begin, end, file.get());
    }
    TestTable table{.entries = std::move(entries), .tombstones = {}};
    const FragmentedRangeTombstones fragmented(tombstones,
                                               BytewiseComparator());
    for (const auto& fragment : fragmented.fragments()) {
      for (const SequenceNumber sequence : fragment.sequences) {
        table.tombstones.push_back({fragment.begin, fragment.end, sequence});
      }
    }
    TableBuilderOptions options;
    options.comparator = &comparator_;
    options.table.block_size = 256;
    ASSERT_TRUE(WriteTable(options, table, PathOf(file->number)).ok());
    auto size = FileSystem::Default()->FileSize(PathOf(file->number));
    ASSERT_TRUE(size.ok());
    file->size = *size;
    family_.files[file->number] = {level, file};
  }

  [[nodiscard]] std::string PathOf(uint64_t number) const {
    return TableFileName(directory_.path(), number);
  }

  std::shared_ptr<const Version> Made() {
    auto version = Version::Make(family_, Version(context_));
    EXPECT_TRUE(version.ok()) << version.status().ToString();
    return *version;
  }

  const InternalKeyComparator comparator_{BytewiseComparator()};
  TestDirectory directory_{TestStorage::kMemory};
  const std::shared_ptr<UnusedTables> unused_ =
      std::make_shared<UnusedTables>();
  std::shared_ptr<const TableContext> context_;
  ManifestState::Family family_;
  uint64_t last_number_ = 0;

 private:
  void Extend(const std::string& smallest, const std::string& largest,
              FileMetaData* file) {
    if (file->smallest.empty() ||
        comparator_.Compare(Slice(smallest), Slice(file->smallest)) < 0) {
      file->smallest = smallest;
    }
    if (file->largest.empty() ||
        comparator_.Compare(Slice(largest), Slice(file->largest)) > 0) {
      file->largest = largest;
    }
  }
};

}  // namespace paceline
