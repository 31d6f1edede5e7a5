// SimDisk: what a disk and the page cache in front of it hold, as a pure
// function of a series of events; and what a power cut leaves of it.
//
// The disk is stricter than any that exists: a sync of a file does not make
// its name durable, and what is not synced may reach the device in any order
// and in any part. What ext4 and xfs really do must be among what it allows;
// sim_kernel_test checks that.

#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "test/support/seed.h"

namespace paceline {

// What a crash leaves of the bytes and names that were not synced.
enum class CrashModel : uint8_t {
  kNothing = 0,  // C0: nothing.
  kAll = 1,      // C1: all of it, as after the death of the process.
  kPrefix = 2,   // C2: of each file, what was appended up to some point.
  kPages = 3,    // C3: of each page (4 KiB), any of its versions.
  kSectors = 4,  // C4: of each sector (512 B); words of the last store.
  kSizes = 5,    // C5: sizes without the bytes: zeros or old blocks instead.
  kTornSectors = 6,  // C6: as kSectors, and sectors being written are torn.
  kFolios = 7,       // C7: as kPages, in units of 16 to 128 KiB.
};
inline constexpr int kCrashModels = 8;

// What a failed sync leaves.
enum class FailedSync : uint8_t {
  // As ext4 and xfs: the pages count as clean, so that no later sync writes
  // them; they can be read until they are evicted.
  kForget,
  kRevert,   // As btrfs: what was read before the writes is read again.
  kPartial,  // As kForget, but some sectors have been written.
  kSticky,   // As kForget, and every later operation fails.
};

// Something that changed the disk.
struct SimEvent {
  enum class Kind : uint8_t {
    kCreate,           // path, inode
    kAppend,           // inode, offset, bytes; value: size of the first piece
    kAllocate,         // inode, offset: the new size, which reads as zeros
    kTruncate,         // inode, offset: the new size
    kSyncBegin,        // inode
    kSyncEnd,          // inode; value: the event of its kSyncBegin
    kSyncFailed,       // the same; mode, offset: a seed
    kClose,            // inode
    kMakeDirectory,    // path, inode
    kRemoveDirectory,  // path
    kRename,           // path, to_path, inode
    kRemove,           // path, inode
    kSyncDirectory,    // path
    kDropCaches,       // The page cache keeps only what is dirty.
    kNote,             // Of the test: value, bytes. Changes nothing.
  };
  Kind kind = Kind::kNote;
  uint64_t inode = 0;
  uint64_t offset = 0;
  uint64_t value = 0;
  FailedSync mode = FailedSync::kForget;
  bool is_mapped = false;  // Of an append: stores into a mapping.
  std::string path = {};
  std::string to_path = {};
  std::string bytes = {};
};

// Thread-compatible; a copy is a disk of its own.
class SimDisk {
 public:
  static constexpr uint64_t kPageBytes = 4096;
  static constexpr uint64_t kSectorBytes = 512;
  static constexpr uint64_t kRoot = 1;

  SimDisk();

  // `id` numbers the events from 1, without gaps. Paths must fit the event: a
  // directory that is removed is empty, a file that is created is new.
  void Apply(uint64_t id, const SimEvent& event);

  // The disk that is found after a crash here, all of it durable. Depends on
  // nothing but the disk, `model` and `seed`.
  [[nodiscard]] SimDisk AfterCrash(CrashModel model, uint64_t seed) const;

  // Why no crash can leave just these files (see Files()); empty: one can. At
  // most 20 changes of names may be unsynced.
  [[nodiscard]] std::string Refute(
      const std::map<std::string, std::string>& found) const;

