#include "src/format/predecessor_note.h"

#include <string>

#include "paceline/write_batch.h"

#include "gtest/gtest.h"
#include "src/format/batch_reader.h"

namespace paceline {
namespace {

TEST(PredecessorNoteTest, IsReadAsItWasWritten) {
  const PredecessorNote note{.wal_number = 12, .last_sequence = 345};
  auto read = PredecessorNote::FromRecord(note.ToRecord(346));
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->wal_number, 12u);
  EXPECT_EQ(read->last_sequence, 345u);
  EXPECT_EQ(read->own_number, 0u);
}

TEST(PredecessorNoteTest, MayNameItsOwnWal) {
  const PredecessorNote note{
      .wal_number = 12, .last_sequence = 345, .own_number = 13};
  auto read = PredecessorNote::FromRecord(note.ToRecord(346));
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->wal_number, 12u);
  EXPECT_EQ(read->last_sequence, 345u);
  EXPECT_EQ(read->own_number, 13u);
}

TEST(PredecessorNoteTest, IsABatchThatCountsNothing) {
  const std::string record = PredecessorNote{1, 2}.ToRecord(3);
  EXPECT_TRUE(ValidateBatch(record).ok());
  BatchReader batch(record);
  EXPECT_EQ(batch.sequence(), 3u);
  EXPECT_EQ(batch.count(), 0u);
}

TEST(PredecessorNoteTest, OtherRecordsAreNoNotes) {
  WriteBatch put;
  ASSERT_TRUE(put.Put("key", "value").ok());
  WriteBatch log_data;
  ASSERT_TRUE(log_data.PutLogData("paceline.predecessor").ok());
  for (const std::string& record :
       {put.Data(), log_data.Data(), std::string(), std::string(12, '\0')}) {
    EXPECT_FALSE(PredecessorNote::FromRecord(record).has_value());
  }
  std::string cut = PredecessorNote{1, 2}.ToRecord(3);
  cut.pop_back();
  EXPECT_FALSE(PredecessorNote::FromRecord(cut).has_value());
}

}  // namespace
}  // namespace paceline
