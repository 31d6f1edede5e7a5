#include "test/support/history.h"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <unordered_set>
#include <utility>

namespace paceline {

namespace {

std::string Name(uint64_t batch) { return "batch " + std::to_string(batch); }

std::string Text(const HistoryRead& read) {
  std::string text = std::string(read.call) + " [" +
                     std::to_string(read.invoked) + ", " +
                     std::to_string(read.returned) + "]";
  if (read.sequence.has_value()) {
    text += " at sequence " + std::to_string(*read.sequence);
  }
  for (const Sighting& sighting : read.sightings) {
    text += ", key " + std::to_string(sighting.key) + " = ";
    text += sighting.batch == 0 ? "nothing"
                                : Name(sighting.batch) + " entry " +
                                      std::to_string(sighting.entry);
  }
  return text;
}

std::string Text(const HistoryBatch& batch) {
  return Name(batch.id) + " [" + std::to_string(batch.invoked) + ", " +
         std::to_string(batch.returned) + "]";
}

}  // namespace

History::History(std::vector<HistoryPart> parts, std::vector<LoggedBatch> log,
                 SequenceNumber first_sequence)
    : parts_(std::move(parts)),
      log_(std::move(log)),
      first_sequence_(first_sequence) {
  for (const HistoryPart& part : parts_) {
    for (const HistoryBatch& batch : part.batches) {
      batches_[batch.id] = &batch;
    }
  }
}

std::string History::Check() {
  std::string wrong = OrderBatches();
  if (wrong.empty()) wrong = CheckAllLogged();
  if (!wrong.empty()) return wrong;
  CollectChanges();
  CollectTimes();
  wrong = FindCandidates();
  not_before_.assign(commits_.size() + 1, 0);
  if (wrong.empty()) wrong = Sweep();
  // A read that may have been at several places was at the last one that its
  // return permits. When later ones turn out to be too late, an earlier one
  // moves the batches behind it, and so on: only ever to later moments.
  bool has_changed = true;
  while (wrong.empty() && has_changed) {
    wrong = PlaceReads(&has_changed);
    if (wrong.empty() && has_changed) wrong = Sweep();
  }
  return wrong;
}

// --- The order of the batches ------------------------------------------------

// A batch that failed may have taken numbers and be in a WAL or not; all
// others follow each other without gaps.
std::string History::OrderBatches() {
  using Outcome = HistoryBatch::Outcome;
  SequenceNumber next = first_sequence_;
  for (const auto& [id, batch] : batches_) {
    has_failures_ |= batch->outcome == Outcome::kUnknown;
  }
  std::unordered_set<uint64_t> seen;
  for (const LoggedBatch& logged : log_) {
    const std::string name = Name(logged.id);
    const auto found = batches_.find(logged.id);
    if (found == batches_.end()) return name + " was logged, but not written";
    const HistoryBatch& batch = *found->second;
    if (batch.outcome == Outcome::kRefused) {
      return name + " was refused, but logged";
    }
    if (!seen.insert(logged.id).second) return name + " was logged twice";
    const bool is_next = has_failures_ ? logged.first_sequence >= next
                                       : logged.first_sequence == next;
    if (!is_next) {
      return name + " is logged with sequence " +
             std::to_string(logged.first_sequence) + " instead of " +
             std::to_string(next);
    }
    if (logged.entries != batch.entries.size()) {
      return name + " is logged with " + std::to_string(logged.entries) +
             " entries";
    }
    next = logged.first_sequence + logged.entries;
    if (batch.outcome == Outcome::kOk) {
      commits_.push_back({&batch, logged.first_sequence, next - 1});
    }
  }
  return "";
}

std::string History::CheckAllLogged() const {
  size_t acknowledged = 0;
  for (const auto& [id, batch] : batches_) {
    acknowledged += batch->outcome == HistoryBatch::Outcome::kOk ? 1 : 0;
  }
  if (acknowledged == commits_.size()) return "";
  return std::to_string(acknowledged) + " batches were acknowledged, and " +
         std::to_string(commits_.size()) + " of them logged";
}

void History::CollectChanges() {
  auto change = [this](HistoryKey key, const Change& to) {
    if (changes_.size() <= key) changes_.resize(key + 1);
    std::vector<Change>& changes = changes_[key];
    // Of several entries of a batch, the last one counts.
    if (!changes.empty() && changes.back().position == to.position) {
      changes.pop_back();
    }
    changes.push_back(to);
  };
  for (size_t i = 0; i < commits_.size(); ++i) {
    const HistoryBatch& batch = *commits_[i].batch;
    const auto position = static_cast<Position>(i + 1);
    for (size_t entry = 0; entry < batch.entries.size(); ++entry) {
      const HistoryEntry& what = batch.entries[entry];
      if (what.kind == HistoryEntry::Kind::kPut) {
        change(what.key, {position, batch.id, static_cast<uint32_t>(entry)});
        continue;
      }
      const bool is_range = what.kind == HistoryEntry::Kind::kDeleteRange;
      const HistoryKey end = is_range ? what.end : what.key + 1;
      for (HistoryKey key = what.key; key < end; ++key) {
        change(key, {.position = position});
      }
    }
  }
}

void History::CollectTimes() {
  for (size_t i = 0; i < commits_.size(); ++i) {
    const auto position = static_cast<Position>(i + 1);
    returns_.emplace_back(commits_[i].batch->returned, position);
    invocations_.emplace_back(commits_[i].batch->invoked, position);
  }
  std::sort(returns_.begin(), returns_.end());
  Position last = 0;
  for (auto& [time, position] : returns_) {
    position = last = std::max(last, position);
  }
  std::sort(invocations_.begin(), invocations_.end());
  auto first = static_cast<Position>(commits_.size() + 1);
  for (size_t i = invocations_.size(); i > 0; --i) {
    auto& position = invocations_[i - 1].second;
    position = first = std::min(first, position);
  }
}

// --- Where a read may have taken place ---------------------------------------

// What had returned before a read was invoked is part of what it sees.
History::Position History::FirstAfter(uint64_t invoked) const {
  const auto behind = std::lower_bound(returns_.begin(), returns_.end(),
                                       std::pair(invoked, Position{0}));
  return behind == returns_.begin() ? 0 : std::prev(behind)->second;
}

// What was invoked after it had returned is not.
History::Position History::LastBefore(uint64_t returned) const {
  const auto behind = std::upper_bound(invocations_.begin(), invocations_.end(),
                                       std::pair(returned, UINT32_MAX));
  if (behind == invocations_.end()) {
    return static_cast<Position>(commits_.size());
  }
  return behind->second - 1;
}

std::string History::WindowOf(const HistoryRead& read, Interval* window) const {
  *window = {FirstAfter(read.invoked), LastBefore(read.returned) + 1};
  if (!read.sequence.has_value()) return "";
  // The first commit that is not part of it.
  const auto next = std::upper_bound(
      commits_.begin(), commits_.end(), *read.sequence,
      [](SequenceNumber a, const Commit& b) { return a < b.last_sequence; });
  const auto at = static_cast<Position>(next - commits_.begin());
  const bool is_boundary =
      next == commits_.end() || *read.sequence < next->first_sequence;
  const SequenceNumber last =
      at == 0 ? first_sequence_ - 1 : commits_[at - 1].last_sequence;
  // A number of a batch that failed may have become visible without it.
  if (!is_boundary || (*read.sequence != last && !has_failures_)) {
    return "no batch ends there: " + Text(read);
  }
  if (at < window->begin) return "lacks what was acknowledged: " + Text(read);
  if (at >= window->end) return "knows what comes later: " + Text(read);
  *window = {at, at + 1};
  return "";
}

const std::vector<History::Change>& History::ChangesOf(HistoryKey key) const {
  static const std::vector<Change> none;
  return key < changes_.size() ? changes_[key] : none;
}

std::string History::FindCandidates() {
  for (const HistoryPart& part : parts_) {
    for (const HistoryRead& read : part.reads) {
      Interval window;
      std::string wrong = WindowOf(read, &window);
      if (!wrong.empty()) return wrong;
      std::vector<Interval> candidates = {window};
      wrong = Narrow(read, window, &candidates);
      if (!wrong.empty()) return wrong;
      placements_.push_back({&read, std::move(candidates)});
    }
  }
  return "";
}

std::string History::Narrow(const HistoryRead& read, Interval window,
                            std::vector<Interval>* candidates) const {
  for (const Sighting& sighting : read.sightings) {
    if (sighting.batch == 0) {
      NarrowByAbsence(sighting, window, candidates);
    } else {
      std::string wrong = NarrowByValue(read, sighting, candidates);
      if (!wrong.empty()) return wrong;
    }
    if (!candidates->empty()) continue;
    return "key " + std::to_string(sighting.key) +
           " was never so when the others were: " + Text(read);
  }
  return "";
}

namespace {

// What is in an interval of both.
template <typename Interval>
std::vector<Interval> Intersection(const std::vector<Interval>& a,
                                   const std::vector<Interval>& b) {
  std::vector<Interval> both;
  for (size_t i = 0, j = 0; i < a.size() && j < b.size();) {
    const Interval common = {std::max(a[i].begin, b[j].begin),
                             std::min(a[i].end, b[j].end)};
    if (common.begin < common.end) both.push_back(common);
    a[i].end < b[j].end ? ++i : ++j;
  }
  return both;
}

}  // namespace

std::string History::NarrowByValue(const HistoryRead& read,
                                   const Sighting& sighting,
                                   std::vector<Interval>* candidates) const {
  const auto batch = batches_.find(sighting.batch);
  if (batch == batches_.end()) return "sees what nobody wrote: " + Text(read);
  if (batch->second->outcome != HistoryBatch::Outcome::kOk) {
    return "sees what was not acknowledged: " + Text(read);
  }
  const auto& changes = ChangesOf(sighting.key);
  // The candidates are few and near each other, so the change is in front of
  // the end of the last one.
  auto next = std::lower_bound(
      changes.begin(), changes.end(), candidates->back().end,
      [](const Change& change, Position end) { return change.position < end; });
  const Position begin = candidates->front().begin;
  auto end = static_cast<Position>(commits_.size() + 1);
  if (next != changes.end()) end = next->position;
  std::vector<Interval> seen;
  while (next != changes.begin() && end > begin) {
    --next;
    const bool is_it =
        next->batch == sighting.batch && next->entry == sighting.entry;
    if (is_it) seen = {{next->position, end}};
    end = next->position;
  }
  *candidates = Intersection(*candidates, seen);
  return "";
}

void History::NarrowByAbsence(const Sighting& sighting, Interval window,
                              std::vector<Interval>* candidates) const {
  const auto& changes = ChangesOf(sighting.key);
  auto change = std::lower_bound(
      changes.begin(), changes.end(), window.begin,
      [](const Change& a, Position begin) { return a.position <= begin; });
  std::vector<Interval> absent;
  Position begin = window.begin;
  bool is_absent = change == changes.begin() || std::prev(change)->batch == 0;
  for (; change != changes.end() && change->position < window.end; ++change) {
    if (is_absent) absent.push_back({begin, change->position});
    begin = change->position;
    is_absent = change->batch == 0;
  }
  if (is_absent) absent.push_back({begin, window.end});
  *candidates = Intersection(*candidates, absent);
}

// --- When everything took place ----------------------------------------------

std::string History::Sweep() {
  earliest_.assign(commits_.size() + 1, 0);
  for (size_t i = 0; i < commits_.size(); ++i) {
    const HistoryBatch& batch = *commits_[i].batch;
    earliest_[i + 1] =
        std::max({earliest_[i], batch.invoked, not_before_[i + 1]});
    if (earliest_[i + 1] > batch.returned) {
      return "was not there when it was acknowledged, or follows what was "
             "written later: " +
             Text(batch) + ", which cannot have been before " +
             std::to_string(earliest_[i + 1]);
    }
  }
  return "";
}

std::string History::PlaceReads(bool* has_changed) {
  *has_changed = false;
  for (Placement& placement : placements_) {
    const HistoryRead& read = *placement.read;
    auto& candidates = placement.candidates;
    while (!candidates.empty() &&
           earliest_[candidates.back().begin] > read.returned) {
      candidates.pop_back();
    }
    if (candidates.empty()) return "sees what was not yet: " + Text(read);
    const Position end = candidates.back().end;
    if (end >= not_before_.size() || not_before_[end] >= read.invoked) continue;
    // Only a change of earliest_ is news.
    *has_changed |= earliest_[end] < read.invoked;
    not_before_[end] = read.invoked;
  }
  return "";
}

}  // namespace paceline
