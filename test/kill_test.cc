// Kills a process that writes with many threads, over and over: at random
// times, at each of its file operations, and at its system calls. Then checks
// what the next open finds: everything that was acknowledged, whole batches
// only, of each thread a prefix of what it wrote, and no gap between sequence
// numbers.
//
// The program starts itself as the process to be killed: see RunChild().
// PACELINE_SEED repeats the choices.

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "paceline/db.h"

#include "gtest/gtest.h"
#include "test/support/effort.h"
#include "test/support/killing_file_system.h"
#include "test/support/seed.h"
#include "test/support/subprocess.h"
#include "test/support/test_database.h"
#include "test/support/test_directory.h"

namespace paceline {
namespace {

constexpr size_t kThreads = 8;
constexpr size_t kKeysPerFamily = 3;
constexpr size_t kFamilies = 2;
// With those under the last keys.
constexpr size_t kEntriesPerBatch = kFamilies * (kKeysPerFamily + 1);
constexpr const char* kOtherFamily = "other";
// A child stops writing then, so that a database stays small.
constexpr uint64_t kBatchesPerThreadMax = 1'500;
constexpr uint64_t kAcknowledgementsMax = 400;
constexpr int kDelayMillisMax = 40;
constexpr uint64_t kKillsPerDirectory = 10;
// Where the child finds its end of the pipe.
constexpr int kPipeInChild = 100;

// The last batch of each thread; their ids count from 1.
using LastIds = std::array<uint64_t, kThreads>;

// What a child writes into the pipe when a Write() has returned.
struct Acknowledgement {
  uint64_t thread;
  uint64_t id;
};

std::string LastKey(size_t thread) { return "last" + std::to_string(thread); }

std::string Key(size_t thread, uint64_t id, size_t number) {
  char text[64];
  std::snprintf(text, sizeof(text), "key%zu/%08llu/%zu", thread,
                static_cast<unsigned long long>(id), number);
  return text;
}

// Most are short; some need several blocks of the WAL.
std::string Value(size_t thread, uint64_t id) {
  const std::string text = std::to_string(thread) + ":" + std::to_string(id);
  const size_t bytes =
      (id + thread) % 97 == 0 ? 40'000 : 10 + (id * 7 + thread) % 60;
  std::string value;
  while (value.size() < bytes) value += text + " ";
  return value;
}

Options DatabaseOptions(bool allow_mmap) {
  Options options;
  options.create_if_missing = true;
  options.create_missing_column_families = true;
  options.allow_mmap_writes = allow_mmap;
  options.write_buffer_size = size_t{64} << 10;
  return options;
}

// --- The process that is killed. ---

// Ends the process; only a kill is a good end.
[[noreturn]] void FailChild(const std::string& what) {
  std::fprintf(stderr, "child: %s\n", what.c_str());
  ::_exit(1);
}

void WriteBatches(const TestDatabase& database, size_t thread, uint64_t first,
                  uint64_t seed) {
  TestRandom random(seed);
  for (uint64_t id = first; id < first + kBatchesPerThreadMax; ++id) {
    const std::string value = Value(thread, id);
    WriteBatch batch;
    Status status;
    for (ColumnFamilyHandle* family :
         {database.Family(kDefaultColumnFamilyName),
          database.Family(kOtherFamily)}) {
      for (size_t number = 0; number < kKeysPerFamily; ++number) {
        status = batch.Put(family, Key(thread, id, number), value);
        if (!status.ok()) FailChild(status.ToString());
      }
      status = batch.Put(family, LastKey(thread), std::to_string(id));
      if (!status.ok()) FailChild(status.ToString());
    }
    status = database->Write({.sync = random.OneIn(20)}, &batch);
    if (!status.ok()) FailChild(status.ToString());
    const Acknowledgement done = {thread, id};
    if (::write(kPipeInChild, &done, sizeof(done)) != sizeof(done)) {
      FailChild("the pipe is closed");
    }
  }
}

// The id of the thread's last batch, 0 before the first one.
uint64_t LastId(const TestDatabase& database, size_t thread) {
  std::string value;
  const Status status = database->Get({}, LastKey(thread), &value);
  if (status.IsNotFound()) return 0;
  if (!status.ok()) FailChild(status.ToString());
  return std::stoull(value);
}

// Arguments: directory, "mmap" or "pwrite", seed, the file operation at which
// the process kills itself and its effect (see KillMoment), and for each thread
// the last id that must be there.
int RunChild(const std::vector<std::string>& arguments) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  constexpr size_t kLastIds = 5;
  if (arguments.size() != kLastIds + kThreads) FailChild("wrong arguments");
  KillingFileSystem files(
      {.operation = std::stoull(arguments[3]),
       .effect = static_cast<KillMoment::Effect>(std::stoi(arguments[4]))});
  Options options = DatabaseOptions(arguments[1] == "mmap");
  options.file_system = &files;
  TestDatabase database;
  const Status status = database.Open(options, arguments[0], {kOtherFamily});
  if (!status.ok()) FailChild(status.ToString());
  std::vector<std::thread> threads;
  for (size_t thread = 0; thread < kThreads; ++thread) {
    const uint64_t last = LastId(database, thread);
    if (last < std::stoull(arguments[kLastIds + thread]))
      FailChild("batches lost");
    threads.emplace_back([&, thread, last] {
      WriteBatches(database, thread, last + 1,
                   std::stoull(arguments[2]) + thread);
    });
  }
  for (std::thread& thread : threads) thread.join();
  while (true) ::pause();
}

// --- The process that kills. ---

// How a child comes to its end, at the latest after so many acknowledgements.
struct Kill {
  bool allow_mmap = false;
  uint64_t acknowledgements = kAcknowledgementsMax;
  // Before that, if it is not negative: so long after its start.
  int delay_millis = -1;
  // By itself, at a file operation.
  KillMoment moment = {};
  // By strace, at this system call ("openat:when=3"); empty: not.
  std::string system_call = {};
};

class KillTest : public testing::Test {
 protected:
  // Kills `number` times and looks what is found. `next_kill()` says how.
  template <typename NextKill>
  void KillAgainAndAgain(const RunLimit& limit, NextKill next_kill) {
    std::unique_ptr<TestDirectory> directory;
    uint64_t number = 0;
    for (; !limit.IsReached(number); ++number) {
      SCOPED_TRACE("PACELINE_SEED=" + std::to_string(TestSeed()) + ", kill " +
                   std::to_string(number));
      const bool is_first = number % kKillsPerDirectory == 0;
      if (is_first) {
        directory = std::make_unique<TestDirectory>(
            random_.OneIn(8) ? TestStorage::kDisk : TestStorage::kMemory);
        last_ids_ = {};
      }
      RunAndKill(directory->path(), next_kill());
      ASSERT_FALSE(HasFailure());
      // Now and then two kills in a row, without a look between them.
      const bool is_last = (number + 1) % kKillsPerDirectory == 0;
      if (random_.OneIn(4) && !is_last) continue;
      Check(directory->path(), random_.OneIn(2), random_.OneIn(2));
      ASSERT_FALSE(HasFailure());
    }
    ReportCoverage(number, "kills");
  }

