#include "fuzz/table_blocks.h"

#include <cstring>
#include <utility>

#include "src/table/block.h"
#include "src/table/compression.h"
#include "src/table/index_iterator.h"
#include "src/table/table_properties.h"

namespace paceline {

namespace {

// More than the tables of a corpus have; bounds what nonsense costs.
constexpr int kBlocksMax = 10'000;
constexpr uint64_t kIndexBytesMax = uint64_t{1} << 20;

class TableWalker {
 public:
  using Visitor = std::function<void(TableBlockKind, const BlockHandle&)>;

  TableWalker(const std::string* file, const Visitor& visit)
      : file_(file), visit_(visit) {}

  void Walk() {
    if (file_->size() < kFooterBytes) return;
    const Slice tail(file_->data() + file_->size() - kFooterBytes,
                     kFooterBytes);
    Footer footer;
    if (!DecodeFooter(tail, file_->size(), "table", &footer).ok()) return;
    auto metaindex = Take(TableBlockKind::kMetaindex, footer.metaindex);
    if (metaindex == nullptr) return;

    // The properties tell how the index is to be read.
    ForEachMeta(*metaindex, [this](const Slice& name, const BlockHandle& h) {
      if (name == Slice(metaindex::kProperties)) TakeProperties(h);
    });
    ForEachMeta(*metaindex, [&](const Slice& name, const BlockHandle& h) {
      if (name == Slice(metaindex::kIndex)) {
        footer.index = h;
      } else if (name == Slice(metaindex::kFullFilter)) {
        Visit(TableBlockKind::kFilter, h);
      } else if (name == Slice(metaindex::kPartitionedFilter)) {
        TakeIndex(h, TableBlockKind::kFilter, /*has_first_keys=*/false);
      } else if (name == Slice(metaindex::kRangeTombstones)) {
        Visit(TableBlockKind::kTombstones, h);
      } else if (name != Slice(metaindex::kProperties)) {
        Visit(TableBlockKind::kOther, h);
      }
    });
    TakeIndex(footer.index,
              is_two_level_ ? TableBlockKind::kIndex : TableBlockKind::kData,
              has_first_keys_);
  }

 private:
  template <typename Function>
  static void ForEachMeta(const Block& metaindex, Function function) {
    BlockIterator entry(&metaindex);
    for (entry.SeekToFirst(); entry.Valid(); entry.Next()) {
      BlockHandle handle;
      Slice value = entry.value();
      if (GetBlockHandle(&value, &handle)) function(entry.key(), handle);
    }
  }

  void TakeProperties(const BlockHandle& handle) {
    auto block = Take(TableBlockKind::kProperties, handle);
    TableProperties properties;
    if (block == nullptr || !ParseProperties(*block, &properties).ok()) return;
    uint64_t is_delta = 0;
    auto type = static_cast<uint32_t>(IndexType::kBinarySearch);
    if (!GetVarintProperty(properties, property::kIndexValueIsDeltaEncoded,
                           &is_delta)
             .ok() ||
        !GetFixed32Property(properties, property::kIndexType, &type).ok()) {
      return;
    }
    has_delta_handles_ = is_delta != 0;
    is_two_level_ = type == static_cast<uint32_t>(IndexType::kTwoLevel);
    has_first_keys_ = type == static_cast<uint32_t>(IndexType::kFirstKeys);
  }

  void TakeIndex(const BlockHandle& handle, TableBlockKind kind,
                 bool has_first_keys) {
    auto block = Take(TableBlockKind::kIndex, handle);
    if (block == nullptr) return;
    IndexIterator entry(block.get(), {.has_delta_handles = has_delta_handles_,
                                      .has_first_keys = has_first_keys});
    while (blocks_ < kBlocksMax && entry.Next()) {
      if (kind == TableBlockKind::kIndex) {
        TakeIndex(entry.handle(), TableBlockKind::kData, has_first_keys);
      } else {
        Visit(kind, entry.handle());
      }
    }
  }

  // False if there is no such place.
  bool Visit(TableBlockKind kind, const BlockHandle& handle) {
    if (!IsWithin(handle, file_->size()) || blocks_ >= kBlocksMax) return false;
    ++blocks_;
    visit_(kind, handle);
    return true;
  }

  // Null if it is not a block.
  std::shared_ptr<const Block> Take(TableBlockKind kind,
                                    const BlockHandle& handle) {
    if (!Visit(kind, handle)) return nullptr;
    const char* begin = file_->data() + handle.offset;
    BlockBuffer buffer;
    if (!Uncompress(static_cast<uint8_t>(begin[handle.size]), nullptr,
                    Slice(begin, handle.size), kIndexBytesMax, &buffer)
             .ok()) {
      return nullptr;
    }
    auto block = Block::Parse(std::move(buffer), Block::Kind::kOther);
    return block.ok() ? *block : nullptr;
  }

  const std::string* const file_;
  const Visitor& visit_;
  int blocks_ = 0;
  bool has_delta_handles_ = false;
  bool has_first_keys_ = false;
  bool is_two_level_ = false;
};

// Offsets in the footer; see table_format.h.
constexpr size_t kFooterChecksum = 5;
constexpr size_t kFooterContextBase = 9;
constexpr size_t kFooterVersion = 41;

bool IsChecksumType(char type) { return type >= kNoChecksum && type <= kXXH3; }

}  // namespace

void VisitTableBlocks(
    const std::string* file,
    const std::function<void(TableBlockKind, const BlockHandle&)>& visit) {
  TableWalker(file, visit).Walk();
}

void FixTableChecksums(std::string* file) {
  if (file->size() < kFooterBytes) return;
  const size_t footer_offset = file->size() - kFooterBytes;
  char* footer = file->data() + footer_offset;
  if (!IsChecksumType(footer[0])) return;
  const auto type = static_cast<ChecksumType>(footer[0]);
  uint32_t context_base = 0;
  if (DecodeFixed32(footer + kFooterVersion) >= kContextFormatVersion) {
    context_base = DecodeFixed32(footer + kFooterContextBase);
    EncodeFixed<uint32_t>(footer + kFooterChecksum, 0);
    const uint32_t checksum = BlockChecksum(type, Slice(footer, kFooterBytes)) +
                              ChecksumContext(context_base, footer_offset);
    EncodeFixed(footer + kFooterChecksum, checksum);
  }
  VisitTableBlocks(file, [&](TableBlockKind, const BlockHandle& handle) {
    char* trailer = file->data() + handle.offset + handle.size;
    const Slice checked(file->data() + handle.offset, handle.size + 1);
    const uint32_t checksum = BlockChecksum(type, checked) +
                              ChecksumContext(context_base, handle.offset);
    EncodeFixed(trailer + 1, checksum);
  });
}

}  // namespace paceline
