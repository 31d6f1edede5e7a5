// DB: an ordered, durable map from keys to values.

#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "paceline/iterator.h"
#include "paceline/metadata.h"
#include "paceline/metrics.h"
#include "paceline/options.h"
#include "paceline/slice.h"
#include "paceline/snapshot.h"
#include "paceline/status.h"
#include "paceline/write_batch.h"

namespace paceline {

// The name of the column family that every database has.
inline const std::string kDefaultColumnFamilyName = "default";

// A column family of an open DB. Obtained from Open() or CreateColumnFamily(),
// ended by DestroyColumnFamilyHandle() or delete. May outlive the DB and the
// column family: calls with it then fail with InvalidArgument. Thread-safe.
class ColumnFamilyHandle {
 public:
  virtual ~ColumnFamilyHandle() = default;
  [[nodiscard]] virtual const std::string& GetName() const = 0;
  [[nodiscard]] virtual uint32_t GetID() const = 0;
  [[nodiscard]] virtual const Comparator* GetComparator() const = 0;
};

struct ColumnFamilyDescriptor {
  ColumnFamilyDescriptor() = default;
  ColumnFamilyDescriptor(std::string family_name,
                         const ColumnFamilyOptions& family_options)
      : name(std::move(family_name)), options(family_options) {}
  std::string name = kDefaultColumnFamilyName;
  ColumnFamilyOptions options;
};

// Thread-safe, except for Close() and the destructor, which must come after
// every other call has returned. (Writers that still wait in a Close() race
// get ShutdownInProgress.)
class DB {
 public:
  // Opens the database in directory `name`. Recovers what earlier processes
  // committed; this takes time in proportion to their WALs. Errors:
  //   InvalidArgument  an option is out of range, the database is missing (or
  //                    exists, with error_if_exists), a column family was not
  //                    listed, or a comparator is not the one it was made with
  //   Busy             another DB, here or in another process, has it open
  //   Corruption       a file is damaged; names the file and the offset
  //   NotSupported     it uses a feature of RocksDB that Paceline has not
  //   IOError          the machine failed
  // After an error `*db` is null and the directory opens as before.
  static Status Open(const Options& options, const std::string& name, DB** db);
  static Status Open(const Options& options, const std::string& name,
                     std::unique_ptr<DB>* db);
  // `families` must name every column family of the database. `*handles` gets
  // one handle for each, in that order; the caller owns them.
  static Status Open(const DBOptions& options, const std::string& name,
                     const std::vector<ColumnFamilyDescriptor>& families,
                     std::vector<ColumnFamilyHandle*>* handles, DB** db);
  static Status Open(const DBOptions& options, const std::string& name,
                     const std::vector<ColumnFamilyDescriptor>& families,
                     std::vector<ColumnFamilyHandle*>* handles,
                     std::unique_ptr<DB>* db);

  // The same for reading only: takes no lock, changes nothing in the
  // directory, and sees what was committed before the call. Writes fail with
  // NotSupported. `families` may leave column families out. Busy if another
  // process writes so fast that its files are replaced, several times, while
  // they are looked at.
  static Status OpenForReadOnly(const Options& options, const std::string& name,
                                std::unique_ptr<DB>* db);
  static Status OpenForReadOnly(
      const DBOptions& options, const std::string& name,
      const std::vector<ColumnFamilyDescriptor>& families,
      std::vector<ColumnFamilyHandle*>* handles, std::unique_ptr<DB>* db);

  // The names of the column families of a database that need not be open.
  static Status ListColumnFamilies(const DBOptions& options,
                                   const std::string& name,
                                   std::vector<std::string>* families);

  DB() = default;
  DB(const DB&) = delete;
  DB& operator=(const DB&) = delete;
  // Closes if Close() was not called.
  virtual ~DB() = default;

  // Waits for running writes, fails waiting ones with ShutdownInProgress, and
  // releases the directory. Nothing that was committed needs Close() to
  // survive. Snapshots must have been released: otherwise returns Aborted
  // and changes nothing. Iterators and PinnableSlices may stay; they hold what
  // they show. Later calls return OK.
  virtual Status Close() = 0;

