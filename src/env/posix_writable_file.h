// The two ways to append to a file: system calls, and copies into a shared
// mapping of space that is allocated already.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "paceline/env.h"

#include "src/base/sync.h"

namespace paceline {

// True if stores into a mapping of allocated space are sound on the file
// system of `fd`: they survive the death of the process and are covered by
// fdatasync, and a full disk shows when space is allocated, not as a signal.
bool IsMappingSound(int fd);

// Appends with pwritev(), into space that is set aside beyond the end of the
// file where that can be had. Thread-compatible, except that Sync() may run
// beside Append().
class PosixWritableFile final : public WritableFile {
 public:
  // Takes over `fd`. Sets `ahead_bytes` aside; half of it at least is kept.
  PosixWritableFile(std::string path, int fd, uint64_t ahead_bytes);
  ~PosixWritableFile() override;

  using WritableFile::Append;
  Status Append(std::span<const Slice> pieces) override;
  Status Sync() override;
  Status Close() override;

 private:
  void SetAside();

  const std::string path_;
  int fd_;
  uint64_t ahead_bytes_;
  uint64_t size_ = 0;
  uint64_t allocated_to_ = 0;  // As far as it was set aside.
};

// Appends by copying into windows: mappings of `window_bytes` each, over blocks
// that fallocate() really gave, for several windows at once where a file grows:
// it may take long, as the system reads and locks maps of the device. One
// window is in use; PrepareAhead() keeps the next one ready, its pages made and
// the first of them touched, so that appending costs neither system calls nor
// page faults. Large appends, and those that are synced soon, are written by
// system calls, which cost less than the page faults do that they save. What is
// appended for a sync is gathered until then, and written at one go.
//
// Thread safety: Append() and AppendBeforeSync() by one thread at a time;
// Sync() and PrepareAhead() beside them.
class MappedWritableFile final : public WritableFile {
 public:
  // Takes over `fd`, which is closed on an error. NotSupported if the file
  // system cannot allocate space. Space for `expected_bytes` is allocated as
  // well, if there is so much.
  static StatusOr<std::unique_ptr<WritableFile>> Create(
      const std::string& path, int fd, uint64_t window_bytes,
      uint64_t expected_bytes = 0);
  ~MappedWritableFile() override;

  using WritableFile::Append;
  Status Append(std::span<const Slice> pieces) override
      EXCLUDES(gathered_mutex_);
  Status AppendBeforeSync(std::span<const Slice> pieces) override
      EXCLUDES(gathered_mutex_);
  Status Flush() override EXCLUDES(gathered_mutex_) { return WriteGathered(); }
  Status Sync() override EXCLUDES(gathered_mutex_);
  Status Close() override EXCLUDES(prepare_mutex_, mutex_, gathered_mutex_);
  void PrepareAhead() override EXCLUDES(prepare_mutex_, mutex_);

 private:
  struct Window {
    char* memory = nullptr;
    uint64_t offset = 0;  // Of its first byte in the file.
  };

  MappedWritableFile(std::string path, int fd, uint64_t window_bytes);

  Status Allocate(uint64_t end, uint64_t wanted_end) EXCLUDES(mutex_);
  StatusOr<Window> MakeWindow(uint64_t offset) EXCLUDES(mutex_);
  Status NextWindow() EXCLUDES(mutex_);
  void RetireOutgrown() EXCLUDES(mutex_);
  // Whether a sync will follow before the page faults that it causes have paid.
  bool IsSyncedOften();
  Status Write(std::span<const Slice> pieces);
  Status WriteGathered() EXCLUDES(gathered_mutex_);
  Status WriteGatheredLocked() REQUIRES(gathered_mutex_);
  // Goes on to the window that has what ends at `end`.
  Status ReachWindow(uint64_t end) EXCLUDES(mutex_);
  void Grow(uint64_t end) EXCLUDES(mutex_);
  Status Copy(const Slice& bytes, uint64_t offset);
  [[nodiscard]] Status LostStores() const;
  // False, and `made` is unmapped, if the window behind `current` is there.
  bool OfferNext(const Window& current, const Window& made) EXCLUDES(mutex_);
  void WriteZeros(const Window& current, const Window& made) EXCLUDES(mutex_);
  void TouchAhead(const Window& window, uint64_t tail) REQUIRES(prepare_mutex_);
  void Unmap(const Window& window) const;

  const std::string path_;
  const int fd_;
  const uint64_t window_bytes_;

  // The end of the file. Written by Append() only; read by PrepareAhead(),
  // which needs no more than a recent value.
  Atomic<uint64_t> size_ = 0;
  Atomic<uint64_t> syncs_ = 0;
  Atomic<uint64_t> written_bytes_ = 0;  // Of Write().
  // The file system has refused a page, and some of what was stored since is
  // not in the file. See store_guard.h.
  Atomic<bool> has_lost_stores_ = false;

  // Used by Append() only: the window in use, and those that this call has
  // left behind. The first piece goes into the oldest of them, last of all, so
  // they must not be unmapped before the call ends.
  Window window_;
  std::vector<Window> outgrown_;
  uint64_t syncs_at_append_ = 0;
  uint64_t appends_since_sync_ = 0;
  uint64_t last_appends_per_sync_ = 0;

  // What is gathered for the next sync, and where it belongs: in windows that
  // are there.
  Mutex gathered_mutex_;
  std::string gathered_ GUARDED_BY(gathered_mutex_);
  uint64_t gathered_at_ GUARDED_BY(gathered_mutex_) = 0;
  // Set by AppendBeforeSync() only. Cleared, with release, when it is written:
  // who sees that may append behind it.
  Atomic<bool> has_gathered_ = false;

  // Held for the whole of PrepareAhead(), the only one to unmap windows before
  // the end. Taken before mutex_, which is held for moments.
  Mutex prepare_mutex_;
  uint64_t touched_to_ GUARDED_BY(prepare_mutex_) = 0;
  uint64_t syncs_seen_ GUARDED_BY(prepare_mutex_) = 0;
  uint64_t written_bytes_seen_ GUARDED_BY(prepare_mutex_) = 0;
  uint64_t tail_seen_ GUARDED_BY(prepare_mutex_) = 0;
  bool is_mostly_written_ GUARDED_BY(prepare_mutex_) = false;

  Mutex mutex_;
  bool is_closed_ GUARDED_BY(mutex_) = false;
  uint64_t allocated_to_ GUARDED_BY(mutex_) = 0;
  Window current_ GUARDED_BY(mutex_);  // What window_ is, for PrepareAhead().
  Window next_ GUARDED_BY(mutex_);
  std::vector<Window> retired_ GUARDED_BY(mutex_);
};

}  // namespace paceline
