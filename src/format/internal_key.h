// Internal keys: a user key with the sequence number and kind of its entry,
// and the order they are sorted in.
//
//   internal key = user key, u64 tag;  tag = sequence << 8 | type
//
// Order: user keys ascending by the comparator; for equal user keys the tag
// descending, so that the newest entry of a key comes first.

#pragma once

#include <cstdint>
#include <string>

#include "paceline/comparator.h"
#include "paceline/slice.h"
#include "paceline/snapshot.h"

#include "src/base/coding.h"

namespace paceline {

inline constexpr SequenceNumber kMaxSequenceNumber =
    (SequenceNumber{1} << 56) - 1;

// The kinds of entries; the numbers are part of the formats. Kinds that exist
// only in batches are in batch_reader.h.
enum class ValueType : uint8_t {
  kDeletion = 0,
  kValue = 1,
  kMerge = 2,
  kSingleDeletion = 7,
  kRangeDeletion = 15,
  // Never stored: sorts before every real type of the same sequence.
  kSeekMax = 127,
};

inline constexpr size_t kTagBytes = 8;

// What a key and its value may have together: a block of a table, which is
// addressed with 32 bits and may have other entries before a large one, has
// room for them.
inline constexpr uint64_t kEntryBytesMax = uint64_t{15} << 28;

[[nodiscard]] constexpr uint64_t PackTag(SequenceNumber sequence,
                                         ValueType type) {
  return sequence << 8 | static_cast<uint64_t>(type);
}
[[nodiscard]] constexpr SequenceNumber TagSequence(uint64_t tag) {
  return tag >> 8;
}
[[nodiscard]] constexpr ValueType TagType(uint64_t tag) {
  return static_cast<ValueType>(tag & 0xff);
}

// The largest key of a file that ends with a range tombstone.
inline constexpr uint64_t kRangeTombstoneSentinelTag =
    PackTag(kMaxSequenceNumber, ValueType::kRangeDeletion);

// `internal_key` must have at least kTagBytes bytes.
[[nodiscard]] inline Slice ExtractUserKey(const Slice& internal_key) {
  return {internal_key.data(), internal_key.size() - kTagBytes};
}
[[nodiscard]] inline uint64_t ExtractTag(const Slice& internal_key) {
  return DecodeFixed64(internal_key.data() + internal_key.size() - kTagBytes);
}

inline void AppendInternalKey(std::string* to, const Slice& user_key,
                              SequenceNumber sequence, ValueType type) {
  to->append(user_key.data(), user_key.size());
  PutFixed64(to, PackTag(sequence, type));
}

// Constant after construction.
class InternalKeyComparator {
 public:
  explicit InternalKeyComparator(const Comparator* user_comparator)
      : user_comparator_(user_comparator),
        is_bytewise_(user_comparator == BytewiseComparator()) {}

  [[nodiscard]] const Comparator* user_comparator() const {
    return user_comparator_;
  }
  // True for the default order, in which bytes can be compared directly.
  [[nodiscard]] bool is_bytewise() const { return is_bytewise_; }

  [[nodiscard]] int CompareUserKeys(const Slice& a, const Slice& b) const {
    return is_bytewise_ ? a.compare(b) : user_comparator_->Compare(a, b);
  }
  [[nodiscard]] int Compare(const Slice& user_key_a, uint64_t tag_a,
                            const Slice& user_key_b, uint64_t tag_b) const {
    int order = CompareUserKeys(user_key_a, user_key_b);
    if (order != 0) return order;
    return tag_a > tag_b ? -1 : tag_a < tag_b ? 1 : 0;
  }
  [[nodiscard]] int Compare(const Slice& a, const Slice& b) const {
    return Compare(ExtractUserKey(a), ExtractTag(a), ExtractUserKey(b),
                   ExtractTag(b));
  }

 private:
  const Comparator* const user_comparator_;
  const bool is_bytewise_;
};

}  // namespace paceline
