#include "src/version/column_family.h"

#include <utility>

namespace paceline {

ColumnFamily::ColumnFamily(uint32_t id, std::string name,
                           const ColumnFamilyOptions& options)
    : id_(id), name_(std::move(name)), options_(options) {
  mutable_memtable_ = std::make_shared<MemTable>(options_.comparator);
  Install({mutable_memtable_, {}});
}

std::shared_ptr<const SuperVersion> ColumnFamily::PinSuperVersion() const {
  const Slot& slot = slots_[ThreadOrdinal() % kSlots];
  MutexLock lock(&slot.mutex);
  return slot.super_version;
}

void ColumnFamily::Install(SuperVersion super_version) {
  auto shared = std::make_shared<const SuperVersion>(std::move(super_version));
  for (Slot& slot : slots_) {
    // A control block of the slot's own: counting references to it does not
    // touch the one that all slots share.
    auto* holder = new std::shared_ptr<const SuperVersion>(shared);
    std::shared_ptr<const SuperVersion> own(
        shared.get(), [holder](const SuperVersion*) { delete holder; });
    {
      MutexLock lock(&slot.mutex);
      slot.super_version.swap(own);
    }
    // What the slot held is released here, outside its lock.
  }
}

void ColumnFamily::SealMemTable() {
  SuperVersion next;
  {
    auto current = PinSuperVersion();
    next.sealed_memtables.push_back(current->mutable_memtable);
    next.sealed_memtables.insert(next.sealed_memtables.end(),
                                 current->sealed_memtables.begin(),
                                 current->sealed_memtables.end());
  }
  mutable_memtable_ = std::make_shared<MemTable>(options_.comparator);
  next.mutable_memtable = mutable_memtable_;
  Install(std::move(next));
}

void ColumnFamily::ReplaceMutableMemTable(std::shared_ptr<MemTable> memtable) {
  SuperVersion next = *PinSuperVersion();
  mutable_memtable_ = std::move(memtable);
  next.mutable_memtable = mutable_memtable_;
  Install(std::move(next));
}

void ColumnFamilySet::Add(std::shared_ptr<ColumnFamily> family) {
  MutexLock lock(&mutex_);
  uint32_t id = family->id();
  families_[id] = std::move(family);
}

void ColumnFamilySet::Remove(uint32_t id) {
  MutexLock lock(&mutex_);
  families_.erase(id);
}

std::shared_ptr<ColumnFamily> ColumnFamilySet::Find(uint32_t id) const {
  MutexLock lock(&mutex_);
  auto found = families_.find(id);
  return found == families_.end() ? nullptr : found->second;
}

ColumnFamilySet::Families ColumnFamilySet::All() const {
  MutexLock lock(&mutex_);
  Families all;
  for (const auto& [id, family] : families_) all.push_back(family);
  return all;
}

}  // namespace paceline
