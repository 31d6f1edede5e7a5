#include "src/table/table_verifier.h"

#include <string>
#include <utility>

#include "src/format/internal_key.h"
#include "src/table/block.h"
#include "src/table/table_contents.h"

namespace paceline {

namespace {

// How far apart, in bytes, the calls of on_progress are at least.
constexpr uint64_t kProgressStep = uint64_t{1} << 20;

class Verifier {
 public:
  Verifier(const DataBlocks& blocks, const FileMetaData& metadata,
           const std::function<void(const Status&)>& on_damage,
           const std::function<void(uint64_t)>& on_progress)
      : blocks_(blocks),
        table_(blocks.table()),
        metadata_(metadata),
        on_damage_(on_damage),
        on_progress_(on_progress) {}

  Status Run() {
    Take(kFooterBytes, table_.file.CheckFooter());
    for (const auto& block : table_.meta_blocks) {
      Take(block.handle.size + kBlockTrailerBytes, CheckMetaBlock(block));
    }
    const BlockHandle metaindex = table_.file.footer().metaindex;
    Take(metaindex.size + kBlockTrailerBytes,
         CheckMetaBlock({"metaindex", metaindex}));
    for (size_t i = 0; i < blocks_.size(); ++i) {
      Take(table_.index.handle(i).size + kBlockTrailerBytes, CheckDataBlock(i));
    }
    if (on_progress_) on_progress_(bytes_);
    return std::move(first_damage_);
  }

 private:
  // Keeps account of a part of the file that was checked.
  void Take(uint64_t bytes, const Status& status) {
    bytes_ += bytes;
    if (!status.ok()) {
      if (first_damage_.ok()) first_damage_ = status;
      if (on_damage_) on_damage_(status);
    }
    if (on_progress_ && bytes_ - reported_bytes_ >= kProgressStep) {
      reported_bytes_ = bytes_;
      on_progress_(bytes_);
    }
  }

  Status CheckMetaBlock(const TableContents::MetaBlock& block) {
    if (block.name == metaindex::kProperties ||
        block.name == metaindex::kOldProperties) {
      return table_.file.ReadProperties(block.handle, nullptr).status();
    }
    // Nothing is known about the form of these.
    if (block.name.starts_with(metaindex::kUserDefinedIndex)) {
      return Status::OK();
    }
    BlockBuffer ignored;
    return table_.file.ReadContents(block.handle, {}, &ignored);
  }

  Status CheckDataBlock(size_t position) {
    auto block = table_.file.ReadBlock(
        table_.index.handle(position), Block::Kind::kData,
        {.dictionary = table_.dictionary.get(), .readahead = &readahead_});
    if (!block.ok()) return block.status();
    BlockIterator entry;
    blocks_.Start(block->get(), &entry);
    for (entry.SeekToFirst(); entry.Valid(); entry.Next()) {
      Status s = CheckEntry(position, entry.key());
      if (!s.ok()) return s;
    }
    if (entry.is_damaged()) return blocks_.DamagedEntry(position);
    if (!entry.RestartsLeadToEntries()) {
      return table_.file.Corruption(
          table_.index.handle(position).offset,
          "the restarts do not lead to the entries of the block");
    }
    return Status::OK();
  }

  Status CheckEntry(size_t position, const Slice& key) {
    const Slice user_key = ExtractUserKey(key);
    const uint64_t tag = ExtractTag(key);
    const InternalKeyComparator& comparator = *table_.comparator;
    const auto fail = [&](const char* what) {
      return table_.file.Corruption(table_.index.handle(position).offset, what);
    };
    if (!IsPointType(tag)) return blocks_.BadType(position, tag);
    if (has_last_key_ && comparator.Compare(Slice(last_key_), key) >= 0) {
      return fail("the keys are not in order in the block");
    }
    // The sequence numbers of the index are those that are stored.
    const uint64_t oldest_tag = table_.global_sequence ? 0 : tag;
    const uint64_t newest_tag =
        table_.global_sequence
            ? PackTag(kMaxSequenceNumber, ValueType::kSeekMax)
            : tag;
    if (table_.index.CompareSeparator(position, user_key, newest_tag) < 0 ||
        (position > 0 && table_.index.CompareSeparator(position - 1, user_key,
                                                       oldest_tag) >= 0)) {
      return fail("the index does not lead to a key of the block");
    }
    HashedKey hashed(user_key);
    if (!table_.filter.MayContain(&hashed)) {
      return fail("the filter does not hold a key of the block");
    }
    if (!IsWithinBounds(user_key)) {
      return fail(
          "a key is not within the bounds in the MANIFEST in the"
          " block");
    }
    last_key_.assign(key.data(), key.size());
    has_last_key_ = true;
    return Status::OK();
  }

  bool IsWithinBounds(const Slice& user_key) const {
    if (metadata_.smallest.size() < kTagBytes ||
        metadata_.largest.size() < kTagBytes) {
      return true;
    }
    const InternalKeyComparator& comparator = *table_.comparator;
    return comparator.CompareUserKeys(metadata_.smallest_user_key(),
                                      user_key) <= 0 &&
           comparator.CompareUserKeys(user_key, metadata_.largest_user_key()) <=
               0;
  }

  const DataBlocks& blocks_;
  const TableContents& table_;
  const FileMetaData& metadata_;
  const std::function<void(const Status&)>& on_damage_;
  const std::function<void(uint64_t)>& on_progress_;
  ReadaheadBuffer readahead_{kProgressStep};
  std::string last_key_;
  bool has_last_key_ = false;
  uint64_t bytes_ = 0;
  uint64_t reported_bytes_ = 0;
  Status first_damage_;
};

}  // namespace

Status VerifyTable(const DataBlocks& blocks, const FileMetaData& metadata,
                   const std::function<void(const Status&)>& on_damage,
                   const std::function<void(uint64_t)>& on_progress) {
  return Verifier(blocks, metadata, on_damage, on_progress).Run();
}

}  // namespace paceline
