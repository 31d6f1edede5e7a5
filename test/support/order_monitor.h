// OrderMonitor: looks at everything a database did to its disk, in order, and
// finds what must not happen even where no crash shows it: an acknowledgement
// before its sync, a table that is named before it is durable, a file that is
// removed before what replaces it is.

#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "test/support/sim_file_system.h"

namespace paceline {

// The rules, as the events of the file system and the test's notes (see
// crash_oracle.h) show them:
//
//   R1  A synced write is acknowledged only when a sync that began after its
//       bytes were appended has succeeded, and when nothing older in any WAL
//       that a MANIFEST may need is unsynced.
//   R2  A MANIFEST names a table only when the table and its name are durable.
//   R3  CURRENT names a MANIFEST only when that is durable, and the old one is
//       removed only when the new CURRENT is.
//   R4  A table or WAL that some MANIFEST needs, if a crash may make it the
//       current one, is not removed.
//   R5  Nothing is done with a file whose append or sync has failed.
//   R7  A table is not appended to once a MANIFEST names it, and a MANIFEST not
//       once it is replaced.
//   R8  WALs are synced no more often than somebody asked for it.
//
// (R6, that a synced write is visible only after its sync, cannot be seen
// here.) Files that were there before the first event count as durable.
// Thread-compatible.
class OrderMonitor {
 public:
  explicit OrderMonitor(const SimHistory& history);

  // Each with its rule and event; empty: none.
  [[nodiscard]] const std::vector<std::string>& violations() const {
    return violations_;
  }

 private:
  struct File {
    std::string path;
    bool is_name_durable = false;
    bool has_failed = false;
    bool has_bytes = false;
    std::vector<uint64_t> unsynced;  // Events of appends.
  };
  // What a MANIFEST says, as far as its records are synced or not.
  struct Manifest {
    // Tables that some record names, and their families.
    std::map<uint64_t, uint32_t> named;
    std::set<uint64_t> deleted;  // By records that are synced.
    std::set<uint64_t> deleted_unsynced;
    std::map<uint32_t, uint64_t> log_numbers;  // By records that are synced.
    std::map<uint32_t, uint64_t> log_numbers_unsynced;
  };

  void See(const SimEvent& event);
  void SeeNote(const SimEvent& event);
  void SeeAppend(const SimEvent& event);
  void SeeManifestRecord(const SimEvent& event);
  void SeeSync(const SimEvent& event);
  void SeeSyncDirectory(const std::string& directory);
  void SeeRename(const SimEvent& event);
  void SeeRemove(const SimEvent& event);
  void CheckAcknowledged(uint64_t id);
  void CheckDurable(const std::string& path, const char* rule);
  void CheckSyncCount();
  // Numbers of the MANIFESTs that a crash may find CURRENT to name.
  [[nodiscard]] std::set<uint64_t> PossibleManifests() const;
  // A column family that needs the WAL if the MANIFEST is the current one.
  static std::optional<uint32_t> FamilyThatNeeds(uint64_t wal,
                                                 const Manifest& manifest);
  // Whether recovery may read the WAL after a crash. True if no MANIFEST tells.
  [[nodiscard]] bool MayBeNeeded(uint64_t wal) const;
  void Violate(const char* rule, const std::string& text);

  uint64_t event_ = 0;
  std::map<uint64_t, File> files_;              // By inode.
  std::map<std::string, uint64_t> inodes_;      // By path.
  std::map<uint64_t, Manifest> manifests_;      // By number.
  std::map<uint64_t, uint64_t> batch_appends_;  // Events, by batch id.
  std::set<uint64_t> tables_named_;
  uint64_t current_ = 0;          // The MANIFEST that CURRENT names; 0: none.
  uint64_t durable_current_ = 0;  // The same after a power cut.
  bool has_notes_ = false;  // Without them nobody can say what was wanted.
  uint64_t wal_syncs_ = 0;
  uint64_t wal_syncs_wanted_ = 0;
  std::vector<std::string> violations_;
};

}  // namespace paceline
