#include "src/compaction/table_output.h"

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "src/format/file_name.h"
#include "src/table/table_reader.h"
#include "test/support/fault_file_system.h"
#include "test/support/test_directory.h"

namespace paceline {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class TableOutputTest : public testing::Test {
 protected:
  TableOutputTest() {
    config_.file_system = FileSystem::Default();
    config_.directory = directory_.path();
    config_.family = &family_;
    config_.new_file_number = [this] { return next_number_++; };
    config_.now_seconds = 1000;
    config_.epoch_number = 7;
    Begin();
  }

  void Begin() { output_ = std::make_unique<TableOutput>(config_); }
  void Put(const std::string& key, SequenceNumber sequence) {
    std::string internal_key;
    AppendInternalKey(&internal_key, key, sequence, ValueType::kValue);
    EXPECT_TRUE(output_->Add(internal_key, "value").ok());
  }
  void EndTable(const std::string& next) {
    EXPECT_TRUE(output_->EndTable(next).ok());
  }
  void Finish() { EXPECT_TRUE(output_->Finish().ok()); }

  // "key@sequence", or "key!" for a sentinel.
  static std::string Bound(const std::string& internal_key) {
    const uint64_t tag = ExtractTag(internal_key);
    const std::string key = ExtractUserKey(internal_key).ToString();
    if (tag == kRangeTombstoneSentinelTag) return key + "!";
    return key + "@" + std::to_string(TagSequence(tag));
  }
  // "smallest .. largest" of each table.
  std::vector<std::string> Bounds() {
    std::vector<std::string> bounds;
    for (const FileMetaData& file : output_->files()) {
      bounds.push_back(Bound(file.smallest) + " .. " + Bound(file.largest));
    }
    return bounds;
  }
  // "[begin, end)@sequence" of what is stored in table `i`.
  std::vector<std::string> Tombstones(size_t i) {
    const FileMetaData& file = output_->files()[i];
    const std::string path = TableFileName(directory_.path(), file.number);
    auto opened = FileSystem::Default()->NewRandomAccessFile(path);
    EXPECT_TRUE(opened.ok());
    TableReaderOptions options = family_.tables().reader_options();
    options.path = path;
    auto table = TableReader::Open(options, *std::move(opened), file);
    EXPECT_TRUE(table.ok()) << table.status().ToString();
    std::vector<std::string> tombstones;
    if ((*table)->tombstones() == nullptr) return tombstones;
    for (const auto& fragment : (*table)->tombstones()->fragments()) {
      for (const SequenceNumber sequence : fragment.sequences) {
        tombstones.push_back("[" + fragment.begin + ", " + fragment.end + ")@" +
                             std::to_string(sequence));
      }
    }
    return tombstones;
  }
  size_t FilesInDirectory() { return ReadDirectory(directory_.path()).size(); }

