#include "src/wal/log_reader.h"

#include <utility>

#include "src/base/coding.h"
#include "src/base/crc32c.h"

namespace paceline {

namespace {

using log::kBlockBytes;
using log::kHeaderBytes;
using log::kRecyclableHeaderBytes;

bool IsRecyclable(uint8_t type) {
  return (type >= log::kRecyclableFull && type <= log::kRecyclableLast) ||
         type == log::kRecyclableTimestampSizes ||
         type == log::kRecyclablePredecessor;
}

bool IsMetadata(uint8_t type) {
  return type == log::kCompressionType || type == log::kTimestampSizes ||
         type == log::kRecyclableTimestampSizes ||
         type >= log::kFirstIgnorableType;
}

// kFull ... kLast for either kind of header; anything else as it is.
uint8_t ClassicType(uint8_t type) {
  return type >= log::kRecyclableFull && type <= log::kRecyclableLast
             ? static_cast<uint8_t>(type - log::kRecyclableFull + log::kFull)
             : type;
}

}  // namespace

LogReader::LogReader(Source source, WALRecoveryMode mode)
    : source_(std::move(source)),
      mode_(mode),
      block_(std::make_unique<char[]>(kBlockBytes)) {}

LogReader::Result LogReader::ReadRecord(Slice* record) {
  bool goes_on = !is_over_;
  follows_zero_fill_ = false;
  while (goes_on) {
    switch (ReadPhysical()) {
      case Physical::kRecord:
        if (TakeFragment(&goes_on)) {
          *record = in_fragment_ ? Slice(assembled_) : fragment_;
          in_fragment_ = false;
          offset_ = first_offset_;
          if (!IsRecyclable(type_)) has_returned_classic_ = true;
          return Result::kRecord;
        }
        break;
      case Physical::kEnd:
        goes_on = OnEnd(/*is_torn=*/false);
        break;
      case Physical::kTornTail:
        goes_on = OnEnd(/*is_torn=*/true);
        break;
      case Physical::kOversized:
        goes_on = OnBadRecord("record passes the end of its block");
        break;
      case Physical::kBadCrc:
        goes_on = OnBadRecord("checksum mismatch");
        break;
      case Physical::kZeroFill:
        goes_on = OnZeroFill();
        break;
      case Physical::kOtherLog:
        goes_on = OnOtherLog();
        break;
      case Physical::kReadError:
        goes_on = false;
        break;
    }
  }
  is_over_ = true;
  return status_.ok() ? Result::kEnd : Result::kError;
}

LogReader::Physical LogReader::FillBlock() {
  // What is left of a full block here is padding, whatever it holds.
  Status s = source_.file->Read(kBlockBytes, &rest_, block_.get());
  if (!s.ok()) {
    offset_ = block_end_;
    // It names the file.
    status_ =
        Status::IOError(s.message(), "at offset " + std::to_string(block_end_));
    return Physical::kReadError;
  }
  block_end_ += rest_.size();
  is_last_block_ = rest_.size() < kBlockBytes;
  return rest_.empty() ? Physical::kEnd : Physical::kRecord;
}

LogReader::Physical LogReader::ReadPhysical() {
  while (rest_.size() < kHeaderBytes) {
    if (is_last_block_) {
      physical_offset_ = block_end_ - rest_.size();
      return rest_.empty() ? Physical::kEnd : Physical::kTornTail;
    }
    Physical filled = FillBlock();
    if (filled != Physical::kRecord) {
      physical_offset_ = block_end_;
      is_last_block_ = true;
      return filled;
    }
  }
  physical_offset_ = block_end_ - rest_.size();
  size_t header_bytes = 0;
  Physical result = CheckHeader(&header_bytes);
  if (result == Physical::kRecord || result == Physical::kOtherLog) {
    size_t length = DecodeFixed<uint16_t>(rest_.data() + 4);
    fragment_ = Slice(rest_.data() + header_bytes, length);
    rest_.remove_prefix(header_bytes + length);
  }
  return result;
}

// The order of these checks decides what a damaged header is taken for.
LogReader::Physical LogReader::CheckHeader(size_t* header_bytes) {
  const char* header = rest_.data();
  size_t length = DecodeFixed<uint16_t>(header + 4);
  type_ = static_cast<uint8_t>(header[6]);
  bool is_recyclable = IsRecyclable(type_);
  *header_bytes = is_recyclable ? kRecyclableHeaderBytes : kHeaderBytes;
  if (is_recyclable && has_returned_classic_) return Physical::kBadCrc;
  if (*header_bytes + length > rest_.size()) {
    return is_last_block_ ? Physical::kTornTail : Physical::kOversized;
  }
  if (is_recyclable && DecodeFixed32(header + kHeaderBytes) !=
                           static_cast<uint32_t>(source_.log_number)) {
    return Physical::kOtherLog;
  }
  if (type_ == log::kZero && length == 0) return Physical::kZeroFill;
  uint32_t expected = crc32c::Unmask(DecodeFixed32(header));
  // Type, log number and payload lie behind each other.
  uint32_t actual = crc32c::Value(header + 6, *header_bytes - 6 + length);
  if (expected != actual) return Physical::kBadCrc;
  if (is_recyclable) has_seen_recyclable_ = true;
  return Physical::kRecord;
}

bool LogReader::TakeFragment(bool* goes_on) {
  uint8_t type = ClassicType(type_);
  if (type == log::kFull || type == log::kFirst) {
    if (in_fragment_ && !assembled_.empty()) {
      *goes_on = OnStray("record begins within another one");
      if (!*goes_on) return false;
    }
    DropFragment();
    first_offset_ = physical_offset_;
    if (type == log::kFull) return true;
    in_fragment_ = true;
    assembled_.assign(fragment_.data(), fragment_.size());
    return false;
  }
  if (type == log::kMiddle || type == log::kLast) {
    if (!in_fragment_) {
      *goes_on = OnStray("record continues without a beginning");
      return false;
    }
    assembled_.append(fragment_.data(), fragment_.size());
    return type == log::kLast;
  }
  *goes_on = IsMetadata(type_) ? OnMetadata() : OnStray("unknown record type");
  return false;
}

bool LogReader::OnMetadata() {
  if (type_ == log::kCompressionType) {
    return Refuse("the log is compressed");
  }
  if (type_ == log::kTimestampSizes ||
      type_ == log::kRecyclableTimestampSizes) {
    Slice sizes = fragment_;
    constexpr size_t kEntryBytes = 6;  // u32 family id, u16 size
    for (; sizes.size() >= kEntryBytes; sizes.remove_prefix(kEntryBytes)) {
      if (DecodeFixed<uint16_t>(sizes.data() + 4) == 0) continue;
      return Refuse("the log has user-defined timestamps");
    }
  }
  return true;
}

bool LogReader::OnBadRecord(const char* what) {
  was_cut_short_ = true;
  if (is_skipping()) {
    DropFragment();
    SkipBlock();
    return true;
  }
  // Behind the records of a recycled file lie those of its former life, which
  // need not end at a boundary of ours.
  if (is_tolerant() && has_seen_recyclable_) return false;
  return Report(what);
}

bool LogReader::OnOtherLog() {
  if (is_skipping()) return true;
  ended_at_other_log_ = true;
  if (in_fragment_) {
    was_cut_short_ = true;
    if (!is_tolerant()) return Report("record is followed by another log's");
  }
  return false;
}

bool LogReader::OnZeroFill() {
  if (HasRecordBehind()) return Report("records follow unwritten space");
  // A recyclable header is longer, so that more may be left of a full block
  // than what is too short for any.
  const bool is_padding = has_seen_recyclable_ && !is_last_block_ &&
                          rest_.size() < kRecyclableHeaderBytes;
  SkipBlock();
  if (is_padding && !in_fragment_) return true;
  follows_zero_fill_ = true;
  if (!in_fragment_) return true;
  was_cut_short_ = true;
  if (is_skipping()) {
    DropFragment();
    return true;
  }
  return Report("record ends in unwritten space");
}

bool LogReader::OnEnd(bool is_torn) {
  if (!is_torn && !in_fragment_) return false;
  was_cut_short_ = true;
  if (HasRecordBehind()) return Report("records follow a damaged one");
  if (is_skipping() || is_tolerant()) return false;
  return Report("the file ends within a record");
}

bool LogReader::OnStray(const char* what) {
  was_cut_short_ = true;
  return is_skipping() || Report(what);
}

bool LogReader::Report(const char* what) {
  offset_ = physical_offset_;
  status_ =
      Status::Corruption(source_.path, std::string(what) + " at offset " +
                                           std::to_string(physical_offset_));
  return false;
}

bool LogReader::Refuse(const char* what) {
  offset_ = physical_offset_;
  status_ =
      Status::NotSupported(source_.path, std::string(what) + " at offset " +
                                             std::to_string(physical_offset_));
  return false;
}

void LogReader::DropFragment() {
  in_fragment_ = false;
  assembled_.clear();
}

void LogReader::SkipBlock() { rest_.clear(); }

bool LogReader::HasRecordBehind() {
  if (!source_.refuses_records_behind_damage) return false;
  for (size_t at = 1; at + kHeaderBytes <= rest_.size(); ++at) {
    const char* header = rest_.data() + at;
    const size_t end = at + kHeaderBytes + DecodeFixed<uint16_t>(header + 4);
    const auto type = static_cast<uint8_t>(header[6]);
    // The later parts of a record may be those of the one that was torn.
    const bool may_begin = type == log::kFull || type == log::kFirst;
    if (!may_begin || end > rest_.size()) continue;
    const size_t bytes = end - at - 6;  // All that has a checksum.
    if (bytes > search_bytes_left_) return true;
    search_bytes_left_ -= bytes;
    if (crc32c::Unmask(DecodeFixed32(header)) ==
        crc32c::Value(header + 6, bytes)) {
      return true;
    }
  }
  return false;
}

}  // namespace paceline
