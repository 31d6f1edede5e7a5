#include "src/version/manifest_state.h"

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "src/base/coding.h"
#include "src/wal/log_writer.h"
#include "test/support/fault_file_system.h"
#include "test/support/test_directory.h"

namespace paceline {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

template <typename Fill>
VersionEdit Edit(Fill fill) {
  VersionEdit edit;
  fill(&edit);
  return edit;
}

VersionEdit AddFamily(uint32_t id, const std::string& name) {
  return Edit([&](VersionEdit* edit) {
    edit->family_id = id;
    edit->added_family = name;
  });
}
VersionEdit DropFamily(uint32_t id) {
  return Edit([&](VersionEdit* edit) {
    edit->family_id = id;
    edit->drops_family = true;
  });
}
VersionEdit LogNumber(uint32_t id, uint64_t log_number) {
  return Edit([&](VersionEdit* edit) {
    edit->family_id = id;
    edit->log_number = log_number;
  });
}
VersionEdit Files(std::vector<VersionEdit::DeletedFile> deleted,
                  const std::vector<std::pair<int, uint64_t>>& added) {
  return Edit([&](VersionEdit* edit) {
    edit->deleted_files = std::move(deleted);
    for (const auto& [level, number] : added) {
      VersionEdit::AddedFile file;
      file.level = level;
      file.file.number = number;
      file.file.size = 100 * number;
      file.file.smallest = "smallest12345678";
      file.file.largest = "smallest1234567" + std::to_string(number);
      edit->added_files.push_back(file);
    }
  });
}
// The three fields that a MANIFEST must have.
VersionEdit Required() {
  return Edit([](VersionEdit* edit) {
    edit->log_number = 4;
    edit->next_file_number = 20;
    edit->last_sequence = 100;
  });
}
VersionEdit InGroup(VersionEdit edit, uint32_t remaining) {
  edit.remaining_in_group = remaining;
  return edit;
}

// ---- The state alone.

class ManifestStateTest : public testing::Test {
 protected:
  void Apply(const VersionEdit& edit) {
    const Status s = state_.Apply(edit);
    EXPECT_TRUE(s.ok()) << s.ToString();
  }
  void ExpectContradiction(const VersionEdit& edit, const std::string& text) {
    ManifestState state = state_;
    const Status s = state.Apply(edit);
    EXPECT_TRUE(s.IsCorruption());
    EXPECT_THAT(s.ToString(), HasSubstr(text));
  }

