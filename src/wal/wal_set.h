// WalSet: the WALs that are being written: the tail, the one that will follow
// it, and those whose bytes may not have reached the device yet.

#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "paceline/env.h"

#include "src/base/error_latch.h"
#include "src/base/sync.h"
#include "src/wal/log_writer.h"

namespace paceline {

// Appends go to the tail. A thread of its own creates the next WAL before it is
// needed and touches memory ahead of the tail.
//
// A WAL that is full is synced only when somebody asks for it: what a flush
// makes durable in tables first need never be written to the device as a log.
//
// A failed append or sync is final for its file: nothing is done with it any
// more but to close the descriptor. Start() begins anew with a new file.
//
// Thread safety: Append() and Switch() by the holder of the leader's role; the
// rest beside them, Start(), Abandon() and Close() without anything in flight.
class WalSet {
 public:
  struct Config {
    FileSystem* file_system = nullptr;
    std::string directory;
    // Bytes allocated to a WAL at a time.
    uint64_t preallocate_bytes = uint64_t{4} << 20;
    bool allow_mmap = true;
    // Thread-safe.
    std::function<uint64_t()> new_file_number;
    // Other work ahead of the writers, for the same thread; may be empty.
    std::function<void()> prepare_more = nullptr;
  };

  explicit WalSet(Config config);
  // Closes without a sync.
  ~WalSet();
  WalSet(const WalSet&) = delete;
  WalSet& operator=(const WalSet&) = delete;

  // Makes a new, empty tail. There must be none.
  Status Start() EXCLUDES(mutex_);

  // Lets go of all files, without a sync, and removes the WAL that was
  // prepared. Nothing may be in flight.
  void Abandon() EXCLUDES(mutex_);

  // Appends one record to the tail. With `is_synced_next` nobody is told of it
  // before a Sync() has returned: it may be lost with the process until then.
  Status Append(std::span<const Slice> payload, bool is_synced_next = false);

  // Goes on in the next WAL. An error leaves the tail as it was; the caller
  // may try again.
  Status Switch() EXCLUDES(mutex_);

  // Makes everything that was appended before the call survive a power cut,
  // older WALs first.
  Status Sync() EXCLUDES(mutex_);

  // The same for everything that was appended before the last Switch().
  Status SyncFull() EXCLUDES(mutex_);

  // WALs below this number are not needed: they need not be synced any more.
  void Release(uint64_t first_needed) EXCLUDES(mutex_);

  // Blocks until the thread has nothing to do. Without appends meanwhile, no
  // file changes after this.
  void WaitUntilIdle() EXCLUDES(mutex_);

  // Syncs and closes everything. A tail without a record is removed. Nothing
  // may be in flight.
  Status Close() EXCLUDES(mutex_);

  // The number of the WAL that the next record goes to.
  [[nodiscard]] uint64_t tail_number() const {
    return tail_number_.load(std::memory_order_relaxed);
  }

  [[nodiscard]] uint64_t syncs() const {
    return syncs_.load(std::memory_order_relaxed);
  }
  [[nodiscard]] uint64_t switches() const {
    return switches_.load(std::memory_order_relaxed);
  }
  [[nodiscard]] uint64_t switch_waits() const {
    return switch_waits_.load(std::memory_order_relaxed);
  }

 private:
  // One WAL. Shared, because a sync of it may run while it is replaced.
  struct File {
    File(uint64_t file_number, std::unique_ptr<WritableFile> file)
        : number(file_number), writer(std::move(file)) {}

    const uint64_t number;
    LogWriter writer;
    // The first failed append or sync; nothing is done with the file after
    // that.
    ErrorLatch failure;

    // Held for the whole of a sync: of two that run at once only one is told
    // of a failure by the system, so they must not.
    Mutex sync_mutex;
    bool is_synced_for_good GUARDED_BY(sync_mutex) = false;
  };

  StatusOr<std::shared_ptr<File>> MakeFile();
  Status SyncFile(File* file, bool is_full) EXCLUDES(mutex_);
  void DiscardFile(const File& file);

  void StartThread() EXCLUDES(mutex_);
  void StopThread() EXCLUDES(mutex_);
  void RunThread() EXCLUDES(mutex_);
  void RequestWork() EXCLUDES(mutex_);
  void OfferNext(std::shared_ptr<File> made) EXCLUDES(mutex_);

  const Config config_;

  // Used by the leader's role; replaced under the mutex as well.
  std::shared_ptr<File> tail_;
  uint64_t next_work_at_ = 0;

  Atomic<uint64_t> tail_number_ = 0;
  // The size of the last WAL that was full, and an eighth more, as they differ.
  // Relaxed: a guess.
  Atomic<uint64_t> expected_bytes_ = 0;
  Atomic<uint64_t> syncs_ = 0;
  Atomic<uint64_t> switches_ = 0;
  Atomic<uint64_t> switch_waits_ = 0;

  Mutex mutex_;
  CondVar work_requested_;
  std::shared_ptr<File> current_ GUARDED_BY(mutex_);  // The same as tail_.
  std::shared_ptr<File> next_ GUARDED_BY(mutex_);
  // Full WALs that are not known to be synced, oldest first.
  std::vector<std::shared_ptr<File>> full_ GUARDED_BY(mutex_);
  CondVar became_idle_;
  bool has_work_ GUARDED_BY(mutex_) = false;
  bool is_working_ GUARDED_BY(mutex_) = false;
  bool is_stopping_ GUARDED_BY(mutex_) = false;
  Thread thread_;
};

}  // namespace paceline
