// LoopMount: a real file system in a file, and power cuts of it.

#pragma once

#include <string>

#include "test/support/test_directory.h"

namespace paceline {

// Needs root, a loop device and mkfs of the type ("ext4", "xfs"). The functions
// that return a string say why something cannot be had; empty: it is there.
// Thread-compatible.
class LoopMount {
 public:
  explicit LoopMount(std::string type,
                     TestStorage storage = TestStorage::kDisk);
  ~LoopMount();
  LoopMount(const LoopMount&) = delete;
  LoopMount& operator=(const LoopMount&) = delete;

  // Makes the file system and mounts it.
  std::string Make();

  // The same in two steps: makes it in image(), and mounts it from `file`,
  // which shows the bytes of image() and whose writes may fail.
  std::string Format();
  std::string Attach(const std::string& file);

  // The power goes: nothing is written any more, and what was not written is
  // lost. Files must be closed before it comes back. False: something failed.
  [[nodiscard]] bool CutPower() const;
  [[nodiscard]] bool RestorePower();

  [[nodiscard]] const std::string& type() const { return type_; }
  [[nodiscard]] const std::string& image() const { return image_; }
  [[nodiscard]] const std::string& path() const { return mount_point_; }

 private:
  bool Mount();
  bool Unmount();

  const std::string type_;
  const TestDirectory directory_;
  const std::string image_ = directory_ / "image";
  const std::string mount_point_ = directory_ / "mount";
  std::string device_;  // Empty: not attached.
  bool is_mounted_ = false;
};

}  // namespace paceline
