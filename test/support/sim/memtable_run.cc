#include "test/support/sim/memtable_run.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <utility>

#include "src/base/arena.h"
#include "src/base/sync.h"
#include "src/memtable/memtable.h"
#include "test/support/awkward_keys.h"
#include "test/support/seed.h"

namespace paceline::sim {

namespace {

using Entry = MemTableScenario::Entry;
using Read = MemTableScenario::Read;

struct Version {
  SequenceNumber sequence = 0;
  Entry entry;
};

std::string ValueOf(SequenceNumber sequence) {
  return "value " + std::to_string(sequence);
}

class MemTableRun {
 public:
  explicit MemTableRun(const MemTableScenario& scenario);
  void Body();

 private:
  void Add(const Version& version);
  void WriteBatches(size_t writer);
  void EndGroup(SequenceNumber last);
  void MakeReads(const std::vector<Read>& reads);
  void CheckVersions(const std::string& key, SequenceNumber snapshot);
  void CheckWalk(SequenceNumber snapshot, bool goes_up);
  void CheckCovering(const std::string& key, SequenceNumber snapshot);
  // What a read must find: the point entries up to `snapshot`, in order.
  [[nodiscard]] std::vector<const Version*> PointsUpTo(
      SequenceNumber snapshot) const;

  const MemTableScenario& scenario_;
  // By sequence number: the first is number 1.
  std::vector<Version> versions_;
  // The first version of each group's batches, and the end.
  std::vector<std::vector<size_t>> begins_;

