#include "src/version/live_table.h"

#include <utility>

namespace paceline {

void UnusedTables::SetListener(std::function<void()> on_added) {
  MutexLock lock(&mutex_);
  on_added_ = std::move(on_added);
}

void UnusedTables::Add(uint64_t number, uint64_t bytes) {
  MutexLock lock(&mutex_);
  numbers_.push_back(number);
  bytes_ += bytes;
  if (on_added_) on_added_();
}

std::vector<uint64_t> UnusedTables::Take() {
  MutexLock lock(&mutex_);
  bytes_ = 0;
  return std::exchange(numbers_, {});
}

uint64_t UnusedTables::bytes() const {
  MutexLock lock(&mutex_);
  return bytes_;
}

LiveTable::LiveTable(std::shared_ptr<const FileMetaData> metadata,
                     std::shared_ptr<const TableContext> context)
    : metadata_(std::move(metadata)),
      context_(std::move(context)),
      cache_file_id_(context_->block_cache != nullptr
                         ? context_->block_cache->NewFileId()
                         : 0) {
  context_->live_bytes->fetch_add(size(), std::memory_order_relaxed);
}

LiveTable::~LiveTable() {
  context_->live_bytes->fetch_sub(size(), std::memory_order_relaxed);
  // Nobody asks by this name again.
  if (cache_file_id_ != 0) context_->block_cache->EraseFile(cache_file_id_);
  if (!is_obsolete_.load(std::memory_order_relaxed)) return;
  context_->tables->Evict(number());
  context_->unused->Add(number(), size());
}

LiveTable::Open LiveTable::FindOpen() const {
  const TableReader* reader = kept_.load(std::memory_order_acquire);
  if (reader != nullptr) return Open{reader, nullptr};
  if (!context_->tables->is_bounded()) return {};
  auto found = context_->tables->FindOpen(number());
  return Open{found.get(), found};
}

size_t LiveTable::ReaderMemory() const {
  Open open = FindOpen();
  return open.reader == nullptr ? 0 : open->MemoryUsage();
}

StatusOr<LiveTable::Open> LiveTable::OpenTable() const {
  // The options are made only if they are needed.
  if (context_->tables->is_bounded()) {
    if (auto reader = context_->tables->Use(number())) {
      const TableReader* borrowed = reader.get();
      return Open{borrowed, std::move(reader)};
    }
  }
  const TableReaderOptions options = context_->reader_options(cache_file_id_);
  auto opened = context_->tables->is_bounded()
                    ? context_->tables->Find(*metadata_, options)
                    : context_->tables->Open(*metadata_, options);
  if (!opened.ok()) return opened.status();
  if ((*opened)->tombstones() == nullptr) {
    lacks_tombstones_.store(true, std::memory_order_relaxed);
  }
  if (context_->tables->is_bounded()) {
    return Open{opened->get(), *std::move(opened)};
  }
  MutexLock lock(&mutex_);
  if (keeper_ == nullptr) {
    keeper_ = *std::move(opened);
    kept_.store(keeper_.get(), std::memory_order_release);
  }
  return Open{keeper_.get(), nullptr};
}

}  // namespace paceline
