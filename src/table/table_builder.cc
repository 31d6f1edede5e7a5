#include "src/table/table_builder.h"

#include <algorithm>
#include <deque>
#include <map>
#include <optional>
#include <utility>

#include "src/base/check.h"
#include "src/table/block_builder.h"
#include "src/table/block_cache.h"
#include "src/table/bloom_filter.h"
#include "src/table/compression.h"
#include "src/table/table_format.h"
#include "src/table/table_properties.h"

namespace paceline {

namespace {

// Large enough for a write to cost little beside its bytes, and small enough
// for the rate limiter, and the kernel, to let others through in between.
constexpr size_t kWriteBufferBytes = size_t{64} << 10;
static_assert(kEntryBytesMax + (uint64_t{255} << 20) <= kMaxBlockBytes);
// Of memory that is reserved in the cache.
constexpr size_t kReservationStep = size_t{256} << 10;
// About what properties, metaindex and footer take.
constexpr uint64_t kTailBytes = 1200;
// What an index entry takes beside its separator: lengths, tag, handle, and
// the offset of the restart.
constexpr uint64_t kIndexEntryBytes = 24;

// Collects the data blocks and the keys that separate them. These are user
// keys, unless two blocks meet inside one: that is known when all of them are.
// Thread-compatible.
class IndexBuilder {
 public:
  explicit IndexBuilder(const InternalKeyComparator* comparator)
      : comparator_(comparator) {}

  // `last` is the last key of the block. `next` is the first of the next one;
  // empty if there is none.
  void AddBlock(const BlockHandle& handle, const Slice& last,
                const Slice& next) {
    const Slice last_user_key = ExtractUserKey(last);
    uint64_t tag = ExtractTag(last);
    std::string separator = last_user_key.ToString();
    if (!next.empty()) {
      const Slice next_user_key = ExtractUserKey(next);
      if (comparator_->CompareUserKeys(last_user_key, next_user_key) == 0) {
        has_user_keys_ = false;
      } else if (FindBetween(last_user_key, next_user_key)) {
        separator = between_;
        // In front of every entry of that user key, of which there is none.
        tag = PackTag(kMaxSequenceNumber, ValueType::kValue);
      }
    }
    separator_bytes_ += separator.size();
    blocks_.push_back({handle, std::move(separator), tag});
  }

  [[nodiscard]] bool has_user_keys() const { return has_user_keys_; }
  [[nodiscard]] size_t blocks() const { return blocks_.size(); }
  [[nodiscard]] uint64_t EstimatedSize() const {
    return separator_bytes_ + blocks_.size() * kIndexEntryBytes;
  }

  // Bytes, about.
  [[nodiscard]] size_t MemoryUsage() const {
    return blocks_.size() * sizeof(DataBlock) + separator_bytes_;
  }

  // Makes `index` the index block.
  void AddTo(BlockBuilder* index) const {
    index->Reserve(EstimatedSize());
    std::string key;
    std::string value;
    for (const DataBlock& block : blocks_) {
      key = block.separator;
      if (!has_user_keys_) PutFixed64(&key, block.tag);
      value.clear();
      PutBlockHandle(&value, block.handle);
      index->Add(key, value);
    }
  }

 private:
  struct DataBlock {
    BlockHandle handle;
    std::string separator;  // A user key.
    uint64_t tag = 0;       // Of the separator, if it is an internal key.
  };

  // Puts a user key between the two into between_, shorter than `last` where
  // the comparator knows one. False if there is none: what the comparator of
  // an application finds is not trusted to be between them.
  bool FindBetween(const Slice& last, const Slice& next) {
    between_.assign(last.data(), last.size());
    comparator_->user_comparator()->FindShortestSeparator(&between_, next);
    return comparator_->CompareUserKeys(last, between_) < 0 &&
           comparator_->CompareUserKeys(between_, next) < 0;
  }

