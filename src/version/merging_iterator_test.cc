#include "src/version/merging_iterator.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "test/support/seed.h"

namespace paceline {
namespace {

// (internal key, value)
using Entries = std::vector<std::pair<std::string, std::string>>;

std::string InternalKey(const Slice& user_key, SequenceNumber sequence) {
  std::string bytes;
  AppendInternalKey(&bytes, user_key, sequence, ValueType::kValue);
  return bytes;
}

// A sorted vector as an iterator: the source in these tests, and the model.
class VectorIterator final : public InternalIterator {
 public:
  VectorIterator(const InternalKeyComparator* comparator, Entries entries,
                 Status status = Status::OK())
      : comparator_(comparator),
        entries_(std::move(entries)),
        status_(std::move(status)),
        position_(entries_.size()) {
    std::sort(entries_.begin(), entries_.end(),
              [this](const auto& a, const auto& b) {
                return comparator_->Compare(a.first, b.first) < 0;
              });
  }

  bool Valid() const override { return position_ < entries_.size(); }
  void SeekToFirst() override { position_ = 0; }
  void SeekToLast() override { position_ = entries_.size() - 1; }
  void Seek(const Slice& target) override {
    position_ = 0;
    while (Valid() && comparator_->Compare(key(), target) < 0) ++position_;
  }
  void SeekForPrev(const Slice& target) override {
    SeekToLast();
    while (Valid() && comparator_->Compare(key(), target) > 0) --position_;
  }
  void Next() override {
    EXPECT_TRUE(Valid());
    ++position_;
  }
  // In front of the first, it wraps and is not valid.
  void Prev() override {
    EXPECT_TRUE(Valid());
    --position_;
  }
  Slice key() const override { return entries_[position_].first; }
  Slice value() const override { return entries_[position_].second; }
  Status status() const override { return status_; }

 private:
  const InternalKeyComparator* const comparator_;
  Entries entries_;
  const Status status_;
  size_t position_;
};

class MergingIteratorTest : public testing::Test {
 protected:
  std::unique_ptr<InternalIterator> Merged(std::vector<Entries> sources) {
    std::vector<std::unique_ptr<InternalIterator>> children;
    for (Entries& source : sources) {
      children.push_back(
          std::make_unique<VectorIterator>(&comparator_, std::move(source)));
    }
    return NewMergingIterator(&comparator_, std::move(children));
  }