  // Writes. A null family means the default one. All of them return what
  // Write() returns.
  virtual Status Put(const WriteOptions& options, ColumnFamilyHandle* family,
                     const Slice& key, const Slice& value) = 0;
  virtual Status Delete(const WriteOptions& options, ColumnFamilyHandle* family,
                        const Slice& key) = 0;
  virtual Status SingleDelete(const WriteOptions& options,
                              ColumnFamilyHandle* family, const Slice& key) = 0;
  virtual Status DeleteRange(const WriteOptions& options,
                             ColumnFamilyHandle* family, const Slice& begin,
                             const Slice& end) = 0;
  virtual Status Merge(const WriteOptions& options, ColumnFamilyHandle* family,
                       const Slice& key, const Slice& operand) = 0;
  Status Put(const WriteOptions& options, const Slice& key,
             const Slice& value) {
    return Put(options, nullptr, key, value);
  }
  Status Delete(const WriteOptions& options, const Slice& key) {
    return Delete(options, nullptr, key);
  }
  Status SingleDelete(const WriteOptions& options, const Slice& key) {
    return SingleDelete(options, nullptr, key);
  }
  Status Merge(const WriteOptions& options, const Slice& key,
               const Slice& operand) {
    return Merge(options, nullptr, key, operand);
  }

  // Applies `*batch` atomically: after a crash either all its entries are
  // found or none. Writers that arrive together are committed as one group,
  // with one WAL record and at most one sync. Blocks while writes are
  // stalled. Returns
  //   OK               every later read sees the batch; it survives the death
  //                    of the process, and a power cut if options.sync
  //   InvalidArgument  names a dropped or unknown column family, or holds a
  //                    Merge for a family without a merge operator, or the
  //                    options exclude each other; nothing was written
  //   Corruption       the batch is malformed; nothing was written
  //   NotSupported     the batch uses transaction markers, blob indexes or
  //                    entities, or the DB is read-only; nothing was written
  //   Incomplete       stalled and options.no_slowdown; nothing was written
  //   IOError          the WAL failed, now or before: the text names the first
  //                    cause. If it failed now, only recovery can tell the
  //                    outcome; readers of this DB never see the batch. No
  //                    write is accepted until Resume() or reopen. Or a new
  //                    WAL could not be begun ("cannot begin a new WAL"):
  //                    nothing was written, the call may be repeated
  //   ShutdownInProgress  Close() was called; nothing was written
  // `*batch` must not change until Write() returns.
  virtual Status Write(const WriteOptions& options, WriteBatch* batch) = 0;

  // Reads at the point in time of options.snapshot, or now: every write that
  // returned OK before the call is seen. Returns NotFound if the key has no
  // value; InvalidArgument for a dropped family; Corruption if its merge
  // operands cannot be applied. Never blocks on writers.
  virtual Status Get(const ReadOptions& options, ColumnFamilyHandle* family,
                     const Slice& key, PinnableSlice* value) = 0;
  Status Get(const ReadOptions& options, ColumnFamilyHandle* family,
             const Slice& key, std::string* value);
  Status Get(const ReadOptions& options, const Slice& key, std::string* value) {
    return Get(options, nullptr, key, value);
  }

  // Get() for each key, all at the same point in time. `families` and `keys`
  // have the same length; the vector without families reads the default one.
  virtual std::vector<Status> MultiGet(
      const ReadOptions& options,
      const std::vector<ColumnFamilyHandle*>& families,
      const std::vector<Slice>& keys, std::vector<std::string>* values) = 0;
  std::vector<Status> MultiGet(const ReadOptions& options,
                               const std::vector<Slice>& keys,
                               std::vector<std::string>* values);

  // An iterator over the family's keys; never null: errors are in its
  // status(). The caller deletes it; it may outlive the DB.
  virtual Iterator* NewIterator(const ReadOptions& options,
                                ColumnFamilyHandle* family) = 0;
  Iterator* NewIterator(const ReadOptions& options) {
    return NewIterator(options, nullptr);
  }

  // The present as a snapshot, until it is released.
  virtual const Snapshot* GetSnapshot() = 0;
  virtual void ReleaseSnapshot(const Snapshot* snapshot) = 0;

  // Makes a column family; it and its name survive a power cut when this
  // returns OK. InvalidArgument if the name exists or an option is out of
  // range. IOError if the MANIFEST failed: the next open may find the family
  // or not, and no write is accepted until Resume() or reopen. Blocks writers
  // while the directory is updated.
  virtual Status CreateColumnFamily(const ColumnFamilyOptions& options,
                                    const std::string& name,
                                    ColumnFamilyHandle** handle) = 0;
  // Removes the column family and its data, for good when this returns OK.
  // Calls with its handle then fail with InvalidArgument; iterators that
  // exist go on. InvalidArgument for the default family; IOError as for
  // CreateColumnFamily().
  virtual Status DropColumnFamily(ColumnFamilyHandle* family) = 0;
  virtual Status DestroyColumnFamilyHandle(ColumnFamilyHandle* family);
  // Belongs to the DB.
  [[nodiscard]] virtual ColumnFamilyHandle* DefaultColumnFamily() const = 0;

