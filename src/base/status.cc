#include "paceline/status.h"

namespace paceline {

namespace {

std::string_view CodeName(Status::Code code, Status::SubCode subcode) {
  switch (code) {
    case Status::kOk:
      return "OK";
    case Status::kNotFound:
      return "NotFound";
    case Status::kCorruption:
      return "Corruption";
    case Status::kNotSupported:
      return "Not implemented";
    case Status::kInvalidArgument:
      return "Invalid argument";
    case Status::kIOError:
      return subcode == Status::kNoSpace ? "IO error: No space left on device"
                                         : "IO error";
    case Status::kMergeInProgress:
      return "Merge in progress";
    case Status::kIncomplete:
      return "Result incomplete";
    case Status::kShutdownInProgress:
      return "Shutdown in progress";
    case Status::kTimedOut:
      return "Operation timed out";
    case Status::kAborted:
      return "Operation aborted";
    case Status::kBusy:
      return "Resource busy";
    case Status::kExpired:
      return "Operation expired";
    case Status::kTryAgain:
      return "Operation failed. Try again.";
    case Status::kColumnFamilyDropped:
      return "Column family dropped";
  }
  return "Unknown code";
}

}  // namespace

Status::Status(Code code, SubCode subcode, const Slice& text,
               const Slice& detail)
    : code_(code), subcode_(subcode) {
  if (text.empty() && detail.empty()) return;
  message_ = std::make_unique<std::string>(text.ToStringView());
  if (!detail.empty()) {
    message_->append(": ");
    message_->append(detail.data(), detail.size());
  }
}

Status& Status::operator=(const Status& other) {
  if (this == &other) return *this;
  code_ = other.code_;
  subcode_ = other.subcode_;
  message_ =
      other.message_ ? std::make_unique<std::string>(*other.message_) : nullptr;
  return *this;
}

std::string Status::ToString() const {
  std::string text(CodeName(code_, subcode_));
  if (message_) {
    text += ": ";
    text += *message_;
  }
  return text;
}

}  // namespace paceline
