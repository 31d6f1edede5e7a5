// Links, FIFOs, directories and devices in place of a database's files: never
// followed out of the directory, never waited for, never taken for what they
// stand in for.

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "paceline/db.h"
#include "paceline/utilities/options_util.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "test/support/test_database.h"
#include "test/support/test_directory.h"

namespace paceline {
namespace {

// What stands where a file of the database was.
enum class Guise {
  kLink,       // To the file itself, in another directory.
  kDeadLink,   // To a file that could be made in another directory.
  kFifo,       // Nobody writes to it: reading it would wait for ever.
  kDirectory,  // With a file in it.
  kDevice,     // One that can be read for ever.
  kSocket,
};

constexpr Guise kGuises[] = {Guise::kLink,   Guise::kDeadLink,
                             Guise::kFifo,   Guise::kDirectory,
                             Guise::kDevice, Guise::kSocket};

std::string NameOf(Guise guise) {
  switch (guise) {
    case Guise::kLink:
      return "link";
    case Guise::kDeadLink:
      return "dead link";
    case Guise::kFifo:
      return "FIFO";
    case Guise::kDirectory:
      return "directory";
    case Guise::kDevice:
      return "device";
    case Guise::kSocket:
      return "socket";
  }
  return "?";
}

// Every path below `directory`, with the bytes of the regular files, and what
// else there is.
std::map<std::string, std::string> ReadTree(const std::string& directory) {
  std::map<std::string, std::string> tree;
  namespace fs = std::filesystem;
  for (const auto& entry : fs::recursive_directory_iterator(directory)) {
    const bool is_file =
        entry.symlink_status().type() == fs::file_type::regular;
    tree[entry.path()] =
        is_file
            ? ReadFileBytes(entry.path())
            : std::to_string(static_cast<int>(entry.symlink_status().type()));
  }
  return tree;
}

class HostileFilesTest : public testing::Test {
 protected:
  HostileFilesTest() {
    options_.create_if_missing = true;
    options_.compression = kNoCompression;
  }
  // A test that waits for a FIFO is ended by a signal.
  void SetUp() override { alarm(60); }
  void TearDown() override { alarm(0); }

  // A closed database with a table, a WAL that is needed, and all the rest.
  void MakeDatabase(const std::string& path) {
    std::filesystem::remove_all(path);
    TestDatabase database;
    ASSERT_THAT(database.Open(options_, path), IsOk());
    ASSERT_THAT(database->Put({}, "in a table", "1"), IsOk());
    ASSERT_THAT(database->Flush({}), IsOk());
    ASSERT_THAT(database->Put({}, "in a WAL", "2"), IsOk());
    ASSERT_THAT(database.Close(), IsOk());
  }

  // The name of the newest file that begins and ends so.
  static std::string Find(const std::string& path, const std::string& begin,
                          const std::string& end) {
    std::string newest;
    for (const auto& entry : std::filesystem::directory_iterator(path)) {
      const std::string name = entry.path().filename();
      if (name.starts_with(begin) && name.ends_with(end)) {
        newest = std::max(newest, name);
      }
    }
    EXPECT_NE(newest, "") << begin << "*" << end;
    return newest;
  }

  // Puts something else in the place of a file. False if this machine cannot.
  bool Disguise(const std::string& name, Guise guise) {
    const std::string path = path_ + "/" + name;
    const std::string outside = outside_ + "/" + name;
    std::filesystem::create_directories(outside_);
    if (std::filesystem::exists(path)) {
      std::filesystem::copy_file(path, outside);
      std::filesystem::remove(path);
    }
    switch (guise) {
      case Guise::kLink:
        std::filesystem::create_symlink(outside, path);
        return true;
      case Guise::kDeadLink:
        std::filesystem::create_symlink(outside_ + "/none", path);
        return true;
      case Guise::kFifo:
        return mkfifo(path.c_str(), 0644) == 0;
      case Guise::kDirectory:
        std::filesystem::create_directory(path);
        WriteFileBytes(path + "/file", "precious");
        return true;
      case Guise::kDevice:
        return mknod(path.c_str(), S_IFCHR | 0644, makedev(1, 5)) == 0;
      case Guise::kSocket:
        return MakeSocket(path);
    }
    return false;
  }

  static bool MakeSocket(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof(address.sun_path)) return false;
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const bool is_bound = bind(fd, reinterpret_cast<const sockaddr*>(&address),
                               sizeof(address)) == 0;
    close(fd);
    return is_bound;
  }

