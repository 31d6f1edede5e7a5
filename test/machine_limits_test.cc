// A database at the limits of a real machine: files and disks that are full
// in the middle of a write, descriptors that run out, signals that interrupt
// system calls, processes that fork, clocks that jump, and files of more than
// 4 GiB.

#include <fcntl.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "paceline/db.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "test/support/child_process.h"
#include "test/support/effort.h"
#include "test/support/subprocess.h"
#include "test/support/test_database.h"
#include "test/support/test_directory.h"

namespace paceline {
namespace {

constexpr const char* kOther = "other";
constexpr size_t kWrites = 60;
// All writes together fill the smallest memtable several times.
constexpr size_t kValueBytes = 3'500;

std::string Key(size_t id) { return "key" + std::to_string(100 + id); }
std::string Value(size_t id) {
  return std::to_string(id) + std::string(kValueBytes, 'v');
}

enum class Outcome : uint32_t { kNotTried, kAcknowledged, kRefused };

// What a process that meets a limit tells the one that started it.
struct Report {
  std::array<std::atomic<Outcome>, kWrites> writes = {};
  // Messages that do not tell what was wrong.
  std::atomic<uint32_t> bad_messages = 0;
  std::atomic<uint32_t> refused = 0;
};

// The parameter is allow_mmap_writes.
class MachineLimitsTest : public testing::TestWithParam<bool> {
 protected:
  MachineLimitsTest() {
    options_.create_if_missing = true;
    options_.create_missing_column_families = true;
    options_.write_buffer_size = size_t{64} << 10;
    options_.max_manifest_file_size = uint64_t{1} << 10;
    options_.allow_mmap_writes = GetParam();
    options_.compression = kNoCompression;
  }

  // Writes batches over two families, with flushes and a compaction, until all
  // are tried. Counts what is told that does not name the directory and one of
  // `reasons`.
  void Work(TestDatabase* database,
            const std::vector<std::string>& reasons) const {
    auto tell = [&](const Status& status) {
      if (status.ok()) return true;
      report_->refused.fetch_add(1);
      const std::string text = status.ToString();
      const bool has_reason = std::any_of(
          reasons.begin(), reasons.end(), [&](const std::string& reason) {
            return text.find(reason) != std::string::npos;
          });
      if (!status.IsIOError() || !has_reason ||
          text.find(path_) == std::string::npos) {
        std::fprintf(stderr, "unclear: %s\n", text.c_str());
        report_->bad_messages.fetch_add(1);
      }
      return false;
    };
    if (!tell(database->Open(options_, path_, {kOther}))) return;
    for (size_t id = 0; id < kWrites; ++id) {
      WriteBatch batch;
      for (const char* name : {kDefaultColumnFamilyName.c_str(), kOther}) {
        tell(batch.Put(database->Family(name), Key(id), Value(id)));
      }
      const bool is_ok =
          tell((*database)->Write({.sync = id % 8 == 0}, &batch));
      report_->writes[id] = is_ok ? Outcome::kAcknowledged : Outcome::kRefused;
      if (id % 20 == 19) tell((*database)->Flush({}));
      if (id == kWrites / 2) {
        tell((*database)->CompactRange({}, nullptr, nullptr));
      }
    }
  }

  // Without the limit: everything acknowledged is there, and nothing is torn.
  void CheckFound() {
    TestDatabase database;
    ASSERT_THAT(database.Open(options_, path_, {kOther}), IsOk());
    for (size_t id = 0; id < kWrites; ++id) {
      int found = 0;
      for (const char* name : {kDefaultColumnFamilyName.c_str(), kOther}) {
        std::string value;
        const Status status =
            database->Get({}, database.Family(name), Key(id), &value);
        if (status.IsNotFound()) continue;
        ASSERT_THAT(status, IsOk());
        ASSERT_EQ(value, Value(id));
        ++found;
      }
      const Outcome outcome = report_->writes[id].load();
      EXPECT_NE(found, 1) << "write " << id << " is torn";
      if (outcome == Outcome::kAcknowledged) {
        EXPECT_EQ(found, 2) << "write " << id << " was acknowledged";
      }
      EXPECT_TRUE(found == 0 || outcome != Outcome::kNotTried);
    }
    EXPECT_THAT(database->Put({.sync = true}, "later", "value"), IsOk());
    EXPECT_THAT(database->CompactRange({}, nullptr, nullptr), IsOk());
  }

