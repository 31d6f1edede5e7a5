// SimFileSystem: a FileSystem in memory that logs what changes it, so that
// every crash of a run can be had afterwards; whose operations fail by rules;
// and whose disk can be full.

#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "paceline/env.h"

#include "test/support/seed.h"
#include "test/support/sim_disk.h"

namespace paceline {

// Which operations fail, and how.
struct SimFault {
  // What the operation did before it failed.
  enum class Effect {
    kNone,
    kHalf,  // An Append() wrote half its bytes; others did nothing.
    kFull,  // All of it: only the answer was lost.
  };

  // Names of FileSystem's and its files' methods, such as "Append"; empty: all.
  std::set<std::string> operations = {};
  // As a shell matches it.
  std::string path_pattern = "*";
  // The first that fails, counted from 1 among those that match.
  uint64_t number = 1;
  // So many fail; UINT64_MAX: for ever.
  uint64_t times = 1;
  int error_number = 5;  // EIO
  Effect effect = Effect::kNone;
};

// What happened on a disk, from its beginning on. A crash image is a function
// of (event, model, seed): the events before it are what the crash finds.
// Thread-compatible.
class SimHistory {
 public:
  SimHistory() = default;
  SimHistory(SimDisk base, std::vector<SimEvent> events)
      : base_(std::move(base)), events_(std::move(events)) {}

  // The event `id` is events()[id - 1].
  [[nodiscard]] const std::vector<SimEvent>& events() const { return events_; }
  // The disk after the first `events` events, without a crash.
  [[nodiscard]] const SimDisk& At(size_t events) const;
  [[nodiscard]] SimDisk Image(size_t events, CrashModel model,
                              uint64_t seed) const {
    return At(events).AfterCrash(model, seed);
  }

  // The events as bytes, and back; the disk must have been empty before them.
  [[nodiscard]] std::string Encode() const;
  static SimHistory Decode(const std::string& bytes);

 private:
  SimDisk base_;
  std::vector<SimEvent> events_;
  // The disk of the last call: looking at one event after the other does not
  // replay all of them each time.
  mutable SimDisk cursor_;
  mutable size_t cursor_events_ = 0;
  mutable bool has_cursor_ = false;
};

// Messages of faults and of a full disk are those of the real file system.
// Thread-safe. Its files and locks must not outlive it.
class SimFileSystem final : public FileSystem {
 public:
  static constexpr uint64_t kNoBudget = UINT64_MAX;

  SimFileSystem() : SimFileSystem(SimDisk()) {}
  explicit SimFileSystem(SimDisk disk);

  // --- What goes wrong ---

  void AddFault(SimFault fault);
  void ClearFaults();
  // Operations that failed by a rule so far.
  [[nodiscard]] uint64_t failures() const;
  void SetFailedSync(FailedSync mode);
  // The size of the disk, of which every file takes at least a page. An
  // Append() that does not fit writes what does, and fails. What is removed
  // gives its space back when it is closed by all who have it open.
  void SetBudget(uint64_t bytes);
  [[nodiscard]] uint64_t used_bytes() const;
  // Times that something did not fit.
  [[nodiscard]] uint64_t no_space_count() const;
  // A full disk shows in Sync(), not in Append(), as where blocks are chosen
  // late.
  void SetLateAllocation(bool is_late);
  // What is clean is read from the device again.
  void DropCaches();

  // --- What happened ---

  // Adds an event of the test's own; returns its number.
  uint64_t Note(uint64_t value, std::string bytes = {});
  [[nodiscard]] uint64_t event_count() const;
  // A copy of all events.
  [[nodiscard]] SimHistory History() const;
  // The disk as it is.
  [[nodiscard]] SimDisk Disk() const;
  // Uses of files that must not happen: after a failed Append() or Sync(), or
  // after Close().
  [[nodiscard]] std::vector<std::string> misuses() const;
  [[nodiscard]] uint64_t open_files() const;

  // --- FileSystem ---

