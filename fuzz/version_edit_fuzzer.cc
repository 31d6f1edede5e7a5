// A record of a MANIFEST. What is understood is the same when it was written
// again.

#include "fuzz/fuzz_target.h"
#include "src/base/check.h"
#include "src/version/version_edit.h"

namespace paceline {
namespace {

void DecodeEdit(const std::string& record) {
  StatusOr<VersionEdit> edit = VersionEdit::Decode(record);
  if (!edit.ok()) return;
  std::string encoded;
  edit->EncodeTo(&encoded);
  StatusOr<VersionEdit> again = VersionEdit::Decode(encoded);
  PL_CHECK(again.ok());
  std::string encoded_again;
  again->EncodeTo(&encoded_again);
  PL_CHECK(encoded == encoded_again);
}

}  // namespace
}  // namespace paceline

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  paceline::DecodeEdit(paceline::CopyOfInput(data, size));
  return 0;
}
