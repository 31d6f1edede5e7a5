// TableJobs: flushes and compactions of one column family on a file system in
// memory, without a database around them; and what is in the tables that they
// leave behind.

#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "src/compaction/compaction_job.h"
#include "src/compaction/flush_job.h"
#include "src/table/table_reader.h"
#include "src/version/level_iterator.h"
#include "test/support/fault_file_system.h"
#include "test/support/memory_file_system.h"
#include "test/support/test_table.h"

namespace paceline {

// Thread-compatible.
class TableJobs {
 public:
  static constexpr const char* kDirectory = "/db";

  explicit TableJobs(const ColumnFamilyOptions& options = {})
      : unused_(std::make_shared<UnusedTables>()),
        family_(
            0, "family", options,
            {std::make_shared<TableCache>(&faults_, kDirectory, -1), unused_}) {
  }

  [[nodiscard]] FaultFileSystem* faults() { return &faults_; }
  [[nodiscard]] const ColumnFamily& family() const { return family_; }
  [[nodiscard]] std::vector<std::string> FileNames() const {
    std::vector<std::string> names;
    for (const auto& [path, bytes] : files_.Files()) names.push_back(path);
    return names;
  }

  // A memtable of what is in `table`, whose tombstones may overlap.
  [[nodiscard]] std::shared_ptr<MemTable> MakeMemTable(
      const TestTable& table) const {
    auto memtable = std::make_shared<MemTable>(family_.options().comparator);
    for (const TestTableEntry& entry : table.entries) {
      EXPECT_TRUE(memtable->Add(entry.sequence, entry.type, entry.user_key,
                                entry.value));
    }
    for (const RangeTombstone& tombstone : table.tombstones) {
      EXPECT_TRUE(memtable->Add(tombstone.sequence, ValueType::kRangeDeletion,
                                tombstone.begin, tombstone.end));
    }
    return memtable;
  }

  StatusOr<FlushResult> Flush(
      const std::vector<std::shared_ptr<MemTable>>& memtables,
      const std::vector<SequenceNumber>& snapshots = {}) {
    entries_read_.store(0);
    return FlushMemTables(OutputConfig(), Clock::Default(), snapshots,
                          memtables, &entries_read_);
  }
  [[nodiscard]] uint64_t entries_read() const { return entries_read_.load(); }

  // Flushes `table`, and puts what comes out at a level. Returns its number.
  // As everything is seen by one of the snapshots, nothing is left out.
  uint64_t AddTable(int level, const TestTable& table) {
    std::vector<SequenceNumber> all;
    for (const auto& entry : table.entries) all.push_back(entry.sequence);
    for (const auto& range : table.tombstones) all.push_back(range.sequence);
    std::sort(all.begin(), all.end());
    auto result = Flush({MakeMemTable(table)}, all);
    EXPECT_TRUE(result.ok()) << result.status().ToString();
    FileMetaData file = *result->file;
    file.epoch_number = file.number;
    Place(level, file);
    return file.number;
  }
  void Place(int level, const FileMetaData& file) {
    state_.files[file.number] = {level,
                                 std::make_shared<const FileMetaData>(file)};
  }
  void Remove(uint64_t number) { state_.files.erase(number); }

  // A Version of what was placed. The tables are the same in all of them.
  std::shared_ptr<const Version> MakeVersion() {
    auto version = family_.MakeVersion(state_);
    EXPECT_TRUE(version.ok()) << version.status().ToString();
    family_.Install(*version, {});
    return *version;
  }

  // Of all files of both levels, with no limits to the size of what comes out.
  Compaction MakeCompaction(int level, int output_level) {
    Compaction compaction;
    compaction.version = MakeVersion();
    compaction.level = level;
    compaction.output_level = output_level;
    compaction.inputs = compaction.version->files(level);
    if (output_level != level) {
      compaction.output_inputs = compaction.version->files(output_level);
    }
    compaction.target_file_bytes = uint64_t{1} << 40;
    compaction.max_grandparent_bytes = uint64_t{1} << 40;
    return compaction;
  }
  StatusOr<CompactionResult> Compact(
      const Compaction& compaction,
      const std::vector<SequenceNumber>& snapshots = {},
      std::function<bool()> is_stopping = nullptr) {
    return RunCompaction(compaction, {.output = OutputConfig(),
                                      .clock = Clock::Default(),
                                      .logger = nullptr,
                                      .snapshots = snapshots,
                                      .is_stopping = std::move(is_stopping)});
  }

