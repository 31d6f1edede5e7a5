#include "test/support/fault_file_system.h"

#include <atomic>
#include <utility>

namespace paceline {

class FaultSequentialFile : public SequentialFile {
 public:
  FaultSequentialFile(FaultFileSystem* files, std::string path,
                      std::unique_ptr<SequentialFile> base)
      : files_(files), path_(std::move(path)), base_(std::move(base)) {}

  Status Read(size_t n, Slice* result, char* scratch) override {
    return files_->Do("Read", path_,
                      [&] { return base_->Read(n, result, scratch); });
  }

 private:
  FaultFileSystem* const files_;
  const std::string path_;
  const std::unique_ptr<SequentialFile> base_;
};

class FaultRandomAccessFile : public RandomAccessFile {
 public:
  FaultRandomAccessFile(FaultFileSystem* files, std::string path,
                        std::unique_ptr<RandomAccessFile> base)
      : files_(files), path_(std::move(path)), base_(std::move(base)) {}

  Status Read(uint64_t offset, size_t n, Slice* result,
              char* scratch) const override {
    return files_->Do("Read", path_,
                      [&] { return base_->Read(offset, n, result, scratch); });
  }

 private:
  FaultFileSystem* const files_;
  const std::string path_;
  const std::unique_ptr<RandomAccessFile> base_;
};

class FaultWritableFile : public WritableFile {
 public:
  FaultWritableFile(FaultFileSystem* files, std::string path,
                    std::unique_ptr<WritableFile> base)
      : files_(files), path_(std::move(path)), base_(std::move(base)) {}

  using WritableFile::Append;
  Status Append(std::span<const Slice> pieces) override {
    return DoAppend(pieces, [&] { return base_->Append(pieces); });
  }
  Status AppendBeforeSync(std::span<const Slice> pieces) override {
    return DoAppend(pieces, [&] { return base_->AppendBeforeSync(pieces); });
  }

  Status Flush() override { return base_->Flush(); }
  Status Sync() override {
    NoteUseAfterFailure("Sync", has_sync_failed_);
    Status status = files_->Do("Sync", path_, [&] { return base_->Sync(); });
    if (!status.ok()) has_sync_failed_.store(true);
    return status;
  }

  Status Close() override {
    return files_->Do("Close", path_, [&] { return base_->Close(); });
  }

  void PrepareAhead() override { base_->PrepareAhead(); }

 private:
  template <typename Whole>
  Status DoAppend(std::span<const Slice> pieces, Whole append_whole) {
    NoteUseAfterFailure("Append", has_append_failed_);
    FaultFileSystem::Outcome outcome = files_->Begin("Append", path_);
    Status status;
    if (outcome.effect == Fault::Effect::kFull) {
      status = append_whole();
    } else if (outcome.effect == Fault::Effect::kHalf) {
      status = AppendHalf(pieces);
    }
    if (!outcome.status.ok()) status = outcome.status;
    if (!status.ok()) has_append_failed_.store(true);
    return status;
  }

  Status AppendHalf(std::span<const Slice> pieces) {
    std::string bytes;
    for (const Slice& piece : pieces) bytes += piece.ToStringView();
    bytes.resize(bytes.size() / 2);
    return base_->Append(bytes);
  }

  void NoteUseAfterFailure(const char* name, const std::atomic<bool>& is_same) {
    const bool is_repeat = is_same.load();
    if (!has_append_failed_.load() && !has_sync_failed_.load()) return;
    if (path_.ends_with("/LOG")) return;
    const std::lock_guard lock(files_->mutex_);
    const std::string use = std::string(name) + " " + path_;
    files_->uses_after_failure_.push_back(use);
    if (is_repeat) files_->repeats_after_failure_.push_back(use);
  }

  FaultFileSystem* const files_;
  const std::string path_;
  const std::unique_ptr<WritableFile> base_;
  // Append() and Sync() may run in different threads.
  std::atomic<bool> has_append_failed_ = false;
  std::atomic<bool> has_sync_failed_ = false;
};

void FaultFileSystem::Arm(const Fault& fault) {
  const std::lock_guard lock(mutex_);
  fault_ = fault;
  operations_.clear();
  matching_operations_ = 0;
  first_failure_.clear();
}

uint64_t FaultFileSystem::operation_count() const {
  const std::lock_guard lock(mutex_);
  return operations_.size();
}

bool FaultFileSystem::has_failed() const { return !first_failure().empty(); }

std::string FaultFileSystem::first_failure() const {
  const std::lock_guard lock(mutex_);
  return first_failure_;
}

std::vector<FileOperation> FaultFileSystem::operations() const {
  const std::lock_guard lock(mutex_);
  return operations_;
}

uint64_t FaultFileSystem::CountOf(const std::string& name,
                                  const std::string& path_end) const {
  uint64_t count = 0;
  for (const FileOperation& operation : operations()) {
    count += operation.name == name && operation.path.ends_with(path_end);
  }
  return count;
}

std::vector<std::string> FaultFileSystem::uses_after_failure() const {
  const std::lock_guard lock(mutex_);
  return uses_after_failure_;
}

std::vector<std::string> FaultFileSystem::repeats_after_failure() const {
  const std::lock_guard lock(mutex_);
  return repeats_after_failure_;
}

void FaultFileSystem::Hold(const std::string& name,
                           const std::string& path_end) {
  const std::lock_guard lock(mutex_);
  held_name_ = name;
  held_path_end_ = path_end;
}

void FaultFileSystem::WaitUntilHeld() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return is_holding_; });
}

