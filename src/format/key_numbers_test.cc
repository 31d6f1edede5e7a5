#include "src/format/key_numbers.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "test/support/seed.h"

namespace paceline {
namespace {

using namespace std::string_literals;

class KeyNumbersTest : public testing::Test {
 protected:
  void Make(std::vector<std::string> keys) {
    keys_ = std::move(keys);
    std::sort(keys_.begin(), keys_.end());
    numbers_ =
        KeyNumbers(keys_.size(), [this](size_t i) { return Slice(keys_[i]); });
  }
  // The first key that is not before `key`.
  size_t Find(const std::string& key) {
    looked_at_ = 0;
    return numbers_.Find(keys_.size(), key, [&](size_t i) {
      ++looked_at_;
      return keys_[i] < key;
    });
  }
  [[nodiscard]] size_t Expected(const std::string& key) const {
    return static_cast<size_t>(
        std::lower_bound(keys_.begin(), keys_.end(), key) - keys_.begin());
  }

  std::vector<std::string> keys_;
  KeyNumbers numbers_;
  size_t looked_at_ = 0;
};

TEST_F(KeyNumbersTest, AmongNoKeysNothingIsFound) {
  EXPECT_EQ(Find("a"), 0u);
  Make({});
  EXPECT_EQ(Find("a"), 0u);
}

TEST_F(KeyNumbersTest, MostKeysAreFoundWithoutALookAtTheOthers) {
  std::vector<std::string> keys;
  for (int i = 1'000; i < 3'000; ++i)
    keys.push_back("user" + std::to_string(i));
  Make(std::move(keys));
  for (const std::string key : {"user1500", "user15005", "user0", "user4",
                                "tail", "user", "very", ""}) {
    EXPECT_EQ(Find(key), Expected(key)) << key;
    EXPECT_LE(looked_at_, 1u) << key;
  }
}

TEST_F(KeyNumbersTest, KeysThatDifferBehindTheNumbersAreCompared) {
  Make({"a", "a12345678", "a123456789", "a1234567899", "a\0"s, "b"});
  for (const std::string& key : std::vector<std::string>(keys_)) {
    EXPECT_EQ(Find(key), Expected(key)) << key;
    EXPECT_EQ(Find(key + "0"), Expected(key + "0")) << key;
  }
}

TEST_F(KeyNumbersTest, OfEqualKeysTheFirstThatIsNotBeforeIsFound) {
  Make(std::vector<std::string>(20, "same"));
  for (size_t wanted = 0; wanted <= 20; ++wanted) {
    EXPECT_EQ(numbers_.Find(20, "same", [&](size_t i) { return i < wanted; }),
              wanted);
  }
}

TEST_F(KeyNumbersTest, RandomKeysAreFoundAsBySearchingThem) {
  TestRandom random(TestSeed());
  for (int round = 0; round < 200; ++round) {
    const std::string prefix = random.Bytes(random.Below(3));
    std::vector<std::string> keys;
    for (uint64_t left = random.Below(50); left > 0; --left) {
      keys.push_back(prefix + random.Letters(random.Below(2)) +
                     random.Bytes(random.Below(12)));
    }
    Make(keys);
    keys.push_back("");
    for (const std::string& key : keys) {
      ASSERT_EQ(Find(key), Expected(key));
      const std::string longer = key + random.Bytes(1);
      ASSERT_EQ(Find(longer), Expected(longer));
      const std::string shorter = key.substr(0, key.size() / 2);
      ASSERT_EQ(Find(shorter), Expected(shorter));
    }
  }
}

}  // namespace
}  // namespace paceline
