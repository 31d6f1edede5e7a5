#include "cli/batch_queue.h"

#include <utility>

#include "src/base/check.h"

namespace paceline::cli {

bool BatchQueue::Push(BatchChunk chunk) {
  MutexLock lock(&mutex_);
  PL_CHECK(!is_closed_);
  while (!is_cancelled_ && IsFull()) not_full_.Wait(&mutex_);
  if (is_cancelled_) return false;
  bytes_ += chunk.bytes;
  chunks_.push_back(std::move(chunk));
  not_empty_.NotifyOne();
  return true;
}

bool BatchQueue::Pop(BatchChunk* chunk) {
  MutexLock lock(&mutex_);
  while (!is_cancelled_ && !is_closed_ && chunks_.empty()) {
    not_empty_.Wait(&mutex_);
  }
  if (is_cancelled_ || chunks_.empty()) return false;
  *chunk = std::move(chunks_.front());
  chunks_.pop_front();
  PL_CHECK(bytes_ >= chunk->bytes);
  bytes_ -= chunk->bytes;
  not_full_.NotifyOne();
  return true;
}

void BatchQueue::Close() {
  MutexLock lock(&mutex_);
  is_closed_ = true;
  not_empty_.NotifyAll();
}

void BatchQueue::Cancel() {
  MutexLock lock(&mutex_);
  is_cancelled_ = true;
  not_empty_.NotifyAll();
  not_full_.NotifyAll();
}

}  // namespace paceline::cli
