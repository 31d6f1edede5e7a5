// idle_bench: what an open database costs that nobody uses.
//
// How many threads, how much memory and how many wake-ups a second do 1,000
// entries take, in each engine, once what was to be done is done? Expected of
// Paceline: a few threads that sleep until there is something to do.
//
//   idle_bench [engine ...]
//
// Prints a table; takes some 15 seconds for each engine.

#include <fmt/core.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "bench/engine.h"
#include "bench/generators.h"
#include "bench/scratch_directory.h"

namespace paceline::bench {
namespace {

constexpr uint64_t kEntries = 1000;
constexpr std::chrono::seconds kSettle(5);
constexpr std::chrono::seconds kWatched(10);

// The number behind `word` in a file of /proc; 0 if it is not there.
uint64_t NumberBehind(const std::filesystem::path& path,
                      const std::string& word) {
  std::ifstream file(path);
  std::string next;
  uint64_t number = 0;
  while (file >> next) {
    if (next == word && file >> number) return number;
  }
  return 0;
}

struct Usage {
  int threads = 0;
  // Times that a thread began to run again, the caller's not counted.
  uint64_t wakes = 0;
};

Usage UsageNow() {
  Usage usage;
  const std::string own = std::to_string(gettid());
  for (const auto& task :
       std::filesystem::directory_iterator("/proc/self/task")) {
    if (task.path().filename() == own) continue;
    ++usage.threads;
    usage.wakes +=
        NumberBehind(task.path() / "status", "voluntary_ctxt_switches:");
  }
  return usage;
}

Status Watch(const EngineType& type, const std::string& directory) {
  EngineOptions options;
  options.directory = directory;
  auto engine = type.open(options);
  if (!engine.ok()) return engine.status();
  {
    auto session = (*engine)->NewSession({});
    if (!session.ok()) return session.status();
    std::string key(16, '0');
    for (uint64_t i = 0; i < kEntries; ++i) {
      EncodeKey(i, &key);
      Status s = (*session)->Put(key, key);
      if (!s.ok()) return s;
    }
  }
  std::this_thread::sleep_for(kSettle);
  const Usage before = UsageNow();
  std::this_thread::sleep_for(kWatched);
  const Usage after = UsageNow();
  fmt::print(
      "| {} {} | {} | {:.1f} | {:.1f} |\n", type.name, type.version,
      after.threads,
      static_cast<double>(NumberBehind("/proc/self/status", "RssAnon:")) / 1024,
      static_cast<double>(after.wakes - before.wakes) /
          static_cast<double>(kWatched.count()));
  std::fflush(stdout);
  return Status::OK();
}

// Each engine in a process of its own, so that none has another one's threads
// and memory.
Status WatchApart(const EngineType& type) {
  auto directory = ScratchDirectory::Make();
  if (!directory.ok()) return directory.status();
  const pid_t child = fork();
  if (child == 0) {
    Status s = Watch(type, (*directory)->path());
    if (!s.ok()) fmt::print(stderr, "idle_bench: {}\n", s.ToString());
    _exit(s.ok() ? 0 : 1);
  }
  int result = 0;
  if (child < 0 || waitpid(child, &result, 0) != child || result != 0) {
    return Status::IOError("cannot measure " + type.name);
  }
  return Status::OK();
}

int Main(int argc, char** argv) {
  const std::vector<std::string> names(argv + 1, argv + argc);
  fmt::print(
      "| engine | threads | anonymous MiB | wake-ups a second |\n"
      "| --- | --- | --- | --- |\n");
  std::fflush(stdout);
  for (const EngineType& type : EngineTypes()) {
    if (!names.empty() &&
        std::find(names.begin(), names.end(), type.name) == names.end()) {
      continue;
    }
    Status s = WatchApart(type);
    if (!s.ok()) {
      fmt::print(stderr, "idle_bench: {}\n", s.ToString());
      return 1;
    }
  }
  return 0;
}

}  // namespace
}  // namespace paceline::bench

int main(int argc, char** argv) { return paceline::bench::Main(argc, argv); }