  ManifestState state_ = ManifestState::Empty();
};

TEST_F(ManifestStateTest, TheDefaultFamilyIsThereFromTheStart) {
  ASSERT_EQ(state_.families.size(), 1u);
  EXPECT_EQ(state_.families.at(0).name, "default");
  EXPECT_EQ(state_.FamilyIdByName("default"), 0u);
  ExpectContradiction(AddFamily(0, "default"), "added again");
  ExpectContradiction(DropFamily(0), "dropped");
}

TEST_F(ManifestStateTest, FamiliesAreAddedAndDropped) {
  Apply(AddFamily(3, "three"));
  EXPECT_EQ(state_.FamilyIdByName("three"), 3u);
  EXPECT_EQ(state_.max_family_id, 3u);
  ExpectContradiction(AddFamily(3, "again"), "column family 3");
  Apply(DropFamily(3));
  EXPECT_EQ(state_.FamilyIdByName("three"), std::nullopt);
  EXPECT_EQ(state_.max_family_id, 3u) << "ids are not used again";
  ExpectContradiction(DropFamily(3), "column family 3 does not exist");
  ExpectContradiction(LogNumber(3, 9), "column family 3 does not exist");
}

TEST_F(ManifestStateTest, AFamilyIsDroppedWithItsFiles) {
  Apply(AddFamily(1, "one"));
  VersionEdit files = Files({}, {{0, 7}});
  files.family_id = 1;
  Apply(files);
  Apply(DropFamily(1));
  Apply(AddFamily(2, "one"));
  EXPECT_TRUE(state_.families.at(2).files.empty());
}

TEST_F(ManifestStateTest, OfDatabaseFieldsTheLastSeenWins) {
  Apply(Edit([](VersionEdit* edit) {
    edit->next_file_number = 9;
    edit->last_sequence = 90;
    edit->database_id = "first";
  }));
  Apply(Edit([](VersionEdit* edit) {
    edit->next_file_number = 8;
    edit->last_sequence = 80;
    edit->database_id = "second";
  }));
  EXPECT_EQ(state_.next_file_number, 8u);
  EXPECT_EQ(state_.last_sequence, 80u);
  EXPECT_EQ(state_.database_id, "second");
}

TEST_F(ManifestStateTest, LogNumbersAndTheMinLogNumberOnlyIncrease) {
  for (uint64_t number : {5, 9, 7}) {
    Apply(Edit([&](VersionEdit* edit) {
      edit->log_number = number;
      edit->min_log_number_to_keep = number;
    }));
  }
  EXPECT_EQ(state_.families.at(0).log_number, 9u);
  EXPECT_EQ(state_.min_log_number_to_keep, 9u);
}

TEST_F(ManifestStateTest, TheFirstLiveLogIsNeededByTheFamilyFurthestBehind) {
  EXPECT_EQ(state_.FirstLiveLog(), 0u);
  Apply(LogNumber(0, 9));
  Apply(AddFamily(1, "one"));
  EXPECT_EQ(state_.FirstLiveLog(), 0u);
  Apply(LogNumber(1, 6));
  EXPECT_EQ(state_.FirstLiveLog(), 6u);
  Apply(Edit([](VersionEdit* edit) { edit->min_log_number_to_keep = 7; }));
  EXPECT_EQ(state_.FirstLiveLog(), 7u);
  Apply(DropFamily(1));
  EXPECT_EQ(state_.FirstLiveLog(), 9u);
}

TEST_F(ManifestStateTest, WithinAnEditFilesAreDeletedBeforeTheyAreAdded) {
  Apply(Files({}, {{0, 7}, {0, 8}}));
  Apply(Files({{0, 7}}, {{1, 7}}));
  const auto& files = state_.families.at(0).files;
  ASSERT_EQ(files.size(), 2u);
  EXPECT_EQ(files.at(7).level, 1);
  EXPECT_EQ(files.at(8).level, 0);
  EXPECT_EQ(files.at(7).metadata->size, 700u);
}

TEST_F(ManifestStateTest, FilesThatContradictTheStateAreRefused) {
  Apply(Files({}, {{1, 7}}));
  ExpectContradiction(Files({{0, 7}}, {}), "file 7");
  ExpectContradiction(Files({{1, 8}}, {}), "file 8");
  ExpectContradiction(Files({}, {{1, 7}}), "file 7");
  ExpectContradiction(Files({}, {{2, 7}}), "file 7");
}

TEST_F(ManifestStateTest, TheComparatorNameIsTheFamilysOwn) {
  Apply(AddFamily(1, "one"));
  Apply(Edit([](VersionEdit* edit) {
    edit->family_id = 1;
    edit->comparator_name = "order";
  }));
  EXPECT_EQ(state_.families.at(0).comparator_name, "");
  EXPECT_EQ(state_.families.at(1).comparator_name, "order");
}

TEST_F(ManifestStateTest, ItsEditsMakeTheSameStateAgain) {
  Apply(Required());
  Apply(AddFamily(2, "two"));
  Apply(AddFamily(5, "five"));
  Apply(DropFamily(5));
  Apply(LogNumber(2, 11));
  VersionEdit files = Files({}, {{0, 7}, {6, 8}});
  files.family_id = 2;
  files.added_files[1].file.epoch_number = 3;
  Apply(files);
  Apply(Edit([](VersionEdit* edit) {
    edit->comparator_name = "order";
    edit->min_log_number_to_keep = 3;
    edit->database_id = "id";
  }));
  ManifestState again = ManifestState::Empty();
  for (const VersionEdit& edit : state_.ToEdits()) {
    ASSERT_TRUE(again.Apply(edit).ok());
  }
  EXPECT_EQ(again.next_file_number, state_.next_file_number);
  EXPECT_EQ(again.last_sequence, state_.last_sequence);
  EXPECT_EQ(again.max_family_id, 5u);
  EXPECT_EQ(again.min_log_number_to_keep, 3u);
  EXPECT_EQ(again.database_id, "id");
  ASSERT_EQ(again.families.size(), 2u);
  EXPECT_EQ(again.families.at(0).comparator_name, "order");
  EXPECT_EQ(again.families.at(0).log_number, 4u);
  EXPECT_EQ(again.families.at(2).name, "two");
  EXPECT_EQ(again.families.at(2).log_number, 11u);
  EXPECT_TRUE(again.families.at(0).files.empty());
  const auto& found = again.families.at(2).files;
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found.at(7).level, 0);
  EXPECT_EQ(found.at(7).metadata->largest, "smallest12345677");
  EXPECT_EQ(found.at(8).level, 6);
  EXPECT_EQ(found.at(8).metadata->epoch_number, 3u);
}

