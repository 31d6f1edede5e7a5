#include "src/version/version_edit.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "src/base/coding.h"
#include "src/format/file_name.h"
#include "src/format/internal_key.h"
#include "test/support/seed.h"

namespace paceline {
namespace {

using std::string_view_literals::operator""sv;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using DeletedFile = VersionEdit::DeletedFile;

MATCHER_P2(IsFile, level, number, "") {
  return arg.level == level && arg.file.number == uint64_t{number};
}

std::string FromHex(std::string_view hex) {
  std::string bytes;
  std::string digits;
  for (char c : hex) {
    if (c == ' ') continue;
    digits += c;
    if (digits.size() < 2) continue;
    bytes += static_cast<char>(std::stoi(digits, nullptr, 16));
    digits.clear();
  }
  return bytes;
}

// The encoding of an edit, field by field.
class Bytes {
 public:
  Bytes& Number(uint64_t value) {
    PutVarint64(&bytes_, value);
    return *this;
  }
  Bytes& String(std::string_view value) {
    PutLengthPrefixed(&bytes_, Slice(value));
    return *this;
  }
  // A whole field 103 up to its custom fields.
  Bytes& NewFile4(uint64_t level, uint64_t number) {
    return Number(103)
        .Number(level)
        .Number(number)
        .Number(200)
        .String("smallest12345678")
        .String("largest12345678")
        .Number(1)
        .Number(2);
  }
  operator Slice() const { return bytes_; }  // NOLINT: implicit.
  [[nodiscard]] const std::string& str() const { return bytes_; }

