// Operations on names, directories and locks fail, with the errors that
// machines have, at each step of a database's life: what is told, what is
// kept, and what is left behind.

#include <fcntl.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "paceline/db.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "test/support/effort.h"
#include "test/support/no_logger.h"
#include "test/support/seed.h"
#include "test/support/sim_file_system.h"
#include "test/support/test_database.h"

namespace paceline {
namespace {

constexpr const char* kDirectory = "/db";
constexpr const char* kOther = "other";
constexpr const char* kDoomed = "doomed";
// A few of them fill the smallest memtable, so that it is sealed.
constexpr size_t kValueBytes = 9'000;

constexpr int kErrors[] = {EIO, ENOSPC, EACCES, EMFILE, EROFS};

// What failed in the background is tried again at once, as time flies.
class FastClock final : public Clock {
 public:
  uint64_t NowMicros() override { return Clock::Default()->NowMicros(); }
  uint64_t MonotonicNanos() override { return now_.fetch_add(1'000'000'000); }

 private:
  std::atomic<uint64_t> now_ = 0;
};

Options OptionsOn(SimFileSystem* files) {
  Options options;
  options.create_if_missing = true;
  options.file_system = files;
  static FastClock clock;
  options.clock = &clock;
  options.info_log = std::make_shared<NoLogger>();
  options.write_buffer_size = size_t{64} << 10;
  // So small that MANIFESTs are replaced, too.
  options.max_manifest_file_size = uint64_t{1} << 10;
  return options;
}

// An error that says which file it was, and why.
void ExpectTold(const Status& status, int error_number,
                const std::string& path) {
  EXPECT_THAT(status, HasCode(Status::kIOError));
  EXPECT_THAT(status, Mentions(std::string(std::strerror(error_number))));
  EXPECT_THAT(status, Mentions(path));
  EXPECT_EQ(status.IsNoSpace(), error_number == ENOSPC) << status.ToString();
}

// ---- Any operation, at any step.

// A kind of operation and what its failure may do.
struct OperationKind {
  const char* name;
  // It is only for tidiness: nobody is told when it fails.
  bool is_harmless = false;
};

constexpr OperationKind kKinds[] = {
    {"NewWritableFile"}, {"NewSequentialFile"}, {"NewRandomAccessFile"},
    {"SyncDirectory"},   {"CreateDirectory"},   {"ListDirectory"},
    {"FileExists"},      {"RenameFile"},        {"LockFile"},
    {"Close"},           {"RemoveFile", true},
};

// A whole life of a database, in which one operation fails, or all from one on.
class Life {
 public:
  Life(const OperationKind& kind, const SimFault& fault)
      : kind_(kind), fault_(fault), options_(OptionsOn(&files_)) {
    files_.AddFault(fault);
  }

  // True if an operation failed.
  bool Run() {
    for (int times = 0; times < 2; ++times) {
      if (!Open()) continue;
      Write(4);
      if (database_.Family(kOther) == nullptr) {
        Change(kOther, &TestDatabase::CreateFamily);
      }
      Write(8);
      Step(database_->Flush({}));
      Write(8);
      Step(database_->CompactRange({}, nullptr, nullptr));
      Change(kDoomed, &TestDatabase::CreateFamily);
      Write(2);
      if (database_.Family(kDoomed) != nullptr) {
        Change(kDoomed, &TestDatabase::DropFamily);
      }
      Close();
    }
    const bool has_failed = files_.failures() > 0;
    files_.ClearFaults();
    CheckSound();
    return has_failed;
  }

 private:
  [[nodiscard]] bool IsForEver() const { return fault_.times > 1; }

  bool Open() {
    const Status status = database_.Open(options_, kDirectory);
    Tell(status);
    if (!status.ok() && !IsForEver()) {
      // What failed is over.
      EXPECT_THAT(database_.Open(options_, kDirectory), IsOk());
    }
    EXPECT_EQ(files_.open_files() == 0, !database_.is_open())
        << "a failed open keeps nothing open";
    return database_.is_open();
  }

  void Close() {
    Tell(database_.Close());
    EXPECT_EQ(files_.open_files(), 0u);
  }

  // OK, or an error that names the file and the reason.
  void Tell(const Status& status) const {
    if (status.ok()) return;
    EXPECT_FALSE(kind_.is_harmless) << status.ToString();
    EXPECT_GT(files_.failures(), 0u) << status.ToString();
    // The directory that a new database is in is synced, too.
    const bool may_be_parent = fault_.operations.contains("SyncDirectory");
    ExpectTold(status, fault_.error_number,
               may_be_parent ? "cannot sync /" : kDirectory);
  }

  // After a failed step of an open DB.
  void Step(const Status& status) {
    Tell(status);
    if (status.ok() || IsForEver()) return;
    EXPECT_THAT(database_->Resume(), IsOk());
    EXPECT_THAT(database_->Flush({}), IsOk());
  }

  // A change that failed may be made or not; it can be tried again.
  void Change(const std::string& name,
              Status (TestDatabase::*change)(const std::string&)) {
    const Status status = (database_.*change)(name);
    Step(status);
    if (!status.ok() && !IsForEver()) {
      EXPECT_THAT((database_.*change)(name), IsOk());
    }
  }

  void Write(int count) {
    for (; count > 0; --count) {
      const std::string key = "key" + std::to_string(++writes_);
      WriteBatch batch;
      EXPECT_THAT(batch.Put(key, Value(key)), IsOk());
      EXPECT_THAT(batch.Put(database_.Family(kOther), "2nd" + key, Value(key)),
                  IsOk());
      const Status status =
          database_->Write({.sync = writes_ % 5 == 0}, &batch);
      (status.ok() ? acknowledged_ : failed_).insert(key);
      Step(status);
    }
  }

  static std::string Value(const std::string& key) {
    return key + std::string(kValueBytes, 'v');
  }

  // The machine is sound again.
  void CheckSound() {
    ASSERT_THAT(database_.Open(options_, kDirectory), IsOk());
    for (const std::string& key : acknowledged_) {
      EXPECT_EQ(Find(key), 2) << key << " was acknowledged";
    }
    for (const std::string& key : failed_) {
      EXPECT_THAT(Find(key), testing::AnyOf(0, 2)) << key << " is torn";
    }
    EXPECT_THAT(database_->Put({.sync = true}, "later", "value"), IsOk());
    EXPECT_THAT(database_->CompactRange({}, nullptr, nullptr), IsOk());
    CheckNothingIsLeftBehind();
    EXPECT_THAT(database_.Close(), IsOk());
    EXPECT_EQ(files_.open_files(), 0u);
    EXPECT_THAT(files_.misuses(), testing::IsEmpty());
  }

  // In how many places both halves of a batch are.
  [[nodiscard]] int Find(const std::string& key) const {
    int found = 0;
    for (const char* name : {kDefaultColumnFamilyName.c_str(), kOther}) {
      ColumnFamilyHandle* family = database_.Family(name);
      if (family == nullptr) continue;
      for (const std::string& half : {key, "2nd" + key}) {
        std::string value;
        const Status status = database_->Get({}, family, half, &value);
        if (status.IsNotFound()) continue;
        EXPECT_THAT(status, IsOk());
        EXPECT_EQ(value, Value(key));
        ++found;
      }
    }
    return found;
  }

  // What failed operations left is removed by the next open.
  void CheckNothingIsLeftBehind() {
    EXPECT_THAT(database_->WaitForCompact({}), IsOk());
    size_t live = 0;
    for (const std::string& name : database_.FamilyNames()) {
      live +=
          database_->GetColumnFamilyMetaData(database_.Family(name)).file_count;
    }
    size_t tables = 0;
    size_t manifests = 0;
    const auto names = files_.ListDirectory(kDirectory);
    ASSERT_TRUE(names.ok());
    for (const std::string& name : *names) {
      tables += name.ends_with(".sst") ? 1 : 0;
      manifests += name.starts_with("MANIFEST-") ? 1 : 0;
      EXPECT_FALSE(name.ends_with(".dbtmp")) << name;
    }
    EXPECT_EQ(tables, live);
    EXPECT_GE(manifests, 1u);
  }

  const OperationKind kind_;
  const SimFault fault_;
  SimFileSystem files_;
  Options options_;
  TestDatabase database_;
  uint64_t writes_ = 0;
  std::set<std::string> acknowledged_;
  std::set<std::string> failed_;
};

// Fails operations of each kind from the first to the last: one in `stride`, of
// which the seed decides the first. PACELINE_STRIDE=1 fails every one.
void Sweep(SimFault fault) {
  uint64_t runs = 0;
  const uint64_t stride = Effort("PACELINE_STRIDE", 6, 23);
  for (const OperationKind& kind : kKinds) {
    uint64_t number = 1;
    for (bool has_failed = true; has_failed;
         number += number == 1 ? 1 + TestSeed() % stride : stride) {
      fault.operations = {kind.name};
      fault.number = number;
      fault.error_number = kErrors[(number + TestSeed()) % std::size(kErrors)];
      SCOPED_TRACE(std::string(kind.name) + " " + std::to_string(number) +
                   ": " + std::strerror(fault.error_number));
      has_failed = Life(kind, fault).Run();
      EXPECT_TRUE(has_failed || number > 1) << kind.name << " is never called";
      ++runs;
      ASSERT_FALSE(testing::Test::HasFailure());
    }
  }
  ReportCoverage(runs, "lives with a failing operation");
}

TEST(MetadataFaultTest, OneOperationThatFailsLosesNothingAndLeavesNothing) {
  Sweep({.effect = SimFault::Effect::kNone});
}

// Only the answer is lost, so what was done stands.
TEST(MetadataFaultTest, OneAnswerThatIsLostLosesNothingAndLeavesNothing) {
  Sweep({.effect = SimFault::Effect::kFull});
}

TEST(MetadataFaultTest, AKindOfOperationThatFailsForEverLosesNothing) {
  Sweep({.times = UINT64_MAX, .effect = SimFault::Effect::kNone});
}

// ---- What each step tells.

class OpenFaultTest : public testing::Test {
 protected:
  OpenFaultTest() : options_(OptionsOn(&files_)) {
    // A database with a table, a WAL that is needed, and a LOG.
    options_.info_log = nullptr;
    EXPECT_THAT(database_.Open(options_, kDirectory), IsOk());
    EXPECT_THAT(database_->Put({}, "in a table", "1"), IsOk());
    EXPECT_THAT(database_->Flush({}), IsOk());
    EXPECT_THAT(database_->Put({}, "in a WAL", "2"), IsOk());
    EXPECT_THAT(database_.Close(), IsOk());
  }

  void ExpectAllThere() {
    files_.ClearFaults();
    ASSERT_THAT(database_.Open(options_, kDirectory), IsOk());
    EXPECT_EQ(Difference(expected_, database_.ReadAll()), "");
    EXPECT_THAT(database_.Close(), IsOk());
  }

  const Contents expected_ = {
      {"default", {{"in a WAL", "2"}, {"in a table", "1"}}}};
  SimFileSystem files_;
  Options options_;
  TestDatabase database_;
};

TEST_F(OpenFaultTest, AnOpenTellsWhichFileFailedAndWhy) {
  struct Case {
    const char* operation;
    const char* pattern;
    const char* named;
  };
  const Case cases[] = {
      {"LockFile", "*", "/db/LOCK"},
      {"FileExists", "*/CURRENT", "/db/CURRENT"},
      {"RenameFile", "*/LOG", "/db/LOG"},
      {"NewWritableFile", "*/LOG", "/db/LOG"},
      {"NewSequentialFile", "*/CURRENT", "/db/CURRENT"},
      {"Read", "*/CURRENT", "/db/CURRENT"},
      {"NewSequentialFile", "*/MANIFEST-*", "/db/MANIFEST-0"},
      {"Read", "*/MANIFEST-*", "/db/MANIFEST-0"},
      {"NewRandomAccessFile", "*.sst", ".sst"},
      {"Read", "*.sst", ".sst"},
      {"ListDirectory", "*", "/db"},
      {"NewSequentialFile", "*.log", ".log"},
      {"Read", "*.log", ".log"},
      {"NewWritableFile", "*/MANIFEST-*", "/db/MANIFEST-0"},
      {"Append", "*/MANIFEST-*", "/db/MANIFEST-0"},
      {"Sync", "*/MANIFEST-*", "/db/MANIFEST-0"},
      {"SyncDirectory", "*", "/db"},
      {"NewWritableFile", "*[0-9].dbtmp", ".dbtmp"},
      {"Sync", "*[0-9].dbtmp", ".dbtmp"},
      {"Close", "*[0-9].dbtmp", ".dbtmp"},
      {"RenameFile", "*[0-9].dbtmp", ".dbtmp"},
      {"NewWritableFile", "*.log", ".log"},
  };
  for (const Case& c : cases) {
    for (const int error_number : kErrors) {
      // Nobody runs out of space by reading.
      if (error_number == ENOSPC && c.operation == std::string("Read"))
        continue;
      SCOPED_TRACE(std::string(c.operation) + " " + c.pattern + ": " +
                   std::strerror(error_number));
      files_.AddFault({.operations = {c.operation},
                       .path_pattern = c.pattern,
                       .times = UINT64_MAX,
                       .error_number = error_number});
      ExpectTold(database_.Open(options_, kDirectory), error_number, c.named);
      EXPECT_EQ(files_.open_files(), 0u);
      ExpectAllThere();
      ASSERT_FALSE(HasFailure());
    }
  }
}

// What a database can be opened without.
TEST_F(OpenFaultTest, AnOpenDoesNotNeedItsOptionsFileNorATidyDirectory) {
  struct Case {
    const char* operation;
    const char* pattern;
  };
  for (const Case& c :
       {Case{"NewWritableFile", "*/OPTIONS-*"}, Case{"Append", "*/OPTIONS-*"},
        Case{"Sync", "*/OPTIONS-*"}, Case{"Close", "*/OPTIONS-*"},
        Case{"RenameFile", "*/OPTIONS-*"}, Case{"RemoveFile", "*"}}) {
    SCOPED_TRACE(std::string(c.operation) + " " + c.pattern);
    files_.AddFault({.operations = {c.operation},
                     .path_pattern = c.pattern,
                     .times = UINT64_MAX,
                     .error_number = EROFS});
    ASSERT_THAT(database_.Open(options_, kDirectory), IsOk());
    EXPECT_GT(files_.failures(), 0u);
    EXPECT_EQ(Difference(expected_, database_.ReadAll()), "");
    EXPECT_THAT(database_.Close(), IsOk());
    ExpectAllThere();
  }
}

// On a file system that is mounted for reading.
TEST_F(OpenFaultTest, AReadOnlyOpenChangesNothingSoNothingItCannotDoMatters) {
  for (const int error_number : {EROFS, EACCES, ENOSPC}) {
    files_.AddFault(
        {.operations = {"NewWritableFile", "Append", "Sync", "Allocate",
                        "Close", "RenameFile", "RemoveFile", "SyncDirectory",
                        "CreateDirectory", "RemoveDirectory", "LockFile"},
         .times = UINT64_MAX,
         .error_number = error_number});
    const uint64_t failures = files_.failures();
    ASSERT_THAT(database_.OpenForReadOnly(options_, kDirectory), IsOk());
    EXPECT_EQ(Difference(expected_, database_.ReadAll()), "");
    EXPECT_THAT(database_.Close(), IsOk());
    EXPECT_EQ(files_.failures(), failures)
        << "it has tried to change something";
    // Whoever wants to write is told at once.
    ExpectTold(database_.Open(options_, kDirectory), error_number, kDirectory);
    ExpectAllThere();
  }
}

TEST(NewDatabaseFaultTest, ADirectoryThatCannotBeMadeIsNamed) {
  for (const int error_number : kErrors) {
    SimFileSystem files;
    files.AddFault(
        {.operations = {"CreateDirectory"}, .error_number = error_number});
    TestDatabase database;
    ExpectTold(database.Open(OptionsOn(&files), kDirectory), error_number,
               kDirectory);
    const auto exists = files.FileExists(kDirectory);
    ASSERT_TRUE(exists.ok());
    EXPECT_FALSE(*exists);
    EXPECT_THAT(database.Open(OptionsOn(&files), kDirectory), IsOk());
  }
}

// ---- Destroying.

TEST_F(OpenFaultTest, ADestroyThatFailsNamesTheFileAndCanBeRepeated) {
  uint64_t failed = 0;
  for (const int error_number : kErrors) {
    for (uint64_t number = 1; number <= 4; ++number) {
      files_.ClearFaults();
      ASSERT_THAT(database_.Open(options_, kDirectory), IsOk());
      ASSERT_THAT(database_.Close(), IsOk());
      files_.AddFault({.operations = {"RemoveFile"},
                       .number = number,
                       .error_number = error_number});
      ExpectTold(DestroyDB(kDirectory, options_), error_number, kDirectory);
      ++failed;
      EXPECT_THAT(DestroyDB(kDirectory, options_), IsOk());
      const auto exists = files_.FileExists(kDirectory);
      ASSERT_TRUE(exists.ok());
      EXPECT_FALSE(*exists);
    }
  }
  EXPECT_EQ(failed, 4 * std::size(kErrors));
}

TEST_F(OpenFaultTest, ADestroyThatCannotLockOrListRemovesNothing) {
  for (const char* operation : {"LockFile", "FileExists", "ListDirectory"}) {
    for (const int error_number : kErrors) {
      files_.AddFault({.operations = {operation},
                       .times = UINT64_MAX,
                       .error_number = error_number});
      ExpectTold(DestroyDB(kDirectory, options_), error_number, kDirectory);
      ExpectAllThere();
    }
  }
}

}  // namespace
}  // namespace paceline
