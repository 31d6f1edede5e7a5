// The entries of a batch, as they come from a WAL.

#include "fuzz/fuzz_target.h"
#include "src/base/check.h"
#include "src/format/batch_reader.h"

namespace paceline {
namespace {

bool IsInside(const Slice& part, const std::string& whole) {
  return part.empty() ||
         (part.data() >= whole.data() &&
          part.data() + part.size() <= whole.data() + whole.size());
}

void ReadBatch(const std::string& batch) {
  BatchReader reader(batch);
  BatchEntry entry;
  while (reader.Next(&entry)) {
    PL_CHECK(IsInside(entry.key, batch) && IsInside(entry.value, batch));
  }
  if (!ValidateBatch(batch).ok()) return;
  PL_CHECK(reader.status().ok());
  PL_CHECK(reader.updates_seen() == reader.count());
}

}  // namespace
}  // namespace paceline

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  paceline::ReadBatch(paceline::CopyOfInput(data, size));
  return 0;
}