  void RunAndKill(const std::string& directory, const Kill& kill) {
    int ends[2];
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    const pid_t child = Start(directory, kill, ends[1]);
    ::close(ends[1]);
    ASSERT_GT(child, 0);
    if (kill.delay_millis >= 0) {
      WaitForEnd(ends[0], kill.delay_millis);
    } else {
      ReadAcknowledgements(ends[0], kill.acknowledgements);
    }
    ::kill(child, SIGKILL);
    int state = 0;
    ASSERT_EQ(::waitpid(child, &state, 0), child);
    EXPECT_TRUE(WIFSIGNALED(state) && WTERMSIG(state) == SIGKILL)
        << "the child ended by itself: " << state;
    // Under strace the child dies after it; the pipe ends with the last one.
    ReadAcknowledgements(ends[0], UINT64_MAX);
    ::close(ends[0]);
  }

  // Opens `directory` and compares it with the ledger, which then learns what
  // was found: it must still be there after the next kill.
  void Check(const std::string& directory, bool allow_mmap, bool read_only) {
    TestDatabase database;
    const Options options = DatabaseOptions(allow_mmap);
    const Status status =
        read_only ? database.OpenForReadOnly(options, directory)
                  : database.Open(options, directory, {kOtherFamily});
    if (read_only && status.IsInvalidArgument() && last_ids_ == LastIds{}) {
      return;  // Killed before the database was made.
    }
    ASSERT_THAT(status, IsOk());
    std::array<std::vector<size_t>, kThreads> entries_of_id;
    LastIds last_values = {};
    for (const auto& [family, entries] : database.ReadAll()) {
      for (const auto& [key, value] : entries) {
        TakeIn(key, value, &entries_of_id, &last_values);
      }
    }
    uint64_t batches = 0;
    for (size_t thread = 0; thread < kThreads; ++thread) {
      const auto& counts = entries_of_id[thread];
      const uint64_t last = counts.empty() ? 0 : counts.size() - 1;
      for (uint64_t id = 1; id <= last; ++id) {
        ASSERT_EQ(counts[id], kFamilies * kKeysPerFamily)
            << "thread " << thread << ", batch " << id << " of " << last;
      }
      ASSERT_EQ(last_values[thread], last * kFamilies) << "thread " << thread;
      ASSERT_GE(last, last_ids_[thread])
          << "thread " << thread << " lost acknowledged batches";
      last_ids_[thread] = last;
      batches += last;
    }
    // What was lost is behind everything that was found.
    ASSERT_EQ(database->GetLatestSequenceNumber(), batches * kEntriesPerBatch);
  }

