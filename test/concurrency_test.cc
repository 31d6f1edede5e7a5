// Writers and readers at the same time: readers see whole batches in the order
// of their sequence numbers, and every thread sees its own writes.

#include <algorithm>
#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "paceline/db.h"

#include "gtest/gtest.h"
#include "src/db/inspection.h"
#include "test/support/effort.h"
#include "test/support/test_database.h"
#include "test/support/test_directory.h"

namespace paceline {
namespace {

constexpr size_t kWriters = 8;
constexpr size_t kReaders = 2;
constexpr size_t kKeysPerBatch = 5;
constexpr const char* kOther = "other";

struct ConcurrencyCase {
  const char* name = "";
  bool allow_mmap = true;
  bool allow_concurrent_memtable_write = true;
  bool visible_before_durable = false;
  // Bytes; small groups and memtables make for many switches.
  uint64_t group_bytes_max = uint64_t{1} << 20;
  size_t write_buffer_size = size_t{64} << 20;
  uint64_t one_sync_in = 50;
};

class ConcurrencyTest : public testing::TestWithParam<ConcurrencyCase> {
 protected:
  ConcurrencyTest() {
    const ConcurrencyCase& options_case = GetParam();
    options_.create_if_missing = true;
    options_.create_missing_column_families = true;
    options_.allow_mmap_writes = options_case.allow_mmap;
    options_.allow_concurrent_memtable_write =
        options_case.allow_concurrent_memtable_write;
    options_.visible_before_durable = options_case.visible_before_durable;
    options_.max_write_batch_group_size_bytes = options_case.group_bytes_max;
    options_.write_buffer_size = options_case.write_buffer_size;
    options_.merge_operator = NewUInt64AddOperator();
    EXPECT_THAT(database_.Open(options_, directory_.path(), {kOther}), IsOk());
  }