  const InternalKeyComparator* const comparator_;
  std::string between_;
  // In small pieces: the heap keeps large ones when they are freed.
  std::deque<DataBlock> blocks_;
  uint64_t separator_bytes_ = 0;
  bool has_user_keys_ = true;
};

}  // namespace

// Writes a block when the first key of the next one is there, for the index
// entry between them.
class TableBuilder::Impl {
 public:
  Impl(const TableBuilderOptions& options, std::unique_ptr<WritableFile> file,
       std::string path)
      : options_(options),
        path_(std::move(path)),
        file_(std::move(file)),
        data_block_(options.table.block_restart_interval),
        tombstone_block_(/*restart_interval=*/1),
        index_(options.comparator),
        reservation_(options.block_cache, 0) {
    if (const FilterPolicy* policy = options.table.filter_policy.get();
        policy != nullptr) {
      filter_.emplace(policy->bits_per_key());
    }
    if (!CanCompress(options.compression)) {
      status_ = Status::NotSupported(
          path_, std::string("this build cannot compress with ") +
                     CompressionName(options.compression));
    }
  }

  Status Add(const Slice& key, const Slice& value) {
    if (!status_.ok()) return status_;
    PL_CHECK(!is_finished_ && key.size() >= kTagBytes);
    if (ExtractUserKey(key).size() + value.size() > kEntryBytesMax) {
      return Fail(Status::NotSupported(
          path_, "an entry of " + std::to_string(key.size() + value.size()) +
                     " bytes is too large for a table"));
    }
    bool is_new_user_key = true;
    if (!data_block_.empty()) {
      const Slice last = data_block_.last_key();
      const int order = options_.comparator->CompareUserKeys(
          ExtractUserKey(last), ExtractUserKey(key));
      if (order > 0 || (order == 0 && ExtractTag(last) <= ExtractTag(key))) {
        return Fail(TableCorruption(
            path_, offset_, "a key is not behind the one added before it"));
      }
      // Keys that a comparator of another order takes for equal may differ.
      is_new_user_key = order != 0 || !options_.comparator->is_bytewise();
      if (data_block_.EstimatedSize() >= options_.table.block_size) {
        if (Status s = WriteDataBlock(key); !s.ok()) return s;
      }
    }
    if (filter_ && is_new_user_key) filter_->AddKey(ExtractUserKey(key));
    data_block_.Add(key, value);
    CountEntry(key, value);
    return Status::OK();
  }

  void AddTombstone(const Slice& begin, const Slice& end,
                    SequenceNumber sequence) {
    PL_CHECK(!is_finished_);
    tombstone_key_.clear();
    AppendInternalKey(&tombstone_key_, begin, sequence,
                      ValueType::kRangeDeletion);
    PL_DCHECK(tombstone_block_.empty() ||
              options_.comparator->Compare(tombstone_block_.last_key(),
                                           tombstone_key_) < 0);
    tombstone_block_.Add(tombstone_key_, end);
    CountEntry(tombstone_key_, end);
  }

  Status Finish() {
    if (!status_.ok()) return status_;
    PL_CHECK(!is_finished_);
    is_finished_ = true;
    if (!data_block_.empty()) {
      if (Status s = WriteDataBlock(Slice()); !s.ok()) return s;
    }
    data_bytes_ = offset_;
    if (Status s = WriteMetaBlocks(); !s.ok()) return s;
    if (Status s = WriteBuffered(); !s.ok()) return s;
    if (Status s = file_->Sync(); !s.ok()) return Fail(s);
    if (Status s = file_->Close(); !s.ok()) return Fail(s);
    return Status::OK();
  }

  [[nodiscard]] uint64_t entries() const { return entries_; }
  [[nodiscard]] const Status& status() const { return status_; }

  [[nodiscard]] uint64_t EstimatedFileSize() const {
    if (is_finished_) return offset_;
    uint64_t size = offset_ + data_block_.EstimatedSize() +
                    tombstone_block_.EstimatedSize() + index_.EstimatedSize() +
                    kTailBytes;
    if (filter_) {
      size += static_cast<uint64_t>(
          static_cast<double>(filter_->keys()) *
          options_.table.filter_policy->bits_per_key() / 8);
    }
    return size;
  }

 private:
  // Every later call returns the first failure, too.
  Status Fail(Status s) {
    status_ = std::move(s);
    return status_;
  }

  void CountEntry(const Slice& key, const Slice& value) {
    ++entries_;
    key_bytes_ += key.size();
    value_bytes_ += value.size();
    switch (TagType(ExtractTag(key))) {
      case ValueType::kRangeDeletion:
        ++range_deletions_;
        ++deletions_;
        break;
      case ValueType::kDeletion:
      case ValueType::kSingleDeletion:
        ++deletions_;
        break;
      case ValueType::kMerge:
        ++merge_operands_;
        break;
      default:
        break;
    }
  }