  // Counts one entry; last_values sums up the values of the last keys.
  static void TakeIn(const std::string& key, const std::string& value,
                     std::array<std::vector<size_t>, kThreads>* entries_of_id,
                     LastIds* last_values) {
    size_t thread = 0;
    unsigned long long id = 0;
    size_t number = 0;
    if (std::sscanf(key.c_str(), "last%zu", &thread) == 1) {
      ASSERT_LT(thread, kThreads);
      (*last_values)[thread] += std::stoull(value);
      return;
    }
    ASSERT_EQ(
        std::sscanf(key.c_str(), "key%zu/%llu/%zu", &thread, &id, &number), 3);
    ASSERT_LT(thread, kThreads);
    ASSERT_EQ(value, Value(thread, id)) << key;
    auto& counts = (*entries_of_id)[thread];
    if (counts.size() <= id) counts.resize(id + 1);
    ++counts[id];
  }

  TestRandom random_{TestSeed()};
  LastIds last_ids_ = {};  // What must be found: acknowledged or seen before.

 private:
  // The program and its arguments.
  std::vector<std::string> Command(const std::string& directory,
                                   const Kill& kill) {
    std::vector<std::string> command;
    if (!kill.system_call.empty()) {
      const std::string name =
          kill.system_call.substr(0, kill.system_call.find(':'));
      command = {"strace",    "-f",
                 "-qq",       "-o",
                 "/dev/null", "--seccomp-bpf",
                 "-e",        "trace=" + name,
                 "-e",        "inject=" + kill.system_call + ":signal=SIGKILL"};
    }
    command.insert(command.end(),
                   {std::filesystem::read_symlink("/proc/self/exe"), "--child",
                    directory, kill.allow_mmap ? "mmap" : "pwrite",
                    std::to_string(random_.Next() >> 1),
                    std::to_string(kill.moment.operation),
                    std::to_string(static_cast<int>(kill.moment.effect))});
    for (const uint64_t last : last_ids_) {
      command.push_back(std::to_string(last));
    }
    return command;
  }

