#include "src/db/log_totals.h"

#include <memory>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "src/env/file_logger.h"
#include "src/format/file_name.h"
#include "test/support/test_directory.h"

namespace paceline {
namespace {

class LogTotalsTest : public testing::Test {
 protected:
  std::shared_ptr<Logger> NewLog(const std::string& path) {
    auto file = files_->NewWritableFile(path, {});
    EXPECT_TRUE(file.ok()) << file.status().ToString();
    return std::make_shared<FileLogger>(*std::move(file), Clock::Default());
  }
  std::optional<LogTotals> Newest() {
    auto found = ReadNewestTotals(files_, directory_.path());
    EXPECT_TRUE(found.ok()) << found.status().ToString();
    return found.ok() ? *found : std::nullopt;
  }

  TestDirectory directory_;
  FileSystem* const files_ = FileSystem::Default();
};

TEST_F(LogTotalsTest, TheNewestAreFoundWithAllThatWasWritten) {
  auto log = NewLog(InfoLogFileName(directory_.path()));
  EXPECT_FALSE(Newest());
  LogOpening(log.get(), directory_.path());
  Metrics old;
  old.stalls_by_cause.emplace_back().family = "old";
  WriteTotals(log.get(), old);
  Metrics metrics;
  metrics.flush_bytes_written = 7;
  metrics.compaction_bytes_written = 8;
  metrics.stalls_by_cause = {{.family = "a family=b",
                              .cause = StallCause::kPendingCompaction,
                              .delays = 1,
                              .delay_micros = 2,
                              .stops = 3,
                              .stop_micros = 4},
                             {.family = "",
                              .cause = StallCause::kLocked,
                              .stops = 5,
                              .stop_micros = 6}};
  WriteTotals(log.get(), metrics);
  Log(log.get(), "something else");
  const auto found = Newest();
  ASSERT_TRUE(found);
  EXPECT_FALSE(found->since.empty());
  EXPECT_LE(found->since, found->until);
  EXPECT_EQ(found->flush_bytes_written, 7u);
  EXPECT_EQ(found->compaction_bytes_written, 8u);
  ASSERT_EQ(found->stalls.size(), 2u);
  const StallMetrics& first = found->stalls[0];
  EXPECT_EQ(first.family, "a family=b");
  EXPECT_EQ(first.cause, StallCause::kPendingCompaction);
  EXPECT_EQ(first.delays, 1u);
  EXPECT_EQ(first.delay_micros, 2u);
  EXPECT_EQ(first.stops, 3u);
  EXPECT_EQ(first.stop_micros, 4u);
  EXPECT_EQ(found->stalls[1].family, "");
  EXPECT_EQ(found->stalls[1].cause, StallCause::kLocked);
  EXPECT_EQ(found->stalls[1].stop_micros, 6u);
}

TEST_F(LogTotalsTest, OlderLogsCountIfTheNewOneHasNone) {
  for (uint64_t number : {1, 2}) {
    auto log = NewLog(OldInfoLogFileName(directory_.path(), number));
    Metrics metrics;
    metrics.flush_bytes_written = number;
    WriteTotals(log.get(), metrics);
  }
  auto log = NewLog(InfoLogFileName(directory_.path()));
  LogOpening(log.get(), directory_.path());
  ASSERT_TRUE(Newest());
  EXPECT_EQ(Newest()->flush_bytes_written, 2u);
}

}  // namespace
}  // namespace paceline
