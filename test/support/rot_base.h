// The undamaged databases that bitrot_test damages, and what is in them.

#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "paceline/options.h"

#include "src/format/file_name.h"
#include "test/support/memory_file_system.h"
#include "test/support/model.h"
#include "test/support/seed.h"
#include "test/support/test_database.h"

namespace paceline {

inline constexpr const char* kRotDirectory = "/db";
inline constexpr const char* kRotFamilies[] = {"default", "a", "b"};
// Every commit writes its number to it, in the default family.
inline constexpr const char* kRotLedger = "ledger";

// Few and small files, and nothing that happens by itself.
Options RotOptions(FileSystem* files);

// The commits that were made, and what there was after each of them.
struct RotHistory {
  std::vector<Contents> states;  // states[k]: after k commits.
  // Numbers of commits by the sequence number that they begin with.
  std::map<SequenceNumber, size_t> by_sequence;
  std::map<std::string, std::set<std::string>> keys;  // Of each family.
  // Every value that a key had, by family and key.
  std::map<std::string, std::map<std::string, std::set<std::string>>> values;
};

// A logical record of a log; each of a WAL is a commit or a note.
struct RotRecord {
  uint64_t begin = 0;
  uint64_t end = 0;
  std::string payload;
};
// The intact records at the front of `bytes`.
std::vector<RotRecord> RecordsOf(const std::string& bytes);

struct RotBase {
  using Bytes = MemoryFileSystem::Bytes;

  std::string name;
  std::map<std::string, Bytes> files;  // By path.
  // What files of these types held before, at this path or at another.
  std::map<std::string, std::vector<Bytes>> older;
  std::map<FileType, std::vector<Bytes>> others;
  size_t commits = 0;  // That are in it.

  [[nodiscard]] size_t TotalBytes() const;
};

// The type of the file at `path`; kTemporary for what is not a database's.
FileType TypeOf(const std::string& path);

// Four databases, each the continuation of the one before: of a process that
// was killed; recovered; closed; opened again and killed. The same for the same
// seed but for the database's id.
std::vector<RotBase> MakeRotBases(uint64_t seed, RotHistory* history);

}  // namespace paceline
