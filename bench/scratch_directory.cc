#include "bench/scratch_directory.h"

#include <fcntl.h>
#include <unistd.h>

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

}  // namespace paceline::bench
