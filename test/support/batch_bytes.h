// The bytes of WriteBatches, sound and malformed, and a second opinion on what
// they mean: a parser that shares nothing with the library's.

#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "test/support/seed.h"

namespace paceline {

// What is to be done with the bytes of a batch.
enum class BatchVerdict { kGood, kMalformed, kUnsupported };

// An entry of a batch. Log data and no-ops are none.
struct ReferenceEntry {
  // RocksDB's numbers: 0 deletion, 1 put, 2 merge, 7 single deletion, 15
  // deletion of a range.
  int type = 0;
  uint64_t family = 0;
  std::string key = {};
  std::string value = {};

  friend bool operator==(const ReferenceEntry&,
                         const ReferenceEntry&) = default;
};

struct ReferenceBatch {
  BatchVerdict verdict = BatchVerdict::kGood;
  std::vector<ReferenceEntry> entries = {};
};

// Reads a batch byte by byte, as the format says: an 8-byte sequence, a 4-byte
// count, then tag, family and strings of each entry. Thread-compatible.
class ReferenceParser {
 public:
  static ReferenceBatch Parse(const std::string& bytes) {
    ReferenceParser parser(bytes);
    ReferenceBatch batch;
    batch.verdict = parser.ParseAll(&batch.entries);
    if (batch.verdict != BatchVerdict::kGood) batch.entries.clear();
    return batch;
  }

 private:
  explicit ReferenceParser(const std::string& bytes) : bytes_(bytes) {}

  BatchVerdict ParseAll(std::vector<ReferenceEntry>* entries) {
    constexpr size_t kHeader = 12;
    if (bytes_.size() < kHeader) return BatchVerdict::kMalformed;
    const uint64_t sequence = Little(8);
    const uint64_t count = Little(4);
    while (at_ < bytes_.size()) {
      const BatchVerdict verdict = ParseEntry(entries);
      if (verdict != BatchVerdict::kGood) return verdict;
    }
    // Sequence numbers have 56 bits.
    constexpr uint64_t kLast = (uint64_t{1} << 56) - 1;
    const bool fits = entries->size() == count && sequence + count <= kLast &&
                      sequence <= kLast;
    return fits ? BatchVerdict::kGood : BatchVerdict::kMalformed;
  }

  BatchVerdict ParseEntry(std::vector<ReferenceEntry>* entries) {
    struct Form {
      int type;
      bool has_family;
      int strings;
    };
    const auto tag = static_cast<uint8_t>(bytes_[at_++]);
    std::optional<Form> form;
    switch (tag) {
      case 0:
        form = {0, false, 1};
        break;
      case 1:
        form = {1, false, 2};
        break;
      case 2:
        form = {2, false, 2};
        break;
      case 4:
        form = {0, true, 1};
        break;
      case 5:
        form = {1, true, 2};
        break;
      case 6:
        form = {2, true, 2};
        break;
      case 7:
        form = {7, false, 1};
        break;
      case 8:
        form = {7, true, 1};
        break;
      case 14:
        form = {15, true, 2};
        break;
      case 15:
        form = {15, false, 2};
        break;
      case 3:  // Log data: a string and nothing else.
        return String().has_value() ? BatchVerdict::kGood
                                    : BatchVerdict::kMalformed;
      case 13:  // Nothing.
        return BatchVerdict::kGood;
      default:
        return IsRocksDBs(tag) ? BatchVerdict::kUnsupported
                               : BatchVerdict::kMalformed;
    }
    ReferenceEntry entry = {.type = form->type};
    if (form->has_family) {
      const std::optional<uint64_t> family = Varint32();
      if (!family) return BatchVerdict::kMalformed;
      entry.family = *family;
    }
    const std::optional<std::string> key = String();
    if (!key) return BatchVerdict::kMalformed;
    entry.key = *key;
    if (form->strings == 2) {
      const std::optional<std::string> value = String();
      if (!value) return BatchVerdict::kMalformed;
      entry.value = *value;
    }
    entries->push_back(entry);
    return BatchVerdict::kGood;
  }

  // Two-phase commit, blobs, wide columns, timed puts.
  static bool IsRocksDBs(uint8_t tag) {
    return (tag >= 9 && tag <= 12) || (tag >= 16 && tag <= 19) ||
           (tag >= 21 && tag <= 25);
  }

  uint64_t Little(int bytes) {
    uint64_t value = 0;
    for (int i = 0; i < bytes; ++i) {
      value += uint64_t{static_cast<uint8_t>(bytes_[at_++])} << (8 * i);
    }
    return value;
  }

