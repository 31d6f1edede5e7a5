#include "test/support/failing_disk.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

namespace paceline {

FailingDisk::~FailingDisk() {
  if (process_ == nullptr) return;
  // It ends when it is unmounted.
  EXPECT_EQ(::umount2(mount_point_.path().c_str(), 0), 0);
  EXPECT_EQ(process_->Finish().exit_code, 0);
}

std::string FailingDisk::Start(const std::string& image) {
  if (::access("/dev/fuse", R_OK | W_OK) != 0) return "needs /dev/fuse";
  auto process = std::make_unique<Subprocess>(
      std::vector<std::string>{program_, image, mount_point_.path()});
  if (process->ReadLine() != "mounted") return "cannot mount a FUSE disk";
  process_ = std::move(process);
  return "";
}

void FailingDisk::FailWrites(uint64_t count, const std::string& marker) const {
  const std::string text = std::to_string(count) + " " + marker;
  const std::string path = mount_point_ / "control";
  const int fd = ::open(path.c_str(), O_WRONLY);
  EXPECT_EQ(::write(fd, text.data(), text.size()),
            static_cast<ssize_t>(text.size()));
  ::close(fd);
}

uint64_t FailingDisk::failures() const {
  const std::string path = mount_point_ / "control";
  const int fd = ::open(path.c_str(), O_RDONLY);
  char text[32] = {};
  EXPECT_GT(::read(fd, text, sizeof(text) - 1), 0);
  ::close(fd);
  return std::strtoull(text, nullptr, 10);
}

}  // namespace paceline
