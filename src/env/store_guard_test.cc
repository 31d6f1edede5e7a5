// Stores into mappings whose file cannot take them: here because it was cut
// off under the mapping, which the system reports as it does a dead disk.

#include "src/env/store_guard.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "test/support/test_directory.h"

namespace paceline {
namespace {

constexpr size_t kPageBytes = 4096;

// A file that is mapped as a whole.
class Mapping {
 public:
  Mapping(const std::string& path, size_t pages) : bytes_(pages * kPageBytes) {
    fd_ = ::open(path.c_str(), O_RDWR | O_CREAT, 0600);
    EXPECT_GE(fd_, 0);
    EXPECT_EQ(::ftruncate(fd_, static_cast<off_t>(bytes_)), 0);
    void* memory =
        ::mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_SHARED, fd_, 0);
    EXPECT_NE(memory, MAP_FAILED);
    memory_ = static_cast<char*>(memory);
  }
  ~Mapping() {
    ::munmap(memory_, bytes_);
    ::close(fd_);
  }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;

  // From now on stores behind so many pages are refused.
  void CutTo(size_t pages) const {
    EXPECT_EQ(::ftruncate(fd_, static_cast<off_t>(pages * kPageBytes)), 0);
  }
  void Store(size_t page, char byte) {
    *static_cast<volatile char*>(memory_ + page * kPageBytes + 7) = byte;
  }
  [[nodiscard]] char Load(size_t page) const {
    return *static_cast<volatile char*>(memory_ + page * kPageBytes + 7);
  }
  // What the file has there; '?' behind its end.
  [[nodiscard]] char InFile(size_t page) const {
    char byte = '?';
    if (::pread(fd_, &byte, 1, static_cast<off_t>(page * kPageBytes + 7)) < 1) {
      return '?';
    }
    return byte;
  }
  char* memory() { return memory_; }
  [[nodiscard]] size_t bytes() const { return bytes_; }

 private:
  const size_t bytes_;
  int fd_ = -1;
  char* memory_ = nullptr;
};

class StoreGuardTest : public testing::Test {
 protected:
  // A process that dies does so alone; see below.
  StoreGuardTest() { GTEST_FLAG_SET(death_test_style, "threadsafe"); }

