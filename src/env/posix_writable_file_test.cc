#include "src/env/posix_writable_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "src/base/random.h"
#include "test/support/test_directory.h"

namespace paceline {
namespace {

constexpr uint64_t kWindowBytes = 8192;

std::string ReadAll(const std::string& path, size_t bytes) {
  auto file = FileSystem::Default()->NewSequentialFile(path);
  EXPECT_TRUE(file.ok());
  std::string contents(bytes, '\0');
  Slice read;
  EXPECT_TRUE((*file)->Read(bytes, &read, contents.data()).ok());
  return read.ToString();
}

// What a file takes of the disk.
uint64_t SpaceOf(const std::string& path) {
  struct stat info {};
  EXPECT_EQ(stat(path.c_str(), &info), 0);
  return static_cast<uint64_t>(info.st_blocks) * 512;
}

// How many of the first `bytes` of a file are in the page cache.
uint64_t CachedBytesOf(const std::string& path, uint64_t bytes) {
  int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  EXPECT_GE(fd, 0);
  void* memory = mmap(nullptr, bytes, PROT_READ, MAP_SHARED, fd, 0);
  EXPECT_NE(memory, MAP_FAILED);
  const auto page_bytes = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  std::vector<unsigned char> pages(bytes / page_bytes);
  EXPECT_EQ(mincore(memory, bytes, pages.data()), 0);
  munmap(memory, bytes);
  close(fd);
  return page_bytes *
         static_cast<uint64_t>(std::count_if(
             pages.begin(), pages.end(), [](auto page) { return page & 1; }));
}

TEST(PosixWritableFileTest, SpaceIsSetAsideBeyondTheEnd) {
  constexpr uint64_t kAhead = uint64_t{64} << 10;
  TestDirectory directory;
  const std::string path = directory / "file";
  auto file = FileSystem::Default()->NewWritableFile(
      path, {.preallocate_bytes = kAhead});
  ASSERT_TRUE(file.ok());
  if (SpaceOf(path) == 0) GTEST_SKIP() << "no fallocate() in " << path;
  const std::string bytes(1000, 'x');
  for (uint64_t size = 0; size < 4 * kAhead; size += bytes.size()) {
    EXPECT_EQ(std::filesystem::file_size(path), size);
    EXPECT_GE(SpaceOf(path), size + kAhead / 2);
    EXPECT_LE(SpaceOf(path), size + 2 * kAhead);
    ASSERT_TRUE((*file)->Append(bytes).ok());
  }
  const uint64_t size = std::filesystem::file_size(path);
  ASSERT_TRUE((*file)->Close().ok());
  EXPECT_EQ(std::filesystem::file_size(path), size);
  EXPECT_LE(SpaceOf(path), size + kAhead / 4) << "the rest is given back";
}

StatusOr<std::unique_ptr<WritableFile>> NewMapped(
    const std::string& path, uint64_t window_bytes = kWindowBytes,
    uint64_t expected_bytes = 0) {
  return FileSystem::Default()->NewWritableFile(
      path, {.preallocate_bytes = window_bytes,
             .expected_bytes = expected_bytes,
             .allow_mmap = true});
}

// Appends pieces of up to `body_bytes_max` while the next window is prepared
// all the time, and compares what is read with them.
void AppendBesidePreparing(uint64_t window_bytes, uint64_t body_bytes_max,
                           int appends) {
  TestDirectory directory;
  std::string path = directory.path() + "/file";
  auto file = NewMapped(path, window_bytes);
  ASSERT_TRUE(file.ok()) << file.status().ToString();
  Atomic<bool> stops = false;
  Thread helper([&] {
    while (!stops) (*file)->PrepareAhead();
  });
  Random random(1);
  std::string expected;
  for (int i = 0; i < appends; ++i) {
    std::string header(7, static_cast<char>('a' + i % 26));
    std::string body(random.Uniform(body_bytes_max),
                     static_cast<char>('A' + i % 26));
    std::vector<Slice> pieces = {header, body};
    EXPECT_TRUE((*file)->Append(pieces).ok());
    expected += header + body;
  }
  stops = true;
  helper.join();
  EXPECT_TRUE(ReadAll(path, expected.size()) == expected) << "before Close()";
  ASSERT_TRUE((*file)->Close().ok());
  EXPECT_TRUE(ReadAll(path, expected.size() + 1) == expected);
}

// A piece that ends in one window while the first one, which is stored last,
// began in another: the first window must still be there.
TEST(MappedWritableFileTest, AppendsCrossWindowsWhileOldOnesAreUnmapped) {
  AppendBesidePreparing(kWindowBytes, 20'000, 3000);
}

// Half of them are written by system calls, the others stored.
TEST(MappedWritableFileTest, LargeAppendsMayComeBetweenSmallOnes) {
  AppendBesidePreparing(kWindowBytes, 130'000, 500);
  AppendBesidePreparing(uint64_t{1} << 20, 130'000, 500);
}

// Where syncs are frequent what is appended is written, else stored.
TEST(MappedWritableFileTest, AppendsAreTheSameHoweverOftenTheyAreSynced) {
  TestDirectory directory;
  const std::string path = directory / "file";
  auto file = NewMapped(path);
  ASSERT_TRUE(file.ok());
  Random random(1);
  std::string expected;
  for (int i = 0; i < 3000; ++i) {
    const std::string header(7, static_cast<char>('a' + i % 26));
    const std::string body(random.Uniform(200),
                           static_cast<char>('A' + i % 26));
    const std::vector<Slice> pieces = {header, body};
    ASSERT_TRUE((*file)->Append(pieces).ok());
    expected += header + body;
    const int appends_per_sync = i % 1000 < 500 ? 3 : 100;
    if (i % appends_per_sync == 0) {
      ASSERT_TRUE((*file)->Sync().ok());
      ASSERT_TRUE(ReadAll(path, expected.size()) == expected) << i;
    }
  }
  ASSERT_TRUE((*file)->Close().ok());
  EXPECT_TRUE(ReadAll(path, expected.size() + 1) == expected);
}

// One that ends just behind the beginning of a page is stored in spite of its
// size.
TEST(MappedWritableFileTest, LargeAppendsMayBeginAnywhereInAPage) {
  TestDirectory directory;
  const std::string path = directory / "file";
  auto file = NewMapped(path);
  ASSERT_TRUE(file.ok());
  const std::string header = "0123456";
  std::string expected;
  for (uint64_t end = 0; end < 10; ++end) {
    // The header ends `end` bytes into a page.
    const uint64_t header_begin = (expected.size() / 4096 + 2) * 4096 + end - 7;
    const std::string filler(header_begin - expected.size(), 'f');
    ASSERT_TRUE((*file)->Append(filler).ok());
    const std::string body(100'000, static_cast<char>('a' + end));
    const std::vector<Slice> pieces = {header, body};
    ASSERT_TRUE((*file)->Append(pieces).ok());
    expected += filler + header + body;
    ASSERT_TRUE(ReadAll(path, expected.size()) == expected) << end;
  }
  ASSERT_TRUE((*file)->Close().ok());
  EXPECT_TRUE(ReadAll(path, expected.size() + 1) == expected);
}

// As for stores: the end of the file is where it was.
TEST(MappedWritableFileTest, ALargeAppendThatFailsIsAnErrorOfThePath) {
  TestDirectory directory;
  const std::string path = directory.path() + "/file";
  auto file = NewMapped(path);
  ASSERT_TRUE(file.ok());
  ASSERT_TRUE((*file)->Append(Slice("hello")).ok());
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  auto* const handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{100'000, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  const std::string large(200'000, 'x');
  const Status status = (*file)->Append(large);
  EXPECT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, handler);
  EXPECT_TRUE(status.IsIOError()) << status.ToString();
  EXPECT_NE(status.ToString().find(path), std::string::npos);
  ASSERT_TRUE((*file)->Close().ok());
  EXPECT_EQ(*FileSystem::Default()->FileSize(path), 5U);
}

// --- What is appended for a sync ---------------------------------------------

TEST(MappedWritableFileTest, WhatIsAppendedForASyncIsWrittenByIt) {
  TestDirectory directory;
  const std::string path = directory / "file";
  auto file = NewMapped(path);
  ASSERT_TRUE(file.ok());
  const std::vector<Slice> pieces = {"one ", "", "two "};
  ASSERT_TRUE((*file)->AppendBeforeSync(pieces).ok());
  ASSERT_TRUE((*file)->AppendBeforeSync(pieces).ok());
  EXPECT_EQ(ReadAll(path, 16), std::string(16, '\0')) << "gathered";
  ASSERT_TRUE((*file)->Sync().ok());
  EXPECT_EQ(ReadAll(path, 16), "one two one two ");
  ASSERT_TRUE((*file)->AppendBeforeSync(pieces).ok());
  ASSERT_TRUE((*file)->Close().ok());
  EXPECT_EQ(ReadAll(path, 100), "one two one two one two ");
}

TEST(MappedWritableFileTest, NothingIsAppendedBehindAHole) {
  TestDirectory directory;
  const std::string path = directory / "file";
  auto file = NewMapped(path);
  ASSERT_TRUE(file.ok());
  const std::string gathered = "gathered";
  ASSERT_TRUE((*file)->AppendBeforeSync({{Slice(gathered)}}).ok());
  std::string expected = gathered;
  // So many that the next one is stored, not written.
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE((*file)->Append(Slice("behind")).ok());
    expected += "behind";
    EXPECT_EQ(ReadAll(path, expected.size()), expected);
  }
  ASSERT_TRUE((*file)->AppendBeforeSync({{Slice(gathered)}}).ok());
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  auto* const handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{expected.size(), before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  const Status synced = (*file)->Sync();
  const Status appended = (*file)->Append(Slice("behind"));
  EXPECT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, handler);
  EXPECT_TRUE(synced.IsIOError()) << synced.ToString();
  EXPECT_NE(synced.ToString().find(path), std::string::npos);
  EXPECT_TRUE(appended.IsIOError()) << appended.ToString();
  EXPECT_EQ(ReadAll(path, expected.size() + 14),
            expected + std::string(14, '\0'));
}

// In any order, of any size, with another thread that syncs.
TEST(MappedWritableFileTest, BothKindsOfAppendsKeepTheirOrder) {
  TestDirectory directory;
  const std::string path = directory / "file";
  auto file = NewMapped(path);
  ASSERT_TRUE(file.ok());
  Atomic<bool> stops = false;
  Thread syncer([&] {
    while (!stops) {
      EXPECT_TRUE((*file)->Sync().ok());
      (*file)->PrepareAhead();
    }
  });
  Random random(1);
  std::string expected;
  for (int i = 0; i < 3000; ++i) {
    const uint64_t bytes_max = random.Uniform(50) == 0 ? 90'000 : 300;
    const std::string header(7, static_cast<char>('a' + i % 26));
    const std::string body(random.Uniform(bytes_max),
                           static_cast<char>('A' + i % 26));
    const std::vector<Slice> pieces = {header, body};
    expected += header + body;
    if (random.Uniform(4) != 0) {
      ASSERT_TRUE((*file)->AppendBeforeSync(pieces).ok());
    } else {
      ASSERT_TRUE((*file)->Append(pieces).ok());
      if (i % 16 != 0) continue;
      ASSERT_TRUE(ReadAll(path, expected.size()) == expected) << i;
    }
  }
  stops = true;
  syncer.join();
  ASSERT_TRUE((*file)->Close().ok());
  EXPECT_TRUE(ReadAll(path, expected.size() + 1) == expected);
}

TEST(MappedWritableFileTest, CloseCutsOffWhatWasAllocatedAhead) {
  TestDirectory directory;
  std::string path = directory.path() + "/file";
  auto file = NewMapped(path);
  ASSERT_TRUE(file.ok());
  ASSERT_TRUE((*file)->Append(Slice("hello")).ok());
  (*file)->PrepareAhead();
  ASSERT_TRUE((*file)->Sync().ok());
  ASSERT_TRUE((*file)->Close().ok());
  EXPECT_EQ(*FileSystem::Default()->FileSize(path), 5U);
}

TEST(MappedWritableFileTest, SpaceForWhatIsExpectedIsThereAtOnce) {
  TestDirectory directory;
  const std::string path = directory / "file";
  constexpr uint64_t kExpected = 10 * kWindowBytes + 1;
  auto file = NewMapped(path, kWindowBytes, kExpected);
  ASSERT_TRUE(file.ok());
  EXPECT_GE(SpaceOf(path), kExpected);
  const uint64_t space = SpaceOf(path);
  const std::string bytes(1000, 'x');
  uint64_t size = 0;
  for (; size + bytes.size() <= kExpected; size += bytes.size()) {
    ASSERT_TRUE((*file)->Append(bytes).ok());
  }
  EXPECT_EQ(SpaceOf(path), space);
  ASSERT_TRUE((*file)->Append(std::string(3 * kWindowBytes, 'x')).ok());
  size += 3 * kWindowBytes;
  EXPECT_GT(SpaceOf(path), space);
  ASSERT_TRUE((*file)->Close().ok());
  EXPECT_EQ(ReadAll(path, size + 1), std::string(size, 'x'));
}

// Allocation is dear, so a file that grows is given more and more at once.
TEST(MappedWritableFileTest, SpaceDoubles) {
  TestDirectory directory;
  const std::string path = directory / "file";
  auto file = NewMapped(path);
  ASSERT_TRUE(file.ok());
  const std::string bytes(1000, 'x');
  int allocations = 0;
  uint64_t space = SpaceOf(path);
  for (uint64_t size = 0; size < 64 * kWindowBytes; size += bytes.size()) {
    ASSERT_TRUE((*file)->Append(bytes).ok());
    if (SpaceOf(path) == space) continue;
    space = SpaceOf(path);
    ++allocations;
  }
  EXPECT_GE(allocations, 3);
  EXPECT_LE(allocations, 8);
}

// Here it may not become as large as it is expected to; elsewhere the disk may
// be too full.
TEST(MappedWritableFileTest, AFileIsMadeAlsoIfThereIsNotSoMuchSpace) {
  TestDirectory directory;
  const std::string path = directory / "file";
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  auto* const handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit limit = {5 * kWindowBytes, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
  auto file = NewMapped(path, kWindowBytes, 100 * kWindowBytes);
  Status s = file.status();
  const std::string window(kWindowBytes, 'x');
  uint64_t windows = 0;
  while (s.ok() && windows < 100) {
    s = (*file)->Append(window);
    if (s.ok()) ++windows;
  }
  setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  EXPECT_TRUE(s.IsIOError()) << s.ToString();
  EXPECT_EQ(windows, 5u);
}

TEST(MappedWritableFileTest, ZerosFollowWhatWasAppendedUntilClose) {
  TestDirectory directory;
  std::string path = directory.path() + "/file";
  auto file = NewMapped(path);
  ASSERT_TRUE(file.ok());
  ASSERT_TRUE((*file)->Append(Slice("hello")).ok());
  std::string contents = ReadAll(path, kWindowBytes);
  EXPECT_EQ(contents.substr(0, 5), "hello");
  EXPECT_EQ(contents.find_first_not_of('\0', 5), std::string::npos);
}

// Whoever makes the first page would make megabytes of zeros at one go.
TEST(MappedWritableFileTest, TheFirstStoreMakesNoOtherPages) {
  constexpr uint64_t kLarge = uint64_t{4} << 20;
  TestDirectory directory;
  const std::string path = directory / "file";
  auto file = NewMapped(path, kLarge);
  ASSERT_TRUE(file.ok());
  ASSERT_TRUE((*file)->Append(Slice("hello")).ok());
  EXPECT_LE(CachedBytesOf(path, kLarge), uint64_t{64} << 10);
}

// As where the disk has died: the file system has no page for the store.
TEST(MappedWritableFileTest, AStoreThatTheFileCannotTakeIsAnError) {
  TestDirectory directory;
  std::string path = directory.path() + "/file";
  auto file = NewMapped(path);
  ASSERT_TRUE(file.ok());
  // So many that the next one is stored, not written.
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE((*file)->Append(Slice("hello")).ok());
  }
  ASSERT_TRUE((*file)->Sync().ok());
  std::filesystem::resize_file(path, 0);
  const Status status = (*file)->Append(Slice("there"));
  EXPECT_TRUE(status.IsIOError()) << status.ToString();
  EXPECT_NE(status.ToString().find(path), std::string::npos);
  EXPECT_TRUE((*file)->Sync().IsIOError());
  EXPECT_TRUE((*file)->Append(Slice("again")).IsIOError());
  (*file)->PrepareAhead();
}

// Other mappings are none of our business.
TEST(MappedWritableFileDeathTest, AStoreElsewhereEndsTheProcess) {
  TestDirectory directory;
  auto file = NewMapped(directory.path() + "/file");
  ASSERT_TRUE(file.ok());
  const std::string other = directory.path() + "/other";
  WriteFileBytes(other, "x");
  const int fd = open(other.c_str(), O_RDWR | O_CLOEXEC);
  void* memory =
      mmap(nullptr, kWindowBytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);
  ASSERT_NE(memory, MAP_FAILED);
  std::filesystem::resize_file(other, 0);
  // By the signal, or by the handler of a sanitizer.
  EXPECT_DEATH(*static_cast<volatile char*>(memory) = 'y', "");
  munmap(memory, kWindowBytes);
}

TEST(PosixWritableFileTest, BothWaysOfAppendingGiveTheSameBytes) {
  TestDirectory directory;
  Random random(2);
  std::vector<std::vector<std::string>> appends;
  for (int i = 0; i < 200; ++i) {
    std::vector<std::string> pieces;
    for (uint64_t n = random.Uniform(400); n > 0; --n) {
      pieces.emplace_back(random.Uniform(40), static_cast<char>(n));
    }
    appends.push_back(std::move(pieces));
  }
  std::string contents[2];
  for (bool allow_mmap : {false, true}) {
    std::string path = directory.path() + (allow_mmap ? "/mapped" : "/written");
    auto file = FileSystem::Default()->NewWritableFile(
        path, {.preallocate_bytes = kWindowBytes, .allow_mmap = allow_mmap});
    ASSERT_TRUE(file.ok());
    for (const auto& pieces : appends) {
      std::vector<Slice> slices(pieces.begin(), pieces.end());
      ASSERT_TRUE((*file)->Append(slices).ok());
    }
    ASSERT_TRUE((*file)->Close().ok());
    contents[allow_mmap ? 1 : 0] = ReadAll(path, size_t{16} << 20);
  }
  EXPECT_FALSE(contents[0].empty());
  EXPECT_TRUE(contents[0] == contents[1]);
}

}  // namespace
}  // namespace paceline
