// A CommitTarget without log or memtables, for the tests of the protocol: it
// records what it is asked to do, can be held at an append, a sync or an
// insert, and fails on request.

#pragma once

#include <set>
#include <string>
#include <vector>

#include "src/base/sync.h"
#include "src/commit/commit_target.h"

namespace paceline {

class FakeTarget final : public CommitTarget {
 public:
  struct Group {
    SequenceNumber first_sequence = 0;
    uint32_t entry_count = 0;
    // The family ids of its Writers: tests use them as names.
    std::vector<uint32_t> writers;
    bool needs_sync = false;
    bool disable_wal = false;
  };

  // Appends (syncs, inserts) block until they are released, one by one.
  void HoldAppends() { SetHeld(&holds_appends_, true); }
  void ReleaseAppends() { SetHeld(&holds_appends_, false); }
  void HoldSyncs() { SetHeld(&holds_syncs_, true); }
  void ReleaseSyncs() { SetHeld(&holds_syncs_, false); }
  void WaitForHeldAppend() { WaitFor(&held_appends_); }
  void WaitForHeldSync() { WaitFor(&held_syncs_); }
  void HoldInserts() { SetHeld(&holds_inserts_, true); }
  void ReleaseInserts() { SetHeld(&holds_inserts_, false); }
  void WaitForHeldInsert() { WaitFor(&held_inserts_); }

  void FailNextAppend(const Status& s) { SetFailure(&append_failure_, s); }
  void FailNextSync(const Status& s) { SetFailure(&sync_failure_, s); }
  // Writers of this name are refused.
  void Refuse(uint32_t name) {
    MutexLock lock(&mutex_);
    refused_.insert(name);
  }

  [[nodiscard]] std::vector<Group> groups() const {
    MutexLock lock(&mutex_);
    return groups_;
  }
  // First sequence numbers of the Writers that were inserted.
  [[nodiscard]] std::multiset<SequenceNumber> inserted() const {
    MutexLock lock(&mutex_);
    return inserted_;
  }
  [[nodiscard]] int syncs() const {
    MutexLock lock(&mutex_);
    return syncs_;
  }
  // How many groups were appended when each sync that succeeded began.
  [[nodiscard]] std::vector<size_t> covered_by_syncs() const {
    MutexLock lock(&mutex_);
    return covered_;
  }

  void SetNeedsRoom(bool value) {
    MutexLock lock(&mutex_);
    needs_room_ = value;
  }
  [[nodiscard]] int rooms_made() const {
    MutexLock lock(&mutex_);
    return rooms_made_;
  }

  bool NeedsRoom() const override REQUIRES(WriteThread::write_leader) {
    MutexLock lock(&mutex_);
    return needs_room_;
  }
  Status MakeRoom() override REQUIRES(WriteThread::write_leader) {
    MutexLock lock(&mutex_);
    needs_room_ = false;
    ++rooms_made_;
    return Status::OK();
  }

  Status Validate(const Writer& writer) override
      REQUIRES(WriteThread::write_leader) {
    MutexLock lock(&mutex_);
    for (uint32_t name : writer.family_ids) {
      if (refused_.contains(name)) {
        return Status::InvalidArgument("refused");
      }
    }
    return Status::OK();
  }

  Status AppendToWal(const WriteGroup& group) override
      REQUIRES(WriteThread::write_leader) {
    Group record{.first_sequence = group.first_sequence,
                 .entry_count = group.entry_count,
                 .writers = {},
                 .needs_sync = group.needs_sync,
                 .disable_wal = group.leader->disable_wal};
    for (const Writer* writer : group) {
      if (!writer->has_entries()) continue;
      for (uint32_t name : writer->family_ids) record.writers.push_back(name);
    }
    MutexLock lock(&mutex_);
    WaitWhileHeld(holds_appends_, &held_appends_);
    if (!append_failure_.ok()) {
      Status s = append_failure_;
      append_failure_ = Status::OK();
      return s;
    }
    groups_.push_back(std::move(record));
    return Status::OK();
  }

  void ApplyToMemTables(const Writer& writer) override {
    MutexLock lock(&mutex_);
    WaitWhileHeld(holds_inserts_, &held_inserts_);
    inserted_.insert(writer.sequence);
  }

  Status SyncWal() override {
    MutexLock lock(&mutex_);
    ++syncs_;
    size_t appended = groups_.size();
    WaitWhileHeld(holds_syncs_, &held_syncs_);
    if (!sync_failure_.ok()) {
      Status s = sync_failure_;
      sync_failure_ = Status::OK();
      return s;
    }
    covered_.push_back(appended);
    return Status::OK();
  }

 private:
  void SetHeld(bool* flag, bool value) {
    MutexLock lock(&mutex_);
    *flag = value;
    changed_.NotifyAll();
  }
  void SetFailure(Status* failure, const Status& s) {
    MutexLock lock(&mutex_);
    *failure = s;
  }
  void WaitFor(int* count) {
    MutexLock lock(&mutex_);
    while (*count == 0) changed_.Wait(&mutex_);
  }
  void WaitWhileHeld(const bool& is_held, int* count) REQUIRES(mutex_) {
    ++*count;
    changed_.NotifyAll();
    while (is_held) changed_.Wait(&mutex_);
    --*count;
  }

  mutable Mutex mutex_;
  CondVar changed_;
  bool holds_appends_ = false;
  bool holds_syncs_ = false;
  bool holds_inserts_ = false;
  bool needs_room_ = false;
  int rooms_made_ = 0;
  int held_appends_ = 0;
  int held_syncs_ = 0;
  int held_inserts_ = 0;
  Status append_failure_;
  Status sync_failure_;
  std::set<uint32_t> refused_;
  std::vector<Group> groups_;
  std::multiset<SequenceNumber> inserted_;
  std::vector<size_t> covered_;
  int syncs_ = 0;
};

}  // namespace paceline
