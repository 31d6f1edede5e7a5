// SnapshotList: the live snapshots, oldest first.

#pragma once

#include <list>
#include <vector>

#include "paceline/snapshot.h"

#include "src/base/check.h"
#include "src/base/sync.h"

namespace paceline {

// Thread-safe.
class SnapshotList {
 public:
  // A snapshot at what `visible()` returns, which is called under the list's
  // lock so that the list stays in order.
  template <typename Visible>
  const Snapshot* New(Visible visible) EXCLUDES(mutex_) {
    MutexLock lock(&mutex_);
    snapshots_.emplace_back(visible());
    snapshots_.back().position = std::prev(snapshots_.end());
    return &snapshots_.back();
  }

  void Release(const Snapshot* snapshot) EXCLUDES(mutex_) {
    if (snapshot == nullptr) return;
    MutexLock lock(&mutex_);
    snapshots_.erase(static_cast<const Entry*>(snapshot)->position);
  }

  // Of a DB that is destroyed: what was not released is not asked for again.
  void Clear() EXCLUDES(mutex_) {
    MutexLock lock(&mutex_);
    snapshots_.clear();
  }

  [[nodiscard]] size_t size() const EXCLUDES(mutex_) {
    MutexLock lock(&mutex_);
    return snapshots_.size();
  }

  // All of them, ascending, each once.
  [[nodiscard]] std::vector<SequenceNumber> All() const EXCLUDES(mutex_) {
    MutexLock lock(&mutex_);
    std::vector<SequenceNumber> all;
    for (const Entry& entry : snapshots_) {
      if (all.empty() || all.back() != entry.sequence) {
        all.push_back(entry.sequence);
      }
    }
    return all;
  }

  // Of the oldest one; 0 if there is none.
  [[nodiscard]] SequenceNumber oldest() const EXCLUDES(mutex_) {
    MutexLock lock(&mutex_);
    return snapshots_.empty() ? 0 : snapshots_.front().GetSequenceNumber();
  }

 private:
  struct Entry final : public Snapshot {
    explicit Entry(SequenceNumber number) : sequence(number) {}
    ~Entry() override = default;
    SequenceNumber GetSequenceNumber() const override { return sequence; }

    const SequenceNumber sequence;
    std::list<Entry>::iterator position;
  };

  mutable Mutex mutex_;
  std::list<Entry> snapshots_ GUARDED_BY(mutex_);
};

}  // namespace paceline
