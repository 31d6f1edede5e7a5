// ForwardingFileSystem: a FileSystem that leaves everything to another one; for
// those that change one thing of it.

#pragma once

#include <memory>
#include <string>
#include <vector>

#include "paceline/env.h"

namespace paceline {

// As thread-safe as what it stands in front of, which must outlive it.
class ForwardingFileSystem : public FileSystem {
 public:
  explicit ForwardingFileSystem(FileSystem* base = FileSystem::Default())
      : base_(base) {}

  StatusOr<std::unique_ptr<SequentialFile>> NewSequentialFile(
      const std::string& path) override {
    return base_->NewSequentialFile(path);
  }
  StatusOr<std::unique_ptr<RandomAccessFile>> NewRandomAccessFile(
      const std::string& path) override {
    return base_->NewRandomAccessFile(path);
  }
  StatusOr<std::unique_ptr<WritableFile>> NewWritableFile(
      const std::string& path, const WritableFileOptions& options) override {
    return base_->NewWritableFile(path, options);
  }
  Status SyncDirectory(const std::string& directory) override {
    return base_->SyncDirectory(directory);
  }
  Status CreateDirectory(const std::string& directory) override {
    return base_->CreateDirectory(directory);
  }
  Status RemoveDirectory(const std::string& directory) override {
    return base_->RemoveDirectory(directory);
  }
  StatusOr<std::vector<std::string>> ListDirectory(
      const std::string& directory) override {
    return base_->ListDirectory(directory);
  }
  StatusOr<bool> FileExists(const std::string& path) override {
    return base_->FileExists(path);
  }
  StatusOr<uint64_t> FileSize(const std::string& path) override {
    return base_->FileSize(path);
  }
  Status RemoveFile(const std::string& path) override {
    return base_->RemoveFile(path);
  }
  Status RenameFile(const std::string& from, const std::string& to) override {
    return base_->RenameFile(from, to);
  }
  StatusOr<std::unique_ptr<FileLock>> LockFile(
      const std::string& path) override {
    return base_->LockFile(path);
  }

 protected:
  [[nodiscard]] FileSystem* base() const { return base_; }

 private:
  FileSystem* const base_;
};

}  // namespace paceline
