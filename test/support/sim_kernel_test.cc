// The simulated disk against the kernel: random operations on ext4 and xfs on a
// loop device, then a power cut (the file systems' ioctl for it). What is found
// must be among what the simulated disk may leave after the same operations;
// else the crash tests are too kind.

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "paceline/env.h"

#include "gtest/gtest.h"
#include "test/support/effort.h"
#include "test/support/loop_mount.h"
#include "test/support/seed.h"
#include "test/support/sim_file_system.h"
#include "test/support/test_database.h"
#include "test/support/test_directory.h"

namespace paceline {
namespace {

using Files = std::map<std::string, std::string>;

// The same random operations on both disks.
class Twins {
 public:
  Twins(std::string real_root, uint64_t seed)
      : roots_{std::move(real_root), "/d"},
        files_{FileSystem::Default(), &simulated_},
        random_(seed) {
    for (size_t i = 0; i < 2; ++i) {
      EXPECT_THAT(files_[i]->CreateDirectory(roots_[i]), IsOk());
    }
    EXPECT_THAT(simulated_.SyncDirectory("/"), IsOk());
    ::sync();
  }

  void Run(uint64_t operations) {
    for (; operations > 0; --operations) Step();
  }

  // Files stay open until the power is cut.
  void Drop() { open_.clear(); }

  [[nodiscard]] std::string Refute(const Files& found) const {
    return disk_.Refute(found);
  }
  [[nodiscard]] bool HasLost(const Files& found) const {
    return found != disk_.Files();
  }
  // What was done, for a message.
  [[nodiscard]] const std::string& story() const { return story_; }

 private:
  struct OpenFile {
    std::string name;
    std::unique_ptr<WritableFile> files[2];
  };

  template <typename Action>
  void OnBoth(const std::string& text, Action action) {
    story_ += text + "\n";
    for (size_t i = 0; i < 2; ++i) {
      const Status status = action(files_[i], roots_[i] + "/", i);
      EXPECT_THAT(status, IsOk()) << text;
    }
    disk_ = simulated_.Disk();
  }

  void Step() {
    switch (random_.Below(10)) {
      case 0:
        return Create();
      case 1:
        return Rename();
      case 2:
        return Remove();
      case 3:
        return OnBoth("sync directory",
                      [](FileSystem* files, const std::string& root, size_t) {
                        return files->SyncDirectory(root);
                      });
      case 4:
        return Sync();
      case 5:
        return WriteBack();
      default:
        return Append();
    }
  }

  void Create() {
    if (names_.size() >= 6) return;
    const std::string name = "f" + std::to_string(created_++);
    WritableFileOptions options;
    options.allow_mmap = random_.OneIn(2);
    options.preallocate_bytes = options.allow_mmap ? 64 << 10 : 0;
    OpenFile file;
    file.name = name;
    OnBoth("create " + name + (options.allow_mmap ? " mapped" : ""),
           [&](FileSystem* files, const std::string& root, size_t i) {
             auto made = files->NewWritableFile(root + name, options);
             if (!made.ok()) return made.status();
             file.files[i] = *std::move(made);
             return Status::OK();
           });
    names_.push_back(name);
    open_.push_back(std::move(file));
  }

  void Append() {
    if (open_.empty()) return Create();
    OpenFile& file = open_[random_.Below(open_.size())];
    const std::string bytes = random_.Letters(1 + random_.Below(9'000));
    OnBoth("append " + std::to_string(bytes.size()) + " to " + file.name,
           [&](FileSystem*, const std::string&, size_t i) {
             return file.files[i]->Append(bytes);
           });
  }

  void Sync() {
    if (open_.empty()) return;
    OpenFile& file = open_[random_.Below(open_.size())];
    OnBoth("sync " + file.name, [&](FileSystem*, const std::string&, size_t i) {
      return file.files[i]->Sync();
    });
  }

  // The kernel begins to write some of it, in any order.
  void WriteBack() {
    if (names_.empty()) return;
    const std::string& name = names_[random_.Below(names_.size())];
    const auto offset = static_cast<off_t>(random_.Below(8) * 4096);
    const std::string path = roots_[0] + "/" + name;
    const int fd = ::open(path.c_str(), O_RDWR);
    ASSERT_GE(fd, 0);
    story_ +=
        "write back from " + std::to_string(offset) + " of " + name + "\n";
    ::sync_file_range(fd, offset, 8192,
                      SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE |
                          SYNC_FILE_RANGE_WAIT_AFTER);
    ::close(fd);
  }

  void Rename() {
    if (names_.empty()) return;
    const size_t from = random_.Below(names_.size());
    size_t to = random_.Below(names_.size() + 1);
    const std::string old_name = names_[from];
    const std::string new_name =
        to == names_.size() ? "r" + std::to_string(created_++) : names_[to];
    if (new_name == old_name) return;
    OnBoth("rename " + old_name + " to " + new_name,
           [&](FileSystem* files, const std::string& root, size_t) {
             return files->RenameFile(root + old_name, root + new_name);
           });
    std::erase(names_, new_name);
    std::replace(names_.begin(), names_.end(), old_name, new_name);
  }

  void Remove() {
    if (names_.empty()) return;
    const std::string name = names_[random_.Below(names_.size())];
    OnBoth("remove " + name,
           [&](FileSystem* files, const std::string& root, size_t) {
             return files->RemoveFile(root + name);
           });
    std::erase(names_, name);
  }

  const std::string roots_[2];
  SimFileSystem simulated_;
  FileSystem* const files_[2];
  TestRandom random_;
  SimDisk disk_;
  std::vector<OpenFile> open_;
  std::vector<std::string> names_;
  uint64_t created_ = 0;
  std::string story_;
};

class SimKernelTest : public testing::TestWithParam<const char*> {};

TEST_P(SimKernelTest, WhatTheKernelLeavesIsAmongWhatTheSimulatedDiskMay) {
  LoopMount mount(GetParam());
  const std::string obstacle = mount.Make();
  if (!obstacle.empty()) {
    std::printf("NOT TESTED against %s: %s\n", GetParam(), obstacle.c_str());
    GTEST_SKIP() << obstacle;
  }
  const uint64_t seed = TestSeed();
  const RunLimit limit(100, 10);
  uint64_t lossy = 0;
  uint64_t i = 0;
  for (; !limit.IsReached(i); ++i) {
    const std::string name = "d" + std::to_string(i);
    const std::string root = mount.path() + "/" + name;
    Twins twins(root, seed + i);
    twins.Run(5 + i % 25);
    ASSERT_TRUE(mount.CutPower());
    twins.Drop();
    ASSERT_TRUE(mount.RestorePower());
    ASSERT_TRUE(std::filesystem::exists(root));
    Files found;
    for (const auto& [file, bytes] : ReadDirectory(root)) {
      found["/d/" + file] = bytes;
    }
    const std::string refuted = twins.Refute(found);
    ASSERT_EQ(refuted, "") << GetParam() << ", seed " << seed << ", crash " << i
                           << ":\n"
                           << twins.story();
    lossy += twins.HasLost(found) ? 1 : 0;
  }
  ReportCoverage(i, "power cuts");
  std::printf("%" PRIu64 " of them lost something, on %s\n", lossy, GetParam());
  constexpr uint64_t kCrashesThatTell = 20;
  EXPECT_TRUE(i < kCrashesThatTell || lossy > i / 4);
}

INSTANTIATE_TEST_SUITE_P(FileSystems, SimKernelTest,
                         testing::Values("ext4", "xfs"),
                         [](const auto& parameter) {
                           return std::string(parameter.param);
                         });

}  // namespace
}  // namespace paceline
