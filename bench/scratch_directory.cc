#include "bench/scratch_directory.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <system_error>

namespace paceline::bench {

namespace {

Status SystemError(const std::string& what, int error) {
  return Status::IOError(what, std::generic_category().message(error));
}

}  // namespace

StatusOr<std::unique_ptr<ScratchDirectory>> ScratchDirectory::Make() {
  const char* parent = std::getenv("TMPDIR");
  std::string path = parent != nullptr && *parent != '\0' ? parent : "/tmp";
  path += "/paceline_bench.XXXXXX";
  if (mkdtemp(path.data()) == nullptr) {
    return SystemError("cannot make directory " + path, errno);
  }
  return std::unique_ptr<ScratchDirectory>(new ScratchDirectory(path));
}

ScratchDirectory::~ScratchDirectory() {
  // Nothing is lost if some of it stays: it is a temporary directory.
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

Status MakeDirectory(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) return SystemError("cannot make directory " + path, error.value());
  return Status::OK();
}

Status SettleFileSystem(const std::string& path) {
  int directory = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0) return SystemError("cannot open " + path, errno);
  int error = syncfs(directory) == 0 ? 0 : errno;
  close(directory);
  return error == 0 ? Status::OK() : SystemError("cannot sync " + path, error);
}

StatusOr<uint64_t> DirectorySize(const std::string& path) {
  uint64_t bytes = 0;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(path, error)) {
    struct stat status {};
    // A file may vanish meanwhile.
    if (stat(entry.path().c_str(), &status) == 0) {
      bytes += static_cast<uint64_t>(status.st_blocks) * 512;
    }
  }
  if (error) return Status::IOError(path, error.message());
  return bytes;
}

}  // namespace paceline::bench
