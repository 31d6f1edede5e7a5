#include "test/support/loop_mount.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <utility>

#include "test/support/subprocess.h"

namespace paceline {

namespace {

// FS_IOC_SHUTDOWN: the file system stops, without writing anything more.
constexpr unsigned long kGoingDown = _IOR('X', 125, uint32_t);
constexpr uint32_t kNothingIsWritten = 2;

constexpr off_t kImageBytes = off_t{512} << 20;  // Sparse. xfs wants 300 MiB.

// From other processes: whoever copies the mounts of this one, as a service
// manager does, would keep a file system alive that is unmounted here.
bool HideMounts() {
  return ::unshare(CLONE_NEWNS) == 0 &&
         ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
}

}  // namespace

LoopMount::LoopMount(std::string type, TestStorage storage)
    : type_(std::move(type)), directory_(storage) {}

LoopMount::~LoopMount() {
  Unmount();
  if (!device_.empty()) RunProgram({"losetup", "-d", device_});
}

std::string LoopMount::Make() {
  std::string obstacle = Format();
  return obstacle.empty() ? Attach(image_) : obstacle;
}

std::string LoopMount::Format() {
  if (::geteuid() != 0) return "needs root";
  if (!HideMounts()) return "needs a mount namespace of its own";
  const std::string mkfs = "mkfs." + type_;
  if (RunProgram({"which", mkfs}).exit_code != 0) return "needs " + mkfs;
  WriteFileBytes(image_, "");
  if (::truncate(image_.c_str(), kImageBytes) != 0) return "needs space";
  std::filesystem::create_directory(mount_point_);
  return RunProgram({mkfs, "-q", image_}).exit_code == 0 ? "" : "mkfs failed";
}

std::string LoopMount::Attach(const std::string& file) {
  const ProgramResult attached =
      RunProgram({"losetup", "--find", "--show", file});
  if (attached.exit_code != 0) return "needs a loop device";
  device_ = attached.output.substr(0, attached.output.find('\n'));
  return Mount() ? "" : "cannot mount a loop device as " + type_;
}

bool LoopMount::CutPower() const {
  const int fd = ::open(mount_point_.c_str(), O_RDONLY | O_DIRECTORY);
  uint32_t how = kNothingIsWritten;
  const bool is_cut = ::ioctl(fd, kGoingDown, &how) == 0;
  ::close(fd);
  return is_cut;
}

bool LoopMount::RestorePower() { return Unmount() && Mount(); }

bool LoopMount::Mount() {
  is_mounted_ = ::mount(device_.c_str(), mount_point_.c_str(), type_.c_str(), 0,
                        nullptr) == 0;
  return is_mounted_;
}

bool LoopMount::Unmount() {
  if (is_mounted_ && ::umount2(mount_point_.c_str(), 0) == 0) {
    is_mounted_ = false;
  }
  return !is_mounted_;
}

}  // namespace paceline
