#include "test/support/subprocess.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include "test/support/test_directory.h"

namespace paceline {

ProgramResult RunProgram(const std::vector<std::string>& arguments) {
  Subprocess process(arguments);
  return process.Finish();
}

int StartWithPipe(const std::string& program,
                  std::vector<std::string> arguments, int pipe,
                  int pipe_in_child) {
  std::vector<char*> pointers;
  for (std::string& argument : arguments) pointers.push_back(argument.data());
  pointers.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, pipe, pipe_in_child);
  pid_t child = 0;
  if (::posix_spawnp(&child, program.c_str(), &actions, nullptr,
                     pointers.data(), environ) != 0) {
    child = -1;
  }
  ::posix_spawn_file_actions_destroy(&actions);
  return child;
}

std::string Sha256(const std::string& bytes) {
  const TestDirectory directory;
  WriteFileBytes(directory / "bytes", bytes);
  const ProgramResult result = RunProgram({"sha256sum", directory / "bytes"});
  constexpr size_t kDigits = 64;
  return result.output.substr(0, kDigits);
}

Subprocess::Subprocess(const std::vector<std::string>& arguments) {
  int input[2];
  int output[2];
  if (::pipe2(input, O_CLOEXEC) != 0 || ::pipe2(output, O_CLOEXEC) != 0) {
    std::abort();
  }
  std::vector<std::string> copies = arguments;
  std::vector<char*> pointers;
  for (std::string& argument : copies) pointers.push_back(argument.data());
  pointers.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, input[0], STDIN_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, output[1], STDOUT_FILENO);
  const int error = ::posix_spawnp(&pid_, pointers[0], &actions, nullptr,
                                   pointers.data(), environ);
  EXPECT_EQ(error, 0) << "cannot run " << arguments[0];
  if (error != 0) pid_ = -1;
  ::posix_spawn_file_actions_destroy(&actions);
  ::close(input[0]);
  ::close(output[1]);
  input_ = input[1];
  output_ = output[0];
}

void Subprocess::Write(const std::string& bytes) {
  EXPECT_EQ(::write(input_, bytes.data(), bytes.size()),
            static_cast<ssize_t>(bytes.size()));
}

std::string Subprocess::ReadLine() {
  std::string line;
  char byte = 0;
  while (::read(output_, &byte, 1) == 1 && byte != '\n') line += byte;
  return line;
}

void Subprocess::Kill() {
  if (pid_ > 0) ::kill(pid_, SIGKILL);
}

ProgramResult Subprocess::Finish() {
  if (input_ < 0) return result_;
  ::close(input_);
  input_ = -1;
  char bytes[65536];
  ssize_t count = 0;
  while ((count = ::read(output_, bytes, sizeof(bytes))) > 0) {
    result_.output.append(bytes, static_cast<size_t>(count));
  }
  ::close(output_);
  int state = 0;
  if (pid_ > 0 && ::waitpid(pid_, &state, 0) == pid_ && WIFEXITED(state)) {
    result_.exit_code = WEXITSTATUS(state);
  }
  return result_;
}

}  // namespace paceline