  // Makes every write that returned OK before the call survive a power cut
  // (writes with disableWAL aside). IOError as for Write().
  virtual Status SyncWAL() = 0;
  // The same if `sync`. Without it returns at once: every write that returned
  // OK survives the death of the process already.
  virtual Status FlushWAL(bool sync) = 0;

  // Stops writes (those with no_slowdown fail) and syncs the WALs: until
  // UnlockWAL() nothing is appended to them, and all that was committed
  // survives a power cut. Flushes and compactions go on, and may remove WALs
  // that are not needed any more. Nests. Calls that change column families,
  // Flush() and Resume() may wait for UnlockWAL().
  virtual Status LockWAL() = 0;
  // InvalidArgument if LockWAL() was not called.
  virtual Status UnlockWAL() = 0;

  // After a failure of a WAL or the MANIFEST: writes everything that is visible
  // into a new WAL, syncs it, sets the failed ones aside and accepts writes
  // again. What failed stays invisible. After a failure of flushes or
  // compactions: tries them again without a delay, and waits for the flushes.
  // Blocks for a time in proportion to the data in memory. OK if there was
  // nothing to mend; otherwise why it is not mended.
  virtual Status Resume() = 0;

  // Writes the memtables of the column family (of all in `families`, in one
  // step with atomic_flush) to tables, so that their WALs are not needed any
  // more. Everything that was written before the call survives a power cut
  // when it returns OK with options.wait. Blocks writers for a moment. IOError
  // if a table or the MANIFEST cannot be written; nothing is lost then.
  virtual Status Flush(const FlushOptions& options,
                       const std::vector<ColumnFamilyHandle*>& families) = 0;
  Status Flush(const FlushOptions& options,
               ColumnFamilyHandle* family = nullptr) {
    return Flush(options, std::vector<ColumnFamilyHandle*>{family});
  }

  // Merges everything with user keys from `*begin` to `*end`, both included,
  // into the deepest level that has some of it (null: from the first, to the
  // last), level by level, memtables first. Blocks until that is done. Errors
  // as for Flush(); Corruption if a file is damaged.
  virtual Status CompactRange(const CompactRangeOptions& options,
                              ColumnFamilyHandle* family, const Slice* begin,
                              const Slice* end) = 0;
  Status CompactRange(const CompactRangeOptions& options, const Slice* begin,
                      const Slice* end) {
    return CompactRange(options, nullptr, begin, end);
  }

  // Blocks until no flush or compaction runs or is due, and files that nobody
  // needs any more are removed. The failure that keeps jobs from running, if
  // there is one.
  virtual Status WaitForCompact(const WaitForCompactOptions& options) = 0;

  // The files of every level.
  [[nodiscard]] virtual ColumnFamilyMetaData GetColumnFamilyMetaData(
      ColumnFamilyHandle* family) = 0;
  [[nodiscard]] ColumnFamilyMetaData GetColumnFamilyMetaData() {
    return GetColumnFamilyMetaData(nullptr);
  }

  // Reads every block of every table and checks it. The first damage as
  // Corruption, with file, offset and column family.
  virtual Status VerifyChecksum(const ReadOptions& options) = 0;
  Status VerifyChecksum() { return VerifyChecksum(ReadOptions()); }

  // The sequence number of the newest visible entry.
  [[nodiscard]] virtual SequenceNumber GetLatestSequenceNumber() const = 0;

  // The properties listed in docs/architecture.md, by RocksDB's names. False
  // for an unknown name.
  virtual bool GetProperty(ColumnFamilyHandle* family, const Slice& property,
                           std::string* value) = 0;
  bool GetProperty(const Slice& property, std::string* value) {
    return GetProperty(nullptr, property, value);
  }
  virtual bool GetIntProperty(ColumnFamilyHandle* family, const Slice& property,
                              uint64_t* value) = 0;
  bool GetIntProperty(const Slice& property, uint64_t* value) {
    return GetIntProperty(nullptr, property, value);
  }

  [[nodiscard]] virtual Metrics GetMetrics() const = 0;
  [[nodiscard]] virtual const std::string& GetName() const = 0;
  [[nodiscard]] virtual DBOptions GetDBOptions() const = 0;
  [[nodiscard]] virtual Options GetOptions(
      ColumnFamilyHandle* family) const = 0;
  [[nodiscard]] Options GetOptions() const { return GetOptions(nullptr); }
};

// Removes every file of the database in `name`, and the directory if that
// leaves it empty. Files that are not the database's stay. OK if there is no
// database; Busy if it is open.
Status DestroyDB(const std::string& name, const Options& options);

}  // namespace paceline