// RocksDB passes over the tables of one that does both.
TEST_F(ManifestStateTest, NoneOfItsEditsAddsAFamilyAndATable) {
  Apply(AddFamily(2, "two"));
  VersionEdit files = Files({}, {{0, 7}});
  files.family_id = 2;
  Apply(files);
  for (const VersionEdit& edit : state_.ToEdits()) {
    EXPECT_TRUE(!edit.added_family || edit.added_files.empty());
  }
}

TEST_F(ManifestStateTest, TheMarkOfACleanEndHoldsUntilTheNextEdit) {
  Apply(Required());
  EXPECT_FALSE(state_.is_closed_cleanly);
  Apply(Edit([](VersionEdit* edit) { edit->is_closed_cleanly = true; }));
  EXPECT_TRUE(state_.is_closed_cleanly);
  Apply(VersionEdit());
  EXPECT_FALSE(state_.is_closed_cleanly);
}

// ---- CURRENT and the MANIFEST.

class ReadManifestTest : public testing::Test {
 protected:
  static constexpr uint64_t kNumber = 5;

  // Writes MANIFEST-000005 with a record for each string; returns where each
  // begins.
  std::vector<uint64_t> WriteManifest(const std::vector<std::string>& records) {
    std::filesystem::remove(manifest_);
    auto file = files_->NewWritableFile(manifest_, {});
    EXPECT_TRUE(file.ok()) << file.status().ToString();
    LogWriter writer(*std::move(file));
    std::vector<uint64_t> offsets;
    for (const std::string& record : records) {
      offsets.push_back(writer.size());
      EXPECT_TRUE(writer.AddRecord(record).ok());
    }
    EXPECT_TRUE(writer.Close().ok());
    return offsets;
  }
  std::vector<uint64_t> WriteManifest(const std::vector<VersionEdit>& edits) {
    std::vector<std::string> records;
    for (const VersionEdit& edit : edits) {
      edit.EncodeTo(&records.emplace_back());
    }
    return WriteManifest(records);
  }
  void WriteCurrent(const std::string& text) {
    WriteFileBytes(directory_ / "CURRENT", text);
  }

  StatusOr<ReadManifestResult> Read() {
    return ReadManifest(files_, directory_.path());
  }
  ManifestState ReadGood() {
    auto result = Read();
    EXPECT_TRUE(result.ok()) << result.status().ToString();
    if (!result.ok()) return {};
    EXPECT_EQ(result->manifest_number, kNumber);
    return result->state;
  }
  void ExpectCorruption(const std::vector<std::string>& texts) {
    auto result = Read();
    ASSERT_FALSE(result.ok());
    EXPECT_TRUE(result.status().IsCorruption()) << result.status().ToString();
    for (const std::string& text : texts) {
      EXPECT_THAT(result.status().ToString(), HasSubstr(text));
    }
  }

  TestDirectory directory_;
  FileSystem* const files_ = FileSystem::Default();
  const std::string manifest_ = directory_ / "MANIFEST-000005";
};

// A directory whose CURRENT is good.
class ReadManifestWithCurrentTest : public ReadManifestTest {
 protected:
  ReadManifestWithCurrentTest() { WriteCurrent("MANIFEST-000005\n"); }
};

// Three edits: the comparator, {log number, last sequence}, {next file}.
constexpr unsigned char kEmptyDatabaseOfRocksDB[] = {
    0x56, 0xf9, 0xb8, 0xf8, 0x1c, 0x00, 0x01, 0x01, 0x1a, 0x6c, 0x65, 0x76,
    0x65, 0x6c, 0x64, 0x62, 0x2e, 0x42, 0x79, 0x74, 0x65, 0x77, 0x69, 0x73,
    0x65, 0x43, 0x6f, 0x6d, 0x70, 0x61, 0x72, 0x61, 0x74, 0x6f, 0x72, 0xf4,
    0x03, 0x0c, 0x5a, 0x04, 0x00, 0x01, 0x02, 0x00, 0x04, 0x00, 0xfc, 0x2c,
    0x26, 0xf9, 0x06, 0x00, 0x01, 0x09, 0x00, 0x03, 0x06, 0x04, 0x00};

