#include "src/wal/wal_set.h"

#include <algorithm>
#include <utility>

#include "src/base/check.h"
#include "src/format/file_name.h"

namespace paceline {

namespace {

// How often the thread looks after the tail: often enough that memory is
// touched well ahead of the leader, seldom enough that waking it costs the
// leader next to nothing.
constexpr uint64_t kWorkIntervalBytes = uint64_t{256} << 10;

// Of space that a WAL gets because the one before it needed so much.
constexpr uint64_t kExpectedBytesMax = uint64_t{256} << 20;

}  // namespace

WalSet::WalSet(Config config) : config_(std::move(config)) {}

WalSet::~WalSet() { Abandon(); }

Status WalSet::Start() {
  PL_CHECK(tail_ == nullptr);
  StatusOr<std::shared_ptr<File>> file = MakeFile();
  if (!file.ok()) return file.status();
  {
    MutexLock lock(&mutex_);
    current_ = *file;
  }
  tail_ = *std::move(file);
  tail_number_.store(tail_->number, std::memory_order_relaxed);
  next_work_at_ = 0;
  switches_.fetch_add(1, std::memory_order_relaxed);
  StartThread();
  return Status::OK();
}

void WalSet::Abandon() {
  StopThread();
  tail_.reset();
  MutexLock lock(&mutex_);
  full_.clear();
  current_.reset();
}

StatusOr<std::shared_ptr<WalSet::File>> WalSet::MakeFile() {
  uint64_t number = config_.new_file_number();
  auto file = config_.file_system->NewWritableFile(
      WalFileName(config_.directory, number),
      {.preallocate_bytes = config_.preallocate_bytes,
       .expected_bytes = std::min(
           expected_bytes_.load(std::memory_order_relaxed), kExpectedBytesMax),
       .allow_mmap = config_.allow_mmap});
  if (!file.ok()) return file.status();
  auto made = std::make_shared<File>(number, *std::move(file));
  // A sync of the file must be enough to find it again after a power cut.
  Status s = config_.file_system->SyncDirectory(config_.directory);
  if (!s.ok()) {
    DiscardFile(*made);
    return s;
  }
  return made;
}

void WalSet::DiscardFile(const File& file) {
  // It holds nothing. If it cannot be removed, recovery finds an empty WAL.
  Status ignored = config_.file_system->RemoveFile(
      WalFileName(config_.directory, file.number));
  static_cast<void>(ignored);
}

Status WalSet::Append(std::span<const Slice> payload, bool is_synced_next) {
  File* file = tail_.get();
  if (file->failure.is_set()) return file->failure.Get();
  Status s = is_synced_next ? file->writer.AddRecordBeforeSync(payload)
                            : file->writer.AddRecord(payload);
  if (!s.ok()) return file->failure.Set(s);
  if (file->writer.size() >= next_work_at_) {
    next_work_at_ = file->writer.size() + kWorkIntervalBytes;
    RequestWork();
  }
  return s;
}

Status WalSet::Switch() {
  // Nobody may be told of what is in the next WAL while something in front of
  // it can be lost with the process.
  if (!tail_->failure.is_set()) {
    Status s = tail_->writer.Flush();
    if (!s.ok()) return s;
  }
  std::shared_ptr<File> next;
  {
    MutexLock lock(&mutex_);
    next = std::exchange(next_, nullptr);
  }
  if (next == nullptr) {
    switch_waits_.fetch_add(1, std::memory_order_relaxed);
    StatusOr<std::shared_ptr<File>> made = MakeFile();
    if (!made.ok()) return made.status();
    next = *std::move(made);
  }
  std::shared_ptr<File> overtaken;
  {
    MutexLock lock(&mutex_);
    full_.push_back(std::exchange(current_, next));
    // Made by the thread while we made ours.
    if (next_ != nullptr && next_->number < next->number) {
      overtaken = std::exchange(next_, nullptr);
    }
  }
  if (overtaken != nullptr) DiscardFile(*overtaken);
  expected_bytes_.store(tail_->writer.size() / 8 * 9,
                        std::memory_order_relaxed);
  tail_ = std::move(next);
  tail_number_.store(tail_->number, std::memory_order_relaxed);
  next_work_at_ = 0;
  switches_.fetch_add(1, std::memory_order_relaxed);
  RequestWork();
  return Status::OK();
}

Status WalSet::SyncFile(File* file, bool is_full) {
  MutexLock lock(&file->sync_mutex);
  if (file->is_synced_for_good) return Status::OK();
  if (file->failure.is_set()) return file->failure.Get();
  syncs_.fetch_add(1, std::memory_order_relaxed);
  Status s = file->writer.Sync();
  if (!s.ok()) return file->failure.Set(s);
  if (is_full) {
    file->is_synced_for_good = true;
    // What it would cut off is zeros, so a failure changes nothing.
    Status ignored = file->writer.Close();
    static_cast<void>(ignored);
  }
  return Status::OK();
}

Status WalSet::Sync() {
  std::shared_ptr<File> current;
  {
    MutexLock lock(&mutex_);
    current = current_;
  }
  if (current == nullptr) {
    return Status::IOError("there is no WAL", config_.directory);
  }
  // Full by now are all that were before it.
  Status s = SyncFull();
  return s.ok() ? SyncFile(current.get(), /*is_full=*/false) : s;
}

Status WalSet::SyncFull() {
  std::vector<std::shared_ptr<File>> full;
  {
    MutexLock lock(&mutex_);
    full = full_;
  }
  for (const auto& file : full) {
    Status s = SyncFile(file.get(), /*is_full=*/true);
    if (!s.ok()) return s;
    MutexLock lock(&mutex_);
    std::erase(full_, file);
  }
  return Status::OK();
}

void WalSet::Release(uint64_t first_needed) {
  // They close their files outside the mutex.
  std::vector<std::shared_ptr<File>> released;
  MutexLock lock(&mutex_);
  auto is_needed = [&](const auto& file) {
    return file->number >= first_needed;
  };
  auto first = std::find_if(full_.begin(), full_.end(), is_needed);
  released.assign(full_.begin(), first);
  full_.erase(full_.begin(), first);
}

Status WalSet::Close() {
  StopThread();
  if (tail_ == nullptr) return Status::OK();
  Status s = Sync();
  bool is_empty = tail_->writer.size() == 0;
  if (s.ok()) s = tail_->writer.Close();
  if (is_empty) DiscardFile(*tail_);
  Abandon();
  return s;
}

void WalSet::StartThread() {
  {
    MutexLock lock(&mutex_);
    is_stopping_ = false;
    has_work_ = true;
  }
  thread_ = Thread([this] { RunThread(); });
}

void WalSet::StopThread() {
  if (!thread_.joinable()) return;
  {
    MutexLock lock(&mutex_);
    is_stopping_ = true;
    work_requested_.NotifyOne();
    became_idle_.NotifyAll();
  }
  thread_.join();
  std::shared_ptr<File> unused;
  {
    MutexLock lock(&mutex_);
    unused = std::exchange(next_, nullptr);
  }
  if (unused != nullptr) DiscardFile(*unused);
}

void WalSet::WaitUntilIdle() {
  MutexLock lock(&mutex_);
  while ((has_work_ || is_working_) && !is_stopping_) {
    became_idle_.Wait(&mutex_);
  }
}

// The thread would wait for the mutex if it woke up before it is unlocked.
void WalSet::RequestWork() {
  {
    MutexLock lock(&mutex_);
    has_work_ = true;
  }
  work_requested_.NotifyOne();
}

void WalSet::RunThread() {
  uint64_t syncs_seen = 0;
  while (true) {
    std::shared_ptr<File> current;
    bool needs_next = false;
    {
      MutexLock lock(&mutex_);
      is_working_ = false;
      became_idle_.NotifyAll();
      while (!has_work_ && !is_stopping_) work_requested_.Wait(&mutex_);
      if (is_stopping_) return;
      has_work_ = false;
      is_working_ = true;
      current = current_;
      needs_next = next_ == nullptr;
    }
    if (!current->failure.is_set()) current->writer.PrepareAhead();
    if (config_.prepare_more) config_.prepare_more();
    if (needs_next) {
      // If it fails, the leader that needs the WAL tries again and reports.
      StatusOr<std::shared_ptr<File>> made = MakeFile();
      uint64_t syncs = syncs_.load(std::memory_order_relaxed);
      bool was_synced = std::exchange(syncs_seen, syncs) != syncs;
      if (!made.ok()) continue;
      // Its first pages as well, where WALs are filled: a page fault may wait
      // for the file system. But a sync would write them.
      bool is_filled = expected_bytes_.load(std::memory_order_relaxed) >=
                       config_.preallocate_bytes;
      if (is_filled && !was_synced) (*made)->writer.PrepareAhead();
      OfferNext(*std::move(made));
    }
  }
}

// Numbers must grow from WAL to WAL: recovery reads them in that order. A
// leader that could not wait may have made a younger one meanwhile.
void WalSet::OfferNext(std::shared_ptr<File> made) {
  {
    MutexLock lock(&mutex_);
    if (made->number > current_->number) next_.swap(made);
  }
  if (made != nullptr) DiscardFile(*made);
}

}  // namespace paceline