  std::unique_ptr<MemTable> memtable_;
  struct Progress {
    Atomic<SequenceNumber> visible{0};
    Mutex mutex;
    CondVar group_ended;
    size_t group GUARDED_BY(mutex) = 0;
    size_t writers_done GUARDED_BY(mutex) = 0;
  };
  std::unique_ptr<Progress> progress_;
};

MemTableRun::MemTableRun(const MemTableScenario& scenario)
    : scenario_(scenario) {
  auto add = [this](const Entry& entry) {
    versions_.push_back({versions_.size() + 1, entry});
  };
  for (const Entry& entry : scenario.before) add(entry);
  for (const auto& group : scenario.groups) {
    begins_.emplace_back();
    for (const auto& batch : group) {
      begins_.back().push_back(versions_.size());
      for (const Entry& entry : batch) add(entry);
    }
    begins_.back().push_back(versions_.size());
  }
}

void MemTableRun::Add(const Version& version) {
  const bool is_range = version.entry.type == ValueType::kRangeDeletion;
  const std::string value =
      is_range ? version.entry.end : ValueOf(version.sequence);
  if (!memtable_->Add(version.sequence, version.entry.type, version.entry.key,
                      value)) {
    Fail("a new entry is said to be there already");
  }
}

void MemTableRun::Body() {
  memtable_ = std::make_unique<MemTable>(scenario_.comparator);
  progress_ = std::make_unique<Progress>();
  {
    Still still;
    for (size_t i = 0; i < scenario_.before.size(); ++i) Add(versions_[i]);
    progress_->visible.store(scenario_.before.size());
  }
  std::vector<Thread> threads;
  const size_t writers =
      scenario_.groups.empty() ? 0 : scenario_.groups.front().size();
  for (size_t writer = 0; writer < writers; ++writer) {
    threads.emplace_back([this, writer] { WriteBatches(writer); });
  }
  for (const auto& reads : scenario_.readers) {
    threads.emplace_back([this, &reads] { MakeReads(reads); });
  }
  for (Thread& thread : threads) thread.join();
  {
    Still still;
    CheckWalk(versions_.size(), true);
    CheckWalk(versions_.size(), false);
    if (memtable_->entries() != versions_.size()) {
      Fail("the entries are miscounted");
    }
  }
  memtable_.reset();
  progress_.reset();
}

void MemTableRun::WriteBatches(size_t writer) {
  for (const auto& begins : begins_) {
    for (size_t i = begins[writer]; i < begins[writer + 1]; ++i) {
      Add(versions_[i]);
    }
    EndGroup(begins.back());
  }
}

// As a WriteGroup: whoever is the last makes it visible.
void MemTableRun::EndGroup(SequenceNumber last) {
  MutexLock lock(&progress_->mutex);
  const size_t group = progress_->group;
  if (++progress_->writers_done == scenario_.groups.front().size()) {
    progress_->writers_done = 0;
    ++progress_->group;
    progress_->visible.store(last, std::memory_order_release);
    progress_->group_ended.NotifyAll();
  }
  while (progress_->group == group) {
    progress_->group_ended.Wait(&progress_->mutex);
  }
}

// --- Reads -------------------------------------------------------------------

void MemTableRun::MakeReads(const std::vector<Read>& reads) {
  for (const Read& read : reads) {
    const SequenceNumber snapshot =
        progress_->visible.load(std::memory_order_acquire);
    switch (read.kind) {
      case Read::Kind::kVersions:
        CheckVersions(read.key, snapshot);
        break;
      case Read::Kind::kWalk:
        CheckWalk(snapshot, true);
        break;
      case Read::Kind::kWalkBack:
        CheckWalk(snapshot, false);
        break;
      case Read::Kind::kCovering:
        CheckCovering(read.key, snapshot);
        break;
    }
  }
}

std::vector<const Version*> MemTableRun::PointsUpTo(
    SequenceNumber snapshot) const {
  std::vector<const Version*> points;
  for (const Version& version : versions_) {
    if (version.sequence <= snapshot &&
        version.entry.type != ValueType::kRangeDeletion) {
      points.push_back(&version);
    }
  }
  std::sort(
      points.begin(), points.end(), [this](const Version* a, const Version* b) {
        int order = scenario_.comparator->Compare(a->entry.key, b->entry.key);
        return order != 0 ? order < 0 : a->sequence > b->sequence;
      });
  return points;
}

void MemTableRun::CheckVersions(const std::string& key,
                                SequenceNumber snapshot) {
  std::vector<SequenceNumber> expected;
  for (const Version* version : PointsUpTo(snapshot)) {
    if (version->entry.key == key) expected.push_back(version->sequence);
  }
  std::vector<SequenceNumber> found;
  memtable_->VisitVersions(
      key, snapshot,
      [&](SequenceNumber sequence, ValueType type, const Slice& value) {
        const bool is_known = sequence >= 1 && sequence <= versions_.size();
        if (!is_known || type != versions_[sequence - 1].entry.type ||
            value != Slice(ValueOf(sequence))) {
          Fail("a version is not what was added");
        }
        found.push_back(sequence);
        return true;
      });
  if (found != expected) {
    Fail("at " + std::to_string(snapshot) + " a key has " +
         std::to_string(found.size()) + " versions, not " +
         std::to_string(expected.size()));
  }
}

void MemTableRun::CheckWalk(SequenceNumber snapshot, bool goes_up) {
  std::vector<SequenceNumber> expected;
  for (const Version* version : PointsUpTo(snapshot)) {
    expected.push_back(version->sequence);
  }
  std::vector<SequenceNumber> found;
  const std::unique_ptr<InternalIterator> iterator = memtable_->NewIterator();
  goes_up ? iterator->SeekToFirst() : iterator->SeekToLast();
  // What is not visible yet comes and goes between the entries that are.
  while (iterator->Valid()) {
    const SequenceNumber sequence = TagSequence(ExtractTag(iterator->key()));
    if (sequence <= snapshot) found.push_back(sequence);
    if (found.size() > expected.size()) break;
    goes_up ? iterator->Next() : iterator->Prev();
  }
  if (!goes_up) std::reverse(found.begin(), found.end());
  if (found != expected) {
    Fail(std::string("a walk ") + (goes_up ? "up" : "down") + " at " +
         std::to_string(snapshot) + " finds " + std::to_string(found.size()) +
         " entries, of " + std::to_string(expected.size()));
  }
}

void MemTableRun::CheckCovering(const std::string& key,
                                SequenceNumber snapshot) {
  SequenceNumber expected = 0;
  for (const Version& version : versions_) {
    const Entry& entry = version.entry;
    if (version.sequence <= snapshot &&
        entry.type == ValueType::kRangeDeletion &&
        scenario_.comparator->Compare(entry.key, key) <= 0 &&
        scenario_.comparator->Compare(key, entry.end) < 0) {
      expected = version.sequence;
    }
  }
  const SequenceNumber found =
      memtable_->range_tombstones().CoveringSequence(key, snapshot);
  if (found != expected) {
    Fail("at " + std::to_string(snapshot) + " a key is covered by " +
         std::to_string(found) + ", not " + std::to_string(expected));
  }
}

// --- Arena -------------------------------------------------------------------

class ArenaRun {
 public:
  explicit ArenaRun(const ArenaScenario& scenario) : scenario_(scenario) {}
  void Body();

 private:
  void Take(const std::vector<size_t>& sizes);
  void CheckPiece(char* piece, size_t size);
  void CheckUsage();

