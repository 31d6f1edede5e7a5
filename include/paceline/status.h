// Status and StatusOr: what became of a call that can fail.

#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "paceline/slice.h"

namespace paceline {

// OK, or a code with a text that says what failed, where and why. An OK Status
// holds no memory. Thread-compatible: copies may be read by any thread.
class [[nodiscard]] Status {
 public:
  // The numbers are RocksDB's.
  enum Code : uint8_t {
    kOk = 0,
    kNotFound = 1,
    kCorruption = 2,
    kNotSupported = 3,
    kInvalidArgument = 4,
    kIOError = 5,
    kMergeInProgress = 6,
    kIncomplete = 7,
    kShutdownInProgress = 8,
    kTimedOut = 9,
    kAborted = 10,
    kBusy = 11,
    kExpired = 12,
    kTryAgain = 13,
    kColumnFamilyDropped = 15,
  };
  enum SubCode : uint8_t {
    kNone = 0,
    kNoSpace = 4,       // IOError: the disk or a quota is full.
    kPathNotFound = 9,  // IOError: a file or directory is missing.
  };

  Status() = default;
  Status(const Status& other) { *this = other; }
  Status(Status&&) noexcept = default;
  Status& operator=(const Status& other);
  Status& operator=(Status&&) noexcept = default;

  static Status OK() { return Status(); }
  static Status NotFound(const Slice& text = Slice(),
                         const Slice& detail = Slice()) {
    return Status(kNotFound, kNone, text, detail);
  }
  static Status Corruption(const Slice& text, const Slice& detail = Slice()) {
    return Status(kCorruption, kNone, text, detail);
  }
  static Status NotSupported(const Slice& text, const Slice& detail = Slice()) {
    return Status(kNotSupported, kNone, text, detail);
  }
  static Status InvalidArgument(const Slice& text,
                                const Slice& detail = Slice()) {
    return Status(kInvalidArgument, kNone, text, detail);
  }
  static Status IOError(const Slice& text, const Slice& detail = Slice()) {
    return Status(kIOError, kNone, text, detail);
  }
  static Status NoSpace(const Slice& text, const Slice& detail = Slice()) {
    return Status(kIOError, kNoSpace, text, detail);
  }
  static Status PathNotFound(const Slice& text, const Slice& detail = Slice()) {
    return Status(kIOError, kPathNotFound, text, detail);
  }
  static Status Incomplete(const Slice& text = Slice(),
                           const Slice& detail = Slice()) {
    return Status(kIncomplete, kNone, text, detail);
  }
  static Status ShutdownInProgress(const Slice& text = Slice(),
                                   const Slice& detail = Slice()) {
    return Status(kShutdownInProgress, kNone, text, detail);
  }
  static Status Aborted(const Slice& text = Slice(),
                        const Slice& detail = Slice()) {
    return Status(kAborted, kNone, text, detail);
  }
  static Status Busy(const Slice& text = Slice(),
                     const Slice& detail = Slice()) {
    return Status(kBusy, kNone, text, detail);
  }

  [[nodiscard]] bool ok() const { return code_ == kOk; }
  [[nodiscard]] bool IsNotFound() const { return code_ == kNotFound; }
  [[nodiscard]] bool IsCorruption() const { return code_ == kCorruption; }
  [[nodiscard]] bool IsNotSupported() const { return code_ == kNotSupported; }
  [[nodiscard]] bool IsInvalidArgument() const {
    return code_ == kInvalidArgument;
  }
  [[nodiscard]] bool IsIOError() const { return code_ == kIOError; }
  [[nodiscard]] bool IsNoSpace() const {
    return code_ == kIOError && subcode_ == kNoSpace;
  }
  [[nodiscard]] bool IsPathNotFound() const {
    return code_ == kIOError && subcode_ == kPathNotFound;
  }
  [[nodiscard]] bool IsIncomplete() const { return code_ == kIncomplete; }
  [[nodiscard]] bool IsShutdownInProgress() const {
    return code_ == kShutdownInProgress;
  }
  [[nodiscard]] bool IsAborted() const { return code_ == kAborted; }
  [[nodiscard]] bool IsBusy() const { return code_ == kBusy; }

  [[nodiscard]] Code code() const { return code_; }
  [[nodiscard]] SubCode subcode() const { return subcode_; }
  // The text without the name of the code; empty if there is none.
  [[nodiscard]] std::string_view message() const {
    return message_ ? std::string_view(*message_) : std::string_view();
  }
  // "OK", or the name of the code, a colon and the text.
  [[nodiscard]] std::string ToString() const;

  // Two Statuses are equal when their codes are.
  friend bool operator==(const Status& a, const Status& b) {
    return a.code_ == b.code_;
  }

 private:
  Status(Code code, SubCode subcode, const Slice& text, const Slice& detail);

  Code code_ = kOk;
  SubCode subcode_ = kNone;
  std::unique_ptr<std::string> message_;
};

// A T, or the Status that says why there is none. Thread-compatible.
template <typename T>
class [[nodiscard]] StatusOr {
 public:
  StatusOr(T value) : value_(std::move(value)) {}  // NOLINT: implicit.
  // `status` must not be OK.
  StatusOr(Status status) : status_(std::move(status)) {}  // NOLINT: implicit.

  [[nodiscard]] bool ok() const { return value_.has_value(); }
  [[nodiscard]] const Status& status() const& { return status_; }
  [[nodiscard]] Status status() && { return std::move(status_); }

  // ok() must be true.
  T& value() & { return *value_; }
  const T& value() const& { return *value_; }
  T&& value() && { return *std::move(value_); }
  T& operator*() & { return *value_; }
  const T& operator*() const& { return *value_; }
  T&& operator*() && { return *std::move(value_); }
  T* operator->() { return &*value_; }
  const T* operator->() const { return &*value_; }

 private:
  Status status_;
  std::optional<T> value_;
};

}  // namespace paceline
