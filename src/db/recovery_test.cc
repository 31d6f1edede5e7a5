#include "src/db/recovery.h"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "src/base/coding.h"
#include "src/base/crc32c.h"
#include "src/format/file_name.h"
#include "src/format/predecessor_note.h"
#include "src/wal/log_writer.h"
#include "test/support/fault_file_system.h"
#include "test/support/test_directory.h"

namespace paceline {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr WALRecoveryMode kTolerate =
    WALRecoveryMode::kTolerateCorruptedTailRecords;
constexpr WALRecoveryMode kAbsolute = WALRecoveryMode::kAbsoluteConsistency;
constexpr WALRecoveryMode kPointInTime = WALRecoveryMode::kPointInTimeRecovery;
constexpr WALRecoveryMode kSkip = WALRecoveryMode::kSkipAnyCorruptedRecords;
constexpr WALRecoveryMode kModes[] = {kTolerate, kAbsolute, kPointInTime,
                                      kSkip};

// A WAL record: puts of `keys` from `sequence` on, in `family_id`.
std::string Record(SequenceNumber sequence,
                   const std::vector<std::string>& keys,
                   uint32_t family_id = 0) {
  std::string record;
  PutFixed64(&record, sequence);
  PutFixed32(&record, static_cast<uint32_t>(keys.size()));
  for (const std::string& key : keys) {
    record.push_back(family_id == 0 ? 1 : 5);
    if (family_id != 0) PutVarint32(&record, family_id);
    PutLengthPrefixed(&record, key);
    PutLengthPrefixed(&record, "value");
  }
  return record;
}

// `payload` as a recyclable record of WAL `log_number`.
std::string RecyclableRecord(uint32_t log_number, const std::string& payload) {
  std::string checked(1, static_cast<char>(log::kRecyclableFull));
  PutFixed32(&checked, log_number);
  checked += payload;
  std::string record;
  PutFixed32(&record,
             crc32c::Mask(crc32c::Value(checked.data(), checked.size())));
  record.push_back(static_cast<char>(payload.size() & 0xff));
  record.push_back(static_cast<char>(payload.size() >> 8));
  return record + checked;
}

class RecoveryTest : public testing::Test {
 protected:
  RecoveryTest() {
    state_.next_file_number = 100;
    AddFamily(0, "default", 0);
  }

  void AddFamily(uint32_t id, const std::string& name, uint64_t log_number) {
    state_.families[id].name = name;
    state_.families[id].log_number = log_number;
    families_[id] =
        std::make_shared<ColumnFamily>(id, name, ColumnFamilyOptions());
  }

  void WriteWal(uint64_t number, const std::vector<std::string>& records) {
    const std::string path = WalFileName(directory_.path(), number);
    std::filesystem::remove(path);
    auto file = files_->NewWritableFile(path, {});
    ASSERT_TRUE(file.ok()) << file.status().ToString();
    LogWriter writer(*std::move(file));
    for (const std::string& record : records) {
      ASSERT_TRUE(writer.AddRecord(record).ok());
    }
    ASSERT_TRUE(writer.Close().ok());
  }
  // Cuts `bytes` off the end of a WAL.
  void Tear(uint64_t number, size_t bytes) {
    const std::string path = WalFileName(directory_.path(), number);
    std::string contents = ReadFileBytes(path);
    contents.resize(contents.size() - bytes);
    WriteFileBytes(path, contents);
  }

  StatusOr<ReplayResult> Replay(WALRecoveryMode mode) {
    for (auto& [id, family] : families_) {
      family = std::make_shared<ColumnFamily>(id, family->name(),
                                              ColumnFamilyOptions());
    }
    return ReplayWals(files_, nullptr, directory_.path(), mode, state_,
                      families_);
  }
  ReplayResult ReplayGood(WALRecoveryMode mode) {
    auto result = Replay(mode);
    EXPECT_TRUE(result.ok()) << result.status().ToString();
    return result.ok() ? *result : ReplayResult();
  }
  // "key@sequence" of the family's entries.
  std::vector<std::string> Entries(uint32_t family_id = 0) {
    std::vector<std::string> entries;
    auto iterator = families_.at(family_id)->mutable_memtable()->NewIterator();
    for (iterator->SeekToFirst(); iterator->Valid(); iterator->Next()) {
      entries.push_back(
          ExtractUserKey(iterator->key()).ToString() + "@" +
          std::to_string(TagSequence(ExtractTag(iterator->key()))));
    }
    return entries;
  }

