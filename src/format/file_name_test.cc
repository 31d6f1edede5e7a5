#include "src/format/file_name.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gtest/gtest.h"

namespace paceline {
namespace {

void ExpectParsed(std::string_view name, FileType type, uint64_t number) {
  const std::optional<ParsedFileName> parsed = ParseFileName(name);
  ASSERT_TRUE(parsed.has_value()) << name;
  EXPECT_EQ(parsed->type, type) << name;
  EXPECT_EQ(parsed->number, number) << name;
}

TEST(FileNameTest, NumbersHaveAtLeastSixDigits) {
  EXPECT_EQ(WalFileName("db", 7), "db/000007.log");
  EXPECT_EQ(WalFileName("db", 999'999), "db/999999.log");
  EXPECT_EQ(WalFileName("db", 1'000'000), "db/1000000.log");
  EXPECT_EQ(WalFileName("db", UINT64_MAX), "db/18446744073709551615.log");
}

TEST(FileNameTest, NamesAreTheOnesOfTheFormat) {
  EXPECT_EQ(ManifestBaseName(5), "MANIFEST-000005");
  EXPECT_EQ(ManifestFileName("/a/db", 5), "/a/db/MANIFEST-000005");
  EXPECT_EQ(CurrentFileName("db"), "db/CURRENT");
  EXPECT_EQ(IdentityFileName("db"), "db/IDENTITY");
  EXPECT_EQ(LockFileName("db"), "db/LOCK");
  EXPECT_EQ(InfoLogFileName("db"), "db/LOG");
  EXPECT_EQ(OldInfoLogFileName("db", 1234567890), "db/LOG.old.1234567890");
  EXPECT_EQ(OptionsFileName("db", 5), "db/OPTIONS-000005");
  EXPECT_EQ(TemporaryFileName("db", 5), "db/000005.dbtmp");
  EXPECT_EQ(TemporaryOptionsFileName("db", 5), "db/OPTIONS-000005.dbtmp");
  EXPECT_EQ(ArchiveDirectory("db"), "db/archive");
}

TEST(FileNameTest, NamesAreParsed) {
  ExpectParsed("CURRENT", FileType::kCurrent, 0);
  ExpectParsed("IDENTITY", FileType::kIdentity, 0);
  ExpectParsed("LOCK", FileType::kLock, 0);
  ExpectParsed("LOG", FileType::kInfoLog, 0);
  ExpectParsed("LOG.old.1234567890", FileType::kInfoLog, 1234567890);
  ExpectParsed("000007.log", FileType::kWal, 7);
  ExpectParsed("000007.sst", FileType::kTable, 7);
  ExpectParsed("000007.ldb", FileType::kTable, 7);
  ExpectParsed("000007.blob", FileType::kBlob, 7);
  ExpectParsed("000007.dbtmp", FileType::kTemporary, 7);
  ExpectParsed("MANIFEST-000007", FileType::kManifest, 7);
  ExpectParsed("OPTIONS-000007", FileType::kOptions, 7);
  ExpectParsed("OPTIONS-000007.dbtmp", FileType::kTemporary, 7);
  ExpectParsed("1000000.log", FileType::kWal, 1'000'000);
}

TEST(FileNameTest, EveryNameThatIsMadeIsParsed) {
  for (uint64_t number : {uint64_t{0}, uint64_t{1}, uint64_t{123'456},
                          uint64_t{12'345'678}, kFileNumberMax}) {
    auto base = [](const std::string& path) {
      return path.substr(path.rfind('/') + 1);
    };
    ExpectParsed(base(WalFileName("d", number)), FileType::kWal, number);
    ExpectParsed(base(ManifestFileName("d", number)), FileType::kManifest,
                 number);
    ExpectParsed(base(OptionsFileName("d", number)), FileType::kOptions,
                 number);
    ExpectParsed(base(TemporaryFileName("d", number)), FileType::kTemporary,
                 number);
    ExpectParsed(base(TemporaryOptionsFileName("d", number)),
                 FileType::kTemporary, number);
    ExpectParsed(base(OldInfoLogFileName("d", number)), FileType::kInfoLog,
                 number);
  }
}

// Obsolete files are deleted by what their names say.
TEST(FileNameTest, OtherNamesAreNobodys) {
  const std::vector<std::string_view> names = {"",
                                               ".",
                                               "..",
                                               "CURRENT ",
                                               "current",
                                               "CURRENT.bak",
                                               "LOCKED",
                                               "LOG.old",
                                               "LOG.old.",
                                               "LOG.old.12x",
                                               "LOG.1",
                                               "000007",
                                               "000007.",
                                               "000007.LOG",
                                               "000007.log.bak",
                                               "000007.log~",
                                               "x000007.log",
                                               "000007x.log",
                                               "-00007.log",
                                               "+00007.log",
                                               " 00007.log",
                                               "0x0007.log",
                                               ".log",
                                               ".sst",
                                               ".dbtmp",
                                               "archive",
                                               "MANIFEST",
                                               "MANIFEST-",
                                               "MANIFEST--5",
                                               "MANIFEST-5x",
                                               "MANIFEST-000005.dbtmp",
                                               "OPTIONS-",
                                               "OPTIONS-.dbtmp",
                                               "OPTIONS-5.bak",
                                               "METADB-000005",
                                               "COMPACTION_PROGRESS-000005",
                                               "000007/000008.log",
                                               "4611686018427387904.log",
                                               "18446744073709551615.log",
                                               "18446744073709551616.log",
                                               "99999999999999999999.log"};
  for (std::string_view name : names) {
    EXPECT_FALSE(ParseFileName(name).has_value()) << name;
  }
  EXPECT_FALSE(ParseFileName(std::string_view("000007\0.log", 11)).has_value());
  EXPECT_FALSE(ParseFileName(std::string_view("CURRENT\0", 8)).has_value());
}

}  // namespace
}  // namespace paceline