  const ArenaScenario& scenario_;
  std::unique_ptr<Arena> arena_;
  // By address: the ends.
  std::map<const char*, const char*> pieces_;
  // Release and acquire: who sees the number knows of the pieces.
  std::unique_ptr<Atomic<size_t>> taken_bytes_;
};

void ArenaRun::Body() {
  arena_ = std::make_unique<Arena>();
  taken_bytes_ = std::make_unique<Atomic<size_t>>(0);
  std::vector<Thread> threads;
  for (const auto& sizes : scenario_.threads) {
    threads.emplace_back([this, &sizes] { Take(sizes); });
  }
  threads.emplace_back([this] {
    for (int i = 0; i < 3; ++i) CheckUsage();
  });
  for (Thread& thread : threads) thread.join();
  CheckUsage();
  if (arena_->AllocatedBytes() > arena_->MemoryUsage()) {
    Fail("more is in use than there is");
  }
  arena_.reset();
  taken_bytes_.reset();
}

void ArenaRun::Take(const std::vector<size_t>& sizes) {
  for (size_t size : sizes) {
    char* piece = arena_->Allocate(size);
    CheckPiece(piece, size);
    taken_bytes_->fetch_add(size, std::memory_order_release);
  }
}

void ArenaRun::CheckPiece(char* piece, size_t size) {
  Unseen unseen;
  if (reinterpret_cast<uintptr_t>(piece) % 8 != 0) Fail("is not aligned");
  // Its memory is its own: the address sanitizer looks, too.
  std::memset(piece, 0xAB, size);
  auto next = pieces_.upper_bound(piece);
  const bool meets_next = next != pieces_.end() && next->first < piece + size;
  const bool meets_previous =
      next != pieces_.begin() && std::prev(next)->second > piece;
  if (meets_next || meets_previous) Fail("two pieces overlap");
  pieces_[piece] = piece + size;
}

// Never less than what was handed out before.
void ArenaRun::CheckUsage() {
  const size_t taken = taken_bytes_->load(std::memory_order_acquire);
  if (arena_->AllocatedBytes() < taken) {
    Fail("less is in use than was handed out");
  }
}

}  // namespace

std::string MemTableScenario::Text() const {
  auto hex = [](const std::string& key) {
    return Slice(key).ToString(/*hex=*/true);
  };
  auto text_of = [&hex](const std::vector<Entry>& entries) {
    std::string text;
    for (const Entry& entry : entries) {
      text += ' ' + std::to_string(static_cast<int>(entry.type)) + ':' +
              hex(entry.key);
      if (entry.type == ValueType::kRangeDeletion) text += '-' + hex(entry.end);
    }
    return text + '\n';
  };
  std::string text = std::string("order: ") + comparator->Name() + '\n';
  text += "before:" + text_of(before);
  for (const auto& group : groups) {
    text += "group:\n";
    for (const auto& batch : group) text += "  batch:" + text_of(batch);
  }
  for (const auto& reads : readers) {
    text += "reader:";
    for (const Read& read : reads) {
      text += ' ' + std::to_string(static_cast<int>(read.kind)) + ':' +
              hex(read.key);
    }
    text += '\n';
  }
  return text;
}

MemTableScenario RandomMemTableScenario(uint64_t seed) {
  TestRandom random(seed);
  MemTableScenario scenario;
  if (random.OneIn(3)) scenario.comparator = ReverseBytewiseComparator();
  std::vector<std::string> keys;
  for (size_t n = 2 + random.Below(8); n > 0; --n) {
    keys.push_back(RandomKey(&random));
  }
  auto key = [&] { return keys[random.Below(keys.size())]; };
  const bool has_ranges = random.OneIn(2);
  auto entry = [&] {
    Entry made{random.OneIn(4) ? ValueType::kDeletion : ValueType::kValue,
               key(), ""};
    if (!has_ranges || !random.OneIn(2)) return made;
    made.end = key();
    const int order = scenario.comparator->Compare(made.key, made.end);
    if (order == 0) return made;
    if (order > 0) std::swap(made.key, made.end);
    made.type = ValueType::kRangeDeletion;
    return made;
  };
  // Enough tombstones to be close to the end of a chunk of them.
  const size_t before = has_ranges ? 40 + random.Below(40) : random.Below(12);
  for (size_t i = 0; i < before; ++i) scenario.before.push_back(entry());
  const size_t writers = 1 + random.Below(2);
  for (size_t n = 1 + random.Below(4); n > 0; --n) {
    auto& group = scenario.groups.emplace_back(writers);
    for (auto& batch : group) {
      for (size_t i = random.Below(4); i > 0; --i) batch.push_back(entry());
    }
  }
  scenario.readers.resize(1 + random.Below(2));
  for (auto& reads : scenario.readers) {
    for (size_t n = 1 + random.Below(4); n > 0; --n) {
      reads.push_back({static_cast<Read::Kind>(random.Below(4)), key()});
    }
  }
  return scenario;
}

Outcome RunMemTable(const MemTableScenario& scenario, Config config,
                    Strategy* strategy) {
  MemTableRun run(scenario);
  return Simulate(config, strategy, [&run] { run.Body(); });
}

std::string ArenaScenario::Text() const {
  std::string text;
  for (const auto& sizes : threads) {
    text += "thread:";
    for (size_t size : sizes) text += ' ' + std::to_string(size);
    text += '\n';
  }
  return text;
}

ArenaScenario RandomArenaScenario(uint64_t seed) {
  TestRandom random(seed);
  ArenaScenario scenario;
  scenario.threads.resize(2 + random.Below(3));
  for (auto& sizes : scenario.threads) {
    for (size_t n = 1 + random.Below(5); n > 0; --n) {
      // Of the first block, of the second, or with memory of its own.
      const size_t limits[] = {16, 4096, 12'000, 40'000};
      size_t size = 1 + random.Below(limits[random.Below(std::size(limits))]);
      if (random.OneIn(20)) size += size_t{256} << 10;
      sizes.push_back(size);
    }
  }
  return scenario;
}

Outcome RunArena(const ArenaScenario& scenario, Config config,
                 Strategy* strategy) {
  ArenaRun run(scenario);
  return Simulate(config, strategy, [&run] { run.Body(); });
}

}  // namespace paceline::sim
