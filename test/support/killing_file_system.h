// KillingFileSystem: a FileSystem that kills its process at the n-th thing it
// does, so that a kill can be had at every moment between two of them.

#pragma once

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "paceline/env.h"

#include "test/support/forwarding_file_system.h"

namespace paceline {

// When a KillingFileSystem kills.
struct KillMoment {
  enum class Effect {
    kNone,
    kHalf,  // An Append() wrote half its bytes; others did nothing.
    kFull,
  };
  // Counted from 1. 0: never.
  uint64_t operation = 0;
  Effect effect = Effect::kNone;  // What the operation did before.
};

// Counts what changes a file or a directory. Thread-safe.
class KillingFileSystem final : public ForwardingFileSystem {
 public:
  explicit KillingFileSystem(const KillMoment& moment) : moment_(moment) {}

  StatusOr<std::unique_ptr<WritableFile>> NewWritableFile(
      const std::string& path, const WritableFileOptions& options) override {
    return Do([&]() -> StatusOr<std::unique_ptr<WritableFile>> {
      auto file = base()->NewWritableFile(path, options);
      if (!file.ok()) return file.status();
      return std::unique_ptr<WritableFile>(
          std::make_unique<File>(this, *std::move(file)));
    });
  }
  Status SyncDirectory(const std::string& directory) override {
    return Do([&] { return base()->SyncDirectory(directory); });
  }
  Status CreateDirectory(const std::string& directory) override {
    return Do([&] { return base()->CreateDirectory(directory); });
  }
  Status RemoveFile(const std::string& path) override {
    return Do([&] { return base()->RemoveFile(path); });
  }
  Status RenameFile(const std::string& from, const std::string& to) override {
    return Do([&] { return base()->RenameFile(from, to); });
  }

 private:
  using Effect = KillMoment::Effect;

  class File final : public WritableFile {
   public:
    File(KillingFileSystem* files, std::unique_ptr<WritableFile> base)
        : files_(files), base_(std::move(base)) {}

    Status Append(std::span<const Slice> pieces) override {
      return files_->Do([&] { return base_->Append(pieces); },
                        [&] { AppendHalf(pieces); });
    }
    Status AppendBeforeSync(std::span<const Slice> pieces) override {
      return files_->Do([&] { return base_->AppendBeforeSync(pieces); });
    }
    Status Flush() override { return base_->Flush(); }
    Status Sync() override {
      return files_->Do([&] { return base_->Sync(); });
    }
    Status Close() override {
      return files_->Do([&] { return base_->Close(); });
    }
    void PrepareAhead() override { base_->PrepareAhead(); }

   private:
    void AppendHalf(std::span<const Slice> pieces) {
      std::string bytes;
      for (const Slice& piece : pieces)
        bytes.append(piece.data(), piece.size());
      bytes.resize(bytes.size() / 2);
      const Slice half(bytes);
      // Nobody is left to be told of a failure.
      (void)base_->Append({&half, 1});
    }

    KillingFileSystem* const files_;
    const std::unique_ptr<WritableFile> base_;
  };

  static void DoNothing() {}

  template <typename Action, typename HalfAction = void (*)()>
  auto Do(Action action, HalfAction do_half = DoNothing) -> decltype(action()) {
    const bool is_last = operations_.fetch_add(1) + 1 == moment_.operation;
    if (is_last && moment_.effect == Effect::kHalf) do_half();
    if (is_last && moment_.effect != Effect::kFull) Die();
    auto result = action();
    if (is_last) Die();
    return result;
  }

  static void Die() {
    ::kill(::getpid(), SIGKILL);
    // The signal may take a moment, in which this thread does nothing.
    while (true) ::pause();
  }

  const KillMoment moment_;
  std::atomic<uint64_t> operations_ = 0;
};

}  // namespace paceline
