#include "src/base/error_latch.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "src/base/sync.h"

namespace paceline {
namespace {

TEST(ErrorLatchTest, RemembersTheFirstFailureOnly) {
  ErrorLatch latch;
  EXPECT_FALSE(latch.is_set());
  EXPECT_TRUE(latch.Get().ok());

  EXPECT_EQ(latch.Set(Status::IOError("first")).message(), "first");
  EXPECT_EQ(latch.Set(Status::Corruption("second")).message(), "second");
  EXPECT_TRUE(latch.is_set());
  EXPECT_TRUE(latch.Get().IsIOError());
  EXPECT_EQ(latch.Get().message(), "first");
}

TEST(ErrorLatchTest, ClearingMakesRoomForTheNextFailure) {
  ErrorLatch latch;
  static_cast<void>(latch.Set(Status::IOError("first")));
  latch.Clear();
  EXPECT_FALSE(latch.is_set());
  EXPECT_TRUE(latch.Get().ok());
  static_cast<void>(latch.Set(Status::IOError("second")));
  EXPECT_EQ(latch.Get().message(), "second");
}

TEST(ErrorLatchTest, WhoSeesItSetFindsTheFailure) {
  for (int round = 0; round < 200; ++round) {
    ErrorLatch latch;
    Thread setter(
        [&latch] { static_cast<void>(latch.Set(Status::IOError("disk"))); });
    while (!latch.is_set()) SpinPause();
    EXPECT_EQ(latch.Get().message(), "disk");
    setter.join();
  }
}

}  // namespace
}  // namespace paceline
