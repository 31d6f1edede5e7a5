// How the command line writes keys and values: as text with escapes, as
// hexadecimal digits, or as members of a JSON object. What one command prints,
// another reads back.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "paceline/slice.h"

namespace paceline::cli {

// Appends `bytes` in the form of a tsv field: printable text as it is (UTF-8
// too), `\t`, `\n`, `\r` and `\\` by name, every other byte as `\xHH`.
void AppendEscaped(std::string_view bytes, std::string* out);
std::string Escaped(std::string_view bytes);

// The same with backslashes left alone, for messages: nobody reads them back,
// and part of them may be escaped already.
std::string Printable(std::string_view bytes);

// The reverse of AppendEscaped(). Bytes that need no escape may have one, and
// bytes that need one may do without. Returns false for a backslash that
// begins no known escape; `*out` is then unspecified.
[[nodiscard]] bool Unescape(std::string_view text, std::string* out);

// Two digits, of either case, a byte. Nothing if that is not what `text` is.
[[nodiscard]] std::optional<std::string> ParseHex(std::string_view text);
void AppendHex(std::string_view bytes, std::string* out);

// True if JSON can hold `bytes` as a string.
[[nodiscard]] bool IsUtf8(std::string_view bytes);

// Adds the member `"name": "bytes"`, or `"name_hex": "digits"` if `hex` or if
// the bytes are not UTF-8.
template <typename Json>
void AddBytes(const std::string& name, std::string_view bytes, bool hex,
              Json* object) {
  if (hex || !IsUtf8(bytes)) {
    std::string digits;
    AppendHex(bytes, &digits);
    (*object)[name + "_hex"] = digits;
  } else {
    (*object)[name] = std::string(bytes);
  }
}

// For people: 1234567 as "1,234,567"; bytes as "1.2 MB"; nanoseconds as
// "1.2 ms".
std::string WithCommas(uint64_t number);
std::string HumanBytes(uint64_t bytes);
std::string HumanNanos(uint64_t nanos);

}  // namespace paceline::cli
