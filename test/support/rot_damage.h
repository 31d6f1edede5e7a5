// Damages of the files of a RotBase, each a pure function of a few numbers.

#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "test/support/rot_base.h"
#include "test/support/seed.h"

namespace paceline {

struct RotDamage {
  enum class Kind {
    kBitFlip,
    kZeroByte,
    kOnesByte,
    kZeroSector,  // 512 bytes.
    kTruncated,
    // Of the file as a whole; no offset.
    kZerosBehind,
    kGarbageBehind,
    kSwapped,    // With another file of its type.
    kOtherFile,  // The bytes of another file of its type, of now or before.
    kOlder,      // Its own bytes of before.
    kMissing,
    kEmpty,
  };
  static constexpr int kKinds = 12;
  static constexpr int kKindsWithOffset = 5;
  static constexpr uint64_t kSectorBytes = 512;

  Kind kind = Kind::kBitFlip;
  std::string path;
  uint64_t offset = 0;
  // The files that differ and what they hold; null: gone.
  std::map<std::string, RotBase::Bytes> files;

  [[nodiscard]] bool IsOfOneByte() const { return kind <= Kind::kOnesByte; }
  // In words, for a message.
  [[nodiscard]] std::string ToString() const;
};

// Where the bytes of the damaged file first differ from those it had; the size
// of the shorter one if one begins with the other.
uint64_t FirstDifference(const std::string& a, const std::string& b);

// Damages one file. No `files`: that damage would change nothing, or there is
// nothing to do it with. What the numbers leave open is `random`'s.
RotDamage MakeDamage(const RotBase& base, const std::string& path,
                     RotDamage::Kind kind, uint64_t offset, TestRandom* random);
// Any damage that changes something, with a weight on what is most likely to
// be met.
RotDamage RandomDamage(const RotBase& base, TestRandom* random);

// Every damage of a base: each kind at each offset that it can have.
class RotEnumeration {
 public:
  explicit RotEnumeration(const RotBase* base);
  [[nodiscard]] uint64_t size() const { return size_; }
  // May be one that changes nothing.
  [[nodiscard]] RotDamage At(uint64_t number, TestRandom* random) const;

 private:
  struct Part {
    std::string path;
    RotDamage::Kind kind;
    uint64_t step;
    uint64_t count;
  };
  const RotBase* const base_;
  std::vector<Part> parts_;
  uint64_t size_ = 0;
};

}  // namespace paceline
