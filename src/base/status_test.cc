#include "paceline/status.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

namespace paceline {
namespace {

TEST(StatusTest, TheDefaultIsOk) {
  Status status;
  EXPECT_TRUE(status.ok());
  EXPECT_EQ(status.code(), Status::kOk);
  EXPECT_EQ(status.ToString(), "OK");
  EXPECT_EQ(status.message(), "");
}

TEST(StatusTest, EveryKindIsItselfAndNoOther) {
  const std::vector<std::pair<Status, bool (Status::*)() const>> kinds = {
      {Status::NotFound(), &Status::IsNotFound},
      {Status::Corruption("x"), &Status::IsCorruption},
      {Status::NotSupported("x"), &Status::IsNotSupported},
      {Status::InvalidArgument("x"), &Status::IsInvalidArgument},
      {Status::IOError("x"), &Status::IsIOError},
      {Status::Incomplete(), &Status::IsIncomplete},
      {Status::ShutdownInProgress(), &Status::IsShutdownInProgress},
      {Status::Aborted(), &Status::IsAborted},
      {Status::Busy(), &Status::IsBusy},
  };
  for (size_t i = 0; i < kinds.size(); ++i) {
    EXPECT_FALSE(kinds[i].first.ok());
    for (size_t k = 0; k < kinds.size(); ++k) {
      EXPECT_EQ((kinds[i].first.*kinds[k].second)(), i == k)
          << kinds[i].first.ToString() << " and " << kinds[k].first.ToString();
    }
  }
}

TEST(StatusTest, SubcodesAreIOErrors) {
  EXPECT_TRUE(Status::NoSpace("x").IsIOError());
  EXPECT_TRUE(Status::NoSpace("x").IsNoSpace());
  EXPECT_FALSE(Status::NoSpace("x").IsPathNotFound());
  EXPECT_TRUE(Status::PathNotFound("x").IsIOError());
  EXPECT_TRUE(Status::PathNotFound("x").IsPathNotFound());
  EXPECT_FALSE(Status::IOError("x").IsNoSpace());
}

TEST(StatusTest, TheTextNamesTheCodeAndWhatHappened) {
  EXPECT_EQ(Status::IOError("append to f", "No such device").ToString(),
            "IO error: append to f: No such device");
  EXPECT_EQ(Status::Corruption("bad record").ToString(),
            "Corruption: bad record");
  EXPECT_EQ(Status::NotFound().ToString(), "NotFound");
  EXPECT_EQ(Status::Corruption("a", "b").message(), "a: b");
}

TEST(StatusTest, CopiesAreIndependent) {
  Status first = Status::Corruption("one");
  Status second = first;
  first = Status::OK();
  EXPECT_EQ(second.ToString(), "Corruption: one");
  second = Status::NoSpace("two");
  EXPECT_TRUE(second.IsNoSpace());
  const Status& self = second;
  second = self;
  EXPECT_EQ(second.message(), "two");
  first = std::move(second);
  EXPECT_TRUE(first.IsNoSpace());
  EXPECT_EQ(first.message(), "two");
}

TEST(StatusTest, EqualMeansTheSameCode) {
  EXPECT_EQ(Status::Corruption("a"), Status::Corruption("b"));
  EXPECT_FALSE(Status::Corruption("a") == Status::IOError("a"));
}

TEST(StatusOrTest, HoldsAValueOrAnError) {
  StatusOr<std::string> value(std::string("text"));
  ASSERT_TRUE(value.ok());
  EXPECT_TRUE(value.status().ok());
  EXPECT_EQ(*value, "text");
  EXPECT_EQ(value->size(), 4U);

  StatusOr<std::string> error(Status::Busy("held"));
  ASSERT_FALSE(error.ok());
  EXPECT_TRUE(error.status().IsBusy());
}

TEST(StatusOrTest, GivesUpAValueThatCanOnlyBeMoved) {
  StatusOr<std::unique_ptr<int>> made(std::make_unique<int>(7));
  ASSERT_TRUE(made.ok());
  std::unique_ptr<int> taken = std::move(made).value();
  EXPECT_EQ(*taken, 7);
}

}  // namespace
}  // namespace paceline
