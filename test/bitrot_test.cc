// Damaged files. Databases of all shapes are held in memory; again and again
// one of their files is damaged, and the database is opened and read in full.
// It must hold the same data, or say that it is damaged; where a WAL is
// damaged, it may hold what there was at an earlier point. Never a wrong value,
// never a NotFound for what a damaged table held, never a crash.
//
// PACELINE_SEED repeats a run, PACELINE_RUNS sets how many damages;
// PACELINE_DAMAGE leaves only the one of that number, and PACELINE_EXHAUSTIVE=1
// takes every damage that there is instead of random ones.
//
// What no checksum covers, so that its damage cannot be noticed:
//   - the bytes behind the handles in a table's footer, and its version, as
//   long
//     as it is one that reads the same;
//   - the end of a log: where records are missing from, all looks as if they
//     had never been written. A WAL that ends earlier is an earlier point in
//     time, and so is a MANIFEST without its last edits, as long as the files
//     are there that it named then;
//   - the type of the first record of a WAL: some values say that the file was
//     used before and that nothing has been written to it since.

#include <signal.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "paceline/db.h"

#include "gtest/gtest.h"
#include "src/base/coding.h"
#include "src/format/batch_reader.h"
#include "src/table/table_format.h"
#include "src/wal/log_format.h"
#include "test/support/effort.h"
#include "test/support/rot_base.h"
#include "test/support/rot_damage.h"
#include "test/support/seed.h"
#include "test/support/test_directory.h"

namespace paceline {
namespace {

enum class Outcome { kSame, kRefused, kPrefix };

constexpr WALRecoveryMode kModes[] = {
    WALRecoveryMode::kPointInTimeRecovery,
    WALRecoveryMode::kTolerateCorruptedTailRecords,
    WALRecoveryMode::kAbsoluteConsistency,
    WALRecoveryMode::kSkipAnyCorruptedRecords,
};

// --- What a damage allows --------------------------------------------------

struct Allowed {
  // Earlier points in time, from so many commits on; nothing: none.
  std::optional<size_t> commits_min;
  // The same where any damage of a WAL must be refused.
  std::optional<size_t> commits_min_absolute;
  bool is_in_wal = false;
  bool is_in_manifest = false;
  // VerifyChecksum() must find it.
  bool is_verified = false;
};

// So many commits are found if the WAL ends at `offset`.
size_t CommitsInFrontOf(const RotHistory& history, const std::string& wal,
                        uint64_t offset, size_t commits) {
  for (const RotRecord& record : RecordsOf(wal)) {
    const BatchReader batch(record.payload);
    if (record.end <= offset || batch.count() == 0) continue;
    return std::min(commits, history.by_sequence.at(batch.sequence()) - 1);
  }
  return commits;
}

bool IsUnwritten(const std::string& bytes, uint64_t offset) {
  constexpr uint64_t kLengthOffset = 4;
  if (bytes.size() == offset) return true;
  if (bytes.size() < offset + log::kHeaderBytes) return false;
  const std::string header =
      bytes.substr(offset + kLengthOffset, log::kHeaderBytes - kLengthOffset);
  return header == std::string(header.size(), '\0');
}

// True if nothing in the WAL shows that records are missing.
bool HasInvisibleEnd(const std::string& before, const std::string& after) {
  const uint64_t offset = FirstDifference(before, after);
  if (IsUnwritten(after, 0)) return true;
  for (const RotRecord& record : RecordsOf(before)) {
    if (record.end <= offset && IsUnwritten(after, record.end)) return true;
  }
  constexpr uint64_t kTypeOffset = log::kHeaderBytes - 1;
  if (offset != kTypeOffset || after.size() <= kTypeOffset) return false;
  const auto type = static_cast<uint8_t>(after[kTypeOffset]);
  return type >= log::kRecyclableFull && type <= log::kRecyclableLast;
}

// Nothing reads it any more, so nothing of it can be seen.
bool IsInArchive(const std::string& path) {
  return path.find("/archive/") != std::string::npos;
}

// True if edits are missing at the end, and the others are what they were.
bool HasLostEdits(const std::string& before, const std::string& after) {
  const uint64_t offset = FirstDifference(before, after);
  const auto records = RecordsOf(before);
  return !records.empty() && records.front().end <= offset &&
         records.back().end > offset;
}

// The footer of the version that is written, which has no checksum.
bool IsUncheckedInFooter(const std::string& table, uint64_t offset) {
  constexpr uint64_t kHandlesOffset = 1;
  constexpr uint64_t kVersionOffset = 41;
  constexpr uint64_t kVersionEnd = kVersionOffset + 4;
  const uint64_t footer = table.size() - kFooterBytes;
  Slice handles(table.data() + footer + kHandlesOffset,
                kVersionOffset - kHandlesOffset);
  const size_t bytes = handles.size();
  BlockHandle handle;
  if (!GetBlockHandle(&handles, &handle) ||
      !GetBlockHandle(&handles, &handle)) {
    return false;
  }
  const uint64_t begin = footer + kHandlesOffset + bytes - handles.size();
  return offset >= begin && offset < footer + kVersionEnd;
}

Allowed AllowedBy(const RotHistory& history, const RotBase& base,
                  const RotDamage& damage) {
  static const std::string kGone;
  Allowed allowed;
  bool is_visible = false;
  size_t commits_min = base.commits;
  for (const auto& [path, bytes] : damage.files) {
    const std::string& before = *base.files.at(path);
    const std::string& after = bytes == nullptr ? kGone : *bytes;
    const uint64_t offset = FirstDifference(before, after);
    switch (TypeOf(path)) {
      case FileType::kWal:
        allowed.is_in_wal = true;
        is_visible |= !IsInArchive(path) && !HasInvisibleEnd(before, after);
        commits_min =
            std::min(commits_min,
                     CommitsInFrontOf(history, before, offset, base.commits));
        allowed.commits_min = commits_min;
        break;
      case FileType::kManifest:
        allowed.is_in_manifest = true;
        if (HasLostEdits(before, after)) {
          allowed.commits_min = 0;
          allowed.commits_min_absolute = 0;
        }
        break;
      case FileType::kTable:
        allowed.is_verified |=
            !damage.IsOfOneByte() || !IsUncheckedInFooter(before, offset);
        break;
      default:
        break;
    }
  }
  if (allowed.is_in_wal && !is_visible) {
    allowed.commits_min_absolute = allowed.commits_min;
  }
  return allowed;
}

// --- One open --------------------------------------------------------------

// What is done with one damaged database in one mode.
class DamagedOpen {
 public:
  DamagedOpen(const RotHistory* history, const RotBase* base,
              const Allowed& allowed, WALRecoveryMode mode,
              MemoryFileSystem* files)
      : history_(history),
        base_(base),
        allowed_(allowed),
        is_skipping_(mode == WALRecoveryMode::kSkipAnyCorruptedRecords &&
                     (allowed.is_in_wal || allowed.is_in_manifest)),
        is_absolute_(mode == WALRecoveryMode::kAbsoluteConsistency),
        options_(RotOptions(files)) {
    options_.wal_recovery_mode = mode;
    options_.create_if_missing = false;
    options_.create_missing_column_families = false;
  }

