#include "test/support/sim/tree_run.h"

#include <algorithm>
#include <memory>
#include <numeric>
#include <set>
#include <utility>

#include "src/base/arena.h"
#include "src/base/coding.h"
#include "src/base/sync.h"
#include "src/memtable/entry_tree.h"
#include "test/support/awkward_keys.h"

namespace paceline::sim {

namespace {

using Move = TreeScenario::Move;

const char* NameOf(Move::Kind kind) {
  switch (kind) {
    case Move::Kind::kFirst:
      return "first";
    case Move::Kind::kLast:
      return "last";
    case Move::Kind::kSeek:
      return "seek";
    case Move::Kind::kSeekForPrev:
      return "seek-for-prev";
    case Move::Kind::kNext:
      return "next";
    case Move::Kind::kPrev:
      return "prev";
  }
  return "?";
}

// What is known of one entry.
struct Known {
  bool is_inserted = false;
  std::vector<Moment> begun_at;  // Every insert of it.
  Moment inserted_at;            // The first one that returned.
  int successes = 0;
};

class TreeRun {
 public:
  TreeRun(const TreeScenario& scenario, bool has_weak_memory)
      : scenario_(scenario),
        has_weak_memory_(has_weak_memory),
        comparator_(scenario.comparator),
        known_(scenario.entries.size()) {}

  void Body();

 private:
  struct Reader {
    EntryTree::Cursor cursor;
    size_t rank = 0;  // If the cursor is valid.
  };

  [[nodiscard]] size_t count() const { return scenario_.entries.size(); }

  void Insert(size_t rank);
  void MakeMoves(const std::vector<Move>& moves);
  void MakeMove(Reader* reader, Move move);
  void CheckUp(Reader* reader, const Move& move, size_t begin);
  void CheckDown(Reader* reader, const Move& move, size_t end);
  void CheckEnd();

  [[nodiscard]] bool IsThere(size_t rank) const;
  size_t RankAt(const EntryTree::Cursor& cursor) const;
  [[noreturn]] void FailMove(const Reader& reader, const Move& move,
                             size_t found, size_t limit) const;
  [[nodiscard]] std::string Name(size_t rank) const {
    return rank < count() ? std::to_string(rank) : "the end";
  }

  const TreeScenario& scenario_;
  const bool has_weak_memory_;
  const InternalKeyComparator comparator_;
  std::vector<Known> known_;

