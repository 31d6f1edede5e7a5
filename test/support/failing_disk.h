// FailingDisk: a disk whose writes fail on demand; the program fuse_disk,
// started and asked.

#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "test/support/subprocess.h"
#include "test/support/test_directory.h"

namespace paceline {

// Thread-compatible.
class FailingDisk {
 public:
  // `program` is the path of fuse_disk.
  explicit FailingDisk(std::string program) : program_(std::move(program)) {}
  // Nobody must use file() any more.
  ~FailingDisk();
  FailingDisk(const FailingDisk&) = delete;
  FailingDisk& operator=(const FailingDisk&) = delete;

  // Shows the bytes of `image` as file(). Why it cannot be had; empty: it is
  // there.
  std::string Start(const std::string& image);
  [[nodiscard]] std::string file() const { return mount_point_ / "disk"; }

  // The next `count` writes with `marker` in them fail with EIO.
  void FailWrites(uint64_t count, const std::string& marker) const;
  // So many have failed since the start.
  [[nodiscard]] uint64_t failures() const;

 private:
  const std::string program_;
  const TestDirectory mount_point_;
  std::unique_ptr<Subprocess> process_;
};

}  // namespace paceline
