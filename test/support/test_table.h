// TestTable: what goes into a table, for tests that write one and look at
// what is found in it.

#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "paceline/env.h"

#include "src/format/internal_key.h"
#include "src/format/range_tombstones.h"
#include "src/table/table_builder.h"
#include "test/support/seed.h"

namespace paceline {

struct TestTableEntry {
  std::string user_key;
  SequenceNumber sequence = 0;
  ValueType type = ValueType::kValue;
  std::string value = {};

  [[nodiscard]] std::string internal_key() const {
    std::string key;
    AppendInternalKey(&key, user_key, sequence, type);
    return key;
  }
};

// A plain value.
struct TestTable {
  std::vector<TestTableEntry> entries;     // In the order of internal keys.
  std::vector<RangeTombstone> tombstones;  // Fragments, in their order.
};

struct TestTableOptions {
  size_t entries = 1000;
  // Versions of one key are the more frequent the fewer there are.
  uint64_t keys = 500;
  size_t value_size_max = 200;
  bool has_tombstones = false;
};

// Entries of every kind with sequence numbers of their own.
inline TestTable RandomTestTable(const TestTableOptions& options,
                                 const InternalKeyComparator& comparator,
                                 TestRandom* random) {
  TestTable table;
  SequenceNumber sequence = 0;
  const auto key_of = [](uint64_t number) {
    // Of several lengths, with long and short parts in common.
    return "key" + std::string(number % 3 * 9, 'x') + std::to_string(number);
  };
  while (table.entries.size() < options.entries) {
    TestTableEntry entry{.user_key = key_of(random->Below(options.keys)),
                         .sequence = ++sequence};
    const uint64_t kind = random->Below(10);
    if (kind == 0) {
      entry.type = ValueType::kDeletion;
    } else if (kind == 1) {
      // A key of which there is nothing else.
      entry.user_key = "single" + std::to_string(sequence);
      table.entries.push_back(entry);
      entry.type = ValueType::kSingleDeletion;
      entry.sequence = ++sequence;
    } else {
      if (kind < 4) entry.type = ValueType::kMerge;
      entry.value = random->Letters(random->Below(options.value_size_max + 1));
    }
    table.entries.push_back(std::move(entry));
  }
  std::sort(table.entries.begin(), table.entries.end(),
            [&](const TestTableEntry& a, const TestTableEntry& b) {
              return comparator.Compare(a.internal_key(), b.internal_key()) < 0;
            });
  if (!options.has_tombstones) return table;

  std::vector<std::string> bounds;
  for (int i = 0; i < 20; ++i) {
    bounds.push_back(key_of(random->Below(options.keys)));
  }
  std::sort(bounds.begin(), bounds.end(),
            [&](const std::string& a, const std::string& b) {
              return comparator.CompareUserKeys(a, b) < 0;
            });
  bounds.erase(std::unique(bounds.begin(), bounds.end()), bounds.end());
  for (size_t i = 0; i + 1 < bounds.size(); ++i) {
    if (random->OneIn(2)) continue;
    const SequenceNumber newest = 2 + random->Below(sequence);
    table.tombstones.push_back({bounds[i], bounds[i + 1], newest});
    if (random->OneIn(3)) {
      table.tombstones.push_back({bounds[i], bounds[i + 1], newest / 2});
    }
  }
  return table;
}

// What a reader of the newest versions sees, in the order of user keys. Merge
// operands are joined by commas.
inline std::vector<std::pair<std::string, std::string>> VisibleEntries(
    const TestTable& table, const InternalKeyComparator& comparator) {
  std::vector<std::pair<std::string, std::string>> visible;
  for (size_t i = 0; i < table.entries.size();) {
    const std::string& user_key = table.entries[i].user_key;
    SequenceNumber covered = 0;
    for (const RangeTombstone& tombstone : table.tombstones) {
      if (comparator.CompareUserKeys(tombstone.begin, user_key) <= 0 &&
          comparator.CompareUserKeys(user_key, tombstone.end) < 0) {
        covered = std::max(covered, tombstone.sequence);
      }
    }
    std::string value;
    bool is_there = false;
    bool is_complete = false;
    for (; i < table.entries.size() && table.entries[i].user_key == user_key;
         ++i) {
      const TestTableEntry& entry = table.entries[i];
      if (is_complete || entry.sequence < covered) continue;
      is_complete = entry.type != ValueType::kMerge;
      if (entry.type == ValueType::kValue || entry.type == ValueType::kMerge) {
        value = is_there ? entry.value + "," + value : entry.value;
        is_there = true;
      }
    }
    if (is_there) visible.emplace_back(user_key, value);
  }
  return visible;
}

// Writes a table into the new file `path`.
inline Status WriteTable(const TableBuilderOptions& options,
                         const TestTable& table, const std::string& path) {
  StatusOr<std::unique_ptr<WritableFile>> file =
      FileSystem::Default()->NewWritableFile(path, {});
  if (!file.ok()) return file.status();
  TableBuilder builder(options, std::move(*file), path);
  for (const TestTableEntry& entry : table.entries) {
    Status s = builder.Add(entry.internal_key(), entry.value);
    if (!s.ok()) return s;
  }
  for (const RangeTombstone& tombstone : table.tombstones) {
    builder.AddTombstone(tombstone.begin, tombstone.end, tombstone.sequence);
  }
  return builder.Finish();
}

}  // namespace paceline