  TestDirectory directory_{TestStorage::kMemory};
  const std::string path_ = directory_ / "db";
  Options options_;
  Shared<Report> report_;
};

INSTANTIATE_TEST_SUITE_P(AllowMmap, MachineLimitsTest, testing::Bool(),
                         [](const auto& parameter) {
                           return parameter.param ? "mmap" : "pwrite";
                         });

// ---- Files that cannot grow.

// The kernel writes what fits and reports that, then fails: true short writes,
// to whatever file is the first to reach the limit.
TEST_P(MachineLimitsTest, FilesThatCannotGrowAreAnErrorAndLoseNothing) {
  uint64_t refusing = 0;
  // From a limit that no MANIFEST fits into to one that everything does.
  const double factor = kIsSanitized ? 1.9 : 1.3;
  for (double limit = 40; limit < 300'000; limit *= factor) {
    SCOPED_TRACE("files of " + std::to_string(static_cast<int>(limit)));
    std::filesystem::remove_all(path_);
    report_.Reset();
    const ChildEnd end = RunInChild([&] {
      signal(SIGXFSZ, SIG_IGN);
      const rlimit bytes{static_cast<rlim_t>(limit), RLIM_INFINITY};
      if (setrlimit(RLIMIT_FSIZE, &bytes) != 0) return 1;
      auto database = std::make_unique<TestDatabase>();
      Work(database.get(), {std::strerror(EFBIG)});
      static_cast<void>(database->Close());
      return 0;
    });
    ASSERT_EQ(end.exit_code, 0) << "signal " << end.signal;
    EXPECT_EQ(report_->bad_messages, 0u);
    if (report_->refused > 0) ++refusing;
    CheckFound();
    ASSERT_FALSE(HasFailure());
  }
  EXPECT_GT(refusing, 5u);
}

// ---- A disk that is full.

// A file system of a fixed size. Needs root.
class SmallDisk {
 public:
  explicit SmallDisk(std::string path, const std::string& size)
      : path_(std::move(path)) {
    std::filesystem::create_directories(path_);
    is_mounted_ = mount("tmpfs", path_.c_str(), "tmpfs", 0,
                        ("size=" + size).c_str()) == 0;
  }
  ~SmallDisk() {
    if (is_mounted_) umount(path_.c_str());
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;
  [[nodiscard]] bool is_mounted() const { return is_mounted_; }

 private:
  const std::string path_;
  bool is_mounted_ = false;
};

TEST_P(MachineLimitsTest, AFullDiskIsNoSpaceAndResumeGoesOnWhenThereIsSome) {
  for (const size_t pages : {40, 90}) {
    SCOPED_TRACE(std::to_string(pages) + " pages");
    SmallDisk disk(path_, "1m");
    if (!disk.is_mounted()) GTEST_SKIP() << "cannot mount a tmpfs";
    report_.Reset();
    // Leaves so many pages.
    const std::string ballast(size_t{4096} * (256 - pages), 'b');
    const std::string path = path_ + "/ballast";
    WriteFileBytes(path, ballast);
    TestDatabase database;
    Work(&database, {std::strerror(ENOSPC)});
    EXPECT_EQ(report_->bad_messages, 0u);
    EXPECT_GT(report_->refused, 0u) << "the disk was large enough";
    std::filesystem::remove(path);
    if (database.is_open()) {
      EXPECT_THAT(database->Resume(), IsOk());
      EXPECT_THAT(database->Put({.sync = true}, "resumed", "value"), IsOk());
      EXPECT_THAT(database->Flush({}), IsOk());
      EXPECT_THAT(database.Close(), IsOk());
    }
    CheckFound();
    ASSERT_FALSE(HasFailure());
  }
}

// ---- Descriptors that run out.

TEST_P(MachineLimitsTest, WithoutDescriptorsItSaysSoAndLosesNothing) {
  uint64_t refusing = 0;
  for (rlim_t more = 0; more <= 16; more += kIsSanitized ? 5 : 2) {
    SCOPED_TRACE(std::to_string(more) + " descriptors");
    std::filesystem::remove_all(path_);
    report_.Reset();
    const ChildEnd end = RunInChild([&] {
      const int next = open("/dev/null", O_RDONLY | O_CLOEXEC);
      close(next);
      rlimit before{};
      if (getrlimit(RLIMIT_NOFILE, &before) != 0) return 1;
      const rlimit few{static_cast<rlim_t>(next) + more, before.rlim_max};
      if (setrlimit(RLIMIT_NOFILE, &few) != 0) return 1;
      auto database = std::make_unique<TestDatabase>();
      Work(database.get(), {std::strerror(EMFILE)});
      // There are some again.
      if (setrlimit(RLIMIT_NOFILE, &before) != 0) return 1;
      if (database->is_open()) {
        if (!(*database)->Resume().ok()) return 2;
        if (!(*database)->Put({.sync = true}, "resumed", "value").ok())
          return 3;
        if (!(*database)->Flush({}).ok()) return 4;
      }
      if (!database->Close().ok()) return 5;
      // Nothing was left open.
      const int same = open("/dev/null", O_RDONLY | O_CLOEXEC);
      return same == next ? 0 : 6;
    });
    ASSERT_EQ(end.exit_code, 0) << "signal " << end.signal;
    EXPECT_EQ(report_->bad_messages, 0u);
    if (report_->refused > 0) ++refusing;
    CheckFound();
    ASSERT_FALSE(HasFailure());
  }
  EXPECT_GT(refusing, 2u);
}

// ---- Signals.

std::atomic<uint64_t> signals_caught = 0;

// Interrupts this process again and again while it lives.
class Interruptions {
 public:
  Interruptions() {
    signals_caught.store(0);
    struct sigaction action {};
    // Without SA_RESTART: what is interrupted returns EINTR.
    action.sa_handler = [](int) { signals_caught.fetch_add(1); };
    sigaction(SIGALRM, &action, &old_action_);
    Interrupt(300);
  }
  ~Interruptions() {
    Interrupt(0);
    sigaction(SIGALRM, &old_action_, nullptr);
  }
  Interruptions(const Interruptions&) = delete;
  Interruptions& operator=(const Interruptions&) = delete;

