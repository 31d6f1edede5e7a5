#include "bench/isolated_run.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>
#include <utility>

#include <nlohmann/json.hpp>

namespace paceline::bench {

namespace {

using Json = nlohmann::ordered_json;
using Outcome = StatusOr<std::vector<RunResult>>;

// The outcome on its way through the pipe: {"results": [...]} or {"error":
// text, "aborted": bool}.
std::string Encode(const Outcome& outcome) {
  if (outcome.ok()) return Json{{"results", *outcome}}.dump();
  return Json{{"error", outcome.status().message()},
              {"aborted", outcome.status().IsAborted()}}
      .dump(-1, ' ', false, Json::error_handler_t::replace);
}

Outcome Decode(const std::string& text) {
  Json json = Json::parse(text);
  if (json.contains("results")) {
    return json.at("results").get<std::vector<RunResult>>();
  }
  auto error = json.at("error").get<std::string>();
  if (json.at("aborted").get<bool>()) return Status::Aborted(error);
  return Status::IOError(error);
}

// Does not return: the child shares the parent's buffers and must not run its
// destructors.
[[noreturn]] void RunInChild(const std::function<Outcome()>& run, int pipe) {
  std::string text = Encode(run());
  std::fflush(stdout);
  size_t written = 0;
  while (written < text.size()) {
    ssize_t n = write(pipe, text.data() + written, text.size() - written);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) _exit(1);
    written += static_cast<size_t>(n);
  }
  _exit(0);
}

std::string ReadAll(int pipe) {
  std::string text;
  char buffer[4096];
  while (true) {
    ssize_t n = read(pipe, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return text;
    text.append(buffer, static_cast<size_t>(n));
  }
}

int WaitFor(pid_t child) {
  int how = 0;
  while (waitpid(child, &how, 0) < 0 && errno == EINTR) {
  }
  return how;
}

}  // namespace

Outcome RunIsolated(const std::function<Outcome()>& run) {
  int ends[2];
  if (pipe(ends) != 0) return Status::IOError("pipe", std::strerror(errno));
  std::fflush(stdout);
  pid_t child = fork();
  if (child < 0) return Status::IOError("fork", std::strerror(errno));
  if (child == 0) {
    close(ends[0]);
    RunInChild(run, ends[1]);
  }
  close(ends[1]);
  std::string text = ReadAll(ends[0]);
  close(ends[0]);
  int how = WaitFor(child);
  if (WIFSIGNALED(how)) {
    return Status::IOError("the process of the run was ended by signal",
                           strsignal(WTERMSIG(how)));
  }
  if (!WIFEXITED(how) || WEXITSTATUS(how) != 0) {
    return Status::IOError("the process of the run ended early");
  }
  return Decode(text);
}

}  // namespace paceline::bench
