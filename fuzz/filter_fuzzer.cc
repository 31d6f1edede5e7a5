// The contents of a filter block; and a filter that is made of any keys, which
// must hold all of them.

#include "fuzz/fuzz_target.h"
#include "src/base/check.h"
#include "src/table/bloom_filter.h"

namespace paceline {
namespace {

void AskFilter(const Slice& contents) {
  const BloomFilterReader filter(contents);
  int found = 0;
  for (size_t size = 0; size <= contents.size() && size < 300; size += 7) {
    found += filter.MayContain({contents.data(), size}) ? 1 : 0;
  }
  PL_CHECK(found >= 0);
}

// The first byte gives the bits a key, the second the size of a key.
void MakeFilter(const Slice& bytes) {
  if (bytes.size() < 2) return;
  const size_t key_size = static_cast<uint8_t>(bytes[1]) + size_t{1};
  BloomFilterBuilder builder(static_cast<uint8_t>(bytes[0]));
  const auto for_each_key = [&](auto function) {
    for (size_t at = 2; at < bytes.size(); at += key_size) {
      function(Slice(bytes.data() + at, std::min(key_size, bytes.size() - at)));
    }
  };
  for_each_key([&](const Slice& key) { builder.AddKey(key); });
  const BlockBuffer contents = builder.Finish();
  const BloomFilterReader filter(contents.slice());
  for_each_key([&](const Slice& key) { PL_CHECK(filter.MayContain(key)); });
}

}  // namespace
}  // namespace paceline

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string bytes = paceline::CopyOfInput(data, size);
  paceline::AskFilter(bytes);
  paceline::MakeFilter(bytes);
  return 0;
}
