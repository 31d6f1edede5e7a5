#include "src/table/table_contents.h"

#include <limits>
#include <string_view>
#include <utility>

#include "src/base/coding.h"
#include "src/table/compression.h"
#include "src/table/table_tombstones.h"

namespace paceline {

namespace {

// What the separators of an index may take for each byte of the file: more
// than enough even for blocks that were compressed well.
constexpr uint64_t kIndexExpansionMax = 32;
constexpr uint64_t kIndexBytesMin = uint64_t{1} << 20;
// How much more than that a block may be in which they are, with handles and
// first keys.
constexpr uint64_t kIndexBlockFactor = 2;

// The same for the names in a metaindex.
constexpr uint64_t kMetaindexExpansionMax = 64;

// The values of property::kExternalVersion. 0 stands for none, and 1 has no
// sequence number for all entries, either.
constexpr uint32_t kExternalVersionWithSequence = 2;

// The names of what compressed the blocks, from format_version 7 on.
constexpr std::string_view kKnownManagers[] = {"", "BuiltinV2"};
constexpr uint32_t kManagerFormatVersion = 7;

// Loads the parts of a table one after the other; each needs those before.
class Loader {
 public:
  Loader(TableContents* table, const FileMetaData& metadata)
      : table_(table), metadata_(metadata) {}

  Status Load();

 private:
  using Step = Status (Loader::*)();

  Status LoadMetaindex();
  Status LoadProperties();
  Status CheckProperties();
  Status CheckCompression();
  Status LoadGlobalSequence();
  Status LoadDictionary();
  Status LoadIndex();
  // Whether this is the file that the MANIFEST means, as far as that can be
  // told without reading its data.
  Status CheckNumber();
  Status CheckBounds();
  Status LoadFilter();
  Status LoadTombstones();

  // Nothing if the metaindex does not name it.
  std::optional<BlockHandle> Find(std::string_view name) const;
  // A meta block: it has no dictionary, and only those of the index may be
  // compressed.
  TableFile::ReadOptions MetaOptions() {
    return {.readahead = &readahead_, .refuses_compressed = true};
  }
  TableFile::ReadOptions IndexOptions() {
    return {.readahead = &readahead_,
            .uncompressed_bytes_max = kIndexBlockFactor * IndexBytesMax()};
  }
  StatusOr<std::shared_ptr<const Block>> Read(const BlockHandle& handle);
  Status AddToIndex(const BlockHandle& handle,
                    const TableFile::ReadOptions& options,
                    const IndexFormat& format, TableIndex* index);
  Status LoadPartitions(const BlockHandle& handle, const IndexFormat& format);
  Status LoadFullFilter(const BlockHandle& handle);
  Status LoadPartitionedFilter(const BlockHandle& handle);
  [[nodiscard]] uint64_t IndexBytesMax() const {
    return kIndexBytesMin + table_->file.size() * kIndexExpansionMax;
  }
  TableIndex NewIndex() const;

