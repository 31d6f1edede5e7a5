#include "cli/batch_queue.h"

#include <utility>

#include "src/base/check.h"

namespace paceline::cli {

bool BatchQueue::Push(NumberedBatch batch) {
  MutexLock lock(&mutex_);
  PL_CHECK(!is_closed_);
  while (!is_cancelled_ && IsFull()) not_full_.Wait(&mutex_);
  if (is_cancelled_) return false;
  bytes_ += batch.batch.GetDataSize();
  batches_.push_back(std::move(batch));
  not_empty_.NotifyOne();
  return true;
}

bool BatchQueue::Pop(NumberedBatch* batch) {
  MutexLock lock(&mutex_);
  while (!is_cancelled_ && !is_closed_ && batches_.empty()) {
    not_empty_.Wait(&mutex_);
  }
  if (is_cancelled_ || batches_.empty()) return false;
  *batch = std::move(batches_.front());
  batches_.pop_front();
  bytes_ -= batch->batch.GetDataSize();
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
