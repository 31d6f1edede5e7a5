// BatchQueue: hands batches from the thread that reads records to the threads
// that write them.

#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>

#include "paceline/write_batch.h"

#include "src/base/sync.h"

namespace paceline::cli {

// A batch of the input records first_record to last_record.
struct NumberedBatch {
  WriteBatch batch;
  uint64_t first_record = 0;
  uint64_t last_record = 0;
  uint64_t record_bytes = 0;  // Keys and values.
};

// A queue of bounded length and bounded bytes, first in, first out.
// Thread-safe.
class BatchQueue {
 public:
  // `batches_max` is at least 1.
  explicit BatchQueue(size_t batches_max) : batches_max_(batches_max) {}

  // Blocks while the queue is full. False if it was cancelled.
  bool Push(NumberedBatch batch) EXCLUDES(mutex_);
  // Blocks while the queue is empty. False if nothing will come any more.
  bool Pop(NumberedBatch* batch) EXCLUDES(mutex_);

  // What was pushed is still handed out; nothing more may be pushed.
  void Close() EXCLUDES(mutex_);
  // Nothing is handed out any more.
  void Cancel() EXCLUDES(mutex_);

 private:
  // A batch larger than this passes alone.
  static constexpr uint64_t kBytesMax = uint64_t{64} << 20;

  [[nodiscard]] bool IsFull() const REQUIRES(mutex_) {
    return batches_.size() >= batches_max_ ||
           (!batches_.empty() && bytes_ >= kBytesMax);
  }

  const size_t batches_max_;
  Mutex mutex_;
  CondVar not_full_;
  CondVar not_empty_;
  std::deque<NumberedBatch> batches_ GUARDED_BY(mutex_);
  uint64_t bytes_ GUARDED_BY(mutex_) = 0;
  bool is_closed_ GUARDED_BY(mutex_) = false;
  bool is_cancelled_ GUARDED_BY(mutex_) = false;
};

}  // namespace paceline::cli
