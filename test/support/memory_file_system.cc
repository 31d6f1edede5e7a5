#include "test/support/memory_file_system.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "src/env/posix_error.h"

namespace paceline {

class MemoryReader final : public SequentialFile, public RandomAccessFile {
 public:
  MemoryReader(MemoryFileSystem* files,
               std::shared_ptr<MemoryFileSystem::File> file)
      : files_(files), file_(std::move(file)) {}

  Status Read(size_t n, Slice* result, char* scratch) override {
    *result = Slice(scratch, files_->Read(*file_, offset_, n, scratch));
    offset_ += result->size();
    return Status::OK();
  }
  Status Read(uint64_t offset, size_t n, Slice* result,
              char* scratch) const override {
    *result = Slice(scratch, files_->Read(*file_, offset, n, scratch));
    return Status::OK();
  }

 private:
  MemoryFileSystem* const files_;
  const std::shared_ptr<MemoryFileSystem::File> file_;
  uint64_t offset_ = 0;  // Of a SequentialFile.
};

class MemoryWriter final : public WritableFile {
 public:
  MemoryWriter(MemoryFileSystem* files,
               std::shared_ptr<MemoryFileSystem::File> file)
      : files_(files), file_(std::move(file)) {}

  using WritableFile::Append;
  Status Append(std::span<const Slice> pieces) override {
    files_->Append(pieces, file_.get());
    return Status::OK();
  }
  Status Sync() override { return Status::OK(); }
  Status Close() override { return Status::OK(); }

 private:
  MemoryFileSystem* const files_;
  const std::shared_ptr<MemoryFileSystem::File> file_;
};

void MemoryFileSystem::Add(const std::string& path, Bytes bytes) {
  auto file = std::make_shared<File>();
  file->given = std::move(bytes);
  MutexLock lock(&mutex_);
  files_[path] = std::move(file);
}

std::map<std::string, MemoryFileSystem::Bytes> MemoryFileSystem::Files() const {
  std::map<std::string, Bytes> copies;
  MutexLock lock(&mutex_);
  for (const auto& [path, file] : files_) {
    copies[path] = file->given != nullptr
                       ? file->given
                       : std::make_shared<const std::string>(file->appended);
  }
  return copies;
}

StatusOr<std::shared_ptr<MemoryFileSystem::File>> MemoryFileSystem::Find(
    const char* action, const std::string& path) {
  auto found = files_.find(path);
  if (found == files_.end()) return PosixError(action, path, ENOENT);
  return found->second;
}

size_t MemoryFileSystem::Read(const File& file, uint64_t offset, size_t n,
                              char* to) {
  MutexLock lock(&mutex_);
  const std::string& bytes = file.bytes();
  const size_t begin = std::min<uint64_t>(offset, bytes.size());
  n = std::min(n, bytes.size() - begin);
  std::memcpy(to, bytes.data() + begin, n);
  return n;
}

void MemoryFileSystem::Append(std::span<const Slice> pieces, File* file) {
  MutexLock lock(&mutex_);
  for (const Slice& piece : pieces) {
    file->appended.append(piece.data(), piece.size());
  }
}

StatusOr<std::unique_ptr<SequentialFile>> MemoryFileSystem::NewSequentialFile(
    const std::string& path) {
  MutexLock lock(&mutex_);
  auto file = Find("open", path);
  if (!file.ok()) return file.status();
  return std::unique_ptr<SequentialFile>(
      std::make_unique<MemoryReader>(this, *std::move(file)));
}

StatusOr<std::unique_ptr<RandomAccessFile>>
MemoryFileSystem::NewRandomAccessFile(const std::string& path) {
  MutexLock lock(&mutex_);
  auto file = Find("open", path);
  if (!file.ok()) return file.status();
  return std::unique_ptr<RandomAccessFile>(
      std::make_unique<MemoryReader>(this, *std::move(file)));
}

StatusOr<std::unique_ptr<WritableFile>> MemoryFileSystem::NewWritableFile(
    const std::string& path, const WritableFileOptions& /*options*/) {
  MutexLock lock(&mutex_);
  const auto [made, is_new] = files_.emplace(path, nullptr);
  if (!is_new) return PosixError("create", path, EEXIST);
  made->second = std::make_shared<File>();
  return std::unique_ptr<WritableFile>(
      std::make_unique<MemoryWriter>(this, made->second));
}

Status MemoryFileSystem::SyncDirectory(const std::string& /*directory*/) {
  return Status::OK();
}

Status MemoryFileSystem::CreateDirectory(const std::string& /*directory*/) {
  return Status::OK();
}

Status MemoryFileSystem::RemoveDirectory(const std::string& /*directory*/) {
  return Status::OK();
}

StatusOr<std::vector<std::string>> MemoryFileSystem::ListDirectory(
    const std::string& directory) {
  const std::string prefix = directory + "/";
  std::vector<std::string> names;
  MutexLock lock(&mutex_);
  for (const auto& [path, file] : files_) {
    if (!path.starts_with(prefix)) continue;
    std::string name = path.substr(prefix.size());
    if (name.find('/') == std::string::npos) names.push_back(std::move(name));
  }
  return names;
}

StatusOr<bool> MemoryFileSystem::FileExists(const std::string& path) {
  MutexLock lock(&mutex_);
  return files_.contains(path);
}

StatusOr<uint64_t> MemoryFileSystem::FileSize(const std::string& path) {
  MutexLock lock(&mutex_);
  auto file = Find("look up", path);
  if (!file.ok()) return file.status();
  return uint64_t{(*file)->bytes().size()};
}

Status MemoryFileSystem::RemoveFile(const std::string& path) {
  MutexLock lock(&mutex_);
  return files_.erase(path) > 0 ? Status::OK()
                                : PosixError("remove", path, ENOENT);
}

Status MemoryFileSystem::RenameFile(const std::string& from,
                                    const std::string& to) {
  MutexLock lock(&mutex_);
  auto file = Find("rename", from);
  if (!file.ok()) return file.status();
  files_.erase(from);
  files_[to] = *std::move(file);
  return Status::OK();
}

StatusOr<std::unique_ptr<FileLock>> MemoryFileSystem::LockFile(
    const std::string& /*path*/) {
  return std::make_unique<FileLock>();
}

}  // namespace paceline