  TestDirectory directory_;
  FileSystem* const files_ = FileSystem::Default();
  ManifestState state_ = ManifestState::Empty();
  FamiliesById families_;
};

TEST_F(RecoveryTest, WithoutWalsTheSequenceIsTheManifests) {
  state_.last_sequence = 77;
  for (WALRecoveryMode mode : kModes) {
    const ReplayResult result = ReplayGood(mode);
    EXPECT_EQ(result.last_sequence, 77u);
    EXPECT_EQ(result.wals, 0u);
    EXPECT_TRUE(result.is_clean);
  }
}

TEST_F(RecoveryTest, WalsAreReplayedInTheOrderOfTheirNumbers) {
  WriteWal(1000000, {Record(4, {"c"})});
  WriteWal(999999, {Record(1, {"a", "b"}), Record(3, {"a"})});
  for (WALRecoveryMode mode : kModes) {
    const ReplayResult result = ReplayGood(mode);
    EXPECT_EQ(result.last_sequence, 4u);
    EXPECT_EQ(result.wals, 2u);
    EXPECT_EQ(result.records, 3u);
    EXPECT_TRUE(result.is_clean);
    EXPECT_THAT(Entries(), ElementsAre("a@3", "a@1", "b@2", "c@4"));
  }
}

TEST_F(RecoveryTest, ASequenceBelowTheManifestsDoesNotLowerIt) {
  state_.last_sequence = 77;
  WriteWal(5, {Record(1, {"a"})});
  EXPECT_EQ(ReplayGood(kPointInTime).last_sequence, 77u);
}

TEST_F(RecoveryTest, WalsThatAreNotNeededAreNotEvenRead) {
  state_.families[0].log_number = 6;
  WriteFileBytes(WalFileName(directory_.path(), 5), "damaged");
  WriteWal(6, {Record(1, {"a"})});
  for (WALRecoveryMode mode : kModes) {
    EXPECT_EQ(ReplayGood(mode).wals, 1u);
    EXPECT_THAT(Entries(), ElementsAre("a@1"));
  }
  state_.min_log_number_to_keep = 7;
  EXPECT_EQ(ReplayGood(kAbsolute).wals, 0u);
}

TEST_F(RecoveryTest, AFamilySkipsWalsThatItHasFlushed) {
  AddFamily(1, "one", 8);
  WriteWal(7, {Record(1, {"a"}), Record(2, {"b"}, 1)});
  WriteWal(8, {Record(3, {"c"}), Record(4, {"d"}, 1)});
  ReplayGood(kAbsolute);
  EXPECT_THAT(Entries(0), ElementsAre("a@1", "c@3"));
  EXPECT_THAT(Entries(1), ElementsAre("d@4"));
}

TEST_F(RecoveryTest, EntriesOfUnknownFamiliesTakeTheirSequenceNumbers) {
  WriteWal(5,
           {Record(1, {"x", "y"}, 9), Record(3, {"a"}), Record(4, {"z"}, 9)});
  for (WALRecoveryMode mode : kModes) {
    EXPECT_EQ(ReplayGood(mode).last_sequence, 4u);
    EXPECT_THAT(Entries(), ElementsAre("a@3"));
  }
}

TEST_F(RecoveryTest, AGapBetweenSoundWalsIsAccepted) {
  WriteWal(5, {Record(1, {"a"})});
  WriteWal(6, {Record(50, {"b"})});
  for (WALRecoveryMode mode : kModes) {
    const ReplayResult result = ReplayGood(mode);
    EXPECT_EQ(result.last_sequence, 50u);
    EXPECT_TRUE(result.is_clean);
  }
}

// Sequence numbers may be missing anywhere: those of entries that were never
// logged. The end of a block must not be taken for a page that is missing.
TEST_F(RecoveryTest, AGapBehindThePaddingOfARecyclableBlockIsAccepted) {
  const size_t overhead =
      Record(1, {std::string(1 << 14, 'k')}).size() - (1 << 14);
  for (size_t left = 0; left < log::kRecyclableHeaderBytes; ++left) {
    const std::string key(
        log::kBlockBytes - log::kRecyclableHeaderBytes - overhead - left, 'k');
    std::string bytes = RecyclableRecord(5, Record(1, {key}));
    bytes.append(left, '\0');
    ASSERT_EQ(bytes.size(), log::kBlockBytes);
    bytes += RecyclableRecord(5, Record(8, {"z"}));
    WriteFileBytes(WalFileName(directory_.path(), 5), bytes);
    for (WALRecoveryMode mode : kModes) {
      const ReplayResult result = ReplayGood(mode);
      EXPECT_THAT(Entries(), ElementsAre(key + "@1", "z@8"));
      EXPECT_TRUE(result.is_clean) << left;
    }
  }
}

// A page that never reached the device.
TEST_F(RecoveryTest, AGapBehindMoreZerosThanPaddingIsDamage) {
  std::string bytes = RecyclableRecord(5, Record(1, {"a"}));
  bytes.resize(log::kBlockBytes, '\0');
  bytes += RecyclableRecord(5, Record(8, {"z"}));
  WriteFileBytes(WalFileName(directory_.path(), 5), bytes);
  const ReplayResult result = ReplayGood(kPointInTime);
  EXPECT_THAT(Entries(), ElementsAre("a@1"));
  EXPECT_FALSE(result.is_clean);
  EXPECT_TRUE(Replay(kAbsolute).status().IsCorruption());
}

TEST_F(RecoveryTest, EmptyBatchesAndEmptyWalsAreFine) {
  WriteWal(5, {});
  WriteWal(6, {Record(1, {}), Record(1, {"a"}), Record(2, {})});
  for (WALRecoveryMode mode : kModes) {
    const ReplayResult result = ReplayGood(mode);
    EXPECT_EQ(result.last_sequence, 1u);
    EXPECT_EQ(result.records, 3u);
    EXPECT_TRUE(result.is_clean);
  }
}

TEST_F(RecoveryTest, OtherFilesAreNotReplayed) {
  WriteWal(5, {Record(1, {"a"})});
  WriteFileBytes(directory_ / "000006.log.bak", "x");
  WriteFileBytes(directory_ / "000006.sst", "x");
  WriteFileBytes(directory_ / "LOG", "x");
  EXPECT_EQ(ReplayGood(kAbsolute).wals, 1u);
}

TEST_F(RecoveryTest, NothingIsWritten) {
  WriteWal(5, {Record(1, {"a"}), Record(2, {"b"})});
  Tear(5, 3);
  const auto before = ReadDirectory(directory_.path());
  for (WALRecoveryMode mode : kModes) {
    static_cast<void>(Replay(mode).ok());
    EXPECT_EQ(ReadDirectory(directory_.path()), before);
  }
}

// ---- Damage.

TEST_F(RecoveryTest, ATornTailIsDroppedExceptInTheStrictMode) {
  WriteWal(5, {Record(1, {"a"}), Record(2, {"b"})});
  Tear(5, 1);
  for (WALRecoveryMode mode : {kTolerate, kPointInTime, kSkip}) {
    const ReplayResult result = ReplayGood(mode);
    EXPECT_THAT(Entries(), ElementsAre("a@1"));
    EXPECT_EQ(result.last_sequence, 1u);
    EXPECT_FALSE(result.is_clean);
  }
  const auto result = Replay(kAbsolute);
  EXPECT_TRUE(result.status().IsCorruption());
  EXPECT_THAT(result.status().ToString(),
              HasSubstr(WalFileName(directory_.path(), 5)));
}

TEST_F(RecoveryTest, PointInTimeGoesOnBehindATearIfTheSequenceDoes) {
  WriteWal(5, {Record(1, {"a"}), Record(2, {"lost"})});
  Tear(5, 1);
  WriteWal(6, {Record(2, {"b"})});
  WriteWal(7, {Record(3, {"c"})});
  const ReplayResult result = ReplayGood(kPointInTime);
  EXPECT_THAT(Entries(), ElementsAre("a@1", "b@2", "c@3"));
  EXPECT_EQ(result.last_sequence, 3u);
}

TEST_F(RecoveryTest, PointInTimeStopsAtATearIfTheSequenceDoesNotGoOn) {
  WriteWal(5, {Record(1, {"a"}), Record(2, {"lost"})});
  Tear(5, 1);
  WriteWal(6, {Record(3, {"c"})});
  const ReplayResult result = ReplayGood(kPointInTime);
  EXPECT_THAT(Entries(), ElementsAre("a@1"));
  EXPECT_EQ(result.last_sequence, 1u);
  EXPECT_FALSE(result.is_clean);
  // A later one that does go on is taken.
  WriteWal(7, {Record(2, {"b"})});
  ReplayGood(kPointInTime);
  EXPECT_THAT(Entries(), ElementsAre("a@1", "b@2"));
}

TEST_F(RecoveryTest, EntriesPassedOverCountForWhetherTheSequenceGoesOn) {
  WriteWal(5, {Record(1, {"a"}), Record(2, {"x", "y"}, 9), Record(4, {"l"})});
  Tear(5, 1);
  WriteWal(6, {Record(4, {"b"})});
  ReplayGood(kPointInTime);
  EXPECT_THAT(Entries(), ElementsAre("a@1", "b@4"));
}

TEST_F(RecoveryTest, PointInTimeDropsLaterWalsIfTheFirstHasNothing) {
  WriteWal(5, {Record(1, {"a"})});
  Tear(5, 1);
  WriteWal(6, {Record(2, {"b"})});
  const ReplayResult result = ReplayGood(kPointInTime);
  EXPECT_THAT(Entries(), IsEmpty());
  EXPECT_FALSE(result.is_clean);
}

TEST_F(RecoveryTest, TheOtherTolerantModesReplayWhatIsBehindATear) {
  WriteWal(5, {Record(1, {"a"}), Record(2, {"lost"})});
  Tear(5, 1);
  WriteWal(6, {Record(3, {"c"})});
  for (WALRecoveryMode mode : {kTolerate, kSkip}) {
    const ReplayResult result = ReplayGood(mode);
    EXPECT_THAT(Entries(), ElementsAre("a@1", "c@3"));
    EXPECT_FALSE(result.is_clean);
  }
}

// Well framed, but not a batch.
// A WAL that says what the one before it, with the entries up to 3, ended with.
std::string NoteOf(uint64_t number, SequenceNumber last_sequence) {
  PredecessorNote note{.wal_number = number, .last_sequence = last_sequence};
  return note.ToRecord(/*next_sequence=*/last_sequence + 1);
}

TEST_F(RecoveryTest, AWalMayFollowAWholeOne) {
  WriteWal(5, {Record(1, {"a", "b"}), Record(3, {"c"})});
  WriteWal(6, {NoteOf(5, 3), Record(7, {"d"})});
  for (WALRecoveryMode mode : kModes) {
    EXPECT_TRUE(ReplayGood(mode).is_clean);
    EXPECT_THAT(Entries(), ElementsAre("a@1", "b@2", "c@3", "d@7"));
  }
}

TEST_F(RecoveryTest, TheMissingEndOfAnEarlierWalIsNoticed) {
  // The tear is at a record's end: WAL 5 by itself is whole.
  WriteWal(5, {Record(1, {"a", "b"})});
  WriteWal(6, {NoteOf(5, 3), Record(4, {"d"})});
  for (WALRecoveryMode mode : {kTolerate, kAbsolute}) {
    Status s = Replay(mode).status();
    EXPECT_TRUE(s.IsCorruption());
    EXPECT_THAT(s.ToString(), HasSubstr("000006.log"));
    EXPECT_THAT(s.ToString(), HasSubstr("WAL 5"));
  }
  EXPECT_FALSE(ReplayGood(kPointInTime).is_clean);
  EXPECT_THAT(Entries(), ElementsAre("a@1", "b@2"));
  ReplayGood(kSkip);
  EXPECT_THAT(Entries(), ElementsAre("a@1", "b@2", "d@4"));
}

TEST_F(RecoveryTest, AnEarlierWalThatIsGoneIsNoticed) {
  // No power cut takes a whole WAL away, so that no mode but one goes on.
  WriteWal(6, {NoteOf(5, 3), Record(4, {"d"})});
  for (WALRecoveryMode mode : {kTolerate, kAbsolute, kPointInTime}) {
    EXPECT_TRUE(Replay(mode).status().IsCorruption());
  }
  ReplayGood(kSkip);
  EXPECT_THAT(Entries(), ElementsAre("d@4"));
}

TEST_F(RecoveryTest, TheBytesOfAnotherWalAreDamage) {
  PredecessorNote note{.wal_number = 4, .last_sequence = 0, .own_number = 5};
  WriteWal(5, {note.ToRecord(1), Record(1, {"a"})});
  for (WALRecoveryMode mode : kModes) {
    EXPECT_TRUE(ReplayGood(mode).is_clean);
    EXPECT_THAT(Entries(), ElementsAre("a@1"));
  }
  std::filesystem::rename(WalFileName(directory_.path(), 5),
                          WalFileName(directory_.path(), 6));
  for (WALRecoveryMode mode : {kTolerate, kAbsolute}) {
    EXPECT_TRUE(Replay(mode).status().IsCorruption());
  }
  for (WALRecoveryMode mode : {kPointInTime, kSkip}) {
    EXPECT_FALSE(ReplayGood(mode).is_clean);
    EXPECT_THAT(Entries(), IsEmpty());
  }
}

// A caller may log what it likes.
TEST_F(RecoveryTest, OnlyTheFirstRecordIsANote) {
  WriteWal(5, {Record(1, {"a"}), NoteOf(4, 100), Record(2, {"b"})});
  for (WALRecoveryMode mode : kModes) {
    EXPECT_TRUE(ReplayGood(mode).is_clean);
    EXPECT_THAT(Entries(), ElementsAre("a@1", "b@2"));
  }
}

TEST_F(RecoveryTest, AnEarlierWalThatIsNotNeededMayBeGone) {
  state_.families[0].log_number = 6;
  WriteWal(6, {NoteOf(5, 3), Record(4, {"d"})});
  for (WALRecoveryMode mode : kModes) {
    EXPECT_TRUE(ReplayGood(mode).is_clean);
    EXPECT_THAT(Entries(), ElementsAre("d@4"));
  }
}

TEST_F(RecoveryTest, AnEarlierWalThatNothingWasLoggedInMissesNothing) {
  WriteWal(5, {});
  WriteWal(6, {NoteOf(5, 0), Record(40, {"d"})});
  for (WALRecoveryMode mode : kModes) {
    EXPECT_TRUE(ReplayGood(mode).is_clean);
    EXPECT_THAT(Entries(), ElementsAre("d@40"));
  }
}

TEST_F(RecoveryTest, AMalformedBatchIsDamageAtItsOffset) {
  const std::string good = Record(1, {"a"});
  const size_t offset = log::kHeaderBytes + good.size();
  std::string wrong_count = Record(2, {"b"});
  wrong_count[8] = 7;
  for (const std::string& bad :
       {std::string("short"), wrong_count, Record(2, {"b"}) + "\x80"}) {
    std::filesystem::remove(WalFileName(directory_.path(), 5));
    WriteWal(5, {good, bad, Record(3, {"c"})});
    for (WALRecoveryMode mode : {kTolerate, kAbsolute}) {
      const auto result = Replay(mode);
      EXPECT_TRUE(result.status().IsCorruption());
      EXPECT_THAT(result.status().ToString(),
                  HasSubstr(WalFileName(directory_.path(), 5) + " at offset " +
                            std::to_string(offset)));
    }
    EXPECT_FALSE(ReplayGood(kPointInTime).is_clean);
    EXPECT_THAT(Entries(), ElementsAre("a@1"));
    EXPECT_FALSE(ReplayGood(kSkip).is_clean);
    EXPECT_THAT(Entries(), ElementsAre("a@1", "c@3"));
  }
}

TEST_F(RecoveryTest, AnEmptyBatchAtSequenceZeroHasNoLastSequence) {
  WriteWal(5, {Record(0, {})});
  for (WALRecoveryMode mode : kModes) {
    EXPECT_EQ(ReplayGood(mode).last_sequence, 0u);
  }
}

// Its sequence numbers would lose their highest bits in a tag.
TEST_F(RecoveryTest, ASequenceThatIsTooLargeIsDamage) {
  for (SequenceNumber sequence :
       {kMaxSequenceNumber, kMaxSequenceNumber + 1, UINT64_MAX}) {
    WriteWal(5, {Record(1, {"a"}), Record(sequence, {"z"})});
    EXPECT_TRUE(Replay(kTolerate).status().IsCorruption());
    EXPECT_EQ(ReplayGood(kPointInTime).last_sequence, 1u);
    EXPECT_THAT(Entries(), ElementsAre("a@1"));
    EXPECT_EQ(ReplayGood(kSkip).last_sequence, 1u);
  }
  WriteWal(5, {Record(kMaxSequenceNumber - 1, {"a"})});
  EXPECT_EQ(ReplayGood(kTolerate).last_sequence, kMaxSequenceNumber - 1);
}

TEST_F(RecoveryTest, TransactionsAreNotSupportedInAnyMode) {
  std::string record = Record(2, {});
  record += "\x09";  // Begins a prepared transaction.
  WriteWal(5, {Record(1, {"a"}), record});
  for (WALRecoveryMode mode : kModes) {
    const auto result = Replay(mode);
    EXPECT_TRUE(result.status().IsNotSupported());
    EXPECT_THAT(result.status().ToString(),
                HasSubstr(WalFileName(directory_.path(), 5)));
  }
}

TEST_F(RecoveryTest, AFailedReadFailsTheRecoveryInEveryMode) {
  WriteWal(5, {Record(1, {"a"})});
  for (const char* name : {"ListDirectory", "NewSequentialFile", "Read"}) {
    for (WALRecoveryMode mode : kModes) {
      FaultFileSystem faults;
      faults.Arm({.operation = 1, .name = name});
      const auto result = ReplayWals(&faults, nullptr, directory_.path(), mode,
                                     state_, families_);
      EXPECT_TRUE(result.status().IsIOError()) << name;
    }
  }
}

// ---- Tables with newer data.

// What a flush of everything up to `log_number` leaves behind.
class RecoveryOfTablesTest : public RecoveryTest {
 protected:
  void Flush(uint32_t family_id, uint64_t log_number) {
    ManifestState::Family& family = state_.families.at(family_id);
    family.log_number = log_number;
    family.files[9] = {0, std::make_shared<const FileMetaData>()};
  }
  // WAL 5 ends too soon; WAL 6 does not go on where it ends.
  void WriteDamagedWals() {
    WriteWal(5, {Record(1, {"a"}), Record(2, {"lost"})});
    Tear(5, 1);
    WriteWal(6, {Record(3, {"c"})});
  }
};

TEST_F(RecoveryOfTablesTest, APointInTimeBeforeATablesDataIsRefused) {
  AddFamily(1, "has newer tables", 0);
  WriteDamagedWals();
  EXPECT_TRUE(Replay(kPointInTime).ok());
  Flush(1, 6);
  const Status s = Replay(kPointInTime).status();
  EXPECT_TRUE(s.IsCorruption()) << s.ToString();
  EXPECT_THAT(s.ToString(), HasSubstr("has newer tables"));
  EXPECT_THAT(s.ToString(), HasSubstr("WAL 5"));
}

TEST_F(RecoveryOfTablesTest, TablesBehindAMissingEndOfAWalAreRefused) {
  WriteWal(5, {Record(1, {"a"})});
  WriteWal(6, {NoteOf(5, 3), Record(4, {"d"})});
  AddFamily(1, "one", 0);
  Flush(1, 6);
  EXPECT_TRUE(Replay(kPointInTime).status().IsCorruption());
}

TEST_F(RecoveryOfTablesTest, TablesOfTheDamagedWalAndOlderOnesAreNoObstacle) {
  AddFamily(1, "one", 0);
  WriteDamagedWals();
  Flush(1, 5);
  ReplayGood(kPointInTime);
  EXPECT_THAT(Entries(), ElementsAre("a@1"));
}

// It was flushed when it had nothing: there is no newer data to contradict.
TEST_F(RecoveryOfTablesTest, AFamilyWithoutTablesIsNoObstacle) {
  AddFamily(1, "one", 6);
  WriteDamagedWals();
  ReplayGood(kPointInTime);
  EXPECT_THAT(Entries(), ElementsAre("a@1"));
}

TEST_F(RecoveryOfTablesTest, TheOtherTolerantModesAcceptNewerTables) {
  AddFamily(1, "one", 0);
  WriteDamagedWals();
  Flush(1, 6);
  for (WALRecoveryMode mode : {kTolerate, kSkip}) {
    ReplayGood(mode);
    EXPECT_THAT(Entries(), ElementsAre("a@1", "c@3"));
  }
}

// The tear was there at an earlier recovery, which went on from it.
TEST_F(RecoveryOfTablesTest, NewerTablesAreFineWhereTheSequenceGoesOn) {
  AddFamily(1, "one", 0);
  WriteWal(5, {Record(1, {"a"}), Record(2, {"lost"})});
  Tear(5, 1);
  WriteWal(6, {Record(2, {"b"})});
  Flush(1, 6);
  ReplayGood(kPointInTime);
  EXPECT_THAT(Entries(), ElementsAre("a@1", "b@2"));
}

}  // namespace
}  // namespace paceline