  // `next` is the first key of the next block; empty if there is none.
  Status WriteDataBlock(const Slice& next) {
    BlockHandle handle;
    if (Status s = WriteCompressed(data_block_.Finish(), &handle); !s.ok()) {
      return s;
    }
    index_.AddBlock(handle, data_block_.last_key(), next);
    data_block_.Reset();
    ReserveMemory();
    return Status::OK();
  }

  // What is held until the table is finished counts in the cache, as it will
  // when it is open. In steps: each one takes all locks of the cache.
  void ReserveMemory() {
    size_t bytes = index_.MemoryUsage();
    if (filter_) bytes += filter_->MemoryUsage();
    reservation_.GrowTo(bytes / kReservationStep * kReservationStep);
  }

  // Filter, index, range tombstones, properties; then what leads to them.
  Status WriteMetaBlocks() {
    std::map<std::string, BlockHandle> meta_blocks;
    uint64_t filter_bytes = 0;
    if (filter_ && filter_->keys() > 0) {
      const BlockBuffer filter = filter_->Finish();
      filter_bytes = filter.size();
      Status s = WriteRaw(filter.slice(), &meta_blocks[metaindex::kFullFilter]);
      if (!s.ok()) return s;
    }
    BlockBuilder index_block(/*restart_interval=*/1);
    index_.AddTo(&index_block);
    const Slice index = index_block.Finish();
    Footer footer;
    footer.checksum = options_.table.checksum;
    if (Status s = WriteCompressed(index, &footer.index); !s.ok()) return s;
    if (!tombstone_block_.empty()) {
      Status s = WriteRaw(tombstone_block_.Finish(),
                          &meta_blocks[metaindex::kRangeTombstones]);
      if (!s.ok()) return s;
    }
    const std::string properties =
        EncodeProperties(Properties(index.size(), filter_bytes));
    Status s = WriteRaw(properties, &meta_blocks[metaindex::kProperties]);
    if (!s.ok()) return s;

    BlockBuilder metaindex(/*restart_interval=*/1);
    std::string encoded_handle;
    for (const auto& [name, handle] : meta_blocks) {
      encoded_handle.clear();
      PutBlockHandle(&encoded_handle, handle);
      metaindex.Add(name, encoded_handle);
    }
    s = WriteRaw(metaindex.Finish(), &footer.metaindex);
    if (!s.ok()) return s;
    PutFooter(&buffer_, footer);
    offset_ += kFooterBytes;
    return Status::OK();
  }

  [[nodiscard]] std::map<std::string, std::string> Properties(
      uint64_t index_bytes, uint64_t filter_bytes) const {
    const auto truth = [](bool value) { return value ? "1" : "0"; };
    const bool has_filter = filter_.has_value();
    std::map<std::string, std::string> properties = {
        {property::kIndexType,
         Fixed32Property(static_cast<uint32_t>(IndexType::kBinarySearch))},
        {property::kIndexKeyIsUserKey,
         VarintProperty(index_.has_user_keys() ? 1 : 0)},
        {property::kIndexValueIsDeltaEncoded, VarintProperty(0)},
        {property::kWholeKeyFiltering, truth(true)},
        {property::kPrefixFiltering, truth(false)},
        {property::kNumMergeOperands, VarintProperty(merge_operands_)},
        {property::kNumRangeDeletions, VarintProperty(range_deletions_)},
        {property::kNumDeletions, VarintProperty(deletions_)},
        {property::kNumDataBlocks, VarintProperty(index_.blocks())},
        {property::kNumFilterEntries,
         VarintProperty(has_filter ? filter_->keys() : 0)},
        {property::kDataSize, VarintProperty(data_bytes_)},
        {property::kIndexSize,
         VarintProperty(index_bytes + kBlockTrailerBytes)},
        {property::kFilterSize, VarintProperty(filter_bytes)},
        {property::kFormatVersion, VarintProperty(kWrittenFormatVersion)},
        {property::kFamilyId, VarintProperty(options_.family_id)},
        {property::kFamilyName, options_.family_name},
        {property::kOriginalFileNumber, VarintProperty(options_.file_number)},
        {property::kComparator, options_.comparator->user_comparator()->Name()},
        {property::kCompression, CompressionName(options_.compression)},
        {property::kMergeOperator, options_.merge_operator_name},
        {property::kFilterPolicy,
         has_filter ? options_.table.filter_policy->Name() : ""},
    };
    // Readers divide by these numbers.
    if (entries_ > 0) {
      properties[property::kNumEntries] = VarintProperty(entries_);
      properties[property::kRawKeySize] = VarintProperty(key_bytes_);
      properties[property::kRawValueSize] = VarintProperty(value_bytes_);
    }
    if (options_.creation_time != 0) {
      properties[property::kCreationTime] =
          VarintProperty(options_.creation_time);
    }
    if (options_.file_creation_time != 0) {
      properties[property::kFileCreationTime] =
          VarintProperty(options_.file_creation_time);
    }
    return properties;
  }

