#include "src/version/level_bounds.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "src/base/coding.h"
#include "test/support/seed.h"

namespace paceline {
namespace {

std::string InternalKey(const Slice& user_key, SequenceNumber sequence) {
  std::string bytes;
  AppendInternalKey(&bytes, user_key, sequence, ValueType::kValue);
  return bytes;
}

// Of files with random bounds, for both kinds of orders.
class LevelBoundsTest : public testing::TestWithParam<const Comparator*> {
 protected:
  // Some files begin with the user key that the one before ends with, and some
  // end with a sentinel.
  void MakeFiles(TestRandom* random, size_t count) {
    std::vector<std::string> keys;
    while (keys.size() < 2 * count) {
      keys.push_back(InternalKey("key" + random->Letters(random->Below(3)),
                                 1 + random->Below(1'000)));
    }
    std::sort(keys.begin(), keys.end(), [this](const auto& a, const auto& b) {
      return comparator_.Compare(a, b) < 0;
    });
    keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
    auto context = std::make_shared<const TableContext>(
        TableContext{comparator_, "family", nullptr, nullptr, nullptr});
    files_.clear();
    for (size_t i = 0; i + 1 < keys.size(); i += 2) {
      auto file = std::make_shared<FileMetaData>();
      file->smallest = keys[i];
      file->largest = keys[i + 1];
      const bool has_room =
          i + 2 == keys.size() ||
          ExtractUserKey(keys[i + 2]) != ExtractUserKey(keys[i + 1]);
      if (has_room && ExtractUserKey(keys[i]) != ExtractUserKey(keys[i + 1]) &&
          random->OneIn(3)) {
        file->largest = ExtractUserKey(keys[i + 1]).ToString();
        PutFixed64(&file->largest, kRangeTombstoneSentinelTag);
      }
      files_.push_back(std::make_shared<LiveTable>(std::move(file), context));
    }
  }

  // By looking at every file.
  [[nodiscard]] size_t Expected(const Slice& user_key) const {
    size_t i = 0;
    while (i < files_.size() &&
           comparator_.CompareUserKeys(files_[i]->metadata().largest_user_key(),
                                       user_key) < 0) {
      ++i;
    }
    return i;
  }
  [[nodiscard]] size_t ExpectedInternal(const Slice& key) const {
    size_t i = 0;
    while (i < files_.size() &&
           comparator_.Compare(files_[i]->metadata().largest, key) < 0) {
      ++i;
    }
    return i;
  }

  const InternalKeyComparator comparator_{GetParam()};
  LiveTables files_;
};

TEST_P(LevelBoundsTest, FilesAreFoundAsByLookingAtAllOfThem) {
  TestRandom random(TestSeed());
  for (int round = 0; round < 100; ++round) {
    MakeFiles(&random, random.Below(20));
    const LevelBounds bounds(&comparator_, files_);
    ASSERT_EQ(bounds.size(), files_.size());
    std::vector<std::string> keys = {InternalKey("", 1), InternalKey("z", 1)};
    for (size_t i = 0; i < files_.size(); ++i) {
      const FileMetaData& file = files_[i]->metadata();
      ASSERT_EQ(bounds.smallest_user_key(i), file.smallest_user_key());
      ASSERT_EQ(bounds.largest_user_key(i), file.largest_user_key());
      keys.push_back(file.smallest);
      keys.push_back(file.largest);
      keys.push_back(InternalKey(file.largest_user_key(), random.Below(1'000)));
    }
    for (int i = 0; i < 50; ++i) {
      keys.push_back(InternalKey("key" + random.Letters(random.Below(4)),
                                 random.Below(1'000)));
    }
    for (const std::string& key : keys) {
      const Slice user_key = ExtractUserKey(key);
      ASSERT_EQ(bounds.Find(user_key), Expected(user_key));
      ASSERT_EQ(bounds.FindInternal(key), ExpectedInternal(key));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Orders, LevelBoundsTest,
                         testing::Values(BytewiseComparator(),
                                         ReverseBytewiseComparator()));

}  // namespace
}  // namespace paceline
