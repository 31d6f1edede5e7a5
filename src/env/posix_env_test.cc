// The POSIX FileSystem: both ways to append, what errors say, and locks.

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "paceline/env.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "src/env/posix_error.h"
#include "src/env/posix_writable_file.h"
#include "test/support/child_process.h"
#include "test/support/seed.h"
#include "test/support/test_directory.h"

namespace paceline {
namespace {

using testing::HasSubstr;
using testing::UnorderedElementsAre;

constexpr uint64_t kWindow = 8192;

class PosixEnvTest : public testing::Test {
 protected:
  std::unique_ptr<WritableFile> NewFile(const std::string& path,
                                        const WritableFileOptions& options) {
    auto file = files_->NewWritableFile(path, options);
    EXPECT_TRUE(file.ok()) << file.status().ToString();
    return file.ok() ? *std::move(file) : nullptr;
  }
  void ExpectError(const Status& status, const std::string& path,
                   bool is_path_missing) {
    EXPECT_TRUE(status.IsIOError()) << status.ToString();
    EXPECT_EQ(status.IsPathNotFound(), is_path_missing) << status.ToString();
    EXPECT_THAT(status.ToString(), HasSubstr(path));
  }

  TestDirectory directory_;
  FileSystem* const files_ = FileSystem::Default();
  const std::string path_ = directory_ / "file";
};

// ---- Appending, in both ways.

struct AppendCase {
  const char* name;
  WritableFileOptions options;
};

class AppendTest : public PosixEnvTest,
                   public testing::WithParamInterface<AppendCase> {
 protected:
  std::unique_ptr<WritableFile> New() {
    return NewFile(path_, GetParam().options);
  }
};

TEST_P(AppendTest, WhatWasAppendedIsThereAtOnceAndAfterClose) {
  auto file = New();
  ASSERT_TRUE(file->Append("first ").ok());
  const Slice pieces[] = {"", "second ", "", "third"};
  ASSERT_TRUE(file->Append(pieces).ok());
  EXPECT_EQ(ReadFileBytes(path_).substr(0, 18), "first second third");
  ASSERT_TRUE(file->Close().ok());
  EXPECT_EQ(ReadFileBytes(path_), "first second third");
}

TEST_P(AppendTest, CloseCutsOffAllocatedSpace) {
  for (size_t size : {size_t{0}, size_t{1}, size_t{kWindow}, size_t{10'000}}) {
    std::filesystem::remove(path_);
    auto file = New();
    ASSERT_TRUE(file->Append(std::string(size, 'x')).ok());
    file->PrepareAhead();
    ASSERT_TRUE(file->Close().ok());
    EXPECT_EQ(ReadFileBytes(path_), std::string(size, 'x'));
  }
}

TEST_P(AppendTest, WithoutCloseOnlyZerosFollow) {
  {
    auto file = New();
    ASSERT_TRUE(file->Append("bytes").ok());
  }
  const std::string bytes = ReadFileBytes(path_);
  EXPECT_EQ(bytes.substr(0, 5), "bytes");
  EXPECT_EQ(bytes.find_first_not_of('\0', 5), std::string::npos);
}

TEST_P(AppendTest, EmptyAppendsChangeNothing) {
  auto file = New();
  ASSERT_TRUE(file->Append("").ok());
  ASSERT_TRUE(file->Append(std::span<const Slice>()).ok());
  const Slice empty[] = {"", ""};
  ASSERT_TRUE(file->Append(empty).ok());
  ASSERT_TRUE(file->Sync().ok());
  ASSERT_TRUE(file->Close().ok());
  EXPECT_EQ(ReadFileBytes(path_), "");
}

TEST_P(AppendTest, PiecesOfEverySizeAroundTheEndOfAWindowAreKept) {
  for (size_t before = kWindow - 12; before <= kWindow + 2; ++before) {
    for (size_t first : {0, 1, 3, 4, 5, 7, 12}) {
      std::filesystem::remove(path_);
      auto file = New();
      std::string expected(before, 'b');
      ASSERT_TRUE(file->Append(expected).ok());
      const std::string header = std::string("0123456789ab").substr(0, first);
      const std::string large(2 * kWindow + 5, 'l');
      const Slice pieces[] = {header, "payload", large};
      ASSERT_TRUE(file->Append(pieces).ok());
      expected += header + "payload" + large;
      ASSERT_TRUE(file->Close().ok());
      ASSERT_TRUE(ReadFileBytes(path_) == expected)
          << before << " bytes, then a first piece of " << first;
    }
  }
}

TEST_P(AppendTest, MorePiecesThanOneSystemCallTakesAreKept) {
  auto file = New();
  std::vector<std::string> strings;
  std::string expected;
  for (int i = 0; i < 2000; ++i) {
    strings.push_back(i % 3 == 0 ? "" : std::to_string(i));
    expected += strings.back();
  }
  const std::vector<Slice> pieces(strings.begin(), strings.end());
  ASSERT_TRUE(file->Append(pieces).ok());
  ASSERT_TRUE(file->Close().ok());
  EXPECT_EQ(ReadFileBytes(path_), expected);
}

TEST_P(AppendTest, RandomAppendsAreKept) {
  TestRandom random(TestSeed());
  for (int round = 0; round < 30; ++round) {
    std::filesystem::remove(path_);
    auto file = New();
    std::string expected;
    const uint64_t appends = random.Below(40);
    for (uint64_t i = 0; i < appends; ++i) {
      std::vector<std::string> strings(random.Below(6));
      for (std::string& string : strings) {
        string = random.Bytes(random.Below(random.OneIn(8) ? 20'000 : 50));
        expected += string;
      }
      const std::vector<Slice> pieces(strings.begin(), strings.end());
      ASSERT_TRUE(file->Append(pieces).ok());
      if (random.OneIn(3)) file->PrepareAhead();
      if (random.OneIn(5)) {
        ASSERT_TRUE(file->Sync().ok());
      }
    }
    ASSERT_TRUE(file->Close().ok());
    ASSERT_TRUE(ReadFileBytes(path_) == expected);
  }
}

TEST_P(AppendTest, SyncAndPrepareAheadRunBesideAppend) {
  auto file = New();
  std::atomic<bool> is_done = false;
  std::thread beside([&] {
    while (!is_done.load()) {
      file->PrepareAhead();
      EXPECT_TRUE(file->Sync().ok());
    }
  });
  std::string expected;
  for (int i = 0; i < 5000; ++i) {
    const std::string record = "record " + std::to_string(i);
    ASSERT_TRUE(file->Append(record).ok());
    expected += record;
  }
  is_done.store(true);
  beside.join();
  ASSERT_TRUE(file->Close().ok());
  EXPECT_TRUE(ReadFileBytes(path_) == expected);
}

TEST_P(AppendTest, AFileThatExistsIsNotTakenOver) {
  WriteFileBytes(path_, "precious");
  const auto file = files_->NewWritableFile(path_, GetParam().options);
  ExpectError(file.status(), path_, false);
  EXPECT_EQ(ReadFileBytes(path_), "precious");
}

TEST_P(AppendTest, AMissingDirectoryIsPathNotFound) {
  const std::string path = directory_ / "none/file";
  ExpectError(files_->NewWritableFile(path, GetParam().options).status(), path,
              true);
}

INSTANTIATE_TEST_SUITE_P(
    Ways, AppendTest,
    testing::Values(
        AppendCase{"SystemCalls", {}},
        AppendCase{"PreallocatedSystemCalls", {.preallocate_bytes = kWindow}},
        AppendCase{"Mapping",
                   {.preallocate_bytes = kWindow, .allow_mmap = true}}),
    [](const auto& instance) { return instance.param.name; });

// ---- The mapping.

class MappedFileTest : public PosixEnvTest {
 protected:
  void SetUp() override {
    const int fd = open(path_.c_str(), O_RDWR | O_CREAT | O_EXCL, 0644);
    ASSERT_GE(fd, 0);
    if (!IsMappingSound(fd)) {
      close(fd);
      GTEST_SKIP() << "mappings are not used on this file system";
    }
    auto file = MappedWritableFile::Create(path_, fd, kWindow);
    ASSERT_TRUE(file.ok()) << file.status().ToString();
    file_ = *std::move(file);
  }

  uint64_t Size() { return std::filesystem::file_size(path_); }

  std::unique_ptr<WritableFile> file_;
};

TEST_F(MappedFileTest, SpaceIsAllocatedAWindowAtATime) {
  EXPECT_EQ(Size(), kWindow);
  ASSERT_TRUE(file_->Append(std::string(kWindow, 'x')).ok());
  EXPECT_EQ(Size(), kWindow);
  ASSERT_TRUE(file_->Append("y").ok());
  EXPECT_EQ(Size(), 2 * kWindow);
}

TEST_F(MappedFileTest, PrepareAheadAllocatesTheNextWindowFromAQuarterOn) {
  ASSERT_TRUE(file_->Append(std::string(kWindow / 4 - 1, 'x')).ok());
  file_->PrepareAhead();
  EXPECT_EQ(Size(), kWindow);
  ASSERT_TRUE(file_->Append("x").ok());
  file_->PrepareAhead();
  EXPECT_EQ(Size(), 2 * kWindow);
  file_->PrepareAhead();
  EXPECT_EQ(Size(), 2 * kWindow) << "one window ahead is enough";
}

TEST_F(MappedFileTest, PrepareAheadAfterCloseDoesNothing) {
  ASSERT_TRUE(file_->Append("bytes").ok());
  ASSERT_TRUE(file_->Close().ok());
  file_->PrepareAhead();
  EXPECT_EQ(ReadFileBytes(path_), "bytes");
}

TEST_F(MappedFileTest, ManyWindowsAreWrittenWithAndWithoutPreparing) {
  std::string expected;
  for (int i = 0; i < 30; ++i) {
    const std::string piece(5000, static_cast<char>('a' + i % 26));
    ASSERT_TRUE(file_->Append(piece).ok());
    expected += piece;
    if (i % 4 == 0) file_->PrepareAhead();
  }
  ASSERT_TRUE(file_->Close().ok());
  EXPECT_TRUE(ReadFileBytes(path_) == expected);
}

// ---- A full disk. Run in a child process, whose limit on the size of files
// stands in for it.

// Files may grow to `bytes`.
void LimitFileSize(uint64_t bytes) {
  signal(SIGXFSZ, SIG_IGN);
  const rlimit limit{bytes, bytes};
  if (setrlimit(RLIMIT_FSIZE, &limit) != 0) std::abort();
}

bool IsErrorAt(const Status& status, const std::string& path) {
  return status.IsIOError() &&
         status.ToString().find(path) != std::string::npos;
}

TEST_F(PosixEnvTest, AnAppendThatCannotBeWrittenIsAnErrorThatNamesThePath) {
  EXPECT_TRUE(HoldsInChild([&] {
    LimitFileSize(10);
    auto file = files_->NewWritableFile(path_, {});
    return file.ok() && (*file)->Append("12345").ok() &&
           IsErrorAt((*file)->Append("67890abc"), path_);
  }));
}

TEST_F(MappedFileTest, AWindowThatCannotBeAllocatedIsTheAppendsError) {
  EXPECT_TRUE(HoldsInChild([&] {
    LimitFileSize(kWindow + 10);
    if (!file_->Append(std::string(kWindow, 'x')).ok()) return false;
    file_->PrepareAhead();  // Fails as well, and says nothing.
    return IsErrorAt(file_->Append("y"), path_);
  }));
}

TEST_F(PosixEnvTest, AFileWhoseSpaceCannotBeAllocatedIsNotLeftBehind) {
  EXPECT_TRUE(HoldsInChild([&] {
    LimitFileSize(10);
    auto file = files_->NewWritableFile(
        path_, {.preallocate_bytes = kWindow, .allow_mmap = true});
    // Where mappings are not used, nothing is allocated.
    return file.ok() ||
           (IsErrorAt(file.status(), path_) && !std::filesystem::exists(path_));
  }));
}

TEST_F(PosixEnvTest, AFullDiskIsNoSpace) {
  const int fd = open("/dev/full", O_RDWR);
  if (fd < 0) GTEST_SKIP() << "there is no /dev/full";
  PosixWritableFile file("/dev/full", fd, /*ahead_bytes=*/0);
  const Status status = file.Append("byte");
  EXPECT_TRUE(status.IsNoSpace()) << status.ToString();
  EXPECT_THAT(status.ToString(), HasSubstr("/dev/full"));
}

TEST_F(PosixEnvTest, ErrorsHaveTheSubcodeOfTheirReason) {
  for (int full : {ENOSPC, EDQUOT}) {
    EXPECT_TRUE(PosixError("append to", "the/path", full).IsNoSpace());
  }
  for (int missing : {ENOENT, ENOTDIR}) {
    EXPECT_TRUE(PosixError("open", "the/path", missing).IsPathNotFound());
  }
  const Status other = PosixError("sync", "the/path", EIO);
  EXPECT_TRUE(other.IsIOError());
  EXPECT_EQ(other.subcode(), Status::kNone);
  EXPECT_THAT(other.ToString(), HasSubstr("cannot sync the/path"));
  EXPECT_THAT(other.ToString(), HasSubstr("nput/output error"));
}

// ---- Reading.

TEST_F(PosixEnvTest, ASequentialFileIsReadToItsEnd) {
  WriteFileBytes(path_, "0123456789");
  auto file = files_->NewSequentialFile(path_);
  ASSERT_TRUE(file.ok());
  char scratch[8];
  Slice read;
  for (const char* expected : {"0123", "4567", "89", ""}) {
    ASSERT_TRUE((*file)->Read(4, &read, scratch).ok());
    EXPECT_EQ(read, Slice(expected));
  }
}

TEST_F(PosixEnvTest, ARandomAccessFileIsReadAnywhere) {
  WriteFileBytes(path_, "0123456789");
  auto file = files_->NewRandomAccessFile(path_);
  ASSERT_TRUE(file.ok());
  char scratch[8];
  Slice read;
  ASSERT_TRUE((*file)->Read(6, 4, &read, scratch).ok());
  EXPECT_EQ(read, "6789");
  ASSERT_TRUE((*file)->Read(0, 3, &read, scratch).ok());
  EXPECT_EQ(read, "012");
  ASSERT_TRUE((*file)->Read(8, 8, &read, scratch).ok());
  EXPECT_EQ(read, "89");
  ASSERT_TRUE((*file)->Read(100, 8, &read, scratch).ok());
  EXPECT_EQ(read, "");
}

TEST_F(PosixEnvTest, ReadingADirectoryIsAnErrorThatNamesIt) {
  char scratch[8];
  Slice read;
  auto sequential = files_->NewSequentialFile(directory_.path());
  if (sequential.ok()) {
    ExpectError((*sequential)->Read(8, &read, scratch), directory_.path(),
                false);
  }
  auto random = files_->NewRandomAccessFile(directory_.path());
  if (random.ok()) {
    ExpectError((*random)->Read(0, 8, &read, scratch), directory_.path(),
                false);
  }
}

// ---- Names.

TEST_F(PosixEnvTest, MissingPathsAreNamed) {
  const std::string none = directory_ / "none";
  ExpectError(files_->NewSequentialFile(none).status(), none, true);
  ExpectError(files_->NewRandomAccessFile(none).status(), none, true);
  ExpectError(files_->SyncDirectory(none), none, true);
  ExpectError(files_->RemoveDirectory(none), none, true);
  ExpectError(files_->ListDirectory(none).status(), none, true);
  ExpectError(files_->FileSize(none).status(), none, true);
  ExpectError(files_->RemoveFile(none), none, true);
  ExpectError(files_->RenameFile(none, path_), none, true);
  ExpectError(files_->CreateDirectory(none + "/deeper"), none, true);
  ExpectError(files_->LockFile(none + "/LOCK").status(), none, true);
}

TEST_F(PosixEnvTest, AFileUsedAsADirectoryIsNamed) {
  WriteFileBytes(path_, "");
  ExpectError(files_->CreateDirectory(path_), path_, false);
  ExpectError(files_->NewSequentialFile(path_ + "/x").status(), path_, true);
  const auto exists = files_->FileExists(path_ + "/x");
  ASSERT_TRUE(exists.ok());
  EXPECT_FALSE(*exists);
}

TEST_F(PosixEnvTest, DirectoriesAreCreatedListedAndRemoved) {
  const std::string sub = directory_ / "sub";
  ASSERT_TRUE(files_->CreateDirectory(sub).ok());
  EXPECT_TRUE(files_->CreateDirectory(sub).ok()) << "it is there already";
  ASSERT_TRUE(files_->SyncDirectory(directory_.path()).ok());
  WriteFileBytes(sub + "/a", "");
  WriteFileBytes(sub + "/.b", "");
  const auto names = files_->ListDirectory(sub);
  ASSERT_TRUE(names.ok());
  EXPECT_THAT(*names, UnorderedElementsAre("a", ".b"));
  ExpectError(files_->RemoveDirectory(sub), sub, false);
  ASSERT_TRUE(files_->RemoveFile(sub + "/a").ok());
  ASSERT_TRUE(files_->RemoveFile(sub + "/.b").ok());
  EXPECT_TRUE(files_->RemoveDirectory(sub).ok());
  EXPECT_FALSE(std::filesystem::exists(sub));
}

TEST_F(PosixEnvTest, FileExistsAndFileSizeTell) {
  auto exists = files_->FileExists(path_);
  ASSERT_TRUE(exists.ok());
  EXPECT_FALSE(*exists);
  WriteFileBytes(path_, "12345");
  exists = files_->FileExists(path_);
  ASSERT_TRUE(exists.ok());
  EXPECT_TRUE(*exists);
  const auto size = files_->FileSize(path_);
  ASSERT_TRUE(size.ok());
  EXPECT_EQ(*size, 5u);
}

TEST_F(PosixEnvTest, ARenamedFileReplacesItsTarget) {
  WriteFileBytes(path_, "new");
  WriteFileBytes(directory_ / "target", "old");
  ASSERT_TRUE(files_->RenameFile(path_, directory_ / "target").ok());
  EXPECT_EQ(ReadFileBytes(directory_ / "target"), "new");
  EXPECT_FALSE(std::filesystem::exists(path_));
}

// ---- Locks.

TEST_F(PosixEnvTest, ALockedFileIsBusyUntilItsLockIsGone) {
  auto lock = files_->LockFile(path_);
  ASSERT_TRUE(lock.ok()) << lock.status().ToString();
  EXPECT_TRUE(std::filesystem::exists(path_));
  const auto second = files_->LockFile(path_);
  EXPECT_TRUE(second.status().IsBusy());
  EXPECT_THAT(second.status().ToString(), HasSubstr(path_));
  *lock = nullptr;
  EXPECT_TRUE(files_->LockFile(path_).ok());
}

TEST_F(PosixEnvTest, ALockIsOnTheFileWhateverItsName) {
  auto lock = files_->LockFile(path_);
  ASSERT_TRUE(lock.ok());
  std::filesystem::create_symlink(path_, directory_ / "symlink");
  std::filesystem::create_hard_link(path_, directory_ / "hardlink");
  for (const char* name : {"./file", "symlink", "hardlink"}) {
    EXPECT_TRUE(files_->LockFile(directory_ / name).status().IsBusy()) << name;
  }
  EXPECT_TRUE(files_->LockFile(directory_ / "other").ok());
}

// The lock of RocksDB, which is a record lock: it is dropped when any
// descriptor of the file is closed, so a failed attempt must not open one.
TEST_F(PosixEnvTest, OtherProcessesSeeTheLockEvenAfterAFailedAttempt) {
  auto lock = files_->LockFile(path_);
  ASSERT_TRUE(lock.ok());
  ASSERT_TRUE(files_->LockFile(path_).status().IsBusy());
  auto is_locked = [this] {
    const int fd = open(path_.c_str(), O_RDWR);
    struct flock whole_file {};
    whole_file.l_type = F_WRLCK;
    whole_file.l_whence = SEEK_SET;
    return fd >= 0 && fcntl(fd, F_GETLK, &whole_file) == 0 &&
           whole_file.l_type == F_WRLCK;
  };
  EXPECT_TRUE(HoldsInChild(is_locked));
  *lock = nullptr;
  EXPECT_FALSE(HoldsInChild(is_locked));
}

TEST_F(PosixEnvTest, AFileLockedByAnotherProcessIsBusy) {
  int ready[2];
  int done[2];
  ASSERT_EQ(pipe(ready), 0);
  ASSERT_EQ(pipe(done), 0);
  const pid_t child = fork();
  if (child == 0) {
    close(done[1]);
    const int fd = open(path_.c_str(), O_RDWR | O_CREAT, 0644);
    struct flock whole_file {};
    whole_file.l_type = F_WRLCK;
    whole_file.l_whence = SEEK_SET;
    char byte = fcntl(fd, F_SETLK, &whole_file) == 0 ? 'y' : 'n';
    if (write(ready[1], &byte, 1) != 1) _exit(1);
    _exit(read(done[0], &byte, 1) == 0 ? 0 : 1);  // Until the parent closes.
  }
  char byte = 0;
  ASSERT_EQ(read(ready[0], &byte, 1), 1);
  ASSERT_EQ(byte, 'y');
  const auto lock = files_->LockFile(path_);
  EXPECT_TRUE(lock.status().IsBusy()) << lock.status().ToString();
  EXPECT_THAT(lock.status().ToString(), HasSubstr(path_));
  close(done[0]);
  close(done[1]);
  int result = 0;
  ASSERT_EQ(waitpid(child, &result, 0), child);
  EXPECT_TRUE(files_->LockFile(path_).ok());
  close(ready[0]);
  close(ready[1]);
}

// ---- The clock.

TEST(PosixClockTest, TheMonotonicClockNeverGoesBack) {
  Clock* clock = Clock::Default();
  uint64_t last = clock->MonotonicNanos();
  for (int i = 0; i < 1000; ++i) {
    const uint64_t now = clock->MonotonicNanos();
    ASSERT_GE(now, last);
    last = now;
  }
}

}  // namespace
}  // namespace paceline
