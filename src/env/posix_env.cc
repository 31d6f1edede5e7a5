// FileSystem and Clock on POSIX.

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <ctime>
#include <set>
#include <utility>

#include "paceline/env.h"

#include "src/base/sync.h"
#include "src/env/posix_error.h"
#include "src/env/posix_writable_file.h"

namespace paceline {

Status PosixError(std::string_view action, const std::string& path,
                  int error_number) {
  std::string text = "cannot ";
  text += action;
  text += ' ';
  text += path;
  char reason[128];
  // The GNU function returns the text, which need not be in `reason`.
  const char* known = strerror_r(error_number, reason, sizeof(reason));
  switch (error_number) {
    case ENOSPC:
    case EDQUOT:
      return Status::NoSpace(text, known);
    case ENOENT:
    case ENOTDIR:
      return Status::PathNotFound(text, known);
    default:
      return Status::IOError(text, known);
  }
}

namespace {

int OpenRetrying(const std::string& path, int flags) {
  int fd = -1;
  do {
    fd = open(path.c_str(), flags | O_CLOEXEC, 0644);
  } while (fd < 0 && errno == EINTR);
  return fd;
}

// Opens a file of a database. Nobody else puts anything but a regular file in
// its place for good: a link would lead out of the directory, a FIFO would keep
// the caller waiting, a device may never end.
Status OpenRegular(const std::string& path, int flags, int* opened) {
  int fd = OpenRetrying(path, flags | O_NOFOLLOW | O_NONBLOCK);
  bool is_link = fd < 0 && errno == ELOOP;
  if (fd < 0 && !is_link) return PosixError("open", path, errno);
  struct stat info {};
  if (!is_link && fstat(fd, &info) == 0 && S_ISREG(info.st_mode)) {
    *opened = fd;
    return Status::OK();
  }
  if (fd >= 0) close(fd);
  return Status::IOError("cannot open " + path, "it is not a regular file");
}

class PosixSequentialFile final : public SequentialFile {
 public:
  explicit PosixSequentialFile(std::string path) : path_(std::move(path)) {}
  ~PosixSequentialFile() override {
    if (fd_ >= 0) close(fd_);
  }
  // To be called first.
  Status Open() { return OpenRegular(path_, O_RDONLY, &fd_); }

  Status Read(size_t n, Slice* result, char* scratch) override {
    size_t filled = 0;
    while (filled < n) {
      ssize_t got = read(fd_, scratch + filled, n - filled);
      if (got < 0) {
        if (errno == EINTR) continue;
        return PosixError("read", path_, errno);
      }
      if (got == 0) break;
      filled += static_cast<size_t>(got);
    }
    *result = Slice(scratch, filled);
    return Status::OK();
  }

 private:
  const std::string path_;
  int fd_ = -1;
};

class PosixRandomAccessFile final : public RandomAccessFile {
 public:
  explicit PosixRandomAccessFile(std::string path) : path_(std::move(path)) {}
  ~PosixRandomAccessFile() override {
    if (fd_ >= 0) close(fd_);
  }
  // To be called first.
  Status Open() { return OpenRegular(path_, O_RDONLY, &fd_); }

  Status Read(uint64_t offset, size_t n, Slice* result,
              char* scratch) const override {
    size_t filled = 0;
    while (filled < n) {
      ssize_t got = pread(fd_, scratch + filled, n - filled,
                          static_cast<off_t>(offset + filled));
      if (got < 0) {
        if (errno == EINTR) continue;
        return PosixError("read", path_, errno);
      }
      if (got == 0) break;
      filled += static_cast<size_t>(got);
    }
    *result = Slice(scratch, filled);
    return Status::OK();
  }

 private:
  const std::string path_;
  int fd_ = -1;
};

// Record locks belong to the process: a second fcntl() of the same process
// succeeds, and closing any descriptor of the file drops them. So the files
// that this process holds are kept in a table and are not opened again.
class LockTable {
 public:
  using FileId = std::pair<dev_t, ino_t>;

  // No exception leaves it: what is locked must have an owner.
  StatusOr<std::unique_ptr<FileLock>> Lock(const std::string& path) noexcept
      EXCLUDES(mutex_);

 private:
  class HeldLock;

  void Unlock(const FileId& id, int fd) EXCLUDES(mutex_) {
    MutexLock lock(&mutex_);
    close(fd);
    held_.erase(id);
  }

  Mutex mutex_;
  std::set<FileId> held_ GUARDED_BY(mutex_);
};

class LockTable::HeldLock final : public FileLock {
 public:
  HeldLock(LockTable* table, FileId id, int fd)
      : table_(table), id_(std::move(id)), fd_(fd) {}
  ~HeldLock() override { table_->Unlock(id_, fd_); }

 private:
  LockTable* const table_;
  const FileId id_;
  const int fd_;
};

StatusOr<std::unique_ptr<FileLock>> LockTable::Lock(
    const std::string& path) noexcept {
  MutexLock lock(&mutex_);
  struct stat info {};
  if (stat(path.c_str(), &info) == 0 &&
      held_.contains({info.st_dev, info.st_ino})) {
    return Status::Busy("another DB of this process has it open", path);
  }
  int fd = -1;
  Status s = OpenRegular(path, O_RDWR | O_CREAT, &fd);
  if (!s.ok()) return s;
  struct flock whole_file {};
  whole_file.l_type = F_WRLCK;
  whole_file.l_whence = SEEK_SET;
  if (fcntl(fd, F_SETLK, &whole_file) != 0 || fstat(fd, &info) != 0) {
    int error_number = errno;
    close(fd);
    if (error_number == EAGAIN || error_number == EACCES) {
      return Status::Busy("another process has it open", path);
    }
    return PosixError("lock", path, error_number);
  }
  FileId id{info.st_dev, info.st_ino};
  held_.insert(id);
  return std::unique_ptr<FileLock>(new HeldLock(this, id, fd));
}

class PosixFileSystem final : public FileSystem {
 public:
  StatusOr<std::unique_ptr<SequentialFile>> NewSequentialFile(
      const std::string& path) override {
    auto file = std::make_unique<PosixSequentialFile>(path);
    if (Status s = file->Open(); !s.ok()) return s;
    return std::unique_ptr<SequentialFile>(std::move(file));
  }