  // What is wrong; empty: nothing.
  std::string CheckReadOnly() {
    Status s = Open(/*is_read_only=*/true);
    if (!s.ok()) return Refuse();
    std::string wrong = CheckContents();
    if (wrong.empty()) wrong = CheckVerify();
    s = Close();
    if (!s.ok()) return "cannot close: " + s.ToString();
    return wrong;
  }

  // What was found is found again, with what is written then.
  std::string CheckWriting() {
    Status s = Open(/*is_read_only=*/false);
    if (!s.ok()) return Refuse();
    std::string wrong = CheckContents();
    const size_t found = commits_;
    s = db_->Put({}, kProbe, "value");
    if (!s.ok() && wrong.empty()) wrong = "cannot write: " + s.ToString();
    s = Close();
    if (!s.ok() && wrong.empty()) wrong = "cannot close: " + s.ToString();
    if (!wrong.empty()) return wrong;
    has_probe_ = true;
    const bool had_error = outcome_ == Outcome::kRefused;
    s = Open(/*is_read_only=*/true);
    if (!s.ok()) return "cannot open again: " + s.ToString();
    wrong = CheckContents();
    if (wrong.empty() && !had_error && commits_ != found) {
      wrong = "then " + std::to_string(commits_) + " commits, before that " +
              std::to_string(found);
    }
    s = Close();
    return wrong.empty() ? "" : "opened again: " + wrong;
  }

  [[nodiscard]] Outcome outcome() const { return outcome_; }

 private:
  static constexpr const char* kProbe = "zz-probe";