  const InternalKeyComparator comparator_{BytewiseComparator()};
};

// The values in the order of a walk from where `iterator` is.
std::string WalkForward(InternalIterator* iterator) {
  std::string walked;
  for (; iterator->Valid(); iterator->Next()) {
    walked += iterator->value().ToString();
  }
  return walked;
}
std::string WalkBackward(InternalIterator* iterator) {
  std::string walked;
  for (; iterator->Valid(); iterator->Prev()) {
    walked += iterator->value().ToString();
  }
  return walked;
}

TEST_F(MergingIteratorTest, OfNothingItIsNeverValid) {
  for (size_t sources : {0, 1, 3}) {
    auto iterator = Merged(std::vector<Entries>(sources));
    EXPECT_FALSE(iterator->Valid());
    iterator->SeekToFirst();
    EXPECT_FALSE(iterator->Valid());
    iterator->SeekToLast();
    EXPECT_FALSE(iterator->Valid());
    iterator->Seek(InternalKey("k", 1));
    EXPECT_FALSE(iterator->Valid());
    iterator->SeekForPrev(InternalKey("k", 1));
    EXPECT_FALSE(iterator->Valid());
    EXPECT_TRUE(iterator->status().ok());
  }
}

TEST_F(MergingIteratorTest, SourcesAreMergedInBothDirections) {
  auto iterator =
      Merged({{{InternalKey("a", 1), "a"}, {InternalKey("d", 1), "d"}},
              {},
              {{InternalKey("b", 1), "b"}},
              {{InternalKey("c", 1), "c"}, {InternalKey("e", 1), "e"}}});
  iterator->SeekToFirst();
  EXPECT_EQ(WalkForward(iterator.get()), "abcde");
  iterator->SeekToLast();
  EXPECT_EQ(WalkBackward(iterator.get()), "edcba");
  iterator->Seek(InternalKey("c", 1));
  EXPECT_EQ(WalkForward(iterator.get()), "cde");
  iterator->SeekForPrev(InternalKey("c", 1));
  EXPECT_EQ(WalkBackward(iterator.get()), "cba");
}

TEST_F(MergingIteratorTest, VersionsOfAKeyComeNewestFirstWhateverTheirSource) {
  auto iterator =
      Merged({{{InternalKey("k", 4), "4"}, {InternalKey("k", 1), "1"}},
              {{InternalKey("k", 3), "3"}},
              {{InternalKey("k", 5), "5"}, {InternalKey("k", 2), "2"}}});
  iterator->SeekToFirst();
  EXPECT_EQ(WalkForward(iterator.get()), "54321");
  iterator->SeekToLast();
  EXPECT_EQ(WalkBackward(iterator.get()), "12345");
  iterator->Seek(InternalKey("k", 3));
  EXPECT_EQ(WalkForward(iterator.get()), "321");
}

TEST_F(MergingIteratorTest, ATurnAtEveryEntryGoesToItsNeighbour) {
  const std::string all = "abcdefgh";
  std::vector<Entries> sources(3);
  for (size_t i = 0; i < all.size(); ++i) {
    const std::string key(1, all[i]);
    sources[i * i % 3].push_back({InternalKey(key, 1), key});
  }
  auto iterator = Merged(sources);
  for (size_t at = 0; at < all.size(); ++at) {
    const std::string target = InternalKey(all.substr(at, 1), 1);
    iterator->Seek(target);
    ASSERT_TRUE(iterator->Valid());
    iterator->Prev();
    ASSERT_EQ(iterator->Valid(), at > 0);
    if (at > 0) {
      EXPECT_EQ(iterator->value().ToString(), all.substr(at - 1, 1));
      iterator->Next();
      ASSERT_TRUE(iterator->Valid());
      EXPECT_EQ(iterator->value().ToString(), all.substr(at, 1));
    }
    iterator->SeekForPrev(target);
    ASSERT_TRUE(iterator->Valid());
    iterator->Next();
    ASSERT_EQ(iterator->Valid(), at + 1 < all.size());
    if (iterator->Valid()) {
      EXPECT_EQ(iterator->value().ToString(), all.substr(at + 1, 1));
      iterator->Prev();
      ASSERT_TRUE(iterator->Valid());
      EXPECT_EQ(iterator->value().ToString(), all.substr(at, 1));
    }
  }
}

TEST_F(MergingIteratorTest, OneFailedSourceMakesTheStatus) {
  std::vector<std::unique_ptr<InternalIterator>> children;
  children.push_back(std::make_unique<VectorIterator>(
      &comparator_, Entries{{InternalKey("a", 1), "a"}}));
  children.push_back(std::make_unique<VectorIterator>(
      &comparator_, Entries{}, Status::IOError("cannot read")));
  auto iterator = NewMergingIterator(&comparator_, std::move(children));
  iterator->SeekToFirst();
  EXPECT_TRUE(iterator->status().IsIOError());
}

class MergingIteratorRandomTest
    : public testing::TestWithParam<const Comparator* (*)()> {
 protected:
  std::string RandomKey() {
    return InternalKey(random_.Letters(random_.Below(3)), random_.Below(30));
  }
  // A random move of both; they must agree before and after.
  void MoveBoth(InternalIterator* merged, InternalIterator* model) {
    const uint64_t move = random_.Below(20);
    const std::string target = RandomKey();
    for (InternalIterator* iterator : {merged, model}) {
      if (move == 0) {
        iterator->SeekToFirst();
      } else if (move == 1) {
        iterator->SeekToLast();
      } else if (move == 2 || (!iterator->Valid() && move % 2 == 0)) {
        iterator->Seek(target);
      } else if (move == 3 || !iterator->Valid()) {
        iterator->SeekForPrev(target);
      } else if (move < 12) {
        iterator->Next();
      } else {
        iterator->Prev();
      }
    }
  }

  const InternalKeyComparator comparator_{GetParam()()};
  TestRandom random_{TestSeed()};
};

TEST_P(MergingIteratorRandomTest, ItMovesLikeAnIteratorOverASortedVector) {
  for (int round = 0; round < 200; ++round) {
    std::vector<Entries> sources(1 + random_.Below(6));
    Entries all;
    const size_t count = random_.Below(60);
    for (size_t i = 0; i < count; ++i) {
      std::string key = RandomKey();
      auto is_same = [&key](const auto& entry) { return entry.first == key; };
      if (std::any_of(all.begin(), all.end(), is_same)) continue;
      all.emplace_back(key, "value " + std::to_string(i));
      sources[random_.Below(sources.size())].push_back(all.back());
    }
    VectorIterator model(&comparator_, all);
    std::vector<std::unique_ptr<InternalIterator>> children;
    for (Entries& source : sources) {
      children.push_back(
          std::make_unique<VectorIterator>(&comparator_, std::move(source)));
    }
    auto merged = NewMergingIterator(&comparator_, std::move(children));
    for (int move = 0; move < 300; ++move) {
      MoveBoth(merged.get(), &model);
      ASSERT_EQ(merged->Valid(), model.Valid());
      if (!model.Valid()) continue;
      ASSERT_EQ(merged->key(), model.key());
      ASSERT_EQ(merged->value(), model.value());
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Orders, MergingIteratorRandomTest,
                         testing::Values(&BytewiseComparator,
                                         &ReverseBytewiseComparator),
                         [](const auto& instance) {
                           return instance.index == 0 ? "Bytewise" : "Reverse";
                         });

}  // namespace
}  // namespace paceline
