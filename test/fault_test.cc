// Fails the 1st, 2nd, 3rd ... file operation of a small workload, once or for
// ever, before or after its effect, and checks what the callers were told
// against what is found afterwards.

#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "paceline/db.h"

#include "gtest/gtest.h"
#include "test/support/effort.h"
#include "test/support/fault_file_system.h"
#include "test/support/test_database.h"
#include "test/support/test_directory.h"

namespace paceline {
namespace {

constexpr const char* kDefault = "default";
constexpr const char* kOther = "other";
constexpr const char* kDoomed = "doomed";
// Begins the message of a write that did nothing and may be repeated.
constexpr const char* kNoNewWal = "cannot begin a new WAL";
// A few of them fill the smallest memtable, so that it is sealed.
constexpr size_t kValueBytes = 7'000;

// A Write() of one key to several column families.
struct WriteRecord {
  uint64_t id = 0;
  std::set<std::string> families;
  bool is_acknowledged = false;
  // Nothing was written: must never be found.
  bool is_refused = false;
};

std::string Key(uint64_t id) { return "key" + std::to_string(1000 + id); }
std::string Value(uint64_t id) {
  return std::to_string(id) + std::string(kValueBytes, 'v');
}

// The part of a message that names the injected fault.
std::string CauseOf(const Status& status) {
  const std::string text = status.ToString();
  const size_t begin = text.find(FaultFileSystem::kFaultText);
  if (begin == std::string::npos) return "(no fault named)";
  size_t end = begin;
  for (int words = 0; words < 5 && end != std::string::npos; ++words) {
    end = text.find_first_of(" ,;:)", end + 1);
  }
  return text.substr(begin, end - begin);
}

struct FaultCase {
  Fault fault;
  bool allow_mmap = false;
  bool resumes = false;  // Calls Resume() after each failure.
};

// One run of the workload, with one fault, and all checks.
class Workload {
 public:
  explicit Workload(const FaultCase& fault_case)
      : case_(fault_case), directory_(root_ / "db") {
    options_.create_if_missing = true;
    options_.file_system = &files_;
    options_.allow_mmap_writes = case_.allow_mmap;
    options_.write_buffer_size = size_t{64} << 10;
  }

  void Run() {
    files_.Arm(case_.fault);
    if (OpenDatabase()) {
      Write(4, {});
      Create(kOther);
      Write(14, {});
      Create(kDoomed);
      Write(2, {kDoomed});
      Drop(kDoomed);
      Write(4, {kDoomed});
      CloseDatabase();
    }
    if (OpenDatabase()) {
      CheckContents(database_);
      Write(4, {});
      CloseDatabase();
    }
    EXPECT_THAT(files_.uses_after_failure(), testing::IsEmpty());
    has_failed_ = files_.has_failed();
    operations_ = files_.operations();
    files_.Disarm();
    CheckReopened(directory_);
  }

  [[nodiscard]] bool has_failed() const { return has_failed_; }
  [[nodiscard]] const std::vector<FileOperation>& operations() const {
    return operations_;
  }

 private:
  bool OpenDatabase() {
    const Status status = database_.Open(options_, directory_);
    cause_.clear();
    first_id_of_open_ = records_.size();
    EXPECT_THAT(status, testing::AnyOf(IsOk(), HasCode(Status::kIOError)));
    return status.ok();
  }

  // Close() may fail, but nothing that was acknowledged may depend on it.
  void CloseDatabase() {
    if (had_error_) CheckImage();
    const Status status = database_.Close();
    EXPECT_THAT(status, testing::AnyOf(IsOk(), HasCode(Status::kIOError)));
  }

  void Write(int count, std::set<std::string> families) {
    families.insert(kDefault);
    if (has_other_) families.insert(kOther);
    for (; count > 0; --count) WriteOne(families);
  }

  void WriteOne(const std::set<std::string>& families) {
    WriteRecord record = {.id = records_.size(), .families = {}};
    WriteBatch batch;
    for (const std::string& name : families) {
      ColumnFamilyHandle* family = database_.Family(name);
      if (family == nullptr) continue;
      ASSERT_THAT(batch.Put(family, Key(record.id), Value(record.id)), IsOk());
      record.families.insert(name);
    }
    const Status status =
        database_->Write({.sync = record.id % 3 == 0}, &batch);
    record.is_acknowledged = status.ok();
    const bool is_repeatable =
        status.ToString().find(kNoNewWal) != std::string::npos;
    record.is_refused = !status.ok() && (is_repeatable || !cause_.empty());
    records_.push_back(record);
    if (status.ok()) {
      EXPECT_EQ(cause_, "") << "a write was accepted after one had failed";
    } else {
      AfterFailedWrite(status, is_repeatable);
    }
  }