  TableContents* const table_;
  const FileMetaData& metadata_;
  ReadaheadBuffer readahead_{0};
  uint64_t properties_offset_ = 0;
  bool has_user_keys_ = false;
  bool has_delta_handles_ = false;
  IndexType index_type_ = IndexType::kBinarySearch;
};

Status Loader::Load() {
  if (Status s = table_->file.ReadFooter(&readahead_); !s.ok()) return s;
  constexpr Step kSteps[] = {
      &Loader::LoadMetaindex,      &Loader::LoadProperties,
      &Loader::CheckProperties,    &Loader::CheckCompression,
      &Loader::LoadGlobalSequence, &Loader::LoadDictionary,
      &Loader::LoadIndex,          &Loader::CheckNumber,
      &Loader::CheckBounds,        &Loader::LoadFilter,
      &Loader::LoadTombstones};
  for (const Step step : kSteps) {
    if (Status s = (this->*step)(); !s.ok()) return s;
  }
  return Status::OK();
}

std::optional<BlockHandle> Loader::Find(std::string_view name) const {
  for (const auto& block : table_->meta_blocks) {
    if (block.name == name) return block.handle;
  }
  return std::nullopt;
}

StatusOr<std::shared_ptr<const Block>> Loader::Read(const BlockHandle& handle) {
  return table_->file.ReadBlock(handle, Block::Kind::kOther, MetaOptions());
}

Status Loader::LoadMetaindex() {
  const BlockHandle metaindex = table_->file.footer().metaindex;
  auto block = Read(metaindex);
  if (!block.ok()) return block.status();
  const uint64_t bytes_max = (*block)->entries_end() * kMetaindexExpansionMax;
  uint64_t bytes = 0;
  BlockIterator entry(block->get());
  for (entry.SeekToFirst(); entry.Valid(); entry.Next()) {
    bytes += entry.key().size();
    BlockHandle handle;
    Slice value = entry.value();
    if (bytes > bytes_max || !GetBlockHandle(&value, &handle)) {
      return table_->file.Corruption(metaindex.offset,
                                     "malformed entry of the metaindex");
    }
    table_->meta_blocks.push_back({entry.key().ToString(), handle});
  }
  if (entry.is_damaged()) {
    return table_->file.Corruption(metaindex.offset,
                                   "malformed entry of the metaindex");
  }
  if (table_->file.footer().format_version < kContextFormatVersion) {
    table_->meta_blocks.push_back(
        {metaindex::kIndex, table_->file.footer().index});
  }
  return Status::OK();
}

Status Loader::LoadProperties() {
  std::optional<BlockHandle> handle = Find(metaindex::kProperties);
  if (!handle) handle = Find(metaindex::kOldProperties);
  if (!handle) {
    return table_->file.Corruption(table_->file.footer().metaindex.offset,
                                   "the metaindex names no properties");
  }
  properties_offset_ = handle->offset;
  auto block = table_->file.ReadProperties(*handle, &readahead_);
  if (!block.ok()) return block.status();
  Status s = ParseProperties(**block, &table_->properties);
  table_->properties.format_version = table_->file.footer().format_version;
  return s.ok() ? s : table_->file.At(properties_offset_, s);
}

Status Loader::CheckProperties() {
  const TableProperties& properties = table_->properties;
  const auto fail = [this](const Status& s) {
    return table_->file.At(properties_offset_, s);
  };
  const char* const wanted = table_->comparator->user_comparator()->Name();
  if (!properties.comparator_name.empty() &&
      properties.comparator_name != wanted) {
    return fail(Status::InvalidArgument(
        "the table is in the order of comparator " +
        properties.comparator_name + ", not of " + wanted));
  }
  auto index_type = static_cast<uint32_t>(IndexType::kBinarySearch);
  uint64_t has_user_keys = 0;
  uint64_t has_delta_handles = 0;
  uint64_t has_timestamps = 1;
  Status s = GetFixed32Property(properties, property::kIndexType, &index_type);
  if (s.ok()) {
    s = GetVarintProperty(properties, property::kIndexKeyIsUserKey,
                          &has_user_keys);
  }
  if (s.ok()) {
    s = GetVarintProperty(properties, property::kIndexValueIsDeltaEncoded,
                          &has_delta_handles);
  }
  if (s.ok()) {
    s = GetVarintProperty(properties, property::kTimestampsPersisted,
                          &has_timestamps);
  }
  if (s.ok() && index_type > static_cast<uint32_t>(IndexType::kFirstKeys)) {
    s = Status::NotSupported("index type " + std::to_string(index_type));
  }
  if (s.ok() && has_timestamps == 0) {
    s = Status::NotSupported("user-defined timestamps");
  }
  if (!s.ok()) return fail(s);
  index_type_ = static_cast<IndexType>(index_type);
  has_user_keys_ = has_user_keys != 0;
  has_delta_handles_ = has_delta_handles != 0;
  return Status::OK();
}

// The blocks say themselves how they are compressed; but not by whom.
// Said at once rather than when the first such block is met.
Status Loader::CheckCompression() {
  const std::string_view text = table_->properties.compression_name;
  if (table_->file.footer().format_version < kManagerFormatVersion) {
    for (uint8_t type = 0; type <= kZSTD; ++type) {
      if (text == CompressionName(type) && !CanUncompress(type)) {
        return table_->file.NotSupported(properties_offset_,
                                         "compression by " + std::string(text));
      }
    }
    return Status::OK();
  }
  const size_t end = text.find(';');
  if (end == std::string_view::npos) return Status::OK();
  const std::string_view manager = text.substr(0, end);
  for (const std::string_view known : kKnownManagers) {
    if (manager == known) return Status::OK();
  }
  return table_->file.NotSupported(properties_offset_,
                                   "compression by " + std::string(manager));
}

Status Loader::LoadGlobalSequence() {
  const TableProperties& properties = table_->properties;
  uint32_t version = 0;
  uint64_t stored = 0;
  Status s =
      GetFixed32Property(properties, property::kExternalVersion, &version);
  if (s.ok()) {
    s = GetFixed64Property(properties, property::kGlobalSequence, &stored);
  }
  if (!s.ok()) return table_->file.At(properties_offset_, s);
  if (version > kExternalVersionWithSequence) {
    return table_->file.NotSupported(
        properties_offset_,
        "ingested table of version " + std::to_string(version));
  }
  if (version != kExternalVersionWithSequence) {
    if (!properties.raw.contains(property::kGlobalSequence)) return s;
    return table_->file.Corruption(
        properties_offset_,
        "a sequence number for all entries of a table "
        "that cannot have one");
  }
  const SequenceNumber listed = metadata_.largest_sequence;
  if (stored > kMaxSequenceNumber || listed > kMaxSequenceNumber ||
      (stored != 0 && listed != 0 && stored != listed)) {
    return table_->file.Corruption(
        properties_offset_,
        "the table has sequence number " + std::to_string(stored) +
            ", and the MANIFEST says " + std::to_string(listed));
  }
  table_->global_sequence = stored != 0 ? stored : listed;
  return Status::OK();
}

Status Loader::LoadDictionary() {
  const std::optional<BlockHandle> handle =
      Find(metaindex::kCompressionDictionary);
  if (!handle) return Status::OK();
  BlockBuffer contents;
  Status s = table_->file.ReadContents(*handle, MetaOptions(), &contents);
  if (!s.ok()) return s;
  table_->dictionary =
      std::make_unique<CompressionDictionary>(contents.slice());
  return Status::OK();
}

TableIndex Loader::NewIndex() const {
  return TableIndex(table_->comparator, has_user_keys_, IndexBytesMax(),
                    table_->file.size());
}

Status Loader::AddToIndex(const BlockHandle& handle,
                          const TableFile::ReadOptions& options,
                          const IndexFormat& format, TableIndex* index) {
  auto block = table_->file.ReadBlock(handle, Block::Kind::kOther, options);
  if (!block.ok()) return block.status();
  Status s = index->Add(**block, format);
  return s.ok() ? s : table_->file.At(handle.offset, s);
}

Status Loader::LoadIndex() {
  const std::optional<BlockHandle> handle = Find(metaindex::kIndex);
  if (!handle) {
    return table_->file.Corruption(table_->file.footer().metaindex.offset,
                                   "the metaindex names no index");
  }
  const IndexFormat format = {
      .has_delta_handles = has_delta_handles_,
      .has_first_keys = index_type_ == IndexType::kFirstKeys};
  table_->index = NewIndex();
  Status s = index_type_ == IndexType::kTwoLevel
                 ? LoadPartitions(*handle, format)
                 : AddToIndex(*handle, IndexOptions(), format, &table_->index);
  if (!s.ok()) return s;
  table_->index.Finish();
  for (size_t i = 0; i < table_->index.size(); ++i) {
    if (!IsWithin(table_->index.handle(i), table_->file.footer_offset())) {
      return table_->file.Corruption(
          handle->offset, "the index has a block that is not within the file");
    }
  }
  return Status::OK();
}

// Tables of RocksDB keep their number when it brings them into another
// database; they have a session, which Paceline's have not.
Status Loader::CheckNumber() {
  const TableProperties& properties = table_->properties;
  uint64_t number = 0;
  Status s =
      GetVarintProperty(properties, property::kOriginalFileNumber, &number);
  if (!s.ok()) return table_->file.At(properties_offset_, s);
  const bool is_known = number != 0 && metadata_.number != 0;
  if (!is_known || number == metadata_.number ||
      properties.raw.contains(property::kSessionIdentity) ||
      properties.raw.contains(property::kExternalVersion)) {
    return Status::OK();
  }
  return table_->file.Corruption(properties_offset_,
                                 "the file was written as table " +
                                     std::to_string(number) + ", not as " +
                                     std::to_string(metadata_.number));
}

Status Loader::CheckBounds() {
  if (metadata_.smallest.size() < kTagBytes ||
      metadata_.largest.size() < kTagBytes) {
    return Status::OK();
  }
  const TableIndex& index = table_->index;
  // Those of a key whose sequence numbers are unknown: one that was ingested
  // has others in the file than in the MANIFEST.
  const auto first = [&](const Slice& key) {
    return index.Seek(key, std::numeric_limits<uint64_t>::max());
  };
  const auto last = [&](const Slice& key) { return index.Seek(key, 0); };
  // Bounds that tombstones made are not in the data.
  bool is_within = true;
  if (!metadata_.largest_is_sentinel()) {
    const Slice key = metadata_.largest_user_key();
    is_within = first(key) < index.size() && last(key) + 1 >= index.size();
  }
  if (TagType(ExtractTag(metadata_.smallest)) != ValueType::kRangeDeletion) {
    is_within &= index.size() > 0 && first(metadata_.smallest_user_key()) == 0;
  }
  if (is_within) return Status::OK();
  return table_->file.Corruption(
      table_->file.footer().metaindex.offset,
      "the index does not have the bounds of the table in the MANIFEST");
}

Status Loader::LoadPartitions(const BlockHandle& handle,
                              const IndexFormat& format) {
  TableIndex top = NewIndex();
  Status s = AddToIndex(handle, IndexOptions(), format, &top);
  for (size_t i = 0; s.ok() && i < top.size(); ++i) {
    const BlockHandle partition = top.handle(i);
    table_->meta_blocks.push_back({metaindex::kIndex, partition});
    s = AddToIndex(partition, IndexOptions(), format, &table_->index);
  }
  return s;
}

// Does without a filter that is damaged: it would only save time.
Status Loader::LoadFilter() {
  if (GetTextProperty(table_->properties, property::kWholeKeyFiltering) ==
      Slice("0")) {
    return Status::OK();
  }
  Status s;
  if (const auto full = Find(metaindex::kFullFilter)) {
    s = LoadFullFilter(*full);
  } else if (const auto top = Find(metaindex::kPartitionedFilter)) {
    s = LoadPartitionedFilter(*top);
  }
  return s.IsIOError() ? s : Status::OK();
}

Status Loader::LoadFullFilter(const BlockHandle& handle) {
  BlockBuffer contents;
  Status s = table_->file.ReadContents(handle, MetaOptions(), &contents);
  if (s.ok()) table_->filter.SetFull(std::move(contents));
  return s;
}

Status Loader::LoadPartitionedFilter(const BlockHandle& top) {
  auto index = std::make_unique<TableIndex>(NewIndex());
  Status s = AddToIndex(top, MetaOptions(),
                        {.has_delta_handles = has_delta_handles_}, index.get());
  std::vector<BlockBuffer> parts;
  for (size_t i = 0; s.ok() && i < index->size(); ++i) {
    const BlockHandle handle = index->handle(i);
    table_->meta_blocks.push_back({metaindex::kPartitionedFilter, handle});
    s = table_->file.ReadContents(handle, MetaOptions(), &parts.emplace_back());
  }
  if (!s.ok()) return s;
  index->Finish();
  table_->filter.SetPartitioned(std::move(index), std::move(parts));
  return Status::OK();
}

Status Loader::LoadTombstones() {
  const std::optional<BlockHandle> handle = Find(metaindex::kRangeTombstones);
  if (!handle) return Status::OK();
  auto block = Read(*handle);
  if (!block.ok()) return block.status();
  auto tombstones = ReadTombstones(**block, table_->global_sequence,
                                   table_->comparator->user_comparator());
  if (!tombstones.ok()) {
    return table_->file.At(handle->offset, tombstones.status());
  }
  table_->tombstones = *std::move(tombstones);
  table_->tombstones_bytes = (*block)->entries_end();
  return Status::OK();
}

}  // namespace

StatusOr<std::unique_ptr<const TableContents>> LoadTable(
    const TableReaderOptions& options, std::unique_ptr<RandomAccessFile> file,
    const FileMetaData& metadata) {
  auto table =
      std::make_unique<TableContents>(options, std::move(file), metadata);
  if (Status s = Loader(table.get(), metadata).Load(); !s.ok()) return s;
  return std::unique_ptr<const TableContents>(std::move(table));
}

}  // namespace paceline
