#include "bench/machine.h"

#include <fmt/core.h>
#include <linux/magic.h>
#include <sys/statfs.h>
#include <sys/utsname.h>

#include <fstream>
#include <thread>

namespace paceline::bench {

namespace {

// Not in the kernel's public headers.
constexpr long kXfsMagic = 0x58465342;
constexpr long kZfsMagic = 0x2fc12fc1;

std::string ProcessorName() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    size_t colon = line.find(": ");
    if (line.starts_with("model name") && colon != std::string::npos) {
      return line.substr(colon + 2);
    }
  }
  return "unknown processor";
}

std::string FileSystemName(long magic) {
  switch (magic) {
    case EXT4_SUPER_MAGIC:
      return "ext4";
    case kXfsMagic:
      return "xfs";
    case BTRFS_SUPER_MAGIC:
      return "btrfs";
    case kZfsMagic:
      return "zfs";
    case TMPFS_MAGIC:
      return "tmpfs";
    case OVERLAYFS_SUPER_MAGIC:
      return "overlayfs";
    case NFS_SUPER_MAGIC:
      return "nfs";
    default:
      return fmt::format("file system {:#x}", magic);
  }
}

}  // namespace

Machine DescribeMachine(const std::string& directory) {
  Machine machine{
      .processor = ProcessorName(),
      .cores = static_cast<int>(std::thread::hardware_concurrency()),
      .kernel = "",
      .file_system = "unknown file system"};
  utsname names{};
  if (uname(&names) == 0) {
    machine.kernel = std::string(names.sysname) + " " + names.release;
  }
  struct statfs found {};
  if (statfs(directory.c_str(), &found) == 0) {
    auto magic = static_cast<long>(found.f_type);
    machine.file_system = FileSystemName(magic);
    machine.is_in_memory = magic == TMPFS_MAGIC;
  }
  return machine;
}

}  // namespace paceline::bench
