#include "src/table/table_reader.h"

#include <utility>

#include "src/format/internal_key.h"
#include "src/table/block.h"
#include "src/table/data_blocks.h"
#include "src/table/table_contents.h"
#include "src/table/table_iterator.h"
#include "src/table/table_verifier.h"

namespace paceline {

namespace {

class TableReaderImpl final : public TableReader {
 public:
  TableReaderImpl(std::unique_ptr<const TableContents> table,
                  const FileMetaData& metadata,
                  const TableReaderOptions& options)
      : table_(std::move(table)),
        metadata_(metadata),
        blocks_(table_.get(), options.block_cache, options.cache_file_id),
        reservation_(options.block_cache, TableReaderImpl::MemoryUsage()) {}

  using TableReader::Get;
  Status Get(const BlockReadOptions& options, HashedKey* key,
             SequenceNumber snapshot, HeldBlocks* held,
             EntryVisitor* visitor) const override;

  std::unique_ptr<InternalIterator> NewIterator(
      const BlockReadOptions& options) const override {
    return NewTableIterator(&blocks_, options);
  }

  const std::shared_ptr<const FragmentedRangeTombstones>& tombstones()
      const override {
    return table_->tombstones;
  }
  const Footer& footer() const override { return table_->file.footer(); }
  const TableProperties& properties() const override {
    return table_->properties;
  }
  size_t MemoryUsage() const override;
  uint64_t ApproximateOffsetOf(const Slice& internal_key) const override;

  Status Verify(
      const std::function<void(const Status&)>& on_damage,
      const std::function<void(uint64_t)>& on_progress) const override {
    return VerifyTable(blocks_, metadata_, on_damage, on_progress);
  }

 private:
  // What became of a look-up in one block.
  enum class Outcome { kGoOn, kDone };

  Status ReadOrTake(size_t position, const BlockReadOptions& options,
                    HeldBlocks* held,
                    std::shared_ptr<const Block>* block) const;
  // Shows the versions that are in the block at `position`.
  Status VisitBlock(size_t position, std::shared_ptr<const Block> block,
                    const Slice& user_key, uint64_t tag, EntryVisitor* visitor,
                    Outcome* outcome) const;

  const std::unique_ptr<const TableContents> table_;
  const FileMetaData metadata_;
  const DataBlocks blocks_;
  // Of MemoryUsage() bytes: the cache bounds all memory of tables.
  const CacheReservation reservation_;
};

Status TableReaderImpl::Get(const BlockReadOptions& options, HashedKey* key,
                            SequenceNumber snapshot, HeldBlocks* held,
                            EntryVisitor* visitor) const {
  if (!table_->filter.MayContain(key)) return Status::OK();
  const Slice& user_key = key->user_key();
  const uint64_t tag = PackTag(snapshot, ValueType::kSeekMax);
  // Mostly one block has all the versions.
  for (size_t i = table_->index.Seek(user_key, tag); i < blocks_.size(); ++i) {
    std::shared_ptr<const Block> block;
    Status s = ReadOrTake(i, options, held, &block);
    Outcome outcome = Outcome::kGoOn;
    if (s.ok()) {
      s = VisitBlock(i, std::move(block), user_key, tag, visitor, &outcome);
    }
    if (!s.ok() || outcome == Outcome::kDone) return s;
    if (table_->index.HasLastVersion(i, user_key)) break;
  }
  return Status::OK();
}

Status TableReaderImpl::ReadOrTake(size_t position,
                                   const BlockReadOptions& options,
                                   HeldBlocks* held,
                                   std::shared_ptr<const Block>* block) const {
  const uint64_t offset = table_->index.handle(position).offset;
  if (held != nullptr) {
    *block = held->Find(metadata_.number, offset);
    if (*block != nullptr) return Status::OK();
  }
  Status s = blocks_.Read(position, options, nullptr, block);
  if (s.ok() && held != nullptr) held->Hold(metadata_.number, offset, *block);
  return s;
}

Status TableReaderImpl::VisitBlock(size_t position,
                                   std::shared_ptr<const Block> block,
                                   const Slice& user_key, uint64_t tag,
                                   EntryVisitor* visitor,
                                   Outcome* outcome) const {
  BlockIterator entry;
  blocks_.Start(block.get(), &entry);
  const std::shared_ptr<const void> pin = std::move(block);
  for (entry.Seek(user_key, tag); entry.Valid(); entry.Next()) {
    const Slice key = entry.key();
    if (table_->comparator->CompareUserKeys(ExtractUserKey(key), user_key) !=
        0) {
      *outcome = Outcome::kDone;
      return Status::OK();
    }
    const uint64_t found = ExtractTag(key);
    if (!IsPointType(found)) return blocks_.BadType(position, found);
    if (!visitor->Visit(TagSequence(found), TagType(found), entry.value(),
                        pin)) {
      *outcome = Outcome::kDone;
      return Status::OK();
    }
  }
  return entry.is_damaged() ? blocks_.DamagedEntry(position) : Status::OK();
}

size_t TableReaderImpl::MemoryUsage() const {
  size_t bytes = sizeof(*this) + sizeof(*table_);
  bytes += table_->index.MemoryUsage() + table_->filter.MemoryUsage();
  if (table_->dictionary != nullptr) {
    bytes += table_->dictionary->bytes().size();
  }
  for (const auto& [name, value] : table_->properties.raw) {
    bytes += name.size() + value.size();
  }
  return bytes + table_->tombstones_bytes;
}

uint64_t TableReaderImpl::ApproximateOffsetOf(const Slice& internal_key) const {
  const TableIndex& index = table_->index;
  if (index.size() == 0) return 0;
  const size_t position =
      index.Seek(ExtractUserKey(internal_key), ExtractTag(internal_key));
  if (position < index.size()) return index.handle(position).offset;
  const BlockHandle last = index.handle(index.size() - 1);
  return last.offset + last.size + kBlockTrailerBytes;
}

}  // namespace

StatusOr<std::shared_ptr<const TableReader>> TableReader::Open(
    const TableReaderOptions& options, std::unique_ptr<RandomAccessFile> file,
    const FileMetaData& metadata) {
  auto table = LoadTable(options, std::move(file), metadata);
  if (!table.ok()) return table.status();
  return std::shared_ptr<const TableReader>(
      std::make_shared<TableReaderImpl>(*std::move(table), metadata, options));
}

}  // namespace paceline