  // Compresses the block if that makes it an eighth smaller.
  Status WriteCompressed(const Slice& contents, BlockHandle* handle) {
    if (options_.compression == kNoCompression) {
      return WriteBlock(contents, kNoCompression, handle);
    }
    Status s = Compress(options_.compression, options_.compression_options,
                        contents, &compressed_);
    if (!s.ok() && !s.IsAborted()) return Fail(s);
    if (!s.ok() || compressed_.size() > contents.size() / 8 * 7) {
      return WriteBlock(contents, kNoCompression, handle);
    }
    return WriteBlock(compressed_, options_.compression, handle);
  }

  Status WriteRaw(const Slice& contents, BlockHandle* handle) {
    return WriteBlock(contents, kNoCompression, handle);
  }

  Status WriteBlock(const Slice& contents, CompressionType type,
                    BlockHandle* handle) {
    *handle = {.offset = offset_, .size = contents.size()};
    buffer_.reserve(buffer_.size() + contents.size() + kBlockTrailerBytes);
    buffer_.append(contents.data(), contents.size());
    PutBlockTrailer(&buffer_, options_.table.checksum, contents.size(), type);
    offset_ += contents.size() + kBlockTrailerBytes;
    return buffer_.size() < kWriteBufferBytes ? Status::OK() : WriteBuffered();
  }

  Status WriteBuffered() {
    if (options_.rate_limiter != nullptr) {
      options_.rate_limiter->Request(static_cast<int64_t>(buffer_.size()),
                                     options_.rate_limiter_priority);
    }
    if (Status s = file_->Append(buffer_); !s.ok()) return Fail(s);
    buffer_.clear();
    return Status::OK();
  }

  const TableBuilderOptions options_;
  const std::string path_;
  const std::unique_ptr<WritableFile> file_;
  Status status_;
  bool is_finished_ = false;

  uint64_t offset_ = 0;  // Of the next block in the file.
  std::string buffer_;   // The end of the file, not written yet.
  std::string compressed_;
  BlockBuilder data_block_;
  BlockBuilder tombstone_block_;
  std::string tombstone_key_;
  IndexBuilder index_;
  std::optional<BloomFilterBuilder> filter_;
  CacheReservation reservation_;

  uint64_t entries_ = 0;
  uint64_t deletions_ = 0;
  uint64_t range_deletions_ = 0;
  uint64_t merge_operands_ = 0;
  uint64_t key_bytes_ = 0;
  uint64_t value_bytes_ = 0;
  uint64_t data_bytes_ = 0;
};

TableBuilder::TableBuilder(const TableBuilderOptions& options,
                           std::unique_ptr<WritableFile> file, std::string path)
    : impl_(std::make_unique<Impl>(options, std::move(file), std::move(path))) {
}

TableBuilder::~TableBuilder() = default;

Status TableBuilder::Add(const Slice& internal_key, const Slice& value) {
  return impl_->Add(internal_key, value);
}

void TableBuilder::AddTombstone(const Slice& begin, const Slice& end,
                                SequenceNumber sequence) {
  impl_->AddTombstone(begin, end, sequence);
}

Status TableBuilder::Finish() { return impl_->Finish(); }

uint64_t TableBuilder::entries() const { return impl_->entries(); }

uint64_t TableBuilder::EstimatedFileSize() const {
  return impl_->EstimatedFileSize();
}

Status TableBuilder::status() const { return impl_->status(); }

}  // namespace paceline