  // Fewer where nearly every write waits for the device.
  static uint64_t WritesPerThread() {
    const uint64_t writes = Effort("PACELINE_CONCURRENCY_WRITES", 4'000, 400);
    return GetParam().one_sync_in < 10 ? writes / 10 : writes;
  }

  // Runs `write(thread)` in every writer, and `read()` in the readers for as
  // long as writers run, once at least.
  template <typename Write, typename Read>
  void Run(Write write, Read read) {
    std::atomic<size_t> running = kWriters;
    std::vector<std::thread> threads;
    for (size_t thread = 0; thread < kWriters; ++thread) {
      threads.emplace_back([&, thread] {
        write(thread);
        --running;
      });
    }
    for (size_t reader = 0; reader < kReaders; ++reader) {
      threads.emplace_back([&] {
        do {
          read();
        } while (running > 0 && !HasFailure());
      });
    }
    for (std::thread& thread : threads) thread.join();
  }

  WriteOptions OptionsOf(uint64_t number) const {
    return {.sync = number % GetParam().one_sync_in == 0};
  }

  // Puts `value` under the shared keys of both families.
  Status WriteShared(const std::string& value, const WriteOptions& options) {
    WriteBatch batch;
    for (size_t key = 0; key < kKeysPerBatch; ++key) {
      for (const char* family : {"default", kOther}) {
        Status status = batch.Put(database_.Family(family),
                                  "shared" + std::to_string(key), value);
        if (!status.ok()) return status;
      }
    }
    return database_->Write(options, &batch);
  }

  // The values of the shared keys at one time; they must be equal.
  static void ExpectEqual(const std::vector<Status>& statuses,
                          const std::vector<std::string>& values) {
    for (size_t i = 0; i < values.size(); ++i) {
      EXPECT_EQ(statuses[i].code(), statuses[0].code());
      EXPECT_EQ(values[i], values[0]) << "half a batch was seen";
    }
  }

  void ReadSharedByMultiGet() {
    std::vector<ColumnFamilyHandle*> families;
    std::vector<std::string> keys;
    for (size_t key = 0; key < kKeysPerBatch; ++key) {
      for (const char* family : {"default", kOther}) {
        families.push_back(database_.Family(family));
        keys.push_back("shared" + std::to_string(key));
      }
    }
    std::vector<std::string> values;
    const auto statuses = database_->MultiGet(
        {}, families, std::vector<Slice>(keys.begin(), keys.end()), &values);
    ExpectEqual(statuses, values);
  }

  // Iterators of both families at one snapshot.
  void ReadSharedByIterators() {
    const ManagedSnapshot snapshot(database_.get());
    std::vector<std::string> values;
    std::vector<Status> statuses;
    for (const char* family : {"default", kOther}) {
      const std::unique_ptr<Iterator> iterator(database_->NewIterator(
          {.snapshot = snapshot.snapshot()}, database_.Family(family)));
      for (iterator->Seek("shared"); iterator->Valid(); iterator->Next()) {
        values.push_back(iterator->value().ToString());
        statuses.push_back(iterator->status());
      }
    }
    EXPECT_TRUE(values.empty() || values.size() == 2 * kKeysPerBatch);
    ExpectEqual(statuses, values);
  }

  TestDirectory directory_;
  Options options_;
  TestDatabase database_;
};

TEST_P(ConcurrencyTest, ReadersNeverSeePartOfABatch) {
  Run(
      [&](size_t thread) {
        for (uint64_t number = 0; number < WritesPerThread(); ++number) {
          EXPECT_THAT(
              WriteShared(std::to_string(thread) + "/" + std::to_string(number),
                          OptionsOf(number)),
              IsOk());
        }
      },
      [&] {
        ReadSharedByMultiGet();
        ReadSharedByIterators();
      });
  EXPECT_EQ(database_->GetLatestSequenceNumber(),
            kWriters * WritesPerThread() * kKeysPerBatch * 2);
  // One sync a group at most, and one for each WAL that is full.
  const Metrics metrics = database_->GetMetrics();
  EXPECT_EQ(metrics.commits, kWriters * WritesPerThread());
  EXPECT_LE(metrics.wal_syncs, metrics.groups + metrics.wal_switches);
}

TEST_P(ConcurrencyTest, EveryThreadReadsItsOwnWrites) {
  Run(
      [&](size_t thread) {
        const std::string key = "key" + std::to_string(thread);
        SequenceNumber last_sequence = 0;
        for (uint64_t number = 0; number < WritesPerThread(); ++number) {
          EXPECT_THAT(
              database_->Put(OptionsOf(number), key, std::to_string(number)),
              IsOk());
          const SequenceNumber sequence = database_->GetLatestSequenceNumber();
          EXPECT_GT(sequence, last_sequence);
          last_sequence = sequence;
          std::string value;
          EXPECT_THAT(database_->Get({}, key, &value), IsOk());
          EXPECT_EQ(value, std::to_string(number));
        }
      },
      [&, last = std::atomic<SequenceNumber>(0)]() mutable {
        const SequenceNumber before = last.load();
        const SequenceNumber sequence = database_->GetLatestSequenceNumber();
        EXPECT_GE(sequence, before);
        last.store(sequence);
      });
}

// Another thread that learns of a write must see it, and what was before it.
TEST_P(ConcurrencyTest, AnAcknowledgedWriteIsSeenByEveryLaterRead) {
  std::vector<std::atomic<uint64_t>> acknowledged(kWriters);
  Run(
      [&](size_t thread) {
        const std::string key = "key" + std::to_string(thread);
        for (uint64_t number = 1; number <= WritesPerThread(); ++number) {
          EXPECT_THAT(
              database_->Put(OptionsOf(number), key, std::to_string(number)),
              IsOk());
          acknowledged[thread].store(number);
        }
      },
      [&] {
        for (size_t thread = 0; thread < kWriters; ++thread) {
          const uint64_t least = acknowledged[thread].load();
          if (least == 0) continue;
          std::string value;
          EXPECT_THAT(
              database_->Get({}, "key" + std::to_string(thread), &value),
              IsOk());
          EXPECT_GE(std::stoull(value), least);
        }
      });
}

TEST_P(ConcurrencyTest, NoMergeIsLostAndNoneIsAppliedTwice) {
  const std::string one("\x01\0\0\0\0\0\0\0", 8);
  constexpr uint64_t kMergesMax = 500;
  const uint64_t merges = std::min(WritesPerThread(), kMergesMax);
  Run(
      [&](size_t) {
        for (uint64_t number = 0; number < merges; ++number) {
          EXPECT_THAT(database_->Merge(OptionsOf(number), "sum", one), IsOk());
        }
      },
      [&] {
        std::string value;
        const Status status = database_->Get({}, "sum", &value);
        EXPECT_TRUE(status.ok() || status.IsNotFound());
      });
  std::string expected(8, '\0');
  for (size_t byte = 0; byte < expected.size(); ++byte) {
    expected[byte] = static_cast<char>((kWriters * merges) >> (8 * byte));
  }
  for (const bool is_reopened : {false, true}) {
    if (is_reopened) {
      ASSERT_THAT(database_.Close(), IsOk());
      ASSERT_THAT(database_.Open(options_, directory_.path()), IsOk());
    }
    std::string value;
    ASSERT_THAT(database_->Get({}, "sum", &value), IsOk());
    EXPECT_EQ(Slice(value).ToString(true), Slice(expected).ToString(true));
  }
}

// Sizes from nothing to more than a group, with and without sync and WAL.
TEST_P(ConcurrencyTest, WritersOfEveryKindShareTheQueue) {
  const uint64_t writes = WritesPerThread() / 4;
  Run(
      [&](size_t thread) {
        for (uint64_t number = 0; number < writes; ++number) {
          WriteBatch batch;
          const std::string key =
              std::to_string(thread) + "/" + std::to_string(number);
          const size_t bytes = number % 61 == 0 ? 200'000 : number % 300;
          EXPECT_THAT(batch.Put(key, std::string(bytes, 'v')), IsOk());
          WriteOptions options = OptionsOf(number);
          options.no_slowdown = number % 5 == 0;
          options.disableWAL = !options.sync && number % 7 == 0;
          // Flushes may ask writers to wait; then it does not.
          Status status = database_->Write(options, &batch);
          if (options.no_slowdown && status.IsIncomplete()) {
            options.no_slowdown = false;
            status = database_->Write(options, &batch);
          }
          EXPECT_THAT(status, IsOk());
          std::string value;
          EXPECT_THAT(database_->Get({}, key, &value), IsOk());
          EXPECT_EQ(value.size(), bytes);
        }
      },
      [&] { EXPECT_THAT(database_->SyncWAL(), IsOk()); });
  EXPECT_EQ(database_->GetLatestSequenceNumber(), kWriters * writes);
  const Metrics metrics = database_->GetMetrics();
  EXPECT_EQ(metrics.commits, kWriters * writes);
  EXPECT_EQ(metrics.entries, kWriters * writes);
  EXPECT_LE(metrics.groups, metrics.commits);
}

// It looks at so many handles that it may still be at it when the close begins;
// WritePathTest shows without chance what comes of one that is late.
TEST_P(ConcurrencyTest, AFlushThatComesWithTheCloseIsRefusedOrDone) {
  constexpr size_t kHandles = 500'000;
  const int rounds = kIsSanitized ? 1 : 3;
  for (int round = 0; round < rounds; ++round) {
    const std::vector<ColumnFamilyHandle*> handles(kHandles,
                                                   database_.Family("default"));
    EXPECT_THAT(database_->Put({}, "key", "1"), IsOk());
    std::atomic<bool> has_begun = false;
    std::thread flushes([&] {
      has_begun = true;
      const Status status = database_->Flush({}, handles);
      EXPECT_TRUE(status.ok() || status.IsShutdownInProgress())
          << status.ToString();
    });
    while (!has_begun) std::this_thread::yield();
    EXPECT_THAT(database_->Put({}, "key", "2"), IsOk());
    EXPECT_THAT(database_->Close(), IsOk());
    flushes.join();
    EXPECT_THAT(database_->Flush({}), HasCode(Status::kShutdownInProgress));
    EXPECT_THAT(database_.Close(), IsOk());
    ASSERT_THAT(database_.Open(options_, directory_.path(), {kOther}), IsOk());
    std::string value;
    EXPECT_THAT(database_->Get({}, "key", &value), IsOk());
    EXPECT_EQ(value, "2");
  }
}

// What the WALs hold that flushes have left is one dense history, without a gap
// or a repetition.
TEST_P(ConcurrencyTest, TheLogIsOneDenseSequence) {
  const uint64_t writes = WritesPerThread() / 2;
  Run(
      [&](size_t thread) {
        for (uint64_t number = 0; number < writes; ++number) {
          WriteBatch batch;
          for (size_t i = 0; i <= (number + thread) % 3; ++i) {
            EXPECT_THAT(batch.Put("key" + std::to_string(i), "value"), IsOk());
          }
          EXPECT_THAT(database_->Write(OptionsOf(number), &batch), IsOk());
        }
      },
      [] {});
  const SequenceNumber last = database_->GetLatestSequenceNumber();
  ASSERT_THAT(database_.Close(), IsOk());
  uint64_t next = 1;
  bool is_first =
      GetParam().write_buffer_size < ConcurrencyCase().write_buffer_size;
  const Status status = ReadWals(
      FileSystem::Default(), directory_.path(),
      [&](const WalRecord& record) {
        if (is_first) next = record.sequence;
        is_first = false;
        EXPECT_EQ(record.sequence, next) << record.path << record.offset;
        next = record.sequence + record.count;
        return Status::OK();
      },
      [](const LogDamage& damage) {
        ADD_FAILURE() << damage.path << " " << damage.offset << " "
                      << damage.reason;
      });
  EXPECT_THAT(status, IsOk());
  EXPECT_TRUE(is_first || next == last + 1) << next << " " << last;
}

INSTANTIATE_TEST_SUITE_P(
    Options, ConcurrencyTest,
    testing::Values(ConcurrencyCase{.name = "defaults"},
                    ConcurrencyCase{.name = "pwrite", .allow_mmap = false},
                    ConcurrencyCase{.name = "leader_inserts_alone",
                                    .allow_concurrent_memtable_write = false},
                    ConcurrencyCase{.name = "visible_before_durable",
                                    .visible_before_durable = true,
                                    .one_sync_in = 5},
                    ConcurrencyCase{.name = "small_groups_and_memtables",
                                    .group_bytes_max = 1024,
                                    .write_buffer_size = size_t{64} << 10},
                    ConcurrencyCase{.name = "every_write_synced",
                                    .one_sync_in = 1}),
    [](const auto& parameter) { return std::string(parameter.param.name); });

}  // namespace
}  // namespace paceline
