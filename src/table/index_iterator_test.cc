#include "src/table/index_iterator.h"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "src/table/block_builder.h"

namespace paceline {
namespace {

using namespace std::string_literals;
using testing::ElementsAre;

// A block of these entries, of which only the first one's key is known to be
// stored whole.
std::string OneInterval(const std::string& entries) {
  std::string contents = entries;
  PutFixed32(&contents, 0);
  PutFixed32(&contents, 1);
  return contents;
}

std::vector<std::string> HandlesIn(const std::string& bytes,
                                   const IndexFormat& format,
                                   bool* is_damaged) {
  BlockBuffer contents;
  EXPECT_TRUE(contents.Assign(bytes));
  const auto block = Block::Parse(std::move(contents), Block::Kind::kOther);
  EXPECT_TRUE(block.ok()) << block.status().ToString();
  IndexIterator index(block->get(), format);
  std::vector<std::string> entries;
  while (index.Next()) {
    entries.push_back(
        index.separator().ToString() + " " +
        std::to_string(index.handle().offset) + "+" +
        std::to_string(index.handle().size) +
        (format.has_first_keys ? " " + index.first_key().ToString() : ""));
  }
  *is_damaged = index.is_damaged();
  return entries;
}

TEST(IndexIteratorTest, EveryFormOfHandlesIsRead) {
  bool is_damaged = false;
  const auto full = [](uint64_t offset, uint64_t size,
                       const std::string& rest = "") {
    std::string bytes;
    PutBlockHandle(&bytes, {offset, size});
    return bytes + rest;
  };
  BlockBuilder plain(1);
  plain.Add("apple", full(0, 100));
  plain.Add("apricot", full(105, 300));
  const std::string plain_bytes = plain.Finish().ToString();
  EXPECT_THAT(HandlesIn(plain_bytes, {}, &is_damaged),
              ElementsAre("apple 0+100", "apricot 105+300"));
  EXPECT_FALSE(is_damaged);

  BlockBuilder with_keys(2);
  with_keys.Add("apple", full(0, 100,
                              "\x01"
                              "a"));
  with_keys.Add("apricot", full(105, 300, "\x00"s));
  EXPECT_THAT(HandlesIn(with_keys.Finish().ToString(), {.has_first_keys = true},
                        &is_damaged),
              ElementsAre("apple 0+100 a", "apricot 105+300 "));
  EXPECT_FALSE(is_damaged);

  // The second handle by its size, 100 - 3; the third in full again.
  const std::string delta =
      OneInterval("\x00\x05"s + "apple" + full(0, 100) + "\x02\x05"s + "ricot" +
                  "\x05"s + "\x00\x01"s + "b" + full(900, 7));
  EXPECT_THAT(HandlesIn(delta, {.has_delta_handles = true}, &is_damaged),
              ElementsAre("apple 0+100", "apricot 105+97", "b 900+7"));
  EXPECT_FALSE(is_damaged);

  const std::string both =
      OneInterval("\x00\x05"s + "apple" + full(0, 100) + "\x02xy\x02\x05"s +
                  "ricot" + "\x06\x01z"s);
  EXPECT_THAT(
      HandlesIn(both, {.has_delta_handles = true, .has_first_keys = true},
                &is_damaged),
      ElementsAre("apple 0+100 xy", "apricot 105+103 z"));
  EXPECT_FALSE(is_damaged);

  HandlesIn(plain_bytes, {.has_first_keys = true}, &is_damaged);
  EXPECT_TRUE(is_damaged);
}

}  // namespace
}  // namespace paceline
