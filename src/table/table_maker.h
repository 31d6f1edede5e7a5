// Tables of every form that Paceline reads, made for tests of the reader.
// (TableBuilder writes one of these forms only.)

#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "paceline/env.h"

#include "src/base/check.h"
#include "src/format/file_metadata.h"
#include "src/format/internal_key.h"
#include "src/table/block_builder.h"
#include "src/table/bloom_filter.h"
#include "src/table/compression.h"
#include "src/table/table_format.h"
#include "src/table/table_properties.h"

namespace paceline {

inline std::string InternalKey(const std::string& user_key,
                               SequenceNumber sequence,
                               ValueType type = ValueType::kValue) {
  std::string key;
  AppendInternalKey(&key, user_key, sequence, type);
  return key;
}

// A file in memory that counts how often it is read.
class StringFile final : public RandomAccessFile {
 public:
  // `reads` may be null.
  StringFile(std::string bytes, int* reads)
      : bytes_(std::move(bytes)), reads_(reads) {}

  Status Read(uint64_t offset, size_t n, Slice* result,
              char* scratch) const override {
    if (reads_ != nullptr) ++*reads_;
    const size_t begin = std::min<uint64_t>(offset, bytes_.size());
    const size_t size = std::min(n, bytes_.size() - begin);
    std::copy_n(bytes_.data() + begin, size, scratch);
    *result = Slice(scratch, size);
    return Status::OK();
  }

 private:
  const std::string bytes_;
  int* const reads_;
};

// The order of internal keys.
struct InternalKeyLess {
  const InternalKeyComparator* comparator;
  bool operator()(const std::string& a, const std::string& b) const {
    return comparator->Compare(Slice(a), Slice(b)) < 0;
  }
};
using Entries = std::map<std::string, std::string, InternalKeyLess>;

struct TableForm {
  const char* name = "plain";
  uint32_t format_version = 5;
  ChecksumType checksum = kXXH3;
  CompressionType compression = kNoCompression;
  // Of what is never compressed in a good table.
  CompressionType meta_compression = kNoCompression;
  int entries_in_block = 5;
  int restart_interval = 3;
  IndexType index_type = IndexType::kBinarySearch;
  bool has_user_keys = false;
  bool has_delta_handles = false;
  int index_restart_interval = 1;
  int blocks_in_partition = 3;
  // How many more times the index has the last block.
  int last_block_repeated = 0;
  enum class Filter { kNone, kFull, kPartitioned } filter = Filter::kNone;
};

// Not for tables that are large. Used once.
class TableMaker {
 public:
  explicit TableMaker(const TableForm& form) : form_(form) {
    SetProperty(property::kIndexType,
                Fixed32Property(static_cast<uint32_t>(form.index_type)));
    SetProperty(property::kIndexKeyIsUserKey,
                VarintProperty(form.has_user_keys));
    SetProperty(property::kIndexValueIsDeltaEncoded,
                VarintProperty(form.has_delta_handles));
    SetProperty(property::kComparator, BytewiseComparator()->Name());
  }

  void SetProperty(const std::string& name, const std::string& value) {
    properties_[name] = value;
  }
  // In the order they are to be stored in.
  void AddTombstone(const std::string& begin, const std::string& end,
                    SequenceNumber sequence) {
    tombstones_.Add(InternalKey(begin, sequence, ValueType::kRangeDeletion),
                    end);
  }

  std::string Make(const Entries& entries) {
    AddDataBlocks(entries);
    AddFilter();
    for (int i = 0; i < form_.last_block_repeated; ++i) {
      blocks_.push_back(Part(blocks_.back()));
    }
    std::map<std::string, BlockHandle> meta;
    if (filter_) meta[filter_->first] = filter_->second;
    const BlockHandle index =
        AddIndex(blocks_, form_.index_type == IndexType::kTwoLevel);
    if (form_.format_version >= kContextFormatVersion) {
      meta[metaindex::kIndex] = index;
    }
    if (!tombstones_.empty()) {
      meta[metaindex::kRangeTombstones] =
          AddBlock(tombstones_.Finish(), form_.meta_compression);
    }
    meta[metaindex::kProperties] =
        AddBlock(EncodeProperties(properties_), form_.meta_compression);
    properties_at_ = meta[metaindex::kProperties];
    BlockBuilder metaindex(1);
    for (const auto& [name, handle] : meta) {
      metaindex.Add(name, Encoded(handle));
    }
    const BlockHandle metaindex_handle =
        AddBlock(metaindex.Finish(), form_.meta_compression);
    AddFooter(metaindex_handle, index);
    return std::move(file_);
  }

