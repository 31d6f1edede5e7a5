// The text of an OPTIONS file. What is understood is the same when it was
// written again.

#include <string>
#include <vector>

#include "fuzz/fuzz_target.h"
#include "src/base/check.h"
#include "src/db/options_file.h"

namespace paceline {
namespace {

// Empty if the text is not understood.
std::string ParsedAndWritten(const std::string& text) {
  DBOptions options;
  std::vector<ColumnFamilyDescriptor> families;
  if (!ParseOptionsText(text, "OPTIONS", &options, &families).ok()) return "";
  if (families.empty()) return "";
  return OptionsToText(options, families);
}

void ParseOptions(const std::string& text) {
  const std::string once = ParsedAndWritten(text);
  if (once.empty()) return;
  PL_CHECK(ParsedAndWritten(once) == once);
}

}  // namespace
}  // namespace paceline

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  paceline::ParseOptions(paceline::CopyOfInput(data, size));
  return 0;
}