  TestDirectory directory_;
  Atomic<bool> has_failed_{false};
};
using StoreGuardDeathTest = StoreGuardTest;

TEST_F(StoreGuardTest, AStoreThatIsTakenReachesTheFile) {
  Mapping mapping(directory_ / "file", 2);
  GuardStores(mapping.memory(), mapping.bytes(), &has_failed_);
  mapping.Store(0, 'a');
  mapping.Store(1, 'b');
  UnguardStores(mapping.memory());
  EXPECT_EQ(mapping.InFile(0), 'a');
  EXPECT_EQ(mapping.InFile(1), 'b');
  EXPECT_FALSE(has_failed_.load());
}

TEST_F(StoreGuardTest, AStoreThatIsRefusedIsToldAndGoesOnInMemory) {
  Mapping mapping(directory_ / "file", 3);
  GuardStores(mapping.memory(), mapping.bytes(), &has_failed_);
  mapping.CutTo(1);
  mapping.Store(0, 'a');
  EXPECT_FALSE(has_failed_.load());
  errno = 4711;
  mapping.Store(2, 'c');
  EXPECT_EQ(errno, 4711);  // Whoever stored knows nothing of it.
  EXPECT_TRUE(has_failed_.load());
  EXPECT_EQ(mapping.Load(2), 'c');
  EXPECT_EQ(mapping.InFile(2), '?');
  // The pages that the file has are its own still.
  mapping.Store(0, 'd');
  EXPECT_EQ(mapping.InFile(0), 'd');
  UnguardStores(mapping.memory());
}

TEST_F(StoreGuardTest, EachMappingHasItsFlag) {
  Mapping first(directory_ / "first", 1);
  Mapping second(directory_ / "second", 1);
  Atomic<bool> second_failed{false};
  GuardStores(first.memory(), first.bytes(), &has_failed_);
  GuardStores(second.memory(), second.bytes(), &second_failed);
  first.CutTo(0);
  second.CutTo(0);
  second.Store(0, 'b');
  EXPECT_TRUE(second_failed.load());
  EXPECT_FALSE(has_failed_.load());
  UnguardStores(second.memory());
  first.Store(0, 'a');
  EXPECT_TRUE(has_failed_.load());
  UnguardStores(first.memory());
}

TEST_F(StoreGuardTest, MemoryCanBeGuardedAgainAndAgainWithAnotherFlag) {
  for (int round = 0; round < 50; ++round) {
    Mapping mapping(directory_ / "file", 1 + static_cast<size_t>(round) % 3);
    Atomic<bool> has_failed{false};
    GuardStores(mapping.memory(), mapping.bytes(), &has_failed);
    if (round % 2 == 0) mapping.CutTo(0);
    mapping.Store(0, 'a');
    EXPECT_EQ(has_failed.load(), round % 2 == 0);
    UnguardStores(mapping.memory());
  }
}

// Every thread guards, stores and gives up mappings of its own.
TEST_F(StoreGuardTest, ThreadsFailBesideEachOtherWithTheirOwnFlags) {
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([this, thread] {
      for (int round = 0; round < 30; ++round) {
        Mapping mapping(directory_ / std::to_string(thread), 2);
        Atomic<bool> has_failed{false};
        GuardStores(mapping.memory(), mapping.bytes(), &has_failed);
        const bool is_cut = (round + thread) % 2 == 0;
        if (is_cut) mapping.CutTo(0);
        mapping.Store(1, 'x');
        EXPECT_EQ(has_failed.load(), is_cut);
        EXPECT_EQ(mapping.Load(1), 'x');
        UnguardStores(mapping.memory());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

// --- What is not guarded ends the process as ever ----------------------------

TEST_F(StoreGuardDeathTest, AStoreElsewhereEndsTheProcess) {
  Mapping guarded(directory_ / "guarded", 1);
  Mapping other(directory_ / "other", 1);
  other.CutTo(0);
  EXPECT_DEATH(
      {
        GuardStores(guarded.memory(), guarded.bytes(), &has_failed_);
        other.Store(0, 'x');
      },
      "");
}

TEST_F(StoreGuardDeathTest, MemoryThatIsNotGuardedAnyMoreEndsTheProcess) {
  Mapping mapping(directory_ / "file", 1);
  mapping.CutTo(0);
  EXPECT_DEATH(
      {
        GuardStores(mapping.memory(), mapping.bytes(), &has_failed_);
        UnguardStores(mapping.memory());
        mapping.Store(0, 'x');
      },
      "");
}

TEST_F(StoreGuardDeathTest, ThePageBehindAGuardedOneIsNotGuarded) {
  Mapping mapping(directory_ / "file", 2);
  mapping.CutTo(0);
  EXPECT_DEATH(
      {
        GuardStores(mapping.memory(), kPageBytes, &has_failed_);
        mapping.Store(1, 'x');
      },
      "");
}

TEST_F(StoreGuardDeathTest, ASignalThatSomebodySendsEndsTheProcess) {
  Mapping mapping(directory_ / "file", 1);
  EXPECT_DEATH(
      {
        GuardStores(mapping.memory(), mapping.bytes(), &has_failed_);
        ::raise(SIGBUS);
      },
      "");
}

void ExitWithItsNumber(int number) { ::_exit(100 + number); }
void ExitWithItsCode(int, siginfo_t* info, void*) {
  ::_exit(info->si_code == BUS_ADRERR ? 42 : 43);
}

// Both kinds of handlers that a program may have had before.
TEST_F(StoreGuardDeathTest, AHandlerThatWasThereBeforeGetsTheOthers) {
  Mapping guarded(directory_ / "guarded", 1);
  Mapping other(directory_ / "other", 1);
  guarded.CutTo(0);
  other.CutTo(0);
  EXPECT_EXIT(
      {
        ::signal(SIGBUS, &ExitWithItsNumber);
        GuardStores(guarded.memory(), guarded.bytes(), &has_failed_);
        guarded.Store(0, 'x');
        other.Store(0, 'x');
      },
      testing::ExitedWithCode(100 + SIGBUS), "");
  EXPECT_EXIT(
      {
        struct sigaction action = {};
        action.sa_sigaction = &ExitWithItsCode;
        action.sa_flags = SA_SIGINFO;
        ::sigaction(SIGBUS, &action, nullptr);
        GuardStores(guarded.memory(), guarded.bytes(), &has_failed_);
        guarded.Store(0, 'x');
        other.Store(0, 'x');
      },
      testing::ExitedWithCode(42), "");
}

TEST_F(StoreGuardDeathTest, GivingUpWhatWasNotGuardedEndsTheProcess) {
  Mapping mapping(directory_ / "file", 1);
  EXPECT_DEATH(UnguardStores(mapping.memory()), "");
}

}  // namespace
}  // namespace paceline