  void AfterFailedWrite(const Status& status, bool is_repeatable) {
    EXPECT_THAT(status, HasCode(Status::kIOError));
    EXPECT_THAT(status, Mentions(FaultFileSystem::kFaultText));
    EXPECT_EQ(status.IsNoSpace(), case_.fault.is_no_space) << status.ToString();
    // Where all operations fail, those in the background do too, and any of
    // them may be what keeps a write back.
    if ((cause_.empty() || case_.fault.forever) && !is_repeatable) {
      cause_ = CauseOf(status);
    }
    EXPECT_THAT(status, Mentions(cause_)) << "must name the first cause";
    had_error_ = true;
    CheckContents(database_);
    Resume();
  }

  // Whether a change that failed has happened is open until it is tried again.
  void Create(const std::string& name) {
    Status status = database_.CreateFamily(name);
    if (!status.ok()) {
      AfterFailedChange(status);
      status = database_.CreateFamily(name);
    }
    if (status.ok() && name == kOther) has_other_ = true;
  }

  void Drop(const std::string& name) {
    if (database_.Family(name) == nullptr) return;
    const Status status = database_.DropFamily(name);
    if (status.ok()) return;
    drop_failed_before_ = records_.size();
    AfterFailedChange(status);
  }

  void AfterFailedChange(const Status& status) {
    EXPECT_THAT(status, HasCode(Status::kIOError));
    had_error_ = true;
    has_failed_change_ = true;
    CheckContents(database_);
    Resume();
  }

  void Resume() {
    if (!case_.resumes) return;
    const Status status = database_->Resume();
    if (case_.fault.forever) {
      // Without a failed write or change there may be a flush to mend, or not.
      const bool is_sound = cause_.empty() && !has_failed_change_;
      EXPECT_TRUE(is_sound || !status.ok()) << "writes failed for: " << cause_;
      return;
    }
    EXPECT_THAT(status, IsOk());
    cause_.clear();
    CheckContents(database_);
    CheckImage();
  }

  // What a kill at this point would leave.
  void CheckImage() {
    // Copying takes a while, in which no file may come or go.
    const Status idle = database_->WaitForCompact({});
    if (!idle.ok()) return;
    CopyDirectory(directory_, root_ / "image");
    CheckReopened(root_ / "image");
  }

  // Opens `directory` on a sound machine, twice.
  void CheckReopened(const std::string& directory) {
    Options options = options_;
    options.file_system = FileSystem::Default();
    Contents first;
    for (const bool is_first : {true, false}) {
      TestDatabase database;
      ASSERT_THAT(database.Open(options, directory), IsOk());
      CheckFound(database, /*is_recovered=*/true);
      if (is_first) {
        first = database.ReadAll();
      } else {
        EXPECT_EQ(Difference(first, database.ReadAll()), "")
            << "what one recovery found, the next one does not";
      }
    }
  }

  // In the DB that told about a failed write, the write is not visible.
  void CheckContents(const TestDatabase& database) {
    CheckFound(database, /*is_recovered=*/false);
  }

  void CheckFound(const TestDatabase& database, bool is_recovered) {
    for (WriteRecord& record : records_) {
      size_t found = 0;
      size_t expected = 0;
      for (const std::string& name : record.families) {
        ColumnFamilyHandle* family = database.Family(name);
        if (family == nullptr && IsDropExcused(record, name)) continue;
        ASSERT_NE(family, nullptr) << name << " was made and is gone";
        ++expected;
        std::string value;
        const Status status = database->Get({}, family, Key(record.id), &value);
        // A fault in this read is an error, not a wrong answer.
        if (!is_recovered && status.IsIOError()) return;
        if (status.IsNotFound()) continue;
        ASSERT_THAT(status, IsOk());
        ASSERT_EQ(value, Value(record.id));
        ++found;
      }
      CheckRecord(record, found, expected, is_recovered);
    }
  }

  void CheckRecord(const WriteRecord& record, size_t found, size_t expected,
                   bool is_recovered) {
    const std::string text = "write " + std::to_string(record.id);
    if (record.is_acknowledged) {
      EXPECT_EQ(found, expected) << text << " was acknowledged";
      return;
    }
    EXPECT_TRUE(found == 0 || found == expected) << text << " is torn";
    const bool is_settled = case_.resumes && !case_.fault.forever;
    const bool was_recovered = IsFromEarlierOpen(record);
    if (record.is_refused || is_settled || (!is_recovered && !was_recovered)) {
      EXPECT_EQ(found, 0u) << text << " had failed";
    }
  }

  // The family was dropped, or its drop failed after the write; a write that
  // was acknowledged after that counts on it.
  bool IsDropExcused(const WriteRecord& record, const std::string& name) const {
    return name == kDoomed &&
           (record.id < drop_failed_before_ || !record.is_acknowledged);
  }