  pid_t Start(const std::string& directory, const Kill& kill, int pipe) {
    const std::vector<std::string> command = Command(directory, kill);
    return StartWithPipe(command[0], command, pipe, kPipeInChild);
  }

  // Returns after `millis`, or when the child has closed the pipe. What it
  // writes meanwhile stays in the pipe, which may stop it.
  static void WaitForEnd(int pipe, int millis) {
    pollfd waiting = {.fd = pipe, .events = 0, .revents = 0};
    ::poll(&waiting, 1, millis);
  }

  // Notes up to `count` acknowledgements in the ledger; fewer at the end of
  // the pipe.
  void ReadAcknowledgements(int pipe, uint64_t count) {
    Acknowledgement done;
    for (; count > 0; --count) {
      const ssize_t bytes = ::read(pipe, &done, sizeof(done));
      if (bytes == 0) return;
      ASSERT_EQ(bytes, static_cast<ssize_t>(sizeof(done)));
      last_ids_[done.thread] = done.id;
    }
  }
};

TEST_F(KillTest, KillsAtAnyTimeLoseNothingAcknowledgedAndTearNoBatch) {
  KillAgainAndAgain(RunLimit(180, 20), [this] {
    Kill kill = {.allow_mmap = random_.OneIn(2)};
    if (random_.OneIn(4)) {
      kill.delay_millis = static_cast<int>(random_.Below(kDelayMillisMax));
    } else {
      kill.acknowledgements = 1 + random_.Below(kAcknowledgementsMax);
    }
    return kill;
  });
}

// One operation after the other, of which the first ones are those of an open;
// and now and then one that comes much later.
TEST_F(KillTest, KillsAtAnyFileOperationLoseNothingAcknowledged) {
  constexpr uint64_t kInARow = 150;
  constexpr uint64_t kOperationsMax = 600;
  uint64_t next = random_.Below(kInARow);
  KillAgainAndAgain(RunLimit(800, 30), [&] {
    Kill kill = {.allow_mmap = random_.OneIn(2)};
    kill.moment.operation = 1 + next++ % kInARow;
    if (random_.OneIn(4)) {
      kill.moment.operation = 1 + random_.Below(kOperationsMax);
    }
    kill.moment.effect = static_cast<KillMoment::Effect>(random_.Below(3));
    return kill;
  });
}

// What comes between two file operations as this library counts them.
TEST_F(KillTest, KillsAtAnySystemCallLoseNothingAcknowledged) {
  if (kIsSanitized) GTEST_SKIP() << "sanitizers do not like to be traced";
  if (RunProgram({"strace", "-qq", "-o", "/dev/null", "true"}).exit_code != 0) {
    std::printf("NOT TESTED: kills at system calls need strace\n");
    GTEST_SKIP() << "strace cannot be used";
  }
  struct Call {
    const char* name;
    uint64_t times_max;  // A thread makes about so many in its life.
  };
  constexpr Call kCalls[] = {
      {"fdatasync", 30}, {"fsync", 10},  {"pwrite64", 60}, {"pwritev", 60},
      {"openat", 40},    {"rename", 3},  {"unlink", 10},   {"ftruncate", 6},
      {"fallocate", 4},  {"mmap", 40},   {"munmap", 10},   {"close", 40},
      {"write", 300},    {"futex", 100}, {"mkdir", 1},
  };
  KillAgainAndAgain(RunLimit(20, 0), [&] {
    const Call& call = kCalls[random_.Below(std::size(kCalls))];
    return Kill{
        .allow_mmap = random_.OneIn(2),
        .system_call = std::string(call.name) + ":when=" +
                       std::to_string(1 + random_.Below(call.times_max))};
  });
}

}  // namespace
}  // namespace paceline

int main(int argc, char** argv) {
  if (argc > 1 && std::string(argv[1]) == "--child") {
    return paceline::RunChild({argv + 2, argv + argc});
  }
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
