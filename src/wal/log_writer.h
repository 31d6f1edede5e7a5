// LogWriter: appends logical records to a log file.

#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "paceline/env.h"

#include "src/wal/log_format.h"

namespace paceline {

// Writes classic headers only. The payload goes from its pieces straight to
// the file; nothing of it is copied here. After an error of AddRecord() or
// Sync() no other call but the destructor is allowed.
//
// Used by one thread at a time, except that Sync() and PrepareAhead() may run
// beside AddRecord().
class LogWriter {
 public:
  // `file` is empty.
  explicit LogWriter(std::unique_ptr<WritableFile> file);

  // Appends the concatenation of `payload` as one record. If the process dies
  // meanwhile, a reader finds the log ending in front of the record, or torn
  // within it.
  Status AddRecord(std::span<const Slice> payload);
  Status AddRecord(const Slice& payload) { return AddRecord({&payload, 1}); }
  // The same for a record that nobody is told of before Sync() has returned:
  // it may be lost with the process until then, or until Flush().
  Status AddRecordBeforeSync(std::span<const Slice> payload);

  Status Flush() { return file_->Flush(); }
  Status Sync() { return file_->Sync(); }
  Status Close() { return file_->Close(); }
  void PrepareAhead() { file_->PrepareAhead(); }

  // Bytes of the file so far.
  [[nodiscard]] uint64_t size() const { return size_; }

 private:
  using Header = std::array<char, log::kHeaderBytes>;

  // Leaves the record, with its headers, in pieces_.
  void Frame(std::span<const Slice> payload);
  // How many fragments a record of `bytes` takes from here on.
  [[nodiscard]] size_t CountFragments(uint64_t bytes) const;

  const std::unique_ptr<WritableFile> file_;
  uint64_t size_ = 0;
  size_t block_offset_ = 0;
  // Kept between calls so that appending allocates nothing.
  std::vector<Header> headers_;
  std::vector<Slice> pieces_;
};

}  // namespace paceline
