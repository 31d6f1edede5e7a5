// TestDirectory: a fresh directory for one test; and what tests do with whole
// directories: copy them, and compare them byte by byte.

#pragma once

#include <stdlib.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <string>

#include "gtest/gtest.h"

namespace paceline {

// Where a TestDirectory is: on the disk, or in memory (if the machine has a
// file system for that), where syncs cost nothing.
enum class TestStorage { kDisk, kMemory };

// Made under $TMPDIR (or /tmp, or /dev/shm) and removed with all it holds by
// the destructor. Set PACELINE_KEEP_TEST_FILES to keep it.
class TestDirectory {
 public:
  explicit TestDirectory(TestStorage storage = TestStorage::kDisk) {
    const char* root = std::getenv("TMPDIR");
    if (root == nullptr) root = "/tmp";
    constexpr const char* kMemory = "/dev/shm";
    if (storage == TestStorage::kMemory && ::access(kMemory, W_OK) == 0) {
      root = kMemory;
    }
    path_ = std::string(root) + "/paceline_XXXXXX";
    if (::mkdtemp(path_.data()) == nullptr) std::abort();
  }
  ~TestDirectory() {
    if (std::getenv("PACELINE_KEEP_TEST_FILES") != nullptr) return;
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TestDirectory(const TestDirectory&) = delete;
  TestDirectory& operator=(const TestDirectory&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }
  // The path of an entry of it.
  [[nodiscard]] std::string operator/(const std::string& name) const {
    return path_ + "/" + name;
  }

 private:
  std::string path_;
};

inline std::string ReadFileBytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file.is_open()) << path;
  // Logs are mostly space that is set aside: not one byte after the other.
  std::error_code none_then;
  const uintmax_t size = std::filesystem::file_size(path, none_then);
  std::string bytes(none_then ? 0 : size, '\0');
  file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  bytes.resize(static_cast<size_t>(file.gcount()));
  return bytes;
}

inline void WriteFileBytes(const std::string& path, const std::string& bytes) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  EXPECT_TRUE(file.good()) << path;
}

// Of the files of `directory`, which may come and go meanwhile, those that end
// so.
inline std::set<std::string> FileNames(const std::string& directory,
                                       const std::string& end = "") {
  std::set<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    const std::string name = entry.path().filename();
    if (name.ends_with(end)) names.insert(name);
  }
  return names;
}

// The bytes of every file of `directory`, by name. Nothing may remove one
// meanwhile: where a database is open, its WaitForCompact() comes first.
inline std::map<std::string, std::string> ReadDirectory(
    const std::string& directory) {
  std::map<std::string, std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    files[entry.path().filename()] =
        entry.is_regular_file() ? ReadFileBytes(entry.path()) : "(not a file)";
  }
  return files;
}

// Copies the files of `from` into `to`, which is emptied first. Files that
// vanish meanwhile are left out, as they would be after a kill.
inline void CopyDirectory(const std::string& from, const std::string& to) {
  std::filesystem::remove_all(to);
  std::filesystem::create_directories(to);
  for (const auto& entry : std::filesystem::directory_iterator(from)) {
    std::error_code vanished;
    std::filesystem::copy_file(
        entry.path(), std::filesystem::path(to) / entry.path().filename(),
        vanished);
  }
}

}  // namespace paceline
