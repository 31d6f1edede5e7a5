// Output: the standard output of a command, and the texts on standard error.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "paceline/status.h"

namespace paceline::cli {

// What a script can tell from the exit status.
enum ExitCode : int {
  kDone = 0,
  kFailed = 1,  // Or what was asked for does not exist.
  kWrongUsage = 2,
};

// Writes all of `bytes` to the file descriptor, however often that takes.
Status WriteFully(int descriptor, std::string_view bytes);

// Collects what a command prints, so that printing many short lines is cheap,
// and remembers the first failure to write it. Thread-compatible.
class Output {
 public:
  // `descriptor` stays open and is not owned.
  explicit Output(int descriptor) : descriptor_(descriptor) {}
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  // Returns the first failure so far, for loops that print for a long time.
  Status Write(std::string_view bytes);
  Status WriteLine(std::string_view line);
  // Passes on what was collected. Returns the first failure since the start.
  Status Flush();

  [[nodiscard]] bool is_terminal() const;

 private:
  // Enough that the system calls do not matter.
  static constexpr size_t kBufferBytes = size_t{64} << 10;

  const int descriptor_;
  std::string buffer_;
  Status status_;
};

// What a command that shows files ends with: OK, or Corruption that counts the
// places where they are damaged.
Status DamageFound(uint64_t places, const std::string& where);

// `paceline: <text>` and a newline, with nothing in between that would end the
// line or upset a terminal.
std::string ErrorLine(std::string_view text);
// Prints it to standard error.
void PrintError(std::string_view text);

[[nodiscard]] bool IsTerminal(int descriptor);

}  // namespace paceline::cli
