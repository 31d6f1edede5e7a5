#include "test/support/sim_file_system.h"

#include <fnmatch.h>

#include <algorithm>
#include <cerrno>
#include <thread>
#include <utility>

#include "src/base/check.h"
#include "src/base/coding.h"
#include "src/env/posix_error.h"

namespace paceline {

namespace {

constexpr uint64_t kPage = SimDisk::kPageBytes;

// Lets other threads run while a sync is under way, so that appends and other
// syncs happen beside it.
constexpr int kYieldsInSync = 3;

uint64_t RoundUp(uint64_t bytes) { return (bytes + kPage - 1) / kPage * kPage; }

}  // namespace

// --- Files -----------------------------------------------------------------

class SimSequentialFile final : public SequentialFile {
 public:
  SimSequentialFile(SimFileSystem* files, std::string path, uint64_t inode)
      : files_(files), path_(std::move(path)), inode_(inode) {}
  ~SimSequentialFile() override { files_->CloseReader(inode_); }

  Status Read(size_t n, Slice* result, char* scratch) override {
    Status s = files_->Read(path_, inode_, offset_, n, result, scratch);
    if (s.ok()) offset_ += result->size();
    return s;
  }

 private:
  SimFileSystem* const files_;
  const std::string path_;
  const uint64_t inode_;
  uint64_t offset_ = 0;
};

class SimRandomAccessFile final : public RandomAccessFile {
 public:
  SimRandomAccessFile(SimFileSystem* files, std::string path, uint64_t inode)
      : files_(files), path_(std::move(path)), inode_(inode) {}
  ~SimRandomAccessFile() override { files_->CloseReader(inode_); }

  Status Read(uint64_t offset, size_t n, Slice* result,
              char* scratch) const override {
    return files_->Read(path_, inode_, offset, n, result, scratch);
  }

 private:
  SimFileSystem* const files_;
  const std::string path_;
  const uint64_t inode_;
};

class SimWritableFile final : public WritableFile {
 public:
  SimWritableFile(SimFileSystem* files, SimFileSystem::Handle handle)
      : files_(files), handle_(std::move(handle)) {}
  ~SimWritableFile() override { files_->Drop(&handle_); }

  using WritableFile::Append;
  Status Append(std::span<const Slice> pieces) override {
    return files_->Append(&handle_, pieces, /*is_before_sync=*/false);
  }
  Status AppendBeforeSync(std::span<const Slice> pieces) override {
    return files_->Append(&handle_, pieces, /*is_before_sync=*/true);
  }
  Status Flush() override { return files_->Flush(&handle_); }
  Status Sync() override { return files_->Sync(&handle_); }
  Status Close() override { return files_->Close(&handle_); }
  void PrepareAhead() override { files_->PrepareAhead(&handle_); }

 private:
  SimFileSystem* const files_;
  SimFileSystem::Handle handle_;
};

class SimFileLock final : public FileLock {
 public:
  SimFileLock(SimFileSystem* files, uint64_t inode)
      : files_(files), inode_(inode) {}
  ~SimFileLock() override { files_->Unlock(inode_); }