  std::string Refuse() {
    outcome_ = Outcome::kRefused;
    return "";
  }

  Status Open(bool is_read_only) {
    std::vector<ColumnFamilyDescriptor> families;
    for (const char* name : kRotFamilies) families.emplace_back(name, options_);
    return is_read_only
               ? DB::OpenForReadOnly(options_, kRotDirectory, families,
                                     &handles_, &db_)
               : DB::Open(options_, kRotDirectory, families, &handles_, &db_);
  }

  Status Close() {
    for (ColumnFamilyHandle* handle : handles_) delete handle;
    handles_.clear();
    Status s = db_->Close();
    db_.reset();
    return s;
  }

  // The state that was recovered, all of it.
  std::string CheckContents() {
    std::string wrong = FindPoint();
    for (ColumnFamilyHandle* handle : handles_) {
      if (wrong.empty()) wrong = CheckScan(handle, /*is_forward=*/true);
      if (wrong.empty()) wrong = CheckScan(handle, /*is_forward=*/false);
      if (wrong.empty()) wrong = CheckGets(handle);
    }
    return wrong;
  }

  std::string FindPoint() {
    std::string ledger;
    const Status s = db_->Get({}, handles_[0], kRotLedger, &ledger);
    commits_ = base_->commits;
    if (!s.ok() && !s.IsNotFound()) return Refuse();
    commits_ = std::strtoull(ledger.c_str(), nullptr, 10);
    if (commits_ == base_->commits) return "";
    if (outcome_ == Outcome::kSame) outcome_ = Outcome::kPrefix;
    if (is_skipping_) return "";
    const auto& commits_min =
        is_absolute_ ? allowed_.commits_min_absolute : allowed_.commits_min;
    if (commits_min && commits_ >= *commits_min && commits_ <= base_->commits) {
      return "";
    }
    return std::to_string(commits_) + " commits of " +
           std::to_string(base_->commits) + ", at least " +
           (commits_min ? std::to_string(*commits_min) : "all");
  }

  [[nodiscard]] const std::vector<std::pair<std::string, std::string>>&
  Expected(const std::string& family) const {
    return history_->states[commits_].at(family);
  }

  // Where damaged records are left out, each value is still one that the key
  // had.
  [[nodiscard]] bool MayHave(const std::string& family, const std::string& key,
                             const std::string& value) const {
    const auto& of_family = history_->values.at(family);
    const auto values = of_family.find(key);
    return values != of_family.end() && values->second.contains(value);
  }

  std::string CheckScan(ColumnFamilyHandle* handle, bool is_forward) {
    const std::string& family = handle->GetName();
    const auto& expected = Expected(family);
    const std::unique_ptr<Iterator> it(db_->NewIterator({}, handle));
    size_t count = 0;
    for (is_forward ? it->SeekToFirst() : it->SeekToLast(); it->Valid();
         is_forward ? it->Next() : it->Prev()) {
      if (has_probe_ && it->key() == Slice(kProbe)) continue;
      if (is_skipping_) {
        if (!MayHave(family, it->key().ToString(), it->value().ToString())) {
          return "a value that never was, of " + it->key().ToString();
        }
        continue;
      }
      if (count == expected.size()) {
        return "a key too many in " + family + ": " + it->key().ToString();
      }
      const auto& [key, value] =
          expected[is_forward ? count : expected.size() - 1 - count];
      if (it->key() != Slice(key)) {
        return "a scan of " + family + " finds " + it->key().ToString() +
               " instead of " + key;
      }
      if (it->value() != Slice(value)) {
        return "a scan of " + family + " finds a wrong value of " + key;
      }
      ++count;
    }
    if (!it->status().ok()) return Refuse();
    if (is_skipping_ || count == expected.size()) return "";
    return "a scan of " + family + " ends after " + std::to_string(count) +
           " of " + std::to_string(expected.size()) + " keys";
  }

  std::string CheckGets(ColumnFamilyHandle* handle) {
    const std::string& family = handle->GetName();
    const auto& expected = Expected(family);
    auto next = expected.begin();
    std::string value;
    for (const std::string& key : history_->keys.at(family)) {
      const bool is_there = next != expected.end() && next->first == key;
      const std::string* wanted = is_there ? &next++->second : nullptr;
      const Status s = db_->Get({}, handle, key, &value);
      if (!s.ok() && !s.IsNotFound()) {
        Refuse();
      } else if (is_skipping_) {
        if (s.ok() && !MayHave(family, key, value)) {
          return "Get finds a value that never was, of " + key;
        }
      } else if (s.ok() != is_there || (is_there && value != *wanted)) {
        return "Get of " + key + " in " + family +
               (is_there ? s.ok() ? " finds a wrong value" : " finds nothing"
                         : " finds what is not there");
      }
    }
    return "";
  }

