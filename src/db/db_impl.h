// DBImpl: forwards each call to the part that owns it.

#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "paceline/db.h"

#include "src/base/sync.h"
#include "src/db/background.h"
#include "src/db/snapshot_list.h"
#include "src/db/write_path.h"
#include "src/format/predecessor_note.h"
#include "src/version/column_family.h"
#include "src/version/version_set.h"

namespace paceline {

// Locks, in the order they are taken: ddl_mutex_, the leader's role, the
// mutexes of the parts. Thread-safe as DB is.
class DBImpl final : public DB {
 public:
  // What Open() found out. `options.info_log` is set.
  struct Opened {
    DBOptions options;
    std::string directory;
    bool is_read_only = false;
    // Null if the DB is read-only.
    std::unique_ptr<FileLock> lock;
    std::unique_ptr<VersionSet> versions;
    TableStore tables;
    std::vector<std::shared_ptr<ColumnFamily>> families;
    SequenceNumber last_sequence = 0;
    PredecessorNote predecessor;  // Of the first WAL.
  };

  explicit DBImpl(Opened opened);
  ~DBImpl() override;

  // Lets writes begin, unless the DB is read-only.
  Status StartWriting();
  // Writes an OPTIONS file of the present families and removes files that
  // nothing needs. A failure is logged only: neither is needed to read data.
  void Housekeep();
  [[nodiscard]] ColumnFamilyHandle* NewHandle(
      std::shared_ptr<ColumnFamily> family) const;

  using DB::CompactRange;
  using DB::Delete;
  using DB::Flush;
  using DB::Get;
  using DB::GetColumnFamilyMetaData;
  using DB::GetIntProperty;
  using DB::GetOptions;
  using DB::GetProperty;
  using DB::Merge;
  using DB::MultiGet;
  using DB::NewIterator;
  using DB::Put;
  using DB::SingleDelete;
  using DB::VerifyChecksum;

  Status Close() override EXCLUDES(ddl_mutex_);
  Status Put(const WriteOptions& options, ColumnFamilyHandle* family,
             const Slice& key, const Slice& value) override;
  Status Delete(const WriteOptions& options, ColumnFamilyHandle* family,
                const Slice& key) override;
  Status SingleDelete(const WriteOptions& options, ColumnFamilyHandle* family,
                      const Slice& key) override;
  Status DeleteRange(const WriteOptions& options, ColumnFamilyHandle* family,
                     const Slice& begin, const Slice& end) override;
  Status Merge(const WriteOptions& options, ColumnFamilyHandle* family,
               const Slice& key, const Slice& operand) override;
  Status Write(const WriteOptions& options, WriteBatch* batch) override;
  Status Get(const ReadOptions& options, ColumnFamilyHandle* family,
             const Slice& key, PinnableSlice* value) override;
  std::vector<Status> MultiGet(const ReadOptions& options,
                               const std::vector<ColumnFamilyHandle*>& families,
                               const std::vector<Slice>& keys,
                               std::vector<std::string>* values) override;
  Iterator* NewIterator(const ReadOptions& options,
                        ColumnFamilyHandle* family) override;
  const Snapshot* GetSnapshot() override;
  void ReleaseSnapshot(const Snapshot* snapshot) override;
  Status CreateColumnFamily(const ColumnFamilyOptions& options,
                            const std::string& name,
                            ColumnFamilyHandle** handle) override
      EXCLUDES(ddl_mutex_);
  Status DropColumnFamily(ColumnFamilyHandle* family) override
      EXCLUDES(ddl_mutex_);
  ColumnFamilyHandle* DefaultColumnFamily() const override;
  Status SyncWAL() override;
  Status FlushWAL(bool sync) override;
  Status LockWAL() override;
  Status UnlockWAL() override;
  Status Resume() override EXCLUDES(ddl_mutex_);
  Status Flush(const FlushOptions& options,
               const std::vector<ColumnFamilyHandle*>& families) override;
  Status CompactRange(const CompactRangeOptions& options,
                      ColumnFamilyHandle* family, const Slice* begin,
                      const Slice* end) override;
  Status WaitForCompact(const WaitForCompactOptions& options) override;
  ColumnFamilyMetaData GetColumnFamilyMetaData(
      ColumnFamilyHandle* family) override;
  Status VerifyChecksum(const ReadOptions& options) override;
  SequenceNumber GetLatestSequenceNumber() const override;
  bool GetProperty(ColumnFamilyHandle* family, const Slice& property,
                   std::string* value) override;
  bool GetIntProperty(ColumnFamilyHandle* family, const Slice& property,
                      uint64_t* value) override;
  Metrics GetMetrics() const override;
  const std::string& GetName() const override { return directory_; }
  DBOptions GetDBOptions() const override { return options_; }
  Options GetOptions(ColumnFamilyHandle* family) const override;

 private:
  // The family a handle stands for: a live one of this DB, or
  // InvalidArgument.
  StatusOr<std::shared_ptr<ColumnFamily>> Resolve(
      const ColumnFamilyHandle* family) const;
  // The same for the time of a call, without counting a reference.
  StatusOr<ColumnFamily*> ResolveShortly(
      const ColumnFamilyHandle* family) const;
  // To be read after the SuperVersion was pinned.
  [[nodiscard]] SequenceNumber ReadSequence(const ReadOptions& options) const;
  // Writes all that `families` have in memory to tables.
  Status FlushFamilies(const ColumnFamilySet::Families& families, bool waits);
  void RemoveObsoleteWals();
  Status ReadOnlyError() const;
  Status CheckOpen() const;
  // Builds a batch of one entry with `add` and commits it.
  template <typename AddEntry>
  Status WriteOne(const WriteOptions& options, AddEntry add);
  void WriteOptionsFile();
  // Writes the totals of the metrics into the LOG, unless it did not long ago.
  void LogTotalsNowAndThen();
  // See properties.cc.
  std::optional<uint64_t> IntPropertyOfDb(std::string_view name) const;
  std::optional<std::string> TextProperty(const ColumnFamily& family,
                                          std::string_view name) const;
  [[nodiscard]] std::string CountersText() const;
  [[nodiscard]] std::string StatsText() const;

  const DBOptions options_;
  const std::string directory_;
  std::unique_ptr<FileLock> lock_;
  const std::unique_ptr<VersionSet> versions_;
  const TableStore tables_;
  const SequenceNumber opened_at_sequence_;
  const PredecessorNote predecessor_;
  ColumnFamilySet families_;
  SnapshotList snapshots_;
  // Null if the DB is read-only.
  std::unique_ptr<WritePath> write_path_;
  // Null if the DB is read-only.
  std::unique_ptr<Background> background_;
  std::unique_ptr<ColumnFamilyHandle> default_handle_;
  std::shared_ptr<ColumnFamily> default_family_;

  // Old WALs are kept aside while a failure is being mended.
  Atomic<bool> keeps_old_wals_ = false;

  // Relaxed: used by one flush at a time.
  Atomic<uint64_t> totals_logged_at_nanos_ = 0;

  // Held while column families are created and dropped, and by Close().
  Mutex ddl_mutex_;
  bool is_closed_ GUARDED_BY(ddl_mutex_) = false;
  // Set by Close() once no write can begin; release and acquire: who sees it
  // sees that writes have ended.
  Atomic<bool> is_closing_ = false;
};

}  // namespace paceline