void FaultFileSystem::Release() {
  const std::lock_guard lock(mutex_);
  held_name_.clear();
  is_holding_ = false;
  changed_.notify_all();
}

FaultFileSystem::Outcome FaultFileSystem::Begin(const char* name,
                                                const std::string& path) {
  std::unique_lock lock(mutex_);
  operations_.push_back({name, path});
  if (held_name_ == name && path.ends_with(held_path_end_)) {
    held_name_.clear();
    is_holding_ = true;
    changed_.notify_all();
    changed_.wait(lock, [&] { return !is_holding_; });
  }
  const bool is_counted = (fault_.name.empty() || fault_.name == name) &&
                          path.ends_with(fault_.path_end);
  if (fault_.operation == 0 || !is_counted) return {};
  const uint64_t number = ++matching_operations_;
  const bool fails =
      fault_.forever ? number >= fault_.operation : number == fault_.operation;
  if (!fails) return {};
  const std::string text =
      std::string(kFaultText) + " " + std::to_string(number) + " in " + name;
  if (first_failure_.empty()) first_failure_ = text;
  return {fault_.is_no_space ? Status::NoSpace(path, text)
                             : Status::IOError(path, text),
          fault_.effect};
}

StatusOr<std::unique_ptr<SequentialFile>> FaultFileSystem::NewSequentialFile(
    const std::string& path) {
  using Result = StatusOr<std::unique_ptr<SequentialFile>>;
  return Do("NewSequentialFile", path, [&]() -> Result {
    auto file = base_->NewSequentialFile(path);
    if (!file.ok()) return file.status();
    return Result(std::make_unique<FaultSequentialFile>(
        this, path, std::move(file).value()));
  });
}

StatusOr<std::unique_ptr<RandomAccessFile>>
FaultFileSystem::NewRandomAccessFile(const std::string& path) {
  using Result = StatusOr<std::unique_ptr<RandomAccessFile>>;
  return Do("NewRandomAccessFile", path, [&]() -> Result {
    auto file = base_->NewRandomAccessFile(path);
    if (!file.ok()) return file.status();
    return Result(std::make_unique<FaultRandomAccessFile>(
        this, path, std::move(file).value()));
  });
}

StatusOr<std::unique_ptr<WritableFile>> FaultFileSystem::NewWritableFile(
    const std::string& path, const WritableFileOptions& options) {
  using Result = StatusOr<std::unique_ptr<WritableFile>>;
  return Do("NewWritableFile", path, [&]() -> Result {
    auto file = base_->NewWritableFile(path, options);
    if (!file.ok()) return file.status();
    return Result(std::make_unique<FaultWritableFile>(this, path,
                                                      std::move(file).value()));
  });
}

Status FaultFileSystem::SyncDirectory(const std::string& directory) {
  return Do("SyncDirectory", directory,
            [&] { return base_->SyncDirectory(directory); });
}

Status FaultFileSystem::CreateDirectory(const std::string& directory) {
  return Do("CreateDirectory", directory,
            [&] { return base_->CreateDirectory(directory); });
}

Status FaultFileSystem::RemoveDirectory(const std::string& directory) {
  return Do("RemoveDirectory", directory,
            [&] { return base_->RemoveDirectory(directory); });
}

StatusOr<std::vector<std::string>> FaultFileSystem::ListDirectory(
    const std::string& directory) {
  return Do("ListDirectory", directory,
            [&] { return base_->ListDirectory(directory); });
}

StatusOr<bool> FaultFileSystem::FileExists(const std::string& path) {
  return Do("FileExists", path, [&] { return base_->FileExists(path); });
}

StatusOr<uint64_t> FaultFileSystem::FileSize(const std::string& path) {
  return Do("FileSize", path, [&] { return base_->FileSize(path); });
}

Status FaultFileSystem::RemoveFile(const std::string& path) {
  return Do("RemoveFile", path, [&] { return base_->RemoveFile(path); });
}

Status FaultFileSystem::RenameFile(const std::string& from,
                                   const std::string& to) {
  return Do("RenameFile", from, [&] { return base_->RenameFile(from, to); });
}

StatusOr<std::unique_ptr<FileLock>> FaultFileSystem::LockFile(
    const std::string& path) {
  return Do("LockFile", path, [&] { return base_->LockFile(path); });
}

}  // namespace paceline
