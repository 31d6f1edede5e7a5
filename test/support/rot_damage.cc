#include "test/support/rot_damage.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "src/base/check.h"

namespace paceline {

namespace {

using Kind = RotDamage::Kind;
using Bytes = RotBase::Bytes;

// The blocks behind the data of a table, on which all else depends.
constexpr uint64_t kEndOfTableBytes = 700;
constexpr uint64_t kBehindBytesMax = 600;

std::string WithByte(std::string bytes, uint64_t offset, char byte) {
  bytes[offset] = byte;
  return bytes;
}

std::string WithZeroSector(std::string bytes, uint64_t offset) {
  const uint64_t begin =
      offset / RotDamage::kSectorBytes * RotDamage::kSectorBytes;
  const uint64_t end =
      std::min<uint64_t>(begin + RotDamage::kSectorBytes, bytes.size());
  std::fill(bytes.begin() + static_cast<int64_t>(begin),
            bytes.begin() + static_cast<int64_t>(end), '\0');
  return bytes;
}

// The file's own bytes, changed at `offset`.
std::string Changed(const std::string& bytes, Kind kind, uint64_t offset,
                    TestRandom* random) {
  switch (kind) {
    case Kind::kBitFlip:
      return WithByte(
          bytes, offset,
          static_cast<char>(bytes[offset] ^ (1 << random->Below(8))));
    case Kind::kZeroByte:
      return WithByte(bytes, offset, '\0');
    case Kind::kOnesByte:
      return WithByte(bytes, offset, '\xff');
    case Kind::kZeroSector:
      return WithZeroSector(bytes, offset);
    case Kind::kTruncated:
      return bytes.substr(0, offset);
    case Kind::kZerosBehind:
      return bytes + std::string(1 + random->Below(kBehindBytesMax), '\0');
    case Kind::kGarbageBehind:
      return bytes + random->Bytes(1 + random->Below(kBehindBytesMax));
    default:
      return "";
  }
}

// Other files of the type that there are now.
std::vector<std::string> Siblings(const RotBase& base,
                                  const std::string& path) {
  std::vector<std::string> siblings;
  for (const auto& [other, bytes] : base.files) {
    if (other != path && TypeOf(other) == TypeOf(path)) {
      siblings.push_back(other);
    }
  }
  return siblings;
}

Bytes OtherBytes(const RotBase& base, const std::string& path,
                 TestRandom* random) {
  std::vector<Bytes> choices;
  for (const std::string& sibling : Siblings(base, path)) {
    choices.push_back(base.files.at(sibling));
  }
  const auto others = base.others.find(TypeOf(path));
  if (others != base.others.end()) {
    choices.insert(choices.end(), others->second.begin(), others->second.end());
  }
  return choices.empty() ? nullptr : choices[random->Below(choices.size())];
}

void Swap(const RotBase& base, TestRandom* random, RotDamage* damage) {
  const auto siblings = Siblings(base, damage->path);
  if (siblings.empty()) return;
  const std::string& other = siblings[random->Below(siblings.size())];
  if (*base.files.at(other) == *base.files.at(damage->path)) return;
  damage->files[damage->path] = base.files.at(other);
  damage->files[other] = base.files.at(damage->path);
}

bool HasOffset(Kind kind) {
  return static_cast<int>(kind) < RotDamage::kKindsWithOffset;
}

Kind RandomKind(TestRandom* random) {
  struct Weight {
    Kind kind;
    uint64_t percent;
  };
  constexpr Weight kWeights[] = {
      {Kind::kBitFlip, 36},      {Kind::kZeroByte, 11},
      {Kind::kOnesByte, 11},     {Kind::kZeroSector, 10},
      {Kind::kTruncated, 14},    {Kind::kZerosBehind, 3},
      {Kind::kGarbageBehind, 3}, {Kind::kSwapped, 3},
      {Kind::kOtherFile, 3},     {Kind::kOlder, 3},
      {Kind::kMissing, 2},       {Kind::kEmpty, 1},
  };
  uint64_t choice = random->Below(100);
  for (const Weight& weight : kWeights) {
    if (choice < weight.percent) return weight.kind;
    choice -= weight.percent;
  }
  return Kind::kBitFlip;
}

// Mostly a WAL or a table, and now and then any.
std::string RandomPath(const RotBase& base, TestRandom* random) {
  constexpr FileType kTypes[] = {FileType::kWal, FileType::kTable,
                                 FileType::kManifest};
  const uint64_t choice = random->Below(20);
  const FileType type = kTypes[choice < 8 ? 0 : choice < 15 ? 1 : 2];
  std::vector<std::string> paths;
  for (const auto& [path, bytes] : base.files) {
    if (choice == 19 || TypeOf(path) == type) paths.push_back(path);
  }
  PL_CHECK(!paths.empty());
  return paths[random->Below(paths.size())];
}

}  // namespace

uint64_t FirstDifference(const std::string& a, const std::string& b) {
  const auto size = static_cast<int64_t>(std::min(a.size(), b.size()));
  const auto differs = std::mismatch(a.begin(), a.begin() + size, b.begin());
  return static_cast<uint64_t>(differs.first - a.begin());
}

std::string RotDamage::ToString() const {
  constexpr const char* kNames[] = {
      "a bit flipped",     "a byte 00", "a byte FF",
      "a sector of zeros", "truncated", "zeros behind",
      "garbage behind",    "swapped",   "another file's bytes",
      "an older version",  "missing",   "empty"};
  std::string text = path + ": " + kNames[static_cast<int>(kind)];
  if (HasOffset(kind)) text += " at offset " + std::to_string(offset);
  for (const auto& [other, bytes] : files) {
    if (other != path) text += ", with " + other;
  }
  return text;
}

RotDamage MakeDamage(const RotBase& base, const std::string& path, Kind kind,
                     uint64_t offset, TestRandom* random) {
  RotDamage damage{.kind = kind, .path = path, .offset = offset, .files = {}};
  const Bytes& now = base.files.at(path);
  if (HasOffset(kind) && offset >= now->size()) return damage;
  Bytes then;
  switch (kind) {
    case Kind::kSwapped:
      Swap(base, random, &damage);
      return damage;
    case Kind::kMissing:
      damage.files[path] = nullptr;
      return damage;
    case Kind::kOtherFile:
      then = OtherBytes(base, path, random);
      break;
    case Kind::kOlder: {
      const auto older = base.older.find(path);
      if (older == base.older.end()) return damage;
      then = older->second[random->Below(older->second.size())];
      break;
    }
    default:
      then = std::make_shared<const std::string>(
          Changed(*now, kind, offset, random));
  }
  if (then != nullptr && *then != *now) damage.files[path] = std::move(then);
  return damage;
}

RotDamage RandomDamage(const RotBase& base, TestRandom* random) {
  while (true) {
    const std::string path = RandomPath(base, random);
    const uint64_t size = base.files.at(path)->size();
    const bool is_at_end = TypeOf(path) == FileType::kTable &&
                           size > kEndOfTableBytes && random->OneIn(4);
    uint64_t offset = random->Below(std::max<uint64_t>(size, 1));
    if (is_at_end) offset = size - 1 - random->Below(kEndOfTableBytes);
    RotDamage damage =
        MakeDamage(base, path, RandomKind(random), offset, random);
    if (!damage.files.empty()) return damage;
  }
}

RotEnumeration::RotEnumeration(const RotBase* base) : base_(base) {
  for (const auto& [path, bytes] : base->files) {
    for (int i = 0; i < RotDamage::kKinds; ++i) {
      const auto kind = static_cast<Kind>(i);
      const uint64_t step =
          kind == Kind::kZeroSector ? RotDamage::kSectorBytes : 1;
      const uint64_t count =
          HasOffset(kind) ? (bytes->size() + step - 1) / step : 1;
      parts_.push_back({path, kind, step, count});
      size_ += count;
    }
  }
}

RotDamage RotEnumeration::At(uint64_t number, TestRandom* random) const {
  for (const Part& part : parts_) {
    if (number < part.count) {
      return MakeDamage(*base_, part.path, part.kind, number * part.step,
                        random);
    }
    number -= part.count;
  }
  return {};
}

}  // namespace paceline
