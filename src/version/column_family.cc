#include "src/version/column_family.h"

#include <algorithm>
#include <set>
#include <utility>

#include "src/base/check.h"

namespace paceline {

namespace {

// Of column families that are not given a cache.
constexpr size_t kDefaultBlockCacheBytes = size_t{32} << 20;

std::shared_ptr<BlockCache> BlockCacheOf(const BlockBasedTableOptions& table) {
  if (table.no_block_cache) return nullptr;
  std::shared_ptr<Cache> cache = table.block_cache;
  if (cache == nullptr) cache = NewLRUCache(kDefaultBlockCacheBytes);
  return AsBlockCache(cache);
}

uint32_t IdOf(const std::shared_ptr<ColumnFamily>& family) {
  return family->id();
}

}  // namespace

ColumnFamily::ColumnFamily(uint32_t id, std::string name,
                           const ColumnFamilyOptions& options,
                           const TableStore& store)
    : id_(id),
      name_(std::move(name)),
      options_(options),
      arena_blocks_(store.arena_blocks),
      tables_(std::make_shared<const TableContext>(TableContext{
          .comparator = InternalKeyComparator(options.comparator),
          .family_name = name_,
          .tables = store.tables,
          .block_cache = BlockCacheOf(options.table_factory->options()),
          .unused = store.unused})) {
  mutable_memtable_ = NewMemTable();
  Replaced nothing;
  MutexLock lock(&install_mutex_);
  InstallLocked({.mutable_memtable = mutable_memtable_,
                 .sealed_memtables = {},
                 .version = std::make_shared<const Version>(tables_)},
                &nothing);
}

ColumnFamily::~ColumnFamily() {
  for (Slot& slot : slots_) delete slot.pinned.load(std::memory_order_acquire);
}

std::shared_ptr<const SuperVersion> ColumnFamily::PinSuperVersion() const {
  MutexLock lock(&install_mutex_);
  return super_version_;
}

// The number tells whether what the slot holds is current: a reader may put
// back a pin that it took before an Install().
std::unique_ptr<ColumnFamily::Pinned> ColumnFamily::Take() const {
  Slot& slot = slots_[ThreadOrdinal() % kSlots];
  std::unique_ptr<Pinned> pinned(
      slot.pinned.exchange(nullptr, std::memory_order_acq_rel));
  uint64_t number = super_version_number_.load(std::memory_order_acquire);
  if (pinned != nullptr && pinned->number == number) return pinned;
  auto fresh = std::make_unique<Pinned>();
  MutexLock lock(&install_mutex_);
  fresh->number = super_version_number_.load(std::memory_order_relaxed);
  // A control block of the slot's own: counting references to it does not
  // touch the one that all share.
  auto* holder = new std::shared_ptr<const SuperVersion>(super_version_);
  fresh->super_version = std::shared_ptr<const SuperVersion>(
      holder->get(), [holder](const SuperVersion*) { delete holder; });
  return fresh;
}

// Another thread of the same slot may have put back its own meanwhile. An
// Install() may have cleared the slot between the look at the number and the
// exchange; a pin that is left there then would keep what is obsolete until the
// slot is used again.
void ColumnFamily::PutBack(std::unique_ptr<Pinned> pinned) const {
  const uint64_t number = pinned->number;
  if (number != super_version_number_.load(std::memory_order_acquire)) return;
  Slot& slot = slots_[ThreadOrdinal() % kSlots];
  Pinned* expected = nullptr;
  if (!slot.pinned.compare_exchange_strong(expected, pinned.get(),
                                           std::memory_order_seq_cst)) {
    return;
  }
  static_cast<void>(pinned.release());
  if (number == super_version_number_.load(std::memory_order_seq_cst)) return;
  // Whatever is there now: the next read makes itself a new one.
  pinned.reset(slot.pinned.exchange(nullptr, std::memory_order_acq_rel));
}

void ColumnFamily::InstallLocked(SuperVersion super_version,
                                 Replaced* replaced) {
  replaced->super_version = std::exchange(
      super_version_,
      std::make_shared<const SuperVersion>(std::move(super_version)));
  super_version_number_.fetch_add(1, std::memory_order_seq_cst);
  // What the slots hold is released now, not when they are used next.
  for (size_t i = 0; i < kSlots; ++i) {
    replaced->pinned[i].reset(
        slots_[i].pinned.exchange(nullptr, std::memory_order_seq_cst));
  }
}

void ColumnFamily::MarkDropped() {
  is_dropped_.store(true, std::memory_order_release);
  MutexLock lock(&install_mutex_);
  for (int level = 0; level < kLevels; ++level) {
    for (const auto& file : super_version_->version->files(level)) {
      file->MarkObsolete();
    }
  }
}

std::shared_ptr<MemTable> ColumnFamily::NewMemTable() const {
  return std::make_shared<MemTable>(options_.comparator, arena_blocks_);
}

void ColumnFamily::SealMemTable(uint64_t first_wal) {
  std::shared_ptr<MemTable> fresh = NewMemTable();
  fresh->set_first_wal(first_wal);
  Replaced replaced;
  MutexLock lock(&install_mutex_);
  SuperVersion next = *super_version_;
  next.sealed_memtables.insert(next.sealed_memtables.begin(),
                               mutable_memtable_);
  mutable_memtable_ = std::move(fresh);
  next.mutable_memtable = mutable_memtable_;
  InstallLocked(std::move(next), &replaced);
}

void ColumnFamily::ReplaceMutableMemTable(std::shared_ptr<MemTable> memtable) {
  Replaced replaced;
  MutexLock lock(&install_mutex_);
  SuperVersion next = *super_version_;
  // Not the last one to hold it: *super_version_ has it, too.
  mutable_memtable_ = std::move(memtable);
  next.mutable_memtable = mutable_memtable_;
  InstallLocked(std::move(next), &replaced);
}

StatusOr<std::shared_ptr<const Version>> ColumnFamily::MakeVersion(
    const ManifestState::Family& state) const {
  return Version::Make(state, *PinSuperVersion()->version);
}

void ColumnFamily::Install(
    std::shared_ptr<const Version> version,
    const std::vector<std::shared_ptr<MemTable>>& flushed) {
  // What takes long is done without the mutex: a writer that seals a memtable
  // waits for it, and its owner may have no processor for a while.
  std::set<uint64_t> live;
  for (int level = 0; level < kLevels; ++level) {
    for (const auto& file : version->files(level)) live.insert(file->number());
  }
  std::shared_ptr<const SuperVersion> previous;
  {
    Replaced replaced;
    MutexLock lock(&install_mutex_);
    previous = super_version_;
    SuperVersion next = *previous;
    next.version = std::move(version);
    std::erase_if(flushed_, [](const auto& old) { return old.expired(); });
    for (const auto& memtable : flushed) {
      size_t erased = std::erase(next.sealed_memtables, memtable);
      PL_CHECK(erased == 1);
      flushed_.push_back(memtable);
    }
    InstallLocked(std::move(next), &replaced);
  }
  // They stay until nobody has the previous one any more.
  for (int level = 0; level < kLevels; ++level) {
    for (const auto& file : previous->version->files(level)) {
      if (!live.contains(file->number())) file->MarkObsolete();
    }
  }
}

uint64_t ColumnFamily::OldestNeededWal() const {
  MutexLock lock(&install_mutex_);
  const auto& sealed = super_version_->sealed_memtables;
  return sealed.empty() ? super_version_->mutable_memtable->first_wal()
                        : sealed.back()->first_wal();
}

uint64_t ColumnFamily::FlushedMemTableBytes() const {
  // Let go of behind the lock: these may be the last references.
  std::vector<std::shared_ptr<const MemTable>> held;
  uint64_t bytes = 0;
  MutexLock lock(&install_mutex_);
  for (const auto& memtable : flushed_) {
    held.push_back(memtable.lock());
    if (held.back() != nullptr) bytes += held.back()->MemoryUsage();
  }
  return bytes;
}

std::shared_ptr<const ColumnFamilySet::Families> ColumnFamilySet::Current()
    const {
  MutexLock lock(&mutex_);
  return families_;
}

// The list before is let go of behind the mutex: it may be the last to hold a
// family.
void ColumnFamilySet::Add(std::shared_ptr<ColumnFamily> family) noexcept {
  std::shared_ptr<const Families> before;
  MutexLock lock(&mutex_);
  Families next = *families_;
  auto behind = std::ranges::upper_bound(next, family->id(), {}, IdOf);
  next.insert(behind, std::move(family));
  before = std::exchange(families_,
                         std::make_shared<const Families>(std::move(next)));
}

void ColumnFamilySet::Remove(uint32_t id) noexcept {
  std::shared_ptr<const Families> before;
  MutexLock lock(&mutex_);
  Families next = *families_;
  std::erase_if(next, [id](const auto& family) { return family->id() == id; });
  before = std::exchange(families_,
                         std::make_shared<const Families>(std::move(next)));
}

std::shared_ptr<ColumnFamily> ColumnFamilySet::Find(uint32_t id) const {
  std::shared_ptr<const Families> families = Current();
  auto found = std::ranges::lower_bound(*families, id, {}, IdOf);
  return found == families->end() || (*found)->id() != id ? nullptr : *found;
}

ColumnFamilySet::Families ColumnFamilySet::All() const { return *Current(); }

}  // namespace paceline
