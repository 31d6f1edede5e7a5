// A disk whose writes fail on demand:
//
//   fuse_disk <image> <mount point>
//
// Shows the bytes of the image as the file `disk`, from which a loop device can
// be made. To the file `control` a line "<count> <marker>" is written: the next
// so many writes to the disk with the marker in them fail with EIO. Reading it
// gives the number of writes that have failed. Prints a line when it is
// mounted, and ends when it is unmounted.

#define FUSE_USE_VERSION 31

#include <fcntl.h>
#include <fuse3/fuse.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

namespace {

constexpr const char* kDisk = "/disk";
constexpr const char* kControl = "/control";

// Of one thread: the calls come one after the other.
struct Disk {
  int image = -1;
  std::string marker;
  long failures_left = 0;
  long failures = 0;
};
Disk disk;

bool Is(const char* path, const char* name) {
  return std::strcmp(path, name) == 0;
}

int GetAttributes(const char* path, struct stat* attributes,
                  fuse_file_info* /*file*/) {
  *attributes = {};
  if (Is(path, "/")) {
    attributes->st_mode = S_IFDIR | 0755;
    attributes->st_nlink = 2;
    return 0;
  }
  if (!Is(path, kDisk) && !Is(path, kControl)) return -ENOENT;
  attributes->st_mode = S_IFREG | 0600;
  attributes->st_nlink = 1;
  if (Is(path, kControl)) return 0;
  struct stat image = {};
  if (::fstat(disk.image, &image) != 0) return -errno;
  attributes->st_size = image.st_size;
  return 0;
}

int ReadDirectory(const char* /*path*/, void* buffer, fuse_fill_dir_t fill,
                  off_t /*offset*/, fuse_file_info* /*file*/,
                  fuse_readdir_flags /*flags*/) {
  for (const char* path : {kDisk, kControl}) {
    fill(buffer, path + 1, nullptr, 0, fuse_fill_dir_flags{});
  }
  return 0;
}

// What is written must come here at once, and one by one.
int Open(const char* /*path*/, fuse_file_info* file) {
  file->direct_io = 1;
  return 0;
}

int Read(const char* path, char* buffer, size_t size, off_t offset,
         fuse_file_info* /*file*/) {
  if (Is(path, kControl)) {
    const std::string text = std::to_string(disk.failures) + "\n";
    const size_t begin = std::min(static_cast<size_t>(offset), text.size());
    const size_t bytes = std::min(size, text.size() - begin);
    std::memcpy(buffer, text.data() + begin, bytes);
    return static_cast<int>(bytes);
  }
  const ssize_t bytes = ::pread(disk.image, buffer, size, offset);
  return bytes < 0 ? -errno : static_cast<int>(bytes);
}

int Control(const std::string& text) {
  const size_t space = text.find(' ');
  if (space == std::string::npos) return -EINVAL;
  disk.failures_left = std::strtol(text.c_str(), nullptr, 10);
  disk.marker = text.substr(space + 1);
  return static_cast<int>(text.size());
}

int Write(const char* path, const char* bytes, size_t size, off_t offset,
          fuse_file_info* /*file*/) {
  if (Is(path, kControl)) return Control({bytes, size});
  if (disk.failures_left > 0 && ::memmem(bytes, size, disk.marker.data(),
                                         disk.marker.size()) != nullptr) {
    --disk.failures_left;
    ++disk.failures;
    return -EIO;
  }
  const ssize_t written = ::pwrite(disk.image, bytes, size, offset);
  return written < 0 ? -errno : static_cast<int>(written);
}

int Truncate(const char* path, off_t /*size*/, fuse_file_info* /*file*/) {
  return Is(path, kControl) ? 0 : -EPERM;
}

int Sync(const char* /*path*/, int /*is_data_only*/, fuse_file_info* /*file*/) {
  return 0;
}

void* OnMounted(fuse_conn_info* /*connection*/, fuse_config* /*config*/) {
  std::puts("mounted");
  std::fflush(stdout);
  return nullptr;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: fuse_disk <image> <mount point>\n");
    return 2;
  }
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  disk.image = ::open(argv[1], O_RDWR | O_CLOEXEC);
  if (disk.image < 0) {
    std::perror(argv[1]);
    return 1;
  }
  fuse_operations operations = {};
  operations.getattr = GetAttributes;
  operations.readdir = ReadDirectory;
  operations.open = Open;
  operations.read = Read;
  operations.write = Write;
  operations.truncate = Truncate;
  operations.fsync = Sync;
  operations.init = OnMounted;
  std::string arguments[] = {argv[0], "-f", "-s", argv[2]};
  char* pointers[] = {arguments[0].data(), arguments[1].data(),
                      arguments[2].data(), arguments[3].data(), nullptr};
  return ::fuse_main(4, pointers, &operations, nullptr);
}
