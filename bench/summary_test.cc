#include "bench/summary.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace paceline::bench {

namespace {

using ::testing::ElementsAre;

EngineChoice Engine(const std::string& name, const std::string& rival) {
  return {.name = name, .type = {}, .mode = "", .rival = rival};
}

// A run of one second.
RunResult MakeRun(const std::string& engine, int run, uint64_t operations) {
  RunResult result;
  result.benchmark = "fillrandom";
  result.engine = engine;
  result.threads = 1;
  result.run = run;
  result.operations = operations;
  result.seconds = 1;
  return result;
}

TEST(MedianTest, IsTheMiddleOrTheMeanOfTheTwoMiddleValues) {
  EXPECT_EQ(Median({}), 0);
  EXPECT_EQ(Median({5}), 5);
  EXPECT_EQ(Median({9, 1, 5}), 5);
  EXPECT_EQ(Median({9, 1, 5, 7}), 6);
}

TEST(SummaryTest, RatioIsOfRunsOfTheSameNumber) {
  std::vector<EngineChoice> engines = {Engine("a", "a"), Engine("b", "b")};
  // The machine slows down threefold during the second round, and both with
  // it: the ratio stays 2, where that of the medians would be 2.5.
  std::vector<RunResult> results = {MakeRun("a", 0, 600), MakeRun("b", 0, 300),
                                    MakeRun("b", 1, 100), MakeRun("a", 1, 200),
                                    MakeRun("a", 2, 500), MakeRun("b", 2, 200)};
  std::vector<SummaryRow> rows = Summarize(engines, results);
  ASSERT_EQ(rows.size(), 1U);
  ASSERT_EQ(rows[0].ratios.size(), 1U);
  EXPECT_DOUBLE_EQ(rows[0].ratios[0].throughput, 2);
  EXPECT_THAT(rows[0].cells[0].operations_per_second,
              ElementsAre(600, 200, 500));
  EXPECT_DOUBLE_EQ(rows[0].cells[0].median_operations_per_second, 500);
}

TEST(SummaryTest, RatioIsToTheFastestModeOfARival) {
  std::vector<EngineChoice> engines = {Engine("a", "a"), Engine("b", "b:best"),
                                       Engine("b:x", "b:best"),
                                       Engine("c", "c")};
  std::vector<RunResult> results = {MakeRun("a", 0, 600), MakeRun("b", 0, 200),
                                    MakeRun("b:x", 0, 300),
                                    MakeRun("c", 0, 100)};
  std::vector<SummaryRow> rows = Summarize(engines, results);
  ASSERT_EQ(rows[0].ratios.size(), 2U);
  EXPECT_EQ(rows[0].ratios[0].rival, "b:best");
  EXPECT_EQ(rows[0].ratios[0].engine, "b:x");
  EXPECT_DOUBLE_EQ(rows[0].ratios[0].throughput, 2);
  EXPECT_EQ(rows[0].ratios[1].engine, "c");
  EXPECT_DOUBLE_EQ(rows[0].ratios[1].throughput, 6);
}

TEST(SummaryTest, BenchmarkThreadsAndSyncMakeARow) {
  std::vector<EngineChoice> engines = {Engine("a", "a")};
  std::vector<RunResult> results(5, MakeRun("a", 0, 1));
  results[1].threads = 8;
  results[2].sync = true;
  results[3].benchmark = "readrandom";
  results[4].run = 1;
  std::vector<SummaryRow> rows = Summarize(engines, results);
  ASSERT_EQ(rows.size(), 4U);
  EXPECT_EQ(rows[0].cells[0].operations_per_second.size(), 2U);
  EXPECT_EQ(rows[1].threads, 8);
  EXPECT_TRUE(rows[2].sync);
  EXPECT_EQ(rows[3].benchmark, "readrandom");
}

}  // namespace

}  // namespace paceline::bench
