// Fails the k-th allocation of a small workload, once or for ever, for k from
// the first to the last. The workload runs in a process of its own, which may
// end as if it had been killed; what it must not do is to hang, to tear a
// batch, to lose what it acknowledged, or to keep a lock or memory.

#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cinttypes>
#include <csignal>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <functional>
#include <iterator>
#include <latch>
#include <memory>
#include <new>
#include <string>
#include <thread>
#include <vector>

#include "paceline/db.h"

#include "gtest/gtest.h"
#include "test/support/child_process.h"
#include "test/support/effort.h"
#include "test/support/no_logger.h"
#include "test/support/seed.h"
#include "test/support/test_database.h"
#include "test/support/test_directory.h"

namespace paceline {
namespace {

// --- Memory that runs out --------------------------------------------------

std::atomic<bool> is_armed = false;
std::atomic<uint64_t> allocations = 0;  // Since it was armed.
std::atomic<uint64_t> failing = 0;      // The first that fails; 0: none.
std::atomic<bool> fails_for_ever = false;
std::atomic<int64_t> live_allocations = 0;

// The test's own allocations neither count nor fail.
thread_local bool is_exempt = false;

class Exempt {
 public:
  Exempt() : was_exempt_(std::exchange(is_exempt, true)) {}
  ~Exempt() { is_exempt = was_exempt_; }
  Exempt(const Exempt&) = delete;
  Exempt& operator=(const Exempt&) = delete;

 private:
  const bool was_exempt_;
};

bool IsOutOfMemory() {
  if (!is_armed.load() || is_exempt) return false;
  const uint64_t number = allocations.fetch_add(1) + 1;
  const uint64_t first = failing.load();
  if (first == 0) return false;
  return fails_for_ever.load() ? number >= first : number == first;
}

void* TryAllocate(size_t size, size_t alignment) {
  if (IsOutOfMemory()) return nullptr;
  void* memory = nullptr;
  if (alignment <= alignof(std::max_align_t)) {
    memory = std::malloc(std::max<size_t>(size, 1));
  } else if (posix_memalign(&memory, alignment, size) != 0) {
    memory = nullptr;
  }
  if (memory != nullptr) live_allocations.fetch_add(1);
  return memory;
}

void* Allocate(size_t size, size_t alignment) {
  void* memory = TryAllocate(size, alignment);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

void Free(void* memory) {
  if (memory == nullptr) return;
  live_allocations.fetch_sub(1);
  std::free(memory);
}

}  // namespace
}  // namespace paceline

// All forms there are; those for arrays and those that do not throw end in
// these by themselves.
void* operator new(size_t size) { return paceline::Allocate(size, 0); }
void* operator new(size_t size, std::align_val_t alignment) {
  return paceline::Allocate(size, static_cast<size_t>(alignment));
}
void operator delete(void* memory) noexcept { paceline::Free(memory); }
void operator delete(void* memory, size_t /*size*/) noexcept {
  paceline::Free(memory);
}
void operator delete(void* memory, std::align_val_t /*alignment*/) noexcept {
  paceline::Free(memory);
}
void operator delete(void* memory, size_t /*size*/,
                     std::align_val_t /*alignment*/) noexcept {
  paceline::Free(memory);
}
void* operator new[](size_t size) { return paceline::Allocate(size, 0); }
void* operator new[](size_t size, std::align_val_t alignment) {
  return paceline::Allocate(size, static_cast<size_t>(alignment));
}
void operator delete[](void* memory) noexcept { paceline::Free(memory); }
void operator delete[](void* memory, size_t /*size*/) noexcept {
  paceline::Free(memory);
}
void operator delete[](void* memory, std::align_val_t /*alignment*/) noexcept {
  paceline::Free(memory);
}
void operator delete[](void* memory, size_t /*size*/,
                       std::align_val_t /*alignment*/) noexcept {
  paceline::Free(memory);
}
void* operator new(size_t size, const std::nothrow_t& /*tag*/) noexcept {
  return paceline::TryAllocate(size, 0);
}
void* operator new[](size_t size, const std::nothrow_t& /*tag*/) noexcept {
  return paceline::TryAllocate(size, 0);
}
void* operator new(size_t size, std::align_val_t alignment,
                   const std::nothrow_t& /*tag*/) noexcept {
  return paceline::TryAllocate(size, static_cast<size_t>(alignment));
}
void* operator new[](size_t size, std::align_val_t alignment,
                     const std::nothrow_t& /*tag*/) noexcept {
  return paceline::TryAllocate(size, static_cast<size_t>(alignment));
}
void operator delete(void* memory, const std::nothrow_t& /*tag*/) noexcept {
  paceline::Free(memory);
}
void operator delete[](void* memory, const std::nothrow_t& /*tag*/) noexcept {
  paceline::Free(memory);
}

namespace paceline {
namespace {

// --- The workload ----------------------------------------------------------

constexpr const char* kOther = "other";
constexpr const char* kThird = "third";
constexpr uint64_t kThreads = 3;
constexpr uint64_t kWritesPerThread = 10;
constexpr uint64_t kWrites = kThreads * kWritesPerThread;
// All writes together fill the smallest memtable more than once.
constexpr size_t kValueBytes = 4'000;

enum class Outcome : uint32_t {
  kNotTried,
  kTried,  // The process ended in the middle of it.
  kAcknowledged,
  kRefused,  // By a Status.
  kThrown,
};

// How the workload's process ends by itself.
enum ExitCode : int {
  kDone = 0,
  kTerminated = 40,  // An exception left what must not be left half-way.
  kLostAWrite,       // An acknowledged write cannot be read.
  kCannotOpenAgain,
  kLeakedMemory,
  kLeakedDescriptors,
};

// What the process of the workload tells the one that started it.
struct Report {
  std::atomic<const char*> step = "";
  std::atomic<uint64_t> allocations = 0;
  std::atomic<int64_t> leaked = 0;
  std::atomic<Outcome> writes[kWrites] = {};
};

std::string Key(uint64_t id) { return "key" + std::to_string(100 + id); }
std::string Value(uint64_t id) {
  return std::to_string(id) + std::string(kValueBytes, 'v');
}

ptrdiff_t OpenDescriptors() {
  const Exempt exempt;
  return std::distance(std::filesystem::directory_iterator("/proc/self/fd"),
                       std::filesystem::directory_iterator());
}

// Runs in a process of its own, from its beginning to its end.
class Workload {
 public:
  Workload(const Options& options, const std::string& directory, Report* report)
      : options_(options), directory_(directory), report_(report) {}

