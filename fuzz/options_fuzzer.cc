// The text of an OPTIONS file. What is understood is the same when it was
// written again.

#include <set>
#include <string>
#include <vector>

#include "fuzz/fuzz_target.h"
#include "src/base/check.h"
#include "src/db/options_file.h"

namespace paceline {
namespace {

// True if two sections are about one family. The parser takes them for two, and
// the options of tables then belong to one of them.
bool NamesOneTwice(const std::vector<ColumnFamilyDescriptor>& families) {
  std::set<std::string> names;
  for (const auto& family : families) names.insert(family.name);
  return names.size() != families.size();
}

// Empty if the text is not understood.
std::string ParsedAndWritten(const std::string& text) {
  DBOptions options;
  std::vector<ColumnFamilyDescriptor> families;
  if (!ParseOptionsText(text, "OPTIONS", &options, &families).ok()) return "";
  if (families.empty() || NamesOneTwice(families)) return "";
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
