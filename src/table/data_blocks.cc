#include "src/table/data_blocks.h"

#include <string>
#include <utility>

namespace paceline {

namespace {

// The types of entries that RocksDB has in data blocks and Paceline has not.
struct ForeignType {
  uint8_t type;
  const char* name;
};
constexpr ForeignType kForeignTypes[] = {
    {17, "blob index"},
    {20, "deletion with a timestamp"},
    {22, "wide-column entity"},
    {24, "value with a preferred sequence number"},
};

}  // namespace

DataBlocks::DataBlocks(const TableContents* table,
                       std::shared_ptr<BlockCache> cache, uint64_t file_id)
    : table_(table),
      cache_(std::move(cache)),
      owns_file_id_(cache_ != nullptr && file_id == 0),
      file_id_(owns_file_id_ ? cache_->NewFileId() : file_id) {}

DataBlocks::~DataBlocks() {
  if (owns_file_id_) cache_->EraseFile(file_id_);
}

Status DataBlocks::Read(size_t position, const BlockReadOptions& options,
                        ReadaheadBuffer* readahead,
                        std::shared_ptr<const Block>* block) const {
  const BlockHandle handle = table_->index.handle(position);
  if (cache_ != nullptr) {
    *block = cache_->Lookup(file_id_, handle.offset);
    if (*block != nullptr) return Status::OK();
  }
  // From the cache, readers get it who want it checked. So what goes there is;
  // who does not ask for that gets a damaged block for himself.
  bool is_for_cache = cache_ != nullptr && options.fill_cache;
  TableFile::ReadOptions read_options = {
      .verify_checksums = options.verify_checksums || is_for_cache,
      .dictionary = table_->dictionary.get(),
      .readahead = readahead};
  auto read = table_->file.ReadBlock(handle, Block::Kind::kData, read_options);
  if (is_for_cache && !options.verify_checksums &&
      read.status().IsCorruption()) {
    is_for_cache = false;
    read_options.verify_checksums = false;
    read = table_->file.ReadBlock(handle, Block::Kind::kData, read_options);
  }
  if (!read.ok()) return read.status();
  *block = *std::move(read);
  if (is_for_cache) {
    cache_->Insert(file_id_, handle.offset, *block, (*block)->MemoryUsage());
  }
  return Status::OK();
}

Status DataBlocks::DamagedEntry(size_t position) const {
  return table_->file.Corruption(table_->index.handle(position).offset,
                                 "malformed entry in the block");
}

Status DataBlocks::BadType(size_t position, uint64_t tag) const {
  const uint64_t offset = table_->index.handle(position).offset;
  const auto type = static_cast<uint8_t>(tag);
  for (const ForeignType& foreign : kForeignTypes) {
    if (foreign.type == type) {
      return table_->file.NotSupported(
          offset, std::string(foreign.name) + " in the block");
    }
  }
  return table_->file.Corruption(
      offset,
      "entry of unknown type " + std::to_string(type) + " in the block");
}

}  // namespace paceline