  TestDirectory directory_;
  ColumnFamily family_{0, "family", ColumnFamilyOptions()};
  TableOutput::Config config_;
  uint64_t next_number_ = 1;
  std::unique_ptr<TableOutput> output_;
};

TEST_F(TableOutputTest, WithoutEntriesThereIsNoTable) {
  Finish();
  EXPECT_THAT(output_->files(), IsEmpty());
  EXPECT_EQ(FilesInDirectory(), 0u);
}

TEST_F(TableOutputTest, ATableIsDescribedByWhatIsInIt) {
  Put("a", 9);
  Put("b", 3);
  Put("b", 2);
  EndTable("c");
  Put("c", 5);
  Finish();
  EXPECT_THAT(Bounds(), ElementsAre("a@9 .. b@2", "c@5 .. c@5"));
  const FileMetaData& file = output_->files()[0];
  EXPECT_EQ(file.number, 1u);
  EXPECT_EQ(file.smallest_sequence, 2u);
  EXPECT_EQ(file.largest_sequence, 9u);
  EXPECT_EQ(file.epoch_number, 7u);
  EXPECT_EQ(file.file_creation_time, 1000u);
  EXPECT_EQ(file.oldest_ancestor_time, 1000u);
  EXPECT_EQ(file.size, std::filesystem::file_size(
                           TableFileName(directory_.path(), file.number)));
  EXPECT_EQ(output_->bytes_written(),
            output_->files()[0].size + output_->files()[1].size);
}

TEST_F(TableOutputTest, ATombstoneIsCutWhereATableEnds) {
  output_->SetTombstones({{"b", "m", 5}});
  Put("a", 9);
  EndTable("f");
  Put("f", 3);
  EndTable("k");
  Put("k", 2);
  Put("x", 1);
  Finish();
  EXPECT_THAT(Bounds(), ElementsAre("a@9 .. f!", "f@5 .. k!", "k@5 .. x@1"));
  EXPECT_THAT(Tombstones(0), ElementsAre("[b, f)@5"));
  EXPECT_THAT(Tombstones(1), ElementsAre("[f, k)@5"));
  EXPECT_THAT(Tombstones(2), ElementsAre("[k, m)@5"));
}

TEST_F(TableOutputTest, EveryTombstoneIsInTheTablesThatItReachesInto) {
  output_->SetTombstones(
      {{"a", "c", 9}, {"a", "c", 5}, {"d", "g", 4}, {"x", "z", 8}});
  Put("b", 10);
  EndTable("e");
  Put("e", 11);
  EndTable("p");
  Put("p", 12);
  Finish();
  EXPECT_THAT(Bounds(), ElementsAre("a@9 .. e!", "e@11 .. g!", "p@12 .. z!"));
  EXPECT_THAT(Tombstones(0), ElementsAre("[a, c)@9", "[a, c)@5", "[d, e)@4"));
  EXPECT_THAT(Tombstones(1), ElementsAre("[e, g)@4"));
  EXPECT_THAT(Tombstones(2), ElementsAre("[x, z)@8"));
}

TEST_F(TableOutputTest, ATombstoneThatEndsWhereATableEndsIsNotInTheNext) {
  output_->SetTombstones({{"a", "e", 5}});
  Put("b", 6);
  EndTable("e");
  Put("e", 7);
  Finish();
  EXPECT_THAT(Bounds(), ElementsAre("a@5 .. e!", "e@7 .. e@7"));
  EXPECT_THAT(Tombstones(1), IsEmpty());
}

TEST_F(TableOutputTest, TombstonesAloneMakeATable) {
  output_->SetTombstones({{"a", "c", 5}, {"f", "g", 3}});
  Finish();
  EXPECT_THAT(Bounds(), ElementsAre("a@5 .. g!"));
  EXPECT_EQ(output_->files()[0].smallest_sequence, 3u);
  EXPECT_EQ(output_->files()[0].largest_sequence, 5u);
}

TEST_F(TableOutputTest, TombstonesBehindTheLastEntryAreNotLost) {
  output_->SetTombstones({{"x", "z", 5}});
  Put("a", 6);
  EndTable("b");
  Finish();
  EXPECT_THAT(Bounds(), ElementsAre("a@6 .. a@6", "x@5 .. z!"));
}

TEST_F(TableOutputTest, TablesAreRemovedUnlessTheyAreKept) {
  Put("a", 1);
  EndTable("b");
  Put("b", 2);
  EXPECT_EQ(FilesInDirectory(), 2u);
  Begin();
  EXPECT_EQ(FilesInDirectory(), 0u);
  Put("a", 1);
  Finish();
  output_->Keep();
  output_.reset();
  EXPECT_EQ(FilesInDirectory(), 1u);
}

TEST_F(TableOutputTest, AFailureOfAnyOperationLeavesNoTableBehind) {
  bool has_failed = true;
  for (uint64_t operation = 1; has_failed; ++operation) {
    FaultFileSystem faults;
    config_.file_system = &faults;
    Begin();
    faults.Arm({.operation = operation});
    std::string key;
    AppendInternalKey(&key, "a", 1, ValueType::kValue);
    Status s = output_->Add(key, "value");
    if (s.ok()) s = output_->EndTable("b");
    has_failed = faults.has_failed();
    EXPECT_EQ(s.ok(), !has_failed);
    faults.Disarm();
    output_.reset();
    EXPECT_EQ(FilesInDirectory(), 0u);
  }
}

}  // namespace
}  // namespace paceline
