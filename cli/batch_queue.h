// BatchQueue: hands batches from the thread that reads records to the threads
// that write them, several at once: waking a thread for each would take longer
// than committing it.

#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

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

// Batches that one thread commits, in order.
struct BatchChunk {
  std::vector<NumberedBatch> batches;
  uint64_t bytes = 0;  // Of the batches.
};

// A queue of bounded length and bounded bytes, first in, first out.
// Thread-safe.
class BatchQueue {
 public:
  // `chunks_max` is at least 1.
  explicit BatchQueue(size_t chunks_max) : chunks_max_(chunks_max) {}

  // Blocks while the queue is full. False if it was cancelled.
  bool Push(BatchChunk chunk) EXCLUDES(mutex_);
  // Blocks while the queue is empty. False if nothing will come any more.
  bool Pop(BatchChunk* chunk) EXCLUDES(mutex_);

  // What was pushed is still handed out; nothing more may be pushed.
  void Close() EXCLUDES(mutex_);
  // Nothing is handed out any more.
  void Cancel() EXCLUDES(mutex_);

 private:
  // A chunk larger than this passes alone.
  static constexpr uint64_t kBytesMax = uint64_t{64} << 20;

  [[nodiscard]] bool IsFull() const REQUIRES(mutex_) {
    return chunks_.size() >= chunks_max_ ||
           (!chunks_.empty() && bytes_ >= kBytesMax);
  }

  const size_t chunks_max_;
  Mutex mutex_;
  CondVar not_full_;
  CondVar not_empty_;
  std::deque<BatchChunk> chunks_ GUARDED_BY(mutex_);
  uint64_t bytes_ GUARDED_BY(mutex_) = 0;
  bool is_closed_ GUARDED_BY(mutex_) = false;
  bool is_cancelled_ GUARDED_BY(mutex_) = false;
};

}  // namespace paceline::cli
