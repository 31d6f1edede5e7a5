// A whole table: opened, verified, and scanned in both directions, with and
// without bounds and a sequence number from a MANIFEST. As it is, and with the
// checksums made right; then in the reverse order, too.

#include <memory>
#include <vector>

#include "fuzz/fuzz_target.h"
#include "fuzz/table_blocks.h"
#include "src/base/check.h"
#include "src/base/crc32c.h"
#include "src/format/range_tombstones.h"
#include "src/table/table_reader.h"

namespace paceline {
namespace {

// An index can name one block again and again.
constexpr size_t kStepsMax = 20'000;
constexpr size_t kLookUpsMax = 20;

class Toucher final : public EntryVisitor {
 public:
  bool Visit(SequenceNumber, ValueType, const Slice& value,
             const std::shared_ptr<const void>&) override {
    Touch(value);
    return true;
  }
};

// The keys; none if the scan met damage or was too long.
std::vector<std::string> Scan(const TableReader& table, bool is_forward) {
  std::vector<std::string> keys;
  auto it = table.NewIterator({});
  for (is_forward ? it->SeekToFirst() : it->SeekToLast();
       it->Valid() && keys.size() < kStepsMax;
       is_forward ? it->Next() : it->Prev()) {
    keys.push_back(it->key().ToString());
    Touch(it->value());
    PL_CHECK(keys.back().size() >= kTagBytes);
  }
  if (!it->status().ok() || keys.size() == kStepsMax) keys.clear();
  return keys;
}

StatusOr<std::shared_ptr<const TableReader>> Open(
    const InternalKeyComparator& comparator, const FileMetaData& metadata,
    const std::string& bytes) {
  return TableReader::Open(
      {.comparator = &comparator,
       .block_cache = AsBlockCache(NewLRUCache(size_t{1} << 20, 0)),
       .path = "table",
       .family_name = "default"},
      std::make_unique<MemoryRandomAccessFile>(bytes), metadata);
}

// With bounds as a MANIFEST has them: what tombstones do depends on them.
void ReadWithin(const InternalKeyComparator& comparator, FileMetaData metadata,
                const std::vector<std::string>& keys,
                const std::string& bytes) {
  if (keys.empty()) return;
  const uint32_t choice = crc32c::Value(bytes.data(), bytes.size());
  metadata.smallest = keys[choice % keys.size()];
  metadata.largest = keys[choice / 2 % keys.size()];
  auto table = Open(comparator, metadata, bytes);
  if (!table.ok()) return;
  (void)(*table)->Verify(nullptr, nullptr);
  if ((*table)->tombstones() == nullptr) return;
  const size_t step = keys.size() / kLookUpsMax + 1;
  for (size_t i = 0; i < keys.size(); i += step) {
    Covering covering;
    AddCoveringOfTable(*(*table)->tombstones(), metadata, comparator,
                       ExtractUserKey(keys[i]), choice % 1000, &covering);
  }
}

void ReadTable(const InternalKeyComparator& comparator,
               const std::string& bytes) {
  FileMetaData metadata;
  metadata.size = bytes.size();
  constexpr SequenceNumber kSequences[] = {0, 0, 7, kMaxSequenceNumber};
  metadata.largest_sequence =
      kSequences[static_cast<uint8_t>(bytes.empty() ? 0 : bytes[0]) % 4];
  auto table = Open(comparator, metadata, bytes);
  if (!table.ok()) return;
  const bool is_good = (*table)->Verify(nullptr, nullptr).ok();
  const std::vector<std::string> forwards = Scan(**table, true);
  const std::vector<std::string> backwards = Scan(**table, false);
  ReadWithin(comparator, metadata, forwards, bytes);
  PL_CHECK(!is_good || std::equal(forwards.begin(), forwards.end(),
                                  backwards.rbegin(), backwards.rend()));

  auto it = (*table)->NewIterator({.readahead_size = 4096});
  Toucher visitor;
  HeldBlocks held;
  const size_t step = forwards.size() / kLookUpsMax + 1;
  for (size_t i = 0; i < forwards.size(); i += step) {
    const Slice key = forwards[i];
    it->Seek(key);
    PL_CHECK(!is_good || (it->Valid() && it->key() == key));
    it->SeekForPrev(key);
    PL_CHECK(!is_good || (it->Valid() && it->key() == key));
    (void)(*table)->ApproximateOffsetOf(key);
    (void)(*table)->Get({}, ExtractUserKey(key), kMaxSequenceNumber, &held,
                        &visitor);
    if ((*table)->tombstones() != nullptr) {
      (void)(*table)->tombstones()->CoveringSequence(ExtractUserKey(key),
                                                     kMaxSequenceNumber);
    }
  }
}

}  // namespace
}  // namespace paceline

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const paceline::InternalKeyComparator kForward(
      paceline::BytewiseComparator());
  static const paceline::InternalKeyComparator kReverse(
      paceline::ReverseBytewiseComparator());
  std::string bytes = paceline::CopyOfInput(data, size);
  paceline::ReadTable(kForward, bytes);
  paceline::FixTableChecksums(&bytes);
  paceline::ReadTable(kForward, bytes);
  paceline::ReadTable(kReverse, bytes);
  return 0;
}
