// LogReader: reads logical records, and tells a torn tail from damage.

#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "paceline/env.h"
#include "paceline/options.h"

#include "src/wal/log_format.h"

namespace paceline {

// What counts as damage depends on the recovery mode, as docs/file_formats.md
// tabulates. Thread-compatible.
class LogReader {
 public:
  struct Source {
    std::unique_ptr<SequentialFile> file;
    std::string path;         // For messages.
    uint64_t log_number = 0;  // Checked in recyclable records.
    // For a log that is never cut in front of a whole record, as a MANIFEST:
    // damage is an error in every mode, even where it looks like a torn tail
    // or unwritten space, if a record begins behind it in its block.
    bool refuses_records_behind_damage = false;
  };

  enum class Result {
    kRecord,
    // The log is over. If was_cut_short(), bytes were left out.
    kEnd,
    // Damage that the mode does not allow, a feature that is not supported or
    // a failed read: status() says what and where. The log is over.
    kError,
  };

  LogReader(Source source, WALRecoveryMode mode);

  // `*record` points into the reader and stays until the next call.
  Result ReadRecord(Slice* record);

  [[nodiscard]] const Status& status() const { return status_; }
  // Where the record last returned begins, or what status() is about.
  [[nodiscard]] uint64_t offset() const { return offset_; }
  [[nodiscard]] const std::string& path() const { return source_.path; }

  // True if something other than zeros was left out: a torn tail or, in mode
  // kSkipAnyCorruptedRecords, damage.
  [[nodiscard]] bool was_cut_short() const { return was_cut_short_; }
  // True if unwritten space lies between the record last returned and the one
  // before it. Nobody writes a log so: in between there was something that
  // never reached the device.
  [[nodiscard]] bool follows_zero_fill() const { return follows_zero_fill_; }
  // True if the log ended at a record of another log (a recycled file).
  [[nodiscard]] bool ended_at_other_log() const { return ended_at_other_log_; }

 private:
  // What HasRecordBehind() may look through in one log. Damage by accident is
  // far below it; hostile bytes must not take forever.
  static constexpr uint64_t kSearchBytesMax = uint64_t{1} << 30;

  enum class Physical {
    kRecord,     // type_, fragment_
    kEnd,        // At a record boundary.
    kTornTail,   // The file ends within a record.
    kOversized,  // A length passes the end of a full block.
    kBadCrc,
    kZeroFill,
    kOtherLog,
    kReadError,
  };

  Physical ReadPhysical();
  Physical FillBlock();
  Physical CheckHeader(size_t* header_bytes);

  // Each decides what an event means in this mode: true if reading goes on.
  bool OnBadRecord(const char* what);
  bool OnOtherLog();
  bool OnZeroFill();
  bool OnEnd(bool is_torn);
  bool OnStray(const char* what);
  bool OnMetadata();
  // Takes a fragment in. True if a logical record is complete.
  bool TakeFragment(bool* goes_on);

  // Each ends the log with an error at the record last read. False.
  bool Report(const char* what);
  bool Refuse(const char* what);
  void DropFragment();
  void SkipBlock();
  // Whether a whole record begins anywhere behind the first byte of rest_.
  bool HasRecordBehind();
  [[nodiscard]] bool is_skipping() const {
    return mode_ == WALRecoveryMode::kSkipAnyCorruptedRecords;
  }
  [[nodiscard]] bool is_tolerant() const {
    return mode_ == WALRecoveryMode::kTolerateCorruptedTailRecords;
  }

  const Source source_;
  const WALRecoveryMode mode_;

  std::unique_ptr<char[]> block_;
  Slice rest_;              // Of the block: not parsed yet.
  uint64_t block_end_ = 0;  // Offset in the file of the end of rest_.
  bool is_last_block_ = false;

  uint8_t type_ = 0;  // Of the physical record last read.
  Slice fragment_;
  uint64_t physical_offset_ = 0;

  bool in_fragment_ = false;
  std::string assembled_;
  uint64_t first_offset_ = 0;  // Of the record being assembled.

  bool has_returned_classic_ = false;
  bool has_seen_recyclable_ = false;
  bool was_cut_short_ = false;
  bool ended_at_other_log_ = false;
  bool follows_zero_fill_ = false;
  bool is_over_ = false;
  uint64_t search_bytes_left_ = kSearchBytesMax;
  uint64_t offset_ = 0;
  Status status_;
};

}  // namespace paceline