 private:
  std::string bytes_;
};

template <typename Fill>
VersionEdit Edit(Fill fill) {
  VersionEdit edit;
  fill(&edit);
  return edit;
}

std::string Encoded(const VersionEdit& edit) {
  std::string bytes;
  edit.EncodeTo(&bytes);
  return bytes;
}

// Fails the test if `record` is not a good edit.
VersionEdit Decoded(const Slice& record) {
  StatusOr<VersionEdit> edit = VersionEdit::Decode(record);
  EXPECT_TRUE(edit.ok()) << edit.status().ToString();
  return edit.ok() ? *edit : VersionEdit();
}

void ExpectEqual(const VersionEdit::AddedFile& a,
                 const VersionEdit::AddedFile& b) {
  EXPECT_EQ(a.level, b.level);
  EXPECT_EQ(a.file.number, b.file.number);
  EXPECT_EQ(a.file.size, b.file.size);
  EXPECT_EQ(a.file.smallest, b.file.smallest);
  EXPECT_EQ(a.file.largest, b.file.largest);
  EXPECT_EQ(a.file.smallest_sequence, b.file.smallest_sequence);
  EXPECT_EQ(a.file.largest_sequence, b.file.largest_sequence);
  EXPECT_EQ(a.file.oldest_ancestor_time, b.file.oldest_ancestor_time);
  EXPECT_EQ(a.file.file_creation_time, b.file.file_creation_time);
  EXPECT_EQ(a.file.epoch_number, b.file.epoch_number);
  EXPECT_EQ(a.file.is_marked_for_compaction, b.file.is_marked_for_compaction);
}

void ExpectEqual(const VersionEdit& a, const VersionEdit& b) {
  EXPECT_EQ(a.family_id, b.family_id);
  EXPECT_EQ(a.added_family, b.added_family);
  EXPECT_EQ(a.drops_family, b.drops_family);
  EXPECT_EQ(a.comparator_name, b.comparator_name);
  EXPECT_EQ(a.log_number, b.log_number);
  EXPECT_EQ(a.next_file_number, b.next_file_number);
  EXPECT_EQ(a.last_sequence, b.last_sequence);
  EXPECT_EQ(a.max_family_id, b.max_family_id);
  EXPECT_EQ(a.min_log_number_to_keep, b.min_log_number_to_keep);
  EXPECT_EQ(a.database_id, b.database_id);
  EXPECT_EQ(a.is_closed_cleanly, b.is_closed_cleanly);
  ASSERT_EQ(a.added_files.size(), b.added_files.size());
  for (size_t i = 0; i < a.added_files.size(); ++i) {
    ExpectEqual(a.added_files[i], b.added_files[i]);
  }
  EXPECT_EQ(a.deleted_files, b.deleted_files);
  EXPECT_EQ(a.remaining_in_group, b.remaining_in_group);
}

void ExpectRefused(const Slice& record, Status::Code code,
                   const std::string& text) {
  StatusOr<VersionEdit> edit = VersionEdit::Decode(record);
  ASSERT_FALSE(edit.ok());
  EXPECT_EQ(edit.status().code(), code) << edit.status().ToString();
  EXPECT_THAT(edit.status().ToString(), HasSubstr(text));
}

// ---- Vectors of the format.

const std::string kComparatorEdit = FromHex(
    "01 1a 6c 65 76 65 6c 64 62 2e 42 79 74 65 77 69 73 65 43 6f 6d 70"
    "61 72 61 74 6f 72");
const std::string kEditWithOneTable =
    kComparatorEdit +
    FromHex(
        "02 05 09 00 03 14 04 e8 07 67 01 0a cc 01 0b 66 6f 6f 01 07 00 00"
        "00 00 00 00 0b 66 6f 6f 01 07 00 00 00 00 00 00 07 07 01");

TEST(VersionEditTest, TheEditsOfAnEmptyDatabaseOfRocksDBAreRead) {
  EXPECT_EQ(Decoded(kComparatorEdit).comparator_name,
            "leveldb.BytewiseComparator");
  const VersionEdit second = Decoded(FromHex("02 00 04 00"));
  EXPECT_EQ(second.log_number, 0u);
  EXPECT_EQ(second.last_sequence, 0u);
  EXPECT_EQ(second.next_file_number, std::nullopt);
  const VersionEdit third = Decoded(FromHex("09 00 03 06 04 00"));
  EXPECT_EQ(third.next_file_number, 6u);
  EXPECT_EQ(third.last_sequence, 0u);
  EXPECT_EQ(third.log_number, std::nullopt);
}

TEST(VersionEditTest, TheEditWithOneTableIsRead) {
  const VersionEdit edit = Decoded(kEditWithOneTable);
  EXPECT_EQ(edit.family_id, 0u);
  EXPECT_EQ(edit.comparator_name, "leveldb.BytewiseComparator");
  EXPECT_EQ(edit.log_number, 5u);
  EXPECT_EQ(edit.next_file_number, 20u);
  EXPECT_EQ(edit.last_sequence, 1000u);
  VersionEdit::AddedFile added;
  added.level = 1;
  added.file.number = 10;
  added.file.size = 204;
  added.file.smallest = FromHex("66 6f 6f 01 07 00 00 00 00 00 00");
  added.file.largest = added.file.smallest;
  added.file.smallest_sequence = 7;
  added.file.largest_sequence = 7;
  ASSERT_EQ(edit.added_files.size(), 1u);
  ExpectEqual(edit.added_files[0], added);
  EXPECT_THAT(edit.deleted_files, IsEmpty());
}

TEST(VersionEditTest, EditsHaveTheBytesOfTheFormat) {
  EXPECT_EQ(Encoded(Edit([](auto* edit) {
              edit->comparator_name = "leveldb.BytewiseComparator";
            })),
            kComparatorEdit);
  EXPECT_EQ(Encoded(Edit([](auto* edit) {
              edit->log_number = 0;
              edit->last_sequence = 0;
            })),
            FromHex("02 00 04 00"));
  EXPECT_EQ(Encoded(Edit([](auto* edit) {
              edit->next_file_number = 6;
              edit->last_sequence = 0;
            })),
            FromHex("09 00 03 06 04 00"));
  EXPECT_EQ(Encoded(Edit([](auto* edit) {
              edit->family_id = 1;
              edit->added_family = "f";
            })),
            FromHex("c8 01 01 c9 01 01 66"));
  EXPECT_EQ(Encoded(Edit([](auto* edit) {
              edit->family_id = 1;
              edit->drops_family = true;
              edit->max_family_id = 2;
            })),
            FromHex("c8 01 01 ca 01 cb 01 02"));
  EXPECT_EQ(Encoded(Edit([](auto* edit) {
              edit->min_log_number_to_keep = 3;
              edit->remaining_in_group = 1;
            })),
            FromHex("0a 03 ac 02 01"));
  EXPECT_EQ(Encoded(Edit([](auto* edit) { edit->database_id = "id"; })),
            FromHex("81 40 02 69 64"));
}

// ---- Round trips.

TEST(VersionEditTest, AnEmptyEditIsAnEmptyRecord) {
  EXPECT_EQ(Encoded({}), "");
  ExpectEqual(Decoded(""), {});
}

TEST(VersionEditTest, EveryFieldIsReadAsWritten) {
  VersionEdit edit;
  edit.family_id = UINT32_MAX;
  edit.added_family = std::string("a\0b\xff", 4);
  edit.drops_family = true;
  edit.comparator_name = "";
  edit.log_number = kFileNumberMax;
  edit.next_file_number = kFileNumberMax - 1;
  edit.last_sequence = (uint64_t{1} << 56) - 1;
  edit.max_family_id = UINT32_MAX;
  edit.min_log_number_to_keep = 128;
  edit.database_id = std::string(300, 'i');
  edit.remaining_in_group = 0;
  edit.is_closed_cleanly = true;
  edit.deleted_files = {{0, 1}, {kLevels - 1, kFileNumberMax}};
  VersionEdit::AddedFile added;
  added.level = kLevels - 1;
  added.file.number = kFileNumberMax;
  added.file.size = UINT64_MAX;
  added.file.smallest = std::string(kTagBytes, '\0');
  added.file.largest = std::string(300, '\xff');
  added.file.smallest_sequence = 0;
  added.file.largest_sequence = kMaxSequenceNumber;
  added.file.oldest_ancestor_time = UINT64_MAX;
  added.file.file_creation_time = UINT64_MAX;
  added.file.epoch_number = UINT64_MAX;
  added.file.is_marked_for_compaction = true;
  edit.added_files = {added, VersionEdit::AddedFile(added)};
  ExpectEqual(Decoded(Encoded(edit)), edit);
}

VersionEdit::AddedFile RandomFile(TestRandom* random) {
  auto number = [&] { return random->Next() >> random->Below(64); };
  auto key = [&] { return random->Bytes(kTagBytes + random->Below(40)); };
  VersionEdit::AddedFile added;
  added.level = static_cast<int>(random->Below(kLevels));
  added.file.number = number() & kFileNumberMax;
  added.file.size = number();
  added.file.smallest = key();
  added.file.largest = key();
  const SequenceNumber sequence = number() & kMaxSequenceNumber;
  added.file.smallest_sequence = random->Below(sequence + 1);
  added.file.largest_sequence = sequence;
  added.file.oldest_ancestor_time = number();
  added.file.file_creation_time = number();
  added.file.epoch_number = random->OneIn(2) ? 0 : number();
  added.file.is_marked_for_compaction = random->OneIn(2);
  return added;
}

TEST(VersionEditTest, RandomEditsAreReadAsWritten) {
  TestRandom random(TestSeed());
  auto number = [&] { return random.Next() >> random.Below(64); };
  for (int round = 0; round < 1000; ++round) {
    VersionEdit edit;
    edit.family_id = static_cast<uint32_t>(number());
    edit.drops_family = random.OneIn(4);
    if (random.OneIn(2)) edit.added_family = random.Bytes(random.Below(200));
    if (random.OneIn(2)) edit.comparator_name = random.Bytes(random.Below(99));
    if (random.OneIn(2)) edit.log_number = number() & kFileNumberMax;
    if (random.OneIn(2)) edit.next_file_number = number() & kFileNumberMax;
    if (random.OneIn(2)) edit.last_sequence = number() & kMaxSequenceNumber;
    if (random.OneIn(2)) edit.max_family_id = static_cast<uint32_t>(number());
    if (random.OneIn(2)) {
      edit.min_log_number_to_keep = number() & kFileNumberMax;
    }
    if (random.OneIn(2)) edit.database_id = random.Bytes(random.Below(50));
    if (random.OneIn(2)) {
      edit.remaining_in_group = static_cast<uint32_t>(number());
    }
    edit.is_closed_cleanly = random.OneIn(2);
    for (uint64_t left = random.Below(4); left > 0; --left) {
      edit.added_files.push_back(RandomFile(&random));
    }
    for (uint64_t left = random.Below(4); left > 0; --left) {
      edit.deleted_files.push_back(
          {static_cast<int>(random.Below(kLevels)), number() & kFileNumberMax});
    }
    ExpectEqual(Decoded(Encoded(edit)), edit);
  }
}

// RocksDB passes over the mark: a tag with bit 13 and a length.
TEST(VersionEditTest, TheMarkOfACleanEndIsAnIgnorableTagOfItsOwn) {
  const std::string record =
      Encoded(Edit([](auto* edit) { edit->is_closed_cleanly = true; }));
  EXPECT_EQ(record, Bytes().Number(8192 + 4096).String("").str());
  EXPECT_TRUE(Decoded(record).is_closed_cleanly);
  EXPECT_FALSE(Decoded("").is_closed_cleanly);
}

// A file without an epoch has no such field: RocksDB tells such files by that.
TEST(VersionEditTest, AFileHasTheBytesOfTheFormat) {
  VersionEdit edit;
  VersionEdit::AddedFile added;
  added.level = 2;
  added.file.number = 9;
  added.file.size = 200;
  added.file.smallest = "smallest12345678";
  added.file.largest = "largest12345678";
  added.file.smallest_sequence = 1;
  added.file.largest_sequence = 2;
  edit.added_files = {added};
  const std::string nothing(1, '\0');
  auto expected = [&] {
    return Bytes().NewFile4(2, 9).Number(5).String(nothing).Number(6).String(
        nothing);
  };
  EXPECT_EQ(Encoded(edit), expected().Number(1).str());
  edit.added_files[0].file.epoch_number = 7;
  edit.added_files[0].file.is_marked_for_compaction = true;
  EXPECT_EQ(Encoded(edit), expected()
                               .Number(13)
                               .String("\7")
                               .Number(2)
                               .String("\1")
                               .Number(1)
                               .str());
}

TEST(VersionEditTest, MalformedFieldsOfAFileAreCorruption) {
  for (uint64_t field : {2, 5, 6, 13}) {
    // No varint ends in a byte with the highest bit.
    ExpectRefused(
        Bytes().NewFile4(0, 1).Number(field).String("\x80\x80").Number(1),
        Status::kCorruption, "of a file");
  }
}

TEST(VersionEditTest, BytesBehindTheNumberOfAFieldAreCorruption) {
  for (uint64_t field : {5, 6, 13}) {
    ExpectRefused(Bytes().NewFile4(0, 1).Number(field).String("\1\1").Number(1),
                  Status::kCorruption, "of a file");
  }
  ExpectRefused(
      Bytes().NewFile4(0, 1).Number(3).String("\0\0\0\0\0\0\0\0x"sv).Number(1),
      Status::kCorruption, "log number of a file");
}

// ---- What only RocksDB writes.

TEST(VersionEditTest, EveryFormOfANewFileIsRead) {
  const std::string small = "s12345678";
  const std::string large = "l12345678";
  Bytes edit;
  edit.Number(7).Number(0).Number(11).Number(100).String(small).String(large);
  edit.Number(100).Number(1).Number(12).Number(100).String(small).String(large);
  edit.Number(3).Number(4);
  edit.Number(102).Number(2).Number(13).Number(0).Number(100);
  edit.String(small).String(large).Number(3).Number(4);
  edit.NewFile4(6, 14).Number(1);
  edit.Number(2).Number(77);  // What follows is still understood.
  const VersionEdit decoded = Decoded(edit);
  EXPECT_THAT(decoded.added_files, ElementsAre(IsFile(0, 11u), IsFile(1, 12u),
                                               IsFile(2, 13u), IsFile(6, 14u)));
  for (const auto& added : decoded.added_files) {
    if (added.file.number == 14) continue;
    EXPECT_EQ(added.file.size, 100u);
    EXPECT_EQ(added.file.smallest, small);
    EXPECT_EQ(added.file.largest, large);
  }
  for (size_t i : {1, 2}) {
    EXPECT_EQ(decoded.added_files[i].file.smallest_sequence, 3u);
    EXPECT_EQ(decoded.added_files[i].file.largest_sequence, 4u);
  }
  EXPECT_EQ(decoded.log_number, 77u);
}

TEST(VersionEditTest, OtherFileFieldsBelow64AreIgnored) {
  Bytes edit;
  edit.NewFile4(0, 9);
  for (uint64_t field : {7, 8, 9, 10, 11, 12, 14, 15, 16, 17, 18, 63}) {
    edit.Number(field).String("anything");
  }
  edit.Number(128).String("bit 6 is clear");
  edit.Number(65).String(std::string(1, '\0')).Number(1);
  EXPECT_THAT(Decoded(edit).added_files, ElementsAre(IsFile(0, 9u)));
}

TEST(VersionEditTest, TheMinLogNumberMayComeWithAFile) {
  std::string payload;
  PutFixed64(&payload, 0x1234567890);
  Bytes edit;
  edit.NewFile4(0, 9).Number(3).String(payload).Number(1);
  EXPECT_EQ(Decoded(edit).min_log_number_to_keep, 0x1234567890u);
}

TEST(VersionEditTest, OfSeveralMinLogNumbersTheLargestCounts) {
  std::string payload;
  PutFixed64(&payload, 8);
  Bytes edit;
  edit.Number(10).Number(9);
  edit.NewFile4(0, 9).Number(3).String(payload).Number(1);
  edit.Number(10).Number(7);
  EXPECT_EQ(Decoded(edit).min_log_number_to_keep, 9u);
}

TEST(VersionEditTest, DeletedFilesAndCompactionCursorsAreRead) {
  Bytes edit;
  edit.Number(6).Number(2).Number(40).Number(6).Number(0).Number(41);
  edit.Number(5).Number(3).String("key12345678");
  const VersionEdit decoded = Decoded(edit);
  EXPECT_THAT(decoded.deleted_files,
              ElementsAre(DeletedFile{2, 40}, DeletedFile{0, 41}));
}

TEST(VersionEditTest, TagsWithBit13AreIgnored) {
  Bytes edit;
  for (uint64_t tag :
       {8198, 8199, 8200, 8201, 8202, 8203, 8204, 0x3fff, 0x6000}) {
    edit.Number(tag).String(std::string(200, '\xff'));
  }
  edit.Number(8199).String("");
  edit.Number(2).Number(5);
  VersionEdit expected;
  expected.log_number = 5;
  ExpectEqual(Decoded(edit), expected);
}

// The two that have no length in front.
TEST(VersionEditTest, TheOldLogTagsAreParsed) {
  Bytes edit;
  edit.Number(8196).Number(1000).Number(1);
  edit.Number(8196).Number(1001).Number(2).Number(99999).Number(1);
  edit.Number(8197).Number(1000);
  edit.Number(2).Number(5);
  VersionEdit expected;
  expected.log_number = 5;
  ExpectEqual(Decoded(edit), expected);
}

TEST(VersionEditTest, ThePreviousLogNumberIsIgnored) {
  ExpectEqual(Decoded(Bytes().Number(9).Number(12345)), {});
}

// ---- What is refused.

TEST(VersionEditTest, BlobFilesAreNotSupported) {
  for (uint64_t tag : {400, 401, 8194, 8195}) {
    ExpectRefused(Bytes().Number(tag), Status::kNotSupported, "blob");
  }
  ExpectRefused(Bytes().NewFile4(0, 1).Number(4).String("\7").Number(1),
                Status::kNotSupported, "blob");
}

TEST(VersionEditTest, TablesInOtherDirectoriesAreNotSupported) {
  ExpectRefused(Bytes().NewFile4(0, 1).Number(65).String("\1").Number(1),
                Status::kNotSupported, "director");
  ExpectRefused(Bytes().Number(102).Number(0).Number(1).Number(1),
                Status::kNotSupported, "director");
}

TEST(VersionEditTest, UnknownTagsAreCorruption) {
  for (uint64_t tag :
       {0, 8, 11, 99, 101, 104, 199, 204, 299, 301, 402, 8191, 16384}) {
    ExpectRefused(Bytes().Number(tag).String("x"), Status::kCorruption,
                  std::to_string(tag));
  }
}

TEST(VersionEditTest, UnknownFileFieldsWithBit6AreCorruption) {
  for (uint64_t field : {64, 66, 127, 192}) {
    ExpectRefused(Bytes().NewFile4(0, 1).Number(field).String("x").Number(1),
                  Status::kCorruption, std::to_string(field));
  }
}

TEST(VersionEditTest, AFileBoundaryShorterThanATagIsCorruption) {
  for (const char* key : {"", "1234567"}) {
    ExpectRefused(Bytes().Number(7).Number(0).Number(1).Number(1).String(key),
                  Status::kCorruption, "boundary");
    ExpectRefused(Bytes()
                      .Number(7)
                      .Number(0)
                      .Number(1)
                      .Number(1)
                      .String("12345678")
                      .String(key),
                  Status::kCorruption, "boundary");
  }
}

TEST(VersionEditTest, LevelsFromSevenOnAreNotSupported) {
  ExpectRefused(Bytes().NewFile4(7, 1).Number(1), Status::kNotSupported,
                "more than 7 levels");
  ExpectRefused(Bytes().Number(6).Number(7).Number(1), Status::kNotSupported,
                "more than 7 levels");
  // A cursor means nothing here, whatever its level.
  ExpectEqual(Decoded(Bytes().Number(5).Number(7).String("key12345678")), {});
}

TEST(VersionEditTest, BadPathIdsAndLogNumbersOfFilesAreCorruption) {
  for (const char* payload : {"", "\1\1"}) {
    ExpectRefused(Bytes().NewFile4(0, 1).Number(65).String(payload).Number(1),
                  Status::kCorruption, "path id");
  }
  ExpectRefused(Bytes().NewFile4(0, 1).Number(3).String("7bytes.").Number(1),
                Status::kCorruption, "log number");
}

TEST(VersionEditTest, NumbersThatAreTooLargeAreCorruption) {
  for (uint64_t tag : {200, 203, 300}) {
    ExpectRefused(Bytes().Number(tag).Number(uint64_t{1} << 32),
                  Status::kCorruption, "");
  }
  ExpectRefused(FromHex("02 ff ff ff ff ff ff ff ff ff ff 01"),
                Status::kCorruption, "log number");
  ExpectRefused(Bytes().Number(uint64_t{1} << 33).String(""),
                Status::kCorruption, "tag");
}

TEST(VersionEditTest, SequenceNumbersThatFitNoTagAreCorruption) {
  const uint64_t too_large = kMaxSequenceNumber + 1;
  ExpectRefused(Bytes().Number(4).Number(too_large), Status::kCorruption,
                "last sequence");
  const auto file = [](uint64_t smallest, uint64_t largest) {
    Bytes edit;
    edit.Number(100).Number(0).Number(1).Number(9).String("s12345678");
    return edit.String("s12345678").Number(smallest).Number(largest);
  };
  ExpectRefused(file(1, too_large), Status::kCorruption, "largest sequence");
  ExpectRefused(file(too_large, 1), Status::kCorruption, "smallest sequence");
  ExpectRefused(file(2, 1), Status::kCorruption, "sequence numbers of a file");
  EXPECT_EQ(Decoded(file(1, too_large - 1)).added_files.size(), 1u);
}

// From UINT64_MAX on the numbers of new files would begin at 0 again.
TEST(VersionEditTest, FileNumbersThatAreTooLargeAreCorruption) {
  const uint64_t too_large = kFileNumberMax + 1;
  for (uint64_t number : {too_large, UINT64_MAX}) {
    for (uint64_t tag : {2, 3, 10}) {
      ExpectRefused(Bytes().Number(tag).Number(number), Status::kCorruption,
                    "number");
    }
    ExpectRefused(Bytes().Number(6).Number(0).Number(number),
                  Status::kCorruption, "file number");
    ExpectRefused(Bytes().NewFile4(0, number).Number(1), Status::kCorruption,
                  "file number");
    std::string payload;
    PutFixed64(&payload, number);
    ExpectRefused(Bytes().NewFile4(0, 1).Number(3).String(payload).Number(1),
                  Status::kCorruption, "log number");
  }
}

// Each field alone: cut anywhere inside, it is malformed and nothing worse.
TEST(VersionEditTest, AnEditCutWithinAFieldIsCorruption) {
  const std::vector<std::string> fields = {
      Bytes().Number(1).String("comparator").str(),
      Bytes().Number(2).Number(1000).str(),
      Bytes().Number(3).Number(1000).str(),
      Bytes().Number(4).Number(1000).str(),
      Bytes().Number(5).Number(1).String("key12345678").str(),
      Bytes().Number(6).Number(1).Number(1000).str(),
      Bytes()
          .Number(7)
          .Number(1)
          .Number(1000)
          .Number(1000)
          .String("key12345678")
          .String("key12345678")
          .str(),
      Bytes().Number(9).Number(1000).str(),
      Bytes().Number(10).Number(1000).str(),
      Bytes()
          .NewFile4(1, 1000)
          .Number(5)
          .String(std::string(1, '\0'))
          .Number(3)
          .String("12345678")
          .Number(65)
          .String(std::string(1, '\0'))
          .Number(1)
          .str(),
      Bytes().Number(200).Number(1000).str(),
      Bytes().Number(201).String("family").str(),
      Bytes().Number(203).Number(1000).str(),
      Bytes().Number(300).Number(1000).str(),
      Bytes().Number(8193).String("database id").str(),
      Bytes().Number(8196).Number(1000).Number(2).Number(1000).Number(1).str(),
      Bytes().Number(8197).Number(1000).str(),
      Bytes().Number(8203).String("payload").str(),
  };
  for (const std::string& field : fields) {
    Decoded(field);
    for (size_t size = 1; size < field.size(); ++size) {
      EXPECT_TRUE(VersionEdit::Decode(Slice(field.data(), size))
                      .status()
                      .IsCorruption())
          << Slice(field).ToString(true) << " cut to " << size;
    }
  }
}

TEST(VersionEditTest, AWholeEditCutAnywhereIsReadOrCorruption) {
  std::string edit = kEditWithOneTable;
  edit += Encoded(Edit([](auto* more) {
    more->family_id = 3;
    more->added_family = "family";
    more->max_family_id = 300;
    more->min_log_number_to_keep = 1000;
    more->database_id = "id";
  }));
  size_t good = 0;
  for (size_t size = 0; size <= edit.size(); ++size) {
    const auto decoded = VersionEdit::Decode(Slice(edit.data(), size));
    EXPECT_TRUE(decoded.ok() || decoded.status().IsCorruption());
    good += decoded.ok();
  }
  // The empty edit, and one more after each of the eleven fields.
  EXPECT_EQ(good, 12u);
}

TEST(VersionEditTest, GarbageIsAnEditOrAnErrorAndNothingElse) {
  TestRandom random(TestSeed());
  for (int round = 0; round < 20'000; ++round) {
    std::string garbage = random.Bytes(random.Below(40));
    if (random.OneIn(2)) {
      garbage = kEditWithOneTable;
      garbage[random.Below(garbage.size())] = static_cast<char>(random.Next());
    }
    const auto edit = VersionEdit::Decode(garbage);
    EXPECT_TRUE(edit.ok() || edit.status().IsCorruption() ||
                edit.status().IsNotSupported());
  }
}

}  // namespace
}  // namespace paceline