TEST_F(ReadManifestWithCurrentTest, TheManifestOfAnEmptyRocksDBIsRead) {
  WriteFileBytes(manifest_,
                 {reinterpret_cast<const char*>(kEmptyDatabaseOfRocksDB),
                  sizeof(kEmptyDatabaseOfRocksDB)});
  const ManifestState state = ReadGood();
  EXPECT_EQ(state.next_file_number, 6u);
  EXPECT_EQ(state.last_sequence, 0u);
  ASSERT_EQ(state.families.size(), 1u);
  EXPECT_EQ(state.families.at(0).comparator_name, "leveldb.BytewiseComparator");
  EXPECT_EQ(state.families.at(0).log_number, 0u);
}

TEST_F(ReadManifestTest, WithoutCurrentThePathIsNotFound) {
  auto result = Read();
  EXPECT_TRUE(result.status().IsPathNotFound());
  EXPECT_THAT(result.status().ToString(), HasSubstr(directory_ / "CURRENT"));
}

TEST_F(ReadManifestTest, CurrentMustEndInANewline) {
  WriteManifest({Required()});
  WriteCurrent("MANIFEST-000005");
  ExpectCorruption({directory_ / "CURRENT", "newline"});
  WriteCurrent("");
  ExpectCorruption({directory_ / "CURRENT", "newline"});
}

TEST_F(ReadManifestTest, CurrentMustNameAManifestOfItsDirectory) {
  WriteManifest({Required()});
  std::filesystem::create_directory(directory_ / "sub");
  for (const char* text : {"\n",
                           "../MANIFEST-000005\n",
                           "/tmp/MANIFEST-000005\n",
                           "./MANIFEST-000005\n",
                           "sub/../MANIFEST-000005\n",
                           "MANIFEST-000005/\n",
                           "MANIFEST-000005/../x\n",
                           "MANIFEST-\n",
                           "MANIFEST-5x\n",
                           "MANIFEST--5\n",
                           "MANIFEST- 5\n",
                           "manifest-000005\n",
                           "CURRENT\n",
                           "000005.log\n",
                           "MANIFEST-000005\n\n",
                           "MANIFEST-000005\r\n",
                           " MANIFEST-000005\n",
                           "MANIFEST-000005 \n",
                           "MANIFEST-000005\nMANIFEST-000005\n",
                           "MANIFEST-99999999999999999999\n"}) {
    WriteCurrent(text);
    ExpectCorruption({directory_ / "CURRENT", "does not name a MANIFEST"});
  }
  WriteCurrent(std::string("MANIFEST-000005\0\n", 17));
  ExpectCorruption({directory_ / "CURRENT", "does not name a MANIFEST"});
}

TEST_F(ReadManifestTest, AHugeCurrentIsCorruption) {
  WriteCurrent(std::string(1 << 20, '\n'));
  ExpectCorruption({directory_ / "CURRENT", "too large"});
}

TEST_F(ReadManifestWithCurrentTest, AMissingManifestIsCorruptionNotNoDatabase) {
  ExpectCorruption({directory_ / "CURRENT", manifest_, "missing"});
}

TEST_F(ReadManifestWithCurrentTest, EveryRecordIsApplied) {
  WriteManifest({Required(), AddFamily(1, "one"), LogNumber(1, 8)});
  const ManifestState state = ReadGood();
  EXPECT_EQ(state.next_file_number, 20u);
  EXPECT_EQ(state.last_sequence, 100u);
  EXPECT_EQ(state.families.at(0).log_number, 4u);
  EXPECT_EQ(state.families.at(1).log_number, 8u);
}

