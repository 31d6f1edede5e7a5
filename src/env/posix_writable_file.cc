#include "src/env/posix_writable_file.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "src/base/check.h"
#include "src/env/posix_error.h"
#include "src/env/store_guard.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
#ifndef XFS_SUPER_MAGIC
#define XFS_SUPER_MAGIC 0x58465342
#endif

namespace paceline {

namespace {

constexpr uint64_t kPageBytes = 4096;

// How far ahead of the tail pages are touched: as much as is written at full
// speed while the thread that does it waits for the journal of the file system,
// or for a processor.
constexpr uint64_t kTouchAheadBytes = uint64_t{4} << 20;

// At one go: a few milliseconds, in which a processor is not the writer's. It
// is several times what is written between two of them.
constexpr uint64_t kTouchAtOnceBytes = uint64_t{1} << 20;
constexpr uint64_t kTouchInARowBytes = uint64_t{128} << 10;

// Of zeros that make pages. A tenth of a millisecond, for which an Append() may
// have to wait.
constexpr size_t kZeroPagesAtOnce = 64;
constexpr std::array<char, kPageBytes> kZeroPage = {};

// Where the tail is so near to what was touched last, the writer is faster than
// page faults one by one.
constexpr uint64_t kLeadShortBytes = uint64_t{512} << 10;

// Space is allocated for so much at once, or as much as the file has.
constexpr uint64_t kAllocateAtOnceBytes = uint64_t{32} << 20;

// What is appended at once is written rather than stored if it is so large: a
// system call costs less than the page faults.
constexpr uint64_t kLargeBytes = uint64_t{64} << 10;

// Small appends are written as well if syncs come more often than that: after a
// sync the system catches the first store into each page that it has written.
constexpr uint64_t kAppendsPerSyncMax = 16;

// More is not gathered for a sync.
constexpr size_t kGatheredBytesMax = size_t{64} << 10;

// Whether the four bytes before `end` lie in two pages. The system writes page
// by page, and a process may be killed between two.
bool IsSplitByPage(uint64_t end) {
  uint64_t within = end % kPageBytes;
  return within > 0 && within < sizeof(uint32_t);
}

// Takes the page faults of what follows together, at a third of the cost. But
// the kernel locks the whole address space meanwhile, also while it waits for
// the journal of the file system, and a writer that needs memory waits with it.
void FaultTogether(char* memory, uint64_t bytes) {
  madvise(memory, bytes, MADV_POPULATE_WRITE);
}

// 0, or the error.
int AllocateSpace(int fd, uint64_t begin, uint64_t end) {
  while (fallocate(fd, 0, static_cast<off_t>(begin),
                   static_cast<off_t>(end - begin)) != 0) {
    if (errno != EINTR) return errno;
  }
  return 0;
}

// Stores what is there, so that the page is mapped and dirty; at one go, as the
// writer may get there.
void TouchPage(char* page) {
#if defined(__x86_64__)
  asm volatile("lock orb $0, %0" : "+m"(*page) : : "cc");
#else
  madvise(page, kPageBytes, MADV_POPULATE_WRITE);
#endif
}

Status SyncFd(int fd, const std::string& path) {
  if (fdatasync(fd) != 0) return PosixError("sync", path, errno);
  return Status::OK();
}

// Drops `bytes` from the front of the vectors; returns the first that is left.
iovec* Advance(iovec* vector, const iovec* end, size_t bytes) {
  while (vector != end && bytes >= vector->iov_len) {
    bytes -= vector->iov_len;
    ++vector;
  }
  if (vector != end) {
    vector->iov_base = static_cast<char*>(vector->iov_base) + bytes;
    vector->iov_len -= bytes;
  }
  return vector;
}

// Writes from `*offset` on, and moves it behind what was written, after an
// error too.
Status WriteAt(int fd, const std::string& path, std::span<const Slice> pieces,
               uint64_t* offset) {
  constexpr size_t kVectorsMax = 256;
  static_assert(kVectorsMax <= IOV_MAX);
  std::array<iovec, kVectorsMax> vectors;
  while (!pieces.empty()) {
    size_t count = std::min(pieces.size(), kVectorsMax);
    for (size_t i = 0; i < count; ++i) {
      vectors[i] = {const_cast<char*>(pieces[i].data()), pieces[i].size()};
    }
    pieces = pieces.subspan(count);
    iovec* vector = Advance(vectors.data(), vectors.data() + count, 0);
    iovec* end = vectors.data() + count;
    while (vector != end) {
      ssize_t written = pwritev(fd, vector, static_cast<int>(end - vector),
                                static_cast<off_t>(*offset));
      if (written < 0) {
        if (errno == EINTR) continue;
        return PosixError("append to", path, errno);
      }
      *offset += static_cast<uint64_t>(written);
      vector = Advance(vector, end, static_cast<size_t>(written));
    }
  }
  return Status::OK();
}

uint64_t SizeOf(std::span<const Slice> pieces) {
  uint64_t bytes = 0;
  for (const Slice& piece : pieces) bytes += piece.size();
  return bytes;
}

}  // namespace

bool IsMappingSound(int fd) {
  struct statfs info {};
  if (fstatfs(fd, &info) != 0) return false;
  auto magic = static_cast<uint64_t>(info.f_type) & 0xffffffffU;
  return magic == EXT4_SUPER_MAGIC || magic == XFS_SUPER_MAGIC ||
         magic == TMPFS_MAGIC;
}

PosixWritableFile::PosixWritableFile(std::string path, int fd,
                                     uint64_t ahead_bytes)
    : path_(std::move(path)), fd_(fd), ahead_bytes_(ahead_bytes) {
  SetAside();
}

PosixWritableFile::~PosixWritableFile() {
  if (fd_ >= 0) close(fd_);
}

Status PosixWritableFile::Append(std::span<const Slice> pieces) {
  Status s = WriteAt(fd_, path_, pieces, &size_);
  if (s.ok()) SetAside();
  return s;
}

// A failure is met again, and reported, by an Append() that finds no space.
void PosixWritableFile::SetAside() {
  if (ahead_bytes_ == 0 || allocated_to_ >= size_ + ahead_bytes_ / 2) return;
  if (fallocate(fd_, FALLOC_FL_KEEP_SIZE, static_cast<off_t>(size_),
                static_cast<off_t>(ahead_bytes_)) == 0) {
    allocated_to_ = size_ + ahead_bytes_;
  } else if (errno == EOPNOTSUPP) {
    ahead_bytes_ = 0;
  }
}

Status PosixWritableFile::Sync() { return SyncFd(fd_, path_); }

Status PosixWritableFile::Close() {
  Status result;
  if (allocated_to_ > size_ && ftruncate(fd_, static_cast<off_t>(size_)) != 0) {
    result = PosixError("truncate", path_, errno);
  }
  if (close(std::exchange(fd_, -1)) != 0 && result.ok()) {
    result = PosixError("close", path_, errno);
  }
  return result;
}

StatusOr<std::unique_ptr<WritableFile>> MappedWritableFile::Create(
    const std::string& path, int fd, uint64_t window_bytes,
    uint64_t expected_bytes) {
  std::unique_ptr<MappedWritableFile> file(
      new MappedWritableFile(path, fd, window_bytes));
  Status s = file->Allocate(window_bytes, expected_bytes);
  if (!s.ok()) return s;
  StatusOr<Window> window = file->MakeWindow(0);
  if (!window.ok()) return window.status();
  file->window_ = *window;
  {
    MutexLock lock(&file->mutex_);
    file->current_ = *window;
  }
  return std::unique_ptr<WritableFile>(std::move(file));
}

MappedWritableFile::MappedWritableFile(std::string path, int fd,
                                       uint64_t window_bytes)
    : path_(std::move(path)), fd_(fd), window_bytes_(window_bytes) {
  PL_CHECK(window_bytes % kPageBytes == 0 && window_bytes > 0);
}

MappedWritableFile::~MappedWritableFile() {
  MutexLock lock(&mutex_);
  Unmap(window_);
  Unmap(next_);
  for (const Window& window : outgrown_) Unmap(window);
  for (const Window& window : retired_) Unmap(window);
  if (!is_closed_) close(fd_);
}

// A leader that allocates would wait for a thread that does so already, and for
// the device.
Status MappedWritableFile::Allocate(uint64_t end, uint64_t wanted_end) {
  uint64_t begin = 0;
  {
    MutexLock lock(&mutex_);
    if (allocated_to_ >= end) return Status::OK();
    begin = allocated_to_;
  }
  uint64_t windows = (wanted_end + window_bytes_ - 1) / window_bytes_;
  uint64_t to = std::max(end, windows * window_bytes_);
  int error = AllocateSpace(fd_, begin, to);
  if (error != 0 && error != EOPNOTSUPP && to > end) {
    to = end;
    error = AllocateSpace(fd_, begin, to);
  }
  if (error == EOPNOTSUPP) {
    return Status::NotSupported("no space allocation for " + path_);
  }
  if (error != 0) return PosixError("allocate space for", path_, error);
  MutexLock lock(&mutex_);
  allocated_to_ = std::max(allocated_to_, to);
  return Status::OK();
}

StatusOr<MappedWritableFile::Window> MappedWritableFile::MakeWindow(
    uint64_t offset) {
  // What the file has grows to twice as much, so that it is seldom done.
  uint64_t wanted = std::min(offset, kAllocateAtOnceBytes);
  Status s = Allocate(offset + window_bytes_, offset + wanted);
  if (!s.ok()) return s;
  void* memory = mmap(nullptr, window_bytes_, PROT_READ | PROT_WRITE,
                      MAP_SHARED, fd_, static_cast<off_t>(offset));
  if (memory == MAP_FAILED) return PosixError("map", path_, errno);
  // Or the first page fault would read ahead: allocate and fill with zeros as
  // many megabytes as the device is set to, at one go, with a writer that waits
  // for the page or for the processor.
  madvise(memory, window_bytes_, MADV_RANDOM);
  Window window{static_cast<char*>(memory), offset};
  GuardStores(window.memory, window_bytes_, &has_lost_stores_);
  return window;
}

// PrepareAhead() may be making the same window, but nobody waits for a thread
// that may have no processor: of two windows one is let go.
Status MappedWritableFile::NextWindow() {
  Window next;
  {
    MutexLock lock(&mutex_);
    next = std::exchange(next_, Window());
    if (next.memory != nullptr) current_ = next;
  }
  if (next.memory == nullptr) {
    StatusOr<Window> made = MakeWindow(window_.offset + window_bytes_);
    if (!made.ok()) return made.status();
    next = *made;
    MutexLock lock(&mutex_);
    current_ = next;
    // Not unmapped here: PrepareAhead() may be at work in it.
    if (next_.memory != nullptr) {
      retired_.push_back(std::exchange(next_, Window()));
    }
  }
  outgrown_.push_back(window_);
  window_ = next;
  return Status::OK();
}

Status MappedWritableFile::Copy(const Slice& bytes, uint64_t offset) {
  Slice rest = bytes;
  while (!rest.empty()) {
    if (offset == window_.offset + window_bytes_) {
      Status s = NextWindow();
      if (!s.ok()) return s;
    }
    uint64_t within = offset - window_.offset;
    size_t length = std::min<uint64_t>(rest.size(), window_bytes_ - within);
    std::memcpy(window_.memory + within, rest.data(), length);
    rest.remove_prefix(length);
    offset += length;
  }
  return Status::OK();
}

// The first piece is stored after all the others, and its last four bytes
// after everything, in one store: a reader of what a killed process left
// finds zeros in front of an unfinished append. In a log this is the header
// of the first fragment, whose last bytes hold its length and type.
Status MappedWritableFile::Append(std::span<const Slice> pieces) {
  while (!pieces.empty() && pieces.front().empty()) pieces = pieces.subspan(1);
  if (pieces.empty()) return Status::OK();
  if (Status s = WriteGathered(); !s.ok()) return s;
  uint64_t start = size_.load(std::memory_order_relaxed);
  bool is_written = SizeOf(pieces) >= kLargeBytes || IsSyncedOften();
  if (is_written && !IsSplitByPage(start + pieces.front().size())) {
    return Write(pieces);
  }
  if (start == window_.offset + window_bytes_) {
    Status s = NextWindow();
    if (!s.ok()) return s;
  }
  const Slice& first = pieces.front();
  uint64_t within = start - window_.offset;
  char* to = window_.memory + within;
  uint64_t end = start + first.size();
  bool first_goes_last = first.size() >= sizeof(uint32_t) &&
                         first.size() <= window_bytes_ - within;
  if (!first_goes_last) {
    Status s = Copy(first, start);
    if (!s.ok()) return s;
  }
  for (const Slice& piece : pieces.subspan(1)) {
    Status s = Copy(piece, end);
    if (!s.ok()) return s;
    end += piece.size();
  }
  if (first_goes_last) {
    size_t tail = first.size() - sizeof(uint32_t);
    CompilerBarrier();
    std::memcpy(to, first.data(), tail);
    CompilerBarrier();
    std::memcpy(to + tail, first.data() + tail, sizeof(uint32_t));
  }
  // A store that is refused sets it before the next instruction.
  CompilerBarrier();
  if (has_lost_stores_.load(std::memory_order_relaxed)) return LostStores();
  Grow(end);
  return Status::OK();
}

Status MappedWritableFile::AppendBeforeSync(std::span<const Slice> pieces) {
  const uint64_t bytes = SizeOf(pieces);
  if (bytes > kGatheredBytesMax) return Append(pieces);
  const uint64_t start = size_.load(std::memory_order_relaxed);
  Status s = ReachWindow(start + bytes);
  if (!s.ok()) return s;
  {
    MutexLock lock(&gathered_mutex_);
    if (gathered_.size() + bytes > kGatheredBytesMax) {
      s = WriteGatheredLocked();
      if (!s.ok()) return s;
    }
    // A record is there whole or not at all, also if there is no memory.
    gathered_.reserve(gathered_.size() + bytes);
    if (gathered_.empty()) gathered_at_ = start;
    for (const Slice& piece : pieces) {
      gathered_.append(piece.data(), piece.size());
    }
    has_gathered_.store(true, std::memory_order_relaxed);
  }
  written_bytes_.fetch_add(bytes, std::memory_order_relaxed);
  Grow(start + bytes);
  return Status::OK();
}

Status MappedWritableFile::WriteGathered() {
  if (!has_gathered_.load(std::memory_order_acquire)) return Status::OK();
  MutexLock lock(&gathered_mutex_);
  return WriteGatheredLocked();
}

// After an error it stays, so that nothing is ever appended behind a hole.
Status MappedWritableFile::WriteGatheredLocked() {
  const Slice bytes(gathered_);
  uint64_t at = gathered_at_;
  Status s = WriteAt(fd_, path_, {&bytes, 1}, &at);
  if (!s.ok()) return s;
  gathered_.clear();
  has_gathered_.store(false, std::memory_order_release);
  return s;
}

bool MappedWritableFile::IsSyncedOften() {
  uint64_t syncs = syncs_.load(std::memory_order_relaxed);
  if (std::exchange(syncs_at_append_, syncs) != syncs) {
    last_appends_per_sync_ = std::exchange(appends_since_sync_, 0);
  }
  ++appends_since_sync_;
  return syncs > 0 && last_appends_per_sync_ <= kAppendsPerSyncMax &&
         appends_since_sync_ <= kAppendsPerSyncMax;
}

// The same order, by system calls: what is behind the first piece, and then it.
// The last four bytes of that lie in one page.
Status MappedWritableFile::Write(std::span<const Slice> pieces) {
  uint64_t start = size_.load(std::memory_order_relaxed);
  uint64_t end = start + SizeOf(pieces);
  Status s = ReachWindow(end);
  if (!s.ok()) return s;
  uint64_t behind_first = start + pieces.front().size();
  s = WriteAt(fd_, path_, pieces.subspan(1), &behind_first);
  if (s.ok()) s = WriteAt(fd_, path_, pieces.first(1), &start);
  if (!s.ok()) return s;
  // Of smaller appends before.
  if (has_lost_stores_.load(std::memory_order_relaxed)) return LostStores();
  written_bytes_.fetch_add(end - size_.load(std::memory_order_relaxed),
                           std::memory_order_relaxed);
  Grow(end);
  return Status::OK();
}

Status MappedWritableFile::ReachWindow(uint64_t end) {
  while (end > window_.offset + window_bytes_) {
    Status s = NextWindow();
    if (!s.ok()) return s;
  }
  return Status::OK();
}

void MappedWritableFile::Grow(uint64_t end) {
  size_.store(end, std::memory_order_relaxed);
  if (!outgrown_.empty()) RetireOutgrown();
}

Status MappedWritableFile::LostStores() const {
  return PosixError("store into", path_, EIO);
}

void MappedWritableFile::RetireOutgrown() {
  MutexLock lock(&mutex_);
  retired_.insert(retired_.end(), outgrown_.begin(), outgrown_.end());
  outgrown_.clear();
}

Status MappedWritableFile::Sync() {
  syncs_.fetch_add(1, std::memory_order_relaxed);
  if (Status s = WriteGathered(); !s.ok()) return s;
  if (has_lost_stores_.load(std::memory_order_relaxed)) return LostStores();
  return SyncFd(fd_, path_);
}

Status MappedWritableFile::Close() {
  Status result = WriteGathered();
  // Not while PrepareAhead() uses the descriptor.
  MutexLock preparing(&prepare_mutex_);
  MutexLock lock(&mutex_);
  uint64_t size = size_.load(std::memory_order_relaxed);
  if (ftruncate(fd_, static_cast<off_t>(size)) != 0 && result.ok()) {
    result = PosixError("truncate", path_, errno);
  }
  is_closed_ = true;
  if (close(fd_) != 0 && result.ok()) {
    result = PosixError("close", path_, errno);
  }
  return result;
}

void MappedWritableFile::PrepareAhead() {
  MutexLock preparing(&prepare_mutex_);
  Window current;
  Window next;
  std::vector<Window> retired;
  {
    MutexLock lock(&mutex_);
    if (is_closed_) return;
    retired.swap(retired_);
    current = current_;
    next = next_;
  }
  for (const Window& window : retired) Unmap(window);
  // What is made ahead gets dirty. Where syncs are frequent each of them would
  // write those pages, which costs more than the page faults do.
  uint64_t syncs = syncs_.load(std::memory_order_relaxed);
  bool is_synced_often = std::exchange(syncs_seen_, syncs) != syncs;
  uint64_t tail = size_.load(std::memory_order_relaxed);
  // What is written needs no mapped pages.
  uint64_t written = written_bytes_.load(std::memory_order_relaxed);
  uint64_t written_since =
      written - std::exchange(written_bytes_seen_, written);
  uint64_t since = tail - std::exchange(tail_seen_, tail);
  if (since > 0) is_mostly_written_ = written_since > since / 2;
  bool makes_pages = !is_synced_often && !is_mostly_written_;
  bool is_quarter_used = tail >= current.offset + window_bytes_ / 4;
  if (next.memory == nullptr && is_quarter_used) {
    // A failure here is met again, and reported, by the Append() that needs
    // the window.
    StatusOr<Window> made = MakeWindow(current.offset + window_bytes_);
    if (made.ok()) {
      if (makes_pages) WriteZeros(current, *made);
      if (!OfferNext(current, *made)) return;
      next = *made;
    }
  }
  if (!makes_pages) return;
  // Nobody else unmaps a window.
  TouchAhead(current, tail);
  if (next.memory != nullptr && touched_to_ >= next.offset) {
    TouchAhead(next, tail);
  }
}

// Pages that a write has made are found by a page fault at a quarter of the
// cost of making them. Nothing may be appended to the window yet: an Append()
// that gets there first goes to a window of its own at the same place, under
// the mutex, and what is here ends.
void MappedWritableFile::WriteZeros(const Window& current, const Window& made) {
  std::array<iovec, kZeroPagesAtOnce> pages;
  pages.fill({.iov_base = const_cast<char*>(kZeroPage.data()),
              .iov_len = kZeroPage.size()});
  uint64_t count = window_bytes_ / kPageBytes;
  for (uint64_t done = 0; done < count; done += pages.size()) {
    YieldProcessor();
    MutexLock lock(&mutex_);
    if (is_closed_ || current_.offset != current.offset) return;
    int now = static_cast<int>(std::min<uint64_t>(pages.size(), count - done));
    ssize_t written =
        pwritev(fd_, pages.data(), now,
                static_cast<off_t>(made.offset + done * kPageBytes));
    // Not needed: then the page faults make the pages.
    if (written < 0) return;
  }
}

bool MappedWritableFile::OfferNext(const Window& current, const Window& made) {
  {
    MutexLock lock(&mutex_);
    if (current_.offset == current.offset) {
      next_ = made;
      return true;
    }
  }
  Unmap(made);
  return false;
}

void MappedWritableFile::TouchAhead(const Window& window, uint64_t tail) {
  uint64_t begin =
      std::max({touched_to_, window.offset,
                (tail + kPageBytes - 1) / kPageBytes * kPageBytes});
  uint64_t end =
      std::min({tail / kPageBytes * kPageBytes + kTouchAheadBytes,
                begin + kTouchAtOnceBytes, window.offset + window_bytes_});
  if (begin >= end) return;
  bool is_lead_short = begin < tail + kLeadShortBytes;
  for (uint64_t page = begin; page < end; page += kPageBytes) {
    if (has_lost_stores_.load(std::memory_order_relaxed)) break;
    if (is_lead_short && (page - begin) % kTouchInARowBytes == 0) {
      FaultTogether(window.memory + (page - window.offset),
                    std::min(kTouchInARowBytes, end - page));
    }
    TouchPage(window.memory + (page - window.offset));
    if (page % kTouchInARowBytes == 0) YieldProcessor();
  }
  touched_to_ = end;
}

void MappedWritableFile::Unmap(const Window& window) const {
  if (window.memory == nullptr) return;
  UnguardStores(window.memory);
  munmap(window.memory, window_bytes_);
}

}  // namespace paceline
