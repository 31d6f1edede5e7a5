#include "src/db/obsolete_files.h"

#include <set>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "src/format/file_name.h"
#include "test/support/test_directory.h"

namespace paceline {
namespace {

using testing::UnorderedElementsAre;

class ObsoleteFilesTest : public testing::Test {
 protected:
  void Make(const std::string& path) { WriteFileBytes(path, "x"); }
  void Remove(const NeededFiles& needed) {
    RemoveObsoleteFiles(FileSystem::Default(), nullptr, directory_.path(),
                        needed);
  }
  std::set<std::string> Names() const {
    std::set<std::string> names;
    for (const auto& [name, bytes] : ReadDirectory(directory_.path())) {
      names.insert(name);
    }
    return names;
  }

  TestDirectory directory_;
};

TEST_F(ObsoleteFilesTest, TemporaryFilesStayWhileOthersMayBeWritingThem) {
  Make(TemporaryFileName(directory_.path(), 7));
  Make(TemporaryOptionsFileName(directory_.path(), 8));
  const std::set<std::string> all = Names();
  ASSERT_EQ(all.size(), 2u);
  Remove({});
  EXPECT_EQ(Names(), all);
  const std::set<uint64_t> no_tables;
  Remove({.tables = &no_tables});
  EXPECT_EQ(Names(), std::set<std::string>());
}

TEST_F(ObsoleteFilesTest, OnlyWhatNothingNeedsGoes) {
  for (uint64_t number : {5, 6}) {
    Make(WalFileName(directory_.path(), number));
    Make(ManifestFileName(directory_.path(), number));
    Make(TableFileName(directory_.path(), number));
  }
  Make(CurrentFileName(directory_.path()));
  Make(directory_ / "notes.txt");
  const std::set<uint64_t> tables = {5};
  Remove({.manifest_number = 6, .first_live_log = 6, .tables = &tables});
  EXPECT_THAT(Names(),
              UnorderedElementsAre("000005.sst", "000006.log", "CURRENT",
                                   "MANIFEST-000006", "notes.txt"));
}

}  // namespace
}  // namespace paceline
