// Power cuts of real file systems under a process that writes with many
// threads: the file system stops at a random moment without writing anything
// more, and what the next open finds is checked. Every write is checked that
// was acknowledged with sync, no batch is torn, and what is lost is the end of
// the history: nobody who began after a lost write had returned is found.
//
// The program starts itself as the process that writes: see RunChild().
// PACELINE_SEED repeats the choices.

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "paceline/db.h"

#include "gtest/gtest.h"
#include "test/support/effort.h"
#include "test/support/loop_mount.h"
#include "test/support/seed.h"
#include "test/support/subprocess.h"
#include "test/support/test_database.h"

namespace paceline {
namespace {

constexpr size_t kThreads = 4;
constexpr const char* kFamilies[] = {"default", "other"};
constexpr uint64_t kKeysPerFamily = 2;
// A child stops writing then, so that a database stays small.
constexpr uint64_t kBatchesPerThreadMax = 400;
constexpr uint64_t kAcknowledgementsMax = 400;
constexpr uint64_t kCrashesPerDirectory = 8;
constexpr int kDelayMillisMax = 15;
// Where the child finds its end of the pipe.
constexpr int kPipeInChild = 100;

// What a child writes into the pipe when a Write() has returned OK.
struct Acknowledgement {
  uint64_t thread;
  uint64_t id;
  uint64_t is_sync;
  uint64_t returned_nanos;
};

uint64_t Nanos() {
  timespec now = {};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 +
         static_cast<uint64_t>(now.tv_nsec);
}

std::string Key(uint64_t thread, uint64_t id, uint64_t number) {
  char text[64];
  std::snprintf(text, sizeof(text), "%02" PRIu64 "/%08" PRIu64 "/%" PRIu64,
                thread, id, number);
  return text;
}

// The moment that the write began, and some bytes. Most are short; some need
// several blocks of the WAL.
std::string Value(uint64_t thread, uint64_t id, uint64_t began_nanos) {
  const std::string text = std::to_string(began_nanos) + " ";
  const size_t bytes =
      (id + thread) % 61 == 0 ? 40'000 : 30 + (id * 7 + thread) % 300;
  std::string value;
  while (value.size() < bytes) value += text;
  return value;
}

Options DatabaseOptions(bool allow_mmap) {
  Options options;
  options.create_if_missing = true;
  options.create_missing_column_families = true;
  options.allow_mmap_writes = allow_mmap;
  options.write_buffer_size = size_t{64} << 10;
  options.target_file_size_base = uint64_t{64} << 10;
  options.max_bytes_for_level_base = uint64_t{256} << 10;
  return options;
}

// --- The process that writes -----------------------------------------------

// Ends the process; the parent takes that for a failure, unless it has cut the
// power.
[[noreturn]] void EndChild(const std::string& what) {
  std::fprintf(stderr, "child: %s\n", what.c_str());
  ::_exit(1);
}

// When the power is gone, waits for the kill.
void WriteBatches(const TestDatabase& database, uint64_t thread, uint64_t first,
                  uint64_t seed) {
  TestRandom random(seed);
  for (uint64_t id = first; id < first + kBatchesPerThreadMax; ++id) {
    const std::string value = Value(thread, id, Nanos());
    WriteBatch batch;
    for (const char* family : kFamilies) {
      for (uint64_t number = 0; number < kKeysPerFamily; ++number) {
        const Status s =
            batch.Put(database.Family(family), Key(thread, id, number), value);
        if (!s.ok()) EndChild(s.ToString());
      }
    }
    const bool is_sync = random.OneIn(thread == 0 ? 2 : 30);
    if (!database->Write({.sync = is_sync}, &batch).ok()) return;
    const Acknowledgement done = {thread, id, is_sync ? 1U : 0U, Nanos()};
    if (::write(kPipeInChild, &done, sizeof(done)) != sizeof(done)) {
      EndChild("the pipe is closed");
    }
  }
}

// Arguments: directory, "mmap" or "pwrite", seed, and for each thread the id
// that it begins with.
int RunChild(const std::vector<std::string>& arguments) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (arguments.size() != 3 + kThreads) EndChild("wrong arguments");
  TestDatabase database;
  const Status s = database.Open(DatabaseOptions(arguments[1] == "mmap"),
                                 arguments[0], {kFamilies[1]});
  if (s.ok()) {
    std::vector<std::thread> threads;
    for (size_t thread = 0; thread < kThreads; ++thread) {
      threads.emplace_back([&, thread] {
        WriteBatches(database, thread, std::stoull(arguments[3 + thread]),
                     std::stoull(arguments[2]) + thread);
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
  while (true) ::pause();
}

// --- The process that cuts the power ---------------------------------------

class PowerCutTest : public testing::TestWithParam<const char*> {
 protected:
  // What is known of a batch.
  struct Batch {
    bool is_sync = false;
    uint64_t returned_nanos = 0;  // 0: it is not known to have returned.
  };
  struct Found {
    uint64_t began_nanos = 0;
    size_t entries = 0;
  };
  using Ids = std::array<uint64_t, kThreads>;

  // Runs a child on `directory` until the power is cut: after a random number
  // of acknowledgements or, `is_early`, a random time from its start.
  void RunAndCut(const LoopMount& mount, const std::string& directory,
                 bool allow_mmap, bool is_early) {
    acknowledged_.clear();
    int ends[2];
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    const pid_t child = Start(directory, allow_mmap, ends[1]);
    ::close(ends[1]);
    ASSERT_GT(child, 0);
    if (is_early) {
      pollfd waiting = {.fd = ends[0], .events = 0, .revents = 0};
      ::poll(&waiting, 1, static_cast<int>(random_.Below(kDelayMillisMax)));
    } else {
      ReadAcknowledgements(ends[0], 1 + random_.Below(kAcknowledgementsMax));
    }
    int state = 0;
    EXPECT_EQ(::waitpid(child, &state, WNOHANG), 0) << "the child has ended";
    cut_began_nanos_ = Nanos();
    ASSERT_TRUE(mount.CutPower());
    ::kill(child, SIGKILL);
    ASSERT_EQ(::waitpid(child, &state, 0), child);
    ReadAcknowledgements(ends[0], UINT64_MAX);
    ::close(ends[0]);
  }

  // Compares with what was acknowledged; then only what was found must be
  // found again.
  void Check(const std::string& directory, bool allow_mmap) {
    TestDatabase database;
    ASSERT_THAT(
        database.Open(DatabaseOptions(allow_mmap), directory, {kFamilies[1]}),
        IsOk());
    std::array<std::map<uint64_t, Found>, kThreads> found;
    for (const auto& [family, entries] : database.ReadAll()) {
      for (const auto& [key, value] : entries) TakeIn(key, value, &found);
    }
    EXPECT_THAT(database.Close(), IsOk());
    ASSERT_FALSE(HasFailure());
    uint64_t newest_began = 0;
    for (size_t thread = 0; thread < kThreads; ++thread) {
      const auto& of_thread = found[thread];
      const uint64_t last = of_thread.empty() ? 0 : of_thread.rbegin()->first;
      ASSERT_EQ(of_thread.size(), last) << "a hole in thread " << thread;
      ASSERT_GE(last, last_ids_[thread])
          << "thread " << thread << " lost what had been read";
      for (const auto& [id, batch] : of_thread) {
        ASSERT_EQ(batch.entries, kKeysPerFamily * std::size(kFamilies))
            << "a torn batch, thread " << thread << ", id " << id;
        newest_began = std::max(newest_began, batch.began_nanos);
      }
      last_ids_[thread] = last;
    }
    CheckAcknowledged(newest_began);
  }

  void CheckAcknowledged(uint64_t newest_began) {
    for (const auto& [name, batch] : acknowledged_) {
      const auto& [thread, id] = name;
      if (id <= last_ids_[thread]) continue;
      ++lost_;
      // A machine without power answers nobody, but this kernel does, and may
      // say that it has synced what it has dropped.
      if (batch.returned_nanos >= cut_began_nanos_) continue;
      ASSERT_FALSE(batch.is_sync)
          << "a synced write is lost: thread " << thread << ", id " << id;
      ASSERT_GE(batch.returned_nanos, newest_began)
          << "a hole: thread " << thread << ", id " << id;
    }
  }

  static void TakeIn(const std::string& key, const std::string& value,
                     std::array<std::map<uint64_t, Found>, kThreads>* found) {
    uint64_t thread = 0;
    uint64_t id = 0;
    uint64_t number = 0;
    ASSERT_EQ(std::sscanf(key.c_str(), "%" SCNu64 "/%" SCNu64 "/%" SCNu64,
                          &thread, &id, &number),
              3);
    ASSERT_LT(thread, kThreads);
    const uint64_t began = std::strtoull(value.c_str(), nullptr, 10);
    ASSERT_EQ(value, Value(thread, id, began)) << key;
    Found& batch = (*found)[thread][id];
    batch.began_nanos = began;
    ++batch.entries;
  }

  TestRandom random_{TestSeed()};
  // The last batch of each thread that has been read, and must stay.
  Ids last_ids_ = {};
  uint64_t lost_ = 0;  // Acknowledged without sync, and not found.
  uint64_t acknowledgements_ = 0;

 private:
  pid_t Start(const std::string& directory, bool allow_mmap, int pipe) {
    std::vector<std::string> arguments = {
        "power_cut_test", "--child", directory, allow_mmap ? "mmap" : "pwrite",
        std::to_string(random_.Next() >> 1)};
    for (const uint64_t last : last_ids_) {
      arguments.push_back(std::to_string(last + 1));
    }
    return StartWithPipe("/proc/self/exe", arguments, pipe, kPipeInChild);
  }

  // Fewer than `count` at the end of the pipe.
  void ReadAcknowledgements(int pipe, uint64_t count) {
    Acknowledgement done;
    for (; count > 0; --count) {
      const ssize_t bytes = ::read(pipe, &done, sizeof(done));
      if (bytes == 0) return;
      ASSERT_EQ(bytes, static_cast<ssize_t>(sizeof(done)));
      acknowledged_[{done.thread, done.id}] = {done.is_sync != 0,
                                               done.returned_nanos};
      ++acknowledgements_;
    }
  }

  // Of the last child.
  uint64_t cut_began_nanos_ = 0;
  std::map<std::pair<uint64_t, uint64_t>, Batch> acknowledged_;
};

TEST_P(PowerCutTest, PowerCutsLoseNothingSyncedAndLeaveNoHole) {
  LoopMount mount(GetParam(), TestStorage::kMemory);
  const std::string obstacle = mount.Make();
  if (!obstacle.empty()) {
    std::printf("NOT TESTED with %s: %s\n", GetParam(), obstacle.c_str());
    GTEST_SKIP() << obstacle;
  }
  const RunLimit limit(250, 20);
  std::string directory;
  uint64_t crash = 0;
  for (; !limit.IsReached(crash); ++crash) {
    SCOPED_TRACE("PACELINE_SEED=" + std::to_string(TestSeed()) + ", crash " +
                 std::to_string(crash));
    if (crash % kCrashesPerDirectory == 0) {
      if (!directory.empty()) std::filesystem::remove_all(directory);
      directory = mount.path() + "/db" + std::to_string(crash);
      last_ids_ = {};
    }
    RunAndCut(mount, directory, random_.OneIn(2), random_.OneIn(6));
    ASSERT_TRUE(mount.RestorePower());
    ASSERT_FALSE(HasFailure());
    Check(directory, random_.OneIn(2));
    ASSERT_FALSE(HasFailure());
  }
  ReportCoverage(crash, "power cuts");
  ReportCoverage(acknowledgements_, "acknowledged writes");
  ReportCoverage(lost_, "unsynced writes lost");
  // Else the cuts would not reach what they are meant for. Few may do so.
  constexpr uint64_t kFew = 40;
  if (crash > kFew) {
    EXPECT_GT(lost_, 0U);
  }
}

INSTANTIATE_TEST_SUITE_P(FileSystems, PowerCutTest,
                         testing::Values("ext4", "xfs"),
                         [](const auto& parameter) {
                           return std::string(parameter.param);
                         });

}  // namespace
}  // namespace paceline

int main(int argc, char** argv) {
  if (argc > 1 && std::string(argv[1]) == "--child") {
    return paceline::RunChild({argv + 2, argv + argc});
  }
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