  std::string CheckVerify() {
    const Status s = db_->VerifyChecksum({});
    if (!s.ok()) {
      const bool is_read_well = outcome_ != Outcome::kRefused;
      Refuse();
      return allowed_.is_verified || !is_read_well
                 ? ""
                 : "VerifyChecksum() finds fault with good tables: " +
                       s.ToString();
    }
    return allowed_.is_verified && outcome_ != Outcome::kPrefix
               ? "VerifyChecksum() does not find the damage"
               : "";
  }

  const RotHistory* const history_;
  const RotBase* const base_;
  const Allowed allowed_;
  const bool is_skipping_;
  const bool is_absolute_;
  Options options_;
  std::unique_ptr<DB> db_;
  std::vector<ColumnFamilyHandle*> handles_;
  size_t commits_ = 0;  // That were recovered.
  bool has_probe_ = false;
  Outcome outcome_ = Outcome::kSame;
};

// --- Many of them ----------------------------------------------------------

// The damages that are being looked at, for a message when the program dies.
constexpr size_t kThreads = 2;
std::array<std::atomic<uint64_t>, kThreads> current_damages;
uint64_t current_seed = 0;

extern "C" void OnCrash(int number) {
  char text[200];
  for (const auto& damage : current_damages) {
    const int bytes =
        std::snprintf(text, sizeof(text),
                      "crashed; repeat with PACELINE_SEED=%" PRIu64
                      " PACELINE_DAMAGE=%" PRIu64 "\n",
                      current_seed, damage.load(std::memory_order_relaxed));
    [[maybe_unused]] const ssize_t written =
        ::write(STDERR_FILENO, text, static_cast<size_t>(bytes));
  }
  ::signal(number, SIG_DFL);
  ::raise(number);
}

class BitrotRun {
 public:
  explicit BitrotRun(uint64_t seed)
      : seed_(seed),
        is_exhaustive_(std::getenv("PACELINE_EXHAUSTIVE") != nullptr),
        bases_(MakeRotBases(seed, &history_)) {
    for (const RotBase& base : bases_) enumerations_.emplace_back(&base);
    for (const RotEnumeration& all : enumerations_) all_ += all.size();
  }

  void Run() {
    current_seed = seed_;
    ::signal(SIGABRT, OnCrash);
    if (!kIsSanitized) ::signal(SIGSEGV, OnCrash);
    std::vector<std::thread> threads;
    for (size_t i = 0; i < kThreads; ++i) {
      threads.emplace_back([this, i] { RunThread(i); });
    }
    for (std::thread& thread : threads) thread.join();
    ::signal(SIGABRT, SIG_DFL);
    ::signal(SIGSEGV, SIG_DFL);
  }

  void Report() const {
    ReportCoverage(damages_, "damaged files");
    ReportCoverage(outcomes(Outcome::kSame), "opened with the same data");
    ReportCoverage(outcomes(Outcome::kRefused), "refused");
    ReportCoverage(outcomes(Outcome::kPrefix), "earlier points in time");
  }

  [[nodiscard]] const std::vector<RotBase>& bases() const { return bases_; }
  [[nodiscard]] const std::vector<std::string>& violations() const {
    return violations_;
  }
  [[nodiscard]] uint64_t outcomes(Outcome outcome) const {
    return outcomes_[static_cast<size_t>(outcome)];
  }

 private:
  static constexpr size_t kViolationsMax = 10;

  void RunThread(size_t thread) {
    const char* only = std::getenv("PACELINE_DAMAGE");
    if (only != nullptr) {
      if (thread == 0) RunOne(thread, std::strtoull(only, nullptr, 10));
      return;
    }
    while (true) {
      const uint64_t number = next_.fetch_add(1, std::memory_order_relaxed);
      const bool is_done =
          is_exhaustive_ ? number >= all_ : limit_.IsReached(number);
      if (is_done || has_enough_.load(std::memory_order_relaxed)) return;
      RunOne(thread, number);
    }
  }