  // What a table holds; tombstones as fragments.
  TestTable Read(const FileMetaData& file) {
    TestTable found;
    auto table =
        family_.tables().tables->Open(file, family_.tables().reader_options());
    EXPECT_TRUE(table.ok()) << table.status().ToString();
    if (!table.ok()) return found;
    auto iterator = NewLiveTableIterator({table->get(), *table}, {});
    for (iterator->SeekToFirst(); iterator->Valid(); iterator->Next()) {
      const uint64_t tag = ExtractTag(iterator->key());
      found.entries.push_back({ExtractUserKey(iterator->key()).ToString(),
                               TagSequence(tag), TagType(tag),
                               iterator->value().ToString()});
    }
    EXPECT_TRUE(iterator->status().ok());
    if ((*table)->tombstones() == nullptr) return found;
    for (const auto& fragment : (*table)->tombstones()->fragments()) {
      for (SequenceNumber sequence : fragment.sequences) {
        found.tombstones.push_back({fragment.begin, fragment.end, sequence});
      }
    }
    return found;
  }
  // All tables together, in the order of internal keys.
  TestTable ReadAll(const std::vector<FileMetaData>& files) {
    TestTable all;
    for (const FileMetaData& file : files) {
      TestTable one = Read(file);
      all.entries.insert(all.entries.end(), one.entries.begin(),
                         one.entries.end());
      all.tombstones.insert(all.tombstones.end(), one.tombstones.begin(),
                            one.tombstones.end());
    }
    return all;
  }

  // "key@sequence:type=value" of each entry.
  static std::vector<std::string> EntryTexts(const TestTable& table) {
    std::vector<std::string> texts;
    for (const TestTableEntry& entry : table.entries) {
      texts.push_back(entry.user_key + '@' + std::to_string(entry.sequence) +
                      ':' + std::to_string(static_cast<int>(entry.type)) + '=' +
                      entry.value);
    }
    return texts;
  }
  // "[begin, end)@sequence".
  static std::vector<std::string> TombstoneTexts(
      const std::vector<RangeTombstone>& tombstones) {
    std::vector<std::string> texts;
    for (const RangeTombstone& tombstone : tombstones) {
      texts.push_back('[' + tombstone.begin + ", " + tombstone.end + ")@" +
                      std::to_string(tombstone.sequence));
    }
    return texts;
  }

 private:
  TableOutput::Config OutputConfig() {
    TableOutput::Config config;
    config.file_system = &faults_;
    config.directory = kDirectory;
    config.family = &family_;
    config.new_file_number = [this] { return ++last_number_; };
    config.now_seconds = 1000;
    return config;
  }

  MemoryFileSystem files_;
  FaultFileSystem faults_{&files_};
  std::shared_ptr<UnusedTables> unused_;
  ColumnFamily family_;
  ManifestState::Family state_;
  uint64_t last_number_ = 0;
  Atomic<uint64_t> entries_read_{0};
};

// What a reader at `snapshot` sees of the table.
inline std::vector<std::pair<std::string, std::string>> VisibleAt(
    const TestTable& table, SequenceNumber snapshot,
    const InternalKeyComparator& comparator) {
  TestTable then;
  for (const TestTableEntry& entry : table.entries) {
    if (entry.sequence <= snapshot) then.entries.push_back(entry);
  }
  for (const RangeTombstone& tombstone : table.tombstones) {
    if (tombstone.sequence <= snapshot) then.tombstones.push_back(tombstone);
  }
  std::sort(then.entries.begin(), then.entries.end(),
            [&](const TestTableEntry& a, const TestTableEntry& b) {
              return comparator.Compare(a.internal_key(), b.internal_key()) < 0;
            });
  return VisibleEntries(then, comparator);
}

// Readers at each of the snapshots see in `found` what they see in `expected`.
inline void ExpectSameViews(const TestTable& found, const TestTable& expected,
                            const std::vector<SequenceNumber>& snapshots,
                            const InternalKeyComparator& comparator) {
  for (SequenceNumber snapshot : snapshots) {
    EXPECT_EQ(VisibleAt(found, snapshot, comparator),
              VisibleAt(expected, snapshot, comparator))
        << "at " << snapshot;
  }
}

}  // namespace paceline