  // A failed write may become visible by recovery, not before.
  bool IsFromEarlierOpen(const WriteRecord& record) const {
    return record.id < first_id_of_open_;
  }

  const FaultCase case_;
  TestDirectory root_{TestStorage::kMemory};
  const std::string directory_;
  FaultFileSystem files_;
  Options options_;
  TestDatabase database_;
  bool has_other_ = false;  // Its creation was acknowledged.
  std::vector<WriteRecord> records_;
  // Writes from this one on count on a family whose drop has failed.
  uint64_t drop_failed_before_ = UINT64_MAX;
  uint64_t first_id_of_open_ = 0;  // Of the writes since the last Open().
  std::string cause_;              // Of the first failed write since then.
  bool had_error_ = false;
  bool has_failed_change_ = false;  // Of the column families.
  bool has_failed_ = false;
  std::vector<FileOperation> operations_;
};

// The parameter is allow_mmap_writes.
class FaultTest : public testing::TestWithParam<bool> {
 protected:
  // Runs the workload with `fault_case` for each operation that can fail so,
  // until the fault comes after the workload's end.
  void Sweep(FaultCase fault_case) {
    fault_case.allow_mmap = GetParam();
    Workload sound({.fault = {}, .allow_mmap = GetParam()});
    sound.Run();
    const auto& operations = sound.operations();
    const bool only_appends = fault_case.fault.effect == Fault::Effect::kHalf;
    const uint64_t stride = kIsSanitized ? 23 : 1;
    uint64_t runs = 0;
    for (uint64_t number = 1;; number += stride) {
      const bool is_append = number <= operations.size() &&
                             operations[number - 1].name == "Append";
      if (only_appends && !is_append && number <= operations.size()) continue;
      fault_case.fault.operation = number;
      fault_case.fault.is_no_space = number % 2 == 0;
      SCOPED_TRACE("fault " + std::to_string(number) +
                   (number > operations.size()
                        ? ""
                        : " in " + operations[number - 1].name + " " +
                              operations[number - 1].path));
      Workload workload(fault_case);
      workload.Run();
      ASSERT_FALSE(HasFailure());
      if (!workload.has_failed()) break;
      ++runs;
    }
    ReportCoverage(runs, "runs with a failing operation");
  }
};

TEST_P(FaultTest, OneFaultBeforeItsEffectLosesNothing) {
  Sweep({.fault = {.effect = Fault::Effect::kNone}});
}

TEST_P(FaultTest, OneFaultAfterItsEffectLosesNothing) {
  Sweep({.fault = {.effect = Fault::Effect::kFull}});
}

TEST_P(FaultTest, OneShortAppendLosesNothing) {
  Sweep({.fault = {.effect = Fault::Effect::kHalf}});
}

TEST_P(FaultTest, AMachineThatStaysBrokenLosesNothing) {
  Sweep({.fault = {.forever = true, .effect = Fault::Effect::kNone}});
}

TEST_P(FaultTest, ResumeMendsAFaultBeforeItsEffect) {
  Sweep({.fault = {.effect = Fault::Effect::kNone}, .resumes = true});
}

TEST_P(FaultTest, ResumeMendsAFaultAfterItsEffect) {
  Sweep({.fault = {.effect = Fault::Effect::kFull}, .resumes = true});
}

TEST_P(FaultTest, ResumeMendsAShortAppend) {
  Sweep({.fault = {.effect = Fault::Effect::kHalf}, .resumes = true});
}

TEST_P(FaultTest, ResumeFailsOnAMachineThatStaysBroken) {
  Sweep({.fault = {.forever = true, .effect = Fault::Effect::kNone},
         .resumes = true});
}

// Fails operation `number` of a Resume(). False if it has fewer operations.
bool FailOnceInResume(bool allow_mmap, uint64_t number) {
  TestDirectory directory(TestStorage::kMemory);
  FaultFileSystem files;
  Options options;
  options.create_if_missing = true;
  options.file_system = &files;
  options.allow_mmap_writes = allow_mmap;
  TestDatabase database;
  EXPECT_THAT(database.Open(options, directory.path()), IsOk());
  EXPECT_THAT(database.CreateFamily(kOther), IsOk());
  EXPECT_THAT(database->Put({}, "before", "1"), IsOk());
  EXPECT_THAT(database->Put({}, database.Family(kOther), "before", "2"),
              IsOk());
  const SequenceNumber before = database->GetLatestSequenceNumber();
  files.Arm({.operation = 1, .name = "Sync", .path_end = ".log"});
  EXPECT_THAT(database->Put({.sync = true}, "failed", "3"),
              HasCode(Status::kIOError));

  files.Arm({.operation = number});
  const Status resumed = database->Resume();
  const bool has_failed = files.has_failed();
  files.Disarm();
  if (!resumed.ok()) {
    EXPECT_TRUE(has_failed) << resumed.ToString();
    EXPECT_THAT(database->Put({}, "refused", "4"), HasCode(Status::kIOError));
    EXPECT_THAT(database->Resume(), IsOk());
  }
  EXPECT_THAT(database->Put({}, "after", "5"), IsOk());
  EXPECT_GT(database->GetLatestSequenceNumber(), before + 1)
      << "the number of the failed write is in a file and not to be used again";
  const Contents expected = {{kDefault, {{"after", "5"}, {"before", "1"}}},
                             {kOther, {{"before", "2"}}}};
  EXPECT_EQ(Difference(expected, database.ReadAll()), "");
  EXPECT_THAT(files.uses_after_failure(), testing::IsEmpty());
  const Status closed = database.Close();
  EXPECT_THAT(closed, IsOk());
  EXPECT_THAT(database.Open(options, directory.path()), IsOk());
  EXPECT_EQ(Difference(expected, database.ReadAll()), "");
  return has_failed;
}

TEST_P(FaultTest, AResumeThatFailsCanBeTriedAgain) {
  uint64_t number = 1;
  for (; FailOnceInResume(GetParam(), number); ++number) {
    ASSERT_FALSE(HasFailure()) << "operation " << number;
  }
  EXPECT_GT(number, 1u) << "Resume() did no operation at all";
}

TEST_P(FaultTest, ResumeWithoutAFailureChangesNothing) {
  TestDirectory directory(TestStorage::kMemory);
  Options options;
  options.create_if_missing = true;
  options.allow_mmap_writes = GetParam();
  TestDatabase database;
  ASSERT_THAT(database.Open(options, directory.path()), IsOk());
  ASSERT_THAT(database->Put({}, "key", "value"), IsOk());
  EXPECT_THAT(database->Resume(), IsOk());
  EXPECT_EQ(Difference({{kDefault, {{"key", "value"}}}}, database.ReadAll()),
            "");
}

// Each thread writes its own keys; one WAL operation fails.
void WriteFromManyThreads(bool allow_mmap, const Fault& fault) {
  constexpr size_t kThreads = 8;
  constexpr size_t kWrites = 200;
  TestDirectory directory(TestStorage::kMemory);
  FaultFileSystem files;
  Options options;
  options.create_if_missing = true;
  options.file_system = &files;
  options.allow_mmap_writes = allow_mmap;
  TestDatabase database;
  ASSERT_THAT(database.Open(options, directory.path()), IsOk());
  files.Arm(fault);
  std::vector<std::set<std::string>> acknowledged(kThreads);
  std::vector<std::thread> threads;
  for (size_t thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] {
      for (size_t number = 0; number < kWrites; ++number) {
        const std::string key =
            std::to_string(thread) + "/" + std::to_string(number);
        WriteBatch batch;
        EXPECT_THAT(batch.Put("a" + key, ""), IsOk());
        EXPECT_THAT(batch.Put("b" + key, ""), IsOk());
        const Status status =
            database->Write({.sync = number % 4 == 0}, &batch);
        if (status.ok()) acknowledged[thread].insert(key);
        std::string value;
        EXPECT_EQ(database->Get({}, "a" + key, &value).ok(), status.ok());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_TRUE(files.has_failed());
  files.Disarm();
  EXPECT_THAT(database.Close(), testing::_);
  ASSERT_THAT(database.Open(options, directory.path()), IsOk());
  for (size_t thread = 0; thread < kThreads; ++thread) {
    for (size_t number = 0; number < kWrites; ++number) {
      const std::string key =
          std::to_string(thread) + "/" + std::to_string(number);
      std::string value;
      const bool has_a = database->Get({}, "a" + key, &value).ok();
      const bool has_b = database->Get({}, "b" + key, &value).ok();
      EXPECT_EQ(has_a, has_b) << key;
      EXPECT_TRUE(has_a || !acknowledged[thread].contains(key)) << key;
    }
  }
}

TEST_P(FaultTest, EveryWriterOfAFailedGroupLearnsOfIt) {
  for (const char* name : {"Append", "Sync"}) {
    for (const uint64_t number : {1, 2, 7, 20}) {
      for (const auto effect : {Fault::Effect::kNone, Fault::Effect::kFull}) {
        SCOPED_TRACE(name + std::string(" ") + std::to_string(number));
        WriteFromManyThreads(GetParam(), {.operation = number,
                                          .name = name,
                                          .path_end = ".log",
                                          .effect = effect});
        ASSERT_FALSE(HasFailure());
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(AllowMmap, FaultTest, testing::Bool(),
                         [](const auto& parameter) {
                           return parameter.param ? "mmap" : "pwrite";
                         });

}  // namespace
}  // namespace paceline