  // Made in the run, so that every run is alike.
  std::unique_ptr<Arena> arena_;
  std::unique_ptr<EntryTree> tree_;
  // Tells readers what was inserted, as the visible sequence does.
  std::unique_ptr<Atomic<uint64_t>> published_;
};

void TreeRun::Body() {
  arena_ = std::make_unique<Arena>();
  tree_ = std::make_unique<EntryTree>(&comparator_, arena_.get());
  published_ = std::make_unique<Atomic<uint64_t>>(0);
  {
    Still still;
    for (size_t rank : scenario_.before) Insert(rank);
  }
  std::vector<Thread> threads;
  for (const auto& ranks : scenario_.writers) {
    threads.emplace_back([this, &ranks] {
      for (size_t rank : ranks) Insert(rank);
    });
  }
  for (const auto& moves : scenario_.readers) {
    threads.emplace_back([this, &moves] { MakeMoves(moves); });
  }
  for (Thread& thread : threads) thread.join();
  CheckEnd();
  tree_.reset();
  arena_.reset();
  published_.reset();
}

void TreeRun::Insert(size_t rank) {
  const TreeScenario::Entry& entry = scenario_.entries[rank];
  Known& known = known_[rank];
  char value[sizeof(uint64_t)];
  EncodeFixed<uint64_t>(value, rank);
  {
    Unseen unseen;
    known.begun_at.push_back(Now());
  }
  const bool is_new =
      tree_->Insert(entry.user_key, entry.tag, {value, sizeof(value)});
  {
    Unseen unseen;
    known.successes += is_new ? 1 : 0;
    // Who is refused may say that the entry is there, too.
    if (!std::exchange(known.is_inserted, true)) known.inserted_at = Now();
  }
  if (has_weak_memory_) published_->fetch_add(1, std::memory_order_release);
}

// --- The rules ---------------------------------------------------------------

// That somebody has seen an entry is not enough: while it is being inserted, a
// search with an older count finds it, and one with the new count does not.
bool TreeRun::IsThere(size_t rank) const {
  const Known& known = known_[rank];
  return known.is_inserted &&
         (!has_weak_memory_ || HappenedBefore(known.inserted_at));
}

size_t TreeRun::RankAt(const EntryTree::Cursor& cursor) const {
  if (!cursor.Valid()) return count();
  const EntryTree::Entry& entry = cursor.entry();
  if (entry.value_bytes != sizeof(uint64_t)) Fail("an entry is not complete");
  const size_t rank = DecodeFixed64(entry.value().data());
  if (rank >= count() || entry.tag() != scenario_.entries[rank].tag ||
      entry.user_key() != Slice(scenario_.entries[rank].user_key)) {
    Fail("an entry is not what was inserted");
  }
  const std::vector<Moment>& begun_at = known_[rank].begun_at;
  if (std::none_of(begun_at.begin(), begun_at.end(), HappenedBefore)) {
    Fail("who sees entry " + Name(rank) + " need not see its bytes");
  }
  return rank;
}

void TreeRun::FailMove(const Reader& reader, const Move& move, size_t found,
                       size_t limit) const {
  std::string text = NameOf(move.kind);
  if (move.kind == Move::Kind::kSeek || move.kind == Move::Kind::kSeekForPrev) {
    text += " to " + Name(move.rank);
  } else {
    text += " from " + Name(reader.rank);
  }
  Fail(text + " finds " + Name(found) + "; there is " + Name(limit));
}

// The move was to the first entry from `begin` on.
void TreeRun::CheckUp(Reader* reader, const Move& move, size_t begin) {
  size_t limit = begin;
  {
    Unseen unseen;
    while (limit < count() && !IsThere(limit)) ++limit;
  }
  switch (move.kind) {
    case Move::Kind::kFirst:
      reader->cursor.SeekToFirst();
      break;
    case Move::Kind::kSeek:
      reader->cursor.Seek(scenario_.entries[move.rank].user_key,
                          scenario_.entries[move.rank].tag);
      break;
    default:
      reader->cursor.Next();
  }
  Unseen unseen;
  const size_t found = RankAt(reader->cursor);
  if (found < begin || found > limit) FailMove(*reader, move, found, limit);
}

// The move was to the last entry before `end`.
void TreeRun::CheckDown(Reader* reader, const Move& move, size_t end) {
  size_t limit = end;
  {
    Unseen unseen;
    while (limit > 0 && !IsThere(limit - 1)) --limit;
  }
  switch (move.kind) {
    case Move::Kind::kLast:
      reader->cursor.SeekToLast();
      break;
    case Move::Kind::kSeekForPrev:
      reader->cursor.SeekForPrev(scenario_.entries[move.rank].user_key,
                                 scenario_.entries[move.rank].tag);
      break;
    default:
      reader->cursor.Prev();
  }
  Unseen unseen;
  const size_t found = RankAt(reader->cursor);
  const size_t found_end = found == count() ? 0 : found + 1;
  if (found_end < limit || found_end > end) {
    FailMove(*reader, move, found, limit == 0 ? count() : limit - 1);
  }
}

void TreeRun::MakeMove(Reader* reader, Move move) {
  const bool is_valid = reader->cursor.Valid();
  if (move.kind == Move::Kind::kNext && !is_valid) {
    move.kind = Move::Kind::kFirst;
  } else if (move.kind == Move::Kind::kPrev && !is_valid) {
    move.kind = Move::Kind::kLast;
  }
  switch (move.kind) {
    case Move::Kind::kFirst:
      CheckUp(reader, move, 0);
      break;
    case Move::Kind::kLast:
      CheckDown(reader, move, count());
      break;
    case Move::Kind::kSeek:
      CheckUp(reader, move, move.rank);
      break;
    case Move::Kind::kSeekForPrev:
      CheckDown(reader, move, move.rank + 1);
      break;
    case Move::Kind::kNext:
      CheckUp(reader, move, reader->rank + 1);
      break;
    case Move::Kind::kPrev:
      CheckDown(reader, move, reader->rank);
      break;
  }
  if (!reader->cursor.Valid()) return;
  Unseen unseen;
  reader->rank = RankAt(reader->cursor);
}

void TreeRun::MakeMoves(const std::vector<Move>& moves) {
  Reader reader{EntryTree::Cursor(tree_.get())};
  for (const Move& move : moves) {
    if (has_weak_memory_) {
      static_cast<void>(published_->load(std::memory_order_acquire));
    }
    MakeMove(&reader, move);
  }
}

void TreeRun::CheckEnd() {
  Unseen unseen;
  Still still;
  std::vector<size_t> up;
  std::vector<size_t> down;
  EntryTree::Cursor cursor(tree_.get());
  for (cursor.SeekToFirst(); cursor.Valid() && up.size() <= count();
       cursor.Next()) {
    up.push_back(RankAt(cursor));
  }
  for (cursor.SeekToLast(); cursor.Valid() && down.size() <= count();
       cursor.Prev()) {
    down.push_back(RankAt(cursor));
  }
  std::vector<size_t> expected;
  for (size_t rank = 0; rank < count(); ++rank) {
    if (known_[rank].begun_at.empty()) continue;
    expected.push_back(rank);
    if (known_[rank].successes != 1) {
      Fail("entry " + Name(rank) + " was inserted " +
           std::to_string(known_[rank].successes) + " times");
    }
    cursor.Seek(scenario_.entries[rank].user_key, scenario_.entries[rank].tag);
    if (RankAt(cursor) != rank) Fail("entry " + Name(rank) + " is lost");
  }
  if (up != expected) Fail("a walk up does not find what is there");
  std::reverse(down.begin(), down.end());
  if (down != expected) Fail("a walk down does not find what is there");
}

// A number of ranks below `count`, ascending, descending or in any order.
std::vector<size_t> PickRanks(TestRandom* random, size_t count, size_t size) {
  std::vector<size_t> ranks(count);
  std::iota(ranks.begin(), ranks.end(), size_t{0});
  for (size_t i = count; i > 1; --i) {
    std::swap(ranks[i - 1], ranks[random->Below(i)]);
  }
  ranks.resize(std::min(size, count));
  switch (random->Below(3)) {
    case 0:
      std::sort(ranks.begin(), ranks.end());
      break;
    case 1:
      std::sort(ranks.rbegin(), ranks.rend());
      break;
    default:
      break;
  }
  return ranks;
}

std::vector<Move> PickMoves(TestRandom* random, size_t count) {
  std::vector<Move> moves;
  bool goes_up = random->OneIn(2);
  for (size_t n = 3 + random->Below(8); n > 0; --n) {
    Move move{goes_up ? Move::Kind::kNext : Move::Kind::kPrev, 0};
    if (moves.empty() || random->OneIn(6)) {
      move.kind = static_cast<Move::Kind>(random->Below(4));
      move.rank = random->Below(count);
      goes_up = random->OneIn(2);
    } else if (random->OneIn(6)) {
      goes_up = !goes_up;
    }
    moves.push_back(move);
  }
  return moves;
}

}  // namespace

void SortEntries(TreeScenario* scenario) {
  std::sort(scenario->entries.begin(), scenario->entries.end(),
            [scenario](const auto& a, const auto& b) {
              int order = scenario->comparator->Compare(a.user_key, b.user_key);
              return order != 0 ? order < 0 : a.tag > b.tag;
            });
}

std::string TreeScenario::Text() const {
  std::string text = std::string("order: ") + comparator->Name() + "\nentries:";
  for (const Entry& entry : entries) {
    text += ' ' + Slice(entry.user_key).ToString(/*hex=*/true) + '@' +
            std::to_string(TagSequence(entry.tag));
  }
  auto add = [&text](const char* name, const std::vector<size_t>& ranks) {
    text += std::string("\n") + name + ':';
    for (size_t rank : ranks) text += ' ' + std::to_string(rank);
  };
  add("before", before);
  for (const auto& ranks : writers) add("writer", ranks);
  for (const auto& moves : readers) {
    text += "\nreader:";
    for (const Move& move : moves) {
      text += std::string(" ") + NameOf(move.kind);
      if (move.kind == Move::Kind::kSeek ||
          move.kind == Move::Kind::kSeekForPrev) {
        text += '(' + std::to_string(move.rank) + ')';
      }
    }
  }
  return text + '\n';
}

TreeScenario RandomTreeScenario(uint64_t seed) {
  TestRandom random(seed);
  TreeScenario scenario;
  const Comparator* orders[] = {
      BytewiseComparator(), ReverseBytewiseComparator(), TheLengthComparator()};
  scenario.comparator = orders[random.Below(std::size(orders))];
  std::set<std::pair<std::string, uint64_t>> entries;
  const size_t size = 4 + random.Below(24);
  std::string key;
  while (entries.size() < size) {
    // Now and then another version of the same key.
    if (!random.OneIn(4)) key = RandomKey(&random);
    entries.emplace(key, PackTag(random.Below(50), ValueType::kValue));
  }
  for (const auto& [user_key, tag] : entries) {
    scenario.entries.push_back({user_key, tag});
  }
  SortEntries(&scenario);
  std::vector<size_t> ranks = PickRanks(&random, size, size);
  const size_t before = random.Below(size);
  scenario.before.assign(ranks.begin(),
                         ranks.begin() + static_cast<ptrdiff_t>(before));
  scenario.writers.resize(1 + random.Below(3));
  for (size_t i = before; i < size; ++i) {
    auto& writer = scenario.writers[random.Below(scenario.writers.size())];
    if (writer.size() < 6) writer.push_back(ranks[i]);
  }
  if (random.OneIn(3)) {
    scenario.writers.back().push_back(random.Below(size));
  }
  scenario.readers.resize(random.Below(3));
  for (auto& moves : scenario.readers) moves = PickMoves(&random, size);
  return scenario;
}

Outcome RunTree(const TreeScenario& scenario, Config config,
                Strategy* strategy) {
  TreeRun run(scenario, config.weak_memory);
  return Simulate(config, strategy, [&run] { run.Body(); });
}

}  // namespace paceline::sim