  [[nodiscard]] BlockHandle properties_at() const { return properties_at_; }
  [[nodiscard]] size_t blocks() const { return blocks_.size(); }
  [[nodiscard]] BlockHandle block(size_t i) const { return blocks_[i].handle; }

 private:
  static constexpr uint32_t kContextBase = 0x28136397;

  // Of a data block or a partition of the index.
  struct Part {
    std::string separator;
    BlockHandle handle;
    std::string first_key;
  };

  static std::string Encoded(const BlockHandle& handle) {
    std::string bytes;
    PutBlockHandle(&bytes, handle);
    return bytes;
  }

  [[nodiscard]] uint32_t ContextBase() const {
    return form_.format_version >= kContextFormatVersion ? kContextBase : 0;
  }

  BlockHandle AddBlock(const Slice& contents, CompressionType compression) {
    std::string stored = contents.ToString();
    if (compression != kNoCompression) {
      const Status s = Compress(compression, {}, contents, &stored);
      PL_CHECK(s.ok());
    }
    const BlockHandle handle = {file_.size(), stored.size()};
    stored.push_back(static_cast<char>(compression));
    file_ += stored;
    PutFixed32(&file_, BlockChecksum(form_.checksum, stored) +
                           ChecksumContext(ContextBase(), handle.offset));
    return handle;
  }

  // Between two user keys where that is possible.
  std::string Separator(const std::string& last, const std::string* next) {
    const std::string user_key = ExtractUserKey(last).ToString();
    if (form_.has_user_keys) return user_key;
    if (next != nullptr && ExtractUserKey(*next) == Slice(user_key)) {
      return last;
    }
    // In front of everything that has this user key.
    const std::string longer = user_key + '\0';
    if (next != nullptr &&
        !(Slice(longer).compare(ExtractUserKey(*next)) < 0)) {
      return last;
    }
    return InternalKey(longer, kMaxSequenceNumber, ValueType{0x16});
  }

  void AddDataBlocks(const Entries& entries) {
    auto next = entries.begin();
    while (next != entries.end()) {
      BlockBuilder block(form_.restart_interval);
      const std::string first = next->first;
      std::string last;
      const auto meets = [&] {
        return form_.has_user_keys && next != entries.end() &&
               ExtractUserKey(next->first) == ExtractUserKey(last);
      };
      for (int i = 0;
           next != entries.end() && (i < form_.entries_in_block || meets());
           ++i, ++next) {
        last = next->first;
        block.Add(last, next->second);
      }
      const std::string separator =
          Separator(last, next != entries.end() ? &next->first : nullptr);
      blocks_.push_back(
          {separator, AddBlock(block.Finish(), form_.compression), first});
    }
    for (const auto& [key, value] : entries) {
      keys_.push_back(ExtractUserKey(key).ToString());
    }
  }

  BlockHandle AddIndexBlock(const std::vector<Part>& parts, size_t begin,
                            size_t end, bool has_first_keys,
                            CompressionType compression) {
    std::string bytes;
    std::vector<uint32_t> restarts;
    for (size_t i = begin; i < end; ++i) {
      const Part& part = parts[i];
      size_t shared = 0;
      if ((i - begin) % form_.index_restart_interval == 0) {
        restarts.push_back(static_cast<uint32_t>(bytes.size()));
      } else {
        const std::string& previous = parts[i - 1].separator;
        while (shared < previous.size() && shared < part.separator.size() &&
               previous[shared] == part.separator[shared]) {
          ++shared;
        }
      }
      std::string value = Encoded(part.handle);
      if (form_.has_delta_handles && shared > 0) {
        const BlockHandle& previous = parts[i - 1].handle;
        PL_CHECK(part.handle.offset ==
                 previous.offset + previous.size + kBlockTrailerBytes);
        const auto difference =
            static_cast<int64_t>(part.handle.size - previous.size);
        value.clear();
        PutVarint64(&value, static_cast<uint64_t>(difference) << 1 ^
                                static_cast<uint64_t>(difference >> 63));
      }
      if (has_first_keys) PutLengthPrefixed(&value, part.first_key);
      PutVarint64(&bytes, shared);
      PutVarint64(&bytes, part.separator.size() - shared);
      if (!form_.has_delta_handles) PutVarint64(&bytes, value.size());
      bytes += part.separator.substr(shared) + value;
    }
    if (restarts.empty()) restarts.push_back(0);
    for (const uint32_t restart : restarts) PutFixed32(&bytes, restart);
    PutFixed32(&bytes, static_cast<uint32_t>(restarts.size()));
    return AddBlock(bytes, compression);
  }