 private:
  static void Interrupt(suseconds_t every_micros) {
    const itimerval timer{{0, every_micros}, {0, every_micros}};
    setitimer(ITIMER_REAL, &timer, nullptr);
  }
  struct sigaction old_action_ {};
};

TEST_P(MachineLimitsTest, SignalsInterruptNothing) {
  {
    const Interruptions interruptions;
    TestDatabase database;
    for (int round = 0; round < 3; ++round) {
      Work(&database, {});
      ASSERT_EQ(report_->refused, 0u);
      EXPECT_EQ(database.ReadAll().at(kOther).size(), kWrites);
      ASSERT_THAT(database.Close(), IsOk());
    }
    EXPECT_GT(signals_caught, 0u);
  }
  CheckFound();
}

// ---- Other processes.

// Descriptors of this process that lead into `directory`, by file.
std::map<std::string, int> DescriptorsIn(const std::string& directory) {
  std::map<std::string, int> found;
  for (const auto& entry :
       std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code is_gone;
    const std::string target =
        std::filesystem::read_symlink(entry.path(), is_gone).string();
    if (target.starts_with(directory)) {
      found[target] = std::stoi(entry.path().filename().string());
    }
  }
  return found;
}

TEST_P(MachineLimitsTest, NoDescriptorIsHandedToAProgramThatIsStarted) {
  TestDatabase database;
  Work(&database, {});
  const std::unique_ptr<Iterator> iterator(database->NewIterator({}));
  iterator->SeekToFirst();
  const auto descriptors = DescriptorsIn(path_);
  for (const char* kind : {"/LOCK", "/LOG", "/MANIFEST-", ".log", ".sst"}) {
    EXPECT_TRUE(std::any_of(
        descriptors.begin(), descriptors.end(),
        [&](const auto& d) { return d.first.find(kind) != std::string::npos; }))
        << kind << " is not open";
  }
  for (const auto& [path, fd] : descriptors) {
    EXPECT_EQ(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC) << path;
  }
  const ProgramResult started = RunProgram({"ls", "-l", "/proc/self/fd"});
  ASSERT_EQ(started.exit_code, 0);
  EXPECT_EQ(started.output.find(path_), std::string::npos) << started.output;
}

TEST_P(MachineLimitsTest, AForkedProcessHasNoPartInTheLock) {
  auto code_in_child = [this] {
    return RunInChild([this] {
             std::unique_ptr<DB> db;
             Options options = options_;
             return static_cast<int>(DB::Open(options, path_, &db).code());
           })
        .exit_code;
  };
  std::unique_ptr<DB> db;
  ASSERT_THAT(DB::Open(options_, path_, &db), IsOk());
  EXPECT_EQ(code_in_child(), Status::kBusy);
  // It lives on with copies of all descriptors.
  int alive[2];
  ASSERT_EQ(pipe2(alive, O_CLOEXEC), 0);
  const pid_t child = fork();
  if (child == 0) {
    close(alive[1]);
    char byte = 0;
    _exit(read(alive[0], &byte, 1) == 0 ? 0 : 1);
  }
  EXPECT_EQ(code_in_child(), Status::kBusy) << "a fork has dropped the lock";
  ASSERT_THAT(db->Close(), IsOk());
  db = nullptr;
  EXPECT_EQ(code_in_child(), Status::kOk) << "the fork holds the lock";
  close(alive[0]);
  close(alive[1]);
  int state = 0;
  EXPECT_EQ(waitpid(child, &state, 0), child);
}

// The mapping of a WAL is shared with a forked process, which must not matter
// when that one ends.
TEST_P(MachineLimitsTest, ForksWhileOthersWriteDisturbNobody) {
  {
    TestDatabase database;
    std::atomic<bool> is_done = false;
    std::thread writer([&] {
      Work(&database, {});
      is_done = true;
    });
    int forks = 0;
    do {
      const pid_t child = fork();
      if (child == 0) _exit(7);
      int state = 0;
      EXPECT_EQ(waitpid(child, &state, 0), child);
      EXPECT_EQ(WEXITSTATUS(state), 7);
      ++forks;
    } while (!is_done);
    writer.join();
    EXPECT_EQ(report_->refused, 0u);
    EXPECT_GT(forks, 0);
  }
  CheckFound();
}

// ---- Numbers.

// A wall clock that tests set; the other one is the machine's.
class SetClock final : public Clock {
 public:
  void Set(uint64_t micros) { micros_.store(micros); }
  uint64_t NowMicros() override { return micros_.load(); }
  uint64_t MonotonicNanos() override {
    return Clock::Default()->MonotonicNanos();
  }