  ExitCode Run(uint64_t first_failing, bool for_ever) {
    const int64_t live_before = live_allocations.load();
    const ptrdiff_t descriptors_before = OpenDescriptors();
    failing.store(first_failing);
    fails_for_ever.store(for_ever);
    is_armed.store(true);
    if (Try("open", [this] { Open(); }) && db_ != nullptr) UseDatabase();
    report_->allocations.store(allocations.load());
    is_armed.store(false);
    if (const ExitCode code = CheckAfterwards(); code != kDone) return code;
    CloseDatabase();
    report_->step.store("reopen");
    Open();
    if (db_ == nullptr) return kCannotOpenAgain;
    CloseDatabase();
    report_->leaked.store(live_allocations.load() - live_before);
    if (report_->leaked.load() != 0) return kLeakedMemory;
    return OpenDescriptors() == descriptors_before ? kDone : kLeakedDescriptors;
  }

 private:
  // False if there was no memory for it.
  template <typename Action>
  bool Try(const char* step, Action action) {
    if (!is_exempt) report_->step.store(step);
    try {
      action();
      return true;
    } catch (const std::bad_alloc&) {
      return false;
    }
  }

  void Open() {
    handles_.clear();
    std::vector<ColumnFamilyDescriptor> families = {
        {kDefaultColumnFamilyName, options_}, {kOther, options_}};
    if (has_third_) families.push_back({kThird, options_});
    const Status status =
        DB::Open(options_, directory_, families, &handles_, &db_);
    if (!status.ok()) db_ = nullptr;
  }

  // Each step is tried, whatever became of the one before.
  void UseDatabase() {
    WriteFromManyThreads();
    Try("flush", [this] { Ignore(db_->Flush({}, handles_)); });
    Try("read", [this] { Read(); });
    Try("create a family", [this] {
      ColumnFamilyHandle* handle = nullptr;
      has_third_ = true;  // Also if there is no memory to say so.
      has_third_ = db_->CreateColumnFamily(options_, kThird, &handle).ok();
      const std::unique_ptr<ColumnFamilyHandle> owned(handle);
      if (has_third_) has_third_ = !db_->DropColumnFamily(handle).ok();
    });
    Try("compact", [this] { Ignore(db_->CompactRange({}, nullptr, nullptr)); });
    Try("wait", [this] { Ignore(db_->WaitForCompact({})); });
    Try("lock the WAL", [this] {
      if (db_->LockWAL().ok()) Ignore(db_->UnlockWAL());
    });
    Try("sync", [this] { Ignore(db_->SyncWAL()); });
    Try("scan", [this] { Scan(); });
    Try("properties", [this] {
      std::string text;
      db_->GetProperty("rocksdb.stats", &text);
      static_cast<void>(db_->GetMetrics());
    });
    Try("resume", [this] { Ignore(db_->Resume()); });
  }