  StatusOr<std::unique_ptr<SequentialFile>> NewSequentialFile(
      const std::string& path) override;
  StatusOr<std::unique_ptr<RandomAccessFile>> NewRandomAccessFile(
      const std::string& path) override;
  StatusOr<std::unique_ptr<WritableFile>> NewWritableFile(
      const std::string& path, const WritableFileOptions& options) override;
  Status SyncDirectory(const std::string& directory) override;
  Status CreateDirectory(const std::string& directory) override;
  Status RemoveDirectory(const std::string& directory) override;
  StatusOr<std::vector<std::string>> ListDirectory(
      const std::string& directory) override;
  StatusOr<bool> FileExists(const std::string& path) override;
  StatusOr<uint64_t> FileSize(const std::string& path) override;
  Status RemoveFile(const std::string& path) override;
  Status RenameFile(const std::string& from, const std::string& to) override;
  StatusOr<std::unique_ptr<FileLock>> LockFile(
      const std::string& path) override;

 private:
  friend class SimSequentialFile;
  friend class SimRandomAccessFile;
  friend class SimWritableFile;
  friend class SimFileLock;

  // A writable file as long as it is open.
  struct Handle {
    uint64_t inode = 0;
    std::string path;
    uint64_t end = 0;           // Of what was appended.
    std::string gathered;       // What of it a sync, or an append, will write.
    uint64_t window_bytes = 0;  // 0: not mapped.
    // Not mapped: what is set aside at one go, and as far as it was.
    uint64_t ahead_bytes = 0;
    uint64_t allocated_to = 0;
    bool has_failed = false;
    bool is_closed = false;
  };

  // What becomes of an operation by the rules.
  struct Outcome {
    Status status;
    SimFault::Effect effect = SimFault::Effect::kFull;
    // True if the operation does all it is asked for.
    [[nodiscard]] bool proceeds() const {
      return effect == SimFault::Effect::kFull;
    }
  };
  // All below: with mutex_ held.
  Outcome Begin(const char* operation, const char* action,
                const std::string& path);
  uint64_t Log(SimEvent event);
  Status Missing(const char* action, const std::string& path) const;
  StatusOr<uint64_t> OpenForReading(const char* operation,
                                    const std::string& path);
  // Takes the space that the inode needs; false if there is not enough.
  bool Charge(uint64_t inode, uint64_t bytes);
  [[nodiscard]] uint64_t FreeBytes() const;
  void Release(uint64_t inode);
  void ReleaseIfUnlinked(uint64_t inode);
  Status Create(const std::string& path);
  Status AppendSome(Handle* handle, std::string bytes, uint64_t first_piece,
                    bool is_gathered);
  void WriteGathered(Handle* handle);
  Status Allocate(Handle* handle);
  void AllocateExpected(const Handle& handle, uint64_t bytes);
  // False if the disk is full.
  bool Extend(const Handle& handle, uint64_t size);
  void SetAside(Handle* handle);
  // What the file takes of the disk if its end is at `end`.
  static uint64_t SpaceOf(const Handle& handle, uint64_t end);
  Status EndSync(Handle* handle, uint64_t begin);
  void NoteMisuse(const Handle& handle, const char* operation);

  // Of files, without the mutex.
  Status Append(Handle* handle, std::span<const Slice> pieces,
                bool is_before_sync);
  Status Flush(Handle* handle);
  Status Sync(Handle* handle);
  Status Close(Handle* handle);
  void Drop(Handle* handle);
  void PrepareAhead(Handle* handle);
  Status Read(const std::string& path, uint64_t inode, uint64_t offset,
              size_t n, Slice* result, char* scratch);
  void CloseReader(uint64_t inode);
  void Unlock(uint64_t inode);

  mutable std::mutex mutex_;
  // All below: guarded by mutex_.
  const SimDisk base_;
  SimDisk disk_;
  std::vector<SimEvent> events_;
  struct Rule {
    SimFault fault;
    uint64_t matched = 0;
  };
  std::vector<Rule> rules_;
  uint64_t failures_ = 0;
  FailedSync failed_sync_ = FailedSync::kForget;
  bool is_stuck_ = false;  // By FailedSync::kSticky.
  uint64_t budget_ = kNoBudget;
  uint64_t used_bytes_ = 0;
  uint64_t no_space_count_ = 0;
  bool allocates_late_ = false;
  std::map<uint64_t, uint64_t> charged_;  // By inode.
  std::map<uint64_t, uint64_t> open_;     // Handles, by inode.
  std::map<uint64_t, uint64_t> names_;    // Names, by inode: 0 or 1.
  std::set<uint64_t> locked_;
  std::vector<std::string> misuses_;
};

}  // namespace paceline
