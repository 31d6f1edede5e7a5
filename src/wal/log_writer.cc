#include "src/wal/log_writer.h"

#include <algorithm>
#include <utility>

#include "src/base/check.h"
#include "src/base/coding.h"
#include "src/base/crc32c.h"

namespace paceline {

namespace {

using log::kBlockBytes;
using log::kHeaderBytes;

// What is left of a block too short for a header.
constexpr char kPadding[kHeaderBytes] = {};

log::RecordType FragmentType(bool is_first, bool is_last) {
  if (is_first) return is_last ? log::kFull : log::kFirst;
  return is_last ? log::kLast : log::kMiddle;
}

// Hands out a list of pieces in stretches of any length.
class PieceCursor {
 public:
  explicit PieceCursor(std::span<const Slice> pieces) : pieces_(pieces) {}

  // Appends the next `bytes` to `*to`; returns `crc` extended by them.
  uint32_t Take(size_t bytes, uint32_t crc, std::vector<Slice>* to) {
    while (bytes > 0) {
      const Slice& piece = pieces_.front();
      size_t length = std::min(bytes, piece.size() - offset_);
      const char* data = piece.data() + offset_;
      if (length > 0) {
        to->emplace_back(data, length);
        crc = crc32c::Extend(crc, data, length);
      }
      bytes -= length;
      offset_ += length;
      if (offset_ == piece.size()) {
        pieces_ = pieces_.subspan(1);
        offset_ = 0;
      }
    }
    return crc;
  }

 private:
  std::span<const Slice> pieces_;
  size_t offset_ = 0;
};

}  // namespace

LogWriter::LogWriter(std::unique_ptr<WritableFile> file)
    : file_(std::move(file)) {}

size_t LogWriter::CountFragments(uint64_t bytes) const {
  size_t first = kBlockBytes - block_offset_ - kHeaderBytes;
  if (bytes <= first) return 1;
  constexpr size_t kOther = kBlockBytes - kHeaderBytes;
  return 1 + (bytes - first + kOther - 1) / kOther;
}

Status LogWriter::AddRecord(std::span<const Slice> payload) {
  Frame(payload);
  return file_->Append(pieces_);
}

Status LogWriter::AddRecordBeforeSync(std::span<const Slice> payload) {
  Frame(payload);
  return file_->AppendBeforeSync(pieces_);
}

void LogWriter::Frame(std::span<const Slice> payload) {
  uint64_t left = 0;
  for (const Slice& piece : payload) left += piece.size();

  size_t fragments = CountFragments(left);
  headers_.resize(fragments);
  pieces_.clear();
  PieceCursor cursor(payload);
  for (size_t i = 0; i < fragments; ++i) {
    PL_DCHECK(kBlockBytes - block_offset_ >= kHeaderBytes);
    size_t available = kBlockBytes - block_offset_ - kHeaderBytes;
    size_t length = std::min<uint64_t>(left, available);
    left -= length;

    char* header = headers_[i].data();
    pieces_.emplace_back(header, kHeaderBytes);
    auto type = static_cast<char>(FragmentType(i == 0, i + 1 == fragments));
    uint32_t crc = crc32c::Extend(0, &type, 1);
    crc = cursor.Take(length, crc, &pieces_);
    EncodeFixed<uint32_t>(header, crc32c::Mask(crc));
    EncodeFixed<uint16_t>(header + 4, static_cast<uint16_t>(length));
    header[6] = type;

    block_offset_ += kHeaderBytes + length;
    size_ += kHeaderBytes + length;
    // The padding goes with the record before it, so that a record's first
    // bytes are always its header: WritableFile stores them last.
    size_t rest = kBlockBytes - block_offset_;
    if (rest < kHeaderBytes) {
      if (rest > 0) pieces_.emplace_back(kPadding, rest);
      size_ += rest;
      block_offset_ = 0;
    }
  }
  PL_CHECK(left == 0);
}

}  // namespace paceline
