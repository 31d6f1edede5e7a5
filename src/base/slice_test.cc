#include "paceline/slice.h"

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "gtest/gtest.h"

namespace paceline {
namespace {

using std::string_view_literals::operator""sv;

TEST(SliceTest, ConvertsFromAndToStrings) {
  const std::string string = "abc";
  EXPECT_EQ(Slice(string).data(), string.data());
  EXPECT_EQ(Slice("abc").ToString(), "abc");
  EXPECT_EQ(Slice("a\0c"sv).size(), 3U);
  const std::string_view view = Slice(string);
  EXPECT_EQ(view, "abc");
  EXPECT_EQ(Slice("\x01\xab\xff").ToString(true), "01abff");
}

TEST(SliceTest, OrdersUnsignedBytesAndPrefixesFirst) {
  EXPECT_LT(Slice("a").compare("b"), 0);
  EXPECT_LT(Slice("a").compare("aa"), 0);
  EXPECT_LT(Slice("").compare("\0"sv), 0);
  EXPECT_LT(Slice("\x7f").compare("\x80"), 0);
  EXPECT_GT(Slice("\xff").compare("a"), 0);
  EXPECT_EQ(Slice("a\0b"sv).compare("a\0b"sv), 0);
  EXPECT_FALSE(Slice("a\0b"sv) == Slice("a\0c"sv));
}

TEST(SliceTest, LosesBytesAtEitherEnd) {
  Slice slice("abcdef");
  slice.remove_prefix(2);
  slice.remove_suffix(1);
  EXPECT_EQ(slice, Slice("cde"));
  EXPECT_EQ(slice[1], 'd');
  EXPECT_TRUE(slice.starts_with("cd"));
  EXPECT_TRUE(slice.ends_with("de"));
  EXPECT_TRUE(slice.starts_with(""));
  EXPECT_FALSE(slice.starts_with("cdef"));
  slice.clear();
  EXPECT_TRUE(slice.empty());
}

TEST(PinnableSliceTest, ReleasesItsPinOnReset) {
  auto bytes = std::make_shared<const std::string>("pinned");
  PinnableSlice slice;
  slice.PinSlice(*bytes, bytes);
  EXPECT_TRUE(slice.IsPinned());
  EXPECT_EQ(bytes.use_count(), 2);
  EXPECT_EQ(slice, Slice("pinned"));
  slice.Reset();
  EXPECT_EQ(bytes.use_count(), 1);
  EXPECT_TRUE(slice.empty());
}

TEST(PinnableSliceTest, KeepsACopyOfItsOwn) {
  PinnableSlice slice;
  {
    const std::string gone = "copied";
    slice.PinSelf(gone);
  }
  EXPECT_FALSE(slice.IsPinned());
  EXPECT_EQ(slice, Slice("copied"));
  *slice.GetSelf() = "filled in place";
  slice.PinSelf();
  EXPECT_EQ(slice, Slice("filled in place"));
}

}  // namespace
}  // namespace paceline