  // Makes the database anew, disguises the file that begins and ends so as
  // everything there is, one after the other, and calls `check` with its name.
  template <typename Check>
  void InEachGuise(const std::string& begin, const std::string& end,
                   Check check) {
    for (const Guise guise : kGuises) {
      MakeDatabase(path_);
      std::filesystem::remove_all(outside_);
      const std::string name = Find(path_, begin, end);
      if (!Disguise(name, guise)) continue;
      SCOPED_TRACE(name + " is a " + NameOf(guise));
      const auto outside = ReadTree(outside_);
      check(name, guise);
      EXPECT_EQ(ReadTree(outside_), outside) << "another directory has changed";
      ASSERT_FALSE(HasFailure());
      ++checked_;
    }
  }

  static void ExpectRefused(const Status& status, const std::string& name) {
    EXPECT_FALSE(status.ok());
    EXPECT_THAT(status, Mentions(name));
  }

  TestDirectory directory_{TestStorage::kMemory};
  const std::string path_ = directory_ / "db";
  const std::string outside_ = directory_ / "outside";
  Options options_;
  int checked_ = 0;
};

// ---- What a database needs to be opened.

TEST_F(HostileFilesTest, WhatTheDatabaseIsMadeOfIsRefusedInEveryGuise) {
  const std::vector<std::pair<std::string, std::string>> kinds = {
      {"CURRENT", ""}, {"MANIFEST-", ""}, {"", ".sst"}, {"", ".log"}};
  for (const auto& [begin, end] : kinds) {
    InEachGuise(begin, end, [&](const std::string& name, Guise guise) {
      // A CURRENT that leads nowhere is taken to be missing.
      const bool is_missing = name == "CURRENT" && guise == Guise::kDeadLink;
      const std::string named = is_missing ? path_ : name;
      const auto before = ReadTree(path_);
      TestDatabase database;
      ExpectRefused(database.OpenForReadOnly(options_, path_), named);
      EXPECT_EQ(ReadTree(path_), before);
      ExpectRefused(database.Open(options_, path_), named);
      // The open may have moved the LOG, but not what the data is in.
      const auto after = ReadTree(path_);
      for (const auto& [path, bytes] : before) {
        if (path.find("/LOG") != std::string::npos) continue;
        ASSERT_TRUE(after.contains(path)) << path;
        EXPECT_EQ(after.at(path), bytes) << path;
      }
    });
  }
  EXPECT_GE(checked_, 4 * 4);
}

TEST_F(HostileFilesTest, PutBackInItsPlaceTheFileIsAsGoodAsEver) {
  InEachGuise("", ".log", [&](const std::string& name, Guise /*guise*/) {
    TestDatabase database;
    ExpectRefused(database.Open(options_, path_), name);
    std::filesystem::remove_all(path_ + "/" + name);
    std::filesystem::copy_file(outside_ + "/" + name, path_ + "/" + name);
    ASSERT_THAT(database.Open(options_, path_), IsOk());
    const Contents expected = {
        {"default", {{"in a WAL", "2"}, {"in a table", "1"}}}};
    EXPECT_EQ(Difference(expected, database.ReadAll()), "");
  });
}

TEST_F(HostileFilesTest, AListOfColumnFamiliesIsNotReadFromElsewhere) {
  for (const char* begin : {"CURRENT", "MANIFEST-"}) {
    InEachGuise(begin, "", [&](const std::string& name, Guise /*guise*/) {
      std::vector<std::string> names;
      ExpectRefused(DB::ListColumnFamilies(options_, path_, &names), name);
      EXPECT_THAT(names, testing::IsEmpty());
    });
  }
}

TEST_F(HostileFilesTest, ALockElsewhereIsNeitherMadeNorTaken) {
  InEachGuise("LOCK", "", [&](const std::string& /*name*/, Guise /*guise*/) {
    const auto before = ReadTree(path_);
    TestDatabase database;
    ExpectRefused(database.Open(options_, path_), "LOCK");
    ExpectRefused(DestroyDB(path_, options_), "LOCK");
    EXPECT_EQ(ReadTree(path_), before) << "without the lock nothing is done";
    EXPECT_FALSE(std::filesystem::exists(outside_ + "/none"));
    // Whoever only reads needs no lock.
    EXPECT_THAT(database.OpenForReadOnly(options_, path_), IsOk());
  });
}

// ---- What an open can do without.

TEST_F(HostileFilesTest, TheLogIsMovedAsideInEveryGuiseAndNotWrittenThrough) {
  InEachGuise("LOG", "", [&](const std::string& /*name*/, Guise guise) {
    TestDatabase database;
    const Status status = database.Open(options_, path_);
    if (guise == Guise::kDeadLink) {
      // A file of that name cannot be made, and it is not seen to be there.
      ExpectRefused(status, "LOG");
      return;
    }
    ASSERT_THAT(status, IsOk());
    ASSERT_THAT(database->Put({}, "key", "value"), IsOk());
    ASSERT_THAT(database.Close(), IsOk());
    EXPECT_TRUE(std::filesystem::is_regular_file(
        std::filesystem::symlink_status(path_ + "/LOG")));
  });
}

TEST_F(HostileFilesTest, TheIdentityIsLeftAloneInEveryGuise) {
  InEachGuise("IDENTITY", "", [&](const std::string& name, Guise /*guise*/) {
    const auto before = std::filesystem::symlink_status(path_ + "/" + name);
    TestDatabase database;
    ASSERT_THAT(database.Open(options_, path_), IsOk());
    ASSERT_THAT(database.Close(), IsOk());
    const auto after = std::filesystem::symlink_status(path_ + "/" + name);
    EXPECT_EQ(before.type(), after.type());
  });
}

TEST_F(HostileFilesTest, OptionsAreNotLoadedFromElsewhereAndAnOpenNeedsNone) {
  InEachGuise("OPTIONS-", "", [&](const std::string& name, Guise /*guise*/) {
    DBOptions loaded;
    std::vector<ColumnFamilyDescriptor> families;
    ExpectRefused(
        LoadLatestOptions(path_, FileSystem::Default(), &loaded, &families),
        name);
    TestDatabase database;
    ASSERT_THAT(database.Open(options_, path_), IsOk());
    ASSERT_THAT(database.Close(), IsOk());
    // The open has written a newer one.
    EXPECT_THAT(
        LoadLatestOptions(path_, FileSystem::Default(), &loaded, &families),
        IsOk());
  });
}

// ---- Removal.

TEST_F(HostileFilesTest, DestroyRemovesWhatStandsInAPlaceNotWhatItLeadsTo) {
  const std::vector<std::pair<std::string, std::string>> kinds = {
      {"CURRENT", ""}, {"MANIFEST-", ""}, {"", ".sst"},    {"", ".log"},
      {"LOG", ""},     {"IDENTITY", ""},  {"OPTIONS-", ""}};
  for (const auto& [begin, end] : kinds) {
    InEachGuise(begin, end, [&](const std::string& name, Guise guise) {
      const Status status = DestroyDB(path_, options_);
      if (guise == Guise::kDirectory) {
        ExpectRefused(status, name);
        EXPECT_EQ(ReadFileBytes(path_ + "/" + name + "/file"), "precious");
      } else {
        EXPECT_THAT(status, IsOk());
        EXPECT_FALSE(std::filesystem::exists(path_));
      }
    });
  }
}

// What is in the way of one file keeps no other.
TEST_F(HostileFilesTest, DestroyGoesOnBehindWhatItCannotRemove) {
  MakeDatabase(path_);
  const std::string table = Find(path_, "", ".sst");
  ASSERT_TRUE(Disguise(table, Guise::kDirectory));
  ExpectRefused(DestroyDB(path_, options_), table);
  std::set<std::string> left;
  for (const auto& entry : std::filesystem::directory_iterator(path_)) {
    left.insert(entry.path().filename());
  }
  EXPECT_THAT(left, testing::ElementsAre(table, "LOCK"));
}

TEST_F(HostileFilesTest, DestroyDoesNotFollowALinkThatIsCalledArchive) {
  MakeDatabase(path_);
  MakeDatabase(outside_);
  std::filesystem::create_directory_symlink(outside_, path_ + "/archive");
  const auto before = ReadTree(outside_);
  EXPECT_THAT(DestroyDB(path_, options_), IsOk());
  EXPECT_EQ(ReadTree(outside_), before) << "another database has lost files";
  EXPECT_FALSE(std::filesystem::exists(path_ + "/CURRENT"));
}

TEST_F(HostileFilesTest, DestroyKeepsWhatOthersHaveInTheArchive) {
  MakeDatabase(path_);
  std::filesystem::create_directory(path_ + "/archive");
  WriteFileBytes(path_ + "/archive/000001.log", "set aside");
  WriteFileBytes(path_ + "/archive/notes", "precious");
  EXPECT_THAT(DestroyDB(path_, options_), IsOk());
  EXPECT_FALSE(std::filesystem::exists(path_ + "/archive/000001.log"));
  EXPECT_EQ(ReadFileBytes(path_ + "/archive/notes"), "precious");
}

// A WAL that was not replayed whole is kept for whoever wants to look into it;
// not in a directory that is somebody else's.
TEST_F(HostileFilesTest, NothingIsSetAsideThroughALinkThatIsCalledArchive) {
  for (const bool is_link : {true, false}) {
    MakeDatabase(path_);
    const std::string wal = Find(path_, "", ".log");
    const std::string bytes = ReadFileBytes(path_ + "/" + wal);
    WriteFileBytes(path_ + "/" + wal, bytes.substr(0, bytes.size() - 1));
    std::filesystem::create_directories(outside_);
    if (is_link) {
      std::filesystem::create_directory_symlink(outside_, path_ + "/archive");
    }
    TestDatabase database;
    ASSERT_THAT(database.Open(options_, path_), IsOk());
    ASSERT_THAT(database.Close(), IsOk());
    EXPECT_THAT(ReadTree(outside_), testing::IsEmpty());
    EXPECT_EQ(std::filesystem::exists(path_ + "/archive/" + wal), !is_link);
  }
}

// ---- What is no attack.

// The directory is the caller's choice, whatever leads there.
TEST_F(HostileFilesTest, ADatabaseMayBeReachedThroughALink) {
  MakeDatabase(outside_);
  std::filesystem::create_directory_symlink(outside_, path_);
  TestDatabase database;
  for (const std::string& name : {path_, path_ + "/"}) {
    ASSERT_THAT(database.Open(options_, name), IsOk());
    EXPECT_EQ(database.ReadAll().at("default").size(), 2u);
    ASSERT_THAT(database.Close(), IsOk());
    ASSERT_THAT(database.OpenForReadOnly(options_, name), IsOk());
    ASSERT_THAT(database.Close(), IsOk());
  }
  EXPECT_THAT(DestroyDB(path_, options_), IsOk());
  EXPECT_FALSE(std::filesystem::exists(outside_ + "/CURRENT"));
}

TEST_F(HostileFilesTest, AnEmptyDirectoryMayBeReachedThroughALink) {
  std::filesystem::create_directory(outside_);
  std::filesystem::create_directory_symlink(outside_, path_);
  TestDatabase database;
  ASSERT_THAT(database.Open(options_, path_), IsOk());
  ASSERT_THAT(database->Put({}, "key", "value"), IsOk());
  ASSERT_THAT(database.Close(), IsOk());
  EXPECT_TRUE(std::filesystem::exists(outside_ + "/CURRENT"));
}

TEST_F(HostileFilesTest, WhatIsNoDirectoryIsNoDatabase) {
  for (const Guise guise : {Guise::kDeadLink, Guise::kFifo, Guise::kSocket}) {
    std::filesystem::remove_all(path_);
    std::filesystem::create_directories(outside_);
    if (guise == Guise::kDeadLink) {
      std::filesystem::create_symlink(outside_ + "/none", path_);
    } else if (guise == Guise::kFifo) {
      ASSERT_EQ(mkfifo(path_.c_str(), 0644), 0);
    } else {
      ASSERT_TRUE(MakeSocket(path_));
    }
    SCOPED_TRACE(NameOf(guise));
    TestDatabase database;
    ExpectRefused(database.Open(options_, path_), path_);
    ExpectRefused(database.OpenForReadOnly(options_, path_), path_);
    EXPECT_THAT(ReadTree(outside_), testing::IsEmpty());
  }
}

// ---- Who may read what is made.

TEST_F(HostileFilesTest, NobodyElseMayWriteTheFilesAndTheUmaskTakesMore) {
  struct Case {
    mode_t umask;
    mode_t file;
    mode_t directory;
  };
  for (const Case& c :
       {Case{0, 0644, 0755}, Case{077, 0600, 0700}, Case{027, 0640, 0750}}) {
    const mode_t before = umask(c.umask);
    MakeDatabase(path_);
    umask(before);
    struct stat info {};
    ASSERT_EQ(stat(path_.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 07777, c.directory);
    int files = 0;
    for (const auto& entry : std::filesystem::directory_iterator(path_)) {
      ASSERT_EQ(stat(entry.path().c_str(), &info), 0);
      EXPECT_EQ(info.st_mode & 07777, c.file) << entry.path();
      ++files;
    }
    EXPECT_GE(files, 8) << "of every kind of file there is one";
  }
}

}  // namespace
}  // namespace paceline
