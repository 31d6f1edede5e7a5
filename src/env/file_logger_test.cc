#include "src/env/file_logger.h"

#include <memory>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "test/support/fault_file_system.h"
#include "test/support/test_directory.h"

namespace paceline {
namespace {

using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

TEST(FileLoggerTest, ALineThatCannotBeWrittenDoesNotEndTheLog) {
  TestDirectory directory;
  FaultFileSystem files;
  const std::string path = directory / "LOG";
  auto file = files.NewWritableFile(path, {});
  ASSERT_TRUE(file.ok()) << file.status().ToString();
  FileLogger logger(*std::move(file), Clock::Default());
  Log(&logger, "first");
  files.Arm({.operation = 1,
             .name = "Append",
             .is_no_space = true,
             .effect = Fault::Effect::kHalf});
  Log(&logger, "the disk is full, so that only half of this is written");
  Log(&logger, "third %d", 3);
  const std::string text = ReadFileBytes(path);
  EXPECT_THAT(text, ContainsRegex("^[0-9/]+-[0-9:.]+ first\n"));
  EXPECT_THAT(text, Not(HasSubstr("half of this is written")));
  EXPECT_THAT(text, ContainsRegex("\n[0-9/]+-[0-9:.]+ third 3\n$"));
}

}  // namespace
}  // namespace paceline
