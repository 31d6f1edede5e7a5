#include "bench/flags.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace paceline::bench {

namespace {

using ::testing::ElementsAre;

constexpr int kExitUsage = 2;

std::vector<EngineType> Types() {
  EngineType plain{.name = "paceline", .version = "1", .modes = {}};
  EngineType modal{.name = "other", .version = "2", .modes = {"x", "y"}};
  return {plain, modal};
}

std::optional<int> Parse(std::vector<const char*> arguments, Flags* flags) {
  arguments.insert(arguments.begin(), "paceline_bench");
  return ParseFlags(static_cast<int>(arguments.size()), arguments.data(),
                    Types(), flags);
}

std::vector<std::string> NamesOf(const Flags& flags) {
  std::vector<std::string> names;
  for (const EngineChoice& engine : flags.engines) names.push_back(engine.name);
  return names;
}

TEST(FlagsTest, DefaultsAreThoseOfDbBench) {
  Flags flags;
  ASSERT_EQ(Parse({}, &flags), std::nullopt);
  EXPECT_EQ(flags.num, 1'000'000U);
  EXPECT_EQ(flags.key_size, 16);
  EXPECT_EQ(flags.value_size, 100U);
  EXPECT_EQ(flags.write_buffer_size, uint64_t{64} << 20);
  EXPECT_THAT(flags.threads, ElementsAre(1));
  EXPECT_THAT(flags.sync, ElementsAre(false));
  EXPECT_THAT(NamesOf(flags), ElementsAre("paceline"));
  EXPECT_EQ(flags.runs, 1);
}

TEST(FlagsTest, ListsGiveRows) {
  Flags flags;
  ASSERT_EQ(Parse({"--threads=1,8,128", "--sync=both",
                   "--benchmarks=fillseq,readseq"},
                  &flags),
            std::nullopt);
  EXPECT_THAT(flags.threads, ElementsAre(1, 8, 128));
  EXPECT_THAT(flags.sync, ElementsAre(false, true));
  EXPECT_THAT(flags.benchmarks, ElementsAre("fillseq", "readseq"));
}

TEST(FlagsTest, BestStandsForAllModesOfAnEngine) {
  Flags flags;
  ASSERT_EQ(Parse({"--engine=paceline,other:best"}, &flags), std::nullopt);
  EXPECT_THAT(NamesOf(flags),
              ElementsAre("paceline", "other", "other:x", "other:y"));
  EXPECT_EQ(flags.engines[0].rival, "paceline");
  EXPECT_EQ(flags.engines[1].rival, "other:best");
  EXPECT_EQ(flags.engines[3].rival, "other:best");
  EXPECT_EQ(flags.engines[3].mode, "y");
  EXPECT_EQ(flags.runs, 5);
}

TEST(FlagsTest, FlagsWithoutValueAreTrue) {
  Flags flags;
  ASSERT_EQ(Parse({"--sync", "--histogram"}, &flags), std::nullopt);
  EXPECT_THAT(flags.sync, ElementsAre(true));
  EXPECT_TRUE(flags.histogram);
}

TEST(FlagsTest, TheLastOfTheSameFlagsCounts) {
  Flags flags;
  ASSERT_EQ(Parse({"--num=1", "--sync", "--num=2", "--sync=false"}, &flags),
            std::nullopt);
  EXPECT_EQ(flags.num, 2U);
  EXPECT_THAT(flags.sync, ElementsAre(false));
}

TEST(FlagsTest, SizesMayHaveUnits) {
  Flags flags;
  ASSERT_EQ(Parse({"--write_buffer_size=1g"}, &flags), std::nullopt);
  EXPECT_EQ(flags.write_buffer_size, uint64_t{1} << 30);
}

TEST(FlagsTest, WrongFlagsAreRejected) {
  const std::vector<std::vector<const char*>> wrong = {
      {"--bogus"},
      {"extra"},
      {"--num=0"},
      {"--num=-1"},
      {"--num=many"},
      {"--threads=0"},
      {"--threads=1,,2"},
      {"--threads=1x"},
      {"--sync=maybe"},
      {"--benchmarks=fill"},
      {"--benchmarks="},
      {"--engine=unknown"},
      {"--engine=other:z"},
      {"--engine=paceline:best"},
      {"--engine=other,other:best"},
      {"--key_size=1", "--num=257"},
      {"--use_existing_db"},
      {"--sync", "--disable_wal"},
      {"--benchmarks=fillsync", "--disable_wal"},
  };
  for (const std::vector<const char*>& arguments : wrong) {
    Flags flags;
    testing::internal::CaptureStderr();
    EXPECT_EQ(Parse(arguments, &flags), kExitUsage) << arguments.front();
    EXPECT_NE(testing::internal::GetCapturedStderr(), "");
  }
}

}  // namespace

}  // namespace paceline::bench
