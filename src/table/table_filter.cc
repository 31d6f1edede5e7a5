#include "src/table/table_filter.h"

#include <algorithm>
#include <utility>

#include "src/base/check.h"
#include "src/format/internal_key.h"

namespace paceline {

void TableFilter::SetFull(BlockBuffer contents) {
  contents_.push_back(std::move(contents));
  readers_.emplace_back(contents_.back().slice());
}

void TableFilter::SetPartitioned(std::unique_ptr<const TableIndex> index,
                                 std::vector<BlockBuffer> parts) {
  PL_CHECK(index->size() == parts.size());
  contents_ = std::move(parts);
  for (const BlockBuffer& part : contents_) readers_.emplace_back(part.slice());
  index_ = std::move(index);
}

bool TableFilter::MayContainHash(const Slice& user_key, uint64_t hash) const {
  if (index_ == nullptr) return readers_.front().MayContainHash(hash);
  // Versions of one key may lie on both sides of a separator. Keys behind the
  // last separator belong to the last part.
  const size_t last_part = readers_.size() - 1;
  const size_t first = std::min(
      last_part,
      index_->Seek(user_key, PackTag(kMaxSequenceNumber, ValueType::kSeekMax)));
  const size_t last =
      index_->has_user_keys()
          ? first
          : std::min(last_part, index_->Seek(user_key, /*tag=*/0));
  for (size_t part = first; part <= last; ++part) {
    if (readers_[part].MayContainHash(hash)) return true;
  }
  return false;
}

size_t TableFilter::MemoryUsage() const {
  size_t bytes = readers_.capacity() * sizeof(BloomFilterReader);
  for (const BlockBuffer& part : contents_) bytes += part.MemoryUsage();
  return bytes + (index_ != nullptr ? index_->MemoryUsage() : 0);
}

}  // namespace paceline