  BlockHandle AddIndex(const std::vector<Part>& parts, bool is_two_level) {
    if (!is_two_level) {
      return AddIndexBlock(parts, 0, parts.size(),
                           form_.index_type == IndexType::kFirstKeys,
                           form_.compression);
    }
    std::vector<Part> top;
    for (const auto& [begin, end] : Partitions(parts.size())) {
      top.push_back({parts[end - 1].separator,
                     AddIndexBlock(parts, begin, end, false, form_.compression),
                     ""});
    }
    return AddIndexBlock(top, 0, top.size(), false, form_.compression);
  }

  [[nodiscard]] std::vector<std::pair<size_t, size_t>> Partitions(
      size_t count) const {
    std::vector<std::pair<size_t, size_t>> partitions;
    const auto step = static_cast<size_t>(form_.blocks_in_partition);
    for (size_t begin = 0; begin < count; begin += step) {
      partitions.emplace_back(begin, std::min(count, begin + step));
    }
    return partitions;
  }

  void AddFilter() {
    if (form_.filter == TableForm::Filter::kFull) {
      BloomFilterBuilder filter(10);
      for (const std::string& key : keys_) filter.AddKey(key);
      filter_ = {metaindex::kFullFilter,
                 AddBlock(filter.Finish().slice(), form_.meta_compression)};
    } else if (form_.filter == TableForm::Filter::kPartitioned) {
      std::vector<Part> parts;
      for (const auto& [begin, end] : Partitions(blocks_.size())) {
        BloomFilterBuilder filter(10);
        const auto per_block = static_cast<size_t>(form_.entries_in_block);
        const size_t keys_end = std::min(keys_.size(), end * per_block);
        for (size_t i = begin * per_block; i < keys_end; ++i) {
          filter.AddKey(keys_[i]);
        }
        parts.push_back(
            {blocks_[end - 1].separator,
             AddBlock(filter.Finish().slice(), form_.meta_compression), ""});
      }
      filter_ = {
          metaindex::kPartitionedFilter,
          AddIndexBlock(parts, 0, parts.size(), false, form_.meta_compression)};
    }
  }

  void AddFooter(const BlockHandle& metaindex, const BlockHandle& index) {
    const uint64_t offset = file_.size();
    if (form_.format_version < kContextFormatVersion) {
      PutFooter(
          &file_,
          {.checksum = form_.checksum, .metaindex = metaindex, .index = index});
      EncodeFixed(file_.data() + file_.size() - 12, form_.format_version);
      return;
    }
    std::string footer(1, form_.checksum);
    footer.append("\x3e\x00\x7a\x00", 4);
    PutFixed32(&footer, 0);
    PutFixed32(&footer, kContextBase);
    PutFixed32(&footer, static_cast<uint32_t>(metaindex.size));
    footer.resize(41, '\0');
    PutFixed32(&footer, form_.format_version);
    PutFixed64(&footer, kTableMagic);
    EncodeFixed(footer.data() + 5, BlockChecksum(form_.checksum, footer) +
                                       ChecksumContext(kContextBase, offset));
    file_ += footer;
  }

  const TableForm form_;
  std::string file_;
  std::vector<Part> blocks_;
  std::vector<std::string> keys_;
  std::optional<std::pair<std::string, BlockHandle>> filter_;
  BlockBuilder tombstones_{1};
  std::map<std::string, std::string> properties_;
  BlockHandle properties_at_;
};

}  // namespace paceline
