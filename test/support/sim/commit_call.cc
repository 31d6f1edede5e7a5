#include "test/support/sim/commit_call.h"

#include <cstdlib>
#include <map>
#include <memory>
#include <utility>

namespace paceline::sim {

const WriteBatch* BatchOf(uint32_t entries, uint32_t value_bytes) {
  Unseen unseen;
  static std::map<std::pair<uint32_t, uint32_t>, std::unique_ptr<WriteBatch>>
      batches;
  auto& batch = batches[{entries, value_bytes}];
  if (batch == nullptr) {
    batch = std::make_unique<WriteBatch>();
    std::string value(value_bytes, 'v');
    for (uint32_t i = 0; i < entries; ++i) {
      if (!batch->Put("key", value).ok()) std::abort();
    }
  }
  return batch.get();
}

}  // namespace paceline::sim
