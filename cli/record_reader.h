// RecordReader: keys and values out of text files.
//
//   tsv    key TAB value. In both, \t \n \r \\ stand for these bytes and \xHH
//          for any byte; the second and later TABs of a line belong to the
//          value.
//   jsonl  one object a line: {"key": "...", "value": "..."}. Instead of
//          either, "key_hex" or "value_hex" holds hexadecimal digits, for
//          bytes that JSON cannot write. Other members are passed over.
//
// A line ends with LF (the last one may lack it) and may have any length. A
// line that has no record in it, an empty one too, is a bad line.

#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "paceline/status.h"

#include "src/base/sync.h"

namespace paceline::cli {

// Stands for standard input where a file's name is expected.
inline constexpr std::string_view kStandardInput = "-";

enum class RecordFormat { kTsv, kJsonl };

struct Record {
  std::string key;
  std::string value;
};

// Fills `*record` from a line without its LF. Returns what is wrong with the
// line, or null.
[[nodiscard]] const char* ParseRecord(RecordFormat format,
                                      std::string_view line, Record* record);

// Reads one file after the other, from front to back. Thread-compatible,
// except for bytes_read() and Interrupt(), which any thread may call.
class RecordReader {
 public:
  enum class Outcome { kRecord, kBadLine, kEnd, kFailed };

  // `before_read` is called by Next() before it reads more of a file, which
  // may take as long as somebody who writes to a pipe likes.
  RecordReader(std::vector<std::string> files, RecordFormat format,
               std::function<void()> before_read);
  ~RecordReader();
  RecordReader(const RecordReader&) = delete;
  RecordReader& operator=(const RecordReader&) = delete;

  Outcome Next();

  // After kRecord, until the next call.
  [[nodiscard]] const Record& record() const { return record_; }
  // After kBadLine: InvalidArgument with file, line and reason. After kFailed:
  // IOError with the file and the system's reason.
  [[nodiscard]] const Status& status() const { return status_; }

  // Lets a Next() that waits for input, and every later one that would wait,
  // return kEnd.
  void Interrupt();

  // Of all files so far.
  [[nodiscard]] uint64_t bytes_read() const {
    return bytes_read_.load(std::memory_order_relaxed);
  }

 private:
  enum class LineOutcome { kLine, kEndOfFile, kFailed };

  LineOutcome NextLine(std::string_view* line);
  bool OpenNextFile();
  void CloseFile();
  // Adds bytes of the file to the buffer. Sets at_end_of_file_ or fails.
  bool FillBuffer();
  // Blocks until the file has bytes or ends; false if interrupted.
  bool WaitForInput();
  [[nodiscard]] std::string FileName() const;

  const std::vector<std::string> files_;
  const RecordFormat format_;
  const std::function<void()> before_read_;
  const int interrupt_descriptor_;  // Readable once Interrupt() was called.
  size_t next_file_ = 0;
  int descriptor_ = -1;  // Of the file before next_file_; -1: none is open.
  uint64_t line_number_ = 0;
  bool at_end_of_file_ = false;
  // Read but not handed out yet: [begin_, end_) of buffer_.
  std::vector<char> buffer_;
  size_t begin_ = 0;
  size_t end_ = 0;
  Record record_;
  Status status_;
  // A count for people: relaxed, it orders nothing.
  Atomic<uint64_t> bytes_read_ = 0;
};

}  // namespace paceline::cli
