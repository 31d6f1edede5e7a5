#include "src/table/block_builder.h"

#include <algorithm>
#include <limits>

#include "src/base/check.h"
#include "src/base/coding.h"

namespace paceline {

BlockBuilder::BlockBuilder(int restart_interval)
    : restart_interval_(restart_interval) {
  PL_CHECK(restart_interval >= 1);
  Reset();
}

void BlockBuilder::Reset() {
  buffer_.clear();
  restarts_.assign(1, 0);
  entries_since_restart_ = 0;
  last_key_.clear();
  is_finished_ = false;
}

void BlockBuilder::Add(const Slice& key, const Slice& value) {
  PL_CHECK(!is_finished_);
  PL_CHECK(buffer_.size() <= std::numeric_limits<uint32_t>::max());
  size_t shared = 0;
  if (entries_since_restart_ == restart_interval_) {
    restarts_.push_back(static_cast<uint32_t>(buffer_.size()));
    entries_since_restart_ = 0;
  } else {
    const size_t shared_max = std::min(last_key_.size(), key.size());
    while (shared < shared_max && last_key_[shared] == key[shared]) ++shared;
  }
  const size_t unshared = key.size() - shared;
  char lengths[3 * kMaxVarint64Bytes];
  char* end = EncodeVarint64(lengths, shared);
  end = EncodeVarint64(end, unshared);
  end = EncodeVarint64(end, value.size());
  buffer_.append(lengths, static_cast<size_t>(end - lengths));
  buffer_.append(key.data() + shared, unshared);
  buffer_.append(value.data(), value.size());
  last_key_.resize(shared);
  last_key_.append(key.data() + shared, unshared);
  ++entries_since_restart_;
}

Slice BlockBuilder::Finish() {
  PL_CHECK(!is_finished_);
  is_finished_ = true;
  for (const uint32_t restart : restarts_) PutFixed32(&buffer_, restart);
  PutFixed32(&buffer_, static_cast<uint32_t>(restarts_.size()));
  return buffer_;
}

}  // namespace paceline
