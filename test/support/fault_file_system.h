// FaultFileSystem: a FileSystem whose k-th operation fails, or waits until a
// test lets it go on.

#pragma once

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "paceline/env.h"

namespace paceline {

// Which operation fails, and how.
struct Fault {
  // What the operation did before it failed.
  enum class Effect {
    kNone,
    kHalf,  // An Append() wrote half its bytes; others did nothing.
    kFull,  // All of it: only the answer was lost.
  };

  // Counted from Arm(), which is followed by operation 1. 0: none fails.
  uint64_t operation = 0;
  // Only operations of this name (empty: any), on a path with this end, are
  // counted and fail.
  std::string name = {};
  std::string path_end = {};
  // Every later operation fails, too.
  bool forever = false;
  bool is_no_space = false;
  Effect effect = Effect::kNone;
};

struct FileOperation {
  std::string name;  // Of the method, such as "Append".
  std::string path;
};

// Passes every call on to another FileSystem, counts it, and keeps it in a
// log. A fault's message has kFaultText, its number and " in <name>" in it.
// Thread-safe.
class FaultFileSystem : public FileSystem {
 public:
  static constexpr const char* kFaultText = "injected fault";

  explicit FaultFileSystem(FileSystem* base = FileSystem::Default())
      : base_(base) {}

  // Starts counting at 0 with an empty log, and fails as `fault` says.
  void Arm(const Fault& fault);
  void Disarm() { Arm(Fault()); }

  [[nodiscard]] uint64_t operation_count() const;
  // True if an operation failed since Arm().
  [[nodiscard]] bool has_failed() const;
  // What the message of the first fault since Arm() contains; empty: none.
  [[nodiscard]] std::string first_failure() const;
  [[nodiscard]] std::vector<FileOperation> operations() const;
  // How many operations since Arm() have this name, on a path with this end.
  [[nodiscard]] uint64_t CountOf(const std::string& name,
                                 const std::string& path_end) const;
  // Files that were appended to or synced after an Append() or Sync() of them
  // had failed, which must never happen but to the LOG: nothing depends on
  // what is in it.
  [[nodiscard]] std::vector<std::string> uses_after_failure() const;
  // Those of them that did again what had failed. An Append() may be under way
  // while a Sync() in another thread fails, and the other way round; but two
  // appends of a file never are at once, nor two syncs.
  [[nodiscard]] std::vector<std::string> repeats_after_failure() const;

  // Makes the next operation `name` on a path that ends with `path_end` wait,
  // before its effect, until Release(). One at a time.
  void Hold(const std::string& name, const std::string& path_end);
  // Blocks until an operation waits because of Hold().
  void WaitUntilHeld();
  void Release();

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
  friend class FaultSequentialFile;
  friend class FaultRandomAccessFile;
  friend class FaultWritableFile;

  // What becomes of an operation.
  struct Outcome {
    Status status;  // Returned instead of the operation's own, unless OK.
    Fault::Effect effect = Fault::Effect::kFull;
  };
  // Counts and logs an operation; waits if it is held.
  Outcome Begin(const char* name, const std::string& path);

  // Does `action`, or fails, as Begin() decides.
  template <typename Action>
  auto Do(const char* name, const std::string& path, Action action)
      -> decltype(action()) {
    Outcome outcome = Begin(name, path);
    if (outcome.effect != Fault::Effect::kFull) return outcome.status;
    auto result = action();
    if (!outcome.status.ok()) return outcome.status;
    return result;
  }

  FileSystem* const base_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  // All below: guarded by mutex_.
  Fault fault_;
  std::vector<FileOperation> operations_;
  uint64_t matching_operations_ = 0;  // Those that fault_ counts.
  std::string first_failure_;
  std::vector<std::string> uses_after_failure_;
  std::vector<std::string> repeats_after_failure_;
  std::string held_name_;  // Empty: none is to be held.
  std::string held_path_end_;
  bool is_holding_ = false;
};

}  // namespace paceline