 private:
  std::atomic<uint64_t> micros_ = 0;
};

// Forwards past the ends of 32 bits, and back to the beginning.
TEST_P(MachineLimitsTest, TheWallClockMayJumpAndStandStill) {
  SetClock clock;
  options_.clock = &clock;
  constexpr uint64_t kSecond = 1'000'000;
  constexpr uint64_t kTimes[] = {0,
                                 (uint64_t{1} << 31) * kSecond - 1,
                                 (uint64_t{1} << 31) * kSecond,
                                 (uint64_t{1} << 32) * kSecond + 5,
                                 (uint64_t{1} << 32) * kSecond + 5,
                                 kSecond,
                                 (uint64_t{1} << 40) * kSecond,
                                 0};
  Contents expected = {{"default", {}}};
  for (const uint64_t time : kTimes) {
    clock.Set(time);
    TestDatabase database;
    ASSERT_THAT(database.Open(options_, path_), IsOk()) << time;
    const std::string key = "key" + std::to_string(expected["default"].size());
    ASSERT_THAT(database->Put({}, key, std::to_string(time)), IsOk());
    expected["default"].emplace_back(key, std::to_string(time));
    ASSERT_THAT(database->Flush({}), IsOk());
    clock.Set(time / 2);  // In the middle of everything.
    ASSERT_THAT(database->CompactRange({}, nullptr, nullptr), IsOk());
    EXPECT_EQ(Difference(expected, database.ReadAll()), "");
    ASSERT_THAT(database.Close(), IsOk());
  }
}

static_assert(sizeof(off_t) == 8, "offsets of files need 64 bits");
static_assert(sizeof(time_t) == 8, "times need 64 bits");

TEST(LargeFileTest, OffsetsBeyond32BitsAreMeantAsTheyAre) {
  const TestDirectory directory(TestStorage::kMemory);
  const std::string path = directory / "large";
  constexpr uint64_t kFar = (uint64_t{1} << 32) + 12'345;
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  ASSERT_GE(fd, 0);
  // All in between is a hole.
  EXPECT_EQ(pwrite(fd, "near", 4, 12'345), 4);
  EXPECT_EQ(pwrite(fd, "far", 3, static_cast<off_t>(kFar)), 3);
  close(fd);
  FileSystem* files = FileSystem::Default();
  EXPECT_EQ(*files->FileSize(path), kFar + 3);
  const auto file = files->NewRandomAccessFile(path);
  ASSERT_TRUE(file.ok());
  char scratch[16];
  Slice read;
  ASSERT_THAT((*file)->Read(kFar, 10, &read, scratch), IsOk());
  EXPECT_EQ(read, "far");
  ASSERT_THAT((*file)->Read(kFar + 3, 10, &read, scratch), IsOk());
  EXPECT_EQ(read, "");
  ASSERT_THAT((*file)->Read(12'345, 4, &read, scratch), IsOk());
  EXPECT_EQ(read, "near");
}

}  // namespace
}  // namespace paceline