  StatusOr<std::unique_ptr<RandomAccessFile>> NewRandomAccessFile(
      const std::string& path) override {
    auto file = std::make_unique<PosixRandomAccessFile>(path);
    if (Status s = file->Open(); !s.ok()) return s;
    return std::unique_ptr<RandomAccessFile>(std::move(file));
  }

  // No exception leaves it: a file that is made must have an owner.
  StatusOr<std::unique_ptr<WritableFile>> NewWritableFile(
      const std::string& path,
      const WritableFileOptions& options) noexcept override {
    int fd = OpenRetrying(path, O_RDWR | O_CREAT | O_EXCL);
    if (fd < 0) return PosixError("create", path, errno);
    if (options.allow_mmap && options.preallocate_bytes > 0 &&
        IsMappingSound(fd)) {
      // A second descriptor, because the mapped file closes its own when it
      // turns out that space cannot be allocated here.
      int mapped_fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
      if (mapped_fd < 0) {
        int error_number = errno;
        close(fd);
        return PosixError("open", path, error_number);
      }
      auto mapped = MappedWritableFile::Create(
          path, mapped_fd, options.preallocate_bytes, options.expected_bytes);
      if (mapped.ok() || !mapped.status().IsNotSupported()) {
        close(fd);
        if (!mapped.ok()) unlink(path.c_str());
        return mapped;
      }
    }
    return std::unique_ptr<WritableFile>(
        new PosixWritableFile(path, fd, options.preallocate_bytes));
  }

  Status SyncDirectory(const std::string& directory) override {
    int fd = OpenRetrying(directory, O_RDONLY | O_DIRECTORY);
    if (fd < 0) return PosixError("open", directory, errno);
    Status s;
    if (fsync(fd) != 0) s = PosixError("sync", directory, errno);
    close(fd);
    return s;
  }

  Status CreateDirectory(const std::string& directory) override {
    if (mkdir(directory.c_str(), 0755) == 0) return Status::OK();
    int error_number = errno;
    struct stat info {};
    // Not a link to a directory: that is somebody else's.
    if (error_number == EEXIST && lstat(directory.c_str(), &info) == 0 &&
        S_ISDIR(info.st_mode)) {
      return Status::OK();
    }
    return PosixError("create directory", directory, error_number);
  }

  Status RemoveDirectory(const std::string& directory) override {
    if (rmdir(directory.c_str()) != 0) {
      return PosixError("remove directory", directory, errno);
    }
    return Status::OK();
  }

  StatusOr<std::vector<std::string>> ListDirectory(
      const std::string& directory) override {
    std::unique_ptr<DIR, int (*)(DIR*)> stream(opendir(directory.c_str()),
                                               closedir);
    if (stream == nullptr) return PosixError("list", directory, errno);
    std::vector<std::string> names;
    errno = 0;
    while (const dirent* entry = readdir(stream.get())) {
      std::string name = entry->d_name;
      if (name != "." && name != "..") names.push_back(std::move(name));
      errno = 0;
    }
    if (errno != 0) return PosixError("list", directory, errno);
    return names;
  }

  StatusOr<bool> FileExists(const std::string& path) override {
    struct stat info {};
    if (stat(path.c_str(), &info) == 0) return true;
    if (errno == ENOENT || errno == ENOTDIR) return false;
    return PosixError("look up", path, errno);
  }

  StatusOr<uint64_t> FileSize(const std::string& path) override {
    struct stat info {};
    if (stat(path.c_str(), &info) != 0) {
      return PosixError("look up", path, errno);
    }
    return static_cast<uint64_t>(info.st_size);
  }

  Status RemoveFile(const std::string& path) override {
    if (unlink(path.c_str()) != 0) return PosixError("remove", path, errno);
    return Status::OK();
  }

  Status RenameFile(const std::string& from, const std::string& to) override {
    if (rename(from.c_str(), to.c_str()) != 0) {
      return PosixError("rename to " + to + " the file", from, errno);
    }
    return Status::OK();
  }

  StatusOr<std::unique_ptr<FileLock>> LockFile(
      const std::string& path) override {
    return locks_.Lock(path);
  }

 private:
  LockTable locks_;
};

uint64_t NanosOf(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000U +
         static_cast<uint64_t>(now.tv_nsec);
}

class PosixClock final : public Clock {
 public:
  uint64_t NowMicros() override { return NanosOf(CLOCK_REALTIME) / 1000; }
  uint64_t MonotonicNanos() override { return NanosOf(CLOCK_MONOTONIC); }
};

}  // namespace

FileSystem* FileSystem::Default() {
  static auto* const file_system = new PosixFileSystem();
  return file_system;
}

Clock* Clock::Default() {
  static auto* const clock = new PosixClock();
  return clock;
}

}  // namespace paceline