 private:
  SimFileSystem* const files_;
  const uint64_t inode_;
};

// --- SimHistory ------------------------------------------------------------

const SimDisk& SimHistory::At(size_t events) const {
  PL_CHECK(events <= events_.size());
  if (!has_cursor_ || cursor_events_ > events) {
    cursor_ = base_;
    cursor_events_ = 0;
    has_cursor_ = true;
  }
  while (cursor_events_ < events) {
    const SimEvent& event = events_[cursor_events_++];
    cursor_.Apply(cursor_events_, event);
  }
  return cursor_;
}

std::string SimHistory::Encode() const {
  std::string bytes;
  for (const SimEvent& event : events_) {
    bytes.push_back(static_cast<char>(event.kind));
    bytes.push_back(static_cast<char>(event.mode));
    bytes.push_back(event.is_mapped ? '\1' : '\0');
    PutVarint64(&bytes, event.inode);
    PutVarint64(&bytes, event.offset);
    PutVarint64(&bytes, event.value);
    PutLengthPrefixed(&bytes, event.path);
    PutLengthPrefixed(&bytes, event.to_path);
    PutLengthPrefixed(&bytes, event.bytes);
  }
  return bytes;
}

SimHistory SimHistory::Decode(const std::string& bytes) {
  std::vector<SimEvent> events;
  Slice rest(bytes);
  while (!rest.empty()) {
    SimEvent event;
    Slice path;
    Slice to_path;
    Slice data;
    PL_CHECK(rest.size() > 3);
    event.kind = static_cast<SimEvent::Kind>(rest[0]);
    event.mode = static_cast<FailedSync>(rest[1]);
    event.is_mapped = rest[2] != '\0';
    rest.remove_prefix(3);
    bool is_whole =
        GetVarint64(&rest, &event.inode) && GetVarint64(&rest, &event.offset) &&
        GetVarint64(&rest, &event.value) && GetLengthPrefixed(&rest, &path) &&
        GetLengthPrefixed(&rest, &to_path) && GetLengthPrefixed(&rest, &data);
    PL_CHECK(is_whole);
    event.path = path.ToString();
    event.to_path = to_path.ToString();
    event.bytes = data.ToString();
    events.push_back(std::move(event));
  }
  return {SimDisk(), std::move(events)};
}

// --- What goes wrong -------------------------------------------------------

SimFileSystem::SimFileSystem(SimDisk disk)
    : base_(std::move(disk)), disk_(base_) {
  std::vector<std::pair<uint64_t, std::string>> directories = {
      {SimDisk::kRoot, ""}};
  while (!directories.empty()) {
    auto [directory, path] = directories.back();
    directories.pop_back();
    for (const std::string& name : disk_.List(directory)) {
      std::string child_path = path + "/" + name;
      uint64_t child = disk_.Find(child_path);
      names_[child] = 1;
      if (disk_.IsDirectory(child)) {
        directories.emplace_back(child, child_path);
      } else {
        Charge(child, std::max(kPage, disk_.AllocatedBytes(child)));
      }
    }
  }
}

void SimFileSystem::AddFault(SimFault fault) {
  const std::lock_guard lock(mutex_);
  rules_.push_back({.fault = std::move(fault)});
}

void SimFileSystem::ClearFaults() {
  const std::lock_guard lock(mutex_);
  rules_.clear();
  is_stuck_ = false;
}

uint64_t SimFileSystem::failures() const {
  const std::lock_guard lock(mutex_);
  return failures_;
}

void SimFileSystem::SetFailedSync(FailedSync mode) {
  const std::lock_guard lock(mutex_);
  failed_sync_ = mode;
}

void SimFileSystem::SetBudget(uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  budget_ = bytes;
}

uint64_t SimFileSystem::used_bytes() const {
  const std::lock_guard lock(mutex_);
  return used_bytes_;
}

uint64_t SimFileSystem::no_space_count() const {
  const std::lock_guard lock(mutex_);
  return no_space_count_;
}

void SimFileSystem::SetLateAllocation(bool is_late) {
  const std::lock_guard lock(mutex_);
  allocates_late_ = is_late;
}

void SimFileSystem::DropCaches() {
  const std::lock_guard lock(mutex_);
  Log({.kind = SimEvent::Kind::kDropCaches});
}

SimFileSystem::Outcome SimFileSystem::Begin(const char* operation,
                                            const char* action,
                                            const std::string& path) {
  if (is_stuck_)
    return {PosixError(action, path, EIO), SimFault::Effect::kNone};
  for (Rule& rule : rules_) {
    const SimFault& fault = rule.fault;
    bool is_named =
        fault.operations.empty() || fault.operations.contains(operation);
    if (!is_named ||
        fnmatch(fault.path_pattern.c_str(), path.c_str(), 0) != 0) {
      continue;
    }
    uint64_t number = ++rule.matched;
    if (number < fault.number || number - fault.number >= fault.times) continue;
    ++failures_;
    return {PosixError(action, path, fault.error_number), fault.effect};
  }
  return {};
}

uint64_t SimFileSystem::FreeBytes() const {
  return budget_ > used_bytes_ ? budget_ - used_bytes_ : 0;
}

bool SimFileSystem::Charge(uint64_t inode, uint64_t bytes) {
  uint64_t& charged = charged_[inode];
  if (bytes > charged && bytes - charged > FreeBytes()) {
    ++no_space_count_;
    return false;
  }
  used_bytes_ = used_bytes_ - charged + bytes;
  charged = bytes;
  return true;
}

void SimFileSystem::Release(uint64_t inode) {
  used_bytes_ -= charged_[inode];
  charged_.erase(inode);
}

void SimFileSystem::ReleaseIfUnlinked(uint64_t inode) {
  if (names_[inode] == 0 && open_[inode] == 0) {
    Release(inode);
    names_.erase(inode);
    open_.erase(inode);
  }
}

// --- What happened ---------------------------------------------------------

uint64_t SimFileSystem::Log(SimEvent event) {
  events_.push_back(std::move(event));
  disk_.Apply(events_.size(), events_.back());
  return events_.size();
}

uint64_t SimFileSystem::Note(uint64_t value, std::string bytes) {
  const std::lock_guard lock(mutex_);
  return Log({.kind = SimEvent::Kind::kNote,
              .value = value,
              .bytes = std::move(bytes)});
}

uint64_t SimFileSystem::event_count() const {
  const std::lock_guard lock(mutex_);
  return events_.size();
}

SimHistory SimFileSystem::History() const {
  const std::lock_guard lock(mutex_);
  return {base_, events_};
}

SimDisk SimFileSystem::Disk() const {
  const std::lock_guard lock(mutex_);
  return disk_;
}

std::vector<std::string> SimFileSystem::misuses() const {
  const std::lock_guard lock(mutex_);
  return misuses_;
}

uint64_t SimFileSystem::open_files() const {
  const std::lock_guard lock(mutex_);
  uint64_t count = 0;
  for (const auto& [inode, handles] : open_) count += handles;
  return count;
}

// --- Writing ---------------------------------------------------------------

Status SimFileSystem::Missing(const char* action,
                              const std::string& path) const {
  return PosixError(action, path, ENOENT);
}

// The name must be free.
Status SimFileSystem::Create(const std::string& path) {
  uint64_t parent = disk_.FindParent(path);
  if (!disk_.IsDirectory(parent)) return Missing("create", path);
  uint64_t inode = disk_.next_inode();
  if (!Charge(inode, kPage)) {
    charged_.erase(inode);
    return PosixError("create", path, ENOSPC);
  }
  Log({.kind = SimEvent::Kind::kCreate, .inode = inode, .path = path});
  names_[inode] = 1;
  return Status::OK();
}

StatusOr<std::unique_ptr<WritableFile>> SimFileSystem::NewWritableFile(
    const std::string& path, const WritableFileOptions& options) {
  const std::lock_guard lock(mutex_);
  Outcome outcome = Begin("NewWritableFile", "create", path);
  if (!outcome.proceeds()) return outcome.status;
  if (disk_.Find(path) != 0) return PosixError("create", path, EEXIST);
  Status s = Create(path);
  if (!s.ok()) return s;
  Handle handle;
  handle.inode = disk_.Find(path);
  handle.path = path;
  (options.allow_mmap ? handle.window_bytes : handle.ahead_bytes) =
      options.preallocate_bytes;
  if (handle.window_bytes > 0) s = Allocate(&handle);
  if (!s.ok()) {
    Log({.kind = SimEvent::Kind::kRemove, .inode = handle.inode, .path = path});
    names_[handle.inode] = 0;
    ReleaseIfUnlinked(handle.inode);
    return s;
  }
  if (!outcome.status.ok()) return outcome.status;
  AllocateExpected(handle, options.expected_bytes);
  SetAside(&handle);
  ++open_[handle.inode];
  return std::unique_ptr<WritableFile>(
      new SimWritableFile(this, std::move(handle)));
}

// One more window.
Status SimFileSystem::Allocate(Handle* handle) {
  Outcome outcome = Begin("Allocate", "allocate space for", handle->path);
  if (!outcome.proceeds()) return outcome.status;
  uint64_t size = disk_.Size(handle->inode) + handle->window_bytes;
  if (!Extend(*handle, size)) {
    return PosixError("allocate space for", handle->path, ENOSPC);
  }
  return outcome.status;
}

// Windows for so many bytes, if the disk has room for all of them.
void SimFileSystem::AllocateExpected(const Handle& handle, uint64_t bytes) {
  if (handle.window_bytes == 0 || bytes <= handle.window_bytes) return;
  const uint64_t windows =
      (bytes + handle.window_bytes - 1) / handle.window_bytes;
  static_cast<void>(Extend(handle, windows * handle.window_bytes));
}

bool SimFileSystem::Extend(const Handle& handle, uint64_t size) {
  if (!Charge(handle.inode, RoundUp(size))) return false;
  Log({.kind = SimEvent::Kind::kAllocate,
       .inode = handle.inode,
       .offset = size,
       .path = handle.path});
  return true;
}

// As far as the disk has room for all of it.
void SimFileSystem::SetAside(Handle* handle) {
  if (handle->ahead_bytes == 0 ||
      handle->allocated_to >= handle->end + handle->ahead_bytes / 2) {
    return;
  }
  const uint64_t ahead = RoundUp(handle->end + handle->ahead_bytes);
  if (ahead > charged_[handle->inode] + FreeBytes()) return;
  handle->allocated_to = handle->end + handle->ahead_bytes;
  Charge(handle->inode, ahead);
}

uint64_t SimFileSystem::SpaceOf(const Handle& handle, uint64_t end) {
  return std::max(kPage, RoundUp(std::max(end, handle.allocated_to)));
}

Status SimFileSystem::Append(Handle* handle, std::span<const Slice> pieces,
                             bool is_before_sync) {
  std::string bytes;
  uint64_t first_piece = 0;
  for (const Slice& piece : pieces) {
    if (bytes.empty()) first_piece = piece.size();
    bytes += piece.ToStringView();
  }
  const std::lock_guard lock(mutex_);
  NoteMisuse(*handle, "Append");
  Outcome outcome = Begin("Append", "append to", handle->path);
  if (outcome.effect == SimFault::Effect::kNone) bytes.clear();
  if (outcome.effect == SimFault::Effect::kHalf) bytes.resize(bytes.size() / 2);
  Status s;
  if (!bytes.empty()) {
    bool is_gathered = is_before_sync && handle->window_bytes > 0;
    s = AppendSome(handle, std::move(bytes), first_piece, is_gathered);
  }
  if (!outcome.status.ok()) s = outcome.status;
  if (!s.ok()) handle->has_failed = true;
  return s;
}

Status SimFileSystem::AppendSome(Handle* handle, std::string bytes,
                                 uint64_t first_piece, bool is_gathered) {
  bool is_mapped = handle->window_bytes > 0;
  if (!is_gathered) WriteGathered(handle);
  Status s;
  if (is_mapped) {
    while (s.ok() && disk_.Size(handle->inode) < handle->end + bytes.size()) {
      s = Allocate(handle);
    }
    // The windows that there are have been filled.
    if (!s.ok()) bytes.resize(disk_.Size(handle->inode) - handle->end);
  } else if (!allocates_late_) {
    uint64_t needed = SpaceOf(*handle, handle->end + bytes.size());
    if (!Charge(handle->inode, needed)) {
      uint64_t room = (charged_[handle->inode] + FreeBytes()) / kPage * kPage;
      uint64_t fits = room > handle->end ? room - handle->end : 0;
      bytes.resize(std::min<uint64_t>(bytes.size(), fits));
      Charge(handle->inode, SpaceOf(*handle, handle->end + bytes.size()));
      s = PosixError("append to", handle->path, ENOSPC);
    }
  }
  if (bytes.empty()) return s;
  uint64_t offset = handle->end;
  handle->end += bytes.size();
  if (is_gathered) {
    handle->gathered += bytes;
    return s;
  }
  Log({.kind = SimEvent::Kind::kAppend,
       .inode = handle->inode,
       .offset = offset,
       .value = first_piece,
       .is_mapped = is_mapped,
       .path = handle->path,
       .bytes = std::move(bytes)});
  if (s.ok()) SetAside(handle);
  return s;
}

// It has its space already.
void SimFileSystem::WriteGathered(Handle* handle) {
  if (handle->gathered.empty()) return;
  Log({.kind = SimEvent::Kind::kAppend,
       .inode = handle->inode,
       .offset = handle->end - handle->gathered.size(),
       .path = handle->path,
       .bytes = std::exchange(handle->gathered, {})});
}

Status SimFileSystem::Flush(Handle* handle) {
  const std::lock_guard lock(mutex_);
  WriteGathered(handle);
  return Status::OK();
}

Status SimFileSystem::Sync(Handle* handle) {
  uint64_t begin = 0;
  {
    const std::lock_guard lock(mutex_);
    NoteMisuse(*handle, "Sync");
    WriteGathered(handle);
    begin = Log({.kind = SimEvent::Kind::kSyncBegin,
                 .inode = handle->inode,
                 .path = handle->path});
  }
  for (int i = 0; i < kYieldsInSync; ++i) std::this_thread::yield();
  const std::lock_guard lock(mutex_);
  Status s = EndSync(handle, begin);
  if (!s.ok()) handle->has_failed = true;
  return s;
}

Status SimFileSystem::EndSync(Handle* handle, uint64_t begin) {
  Outcome outcome = Begin("Sync", "sync", handle->path);
  bool is_full = false;
  if (allocates_late_ && outcome.proceeds()) {
    uint64_t needed = std::max(disk_.AllocatedBytes(handle->inode),
                               SpaceOf(*handle, handle->end));
    is_full = !Charge(handle->inode, needed);
    if (is_full) outcome.status = PosixError("sync", handle->path, ENOSPC);
  }
  SimEvent event = {.kind = SimEvent::Kind::kSyncEnd,
                    .inode = handle->inode,
                    .value = begin,
                    .path = handle->path};
  if (!outcome.proceeds() || is_full) {
    event.kind = SimEvent::Kind::kSyncFailed;
    event.mode = failed_sync_;
    event.offset = begin;
    if (failed_sync_ == FailedSync::kSticky) is_stuck_ = true;
  }
  Log(std::move(event));
  return outcome.status;
}

Status SimFileSystem::Close(Handle* handle) {
  const std::lock_guard lock(mutex_);
  if (handle->is_closed) misuses_.push_back("Close " + handle->path);
  Outcome outcome = Begin("Close", "close", handle->path);
  handle->is_closed = true;
  if (outcome.proceeds()) {
    WriteGathered(handle);
    if (handle->window_bytes > 0) {
      Log({.kind = SimEvent::Kind::kTruncate,
           .inode = handle->inode,
           .offset = handle->end,
           .path = handle->path});
    }
    if (handle->window_bytes + handle->ahead_bytes > 0) {
      Charge(handle->inode, std::max(kPage, RoundUp(handle->end)));
    }
    Log({.kind = SimEvent::Kind::kClose,
         .inode = handle->inode,
         .path = handle->path});
  }
  return outcome.status;
}

void SimFileSystem::Drop(Handle* handle) {
  const std::lock_guard lock(mutex_);
  --open_[handle->inode];
  ReleaseIfUnlinked(handle->inode);
}

void SimFileSystem::PrepareAhead(Handle* handle) {
  const std::lock_guard lock(mutex_);
  if (handle->window_bytes == 0 || handle->is_closed) return;
  uint64_t size = disk_.Size(handle->inode);
  if (handle->end < size - handle->window_bytes / 2) return;
  // A failure is met again by the Append() that needs the space.
  Status ignored = Allocate(handle);
  static_cast<void>(ignored);
}

void SimFileSystem::NoteMisuse(const Handle& handle, const char* operation) {
  if (handle.has_failed || handle.is_closed) {
    misuses_.push_back(std::string(operation) + " " + handle.path);
  }
}

// --- Reading ---------------------------------------------------------------

StatusOr<uint64_t> SimFileSystem::OpenForReading(const char* operation,
                                                 const std::string& path) {
  const std::lock_guard lock(mutex_);
  Outcome outcome = Begin(operation, "open", path);
  if (!outcome.status.ok()) return outcome.status;
  uint64_t inode = disk_.Find(path);
  if (inode == 0) return Missing("open", path);
  if (disk_.IsDirectory(inode)) return PosixError("open", path, EISDIR);
  ++open_[inode];
  return inode;
}

StatusOr<std::unique_ptr<SequentialFile>> SimFileSystem::NewSequentialFile(
    const std::string& path) {
  StatusOr<uint64_t> inode = OpenForReading("NewSequentialFile", path);
  if (!inode.ok()) return inode.status();
  return std::unique_ptr<SequentialFile>(
      new SimSequentialFile(this, path, *inode));
}

StatusOr<std::unique_ptr<RandomAccessFile>> SimFileSystem::NewRandomAccessFile(
    const std::string& path) {
  StatusOr<uint64_t> inode = OpenForReading("NewRandomAccessFile", path);
  if (!inode.ok()) return inode.status();
  return std::unique_ptr<RandomAccessFile>(
      new SimRandomAccessFile(this, path, *inode));
}

Status SimFileSystem::Read(const std::string& path, uint64_t inode,
                           uint64_t offset, size_t n, Slice* result,
                           char* scratch) {
  const std::lock_guard lock(mutex_);
  Outcome outcome = Begin("Read", "read", path);
  if (!outcome.status.ok()) return outcome.status;
  *result = Slice(scratch, disk_.Read(inode, offset, n, scratch));
  return Status::OK();
}

void SimFileSystem::CloseReader(uint64_t inode) {
  const std::lock_guard lock(mutex_);
  --open_[inode];
  ReleaseIfUnlinked(inode);
}

// --- Names -----------------------------------------------------------------

Status SimFileSystem::SyncDirectory(const std::string& directory) {
  const std::lock_guard lock(mutex_);
  Outcome outcome = Begin("SyncDirectory", "sync", directory);
  if (!outcome.proceeds()) return outcome.status;
  if (!disk_.IsDirectory(disk_.Find(directory))) {
    return Missing("open", directory);
  }
  Log({.kind = SimEvent::Kind::kSyncDirectory, .path = directory});
  return outcome.status;
}

Status SimFileSystem::CreateDirectory(const std::string& directory) {
  const std::lock_guard lock(mutex_);
  Outcome outcome = Begin("CreateDirectory", "create directory", directory);
  if (!outcome.proceeds()) return outcome.status;
  uint64_t inode = disk_.Find(directory);
  if (disk_.IsDirectory(inode)) return outcome.status;
  if (inode != 0) return PosixError("create directory", directory, EEXIST);
  if (!disk_.IsDirectory(disk_.FindParent(directory))) {
    return Missing("create directory", directory);
  }
  inode = disk_.next_inode();
  Log({.kind = SimEvent::Kind::kMakeDirectory,
       .inode = inode,
       .path = directory});
  names_[inode] = 1;
  return outcome.status;
}

Status SimFileSystem::RemoveDirectory(const std::string& directory) {
  const std::lock_guard lock(mutex_);
  Outcome outcome = Begin("RemoveDirectory", "remove directory", directory);
  if (!outcome.proceeds()) return outcome.status;
  uint64_t inode = disk_.Find(directory);
  if (!disk_.IsDirectory(inode)) return Missing("remove directory", directory);
  if (!disk_.List(inode).empty()) {
    return PosixError("remove directory", directory, ENOTEMPTY);
  }
  Log({.kind = SimEvent::Kind::kRemoveDirectory, .path = directory});
  return outcome.status;
}

StatusOr<std::vector<std::string>> SimFileSystem::ListDirectory(
    const std::string& directory) {
  const std::lock_guard lock(mutex_);
  Outcome outcome = Begin("ListDirectory", "list", directory);
  if (!outcome.status.ok()) return outcome.status;
  uint64_t inode = disk_.Find(directory);
  if (!disk_.IsDirectory(inode)) return Missing("list", directory);
  return disk_.List(inode);
}

StatusOr<bool> SimFileSystem::FileExists(const std::string& path) {
  const std::lock_guard lock(mutex_);
  Outcome outcome = Begin("FileExists", "look up", path);
  if (!outcome.status.ok()) return outcome.status;
  return disk_.Find(path) != 0;
}

StatusOr<uint64_t> SimFileSystem::FileSize(const std::string& path) {
  const std::lock_guard lock(mutex_);
  Outcome outcome = Begin("FileSize", "look up", path);
  if (!outcome.status.ok()) return outcome.status;
  uint64_t inode = disk_.Find(path);
  if (inode == 0) return Missing("look up", path);
  return disk_.Size(inode);
}

Status SimFileSystem::RemoveFile(const std::string& path) {
  const std::lock_guard lock(mutex_);
  Outcome outcome = Begin("RemoveFile", "remove", path);
  if (!outcome.proceeds()) return outcome.status;
  uint64_t inode = disk_.Find(path);
  if (inode == 0) return Missing("remove", path);
  if (disk_.IsDirectory(inode)) return PosixError("remove", path, EISDIR);
  Log({.kind = SimEvent::Kind::kRemove, .inode = inode, .path = path});
  names_[inode] = 0;
  ReleaseIfUnlinked(inode);
  return outcome.status;
}

Status SimFileSystem::RenameFile(const std::string& from,
                                 const std::string& to) {
  const std::lock_guard lock(mutex_);
  Outcome outcome = Begin("RenameFile", "rename", from);
  if (!outcome.proceeds()) return outcome.status;
  uint64_t inode = disk_.Find(from);
  if (inode == 0 || !disk_.IsDirectory(disk_.FindParent(to))) {
    return Missing("rename", from);
  }
  uint64_t replaced = disk_.Find(to);
  Log({.kind = SimEvent::Kind::kRename,
       .inode = inode,
       .path = from,
       .to_path = to});
  if (replaced != 0 && replaced != inode) {
    names_[replaced] = 0;
    ReleaseIfUnlinked(replaced);
  }
  return outcome.status;
}

StatusOr<std::unique_ptr<FileLock>> SimFileSystem::LockFile(
    const std::string& path) {
  const std::lock_guard lock(mutex_);
  Outcome outcome = Begin("LockFile", "lock", path);
  if (!outcome.status.ok()) return outcome.status;
  if (disk_.Find(path) == 0) {
    Status s = Create(path);
    if (!s.ok()) return s;
  }
  uint64_t inode = disk_.Find(path);
  if (!locked_.insert(inode).second) {
    return Status::Busy("another DB of this process has it open", path);
  }
  return std::unique_ptr<FileLock>(new SimFileLock(this, inode));
}

void SimFileSystem::Unlock(uint64_t inode) {
  const std::lock_guard lock(mutex_);
  locked_.erase(inode);
}

}  // namespace paceline
