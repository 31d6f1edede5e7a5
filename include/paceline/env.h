// FileSystem, Clock and Logger: all that Paceline asks of the machine. A
// program can put its own behind these interfaces; tests put a simulated disk
// there.

#pragma once

#include <cstdarg>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "paceline/slice.h"
#include "paceline/status.h"

namespace paceline {

// Unless said otherwise, errors are IOError with the path and the system's
// reason, with subcode NoSpace or PathNotFound where these are the reason.

// A file read from front to back. Thread-compatible.
class SequentialFile {
 public:
  virtual ~SequentialFile() = default;

  // Reads up to `n` bytes into `scratch` and points `*result` at what was
  // read. Fewer than `n` bytes only at the end of the file.
  virtual Status Read(size_t n, Slice* result, char* scratch) = 0;
};

// A file read anywhere. Thread-safe.
class RandomAccessFile {
 public:
  virtual ~RandomAccessFile() = default;

  // Reads up to `n` bytes at `offset` into `scratch` and points `*result` at
  // what was read. Fewer than `n` bytes only at the end of the file.
  virtual Status Read(uint64_t offset, size_t n, Slice* result,
                      char* scratch) const = 0;
};

// A file that grows at its end. Thread-compatible, except that Sync() and
// PrepareAhead() may run in other threads beside Append() and
// AppendBeforeSync().
class WritableFile {
 public:
  virtual ~WritableFile() = default;

  // Appends the pieces, in order. When it returns OK the bytes survive the
  // death of the process, but not yet a power cut. If the process dies
  // meanwhile, a reader finds a prefix of the bytes, or any part of them with
  // zeros for the rest; in the latter case the last four bytes of the first
  // piece only if all the others are there. On an error any part of them may
  // be in the file.
  virtual Status Append(std::span<const Slice> pieces) = 0;
  Status Append(const Slice& bytes) { return Append({&bytes, 1}); }

  // The same for bytes that nobody is told of before Sync() has returned: they
  // may be lost with the process until then, or until the next Append() or
  // Flush() has returned, and an error may show as late. If the process dies
  // meanwhile, a reader finds a prefix of them.
  virtual Status AppendBeforeSync(std::span<const Slice> pieces) {
    return Append(pieces);
  }
  // Makes them survive the death of the process. Called like Append().
  virtual Status Flush() { return Status::OK(); }

  // Makes everything appended before the call survive a power cut. After an
  // error nothing is known about the bytes since the last successful Sync(),
  // and neither Append() nor Sync() may be called again.
  virtual Status Sync() = 0;

  // Cuts off space allocated beyond the last byte, and closes. Must be called
  // once at most, after everything else.
  virtual Status Close() = 0;

  // Does work ahead of the next Append() calls (allocation, page faults), so
  // that they need not. May be called at any time, or never.
  virtual void PrepareAhead() {}
};

// How a file for appending is made.
struct WritableFileOptions {
  // Space set aside for the file at once and, when it is used up, again: so
  // much can be appended to a file that was just made when the disk is full.
  // Bytes; 0 lets the file grow with each Append(). With system calls half of
  // it is kept ahead of the end while the disk has room, it does not count for
  // the size of the file, and where it cannot be had the file is made without.
  uint64_t preallocate_bytes = 0;
  // How large the file will probably be, in bytes. In a mapping, space for
  // that is set aside at once as well, if the disk has it.
  uint64_t expected_bytes = 0;
  // Lets Append() copy into a shared mapping of the preallocated space where
  // the file system is known to be sound for it (ext4, xfs, tmpfs). Elsewhere,
  // and without preallocate_bytes, it writes with system calls.
  bool allow_mmap = false;
};

// A held file lock; see FileSystem::LockFile().
class FileLock {
 public:
  virtual ~FileLock() = default;
};

// Thread-safe.
class FileSystem {
 public:
  virtual ~FileSystem() = default;

  // The files of this machine. Lives until the program ends.
  static FileSystem* Default();

  virtual StatusOr<std::unique_ptr<SequentialFile>> NewSequentialFile(
      const std::string& path) = 0;
  virtual StatusOr<std::unique_ptr<RandomAccessFile>> NewRandomAccessFile(
      const std::string& path) = 0;
  // Creates `path`, which must not exist.
  virtual StatusOr<std::unique_ptr<WritableFile>> NewWritableFile(
      const std::string& path, const WritableFileOptions& options) = 0;

  // Makes created, renamed and removed names in `directory` survive a power
  // cut.
  virtual Status SyncDirectory(const std::string& directory) = 0;
  // Succeeds if the directory exists already, and is not a link to one. Its
  // parent must exist.
  virtual Status CreateDirectory(const std::string& directory) = 0;
  virtual Status RemoveDirectory(const std::string& directory) = 0;
  // The names in `directory`, in no particular order, without "." and "..".
  virtual StatusOr<std::vector<std::string>> ListDirectory(
      const std::string& directory) = 0;

  // True if something of that name exists; an error if that cannot be told.
  virtual StatusOr<bool> FileExists(const std::string& path) = 0;
  virtual StatusOr<uint64_t> FileSize(const std::string& path) = 0;
  virtual Status RemoveFile(const std::string& path) = 0;
  // Replaces `to` if it exists, atomically.
  virtual Status RenameFile(const std::string& from, const std::string& to) = 0;

  // Keeps every other process, and every other LockFile() call in this one,
  // from locking `path` until the FileLock is destroyed. Creates the file if
  // it is missing. Does not wait: Busy (naming the path) if it is held.
  virtual StatusOr<std::unique_ptr<FileLock>> LockFile(
      const std::string& path) = 0;
};

// Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;

  // The machine's clocks. Lives until the program ends.
  static Clock* Default();

  // Time since 1970, UTC.
  virtual uint64_t NowMicros() = 0;
  // Time that never goes back, from an arbitrary start.
  virtual uint64_t MonotonicNanos() = 0;
};

// Receives lines of text about what the database does. Thread-safe.
class Logger {
 public:
  virtual ~Logger() = default;

  // One message, without a newline, in printf's form.
  virtual void Logv(const char* format, va_list arguments) = 0;
};

}  // namespace paceline