// The largest one there is would be handed on to new entries.
TEST_F(ReadManifestWithCurrentTest, AFileOfTheOldestFormHasTheLastSequence) {
  std::string required;
  Required().EncodeTo(&required);
  std::string added;
  for (uint64_t number : {7, 0, 11, 100}) PutVarint64(&added, number);
  PutLengthPrefixed(&added, "smallest12345678");
  PutLengthPrefixed(&added, "smallest12345679");
  WriteManifest(std::vector<std::string>{added, required});
  const ManifestState state = ReadGood();
  const FileMetaData& file = *state.families.at(0).files.at(11).metadata;
  EXPECT_EQ(file.smallest_sequence, 0u);
  EXPECT_EQ(file.largest_sequence, 100u);
}

TEST_F(ReadManifestWithCurrentTest, FamiliesHaveNeitherNamesNorFilesInCommon) {
  WriteManifest({Required(), AddFamily(1, "one"), AddFamily(2, "one")});
  ExpectCorruption({manifest_, "two column families have the name one"});
  WriteManifest({Required(), AddFamily(1, "default")});
  ExpectCorruption({manifest_, "two column families have the name default"});
  WriteManifest(
      {Required(), AddFamily(1, "one"), DropFamily(1), AddFamily(2, "one")});
  EXPECT_EQ(ReadGood().FamilyIdByName("one"), 2u);

  VersionEdit in_family = Files({}, {{3, 7}});
  in_family.family_id = 1;
  const VersionEdit files = Files({}, {{0, 7}});
  WriteManifest({Required(), AddFamily(1, "one"), files, in_family});
  ExpectCorruption({manifest_, "file 7 is in two column families"});
  WriteManifest({Required(), AddFamily(1, "one"), files,
                 Files({{0, 7}}, {{0, 8}}), in_family});
  EXPECT_EQ(ReadGood().families.at(1).files.size(), 1u);
}

TEST_F(ReadManifestWithCurrentTest, EmptyRecordsAreEmptyEdits) {
  WriteManifest({VersionEdit(), Required(), VersionEdit()});
  EXPECT_EQ(ReadGood().next_file_number, 20u);
}

TEST_F(ReadManifestWithCurrentTest, RequiredFieldsMayBeInSeveralRecords) {
  WriteManifest({LogNumber(0, 0),
                 Edit([](VersionEdit* edit) { edit->next_file_number = 2; }),
                 Edit([](VersionEdit* edit) { edit->last_sequence = 0; })});
  EXPECT_EQ(ReadGood().next_file_number, 2u);
}

TEST_F(ReadManifestWithCurrentTest, AFieldThatNoRecordGivesIsCorruption) {
  VersionEdit edit = Required();
  edit.log_number.reset();
  WriteManifest({edit});
  ExpectCorruption({manifest_, "log number"});
  edit = Required();
  edit.next_file_number.reset();
  WriteManifest({edit});
  ExpectCorruption({manifest_, "next file number"});
  edit = Required();
  edit.last_sequence.reset();
  WriteManifest({edit});
  ExpectCorruption({manifest_, "last sequence"});
  WriteManifest(std::vector<VersionEdit>());
  ExpectCorruption({manifest_});
}

TEST_F(ReadManifestWithCurrentTest, ATornLastRecordIsIgnored) {
  WriteManifest({Required()});
  const uintmax_t whole = std::filesystem::file_size(manifest_);
  WriteManifest({Required(), AddFamily(1, "torn")});
  const std::string bytes = ReadFileBytes(manifest_);
  for (size_t size = whole; size < bytes.size(); ++size) {
    WriteFileBytes(manifest_, bytes.substr(0, size));
    EXPECT_EQ(ReadGood().families.size(), 1u) << size;
  }
  WriteFileBytes(manifest_, bytes);
  EXPECT_EQ(ReadGood().families.size(), 2u);
}

