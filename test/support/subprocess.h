// Other programs, run by tests.

#pragma once

#include <string>
#include <vector>

namespace paceline {

struct ProgramResult {
  int exit_code = -1;  // Negative: it did not end by itself.
  std::string output;  // What it wrote to standard output.
};

// Runs a program, found by PATH, and waits for its end.
ProgramResult RunProgram(const std::vector<std::string>& arguments);

// Starts a program, found by PATH, in which the descriptor `pipe` of this
// process is `pipe_in_child`. The child's process number; negative: it cannot
// be started.
int StartWithPipe(const std::string& program,
                  std::vector<std::string> arguments, int pipe,
                  int pipe_in_child);

// The SHA-256 of `bytes` in hexadecimal digits.
std::string Sha256(const std::string& bytes);

// A program that runs beside the test. Its standard input is a pipe that
// Finish() closes. Thread-compatible.
class Subprocess {
 public:
  explicit Subprocess(const std::vector<std::string>& arguments);
  ~Subprocess() { Finish(); }
  Subprocess(const Subprocess&) = delete;
  Subprocess& operator=(const Subprocess&) = delete;

  void Write(const std::string& bytes);
  // The next line of its standard output, without the newline; empty at the
  // end. Blocks.
  std::string ReadLine();
  // Ends it by SIGKILL, which it cannot notice.
  void Kill();
  // Closes its standard input, reads the rest of its output, and waits for
  // its end.
  ProgramResult Finish();

 private:
  int pid_ = -1;  // -1: finished.
  int input_ = -1;
  int output_ = -1;
  ProgramResult result_;
};

}  // namespace paceline
