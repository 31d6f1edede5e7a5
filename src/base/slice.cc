#include "paceline/slice.h"

namespace paceline {

std::string Slice::ToString(bool hex) const {
  if (!hex) return std::string(data_, size_);
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string digits;
  digits.reserve(size_ * 2);
  for (char c : *this) {
    auto byte = static_cast<unsigned char>(c);
    digits.push_back(kDigits[byte >> 4]);
    digits.push_back(kDigits[byte & 15]);
  }
  return digits;
}

}  // namespace paceline
