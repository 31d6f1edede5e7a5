// ScratchDirectory: a place for databases that is gone when the program ends.

#pragma once

#include <memory>
#include <string>

#include "paceline/status.h"

namespace paceline::bench {

// Owns a directory; removes it with everything in it when destroyed.
// Thread-compatible.
class ScratchDirectory {
 public:
  // Makes a new directory below $TMPDIR, or /tmp.
  static StatusOr<std::unique_ptr<ScratchDirectory>> Make();
  ~ScratchDirectory();
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  explicit ScratchDirectory(std::string path) : path_(std::move(path)) {}

  const std::string path_;
};

// Makes the directory and those above it that are missing.
Status MakeDirectory(const std::string& path);

// Bytes allocated to the files in the directory.
StatusOr<uint64_t> DirectorySize(const std::string& path);

// Waits until the file system of `path` has written what it holds back, so
// that what came before does not disturb what is measured next.
Status SettleFileSystem(const std::string& path);

}  // namespace paceline::bench