  // At most five bytes of seven bits each, the last of them with four.
  std::optional<uint64_t> Varint32() {
    uint64_t value = 0;
    for (int i = 0; i < 5 && at_ < bytes_.size(); ++i) {
      const auto byte = static_cast<uint8_t>(bytes_[at_++]);
      value += uint64_t{byte & 0x7fU} << (7 * i);
      if (byte < 0x80) {
        if (value > UINT32_MAX) return std::nullopt;
        return value;
      }
    }
    return std::nullopt;
  }

  std::optional<std::string> String() {
    const std::optional<uint64_t> size = Varint32();
    if (!size || *size > bytes_.size() - at_) return std::nullopt;
    std::string text = bytes_.substr(at_, *size);
    at_ += *size;
    return text;
  }

  const std::string& bytes_;
  size_t at_ = 0;
};

// Random batches and what may become of them. Thread-compatible.
class BatchBytesSource {
 public:
  // The families that sound batches name are numbered below `families`.
  BatchBytesSource(uint64_t seed, uint32_t families)
      : random_(seed), families_(families) {}

  std::string Sound() {
    std::string entries;
    uint32_t count = 0;
    for (uint64_t left = random_.Below(7); left > 0; --left) {
      if (AddEntry(&entries)) ++count;
    }
    return std::string(8, '\0') + Fixed32(count) + entries;
  }

  // A sound batch with one to three changes; now and then still a sound one.
  std::string Malformed() {
    std::string bytes = Sound();
    for (uint64_t left = 1 + random_.Below(3); left > 0; --left) Damage(&bytes);
    return bytes;
  }

 private:
  // True if the entry counts.
  bool AddEntry(std::string* to) {
    static constexpr std::array<char, 5> kTags = {0, 1, 2, 7, 15};
    static constexpr std::array<char, 5> kFamilyTags = {4, 5, 6, 8, 14};
    const uint64_t kind = random_.Below(kTags.size() + 1);
    if (kind == kTags.size()) {
      if (random_.OneIn(2)) {
        *to += '\x0d';
      } else {
        *to += '\x03' + String(random_.Below(20));
      }
      return false;
    }
    const uint64_t family = random_.Below(families_);
    if (family == 0 && random_.OneIn(2)) {
      *to += kTags[kind];
    } else {
      *to += kFamilyTags[kind] + Varint(family);
    }
    *to += String(1 + random_.Below(3));
    const char tag = kTags[kind];
    if (tag == 1 || tag == 2 || tag == 15) *to += String(random_.Below(200));
    return true;
  }

  std::string String(size_t size) {
    return Varint(size) + random_.Letters(size);
  }

  void Damage(std::string* bytes) {
    const size_t at = random_.Below(bytes->size() + 1);
    switch (random_.Below(9)) {
      case 0:
        bytes->resize(at);
        break;
      case 1:
        if (at < bytes->size())
          (*bytes)[at] = static_cast<char>(random_.Next());
        break;
      case 2:
        bytes->insert(at, random_.Bytes(1 + random_.Below(4)));
        break;
      case 3:
        bytes->erase(at, 1 + random_.Below(4));
        break;
      case 4:  // A count that is a little or very much too large.
        if (bytes->size() >= 12) {
          bytes->replace(8, 4,
                         Fixed32(random_.OneIn(2) ? UINT32_MAX
                                                  : static_cast<uint32_t>(
                                                        random_.Below(9))));
        }
        break;
      case 5:  // Another entry, counted or not.
        AddEntry(bytes);
        break;
      case 6:  // A tag behind the last entry.
        *bytes += static_cast<char>(random_.Below(64));
        break;
      case 7:  // A sequence number, which is not the caller's to choose.
        if (bytes->size() >= 12) bytes->replace(0, 8, random_.Bytes(8));
        break;
      case 8:  // The end of a length that does not end, or is too long.
        bytes->insert(at, std::string(1 + random_.Below(9), '\x80'));
        break;
    }
  }

  static std::string Fixed32(uint32_t value) {
    std::string bytes;
    for (int i = 0; i < 4; ++i) bytes += static_cast<char>(value >> (8 * i));
    return bytes;
  }
  static std::string Varint(uint64_t value) {
    std::string bytes;
    for (; value >= 0x80; value >>= 7) bytes += static_cast<char>(value | 0x80);
    return bytes + static_cast<char>(value);
  }

  TestRandom random_;
  const uint32_t families_;
};

}  // namespace paceline