  static void Ignore(const Status& /*status*/) {}

  // All at once; each goes on with its next write whatever came of the last.
  void WriteFromManyThreads() {
    report_->step.store("write");
    const Exempt exempt;
    std::vector<std::thread> threads;
    for (uint64_t thread = 0; thread < kThreads; ++thread) {
      threads.emplace_back([this, thread] {
        for (uint64_t i = 0; i < kWritesPerThread; ++i) {
          WriteOne(thread * kWritesPerThread + i);
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
  }

  void WriteOne(uint64_t id) {
    WriteBatch batch;
    {
      const Exempt exempt;
      for (ColumnFamilyHandle* handle : handles_) {
        Ignore(batch.Put(handle, Key(id), Value(id)));
      }
    }
    report_->writes[id].store(Outcome::kTried);
    Outcome outcome = Outcome::kThrown;
    try {
      const WriteOptions options = {.sync = id % 4 == 0};
      const Status status = db_->Write(options, &batch);
      outcome = status.ok() ? Outcome::kAcknowledged : Outcome::kRefused;
    } catch (const std::bad_alloc&) {
      outcome = Outcome::kThrown;
    }
    report_->writes[id].store(outcome);
  }

  void Read() {
    std::string value;
    Ignore(db_->Get({}, Key(0), &value));
    const std::vector<std::string> keys = {Key(1), Key(2)};
    const std::vector<Slice> slices(keys.begin(), keys.end());
    std::vector<std::string> values;
    static_cast<void>(db_->MultiGet({}, handles_, slices, &values));
    const ManagedSnapshot snapshot(db_.get());
    Ignore(db_->Get({.snapshot = snapshot.snapshot()}, Key(3), &value));
  }

  void Scan() {
    const std::unique_ptr<Iterator> entries(db_->NewIterator({}));
    for (entries->SeekToFirst(); entries->Valid(); entries->Next()) {
    }
    for (entries->SeekToLast(); entries->Valid(); entries->Prev()) {
    }
  }

  // There is memory again: everything that was acknowledged is there, and
  // nothing is locked.
  ExitCode CheckAfterwards() {
    if (db_ == nullptr) return kDone;
    report_->step.store("afterwards");
    for (uint64_t id = 0; id < kWrites; ++id) {
      if (report_->writes[id].load() != Outcome::kAcknowledged) continue;
      for (ColumnFamilyHandle* handle : handles_) {
        std::string value;
        if (!db_->Get({}, handle, Key(id), &value).ok()) return kLostAWrite;
      }
    }
    std::thread([this] {
      WriteBatch batch;
      Ignore(batch.Put("afterwards", "value"));
      Ignore(db_->Write({.sync = true}, &batch));
    }).join();
    Ignore(db_->Flush({}, handles_));
    Ignore(db_->CompactRange({}, nullptr, nullptr));
    return kDone;
  }

  void CloseDatabase() {
    for (ColumnFamilyHandle* handle : handles_) delete handle;
    std::vector<ColumnFamilyHandle*>().swap(handles_);
    if (db_ != nullptr) Ignore(db_->Close());
    db_ = nullptr;
  }

  const Options options_;
  const std::string directory_;
  Report* const report_;
  bool has_third_ = false;
  std::vector<ColumnFamilyHandle*> handles_;
  std::unique_ptr<DB> db_;
};

// --- One run and its checks ------------------------------------------------

class OutOfMemoryTest : public testing::Test {
 protected:
  OutOfMemoryTest() {
    options_.create_if_missing = true;
    options_.create_missing_column_families = true;
    options_.write_buffer_size = size_t{64} << 10;
    options_.info_log = std::make_shared<NoLogger>();
    WarmUp();
  }

  // What a process keeps for good, for all of its threads and mappings, is
  // there before anything is counted.
  void WarmUp() {
    constexpr size_t kDatabases = 4;
    constexpr ptrdiff_t kReaders = 16;
    std::array<TestDatabase, kDatabases> databases;
    for (size_t i = 0; i < kDatabases; ++i) {
      EXPECT_THAT(databases[i].Open(options_, root_ / std::to_string(i)),
                  IsOk());
      for (uint64_t id = 0; id < kWrites; ++id) {
        EXPECT_THAT(databases[i]->Put({.sync = true}, Key(id), Value(id)),
                    IsOk());
      }
      EXPECT_THAT(databases[i]->CompactRange({}, nullptr, nullptr), IsOk());
    }
    std::latch all_have_read(kReaders);
    std::vector<std::thread> readers;
    for (ptrdiff_t i = 0; i < kReaders; ++i) {
      readers.emplace_back([&] {
        std::string value;
        EXPECT_THAT(databases[0]->Get({}, Key(0), &value), IsOk());
        all_have_read.arrive_and_wait();
      });
    }
    for (std::thread& reader : readers) reader.join();
    for (TestDatabase& database : databases) {
      EXPECT_THAT(database.Close(), IsOk());
    }
  }

  // Runs the workload in a process of its own, in a new directory. The
  // allocations it made.
  uint64_t RunWorkload(uint64_t first_failing, bool for_ever) {
    std::filesystem::remove_all(path_);
    report_.Reset();
    const ChildEnd end = RunInChild(
        [&] {
          // As if it had been killed. What ends by abort() ends by a signal.
          std::set_terminate([] { _exit(kTerminated); });
          return Workload(options_, path_, report_.get())
              .Run(first_failing, for_ever);
        },
        kSecondsMax);
    const std::string step = report_->step.load();
    const int code = end.exit_code;
    EXPECT_EQ(end.signal, 0)
        << "in: " << step << (end.signal == SIGALRM ? " (it hangs)" : "");
    EXPECT_TRUE(code == kDone || (code == kTerminated && first_failing != 0))
        << "exit code " << code << " in: " << step << ", "
        << report_->leaked.load() << " allocations leaked";
    code == kDone ? ++done_ : ++terminated_;
    return report_->allocations.load();
  }

  // What is found by a process that has memory.
  void CheckFound() {
    Options options = options_;
    options.create_missing_column_families = false;
    TestDatabase database;
    ASSERT_THAT(database.Open(options, path_), IsOk());
    for (uint64_t id = 0; id < kWrites; ++id) {
      const Outcome outcome = report_->writes[id].load();
      size_t found = 0;
      for (const char* name : {kDefaultColumnFamilyName.c_str(), kOther}) {
        if (database.Family(name) == nullptr) continue;
        std::string value;
        const Status status =
            database->Get({}, database.Family(name), Key(id), &value);
        if (status.IsNotFound()) continue;
        ASSERT_THAT(status, IsOk());
        EXPECT_EQ(value, Value(id));
        ++found;
      }
      EXPECT_TRUE(found == 0 || found == 2) << "write " << id << " is torn";
      if (outcome == Outcome::kAcknowledged) {
        EXPECT_EQ(found, 2u) << "write " << id << " was acknowledged";
      }
      EXPECT_TRUE(found == 0 || outcome != Outcome::kNotTried);
    }
    EXPECT_THAT(database->Put({}, "a later write", "is accepted"), IsOk());
  }

  // Spreads the runs over all allocations of the workload. One of them is the
  // first: without it the database does not open, so at least that run gets to
  // its end, however few there are.
  void Sweep(bool for_ever) {
    // Three times a run without a fault: threads do not always meet.
    uint64_t last = 0;
    for (int i = 0; i < 3; ++i) last = std::max(last, RunWorkload(0, false));
    ASSERT_FALSE(HasFailure());
    ASSERT_EQ(done_, 3u);
    TestRandom random(TestSeed());
    const RunLimit limit(40, 10);
    uint64_t runs = 0;
    // A step that has no common divisor with any smaller number of runs.
    const double golden = 0.6180339887498949;
    double at = static_cast<double>(random.Below(1000)) / 1000;
    for (; !limit.IsReached(runs); ++runs) {
      at += golden;
      if (at >= 1) at -= 1;
      const uint64_t number =
          runs == 0 ? 1
                    : 1 + static_cast<uint64_t>(at * static_cast<double>(last));
      SCOPED_TRACE("allocation " + std::to_string(number) + " of " +
                   std::to_string(last) +
                   (for_ever ? " and all later ones" : ""));
      RunWorkload(number, for_ever);
      if (!HasFailure()) CheckFound();
      ASSERT_FALSE(HasFailure());
    }
    EXPECT_GT(done_ - 3, 0u) << "no run got to its end";
    EXPECT_GT(terminated_, 0u) << "no commit was cut short";
    ReportCoverage(runs, "runs with a failing allocation");
  }

  const TestDirectory root_{TestStorage::kMemory};
  const std::string path_ = root_ / "db";
  Options options_;
  uint64_t done_ = 0;
  uint64_t terminated_ = 0;

 private:
  // A machine that is very busy may need some.
  static constexpr unsigned kSecondsMax = 30;

  Shared<Report> report_;
};

TEST_F(OutOfMemoryTest, OneFailedAllocationLosesTearsAndLocksNothing) {
  Sweep(/*for_ever=*/false);
}

TEST_F(OutOfMemoryTest, AMachineWithoutMemoryLosesTearsAndLocksNothing) {
  Sweep(/*for_ever=*/true);
}

}  // namespace
}  // namespace paceline
