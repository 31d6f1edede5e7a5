#include "cli/text.h"

#include <fmt/format.h>

#include <cstddef>
#include <initializer_list>

namespace paceline::cli {
namespace {

constexpr std::string_view kHexDigits = "0123456789abcdef";

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// The byte that two digits at the front of `text` stand for, or -1.
int HexByte(std::string_view text) {
  if (text.size() < 2) return -1;
  int high = HexValue(text[0]);
  int low = HexValue(text[1]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

// A character at the front of a string of bytes.
struct Utf8Character {
  size_t length = 0;  // 0 if the bytes are not UTF-8.
  uint32_t code_point = 0;
};

Utf8Character FirstCharacter(std::string_view bytes) {
  auto byte = [&](size_t i) { return static_cast<unsigned char>(bytes[i]); };
  if (byte(0) < 0x80) return {1, byte(0)};
  size_t length = 0;
  uint32_t code_point = 0;
  uint32_t smallest = 0;  // A longer form than necessary is not UTF-8.
  if ((byte(0) & 0xe0) == 0xc0) {
    length = 2, code_point = byte(0) & 0x1f, smallest = 0x80;
  } else if ((byte(0) & 0xf0) == 0xe0) {
    length = 3, code_point = byte(0) & 0x0f, smallest = 0x800;
  } else if ((byte(0) & 0xf8) == 0xf0) {
    length = 4, code_point = byte(0) & 0x07, smallest = 0x10000;
  }
  if (length == 0 || bytes.size() < length) return {};
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return {};
    code_point = code_point << 6 | (byte(i) & 0x3f);
  }
  bool is_surrogate = code_point >= 0xd800 && code_point <= 0xdfff;
  if (code_point < smallest || code_point > 0x10ffff || is_surrogate) return {};
  return {length, code_point};
}

// False for what moves the cursor, turns the direction of the text around or
// cannot be seen, because a terminal must show what is really there.
bool IsPrintable(uint32_t code_point) {
  if (code_point < 0x20 || (code_point >= 0x7f && code_point < 0xa0)) {
    return false;
  }
  bool is_invisible = (code_point >= 0x200b && code_point <= 0x200f) ||
                      (code_point >= 0x2028 && code_point <= 0x202e) ||
                      (code_point >= 0x2060 && code_point <= 0x206f) ||
                      code_point == 0xfeff || code_point == 0xad;
  return !is_invisible;
}

void AppendEscapedByte(char c, std::string* out) {
  switch (c) {
    case '\t':
      *out += "\\t";
      return;
    case '\n':
      *out += "\\n";
      return;
    case '\r':
      *out += "\\r";
      return;
    case '\\':
      *out += "\\\\";
      return;
    default:
      break;
  }
  *out += "\\x";
  AppendHex({&c, 1}, out);
}

// Appends `bytes`; escapes what is not printable, and `also`.
void AppendPrintable(std::string_view bytes, char also, std::string* out) {
  while (!bytes.empty()) {
    Utf8Character character = FirstCharacter(bytes);
    size_t length = character.length == 0 ? 1 : character.length;
    if (character.length != 0 && IsPrintable(character.code_point) &&
        bytes[0] != also) {
      out->append(bytes.substr(0, length));
    } else {
      for (char c : bytes.substr(0, length)) AppendEscapedByte(c, out);
    }
    bytes.remove_prefix(length);
  }
}

// `number` with the largest of `units`, each 1000 times the one before it,
// that leaves something in front of the point.
std::string Scaled(uint64_t number, std::initializer_list<const char*> units) {
  const char* const* unit = units.begin();
  if (number < 1000) return fmt::format("{} {}", number, *unit);
  auto amount = static_cast<double>(number);
  // 999.95 would be printed as 1000.0.
  for (; amount >= 999.95 && unit + 1 != units.end(); ++unit) amount /= 1000;
  return fmt::format("{:.1f} {}", amount, *unit);
}

}  // namespace

void AppendEscaped(std::string_view bytes, std::string* out) {
  AppendPrintable(bytes, '\\', out);
}

std::string Printable(std::string_view bytes) {
  std::string text;
  AppendPrintable(bytes, '\0', &text);  // NUL is escaped in any case.
  return text;
}

std::string Escaped(std::string_view bytes) {
  std::string text;
  AppendEscaped(bytes, &text);
  return text;
}

bool Unescape(std::string_view text, std::string* out) {
  out->clear();
  for (;;) {
    size_t plain = text.find('\\');
    out->append(text.substr(0, plain));
    if (plain == std::string_view::npos) return true;
    text.remove_prefix(plain + 1);
    if (text.empty()) return false;
    char kind = text[0];
    text.remove_prefix(1);
    switch (kind) {
      case 't':
        out->push_back('\t');
        break;
      case 'n':
        out->push_back('\n');
        break;
      case 'r':
        out->push_back('\r');
        break;
      case '\\':
        out->push_back('\\');
        break;
      case 'x': {
        int byte = HexByte(text);
        if (byte < 0) return false;
        out->push_back(static_cast<char>(byte));
        text.remove_prefix(2);
        break;
      }
      default:
        return false;
    }
  }
}

std::optional<std::string> ParseHex(std::string_view text) {
  if (text.size() % 2 != 0) return std::nullopt;
  std::string bytes;
  bytes.reserve(text.size() / 2);
  for (; !text.empty(); text.remove_prefix(2)) {
    int byte = HexByte(text);
    if (byte < 0) return std::nullopt;
    bytes.push_back(static_cast<char>(byte));
  }
  return bytes;
}

void AppendHex(std::string_view bytes, std::string* out) {
  for (char c : bytes) {
    auto byte = static_cast<unsigned char>(c);
    out->push_back(kHexDigits[byte >> 4]);
    out->push_back(kHexDigits[byte & 15]);
  }
}

bool IsUtf8(std::string_view bytes) {
  while (!bytes.empty()) {
    Utf8Character character = FirstCharacter(bytes);
    if (character.length == 0) return false;
    bytes.remove_prefix(character.length);
  }
  return true;
}

std::string WithCommas(uint64_t number) {
  std::string text = std::to_string(number);
  for (size_t i = text.size(); i > 3;) {
    i -= 3;
    text.insert(i, ",");
  }
  return text;
}

std::string HumanBytes(uint64_t bytes) {
  return Scaled(bytes, {"B", "kB", "MB", "GB", "TB"});
}

std::string HumanNanos(uint64_t nanos) {
  return Scaled(nanos, {"ns", "µs", "ms", "s"});
}

}  // namespace paceline::cli
