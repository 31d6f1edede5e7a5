// MemoryFileSystem: a FileSystem in memory that is cheap to make anew, for
// opening very many small databases: damaged ones, and a fuzzer's.

#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "paceline/env.h"

#include "src/base/sync.h"

namespace paceline {

// Has every directory that is asked for, and no files in them at first. Bytes
// that a test gives are shared, not copied. As on a real one, a file that is
// removed or renamed stays readable to whoever has it open. Syncs do nothing:
// there is no power cut (see SimFileSystem). Thread-safe; must outlive its
// files.
class MemoryFileSystem final : public FileSystem {
 public:
  using Bytes = std::shared_ptr<const std::string>;

  // Makes or replaces a file; whoever has it open keeps the old bytes.
  void Add(const std::string& path, Bytes bytes) EXCLUDES(mutex_);
  void Add(const std::string& path, std::string bytes) EXCLUDES(mutex_) {
    Add(path, std::make_shared<const std::string>(std::move(bytes)));
  }
  // Copies of all files as they are, by path.
  [[nodiscard]] std::map<std::string, Bytes> Files() const EXCLUDES(mutex_);

  StatusOr<std::unique_ptr<SequentialFile>> NewSequentialFile(
      const std::string& path) override EXCLUDES(mutex_);
  StatusOr<std::unique_ptr<RandomAccessFile>> NewRandomAccessFile(
      const std::string& path) override EXCLUDES(mutex_);
  StatusOr<std::unique_ptr<WritableFile>> NewWritableFile(
      const std::string& path, const WritableFileOptions& options) override
      EXCLUDES(mutex_);

  Status SyncDirectory(const std::string& directory) override;
  Status CreateDirectory(const std::string& directory) override;
  Status RemoveDirectory(const std::string& directory) override;
  StatusOr<std::vector<std::string>> ListDirectory(
      const std::string& directory) override EXCLUDES(mutex_);

  StatusOr<bool> FileExists(const std::string& path) override EXCLUDES(mutex_);
  StatusOr<uint64_t> FileSize(const std::string& path) override
      EXCLUDES(mutex_);
  Status RemoveFile(const std::string& path) override EXCLUDES(mutex_);
  Status RenameFile(const std::string& from, const std::string& to) override
      EXCLUDES(mutex_);
  // Keeps out nobody: a test opens a directory once at a time.
  StatusOr<std::unique_ptr<FileLock>> LockFile(
      const std::string& path) override;

 private:
  friend class MemoryReader;
  friend class MemoryWriter;

  // Bytes that were given; or, null, those that were appended.
  struct File {
    Bytes given;
    std::string appended;
    [[nodiscard]] const std::string& bytes() const {
      return given != nullptr ? *given : appended;
    }
  };

  StatusOr<std::shared_ptr<File>> Find(const char* action,
                                       const std::string& path)
      REQUIRES(mutex_);
  size_t Read(const File& file, uint64_t offset, size_t n, char* to)
      EXCLUDES(mutex_);
  void Append(std::span<const Slice> pieces, File* file) EXCLUDES(mutex_);

  mutable Mutex mutex_;
  // The Files themselves are guarded, too.
  std::map<std::string, std::shared_ptr<File>> files_ GUARDED_BY(mutex_);
};

}  // namespace paceline