TEST_F(ReadManifestWithCurrentTest, ATornRecordOfManyBlocksIsIgnored) {
  WriteManifest({Required(), AddFamily(1, std::string(100'000, 'n'))});
  const std::string bytes = ReadFileBytes(manifest_);
  for (size_t size : {50'000, 65'536, 65'540, 90'000}) {
    WriteFileBytes(manifest_, bytes.substr(0, size));
    EXPECT_EQ(ReadGood().families.size(), 1u) << size;
  }
}

TEST_F(ReadManifestWithCurrentTest, DamageNamesTheFileAndTheOffset) {
  const auto offsets =
      WriteManifest({Required(), AddFamily(1, "one"), AddFamily(2, "two")});
  const std::string bytes = ReadFileBytes(manifest_);
  for (uint64_t offset : {offsets[0], offsets[1]}) {
    std::string damaged = bytes;
    char& byte = damaged[offset + log::kHeaderBytes];
    byte = static_cast<char>(byte ^ 1);
    WriteFileBytes(manifest_, damaged);
    ExpectCorruption({manifest_, "offset " + std::to_string(offset)});
  }
}

// What looks like the end of the file is none if records follow it.
TEST_F(ReadManifestWithCurrentTest, ALengthThatPassesTheEndHidesNoRecords) {
  const auto offsets =
      WriteManifest({Required(), AddFamily(1, "one"), AddFamily(2, "two")});
  const std::string bytes = ReadFileBytes(manifest_);
  constexpr size_t kLengthEnd = 5;  // Its more significant byte.
  for (uint64_t offset : offsets) {
    std::string damaged = bytes;
    damaged[offset + kLengthEnd] = '\x40';
    WriteFileBytes(manifest_, damaged);
    if (offset == offsets.back()) {
      EXPECT_EQ(ReadGood().families.size(), 2u);
      EXPECT_TRUE(Read()->is_cut_short);
    } else {
      ExpectCorruption({manifest_, "offset " + std::to_string(offset),
                        "records follow a damaged one"});
    }
  }
}

TEST_F(ReadManifestWithCurrentTest, ZerosHideNoRecords) {
  const auto offsets =
      WriteManifest({Required(), AddFamily(1, "one"), AddFamily(2, "two")});
  std::string damaged = ReadFileBytes(manifest_);
  std::fill(damaged.begin() + static_cast<ptrdiff_t>(offsets[1]),
            damaged.begin() + static_cast<ptrdiff_t>(offsets[2]), '\0');
  WriteFileBytes(manifest_, damaged);
  ExpectCorruption({manifest_, "offset " + std::to_string(offsets[1]),
                    "records follow unwritten space"});
}

TEST_F(ReadManifestWithCurrentTest, ZerosHideNoRecordsOfTheNextBlock) {
  std::vector<VersionEdit> edits = {Required()};
  for (uint32_t id = 1; id <= 40; ++id) {
    edits.push_back(AddFamily(id, std::string(1000, 'n') + std::to_string(id)));
  }
  const auto offsets = WriteManifest(edits);
  ASSERT_GT(offsets.back(), log::kBlockBytes);
  std::string damaged = ReadFileBytes(manifest_);
  const uint64_t begin = offsets[20];
  std::fill(damaged.begin() + static_cast<ptrdiff_t>(begin),
            damaged.begin() + log::kBlockBytes, '\0');
  // The rest of the record that began in front of the block is none by itself.
  const auto next =
      std::lower_bound(offsets.begin(), offsets.end(), log::kBlockBytes);
  std::string rest = damaged.substr(*next);
  damaged.resize(log::kBlockBytes);
  WriteFileBytes(manifest_, damaged + rest);
  ExpectCorruption({manifest_, "records follow unwritten space"});
}

TEST_F(ReadManifestWithCurrentTest, ZerosAndTornRecordsAtItsEndAreIgnored) {
  WriteManifest({Required()});
  std::string bytes = ReadFileBytes(manifest_);
  EXPECT_FALSE(Read()->is_cut_short);
  WriteManifest({AddFamily(1, "torn")});
  const std::string torn = ReadFileBytes(manifest_);
  for (const std::string& tail :
       {std::string(100, '\0'), std::string(70'000, '\0'),
        torn.substr(0, torn.size() - 1),
        std::string(100, '\0') + torn.substr(7)}) {
    WriteFileBytes(manifest_, bytes + tail);
    EXPECT_EQ(ReadGood().families.size(), 1u);
    EXPECT_TRUE(Read()->is_cut_short);
  }
}

TEST_F(ReadManifestWithCurrentTest, AGroupThatWasCutOffCutsTheManifestShort) {
  WriteManifest({Required(), InGroup(AddFamily(1, "one"), 1)});
  EXPECT_TRUE(Read()->is_cut_short);
  WriteManifest({Required(), InGroup(AddFamily(1, "one"), 0)});
  EXPECT_FALSE(Read()->is_cut_short);
}

// A power cut may leave any sectors of what was not synced.
TEST_F(ReadManifestWithCurrentTest, ADamagedLastRecordIsIgnored) {
  const auto offsets = WriteManifest({Required(), AddFamily(1, "torn")});
  std::string bytes = ReadFileBytes(manifest_);
  bytes[offsets[1] + log::kHeaderBytes] ^= 1;
  WriteFileBytes(manifest_, bytes);
  EXPECT_EQ(ReadGood().families.size(), 1u);
}

TEST_F(ReadManifestWithCurrentTest, ADamagedLastGroupIsIgnored) {
  VersionEdit first = AddFamily(1, "one");
  first.remaining_in_group = 1;
  VersionEdit second = AddFamily(2, "two");
  second.remaining_in_group = 0;
  const auto offsets = WriteManifest({Required(), first, second});
  std::string bytes = ReadFileBytes(manifest_);
  bytes[offsets[1] + log::kHeaderBytes] ^= 1;
  WriteFileBytes(manifest_, bytes);
  EXPECT_EQ(ReadGood().families.size(), 1u);

  WriteManifest({Required(), first, second, VersionEdit()});
  bytes = ReadFileBytes(manifest_);
  bytes[offsets[1] + log::kHeaderBytes] ^= 1;
  WriteFileBytes(manifest_, bytes);
  ExpectCorruption({manifest_, "offset " + std::to_string(offsets[1])});
}

TEST_F(ReadManifestWithCurrentTest, ABadEditNamesTheFileAndTheOffset) {
  std::string good;
  Required().EncodeTo(&good);
  const auto offsets = WriteManifest(std::vector<std::string>{good, "\x63"});
  ExpectCorruption(
      {manifest_, "offset " + std::to_string(offsets[1]), "unknown tag 99"});
}

TEST_F(ReadManifestWithCurrentTest, AContradictionNamesTheFileAndTheOffset) {
  const auto offsets =
      WriteManifest({Required(), AddFamily(1, "one"), AddFamily(1, "two")});
  ExpectCorruption({manifest_, "offset " + std::to_string(offsets[2]),
                    "column family 1 is added again"});
}

TEST_F(ReadManifestWithCurrentTest, WhatIsNotSupportedIsSaidSo) {
  std::string good;
  Required().EncodeTo(&good);
  std::string blob;
  PutVarint32(&blob, 400);
  const auto offsets = WriteManifest(std::vector<std::string>{good, blob});
  const Status s = Read().status();
  EXPECT_TRUE(s.IsNotSupported());
  EXPECT_THAT(s.ToString(), HasSubstr(manifest_ + " at offset " +
                                      std::to_string(offsets[1])));
}

TEST_F(ReadManifestWithCurrentTest, AFailedReadIsNotCorruption) {
  WriteManifest({Required()});
  for (const char* path_end : {"CURRENT", "MANIFEST-000005"}) {
    for (const char* name : {"NewSequentialFile", "Read"}) {
      FaultFileSystem faults;
      faults.Arm({.operation = 1, .name = name, .path_end = path_end});
      const auto result = ReadManifest(&faults, directory_.path());
      EXPECT_TRUE(result.status().IsIOError()) << result.status().ToString();
      EXPECT_FALSE(result.status().IsPathNotFound());
    }
  }
}

// ---- Atomic groups.

TEST_F(ReadManifestWithCurrentTest, AWholeGroupIsApplied) {
  WriteManifest({Required(), InGroup(AddFamily(1, "one"), 2),
                 InGroup(AddFamily(2, "two"), 1), InGroup(LogNumber(1, 9), 0),
                 AddFamily(3, "three")});
  const ManifestState state = ReadGood();
  EXPECT_EQ(state.families.size(), 4u);
  EXPECT_EQ(state.families.at(1).log_number, 9u);
}

TEST_F(ReadManifestWithCurrentTest, AGroupOfOneIsApplied) {
  WriteManifest({InGroup(Required(), 0), InGroup(AddFamily(1, "one"), 0)});
  EXPECT_EQ(ReadGood().families.size(), 2u);
}

TEST_F(ReadManifestWithCurrentTest, AGroupThatWasCutOffIsDroppedAsAWhole) {
  WriteManifest({Required(), InGroup(AddFamily(1, "one"), 2),
                 InGroup(AddFamily(2, "two"), 1)});
  EXPECT_EQ(ReadGood().families.size(), 1u);
}

TEST_F(ReadManifestWithCurrentTest, FieldsOfAGroupThatWasCutOffAreNotSeen) {
  VersionEdit without_log = Required();
  without_log.log_number.reset();
  WriteManifest({without_log, InGroup(LogNumber(0, 4), 1)});
  ExpectCorruption({manifest_, "log number"});
}

TEST_F(ReadManifestWithCurrentTest, AGroupThatIsInterruptedIsCorruption) {
  const auto offsets =
      WriteManifest({Required(), InGroup(AddFamily(1, "one"), 1),
                     AddFamily(2, "two"), InGroup(AddFamily(3, "three"), 0)});
  ExpectCorruption(
      {manifest_, "offset " + std::to_string(offsets[2]), "atomic group"});
}

TEST_F(ReadManifestWithCurrentTest, AGroupThatDoesNotCountDownIsCorruption) {
  for (uint32_t second : {0, 2, 3}) {
    WriteManifest({Required(), InGroup(AddFamily(1, "one"), 2),
                   InGroup(AddFamily(2, "two"), second)});
    ExpectCorruption({manifest_, "atomic group"});
  }
}

// ---- Writing CURRENT.

TEST_F(ReadManifestTest, SetCurrentNamesTheManifestAndReplacesTheOldOne) {
  for (uint64_t number : {7, 1'234'567}) {
    ASSERT_TRUE(SetCurrent(files_, directory_.path(), number).ok());
    const auto found = ReadDirectory(directory_.path());
    ASSERT_EQ(found.size(), 1u);
    EXPECT_EQ(found.at("CURRENT"),
              number == 7 ? "MANIFEST-000007\n" : "MANIFEST-1234567\n");
  }
}

TEST_F(ReadManifestTest, CurrentIsSyncedBeforeAndAfterItIsRenamed) {
  FaultFileSystem files;
  ASSERT_TRUE(SetCurrent(&files, directory_.path(), 7).ok());
  std::vector<std::string> names;
  for (const FileOperation& operation : files.operations()) {
    names.push_back(operation.name);
  }
  EXPECT_THAT(names,
              ElementsAre("FileExists", "NewWritableFile", "Append", "Sync",
                          "Close", "RenameFile", "SyncDirectory"));
}

TEST_F(ReadManifestTest, ATemporaryFileOfAProcessThatDiedIsReplaced) {
  WriteFileBytes(directory_ / "000007.dbtmp", "MANIF");
  ASSERT_TRUE(SetCurrent(files_, directory_.path(), 7).ok());
  EXPECT_EQ(ReadFileBytes(directory_ / "CURRENT"), "MANIFEST-000007\n");
}

TEST_F(ReadManifestTest, WhateverFailsCurrentIsTheOldOrTheNewOne) {
  const std::string old_current = "MANIFEST-000005\n";
  FaultFileSystem files;
  bool has_failed = true;
  for (uint64_t operation = 1; has_failed; ++operation) {
    WriteCurrent(old_current);
    files.Arm({.operation = operation});
    const Status s = SetCurrent(&files, directory_.path(), 7);
    has_failed = files.has_failed();
    EXPECT_NE(s.ok(), has_failed);
    const auto found = ReadDirectory(directory_.path());
    EXPECT_EQ(found.size(), 1u) << "a temporary file is left";
    const bool is_new = found.at("CURRENT") == "MANIFEST-000007\n";
    EXPECT_TRUE(is_new || found.at("CURRENT") == old_current);
    EXPECT_TRUE(is_new || !s.ok());
  }
}

TEST_F(ReadManifestTest, ReadFileToStringReadsUpToItsLimit) {
  WriteFileBytes(directory_ / "file", std::string("12\0"
                                                  "4567",
                                                  7));
  auto read = ReadFileToString(files_, directory_ / "file", 7);
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(*read, std::string("12\0"
                               "4567",
                               7));
  read = ReadFileToString(files_, directory_ / "file", 6);
  EXPECT_TRUE(read.status().IsCorruption());
  EXPECT_THAT(read.status().ToString(), HasSubstr(directory_ / "file"));
  read = ReadFileToString(files_, directory_ / "none", 6);
  EXPECT_TRUE(read.status().IsPathNotFound());
}

}  // namespace
}  // namespace paceline