  // The inode of `path`; 0: there is none.
  [[nodiscard]] uint64_t Find(const std::string& path) const;
  // The inode of the directory that `path` is or would be in; 0: none.
  [[nodiscard]] uint64_t FindParent(const std::string& path) const;
  [[nodiscard]] bool Exists(uint64_t inode) const {
    return inodes_.contains(inode);
  }
  [[nodiscard]] bool IsDirectory(uint64_t inode) const;
  [[nodiscard]] std::vector<std::string> List(uint64_t directory) const;
  [[nodiscard]] uint64_t Size(uint64_t inode) const;
  // Copies up to `n` bytes from `offset` on; returns how many.
  size_t Read(uint64_t inode, uint64_t offset, size_t n, char* to) const;
  // Space that the inode takes, in whole pages.
  [[nodiscard]] uint64_t AllocatedBytes(uint64_t inode) const;
  // Bytes of the inode that only a sync makes durable, in whole pages.
  [[nodiscard]] uint64_t DirtyBytes(uint64_t inode) const;
  [[nodiscard]] uint64_t next_inode() const { return next_inode_; }

  // Every file with its bytes, by path. For comparing disks.
  [[nodiscard]] std::map<std::string, std::string> Files() const;

 private:
  // Bytes up to a size; zeros where there are none.
  struct Content {
    std::string bytes;
    uint64_t size = 0;

    void Write(uint64_t offset, const std::string& data);
    void Resize(uint64_t new_size);
    [[nodiscard]] std::string Page(uint64_t number) const;
  };

  // A page as one event left it.
  struct PageVersion {
    uint64_t event = 0;
    uint64_t end = 0;  // Of what the event appended.
    std::string bytes;
  };
  struct SizeVersion {
    uint64_t event = 0;
    uint64_t size = 0;
  };

  struct Inode {
    bool is_directory = false;
    Content cached;
    Content durable;
    // What changed since the last sync, oldest first.
    std::map<uint64_t, std::vector<PageVersion>> dirty;
    std::vector<SizeVersion> sizes;
    // Up to here there are allocated blocks, which read as zeros until they
    // are written; beyond, an unwritten block may hold anything.
    uint64_t allocated_end = 0;
    // The end of the last byte that was synced.
    uint64_t synced_end = 0;
  };

  // A change of names, in one directory or two.
  struct NameChange {
    uint64_t from_directory = 0;  // 0: none
    std::string from_name = {};
    uint64_t to_directory = 0;  // 0: none
    std::string to_name = {};
    uint64_t inode = 0;
  };
  using Names = std::map<std::pair<uint64_t, std::string>, uint64_t>;

  struct Append {
    uint64_t inode = 0;  // 0: the last event was none.
    uint64_t offset = 0;
    uint64_t size = 0;
    uint64_t first_piece = 0;
    bool is_mapped = false;
  };

  static void ApplyName(const NameChange& change, Names* names);
  void ChangeName(NameChange change);
  void SyncNames(uint64_t directory);
  void ApplyAppend(uint64_t id, const SimEvent& event);
  void Resize(uint64_t id, const SimEvent& event);
  static void SyncInode(uint64_t begin, Inode* inode);
  static void FailSync(const SimEvent& event, Inode* inode);
  static void DropCaches(Inode* inode);

  [[nodiscard]] Names NamesAfterCrash(CrashModel model,
                                      TestRandom* random) const;
  [[nodiscard]] Content ContentAfterCrash(const Inode& inode, CrashModel model,
                                          TestRandom* random) const;
  static void KeepPrefix(const Inode& inode, TestRandom* random, Content* to);
  static void KeepPages(const Inode& inode, uint64_t unit_pages,
                        TestRandom* random, Content* to);
  static void KeepSectors(const Inode& inode, bool tears, TestRandom* random,
                          Content* to);
  void KeepSizes(const Inode& inode, TestRandom* random, Content* to) const;
  static uint64_t PickSize(const Inode& inode, uint64_t persisted_end,
                           TestRandom* random);
  static std::string RefuteBytes(const Inode& inode, const std::string& found);
  void TearLastAppend(CrashModel model, TestRandom* random, Content* to) const;

  std::map<uint64_t, Inode> inodes_;
  Names names_;
  Names durable_names_;
  std::vector<NameChange> name_changes_;  // Not synced, oldest first.
  uint64_t next_inode_ = kRoot + 1;
  Append last_append_;
  // What a block that was freed held last.
  std::string freed_;
};

}  // namespace paceline