  void RunOne(size_t thread, uint64_t number) {
    current_damages[thread].store(number, std::memory_order_relaxed);
    TestRandom random(seed_ + number);
    const RotBase* base = nullptr;
    const RotDamage damage = Choose(number, &random, &base);
    if (damage.files.empty()) return;
    Outcome outcome = Outcome::kSame;
    const std::string wrong = Check(*base, damage, &random, &outcome);
    const std::lock_guard lock(mutex_);
    ++damages_;
    ++outcomes_[static_cast<size_t>(outcome)];
    if (wrong.empty()) return;
    violations_.push_back(base->name + ", " + damage.ToString() + ": " + wrong +
                          "\n  PACELINE_SEED=" + std::to_string(seed_) +
                          " PACELINE_DAMAGE=" + std::to_string(number) +
                          (is_exhaustive_ ? " PACELINE_EXHAUSTIVE=1" : "") +
                          " bitrot_test\n");
    if (violations_.size() >= kViolationsMax) has_enough_.store(true);
  }

  RotDamage Choose(uint64_t number, TestRandom* random,
                   const RotBase** base) const {
    if (!is_exhaustive_) {
      *base = &bases_[random->Below(bases_.size())];
      return RandomDamage(**base, random);
    }
    size_t i = 0;
    while (number >= enumerations_[i].size())
      number -= enumerations_[i++].size();
    *base = &bases_[i];
    return enumerations_[i].At(number, random);
  }

  // In point-in-time recovery; where a WAL or the MANIFEST is damaged in the
  // other modes, too. Now and then it is written to.
  std::string Check(const RotBase& base, const RotDamage& damage,
                    TestRandom* random, Outcome* outcome) const {
    const Allowed allowed = AllowedBy(history_, base, damage);
    for (const WALRecoveryMode mode : kModes) {
      const bool is_first = mode == kModes[0];
      if (!is_first && !allowed.is_in_wal && !random->OneIn(8)) continue;
      MemoryFileSystem files;
      Damage(base, damage, &files);
      DamagedOpen reading(&history_, &base, allowed, mode, &files);
      std::string wrong = reading.CheckReadOnly();
      if (is_first) *outcome = reading.outcome();
      if (wrong.empty() && random->OneIn(8)) {
        DamagedOpen writing(&history_, &base, allowed, mode, &files);
        wrong = writing.CheckWriting();
        if (!wrong.empty()) wrong = "opened for writing: " + wrong;
      }
      if (!wrong.empty()) {
        return "mode " + std::to_string(static_cast<int>(mode)) + ": " + wrong;
      }
    }
    return "";
  }

  static void Damage(const RotBase& base, const RotDamage& damage,
                     MemoryFileSystem* files) {
    for (const auto& [path, bytes] : base.files) {
      const auto changed = damage.files.find(path);
      if (changed == damage.files.end()) {
        files->Add(path, bytes);
      } else if (changed->second != nullptr) {
        files->Add(path, changed->second);
      }
    }
  }

  const uint64_t seed_;
  const bool is_exhaustive_;
  RotHistory history_;
  const std::vector<RotBase> bases_;
  std::vector<RotEnumeration> enumerations_;
  uint64_t all_ = 0;  // The damages that there are.
  const RunLimit limit_{50'000, 400};
  std::atomic<uint64_t> next_ = 0;
  std::atomic<bool> has_enough_ = false;
  std::mutex mutex_;
  // All below: guarded by mutex_ while threads run.
  uint64_t damages_ = 0;
  std::array<uint64_t, 3> outcomes_ = {};
  std::vector<std::string> violations_;
};

TEST(BitrotTest, DamageIsRefusedOrHarmlessOrAnEarlierPointInTime) {
  BitrotRun run(TestSeed());
  for (const RotBase& base : run.bases()) {
    std::printf("%s: %zu files, %zu bytes, %zu commits\n", base.name.c_str(),
                base.files.size(), base.TotalBytes(), base.commits);
  }
  run.Run();
  run.Report();
  for (const std::string& violation : run.violations()) {
    ADD_FAILURE() << violation;
  }
  if (std::getenv("PACELINE_DAMAGE") != nullptr) return;
  // Else the damages would not reach what they are meant for.
  EXPECT_GT(run.outcomes(Outcome::kSame), 0U);
  EXPECT_GT(run.outcomes(Outcome::kRefused), 0U);
  EXPECT_GT(run.outcomes(Outcome::kPrefix), 0U);
}

}  // namespace
}  // namespace paceline
