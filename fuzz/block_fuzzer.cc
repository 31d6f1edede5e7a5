// The contents of a block of a table, taken for each kind of block there is.

#include <memory>
#include <utility>
#include <vector>

#include "fuzz/fuzz_target.h"
#include "src/base/check.h"
#include "src/table/block.h"
#include "src/table/index_iterator.h"
#include "src/table/table_index.h"
#include "src/table/table_properties.h"
#include "src/table/table_tombstones.h"

namespace paceline {
namespace {

const InternalKeyComparator kComparator(BytewiseComparator());
constexpr uint64_t kIndexBytesMax = uint64_t{1} << 20;

using Keys = std::vector<std::string>;

bool IsAscending(const Keys& keys) {
  for (size_t i = 0; i + 1 < keys.size(); ++i) {
    if (kComparator.Compare(keys[i], keys[i + 1]) >= 0) return false;
  }
  return true;
}

// In every direction, with and without a sequence number for all.
void ReadData(const Block& block, bool has_sequence) {
  BlockIterator it;
  if (has_sequence) {
    it.Init(&block, &kComparator, 12345);
  } else {
    it.Init(&block, &kComparator);
  }
  Keys forwards;
  for (it.SeekToFirst(); it.Valid(); it.Next()) {
    forwards.push_back(it.key().ToString());
    Touch(it.value());
  }
  Keys backwards;
  for (it.SeekToLast(); it.Valid(); it.Prev()) {
    backwards.push_back(it.key().ToString());
    Touch(it.value());
  }
  const bool is_sound = it.RestartsLeadToEntries();
  PL_CHECK(!is_sound || forwards == Keys(backwards.rbegin(), backwards.rend()));
  const bool is_good = is_sound && IsAscending(forwards);

  constexpr size_t kSeeksMax = 20;
  const size_t step = forwards.size() / kSeeksMax + 1;
  for (size_t i = 0; i < forwards.size(); i += step) {
    const std::string& key = forwards[i];
    it.Seek(key);
    PL_CHECK(!is_good || (it.Valid() && it.key() == Slice(key)));
    it.SeekForPrev(key);
    PL_CHECK(!is_good || (it.Valid() && it.key() == Slice(key)));
    if (it.Valid()) it.Prev();
    if (it.Valid()) it.Next();
  }
}

void ReadOther(const Block& block) {
  BlockIterator it(&block);
  for (it.SeekToFirst(); it.Valid(); it.Next()) {
    Touch(it.key());
    Touch(it.value());
  }
  TableProperties properties;
  (void)ParseProperties(block, &properties);
  (void)ReadTombstones(block, std::nullopt, BytewiseComparator());
  (void)ReadTombstones(block, 7, BytewiseComparator());
  for (const bool has_delta_handles : {false, true}) {
    for (const bool has_first_keys : {false, true}) {
      const IndexFormat format{.has_delta_handles = has_delta_handles,
                               .has_first_keys = has_first_keys};
      IndexIterator entry(&block, format);
      while (entry.Next()) {
        Touch(entry.separator());
        Touch(entry.first_key());
      }
      for (const bool has_user_keys : {false, true}) {
        TableIndex index(&kComparator, has_user_keys, kIndexBytesMax,
                         /*file_size=*/kIndexBytesMax);
        if (!index.Add(block, format).ok()) continue;
        index.Finish();
        for (size_t i = 0; i < index.size(); ++i) {
          Slice user_key = index.separator(i);
          if (!has_user_keys) user_key = ExtractUserKey(user_key);
          PL_CHECK(index.Seek(user_key, 0) <= index.size());
        }
      }
    }
  }
}

void ReadBlock(const std::string& contents) {
  for (const auto kind : {Block::Kind::kData, Block::Kind::kOther}) {
    BlockBuffer buffer;
    PL_CHECK(buffer.Assign(contents));
    auto block = Block::Parse(std::move(buffer), kind);
    if (!block.ok()) continue;
    ReadData(**block, /*has_sequence=*/false);
    ReadData(**block, /*has_sequence=*/true);
    if (kind == Block::Kind::kOther) ReadOther(**block);
  }
}

}  // namespace
}  // namespace paceline

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  paceline::ReadBlock(paceline::CopyOfInput(data, size));
  return 0;
}
