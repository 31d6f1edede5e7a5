// What is stored of a block: its first byte is the codec. And any bytes,
// compressed and uncompressed again.

#include "fuzz/fuzz_target.h"
#include "src/base/check.h"
#include "src/table/compression.h"

namespace paceline {
namespace {

constexpr uint64_t kSizeMax = uint64_t{1} << 22;

void UncompressAnything(uint8_t type, const Slice& stored) {
  BlockBuffer output;
  Status s = Uncompress(type, nullptr, stored, kSizeMax, &output);
  PL_CHECK(!s.ok() || output.size() <= kSizeMax);
  const CompressionDictionary dictionary(
      stored.ToStringView().substr(0, stored.size() / 2));
  s = Uncompress(type, &dictionary, stored, kSizeMax, &output);
  PL_CHECK(!s.ok() || output.size() <= kSizeMax);
}

void CompressAndBack(uint8_t type, const Slice& bytes) {
  std::string stored;
  if (!Compress(static_cast<CompressionType>(type), {}, bytes, &stored).ok()) {
    return;
  }
  BlockBuffer output;
  PL_CHECK(Uncompress(type, nullptr, stored, bytes.size(), &output).ok());
  PL_CHECK(output.slice() == bytes);
}

}  // namespace
}  // namespace paceline

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string bytes = paceline::CopyOfInput(data + 1, size - 1);
  paceline::UncompressAnything(data[0], bytes);
  paceline::CompressAndBack(data[0], bytes);
  return 0;
}
